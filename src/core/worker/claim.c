/*
 * claim.c: the claims of this incarnation: the own folder is listed, what is new is taken, what is gone is
 * stopped, orders are obeyed, and the next attempt is started when a slot is free.
 */
#include <stdlib.h>
#include <string.h>

#include "core/worker/state.h"

/* ---- the list ---- */

/* Index of the first claim with a number of at least n. */
static int
place_of(const struct worker *worker, uint64_t n)
{
	int low = 0, high = worker->claim_count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (worker->claims[middle]->node.n < n)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct claim *
claim_find(const struct worker *worker, uint64_t n)
{
	int place = place_of(worker, n);

	return place < worker->claim_count && worker->claims[place]->node.n == n ? worker->claims[place] : NULL;
}

struct claim *
claim_add(struct worker *worker, const struct node *node, enum claim_state state)
{
	int place = place_of(worker, node->n);

	if (place < worker->claim_count && worker->claims[place]->node.n == node->n)
		return NULL;
	if (worker->claim_count == worker->claim_room) {
		int room = worker->claim_room ? worker->claim_room * 2 : 64;
		struct claim **claims = realloc(worker->claims, (size_t)room * sizeof(struct claim *));

		if (!claims) {
			worker_failed(worker);
			return NULL;
		}
		worker->claims = claims;
		worker->claim_room = room;
	}
	struct claim *claim = worker_alloc(worker, sizeof *claim);
	if (!claim)
		return NULL;
	claim->node = node_claim(worker->name, worker->inc, node->n, node->queue, node->seg, &node->task, node->run,
	    node->fence);
	claim->seen_ms = worker->now_ms;
	claim->state = state;
	claim->has_retry = node->run > 1;
	claim->retry = node->run > 1 ? READ_NOT : READ_HAVE;
	memmove(worker->claims + place + 1, worker->claims + place,
	    (size_t)(worker->claim_count - place) * sizeof(struct claim *));
	worker->claims[place] = claim;
	worker->claim_count++;
	if (node->n > worker->highest_n)
		worker->highest_n = node->n;
	worker->in_state[state]++;
	worker->unread = true;
	return claim;
}

void
claim_move(struct worker *worker, struct claim *claim, enum claim_state state)
{
	worker->in_state[claim->state]--;
	claim->state = state;
	worker->in_state[state]++;
}

void
claim_remove(struct worker *worker, struct claim *claim)
{
	int place = place_of(worker, claim->node.n);

	if (claim->in_runner) {
		struct effect *effect = plan_effect(worker->plan, FX_FORGET);

		if (effect)
			effect->kill.n = claim->node.n;
	}
	worker->in_state[claim->state]--;
	worker->claim_count--;
	memmove(worker->claims + place, worker->claims + place + 1,
	    (size_t)(worker->claim_count - place) * sizeof(struct claim *));
	payload_drop(worker, claim);
	free(claim->name);
	free(claim->invalid);
	free(claim->reason);
	free(claim->tail);
	free(claim);
}

/* A claim that vanished without our doing is reported as returned. If the leader revoked it, it knows better; if
 * not, its task waits again. Called finished, a task that still waits would be forgotten; called returned, one
 * that is over costs the leader a refused assign. */
void
claim_vanished(struct worker *worker, uint64_t from, uint64_t to)
{
	if (!resolved_return(&worker->resolved, from, to))
		worker_failed(worker);
}

const char *
claim_id(struct worker *worker, const struct claim *claim)
{
	const char *id = arena_printf(&worker->plan->arena, "%s.%u.%s", claim->node.queue, claim->node.seg,
	    claim->node.task.token);

	return id ? id : "?";
}

static bool
unstarted(const struct claim *claim)
{
	return claim->state == CLAIM_SEEN || claim->state == CLAIM_READY || claim->state == CLAIM_MARKING;
}

void
claim_leave(struct worker *worker, struct claim *claim, enum leave leave)
{
	claim->leave = leave;
	claim_move(worker, claim, CLAIM_OVER);
}

/* After a lost session: what was only seen may be somebody else's by now. The next listing tells. */
void
claim_forget_unstarted(struct worker *worker)
{
	for (int i = worker->claim_count - 1; i >= 0; i--)
		if (unstarted(worker->claims[i]))
			claim_remove(worker, worker->claims[i]);
	worker->orphan_count = 0;
}

/* ---- how attempts end ---- */

/* Keeps the outcome with at most tail_max bytes of the end of its output. */
bool
claim_take_outcome(struct worker *worker, struct claim *claim, const struct outcome *outcome)
{
	size_t tail_max = outcome->state == STATE_DONE ? TAIL_DONE_BYTES : TAIL_OTHER_BYTES;
	size_t len = outcome->tail_len > tail_max ? tail_max : outcome->tail_len;

	free(claim->reason);
	free(claim->tail);
	claim->reason = claim->tail = NULL;
	claim->outcome = *outcome;
	claim->outcome.reason = claim->outcome.tail = NULL;
	claim->outcome.tail_len = 0;
	if (outcome->reason) {
		claim->reason = worker_string(worker, outcome->reason);
		if (!claim->reason)
			return false;
		claim->outcome.reason = claim->reason;
	}
	if (outcome->tail && len) {
		claim->tail = worker_alloc(worker, len);
		if (!claim->tail)
			return false;
		memcpy(claim->tail, outcome->tail + (outcome->tail_len - len), len);
		claim->outcome.tail = claim->tail;
		claim->outcome.tail_len = len;
	}
	return true;
}

void
claim_ended(struct worker *worker, uint64_t n, const struct outcome *outcome)
{
	struct claim *claim = claim_find(worker, n);

	if (!claim || (claim->state != CLAIM_RUNNING && claim->state != CLAIM_DOOMED)) {
		struct effect *effect = claim ? NULL : plan_effect(worker->plan, FX_FORGET);

		if (effect)
			effect->kill.n = n;
		return;
	}
	if (claim->state == CLAIM_DOOMED) {
		claim_vanished(worker, n, n);
		claim_remove(worker, claim);
		worker->list_wanted = true;
		return;
	}
	if (!claim_take_outcome(worker, claim, outcome))
		return;
	if (outcome->started_wall_ms)
		report_ran(worker, outcome);
	/* Stopped by us or by the lease, or never started for want of processes, not by its own doing: it runs again, and
	 * nothing is counted. */
	const char *reason = outcome->reason ? outcome->reason : "";
	bool again = outcome->state == STATE_LOST && (strcmp(reason, "lease") == 0 || strcmp(reason, "drain") == 0 ||
	    strcmp(reason, "requeued") == 0 || strcmp(reason, "revoked") == 0 || strcmp(reason, "spawn") == 0);
	const char *word = again ? "stopped and given back" : task_state_word(outcome->state);
	bool says_more = reason[0] && strcmp(reason, word) != 0;
	plan_note(worker->plan, NOTE_DEBUG, "task %s: %s%s%s, run %u", claim_id(worker, claim), word, says_more ? ", " : "",
	    says_more ? reason : "", claim->node.run);
	claim_leave(worker, claim, again ? LEAVE_RETURN : LEAVE_DONE);
}

static void
kill_attempt(struct worker *worker, struct claim *claim, const char *reason, enum task_state state, int64_t grace_ms)
{
	struct effect *effect = plan_effect(worker->plan, FX_KILL);

	if (!effect)
		return;
	effect->kill.n = claim->node.n;
	effect->kill.reason = reason;
	effect->kill.state = state;
	effect->kill.grace_ms = grace_ms;
	claim->killed = true;
}

/* Ends as cancelled without having been started. */
static void
cancel_unstarted(struct worker *worker, struct claim *claim)
{
	struct outcome outcome = { .state = STATE_CANCELLED, .reason = "cancelled", .log_complete = true };

	if (claim_take_outcome(worker, claim, &outcome))
		claim_leave(worker, claim, LEAVE_DONE);
}

/* An order that means nothing any more is deleted; one that finds no room here, after the next listing. */
static void
add_orphan(struct worker *worker, uint64_t n, enum verb verb)
{
	if (worker->orphan_count == ORPHANS_MAX)
		return;
	worker->orphan_n[worker->orphan_count] = n;
	worker->orphan_verb[worker->orphan_count++] = verb;
}

/* Does what the orders seen so far want of the claim as it is now. */
static void
obey(struct worker *worker, struct claim *claim)
{
	bool kill = claim->orders & 1u << VERB_KILL;
	bool back = claim->orders & (1u << VERB_RELEASE | 1u << VERB_REQUEUE);

	switch (claim->state) {
	case CLAIM_SEEN:
	case CLAIM_READY:
		if (kill) {
			/* What the task is called is known when it has been read. */
			if (claim->state == CLAIM_READY)
				cancel_unstarted(worker, claim);
		} else if (back) {
			claim_leave(worker, claim, LEAVE_RETURN);
		}
		break;
	case CLAIM_RUNNING:
		/* These come too late; they are only tidied away. */
		for (enum verb verb = 0; verb < VERBS; verb++)
			if ((verb == VERB_RELEASE || verb == VERB_WARN) && claim->orders & 1u << verb)
				add_orphan(worker, claim->node.n, verb);
		claim->orders &= ~(1u << VERB_RELEASE | 1u << VERB_WARN);
		if (claim->killed)
			break;
		if (kill) {
			plan_note(worker->plan, NOTE_INFO, "task %s: cancelled, stopping it", claim_id(worker, claim));
			kill_attempt(worker, claim, "cancelled", STATE_CANCELLED, -1);
		} else if (claim->orders & 1u << VERB_REQUEUE) {
			plan_note(worker->plan, NOTE_INFO, "task %s: to run elsewhere, stopping it", claim_id(worker, claim));
			claim->returning = true;
			kill_attempt(worker, claim, "requeued", STATE_LOST, -1);
		}
		break;
	default:
		break;
	}
}

void
claim_settle(struct worker *worker, struct claim *claim)
{
	if (claim->state != CLAIM_SEEN || claim->payload != READ_HAVE || claim->retry != READ_HAVE || !claim->class ||
	    claim->class->reading != READ_HAVE)
		return;
	if (claim->gone) {
		plan_note(worker->plan, NOTE_WARNING, "task %s: was removed by hand before it could start",
		    claim_id(worker, claim));
		claim_leave(worker, claim, LEAVE_TASKLESS);
		return;
	}
	if (claim->invalid) {
		struct outcome outcome = { .state = STATE_DEAD, .log_complete = true };

		outcome.reason = arena_printf(&worker->plan->arena, "invalid: %s", claim->invalid);
		plan_note(worker->plan, NOTE_WARNING, "task %s: cannot be run, %s; it becomes a dead letter",
		    claim_id(worker, claim), claim->invalid);
		if (claim_take_outcome(worker, claim, &outcome))
			claim_leave(worker, claim, LEAVE_DEAD);
		return;
	}
	claim_move(worker, claim, CLAIM_READY);
	obey(worker, claim);
}

/* ---- the folder ---- */

void
claim_list_drive(struct worker *worker)
{
	if (!worker->list_wanted || worker->list_busy || !worker_due(worker, worker->list_at_ms))
		return;
	worker->list_wanted = false;
	worker->list_busy = true;
	plan_list(worker->plan, TAG_LIST, 0, node_folder(worker->name, worker->inc), true);
}

/* The claim is not in the folder any more. */
static void
gone(struct worker *worker, struct claim *claim)
{
	switch (claim->state) {
	case CLAIM_SEEN:
	case CLAIM_READY:
		claim_vanished(worker, claim->node.n, claim->node.n);
		claim_remove(worker, claim);
		worker->revoked_total++;
		break;
	case CLAIM_RUNNING:
		plan_note(worker->plan, NOTE_WARNING, "task %s: its claim was revoked, stopping it", claim_id(worker, claim));
		/* Told when nothing of it runs any more: if nobody else has revoked it, its task is then given out again. */
		kill_attempt(worker, claim, "revoked", STATE_LOST, 0);
		claim_move(worker, claim, CLAIM_DOOMED);
		worker->revoked_total++;
		break;
	case CLAIM_OVER:
	case CLAIM_ASIDE:
		plan_note(worker->plan, NOTE_WARNING, "task %s: its claim was revoked, this run counts for nothing",
		    claim_id(worker, claim));
		claim_vanished(worker, claim->node.n, claim->node.n);
		claim_remove(worker, claim);
		worker->revoked_total++;
		break;
	default:
		break;	/* MARKING and LEAVING learn it from their own reply; DOOMED knows it */
	}
}

static bool
same_claim(const struct node *a, const struct node *b)
{
	return a->seg == b->seg && a->run == b->run && a->fence.czxid == b->fence.czxid &&
	    a->fence.counter == b->fence.counter && strcmp(a->queue, b->queue) == 0 &&
	    strcmp(a->task.token, b->task.token) == 0;
}

/* Claims are made in ascending order, so a number below a listed one that is neither listed nor known is over, or its
 * assign was refused. The leader may not know which, so it is told as for any claim that vanished. Numbers of leaders
 * before the one that made the highest are only resolved: it found out by listing which of their claims there are. */
static void
resolve_gaps(struct worker *worker, uint64_t highest)
{
	uint64_t base = highest ? (highest - 1) / CLAIMS_PER_LEADER * CLAIMS_PER_LEADER : 0;
	uint64_t from = worker->resolved.low + 1, gap_from, gap_to;

	for (int place = place_of(worker, from); from <= highest; place++) {
		uint64_t next = highest + 1;

		if (place < worker->claim_count && worker->claims[place]->node.n <= highest)
			next = worker->claims[place]->node.n;
		while (resolved_gap(&worker->resolved, from, next - 1, &gap_from, &gap_to)) {
			if (gap_from > base) {
				claim_vanished(worker, gap_from, gap_to);
			} else {
				if (gap_to > base)
					gap_to = base;
				if (!resolved_add(&worker->resolved, gap_from, gap_to))
					worker_failed(worker);
			}
			from = gap_to + 1;
		}
		from = next + 1;
	}
}

static void
take_order(struct worker *worker, const struct node *order)
{
	struct claim *claim = claim_find(worker, order->n);

	if (claim && claim->sight == worker->sight) {
		claim->orders |= 1u << order->verb;
	} else {
		add_orphan(worker, order->n, order->verb);
	}
}

void
claim_listed(struct worker *worker, const struct reply *reply)
{
	bool alive = false;
	uint64_t highest = 0;

	worker->list_busy = false;
	worker->list_at_ms = worker->now_ms + list_pause_ms(reply->took_ms, reply->child_count);
	if (worker->reg != REG_DONE || reply->rc != RC_OK) {
		worker->list_wanted = true;
		if (worker->reg == REG_DONE && reply->rc == RC_NONODE)
			register_begin(worker);
		else if (!worker_lost_reply(reply))
			worker->list_at_ms = worker->now_ms + worker_pause(worker);
		return;
	}
	for (int i = 0; i < reply->child_count; i++)
		alive = alive || (reply->children[i].kind == NODE_LIVE && reply->children[i].r == worker->r);
	if (!alive) {
		plan_note(worker->plan, NOTE_WARNING, "worker %s: its registration was removed, registering again",
		    worker->name);
		register_begin(worker);
		return;
	}
	worker->sight++;
	worker->orphan_count = 0;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *node = &reply->children[i];

		if (node->kind != NODE_CLAIM)
			continue;
		if (node->n > highest)
			highest = node->n;
		struct claim *claim = claim_find(worker, node->n);
		if (!claim && !resolved_has(&worker->resolved, node->n))
			claim = claim_add(worker, node, CLAIM_SEEN);
		if (claim && same_claim(&claim->node, node))
			claim->sight = worker->sight;
	}
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_ORDER)
			take_order(worker, &reply->children[i]);
	for (int i = worker->claim_count - 1; i >= 0; i--)
		if (worker->claims[i]->sight != worker->sight)
			gone(worker, worker->claims[i]);
	resolve_gaps(worker, highest);
	for (int i = worker->claim_count - 1; i >= 0; i--)
		if (worker->claims[i]->orders)
			obey(worker, worker->claims[i]);
	worker->listed = true;
}

