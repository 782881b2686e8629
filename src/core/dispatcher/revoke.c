/*
 * revoke.c: takes claims away from an incarnation whose session is gone, and removes its folder.
 *
 * Exclusive claims no earlier than lost_after after the session was seen missing here, in multis with a check
 * of the folder at the version of that sight: who came back has moved it. What becomes of a task:
 * it waits again as a suspect; or, when it was marked as started in too many such losses, it becomes a
 * dead letter; or it ends as lost, when it must not run twice.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

enum fate { FATE_REQUEUE, FATE_DEAD, FATE_LOST, FATE_CLAIM_ONLY };

/* ---- what must be known before ---- */

static void
fetch_done(struct dispatcher *d, struct claim *claim)
{
	poll_free(d, claim->fetch);
	claim->fetch = NULL;
}

static void
fetch(struct dispatcher *d, struct claim *claim, enum request_kind kind, struct node node, enum record_kind record_kind,
    poll_got *got)
{
	claim->fetch = poll_new(d, kind, node, record_kind, false, got, claim);
	poll_want(d, claim->fetch);
}

static void
retry_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct claim *claim = poll->owner;
	struct task *task = claim->task;

	if (reply->rc != RC_OK && reply->rc != RC_NONODE) {
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	task->retry_known = true;
	task->retry_there = reply->rc == RC_OK;
	claim->retry_create = !task->retry_there;
	if (task->retry_there && !reply->bad) {
		task->crashes = reply->record.retry.crashes;
		task->suspect = reply->record.retry.suspect;
	}
	fetch_done(d, claim);
	d->place_due = true;
}

void
claim_learn(struct dispatcher *d, struct claim *claim)
{
	if (!claim->fetch)
		fetch(d, claim, REQ_GET, retry_node(claim->task), REC_RETRY, retry_read);
}

static void
claim_seen(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct claim *claim = poll->owner;

	if (reply->rc == RC_OK)
		claim->started = reply->stat.version > 0 ? STARTED_YES : STARTED_NO;
	else if (reply->rc == RC_NONODE)
		folder_settle(d, claim->folder);
	else {
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	fetch_done(d, claim);
}

static void
keep_text(struct dispatcher *d, struct claim *claim, const struct rec_task *task)
{
	claim->text_read = true;
	if (!task || !task->text || !task->len)
		return;
	claim->text = take(d, task->len + 1);
	if (!claim->text)
		return;
	memcpy(claim->text, task->text, task->len);
	claim->text_len = task->len;
}

static void
batch_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct claim *claim = poll->owner;
	uint32_t index = 0;

	token_is_batch(claim->task->token, NULL, &index);
	bool there = reply->rc == RC_OK && !reply->bad && index < (uint32_t)reply->record.batch.count;
	keep_text(d, claim, there ? &reply->record.batch.tasks[index] : NULL);
	fetch_done(d, claim);
}

static void
text_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct claim *claim = poll->owner;
	const struct segment *segment = claim->task->segment;
	char batch[TOKEN_LEN + 1];

	bool empty = reply->rc == RC_OK && reply->stat.length == 0;
	fetch_done(d, claim);
	if (empty && token_is_batch(claim->task->token, batch, NULL))
		fetch(d, claim, REQ_GET, node_batch(segment->queue->name, segment->seg, batch), REC_BATCH, batch_read);
	else
		keep_text(d, claim, reply->rc == RC_OK && !reply->bad ? &reply->record.task : NULL);
	if (reply->rc == RC_NONODE)
		claim->task_missing = true;
}

static uint32_t
crashes_after(const struct claim *claim)
{
	const struct task *task = claim->task;

	if (claim->run <= 1)
		return 0;
	return task->crashes + (task->suspect && claim->started == STARTED_YES);
}

