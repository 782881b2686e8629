#include "lib/invariants.h"

#include <stdlib.h>
#include <string.h>

#define SEG_MOVED (UINT32_MAX - 1)	/* stands for moved/ in refs: no segment gets there */

/* Where something of a task, or of a segment (token ""), stands; sorted. */
struct ref {
	const char *queue;
	uint32_t seg;
	const char *token;
	enum node_kind kind;
	int index;		/* in the tree */
};

/* How far the deletion of a queue is, as its record says (zkq queue delete). */
enum ending { LASTING, DELETING, DELETED };

struct ending_queue {
	const char *name;
	enum ending ending;
};

struct state {
	const struct tree *tree;
	struct ending_queue *endings;	/* the queues that do not last */
	int ending_count;
	struct broken_list *broken;
	struct ref *refs;
	int ref_count;
	int *classes;		/* where they are in the tree */
	int class_count;
	int *items;		/* of a batch, by its place in the tree; 0 = not looked at yet, -1 = it cannot be read */
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

static const struct tree_node *
find(const struct state *state, const char *queue, uint32_t seg, const char *token, enum node_kind kind)
{
	struct ref key = { queue, seg, token, kind, 0 };
	const struct ref *found = state->ref_count ? bsearch(&key, state->refs, (size_t)state->ref_count, sizeof key,
	    compare_refs) : NULL;

	return found ? &state->tree->list[found->index] : NULL;
}

static enum ending
ending_of(const struct state *state, const char *queue)
{
	for (int i = 0; i < state->ending_count; i++)
		if (strcmp(state->endings[i].name, queue) == 0)
			return state->endings[i].ending;
	return LASTING;
}

/* Part of a deleted queue: nothing of it counts, and it is being removed in no order that could be broken. A claim is
 * no part: no worker has one by then. */
static bool
is_remains(const struct state *state, const struct node *node)
{
	return *node->queue && node->kind != NODE_QUEUE && node->kind != NODE_CLAIM &&
	    ending_of(state, node->queue) == DELETED;
}

/* ---- findings ---- */

static struct broken spare;	/* what is written when memory runs out; never read */

static struct broken *
add(const struct state *state, enum zkq_level level, const char *check, const char *path, const char *text,
    const char *advice)
{
	struct broken_list *broken = state->broken;

	if (broken->count == broken->room) {
		int room = broken->room ? broken->room * 2 : 64;
		struct broken *list = realloc(broken->list, (size_t)room * sizeof *list);

		if (!list) {
			broken->failed = true;
			spare.op_count = 0;
			return &spare;
		}
		broken->list = list;
		broken->room = room;
	}
	struct broken *one = &broken->list[broken->count++];
	*one = (struct broken){ .level = level, .check = check, .path = path, .text = text ? text : "", .advice = advice };
	return one;
}

static void
op_delete(struct broken *broken, const struct tree_node *node)
{
	broken->ops[broken->op_count++] = (struct raw_op){ .kind = OP_DELETE, .path = node->path,
	    .version = node->stat.version };
}

static void
op_check(struct broken *broken, const struct tree_node *node)
{
	broken->ops[broken->op_count++] = (struct raw_op){ .kind = OP_CHECK, .path = node->path,
	    .version = node->stat.version };
}

static void
op_set(struct broken *broken, const struct tree_node *node, const char *data, size_t len)
{
	broken->ops[broken->op_count++] = (struct raw_op){ .kind = OP_SET, .path = node->path,
	    .version = node->stat.version, .data = data,
		.len = len };
}

static const char *
path_of(const struct state *state, struct node node)
{
	char buffer[PATH_BUFFER];
	int len = path_write(state->tree->handle->root, &node, false, buffer, sizeof buffer);

	return len < 0 ? NULL : arena_copy(&state->broken->arena, buffer, (size_t)len);
}

static void
op_create(const struct state *state, struct broken *broken, struct node node, const char *data)
{
	const char *path = path_of(state, node);

	if (path)
		broken->ops[broken->op_count++] = (struct raw_op){ .kind = OP_CREATE, .path = path, .data = data,
			.len = data ? strlen(data) : 0, .acl = node.kind };
}

static const char *
encoded(const struct state *state, const struct record *record)
{
	size_t len;

	return record_encode(&state->broken->arena, record, &len);
}

/* ---- each znode by itself ---- */

static bool
reserved(const struct state *state, const struct tree_node *node)
{
	static const char *const names[] = { "limits", "events", "stats" };
	const char *path = tree_below(state->tree, node);

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t len = strlen(names[i]);

		if (strncmp(path, names[i], len) == 0 && (path[len] == '/' || !path[len]))
			return true;
	}
	return false;
}

