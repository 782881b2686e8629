/*
 * task.c: the tasks that a leader knows, and the lanes in which they wait.
 *
 *     UNREAD -> READING -> WAITING -> CLAIMED -> gone
 *                  ^                    | returned, revoked
 *                  +--------------------+
 *     DOUBT: the segment's listing tells whether it is gone. ENDING: cancelled. ASIDE: left alone.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

struct task_name
task_name_of(const struct task *task)
{
	struct task_name name = { .priority = task->priority, .whole = task->whole, .class_hash = task->class->hash,
		.key_hash = task->key_hash, .seq = task->seq };

	memcpy(name.token, task->token, sizeof name.token);
	return name;
}

struct node
task_node(const struct task *task)
{
	struct task_name name = task_name_of(task);

	return node_task(task->segment->queue->name, task->segment->seg, &name);
}

struct node
retry_node(const struct task *task)
{
	return node_of_token(NODE_RETRY, task->segment->queue->name, task->segment->seg, task->token);
}

const char *
task_words(struct dispatcher *d, const struct task *task)
{
	const char *words = arena_printf(&d->plan->arena, "%s.%u.%s", task->segment->queue->name, task->segment->seg,
	    task->token);

	return words ? words : "?";
}

/* ---- lanes ---- */

static bool
earlier(const struct task *a, const struct task *b)
{
	if (a->segment->seg != b->segment->seg)
		return a->segment->seg < b->segment->seg;
	return a->seq < b->seq;
}

static void
place_at(struct lane *lane, struct task *task, uint32_t position)
{
	lane->heap[position] = task;
	task->aux.position = position;
}

static void
rise(struct lane *lane, struct task *task, uint32_t position)
{
	while (position > 0) {
		uint32_t parent = (position - 1) / 2;

		if (!earlier(task, lane->heap[parent]))
			break;
		place_at(lane, lane->heap[parent], position);
		position = parent;
	}
	place_at(lane, task, position);
}

static void
sink(struct lane *lane, struct task *task, uint32_t position)
{
	for (;;) {
		uint32_t child = position * 2 + 1;

		if (child >= lane->count)
			break;
		if (child + 1 < lane->count && earlier(lane->heap[child + 1], lane->heap[child]))
			child++;
		if (!earlier(lane->heap[child], task))
			break;
		place_at(lane, lane->heap[child], position);
		position = child;
	}
	place_at(lane, task, position);
}

static struct lane *
lane_of(const struct task *task)
{
	return &task->class->lanes[task->priority][task->suspect];
}

struct task *
lane_first(const struct lane *lane)
{
	return lane->count ? lane->heap[0] : NULL;
}

static void
lane_add(struct dispatcher *d, struct task *task)
{
	struct lane *lane = lane_of(task);
	struct queue *queue = task->segment->queue;

	if (!grow(d, (void **)&lane->heap, lane->count, &lane->room, sizeof *lane->heap))
		return;
	task->phase = TASK_WAITING;
	rise(lane, task, lane->count++);
	queue->waiting++;
	queue->waiting_at[task->priority]++;
	d->waiting++;
	d->waiting_at[task->priority]++;
	d->place_due = true;
}

static void
lane_remove(struct dispatcher *d, struct task *task)
{
	struct lane *lane = lane_of(task);
	struct queue *queue = task->segment->queue;
	uint32_t position = task->aux.position;
	struct task *last = lane->heap[--lane->count];

	if (last != task) {
		if (position > 0 && earlier(last, lane->heap[(position - 1) / 2]))
			rise(lane, last, position);
		else
			sink(lane, last, position);
	}
	if (!lane->count) {
		free(lane->heap);
		memset(lane, 0, sizeof *lane);
	}
	queue->waiting--;
	queue->waiting_at[task->priority]--;
	d->waiting--;
	d->waiting_at[task->priority]--;
}

/* ---- classes ---- */

static void
class_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct class *class = poll->owner;
	const struct rec_class *record = &reply->record.class;

	d->place_due = true;
	class->there = reply->rc != RC_NONODE;
	if (reply->rc == RC_OK && !reply->bad && record->hash_matches) {
		class->phase = CLASS_KNOWN;
		class->mode = record->mode;
		class->crash_limit = record->crash_limit ? record->crash_limit : CRASH_LIMIT;
		class->said = false;
		return;
	}
	class->phase = CLASS_BAD;
	if (!class->said && class->tasks)
		plan_note(d->plan, NOTE_WARNING, "queue %s: class %016llx: %s; its tasks are set aside", class->queue->name,
		    (unsigned long long)class->hash, reply->rc != RC_OK ? rc_word(reply->rc) :
		    reply->bad ? "not a class record" : "its name is not the hash of its text");
	class->said = class->said || class->tasks;
	if (class->tasks)
		poll_want_at(d, poll, d->now_ms + CLASS_PAUSE_MS);
}

