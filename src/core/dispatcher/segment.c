/*
 * segment.c: one folder of tasks: its listing, its batches, its end.
 *
 * Sequence numbers only grow, so new tasks are those above the highest seen. A listing whose Stat shows
 * version 1 or more is final. A final and empty segment is closed in one multi that deletes it
 * with the folders that belong to its tasks and stamps done/<seg>.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

static struct node
folder_node(const struct segment *segment, enum node_kind kind)
{
	return node_of_segment(kind, segment->queue->name, segment->seg);
}

struct segment *
segment_find(struct queue *queue, uint32_t seg)
{
	struct segment *segment;

	HASH_FIND(hh, queue->segments, &seg, sizeof seg, segment);
	return segment;
}

/* ---- the tasks of a segment, by sequence ---- */

/* ZooKeeper gives each sequence once; but a stranger can make a name with any. So the token counts, too: a forged name
 * must not hide a task. */
static int
order(uint32_t seq, const char *token, uint32_t other_seq, const char *other_token)
{
	if (seq != other_seq)
		return seq < other_seq ? -1 : 1;
	return strcmp(token, other_token);
}

static uint32_t
lower_bound(const struct segment *segment, uint32_t seq, const char *token)
{
	uint32_t low = 0, high = segment->task_count;

	if (high && segment->tasks[high - 1]->seq < seq)
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct task *task = segment->tasks[middle];

		if (order(task->seq, task->token, seq, token) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct task *
segment_by_name(const struct segment *segment, const struct task_name *name)
{
	uint32_t i = lower_bound(segment, name->seq, name->token);

	if (i < segment->task_count && order(segment->tasks[i]->seq, segment->tasks[i]->token, name->seq, name->token) == 0)
		return segment->tasks[i];
	return NULL;
}

struct task *
segment_by_token(const struct segment *segment, const char *token)
{
	for (uint32_t i = 0; i < segment->task_count; i++)
		if (!strcmp(segment->tasks[i]->token, token))
			return segment->tasks[i];
	return NULL;
}

static struct batch_use *
batch_of(struct dispatcher *d, struct segment *segment, const char *batch)
{
	/* The last one first: tasks of a batch come together. */
	for (uint32_t i = segment->batch_count; i-- > 0;)
		if (!strcmp(segment->batches[i].batch, batch))
			return &segment->batches[i];
	if (!grow(d, (void **)&segment->batches, segment->batch_count, &segment->batch_room, sizeof *segment->batches))
		return NULL;
	struct batch_use *use = &segment->batches[segment->batch_count++];
	memset(use, 0, sizeof *use);
	memcpy(use->batch, batch, sizeof use->batch);
	return use;
}

bool
segment_put(struct dispatcher *d, struct segment *segment, struct task *task)
{
	char batch[TOKEN_LEN + 1];

	if (!grow(d, (void **)&segment->tasks, segment->task_count, &segment->task_room, sizeof *segment->tasks))
		return false;
	uint32_t i = lower_bound(segment, task->seq, task->token);
	memmove(&segment->tasks[i + 1], &segment->tasks[i], (segment->task_count - i) * sizeof *segment->tasks);
	segment->tasks[i] = task;
	segment->task_count++;
	if (token_is_batch(task->token, batch, NULL)) {
		struct batch_use *use = batch_of(d, segment, batch);

		if (use)
			use->refs++;
	}
	return true;
}

void
segment_drop(struct dispatcher *d, struct segment *segment, struct task *task)
{
	char batch[TOKEN_LEN + 1];
	uint32_t i = lower_bound(segment, task->seq, task->token);

	if (i >= segment->task_count || segment->tasks[i] != task)
		return;
	segment->task_count--;
	memmove(&segment->tasks[i], &segment->tasks[i + 1], (segment->task_count - i) * sizeof *segment->tasks);
	if (!token_is_batch(task->token, batch, NULL))
		return;
	struct batch_use *use = batch_of(d, segment, batch);
	if (use && use->refs && !--use->refs)
		segment->batches_free++;
}

/* ---- listings ---- */

static int
by_name(const void *a, const void *b)
{
	const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;

	return order(x->task.seq, x->task.token, y->task.seq, y->task.token);
}

/* The task children of a listing, sorted by sequence, in the plan's arena. */
static const struct node **
sorted(struct dispatcher *d, const struct reply *reply, int *count)
{
	const struct node **nodes = arena_alloc(&d->plan->arena, ((size_t)reply->child_count + 1) * sizeof *nodes);

	*count = 0;
	if (!nodes)
		return NULL;
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_TASK)
			nodes[(*count)++] = &reply->children[i];
	qsort(nodes, (size_t)*count, sizeof *nodes, by_name);
	return nodes;
}

static void
note_batches(struct dispatcher *d, struct segment *segment, const struct reply *reply)
{
	for (int i = 0; i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_BATCH)
			continue;
		struct batch_use *use = batch_of(d, segment, reply->children[i].batch);

		if (use && !use->there) {
			use->there = true;
			if (!use->refs)
				segment->batches_free++;
		}
	}
}

