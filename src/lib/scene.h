/*
 * scene.h: what decides why a task waits, but for the queues (line.h): who leads, which workers there are, what they have.
 */
#ifndef ZKQ_LIB_SCENE_H
#define ZKQ_LIB_SCENE_H

#include "core/place.h"
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
	struct claims claims;		/* its folders in order of name, once the details were asked for */
	struct rec_report *reports;	/* of each folder */
	int64_t *report_ms;		/* server time of its last change; 0 = it could not be read */
	struct scene_worker *workers;
	int worker_count;
	int candidates;
	bool tree;		/* R is there */
	bool denied;		/* a part of it may not be read */
};

/* The steps of a query that read query->scene, which is zeroed. */
#define SCENE_STEPS scene_ask_parts, scene_ask_details, scene_ready
#define SCENE_STEP_COUNT 3
query_step_fn scene_ask_parts, scene_ask_details, scene_ready;
/* The same in parts, for queries that ask for more at once: replies that are the scene's go to scene_take(). */
void scene_plan_parts(struct scene *scene, struct plan *plan);
/* ZKQ_OK, ZKQ_ENOTREE or ZKQ_ENOAUTH. */
int scene_plan_details(struct scene *scene, struct plan *plan);
void scene_take(struct scene *scene, const struct reply *reply);
int scene_end(struct scene *scene);	/* all were taken: ZKQ_OK or ZKQ_ENOMEM */
void scene_free(struct scene *scene);

/* The registration that a folder belongs to; NULL = its session is gone. */
const struct scene_worker *scene_registered(const struct scene *scene, const struct folder_seen *folder);
/* Whether a claim's worker is lost. */
bool scene_lost(const struct scene *scene, const struct node *claim);
/* Whether one of the workers serves both queues. */
bool scene_shared(const struct scene *scene, const char *queue, const char *other);
/* Fills workers, one for each folder, as place() wants them. */
void scene_places(const struct scene *scene, const char *queue, int priority, struct place_worker *workers);

#endif
