/*
 * scene.h: what decides why a task waits: who leads, which workers there are, what their queues are.
 */
#ifndef ZKQ_LIB_SCENE_H
#define ZKQ_LIB_SCENE_H

#include "lib/claims.h"
#include "lib/query.h"

struct scene_worker {
	char name[WORKER_NAME_MAX + 1];
	struct rec_worker record;
	const char *json;
	int64_t ctime_ms;
};

struct scene {
	struct arena arena;
	struct claims claims;
	struct scene_worker *workers;
	int worker_count;
	int candidates;
	bool tree;		/* R is there */
	bool denied;		/* a part of it may not be read */
	bool failed;
};

/* The steps of a query that read query->scene, which is zeroed. */
#define SCENE_STEPS scene_ask_parts, scene_ask_workers, scene_ask_folders, scene_ask_claims, scene_ready
#define SCENE_STEP_COUNT 5
query_step_fn scene_ask_parts, scene_ask_workers, scene_ask_folders, scene_ask_claims, scene_ready;
void scene_free(struct scene *scene);
/* A reason code for a task of this queue that waits: "NoLeader", "QueuePaused", "NoWorker", "NoSlot". */
const char *scene_reason(const struct scene *scene, const char *queue, bool paused);

#endif
