/* The dispatcher's step function on a simulated ensemble, with workers and users played by hand. */
#include <check.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/path.h"
#include "codec/wire.h"
#include "core/dispatcher.h"
#include "ensemble.h"

#define ROOT "/zkq"
#define QUEUE ROOT "/queues/default"

static struct agenda agenda;
static struct ensemble *ensemble;
static char notes[1 << 16];

/* ---- memory that runs out ---- */

static long allocations, fail_at;	/* the fail_at-th one fails; 0 = none */
static bool in_core;			/* everybody else has enough */
static jmp_buf ran_out;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool
fails(void)
{
	return in_core && ++allocations == fail_at;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

/* ---- a driver ---- */

static struct arena reply_arena;	/* of the reply at hand; here, as a step may be left by longjmp() */
static struct driver *drivers;	/* all of a test, the killed ones too: freed at its end */

struct driver {
	struct driver *next;
	struct dispatcher *dispatcher;
	struct client *client;
	struct plan plan;
	struct wire_pending *pending;	/* by cookie */
	uint64_t sent;
	int sessions;
	int64_t wake_ms;
	bool exited;
	char name[8];
	bool probing;		/* an FX_PROBE is to be answered */
	uint64_t probe_arg;
	int probes;
};

/* What the machine is taken to say of every process that is probed. */
static bool process_dead;

static int64_t
now_ms(void)
{
	return agenda.now_us / 1000;
}

static void step(struct driver *driver, struct event *event);

static void
tick(void *context, void *object, uint64_t arg)
{
	struct driver *driver = context;
	struct event event = { .kind = EV_TICK };

	(void)object;
	if (driver->dispatcher && (int64_t)arg == driver->wake_ms)
		step(driver, &event);
}

static void
carry_out(struct driver *driver, const struct request *request)
{
	struct arena arena = { 0 };
	struct raw_request raw;

	if ((driver->sent & (driver->sent - 1)) == 0)	/* a power of two, or none: full */
		driver->pending = realloc(driver->pending, (driver->sent ? driver->sent * 2 : 1) * sizeof *driver->pending);
	wire_pending(request, now_ms(), &driver->pending[driver->sent]);
	struct node *node = &driver->pending[driver->sent].node;
	if (node->text)
		node->text = strdup(node->text);
	enum rc rc = wire_request(&arena, ROOT, request, &raw);
	ck_assert_msg(rc == RC_OK, "a request could not be spelled: %s", rc_word(rc));
	client_send(driver->client, driver->sent++, &raw);
	arena_free(&arena);
}

static void
step(struct driver *driver, struct event *event)
{
	event->now_ms = now_ms();
	event->wall_ms = now_ms();
	plan_reset(&driver->plan);
	in_core = true;
	dispatcher_step(driver->dispatcher, event, &driver->plan);
	in_core = false;
	if (driver->plan.failed && fail_at)
		longjmp(ran_out, 1);
	ck_assert(!driver->plan.failed);
	for (int i = 0; i < driver->plan.count; i++) {
		const struct effect *effect = &driver->plan.effects[i];

		if (effect->kind == FX_REQUEST)
			carry_out(driver, &effect->request);
		else if (effect->kind == FX_EXIT)
			driver->exited = true;
		else if (effect->kind == FX_PROBE) {
			driver->probing = true;
			driver->probe_arg = effect->probe.arg;
			driver->probes++;
		}
		else if (effect->kind == FX_NOTE) {
			size_t len = strlen(notes);

			snprintf(notes + len, sizeof notes - len, "%s %s\n", driver->name, effect->note.text);
			if (getenv("ZKQ_TRACE"))
				printf("%6lld %s %s\n", (long long)now_ms(), driver->name, effect->note.text);
		}
	}
	driver->wake_ms = driver->plan.wake_ms;
	if (driver->wake_ms != NEVER)
		agenda_at(&agenda, driver->wake_ms * 1000, tick, driver, NULL, (uint64_t)driver->wake_ms);
	if (driver->probing) {
		struct event probed = { .kind = EV_PROBED };

		driver->probing = false;
		probed.probed.arg = driver->probe_arg;
		probed.probed.dead = process_dead;
		step(driver, &probed);
	}
}

static void
on_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	struct driver *driver = context;
	struct event event = { .kind = EV_REPLY };

	if (!driver->dispatcher)
		return;
	arena_reset(&reply_arena);
	wire_reply(&reply_arena, ROOT, &driver->pending[cookie], raw, now_ms(), &event.reply);
	step(driver, &event);
}

static void
on_watch(void *context, enum watch_kind kind, const char *path)
{
	struct driver *driver = context;
	struct event event = { .kind = EV_WATCH };

	event.watch.kind = kind;
	if (driver->dispatcher && path_parse(ROOT, path, &event.watch.node))
		step(driver, &event);
}

