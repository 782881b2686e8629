/*
 * wish.c: requests of people about single tasks: cancel/<seg>/<token>, update/<seg>/<token>.
 *
 * Each is listed and its task looked for. Unknown: its segment is listed after the request was seen; only when the
 * task is not in it, the request is dropped. How one is fulfilled stands in cancel.c and update.c.
 */
#include "core/dispatcher/wish.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define WISHES_ACTING_MAX 64	/* multis out for the requests of one queue */

static const struct {
	enum node_kind all, segment, one;
	const char *word;
} kinds[WISH_KINDS] = {
	[WISH_CANCEL] = { NODE_CANCEL_ALL, NODE_CANCEL_SEG, NODE_CANCEL, "cancel" },
	[WISH_UPDATE] = { NODE_UPDATE_ALL, NODE_UPDATE_SEG, NODE_UPDATE, "update" },
};

void
wish_due(struct wish *wish)
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
	struct segment *segment = segment_find(wish->folder->queue, wish->folder->key.seg);

	return segment && !segment->gone ? segment_by_token(segment, wish->token) : NULL;
}

void
wish_free(struct dispatcher *d, struct wish *wish)
{
	not_due(wish);
	poll_free(d, wish->fetch);
	HASH_DEL(wish->folder->wishes, wish);
	free(wish);
}

void
wish_withdrawn(struct dispatcher *d, struct wish *wish)
{
	struct task *task = task_of(wish);

	wish_free(d, wish);
	if (task && task->wished)
		wishes_task(d, task);
}

void
wish_over(struct dispatcher *d, struct wish *wish)
{
	struct task *task = task_of(wish);

	wish->stage = WISH_OVER;
	wish_due(wish);
	if (task && task->wished)
		wishes_task(d, task);
}

void
wish_busy(struct wish *wish, bool busy)
{
	int more = busy ? 1 : -1;

	wish->busy = busy;
	wish->folder->busy += more;
	wish->folder->queue->wishes_acting += more;
}

struct node
wish_node(const struct wish *wish)
{
	return node_of_token(kinds[wish->folder->key.kind].one, wish->folder->queue->name, wish->folder->key.seg, wish->token);
}

static void
folder_free_wishes(struct dispatcher *d, struct wish_folder *folder)
{
	struct wish *wish, *next;

	HASH_ITER(hh, folder->wishes, wish, next)
		wish_free(d, wish);
	poll_free(d, folder->list);
	HASH_DEL(folder->queue->wish_folders, folder);
	free(folder);
}

void
wishes_end(struct dispatcher *d, struct queue *queue)
{
	struct wish_folder *folder, *next;

	HASH_ITER(hh, queue->wish_folders, folder, next)
		folder_free_wishes(d, folder);
	for (int kind = 0; kind < WISH_KINDS; kind++) {
		poll_free(d, queue->wish_lists[kind]);
		queue->wish_lists[kind] = NULL;
		queue->wishes_listed[kind] = false;
	}
	queue->wishes_read = false;
	queue->wishes_acting = 0;
}

static struct wish_folder *
folder_of(struct queue *queue, enum wish_kind kind, uint32_t seg)
{
	struct wish_key key = { .kind = kind, .seg = seg };
	struct wish_folder *folder;

	HASH_FIND(hh, queue->wish_folders, &key, sizeof key, folder);
	return folder;
}

bool
wishes_folder(struct queue *queue, enum wish_kind kind, uint32_t seg)
{
	return folder_of(queue, kind, seg) != NULL;
}

bool
wishes_pending(struct queue *queue, uint32_t seg)
{
	for (int kind = 0; kind < WISH_KINDS; kind++) {
		struct wish_folder *folder = folder_of(queue, kind, seg);

		if (folder && (folder->wishes || folder->busy))
			return true;
	}
	return false;
}

/* ---- where a request stands ---- */

