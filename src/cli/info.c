#include "config.h"

#include "cli/info.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/duration.h"
#include "base/exits.h"
#include "base/memory.h"
#include "cli/cli.h"

static bool
is(const struct zkq_info *info, const char *state)
{
	return info->state && strcmp(info->state, state) == 0;
}

int
info_exit(const struct zkq_info *info)
{
	if (!info->ended)
		return EXIT_OURS;
	if (is(info, "done"))
		return EXIT_OK;
	if (info->dead || is(info, "discarded") || is(info, "lost"))
		return EXIT_OURS;
	if (info->signal > 0)
		return EXIT_SIGNAL + info->signal;
	if (info->exit_code > 0)
		return info->exit_code;
	/* It said 0 after being told to stop: that is no success. */
	if (is(info, "timeout"))
		return EXIT_SIGNAL + SIGTERM;
	return EXIT_OURS;
}

const char *
info_outcome(const struct zkq_info *info, char buffer[INFO_TEXT])
{
	int n = 0;

	buffer[0] = '\0';
	if (!info->ended) {
		if (info->reason)
			snprintf(buffer, INFO_TEXT, "%s", info->reason);
		return buffer;
	}
	if (info->signal > 0)
		n = snprintf(buffer, INFO_TEXT, "signal %d (%s)", info->signal, strsignal(info->signal));
	else if (info->exit_code >= 0)
		n = snprintf(buffer, INFO_TEXT, "exit %d", info->exit_code);
	if (n >= INFO_TEXT)
		return buffer;
	if (is(info, "timeout"))
		snprintf(buffer + n, INFO_TEXT - (size_t)n, "%stime limit", n ? ", " : "");
	else if (info->reason && !is(info, info->reason))
		snprintf(buffer + n, INFO_TEXT - (size_t)n, "%s%s", n ? ", " : "", info->reason);
	return buffer;
}

const char *
info_state(const struct zkq_info *info, char buffer[32])
{
	size_t i = 0;

	for (; info->state && info->state[i] && i < 31; i++)
		buffer[i] = (char)toupper((unsigned char)info->state[i]);
	buffer[i] = '\0';
	return buffer;
}

int
info_color(const struct zkq_info *info)
{
	if (is(info, "done"))
		return 32;
	if (is(info, "running") || is(info, "stopping"))
		return 36;
	return info->ended ? 31 : 0;
}

char *
info_last_line(const struct zkq_info *info)
{
	size_t end = info->tail ? info->tail_size : 0;

	while (end > 0 && (info->tail[end - 1] == '\n' || info->tail[end - 1] == '\r'))
		end--;
	size_t start = end;
	while (start > 0 && info->tail[start - 1] != '\n')
		start--;
	char *line = memory_new((end - start) * 4 + 1);
	if (end > start)
		terminal_safe(info->tail + start, end - start, line, (end - start) * 4 + 1);
	return line;
}

static void
print_safe(const char *text)
{
	terminal_write(stdout, text, strlen(text), false);
}

/* "default.4.q8w2e5r1ty0u  date  DONE  exit 0  0.002 s on w1    "Fri Nov 20 09:41:07 UTC 2026"". */
void
info_print_line(const struct zkq_info *info)
{
	char state[32], outcome[INFO_TEXT];
	char *line = info_last_line(info);

	info_outcome(info, outcome);
	print_safe(info->id);
	fputs("  ", stdout);
	print_safe(info->name ? info->name : "-");
	printf("  %s", info_state(info, state));
	if (*outcome) {
		fputs("  ", stdout);
		print_safe(outcome);
	}
	if (info->ended && info->started_ms > 0)
		printf("  %.3f s", info->run_seconds);
	if (info->worker) {
		fputs(" on ", stdout);
		print_safe(info->worker);
	}
	if (*line)
		printf("    \"%s\"", line);
	putchar('\n');
	free(line);
}

const char *
info_time(int64_t wall_ms, char buffer[32])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms <= 0 || !(settings.utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm)))
		return strcpy(buffer, "-");
	strftime(buffer, 32, settings.utc ? "%Y-%m-%d %H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &tm);
	return buffer;
}

/* Known strings only: absent means unknown. */
static void
known(struct jsonout *json, const char *key, const char *text)
{
	if (text)
		jsonout_string(json, key, text);
}

