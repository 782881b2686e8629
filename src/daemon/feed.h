/*
 * feed.h: the HTTP process as the daemon's main process sees it: started, started again when it ends or hangs, and given a
 * snapshot each second. Nothing of it makes the main loop wait: what the HTTP process has not read in time it does not get.
 */
#ifndef ZKQ_DAEMON_FEED_H
#define ZKQ_DAEMON_FEED_H

#include <stddef.h>
#include <sys/types.h>

#define HELPER_HTTP "--http-server"

#define FEED_EVERY_MS 1000
#define FEED_QUEUED_MAX 65536	/* bytes not yet taken by the HTTP process: no snapshot on top of them */
#define FEED_STUCK_MS 30000	/* it has taken none for so long: it hangs, and is replaced */

struct channel;
struct event_base;
struct feed;
struct snapshot;

struct feed_conf {
	const char *owner;		/* "dispatcher": begins lines of the log; kept by the caller */
	int listener;			/* to accept on; stays the caller's */
	void *context;
	char **(*arguments)(void *context, int *count);	/* as of struct helper_conf */
	void (*collect)(void *context, struct snapshot *snapshot);	/* puts in what there is to tell */
	/* How a snapshot goes out; 0, or -1 when memory runs out. NULL = as a frame of its own. */
	int (*send)(void *context, struct channel *channel, const char *data, size_t len);
	/* The process was started (again); may send what it must know first. May be NULL. */
	void (*started)(void *context, struct channel *channel);
};

/* NULL when memory runs out. */
struct feed *feed_new(struct event_base *base, const struct feed_conf *conf);
/* Does not end the process: it does that by itself when it loses us. */
void feed_free(struct feed *feed);
pid_t feed_pid(const struct feed *feed);	/* 0 = not running */
/* The process has been waited for. */
void feed_ended(struct feed *feed, int status);
/* No new one when this one ends. */
void feed_leave(struct feed *feed);
/* To say something else to it; NULL = not there. */
struct channel *feed_channel(struct feed *feed);
/* It does not do what it should: SIGKILL; another follows. */
void feed_replace(struct feed *feed);

#endif
