#include "zk/session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <zookeeper/zookeeper.h>

#include "zk/acl.h"

struct session {
	zhandle_t *handle;
	struct mailbox *box;
	uint64_t generation;
	char *scheme, *credential;	/* NULL = none; one block */
	bool auth_due;			/* the library did not take it yet */
};

#define SEQUENCE_DIGITS 10

/* ---- the library's log ---- */

/* While the servers are away the library writes 30 lines a second. */
#define LOG_WINDOW_S 60
#define LOG_LINES_MAX 10	/* in a window */

static _Atomic(void (*)(const char *)) log_sink;
static atomic_long log_window;		/* number of the window that log_lines counts in */
static atomic_int log_lines;

void
session_set_log(void (*sink)(const char *line))
{
	atomic_store(&log_sink, sink);
}

/* Takes "2026-...:ZOO_WARN@function@123: text"; runs on any thread. */
static void
on_log(const char *line)
{
	void (*sink)(const char *) = atomic_load(&log_sink);
	struct timespec now;

	if (!sink || !line)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long window = now.tv_sec / LOG_WINDOW_S;
	if (atomic_exchange(&log_window, window) != window)
		atomic_store(&log_lines, 0);
	int count = atomic_fetch_add(&log_lines, 1);
	if (count == LOG_LINES_MAX)
		sink("(more lines of the client library within this minute are left out)");
	if (count >= LOG_LINES_MAX)
		return;
	const char *text = strstr(line, ":ZOO_");
	text = text ? strstr(text, ": ") : NULL;
	sink(text ? text + 2 : line);
}

/* ---- codes ---- */

static enum rc
rc_of(int code)
{
	switch (code) {
	case ZOK:
		return RC_OK;
	case ZNONODE:
		return RC_NONODE;
	case ZNODEEXISTS:
		return RC_NODEEXISTS;
	case ZBADVERSION:
		return RC_BADVERSION;
	case ZNOTEMPTY:
		return RC_NOTEMPTY;
	case ZNOAUTH:
		return RC_NOAUTH;
	case ZCONNECTIONLOSS:
	case ZOPERATIONTIMEOUT:
	case ZRUNTIMEINCONSISTENCY:
	case ZSYSTEMERROR:
	case ZSESSIONEXPIRED:
	case ZAUTHFAILED:
	case ZCLOSING:
	case ZSESSIONMOVED:
		return RC_UNKNOWN;
	case ZMARSHALLINGERROR:
	case ZBADARGUMENTS:
	case ZINVALIDACL:
		return RC_INVALID;
	default:
		return RC_OTHER;
	}
}

/* ---- callbacks: on the library's threads ---- */

static void
land(struct flight *flight)
{
	mailbox_post(flight->session->box, &flight->post.message);
}

/* What the library was given to hand back. */
static struct flight *
flight_of(const void *data)
{
	return (struct flight *)(uintptr_t)data;
}

static void
copy_stat(struct flight *flight, const struct Stat *stat)
{
	if (!stat)
		return;
	flight->stat.czxid = stat->czxid;
	flight->stat.mzxid = stat->mzxid;
	flight->stat.pzxid = stat->pzxid;
	flight->stat.ctime_ms = stat->ctime;
	flight->stat.mtime_ms = stat->mtime;
	flight->stat.version = stat->version;
	flight->stat.length = stat->dataLength;
	flight->stat.children = stat->numChildren;
	flight->stat.owner = stat->ephemeralOwner;
}

static void
on_data(int code, const char *value, int len, const struct Stat *stat, const void *data)
{
	struct flight *flight = flight_of(data);

	flight->rc = rc_of(code);
	if (flight->rc == RC_OK) {
		copy_stat(flight, stat);
		flight->len = value && len > 0 ? (size_t)len : 0;
		flight->data = malloc(flight->len + 1);
		if (!flight->data) {
			flight->rc = RC_NOMEM;
		} else {
			if (flight->len)
				memcpy(flight->data, value, flight->len);
			flight->data[flight->len] = '\0';
		}
	}
	land(flight);
}

static void
on_stat(int code, const struct Stat *stat, const void *data)
{
	struct flight *flight = flight_of(data);

	flight->rc = rc_of(code);
	if (code == ZOK)
		copy_stat(flight, stat);
	land(flight);
}

