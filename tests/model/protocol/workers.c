/*
 * workers.c: two workers: zkq-znodes(7), "Workers" and "Two copies never run at once". A worker's process has a session or
 * none; its tasks run on without one until their lease is over.
 */
#include "steps.h"
#include "tree.h"

#include <string.h>

#define VERSION_MAX 14

/* One worker as its steps see it. */
struct view {
	const struct state *state;
	struct steps *steps;
	int worker;
	int life;		/* of its process; its folder is that of this life */
	int folder;
	int registered;		/* the life that has a live-<r>, 0: none */
	bool can_write;		/* the process lives and has a session */
};

static void
forget(struct state *next, int worker, int task)
{
	next->attempt[worker][task] = ATTEMPT_NONE;
	memset(&next->held[worker][task], 0, sizeof next->held[worker][task]);
}

static bool
holds_its_claim(const struct view *view, int task)
{
	return view->state->attempt[view->worker][task] &&
	    claim_same(view->state->task[task].claim, view->state->held[view->worker][task]);
}

/* ---- sessions and processes ---- */

static void
session_ends(const struct view *view)
{
	struct state next = *view->state;

	next.folder[tree_folder(view->worker, view->registered)].flags &= (uint8_t)~FOLDER_LIVE;
	if (view->state->process[view->worker])
		next.budget[FAULT_EXPIRE_WORKER]--;
	steps_take(view->steps, &next, view->state->process[view->worker], "worker %d.%d: its session ends, %s", view->worker,
	    view->registered, view->state->process[view->worker] ? "its process lives on" : "the process was dead");
}

static void
crash(const struct view *view)
{
	struct state next = *view->state;

	if (view->life == setup.lives) {
		view->steps->bounds = true;
		return;
	}
	next.budget[FAULT_CRASH]--;
	next.process[view->worker] = 0;
	next.life[view->worker]++;
	for (int task = 0; task < setup.tasks; task++)
		forget(&next, view->worker, task);
	steps_take(view->steps, &next, true, "worker %d.%d: crashes with all its tasks", view->worker, view->life);
}

static void
process_starts(const struct view *view)
{
	struct state next = *view->state;

	next.process[view->worker] = 1;
	steps_take(view->steps, &next, false, "worker %d.%d: its process starts", view->worker, view->life);
}

/* Register: multi[create live-<r>, set the report at the expected version], in a new folder or the old one. */
static void
do_register(const struct view *view)
{
	struct state next = *view->state;
	int folder = view->folder, worker = view->worker;
	bool known = view->state->folder[folder].version > 0;

	if (known && (!setup.sameinc || !tree_has(view->state, folder, FOLDER_THERE))) {
		if (view->life >= setup.lives) {
			view->steps->bounds = true;
			return;
		}
		next.life[worker]++;
		folder = tree_folder(worker, view->life + 1);
		for (int task = 0; setup.sameinc && task < setup.tasks; task++)
			forget(&next, worker, task);
	}
	if (next.folder[folder].version >= VERSION_MAX)
		return;
	next.folder[folder].flags |= FOLDER_THERE | FOLDER_LIVE | FOLDER_LEASE;
	next.folder[folder].version++;
	for (int task = 0; setup.relistreg && task < setup.tasks; task++)
		if (next.attempt[worker][task] == ATTEMPT_SEEN)
			forget(&next, worker, task);
	steps_take(view->steps, &next, false, "worker %d: registers as life %d, registration %d", worker, tree_life(folder),
	    next.folder[folder].version);
}

/* The moment by which the runner has killed what is exclusive, and after which lost_after is over: kill_by comes before it
 * by the arithmetic of the lease, which is not the model's business. */
static void
lease_ends(const struct view *view, int life)
{
	struct state next = *view->state;
	int folder = tree_folder(view->worker, life);

	next.folder[folder].flags &= (uint8_t)~FOLDER_LEASE;
	for (int task = 0; (setup.leaseinc || !view->can_write) && task < setup.tasks; task++) {
		if (!claim_in(view->state->held[view->worker][task], folder) || !setup_exclusive(task))
			continue;
		if (view->state->attempt[view->worker][task] == ATTEMPT_RUNS)
			next.attempt[view->worker][task] = ATTEMPT_KILLED;
		else if (view->state->attempt[view->worker][task] == ATTEMPT_SEEN)
			forget(&next, view->worker, task);
	}
	steps_take(view->steps, &next, false, "worker %d.%d: kill_by and lost_after are over", view->worker, life);
}

