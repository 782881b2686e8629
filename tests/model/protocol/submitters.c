/*
 * submitters.c: two clients that submit their tasks one after the other through the fast door: zkq-znodes(7), "Segments"
 * and "Unknown outcomes". Between two steps of a submitter anything may happen, so it can be as slow as it likes.
 */
#include "steps.h"
#include "tree.h"

#define CREATES_MAX 6	/* counted no further; the sequence number says only whether the segment is full */

/* Submits its present task next, if it has one left. */
static void
go_on(struct state *next, int submitter, enum step_of_submitter step)
{
	next->step[submitter] = (uint8_t)step;
	if (setup_task(submitter, next->submitted[submitter]) == NO_TASK) {
		next->step[submitter] = FINISHED;
		next->tail[submitter] = 0;
	}
}

/* The outcome of the present task is known or said to be unknown. A full segment is rolled even behind the last one. */
static void
next_task(struct state *next, int submitter, enum step_of_submitter step)
{
	next->submitted[submitter]++;
	if (step == ROLLS)
		next->step[submitter] = ROLLS;
	else
		go_on(next, submitter, step);
}

static void
accepted(struct state *next, int submitter, int task, enum step_of_submitter step)
{
	next->task[task].flags |= TASK_ACCEPTED;
	next_task(next, submitter, step);
}

/* ---- Submit: multi[check tasks/<tail> at version 0, create the task] ---- */

/* How it looks for a token after an unknown outcome. */
static const uint8_t *
look_order(void)
{
	static const uint8_t order[] = { LOOKS_IN_TASKS, LOOKS_IN_DONE, LOOKS_AT_FOLDER, SUBMITS };
	static const uint8_t done_first[] = { LOOKS_IN_DONE, LOOKS_IN_TASKS, LOOKS_AT_FOLDER, SUBMITS };
	static const uint8_t folder_first[] = { LOOKS_AT_FOLDER, LOOKS_IN_TASKS, LOOKS_IN_DONE, SUBMITS };

	return !setup.lookorder ? done_first : !setup.looklast ? folder_first : order;
}

static void
create_task(struct state *next, struct steps *steps, int task, int segment)
{
	struct task *created = &next->task[task];

	if (created->place)
		steps->broken = "one submit applied twice";
	else if (segment < next->newest)
		steps->broken = "created in an older segment than a task accepted before";
	if (segment > next->newest)
		next->newest = (uint8_t)segment;
	created->place = PLACE_TASKS;
	created->segment = (uint8_t)segment;
	if (next->creates[segment] < CREATES_MAX)
		next->creates[segment]++;
}

/* Its outcome is unknown. */
static void
begin_look(struct state *next, int submitter)
{
	next->step[submitter] = (uint8_t)(setup.look ? look_order()[0] : SUBMITS);
}

static void
submit(const struct state *state, struct steps *steps, int submitter, int task, enum loss loss)
{
	struct state next = *state;
	int tail = state->tail[submitter];
	bool open = setup.segcheck ? state->segment[tail] == SEGMENT_OPEN : tree_segment_there(state->segment[tail]);

	if (loss) {
		next.budget[FAULT_LOST_SUBMIT]--;
		begin_look(&next, submitter);
	}
	if (loss == LOSS_REQUEST) {
		/* Behind a sync of the same session it is dropped or has been applied. */
		if (!setup.looksync)
			next.flight[submitter] = (struct flight){ (uint8_t)(task + 1), (uint8_t)tail };
	} else if (open) {
		create_task(&next, steps, task, tail);
		if (!loss)
			accepted(&next, submitter, task, next.creates[tail] >= setup.segment ? ROLLS : SUBMITS);
	} else if (!loss) {
		next.step[submitter] = LISTS;
	}
	steps_take(steps, &next, loss, "submitter %d: t%d to segment %d: %s%s", submitter, task, tail,
	    open ? "created" : "refused", loss_words(loss));
}

