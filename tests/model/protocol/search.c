#include "search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "invariant.h"
#include "steps.h"
#include "store.h"
#include "tree.h"

#define CLOCK_EVERY 0x4000	/* states between two looks at the clock */

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- forward ---- */

/* steps first in each: the callback gets it back. */
struct forward {
	struct steps steps;
	struct finding *finding;
	uint32_t from;
	uint32_t at;			/* the state where it was found; with by_step the one before */
	bool by_step;			/* the step breaks the promise, not the state that it leads to */
	uint8_t broken[PACKED_MAX];	/* then: the state that it leads to */
};

static void
found(struct forward *forward, const char *broken, uint32_t at)
{
	forward->finding->verdict = VERDICT_VIOLATION;
	forward->finding->broken = broken;
	forward->at = at;
}

static void
visit(struct steps *steps, const struct state *next)
{
	struct forward *forward = (struct forward *)steps;
	uint8_t packed[PACKED_MAX];
	bool is_new;

	forward->finding->transitions++;
	if (forward->finding->verdict == VERDICT_VIOLATION)
		return;
	store_pack(next, packed);
	if (steps->broken) {
		found(forward, steps->broken, forward->from);
		forward->by_step = true;
		memcpy(forward->broken, packed, sizeof packed);
		return;
	}
	uint32_t index = store_add(packed, forward->from, &is_new);
	const char *broken = is_new && index != STORE_NONE ? invariant_broken(next) : NULL;
	if (broken)
		found(forward, broken, index);
}

static void
go_forward(struct forward *forward, double until)
{
	struct finding *finding = forward->finding;
	uint32_t end_of_depth = 1;
	struct state state;

	for (uint32_t i = 0; i < store_count() && finding->verdict == VERDICT_OK; i++) {
		if (i == end_of_depth) {
			finding->depth++;
			end_of_depth = store_count();
		}
		store_unpack(i, &state);
		forward->from = i;
		steps_all(&state, &forward->steps);
		if (finding->verdict == VERDICT_OK && (store_full() || (i % CLOCK_EVERY == 0 && now() > until)))
			finding->verdict = VERDICT_CUT;
	}
	finding->states = store_count();
	finding->bounds = forward->steps.bounds;
}

/* ---- the way to a state ---- */

struct retrace {
	struct steps steps;
	const uint8_t *wanted;
	bool breaks;		/* the step wanted is one that breaks a promise */
	bool done;
};

static void
compare(struct steps *steps, const struct state *next)
{
	struct retrace *retrace = (struct retrace *)steps;
	uint8_t packed[PACKED_MAX];

	if (retrace->done || (retrace->breaks && !steps->broken))
		return;
	store_pack(next, packed);
	if (memcmp(packed, retrace->wanted, store_state_size()) != 0)
		return;
	printf("   %s%s\n", steps->words, steps->fault ? "   [fault]" : "");
	retrace->done = true;
}

static void
print_step(uint32_t from, const uint8_t *to, bool breaks)
{
	struct retrace retrace = { .steps = { .take = compare, .wants_words = true }, .wanted = to, .breaks = breaks };
	struct state state;

	store_unpack(from, &state);
	steps_all(&state, &retrace.steps);
}

static void
print_way(uint32_t to)
{
	uint8_t packed[PACKED_MAX];
	struct state state;

	if (store_parent(to) == STORE_NONE)
		return;
	print_way(store_parent(to));
	store_unpack(to, &state);
	store_pack(&state, packed);
	print_step(store_parent(to), packed, false);
}

/* ---- back: from where all can drain ---- */

struct back {
	struct steps steps;
	const uint8_t *drains;	/* a bit for each state */
	bool reaches;
};

static bool
bit(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> i % 8 & 1;
}

static void
ask(struct steps *steps, const struct state *next)
{
	struct back *back = (struct back *)steps;
	uint8_t packed[PACKED_MAX];

	if (steps->fault || back->reaches)
		return;
	store_pack(next, packed);
	uint32_t index = store_find(packed);
	back->reaches = index != STORE_NONE && bit(back->drains, index);
}

static bool
pass(uint8_t *drains)
{
	bool changed = false;
	struct state state;

	for (uint32_t i = store_count(); i-- > 0;) {
		struct back back = { .steps = { .take = ask }, .drains = drains };

		if (bit(drains, i))
			continue;
		store_unpack(i, &state);
		steps_all(&state, &back.steps);
		if (back.reaches) {
			drains[i / 8] |= (uint8_t)(1 << i % 8);
			changed = true;
		}
	}
	return changed;
}

static void
go_back(struct finding *finding, bool trace)
{
	uint8_t *drains = calloc(store_count() / 8 + 1, 1);
	struct state state;

	if (!drains) {
		perror("protocol");
		exit(1);
	}
	for (uint32_t i = 0; i < store_count(); i++) {
		store_unpack(i, &state);
		if (invariant_drained(&state)) {
			drains[i / 8] |= (uint8_t)(1 << i % 8);
			finding->drained++;
		}
	}
	while (pass(drains))
		;
	for (uint32_t i = 0; i < store_count() && finding->verdict == VERDICT_OK; i++) {
		if (bit(drains, i))
			continue;
		finding->verdict = VERDICT_STUCK;
		if (trace)
			print_way(i);
	}
	free(drains);
}

struct finding
search_run(double seconds_max, bool trace)
{
	struct finding finding = { .verdict = VERDICT_OK };
	struct forward forward = { .steps = { .take = visit }, .finding = &finding };
	double begin = now();
	uint8_t packed[PACKED_MAX];
	struct state state;
	bool is_new;

	tree_init(&state);
	store_pack(&state, packed);
	store_add(packed, STORE_NONE, &is_new);
	go_forward(&forward, begin + seconds_max);
	if (finding.verdict == VERDICT_OK)
		go_back(&finding, trace);
	if (finding.verdict == VERDICT_VIOLATION && trace) {
		print_way(forward.at);
		if (forward.by_step)
			print_step(forward.at, forward.broken, true);
	}
	finding.seconds = now() - begin;
	return finding;
}
