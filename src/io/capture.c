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

struct stream {
	struct capture *capture;
	enum capture_stream kind;
	int read_fd, write_fd, file;	/* -1 = closed, not open */
	struct event *event;
	uint64_t bytes, in_file, dropped;
	bool failed;		/* the file is given up; what it has stays */
	struct ring end;	/* what came behind the head */
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

static bool
open_file(struct stream *stream)
{
	struct capture *capture = stream->capture;
	const struct capture_conf *conf = &capture->conf;
	char name[64];

	if (conf->logs_fd < 0) {
		give_up(stream, ENOENT);
		return false;
	}
	if (mkdirat(conf->logs_fd, conf->folder, 0700) != 0 && errno != EEXIST) {
		give_up(stream, errno);
		return false;
	}
	int folder = openat(conf->logs_fd, conf->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0) {
		give_up(stream, errno);
		return false;
	}
	snprintf(name, sizeof name, "%s.%s", conf->prefix, capture_words[stream->kind]);
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_APPEND;
	stream->file = openat(folder, name, flags, 0600);
	/* A run that was given back without being counted left it. */
	if (stream->file < 0 && errno == EEXIST && unlinkat(folder, name, 0) == 0)
		stream->file = openat(folder, name, flags, 0600);
	int error = errno;
	close(folder);
	if (stream->file < 0) {
		give_up(stream, error);
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

static void
take(struct stream *stream, const char *data, size_t len)
{
	struct capture *capture = stream->capture;
	uint64_t room = capture->conf.head_bytes - stream->in_file;
	size_t head = len < room ? len : (size_t)room;

	stream->bytes += len;
	ring_put(&capture->tail, data, len);
	size_t done = to_file(stream, data, head);
	stream->in_file += done;
	/* After a failure nothing more is kept: a file with a hole that is not marked would lie. */
	if (stream->failed)
		stream->dropped += len - done;
	else if (len > head)
		ring_put(&stream->end, data + head, len - head);
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
		stream->read_fd = stream->write_fd = stream->file = -1;
		stream->end.size = conf->end_bytes;
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
		if (lost > 0) {
			char line[64];
			int len = snprintf(line, sizeof line, "\n[zkq: %llu bytes dropped]\n", (unsigned long long)lost);
			to_file(stream, line, (size_t)len);
			stream->dropped += lost;
		}
		ring_each(&stream->end, put_file, stream);
	}
	/* Some file systems say only here that the disk is full. */
	if (stream->file >= 0 && close(stream->file) != 0 && errno != EINTR)
		give_up(stream, errno);
	stream->file = -1;
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
