/*
 * leader.c: reads and multis of a leader, and the order in which it takes over.
 *
 * Folders before segments: a task whose claim is returned or finished between the two is then seen in
 * the segment or not at all; the other way round it could be seen waiting while it is claimed.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

/* ---- polls ---- */

struct poll *
poll_new(struct dispatcher *d, enum request_kind kind, struct node node, enum record_kind record_kind, bool watch,
    poll_got *got, void *owner)
{
	struct poll *poll = take(d, sizeof *poll);

	if (!poll)
		return NULL;
	poll->kind = kind;
	poll->node = node;
	if (node.text) {
		poll->text = take_string(d, node.text);
		if (!poll->text) {
			free(poll);
			return NULL;
		}
		poll->node.text = poll->text;
	}
	poll->record_kind = record_kind;
	poll->watch = watch;
	poll->got = got;
	poll->owner = owner;
	poll->id = ++d->next_id;
	HASH_ADD(hh, d->polls, id, sizeof poll->id, poll);
	if (!poll->hh.tbl) {
		free(poll->text);
		free(poll);
		return NULL;
	}
	return poll;
}

static void
enqueue(struct dispatcher *d, struct poll *poll)
{
	poll->queued = true;
	poll->next = NULL;
	poll->prev = d->agenda_last;
	if (d->agenda_last)
		d->agenda_last->next = poll;
	else
		d->agenda = poll;
	d->agenda_last = poll;
}

static void
dequeue(struct dispatcher *d, struct poll *poll)
{
	if (poll->prev)
		poll->prev->next = poll->next;
	else
		d->agenda = poll->next;
	if (poll->next)
		poll->next->prev = poll->prev;
	else
		d->agenda_last = poll->prev;
	poll->queued = false;
}

void
poll_free(struct dispatcher *d, struct poll *poll)
{
	if (!poll)
		return;
	if (poll->queued)
		dequeue(d, poll);
	if (poll->busy)
		d->reads_out--;
	HASH_DEL(d->polls, poll);
	free(poll->text);
	free(poll);
}

void
polls_free_all(struct dispatcher *d)
{
	struct poll *poll, *next;

	HASH_ITER(hh, d->polls, poll, next)
		poll_free(d, poll);
	d->reads_out = 0;
}

void
poll_want(struct dispatcher *d, struct poll *poll)
{
	if (!poll)
		return;
	poll->dirty = true;
	if (!poll->busy && !poll->queued)
		enqueue(d, poll);
}

void
poll_want_at(struct dispatcher *d, struct poll *poll, int64_t at_ms)
{
	if (poll && poll->not_before_ms < at_ms)
		poll->not_before_ms = at_ms;
	poll_want(d, poll);
}

static void
poll_send(struct dispatcher *d, struct poll *poll)
{
	uint32_t tag = TAG(TAG_POLL, d->generation);

	dequeue(d, poll);
	poll->dirty = false;
	poll->busy = true;
	poll->sent++;
	d->reads_out++;
	if (poll->kind == REQ_GET)
		plan_get(d->plan, tag, poll->id, poll->node, poll->record_kind, poll->watch);
	else if (poll->kind == REQ_LIST)
		plan_list(d->plan, tag, poll->id, poll->node, poll->watch);
	else
		plan_exists(d->plan, tag, poll->id, poll->node, poll->watch);
}

void
polls_run(struct dispatcher *d)
{
	if (!d->connected)
		return;
	for (struct poll *poll = d->agenda, *next; poll && d->reads_out < READS_IN_FLIGHT_MAX; poll = next) {
		next = poll->next;
		if (poll->not_before_ms > d->now_ms)
			plan_wake(d->plan, poll->not_before_ms);
		else
			poll_send(d, poll);
	}
}

