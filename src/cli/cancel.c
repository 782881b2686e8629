/* zkq cancel: asks for the end of tasks and waits until they have ended. */
#include "config.h"

#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

#define CHUNK 250		/* requests made at once */
#define ALONE_MS 1000		/* without a dispatcher nobody will answer: time for the requests alone */

static const char *reason;

static const struct option_row options[] = {
	{ .name = "reason", .argument = "TEXT", .kind = OPTION_TEXT, .into = &reason, .help = "stored with the request, and in the result of a task that waited" },
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

	if (code == EXIT_OK || real || (code == EXIT_NO && state.code != EXIT_OK))
		return;
	state.code = code;
}

static void
print_text(const char *id, const char *text, const char *worker)
{
	if (settings.quiet)
		return;
	printf("%s  ", id);
	terminal_write(stdout, text, strlen(text), false);
	if (worker) {
		fputs(" (was on ", stdout);
		terminal_write(stdout, worker, strlen(worker), false);
		putchar(')');
	}
	putchar('\n');
}

/* "already FAILED (exit 2)". */
static void
print_ended(const char *id, const char *how, const struct zkq_info *info)
{
	char word[32], outcome[INFO_TEXT], text[2 * INFO_TEXT];

	info_outcome(info, outcome);
	snprintf(text, sizeof text, "%s %s%s%s%s", how, info_state(info, word), *outcome ? " (" : "", outcome,
	    *outcome ? ")" : "");
	print_text(id, text, NULL);
}

static void
print_json(const char *id, int error, const struct zkq_info *info, bool cancelled)
{
	jsonout_object(&state.json, NULL);
	jsonout_string(&state.json, "id", id);
	jsonout_bool(&state.json, "requested", error == ZKQ_OK || error == ZKQ_ETIMEOUT);
	jsonout_bool(&state.json, "cancelled", cancelled);
	if (info && (error == ZKQ_OK || error == ZKQ_EENDED)) {
		jsonout_object(&state.json, "task");
		info_json(&state.json, info);
		jsonout_end(&state.json);
	} else if (error != ZKQ_ETIMEOUT) {
		jsonout_object(&state.json, "error");
		jsonout_string(&state.json, "code", cli_error_word(error));
		jsonout_string(&state.json, "message", zkq_strerror(error));
		jsonout_end(&state.json);
	}
	jsonout_end(&state.json);
}

static void
take(void *context, int index, int error, const struct zkq_info *info)
{
	const char *id = state.ids->items[state.first + index];
	bool cancelled = error == ZKQ_OK && info && strcmp(info->state, "cancelled") == 0;

	(void)context;
	error = cli_id_error(id, error);
	if (settings.json)
		print_json(id, error, info, cancelled);
	if (cancelled) {
		if (!settings.json)
			print_text(id, "cancelled", info->worker);
		return;
	}
	switch (error) {
	case ZKQ_OK:
		if (!settings.json)
			print_ended(id, "ended before the cancel reached it:", info);
		merge(EXIT_NO);
		break;
	case ZKQ_EENDED:
		if (!settings.json)
			print_ended(id, "already", info);
		merge(EXIT_NO);
		break;
	case ZKQ_ETIMEOUT:
		state.late[index] = true;
		merge(EXIT_TEMPORARY);
		break;
	default:
		cli_say("%s: %s", id, error == ZKQ_ENOENT ? CLI_NO_TASK : zkq_strerror(error));
		merge(cli_error_exit(error));
	}
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
		if (settings.json)
			continue;
		if (!counted) {
			int before = state.dispatchers;

			counted = true;
			state.dispatchers = 0;
			if (before > 0 && zkq_dispatchers_wait(handle, 2000, count_dispatcher, NULL) != ZKQ_OK)
				state.dispatchers = before;
		}
		print_text(state.ids->items[state.first + i], state.dispatchers == 0 ?
		    "requested; takes effect when a dispatcher is back" : "requested; has not ended yet", NULL);
	}
}

static int
time_for_answer(void)
{
	int left = cli_left();

	return state.dispatchers == 0 && left > ALONE_MS ? ALONE_MS : left;
}

static int
cancel(int argc, char **argv)
{
	struct zkq *handle;
	struct ids ids;
	int code = cli_ids(argv, false, &ids);

	(void)argc;
	if (code)
		return code;
	code = cli_open_ids(&handle, &ids);
	if (code)
		return code;
	state.ids = &ids;
	int error = zkq_dispatchers_wait(handle, cli_left(), count_dispatcher, NULL);
	if (settings.json)
		info_json_begin(&state.json, "zkq.cancel/1");
	for (; state.first < ids.count && error == ZKQ_OK; state.first += CHUNK) {
		int count = ids.count - state.first < CHUNK ? ids.count - state.first : CHUNK;

		error = zkq_cancel_wait(handle, (const char *const *)ids.items + state.first, count, reason, time_for_answer(),
		    take, NULL);
		say_late(handle, count);
		if (error == ZKQ_ETIMEOUT || error == ZKQ_EENDED || error == ZKQ_ENOENT)
			error = ZKQ_OK;		/* of single ids: the callback was told */
	}
	if (settings.json) {
		jsonout_end(&state.json);
		info_json_finish(&state.json, error == ZKQ_OK || state.first > CHUNK);
	}
	code = error == ZKQ_OK ? state.code : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
}

const struct command command_cancel = {
	.name = "cancel",
	.program = "zkq-cancel",
	.about = "stop tasks",
	.usage = "zkq cancel [OPTIONS] ID...",
	.notes = "'-' reads ids from standard input. Exit code: 0 all are cancelled, 1 some had ended or are unknown,\n"
	    "75 requested: takes effect when a dispatcher and the worker get to it.",
	.manual = "zkq-cancel(1)",
	.options = options,
	.anywhere = true,
	.run = cancel,
};
