/*
 * log_server.c: the worker's HTTP process: beside what daemon/web.h answers it serves the output of this worker's tasks, and
 * removes it when it is old. It has neither a ZooKeeper handle nor any say over tasks; what it knows of running ones the
 * runner tells it.
 *
 *     GET /log/<id>/<attempt>/<stdout|stderr>?from=OFFSET&follow=1     Authorization: Bearer <token>
 *     GET ...?lines=N&follow=1     the last N lines and what follows; the answer's Zkq-From tells the offset of the first byte
 *     GET ...&ts=1     with the time before each line and at the begin of the answer: "2026-11-20T08:31:02.114Z ", or '-' and
 *                      spaces when it is not known; the answer's Zkq-Prefix tells how long that is. Offsets do not count it
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "base/exits.h"
#include "base/log.h"
#include "codec/time.h"
#include "daemon/web.h"
#include "io/capture.h"
#include "io/channel.h"
#include "io/folder.h"
#include "io/growth.h"
#include "io/http.h"
#include "io/loop.h"
#include "io/marks.h"
#include "io/oldlogs.h"
#include "worker/message.h"
#include "worker/options.h"

#define PIECE HTTP_PIECE_MAX
#define PREFIX 25		/* a time and a space */
#define PREFIX_TEXT "25"
#define YEAR_10000_MS 253402300800000	/* no such time fits */
#define LINES_SPAN (4 * 1024 * 1024)	/* lines are looked for in so many bytes: others wait meanwhile */
#define ENDED_MAX 4096		/* ends remembered: a task that wrote nothing has no files to be known by */
#define OLD_AGE_S (7 * 24 * 3600)
#define OLD_BYTES (5ULL * 1024 * 1024 * 1024)
#define OLD_EVERY_MS (10 * 60 * 1000)

#define KEY_SIZE (ID_MAX + 12)	/* <id>/<attempt> */

struct attempt_log {
	char key[KEY_SIZE];
	bool running;
	UT_hash_handle hh;	/* in order of begin, then of end */
};

struct reader {
	struct log_server *server;
	struct http_request *request;
	char key[KEY_SIZE];
	char folder[ID_MAX + 1], file[32];
	int fd;			/* -1 = the file is not there (yet) */
	int number;		/* of its growth, or -1 */
	uint64_t offset;
	bool follow;
	bool times;		/* each line gets a prefix */
	struct marks *marks;	/* where they come from, once the file is open */
	bool in_line;		/* no prefix is due */
	char prefix[PREFIX];	/* the last one, of prefix_ms */
	int64_t prefix_ms;
	bool sending;		/* a piece is on its way */
	struct reader *prev, *next;
};

struct log_server {
	struct event_base *base;
	struct channel *channel;
	struct web *web;
	struct growth *growth;
	struct old_logs *old;
	int logs_fd;
	char *token;
	struct attempt_log *attempts;
	struct reader *readers;
	struct arena arena;
};

static struct attempt_log *
find(const struct log_server *server, const char *key)
{
	struct attempt_log *found;

	HASH_FIND_STR(server->attempts, key, found);
	return found;
}

static bool
running(const struct log_server *server, const char *key)
{
	const struct attempt_log *found = find(server, key);

	return found && found->running;
}

/* ---- readers ---- */

static void
free_reader(struct reader *reader)
{
	struct log_server *server = reader->server;
	struct reader *other;

	DL_DELETE(server->readers, reader);
	if (reader->number >= 0) {
		DL_FOREACH(server->readers, other) {
			if (other->number == reader->number)
				break;
		}
		if (!other)
			growth_forget(server->growth, reader->number);
	}
	marks_close(reader->marks);
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader);
}

static void
open_log(struct reader *reader)
{
	const struct log_server *server = reader->server;

	reader->fd = folder_open_file(server->logs_fd, reader->folder, reader->file);
	if (reader->fd >= 0 && reader->follow && running(server, reader->key))
		reader->number = growth_watch(server->growth, reader->fd);
	if (reader->fd >= 0 && reader->times)
		reader->marks = marks_open(server->logs_fd, reader->folder, reader->file, reader->fd);
}

