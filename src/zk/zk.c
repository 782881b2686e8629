/*
 * The life of a handle, on the owner's thread:
 *
 *     RESOLVING --names known--> OPEN --session over, or told to--> WAITING --after a while--> RESOLVING
 *         └── nothing found ──────────────────────────────────────────▲
 *
 * While OPEN the library reconnects by itself; that shows as connected coming and going. Every flight is in
 * exactly one list: queued (behind the window), out (the library has it), or refused (to be answered by
 * ourselves). A session is closed at the end of a dispatch only, never from within a callback.
 */
#include "zk/zk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "zk/mailbox.h"
#include "zk/request.h"
#include "zk/resolve.h"
#include "zk/session.h"

#define BYTES_IN_FLIGHT_MAX (8 * 1024 * 1024)	/* the library keeps what it has not sent in memory, and a reply
						 * must not wait behind more than a session timeout's worth */
#define REOPEN_MIN_MS 200	/* first pause before a new session, then doubled: at random below that, so that a */
#define REOPEN_MAX_MS 10000	/* fleet that lost its sessions together does not come back together */
#define AUTH_PAUSE_MS 5000	/* a credential does not become right quickly */
#define RESOLVE_AGAIN_MS 30000	/* while disconnected: the servers may have moved */
#define GIVE_UP_FACTOR 10	/* session timeouts without a connection, and at least */
#define GIVE_UP_MS 30000	/* so long: then another session. The old one could only live if all servers were down
				 * together; but servers that lost their data refuse it without saying that it is over */
#define UNSAID_MS 1000		/* what the library knows reaches us within this */
#define UNKEPT_MAX 64		/* requests that found no memory, until they are answered */

enum phase { PHASE_RESOLVING, PHASE_WAITING, PHASE_OPEN };

struct resolution {
	struct post post;
	char *hosts;	/* asked for */
	char *servers;	/* found, or NULL: then why */
	const char *why;
};

struct flights {
	struct flight *first, *last;
};

struct zk {
	char *hosts, *auth;
	int session_timeout_ms;
	struct zk_callbacks callbacks;
	void *context;
	struct rng rng;
	struct mailbox *box;
	struct message *backlog, **backlog_end;	/* taken from the box, not delivered yet */

	enum phase phase;
	int64_t retry_ms;		/* WAITING: when to go on */
	unsigned failures;		/* since the last connection */
	bool resolving;			/* a thread looks up names */
	char *servers;			/* that the session was opened with */

	struct session *session;	/* OPEN */
	uint64_t generation;
	bool connected;
	int64_t session_id;		/* 0 = this session never was connected */
	int32_t timeout_ms;
	int64_t lost_ms;		/* since when, while not connected */
	int64_t looked_ms;		/* when that was last looked into */
	bool must_close;		/* at the end of the dispatch */
	const char *why;		/* of that, static, may be NULL */
	bool auth_failed;		/* the reason */
	bool unsaid;			/* the library says that it is connected but has not told us */
	bool freeing;

