/*
 * search.h: every state that can be reached is visited, breadth first, so the first violation found is a shortest one; then
 * it is asked from which states all can still drain.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_SEARCH_H
#define ZKQ_TESTS_MODEL_PROTOCOL_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

enum verdict { VERDICT_OK, VERDICT_VIOLATION, VERDICT_CUT, VERDICT_STUCK };	/* CUT: not all was visited */

struct finding {
	enum verdict verdict;
	const char *broken;		/* the promise, with VERDICT_VIOLATION */
	uint32_t states;
	uint64_t transitions;
	int depth;
	uint32_t drained;		/* states in which all has drained */
	bool bounds;			/* somewhere the model's world was too small */
	double seconds;
};

/* Runs the setup on a store that is open and empty, for about so many seconds at most. With trace the way to what was
 * found is printed. */
struct finding search_run(double seconds_max, bool trace);

#endif
