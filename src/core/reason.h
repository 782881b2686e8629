/*
 * reason.h: why a task does not run: one code, the same in every list, from what was read of the tree. Pure functions over
 * place(), so that a reason never differs from what the leader does.
 */
#ifndef ZKQ_CORE_REASON_H
#define ZKQ_CORE_REASON_H

#include "core/place.h"

/* In the order in which they count: the first one that holds is the reason. */
enum reason {
	REASON_CANCELLING,	/* somebody asked for its end */
	REASON_NO_LEADER,	/* nobody leads: nothing is given out */
	REASON_INBOX,		/* not taken over from the inbox yet */
	REASON_WORKER_LOST,	/* claimed by a worker whose session is gone */
	REASON_QUEUE_PAUSED,
	REASON_CLASS_UNKNOWN,	/* the class in its name is not in the tree */
	REASON_CLASS_INVALID,	/* ... cannot be read, or is not what its name says */
	REASON_NO_WORKER,	/* none is registered that serves the queue */
	REASON_DRAINING,	/* all that serve it take no new work */
	REASON_PRIORITY,	/* no slot is free, and tasks of a higher priority go first */
	REASON_NO_FREE_SLOT,	/* its last worker was lost, so it wants a slot with nothing before it, and there is none */
	REASON_NO_SLOT,		/* every slot is taken, or will be by tasks before it */
	REASON_READY,		/* a slot is free: the leader's next round */
	REASON_NONE,		/* it runs */
	REASONS
};

/* "NoSlot"; NULL for REASON_NONE. */
const char *reason_word(enum reason reason);
/* What would have to change, one sentence for people; NULL for REASON_NONE. */
const char *reason_remedy(enum reason reason);

/* What tasks of one queue, priority and suspicion can hope for, whoever they are. */
struct prospect {
	int room;		/* so many of them would be given out now */
	enum reason full;	/* why not more */
};

/* Calls place() with as many tasks as there are; the workers' counts and refusals stay as it leaves them. */
struct prospect prospect_of(const struct place_class *class, struct place_worker *workers, int worker_count);

enum class_seen { CLASS_SEEN, CLASS_MISSING, CLASS_UNREADABLE };

/* What was read of one task. */
struct wait_facts {
	bool leads;		/* a dispatcher does */
	bool cancelling;	/* a request is in the tree */
	bool claimed, worker_lost;	/* has a claim; its worker's session is gone */
	bool paused;		/* the queue */
	enum class_seen class_seen;
	uint64_t higher;	/* waiting tasks of a higher priority that would take the same slots */
	uint64_t before;	/* ... of its own priority that go before it */
};

enum reason reason_of(const struct wait_facts *facts, const struct prospect *prospect);

#endif
