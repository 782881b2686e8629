/*
 * connections.h: which connections an HTTP server has, and which of them must go so that others may come. Who holds a
 * connection and asks for nothing cannot keep anybody out.
 */
#ifndef ZKQ_IO_CONNECTIONS_H
#define ZKQ_IO_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define CONNECTIONS_MAX 256	/* scrapers and followers are few; one more, and that which has waited longest is dropped */
#define STREAMS_MAX 128		/* of these; never dropped, so half of the room is left to others */
#define ACCEPTS_MAX 32		/* in one turn of the loop: then those that are there get their answers */
#define WAIT_S 30		/* for a whole request, since the connection began or its last answer was read: a header that
				 * comes byte by byte is given up, and so is a connection that is kept for nothing */
#define ANSWER_S 30		/* for the reading of a whole answer that is no stream */

struct bufferevent;
struct connections;
struct evconnlistener;
struct event_base;

/* Watches over what listener accepts; borrows it. NULL when memory runs out. */
struct connections *connections_new(struct event_base *base, struct evconnlistener *listener);
/* Leaves the connections themselves alone. */
void connections_free(struct connections *connections);
/* A connection is being accepted; fd is known to buffer when the present callback has returned. */
void connections_accepted(struct connections *connections, struct bufferevent *buffer);
/* A request has come on fd. Returns how many have, this one included. */
int connections_asked(struct connections *connections, int fd);
/* The answer on fd is a stream from now on. False: there are too many. */
bool connections_streams(struct connections *connections, int fd);
/* The answer on fd has left. */
void connections_answered(struct connections *connections, int fd);
/* For metrics: how many there are (those included that ended a moment ago); how many were dropped to make room or for
 * their slowness. */
int connections_count(const struct connections *connections);
uint64_t connections_dropped(const struct connections *connections);

#endif
