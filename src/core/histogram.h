/*
 * histogram.h: counts of times, by size. One set of limits serves requests of milliseconds and tasks of days.
 */
#ifndef ZKQ_CORE_HISTOGRAM_H
#define ZKQ_CORE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_LIMITS 14

struct histogram {
	uint64_t counts[HISTOGRAM_LIMITS + 1];	/* not above that limit, but above the one before; the last: above all */
	int64_t sum_ms;
};

extern const int64_t histogram_limits_ms[HISTOGRAM_LIMITS];

void histogram_add(struct histogram *histogram, int64_t ms);

#endif
