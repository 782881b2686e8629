#include "config.h"

#include "dispatcher/report.h"

#include "core/dispatcher.h"
#include "daemon/snapshot.h"

void
report_collect(const struct dispatcher *dispatcher, struct snapshot *snapshot)
{
	struct metrics *metrics = &snapshot->metrics;
	struct dispatcher_view view;

	dispatcher_view(dispatcher, &view);
	snapshot_check(snapshot, "role", view.role == ROLE_LEADER || view.role == ROLE_CANDIDATE,
	    view.role == ROLE_TAKING_OVER ? "takes over" : "has not stood for election yet");
	metrics_value(metrics, METRIC_IS_LEADER, view.role == ROLE_LEADER || view.role == ROLE_TAKING_OVER);
}
