/*
 * deletion.c: the end of a queue, as its record asks for it ("deleting").
 *
 *     deleting ──▶ sealed ──▶ no task left (with force: no claim) ──▶ deleted ──▶ its znodes removed ──▶ gone
 *
 * Sealed: the tail is closed and no segment opened, so that no submit is accepted any more; without force in one multi
 * with the delete of the empty inbox, so that what came in by either door still runs to its end. With force the claims
 * are killed, and what waits is removed with the rest. No claim of the queue is left when the record is changed to
 * "deleted": no worker has anything to do in it from then on. Each step can be taken up by the next leader.
 *
 * done/ is removed first, each folder of it marked: who looks for the outcome of a submit must not take a task that was
 * removed for one that was never accepted. A later queue of this name begins with the segment that retired/<queue> tells:
 * no id is used twice.
 */
#include "core/dispatcher/sweep.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 200
#define KILLS_MAX 64		/* orders sent in one round, each second */
#define KILL_ROUND_MS 1000

struct deletion {
	struct queue *queue;
	bool acting;		/* a multi of its is out */
	bool sealed, inbox_gone, tried, said;
	bool retired_there;
	bool looking;		/* whether it is gone is unknown: the record tells, before anything else is removed */
	uint32_t tried_tail;
	int64_t at_ms;
	/* what is left of a deleted one */
	struct poll *top, *list;
	struct sweep *sweep;
	struct node folder;	/* right below the queue: being emptied */
	struct node *parts;	/* its children */
	int part_count, part_at;
};

static struct deletion *
deletion_of(struct dispatcher *d, struct queue *queue)
{
	if (!queue->deletion) {
		queue->deletion = take(d, sizeof *queue->deletion);
		if (queue->deletion)
			queue->deletion->queue = queue;
	}
	return queue->deletion;
}

void
deletion_end(struct dispatcher *d, struct queue *queue)
{
	struct deletion *deletion = queue->deletion;

	if (!deletion)
		return;
	sweep_free(d, deletion->sweep);
	poll_free(d, deletion->top);
	poll_free(d, deletion->list);
	free(deletion->parts);
	free(deletion);
	queue->deletion = NULL;
}

static void
later(struct dispatcher *d, struct deletion *deletion, int64_t pause_ms)
{
	deletion->at_ms = d->now_ms + pause_ms;
	plan_wake(d->plan, deletion->at_ms);
}

/* ---- the seal ---- */

static void
seal_refused(struct dispatcher *d, struct deletion *deletion, int op_inbox, const struct reply *reply)
{
	struct queue *queue = deletion->queue;
	struct segment *segment = segment_find(queue, queue->tail_seg);
	bool inbox = op_inbox > 0 && reply->failed_op == op_inbox;

	if (inbox && reply->rc == RC_NONODE) {
		deletion->inbox_gone = true;
	} else if (inbox && reply->rc == RC_NOTEMPTY) {
		if (!deletion->said)
			plan_note(d->plan, NOTICE, "queue %s: is to be deleted; waits until its inbox is empty", queue->name);
		deletion->said = true;
		later(d, deletion, RETRY_PAUSE_MS);
	} else {
		/* Closed already, rolled, or unknown: the listings tell, then it is tried again. */
		deletion->tried = true;
		deletion->tried_tail = queue->tail_seg;
		poll_want(d, queue->tail);
		if (segment)
			poll_want(d, segment->list);
		later(d, deletion, LOOK_AGAIN_MS);
	}
}

static void
sealed(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct deletion *deletion = act->owner;
	struct queue *queue = deletion->queue;
	struct segment *segment = segment_find(queue, queue->tail_seg);

	deletion->acting = false;
	if (reply->rc != RC_OK) {
		seal_refused(d, deletion, act->mark, reply);
		return;
	}
	deletion->sealed = true;
	if (segment)
		poll_want(d, segment->list);	/* for good */
	plan_note(d->plan, NOTICE, "queue %s: is being deleted: takes no more tasks", queue->name);
}

/* Whether what was tried had been done before: the tail is closed, by a listing made since, and is still the tail. */
static bool
was_sealed(const struct deletion *deletion, const struct segment *tail)
{
	const struct queue *queue = deletion->queue;

	return deletion->tried && deletion->tried_tail == queue->tail_seg && tail->final && !queue->tail->busy &&
	    !queue->tail->dirty && !tail->list->busy && !tail->list->dirty;
}

