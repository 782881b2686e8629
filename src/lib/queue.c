/*
 * queue.c: queues and their pause.
 */
#include <stdlib.h>
#include <string.h>

#include "core/reason.h"
#include "lib/scene.h"

struct queue_seen {
	char name[QUEUE_NAME_MAX + 1];
	const char *json;
	size_t json_len;
	struct rec_queue conf;
	int64_t mtime_ms;
	int32_t version;
	bool there;
	int64_t live, results, dead, inbox;
	bool any;			/* a live task was seen; the oldest of them: */
	uint32_t oldest_seg;
	struct task_name oldest;
	int64_t oldest_ctime_ms;
};

struct queues {
	struct query query;
	struct scene scene;
	zkq_queue_fn *callback;
	struct plan next;	/* what to ask about the segments seen */
	struct arena arena;
	struct queue_seen *list;
	int count;
	int64_t newest_ms;	/* the latest server time seen */
};

static void
take_names(void *context, const struct reply *reply)
{
	struct queues *queues = context;

	if (reply->rc != RC_OK)
		return;
	queues->list = arena_alloc(&queues->arena, (size_t)(reply->child_count + 1) * sizeof *queues->list);
	for (int i = 0; queues->list && i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_QUEUE)
			memcpy(queues->list[queues->count++].name, reply->children[i].queue, QUEUE_NAME_MAX + 1);
}

static void
take_conf(struct queues *queues, struct queue_seen *queue, const struct reply *reply)
{
	struct record record;
	const char *why;

	queue->there = true;
	queue->version = reply->stat.version;
	queue->mtime_ms = reply->stat.mtime_ms;
	queue->json_len = reply->record.bytes.len;
	queue->json = arena_copy(&queues->arena, reply->record.bytes.data, queue->json_len);
	if (queue->json && record_decode(&queues->arena, REC_QUEUE, queue->json, queue->json_len, &record, &why))
		queue->conf = record.queue;
}

static void
take_segment(struct queue_seen *queue, const struct reply *reply)
{
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind != NODE_TASK)
			continue;
		queue->live++;
		if (queue->any && (child->seg > queue->oldest_seg ||
		    (child->seg == queue->oldest_seg && child->task.seq > queue->oldest.seq)))
			continue;
		queue->any = true;
		queue->oldest_seg = child->seg;
		queue->oldest = child->task;
	}
}

/* The second requests of a queue depend on the first: folders, then what is in them. */
static void
take_folder(void *context, const struct reply *reply)
{
	struct queues *queues = context;
	struct queue_seen *queue = &queues->list[reply->arg];

	if (reply->rc != RC_OK)
		return;
	if (reply->stat.mtime_ms > queues->newest_ms)
		queues->newest_ms = reply->stat.mtime_ms;
	switch (reply->node.kind) {
	case NODE_QUEUE:
		take_conf(queues, queue, reply);
		break;
	case NODE_INBOX:
		queue->inbox = reply->stat.children;
		break;
	case NODE_SEGMENT:
		take_segment(queue, reply);
		break;
	case NODE_DONE_SEG:
		queue->results += reply->stat.children;
		break;
	case NODE_DEAD_SEG:
		queue->dead += reply->stat.children;
		break;
	case NODE_TASK:
		queue->oldest_ctime_ms = reply->stat.ctime_ms;
		break;
	default:
		break;
	}
}

static void
take_segments(void *context, const struct reply *reply)
{
	struct queues *queues = context;

	if (reply->node.kind != NODE_TASKS && reply->node.kind != NODE_DONE_ALL && reply->node.kind != NODE_DEAD_ALL) {
		take_folder(queues, reply);
		return;
	}
	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		if (reply->children[i].kind == NODE_SEGMENT)
			plan_list(&queues->next, 0, reply->arg, reply->children[i], false);
		else if (reply->children[i].kind == NODE_DONE_SEG || reply->children[i].kind == NODE_DEAD_SEG)
			plan_exists(&queues->next, 0, reply->arg, reply->children[i], false);
	}
}

static int
compare_queues(const void *a, const void *b)
{
	return strcmp(((const struct queue_seen *)a)->name, ((const struct queue_seen *)b)->name);
}

static int
ask_names(struct query *query)
{
	plan_list(&query->reads.plan, 0, 0, node_plain(NODE_QUEUES), false);
	query_ask(query, take_names, query);
	return ZKQ_OK;
}

