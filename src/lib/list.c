/*
 * list.c: live tasks, and results. A live task costs no request of its own: its name in the listing of its segment says
 * what is needed. Only for a short list more is read: payloads, for the labels, and since when a claim is there.
 */
#include "lib/list.h"

#include <stdlib.h>
#include <string.h>

#include "lib/get.h"

#define PAYLOADS_MAX 1000	/* read the payloads of no more tasks */

void *
list_grow(struct list *list, void *array, int count, int *room, size_t size)
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

void
list_give(struct list *list, const struct zkq_info *info)
{
	list->given++;
	list->callback(list->query.context, list->given - 1, ZKQ_OK, info);
}

bool
list_state_wanted(const struct list *list, const char *state)
{
	for (int i = 0; i < list->state_count; i++)
		if (!strcmp(list->states[i], state))
			return true;
	return !list->state_count;
}

/* ---- live tasks ---- */

static bool
row_wanted(const struct list *list, const struct line_row *row)
{
	if (*list->worker && !(row->claim && !strcmp(row->claim->worker, list->worker)))
		return false;
	return list_state_wanted(list, live_state(row->claim, row->wished));
}

static int
class_index(struct list *list, const struct line_queue *queue, uint64_t hash)
{
	for (int i = 0; i < list->class_count; i++)
		if (list->classes[i].hash == hash && list->classes[i].queue == queue)
			return i;
	struct class_looked *classes = list_grow(list, list->classes, list->class_count, &list->class_room, sizeof *classes);
	if (!classes)
		return -1;
	list->classes = classes;
	classes[list->class_count] = (struct class_looked){ queue, hash, CLASS_SEEN };
	return list->class_count++;
}

/* Counts all rows that are wanted, and keeps as many as may be given. */
static void
choose(struct list *list, struct line_queue *queue)
{
	uint64_t before = 0;
	int priority = -1;

	for (int i = 0; i < queue->row_count; i++) {
		const struct line_row *row = &queue->rows[i];
		bool waits = !row->claim && !row->wished;

		if (row->name.priority != priority)
			before = 0;
		priority = row->name.priority;
		if (row_wanted(list, row)) {
			list->query.total++;
			struct shown *shown = list->limit && list->shown_count >= list->limit ? NULL :
			    list_grow(list, list->shown, list->shown_count, &list->shown_room, sizeof *shown);
			if (shown) {
				list->shown = shown;
				shown[list->shown_count++] = (struct shown){ .queue = queue, .row = row, .before = before,
					.class = waits ? class_index(list, queue, row->name.class_hash) : -1 };
			}
		}
		before += waits;
	}
}

static void
take_batch(struct list *list, const struct reply *reply)
{
	char batch[TOKEN_LEN + 1];
	uint32_t index;

	for (int i = (int)reply->arg; i < list->shown_count; i++) {
		struct shown *shown = &list->shown[i];

		if (shown->row->seg != reply->node.seg || shown->json || shown->row->name.whole ||
		    strcmp(shown->queue->name, reply->node.queue) ||
		    !token_is_batch(shown->row->name.token, batch, &index) || strcmp(batch, reply->node.batch) ||
		    index >= (uint32_t)reply->record.batch.count)
			continue;
		shown->json_len = reply->record.batch.tasks[index].len;
		shown->json = arena_copy(&list->arena, reply->record.batch.tasks[index].text, shown->json_len);
	}
}

static void
take_task(struct list *list, struct shown *shown, const struct reply *reply)
{
	shown->ctime_ms = reply->stat.ctime_ms;
	if (reply->kind != REQ_GET || !reply->record.bytes.len)
		return;
	shown->json_len = reply->record.bytes.len;
	shown->json = arena_copy(&list->arena, reply->record.bytes.data, shown->json_len);
}

static void
take_payload(void *context, const struct reply *reply)
{
	struct list *list = context;

	if (reply->node.kind == NODE_CLASS)
		list->classes[reply->arg].seen = line_class(reply);
	if (reply->rc != RC_OK)
		return;
	switch (reply->node.kind) {
	case NODE_BATCH:
		if (!reply->bad)
			take_batch(list, reply);
		break;
	case NODE_TASK:
		take_task(list, &list->shown[reply->arg], reply);
		break;
	case NODE_CLAIM:
		list->shown[reply->arg].claimed_ms = reply->stat.ctime_ms;
		break;
	case NODE_RETRY:
		if (reply->bad)
			break;
		list->shown[reply->arg].runs = reply->record.retry.runs;
		list->shown[reply->arg].suspect = reply->record.retry.suspect;
		break;
	default:
		break;
	}
}