/* Lines that came together share their prefix, so it is kept. */
static const char *
prefix_of(struct reader *reader, uint64_t at)
{
	int64_t wall_ms = reader->marks ? marks_time(reader->marks, at) : 0;
	char time[PREFIX] = "-";

	if (reader->prefix[0] && reader->prefix_ms == wall_ms)
		return reader->prefix;
	if (wall_ms > 0 && wall_ms < YEAR_10000_MS)
		time_write(wall_ms, time);
	memset(reader->prefix, ' ', PREFIX);
	memcpy(reader->prefix, time, strlen(time));
	reader->prefix_ms = wall_ms;
	return reader->prefix;
}

/* Sends what is at the reader's offset with the times of its lines: as much of it as gives a piece. Returns how much that was. */
static size_t
send_with_times(struct reader *reader, const char *data, size_t len)
{
	static char piece[PIECE];
	size_t taken = 0, size = 0;

	if (reader->marks)
		marks_refresh(reader->marks);
	while (taken < len && sizeof piece - size > PREFIX) {
		if (!reader->in_line) {
			memcpy(piece + size, prefix_of(reader, reader->offset + taken), PREFIX);
			size += PREFIX;
		}
		size_t room = sizeof piece - size < len - taken ? sizeof piece - size : len - taken;
		const char *end = memchr(data + taken, '\n', room);
		size_t part = end ? (size_t)(end + 1 - data) - taken : room;
		memcpy(piece + size, data + taken, part);
		reader->in_line = !end;
		taken += part;
		size += part;
	}
	http_stream_send(reader->request, piece, size);
	return taken;
}

/* Sends the next piece, ends the answer, or waits for more to be written. */
static void
go_on(struct reader *reader)
{
	static char piece[PIECE];
	const struct log_server *server = reader->server;

	if (reader->sending)
		return;
	/* Asked before reading: what is written before the end is told is then not missed. */
	bool more = reader->follow && running(server, reader->key);
	if (reader->fd < 0)
		open_log(reader);
	ssize_t got = reader->fd >= 0 ? pread(reader->fd, piece, sizeof piece, (off_t)reader->offset) : 0;
	if (got > 0) {
		reader->sending = true;
		if (reader->times)
			got = (ssize_t)send_with_times(reader, piece, (size_t)got);
		else
			http_stream_send(reader->request, piece, (size_t)got);
		reader->offset += (uint64_t)got;
	} else if (!more) {
		http_stream_end(reader->request);
		free_reader(reader);
	}
}

static void
on_ready(void *context)
{
	struct reader *reader = context;

	reader->sending = false;
	go_on(reader);
}

static void
on_gone(void *context)
{
	free_reader(context);
}

static void
on_grown(void *context, int number)
{
	struct log_server *server = context;
	struct reader *reader, *next;

	DL_FOREACH_SAFE(server->readers, reader, next) {
		if (reader->number == number)
			go_on(reader);
	}
}

static void
wake(struct log_server *server, const char *key)
{
	struct reader *reader, *next;

	DL_FOREACH_SAFE(server->readers, reader, next) {
		if (strcmp(reader->key, key) == 0)
			go_on(reader);
	}
}

/* ---- requests ---- */

/* Reads "/log/<id>/<attempt>/<stream>". */
static bool
parse_path(const char *path, struct reader *reader)
{
	char id[ID_MAX + 2], attempt[12], stream[8], again[PATH_BUFFER];
	struct task_id task_id;
	int used = 0;

	if (sscanf(path, "/log/%61[^/]/%11[0-9]/%7[a-z]%n", id, attempt, stream, &used) != 3 || path[used])
		return false;
	snprintf(again, sizeof again, "/log/%s/%s/%s", id, attempt, stream);
	if (strcmp(again, path) != 0 || !id_parse(id, &task_id) || strlen(id) > ID_MAX ||
	    (strcmp(stream, capture_words[CAPTURE_STDOUT]) != 0 && strcmp(stream, capture_words[CAPTURE_STDERR]) != 0))
		return false;
	snprintf(reader->folder, sizeof reader->folder, "%s", id);
	snprintf(reader->file, sizeof reader->file, "%s.%s", attempt, stream);
	snprintf(reader->key, sizeof reader->key, "%s/%s", id, attempt);
	return true;
}

