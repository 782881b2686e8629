/*
 * folders.c: the leader's view of the incarnations: their claims, their reports, the lost ones: zkq-znodes(7), "Two copies
 * never run at once".
 */
#include "dispatchers.h"

#include <string.h>

#define TOLD(...) steps_take(steps, &next, false, __VA_ARGS__)

void
list_folder(struct state *next, int folder)
{
	if (!tree_has(next, folder, FOLDER_THERE))
		return;
	for (int task = 0; task < setup.tasks; task++) {
		struct claim claim = next->task[task].claim;

		if (!claim_in(claim, folder))
			continue;
		learn_claim(next, task, claim);
		if (next->given[folder] < claim.n)
			next->given[folder] = claim.n;
	}
}

/* What the report says of a claim that it calls resolved. A new leader has yet to list the segments: they tell. */
static enum knowledge
resolved_as(const struct state *state, int folder, int n)
{
	if (state->phase != PHASE_LEADS)
		return KNOWS_NOTHING;
	return setup.returned && tree_returned(state, folder, n) ? KNOWS_WAITING : KNOWS_OVER;
}

void
read_report(struct state *next, int folder)
{
	int highest = tree_highest_resolved(next, folder);

	if (!tree_has(next, folder, FOLDER_THERE))
		return;
	if (next->given[folder] < highest)
		next->given[folder] = (uint8_t)highest;
	for (int task = 0; task < setup.tasks; task++) {
		int n = next->memory[task].claim.n;

		if (knows_claim_in(next, task, folder) && tree_resolved(next, folder, n))
			learn(next, task, resolved_as(next, folder, n));
	}
}

static void
look_at_worker(const struct state *state, struct steps *steps, int worker)
{
	struct state next = *state;
	int life = tree_registered(state, worker);

	if (state->worker[worker] == life)
		return;
	next.worker[worker] = (uint8_t)life;
	if (life)
		next.missing[tree_folder(worker, life)] = next.sight[tree_folder(worker, life)] = 0;
	TOLD("leader: sees worker %d %s", worker, life ? "registered" : "gone");
}

static void
look_at_report(const struct state *state, struct steps *steps, int folder)
{
	struct state next = *state;

	read_report(&next, folder);
	if (memcmp(next.memory, state->memory, sizeof next.memory) != 0)
		TOLD("leader: reads the report of %d.%d", tree_worker(folder), tree_life(folder));
}

static bool
is_present(const struct state *state, int folder, uint8_t version_plus_1)
{
	return version_plus_1 == state->folder[folder].version + 1;
}

static bool
sight_is_fresh(const struct state *state, int folder)
{
	return is_present(state, folder, state->sight[folder]);
}

/* First live-<r> is found missing ... */
static void
find_missing(const struct state *state, struct steps *steps, int folder)
{
	struct state next = *state;

	if (tree_has(state, folder, FOLDER_LIVE) || sight_is_fresh(state, folder) ||
	    is_present(state, folder, state->missing[folder]))
		return;
	next.missing[folder] = state->folder[folder].version + 1;
	TOLD("leader: finds that %d.%d has no session", tree_worker(folder), tree_life(folder));
}

/* ... then the folder is read, and its version is the sight, unless it has registered meanwhile. lost_after begins. */
static void
take_sight(const struct state *state, struct steps *steps, int folder)
{
	struct state next = *state;

	if (!state->missing[folder])
		return;
	next.missing[folder] = 0;
	if (!setup.sightorder || is_present(state, folder, state->missing[folder]))
		next.sight[folder] = state->folder[folder].version + 1;
	TOLD("leader: reads the folder of %d.%d: %s", tree_worker(folder), tree_life(folder),
	    next.sight[folder] ? "lost_after begins" : "it has registered again");
}

/* Whether lost_after may have passed since the sight: not while it guards the lease of the session that was lost. */
static bool
lost_after_is_over(const struct state *state, int folder)
{
	return !sight_is_fresh(state, folder) || !tree_has(state, folder, FOLDER_LEASE) || tree_has(state, folder, FOLDER_LIVE);
}

static void
take_claim(struct state *next, int task)
{
	struct task *revoked = &next->task[task];
	bool lost = task == setup.atmostonce && revoked->flags & TASK_STARTED;

	tree_record_run(next, task);
	tree_unclaim(next, task);
	if (lost && revoked->place == PLACE_TASKS)
		revoked->place = PLACE_DONE;
}

/* Revoke: multi[check candidate, check the folder at the version of the sight, delete claim, retry record]; a marked claim
 * of an at-most-once task ends as lost. */
