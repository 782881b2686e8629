#include "core/place.h"

const char *
refusal_word(enum refusal refusal)
{
	switch (refusal) {
	case REFUSAL_NONE:
		return "none";
	case REFUSAL_NO_SLOT:
		return "NoSlot";
	case REFUSAL_QUEUE:
		return "NoMatch(queue)";
	case REFUSAL_DRAINING:
		return "Draining";
	case REFUSAL_LOST:
		return "WorkerLost";
	case REFUSAL_SUSPECT:
		return "NoFreeSlot";
	case REFUSAL_ALONE:
		return "Alone";
	}
	return "?";
}

int
place_room(int slots, int ahead, const uint32_t unresolved_at[PRIORITY_MAX + 1], int priority)
{
	uint32_t same_or_higher = 0, lower = 0;

	for (int p = PRIORITY_MIN; p <= PRIORITY_MAX; p++)
		*(p >= priority ? &same_or_higher : &lower) += unresolved_at[p];
	if (lower > (uint32_t)slots)
		lower = (uint32_t)slots;
	return slots + ahead - (int)same_or_higher - (int)lower;
}

/* What keeps the worker from one more, given that idle slots only are filled (idle_only). */
static enum refusal
refusal_of(const struct place_class *class, const struct place_worker *worker)
{
	if (!worker->serves_queue)
		return REFUSAL_QUEUE;
	if (worker->lost)
		return REFUSAL_LOST;
	if (worker->draining)
		return REFUSAL_DRAINING;
	if (class->suspect)
		return worker->claims + worker->count > 0 || worker->idle <= 0 || worker->room <= 0 ? REFUSAL_SUSPECT : REFUSAL_NONE;
	if (worker->alone)
		return REFUSAL_ALONE;
	if (worker->room <= worker->count)
		return REFUSAL_NO_SLOT;
	return REFUSAL_NONE;
}

/* One each in turn, until n are placed or nobody takes one more. */
static int
deal(const struct place_class *class, int n, struct place_worker *workers, int worker_count, int *turn, bool idle_only)
{
	int placed = 0, refused = 0;

	while (placed < n && refused < worker_count) {
		*turn = (*turn + 1) % worker_count;
		struct place_worker *worker = &workers[*turn];

		if (refusal_of(class, worker) != REFUSAL_NONE || (idle_only && worker->idle <= worker->count)) {
			refused++;
			continue;
		}
		worker->count++;
		placed++;
		refused = 0;
	}
	return placed;
}

int
place(const struct place_class *class, int n, struct place_worker *workers, int worker_count, int *turn,
    struct rng *rng)
{
	int placed = 0;

	(void)rng;	/* round robin draws no lots */
	if (worker_count <= 0)
		return 0;
	if (*turn < 0 || *turn >= worker_count)
		*turn = worker_count - 1;
	for (int i = 0; i < worker_count; i++)
		workers[i].count = 0;
	placed += deal(class, n, workers, worker_count, turn, true);
	placed += deal(class, n - placed, workers, worker_count, turn, false);
	for (int i = 0; i < worker_count; i++)
		workers[i].refusal = refusal_of(class, &workers[i]);
	return placed;
}
