/*
 * assign.c: waiting tasks are given to workers: zkq-znodes(7), "Assign" and "Unknown outcomes".
 */
#include "dispatchers.h"

#include <string.h>

/* multi[check candidate, check live-<r>, check task, create claim] */
enum assign_outcome
assign_outcome(const struct state *state, int task, struct claim claim)
{
	int folder = claim_folder(claim);

	if (!tree_has(state, folder, FOLDER_THERE) || (setup.live && !tree_has(state, folder, FOLDER_LIVE)))
		return ASSIGN_NO_WORKER;
	if (setup.checktask && state->task[task].place != PLACE_TASKS)
		return ASSIGN_NO_TASK;
	return ASSIGN_APPLIED;
}

void
assign_apply(struct state *next, struct steps *steps, int task, struct claim claim)
{
	if (next->task[task].claim.folder)
		steps->broken = "two claims for one task";
	else if (next->task[task].place != PLACE_TASKS)
		steps->broken = "a claim for a task that is not live";
	else if (!tree_has(next, claim_folder(claim), FOLDER_LIVE))
		steps->broken = "a claim in the folder of an incarnation that is not alive";
	next->task[task].claim = claim;
	if (next->task[task].runs < RUNS_MAX)
		next->task[task].run = next->task[task].runs + 1;
}

void
assign_over(struct state *next)
{
	next->assign = ASSIGN_NONE;
	next->assign_task = 0;
	memset(&next->assign_claim, 0, sizeof next->assign_claim);
}

static void
send_assign(const struct state *state, struct steps *steps, int folder, int task, int n)
{
	struct state next = *state;

	next.assign = ASSIGN_SENT;
	next.assign_task = (uint8_t)task;
	next.assign_claim = claim_of(folder, n);
	next.given[folder] = (uint8_t)n;
	if (state->memory[task].wish & WISH_OLD && state->task[task].flags & TASK_CANCEL)
		steps->broken = "a task that was cancelled while nobody led is given out";
	steps_take(steps, &next, false, "leader: assigns t%d to %d.%d, claim %d", task, tree_worker(folder),
	    tree_life(folder), n);
}

/* The number of the folder's next claim; 0: the model has no more of them. */
static int
next_number(const struct state *state, int folder)
{
	int from = setup.leadernum ? state->term * setup_numbers() : 0;
	int to = setup.leadernum ? from + setup_numbers() : NUMBER_MAX;
	int n = (state->given[folder] > from ? state->given[folder] : from) + 1;

	return n <= to ? n : 0;
}

static void
give_to(const struct state *state, struct steps *steps, int worker)
{
	int folder = tree_folder(worker, state->worker[worker]), held = 0;
	int n = next_number(state, folder);

	for (int task = 0; task < setup.tasks; task++)
		held += knows_claim_in(state, task, folder);
	if (held >= AHEAD || is_unsettled(state, folder))
		return;
	if (!n) {
		steps->bounds = true;
		return;
	}
	for (int task = 0; task < setup.tasks; task++)
		if (state->memory[task].knows == KNOWS_WAITING && !(state->memory[task].wish & WISH_READ))
			send_assign(state, steps, folder, task, n);
}

/* The assign is carried out, and answered. */
static void
answer(const struct state *state, struct steps *steps, enum loss loss)
{
	struct state next = *state;
	int task = state->assign_task;
	struct claim claim = state->assign_claim;
	enum assign_outcome outcome = assign_outcome(state, task, claim);

	if (loss)
		next.budget[FAULT_LOST_LEADER]--;
	if (loss != LOSS_REQUEST && outcome == ASSIGN_APPLIED)
		assign_apply(&next, steps, task, claim);
	if (loss) {
		next.assign = ASSIGN_UNKNOWN;
		if (!setup.freeze) {
			assign_over(&next);
			learn(&next, task, KNOWS_WAITING);
		}
	} else {
		assign_over(&next);
		if (outcome == ASSIGN_APPLIED)
			learn_claim(&next, task, claim);
		else if (outcome == ASSIGN_NO_TASK)
			learn(&next, task, KNOWS_OVER);
		else
			next.worker[tree_worker(claim_folder(claim))] = 0;
	}
	steps_take(steps, &next, loss, "leader: the assign of t%d is %s%s", task,
	    outcome == ASSIGN_APPLIED ? "applied" : "refused", loss_words(loss));
}

/* After an unknown outcome its task is frozen until listing and report have been read. */
static void
find_out(const struct state *state, struct steps *steps)
{
	struct state next = *state;
	int task = state->assign_task;
	struct claim claim = state->assign_claim;
	int folder = claim_folder(claim);
	const char *what = "not applied";

	assign_over(&next);
	if (claim_same(state->task[task].claim, claim)) {
		learn_claim(&next, task, claim);
		what = "applied";
	} else if (setup.unkreport && tree_resolved(state, folder, claim.n)) {
		learn(&next, task, tree_returned(state, folder, claim.n) ? KNOWS_WAITING : KNOWS_OVER);
		what = "applied and resolved";
	} else {
		learn(&next, task, KNOWS_WAITING);
	}
	steps_take(steps, &next, false, "leader: the unknown assign of t%d was %s", task, what);
}

void
assign_step(const struct state *state, struct steps *steps)
{
	switch ((enum assign)state->assign) {
	case ASSIGN_NONE:
		for (int worker = 0; worker < WORKERS; worker++)
			if (state->worker[worker])
				give_to(state, steps, worker);
		break;
	case ASSIGN_SENT:
		answer(state, steps, LOSS_NONE);
		if (state->budget[FAULT_LOST_LEADER]) {
			answer(state, steps, LOSS_ANSWER);
			answer(state, steps, LOSS_REQUEST);
		}
		break;
	case ASSIGN_UNKNOWN:
		find_out(state, steps);
		break;
	}
}