/* A new life gives the claims of a dead one back at once. */
static void
hand_back(const struct view *view, int task)
{
	struct state next = *view->state;
	struct task *given = &next.task[task];
	int folder = claim_folder(given->claim), n = given->claim.n;

	if (task == setup.atmostonce && given->flags & TASK_STARTED) {
		given->place = PLACE_DONE;
		tree_resolve(&next, folder, n, false);
	} else {
		tree_resolve(&next, folder, n, given->place == PLACE_TASKS);
	}
	tree_unclaim(&next, task);
	next.folder[folder].version++;
	steps_take(view->steps, &next, false, "worker %d.%d: gives back the claim of t%d of its dead life %d", view->worker,
	    view->registered, task, tree_life(folder));
}

/* ---- from the listing to the end of the attempt ---- */

static void
see(const struct view *view, int task)
{
	struct state next = *view->state;

	next.attempt[view->worker][task] = ATTEMPT_SEEN;
	next.held[view->worker][task] = next.task[task].claim;
	steps_take(view->steps, &next, false, "worker %d.%d: sees claim %d of t%d", view->worker, view->life,
	    next.task[task].claim.n, task);
}

static void
ends(const struct view *view, int task, enum attempt how, bool fault, const char *why)
{
	struct state next = *view->state;

	next.attempt[view->worker][task] = (uint8_t)how;
	if (fault)
		next.budget[FAULT_FAIL]--;
	steps_take(view->steps, &next, false, "worker %d.%d: t%d %s", view->worker, view->life, task, why);
}

static void
start(const struct view *view, int task)
{
	const struct state *state = view->state;
	struct state next = *state;
	struct task *started = &next.task[task];

	if (task == setup.atmostonce)
		started->flags |= TASK_STARTED;
	next.attempt[view->worker][task] = ATTEMPT_RUNS;
	if (started->starts < 3)
		started->starts++;
	if (started->place == PLACE_DONE || started->place == PLACE_GONE)
		view->steps->broken = "a task was started after its result was recorded";
	else if (setup_exclusive(task) && !holds_its_claim(view, task) && task != setup.removable)
		view->steps->broken = "an exclusive task was started under a revoked claim";
	steps_take(view->steps, &next, false, "worker %d.%d: starts t%d", view->worker, view->life, task);
}

/* Return of what has not started: multi[check live-<r>, delete claim, set report]. */
static void
release(const struct view *view, int task)
{
	struct state next = *view->state;
	struct claim claim = view->state->held[view->worker][task];

	next.budget[FAULT_RELEASE]--;
	tree_unclaim(&next, task);
	tree_resolve(&next, claim_folder(claim), claim.n, true);
	forget(&next, view->worker, task);
	steps_take(view->steps, &next, false, "worker %d.%d: gives claim %d of t%d back unstarted", view->worker, view->life,
	    claim.n, task);
}

static void
seen(const struct view *view, int task)
{
	int folder = claim_folder(view->state->held[view->worker][task]);

	if (setup_exclusive(task) && !tree_has(view->state, folder, FOLDER_LEASE))
		return;
	if (task == setup.overlap && setup.startlease && !tree_has(view->state, folder, FOLDER_LIVE))
		return;
	if (task == setup.atmostonce && (!holds_its_claim(view, task) || (setup.finlive && !view->can_write)))
		return;
	start(view, task);
	if (view->state->budget[FAULT_RELEASE] && view->can_write && holds_its_claim(view, task) &&
	    !(view->state->task[task].flags & TASK_KILL))
		release(view, task);
}

/* ---- Finish and Return: multi[check live-<r>, (delete claim, delete task, create done) ..., set report] ---- */

static bool
has_ended(enum attempt attempt)
{
	return attempt == ATTEMPT_OK || attempt == ATTEMPT_FAILED || attempt == ATTEMPT_KILLED;
}