/* Tasks whose end is doubtful: those doubted before this listing was sent are decided by it. */
static void
decide_doubts(struct dispatcher *d, struct segment *segment, uint32_t sent, const struct reply *reply)
{
	int count;
	const struct node **nodes = sorted(d, reply, &count);

	if (!nodes)
		return;
	/* Backwards by position: task_gone() removes from the array, task_wait() does not. */
	for (uint32_t i = segment->task_count; i-- > 0;) {
		struct task *task = segment->tasks[i];
		struct node key = { .task.seq = task->seq };

		memcpy(key.task.token, task->token, strlen(task->token) + 1);
		const struct node *wanted = &key;

		if (task->phase != TASK_DOUBT || task->aux.mark >= sent)
			continue;
		const struct node **found = bsearch(&wanted, nodes, (size_t)count, sizeof *nodes, by_name);
		if (found) {
			task->priority = (*found)->task.priority;	/* doubtful after a change of these */
			task->whole = (*found)->task.whole;
			task_wait(d, task);
		}
		else
			task_gone(d, task);
	}
	if (segment->doubts)
		poll_want(d, segment->list);
}

/* Both of its first listings are there: its queue may be ready now. */
static void
been_read(struct dispatcher *d, struct segment *segment)
{
	if (!segment->counted || !segment->listed || !segment->retries_listed)
		return;
	segment->counted = false;
	segment->queue->unread--;
	queue_check_ready(d, segment->queue);
}

static void
segment_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct segment *segment = poll->owner;
	struct queue *queue = segment->queue;
	int count;

	if (reply->rc == RC_NONODE) {
		segment_vanished(d, segment);
		return;
	}
	if (reply->rc != RC_OK) {
		plan_note(d->plan, NOTE_WARNING, "queue %s: segment %u cannot be listed: %s", queue->name, segment->seg,
		    rc_word(reply->rc));
		poll_want_at(d, poll, d->now_ms + CLASS_PAUSE_MS);
		return;
	}
	/* All that is not known is new: what has ended was learned in this session before this listing was answered, so
	 * it is not in it any more. */
	const struct node **nodes = sorted(d, reply, &count);
	for (int i = 0; nodes && i < count; i++) {
		const struct task_name *name = &nodes[i]->task;
		struct task *task;

		if (segment_by_name(segment, name))
			continue;
		task = task_new(d, segment, name);
		if (!task)
			return;
		queue->counts.submitted += queue->ready;
		task->retry_known = !segment->retries;
		if (!segment->retries)
			task_wait(d, task);
	}
	note_batches(d, segment, reply);
	if (segment->doubts)
		decide_doubts(d, segment, poll->sent, reply);
	segment->final = reply->stat.version > 0;
	if (!segment->final && !poll->watch) {
		poll->watch = true;	/* thought closed, but it is open: listen */
		poll_want(d, poll);
	}
	if (!segment->listed) {
		segment->listed = true;
		been_read(d, segment);
	}
	wishes_segment(d, queue, segment->seg);
	segment_tend(d, segment);
}

