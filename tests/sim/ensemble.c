#include "ensemble.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

/* The servers' clock at virtual time 0: 2027-01-15T08:00:00Z. */
#define EPOCH_MS INT64_C(1800000000000)
#define FIRST_SESSION INT64_C(0x100000000)

enum watch_type { WATCH_DATA, WATCH_CHILD };			/* as a server keeps them */
enum local_type { LOCAL_NODE, LOCAL_EXIST, LOCAL_CHILD };	/* as a client keeps them */

/* A request and its reply; one reference each for client and server. */
struct call {
	int refs;
	struct arena arena;
	uint64_t cookie;
	struct raw_request request;
	struct raw_reply reply;
	struct conn *conn;
	bool is_close;		/* end of the session, no reply */
	bool decided;		/* a write or sync has its place in the order */
	bool answered;		/* client: outcome delivered */
	int64_t zxid;		/* of that place */
	bool forwarded;		/* a write or sync is on its way to the order */
	struct call *next;	/* server: waiting; pool: free */
	struct call *next_all;
	struct call *next_out, *prev_out;	/* client: outstanding, oldest first */
};

struct watch {
	struct watch *next, **link;		/* in its bucket */
	struct watch *next_of_conn, **link_of_conn;
	struct conn *conn;
	enum watch_type type;
	uint64_t hash;
	char path[];
};

struct local {
	struct local *next;
	enum local_type type;
	uint64_t hash;
	char path[];
};

struct session {
	int64_t id;
	int32_t timeout_ms;
	bool alive;
	struct conn *conn;	/* whose requests count */
	bool counting;		/* unheard of: expires unless generation moves */
	uint64_t generation;
	struct znode *owned, *owned_last;
	struct session *next;
};

struct conn {
	struct ensemble *ensemble;
	struct client *client;	/* NULL: nobody listens any more */
	struct client *owner;	/* who made it */
	struct session *session;
	int server;
	bool up;		/* client side */
	bool served;		/* server side */
	bool dark;		/* nothing passes */
	int64_t lost_from_us;	/* what arrives at the server later than this is lost */
	int64_t late_us;	/* delay of what the server has got, after a break */
	int64_t up_us, down_us, order_us;	/* last times in use: each way is first in, first out */
	struct call *head, *tail;	/* server: in order, not answered */
	struct watch *watches;
	struct conn *next, *next_served;
};

struct packet {		/* server to client */
	struct conn *conn;
	struct call *call;	/* a reply, or */
	enum watch_kind kind;	/* an event */
	char *path;
	int64_t zxid;
	struct packet *next, *next_all;
};

/* What arrived while the client's process was stopped. */
struct held {
	struct held *next;
	agenda_fn *function;
	void *context, *object;
	uint64_t arg;
};

struct client {
	struct ensemble *ensemble;
	struct held *held, *held_last;
	struct client_callbacks callbacks;
	void *context;
	int32_t timeout_ms;
	bool dead, stopped;
	bool connected;		/* as the owner was told */
	struct conn *conn;
	struct session *session;
	uint64_t attempt;	/* generation of connection attempts */
	int64_t silent_until_us;
	int64_t last_zxid;
	struct call *out, *out_last;
	int out_count;
	struct local *locals[64];
	struct client *next;
};

struct server {
	struct tree tree;	/* but for server 0 */
	struct txn_log *next;	/* to be applied */
	int64_t applied;	/* zxid */
	int64_t apply_us;	/* latest time scheduled */
	bool stalled;
	uint64_t stall_generation;
	struct watch *buckets[4096];
	struct conn *conns;
};

struct txn_log {
	int64_t zxid, time_ms;
	int64_t ended;		/* session that ended with it, or 0 */
	struct change *changes;
	int count;
	int refs;		/* servers that have not applied it */
	struct txn_log *next;
};

struct ensemble {
	struct ensemble_conf conf;
	struct agenda *agenda;
	txn_fn *on_txn;
	void *context;
	struct tree tree;
	int64_t zxid;
	int64_t last_session;
	struct session *sessions[256];
	struct conn *conns;
	struct client *clients;
	struct server servers[SERVERS_MAX];
	struct txn_log *log_head, *log_tail;
	struct call *pool, *calls;
	struct packet *packet_pool, *packets;
	bool down;
	uint64_t down_generation;
};

static void conn_break(struct conn *conn);
static void conn_unserve(struct conn *conn);
static void conn_pump(struct conn *conn);
static void connect_later(struct client *client, int64_t delay_us);

static void *
need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static uint64_t
hash_of(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 0x100000001b3ULL;
	return hash ^ (hash >> 29);
}

/* ---- calls ---- */

static struct call *
call_new(struct ensemble *ensemble)
{
	struct call *call = ensemble->pool;

	if (call) {
		ensemble->pool = call->next;
		struct call kept = { .arena = call->arena, .next_all = call->next_all };
		*call = kept;
		arena_reset(&call->arena);
	} else {
		call = need(calloc(1, sizeof *call));
		call->next_all = ensemble->calls;
		ensemble->calls = call;
	}
	call->refs = 1;
	call->reply.failed_op = -1;
	return call;
}

static void
call_drop(struct ensemble *ensemble, struct call *call)
{
	if (--call->refs > 0)
		return;
	call->next = ensemble->pool;
	ensemble->pool = call;
}

static void
copy_request(struct call *call, const struct raw_request *request)
{
	struct arena *arena = &call->arena;
	struct raw_request *copy = &call->request;

	*copy = *request;
	copy->path = arena_string(arena, request->path);
	if (request->kind != REQ_MULTI)
		return;
	copy->ops = arena_alloc(arena, (size_t)request->op_count * sizeof *copy->ops + 1);
	for (int i = 0; i < request->op_count; i++) {
		copy->ops[i] = request->ops[i];
		copy->ops[i].path = arena_string(arena, request->ops[i].path);
		if (request->ops[i].len)
			copy->ops[i].data = arena_copy(arena, request->ops[i].data, request->ops[i].len);
	}
	if (arena->failed)
		abort();
}

static bool
is_write(const struct call *call)
{
	return call->request.kind == REQ_MULTI || call->is_close;
}

static bool
is_read(const struct call *call)
{
	return !is_write(call) && call->request.kind != REQ_SYNC;
}

/* ---- watches of a server ---- */

