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
#define SEGMENTS 4
#define WORKERS 2
#define SUBMITTERS 2
#define DISPATCHERS 2
#define LIVES_MAX 3			/* incarnations of one worker */
#define FOLDERS_MAX (WORKERS * LIVES_MAX)
#define NUMBER_MAX 7			/* claim numbers of a folder: resolved and returned are sets of 8 bits */
#define AHEAD 2				/* claims that a worker may hold */
#define NO_TASK 15

enum place {			/* of a task */
	PLACE_NONE,		/* not submitted, as far as the tree knows */
	PLACE_TASKS,
	PLACE_DONE,		/* its result is there */
	PLACE_GONE,		/* retention took its result away */
	PLACE_REMOVED		/* somebody deleted tasks/<seg>/<name> by hand */
};

enum segment { SEGMENT_NEVER, SEGMENT_OPEN, SEGMENT_CLOSED, SEGMENT_DELETED };
enum results { RESULTS_NEVER, RESULTS_THERE, RESULTS_MARKED, RESULTS_DELETED };	/* done/<seg> */

enum task_flag {
	TASK_ACCEPTED = 1,	/* its submitter was told so */
	TASK_CANCEL = 2,	/* cancel/<seg>/<token> is there */
	TASK_KILL = 4,		/* the order "kill" lies beside its claim */
	TASK_STARTED = 8	/* the data of its claim is "started" */
};

enum folder_flag {		/* of assign/<w>.<inc> */
	FOLDER_THERE = 1,
	FOLDER_LIVE = 2,	/* live-<r> is in it */
	FOLDER_LEASE = 4	/* neither has the runner's kill time come nor has lost_after passed */
};

enum knowledge {		/* what the leader knows of a task */
	KNOWS_NOTHING,
	KNOWS_WAITING,
	KNOWS_CLAIMED,
	KNOWS_OVER
};

enum reading {			/* how far the leader has read a segment */
	READ_NOT,
	READ_OPEN,
	READ_FINAL		/* it was closed then: nothing new can come */
};

enum phase { PHASE_NOBODY, PHASE_TAKING_OVER, PHASE_LEADS = 15 };	/* TAKING_OVER + n: n parts have been read */

enum assign { ASSIGN_NONE, ASSIGN_SENT, ASSIGN_UNKNOWN };

enum attempt {			/* what a worker knows of a task */
	ATTEMPT_NONE,
	ATTEMPT_SEEN,		/* its claim, not started */
	ATTEMPT_RUNS,
	ATTEMPT_OK,		/* ended well; not recorded */
	ATTEMPT_FAILED,		/* ended badly, to be tried again */
	ATTEMPT_KILLED,		/* by its lease */
	ATTEMPT_OK_SENT,	/* the same three, sent: the outcome is unknown */
	ATTEMPT_FAILED_SENT,
	ATTEMPT_KILLED_SENT,
	ATTEMPT_STRANDED	/* no rule says what to do with it */
};

enum step_of_submitter { SUBMITS, ROLLS, LISTS, LOOKS_IN_TASKS, LOOKS_IN_DONE, FINISHED };

enum fault {
	FAULT_EXPIRE_LEADER, FAULT_EXPIRE_WORKER, FAULT_CRASH, FAULT_LOST_SUBMIT, FAULT_LOST_LEADER, FAULT_LOST_WORKER,
	FAULT_RELEASE, FAULT_FAIL, FAULT_CANCEL, FAULT_REMOVE, FAULTS
};

struct claim {
	uint8_t folder;		/* index + 1; 0: there is none */
	uint8_t n;		/* its number */
};

struct task {
	uint8_t place, segment, seq, flags;
	struct claim claim;
	uint8_t retries;	/* attempts that its retry record counts */
	uint8_t starts;		/* how often it was started */
};

struct folder {
	uint8_t flags, version;
	uint8_t resolved[2], returned[2];	/* the report: sets of claim numbers */
};

struct memory {			/* the leader's, of a task */
	uint8_t knows;
	struct claim claim;
};

struct state {
	/* The tree. */
	uint8_t segment[SEGMENTS], creates[SEGMENTS], results[SEGMENTS];
	struct task task[TASKS_MAX];
	struct folder folder[FOLDERS_MAX];
	uint8_t candidate[DISPATCHERS];		/* 0: none; else its place in the row */
	uint8_t newest;				/* the highest segment in which a task was ever created */
	/* The leader's memory; it is lost with its leadership. */
	uint8_t leader;				/* index + 1 */
	uint8_t phase;
	struct memory memory[TASKS_MAX];
	uint8_t reading[SEGMENTS], read_to[SEGMENTS];
	uint8_t next_n[FOLDERS_MAX], sight[FOLDERS_MAX], worker[WORKERS];	/* sight: version + 1 when it was found dead */
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
	/* What may still happen. */
	uint8_t budget[FAULTS];
};

#endif
