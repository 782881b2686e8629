/*
 * lease.h: how long an exclusive attempt may run without proof that its claim still stands
 * (zkq-znodes(7), "Two copies never run at once").
 *
 * A committed multi with a check of the worker's live- znode proves that the incarnation was
 * alive at a zxid after it was sent. The leader revokes no earlier than lost_after after it saw
 * the live- znode missing. So the runner may let exclusive attempts run until
 *
 *     kill_by = t_send + lost_after - margin
 *     margin  = kill_time + slack + lost_after / 1000     (the last for clocks that drift apart)
 *     slack   = min(1 s, lost_after / 8)                  (for a runner that is scheduled late)
 */
#ifndef ZKQ_CORE_LEASE_H
#define ZKQ_CORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#define LEASE_KILL_TIME_MS 200	/* from SIGKILL to nothing left, on a loaded machine */

struct lease {
	int64_t kill_by_ms;	/* 0 = never held */
};

/* Safety distance in ms for a lost_after. */
int64_t lease_margin(int64_t lost_after_ms);
/* Interval of the check-only multi while exclusive tasks are held: lost_after / 6. */
int64_t lease_interval(int64_t lost_after_ms);
/* Smallest lost_after whose lease outlasts three intervals: a worker refuses to start below it. */
int64_t lease_smallest_lost_after(void);
/* The kill_by that a multi sent at sent_ms and committed gives. */
int64_t lease_kill_by(int64_t sent_ms, int64_t lost_after_ms);
/* A later proof moves kill_by on; an earlier one changes nothing. */
void lease_renew(struct lease *lease, int64_t kill_by_ms);
bool lease_holds(const struct lease *lease, int64_t now_ms);

#endif
