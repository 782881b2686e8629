/* A worker's coordinator, answered by hand: what it asks for, in which order, and what it makes of each answer. */
#include <check.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lease.h"
#include "core/worker.h"

#define LOST_AFTER 30000
#define SESSION 77

/* ---- memory that runs out ---- */

static long allocations, fail_at;	/* the fail_at-th one fails; 0 = none */
static bool in_core;			/* check allocates, too */
static jmp_buf ran_out;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *string);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *string);

void *
__wrap_malloc(size_t size)
{
	return in_core && ++allocations == fail_at ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return in_core && ++allocations == fail_at ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return in_core && ++allocations == fail_at ? NULL : __real_realloc(old, size);
}

char *
__wrap_strdup(const char *string)
{
	return in_core && ++allocations == fail_at ? NULL : __real_strdup(string);
}

/* ---- the stand-in for driver, runner and ensemble ---- */

struct pending {
	struct request request;
	int64_t sent_ms;
};

static struct worker *worker;
static struct plan plans[600];	/* kept whole: requests borrow from them */
static int plan_count;
static struct plan *plan;	/* of the last step */
static struct pending pending[2000];
static int pending_count;
static int64_t now;

static void
step(struct event *event)
{
	ck_assert_int_lt(plan_count, (int)(sizeof plans / sizeof plans[0]));
	plan = &plans[plan_count++];
	plan_reset(plan);
	event->now_ms = now;
	event->wall_ms = 1000000 + now;
	in_core = true;
	worker_step(worker, event, plan);
	in_core = false;
	if (plan->failed && fail_at)
		longjmp(ran_out, 1);
	ck_assert(!plan->failed);
	for (int i = 0; i < plan->count; i++)
		if (plan->effects[i].kind == FX_REQUEST)
			pending[pending_count++] = (struct pending){ plan->effects[i].request, now };
}

static void
simple(enum event_kind kind)
{
	struct event event = { .kind = kind };

	step(&event);
}

static void
tick(int64_t ms)
{
	now += ms;
	simple(EV_TICK);
}

static bool
is_about(const struct request *request, enum node_kind kind)
{
	if (request->kind != REQ_MULTI)
		return request->node.kind == kind;
	for (int i = 0; i < request->op_count; i++)
		if (request->ops[i].node.kind == kind)
			return true;
	return false;
}

/* Index of an open request of that kind about such a node, or -1. */
static int
open_request(enum request_kind kind, enum node_kind node)
{
	for (int i = 0; i < pending_count; i++)
		if (pending[i].request.kind == kind && is_about(&pending[i].request, node))
			return i;
	return -1;
}

static struct pending
take(enum request_kind kind, enum node_kind node)
{
	int place = open_request(kind, node);

	ck_assert_msg(place >= 0, "no open request %d about node kind %d", kind, node);
	struct pending taken = pending[place];
	memmove(pending + place, pending + place + 1, (size_t)(--pending_count - place) * sizeof *pending);
	return taken;
}

static struct event
reply_to(const struct pending *of, enum rc rc)
{
	struct event event = { .kind = EV_REPLY };

	event.reply.tag = of->request.tag;
	event.reply.arg = of->request.arg;
	event.reply.kind = of->request.kind;
	event.reply.node = of->request.node;
	event.reply.rc = rc;
	event.reply.failed_op = -1;
	event.reply.sent_ms = of->sent_ms;
	event.reply.took_ms = now - of->sent_ms;
	return event;
}

static void
answer(enum request_kind kind, enum node_kind node, enum rc rc)
{
	struct pending of = take(kind, node);
	struct event event = reply_to(&of, rc);

	step(&event);
}

/* Refuses the multi at its first operation of that kind on such a node. */
static void
refuse(enum node_kind about, enum op_kind op, enum node_kind node, enum rc rc)
{
	struct pending of = take(REQ_MULTI, about);
	struct event event = reply_to(&of, rc);

	for (int i = of.request.op_count - 1; i >= 0; i--)
		if (of.request.ops[i].kind == op && of.request.ops[i].node.kind == node)
			event.reply.failed_op = i;
	ck_assert_int_ge(event.reply.failed_op, 0);
	step(&event);
}

static void
answer_record(enum node_kind node, const struct record *record, int32_t version, int64_t owner)
{
	struct pending of = take(REQ_GET, node);
	struct event event = reply_to(&of, RC_OK);

	event.reply.record = *record;
	event.reply.stat.version = version;
	event.reply.stat.owner = owner;
	step(&event);
}

static void
answer_list(enum node_kind folder, const struct node *children, int count)
{
	struct pending of = take(REQ_LIST, folder);
	struct event event = reply_to(&of, RC_OK);

	event.reply.children = children;
	event.reply.child_count = count;
	step(&event);
}

static const struct effect *
effect(enum effect_kind kind)
{
	for (int i = 0; i < plan->count; i++)
		if (plan->effects[i].kind == kind)
			return &plan->effects[i];
	return NULL;
}

static const struct op *
op_of(const struct request *multi, enum op_kind kind, enum node_kind node)
{
	for (int i = 0; i < multi->op_count; i++)
		if (multi->ops[i].kind == kind && multi->ops[i].node.kind == node)
			return &multi->ops[i];
	return NULL;
}

static struct node
claim(uint64_t n, const char *token, int priority, uint32_t run)
{
	struct task_name name = { .priority = (uint8_t)priority, .class_hash = 11, .seq = (uint32_t)n };

	strcpy(name.token, token);
	return node_claim("w1", "aaaaaaaa", n, "default", 3, &name, run, (struct fence){ 9, n });
}

static struct node
live(uint32_t r)
{
	return node_live("w1", "aaaaaaaa", r);
}

static void
connect_session(int64_t id, bool fresh)
{
	struct event event = { .kind = EV_CONNECTED };

	event.session.id = id;
	event.session.timeout_ms = 10000;
	event.session.fresh = fresh;
	step(&event);
}

static void
hello_of(const struct held_attempt *attempts, int count, uint32_t r)
{
	struct event event = { .kind = EV_RUNNER_HELLO };

	strcpy(event.hello.inc, "aaaaaaaa");
	event.hello.r = r;
	event.hello.process = (struct process_id){ "h1", "boot1", 100, 1000 };
	event.hello.attempts = attempts;
	event.hello.count = count;
	step(&event);
}

