/*
 * ended.c: the results of a list. Each is a read; names come from a listing of each segment of results.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/info.h"
#include "lib/list.h"

#define NEWEST_LEAST 20		/* look at so many results of each queue, however many queues there are */
#define NEWEST_SEGMENTS 32	/* ... in so many segments, around the one that is worked on */

/* So many segments or results that might have matched are not looked at. */
static void
leave_out(struct list *list, int count)
{
	if (list->counts && count > 0)
		list->counts->partial = 1;
}

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

	leave_out(list, list->result_segment_count - count);
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
		uint32_t *segments = list_grow(list, list->result_segments, list->result_segment_count,
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
		struct ended *rows = list_grow(list, list->ended, list->ended_count, &list->ended_room, sizeof *rows);
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
	return info->ended_ms >= list->since_ms && list_state_wanted(list, info->state);
}

static void
give_ended(struct list *list, const struct ended *row)
{
	struct info_room room;
	struct zkq_info info;

	if (!row->json)
		return;
	if (list->counts)
		list->counts->looked++;
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
	if (list->counts)
		list->counts->matching++;
	if (!room_left(list))
		return;
	list->results_given++;
	list_give(list, &info);
}

/* ---- the share of each queue, when only about so many of the newest results are looked at ---- */

/* How many rows there are when each queue, whose rows stand together, keeps at most share; copies these to the front if
 * keep. */
static int
with_share(struct list *list, int share, bool keep)
{
	int count = 0, of_queue = 0;

	for (int i = 0; i < list->ended_count; i++) {
		bool same = i > 0 && !strcmp(list->ended[i].id.queue, list->ended[i - 1].id.queue);

		of_queue = same ? of_queue + 1 : 1;
		if (of_queue > share)
			continue;
		if (keep && count != i)
			list->ended[count] = list->ended[i];
		count++;
	}
	return count;
}

/* What queues with few results leave of their share is for the others, so nothing is left out as long as all are few. */
static void
keep_shares(struct list *list)
{
	int share = NEWEST_LEAST, too_much = list->newest + 1;

	while (share + 1 < too_much) {
		int middle = share + (too_much - share) / 2;

		if (with_share(list, middle, false) <= list->newest)
			share = middle;
		else
			too_much = middle;
	}
	int count = with_share(list, share, true);
	leave_out(list, list->ended_count - count);
	list->ended_count = count;
}

/* ---- steps ---- */

/* Of the newest those of all queues are read together, at the end. */
int
list_ask_queue(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->failed)
		return ZKQ_ENOMEM;
	if (list->newest)
		keep_shares(list);
	if (list->queue_at == list->line.count) {
		query->at = list->newest ? LIST_RESULTS : LIST_STEPS;
		return ZKQ_OK;
	}
	list->in = list->line.queues[list->queue_at++].name;
	list->result_segment_count = list->result_segment_at = 0;
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

static void
ask_segment_names(struct list *list)
{
	struct plan *plan = &list->query.reads.plan;
	uint32_t seg = list->result_segments[list->result_segment_at++];

	plan_list(plan, 0, 0, node_of_segment(NODE_DEAD_SEG, list->in, seg), false);
	plan_list(plan, 0, 0, node_of_segment(NODE_DONE_SEG, list->in, seg), false);
}

/* One segment after the other: there may be many results. Of the newest all at once. */
int
list_ask_segment(struct query *query)
{
	struct list *list = (struct list *)query;

	if (!list->result_segment_at)
		sort_result_segments(list);
	/* Nothing more is given or counted: what would be listed is only the folders' counts. */
	if (list->result_segment_at == list->result_segment_count || (filtered(list) && !room_left(list))) {
		leave_out(list, list->result_segment_count - list->result_segment_at);
		query->at = LIST_QUEUE;
		return ZKQ_OK;
	}
	if (!list->newest)
		list->ended_count = 0;
	do
		ask_segment_names(list);
	while (list->newest && list->result_segment_at < list->result_segment_count);
	if (list->newest)
		query->at = LIST_QUEUE;
	query_ask(query, take_result_names, query);
	return ZKQ_OK;
}

int
list_ask_results(struct query *query)
{
	struct list *list = (struct list *)query;

	if (!filtered(list))
		query->total += list->ended_count;
	if (!room_left(list))
		leave_out(list, list->ended_count);
	for (int i = 0; room_left(list) && i < list->ended_count; i++) {
		const struct ended *row = &list->ended[i];

		plan_get(&query->reads.plan, 0, (uint64_t)i, node_of_token(row->dead ? NODE_DEAD : NODE_RESULT, row->id.queue,
		    row->id.seg, row->id.token), REC_BYTES, false);
	}
	query_ask(query, take_result, query);
	return ZKQ_OK;
}

int
list_give_results(struct query *query)
{
	struct list *list = (struct list *)query;

	if (list->ended_count)
		qsort(list->ended, (size_t)list->ended_count, sizeof *list->ended, newest_only(list) ? newest_first :
		    oldest_first);
	for (int i = 0; i < list->ended_count; i++)
		give_ended(list, &list->ended[i]);
	bool failed = list->failed || list->arena.failed;
	arena_reset(&list->arena);
	query->at = list->newest ? LIST_STEPS : LIST_SEGMENT;
	return failed ? ZKQ_ENOMEM : ZKQ_OK;
}