/* ---- starting ---- */

/* The highest priority; among those the queue of the lowest claim; of that queue the oldest task. */
static struct claim *
next_start(const struct worker *worker)
{
	struct claim *best = NULL;

	for (int i = 0; i < worker->claim_count; i++) {
		struct claim *claim = worker->claims[i];

		if (claim->state != CLAIM_READY)
			continue;
		if (!best || claim->node.task.priority > best->node.task.priority ||
		    (claim->node.task.priority == best->node.task.priority && strcmp(claim->node.queue, best->node.queue) == 0 &&
		    task_order(claim->node.seg, &claim->node.task, best->node.seg, &best->node.task) < 0))
			best = claim;
	}
	return best;
}

static void
start(struct worker *worker, struct claim *claim)
{
	const char *text;
	size_t len;
	struct effect *effect = plan_effect(worker->plan, FX_START);

	if (!effect)
		return;
	payload_of(claim, &text, &len);
	effect->start.claim = claim->node;
	effect->start.exclusive = claim->class->mode != MODE_OVERLAP || claim->class->missing;
	effect->start.task = text;
	effect->start.task_len = len;
	claim->in_runner = true;
	claim_move(worker, claim, CLAIM_RUNNING);
	worker->started_total++;
	histogram_add(&worker->wait, worker->now_ms - claim->seen_ms);
	plan_note(worker->plan, NOTE_DEBUG, "task %s: started, run %u", claim_id(worker, claim), claim->node.run);
}

