/* The simulated ensemble does what ZooKeeper 3.8.0 does. tests/model compares the two. */
#include "ensemble.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that writes down what it is told. */
struct probe {
	struct client *client;
	char trace[16384];
	enum rc rc;
	struct stat stat;
	char data[256];
	int failed_op, result_count;
	struct raw_result results[16];
	char created[256];
	bool connected;
	int64_t session;
};

static struct agenda agenda;
static struct ensemble *ensemble;
static int txns;

static void __attribute__((format(printf, 2, 3)))
tell(struct probe *probe, const char *format, ...)
{
	va_list list;
	size_t len = strlen(probe->trace);

	va_start(list, format);
	vsnprintf(probe->trace + len, sizeof probe->trace - len, format, list);
	va_end(list);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
on_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	struct probe *probe = context;

	probe->rc = raw->rc;
	probe->stat = raw->stat;
	probe->failed_op = raw->failed_op;
	probe->result_count = raw->result_count;
	for (int i = 0; i < raw->result_count && i < 16; i++)
		probe->results[i] = raw->results[i];
	if (raw->data)
		snprintf(probe->data, sizeof probe->data, "%.*s", (int)raw->len, raw->data);
	if (raw->result_count && raw->results[raw->result_count - 1].created)
		snprintf(probe->created, sizeof probe->created, "%s", raw->results[raw->result_count - 1].created);
	tell(probe, "%d:%s", (int)cookie, rc_word(raw->rc));
	if (raw->children) {
		const char **names = calloc((size_t)raw->child_count + 1, sizeof *names);

		memcpy(names, raw->children, (size_t)raw->child_count * sizeof *names);
		qsort(names, (size_t)raw->child_count, sizeof *names, by_name);
		for (int i = 0; i < raw->child_count; i++)
			tell(probe, " %s", names[i]);
		free(names);
	}
	tell(probe, "; ");
}

static void
on_watch(void *context, enum watch_kind kind, const char *path)
{
	static const char *const words[] = { "created", "deleted", "changed", "children" };

	tell(context, "%s %s; ", words[kind], path);
}

static void
on_state(void *context, int state, int64_t session, int32_t timeout_ms, bool fresh)
{
	struct probe *probe = context;

	(void)timeout_ms;
	probe->connected = state == CLIENT_CONNECTED;
	if (state == CLIENT_CONNECTED)
		probe->session = session;
	tell(probe, "%s; ", state == CLIENT_DISCONNECTED ? "disconnected" : state == CLIENT_EXPIRED ? "expired" :
	    fresh ? "fresh" : "again");
}

static const struct client_callbacks callbacks = { on_reply, on_watch, on_state };

static void
on_txn(void *context, const struct txn *txn)
{
	(void)context;
	(void)txn;
	txns++;
}

static void
begin(int servers)
{
	struct ensemble_conf conf = { .servers = servers, .latency_us = 1000, .commit_us = 1000, .lag_us = 5000,
		.tick_ms = 500, .reconnect_us = 100000 };

	agenda_init(&agenda, 7);
	ensemble = ensemble_new(&conf, &agenda, on_txn, NULL);
}

static void
end(void)
{
	ensemble_free(ensemble);
	agenda_free(&agenda);
}

static void
run_ms(int64_t ms)
{
	agenda_run(&agenda, agenda.now_us + ms * 1000);
}

static void
connect_probe(struct probe *probe)
{
	memset(probe, 0, sizeof *probe);
	probe->client = client_new(ensemble, &callbacks, probe, 10000);
	while (!probe->connected)
		agenda_step(&agenda);
	run_ms(20);
	probe->trace[0] = '\0';
}

#define CREATE(p) { .kind = OP_CREATE, .path = p }
#define CREATE_DATA(p, d) { .kind = OP_CREATE, .path = p, .data = d, .len = sizeof d - 1 }
#define CREATE_SEQ(p) { .kind = OP_CREATE, .path = p, .flags = CREATE_SEQUENCE }
#define CREATE_EPH(p) { .kind = OP_CREATE, .path = p, .flags = CREATE_EPHEMERAL }
#define DELETE(p) { .kind = OP_DELETE, .path = p, .version = ANY_VERSION }
#define DELETE_AT(p, v) { .kind = OP_DELETE, .path = p, .version = v }
#define CHECK(p, v) { .kind = OP_CHECK, .path = p, .version = v }
#define SET(p, d, v) { .kind = OP_SET, .path = p, .data = d, .len = sizeof d - 1, .version = v }

