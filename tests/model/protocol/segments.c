/*
 * segments.c: the leader's view of a queue: zkq-znodes(7), "Segments" and "Who deletes what".
 */
#include "dispatchers.h"

#define TOLD(...) steps_take(steps, &next, false, __VA_ARGS__)

bool
list_segment(struct state *next, int segment)
{
	bool heals = false;

	for (int task = 0; task < setup.tasks; task++) {
		enum knowledge knows = next->memory[task].knows;
		bool listed = next->task[task].place == PLACE_TASKS;

		if (next->task[task].segment != segment || knows == KNOWS_WAITING || knows == KNOWS_CLAIMED)
			continue;
		if (listed)
			learn(next, task, KNOWS_WAITING);
		else if (knows == KNOWS_DOUBT)
			learn(next, task, KNOWS_OVER);
		heals = heals || (listed && knows == KNOWS_OVER);
	}
	next->reading[segment] = next->segment[segment] == SEGMENT_CLOSED ? READ_FINAL : READ_OPEN;
	return heals;
}

int
segment_unread(const struct state *state)
{
	int segment = 0;

	while (segment < setup.segments && (state->reading[segment] || !tree_segment_there(state->segment[segment])))
		segment++;
	return segment;
}

static void
list(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	bool heals = list_segment(&next, segment);
	steps_take(steps, &next, heals, "leader: lists segment %d%s", segment, heals ? ", and finds what it had forgotten" : "");
}

static void
close_segment(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	next.segment[segment] = SEGMENT_CLOSED;
	TOLD("leader: closes segment %d", segment);
}

static bool
is_empty(const struct state *state, int segment)
{
	for (int task = 0; task < setup.tasks; task++) {
		enum knowledge knows = state->memory[task].knows;

		if (state->task[task].segment != segment || state->task[task].place == PLACE_NONE)
			continue;
		if (state->task[task].place == PLACE_TASKS || (knows != KNOWS_NOTHING && knows != KNOWS_OVER))
			return false;
	}
	return true;
}

static void
delete_segment(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	next.segment[segment] = SEGMENT_DELETED;
	next.creates[segment] = next.reading[segment] = 0;
	next.results[segment] = RESULTS_STAMPED;
	TOLD("leader: deletes the closed and empty segment %d", segment);
}

/* ---- retention ---- */

static void
mark_results(const struct state *state, struct steps *steps, int segment, enum results as)
{
	struct state next = *state;

	next.results[segment] = (uint8_t)as;
	TOLD("leader: retention marks done/%d before it deletes %s", segment, as == RESULTS_MARKED ? "from it" : "dead letters");
}

static void
remove_record(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;

	next.task[task].place = PLACE_GONE;
	TOLD("leader: retention deletes what is left of t%d", task);
}

static void
remove_results(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	next.results[segment] = RESULTS_DELETED;
	TOLD("leader: retention deletes done/%d", segment);
}

static int
count_left(const struct state *state, int segment, enum place place)
{
	int count = 0;

	for (int task = 0; task < setup.tasks; task++)
		count += state->task[task].place == place && state->task[task].segment == segment;
	return count;
}

/* What lies in done/<seg> or dead/<seg> goes one by one. */
static void
remove_some(const struct state *state, struct steps *steps, int segment, enum place place)
{
	for (int task = 0; task < setup.tasks; task++)
		if (state->task[task].place == place && state->task[task].segment == segment)
			remove_record(state, steps, task);
}

/* Of a deleted segment; when is not the model's business. Dead letters have a retention of their own. */
static void
retention(const struct state *state, struct steps *steps, int segment)
{
	enum results results = state->results[segment];
	bool noticed = false;

	for (int submitter = 0; submitter < SUBMITTERS; submitter++)
		noticed = noticed || (state->step[submitter] != FINISHED && state->tail[submitter] <= segment);
	if (!noticed)
		return;		/* nobody asks any more */
	if (setup.retmark && (results == RESULTS_STAMPED || results == RESULTS_THINNED))
		mark_results(state, steps, segment, RESULTS_MARKED);
	if (results == RESULTS_MARKED || (!setup.retmark && results != RESULTS_DELETED)) {
		remove_some(state, steps, segment, PLACE_DONE);
		if (!count_left(state, segment, PLACE_DONE))
			remove_results(state, steps, segment);
	}
	if (!count_left(state, segment, PLACE_DEAD))
		return;
	if (setup.deadmark && results == RESULTS_STAMPED)
		mark_results(state, steps, segment, RESULTS_THINNED);
	else
		remove_some(state, steps, segment, PLACE_DEAD);
}

static void
segment_step(const struct state *state, struct steps *steps, int segment, int tail)
{
	enum segment is = state->segment[segment];
	enum reading reading = state->reading[segment];
	bool news = segment == tail || (is == SEGMENT_CLOSED ? reading != READ_FINAL : reading == READ_NOT);

	for (int task = 0; task < setup.tasks; task++)
		news = news || (state->memory[task].knows == KNOWS_DOUBT && state->task[task].segment == segment);

	if (tree_segment_there(is) && news)
		list(state, steps, segment);
	if (is == SEGMENT_OPEN && segment < tail)	/* no such thing with atomicroll */
		close_segment(state, steps, segment);
	if (is == SEGMENT_CLOSED && reading == READ_FINAL && is_empty(state, segment))
		delete_segment(state, steps, segment);
	if (is == SEGMENT_DELETED)
		retention(state, steps, segment);
}

void
segments_step(const struct state *state, struct steps *steps)
{
	int tail = tree_tail(state);

	for (int segment = 0; segment < setup.segments; segment++)
		segment_step(state, steps, segment, tail);
}
