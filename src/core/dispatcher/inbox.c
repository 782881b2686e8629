/*
 * inbox.c: the simple door. Any client creates inbox/<any>; here each is read, checked, named and moved
 * to the open segment. What is no task becomes a dead letter. What cannot be read, moved or deleted
 * is set aside by its name, in memory only; the rest goes on.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define WINDOW_MAX 250			/* read and not moved yet */
#define MOVE_BYTES_MAX (REQUEST_BYTES_MAX / 2)
#define CLASSES_IN_MOVE_MAX 8

enum inbox_phase { INBOX_FRESH, INBOX_READING, INBOX_READ, INBOX_MOVING, INBOX_ASIDE };

struct inbox_task {
	char *name;
	UT_hash_handle hh;
	struct inbox_task *prev, *next;	/* inbox.fresh or inbox.window */
	struct queue *queue;
	enum inbox_phase phase;
	bool in_tree;
	bool moved_there;	/* moved/<shard>/<name> is of an earlier task of that name: to be set */
	struct poll *fetch;
	char *text;
	size_t len;
	char *invalid;
	int priority;
	uint64_t class_hash, key_hash;
	char *class_text;
	char token[TOKEN_LEN + 1];
};

static struct node
inbox_node(const struct inbox_task *task)
{
	return node_of_text(NODE_INBOX_TASK, task->queue->name, 0, task->name);
}

static struct node
moved_node(const struct inbox_task *task)
{
	return node_of_text(NODE_MOVED_TASK, task->queue->name, node_shard_of(task->name), task->name);
}

/* ---- shards of moved/ that are known to exist ---- */

struct shard *
shard_find(struct queue *queue, uint32_t number)
{
	struct shard *shard;

	HASH_FIND(hh, queue->shards, &number, sizeof number, shard);
	return shard;
}

struct shard *
shard_add(struct dispatcher *d, struct queue *queue, uint32_t number)
{
	struct shard *shard = shard_find(queue, number);

	if (shard || !(shard = take(d, sizeof *shard)))
		return shard;
	shard->shard = number;
	HASH_ADD(hh, queue->shards, shard, sizeof shard->shard, shard);
	if (!shard->hh.tbl) {
		free(shard);
		return NULL;
	}
	return shard;
}

/* ---- one of them ---- */

static void
unlist(struct inbox_task *task)
{
	struct inbox *inbox = &task->queue->inbox;

	if (task->phase == INBOX_FRESH)
		DL_DELETE(inbox->fresh, task);
	else if (task->phase != INBOX_ASIDE) {
		DL_DELETE(inbox->window, task);
		inbox->window_count--;
	}
}

static void
forget_text(struct inbox_task *task)
{
	free(task->text);
	free(task->invalid);
	free(task->class_text);
	task->text = task->invalid = task->class_text = NULL;
}

static void
drop(struct dispatcher *d, struct inbox_task *task)
{
	if (task->phase == INBOX_ASIDE)
		d->set_aside--;
	unlist(task);
	poll_free(d, task->fetch);
	HASH_DEL(task->queue->inbox.tasks, task);
	forget_text(task);
	free(task->name);
	free(task);
}

static void
set_aside(struct dispatcher *d, struct inbox_task *task, const char *why)
{
	if (task->phase == INBOX_ASIDE)
		return;
	unlist(task);
	forget_text(task);
	task->phase = INBOX_ASIDE;
	d->set_aside++;
	plan_note(d->plan, NOTE_WARNING, "queue %s: '%s' in the inbox is set aside: %s", task->queue->name, task->name, why);
}

static void
read_done(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct inbox_task *task = poll->owner;
	const struct rec_task *record = &reply->record.task;

	poll_free(d, poll);
	task->fetch = NULL;
	if (reply->rc == RC_NONODE) {
		drop(d, task);
		return;
	}
	if (reply->rc != RC_OK || reply->bad) {
		set_aside(d, task, reply->rc == RC_OK ? "it cannot be read" : rc_word(reply->rc));
		return;
	}
	const char *invalid = record->invalid;
	task->len = record->len;
	if (!invalid && task->len > PAYLOAD_DEFAULT_MAX)
		invalid = "larger than 64 KiB";
	if (invalid && task->len > PAYLOAD_DEFAULT_MAX)
		task->len = PAYLOAD_DEFAULT_MAX;	/* its beginning is enough to see what it was */
	task->text = take(d, task->len + 1);
	task->class_text = record->class_text ? take_string(d, record->class_text) : NULL;
	task->invalid = invalid ? take_string(d, invalid) : NULL;
	if (!task->text)
		return;
	memcpy(task->text, record->text, task->len);
	task->priority = record->priority;
	task->class_hash = record->class_hash;
	task->key_hash = record->key_hash;
	task->phase = INBOX_READ;
}

/* ---- what a move needs to be there ---- */

