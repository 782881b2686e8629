/* zkq logs: the output of a task, from the worker that has it. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/info.h"

#define LINES_MAX 1000000
#define ATTEMPT_MAX 1000000

static bool follow, only_stdout, only_stderr, raw, times;
static int lines, attempt;

static const struct option_row options[] = {
	{ .letter = 'f', .name = "follow", .kind = OPTION_FLAG, .into = &follow,
	    .help = "go on until the task has ended, on whichever worker" },
	{ .letter = 'n', .name = "lines", .argument = "LINES", .kind = OPTION_NUMBER, .into = &lines, .min = 1, .max = LINES_MAX,
	    .help = "only so many last lines of each stream" },
	{ .name = "attempt", .argument = "N", .kind = OPTION_NUMBER, .into = &attempt, .min = 1, .max = ATTEMPT_MAX,
	    .help = "of this attempt instead of the last one" },
	{ .name = "stdout", .kind = OPTION_FLAG, .into = &only_stdout, .help = "standard output only" },
	{ .name = "stderr", .kind = OPTION_FLAG, .into = &only_stderr, .help = "standard error only" },
	{ .name = "raw", .kind = OPTION_FLAG, .into = &raw, .help = "as it is, to a terminal, too" },
	{ .name = "timestamps", .kind = OPTION_FLAG, .into = &times, .help = "before each line the time when it was written" },
	{ 0 },
};

static struct {
	struct terminal_stream out, err;
	char state[32];
	int ended, attempt;
	uint64_t stdout_bytes, stderr_bytes, dropped_bytes;
	char worker[256];
} seen;

static void
take_output(void *context, int stream, const void *data, size_t size)
{
	struct terminal_stream *to = stream == 2 ? &seen.err : &seen.out;

	(void)context;
	if (stream == 0) {
		if (!settings.quiet)
			cli_say("started again, attempt %zu", size);
		return;
	}
	if (settings.json) {
		follow_json(stream, data, size);
		return;
	}
	terminal_stream_write(to, size ? data : NULL, size);
	fflush(to->out);
	/* Nobody reads it: the task goes on, this command need not. */
	if (output_broken())
		exit(output_close("zkq-logs", EXIT_OK, EXIT_IO));
}

static void
take_info(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	(void)index;
	if (error != ZKQ_OK)
		return;
	snprintf(seen.state, sizeof seen.state, "%s", info->state);
	snprintf(seen.worker, sizeof seen.worker, "%s", info->worker ? info->worker : "");
	seen.ended = info->ended;
	seen.attempt = info->attempt;
	seen.stdout_bytes = info->stdout_bytes;
	seen.stderr_bytes = info->stderr_bytes;
	seen.dropped_bytes = info->dropped_bytes;
	if (follow && !attempt)
		follow_say(info);
}

/* Why the worker did not give all. reached: it gave what it has. */
static void
say_why(char *why, size_t size, bool reached)
{
	unsigned long long dropped = seen.dropped_bytes;

	if (reached || (dropped && dropped >= seen.stdout_bytes + seen.stderr_bytes))
		snprintf(why, size, "worker %s did not keep %llu bytes of it: disk full, or too much", seen.worker, dropped);
	else if (dropped)
		snprintf(why, size, "worker %s cannot be reached or has its output no more, of which it did not keep %llu bytes",
		    seen.worker, dropped);
	else
		snprintf(why, size, "worker %s cannot be reached or has its output no more", seen.worker);
}

/* The end that is stored was shown, or is not fit to be. Returns the exit code. */
static int
explain_end(const char *id)
{
	bool mixed = seen.stdout_bytes && seen.stderr_bytes;
	char why[400];

	say_why(why, sizeof why, false);
	if (mixed && only_stdout != only_stderr)
		return cli_fail(EXIT_NO, "NotFound", id, true,
		    "%s: %s; the end of it that was stored is of both streams; zkq logs %s shows it", id, why, id);
	cli_say("%s: %s; this is the end of it that was stored%s%s", id, why, mixed ? ", of both streams" : "",
	    times ? ", without times" : "");
	return EXIT_OK;
}

