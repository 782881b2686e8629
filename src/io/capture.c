#include "config.h"

#include "io/capture.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/marks.h"

#define CHUNK (64 * 1024)		/* what a pipe holds */
#define TURN_MAX (256 * 1024)		/* from one pipe per turn of the loop: others must run, too */
#define REST_MAX (4 * 1024 * 1024)	/* after the end: a pipe holds 1 MiB at most, so more is somebody else's doing */

const char *const capture_words[CAPTURE_STREAMS] = { "stdout", "stderr" };

/* The last bytes of something long. */
struct ring {
	char *data;		/* made with the first byte */
	size_t size;
	uint64_t total;		/* bytes ever put in */
};

/* When the bytes of a stream came; see marks.h. */
struct times {
	int file;		/* -1 = not open */
	bool failed;		/* given up: the disk is full. The file has been emptied */
	uint64_t count, max;	/* marks for the head */
	struct mark last;
	bool waits;		/* last is the first one and not written: perhaps everything comes at once */
	struct mark *end;	/* ring for what is kept behind the head; `at` counts from there */
	size_t end_size;
	uint64_t end_total;
};

struct stream {
	struct capture *capture;
	enum capture_stream kind;
	int read_fd, write_fd, file;	/* -1 = closed, not open */
	struct event *event;
	uint64_t bytes, in_file, dropped;
	bool failed;		/* the file is given up; what it has stays */
	struct ring end;	/* what came behind the head */
	struct times times;
};

struct capture {
	struct capture_conf conf;
	struct stream streams[CAPTURE_STREAMS];
	struct ring tail;
	char *last;		/* the tail in a row, once finished */
	int error;
};

static void
ring_put(struct ring *ring, const char *data, size_t len)
{
	if (!ring->data && ring->size && !(ring->data = malloc(ring->size)))
		ring->size = 0;
	ring->total += len;
	if (!ring->size)
		return;
	if (len > ring->size) {
		data += len - ring->size;
		len = ring->size;
	}
	size_t at = (size_t)((ring->total - len) % ring->size);
	size_t first = len < ring->size - at ? len : ring->size - at;
	memcpy(ring->data + at, data, first);
	memcpy(ring->data, data + first, len - first);
}

static size_t
ring_len(const struct ring *ring)
{
	return ring->total < ring->size ? (size_t)ring->total : ring->size;
}

/* Calls put for what the ring holds, oldest first, in at most two pieces. */
static void
ring_each(const struct ring *ring, void (*put)(void *context, const char *data, size_t len), void *context)
{
	size_t len = ring_len(ring);

	if (len == 0)
		return;
	size_t at = (size_t)((ring->total - len) % ring->size);
	size_t first = len < ring->size - at ? len : ring->size - at;
	put(context, ring->data + at, first);
	if (len > first)
		put(context, ring->data, len - first);
}

static void
give_up(struct stream *stream, int error)
{
	stream->failed = true;
	if (!stream->capture->error)
		stream->capture->error = error;
}

