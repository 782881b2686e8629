/*
 * libzkq on a real server, without daemons: submits through a killed, hanging and restarted server are answered
 * truly; thousands of results are waited for. Skips (77) where ZooKeeper is absent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/reads.h"
#include "server.h"

#define TICK_MS 200
#define SESSION_MS 2000
#define MANY 5000

#define CHECK(condition) ((condition) ? (void)0 : fail(__FILE__, __LINE__, #condition))

static struct server *server;
static struct zkq *handle;
static const char *story = "";

static void __attribute__((noreturn))
fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "FAIL %s:%d: %s: %s\n", file, line, story, what);
	server_free(server);
	exit(1);
}

static struct zkq *
open_handle(const char *root)
{
	struct zkq_options options = { .size = sizeof options, .hosts = server_hosts(server), .root = root,
		.session_timeout_ms = SESSION_MS };
	struct zkq *opened;

	CHECK(zkq_open(&options, &opened) == ZKQ_OK);
	return opened;
}

/* ---- what a dispatcher would do ---- */

static enum rc written;

static void
take_written(void *context, const struct reply *reply)
{
	(void)context;
	written = reply->rc;
}

static void
write_all(struct reads *reads)
{
	CHECK(reads_run(handle, reads, take_written, NULL, link_now_ms() + 30000) == ZKQ_OK);
	CHECK(written == RC_OK);
}

static void
make_tree(void)
{
	static const enum node_kind plain[] = { NODE_ROOT, NODE_ELECTION, NODE_WORKERS, NODE_LOGKEYS, NODE_ASSIGN,
		NODE_QUEUES };
	static const enum node_kind folders[] = { NODE_QUEUE, NODE_CLASSES, NODE_INBOX, NODE_MOVED, NODE_RETRY_ALL,
		NODE_DONE_ALL, NODE_DEAD_ALL, NODE_HOLD_ALL, NODE_CANCEL_ALL, NODE_KEYS };
	static const enum node_kind segments[] = { NODE_SEGMENT, NODE_RETRY_SEG, NODE_DONE_SEG, NODE_DEAD_SEG };
	struct record tail = { .kind = REC_TAIL };
	struct reads reads = { .left = 0 };
	struct request *multi = plan_multi(&reads.plan, 0, 0);

	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		add_create(&reads.plan, multi, node_plain(plain[i]), 0, NULL);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		add_create(&reads.plan, multi, node_of_queue(folders[i], "default"), 0, NULL);
	add_create(&reads.plan, multi, node_of_queue(NODE_TASKS, "default"), 0, &tail);
	for (size_t i = 0; i < sizeof segments / sizeof *segments; i++)
		add_create(&reads.plan, multi, node_of_segment(segments[i], "default", 0), 0, NULL);
	write_all(&reads);
	reads_free(&reads);
}

/* Every live task of the queue. */
static struct node *live;
static int live_count, live_room;

static void
take_segment(void *context, const struct reply *reply)
{
	(void)context;
	CHECK(reply->rc == RC_OK || reply->rc == RC_NONODE);
	for (int i = 0; i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_TASK)
			continue;
		if (live_count == live_room) {
			live_room = live_room ? live_room * 2 : 1024;
			live = realloc(live, (size_t)live_room * sizeof *live);
			CHECK(live != NULL);
		}
		live[live_count++] = reply->children[i];
	}
}

static void
read_live(void)
{
	struct reads reads = { .left = 0 };

	live_count = 0;
	plan_sync(&reads.plan, 0, 0, node_plain(NODE_ROOT));
	CHECK(reads_run(handle, &reads, take_written, NULL, link_now_ms() + 30000) == ZKQ_OK);
	for (uint32_t seg = 0; seg < 40; seg++)
		plan_list(&reads.plan, 0, 0, node_of_segment(NODE_SEGMENT, "default", seg), false);
	CHECK(reads_run(handle, &reads, take_segment, NULL, link_now_ms() + 30000) == ZKQ_OK);
	reads_free(&reads);
}

static void
finish_all(void)
{
	struct reads reads = { .left = 0 };

	for (int i = 0; i < live_count; i += 100) {
		struct request *multi = plan_multi(&reads.plan, 0, 0);

		for (int k = i; k < i + 100 && k < live_count; k++) {
			struct record result = { .kind = REC_RESULT, .result = { .seg = live[k].seg, .attempt = 1,
				.outcome = { .state = STATE_FAILED, .has_exit = true, .exit_code = k % 256 } } };

			memcpy(result.result.queue, live[k].queue, sizeof result.result.queue);
			memcpy(result.result.token, live[k].task.token, sizeof result.result.token);
			add_delete(&reads.plan, multi, live[k], ANY_VERSION);
			add_create(&reads.plan, multi, node_of_token(NODE_RESULT, live[k].queue, live[k].seg, live[k].task.token), 0,
			    &result);
		}
		write_all(&reads);
	}
	reads_free(&reads);
}

/* ---- submitting ---- */

