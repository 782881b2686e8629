#include "config.h"

#include "daemon/metrics.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_SIZE 128	/* of a label, escaped; ours are words, queue names and versions */

const struct metric_row metric_rows[METRICS] = {
	[METRIC_BUILD_INFO] = { "zkq_build_info", METRIC_GAUGE, OF_BOTH, { "version" }, "Always 1; the label tells the version." },
	[METRIC_ZK_CONNECTED] = { "zkq_zookeeper_connected", METRIC_GAUGE, OF_BOTH, { 0 },
	    "Whether there is a connected session." },
	[METRIC_ZK_EXPIRATIONS] = { "zkq_zookeeper_session_expirations_total", METRIC_COUNTER, OF_BOTH, { 0 },
	    "Sessions that were lost." },
	[METRIC_ZK_RECONNECTS] = { "zkq_zookeeper_reconnects_total", METRIC_COUNTER, OF_BOTH, { 0 },
	    "Connections after the first one." },
	[METRIC_ZK_REQUESTS] = { "zkq_zookeeper_requests_total", METRIC_COUNTER, OF_BOTH, { "op", "result" },
	    "Requests answered: ok, refused by the server, connloss (outcome unknown or not sent), error." },
	[METRIC_ZK_DURATION] = { "zkq_zookeeper_request_duration_seconds", METRIC_HISTOGRAM, OF_BOTH, { "op" },
	    "Time from a request to its answer." },
	[METRIC_LOOP_LAG] = { "zkq_loop_lag_seconds", METRIC_HISTOGRAM, OF_BOTH, { 0 },
	    "How late the main loop ran a timer, measured once a second." },
	[METRIC_HTTP_REQUESTS] = { "zkq_http_requests_total", METRIC_COUNTER, OF_BOTH, { "path", "code" },
	    "HTTP requests answered." },
	[METRIC_HTTP_CONNECTIONS] = { "zkq_http_connections", METRIC_GAUGE, OF_BOTH, { 0 }, "HTTP connections." },
	[METRIC_HTTP_DROPPED] = { "zkq_http_connections_dropped_total", METRIC_COUNTER, OF_BOTH, { 0 },
	    "HTTP connections dropped because they were slow, or idle when there were too many." },
	[METRIC_HTTP_SNAPSHOTS] = { "zkq_http_snapshots_dropped_total", METRIC_COUNTER, OF_BOTH, { 0 },
	    "Snapshots not given to the HTTP process because it had not read those before." },
	[METRIC_HTTP_RESTARTS] = { "zkq_http_restarts_total", METRIC_COUNTER, OF_BOTH, { 0 },
	    "Starts of the HTTP process after the first one." },
	[METRIC_CPU] = { "process_cpu_seconds_total", METRIC_COUNTER, OF_BOTH, { 0 },
	    "Processor time used by the main process." },
	[METRIC_RSS] = { "process_resident_memory_bytes", METRIC_GAUGE, OF_BOTH, { 0 }, "Memory of the main process." },
	[METRIC_OPEN_FDS] = { "process_open_fds", METRIC_GAUGE, OF_BOTH, { 0 }, "Open descriptors of the main process." },
	[METRIC_MAX_FDS] = { "process_max_fds", METRIC_GAUGE, OF_BOTH, { 0 }, "Descriptors that the main process may open." },
	[METRIC_START_TIME] = { "process_start_time_seconds", METRIC_GAUGE, OF_BOTH, { 0 },
	    "When the main process began, seconds since 1970." },

	[METRIC_IS_LEADER] = { "zkq_dispatcher_is_leader", METRIC_GAUGE, OF_DISPATCHER, { 0 },
	    "Whether this dispatcher leads; the sum over all must be 1." },
	[METRIC_HAS_LEADER] = { "zkq_dispatcher_has_leader", METRIC_GAUGE, OF_DISPATCHER, { 0 },
	    "Whether it leads or stands behind another one in the election." },
	[METRIC_ELECTIONS] = { "zkq_dispatcher_elections_total", METRIC_COUNTER, OF_DISPATCHER, { "result" },
	    "Times that it began to lead (won) and that it had to stop (lost)." },

	[METRIC_EPOCH] = { "zkq_dispatcher_leader_epoch", METRIC_GAUGE, OF_LEADER, { 0 },
	    "Transaction id of the leader's candidate; grows with every leader." },
	[METRIC_TASKS] = { "zkq_tasks", METRIC_GAUGE, OF_LEADER, { "queue", "state" },
	    "Live tasks: waiting, or running (given to a worker)." },
	[METRIC_OLDEST] = { "zkq_queue_oldest_pending_age_seconds", METRIC_GAUGE, OF_LEADER, { "queue" },
	    "How long the leader has seen the first waiting task; begins anew with each leader." },
	[METRIC_PAUSED] = { "zkq_queue_paused", METRIC_GAUGE, OF_LEADER, { "queue" }, "Whether the queue is paused." },
	[METRIC_LIMIT] = { "zkq_queue_limit", METRIC_GAUGE, OF_LEADER, { "queue" }, "Tasks that may wait." },
	[METRIC_SUBMITTED] = { "zkq_tasks_submitted_total", METRIC_COUNTER, OF_LEADER, { "queue" },
	    "Tasks that appeared while this dispatcher led." },
	[METRIC_ASSIGNED] = { "zkq_tasks_assigned_total", METRIC_COUNTER, OF_LEADER, { "queue" }, "Tasks given to workers." },
	[METRIC_FINISHED] = { "zkq_tasks_finished_total", METRIC_COUNTER, OF_LEADER, { "queue", "result" },
	    "Tasks ended: done and failed (every other end there) as workers report them; cancelled, lost, dead by the leader." },
	[METRIC_RETRIES] = { "zkq_task_retries_total", METRIC_COUNTER, OF_LEADER, { "queue", "cause" },
	    "Tasks taken back: worker_lost." },
	[METRIC_DISPATCH] = { "zkq_dispatch_duration_seconds", METRIC_HISTOGRAM, OF_LEADER, { 0 },
	    "Time from the leader's first sight of a task to its committed assignment." },
	[METRIC_FENCED] = { "zkq_fenced_operations_total", METRIC_COUNTER, OF_LEADER, { "kind" },
	    "Writes refused by a check: election (no longer the leader), other (the tree had changed meanwhile)." },
	[METRIC_QUARANTINED] = { "zkq_quarantined_znodes", METRIC_GAUGE, OF_LEADER, { 0 },
	    "Tasks set aside because they can be neither read nor moved nor deleted." },
	[METRIC_WORKERS] = { "zkq_workers", METRIC_GAUGE, OF_LEADER, { "state" },
	    "Lives of workers in the tree: up, draining, or lost (no session, not yet cleared away)." },
	[METRIC_SLOTS] = { "zkq_worker_slots", METRIC_GAUGE, OF_LEADER, { 0 }, "Slots of all workers that are up." },
	[METRIC_SLOTS_USED] = { "zkq_worker_slots_used", METRIC_GAUGE, OF_LEADER, { 0 },
	    "Slots in use on these, as last reported." },
	[METRIC_LAST_DISPATCH] = { "zkq_last_dispatch_timestamp_seconds", METRIC_GAUGE, OF_LEADER, { 0 },
	    "When this leader last gave a task to a worker, seconds since 1970; 0 = not yet." },
	[METRIC_LAST_FINISH] = { "zkq_last_finish_timestamp_seconds", METRIC_GAUGE, OF_LEADER, { 0 },
	    "When this leader last heard of an ended task, seconds since 1970; 0 = not yet." },

	[METRIC_WORKER_UP] = { "zkq_worker_up", METRIC_GAUGE, OF_WORKER, { 0 }, "Whether the worker is registered." },
	[METRIC_WORKER_DRAINING] = { "zkq_worker_draining", METRIC_GAUGE, OF_WORKER, { 0 }, "Whether it takes no new tasks." },
	[METRIC_WORKER_SLOTS] = { "zkq_worker_slots", METRIC_GAUGE, OF_WORKER, { 0 }, "Tasks that may run at once." },
	[METRIC_WORKER_USED] = { "zkq_worker_slots_used", METRIC_GAUGE, OF_WORKER, { 0 }, "Tasks that run." },
	[METRIC_STARTED] = { "zkq_worker_tasks_started_total", METRIC_COUNTER, OF_WORKER, { 0 }, "Processes started for tasks." },
	[METRIC_ENDED] = { "zkq_worker_tasks_finished_total", METRIC_COUNTER, OF_WORKER, { "result" },
	    "Attempts that ended, no-ops and refused starts included." },
	[METRIC_SPAWN_FAILURES] = { "zkq_worker_spawn_failures_total", METRIC_COUNTER, OF_WORKER, { "stage" },
	    "Attempts that could not be started." },
	[METRIC_LEFTOVERS] = { "zkq_worker_leftover_processes_total", METRIC_COUNTER, OF_WORKER, { 0 },
	    "Processes that outlived their task and were killed." },
	[METRIC_SELF_FENCED] = { "zkq_worker_self_fenced_total", METRIC_COUNTER, OF_WORKER, { 0 },
	    "Exclusive tasks killed because the lease had ended." },
	[METRIC_LOG_BYTES] = { "zkq_worker_log_bytes_total", METRIC_COUNTER, OF_WORKER, { 0 },
	    "Output of ended tasks." },
	[METRIC_LOG_DROPPED] = { "zkq_worker_log_dropped_bytes_total", METRIC_COUNTER, OF_WORKER, { 0 },
	    "Of this, what was not kept: beyond the quota, or the disk was full." },
	[METRIC_DISK_FREE] = { "zkq_worker_disk_free_bytes", METRIC_GAUGE, OF_WORKER, { 0 },
	    "Room left where output is kept." },
	[METRIC_WAIT] = { "zkq_task_wait_seconds", METRIC_HISTOGRAM, OF_WORKER, { 0 },
	    "Time from the worker's first sight of a task to its start." },
	[METRIC_RUN] = { "zkq_task_run_seconds", METRIC_HISTOGRAM, OF_WORKER, { 0 }, "Run times of ended tasks." },
};

