/*
 * scene.h: what decides why a task waits: who leads, which workers there are, what their queues are.
 */
#ifndef ZKQ_LIB_SCENE_H
#define ZKQ_LIB_SCENE_H

#include "lib/claims.h"

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

int scene_read(struct zkq *handle, struct reads *reads, struct scene *scene, int64_t deadline_ms);
void scene_free(struct scene *scene);
/* A reason code for a task of this queue that waits: "NoLeader", "QueuePaused", "NoWorker", "NoSlot". */
const char *scene_reason(const struct scene *scene, const char *queue, bool paused);

#endif