static void
known_time(struct jsonout *json, const char *key, int64_t wall_ms)
{
	if (wall_ms > 0)
		jsonout_time(json, key, wall_ms);
}

void
info_json(struct jsonout *json, const struct zkq_info *info)
{
	known(json, "id", info->id);
	known(json, "queue", info->queue);
	known(json, "name", info->name);
	known(json, "state", info->state);
	jsonout_string(json, "reason", info->reason);
	known(json, "worker", info->worker);
	if (info->priority >= 0)
		jsonout_number(json, "priority", info->priority);
	if (info->attempt > 0)
		jsonout_number(json, "attempt", info->attempt);
	known(json, "fence", info->fence);
	known_time(json, "submitted", info->submitted_ms);
	known_time(json, "claimed", info->claimed_ms);
	known_time(json, "started", info->started_ms);
	if (info->ended) {
		known_time(json, "ended", info->ended_ms);
		if (info->exit_code >= 0)
			jsonout_number(json, "exit", info->exit_code);
		else
			jsonout_null(json, "exit");
		if (info->signal > 0)
			jsonout_number(json, "signal", info->signal);
		else
			jsonout_null(json, "signal");
		jsonout_bool(json, "dead", info->dead);
		jsonout_real(json, "run_seconds", info->run_seconds);
		jsonout_real(json, "cpu_seconds", info->cpu_seconds);
		jsonout_number(json, "max_rss_bytes", (int64_t)info->max_rss_bytes);
		jsonout_number(json, "stdout_bytes", (int64_t)info->stdout_bytes);
		jsonout_number(json, "stderr_bytes", (int64_t)info->stderr_bytes);
		jsonout_number(json, "dropped_bytes", (int64_t)info->dropped_bytes);
		jsonout_bool(json, "log_complete", info->log_complete);
		if (info->tail)
			jsonout_bytes(json, "tail", info->tail, info->tail_size);
	}
	if (info->task_json)
		jsonout_text(json, "task", info->task_json, strlen(info->task_json));
}

void
info_json_error(struct jsonout *json, const char *id, int error)
{
	known(json, "id", id);
	jsonout_object(json, "error");
	jsonout_string(json, "code", cli_error_word(error));
	jsonout_string(json, "message", zkq_strerror(error));
	jsonout_end(json);
}

static char *held;
static size_t held_size;

void
info_json_begin(struct jsonout *json, const char *schema)
{
	FILE *out = open_memstream(&held, &held_size);

	jsonout_start(json, out ? out : stdout);
	jsonout_object(json, NULL);
	jsonout_string(json, "schema", schema);
	jsonout_time(json, "time", cli_wall());
	jsonout_array(json, "items");
}

void
info_json_finish(struct jsonout *json, bool print)
{
	jsonout_end(json);
	if (json->out == stdout)
		return;
	fclose(json->out);
	if (print)
		fwrite(held, 1, held_size, stdout);
	free(held);
	held = NULL;
}

void
info_json_line(struct jsonout *json, const char *schema)
{
	jsonout_start(json, stdout);
	jsonout_object(json, NULL);
	jsonout_string(json, "schema", schema);
}

const struct table_column info_columns[] = {
	{ .title = "ID", .field = "id" }, { .title = "NAME", .field = "name", .max = 20 },
	{ .title = "QUEUE", .field = "queue" }, { .title = "STATE", .field = "state" },
	{ .title = "TRY", .field = "try", .right = true }, { .title = "AGE", .field = "age", .right = true },
	{ .title = "TIME", .field = "time", .right = true }, { .title = "WORKER / REASON", .field = "where" },
	{ .title = "WORKER", .field = "worker", .extra = true }, { .title = "REASON", .field = "reason", .extra = true },
	{ .title = "PRIO", .field = "priority", .right = true, .extra = true },
	{ .title = "SUBMITTED", .field = "submitted", .extra = true }, { .title = "STARTED", .field = "started", .extra = true },
	{ .title = "ENDED", .field = "ended", .extra = true }, { .title = "EXIT", .field = "exit", .right = true, .extra = true },
	{ .title = "SIGNAL", .field = "signal", .right = true, .extra = true },
	{ .title = "FENCE", .field = "fence", .extra = true }, { .title = "OUTPUT", .field = "output", .extra = true },
};