static void
watch_add(struct conn *conn, enum watch_type type, const char *path)
{
	uint64_t hash = hash_of(path);
	struct server *server = &conn->ensemble->servers[conn->server];
	struct watch **bucket = &server->buckets[hash % 4096];

	for (struct watch *watch = *bucket; watch; watch = watch->next)
		if (watch->conn == conn && watch->type == type && watch->hash == hash && strcmp(watch->path, path) == 0)
			return;
	struct watch *watch = need(malloc(sizeof *watch + strlen(path) + 1));
	watch->conn = conn;
	watch->type = type;
	watch->hash = hash;
	strcpy(watch->path, path);
	watch->next = *bucket;
	watch->link = bucket;
	if (watch->next)
		watch->next->link = &watch->next;
	*bucket = watch;
	watch->next_of_conn = conn->watches;
	watch->link_of_conn = &conn->watches;
	if (watch->next_of_conn)
		watch->next_of_conn->link_of_conn = &watch->next_of_conn;
	conn->watches = watch;
}

static void
watch_remove(struct watch *watch)
{
	*watch->link = watch->next;
	if (watch->next)
		watch->next->link = watch->link;
	*watch->link_of_conn = watch->next_of_conn;
	if (watch->next_of_conn)
		watch->next_of_conn->link_of_conn = watch->link_of_conn;
	free(watch);
}

/* ---- server to client ---- */

static int64_t
some_of(struct agenda *agenda, int64_t most_us)
{
	return agenda_between(agenda, most_us / 5, most_us);
}

static void
client_watch(struct client *client, enum watch_kind kind, const char *path)
{
	uint64_t hash = hash_of(path);
	bool found = false;

	for (struct local **link = &client->locals[hash % 64], *local; (local = *link);) {
		bool fits = local->hash == hash && strcmp(local->path, path) == 0;

		switch (kind) {
		case WATCH_CREATED:
		case WATCH_CHANGED:
			fits = fits && local->type != LOCAL_CHILD;
			break;
		case WATCH_DELETED:
			break;
		case WATCH_CHILDREN:
			fits = fits && local->type == LOCAL_CHILD;
			break;
		}
		if (!fits) {
			link = &local->next;
			continue;
		}
		*link = local->next;
		free(local);
		found = true;
	}
	if (found)
		client->callbacks.watch(client->context, kind, path);
}

static void
local_add(struct client *client, enum local_type type, const char *path)
{
	uint64_t hash = hash_of(path);
	struct local **bucket = &client->locals[hash % 64];

	for (struct local *local = *bucket; local; local = local->next)
		if (local->type == type && local->hash == hash && strcmp(local->path, path) == 0)
			return;
	struct local *local = need(malloc(sizeof *local + strlen(path) + 1));
	local->type = type;
	local->hash = hash;
	strcpy(local->path, path);
	local->next = *bucket;
	*bucket = local;
}

static void
locals_clear(struct client *client)
{
	for (int i = 0; i < 64; i++)
		for (struct local *next; client->locals[i]; client->locals[i] = next) {
			next = client->locals[i]->next;
			free(client->locals[i]);
		}
}

/* Takes call from the list of outstanding ones and tells its owner; drops the client's reference. */
static void
complete(struct client *client, struct call *call, const struct raw_reply *reply)
{
	if (call->prev_out)
		call->prev_out->next_out = call->next_out;
	else
		client->out = call->next_out;
	if (call->next_out)
		call->next_out->prev_out = call->prev_out;
	else
		client->out_last = call->prev_out;
	client->out_count--;
	call->answered = true;
	client->callbacks.reply(client->context, call->cookie, reply);
	call_drop(client->ensemble, call);
}

static void
packet_free(struct ensemble *ensemble, struct packet *packet)
{
	free(packet->path);
	packet->path = NULL;
	packet->next = ensemble->packet_pool;
	ensemble->packet_pool = packet;
}

#define ARRIVED 1	/* it lay in the stopped process's socket: it is read even if the connection has broken since */

static bool
hold(struct client *client, agenda_fn *function, void *context, void *object, uint64_t arg)
{
	if (!client || client->dead || !client->stopped)
		return false;
	struct held *held = need(calloc(1, sizeof *held));
	*held = (struct held){ NULL, function, context, object, arg };
	if (client->held_last)
		client->held_last->next = held;
	else
		client->held = held;
	client->held_last = held;
	return true;
}

static void
deliver(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct packet *packet = object;
	struct conn *conn = packet->conn;
	struct client *client = conn->client;
	struct call *call = packet->call;

	if (conn->up && !conn->dark && client && client->conn == conn && hold(client, deliver, context, object, ARRIVED))
		return;
	if ((!conn->up && arg != ARRIVED) || conn->dark || !client || client->dead || client->conn != conn) {
		if (call)
			call_drop(ensemble, call);
		packet_free(ensemble, packet);
		return;
	}
	if (packet->zxid > client->last_zxid)
		client->last_zxid = packet->zxid;
	if (!call) {
		client_watch(client, packet->kind, packet->path);
	} else if (!call->answered) {
		const struct raw_request *request = &call->request;

		if (request->watch && call->reply.rc == RC_OK)
			local_add(client, request->kind == REQ_LIST ? LOCAL_CHILD : LOCAL_NODE, request->path);
		else if (request->watch && call->reply.rc == RC_NONODE && request->kind == REQ_EXISTS)
			local_add(client, LOCAL_EXIST, request->path);
		complete(client, call, &call->reply);
	}
	if (call)
		call_drop(ensemble, call);
	packet_free(ensemble, packet);
}

/* Takes over the server's reference of call. */
static void
send_down(struct conn *conn, struct call *call, enum watch_kind kind, const char *path)
{
	struct ensemble *ensemble = conn->ensemble;
	struct packet *packet = ensemble->packet_pool;

	if (packet) {
		ensemble->packet_pool = packet->next;
	} else {
		packet = need(calloc(1, sizeof *packet));
		packet->next_all = ensemble->packets;
		ensemble->packets = packet;
	}
	packet->conn = conn;
	packet->call = call;
	packet->kind = kind;
	packet->zxid = ensemble->servers[conn->server].applied;
	packet->path = path ? need(strdup(path)) : NULL;
	int64_t at_us = ensemble->agenda->now_us + some_of(ensemble->agenda, ensemble->conf.latency_us);
	if (at_us < conn->down_us)
		at_us = conn->down_us;
	conn->down_us = at_us;
	agenda_at(ensemble->agenda, at_us, deliver, ensemble, packet, 0);
}

