/*
 * spawn.h: starting a child with nothing of ours in it: no descriptors, signals or environment but what is named.
 * Tasks are for single-threaded processes only: their path is searched between fork and exec. Where program is given, the child
 * makes system calls only, which a process with threads may.
 */
#ifndef ZKQ_IO_SPAWN_H
#define ZKQ_IO_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the child was doing when it failed. */
enum spawn_stage { SPAWN_FORK, SPAWN_SETUP, SPAWN_CHDIR, SPAWN_EXEC };
#define SPAWN_STAGES (SPAWN_EXEC + 1)

const char *spawn_stage_word(enum spawn_stage stage);

/* Written by the child, in memory shared with it; valid once the child has ended. error 0 = the program was started. */
struct spawn_error {
	enum spawn_stage stage;
	int error;
};

#define SPAWN_PASS_MAX 2

struct spawn {
	const char *const *argv;	/* ends with NULL; argv[0] without a slash is looked up in path */
	const char *const *environ;	/* ends with NULL */
	const char *program;		/* exec this file instead of argv[0]; may be NULL */
	const char *path;		/* "/usr/bin:/bin"; may be NULL when it is not needed */
	const char *cwd;		/* NULL = ours */
	int in, out, err;		/* become 0, 1, 2; in: -1 = /dev/null; out, err: -1 = ours */
	int pass[SPAWN_PASS_MAX];	/* become 3, 4 ... up to the first 0 */
	int cgroup_fd;			/* group to be born in, or -1 */
	bool task;			/* a foreign program: own session, no core files, umask 077 */
	bool dies_with_us;		/* SIGKILL when this process ends */
};

/* Called once, early: notes the limits that children shall get back; 0 or -1. */
int spawn_init(void);
/* Returns the pid, or -1 with errno. On success *error is a new place for the child's message, given back with
 * spawn_forget() when the child has been waited for. */
pid_t spawn(const struct spawn *spawn, struct spawn_error **error);
void spawn_forget(struct spawn_error *error);
/* A descriptor to read data from, as the child's stdin: a file in memory, so nobody has to look after a writer and the
 * child may seek in it; /dev/null for no data. -1 with errno. */
int spawn_input(const char *data, size_t len);

#endif
