#include "invariant.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "codec/path.h"

#define KEY_MAX 80
#define KEYS 64
#define FIFO_GRACE_MS 2000	/* claims of one round go out in several multis */

struct itask {
	char key[KEY_MAX];	/* queue.seg.token */
	char queue[QUEUE_NAME_MAX + 1];
	uint32_t seg;
	struct task_name name;
	uint64_t serial;	/* 0 = not known */
	bool in_tasks, in_done, in_dead, accepted, cancelled, by_hand, deleted_now;
	uint32_t priorities;	/* bits of those that it ever had */
	char limit[24];		/* "time_limit" of its own data, as text */
	bool letter_gone;	/* its dead letter was removed, */
	bool untold;		/* and done/<seg> did not tell that such things are */
	int claims, results, claims_ever, starts, running, running_exclusive;
	char claim[PATH_BUFFER];	/* path of the present one */
	char running_claim[PATH_BUFFER];	/* path of the claim whose exclusive attempt runs */
	struct fence fence;
	int64_t created_ms;
	bool claimed_now;	/* in this transaction */
	struct itask *touched;	/* next in this transaction */
	bool is_touched;
	UT_hash_handle hh, hh_serial;
};

struct folder {
	char key[KEY_MAX];	/* worker.inc */
	uint64_t last_n;
	UT_hash_handle hh;
};

struct waiting_batch {	/* payloads of a batch znode: serial of each index */
	char key[KEY_MAX];	/* queue.seg.batch */
	int count;
	uint64_t *serials;
	UT_hash_handle hh;
};

struct fifo_debt {
	struct itask *task;
	int64_t claimed_ms;
};

struct invariant {
	char root[ROOT_MAX + 1];
	const struct tree *tree;
	struct itask *tasks, *by_serial;
	struct itask **order;	/* as created, for the FIFO check */
	int order_count, order_room;
	struct folder *folders;
	struct waiting_batch *batches;
	struct itask *touched;
	char queues[16][QUEUE_NAME_MAX + 1];	/* touched in this transaction */
	int queue_count;
	uint64_t once[16];
	int once_count;
	bool fifo;
	bool forced;	/* the last mark of a queue to be deleted was one with force */
	struct fifo_debt *debts;
	int debt_head, debt_count, debt_room;
	const struct itask *keys[KEYS];
	struct invariant_counts counts;
	char *broken;
	int64_t zxid;
};

static void *
need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

struct invariant *
invariant_new(const char *root, const struct tree *tree)
{
	struct invariant *invariant = need(calloc(1, sizeof *invariant));

	snprintf(invariant->root, sizeof invariant->root, "%s", root);
	invariant->tree = tree;
	return invariant;
}

void
invariant_free(struct invariant *invariant)
{
	if (!invariant)
		return;
	HASH_CLEAR(hh_serial, invariant->by_serial);
	struct itask *task, *next_task;
	HASH_ITER(hh, invariant->tasks, task, next_task) {
		HASH_DEL(invariant->tasks, task);
		free(task);
	}
	struct folder *folder, *next_folder;
	HASH_ITER(hh, invariant->folders, folder, next_folder) {
		HASH_DEL(invariant->folders, folder);
		free(folder);
	}
	struct waiting_batch *batch, *next_batch;
	HASH_ITER(hh, invariant->batches, batch, next_batch) {
		HASH_DEL(invariant->batches, batch);
		free(batch->serials);
		free(batch);
	}
	free(invariant->order);
	free(invariant->debts);
	free(invariant->broken);
	free(invariant);
}

void
invariant_break(struct invariant *invariant, const char *format, ...)
{
	va_list list;
	char text[4096];

	if (invariant->broken)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	char whole[4200];
	snprintf(whole, sizeof whole, "zxid %lld: %s", (long long)invariant->zxid, text);
	invariant->broken = need(strdup(whole));
}

const char *
invariant_broken(const struct invariant *invariant)
{
	return invariant->broken;
}

void
invariant_once(struct invariant *invariant, uint64_t class_hash)
{
	assert(invariant->once_count < 16);
	invariant->once[invariant->once_count++] = class_hash;
}