static char ids[MANY][ZKQ_ID_SIZE];
static int errors[MANY], answered, accepted;

static void
on_submit(void *context, int index, int error, const char *id, int existed, const char *text)
{
	int at = context ? *(int *)context : index;

	(void)existed;
	(void)text;
	CHECK(errors[at] == 1);
	errors[at] = error;
	snprintf(ids[at], sizeof ids[at], "%s", id);
	answered++;
	accepted += error == ZKQ_OK;
}

static const char *const argv[] = { "true", NULL };
static const struct zkq_task one = { .size = sizeof one, .argv = argv, .priority = -1, .kill_grace_ms = -1 };
static int indexes[MANY];

/* MANY tasks, as one batch or each by itself; at the given share of answers something happens to the server. */
static void
submit_many(bool batch, void (*fault)(struct server *), void (*repair)(struct server *))
{
	int64_t deadline = link_now_ms() + 120000, repair_ms = 0;
	bool faulted = false;

	answered = accepted = 0;
	for (int i = 0; i < MANY; i++)
		errors[i] = 1;
	if (batch) {
		struct zkq_task *tasks = calloc(MANY, sizeof *tasks);

		CHECK(tasks != NULL);
		for (int i = 0; i < MANY; i++)
			tasks[i] = one;
		CHECK(zkq_submit(handle, NULL, tasks, MANY, on_submit, NULL, NULL) == ZKQ_OK);
		free(tasks);
	}
	for (int i = 0; i < MANY && !batch; i++) {
		indexes[i] = i;
		CHECK(zkq_submit(handle, NULL, &one, 1, on_submit, &indexes[i], NULL) == ZKQ_OK);
	}
	while (answered < MANY) {
		CHECK(link_now_ms() < deadline);
		handle_turn(handle, link_now_ms() + 20, NULL, 0);
		if (fault && !faulted && answered > MANY / 3) {
			fault(server);
			faulted = true;
			repair_ms = link_now_ms() + 500;
		} else if (repair_ms && link_now_ms() >= repair_ms) {
			repair(server);
			repair_ms = 0;
		}
	}
	CHECK(!fault || faulted);
}

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Every accepted id is a live task, once; no task is there that was not accepted. */
static void
check_live(int before)
{
	static char there[2 * MANY][ZKQ_ID_SIZE];
	int n = 0;

	read_live();
	CHECK(live_count == before + accepted);
	for (int i = 0; i < live_count; i++) {
		struct task_id id = { .seg = live[i].seg };

		memcpy(id.queue, live[i].queue, sizeof id.queue);
		memcpy(id.token, live[i].task.token, sizeof id.token);
		id_write(&id, there[n++]);
	}
	qsort(there, (size_t)n, sizeof *there, compare_ids);
	for (int i = 1; i < n; i++)
		CHECK(strcmp(there[i - 1], there[i]));
	for (int i = 0; i < MANY; i++)
		CHECK(errors[i] != ZKQ_OK || bsearch(ids[i], there, (size_t)n, sizeof *there, compare_ids));
}

/* ---- waiting ---- */

static int results;

static void
on_result(void *context, int index, int error, const struct zkq_info *info)
{
	(void)context;
	(void)index;
	CHECK(error == ZKQ_OK);
	CHECK(!strcmp(info->state, "failed"));
	results++;
}

static void
wait_for_all(void)
{
	static const char *list[MANY];
	int64_t deadline = link_now_ms() + 60000;

	for (int i = 0; i < MANY; i++)
		list[i] = ids[i];
	results = 0;
	CHECK(zkq_wait(handle, list, MANY, on_result, NULL) == ZKQ_OK);
	zkq_dispatch(handle);
	finish_all();
	while (results < MANY) {
		CHECK(link_now_ms() < deadline);
		handle_turn(handle, deadline, NULL, 0);
	}
}

/* ---- stories ---- */

static void
requested(void *context, int index, int error, const struct zkq_info *info)
{
	(void)index;
	(void)info;
	*(int *)context = error;
}

/* ---- how the cluster is, and rescue ---- */

static struct zkq_ping_info pinged;
static int pings, pings_done, done_error;

static int
stop_at_once(void *context, const struct zkq_purge_progress *progress)
{
	*(int64_t *)context = progress->deleted;
	return 1;
}

static void
take_ping(void *context, const struct zkq_ping_info *info)
{
	(void)context;
	pings++;
	pinged = *info;
	CHECK(info->server && strstr(info->server, ":"));
	/* What blocks is not for callbacks. */
	CHECK(zkq_ping_wait(handle, 1000, take_ping, NULL) == ZKQ_EINVAL);
	CHECK(zkq_purge_wait(handle, "/x", NULL, 1000, NULL, NULL) == ZKQ_EINVAL);
}

static void
ping_done(void *context, int error, int total)
{
	(void)context;
	done_error = error;
	pings_done += error == ZKQ_OK ? total : 1;
}