static void
ended(uint64_t n, enum task_state state, const char *reason, double run_seconds)
{
	struct event event = { .kind = EV_RUNNER_ENDED };

	event.attempt.n = n;
	event.attempt.outcome = (struct outcome){ .state = state, .reason = reason, .has_exit = true, .started_wall_ms = 5,
	    .ended_wall_ms = 6, .run_seconds = run_seconds, .tail = "hello\n", .tail_len = 6 };
	step(&event);
}

static void
answer_task(const char *text)
{
	struct record record = { .kind = REC_TASK };

	record.task.text = text;
	record.task.len = strlen(text);
	record.task.name = "label";
	answer_record(NODE_TASK, &record, 0, 0);
}

static void
answer_class(enum class_mode mode)
{
	struct record record = { .kind = REC_CLASS };

	record.class = (struct rec_class){ .hash = 11, .hash_matches = true, .text = "{}", .mode = mode, .crash_limit = 5 };
	answer_record(NODE_CLASS, &record, 0, 0);
}

static bool
make_worker(void)
{
	static const char *const queues[] = { "default" };
	struct worker_conf conf = { .name = "w1", .process = { "h1", "boot1", 101, 1001 }, .slots = 2, .queues = queues,
	    .queue_count = 1, .lost_after_ms = LOST_AFTER, .drain_deadline_ms = 60000, .version = "0.1.0", .seed = 1 };

	now = 1000;
	plan_count = pending_count = 0;
	in_core = true;
	worker = worker_new(&conf);
	in_core = false;
	return worker != NULL;
}

static void
set_up(void)
{
	ck_assert(make_worker());
	simple(EV_TICK);
}

static void
tear_down(void)
{
	worker_free(worker);
	for (int i = 0; i < plan_count; i++)
		plan_free(&plans[i]);
}

/* First registration, first listing (the live- znode only), no other lives. */
static void
register_first(void)
{
	hello_of(NULL, 0, 0);
	ck_assert_int_eq(pending_count, 0);
	connect_session(SESSION, true);
	answer(REQ_SYNC, NODE_ROOT, RC_OK);
	answer(REQ_GET, NODE_FOLDER, RC_NONODE);
	answer(REQ_GET, NODE_WORKER, RC_NONODE);
	ck_assert_ptr_nonnull(effect(FX_REGISTERED));
	ck_assert_uint_eq(effect(FX_REGISTERED)->lease.r, 1);
	now += 5;
	answer(REQ_MULTI, NODE_WORKER, RC_OK);
	answer(REQ_EXISTS, NODE_WORKER, RC_OK);
	struct node children[] = { live(1) };
	answer_list(NODE_FOLDER, children, 1);
	answer_list(NODE_ASSIGN, NULL, 0);
	ck_assert_int_eq(pending_count, 0);
}

static void
folder_changed(void)
{
	struct event event = { .kind = EV_WATCH };

	event.watch.kind = WATCH_CHILDREN;
	event.watch.node = node_folder("w1", "aaaaaaaa");
	step(&event);
	if (open_request(REQ_LIST, NODE_FOLDER) < 0)
		tick(100);	/* the pause between listings */
}

/* Claim n of a single task appears, is read and started. */
static void
run_one(uint64_t n, const char *token)
{
	struct node children[] = { live(1), claim(n, token, 5, 1) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 2);
	if (open_request(REQ_GET, NODE_CLASS) >= 0)
		answer_class(MODE_EXCLUSIVE);
	answer_task("{\"argv\":[\"true\"]}");
	const struct effect *start = effect(FX_START);
	ck_assert_ptr_nonnull(start);
	ck_assert_uint_eq(start->start.claim.n, n);
	ck_assert(start->start.exclusive);
	ck_assert_str_eq(start->start.task, "{\"argv\":[\"true\"]}");
}

/* ---- tests ---- */

START_TEST(registers_starts_finishes)
{
	struct worker_view view;

	register_first();
	worker_view(worker, &view);
	ck_assert(view.registered);
	ck_assert_int_eq(view.kill_by_ms, lease_kill_by(1000, LOST_AFTER));	/* from the sending, not from the answer */
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_DONE, NULL, 2.0);
	int place = open_request(REQ_MULTI, NODE_RESULT);
	ck_assert_int_ge(place, 0);
	const struct request *multi = &pending[place].request;
	ck_assert_int_eq(multi->ops[0].kind, OP_CHECK);
	ck_assert_int_eq(multi->ops[0].node.kind, NODE_LIVE);
	ck_assert_uint_eq(multi->ops[0].node.r, 1);
	ck_assert_ptr_nonnull(op_of(multi, OP_DELETE, NODE_CLAIM));
	ck_assert_ptr_nonnull(op_of(multi, OP_DELETE, NODE_TASK));
	ck_assert_ptr_null(op_of(multi, OP_DELETE, NODE_RETRY));
	const struct op *result = op_of(multi, OP_CREATE, NODE_RESULT);
	ck_assert_str_eq(result->record.result.name, "label");
	ck_assert_str_eq(result->record.result.worker, "w1");
	ck_assert_int_eq(result->record.result.outcome.state, STATE_DONE);
	const struct op *report = op_of(multi, OP_SET, NODE_FOLDER);
	ck_assert_int_eq(report->version, 0);
	ck_assert_uint_eq(report->record.report.low, 1);
	ck_assert_uint_eq(report->record.report.counts[0].done, 1);
	ck_assert_ptr_null(effect(FX_FORGET));
	answer(REQ_MULTI, NODE_RESULT, RC_OK);
	ck_assert_ptr_nonnull(effect(FX_FORGET));
	ck_assert_uint_eq(effect(FX_FORGET)->kill.n, 1);
	worker_view(worker, &view);
	ck_assert_uint_eq(view.finished_total, 1);
	ck_assert_int_eq(view.running + view.unstarted + view.ending, 0);
}
END_TEST

/* Somebody deletes the claim of a running task. The leader is told, or the task would hang: it does not list the
 * folder. But only when nothing of the attempt runs any more, as the task is then given out again. */
START_TEST(claim_deleted_by_hand)
{
	struct node children[] = { live(1) };

	register_first();
	run_one(1, "aaaaaaaaaaaa");
	folder_changed();
	answer_list(NODE_FOLDER, children, 1);
	ck_assert_int_eq(effect(FX_KILL)->kill.grace_ms, 0);
	tick(1000);
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_FOLDER), 0);
	ended(1, STATE_LOST, "revoked", 2.0);
	struct pending multi = take(REQ_MULTI, NODE_FOLDER);
	const struct rec_report *report = &op_of(&multi.request, OP_SET, NODE_FOLDER)->record.report;
	ck_assert_uint_eq(report->returned_total, 1);
	ck_assert_uint_eq(report->low, 1);
	struct event event = reply_to(&multi, RC_OK);
	step(&event);
	tick(1000);
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_FOLDER), 0);
}
END_TEST