/* The listing of retry/<seg> of a segment taken over: only these tasks' records must be read. */
static void
retries_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct segment *segment = poll->owner;

	if (reply->rc != RC_OK && reply->rc != RC_NONODE) {
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	if (!segment->listed) {		/* its tasks must be known first */
		poll_want_at(d, poll, d->now_ms + LIST_PAUSE_MIN_MS);
		return;
	}
	for (uint32_t i = 0; i < segment->task_count; i++)
		if (segment->tasks[i]->phase == TASK_UNREAD) {
			segment->tasks[i]->retry_known = true;
			segment->tasks[i]->retry_there = false;
		}
	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		struct task *task = reply->children[i].kind == NODE_RETRY ?
		    segment_by_token(segment, reply->children[i].task.token) : NULL;

		if (task && task->phase == TASK_UNREAD)
			task->retry_known = false;
	}
	segment->retries_listed = true;
	poll_free(d, poll);
	segment->retries = NULL;
	for (uint32_t i = 0; i < segment->task_count; i++)
		if (segment->tasks[i]->phase == TASK_UNREAD)
			task_wait(d, segment->tasks[i]);
	been_read(d, segment);
	segment_tend(d, segment);
}

void
segment_read(struct dispatcher *d, struct segment *segment, bool taken_over)
{
	if (segment->list)
		return;
	segment->counted = true;
	segment->queue->unread++;
	segment->list = poll_new(d, REQ_LIST, folder_node(segment, NODE_SEGMENT), REC_NONE,
	    segment->seg >= segment->queue->tail_seg, segment_listed, segment);
	poll_want(d, segment->list);
	if (taken_over) {
		segment->retries = poll_new(d, REQ_LIST, folder_node(segment, NODE_RETRY_SEG), REC_NONE, false,
		    retries_listed, segment);
		poll_want(d, segment->retries);
	} else {
		segment->retries_listed = true;
	}
}

struct segment *
segment_of(struct dispatcher *d, struct queue *queue, uint32_t seg)
{
	struct segment *segment = segment_find(queue, seg);

	if (segment)
		return segment;
	segment = take(d, sizeof *segment);
	if (!segment)
		return NULL;
	segment->seg = seg;
	segment->queue = queue;
	HASH_ADD(hh, queue->segments, seg, sizeof segment->seg, segment);
	if (!segment->hh.tbl) {
		free(segment);
		return NULL;
	}
	d->segments++;
	return segment;
}

static void
forget_samples(struct dispatcher *d, struct segment *segment)
{
	for (int i = 0; i < segment->sample_count; i++)
		poll_free(d, segment->samples[i]);
	segment->sample_count = segment->samples_left = segment->samples_ok = 0;
}

/* Its tasks have been freed or are freed with it; no act points here. */
void
segment_free(struct dispatcher *d, struct segment *segment)
{
	for (uint32_t i = 0; i < segment->task_count; i++) {
		task_leave(d, segment->tasks[i]);
		segment->tasks[i]->class->tasks--;
		free(segment->tasks[i]);
	}
	forget_samples(d, segment);
	poll_free(d, segment->results);
	poll_free(d, segment->list);
	poll_free(d, segment->retries);
	HASH_DEL(segment->queue->segments, segment);
	d->segments--;
	free(segment->tasks);
	free(segment->batches);
	free(segment);
}

/* Drops what is not claimed; frees the segment when nothing points to it any more. */
void
segment_vanished(struct dispatcher *d, struct segment *segment)
{
	struct queue *queue = segment->queue;
	uint32_t seg = segment->seg;

	segment->gone = true;
	segment->acts++;	/* not to be freed while its tasks go */
	for (uint32_t i = segment->task_count; i-- > 0;) {
		struct task *task = segment->tasks[i];

		if (task->phase != TASK_CLAIMED && task->phase != TASK_ENDING)
			task_gone(d, task);
	}
	segment->acts--;
	if (!segment->listed || !segment->retries_listed) {
		segment->listed = segment->retries_listed = true;
		poll_free(d, segment->retries);
		segment->retries = NULL;
	}
	if (segment->counted) {
		segment->counted = false;
		queue->unread--;
	}
	if (!segment->task_count && !segment->acts)
		segment_free(d, segment);
	queue_check_ready(d, queue);
	wishes_segment(d, queue, seg);
}

