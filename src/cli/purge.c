/* zkq purge: empties a folder of any application, where other clients fail. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

#define STALL_MS 60000		/* a listing of hundreds of megabytes is one answer */
#define SESSION_MS 40000	/* within two thirds of it such an answer must come */
#define NAMED_MAX 10		/* of those that stay are named */

static const char *path;
static bool yes, force, dry_run, recursive;
static int64_t keep_newer_ms;
static int rate;

static const struct option_row rows[] = {
	{ .name = "path", .argument = "PATH", .kind = OPTION_TEXT, .into = &path,
	    .help = "the folder whose children are deleted" },
	{ .letter = 'y', .name = "yes", .kind = OPTION_FLAG, .into = &yes, .help = "do not ask" },
	{ .letter = 'r', .name = "recursive", .kind = OPTION_FLAG, .into = &recursive,
	    .help = "children that have children, too" },
	{ .name = "dry-run", .kind = OPTION_FLAG, .into = &dry_run, .help = "only count" },
	{ .name = "keep-newer-than", .argument = "TIME", .kind = OPTION_TIME, .into = &keep_newer_ms, .min = 1,
	    .max = INT64_MAX / 2, .help = "keep what was created within TIME" },
	{ .name = "rate", .argument = "N", .kind = OPTION_NUMBER, .into = &rate, .min = 1, .max = 10000000,
	    .help = "at most N a second" },
	{ .name = "force", .kind = OPTION_FLAG, .into = &force, .help = "a tree of zkq, too" },
	{ 0 },
};

struct state {
	struct zkq_purge_progress last;
	int64_t began_ms;
	int named;
	bool counting, drawn;
};

static void
draw(struct state *state)
{
	int64_t ms = cli_now() - state->began_ms;

	if (settings.quiet || settings.json || !isatty(STDERR_FILENO) || ms < 300)
		return;
	if (state->counting)
		fprintf(stderr, "\r%lld found ", (long long)state->last.found);
	else
		fprintf(stderr, "\r%lld of %lld deleted, %lld/s ", (long long)state->last.deleted,
		    (long long)state->last.found, (long long)(state->last.deleted * 1000 / ms));
	state->drawn = true;
}

static void
end_drawing(struct state *state)
{
	if (state->drawn)
		fputs("\r\033[K", stderr);
	state->drawn = false;
}

static int
progress(void *context, const struct zkq_purge_progress *now)
{
	struct state *state = context;

	state->last = *now;
	state->last.path = NULL;
	if (!now->path) {
		draw(state);
		return 0;
	}
	end_drawing(state);
	if (state->named++ < NAMED_MAX && now->error == ZKQ_EEXIST)
		cli_say("%s: has children: --recursive deletes them, too", now->path);
	else if (state->named <= NAMED_MAX)
		cli_say("%s: %s", now->path, zkq_strerror(now->error));
	return 0;
}

static int
purge(struct zkq *handle, struct state *state, bool count_only)
{
	struct zkq_purge_options options = { .size = sizeof options, .recursive = recursive, .dry_run = count_only,
		.keep_newer_ms = keep_newer_ms, .rate = rate,
		.force = force || dry_run };	/* who only counts may count there, too */
	int stall = settings.timeout_given ? (int)settings.timeout_ms : STALL_MS;

	*state = (struct state){ .began_ms = cli_now(), .counting = count_only };
	int error = zkq_purge_wait(handle, path, &options, stall, progress, state);
	end_drawing(state);
	return error;
}

static void
print(const struct state *state)
{
	const struct zkq_purge_progress *last = &state->last;
	struct jsonout json;

	if (settings.json) {
		info_json_line(&json, "zkq.purge/1");
		jsonout_string(&json, "path", path);
		jsonout_bool(&json, "dry_run", state->counting);
		jsonout_number(&json, "found", last->found);
		jsonout_number(&json, "deleted", last->deleted);
		jsonout_number(&json, "gone", last->gone);
		jsonout_number(&json, "kept", last->kept);
		jsonout_number(&json, "refused", last->refused);
		jsonout_number(&json, "with_children", last->full);
		jsonout_end(&json);
		return;
	}
	if (settings.quiet)
		return;
	terminal_write(stdout, path, strlen(path), false);
	if (state->counting) {
		printf(": %lld found, %lld too new; nothing was deleted\n", (long long)last->found,
		    (long long)last->kept);
		return;
	}
	printf(": %lld of %lld deleted in %.1f s", (long long)last->deleted, (long long)last->found,
	    (double)(cli_now() - state->began_ms) / 1000);
	if (last->gone)
		printf(", %lld were gone", (long long)last->gone);
	if (last->kept)
		printf(", %lld too new", (long long)last->kept);
	if (last->full)
		printf(", %lld have children", (long long)last->full);
	if (last->refused)
		printf(", %lld refused", (long long)last->refused);
	putchar('\n');
}