static bool
is_once(const struct invariant *invariant, uint64_t class_hash)
{
	for (int i = 0; i < invariant->once_count; i++)
		if (invariant->once[i] == class_hash)
			return true;
	return false;
}

void
invariant_fifo(struct invariant *invariant, bool demanded)
{
	invariant->fifo = demanded;
	if (!demanded)
		invariant->debt_head = invariant->debt_count = 0;
}

void
invariant_counts(const struct invariant *invariant, struct invariant_counts *counts)
{
	*counts = invariant->counts;
}

static struct itask *
task_find(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token)
{
	char key[KEY_MAX];
	struct itask *task;

	snprintf(key, sizeof key, "%s.%u.%s", queue, seg, token);
	HASH_FIND_STR(invariant->tasks, key, task);
	return task;
}

static struct itask *
task_touch(struct invariant *invariant, const struct node *node)
{
	struct itask *task = task_find(invariant, node->queue, node->seg, node->task.token);

	if (!task) {
		task = need(calloc(1, sizeof *task));
		snprintf(task->key, sizeof task->key, "%s.%u.%s", node->queue, node->seg, node->task.token);
		snprintf(task->queue, sizeof task->queue, "%s", node->queue);
		task->seg = node->seg;
		task->name = node->task;
		HASH_ADD_STR(invariant->tasks, key, task);
	}
	if (!task->is_touched) {
		task->is_touched = true;
		task->touched = invariant->touched;
		invariant->touched = task;
	}
	return task;
}

/* The next serial number in data, or 0. */
static uint64_t
next_serial(const char **at)
{
	const char *found = strstr(*at, "\"S");

	while (found && (found[2] < '0' || found[2] > '9'))
		found = strstr(found + 2, "\"S");
	if (!found)
		return 0;
	char *end;
	uint64_t serial = strtoull(found + 2, &end, 10);
	*at = end;
	return serial;
}

static void
set_serial(struct invariant *invariant, struct itask *task, uint64_t serial)
{
	struct itask *other;

	if (!serial || task->serial)
		return;
	HASH_FIND(hh_serial, invariant->by_serial, &serial, sizeof serial, other);
	if (other) {
		invariant_break(invariant, "task S%llu was accepted twice: %s and %s", (unsigned long long)serial, other->key,
		    task->key);
		return;
	}
	task->serial = serial;
	HASH_ADD(hh_serial, invariant->by_serial, serial, sizeof task->serial, task);
}

static void
touch_queue(struct invariant *invariant, const char *queue)
{
	for (int i = 0; i < invariant->queue_count; i++)
		if (strcmp(invariant->queues[i], queue) == 0)
			return;
	if (invariant->queue_count < 16)
		strcpy(invariant->queues[invariant->queue_count++], queue);
}

static const struct znode *
find_node(const struct invariant *invariant, const struct node *node)
{
	char path[PATH_BUFFER];

	if (path_write(invariant->root, node, false, path, sizeof path) < 0)
		return NULL;
	return tree_find(invariant->tree, path);
}

static int
fence_cmp(struct fence a, struct fence b)
{
	if (a.czxid != b.czxid)
		return a.czxid < b.czxid ? -1 : 1;
	return a.counter < b.counter ? -1 : a.counter > b.counter;
}

static void
batch_created(struct invariant *invariant, const struct node *node, const struct blob *blob)
{
	struct waiting_batch *batch = need(calloc(1, sizeof *batch));
	const char *at = blob ? blob->data : "";
	uint64_t serial;

	snprintf(batch->key, sizeof batch->key, "%s.%u.%s", node->queue, node->seg, node->batch);
	while ((serial = next_serial(&at))) {
		batch->serials = need(realloc(batch->serials, (size_t)(batch->count + 1) * sizeof *batch->serials));
		batch->serials[batch->count++] = serial;
	}
	HASH_ADD_STR(invariant->batches, key, batch);
}

