/*
 * resolved.h: which claim numbers of an incarnation are resolved, which of them were returned, and how
 * many tasks of each queue ended there: the part of a report that must never forget.
 */
#ifndef ZKQ_CORE_WORKER_RESOLVED_H
#define ZKQ_CORE_WORKER_RESOLVED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/record.h"

struct tally {
	char queue[QUEUE_NAME_MAX + 1];
	uint64_t done, failed;
};

/* Zero-initialised: nothing is resolved. */
struct resolved {
	uint64_t low;		/* all numbers up to this one */
	struct range *ranges;	/* and these: ascending, never touching each other or low */
	int count, room;
	uint64_t returned_total;
	uint64_t returned_last[RETURNED_LAST_MAX];	/* oldest first */
	int returned_count;
	struct tally *tallies;
	int tally_count, tally_room;
};

void resolved_free(struct resolved *resolved);
bool resolved_has(const struct resolved *resolved, uint64_t n);
/* Adds from..to, both included; nothing when from > to. These return false when memory runs out; then some of
 * what was to be added is missing, and the caller must give up. */
bool resolved_add(struct resolved *resolved, uint64_t from, uint64_t to);
/* The same, and remembers that they were returned. */
bool resolved_return(struct resolved *resolved, uint64_t from, uint64_t to);
/* The first run of numbers from..to that are not resolved; false when all are. */
bool resolved_gap(const struct resolved *resolved, uint64_t from, uint64_t to, uint64_t *gap_from, uint64_t *gap_to);
bool resolved_count(struct resolved *resolved, const char *queue, bool done);
/* Makes *copy, which must be empty, the same. */
bool resolved_copy(struct resolved *copy, const struct resolved *resolved);
/* Forgets all, then takes what a report says. */
bool resolved_load(struct resolved *resolved, const struct rec_report *report);
/* Writes it into the report's fields; arrays go to arena. */
bool resolved_save(const struct resolved *resolved, struct arena *arena, struct rec_report *report);

#endif
