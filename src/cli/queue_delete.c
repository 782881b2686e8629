/* zkq queue delete. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

#define ALONE_MS 1000		/* without a dispatcher nobody will answer: time for the request alone */

static bool force, yes;

static const struct option_row options[] = {
	{ .name = "force", .kind = OPTION_FLAG, .into = &force, .help = "also one that is not empty: what is in it is lost" },
	{ .letter = 'y', .name = "yes", .kind = OPTION_FLAG, .into = &yes, .help = "do not ask" },
	{ 0 },
};

static struct {
	const char *name;
	bool found, deleting;
	int64_t waiting, running, inbox, results, dead;
	int dispatchers;
	struct jsonout json;
} state;

static void
see(void *context, const struct zkq_queue_info *info)
{
	(void)context;
	if (strcmp(info->name, state.name) != 0)
		return;
	state.found = true;
	state.deleting = info->deleting;
	state.waiting = info->waiting;
	state.running = info->running;
	state.inbox = info->inbox;
	state.results = info->results;
	state.dead = info->dead;
}

static void
count_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	(void)context;
	(void)info;
	state.dispatchers++;
}

static bool
is_empty(void)
{
	return state.waiting + state.running + state.inbox + state.results + state.dead == 0;
}

/* "3 waiting, 1 running, 0 in the inbox, 1204 results, 2 dead letters" */
static const char *
contents(char buffer[160])
{
	snprintf(buffer, 160, "%lld waiting, %lld running, %lld in the inbox, %lld results, %lld dead letters",
	    (long long)state.waiting, (long long)state.running, (long long)state.inbox, (long long)state.results,
	    (long long)state.dead);
	return buffer;
}

/* A person at a terminal is told what is lost, and asked. */
static bool
confirmed(void)
{
	char answer[16] = "", text[160];

	if (yes || !force || is_empty() || !isatty(STDIN_FILENO))
		return true;
	fprintf(stderr, "Queue %s: %s. Running tasks are killed, and all of this is lost. Delete it? [y/N] ", state.name,
	    contents(text));
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* 0, or the exit code after having said why not. */
static int
may_delete(struct zkq *handle)
{
	char hint[CLI_HINT], text[160];

	if (!state.found)
		return cli_fail(EXIT_NO, "NoQueue", NULL, true, "%s: no such queue%s", state.name,
		    cli_queue_hint(handle, state.name, hint));
	if (!force && strcmp(state.name, "default") == 0)
		return cli_fail(EXIT_NO, "InUse", NULL, true, "default: not deleted without --force: it is where tasks go that name no "
		    "queue");
	if (!force && !state.deleting && !is_empty())
		return cli_fail(EXIT_NO, "InUse", NULL, true, "%s: not deleted: %s; zkq queue delete --force %s deletes it with all of "
		    "that", state.name, contents(text), state.name);
	if (!confirmed())
		return cli_fail(EXIT_NO, "NotConfirmed", NULL, true, "%s: not deleted", state.name);
	return 0;
}

static void
print(bool gone)
{
	if (settings.json) {
		info_json_line(&state.json, "zkq.queue.delete/1");
		jsonout_time(&state.json, "time", cli_wall());
		jsonout_string(&state.json, "name", state.name);
		jsonout_bool(&state.json, "deleted", gone);
		jsonout_bool(&state.json, "requested", true);
		jsonout_end(&state.json);
	} else if (!settings.quiet) {
		cli_say(gone ? "%s: deleted" : state.dispatchers == 0 ? "%s: requested: takes no more tasks; it is deleted when a "
		    "dispatcher is back" : "%s: requested: takes no more tasks; it is deleted when its last task has ended", state.name);
	}
}

static int
delete_it(struct zkq *handle)
{
	int error = zkq_dispatchers_wait(handle, cli_left(), count_dispatcher, NULL);
	int left = cli_left();

	if (error != ZKQ_OK)
		return cli_fail_error(error, NULL, NULL);
	error = zkq_queue_delete_wait(handle, state.name, force, state.dispatchers == 0 && left > ALONE_MS ? ALONE_MS : left);
	if (error == ZKQ_OK || error == ZKQ_ETIMEOUT)
		print(error == ZKQ_OK);
	if (error == ZKQ_EBUSY)
		return cli_fail(EXIT_NO, "InUse", NULL, true, "%s: not deleted: something came in meanwhile", state.name);
	return error == ZKQ_OK ? EXIT_OK : error == ZKQ_ETIMEOUT ? EXIT_TEMPORARY : cli_fail_error(error, state.name, NULL);
}

static int
delete(int argc, char **argv)
{
	struct zkq *handle;

	if (argc != 1)
		return cli_usage(argc == 0 ? "the name of a queue is missing" : "one queue at a time");
	int code = cli_open(&handle, true);
	if (code)
		return code;
	state.name = argv[0];
	int error = zkq_queues_wait(handle, cli_left(), see, NULL);
	code = error == ZKQ_OK ? may_delete(handle) : cli_fail_error(error, NULL, NULL);
	if (code == 0)
		code = delete_it(handle);
	zkq_close(handle);
	return code;
}

const struct command command_queue_delete = {
	.name = "queue delete",
	.program = "zkq-queue",
	.about = "delete a queue",
	.usage = "zkq queue delete [--force] [OPTIONS] QUEUE",
	.notes = "Without --force only an empty one: no tasks, results or dead letters. Exit code: 0 it is gone, 1 it is not\n"
	    "empty or not there, 75 requested: takes no more tasks, and goes when a dispatcher gets to it.",
	.manual = "zkq-queue(1)",
	.options = options,
	.anywhere = true,
	.run = delete,
};
