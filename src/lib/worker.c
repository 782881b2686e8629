/*
 * worker.c: workers and dispatchers.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/scene.h"

static const char *
join(struct arena *arena, const char *const *list, int count)
{
	const char *text = arena_string(arena, "");

	for (int i = 0; text && i < count; i++)
		text = arena_printf(arena, "%s%s%s", text, i ? "," : "", list[i]);
	return text;
}

struct workers {
	struct query query;
	struct scene scene;
	int64_t now_ms;		/* the later one of our clock and the latest server time seen */
	zkq_worker_fn *callback;
};

static int
give_worker(struct workers *workers, int index)
{
	struct scene *scene = &workers->scene;
	const struct folder_seen *folder = &scene->claims.folders[index];
	const struct rec_report *report = &scene->reports[index];
	const struct scene_worker *worker = scene_registered(scene, folder);
	int64_t report_ms = scene->report_ms[index];
	struct zkq_worker_info info = { .name = folder->worker, .claims = folder->claims, .load1 = -1, .reported_ms = -1 };

	if (!worker && !folder->claims)
		return 0;	/* a life that is over and left nothing; the leader removes the folder */
	info.state = !worker ? "lost" : report->draining ? "draining" : "up";
	info.host = worker ? worker->record.process.host : report->process.host;
	info.slots = worker ? worker->record.slots : report->slots;
	if (worker) {
		info.version = worker->record.version;
		info.log = worker->record.log;
		info.queues = join(&scene->arena, worker->record.queues, worker->record.queue_count);
		info.json = worker->json;
		info.since_ms = worker->ctime_ms;
	}
	if (report_ms) {
		info.running = report->in_use;
		info.lost_after_ms = report->lost_after_ms;
		info.load1 = report->load1;
		info.mem_total_bytes = report->mem_total_bytes;
		info.mem_free_bytes = report->mem_free_bytes;
		info.disk_free_bytes = report->disk_free_bytes;
		info.reported_ms = workers->now_ms > report_ms ? workers->now_ms - report_ms : 0;
	}
	workers->callback(workers->query.context, &info);
	return 1;
}

static int
give_workers(struct query *query)
{
	struct workers *workers = (struct workers *)query;
	const struct scene *scene = &workers->scene;

	workers->now_ms = link_wall_ms();
	for (int i = 0; i < scene->worker_count; i++)
		if (scene->workers[i].ctime_ms > workers->now_ms)
			workers->now_ms = scene->workers[i].ctime_ms;
	for (int i = 0; i < scene->claims.folder_count; i++)
		if (scene->report_ms[i] > workers->now_ms)
			workers->now_ms = scene->report_ms[i];
	for (int i = 0; i < scene->claims.folder_count; i++)
		query->total += give_worker(workers, i);
	return ZKQ_OK;
}

static void
free_workers(struct query *query)
{
	struct workers *workers = (struct workers *)query;

	scene_free(&workers->scene);
	reads_free(&query->reads);
	free(workers);
}

static int
new_workers(struct zkq *handle, zkq_worker_fn *callback, void *context, struct workers **out)
{
	static query_step_fn *const steps[] = { SCENE_STEPS, give_workers, NULL };

	if (!callback)
		return ZKQ_EINVAL;
	struct workers *workers = calloc(1, sizeof *workers);
	if (!workers)
		return ZKQ_ENOMEM;
	workers->query = (struct query){ .handle = handle, .steps = steps, .scene = &workers->scene, .free = free_workers,
		.context = context };
	workers->callback = callback;
	*out = workers;
	return ZKQ_OK;
}

int
zkq_workers(struct zkq *handle, zkq_worker_fn *callback, zkq_done_fn *done, void *context)
{
	struct workers *workers;
	int error = new_workers(handle, callback, context, &workers);

	if (error == ZKQ_OK)
		query_begin(&workers->query, done);
	return error;
}

int
zkq_workers_wait(struct zkq *handle, int timeout_ms, zkq_worker_fn *callback, void *context)
{
	struct workers *workers;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside ? ZKQ_EINVAL : new_workers(handle, callback, context, &workers);

	return error == ZKQ_OK ? query_wait(&workers->query, deadline, NULL) : error;
}

/* ---- dispatchers ---- */

struct candidate {
	const char *name;	/* of the znode */
	unsigned long seq;
	struct rec_candidate record;
	int64_t ctime_ms;
	bool there;
};

struct candidates {
	struct query query;
	zkq_dispatcher_fn *callback;
	struct arena arena;
	struct candidate *list;
	int count;
	bool tree, denied;
};

