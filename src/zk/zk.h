/*
 * zk.h: ZooKeeper sessions on one thread. No static state; several handles are possible. Only
 * zk/session.c includes zookeeper.h, only zk/mailbox.c uses pthread.
 *
 * The owner polls zk_fd() for reading and calls zk_dispatch() when it is readable or when
 * zk_timeout() has passed. All callbacks run inside zk_dispatch(), on the caller's thread; they may
 * call zk_send() but neither zk_dispatch() nor zk_free().
 *
 * Life of a handle: it resolves the host names itself (again for each new session; IPv4 and IPv6
 * literals, an odd count), connects, and keeps trying for ever with jitter. When the session expires it
 * closes the library's handle, completes what is outstanding as RC_UNKNOWN, says ZK_EXPIRED and
 * opens a new session by itself.
 *
 * A session that is cut off stays ZK_DISCONNECTED for as long as no server says that it is over: the library never
 * decides that by itself. It is given up and ended in the same way when it has been away for ten session timeouts (at
 * least 30 s), when the servers' names have come to mean others meanwhile, or when the library has not answered a
 * request for two session timeouts although it is connected.
 */
#ifndef ZKQ_ZK_ZK_H
#define ZKQ_ZK_ZK_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/raw.h"

struct zk;

struct zk_conf {
	const char *hosts;		/* "host[:port],..." without chroot; copied like all strings here */
	int session_timeout_ms;
	const char *auth;		/* "digest:user:password", or NULL. With it every create is readable and writable
					 * by that user only; without it by everybody */
	uint64_t seed;			/* jitter */
};

enum zk_state {
	ZK_CONNECTED,		/* session id and timeout are valid; fresh = a new session */
	ZK_DISCONNECTED,
	ZK_EXPIRED,
	ZK_AUTH_FAILED,		/* the credential cannot work; a new session is tried all the same, slowly */
	ZK_UNRESOLVED,		/* no host name could be resolved; tried again */
};

struct zk_callbacks {
	/* Exactly one per zk_send(). raw and all in it live until the callback returns. */
	void (*reply)(void *context, uint64_t cookie, const struct raw_reply *raw);
	void (*watch)(void *context, enum watch_kind kind, const char *path);
	/* detail: text for the log, may be NULL. */
	void (*state)(void *context, enum zk_state state, int64_t session_id, int32_t timeout_ms, bool fresh,
	    const char *detail);
};

/* Starts at once; never blocks. NULL when memory or descriptors run out. */
struct zk *zk_new(const struct zk_conf *conf, const struct zk_callbacks *callbacks, void *context);
/* Closes the session (ephemerals go at once when connected) and completes what is outstanding as
 * RC_UNKNOWN through the reply callback; what is sent from within these callbacks is dropped. May block for at most about 3 s when the server does not answer. */
void zk_free(struct zk *zk);
/* Closes the present session and opens a fresh one: ZK_EXPIRED, later ZK_CONNECTED. Safe inside callbacks. */
void zk_new_session(struct zk *zk);
/* Readable when zk_dispatch() has work. Belongs to zk. */
int zk_fd(const struct zk *zk);
/* Milliseconds until zk_dispatch() must be called even if the descriptor stays quiet; -1 = no need. */
int zk_timeout(const struct zk *zk);
/* Delivers what has arrived, at most ZK_DISPATCH_MAX messages, and does what is due. */
void zk_dispatch(struct zk *zk);

#define ZK_DISPATCH_MAX 512	/* then back to the loop: timers must run */

/* Queues a request in order; sends it when fewer than REQUESTS_IN_FLIGHT_MAX are out. Copies all it needs.
 * Without a connected session the reply is RC_NOTSENT; it comes from a later zk_dispatch(), never
 * from within zk_send(). Too large or malformed: RC_INVALID the same way. */
void zk_send(struct zk *zk, uint64_t cookie, const struct raw_request *raw);
bool zk_connected(const struct zk *zk);
/* The local address of the connection, "10.0.0.7" or "fd00::7"; false when not connected. */
bool zk_local_address(const struct zk *zk, char *buffer, size_t size);

/* "10.0.0.1:2181" of the server that it is connected to; false when not connected. */
bool zk_server(const struct zk *zk, char *buffer, size_t size);

/* Process-wide sink for the library's own messages; called on any thread, must be quick and must not call
 * into zk. NULL = drop them. */
void zk_set_log(void (*sink)(const char *line));

#endif