/* Tasks with an idempotency key name it in their payload, as "K<number>". */
static void
look_at_key(struct invariant *invariant, const struct itask *task, const char *payload)
{
	const char *at = strstr(payload, "\"K");

	if (!at || at[2] < '0' || at[2] > '9')
		return;
	unsigned long key = strtoul(at + 2, NULL, 10) % KEYS;
	if (invariant->keys[key])
		invariant_break(invariant, "key K%lu stands for two tasks: %s and %s", key, invariant->keys[key]->key, task->key);
	invariant->keys[key] = task;
}

/* What stands behind "time_limit": in a text, or nothing. */
static void
limit_of(const char *text, char limit[24])
{
	const char *at = strstr(text, "\"time_limit\":");

	limit[0] = '\0';
	if (at) {
		at += strlen("\"time_limit\":");
		snprintf(limit, 24, "%.*s", (int)strcspn(at, ",}"), at);
	}
}

/* Its data is another one than it was made with. */
static void
task_changed(struct invariant *invariant, struct itask *task, const struct blob *blob)
{
	const char *at = blob ? blob->data : "";
	uint64_t serial = next_serial(&at);

	limit_of(blob ? blob->data : "", task->limit);
	if (task->claims)
		invariant_break(invariant, "task %s is changed while it has a claim", task->key);
	if (serial && serial != task->serial)
		invariant_break(invariant, "task %s becomes another one: S%llu", task->key, (unsigned long long)serial);
}

/* Deleted and made in one transaction, with the same place: that is how a priority changes. */
static bool
is_change(const struct itask *task, const struct node *node)
{
	return task->deleted_now && !task->in_done && !task->in_dead && task->name.seq == node->task.seq &&
	    task->name.class_hash == node->task.class_hash && task->name.key_hash == node->task.key_hash;
}

static void
task_created(struct invariant *invariant, struct itask *task, const struct node *node, const struct blob *blob)
{
	char name[TOKEN_LEN + 1], key[KEY_MAX];
	uint32_t index;
	struct waiting_batch *batch = NULL;

	task->priorities |= 1u << node->task.priority;
	if (is_change(task, node)) {
		task->name = node->task;
		task->in_tasks = true;
		task_changed(invariant, task, blob);
		if (!blob && (node->task.whole || !token_is_batch(node->task.token, NULL, NULL)))
			invariant_break(invariant, "task %s has lost its payload", task->key);
		return;
	}
	if (task->accepted)
		invariant_break(invariant, "task %s exists a second time", task->key);
	task->name = node->task;
	task->in_tasks = task->accepted = true;
	limit_of(blob ? blob->data : "", task->limit);
	const struct node folder = node_of_segment(NODE_SEGMENT, node->queue, node->seg);
	const struct znode *segment = find_node(invariant, &folder);
	if (segment && segment->stat.version != 0)
		invariant_break(invariant, "task %s is put into a closed segment", task->key);
	invariant->counts.accepted++;
	if (blob) {
		const char *at = blob->data;

		set_serial(invariant, task, next_serial(&at));
		look_at_key(invariant, task, at);
	} else if (token_is_batch(node->task.token, name, &index)) {
		snprintf(key, sizeof key, "%s.%u.%s", node->queue, node->seg, name);
		HASH_FIND_STR(invariant->batches, key, batch);
		if (!batch || index >= (uint32_t)batch->count)
			invariant_break(invariant, "task %s has no payload in its batch", task->key);
		else
			set_serial(invariant, task, batch->serials[index]);
	}
	if (invariant->order_count == invariant->order_room) {
		invariant->order_room = invariant->order_room ? invariant->order_room * 2 : 256;
		invariant->order = need(realloc(invariant->order, (size_t)invariant->order_room * sizeof *invariant->order));
	}
	invariant->order[invariant->order_count++] = task;
}

