/*
 * zk/ on a real server: every request is answered exactly once whatever happens to the session, and what
 * happens to the session is told in order. Skips (77) where ZooKeeper is absent.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server.h"
#include "zk/link.h"
#include "zk/zk.h"

#define TICK_MS 200
#define SESSION_MS 2000
#define PATIENCE_S 60
#define ANSWERS_MAX 8192

#define CHECK(condition) ((condition) ? (void)0 : fail(__FILE__, __LINE__, #condition))

static struct server *server;
static const char *story = "";

static void __attribute__((noreturn))
fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "FAIL %s:%d: %s: %s\n", file, line, story, what);
	server_free(server);
	exit(1);
}

struct client {
	struct zk *zk;
	int sent, answered;
	int answers[ANSWERS_MAX];	/* by cookie: how many */
	enum rc rcs[ANSWERS_MAX];
	int by_rc[RCS], unknown_at_loss;	/* the state is told before what follows from it */
	char created[ANSWERS_MAX / 64][256];	/* of the first few cookies: what the first op created */
	struct stat stat;		/* of the last answer */
	char data[256];
	int child_count, failed_op, watches;
	enum rc op_rc[8];		/* of the last answered multi */
	char watched[256];
	enum watch_kind watch_kind;
	char states[256];		/* "C" fresh, "c" again, "D", "E", "A", "U" */
	int64_t session_id;
	char detail[256];
	bool new_session_in_reply;
};

static void
on_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	struct client *client = context;

	CHECK(cookie < ANSWERS_MAX);
	client->answers[cookie]++;
	client->rcs[cookie] = raw->rc;
	client->answered++;
	client->by_rc[raw->rc]++;
	client->stat = raw->stat;
	client->child_count = raw->child_count;
	client->failed_op = raw->failed_op;
	snprintf(client->data, sizeof client->data, "%.*s", (int)raw->len, raw->data ? raw->data : "");
	if (raw->rc == RC_UNKNOWN || raw->rc == RC_NOTSENT)
		CHECK(!raw->results);
	for (int i = 0; i < raw->result_count && i < 8; i++)
		client->op_rc[i] = raw->results[i].rc;
	if (raw->result_count > 0 && raw->results[0].created && cookie < ANSWERS_MAX / 64)
		snprintf(client->created[cookie], sizeof client->created[0], "%s", raw->results[0].created);
	if (client->new_session_in_reply) {
		client->new_session_in_reply = false;
		zk_new_session(client->zk);
	}
}

static void
on_watch(void *context, enum watch_kind kind, const char *path)
{
	struct client *client = context;

	client->watches++;
	client->watch_kind = kind;
	snprintf(client->watched, sizeof client->watched, "%s", path);
}

static void
on_state(void *context, enum zk_state state, int64_t session_id, int32_t timeout_ms, bool fresh, const char *detail)
{
	struct client *client = context;
	char letter = state == ZK_CONNECTED ? fresh ? 'C' : 'c' : state == ZK_DISCONNECTED ? 'D' : state == ZK_EXPIRED ?
	    'E' : state == ZK_AUTH_FAILED ? 'A' : 'U';
	size_t len = strlen(client->states);

	CHECK(len + 1 < sizeof client->states);
	client->states[len] = letter;
	client->states[len + 1] = '\0';
	if (state == ZK_DISCONNECTED)
		client->unknown_at_loss = client->by_rc[RC_UNKNOWN];
	if (state == ZK_CONNECTED) {
		client->session_id = session_id;
		CHECK(timeout_ms == SESSION_MS);
	}
	snprintf(client->detail, sizeof client->detail, "%s", detail ? detail : "");
}

static const struct zk_callbacks callbacks = { on_reply, on_watch, on_state };

static struct client *
client_new(const char *hosts, const char *auth)
{
	struct client *client = calloc(1, sizeof *client);
	struct zk_conf conf = { .hosts = hosts, .session_timeout_ms = SESSION_MS, .auth = auth, .seed = 1 };

	CHECK(client);
	client->zk = zk_new(&conf, &callbacks, client);
	CHECK(client->zk);
	return client;
}