/* Fires the watches of one type at path, or of both types. */
static void
trigger(struct ensemble *ensemble, int server, enum watch_type type, const char *path, enum watch_kind kind,
    bool both_types)
{
	uint64_t hash = hash_of(path);
	struct watch *next;

	for (struct watch *watch = ensemble->servers[server].buckets[hash % 4096]; watch; watch = next) {
		next = watch->next;
		if (watch->hash != hash || strcmp(watch->path, path) != 0 || (!both_types && watch->type != type))
			continue;
		struct conn *conn = watch->conn;
		/* A deletion tells each connection once, of whichever type its watches are. */
		if (both_types) {
			for (struct watch *other = next; other; other = other->next)
				if (other->conn == conn && other->hash == hash && strcmp(other->path, path) == 0) {
					if (other == next)
						next = other->next;
					watch_remove(other);
					break;
				}
		}
		watch_remove(watch);
		if (!agenda_chance(ensemble->agenda, ensemble->conf.drop_watch_ppm))
			send_down(conn, NULL, kind, path);
	}
}

static void
trigger_parent(struct ensemble *ensemble, int server, const char *path)
{
	char parent[2048];
	const char *slash = strrchr(path, '/');
	size_t len = slash == path ? 1 : (size_t)(slash - path);

	memcpy(parent, path, len);
	parent[len] = '\0';
	trigger(ensemble, server, WATCH_CHILD, parent, WATCH_CHILDREN, false);
}

static void
trigger_changes(struct ensemble *ensemble, int server, const struct change *changes, int count)
{
	for (int i = 0; i < count; i++) {
		const char *path = changes[i].path;

		switch (changes[i].kind) {
		case CHANGE_CREATE:
			trigger(ensemble, server, WATCH_DATA, path, WATCH_CREATED, false);
			trigger_parent(ensemble, server, path);
			break;
		case CHANGE_SET:
			trigger(ensemble, server, WATCH_DATA, path, WATCH_CHANGED, false);
			break;
		case CHANGE_DELETE:
			trigger(ensemble, server, WATCH_DATA, path, WATCH_DELETED, true);
			trigger_parent(ensemble, server, path);
			break;
		}
	}
}

/* ---- the order ---- */

static struct session *
session_find(struct ensemble *ensemble, int64_t id)
{
	for (struct session *session = ensemble->sessions[id % 256]; session; session = session->next)
		if (session->id == id)
			return session;
	return NULL;
}

static void
own(struct session *session, struct znode *node)
{
	node->prev_owned = session->owned_last;
	node->next_owned = NULL;
	if (session->owned_last)
		session->owned_last->next_owned = node;
	else
		session->owned = node;
	session->owned_last = node;
}

static void
disown(struct session *session, struct znode *node)
{
	if (node->prev_owned)
		node->prev_owned->next_owned = node->next_owned;
	else
		session->owned = node->next_owned;
	if (node->next_owned)
		node->next_owned->prev_owned = node->prev_owned;
	else
		session->owned_last = node->prev_owned;
	node->next_owned = node->prev_owned = NULL;
}

static void
log_free(struct txn_log *log)
{
	for (int i = 0; i < log->count; i++) {
		free(log->changes[i].path);
		blob_drop(log->changes[i].blob);
	}
	free(log->changes);
	free(log);
}

/* Frees what all servers have applied; the last one stays, its successor will be linked to it. */
static void
log_trim(struct ensemble *ensemble)
{
	while (ensemble->log_head != ensemble->log_tail && ensemble->log_head->refs == 0) {
		struct txn_log *log = ensemble->log_head;

		ensemble->log_head = log->next;
		log_free(log);
	}
}

/* The server that the session is connected to has learnt of its end. */
static void
hang_up(struct ensemble *ensemble, int64_t id, int index)
{
	struct session *session = session_find(ensemble, id);
	struct conn *conn = session->conn;

	if (!conn || conn->server != index || !conn->served)
		return;
	if (conn->dark)
		conn_unserve(conn);
	else
		conn_break(conn);
}

/* A follower does what is in the log up to zxid. */
static void
server_apply(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct server *server = object;
	int index = (int)(server - ensemble->servers);

	if (server->stalled)
		return;
	while (server->next && server->next->zxid <= (int64_t)arg) {
		struct txn_log *log = server->next;

		server->applied = log->zxid;
		for (int i = 0; i < log->count; i++)
			tree_apply(&server->tree, &log->changes[i], log->zxid, log->time_ms);
		trigger_changes(ensemble, index, log->changes, log->count);
		server->next = log->next;
		if (log->ended)
			hang_up(ensemble, log->ended, index);
		log->refs--;
		for (struct conn *conn = server->conns, *next; conn; conn = next) {
			next = conn->next_served;
			conn_pump(conn);
		}
	}
	log_trim(ensemble);
}

/* The newest transaction: server 0 tells its watchers, the others get it later. Takes over changes. */
static void
publish(struct ensemble *ensemble, int64_t time_ms, struct change *changes, int count, int64_t ended)
{
	struct txn_log *log = need(calloc(1, sizeof *log));

	log->zxid = ensemble->zxid;
	log->time_ms = time_ms;
	log->changes = changes;
	log->count = count;
	log->ended = ended;
	log->refs = ensemble->conf.servers - 1;
	if (ensemble->log_tail)
		ensemble->log_tail->next = log;
	else
		ensemble->log_head = log;
	ensemble->log_tail = log;
	ensemble->servers[0].applied = ensemble->zxid;
	trigger_changes(ensemble, 0, changes, count);
	for (int i = 1; i < ensemble->conf.servers; i++) {
		struct server *server = &ensemble->servers[i];

		if (!server->next)
			server->next = log;
		int64_t at_us = ensemble->agenda->now_us + agenda_between(ensemble->agenda, 0, ensemble->conf.lag_us);
		if (at_us < server->apply_us)
			at_us = server->apply_us;
		server->apply_us = at_us;
		agenda_at(ensemble->agenda, at_us, server_apply, ensemble, server, (uint64_t)log->zxid);
	}
	if (ended)
		hang_up(ensemble, ended, 0);
	log_trim(ensemble);
}

struct undo {
	enum { UNDO_CREATE, UNDO_DELETE, UNDO_SET } kind;
	struct znode *node;
	struct stat parent, stat;
	int32_t sequence;
	struct blob *blob;
};

