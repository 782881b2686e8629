/*
 * ensemble.h: a simulated ZooKeeper ensemble in virtual time, at the level of codec/raw.h.
 *
 * One totally ordered history, and a copy of the tree per server: server 0 has it at once, the others
 * lag behind. A client is connected to one server at a time, as the C library is: its reads are answered
 * from that server's copy, in order with its writes; watches are one-shot, belong to a connection, are
 * registered again after a reconnect, and their events come in order with the replies. A session ends when
 * the ensemble has not heard of it for its timeout, whatever the client believes.
 *
 * The interface is that of zk/zk.h but for the descriptor: all callbacks come from the agenda.
 */
#ifndef ZKQ_SIM_ENSEMBLE_H
#define ZKQ_SIM_ENSEMBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "agenda.h"
#include "codec/raw.h"
#include "tree.h"

struct ensemble;
struct client;

struct ensemble_conf {
	int servers;			/* 1 to SERVERS_MAX */
	int64_t latency_us;		/* one way between client and server: from a fifth of it up to it */
	int64_t commit_us;		/* a write from its server to the order: from a fifth of it up to it */
	int64_t lag_us;			/* from the order to the servers but the first: up to it */
	int64_t tick_ms;		/* a session ends up to this late */
	int64_t reconnect_us;		/* longest pause of a client before it tries to connect again */
	/* Chances in a million, for each multi: */
	uint32_t lose_reply_ppm;	/* the connection breaks instead of the reply of a write */
	uint32_t lose_request_ppm;	/* the connection breaks before the request is out */
	uint32_t late_ppm;		/* of broken connections: what the server has got is ordered up to 2 s later */
	/* Planted mistakes of the ensemble, for tests of the checker: chances in a million. */
	uint32_t drop_watch_ppm;
};

#define SERVERS_MAX 5

/* A committed or refused write, in order. */
struct txn {
	int64_t zxid, time_ms;		/* server's clock */
	int64_t session;
	struct client *client;		/* who asked; NULL when a session ended */
	const struct raw_request *request;	/* NULL when a session ended */
	enum rc rc;			/* RC_OK = applied */
	int failed_op;
	const struct raw_result *results;	/* op_count of the request, or NULL */
	const struct change *changes;	/* when applied */
	int change_count;
};

typedef void txn_fn(void *context, const struct txn *txn);

/* on_txn may be NULL; it is called with the change in place in ensemble_tree(). */
struct ensemble *ensemble_new(const struct ensemble_conf *conf, struct agenda *agenda, txn_fn *on_txn, void *context);
void ensemble_free(struct ensemble *ensemble);		/* with all its clients */
struct ensemble_conf *ensemble_conf(struct ensemble *ensemble);	/* may be changed at any time, but for servers */
/* The newest state. */
const struct tree *ensemble_tree(const struct ensemble *ensemble);
/* How many znodes differ between the servers' copies; 0 once all have caught up. For tests of the ensemble itself. */
int ensemble_copies_differ(const struct ensemble *ensemble);
int64_t ensemble_zxid(const struct ensemble *ensemble);
int64_t ensemble_time_ms(const struct ensemble *ensemble);	/* the servers' clock */

/* ---- clients ---- */

struct client_callbacks {
	/* Exactly one per client_send(), unless the client is killed or closed. raw lives until the callback returns. */
	void (*reply)(void *context, uint64_t cookie, const struct raw_reply *raw);
	void (*watch)(void *context, enum watch_kind kind, const char *path);
	/* session_id, timeout_ms and fresh are valid with CLIENT_CONNECTED. After CLIENT_DISCONNECTED come the RC_UNKNOWN
	 * replies of what was outstanding; before CLIENT_EXPIRED came those of what was still outstanding. */
	void (*state)(void *context, int state, int64_t session_id, int32_t timeout_ms, bool fresh);
};

enum client_state { CLIENT_CONNECTED, CLIENT_DISCONNECTED, CLIENT_EXPIRED };

/* Connects at once and keeps trying for ever. */
struct client *client_new(struct ensemble *ensemble, const struct client_callbacks *callbacks, void *context,
    int32_t timeout_ms);
/* Copies all it needs. Without a connection the reply is RC_NOTSENT. */
void client_send(struct client *client, uint64_t cookie, const struct raw_request *request);
void client_new_session(struct client *client);
/* Closes the session if connected; no more callbacks. The ensemble frees the client. */
void client_close(struct client *client);
/* The process dies: what it has sent may arrive, its session lives until its timeout; no more callbacks. */
void client_kill(struct client *client);
bool client_connected(const struct client *client);
int64_t client_session(const struct client *client);	/* 0 = none */
void *client_context(const struct client *client);
/* Requests without an answer. */
int client_outstanding(const struct client *client);

/* ---- faults ---- */

/* The connection breaks; both sides notice. */
void client_cut(struct client *client);
/* Nothing passes in either direction until until_us; the client notices after two thirds of its timeout. */
void client_silence(struct client *client, int64_t until_us);
/* The process is stopped: it sends no pings, does not reconnect, and there are no callbacks. When it goes on, what
 * has arrived is told first, as if it were fresh. */
void client_stop(struct client *client, bool stopped);
/* The ensemble ends the session now, wherever the client is. */
void client_expire(struct client *client);
/* A server (not 0) is cut off from the others: it answers reads from what it has, and nothing else, until then. */
void server_stall(struct ensemble *ensemble, int server, int64_t until_us);
/* No server answers until then; all connections break. Sessions get their full timeout again afterwards. */
void ensemble_outage(struct ensemble *ensemble, int64_t until_us);

#endif
