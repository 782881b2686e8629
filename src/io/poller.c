#include "io/poller.h"

#include <event2/event.h>
#include <stdlib.h>

struct poller {
	struct event *event;
	int (*timeout)(void *context);
	void (*dispatch)(void *context);
	void *context;
};

void
poller_update(struct poller *poller)
{
	int ms = poller->timeout(poller->context);
	struct timeval in = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_del(poller->event);
	event_add(poller->event, ms >= 0 ? &in : NULL);
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
	struct poller *poller = context;

	(void)fd;
	(void)what;
	poller->dispatch(poller->context);
	poller_update(poller);
}

struct poller *
poller_new(struct event_base *base, int fd, int (*timeout)(void *context), void (*dispatch)(void *context), void *context)
{
	struct poller *poller = calloc(1, sizeof *poller);

	if (!poller)
		return NULL;
	poller->timeout = timeout;
	poller->dispatch = dispatch;
	poller->context = context;
	poller->event = event_new(base, fd, EV_READ | EV_PERSIST, on_event, poller);
	if (!poller->event) {
		free(poller);
		return NULL;
	}
	poller_update(poller);
	return poller;
}

void
poller_free(struct poller *poller)
{
	if (!poller)
		return;
	event_free(poller->event);
	free(poller);
}