void
poll_reply(struct dispatcher *d, const struct reply *reply)
{
	struct poll *poll;
	uint64_t id = reply->arg;

	HASH_FIND(hh, d->polls, &id, sizeof id, poll);
	if (!poll)
		return;
	poll->busy = false;
	d->reads_out--;
	if (reply->rc == RC_UNKNOWN || reply->rc == RC_NOTSENT || reply->rc == RC_NOMEM) {
		poll_want_at(d, poll, d->now_ms + LIST_PAUSE_MIN_MS * LIST_PAUSE_FACTOR);
		return;
	}
	if (poll->kind == REQ_LIST)
		poll->not_before_ms = d->now_ms + list_pause_ms(reply->took_ms, reply->child_count);
	poll->got(d, poll, reply);
	HASH_FIND(hh, d->polls, &id, sizeof id, poll);
	if (poll && poll->dirty && !poll->busy && !poll->queued)
		enqueue(d, poll);
}

/* ---- acts ---- */

bool
outcome_unknown(enum rc rc)
{
	return rc == RC_UNKNOWN || rc == RC_NOMEM;
}

struct act *
leader_act(struct dispatcher *d, act_done *done, void *owner)
{
	struct act *act = take(d, sizeof *act);

	if (!act)
		return NULL;
	act->id = ++d->next_id;
	act->done = done;
	act->owner = owner;
	HASH_ADD(hh, d->acts, id, sizeof act->id, act);
	if (!act->hh.tbl) {
		free(act);
		return NULL;
	}
	act->multi = plan_multi(d->plan, TAG(TAG_ACT, d->generation), act->id);
	add_check(d->plan, act->multi, own_node(d), ANY_VERSION);
	return act;
}

bool
act_item(struct dispatcher *d, struct act *act, void *item)
{
	uint32_t room = (uint32_t)act->item_room;

	if (!grow(d, (void **)&act->items, (uint32_t)act->item_count, &room, sizeof *act->items))
		return false;
	act->item_room = (int)room;
	act->items[act->item_count++] = item;
	return true;
}

static void
act_free(struct dispatcher *d, struct act *act)
{
	HASH_DEL(d->acts, act);
	free(act->items);
	free(act);
}

void
acts_free_all(struct dispatcher *d)
{
	struct act *act, *next;

	HASH_ITER(hh, d->acts, act, next)
		act_free(d, act);
}

void
act_reply(struct dispatcher *d, const struct reply *reply)
{
	struct act *act;
	uint64_t id = reply->arg;

	HASH_FIND(hh, d->acts, &id, sizeof id, act);
	if (!act)
		return;
	act->multi = NULL;
	if (reply->rc != RC_OK && reply->failed_op >= 0)
		d->refused_total++;
	if (reply->rc == RC_NONODE && reply->failed_op == 0) {
		d->fenced_total++;
		step_down(d, "its candidate is gone from the election");
		return;
	}
	act->done(d, act, reply);
	act_free(d, act);
}

/* ---- taking over ---- */

void
leader_start(struct dispatcher *d)
{
	d->generation = (d->generation + 1) & GENERATION_MASK;
	plan_sync(d->plan, TAG(TAG_POLL, d->generation), 0, node_plain(NODE_ROOT));
	d->assign_list = poll_new(d, REQ_LIST, node_plain(NODE_ASSIGN), REC_NONE, true, folders_listed, NULL);
	d->default_look = poll_new(d, REQ_EXISTS, node_of_queue(NODE_RETIRED, "default"), REC_NONE, false, default_seen, NULL);
	d->queue_list = poll_new(d, REQ_LIST, node_plain(NODE_QUEUES), REC_NONE, true, queues_listed, NULL);
	poll_want(d, d->assign_list);
}

/* All incarnations have been read: the queues may follow. */
void
leader_folders_read(struct dispatcher *d)
{
	if (d->folders_ready || !d->assign_listed)
		return;
	for (struct folder *folder = d->folders; folder; folder = folder->hh.next)
		if (!folder->taken)
			return;
	d->folders_ready = true;
	d->place_due = true;
	poll_want(d, d->queue_list);
}