/* Finds the task, or asks for the listing that tells whether there is one. */
static void
consider(struct dispatcher *d, struct wish *wish)
{
	struct queue *queue = wish->folder->queue;
	struct segment *segment = segment_find(queue, wish->folder->key.seg);
	struct task *task = task_of(wish);

	if (task) {
		wish->stage = WISH_TASK;
		task->wished = true;
		wish_due(wish);
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

/* What is asked of the task: its end before its change. */
static struct wish *
wish_of(const struct task *task)
{
	for (int kind = 0; kind < WISH_KINDS; kind++) {
		struct wish_folder *folder = folder_of(task->segment->queue, kind, task->segment->seg);
		struct wish *wish = NULL;

		if (folder)
			HASH_FIND_STR(folder->wishes, task->token, wish);
		if (wish && (kind == WISH_CANCEL || wish->stage < WISH_OVER))
			return wish;
	}
	return NULL;
}

void
wishes_task(struct dispatcher *d, struct task *task)
{
	struct wish *wish = wish_of(task);

	if (wish) {
		wish->stage = WISH_TASK;
		wish_due(wish);
		return;
	}
	task->wished = false;
	if (task->phase == TASK_UNREAD)
		task_wait(d, task);
}

static void
decide_folder(struct dispatcher *d, struct wish_folder *folder)
{
	struct segment *segment = segment_find(folder->queue, folder->key.seg);
	struct wish *wish, *next;

	HASH_ITER(hh, folder->wishes, wish, next) {
		bool decided = !segment || segment->gone || (segment->list && segment->list->sent > wish->mark);

		if (wish->busy || (wish->stage == WISH_LIST && !decided) ||
		    (wish->stage != WISH_LIST && wish->stage != WISH_TASK))
			continue;
		if (task_of(wish))
			consider(d, wish);
		else {
			wish->stage = WISH_OVER;
			wish_due(wish);
		}
	}
}

void
wishes_segment(struct dispatcher *d, struct queue *queue, uint32_t seg)
{
	for (int kind = 0; kind < WISH_KINDS; kind++) {
		struct wish_folder *folder = folder_of(queue, kind, seg);

		if (folder)
			decide_folder(d, folder);
	}
}

void
wishes_tail(struct dispatcher *d, struct queue *queue)
{
	struct wish_folder *folder, *next_folder;
	struct wish *wish, *next;

	HASH_ITER(hh, queue->wish_folders, folder, next_folder) {
		struct segment *segment = segment_find(queue, folder->key.seg);

		HASH_ITER(hh, folder->wishes, wish, next) {
			if (wish->stage != WISH_TAIL || wish->mark >= queue->tail->sent)
				continue;
			if (segment && !segment->gone)
				consider(d, wish);
			else {
				wish->stage = WISH_OVER;
				wish_due(wish);
			}
		}
	}
}

/* ---- dropping a request ---- */

static void
dropped(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct wish *wish = act->owner;
	struct wish_folder *folder = wish->folder;
	struct queue *queue = folder->queue;
	uint32_t seg = folder->key.seg;

	wish_busy(wish, false);
	if (reply->rc == RC_OK || (reply->rc == RC_NONODE && reply->failed_op == 1)) {
		wish_free(d, wish);
		poll_want(d, folder->list);
		struct segment *segment = segment_find(queue, seg);
		if (segment)
			segment_tend(d, segment);
		return;
	}
	if (outcome_unknown(reply->rc) || reply->rc == RC_NOTSENT || reply->failed_op < 0) {
		wish->not_before_ms = d->now_ms + RETRY_PAUSE_MS;
		wish_due(wish);
		return;
	}
	wish->stage = WISH_STUCK;
	plan_note(d->plan, NOTE_WARNING, "queue %s: the request to %s %u.%s cannot be deleted: %s", queue->name,
	    kinds[folder->key.kind].word, seg, wish->token, rc_word(reply->rc));
}

static void
drop(struct dispatcher *d, struct wish *wish)
{
	struct act *act = leader_act(d, dropped, wish);

	if (!act)
		return;
	add_delete(d->plan, act->multi, wish_node(wish), ANY_VERSION);
	wish_busy(wish, true);
}

/* ---- doing what is due ---- */

/* False when it must be looked at again without anything else happening before. */
static bool
act_on(struct dispatcher *d, struct wish *wish)
{
	struct task *task = task_of(wish);

	if (wish->folder->key.kind == WISH_UPDATE && wish->stage == WISH_OVER)
		task = NULL;
	if (task && wish->folder->key.kind == WISH_CANCEL)
		return cancel_act_on(d, wish, task);
	if (task) {
		bool looked = update_act_on(d, wish, task);

		if (wish->stage != WISH_OVER)
			return looked;
	}
	if (wish->stage == WISH_TASK)
		wish->stage = WISH_OVER;
	if (wish->stage == WISH_OVER)
		drop(d, wish);
	return true;
}

void
wishes_run(struct dispatcher *d, struct queue *queue)
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
			wish_due(wish);
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
	if (queue->wishes_read)
		return;
	for (int kind = 0; kind < WISH_KINDS; kind++)
		if (!queue->wishes_listed[kind])
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
	struct segment *segment = segment_find(queue, folder->key.seg);
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
		if (reply->children[i].kind != kinds[folder->key.kind].one)
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
			wish_withdrawn(d, wish);
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
	add_delete(d->plan, act->multi, node_of_segment(kinds[folder->key.kind].segment, queue->name, folder->key.seg), ANY_VERSION);
	folder->deleting = true;
	folder->busy++;
}

/* Queues of an earlier version have no place for updates. */
static void
place_made(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct queue *queue = act->owner;

	queue->wish_place_out = false;
	if (reply->rc == RC_OK || reply->failed_op == 1)
		poll_want(d, queue->wish_lists[WISH_UPDATE]);
	else
		poll_want_at(d, queue->wish_lists[WISH_UPDATE], d->now_ms + CLASS_PAUSE_MS);
}

static void
make_place(struct dispatcher *d, struct queue *queue)
{
	struct act *act = queue->wish_place_out ? NULL : leader_act(d, place_made, queue);

	if (!act)
		return;
	queue->wish_place_out = true;
	add_create(d->plan, act->multi, node_of_queue(NODE_UPDATE_ALL, queue->name), 0, NULL);
}

static struct wish_folder *
folder_new(struct dispatcher *d, struct queue *queue, enum wish_kind kind, const struct node *node)
{
	struct wish_folder *folder = take(d, sizeof *folder);

	if (!folder)
		return NULL;
	folder->key = (struct wish_key){ .kind = kind, .seg = node->seg };
	folder->queue = queue;
	HASH_ADD(hh, queue->wish_folders, key, sizeof folder->key, folder);
	if (!folder->hh.tbl) {
		free(folder);
		return NULL;
	}
	folder->list = poll_new(d, REQ_LIST, *node, REC_NONE, true, wishes_listed, folder);
	poll_want(d, folder->list);
	return folder;
}

static void
folders_listed_not(struct dispatcher *d, struct queue *queue, enum wish_kind kind, const struct reply *reply)
{
	struct poll *poll = queue->wish_lists[kind];

	queue->wishes_listed[kind] |= !outcome_unknown(reply->rc) && reply->rc != RC_NOTSENT;
	if (kind == WISH_UPDATE && reply->rc == RC_NONODE && d->connected) {
		make_place(d, queue);
	} else {
		plan_note(d->plan, NOTE_WARNING, "queue %s: its %s requests cannot be listed: %s", queue->name,
		    kinds[kind].word, rc_word(reply->rc));
		poll_want_at(d, poll, d->now_ms + CLASS_PAUSE_MS);
	}
	check_read(d, queue);
}

/* The folders of one kind there are. */
static void
wish_folders_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct queue *queue = poll->owner;
	enum wish_kind kind = poll == queue->wish_lists[WISH_CANCEL] ? WISH_CANCEL : WISH_UPDATE;
	struct wish_folder *folder, *next;

	if (queue->gone)
		return;
	if (reply->rc != RC_OK) {
		folders_listed_not(d, queue, kind, reply);
		return;
	}
	queue->wishes_listed[kind] = true;
	HASH_ITER(hh, queue->wish_folders, folder, next)
		folder->in_tree = folder->key.kind != (uint32_t)kind;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *node = &reply->children[i];

		if (node->kind != kinds[kind].segment)
			continue;
		folder = folder_of(queue, kind, node->seg);
		if (!folder && !(folder = folder_new(d, queue, kind, node)))
			return;
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
wishes_start(struct dispatcher *d, struct queue *queue)
{
	for (int kind = 0; kind < WISH_KINDS; kind++) {
		if (!queue->wish_lists[kind])
			queue->wish_lists[kind] = poll_new(d, REQ_LIST, node_of_queue(kinds[kind].all, queue->name), REC_NONE,
			    true, wish_folders_listed, queue);
		poll_want(d, queue->wish_lists[kind]);
	}
}

/* Its segment was deleted and it with it, or it was found missing. */
void
wishes_folder_gone(struct dispatcher *d, struct queue *queue, enum wish_kind kind, uint32_t seg)
{
	struct wish_folder *folder = folder_of(queue, kind, seg);

	if (folder && !folder->wishes && !folder->busy)
		folder_free_wishes(d, folder);
	else if (folder)
		poll_want(d, folder->list);
	poll_want(d, queue->wish_lists[kind]);
}

void
wishes_watch(struct dispatcher *d, struct queue *queue, const struct node *node)
{
	for (int kind = 0; kind < WISH_KINDS; kind++) {
		struct wish_folder *folder = node->kind == kinds[kind].segment ? folder_of(queue, kind, node->seg) : NULL;

		if (node->kind == kinds[kind].all)
			poll_want(d, queue->wish_lists[kind]);
		else if (folder)
			poll_want(d, folder->list);
	}
}

bool
wishes_idle(const struct queue *queue)
{
	for (const struct wish_folder *folder = queue->wish_folders; folder; folder = folder->hh.next)
		if (folder->busy)
			return false;
	return !queue->wish_place_out;
}