static void
record(struct state *next, int task, enum attempt attempt)
{
	struct claim claim = next->task[task].claim;
	bool there = next->task[task].place == PLACE_TASKS;

	tree_unclaim(next, task);
	tree_resolve(next, claim_folder(claim), claim.n, attempt != ATTEMPT_OK && there);
	if (there && attempt == ATTEMPT_OK)
		next->task[task].place = PLACE_DONE;
	else if (there && attempt == ATTEMPT_FAILED)
		tree_count_attempt(next, task);
}

static void
finish(const struct view *view, int task, enum loss loss)
{
	struct state next = *view->state;
	enum attempt attempt = view->state->attempt[view->worker][task];
	enum place place = view->state->task[task].place;
	int folder = claim_folder(view->state->held[view->worker][task]);
	bool mine = holds_its_claim(view, task), applied = false;

	if (loss)
		next.budget[FAULT_LOST_WORKER]--;
	if (loss != LOSS_REQUEST && mine) {
		applied = place == PLACE_TASKS || (place == PLACE_REMOVED && setup.finnonode);
		if (applied)
			record(&next, task, attempt);
	} else if (loss != LOSS_REQUEST && tree_has(view->state, folder, FOLDER_THERE)) {
		tree_resolve(&next, folder, view->state->held[view->worker][task].n, false);
	}
	if (loss)
		next.attempt[view->worker][task] = (uint8_t)(attempt - ATTEMPT_OK + ATTEMPT_OK_SENT);
	else if (!applied && mine)
		next.attempt[view->worker][task] = ATTEMPT_STRANDED;
	else
		forget(&next, view->worker, task);
	steps_take(view->steps, &next, loss, "worker %d.%d: finish of t%d: %s%s", view->worker, view->life, task,
	    applied ? "applied" : "not applied", loss_words(loss));
}

/* All that has ended, in one multi; refused ones leave it one by one, which finish() shows. */
static void
finish_all(const struct view *view, enum loss loss)
{
	struct state next = *view->state;

	if (loss)
		next.budget[FAULT_LOST_WORKER]--;
	for (int task = 0; task < setup.tasks; task++) {
		enum attempt attempt = view->state->attempt[view->worker][task];

		if (!has_ended(attempt))
			continue;
		record(&next, task, attempt);
		if (loss)
			next.attempt[view->worker][task] = (uint8_t)(attempt - ATTEMPT_OK + ATTEMPT_OK_SENT);
		else
			forget(&next, view->worker, task);
	}
	steps_take(view->steps, &next, loss, "worker %d.%d: finish of all that has ended%s", view->worker, view->life,
	    loss_words(loss));
}

static bool
is_a_batch(const struct view *view)
{
	int count = 0;

	for (int task = 0; task < setup.tasks; task++) {
		if (!has_ended(view->state->attempt[view->worker][task]))
			continue;
		if (!holds_its_claim(view, task) || view->state->task[task].place != PLACE_TASKS)
			return false;
		count++;
	}
	return count >= 2;
}

/* Of a finish whose outcome is unknown: the worker lists its own folder. */
static void
look_at_claim(const struct view *view, int task)
{
	struct state next = *view->state;
	bool there = holds_its_claim(view, task);

	if (there)
		next.attempt[view->worker][task] -= ATTEMPT_OK_SENT - ATTEMPT_OK;
	else
		forget(&next, view->worker, task);
	steps_take(view->steps, &next, false, "worker %d.%d: after the unknown finish, the claim of t%d is %s", view->worker,
	    view->life, task, there ? "there" : "gone");
}

/* The claim vanished without the worker's doing. */
static void
stop_revoked(const struct view *view, int task)
{
	struct state next = *view->state;
	struct claim claim = view->state->held[view->worker][task];

	forget(&next, view->worker, task);
	if (tree_has(view->state, claim_folder(claim), FOLDER_THERE))
		tree_resolve(&next, claim_folder(claim), claim.n, false);
	steps_take(view->steps, &next, false, "worker %d.%d: its claim of t%d is gone, stops it", view->worker, view->life, task);
}