static void
seal(struct dispatcher *d, struct deletion *deletion)
{
	struct queue *queue = deletion->queue;
	struct segment *tail = segment_find(queue, queue->tail_seg);
	struct act *act;

	if (tail && tail->list && was_sealed(deletion, tail)) {
		deletion->sealed = true;
		later(d, deletion, 0);
		return;
	}
	if (!tail || !tail->list || !(act = leader_act(d, sealed, deletion))) {
		later(d, deletion, RETRY_PAUSE_MS);
		return;
	}
	if (!queue->delete_force && !deletion->inbox_gone)
		act->mark = add_delete(d->plan, act->multi, node_of_queue(NODE_INBOX, queue->name), ANY_VERSION);
	add_set(d->plan, act->multi, node_of_segment(NODE_SEGMENT, queue->name, queue->tail_seg), 0, NULL);
	deletion->acting = true;
}

/* ---- the tasks ---- */

static void
kill_claims(struct dispatcher *d, struct queue *queue)
{
	int count = 0;

	for (struct folder *folder = d->folders; folder; folder = folder->hh.next)
		for (struct claim *claim = folder->claims; claim && !folder->settle && count < KILLS_MAX; claim = claim->hh.next)
			if (claim->task->segment->queue == queue && claim->phase == CLAIM_HELD &&
			    !(claim->orders & 1 << VERB_KILL)) {
				claim_kill(d, claim);
				count++;
			}
}

/* Also as long as that is not known for certain: only a listing of a closed segment is final. */
static bool
has_tasks(const struct queue *queue)
{
	for (const struct segment *segment = queue->segments; segment; segment = segment->hh.next)
		if (segment->task_count || (!segment->final && !segment->gone))
			return true;
	return false;
}

/* Whether no multi is out that points to anything in the queue. */
static bool
idle(struct queue *queue)
{
	for (const struct segment *segment = queue->segments; segment; segment = segment->hh.next)
		if (segment->acts)
			return false;
	return !queue->rolling && !queue->inbox.moving && !queue->inbox.opening && wishes_idle(queue) && retention_idle(queue);
}

/* ---- the end of all that a leader knows of it ---- */

static void
forget(struct dispatcher *d, struct queue *queue)
{
	struct segment *segment, *next_segment;
	struct class *class, *next_class;

	HASH_ITER(hh, queue->segments, segment, next_segment)
		segment_free(d, segment);
	HASH_ITER(hh, queue->classes, class, next_class)
		class_free(d, class);
	inbox_end(d, queue);
	wishes_end(d, queue);
	retention_end(d, queue);
	poll_free(d, queue->tail);
	poll_free(d, queue->tail_data);
	queue->tail = queue->tail_data = NULL;
	free(queue->strays);
	free(queue->unproven);
	queue->strays = queue->unproven = NULL;
	queue->stray_count = queue->unproven_count = queue->unread = 0;
	queue->ready = queue->tail_read = false;
	queue->broken = RC_OK;
	d->place_due = true;
}

/* The record says that it is deleted. False when it must be read again later. */
static bool
bury(struct dispatcher *d, struct queue *queue, uint32_t next)
{
	if (queue->deleted)
		return true;
	if (queue->claims || !idle(queue))
		return false;	/* somebody wrote it by hand */
	deletion_end(d, queue);
	forget(d, queue);
	queue->deleted = true;
	queue->burying = queue->deleting = false;
	queue->next = next;
	plan_note(d->plan, NOTICE, "queue %s: is deleted; what is left of it is being removed", queue->name);
	return true;
}

static void
buried(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct deletion *deletion = act->owner;
	struct queue *queue = deletion->queue;

	deletion->acting = false;
	if (reply->rc == RC_OK) {
		bury(d, queue, queue->tail_seg + 1);
		return;
	}
	poll_want(d, queue->config);
	if (!outcome_unknown(reply->rc))
		queue->burying = false;		/* else the record tells */
	later(d, deletion, reply->rc == RC_BADVERSION ? LOOK_AGAIN_MS : RETRY_PAUSE_MS);
}

static void
send_burial(struct dispatcher *d, struct deletion *deletion)
{
	struct queue *queue = deletion->queue;
	struct record record = { .kind = REC_QUEUE, .queue = { .deleted = true, .next = queue->tail_seg + 1 } };
	struct act *act = leader_act(d, buried, deletion);

	if (!act)
		return;
	add_set(d->plan, act->multi, node_of_queue(NODE_QUEUE, queue->name), queue->config_version, &record);
	deletion->acting = queue->burying = true;
}