static void
undo_all(struct ensemble *ensemble, struct undo *undos, int count)
{
	while (count-- > 0) {
		struct undo *undo = &undos[count];
		struct znode *node = undo->node, *parent = node->parent;

		switch (undo->kind) {
		case UNDO_CREATE:
			if (node->stat.owner)
				disown(session_find(ensemble, node->stat.owner), node);
			tree_unlink(&ensemble->tree, node, 0);
			parent->stat = undo->parent;
			parent->sequence = undo->sequence;
			znode_free(node);
			break;
		case UNDO_DELETE:
			tree_relink(&ensemble->tree, node);
			parent->stat = undo->parent;
			if (node->stat.owner)
				own(session_find(ensemble, node->stat.owner), node);
			break;
		case UNDO_SET:
			blob_drop(node->blob);
			node->blob = undo->blob;
			node->stat = undo->stat;
			break;
		}
	}
}

static bool
path_ok(const char *path)
{
	size_t len = path ? strlen(path) : 0;

	if (len == 0 || path[0] != '/' || (len > 1 && path[len - 1] == '/') || strstr(path, "//"))
		return false;
	return !strstr(path, "/./") && !strstr(path, "/../") && (len < 2 || strcmp(path + len - 2, "/.") != 0) &&
	    (len < 3 || strcmp(path + len - 3, "/..") != 0);
}

static enum rc
do_op(struct ensemble *ensemble, struct call *call, const struct raw_op *op, int64_t time_ms, struct change *change,
    struct undo *undo, bool *changed, const char **created)
{
	struct tree *tree = &ensemble->tree;
	char path[2048];

	*changed = false;
	if (op->kind == OP_CREATE) {
		if (strlen(op->path) + 11 > sizeof path)
			return RC_INVALID;
		strcpy(path, op->path);
		struct znode *parent = tree_parent(tree, path);
		if (op->flags & CREATE_SEQUENCE) {
			if (!parent)
				return RC_NONODE;
			snprintf(path + strlen(path), 11, "%010d", (int)parent->sequence);
		}
		if (!path_ok(path))
			return RC_INVALID;
		if (!parent)
			return strcmp(path, "/") == 0 ? RC_NODEEXISTS : RC_NONODE;
		if (tree_find(tree, path))
			return RC_NODEEXISTS;
		if (parent->stat.owner)
			return RC_OTHER;
		struct session *session = call->conn->session;
		int64_t owner = op->flags & CREATE_EPHEMERAL ? session->id : 0;
		*undo = (struct undo){ .kind = UNDO_CREATE, .parent = parent->stat, .sequence = parent->sequence };
		struct blob *blob = blob_new(op->data, op->len);
		undo->node = tree_create(tree, parent, path, blob, owner, ensemble->zxid, time_ms);
		if (owner)
			own(session, undo->node);
		*change = (struct change){ .kind = CHANGE_CREATE, .path = need(strdup(path)), .blob = blob, .owner = owner };
		*created = arena_string(&call->arena, path);
		*changed = true;
		return RC_OK;
	}
	if (!path_ok(op->path))
		return RC_INVALID;
	struct znode *node = tree_find(tree, op->path);
	if (!node)
		return RC_NONODE;
	if (op->kind == OP_DELETE && !node->parent)
		return RC_INVALID;
	if (op->version != ANY_VERSION && op->version != node->stat.version)
		return RC_BADVERSION;
	switch (op->kind) {
	case OP_CHECK:
	case OP_CREATE:
		break;
	case OP_SET:
		*undo = (struct undo){ .kind = UNDO_SET, .node = node, .stat = node->stat, .blob = blob_keep(node->blob) };
		struct blob *blob = blob_new(op->data, op->len);
		tree_set(node, blob, ensemble->zxid, time_ms);
		*change = (struct change){ .kind = CHANGE_SET, .path = need(strdup(op->path)), .blob = blob,
			.version = node->stat.version };
		*changed = true;
		break;
	case OP_DELETE:
		if (node->children)
			return RC_NOTEMPTY;
		*undo = (struct undo){ .kind = UNDO_DELETE, .node = node, .parent = node->parent->stat };
		tree_unlink(tree, node, ensemble->zxid);
		if (node->stat.owner)
			disown(session_find(ensemble, node->stat.owner), node);
		*change = (struct change){ .kind = CHANGE_DELETE, .path = need(strdup(op->path)), .owner = node->stat.owner };
		*changed = true;
		break;
	}
	return RC_OK;
}

static void
do_multi(struct ensemble *ensemble, struct call *call)
{
	const struct raw_request *request = &call->request;
	int count = request->op_count, done = 0, failed = -1;
	struct raw_result *results = arena_alloc(&call->arena, (size_t)count * sizeof *results + 1);
	struct change *changes = need(calloc((size_t)count + 1, sizeof *changes));
	struct undo *undos = need(calloc((size_t)count + 1, sizeof *undos));
	int64_t time_ms = ensemble_time_ms(ensemble);
	enum rc rc = RC_OK;

	ensemble->zxid++;
	for (int i = 0; i < count && failed < 0; i++) {
		bool changed;

		rc = do_op(ensemble, call, &request->ops[i], time_ms, &changes[done], &undos[done], &changed,
		    &results[i].created);
		results[i].rc = rc;
		if (rc != RC_OK)
			failed = i;
		else if (changed)
			done++;
	}
	if (failed >= 0) {
		undo_all(ensemble, undos, done);
		for (int i = 0; i < done; i++) {
			free(changes[i].path);
			blob_drop(changes[i].blob);
		}
		for (int i = 0; i < count; i++)
			if (i != failed)
				results[i] = (struct raw_result){ .rc = RC_ROLLEDBACK };
		done = 0;
	} else {
		for (int i = 0; i < done; i++) {
			if (undos[i].kind == UNDO_SET)
				blob_drop(undos[i].blob);
			if (undos[i].kind == UNDO_DELETE)
				znode_free(undos[i].node);
		}
	}
	free(undos);
	call->reply.rc = rc;
	call->reply.results = results;
	call->reply.result_count = count;
	call->reply.failed_op = failed;
	if (ensemble->on_txn) {
		struct txn txn = { .zxid = ensemble->zxid, .time_ms = time_ms, .session = call->conn->session->id,
			.client = call->conn->owner, .request = request, .rc = rc, .failed_op = failed, .results = results,
			.changes = changes, .change_count = done };

		ensemble->on_txn(ensemble->context, &txn);
	}
	publish(ensemble, time_ms, changes, done, 0);
}

