#include "lib/line.h"

#include <stdlib.h>
#include <string.h>

/* Makes room for one more element; NULL when memory runs out. */
static void *
grow(struct line *line, void *array, int count, int *room, size_t size)
{
	if (count < *room)
		return array;
	int more = *room ? *room * 2 : 256;
	void *grown = realloc(array, (size_t)more * size);
	if (!grown)
		line->failed = true;
	else
		*room = more;
	return grown;
}

struct line_queue *
line_queue(struct line *line, const char *queue)
{
	for (int i = 0; i < line->count; i++)
		if (!strcmp(line->queues[i].name, queue))
			return &line->queues[i];
	return NULL;
}

bool
line_name(struct line *line, const char *queue)
{
	if (line_queue(line, queue))
		return true;
	struct line_queue *grown = realloc(line->queues, (size_t)(line->count + 1) * sizeof *grown);
	if (!grown) {
		line->failed = true;
		return false;
	}
	line->queues = grown;
	memset(&grown[line->count], 0, sizeof *grown);
	memcpy(grown[line->count++].name, queue, strlen(queue) + 1);
	return true;
}

/* ---- replies ---- */

static uint32_t *
take_numbers(struct line *line, const struct reply *reply, enum node_kind kind, int *count)
{
	uint32_t *list = arena_alloc(&line->arena, (size_t)(reply->child_count + 1) * sizeof *list);

	*count = 0;
	for (int i = 0; list && i < reply->child_count; i++)
		if (reply->children[i].kind == kind)
			list[(*count)++] = reply->children[i].seg;
	return list;
}

static void
take_rows(struct line *line, struct line_queue *queue, const struct reply *reply)
{
	for (int i = 0; i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_TASK)
			continue;
		struct line_row *rows = grow(line, queue->rows, queue->row_count, &queue->row_room, sizeof *rows);
		if (!rows)
			return;
		queue->rows = rows;
		rows[queue->row_count++] = (struct line_row){ .seg = reply->node.seg, .name = reply->children[i].task };
	}
}

static void
take_marks(struct line *line, struct line_mark **list, int *count, int *room, const struct reply *reply)
{
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind != NODE_CANCEL && child->kind != NODE_RETRY)
			continue;
		struct line_mark *marks = grow(line, *list, *count, room, sizeof *marks);
		if (!marks)
			return;
		*list = marks;
		marks[*count].seg = child->seg;
		memcpy(marks[(*count)++].token, child->task.token, sizeof marks->token);
	}
}

/* By number, since names come and go: arg is the index of the queue. */
void
line_take(struct line *line, const struct reply *reply)
{
	enum node_kind kind = reply->node.kind;

	line->denied |= reply->rc == RC_NOAUTH && (kind == NODE_QUEUES || kind == NODE_QUEUE || kind == NODE_TASKS);
	if (reply->rc != RC_OK)
		return;
	if (kind == NODE_QUEUES) {
		for (int i = 0; i < reply->child_count; i++)
			if (reply->children[i].kind == NODE_QUEUE && !line_name(line, reply->children[i].queue))
				return;
		return;
	}
	if (reply->arg >= (uint64_t)line->count)
		return;
	struct line_queue *queue = &line->queues[reply->arg];
	switch (kind) {
	case NODE_QUEUE:
		queue->there = true;
		queue->paused = !reply->bad && queue_pause_end(&reply->record.queue, reply->stat.mtime_ms) > link_wall_ms();
		break;
	case NODE_TASKS:
		queue->segments = take_numbers(line, reply, NODE_SEGMENT, &queue->segment_count);
		break;
	case NODE_CANCEL_ALL:
		queue->wish_segments = take_numbers(line, reply, NODE_CANCEL_SEG, &queue->wish_segment_count);
		break;
	case NODE_SEGMENT:
		take_rows(line, queue, reply);
		break;
	case NODE_CANCEL_SEG:
		take_marks(line, &queue->wishes, &queue->wish_count, &queue->wish_room, reply);
		break;
	case NODE_RETRY_SEG:
		take_marks(line, &queue->retries, &queue->retry_count, &queue->retry_room, reply);
		break;
	default:
		break;
	}
}

/* ---- requests ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct line_queue *)a)->name, ((const struct line_queue *)b)->name);
}

void
line_plan_names(struct plan *plan)
{
	plan_list(plan, 0, 0, node_plain(NODE_QUEUES), false);
}

void
line_plan_queues(struct line *line, struct plan *plan)
{
	if (line->count)
		qsort(line->queues, (size_t)line->count, sizeof *line->queues, compare_names);
	for (int i = 0; i < line->count; i++) {
		const char *name = line->queues[i].name;

		plan_get(plan, 0, (uint64_t)i, node_of_queue(NODE_QUEUE, name), REC_QUEUE, false);
		plan_list(plan, 0, (uint64_t)i, node_of_queue(NODE_TASKS, name), false);
		plan_list(plan, 0, (uint64_t)i, node_of_queue(NODE_CANCEL_ALL, name), false);
	}
}

void
line_plan_segments(struct line *line, struct plan *plan)
{
	for (int i = 0; i < line->count; i++) {
		const struct line_queue *queue = &line->queues[i];
		bool all = !line->segments_max || queue->segment_count <= line->segments_max;

		for (int s = 0; all && s < queue->segment_count; s++) {
			plan_list(plan, 0, (uint64_t)i, node_of_segment(NODE_SEGMENT, queue->name, queue->segments[s]), false);
			plan_list(plan, 0, (uint64_t)i, node_of_segment(NODE_RETRY_SEG, queue->name, queue->segments[s]), false);
		}
		for (int s = 0; s < queue->wish_segment_count; s++)
			plan_list(plan, 0, (uint64_t)i, node_of_segment(NODE_CANCEL_SEG, queue->name, queue->wish_segments[s]),
			    false);
	}
}

/* ---- what it says ---- */

