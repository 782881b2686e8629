/*
 * counts.h: what a runner has counted since it began, for metrics.
 */
#ifndef ZKQ_WORKER_COUNTS_H
#define ZKQ_WORKER_COUNTS_H

#include <stdint.h>

#include "core/histogram.h"
#include "core/record.h"
#include "io/spawn.h"

struct attempt;
struct metrics;

struct counts {
	uint64_t started;			/* processes */
	uint64_t ended[STATES];
	uint64_t not_started[SPAWN_STAGES];
	uint64_t left_overs, self_fenced;
	uint64_t log_bytes, log_dropped_bytes;	/* of ended attempts; dropped ones are among the bytes */
	struct histogram run;
};

/* An attempt has ENDED. */
void counts_end(struct counts *counts, const struct attempt *attempt);
void counts_collect(const struct counts *counts, struct metrics *metrics);

#endif