/* One turn of a loop; false when nothing was due within a second. */
static void
turn(struct client *client)
{
	struct pollfd fd = { .fd = zk_fd(client->zk), .events = POLLIN };
	int timeout = zk_timeout(client->zk);

	poll(&fd, 1, timeout < 0 || timeout > 1000 ? 1000 : timeout);
	zk_dispatch(client->zk);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#define UNTIL(client, condition) do { \
		double deadline_ = seconds() + PATIENCE_S; \
		while (!(condition)) { \
			if (seconds() > deadline_) \
				fail(__FILE__, __LINE__, "never: " #condition); \
			turn(client); \
		} \
	} while (0)

/* Frees the client; then every request must have been answered once. */
static void
client_free(struct client *client)
{
	zk_free(client->zk);
	CHECK(client->answered == client->sent);
	for (int i = 0; i < client->sent; i++)
		CHECK(client->answers[i] == 1);
	free(client);
}

static void
send_raw(struct client *client, const struct raw_request *raw)
{
	CHECK(client->sent < ANSWERS_MAX);
	zk_send(client->zk, (uint64_t)client->sent++, raw);
}

/* Sends, waits for the answer, gives its code. */
static enum rc
ask(struct client *client, const struct raw_request *raw)
{
	int cookie = client->sent;

	send_raw(client, raw);
	CHECK(client->answers[cookie] == 0);	/* never from within zk_send() */
	UNTIL(client, client->answers[cookie]);
	return client->rcs[cookie];
}

static struct raw_op
create(const char *path, const char *data, int flags)
{
	return (struct raw_op){ .kind = OP_CREATE, .path = path, .data = data, .len = strlen(data), .flags = flags };
}

static enum rc
ask_op(struct client *client, struct raw_op op)
{
	return ask(client, &(struct raw_request){ .kind = REQ_MULTI, .ops = &op, .op_count = 1 });
}

static enum rc
ask_read(struct client *client, enum request_kind kind, const char *path, bool watch)
{
	return ask(client, &(struct raw_request){ .kind = kind, .path = path, .watch = watch });
}

/* ---- stories ---- */

static void
every_request(void)
{
	struct client *client = client_new(server_hosts(server), NULL);
	char address[64];

	CHECK(ask_read(client, REQ_GET, "/", false) == RC_NOTSENT);	/* not connected yet */
	UNTIL(client, zk_connected(client->zk));
	CHECK(strcmp(client->states, "C") == 0 && strcmp(client->detail, server_hosts(server)) == 0);
	CHECK(zk_local_address(client->zk, address, sizeof address) && strcmp(address, "127.0.0.1") == 0);
	CHECK(ask_op(client, create("/a", "x", 0)) == RC_OK);
	CHECK(ask_op(client, create("/a", "x", 0)) == RC_NODEEXISTS && client->failed_op == 0);
	CHECK(ask_read(client, REQ_GET, "/a", true) == RC_OK && strcmp(client->data, "x") == 0);
	CHECK(client->stat.length == 1 && client->stat.version == 0 && client->stat.owner == 0 && client->stat.czxid > 0);
	CHECK(ask_read(client, REQ_LIST, "/a", true) == RC_OK && client->child_count == 0);
	struct raw_op ops[] = {
		create("/a/s-", "", CREATE_SEQUENCE | CREATE_EPHEMERAL),
		{ .kind = OP_SET, .path = "/a", .data = "yy", .len = 2, .version = 0 },
		{ .kind = OP_CHECK, .path = "/a", .version = 1 },
		{ .kind = OP_DELETE, .path = "/a", .version = 0 },
		{ .kind = OP_CHECK, .path = "/a", .version = 1 },
	};
	struct raw_request multi = { .kind = REQ_MULTI, .ops = ops, .op_count = 5 };
	CHECK(ask(client, &multi) == RC_BADVERSION && client->failed_op == 3 && client->watches == 0);
	CHECK(client->op_rc[0] == RC_ROLLEDBACK && client->op_rc[3] == RC_BADVERSION && client->op_rc[4] == RC_ROLLEDBACK);
	multi.op_count = 3;
	int cookie = client->sent;
	CHECK(ask(client, &multi) == RC_OK && client->failed_op == -1);
	CHECK(strcmp(client->created[cookie], "/a/s-0000000000") == 0);
	CHECK(client->watches == 2);	/* data and children, before the answer of the write that fired them */
	CHECK(ask_read(client, REQ_EXISTS, "/a/s-0000000000", false) == RC_OK && client->stat.owner == client->session_id);
	CHECK(ask_read(client, REQ_EXISTS, "/b", true) == RC_NONODE);
	CHECK(ask_op(client, create("/b", "", 0)) == RC_OK);
	CHECK(client->watches == 3 && client->watch_kind == WATCH_CREATED && strcmp(client->watched, "/b") == 0);
	CHECK(ask_read(client, REQ_SYNC, "/", false) == RC_OK);
	CHECK(ask_op(client, (struct raw_op){ .kind = OP_DELETE, .path = "/a", .version = -1 }) == RC_NOTEMPTY);
	CHECK(ask_op(client, (struct raw_op){ .kind = OP_DELETE, .path = "/b", .version = -1 }) == RC_OK);
	CHECK(ask_op(client, (struct raw_op){ .kind = OP_DELETE, .path = "/a/s-0000000000", .version = -1 }) == RC_OK);
	CHECK(ask_op(client, (struct raw_op){ .kind = OP_DELETE, .path = "/a", .version = -1 }) == RC_OK);
	client_free(client);
}

static void
refused_by_ourselves(void)
{
	static const char *const bad[] = { "", "a", "/a/", "//", "/a/../b", "/a\x01", "/\xff", "/." };
	struct client *client = client_new(server_hosts(server), NULL);
	static char big[600 * 1024];

	memset(big, 'x', sizeof big - 1);
	UNTIL(client, zk_connected(client->zk));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		CHECK(ask_read(client, REQ_GET, bad[i], false) == RC_INVALID);
		struct raw_op ops[] = { create("/ok", "", 0), create(bad[i], "", 0) };
		CHECK(ask(client, &(struct raw_request){ .kind = REQ_MULTI, .ops = ops, .op_count = 2 }) == RC_INVALID);
	}
	struct raw_op two[] = { create("/big1", big, 0), create("/big2", big, 0) };
	CHECK(ask(client, &(struct raw_request){ .kind = REQ_MULTI, .ops = two, .op_count = 2 }) == RC_INVALID);
	CHECK(ask(client, &(struct raw_request){ .kind = REQ_MULTI }) == RC_INVALID);
	CHECK(ask(client, &(struct raw_request){ .kind = REQ_MULTI, .ops = two, .op_count = 1 }) == RC_OK);
	CHECK(ask_op(client, (struct raw_op){ .kind = OP_DELETE, .path = "/big1", .version = -1 }) == RC_OK);
	CHECK(strcmp(client->states, "C") == 0);
	client_free(client);
}

