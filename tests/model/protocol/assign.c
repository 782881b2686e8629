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
	bool live = setup.live ? tree_has(state, folder, FOLDER_LIVE) : tree_registered(state, tree_worker(folder));

	if (!tree_has(state, folder, FOLDER_THERE) || !live)
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
	next->task[task].claim = claim;
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
	next.next_n[folder] = (uint8_t)(n + 1);
	steps_take(steps, &next, false, "leader: assigns t%d to %d.%d, claim %d", task, tree_worker(folder), tree_life(folder), n);
}

static void
give_to(const struct state *state, struct steps *steps, int worker)
{
	int folder = tree_folder(worker, state->worker[worker]), held = 0;
	int n = state->next_n[folder] ? state->next_n[folder] : 1;

	for (int task = 0; task < setup.tasks; task++)
		held += knows_claim_in(state, task, folder);
	if (held >= AHEAD)
		return;
	if (n > NUMBER_MAX) {
		steps->bounds = true;
		return;
	}
	for (int task = 0; task < setup.tasks; task++)
		if (state->memory[task].knows == KNOWS_WAITING)
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
