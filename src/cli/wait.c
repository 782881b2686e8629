/* zkq wait: waits until tasks have ended and exits as they did. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/info.h"
#include "cli/number.h"

#define SHOW_MS 200	/* between two refreshes of a line on a terminal */
#define WORKERS_MS 2000	/* between two looks at how many tasks run */

static bool any, progress;

static const struct option_row options[] = {
	{ .name = "any", .kind = OPTION_FLAG, .into = &any, .help = "until one has ended" },
	{ .name = "progress", .kind = OPTION_FLAG, .into = &progress, .help = "show counts and rate on standard error" },
	{ 0 },
};

static struct {
	const struct ids *ids;
	int ended, done, failed, lost, cancelled, timeout, dead, missing, again;
	int first_code;		/* of the first that failed */
	bool differ;		/* and another one failed otherwise */
	bool ours;		/* something went wrong that is no task's code */
	int running;		/* on all workers; -1 = unknown */
	int64_t began_ms, shown_ms, workers_ms;
	int shown_tenth;
	bool terminal;
	struct ids unknown;	/* that there is no such task is still to be said */
	bool tree_known, denied;
} state;

static void
count_code(int code)
{
	if (code == EXIT_OK)
		return;
	if (state.first_code == EXIT_OK)
		state.first_code = code;
	else if (state.first_code != code)
		state.differ = true;
}

static void
count_state(const struct zkq_info *info)
{
	static const struct {
		const char *word;
		int *count;
	} rows[] = {
		{ "done", &state.done }, { "lost", &state.lost }, { "cancelled", &state.cancelled },
		{ "timeout", &state.timeout },
	};

	if (info->attempt > 1)
		state.again++;
	if (info->dead) {
		state.dead++;
		return;
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(info->state, rows[i].word) == 0) {
			++*rows[i].count;
			return;
		}
	state.failed++;
}

static void
say_missing(const char *id, int error)
{
	struct jsonout json;

	error = cli_id_error(id, error);
	state.missing++;
	state.ours = true;
	if (settings.json) {
		info_json_line(&json, "zkq.wait/1");
		info_json_error(&json, id, error);
		jsonout_end(&json);
		fflush(stdout);
	}
	if (error == ZKQ_ENOENT || error == ZKQ_EINVAL)
		cli_say_id(id, error);
	else
		cli_say("%s: %s", id, zkq_strerror(error));
}

static void
ignore_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	(void)context;
	(void)info;
}

/* A znode that is not there looks the same without the right credential, and in a tree that is not there. Returns 0, or
 * the exit code after having said that. */
static int
say_unknown(struct zkq *handle)
{
	if (state.denied)
		return cli_fail_error(ZKQ_ENOAUTH, NULL, NULL);
	if (state.unknown.count == 0)
		return 0;
	int error = state.tree_known ? ZKQ_OK : zkq_dispatchers_wait(handle, 10000, ignore_dispatcher, NULL);
	if (error == ZKQ_ENOAUTH || error == ZKQ_ENOTREE)
		return cli_fail_error(error, NULL, NULL);
	state.tree_known = error == ZKQ_OK;
	for (int i = 0; i < state.unknown.count; i++)
		say_missing(state.unknown.items[i], ZKQ_ENOENT);
	cli_ids_free(&state.unknown);
	return 0;
}

static void
take(void *context, int index, int error, const struct zkq_info *info)
{
	struct jsonout json;
	const char *id = state.ids->items[index];

	(void)context;
	if (any && state.ended > 0)
		return;
	state.ended++;
	if (error == ZKQ_ENOENT) {
		cli_ids_add(&state.unknown, id);
		return;
	}
	if (error == ZKQ_ENOAUTH) {
		state.denied = true;
		return;
	}
	if (error != ZKQ_OK) {
		say_missing(id, error);
		return;
	}
	if (settings.json) {
		info_json_line(&json, "zkq.wait/1");
		info_json(&json, info);
		jsonout_end(&json);
		fflush(stdout);
	}
	count_state(info);
	count_code(info_exit(info));
	if (state.ids->count == 1 || any || settings.verbose)
		follow_say(info);
}

static void
add_running(void *context, const struct zkq_worker_info *info)
{
	*(int *)context += info->running;
}

/* "  2213/2213  100 %   done 2,213   failed 0   lost 0   17.8 s", and what else there was. */
static void
sum_line(char *text, size_t size, int64_t now)
{
	char number[4][NUMBER_SIZE];
	int used = snprintf(text, size, "%6d/%d  %3d %%   done %s   failed %s   lost %s", state.ended, state.ids->count,
	    (int)(100LL * state.ended / state.ids->count), number_grouped(state.done, number[0]),
	    number_grouped(state.failed, number[1]), number_grouped(state.lost, number[2]));
	const struct {
		const char *word;
		int count;
	} more[] = {
		{ "time limit", state.timeout }, { "cancelled", state.cancelled }, { "dead letters", state.dead },
		{ "unknown", state.missing }, { "given out twice", state.again },
	};

	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
		if (more[i].count > 0 && (size_t)used < size)
			used += snprintf(text + used, size - (size_t)used, "   %s %s", more[i].word,
			    number_grouped(more[i].count, number[3]));
	if ((size_t)used < size)
		snprintf(text + used, size - (size_t)used, "   %.1f s", (double)(now - state.began_ms) / 1000);
}