static void
session_end(struct ensemble *ensemble, struct session *session)
{
	struct change *changes;
	int count = 0;
	int64_t time_ms = ensemble_time_ms(ensemble);

	if (!session->alive)
		return;
	session->alive = false;
	session->generation++;
	ensemble->zxid++;
	for (struct znode *node = session->owned; node; node = node->next_owned)
		count++;
	changes = need(calloc((size_t)count + 1, sizeof *changes));
	count = 0;
	while (session->owned) {
		struct znode *node = session->owned;

		changes[count++] = (struct change){ .kind = CHANGE_DELETE, .path = need(strdup(node->path)),
			.owner = session->id };
		disown(session, node);
		tree_unlink(&ensemble->tree, node, ensemble->zxid);
		znode_free(node);
	}
	if (ensemble->on_txn) {
		struct txn txn = { .zxid = ensemble->zxid, .time_ms = time_ms, .session = session->id, .rc = RC_OK,
			.failed_op = -1, .changes = changes, .change_count = count };

		ensemble->on_txn(ensemble->context, &txn);
	}
	publish(ensemble, time_ms, changes, count, session->id);
}

/* ---- sessions: who is heard of ---- */

static bool
heard_of(const struct session *session)
{
	const struct conn *conn = session->conn;
	struct ensemble *ensemble;

	if (!conn || !conn->served || conn->dark || !conn->client || conn->client->dead || conn->client->stopped)
		return false;
	ensemble = conn->ensemble;
	return !ensemble->down && !ensemble->servers[conn->server].stalled;
}

static void
session_timeout(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct session *session = object;

	if (session->alive && session->counting && session->generation == arg && !ensemble->down)
		session_end(ensemble, session);
}

/* Called whenever something changed that decides whether the session is heard of. */
static void
session_review(struct ensemble *ensemble, struct session *session)
{
	if (!session || !session->alive)
		return;
	if (heard_of(session)) {
		session->counting = false;
		session->generation++;
		return;
	}
	if (session->counting)
		return;
	session->counting = true;
	int64_t timeout_us = session->timeout_ms * INT64_C(1000);
	/* The last ping was up to a third of the timeout ago. */
	int64_t left_us = timeout_us - agenda_between(ensemble->agenda, 0, timeout_us / 3) +
	    agenda_between(ensemble->agenda, 0, ensemble->conf.tick_ms * 1000);
	agenda_at(ensemble->agenda, ensemble->agenda->now_us + left_us, session_timeout, ensemble, session,
	    ++session->generation);
}

static void
review_all(struct ensemble *ensemble)
{
	for (int i = 0; i < 256; i++)
		for (struct session *session = ensemble->sessions[i]; session; session = session->next)
			session_review(ensemble, session);
}

/* ---- a server and its connections ---- */

static void
conn_unserve(struct conn *conn)
{
	if (!conn->served)
		return;
	conn->served = false;
	while (conn->watches)
		watch_remove(conn->watches);
	struct conn **link = &conn->ensemble->servers[conn->server].conns;
	while (*link != conn)
		link = &(*link)->next_served;
	*link = conn->next_served;
	/* Nobody will get these replies; those that are on their way to the order may still be applied. */
	for (struct call *next; conn->head; conn->head = next) {
		next = conn->head->next;
		call_drop(conn->ensemble, conn->head);
	}
	conn->tail = NULL;
	session_review(conn->ensemble, conn->session);
}

static void
client_lost(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct conn *conn = object;
	struct client *client = conn->client;

	if (hold(client, client_lost, context, object, arg))
		return;
	if (!client || client->dead || client->conn != conn)
		return;
	struct raw_reply unknown = { .rc = RC_UNKNOWN, .failed_op = -1 };
	client->conn = NULL;
	bool told = client->connected;
	client->connected = false;
	struct call *last = client->out_last;
	uint64_t attempt = client->attempt;
	if (told)
		client->callbacks.state(client->context, CLIENT_DISCONNECTED, 0, 0, false);
	while (last && client->out && !client->dead) {
		bool end = client->out == last;

		complete(client, client->out, &unknown);
		if (end)
			break;
	}
	if (!client->dead && client->attempt == attempt)
		connect_later(client, agenda_between(ensemble->agenda, 1000, ensemble->conf.reconnect_us));
}

/* Both sides notice that the connection is gone; what is under way is lost from some moment on. */
static void
conn_break(struct conn *conn)
{
	struct ensemble *ensemble = conn->ensemble;
	struct agenda *agenda = ensemble->agenda;

	if (conn->served) {
		conn->lost_from_us = agenda->now_us;
		if (agenda_chance(agenda, 500000))
			conn->lost_from_us += agenda_between(agenda, 0, 2 * ensemble->conf.latency_us);
		if (agenda_chance(agenda, ensemble->conf.late_ppm))
			conn->late_us = agenda_between(agenda, 0, 2 * SECOND_US);
		conn_unserve(conn);
	}
	if (conn->up) {
		conn->up = false;
		agenda_at(agenda, agenda->now_us + 1, client_lost, ensemble, conn, 0);
	}
}

static void
do_read(struct conn *conn, struct call *call)
{
	struct ensemble *ensemble = conn->ensemble;
	const struct tree *tree = conn->server == 0 ? &ensemble->tree : &ensemble->servers[conn->server].tree;
	const struct raw_request *request = &call->request;
	const char *path = request->path;
	struct raw_reply *reply = &call->reply;

	if (!path_ok(path)) {
		reply->rc = RC_INVALID;
		return;
	}
	const struct znode *node = tree_find(tree, path);
	reply->rc = node ? RC_OK : RC_NONODE;
	if (node)
		reply->stat = node->stat;
	if (request->watch && (node || request->kind == REQ_EXISTS))
		watch_add(conn, request->kind == REQ_LIST ? WATCH_CHILD : WATCH_DATA, path);
	if (!node)
		return;
	if (request->kind == REQ_GET) {
		reply->len = node->blob ? node->blob->len : 0;
		reply->data = arena_copy(&call->arena, node->blob ? node->blob->data : "", reply->len);
	} else if (request->kind == REQ_LIST) {
		int count = node->stat.children, at = 0;
		const char **names = arena_alloc(&call->arena, (size_t)count * sizeof *names + 1);

		/* No order is promised: start anywhere. */
		int turn = count ? (int)rng_below(&ensemble->agenda->rng, (uint64_t)count) : 0;
		for (const struct znode *child = node->children; child; child = child->next)
			names[(at++ + turn) % count] = arena_string(&call->arena, child->name);
		reply->children = names;
		reply->child_count = count;
	}
	if (call->arena.failed)
		abort();
}