static void
prepare(struct dispatcher *d, struct deletion *deletion)
{
	struct queue *queue = deletion->queue;

	if (queue->burying)
		return;		/* its outcome is unknown: the record is being read */
	if (!deletion->sealed) {
		seal(d, deletion);
	} else if (queue->claims) {
		if (queue->delete_force)
			kill_claims(d, queue);
		later(d, deletion, KILL_ROUND_MS);
	} else if (!queue->delete_force && has_tasks(queue)) {
		later(d, deletion, KILL_ROUND_MS);
	} else if (!idle(queue)) {
		later(d, deletion, LOOK_AGAIN_MS);
	} else {
		send_burial(d, deletion);
	}
}

/* ---- what is left in the tree ---- */

static void
stuck(struct dispatcher *d, struct deletion *deletion, const char *what)
{
	if (!deletion->said)
		plan_note(d->plan, NOTE_WARNING, "queue %s: is deleted, but %s cannot be removed; trying again every %d s",
		    deletion->queue->name, what, STRANGER_PAUSE_MS / 1000);
	deletion->said = true;
	deletion->acting = false;
	later(d, deletion, STRANGER_PAUSE_MS);
}

static void
gone(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct deletion *deletion = act->owner;
	struct queue *queue = deletion->queue;

	deletion->acting = false;
	if (reply->rc == RC_OK || (reply->rc == RC_NONODE && reply->failed_op == 2)) {
		plan_note(d->plan, NOTICE, "queue %s: is gone", queue->name);
		queue->gone = true;
		deletion_end(d, queue);
		poll_want(d, d->queue_list);
		return;
	}
	if (reply->failed_op == 1)
		deletion->retired_there = reply->rc == RC_NODEEXISTS;
	if (outcome_unknown(reply->rc)) {
		/* If it is, there may be another one of its name by now. */
		deletion->looking = true;
		poll_want(d, queue->config);
	}
	later(d, deletion, reply->failed_op == 1 ? 0 : RETRY_PAUSE_MS);
}

static void
send_end(struct dispatcher *d, struct deletion *deletion)
{
	struct queue *queue = deletion->queue;
	struct record next = { .kind = REC_TAIL, .tail.tail = queue->next };
	struct node retired = node_of_queue(NODE_RETIRED, queue->name);
	struct act *act = leader_act(d, gone, deletion);

	if (!act)
		return;
	if (deletion->retired_there)
		add_set(d->plan, act->multi, retired, ANY_VERSION, &next);
	else
		add_create(d->plan, act->multi, retired, 0, &next);
	add_delete(d->plan, act->multi, node_of_queue(NODE_QUEUE, queue->name), ANY_VERSION);
	deletion->acting = true;
}

static void next_part(struct dispatcher *d, struct deletion *deletion);

static void
swept(struct dispatcher *d, void *owner, bool is_gone)
{
	struct deletion *deletion = owner;
	bool folder = deletion->part_at > deletion->part_count;

	sweep_free(d, deletion->sweep);
	deletion->sweep = NULL;
	if (!is_gone)
		stuck(d, deletion, "something strange in it");
	else if (folder)
		deletion->acting = false;	/* the next one */
	else
		next_part(d, deletion);
}

static void
sweep_node(struct dispatcher *d, struct deletion *deletion, struct node folder)
{
	struct sweep_conf conf = { .folder = folder, .end = swept, .owner = deletion };

	deletion->sweep = sweep_new(d, &conf);
}

/* ops: check mine, set, set: data version 2 or more, whatever it was */
static void
part_marked(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct deletion *deletion = act->owner;

	if (reply->rc == RC_OK || (reply->rc == RC_NONODE && reply->failed_op > 0)) {
		sweep_node(d, deletion, deletion->parts[deletion->part_at - 1]);
		return;
	}
	deletion->acting = false;
	later(d, deletion, RETRY_PAUSE_MS);
}

static void
next_part(struct dispatcher *d, struct deletion *deletion)
{
	struct record stamp = { .kind = REC_STAMP, .stamp.removing = true };
	int at = deletion->part_at++;

	if (at >= deletion->part_count) {
		sweep_node(d, deletion, deletion->folder);
		return;
	}
	if (deletion->parts[at].kind != NODE_DONE_SEG) {
		sweep_node(d, deletion, deletion->parts[at]);
		return;
	}
	struct act *act = leader_act(d, part_marked, deletion);
	if (!act)
		return;
	add_set(d->plan, act->multi, deletion->parts[at], ANY_VERSION, &stamp);
	add_set(d->plan, act->multi, deletion->parts[at], ANY_VERSION, &stamp);
}