static void
on_state(void *context, int state, int64_t session_id, int32_t timeout_ms, bool fresh)
{
	static const enum event_kind kinds[] = { EV_CONNECTED, EV_DISCONNECTED, EV_EXPIRED };
	struct driver *driver = context;
	struct event event = { .kind = kinds[state] };

	if (!driver->dispatcher)
		return;
	event.session.id = session_id;
	event.session.timeout_ms = timeout_ms;
	event.session.fresh = fresh;
	if (fresh)
		snprintf(event.session.uuid, sizeof event.session.uuid, "%08x%08x%016x", (unsigned)driver->sessions++,
		    (unsigned)driver->name[1], 7u);
	step(driver, &event);
}

static const struct client_callbacks driver_callbacks = { on_reply, on_watch, on_state };

static struct driver *
driver_on(const char *name, const char *boot)
{
	struct driver *driver = calloc(1, sizeof *driver);
	struct dispatcher_conf conf = { .name = name, .host = "h", .pid = name[1], .boot = boot, .start = 1000, .seed = 5 };

	strcpy(driver->name, name);
	driver->dispatcher = dispatcher_new(&conf);
	driver->client = client_new(ensemble, &driver_callbacks, driver, 2000);
	driver->next = drivers;
	drivers = driver;
	return driver;
}

static struct driver *
driver_new(const char *name)
{
	return driver_on(name, "b1");
}

static void
driver_kill(struct driver *driver)
{
	client_kill(driver->client);
	dispatcher_free(driver->dispatcher);
	plan_free(&driver->plan);
	driver->dispatcher = NULL;
}

/* ---- a hand that writes and reads znodes by path ---- */

static struct client *hand;
static bool hand_up;
static enum rc hand_rc;
static int hand_failed_op;
static int replies;

static void
hand_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	(void)context;
	(void)cookie;
	hand_rc = raw->rc;
	hand_failed_op = raw->failed_op;
	replies++;
}

static void
hand_watch(void *context, enum watch_kind kind, const char *path)
{
	(void)context;
	(void)kind;
	(void)path;
}

static void
hand_state(void *context, int state, int64_t session_id, int32_t timeout_ms, bool fresh)
{
	(void)context;
	(void)session_id;
	(void)timeout_ms;
	(void)fresh;
	hand_up = state == CLIENT_CONNECTED;
}

static const struct client_callbacks hand_callbacks = { hand_reply, hand_watch, hand_state };

static void
run_ms(int64_t ms)
{
	agenda_run(&agenda, agenda.now_us + ms * 1000);
}

/* Ops of one multi, collected by op(). */
static struct raw_op ops[300];
static int op_count;

static void __attribute__((format(printf, 4, 5)))
op(enum op_kind kind, int flags, const char *data, const char *format, ...)
{
	static char paths[300][512], datas[300][1024];
	va_list list;
	struct raw_op *raw = &ops[op_count];

	va_start(list, format);
	vsnprintf(paths[op_count], sizeof paths[0], format, list);
	va_end(list);
	snprintf(datas[op_count], sizeof datas[0], "%s", data ? data : "");
	*raw = (struct raw_op){ .kind = kind, .path = paths[op_count], .data = datas[op_count],
		.len = strlen(datas[op_count]), .version = ANY_VERSION, .flags = flags };
	op_count++;
}

