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

/* Of a process that lives on, or, by no fault but time's, what was left of a dead one. */
static void
session_ends(const struct view *view)
{
	struct state next = *view->state;

	next.folder[tree_folder(view->worker, view->registered)].flags &= (uint8_t)~FOLDER_LIVE;
	if (view->can_write)
		next.budget[FAULT_EXPIRE_WORKER]--;
	steps_take(view->steps, &next, view->can_write, "worker %d.%d: its session ends, %s", view->worker, view->registered,
	    view->can_write ? "its process lives on" : "the process was dead");
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

static bool
is_unstarted(enum attempt attempt)
{
	return attempt == ATTEMPT_SEEN || attempt == ATTEMPT_MARKED;
}

/* Register: multi[delete the live-<r> of a dead life, create live-<r>, create the folder or set its report]. A folder that
 * was deleted is made again, by a coordinator that may know nothing of it. */
static void
do_register(const struct view *view)
{
	struct state next = *view->state;
	int worker = view->worker;

	if (view->state->folder[view->folder].version && !setup.sameinc) {
		if (view->life >= setup.lives) {
			view->steps->bounds = true;
			return;
		}
		next.life[worker]++;
	}
	struct folder *folder = &next.folder[tree_folder(worker, next.life[worker])];
	if (folder->version >= VERSION_MAX)
		return;
	for (int life = 1; life <= setup.lives; life++)
		next.folder[tree_folder(worker, life)].flags &= (uint8_t)~FOLDER_LIVE;
	folder->flags = FOLDER_THERE | FOLDER_LIVE | FOLDER_LEASE;
	folder->version++;
	for (int task = 0; setup.relistreg && task < setup.tasks; task++)
		if (is_unstarted(next.attempt[worker][task]))
			forget(&next, worker, task);
	steps_take(view->steps, &next, false, "worker %d: registers as life %d, version %d of its folder", worker,
	    next.life[worker], folder->version);
}

/* The moment by which the runner has killed what is exclusive, and after which lost_after is over: that kill_by comes before
 * it is the arithmetic of the lease, which core/lease.h does and this model takes for granted. */
static void
lease_ends(const struct view *view, int life)
{
	struct state next = *view->state;
	int folder = tree_folder(view->worker, life);
	bool kills = setup.lease && !tree_has(view->state, folder, FOLDER_RENEWED);

	next.folder[folder].flags &= (uint8_t)~(FOLDER_LEASE | FOLDER_RENEWED);
	for (int task = 0; kills && task < setup.tasks; task++) {
		if (!claim_in(view->state->held[view->worker][task], folder) || !setup_exclusive(task))
			continue;
		if (view->state->attempt[view->worker][task] == ATTEMPT_RUNS)
			next.attempt[view->worker][task] = ATTEMPT_KILLED;
		else if (setup.startlease && is_unstarted(view->state->attempt[view->worker][task]))
			forget(&next, view->worker, task);
	}
	steps_take(view->steps, &next, false, "worker %d.%d: kill_by and lost_after are over", view->worker, life);
}

/* A new life gives the claims of a dead one back at once, in multi[check live-<r>, delete claim, create or set retry record,
 * set the old report]. Marked claims of at-most-once tasks it leaves to the leader. */
static void
hand_back(const struct view *view, int task)
{
	struct state next = *view->state;
	struct task *given = &next.task[task];
	int folder = claim_folder(given->claim);

	if (task == setup.atmostonce && given->flags & TASK_STARTED)
		return;
	tree_resolve(&next, folder, given->claim.n, given->place == PLACE_TASKS);
	tree_record_run(&next, task);
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
ends(const struct view *view, int task, enum attempt how, const char *why)
{
	struct state next = *view->state;

	next.attempt[view->worker][task] = (uint8_t)how;
	if (how == ATTEMPT_FAILED)
		next.budget[FAULT_FAIL]--;
	else if (how == ATTEMPT_DEAD)
		next.budget[FAULT_DEAD]--;
	steps_take(view->steps, &next, false, "worker %d.%d: t%d %s", view->worker, view->life, task, why);
}

/* multi[check live-<r>, set claim at version 0]; when it is marked already, it was by ourselves. */
static void
mark(const struct view *view, int task, enum loss loss)
{
	struct state next = *view->state;

	next.task[task].flags |= TASK_STARTED;
	if (loss)
		next.budget[FAULT_LOST_WORKER]--;
	else
		next.attempt[view->worker][task] = ATTEMPT_MARKED;
	steps_take(view->steps, &next, loss, "worker %d.%d: marks the claim of t%d started%s", view->worker, view->life, task,
	    loss_words(loss));
}

static void
start(const struct view *view, int task)
{
	struct state next = *view->state;
	struct task *started = &next.task[task];
	bool mine = holds_its_claim(view, task);

	next.attempt[view->worker][task] = ATTEMPT_RUNS;
	if (started->starts < 2)
		started->starts++;
	if (started->place == PLACE_DONE || started->place == PLACE_DEAD || started->place == PLACE_GONE)
		view->steps->broken = "a task was started after its result was recorded";
	else if (setup_exclusive(task) && !mine && started->place != PLACE_REMOVED)
		view->steps->broken = "an exclusive task was started under a revoked claim";
	else if (mine && setup.runs && started->run && started->ran >> (started->run - 1) & 1)
		view->steps->broken = "two attempts of a task have the same number";
	if (mine && started->run)
		started->ran |= (uint8_t)(1 << (started->run - 1));
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

/* Exclusive: while now < kill_by. Overlap: while the last proof is younger than a session can be without one. */
static bool
may_start(const struct view *view, int task)
{
	int needs = setup_exclusive(task) ? FOLDER_LEASE : FOLDER_LIVE;

	return !setup.startlease || tree_has(view->state, claim_folder(view->state->held[view->worker][task]), needs);
}

static void
unstarted(const struct view *view, int task)
{
	bool mine = view->can_write && holds_its_claim(view, task);
	bool needs_mark = task == setup.atmostonce && setup.amostart &&
	    view->state->attempt[view->worker][task] != ATTEMPT_MARKED;

	if (needs_mark && mine) {
		mark(view, task, LOSS_NONE);
		if (view->state->budget[FAULT_LOST_WORKER])
			mark(view, task, LOSS_ANSWER);
	}
	if (!needs_mark && may_start(view, task))
		start(view, task);
	if (mine && view->state->budget[FAULT_RELEASE] && !(view->state->task[task].flags & TASK_KILL))
		release(view, task);
}

/* ---- Finish and Return: multi[check live-<r>, (delete claim, delete task, create done) ..., set report] ---- */

static bool
has_ended(enum attempt attempt)
{
	return attempt >= ATTEMPT_OK && attempt <= ATTEMPT_DEAD;
}

/* What it does to the tree, once it is applied. */
static void
record(struct state *next, int task, enum attempt attempt)
{
	struct claim claim = next->task[task].claim;
	bool there = next->task[task].place == PLACE_TASKS;
	/* Started at most once means that it ends here, whatever stopped it. */
	bool ends = attempt == ATTEMPT_OK || attempt == ATTEMPT_DEAD ||
	    (attempt == ATTEMPT_KILLED && task == setup.atmostonce);

	if (!ends && (attempt == ATTEMPT_FAILED || setup.runkept))
		tree_record_run(next, task);
	tree_unclaim(next, task);
	tree_resolve(next, claim_folder(claim), claim.n, !ends && there);
	if (there && ends)
		next->task[task].place = attempt == ATTEMPT_DEAD ? PLACE_DEAD : PLACE_DONE;
}

static void
finish(const struct view *view, int task, enum loss loss)
{
	struct state next = *view->state;
	enum attempt attempt = view->state->attempt[view->worker][task];
	enum place place = view->state->task[task].place;
	struct claim claim = view->state->held[view->worker][task];
	bool mine = holds_its_claim(view, task), applied = false;

	if (loss)
		next.budget[FAULT_LOST_WORKER]--;
	if (loss != LOSS_REQUEST && mine) {
		applied = place == PLACE_TASKS || (place == PLACE_REMOVED && setup.finnonode);
		if (applied)
			record(&next, task, attempt);
	} else if (!loss && tree_has(view->state, claim_folder(claim), FOLDER_THERE)) {
		tree_resolve(&next, claim_folder(claim), claim.n, setup.vanreturn);	/* refused; the next report tells */
	}
	if (!view->can_write && applied)
		next.folder[claim_folder(claim)].flags |= FOLDER_RENEWED;
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
		tree_resolve(&next, claim_folder(claim), claim.n, setup.vanreturn);
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
	bool mine = holds_its_claim(view, task), stops = is_unstarted(attempt) || attempt == ATTEMPT_RUNS;

	if (stops && view->can_write && mine && view->state->task[task].flags & TASK_KILL)
		ends(view, task, ATTEMPT_OK, "is stopped by an order");
	if (is_unstarted(attempt)) {
		unstarted(view, task);
	} else if (attempt == ATTEMPT_RUNS) {
		ends(view, task, ATTEMPT_OK, "ends well");
		if (view->state->budget[FAULT_FAIL] && task != setup.atmostonce)
			ends(view, task, ATTEMPT_FAILED, "fails and will be tried again");
		if (view->state->budget[FAULT_DEAD])
			ends(view, task, ATTEMPT_DEAD, "fails and becomes a dead letter");
	} else if (has_ended(attempt) && (view->can_write || !setup.finlive)) {
		ended(view, task);
	} else if (attempt >= ATTEMPT_OK_SENT && attempt <= ATTEMPT_DEAD_SENT && view->can_write) {
		look_at_claim(view, task);
	}
	if (stops && view->can_write && !mine)
		stop_revoked(view, task);
	if (stops && view->can_write && mine && setup.finnonode && view->state->task[task].place == PLACE_REMOVED)
		ends(view, task, ATTEMPT_OK, "was removed by hand, it is stopped");
}

static void
task_step(const struct view *view, int task)
{
	const struct task *there = &view->state->task[task];
	bool listed = view->can_write && claim_in(there->claim, view->folder);

	if (view->state->attempt[view->worker][task])
		holding(view, task);
	else if (listed && !tree_resolved(view->state, view->folder, there->claim.n))
		see(view, task);
	if (listed && setup.finnonode && there->place == PLACE_REMOVED && !view->state->attempt[view->worker][task])
		drop_taskless(view, task);
}

static bool
is_listed(const struct state *state, int folder, int n)
{
	for (int task = 0; task < setup.tasks; task++)
		if (claim_same(state->task[task].claim, claim_of(folder, n)))
			return true;
	return false;
}

static bool
is_held(const struct view *view, int n)
{
	for (int task = 0; task < setup.tasks; task++)
		if (claim_same(view->state->held[view->worker][task], claim_of(view->folder, n)))
			return true;
	return false;
}

/* Claims are made in ascending order: a number below a listed one that is neither listed nor known is over, or was never
 * used. Those of leaders before the one that made the highest are only resolved: it has listed which of them there are. */
static void
report_gaps(const struct view *view)
{
	struct state next = *view->state;
	int highest = NUMBER_MAX;
	bool gaps = false;

	while (highest > 0 && !is_listed(view->state, view->folder, highest))
		highest--;
	for (int n = 1; n < highest; n++) {
		if (is_listed(view->state, view->folder, n) || is_held(view, n) || tree_resolved(view->state, view->folder, n))
			continue;
		bool same_leader = (n - 1) / setup_numbers() == (highest - 1) / setup_numbers();
		tree_resolve(&next, view->folder, n, same_leader);
		gaps = true;
	}
	if (gaps)
		steps_take(view->steps, &next, false, "worker %d.%d: reports the numbers skipped below %d", view->worker,
		    view->life, highest);
}

static void
process_step(const struct view *view)
{
	const struct state *state = view->state;

	if (view->registered && (!view->can_write || state->budget[FAULT_EXPIRE_WORKER]))
		session_ends(view);
	if (state->process[view->worker] && state->budget[FAULT_CRASH])
		crash(view);
	if (!state->process[view->worker])
		process_starts(view);
	else if (!view->can_write)
		do_register(view);
	if (view->can_write)
		report_gaps(view);
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
		view.can_write = state->process[worker] && view.registered == view.life;
		process_step(&view);
		if (!state->process[worker])
			continue;
		for (int task = 0; task < setup.tasks; task++) {
			int folder = claim_folder(state->task[task].claim);

			if (setup.handback && view.can_write && folder >= 0 &&
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
