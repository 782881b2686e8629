/*
 * snapshot.h: what a daemon tells its HTTP process each second: its metrics and how it is. Both ends are of one build, so the
 * form on the wire is snapshot.c's own.
 */
#ifndef ZKQ_DAEMON_SNAPSHOT_H
#define ZKQ_DAEMON_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/metrics.h"

#define CHECKS_SIZE 1024

/* Zero-initialised is empty. */
struct snapshot {
	char checks[CHECKS_SIZE];	/* lines "[+]zookeeper ok" */
	bool unready;			/* one of them is "[-]zookeeper not connected" */
	struct metrics metrics;
};

/* Adds a line: ok, or wrong with the reason. */
void snapshot_check(struct snapshot *snapshot, const char *name, bool ok, const char *reason);
/* As bytes for a channel: *len of them, to be freed with free(). NULL when memory runs out. */
char *snapshot_encode(const struct snapshot *snapshot, size_t *len);
/* False, and snapshot is empty, when data is no snapshot or memory runs out. */
bool snapshot_decode(struct snapshot *snapshot, const char *data, size_t len);
void snapshot_free(struct snapshot *snapshot);

#endif