/* Whether an earlier row asks for this batch. */
static bool
batch_before(const struct list *list, int index, const char *batch)
{
	const struct shown *one = &list->shown[index];

	for (int i = index - 1; i >= 0; i--)
		if (list->shown[i].row->seg == one->row->seg && list->shown[i].queue == one->queue &&
		    !list->shown[i].row->name.whole &&
		    !strncmp(list->shown[i].row->name.token, batch, TOKEN_LEN))
			return true;
	return false;
}

/* A batch is read once; of its tasks only the stat. */
static void
ask_payload(struct list *list, struct plan *plan, int i)
{
	const struct line_row *row = list->shown[i].row;
	const char *queue = list->shown[i].queue->name;
	struct node node = node_task(queue, row->seg, &row->name);
	char batch[TOKEN_LEN + 1];

	if (row->claim)
		plan_exists(plan, 0, (uint64_t)i, *row->claim, false);
	else if (row->retried)
		plan_get(plan, 0, (uint64_t)i, node_of_token(NODE_RETRY, queue, row->seg, row->name.token), REC_RETRY, false);
	if (row->name.whole || !token_is_batch(row->name.token, batch, NULL)) {
		plan_get(plan, 0, (uint64_t)i, node, REC_BYTES, false);
		return;
	}
	plan_exists(plan, 0, (uint64_t)i, node, false);
	if (!batch_before(list, i, batch))
		plan_get(plan, 0, (uint64_t)i, node_batch(queue, row->seg, batch), REC_BATCH, false);
}

static void
give_row(struct list *list, const struct shown *shown)
{
	const struct line_row *row = shown->row;
	struct task_id id = { .seg = row->seg };
	struct info_room room;
	struct zkq_info info;

	memcpy(id.queue, shown->queue->name, sizeof id.queue);
	memcpy(id.token, row->name.token, sizeof id.token);
	enum reason reason = line_reason(&list->line, &list->scene, shown->queue, row, shown->before, shown->suspect,
	    shown->class < 0 ? CLASS_SEEN : list->classes[shown->class].seen);
	info_of_live(&info, &room, &id, &row->name, row->claim, row->wished, reason);
	info.submitted_ms = shown->ctime_ms;
	info.claimed_ms = shown->claimed_ms;
	if (!row->claim)
		info.attempt = (int)shown->runs;
	info_of_task(&info, &list->arena, shown->json, shown->json_len);
	list_give(list, &info);
}

/* ---- steps ---- */

static void
take_scene(void *context, const struct reply *reply)
{
	struct list *list = context;

	scene_take(&list->scene, reply);
	line_take(&list->line, reply);
}

static int
ask_parts(struct query *query)
{
	struct list *list = (struct list *)query;

	scene_plan_parts(&list->scene, &query->reads.plan);
	if (!*list->queue)
		line_plan_names(&query->reads.plan);
	query_ask(query, take_scene, query);
	return ZKQ_OK;
}

static int
ask_details(struct query *query)
{
	struct list *list = (struct list *)query;

	if (*list->queue && !line_name(&list->line, list->queue))
		return ZKQ_ENOMEM;
	if (list->line.denied)
		return ZKQ_ENOAUTH;
	line_plan_queues(&list->line, &query->reads.plan);
	query_ask(query, take_scene, query);
	return scene_plan_details(&list->scene, &query->reads.plan);
}

static int
ask_segments(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->line.denied)
		return ZKQ_ENOAUTH;
	if (*list->queue && !list->line.queues[0].there)
		return ZKQ_ENOQUEUE;
	if (list->live)
		line_plan_segments(&list->line, &query->reads.plan);
	query_ask(query, take_scene, query);
	return ZKQ_OK;
}

static int
ask_rows(struct query *query)
{
	struct list *list = (struct list *)query;
	struct plan *plan = &query->reads.plan;
	int error = scene_end(&list->scene);

	if (error == ZKQ_OK)
		error = line_end(&list->line, &list->scene);
	if (error != ZKQ_OK)
		return error;
	for (int i = 0; i < list->line.count; i++)
		choose(list, &list->line.queues[i]);
	for (int i = 0; i < list->class_count; i++)
		plan_get(plan, 0, (uint64_t)i, node_of_hash(NODE_CLASS, list->classes[i].queue->name, list->classes[i].hash),
		    REC_CLASS, false);
	for (int i = 0; list->limit && list->shown_count <= PAYLOADS_MAX && i < list->shown_count; i++)
		ask_payload(list, plan, i);
	query_ask(query, take_payload, query);
	return list->failed ? ZKQ_ENOMEM : ZKQ_OK;
}