/* Whether the session goes by itself, by order, or with the handle: everything is answered once. */
static void
closed_with_requests_out(void)
{
	for (int round = 0; round < 10; round++) {
		struct client *client = client_new(server_hosts(server), NULL);

		UNTIL(client, zk_connected(client->zk));
		for (int i = 0; i < 3000; i++) {
			if (i % 3)
				send_raw(client, &(struct raw_request){ .kind = REQ_GET, .path = "/" });
			else
				send_raw(client, &(struct raw_request){ .kind = REQ_MULTI, .op_count = 1,
				    .ops = &(struct raw_op){ .kind = OP_CHECK, .path = "/", .version = -1 } });
		}
		if (round % 2) {	/* some have been answered by then, and the order comes from within a callback */
			client->new_session_in_reply = true;
			UNTIL(client, strcmp(client->states, "CEC") == 0);
			CHECK(client->answered == 3000);
			CHECK(client->by_rc[RC_OK] + client->by_rc[RC_UNKNOWN] + client->by_rc[RC_NOTSENT] == 3000);
			CHECK(client->by_rc[RC_OK] > 0 && client->by_rc[RC_NOTSENT] > 0);
			CHECK(ask_read(client, REQ_GET, "/", false) == RC_OK);
		} else if (round % 4 == 0) {
			turn(client);
		}
		client_free(client);
	}
}

