/*
 * wishes.c: the leader and the cancel requests of people: zkq-znodes(7), "Leader", and zkq-cancel(1).
 */
#include "dispatchers.h"

#define TOLD(...) steps_take(steps, &next, false, __VA_ARGS__)

void
read_wishes(struct state *next)
{
	for (int task = 0; task < setup.tasks; task++)
		if (next->task[task].flags & TASK_CANCEL)
			next->memory[task].wish |= WISH_READ;
}

static void
fulfilled(struct state *next, int task)
{
	next->task[task].flags &= (uint8_t)~TASK_CANCEL;
	next->memory[task].wish = 0;
}

/* multi[check candidate, delete task, delete cancel, create done] */
static void
end_waiting(const struct state *state, struct steps *steps, int task, enum loss loss)
{
	struct state next = *state;
	bool there = state->task[task].place == PLACE_TASKS;

	if (loss)
		next.budget[FAULT_LOST_LEADER]--;
	if (there && state->task[task].claim.folder)
		steps->broken = "a cancel ended a claimed task";
	if (there) {
		next.task[task].place = PLACE_DONE;
		fulfilled(&next, task);
	}
	learn(&next, task, loss ? KNOWS_DOUBT : KNOWS_OVER);
	steps_take(steps, &next, loss, "leader: ends the waiting t%d as cancelled: %s%s", task, there ? "applied" : "refused",
	    loss_words(loss));
}

/* multi[check candidate, check claim, create order] */
static void
order_kill(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;

	next.task[task].flags |= TASK_KILL;
	TOLD("leader: orders the claim of t%d to be killed", task);
}

/* Its segment is listed after the request was read: there is no such task, or here it is. */
static void
look_for_task(const struct state *state, struct steps *steps, int task)
{
	struct state next = *state;
	bool there = state->task[task].place == PLACE_TASKS;

	if (there && setup.cancellist) {
		learn(&next, task, KNOWS_WAITING);
		steps_take(steps, &next, state->memory[task].knows == KNOWS_OVER, "leader: is to cancel t%d, and lists it", task);
		return;
	}
	if (there)
		steps->broken = "a cancel request was dropped while its task lived";
	fulfilled(&next, task);
	TOLD("leader: drops the request to cancel t%d", task);
}

static void
cancel_step(const struct state *state, struct steps *steps, int task)
{
	const struct task *there = &state->task[task];

	switch ((enum knowledge)state->memory[task].knows) {
	case KNOWS_WAITING:
		end_waiting(state, steps, task, LOSS_NONE);
		if (state->budget[FAULT_LOST_LEADER])
			end_waiting(state, steps, task, LOSS_ANSWER);
		break;
	case KNOWS_CLAIMED:
		if (!(there->flags & TASK_KILL) && claim_same(there->claim, state->memory[task].claim))
			order_kill(state, steps, task);
		break;
	case KNOWS_DOUBT:
		break;
	default:
		look_for_task(state, steps, task);
		break;
	}
}

void
wishes_step(const struct state *state, struct steps *steps)
{
	struct state next = *state;
	bool news = false;

	for (int task = 0; task < setup.tasks; task++) {
		if (!(state->task[task].flags & TASK_CANCEL))
			continue;
		if (state->memory[task].wish & WISH_READ)
			cancel_step(state, steps, task);
		else
			news = true;
	}
	if (news) {
		read_wishes(&next);
		TOLD("leader: reads the cancels");
	}
}
