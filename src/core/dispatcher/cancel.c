/*
 * cancel.c: requests to cancel, cancel/<seg>/<token>.
 *
 * Waiting: the task ends as cancelled. Claimed: an order tells the worker to kill it. Unknown: its segment is
 * listed after the request was seen; only when the task is not in it, the request is dropped.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define WISHES_ACTING_MAX 64	/* multis out for the requests of one queue */

enum stage {
	WISH_TAIL,	/* its segment is unknown: a listing of tasks decides */
	WISH_LIST,	/* its task is unknown: a listing of the segment decides */
	WISH_TASK,	/* its task is or was known */
	WISH_OVER,	/* to be dropped */
	WISH_STUCK,	/* could not be dropped */
};

struct wish {
	char token[TOKEN_MAX + 1];
	UT_hash_handle hh;
	struct wish_folder *folder;
	struct wish *prev, *next;	/* queue->wishes_due */
	bool due, busy, in_tree;
	enum stage stage;
	uint32_t mark;
	int64_t not_before_ms;
};

struct wish_folder {
	uint32_t seg;
	UT_hash_handle hh;
	struct queue *queue;
	struct poll *list;
	struct wish *wishes;
	int busy;		/* acts that point here or to a wish of it */
	bool in_tree, deleting, gone;
	bool listed;		/* once */
};

static void
due(struct wish *wish)
{
	if (wish->due)
		return;
	wish->due = true;
	DL_APPEND(wish->folder->queue->wishes_due, wish);
}

static void
not_due(struct wish *wish)
{
	if (!wish->due)
		return;
	wish->due = false;
	DL_DELETE(wish->folder->queue->wishes_due, wish);
}

static struct task *
task_of(const struct wish *wish)
{
	struct segment *segment = segment_find(wish->folder->queue, wish->folder->seg);

	return segment && !segment->gone ? segment_by_token(segment, wish->token) : NULL;
}

static void
wish_free(struct wish *wish)
{
	not_due(wish);
	HASH_DEL(wish->folder->wishes, wish);
	free(wish);
}

/* The request is gone from the tree without us: the task goes on. */
static void
withdrawn(struct dispatcher *d, struct wish *wish)
{
	struct task *task = task_of(wish);

	wish_free(wish);
	if (!task || !task->wished)
		return;
	task->wished = false;
	if (task->phase == TASK_UNREAD)
		task_wait(d, task);
}

static void
folder_free_wishes(struct dispatcher *d, struct wish_folder *folder)
{
	struct wish *wish, *next;

	HASH_ITER(hh, folder->wishes, wish, next)
		wish_free(wish);
	poll_free(d, folder->list);
	HASH_DEL(folder->queue->wish_folders, folder);
	free(folder);
}

void
cancel_end(struct dispatcher *d, struct queue *queue)
{
	struct wish_folder *folder, *next;

	HASH_ITER(hh, queue->wish_folders, folder, next)
		folder_free_wishes(d, folder);
	poll_free(d, queue->cancels);
	queue->cancels = NULL;
	queue->wishes_acting = 0;
}

static struct wish_folder *
folder_of(struct queue *queue, uint32_t seg)
{
	struct wish_folder *folder;

	HASH_FIND(hh, queue->wish_folders, &seg, sizeof seg, folder);
	return folder;
}

bool
cancel_folder(struct queue *queue, uint32_t seg)
{
	return folder_of(queue, seg) != NULL;
}

bool
cancel_pending(struct queue *queue, uint32_t seg)
{
	struct wish_folder *folder = folder_of(queue, seg);

	return folder && (folder->wishes || folder->busy);
}

/* ---- where a request stands ---- */

/* Finds the task, or asks for the listing that tells whether there is one. */
static void
consider(struct dispatcher *d, struct wish *wish)
{
	struct queue *queue = wish->folder->queue;
	struct segment *segment = segment_find(queue, wish->folder->seg);
	struct task *task = task_of(wish);

	if (task) {
		wish->stage = WISH_TASK;
		task->wished = true;
		due(wish);
	} else if (segment && !segment->gone && segment->list) {
		wish->stage = WISH_LIST;
		wish->mark = segment->list->sent;
		poll_want(d, segment->list);
	} else {
		wish->stage = WISH_TAIL;
		wish->mark = queue->tail->sent;
		poll_want(d, queue->tail);
	}
}

