#include "config.h"

#include "io/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/folder.h"

#define BUFFER 256
/* A file without marks and written to for longer than that has lost them: the disk was full. More than MARK_MS, since a busy
 * machine may pass between the making of a file and what is written to it. */
#define AT_ONCE_MS 200

struct marks {
	int folder_fd, file_fd;
	int fd;			/* -1 = there is no file of marks (yet) */
	char *folder, *name;
	struct mark now;	/* that holds for what is asked for */
	struct mark buffer[BUFFER];
	size_t used, filled;
	uint64_t read;		/* marks that were read from the file */
	bool all;		/* no more of them since the last refresh */
};

struct marks *
marks_open(int folder_fd, const char *folder, const char *name, int fd)
{
	struct marks *marks = calloc(1, sizeof *marks);

	if (!marks)
		return NULL;
	marks->folder_fd = folder_fd;
	marks->file_fd = fd;
	marks->fd = -1;
	marks->folder = strdup(folder);
	if (!marks->folder || asprintf(&marks->name, "%s" MARKS_SUFFIX, name) < 0) {
		free(marks->folder);
		free(marks);
		return NULL;
	}
	return marks;
}

void
marks_close(struct marks *marks)
{
	if (!marks)
		return;
	if (marks->fd >= 0)
		close(marks->fd);
	free(marks->folder);
	free(marks->name);
	free(marks);
}

static int64_t
ms_of(const struct statx_timestamp *time)
{
	return time->tv_sec * 1000 + time->tv_nsec / 1000000;
}

/* When a file without marks was made, if all of it came then. */
static int64_t
time_of_file(int fd)
{
	struct statx stat;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME, &stat) != 0 || !(stat.stx_mask & STATX_BTIME))
		return 0;
	int64_t made = ms_of(&stat.stx_btime);
	return ms_of(&stat.stx_mtime) - made <= AT_ONCE_MS ? made : 0;
}

void
marks_refresh(struct marks *marks)
{
	marks->all = false;
	if (marks->fd < 0)
		marks->fd = folder_open_file(marks->folder_fd, marks->folder, marks->name);
	marks->now.wall_ms = marks->fd < 0 ? time_of_file(marks->file_fd) : marks->read ? marks->now.wall_ms : 0;
}

static const struct mark *
next_mark(struct marks *marks)
{
	if (marks->used == marks->filled && !marks->all && marks->fd >= 0) {
		ssize_t got = pread(marks->fd, marks->buffer, sizeof marks->buffer, (off_t)(marks->read * sizeof(struct mark)));

		marks->used = 0;
		marks->filled = got > 0 ? (size_t)got / sizeof(struct mark) : 0;
		marks->read += marks->filled;
		marks->all = marks->filled == 0;
	}
	return marks->used < marks->filled ? &marks->buffer[marks->used] : NULL;
}

int64_t
marks_time(struct marks *marks, uint64_t at)
{
	for (const struct mark *next; (next = next_mark(marks)) && next->at <= at; marks->used++)
		marks->now = *next;
	return marks->now.wall_ms;
}
