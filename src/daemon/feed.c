#include "config.h"

#include "daemon/feed.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "daemon/helper.h"
#include "daemon/snapshot.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/loop.h"

struct feed {
	struct event_base *base;
	struct feed_conf conf;
	struct helper *helper;
	struct channel *channel;	/* NULL = not there */
	struct timer *timer;
	int64_t due_ms;			/* when the timer should have fired */
	int64_t sent_ms;		/* the last snapshot */
	uint64_t dropped, starts;
	struct histogram lag;
};

static void
on_frame(void *context, const char *data, size_t len)
{
	(void)context;
	(void)data;
	(void)len;
}

static void
hang_up(void *context)
{
	struct feed *feed = context;

	channel_free(feed->channel);
	feed->channel = NULL;
}

static void
collect(struct feed *feed, struct snapshot *snapshot)
{
	struct metrics *metrics = &snapshot->metrics;

	metrics_histogram(metrics, METRIC_LOOP_LAG, &feed->lag, NULL);
	metrics_value(metrics, METRIC_HTTP_SNAPSHOTS, (double)feed->dropped);
	metrics_value(metrics, METRIC_HTTP_RESTARTS, (double)(feed->starts - 1));
	feed->conf.collect(feed->conf.context, snapshot);
}

static void
send_snapshot(struct feed *feed)
{
	struct snapshot snapshot = { 0 };
	size_t len;

	collect(feed, &snapshot);
	char *data = snapshot_encode(&snapshot, &len);
	int sent = -1;
	if (data && feed->conf.send)
		sent = feed->conf.send(feed->conf.context, feed->channel, data, len);
	else if (data)
		sent = channel_send(feed->channel, data, len);
	if (sent == 0)
		feed->sent_ms = clock_boot_ms();
	else
		feed->dropped++;
	free(data);
	snapshot_free(&snapshot);
}

static void
on_time(void *context)
{
	struct feed *feed = context;
	int64_t now_ms = clock_boot_ms();

	histogram_add(&feed->lag, now_ms - feed->due_ms);
	feed->due_ms = now_ms + FEED_EVERY_MS;
	timer_set(feed->timer, FEED_EVERY_MS);
	if (!feed->channel)
		return;
	if (channel_queued(feed->channel) <= FEED_QUEUED_MAX) {
		send_snapshot(feed);
		return;
	}
	feed->dropped++;
	if (now_ms - feed->sent_ms < FEED_STUCK_MS)
		return;
	log_error("%s: the HTTP process does not read what it is told; it is replaced", feed->conf.owner);
	feed_replace(feed);
}

static void
on_started(void *context, int fd)
{
	static const struct channel_callbacks callbacks = { .frame = on_frame, .closed = hang_up };
	struct feed *feed = context;

	channel_free(feed->channel);
	feed->channel = channel_new(feed->base, fd, &callbacks, feed);
	feed->starts++;
	feed->sent_ms = clock_boot_ms();
	if (!feed->channel)
		return;
	if (feed->conf.started)
		feed->conf.started(feed->conf.context, feed->channel);
	send_snapshot(feed);
}

static char **
arguments(void *context, int *count)
{
	struct feed *feed = context;

	return feed->conf.arguments(feed->conf.context, count);
}

struct feed *
feed_new(struct event_base *base, const struct feed_conf *conf)
{
	struct feed *feed = calloc(1, sizeof *feed);

	if (!feed)
		return NULL;
	feed->base = base;
	feed->conf = *conf;
	struct helper_conf helper = {
		.owner = conf->owner, .argument = HELPER_HTTP, .name = "HTTP process", .listener = conf->listener,
		.dies_with_us = true, .without_secrets = true, .context = feed, .arguments = arguments, .started = on_started,
	};
	feed->timer = timer_new(base, on_time, feed);
	feed->helper = helper_new(base, &helper);
	if (!feed->timer || !feed->helper) {
		feed_free(feed);
		return NULL;
	}
	feed->due_ms = clock_boot_ms() + FEED_EVERY_MS;
	timer_set(feed->timer, FEED_EVERY_MS);
	return feed;
}

void
feed_free(struct feed *feed)
{
	if (!feed)
		return;
	channel_free(feed->channel);
	helper_free(feed->helper);
	timer_free(feed->timer);
	free(feed);
}

pid_t
feed_pid(const struct feed *feed)
{
	return feed ? helper_pid(feed->helper) : 0;
}

void
feed_ended(struct feed *feed, int status)
{
	hang_up(feed);
	helper_ended(feed->helper, status);
}

void
feed_leave(struct feed *feed)
{
	if (feed)
		helper_leave(feed->helper);
}

struct channel *
feed_channel(struct feed *feed)
{
	return feed ? feed->channel : NULL;
}

void
feed_replace(struct feed *feed)
{
	hang_up(feed);
	helper_kill(feed->helper);
}