/* What becomes of it; false while something must be read first. */
static bool
decide(struct dispatcher *d, struct claim *claim)
{
	struct task *task = claim->task;
	bool once = task->class->phase == CLASS_KNOWN && task->class->mode == MODE_AT_MOST_ONCE;

	if (claim->fetch || task->class->phase == CLASS_READING)
		return false;
	if (claim->run > 1 && !task->retry_known) {
		fetch(d, claim, REQ_GET, retry_node(task), REC_RETRY, retry_read);
		return false;
	}
	if (claim->started == STARTED_UNKNOWN && (once || (claim->run > 1 && task->suspect))) {
		fetch(d, claim, REQ_EXISTS, claim_node(claim), REC_NONE, claim_seen);
		return false;
	}
	if (claim->task_missing)
		claim->fate = FATE_CLAIM_ONLY;
	else if (once && claim->started == STARTED_YES)
		claim->fate = FATE_LOST;
	else if (crashes_after(claim) >= task->class->crash_limit)
		claim->fate = FATE_DEAD;
	else
		claim->fate = FATE_REQUEUE;
	if (claim->fate == FATE_DEAD && !claim->text_read) {
		fetch(d, claim, REQ_GET, task_node(task), REC_TASK, text_read);
		return false;
	}
	return true;
}

/* ---- the multi ---- */

static void
add_retry(struct dispatcher *d, struct act *act, struct claim *claim)
{
	struct task *task = claim->task;
	struct record record = { .kind = REC_RETRY };
	bool create = claim->retry_create || (claim->run <= 1 && !claim->retry_set);

	record.retry = (struct rec_retry){ .runs = claim->run, .crashes = crashes_after(claim),
		.suspect = lost_is_suspect(claim->run), .error = "its worker was lost", .by = d->by, .at_wall_ms = d->wall_ms };
	if (claim->retry_folder)
		claim->op_folder = add_create(d->plan, act->multi,
		    node_of_segment(NODE_RETRY_SEG, task->segment->queue->name, task->segment->seg), 0, NULL);
	if (create)
		claim->op_retry = add_create(d->plan, act->multi, retry_node(task), 0, &record);
	else
		claim->op_retry = add_set(d->plan, act->multi, retry_node(task), ANY_VERSION, &record);
}

static void
add_end(struct dispatcher *d, struct act *act, struct claim *claim)
{
	struct task *task = claim->task;
	const struct segment *segment = task->segment;
	bool dead = claim->fate == FATE_DEAD;
	struct record record = { .kind = REC_RESULT };
	struct rec_result *result = &record.result;

	strcpy(result->queue, segment->queue->name);
	result->seg = segment->seg;
	strcpy(result->token, task->token);
	result->outcome.state = dead ? STATE_DEAD : STATE_LOST;
	result->outcome.reason = dead ? "crash limit" : "worker lost";
	result->attempt = claim->run;
	result->fence = claim->fence;
	result->worker = claim->folder->worker;
	result->by = d->by;
	result->at_wall_ms = d->wall_ms;
	result->task = dead && claim->text ? arena_copy(&d->plan->arena, claim->text, claim->text_len) : NULL;
	claim->op_task = add_delete(d->plan, act->multi, task_node(task), ANY_VERSION);
	if (claim->run > 1 && !claim->retry_gone && task->retry_there)
		claim->op_retry = add_delete(d->plan, act->multi, retry_node(task), ANY_VERSION);
	claim->op_result = add_create(d->plan, act->multi, node_of_token(dead ? NODE_DEAD : NODE_RESULT,
	    segment->queue->name, segment->seg, task->token), 0, &record);
}

static void
add_claim(struct dispatcher *d, struct act *act, struct claim *claim)
{
	const struct folder *folder = claim->folder;
	bool once = claim->task->class->mode == MODE_AT_MOST_ONCE && claim->started == STARTED_NO;

	claim->op_task = claim->op_retry = claim->op_folder = claim->op_result = 0;
	claim->op_claim = add_delete(d->plan, act->multi, claim_node(claim), once ? 0 : ANY_VERSION);
	if (claim->fate == FATE_REQUEUE)
		add_retry(d, act, claim);
	else if (claim->fate != FATE_CLAIM_ONLY)
		add_end(d, act, claim);
	claim->op_orders = act->multi ? act->multi->op_count : 0;
	for (enum verb verb = 0; verb < VERBS; verb++)
		if (claim->orders & 1 << verb)
			add_delete(d->plan, act->multi, node_order(folder->worker, folder->inc, claim->n, verb), ANY_VERSION);
	claim->op_end = act->multi ? act->multi->op_count : 0;
	claim->phase = CLAIM_REVOKING;
}

/* ---- its answer ---- */

