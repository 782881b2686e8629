/* zkq queue list, show, create, pause, resume. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"
#include "cli/listing.h"

static const struct table_column columns[] = {
	{ .title = "QUEUE", .field = "name" }, { .title = "STATE", .field = "state" },
	{ .title = "WAIT", .field = "waiting", .right = true }, { .title = "RUN", .field = "running", .right = true },
	{ .title = "SLOTS", .field = "slots", .right = true }, { .title = "INBOX", .field = "inbox", .right = true },
	{ .title = "OLDEST", .field = "oldest", .right = true }, { .title = "RESULTS", .field = "results", .right = true },
	{ .title = "DEAD", .field = "dead", .right = true }, { .title = "NOTE", .field = "note" },
	{ .title = "REASON", .field = "reason", .extra = true },
	{ .title = "WORKERS", .field = "workers", .right = true, .extra = true },
	{ .title = "DONE", .field = "done", .right = true, .extra = true },
	{ .title = "FAILED", .field = "failed", .right = true, .extra = true },
};

#define PAUSE_MAX_MS (366LL * 24 * 3600 * 1000)	/* a longer one has no end */
#define COLUMNS ((int)(sizeof columns / sizeof columns[0]))

static struct listing listing;
static const char *reason;
static int64_t pause_ms;	/* --for; 0 = until resumed */

static void
add_json(struct jsonout *json, const struct zkq_queue_info *info)
{
	jsonout_object(json, NULL);
	jsonout_string(json, "name", info->name);
	jsonout_bool(json, "paused", info->paused);
	if (info->paused) {
		jsonout_string(json, "paused_by", info->paused_by);
		jsonout_string(json, "paused_reason", info->paused_reason);
	}
	if (info->paused && info->paused_left_ms >= 0) {
		jsonout_time(json, "paused_until", info->paused_until_ms);
		jsonout_seconds(json, "paused_left_seconds", info->paused_left_ms);
	}
	if (info->deleting)
		jsonout_bool(json, "deleting", true);
	jsonout_string(json, "reason", info->reason);
	jsonout_number(json, "waiting", info->waiting);
	jsonout_number(json, "running", info->running);
	jsonout_number(json, "inbox", info->inbox);
	jsonout_number(json, "results", info->results);
	jsonout_number(json, "dead", info->dead);
	jsonout_number(json, "workers", info->workers);
	jsonout_number(json, "slots", info->slots);
	jsonout_number(json, "free_slots", info->free_slots);
	jsonout_number(json, "done", info->done);
	jsonout_number(json, "failed", info->failed);
	if (info->oldest_ms >= 0)
		jsonout_seconds(json, "oldest_seconds", info->oldest_ms);
	if (info->json && *info->json)
		jsonout_text(json, "config", info->json, strlen(info->json));
	jsonout_end(json);
}

/* "9m left, "disk swap" anna", as far as it is known. */
static void
pause_note(const struct zkq_queue_info *info, char *note, size_t size)
{
	char left[DURATION_SIZE];
	bool ends = info->paused && info->paused_left_ms >= 0, why = info->paused && info->paused_reason;

	snprintf(note, size, "%s%s%s%s%s%s", ends ? duration_short(info->paused_left_ms, left) : "",
	    ends ? " left" : "", ends && (why || info->paused_by) ? ", " : "", why ? "\"" : "",
	    why ? info->paused_reason : "", why ? "\" " : "");
	size_t len = strlen(note);
	if (info->paused && info->paused_by)
		snprintf(note + len, size - len, "%s", info->paused_by);
}

static void
add(void *context, const struct zkq_queue_info *info)
{
	char number[9][24], slots[32], oldest[DURATION_SIZE], note[256];
	const int64_t numbers[] = { info->waiting, info->running, info->inbox, info->results, info->dead, info->workers,
		info->done, info->failed };

	(void)context;
	if (settings.json) {
		add_json(&listing.json, info);
		return;
	}
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		snprintf(number[i], sizeof number[i], "%lld", (long long)numbers[i]);
	snprintf(slots, sizeof slots, "%d/%d", info->slots - info->free_slots, info->slots);
	pause_note(info, note, sizeof note);
	if (!info->paused && info->reason && info->waiting + info->inbox > 0)
		snprintf(note, sizeof note, "(%s)", info->reason);
	table_row(listing.table, (const char *[COLUMNS]){ info->name, info->deleting ? "deleting" : info->paused ? "paused" : "active", number[0], number[1],
	    slots, number[2], info->oldest_ms < 0 ? NULL : duration_short(info->oldest_ms < 1000 ? 0 : info->oldest_ms, oldest),
	    number[3], number[4], note, info->reason, number[5], number[6], number[7] });
	if (info->paused)
		table_color(listing.table, 1, 33);
}