static int
ask_folders(struct query *query)
{
	struct queues *queues = (struct queues *)query;
	struct plan *plan = &query->reads.plan;

	if (queues->count)
		qsort(queues->list, (size_t)queues->count, sizeof *queues->list, compare_queues);
	for (int i = 0; i < queues->count; i++) {
		const char *name = queues->list[i].name;

		plan_get(plan, 0, (uint64_t)i, node_of_queue(NODE_QUEUE, name), REC_BYTES, false);
		plan_exists(plan, 0, (uint64_t)i, node_of_queue(NODE_INBOX, name), false);
		plan_list(plan, 0, (uint64_t)i, node_of_queue(NODE_TASKS, name), false);
		plan_list(plan, 0, (uint64_t)i, node_of_queue(NODE_DONE_ALL, name), false);
		plan_list(plan, 0, (uint64_t)i, node_of_queue(NODE_DEAD_ALL, name), false);
	}
	query_ask(query, take_segments, query);
	return ZKQ_OK;
}

/* The plans change places: what was gathered is asked now. */
static int
ask_segments(struct query *query)
{
	struct queues *queues = (struct queues *)query;
	struct plan used = query->reads.plan;

	query->reads.plan = queues->next;
	queues->next = used;
	query_ask(query, take_folder, query);
	return ZKQ_OK;
}

static int
ask_oldest(struct query *query)
{
	const struct queues *queues = (struct queues *)query;

	for (int i = 0; i < queues->count; i++)
		if (queues->list[i].any)
			plan_exists(&query->reads.plan, 0, (uint64_t)i,
			    node_task(queues->list[i].name, queues->list[i].oldest_seg, &queues->list[i].oldest), false);
	query_ask(query, take_folder, query);
	return ZKQ_OK;
}

/* What its workers have, and whether one of them would take a task. */
static bool
count_workers(struct queues *queues, const struct queue_seen *queue, struct zkq_queue_info *info)
{
	const struct scene *scene = &queues->scene;
	int count = scene->claims.folder_count;
	struct place_class class = { .queue = queue->name, .priority = PRIORITY_DEFAULT };
	struct place_worker *workers = arena_alloc(&queues->arena, (size_t)(count + 1) * sizeof *workers);

	if (!workers)
		return false;
	scene_places(scene, queue->name, PRIORITY_DEFAULT, workers);
	for (int i = 0; i < count; i++) {
		const struct rec_report *report = &scene->reports[i];
		bool takes = workers[i].serves_queue && !workers[i].lost && !workers[i].draining;

		info->workers += takes;
		info->slots += takes ? report->slots : 0;
		info->free_slots += takes && workers[i].idle > 0 ? workers[i].idle : 0;
		for (int k = 0; !workers[i].lost && k < report->counts_count; k++)
			if (!strcmp(report->counts[k].queue, queue->name)) {
				info->done += (int64_t)report->counts[k].done;
				info->failed += (int64_t)report->counts[k].failed;
			}
	}
	struct prospect prospect = prospect_of(&class, workers, count);
	struct wait_facts facts = { .leads = scene->candidates > 0, .paused = info->paused,
		.before = (uint64_t)info->waiting };
	enum reason reason = reason_of(&facts, &prospect);
	info->reason = reason == REASON_READY ? NULL : reason_word(reason);
	return true;
}

static int
give_queue(struct queues *queues, const struct queue_seen *queue)
{
	const struct claims *claims = &queues->scene.claims;
	struct zkq_queue_info info = { .name = queue->name, .results = queue->results, .dead = queue->dead,
		.inbox = queue->inbox, .deleting = queue->conf.deleting, .oldest_ms = -1, .json = queue->json };
	int64_t now = queues->newest_ms > link_wall_ms() ? queues->newest_ms : link_wall_ms();
	int64_t pause_end = queue_pause_end(&queue->conf, queue->mtime_ms);

	if (pause_end > now) {
		info.paused = 1;
		info.paused_by = queue->conf.paused_by;
		info.paused_reason = queue->conf.paused_reason;
		info.paused_until_ms = pause_end == INT64_MAX ? 0 : pause_end;
		info.paused_left_ms = pause_end == INT64_MAX ? -1 : pause_end - now;
	}
	for (int i = 0; i < claims->count; i++)
		info.running += !strcmp(claims->list[i].queue, queue->name);
	info.waiting = queue->live > info.running ? queue->live - info.running : 0;
	if (queue->oldest_ctime_ms)
		info.oldest_ms = now > queue->oldest_ctime_ms ? now - queue->oldest_ctime_ms : 0;
	if (!count_workers(queues, queue, &info))
		return ZKQ_ENOMEM;
	queues->callback(queues->query.context, &info);
	return ZKQ_OK;
}

static int
give_queues(struct query *query)
{
	struct queues *queues = (struct queues *)query;
	int error = queues->arena.failed ? ZKQ_ENOMEM : ZKQ_OK;

	for (int i = 0; i < queues->count && error == ZKQ_OK; i++) {
		if (!queues->list[i].there || queues->list[i].conf.deleted)
			continue;	/* deleted meanwhile */
		query->total++;
		error = give_queue(queues, &queues->list[i]);
	}
	return error;
}