static void
fulfil(struct dispatcher *d, struct claim *claim)
{
	struct task *task = claim->task;
	struct queue_counts *counts = &task->segment->queue->counts;
	enum fate fate = claim->fate;

	if (fate == FATE_REQUEUE) {
		counts->worker_lost++;
		task->crashes = crashes_after(claim);
		task->runs = claim->run;
		task->retry_known = task->retry_there = true;
		task->suspect = lost_is_suspect(claim->run);
	} else if (fate == FATE_DEAD) {
		count_end(d, &counts->dead);
		plan_note(d->plan, NOTE_WARNING, "task %s: dead letter: its worker was lost %u times while it ran there alone",
		    task_words(d, task), crashes_after(claim));
	} else if (fate == FATE_LOST) {
		count_end(d, &counts->lost);
		plan_note(d->plan, NOTE_WARNING, "task %s: lost with worker %s; it must not run twice", task_words(d, task),
		    claim->folder->worker);
	}
	claim_free(d, claim);
	if (fate == FATE_REQUEUE)
		task_wait(d, task);
	else
		task_gone(d, task);
}

static void
revoke_later(struct dispatcher *d, struct folder *folder, const struct reply *reply, const char *what)
{
	folder->revoke_at_ms = d->now_ms + RETRY_PAUSE_MS;
	plan_note(d->plan, NOTE_WARNING, "worker %s: its claims cannot be revoked: %s: %s", folder->worker, what,
	    rc_word(reply->rc));
}

/* One claim is the reason of a refusal: learn from it. */
static void
learn(struct dispatcher *d, struct claim *claim, const struct reply *reply)
{
	int op = reply->failed_op;
	enum rc rc = reply->rc;

	if (op == claim->op_claim && rc == RC_NONODE)
		folder_settle(d, claim->folder);
	else if (op == claim->op_claim && rc == RC_BADVERSION)
		claim->started = STARTED_YES;
	else if (op == claim->op_retry && rc == RC_NODEEXISTS) {
		claim->retry_create = false;
		claim->retry_set = true;
	} else if (op == claim->op_retry && rc == RC_NONODE && claim->fate != FATE_REQUEUE)
		claim->retry_gone = true;
	else if (op == claim->op_retry && rc == RC_NONODE && (claim->retry_create || (claim->run <= 1 && !claim->retry_set)))
		claim->retry_folder = true;
	else if (op == claim->op_retry && rc == RC_NONODE) {
		claim->retry_create = true;
		claim->retry_set = false;
	} else if (op == claim->op_folder && rc == RC_NODEEXISTS)
		claim->retry_folder = false;
	else if (op == claim->op_task && rc == RC_NONODE)
		claim->task_missing = true;
	else if (op >= claim->op_orders && rc == RC_NONODE) {
		int at = claim->op_orders;

		for (enum verb verb = 0; verb < VERBS; verb++)
			if (claim->orders & 1 << verb && at++ == op) {
				claim->orders &= (uint8_t)~(1 << verb);
				if (verb == VERB_RELEASE)
					claim->folder->release_ordered--;
				break;
			}
	} else {
		revoke_later(d, claim->folder, reply, task_words(d, claim->task));
	}
}

static void
revoked(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct folder *folder = act->owner;
	int op = reply->rc == RC_OK ? -1 : reply->failed_op;

	folder->revoking = false;
	for (int i = 0; i < act->item_count; i++) {
		struct claim *claim = act->items[i];

		claim->phase = CLAIM_HELD;
		if (reply->rc == RC_OK)
			fulfil(d, claim);
		else if (op >= claim->op_claim && op < claim->op_end)
			learn(d, claim, reply);
	}
	if (reply->rc == RC_OK) {
		d->revoked_total += (uint64_t)act->item_count;
		plan_note(d->plan, NOTICE, "worker %s: lost for %lld ms, %d claims revoked", folder->worker,
		    (long long)(d->now_ms - folder->lost_since_ms), act->item_count);
	} else if (outcome_unknown(reply->rc)) {
		folder_settle(d, folder);
	} else if (op == 1 && reply->rc == RC_BADVERSION) {
		folder->sight_stale = true;
		poll_want(d, folder->report);
	} else if (op == 1 && reply->rc == RC_NONODE) {
		folder->sight_stale = true;
		poll_want(d, d->assign_list);
		poll_want(d, folder->report);
	} else if (op < 0 && reply->rc != RC_NOTSENT) {
		revoke_later(d, folder, reply, "the whole request");
	}
	folder_act_done(d, folder);
}

