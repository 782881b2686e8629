#include "core/reason.h"

static const struct {
	const char *word, *remedy;
} reasons[REASONS] = {
	[REASON_CANCELLING] = { "Cancelling", "nothing: it ends when the leader, or its worker, gets to the request" },
	[REASON_NO_LEADER] = { "NoLeader", "a dispatcher must be started: zkq-dispatcher" },
	[REASON_INBOX] = { "Inbox", "the leader must take it over; that it has not shows in the dispatcher's log" },
	[REASON_WORKER_LOST] = { "WorkerLost", "its worker must come back, or the time after which its tasks are given to others pass" },
	[REASON_QUEUE_PAUSED] = { "QueuePaused", "the queue must be resumed: zkq queue resume" },
	[REASON_CLASS_UNKNOWN] = { "ClassUnknown", "the znode of its class must be put back, or the task be cancelled and submitted anew" },
	[REASON_CLASS_INVALID] = { "ClassInvalid", "the znode of its class must be mended, or the task be cancelled and submitted anew" },
	[REASON_NO_WORKER] = { "NoWorker", "a worker must be started that serves the queue: zkq-worker --queues" },
	[REASON_DRAINING] = { "Draining", "a worker that serves the queue must be started, or end its drain" },
	[REASON_PRIORITY] = { "Priority", "the tasks of a higher priority before it must be given out, then a slot get free" },
	[REASON_NO_FREE_SLOT] = { "NoFreeSlot", "a worker must have no other task: a suspect is tried alone" },
	[REASON_NO_SLOT] = { "NoSlot", "a slot must get free, or a worker that serves the queue be started" },
	[REASON_READY] = { "Ready", "nothing: the leader's next round gives it out" },
};

const char *
reason_word(enum reason reason)
{
	return reasons[reason].word;
}

const char *
reason_remedy(enum reason reason)
{
	return reasons[reason].remedy;
}

static enum reason
why_full(const struct place_class *class, const struct place_worker *workers, int worker_count)
{
	bool serves = false, takes = false;

	for (int i = 0; i < worker_count; i++) {
		if (workers[i].refusal == REFUSAL_QUEUE || workers[i].refusal == REFUSAL_LOST)
			continue;
		serves = true;
		takes |= workers[i].refusal != REFUSAL_DRAINING;
	}
	return !serves ? REASON_NO_WORKER : !takes ? REASON_DRAINING : class->suspect ? REASON_NO_FREE_SLOT : REASON_NO_SLOT;
}

struct prospect
prospect_of(const struct place_class *class, struct place_worker *workers, int worker_count)
{
	struct rng rng = { 0 };	/* draws no lots */
	int turn = -1, most = 0;

	for (int i = 0; i < worker_count; i++)
		if (workers[i].room > 0)
			most += workers[i].room;
	/* One more than there is room for, so that every worker refuses. */
	int placed = place(class, most + 1, workers, worker_count, &turn, &rng);
	return (struct prospect){ .room = placed, .full = why_full(class, workers, worker_count) };
}

/* Why it waits in line, all else being well. */
static enum reason
in_line(const struct wait_facts *facts, const struct prospect *prospect)
{
	if (prospect->full == REASON_NO_WORKER || prospect->full == REASON_DRAINING)
		return prospect->full;
	if (facts->higher + facts->before < (uint64_t)prospect->room)
		return REASON_READY;
	return facts->higher ? REASON_PRIORITY : prospect->full;
}

enum reason
reason_of(const struct wait_facts *facts, const struct prospect *prospect)
{
	if (facts->cancelling)
		return REASON_CANCELLING;
	if (facts->claimed)
		return !facts->worker_lost ? REASON_NONE : REASON_WORKER_LOST;
	if (!facts->leads)
		return REASON_NO_LEADER;
	if (facts->paused)
		return REASON_QUEUE_PAUSED;
	if (facts->class_seen != CLASS_SEEN)
		return facts->class_seen == CLASS_MISSING ? REASON_CLASS_UNKNOWN : REASON_CLASS_INVALID;
	return in_line(facts, prospect);
}
