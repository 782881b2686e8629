/*
 * list.c: all live tasks, and the results. A live task costs no request of its own: its name in the listing of
 * its segment says what is needed. Only for a short list the payloads are read, for the labels.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/get.h"
#include "lib/scene.h"

#define PAYLOADS_MAX 1000	/* read the payloads of no more tasks */

struct row {
	uint32_t seg;
	struct task_name name;
	const char *json;	/* when it was read */
	size_t json_len;
	int64_t ctime_ms;
};

struct ended {
	struct task_id id;
	bool dead;
	const char *json;
	size_t json_len;
	int64_t ended_ms;
	struct rec_result result;
	bool bad;
};

struct list {
	struct zkq *handle;
	struct reads reads;
	struct arena arena;	/* of one queue or one segment of results */
	struct scene scene;
	zkq_info_fn *callback;
	void *context;
	int64_t deadline;
	int limit, given, total;
	/* of the queue in hand: */
	const char *queue;
	bool there, paused, denied, failed;
	uint32_t *segments;	/* of tasks */
	int segment_count;
	uint32_t *result_segments;	/* of done and dead, each once, ascending */
	int result_segment_count, result_segment_room;
	struct row *rows;
	int row_count, row_room;
	int shown;		/* rows that are given */
	struct ended *ended;
	int ended_count, ended_room;
};

static void *
grow(struct list *list, void *array, int count, int *room, size_t size)
{
	if (count < *room)
		return array;
	int more = *room ? *room * 2 : 256;
	void *grown = realloc(array, (size_t)more * size);
	if (!grown)
		list->failed = true;
	else
		*room = more;
	return grown;
}

static bool
room_left(const struct list *list)
{
	return !list->limit || list->given < list->limit;
}

static void
give(struct list *list, const struct zkq_info *info)
{
	if (!room_left(list))
		return;
	list->given++;
	list->callback(list->context, list->given - 1, ZKQ_OK, info);
}

/* ---- live tasks ---- */

static void
take_queue(void *context, const struct reply *reply)
{
	struct list *list = context;

	if (reply->rc == RC_NOAUTH)
		list->denied = true;
	if (reply->rc != RC_OK)
		return;
	if (reply->node.kind == NODE_QUEUE) {
		list->there = true;
		list->paused = !reply->bad && reply->record.queue.paused;
		return;
	}
	list->segments = arena_alloc(&list->arena, (size_t)(reply->child_count + 1) * sizeof *list->segments);
	for (int i = 0; list->segments && i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_SEGMENT)
			list->segments[list->segment_count++] = reply->children[i].seg;
}

static void
take_tasks(void *context, const struct reply *reply)
{
	struct list *list = context;

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_TASK)
			continue;
		struct row *rows = grow(list, list->rows, list->row_count, &list->row_room, sizeof *rows);
		if (!rows)
			return;
		list->rows = rows;
		rows[list->row_count++] = (struct row){ .seg = reply->node.seg, .name = reply->children[i].task };
	}
}

static int
compare_rows(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	return task_order(one->seg, &one->name, other->seg, &other->name);
}

static void
take_batch(struct list *list, const struct reply *reply)
{
	char batch[TOKEN_LEN + 1];
	uint32_t index;

	for (int i = (int)reply->arg; i < list->shown; i++) {
		struct row *row = &list->rows[i];

		if (row->seg != reply->node.seg || row->json || !token_is_batch(row->name.token, batch, &index) ||
		    strcmp(batch, reply->node.batch) || index >= (uint32_t)reply->record.batch.count)
			continue;
		row->json_len = reply->record.batch.tasks[index].len;
		row->json = arena_copy(&list->arena, reply->record.batch.tasks[index].text, row->json_len);
	}
}

static void
take_payload(void *context, const struct reply *reply)
{
	struct list *list = context;
	struct row *row = &list->rows[reply->arg];

	if (reply->rc != RC_OK)
		return;
	if (reply->node.kind == NODE_BATCH) {
		if (!reply->bad)
			take_batch(list, reply);
		return;
	}
	row->ctime_ms = reply->stat.ctime_ms;
	if (reply->kind != REQ_GET || !reply->record.bytes.len)
		return;
	row->json_len = reply->record.bytes.len;
	row->json = arena_copy(&list->arena, reply->record.bytes.data, row->json_len);
}

/* Whether an earlier row asks for this batch. */
static bool
batch_before(const struct list *list, int index, const char *batch)
{
	for (int i = index - 1; i >= 0; i--)
		if (list->rows[i].seg == list->rows[index].seg && !strncmp(list->rows[i].name.token, batch, TOKEN_LEN))
			return true;
	return false;
}

/* A batch is read once; of its tasks only the stat. */
static int
read_payloads(struct list *list)
{
	struct plan *plan = &list->reads.plan;
	char batch[TOKEN_LEN + 1];

	for (int i = 0; i < list->shown; i++) {
		const struct row *row = &list->rows[i];
		struct node node = node_task(list->queue, row->seg, &row->name);

		if (!token_is_batch(row->name.token, batch, NULL)) {
			plan_get(plan, 0, (uint64_t)i, node, REC_BYTES, false);
			continue;
		}
		plan_exists(plan, 0, (uint64_t)i, node, false);
		if (!batch_before(list, i, batch))
			plan_get(plan, 0, (uint64_t)i, node_batch(list->queue, row->seg, batch), REC_BATCH, false);
	}
	return reads_run(list->handle, &list->reads, take_payload, list, list->deadline);
}

