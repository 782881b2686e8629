#include "core/record.h"

const char *
task_state_word(enum task_state state)
{
	static const char *const words[STATES] = {
		[STATE_WAITING] = "waiting",	 [STATE_RUNNING] = "running",	  [STATE_STOPPING] = "stopping",
		[STATE_HELD] = "held",		 [STATE_DELAYED] = "delayed",	  [STATE_DONE] = "done",
		[STATE_FAILED] = "failed",	 [STATE_TIMEOUT] = "timeout",	  [STATE_CANCELLED] = "cancelled",
		[STATE_LOST] = "lost",		 [STATE_DISCARDED] = "discarded", [STATE_DEAD] = "dead",
	};

	return state < STATES ? words[state] : "unknown";
}

bool
report_resolves(const struct rec_report *report, uint64_t n)
{
	if (n <= report->low)
		return true;
	for (int i = 0; i < report->done_count; i++)
		if (n >= report->done[i].from && n <= report->done[i].to)
			return true;
	return false;
}

bool
report_returned(const struct rec_report *report, uint64_t n)
{
	for (int i = 0; i < report->returned_count; i++)
		if (report->returned_last[i] == n)
			return true;
	return false;
}

int64_t
queue_pause_end(const struct rec_queue *queue, int64_t mtime_ms)
{
	if (!queue->paused)
		return 0;
	if (queue->paused_for_ms <= 0 || queue->paused_for_ms > INT64_MAX - mtime_ms)
		return INT64_MAX;
	return mtime_ms + queue->paused_for_ms;
}

bool
lost_is_suspect(uint32_t run)
{
	return run > LOSSES_FORGIVEN;
}
