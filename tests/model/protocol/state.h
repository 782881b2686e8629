/*
 * state.h: one state of the protocol model: the tree in ZooKeeper, what everybody remembers of it, and the faults that
 * may still come. Every field of struct state holds a number below 16: store.c packs two into a byte.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_STATE_H
#define ZKQ_TESTS_MODEL_PROTOCOL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TASKS_MAX 4
#define SEGMENTS_MAX 6
#define WORKERS 2
#define SUBMITTERS 2
#define DISPATCHERS 2
#define LIVES_MAX 3			/* incarnations of one worker */
#define FOLDERS_MAX (WORKERS * LIVES_MAX)
#define NUMBER_MAX 15			/* claim numbers in a folder; leaders share them, as setup_numbers() says */
#define AHEAD 2				/* claims that a worker may hold */
#define RUNS_MAX 4			/* attempts are told apart up to this one */
#define NO_TASK 15

enum place {			/* of a task */
	PLACE_NONE,		/* not submitted, as far as the tree knows */
	PLACE_TASKS,
	PLACE_DONE,		/* its result is there */
	PLACE_DEAD,		/* its dead letter is there */
	PLACE_GONE,		/* retention took that away */
	PLACE_REMOVED		/* somebody deleted tasks/<seg>/<name> by hand */
};

enum segment { SEGMENT_NEVER, SEGMENT_OPEN, SEGMENT_CLOSED, SEGMENT_DELETED };
/* done/<seg>: its data version is 0; 1: its segment is deleted; 2 or more: retention removes dead letters of that segment
 * (THINNED) or the results (MARKED). */
enum results { RESULTS_NEVER, RESULTS_OPEN, RESULTS_STAMPED, RESULTS_THINNED, RESULTS_MARKED, RESULTS_DELETED };

enum task_flag {
	TASK_ACCEPTED = 1,	/* its submitter was told so */
	TASK_CANCEL = 2,	/* cancel/<seg>/<token> is there */
	TASK_KILL = 4,		/* the order "kill" lies beside its claim */
	TASK_STARTED = 8	/* the data of its claim is "started" */
};

enum folder_flag {		/* of assign/<w>.<inc> */
	FOLDER_THERE = 1,
	FOLDER_LIVE = 2,	/* live-<r> is in it */
	FOLDER_LEASE = 4,	/* neither has the runner's kill_by come nor has lost_after passed since live-<r> went */
	FOLDER_RENEWED = 8	/* the runner took something for a proof that was none */
};

enum knowledge {		/* what the leader knows of a task */
	KNOWS_NOTHING,
	KNOWS_WAITING,
	KNOWS_CLAIMED,
	KNOWS_OVER,
	KNOWS_DOUBT		/* the segment's listing must tell whether it is over */
};

enum wish { WISH_READ = 1, WISH_OLD = 2 };	/* OLD: it was there before the leader began */

enum reading {			/* how far the leader has read a segment */
	READ_NOT,
	READ_OPEN,
	READ_FINAL		/* it was closed then: nothing new can come */
};

enum phase {			/* what a new leader has read; at last it leads */
	PHASE_NOBODY,		/* there is no leader */
	PHASE_NOTHING,
	PHASE_WORKERS,
	PHASE_CLAIMS_0,		/* of one worker only */
	PHASE_CLAIMS_1,
	PHASE_CLAIMS,
	PHASE_REPORTS,
	PHASE_SEGMENTS,
	PHASE_LEADS
};

enum assign { ASSIGN_NONE, ASSIGN_SENT, ASSIGN_UNKNOWN };

