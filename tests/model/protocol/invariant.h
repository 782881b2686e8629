/*
 * invariant.h: what must hold in every state, and where everything must be able to go.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_INVARIANT_H
#define ZKQ_TESTS_MODEL_PROTOCOL_INVARIANT_H

#include "state.h"

/* The promise that is broken in this state, or NULL. */
const char *invariant_broken(const struct state *state);
/* Whether all is done: nothing waits, nothing is claimed, nothing is left over. From every state this must be
 * reachable without any further fault. */
bool invariant_drained(const struct state *state);

#endif