void
leader_stop(struct dispatcher *d)
{
	struct folder *folder, *next_folder;
	struct queue *queue, *next_queue;

	HASH_ITER(hh, d->folders, folder, next_folder)
		folder_free(d, folder);
	HASH_ITER(hh, d->queues, queue, next_queue)
		queue_free(d, queue);
	acts_free_all(d);
	polls_free_all(d);
	lost_numbers_free(d);
	d->generation = (d->generation + 1) & GENERATION_MASK;
	d->assign_list = d->queue_list = d->default_look = NULL;
	d->queue_turn = NULL;
	d->folders_ready = d->assign_listed = d->queues_listed = d->ready_said = d->place_due = false;
	memset(d->waiting_at, 0, sizeof d->waiting_at);
	d->waiting = d->claimed = d->frozen = d->segments = d->set_aside = 0;
	d->last_assign_wall_ms = d->last_end_wall_ms = 0;
	d->server_time_known = false;
	free(d->place_workers);
	free(d->place_folders);
	d->place_workers = NULL;
	d->place_folders = NULL;
	d->place_room = 0;
	d->kept = NULL;
}

/* The connection is back and the session with it; the watches are still set. What was wanted goes out behind
 * a sync, so that no answer is older than what the old connection did. */
void
leader_reconnected(struct dispatcher *d)
{
	struct poll *poll, *next;

	plan_sync(d->plan, TAG(TAG_POLL, d->generation), 0, node_plain(NODE_ROOT));
	/* A transaction may fire several watches; when the connection breaks between two of them, the client has seen its
	 * zxid and the server takes the others for delivered. What was never read yet is read in its order. */
	HASH_ITER(hh, d->polls, poll, next)
		if (poll->watch && poll->sent)
			poll_want(d, poll);
	d->place_due = true;
}

void
leader_watch(struct dispatcher *d, const struct node *node)
{
	switch (node->kind) {
	case NODE_ASSIGN:
		poll_want(d, d->assign_list);
		break;
	case NODE_FOLDER:
	case NODE_LIVE:
	case NODE_WORKER:
		folder_watch(d, node);
		break;
	case NODE_QUEUES:
		if (d->folders_ready)
			poll_want(d, d->queue_list);
		break;
	default:
		if (node->queue[0])
			queue_watch(d, node);
		break;
	}
}

static void
say_ready(struct dispatcher *d)
{
	uint64_t claims = 0;

	if (d->ready_said || !d->folders_ready || !d->queues_listed)
		return;
	for (struct queue *queue = d->queues; queue; queue = queue->hh.next)
		if (!queue->ready && !queue->gone && !queue->deleted && queue->broken == RC_OK)
			return;
	for (struct folder *folder = d->folders; folder; folder = folder->hh.next)
		claims += folder->unresolved;
	d->ready_said = true;
	plan_note(d->plan, NOTICE, "dispatcher %s: has taken over: %u queues, %u workers, %llu tasks waiting, %llu claimed",
	    d->name, HASH_COUNT(d->queues), HASH_COUNT(d->folders), (unsigned long long)d->waiting,
	    (unsigned long long)claims);
}

void
leader_run(struct dispatcher *d)
{
	if (d->connected) {
		say_ready(d);
		for (struct queue *queue = d->queues; queue; queue = queue->hh.next) {
			if (queue->gone || !(queue->ready || queue->deleted))
				continue;
			deletion_run(d, queue);
			if (queue->deleted || queue->burying || queue->delete_force)
				continue;
			queue_pause_run(d, queue);
			inbox_run(d, queue);
			wishes_run(d, queue);
			if (!queue->deleting)
				retention_run(d, queue);
		}
		revoke_run(d);
		assign_run(d);
	}
	polls_run(d);
}

/* ---- the server's clock ---- */

/* Any server time that is seen is at most the present one; what has passed since is added on our own clock. */
void
server_time(struct dispatcher *d, int64_t time_ms)
{
	int64_t ahead = time_ms - d->now_ms;

	if (time_ms <= 0 || (d->server_time_known && ahead <= d->server_ahead_ms))
		return;
	d->server_time_known = true;
	d->server_ahead_ms = ahead;
}

int64_t
server_now(const struct dispatcher *d)
{
	return d->server_time_known ? d->now_ms + d->server_ahead_ms : 0;
}
