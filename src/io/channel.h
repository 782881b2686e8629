/*
 * channel.h: frames of bytes over a connected stream socket between processes of one program.
 * On the wire: the length in 4 bytes of the machine's order, then the bytes.
 */
#ifndef ZKQ_IO_CHANNEL_H
#define ZKQ_IO_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#define CHANNEL_FRAME_MAX (64u * 1024 * 1024)

struct channel;
struct event_base;

struct channel_callbacks {
	/* data lives until it returns. */
	void (*frame)(void *context, const char *data, size_t len);
	/* The peer is gone or talks nonsense; nothing more comes. Usually answered by channel_free(). */
	void (*closed)(void *context);
};

/* Takes fd (closes it, also on failure). Callbacks run in the loop and may call any function of this header.
 * NULL when memory runs out. */
struct channel *channel_new(struct event_base *base, int fd, const struct channel_callbacks *callbacks, void *context);
void channel_free(struct channel *channel);
/* Queues a frame; the loop sends it. -1 when memory runs out or the frame is too long. */
int channel_send(struct channel *channel, const char *data, size_t len);
/* Sends what is queued before it returns, waiting at most timeout_ms for the peer to read. 0 = all sent. */
int channel_flush(struct channel *channel, int timeout_ms);
/* Bytes queued and not yet sent. */
size_t channel_queued(const struct channel *channel);

#endif