/* Answers what can be answered, in order. */
static void
conn_pump(struct conn *conn)
{
	struct ensemble *ensemble = conn->ensemble;
	struct server *server = &ensemble->servers[conn->server];

	while (conn->served && conn->head) {
		struct call *call = conn->head;

		if (is_read(call))
			do_read(conn, call);
		else if (!call->decided || call->zxid > server->applied)
			return;
		if (is_write(call) && agenda_chance(ensemble->agenda, ensemble->conf.lose_reply_ppm)) {
			conn_break(conn);
			return;
		}
		conn->head = call->next;
		if (!conn->head)
			conn->tail = NULL;
		if (call->is_close)
			call_drop(ensemble, call);
		else
			send_down(conn, call, WATCH_CREATED, NULL);
	}
}

static void
pump(void *context, void *object, uint64_t arg)
{
	(void)context;
	(void)arg;
	conn_pump(object);
}

/* The request has its turn in the order of all servers. Holds a reference of its own. */
static void
order(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct call *call = object;
	struct conn *conn = call->conn;
	struct session *session = conn->session;

	if (conn->late_us && !arg && !ensemble->down) {
		int64_t at_us = ensemble->agenda->now_us + conn->late_us;

		if (at_us < conn->order_us)
			at_us = conn->order_us;
		conn->order_us = at_us;
		agenda_at(ensemble->agenda, at_us, order, ensemble, call, 1);
		return;
	}
	/* A server answers what came before of a connection before it does what came after. */
	if (conn->served)
		conn_pump(conn);
	/* The session has ended or moved on to another connection: refused, and nobody hears of it. */
	if (ensemble->down || !session->alive || session->conn != conn) {
		call_drop(ensemble, call);
		return;
	}
	if (call->is_close) {
		session_end(ensemble, session);
		call_drop(ensemble, call);
		return;
	}
	if (call->request.kind == REQ_MULTI)
		do_multi(ensemble, call);
	else
		call->reply.rc = RC_OK;
	call->decided = true;
	call->zxid = ensemble->zxid;
	if (conn->served)
		agenda_at(ensemble->agenda, ensemble->agenda->now_us, pump, ensemble, conn, 0);
	call_drop(ensemble, call);
}

static void
forward(struct conn *conn, struct call *call)
{
	struct ensemble *ensemble = conn->ensemble;
	int64_t at_us = ensemble->agenda->now_us + some_of(ensemble->agenda, ensemble->conf.commit_us);

	if (at_us < conn->order_us)
		at_us = conn->order_us;
	conn->order_us = at_us;
	call->refs++;
	call->forwarded = true;
	agenda_at(ensemble->agenda, at_us, order, ensemble, call, 0);
}

/* A request arrives at its server. */
static void
receive(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct call *call = object;
	struct conn *conn = call->conn;

	(void)arg;
	if (conn->dark || ensemble->down || (!conn->served && ensemble->agenda->now_us >= conn->lost_from_us)) {
		call_drop(ensemble, call);
		return;
	}
	if (!is_read(call) && !ensemble->servers[conn->server].stalled)
		forward(conn, call);
	if (!conn->served) {
		call_drop(ensemble, call);
		return;
	}
	call->next = NULL;
	if (conn->tail)
		conn->tail->next = call;
	else
		conn->head = call;
	conn->tail = call;
	conn_pump(conn);
}

/* ---- clients ---- */

static void
send_up(struct conn *conn, struct call *call)
{
	struct ensemble *ensemble = conn->ensemble;
	int64_t at_us = ensemble->agenda->now_us + some_of(ensemble->agenda, ensemble->conf.latency_us);

	if (at_us < conn->up_us)
		at_us = conn->up_us;
	conn->up_us = at_us;
	agenda_at(ensemble->agenda, at_us, receive, ensemble, call, 0);
}

static void
not_sent(void *context, void *object, uint64_t arg)
{
	struct client *client = context;
	struct call *call = object;
	struct raw_reply reply = { .rc = arg ? RC_INVALID : RC_NOTSENT, .failed_op = -1 };

	if (hold(client, not_sent, context, object, arg))
		return;
	if (!client->dead && !call->answered)
		complete(client, call, &reply);
	call_drop(client->ensemble, call);
}

static void
outstanding(struct client *client, struct call *call)
{
	call->prev_out = client->out_last;
	if (client->out_last)
		client->out_last->next_out = call;
	else
		client->out = call;
	client->out_last = call;
	client->out_count++;
}

static size_t
request_size(const struct raw_request *request)
{
	size_t size = 64;

	for (int i = 0; request->kind == REQ_MULTI && i < request->op_count; i++)
		size += strlen(request->ops[i].path) + request->ops[i].len + 64;
	return size;
}

void
client_send(struct client *client, uint64_t cookie, const struct raw_request *request)
{
	struct ensemble *ensemble = client->ensemble;
	struct call *call = call_new(ensemble);
	struct conn *conn = client->conn;

	assert(!client->dead);
	call->cookie = cookie;
	call->conn = conn;
	call->refs = 2;
	copy_request(call, request);
	outstanding(client, call);
	bool too_large = request_size(request) > 1048575;
	if (!client->connected || !conn || too_large) {
		agenda_at(ensemble->agenda, ensemble->agenda->now_us + 1, not_sent, client, call, too_large);
		return;
	}
	if (conn->up && request->kind == REQ_MULTI && agenda_chance(ensemble->agenda, ensemble->conf.lose_request_ppm))
		conn_break(conn);
	if (!conn->up || conn->dark) {
		call_drop(ensemble, call);
		return;
	}
	send_up(conn, call);
}

