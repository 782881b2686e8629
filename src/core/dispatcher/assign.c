/*
 * assign.c: gives waiting tasks to workers.
 *
 * A suspect gets a worker for itself: what runs beside it would be lost with it, and be a suspect for
 * no fault of its own. So that ordinary tasks cannot keep suspects waiting for ever, one worker at a
 * time gets no more of them while suspects of the same or a higher priority wait.
 *
 * A round goes by priority, then queue after queue, then class after class; place() says how many
 * each worker gets. One assign of a folder is out at a time; its claims are made here when it is
 * sent, and undone when it is refused. Fences and numbers are drawn anew for every send.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

/* What this worker may still be given at a priority, in the multi at hand. */
static int
room_at(const struct folder *folder, int priority)
{
	int room = place_room(folder->slots, folder->ahead, folder->unresolved_at, priority);
	int space = MULTI_TASKS_MAX - folder->picked_count;

	return room < space ? room : space;
}

static bool
takes_assigns(const struct dispatcher *d, const struct folder *folder)
{
	return folder->taken && !folder->gone && folder->reported && folder->record_known && !folder->assign &&
	    !folder->settle && d->now_ms >= folder->not_before_ms;
}

/* ---- the answer ---- */

static void
undo(struct dispatcher *d, struct claim *claim)
{
	struct task *task = claim->task;

	claim_free(d, claim);
	task_wait(d, task);
}

static void
applied(struct dispatcher *d, struct act *act)
{
	struct folder *folder = act->owner;

	for (int i = 0; i < act->item_count; i++) {
		struct claim *claim = act->items[i];

		claim->phase = CLAIM_HELD;
		count_assigned(d, claim);
		if (claim->task->wished)
			wishes_task(d, claim->task);
	}
	release_run(d, folder);
}

static void
freeze(struct dispatcher *d, struct act *act)
{
	struct folder *folder = act->owner;

	for (int i = 0; i < act->item_count; i++) {
		struct claim *claim = act->items[i];

		claim->phase = CLAIM_FROZEN;
		d->frozen++;
	}
	plan_note(d->plan, NOTICE, "worker %s: outcome of an assign of %d tasks is unknown", folder->worker,
	    act->item_count);
	folder_settle(d, folder);
}

/* ops: check mine, check live, (check task, create claim) ... */
static void
refused(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct folder *folder = act->owner;
	int op = reply->failed_op;
	int at = op >= 2 ? (op - 2) / 2 : -1;
	bool task_is_why = at >= 0 && at < act->item_count && op % 2 == 0;

	for (int i = 0; i < act->item_count; i++) {
		struct claim *claim = act->items[i];
		struct task *task = claim->task;

		if (!task_is_why || i != at) {
			undo(d, claim);
			continue;
		}
		claim_free(d, claim);
		if (reply->rc == RC_NONODE)
			task_gone(d, task);
		else
			task_aside(d, task, arena_printf(&d->plan->arena, "it cannot be checked: %s", rc_word(reply->rc)));
	}
	if (task_is_why || reply->rc == RC_NOTSENT)
		return;
	folder->not_before_ms = d->now_ms + RETRY_PAUSE_MS;
	if (op == 1 && reply->rc == RC_NONODE) {
		folder->not_before_ms = 0;
		folder_missing(d, folder);
		poll_want(d, folder->live_poll);
	} else if (reply->rc == RC_NONODE) {
		poll_want(d, d->assign_list);
	} else if (reply->rc == RC_NODEEXISTS) {
		folder_settle(d, folder);
	} else {
		plan_note(d->plan, NOTE_WARNING, "worker %s: cannot be given tasks: %s", folder->worker, rc_word(reply->rc));
	}
}

static void
assigned(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct folder *folder = act->owner;

	folder->assign = NULL;
	d->place_due = true;
	if (reply->rc == RC_OK)
		applied(d, act);
	else if (outcome_unknown(reply->rc))
		freeze(d, act);
	else
		refused(d, act, reply);
	folder_act_done(d, folder);
}

static void
send(struct dispatcher *d, struct folder *folder)
{
	struct act *act = leader_act(d, assigned, folder);

	for (int i = 0; act && i < folder->picked_count; i++) {
		struct claim *claim = folder->picked[i];

		if (i == 0)
			add_check(d->plan, act->multi, node_live(folder->worker, folder->inc, folder->r), ANY_VERSION);
		if (!act_item(d, act, claim))
			break;
		add_check(d->plan, act->multi, task_node(claim->task), ANY_VERSION);
		add_create(d->plan, act->multi, claim_node(claim), 0, NULL);
	}
	if (act) {
		folder->assign = act;
		folder->acts++;
	}
	folder->picked_count = 0;
}