static void
revoke(const struct state *state, struct steps *steps, int folder, int task, enum loss loss)
{
	struct state next = *state;
	bool refused = setup.revver && !sight_is_fresh(state, folder);

	if (loss) {
		next.budget[FAULT_LOST_LEADER]--;
		next.unsettled = setup.settle ? (uint8_t)(folder + 1) : 0;
	}
	if (refused && !loss)
		next.sight[folder] = 0;
	if (!refused && loss != LOSS_REQUEST)
		take_claim(&next, task);
	if (!refused && !loss)
		learn(&next, task, next.task[task].place == PLACE_TASKS ? KNOWS_WAITING : KNOWS_OVER);
	steps_take(steps, &next, loss, "leader: revoke of the claim of t%d of %d.%d: %s%s", task, tree_worker(folder),
	    tree_life(folder), refused ? "refused, it came back" : "applied", loss_words(loss));
}

/* After an unknown outcome: listing and report of the folder; a claim in neither is gone, and its task in doubt. */
static void
settle(const struct state *state, struct steps *steps, int folder)
{
	struct state next = *state;

	next.unsettled = 0;
	for (int task = 0; task < setup.tasks; task++) {
		struct claim claim = state->memory[task].claim;

		if (!knows_claim_in(state, task, folder) || claim_same(state->task[task].claim, claim))
			continue;
		learn(&next, task, tree_resolved(state, folder, claim.n) ? resolved_as(state, folder, claim.n) : KNOWS_DOUBT);
	}
	TOLD("leader: reads listing and report of %d.%d after the unknown revoke", tree_worker(folder), tree_life(folder));
}

static void
tend_lost(const struct state *state, struct steps *steps, int folder)
{
	bool over = lost_after_is_over(state, folder);

	for (int task = 0; task < setup.tasks; task++) {
		bool there = claim_same(state->task[task].claim, state->memory[task].claim);

		if (!knows_claim_in(state, task, folder))
			continue;
		if (!there || (setup.waittimer && task != setup.overlap && !over))
			continue;
		revoke(state, steps, folder, task, LOSS_NONE);
		if (state->budget[FAULT_LOST_LEADER] && !state->unsettled) {
			revoke(state, steps, folder, task, LOSS_ANSWER);
			revoke(state, steps, folder, task, LOSS_REQUEST);
		}
	}
}

static bool
is_empty(const struct state *state, int folder)
{
	for (int task = 0; task < setup.tasks; task++)
		if (claim_in(state->task[task].claim, folder) || knows_claim_in(state, task, folder))
			return false;
	return true;
}

/* multi[check candidate, delete the folder at the version of the sight]. It can come back: an incarnation that registers
 * again makes it anew. Then its versions begin anew as well, but the sight has gone with the folder. */
static void
delete_folder(const struct state *state, struct steps *steps, int folder)
{
	struct state next = *state;
	struct folder *deleted = &next.folder[folder];

	deleted->flags &= (uint8_t)~FOLDER_THERE;
	memset(deleted->resolved, 0, sizeof deleted->resolved);
	memset(deleted->returned, 0, sizeof deleted->returned);
	next.missing[folder] = next.sight[folder] = 0;
	if (!setup.keepnext)
		next.given[folder] = 0;
	TOLD("leader: deletes the folder of %d.%d", tree_worker(folder), tree_life(folder));
}

static bool
is_dead(const struct state *state, int folder)
{
	if (!setup.foldlive)
		return state->worker[tree_worker(folder)] != tree_life(folder);
	return !tree_has(state, folder, FOLDER_LIVE) && sight_is_fresh(state, folder) && lost_after_is_over(state, folder);
}

static void
folder_step(const struct state *state, struct steps *steps, int folder)
{
	if (!tree_has(state, folder, FOLDER_THERE))
		return;
	look_at_report(state, steps, folder);
	find_missing(state, steps, folder);
	take_sight(state, steps, folder);
	if (is_unsettled(state, folder)) {
		settle(state, steps, folder);
		return;
	}
	if (state->sight[folder])
		tend_lost(state, steps, folder);
	if (is_dead(state, folder) && is_empty(state, folder))
		delete_folder(state, steps, folder);
}

void
folders_step(const struct state *state, struct steps *steps)
{
	for (int worker = 0; worker < WORKERS; worker++)
		look_at_worker(state, steps, worker);
	for (int folder = 0; folder < setup_folders(); folder++)
		folder_step(state, steps, folder);
}
