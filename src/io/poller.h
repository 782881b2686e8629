/*
 * poller.h: puts something that wants to be polled (a descriptor, a time-out, a function to call for either) into the loop.
 */
#ifndef ZKQ_IO_POLLER_H
#define ZKQ_IO_POLLER_H

struct event_base;
struct poller;

/* timeout gives the milliseconds until dispatch must be called although fd stays quiet; -1 = no need.
 * NULL when memory runs out. */
struct poller *poller_new(struct event_base *base, int fd, int (*timeout)(void *context), void (*dispatch)(void *context),
    void *context);
void poller_free(struct poller *poller);
/* Asks for the time-out again: to be called after anything that may have changed it outside of dispatch. */
void poller_update(struct poller *poller);

#endif
