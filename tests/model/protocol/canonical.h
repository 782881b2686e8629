/*
 * canonical.h: which states are the same.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_CANONICAL_H
#define ZKQ_TESTS_MODEL_PROTOCOL_CANONICAL_H

#include "state.h"

/* Forgets what can have no effect any more; with setup.symmetry also which worker and which dispatcher is which. */
void canonical(struct state *state);

#endif