#define MULTI(probe, cookie, ...) do { \
	struct raw_op ops_[] = { __VA_ARGS__ }; \
	struct raw_request request_ = { .kind = REQ_MULTI, .ops = ops_, .op_count = (int)(sizeof ops_ / sizeof *ops_) }; \
	client_send((probe)->client, cookie, &request_); \
} while (0)

static void
ask(struct probe *probe, int cookie, enum request_kind kind, const char *path, bool watch)
{
	struct raw_request request = { .kind = kind, .path = path, .watch = watch };

	client_send(probe->client, (uint64_t)cookie, &request);
}

START_TEST(multi_is_all_or_nothing)
{
	struct probe a;

	begin(1);
	connect_probe(&a);
	MULTI(&a, 1, CREATE("/m"), SET("/m", "x", 0), CHECK("/m", 1), CREATE_SEQ("/m/s-"), CREATE_SEQ("/m/s-"));
	run_ms(20);
	ck_assert_str_eq(a.trace, "1:ok; ");
	ck_assert_str_eq(a.created, "/m/s-0000000001");
	int64_t before = ensemble_zxid(ensemble);
	a.trace[0] = '\0';
	MULTI(&a, 2, CREATE("/m/x"), DELETE("/m/s-0000000000"), SET("/m", "yy", 1), CHECK("/m", 7), CREATE("/m/y"));
	run_ms(20);
	ck_assert_int_eq(a.rc, RC_BADVERSION);
	ck_assert_int_eq(a.failed_op, 3);
	ck_assert_int_eq(a.result_count, 5);
	ck_assert_int_eq(a.results[0].rc, RC_ROLLEDBACK);
	ck_assert_int_eq(a.results[3].rc, RC_BADVERSION);
	ck_assert_int_eq(a.results[4].rc, RC_ROLLEDBACK);
	ck_assert_int_eq(ensemble_zxid(ensemble), before + 1);
	a.trace[0] = '\0';
	ask(&a, 3, REQ_LIST, "/m", false);
	ask(&a, 4, REQ_GET, "/m", false);
	run_ms(20);
	ck_assert_str_eq(a.trace, "3:ok s-0000000000 s-0000000001; 4:ok; ");
	ck_assert_str_eq(a.data, "x");
	ck_assert_int_eq(a.stat.version, 1);
	ck_assert_int_eq(a.stat.children, 2);
	ck_assert_int_eq(a.stat.length, 1);
	/* The rolled-back create used no number; the ordinary create that follows does. */
	MULTI(&a, 5, CREATE("/m/plain"), DELETE("/m/s-0000000001"), CREATE_SEQ("/m/s-"));
	run_ms(20);
	ck_assert_str_eq(a.created, "/m/s-0000000003");
	end();
}
END_TEST

START_TEST(codes)
{
	struct probe a;

	begin(1);
	connect_probe(&a);
	MULTI(&a, 0, CREATE("/d"), CREATE("/d/c"), CREATE_EPH("/e"));
	MULTI(&a, 1, CREATE("/d"));
	MULTI(&a, 2, CREATE("/none/x"));
	MULTI(&a, 3, DELETE("/d"));
	MULTI(&a, 4, DELETE_AT("/d", 3));
	MULTI(&a, 5, DELETE("/none"));
	MULTI(&a, 6, SET("/none", "x", 0));
	MULTI(&a, 7, SET("/d", "x", 3));
	MULTI(&a, 8, CHECK("/none", ANY_VERSION));
	MULTI(&a, 9, CREATE("/e/child"));
	ask(&a, 10, REQ_GET, "/none", false);
	ask(&a, 11, REQ_LIST, "/none", false);
	ask(&a, 12, REQ_EXISTS, "/none", false);
	ask(&a, 13, REQ_SYNC, "/", false);
	run_ms(100);
	ck_assert_str_eq(a.trace, "0:ok; 1:node exists; 2:no node; 3:not empty; 4:bad version; 5:no node; 6:no node; "
	    "7:bad version; 8:no node; 9:refused; 10:no node; 11:no node; 12:no node; 13:ok; ");
	end();
}
END_TEST

