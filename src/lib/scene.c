#include "lib/scene.h"

#include <stdlib.h>
#include <string.h>

static void
take_workers(struct scene *scene, const struct reply *reply)
{
	size_t count = (size_t)reply->child_count;

	scene->workers = arena_alloc(&scene->arena, (count ? count : 1) * sizeof *scene->workers);
	for (size_t i = 0; scene->workers && i < count; i++)
		if (reply->children[i].kind == NODE_WORKER)
			memcpy(scene->workers[scene->worker_count++].name, reply->children[i].worker,
			    WORKER_NAME_MAX + 1);
}

static void
take_worker(struct scene *scene, const struct reply *reply)
{
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

static void
take_report(struct scene *scene, const struct reply *reply)
{
	struct record record;
	const char *why;

	if (reply->rc != RC_OK)
		return;
	const char *data = arena_copy(&scene->arena, reply->record.bytes.data, reply->record.bytes.len);
	if (!data || !record_decode(&scene->arena, REC_REPORT, data, reply->record.bytes.len, &record, &why))
		return;
	scene->reports[reply->arg] = record.report;
	scene->report_ms[reply->arg] = reply->stat.mtime_ms;
}

void
scene_take(struct scene *scene, const struct reply *reply)
{
	switch (reply->node.kind) {
	case NODE_ROOT:
		scene->tree = reply->rc == RC_OK;
		break;
	case NODE_ELECTION:
		for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++)
			scene->candidates += reply->children[i].kind == NODE_CANDIDATE;
		break;
	case NODE_WORKERS:
		if (reply->rc == RC_OK)
			take_workers(scene, reply);
		break;
	case NODE_ASSIGN:
		claims_take_folders(&scene->claims, reply);
		break;
	case NODE_WORKER:
		take_worker(scene, reply);
		return;
	case NODE_FOLDER:
		if (reply->kind == REQ_LIST)
			claims_take_claims(&scene->claims, reply);
		else
			take_report(scene, reply);
		return;
	default:
		return;
	}
	scene->denied |= reply->rc == RC_NOAUTH;
}

void
scene_plan_parts(struct scene *scene, struct plan *plan)
{
	plan_exists(plan, 0, 0, node_plain(NODE_ROOT), false);
	plan_list(plan, 0, 0, node_plain(NODE_ELECTION), false);
	plan_list(plan, 0, 0, node_plain(NODE_WORKERS), false);
	claims_ask_folders(&scene->claims, plan);
}

static int
compare_folders(const void *a, const void *b)
{
	const struct folder_seen *one = a, *other = b;
	int order = strcmp(one->worker, other->worker);

	return order ? order : strcmp(one->inc, other->inc);
}

int
scene_plan_details(struct scene *scene, struct plan *plan)
{
	struct claims *claims = &scene->claims;
	size_t count = (size_t)claims->folder_count;

	if (scene->denied)
		return ZKQ_ENOAUTH;
	if (!scene->tree)
		return ZKQ_ENOTREE;
	scene->reports = arena_alloc(&scene->arena, (count + 1) * sizeof *scene->reports);
	scene->report_ms = arena_alloc(&scene->arena, (count + 1) * sizeof *scene->report_ms);
	if (scene->arena.failed)
		return ZKQ_ENOMEM;
	for (int i = 0; i < scene->worker_count; i++)
		plan_get(plan, 0, (uint64_t)i, node_of_worker(NODE_WORKER, scene->workers[i].name), REC_BYTES, false);
	if (count)
		qsort(claims->folders, count, sizeof *claims->folders, compare_folders);
	claims_ask_claims(claims, plan);
	for (size_t i = 0; i < count; i++)
		plan_get(plan, 0, i, node_folder(claims->folders[i].worker, claims->folders[i].inc), REC_BYTES, false);
	return ZKQ_OK;
}

int
scene_end(struct scene *scene)
{
	int error = claims_ready(&scene->claims);

	return error == ZKQ_OK && scene->arena.failed ? ZKQ_ENOMEM : error;
}

static void
take(void *context, const struct reply *reply)
{
	scene_take(context, reply);
}

int
scene_ask_parts(struct query *query)
{
	scene_plan_parts(query->scene, &query->reads.plan);
	query_ask(query, take, query->scene);
	return ZKQ_OK;
}

int
scene_ask_details(struct query *query)
{
	query_ask(query, take, query->scene);
	return scene_plan_details(query->scene, &query->reads.plan);
}

int
scene_ready(struct query *query)
{
	return scene_end(query->scene);
}

void
scene_free(struct scene *scene)
{
	claims_free(&scene->claims);
	arena_free(&scene->arena);
}

/* ---- what it says ---- */

const struct scene_worker *
scene_registered(const struct scene *scene, const struct folder_seen *folder)
{
	for (int i = 0; folder->live && i < scene->worker_count; i++)
		if (!strcmp(scene->workers[i].name, folder->worker) && !strcmp(scene->workers[i].record.inc,
		    folder->inc))
			return &scene->workers[i];
	return NULL;
}

bool
scene_lost(const struct scene *scene, const struct node *claim)
{
	const struct claims *claims = &scene->claims;

	for (int i = 0; i < claims->folder_count; i++)
		if (!strcmp(claims->folders[i].inc, claim->inc) && !strcmp(claims->folders[i].worker, claim->worker))
			return !claims->folders[i].live;
	return true;
}

static bool
serves(const struct scene_worker *worker, const char *queue)
{
	for (int i = 0; i < worker->record.queue_count; i++)
		if (!strcmp(worker->record.queues[i], queue))
			return true;
	return false;
}

bool
scene_shared(const struct scene *scene, const char *queue, const char *other)
{
	for (int i = 0; i < scene->worker_count; i++)
		if (scene->workers[i].name[0] && serves(&scene->workers[i], queue) && serves(&scene->workers[i], other))
			return true;
	return false;
}

void
scene_places(const struct scene *scene, const char *queue, int priority, struct place_worker *workers)
{
	for (int i = 0; i < scene->claims.folder_count; i++) {
		const struct folder_seen *folder = &scene->claims.folders[i];
		const struct scene_worker *worker = scene_registered(scene, folder);
		const struct rec_report *report = &scene->reports[i];
		int ahead = report->ahead < AHEAD_MAX ? report->ahead : AHEAD_MAX;

		workers[i] = (struct place_worker){ .name = folder->worker, .lost = !worker,
			.serves_queue = !worker || serves(worker, queue), .draining = report->draining };
		if (!worker || !scene->report_ms[i])
			continue;
		workers[i].room = place_room(report->slots, ahead, folder->unresolved_at, priority);
		workers[i].idle = report->slots - folder->claims;
		workers[i].claims = folder->claims;
	}
}