static void
check_owner(const struct state *state, const struct tree_node *node)
{
	enum node_kind kind = node->node.kind;
	bool must = kind == NODE_CANDIDATE || kind == NODE_WORKER || kind == NODE_LOGKEY || kind == NODE_LIVE;

	if (must && !node->stat.owner) {
		struct broken *one = add(state, ZKQ_LEVEL_ERROR, "ephemeral", node->path,
		    "stays though nobody's session holds it: it keeps others waiting for ever", "delete it");
		op_delete(one, node);
	} else if (!must && node->stat.owner && kind != NODE_INBOX_TASK) {
		add(state, ZKQ_LEVEL_ERROR, "ephemeral", node->path, "will vanish with the session that made it",
		    "find out who made it; submit the task again if it is one");
	}
}

static enum record_kind
record_kind_of(enum node_kind kind)
{
	switch (kind) {
	case NODE_ROOT:
		return REC_ROOT;
	case NODE_CANDIDATE:
		return REC_CANDIDATE;
	case NODE_WORKER:
		return REC_WORKER;
	case NODE_FOLDER:
		return REC_REPORT;
	case NODE_QUEUE:
		return REC_QUEUE;
	case NODE_CLASS:
		return REC_CLASS;
	case NODE_TASKS:
		return REC_TAIL;
	case NODE_BATCH:
		return REC_BATCH;
	case NODE_RETRY:
		return REC_RETRY;
	case NODE_RESULT:
	case NODE_DEAD:
		return REC_RESULT;
	case NODE_MOVED_TASK:
		return REC_MOVED;
	case NODE_KEY:
		return REC_KEY;
	default:
		return REC_BYTES;
	}
}

static bool
decode(struct arena *arena, const struct tree_node *node, enum record_kind kind, struct record *record,
    const char **why)
{
	return record_decode(arena, kind, node->data, node->len, record, why);
}

static void
check_record(const struct state *state, const struct tree_node *node)
{
	struct arena arena = { 0 };
	struct record record;
	const char *why = NULL;
	enum record_kind kind = record_kind_of(node->node.kind);

	if (kind == REC_BYTES || node->denied)
		return;
	if (!decode(&arena, node, kind, &record, &why))
		add(state, ZKQ_LEVEL_ERROR, "record", node->path, arena_printf(&state->broken->arena,
		    "cannot be read: %s", why),
		    "write it anew by hand, or delete it; zkq-znodes(7) tells what it is for");
	else if (kind == REC_RESULT && (strcmp(record.result.queue, node->node.queue) ||
	    record.result.seg != node->node.seg || strcmp(record.result.token, node->node.task.token)))
		add(state, ZKQ_LEVEL_ERROR, "record", node->path, "is the result of another task",
		    "somebody has copied it: delete it");
	else if (kind == REC_CLASS && record.class.hash != node->node.hash)
		add(state, ZKQ_LEVEL_ERROR, "class", node->path,
		    "its name is not the hash of its text: its tasks are treated wrongly",
		    "delete it when no task has this class, or write the text that the hash is of");
	arena_free(&arena);
}

/* How many payloads a batch holds, -1 when it cannot be read. */
static int
items_of(const struct state *state, const struct tree_node *batch)
{
	int *items = &state->items[batch - state->tree->list];
	struct arena arena = { 0 };
	struct record record;
	const char *why;

	if (!*items)
		*items = decode(&arena, batch, REC_BATCH, &record, &why) && record.batch.count ? record.batch.count : -1;
	arena_free(&arena);
	return *items;
}