/* One listing that was answered late, as the servers stood still for a while: the next one does not wait ten times
 * as long again. */
START_TEST(late_listing)
{
	struct node children[] = { live(1) };

	register_first();
	folder_changed();
	now += 8000;
	answer_list(NODE_FOLDER, children, 1);
	struct event event = { .kind = EV_WATCH };
	event.watch.kind = WATCH_CHILDREN;
	event.watch.node = node_folder("w1", "aaaaaaaa");
	step(&event);
	tick(1000);
	ck_assert_int_ge(open_request(REQ_LIST, NODE_FOLDER), 0);
}
END_TEST

/* The reply of a finish batch is lost; the report in the folder tells that it was applied. */
START_TEST(lost_finish_that_was_applied)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_DONE, NULL, 2.0);
	simple(EV_DISCONNECTED);
	answer(REQ_MULTI, NODE_RESULT, RC_UNKNOWN);
	ck_assert_int_eq(pending_count, 0);
	connect_session(SESSION, false);
	struct record record = { .kind = REC_REPORT };
	record.report.r = 1;
	record.report.low = 1;
	record.report.lost_after_ms = LOST_AFTER;
	answer_record(NODE_FOLDER, &record, 1, 0);
	ck_assert_ptr_nonnull(effect(FX_FORGET));
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_RESULT), 0);
	/* The version went on: the next multi expects it. */
	struct node children[] = { live(1) };
	if (open_request(REQ_LIST, NODE_FOLDER) >= 0)
		answer_list(NODE_FOLDER, children, 1);
	run_one(2, "bbbbbbbbbbbb");
	ended(2, STATE_DONE, NULL, 2.0);
	struct pending finish = take(REQ_MULTI, NODE_RESULT);
	ck_assert_int_eq(op_of(&finish.request, OP_SET, NODE_FOLDER)->version, 1);
}
END_TEST

START_TEST(lost_finish_that_was_not_applied)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_DONE, NULL, 2.0);
	simple(EV_DISCONNECTED);
	answer(REQ_MULTI, NODE_RESULT, RC_UNKNOWN);
	connect_session(SESSION, false);
	struct record record = { .kind = REC_REPORT };
	record.report.r = 1;
	record.report.lost_after_ms = LOST_AFTER;
	answer_record(NODE_FOLDER, &record, 0, 0);
	ck_assert_ptr_null(effect(FX_FORGET));
	struct pending again = take(REQ_MULTI, NODE_RESULT);
	ck_assert_int_eq(op_of(&again.request, OP_SET, NODE_FOLDER)->version, 0);
}
END_TEST

/* The session is lost; on return the claim is not there any more: what runs is stopped, its end is dropped. */
START_TEST(session_lost_and_claim_revoked)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	simple(EV_DISCONNECTED);
	simple(EV_EXPIRED);
	connect_session(SESSION + 1, true);
	struct record record = { .kind = REC_REPORT };
	record.report.r = 1;
	record.report.lost_after_ms = LOST_AFTER;
	answer_record(NODE_FOLDER, &record, 4, 0);
	answer(REQ_GET, NODE_WORKER, RC_NONODE);
	ck_assert_uint_eq(effect(FX_REGISTERED)->lease.r, 2);
	int place = open_request(REQ_MULTI, NODE_WORKER);
	ck_assert_int_eq(op_of(&pending[place].request, OP_SET, NODE_FOLDER)->version, 4);
	ck_assert_uint_eq(op_of(&pending[place].request, OP_CREATE, NODE_LIVE)->node.r, 2);
	answer(REQ_MULTI, NODE_WORKER, RC_OK);
	ck_assert_ptr_null(effect(FX_KILL));
	if (open_request(REQ_LIST, NODE_FOLDER) < 0)
		tick(100);
	struct node children[] = { live(2) };
	answer_list(NODE_FOLDER, children, 1);
	ck_assert_ptr_nonnull(effect(FX_KILL));
	ck_assert_int_eq(effect(FX_KILL)->kill.grace_ms, 0);
	ended(1, STATE_LOST, "revoked", 2.0);
	ck_assert_ptr_nonnull(effect(FX_FORGET));
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_RESULT), 0);
}
END_TEST

START_TEST(what_a_finish_answers_to_each_code)
{
	register_first();
	/* The claim is gone: the result counts for nothing. */
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_DONE, NULL, 2.0);
	refuse(NODE_RESULT, OP_DELETE, NODE_CLAIM, RC_NONODE);
	ck_assert_uint_eq(effect(FX_FORGET)->kill.n, 1);
	/* The task is gone: only the claim is deleted. */
	run_one(2, "bbbbbbbbbbbb");
	ended(2, STATE_DONE, NULL, 2.0);
	refuse(NODE_RESULT, OP_DELETE, NODE_TASK, RC_NONODE);
	int place = open_request(REQ_MULTI, NODE_CLAIM);
	ck_assert_int_ge(place, 0);
	ck_assert_ptr_null(op_of(&pending[place].request, OP_DELETE, NODE_TASK));
	ck_assert_ptr_null(op_of(&pending[place].request, OP_CREATE, NODE_RESULT));
	answer(REQ_MULTI, NODE_CLAIM, RC_OK);
	/* A result is there already: claim and task go, with an alarm. */
	run_one(3, "cccccccccccc");
	ended(3, STATE_DONE, NULL, 2.0);
	refuse(NODE_RESULT, OP_CREATE, NODE_RESULT, RC_NODEEXISTS);
	ck_assert_int_eq(effect(FX_NOTE)->note.level, NOTE_ERROR);
	struct pending rest = take(REQ_MULTI, NODE_TASK);
	ck_assert_ptr_null(op_of(&rest.request, OP_CREATE, NODE_RESULT));
	struct event event = reply_to(&rest, RC_OK);
	step(&event);
	/* The folder of results is gone: it is made. */
	run_one(4, "dddddddddddd");
	ended(4, STATE_DONE, NULL, 2.0);
	refuse(NODE_RESULT, OP_CREATE, NODE_RESULT, RC_NONODE);
	answer(REQ_MULTI, NODE_DONE_SEG, RC_OK);
	answer(REQ_MULTI, NODE_RESULT, RC_OK);
	/* The report has another version: it is read, and the batch goes again. */
	run_one(5, "eeeeeeeeeeee");
	ended(5, STATE_DONE, NULL, 2.0);
	refuse(NODE_RESULT, OP_SET, NODE_FOLDER, RC_BADVERSION);
	struct record record = { .kind = REC_REPORT };
	record.report.r = 1;
	answer_record(NODE_FOLDER, &record, 40, 0);
	place = open_request(REQ_MULTI, NODE_RESULT);
	ck_assert_int_eq(op_of(&pending[place].request, OP_SET, NODE_FOLDER)->version, 40);
	/* The session is gone: register first, the result is kept. */
	refuse(NODE_RESULT, OP_CHECK, NODE_LIVE, RC_NONODE);
	ck_assert_int_ge(open_request(REQ_GET, NODE_WORKER), 0);
	ck_assert_ptr_null(effect(FX_FORGET));
}
END_TEST