/* ---- batches ---- */

static void
batches_deleted(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct segment *segment = act->owner;
	bool unknown = outcome_unknown(reply->rc) || reply->rc == RC_NOTSENT;
	int index = 0;

	segment->acts--;
	for (uint32_t i = 0; i < segment->batch_count; i++) {
		struct batch_use *use = &segment->batches[i];

		if (!use->ending)
			continue;
		index++;
		use->ending = false;
		if (reply->rc == RC_OK || (reply->rc == RC_NONODE && reply->failed_op == index))
			use->there = false;
		else if (!unknown && reply->failed_op == index) {
			use->stuck = true;
			if (segment->stuck_said)
				continue;
			plan_note(d->plan, NOTE_WARNING, "queue %s: batch %s in segment %u cannot be deleted: %s",
			    segment->queue->name, use->batch, segment->seg, rc_word(reply->rc));
		}
	}
	uint32_t kept = 0;
	segment->batches_free = 0;
	for (uint32_t i = 0; i < segment->batch_count; i++) {
		struct batch_use use = segment->batches[i];

		if (!use.refs && !use.there)
			continue;
		if (!use.refs && !use.stuck)
			segment->batches_free++;
		segment->batches[kept++] = use;
	}
	segment->batch_count = kept;
	if (reply->rc != RC_OK && reply->failed_op <= 0)
		segment->close_at_ms = d->now_ms + RETRY_PAUSE_MS;
	segment_tend(d, segment);
}

static void
delete_batches(struct dispatcher *d, struct segment *segment)
{
	struct act *act = leader_act(d, batches_deleted, segment);
	int count = 0;

	if (!act)
		return;
	for (uint32_t i = 0; i < segment->batch_count && count < DELETES_MAX; i++) {
		struct batch_use *use = &segment->batches[i];

		if (use->refs || !use->there || use->stuck)
			continue;
		use->ending = true;
		count++;
		add_delete(d->plan, act->multi, node_batch(segment->queue->name, segment->seg, use->batch), ANY_VERSION);
	}
	segment->acts++;
}

/* ---- closing ---- */

static void
close_after(struct dispatcher *d, struct segment *segment, int64_t pause_ms)
{
	segment->closing = false;
	segment->close_at_ms = d->now_ms + pause_ms;
	poll_want_at(d, segment->list, segment->close_at_ms);	/* its answer tends the segment again */
}

static void
close_later(struct dispatcher *d, struct segment *segment)
{
	close_after(d, segment, RETRY_PAUSE_MS);
}

/* Something keeps it in the tree that only people can take away. */
static void
close_stuck(struct dispatcher *d, struct segment *segment, const char *why)
{
	if (!segment->stuck_said)
		plan_note(d->plan, NOTE_WARNING, "queue %s: segment %u cannot be deleted: %s; trying again every %d s",
		    segment->queue->name, segment->seg, why, STRANGER_PAUSE_MS / 1000);
	segment->stuck_said = true;
	for (uint32_t i = 0; i < segment->batch_count; i++) {
		segment->batches_free += segment->batches[i].stuck;
		segment->batches[i].stuck = false;
	}
	close_after(d, segment, STRANGER_PAUSE_MS);
}

static void
orphans_deleted(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct segment *segment = act->owner;

	segment->acts--;
	if (reply->rc != RC_OK)
		plan_note(d->plan, NOTE_WARNING, "queue %s: retry records of segment %u cannot be deleted: %s",
		    segment->queue->name, segment->seg, rc_word(reply->rc));
	close_later(d, segment);
}

