#include "config.h"

#include "io/growth.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

struct growth {
	int fd;
	struct event *event;
	void (*grown)(void *context, int number);
	void *context;
};

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	struct growth *growth = context;
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len = read(fd, buffer, sizeof buffer);

	(void)what;
	for (ssize_t at = 0; at < len;) {
		const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
		at += (ssize_t)(sizeof *event + event->len);
		if (event->wd >= 0 && (event->mask & IN_MODIFY))
			growth->grown(growth->context, event->wd);
	}
}

struct growth *
growth_new(struct event_base *base, void (*grown)(void *context, int number), void *context)
{
	struct growth *growth = calloc(1, sizeof *growth);

	if (!growth)
		return NULL;
	growth->grown = grown;
	growth->context = context;
	growth->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	growth->event = growth->fd >= 0 ? event_new(base, growth->fd, EV_READ | EV_PERSIST, on_readable, growth) : NULL;
	if (!growth->event || event_add(growth->event, NULL) != 0) {
		growth_free(growth);
		return NULL;
	}
	return growth;
}

void
growth_free(struct growth *growth)
{
	if (!growth)
		return;
	if (growth->event)
		event_free(growth->event);
	if (growth->fd >= 0)
		close(growth->fd);
	free(growth);
}

int
growth_watch(struct growth *growth, int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return inotify_add_watch(growth->fd, path, IN_MODIFY);
}

void
growth_forget(struct growth *growth, int number)
{
	inotify_rm_watch(growth->fd, number);
}