/* What did not end well says what it was; what did, does not: a million results share a heap. */
START_TEST(failed_results_carry_their_task)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_FAILED, NULL, 2.0);
	struct pending failed = take(REQ_MULTI, NODE_RESULT);
	ck_assert_ptr_nonnull(op_of(&failed.request, OP_CREATE, NODE_RESULT)->record.result.task);
	struct event event = reply_to(&failed, RC_OK);
	step(&event);
	run_one(2, "bbbbbbbbbbbb");
	ended(2, STATE_DONE, NULL, 2.0);
	struct pending done = take(REQ_MULTI, NODE_RESULT);
	ck_assert_ptr_null(op_of(&done.request, OP_CREATE, NODE_RESULT)->record.result.task);
}
END_TEST

/* What ran and is given back gets a retry record, so that the next attempt has a number of its own. */
START_TEST(a_run_given_back_is_recorded)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_LOST, "lease", 2.0);
	struct pending given = take(REQ_MULTI, NODE_RETRY);
	const struct op *op = op_of(&given.request, OP_CREATE, NODE_RETRY);
	ck_assert_uint_eq(op->record.retry.runs, 1);
	ck_assert(!op->record.retry.suspect);
	ck_assert_ptr_null(op_of(&given.request, OP_DELETE, NODE_TASK));
	const struct record *report = &op_of(&given.request, OP_SET, NODE_FOLDER)->record;
	ck_assert_uint_eq(report->report.returned_total, 1);
	struct event event = reply_to(&given, RC_OK);
	step(&event);
	ck_assert_ptr_nonnull(effect(FX_FORGET));
}
END_TEST

/* A stranger has put znodes below a task: they are deleted, then the result is recorded. Where one cannot be
 * deleted the result is kept here, with an alarm, and tried again. */
START_TEST(strangers_below_a_task)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_DONE, NULL, 2.0);
	refuse(NODE_RESULT, OP_DELETE, NODE_TASK, RC_NOTEMPTY);
	struct task_name name = { .priority = 5, .class_hash = 11, .seq = 1 };
	strcpy(name.token, "aaaaaaaaaaaa");
	struct node children[2] = { node_task("default", 3, &name), node_task("default", 3, &name) };
	children[0].kind = children[1].kind = NODE_TASK_CHILD;
	children[0].text = "mine";
	children[1].text = "yours";
	answer_list(NODE_TASK, children, 2);
	answer(REQ_MULTI, NODE_TASK_CHILD, RC_OK);
	answer(REQ_MULTI, NODE_TASK_CHILD, RC_OK);
	refuse(NODE_RESULT, OP_DELETE, NODE_TASK, RC_NOTEMPTY);	/* they are quick */
	answer_list(NODE_TASK, children, 1);
	answer(REQ_MULTI, NODE_TASK_CHILD, RC_NOAUTH);
	ck_assert_int_eq(effect(FX_NOTE)->note.level, NOTE_ERROR);
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_RESULT), 0);
	ck_assert_ptr_null(effect(FX_FORGET));
	tick(120000);
	struct pending again = take(REQ_MULTI, NODE_RESULT);
	struct event event = reply_to(&again, RC_OK);
	step(&event);
	ck_assert_ptr_nonnull(effect(FX_FORGET));
}
END_TEST

/* Another coordinator of this incarnation has registered: this one ends. */
START_TEST(second_coordinator)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	ended(1, STATE_DONE, NULL, 2.0);
	refuse(NODE_RESULT, OP_SET, NODE_FOLDER, RC_BADVERSION);
	struct record record = { .kind = REC_REPORT };
	record.report.r = 2;
	answer_record(NODE_FOLDER, &record, 9, 0);
	ck_assert_ptr_nonnull(effect(FX_EXIT));
	ck_assert_int_ne(effect(FX_EXIT)->exit_code, 0);
}
END_TEST

START_TEST(starts_by_priority)
{
	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 2, 1), claim(2, "bbbbbbbbbbbb", 2, 1),
	    claim(3, "cccccccccccc", 2, 1), claim(4, "dddddddddddd", 9, 1) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 5);
	answer_class(MODE_EXCLUSIVE);
	/* Read in the order in which they are to start. */
	int place = open_request(REQ_GET, NODE_TASK);
	ck_assert_str_eq(pending[place].request.node.task.token, "dddddddddddd");
	for (int i = 0; i < 4; i++)
		answer_task("{\"argv\":[\"true\"]}");
	ended(4, STATE_DONE, NULL, 2.0);
	ck_assert_uint_eq(effect(FX_START)->start.claim.n, 2);
}
END_TEST

/* Number 2 of an assign that was refused, or of a claim that vanished before it was seen: reported as returned, once. */
START_TEST(gaps_are_returned)
{
	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 1), claim(3, "cccccccccccc", 5, 1) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 3);
	answer_class(MODE_EXCLUSIVE);
	answer_task("{}");
	answer_task("{}");
	folder_changed();
	answer_list(NODE_FOLDER, children, 3);
	ended(1, STATE_DONE, NULL, 2.0);
	struct pending out = take(REQ_MULTI, NODE_RESULT);
	const struct rec_report *report = &op_of(&out.request, OP_SET, NODE_FOLDER)->record.report;
	ck_assert_uint_eq(report->low, 2);
	ck_assert_uint_eq(report->returned_total, 1);
	ck_assert_uint_eq(report->returned_last[0], 2);
	ck_assert(!report_resolves(report, 3));
}
END_TEST