static void
give_row(struct list *list, const struct row *row)
{
	struct task_id id = { .seg = row->seg };
	struct info_room room;
	struct zkq_info info;

	memcpy(id.queue, list->queue, strlen(list->queue) + 1);
	memcpy(id.token, row->name.token, sizeof id.token);
	info_of_live(&info, &room, &id, &row->name, claims_find(&list->scene.claims, id.queue, id.seg, id.token),
	    scene_reason(&list->scene, id.queue, list->paused));
	info.submitted_ms = row->ctime_ms;
	info_of_task(&info, &list->arena, row->json, row->json_len);
	give(list, &info);
}

static int
list_live(struct list *list)
{
	struct plan *plan = &list->reads.plan;

	plan_get(plan, 0, 0, node_of_queue(NODE_QUEUE, list->queue), REC_QUEUE, false);
	plan_list(plan, 0, 0, node_of_queue(NODE_TASKS, list->queue), false);
	int error = reads_run(list->handle, &list->reads, take_queue, list, list->deadline);
	if (error == ZKQ_OK && list->denied)
		return ZKQ_ENOAUTH;
	if (error == ZKQ_OK && !list->there)
		return ZKQ_ENOQUEUE;
	for (int i = 0; error == ZKQ_OK && i < list->segment_count; i++)
		plan_list(plan, 0, 0, node_of_segment(NODE_SEGMENT, list->queue, list->segments[i]), false);
	if (error == ZKQ_OK)
		error = reads_run(list->handle, &list->reads, take_tasks, list, list->deadline);
	if (error != ZKQ_OK)
		return error;
	if (list->row_count)
		qsort(list->rows, (size_t)list->row_count, sizeof *list->rows, compare_rows);
	list->total += list->row_count;
	list->shown = list->row_count;
	if (list->limit && list->shown > list->limit - list->given)
		list->shown = list->limit - list->given;
	if (list->limit && list->shown <= PAYLOADS_MAX)
		error = read_payloads(list);
	for (int i = 0; error == ZKQ_OK && i < list->shown; i++)
		give_row(list, &list->rows[i]);
	return error;
}

/* ---- results ---- */

static int
compare_segments(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return one < other ? -1 : one > other;
}

static void
take_result_segments(void *context, const struct reply *reply)
{
	struct list *list = context;

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		enum node_kind kind = reply->children[i].kind;

		if (kind != NODE_DONE_SEG && kind != NODE_DEAD_SEG)
			continue;
		uint32_t *segments = grow(list, list->result_segments, list->result_segment_count,
		    &list->result_segment_room, sizeof *segments);
		if (!segments)
			return;
		list->result_segments = segments;
		segments[list->result_segment_count++] = reply->children[i].seg;
	}
}

static void
take_result_names(void *context, const struct reply *reply)
{
	struct list *list = context;

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind != NODE_RESULT && child->kind != NODE_DEAD)
			continue;
		struct ended *rows = grow(list, list->ended, list->ended_count, &list->ended_room, sizeof *rows);
		if (!rows)
			return;
		list->ended = rows;
		struct ended *row = &rows[list->ended_count++];
		memset(row, 0, sizeof *row);
		memcpy(row->id.queue, child->queue, sizeof row->id.queue);
		row->id.seg = child->seg;
		memcpy(row->id.token, child->task.token, sizeof row->id.token);
		row->dead = child->kind == NODE_DEAD;
	}
}

static void
take_result(void *context, const struct reply *reply)
{
	struct list *list = context;
	struct ended *row = &list->ended[reply->arg];
	struct record record;
	const char *why;

	if (reply->rc != RC_OK)
		return;		/* removed meanwhile */
	row->json_len = reply->record.bytes.len;
	row->json = arena_copy(&list->arena, reply->record.bytes.data, row->json_len);
	row->ended_ms = reply->stat.ctime_ms;
	row->bad = !row->json || !record_decode(&list->arena, REC_RESULT, row->json, row->json_len, &record, &why);
	if (!row->bad)
		row->result = record.result;
}

static int
oldest_first(const void *a, const void *b)
{
	const struct ended *one = a, *other = b;

	if (one->ended_ms != other->ended_ms)
		return one->ended_ms < other->ended_ms ? -1 : 1;
	return strcmp(one->id.token, other->id.token);
}

static int
newest_first(const void *a, const void *b)
{
	return oldest_first(b, a);
}

static void
give_ended(struct list *list, const struct ended *row)
{
	struct info_room room;
	struct zkq_info info;

	if (!row->json)
		return;
	if (row->bad) {
		info_of_id(&info, &room, &row->id);
		info.ended = 1;
		info.dead = row->dead;
		info.state = row->dead ? "dead" : "unknown";
		info.reason = "unreadable";
	} else {
		info_of_result(&info, &room, &row->id, &row->result, row->dead);
	}
	info.json = row->json;
	give(list, &info);
}

