/*
 * list.c: live tasks, and results. A live task costs no request of its own: its name in the listing of its segment says
 * what is needed. Only for a short list more is read: payloads, for the labels, and since when a claim is there.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/get.h"
#include "lib/line.h"

#define PAYLOADS_MAX 1000	/* read the payloads of no more tasks */
#define NEWEST_LEAST 20		/* look at so many results of each queue at least, however many queues there are */
#define NEWEST_SEGMENTS 32	/* ... in so many segments, around the one that is worked on */

/* A row that is given. */
struct shown {
	struct line_queue *queue;
	const struct line_row *row;
	uint64_t before;
	int class;		/* index of its class, when it waits */
	const char *json;	/* when it was read */
	size_t json_len;
	int64_t ctime_ms, claimed_ms;
	uint32_t runs;		/* of its retry record */
	bool suspect;
};

struct class_looked {
	const struct line_queue *queue;
	uint64_t hash;
	enum class_seen seen;
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
	struct arena arena;	/* of the live tasks, then of one segment of results */
	struct scene scene;
	struct line line;
	zkq_info_fn *callback;
	/* what is wanted: */
	char queue[QUEUE_NAME_MAX + 1];	/* "" = all */
	char worker[WORKER_NAME_MAX + 1];
	char (*states)[16];
	int state_count;
	bool live, results, only_failed;
	int64_t since_ms;
	int limit, results_limit, newest;
	int given, results_given, looked;	/* looked: results of this queue that were read */
	bool failed;
	/* live ones: */
	struct shown *shown;
	int shown_count, shown_room;
	struct class_looked *classes;
	int class_count, class_room;
	/* results of the queue in hand: */
	int queue_at;		/* the next one */
	const char *in;
	uint32_t *result_segments;	/* of done and dead, each once */
	int result_segment_count, result_segment_room, result_segment_at;
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

static void
give(struct list *list, const struct zkq_info *info)
{
	list->given++;
	list->callback(list->query.context, list->given - 1, ZKQ_OK, info);
}

static bool
state_wanted(const struct list *list, const char *state)
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
	return state_wanted(list, live_state(row->claim, row->wished));
}

static int
class_index(struct list *list, const struct line_queue *queue, uint64_t hash)
{
	for (int i = 0; i < list->class_count; i++)
		if (list->classes[i].hash == hash && list->classes[i].queue == queue)
			return i;
	struct class_looked *classes = grow(list, list->classes, list->class_count, &list->class_room, sizeof *classes);
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
			    grow(list, list->shown, list->shown_count, &list->shown_room, sizeof *shown);
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

/* In a queue that is worked off, the newest results lie around its first live segment. */
static int64_t
distance(const struct list *list, uint32_t seg)
{
	const struct line_queue *queue = &list->line.queues[list->queue_at - 1];
	int64_t head = queue->segment_count ? queue->segments[0] : UINT32_MAX;

	for (int i = 1; i < queue->segment_count; i++)
		if (queue->segments[i] < head)
			head = queue->segments[i];
	return seg < head ? head - (int64_t)seg : (int64_t)seg - head;
}

/* The nearest of the segments first, as far as they are looked at: there are few of these. */
static void
sort_nearest(struct list *list)
{
	uint32_t *segments = list->result_segments;
	int count = list->result_segment_count < NEWEST_SEGMENTS ? list->result_segment_count : NEWEST_SEGMENTS;

	for (int i = 0; i < count; i++) {
		int nearest = i;

		for (int k = i + 1; k < list->result_segment_count; k++)
			if (distance(list, segments[k]) < distance(list, segments[nearest]))
				nearest = k;
		uint32_t seg = segments[nearest];
		segments[nearest] = segments[i];
		segments[i] = seg;
	}
	list->result_segment_count = count;
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

/* Whether not all results are wanted: then those that are given are counted, else all that are listed. */
static bool
filtered(const struct list *list)
{
	return *list->worker || list->state_count || list->only_failed || list->since_ms > 0;
}

/* Whether results are still wanted. */
static bool
room_left(const struct list *list)
{
	if (list->results_limit)
		return list->results_given < list->results_limit;
	return !list->limit || list->given < list->limit;
}

static bool
ended_wanted(const struct list *list, const struct zkq_info *info)
{
	if (*list->worker && !(info->worker && !strcmp(info->worker, list->worker)))
		return false;
	if (list->only_failed && !strcmp(info->state, "done"))
		return false;
	return info->ended_ms >= list->since_ms && state_wanted(list, info->state);
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
		info.ended_ms = row->ended_ms;
	} else {
		info_of_result(&info, &room, &row->id, &row->result, row->dead);
	}
	info.json = row->json;
	if (!ended_wanted(list, &info))
		return;
	list->query.total += filtered(list);
	if (!room_left(list))
		return;
	list->results_given++;
	give(list, &info);
}

/* ---- steps ---- */

enum { LIST_PARTS, LIST_DETAILS, LIST_SEGMENTS, LIST_ROWS, LIST_LIVE, LIST_QUEUE, LIST_SEGMENT, LIST_RESULTS, LIST_ENDED,
	LIST_STEPS };

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

static int
ask_queue(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->failed)
		return ZKQ_ENOMEM;
	if (list->queue_at == list->line.count) {
		query->at = LIST_STEPS;
		return ZKQ_OK;
	}
	list->in = list->line.queues[list->queue_at++].name;
	list->result_segment_count = list->result_segment_at = list->looked = 0;
	plan_list(&query->reads.plan, 0, 0, node_of_queue(NODE_DONE_ALL, list->in), false);
	plan_list(&query->reads.plan, 0, 0, node_of_queue(NODE_DEAD_ALL, list->in), false);
	query_ask(query, take_result_segments, query);
	return ZKQ_OK;
}