static void
free_queues(struct query *query)
{
	struct queues *queues = (struct queues *)query;

	scene_free(&queues->scene);
	reads_free(&query->reads);
	plan_free(&queues->next);
	arena_free(&queues->arena);
	free(queues);
}

static int
new_queues(struct zkq *handle, zkq_queue_fn *callback, void *context, struct queues **out)
{
	static query_step_fn *const steps[] = { SCENE_STEPS, ask_names, ask_folders, ask_segments, ask_oldest, give_queues,
		NULL };

	if (!callback)
		return ZKQ_EINVAL;
	struct queues *queues = calloc(1, sizeof *queues);
	if (!queues)
		return ZKQ_ENOMEM;
	queues->query = (struct query){ .handle = handle, .steps = steps, .scene = &queues->scene, .free = free_queues,
		.context = context };
	queues->callback = callback;
	*out = queues;
	return ZKQ_OK;
}

int
zkq_queues(struct zkq *handle, zkq_queue_fn *callback, zkq_done_fn *done, void *context)
{
	struct queues *queues;
	int error = new_queues(handle, callback, context, &queues);

	if (error == ZKQ_OK)
		query_begin(&queues->query, done);
	return error;
}

int
zkq_queues_wait(struct zkq *handle, int timeout_ms, zkq_queue_fn *callback, void *context)
{
	struct queues *queues;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside ? ZKQ_EINVAL : new_queues(handle, callback, context, &queues);

	return error == ZKQ_OK ? query_wait(&queues->query, deadline, NULL) : error;
}

/* ---- pause ---- */

struct pausing {
	struct queues queues;
	bool tree;
	enum rc read, written;
};

static void
take_pausing(void *context, const struct reply *reply)
{
	struct pausing *pausing = context;

	if (reply->kind == REQ_MULTI) {
		pausing->written = reply->rc;
	} else if (reply->node.kind == NODE_ROOT) {
		pausing->tree = reply->rc == RC_OK;
	} else {
		pausing->read = reply->rc;
		if (reply->rc == RC_OK)
			take_conf(&pausing->queues, pausing->queues.list, reply);
	}
}

/* One attempt: reads the configuration, writes it with the change, if nobody else wrote meanwhile. */
static int
set_pause(struct pausing *pausing, bool paused, int64_t for_ms, const char *reason, int64_t deadline)
{
	struct zkq *handle = pausing->queues.query.handle;
	struct reads *reads = &pausing->queues.query.reads;
	struct queue_seen *queue = pausing->queues.list;

	plan_exists(&reads->plan, 0, 0, node_plain(NODE_ROOT), false);
	plan_get(&reads->plan, 0, 0, node_of_queue(NODE_QUEUE, queue->name), REC_BYTES, false);
	int error = reads_run(handle, reads, take_pausing, pausing, deadline);
	if (error != ZKQ_OK)
		return error;
	if (pausing->read == RC_NONODE)
		return pausing->tree ? ZKQ_ENOQUEUE : ZKQ_ENOTREE;
	if (pausing->read != RC_OK)
		return error_of_rc(pausing->read);
	const char *text = queue_text_paused(&pausing->queues.arena, queue->json, paused, for_ms, handle->by,
	    reason, link_wall_ms());
	if (!text)
		return pausing->queues.arena.failed ? ZKQ_ENOMEM : ZKQ_EINVAL;
	struct record record = { .kind = REC_BYTES, .bytes = { text, strlen(text) } };
	add_set(&reads->plan, plan_multi(&reads->plan, 0, 0), node_of_queue(NODE_QUEUE, queue->name), queue->version,
	    &record);
	return reads_run(handle, reads, take_pausing, pausing, deadline);
}

int
zkq_queue_pause_wait(struct zkq *handle, const char *name, int paused, int64_t for_ms, const char *reason,
    int timeout_ms)
{
	struct queue_seen queue = { .there = false };
	struct pausing pausing = { .queues = { .query.handle = handle, .list = &queue, .count = 1 } };
	int64_t deadline = deadline_after(timeout_ms);
	int error;

	if (handle->inside || !name || !queue_name_ok(name) || for_ms < 0)
		return ZKQ_EINVAL;
	memcpy(queue.name, name, strlen(name) + 1);
	do
		error = set_pause(&pausing, paused, for_ms, reason, deadline);
	while (error == ZKQ_OK && (pausing.written == RC_BADVERSION || pausing.written == RC_UNKNOWN));
	if (error == ZKQ_OK)
		error = error_of_rc(pausing.written);
	reads_free(&pausing.queues.query.reads);
	arena_free(&pausing.queues.arena);
	return error;
}