static int
list_segment(struct list *list, uint32_t seg)
{
	struct plan *plan = &list->reads.plan;

	list->ended_count = 0;
	plan_list(plan, 0, 0, node_of_segment(NODE_DONE_SEG, list->queue, seg), false);
	plan_list(plan, 0, 0, node_of_segment(NODE_DEAD_SEG, list->queue, seg), false);
	int error = reads_run(list->handle, &list->reads, take_result_names, list, list->deadline);
	list->total += list->ended_count;
	for (int i = 0; error == ZKQ_OK && room_left(list) && i < list->ended_count; i++) {
		const struct task_id *id = &list->ended[i].id;

		plan_get(plan, 0, (uint64_t)i, node_of_token(list->ended[i].dead ? NODE_DEAD : NODE_RESULT, id->queue,
		    id->seg,
		    id->token), REC_BYTES, false);
	}
	if (error == ZKQ_OK)
		error = reads_run(list->handle, &list->reads, take_result, list, list->deadline);
	if (error != ZKQ_OK || !room_left(list))
		return error;
	if (list->ended_count)
		qsort(list->ended, (size_t)list->ended_count, sizeof *list->ended, list->limit ? newest_first
		    : oldest_first);
	for (int i = 0; i < list->ended_count; i++)
		give_ended(list, &list->ended[i]);
	arena_reset(&list->arena);
	return ZKQ_OK;
}

static int
list_ended(struct list *list)
{
	struct plan *plan = &list->reads.plan;
	int n = 0;

	plan_list(plan, 0, 0, node_of_queue(NODE_DONE_ALL, list->queue), false);
	plan_list(plan, 0, 0, node_of_queue(NODE_DEAD_ALL, list->queue), false);
	int error = reads_run(list->handle, &list->reads, take_result_segments, list, list->deadline);
	if (list->result_segment_count)
		qsort(list->result_segments, (size_t)list->result_segment_count, sizeof *list->result_segments,
		    compare_segments);
	for (int i = 0; i < list->result_segment_count; i++)
		if (!n || list->result_segments[n - 1] != list->result_segments[i])
			list->result_segments[n++] = list->result_segments[i];
	for (int i = 0; error == ZKQ_OK && i < n; i++)
		error = list_segment(list, list->result_segments[list->limit ? n - 1 - i : i]);
	return error;
}

/* ---- queues ---- */

struct names {
	struct arena arena;
	const char **list;
	int count;
};

static void
take_names(void *context, const struct reply *reply)
{
	struct names *names = context;

	if (reply->rc != RC_OK)
		return;
	names->list = arena_alloc(&names->arena, (size_t)(reply->child_count + 1) * sizeof *names->list);
	for (int i = 0; names->list && i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_QUEUE)
			names->list[names->count++] = arena_string(&names->arena, reply->children[i].queue);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
list_queue(struct list *list, const char *queue, int ended)
{
	list->queue = queue;
	list->there = list->paused = list->denied = false;
	list->segment_count = list->row_count = list->result_segment_count = 0;
	arena_reset(&list->arena);
	int error = list_live(list);
	arena_reset(&list->arena);
	if (error == ZKQ_OK && ended)
		error = list_ended(list);
	return error == ZKQ_OK && (list->failed || list->arena.failed) ? ZKQ_ENOMEM : error;
}

int
zkq_list_wait(struct zkq *handle, const char *queue, int ended, int limit, int timeout_ms, zkq_info_fn *callback,
    void *context, int *total)
{
	struct list list = { .handle = handle, .callback = callback, .context = context, .limit = limit,
		.deadline = deadline_after(timeout_ms) };
	struct names names = { .list = NULL };

	if (total)
		*total = 0;
	if (handle->inside || !callback || limit < 0 || (queue && !queue_name_ok(queue)))
		return ZKQ_EINVAL;
	int error = scene_read(handle, &list.reads, &list.scene, list.deadline);
	if (error == ZKQ_OK && queue) {
		error = list_queue(&list, queue, ended);
	} else if (error == ZKQ_OK) {
		plan_list(&list.reads.plan, 0, 0, node_plain(NODE_QUEUES), false);
		error = reads_run(handle, &list.reads, take_names, &names, list.deadline);
		if (names.arena.failed)
			error = ZKQ_ENOMEM;
		if (names.count)
			qsort(names.list, (size_t)names.count, sizeof *names.list, compare_names);
		for (int i = 0; error == ZKQ_OK && i < names.count; i++) {
			error = list_queue(&list, names.list[i], ended);
			if (error == ZKQ_ENOQUEUE)
				error = ZKQ_OK;	/* deleted meanwhile */
		}
	}
	if (total)
		*total = list.total;
	arena_free(&names.arena);
	scene_free(&list.scene);
	reads_free(&list.reads);
	arena_free(&list.arena);
	free(list.rows);
	free(list.ended);
	free(list.result_segments);
	return error;
}
