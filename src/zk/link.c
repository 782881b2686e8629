#include "zk/link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "codec/path.h"
#include "codec/wire.h"
#include "core/arena.h"

/* A request on its way; its address is the cookie. */
struct pending {
	struct pending *prev, *next;
	struct wire_pending wire;
	enum rc refused;	/* RC_OK, or why it never reached zk */
	link_raw_fn *on_raw;	/* of link_raw(): then wire is not used */
	void *raw_context;
	char text[];		/* of wire.node */
};

struct link {
	struct zk *zk;
	char *root;
	link_event_fn *on_event;
	void (*on_state)(void *, enum zk_state, const char *);
	void *context, *state_context;
	struct link_counts counts;
	struct arena arena;		/* of the event that is being delivered */
	struct arena request_arena;	/* of the request that is being sent */
	struct pending *pending;	/* all of them */
	char uuid[UUID_LEN + 1];	/* of the session */
	bool failed, freeing;
};

static int64_t
clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int64_t
link_now_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t
link_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

/* ---- events ---- */

static struct event
event_of(enum event_kind kind)
{
	return (struct event){ .kind = kind, .now_ms = link_now_ms(), .wall_ms = link_wall_ms() };
}

static void
tell(struct link *link, const struct event *event)
{
	if (!link->freeing)
		link->on_event(link->context, event);
	arena_reset(&link->arena);
}

static void
forget(struct link *link, struct pending *pending)
{
	if (pending->prev)
		pending->prev->next = pending->next;
	else
		link->pending = pending->next;
	if (pending->next)
		pending->next->prev = pending->prev;
	free(pending);
}

static enum link_result
result_of(enum rc rc)
{
	switch (rc) {
	case RC_OK:
		return LINK_OK;
	case RC_NONODE:
	case RC_NODEEXISTS:
	case RC_BADVERSION:
	case RC_NOTEMPTY:
	case RC_NOAUTH:
		return LINK_REFUSED;
	case RC_UNKNOWN:
	case RC_NOTSENT:
		return LINK_CONNLOSS;
	default:
		return LINK_ERROR;
	}
}

static void
count(struct link *link, const struct reply *reply)
{
	enum link_result result = result_of(reply->rc);

	link->counts.requests[reply->kind][result]++;
	if (result == LINK_OK || result == LINK_REFUSED)
		histogram_add(&link->counts.durations[reply->kind], reply->took_ms);
}

static void
on_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	struct link *link = context;
	struct pending *pending = (struct pending *)(uintptr_t)cookie;
	struct event event = event_of(EV_REPLY);
	struct raw_reply refused = { .rc = pending->refused, .failed_op = -1 };

	if (pending->on_raw) {
		if (!link->freeing)
			pending->on_raw(pending->raw_context, raw);
		forget(link, pending);
		return;
	}
	wire_reply(&link->arena, link->root, &pending->wire, pending->refused == RC_OK ? raw : &refused, event.now_ms,
	    &event.reply);
	count(link, &event.reply);
	tell(link, &event);
	forget(link, pending);	/* the event's node borrows from it */
}

static void
on_watch(void *context, enum watch_kind kind, const char *path)
{
	struct link *link = context;
	struct event event = event_of(EV_WATCH);

	event.watch.kind = kind;
	if (path_parse(link->root, path, &event.watch.node))
		tell(link, &event);
}