static void
claim_created(struct invariant *invariant, struct itask *task, const struct node *node, const char *path, int64_t time_ms)
{
	char key[KEY_MAX];
	struct folder *folder;

	task->claims++;
	task->claimed_now = true;
	invariant->counts.claims++;
	snprintf(task->claim, sizeof task->claim, "%s", path);
	if (fence_cmp(node->fence, task->fence) <= 0)
		invariant_break(invariant, "the fence of task %s does not grow: %s", task->key, path);
	task->fence = node->fence;
	snprintf(key, sizeof key, "%s.%s", node->worker, node->inc);
	HASH_FIND_STR(invariant->folders, key, folder);
	if (!folder) {
		folder = need(calloc(1, sizeof *folder));
		strcpy(folder->key, key);
		HASH_ADD_STR(invariant->folders, key, folder);
	}
	const struct znode *child = tree_parent(invariant->tree, path)->children;
	while (child && strncmp(child->name, "live-", 5) != 0)
		child = child->next;
	if (!child)
		invariant_break(invariant, "claim %s is made in the folder of an incarnation that is not alive", path);
	if (node->n <= folder->last_n)
		invariant_break(invariant, "claim number %llu of %s was used before", (unsigned long long)node->n, key);
	folder->last_n = node->n;
	if (task->claims_ever++ == 0 && invariant->fifo) {
		if (invariant->debt_count == invariant->debt_room) {
			invariant->debt_room = invariant->debt_room ? invariant->debt_room * 2 : 256;
			invariant->debts = need(realloc(invariant->debts, (size_t)invariant->debt_room * sizeof *invariant->debts));
		}
		invariant->debts[invariant->debt_count++] = (struct fifo_debt){ task, time_ms };
	}
}

/* Its worker may return and make it again; then numbers that the worker has never seen are free again. */
static void
folder_gone(struct invariant *invariant, const struct node *node)
{
	char key[KEY_MAX];
	struct folder *folder;

	snprintf(key, sizeof key, "%s.%s", node->worker, node->inc);
	HASH_FIND_STR(invariant->folders, key, folder);
	if (folder)
		folder->last_n = 0;
}

/* Whether nobody can take "not there" for "never was" in the segment of that result or dead letter. */
static bool
tells_of_retention(const struct invariant *invariant, const struct node *node)
{
	const struct node segment = node_of_segment(NODE_DONE_SEG, node->queue, node->seg);
	const struct znode *folder = find_node(invariant, &segment);

	return !folder || folder->stat.version >= 2;
}

/* What the record of a queue says, as far as its end is concerned. */
static bool
queue_says(const struct invariant *invariant, const char *queue, const char *word)
{
	struct node node = node_of_queue(NODE_QUEUE, queue);
	const struct znode *znode = find_node(invariant, &node);

	return znode && znode->blob && strstr(znode->blob->data, word);
}

/* No worker may have anything to do in a queue that is deleted, and without force nobody waits in it. */
static void
queue_changed(struct invariant *invariant, const struct node *node, const struct blob *blob)
{
	const char *data = blob ? blob->data : "";

	if (strstr(data, "\"deleting\":true"))
		invariant->forced = strstr(data, "\"delete_force\":true") != NULL;
	if (!strstr(data, "\"deleted\":true"))
		return;
	struct node tasks_node = node_of_queue(NODE_TASKS, node->queue);
	const struct znode *tasks = find_node(invariant, &tasks_node);
	for (const struct znode *child = tasks ? tasks->children : NULL; child; child = child->next)
		if (child->stat.version == 0)
			invariant_break(invariant, "queue %s is deleted, and %s is open", node->queue, child->path);
	memset(invariant->keys, 0, sizeof invariant->keys);
	for (const struct itask *task = invariant->tasks; task; task = task->hh.next) {
		if (strcmp(task->queue, node->queue) != 0)
			continue;
		if (task->claims)
			invariant_break(invariant, "queue %s is deleted, and task %s has a claim", node->queue, task->key);
		if (task->in_tasks && !invariant->forced)
			invariant_break(invariant, "queue %s is deleted without force, and task %s waits", node->queue, task->key);
	}
}

