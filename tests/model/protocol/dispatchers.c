/*
 * dispatchers.c: two dispatchers of which the one with the lowest candidate leads: zkq-znodes(7), "Leader". What a new
 * leader reads when it takes over is read in separate steps; then segments.c and incarnations.c are its daily work.
 */
#include "dispatchers.h"

#include <string.h>

/* ---- the election ---- */

static void
forget_all(struct state *next)
{
	next->leader = 0;
	next->phase = PHASE_NOBODY;
	memset(next->memory, 0, sizeof next->memory);
	memset(next->reading, 0, sizeof next->reading);
	memset(next->read_to, 0, sizeof next->read_to);
	memset(next->sight, 0, sizeof next->sight);
	memset(next->worker, 0, sizeof next->worker);
	/* Numbers that are unique over all leaders are no memory of one. */
	if (!setup.fencenum)
		memset(next->next_n, 0, sizeof next->next_n);
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
	next.leader = (uint8_t)(dispatcher + 1);
	next.phase = PHASE_TAKING_OVER;
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

enum part { PART_WORKERS, PART_CLAIMS_0, PART_CLAIMS_1, PART_REPORTS, PART_SEGMENTS, PARTS };

static enum part
part_of(int phase)
{
	static const enum part order[] = { PART_WORKERS, PART_CLAIMS_0, PART_CLAIMS_1, PART_REPORTS, PART_SEGMENTS };
	static const enum part segments_first[] = { PART_WORKERS, PART_SEGMENTS, PART_CLAIMS_0, PART_CLAIMS_1, PART_REPORTS };
	static const enum part reports_first[] = { PART_WORKERS, PART_REPORTS, PART_CLAIMS_0, PART_CLAIMS_1, PART_SEGMENTS };
	int index = phase - PHASE_TAKING_OVER;

	return !setup.claimsfirst ? segments_first[index] : !setup.nextn ? reports_first[index] : order[index];
}

static void
read_reports(struct state *next)
{
	for (int folder = 0; folder < setup_folders(); folder++) {
		int n = tree_highest_resolved(next, folder) + 1;

		if (!setup.fencenum && tree_has(next, folder, FOLDER_THERE) && next->next_n[folder] < n)
			next->next_n[folder] = (uint8_t)n;
		read_report(next, folder);
	}
}

static void
read_part(const struct state *state, struct steps *steps)
{
	static const char *const words[] = { "the workers", "claims of worker 0", "claims of worker 1", "the reports",
		"that there are no more segments" };
	struct state next = *state;
	enum part part = part_of(state->phase);
	int unread;

	switch (part) {
	case PART_WORKERS:
		for (int worker = 0; worker < WORKERS; worker++)
			next.worker[worker] = (uint8_t)tree_registered(state, worker);
		break;
	case PART_CLAIMS_0:
	case PART_CLAIMS_1:
		for (int life = 1; life <= setup.lives; life++)
			list_folder(&next, tree_folder(part - PART_CLAIMS_0, life));
		break;
	case PART_REPORTS:
		read_reports(&next);
		break;
	default:
		unread = segment_unread(state);
		if (unread < SEGMENTS) {
			list_segment(&next, unread);
			steps_take(steps, &next, false, "leader: taking over, lists segment %d", unread);
			return;
		}
		break;
	}
	next.phase = state->phase - PHASE_TAKING_OVER + 1 == PARTS ? PHASE_LEADS : state->phase + 1;
	steps_take(steps, &next, false, "leader: taking over, reads %s", words[part]);
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
		read_part(state, steps);
		return;
	}
	/* One session: what it sends later is applied later, so nothing is between an assign and its answer. */
	if (!state->assign) {
		segments_step(state, steps);
		folders_step(state, steps);
		cancels_step(state, steps);
	}
	assign_step(state, steps);
}
