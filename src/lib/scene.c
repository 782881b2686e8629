#include "lib/scene.h"

#include <string.h>

static void
take_parts(void *context, const struct reply *reply)
{
	struct scene *scene = context;

	if (reply->rc == RC_NOAUTH)
		scene->denied = true;
	if (reply->rc != RC_OK)
		return;
	if (reply->node.kind == NODE_ROOT)
		scene->tree = true;
	if (reply->node.kind == NODE_ELECTION)
		for (int i = 0; i < reply->child_count; i++)
			scene->candidates += reply->children[i].kind == NODE_CANDIDATE;
	if (reply->node.kind != NODE_WORKERS)
		return;
	size_t count = (size_t)reply->child_count;
	scene->workers = arena_alloc(&scene->arena, (count ? count : 1) * sizeof *scene->workers);
	for (size_t i = 0; scene->workers && i < count; i++)
		if (reply->children[i].kind == NODE_WORKER)
			memcpy(scene->workers[scene->worker_count++].name, reply->children[i].worker,
			    WORKER_NAME_MAX + 1);
}

static void
take_worker(void *context, const struct reply *reply)
{
	struct scene *scene = context;
	struct scene_worker *worker = &scene->workers[reply->arg];
	struct record record;
	const char *why;

	if (reply->rc != RC_OK) {
		worker->name[0] = '\0';	/* gone meanwhile */
		return;
	}
	worker->json = arena_copy(&scene->arena, reply->record.bytes.data, reply->record.bytes.len);
	worker->ctime_ms = reply->stat.ctime_ms;
	if (worker->json && record_decode(&scene->arena, REC_WORKER, worker->json, reply->record.bytes.len, &record,
	    &why))
		worker->record = record.worker;
}

int
scene_ask_parts(struct query *query)
{
	struct plan *plan = &query->reads.plan;

	plan_exists(plan, 0, 0, node_plain(NODE_ROOT), false);
	plan_list(plan, 0, 0, node_plain(NODE_ELECTION), false);
	plan_list(plan, 0, 0, node_plain(NODE_WORKERS), false);
	query_ask(query, take_parts, query->scene);
	return ZKQ_OK;
}

int
scene_ask_workers(struct query *query)
{
	const struct scene *scene = query->scene;

	if (scene->denied)
		return ZKQ_ENOAUTH;
	if (!scene->tree)
		return ZKQ_ENOTREE;
	for (int i = 0; i < scene->worker_count; i++)
		plan_get(&query->reads.plan, 0, (uint64_t)i, node_of_worker(NODE_WORKER, scene->workers[i].name), REC_BYTES,
		    false);
	query_ask(query, take_worker, query->scene);
	return ZKQ_OK;
}

int
scene_ask_folders(struct query *query)
{
	claims_ask_folders(&query->scene->claims, &query->reads.plan);
	query_ask(query, claims_take_folders, &query->scene->claims);
	return ZKQ_OK;
}

int
scene_ask_claims(struct query *query)
{
	claims_ask_claims(&query->scene->claims, &query->reads.plan);
	query_ask(query, claims_take_claims, &query->scene->claims);
	return ZKQ_OK;
}

int
scene_ready(struct query *query)
{
	int error = claims_ready(&query->scene->claims);

	return error == ZKQ_OK && query->scene->arena.failed ? ZKQ_ENOMEM : error;
}

void
scene_free(struct scene *scene)
{
	claims_free(&scene->claims);
	arena_free(&scene->arena);
}

static bool
serves(const struct rec_worker *worker, const char *queue)
{
	for (int i = 0; i < worker->queue_count; i++)
		if (!strcmp(worker->queues[i], queue))
			return true;
	return false;
}

const char *
scene_reason(const struct scene *scene, const char *queue, bool paused)
{
	if (paused)
		return "QueuePaused";
	if (!scene->candidates)
		return "NoLeader";
	for (int i = 0; i < scene->worker_count; i++)
		if (scene->workers[i].name[0] && serves(&scene->workers[i].record, queue))
			return "NoSlot";
	return "NoWorker";
}
