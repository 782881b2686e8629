/*
 * session.h: one handle of ZooKeeper's client library, and requests on their way through it. session.c is the
 * only file that includes zookeeper.h. Inside zk/ only.
 *
 * All functions are called by the owner's thread. The library's callbacks run on its own threads: they copy,
 * post a message to the mailbox and return.
 */
#ifndef ZKQ_ZK_SESSION_H
#define ZKQ_ZK_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/raw.h"
#include "zk/mailbox.h"

enum post_kind { POST_REPLY, POST_WATCH, POST_STATE, POST_RESOLVED };

/* What comes through the mailbox. Freed by whoever takes it. */
struct post {
	struct message message;
	enum post_kind kind;
	uint64_t generation;	/* of the session that it is about */
};

enum session_state { SESSION_CONNECTED, SESSION_DISCONNECTED, SESSION_EXPIRED, SESSION_AUTH_FAILED };

struct state_post {
	struct post post;
	enum session_state state;
	int64_t session_id;
	int32_t timeout_ms;
};

struct watch_post {
	struct post post;
	enum watch_kind kind;
	char path[];
};

struct session;
struct zoo_op_result;

/* A request from zk_send() until its reply callback. post makes it its own message, so that no reply is
 * lost for want of memory. */
struct flight {
	struct post post;
	struct flight *prev, *next;	/* in the owner's lists */
	struct session *session;	/* that it was sent in */
	uint64_t cookie;
	enum request_kind kind;
	size_t bytes;			/* estimate of its size on the wire */
	int64_t sent_ms;
	struct raw_request *queued;	/* a copy while it waits for the window, else NULL */
	/* the answer; written on the library's thread before it is posted */
	enum rc rc;
	struct stat stat;
	char *data;
	size_t len;
	char **children;
	int child_count;
	struct raw_acl *acl;		/* ACL: a block with its strings */
	int acl_count;
	struct zoo_op_result *results;	/* MULTI: what the library fills in; begins a block with all below */
	struct raw_result *raw_results;
	int op_count, failed_op;
};

/* A zeroed one; NULL when memory runs out. */
struct flight *flight_new(void);
/* Frees the flight and all it holds; NULL is harmless. Only when the library does not know it (any more). */
void flight_free(struct flight *flight);

/* Begins to connect to literal servers; events come to box. auth is "scheme:credential" or NULL. NULL when the
 * library refuses: errno tells why. */
struct session *session_open(const char *servers, int timeout_ms, const char *auth, struct mailbox *box,
    uint64_t generation);
/* Ends the session at the server when connected, else just forgets it. When it returns, the library calls
 * nothing any more; flights that it has not posted by then it never will. Blocks: see zk_free(). */
void session_close(struct session *session);

enum sent {
	SENT_YES,
	SENT_NO,	/* the session is over or not there yet */
	SENT_NOMEM,	/* definitely not sent */
	SENT_BROKEN,	/* the library failed half-way and may or may not know the flight: close the session */
};
/* raw has been checked with request_bytes(). */
enum sent session_send(struct session *session, struct flight *flight, const struct raw_request *raw);
/* To be called when connected: presents the credential where that was not possible before. */
void session_authenticate(struct session *session);
/* What the library believes at this moment. */
bool session_believes_connected(struct session *session);
bool session_local_address(struct session *session, char *buffer, size_t size);
/* "10.0.0.1:2181" of the server; false when not connected. */
bool session_server(struct session *session, char *buffer, size_t size);
void session_set_log(void (*sink)(const char *line));

#endif