/* A new leader numbers claims from far above; what lies between is no work that came back. */
START_TEST(gap_between_leaders)
{
	uint64_t first = CLAIMS_PER_LEADER + 1;

	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 1), claim(first + 2, "cccccccccccc", 5, 1) };
	folder_changed();
	answer_list(NODE_FOLDER, children, 3);
	answer_class(MODE_EXCLUSIVE);
	answer_task("{}");
	answer_task("{}");
	ended(1, STATE_DONE, NULL, 2.0);
	struct pending out = take(REQ_MULTI, NODE_RESULT);
	const struct rec_report *report = &op_of(&out.request, OP_SET, NODE_FOLDER)->record.report;
	ck_assert_uint_eq(report->low, first + 1);
	ck_assert_uint_eq(report->returned_total, 2);
	ck_assert_uint_eq(report->returned_last[0], first);
}
END_TEST

/* A batch is read once for all its tasks. */
START_TEST(batch_is_read_once)
{
	struct rec_task tasks[2] = { { .text = "{\"n\":0}", .len = 7 }, { .text = "{\"n\":1}", .len = 7 } };
	struct record record = { .kind = REC_BATCH };

	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaax0", 5, 1), claim(2, "aaaaaaaaaaaax1", 5, 1),
	    claim(3, "aaaaaaaaaaaax2", 5, 1) };
	folder_changed();
	answer_list(NODE_FOLDER, children, 4);
	answer_class(MODE_EXCLUSIVE);
	record.batch.tasks = tasks;
	record.batch.count = 2;
	answer_record(NODE_BATCH, &record, 0, 0);
	int starts = 0;
	for (int i = 0; i < plan->count; i++)
		if (plan->effects[i].kind == FX_START) {
			starts++;
			ck_assert_str_eq(plan->effects[i].start.task,
			    plan->effects[i].start.claim.n == 1 ? "{\"n\":0}" : "{\"n\":1}");
		}
	ck_assert_int_eq(starts, 2);
	ck_assert_int_lt(open_request(REQ_GET, NODE_BATCH), 0);
	/* The third is not in the batch: its own znode is asked, and it is no task. */
	record = (struct record){ .kind = REC_TASK };
	record.task.invalid = "empty";
	answer_record(NODE_TASK, &record, 0, 0);
	struct pending dead = take(REQ_MULTI, NODE_DEAD);
	ck_assert_str_eq(op_of(&dead.request, OP_CREATE, NODE_DEAD)->record.result.outcome.reason, "invalid: empty");
}
END_TEST

/* A server that sheds load refuses to read the task: that says nothing about the task, which is read again, later. */
START_TEST(read_is_refused)
{
	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 1) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 2);
	answer(REQ_GET, NODE_CLASS, RC_OTHER);
	answer(REQ_GET, NODE_TASK, RC_OTHER);
	ck_assert_int_lt(open_request(REQ_GET, NODE_TASK), 0);
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_TASK), 0);
	tick(2000);
	answer_class(MODE_EXCLUSIVE);
	answer_task("{}");
	ck_assert_ptr_nonnull(effect(FX_START));
}
END_TEST

/* A mark that is refused for an odd reason (a quota) is tried again later: neither at once nor after a new registration. */
START_TEST(mark_is_refused)
{
	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 3) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 2);
	answer_class(MODE_EXCLUSIVE);
	struct record record = { .kind = REC_RETRY };
	record.retry = (struct rec_retry){ .runs = 2, .suspect = true };
	answer_record(NODE_RETRY, &record, 0, 0);
	answer_task("{}");
	refuse(NODE_CLAIM, OP_SET, NODE_CLAIM, RC_OTHER);
	ck_assert_int_lt(open_request(REQ_GET, NODE_FOLDER), 0);
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_CLAIM), 0);
	ck_assert_int_eq(effect(FX_NOTE)->note.level, NOTE_WARNING);
	tick(2000);
	ck_assert_ptr_null(effect(FX_START));
	answer(REQ_MULTI, NODE_CLAIM, RC_OK);
	ck_assert_ptr_nonnull(effect(FX_START));
}
END_TEST

/* A suspect is marked before it starts; the lost reply of the mark shows as BADVERSION. */
START_TEST(suspect_is_marked_first)
{
	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 3) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 2);
	answer_class(MODE_EXCLUSIVE);
	struct record record = { .kind = REC_RETRY };
	record.retry = (struct rec_retry){ .runs = 2, .suspect = true };
	answer_record(NODE_RETRY, &record, 0, 0);
	answer_task("{}");
	ck_assert_ptr_null(effect(FX_START));
	simple(EV_DISCONNECTED);
	answer(REQ_MULTI, NODE_CLAIM, RC_UNKNOWN);
	ck_assert_ptr_null(effect(FX_START));
	connect_session(SESSION, false);
	int place = open_request(REQ_MULTI, NODE_CLAIM);
	ck_assert_int_eq(op_of(&pending[place].request, OP_SET, NODE_CLAIM)->version, 0);
	refuse(NODE_CLAIM, OP_SET, NODE_CLAIM, RC_BADVERSION);
	ck_assert_ptr_nonnull(effect(FX_START));
	ended(1, STATE_DONE, NULL, 2.0);
	struct pending finish = take(REQ_MULTI, NODE_RESULT);
	ck_assert_ptr_nonnull(op_of(&finish.request, OP_DELETE, NODE_RETRY));
}
END_TEST

/* Nothing exclusive starts when the lease is too old; a proof is sent, then it starts. The idle worker sends nothing. */
START_TEST(lease_is_renewed_before_a_start)
{
	register_first();
	tick(LOST_AFTER);
	ck_assert_int_eq(pending_count, 0);
	ck_assert_int_eq(plan->wake_ms, NEVER);
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 1) };
	folder_changed();
	answer_list(NODE_FOLDER, children, 2);
	ck_assert_ptr_nonnull(effect(FX_PING));		/* a runner that hangs must lose its lease */
	answer_class(MODE_EXCLUSIVE);
	answer_task("{}");
	ck_assert_ptr_null(effect(FX_START));
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_LIVE), 0);
	simple(EV_RUNNER_PONG);
	int64_t sent_ms = now;
	now += 3;
	answer(REQ_MULTI, NODE_LIVE, RC_OK);
	ck_assert_int_eq(effect(FX_LEASE)->lease.kill_by_ms, lease_kill_by(sent_ms, LOST_AFTER));
	ck_assert_ptr_nonnull(effect(FX_START));
	/* While it runs, a proof each interval. */
	ck_assert_int_le(plan->wake_ms, sent_ms + lease_interval(LOST_AFTER));
	tick(lease_interval(LOST_AFTER));
	simple(EV_RUNNER_PONG);
	ck_assert_int_ge(open_request(REQ_MULTI, NODE_LIVE), 0);
}
END_TEST