static void
orphans_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct segment *segment = poll->owner;
	int count = 0;

	poll_free(d, poll);
	segment->retries = NULL;
	segment->orphans = false;
	if (reply->rc != RC_OK || segment->task_count || !reply->child_count) {
		segment->retry_missing = reply->rc == RC_NONODE;
		close_later(d, segment);
		return;
	}
	for (int i = 0; i < reply->child_count; i++)
		count += reply->children[i].kind == NODE_RETRY;
	if (!count) {
		close_stuck(d, segment, "strange znodes among its retry records");
		return;
	}
	struct act *act = leader_act(d, orphans_deleted, segment);
	if (!act)
		return;
	count = 0;
	for (int i = 0; i < reply->child_count && count < DELETES_MAX; i++)
		if (reply->children[i].kind == NODE_RETRY) {
			add_delete(d->plan, act->multi, reply->children[i], ANY_VERSION);
			count++;
		}
	segment->acts++;
}

enum closing_op { CLOSE_RETRY = 1, CLOSE_CANCEL, CLOSE_UPDATE, CLOSE_DEAD, CLOSE_DONE, CLOSE_TASKS };

static enum closing_op
closing_op(const struct act *act, int failed_op)
{
	/* mark: the ops behind the check, one hex digit each */
	return failed_op > 0 ? (act->mark >> 4 * (failed_op - 1)) & 15 : 0;
}

static void
closed(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct segment *segment = act->owner;
	struct queue *queue = segment->queue;
	uint32_t seg = segment->seg;
	enum closing_op op = closing_op(act, reply->failed_op);

	segment->acts--;
	if (reply->rc == RC_OK) {
		plan_note(d->plan, NOTE_DEBUG, "queue %s: segment %u deleted, %lld results stay", queue->name, seg,
		    (long long)segment->result_count);
		for (int kind = 0; kind < WISH_KINDS; kind++)
			if (wishes_folder(queue, kind, seg))
				wishes_folder_gone(d, queue, kind, seg);
		segment_vanished(d, segment);
		retention_stamped(d, queue);
		return;
	}
	if (op == CLOSE_TASKS && reply->rc == RC_NONODE) {
		segment_vanished(d, segment);
		return;
	}
	if (op == CLOSE_RETRY && reply->rc == RC_NONODE)
		segment->retry_missing = true;
	else if (op == CLOSE_RETRY && reply->rc == RC_NOTEMPTY) {
		segment->orphans = true;
		segment->retries = poll_new(d, REQ_LIST, folder_node(segment, NODE_RETRY_SEG), REC_NONE, false,
		    orphans_listed, segment);
		poll_want(d, segment->retries);
		return;
	} else if (op == CLOSE_CANCEL && reply->rc == RC_NONODE)
		wishes_folder_gone(d, queue, WISH_CANCEL, seg);
	else if (op == CLOSE_UPDATE && reply->rc == RC_NONODE)
		wishes_folder_gone(d, queue, WISH_UPDATE, seg);
	else if (op == CLOSE_DEAD && reply->rc == RC_NONODE)
		segment->dead_missing = true;
	else if (op == CLOSE_DEAD && reply->rc == RC_NOTEMPTY)
		segment->keep_dead = true;
	else if (op == CLOSE_DONE && reply->rc == RC_NONODE)
		segment->done_missing = true;
	else if (op && !outcome_unknown(reply->rc)) {
		close_stuck(d, segment, rc_word(reply->rc));
		return;
	}
	close_later(d, segment);
}

static void
add_closing(struct dispatcher *d, struct act *act, struct segment *segment, enum closing_op op, enum node_kind kind)
{
	int index = add_delete(d->plan, act->multi, folder_node(segment, kind), ANY_VERSION);

	if (index > 0)
		act->mark |= (int)op << 4 * (index - 1);
}

