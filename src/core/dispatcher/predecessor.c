/*
 * predecessor.c: candidates of this host whose processes are provably dead. Their sessions live on until they time
 * out; a dispatcher that is started again takes their znodes away instead of waiting behind them. What such a process
 * still had under way is refused from then on, like the writes of any deposed leader.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_BITS 4
_Static_assert(SUSPECTS_MAX <= 1 << INDEX_BITS, "the index of a suspect must fit into the argument of its probe");

void
predecessor_forget(struct dispatcher *d)
{
	for (int i = 0; i < d->suspect_count; i++)
		free(d->suspects[i]);
	d->suspect_count = 0;
}

void
predecessor_seen(struct dispatcher *d, const struct reply *reply)
{
	const struct rec_candidate *other = &reply->record.candidate;

	/* No session's end would ever remove it (INT64_MIN: a container), so nobody behind it could lead. */
	if (reply->rc == RC_OK && (reply->stat.owner == 0 || reply->stat.owner == INT64_MIN) && d->standing == STAND_BEHIND && reply->node.text) {
		plan_note(d->plan, NOTE_WARNING, "dispatcher %s: candidate %s is no session's; it is a stranger's and is removed", d->name,
		    reply->node.text);
		election_remove(d, reply->node.text);
		return;
	}
	if (reply->rc != RC_OK || reply->bad || reply->record.kind != REC_CANDIDATE || d->standing != STAND_BEHIND ||
	    !d->boot || !other->host || !other->boot || strcmp(other->host, d->host) || strcmp(other->boot, d->boot) ||
	    other->pid <= 0 || d->suspect_count == SUSPECTS_MAX)
		return;
	struct effect *effect = plan_effect(d->plan, FX_PROBE);
	char *name = take_string(d, reply->node.text);
	if (!effect || !name) {
		free(name);
		return;
	}
	effect->probe.arg = (uint64_t)d->election_turn << INDEX_BITS | (uint64_t)d->suspect_count;
	effect->probe.process = (struct process_id){ arena_string(&d->plan->arena, other->host),
		arena_string(&d->plan->arena, other->boot), other->pid, other->start };
	d->suspects[d->suspect_count++] = name;
}

void
predecessor_probed(struct dispatcher *d, uint64_t arg, bool dead)
{
	uint64_t index = arg & ((1 << INDEX_BITS) - 1);

	if (!dead || d->standing != STAND_BEHIND || arg >> INDEX_BITS != d->election_turn ||
	    index >= (uint64_t)d->suspect_count)
		return;
	plan_note(d->plan, NOTE_INFO, "dispatcher %s: removes %s, whose process is gone", d->name, d->suspects[index]);
	election_remove(d, d->suspects[index]);
}
