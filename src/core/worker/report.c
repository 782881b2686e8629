/*
 * report.c: what the leader is told. A report rides on every multi that lets claims leave; one of its own
 * goes out for what changes by itself, and seldom, so that an idle worker is quiet.
 */
#include <string.h>

#include "core/worker/state.h"

#define SMOOTHING 8		/* a new measurement counts for an eighth */
#define RUN_SECONDS_MIN 0.0001	/* a task of no length at all still costs that much */
#define ROUND_TRIP_FACTOR 4	/* report, leader's view of it, its multi, the listing here: each a request */
#define ROUND_TRIP_EXTRA_MS 20	/* pauses between listings, scheduling */

static double
difference(double a, double b)
{
	return a > b ? a - b : b - a;
}

int
report_ahead(int slots, double took_ms, double run_seconds)
{
	double round_trip_ms = ROUND_TRIP_FACTOR * took_ms + ROUND_TRIP_EXTRA_MS;

	if (run_seconds <= 0 || run_seconds >= 1.0)
		return 0;
	if (run_seconds < RUN_SECONDS_MIN)
		run_seconds = RUN_SECONDS_MIN;
	if (round_trip_ms > AHEAD_WORK_MS)
		round_trip_ms = AHEAD_WORK_MS;
	double ahead = slots * round_trip_ms / (run_seconds * 1000);
	return ahead >= AHEAD_MAX ? AHEAD_MAX : (int)ahead;
}

static int
ahead_now(const struct worker *worker)
{
	return worker->draining ? 0 : report_ahead(worker->slots, worker->took_ms, worker->run_seconds_mean);
}

void
report_load(struct worker *worker, const struct event *event)
{
	worker->load_known = true;
	worker->load1 = event->load.load1;
	worker->mem_total_bytes = event->load.mem_total_bytes;
	worker->mem_free_bytes = event->load.mem_free_bytes;
	worker->disk_free_bytes = event->load.disk_free_bytes;
}

void
report_ran(struct worker *worker, const struct outcome *outcome)
{
	double run = outcome->run_seconds > RUN_SECONDS_MIN ? outcome->run_seconds : RUN_SECONDS_MIN;

	if (worker->run_seconds_mean <= 0)
		worker->run_seconds_mean = run;
	else
		worker->run_seconds_mean += (run - worker->run_seconds_mean) / SMOOTHING;
}

void
report_took(struct worker *worker, int64_t took_ms)
{
	if (worker->took_ms <= 0)
		worker->took_ms = (double)took_ms;
	else
		worker->took_ms += ((double)took_ms - worker->took_ms) / SMOOTHING;
}

bool
report_write(struct worker *worker, struct rec_report *report, bool with_out)
{
	struct arena *arena = &worker->plan->arena;
	struct resolved then;
	bool ok;

	memset(report, 0, sizeof *report);
	if (with_out) {
		ok = resolved_copy(&then, &worker->resolved);
		if (ok) {
			ok = finish_resolve(worker, &then) && resolved_save(&then, arena, report);
			resolved_free(&then);
		}
	} else {
		ok = resolved_save(&worker->resolved, arena, report);
	}
	if (!ok) {
		worker_failed(worker);
		return false;
	}
	report->lost_after_ms = worker->lost_after_ms;
	report->r = worker->r;
	report->process = worker->runner;
	report->slots = worker->slots;
	report->in_use = worker->in_state[CLAIM_RUNNING] + worker->in_state[CLAIM_DOOMED];
	report->ahead = ahead_now(worker);
	report->draining = worker->draining;
	report->load1 = worker->load1;
	report->mem_total_bytes = worker->mem_total_bytes;
	report->mem_free_bytes = worker->mem_free_bytes;
	report->disk_free_bytes = worker->disk_free_bytes;
	report->run_seconds_mean = worker->run_seconds_mean;
	report->at_wall_ms = worker->wall_ms;
	worker->telling = (struct told){ .ahead = report->ahead, .draining = report->draining,
	    .returned_total = report->returned_total, .load1 = report->load1,
	    .mem_free_bytes = report->mem_free_bytes, .disk_free_bytes = report->disk_free_bytes, .at_ms = worker->now_ms };
	return true;
}

void
report_sent(struct worker *worker)
{
	worker->told = worker->telling;
}

static bool
changed(double now, double told, double floor)
{
	double base = told > floor ? told : floor;

	return difference(now, told) > base / 5;
}

bool
report_due(struct worker *worker)
{
	const struct told *told = &worker->told;
	int ahead = ahead_now(worker);

	if (told->draining != worker->draining || (told->ahead == 0 && ahead > 0))
		return true;
	/* Claims have vanished: the leader may not know, and does not list the folder. */
	if (told->returned_total != worker->resolved.returned_total && worker_due(worker, told->at_ms + REPORT_PAUSE_MS))
		return true;
	if (ahead != told->ahead && (ahead == 0 || changed(ahead, told->ahead, worker->slots)) &&
	    worker_due(worker, told->at_ms + REPORT_PAUSE_MS))
		return true;
	if (worker->load_known && (changed(worker->load1, told->load1, 1.0) ||
	    changed((double)worker->mem_free_bytes, (double)told->mem_free_bytes, (double)worker->mem_total_bytes / 2) ||
	    changed((double)worker->disk_free_bytes, (double)told->disk_free_bytes, 0)) &&
	    worker_due(worker, told->at_ms + LOAD_PAUSE_MS))
		return true;
	return false;
}