START_TEST(orders)
{
	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 1), claim(2, "bbbbbbbbbbbb", 5, 1),
	    claim(3, "cccccccccccc", 5, 1), claim(4, "dddddddddddd", 5, 1), node_order("w1", "aaaaaaaa", 1, VERB_KILL),
	    node_order("w1", "aaaaaaaa", 3, VERB_KILL), node_order("w1", "aaaaaaaa", 4, VERB_RELEASE),
	    node_order("w1", "aaaaaaaa", 9, VERB_KILL) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 5);
	answer_class(MODE_EXCLUSIVE);
	for (int i = 0; i < 4; i++)
		answer_task("{}");
	folder_changed();
	answer_list(NODE_FOLDER, children, 9);
	/* Running: stopped with the grace of the task. */
	ck_assert_uint_eq(effect(FX_KILL)->kill.n, 1);
	ck_assert_int_eq(effect(FX_KILL)->kill.state, STATE_CANCELLED);
	ck_assert_int_lt(effect(FX_KILL)->kill.grace_ms, 0);
	/* Unstarted: 3 ends as cancelled, 4 goes back, the orphan of 9 goes away, in one multi. */
	struct pending out = take(REQ_MULTI, NODE_RESULT);
	int claims = 0, order_count = 0;
	for (int i = 0; i < out.request.op_count; i++) {
		claims += out.request.ops[i].node.kind == NODE_CLAIM;
		order_count += out.request.ops[i].node.kind == NODE_ORDER;
	}
	ck_assert_int_eq(claims, 2);
	ck_assert_int_eq(order_count, 3);
	ck_assert_int_eq(op_of(&out.request, OP_CREATE, NODE_RESULT)->record.result.outcome.state, STATE_CANCELLED);
	const struct rec_report *report = &op_of(&out.request, OP_SET, NODE_FOLDER)->record.report;
	ck_assert_uint_eq(report->returned_total, 1);
	ck_assert_uint_eq(report->returned_last[0], 4);
}
END_TEST

/* SIGTERM: what has not started goes back, what runs finishes, then the worker leaves. */
START_TEST(drains)
{
	register_first();
	struct node children[] = { live(1), claim(1, "aaaaaaaaaaaa", 5, 1), claim(2, "bbbbbbbbbbbb", 5, 1),
	    claim(3, "cccccccccccc", 5, 1) };

	folder_changed();
	answer_list(NODE_FOLDER, children, 4);
	answer_class(MODE_EXCLUSIVE);
	for (int i = 0; i < 3; i++)
		answer_task("{}");
	simple(EV_STOP);
	struct pending out = take(REQ_MULTI, NODE_CLAIM);
	ck_assert_ptr_null(op_of(&out.request, OP_DELETE, NODE_TASK));
	ck_assert(op_of(&out.request, OP_SET, NODE_FOLDER)->record.report.draining);
	struct event event = reply_to(&out, RC_OK);
	step(&event);
	ended(1, STATE_DONE, NULL, 2.0);
	answer(REQ_MULTI, NODE_RESULT, RC_OK);
	/* The deadline: the other is stopped and given back, not failed. */
	tick(60000);
	ck_assert_ptr_nonnull(effect(FX_KILL));
	ended(2, STATE_LOST, "drain", 60.0);
	struct pending back = take(REQ_MULTI, NODE_CLAIM);
	ck_assert_ptr_null(op_of(&back.request, OP_CREATE, NODE_RESULT));
	event = reply_to(&back, RC_OK);
	step(&event);
	while (open_request(REQ_MULTI, NODE_WORKER) < 0) {
		int renewal = open_request(REQ_MULTI, NODE_LIVE);
		if (renewal >= 0)
			answer(REQ_MULTI, NODE_LIVE, RC_OK);
		else if (open_request(REQ_LIST, NODE_FOLDER) >= 0)
			answer_list(NODE_FOLDER, children, 1);
		else
			tick(100);
	}
	ck_assert_ptr_null(effect(FX_EXIT));
	struct pending leave = take(REQ_MULTI, NODE_WORKER);
	ck_assert_ptr_nonnull(op_of(&leave.request, OP_DELETE, NODE_LIVE));
	event = reply_to(&leave, RC_OK);
	step(&event);
	answer_list(NODE_FOLDER, NULL, 0);
	ck_assert_int_eq(effect(FX_EXIT)->exit_code, 0);
}
END_TEST

/* A restarted coordinator finds its runner's attempts again: one still runs, one has ended meanwhile. */
START_TEST(restarted_coordinator)
{
	struct held_attempt held[2] = { { .claim = claim(1, "aaaaaaaaaaaa", 5, 1) },
	    { .claim = claim(2, "bbbbbbbbbbbb", 5, 1), .ended = true } };

	held[1].outcome = (struct outcome){ .state = STATE_FAILED, .has_exit = true, .exit_code = 3, .started_wall_ms = 1 };
	hello_of(held, 2, 4);
	connect_session(SESSION, true);
	struct record record = { .kind = REC_REPORT };
	record.report = (struct rec_report){ .lost_after_ms = LOST_AFTER, .r = 4, .returned_total = 7 };
	answer_record(NODE_FOLDER, &record, 12, 0);
	record = (struct record){ .kind = REC_WORKER };
	strcpy(record.worker.inc, "aaaaaaaa");
	record.worker.r = 4;
	record.worker.process = (struct process_id){ "h1", "boot1", 90, 900 };
	answer_record(NODE_WORKER, &record, 0, SESSION - 1);
	struct pending reg = take(REQ_MULTI, NODE_WORKER);
	ck_assert_uint_eq(op_of(&reg.request, OP_DELETE, NODE_LIVE)->node.r, 4);
	ck_assert_uint_eq(op_of(&reg.request, OP_CREATE, NODE_LIVE)->node.r, 5);
	ck_assert_ptr_nonnull(op_of(&reg.request, OP_DELETE, NODE_WORKER));
	ck_assert_uint_eq(op_of(&reg.request, OP_SET, NODE_FOLDER)->record.report.returned_total, 7);
	struct event event = reply_to(&reg, RC_OK);
	step(&event);
	struct node children[] = { live(5), held[0].claim, held[1].claim };
	answer_list(NODE_FOLDER, children, 3);
	answer_class(MODE_EXCLUSIVE);
	answer_task("{}");
	answer_task("{}");
	ck_assert_ptr_null(effect(FX_KILL));
	ck_assert_ptr_null(effect(FX_START));
	struct pending finish = take(REQ_MULTI, NODE_RESULT);
	ck_assert_int_eq(op_of(&finish.request, OP_CREATE, NODE_RESULT)->record.result.outcome.exit_code, 3);
	ck_assert_str_eq(op_of(&finish.request, OP_CREATE, NODE_RESULT)->record.result.name, "label");
}
END_TEST

