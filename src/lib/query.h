/*
 * query.h: a question that takes several series of reads, each made of what the ones before found.
 *
 * Its steps are functions in a row. A step fills reads.plan and says with query_ask() who takes the replies;
 * the next step runs when all are there (at once when it asked nothing). The last steps tell what was found. A
 * kind of query begins with a struct query, is allocated with calloc(), and is freed by its own free function.
 */
#ifndef ZKQ_LIB_QUERY_H
#define ZKQ_LIB_QUERY_H

#include "lib/reads.h"

struct query;
struct scene;
/* ZKQ_OK, or the error that ends the query. */
typedef int query_step_fn(struct query *query);

struct query {
	struct query *next;		/* of the handle's */
	struct zkq *handle;
	struct reads reads;
	query_step_fn *const *steps;	/* NULL ends them */
	int at;				/* the step that is next; a step may set it */
	reads_fn *take;
	void *take_context;
	struct scene *scene;		/* for SCENE_STEPS (scene.h) */
	int total;			/* what done is told */
	bool waited;			/* query_wait() frees it */
	bool over;
	int error;
	void (*end)(struct query *query, int error);	/* gives the callbacks that are still owed; may be NULL */
	void (*free)(struct query *query);		/* all that it holds, and itself */
	zkq_done_fn *done;		/* of an asynchronous one; may be NULL */
	void *context;			/* the caller's, for its callbacks */
};

void query_ask(struct query *query, reads_fn *take, void *context);
/* Takes the query over: it begins, ends and is freed inside zkq_dispatch(), at the latest in zkq_close(). */
void query_begin(struct query *query, zkq_done_fn *done);
/* Blocks until it has ended, at the latest at the deadline; frees it. Returns its error; total may be NULL. */
int query_wait(struct query *query, int64_t deadline_ms, int *total);

/* For handle.c. */
void queries_work(struct zkq *handle);
bool queries_due(const struct zkq *handle);	/* one has something to do now */
void queries_end(struct zkq *handle, int error);

#endif
