/*
 * Submitting a file of tasks, one in JSON a line, in batches. A file is checked whole before anything is sent; a stream
 * is sent as it comes. Ids are printed in the order of the lines.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/exits.h"
#include "base/memory.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/info.h"
#include "cli/last.h"
#include "cli/number.h"
#include "cli/submit.h"

#define BATCH_TASKS 500			/* lines sent together */
#define BATCH_BYTES (2 * 1024 * 1024)	/* and no more than that */
#define BATCHES_OPEN 4			/* unanswered at once: keeps the servers busy and memory small */
#define LINE_BYTES_MAX (1024 * 1024)	/* longer than any task may be */
#define PROGRESS_MS 200

/* ---- lines ---- */

struct lines {
	int fd;
	const char *name;
	char *data;
	size_t start, end, size;
	int64_t number;		/* of the line last returned */
	bool ended;
};

enum lines_result { LINES_ONE, LINES_NONE_YET, LINES_END, LINES_BAD };

/* Whether reading would not block. */
static bool
readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) != 0;
}

/* The next line that is not empty, without its end; it lives until the next call. With block false it does not wait for
 * input. On LINES_BAD *code has been said. */
static enum lines_result
lines_next(struct lines *lines, bool block, char **line, int *code)
{
	for (;;) {
		char *from = lines->data + lines->start;
		size_t len = lines->end - lines->start;
		char *newline = len ? memchr(from, '\n', len) : NULL;

		if (newline || (lines->ended && len)) {
			size_t line_len = newline ? (size_t)(newline - from) : len;

			lines->start += line_len + (newline ? 1 : 0);
			lines->number++;
			if (memchr(from, '\0', line_len)) {
				*code = cli_fail(EXIT_DATA, "Invalid", NULL, false, "%s, line %lld: holds a NUL byte", lines->name,
				    (long long)lines->number);
				return LINES_BAD;
			}
			from[line_len] = '\0';	/* there is room: see below */
			if (line_len && from[line_len - 1] == '\r')
				from[line_len - 1] = '\0';
			if (from[strspn(from, " \t")] == '\0')
				continue;
			*line = from;
			return LINES_ONE;
		}
		if (lines->ended)
			return LINES_END;
		if (len > LINE_BYTES_MAX) {
			*code = cli_fail(EXIT_DATA, "TooLarge", NULL, false, "%s, line %lld: longer than any task may be", lines->name,
			    (long long)lines->number + 1);
			return LINES_BAD;
		}
		if (!block && !readable(lines->fd))
			return LINES_NONE_YET;
		if (lines->start > 0) {
			memmove(lines->data, from, len);
			lines->start = 0;
			lines->end = len;
		}
		if (lines->end + 1 >= lines->size) {
			lines->size = lines->size ? lines->size * 2 : 65536;
			lines->data = memory_resize(lines->data, lines->size, 1);
		}
		ssize_t n = read(lines->fd, lines->data + lines->end, lines->size - lines->end - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			/* The lines before it go out all the same. */
			*code = cli_fail(EXIT_IO, "IO", NULL, lines->number == 0, "cannot read %s: %s", lines->name,
			    strerror(errno));
			return LINES_BAD;
		}
		if (n == 0)
			lines->ended = true;
		lines->end += (size_t)n;
	}
}

/* Returns 0, or the exit code after having said which line is wrong. */
static int
check_line(struct zkq *handle, const struct lines *lines, const char *line)
{
	struct zkq_task task = { .size = sizeof task, .json = line, .priority = -1, .kill_grace_ms = -1 };
	char *text = NULL;
	size_t len;
	int error = zkq_task_json(handle, &task, &text), code = 0;

	if (error == ZKQ_OK && jsontext_member(line, strlen(line), "queue", &len))
		code = cli_fail(EXIT_DATA, "Invalid", NULL, false, "%s, line %lld: queue: all lines go to one: --queue=NAME", lines->name,
		    (long long)lines->number);
	else if (error == ZKQ_EINVAL || error == ZKQ_ESIZE)
		code = cli_fail(EXIT_DATA, "Invalid", NULL, false, "%s, line %lld: %s", lines->name, (long long)lines->number,
		    text ? text : zkq_strerror(error));
	else if (error != ZKQ_OK)
		code = cli_fail(cli_error_exit(error), cli_error_word(error), NULL, false, "%s, line %lld: %s", lines->name,
		    (long long)lines->number, zkq_strerror(error));
	zkq_free(text);
	return code;
}