static void
probed(bool dead)
{
	struct event event = { .kind = EV_PROBED };

	ck_assert_ptr_nonnull(effect(FX_PROBE));
	event.probed.arg = effect(FX_PROBE)->probe.arg;
	event.probed.dead = dead;
	step(&event);
}

/* An earlier life of this worker is dead: its name is taken over and its claims are given back. */
START_TEST(dead_life)
{
	struct record holder = { .kind = REC_WORKER }, report = { .kind = REC_REPORT };

	strcpy(holder.worker.inc, "bbbbbbbb");
	holder.worker.r = 2;
	holder.worker.process = (struct process_id){ "h1", "boot1", 90, 900 };
	report.report = (struct rec_report){ .lost_after_ms = LOST_AFTER, .r = 2, .process = { "h1", "boot1", 89, 899 } };
	hello_of(NULL, 0, 0);
	connect_session(SESSION, true);
	answer(REQ_GET, NODE_FOLDER, RC_NONODE);
	answer_record(NODE_WORKER, &holder, 0, SESSION - 1);
	answer_record(NODE_FOLDER, &report, 3, 0);
	ck_assert_int_eq(effect(FX_PROBE)->probe.process.pid, 89);	/* the runner: its life is the incarnation's */
	probed(true);
	struct pending reg = take(REQ_MULTI, NODE_WORKER);
	ck_assert_str_eq(op_of(&reg.request, OP_DELETE, NODE_LIVE)->node.inc, "bbbbbbbb");
	struct event event = reply_to(&reg, RC_OK);
	step(&event);
	struct node own[] = { live(1) };
	answer_list(NODE_FOLDER, own, 1);
	struct node lives[] = { node_folder("w1", "aaaaaaaa"), node_folder("w1", "bbbbbbbb"), node_folder("w2", "cccccccc") };
	answer_list(NODE_ASSIGN, lives, 3);
	answer_record(NODE_FOLDER, &report, 3, 0);
	probed(true);
	ck_assert_str_eq(effect(FX_SWEEP)->sweep.inc, "bbbbbbbb");
	event = (struct event){ .kind = EV_SWEPT };
	strcpy(event.swept.inc, "bbbbbbbb");
	step(&event);
	struct node old[] = { claim(6, "aaaaaaaaaaaa", 5, 1), claim(7, "bbbbbbbbbbbb", 5, 2) };
	answer_list(NODE_FOLDER, old, 2);
	struct pending one = take(REQ_EXISTS, NODE_CLAIM), two = take(REQ_EXISTS, NODE_CLAIM);
	event = reply_to(&one, RC_OK);
	step(&event);
	event = reply_to(&two, RC_OK);
	event.reply.stat.version = 1;	/* was marked as started */
	step(&event);
	struct record retry = { .kind = REC_RETRY };
	retry.retry = (struct rec_retry){ .runs = 1, .crashes = 2, .suspect = true };
	answer_record(NODE_RETRY, &retry, 0, 0);
	answer_class(MODE_EXCLUSIVE);
	struct pending back = take(REQ_MULTI, NODE_RETRY);
	ck_assert_str_eq(back.request.ops[0].node.inc, "aaaaaaaa");
	const struct rec_retry *first = &op_of(&back.request, OP_CREATE, NODE_RETRY)->record.retry;
	ck_assert_uint_eq(first->runs, 1);
	ck_assert_uint_eq(first->crashes, 0);
	ck_assert(!first->suspect);	/* its first loss */
	const struct rec_retry *second = &op_of(&back.request, OP_SET, NODE_RETRY)->record.retry;
	ck_assert_uint_eq(second->runs, 2);
	ck_assert_uint_eq(second->crashes, 3);
	ck_assert(second->suspect);
	const struct op *set = op_of(&back.request, OP_SET, NODE_FOLDER);
	ck_assert_str_eq(set->node.inc, "bbbbbbbb");
	ck_assert_int_eq(set->version, 3);
	ck_assert_uint_eq(set->record.report.returned_total, 2);
	ck_assert(set->record.report.draining);
}
END_TEST

/* A host name with another boot id may be another machine of that name: its worker is not taken for dead, and
 * its claims are not given back. */
START_TEST(namesake_machine)
{
	struct record holder = { .kind = REC_WORKER }, report = { .kind = REC_REPORT };

	strcpy(holder.worker.inc, "bbbbbbbb");
	holder.worker.r = 2;
	holder.worker.process = (struct process_id){ "h1", "boot9", 90, 900 };
	report.report = (struct rec_report){ .lost_after_ms = LOST_AFTER, .r = 2, .process = { "h1", "boot9", 89, 899 } };
	hello_of(NULL, 0, 0);
	connect_session(SESSION, true);
	answer(REQ_GET, NODE_FOLDER, RC_NONODE);
	answer_record(NODE_WORKER, &holder, 0, SESSION - 1);
	ck_assert_int_eq(effect(FX_NOTE)->note.level, NOTE_ERROR);
	ck_assert_int_lt(open_request(REQ_MULTI, NODE_WORKER), 0);
	ck_assert_int_lt(open_request(REQ_GET, NODE_FOLDER), 0);
	struct event event = { .kind = EV_WATCH };
	event.watch.kind = WATCH_DELETED;
	event.watch.node = node_of_worker(NODE_WORKER, "w1");
	step(&event);
	answer(REQ_GET, NODE_FOLDER, RC_NONODE);
	answer(REQ_GET, NODE_WORKER, RC_NONODE);
	answer(REQ_MULTI, NODE_WORKER, RC_OK);
	struct node own[] = { live(1) };
	answer_list(NODE_FOLDER, own, 1);
	struct node lives[] = { node_folder("w1", "aaaaaaaa"), node_folder("w1", "bbbbbbbb") };
	answer_list(NODE_ASSIGN, lives, 2);
	answer_record(NODE_FOLDER, &report, 3, 0);
	ck_assert_ptr_null(effect(FX_PROBE));
	ck_assert_ptr_null(effect(FX_SWEEP));
	ck_assert_int_lt(open_request(REQ_LIST, NODE_FOLDER), 0);
}
END_TEST