enum attempt {			/* what a worker knows of a task */
	ATTEMPT_NONE,
	ATTEMPT_SEEN,		/* its claim, not started */
	ATTEMPT_MARKED,		/* the same, and the claim is known to be marked started */
	ATTEMPT_RUNS,
	ATTEMPT_OK,		/* ended well; not recorded */
	ATTEMPT_FAILED,		/* ended badly, to be tried again */
	ATTEMPT_KILLED,		/* by its lease */
	ATTEMPT_DEAD,		/* to become a dead letter */
	ATTEMPT_OK_SENT,	/* the same four, sent: the outcome is unknown */
	ATTEMPT_FAILED_SENT,
	ATTEMPT_KILLED_SENT,
	ATTEMPT_DEAD_SENT,
	ATTEMPT_STRANDED	/* no rule says what to do with it */
};

enum step_of_submitter {
	SUBMITS, ROLLS, LISTS,
	CLOSES,			/* after an unknown outcome in a session that is over: closes its segment first */
	LOOKS_IN_TASKS, LOOKS_IN_DONE, LOOKS_AT_FOLDER,
	FINISHED
};

enum fault {
	FAULT_EXPIRE_LEADER, FAULT_EXPIRE_WORKER, FAULT_CRASH, FAULT_EXPIRE_SUBMITTER, FAULT_LOST_SUBMIT, FAULT_LOST_LEADER,
	FAULT_LOST_WORKER, FAULT_RELEASE, FAULT_FAIL, FAULT_DEAD, FAULT_CANCEL, FAULT_REMOVE, FAULTS
};

struct claim {
	uint8_t folder;		/* index + 1; 0: there is none */
	uint8_t n;		/* its number, from 1 */
};

struct task {
	uint8_t place, segment, flags;
	struct claim claim;
	uint8_t run;		/* of the claim: 1 + the runs recorded when it was made */
	uint8_t runs;		/* recorded in its retry record */
	uint8_t ran;		/* runs that were started, a bit for each */
	uint8_t starts;		/* how often it was started, up to 2 */
};

struct folder {
	uint8_t flags, version;
	uint8_t resolved[4], returned[4];	/* the report: sets of claim numbers */
};

struct memory {			/* the leader's, of a task */
	uint8_t knows;
	struct claim claim;
	uint8_t wish;
};

/* A submit of a session that is over: it may still arrive. */
struct flight {
	uint8_t task;		/* index + 1; 0: there is none */
	uint8_t segment;
};

struct state {
	/* The tree. */
	uint8_t segment[SEGMENTS_MAX], creates[SEGMENTS_MAX], results[SEGMENTS_MAX];
	struct task task[TASKS_MAX];
	struct folder folder[FOLDERS_MAX];
	uint8_t candidate[DISPATCHERS];		/* 0: none; else its place in the row */
	uint8_t newest;				/* the highest segment in which a task was ever created */
	uint8_t term;				/* leaderships before the present one */
	/* The leader's memory; it is lost with its leadership. */
	uint8_t leader;				/* index + 1 */
	uint8_t phase;
	struct memory memory[TASKS_MAX];
	uint8_t reading[SEGMENTS_MAX];
	uint8_t given[FOLDERS_MAX];		/* the highest claim number that it knows of, 0: none */
	/* When live-<r> was found missing, and when the folder's version was read after that: version + 1, 0: not. */
	uint8_t missing[FOLDERS_MAX], sight[FOLDERS_MAX];
	uint8_t worker[WORKERS];		/* the life that is taken as registered */
	uint8_t unsettled;			/* folder + 1: the outcome of a revoke there is unknown */
	uint8_t assign, assign_task;
	struct claim assign_claim;
	uint8_t late, late_task;		/* an assign of a leader that is none any more */
	struct claim late_claim;
	/* Workers. */
	uint8_t life[WORKERS], process[WORKERS];
	uint8_t attempt[WORKERS][TASKS_MAX];
	struct claim held[WORKERS][TASKS_MAX];	/* the claim that the attempt belongs to */
	/* Submitters. */
	uint8_t step[SUBMITTERS], tail[SUBMITTERS], submitted[SUBMITTERS];
	struct flight flight[SUBMITTERS];
	/* What may still happen. */
	uint8_t budget[FAULTS];
};

#endif