/* ---- batches ---- */

struct batch {
	struct batch *next;
	int count, answered, printed;
	size_t bytes;
	char *json[BATCH_TASKS];		/* until sent */
	int64_t line[BATCH_TASKS];
	struct {
		bool here;
		int error, existed;
		char id[ZKQ_ID_SIZE];
	} answer[BATCH_TASKS];
	char text[256];				/* detail of the first refusal */
};

static struct {
	struct zkq *handle;
	const char *name, *queue;
	struct batch *first, *last;		/* sent, in order of their lines */
	int open;
	int64_t accepted, existed, refused, unknown, lines_sent;
	char last_id[ZKQ_ID_SIZE];	/* accepted last; "" = none */
	int64_t began_ms, shown_ms, heard_ms;
	bool terminal, stop;
	int code;
} state;

static void
take(void *context, int index, int error, const char *id, int existed, const char *text)
{
	struct batch *batch = context;

	if (batch->answer[index].here)
		return;
	batch->answer[index].here = true;
	batch->answer[index].error = error;
	batch->answer[index].existed = existed;
	snprintf(batch->answer[index].id, ZKQ_ID_SIZE, "%s", id ? id : "");
	if (error != ZKQ_OK && text && !*batch->text)
		snprintf(batch->text, sizeof batch->text, "%s", text);
	batch->answered++;
	state.heard_ms = cli_now();
}

/* Says once for a run of lines with the same error what became of them. Returns the index after the run. */
static int
say_failed(struct batch *batch, int from)
{
	int error = batch->answer[from].error, to = from + 1;
	bool open = error == ZKQ_EUNKNOWN || error == ZKQ_ETIMEOUT || error == ZKQ_ECANCELLED;
	char lines[64], token[ZKQ_ID_SIZE + 32] = "", queue[256] = "", hint[CLI_HINT];

	while (to < batch->count && batch->answer[to].here && batch->answer[to].error == error)
		to++;
	if (to - from == 1)
		snprintf(lines, sizeof lines, "line %lld", (long long)batch->line[from]);
	else
		snprintf(lines, sizeof lines, "lines %lld-%lld", (long long)batch->line[from], (long long)batch->line[to - 1]);
	if (open && batch->answer[from].id[0])
		snprintf(token, sizeof token, " (the first would be %s)", batch->answer[from].id);
	if (error == ZKQ_ENOQUEUE)
		snprintf(queue, sizeof queue, ": %s%s", state.queue, cli_queue_hint(state.handle, state.queue, hint));
	const char *what = open ? "outcome unknown" : "not accepted";
	int code = open ? EXIT_TEMPORARY : error == ZKQ_ENOQUEUE ? EXIT_DATA : cli_error_exit(error);
	cli_say("%s, %s: %s: %s%s%s%s%s", state.name, lines, what, zkq_strerror(error), queue, *batch->text ? ": " : "",
	    batch->text, token);
	if (!state.code || code == EXIT_TEMPORARY)
		state.code = code;
	if (open)
		state.unknown += to - from;
	else
		state.refused += to - from;
	state.stop = true;
	return to;
}

static void
print_answer(struct batch *batch, int i)
{
	struct jsonout json;
	int error = batch->answer[i].error;

	if (error == ZKQ_OK) {
		state.accepted++;
		state.existed += batch->answer[i].existed ? 1 : 0;
		snprintf(state.last_id, sizeof state.last_id, "%s", batch->answer[i].id);
		cli_accepted();		/* perhaps by a key; then this is too careful */
	}
	if (settings.json) {
		info_json_line(&json, "zkq.submit/1");
		jsonout_number(&json, "line", batch->line[i]);
		if (error == ZKQ_OK) {
			jsonout_string(&json, "id", batch->answer[i].id);
			jsonout_bool(&json, "existed", batch->answer[i].existed);
		} else {
			info_json_error(&json, batch->answer[i].id[0] ? batch->answer[i].id : NULL, error);
		}
		jsonout_end(&json);
	} else if (error == ZKQ_OK) {
		puts(batch->answer[i].id);
	}
	if (error == ZKQ_OK && fflush(stdout) != 0 && errno != EPIPE)
		cli_say("%s, line %lld: accepted as %s", state.name, (long long)batch->line[i], batch->answer[i].id);
}

