/*
 * capture.h: what a task writes to stdout and stderr. The pipes are always drained; what comes out of them goes to a
 * file per stream while there is quota and disk, and its end is kept in memory. Nothing that happens to the files has
 * any effect on the task.
 *
 * Per stream: the first head_bytes go to the file as they come; of the rest the last end_bytes are kept, and put behind
 * a line "[zkq: N bytes dropped]" when the task has ended. A file is made with its first byte; one of that name
 * that is there already is replaced. When its bytes came lies in a file of its own (marks.h), which is lost first when the
 * disk is full.
 */
#ifndef ZKQ_IO_CAPTURE_H
#define ZKQ_IO_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;
struct event_base;

enum capture_stream { CAPTURE_STDOUT, CAPTURE_STDERR, CAPTURE_STREAMS };

extern const char *const capture_words[CAPTURE_STREAMS];	/* "stdout", "stderr" */

struct capture_conf {
	int logs_fd;		/* directory that the files' folder is made in; -1 = keep no files */
	const char *folder;	/* name of the folder: the task's id */
	const char *prefix;	/* of the files: "1" gives "1.stdout", "1.stderr" */
	uint64_t head_bytes;
	size_t end_bytes;
	size_t tail_bytes;	/* of both streams together, in order of arrival, for capture_result.tail */
	/* A file was made; may be NULL. */
	void (*opened)(void *context, enum capture_stream stream);
	void *context;
};

struct capture_result {
	uint64_t bytes[CAPTURE_STREAMS];	/* that the task wrote */
	uint64_t dropped;			/* of these: not in the files */
	bool complete;				/* nothing was dropped, no file failed */
	int error;				/* errno of the first failure of a file; 0 = none */
	const char *tail;			/* lives as long as the capture */
	size_t tail_len;
};

/* Makes the pipes and starts to read. Copies the strings of conf. NULL with errno when the system refuses. */
struct capture *capture_new(struct event_base *base, const struct capture_conf *conf);
void capture_free(struct capture *capture);
/* The end of the pipe that the child gets. */
int capture_fd(const struct capture *capture, enum capture_stream stream);
/* Closes the child's ends here: to be called when it has been forked. */
void capture_forked(struct capture *capture);
/* The task has ended: takes what is still in the pipes, waits for nobody, closes everything. */
void capture_finish(struct capture *capture, struct capture_result *result);

#endif