static void
connect_now(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct client *client = object;
	struct agenda *agenda = ensemble->agenda;

	if (client->dead || client->attempt != arg || client->conn)
		return;
	int index = (int)rng_below(&agenda->rng, (uint64_t)ensemble->conf.servers);
	struct server *server = &ensemble->servers[index];
	struct session *session = client->session;
	if (client->stopped || ensemble->down || agenda->now_us < client->silent_until_us || server->stalled ||
	    server->applied < client->last_zxid) {
		connect_later(client, agenda_between(agenda, 1000, ensemble->conf.reconnect_us));
		return;
	}
	if (session && !session->alive) {
		/* Watches die with the handle. */
		client->session = NULL;
		client->last_zxid = 0;
		locals_clear(client);
		connect_later(client, agenda_between(agenda, 1000, ensemble->conf.reconnect_us));
		client->callbacks.state(client->context, CLIENT_EXPIRED, 0, 0, false);
		return;
	}
	bool fresh = !session;
	if (fresh) {
		session = need(calloc(1, sizeof *session));
		session->id = FIRST_SESSION + ++ensemble->last_session;
		session->timeout_ms = client->timeout_ms;
		session->alive = true;
		session->next = ensemble->sessions[session->id % 256];
		ensemble->sessions[session->id % 256] = session;
		client->session = session;
		ensemble->zxid++;
		publish(ensemble, ensemble_time_ms(ensemble), NULL, 0, 0);
	}
	struct conn *conn = need(calloc(1, sizeof *conn));
	conn->ensemble = ensemble;
	conn->client = conn->owner = client;
	conn->session = session;
	conn->server = index;
	conn->up = conn->served = true;
	conn->lost_from_us = INT64_MAX;
	conn->next = ensemble->conns;
	ensemble->conns = conn;
	conn->next_served = server->conns;
	server->conns = conn;
	struct conn *old = session->conn;
	session->conn = conn;
	client->conn = conn;
	client->connected = true;
	if (old && old->served)
		conn_unserve(old);
	session_review(ensemble, session);
	/* Watches are set again, and fire for what the client has not seen. The events are on their way before
	 * the owner can send anything. */
	const struct tree *tree = index == 0 ? &ensemble->tree : &server->tree;
	for (int i = 0; i < 64; i++)
		for (struct local *local = client->locals[i]; local; local = local->next) {
			const struct znode *node = tree_find(tree, local->path);

			switch (local->type) {
			case LOCAL_NODE:
				if (!node)
					send_down(conn, NULL, WATCH_DELETED, local->path);
				else if (node->stat.mzxid > client->last_zxid)
					send_down(conn, NULL, WATCH_CHANGED, local->path);
				else
					watch_add(conn, WATCH_DATA, local->path);
				break;
			case LOCAL_EXIST:
				if (node)
					send_down(conn, NULL, WATCH_CREATED, local->path);
				else
					watch_add(conn, WATCH_DATA, local->path);
				break;
			case LOCAL_CHILD:
				if (!node)
					send_down(conn, NULL, WATCH_DELETED, local->path);
				else if (node->stat.pzxid > client->last_zxid)
					send_down(conn, NULL, WATCH_CHILDREN, local->path);
				else
					watch_add(conn, WATCH_CHILD, local->path);
				break;
			}
		}
	client->callbacks.state(client->context, CLIENT_CONNECTED, session->id, session->timeout_ms, fresh);
}

static void
connect_later(struct client *client, int64_t delay_us)
{
	struct ensemble *ensemble = client->ensemble;

	agenda_at(ensemble->agenda, ensemble->agenda->now_us + delay_us, connect_now, ensemble, client, ++client->attempt);
}

struct client *
client_new(struct ensemble *ensemble, const struct client_callbacks *callbacks, void *context, int32_t timeout_ms)
{
	struct client *client = need(calloc(1, sizeof *client));

	client->ensemble = ensemble;
	client->callbacks = *callbacks;
	client->context = context;
	client->timeout_ms = timeout_ms;
	client->next = ensemble->clients;
	ensemble->clients = client;
	connect_later(client, some_of(ensemble->agenda, ensemble->conf.latency_us));
	return client;
}

static void
send_close(struct client *client)
{
	struct ensemble *ensemble = client->ensemble;
	struct conn *conn = client->conn;

	if (!conn || !conn->up || conn->dark)
		return;
	struct call *call = call_new(ensemble);
	call->conn = conn;
	call->is_close = true;
	send_up(conn, call);
}

static void
new_session(void *context, void *object, uint64_t arg)
{
	struct client *client = context;
	struct raw_reply unknown = { .rc = RC_UNKNOWN, .failed_op = -1 };

	if (hold(client, new_session, context, object, arg))
		return;
	if (client->dead || client->attempt != arg)
		return;
	client->connected = false;
	while (client->out && !client->dead)
		complete(client, client->out, &unknown);
	if (client->dead)
		return;
	connect_later(client, agenda_between(client->ensemble->agenda, 1000, client->ensemble->conf.reconnect_us));
	client->callbacks.state(client->context, CLIENT_EXPIRED, 0, 0, false);
}

void
client_new_session(struct client *client)
{
	send_close(client);
	if (client->conn) {
		client->conn->up = false;
		client->conn->client = NULL;
	}
	struct session *session = client->session;
	client->conn = NULL;
	client->session = NULL;
	client->last_zxid = 0;
	client->connected = false;
	locals_clear(client);
	session_review(client->ensemble, session);
	agenda_at(client->ensemble->agenda, client->ensemble->agenda->now_us + 1, new_session, client, NULL,
	    ++client->attempt);
}

static void
forget_outstanding(struct client *client)
{
	for (struct call *next; client->out; client->out = next) {
		next = client->out->next_out;
		client->out->answered = true;
		call_drop(client->ensemble, client->out);
	}
	client->out_last = NULL;
	client->out_count = 0;
}

void
client_close(struct client *client)
{
	send_close(client);
	client->dead = true;
	forget_outstanding(client);
	if (client->session)
		session_review(client->ensemble, client->session);
}

void
client_kill(struct client *client)
{
	client->dead = true;
	forget_outstanding(client);
	if (client->conn)
		conn_break(client->conn);
}

bool
client_connected(const struct client *client)
{
	return client->connected;
}

int64_t
client_session(const struct client *client)
{
	return client->session ? client->session->id : 0;
}

void *
client_context(const struct client *client)
{
	return client->context;
}

int
client_outstanding(const struct client *client)
{
	return client->out_count;
}

/* ---- faults ---- */

void
client_cut(struct client *client)
{
	if (client->conn)
		conn_break(client->conn);
}

static void
notice(void *context, void *object, uint64_t arg)
{
	(void)context;
	(void)arg;
	conn_break(object);
}

