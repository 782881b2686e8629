/* test_checks: what zkq doctor makes of facts, check by check; and how it reads four-letter words. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/facts.h"

static struct arena arena;
static struct facts facts;
static struct fact_server servers[3];
static struct fact_worker worker;
static struct fact_queue queue;
static struct fact_clock worker_clock;
static struct fact_right right;
static struct fact_folder folder;

static const char *const hosts_used[] = { "a", "a", "b" };

/* A cluster with which nothing is wrong. */
static void
setup(void)
{
	static const char *const modes[] = { "follower", "leader", "follower" };
	static const char *const names[] = { "zk1:2181", "zk2:2181", "zk3:2181" };

	for (int i = 0; i < 3; i++)
		servers[i] = (struct fact_server){ .name = names[i], .address = names[i], .connect_ms = 1, .srvr = SAID,
		    .conf = SAID,
			.mntr = SAID, .version = { 3, 9, 4 }, .mode = modes[i], .latency_avg_ms = 0.5, .outstanding = 0,
			    .tick_ms = 500,
			.sync_limit = 4, .max_connections = 0, .max_session_ms = 40000, .data_bytes = 1000,
			    .slow_syncs = 0,
			.open_files = 10, .max_files = 1000, .large_known = true, .large_ok = true };
	worker = (struct fact_worker){ "w1", "b", "1.0.0", "up", "default", 0 };
	queue = (struct fact_queue){ .name = "default", .served = true, .waiting_max = 200000 };
	worker_clock = (struct fact_clock){ "w1", 100 };
	right = (struct fact_right){ "submit to it", "/zkq/queues/default/inbox", true, false };
	folder = (struct fact_folder){ "/zkq/queues/default/inbox", 30000 };
	facts = (struct facts){ .hosts = "zk1,zk2,zk3", .root = "/zkq", .version = "1.0.0", .servers = servers,
	    .server_count = 3,
		.connected = true, .server = "zk1:2181", .asked_ms = 10000, .granted_ms = 10000, .clock_known = true,
		.clock_off_ms = 3, .clock_doubt_ms = 2, .root_state = ROOT_GOOD, .format = 1, .cluster = "x",
		    .rights = &right,
		.right_count = 1, .candidates = 2, .leader = "d1", .leader_host = "a", .candidate_age_ms = 100000,
		.hosts_used = hosts_used, .hosts_used_count = 3, .workers = &worker, .worker_count = 1,
		    .clocks = &worker_clock,
		.clock_count = 1, .queues = &queue, .queue_count = 1 };
}

static void
teardown(void)
{
	arena_free(&arena);
}

struct seen {
	int count[ZKQ_LEVEL_ERROR + 1];
	char text[16384];	/* "error leader dispatcher: nobody leads" ... one a line, without those that are ok */
};

static void
see(void *context, const struct zkq_finding *finding)
{
	static const char *const words[] = { "ok", "note", "warning", "error" };
	struct seen *seen = context;
	size_t len = strlen(seen->text);

	ck_assert_ptr_nonnull(finding->what);
	ck_assert_ptr_nonnull(finding->value);
	ck_assert(*finding->value);
	ck_assert((finding->next == NULL) == (finding->level == ZKQ_LEVEL_OK));
	seen->count[finding->level]++;
	if (finding->level != ZKQ_LEVEL_OK)
		snprintf(seen->text + len, sizeof seen->text - len, "%s %s %s: %s -> %s\n", words[finding->level],
		    finding->check, finding->what, finding->value, finding->next);
}

static const struct seen *
judge(void)
{
	static struct seen seen;

	memset(&seen, 0, sizeof seen);
	facts_judge(&facts, &arena, see, &seen);
	return &seen;
}

/* The facts lead to exactly one finding that is not ok, which begins with start and holds part. */
static void
expect(const char *start, const char *part)
{
	const struct seen *seen = judge();

	ck_assert_msg(strncmp(seen->text, start, strlen(start)) == 0, "not '%s' but '%s'", start, seen->text);
	ck_assert_msg(strstr(seen->text, part) != NULL, "no '%s' in '%s'", part, seen->text);
	ck_assert_msg(strchr(seen->text, '\n') == seen->text + strlen(seen->text) - 1, "more than one: '%s'",
	    seen->text);
}