/* Its session ends with the submit on its way: who can tell when that arrives? */
static void
submit_and_expire(const struct state *state, struct steps *steps, int submitter, int task)
{
	struct state next = *state;

	next.budget[FAULT_EXPIRE_SUBMITTER]--;
	next.flight[submitter] = (struct flight){ (uint8_t)(task + 1), state->tail[submitter] };
	begin_look(&next, submitter);
	if (setup.closefirst)
		next.step[submitter] = CLOSES;
	steps_take(steps, &next, true, "submitter %d: t%d to segment %d, its session ends before the answer", submitter, task,
	    state->tail[submitter]);
}

static void
arrive(const struct state *state, struct steps *steps, int submitter)
{
	struct state next = *state;
	struct flight flight = state->flight[submitter];

	next.flight[submitter] = (struct flight){ 0, 0 };
	if (state->segment[flight.segment] == SEGMENT_OPEN ||
	    (!setup.segcheck && tree_segment_there(state->segment[flight.segment])))
		create_task(&next, steps, flight.task - 1, flight.segment);
	steps_take(steps, &next, true, "submitter %d: its old submit of t%d to segment %d arrives", submitter, flight.task - 1,
	    flight.segment);
}

/* ---- Roll: multi[set tasks/<k> at version 0, create tasks/<k+1>, done/<k+1>] ---- */

static void
roll(const struct state *state, struct steps *steps, int submitter)
{
	struct state next = *state;
	int tail = state->tail[submitter];

	if (tail + 1 >= setup.segments) {
		steps->bounds = true;
		return;
	}
	if (!setup.atomicroll) {
		if (!tree_segment_there(state->segment[tail + 1]) && (state->results[tail + 1] == RESULTS_NEVER ||
		    state->results[tail + 1] == RESULTS_DELETED)) {
			next.segment[tail + 1] = SEGMENT_OPEN;
			next.creates[tail + 1] = 0;
			next.results[tail + 1] = RESULTS_OPEN;
		}
		next.tail[submitter]++;
		go_on(&next, submitter, SUBMITS);
	} else if (state->segment[tail] == SEGMENT_OPEN) {
		next.segment[tail] = SEGMENT_CLOSED;
		next.segment[tail + 1] = SEGMENT_OPEN;
		next.results[tail + 1] = RESULTS_OPEN;
		next.tail[submitter]++;
		go_on(&next, submitter, SUBMITS);
	} else {
		go_on(&next, submitter, LISTS);
	}
	steps_take(steps, &next, false, "submitter %d: rolls segment %d: %s", submitter, tail,
	    next.segment[tail + 1] != state->segment[tail + 1] ? "opens the next" : "too late");
}

static void
list_segments(const struct state *state, struct steps *steps, int submitter)
{
	struct state next = *state;

	next.tail[submitter] = (uint8_t)tree_tail(state);
	next.step[submitter] = SUBMITS;
	steps_take(steps, &next, false, "submitter %d: reads that segment %d is the tail", submitter, next.tail[submitter]);
}

/* ---- Unknown outcomes ---- */

/* In a new session: nothing that the old one still has on its way finds its segment open any more. */
static void
close_first(const struct state *state, struct steps *steps, int submitter)
{
	struct state next = *state;
	int segment = state->tail[submitter];

	if (state->segment[segment] == SEGMENT_OPEN) {
		if (segment + 1 >= setup.segments) {
			steps->bounds = true;
			return;
		}
		next.segment[segment] = SEGMENT_CLOSED;
		next.segment[segment + 1] = SEGMENT_OPEN;
		next.results[segment + 1] = RESULTS_OPEN;
	}
	begin_look(&next, submitter);
	steps_take(steps, &next, false, "submitter %d: closes segment %d before it looks for the outcome", submitter, segment);
}

static void
look_on(struct state *next, int submitter)
{
	const uint8_t *order = look_order();
	int i = 0;

	while (order[i] != next->step[submitter])
		i++;
	next->step[submitter] = order[i + 1];
}

