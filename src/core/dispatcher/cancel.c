/*
 * cancel.c: fulfils requests to cancel. Waiting: the task ends as cancelled. Claimed: an order tells the worker to
 * kill it.
 */
#include "core/dispatcher/wish.h"

#include <string.h>

#define REASON_MAX 200	/* bytes of a person's words in a result: many results lie in the ensemble's heap */

/* ---- ending a waiting task ---- */

struct ending {
	int op_task, op_retry, op_wish, op_folder, op_result;
};

enum ending_bits { ENDING_RETRY = 1, ENDING_FOLDER = 2 };

/* Which ops a multi of these bits has, behind the check. */
static struct ending
ending_ops(int bits)
{
	struct ending ops = { .op_task = 1 };
	int op = 2;

	if (bits & ENDING_RETRY)
		ops.op_retry = op++;
	ops.op_wish = op++;
	if (bits & ENDING_FOLDER)
		ops.op_folder = op++;
	ops.op_result = op;
	return ops;
}

static void
end_refused(struct dispatcher *d, struct wish *wish, struct task *task, int bits, const struct reply *reply)
{
	struct ending ops = ending_ops(bits);
	int op = reply->failed_op;
	enum rc rc = reply->rc;

	if (op == ops.op_task && rc == RC_NONODE) {
		task_gone(d, task);
	} else if (bits & ENDING_RETRY && op == ops.op_retry && rc == RC_NONODE) {
		task->retry_there = false;
		task_wait(d, task);
	} else if (op == ops.op_wish && rc == RC_NONODE) {
		wish_withdrawn(d, wish);
	} else if (op == ops.op_result && rc == RC_NONODE) {
		task->segment->done_missing = true;
		task_wait(d, task);
	} else if (bits & ENDING_FOLDER && op == ops.op_folder && rc == RC_NODEEXISTS) {
		task->segment->done_missing = false;
		task_wait(d, task);
	} else if (op < 0) {
		wish->not_before_ms = d->now_ms + RETRY_PAUSE_MS;
		task_wait(d, task);
	} else {
		task_aside(d, task, arena_printf(&d->plan->arena, "it cannot be cancelled: %s", rc_word(rc)));
	}
}

static void
ended(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct wish *wish = act->owner;
	struct task *task = act->items[0];
	struct segment *segment = task->segment;

	segment->acts--;
	wish_busy(wish, false);
	if (reply->rc == RC_OK) {
		plan_note(d->plan, NOTE_INFO, "task %s: cancelled while it waited", task_words(d, task));
		count_end(d, &segment->queue->counts.cancelled);
		wish_free(d, wish);
		task_leave(d, task);
		task_gone(d, task);	/* what else was asked of it is dropped */
		return;
	}
	task_leave(d, task);
	if (outcome_unknown(reply->rc))
		task_doubt(d, task);
	else
		end_refused(d, wish, task, act->mark, reply);
}

/* The words of who asked, in the plan's arena, cut between two characters; without any, the word of the state. */
static const char *
words_of(struct dispatcher *d, const char *reason)
{
	size_t len = reason ? strlen(reason) : 0;

	if (!len)
		return "cancelled";
	if (len > REASON_MAX)
		for (len = REASON_MAX; len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80;)
			len--;
	return arena_copy(&d->plan->arena, reason, len);
}

static void
end(struct dispatcher *d, struct wish *wish, struct task *task, const char *reason)
{
	struct segment *segment = task->segment;
	struct record record = { .kind = REC_RESULT };
	struct rec_result *result = &record.result;
	struct act *act = leader_act(d, ended, wish);

	if (!act || !act_item(d, act, task))
		return;
	strcpy(result->queue, segment->queue->name);
	result->seg = segment->seg;
	strcpy(result->token, task->token);
	result->outcome.state = STATE_CANCELLED;
	result->outcome.reason = words_of(d, reason);
	result->attempt = task->runs;
	result->by = d->by;
	result->at_wall_ms = d->wall_ms;
	add_delete(d->plan, act->multi, task_node(task), ANY_VERSION);
	if (task->retry_there) {
		act->mark |= ENDING_RETRY;
		add_delete(d->plan, act->multi, retry_node(task), ANY_VERSION);
	}
	add_delete(d->plan, act->multi, wish_node(wish), ANY_VERSION);
	if (segment->done_missing) {
		act->mark |= ENDING_FOLDER;
		add_create(d->plan, act->multi, node_of_segment(NODE_DONE_SEG, segment->queue->name, segment->seg), 0, NULL);
	}
	add_create(d->plan, act->multi, node_of_token(NODE_RESULT, segment->queue->name, segment->seg, task->token), 0,
	    &record);
}

