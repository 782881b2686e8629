/*
 * process.h: other processes as /proc shows them: who they are, what environment they were started
 * with, and killing those that carry a mark in it.
 */
#ifndef ZKQ_IO_PROCESS_H
#define ZKQ_IO_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BOOT_ID_SIZE 37

struct process {
	pid_t pid, parent, group, session;
	char state;		/* 'R', 'S', 'Z' ... */
	uint64_t start;		/* clock ticks since boot: with boot id and pid it names one process for ever */
};

/* False when there is no such process (any more). */
bool process_read(pid_t pid, struct process *process);
/* False when the kernel does not say. */
bool process_boot_id(char id[BOOT_ID_SIZE]);
/* Whether the process with that pid and start time of the running boot is gone. A zombie is gone. */
bool process_gone(pid_t pid, uint64_t start);

/* Children of this single-threaded process, zombies included, at most max; returns how many there are. */
int process_children(pid_t *pids, int max);

/* Reads the environment that pid was started with into buffer: NUL-terminated strings. Returns the
 * length, 0 when it cannot be read (gone, a zombie, of another user) or has overwritten it. */
size_t process_environ(pid_t pid, char *buffer, size_t size);
/* Value of name in what process_environ() read, or NULL. */
const char *environ_find(const char *environment, size_t len, const char *name);

/* What marks the processes that process_sweep() is after: each string "NAME=value" in their environment,
 * and none of unlike (may be NULL). */
struct process_mark {
	const char *has[4];	/* unused ones are NULL */
	const char *unlike;
};

struct process_sweep {
	int found;		/* alive and carrying the mark when they were looked at */
	int refused;		/* of these: the kernel did not let us kill them */
};

/* One pass over the process table: SIGKILL to all that carry the mark, but not to this process. New ones may
 * appear while it looks: repeat until nothing is found. */
struct process_sweep process_sweep(const struct process_mark *mark);

/* What the machine has to do and to offer; unknown numbers stay 0 (load1: -1). */
struct machine_load {
	double load1;
	uint64_t mem_total_bytes, mem_free_bytes, disk_free_bytes;
};

void machine_load(const char *directory, struct machine_load *load);

/* What a process uses, for its metrics; unknown numbers are 0. */
struct process_use {
	double cpu_seconds;
	uint64_t rss_bytes, max_fds;
	int open_fds;
	double start_time;	/* seconds since 1970 */
};

/* Of a process of this user. False when there is none. */
bool process_use(pid_t pid, struct process_use *use);

#endif
