#include "config.h"

#include "io/alarm.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct alarm {
	int fd;
	struct event *event;
	void (*on_time)(void *context);
	void *context;
	int64_t at_ms;
};

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	struct alarm *alarm = context;
	uint64_t times;

	(void)what;
	/* Nothing to read: it was set anew between the wake-up and this call. */
	if (read(fd, &times, sizeof times) != sizeof times)
		return;
	alarm->at_ms = INT64_MAX;
	alarm->on_time(alarm->context);
}

struct alarm *
alarm_new(struct event_base *base, void (*on_time)(void *context), void *context)
{
	struct alarm *alarm = calloc(1, sizeof *alarm);

	if (!alarm)
		return NULL;
	alarm->on_time = on_time;
	alarm->context = context;
	alarm->at_ms = INT64_MAX;
	alarm->fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (alarm->fd < 0)
		goto free_alarm;
	alarm->event = event_new(base, alarm->fd, EV_READ | EV_PERSIST, on_readable, alarm);
	if (!alarm->event || event_add(alarm->event, NULL) != 0)
		goto close_timer;
	return alarm;
close_timer:
	if (alarm->event)
		event_free(alarm->event);
	close(alarm->fd);
free_alarm:
	free(alarm);
	return NULL;
}

void
alarm_free(struct alarm *alarm)
{
	if (!alarm)
		return;
	event_free(alarm->event);
	close(alarm->fd);
	free(alarm);
}

void
alarm_set(struct alarm *alarm, int64_t at_ms)
{
	struct itimerspec when = { { 0, 0 }, { 0, 0 } };

	if (at_ms == alarm->at_ms)
		return;
	alarm->at_ms = at_ms;
	if (at_ms != INT64_MAX) {
		/* All zero would stop the timer. */
		if (at_ms < 1)
			at_ms = 1;
		when.it_value.tv_sec = (time_t)(at_ms / 1000);
		when.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000;
	}
	timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME, &when, NULL);
}
