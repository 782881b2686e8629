#include "config.h"

#include "daemon/reach.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "daemon/snapshot.h"
#include "io/clock.h"
#include "io/loop.h"
#include "zk/link.h"
#include "zk/outage.h"

#define LINE_SIZE 2600	/* hosts, and what the client library says */

struct reach {
	struct link *link;
	const char *hosts;
	struct timer *timer;	/* to say that the silence lasts */
	struct outage outage;
	uint64_t connects, expirations;
};

static void
wait_on(struct reach *reach)
{
	if (!reach->outage.connected)
		timer_set(reach->timer, outage_wait_ms(&reach->outage, clock_boot_ms()));
}

static void
on_state(void *context, enum zk_state state, const char *detail)
{
	struct reach *reach = context;
	char line[LINE_SIZE];

	reach->connects += state == ZK_CONNECTED;
	reach->expirations += state == ZK_EXPIRED;
	if (outage_state(&reach->outage, state, detail, clock_boot_ms(), line, sizeof line))
		log_info("%s", line);
	else if (state == ZK_AUTH_FAILED)
		log_error("ZooKeeper: refuses the credential: %s", detail ? detail : "no reason given");
	wait_on(reach);
}

static void
on_silence(void *context)
{
	struct reach *reach = context;
	char line[LINE_SIZE];

	if (outage_due(&reach->outage, reach->hosts, clock_boot_ms(), line, sizeof line))
		log_warning("%s", line);
	wait_on(reach);
}

struct reach *
reach_new(struct event_base *base, struct link *link, const char *hosts)
{
	struct reach *reach = calloc(1, sizeof *reach);

	if (!reach || !(reach->timer = timer_new(base, on_silence, reach))) {
		free(reach);
		return NULL;
	}
	reach->link = link;
	reach->hosts = hosts;
	outage_begin(&reach->outage, clock_boot_ms());
	link_on_state(link, on_state, reach);
	wait_on(reach);
	return reach;
}

void
reach_free(struct reach *reach)
{
	if (!reach)
		return;
	timer_free(reach->timer);
	free(reach);
}

static void
collect_requests(const struct link_counts *counts, struct metrics *metrics)
{
	for (int kind = 0; kind < REQUEST_KINDS; kind++)
		for (int result = 0; result < LINK_RESULTS; result++)
			metrics_add(metrics, METRIC_ZK_REQUESTS, (double)counts->requests[kind][result],
			    link_kind_word((enum request_kind)kind), link_result_word((enum link_result)result));
	for (int kind = 0; kind < REQUEST_KINDS; kind++)
		metrics_histogram(metrics, METRIC_ZK_DURATION, &counts->durations[kind],
		    link_kind_word((enum request_kind)kind));
}

void
reach_collect(const struct reach *reach, struct snapshot *snapshot)
{
	const struct outage *outage = &reach->outage;
	struct metrics *metrics = &snapshot->metrics;
	char reason[64];

	snprintf(reason, sizeof reason, "not connected for %lld s", (long long)(clock_boot_ms() - outage->since_ms) / 1000);
	snapshot_check(snapshot, "zookeeper", outage->connected, reason);
	metrics_value(metrics, METRIC_ZK_CONNECTED, outage->connected);
	metrics_value(metrics, METRIC_ZK_EXPIRATIONS, (double)reach->expirations);
	metrics_value(metrics, METRIC_ZK_RECONNECTS, reach->connects > 0 ? (double)(reach->connects - 1) : 0);
	collect_requests(link_counts(reach->link), metrics);
}