static bool
parse_from(const char *text, uint64_t *offset)
{
	char *end;

	*offset = 0;
	if (!text)
		return true;
	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 18)
		return false;
	*offset = strtoull(text, &end, 10);
	return true;
}

static bool
parse_lines(const char *text, long *lines)
{
	*lines = 0;
	if (!text)
		return true;
	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 9)
		return false;
	*lines = strtol(text, NULL, 10);
	return *lines > 0;
}

/* Where the last lines of the file begin, or what of them is in the last LINES_SPAN bytes. A last line without an end is one. */
static uint64_t
begin_of_lines(int fd, long lines)
{
	static char piece[PIECE];
	off_t size = lseek(fd, 0, SEEK_END), end = size;

	if (size <= 0)
		return 0;
	while (end > 0 && size - end < LINES_SPAN) {
		size_t want = end < PIECE ? (size_t)end : PIECE;
		ssize_t got = pread(fd, piece, want, end - (off_t)want);

		if (got != (ssize_t)want)
			break;
		for (size_t i = want; i > 0; i--) {
			off_t at = end - (off_t)want + (off_t)i;

			if (piece[i - 1] == '\n' && at < size && --lines == 0)
				return (uint64_t)at;
		}
		end -= (off_t)want;
	}
	return (uint64_t)end;
}

static void
serve_log(struct log_server *server, struct http_request *request)
{
	static const struct http_stream_callbacks callbacks = { .ready = on_ready, .gone = on_gone };
	struct reader *reader = calloc(1, sizeof *reader);
	const char *follow = http_query(request, "follow"), *times = http_query(request, "ts");
	char from[24];
	long lines;

	if (!reader) {
		http_reply(request, 503, "out of memory\n");
		return;
	}
	reader->server = server;
	reader->request = request;
	reader->fd = reader->number = -1;
	reader->follow = follow && strcmp(follow, "1") == 0;
	reader->times = times && strcmp(times, "1") == 0;
	if (!parse_path(http_path(request), reader)) {
		http_reply(request, 404, "no such log\n");
	} else if (!parse_from(http_query(request, "from"), &reader->offset)) {
		http_reply(request, 400, "from: not a number\n");
	} else if (!parse_lines(http_query(request, "lines"), &lines)) {
		http_reply(request, 400, "lines: not a number\n");
	} else {
		open_log(reader);
		if (reader->fd >= 0 || find(server, reader->key)) {
			if (lines)
				reader->offset = reader->fd >= 0 ? begin_of_lines(reader->fd, lines) : 0;
			snprintf(from, sizeof from, "%llu", (unsigned long long)reader->offset);
			http_header(request, "Zkq-From", from);
			if (reader->times)
				http_header(request, "Zkq-Prefix", PREFIX_TEXT);
			DL_APPEND(server->readers, reader);
			if (http_stream(request, "application/octet-stream", &callbacks, reader))
				go_on(reader);
			else
				free_reader(reader);
			return;
		}
		http_reply(request, 404, "no such log\n");
	}
	free(reader);
}

static void
on_request(void *context, struct http_request *request)
{
	struct log_server *server = context;

	if (!server->token || !http_bearer_is(request, server->token))
		http_reply(request, 401, "a bearer token is needed\n");
	else
		serve_log(server, request);
}

/* ---- what the runner tells ---- */