START_TEST(nothing_wrong)
{
	const struct seen *seen = judge();

	ck_assert_str_eq(seen->text, "");
	ck_assert_int_ge(seen->count[ZKQ_LEVEL_OK], 10);
}
END_TEST

START_TEST(server)
{
	servers[2] = (struct fact_server){ .name = "zk3:2181", .why = "refused", .version = { UNKNOWN },
	    .tick_ms = UNKNOWN };
	expect("warning server zk3:2181: refused", "start it");
	setup();
	servers[2].idle = true;
	servers[2].mode = NULL;
	expect("warning server zk3:2181: up, but", "quorum");
	setup();
	servers[0].srvr = NOT_ALLOWED;
	servers[0].mode = NULL;
	expect("note server zk1:2181", "4lw.commands.whitelist=srvr,conf,mntr");
	setup();
	servers[0].srvr = NOT_SAID;
	servers[0].mode = NULL;
	expect("warning server zk1:2181: takes connections, answers nothing", "frozen, overloaded");
	expect("warning server zk1:2181", "garbage collection");
	expect("warning server zk1:2181", "TLS");
}
END_TEST

START_TEST(unreachable)
{
	for (int i = 0; i < 3; i++)
		servers[i] = (struct fact_server){ .name = "zk", .why = "refused", .version = { UNKNOWN },
		    .tick_ms = UNKNOWN };
	facts.connected = false;
	facts.root_state = ROOT_UNKNOWN;
	const struct seen *seen = judge();
	ck_assert_int_eq(seen->count[ZKQ_LEVEL_ERROR], 4);
	ck_assert_ptr_nonnull(strstr(seen->text, "error session session: none could be made"));
}
END_TEST

START_TEST(ensemble)
{
	servers[0].mode = "standalone";
	expect("error ensemble ensemble: these servers are not of one ensemble", "--zk");
	setup();
	servers[1].mode = "follower";
	expect("note ensemble ensemble: its leader is not in the list", "--zk");
	setup();
	facts.server_count = 1;
	servers[0].mode = "standalone";
	expect("note ensemble ensemble: one server alone", "three");
	servers[0].mode = "leader";
	expect("note ensemble ensemble: one server is listed", "all servers");
}
END_TEST

START_TEST(version)
{
	static const struct { int version[3]; const char *start; } rows[] = {
		{ { 3, 4, 14 }, "error version" }, { { 3, 5, 9 }, "warning version" }, { { 3, 6, 3 },
		    "warning version" },
		{ { 3, 8, 0 }, "warning version" }, { { 3, 8, 4 }, "warning version" }, { { 3, 9, 1 },
		    "warning version" },
		{ { 3, 9, 3 }, "warning version" },
	};
	static const int good[][3] = { { 3, 8, 5 }, { 3, 9, 2 }, { 3, 9, 4 }, { 4, 0, 0 } };

	facts.server_count = 1;
	servers[0].mode = "leader";
	facts.servers = &servers[0];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		memcpy(servers[0].version, rows[i].version, sizeof servers[0].version);
		ck_assert_ptr_nonnull(strstr(judge()->text, rows[i].start));
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		memcpy(servers[0].version, good[i], sizeof servers[0].version);
		ck_assert_ptr_null(strstr(judge()->text, " version "));
	}
	setup();
	servers[1].version[2] = 5;
	ck_assert_ptr_nonnull(strstr(judge()->text, "note version zk2:2181: another version than zk1:2181"));
}
END_TEST

START_TEST(session)
{
	servers[0].conf = NOT_ALLOWED;
	expect("note words zk1:2181", "4lw.commands.whitelist=srvr,conf,mntr");
	setup();
	facts.granted_ms = 4000;
	servers[0].sync_limit = 2;
	expect("warning session session time-out: 4.0 s instead of 10.0 s", "maxSessionTimeout=40000");
	facts.granted_ms = 40000;
	expect("warning session session time-out: 40.0 s instead of 10.0 s", "minSessionTimeout");
	setup();
	servers[0].sync_limit = 10;
	expect("note session syncLimit: 10 x 500 ms", "syncLimit=5");
}
END_TEST

