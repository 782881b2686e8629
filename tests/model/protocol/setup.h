/*
 * setup.h: what a run of the model is about: how large its world is, which faults may come and how often, and which
 * protections of the protocol are in force.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_SETUP_H
#define ZKQ_TESTS_MODEL_PROTOCOL_SETUP_H

#include "state.h"

/* Rules of zkq-znodes(7) that the model can leave out. Removed, each must be found missing; the table in "exhaust" says
 * with which fault. */
#define PROTECTIONS(X) \
	X(leadercheck,	"Leader: every write of a leader begins with a check of its own candidate") \
	X(leadernum,	"Leader: claim numbers begin with the number of the leader's candidate") \
	X(keepnext,	"Leader: a folder that was deleted and comes back is numbered on") \
	X(wishesfirst,	"Leader: nothing of a queue is given out before its cancels are read") \
	X(atomicroll,	"Segments: closing one and opening the next is one multi") \
	X(segcheck,	"Segments: every submit checks that its segment is open") \
	X(live,		"Assign: checks live-<r> of the incarnation") \
	X(checktask,	"Assign: checks the task") \
	X(sameinc,	"Register: after a lost session the same incarnation registers again, its claims stay") \
	X(relistreg,	"Register: what was seen but not started is forgotten, and listed again") \
	X(returned,	"Report: tells returned claims from finished ones") \
	X(vanreturn,	"Report: a claim that vanished without the worker's doing counts as returned") \
	X(runkept,	"Return: an attempt that had started writes its run into the retry record") \
	X(finnonode,	"Finish: a claim whose task was removed by hand is deleted alone") \
	X(finlive,	"Two copies: only a multi with a check of live-<r> renews the lease") \
	X(lease,	"Two copies: the runner kills what is exclusive at kill_by") \
	X(startlease,	"Two copies: nothing is started without a lease") \
	X(waittimer,	"Two copies: an exclusive claim is revoked no earlier than lost_after after the sight") \
	X(revver,	"Two copies: the revoke checks the folder's version of the sight") \
	X(sightorder,	"Two copies: that version is read after live-<r> was missing, and counts for the same r only") \
	X(amostart,	"Start: a claim of an at-most-once task is marked started first") \
	X(settle,	"Unknown outcomes: after an unknown revoke listing and report of the folder are read") \
	X(freeze,	"Unknown outcomes: of an assign: its task is frozen until listing and report have been read") \
	X(unkreport,	"Unknown outcomes: of an assign: both decide, not the listing alone") \
	X(look,		"Unknown outcomes: a submit is not sent again before its token was looked for") \
	X(looksync,	"Unknown outcomes: the look comes after a sync") \
	X(lookorder,	"Unknown outcomes: a token is looked for in tasks, then in done") \
	X(looklast,	"Unknown outcomes: whether done/<seg> is being removed is read last") \
	X(closefirst,	"Unknown outcomes: of a submit in a new session: its segment is closed first") \
	X(retmark,	"Segments: retention marks done/<seg> before it deletes from it") \
	X(deadmark,	"Segments: it marks it, too, before it deletes dead letters of that segment") \
	X(stages,	"Segments: the stamp of a deleted segment is not the mark of retention") \
	X(cancellist,	"Cancel: the segment of an unknown task is listed before the request is dropped") \
	X(foldlive,	"Who deletes what: a folder stays while live-<r> is in it")

/* Numbers that an option sets: name, default, meaning. */
#define NUMBERS(X) \
	X(tasks,	3, "tasks, 1 to 4") \
	X(last,		1, "how many of them the second submitter has") \
	X(segment,	2, "a submitter rolls at this sequence number") \
	X(segments,	4, "segments that there can be, 1 to 6") \
	X(lives,	2, "incarnations of one worker, 1 to 3") \
	X(removable,	NO_TASK, "the task that somebody may remove by hand") \
	X(atmostonce,	NO_TASK, "the task that is at-most-once") \
	X(overlap,	NO_TASK, "the task that may overlap") \
	X(runs,		0, "whether no two attempts of a task may have the same number") \
	X(handback,	1, "whether a new life of a worker gives back the claims of its dead ones")

struct setup {
#define X(name, text) bool name;
	PROTECTIONS(X)
#undef X
#define X(name, value, text) int name;
	NUMBERS(X)
#undef X
	int budget[FAULTS];
	bool symmetry;		/* workers and dispatchers are told apart by nothing but their index: count such states once */
};

extern struct setup setup;

/* Removes a protection. False: there is none of that name. */
bool setup_remove(const char *name);
/* NAME=NUMBER: a number of the world or the budget of a fault. False: no such name, or out of range. */
bool setup_set(const char *assignment);
/* Whether the numbers fit each other. */
bool setup_fits(void);
/* All names with their meanings, to standard error. */
void setup_help(void);

/* The nth task of a submitter, or NO_TASK. */
int setup_task(int submitter, int n);
/* How many leaders there can be, and how many claim numbers each has in a folder; 1,000,000,000 in earnest. */
static inline int setup_leaders(void) { return setup.budget[FAULT_EXPIRE_LEADER] + 1; }
static inline int setup_numbers(void) { return NUMBER_MAX / setup_leaders(); }
static inline int setup_folders(void) { return WORKERS * setup.lives; }
/* Whether no two copies may run at once: it runs under a lease. */
static inline bool setup_exclusive(int task) { return task != setup.overlap; }

#endif