/* "   640/2213   29 %   212/s   4 running". */
static void
part_line(char *text, size_t size, int64_t now)
{
	double seconds = (double)(now - state.began_ms) / 1000;
	int used = snprintf(text, size, "%6d/%d  %3d %%   %.0f/s", state.ended, state.ids->count,
	    (int)(100LL * state.ended / state.ids->count), seconds > 0 ? state.ended / seconds : 0.0);

	if (state.running >= 0 && (size_t)used < size)
		used += snprintf(text + used, size - (size_t)used, "   %d running", state.running);
	if (state.failed + state.lost + state.dead > 0 && (size_t)used < size)
		snprintf(text + used, size - (size_t)used, "   %d not done", state.failed + state.lost + state.dead);
}

static void
look_at_workers(struct zkq *handle, int64_t now)
{
	int running = 0;

	if (now - state.workers_ms < WORKERS_MS)
		return;
	state.workers_ms = now;
	state.running = zkq_workers_wait(handle, 1000, add_running, &running) == ZKQ_OK ? running : -1;
}

static void
show(struct zkq *handle, bool last)
{
	char text[256];
	int64_t now = cli_now();
	int tenth = 10 * state.ended / state.ids->count;

	if (!progress)
		return;
	if (state.terminal) {
		if (!last && now - state.shown_ms < SHOW_MS)
			return;
		if (!last)
			look_at_workers(handle, now);
		state.shown_ms = now;
		if (last)
			sum_line(text, sizeof text, now);
		else
			part_line(text, sizeof text, now);
		fprintf(stderr, "\r%s\x1b[K%s", text, last ? "\n" : "");
		return;
	}
	if (!last && tenth <= state.shown_tenth)
		return;
	state.shown_tenth = tenth;
	if (last)
		sum_line(text, sizeof text, now);
	else
		part_line(text, sizeof text, now);
	fprintf(stderr, "%s\n", text);
}

static int
result(int needed)
{
	if (state.ended < needed)
		return cli_fail_waited(NULL, "time is over: %d of %d ended; the tasks go on", state.ended, state.ids->count);
	if (state.ours)
		return EXIT_OURS;
	return state.differ ? EXIT_NO : state.first_code;
}

static int
wait_for_all(struct zkq *handle, const struct ids *ids)
{
	int needed = any ? 1 : ids->count;

	state.ids = ids;
	state.running = -1;
	state.began_ms = cli_now();
	state.terminal = isatty(STDERR_FILENO);
	int error = zkq_wait(handle, (const char *const *)ids->items, ids->count, take, NULL);
	if (error != ZKQ_OK)
		return cli_fail_error(error, NULL, NULL);
	while (state.ended < needed && !(settings.timeout_given && cli_over())) {
		int64_t limit_ms = settings.timeout_given ? cli_left() : 60000;

		if (progress && state.terminal && limit_ms > SHOW_MS)
			limit_ms = SHOW_MS;
		cli_turn(handle, limit_ms, -1);
		int code = say_unknown(handle);
		if (code)
			return code;
		show(handle, state.ended >= needed);
	}
	return result(needed);
}

static int
wait_command(int argc, char **argv)
{
	static struct ids ids;	/* zkq_close() may still call back */
	struct zkq *handle;
	int code = cli_ids(argv, false, &ids);

	(void)argc;
	if (code)
		return code;
	if (ids.count == 0)
		return EXIT_OK;
	code = cli_open_ids(&handle, &ids);
	if (code)
		return code;
	code = wait_for_all(handle, &ids);
	any = true;	/* nothing that the close calls back counts any more */
	state.ended += 1;
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
}

const struct command command_wait = {
	.name = "wait",
	.program = "zkq-wait",
	.about = "wait for tasks to end",
	.usage = "zkq wait [OPTIONS] ID...",
	.notes = "'-' reads ids from standard input. --timeout limits the wait; without it, it lasts as long as the tasks.\n"
	    "Exit code: of one id the task's, 128+n for a signal; of many 0 when all are DONE, their common code when\n"
	    "all that failed failed alike, else 1; 124 when the time is over, 125 for failures of zkq itself.",
	.manual = "zkq-wait(1)",
	.options = options,
	.anywhere = true,
	.as_task = true,
	.run = wait_command,
};