/* A claim whose task was removed by hand, and which this worker has not seen before. */
static void
drop_taskless(const struct view *view, int task)
{
	struct state next = *view->state;

	tree_resolve(&next, view->folder, next.task[task].claim.n, false);
	tree_unclaim(&next, task);
	steps_take(view->steps, &next, false, "worker %d.%d: deletes the claim of t%d, which is gone", view->worker, view->life,
	    task);
}

static void
ended(const struct view *view, int task)
{
	finish(view, task, LOSS_NONE);
	if (view->state->budget[FAULT_LOST_WORKER]) {
		finish(view, task, LOSS_ANSWER);
		finish(view, task, LOSS_REQUEST);
	}
}

static void
holding(const struct view *view, int task)
{
	enum attempt attempt = view->state->attempt[view->worker][task];
	bool mine = holds_its_claim(view, task), stops = attempt == ATTEMPT_SEEN || attempt == ATTEMPT_RUNS;

	if (stops && view->can_write && mine && view->state->task[task].flags & TASK_KILL)
		ends(view, task, ATTEMPT_OK, false, "is stopped by an order");
	if (attempt == ATTEMPT_SEEN) {
		seen(view, task);
	} else if (attempt == ATTEMPT_RUNS) {
		ends(view, task, ATTEMPT_OK, false, "ends well");
		if (view->state->budget[FAULT_FAIL] && task != setup.atmostonce)
			ends(view, task, ATTEMPT_FAILED, true, "fails and will be tried again");
	} else if (has_ended(attempt) && view->can_write) {
		ended(view, task);
	} else if (attempt >= ATTEMPT_OK_SENT && attempt <= ATTEMPT_KILLED_SENT && view->can_write) {
		look_at_claim(view, task);
	}
	if (stops && view->can_write && !mine)
		stop_revoked(view, task);
	if (stops && view->can_write && mine && setup.finnonode && view->state->task[task].place == PLACE_REMOVED)
		ends(view, task, ATTEMPT_OK, false, "was removed by hand, it is stopped");
}

static void
task_step(const struct view *view, int task)
{
	const struct task *there = &view->state->task[task];
	bool listed = view->can_write && view->registered == view->life && claim_in(there->claim, view->folder);

	if (view->state->attempt[view->worker][task])
		holding(view, task);
	else if (listed && !tree_resolved(view->state, view->folder, there->claim.n))
		see(view, task);
	if (listed && setup.finnonode && there->place == PLACE_REMOVED && !view->state->attempt[view->worker][task])
		drop_taskless(view, task);
}

static void
process_step(const struct view *view)
{
	const struct state *state = view->state;

	if (view->registered && (!state->process[view->worker] || state->budget[FAULT_EXPIRE_WORKER]))
		session_ends(view);
	if (state->process[view->worker] && state->budget[FAULT_CRASH])
		crash(view);
	if (!state->process[view->worker] && !view->registered)
		process_starts(view);
	if (state->process[view->worker] && !view->registered)
		do_register(view);
	for (int life = 1; life <= setup.lives; life++) {
		int folder = tree_folder(view->worker, life);

		if (tree_has(state, folder, FOLDER_LEASE) && !tree_has(state, folder, FOLDER_LIVE))
			lease_ends(view, life);
	}
}

void
workers_step(const struct state *state, struct steps *steps)
{
	for (int worker = 0; worker < WORKERS; worker++) {
		struct view view = { .state = state, .steps = steps, .worker = worker, .life = state->life[worker] };

		view.folder = tree_folder(worker, view.life);
		view.registered = tree_registered(state, worker);
		view.can_write = view.registered && state->process[worker];
		process_step(&view);
		if (!state->process[worker])
			continue;
		for (int task = 0; task < setup.tasks; task++) {
			int folder = claim_folder(state->task[task].claim);

			if (setup.handback && setup.sameinc && setup.reportfolder && view.can_write && folder >= 0 &&
			    tree_worker(folder) == worker && tree_life(folder) < view.registered)
				hand_back(&view, task);
			task_step(&view, task);
		}
		if (view.can_write && is_a_batch(&view)) {
			finish_all(&view, LOSS_NONE);
			if (state->budget[FAULT_LOST_WORKER])
				finish_all(&view, LOSS_ANSWER);
		}
	}
}