#define COLUMNS INFO_COLUMNS
_Static_assert(sizeof info_columns / sizeof info_columns[0] == INFO_COLUMNS, "as many as info.h says");

/* When it began to run, as far as is known. */
static int64_t
began(const struct zkq_info *info)
{
	return info->started_ms > 0 ? info->started_ms : info->claimed_ms;
}

/* "-" for what has not begun; for what runs, until now by the clock of this host. */
static const char *
run_time(const struct zkq_info *info, char buffer[DURATION_SIZE])
{
	if (info->ended && info->started_ms > 0)
		return duration_clock((int64_t)(info->run_seconds * 1000 + 500), buffer);
	int64_t ran_ms = cli_wall() - began(info);
	if (!info->ended && began(info) > 0)
		return duration_clock(ran_ms < 0 ? 0 : ran_ms, buffer);
	return NULL;
}

/* The column that says most: the worker of what runs, the reason of what waits, the end of what failed. */
static void
where(const struct zkq_info *info, const char *outcome, const char *line, char *text, size_t size)
{
	if (info->ended && !is(info, "done"))
		snprintf(text, size, "%s%s%.200s", outcome, *outcome && *line ? ": " : "", line);
	else if (info->ended || !info->worker)
		snprintf(text, size, *outcome && !info->ended ? "(%s)" : "%s", info->ended && info->worker ? info->worker :
		    *outcome ? outcome : "-");
	else
		snprintf(text, size, "%s%s%s%s", info->worker, *outcome ? " (" : "", outcome, *outcome ? ")" : "");
}

void
info_row(struct table *table, const struct zkq_info *info)
{
	char state[32], attempt[16], age[DURATION_SIZE], clock[DURATION_SIZE], outcome[INFO_TEXT], last[2 * INFO_TEXT];
	char priority[16], code[16], number[16], times[3][32];
	char *line = info_last_line(info);

	info_outcome(info, outcome);
	where(info, outcome, line, last, sizeof last);
	snprintf(attempt, sizeof attempt, "%d", info->attempt);
	snprintf(priority, sizeof priority, "%d", info->priority);
	snprintf(code, sizeof code, "%d", info->exit_code);
	snprintf(number, sizeof number, "%d", info->signal);
	int64_t since = info->ended && info->ended_ms > 0 ? info->ended_ms : info->submitted_ms;
	int64_t age_ms = cli_wall() - since;
	table_row(table, (const char *[COLUMNS]){ info->id, info->name, info->queue, info_state(info, state),
	    info->attempt > 0 ? attempt : NULL, since > 0 ? duration_short(age_ms < 1000 ? 0 : age_ms, age) : NULL,
	    run_time(info, clock), last, info->worker, *outcome ? outcome : NULL, info->priority >= 0 ? priority : NULL,
	    info_time(info->submitted_ms, times[0]), info_time(began(info), times[1]), info_time(info->ended_ms, times[2]),
	    info->ended && info->exit_code >= 0 ? code : NULL, info->signal > 0 ? number : NULL, info->fence,
	    *line ? line : NULL });
	table_color(table, 3, info_color(info));
	free(line);
}

void
info_keep(struct info_kept *kept, int error, const struct zkq_info *info)
{
	kept->error = error;
	if (error != ZKQ_OK)
		return;
	kept->info = *info;
	kept->info.id = memory_string(info->id);
	kept->info.queue = memory_string(info->queue);
	kept->info.name = memory_string(info->name);
	kept->info.state = memory_string(info->state);
	kept->info.reason = memory_string(info->reason);
	kept->info.worker = memory_string(info->worker);
	kept->info.fence = memory_string(info->fence);
	kept->info.task_json = memory_string(info->task_json);
	kept->info.json = NULL;
	if (info->tail) {
		char *tail = memory_new(info->tail_size + 1);

		memcpy(tail, info->tail, info->tail_size);
		kept->info.tail = tail;
	}
}

void
info_forget(struct info_kept *kept)
{
	const struct zkq_info *info = &kept->info;
	const char *const texts[] = { info->id, info->queue, info->name, info->state, info->reason, info->worker, info->fence,
		info->task_json, info->tail };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		free((char *)texts[i]);
	memset(kept, 0, sizeof *kept);
}
