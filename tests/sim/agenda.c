#include "agenda.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	int64_t at_us;
	uint64_t sequence;
	agenda_fn *function;
	void *context, *object;
	uint64_t arg;
};

void
agenda_init(struct agenda *agenda, uint64_t seed)
{
	memset(agenda, 0, sizeof *agenda);
	rng_seed(&agenda->rng, seed);
}

void
agenda_free(struct agenda *agenda)
{
	free(agenda->entries);
	memset(agenda, 0, sizeof *agenda);
}

static bool
before(const struct entry *a, const struct entry *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

void
agenda_at(struct agenda *agenda, int64_t at_us, agenda_fn *function, void *context, void *object, uint64_t arg)
{
	if (agenda->count == agenda->room) {
		agenda->room = agenda->room ? agenda->room * 2 : 256;
		agenda->entries = realloc(agenda->entries, (size_t)agenda->room * sizeof *agenda->entries);
		if (!agenda->entries)
			abort();
	}
	struct entry entry = { at_us < agenda->now_us ? agenda->now_us : at_us, agenda->sequence++, function, context,
		object, arg };
	int i = agenda->count++;
	while (i > 0 && before(&entry, &agenda->entries[(i - 1) / 2])) {
		agenda->entries[i] = agenda->entries[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	agenda->entries[i] = entry;
}

bool
agenda_step(struct agenda *agenda)
{
	if (agenda->count == 0)
		return false;
	struct entry first = agenda->entries[0], last = agenda->entries[--agenda->count];
	int i = 0;
	for (;;) {
		int child = 2 * i + 1;
		if (child >= agenda->count)
			break;
		if (child + 1 < agenda->count && before(&agenda->entries[child + 1], &agenda->entries[child]))
			child++;
		if (!before(&agenda->entries[child], &last))
			break;
		agenda->entries[i] = agenda->entries[child];
		i = child;
	}
	if (agenda->count)
		agenda->entries[i] = last;
	agenda->now_us = first.at_us;
	agenda->steps++;
	first.function(first.context, first.object, first.arg);
	return true;
}

int64_t
agenda_next(const struct agenda *agenda)
{
	return agenda->count ? agenda->entries[0].at_us : INT64_MAX;
}

void
agenda_run(struct agenda *agenda, int64_t until_us)
{
	while (agenda_next(agenda) <= until_us)
		agenda_step(agenda);
	if (agenda->now_us < until_us)
		agenda->now_us = until_us;
}

int64_t
agenda_between(struct agenda *agenda, int64_t from, int64_t to)
{
	return from >= to ? from : from + (int64_t)rng_below(&agenda->rng, (uint64_t)(to - from + 1));
}

bool
agenda_chance(struct agenda *agenda, uint32_t ppm)
{
	return ppm && rng_below(&agenda->rng, 1000000) < ppm;
}
