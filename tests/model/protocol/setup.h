/*
 * setup.h: what a run of the model is about: how large its world is, which faults may come and how often, and which
 * protections of the protocol are in force.
 */
#ifndef ZKQ_TESTS_MODEL_PROTOCOL_SETUP_H
#define ZKQ_TESTS_MODEL_PROTOCOL_SETUP_H

#include "state.h"

/* Every rule of zkq-znodes(7) that the model can leave out; removed, it must be found missing. */
#define PROTECTIONS(X) \
	X(leadercheck,	"every multi of a leader checks its own candidate znode") \
	X(claimsfirst,	"a new leader lists claims before segments") \
	X(atomicroll,	"closing a segment and opening the next is one multi") \
	X(relist,	"after BADVERSION or NONODE the submitter reads the tail again") \
	X(retmark,	"retention marks done/<seg> first; a submitter that finds no or a marked folder says unknown") \
	X(checktask,	"the assign checks the task") \
	X(returned,	"the report tells returned claims from finished ones") \
	X(live,		"the assign checks live-<r> of the incarnation") \
	X(sameinc,	"an incarnation is a life of the runner: a new session keeps the folder") \
	X(leaseinc,	"only the session that owns the folder renews the lease of its claims") \
	X(revver,	"the revoke checks the folder's version of the sight") \
	X(fencenum,	"claim numbers are unique over all leaders") \
	X(nextn,	"without fencenum: the next claim number is computed from the listing, then from the report") \
	X(foldlive,	"a folder with a live-<r> in it cannot be deleted") \
	X(cancellist,	"a cancel of an unknown task lists its segment before the request is dropped") \
	X(finlive,	"a finish checks live-<r>") \
	X(finnonode,	"a claim whose task is gone is deleted alone") \
	X(amostart,	"a claim of an at-most-once task is marked started before the start, and the revoke tells by it") \
	X(reportfolder,	"the report outlives the session: it is the data of the folder") \
	X(lenientclose,	"an open segment below the tail is closed by the leader") \
	X(unkreport,	"an unknown assign: listing and report decide") \
	X(waittimer,	"exclusive claims are revoked only after lost_after") \
	X(startlease,	"nothing is started after kill_by, overlap tasks included") \
	X(relistreg,	"a new registration forgets what was seen but not started")

/* Numbers that an option sets: name, default, meaning. */
#define NUMBERS(X) \
	X(tasks,	3, "tasks, 2 to 4; the last submitter has one or two of them") \
	X(segment,	2, "a submitter goes on to the next segment at this sequence number") \
	X(lives,	2, "incarnations of one worker, 1 to 3") \
	X(removable,	NO_TASK, "the task that somebody may remove by hand") \
	X(atmostonce,	NO_TASK, "the task that is at-most-once") \
	X(overlap,	NO_TASK, "the task that may overlap") \
	X(fifo,		1, "whether a task in an older segment than one before it is a violation") \
	X(leak,		1, "whether an empty closed segment or a dead folder that stays counts as stuck") \
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
/* All names with their meanings. */
void setup_help(void);

/* The nth task of a submitter, or NO_TASK. */
int setup_task(int submitter, int n);
static inline int setup_folders(void) { return WORKERS * setup.lives; }
/* Whether no two copies may run at once. */
static inline bool setup_exclusive(int task) { return task != setup.overlap && task != setup.atmostonce; }

#endif