/* The task's folder; -1 with errno. */
static int
open_folder(const struct capture_conf *conf)
{
	if (conf->logs_fd < 0) {
		errno = ENOENT;
		return -1;
	}
	if (mkdirat(conf->logs_fd, conf->folder, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(conf->logs_fd, conf->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Makes a file of the stream in the task's folder; -1 with errno. */
static int
make_file(const struct stream *stream, const char *suffix)
{
	const struct capture_conf *conf = &stream->capture->conf;
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_APPEND;
	char name[64], times[80];
	int folder = open_folder(conf);

	if (folder < 0)
		return -1;
	snprintf(name, sizeof name, "%s.%s%s", conf->prefix, capture_words[stream->kind], suffix);
	int file = openat(folder, name, flags, 0600);
	/* A run that was given back without being counted left it, and perhaps times that would not be ours. */
	if (file < 0 && errno == EEXIST && unlinkat(folder, name, 0) == 0) {
		snprintf(times, sizeof times, "%s" MARKS_SUFFIX, name);
		unlinkat(folder, times, 0);
		file = openat(folder, name, flags, 0600);
	}
	int error = errno;
	close(folder);
	errno = error;
	return file;
}

static bool
open_file(struct stream *stream)
{
	const struct capture_conf *conf = &stream->capture->conf;

	stream->file = make_file(stream, "");
	if (stream->file < 0) {
		give_up(stream, errno);
		return false;
	}
	if (conf->opened)
		conf->opened(conf->context, stream->kind);
	return true;
}

/* Writes to the file as long as that works; returns how much of it is there now. */
static size_t
to_file(struct stream *stream, const char *data, size_t len)
{
	size_t done = 0;

	if (stream->failed || (stream->file < 0 && len > 0 && !open_file(stream)))
		return 0;
	while (done < len) {
		ssize_t wrote = write(stream->file, data + done, len - done);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0) {
			give_up(stream, wrote < 0 ? errno : EIO);
			break;
		}
		done += (size_t)wrote;
	}
	return done;
}

/* Writes marks. When that fails there are no more of them, and nothing else happens. */
static void
put_marks(struct stream *stream, const struct mark *marks, size_t count)
{
	struct times *times = &stream->times;
	size_t size = count * sizeof *marks;

	if (times->failed || count == 0)
		return;
	if (times->file < 0)
		times->file = make_file(stream, MARKS_SUFFIX);
	times->failed = times->file < 0 || write(times->file, marks, size) != (ssize_t)size;
	/* No time is better than that of the last mark for all that follows. */
	if (times->failed && times->file >= 0 && ftruncate(times->file, 0) != 0)
		return;
}

/* The first mark is written with the second one, or when there is something behind the head. */
static void
put_first_mark(struct stream *stream)
{
	if (stream->times.waits)
		put_marks(stream, &stream->times.last, 1);
	stream->times.waits = false;
}

/* Bytes for the head come now. */
static void
mark_head(struct stream *stream, int64_t now_ms)
{
	struct times *times = &stream->times;
	struct mark mark = { stream->in_file, now_ms };
	int64_t since_ms = now_ms - times->last.wall_ms;

	if (times->count == times->max || (times->count > 0 && since_ms >= 0 && since_ms < MARK_MS))
		return;
	put_first_mark(stream);
	times->waits = times->count++ == 0;
	if (times->count == times->max)
		mark.wall_ms = 0;
	times->last = mark;
	if (!times->waits)
		put_marks(stream, &mark, 1);
}

/* Bytes for the end come now; the first of them always get a mark. */
static void
mark_end(struct stream *stream, int64_t now_ms)
{
	struct times *times = &stream->times;
	int64_t since_ms = now_ms - times->last.wall_ms;

	if (times->end_total > 0 && since_ms >= 0 && since_ms < MARK_MS)
		return;
	put_first_mark(stream);
	if (!times->end)
		times->end = calloc(times->end_size, sizeof *times->end);
	if (!times->end)
		return;
	times->last = (struct mark){ stream->end.total, now_ms };
	times->end[times->end_total++ % times->end_size] = times->last;
}

/* The kept end goes to byte `at` of the file, its first `lost` bytes do not. */
static void
put_end_marks(struct stream *stream, uint64_t at, uint64_t lost)
{
	struct times *times = &stream->times;
	uint64_t first = times->end_total > times->end_size ? times->end_total - times->end_size : 0;
	struct mark marks[256];
	size_t count = 0;

	/* The line about what was dropped: nobody wrote it at any time. */
	if (lost > 0)
		marks[count++] = (struct mark){ stream->in_file, 0 };
	marks[count] = (struct mark){ at, 0 };
	for (; first < times->end_total; first++) {
		const struct mark *next = &times->end[first % times->end_size];

		if (next->at > lost)
			marks[++count].at = at + next->at - lost;
		marks[count].wall_ms = next->wall_ms;
		if (count == sizeof marks / sizeof *marks - 1) {
			put_marks(stream, marks, count);
			marks[0] = marks[count];
			count = 0;
		}
	}
	put_marks(stream, marks, count + 1);
}

static void
take(struct stream *stream, const char *data, size_t len)
{
	struct capture *capture = stream->capture;
	uint64_t room = capture->conf.head_bytes - stream->in_file;
	size_t head = len < room ? len : (size_t)room;
	int64_t now_ms = clock_wall_ms();

	stream->bytes += len;
	ring_put(&capture->tail, data, len);
	if (head > 0 && !stream->failed)
		mark_head(stream, now_ms);
	size_t done = to_file(stream, data, head);
	stream->in_file += done;
	/* After a failure nothing more is kept: a file with a hole that is not marked would lie. */
	if (stream->failed) {
		stream->dropped += len - done;
	} else if (len > head) {
		mark_end(stream, now_ms);
		ring_put(&stream->end, data + head, len - head);
	}
}

static void
close_pipe(struct stream *stream)
{
	if (stream->event)
		event_free(stream->event);
	stream->event = NULL;
	if (stream->read_fd >= 0)
		close(stream->read_fd);
	stream->read_fd = -1;
}

/* Reads what is there, at most max bytes. */
static void
drain(struct stream *stream, size_t max)
{
	static char chunk[CHUNK];
	size_t taken = 0;

	while (stream->read_fd >= 0 && taken < max) {
		ssize_t got = read(stream->read_fd, chunk, sizeof chunk);
		if (got > 0) {
			take(stream, chunk, (size_t)got);
			taken += (size_t)got;
			/* A short read emptied the pipe: no need to hear so. */
			if ((size_t)got < sizeof chunk)
				return;
		} else if (got < 0 && errno == EINTR) {
			continue;
		} else if (got < 0 && errno == EAGAIN) {
			return;
		} else {
			close_pipe(stream);
		}
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	drain(context, TURN_MAX);
}

static int
open_pipe(struct event_base *base, struct stream *stream)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	stream->read_fd = ends[0];
	stream->write_fd = ends[1];
	/* Only our end: the other one's flag would be the task's, too. */
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
		return -1;
	stream->event = event_new(base, ends[0], EV_READ | EV_PERSIST, on_readable, stream);
	return stream->event && event_add(stream->event, NULL) == 0 ? 0 : -1;
}

struct capture *
capture_new(struct event_base *base, const struct capture_conf *conf)
{
	struct capture *capture = calloc(1, sizeof *capture);

	if (!capture)
		return NULL;
	for (int i = 0; i < CAPTURE_STREAMS; i++) {
		struct stream *stream = &capture->streams[i];
		stream->capture = capture;
		stream->kind = (enum capture_stream)i;
		stream->read_fd = stream->write_fd = stream->file = stream->times.file = -1;
		stream->end.size = conf->end_bytes;
		stream->times.max = conf->head_bytes / MARK_PER_BYTES;
		stream->times.end_size = conf->end_bytes / MARK_PER_BYTES + 1;
	}
	capture->conf = *conf;
	capture->tail.size = conf->tail_bytes;
	capture->conf.folder = strdup(conf->folder);
	capture->conf.prefix = strdup(conf->prefix);
	if (!capture->conf.folder || !capture->conf.prefix)
		goto failed;
	for (int i = 0; i < CAPTURE_STREAMS; i++) {
		if (open_pipe(base, &capture->streams[i]) != 0)
			goto failed;
	}
	return capture;
failed:;
	int error = errno;
	capture_free(capture);
	errno = error;
	return NULL;
}

static void
close_times(struct times *times)
{
	if (times->file >= 0)
		close(times->file);
	times->file = -1;
	free(times->end);
	times->end = NULL;
}

void
capture_free(struct capture *capture)
{
	if (!capture)
		return;
	capture_forked(capture);
	for (int i = 0; i < CAPTURE_STREAMS; i++) {
		close_pipe(&capture->streams[i]);
		if (capture->streams[i].file >= 0)
			close(capture->streams[i].file);
		close_times(&capture->streams[i].times);
		free(capture->streams[i].end.data);
	}
	free(capture->tail.data);
	free(capture->last);
	free((char *)capture->conf.folder);
	free((char *)capture->conf.prefix);
	free(capture);
}

int
capture_fd(const struct capture *capture, enum capture_stream stream)
{
	return capture->streams[stream].write_fd;
}

void
capture_forked(struct capture *capture)
{
	for (int i = 0; i < CAPTURE_STREAMS; i++) {
		if (capture->streams[i].write_fd >= 0)
			close(capture->streams[i].write_fd);
		capture->streams[i].write_fd = -1;
	}
}

static void
put_file(void *context, const char *data, size_t len)
{
	struct stream *stream = context;

	stream->dropped += len - to_file(stream, data, len);
}

/* Puts the kept end behind the head, with a mark where something is missing. */
static void
finish_stream(struct stream *stream)
{
	drain(stream, REST_MAX);
	close_pipe(stream);
	if (stream->end.total > 0) {
		uint64_t lost = stream->end.total - ring_len(&stream->end);
		char line[64];
		int len = lost == 0 ? 0 :
		    snprintf(line, sizeof line, "\n[zkq: %llu bytes dropped]\n", (unsigned long long)lost);

		put_end_marks(stream, stream->in_file + (uint64_t)len, lost);
		to_file(stream, line, (size_t)len);
		stream->dropped += lost;
		ring_each(&stream->end, put_file, stream);
	}
	/* Some file systems say only here that the disk is full. */
	if (stream->file >= 0 && close(stream->file) != 0 && errno != EINTR)
		give_up(stream, errno);
	stream->file = -1;
	close_times(&stream->times);
	free(stream->end.data);
	stream->end.data = NULL;
	stream->end.size = 0;
}

static void
put_memory(void *context, const char *data, size_t len)
{
	char **at = context;

	memcpy(*at, data, len);
	*at += len;
}

void
capture_finish(struct capture *capture, struct capture_result *result)
{
	memset(result, 0, sizeof *result);
	capture_forked(capture);
	result->complete = true;
	for (int i = 0; i < CAPTURE_STREAMS; i++) {
		struct stream *stream = &capture->streams[i];
		finish_stream(stream);
		result->bytes[i] = stream->bytes;
		result->dropped += stream->dropped;
		if (stream->failed || stream->dropped > 0)
			result->complete = false;
	}
	result->error = capture->error;
	size_t len = ring_len(&capture->tail);
	capture->last = len ? malloc(len) : NULL;
	if (capture->last) {
		char *at = capture->last;
		ring_each(&capture->tail, put_memory, &at);
		result->tail = capture->last;
		result->tail_len = len;
	}
}
