/*
 * metrics.h: what the daemons count, as text for Prometheus (format 0.0.4). One table gives each metric its name, type,
 * labels and meaning; the manual pages repeat it, and a test compares them.
 */
#ifndef ZKQ_DAEMON_METRICS_H
#define ZKQ_DAEMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/histogram.h"

#define METRICS_QUEUES_MAX 100	/* values of the label "queue"; all others are "other" */
#define METRICS_QUEUE_OTHER "other"

enum metric {
	/* both daemons */
	METRIC_BUILD_INFO,
	METRIC_ZK_CONNECTED,
	METRIC_ZK_EXPIRATIONS,
	METRIC_ZK_RECONNECTS,
	METRIC_ZK_REQUESTS,
	METRIC_ZK_DURATION,
	METRIC_LOOP_LAG,
	METRIC_HTTP_REQUESTS,
	METRIC_HTTP_CONNECTIONS,
	METRIC_HTTP_DROPPED,
	METRIC_HTTP_SNAPSHOTS,
	METRIC_HTTP_RESTARTS,
	METRIC_CPU,
	METRIC_RSS,
	METRIC_OPEN_FDS,
	METRIC_MAX_FDS,
	METRIC_START_TIME,
	/* dispatcher */
	METRIC_IS_LEADER,
	METRIC_HAS_LEADER,
	METRIC_ELECTIONS,
	/* dispatcher that leads */
	METRIC_EPOCH,
	METRIC_TASKS,
	METRIC_OLDEST,
	METRIC_PAUSED,
	METRIC_LIMIT,
	METRIC_SUBMITTED,
	METRIC_ASSIGNED,
	METRIC_FINISHED,
	METRIC_RETRIES,
	METRIC_DISPATCH,
	METRIC_FENCED,
	METRIC_QUARANTINED,
	METRIC_WORKERS,
	METRIC_SLOTS,
	METRIC_SLOTS_USED,
	METRIC_LAST_DISPATCH,
	METRIC_LAST_FINISH,
	/* worker */
	METRIC_WORKER_UP,
	METRIC_WORKER_DRAINING,
	METRIC_WORKER_SLOTS,
	METRIC_WORKER_USED,
	METRIC_STARTED,
	METRIC_ENDED,
	METRIC_SPAWN_FAILURES,
	METRIC_LEFTOVERS,
	METRIC_SELF_FENCED,
	METRIC_LOG_BYTES,
	METRIC_LOG_DROPPED,
	METRIC_DISK_FREE,
	METRIC_WAIT,
	METRIC_RUN,
	METRICS
};

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

/* Who has it. */
enum metric_of { OF_BOTH, OF_DISPATCHER, OF_LEADER, OF_WORKER };

struct metric_row {
	const char *name;
	enum metric_type type;
	enum metric_of of;
	const char *labels[2];	/* NULL = fewer */
	const char *help;	/* one sentence */
};

extern const struct metric_row metric_rows[METRICS];
const char *metric_type_word(enum metric_type type);

/* The text so far; zero-initialised is empty. */
struct metrics {
	char *text;		/* NUL-terminated when not NULL */
	size_t len, room;
	int last;		/* 1 + the last metric: all values of one stand together */
	bool failed;		/* memory ran out: something is missing */
};

/* Appends one value. one, two: values of the labels that the table names, else NULL. */
void metrics_add(struct metrics *metrics, enum metric metric, double value, const char *one, const char *two);
/* The same for a metric without labels. */
void metrics_value(struct metrics *metrics, enum metric metric, double value);
/* Appends a histogram; one as above. */
void metrics_histogram(struct metrics *metrics, enum metric metric, const struct histogram *histogram, const char *one);
/* Appends text as it is. */
void metrics_text(struct metrics *metrics, const char *text, size_t len);
void metrics_free(struct metrics *metrics);

#endif
