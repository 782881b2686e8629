#include "io/channel.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"

#define READ_MAX (256 * 1024)	/* per turn of the loop: others must run, too */

struct channel {
	int fd;
	struct event *readable, *writable;
	struct evbuffer *in, *out;
	const struct channel_callbacks *callbacks;
	void *context;
	bool writing;		/* writable is in the loop */
	bool calling, freed;	/* a callback runs; it has freed the channel */
	bool over;		/* closed was said */
};

static void
destroy(struct channel *channel)
{
	if (channel->readable)
		event_free(channel->readable);
	if (channel->writable)
		event_free(channel->writable);
	if (channel->in)
		evbuffer_free(channel->in);
	if (channel->out)
		evbuffer_free(channel->out);
	close(channel->fd);
	free(channel);
}

static void
say_closed(struct channel *channel)
{
	if (channel->over)
		return;
	channel->over = true;
	event_del(channel->readable);
	event_del(channel->writable);
	channel->calling = true;
	channel->callbacks->closed(channel->context);
	channel->calling = false;
}

/* Hands over the whole frames that have arrived. False: the peer talks nonsense. */
static bool
hand_over(struct channel *channel)
{
	uint32_t len;

	while (!channel->freed && evbuffer_copyout(channel->in, &len, sizeof len) == sizeof len) {
		if (len > CHANNEL_FRAME_MAX)
			return false;
		if (evbuffer_get_length(channel->in) < sizeof len + len)
			return true;
		const char *frame = (const char *)evbuffer_pullup(channel->in, (ev_ssize_t)(sizeof len + len));
		if (!frame)
			return false;
		channel->callbacks->frame(channel->context, frame + sizeof len, len);
		evbuffer_drain(channel->in, sizeof len + len);
	}
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	struct channel *channel = context;
	int got = evbuffer_read(channel->in, fd, READ_MAX);

	(void)what;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	bool open = got > 0;
	channel->calling = true;
	if (!hand_over(channel))
		open = false;
	channel->calling = false;
	if (!open && !channel->freed)
		say_closed(channel);
	if (channel->freed)
		destroy(channel);
}

static void
on_writable(evutil_socket_t fd, short what, void *context)
{
	struct channel *channel = context;

	(void)what;
	/* An error here shows as end of file on the reading side, with what the peer still said before it. */
	if (evbuffer_write(channel->out, fd) < 0 && errno != EAGAIN && errno != EINTR)
		evbuffer_drain(channel->out, evbuffer_get_length(channel->out));
	if (evbuffer_get_length(channel->out) == 0) {
		event_del(channel->writable);
		channel->writing = false;
	}
}

struct channel *
channel_new(struct event_base *base, int fd, const struct channel_callbacks *callbacks, void *context)
{
	struct channel *channel = calloc(1, sizeof *channel);

	if (!channel) {
		close(fd);
		return NULL;
	}
	channel->fd = fd;
	channel->callbacks = callbacks;
	channel->context = context;
	channel->in = evbuffer_new();
	channel->out = evbuffer_new();
	channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, channel);
	if (!channel->in || !channel->out || !channel->readable || !channel->writable ||
	    evutil_make_socket_nonblocking(fd) != 0 || event_add(channel->readable, NULL) != 0) {
		destroy(channel);
		return NULL;
	}
	return channel;
}

void
channel_free(struct channel *channel)
{
	if (!channel)
		return;
	if (!channel->calling) {
		destroy(channel);
		return;
	}
	channel->freed = true;
	event_del(channel->readable);
	event_del(channel->writable);
}

int
channel_send(struct channel *channel, const char *data, size_t len)
{
	uint32_t prefix = (uint32_t)len;

	if (channel->over || channel->freed)
		return 0;
	if (len > CHANNEL_FRAME_MAX || evbuffer_expand(channel->out, sizeof prefix + len) != 0)
		return -1;
	evbuffer_add(channel->out, &prefix, sizeof prefix);
	evbuffer_add(channel->out, data, len);
	if (!channel->writing && event_add(channel->writable, NULL) == 0)
		channel->writing = true;
	return 0;
}

int
channel_flush(struct channel *channel, int timeout_ms)
{
	int64_t deadline = clock_boot_ms() + timeout_ms;

	while (evbuffer_get_length(channel->out) > 0) {
		if (evbuffer_write(channel->out, channel->fd) >= 0)
			continue;
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		int64_t left = deadline - clock_boot_ms();
		struct pollfd poll_fd = { .fd = channel->fd, .events = POLLOUT };
		if (left <= 0 || (poll(&poll_fd, 1, (int)left) < 0 && errno != EINTR))
			return -1;
	}
	return 0;
}

size_t
channel_queued(const struct channel *channel)
{
	return evbuffer_get_length(channel->out);
}
