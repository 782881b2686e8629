/*
 * dispatchers.c: two dispatchers of which the one with the lowest candidate leads: zkq-znodes(7), "Leader". What a new
 * leader reads when it takes over is read in separate steps; then segments.c, folders.c, assign.c and wishes.c are its
 * daily work.
 */
#include "dispatchers.h"

#include <string.h>

#define TOLD(...) steps_take(steps, &next, false, __VA_ARGS__)

/* ---- the election ---- */

static void
forget_all(struct state *next)
{
	next->leader = 0;
	next->phase = PHASE_NOBODY;
	memset(next->memory, 0, sizeof next->memory);
	memset(next->reading, 0, sizeof next->reading);
	memset(next->given, 0, sizeof next->given);
	memset(next->missing, 0, sizeof next->missing);
	memset(next->sight, 0, sizeof next->sight);
	memset(next->worker, 0, sizeof next->worker);
	next->unsettled = 0;
	assign_over(next);
}

static void
stand(const struct state *state, struct steps *steps, int dispatcher)
{
	struct state next = *state;

	next.candidate[dispatcher] = state->candidate[!dispatcher] ? 2 : 1;
	steps_take(steps, &next, false, "dispatcher %d: creates its candidate", dispatcher);
}

static void
lead(const struct state *state, struct steps *steps, int dispatcher)
{
	struct state next = *state;

	forget_all(&next);
	next.term++;
	next.leader = (uint8_t)(dispatcher + 1);
	next.phase = PHASE_NOTHING;
	for (int task = 0; task < setup.tasks; task++)
		next.memory[task].wish = state->task[task].flags & TASK_CANCEL ? WISH_OLD : 0;
	steps_take(steps, &next, false, "dispatcher %d: finds itself lowest and leads", dispatcher);
}

static void
expire(const struct state *state, struct steps *steps, int dispatcher)
{
	struct state next = *state;

	next.budget[FAULT_EXPIRE_LEADER]--;
	next.candidate[dispatcher] = 0;
	if (next.candidate[!dispatcher])
		next.candidate[!dispatcher] = 1;
	if (!setup.leadercheck && state->assign == ASSIGN_SENT) {
		next.late = 1;
		next.late_task = state->assign_task;
		next.late_claim = state->assign_claim;
	}
	forget_all(&next);
	steps_take(steps, &next, true, "dispatcher %d: its session expires", dispatcher);
}

static void
election_step(const struct state *state, struct steps *steps, int dispatcher)
{
	bool leads = state->leader == dispatcher + 1;

	if (!state->candidate[dispatcher])
		stand(state, steps, dispatcher);
	else if (state->candidate[dispatcher] == 1 && !leads)
		lead(state, steps, dispatcher);
	else if (leads && state->budget[FAULT_EXPIRE_LEADER])
		expire(state, steps, dispatcher);
}

/* What a leader sent whose session is over comes late. */
static void
late_assign(const struct state *state, struct steps *steps)
{
	struct state next = *state;

	next.late = next.late_task = 0;
	memset(&next.late_claim, 0, sizeof next.late_claim);
	if (assign_outcome(&next, state->late_task, state->late_claim) == ASSIGN_APPLIED)
		assign_apply(&next, steps, state->late_task, state->late_claim);
	steps_take(steps, &next, false, "the old leader's assign of t%d arrives", state->late_task);
}

/* ---- taking over ---- */

/* Claims before segments, and each folder's listing before its report; cancels last, but before anything is given out.
 * (The model sees no harm in another order of the first four: an assign checks its task, and no number is used twice.) */

static void
read_workers(const struct state *state, struct steps *steps)
{
	struct state next = *state;

	for (int worker = 0; worker < WORKERS; worker++)
		next.worker[worker] = (uint8_t)tree_registered(state, worker);
	next.phase = PHASE_WORKERS;
	TOLD("leader: taking over, reads the workers");
}

/* phase: what has been read when this worker's claims have been. */
static void
read_claims(const struct state *state, struct steps *steps, int worker, enum phase phase)
{
	struct state next = *state;

	for (int life = 1; life <= setup.lives; life++)
		list_folder(&next, tree_folder(worker, life));
	next.phase = (uint8_t)phase;
	TOLD("leader: taking over, lists the claims of worker %d", worker);
}

static void
read_reports(const struct state *state, struct steps *steps)
{
	struct state next = *state;

	for (int folder = 0; folder < setup_folders(); folder++)
		read_report(&next, folder);
	next.phase = PHASE_REPORTS;
	TOLD("leader: taking over, reads the reports");
}

static void
read_segments(const struct state *state, struct steps *steps)
{
	struct state next = *state;
	int unread = segment_unread(state);

	if (unread < setup.segments) {
		list_segment(&next, unread);
		TOLD("leader: taking over, lists segment %d", unread);
		return;
	}
	next.phase = setup.wishesfirst ? PHASE_SEGMENTS : PHASE_LEADS;
	TOLD("leader: taking over, there are no more segments");
}

static void
read_cancels(const struct state *state, struct steps *steps)
{
	struct state next = *state;

	read_wishes(&next);
	next.phase = PHASE_LEADS;
	TOLD("leader: taking over, reads the cancels, and leads");
}

static void
take_over(const struct state *state, struct steps *steps)
{
	switch ((enum phase)state->phase) {
	case PHASE_NOTHING:
		read_workers(state, steps);
		break;
	case PHASE_WORKERS:
		read_claims(state, steps, 0, PHASE_CLAIMS_0);
		read_claims(state, steps, 1, PHASE_CLAIMS_1);
		break;
	case PHASE_CLAIMS_0:
		read_claims(state, steps, 1, PHASE_CLAIMS);
		break;
	case PHASE_CLAIMS_1:
		read_claims(state, steps, 0, PHASE_CLAIMS);
		break;
	case PHASE_CLAIMS:
		read_reports(state, steps);
		break;
	case PHASE_REPORTS:
		read_segments(state, steps);
		break;
	case PHASE_SEGMENTS:
		read_cancels(state, steps);
		break;
	default:
		break;
	}
}

void
dispatchers_step(const struct state *state, struct steps *steps)
{
	for (int dispatcher = 0; dispatcher < DISPATCHERS; dispatcher++)
		election_step(state, steps, dispatcher);
	if (state->late)
		late_assign(state, steps);
	if (!state->leader)
		return;
	if (state->phase != PHASE_LEADS) {
		take_over(state, steps);
		return;
	}
	/* One session: what it sends later is applied later, so nothing is between an assign and its answer. */
	if (!state->assign) {
		segments_step(state, steps);
		folders_step(state, steps);
		wishes_step(state, steps);
	}
	assign_step(state, steps);
}