/* All names in one block behind their pointers. */
static bool
copy_children(struct flight *flight, const struct String_vector *strings)
{
	size_t count = strings && strings->count > 0 ? (size_t)strings->count : 0, bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += strlen(strings->data[i]) + 1;
	flight->children = malloc((count + 1) * sizeof *flight->children + bytes);
	if (!flight->children)
		return false;
	char *to = (char *)(flight->children + count + 1);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(strings->data[i]) + 1;

		flight->children[i] = memcpy(to, strings->data[i], len);
		to += len;
	}
	flight->children[count] = NULL;
	flight->child_count = (int)count;
	return true;
}

static void
on_children(int code, const struct String_vector *strings, const struct Stat *stat, const void *data)
{
	struct flight *flight = flight_of(data);

	flight->rc = rc_of(code);
	if (code == ZOK) {
		copy_stat(flight, stat);
		if (!copy_children(flight, strings))
			flight->rc = RC_NOMEM;
	}
	land(flight);
}

/* All strings in one block behind the entries. */
static bool
copy_acl(struct flight *flight, const struct ACL_vector *acl)
{
	size_t count = acl && acl->count > 0 ? (size_t)acl->count : 0, bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += strlen(acl->data[i].id.scheme) + strlen(acl->data[i].id.id) + 2;
	flight->acl = malloc((count + 1) * sizeof *flight->acl + bytes);
	if (!flight->acl)
		return false;
	char *to = (char *)(flight->acl + count + 1);
	for (size_t i = 0; i < count; i++) {
		size_t scheme = strlen(acl->data[i].id.scheme) + 1, id = strlen(acl->data[i].id.id) + 1;

		flight->acl[i].perms = acl->data[i].perms;
		flight->acl[i].scheme = memcpy(to, acl->data[i].id.scheme, scheme);
		flight->acl[i].id = memcpy(to + scheme, acl->data[i].id.id, id);
		to += scheme + id;
	}
	flight->acl_count = (int)count;
	return true;
}

static void
on_acl(int code, struct ACL_vector *acl, struct Stat *stat, const void *data)
{
	struct flight *flight = flight_of(data);

	flight->rc = rc_of(code);
	if (code == ZOK) {
		copy_stat(flight, stat);
		if (!copy_acl(flight, acl))
			flight->rc = RC_NOMEM;
	}
	land(flight);
}

static void
on_sync(int code, const char *value, const void *data)
{
	struct flight *flight = flight_of(data);

	(void)value;
	flight->rc = rc_of(code);
	land(flight);
}

/* The library marks those behind the refused one with a code that otherwise means a broken connection. */
static void
on_multi(int code, const void *data)
{
	struct flight *flight = flight_of(data);

	flight->rc = rc_of(code);
	flight->failed_op = -1;
	for (int i = 0; i < flight->op_count && flight->rc != RC_UNKNOWN; i++) {
		int err = flight->results[i].err;
		bool reason = err != ZOK && err != ZRUNTIMEINCONSISTENCY;

		if (reason && flight->failed_op < 0)
			flight->failed_op = i;
		flight->raw_results[i].rc = code == ZOK ? RC_OK : reason ? rc_of(err) : RC_ROLLEDBACK;
		flight->raw_results[i].created = code == ZOK ? flight->results[i].value : NULL;
	}
	land(flight);
}

static void
post_state(struct session *session, zhandle_t *handle, int state)
{
	struct state_post *post = calloc(1, sizeof *post);

	if (!post) {
		mailbox_lose(session->box);
		return;
	}
	post->post.kind = POST_STATE;
	post->post.generation = session->generation;
	post->state = SESSION_DISCONNECTED;
	if (state == ZOO_EXPIRED_SESSION_STATE)
		post->state = SESSION_EXPIRED;
	else if (state == ZOO_AUTH_FAILED_STATE)
		post->state = SESSION_AUTH_FAILED;
	else if (state == ZOO_CONNECTED_STATE) {
		post->state = SESSION_CONNECTED;
		post->session_id = zoo_client_id(handle)->client_id;
		post->timeout_ms = zoo_recv_timeout(handle);
	}
	mailbox_post(session->box, &post->post.message);
}

static bool
watch_kind_of(int type, enum watch_kind *kind)
{
	if (type == ZOO_CREATED_EVENT)
		*kind = WATCH_CREATED;
	else if (type == ZOO_DELETED_EVENT)
		*kind = WATCH_DELETED;
	else if (type == ZOO_CHANGED_EVENT)
		*kind = WATCH_CHANGED;
	else if (type == ZOO_CHILD_EVENT)
		*kind = WATCH_CHILDREN;
	else
		return false;
	return true;
}