void
cancel_task(struct dispatcher *d, struct task *task)
{
	struct wish_folder *folder = folder_of(task->segment->queue, task->segment->seg);
	struct wish *wish = NULL;

	if (folder)
		HASH_FIND_STR(folder->wishes, task->token, wish);
	if (wish) {
		wish->stage = WISH_TASK;
		due(wish);
		return;
	}
	task->wished = false;
	if (task->phase == TASK_UNREAD)
		task_wait(d, task);
}

void
cancel_segment(struct dispatcher *d, struct queue *queue, uint32_t seg)
{
	struct wish_folder *folder = folder_of(queue, seg);
	struct segment *segment = segment_find(queue, seg);
	struct wish *wish, *next;

	if (!folder)
		return;
	HASH_ITER(hh, folder->wishes, wish, next) {
		bool decided = !segment || segment->gone || (segment->list && segment->list->sent > wish->mark);

		if (wish->busy || (wish->stage == WISH_LIST && !decided) ||
		    (wish->stage != WISH_LIST && wish->stage != WISH_TASK))
			continue;
		if (task_of(wish))
			consider(d, wish);
		else {
			wish->stage = WISH_OVER;
			due(wish);
		}
	}
}

void
cancel_tail(struct dispatcher *d, struct queue *queue)
{
	struct wish_folder *folder, *next_folder;
	struct wish *wish, *next;

	HASH_ITER(hh, queue->wish_folders, folder, next_folder) {
		struct segment *segment = segment_find(queue, folder->seg);

		HASH_ITER(hh, folder->wishes, wish, next) {
			if (wish->stage != WISH_TAIL || wish->mark >= queue->tail->sent)
				continue;
			if (segment && !segment->gone)
				consider(d, wish);
			else {
				wish->stage = WISH_OVER;
				due(wish);
			}
		}
	}
}

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
		withdrawn(d, wish);
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
	struct wish_folder *folder = wish->folder;

	segment->acts--;
	folder->busy--;
	folder->queue->wishes_acting--;
	wish->busy = false;
	if (reply->rc == RC_OK) {
		plan_note(d->plan, NOTE_INFO, "task %s: cancelled while it waited", task_words(d, task));
		count_end(d, &segment->queue->counts.cancelled);
		task->wished = false;
		wish_free(wish);
		task_leave(d, task);
		task_gone(d, task);
		return;
	}
	task_leave(d, task);
	if (outcome_unknown(reply->rc))
		task_doubt(d, task);
	else
		end_refused(d, wish, task, act->mark, reply);
}

static void
end(struct dispatcher *d, struct wish *wish, struct task *task)
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
	result->outcome.reason = "cancelled";
	result->attempt = task->runs;
	result->by = d->by;
	result->at_wall_ms = d->wall_ms;
	add_delete(d->plan, act->multi, task_node(task), ANY_VERSION);
	if (task->retry_there) {
		act->mark |= ENDING_RETRY;
		add_delete(d->plan, act->multi, retry_node(task), ANY_VERSION);
	}
	add_delete(d->plan, act->multi, node_of_token(NODE_CANCEL, segment->queue->name, segment->seg, task->token),
	    ANY_VERSION);
	if (segment->done_missing) {
		act->mark |= ENDING_FOLDER;
		add_create(d->plan, act->multi, node_of_segment(NODE_DONE_SEG, segment->queue->name, segment->seg), 0, NULL);
	}
	add_create(d->plan, act->multi, node_of_token(NODE_RESULT, segment->queue->name, segment->seg, task->token), 0,
	    &record);
	task->phase = TASK_ENDING;
	wish->busy = true;
	wish->folder->busy++;
	wish->folder->queue->wishes_acting++;
	segment->acts++;
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
			cancel_task(d, claim->task);
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

static void
kill(struct dispatcher *d, struct claim *claim)
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

/* ---- dropping a request ---- */

