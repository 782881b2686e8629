/*
 * payload.c: what must be read before a claim can start: the task, alone or in its batch; the retry record
 * of a later run; how its class wants it treated. Reads are pipelined, in the order in which tasks will start.
 */
#include <stdlib.h>
#include <string.h>

#include "core/worker/state.h"

#define IDLE_BATCHES_MAX 4	/* kept although no claim points there: a batch often comes in portions */

/* Whether a reply says nothing about what was asked. A refusal of no meaning to us (a server that sheds load) does
 * not; then nothing is read for a while. */
static bool
no_answer(struct worker *worker, const struct reply *reply)
{
	if (reply->rc == RC_OTHER)
		worker->read_at_ms = worker->now_ms + worker_pause(worker);
	return reply->rc == RC_OTHER || worker_lost_reply(reply);
}

/* ---- classes ---- */

static struct class_known *
class_of(struct worker *worker, const char *queue, uint64_t hash)
{
	for (int i = 0; i < worker->class_count; i++)
		if (worker->classes[i]->hash == hash && strcmp(worker->classes[i]->queue, queue) == 0)
			return worker->classes[i];
	if (worker->class_count == worker->class_room) {
		int room = worker->class_room ? worker->class_room * 2 : 16;
		struct class_known **classes = realloc(worker->classes, (size_t)room * sizeof(struct class_known *));

		if (!classes) {
			worker_failed(worker);
			return NULL;
		}
		worker->classes = classes;
		worker->class_room = room;
	}
	struct class_known *class = worker_alloc(worker, sizeof *class);
	if (!class)
		return NULL;
	strcpy(class->queue, queue);
	class->hash = hash;
	worker->classes[worker->class_count++] = class;
	return class;
}

/* Classes come and go; what no claim can point to is forgotten now and then. */
static void
trim_classes(struct worker *worker)
{
	if (worker->class_count < CLASSES_MAX || worker->claim_count || worker->reads)
		return;
	while (worker->class_count)
		free(worker->classes[--worker->class_count]);
}

static void
read_class(struct worker *worker, struct claim *claim)
{
	if (!claim->class) {
		claim->class = class_of(worker, claim->node.queue, claim->node.task.class_hash);
		if (!claim->class)
			return;
	}
	if (claim->class->reading != READ_NOT)
		return;
	uint64_t index = 0;
	while (worker->classes[index] != claim->class)
		index++;
	claim->class->reading = READ_ASKED;
	worker->reads++;
	plan_get(worker->plan, TAG_CLASS, index, node_of_hash(NODE_CLASS, claim->node.queue, claim->class->hash), REC_CLASS,
	    false);
}

static void
class_reply(struct worker *worker, const struct reply *reply)
{
	if (reply->arg >= (uint64_t)worker->class_count)
		return;
	struct class_known *class = worker->classes[reply->arg];
	if (no_answer(worker, reply)) {
		class->reading = READ_NOT;
		worker->unread = true;
		return;
	}
	class->reading = READ_HAVE;
	class->missing = reply->rc != RC_OK || reply->bad || reply->record.kind != REC_CLASS ||
	    !reply->record.class.hash_matches;
	class->mode = class->missing ? MODE_EXCLUSIVE : reply->record.class.mode;
	if (class->missing)
		plan_note(worker->plan, NOTE_WARNING, "queue %s: class %016llx is missing or unreadable, its tasks are "
		    "treated with care", class->queue, (unsigned long long)class->hash);
	for (int i = worker->claim_count - 1; i >= 0; i--)
		if (worker->claims[i]->class == class)
			claim_settle(worker, worker->claims[i]);
}

/* ---- batches ---- */

static void
free_batch(struct worker *worker, int index)
{
	struct batch *batch = worker->batches[index];

	worker->batch_count--;
	memmove(worker->batches + index, worker->batches + index + 1,
	    (size_t)(worker->batch_count - index) * sizeof(struct batch *));
	arena_free(&batch->arena);
	free(batch);
}

static void
trim_batches(struct worker *worker)
{
	int idle = 0;

	for (int i = worker->batch_count - 1; i >= 0; i--) {
		const struct batch *batch = worker->batches[i];

		if (batch->refs == 0 && batch->reading != READ_ASKED && (batch->gone || ++idle > IDLE_BATCHES_MAX))
			free_batch(worker, i);
	}
}