START_TEST(connections_and_requests)
{
	servers[0].max_connections = 11;
	expect("warning connections maxClientCnxns: 11 connections from one address are allowed; one host has 2 "
	    "daemons", "maxClientCnxns=0");
	servers[0].max_connections = 12;
	ck_assert_str_eq(judge()->text, "");
	servers[1].large_ok = false;
	expect("error requests zk2:2181: refuses requests of 900000", "jute.maxbuffer");
}
END_TEST

START_TEST(load)
{
	servers[0].latency_avg_ms = 50;
	expect("note load zk1:2181: average latency 50 ms", "dataLogDir");
	servers[0].latency_avg_ms = 500;
	expect("warning load zk1:2181: average latency 500 ms", "dataLogDir");
	setup();
	servers[1].outstanding = 400;
	expect("warning load zk2:2181: 400 requests wait", "1,000");
	setup();
	servers[1].slow_syncs = 3;
	expect("warning load zk2:2181: 3 times", "disk");
	setup();
	servers[1].data_bytes = 3LL << 30;
	expect("warning load zk2:2181: the tree has 3072 MB", "purge");
	setup();
	servers[1].open_files = 900;
	expect("warning load zk2:2181: 900 of 1000", "LimitNOFILE");
}
END_TEST

START_TEST(clocks)
{
	facts.clock_off_ms = 1002;
	ck_assert_str_eq(judge()->text, "");
	facts.clock_off_ms = -61000;
	expect("warning clock clock: ours is 61.0 s behind the server's", "NTP");
	facts.clock_off_ms = 7300000;
	expect("warning clock clock: ours is 2 h ahead of the server's", "NTP");
	facts.clock_known = false;
	worker_clock.off_ms = -5000;
	expect("warning clock clock of worker w1: 5.0 s behind", "NTP");
}
END_TEST

START_TEST(root)
{
	facts.root_state = ROOT_ABSENT;
	expect("error root /zkq: there is no zkq tree", "zkq-dispatcher --zk zk1,zk2,zk3");
	facts.root_state = ROOT_DENIED;
	expect("error root /zkq: may not be read", "--auth-file");
	facts.root_state = ROOT_FOREIGN;
	expect("error root /zkq: is there, but", "--root");
	facts.root_state = ROOT_FORMAT;
	facts.format = 2;
	expect("error root /zkq: written in format 2", "version");
}
END_TEST

START_TEST(permissions)
{
	facts.open_path = "/zkq";
	expect("warning permissions /zkq: everybody", "ZKQ_AUTH");
	setup();
	right.allowed = false;
	expect("warning permissions /zkq/queues/default/inbox: we may not submit", "--auth-file");
	right.missing = true;
	expect("error permissions /zkq/queues/default/inbox: is missing: nobody can submit to it", "zkq admin fsck");
	setup();
	facts.no_write = true;
	expect("note permissions permissions:", "--no-write");
}
END_TEST

START_TEST(daemons)
{
	facts.candidates = 1;
	expect("note leader dispatcher: d1 on a leads, candidate since 100.0 s, alone", "second");
	facts.leader = NULL;
	expect("error leader dispatcher: nobody leads", "zkq-dispatcher --zk zk1,zk2,zk3");
	facts.root = "/other";
	expect("error leader dispatcher: nobody leads", "zkq-dispatcher --zk zk1,zk2,zk3 --root /other");
	setup();
	worker.state = "lost";
	worker.claims = 3;
	const struct seen *seen = judge();
	ck_assert_ptr_nonnull(strstr(seen->text, "warning workers worker w1: lost, with 3 claims"));
	ck_assert_ptr_nonnull(strstr(seen->text, "warning workers workers: none is up"));
	setup();
	worker.version = "0.9.0";
	expect("note release worker w1: zkq 0.9.0, this is 1.0.0", "upgrading");
}
END_TEST