static int
list(int argc, char **argv)
{
	struct zkq *handle;

	if (argc > 0)
		return cli_usage("'%s': no operand is taken", argv[0]);
	int code = listing_begin(&listing, "zkq.queue.list/1", columns, COLUMNS);
	if (code)
		return code;
	code = cli_open(&handle, true);
	if (code) {
		listing_end(&listing, false);
		return code;
	}
	int error = zkq_queues_wait(handle, cli_left(), add, NULL);
	bool none = error == ZKQ_OK && !settings.json && !table_rows(listing.table);
	listing_rows(&listing, error == ZKQ_OK);
	listing_end(&listing, error == ZKQ_OK);
	if (none && !settings.quiet)
		cli_say("no queues yet; zkq queue create makes one");
	code = error == ZKQ_OK ? EXIT_OK : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	return code;
}

static struct jsonout json;

static struct {
	const char *name;
	bool found;
} wanted;

static void
print_long(const struct zkq_queue_info *info)
{
	char oldest[DURATION_SIZE], left[DURATION_SIZE], until[32];

	printf("%-10s%s\n", "Queue", info->name);
	printf("%-10s%s", "State", info->deleting ? "deleting" : info->paused ? "paused" : "active");
	if (info->paused && info->paused_reason) {
		fputs("  \"", stdout);
		terminal_write(stdout, info->paused_reason, strlen(info->paused_reason), false);
		putchar('"');
	}
	if (info->paused && info->paused_by) {
		fputs("  by ", stdout);
		terminal_write(stdout, info->paused_by, strlen(info->paused_by), false);
	}
	if (info->paused && info->paused_left_ms >= 0)
		printf("\n%-10s%s (%s left)", "Until", info_time(info->paused_until_ms, until),
		    duration_short(info->paused_left_ms, left));
	printf("\n%-10s%lld waiting, %lld running, %lld in the inbox\n", "Tasks", (long long)info->waiting,
	    (long long)info->running, (long long)info->inbox);
	if (info->oldest_ms >= 0)
		printf("%-10s%s\n", "Oldest", duration_short(info->oldest_ms < 1000 ? 0 : info->oldest_ms, oldest));
	printf("%-10s%d with %d slots, %d free%s%s\n", "Workers", info->workers, info->slots, info->free_slots,
	    info->reason && !info->paused ? ": " : "", info->reason && !info->paused ? info->reason : "");
	printf("%-10s%lld results, %lld dead letters\n", "Ended", (long long)info->results, (long long)info->dead);
	if (info->json && *info->json) {
		printf("%-10s", "Settings");
		terminal_write(stdout, info->json, strlen(info->json), false);
		putchar('\n');
	}
}

static void
show_one(void *context, const struct zkq_queue_info *info)
{
	if (strcmp(info->name, wanted.name) != 0)
		return;
	wanted.found = true;
	(void)context;
	if (settings.json)
		add_json(&json, info);
	else
		print_long(info);
}

static int
show(int argc, char **argv)
{
	char hint[CLI_HINT];
	struct zkq *handle;

	if (argc != 1)
		return cli_usage(argc == 0 ? "the name of a queue is missing" : "one queue at a time");
	int code = cli_open(&handle, true);
	if (code)
		return code;
	wanted.name = argv[0];
	if (settings.json)
		info_json_begin(&json, "zkq.queue.show/1");
	int error = zkq_queues_wait(handle, cli_left(), show_one, NULL);
	if (settings.json) {
		jsonout_end(&json);
		info_json_finish(&json, error == ZKQ_OK && wanted.found);
	}
	if (error != ZKQ_OK)
		code = cli_fail_error(error, argv[0], NULL);
	else if (!wanted.found)
		code = cli_fail(EXIT_NO, "NoQueue", NULL, true, "%s: no such queue%s", argv[0], cli_queue_hint(handle, argv[0], hint));
	zkq_close(handle);
	return code;
}

