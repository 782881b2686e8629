/* zkq update: changes priority or time limit of tasks that wait, and waits until that has happened. */
#include "config.h"

#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"
#include "cli/wish.h"

static int priority;
static int64_t time_limit_ms;
static struct {
	bool priority, time_limit;
} given;

static const struct option_row options[] = {
	{ .letter = 'p', .name = "priority", .argument = "N", .kind = OPTION_NUMBER, .into = &priority, .given = &given.priority,
	    .max = 9, .help = "0 to 9, 9 starts first" },
	{ .letter = 't', .name = "time-limit", .argument = "TIME", .kind = OPTION_TIME, .into = &time_limit_ms,
	    .given = &given.time_limit, .max = 1000000000000, .help = "SIGTERM after TIME, from its start; 0 = none" },
	{ 0 },
};

static void
print_json(struct jsonout *json, const char *id, int error, const struct zkq_info *info)
{
	jsonout_object(json, NULL);
	jsonout_string(json, "id", id);
	jsonout_bool(json, "requested", error == ZKQ_OK || error == ZKQ_ETIMEOUT || error == ZKQ_EBUSY);
	jsonout_bool(json, "changed", error == ZKQ_OK);
	if (info) {
		jsonout_object(json, "task");
		info_json(json, info);
		jsonout_end(json);
	}
	if (error != ZKQ_OK && error != ZKQ_ETIMEOUT) {
		jsonout_object(json, "error");
		jsonout_string(json, "code", cli_error_word(error));
		jsonout_string(json, "message", zkq_strerror(error));
		jsonout_end(json);
	}
	jsonout_end(json);
}

/* "already FAILED (exit 2): a task that has ended cannot be changed". */
static void
say_ended(const char *id, const struct zkq_info *info)
{
	char word[32], outcome[INFO_TEXT];

	info_outcome(info, outcome);
	cli_say("%s: already %s%s%s%s: what has ended cannot be changed", id, info_state(info, word), *outcome ? " (" : "",
	    outcome, *outcome ? ")" : "");
}

static int
tell(struct jsonout *json, const char *id, int error, const struct zkq_info *info)
{
	if (settings.json)
		print_json(json, id, error, info);
	else if (error == ZKQ_OK && !settings.quiet)
		printf("%s  changed\n", id);
	else if (error == ZKQ_EENDED && info)
		say_ended(id, info);
	else if (error == ZKQ_EBUSY)
		cli_say("%s: not changed: a worker has it already; only tasks that wait can be changed", id);
	else if (error != ZKQ_OK && error != ZKQ_ETIMEOUT)
		cli_say("%s: %s", id, error == ZKQ_ENOENT ? CLI_NO_TASK : zkq_strerror(error));
	return error == ZKQ_OK ? EXIT_OK : error == ZKQ_ETIMEOUT ? EXIT_TEMPORARY : cli_error_exit(error);
}

static int
ask(struct zkq *handle, const char *const *ids, int count, int timeout_ms)
{
	struct zkq_update wanted = { .size = sizeof wanted, .priority = given.priority ? priority : -1,
		.time_limit_ms = given.time_limit ? time_limit_ms : -1 };

	return zkq_update_wait(handle, ids, count, &wanted, timeout_ms, wish_take, NULL);
}

static const struct wish wish = {
	.schema = "zkq.update/1",
	.ask = ask,
	.tell = tell,
	.alone = "requested; takes effect when a dispatcher is back, if it still waits then",
	.late = "requested; no dispatcher has come to it yet",
};

static int
update(int argc, char **argv)
{
	(void)argc;
	if (!given.priority && !given.time_limit)
		return cli_usage("nothing to change: --priority or --time-limit is needed");
	return wish_run(&wish, argv);
}

const struct command command_update = {
	.name = "update",
	.program = "zkq-update",
	.about = "change priority or time limit of waiting tasks",
	.usage = "zkq update [-p N] [-t TIME] [OPTIONS] ID...",
	.notes = "'-' reads ids from standard input. Exit code: 0 all are changed, 1 some run, have ended or are unknown,\n"
	    "75 requested: takes effect when a dispatcher gets to it.",
	.manual = "zkq-update(1)",
	.options = options,
	.anywhere = true,
	.run = update,
};