static int
compare_rows(const void *a, const void *b)
{
	const struct line_row *one = a, *other = b;

	return task_order(one->seg, &one->name, other->seg, &other->name);
}

static int
compare_marks(const void *a, const void *b)
{
	const struct line_mark *one = a, *other = b;

	if (one->seg != other->seg)
		return one->seg < other->seg ? -1 : 1;
	return strcmp(one->token, other->token);
}

static bool
marked(const struct line_mark *list, int count, const struct line_row *row)
{
	struct line_mark mark = { .seg = row->seg };

	if (!count)
		return false;
	memcpy(mark.token, row->name.token, sizeof mark.token);
	return bsearch(&mark, list, (size_t)count, sizeof mark, compare_marks) != NULL;
}

static void
sort_queue(struct line_queue *queue, const struct scene *scene)
{
	if (queue->row_count)
		qsort(queue->rows, (size_t)queue->row_count, sizeof *queue->rows, compare_rows);
	if (queue->wish_count)
		qsort(queue->wishes, (size_t)queue->wish_count, sizeof *queue->wishes, compare_marks);
	if (queue->retry_count)
		qsort(queue->retries, (size_t)queue->retry_count, sizeof *queue->retries, compare_marks);
	for (int i = 0; i < queue->row_count; i++) {
		struct line_row *row = &queue->rows[i];

		row->claim = claims_find(&scene->claims, queue->name, row->seg, row->name.token);
		row->wished = marked(queue->wishes, queue->wish_count, row);
		row->retried = marked(queue->retries, queue->retry_count, row);
		if (!row->claim && !row->wished)
			queue->waiting_at[row->name.priority <= PRIORITY_MAX ? row->name.priority : PRIORITY_MAX]++;
	}
}

int
line_end(struct line *line, const struct scene *scene)
{
	for (int i = 0; i < line->count; i++)
		sort_queue(&line->queues[i], scene);
	return line->failed || line->arena.failed ? ZKQ_ENOMEM : ZKQ_OK;
}

void
line_free(struct line *line)
{
	for (int i = 0; i < line->count; i++) {
		free(line->queues[i].rows);
		free(line->queues[i].wishes);
		free(line->queues[i].retries);
	}
	free(line->queues);
	arena_free(&line->arena);
	memset(line, 0, sizeof *line);
}

uint64_t
line_before(const struct line_queue *queue, int index)
{
	uint64_t before = 0;

	for (int i = index - 1; i >= 0 && queue->rows[i].name.priority == queue->rows[index].name.priority; i--)
		before += !queue->rows[i].claim && !queue->rows[i].wished;
	return before;
}

uint64_t
line_higher(const struct line *line, const struct scene *scene, const struct line_queue *queue, int priority)
{
	uint64_t higher = 0;

	for (int i = 0; i < line->count; i++) {
		const struct line_queue *other = &line->queues[i];
		bool counts = other == queue || (!other->paused && scene_shared(scene, queue->name, other->name));

		for (int p = priority + 1; counts && p <= PRIORITY_MAX; p++)
			higher += other->waiting_at[p];
	}
	return higher;
}

/* The hope of all tasks of that kind; NULL when memory runs out. */
static const struct line_hope *
hope_of(struct line *line, const struct scene *scene, struct line_queue *queue, int priority, bool suspect)
{
	struct line_hope *hope = &queue->hopes[priority][suspect];
	struct place_class class = { .queue = queue->name, .priority = priority, .suspect = suspect };
	int count = scene->claims.folder_count;

	if (hope->known)
		return hope;
	struct place_worker *workers = arena_alloc(&line->arena, (size_t)(count + 1) * sizeof *workers);
	if (!workers)
		return NULL;
	scene_places(scene, queue->name, priority, workers);
	hope->prospect = prospect_of(&class, workers, count);
	hope->higher = line_higher(line, scene, queue, priority);
	hope->known = true;
	return hope;
}

enum reason
line_reason(struct line *line, const struct scene *scene, struct line_queue *queue, const struct line_row *row,
    uint64_t before, bool suspect, enum class_seen class_seen)
{
	int priority = row->name.priority <= PRIORITY_MAX ? row->name.priority : PRIORITY_MAX;
	const struct line_hope *hope = hope_of(line, scene, queue, priority, suspect);
	struct wait_facts facts = { .leads = scene->candidates > 0, .cancelling = row->wished, .claimed = row->claim,
		.worker_lost = row->claim && scene_lost(scene, row->claim), .paused = queue->paused,
		.class_seen = class_seen, .higher = hope ? hope->higher : 0, .before = before };

	return hope ? reason_of(&facts, &hope->prospect) : REASON_NONE;
}

enum class_seen
line_class(const struct reply *reply)
{
	if (reply->rc == RC_NONODE)
		return CLASS_MISSING;
	return reply->rc == RC_OK && !reply->bad && reply->record.class.hash_matches ? CLASS_SEEN : CLASS_UNREADABLE;
}
