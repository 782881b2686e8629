#include "core/worker/resolved.h"

#include <stdlib.h>
#include <string.h>

void
resolved_free(struct resolved *resolved)
{
	free(resolved->ranges);
	free(resolved->tallies);
	memset(resolved, 0, sizeof *resolved);
}

/* Index of the first range that ends at n or behind it. */
static int
range_of(const struct resolved *resolved, uint64_t n)
{
	int low = 0, high = resolved->count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (n > resolved->ranges[middle].to)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
resolved_has(const struct resolved *resolved, uint64_t n)
{
	int place = range_of(resolved, n);

	return n <= resolved->low || (place < resolved->count && n >= resolved->ranges[place].from);
}

bool
resolved_gap(const struct resolved *resolved, uint64_t from, uint64_t to, uint64_t *gap_from, uint64_t *gap_to)
{
	if (from <= resolved->low)
		from = resolved->low + 1;
	int place = range_of(resolved, from);
	if (place < resolved->count && from >= resolved->ranges[place].from)
		from = resolved->ranges[place++].to + 1;	/* ranges never touch: this one is free */
	if (from > to)
		return false;
	*gap_from = from;
	*gap_to = place < resolved->count && resolved->ranges[place].from <= to ? resolved->ranges[place].from - 1 : to;
	return true;
}

/* Lets low swallow the ranges that it has reached. */
static void
raise_low(struct resolved *resolved)
{
	int gone = 0;

	while (gone < resolved->count && resolved->ranges[gone].from <= resolved->low + 1) {
		if (resolved->ranges[gone].to > resolved->low)
			resolved->low = resolved->ranges[gone].to;
		gone++;
	}
	resolved->count -= gone;
	if (gone && resolved->count)
		memmove(resolved->ranges, resolved->ranges + gone, (size_t)resolved->count * sizeof *resolved->ranges);
}

bool
resolved_add(struct resolved *resolved, uint64_t from, uint64_t to)
{
	if (from > to || to <= resolved->low)
		return true;
	if (from <= resolved->low + 1) {
		resolved->low = to;
		raise_low(resolved);
		return true;
	}
	/* First range that touches or follows from..to. */
	int first = resolved->count;
	while (first > 0 && resolved->ranges[first - 1].to >= from - 1)
		first--;
	int last = first;	/* behind the last one that touches */
	while (last < resolved->count && resolved->ranges[last].from <= to + 1) {
		if (resolved->ranges[last].from < from)
			from = resolved->ranges[last].from;
		if (resolved->ranges[last].to > to)
			to = resolved->ranges[last].to;
		last++;
	}
	if (last == first && resolved->count == resolved->room) {
		int room = resolved->room ? resolved->room * 2 : 16;
		struct range *ranges = realloc(resolved->ranges, (size_t)room * sizeof *ranges);

		if (!ranges)
			return false;
		resolved->ranges = ranges;
		resolved->room = room;
	}
	memmove(resolved->ranges + first + 1, resolved->ranges + last,
	    (size_t)(resolved->count - last) * sizeof *resolved->ranges);
	resolved->ranges[first] = (struct range){ from, to };
	resolved->count += 1 - (last - first);
	return true;
}

bool
resolved_return(struct resolved *resolved, uint64_t from, uint64_t to)
{
	if (from > to)
		return true;
	uint64_t count = to - from + 1, kept = count < RETURNED_LAST_MAX ? count : RETURNED_LAST_MAX;
	int drop = resolved->returned_count + (int)kept - RETURNED_LAST_MAX;

	if (drop > 0) {
		resolved->returned_count -= drop;
		memmove(resolved->returned_last, resolved->returned_last + drop,
		    (size_t)resolved->returned_count * sizeof *resolved->returned_last);
	}
	for (uint64_t n = to - kept + 1; n <= to; n++)
		resolved->returned_last[resolved->returned_count++] = n;
	resolved->returned_total += count;
	return resolved_add(resolved, from, to);
}

static struct tally *
tally_of(struct resolved *resolved, const char *queue)
{
	for (int i = 0; i < resolved->tally_count; i++)
		if (strcmp(resolved->tallies[i].queue, queue) == 0)
			return &resolved->tallies[i];
	if (strlen(queue) > QUEUE_NAME_MAX)
		return NULL;
	if (resolved->tally_count == resolved->tally_room) {
		int room = resolved->tally_room ? resolved->tally_room * 2 : 4;
		struct tally *tallies = realloc(resolved->tallies, (size_t)room * sizeof *tallies);

		if (!tallies)
			return NULL;
		resolved->tallies = tallies;
		resolved->tally_room = room;
	}
	struct tally *tally = &resolved->tallies[resolved->tally_count++];
	memset(tally, 0, sizeof *tally);
	strcpy(tally->queue, queue);
	return tally;
}

bool
resolved_count(struct resolved *resolved, const char *queue, bool done)
{
	struct tally *tally = tally_of(resolved, queue);

	if (!tally)
		return false;
	if (done)
		tally->done++;
	else
		tally->failed++;
	return true;
}

bool
resolved_copy(struct resolved *copy, const struct resolved *resolved)
{
	*copy = *resolved;
	copy->ranges = NULL;
	copy->tallies = NULL;
	copy->room = resolved->count + 1;	/* one more is what most callers add */
	copy->tally_room = resolved->tally_count + 1;
	copy->ranges = malloc((size_t)copy->room * sizeof *copy->ranges);
	copy->tallies = malloc((size_t)copy->tally_room * sizeof *copy->tallies);
	if (!copy->ranges || !copy->tallies) {
		resolved_free(copy);
		return false;
	}
	if (resolved->count)
		memcpy(copy->ranges, resolved->ranges, (size_t)resolved->count * sizeof *copy->ranges);
	if (resolved->tally_count)
		memcpy(copy->tallies, resolved->tallies, (size_t)resolved->tally_count * sizeof *copy->tallies);
	return true;
}

bool
resolved_load(struct resolved *resolved, const struct rec_report *report)
{
	resolved_free(resolved);
	resolved->low = report->low;
	for (int i = 0; i < report->done_count; i++)
		if (!resolved_add(resolved, report->done[i].from, report->done[i].to))
			return false;
	resolved->returned_total = report->returned_total;
	int skip = report->returned_count > RETURNED_LAST_MAX ? report->returned_count - RETURNED_LAST_MAX : 0;
	for (int i = skip; i < report->returned_count; i++)
		resolved->returned_last[resolved->returned_count++] = report->returned_last[i];
	for (int i = 0; i < report->counts_count; i++) {
		const struct queue_count *count = &report->counts[i];

		if (strlen(count->queue) > QUEUE_NAME_MAX)
			continue;
		struct tally *tally = tally_of(resolved, count->queue);
		if (!tally)
			return false;
		tally->done = count->done;
		tally->failed = count->failed;
	}
	return true;
}

bool
resolved_save(const struct resolved *resolved, struct arena *arena, struct rec_report *report)
{
	struct range *ranges = arena_alloc(arena, (size_t)(resolved->count + 1) * sizeof *ranges);
	uint64_t *last = arena_alloc(arena, (size_t)(resolved->returned_count + 1) * sizeof *last);
	struct queue_count *counts = arena_alloc(arena, (size_t)(resolved->tally_count + 1) * sizeof *counts);

	if (!ranges || !last || !counts)
		return false;
	if (resolved->count)
		memcpy(ranges, resolved->ranges, (size_t)resolved->count * sizeof *ranges);
	memcpy(last, resolved->returned_last, (size_t)resolved->returned_count * sizeof *last);
	for (int i = 0; i < resolved->tally_count; i++) {
		counts[i].queue = arena_string(arena, resolved->tallies[i].queue);
		counts[i].done = resolved->tallies[i].done;
		counts[i].failed = resolved->tallies[i].failed;
		if (!counts[i].queue)
			return false;
	}
	report->low = resolved->low;
	report->done = ranges;
	report->done_count = resolved->count;
	report->returned_total = resolved->returned_total;
	report->returned_last = last;
	report->returned_count = resolved->returned_count;
	report->counts = counts;
	report->counts_count = resolved->tally_count;
	return true;
}
