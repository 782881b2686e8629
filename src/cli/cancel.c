/* zkq cancel: asks for the end of tasks and waits until they have ended. */
#include "config.h"

#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"
#include "cli/wish.h"

static const char *reason;

static const struct option_row options[] = {
	{ .name = "reason", .argument = "TEXT", .kind = OPTION_TEXT, .into = &reason, .help = "stored with the request, and in the result of a task that waited" },
	{ 0 },
};

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
print_json(struct jsonout *json, const char *id, int error, const struct zkq_info *info, bool cancelled)
{
	jsonout_object(json, NULL);
	jsonout_string(json, "id", id);
	jsonout_bool(json, "requested", error == ZKQ_OK || error == ZKQ_ETIMEOUT);
	jsonout_bool(json, "cancelled", cancelled);
	if (info && (error == ZKQ_OK || error == ZKQ_EENDED)) {
		jsonout_object(json, "task");
		info_json(json, info);
		jsonout_end(json);
	} else if (error != ZKQ_ETIMEOUT) {
		jsonout_object(json, "error");
		jsonout_string(json, "code", cli_error_word(error));
		jsonout_string(json, "message", zkq_strerror(error));
		jsonout_end(json);
	}
	jsonout_end(json);
}

static int
tell(struct jsonout *json, const char *id, int error, const struct zkq_info *info)
{
	bool cancelled = error == ZKQ_OK && info && strcmp(info->state, "cancelled") == 0;

	if (settings.json)
		print_json(json, id, error, info, cancelled);
	if (cancelled) {
		if (!settings.json)
			print_text(id, "cancelled", info->worker);
		return EXIT_OK;
	}
	switch (error) {
	case ZKQ_OK:
		if (!settings.json)
			print_ended(id, "ended before the cancel reached it:", info);
		return EXIT_NO;
	case ZKQ_EENDED:
		if (!settings.json)
			print_ended(id, "already", info);
		return EXIT_NO;
	case ZKQ_ETIMEOUT:
		return EXIT_TEMPORARY;
	default:
		cli_say("%s: %s", id, error == ZKQ_ENOENT ? CLI_NO_TASK : zkq_strerror(error));
		return cli_error_exit(error);
	}
}

static int
ask(struct zkq *handle, const char *const *ids, int count, int timeout_ms)
{
	return zkq_cancel_wait(handle, ids, count, reason, timeout_ms, wish_take, NULL);
}

static const struct wish wish = {
	.schema = "zkq.cancel/1",
	.ask = ask,
	.tell = tell,
	.alone = "requested; takes effect when a dispatcher is back",
	.late = "requested; has not ended yet",
};

static int
cancel(int argc, char **argv)
{
	(void)argc;
	return wish_run(&wish, argv);
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
