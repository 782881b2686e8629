#include "core/lease.h"

#define SLACK_MAX_MS 1000	/* for a runner that is scheduled late */

int64_t
lease_margin(int64_t lost_after_ms)
{
	int64_t slack = lost_after_ms / 8;

	if (slack > SLACK_MAX_MS)
		slack = SLACK_MAX_MS;
	return LEASE_KILL_TIME_MS + slack + lost_after_ms / 1000;
}

int64_t
lease_interval(int64_t lost_after_ms)
{
	return lost_after_ms / 6;
}

int64_t
lease_smallest_lost_after(void)
{
	int64_t lost_after_ms = 1;

	while (lost_after_ms - lease_margin(lost_after_ms) <= 3 * lease_interval(lost_after_ms))
		lost_after_ms++;
	return lost_after_ms;
}

int64_t
lease_kill_by(int64_t sent_ms, int64_t lost_after_ms)
{
	return sent_ms + lost_after_ms - lease_margin(lost_after_ms);
}

void
lease_renew(struct lease *lease, int64_t kill_by_ms)
{
	if (kill_by_ms > lease->kill_by_ms)
		lease->kill_by_ms = kill_by_ms;
}

bool
lease_holds(const struct lease *lease, int64_t now_ms)
{
	return now_ms < lease->kill_by_ms;
}