const char *
metric_type_word(enum metric_type type)
{
	static const char *const words[] = { "gauge", "counter", "histogram" };

	return words[type];
}

static void __attribute__((format(printf, 2, 3)))
print(struct metrics *metrics, const char *format, ...)
{
	va_list list;

	for (;;) {
		size_t left = metrics->room - metrics->len;

		va_start(list, format);
		int len = vsnprintf(metrics->text ? metrics->text + metrics->len : NULL, left, format, list);
		va_end(list);
		if (len >= 0 && (size_t)len < left) {
			metrics->len += (size_t)len;
			return;
		}
		size_t room = (metrics->room + (size_t)(len > 0 ? len : 0)) * 2 + 4096;
		char *larger = realloc(metrics->text, room);
		if (len < 0 || !larger) {
			metrics->failed = true;
			return;
		}
		metrics->text = larger;
		metrics->room = room;
	}
}

/* The lines before the first value of a metric. */
static void
begin(struct metrics *metrics, enum metric metric)
{
	const struct metric_row *row = &metric_rows[metric];

	if (metrics->last == (int)metric + 1)
		return;
	metrics->last = (int)metric + 1;
	print(metrics, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, metric_type_word(row->type));
}

static const char *
escape(char buffer[VALUE_SIZE], const char *value)
{
	size_t len = 0;

	for (; *value && len < VALUE_SIZE - 3; value++) {
		if (*value == '"' || *value == '\\' || *value == '\n')
			buffer[len++] = '\\';
		buffer[len++] = *value == '\n' ? 'n' : *value;
	}
	buffer[len] = '\0';
	return buffer;
}

