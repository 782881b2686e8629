/*
 * small.h: included before every file of the simulator's own copy of the core, so that segments can be short
 * enough to roll in a short run, and dead letters so many that some must go.
 */
#ifndef ZKQ_SIM_SMALL_H
#define ZKQ_SIM_SMALL_H

#include <stdint.h>

extern uint32_t sim_segment_size;
#define SEGMENT_SIZE sim_segment_size
extern int64_t sim_dead_count;
#define RETAIN_DEAD_COUNT sim_dead_count

#endif
