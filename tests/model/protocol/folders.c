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
		if (!setup.fencenum && next->next_n[folder] <= claim.n)
			next->next_n[folder] = claim.n + 1;
	}
}

void
read_report(struct state *next, int folder)
{
	if (!tree_has(next, folder, FOLDER_THERE) || (!setup.reportfolder && !tree_has(next, folder, FOLDER_LIVE)))
		return;
	for (int task = 0; task < setup.tasks; task++) {
		int n = next->memory[task].claim.n;

		if (!knows_claim_in(next, task, folder) || !tree_resolved(next, folder, n))
			continue;
		bool waits = setup.returned ? tree_returned(next, folder, n) :
		    next->task[task].retries && next->task[task].place == PLACE_TASKS;
		learn(next, task, waits ? KNOWS_WAITING : KNOWS_OVER);
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
		next.sight[tree_folder(worker, life)] = 0;
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
sight_is_fresh(const struct state *state, int folder)
{
	return state->sight[folder] == state->folder[folder].version + 1;
}

static void
find_dead(const struct state *state, struct steps *steps, int folder)
{
	struct state next = *state;

	if (tree_has(state, folder, FOLDER_LIVE) || sight_is_fresh(state, folder))
		return;
	next.sight[folder] = state->folder[folder].version + 1;
	TOLD("leader: finds %d.%d dead, lost_after begins", tree_worker(folder), tree_life(folder));
}

/* Without reports that outlive their session it can only look at the task. */
static void
miss_claim(const struct state *state, struct steps *steps, int folder, int task)
{
	struct state next = *state;

	learn(&next, task, state->task[task].place == PLACE_TASKS ? KNOWS_WAITING : KNOWS_OVER);
	TOLD("leader: the claim of t%d is gone from the dead %d.%d", task, tree_worker(folder), tree_life(folder));
}

/* Revoke: multi[check candidate, check the folder at the version of the sight, delete claim, retry record]. */
static void
revoke(const struct state *state, struct steps *steps, int folder, int task)
{
	struct state next = *state;
	struct task *revoked = &next.task[task];
	bool over = !tree_has(state, folder, FOLDER_LEASE) || !sight_is_fresh(state, folder);

	if (setup.waittimer && task != setup.overlap && !over)
		return;
	if (setup.revver && !sight_is_fresh(state, folder)) {
		next.sight[folder] = 0;
		TOLD("leader: revoke refused, %d.%d came back", tree_worker(folder), tree_life(folder));
		return;
	}
	bool lost = task == setup.atmostonce && (!setup.amostart || revoked->flags & TASK_STARTED);
	bool there = revoked->place == PLACE_TASKS;
	tree_unclaim(&next, task);
	if (lost && there)
		revoked->place = PLACE_DONE;
	if (!lost)
		tree_count_attempt(&next, task);
	learn(&next, task, there && !lost ? KNOWS_WAITING : KNOWS_OVER);
	TOLD("leader: revokes the claim of t%d from %d.%d%s", task, tree_worker(folder), tree_life(folder),
	    lost ? ", at most once: it ends as lost" : "");
}

static void
tend_lost(const struct state *state, struct steps *steps, int folder)
{
	bool live = tree_has(state, folder, FOLDER_LIVE);

	for (int task = 0; task < setup.tasks; task++) {
		bool there = claim_in(state->task[task].claim, folder);

		if (!live && !setup.reportfolder && knows_claim_in(state, task, folder) && !there)
			miss_claim(state, steps, folder, task);
		if (there)
			revoke(state, steps, folder, task);
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

static void
delete_folder(const struct state *state, struct steps *steps, int folder)
{
	struct state next = *state;
	struct folder *deleted = &next.folder[folder];

	deleted->flags &= (uint8_t)~FOLDER_THERE;
	memset(deleted->resolved, 0, sizeof deleted->resolved);
	memset(deleted->returned, 0, sizeof deleted->returned);
	next.next_n[folder] = next.sight[folder] = 0;
	TOLD("leader: deletes the folder of %d.%d", tree_worker(folder), tree_life(folder));
}

static void
folder_step(const struct state *state, struct steps *steps, int folder)
{
	int worker = tree_worker(folder);
	bool dead = setup.foldlive ? !tree_has(state, folder, FOLDER_LIVE) && state->sight[folder] :
	    state->worker[worker] != tree_life(folder);

	if (!tree_has(state, folder, FOLDER_THERE))
		return;
	look_at_report(state, steps, folder);
	find_dead(state, steps, folder);
	if (state->sight[folder])
		tend_lost(state, steps, folder);
	if (dead && is_empty(state, folder))
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
