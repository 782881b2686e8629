/* zkq update: changes priority or time limit of tasks that wait, and waits until that has happened. */
#include "config.h"

#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

#define CHUNK 250		/* requests made at once */
#define ALONE_MS 1000		/* without a dispatcher nobody will answer: time for the requests alone */

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

static struct {
	const struct ids *ids;
	int first;
	int dispatchers;
	bool late[CHUNK];	/* requested, not fulfilled in time */
	int code;
	struct jsonout json;
} state;

static void
count_dispatcher(void *context, const struct zkq_dispatcher_info *info)
{
	(void)context;
	(void)info;
	state.dispatchers++;
}

/* What weighs more remains: a real failure over a request that stands, and that over an answer "no". */
static void
merge(int code)
{
	bool real = state.code != EXIT_OK && state.code != EXIT_NO && state.code != EXIT_TEMPORARY;

	if (code != EXIT_OK && !real && !(code == EXIT_NO && state.code != EXIT_OK))
		state.code = code;
}

static void
print_json(const char *id, int error, const struct zkq_info *info)
{
	jsonout_object(&state.json, NULL);
	jsonout_string(&state.json, "id", id);
	jsonout_bool(&state.json, "requested", error == ZKQ_OK || error == ZKQ_ETIMEOUT || error == ZKQ_EBUSY);
	jsonout_bool(&state.json, "changed", error == ZKQ_OK);
	if (info) {
		jsonout_object(&state.json, "task");
		info_json(&state.json, info);
		jsonout_end(&state.json);
	}
	if (error != ZKQ_OK && error != ZKQ_ETIMEOUT) {
		jsonout_object(&state.json, "error");
		jsonout_string(&state.json, "code", cli_error_word(error));
		jsonout_string(&state.json, "message", zkq_strerror(error));
		jsonout_end(&state.json);
	}
	jsonout_end(&state.json);
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

static void
take(void *context, int index, int error, const struct zkq_info *info)
{
	const char *id = state.ids->items[state.first + index];

	(void)context;
	error = cli_id_error(id, error);
	if (settings.json)
		print_json(id, error, info);
	state.late[index] = error == ZKQ_ETIMEOUT;
	merge(error == ZKQ_ETIMEOUT ? EXIT_TEMPORARY : error == ZKQ_OK ? EXIT_OK : cli_error_exit(error));
	if (settings.json || error == ZKQ_ETIMEOUT)
		return;
	if (error == ZKQ_OK && !settings.quiet)
		printf("%s  changed\n", id);
	else if (error == ZKQ_EENDED && info)
		say_ended(id, info);
	else if (error == ZKQ_EBUSY)
		cli_say("%s: not changed: a worker has it already; only tasks that wait can be changed", id);
	else if (error != ZKQ_OK)
		cli_say("%s: %s", id, error == ZKQ_ENOENT ? CLI_NO_TASK : zkq_strerror(error));
}

/* Dispatchers that died a moment before are known to be gone when the time is over. */
static void
say_late(struct zkq *handle, int count)
{
	bool counted = false;

	for (int i = 0; i < count; i++) {
		if (!state.late[i])
			continue;
		state.late[i] = false;
		if (settings.json || settings.quiet)
			continue;
		if (!counted) {
			int before = state.dispatchers;

			counted = true;
			state.dispatchers = 0;
			if (before > 0 && zkq_dispatchers_wait(handle, 2000, count_dispatcher, NULL) != ZKQ_OK)
				state.dispatchers = before;
		}
		printf("%s  %s\n", state.ids->items[state.first + i], state.dispatchers == 0 ?
		    "requested; takes effect when a dispatcher is back, if it still waits then" :
		    "requested; no dispatcher has come to it yet");
	}
}

static int
time_for_answer(void)
{
	int left = cli_left();

	return state.dispatchers == 0 && left > ALONE_MS ? ALONE_MS : left;
}

static int
update_all(struct zkq *handle)
{
	struct zkq_update wanted = { .size = sizeof wanted, .priority = given.priority ? priority : -1,
		.time_limit_ms = given.time_limit ? time_limit_ms : -1 };
	const struct ids *ids = state.ids;
	int error = zkq_dispatchers_wait(handle, cli_left(), count_dispatcher, NULL);

	for (; state.first < ids->count && error == ZKQ_OK; state.first += CHUNK) {
		int count = ids->count - state.first < CHUNK ? ids->count - state.first : CHUNK;

		error = zkq_update_wait(handle, (const char *const *)ids->items + state.first, count, &wanted, time_for_answer(),
		    take, NULL);
		say_late(handle, count);
		if (error == ZKQ_ETIMEOUT || error == ZKQ_EENDED || error == ZKQ_ENOENT || error == ZKQ_EBUSY)
			error = ZKQ_OK;		/* of single ids: the callback was told */
	}
	return error;
}

static int
update(int argc, char **argv)
{
	struct zkq *handle;
	struct ids ids;

	(void)argc;
	if (!given.priority && !given.time_limit)
		return cli_usage("nothing to change: --priority or --time-limit is needed");
	int code = cli_ids(argv, false, &ids);
	if (code)
		return code;
	code = cli_open_ids(&handle, &ids);
	if (code)
		return code;
	state.ids = &ids;
	if (settings.json)
		info_json_begin(&state.json, "zkq.update/1");
	int error = update_all(handle);
	if (settings.json) {
		jsonout_end(&state.json);
		info_json_finish(&state.json, error == ZKQ_OK || state.first > CHUNK);
	}
	code = error == ZKQ_OK ? state.code : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
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