void
metrics_add(struct metrics *metrics, enum metric metric, double value, const char *one, const char *two)
{
	const struct metric_row *row = &metric_rows[metric];
	char first[VALUE_SIZE], second[VALUE_SIZE];

	assert(!one == !row->labels[0] && !two == !row->labels[1]);
	begin(metrics, metric);
	if (two)
		print(metrics, "%s{%s=\"%s\",%s=\"%s\"} %.15g\n", row->name, row->labels[0], escape(first, one), row->labels[1],
		    escape(second, two), value);
	else if (one)
		print(metrics, "%s{%s=\"%s\"} %.15g\n", row->name, row->labels[0], escape(first, one), value);
	else
		print(metrics, "%s %.15g\n", row->name, value);
}

void
metrics_value(struct metrics *metrics, enum metric metric, double value)
{
	metrics_add(metrics, metric, value, NULL, NULL);
}

void
metrics_histogram(struct metrics *metrics, enum metric metric, const struct histogram *histogram, const char *one)
{
	const struct metric_row *row = &metric_rows[metric];
	char value[VALUE_SIZE], label[2 * VALUE_SIZE] = "", braced[2 * VALUE_SIZE + 2] = "";
	uint64_t below = 0;

	assert(row->type == METRIC_HISTOGRAM && !one == !row->labels[0]);
	if (one) {
		snprintf(label, sizeof label, "%s=\"%s\",", row->labels[0], escape(value, one));
		snprintf(braced, sizeof braced, "{%.*s}", (int)strlen(label) - 1, label);
	}
	begin(metrics, metric);
	for (int i = 0; i < HISTOGRAM_LIMITS; i++) {
		below += histogram->counts[i];
		print(metrics, "%s_bucket{%sle=\"%g\"} %llu\n", row->name, label, (double)histogram_limits_ms[i] / 1000,
		    (unsigned long long)below);
	}
	below += histogram->counts[HISTOGRAM_LIMITS];
	print(metrics, "%s_bucket{%sle=\"+Inf\"} %llu\n", row->name, label, (unsigned long long)below);
	print(metrics, "%s_sum%s %.15g\n", row->name, braced, (double)histogram->sum_ms / 1000);
	print(metrics, "%s_count%s %llu\n", row->name, braced, (unsigned long long)below);
}

void
metrics_text(struct metrics *metrics, const char *text, size_t len)
{
	print(metrics, "%.*s", (int)len, text);
}

void
metrics_free(struct metrics *metrics)
{
	free(metrics->text);
	memset(metrics, 0, sizeof *metrics);
}