/* What cannot be read is no reason not to fulfil it. */
static void
wish_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct wish *wish = poll->owner;
	struct task *task = wish->task;
	bool told = reply->rc == RC_OK && !reply->bad;

	poll_free(d, wish->fetch);
	wish->fetch = NULL;
	wish->task = NULL;
	if (reply->rc != RC_NONODE) {
		end(d, wish, task, told ? reply->record.wish.reason : NULL);
		return;
	}
	wish_busy(wish, false);
	task->segment->acts--;
	task_leave(d, task);
	wish_withdrawn(d, wish);
}

static void
begin(struct dispatcher *d, struct wish *wish, struct task *task)
{
	task->phase = TASK_ENDING;
	task->segment->acts++;
	wish_busy(wish, true);
	wish->task = task;
	wish->fetch = poll_new(d, REQ_GET, wish_node(wish), REC_WISH, false, wish_read, wish);
	poll_want(d, wish->fetch);
}

/* ---- killing a claimed one ---- */

/* ops: check mine, check claim, create order */
static void
killed(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct folder *folder = act->owner;
	uint64_t n = (uint64_t)(uintptr_t)act->items[0];
	struct claim *claim;

	HASH_FIND(hh, folder->claims, &n, sizeof n, claim);
	if (claim && reply->rc == RC_OK)
		plan_note(d->plan, NOTE_INFO, "task %s: worker %s is told to kill it", task_words(d, claim->task),
		    folder->worker);
	else if (claim && !(reply->rc == RC_NODEEXISTS && reply->failed_op == 2)) {
		claim->orders &= (uint8_t)~(1 << VERB_KILL);
		if (claim->task->wished && (outcome_unknown(reply->rc) || reply->rc == RC_NOTSENT))
			wishes_task(d, claim->task);
		else if (reply->failed_op == 1 && reply->rc == RC_NONODE)
			poll_want(d, folder->report);
		else
			plan_note(d->plan, NOTE_WARNING, "task %s: worker %s cannot be told to kill it: %s",
			    task_words(d, claim->task), folder->worker, rc_word(reply->rc));
	}
	if (outcome_unknown(reply->rc))
		folder_settle(d, folder);
	folder_act_done(d, folder);
}

void
claim_kill(struct dispatcher *d, struct claim *claim)
{
	struct folder *folder = claim->folder;
	struct record record = { .kind = REC_WISH, .wish = { d->by, "cancelled", d->wall_ms } };
	struct act *act = leader_act(d, killed, folder);

	if (!act || !act_item(d, act, (void *)(uintptr_t)claim->n))
		return;
	add_check(d->plan, act->multi, claim_node(claim), ANY_VERSION);
	add_create(d->plan, act->multi, node_order(folder->worker, folder->inc, claim->n, VERB_KILL), 0, &record);
	claim->orders |= 1 << VERB_KILL;
	folder->acts++;
}

bool
cancel_act_on(struct dispatcher *d, struct wish *wish, struct task *task)
{
	switch (task->phase) {
	case TASK_WAITING:
	case TASK_ASIDE:
		task_leave(d, task);
		/* fall through */
	case TASK_UNREAD:
		if (task->segment->retries_listed && task->retry_known)
			begin(d, wish, task);
		else
			task_wait(d, task);	/* comes back here when its retry record is known */
		return true;
	case TASK_CLAIMED:
		if (task->aux.claim->phase == CLAIM_HELD && !(task->aux.claim->orders & 1 << VERB_KILL)) {
			if (task->aux.claim->folder->settle)
				return false;
			claim_kill(d, task->aux.claim);
		}
		return task->aux.claim->phase != CLAIM_REVOKING;
	default:
		return true;
	}
}
