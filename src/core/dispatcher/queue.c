/*
 * queue.c: queues: configuration, the row of segments, the roll to the next one.
 *
 * A queue is ready, and tasks of it may be placed, when all its segments have been listed once.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

struct queue *
queue_find(struct dispatcher *d, const char *name)
{
	struct queue *queue;

	HASH_FIND_STR(d->queues, name, queue);
	return queue;
}

static void
defaults(struct queue *queue)
{
	queue->paused = false;
	queue->waiting_max = WAITING_DEFAULT_MAX;
	queue->retain_age_ms = RETAIN_AGE_MS;
	queue->retain_count = RETAIN_COUNT;
	queue->retain_bytes = RETAIN_BYTES;
}

struct queue *
queue_of(struct dispatcher *d, const char *name)
{
	struct queue *queue = queue_find(d, name);

	if (queue)
		return queue;
	queue = take(d, sizeof *queue);
	if (!queue)
		return NULL;
	memcpy(queue->name, name, strlen(name) + 1);
	defaults(queue);
	HASH_ADD_STR(d->queues, name, queue);
	if (!queue->hh.tbl) {
		free(queue);
		return NULL;
	}
	return queue;
}

void
queue_free(struct dispatcher *d, struct queue *queue)
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
	deletion_end(d, queue);
	poll_free(d, queue->config);
	poll_free(d, queue->tail);
	poll_free(d, queue->tail_data);
	free(queue->strays);
	free(queue->unproven);
	if (d->queue_turn == queue)
		d->queue_turn = NULL;
	HASH_DEL(d->queues, queue);
	free(queue);
}

void
queue_check_ready(struct dispatcher *d, struct queue *queue)
{
	struct segment *segment, *next;

	if (queue->ready || queue->gone || !queue->config_read || !queue->tail_read || queue->unread)
		return;
	queue->ready = true;
	d->place_due = true;
	plan_note(d->plan, NOTE_INFO, "queue %s: read: %u tasks waiting%s", queue->name, queue->waiting,
	    queue->paused ? ", paused" : "");
	wishes_start(d, queue);
	inbox_start(d, queue);
	retention_start(d, queue);
	HASH_ITER(hh, queue->segments, segment, next)
		segment_tend(d, segment);
}

static void
queue_vanished(struct dispatcher *d, struct queue *queue)
{
	struct segment *segment, *next;

	if (queue->gone)
		return;
	queue->gone = true;
	plan_note(d->plan, NOTE_WARNING, "queue %s: is gone from the tree", queue->name);
	HASH_ITER(hh, queue->segments, segment, next)
		segment_vanished(d, segment);
}

static void queue_start(struct dispatcher *d, struct queue *queue);

static void
config_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct queue *queue = poll->owner;
	bool paused = queue->paused;

	if (reply->rc == RC_NONODE) {
		queue_vanished(d, queue);
		return;
	}
	defaults(queue);
	if (reply->rc == RC_OK && !reply->bad) {
		const struct rec_queue *record = &reply->record.queue;

		if (queue->deleted && !record->deleted) {
			if (deletion_over(d, queue)) {
				queue->gone = true;
				queue_start(d, queue);
			} else {
				poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
			}
			return;
		}
		if (deletion_told(d, queue, record, reply->stat.version))
			return;
		queue->pause_end_ms = queue_pause_end(record, reply->stat.mtime_ms);
		queue->paused = queue->pause_end_ms > server_now(d);
		queue->waiting_max = record->waiting_max;
		queue->retain_age_ms = record->retain_age_ms;
		queue->retain_count = record->retain_count;
		queue->retain_bytes = record->retain_bytes;
	} else {
		plan_note(d->plan, NOTE_WARNING, "queue %s: its configuration cannot be read: %s; defaults apply", queue->name,
		    reply->rc == RC_OK ? "not a configuration record" : rc_word(reply->rc));
		if (reply->rc != RC_OK)
			poll_want_at(d, poll, d->now_ms + CLASS_PAUSE_MS);
	}
	if (queue->config_read && paused != queue->paused)
		plan_note(d->plan, NOTICE, "queue %s: %s", queue->name, queue->paused ? "paused" : "resumed");
	queue->config_read = true;
	d->place_due = true;
	queue_check_ready(d, queue);
}

/*
 * How long a pause lasts counts from the server time at which its record was written (mtime), and is over when the
 * servers' clock, as far as this leader knows it, has come so far: as exact as its own clock runs, late by a request at most.
 * The record stays as it is: whoever reads it counts for himself.
 */
