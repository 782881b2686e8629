/*
 * chaos.h: a random run: first users and faults, drawn from the seed together with which kinds of faults there are
 * at all; then everything heals, and all that was accepted must end within a bounded time.
 */
#ifndef ZKQ_SIM_CHAOS_H
#define ZKQ_SIM_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster.h"

struct chaos_result {
	bool failed;
	char why[4400];
	int64_t virtual_us;
	uint64_t steps, faults;
	struct invariant_counts counts;
};

/* One run. calm: no faults at all, and first starts must be in order. */
void chaos_run(uint64_t seed, enum planted planted, bool calm, bool verbose, struct chaos_result *result);

#endif
