/*
 * worker.c: workers and dispatchers.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/scene.h"

struct folders {
	struct arena arena;
	struct rec_report *reports;	/* of each folder of the claims */
	int64_t *mtimes;		/* 0 = none */
	int64_t newest;			/* the latest server time seen */
};

static void
take_report(void *context, const struct reply *reply)
{
	struct folders *folders = context;
	struct record record;
	const char *why;

	if (reply->rc != RC_OK)
		return;
	folders->mtimes[reply->arg] = reply->stat.mtime_ms;
	if (reply->stat.mtime_ms > folders->newest)
		folders->newest = reply->stat.mtime_ms;
	const char *data = arena_copy(&folders->arena, reply->record.bytes.data, reply->record.bytes.len);
	if (data && record_decode(&folders->arena, REC_REPORT, data, reply->record.bytes.len, &record, &why))
		folders->reports[reply->arg] = record.report;
}

static const struct scene_worker *
registered(const struct scene *scene, const struct folder_seen *folder)
{
	for (int i = 0; i < scene->worker_count; i++)
		if (!strcmp(scene->workers[i].name, folder->worker) && !strcmp(scene->workers[i].record.inc,
		    folder->inc))
			return &scene->workers[i];
	return NULL;
}

static const char *
join(struct arena *arena, const char *const *list, int count)
{
	const char *text = arena_string(arena, "");

	for (int i = 0; text && i < count; i++)
		text = arena_printf(arena, "%s%s%s", text, i ? "," : "", list[i]);
	return text;
}

static void
give_worker(struct folders *folders, const struct scene *scene, int index, zkq_worker_fn *callback, void *context)
{
	const struct folder_seen *folder = &scene->claims.folders[index];
	const struct rec_report *report = &folders->reports[index];
	const struct scene_worker *worker = registered(scene, folder);
	struct zkq_worker_info info = { .name = folder->worker, .claims = folder->claims, .load1 = -1, .seen_ms = -1 };
	bool up = worker && folder->live;

	if (!up && !folder->claims)
		return;		/* a life that is over and left nothing; the leader removes the folder */
	info.state = !up ? "lost" : report->draining ? "draining" : "up";
	info.host = worker ? worker->record.process.host : report->process.host;
	if (worker) {
		info.version = worker->record.version;
		info.log = worker->record.log;
		info.slots = worker->record.slots;
		info.queues = join(&folders->arena, worker->record.queues, worker->record.queue_count);
		info.json = worker->json;
	} else {
		info.slots = report->slots;
	}
	if (folders->mtimes[index]) {
		info.running = report->in_use;
		info.load1 = report->load1;
		info.mem_total_bytes = report->mem_total_bytes;
		info.mem_free_bytes = report->mem_free_bytes;
		info.disk_free_bytes = report->disk_free_bytes;
		/* A lost worker whose report is the newest thing known says nothing about how long ago that was. */
		if (up || folders->mtimes[index] < folders->newest)
			info.seen_ms = folders->newest - folders->mtimes[index];
	}
	callback(context, &info);
}

static int
compare_folders(const void *a, const void *b)
{
	return strcmp(((const struct folder_seen *)a)->worker, ((const struct folder_seen *)b)->worker);
}

int
zkq_workers_wait(struct zkq *handle, int timeout_ms, zkq_worker_fn *callback, void *context)
{
	struct folders folders = { .newest = 0 };
	struct reads reads = { .left = 0 };
	struct scene scene;
	int64_t deadline = deadline_after(timeout_ms);

	if (handle->inside || !callback)
		return ZKQ_EINVAL;
	int error = scene_read(handle, &reads, &scene, deadline);
	size_t count = (size_t)scene.claims.folder_count;
	folders.reports = arena_alloc(&folders.arena, (count + 1) * sizeof *folders.reports);
	folders.mtimes = arena_alloc(&folders.arena, (count + 1) * sizeof *folders.mtimes);
	if (error == ZKQ_OK && folders.arena.failed)
		error = ZKQ_ENOMEM;
	if (count)
		qsort(scene.claims.folders, count, sizeof *scene.claims.folders, compare_folders);
	for (size_t i = 0; error == ZKQ_OK && i < count; i++)
		plan_get(&reads.plan, 0, i, node_folder(scene.claims.folders[i].worker, scene.claims.folders[i].inc),
		    REC_BYTES,
		    false);
	if (error == ZKQ_OK)
		error = reads_run(handle, &reads, take_report, &folders, deadline);
	for (int i = 0; i < scene.worker_count; i++)
		if (scene.workers[i].ctime_ms > folders.newest)
			folders.newest = scene.workers[i].ctime_ms;
	for (size_t i = 0; error == ZKQ_OK && i < count; i++)
		give_worker(&folders, &scene, (int)i, callback, context);
	scene_free(&scene);
	reads_free(&reads);
	arena_free(&folders.arena);
	return error;
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

int
zkq_dispatchers_wait(struct zkq *handle, int timeout_ms, zkq_dispatcher_fn *callback, void *context)
{
	struct candidates all = { .count = 0 };
	struct reads reads = { .left = 0 };
	int64_t deadline = deadline_after(timeout_ms);

	if (handle->inside || !callback)
		return ZKQ_EINVAL;
	plan_list(&reads.plan, 0, 0, node_plain(NODE_ELECTION), false);
	int error = reads_run(handle, &reads, take_candidates, &all, deadline);
	if (error == ZKQ_OK && !all.tree)
		error = all.denied ? ZKQ_ENOAUTH : ZKQ_ENOTREE;
	for (int i = 0; error == ZKQ_OK && i < all.count; i++)
		plan_get(&reads.plan, 0, (uint64_t)i, node_of_text(NODE_CANDIDATE, "", 0, all.list[i].name),
		    REC_BYTES, false);
	if (error == ZKQ_OK)
		error = reads_run(handle, &reads, take_candidate, &all, deadline);
	if (error == ZKQ_OK && all.arena.failed)
		error = ZKQ_ENOMEM;
	int leads = 1;
	for (int i = 0; error == ZKQ_OK && i < all.count; i++) {
		const struct candidate *candidate = &all.list[i];

		if (!candidate->there)
			continue;
		struct zkq_dispatcher_info info = { .name = candidate->record.name ? candidate->record.name
		    : candidate->name,
			.host = candidate->record.host, .http = candidate->record.http, .leads = leads,
			.since_ms = candidate->ctime_ms };
		leads = 0;
		callback(context, &info);
	}
	reads_free(&reads);
	arena_free(&all.arena);
	return error;
}