/* The one watcher, with the one context: of all watches and of the session. */
static void
on_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct session *session = context;
	enum watch_kind kind;

	if (type == ZOO_SESSION_EVENT) {
		post_state(session, handle, state);
		return;
	}
	if (!path || !watch_kind_of(type, &kind))
		return;
	size_t len = strlen(path) + 1;
	struct watch_post *post = malloc(sizeof *post + len);
	if (!post) {
		mailbox_lose(session->box);
		return;
	}
	post->post.kind = POST_WATCH;
	post->post.generation = session->generation;
	post->kind = kind;
	memcpy(post->path, path, len);
	mailbox_post(session->box, &post->post.message);
}

/* ---- opening and closing ---- */

void
session_authenticate(struct session *session)
{
	if (!session->auth_due || is_unrecoverable(session->handle))
		return;
	/* No completion: the library would call it with its own lock held. A credential that cannot work shows as
	 * a state of the session. */
	if (zoo_add_auth(session->handle, session->scheme, session->credential, (int)strlen(session->credential), NULL,
	    NULL) == ZOK)
		session->auth_due = false;
}

/* The library's threads take no signals: they belong to the loop. */
static zhandle_t *
open_handle(struct session *session, const char *servers, int timeout_ms)
{
	sigset_t all, before;

	zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	zhandle_t *handle = zookeeper_init2(servers, on_event, timeout_ms, NULL, session, 0, on_log);
	sigprocmask(SIG_SETMASK, &before, NULL);
	/* else it resolves the servers on every turn of its loop */
	if (handle)
		zoo_set_servers_resolution_delay(handle, -1);
	return handle;
}

static bool
keep_auth(struct session *session, const char *auth)
{
	const char *colon = auth ? strchr(auth, ':') : NULL;

	if (!colon)
		return true;
	session->scheme = strdup(auth);
	if (!session->scheme)
		return false;
	session->scheme[colon - auth] = '\0';
	session->credential = session->scheme + (colon - auth) + 1;
	session->auth_due = true;
	return true;
}

struct session *
session_open(const char *servers, int timeout_ms, const char *auth, struct mailbox *box, uint64_t generation)
{
	struct session *session = calloc(1, sizeof *session);

	if (!session)
		return NULL;
	session->box = box;
	session->generation = generation;
	if (!keep_auth(session, auth))
		goto free_session;
	session->handle = open_handle(session, servers, timeout_ms);
	if (!session->handle)
		goto free_auth;
	session_authenticate(session);
	return session;

free_auth:
	free(session->scheme);
free_session:
	free(session);
	return NULL;
}

void
session_close(struct session *session)
{
	if (!session)
		return;
	zookeeper_close(session->handle);
	free(session->scheme);
	free(session);
}

/* ---- sending ---- */

void
flight_free(struct flight *flight)
{
	if (!flight)
		return;
	free(flight->queued);
	free(flight->data);
	free(flight->children);
	free(flight->acl);
	free(flight->results);
	free(flight);
}

struct flight *
flight_new(void)
{
	return calloc(1, sizeof(struct flight));
}

/* Results, raw results and room for the created paths: they must live until the library has answered. */
static char *
prepare_results(struct flight *flight, const struct raw_request *raw)
{
	size_t count = (size_t)raw->op_count, room = 0;

	for (size_t i = 0; i < count; i++)
		if (raw->ops[i].kind == OP_CREATE)
			room += strlen(raw->ops[i].path) + SEQUENCE_DIGITS + 2;
	flight->results = calloc(1, count * (sizeof *flight->results + sizeof *flight->raw_results) + room + 1);
	if (!flight->results)
		return NULL;
	flight->op_count = raw->op_count;
	flight->raw_results = (struct raw_result *)(flight->results + count);
	return (char *)(flight->raw_results + count);
}

static void
prepare_op(const struct session *session, const struct raw_op *raw, zoo_op_t *op, char **buffer)
{
	bool open = acl_for(raw->acl, session->scheme != NULL) == ACL_OPEN;
	size_t size = strlen(raw->path) + SEQUENCE_DIGITS + 2;	/* a short buffer would be filled with a part */
	int mode = (raw->flags & CREATE_EPHEMERAL ? ZOO_EPHEMERAL : 0) | (raw->flags & CREATE_SEQUENCE ? ZOO_SEQUENCE : 0);

	switch (raw->kind) {
	case OP_CHECK:
		zoo_check_op_init(op, raw->path, raw->version);
		break;
	case OP_CREATE:
		zoo_create_op_init(op, raw->path, raw->len ? raw->data : "", (int)raw->len,
		    open ? &ZOO_OPEN_ACL_UNSAFE : &ZOO_CREATOR_ALL_ACL, mode, *buffer, (int)size);
		*buffer += size;
		break;
	case OP_SET:
		zoo_set_op_init(op, raw->path, raw->len ? raw->data : "", (int)raw->len, raw->version, NULL);
		break;
	case OP_DELETE:
		zoo_delete_op_init(op, raw->path, raw->version);
	}
}