static void
shard_created(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct queue *queue = act->owner;

	queue->inbox.opening = false;
	if (reply->rc == RC_OK || (reply->rc == RC_NODEEXISTS && reply->failed_op == 1))
		shard_add(d, queue, (uint32_t)(uintptr_t)act->items[0]);
	else
		queue->inbox.not_before_ms = d->now_ms + RETRY_PAUSE_MS;
}

static void
class_created(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct queue *queue = act->owner;
	uint64_t hash = (uint64_t)(uintptr_t)act->items[0];
	struct class *class;

	queue->inbox.opening = false;
	HASH_FIND(hh, queue->classes, &hash, sizeof hash, class);
	if (reply->rc != RC_OK && !(reply->rc == RC_NODEEXISTS && reply->failed_op == 1))
		queue->inbox.not_before_ms = d->now_ms + RETRY_PAUSE_MS;
	else if (class) {
		class->phase = CLASS_READING;
		class->read->not_before_ms = 0;
		poll_want(d, class->read);
	}
}

static void
create_shard(struct dispatcher *d, struct queue *queue, uint32_t shard)
{
	struct act *act = leader_act(d, shard_created, queue);

	if (!act || !act_item(d, act, (void *)(uintptr_t)shard))
		return;
	add_create(d->plan, act->multi, node_of_segment(NODE_SHARD, queue->name, shard), 0, NULL);
	queue->inbox.opening = true;
}

static void
create_class(struct dispatcher *d, struct inbox_task *task)
{
	struct queue *queue = task->queue;
	struct record record = { .kind = REC_CLASS };
	struct act *act = leader_act(d, class_created, queue);

	if (!act || !act_item(d, act, (void *)(uintptr_t)task->class_hash))
		return;
	record.class.hash = task->class_hash;
	record.class.text = arena_string(&d->plan->arena, task->class_text ? task->class_text : "");
	add_create(d->plan, act->multi, node_of_hash(NODE_CLASS, queue->name, task->class_hash), 0, &record);
	queue->inbox.opening = true;
}

/* Whether class and shard of this one are there; otherwise asks for them. */
static bool
prepared(struct dispatcher *d, struct inbox_task *task)
{
	struct queue *queue = task->queue;
	uint32_t shard = node_shard_of(task->name);

	if (!shard_find(queue, shard)) {
		if (!queue->inbox.opening)
			create_shard(d, queue, shard);
		return false;
	}
	if (task->invalid)
		return true;
	struct class *class = class_of(d, queue, task->class_hash);
	if (!class || class->phase == CLASS_KNOWN)
		return class != NULL;
	if (queue->inbox.opening || class->read->busy || class->read->dirty)
		return false;
	if (class->phase == CLASS_BAD && class->there) {
		set_aside(d, task, "its class cannot be used");
		return false;
	}
	create_class(d, task);
	return false;
}

/* ---- the move ---- */

/* ops: check mine, check segment, check class ..., then for each task: create task or dead letter, moved, delete */
enum move_role { MOVE_CREATE, MOVE_RECORD, MOVE_DELETE, MOVE_ROLES };

static void
settle_one(struct dispatcher *d, struct inbox_task *task, enum move_role role, enum rc rc)
{
	struct shard *shard;

	if (role == MOVE_RECORD && rc == RC_NODEEXISTS)
		task->moved_there = true;
	else if (role == MOVE_RECORD && rc == RC_NONODE && task->moved_there)
		task->moved_there = false;
	else if (role == MOVE_RECORD && rc == RC_NONODE) {
		shard = shard_find(task->queue, node_shard_of(task->name));
		if (shard) {
			HASH_DEL(task->queue->shards, shard);
			free(shard);
		}
	} else if (role == MOVE_DELETE && rc == RC_NONODE)
		drop(d, task);
	else if (role == MOVE_DELETE)
		set_aside(d, task, arena_printf(&d->plan->arena, "it cannot be deleted: %s", rc_word(rc)));
	else
		set_aside(d, task, arena_printf(&d->plan->arena, "it cannot be moved: %s", rc_word(rc)));
}

static void
moved_ok(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct queue *queue = act->owner;
	bool full = false;

	for (int i = 0; i < act->item_count; i++) {
		struct inbox_task *task = act->items[i];
		const struct node *created = &reply->results[act->mark + MOVE_ROLES * i].created;

		if (!task->invalid && created->task.seq + 1 >= SEGMENT_SIZE)
			full = true;
		if (task->invalid) {
			plan_note(d->plan, NOTE_WARNING, "queue %s: '%s' in the inbox is no task: %s; dead letter %s",
			    queue->name, task->name, task->invalid, task->token);
			count_end(d, &queue->counts.dead);
		}
		drop(d, task);
	}
	plan_note(d->plan, NOTE_DEBUG, "queue %s: %d tasks moved from the inbox", queue->name, act->item_count);
	if (full)
		queue_roll(d, queue);
}