/* The item of its batch, or what it carries itself. */
static void
check_payload(const struct state *state, const struct tree_node *task)
{
	struct arena arena = { 0 };
	struct record record;
	char batch[TOKEN_LEN + 1];
	uint32_t index;
	const char *why = NULL;
	const struct node *node = &task->node;
	bool of_batch = task->len == 0 && token_is_batch(node->task.token, batch, &index);
	const struct tree_node *from = of_batch ? find(state, node->queue, node->seg, batch, NODE_BATCH) : NULL;

	if (task->denied)
		return;
	if (of_batch && !from)
		why = "the batch that holds it is missing";
	else if (of_batch && items_of(state, from) >= 0 && index >= (uint32_t)items_of(state, from))
		why = "the batch that holds it is shorter";
	else if (!of_batch && decode(&arena, task, REC_TASK, &record, &why))
		why = record.task.invalid;
	if (why)
		add(state, ZKQ_LEVEL_ERROR, "task", task->path, arena_printf(&state->broken->arena, "cannot be run: %s",
		    why), "nothing: it becomes a dead letter when its turn comes");
	arena_free(&arena);
}

static void
check_class_of(const struct state *state, const struct tree_node *task)
{
	static const char text[] = "no such class is registered";
	struct node class = node_of_hash(NODE_CLASS, task->node.queue, task->node.task.class_hash);

	for (int i = 0; i < state->class_count; i++) {
		const struct node *node = &state->tree->list[state->classes[i]].node;

		if (node->hash == class.hash && !strcmp(node->queue, class.queue))
			return;
	}
	const char *path = path_of(state, class);
	for (int i = 0; i < state->broken->count; i++)
		if (path && !strcmp(state->broken->list[i].path, path))
			return;	/* said once */
	bool plain = class.hash == class_default_hash();
	struct broken *one = add(state, ZKQ_LEVEL_ERROR, "class", path ? path : task->path, text,
	    plain ? "make it: it is the ordinary one" : "submit a task with these wishes again: that registers it");
	if (plain)
		op_create(state, one, class, class_default_text);
}

static void
check_inbox(const struct state *state, const struct tree_node *node)
{
	const struct tree_node *moved = find(state, node->node.queue, SEG_MOVED, node->node.text, NODE_MOVED_TASK);

	if (!moved || moved->stat.mzxid <= node->stat.czxid)
		return;	/* of an earlier one of that name */
	struct broken *one = add(state, ZKQ_LEVEL_ERROR, "place", node->path,
	    "has its id already, and is still in the inbox: it would run twice", "delete it from the inbox");
	op_check(one, moved);
	op_delete(one, node);
}

static void
check_node(const struct state *state, const struct tree_node *node)
{
	if (!node->known) {
		if (!reserved(state, node))
			add(state, ZKQ_LEVEL_NOTE, "name", node->path, "is not of this tree",
			    "delete it when nobody needs it");
		return;
	}
	if (node->denied)
		add(state, ZKQ_LEVEL_NOTE, "denied", node->path, "may not be read",
		    "give the credential of who made it");
	check_owner(state, node);
	check_record(state, node);
	if (node->node.kind == NODE_TASK) {
		check_payload(state, node);
		check_class_of(state, node);
	} else if (node->node.kind == NODE_TASK_CHILD) {
		add(state, ZKQ_LEVEL_NOTE, "children", node->path, "lies in a task: its worker has to remove it first",
		    "delete it");
	} else if (node->node.kind == NODE_INBOX_TASK) {
		check_inbox(state, node);
	}
}

/* ---- tasks ---- */

/* All refs of one task. */
struct group {
	const struct tree_node *task, *result, *dead, *retry, *wish, *claim, *second;
};

static struct group
group_of(const struct state *state, int first, int *next)
{
	const struct ref *refs = state->refs;
	struct group group = { .task = NULL };
	int i = first;

	for (; i < state->ref_count && refs[i].seg == refs[first].seg && !strcmp(refs[i].token, refs[first].token) &&
	    !strcmp(refs[i].queue, refs[first].queue); i++) {
		const struct tree_node *node = &state->tree->list[refs[i].index];

		switch (refs[i].kind) {
		case NODE_TASK:
			group.task = node;
			break;
		case NODE_RESULT:
			group.result = node;
			break;
		case NODE_DEAD:
			group.dead = node;
			break;
		case NODE_RETRY:
			group.retry = node;
			break;
		case NODE_CANCEL:
		case NODE_HOLD:
			group.wish = node;
			break;
		case NODE_CLAIM:
			group.second = group.claim;
			group.claim = node;
			break;
		default:
			break;
		}
	}
	*next = i;
	return group;
}