static void
close_now(struct dispatcher *d, struct segment *segment)
{
	struct record stamp = { .kind = REC_STAMP };
	struct act *act = leader_act(d, closed, segment);

	if (!act)
		return;
	stamp.stamp.count = segment->result_count;
	if (segment->samples_ok)
		stamp.stamp.bytes = segment->sample_bytes * segment->result_count / segment->samples_ok;
	if (!segment->retry_missing)
		add_closing(d, act, segment, CLOSE_RETRY, NODE_RETRY_SEG);
	if (wishes_folder(segment->queue, WISH_CANCEL, segment->seg))
		add_closing(d, act, segment, CLOSE_CANCEL, NODE_CANCEL_SEG);
	if (wishes_folder(segment->queue, WISH_UPDATE, segment->seg))
		add_closing(d, act, segment, CLOSE_UPDATE, NODE_UPDATE_SEG);
	if (!segment->dead_missing && !segment->keep_dead)
		add_closing(d, act, segment, CLOSE_DEAD, NODE_DEAD_SEG);
	if (!segment->done_missing) {
		int index = add_set(d->plan, act->multi, folder_node(segment, NODE_DONE_SEG), 0, &stamp);

		if (index > 0)
			act->mark |= CLOSE_DONE << 4 * (index - 1);
	}
	add_closing(d, act, segment, CLOSE_TASKS, NODE_SEGMENT);
	segment->acts++;
	forget_samples(d, segment);
}

static void
sampled(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct segment *segment = poll->owner;

	if (reply->rc == RC_OK) {
		segment->samples_ok++;
		segment->sample_bytes += reply->stat.length;
	}
	if (!--segment->samples_left)
		close_now(d, segment);
}

/* Results of this segment: how many, and how large a few of them are. */
static void
results_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct segment *segment = poll->owner;

	poll_free(d, poll);
	segment->results = NULL;
	if (segment->task_count || (reply->rc != RC_OK && reply->rc != RC_NONODE)) {
		close_later(d, segment);
		return;
	}
	segment->done_missing = reply->rc == RC_NONODE;
	segment->result_count = reply->rc == RC_OK ? reply->child_count : 0;
	segment->sample_bytes = 0;
	forget_samples(d, segment);
	int count = reply->rc == RC_OK ? reply->child_count : 0;
	int stride = count > SAMPLES_MAX ? count / SAMPLES_MAX : 1;
	for (int i = 0; i < count && segment->sample_count < SAMPLES_MAX; i += stride) {
		if (reply->children[i].kind != NODE_RESULT)
			continue;
		struct poll *sample = poll_new(d, REQ_EXISTS, reply->children[i], REC_NONE, false, sampled, segment);

		if (!sample)
			return;
		segment->samples[segment->sample_count++] = sample;
		poll_want(d, sample);
	}
	segment->samples_left = segment->sample_count;
	if (!segment->samples_left)
		close_now(d, segment);
}

static bool
batches_left(const struct segment *segment)
{
	for (uint32_t i = 0; i < segment->batch_count; i++)
		if (!segment->batches[i].stuck)
			return true;
	return false;
}

void
segment_tend(struct dispatcher *d, struct segment *segment)
{
	if (!segment->queue->ready || segment->queue->burying || segment->acts || segment->closing)
		return;
	if (segment->gone) {
		if (!segment->task_count)
			segment_free(d, segment);
		return;
	}
	if (!d->connected || d->now_ms < segment->close_at_ms) {
		if ((segment->final && !segment->task_count) || segment->batches_free)
			poll_want_at(d, segment->list, segment->close_at_ms);	/* its answer comes by here again */
		return;
	}
	if (segment->batches_free) {
		delete_batches(d, segment);
		return;
	}
	if (!segment->final || segment->task_count || segment->doubts || batches_left(segment) ||
	    segment->seg >= segment->queue->tail_seg || wishes_pending(segment->queue, segment->seg))
		return;
	segment->closing = true;
	segment->results = poll_new(d, REQ_LIST, folder_node(segment, NODE_DONE_SEG), REC_NONE, false, results_listed,
	    segment);
	poll_want(d, segment->results);
}
