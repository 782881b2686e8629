/*
 * place.h: which worker gets how many tasks of one class. A pure function: the leader, explain
 * and simulate call the same one. It costs per class and worker, never per task.
 */
#ifndef ZKQ_CORE_PLACE_H
#define ZKQ_CORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/rng.h"

/* Why a worker gets none (more). */
enum refusal {
	REFUSAL_NONE,
	REFUSAL_NO_SLOT,	/* NoSlot: all slots and what it may hold ahead are taken */
	REFUSAL_QUEUE,		/* NoMatch(queue): does not serve the queue */
	REFUSAL_DRAINING,	/* Draining */
	REFUSAL_LOST,		/* WorkerLost: its session is gone, it may come back */
	REFUSAL_SUSPECT,	/* NoFreeSlot: a suspect wants a worker that has no other task */
	REFUSAL_ALONE,		/* Alone: the worker has a suspect, or is kept free for one */
};

const char *refusal_word(enum refusal refusal);

/* What place() needs to know of the tasks; all tasks of one call are interchangeable. */
struct place_class {
	const char *queue;
	int priority;
	bool suspect;		/* one per worker, beside nothing else: a loss must be its own doing */
};

struct place_worker {
	const char *name;
	int room;		/* how many more it can take at this priority, slots and ahead together; may be < 0 */
	int idle;		/* of these: slots that nothing runs in or waits for */
	int claims;		/* its unresolved claims */
	bool alone;		/* a suspect runs there, or it is kept free for one: no other task */
	bool serves_queue;
	bool draining;
	bool lost;
	/* written by place(): */
	int count;		/* tasks it gets */
	enum refusal refusal;	/* why not more; REFUSAL_NONE when n ran out first */
};

/* What a worker with so many slots, that wants so many unstarted claims ahead and has these unresolved claims of each
 * priority, may still be given at one priority; may be < 0. Lower ones that may be running count, those behind them do
 * not: the worker gives them back. */
int place_room(int slots, int ahead, const uint32_t unresolved_at[PRIORITY_MAX + 1], int priority);

/* Spreads n tasks round robin over the workers with room, beginning behind *turn (an index into
 * workers, moved on by the call; idle slots are filled before anything waits ahead). Returns how
 * many were placed. Workers keep their order. */
int place(const struct place_class *class, int n, struct place_worker *workers, int worker_count, int *turn,
    struct rng *rng);

#endif