START_TEST(queues)
{
	queue.paused = true;
	queue.paused_by = "anna";
	expect("note queues queue default: paused by anna", "zkq queue resume default");
	setup();
	queue.inbox = 3;
	queue.inbox_age_ms = 60000;
	ck_assert_str_eq(judge()->text, "");
	queue.inbox_age_ms = 300000;
	expect("warning queues queue default: 3 tasks in the inbox, the oldest for 300.0 s", "leader's log");
	setup();
	queue.waiting = 5;
	queue.served = false;
	expect("warning queues queue default: 5 tasks wait, and no worker", "--queues default");
	setup();
	queue.waiting = 190000;
	expect("warning queues queue default: 190000 of 200000", "workers");
	setup();
	queue.dead = 2;
	expect("note queues queue default: 2 dead letters", "zkq show");
}
END_TEST

START_TEST(folders_and_strangers)
{
	facts.folders = &folder;
	facts.folder_count = 1;
	expect("warning folders /zkq/queues/default/inbox: 30000 children", "zkq purge");
	setup();
	facts.strangers = 1;
	facts.stranger = "/zkq/x";
	expect("note strangers /zkq/x: is not of zkq's tree", "fsck");
}
END_TEST

START_TEST(words)
{
	struct fact_server one = { .version = { UNKNOWN } };

	facts_read_srvr(&one,
	    "Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC\nLatency min/avg/max: "
	    "0/1.25/9\n"
	    "Received: 3\nOutstanding: 7\nZxid: 0x0\nMode: standalone\nNode count: 5\n", &arena);
	ck_assert_int_eq(one.version[0], 3);
	ck_assert_int_eq(one.version[1], 8);
	ck_assert_double_eq_tol(one.latency_avg_ms, 1.25, 1e-9);
	ck_assert_int_eq(one.outstanding, 7);
	ck_assert_str_eq(one.mode, "standalone");
	ck_assert_int_eq(one.znodes, 5);
	facts_read_conf(&one, "clientPort=1\ntickTime=2000\nmaxClientCnxns=60\nsyncLimit=5\nmaxSessionTimeout=40000\n");
	ck_assert_int_eq(one.tick_ms, 2000);
	ck_assert_int_eq(one.sync_limit, 5);
	ck_assert_int_eq(one.max_connections, 60);
	facts_read_mntr(&one, "zk_version\t3.8.0\nzk_approximate_data_size\t44\nzk_fsync_threshold_exceed_count\t2\n"
	    "zk_open_file_descriptor_count\t38\nzk_max_file_descriptor_count\t20000\n");
	ck_assert_int_eq(one.data_bytes, 44);
	ck_assert_int_eq(one.slow_syncs, 2);
	ck_assert_int_eq(one.max_files, 20000);
}
END_TEST

START_TEST(nonsense)
{
	static const char *const texts[] = { "", "\n", "Mode: ", "Mode: \n", "Latency min/avg/max:",
	    "Latency min/avg/max: \n",
		"Zookeeper version: x.y.z\n", "Zookeeper version: 99999999999999.1.1", "Outstanding: -5\n",
		    "tickTime=x\n",
		"zk_approximate_data_size\t99999999999999999999999\n" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct fact_server one = { .version = { UNKNOWN }, .tick_ms = 1 };

		facts_read_srvr(&one, texts[i], &arena);
		facts_read_conf(&one, texts[i]);
		facts_read_mntr(&one, texts[i]);
		ck_assert_int_eq(one.tick_ms, UNKNOWN);
		ck_assert_int_ne(one.outstanding, -5);
	}
}
END_TEST

int
main(void)
{
	TCase *cases = tcase_create("checks");
	Suite *suite = suite_create("checks");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, nothing_wrong);
	tcase_add_test(cases, server);
	tcase_add_test(cases, unreachable);
	tcase_add_test(cases, ensemble);
	tcase_add_test(cases, version);
	tcase_add_test(cases, session);
	tcase_add_test(cases, connections_and_requests);
	tcase_add_test(cases, load);
	tcase_add_test(cases, clocks);
	tcase_add_test(cases, root);
	tcase_add_test(cases, permissions);
	tcase_add_test(cases, daemons);
	tcase_add_test(cases, queues);
	tcase_add_test(cases, folders_and_strangers);
	tcase_add_test(cases, words);
	tcase_add_test(cases, nonsense);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
