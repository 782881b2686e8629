/*
 * dispatchers.h: what the parts of a leader know of each other.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_DISPATCHERS_H
#define ZKQ_TESTS_MODEL_PROTOCOL_DISPATCHERS_H

#include "steps.h"
#include "tree.h"

static inline void
learn(struct state *next, int task, enum knowledge knows)
{
	next->memory[task].knows = (uint8_t)knows;
	next->memory[task].claim = (struct claim){ 0, 0 };
}

static inline void
learn_claim(struct state *next, int task, struct claim claim)
{
	next->memory[task].knows = KNOWS_CLAIMED;
	next->memory[task].claim = claim;
}

/* Whether the leader takes the task as claimed in that folder. */
static inline bool
knows_claim_in(const struct state *state, int task, int folder)
{
	return state->memory[task].knows == KNOWS_CLAIMED && claim_in(state->memory[task].claim, folder);
}

/* Whether nothing may be decided about that folder's claims until listing and report of it have been read. */
static inline bool
is_unsettled(const struct state *state, int folder)
{
	return state->unsettled == folder + 1;
}

/* ---- segments.c ---- */
/* True: it found a task that the leader thought to be over. That heals what was forgotten, but must not be needed. */
bool list_segment(struct state *next, int segment);
/* The first segment that is there and has not been listed; setup.segments: none. */
int segment_unread(const struct state *state);
void segments_step(const struct state *state, struct steps *steps);
/* ---- wishes.c ---- */
void read_wishes(struct state *next);
void wishes_step(const struct state *state, struct steps *steps);

/* ---- folders.c ---- */
void list_folder(struct state *next, int folder);
void read_report(struct state *next, int folder);
void folders_step(const struct state *state, struct steps *steps);

/* ---- assign.c ---- */
enum assign_outcome { ASSIGN_APPLIED, ASSIGN_NO_WORKER, ASSIGN_NO_TASK };
enum assign_outcome assign_outcome(const struct state *state, int task, struct claim claim);
void assign_apply(struct state *next, struct steps *steps, int task, struct claim claim);
void assign_over(struct state *next);
void assign_step(const struct state *state, struct steps *steps);

#endif