static enum rc
do_ops(struct client *client)
{
	struct raw_request request = { .kind = REQ_MULTI, .ops = ops, .op_count = op_count };
	int before = replies;

	client_send(client, 0, &request);
	for (int i = 0; i < 1000 && replies == before; i++)
		run_ms(1);
	ck_assert_msg(replies == before + 1, "no reply");
	op_count = 0;
	return hand_rc;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Children of a path, sorted, in one string; "" when there are none, "-" when no node. */
static const char *
children(const char *format, ...)
{
	static char out[1 << 16];
	char path[512];
	va_list list;

	va_start(list, format);
	vsnprintf(path, sizeof path, format, list);
	va_end(list);
	const struct znode *node = tree_find(ensemble_tree(ensemble), path);
	const char *names[1024];
	int count = 0;
	out[0] = '\0';
	if (!node)
		return "-";
	for (const struct znode *child = node->children; child && count < 1024; child = child->next)
		names[count++] = child->name;
	qsort(names, (size_t)count, sizeof *names, by_name);
	for (int i = 0; i < count; i++)
		strcat(strcat(out, names[i]), " ");
	return out;
}

static const char *
data_of(const char *format, ...)
{
	char path[512];
	va_list list;

	va_start(list, format);
	vsnprintf(path, sizeof path, format, list);
	va_end(list);
	const struct znode *node = tree_find(ensemble_tree(ensemble), path);
	return !node ? "-" : node->blob ? node->blob->data : "";
}

/* ---- a worker and a user by hand ---- */

static struct client *worker;

static struct queue_count tally;	/* what reports say of ended tasks; without a queue nothing */

static const char *
report(int r, int slots, int ahead, int low, int returned)
{
	static char text[2048];
	struct rec_report rec = { .lost_after_ms = 3000, .r = (uint32_t)r, .process = { "h", "b", 1, 1 }, .low = (uint64_t)low,
		.slots = slots, .ahead = ahead, .load1 = -1 };
	uint64_t last[1] = { (uint64_t)returned };
	struct record record = { .kind = REC_REPORT, .report = rec };
	struct arena arena = { 0 };
	size_t len;

	record.report.counts = &tally;
	record.report.counts_count = tally.queue != NULL;
	if (returned) {
		record.report.returned_total = 1;
		record.report.returned_last = last;
		record.report.returned_count = 1;
	}
	snprintf(text, sizeof text, "%s", record_encode(&arena, &record, &len));
	arena_free(&arena);
	return text;
}

static const char *
worker_record(const char *inc, int r)
{
	static char text[1024];
	static const char *const queues[] = { "default" };
	struct record record = { .kind = REC_WORKER, .worker = { .r = (uint32_t)r, .process = { "h", "b", 2, 2 }, .slots = 2,
		.queues = queues, .queue_count = 1 } };
	struct arena arena = { 0 };
	size_t len;

	strcpy(record.worker.inc, inc);
	snprintf(text, sizeof text, "%s", record_encode(&arena, &record, &len));
	arena_free(&arena);
	return text;
}

static void
register_worker(int slots, int ahead)
{
	worker = client_new(ensemble, &hand_callbacks, NULL, 2000);
	run_ms(200);
	op(OP_CREATE, CREATE_EPHEMERAL, worker_record("aaaaaaaa", 1), ROOT "/workers/w1");
	op(OP_CREATE, 0, report(1, slots, ahead, 0, 0), ROOT "/assign/w1.aaaaaaaa");
	op(OP_CREATE, CREATE_EPHEMERAL, "", ROOT "/assign/w1.aaaaaaaa/live-1");
	ck_assert_int_eq(do_ops(worker), RC_OK);
}

static void
register_class(void)
{
	op(OP_CREATE, 0, class_default_text, QUEUE "/classes/%016llx", (unsigned long long)class_default_hash());
	do_ops(hand);
}

static void
submit(int priority, const char *token)
{
	op(OP_CHECK, 0, "", QUEUE "/tasks/0");
	ops[0].version = 0;
	op(OP_CREATE, CREATE_SEQUENCE, "{\"v\":1,\"argv\":[\"true\"]}", QUEUE "/tasks/0/%d.%016llx.-.%s-", priority,
	    (unsigned long long)class_default_hash(), token);
	ck_assert_int_eq(do_ops(hand), RC_OK);
}

/* Name of the i-th claim in the folder, "" when there is none. */
static const char *
claim_name(int i)
{
	static char name[256];
	char all[1 << 16];
	char *save = NULL;

	snprintf(all, sizeof all, "%s", children(ROOT "/assign/w1.aaaaaaaa"));
	for (char *word = strtok_r(all, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (strchr("0123456789", word[0]) && i-- == 0) {
			snprintf(name, sizeof name, "%s", word);
			return name;
		}
	return "";
}

static struct driver *d1;
static struct dispatcher_view view;

static void
setup(void)
{
	struct ensemble_conf conf = { .servers = 1, .latency_us = 1000, .commit_us = 500, .lag_us = 0, .tick_ms = 100,
		.reconnect_us = 20000 };

	notes[0] = '\0';
	tally.queue = NULL;
	agenda_init(&agenda, 3);
	ensemble = ensemble_new(&conf, &agenda, NULL, NULL);
	hand = client_new(ensemble, &hand_callbacks, NULL, 20000);
	d1 = driver_new("d1");
	run_ms(500);
}

static void
teardown(void)
{
	driver_kill(d1);
	ensemble_free(ensemble);
	agenda_free(&agenda);
	arena_free(&reply_arena);
	while (drivers) {
		struct driver *driver = drivers;

		drivers = driver->next;
		for (uint64_t i = 0; i < driver->sent; i++)
			free((char *)(uintptr_t)driver->pending[i].node.text);
		free(driver->pending);
		free(driver);
	}
}

static void
look(const struct driver *driver)
{
	dispatcher_view(driver->dispatcher, &view);
}

START_TEST(test_tree)
{
	look(d1);
	ck_assert_int_eq(view.role, ROLE_LEADER);
	ck_assert_str_eq(children(ROOT), "assign drain election logkeys queues retired workers ");
	ck_assert_str_eq(children(QUEUE), "cancel classes dead done hold inbox keys moved retry tasks update ");
	ck_assert_str_eq(children(QUEUE "/tasks"), "0 ");
}
END_TEST

START_TEST(test_election)
{
	struct driver *d2 = driver_new("d2");

	run_ms(500);
	look(d2);
	ck_assert_int_eq(view.role, ROLE_CANDIDATE);
	client_expire(d1->client);
	run_ms(1000);
	look(d2);
	ck_assert_int_eq(view.role, ROLE_LEADER);
	look(d1);
	ck_assert_int_eq(view.role, ROLE_CANDIDATE);
	driver_kill(d2);
}
END_TEST

/* A dispatcher that is started again does not wait for the session of its dead predecessor; nobody else is touched. */
START_TEST(test_predecessor)
{
	struct driver *d2 = driver_new("d2"), *away, *again;

	process_dead = false;
	run_ms(300);
	look(d2);
	ck_assert_int_eq(view.role, ROLE_CANDIDATE);
	driver_kill(d2);
	process_dead = true;
	driver_kill(d1);
	away = driver_on("d3", "b2");
	run_ms(300);
	look(away);
	ck_assert_int_eq(view.role, ROLE_CANDIDATE);	/* another boot proves nothing */
	again = driver_new("d4");
	run_ms(300);
	ck_assert_int_eq(again->probes, 2);
	look(away);
	ck_assert_int_eq(view.role, ROLE_LEADER);
	look(again);
	ck_assert_int_eq(view.role, ROLE_CANDIDATE);
	driver_kill(away);
	driver_kill(again);
	d1 = driver_new("d1");
}
END_TEST

/* A candidate that no session owns would never go away, and nobody behind it could lead. */
START_TEST(test_candidate_of_nobody)
{
	struct driver *d2;

	op(OP_CREATE, 0, "junk", ROOT "/election/ffffffffffffffffffffffffffffffff-n_0000000000");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	d2 = driver_new("d2");
	run_ms(300);
	ck_assert_ptr_null(strstr(children(ROOT "/election"), "ffffffff"));
	look(d1);
	ck_assert_int_eq(view.role, ROLE_LEADER);
	driver_kill(d2);
}
END_TEST

/* The folder of a worker that never was, with a report that names no registration: who takes over does not wait for it. */
START_TEST(test_folder_of_nobody)
{
	op(OP_CREATE, 0, "{\"v\":1,\"lost_after\":1.0}", ROOT "/assign/ghost.aaaaaaab");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	client_expire(d1->client);
	run_ms(1000);
	register_class();
	register_worker(2, 0);
	submit(5, "aaaaaaaaaaa1");
	run_ms(1000);
	look(d1);
	ck_assert_int_eq(view.role, ROLE_LEADER);
	ck_assert_int_eq(view.claimed, 1);
}
END_TEST

START_TEST(test_assign_finish)
{
	register_class();
	register_worker(2, 0);
	submit(5, "aaaaaaaaaaa1");
	submit(5, "aaaaaaaaaaa2");
	run_ms(200);
	submit(9, "aaaaaaaaaaa3");
	submit(5, "aaaaaaaaaaa4");
	run_ms(500);
	look(d1);
	ck_assert_int_eq(view.claimed + view.waiting, 4);
	ck_assert_ptr_nonnull(strstr(claim_name(0), "1:default:0:5."));
	ck_assert_ptr_nonnull(strstr(claim_name(1), "2:default:0:5."));
	/* A higher priority takes what would run behind: with no assign-ahead only slots count. */
	ck_assert_ptr_null(strstr(claim_name(2), ":9."));
	/* The first is finished. */
	char claim[256];
	snprintf(claim, sizeof claim, "%s", claim_name(0));
	op(OP_DELETE, 0, "", ROOT "/assign/w1.aaaaaaaa/%s", claim);
	op(OP_DELETE, 0, "", QUEUE "/tasks/0/5.%016llx.-.aaaaaaaaaaa1-0000000000", (unsigned long long)class_default_hash());
	op(OP_CREATE, 0, "{}", QUEUE "/done/0/aaaaaaaaaaa1");
	op(OP_SET, 0, report(1, 2, 0, 1, 0), ROOT "/assign/w1.aaaaaaaa");
	ck_assert_int_eq(do_ops(worker), RC_OK);
	run_ms(500);
	ck_assert_ptr_nonnull(strstr(claim_name(1), "3:default:0:9."));
	look(d1);
	ck_assert_int_eq(view.claimed, 2);
	ck_assert_int_eq(view.waiting, 1);
}
END_TEST

/* The report that ends the task fires a watch that the leader never hears, and what it hears next is newer: no watch tells
 * it again after the reconnect. */
START_TEST(test_watch_lost)
{
	char claim[256];

	register_class();
	register_worker(2, 0);
	submit(5, "aaaaaaaaaaa1");
	run_ms(500);
	snprintf(claim, sizeof claim, "%s", claim_name(0));
	ensemble_conf(ensemble)->drop_watch_ppm = 1000000;
	op(OP_DELETE, 0, "", ROOT "/assign/w1.aaaaaaaa/%s", claim);
	op(OP_DELETE, 0, "", QUEUE "/tasks/0/5.%016llx.-.aaaaaaaaaaa1-0000000000", (unsigned long long)class_default_hash());
	op(OP_CREATE, 0, "{}", QUEUE "/done/0/aaaaaaaaaaa1");
	op(OP_SET, 0, report(1, 1, 0, 1, 0), ROOT "/assign/w1.aaaaaaaa");
	ck_assert_int_eq(do_ops(worker), RC_OK);
	run_ms(100);
	ensemble_conf(ensemble)->drop_watch_ppm = 0;
	op(OP_SET, ANY_VERSION, "{\"v\":1,\"paused\":true}", QUEUE);
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(500);
	look(d1);
	ck_assert_int_eq(view.claimed, 1);
	client_cut(d1->client);
	run_ms(2000);
	look(d1);
	ck_assert_int_eq(view.claimed, 0);
}
END_TEST

START_TEST(test_revoke)
{
	register_class();
	register_worker(2, 0);
	submit(5, "aaaaaaaaaaa1");
	run_ms(500);
	ck_assert_str_ne(claim_name(0), "");
	client_expire(worker);
	run_ms(2500);
	ck_assert_str_ne(claim_name(0), "");	/* lost_after has not passed */
	run_ms(1500);
	look(d1);
	ck_assert_int_eq(view.revoked_total, 1);
	ck_assert_int_eq(view.waiting, 1);
	ck_assert_ptr_nonnull(strstr(data_of(QUEUE "/retry/0/aaaaaaaaaaa1"), "suspect"));
	ck_assert_str_eq(children(ROOT "/assign"), "");
}
END_TEST

START_TEST(test_take_over)
{
	struct driver *d2 = driver_new("d2");

	register_class();
	register_worker(1, 0);
	submit(5, "aaaaaaaaaaa1");
	submit(5, "aaaaaaaaaaa2");
	run_ms(300);
	client_expire(d1->client);
	run_ms(500);
	look(d2);
	ck_assert_int_eq(view.role, ROLE_LEADER);
	ck_assert_int_eq(view.claimed, 1);
	ck_assert_int_eq(view.waiting, 1);
	/* The claim is returned: the slot is given out again, under a number of the new leader's own. */
	char claim[256];
	snprintf(claim, sizeof claim, "%s", claim_name(0));
	op(OP_DELETE, 0, "", ROOT "/assign/w1.aaaaaaaa/%s", claim);
	op(OP_SET, 0, report(1, 1, 0, 1, 1), ROOT "/assign/w1.aaaaaaaa");
	ck_assert_int_eq(do_ops(worker), RC_OK);
	run_ms(300);
	ck_assert_ptr_nonnull(strstr(claim_name(0), "1000000001:default:0:5."));
	/* The slot went to the next task while the retry record of the first was read. */
	ck_assert_ptr_nonnull(strstr(claim_name(0), "aaaaaaaaaaa2"));
	look(d2);
	ck_assert_int_eq(view.waiting, 1);
	driver_kill(d2);
}
END_TEST

static void
keep_queue(void *context, const struct queue_view *one)
{
	*(struct queue_view *)context = *one;
}

static struct queue_view
queue_of(const struct driver *driver)
{
	struct queue_view queue = { 0 };

	dispatcher_each_queue(driver->dispatcher, now_ms(), keep_queue, &queue);
	return queue;
}

/* What is counted is what happened under this leader; another one begins at 0. */
START_TEST(test_counts)
{
	struct driver *d2 = driver_new("d2");
	struct queue_view queue;
	char claim[256];

	register_class();
	register_worker(1, 0);
	submit(5, "aaaaaaaaaaa1");
	submit(5, "aaaaaaaaaaa2");
	run_ms(1000);
	queue = queue_of(d1);
	ck_assert_uint_eq(queue.counts.submitted, 2);
	ck_assert_uint_eq(queue.counts.assigned, 1);
	ck_assert_uint_eq(queue.waiting, 1);
	ck_assert_uint_eq(queue.claimed, 1);
	ck_assert_int_gt(queue.oldest_ms, 900);
	ck_assert_int_le(queue.oldest_ms, 1000);
	snprintf(claim, sizeof claim, "%s", claim_name(0));
	op(OP_DELETE, 0, "", ROOT "/assign/w1.aaaaaaaa/%s", claim);
	op(OP_DELETE, 0, "", QUEUE "/tasks/0/5.%016llx.-.aaaaaaaaaaa1-0000000000", (unsigned long long)class_default_hash());
	op(OP_CREATE, 0, "{}", QUEUE "/done/0/aaaaaaaaaaa1");
	tally = (struct queue_count){ "default", 1, 0 };
	op(OP_SET, 0, report(1, 1, 0, 1, 0), ROOT "/assign/w1.aaaaaaaa");
	ck_assert_int_eq(do_ops(worker), RC_OK);
	submit(5, "aaaaaaaaaaa3");
	op(OP_CREATE, 0, "", QUEUE "/cancel/0");
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/0/aaaaaaaaaaa3");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(500);
	queue = queue_of(d1);
	ck_assert_uint_eq(queue.counts.submitted, 3);
	ck_assert_uint_eq(queue.counts.assigned, 2);
	ck_assert_uint_eq(queue.counts.done, 1);
	ck_assert_uint_eq(queue.counts.failed, 0);
	ck_assert_uint_eq(queue.counts.cancelled, 1);
	ck_assert_int_eq(queue.oldest_ms, -1);
	look(d1);
	ck_assert_int_gt(view.last_end_wall_ms, 0);
	ck_assert_uint_eq(view.workers, 1);
	ck_assert_uint_eq(view.slots, 1);
	client_expire(d1->client);
	client_expire(worker);
	run_ms(500);
	look(d1);
	ck_assert_uint_eq(view.elections_lost_total, 1);
	look(d2);
	ck_assert_uint_eq(view.elections_won_total, 1);
	ck_assert_uint_eq(view.workers_lost, 1);
	ck_assert_uint_eq(view.slots, 0);
	run_ms(4000);
	queue = queue_of(d2);
	ck_assert_uint_eq(queue.counts.worker_lost, 1);
	ck_assert_uint_eq(queue.counts.submitted + queue.counts.assigned + queue.counts.done, 0);
	ck_assert_uint_eq(queue.waiting, 1);
	driver_kill(d2);
}
END_TEST

START_TEST(test_cancel_waiting)
{
	register_class();
	submit(5, "aaaaaaaaaaa1");
	op(OP_CREATE, 0, "", QUEUE "/cancel/0");
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/0/aaaaaaaaaaa1");
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/0/aaaaaaaaaaa9");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(500);
	ck_assert_str_eq(children(QUEUE "/done/0"), "aaaaaaaaaaa1 ");
	ck_assert_str_eq(children(QUEUE "/cancel/0"), "");
	ck_assert_str_eq(children(QUEUE "/tasks/0"), "");
}
END_TEST

START_TEST(test_cancel_claimed)
{
	register_class();
	register_worker(1, 0);
	submit(5, "aaaaaaaaaaa1");
	run_ms(300);
	op(OP_CREATE, 0, "", QUEUE "/cancel/0");
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/0/aaaaaaaaaaa1");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(300);
	ck_assert_ptr_nonnull(strstr(children(ROOT "/assign/w1.aaaaaaaa"), "o:1:kill"));
}
END_TEST

START_TEST(test_inbox)
{
	op(OP_CREATE, CREATE_SEQUENCE, "{\"argv\":[\"true\"]}", QUEUE "/inbox/t-");
	do_ops(hand);
	op(OP_CREATE, 0, "{\"argv\":7}", QUEUE "/inbox/bad");
	do_ops(hand);
	op(OP_CREATE, CREATE_SEQUENCE, "{\"argv\":[\"true\"],\"priority\":9}", QUEUE "/inbox/t-");
	do_ops(hand);
	run_ms(500);
	ck_assert_str_eq(children(QUEUE "/inbox"), "");
	ck_assert_ptr_nonnull(strstr(children(QUEUE "/tasks/0"), "-0000000000 9."));
	ck_assert_str_ne(children(QUEUE "/dead/0"), "");
	ck_assert_str_eq(children(QUEUE "/moved"), "0 x ");
	ck_assert_str_eq(children(QUEUE "/moved/0"), "t-0000000000 t-0000000002 ");
	look(d1);
	ck_assert_int_eq(view.waiting, 2);
}
END_TEST

/* A segment beyond the tail and a queue without parts are a stranger's: new tasks are seen all the same, also by the
 * next leader, and nothing is put into what is not ours. */
START_TEST(test_stranger_beyond_tail)
{
	register_class();
	op(OP_CREATE, 0, "", QUEUE "/tasks/99");
	do_ops(hand);
	op(OP_CREATE, 0, "garbage", ROOT "/queues/q2");
	do_ops(hand);
	run_ms(500);
	submit(5, "aaaaaaaaaaa1");
	op(OP_CREATE, CREATE_SEQUENCE, "{\"argv\":[\"true\"]}", QUEUE "/inbox/t-");
	do_ops(hand);
	run_ms(500);
	look(d1);
	ck_assert_int_eq(view.role, ROLE_LEADER);
	ck_assert_int_eq(view.waiting, 2);
	ck_assert_str_eq(children(QUEUE "/tasks/99"), "");
	ck_assert_ptr_nonnull(strstr(notes, "tasks/99 is beyond its tail"));
}
END_TEST

/* Names with a sequence that ZooKeeper did not give, one far ahead and one that a real task will get: neither hides one. */
START_TEST(test_forged_sequence)
{
	register_class();
	op(OP_CREATE, 0, "{\"argv\":[\"true\"]}", QUEUE "/tasks/0/5.%016llx.-.zzzzzzzzzzzz-0000000999",
	    (unsigned long long)class_default_hash());
	do_ops(hand);
	op(OP_CREATE, 0, "{\"argv\":[\"true\"]}", QUEUE "/tasks/0/5.%016llx.-.yyyyyyyyyyyy-0000000002",
	    (unsigned long long)class_default_hash());
	do_ops(hand);
	run_ms(500);
	submit(5, "aaaaaaaaaaa1");
	submit(5, "aaaaaaaaaaa2");
	run_ms(500);
	ck_assert_ptr_nonnull(strstr(children(QUEUE "/tasks/0"), "aaaaaaaaaaa1-0000000002"));
	look(d1);
	ck_assert_int_eq(view.waiting, 4);
}
END_TEST

/* No task is larger than 64 KiB; the dead letter keeps its beginning. */
START_TEST(test_inbox_large)
{
	static char large[PAYLOAD_DEFAULT_MAX + 2];

	memset(large, 'x', sizeof large - 1);
	memcpy(large, "{\"argv\":[\"", 10);
	memcpy(large + sizeof large - 4, "\"]}", 3);
	op(OP_CREATE, 0, "", QUEUE "/inbox/large");
	ops[0].data = large;
	ops[0].len = strlen(large);
	ck_assert_uint_eq(ops[0].len, PAYLOAD_DEFAULT_MAX + 1);
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(500);
	ck_assert_str_eq(children(QUEUE "/inbox"), "");
	ck_assert_str_eq(children(QUEUE "/tasks/0"), "");
	ck_assert_str_ne(children(QUEUE "/dead/0"), "");
	ck_assert_ptr_nonnull(strstr(notes, "larger than 64 KiB"));
}
END_TEST

/* Twelve hundred tasks through the inbox: segments roll; cancelled, they close; retention removes the older results. */
START_TEST(test_segments)
{
	op(OP_SET, 0, "{\"v\":1,\"retain_count\":600}", QUEUE);
	do_ops(hand);
	for (int i = 0; i < 1200; i++) {
		op(OP_CREATE, CREATE_SEQUENCE, "{\"argv\":[\"true\"]}", QUEUE "/inbox/t-");
		if (op_count == 200)
			ck_assert_int_eq(do_ops(hand), RC_OK);
	}
	for (int i = 0; i < 100; i++) {
		run_ms(100);
		look(d1);
		if (view.waiting == 1200)
			break;
	}
	ck_assert_int_eq(view.waiting, 1200);
	const char *segments = children(QUEUE "/tasks");
	ck_assert(!strncmp(segments, "0 1 ", 4));
	for (int seg = 0; seg < 3; seg++) {
		char names[1 << 16], *save = NULL;

		snprintf(names, sizeof names, "%s", children(QUEUE "/tasks/%d", seg));
		if (!strcmp(names, "-"))
			continue;
		op(OP_CREATE, 0, "", QUEUE "/cancel/%d", seg);
		for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
			op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/%d/%.12s", seg, strrchr(name, '.') + 1);
			if (op_count == 200)
				ck_assert_int_eq(do_ops(hand), RC_OK);
		}
		ck_assert_int_eq(do_ops(hand), RC_OK);
	}
	for (int i = 0; i < 300; i++) {
		run_ms(100);
		look(d1);
		if (view.waiting == 0 && view.segments == 1)
			break;
	}
	ck_assert_int_eq(view.waiting, 0);
	ck_assert_int_eq(view.segments, 1);
	ck_assert_str_eq(children(QUEUE "/retry"), children(QUEUE "/tasks"));
	run_ms(20000);
	ck_assert(!strcmp(children(QUEUE "/done/0"), "-"));
	ck_assert_str_eq(children(QUEUE "/cancel"), "2 ");
	ck_assert(strlen(children(QUEUE "/done/2")) > 10);
	run_ms(40 * 60 * 1000);
	/* Segment 1 is kept, and so is what moved/ says of it. */
	const char *moved = children(QUEUE "/moved/0");
	ck_assert(!strstr(moved, "t-0000000000 ") && strstr(moved, "t-0000000999 "));
}
END_TEST

static int
said(const char *words)
{
	int count = 0;

	for (const char *at = notes; (at = strstr(at, words)); at++)
		count++;
	return count;
}

/* A stranger's znode keeps a segment that is over in the tree: it is said once, tried again seldom, and over when the
 * znode is. */
static void
stays_for(const char *stranger)
{
	op(OP_CREATE, 0, "", "%s", stranger);
	ck_assert_int_eq(do_ops(hand), RC_OK);
	op(OP_SET, 0, "", QUEUE "/tasks/0");
	op(OP_SET, 0, "{\"v\":1,\"tail\":1}", QUEUE "/tasks");
	op(OP_CREATE, 0, "", QUEUE "/tasks/1");
	op(OP_CREATE, 0, "", QUEUE "/done/1");
	op(OP_CREATE, 0, "", QUEUE "/dead/1");
	op(OP_CREATE, 0, "", QUEUE "/retry/1");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(5000);
	ck_assert_str_eq(children(QUEUE "/tasks"), "0 1 ");
	uint64_t sent = d1->sent;
	run_ms(600000);
	ck_assert_int_eq(said(": segment 0 cannot be deleted"), 1);
	ck_assert_uint_lt(d1->sent - sent, 600 / 5 + 100);	/* retention looks every 5 s */
	op(OP_DELETE, 0, "", "%s", stranger);
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(130000);
	ck_assert_str_eq(children(QUEUE "/tasks"), "1 ");
}

START_TEST(test_stranger_in_segment)
{
	stays_for(QUEUE "/tasks/0/left-here");
}
END_TEST

START_TEST(test_stranger_in_retry)
{
	stays_for(QUEUE "/retry/0/left-here");
}
END_TEST

/* A batch that is over but has a stranger's child: not every listing of the segment tries to delete it. */
START_TEST(test_stranger_in_batch)
{
	op(OP_CREATE, 0, "[]", QUEUE "/tasks/0/b.cccccccccccc");
	op(OP_CREATE, 0, "", QUEUE "/tasks/0/b.cccccccccccc/left-here");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	for (int i = 0; i < 20; i++) {
		op(OP_CREATE, 0, "", QUEUE "/tasks/0/x");
		do_ops(hand);
		run_ms(100);
		op(OP_DELETE, 0, "", QUEUE "/tasks/0/x");
		do_ops(hand);
		run_ms(2000);
	}
	ck_assert_int_eq(said("batch cccccccccccc"), 1);
	op(OP_SET, 0, "", QUEUE "/tasks/0");
	op(OP_SET, 0, "{\"v\":1,\"tail\":1}", QUEUE "/tasks");
	op(OP_CREATE, 0, "", QUEUE "/tasks/1");
	op(OP_CREATE, 0, "", QUEUE "/done/1");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(600000);
	ck_assert_int_eq(said("batch cccccccccccc"), 1);
	ck_assert_int_eq(said(": segment 0 cannot be deleted"), 1);
	op(OP_DELETE, 0, "", QUEUE "/tasks/0/b.cccccccccccc/left-here");
	do_ops(hand);
	run_ms(190000);
	ck_assert_str_eq(children(QUEUE "/tasks"), "1 ");
}
END_TEST

/* Old keys go as fast as they can come, not a thousand in half an hour. */
START_TEST(test_old_keys)
{
	op(OP_CREATE, 0, "", QUEUE "/keys/00");
	do_ops(hand);
	for (int i = 0; i < 2500; i++) {
		op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/keys/00/%016x", i);
		if (op_count == 250)
			ck_assert_int_eq(do_ops(hand), RC_OK);
	}
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/keys/00/00ffffffffffffff");
	ck_assert_int_eq(do_ops(hand), RC_OK);
	run_ms(7LL * 24 * 3600 * 1000 - 600000);
	op(OP_SET, 0, "{\"v\":1,\"new\":1}", QUEUE "/keys/00/00ffffffffffffff");
	do_ops(hand);
	run_ms(45 * 60 * 1000);
	ck_assert_uint_eq(strlen(children(QUEUE "/keys/00")), strlen("00ffffffffffffff "));
	ck_assert_str_eq(children(QUEUE "/keys/00"), "00ffffffffffffff ");
}
END_TEST

/* A bit of everything: tasks by both doors, a batch, cancels, a worker that is lost. */
static void
long_story(void)
{
	register_class();
	register_worker(1, 1);
	submit(5, "aaaaaaaaaaa1");
	submit(5, "aaaaaaaaaaa2");
	submit(5, "aaaaaaaaaaa3");
	run_ms(200);
	submit(9, "aaaaaaaaaaa4");
	op(OP_CREATE, CREATE_SEQUENCE, "{\"argv\":[\"true\"]}", QUEUE "/inbox/t-");
	op(OP_CREATE, 0, "{}", QUEUE "/inbox/bad");
	op(OP_CREATE, 0, "[]", QUEUE "/tasks/0/b.cccccccccccc");
	op(OP_CREATE, 0, "", QUEUE "/cancel/0");
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/0/aaaaaaaaaaa3");
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/0/aaaaaaaaaaa1");
	op(OP_CREATE, 0, "{\"v\":1}", QUEUE "/cancel/0/zzzzzzzzzzz1");
	do_ops(hand);
	run_ms(300);
	client_cut(d1->client);
	client_expire(worker);
	run_ms(6000);
	client_expire(d1->client);
	run_ms(3000);
	client_close(worker);
}

/* False when memory ran out on the way. */
static bool
story_with_failure(long at)
{
	allocations = 0;
	fail_at = at;
	if (setjmp(ran_out)) {
		fail_at = 0;
		in_core = false;
		return false;
	}
	setup();
	long_story();
	return true;
}

START_TEST(test_memory_runs_out)
{
	bool through = false;
	long at = 0;

	while (!through) {
		teardown();
		through = story_with_failure(++at);
		fail_at = 0;
		op_count = 0;
		/* Every failure is told, and what is there can be freed. */
		ck_assert(!through || allocations < at);
		ck_assert_int_lt(at, 20000);
	}
	ck_assert_int_gt(at, 100);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dispatcher");
	TCase *tcase = tcase_create("steps");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_tree);
	tcase_add_test(tcase, test_election);
	tcase_add_test(tcase, test_predecessor);
	tcase_add_test(tcase, test_candidate_of_nobody);
	tcase_add_test(tcase, test_folder_of_nobody);
	tcase_add_test(tcase, test_assign_finish);
	tcase_add_test(tcase, test_watch_lost);
	tcase_add_test(tcase, test_revoke);
	tcase_add_test(tcase, test_counts);
	tcase_add_test(tcase, test_take_over);
	tcase_add_test(tcase, test_cancel_waiting);
	tcase_add_test(tcase, test_cancel_claimed);
	tcase_add_test(tcase, test_inbox);
	tcase_add_test(tcase, test_stranger_beyond_tail);
	tcase_add_test(tcase, test_forged_sequence);
	tcase_add_test(tcase, test_inbox_large);
	tcase_add_test(tcase, test_segments);
	tcase_add_test(tcase, test_stranger_in_segment);
	tcase_add_test(tcase, test_stranger_in_retry);
	tcase_add_test(tcase, test_stranger_in_batch);
	tcase_add_test(tcase, test_old_keys);
	tcase_add_test(tcase, test_memory_runs_out);
	tcase_set_timeout(tcase, 300);	/* under the sanitizers */
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