static void
look_at_change(struct invariant *invariant, const struct change *change, const struct txn *txn, int *inbox_gone,
    int *inbox_kept)
{
	struct node node;
	struct itask *task;
	bool create = change->kind == CHANGE_CREATE, delete = change->kind == CHANGE_DELETE;

	if (!path_parse(invariant->root, change->path, &node))
		return;
	switch (node.kind) {
	case NODE_TASK:
		task = task_touch(invariant, &node);
		if (create) {
			task->created_ms = txn->time_ms;
			task_created(invariant, task, &node, change->blob);
		} else if (delete) {
			task->in_tasks = false;
			task->deleted_now = true;
			task->by_hand |= queue_says(invariant, node.queue, "\"deleted\":true");
		} else {
			task_changed(invariant, task, change->blob);
		}
		break;
	case NODE_BATCH:
		if (create)
			batch_created(invariant, &node, change->blob);
		break;
	case NODE_RESULT:
		task = task_touch(invariant, &node);
		if (create) {
			task->in_done = true;
			invariant->counts.results++;
			if (!task->accepted)
				invariant_break(invariant, "a result of %s, which was never accepted", task->key);
			if (task->results++)
				invariant_break(invariant, "a second result of %s", task->key);
		} else if (delete) {
			task->in_done = false;
			invariant->counts.retention++;
			if (!tells_of_retention(invariant, &node))
				invariant_break(invariant, "the result of %s is removed from an unmarked folder", task->key);
		}
		break;
	case NODE_DEAD:
		task = task_touch(invariant, &node);
		if (create) {
			if (!task->accepted) {
				/* An inbox task that was no task. */
				task->accepted = true;
				(*inbox_kept)++;
				const char *at = change->blob ? change->blob->data : "";
				set_serial(invariant, task, next_serial(&at));
			}
			task->in_dead = true;
			invariant->counts.dead++;
			if (task->results++)
				invariant_break(invariant, "a second result of %s", task->key);
		} else if (delete) {
			task->in_dead = false;
			task->letter_gone = true;
			task->untold = !tells_of_retention(invariant, &node);
			task->results--;
			task->by_hand |= queue_says(invariant, node.queue, "\"deleted\":true");
		}
		break;
	case NODE_CLAIM:
		task = task_touch(invariant, &node);
		if (create) {
			claim_created(invariant, task, &node, change->path, txn->time_ms);
		} else if (delete) {
			task->claims--;
			if (task->running_exclusive && strcmp(task->running_claim, change->path) == 0)
				invariant_break(invariant, "claim %s goes away while its exclusive attempt runs", change->path);
		}
		break;
	case NODE_FOLDER:
		if (delete)
			folder_gone(invariant, &node);
		break;
	case NODE_CANCEL:
		task = task_find(invariant, node.queue, node.seg, node.task.token);
		if (create && task)
			task->cancelled = true;
		invariant->counts.cancelled += create;
		break;
	case NODE_SEGMENT:
		invariant->counts.segments += create;
		touch_queue(invariant, node.queue);
		break;
	case NODE_TASKS:
		touch_queue(invariant, node.queue);
		break;
	case NODE_QUEUE:
		if (change->kind == CHANGE_SET)
			queue_changed(invariant, &node, change->blob);
		break;
	case NODE_INBOX_TASK:
		*inbox_gone += delete && !queue_says(invariant, node.queue, "\"deleted\":true");
		break;
	case NODE_MOVED_TASK:
		*inbox_kept += create;
		invariant->counts.moved += create;
		break;
	default:
		break;
	}
}

static void
look_at_task(struct invariant *invariant, struct itask *task)
{
	int places = task->in_tasks + task->in_done + task->in_dead;

	if (places > 1)
		invariant_break(invariant, "task %s is in %s%s%s", task->key, task->in_tasks ? "tasks " : "",
		    task->in_done ? "done " : "", task->in_dead ? "dead" : "");
	/* Results go away with retention only, which the change itself was asked about; so do dead letters. */
	if (places == 0 && task->letter_gone && task->results == 0) {
		if (task->untold)
			invariant_break(invariant, "the dead letter of %s is removed, and its done folder is unmarked", task->key);
		task->results++;
		invariant->counts.retention++;
	}
	if (places == 0 && task->accepted && task->results == 0 && !task->by_hand)
		invariant_break(invariant, "task %s is nowhere", task->key);
	if (task->claims > 1)
		invariant_break(invariant, "task %s has %d claims", task->key, task->claims);
	if (task->claims > 0 && !task->in_tasks && (!task->by_hand || task->claimed_now))
		invariant_break(invariant, "claim %s is for a task that is not in tasks", task->claim);
	if (task->claims < 0)
		invariant_break(invariant, "task %s has lost a claim that it never had", task->key);
}

