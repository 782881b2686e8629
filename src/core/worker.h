/*
 * worker.h: the step function of a worker's coordinator: registration, claims, starts in order of
 * priority, finish batches, returns, reports, orders, drain, the handing back of a dead life's claims.
 * It never touches a process: the runner does, on FX_START, FX_KILL and FX_LEASE.
 */
#ifndef ZKQ_CORE_WORKER_H
#define ZKQ_CORE_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/histogram.h"
#include "core/plan.h"
#include "core/record.h"

struct worker;

struct worker_conf {
	const char *name;		/* of the worker; copied like all strings here */
	struct process_id process;	/* of this coordinator */
	int slots;			/* attempts at once, > 0 */
	const char *const *queues;	/* that it serves */
	int queue_count;
	int64_t lost_after_ms;		/* at least lease_smallest_lost_after() */
	int64_t drain_deadline_ms;	/* after EV_STOP: running attempts are stopped then; < 0 = never */
	const char *log;		/* address of the HTTP process, may be NULL */
	const char *log_token;		/* bearer token for R/logkeys/<name>, may be NULL */
	const char *version;
	uint64_t seed;
};

struct worker_view {
	bool registered, draining;
	int slots, running, unstarted, ending;	/* ending: ended, not yet recorded */
	uint64_t started_total, finished_total, returned_total, revoked_total;
	int64_t kill_by_ms;
	struct histogram wait;	/* from the first sight of a claim to its start */
};

struct worker *worker_new(const struct worker_conf *conf);
void worker_free(struct worker *worker);
/* Nothing is registered before both EV_RUNNER_HELLO and EV_CONNECTED were seen. */
void worker_step(struct worker *worker, const struct event *event, struct plan *plan);
/* For the next EV_STOP; < 0 = none. A drain that has begun keeps its deadline. */
void worker_set_drain_deadline(struct worker *worker, int64_t drain_deadline_ms);
void worker_view(const struct worker *worker, struct worker_view *view);

#endif