static bool
needs_mark(const struct claim *claim)
{
	return !claim->marked && (claim->suspect || claim->class->missing || claim->class->mode == MODE_AT_MOST_ONCE);
}

static void
mark(struct worker *worker, struct claim *claim)
{
	struct record record = { .kind = REC_STARTED };
	struct request *multi = plan_multi(worker->plan, TAG_MARK, claim->node.n);

	add_check(worker->plan, multi, worker_live(worker), ANY_VERSION);
	add_set(worker->plan, multi, claim->node, 0, &record);
	claim_move(worker, claim, CLAIM_MARKING);
}

void
claim_marked(struct worker *worker, const struct reply *reply)
{
	struct claim *claim = claim_find(worker, reply->arg);

	if (!claim || claim->state != CLAIM_MARKING)
		return;
	if (reply->rc == RC_OK || (reply->rc == RC_BADVERSION && reply->failed_op == 1)) {
		/* A mark that is there already is our own, of a multi whose reply was lost, or of an earlier
		 * coordinator: then the runner would have told of the attempt if it had begun. */
		claim->marked = true;
		claim_move(worker, claim, CLAIM_READY);
		if (reply->rc == RC_OK)
			renew_proved(worker, reply->sent_ms);
		obey(worker, claim);
	} else if (worker_lost_reply(reply)) {
		claim_move(worker, claim, CLAIM_READY);	/* sent again; BADVERSION then tells that it had been applied */
	} else if (reply->rc == RC_NONODE && reply->failed_op == 1) {
		claim_vanished(worker, claim->node.n, claim->node.n);
		claim_remove(worker, claim);
		worker->revoked_total++;
	} else {
		claim_move(worker, claim, CLAIM_READY);
		if (reply->rc != RC_NONODE) {
			plan_note(worker->plan, NOTE_WARNING, "task %s: cannot be marked as started: %s; trying again",
			    claim_id(worker, claim), rc_word(reply->rc));
			worker->mark_at_ms = worker->now_ms + worker_pause(worker);
		} else if (worker->reg == REG_DONE) {
			register_begin(worker);
		}
	}
}

void
claim_start_drive(struct worker *worker)
{
	const int *in_state = worker->in_state;

	if (worker->draining || !worker->listed)
		return;
	while (in_state[CLAIM_READY] &&
	    in_state[CLAIM_RUNNING] + in_state[CLAIM_DOOMED] + in_state[CLAIM_MARKING] < worker->slots) {
		struct claim *claim = next_start(worker);
		bool exclusive = claim->class->mode != MODE_OVERLAP || claim->class->missing;

		if (!renew_holds(worker, exclusive))
			return;		/* renew_drive() asks for a proof; its reply comes back here */
		if (needs_mark(claim)) {
			if (!worker->connected || !worker_due(worker, worker->mark_at_ms))
				return;
			mark(worker, claim);
		} else {
			start(worker, claim);
		}
	}
}

/* Nothing is started any more: what has not been goes back. */
void
claim_drain(struct worker *worker)
{
	for (int i = 0; i < worker->claim_count; i++) {
		struct claim *claim = worker->claims[i];

		if (claim->state == CLAIM_SEEN || claim->state == CLAIM_READY)
			claim_leave(worker, claim, LEAVE_RETURN);
	}
}
