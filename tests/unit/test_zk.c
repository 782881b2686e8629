/*
 * The life of a handle (zk/zk.c) over a client library that this test plays: whatever that does or leaves
 * undone, each request is answered once, and the owner is told in order.
 */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "zk/request.h"
#include "zk/resolve.h"
#include "zk/session.h"
#include "zk/zk.h"

#define SESSION_MS 100
#define OUT_MAX 4096

/* ---- the library, as played ---- */

struct session {
	struct mailbox *box;
	uint64_t generation;
};

static struct session *session;		/* the open one */
static struct flight *out[OUT_MAX];	/* what the library knows, in order */
static int out_count, opened, closed;
static bool believes_connected;
static enum sent next_sent = SENT_YES;

struct flight *
flight_new(void)
{
	return calloc(1, sizeof(struct flight));
}

void
flight_free(struct flight *flight)
{
	if (flight)
		free(flight->queued);
	free(flight);
}

struct session *
session_open(const char *servers, int timeout_ms, const char *auth, struct mailbox *box, uint64_t generation)
{
	(void)timeout_ms;
	(void)auth;
	ck_assert_ptr_null(session);
	ck_assert_str_eq(servers, "127.0.0.1:2181");
	session = calloc(1, sizeof *session);
	session->box = box;
	session->generation = generation;
	opened++;
	return session;
}

/* As the real one does, it loses what it has not answered. */
void
session_close(struct session *old)
{
	if (!old)
		return;
	ck_assert_ptr_eq(old, session);
	free(session);
	session = NULL;
	out_count = 0;
	believes_connected = false;
	closed++;
}

enum sent
session_send(struct session *to, struct flight *flight, const struct raw_request *raw)
{
	enum sent sent = next_sent;

	(void)raw;
	ck_assert_ptr_eq(to, session);
	ck_assert_int_lt(out_count, OUT_MAX);
	flight->post.kind = POST_REPLY;
	flight->post.generation = to->generation;
	next_sent = SENT_YES;
	if (sent == SENT_YES || sent == SENT_BROKEN)
		out[out_count++] = flight;
	return sent;
}

void
session_authenticate(struct session *which)
{
	(void)which;
}

bool
session_believes_connected(struct session *which)
{
	(void)which;
	return believes_connected;
}

bool
session_local_address(struct session *which, char *buffer, size_t size)
{
	(void)which;
	(void)buffer;
	(void)size;
	return false;
}

bool
session_server(struct session *which, char *buffer, size_t size)
{
	return session_local_address(which, buffer, size);
}

void
session_set_log(void (*sink)(const char *line))
{
	(void)sink;
}

static void
say_state(enum session_state state, int64_t session_id)
{
	struct state_post *post = calloc(1, sizeof *post);

	post->post.kind = POST_STATE;
	post->post.generation = session->generation;
	post->state = state;
	post->session_id = session_id;
	post->timeout_ms = SESSION_MS;
	mailbox_post(session->box, &post->post.message);
}

static void
say_watch(const char *path)
{
	struct watch_post *post = calloc(1, sizeof *post + strlen(path) + 1);

	post->post.kind = POST_WATCH;
	post->post.generation = session->generation;
	strcpy(post->path, path);
	mailbox_post(session->box, &post->post.message);
}

/* Answers the oldest request. */
static void
answer(enum rc rc)
{
	struct flight *flight = out[0];

	ck_assert_int_gt(out_count, 0);
	memmove(out, out + 1, (size_t)--out_count * sizeof out[0]);
	flight->rc = rc;
	mailbox_post(session->box, &flight->post.message);
}

/* ---- the owner ---- */

static struct zk *zk;
static char trace[65536];
static int sent, answered;
static bool send_again;		/* from within each callback of a reply, once */

static void
note(const char *text)
{
	ck_assert_uint_lt(strlen(trace) + strlen(text) + 1, sizeof trace);
	strcat(trace, text);
}

static void
send_get(void)
{
	struct raw_request raw = { .kind = REQ_GET, .path = "/x" };

	zk_send(zk, (uint64_t)sent++, &raw);
}

static void
on_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	static const char letters[RCS] = { [RC_OK] = 'o', [RC_UNKNOWN] = 'u', [RC_NOTSENT] = 'n', [RC_INVALID] = 'i',
		[RC_NONODE] = 'x' };
	char text[2] = { letters[raw->rc], '\0' };

	(void)context;
	(void)cookie;
	answered++;
	note(text);
	if (send_again) {
		send_again = false;
		send_get();
	}
}

