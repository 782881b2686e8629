/*
 * agenda.h: what will happen when, in virtual time. Everything in a simulation goes through one
 * agenda, so one seed gives one history.
 */
#ifndef ZKQ_SIM_AGENDA_H
#define ZKQ_SIM_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rng.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)

typedef void agenda_fn(void *context, void *object, uint64_t arg);

struct entry;

struct agenda {
	int64_t now_us;		/* moved on by agenda_step() only */
	struct rng rng;		/* the only source of chance */
	uint64_t steps;
	/* private */
	struct entry *entries;
	int count, room;
	uint64_t sequence;
};

void agenda_init(struct agenda *agenda, uint64_t seed);
void agenda_free(struct agenda *agenda);
/* Calls function(context, object, arg) at at_us, at the earliest now; entries of one time in the order in which they were
 * made. There is no way to take an entry back: the function looks whether it still applies. */
void agenda_at(struct agenda *agenda, int64_t at_us, agenda_fn *function, void *context, void *object, uint64_t arg);
/* Does the next entry. False when there is none. */
bool agenda_step(struct agenda *agenda);
/* Time of the next entry, or INT64_MAX. */
int64_t agenda_next(const struct agenda *agenda);
/* Does everything up to until_us; now_us is until_us afterwards. */
void agenda_run(struct agenda *agenda, int64_t until_us);
/* Uniform in [from, to]; true in ppm of a million cases. */
int64_t agenda_between(struct agenda *agenda, int64_t from, int64_t to);
bool agenda_chance(struct agenda *agenda, uint32_t ppm);

#endif