	struct flights queued, out, refused;
	int out_count;
	size_t out_bytes;
	uint64_t unkept[UNKEPT_MAX];
	int unkept_count;
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* ---- lists of flights ---- */

static void
push(struct flights *list, struct flight *flight)
{
	flight->next = NULL;
	flight->prev = list->last;
	if (list->last)
		list->last->next = flight;
	else
		list->first = flight;
	list->last = flight;
}

static void
take_out(struct flights *list, struct flight *flight)
{
	if (flight->prev)
		flight->prev->next = flight->next;
	else
		list->first = flight->next;
	if (flight->next)
		flight->next->prev = flight->prev;
	else
		list->last = flight->prev;
	flight->prev = flight->next = NULL;
}

static void
refuse(struct zk *zk, struct flight *flight, enum rc rc)
{
	flight->rc = rc;
	push(&zk->refused, flight);
	mailbox_wake(zk->box);
}

static void
refuse_queued(struct zk *zk)
{
	struct flight *flight;

	while ((flight = zk->queued.first)) {
		take_out(&zk->queued, flight);
		refuse(zk, flight, RC_NOTSENT);
	}
}

/* ---- telling the owner ---- */

static void
tell_state(struct zk *zk, enum zk_state state, bool fresh, const char *detail)
{
	if (!zk->freeing)
		zk->callbacks.state(zk->context, state, zk->session_id, zk->timeout_ms, fresh, detail);
}

static void
tell_reply(struct zk *zk, struct flight *flight)
{
	bool answered = flight->rc != RC_UNKNOWN && flight->rc != RC_NOTSENT;
	struct raw_reply raw = { .rc = flight->rc, .failed_op = -1 };

	if (flight->rc == RC_OK) {
		raw.stat = flight->stat;
		raw.data = flight->data;
		raw.len = flight->len;
		raw.children = (const char *const *)flight->children;
		raw.child_count = flight->child_count;
		raw.acl = flight->acl;
		raw.acl_count = flight->acl_count;
	}
	if (answered && flight->raw_results) {
		raw.results = flight->raw_results;
		raw.result_count = flight->op_count;
		raw.failed_op = flight->failed_op;
	}
	zk->callbacks.reply(zk->context, flight->cookie, &raw);
	flight_free(flight);
}

/* Answers what we refused ourselves; not what is refused meanwhile, which waits for its turn. */
static void
tell_refused(struct zk *zk)
{
	struct flights now = zk->refused;
	struct flight *flight;

	zk->refused = (struct flights){ NULL, NULL };
	while ((flight = now.first)) {
		take_out(&now, flight);
		flight->raw_results = NULL;	/* an op in it was never looked at by a server */
		tell_reply(zk, flight);
	}
	uint64_t unkept[UNKEPT_MAX];
	int count = zk->unkept_count;
	memcpy(unkept, zk->unkept, sizeof unkept);
	zk->unkept_count = 0;
	for (int i = 0; i < count; i++) {
		struct raw_reply raw = { .rc = RC_NOTSENT, .failed_op = -1 };

		zk->callbacks.reply(zk->context, unkept[i], &raw);
	}
}

/* ---- sending ---- */

static bool
window_open(const struct zk *zk, size_t bytes)
{
	return zk->out_count < REQUESTS_IN_FLIGHT_MAX &&
	    (zk->out_count == 0 || zk->out_bytes + bytes <= BYTES_IN_FLIGHT_MAX);
}

static void
close_soon(struct zk *zk, const char *why)
{
	if (zk->phase != PHASE_OPEN)
		return;
	zk->must_close = true;
	zk->why = why;
	mailbox_wake(zk->box);
}

static void
give_to_library(struct zk *zk, struct flight *flight, const struct raw_request *raw)
{
	enum sent sent = session_send(zk->session, flight, raw);

	if (sent == SENT_NO || sent == SENT_NOMEM) {
		refuse(zk, flight, RC_NOTSENT);
		return;
	}
	flight->sent_ms = now_ms();
	push(&zk->out, flight);
	zk->out_count++;
	zk->out_bytes += flight->bytes;
	if (sent == SENT_BROKEN)
		close_soon(zk, "the client library could not send");
}

static void
send_queued(struct zk *zk)
{
	struct flight *flight;

	while (zk->connected && !zk->must_close && (flight = zk->queued.first) && window_open(zk, flight->bytes)) {
		struct raw_request *raw = flight->queued;

		take_out(&zk->queued, flight);
		flight->queued = NULL;
		give_to_library(zk, flight, raw);
		free(raw);
	}
}

void
zk_send(struct zk *zk, uint64_t cookie, const struct raw_request *raw)
{
	struct flight *flight = flight_new();

	if (!flight) {
		if (zk->unkept_count < UNKEPT_MAX)
			zk->unkept[zk->unkept_count++] = cookie;
		mailbox_wake(zk->box);
		return;
	}
	flight->cookie = cookie;
	flight->kind = raw->kind;
	flight->bytes = request_bytes(raw);
	if (flight->bytes == 0) {
		refuse(zk, flight, RC_INVALID);
	} else if (!zk->connected) {
		refuse(zk, flight, RC_NOTSENT);
	} else if (!zk->queued.first && window_open(zk, flight->bytes)) {
		give_to_library(zk, flight, raw);
	} else if ((flight->queued = request_copy(raw))) {
		push(&zk->queued, flight);
	} else {
		refuse(zk, flight, RC_NOTSENT);
	}
}

/* ---- what comes from the library ---- */

static void
lose_connection(struct zk *zk)
{
	if (!zk->connected)
		return;
	zk->connected = false;
	zk->lost_ms = zk->looked_ms = now_ms();
	refuse_queued(zk);
	tell_state(zk, ZK_DISCONNECTED, false, NULL);
}

static void
on_reply(struct zk *zk, struct flight *flight)
{
	take_out(&zk->out, flight);
	zk->out_count--;
	zk->out_bytes -= flight->bytes;
	/* The library does not tell of every loss before it answers for what was lost. */
	if (flight->rc == RC_UNKNOWN && zk->session && !zk->must_close)
		lose_connection(zk);
	tell_reply(zk, flight);
}

static void
on_connected(struct zk *zk, const struct state_post *post)
{
	bool fresh = zk->session_id != post->session_id;
	char server[80];

	lose_connection(zk);	/* connected again, and no word of it before: it was away */
	session_authenticate(zk->session);
	zk->connected = true;
	zk->session_id = post->session_id;
	zk->timeout_ms = post->timeout_ms;
	zk->failures = 0;
	zk->unsaid = false;
	tell_state(zk, ZK_CONNECTED, fresh, session_server(zk->session, server, sizeof server) ? server : NULL);
}

static void
on_state(struct zk *zk, const struct state_post *post)
{
	switch (post->state) {
	case SESSION_CONNECTED:
		on_connected(zk, post);
		break;
	case SESSION_DISCONNECTED:
		lose_connection(zk);
		break;
	case SESSION_EXPIRED:
		close_soon(zk, "expired");
		break;
	case SESSION_AUTH_FAILED:
		zk->auth_failed = true;
		close_soon(zk, "the credential was refused");
	}
}

/* ---- opening ---- */

static void
wait_before_opening(struct zk *zk, int64_t at_least_ms)
{
	unsigned doublings = zk->failures < 8 ? zk->failures : 8;
	int64_t most = (int64_t)REOPEN_MIN_MS << doublings;

	if (most > REOPEN_MAX_MS)
		most = REOPEN_MAX_MS;
	zk->failures++;
	zk->phase = PHASE_WAITING;
	zk->retry_ms = now_ms() + at_least_ms + (int64_t)rng_below(&zk->rng, (uint64_t)most) + 1;
}

static void
resolution_free(struct resolution *resolution)
{
	if (!resolution)
		return;
	free(resolution->hosts);
	free(resolution->servers);
	free(resolution);
}

/* On a thread of its own. */
static void
resolution_work(struct message *message)
{
	struct resolution *resolution = (struct resolution *)message;

	resolution->servers = resolve_hosts(resolution->hosts, &resolution->why);
}

static void
resolution_dispose(struct message *message)
{
	resolution_free((struct resolution *)message);
}

/* Takes servers. */
static void
open_session(struct zk *zk, char *servers)
{
	char detail[128];

	free(zk->servers);
	zk->servers = servers;
	zk->generation++;
	zk->session_id = 0;
	zk->session = session_open(servers, zk->session_timeout_ms, zk->auth, zk->box, zk->generation);
	if (zk->session) {
		zk->phase = PHASE_OPEN;
		zk->lost_ms = zk->looked_ms = now_ms();
		return;
	}
	snprintf(detail, sizeof detail, "the client library refused to start: %s", strerror(errno));
	wait_before_opening(zk, 0);
	tell_state(zk, ZK_UNRESOLVED, false, detail);
}

static void
on_resolved(struct zk *zk, struct resolution *resolution)
{
	char *servers = resolution->servers;
	const char *why = resolution->why;

	resolution->servers = NULL;
	resolution_free(resolution);
	zk->resolving = false;
	if (zk->phase == PHASE_RESOLVING && servers) {
		open_session(zk, servers);
		return;
	}
	if (zk->phase == PHASE_RESOLVING) {
		wait_before_opening(zk, 0);
		tell_state(zk, ZK_UNRESOLVED, false, why);
	} else if (zk->phase == PHASE_OPEN && !zk->connected && servers && !resolve_same(servers, zk->servers)) {
		close_soon(zk, "the servers have moved");	/* asked again while disconnected */
	}
	free(servers);
}

/* Literals are known at once; else a thread asks and POST_RESOLVED follows. */
static bool
resolve(struct zk *zk)
{
	struct resolution *resolution = calloc(1, sizeof *resolution);

	if (!resolution)
		return false;
	resolution->post.kind = POST_RESOLVED;
	resolution->hosts = strdup(zk->hosts);
	if (!resolution->hosts)
		goto free_resolution;
	zk->resolving = true;
	if (resolve_is_literal(zk->hosts)) {
		resolution_work(&resolution->post.message);
		mailbox_post(zk->box, &resolution->post.message);
		return true;
	}
	if (mailbox_run(zk->box, resolution_work, resolution_dispose, &resolution->post.message))
		return true;
	zk->resolving = false;

free_resolution:
	resolution_free(resolution);
	return false;
}

static void
begin(struct zk *zk)
{
	zk->phase = PHASE_RESOLVING;
	if (!zk->resolving && !resolve(zk))
		wait_before_opening(zk, 0);
}

/* ---- messages ---- */

static void
take_messages(struct zk *zk)
{
	struct message *message = mailbox_take(zk->box);

	*zk->backlog_end = message;
	for (; message; message = message->next)
		zk->backlog_end = &message->next;
}

static struct post *
next_message(struct zk *zk)
{
	struct message *message = zk->backlog;

	zk->backlog = message->next;
	if (!zk->backlog)
		zk->backlog_end = &zk->backlog;
	return (struct post *)message;
}

static void
deliver(struct zk *zk, struct post *post)
{
	bool current = zk->session && post->generation == zk->generation;

	switch (post->kind) {
	case POST_REPLY:
		on_reply(zk, (struct flight *)post);
		return;
	case POST_RESOLVED:
		on_resolved(zk, (struct resolution *)post);
		return;
	case POST_WATCH:
		if (current)
			zk->callbacks.watch(zk->context, ((struct watch_post *)post)->kind,
			    ((struct watch_post *)post)->path);
		break;
	case POST_STATE:
		if (current)
			on_state(zk, (struct state_post *)post);
	}
	free(post);
}

/* ---- closing ---- */

/* Closes the library's handle and answers for all that was out. */
static void
close_session(struct zk *zk)
{
	struct flight *flight;

	zk->connected = false;
	session_close(zk->session);
	zk->session = NULL;
	refuse_queued(zk);
	take_messages(zk);
	while (zk->backlog)
		deliver(zk, next_message(zk));	/* replies that did come; the rest is of a session that is gone */
	while ((flight = zk->out.first)) {
		take_out(&zk->out, flight);
		flight->rc = RC_UNKNOWN;
		tell_reply(zk, flight);
	}
	zk->out_count = 0;
	zk->out_bytes = 0;
}

static void
end_session(struct zk *zk)
{
	bool auth_failed = zk->auth_failed;
	const char *why = zk->why;

	wait_before_opening(zk, auth_failed ? AUTH_PAUSE_MS : 0);
	close_session(zk);
	if (zk->session_id)
		tell_state(zk, ZK_EXPIRED, false, why);
	zk->session_id = 0;
	if (auth_failed)
		tell_state(zk, ZK_AUTH_FAILED, false, why);
	zk->must_close = zk->auth_failed = false;	/* also when a callback asked for what is being done */
	zk->why = NULL;
}

/* When the session must be looked at although nothing arrives. */
static int64_t
deadline(const struct zk *zk)
{
	int64_t patience = 2LL * (zk->timeout_ms ? zk->timeout_ms : zk->session_timeout_ms);

	if (zk->phase == PHASE_WAITING)
		return zk->retry_ms;
	if (zk->phase != PHASE_OPEN)
		return INT64_MAX;
	if (zk->connected)
		return zk->out.first ? zk->out.first->sent_ms + patience : INT64_MAX;
	return zk->looked_ms + (patience < RESOLVE_AGAIN_MS ? patience : RESOLVE_AGAIN_MS) +
	    (zk->unsaid ? UNSAID_MS : 0);
}

static int64_t
give_up_ms(const struct zk *zk)
{
	int64_t sessions = (int64_t)GIVE_UP_FACTOR * zk->timeout_ms;

	return sessions > GIVE_UP_MS ? sessions : GIVE_UP_MS;
}

static void
look_after(struct zk *zk)
{
	int64_t now = now_ms();

	if (now < deadline(zk))
		return;
	if (zk->phase == PHASE_WAITING) {
		begin(zk);
		return;
	}
	if (zk->connected) {
		close_soon(zk, "a request was never answered");
	} else if (session_believes_connected(zk->session)) {
		if (zk->unsaid)
			close_soon(zk, "the client library did not say that it is connected");
		zk->unsaid = true;	/* or its message came just now: look again */
	} else if (zk->session_id && now - zk->lost_ms > give_up_ms(zk)) {
		close_soon(zk, "no connection for too long");
	} else {
		zk->looked_ms = now;
		zk->unsaid = false;
		if (!zk->resolving && !resolve_is_literal(zk->hosts))
			resolve(zk);
	}
}

/* ---- public ---- */

struct zk *
zk_new(const struct zk_conf *conf, const struct zk_callbacks *callbacks, void *context)
{
	struct zk *zk = calloc(1, sizeof *zk);

	if (!zk)
		return NULL;
	zk->backlog_end = &zk->backlog;
	zk->callbacks = *callbacks;
	zk->context = context;
	zk->session_timeout_ms = conf->session_timeout_ms > 0 ? conf->session_timeout_ms : SESSION_TIMEOUT_MS;
	rng_seed(&zk->rng, conf->seed);
	zk->hosts = strdup(conf->hosts);
	zk->auth = conf->auth ? strdup(conf->auth) : NULL;
	zk->box = mailbox_new();
	if (!zk->hosts || (conf->auth && !zk->auth) || !zk->box) {
		mailbox_free(zk->box);
		free(zk->hosts);
		free(zk->auth);
		free(zk);
		return NULL;
	}
	begin(zk);
	mailbox_wake(zk->box);
	return zk;
}

void
zk_free(struct zk *zk)
{
	if (!zk)
		return;
	zk->freeing = true;
	zk->phase = PHASE_WAITING;	/* nothing new is begun */
	close_session(zk);
	tell_refused(zk);
	/* What was sent from within these last callbacks has nobody left to ask. */
	for (struct flight *flight; (flight = zk->refused.first); flight_free(flight))
		take_out(&zk->refused, flight);
	/* Only a resolution can have come since. */
	for (struct message *left = mailbox_free(zk->box), *next; left; left = next) {
		next = left->next;
		resolution_dispose(left);
	}
	free(zk->hosts);
	free(zk->auth);
	free(zk->servers);
	free(zk);
}

void
zk_new_session(struct zk *zk)
{
	if (zk->phase == PHASE_OPEN && !zk->must_close) {
		zk->connected = false;
		refuse_queued(zk);
		close_soon(zk, "closed");
	}
}

int
zk_fd(const struct zk *zk)
{
	return mailbox_fd(zk->box);
}

int
zk_timeout(const struct zk *zk)
{
	int64_t at = deadline(zk);

	if (zk->backlog || zk->refused.first || zk->unkept_count || zk->must_close)
		return 0;
	if (at == INT64_MAX)
		return -1;
	int64_t left = at - now_ms();
	return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

void
zk_dispatch(struct zk *zk)
{
	take_messages(zk);
	if (mailbox_lost(zk->box))
		close_soon(zk, "out of memory");
	tell_refused(zk);
	for (int count = 0; zk->backlog && count < ZK_DISPATCH_MAX && !zk->must_close; count++)
		deliver(zk, next_message(zk));
	look_after(zk);
	if (zk->must_close)
		end_session(zk);
	send_queued(zk);
	if (zk->backlog || zk->refused.first)
		mailbox_wake(zk->box);
}

bool
zk_connected(const struct zk *zk)
{
	return zk->connected;
}

bool
zk_local_address(const struct zk *zk, char *buffer, size_t size)
{
	return zk->connected && session_local_address(zk->session, buffer, size);
}

bool
zk_server(const struct zk *zk, char *buffer, size_t size)
{
	return zk->connected && session_server(zk->session, buffer, size);
}

void
zk_set_log(void (*sink)(const char *line))
{
	session_set_log(sink);
}
