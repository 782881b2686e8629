/*
 * attempt.h: one attempt at a task in the runner: a child, what it writes, its limits, and how it ended.
 *
 *     RUNNING ──main process ended──▶ CLEARING ──nothing of it is left──▶ ENDED ──recorded──▶ (freed)
 *
 * What starts nothing (a no-op, an invalid task, a refused start) is ENDED from the beginning.
 */
#ifndef ZKQ_WORKER_ATTEMPT_H
#define ZKQ_WORKER_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <uthash.h>

#include "codec/path.h"
#include "core/record.h"
#include "io/capture.h"
#include "worker/message.h"

enum attempt_phase { ATTEMPT_RUNNING, ATTEMPT_CLEARING, ATTEMPT_ENDED };

struct runner;
struct timer;

struct attempt {
	struct runner *runner;
	struct node claim;
	char id[ID_MAX + 1];
	char fence[33];
	bool exclusive;
	enum attempt_phase phase;
	bool not_started;		/* the system refused: "spawn" */
	int failed_at;			/* enum spawn_stage; SPAWN_STAGES = it was started, or never tried */
	bool forgotten;			/* nobody wants its result: it is freed when it has ended */
	pid_t pid;			/* also of its group and session; 0 when nothing was started */
	uint64_t start;			/* clock ticks since boot: whatever began earlier is not of this attempt */
	double started;			/* clock_boot_seconds() */
	struct spawn_error *error;
	struct capture *capture;
	char group[24];			/* name of its cgroup, "" = none */
	struct timer *timer;		/* time limit, then end of the grace; when ENDED without a start: pause before saying so */
	int64_t kill_grace_ms;
	bool stopping;			/* SIGTERM has been sent, for stop_*: */
	int64_t kill_at_ms;		/* when SIGKILL follows; 0 = not set */
	enum task_state stop_state;
	char stop_reason[64];
	int left_overs;			/* processes that outlived the main one and had to be killed */
	int status;			/* of wait4(2), from CLEARING on */
	struct rusage usage;
	char reason[160];
	char *tail;
	struct outcome outcome;		/* when ENDED; points into this struct */
	UT_hash_handle hh;		/* by claim.n */
	UT_hash_handle hh_pid;		/* by pid, while RUNNING */
	struct attempt *prev, *next;	/* list of those that are CLEARING */
};

/* Makes an attempt of a MSG_START and starts it unless something forbids: see phase. NULL when memory runs out. */
struct attempt *attempt_new(struct runner *runner, const struct message *message);
void attempt_free(struct attempt *attempt);
/* SIGTERM, and SIGKILL grace_ms later (< 0 = the task's own grace, 0 = at once). The first reason stands; a later call
 * can only make it faster. */
void attempt_stop(struct attempt *attempt, enum task_state state, const char *reason, int64_t grace_ms);
/* The main process has been waited for: RUNNING to CLEARING. */
void attempt_waited(struct attempt *attempt, int status, const struct rusage *usage);
/* Nothing of it is left: CLEARING to ENDED; outcome is complete. */
void attempt_end(struct attempt *attempt);
/* The system would not start it: its end is to be told after a pause, by runner_report_end(), which this has arranged. */
bool attempt_pauses(struct attempt *attempt);

#endif
