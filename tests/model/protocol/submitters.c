/*
 * submitters.c: two clients that submit their tasks one after the other through the fast door: zkq-znodes(7), "Segments"
 * and "Unknown outcomes". Between two steps of a submitter anything may happen, so it can be as slow as it likes.
 */
#include "steps.h"
#include "tree.h"

#define CREATES_MAX 6	/* counted no further; the sequence number says only whether the segment is full */

/* The outcome of the present task is known or said to be unknown: on to the next one. */
static void
next_task(struct state *next, int submitter, enum step_of_submitter step)
{
	next->submitted[submitter]++;
	next->step[submitter] = (uint8_t)step;
	if (setup_task(submitter, next->submitted[submitter]) == NO_TASK) {
		next->step[submitter] = FINISHED;
		next->tail[submitter] = 0;
	}
}

static void
accepted(struct state *next, int submitter, int task, enum step_of_submitter step)
{
	next->task[task].flags |= TASK_ACCEPTED;
	next_task(next, submitter, step);
}

/* ---- Submit: multi[check tasks/<tail> at version 0, create the task] ---- */

static void
create_task(struct state *next, struct steps *steps, int task, int segment)
{
	struct task *created = &next->task[task];

	if (created->place)
		steps->broken = "one submit applied twice";
	else if (setup.fifo && segment < next->newest)
		steps->broken = "created in an older segment than a task accepted before";
	if (segment > next->newest)
		next->newest = (uint8_t)segment;
	created->place = PLACE_TASKS;
	created->segment = (uint8_t)segment;
	created->seq = next->creates[segment];
	if (next->creates[segment] < CREATES_MAX)
		next->creates[segment]++;
}

static void
submit(const struct state *state, struct steps *steps, int submitter, int task, enum loss loss)
{
	struct state next = *state;
	int tail = state->tail[submitter];

	if (loss)
		next.budget[FAULT_LOST_SUBMIT]--;
	if (loss == LOSS_REQUEST) {
		next.step[submitter] = LOOKS_IN_TASKS;
		steps_take(steps, &next, true, "submitter %d: t%d to segment %d, but the request is lost", submitter, task, tail);
		return;
	}
	if (state->segment[tail] == SEGMENT_OPEN) {
		create_task(&next, steps, task, tail);
		if (loss)
			next.step[submitter] = LOOKS_IN_TASKS;
		else
			accepted(&next, submitter, task, next.task[task].seq + 1 >= setup.segment ? ROLLS : SUBMITS);
	} else {
		next.step[submitter] = loss ? LOOKS_IN_TASKS : setup.relist ? LISTS : ROLLS;
	}
	steps_take(steps, &next, loss, "submitter %d: t%d to segment %d: %s%s", submitter, task, tail,
	    state->segment[tail] == SEGMENT_OPEN ? "created" : "refused", loss_words(loss));
}

/* ---- Roll: multi[set tasks/<k> at version 0, create tasks/<k+1>, done/<k+1>] ---- */

static void
roll(const struct state *state, struct steps *steps, int submitter)
{
	struct state next = *state;
	int tail = state->tail[submitter];

	if (tail + 1 >= SEGMENTS) {
		steps->bounds = true;
		return;
	}
	if (!setup.atomicroll) {
		if (!tree_segment_there(state->segment[tail + 1]) && state->results[tail + 1] != RESULTS_THERE &&
		    state->results[tail + 1] != RESULTS_MARKED) {
			next.segment[tail + 1] = SEGMENT_OPEN;
			next.creates[tail + 1] = 0;
			next.results[tail + 1] = RESULTS_THERE;
		}
		next.tail[submitter]++;
		next.step[submitter] = SUBMITS;
	} else if (state->segment[tail] == SEGMENT_OPEN) {
		next.segment[tail] = SEGMENT_CLOSED;
		next.segment[tail + 1] = SEGMENT_OPEN;
		next.results[tail + 1] = RESULTS_THERE;
		next.tail[submitter]++;
		next.step[submitter] = SUBMITS;
	} else {
		next.step[submitter] = LISTS;
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

/* ---- Unknown outcomes: look for the token in tasks, then in done ---- */

static void
look_in_tasks(const struct state *state, struct steps *steps, int submitter, int task)
{
	struct state next = *state;
	int tail = state->tail[submitter];
	bool found = state->task[task].place == PLACE_TASKS && state->task[task].segment == tail;

	if (found)
		accepted(&next, submitter, task, SUBMITS);
	else
		next.step[submitter] = LOOKS_IN_DONE;
	steps_take(steps, &next, false, "submitter %d: t%d is %s tasks/%d", submitter, task, found ? "in" : "not in", tail);
}

static void
look_in_done(const struct state *state, struct steps *steps, int submitter, int task)
{
	struct state next = *state;
	int tail = state->tail[submitter];
	const char *what;

	if (state->task[task].place == PLACE_DONE && state->task[task].segment == tail) {
		accepted(&next, submitter, task, SUBMITS);
		what = "it is there: accepted";
	} else if (setup.retmark && state->results[tail] != RESULTS_THERE) {
		next_task(&next, submitter, SUBMITS);
		what = "marked or gone: the outcome stays unknown";
	} else {
		next.step[submitter] = SUBMITS;
		what = "it is not there: to be sent again";
	}
	steps_take(steps, &next, false, "submitter %d: looks for t%d in done/%d: %s", submitter, task, tail, what);
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
		break;
	case ROLLS:
		roll(state, steps, submitter);
		break;
	case LISTS:
		list_segments(state, steps, submitter);
		break;
	case LOOKS_IN_TASKS:
		look_in_tasks(state, steps, submitter, task);
		break;
	case LOOKS_IN_DONE:
		look_in_done(state, steps, submitter, task);
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
	for (int submitter = 0; submitter < SUBMITTERS; submitter++)
		if (state->step[submitter] != FINISHED && setup_task(submitter, state->submitted[submitter]) == task)
			next_task(&next, submitter, SUBMITS);
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
	for (int submitter = 0; submitter < SUBMITTERS; submitter++)
		submitter_step(state, steps, submitter);
	for (int task = 0; task < setup.tasks; task++) {
		if (task == setup.removable && state->budget[FAULT_REMOVE] && state->task[task].place == PLACE_TASKS)
			remove_by_hand(state, steps, task);
		if (state->budget[FAULT_CANCEL] && (state->task[task].flags & (TASK_ACCEPTED | TASK_CANCEL)) == TASK_ACCEPTED)
			cancel(state, steps, task);
	}
}