static bool
incarnation_lives(const struct state *state, const struct node *claim)
{
	for (int i = 0; i < state->tree->count; i++) {
		const struct tree_node *node = &state->tree->list[i];

		if (node->known && node->node.kind == NODE_LIVE && node->stat.owner && !strcmp(node->node.worker,
		    claim->worker) && !strcmp(node->node.inc, claim->inc))
			return true;
	}
	return false;
}

static void
check_claims(const struct state *state, const struct group *group)
{
	if (group->second)
		add(state, ZKQ_LEVEL_ERROR, "claim", group->second->path, "the task has two claims: it may run twice",
		    "stop one of the workers; it gives its claims back");
	if (!group->claim || group->task)
		return;
	bool lives = incarnation_lives(state, &group->claim->node);
	struct broken *one = add(state, ZKQ_LEVEL_ERROR, "claim", group->claim->path, "is for a task that is not there",
	    lives ? "nothing: its worker drops it when its turn comes" : "delete it");
	if (!lives)
		op_delete(one, group->claim);
}

static void
check_places(const struct state *state, const struct group *group)
{
	const struct tree_node *end = group->result ? group->result : group->dead;

	if (group->result && group->dead)
		add(state, ZKQ_LEVEL_ERROR, "place", group->dead->path, "there is a result, too",
		    "look at both; delete one of them");
	if (!group->task || !end)
		return;
	struct broken *one = add(state, ZKQ_LEVEL_ERROR, "place", group->task->path, arena_printf(&state->broken->arena,
	    "is live, and in %s", group->result ? "done" : "dead"), group->claim ?
	    "stop the worker that holds it, then --repair" : "delete it from tasks: it has ended");
	if (group->claim)
		return;
	op_check(one, end);
	op_delete(one, group->task);
}

static void
check_task(const struct state *state, const struct group *group)
{
	state->broken->tasks += group->task != NULL;
	state->broken->results += group->result != NULL;
	state->broken->dead += group->dead != NULL;
	state->broken->claims += group->claim != NULL;
	check_claims(state, group);
	check_places(state, group);
	if (group->retry && !group->task) {
		struct broken *one = add(state, ZKQ_LEVEL_NOTE, "orphan", group->retry->path,
		    "is of a task that is not live", "delete it");

		op_delete(one, group->retry);
	}
	if (group->wish && !group->task)
		add(state, ZKQ_LEVEL_NOTE, "orphan", group->wish->path, "is about a task that is not live",
		    "nothing: the leader removes it");
}

/* ---- segments ---- */

static void
check_parts(const struct state *state, const struct tree_node *segment)
{
	static const enum node_kind kinds[] = { NODE_RETRY_SEG, NODE_DONE_SEG, NODE_DEAD_SEG };
	const struct node *node = &segment->node;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (find(state, node->queue, node->seg, "", kinds[i]))
			continue;
		struct node missing = node_of_segment(kinds[i], node->queue, node->seg);
		const char *path = path_of(state, missing);
		struct broken *one = add(state, ZKQ_LEVEL_ERROR, "folder", path ? path : segment->path,
		    "is missing: tasks of the segment cannot end", "make it");
		op_create(state, one, missing, NULL);
	}
}

static void
add_segment(const struct state *state, struct broken *one, const char *queue, uint32_t seg, bool whole)
{
	static const enum node_kind kinds[] = { NODE_SEGMENT, NODE_RETRY_SEG, NODE_DONE_SEG, NODE_DEAD_SEG };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (whole || !find(state, queue, seg, "", kinds[i]))
			op_create(state, one, node_of_segment(kinds[i], queue, seg), NULL);
}

static void
check_tail_segment(const struct state *state, const struct tree_node *tasks, uint32_t tail)
{
	const struct tree_node *segment = find(state, tasks->node.queue, tail, "", NODE_SEGMENT);
	struct broken *one;

	if (!segment) {
		one = add(state, ZKQ_LEVEL_ERROR, "tail", tasks->path, "the open segment is missing: nobody can submit",
		    "make it");
		op_check(one, tasks);
		add_segment(state, one, tasks->node.queue, tail, false);
	} else if (segment->stat.version > 0 && ending_of(state, tasks->node.queue) == LASTING &&
	    !find(state, tasks->node.queue, tail + 1, "", NODE_SEGMENT)) {
		struct record next = { .kind = REC_TAIL, .tail.tail = tail + 1 };
		const char *data = encoded(state, &next);

		one = add(state, ZKQ_LEVEL_ERROR, "tail", segment->path,
		    "is the open segment, but closed: nobody can submit", "open the next one");
		op_set(one, tasks, data, data ? strlen(data) : 0);
		add_segment(state, one, tasks->node.queue, tail + 1, true);
	}
}

