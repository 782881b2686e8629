/* zkq show: all that is known of tasks. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/info.h"

#define CHUNK 250	/* ids asked for at once */

static bool brief;
static struct ids ids;
static int chunk_first, failed;
static bool begun;
static struct jsonout json;

static const struct option_row options[] = {
	{ .letter = 's', .name = "short", .kind = OPTION_FLAG, .into = &brief, .help = "one line for each task" },
	{ 0 },
};

static void
print_safe(const char *text)
{
	terminal_write(stdout, text, strlen(text), false);
}

/* A member of the task's JSON, as it stands there. */
static void
print_member(const char *label, const struct zkq_info *info, const char *member)
{
	size_t len;
	const char *value = info->task_json ? jsontext_member(info->task_json, strlen(info->task_json), member, &len) : NULL;

	if (!value || (len == 4 && memcmp(value, "null", 4) == 0) || (len == 2 && value[0] == '{'))
		return;
	printf("%-10s", label);
	terminal_write(stdout, value, len, false);
	putchar('\n');
}

static void
print_state(const struct zkq_info *info, bool color)
{
	char state[32], outcome[INFO_TEXT], text[DURATION_SIZE];
	int sgr = color ? info_color(info) : 0;

	info_outcome(info, outcome);
	if (sgr)
		printf("State     \x1b[%dm%s\x1b[0m", sgr, info_state(info, state));
	else
		printf("State     %s", info_state(info, state));
	if (*outcome) {
		fputs("  ", stdout);
		print_safe(outcome);
	}
	if (info->ended && info->started_ms > 0)
		printf("  after %.3f s", info->run_seconds);
	else if (!info->ended && info->started_ms > 0)
		printf("  for %s", duration_short(cli_wall() - info->started_ms, text));
	if (info->worker) {
		fputs("  on ", stdout);
		print_safe(info->worker);
	}
	if (info->attempt > 0)
		printf("  attempt %d", info->attempt);
	if (info->fence) {
		fputs("  fence ", stdout);
		print_safe(info->fence);
	}
	putchar('\n');
}

static void
print_long(const struct zkq_info *info)
{
	char time[32], size[3][SIZE_TEXT];

	if (begun)
		putchar('\n');
	printf("%-10s", "Task");
	print_safe(info->id);
	fputs("  ", stdout);
	print_safe(info->name ? info->name : "-");
	fputs("  queue ", stdout);
	print_safe(info->queue ? info->queue : "-");
	if (info->priority >= 0)
		printf("  priority %d", info->priority);
	putchar('\n');
	if (info->dead && info->task_json) {
		printf("%-10s", "Payload");
		terminal_write(stdout, info->task_json, strlen(info->task_json), false);
		putchar('\n');
	}
	print_member("Command", info, "argv");
	print_member("In", info, "cwd");
	print_member("Variables", info, "env");
	print_member("By", info, "by");
	print_member("Limit (s)", info, "time_limit");
	print_state(info, terminal_color(stdout, settings.color));
	if (info->submitted_ms > 0)
		printf("%-10s%s\n", "Submitted", info_time(info->submitted_ms, time));
	if (info->started_ms > 0)
		printf("%-10s%s\n", "Started", info_time(info->started_ms, time));
	if (!info->ended)
		return;
	if (info->ended_ms > 0)
		printf("%-10s%s\n", "Ended", info_time(info->ended_ms, time));
	if (info->started_ms > 0)
		printf("%-10s%.3f s cpu, %s at most, %s stdout, %s stderr\n", "Used", info->cpu_seconds,
		    size_short(info->max_rss_bytes, size[0]), size_short(info->stdout_bytes, size[1]),
		    size_short(info->stderr_bytes, size[2]));
	if (info->dropped_bytes > 0 || (info->started_ms > 0 && !info->log_complete))
		printf("%-10s%s dropped%s\n", "Output", size_short(info->dropped_bytes, size[0]),
		    info->log_complete ? "" : ", incomplete");
	if (info->tail && info->tail_size > 0) {
		printf("%s\n", "End of output:");
		terminal_write(stdout, info->tail, info->tail_size, true);
		if (info->tail[info->tail_size - 1] != '\n')
			putchar('\n');
	}
}

static void
print(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	const char *id = ids.items[chunk_first + index];

	error = cli_id_error(id, error);
	if (settings.json) {
		jsonout_object(&json, NULL);
		if (error == ZKQ_OK)
			info_json(&json, info);
		else
			info_json_error(&json, id, error);
		jsonout_end(&json);
	} else if (error == ZKQ_OK && brief) {
		info_print_line(info);
	} else if (error == ZKQ_OK) {
		print_long(info);
	}
	begun = true;
	if (error == ZKQ_OK)
		return;
	failed = failed ? failed : cli_error_exit(error);
	cli_say_id(id, error);
}

static int
show(int argc, char **argv)
{
	struct zkq *handle;
	int code = cli_ids(argv, true, &ids);

	(void)argc;
	if (code)
		return code;
	code = cli_open_ids(&handle, &ids);
	if (code)
		return code;
	if (settings.json)
		info_json_begin(&json, "zkq.show/1");
	int error = ZKQ_OK;
	for (chunk_first = 0; chunk_first < ids.count && error == ZKQ_OK; chunk_first += CHUNK) {
		int count = ids.count - chunk_first < CHUNK ? ids.count - chunk_first : CHUNK;

		error = zkq_get_wait(handle, (const char *const *)ids.items + chunk_first, count, cli_left(), print, NULL);
	}
	if (settings.json) {
		jsonout_end(&json);
		info_json_finish(&json, error == ZKQ_OK);
	}
	code = error == ZKQ_OK ? failed : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
}

const struct command command_show = {
	.name = "show",
	.program = "zkq-show",
	.about = "all that is known of tasks",
	.usage = "zkq show [OPTIONS] ID...",
	.notes = "'-' reads ids from standard input. The name of a znode in an inbox, such as t-0000000007, is\n"
	    "followed to the id that its task got.",
	.manual = "zkq-show(1)",
	.options = options,
	.anywhere = true,
	.reads = true,
	.run = show,
};