static void
look_for_token(const struct state *state, struct steps *steps, int submitter, int task)
{
	struct state next = *state;
	int segment = state->tail[submitter];
	bool in_tasks = state->step[submitter] == LOOKS_IN_TASKS;
	enum place place = state->task[task].place;
	bool found = state->task[task].segment == segment &&
	    (in_tasks ? place == PLACE_TASKS : place == PLACE_DONE || place == PLACE_DEAD);

	if (found)
		accepted(&next, submitter, task, SUBMITS);
	else
		look_on(&next, submitter);
	steps_take(steps, &next, false, "submitter %d: t%d is %s %s/%d", submitter, task, found ? "in" : "not in",
	    in_tasks ? "tasks" : "done or dead", segment);
}

/* done/<seg>: version 0 or 1: no result is missing; otherwise nobody can know. */
static void
look_at_folder(const struct state *state, struct steps *steps, int submitter, int task)
{
	struct state next = *state;
	int segment = state->tail[submitter];
	enum results results = state->results[segment];
	bool complete = results == RESULTS_OPEN || (results == RESULTS_STAMPED && setup.stages);

	if (complete) {
		look_on(&next, submitter);
	} else {
		if (results == RESULTS_STAMPED)	/* not with that rule */
			steps->broken = "an outcome was called unknown while all results were there";
		next_task(&next, submitter, SUBMITS);
	}
	steps_take(steps, &next, false, "submitter %d: done/%d is %s of t%d", submitter, segment,
	    complete ? "complete, there is nothing" : "marked or gone, unknown stays the outcome", task);
}

static void
submitter_step(const struct state *state, struct steps *steps, int submitter)
{
	int task = setup_task(submitter, state->submitted[submitter]);

	switch ((enum step_of_submitter)state->step[submitter]) {
	case SUBMITS:
		submit(state, steps, submitter, task, LOSS_NONE);
		if (state->budget[FAULT_LOST_SUBMIT]) {
			submit(state, steps, submitter, task, LOSS_ANSWER);
			submit(state, steps, submitter, task, LOSS_REQUEST);
		}
		if (state->budget[FAULT_EXPIRE_SUBMITTER])
			submit_and_expire(state, steps, submitter, task);
		break;
	case ROLLS:
		roll(state, steps, submitter);
		break;
	case LISTS:
		list_segments(state, steps, submitter);
		break;
	case CLOSES:
		close_first(state, steps, submitter);
		break;
	case LOOKS_IN_TASKS:
	case LOOKS_IN_DONE:
		look_for_token(state, steps, submitter, task);
		break;
	case LOOKS_AT_FOLDER:
		look_at_folder(state, steps, submitter, task);
		break;
	case FINISHED:
		break;
	}
}

/* ---- people ---- */

static void
remove_by_hand(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;

	next.budget[FAULT_REMOVE]--;
	next.task[task].place = PLACE_REMOVED;
	steps_take(steps, &next, true, "somebody removes t%d", task);
}

static void
cancel(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;

	next.budget[FAULT_CANCEL]--;
	next.task[task].flags |= TASK_CANCEL;
	steps_take(steps, &next, true, "somebody asks to cancel t%d", task);
}

void
submitters_step(const struct state *state, struct steps *steps)
{
	for (int submitter = 0; submitter < SUBMITTERS; submitter++) {
		submitter_step(state, steps, submitter);
		if (state->flight[submitter].task)
			arrive(state, steps, submitter);
	}
	for (int task = 0; task < setup.tasks; task++) {
		uint8_t flags = state->task[task].flags;

		if (!(flags & TASK_ACCEPTED))
			continue;	/* nobody knows of it yet */
		if (task == setup.removable && state->budget[FAULT_REMOVE] && state->task[task].place == PLACE_TASKS)
			remove_by_hand(state, steps, task);
		if (state->budget[FAULT_CANCEL] && !(flags & TASK_CANCEL))
			cancel(state, steps, task);
	}
}