static void
on_watch(void *context, enum watch_kind kind, const char *path)
{
	(void)context;
	(void)kind;
	note("w");
	note(path);
}

static void
on_state(void *context, enum zk_state state, int64_t session_id, int32_t timeout_ms, bool fresh, const char *detail)
{
	(void)context;
	(void)session_id;
	(void)timeout_ms;
	(void)detail;
	note(state == ZK_CONNECTED ? fresh ? "C" : "c" : state == ZK_DISCONNECTED ? "D" : state == ZK_EXPIRED ? "E" :
	    state == ZK_AUTH_FAILED ? "A" : "U");
}

static const struct zk_callbacks callbacks = { on_reply, on_watch, on_state };

/* Dispatches until nothing is due at once. */
static void
settle(void)
{
	struct pollfd fd = { .fd = zk_fd(zk), .events = POLLIN };

	do
		zk_dispatch(zk);
	while (zk_timeout(zk) == 0 || poll(&fd, 1, 0) == 1);
}

/* Waits for what the handle wants to do by itself. */
static void
wait_for(int count, const int *what)
{
	struct pollfd fd = { .fd = zk_fd(zk), .events = POLLIN };

	for (int turns = 0; *what < count; turns++) {
		int timeout = zk_timeout(zk);

		ck_assert_int_lt(turns, 1000);
		int ready = poll(&fd, 1, timeout < 0 ? 1000 : timeout);
		ck_assert(timeout >= 0 || ready == 1);
		zk_dispatch(zk);
	}
}

static void
begin(void)
{
	struct zk_conf conf = { .hosts = "127.0.0.1", .session_timeout_ms = SESSION_MS, .seed = 7 };

	trace[0] = '\0';
	zk = zk_new(&conf, &callbacks, NULL);
	settle();
	ck_assert_int_eq(opened, 1);
	say_state(SESSION_CONNECTED, 1);
	settle();
	ck_assert_str_eq(trace, "C");
	trace[0] = '\0';
}

static void
expect(const char *want)
{
	settle();
	ck_assert_str_eq(trace, want);
	trace[0] = '\0';
}

static void
end(const char *want)
{
	zk_free(zk);
	ck_assert_str_eq(trace, want);
	ck_assert_int_eq(answered, sent);
	ck_assert_ptr_null(session);
}

/* ---- stories ---- */

START_TEST(loss_and_return)
{
	begin();
	for (int i = 0; i < 3; i++)
		send_get();
	expect("");
	answer(RC_OK);
	answer(RC_NONODE);
	say_watch("/x");
	expect("oxw/x");
	say_state(SESSION_DISCONNECTED, 0);
	answer(RC_UNKNOWN);
	expect("Du");
	send_get();
	ck_assert_str_eq(trace, "");	/* never from within zk_send() */
	expect("n");
	say_state(SESSION_CONNECTED, 1);
	expect("c");
	end("");
}
END_TEST

/* The library does not always say that it lost the connection: only that it is connected again. */
START_TEST(unannounced_loss)
{
	begin();
	say_state(SESSION_CONNECTED, 1);
	expect("Dc");
	send_get();
	answer(RC_UNKNOWN);	/* answers for what was lost before it tells of the loss */
	say_state(SESSION_CONNECTED, 1);
	expect("Duc");
	end("");
}
END_TEST

START_TEST(expiry)
{
	begin();
	for (int i = 0; i < 3; i++)
		send_get();
	say_state(SESSION_DISCONNECTED, 0);
	say_state(SESSION_EXPIRED, 0);
	answer(RC_UNKNOWN);	/* and never answers for the others */
	say_watch("/late");
	expect("DuuuE");
	ck_assert_int_eq(closed, 1);
	wait_for(2, &opened);
	say_state(SESSION_CONNECTED, 2);
	expect("C");
	end("");
}
END_TEST

START_TEST(replies_that_came_before_the_end_count)
{
	begin();
	for (int i = 0; i < 3; i++)
		send_get();
	say_state(SESSION_EXPIRED, 0);
	answer(RC_OK);
	expect("ouuE");
	end("");
}
END_TEST