/* Prints what has been answered, up to the first line that has not. */
static void
print_answered(void)
{
	while (state.first) {
		struct batch *batch = state.first;

		while (batch->printed < batch->count && batch->answer[batch->printed].here) {
			int from = batch->printed, to = from + 1;

			if (batch->answer[from].error != ZKQ_OK)
				to = say_failed(batch, from);
			for (int i = from; i < to; i++)
				print_answer(batch, i);
			batch->printed = to;
		}
		if (batch->printed < batch->count)
			break;
		state.first = batch->next;
		if (!state.first)
			state.last = NULL;
		state.open--;
		free(batch);
	}
	fflush(stdout);
}

static void
show_progress(bool last)
{
	char text[64];
	int64_t now = cli_now();
	double seconds = (double)(now - state.began_ms) / 1000;

	if (!state.terminal || (!last && now - state.shown_ms < PROGRESS_MS))
		return;
	state.shown_ms = now;
	snprintf(text, sizeof text, "%lld accepted  %.0f/s", (long long)state.accepted,
	    seconds > 0 ? (double)state.accepted / seconds : 0.0);
	fprintf(stderr, "\r%-40s%s", last ? "" : text, last ? "\r" : "");
}

/* Answers that are late for the whole time-out are not waited for any longer. */
static bool
silent(void)
{
	return state.first && cli_now() - state.heard_ms >= settings.timeout_ms;
}

static void
turn(int64_t limit_ms, int also_fd)
{
	cli_turn(state.handle, limit_ms, also_fd);
	print_answered();
	show_progress(false);
}

static void
send_batch(struct batch *batch)
{
	struct zkq_task tasks[BATCH_TASKS];

	if (batch->count == 0 || state.stop) {
		for (int i = 0; i < batch->count; i++)
			free(batch->json[i]);
		free(batch);
		return;
	}
	while (state.open >= BATCHES_OPEN && !silent())
		turn(PROGRESS_MS, -1);
	for (int i = 0; i < batch->count; i++)
		tasks[i] = (struct zkq_task){ .size = sizeof tasks[i], .json = batch->json[i], .priority = -1,
			.kill_grace_ms = -1 };
	if (state.last)
		state.last->next = batch;
	else
		state.first = batch;
	state.last = batch;
	state.open++;
	if (state.open == 1)
		state.heard_ms = cli_now();
	int error = state.stop || silent() ? ZKQ_EUNREACHABLE :
	    zkq_submit(state.handle, state.queue, tasks, batch->count, take, batch, NULL);
	if (error != ZKQ_OK)
		for (int i = 0; i < batch->count; i++)
			take(batch, i, error, NULL, 0, NULL);
	for (int i = 0; i < batch->count; i++)
		free(batch->json[i]);
	state.lines_sent += batch->count;
}

static void
add_line(struct batch *batch, const struct lines *lines, const char *line)
{
	batch->json[batch->count] = memory_string(line);
	batch->line[batch->count++] = lines->number;
	batch->bytes += strlen(line);
}

/* Reads and sends until the end, the first bad line, or the first refusal. */
static void
send_lines(struct lines *lines, bool check)
{
	struct batch *batch = memory_new(sizeof *batch);
	enum lines_result result = LINES_ONE;
	char *line;
	int code = 0;

	while (!state.stop) {
		result = lines_next(lines, false, &line, &code);
		if (result == LINES_NONE_YET) {
			/* A writer that pauses: what is there goes out now. */
			if (batch->count) {
				send_batch(batch);
				batch = memory_new(sizeof *batch);
			}
			if (silent())
				break;
			turn(PROGRESS_MS, lines->fd);
			continue;
		}
		if (result != LINES_ONE)
			break;
		if (check)
			code = check_line(state.handle, lines, line);
		if (code)
			break;
		add_line(batch, lines, line);
		if (batch->count == BATCH_TASKS || batch->bytes >= BATCH_BYTES) {
			send_batch(batch);
			batch = memory_new(sizeof *batch);
			if (silent())
				break;
			turn(0, -1);
		}
	}
	send_batch(batch);
	if (code && !state.code)
		state.code = code;
}

