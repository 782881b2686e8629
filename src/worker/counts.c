#include "config.h"

#include "worker/counts.h"

#include "daemon/metrics.h"
#include "worker/attempt.h"

void
counts_end(struct counts *counts, const struct attempt *attempt)
{
	const struct outcome *outcome = &attempt->outcome;

	counts->ended[outcome->state]++;
	counts->left_overs += (uint64_t)attempt->left_overs;
	counts->log_bytes += outcome->stdout_bytes + outcome->stderr_bytes;
	counts->log_dropped_bytes += outcome->dropped_bytes;
	if (attempt->failed_at != SPAWN_STAGES)
		counts->not_started[attempt->failed_at]++;
	else if (attempt->pid)
		histogram_add(&counts->run, (int64_t)(outcome->run_seconds * 1000));
}

void
counts_collect(const struct counts *counts, struct metrics *metrics)
{
	static const enum task_state ends[] = { STATE_DONE, STATE_FAILED, STATE_TIMEOUT, STATE_CANCELLED, STATE_LOST };

	metrics_value(metrics, METRIC_STARTED, (double)counts->started);
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		metrics_add(metrics, METRIC_ENDED, (double)counts->ended[ends[i]], task_state_word(ends[i]), NULL);
	for (enum spawn_stage stage = 0; stage < SPAWN_STAGES; stage++)
		metrics_add(metrics, METRIC_SPAWN_FAILURES, (double)counts->not_started[stage], spawn_stage_word(stage), NULL);
	metrics_value(metrics, METRIC_LEFTOVERS, (double)counts->left_overs);
	metrics_value(metrics, METRIC_SELF_FENCED, (double)counts->self_fenced);
	metrics_value(metrics, METRIC_LOG_BYTES, (double)counts->log_bytes);
	metrics_value(metrics, METRIC_LOG_DROPPED, (double)counts->log_dropped_bytes);
	metrics_histogram(metrics, METRIC_RUN, &counts->run, NULL);
}