static void
revoke(struct dispatcher *d, struct folder *folder, bool due)
{
	struct claim *picked[REVOKES_MAX];
	struct act *act;
	int count = 0;

	for (struct claim *claim = folder->claims; claim && count < REVOKES_MAX; claim = claim->hh.next) {
		const struct class *class = claim->task->class;
		bool overlap = class->phase == CLASS_KNOWN && class->mode == MODE_OVERLAP;

		if (claim->phase == CLAIM_HELD && (due || overlap) && decide(d, claim))
			picked[count++] = claim;
	}
	if (!count || !(act = leader_act(d, revoked, folder)))
		return;
	folder->revoking = true;
	folder->acts++;
	add_check(d->plan, act->multi, node_folder(folder->worker, folder->inc), folder->lost_version);
	size_t bytes = 0;
	for (int i = 0; i < count && bytes < REQUEST_BYTES_MAX / 4; i++) {
		if (!act_item(d, act, picked[i]))
			break;
		bytes += 2048 + picked[i]->text_len * 2;
		add_claim(d, act, picked[i]);
	}
}

/* ---- the empty folder ---- */

static void
deleted(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct folder *folder = act->owner;
	bool on_folder = reply->rc != RC_OK && reply->failed_op == act->mark;

	folder->deleting = folder->delete_asked = false;
	if (reply->rc == RC_OK) {
		plan_note(d->plan, NOTE_INFO, "worker %s: incarnation %s is over, its folder is deleted", folder->worker,
		    folder->inc);
		folder->gone = true;
	} else if (on_folder && reply->rc == RC_BADVERSION) {
		folder->sight_stale = true;
		poll_want(d, folder->report);
	} else if (on_folder && reply->rc == RC_NOTEMPTY) {
		folder->revoke_at_ms = d->now_ms + STRANGER_PAUSE_MS;
		if (!folder->delete_said)
			plan_note(d->plan, NOTE_WARNING, "worker %s: the folder of its incarnation %s holds something that is "
			    "neither claim nor order; it stays", folder->worker, folder->inc);
		folder->delete_said = true;
		poll_want(d, folder->report);
	} else {
		folder->revoke_at_ms = d->now_ms + RETRY_PAUSE_MS;
		poll_want(d, d->assign_list);
	}
	folder_act_done(d, folder);
}

static void
delete_folder(struct dispatcher *d, struct folder *folder)
{
	const struct poll *list = folder->list;

	if (!folder->delete_asked) {
		folder->delete_asked = true;
		folder->delete_mark = list->sent;
		poll_want(d, folder->list);
		return;
	}
	if (list->sent <= folder->delete_mark || list->busy || list->dirty)
		return;
	struct act *act = leader_act(d, deleted, folder);
	if (!act)
		return;
	for (int i = 0; i < folder->stray_count && i < DELETES_MAX; i++)
		add_delete(d->plan, act->multi, folder->strays[i], ANY_VERSION);
	act->mark = add_delete(d->plan, act->multi, node_folder(folder->worker, folder->inc), folder->lost_version);
	folder->deleting = true;
	folder->acts++;
}

static void
tend_lost(struct dispatcher *d, struct folder *folder)
{
	int64_t due_ms = folder->lost_since_ms + folder->lost_after_ms;
	bool due = d->now_ms >= due_ms;

	if (folder->revoking || folder->deleting || folder->settle || folder->assign || folder->sight_stale)
		return;
	if (d->now_ms < folder->revoke_at_ms) {
		plan_wake(d->plan, folder->revoke_at_ms);
		return;
	}
	if (!due)
		plan_wake(d->plan, due_ms);
	if (folder->claims)
		revoke(d, folder, due);
	else if (due || folder->draining)
		delete_folder(d, folder);
}

void
revoke_run(struct dispatcher *d)
{
	struct folder *folder, *next;

	if (!d->folders_ready)
		return;
	HASH_ITER(hh, d->folders, folder, next)
		if (folder->taken && !folder->gone && folder->live == LIVE_MISSING && folder->sight)
			tend_lost(d, folder);
		else
			folder->delete_asked = false;
}