/* ---- the round ---- */

static bool
pick(struct dispatcher *d, struct folder *folder, struct task *task)
{
	struct fence fence = { .czxid = d->czxid, .counter = ++d->fence_counter };
	struct claim *claim = claim_new(d, folder, folder->next_n, task, task->runs + 1, fence);

	if (!claim)
		return false;
	/* A folder that was deleted can come back, made by a coordinator that knows nothing of it. */
	if (folder->next_n > d->claim_base)
		d->claim_base = folder->next_n;
	folder->next_n++;
	claim->phase = CLAIM_SENDING;
	claim->started = STARTED_UNKNOWN;
	folder->picked[folder->picked_count++] = claim;
	return true;
}

/* It has a suspect, or a claim that an earlier leader gave out and that may be one: this is read then. With more
 * claims than one it has none. */
static bool
has_suspect(struct dispatcher *d, const struct folder *folder)
{
	struct claim *claim = folder->claims;

	if (folder->unresolved != 1)
		return false;
	if (lost_is_suspect(claim->run - 1) && !claim->task->retry_known) {
		claim_learn(d, claim);
		return true;
	}
	return claim->task->suspect;
}

static bool
is_alone(struct dispatcher *d, const struct folder *folder, int priority)
{
	return (folder == d->kept && priority <= d->kept_priority) || has_suspect(d, folder);
}

static int
gather(struct dispatcher *d, const struct queue *queue, int priority)
{
	int count = 0;

	for (struct folder *folder = d->folders; folder; folder = folder->hh.next, count++) {
		struct place_worker *worker = &d->place_workers[count];

		d->place_folders[count] = folder;
		memset(worker, 0, sizeof *worker);
		worker->name = folder->worker;
		worker->serves_queue = !queue || folder_serves(folder, queue->name);
		worker->draining = folder->draining;
		worker->lost = folder->live != LIVE_THERE;
		worker->claims = (int)folder->unresolved;
		worker->alone = is_alone(d, folder, priority);
		worker->room = takes_assigns(d, folder) && !(worker->alone && worker->claims) ? room_at(folder, priority) : 0;
		worker->idle = folder->slots - (int)folder->unresolved;
	}
	return count;
}

static int
total_room(struct dispatcher *d, int priority)
{
	int total = 0, count = gather(d, NULL, priority);

	for (int i = 0; i < count; i++) {
		const struct place_worker *worker = &d->place_workers[i];

		if (!worker->draining && !worker->lost && worker->room > 0)
			total += worker->room;
	}
	return total;
}

static int
place_lane(struct dispatcher *d, struct class *class, int priority, bool suspect, int most)
{
	struct lane *lane = &class->lanes[priority][suspect];
	struct place_class wanted = { .queue = class->queue->name, .priority = priority, .suspect = suspect };
	int n = lane->count < (uint32_t)most ? (int)lane->count : most;

	if (n <= 0)
		return 0;
	int count = gather(d, class->queue, priority);
	int placed = place(&wanted, n, d->place_workers, count, &d->place_turn, &d->rng);
	/* In turns as place() dealt them, so that the first tasks are the first of their workers. */
	for (int left = placed; left > 0;) {
		int before = left;

		for (int i = 0; i < count; i++) {
			if (!d->place_workers[i].count)
				continue;
			d->place_workers[i].count--;
			left--;
			if (!pick(d, d->place_folders[i], lane_first(lane)))
				return placed;
		}
		if (left == before)
			break;
	}
	return placed;
}

static struct class *
next_class(struct queue *queue, struct class *class)
{
	return class && class->hh.next ? class->hh.next : queue->classes;
}

static int
place_queue(struct dispatcher *d, struct queue *queue, int priority, int most)
{
	unsigned classes = HASH_COUNT(queue->classes);
	struct class *class = next_class(queue, queue->class_turn);
	int placed = 0;

	for (unsigned i = 0; i < classes && placed < most; i++, class = next_class(queue, class)) {
		if (class->phase != CLASS_KNOWN)
			continue;
		int before = placed;
		placed += place_lane(d, class, priority, true, most - placed);
		placed += place_lane(d, class, priority, false, most - placed);
		if (placed > before)
			queue->class_turn = class;
	}
	return placed;
}