void
client_silence(struct client *client, int64_t until_us)
{
	struct ensemble *ensemble = client->ensemble;
	struct conn *conn = client->conn;

	if (until_us > client->silent_until_us)
		client->silent_until_us = until_us;
	if (!conn || !conn->up || conn->dark)
		return;
	conn->dark = true;
	session_review(ensemble, conn->session);
	int64_t patience_us = client->timeout_ms * INT64_C(1000) * 2 / 3;
	agenda_at(ensemble->agenda, ensemble->agenda->now_us + agenda_between(ensemble->agenda, patience_us / 2, patience_us),
	    notice, ensemble, conn, 0);
}

void
client_stop(struct client *client, bool stopped)
{
	client->stopped = stopped;
	for (struct held *held; !stopped && (held = client->held);) {
		client->held = held->next;
		agenda_at(client->ensemble->agenda, 0, held->function, held->context, held->object, held->arg);
		free(held);
	}
	if (!stopped)
		client->held_last = NULL;
	session_review(client->ensemble, client->session);
}

void
client_expire(struct client *client)
{
	if (client->session)
		session_end(client->ensemble, client->session);
}

static void
server_unstall(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;
	struct server *server = object;

	if (server->stall_generation != arg)
		return;
	server->stalled = false;
	server_apply(ensemble, server, (uint64_t)ensemble->zxid);
	for (struct conn *conn = server->conns; conn; conn = conn->next_served)
		for (struct call *call = conn->head; call; call = call->next)
			if (!is_read(call) && !call->forwarded)
				forward(conn, call);
	review_all(ensemble);
}

void
server_stall(struct ensemble *ensemble, int index, int64_t until_us)
{
	struct server *server = &ensemble->servers[index];

	assert(index > 0 && index < ensemble->conf.servers);
	if (server->stalled)
		return;
	server->stalled = true;
	review_all(ensemble);
	agenda_at(ensemble->agenda, until_us, server_unstall, ensemble, server, ++server->stall_generation);
}

static void
outage_over(void *context, void *object, uint64_t arg)
{
	struct ensemble *ensemble = context;

	(void)object;
	if (ensemble->down_generation != arg)
		return;
	ensemble->down = false;
	for (int i = 0; i < 256; i++)
		for (struct session *session = ensemble->sessions[i]; session; session = session->next)
			session->counting = false;
	review_all(ensemble);
}

void
ensemble_outage(struct ensemble *ensemble, int64_t until_us)
{
	if (ensemble->down)
		return;
	ensemble->down = true;
	agenda_at(ensemble->agenda, until_us, outage_over, ensemble, NULL, ++ensemble->down_generation);
	for (int i = 0; i < ensemble->conf.servers; i++)
		while (ensemble->servers[i].conns)
			conn_break(ensemble->servers[i].conns);
}

/* ---- life ---- */

struct ensemble *
ensemble_new(const struct ensemble_conf *conf, struct agenda *agenda, txn_fn *on_txn, void *context)
{
	struct ensemble *ensemble = need(calloc(1, sizeof *ensemble));

	assert(conf->servers > 0 && conf->servers <= SERVERS_MAX);
	ensemble->conf = *conf;
	ensemble->agenda = agenda;
	ensemble->on_txn = on_txn;
	ensemble->context = context;
	tree_init(&ensemble->tree);
	for (int i = 1; i < conf->servers; i++)
		tree_init(&ensemble->servers[i].tree);
	return ensemble;
}

void
ensemble_free(struct ensemble *ensemble)
{
	if (!ensemble)
		return;
	for (int i = 0; i < ensemble->conf.servers; i++)
		for (struct conn *conn = ensemble->servers[i].conns; conn; conn = conn->next_served)
			while (conn->watches)
				watch_remove(conn->watches);
	for (struct client *next; ensemble->clients; ensemble->clients = next) {
		next = ensemble->clients->next;
		locals_clear(ensemble->clients);
		for (struct held *held; (held = ensemble->clients->held);) {
			ensemble->clients->held = held->next;
			free(held);
		}
		free(ensemble->clients);
	}
	for (struct conn *next; ensemble->conns; ensemble->conns = next) {
		next = ensemble->conns->next;
		free(ensemble->conns);
	}
	for (int i = 0; i < 256; i++)
		for (struct session *next; ensemble->sessions[i]; ensemble->sessions[i] = next) {
			next = ensemble->sessions[i]->next;
			free(ensemble->sessions[i]);
		}
	for (struct call *next; ensemble->calls; ensemble->calls = next) {
		next = ensemble->calls->next_all;
		arena_free(&ensemble->calls->arena);
		free(ensemble->calls);
	}
	for (struct packet *next; ensemble->packets; ensemble->packets = next) {
		next = ensemble->packets->next_all;
		free(ensemble->packets->path);
		free(ensemble->packets);
	}
	for (struct txn_log *next; ensemble->log_head; ensemble->log_head = next) {
		next = ensemble->log_head->next;
		log_free(ensemble->log_head);
	}
	tree_free(&ensemble->tree);
	for (int i = 1; i < ensemble->conf.servers; i++)
		tree_free(&ensemble->servers[i].tree);
	free(ensemble);
}

struct ensemble_conf *
ensemble_conf(struct ensemble *ensemble)
{
	return &ensemble->conf;
}

const struct tree *
ensemble_tree(const struct ensemble *ensemble)
{
	return &ensemble->tree;
}

int64_t
ensemble_zxid(const struct ensemble *ensemble)
{
	return ensemble->zxid;
}

int64_t
ensemble_time_ms(const struct ensemble *ensemble)
{
	return EPOCH_MS + ensemble->agenda->now_us / 1000;
}

static int
differences(const struct tree *from, const struct tree *to)
{
	int count = 0;

	for (size_t i = 0; i <= from->mask; i++)
		for (const struct znode *node = from->buckets[i]; node; node = node->next_in_bucket) {
			const struct znode *other = tree_find(to, node->path);

			if (!other || other->sequence != node->sequence || other->blob != node->blob ||
			    memcmp(&other->stat, &node->stat, sizeof node->stat) != 0)
				count++;
		}
	return count;
}

int
ensemble_copies_differ(const struct ensemble *ensemble)
{
	int count = 0;

	for (int i = 1; i < ensemble->conf.servers; i++)
		count += differences(&ensemble->tree, &ensemble->servers[i].tree) +
		    differences(&ensemble->servers[i].tree, &ensemble->tree);
	return count;
}