static void
dropped(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct wish *wish = act->owner;
	struct wish_folder *folder = wish->folder;
	struct queue *queue = folder->queue;
	uint32_t seg = folder->seg;

	folder->busy--;
	queue->wishes_acting--;
	wish->busy = false;
	if (reply->rc == RC_OK || (reply->rc == RC_NONODE && reply->failed_op == 1)) {
		wish_free(wish);
		poll_want(d, folder->list);
		struct segment *segment = segment_find(queue, seg);
		if (segment)
			segment_tend(d, segment);
		return;
	}
	if (outcome_unknown(reply->rc) || reply->rc == RC_NOTSENT || reply->failed_op < 0) {
		wish->not_before_ms = d->now_ms + RETRY_PAUSE_MS;
		due(wish);
		return;
	}
	wish->stage = WISH_STUCK;
	plan_note(d->plan, NOTE_WARNING, "queue %s: the request to cancel %u.%s cannot be deleted: %s", queue->name, seg,
	    wish->token, rc_word(reply->rc));
}

static void
drop(struct dispatcher *d, struct wish *wish)
{
	struct queue *queue = wish->folder->queue;
	struct act *act = leader_act(d, dropped, wish);

	if (!act)
		return;
	add_delete(d->plan, act->multi, node_of_token(NODE_CANCEL, queue->name, wish->folder->seg, wish->token),
	    ANY_VERSION);
	wish->busy = true;
	wish->folder->busy++;
	queue->wishes_acting++;
}

/* ---- doing what is due ---- */

/* False when it must be looked at again without anything else happening before. */
static bool
act_on(struct dispatcher *d, struct wish *wish)
{
	struct task *task = task_of(wish);

	if (!task) {
		if (wish->stage == WISH_TASK)
			wish->stage = WISH_OVER;
		if (wish->stage == WISH_OVER)
			drop(d, wish);
		return true;
	}
	switch (task->phase) {
	case TASK_WAITING:
	case TASK_ASIDE:
		task_leave(d, task);
		/* fall through */
	case TASK_UNREAD:
		if (task->segment->retries_listed && task->retry_known)
			end(d, wish, task);
		else
			task_wait(d, task);	/* comes back here when its retry record is known */
		return true;
	case TASK_CLAIMED:
		if (task->aux.claim->phase == CLAIM_HELD && !(task->aux.claim->orders & 1 << VERB_KILL)) {
			if (task->aux.claim->folder->settle)
				return false;
			kill(d, task->aux.claim);
		}
		return true;
	default:
		return true;
	}
}

void
cancel_run(struct dispatcher *d, struct queue *queue)
{
	struct wish *wish, *next, *last = queue->wishes_due ? queue->wishes_due->prev : NULL;
	bool end = false;

	/* What is put back goes behind the last one: it is not for this round. */
	DL_FOREACH_SAFE(queue->wishes_due, wish, next) {
		if (end || queue->wishes_acting >= WISHES_ACTING_MAX)
			return;
		end = wish == last;
		if (wish->not_before_ms > d->now_ms) {
			plan_wake(d->plan, wish->not_before_ms);
			continue;
		}
		if (wish->busy) {
			not_due(wish);
			continue;
		}
		not_due(wish);
		if (!act_on(d, wish))
			due(wish);
	}
}

/* ---- listings ---- */

static void
folder_deleted(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct wish_folder *folder = act->owner;

	folder->busy--;
	folder->deleting = false;
	if (reply->rc == RC_OK || (reply->rc == RC_NONODE && reply->failed_op == 1)) {
		if (!folder->wishes && !folder->busy)
			folder_free_wishes(d, folder);
		return;
	}
	poll_want_at(d, folder->list, d->now_ms + RETRY_PAUSE_MS);
}

/* A task whose cancel was asked for while nobody led must not start first: its queue waits for all requests. */
static void
check_read(struct dispatcher *d, struct queue *queue)
{
	if (queue->wishes_read || !queue->cancels_listed)
		return;
	for (struct wish_folder *folder = queue->wish_folders; folder; folder = folder->hh.next)
		if (!folder->listed)
			return;
	queue->wishes_read = true;
	d->place_due = true;
}