struct class *
class_of(struct dispatcher *d, struct queue *queue, uint64_t hash)
{
	struct class *class;

	HASH_FIND(hh, queue->classes, &hash, sizeof hash, class);
	if (class)
		return class;
	class = take(d, sizeof *class);
	if (!class)
		return NULL;
	class->hash = hash;
	class->queue = queue;
	class->crash_limit = CRASH_LIMIT;
	class->read = poll_new(d, REQ_GET, node_of_hash(NODE_CLASS, queue->name, hash), REC_CLASS, false, class_read, class);
	if (class->read)
		HASH_ADD(hh, queue->classes, hash, sizeof class->hash, class);
	if (!class->read || !class->hh.tbl) {
		poll_free(d, class->read);
		free(class);
		return NULL;
	}
	return class;
}

void
class_free(struct dispatcher *d, struct class *class)
{
	poll_free(d, class->read);
	for (int priority = 0; priority <= PRIORITY_MAX; priority++)
		for (int suspect = 0; suspect < 2; suspect++)
			free(class->lanes[priority][suspect].heap);
	if (class->queue->class_turn == class)
		class->queue->class_turn = NULL;
	HASH_DEL(class->queue->classes, class);
	free(class);
}

/* ---- tasks ---- */

struct task *
task_new(struct dispatcher *d, struct segment *segment, const struct task_name *name)
{
	struct class *class = class_of(d, segment->queue, name->class_hash);
	struct task *task = class ? take(d, sizeof *task) : NULL;

	if (!task)
		return NULL;
	task->segment = segment;
	task->class = class;
	task->key_hash = name->key_hash;
	task->seq = name->seq;
	task->priority = name->priority <= PRIORITY_MAX ? name->priority : PRIORITY_MAX;
	task->whole = name->whole;
	memcpy(task->token, name->token, sizeof task->token);
	task->phase = TASK_UNREAD;
	task->seen_ms = d->now_ms;
	if (!segment_put(d, segment, task)) {
		free(task);
		return NULL;
	}
	if (!class->tasks++ && class->phase != CLASS_KNOWN)
		poll_want(d, class->read);
	return task;
}

void
task_leave(struct dispatcher *d, struct task *task)
{
	switch (task->phase) {
	case TASK_WAITING:
		lane_remove(d, task);
		break;
	case TASK_READING:
		poll_free(d, task->aux.fetch);
		break;
	case TASK_DOUBT:
		task->segment->doubts--;
		break;
	case TASK_ASIDE:
		d->set_aside--;
		break;
	default:
		break;
	}
	task->phase = TASK_UNREAD;
	task->aux.fetch = NULL;
}

void
task_gone(struct dispatcher *d, struct task *task)
{
	struct segment *segment = task->segment;

	task_leave(d, task);
	task->class->tasks--;
	segment_drop(d, segment, task);
	bool wished = task->wished;
	free(task);
	if (wished)
		wishes_segment(d, segment->queue, segment->seg);
	segment_tend(d, segment);
}

static void
retry_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct task *task = poll->owner;

	if (reply->rc == RC_OK) {
		task->retry_there = true;
		task->runs = reply->bad ? 1 : reply->record.retry.runs;
		task->crashes = reply->bad ? 0 : reply->record.retry.crashes;
		task->suspect = !reply->bad && reply->record.retry.suspect;
	} else if (reply->rc == RC_NONODE) {
		task->retry_there = task->suspect = false;
		task->runs = task->crashes = 0;
	} else {
		task_aside(d, task, arena_printf(&d->plan->arena, "its retry record cannot be read: %s", rc_word(reply->rc)));
		return;
	}
	task_leave(d, task);	/* frees the poll */
	task->retry_known = true;
	task_wait(d, task);
}

void
task_wait(struct dispatcher *d, struct task *task)
{
	if (task->segment->gone) {
		task_gone(d, task);
		return;
	}
	task_leave(d, task);
	if (!task->segment->retries_listed)
		return;
	if (!task->retry_known) {
		task->aux.fetch = poll_new(d, REQ_GET, retry_node(task), REC_RETRY, false, retry_read, task);
		if (task->aux.fetch)
			task->phase = TASK_READING;
		poll_want(d, task->aux.fetch);
	} else if (task->wished) {
		wishes_task(d, task);
	} else {
		lane_add(d, task);
	}
}

void
task_doubt(struct dispatcher *d, struct task *task)
{
	if (task->segment->gone || !task->segment->list) {
		task_gone(d, task);
		return;
	}
	task_leave(d, task);
	task->phase = TASK_DOUBT;
	task->aux.mark = task->segment->list->sent;
	task->segment->doubts++;
	task->retry_known = false;
	poll_want(d, task->segment->list);
}

void
task_aside(struct dispatcher *d, struct task *task, const char *why)
{
	task_leave(d, task);
	task->phase = TASK_ASIDE;
	d->set_aside++;
	plan_note(d->plan, NOTE_WARNING, "task %s: set aside: %s", task_words(d, task), why ? why : "it cannot be read");
}