static bool
queue_takes_part(const struct queue *queue, int priority)
{
	return queue->ready && queue->wishes_read && !queue->gone && !queue->burying && !queue->delete_force && !queue->paused && queue->waiting_at[priority];
}

static struct queue *
next_queue(struct dispatcher *d, struct queue *queue)
{
	return queue && queue->hh.next ? queue->hh.next : d->queues;
}

/* Shares what room there is among the queues that have tasks of this priority, until it is used up. */
static void
place_priority(struct dispatcher *d, int priority, int room)
{
	unsigned queues = HASH_COUNT(d->queues);
	int active = 0, placed;

	for (struct queue *queue = d->queues; queue; queue = queue->hh.next)
		active += queue_takes_part(queue, priority);
	if (!active)
		return;
	do {
		int share = (room + active - 1) / active;
		struct queue *queue = next_queue(d, d->queue_turn);

		placed = 0;
		for (unsigned i = 0; i < queues && placed < room; i++, queue = next_queue(d, queue)) {
			if (!queue_takes_part(queue, priority))
				continue;
			int most = room - placed < share ? room - placed : share;
			int got = place_queue(d, queue, priority, most);

			if (got)
				d->queue_turn = queue;
			placed += got;
		}
		room -= placed;
	} while (placed > 0 && room > 0 && !d->plan->failed);
}

/* ---- the worker kept free ---- */

static bool
suspects_wait(const struct queue *queue, int priority)
{
	for (const struct class *class = queue->classes; class; class = class->hh.next)
		if (class->phase == CLASS_KNOWN && class->lanes[priority][true].count)
			return true;
	return false;
}

/* The one that will be idle soonest, as far as the number of its claims tells; one that is kept stays so unless
 * another is idle, or every round would begin anew with another. */
static struct folder *
keep_for(struct dispatcher *d, const struct queue *queue)
{
	struct folder *best = NULL, *kept = NULL;

	for (struct folder *folder = d->folders; folder; folder = folder->hh.next) {
		if (!folder->taken || folder->gone || !folder->reported || !folder->record_known || folder->live != LIVE_THERE ||
		    folder->draining || folder->slots <= 0 || !folder_serves(folder, queue->name) || has_suspect(d, folder))
			continue;
		if (folder == d->kept)
			kept = folder;
		if (!best || folder->unresolved < best->unresolved)
			best = folder;
	}
	return kept && best->unresolved ? kept : best;
}

/* For the suspects of the highest priority that have a worker which can be kept. */
static struct folder *
keep_one(struct dispatcher *d)
{
	for (int priority = PRIORITY_MAX; priority >= PRIORITY_MIN; priority--)
		for (struct queue *queue = d->waiting_at[priority] ? d->queues : NULL; queue; queue = queue->hh.next) {
			struct folder *folder = queue_takes_part(queue, priority) && suspects_wait(queue, priority) ?
			    keep_for(d, queue) : NULL;

			d->kept_priority = priority;
			if (folder)
				return folder;
		}
	return NULL;
}

static bool
make_room(struct dispatcher *d)
{
	int count = (int)HASH_COUNT(d->folders);

	if (count <= d->place_room)
		return true;
	struct place_worker *workers = take(d, (size_t)count * 2 * sizeof *workers);
	struct folder **folders = take(d, (size_t)count * 2 * sizeof *folders);
	if (!workers || !folders) {
		free(workers);
		free(folders);
		return false;
	}
	free(d->place_workers);
	free(d->place_folders);
	d->place_workers = workers;
	d->place_folders = folders;
	d->place_room = count * 2;
	return true;
}

void
assign_run(struct dispatcher *d)
{
	if (!d->waiting || !d->folders_ready || !d->folders)
		return;
	for (struct folder *folder = d->folders; folder; folder = folder->hh.next) {
		if (folder->not_before_ms > d->now_ms)
			plan_wake(d->plan, folder->not_before_ms);
		else if (folder->not_before_ms) {
			folder->not_before_ms = 0;
			d->place_due = true;
		}
	}
	if (!d->place_due || !make_room(d))
		return;
	d->place_due = false;
	d->kept = keep_one(d);
	for (int priority = PRIORITY_MAX; priority >= PRIORITY_MIN; priority--) {
		if (!d->waiting_at[priority])
			continue;
		int room = total_room(d, priority);
		if (room <= 0)
			break;	/* there is no more of it at lower ones */
		place_priority(d, priority, room);
	}
	for (struct folder *folder = d->folders; folder; folder = folder->hh.next)
		if (folder->picked_count)
			send(d, folder);
}