static void
wait_for_answers(void)
{
	char text[DURATION_SIZE];

	print_answered();
	while (state.first && !silent())
		turn(PROGRESS_MS, -1);
	if (!state.first)
		return;
	cli_say("no answer in %s", duration_exact(settings.timeout_ms, text));
	/* After this no callback can come any more. */
	zkq_close(state.handle);
	state.handle = NULL;
	for (struct batch *batch = state.first; batch; batch = batch->next)
		for (int i = 0; i < batch->count; i++)
			take(batch, i, ZKQ_ETIMEOUT, NULL, 0, NULL);
}

/* First pass over a file: every line must be a task. */
static int
check_all(struct zkq *handle, struct lines *lines, int64_t *count)
{
	char *line;
	int code = 0;
	enum lines_result result;

	while ((result = lines_next(lines, true, &line, &code)) == LINES_ONE) {
		code = check_line(handle, lines, line);
		if (code)
			return code;
		++*count;
	}
	if (result == LINES_BAD)
		return code;
	if (lseek(lines->fd, 0, SEEK_SET) < 0)
		return cli_fail(EXIT_IO, "IO", NULL, true, "cannot read %s again: %s", lines->name, strerror(errno));
	lines->start = lines->end = 0;
	lines->number = 0;
	lines->ended = false;
	return 0;
}

static void
say_sum(void)
{
	char number[3][NUMBER_SIZE], existed[64] = "", other[128] = "";
	double seconds = (double)(cli_now() - state.began_ms) / 1000;

	if (*state.last_id)
		last_keep(state.last_id);
	if (state.existed)
		snprintf(existed, sizeof existed, ", %s of them by their key before", number_grouped(state.existed, number[1]));
	if (state.refused || state.unknown)
		snprintf(other, sizeof other, "; %s not accepted, %s unknown", number_grouped(state.refused, number[1]),
		    number_grouped(state.unknown, number[2]));
	if (!settings.quiet || state.code)
		cli_say("%s task%s accepted in %.2f s%s%s", number_grouped(state.accepted, number[0]), state.accepted == 1 ? "" : "s",
		    seconds, existed, other);
}

static int
open_lines(struct lines *lines, const char *file)
{
	bool own = strcmp(file, "-") == 0;

	lines->name = own ? "standard input" : file;
	lines->fd = own ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	if (lines->fd < 0)
		return cli_fail(EXIT_NO_INPUT, "NoInput", NULL, true, "cannot open %s: %s", file, strerror(errno));
	return 0;
}

int
submit_file(const char *file, const char *queue, bool dry)
{
	struct lines lines = { 0 };
	struct stat stat;
	char number[NUMBER_SIZE];
	int64_t count = 0;
	int code = open_lines(&lines, file);

	if (code)
		return code;
	code = cli_open(&state.handle, false);
	if (code)
		return code;
	bool seekable = fstat(lines.fd, &stat) == 0 && S_ISREG(stat.st_mode);
	state.name = lines.name;
	state.queue = queue;
	/* Ids on the same terminal show how far it is. */
	state.terminal = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO) && !settings.quiet;
	if (seekable)
		code = check_all(state.handle, &lines, &count);
	if (code == 0 && dry) {
		char *line;

		/* A stream is checked as it comes; nothing is to be read twice. */
		while (!seekable && code == 0 && lines_next(&lines, true, &line, &code) == LINES_ONE) {
			code = check_line(state.handle, &lines, line);
			count += code == 0;
		}
		if (code == 0 && !settings.quiet)
			cli_say("%s: %s line%s, each a task; nothing was sent", lines.name, number_grouped(count, number),
			    count == 1 ? "" : "s");
	} else if (code == 0) {
		code = cli_connect(state.handle);
		if (code == 0) {
			state.began_ms = state.heard_ms = cli_now();
			send_lines(&lines, !seekable);
			wait_for_answers();
			show_progress(true);
			print_answered();
			if (state.code == EXIT_UNAVAILABLE && state.accepted > 0)
				state.code = EXIT_TEMPORARY;	/* 69 says that nothing was sent */
			say_sum();
			code = state.code;
		}
	}
	zkq_close(state.handle);
	free(lines.data);
	if (lines.fd != STDIN_FILENO)
		close(lines.fd);
	return code;
}