static void
check_segment(const struct state *state, const struct tree_node *segment, uint32_t tail)
{
	const struct tree_node *done = find(state, segment->node.queue, segment->node.seg, "", NODE_DONE_SEG);

	check_parts(state, segment);
	if (segment->node.seg > tail)
		add(state, ZKQ_LEVEL_ERROR, "segment", segment->path,
		    "lies beyond the open segment: its tasks may not run",
		    "set the tail to it by hand when all daemons are stopped");
	if (segment->node.seg < tail && segment->stat.version == 0) {
		struct broken *one = add(state, ZKQ_LEVEL_ERROR, "segment", segment->path,
		    "is not closed: tasks may be put where nobody looks", "close it");
		op_set(one, segment, segment->data, segment->len);
	}
	if (done && done->stat.version > 0)
		add(state, ZKQ_LEVEL_ERROR, "stamp", done->path, "says that the segment is deleted, but it is there",
		    "look for tasks in it; see fsck again");
}

static void
check_stamp(const struct state *state, const struct tree_node *done)
{
	struct record stamp = { .kind = REC_STAMP };

	for (int i = 0; i < state->ref_count; i++)
		if (state->refs[i].kind == NODE_RESULT && state->refs[i].seg == done->node.seg &&
		    !strcmp(state->refs[i].queue, done->node.queue)) {
			stamp.stamp.count++;
			stamp.stamp.bytes += state->tree->list[state->refs[i].index].stat.length;
		}
	struct broken *one = add(state, ZKQ_LEVEL_ERROR, "stamp", done->path,
	    "has no stamp, though its segment is gone: its results would never be removed", "stamp it");
	const char *data = encoded(state, &stamp);
	op_set(one, done, data, data ? strlen(data) : 0);
}

static void
check_queue(const struct state *state, const struct tree_node *tasks)
{
	const char *queue = tasks->node.queue;
	struct arena arena = { 0 };
	struct record record;
	const char *why;
	bool known = decode(&arena, tasks, REC_TAIL, &record, &why);
	uint32_t tail = known ? record.tail.tail : UINT32_MAX;

	arena_free(&arena);
	if (!known)
		return;	/* told of as a record */
	check_tail_segment(state, tasks, tail);
	for (int i = 0; i < state->ref_count; i++) {
		const struct ref *ref = &state->refs[i];

		if (*ref->token || strcmp(ref->queue, queue))
			continue;
		const struct tree_node *node = &state->tree->list[ref->index];
		if (ref->kind == NODE_SEGMENT)
			check_segment(state, node, tail);
		else if (ref->kind == NODE_DONE_SEG && node->stat.version == 0 && ref->seg < tail && !find(state, queue,
		    ref->seg, "", NODE_SEGMENT))
			check_stamp(state, node);
	}
}

/* ---- folders ---- */

static bool
there(const struct state *state, enum node_kind kind, const char *queue)
{
	for (int i = 0; i < state->tree->count; i++) {
		const struct tree_node *node = &state->tree->list[i];

		if (node->known && node->node.kind == kind && (!queue || !strcmp(node->node.queue, queue)))
			return true;
	}
	return false;
}

static void
check_folder(const struct state *state, struct node node)
{
	const char *path = path_of(state, node);

	if (there(state, node.kind, *node.queue ? node.queue : NULL) || !path)
		return;
	struct broken *one = add(state, ZKQ_LEVEL_ERROR, "folder", path, "is missing", node.kind == NODE_TASKS ?
	    "import an export; or make it by hand, with a tail above all segments that ever were" : "make it");
	if (node.kind != NODE_TASKS)
		op_create(state, one, node, NULL);
}