/* A server that goes and comes back: the session lives on, with its ephemerals and watches. */
static void
server_comes_back(void)
{
	struct client *client = client_new(server_hosts(server), NULL);
	int64_t session_id;

	UNTIL(client, zk_connected(client->zk));
	session_id = client->session_id;
	CHECK(ask_op(client, create("/eph", "", CREATE_EPHEMERAL)) == RC_OK);
	CHECK(ask_read(client, REQ_GET, "/eph", true) == RC_OK);
	server_pause(server);
	for (int i = 0; i < 700; i++)	/* more than the window */
		send_raw(client, &(struct raw_request){ .kind = REQ_GET, .path = "/" });
	UNTIL(client, client->answered == client->sent);
	CHECK(client->unknown_at_loss == 0);
	CHECK(client->by_rc[RC_UNKNOWN] == REQUESTS_IN_FLIGHT_MAX && client->by_rc[RC_NOTSENT] ==
	    700 - REQUESTS_IN_FLIGHT_MAX);
	CHECK(ask_read(client, REQ_GET, "/", false) == RC_NOTSENT);
	CHECK(strcmp(client->states, "CD") == 0);
	server_kill(server);
	server_restart(server);
	UNTIL(client, zk_connected(client->zk));
	CHECK(strcmp(client->states, "CDc") == 0 && client->session_id == session_id);
	CHECK(ask_read(client, REQ_EXISTS, "/eph", false) == RC_OK && client->stat.owner == session_id);
	CHECK(ask_op(client, (struct raw_op){ .kind = OP_SET, .path = "/eph", .version = 0 }) == RC_OK);
	CHECK(client->watches == 1 && client->watch_kind == WATCH_CHANGED);
	client_free(client);
	client = client_new(server_hosts(server), NULL);
	UNTIL(client, zk_connected(client->zk));
	CHECK(ask_read(client, REQ_EXISTS, "/eph", false) == RC_NONODE);	/* closed, not left to expire */
	client_free(client);
}

/* The client is kept away until another one sees that its session is over. */
static void
session_expires(void)
{
	struct client *client = client_new(server_hosts(server), NULL), *other;

	UNTIL(client, zk_connected(client->zk));
	int64_t session_id = client->session_id;
	CHECK(ask_read(client, REQ_EXISTS, "/w", true) == RC_NONODE);
	CHECK(ask_op(client, create("/gone", "", CREATE_EPHEMERAL)) == RC_OK);
	server_pause(server);
	for (int i = 0; i < 300; i++)
		send_raw(client, &(struct raw_request){ .kind = REQ_GET, .path = "/" });
	server_kill(server);
	server_move(server);
	server_restart(server);
	other = client_new(server_hosts(server), NULL);
	UNTIL(other, zk_connected(other->zk));
	if (ask_read(other, REQ_EXISTS, "/gone", true) == RC_OK)
		UNTIL(other, other->watches == 1);
	client_free(other);
	server_kill(server);
	server_move(server);
	server_restart(server);
	UNTIL(client, strchr(client->states, 'E'));
	CHECK(client->answered == client->sent && client->by_rc[RC_UNKNOWN] == 300);
	UNTIL(client, zk_connected(client->zk));
	CHECK(strcmp(client->states, "CDEC") == 0 && client->session_id != session_id);
	CHECK(ask_op(client, create("/w", "", 0)) == RC_OK && client->watches == 0);	/* watches went with the session */
	client_free(client);
}