static void
moved(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct queue *queue = act->owner;
	struct inbox *inbox = &queue->inbox;
	int at = reply->failed_op >= act->mark ? (reply->failed_op - act->mark) / MOVE_ROLES : -1;

	inbox->moving = false;
	if (reply->rc == RC_OK) {
		inbox->most = WINDOW_MAX;
		moved_ok(d, act, reply);
		return;
	}
	for (int i = 0; i < act->item_count; i++) {
		struct inbox_task *task = act->items[i];

		task->phase = INBOX_READ;
		if (outcome_unknown(reply->rc))
			drop(d, task);	/* the listing shows it again if it is still there */
		else if (i == at)
			settle_one(d, task, (reply->failed_op - act->mark) % MOVE_ROLES, reply->rc);
		else if (reply->rc == RC_INVALID && act->item_count == 1)
			set_aside(d, task, "it is too large to be moved");
	}
	if (at >= 0)
		return;
	inbox->not_before_ms = d->now_ms + LIST_PAUSE_MIN_MS * LIST_PAUSE_FACTOR;
	if (outcome_unknown(reply->rc))
		poll_want(d, inbox->list);
	else if (reply->failed_op == 1)
		poll_want(d, queue->tail);	/* somebody rolled */
	else if (reply->failed_op > 1 && reply->rc == RC_NONODE) {
		/* A class was deleted by hand: they are all read again, who is missing is created. */
		struct class *class, *next;
		HASH_ITER(hh, queue->classes, class, next)
			poll_want(d, class->read);
	} else if (reply->rc == RC_INVALID)
		inbox->most = inbox->most > 1 ? inbox->most / 2 : 1;
}

static void
add_task(struct dispatcher *d, struct act *act, struct inbox_task *task, uint32_t seg)
{
	struct queue *queue = task->queue;
	struct record record = { .kind = REC_TASK }, where = { .kind = REC_MOVED };

	rng_token(&d->rng, task->token, TOKEN_LEN);
	if (task->invalid) {
		struct rec_result *result = &record.result;

		record.kind = REC_RESULT;
		strcpy(result->queue, queue->name);
		result->seg = seg;
		strcpy(result->token, task->token);
		result->outcome.state = STATE_DEAD;
		result->outcome.reason = arena_printf(&d->plan->arena, "invalid: %s", task->invalid);
		result->by = d->by;
		result->at_wall_ms = d->wall_ms;
		result->task = arena_copy(&d->plan->arena, task->text, task->len);
		add_create(d->plan, act->multi, node_of_token(NODE_DEAD, queue->name, seg, task->token), 0, &record);
	} else {
		struct task_name name = { .priority = (uint8_t)task->priority, .class_hash = task->class_hash,
			.key_hash = task->key_hash };

		strcpy(name.token, task->token);
		record.task.text = arena_copy(&d->plan->arena, task->text, task->len);
		record.task.len = task->len;
		add_create(d->plan, act->multi, node_task(queue->name, seg, &name), CREATE_SEQUENCE, &record);
	}
	strcpy(where.moved.queue, queue->name);
	where.moved.seg = seg;
	strcpy(where.moved.token, task->token);
	if (task->moved_there)
		add_set(d->plan, act->multi, moved_node(task), ANY_VERSION, &where);
	else
		add_create(d->plan, act->multi, moved_node(task), 0, &where);
	add_delete(d->plan, act->multi, inbox_node(task), ANY_VERSION);
}

static bool
add_class(uint64_t hashes[CLASSES_IN_MOVE_MAX], int *count, uint64_t hash)
{
	for (int i = 0; i < *count; i++)
		if (hashes[i] == hash)
			return true;
	if (*count == CLASSES_IN_MOVE_MAX)
		return false;
	hashes[(*count)++] = hash;
	return true;
}

static void
move(struct dispatcher *d, struct queue *queue)
{
	struct inbox_task *picked[WINDOW_MAX], *task, *next;
	uint64_t hashes[CLASSES_IN_MOVE_MAX];
	struct inbox *inbox = &queue->inbox;
	int count = 0, classes = 0;
	size_t bytes = 0;

	DL_FOREACH_SAFE(inbox->window, task, next) {
		if (task->phase != INBOX_READ || count >= inbox->most || count == WINDOW_MAX)
			break;	/* in order: not past one that is still being read */
		size_t size = task->len + task->len / 2 + 1024;	/* a dead letter's text may be spelled longer */
		if ((count && bytes + size > MOVE_BYTES_MAX) || !prepared(d, task))
			break;
		if (!task->invalid && !add_class(hashes, &classes, task->class_hash))
			break;
		bytes += size;
		picked[count++] = task;
	}
	if (!count)
		return;
	struct act *act = leader_act(d, moved, queue);
	if (!act)
		return;
	add_check(d->plan, act->multi, node_of_segment(NODE_SEGMENT, queue->name, queue->tail_seg), 0);
	for (int i = 0; i < classes; i++)
		add_check(d->plan, act->multi, node_of_hash(NODE_CLASS, queue->name, hashes[i]), ANY_VERSION);
	act->mark = 2 + classes;
	for (int i = 0; i < count; i++) {
		if (!act_item(d, act, picked[i]))
			return;
		add_task(d, act, picked[i], queue->tail_seg);
		picked[i]->phase = INBOX_MOVING;
	}
	inbox->moving = true;
}