static void
look_at_queue(struct invariant *invariant, const char *queue)
{
	struct node node = node_of_queue(NODE_TASKS, queue);
	const struct znode *tasks = find_node(invariant, &node);
	int open = 0;
	uint32_t open_seg = 0;

	if (!tasks || queue_says(invariant, queue, "\"deleting\":true") || queue_says(invariant, queue, "\"deleted\":true"))
		return;
	for (const struct znode *child = tasks->children; child; child = child->next) {
		struct node segment;

		name_parse(&node, child->name, &segment);
		if (segment.kind == NODE_SEGMENT && child->stat.version == 0) {
			open++;
			open_seg = segment.seg;
		}
	}
	if (open != 1)
		invariant_break(invariant, "queue %s has %d open segments", queue, open);
	const char *tail = tasks->blob ? strstr(tasks->blob->data, "\"tail\":") : NULL;
	if (!tail || (uint32_t)strtoul(tail + 7, NULL, 10) != open_seg)
		invariant_break(invariant, "queue %s: segment %u is open, but tasks holds %s", queue, open_seg,
		    tasks->blob ? tasks->blob->data : "nothing");
}

static bool
is_structure(enum node_kind kind)
{
	switch (kind) {
	case NODE_ROOT: case NODE_ELECTION: case NODE_WORKERS: case NODE_LOGKEYS: case NODE_ASSIGN: case NODE_QUEUES:
	case NODE_RETIRED_ALL: case NODE_DRAIN: case NODE_QUEUE: case NODE_CLASSES: case NODE_INBOX: case NODE_MOVED: case NODE_TASKS:
	case NODE_SEGMENT: case NODE_RETRY_ALL: case NODE_RETRY_SEG: case NODE_DONE_ALL: case NODE_DONE_SEG:
	case NODE_DEAD_ALL: case NODE_DEAD_SEG: case NODE_HOLD_ALL: case NODE_CANCEL_ALL: case NODE_KEYS:
		return true;
	default:
		return false;
	}
}

static bool
candidate_number(const char *name, uint64_t *number)
{
	const char *at = strstr(name, "-n_");

	if (!at)
		return false;
	*number = strtoull(at + 3, NULL, 10);
	return true;
}

/* A dispatcher's write begins with a check of its candidate, which is the lowest one; but for standing for
 * election, leaving, and making what is missing of the tree. */
static void
look_at_leader(struct invariant *invariant, const struct txn *txn)
{
	const struct raw_request *request = txn->request;
	struct node node;
	bool harmless = true;

	for (int i = 0; i < request->op_count && harmless; i++) {
		const struct raw_op *op = &request->ops[i];

		if (strcmp(op->path, invariant->root) == 0)
			continue;
		bool ours = path_parse(invariant->root, op->path, &node);
		if (op->kind == OP_CREATE && strstr(op->path, "/election/"))
			continue;
		harmless = (ours && op->kind == OP_CREATE && is_structure(node.kind)) || op->kind == OP_CHECK ||
		    (op->kind == OP_DELETE && ours && node.kind == NODE_CANDIDATE) ||
		    (!ours && op->kind == OP_CREATE && strncmp(invariant->root, op->path, strlen(op->path)) == 0);
	}
	if (harmless)
		return;
	const struct raw_op *first = &request->ops[0];
	if (first->kind != OP_CHECK || !path_parse(invariant->root, first->path, &node) || node.kind != NODE_CANDIDATE) {
		invariant_break(invariant, "a dispatcher writes without a check of its candidate: %s", request->ops[0].path);
		return;
	}
	const struct znode *mine = tree_find(invariant->tree, first->path);
	uint64_t number, other;
	if (!mine || mine->stat.owner != txn->session || !candidate_number(mine->name, &number)) {
		invariant_break(invariant, "a dispatcher checks a candidate that is not its own: %s", first->path);
		return;
	}
	for (const struct znode *child = mine->parent->children; child; child = child->next)
		if (candidate_number(child->name, &other) && other < number)
			invariant_break(invariant, "%s writes as leader, but %s is lower", mine->name, child->name);
}