static void
credentials(void)
{
	struct client *with = client_new(server_hosts(server), "digest:user:secret");
	struct client *without = client_new(server_hosts(server), NULL);

	UNTIL(with, zk_connected(with->zk));
	UNTIL(without, zk_connected(without->zk));
	CHECK(ask_op(with, create("/mine", "x", 0)) == RC_OK);
	CHECK(ask_read(without, REQ_GET, "/mine", false) == RC_NOAUTH);
	CHECK(ask_op(without, (struct raw_op){ .kind = OP_SET, .path = "/mine", .version = -1 }) == RC_NOAUTH);
	zk_new_session(with->zk);
	UNTIL(with, strcmp(with->states, "CEC") == 0);
	CHECK(ask_read(with, REQ_GET, "/mine", false) == RC_OK);
	server_kill(server);
	server_restart(server);
	UNTIL(with, strcmp(with->states, "CECDc") == 0);
	CHECK(ask_read(with, REQ_GET, "/mine", false) == RC_OK);
	client_free(with);
	UNTIL(without, strcmp(without->states, "CDc") == 0);
	client_free(without);
	struct client *odd = client_new(server_hosts(server), "nonsense:user:secret");
	UNTIL(odd, strchr(odd->states, 'A'));
	CHECK(!zk_connected(odd->zk));
	client_free(odd);
}

static void
names_of_servers(void)
{
	char hosts[256];
	const char *port = strrchr(server_hosts(server), ':') + 1;

	snprintf(hosts, sizeof hosts, "localhost:%s", port);
	struct client *client = client_new(hosts, NULL);
	UNTIL(client, zk_connected(client->zk));
	client_free(client);
	/* some that are not there; the even count is made odd */
	snprintf(hosts, sizeof hosts, "[::1]:1,127.0.0.1:1,no-such-host.invalid:1,127.0.0.1:%s", port);
	client = client_new(hosts, NULL);
	UNTIL(client, zk_connected(client->zk));
	CHECK(ask_read(client, REQ_GET, "/", false) == RC_OK);
	client_free(client);
	client = client_new("no-such-host.invalid", NULL);
	UNTIL(client, strstr(client->states, "UU"));	/* and tries again */
	CHECK(client->detail[0] && ask_read(client, REQ_GET, "/", false) == RC_NOTSENT);
	client_free(client);
	client = client_new("no-such-host.invalid", NULL);	/* freed while it resolves */
	client_free(client);
	client = client_new(server_hosts(server), NULL);	/* freed while it connects */
	turn(client);
	client_free(client);
}

/* The same through zk/link.h: the core's requests, the core's events. */
struct driver {
	struct link *link;
	int events[EV_CALL + 1];
	char uuid[UUID_LEN + 1];
	enum rc rc;
	uint64_t arg;
	struct node watched;
	char cluster[64];
	int children;
	bool told_log;
};

static void
on_event(void *context, const struct event *event)
{
	struct driver *driver = context;

	driver->events[event->kind]++;
	CHECK(event->now_ms > 0 && event->wall_ms > 0);
	if (event->kind == EV_CONNECTED) {
		CHECK(event->session.fresh && strlen(event->session.uuid) == UUID_LEN &&
		    strcmp(event->session.uuid, driver->uuid) != 0);
		strcpy(driver->uuid, event->session.uuid);
	} else if (event->kind == EV_WATCH) {
		driver->watched = event->watch.node;
	} else if (event->kind == EV_REPLY) {
		driver->rc = event->reply.rc;
		driver->arg = event->reply.arg;
		driver->children = event->reply.child_count;
		CHECK(event->reply.took_ms >= 0);
		if (event->reply.record.kind == REC_ROOT)
			snprintf(driver->cluster, sizeof driver->cluster, "%s", event->reply.record.root.cluster);
		if (event->reply.node.text)
			CHECK(strcmp(event->reply.node.text, "some task") == 0);
	}
}

static void
on_log(void *context, enum zk_state state, const char *detail)
{
	(void)state;
	(void)detail;
	((struct driver *)context)->told_log = true;
}