static enum sent
sent_of(int code)
{
	return code == ZOK ? SENT_YES : code == ZINVALIDSTATE ? SENT_NO : SENT_BROKEN;
}

static enum sent
send_multi(struct session *session, struct flight *flight, const struct raw_request *raw)
{
	char *buffer = prepare_results(flight, raw);
	zoo_op_t *ops = buffer ? calloc((size_t)raw->op_count, sizeof *ops) : NULL;

	if (!ops)
		return SENT_NOMEM;
	for (int i = 0; i < raw->op_count; i++)
		prepare_op(session, &raw->ops[i], &ops[i], &buffer);
	/* As late as can be: on a handle that is done for, the library frees what it never set. */
	int code = is_unrecoverable(session->handle) ? ZINVALIDSTATE :
	    zoo_amulti(session->handle, raw->op_count, ops, flight->results, on_multi, flight);
	free(ops);
	return sent_of(code);
}

enum sent
session_send(struct session *session, struct flight *flight, const struct raw_request *raw)
{
	zhandle_t *handle = session->handle;

	flight->post.kind = POST_REPLY;
	flight->post.generation = session->generation;
	flight->failed_op = -1;
	flight->session = session;
	if (is_unrecoverable(handle))
		return SENT_NO;
	switch (raw->kind) {
	case REQ_MULTI:
		return send_multi(session, flight, raw);
	case REQ_GET:
		return sent_of(zoo_aget(handle, raw->path, raw->watch, on_data, flight));
	case REQ_LIST:
		return sent_of(zoo_aget_children2(handle, raw->path, raw->watch, on_children, flight));
	case REQ_EXISTS:
		return sent_of(zoo_aexists(handle, raw->path, raw->watch, on_stat, flight));
	case REQ_SYNC:
		return sent_of(zoo_async(handle, raw->path, on_sync, flight));
	case REQ_ACL:
		return sent_of(zoo_aget_acl(handle, raw->path, on_acl, flight));
	}
	return SENT_BROKEN;
}

/* ---- where it is connected ---- */

bool
session_believes_connected(struct session *session)
{
	return zoo_state(session->handle) == ZOO_CONNECTED_STATE;
}

static bool
server_address(struct session *session, struct sockaddr_storage *address, socklen_t *len)
{
	*len = sizeof *address;
	return session_believes_connected(session) &&
	    zookeeper_get_connected_host(session->handle, (struct sockaddr *)address, len) != NULL;
}

static bool
address_text(const struct sockaddr_storage *address, char *buffer, size_t size, int *port)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET) {
		*port = ntohs(four->sin_port);
		return inet_ntop(AF_INET, &four->sin_addr, buffer, (socklen_t)size) != NULL;
	}
	*port = ntohs(six->sin6_port);
	return address->ss_family == AF_INET6 && inet_ntop(AF_INET6, &six->sin6_addr, buffer, (socklen_t)size) != NULL;
}

bool
session_server(struct session *session, char *buffer, size_t size)
{
	struct sockaddr_storage address;
	socklen_t len;
	char text[INET6_ADDRSTRLEN];
	int port;

	return server_address(session, &address, &len) && address_text(&address, text, sizeof text, &port) &&
	    snprintf(buffer, size, "%s:%d", text, port) < (int)size;
}

/* The library hides its socket: ask the system which address it would use to reach that server. A datagram
 * socket sends nothing when it is connected. */
bool
session_local_address(struct session *session, char *buffer, size_t size)
{
	struct sockaddr_storage address;
	socklen_t len;
	int port;

	if (!server_address(session, &address, &len))
		return false;
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool ok = connect(fd, (struct sockaddr *)&address, len) == 0;
	len = sizeof address;
	ok = ok && getsockname(fd, (struct sockaddr *)&address, &len) == 0;
	close(fd);
	return ok && address_text(&address, buffer, size, &port);
}