static bool
newest_only(const struct list *list)
{
	return list->limit || list->results_limit || list->newest;
}

/* Each once, in the order in which their results are given. */
static void
sort_result_segments(struct list *list)
{
	uint32_t *segments = list->result_segments;
	int n = 0;

	if (!list->result_segment_count)
		return;
	qsort(segments, (size_t)list->result_segment_count, sizeof *segments, newest_only(list) ? later_first :
	    earlier_first);
	for (int i = 0; i < list->result_segment_count; i++)
		if (!n || segments[n - 1] != segments[i])
			segments[n++] = segments[i];
	list->result_segment_count = n;
	if (list->newest)
		sort_nearest(list);
}

/* How many results of a queue are looked at; 0 = all. */
static int
look_at_most(const struct list *list)
{
	int each = list->newest && list->line.count ? list->newest / list->line.count : 0;

	return list->newest && each < NEWEST_LEAST ? NEWEST_LEAST : each;
}

static void
ask_segment_names(struct list *list)
{
	struct plan *plan = &list->query.reads.plan;
	uint32_t seg = list->result_segments[list->result_segment_at++];

	plan_list(plan, 0, 0, node_of_segment(NODE_DEAD_SEG, list->in, seg), false);
	plan_list(plan, 0, 0, node_of_segment(NODE_DONE_SEG, list->in, seg), false);
}

/* One segment after the other: there may be many results. Of the newest all at once. */
static int
ask_segment(struct query *query)
{
	struct list *list = (struct list *)query;

	if (!list->result_segment_at)
		sort_result_segments(list);
	/* Nothing more is given or counted: what would be listed is only the folders' counts. */
	if (list->result_segment_at == list->result_segment_count || (filtered(list) && !room_left(list))) {
		query->at = LIST_QUEUE;
		return ZKQ_OK;
	}
	list->ended_count = 0;
	do
		ask_segment_names(list);
	while (list->newest && list->result_segment_at < list->result_segment_count);
	query_ask(query, take_result_names, query);
	return ZKQ_OK;
}

static int
ask_results(struct query *query)
{
	struct list *list = (struct list *)query;
	int most = look_at_most(list);

	if (!filtered(list))
		query->total += list->ended_count;
	for (int i = 0; room_left(list) && i < list->ended_count && (!most || list->looked < most); i++) {
		const struct ended *row = &list->ended[i];

		plan_get(&query->reads.plan, 0, (uint64_t)i, node_of_token(row->dead ? NODE_DEAD : NODE_RESULT, row->id.queue,
		    row->id.seg, row->id.token), REC_BYTES, false);
		list->looked++;
	}
	query_ask(query, take_result, query);
	return ZKQ_OK;
}

static int
give_results(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->ended_count)
		qsort(list->ended, (size_t)list->ended_count, sizeof *list->ended, newest_only(list) ? newest_first :
		    oldest_first);
	for (int i = 0; i < list->ended_count; i++)
		give_ended(list, &list->ended[i]);
	bool failed = list->failed || list->arena.failed;
	arena_reset(&list->arena);
	query->at = LIST_SEGMENT;
	return failed ? ZKQ_ENOMEM : ZKQ_OK;
}

static query_step_fn *const steps[] = {
	[LIST_PARTS] = ask_parts,
	[LIST_DETAILS] = ask_details,
	[LIST_SEGMENTS] = ask_segments,
	[LIST_ROWS] = ask_rows,
	[LIST_LIVE] = give_live,
	[LIST_QUEUE] = ask_queue,
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
