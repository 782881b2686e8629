#include "lib/restore.h"

#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/path.h"

#define ROOT "/r"		/* any: paths are parsed below it */
#define SEG_MOVED (UINT32_MAX - 1)	/* stands for moved/ in refs: no segment gets there */
#define SEG_INBOX (UINT32_MAX - 2)	/* for inbox/ */

/* Where something about a task, or a segment (token ""), stands in the export; sorted. */
struct ref {
	const char *queue;
	uint32_t seg;
	const char *token;
	enum node_kind kind;
	int index;
};

static int
compare_refs(const void *a, const void *b)
{
	const struct ref *one = a, *other = b;
	int order = strcmp(one->queue, other->queue);

	if (!order && one->seg != other->seg)
		order = one->seg < other->seg ? -1 : 1;
	if (!order)
		order = strcmp(one->token, other->token);
	return order ? order : (int)one->kind - (int)other->kind;
}

/* The one of this kind, or NULL. */
static const struct ref *
find(const struct restore *restore, const char *queue, uint32_t seg, const char *token, enum node_kind kind)
{
	struct ref key = { queue, seg, token, kind, 0 };

	return restore->ref_count ? bsearch(&key, restore->refs, (size_t)restore->ref_count, sizeof key, compare_refs) :
	    NULL;
}

/* ---- what is in the export ---- */

static void
add_ref(struct restore *restore, int index)
{
	const struct node *node = &restore->nodes[index];
	struct ref ref = { node->queue, node->seg, node->task.token, node->kind, index };

	switch (node->kind) {
	case NODE_TASK:
	case NODE_CLAIM:
	case NODE_RESULT:
	case NODE_DEAD:
	case NODE_RETRY:
		break;
	case NODE_SEGMENT:
	case NODE_DONE_SEG:
	case NODE_DEAD_SEG:
		ref.token = "";
		break;
	case NODE_MOVED_TASK:
	case NODE_INBOX_TASK:
		ref.seg = node->kind == NODE_INBOX_TASK ? SEG_INBOX : SEG_MOVED;
		ref.token = node->text;
		break;
	default:
		return;
	}
	restore->refs[restore->ref_count++] = ref;
}

static int
parse(struct restore *restore)
{
	size_t count = (size_t)restore->znode_count + 1;

	restore->nodes = arena_alloc(&restore->arena, count * sizeof *restore->nodes);
	restore->refs = arena_alloc(&restore->arena, count * sizeof *restore->refs);
	if (restore->arena.failed)
		return ZKQ_ENOMEM;
	for (int i = 0; i < restore->znode_count; i++) {
		const char *path = restore->znodes[i].path;
		const char *whole = *path ? arena_printf(&restore->arena, ROOT "/%s", path) : ROOT;

		if (!whole)
			return ZKQ_ENOMEM;
		if (!path_parse(ROOT, whole, &restore->nodes[i]))
			restore->nodes[i] = (struct node){ .kind = NODE_STRANGER };
		if (restore->nodes[i].kind == NODE_ROOT) {
			restore->root_data = restore->znodes[i].data;
			restore->root_len = restore->znodes[i].len;
		}
		add_ref(restore, i);
	}
	qsort(restore->refs, (size_t)restore->ref_count, sizeof *restore->refs, compare_refs);
	return restore->root_len ? ZKQ_OK : ZKQ_EINVAL;
}

/* ---- what is to be made ---- */

static void
emit(struct restore *restore, const char *path, enum node_kind kind, const char *data, size_t len, int sets)
{
	int depth = 1;

	if (restore->count == restore->room) {
		int room = restore->room ? restore->room * 2 : 1024;
		struct restored *list = realloc(restore->list, (size_t)room * sizeof *list);

		if (!list) {
			restore->arena.failed = true;
			return;
		}
		restore->list = list;
		restore->room = room;
	}
	for (const char *p = path; p && *p; p++)
		depth += *p == '/';
	restore->list[restore->count++] = (struct restored){ path, data, len, sets, depth, kind };
	restore->info->created++;
}

static const char *
path_of(struct restore *restore, const struct node *node)
{
	char buffer[PATH_BUFFER];
	int len = path_write(ROOT, node, false, buffer, sizeof buffer);

	if (len < 0) {
		restore->arena.failed = true;
		return NULL;
	}
	return arena_copy(&restore->arena, buffer + sizeof ROOT, (size_t)len - sizeof ROOT);
}

static void
emit_node(struct restore *restore, struct node node, const struct record *record)
{
	size_t len = 0;
	const char *data = record ? record_encode(&restore->arena, record, &len) : NULL;

	emit(restore, path_of(restore, &node), node.kind, data, len, 0);
}

