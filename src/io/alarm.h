/*
 * alarm.h: a call at a time of CLOCK_BOOTTIME, which goes on while the machine is suspended
 * (libevent's own timers do not).
 */
#ifndef ZKQ_IO_ALARM_H
#define ZKQ_IO_ALARM_H

#include <stdint.h>

struct alarm;
struct event_base;

/* NULL when the system refuses. on_time is called in the loop once for each alarm_set(). */
struct alarm *alarm_new(struct event_base *base, void (*on_time)(void *context), void *context);
void alarm_free(struct alarm *alarm);
/* Replaces what was set. INT64_MAX = not at all; a time that has passed = as soon as the loop runs. */
void alarm_set(struct alarm *alarm, int64_t at_ms);

#endif
