#include "io/loop.h"

#include <event2/event.h>
#include <stdlib.h>

struct timer {
	struct event *event;
	void (*on_time)(void *context);
	void *context;
};

/* What loop_signal() and loop_readable() keep until loop_free(). */
static struct watcher {
	struct watcher *next;
	struct event_base *base;
	struct event *event;
	void (*on_signal)(void *context);
	void (*on_readable)(void *context, int fd);
	void *context;
} *watchers;

struct event_base *
loop_new(void)
{
	/* Timers count from when they are set, not from when the loop last looked at the clock, and by an exact clock: none
	 * comes early. */
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME) == 0 &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

void
loop_free(struct event_base *base)
{
	struct watcher **at = &watchers, *watcher;

	if (!base)
		return;
	while ((watcher = *at)) {
		if (watcher->base != base) {
			at = &watcher->next;
			continue;
		}
		*at = watcher->next;
		event_free(watcher->event);
		free(watcher);
	}
	event_base_free(base);
}

int
loop_run(struct event_base *base)
{
	return event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -1 : 0;
}

void
loop_stop(struct event_base *base)
{
	event_base_loopbreak(base);
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
	struct timer *timer = context;

	(void)fd;
	(void)what;
	timer->on_time(timer->context);
}

struct timer *
timer_new(struct event_base *base, void (*on_time)(void *context), void *context)
{
	struct timer *timer = calloc(1, sizeof *timer);

	if (!timer)
		return NULL;
	timer->on_time = on_time;
	timer->context = context;
	timer->event = evtimer_new(base, on_event, timer);
	if (!timer->event) {
		free(timer);
		return NULL;
	}
	return timer;
}

void
timer_free(struct timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}

void
timer_set(struct timer *timer, int64_t in_ms)
{
	if (in_ms < 0)
		in_ms = 0;
	struct timeval in = { .tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000 };
	/* Fails when memory runs out, and a timer that does not come would be a hang. */
	if (evtimer_add(timer->event, &in) != 0)
		abort();
}

void
timer_stop(struct timer *timer)
{
	event_del(timer->event);
}

static void
on_watched(evutil_socket_t fd, short what, void *context)
{
	struct watcher *watcher = context;

	if (what & EV_SIGNAL)
		watcher->on_signal(watcher->context);
	else
		watcher->on_readable(watcher->context, (int)fd);
}

static int
watch(struct event_base *base, int number, short what, const struct watcher *wanted)
{
	struct watcher *watcher = malloc(sizeof *watcher);
	struct event *event = watcher ? event_new(base, number, (short)(what | EV_PERSIST), on_watched, watcher) : NULL;

	if (!event || event_add(event, NULL) != 0) {
		if (event)
			event_free(event);
		free(watcher);
		return -1;
	}
	*watcher = *wanted;
	watcher->base = base;
	watcher->event = event;
	watcher->next = watchers;
	watchers = watcher;
	return 0;
}

int
loop_signal(struct event_base *base, int number, void (*on_signal)(void *context), void *context)
{
	struct watcher wanted = { .on_signal = on_signal, .context = context };

	return watch(base, number, EV_SIGNAL, &wanted);
}

int
loop_readable(struct event_base *base, int fd, void (*on_readable)(void *context, int fd), void *context)
{
	struct watcher wanted = { .on_readable = on_readable, .context = context };

	return watch(base, fd, EV_READ, &wanted);
}
