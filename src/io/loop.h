/*
 * loop.h: the loop that a process waits in: timers and signals. Code that knows the core's struct event uses this instead of
 * libevent's headers, whose struct event is another one.
 */
#ifndef ZKQ_IO_LOOP_H
#define ZKQ_IO_LOOP_H

#include <stdint.h>

struct event_base;	/* the loop */
struct timer;

struct event_base *loop_new(void);
void loop_free(struct event_base *base);
/* Runs until loop_stop(). 0, or -1 when the system refuses. */
int loop_run(struct event_base *base);
void loop_stop(struct event_base *base);

/* A timer that is not set. For short times, which may stand still while the machine is suspended; else see alarm.h.
 * NULL when memory runs out. */
struct timer *timer_new(struct event_base *base, void (*on_time)(void *context), void *context);
void timer_free(struct timer *timer);
/* Replaces what was set: one call, in_ms from now (0 = as soon as the loop runs). */
void timer_set(struct timer *timer, int64_t in_ms);
void timer_stop(struct timer *timer);

/* Calls on_signal in the loop for each time that the signal has come (several at once may be one). Until loop_free(). 0 or -1. */
int loop_signal(struct event_base *base, int number, void (*on_signal)(void *context), void *context);
/* The same for a descriptor that becomes readable. */
int loop_readable(struct event_base *base, int fd, void (*on_readable)(void *context, int fd), void *context);

#endif