/* Why not all of it could be shown. Returns the exit code. */
static int
explain(const char *id, enum zkq_output_source source)
{
	char why[400];

	if (source == ZKQ_OUTPUT_WORKER)
		return EXIT_OK;
	if (source == ZKQ_OUTPUT_END)
		return explain_end(id);
	if (source == ZKQ_OUTPUT_DROPPED) {
		say_why(why, sizeof why, true);
		cli_say("%s: %s; zkq show %s shows its end", id, why, id);
		return EXIT_OK;
	}
	if (source == ZKQ_OUTPUT_PART) {
		cli_say("%s: some output could not be fetched from its worker", id);
		return EXIT_OK;
	}
	if (attempt > seen.attempt && seen.ended && seen.attempt > 0)
		return cli_fail(EXIT_NO, "NotFound", id, true, "%s: there was no attempt %d: it ended with attempt %d", id, attempt,
		    seen.attempt);
	if (attempt > seen.attempt && !seen.ended)
		return cli_fail(EXIT_NO, "NotFound", id, true, "%s: there is no attempt %d yet", id, attempt);
	if (seen.attempt == 0 && seen.ended)
		return cli_fail(EXIT_NO, "NotFound", id, true, "%s: it never started, so there is no output", id);
	if (seen.attempt == 0)
		return cli_fail(EXIT_NO, "NotStarted", id, true, "%s: it has not started yet; zkq logs -f %s waits for it", id, id);
	if (attempt && attempt < seen.attempt)
		return cli_fail(EXIT_NO, "NotFound", id, true, "%s: no worker that can be reached has the output of attempt %d", id,
		    attempt);
	return cli_fail(EXIT_UNAVAILABLE, "WorkerUnreachable", id, true, "%s: its worker %s cannot be reached from here", id,
	    seen.worker);
}

static int
logs(int argc, char **argv)
{
	struct zkq_output_options how = { .size = sizeof how, .follow = follow, .attempt = attempt, .lines = lines, .times = times,
		.streams = (only_stdout ? 1 : 0) | (only_stderr ? 2 : 0) };
	enum zkq_output_source source = ZKQ_OUTPUT_NONE;
	struct zkq *handle;
	struct ids ids;

	if (argc > 1)
		return cli_usage("one task at a time");
	int code = cli_ids(argv, false, &ids);
	if (code == 0 && ids.count != 1)
		code = cli_usage("one task at a time");
	if (code == 0)
		code = cli_open_ids(&handle, &ids);
	if (code) {
		cli_ids_free(&ids);
		return code;
	}
	const char *id = ids.items[0];
	seen.out = (struct terminal_stream){ .out = stdout, .raw = raw || !isatty(STDOUT_FILENO) };
	seen.err = (struct terminal_stream){ .out = stderr, .raw = raw || !isatty(STDERR_FILENO) };
	/* The time is for an answer, not for all of a long output. */
	int error = zkq_output_wait(handle, id, &how, settings.timeout_given ? cli_left() : -1, take_output, take_info, NULL,
	    &source);
	if (!settings.json) {
		terminal_stream_write(&seen.out, NULL, 0);
		terminal_stream_write(&seen.err, NULL, 0);
	}
	fflush(stdout);
	if (error == ZKQ_OK)
		code = explain(id, source);
	else if (error == ZKQ_ETIMEOUT)
		code = cli_fail(EXIT_TEMPORARY, "NoAnswer", id, true, "%s: the time is over; the task goes on", id);
	else if (cli_id_error(id, error) == ZKQ_ENOENT)
		code = cli_fail(EXIT_NO, "NotFound", id, true, "%s: " CLI_NO_TASK, id);
	else
		code = cli_fail_error(error, id, NULL);
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
}

const struct command command_logs = {
	.name = "logs",
	.program = "zkq-logs",
	.about = "show the output of a task",
	.usage = "zkq logs [OPTIONS] ID",
	.notes = "The output comes from the worker that ran the task, which must be reachable from here.",
	.manual = "zkq-logs(1)",
	.options = options,
	.anywhere = true,
	.reads = true,
	.run = logs,
};