/* As it was. */
static void
emit_same(struct restore *restore, int index, int sets)
{
	const struct dump *znode = &restore->znodes[index];

	emit(restore, znode->path, restore->nodes[index].kind, znode->data, znode->len, sets);
}

/* ---- segments ---- */

/* One whose results were stamped was empty; whatever was still seen in it has ended. */
static bool
lives(const struct restore *restore, const char *queue, uint32_t seg)
{
	const struct ref *done = find(restore, queue, seg, "", NODE_DONE_SEG);

	return find(restore, queue, seg, "", NODE_SEGMENT) && !(done && restore->znodes[done->index].stat.version > 0);
}

/* The new open segment: above all that ever was. */
static uint32_t
new_tail(const struct restore *restore, const char *queue, int index)
{
	struct arena arena = { 0 };
	struct record record;
	const char *why;
	uint32_t tail = 0;

	for (int i = 0; i < restore->ref_count; i++) {
		const struct ref *ref = &restore->refs[i];

		if (!*ref->token && strcmp(ref->queue, queue) == 0 && ref->seg >= tail)
			tail = ref->seg + 1;
	}
	if (index >= 0 && record_decode(&arena, REC_TAIL, restore->znodes[index].data ? restore->znodes[index].data :
	    "", restore->znodes[index].len, &record, &why) && record.tail.tail >= tail)
		tail = record.tail.tail + 1;
	arena_free(&arena);
	return tail;
}

static void
emit_queue(struct restore *restore, const char *queue, int index)
{
	static const enum node_kind folders[] = { NODE_CLASSES, NODE_INBOX, NODE_MOVED, NODE_RETRY_ALL, NODE_DONE_ALL,
		NODE_DEAD_ALL, NODE_HOLD_ALL, NODE_CANCEL_ALL, NODE_UPDATE_ALL, NODE_KEYS };
	static const enum node_kind firsts[] = { NODE_SEGMENT, NODE_RETRY_SEG, NODE_DONE_SEG, NODE_DEAD_SEG };
	struct record tail = { .kind = REC_TAIL };
	int tasks = -1;

	emit_same(restore, index, 0);
	for (int i = 0; i < restore->znode_count; i++)
		if (restore->nodes[i].kind == NODE_TASKS && strcmp(restore->nodes[i].queue, queue) == 0)
			tasks = i;
	tail.tail.tail = new_tail(restore, queue, tasks);
	emit_node(restore, node_of_queue(NODE_TASKS, queue), &tail);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		emit_node(restore, node_of_queue(folders[i], queue), NULL);
	for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
		emit_node(restore, node_of_segment(firsts[i], queue, tail.tail.tail), NULL);
}

static void
emit_segment(struct restore *restore, const struct node *node)
{
	emit(restore, path_of(restore, node), node->kind, NULL, 0, 1);
	emit_node(restore, node_of_segment(NODE_RETRY_SEG, node->queue, node->seg), NULL);
	emit_node(restore, node_of_segment(NODE_DONE_SEG, node->queue, node->seg), NULL);
	emit_node(restore, node_of_segment(NODE_DEAD_SEG, node->queue, node->seg), NULL);
}

/* Of a segment that is no more: retention takes it over. One made after its queue was read has no stamp yet. */
static void
emit_done(struct restore *restore, int index)
{
	const struct node *node = &restore->nodes[index];
	struct record stamp = { .kind = REC_STAMP };
	int version = restore->znodes[index].stat.version;

	if (version > 0) {
		emit_same(restore, index, version > 2 ? 2 : version);
		return;
	}
	for (int i = 0; i < restore->ref_count; i++)
		if (restore->refs[i].kind == NODE_RESULT && restore->refs[i].seg == node->seg &&
		    !strcmp(restore->refs[i].queue, node->queue)) {
			stamp.stamp.count++;
			stamp.stamp.bytes += (int64_t)restore->znodes[restore->refs[i].index].len;
		}
	size_t len;
	const char *data = record_encode(&restore->arena, &stamp, &len);
	emit(restore, restore->znodes[index].path, NODE_DONE_SEG, data, len, 1);
}

/* ---- tasks ---- */

static bool
at_most_once(const struct restore *restore, const struct node *task)
{
	struct arena arena = { 0 };
	struct record record;
	const char *why;
	bool once = false;

	for (int i = 0; i < restore->znode_count; i++) {
		const struct node *node = &restore->nodes[i];

		if (node->kind == NODE_CLASS && node->hash == task->task.class_hash && !strcmp(node->queue,
		    task->queue) && record_decode(&arena, REC_CLASS, restore->znodes[i].data ? restore->znodes[i].data :
		    "", restore->znodes[i].len, &record, &why))
			once = record.class.mode == MODE_AT_MOST_ONCE;
	}
	arena_free(&arena);
	return once;
}