static void
new_uuid(char uuid[UUID_LEN + 1])
{
	unsigned char bytes[UUID_LEN / 2];

	/* Up to 256 bytes it neither fails nor comes short once the system has booted. */
	while (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		;
	for (size_t i = 0; i < sizeof bytes; i++) {
		uuid[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		uuid[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	uuid[UUID_LEN] = '\0';
}

static void
on_connected(struct link *link, int64_t session_id, int32_t timeout_ms, bool fresh)
{
	struct event event = event_of(EV_CONNECTED);

	if (fresh)
		new_uuid(link->uuid);
	event.session.id = session_id;
	event.session.timeout_ms = timeout_ms;
	event.session.fresh = fresh;
	memcpy(event.session.uuid, link->uuid, sizeof event.session.uuid);
	tell(link, &event);
}

static void
on_state(void *context, enum zk_state state, int64_t session_id, int32_t timeout_ms, bool fresh, const char *detail)
{
	struct link *link = context;
	struct event event;

	if (link->on_state)
		link->on_state(link->state_context, state, detail);
	switch (state) {
	case ZK_CONNECTED:
		on_connected(link, session_id, timeout_ms, fresh);
		break;
	case ZK_DISCONNECTED:
		event = event_of(EV_DISCONNECTED);
		tell(link, &event);
		break;
	case ZK_EXPIRED:
		event = event_of(EV_EXPIRED);
		tell(link, &event);
		break;
	case ZK_AUTH_FAILED:	/* an EV_EXPIRED came before it where there was a session */
	case ZK_UNRESOLVED:
		break;
	}
}

/* ---- requests ---- */

static void
keep(struct link *link, struct pending *pending)
{
	pending->refused = RC_OK;
	pending->prev = NULL;
	pending->next = link->pending;
	if (link->pending)
		link->pending->prev = pending;
	link->pending = pending;
}

static struct pending *
pending_new(struct link *link, const struct request *request)
{
	const char *text = request->node.text;
	size_t size = text ? strlen(text) + 1 : 0;
	struct pending *pending = malloc(sizeof *pending + size);

	if (!pending)
		return NULL;
	wire_pending(request, link_now_ms(), &pending->wire);
	if (text)
		pending->wire.node.text = memcpy(pending->text, text, size);
	pending->on_raw = NULL;
	keep(link, pending);
	return pending;
}

void
link_request(struct link *link, const struct request *request)
{
	struct raw_request raw, none = { .kind = REQ_EXISTS };	/* without a path: zk refuses it, later */
	struct pending *pending;

	if (link->freeing)
		return;
	pending = pending_new(link, request);
	if (!pending) {
		link->failed = true;
		return;
	}
	arena_reset(&link->request_arena);
	pending->refused = wire_request(&link->request_arena, link->root, request, &raw);
	zk_send(link->zk, (uintptr_t)pending, pending->refused == RC_OK ? &raw : &none);
}

void
link_raw(struct link *link, const struct raw_request *raw, link_raw_fn *on_raw, void *context)
{
	struct pending *pending = link->freeing ? NULL : malloc(sizeof *pending);

	if (!pending) {
		link->failed = link->failed || !link->freeing;
		return;
	}
	pending->on_raw = on_raw;
	pending->raw_context = context;
	keep(link, pending);
	zk_send(link->zk, (uintptr_t)pending, raw);
}

/* ---- the rest ---- */

struct link *
link_new(const struct zk_conf *conf, const char *root, link_event_fn *on_event, void *context)
{
	static const struct zk_callbacks callbacks = { on_reply, on_watch, on_state };
	struct link *link = calloc(1, sizeof *link);

	if (!link)
		return NULL;
	link->on_event = on_event;
	link->context = context;
	link->root = strdup(root);
	if (!link->root)
		goto free_link;
	link->zk = zk_new(conf, &callbacks, link);
	if (!link->zk)
		goto free_root;
	return link;

free_root:
	free(link->root);
free_link:
	free(link);
	return NULL;
}

void
link_free(struct link *link)
{
	if (!link)
		return;
	link->freeing = true;
	zk_free(link->zk);
	while (link->pending)
		forget(link, link->pending);
	arena_free(&link->arena);
	arena_free(&link->request_arena);
	free(link->root);
	free(link);
}

void
link_on_state(struct link *link, void (*on_state_fn)(void *context, enum zk_state state, const char *detail),
    void *context)
{
	link->on_state = on_state_fn;
	link->state_context = context;
}

const struct link_counts *
link_counts(const struct link *link)
{
	return &link->counts;
}

const char *
link_kind_word(enum request_kind kind)
{
	static const char *const words[] = { "multi", "get", "children", "exists", "sync" };

	return words[kind];
}

const char *
link_result_word(enum link_result result)
{
	static const char *const words[] = { "ok", "refused", "connloss", "error" };

	return words[result];
}

void
link_new_session(struct link *link)
{
	zk_new_session(link->zk);
}

int
link_fd(const struct link *link)
{
	return zk_fd(link->zk);
}

int
link_timeout(const struct link *link)
{
	return zk_timeout(link->zk);
}

void
link_dispatch(struct link *link)
{
	zk_dispatch(link->zk);
}

struct zk *
link_zk(struct link *link)
{
	return link->zk;
}

bool
link_failed(const struct link *link)
{
	return link->failed;
}
