/*
 * marks.h: when the bytes of a captured file came. Beside the file "1.stdout" lies "1.stdout.times", a row of marks: from
 * byte `at` of the file on, what is there came at wall_ms, up to the next mark. capture.c writes them, each before the bytes
 * that it speaks of, so who has read bytes finds their marks.
 *
 * A file whose bytes all came within MARK_MS has none: the time when it was made says it.
 */
#ifndef ZKQ_IO_MARKS_H
#define ZKQ_IO_MARKS_H

#include <stdint.h>

#define MARKS_SUFFIX ".times"
#define MARK_MS 10		/* times are as exact as that; so a flood of output costs 100 marks a second */
#define MARK_PER_BYTES 64	/* no more than one mark per so many bytes that may be kept: a quarter of their space */

/* As it lies in the file, in the machine's own order: nobody else reads it. */
struct mark {
	uint64_t at;
	int64_t wall_ms;	/* 0 = not known */
};

struct marks;

/* Reads the marks of the file, open as fd, that is folder/name below folder_fd, whether they are there yet or not. Keeps
 * folder_fd and fd, copies the strings. NULL when memory runs out. */
struct marks *marks_open(int folder_fd, const char *folder, const char *name, int fd);
void marks_close(struct marks *marks);
/* To be called after bytes have been read and before their times are asked for. */
void marks_refresh(struct marks *marks);
/* When the byte came, 0 = not known. at must not become smaller from call to call. */
int64_t marks_time(struct marks *marks, uint64_t at);

#endif