START_TEST(stat_tells_the_history)
{
	struct probe a;

	begin(1);
	connect_probe(&a);
	MULTI(&a, 1, CREATE_DATA("/d", "one"));
	run_ms(1000);
	int64_t created = ensemble_zxid(ensemble);
	MULTI(&a, 2, SET("/d", "three", 0));
	run_ms(20);
	int64_t set = ensemble_zxid(ensemble);
	MULTI(&a, 3, CREATE("/d/a"), CREATE("/d/b"), DELETE("/d/a"));
	ask(&a, 4, REQ_EXISTS, "/d", false);
	run_ms(20);
	ck_assert_int_eq(a.stat.czxid, created);
	ck_assert_int_eq(a.stat.mzxid, set);
	ck_assert_int_eq(a.stat.pzxid, set + 1);
	ck_assert_int_eq(a.stat.version, 1);
	ck_assert_int_eq(a.stat.children, 1);
	ck_assert_int_eq(a.stat.length, 5);
	ck_assert_int_eq(a.stat.owner, 0);
	ck_assert_int_gt(a.stat.mtime_ms, a.stat.ctime_ms + 900);
	MULTI(&a, 5, CREATE_EPH("/d/e"));
	ask(&a, 6, REQ_EXISTS, "/d/e", false);
	run_ms(20);
	ck_assert_int_eq(a.stat.owner, a.session);
	end();
}
END_TEST

START_TEST(watches_fire_once_and_before_replies)
{
	struct probe a, b;

	begin(1);
	connect_probe(&a);
	connect_probe(&b);
	MULTI(&a, 1, CREATE("/d"));
	run_ms(20);
	a.trace[0] = '\0';
	ask(&b, 1, REQ_LIST, "/d", true);
	ask(&b, 2, REQ_GET, "/d", true);
	ask(&b, 3, REQ_EXISTS, "/d/x", true);
	ask(&b, 4, REQ_GET, "/d/y", true);	/* no node: leaves no watch */
	run_ms(20);
	ck_assert_str_eq(b.trace, "1:ok; 2:ok; 3:no node; 4:no node; ");
	b.trace[0] = '\0';
	MULTI(&a, 2, CREATE("/d/x"), CREATE("/d/y"), SET("/d", "1", 0), SET("/d", "2", 1));
	run_ms(20);
	ck_assert_str_eq(b.trace, "created /d/x; children /d; changed /d; ");
	b.trace[0] = '\0';
	MULTI(&a, 3, SET("/d", "3", 2), DELETE("/d/x"));
	run_ms(20);
	ck_assert_str_eq(b.trace, "");
	/* A client's own event comes before the reply of the write that caused it. */
	ask(&b, 5, REQ_GET, "/d", true);
	MULTI(&b, 6, SET("/d", "4", 3));
	run_ms(20);
	ck_assert_str_eq(b.trace, "5:ok; changed /d; 6:ok; ");
	b.trace[0] = '\0';
	/* A deletion fires watches of both kinds, once for a connection. */
	ask(&b, 7, REQ_LIST, "/d/y", true);
	ask(&b, 8, REQ_GET, "/d/y", true);
	ask(&b, 9, REQ_LIST, "/d", true);
	run_ms(20);
	b.trace[0] = '\0';
	MULTI(&a, 4, DELETE("/d/y"));
	run_ms(20);
	ck_assert_str_eq(b.trace, "deleted /d/y; children /d; ");
	end();
}
END_TEST