START_TEST(new_session_on_order)
{
	begin();
	send_get();
	zk_new_session(zk);
	zk_new_session(zk);
	send_get();
	ck_assert(!zk_connected(zk) && trace[0] == '\0');
	expect("nuE");
	ck_assert_int_eq(closed, 1);
	zk_new_session(zk);	/* there is none: nothing to do */
	expect("");
	wait_for(2, &opened);
	end("");
}
END_TEST

START_TEST(credential_refused)
{
	begin();
	send_get();
	say_state(SESSION_AUTH_FAILED, 0);
	expect("uEA");
	ck_assert_int_ge(zk_timeout(zk), 4000);	/* slowly */
	end("");
}
END_TEST

/* Neither answered nor lost: the library forgot it. */
START_TEST(a_request_that_is_never_answered)
{
	begin();
	send_get();
	settle();
	ck_assert_int_gt(zk_timeout(zk), 0);
	ck_assert_int_le(zk_timeout(zk), 2 * SESSION_MS);
	wait_for(1, &closed);
	expect("uE");
	wait_for(2, &opened);
	end("");
}
END_TEST

/* The library says that it is connected but never told us. */
START_TEST(a_connection_that_is_never_announced)
{
	begin();
	say_state(SESSION_DISCONNECTED, 0);
	expect("D");
	believes_connected = true;
	wait_for(1, &closed);
	expect("E");
	end("");
}
END_TEST

START_TEST(half_sent)
{
	begin();
	next_sent = SENT_BROKEN;
	send_get();
	expect("uE");
	wait_for(2, &opened);
	say_state(SESSION_CONNECTED, 2);
	expect("C");
	next_sent = SENT_NO;
	send_get();
	expect("n");
	next_sent = SENT_NOMEM;
	send_get();
	expect("n");
	end("");
}
END_TEST

START_TEST(lost_message)
{
	begin();
	send_get();
	mailbox_lose(session->box);
	expect("uE");
	end("");
}
END_TEST

START_TEST(the_window)
{
	begin();
	for (int i = 0; i < REQUESTS_IN_FLIGHT_MAX + 3; i++)
		send_get();
	ck_assert_int_eq(out_count, REQUESTS_IN_FLIGHT_MAX);
	answer(RC_OK);
	expect("o");
	ck_assert_int_eq(out_count, REQUESTS_IN_FLIGHT_MAX);	/* the next one went out */
	say_state(SESSION_DISCONNECTED, 0);
	expect("Dnn");
	say_state(SESSION_CONNECTED, 1);
	expect("c");
	/* big ones: by bytes, but one always */
	while (out_count) {
		answer(RC_OK);
		settle();
	}
	trace[0] = '\0';
	static char big[800000];
	struct raw_op op = { .kind = OP_SET, .path = "/x", .data = big, .len = sizeof big };
	for (int i = 0; i < 20; i++)
		zk_send(zk, (uint64_t)sent++, &(struct raw_request){ .kind = REQ_MULTI, .ops = &op, .op_count = 1 });
	ck_assert_int_eq(out_count, 10);
	for (int i = 0; i < 20; i++) {
		answer(RC_OK);
		settle();
	}
	end("oooooooooooooooooooo");
}
END_TEST

START_TEST(a_bounded_turn)
{
	begin();
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 500; i++)
			send_get();
		for (int i = 0; i < 500; i++)
			answer(RC_OK);
		if (round == 0)
			for (int i = 0; i < 500; i++)
				say_watch("/x");
		int before = answered;
		zk_dispatch(zk);
		ck_assert_int_le(answered - before, ZK_DISPATCH_MAX);
		ck_assert(round || zk_timeout(zk) == 0);
		settle();
	}
	ck_assert_int_eq(answered, 1000);
	trace[0] = '\0';
	end("");
}
END_TEST

START_TEST(freed_with_requests)
{
	begin();
	for (int i = 0; i < REQUESTS_IN_FLIGHT_MAX + 2; i++)
		send_get();
	answer(RC_OK);
	trace[0] = '\0';
	zk_free(zk);
	ck_assert_int_eq(answered, sent);
	ck_assert_uint_eq(strlen(trace), (size_t)sent);
	ck_assert_uint_eq(strspn(trace, "o"), 1);
	ck_assert_uint_eq(strspn(trace + 1, "u"), REQUESTS_IN_FLIGHT_MAX - 1);
	ck_assert_str_eq(trace + REQUESTS_IN_FLIGHT_MAX, "nn");
}
END_TEST

