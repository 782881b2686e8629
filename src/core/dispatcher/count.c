/*
 * count.c: what a dispatcher has counted, for metrics. Nothing is decided by it.
 */
#include "core/dispatcher/state.h"

#include <stdlib.h>
#include <string.h>

/* ---- counting ---- */

void
count_assigned(struct dispatcher *d, const struct claim *claim)
{
	const struct task *task = claim->task;

	d->assigned_total++;
	d->last_assign_wall_ms = d->wall_ms;
	task->segment->queue->counts.assigned++;
	histogram_add(&d->dispatch, d->now_ms - task->seen_ms);
}

void
count_end(struct dispatcher *d, uint64_t *count)
{
	++*count;
	d->last_end_wall_ms = d->wall_ms;
}

static const struct tally *
tally_of(const struct folder *folder, const char *queue)
{
	for (int i = 0; i < folder->tally_count; i++)
		if (strcmp(folder->tallies[i].queue, queue) == 0)
			return &folder->tallies[i];
	return NULL;
}

/* A queue that was not in the report before begins at 0; a number that got smaller tells nothing. */
static void
count_tally(struct dispatcher *d, const struct folder *folder, const struct tally *now)
{
	const struct tally *before = tally_of(folder, now->queue);
	uint64_t done = before ? before->done : 0, failed = before ? before->failed : 0;
	struct queue *queue = queue_find(d, now->queue);

	if (!queue || now->done < done || now->failed < failed || (now->done == done && now->failed == failed))
		return;
	queue->counts.done += now->done - done;
	queue->counts.failed += now->failed - failed;
	d->last_end_wall_ms = d->wall_ms;
}

void
count_report(struct dispatcher *d, struct folder *folder, const struct rec_report *report)
{
	struct tally *tallies = take(d, ((size_t)report->counts_count + 1) * sizeof *tallies);

	if (!tallies)
		return;
	for (int i = 0; i < report->counts_count; i++) {
		strncpy(tallies[i].queue, report->counts[i].queue, QUEUE_NAME_MAX);
		tallies[i].done = report->counts[i].done;
		tallies[i].failed = report->counts[i].failed;
		/* What the first report says ended before it was our business. */
		if (folder->tallies)
			count_tally(d, folder, &tallies[i]);
	}
	free(folder->tallies);
	folder->tallies = tallies;
	folder->tally_count = report->counts_count;
}

/* ---- looking ---- */

static enum dispatcher_role
role_of(const struct dispatcher *d)
{
	bool reading = !d->folders_ready || !d->queues_listed;

	for (const struct queue *queue = d->queues; queue; queue = queue->hh.next)
		reading = reading || !(queue->ready || queue->gone || queue->deleted || queue->broken != RC_OK);
	if (d->standing == STAND_LEADING)
		return reading ? ROLE_TAKING_OVER : ROLE_LEADER;
	if (d->standing == STAND_BEHIND || d->standing == STAND_RANK || d->standing == STAND_OWN)
		return ROLE_CANDIDATE;
	return ROLE_NONE;
}

static void
view_workers(const struct dispatcher *d, struct dispatcher_view *view)
{
	view->workers = HASH_COUNT(d->folders);
	for (const struct folder *folder = d->folders; folder; folder = folder->hh.next) {
		if (folder->live == LIVE_MISSING) {
			view->workers_lost++;
		} else if (folder->draining) {
			view->workers_draining++;
		} else {
			view->slots += (uint64_t)folder->slots;
			view->slots_used += (uint64_t)folder->in_use;
		}
	}
}

void
dispatcher_view(const struct dispatcher *d, struct dispatcher_view *view)
{
	memset(view, 0, sizeof *view);
	view->role = role_of(d);
	view->has_leader = d->standing == STAND_LEADING || d->standing == STAND_BEHIND;
	view->epoch = d->czxid;
	view->waiting = d->waiting;
	view->claimed = d->claimed;
	view->frozen = d->frozen;
	view->segments = d->segments;
	view->set_aside = d->set_aside;
	view->assigned_total = d->assigned_total;
	view->revoked_total = d->revoked_total;
	view->refused_total = d->refused_total;
	view->fenced_total = d->fenced_total;
	view->elections_won_total = d->elections_won_total;
	view->elections_lost_total = d->elections_lost_total;
	view->dispatch = d->dispatch;
	view->last_assign_wall_ms = d->last_assign_wall_ms;
	view->last_end_wall_ms = d->last_end_wall_ms;
	view_workers(d, view);
}

/* The first of each lane has waited longest there, or nearly so: a task that came back keeps its place. */
static int64_t
oldest_ms(const struct queue *queue, int64_t now_ms)
{
	int64_t oldest = -1;

	if (!queue->waiting)
		return -1;
	for (const struct class *class = queue->classes; class; class = class->hh.next)
		for (int priority = 0; priority <= PRIORITY_MAX; priority++)
			for (int suspect = 0; suspect < 2; suspect++) {
				const struct task *task = lane_first(&class->lanes[priority][suspect]);

				if (task && now_ms - task->seen_ms > oldest)
					oldest = now_ms - task->seen_ms;
			}
	return oldest;
}

void
dispatcher_each_queue(const struct dispatcher *d, int64_t now_ms,
    void (*each)(void *context, const struct queue_view *view), void *context)
{
	for (const struct queue *queue = d->queues; queue; queue = queue->hh.next) {
		struct queue_view view = {
			.name = queue->name, .paused = queue->paused, .waiting = queue->waiting, .claimed = queue->claimed,
			.waiting_max = queue->waiting_max, .oldest_ms = oldest_ms(queue, now_ms), .counts = queue->counts,
		};

		each(context, &view);
	}
}