static int
give_live(struct query *query)
{
	struct list *list = (struct list *)query;

	for (int i = 0; i < list->shown_count; i++)
		give_row(list, &list->shown[i]);
	bool failed = list->failed || list->arena.failed || list->line.arena.failed;
	arena_reset(&list->arena);
	if (!list->results)
		query->at = LIST_STEPS;
	return failed ? ZKQ_ENOMEM : ZKQ_OK;
}

static query_step_fn *const steps[] = {
	[LIST_PARTS] = ask_parts,
	[LIST_DETAILS] = ask_details,
	[LIST_SEGMENTS] = ask_segments,
	[LIST_ROWS] = ask_rows,
	[LIST_LIVE] = give_live,
	[LIST_QUEUE] = list_ask_queue,
	[LIST_SEGMENT] = list_ask_segment,
	[LIST_RESULTS] = list_ask_results,
	[LIST_ENDED] = list_give_results,
	[LIST_STEPS] = NULL,
};

/* ---- calls ---- */

static void
free_list(struct query *query)
{
	struct list *list = (struct list *)query;

	line_free(&list->line);
	scene_free(&list->scene);
	reads_free(&query->reads);
	arena_free(&list->arena);
	free(list->states);
	free(list->shown);
	free(list->classes);
	free(list->ended);
	free(list->result_segments);
	free(list);
}

static bool
take_states(struct list *list, const char *const *states)
{
	int count = 0;

	while (states && states[count])
		count++;
	if (!count)
		return true;
	list->states = calloc((size_t)count, sizeof *list->states);
	for (int i = 0; list->states && i < count; i++)
		strncpy(list->states[i], states[i], sizeof list->states[i] - 1);
	list->state_count = count;
	return list->states;
}

static bool
options_ok(const struct zkq_list_options *options)
{
	return options->size == sizeof *options && options->limit >= 0 && options->ended_limit >= 0 && options->newest >= 0 &&
	    options->ended >= 0 && options->ended <= 2 && (!options->queue || queue_name_ok(options->queue)) &&
	    (!options->worker || worker_name_ok(options->worker));
}

static int
new_list(struct zkq *handle, const struct zkq_list_options *options, zkq_info_fn *callback, void *context,
    struct list **out)
{
	static const struct zkq_list_options all = { .size = sizeof all };

	if (!options)
		options = &all;
	if (!callback || !options_ok(options))
		return ZKQ_EINVAL;
	struct list *list = calloc(1, sizeof *list);
	if (!list)
		return ZKQ_ENOMEM;
	list->query = (struct query){ .handle = handle, .steps = steps, .free = free_list, .context = context };
	list->callback = callback;
	list->live = options->ended < 2;
	list->results = options->ended > 0;
	list->only_failed = options->failed;
	list->since_ms = options->since_ms;
	list->limit = options->limit;
	list->results_limit = options->ended_limit;
	list->newest = options->newest;
	list->counts = options->counts;
	if (list->counts)
		memset(list->counts, 0, sizeof *list->counts);
	if (options->queue)
		memcpy(list->queue, options->queue, strlen(options->queue) + 1);
	if (options->worker)
		memcpy(list->worker, options->worker, strlen(options->worker) + 1);
	if (!take_states(list, options->states)) {
		free_list(&list->query);
		return ZKQ_ENOMEM;
	}
	*out = list;
	return ZKQ_OK;
}

int
zkq_list(struct zkq *handle, const struct zkq_list_options *options, zkq_info_fn *callback, zkq_done_fn *done,
    void *context)
{
	struct list *list;
	int error = new_list(handle, options, callback, context, &list);

	if (error == ZKQ_OK)
		query_begin(&list->query, done);
	return error;
}

int
zkq_list_wait(struct zkq *handle, const struct zkq_list_options *options, int timeout_ms, zkq_info_fn *callback,
    void *context, int *total)
{
	struct list *list;
	int64_t deadline = deadline_after(timeout_ms);

	if (total)
		*total = 0;
	int error = handle->inside ? ZKQ_EINVAL : new_list(handle, options, callback, context, &list);
	return error == ZKQ_OK ? query_wait(&list->query, deadline, total) : error;
}