static void
wishes_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct wish_folder *folder = poll->owner;
	struct queue *queue = folder->queue;
	struct segment *segment = segment_find(queue, folder->seg);
	struct wish *wish, *next;

	if (!outcome_unknown(reply->rc) && reply->rc != RC_NOTSENT) {
		folder->listed = true;	/* or may not be read: that must not stop the queue */
		check_read(d, queue);
	}
	if (reply->rc != RC_OK && reply->rc != RC_NONODE) {
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	HASH_ITER(hh, folder->wishes, wish, next)
		wish->in_tree = false;
	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_CANCEL)
			continue;
		const char *token = reply->children[i].task.token;
		HASH_FIND_STR(folder->wishes, token, wish);
		if (!wish) {
			wish = take(d, sizeof *wish);
			if (!wish)
				return;
			strcpy(wish->token, token);
			wish->folder = folder;
			HASH_ADD_STR(folder->wishes, token, wish);
			if (!wish->hh.tbl) {
				free(wish);
				return;
			}
			consider(d, wish);
		}
		wish->in_tree = true;
	}
	HASH_ITER(hh, folder->wishes, wish, next)
		if (!wish->in_tree && !wish->busy)
			withdrawn(d, wish);
	if (folder->wishes || folder->busy)
		return;
	if (segment && !segment->gone) {
		segment_tend(d, segment);	/* nothing but these may have kept it open */
		return;
	}
	if (reply->rc == RC_NONODE) {
		folder_free_wishes(d, folder);
		return;
	}
	/* Empty, and its segment is gone: nobody else will delete it. */
	if (folder->deleting || !d->connected)
		return;
	struct act *act = leader_act(d, folder_deleted, folder);
	if (!act)
		return;
	add_delete(d->plan, act->multi, node_of_segment(NODE_CANCEL_SEG, queue->name, folder->seg), ANY_VERSION);
	folder->deleting = true;
	folder->busy++;
}

static void
cancels_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct queue *queue = poll->owner;
	struct wish_folder *folder, *next;

	if (queue->gone)
		return;
	if (reply->rc != RC_OK) {
		plan_note(d->plan, NOTE_WARNING, "queue %s: its cancel requests cannot be listed: %s", queue->name,
		    rc_word(reply->rc));
		poll_want_at(d, poll, d->now_ms + CLASS_PAUSE_MS);
		queue->cancels_listed |= !outcome_unknown(reply->rc) && reply->rc != RC_NOTSENT;
		check_read(d, queue);
		return;
	}
	queue->cancels_listed = true;
	HASH_ITER(hh, queue->wish_folders, folder, next)
		folder->in_tree = false;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *node = &reply->children[i];

		if (node->kind != NODE_CANCEL_SEG)
			continue;
		folder = folder_of(queue, node->seg);
		if (!folder) {
			folder = take(d, sizeof *folder);
			if (!folder)
				return;
			folder->seg = node->seg;
			folder->queue = queue;
			HASH_ADD(hh, queue->wish_folders, seg, sizeof folder->seg, folder);
			if (!folder->hh.tbl) {
				free(folder);
				return;
			}
			folder->list = poll_new(d, REQ_LIST, *node, REC_NONE, true, wishes_listed, folder);
			poll_want(d, folder->list);
		}
		folder->in_tree = true;
	}
	HASH_ITER(hh, queue->wish_folders, folder, next)
		if (!folder->in_tree && !folder->wishes && !folder->busy)
			folder_free_wishes(d, folder);
		else if (!folder->in_tree)
			poll_want(d, folder->list);
	check_read(d, queue);
}

void
cancel_start(struct dispatcher *d, struct queue *queue)
{
	if (!queue->cancels)
		queue->cancels = poll_new(d, REQ_LIST, node_of_queue(NODE_CANCEL_ALL, queue->name), REC_NONE, true,
		    cancels_listed, queue);
	poll_want(d, queue->cancels);
}

/* Its segment was deleted and it with it, or it was found missing. */
void
cancel_folder_gone(struct dispatcher *d, struct queue *queue, uint32_t seg)
{
	struct wish_folder *folder = folder_of(queue, seg);

	if (folder && !folder->wishes && !folder->busy)
		folder_free_wishes(d, folder);
	else if (folder)
		poll_want(d, folder->list);
	poll_want(d, queue->cancels);
}

void
cancel_watch(struct dispatcher *d, struct queue *queue, const struct node *node)
{
	struct wish_folder *folder;

	if (node->kind == NODE_CANCEL_ALL) {
		poll_want(d, queue->cancels);
		return;
	}
	folder = folder_of(queue, node->seg);
	if (folder)
		poll_want(d, folder->list);
}