/* The batch with one more reference, as the most recently used one. */
static struct batch *
refer_batch(struct worker *worker, const struct node *claim, const char *token)
{
	struct batch *batch = NULL;
	int place = worker->batch_count;

	for (int i = worker->batch_count - 1; i >= 0 && !batch; i--) {
		struct batch *other = worker->batches[i];

		if (other->seg == claim->seg && strcmp(other->token, token) == 0 && strcmp(other->queue, claim->queue) == 0) {
			batch = other;
			place = i;
		}
	}
	if (!batch) {
		if (worker->batch_count == worker->batch_room) {
			int room = worker->batch_room ? worker->batch_room * 2 : 16;
			struct batch **batches = realloc(worker->batches, (size_t)room * sizeof(struct batch *));

			if (!batches) {
				worker_failed(worker);
				return NULL;
			}
			worker->batches = batches;
			worker->batch_room = room;
		}
		batch = worker_alloc(worker, sizeof *batch);
		if (!batch)
			return NULL;
		batch->id = ++worker->batch_ids;
		strcpy(batch->queue, claim->queue);
		strcpy(batch->token, token);
		batch->seg = claim->seg;
		worker->batch_count++;
	}
	memmove(worker->batches + place, worker->batches + place + 1,
	    (size_t)(worker->batch_count - 1 - place) * sizeof(struct batch *));
	worker->batches[worker->batch_count - 1] = batch;
	batch->refs++;
	return batch;
}

static void
unrefer_batch(struct worker *worker, struct claim *claim)
{
	if (!claim->batch)
		return;
	claim->batch->refs--;
	claim->batch = NULL;
	trim_batches(worker);
}

static const struct batch_item *
item_of(const struct claim *claim)
{
	uint32_t index;

	if (!claim->batch || claim->batch->reading != READ_HAVE || claim->batch->gone ||
	    !token_is_batch(claim->node.task.token, NULL, &index) || index >= (uint32_t)claim->batch->count)
		return NULL;
	return &claim->batch->items[index];
}

/* ---- tasks ---- */

void
payload_drop(struct worker *worker, struct claim *claim)
{
	free(claim->text);
	claim->text = NULL;
	unrefer_batch(worker, claim);
}

bool
payload_of(const struct claim *claim, const char **text, size_t *len)
{
	const struct batch_item *item = item_of(claim);

	*text = claim->text ? claim->text : item ? item->text : NULL;
	*len = claim->text ? claim->len : item ? item->len : 0;
	return *text != NULL;
}

/* The batch of the claim has been read. */
static void
take_item(struct worker *worker, struct claim *claim)
{
	const struct batch_item *item = item_of(claim);

	if (!item) {
		/* No such batch, or too short: perhaps the task carries its payload itself. */
		unrefer_batch(worker, claim);
		claim->whole_task = true;
		claim->payload = READ_NOT;
		worker->unread = true;
		return;
	}
	claim->payload = READ_HAVE;
	claim->name = worker_string(worker, item->name);
	claim->invalid = worker_string(worker, item->invalid);
	claim_settle(worker, claim);
}

static void
read_payload(struct worker *worker, struct claim *claim)
{
	char token[TOKEN_LEN + 1];

	if (claim->payload != READ_NOT)
		return;
	if (claim->whole_task || claim->node.task.whole || !token_is_batch(claim->node.task.token, token, NULL)) {
		claim->payload = READ_ASKED;
		worker->reads++;
		plan_get(worker->plan, TAG_TASK, claim->node.n,
		    node_task(claim->node.queue, claim->node.seg, &claim->node.task), REC_TASK, false);
		return;
	}
	if (!claim->batch)
		claim->batch = refer_batch(worker, &claim->node, token);
	struct batch *batch = claim->batch;
	if (!batch)
		return;
	claim->payload = READ_ASKED;
	if (batch->reading == READ_HAVE) {
		take_item(worker, claim);
	} else if (batch->reading == READ_NOT) {
		batch->reading = READ_ASKED;
		worker->reads++;
		plan_get(worker->plan, TAG_BATCH, batch->id, node_batch(batch->queue, batch->seg, batch->token), REC_BATCH,
		    false);
	}
}

static bool
keep_batch(struct batch *batch, const struct rec_batch *record)
{
	batch->items = arena_alloc(&batch->arena, (size_t)(record->count + 1) * sizeof *batch->items);
	if (!batch->items)
		return false;
	for (int i = 0; i < record->count; i++) {
		const struct rec_task *task = &record->tasks[i];
		struct batch_item *item = &batch->items[i];

		item->text = arena_copy(&batch->arena, task->text, task->text ? task->len : 0);
		item->len = task->text ? task->len : 0;
		item->name = arena_string(&batch->arena, task->name);
		item->invalid = arena_string(&batch->arena, task->invalid);
	}
	batch->count = record->count;
	return !batch->arena.failed;
}

static void
batch_reply(struct worker *worker, const struct reply *reply)
{
	struct batch *batch = NULL;

	for (int i = 0; i < worker->batch_count; i++)
		if (worker->batches[i]->id == reply->arg)
			batch = worker->batches[i];
	if (!batch || batch->reading != READ_ASKED)
		return;
	bool lost = no_answer(worker, reply);
	if (lost) {
		batch->reading = READ_NOT;
		worker->unread = true;
	} else {
		batch->reading = READ_HAVE;
		batch->gone = reply->rc != RC_OK || reply->bad || reply->record.kind != REC_BATCH;
		if (!batch->gone && !keep_batch(batch, &reply->record.batch))
			worker_failed(worker);
	}
	batch->refs++;	/* so that it outlives the loop */
	for (int i = worker->claim_count - 1; i >= 0; i--) {
		struct claim *claim = worker->claims[i];

		if (claim->batch != batch || claim->payload != READ_ASKED)
			continue;
		if (lost)
			claim->payload = READ_NOT;
		else
			take_item(worker, claim);
	}
	batch->refs--;
	trim_batches(worker);
}