static void
emit_lost(struct restore *restore, int index, const struct node *claim)
{
	const struct node *node = &restore->nodes[index];
	struct record record = { .kind = REC_RESULT }, task;
	const char *why;

	memcpy(record.result.queue, node->queue, sizeof node->queue);
	record.result.seg = node->seg;
	memcpy(record.result.token, node->task.token, sizeof node->task.token);
	record.result.outcome.state = STATE_LOST;
	record.result.outcome.reason = "import";
	record.result.attempt = claim->run;
	record.result.fence = claim->fence;
	record.result.worker = arena_string(&restore->arena, claim->worker);
	record.result.by = restore->by;
	record.result.at_wall_ms = restore->wall_ms;
	if (restore->znodes[index].len && record_decode(&restore->arena, REC_TASK, restore->znodes[index].data,
	    restore->znodes[index].len, &task, &why) && !task.task.invalid) {
		record.result.name = task.task.name;
		record.result.task = restore->znodes[index].data;
	}
	emit_node(restore, node_of_token(NODE_RESULT, node->queue, node->seg, node->task.token), &record);
}

/* Its attempt ended with the cluster: the next one has the next number. */
static void
emit_retry(struct restore *restore, const struct node *claim, const struct ref *known)
{
	struct record record;
	const char *why;

	if (!known || !record_decode(&restore->arena, REC_RETRY, restore->znodes[known->index].data ?
	    restore->znodes[known->index].data : "", restore->znodes[known->index].len, &record, &why))
		record = (struct record){ .kind = REC_RETRY };
	if (record.retry.runs < claim->run)
		record.retry.runs = claim->run;
	record.retry.error = "it had been given to a worker when the tree was exported";
	record.retry.by = restore->by;
	record.retry.at_wall_ms = restore->wall_ms;
	emit_node(restore, node_of_token(NODE_RETRY, claim->queue, claim->seg, claim->task.token), &record);
}

/* Whether the task is to wait in the new tree. */
static bool
waits(const struct restore *restore, const struct node *node)
{
	const char *token = node->task.token;

	return lives(restore, node->queue, node->seg) && find(restore, node->queue, node->seg, token, NODE_TASK) &&
	    !find(restore, node->queue, node->seg, token, NODE_RESULT) && !find(restore, node->queue, node->seg, token,
	    NODE_DEAD);
}

static void
emit_task(struct restore *restore, int index)
{
	const struct node *node = &restore->nodes[index];
	const struct ref *claim = find(restore, node->queue, node->seg, node->task.token, NODE_CLAIM);

	if (!waits(restore, node)) {
		restore->info->ended++;
		return;
	}
	if (claim && restore->znodes[claim->index].len && at_most_once(restore, node)) {
		emit_lost(restore, index, &restore->nodes[claim->index]);
		restore->info->lost++;
		return;
	}
	emit_same(restore, index, 0);
	restore->info->tasks++;
	if (!claim)
		return;
	restore->info->claimed++;
	emit_retry(restore, &restore->nodes[claim->index], find(restore, node->queue, node->seg, node->task.token,
	    NODE_RETRY));
}

/* Whether the id that a record in moved/ names is of a task of this export. */
static bool
names_known(const struct restore *restore, int index)
{
	static const enum node_kind places[] = { NODE_TASK, NODE_RESULT, NODE_DEAD };
	struct arena arena = { 0 };
	struct record record;
	const char *why;
	bool known = false;

	if (restore->znodes[index].len && record_decode(&arena, REC_MOVED, restore->znodes[index].data,
	    restore->znodes[index].len, &record, &why))
		for (size_t i = 0; i < sizeof places / sizeof *places; i++)
			known = known || find(restore, record.moved.queue, record.moved.seg, record.moved.token,
			    places[i]);
	arena_free(&arena);
	return known;
}

/* Whether this record in moved/ speaks of this task in the inbox, and of where it is now. What was moved only after the
 * tasks had been read is in the inbox still, as far as the export goes. */
static bool
was_moved(const struct restore *restore, int moved, int inbox)
{
	return restore->znodes[moved].stat.mzxid > restore->znodes[inbox].stat.czxid && names_known(restore, moved);
}

static void
emit_inbox(struct restore *restore, int index)
{
	const struct node *node = &restore->nodes[index];
	const struct ref *moved = find(restore, node->queue, SEG_MOVED, node->text, NODE_MOVED_TASK);

	if (moved && was_moved(restore, moved->index, index)) {
		restore->info->ended++;
		return;
	}
	emit_same(restore, index, 0);
	restore->info->inbox++;
}