static int
compare_candidates(const void *a, const void *b)
{
	const struct candidate *one = a, *other = b;

	return one->seq < other->seq ? -1 : one->seq > other->seq;
}

static void
take_candidates(void *context, const struct reply *reply)
{
	struct candidates *all = context;

	if (reply->rc == RC_NOAUTH)
		all->denied = true;
	if (reply->rc != RC_OK)
		return;
	all->tree = true;
	all->list = arena_alloc(&all->arena, (size_t)(reply->child_count + 1) * sizeof *all->list);
	for (int i = 0; all->list && i < reply->child_count; i++) {
		const char *name = reply->children[i].text;
		const char *digits = name ? strrchr(name, '_') : NULL;

		if (reply->children[i].kind != NODE_CANDIDATE || !digits)
			continue;
		all->list[all->count].name = arena_string(&all->arena, name);
		all->list[all->count++].seq = strtoul(digits + 1, NULL, 10);
	}
	if (all->count)
		qsort(all->list, (size_t)all->count, sizeof *all->list, compare_candidates);
}

static void
take_candidate(void *context, const struct reply *reply)
{
	struct candidates *all = context;
	struct candidate *candidate = &all->list[reply->arg];
	struct record record;
	const char *why;

	if (reply->rc != RC_OK)
		return;
	candidate->there = true;
	candidate->ctime_ms = reply->stat.ctime_ms;
	const char *data = arena_copy(&all->arena, reply->record.bytes.data, reply->record.bytes.len);
	if (data && record_decode(&all->arena, REC_CANDIDATE, data, reply->record.bytes.len, &record, &why))
		candidate->record = record.candidate;
}

static int
ask_candidates(struct query *query)
{
	plan_list(&query->reads.plan, 0, 0, node_plain(NODE_ELECTION), false);
	query_ask(query, take_candidates, query);
	return ZKQ_OK;
}

static int
ask_each_candidate(struct query *query)
{
	const struct candidates *all = (struct candidates *)query;

	if (!all->tree)
		return all->denied ? ZKQ_ENOAUTH : ZKQ_ENOTREE;
	for (int i = 0; i < all->count; i++)
		plan_get(&query->reads.plan, 0, (uint64_t)i, node_of_text(NODE_CANDIDATE, "", 0, all->list[i].name),
		    REC_BYTES, false);
	query_ask(query, take_candidate, query);
	return ZKQ_OK;
}

static int
give_candidates(struct query *query)
{
	const struct candidates *all = (struct candidates *)query;

	if (all->arena.failed)
		return ZKQ_ENOMEM;
	for (int i = 0; i < all->count; i++) {
		const struct candidate *candidate = &all->list[i];

		if (!candidate->there)
			continue;
		struct zkq_dispatcher_info info = { .name = candidate->record.name ? candidate->record.name : candidate->name,
			.host = candidate->record.host, .http = candidate->record.http, .leads = query->total == 0,
			.since_ms = candidate->ctime_ms };
		query->total++;
		all->callback(query->context, &info);
	}
	return ZKQ_OK;
}

static void
free_candidates(struct query *query)
{
	struct candidates *all = (struct candidates *)query;

	reads_free(&query->reads);
	arena_free(&all->arena);
	free(all);
}

static int
new_candidates(struct zkq *handle, zkq_dispatcher_fn *callback, void *context, struct candidates **out)
{
	static query_step_fn *const steps[] = { ask_candidates, ask_each_candidate, give_candidates, NULL };

	if (!callback)
		return ZKQ_EINVAL;
	struct candidates *all = calloc(1, sizeof *all);
	if (!all)
		return ZKQ_ENOMEM;
	all->query = (struct query){ .handle = handle, .steps = steps, .free = free_candidates, .context = context };
	all->callback = callback;
	*out = all;
	return ZKQ_OK;
}

int
zkq_dispatchers(struct zkq *handle, zkq_dispatcher_fn *callback, zkq_done_fn *done, void *context)
{
	struct candidates *all;
	int error = new_candidates(handle, callback, context, &all);

	if (error == ZKQ_OK)
		query_begin(&all->query, done);
	return error;
}

int
zkq_dispatchers_wait(struct zkq *handle, int timeout_ms, zkq_dispatcher_fn *callback, void *context)
{
	struct candidates *all;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside ? ZKQ_EINVAL : new_candidates(handle, callback, context, &all);

	return error == ZKQ_OK ? query_wait(&all->query, deadline, NULL) : error;
}