/* Whoever was claimed some time ago: nobody who should have been first still waits for a first claim. */
static void
look_at_fifo(struct invariant *invariant, int64_t time_ms)
{
	while (invariant->debt_head < invariant->debt_count &&
	    invariant->debts[invariant->debt_head].claimed_ms + FIFO_GRACE_MS < time_ms) {
		const struct fifo_debt *debt = &invariant->debts[invariant->debt_head++];

		for (int i = 0; i < invariant->order_count; i++) {
			const struct itask *other = invariant->order[i];

			if (other->in_tasks && other->claims_ever == 0 && !other->cancelled &&
			    other->created_ms + FIFO_GRACE_MS < debt->claimed_ms &&
			    strcmp(other->queue, debt->task->queue) == 0 &&
			    /* Classes of one priority take turns. */
			    (other->name.priority != debt->task->name.priority ||
			    other->name.class_hash == debt->task->name.class_hash) &&
			    task_order(other->seg, &other->name, debt->task->seg, &debt->task->name) < 0)
				invariant_break(invariant, "task %s was given out before %s", debt->task->key, other->key);
		}
	}
}

void
invariant_txn(struct invariant *invariant, const struct txn *txn, bool from_dispatcher)
{
	int inbox_gone = 0, inbox_kept = 0;

	invariant->zxid = txn->zxid;
	if (txn->rc != RC_OK) {
		invariant->counts.refused++;
		return;
	}
	invariant->touched = NULL;
	invariant->queue_count = 0;
	/* Payloads of batches before the tasks that need them. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < txn->change_count; i++) {
			bool batch = strstr(txn->changes[i].path, "/b.") != NULL;

			if (batch == (pass == 0))
				look_at_change(invariant, &txn->changes[i], txn, &inbox_gone, &inbox_kept);
		}
	if (inbox_gone > inbox_kept)
		invariant_break(invariant, "%d inbox tasks are gone, %d were accepted", inbox_gone, inbox_kept);
	for (struct itask *task = invariant->touched; task; task = task->touched) {
		task->is_touched = false;
		look_at_task(invariant, task);
		task->claimed_now = task->deleted_now = false;
	}
	for (int i = 0; i < invariant->queue_count; i++)
		look_at_queue(invariant, invariant->queues[i]);
	if (from_dispatcher && txn->request)
		look_at_leader(invariant, txn);
	if (invariant->fifo)
		look_at_fifo(invariant, txn->time_ms);
}

void
invariant_started(struct invariant *invariant, const struct node *claim, bool exclusive)
{
	struct itask *task = task_find(invariant, claim->queue, claim->seg, claim->task.token);
	char path[PATH_BUFFER];

	invariant->counts.starts++;
	if (!task) {
		invariant_break(invariant, "%s.%u.%s starts, which was never accepted", claim->queue, claim->seg,
		    claim->task.token);
		return;
	}
	task->starts++;
	task->running++;
	path_write(invariant->root, claim, false, path, sizeof path);
	if (is_once(invariant, claim->task.class_hash) && task->starts > 1)
		invariant_break(invariant, "task %s is at most once and starts again", task->key);
	if (!exclusive)
		return;
	if (task->running_exclusive++)
		invariant_break(invariant, "two copies of %s run at once: %s and %s", task->key, task->running_claim, path);
	strcpy(task->running_claim, path);
	if (!tree_find(invariant->tree, path))
		invariant_break(invariant, "%s starts, but its claim is gone", path);
}

void
invariant_text(struct invariant *invariant, const struct node *claim, const char *text)
{
	const struct itask *task = task_find(invariant, claim->queue, claim->seg, claim->task.token);
	char limit[24];

	limit_of(text, limit);
	if (task && strcmp(limit, task->limit) != 0)
		invariant_break(invariant, "task %s starts with the time limit '%s', not '%s'", task->key, limit, task->limit);
}

bool
invariant_had_priority(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token, int priority)
{
	const struct itask *task = task_find(invariant, queue, seg, token);

	return task && task->priorities & 1u << priority;
}

void
invariant_ended(struct invariant *invariant, const struct node *claim)
{
	struct itask *task = task_find(invariant, claim->queue, claim->seg, claim->task.token);
	char path[PATH_BUFFER];

	if (!task)
		return;
	task->running--;
	path_write(invariant->root, claim, false, path, sizeof path);
	if (task->running_exclusive && strcmp(task->running_claim, path) == 0) {
		task->running_exclusive--;
		task->running_claim[0] = '\0';
	}
}

/* Counts what the tree holds of a task, by walking all of it. */
static void
walk(struct invariant *invariant, const struct znode *at, int *tasks, int *claims)
{
	struct node node;

	if (path_parse(invariant->root, at->path, &node)) {
		struct itask *task = task_find(invariant, node.queue, node.seg, node.task.token);

		*tasks += node.kind == NODE_TASK;
		*claims += node.kind == NODE_CLAIM;
		if (node.kind == NODE_TASK && (!task || !task->in_tasks))
			invariant_break(invariant, "scan: %s is not known", at->path);
		if (node.kind == NODE_CLAIM && (!task || task->claims != 1 || strcmp(task->claim, at->path) != 0))
			invariant_break(invariant, "scan: claim %s is not known", at->path);
		if (node.kind == NODE_RESULT && (!task || !task->in_done))
			invariant_break(invariant, "scan: %s is not known", at->path);
	}
	for (const struct znode *child = at->children; child; child = child->next)
		walk(invariant, child, tasks, claims);
}

void
invariant_scan(struct invariant *invariant)
{
	const struct znode *root = tree_find(invariant->tree, invariant->root);
	int tasks = 0, claims = 0;

	if (!root)
		return;
	walk(invariant, root, &tasks, &claims);
	for (struct itask *task = invariant->tasks; task; task = task->hh.next) {
		tasks -= task->in_tasks;
		claims -= task->claims;
	}
	if (tasks || claims)
		invariant_break(invariant, "scan: %d tasks and %d claims too many in the tree", tasks, claims);
}

const char *
invariant_task_name(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token)
{
	static char text[32];
	const struct itask *task = task_find(invariant, queue, seg, token);

	if (!task || !task->serial)
		return token;
	snprintf(text, sizeof text, "t%llu", (unsigned long long)task->serial);
	return text;
}

bool
invariant_accepted(const struct invariant *invariant, uint64_t serial, char id[64])
{
	struct itask *task;

	HASH_FIND(hh_serial, invariant->by_serial, &serial, sizeof serial, task);
	if (task && id)
		snprintf(id, 64, "%.63s", task->key);
	return task != NULL;
}

bool
invariant_has_result(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token)
{
	const struct itask *task = task_find(invariant, queue, seg, token);

	return task && task->results > 0;
}

bool
invariant_by_hand(struct invariant *invariant, uint64_t serial, char *path, size_t size)
{
	struct itask *task;

	HASH_FIND(hh_serial, invariant->by_serial, &serial, sizeof serial, task);
	if (!task || !task->in_tasks)
		return false;
	struct node node = node_task(task->queue, task->seg, &task->name);
	task->by_hand = true;
	return path_write(invariant->root, &node, false, path, size) > 0;
}

bool
invariant_removed(const struct invariant *invariant, const char *queue, uint32_t seg, const char *token)
{
	const struct itask *task = task_find(invariant, queue, seg, token);

	return task && task->by_hand;
}