static int
create(int argc, char **argv)
{
	struct zkq *handle;

	if (argc != 1)
		return cli_usage(argc == 0 ? "the name of a queue is missing" : "one queue at a time");
	int code = cli_open(&handle, true);
	if (code)
		return code;
	int error = zkq_queue_create_wait(handle, argv[0], cli_left());
	if (error == ZKQ_OK && settings.json) {
		info_json_line(&json, "zkq.queue.create/1");
		jsonout_time(&json, "time", cli_wall());
		jsonout_string(&json, "name", argv[0]);
		jsonout_end(&json);
	} else if (error == ZKQ_OK && !settings.quiet) {
		cli_say("%s: created; workers take tasks of the queues that they were started with", argv[0]);
	}
	if (error == ZKQ_EBUSY)
		code = cli_fail(EXIT_TEMPORARY, "Deleting", NULL, true, "%s: the queue of this name is still being deleted", argv[0]);
	else if (error == ZKQ_EINVAL)
		code = cli_fail(EXIT_DATA, "Invalid", NULL, false, "%s: not a name for a queue: a letter or digit, then up to 31 of "
		    "a-z 0-9 _ -", argv[0]);
	else if (error != ZKQ_OK)
		code = cli_fail_error(error, argv[0], NULL);
	zkq_close(handle);
	return code;
}

static int
set_paused(int argc, char **argv, bool paused)
{
	char hint[CLI_HINT], span[DURATION_SIZE];
	struct zkq *handle;

	if (argc != 1)
		return cli_usage(argc == 0 ? "the name of a queue is missing" : "one queue at a time");
	int code = cli_open(&handle, true);
	if (code)
		return code;
	int error = zkq_queue_pause_wait(handle, argv[0], paused, paused ? pause_ms : 0, reason, cli_left());
	if (error == ZKQ_OK && settings.json) {
		info_json_line(&json, paused ? "zkq.queue.pause/1" : "zkq.queue.resume/1");
		jsonout_time(&json, "time", cli_wall());
		jsonout_string(&json, "name", argv[0]);
		jsonout_bool(&json, "paused", paused);
		if (paused && pause_ms)
			jsonout_seconds(&json, "paused_for", pause_ms);
		jsonout_end(&json);
	} else if (error == ZKQ_OK && !settings.quiet) {
		bool ends = paused && pause_ms;

		cli_say("%s: %s%s%s%s; takes effect when the leading dispatcher sees it", argv[0], paused ? "paused" : "resumed",
		    ends ? " for " : "", ends ? duration_exact(pause_ms, span) : "", paused ? ", running tasks go on" : "");
	}
	if (error == ZKQ_ENOQUEUE)
		code = cli_fail(EXIT_NO, "NoQueue", NULL, true, "%s: no such queue%s", argv[0], cli_queue_hint(handle, argv[0], hint));
	else
		code = error == ZKQ_OK ? EXIT_OK : cli_fail_error(error, argv[0], NULL);
	zkq_close(handle);
	return code;
}

static int
pause_queue(int argc, char **argv)
{
	return set_paused(argc, argv, true);
}

static int
resume_queue(int argc, char **argv)
{
	return set_paused(argc, argv, false);
}

static const struct option_row pause_options[] = {
	{ .name = "for", .argument = "TIME", .kind = OPTION_TIME, .into = &pause_ms, .min = 1, .max = PAUSE_MAX_MS,
	    .help = "until then; default: until it is resumed" },
	{ .name = "reason", .argument = "TEXT", .kind = OPTION_TEXT, .into = &reason, .help = "shown in lists" },
	{ 0 },
};

const struct command command_queue_list = {
	.name = "queue list",
	.program = "zkq-queue",
	.about = "list queues: waiting, running, oldest, dead letters",
	.usage = "zkq queue list [OPTIONS]",
	.manual = "zkq-queue(1)",
	.anywhere = true,
	.reads = true,
	.run = list,
};

const struct command command_queue_show = {
	.name = "queue show",
	.program = "zkq-queue",
	.about = "all that is known of a queue",
	.usage = "zkq queue show [OPTIONS] QUEUE",
	.manual = "zkq-queue(1)",
	.anywhere = true,
	.reads = true,
	.run = show,
};

const struct command command_queue_create = {
	.name = "queue create",
	.program = "zkq-queue",
	.about = "make a queue",
	.usage = "zkq queue create [OPTIONS] QUEUE",
	.notes = "Workers take tasks of the queues that they were started with.",
	.manual = "zkq-queue(1)",
	.anywhere = true,
	.run = create,
};

const struct command command_queue_pause = {
	.name = "queue pause",
	.program = "zkq-queue",
	.about = "give out no more tasks of a queue",
	.usage = "zkq queue pause [OPTIONS] QUEUE",
	.notes = "Running tasks go on, submitting goes on. Works with every dispatcher down.",
	.manual = "zkq-queue(1)",
	.options = pause_options,
	.anywhere = true,
	.run = pause_queue,
};

const struct command command_queue_resume = {
	.name = "queue resume",
	.program = "zkq-queue",
	.about = "end the pause of a queue",
	.usage = "zkq queue resume [OPTIONS] QUEUE",
	.manual = "zkq-queue(1)",
	.anywhere = true,
	.run = resume_queue,
};