static void
put(struct log_server *server, const char *key, bool is_running)
{
	struct attempt_log *entry = find(server, key), *oldest, *next;

	if (entry)
		HASH_DEL(server->attempts, entry);
	else
		entry = calloc(1, sizeof *entry);
	if (!entry) {
		log_error("HTTP process: out of memory");
		exit(EXIT_SYSTEM);
	}
	snprintf(entry->key, sizeof entry->key, "%s", key);
	entry->running = is_running;
	HASH_ADD_STR(server->attempts, key, entry);
	HASH_ITER(hh, server->attempts, oldest, next) {
		if (HASH_COUNT(server->attempts) <= ENDED_MAX)
			break;
		if (oldest->running)
			continue;
		HASH_DEL(server->attempts, oldest);
		free(oldest);
	}
}

static void
on_frame(void *context, const char *data, size_t len)
{
	struct log_server *server = context;
	struct message message;
	char key[KEY_SIZE];

	arena_reset(&server->arena);
	if (!message_decode(&server->arena, data, len, &message))
		return;
	if (message.kind == MSG_SERVE) {
		free(server->token);
		server->token = message.text ? strdup(message.text) : NULL;
		return;
	}
	if (message.kind == MSG_SNAPSHOT && message.snapshot.source < WEB_SOURCES && message.snapshot.data) {
		web_take(server->web, (enum web_source)message.snapshot.source, message.snapshot.data, message.snapshot.len);
		return;
	}
	if (message.kind != MSG_LOG_BEGIN && message.kind != MSG_LOG_FILE && message.kind != MSG_LOG_END)
		return;
	snprintf(key, sizeof key, "%s/%u", message.log.folder ? message.log.folder : "", message.log.run);
	if (message.kind != MSG_LOG_FILE)
		put(server, key, message.kind == MSG_LOG_BEGIN);
	wake(server, key);
}

static void
on_closed(void *context)
{
	struct log_server *server = context;

	loop_stop(server->base);
}

/* ---- life ---- */

static bool
in_use(void *context, const char *folder)
{
	const struct log_server *server = context;
	size_t len = strlen(folder);

	for (const struct attempt_log *entry = server->attempts; entry; entry = entry->hh.next) {
		if (entry->running && strncmp(entry->key, folder, len) == 0 && entry->key[len] == '/')
			return true;
	}
	return false;
}

static void
removed(void *context, uint64_t folders, uint64_t bytes)
{
	(void)context;
	log_info("HTTP process: removed the old output of %llu tasks, %llu bytes", (unsigned long long)folders,
	    (unsigned long long)bytes);
}

int
log_server_run(const struct worker_options *options, int fd, int listener)
{
	static const struct channel_callbacks callbacks = { .frame = on_frame, .closed = on_closed };
	static struct log_server only;	/* lives as long as the process, as all it holds */
	struct log_server *server = &only;
	struct old_logs_conf old = {
		.age_max_s = OLD_AGE_S, .bytes_max = OLD_BYTES, .every_ms = OLD_EVERY_MS, .context = server, .in_use = in_use,
		.passed = removed,
	};

	struct web_conf web = {
		.program = "zkq-worker", .second = "coordinator", .prefix = "/log/", .context = server, .other = on_request,
		.paths = "/log/...          output of tasks, with a token; see zkq-logs(1)\n",
	};

	web_confine();
	int state_fd = folder_open(options->state_dir);
	server->logs_fd = state_fd >= 0 ? folder_below(state_fd, "logs") : -1;
	old.fd = server->logs_fd;
	server->base = loop_new();
	if (server->logs_fd < 0 || !server->base || !(server->channel = channel_new(server->base, fd, &callbacks, server)) ||
	    !(server->growth = growth_new(server->base, on_grown, server)) ||
	    !(server->old = old_logs_new(server->base, &old)) ||
	    !(server->web = web_new(server->base, listener, &web))) {
		log_error("HTTP process: the system refuses what it needs");
		return EXIT_SYSTEM;
	}
	return loop_run(server->base) == 0 ? EXIT_OK : EXIT_SYSTEM;
}