void
queue_pause_run(struct dispatcher *d, struct queue *queue)
{
	int64_t now = server_now(d);

	if (!queue->paused || queue->pause_end_ms == NEVER || !now)
		return;
	if (now < queue->pause_end_ms) {
		plan_wake(d->plan, d->now_ms + queue->pause_end_ms - now);
		return;
	}
	queue->paused = false;
	d->place_due = true;
	plan_note(d->plan, NOTICE, "queue %s: the time of its pause is over", queue->name);
}

/* ---- the row of segments ---- */

/* Segments that the listing does not show any more. */
static void
drop_missing(struct dispatcher *d, struct queue *queue)
{
	struct segment *segment, *next;
	uint32_t count = 0, *missing = arena_alloc(&d->plan->arena, (HASH_COUNT(queue->segments) + 1) * sizeof *missing);

	if (!missing)
		return;
	HASH_ITER(hh, queue->segments, segment, next)
		if (!segment->in_tree)
			missing[count++] = segment->seg;
	for (uint32_t i = 0; i < count; i++) {
		segment = segment_find(queue, missing[i]);
		if (segment)
			segment_vanished(d, segment);
	}
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* What is wrong with a queue is said once; it harms no other one. */
static void
queue_broken(struct dispatcher *d, struct queue *queue, struct poll *poll, enum rc rc)
{
	if (queue->broken != rc)
		plan_note(d->plan, NOTE_WARNING, "queue %s: its segments cannot be listed: %s; it is left alone", queue->name,
		    rc_word(rc));
	queue->broken = rc;
	poll_want_at(d, poll, d->now_ms + CLASS_PAUSE_MS);
}

static bool
holds(const uint32_t *numbers, uint32_t count, uint32_t number)
{
	for (uint32_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

/* The segments there are, from a listing whose numbers beyond the tail are all known to be strangers'. */
static void
take_segments(struct dispatcher *d, struct queue *queue, const uint32_t *numbers, uint32_t count)
{
	struct segment *segment, *next;
	bool first = !queue->tail_read;

	HASH_ITER(hh, queue->segments, segment, next)
		segment->in_tree = false;
	for (uint32_t i = 0; i < count && numbers[i] <= queue->tail_seg; i++) {
		segment = segment_of(d, queue, numbers[i]);
		if (!segment)
			return;
		segment->in_tree = true;
		if (!segment->list)
			segment_read(d, segment, first);
		else if (!segment->final && segment->seg < queue->tail_seg)
			poll_want(d, segment->list);	/* closed meanwhile: once more, for good */
		else if (segment->final)
			segment_tend(d, segment);	/* found closed and empty before its successor was known */
	}
	queue->tail_read = true;
	drop_missing(d, queue);
	wishes_tail(d, queue);
	queue_check_ready(d, queue);
}

/*
 * Rolling sets the tail and creates the segment in one multi. So a folder beyond the tail, when the tail is read after
 * the folder was seen, was made by a stranger.
 */
static void
tail_told(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct queue *queue = poll->owner;
	uint32_t *numbers = queue->unproven, count = queue->unproven_count, strays = 0;

	if (queue->gone)
		return;
	if (reply->rc != RC_OK) {
		queue_broken(d, queue, poll, reply->rc);
		return;
	}
	if (poll->sent <= queue->unproven_mark || !numbers)
		return;		/* asked before the folder was seen: another answer is on its way */
	uint32_t tail = numbers[count - 1];
	if (reply->bad)
		plan_note(d->plan, NOTE_ERROR, "queue %s: the data of its tasks folder does not say which segment is the tail; "
		    "the highest one is taken", queue->name);
	else
		tail = reply->record.tail.tail;
	if (tail > queue->tail_seg)
		queue->tail_seg = tail;
	queue->unproven = NULL;
	queue->unproven_count = 0;
	for (uint32_t i = count; i-- > 0 && numbers[i] > queue->tail_seg; strays++)
		if (!holds(queue->strays, queue->stray_count, numbers[i]))
			plan_note(d->plan, NOTE_WARNING, "queue %s: tasks/%u is beyond its tail, %u: it is a stranger's and is left "
			    "alone", queue->name, numbers[i], queue->tail_seg);
	free(queue->strays);
	queue->strays = numbers;	/* of all numbers only those beyond the tail count */
	queue->stray_count = count;
	take_segments(d, queue, numbers, count - strays);
}

/* Whether something beyond the tail must be explained first. */
static bool
beyond_tail(struct dispatcher *d, struct queue *queue, const uint32_t *numbers, uint32_t count)
{
	bool news = false;

	for (uint32_t i = count; i-- > 0 && numbers[i] > queue->tail_seg && !news;)
		news = !holds(queue->strays, queue->stray_count, numbers[i]);
	if (!news)
		return false;
	uint32_t *unproven = take(d, count * sizeof *unproven);
	if (!unproven)
		return true;
	memcpy(unproven, numbers, count * sizeof *unproven);
	free(queue->unproven);
	queue->unproven = unproven;
	queue->unproven_count = count;
	queue->unproven_mark = queue->tail_data->sent;
	poll_want(d, queue->tail_data);
	return true;
}

static void
tail_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct queue *queue = poll->owner;

	if (queue->gone)
		return;
	if (reply->rc != RC_OK) {
		queue_broken(d, queue, poll, reply->rc);
		return;
	}
	queue->broken = RC_OK;
	uint32_t count = 0, *numbers = arena_alloc(&d->plan->arena, ((size_t)reply->child_count + 1) * sizeof *numbers);
	if (!numbers)
		return;
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_SEGMENT)
			numbers[count++] = reply->children[i].seg;
	qsort(numbers, count, sizeof *numbers, by_number);
	if (!beyond_tail(d, queue, numbers, count))
		take_segments(d, queue, numbers, count);
}

static void
rolled(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct queue *queue = act->owner;

	queue->rolling = false;
	if (reply->rc == RC_OK)
		plan_note(d->plan, NOTE_DEBUG, "queue %s: opened segment %u", queue->name, queue->tail_seg + 1);
	poll_want(d, queue->tail);	/* whoever rolled: read what is there now */
}

void
queue_roll(struct dispatcher *d, struct queue *queue)
{
	struct record tail = { .kind = REC_TAIL, .tail.tail = queue->tail_seg + 1 };
	uint32_t from = queue->tail_seg;

	if (queue->rolling)
		return;
	struct act *act = leader_act(d, rolled, queue);
	if (!act)
		return;
	queue->rolling = true;
	add_set(d->plan, act->multi, node_of_segment(NODE_SEGMENT, queue->name, from), 0, NULL);
	add_set(d->plan, act->multi, node_of_queue(NODE_TASKS, queue->name), ANY_VERSION, &tail);
	add_create(d->plan, act->multi, node_of_segment(NODE_SEGMENT, queue->name, from + 1), 0, NULL);
	add_create(d->plan, act->multi, node_of_segment(NODE_DONE_SEG, queue->name, from + 1), 0, NULL);
	add_create(d->plan, act->multi, node_of_segment(NODE_DEAD_SEG, queue->name, from + 1), 0, NULL);
	add_create(d->plan, act->multi, node_of_segment(NODE_RETRY_SEG, queue->name, from + 1), 0, NULL);
}

/* ---- all queues ---- */

static void
created(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	(void)act;
	if (reply->rc == RC_OK)
		plan_note(d->plan, NOTICE, "queue default: created");
	poll_want_at(d, d->queue_list, d->now_ms + (reply->rc == RC_OK ? 0 : RETRY_PAUSE_MS));
}

bool
queue_create(struct dispatcher *d, const char *name)
{
	static const enum node_kind folders[] = { NODE_CLASSES, NODE_INBOX, NODE_MOVED, NODE_RETRY_ALL, NODE_DONE_ALL,
		NODE_DEAD_ALL, NODE_HOLD_ALL, NODE_CANCEL_ALL, NODE_UPDATE_ALL, NODE_KEYS };
	static const enum node_kind firsts[] = { NODE_SEGMENT, NODE_RETRY_SEG, NODE_DONE_SEG, NODE_DEAD_SEG };
	struct record config = { .kind = REC_QUEUE }, tail = { .kind = REC_TAIL };
	struct act *act = leader_act(d, created, NULL);

	if (!act)
		return false;
	config.queue = (struct rec_queue){ .retain_age_ms = RETAIN_AGE_MS, .retain_count = RETAIN_COUNT,
		.retain_bytes = RETAIN_BYTES, .waiting_max = WAITING_DEFAULT_MAX };
	add_create(d->plan, act->multi, node_of_queue(NODE_QUEUE, name), 0, &config);
	add_create(d->plan, act->multi, node_of_queue(NODE_TASKS, name), 0, &tail);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		add_create(d->plan, act->multi, node_of_queue(folders[i], name), 0, NULL);
	for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
		add_create(d->plan, act->multi, node_of_segment(firsts[i], name, 0), 0, NULL);
	return true;
}

static void
queue_start(struct dispatcher *d, struct queue *queue)
{
	bool back = queue->gone;

	if (queue->deleted && !back)
		return;

	if (!queue->config)
		queue->config = poll_new(d, REQ_GET, node_of_queue(NODE_QUEUE, queue->name), REC_QUEUE, true, config_read,
		    queue);
	if (!queue->tail)
		queue->tail = poll_new(d, REQ_LIST, node_of_queue(NODE_TASKS, queue->name), REC_NONE, true, tail_listed,
		    queue);
	if (!queue->tail_data)
		queue->tail_data = poll_new(d, REQ_GET, node_of_queue(NODE_TASKS, queue->name), REC_TAIL, false, tail_told,
		    queue);
	if (back) {
		queue->config_read = queue->tail_read = queue->ready = queue->gone = queue->deleted = queue->deleting =
		    queue->delete_force = queue->burying = false;
		deletion_end(d, queue);
	}
	if (back || !queue->config_read)
		poll_want(d, queue->config);
	if (back || !queue->tail_read)
		poll_want(d, queue->tail);
}

/* There is no queue. The first of all is made without being asked for; one that was deleted is not. */
void
default_seen(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	if (reply->rc == RC_NONODE)
		queue_create(d, "default");
	else if (reply->rc == RC_OK)
		plan_note(d->plan, NOTICE, "tree: there is no queue; zkq queue create makes one");
	else
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
}

void
queues_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct queue *queue, *next;
	int count = 0;

	if (reply->rc != RC_OK) {
		plan_note(d->plan, NOTE_WARNING, "tree: the queues cannot be listed: %s", rc_word(reply->rc));
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	HASH_ITER(hh, d->queues, queue, next)
		queue->listed = false;
	for (int i = 0; i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_QUEUE)
			continue;
		queue = queue_of(d, reply->children[i].queue);
		if (!queue)
			return;
		queue->listed = true;
		queue_start(d, queue);
		count++;
	}
	HASH_ITER(hh, d->queues, queue, next)
		if (!queue->listed)
			queue_vanished(d, queue);
	if (count == 0)
		poll_want(d, d->default_look);
	d->queues_listed = true;
}

void
queue_watch(struct dispatcher *d, const struct node *node)
{
	struct queue *queue = queue_find(d, node->queue);
	struct segment *segment;

	if (!queue || queue->gone)
		return;
	switch (node->kind) {
	case NODE_QUEUE:
		poll_want(d, queue->config);
		break;
	case NODE_TASKS:
		poll_want(d, queue->tail);
		break;
	case NODE_SEGMENT:
		segment = segment_find(queue, node->seg);
		if (segment && !segment->gone)
			poll_want(d, segment->list);
		break;
	case NODE_INBOX:
		poll_want(d, queue->inbox.list);
		break;
	case NODE_CANCEL_ALL:
	case NODE_CANCEL_SEG:
	case NODE_UPDATE_ALL:
	case NODE_UPDATE_SEG:
		wishes_watch(d, queue, node);
		break;
	default:
		break;
	}
}