START_TEST(watches_survive_a_reconnect)
{
	struct probe a, b;

	begin(1);
	connect_probe(&a);
	connect_probe(&b);
	MULTI(&a, 1, CREATE("/d"), CREATE("/d/gone"), CREATE("/quiet"));
	run_ms(20);
	ask(&b, 1, REQ_LIST, "/d", true);
	ask(&b, 2, REQ_GET, "/d/gone", true);
	ask(&b, 3, REQ_EXISTS, "/later", true);
	ask(&b, 4, REQ_GET, "/quiet", true);
	run_ms(20);
	b.trace[0] = '\0';
	client_silence(b.client, agenda.now_us + 8 * SECOND_US);
	MULTI(&a, 2, DELETE("/d/gone"), CREATE("/later"));
	ask(&b, 5, REQ_GET, "/d", false);
	run_ms(9500);
	ck_assert_ptr_nonnull(strstr(b.trace, "disconnected; 5:outcome unknown; again; "));
	ck_assert_ptr_nonnull(strstr(b.trace, "children /d; "));
	ck_assert_ptr_nonnull(strstr(b.trace, "deleted /d/gone; "));
	ck_assert_ptr_nonnull(strstr(b.trace, "created /later; "));
	ck_assert_ptr_null(strstr(b.trace, "quiet"));
	b.trace[0] = '\0';
	MULTI(&a, 3, SET("/quiet", "x", 0));
	run_ms(20);
	ck_assert_str_eq(b.trace, "changed /quiet; ");
	end();
}
END_TEST

START_TEST(silent_session_expires)
{
	struct probe a, b;

	begin(1);
	connect_probe(&a);
	connect_probe(&b);
	MULTI(&b, 1, CREATE_EPH("/e"));
	run_ms(20);
	ask(&a, 1, REQ_GET, "/e", true);
	run_ms(20);
	a.trace[0] = b.trace[0] = '\0';
	int64_t first = b.session;
	client_silence(b.client, agenda.now_us + 30 * SECOND_US);
	run_ms(6000);
	ck_assert_str_eq(a.trace, "");
	run_ms(5000);
	ck_assert_str_eq(a.trace, "deleted /e; ");
	ck_assert_str_eq(b.trace, "disconnected; ");
	run_ms(25000);
	ck_assert_str_eq(b.trace, "disconnected; expired; fresh; ");
	ck_assert_int_ne(b.session, first);
	/* An expiry while connected. */
	b.trace[0] = '\0';
	ask(&b, 7, REQ_GET, "/e", true);
	client_expire(b.client);
	run_ms(1000);
	ck_assert_str_eq(b.trace, "disconnected; 7:outcome unknown; expired; fresh; ");
	b.trace[0] = '\0';
	MULTI(&b, 8, CREATE_EPH("/e"));
	run_ms(20);
	client_new_session(b.client);
	ask(&b, 9, REQ_GET, "/e", true);
	run_ms(1000);
	ck_assert_str_eq(b.trace, "8:ok; 9:outcome unknown; expired; fresh; ");
	ck_assert_ptr_null(tree_find(ensemble_tree(ensemble), "/e"));
	/* Without a connection nothing is sent. */
	b.trace[0] = '\0';
	client_cut(b.client);
	run_ms(0);
	agenda_run(&agenda, agenda.now_us + 1);
	ask(&b, 10, REQ_GET, "/e", true);
	agenda_run(&agenda, agenda.now_us + 1);
	ck_assert_str_eq(b.trace, "disconnected; 10:not sent; ");
	end();
}
END_TEST

START_TEST(a_killed_client_keeps_its_session_for_a_while)
{
	struct probe a, b;

	begin(1);
	connect_probe(&a);
	connect_probe(&b);
	MULTI(&b, 1, CREATE_EPH("/e"));
	run_ms(20);
	client_kill(b.client);
	run_ms(6000);
	ck_assert_ptr_nonnull(tree_find(ensemble_tree(ensemble), "/e"));
	run_ms(5000);
	ck_assert_ptr_null(tree_find(ensemble_tree(ensemble), "/e"));
	connect_probe(&b);
	MULTI(&b, 1, CREATE_EPH("/e"));
	run_ms(20);
	client_close(b.client);
	run_ms(20);
	ck_assert_ptr_null(tree_find(ensemble_tree(ensemble), "/e"));
	end();
}
END_TEST

