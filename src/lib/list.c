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
	struct query query;
	struct arena arena;	/* of one queue or one segment of results */
	struct scene scene;
	zkq_info_fn *callback;
	bool results;		/* wanted, too */
	int limit, given;
	char (*queues)[QUEUE_NAME_MAX + 1];
	int queue_count, queue_at;	/* queue_at = the next one */
	bool every;		/* all queues, not one by name */
	/* of the queue in hand: */
	const char *queue;
	bool there, paused, denied, failed;
	uint32_t *segments;	/* of tasks */
	int segment_count;
	uint32_t *result_segments;	/* of done and dead, each once, ascending */
	int result_segment_count, result_segment_room, result_segment_at;
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
	list->callback(list->query.context, list->given - 1, ZKQ_OK, info);
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
		list->paused = !reply->bad && queue_pause_end(&reply->record.queue, reply->stat.mtime_ms) > link_wall_ms();
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
static void
ask_payloads(struct list *list)
{
	struct plan *plan = &list->query.reads.plan;
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

/* ---- results ---- */

static int
earlier_first(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

	return one < other ? -1 : one > other;
}

static int
later_first(const void *a, const void *b)
{
	return earlier_first(b, a);
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

/* ---- steps ---- */

enum { LIST_SCENE, LIST_NAMES = LIST_SCENE + SCENE_STEP_COUNT, LIST_SORT, LIST_QUEUE, LIST_SEGMENTS, LIST_ROWS,
	LIST_LIVE, LIST_RESULT_SEGMENTS, LIST_SEGMENT, LIST_RESULTS, LIST_ENDED, LIST_STEPS };

static void
take_names(void *context, const struct reply *reply)
{
	struct list *list = context;

	if (reply->rc != RC_OK)
		return;
	list->queues = calloc((size_t)reply->child_count + 1, sizeof *list->queues);
	list->failed |= !list->queues;
	for (int i = 0; list->queues && i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_QUEUE)
			memcpy(list->queues[list->queue_count++], reply->children[i].queue, QUEUE_NAME_MAX + 1);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int
ask_names(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->every)
		plan_list(&query->reads.plan, 0, 0, node_plain(NODE_QUEUES), false);
	query_ask(query, take_names, query);
	return ZKQ_OK;
}

static int
sort_names(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->queue_count)
		qsort(list->queues, (size_t)list->queue_count, sizeof *list->queues, compare_names);
	return ZKQ_OK;
}

static int
ask_queue(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->failed)
		return ZKQ_ENOMEM;
	if (list->queue_at == list->queue_count) {
		query->at = LIST_STEPS;
		return ZKQ_OK;
	}
	list->queue = list->queues[list->queue_at++];
	list->there = list->paused = list->denied = false;
	list->segment_count = list->row_count = list->result_segment_count = list->result_segment_at = 0;
	arena_reset(&list->arena);
	plan_get(&query->reads.plan, 0, 0, node_of_queue(NODE_QUEUE, list->queue), REC_QUEUE, false);
	plan_list(&query->reads.plan, 0, 0, node_of_queue(NODE_TASKS, list->queue), false);
	query_ask(query, take_queue, query);
	return ZKQ_OK;
}

static int
ask_segments(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->denied)
		return ZKQ_ENOAUTH;
	if (!list->there && !list->every)
		return ZKQ_ENOQUEUE;
	if (!list->there) {
		query->at = LIST_QUEUE;	/* deleted meanwhile */
		return ZKQ_OK;
	}
	for (int i = 0; i < list->segment_count; i++)
		plan_list(&query->reads.plan, 0, 0, node_of_segment(NODE_SEGMENT, list->queue, list->segments[i]), false);
	query_ask(query, take_tasks, query);
	return ZKQ_OK;
}

static int
ask_rows(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->row_count)
		qsort(list->rows, (size_t)list->row_count, sizeof *list->rows, compare_rows);
	query->total += list->row_count;
	list->shown = list->row_count;
	if (list->limit && list->shown > list->limit - list->given)
		list->shown = list->limit - list->given;
	if (list->limit && list->shown <= PAYLOADS_MAX)
		ask_payloads(list);
	query_ask(query, take_payload, query);
	return ZKQ_OK;
}

static int
give_live(struct query *query)
{
	struct list *list = (struct list *)query;

	for (int i = 0; i < list->shown; i++)
		give_row(list, &list->rows[i]);
	bool failed = list->failed || list->arena.failed;
	arena_reset(&list->arena);
	if (!list->results)
		query->at = LIST_QUEUE;
	return failed ? ZKQ_ENOMEM : ZKQ_OK;
}

static int
ask_result_segments(struct query *query)
{
	struct list *list = (struct list *)query;

	plan_list(&query->reads.plan, 0, 0, node_of_queue(NODE_DONE_ALL, list->queue), false);
	plan_list(&query->reads.plan, 0, 0, node_of_queue(NODE_DEAD_ALL, list->queue), false);
	query_ask(query, take_result_segments, query);
	return ZKQ_OK;
}

