#include "config.h"

#include "io/connections.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <uthash.h>
#include <utlist.h>

#include "io/clock.h"

#define SWEEP_S 1

enum doing { WAITS, ANSWERED, STREAMS, DOINGS };

/*
 * evhttp tells nobody when a connection begins or ends. It does ask for the buffer of a new one, and a socket is known by
 * descriptor and inode: when the descriptor has another inode, or none, the connection is over.
 */
struct connection {
	int fd;
	ino_t inode;
	enum doing doing;
	int64_t since_ms;
	int requests;
	UT_hash_handle hh;		/* by fd */
	struct connection *prev, *next;	/* in the list of what it does, that which has done it longest first */
};

struct connections {
	struct evconnlistener *listener;
	struct connection *all, *lists[DOINGS];
	int in_list[DOINGS];
	struct bufferevent *newest;	/* accepted in this turn of the loop, not yet in all */
	int accepted;			/* in this turn */
	struct event *settle;		/* at the end of this turn */
	struct event *listen_again, *sweep;	/* timers */
	uint64_t dropped;
};

static void
put(struct connections *c, struct connection *connection, enum doing doing)
{
	connection->doing = doing;
	connection->since_ms = clock_boot_ms();
	DL_APPEND(c->lists[doing], connection);
	c->in_list[doing]++;
}

static void
take_out(struct connections *c, struct connection *connection)
{
	DL_DELETE(c->lists[connection->doing], connection);
	c->in_list[connection->doing]--;
}

static void
forget(struct connections *c, struct connection *connection)
{
	take_out(c, connection);
	HASH_DEL(c->all, connection);
	free(connection);
}

static struct connection *
find(struct connections *c, int fd)
{
	struct connection *found;

	HASH_FIND_INT(c->all, &fd, found);
	return found;
}

static bool
is_there(const struct connection *connection)
{
	struct stat stat;

	return fstat(connection->fd, &stat) == 0 && S_ISSOCK(stat.st_mode) && stat.st_ino == connection->inode;
}

/* evhttp sees the end of the connection and frees what belongs to it. */
static void
drop(struct connections *c, struct connection *connection)
{
	if (is_there(connection)) {
		shutdown(connection->fd, SHUT_RDWR);
		c->dropped++;
	}
	forget(c, connection);
}

/* That which has waited, or let us wait, longest: whoever is new has the time to ask, whatever the others do. */
static void
make_room(struct connections *c)
{
	struct connection *waits, *answered;

	while (HASH_COUNT(c->all) > CONNECTIONS_MAX && ((waits = c->lists[WAITS]) || c->lists[ANSWERED])) {
		answered = c->lists[ANSWERED];
		drop(c, !answered || (waits && waits->since_ms < answered->since_ms) ? waits : answered);
	}
}

static void
add(struct connections *c, int fd)
{
	struct connection *connection = find(c, fd);
	struct stat stat;

	if (connection)
		forget(c, connection);	/* its descriptor has been given to the new one */
	if (fd < 0 || fstat(fd, &stat) != 0 || !(connection = calloc(1, sizeof *connection)))
		return;
	connection->fd = fd;
	connection->inode = stat.st_ino;
	HASH_ADD_INT(c->all, fd, connection);
	put(c, connection, WAITS);
	make_room(c);
}

/* The one accepted before has its descriptor by now, and nothing else has run that could have freed it. */
static void
add_newest(struct connections *c)
{
	struct timeval pause = { .tv_sec = SWEEP_S };

	if (!c->newest)
		return;
	add(c, bufferevent_getfd(c->newest));
	c->newest = NULL;
	if (!evtimer_pending(c->sweep, NULL))
		evtimer_add(c->sweep, &pause);
}

static void
on_settle(evutil_socket_t fd, short what, void *context)
{
	struct connections *c = context;
	struct timeval now = { 0 };

	(void)fd;
	(void)what;
	add_newest(c);
	if (c->accepted >= ACCEPTS_MAX)
		evtimer_add(c->listen_again, &now);
	c->accepted = 0;
}

static void
on_listen_again(evutil_socket_t fd, short what, void *context)
{
	struct connections *c = context;

	(void)fd;
	(void)what;
	evconnlistener_enable(c->listener);
}

static void
drop_late(struct connections *c, enum doing doing, int64_t limit_ms)
{
	while (c->lists[doing] && clock_boot_ms() - c->lists[doing]->since_ms >= limit_ms)
		drop(c, c->lists[doing]);
}

static void
on_sweep(evutil_socket_t fd, short what, void *context)
{
	struct connections *c = context;
	struct connection *connection, *next;
	struct timeval pause = { .tv_sec = SWEEP_S };

	(void)fd;
	(void)what;
	HASH_ITER(hh, c->all, connection, next) {
		if (!is_there(connection))
			forget(c, connection);
	}
	drop_late(c, WAITS, WAIT_S * 1000);
	drop_late(c, ANSWERED, ANSWER_S * 1000);
	if (c->all)
		evtimer_add(c->sweep, &pause);
}

struct connections *
connections_new(struct event_base *base, struct evconnlistener *listener)
{
	struct connections *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->listener = listener;
	c->settle = event_new(base, -1, 0, on_settle, c);
	c->listen_again = evtimer_new(base, on_listen_again, c);
	c->sweep = evtimer_new(base, on_sweep, c);
	if (!c->settle || !c->listen_again || !c->sweep) {
		connections_free(c);
		return NULL;
	}
	return c;
}

void
connections_free(struct connections *c)
{
	struct connection *connection, *next;
	struct event *events[] = { c ? c->settle : NULL, c ? c->listen_again : NULL, c ? c->sweep : NULL };

	if (!c)
		return;
	HASH_ITER(hh, c->all, connection, next)
		forget(c, connection);
	for (int i = 0; i < 3; i++) {
		if (events[i])
			event_free(events[i]);
	}
	free(c);
}

void
connections_accepted(struct connections *c, struct bufferevent *buffer)
{
	add_newest(c);
	c->newest = buffer;
	if (++c->accepted >= ACCEPTS_MAX)
		evconnlistener_disable(c->listener);
	event_active(c->settle, EV_TIMEOUT, 0);
}

int
connections_asked(struct connections *c, int fd)
{
	struct connection *connection = find(c, fd);

	if (!connection)
		return 1;
	take_out(c, connection);
	put(c, connection, ANSWERED);
	return ++connection->requests;
}

bool
connections_streams(struct connections *c, int fd)
{
	struct connection *connection = find(c, fd);

	if (!connection || c->in_list[STREAMS] >= STREAMS_MAX)
		return false;
	take_out(c, connection);
	put(c, connection, STREAMS);
	return true;
}

void
connections_answered(struct connections *c, int fd)
{
	struct connection *connection = find(c, fd);

	if (!connection)
		return;
	take_out(c, connection);
	put(c, connection, WAITS);
}

int
connections_count(const struct connections *c)
{
	return (int)HASH_COUNT(c->all);
}

uint64_t
connections_dropped(const struct connections *c)
{
	return c->dropped;
}