/* Another worker has the name: said once, and waited for. */
START_TEST(name_is_taken)
{
	struct record holder = { .kind = REC_WORKER };

	strcpy(holder.worker.inc, "bbbbbbbb");
	holder.worker.r = 2;
	holder.worker.process = (struct process_id){ "h2", "boot9", 90, 900 };
	hello_of(NULL, 0, 0);
	connect_session(SESSION, true);
	answer(REQ_GET, NODE_FOLDER, RC_NONODE);
	answer_record(NODE_WORKER, &holder, 0, 5);
	ck_assert_int_eq(effect(FX_NOTE)->note.level, NOTE_ERROR);
	ck_assert_ptr_nonnull(strstr(effect(FX_NOTE)->note.text, "--name"));
	ck_assert_ptr_null(effect(FX_PROBE));
	struct event event = { .kind = EV_WATCH };
	event.watch.kind = WATCH_DELETED;
	event.watch.node = node_of_worker(NODE_WORKER, "w1");
	step(&event);
	answer(REQ_GET, NODE_FOLDER, RC_NONODE);
	answer(REQ_GET, NODE_WORKER, RC_NONODE);
	ck_assert_int_ge(open_request(REQ_MULTI, NODE_WORKER), 0);
}
END_TEST

/* A second SIGTERM while ZooKeeper is away: it does not wait for ever. */
START_TEST(stops_without_zookeeper)
{
	register_first();
	run_one(1, "aaaaaaaaaaaa");
	simple(EV_DISCONNECTED);
	simple(EV_STOP);
	tick(20000);
	ck_assert_ptr_null(effect(FX_EXIT));	/* the attempt may still end well */
	simple(EV_STOP);
	ck_assert_int_eq(effect(FX_KILL)->kill.grace_ms, 0);
	ck_assert_int_le(plan->wake_ms, now + 10000);
	tick(10000);
	ck_assert_ptr_nonnull(effect(FX_EXIT));
}
END_TEST

/* One claim of each kind, an attempt of an earlier coordinator, an order, a drain. */
static void
long_story(void)
{
	struct held_attempt held = { .claim = claim(1, "aaaaaaaaaaaa", 5, 1) };
	struct rec_task tasks[1] = { { .text = "{}", .len = 2, .name = "item" } };
	struct record record = { .kind = REC_RETRY };

	hello_of(&held, 1, 0);
	connect_session(SESSION, true);
	answer(REQ_GET, NODE_FOLDER, RC_NONODE);
	answer(REQ_GET, NODE_WORKER, RC_NONODE);
	answer(REQ_MULTI, NODE_WORKER, RC_OK);
	struct node children[] = { live(1), held.claim, claim(2, "bbbbbbbbbbbb", 5, 2), claim(3, "cccccccccccc", 5, 1),
	    claim(4, "ddddddddddddx0", 4, 1), node_order("w1", "aaaaaaaa", 3, VERB_KILL) };
	answer_list(NODE_FOLDER, children, 6);
	answer_list(NODE_ASSIGN, NULL, 0);
	answer_class(MODE_EXCLUSIVE);
	answer_record(NODE_RETRY, &record, 0, 0);
	answer_task("{}");
	answer_task("{}");
	answer_task("{}");
	record = (struct record){ .kind = REC_BATCH };
	record.batch.tasks = tasks;
	record.batch.count = 1;
	answer_record(NODE_BATCH, &record, 0, 0);
	answer(REQ_MULTI, NODE_RESULT, RC_OK);
	ended(1, STATE_FAILED, "why", 1.0);
	ended(2, STATE_DONE, NULL, 1.0);
	simple(EV_STOP);
}

/* False when memory ran out on the way. */
static bool
story_with_failure(long at)
{
	allocations = 0;
	fail_at = at;
	if (setjmp(ran_out) != 0 || !make_worker())
		return false;
	long_story();
	return true;
}

START_TEST(memory_runs_out)
{
	long at = 0;
	bool through = false;

	tear_down();
	while (!through) {
		through = story_with_failure(++at);
		fail_at = 0;
		/* Every failure is told, and whatever is there can be freed. */
		ck_assert(!through || allocations < at);
		tear_down();
		ck_assert_int_lt(at, 5000);
	}
	ck_assert_int_gt(at, 40);
	set_up();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, registers_starts_finishes);
	tcase_add_test(tests, lost_finish_that_was_applied);
	tcase_add_test(tests, lost_finish_that_was_not_applied);
	tcase_add_test(tests, session_lost_and_claim_revoked);
	tcase_add_test(tests, what_a_finish_answers_to_each_code);
	tcase_add_test(tests, failed_results_carry_their_task);
	tcase_add_test(tests, a_run_given_back_is_recorded);
	tcase_add_test(tests, strangers_below_a_task);
	tcase_add_test(tests, second_coordinator);
	tcase_add_test(tests, starts_by_priority);
	tcase_add_test(tests, gaps_are_returned);
	tcase_add_test(tests, gap_between_leaders);
	tcase_add_test(tests, batch_is_read_once);
	tcase_add_test(tests, suspect_is_marked_first);
	tcase_add_test(tests, mark_is_refused);
	tcase_add_test(tests, read_is_refused);
	tcase_add_test(tests, lease_is_renewed_before_a_start);
	tcase_add_test(tests, orders);
	tcase_add_test(tests, drains);
	tcase_add_test(tests, restarted_coordinator);
	tcase_add_test(tests, claim_deleted_by_hand);
	tcase_add_test(tests, late_listing);
	tcase_add_test(tests, dead_life);
	tcase_add_test(tests, namesake_machine);
	tcase_add_test(tests, name_is_taken);
	tcase_add_test(tests, stops_without_zookeeper);
	tcase_add_test(tests, memory_runs_out);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