/* Folders that hold folders: these are emptied first. */
static bool
is_part(enum node_kind kind)
{
	return kind == NODE_DONE_SEG || kind == NODE_DEAD_SEG || kind == NODE_RETRY_SEG || kind == NODE_SEGMENT ||
	    kind == NODE_HOLD_SEG || kind == NODE_CANCEL_SEG || kind == NODE_UPDATE_SEG || kind == NODE_SHARD ||
	    kind == NODE_KEY_DIR;
}

static void
parts_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct deletion *deletion = poll->owner;
	int count = 0;

	poll_free(d, poll);
	deletion->list = NULL;
	if (reply->rc != RC_OK) {
		deletion->acting = false;
		later(d, deletion, reply->rc == RC_NONODE ? 0 : RETRY_PAUSE_MS);
		return;
	}
	free(deletion->parts);
	deletion->parts = take(d, ((size_t)reply->child_count + 1) * sizeof *deletion->parts);
	for (int i = 0; deletion->parts && i < reply->child_count; i++)
		if (is_part(reply->children[i].kind))
			deletion->parts[count++] = reply->children[i];
	deletion->part_count = count;
	deletion->part_at = 0;
	next_part(d, deletion);
}

/* In this order: see the head of the file. */
static void
top_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	static const enum node_kind order[] = { NODE_DONE_ALL, NODE_DEAD_ALL, NODE_KEYS, NODE_CANCEL_ALL, NODE_UPDATE_ALL,
		NODE_HOLD_ALL, NODE_RETRY_ALL, NODE_INBOX, NODE_MOVED, NODE_CLASSES, NODE_TASKS };
	struct deletion *deletion = poll->owner;

	deletion->acting = false;
	if (reply->rc != RC_OK) {
		poll_want(d, deletion->queue->config);
		later(d, deletion, RETRY_PAUSE_MS);
		return;
	}
	for (size_t k = 0; k < sizeof order / sizeof *order; k++)
		for (int i = 0; i < reply->child_count; i++)
			if (reply->children[i].kind == order[k]) {
				deletion->folder = reply->children[i];
				deletion->list = poll_new(d, REQ_LIST, deletion->folder, REC_NONE, false, parts_listed, deletion);
				poll_want(d, deletion->list);
				deletion->acting = true;
				return;
			}
	if (reply->child_count)
		stuck(d, deletion, "something in its folder that is not of this tree");
	else
		send_end(d, deletion);
}

static void
remove_rest(struct dispatcher *d, struct deletion *deletion)
{
	if (!deletion->top)
		deletion->top = poll_new(d, REQ_LIST, node_of_queue(NODE_QUEUE, deletion->queue->name), REC_NONE, false, top_listed,
		    deletion);
	poll_want(d, deletion->top);
	deletion->acting = true;
}

/* ---- */

bool
deletion_told(struct dispatcher *d, struct queue *queue, const struct rec_queue *record, int32_t version)
{
	queue->config_version = version;
	if (queue->deletion)
		queue->deletion->looking = false;
	if (record->deleted) {
		queue->deleting = queue->delete_force = true;
		if (!bury(d, queue, record->next))
			poll_want_at(d, queue->config, d->now_ms + RETRY_PAUSE_MS);
		return true;
	}
	queue->burying = false;
	queue->deleting = record->deleting;
	queue->delete_force = record->deleting && record->delete_force;
	return false;
}

bool
deletion_over(struct dispatcher *d, struct queue *queue)
{
	if (queue->deletion && queue->deletion->acting)
		return false;	/* somebody wrote it by hand while it was being removed */
	deletion_end(d, queue);
	queue->deleted = false;
	return true;
}

void
deletion_run(struct dispatcher *d, struct queue *queue)
{
	struct deletion *deletion;

	if ((!queue->deleting && !queue->deleted) || !(deletion = deletion_of(d, queue)) || deletion->acting ||
	    deletion->looking)
		return;
	if (d->now_ms < deletion->at_ms)
		plan_wake(d->plan, deletion->at_ms);
	else if (queue->deleted)
		remove_rest(d, deletion);
	else
		prepare(d, deletion);
}