/* A follower that lags answers reads from the past; sync brings it up to date; own writes are in order. */
START_TEST(followers_lag)
{
	struct probe a, b;
	int stale = 0;

	begin(3);
	ensemble_conf(ensemble)->lag_us = 50000;
	connect_probe(&a);
	MULTI(&a, 0, CREATE("/d"));
	run_ms(200);
	connect_probe(&b);
	for (int i = 1; i < 60; i++) {
		char path[32];

		a.rc = RC_UNKNOWN;
		snprintf(path, sizeof path, "/d/%d", i);
		MULTI(&a, i, CREATE(path));
		while (a.rc == RC_UNKNOWN)
			agenda_step(&agenda);
		ask(&a, i, REQ_GET, path, false);
		b.trace[0] = '\0';
		b.rc = RC_UNKNOWN;
		ask(&b, i, REQ_GET, path, false);
		while (b.rc == RC_UNKNOWN)
			agenda_step(&agenda);
		stale += b.rc == RC_NONODE;
		ask(&b, 100, REQ_SYNC, "/", false);
		ask(&b, 101, REQ_GET, path, false);
		run_ms(200);
		ck_assert_int_eq(b.rc, RC_OK);
		ck_assert_int_eq(a.rc, RC_OK);
		if (i % 10 == 0) {
			client_cut(b.client);
			client_cut(a.client);
			run_ms(500);
		}
	}
	ck_assert_int_gt(stale, 5);
	end();
}
END_TEST

/* A stalled follower: reads come from the past, writes and sync wait, the session ends meanwhile. */
START_TEST(a_stalled_follower_hides_the_end_of_a_session)
{
	struct probe a, b;

	begin(2);
	connect_probe(&a);
	for (;;) {
		connect_probe(&b);
		MULTI(&b, 1, CREATE_EPH("/e"));
		run_ms(50);
		server_stall(ensemble, 1, agenda.now_us + 60 * SECOND_US);
		run_ms(12000);
		if (!tree_find(ensemble_tree(ensemble), "/e"))
			break;
		/* It was connected to the other server. */
		client_close(b.client);
		run_ms(70000);
	}
	ck_assert(client_connected(b.client));
	b.trace[0] = '\0';
	ask(&b, 1, REQ_GET, "/e", false);
	MULTI(&b, 2, CREATE("/late"));
	ask(&b, 3, REQ_GET, "/e", false);
	run_ms(20000);
	ck_assert_str_eq(b.trace, "1:ok; ");
	run_ms(40000);
	ck_assert_str_eq(b.trace, "1:ok; disconnected; 2:outcome unknown; 3:outcome unknown; expired; fresh; ");
	ck_assert_ptr_null(tree_find(ensemble_tree(ensemble), "/late"));
	end();
}
END_TEST

/* Each request has one reply; an unknown outcome is applied before the session is connected again or never. */
START_TEST(unknown_outcomes)
{
	struct probe a;
	int applied = 0, lost = 0;
	static char paths[400][16];

	begin(1);
	connect_probe(&a);
	ensemble_conf(ensemble)->late_ppm = 500000;
	ensemble_conf(ensemble)->reconnect_us = SECOND_US;
	MULTI(&a, 0, CREATE("/d"));
	run_ms(20);
	for (int i = 0; i < 400; i++) {
		ensemble_conf(ensemble)->lose_reply_ppm = i % 2 ? 300000 : 0;
		ensemble_conf(ensemble)->lose_request_ppm = i % 2 ? 0 : 300000;
		snprintf(paths[i], sizeof paths[i], "/d/%d", i);
		a.rc = RC_NOMEM;
		MULTI(&a, i, CREATE(paths[i]));
		while (a.rc == RC_NOMEM)
			agenda_step(&agenda);
		ensemble_conf(ensemble)->lose_reply_ppm = ensemble_conf(ensemble)->lose_request_ppm = 0;
		while (!a.connected)
			agenda_step(&agenda);
		bool there = tree_find(ensemble_tree(ensemble), paths[i]);
		if (a.rc == RC_UNKNOWN) {
			applied += there;
			lost += !there;
		} else {
			ck_assert_int_eq(a.rc, RC_OK);
			ck_assert(there);
		}
		run_ms(5000);
		ck_assert_int_eq(there, tree_find(ensemble_tree(ensemble), paths[i]) != NULL);
	}
	ck_assert_int_gt(applied, 20);
	ck_assert_int_gt(lost, 20);
	ck_assert_int_eq(client_outstanding(a.client), 0);
	end();
}
END_TEST

