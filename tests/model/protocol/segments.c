/*
 * segments.c: the leader's view of a queue: zkq-znodes(7), "Segments" and "Who deletes what"; and the wishes of people.
 */
#include "dispatchers.h"

#define TOLD(...) steps_take(steps, &next, false, __VA_ARGS__)

void
list_segment(struct state *next, int segment)
{
	int read_to = next->read_to[segment];

	for (int task = 0; task < setup.tasks; task++) {
		const struct task *there = &next->task[task];

		if (there->place != PLACE_TASKS || there->segment != segment || there->seq < next->read_to[segment])
			continue;
		if (next->memory[task].knows == KNOWS_NOTHING)
			learn(next, task, KNOWS_WAITING);
		if (there->seq + 1 > read_to)
			read_to = there->seq + 1;
	}
	next->read_to[segment] = (uint8_t)read_to;
	next->reading[segment] = next->segment[segment] == SEGMENT_CLOSED ? READ_FINAL : READ_OPEN;
}

int
segment_unread(const struct state *state)
{
	int segment = 0;

	while (segment < SEGMENTS && (state->reading[segment] || !tree_segment_there(state->segment[segment])))
		segment++;
	return segment;
}

static void
list(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	list_segment(&next, segment);
	TOLD("leader: lists segment %d", segment);
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
		if (state->task[task].place == PLACE_TASKS || knows == KNOWS_WAITING || knows == KNOWS_CLAIMED)
			return false;
	}
	return true;
}

static void
delete_segment(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	next.segment[segment] = SEGMENT_DELETED;
	next.creates[segment] = next.reading[segment] = next.read_to[segment] = 0;
	TOLD("leader: deletes the closed and empty segment %d", segment);
}

/* ---- retention of results ---- */

static void
mark_results(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	next.results[segment] = RESULTS_MARKED;
	TOLD("leader: retention marks done/%d", segment);
}

static void
remove_result(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;

	next.task[task].place = PLACE_GONE;
	TOLD("leader: retention deletes the result of t%d", task);
}

static void
remove_results(const struct state *state, struct steps *steps, int segment)
{
	struct state next = *state;

	next.results[segment] = RESULTS_DELETED;
	TOLD("leader: retention deletes done/%d", segment);
}

static void
retention(const struct state *state, struct steps *steps, int segment)
{
	enum results removable = setup.retmark ? RESULTS_MARKED : RESULTS_THERE;
	bool left = false, noticed = false;

	for (int submitter = 0; submitter < SUBMITTERS; submitter++)
		noticed = noticed || (state->step[submitter] != FINISHED && state->tail[submitter] <= segment);
	if (!noticed)
		return;		/* nobody asks any more */
	if (setup.retmark && state->results[segment] == RESULTS_THERE)
		mark_results(state, steps, segment);
	for (int task = 0; task < setup.tasks; task++) {
		if (state->task[task].place != PLACE_DONE || state->task[task].segment != segment)
			continue;
		left = true;
		if (state->results[segment] == removable)
			remove_result(state, steps, task);
	}
	if (!left && state->results[segment] == removable)
		remove_results(state, steps, segment);
}

static void
segment_step(const struct state *state, struct steps *steps, int segment, int tail)
{
	enum segment is = state->segment[segment];
	enum reading reading = state->reading[segment];
	bool news = segment == tail || (is == SEGMENT_CLOSED ? reading != READ_FINAL : reading == READ_NOT);

	if (tree_segment_there(is) && news)
		list(state, steps, segment);
	if (is == SEGMENT_OPEN && segment < tail &&
	    (setup.lenientclose || tree_segment_there(state->segment[segment + 1])))
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

	for (int segment = 0; segment < SEGMENTS; segment++)
		segment_step(state, steps, segment, tail);
}

/* ---- Cancel ---- */

static void
cancel_waiting(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;

	if (state->task[task].place == PLACE_TASKS) {
		if (state->task[task].claim.folder)
			steps->broken = "a cancel ended a claimed task";
		next.task[task].place = PLACE_DONE;
	}
	learn(&next, task, KNOWS_OVER);
	next.task[task].flags &= (uint8_t)~TASK_CANCEL;
	TOLD("leader: ends the waiting t%d as cancelled", task);
}

static void
order_kill(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;

	next.task[task].flags |= TASK_KILL;
	TOLD("leader: orders the claim of t%d to be killed", task);
}

static void
drop_wish(const struct state *state, struct steps *steps, int task, bool looked)
{
	struct state next = *state;

	next.task[task].flags &= (uint8_t)~TASK_CANCEL;
	if (!looked && state->task[task].place == PLACE_TASKS)
		steps->broken = "a cancel request was dropped while its task lived";
	TOLD("leader: drops the request to cancel t%d", task);
}

static void
cancel_step(const struct state *state, struct steps *steps, int task)
{
	const struct task *there = &state->task[task];

	switch ((enum knowledge)state->memory[task].knows) {
	case KNOWS_WAITING:
		cancel_waiting(state, steps, task);
		break;
	case KNOWS_CLAIMED:
		if (!(there->flags & TASK_KILL) && claim_same(there->claim, state->memory[task].claim))
			order_kill(state, steps, task);
		break;
	case KNOWS_OVER:
		drop_wish(state, steps, task, false);
		break;
	case KNOWS_NOTHING:
		if (!setup.cancellist || there->place != PLACE_TASKS)
			drop_wish(state, steps, task, setup.cancellist);
		break;
	}
}

void
cancels_step(const struct state *state, struct steps *steps)
{
	for (int task = 0; task < setup.tasks; task++)
		if (state->task[task].flags & TASK_CANCEL)
			cancel_step(state, steps, task);
}
