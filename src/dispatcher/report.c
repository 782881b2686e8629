#include "config.h"

#include "dispatcher/report.h"

#include <stdlib.h>

#include "core/dispatcher.h"
#include "daemon/snapshot.h"
#include "io/clock.h"

/* The queues as they are shown: those beyond METRICS_QUEUES_MAX as one. */
struct queues {
	struct queue_view list[METRICS_QUEUES_MAX + 1];
	int count;
};

static void
add_counts(struct queue_counts *to, const struct queue_counts *from)
{
	to->submitted += from->submitted;
	to->assigned += from->assigned;
	to->done += from->done;
	to->failed += from->failed;
	to->cancelled += from->cancelled;
	to->lost += from->lost;
	to->dead += from->dead;
	to->worker_lost += from->worker_lost;
}

static void
add_queue(void *context, const struct queue_view *view)
{
	struct queues *queues = context;
	struct queue_view *other = &queues->list[METRICS_QUEUES_MAX];

	if (queues->count < METRICS_QUEUES_MAX) {
		queues->list[queues->count++] = *view;
		return;
	}
	if (queues->count == METRICS_QUEUES_MAX) {
		queues->count++;
		*other = *view;
		other->name = METRICS_QUEUE_OTHER;
		return;
	}
	other->paused = other->paused && view->paused;
	other->waiting += view->waiting;
	other->claimed += view->claimed;
	other->waiting_max += view->waiting_max;
	if (view->oldest_ms > other->oldest_ms)
		other->oldest_ms = view->oldest_ms;
	add_counts(&other->counts, &view->counts);
}

/* One metric after the other: all values of one must stand together. */
static void
collect_queues(const struct queues *queues, struct metrics *metrics)
{
	const struct queue_view *first = queues->list, *end = first + queues->count, *q;

	for (q = first; q < end; q++) {
		metrics_add(metrics, METRIC_TASKS, (double)q->waiting, q->name, "waiting");
		metrics_add(metrics, METRIC_TASKS, (double)q->claimed, q->name, "running");
	}
	for (q = first; q < end; q++)
		metrics_add(metrics, METRIC_OLDEST, q->oldest_ms > 0 ? (double)q->oldest_ms / 1000 : 0, q->name, NULL);
	for (q = first; q < end; q++)
		metrics_add(metrics, METRIC_PAUSED, q->paused, q->name, NULL);
	for (q = first; q < end; q++)
		metrics_add(metrics, METRIC_LIMIT, (double)q->waiting_max, q->name, NULL);
	for (q = first; q < end; q++)
		metrics_add(metrics, METRIC_SUBMITTED, (double)q->counts.submitted, q->name, NULL);
	for (q = first; q < end; q++)
		metrics_add(metrics, METRIC_ASSIGNED, (double)q->counts.assigned, q->name, NULL);
	for (q = first; q < end; q++) {
		metrics_add(metrics, METRIC_FINISHED, (double)q->counts.done, q->name, "done");
		metrics_add(metrics, METRIC_FINISHED, (double)q->counts.failed, q->name, "failed");
		metrics_add(metrics, METRIC_FINISHED, (double)q->counts.cancelled, q->name, "cancelled");
		metrics_add(metrics, METRIC_FINISHED, (double)q->counts.lost, q->name, "lost");
		metrics_add(metrics, METRIC_FINISHED, (double)q->counts.dead, q->name, "dead");
	}
	for (q = first; q < end; q++)
		metrics_add(metrics, METRIC_RETRIES, (double)q->counts.worker_lost, q->name, "worker_lost");
}

static void
collect_leader(const struct dispatcher *dispatcher, const struct dispatcher_view *view, struct metrics *metrics)
{
	static struct queues queues;	/* large */

	metrics_value(metrics, METRIC_EPOCH, (double)view->epoch);
	queues.count = 0;
	dispatcher_each_queue(dispatcher, clock_boot_ms(), add_queue, &queues);
	collect_queues(&queues, metrics);
	metrics_histogram(metrics, METRIC_DISPATCH, &view->dispatch, NULL);
	metrics_add(metrics, METRIC_FENCED, (double)view->fenced_total, "election", NULL);
	metrics_add(metrics, METRIC_FENCED, (double)(view->refused_total - view->fenced_total), "other", NULL);
	metrics_value(metrics, METRIC_QUARANTINED, (double)view->set_aside);
	metrics_add(metrics, METRIC_WORKERS, (double)(view->workers - view->workers_draining - view->workers_lost), "up", NULL);
	metrics_add(metrics, METRIC_WORKERS, (double)view->workers_draining, "draining", NULL);
	metrics_add(metrics, METRIC_WORKERS, (double)view->workers_lost, "lost", NULL);
	metrics_value(metrics, METRIC_SLOTS, (double)view->slots);
	metrics_value(metrics, METRIC_SLOTS_USED, (double)view->slots_used);
	metrics_value(metrics, METRIC_LAST_DISPATCH, (double)view->last_assign_wall_ms / 1000);
	metrics_value(metrics, METRIC_LAST_FINISH, (double)view->last_end_wall_ms / 1000);
}

void
report_collect(const struct dispatcher *dispatcher, struct snapshot *snapshot)
{
	struct metrics *metrics = &snapshot->metrics;
	struct dispatcher_view view;

	dispatcher_view(dispatcher, &view);
	bool leads = view.role == ROLE_LEADER || view.role == ROLE_TAKING_OVER;
	snapshot_check(snapshot, "role", view.role == ROLE_LEADER || view.role == ROLE_CANDIDATE,
	    leads ? "takes over" : "has not stood for election yet");
	metrics_value(metrics, METRIC_IS_LEADER, leads);
	metrics_value(metrics, METRIC_HAS_LEADER, view.has_leader);
	metrics_add(metrics, METRIC_ELECTIONS, (double)view.elections_won_total, "won", NULL);
	metrics_add(metrics, METRIC_ELECTIONS, (double)view.elections_lost_total, "lost", NULL);
	if (leads)
		collect_leader(dispatcher, &view, metrics);
}