static void
check_folders(const struct state *state)
{
	static const enum node_kind parts[] = { NODE_ELECTION, NODE_WORKERS, NODE_LOGKEYS, NODE_ASSIGN, NODE_QUEUES,
	    NODE_DRAIN };
	static const enum node_kind of_queue[] = { NODE_CLASSES, NODE_INBOX, NODE_MOVED, NODE_TASKS, NODE_RETRY_ALL,
	    NODE_DONE_ALL,
		NODE_DEAD_ALL, NODE_HOLD_ALL, NODE_CANCEL_ALL, NODE_KEYS };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		check_folder(state, node_plain(parts[i]));
	for (int i = 0; i < state->tree->count; i++) {
		const struct tree_node *node = &state->tree->list[i];

		if (!node->known || node->node.kind != NODE_QUEUE)
			continue;
		enum ending ending = ending_of(state, node->node.queue);
		for (size_t k = 0; ending != DELETED && k < sizeof of_queue / sizeof *of_queue; k++)
			if (ending == LASTING || of_queue[k] != NODE_INBOX)	/* removed when the queue is sealed */
				check_folder(state, node_of_queue(of_queue[k], node->node.queue));
	}
}

/* ---- the whole ---- */

static void
add_ref(struct state *state, int index)
{
	const struct node *node = &state->tree->list[index].node;
	struct ref ref = { node->queue, node->seg, node->task.token, node->kind, index };

	switch (node->kind) {
	case NODE_TASK:
	case NODE_CLAIM:
	case NODE_RESULT:
	case NODE_DEAD:
	case NODE_RETRY:
	case NODE_CANCEL:
	case NODE_HOLD:
		break;
	case NODE_BATCH:
		ref.token = node->batch;
		break;
	case NODE_MOVED_TASK:
		ref.seg = SEG_MOVED;
		ref.token = node->text;
		break;
	case NODE_CLASS:
		state->classes[state->class_count++] = index;
		return;
	case NODE_SEGMENT:
	case NODE_RETRY_SEG:
	case NODE_DONE_SEG:
	case NODE_DEAD_SEG:
		ref.token = "";
		break;
	default:
		return;
	}
	state->refs[state->ref_count++] = ref;
}

static void
find_endings(struct state *state)
{
	const struct tree *tree = state->tree;
	struct arena arena = { 0 };
	struct record record;
	const char *why;

	for (int i = 0; i < tree->count; i++) {
		const struct tree_node *node = &tree->list[i];

		if (!node->known || node->node.kind != NODE_QUEUE || !decode(&arena, node, REC_QUEUE, &record, &why) ||
		    (!record.queue.deleting && !record.queue.deleted))
			continue;
		state->endings[state->ending_count++] = (struct ending_queue){ node->node.queue,
			record.queue.deleted ? DELETED : DELETING };
	}
	arena_free(&arena);
}

static void
check_all(struct state *state)
{
	const struct tree *tree = state->tree;

	find_endings(state);
	for (int i = 0; i < tree->count; i++)
		if (tree->list[i].known && !is_remains(state, &tree->list[i].node))
			add_ref(state, i);
	qsort(state->refs, (size_t)state->ref_count, sizeof *state->refs, compare_refs);
	check_folders(state);
	for (int i = 0; i < tree->count; i++)
		if (!tree->list[i].known || !is_remains(state, &tree->list[i].node))
			check_node(state, &tree->list[i]);
	for (int i = 0; i < state->ref_count; ) {
		struct group group = group_of(state, i, &i);

		check_task(state, &group);
	}
	for (int i = 0; i < tree->count; i++)
		if (tree->list[i].known && tree->list[i].node.kind == NODE_TASKS && !is_remains(state, &tree->list[i].node))
			check_queue(state, &tree->list[i]);
}

void
invariants_check(const struct tree *tree, struct broken_list *broken)
{
	struct state state = { .tree = tree, .broken = broken };

	*broken = (struct broken_list){ .count = 0 };
	state.refs = calloc((size_t)tree->count + 1, sizeof *state.refs);
	state.classes = calloc((size_t)tree->count + 1, sizeof *state.classes);
	state.items = calloc((size_t)tree->count + 1, sizeof *state.items);
	state.endings = calloc((size_t)tree->count + 1, sizeof *state.endings);
	broken->failed = !state.refs || !state.classes || !state.items || !state.endings;
	if (!broken->failed)
		check_all(&state);
	broken->failed = broken->failed || broken->arena.failed;
	free(state.refs);
	free(state.classes);
	free(state.items);
	free(state.endings);
}

void
broken_free(struct broken_list *broken)
{
	free(broken->list);
	arena_free(&broken->arena);
}