/* Not of a task that is in the inbox of the new tree: it will get another id. */
static void
emit_moved(struct restore *restore, int index)
{
	const struct node *node = &restore->nodes[index];
	const struct ref *inbox = find(restore, node->queue, SEG_INBOX, node->text, NODE_INBOX_TASK);

	if (!inbox || was_moved(restore, index, inbox->index))
		emit_same(restore, index, 0);
}

/* Reserved parts of the tree are kept; what else is strange is not. */
static void
emit_stranger(struct restore *restore, int index)
{
	static const char *const reserved[] = { "limits", "events", "stats" };
	const char *path = restore->znodes[index].path;

	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
		size_t len = strlen(reserved[i]);

		if (strncmp(path, reserved[i], len) == 0 && (path[len] == '/' || !path[len])) {
			emit_same(restore, index, 0);
			return;
		}
	}
	restore->info->strangers++;
}

static void
emit_one(struct restore *restore, int index)
{
	const struct node *node = &restore->nodes[index];

	if (restore->znodes[index].stat.owner) {
		restore->info->ephemerals++;
		return;
	}
	switch (node->kind) {
	case NODE_STRANGER:
		emit_stranger(restore, index);
		break;
	case NODE_QUEUE:
		emit_queue(restore, node->queue, index);
		break;
	case NODE_SEGMENT:
		if (lives(restore, node->queue, node->seg))
			emit_segment(restore, node);
		break;
	case NODE_DONE_SEG:
		if (!lives(restore, node->queue, node->seg))
			emit_done(restore, index);
		break;
	case NODE_DEAD_SEG:
	case NODE_CANCEL_SEG:
	case NODE_UPDATE_SEG:
	case NODE_HOLD_SEG:
		if (node->kind == NODE_DEAD_SEG ? !lives(restore, node->queue, node->seg) : lives(restore, node->queue,
		    node->seg))
			emit_same(restore, index, 0);
		break;
	case NODE_TASK:
		emit_task(restore, index);
		break;
	case NODE_BATCH:
		if (lives(restore, node->queue, node->seg))
			emit_same(restore, index, 0);
		break;
	case NODE_RETRY:
		if (waits(restore, node) && !find(restore, node->queue, node->seg, node->task.token, NODE_CLAIM))
			emit_same(restore, index, 0);
		break;
	case NODE_CANCEL:
	case NODE_UPDATE:
	case NODE_HOLD:
		if (waits(restore, node))
			emit_same(restore, index, 0);
		break;
	case NODE_INBOX_TASK:
		emit_inbox(restore, index);
		break;
	case NODE_MOVED_TASK:
		emit_moved(restore, index);
		break;
	case NODE_RESULT:
		restore->info->results++;
		emit_same(restore, index, 0);
		break;
	case NODE_DEAD:
		restore->info->dead++;
		emit_same(restore, index, 0);
		break;
	case NODE_RETIRED:
	case NODE_CLASS:
	case NODE_SHARD:
	case NODE_KEY_DIR:
	case NODE_KEY:
	case NODE_DRAIN_WORKER:
		emit_same(restore, index, 0);
		break;
	default:
		break;	/* made anew, or of daemons that are not there */
	}
}

static int
compare_restored(const void *a, const void *b)
{
	const struct restored *one = a, *other = b;

	return one->depth != other->depth ? one->depth - other->depth : strcmp(one->path, other->path);
}

int
restore_make(struct restore *restore, const struct dump *znodes, int count, const char *by, int64_t wall_ms,
    struct zkq_import_info *info)
{
	static const enum node_kind parts[] = { NODE_ELECTION, NODE_WORKERS, NODE_LOGKEYS, NODE_ASSIGN, NODE_QUEUES, NODE_RETIRED_ALL,
	    NODE_DRAIN };

	*restore = (struct restore){ .znodes = znodes, .znode_count = count, .by = by, .wall_ms = wall_ms, .info = info };
	int error = parse(restore);
	if (error != ZKQ_OK)
		return error;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		emit_node(restore, node_plain(parts[i]), NULL);
	for (int i = 0; i < count; i++)
		emit_one(restore, i);
	if (restore->arena.failed)
		return ZKQ_ENOMEM;
	if (restore->count)
		qsort(restore->list, (size_t)restore->count, sizeof *restore->list, compare_restored);
	return ZKQ_OK;
}

void
restore_free(struct restore *restore)
{
	free(restore->list);
	arena_free(&restore->arena);
	*restore = (struct restore){ .count = 0 };
}