static int
finish(const struct state *state, int error)
{
	const struct zkq_purge_progress *last = &state->last;

	if (error == ZKQ_ENOENT)
		return cli_fail(EXIT_NO, "NotFound", NULL, true, "%s: no such znode", path);
	if (error == ZKQ_EEXIST)
		return cli_fail(EXIT_NOT_ALLOWED, "Refused", NULL, true,
		    "%s is a tree of zkq: with --force all its queues, tasks and results are lost", path);
	if (error != ZKQ_OK && last->deleted)
		cli_say("%lld were deleted before; start it again to go on", (long long)last->deleted);
	if (error == ZKQ_ETIMEOUT || error == ZKQ_EUNREACHABLE)
		return cli_fail(EXIT_UNAVAILABLE, "Unreachable", NULL, true, "no answer from ZooKeeper at %s any more",
		    settings.zk);
	if (error != ZKQ_OK)
		return cli_fail_error(error, path, NULL);
	print(state);
	if (state->counting)
		return last->refused ? EXIT_NO : EXIT_OK;
	if (last->refused && !last->deleted && !settings.quiet)
		cli_say("not allowed: whoever owns the folder must do it, or give its credential (--auth-file)");
	if (last->refused && !last->deleted)
		return EXIT_NOT_ALLOWED;
	return last->refused || last->full ? EXIT_NO : EXIT_OK;
}

/* 0, or the exit code after having said no. */
static int
check_path(struct zkq *handle)
{
	int error = zkq_purge_check(handle, path);

	if (error == ZKQ_EINVAL)
		return cli_usage("option '--path': '%s': the path of a folder such as /app/queue is wanted; not / nor "
		    "/zookeeper", path);
	if (error == ZKQ_EEXIST && !force && !dry_run)
		return cli_fail(EXIT_NOT_ALLOWED, "Refused", NULL, true,
		    "%s belongs to the tree of zkq at %s or holds it: with --force its queues, "
		    "tasks and results are lost, and daemons that run must be started again", path, settings.root);
	return error == ZKQ_OK || error == ZKQ_EEXIST ? 0 : cli_fail_error(error, path, NULL);
}

/* Asks on the terminal. 0 = go on, or the exit code. */
static int
ask(struct zkq *handle)
{
	struct state state;
	char answer[16];
	int error = purge(handle, &state, true);

	if (error != ZKQ_OK)
		return finish(&state, error);
	if (state.last.found == state.last.kept) {
		print(&state);
		return -1;
	}
	fprintf(stderr, "Delete %lld znodes below ", (long long)(state.last.found - state.last.kept));
	terminal_write(stderr, path, strlen(path), false);
	fprintf(stderr, "%s? There is no way back. [y/N] ", recursive ? ", at every depth" : "");
	fflush(stderr);
	if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	cli_say("nothing was deleted");
	return EXIT_NO;
}

static int
work(struct zkq *handle)
{
	struct state state;
	int code = check_path(handle);

	if (code == 0)
		code = cli_connect(handle);
	if (code == 0 && !yes && !dry_run)
		code = ask(handle);
	if (code)
		return code < 0 ? EXIT_OK : code;
	int error = purge(handle, &state, dry_run);
	return finish(&state, error);
}

static int
run(int argc, char **argv)
{
	struct zkq *handle;

	if (argc > 0)
		return cli_usage("'%s': no operand is taken; the folder is given with --path", argv[0]);
	if (!path)
		return cli_usage("option '--path' is missing");
	if (!yes && !dry_run && !isatty(STDIN_FILENO))
		return cli_usage("there is nobody to ask: --yes, or --dry-run, is wanted");
	settings.session_ms = SESSION_MS;
	int code = cli_open(&handle, false);
	if (code)
		return code;
	code = work(handle);
	zkq_close(handle);
	return code;
}

const struct command command_purge = {
	.name = "purge",
	.program = "zkq-purge",
	.about = "empty an over-full folder of any application",
	.usage = "zkq purge --path=PATH [OPTIONS]",
	.notes = "Example:\n  zkq purge --path=/app/queue --dry-run\n",
	.manual = "zkq-purge(1)",
	.options = rows,
	.anywhere = true,
	.run = run,
};