START_TEST(sent_from_callbacks)
{
	begin();
	send_get();
	answer(RC_OK);
	send_again = true;
	expect("o");
	ck_assert_int_eq(out_count, 1);
	send_again = true;
	zk_new_session(zk);
	expect("uEn");
	end("");
}
END_TEST

/* ---- names of servers, sizes of requests ---- */

static void
resolves(const char *hosts, const char *want)
{
	const char *why;
	char *servers = resolve_hosts(hosts, &why);

	ck_assert_pstr_eq(servers, want);
	if (want)
		ck_assert(resolve_is_literal(hosts));
	free(servers);
}

START_TEST(literals)
{
	resolves("127.0.0.1", "127.0.0.1:2181");
	resolves("127.0.0.1:1,127.0.0.2:2", "127.0.0.1:1,127.0.0.2:2,127.0.0.1:1");
	resolves("127.0.0.1:1,127.0.0.1:1", "127.0.0.1:1");
	resolves("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1", "10.0.0.1:1,10.0.0.2:1,10.0.0.3:1");
	resolves("[::1]:5", "::1:5");
	resolves("[::1]", "::1:2181");
	resolves("::1:5", "::1:5");
	resolves("fe80::abcd", "fe80::abcd:2181");
	resolves("", NULL);
	ck_assert(!resolve_is_literal("localhost") && !resolve_is_literal("127.0.0.1,a:1"));
	ck_assert(resolve_same("a:1,b:2,a:1", "b:2,a:1") && !resolve_same("a:1", "a:1,b:2") && !resolve_same("a:1", "a:12"));
}
END_TEST

START_TEST(requests_measured_and_copied)
{
	static char big[REQUEST_BYTES_MAX];
	struct raw_op ops[] = { { .kind = OP_CREATE, .path = "/a", .data = "x\0y", .len = 3, .flags = 3, .acl = NODE_TASK },
		{ .kind = OP_CHECK, .path = "/b", .version = 4 } };
	struct raw_request raw = { .kind = REQ_MULTI, .ops = ops, .op_count = 2 };

	ck_assert_uint_gt(request_bytes(&raw), 7);
	struct raw_request *copy = request_copy(&raw);
	ck_assert(copy->ops != ops && copy->ops[0].data != ops[0].data && memcmp(copy->ops[0].data, "x\0y", 4) == 0);
	ck_assert(copy->ops[0].flags == 3 && copy->ops[0].acl == NODE_TASK && copy->ops[1].version == 4);
	ck_assert_str_eq(copy->ops[1].path, "/b");
	free(copy);
	ops[1].path = "/b/";
	ck_assert_uint_eq(request_bytes(&raw), 0);
	ops[1].path = NULL;
	ck_assert_uint_eq(request_bytes(&raw), 0);
	ops[1] = (struct raw_op){ .kind = OP_SET, .path = "/b", .data = big, .len = sizeof big };
	ck_assert_uint_eq(request_bytes(&raw), 0);
	ops[1].len -= 1000;
	ck_assert_uint_gt(request_bytes(&raw), sizeof big - 1000);
	ops[1].data = NULL;
	ck_assert_uint_eq(request_bytes(&raw), 0);
}
END_TEST

static void
setup(void)
{
	out_count = opened = closed = sent = answered = 0;
	believes_connected = send_again = false;
	next_sent = SENT_YES;
}

int
main(void)
{
	Suite *suite = suite_create("zk");
	TCase *cases = tcase_create("zk");

	tcase_add_checked_fixture(cases, setup, NULL);
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, loss_and_return);
	tcase_add_test(cases, unannounced_loss);
	tcase_add_test(cases, expiry);
	tcase_add_test(cases, replies_that_came_before_the_end_count);
	tcase_add_test(cases, new_session_on_order);
	tcase_add_test(cases, credential_refused);
	tcase_add_test(cases, a_request_that_is_never_answered);
	tcase_add_test(cases, a_connection_that_is_never_announced);
	tcase_add_test(cases, half_sent);
	tcase_add_test(cases, lost_message);
	tcase_add_test(cases, the_window);
	tcase_add_test(cases, a_bounded_turn);
	tcase_add_test(cases, freed_with_requests);
	tcase_add_test(cases, sent_from_callbacks);
	tcase_add_test(cases, literals);
	tcase_add_test(cases, requests_measured_and_copied);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