START_TEST(an_outage_costs_no_session)
{
	struct probe a;

	begin(3);
	connect_probe(&a);
	MULTI(&a, 1, CREATE_EPH("/e"));
	run_ms(50);
	a.trace[0] = '\0';
	ensemble_outage(ensemble, agenda.now_us + 60 * SECOND_US);
	run_ms(59000);
	ck_assert_str_eq(a.trace, "disconnected; ");
	run_ms(5000);
	ck_assert_str_eq(a.trace, "disconnected; again; ");
	ck_assert_ptr_nonnull(tree_find(ensemble_tree(ensemble), "/e"));
	end();
}
END_TEST

/* The copies of all servers are the same after any history: random operations by several clients with faults. */
START_TEST(copies_agree)
{
	struct probe probes[4];

	begin(3);
	struct ensemble_conf *conf = ensemble_conf(ensemble);
	conf->lose_reply_ppm = conf->lose_request_ppm = 20000;
	conf->late_ppm = 300000;
	for (int i = 0; i < 4; i++)
		connect_probe(&probes[i]);
	for (int i = 0; i < 5000; i++) {
		struct probe *probe = &probes[rng_below(&agenda.rng, 4)];
		char path[2][32];
		struct raw_op ops[2];

		probe->trace[0] = '\0';
		for (int j = 0; j < 2; j++) {
			int depth = (int)rng_below(&agenda.rng, 2), a = (int)rng_below(&agenda.rng, 5),
			    b = (int)rng_below(&agenda.rng, 5);
			if (depth)
				snprintf(path[j], sizeof path[j], "/n%d/m%d", a, b);
			else
				snprintf(path[j], sizeof path[j], "/n%d", a);
			ops[j] = (struct raw_op){ .kind = (enum op_kind)rng_below(&agenda.rng, 4), .path = path[j],
				.version = ANY_VERSION, .flags = (int)rng_below(&agenda.rng, 4), .data = path[0], .len = 3 };
		}
		struct raw_request request = { .kind = REQ_MULTI, .ops = ops, .op_count = 1 + (int)rng_below(&agenda.rng, 2) };
		client_send(probe->client, (uint64_t)i, &request);
		ask(probe, i, (enum request_kind)(1 + rng_below(&agenda.rng, 4)), path[0], true);
		if (rng_below(&agenda.rng, 200) == 0)
			client_expire(probe->client);
		if (rng_below(&agenda.rng, 200) == 0)
			server_stall(ensemble, 1 + (int)rng_below(&agenda.rng, 2), agenda.now_us + SECOND_US);
		if (rng_below(&agenda.rng, 3) == 0)
			run_ms((int64_t)rng_below(&agenda.rng, 20));
	}
	conf->lose_reply_ppm = conf->lose_request_ppm = 0;
	run_ms(30000);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(client_outstanding(probes[i].client), 0);
	ck_assert_int_eq(ensemble_copies_differ(ensemble), 0);
	end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ensemble");
	TCase *tcase = tcase_create("ensemble");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, multi_is_all_or_nothing);
	tcase_add_test(tcase, codes);
	tcase_add_test(tcase, stat_tells_the_history);
	tcase_add_test(tcase, watches_fire_once_and_before_replies);
	tcase_add_test(tcase, watches_survive_a_reconnect);
	tcase_add_test(tcase, silent_session_expires);
	tcase_add_test(tcase, a_killed_client_keeps_its_session_for_a_while);
	tcase_add_test(tcase, followers_lag);
	tcase_add_test(tcase, a_stalled_follower_hides_the_end_of_a_session);
	tcase_add_test(tcase, unknown_outcomes);
	tcase_add_test(tcase, an_outage_costs_no_session);
	tcase_add_test(tcase, copies_agree);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
