/*
 * release.c: orders unstarted claims back from a worker that was given more urgent ones.
 *
 * The order asks; only the worker knows what it has started, and only it returns a claim.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>

#define RELEASES_MAX 100	/* orders in one multi */

/* ops: check mine, (check claim, create order) ... */
static void
ordered(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct folder *folder = act->owner;
	struct claim *claim;

	folder->ordering = false;
	for (int i = 0; reply->rc != RC_OK && i < act->item_count; i++) {
		uint64_t n = (uint64_t)(uintptr_t)act->items[i];
		bool there = reply->rc == RC_NODEEXISTS && reply->failed_op == 2 + 2 * i;

		HASH_FIND(hh, folder->claims, &n, sizeof n, claim);
		if (claim && !there && claim->orders & 1 << VERB_RELEASE) {
			claim->orders &= (uint8_t)~(1 << VERB_RELEASE);
			folder->release_ordered--;
		}
	}
	if (outcome_unknown(reply->rc))
		folder_settle(d, folder);
	folder_act_done(d, folder);
}

/* The lowest priority first, of these the latest. */
static int
by_urgency(const void *a, const void *b)
{
	const struct claim *x = *(struct claim *const *)a, *y = *(struct claim *const *)b;

	if (x->task->priority != y->task->priority)
		return x->task->priority < y->task->priority ? -1 : 1;
	return x->n > y->n ? -1 : x->n < y->n;
}

static int
candidates(struct dispatcher *d, struct folder *folder, struct claim ***claims)
{
	int count = 0, highest = 0;

	*claims = arena_alloc(&d->plan->arena, (folder->unresolved + 1) * sizeof **claims);
	for (int p = 0; p <= PRIORITY_MAX; p++)
		if (folder->unresolved_at[p])
			highest = p;
	for (struct claim *claim = folder->claims; *claims && claim; claim = claim->hh.next)
		if (claim->phase == CLAIM_HELD && claim->task->priority < highest &&
		    !(claim->orders & (1 << VERB_RELEASE | 1 << VERB_KILL)))
			(*claims)[count++] = claim;
	if (count)
		qsort(*claims, (size_t)count, sizeof **claims, by_urgency);
	return count;
}

void
release_run(struct dispatcher *d, struct folder *folder)
{
	int64_t over = (int64_t)folder->unresolved - folder->slots - folder->ahead - folder->release_ordered;
	struct record record = { .kind = REC_WISH, .wish = { d->by, "a higher priority waits", d->wall_ms } };
	struct claim **claims;

	if (over <= 0 || folder->ordering || folder->live != LIVE_THERE || folder->settle)
		return;
	int count = candidates(d, folder, &claims);
	if (over > RELEASES_MAX)
		over = RELEASES_MAX;
	if (!count)
		return;
	struct act *act = leader_act(d, ordered, folder);
	if (!act)
		return;
	for (int i = 0; i < count && i < over; i++) {
		uint64_t n = claims[i]->n;

		/* Its number, not itself: the claim may be resolved before the answer is here. */
		if (!act_item(d, act, (void *)(uintptr_t)n))
			break;
		claims[i]->orders |= 1 << VERB_RELEASE;
		folder->release_ordered++;
		add_check(d->plan, act->multi, claim_node(claims[i]), ANY_VERSION);
		add_create(d->plan, act->multi, node_order(folder->worker, folder->inc, n, VERB_RELEASE), 0, &record);
	}
	folder->ordering = true;
	folder->acts++;
}