/* Each once, in the order in which their results are given. */
static void
sort_result_segments(struct list *list)
{
	uint32_t *segments = list->result_segments;
	int n = 0;

	if (!list->result_segment_count)
		return;
	qsort(segments, (size_t)list->result_segment_count, sizeof *segments, list->limit ? later_first : earlier_first);
	for (int i = 0; i < list->result_segment_count; i++)
		if (!n || segments[n - 1] != segments[i])
			segments[n++] = segments[i];
	list->result_segment_count = n;
}

static int
ask_segment(struct query *query)
{
	struct list *list = (struct list *)query;

	if (!list->result_segment_at)
		sort_result_segments(list);
	if (list->result_segment_at == list->result_segment_count) {
		query->at = LIST_QUEUE;
		return ZKQ_OK;
	}
	uint32_t seg = list->result_segments[list->result_segment_at++];
	list->ended_count = 0;
	plan_list(&query->reads.plan, 0, 0, node_of_segment(NODE_DONE_SEG, list->queue, seg), false);
	plan_list(&query->reads.plan, 0, 0, node_of_segment(NODE_DEAD_SEG, list->queue, seg), false);
	query_ask(query, take_result_names, query);
	return ZKQ_OK;
}

static int
ask_results(struct query *query)
{
	struct list *list = (struct list *)query;

	query->total += list->ended_count;
	for (int i = 0; room_left(list) && i < list->ended_count; i++) {
		const struct ended *row = &list->ended[i];

		plan_get(&query->reads.plan, 0, (uint64_t)i, node_of_token(row->dead ? NODE_DEAD : NODE_RESULT, row->id.queue,
		    row->id.seg, row->id.token), REC_BYTES, false);
	}
	query_ask(query, take_result, query);
	return ZKQ_OK;
}

static int
give_results(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->ended_count)
		qsort(list->ended, (size_t)list->ended_count, sizeof *list->ended, list->limit ? newest_first
		    : oldest_first);
	for (int i = 0; i < list->ended_count; i++)
		give_ended(list, &list->ended[i]);
	bool failed = list->failed || list->arena.failed;
	arena_reset(&list->arena);
	query->at = LIST_SEGMENT;
	return failed ? ZKQ_ENOMEM : ZKQ_OK;
}

static query_step_fn *const steps[] = {
	[LIST_SCENE] = SCENE_STEPS,
	[LIST_NAMES] = ask_names,
	[LIST_SORT] = sort_names,
	[LIST_QUEUE] = ask_queue,
	[LIST_SEGMENTS] = ask_segments,
	[LIST_ROWS] = ask_rows,
	[LIST_LIVE] = give_live,
	[LIST_RESULT_SEGMENTS] = ask_result_segments,
	[LIST_SEGMENT] = ask_segment,
	[LIST_RESULTS] = ask_results,
	[LIST_ENDED] = give_results,
	[LIST_STEPS] = NULL,
};

/* ---- calls ---- */

static void
free_list(struct query *query)
{
	struct list *list = (struct list *)query;

	scene_free(&list->scene);
	reads_free(&query->reads);
	arena_free(&list->arena);
	free(list->queues);
	free(list->rows);
	free(list->ended);
	free(list->result_segments);
	free(list);
}

static int
new_list(struct zkq *handle, const char *queue, int ended, int limit, zkq_info_fn *callback,
    void *context, struct list **out)
{
	if (!callback || limit < 0 || (queue && !queue_name_ok(queue)))
		return ZKQ_EINVAL;
	struct list *list = calloc(1, sizeof *list);
	if (!list)
		return ZKQ_ENOMEM;
	list->query = (struct query){ .handle = handle, .steps = steps, .scene = &list->scene, .free = free_list,
		.context = context };
	list->callback = callback;
	list->results = ended;
	list->limit = limit;
	list->every = !queue;
	if (queue) {
		list->queues = calloc(1, sizeof *list->queues);
		if (!list->queues) {
			free_list(&list->query);
			return ZKQ_ENOMEM;
		}
		memcpy(list->queues[0], queue, strlen(queue) + 1);
		list->queue_count = 1;
	}
	*out = list;
	return ZKQ_OK;
}

int
zkq_list(struct zkq *handle, const char *queue, int ended, int limit, zkq_info_fn *callback,
    zkq_done_fn *done, void *context)
{
	struct list *list;
	int error = new_list(handle, queue, ended, limit, callback, context, &list);

	if (error == ZKQ_OK)
		query_begin(&list->query, done);
	return error;
}

int
zkq_list_wait(struct zkq *handle, const char *queue, int ended, int limit, int timeout_ms, zkq_info_fn *callback,
    void *context, int *total)
{
	struct list *list;
	int64_t deadline = deadline_after(timeout_ms);

	if (total)
		*total = 0;
	int error = handle->inside ? ZKQ_EINVAL : new_list(handle, queue, ended, limit, callback, context, &list);
	return error == ZKQ_OK ? query_wait(&list->query, deadline, total) : error;
}
