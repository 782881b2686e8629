/*
 * steps.h: the transitions of the model: what each kind of process may do in a state.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_STEPS_H
#define ZKQ_TESTS_MODEL_PROTOCOL_STEPS_H

#include "setup.h"
#include "state.h"

#define WORDS_MAX 160

/* How an answer can be lost, for loops over all outcomes of a request. */
enum loss { LOSS_NONE, LOSS_ANSWER, LOSS_REQUEST, LOSSES };

struct steps {
	/* Is given each successor, with what follows here. */
	void (*take)(struct steps *steps, const struct state *next);
	const char *broken;	/* the promise that this very step breaks, or NULL */
	bool fault;		/* it is a fault, or a choice of people: nothing may rely on it */
	bool wants_words;
	char words[WORDS_MAX];	/* what happens, when words are wanted */
	bool bounds;		/* a step was left out because the model's world ends there */
};

/* Each calls steps->take for every step that its processes can do in the state. */
void submitters_step(const struct state *state, struct steps *steps);
void dispatchers_step(const struct state *state, struct steps *steps);
void workers_step(const struct state *state, struct steps *steps);

/* Hands one step over. A promise that it breaks has been put into steps->broken before; it is cleared. */
void steps_take(struct steps *steps, const struct state *next, bool fault, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static inline void
steps_all(const struct state *state, struct steps *steps)
{
	steps->broken = 0;
	submitters_step(state, steps);
	dispatchers_step(state, steps);
	workers_step(state, steps);
}

static inline const char *
loss_words(enum loss loss)
{
	return loss == LOSS_REQUEST ? ", but the request is lost" : loss == LOSS_ANSWER ? ", but the answer is lost" : "";
}

#endif