static void
task_reply(struct worker *worker, const struct reply *reply)
{
	struct claim *claim = claim_find(worker, reply->arg);

	if (!claim || claim->payload != READ_ASKED || claim->batch)
		return;
	if (no_answer(worker, reply)) {
		claim->payload = READ_NOT;
		worker->unread = true;
		return;
	}
	claim->payload = READ_HAVE;
	if (reply->rc == RC_NONODE) {
		claim->gone = true;
	} else if (reply->rc != RC_OK || reply->bad || reply->record.kind != REC_TASK) {
		claim->invalid = worker_string(worker, "it cannot be read");
	} else {
		const struct rec_task *task = &reply->record.task;

		claim->len = task->text ? task->len : 0;
		claim->text = worker_alloc(worker, claim->len + 1);
		if (!claim->text)
			return;
		if (claim->len)
			memcpy(claim->text, task->text, claim->len);
		claim->name = worker_string(worker, task->name);
		claim->invalid = worker_string(worker, task->invalid);
	}
	claim_settle(worker, claim);
}

static void
read_retry(struct worker *worker, struct claim *claim)
{
	if (claim->retry != READ_NOT)
		return;
	claim->retry = READ_ASKED;
	worker->reads++;
	plan_get(worker->plan, TAG_RETRY, claim->node.n,
	    node_of_token(NODE_RETRY, claim->node.queue, claim->node.seg, claim->node.task.token), REC_RETRY, false);
}

static void
retry_reply(struct worker *worker, const struct reply *reply)
{
	struct claim *claim = claim_find(worker, reply->arg);

	if (!claim || claim->retry != READ_ASKED)
		return;
	if (no_answer(worker, reply)) {
		claim->retry = READ_NOT;
		worker->unread = true;
		return;
	}
	claim->retry = READ_HAVE;
	claim->has_retry = reply->rc != RC_NONODE;
	if (reply->rc == RC_OK && !reply->bad && reply->record.kind == REC_RETRY)
		claim->crashes = reply->record.retry.crashes;
	/* What cannot be known is taken for the worse. */
	claim->suspect = reply->rc != RC_OK || reply->bad || reply->record.kind != REC_RETRY || reply->record.retry.suspect;
	claim_settle(worker, claim);
}

/* ---- all together ---- */

static bool
wants_reading(const struct claim *claim)
{
	if (claim->state != CLAIM_SEEN && !claim->adopted)
		return false;
	return claim->payload == READ_NOT || claim->retry == READ_NOT || !claim->class ||
	    claim->class->reading == READ_NOT;
}

static int
by_start(const void *a, const void *b)
{
	const struct claim *one = *(struct claim *const *)a, *other = *(struct claim *const *)b;
	int order = task_order(one->node.seg, &one->node.task, other->node.seg, &other->node.task);

	if (order)
		return order;
	return one->node.n < other->node.n ? -1 : one->node.n > other->node.n;
}

void
payload_drive(struct worker *worker)
{
	trim_classes(worker);
	/* A batch that turns out to be cached may want the task itself after all: hence the loop. */
	while (worker->unread && worker->reads < READS_MAX && worker_due(worker, worker->read_at_ms)) {
		struct claim **wanted = arena_alloc(&worker->plan->arena, (size_t)(worker->claim_count + 1) * sizeof(struct claim *));
		int count = 0;

		worker->unread = false;
		if (!wanted)
			return;
		for (int i = 0; i < worker->claim_count; i++)
			if (wants_reading(worker->claims[i]))
				wanted[count++] = worker->claims[i];
		qsort(wanted, (size_t)count, sizeof(struct claim *), by_start);
		for (int i = 0; i < count; i++) {
			if (worker->reads >= READS_MAX) {
				worker->unread = true;
				return;
			}
			read_class(worker, wanted[i]);
			read_retry(worker, wanted[i]);
			read_payload(worker, wanted[i]);	/* may settle the claim: last */
			claim_settle(worker, wanted[i]);
		}
	}
}

void
payload_reply(struct worker *worker, const struct reply *reply)
{
	worker->reads--;
	switch (reply->tag) {
	case TAG_TASK:
		task_reply(worker, reply);
		break;
	case TAG_BATCH:
		batch_reply(worker, reply);
		break;
	case TAG_RETRY:
		retry_reply(worker, reply);
		break;
	default:
		class_reply(worker, reply);
		break;
	}
}

void
payload_free(struct worker *worker)
{
	while (worker->batch_count)
		free_batch(worker, worker->batch_count - 1);
	free(worker->batches);
	while (worker->class_count)
		free(worker->classes[--worker->class_count]);
	free(worker->classes);
}
