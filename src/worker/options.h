/*
 * options.h: what the command line of zkq-worker says beside daemon/options.h; the same for its three processes.
 */
#ifndef ZKQ_WORKER_OPTIONS_H
#define ZKQ_WORKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/path.h"

#define QUEUES_MAX 64

#define HELPER_COORDINATOR "--coordinator"

struct worker_options {
	char name[WORKER_NAME_MAX + 1];
	int slots;
	const char *queues[QUEUES_MAX];
	int queue_count;
	int64_t lost_after_ms, session_timeout_ms;
	int64_t drain_deadline_ms;	/* < 0 = none */
	char state_dir[1024], work_dir[1024];
	const char *http_address;	/* NULL = the address used towards ZooKeeper */
	char host[256];			/* of this machine, see identity in main.c */
	int argc;			/* the command line, for the other processes */
	char **argv;
};

/* The processes; each returns its exit code. fd: a socket to the runner; listener: to accept on. */
int coordinator_run(const struct worker_options *options, int fd);
int log_server_run(const struct worker_options *options, int fd, int listener);
int service_run(struct worker_options *options);

/* Reads the configuration files again: log and drain deadline may change. False when they are wrong. */
bool worker_options_reload(struct worker_options *options);
/* The command line for the other processes, which read no files; see options_arguments(). */
char **worker_options_arguments(const struct worker_options *options, int *count);

#endif
