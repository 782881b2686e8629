/*
 * oldlogs.h: removes old output from a directory with a folder per task: what has not been written to for a time, and above
 * a size in all the oldest. It works in small steps between which others run, over any number of folders.
 */
#ifndef ZKQ_IO_OLDLOGS_H
#define ZKQ_IO_OLDLOGS_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct old_logs;

struct old_logs_conf {
	int fd;				/* the directory; kept by the caller */
	int64_t age_max_s;
	uint64_t bytes_max;
	int64_t every_ms;		/* pause between two passes; the first comes at once */
	void *context;
	bool (*in_use)(void *context, const char *folder);	/* never removed; may be NULL */
	void (*passed)(void *context, uint64_t folders, uint64_t bytes);	/* removed by a pass that removed any; may be NULL */
};

struct old_logs *old_logs_new(struct event_base *base, const struct old_logs_conf *conf);
void old_logs_free(struct old_logs *logs);

#endif