/* Two at once, as a program with a loop of its own asks. */
static void
ping_twice(void)
{
	pings = pings_done = 0;
	CHECK(zkq_ping(handle, NULL, ping_done, NULL) == ZKQ_EINVAL);
	CHECK(zkq_ping(handle, take_ping, ping_done, NULL) == ZKQ_OK);
	CHECK(zkq_ping(handle, take_ping, ping_done, NULL) == ZKQ_OK);
	while (pings_done < 2)
		handle_turn(handle, link_now_ms() + 30000, NULL, 0);
	CHECK(pings == 2 && done_error == ZKQ_OK);
	CHECK(pinged.session_timeout_ms == SESSION_MS && pinged.round_trip_ms > 0 && !pinged.leader);
}

static void
check_purge(void)
{
	int64_t deleted = -1;

	CHECK(zkq_purge_check(handle, "/zkq/queues") == ZKQ_EEXIST);
	CHECK(zkq_purge_check(handle, "/zkqueue") == ZKQ_OK);
	CHECK(zkq_purge_check(handle, "/") == ZKQ_EINVAL && zkq_purge_check(handle, NULL) == ZKQ_EINVAL);
	CHECK(zkq_purge_check(handle, "/zookeeper/config") == ZKQ_EINVAL && zkq_purge_check(handle, "x") == ZKQ_EINVAL);
	CHECK(zkq_purge_check(handle, "/a//b") == ZKQ_EINVAL && zkq_purge_check(handle, "/a/") == ZKQ_EINVAL);
	CHECK(zkq_purge_wait(handle, "/nowhere", NULL, 10000, NULL, NULL) == ZKQ_ENOENT);
	CHECK(zkq_purge_wait(handle, "/zkq", NULL, 10000, NULL, NULL) == ZKQ_EEXIST);
	/* Told to stop at the first word, which comes before much is gone. */
	struct zkq_purge_options options = { .size = sizeof options, .force = 1, .recursive = 1, .rate = 1 };
	CHECK(zkq_purge_wait(handle, "/zkq/queues/default/done", &options, 10000, stop_at_once, &deleted) == ZKQ_ECANCELLED);
	CHECK(deleted >= 0 && deleted < MANY);
}

int
main(void)
{
	char id[ZKQ_ID_SIZE];
	const char *which = id;
	int error = 0;

	server = server_start(TICK_MS);
	handle = open_handle(NULL);
	story = "no tree";
	CHECK(zkq_submit_wait(handle, NULL, &one, 10000, id) == ZKQ_ENOTREE);
	ping_twice();
	CHECK(!pinged.tree);
	story = "one task";
	make_tree();
	CHECK(zkq_submit_wait(handle, NULL, &one, 10000, id) == ZKQ_OK);
	CHECK(zkq_submit_wait(handle, "nosuch", &one, 10000, id) == ZKQ_ENOQUEUE);
	read_live();
	CHECK(live_count == 1);
	story = "a batch";
	int64_t begun = link_now_ms();
	submit_many(true, NULL, NULL);
	printf("%d tasks as a batch: %lld ms\n", MANY, (long long)(link_now_ms() - begun));
	check_live(1);
	finish_all();
	story = "one by one";
	begun = link_now_ms();
	submit_many(false, NULL, NULL);
	printf("%d tasks one by one: %lld ms\n", MANY, (long long)(link_now_ms() - begun));
	check_live(0);
	story = "cancel without a dispatcher";
	which = ids[0];
	CHECK(zkq_cancel_wait(handle, &which, 1, "no more", 500, requested, &error) == ZKQ_OK);
	CHECK(error == ZKQ_ETIMEOUT);
	story = "wait for all";
	begun = link_now_ms();
	wait_for_all();
	printf("%d results: %lld ms\n", MANY, (long long)(link_now_ms() - begun));
	CHECK(zkq_cancel_wait(handle, &which, 1, NULL, 10000, requested, &error) == ZKQ_OK);
	CHECK(error == ZKQ_EENDED);
	story = "ping and purge";
	ping_twice();
	CHECK(pinged.tree);
	check_purge();
	story = "the server is killed and comes back";
	submit_many(false, server_kill, server_restart);
	CHECK(accepted == MANY);
	check_live(0);
	read_live();
	finish_all();
	submit_many(true, server_kill, server_restart);
	CHECK(accepted == MANY);
	check_live(0);
	read_live();
	finish_all();
	story = "the server hangs";
	server_pause(server);
	CHECK(zkq_submit_wait(handle, NULL, &one, 300, id) == ZKQ_EUNKNOWN);
	CHECK(!strncmp(id, "default.", 8));
	struct zkq *late = open_handle(NULL);
	CHECK(zkq_submit_wait(late, NULL, &one, 300, id) == ZKQ_EUNREACHABLE);
	server_resume(server);
	zkq_close(late);
	story = "afterwards";
	CHECK(zkq_connect_wait(handle, 30000) == ZKQ_OK);
	CHECK(zkq_submit_wait(handle, NULL, &one, 30000, id) == ZKQ_OK);
	zkq_close(handle);
	server_free(server);
	free(live);
	return 0;
}