void
inbox_run(struct dispatcher *d, struct queue *queue)
{
	struct inbox *inbox = &queue->inbox;
	struct inbox_task *task;

	while (inbox->fresh && inbox->window_count < WINDOW_MAX) {
		task = inbox->fresh;
		unlist(task);
		task->phase = INBOX_READING;
		DL_APPEND(inbox->window, task);
		inbox->window_count++;
		task->fetch = poll_new(d, REQ_GET, inbox_node(task), REC_TASK, false, read_done, task);
		poll_want(d, task->fetch);
	}
	if (!inbox->window || inbox->moving || inbox->opening || queue->rolling ||
	    (int64_t)queue->waiting >= queue->waiting_max)
		return;
	if (d->now_ms < inbox->not_before_ms)
		plan_wake(d->plan, inbox->not_before_ms);
	else
		move(d, queue);
}

/* ---- the listing ---- */

static int
by_arrival(const void *a, const void *b)
{
	const char *x = (*(const struct node *const *)a)->text, *y = (*(const struct node *const *)b)->text;
	size_t x_len = strlen(x), y_len = strlen(y);
	const char *x_tail = x_len > 10 ? x + x_len - 10 : x, *y_tail = y_len > 10 ? y + y_len - 10 : y;
	int order = strcmp(x_tail, y_tail);	/* the ten digits of a sequence, if there are */

	return order ? order : strcmp(x, y);
}

static void
add(struct dispatcher *d, struct queue *queue, const char *name)
{
	struct inbox_task *task = take(d, sizeof *task);

	if (!task)
		return;
	task->queue = queue;
	task->in_tree = true;
	task->name = take_string(d, name);
	if (task->name)
		HASH_ADD_KEYPTR(hh, queue->inbox.tasks, task->name, strlen(task->name), task);
	if (!task->name || !task->hh.tbl) {
		free(task->name);
		free(task);
		return;
	}
	task->phase = INBOX_FRESH;
	DL_APPEND(queue->inbox.fresh, task);
	if (strlen(name) > INBOX_NAME_MAX)
		set_aside(d, task, "its name is too long");
}

static void
listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct queue *queue = poll->owner;
	struct inbox_task *task, *next;
	int count = 0;

	if (queue->gone)
		return;
	if (reply->rc != RC_OK) {
		plan_note(d->plan, NOTE_WARNING, "queue %s: its inbox cannot be listed: %s", queue->name, rc_word(reply->rc));
		poll_want_at(d, poll, d->now_ms + CLASS_PAUSE_MS);
		return;
	}
	const struct node **fresh = arena_alloc(&d->plan->arena, ((size_t)reply->child_count + 1) * sizeof *fresh);
	if (!fresh)
		return;
	HASH_ITER(hh, queue->inbox.tasks, task, next)
		task->in_tree = false;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (!child->text)
			continue;
		HASH_FIND_STR(queue->inbox.tasks, child->text, task);
		if (task)
			task->in_tree = true;
		else
			fresh[count++] = child;
	}
	HASH_ITER(hh, queue->inbox.tasks, task, next)
		if (!task->in_tree && task->phase != INBOX_MOVING)
			drop(d, task);
	qsort(fresh, (size_t)count, sizeof *fresh, by_arrival);
	for (int i = 0; i < count; i++)
		add(d, queue, fresh[i]->text);
}

void
inbox_start(struct dispatcher *d, struct queue *queue)
{
	queue->inbox.most = WINDOW_MAX;
	if (!queue->inbox.list)
		queue->inbox.list = poll_new(d, REQ_LIST, node_of_queue(NODE_INBOX, queue->name), REC_NONE, true, listed, queue);
	poll_want(d, queue->inbox.list);
}

void
inbox_end(struct dispatcher *d, struct queue *queue)
{
	struct inbox_task *task, *next;
	struct shard *shard, *next_shard;

	HASH_ITER(hh, queue->inbox.tasks, task, next)
		drop(d, task);
	HASH_ITER(hh, queue->shards, shard, next_shard) {
		HASH_DEL(queue->shards, shard);
		free(shard);
	}
	poll_free(d, queue->inbox.list);
	queue->inbox.list = NULL;
}
