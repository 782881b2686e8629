/*
 * dispatcher.h: the step function of a dispatcher: candidate, new leader, leader.
 *
 * Every leader write is a multi that begins with a check of the own candidate znode; NONODE on it
 * means: step down, stand again. All the state of a leader is read from the tree when it takes
 * over; a dispatcher keeps nothing on disk. What each part does is told in src/core/README.
 */
#ifndef ZKQ_CORE_DISPATCHER_H
#define ZKQ_CORE_DISPATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/histogram.h"
#include "core/plan.h"
#include "core/record.h"

struct dispatcher;

struct dispatcher_conf {
	const char *name;	/* for people: "d1", "host:pid"; copied */
	const char *host;
	int64_t pid;
	const char *boot;	/* boot id of the host and start time of the process, as in struct process_id; NULL = */
	uint64_t start;		/* a dead predecessor is not looked for: it is waited for until its session ends */
	const char *http;	/* may be NULL */
	uint64_t seed;		/* of the generator: tokens, placement */
};

enum dispatcher_role { ROLE_NONE, ROLE_CANDIDATE, ROLE_TAKING_OVER, ROLE_LEADER };

/* For status lines, metrics and tests; a snapshot, no pointers into the state. What ends in _total only grows as long as
 * this dispatcher leads. */
struct dispatcher_view {
	enum dispatcher_role role;
	bool has_leader;		/* it leads, or stands behind another candidate */
	uint64_t epoch;			/* czxid of the own candidate */
	uint64_t waiting, claimed;	/* tasks known to the leader */
	uint64_t frozen;		/* of the claimed: assign with unknown outcome */
	uint64_t segments, workers, set_aside;
	uint64_t assigned_total, revoked_total, refused_total;	/* refused: multis that failed a check */
	uint64_t fenced_total;		/* of these: the check of the own candidate */
	uint64_t elections_won_total, elections_lost_total;
	uint64_t workers_draining, workers_lost;	/* of workers */
	uint64_t slots, slots_used;	/* of those that are neither lost nor draining; used: as last reported */
	struct histogram dispatch;	/* from the first sight of a task to its committed assign */
	int64_t last_assign_wall_ms, last_end_wall_ms;	/* 0 = not yet */
};

/* Tasks that ended or came back while this dispatcher leads. */
struct queue_counts {
	uint64_t submitted, assigned;
	uint64_t done, failed;		/* as workers report them; failed = every other end there */
	uint64_t cancelled, lost, dead;	/* by the leader itself */
	uint64_t worker_lost;		/* taken back from lost workers */
};

struct queue_view {
	const char *name;		/* lives until the next step */
	bool paused;
	uint64_t waiting, claimed;
	int64_t waiting_max;
	int64_t oldest_ms;		/* how long the task that waits longest has been seen waiting; -1 = none waits */
	struct queue_counts counts;
};

/* NULL when memory runs out. conf's strings are copied. */
struct dispatcher *dispatcher_new(const struct dispatcher_conf *conf);
void dispatcher_free(struct dispatcher *dispatcher);
/* FX_PROBE is answered with EV_PROBED. First event: EV_TICK or EV_CONNECTED. Creates the tree (R, its folders, queue "default") where it is missing. */
void dispatcher_step(struct dispatcher *dispatcher, const struct event *event, struct plan *plan);
void dispatcher_view(const struct dispatcher *dispatcher, struct dispatcher_view *view);
/* Calls each for every queue that a leader knows, always in the same order; none when it does not lead. */
void dispatcher_each_queue(const struct dispatcher *dispatcher, int64_t now_ms,
    void (*each)(void *context, const struct queue_view *view), void *context);

#endif