/* Sends all requests of the plan and waits for their replies. */
static void
carry_out(struct driver *driver, struct plan *plan)
{
	int want = driver->events[EV_REPLY] + plan->count;
	double deadline = seconds() + PATIENCE_S;

	for (int i = 0; i < plan->count; i++)
		link_request(driver->link, &plan->effects[i].request);
	plan_reset(plan);
	while (driver->events[EV_REPLY] < want) {
		struct pollfd fd = { .fd = link_fd(driver->link), .events = POLLIN };
		int timeout = link_timeout(driver->link);

		CHECK(seconds() < deadline);
		poll(&fd, 1, timeout < 0 || timeout > 1000 ? 1000 : timeout);
		link_dispatch(driver->link);
	}
}

static void
until_connected(struct driver *driver, int times)
{
	double deadline = seconds() + PATIENCE_S;

	while (driver->events[EV_CONNECTED] < times) {
		struct pollfd fd = { .fd = link_fd(driver->link), .events = POLLIN };

		CHECK(seconds() < deadline);
		poll(&fd, 1, 100);
		link_dispatch(driver->link);
	}
}

static void
link_story(void)
{
	struct driver driver = { .rc = RCS };
	struct plan plan = { .wake_ms = NEVER };
	struct zk_conf conf = { .hosts = server_hosts(server), .session_timeout_ms = SESSION_MS };
	struct record root = { .kind = REC_ROOT, .root = { 1, "k3v9" } };

	driver.link = link_new(&conf, "/tree", on_event, &driver);
	CHECK(driver.link);
	link_on_state(driver.link, on_log, &driver);
	plan_get(&plan, 1, 2, node_plain(NODE_ROOT), REC_ROOT, false);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_NOTSENT);
	until_connected(&driver, 1);
	CHECK(driver.told_log);
	plan_get(&plan, 1, 3, node_of_queue(NODE_QUEUE, "Bad Name"), REC_QUEUE, false);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_INVALID && driver.arg == 3);
	plan_exists(&plan, 1, 4, node_plain(NODE_ROOT), true);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_NONODE);
	struct request *multi = plan_multi(&plan, 1, 5);
	add_create(&plan, multi, node_plain(NODE_ROOT), 0, &root);
	add_create(&plan, multi, node_plain(NODE_QUEUES), 0, NULL);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_OK && driver.arg == 5);
	CHECK(driver.events[EV_WATCH] == 1 && driver.watched.kind == NODE_ROOT);
	plan_get(&plan, 1, 6, node_plain(NODE_ROOT), REC_ROOT, false);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_OK && strcmp(driver.cluster, "k3v9") == 0);
	plan_list(&plan, 1, 7, node_plain(NODE_ROOT), false);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_OK && driver.children == 1);
	plan_get(&plan, 1, 8, node_of_text(NODE_INBOX_TASK, "q", 0, "some task"), REC_TASK, false);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_NONODE && !link_failed(driver.link));
	plan_get(&plan, 1, 9, node_plain(NODE_ROOT), REC_ROOT, false);
	link_new_session(driver.link);
	carry_out(&driver, &plan);
	CHECK(driver.rc == RC_NOTSENT);
	until_connected(&driver, 2);
	CHECK(driver.events[EV_EXPIRED] == 1);
	plan_get(&plan, 1, 10, node_plain(NODE_ROOT), REC_ROOT, false);
	link_request(driver.link, &plan.effects[0].request);
	link_free(driver.link);	/* forgets what is out, and calls back for nothing */
	CHECK(driver.arg == 9);
	plan_free(&plan);
}

static const struct { const char *name; void (*run)(void); } stories[] = {
	{ "every request", every_request },
	{ "refused by ourselves", refused_by_ourselves },
	{ "closed with requests out", closed_with_requests_out },
	{ "link", link_story },
	{ "server comes back", server_comes_back },
	{ "session expires", session_expires },
	{ "credentials", credentials },
	{ "names of servers", names_of_servers },
};

int
main(int argc, char **argv)
{
	server = server_start(TICK_MS);
	for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
		double start = seconds();

		story = stories[i].name;
		if (argc > 1 && strcmp(argv[1], story) != 0)
			continue;
		stories[i].run();
		printf("%-30s %.1f s\n", story, seconds() - start);
		fflush(stdout);
	}
	server_free(server);
	return 0;
}
