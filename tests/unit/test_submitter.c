/* The submitter's step function: events in, plans out. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/submitter.h"

static struct submitter *s;
static struct plan plan;
static int64_t now = 1000;
static int next_effect;	/* effects before it have been looked at */

static void
setup(void)
{
	s = submitter_new(42);
	ck_assert_ptr_nonnull(s);
	now = 1000;
}

static void
teardown(void)
{
	submitter_free(s);
	plan_free(&plan);
}

static void
step(struct event *event)
{
	plan_reset(&plan);
	next_effect = 0;
	event->now_ms = now;
	event->wall_ms = 1700000000000;
	submitter_step(s, event, &plan);
	ck_assert(!plan.failed);
}

static void
connect_session(int64_t id, bool fresh)
{
	struct event event = { .kind = EV_CONNECTED, .session = { .id = id, .timeout_ms = 10000, .fresh = fresh } };

	step(&event);
}

static void
simple(enum event_kind kind)
{
	struct event event = { .kind = kind };

	step(&event);
}

/* The next request of the plan, which must be of this kind. A copy: its strings live until the next step. */
static struct request
want(enum request_kind kind, enum node_kind node)
{
	while (next_effect < plan.count && plan.effects[next_effect].kind == FX_NOTE)
		next_effect++;
	ck_assert_int_lt(next_effect, plan.count);
	struct effect *effect = &plan.effects[next_effect++];
	ck_assert_int_eq(effect->kind, FX_REQUEST);
	ck_assert_int_eq(effect->request.kind, kind);
	if (kind != REQ_MULTI)
		ck_assert_int_eq(effect->request.node.kind, node);
	return effect->request;
}

static const struct answer *
want_answer(enum answer_kind kind, uint64_t call_id, int index)
{
	while (next_effect < plan.count && plan.effects[next_effect].kind == FX_NOTE)
		next_effect++;
	ck_assert_int_lt(next_effect, plan.count);
	struct effect *effect = &plan.effects[next_effect++];
	ck_assert_int_eq(effect->kind, FX_ANSWER);
	ck_assert_int_eq(effect->answer->kind, kind);
	ck_assert_uint_eq(effect->answer->call_id, call_id);
	ck_assert_int_eq(effect->answer->index, index);
	return effect->answer;
}

static void
want_end(void)
{
	while (next_effect < plan.count && plan.effects[next_effect].kind == FX_NOTE)
		next_effect++;
	ck_assert_int_eq(next_effect, plan.count);
}

static struct event
reply_to(const struct request *request, enum rc rc)
{
	struct event event = { .kind = EV_REPLY, .reply = { .tag = request->tag, .arg = request->arg,
		.kind = request->kind, .rc = rc, .node = request->node, .failed_op = -1, .took_ms = 1 } };

	return event;
}

static void
answer_rc(const struct request *request, enum rc rc)
{
	struct event event = reply_to(request, rc);

	step(&event);
}

static void
fail_op(const struct request *request, int op, enum rc rc)
{
	struct event event = reply_to(request, rc);

	event.reply.failed_op = op;
	step(&event);
}

static void
answer_version(const struct request *request, int version)
{
	struct event event = reply_to(request, RC_OK);

	event.reply.stat.version = version;
	step(&event);
}

static void
answer_tail(const struct request *request, uint32_t tail)
{
	struct event event = reply_to(request, RC_OK);

	event.reply.record = (struct record){ .kind = REC_TAIL, .tail.tail = tail };
	step(&event);
}

static void
answer_queue(const struct request *request, int64_t waiting_max)
{
	struct event event = reply_to(request, RC_OK);

	event.reply.record = (struct record){ .kind = REC_QUEUE, .queue.waiting_max = waiting_max };
	step(&event);
}

static void
answer_children(const struct request *request, const struct node *children, int count)
{
	struct event event = reply_to(request, RC_OK);

	event.reply.children = children;
	event.reply.child_count = count;
	step(&event);
}

static void
answer_result(const struct request *request)
{
	struct event event = reply_to(request, RC_OK);

	event.reply.record = (struct record){ .kind = REC_RESULT, .result = { .outcome = { .state = STATE_FAILED,
		.has_exit = true, .exit_code = 3 } } };
	step(&event);
}

/* The multi went through; its tasks got sequence numbers from seq on. */
static void
accept_multi(struct request *request, uint32_t seq)
{
	struct op_result results[600];
	struct event event = reply_to(request, RC_OK);

	memset(results, 0, sizeof results);
	for (int i = 0; i < request->op_count; i++) {
		results[i].created = request->ops[i].node;
		results[i].created.task.seq = seq++;
	}
	event.reply.results = results;
	event.reply.result_count = request->op_count;
	/* The ops lie in the plan that the step empties; what we hand over is a copy. */
	step(&event);
}

static char token[TOKEN_MAX + 1];

/* Remembers the token of the last task of a multi, whose plan is about to go. */
static void
keep_token(const struct request *multi)
{
	memcpy(token, multi->ops[multi->op_count - 1].node.task.token, sizeof token);
}

#define CLASS_TEXT "{\"v\":1}"

static void
call_submit_key(uint64_t id, int count, bool batch, const char *key)
{
	static struct submit_task tasks[1000];

	for (int i = 0; i < count; i++)
		tasks[i] = (struct submit_task){ .text = "{\"argv\":[\"true\"]}", .len = 17, .priority = 5,
		    .class_hash = 7,
			.class_text = CLASS_TEXT, .key = key, .idempotency_hash = key ? 99 : 0 };
	struct call call = { .kind = CALL_SUBMIT, .id = id,
		.submit = { .queue = "default", .tasks = tasks, .count = count, .batch = batch } };
	struct event event = { .kind = EV_CALL, .call = &call };

	step(&event);
}

static void
call_submit(uint64_t id, int count, bool batch)
{
	call_submit_key(id, count, batch, NULL);
}

static void
call_ids(enum call_kind kind, uint64_t id, const struct task_id *ids, int count)
{
	struct call call = { .kind = kind, .id = id, .ids = { .ids = ids, .count = count } };
	struct event event = { .kind = EV_CALL, .call = &call };

	step(&event);
}

/* Reads the tail and brings the lane to the sending of its first multi, which is then in the plan. */
static void
read_tail(uint32_t tail)
{
	struct request tail_get = want(REQ_GET, NODE_TASKS), conf = want(REQ_GET, NODE_QUEUE);
	struct request segments = want(REQ_LIST, NODE_TASKS);

	want_end();
	answer_tail(&tail_get, tail);
	answer_queue(&conf, 200000);
	answer_children(&segments, NULL, 0);
}

static void
reread_tail(uint32_t tail)
{
	struct request sync = want(REQ_SYNC, NODE_TASKS), tail_get = want(REQ_GET, NODE_TASKS);
	struct request conf = want(REQ_GET, NODE_QUEUE);

	want_end();
	answer_rc(&sync, RC_OK);
	answer_tail(&tail_get, tail);
	answer_queue(&conf, 200000);
}

static struct request
first_multi(int count, bool batch)
{
	connect_session(1, true);
	call_submit(10, count, batch);
	read_tail(4);
	return want(REQ_MULTI, 0);
}

START_TEST(one_task)
{
	struct request multi = first_multi(1, false);

	want_end();
	ck_assert_int_eq(multi.op_count, 3);
	ck_assert_int_eq(multi.ops[0].kind, OP_CHECK);
	ck_assert_int_eq(multi.ops[0].node.kind, NODE_SEGMENT);
	ck_assert_uint_eq(multi.ops[0].node.seg, 4);
	ck_assert_int_eq(multi.ops[0].version, 0);
	ck_assert_int_eq(multi.ops[1].kind, OP_CHECK);
	ck_assert_int_eq(multi.ops[1].node.kind, NODE_CLASS);
	ck_assert_uint_eq(multi.ops[1].node.hash, 7);
	ck_assert_int_eq(multi.ops[2].kind, OP_CREATE);
	ck_assert_int_eq(multi.ops[2].flags, CREATE_SEQUENCE);
	ck_assert_int_eq(multi.ops[2].record.kind, REC_BYTES);
	ck_assert_int_eq(multi.ops[2].record.bytes.len, 17);
	ck_assert_int_eq(strlen(multi.ops[2].node.task.token), TOKEN_LEN);
	accept_multi(&multi, 3);
	const struct answer *answer = want_answer(ANSWER_SUBMITTED, 10, 0);
	ck_assert_str_eq(answer->task_id.queue, "default");
	ck_assert_uint_eq(answer->task_id.seg, 4);
	ck_assert_int_eq(strlen(answer->task_id.token), TOKEN_LEN);
	want_end();
	/* The tail is known now: one request for the next. */
	call_submit(11, 1, false);
	multi = want(REQ_MULTI, 0);
	want_end();
}
END_TEST

START_TEST(batches)
{
	struct request multi = first_multi(600, true), second = want(REQ_MULTI, 0);
	struct node node;

	want_end();	/* two in flight, no more */
	ck_assert_int_eq(multi.op_count, 2 + 1 + 250);
	ck_assert_int_eq(second.op_count, 2 + 1 + 250);
	ck_assert_int_eq(multi.ops[2].node.kind, NODE_BATCH);
	ck_assert_int_eq(multi.ops[2].record.kind, REC_BATCH);
	ck_assert_int_eq(multi.ops[2].record.batch.count, 250);
	node = multi.ops[3 + 17].node;
	char batch[TOKEN_LEN + 1];
	uint32_t index;
	ck_assert(token_is_batch(node.task.token, batch, &index));
	ck_assert_str_eq(batch, multi.ops[2].node.batch);
	ck_assert_uint_eq(index, 17);
	ck_assert_int_eq(multi.ops[3 + 17].record.kind, REC_NONE);
	accept_multi(&multi, 0);
	for (int i = 0; i < 250; i++)
		want_answer(ANSWER_SUBMITTED, 10, i);
	multi = want(REQ_MULTI, 0);
	ck_assert_int_eq(multi.op_count, 2 + 1 + 100);
	want_end();
}
END_TEST

START_TEST(singles_share_a_multi)
{
	connect_session(1, true);
	call_submit(10, 1, false);
	struct request tail_get = want(REQ_GET, NODE_TASKS), conf = want(REQ_GET, NODE_QUEUE);
	struct request segments = want(REQ_LIST, NODE_TASKS);
	call_submit(11, 3, false);
	ck_assert_int_eq(plan.count, 0);
	answer_tail(&tail_get, 4);
	answer_queue(&conf, 200000);
	answer_children(&segments, NULL, 0);
	struct request multi = want(REQ_MULTI, 0);
	ck_assert_int_eq(multi.op_count, 2 + 4);
	accept_multi(&multi, 0);
	want_answer(ANSWER_SUBMITTED, 10, 0);
	for (int i = 0; i < 3; i++)
		want_answer(ANSWER_SUBMITTED, 11, i);
	want_end();
}
END_TEST

START_TEST(class_registered)
{
	struct request multi = first_multi(1, false);

	fail_op(&multi, 1, RC_NONODE);
	struct request room = want(REQ_EXISTS, NODE_CLASSES);
	want_end();
	answer_version(&room, 0);
	struct request create = want(REQ_MULTI, 0);
	want_end();
	ck_assert_int_eq(create.op_count, 1);
	ck_assert_int_eq(create.ops[0].node.kind, NODE_CLASS);
	ck_assert_str_eq(create.ops[0].record.class.text, CLASS_TEXT);
	fail_op(&create, 0, RC_NODEEXISTS);
	struct request get = want(REQ_GET, NODE_CLASS);
	struct event event = reply_to(&get, RC_OK);
	event.reply.record = (struct record){ .kind = REC_CLASS, .class = { .hash = 7, .text = CLASS_TEXT } };
	step(&event);
	multi = want(REQ_MULTI, 0);
	want_end();
	/* The same again, but it is another class with this hash. */
	fail_op(&multi, 1, RC_NONODE);
	room = want(REQ_EXISTS, NODE_CLASSES);
	answer_version(&room, 0);
	create = want(REQ_MULTI, 0);
	fail_op(&create, 0, RC_NODEEXISTS);
	get = want(REQ_GET, NODE_CLASS);
	event = reply_to(&get, RC_OK);
	event.reply.record = (struct record){ .kind = REC_CLASS, .class = { .hash = 7, .text = "{\"v\":2}" } };
	step(&event);
	ck_assert_int_eq(want_answer(ANSWER_REFUSED, 10, 0)->code, REFUSED_OTHER);
}
END_TEST

/* A refusal that no rule foresees (a quota, a server that sheds load) is told; it is not asked for again and again. */
START_TEST(class_refused)
{
	struct request multi = first_multi(1, false);

	fail_op(&multi, 1, RC_NONODE);
	struct request room = want(REQ_EXISTS, NODE_CLASSES);
	answer_rc(&room, RC_OK);
	struct request create = want(REQ_MULTI, 0);
	fail_op(&create, 0, RC_OTHER);
	ck_assert_int_eq(want_answer(ANSWER_REFUSED, 10, 0)->code, REFUSED_OTHER);
	want_end();
}
END_TEST

START_TEST(key_folder_refused)
{
	connect_session(1, true);
	call_submit_key(10, 1, false, "mine");
	read_tail(4);
	struct request multi = want(REQ_MULTI, 0);
	fail_op(&multi, 2, RC_NONODE);
	struct request folder = want(REQ_MULTI, 0);
	fail_op(&folder, 0, RC_OTHER);
	ck_assert_int_eq(want_answer(ANSWER_REFUSED, 10, 0)->code, REFUSED_OTHER);
	want_end();
}
END_TEST

START_TEST(odd_answers_are_not_asked_for_at_once)
{
	struct task_id id = { .queue = "default", .seg = 4, .token = "aaaaaaaaaaaa" };

	connect_session(1, true);
	call_ids(CALL_CANCEL, 10, &id, 1);
	struct request list = want(REQ_LIST, NODE_SEGMENT);
	answer_rc(&list, RC_OTHER);
	want_end();
	call_ids(CALL_WAIT, 11, &id, 1);
	want_end();
	now += 1000;
	struct event event = { .kind = EV_TICK };
	step(&event);
	struct request result = want(REQ_EXISTS, NODE_RESULT);
	answer_rc(&result, RC_OTHER);
	want_end();
}
END_TEST

START_TEST(rolls_when_full)
{
	struct request multi = first_multi(1, false);

	accept_multi(&multi, SEGMENT_SIZE);
	want_answer(ANSWER_SUBMITTED, 10, 0);
	struct request roll = want(REQ_MULTI, 0);
	want_end();
	ck_assert_int_eq(roll.op_count, 6);
	ck_assert_int_eq(roll.ops[0].kind, OP_SET);
	ck_assert_int_eq(roll.ops[0].version, 0);
	ck_assert_uint_eq(roll.ops[0].node.seg, 4);
	ck_assert_int_eq(roll.ops[1].node.kind, NODE_TASKS);
	ck_assert_uint_eq(roll.ops[1].record.tail.tail, 5);
	for (int i = 2; i < 6; i++)
		ck_assert_uint_eq(roll.ops[i].node.seg, 5);
	call_submit(11, 1, false);
	want_end();	/* not before the roll's answer */
	answer_rc(&roll, RC_OK);
	multi = want(REQ_MULTI, 0);
	ck_assert_uint_eq(multi.ops[0].node.seg, 5);
}
END_TEST

/* Two submitters roll at once: the second gets BADVERSION, reads the tail again and goes on there. */
START_TEST(late_roller)
{
	struct request multi = first_multi(1, false);

	accept_multi(&multi, SEGMENT_SIZE);
	want_answer(ANSWER_SUBMITTED, 10, 0);
	struct request roll = want(REQ_MULTI, 0);
	call_submit(11, 1, false);
	fail_op(&roll, 0, RC_BADVERSION);
	reread_tail(5);
	multi = want(REQ_MULTI, 0);
	ck_assert_uint_eq(multi.ops[0].node.seg, 5);
	accept_multi(&multi, 1);
	want_answer(ANSWER_SUBMITTED, 11, 0);
	want_end();
}
END_TEST

/* The segment was closed while two groups were on their way: both are sent again, in order. */
START_TEST(late_submitter)
{
	struct request a = first_multi(500, false), b = want(REQ_MULTI, 0);

	keep_token(&b);
	fail_op(&a, 0, RC_BADVERSION);
	struct request sync = want(REQ_SYNC, NODE_TASKS), tail_get = want(REQ_GET, NODE_TASKS);
	struct request conf = want(REQ_GET, NODE_QUEUE);
	fail_op(&b, 0, RC_BADVERSION);
	want_end();
	answer_rc(&sync, RC_OK);
	answer_tail(&tail_get, 5);
	answer_queue(&conf, 200000);
	a = want(REQ_MULTI, 0);
	b = want(REQ_MULTI, 0);
	want_end();
	ck_assert_uint_eq(b.ops[0].node.seg, 5);
	ck_assert_str_eq(b.ops[b.op_count - 1].node.task.token, token);
}
END_TEST

START_TEST(no_queue)
{
	connect_session(1, true);
	call_submit(10, 1, false);
	for (int round = 0; round < 2; round++) {	/* the second after a sync */
		if (round) {
			struct request sync = want(REQ_SYNC, NODE_TASKS);
			struct request a = want(REQ_GET, NODE_TASKS), b = want(REQ_GET, NODE_QUEUE),
			    c = want(REQ_LIST, NODE_TASKS);
			answer_rc(&sync, RC_OK);
			answer_rc(&a, RC_NONODE);
			answer_rc(&b, RC_NONODE);
			answer_rc(&c, RC_NONODE);
		} else {
			struct request a = want(REQ_GET, NODE_TASKS), b = want(REQ_GET, NODE_QUEUE),
			    c = want(REQ_LIST, NODE_TASKS);
			answer_rc(&a, RC_NONODE);
			answer_rc(&b, RC_NONODE);
			answer_rc(&c, RC_NONODE);
		}
	}
	struct request queue = want(REQ_EXISTS, NODE_QUEUE), root = want(REQ_EXISTS, NODE_ROOT);
	answer_rc(&queue, RC_NONODE);
	answer_rc(&root, _i ? RC_OK : RC_NONODE);
	ck_assert_int_eq(want_answer(ANSWER_REFUSED, 10, 0)->code, _i ? REFUSED_NOQUEUE : REFUSED_NOTREE);
	want_end();
}
END_TEST

/* 400 segments stand, at most 200,000 tasks; counted, they are only 400 long-running ones. */
START_TEST(queue_full)
{
	static struct node segments[400];

	for (int i = 0; i < 400; i++)
		segments[i] = node_of_segment(NODE_SEGMENT, "default", (uint32_t)i);
	connect_session(1, true);
	call_submit(10, 1, false);
	struct request a = want(REQ_GET, NODE_TASKS), b = want(REQ_GET, NODE_QUEUE), c = want(REQ_LIST, NODE_TASKS);
	answer_tail(&a, 399);
	answer_queue(&b, 200000);
	answer_children(&c, segments, 400);
	struct request count[400];
	for (int i = 0; i < 400; i++)
		count[i] = want(REQ_EXISTS, NODE_SEGMENT);
	want_end();
	for (int i = 0; i < 400; i++) {
		struct event event = reply_to(&count[i], RC_OK);

		event.reply.stat.children = _i ? 500 : 1;
		step(&event);
	}
	if (_i) {
		ck_assert_int_eq(want_answer(ANSWER_REFUSED, 10, 0)->code, REFUSED_FULL);
		call_submit(11, 1, false);
		ck_assert_int_eq(want_answer(ANSWER_REFUSED, 11, 0)->code, REFUSED_FULL);
		now += 2000;
		call_submit(12, 1, false);
		want(REQ_GET, NODE_TASKS);	/* looks again */
	} else {
		want(REQ_MULTI, 0);
	}
}
END_TEST

/* A small limit holds inside one segment, too: what we put there ourselves counts. */
START_TEST(small_queue)
{
	static const struct node segment = { .kind = NODE_SEGMENT, .queue = "default" };

	connect_session(1, true);
	call_submit(10, 10, false);
	struct request a = want(REQ_GET, NODE_TASKS), b = want(REQ_GET, NODE_QUEUE), c = want(REQ_LIST, NODE_TASKS);
	answer_tail(&a, 0);
	answer_queue(&b, 10);
	answer_children(&c, &segment, 1);
	struct request count = want(REQ_EXISTS, NODE_SEGMENT);
	answer_version(&count, 0);
	struct request multi = want(REQ_MULTI, 0);
	accept_multi(&multi, 0);
	for (int i = 0; i < 10; i++)
		want_answer(ANSWER_SUBMITTED, 10, i);
	call_submit(11, 1, false);
	want(REQ_GET, NODE_TASKS);	/* counts again */
}
END_TEST

/* ---- unknown outcomes ---- */

struct look {
	struct request sync, tasks, done, dead, tasks_again, done_again, folder;
};

static struct look
want_look(void)
{
	struct look look;

	look.sync = want(REQ_SYNC, NODE_TASKS);
	look.tasks = want(REQ_LIST, NODE_SEGMENT);
	look.done = want(REQ_EXISTS, NODE_RESULT);
	look.dead = want(REQ_EXISTS, NODE_DEAD);
	look.tasks_again = want(REQ_LIST, NODE_SEGMENT);
	look.done_again = want(REQ_EXISTS, NODE_RESULT);
	look.folder = want(REQ_EXISTS, NODE_DONE_SEG);
	want_end();
	return look;
}

static void
lose(const struct request *multi)
{
	keep_token(multi);
	simple(EV_DISCONNECTED);
	answer_rc(multi, RC_UNKNOWN);
	want_end();
}

START_TEST(unknown_found_in_tasks)
{
	struct request multi = first_multi(1, false);

	lose(&multi);
	connect_session(1, false);
	struct look look = want_look();
	struct task_name name = { .priority = 5, .class_hash = 7, .seq = 3 };
	memcpy(name.token, token, sizeof name.token);
	struct node task = node_task("default", 4, &name);
	answer_rc(&look.sync, RC_OK);
	answer_children(&look.tasks, &task, 1);
	answer_rc(&look.done, RC_NONODE);
	answer_rc(&look.dead, RC_NONODE);
	answer_children(&look.tasks_again, NULL, 0);
	answer_rc(&look.done_again, RC_NONODE);
	answer_version(&look.folder, 0);
	ck_assert_str_eq(want_answer(ANSWER_SUBMITTED, 10, 0)->task_id.token, token);
	want_end();
}
END_TEST

/* Not found: version 0 or 1 of done/<seg> = sent again by itself with the same token; 2 or gone = nobody knows. */
START_TEST(unknown_not_found)
{
	struct request multi = first_multi(1, false);

	lose(&multi);
	connect_session(1, false);
	struct look look = want_look();
	answer_rc(&look.sync, RC_OK);
	answer_rc(&look.tasks, RC_NONODE);
	answer_rc(&look.done, RC_NONODE);
	answer_rc(&look.dead, RC_NONODE);
	answer_rc(&look.tasks_again, RC_NONODE);
	answer_rc(&look.done_again, RC_NONODE);
	if (_i == 3)
		answer_rc(&look.folder, RC_NONODE);
	else
		answer_version(&look.folder, _i);
	if (_i <= 1) {
		multi = want(REQ_MULTI, 0);
		ck_assert_str_eq(multi.ops[2].node.task.token, token);
	} else {
		const struct answer *answer = want_answer(ANSWER_UNKNOWN, 10, 0);
		ck_assert_str_eq(answer->task_id.token, token);
		ck_assert_uint_eq(answer->task_id.seg, 4);
		ck_assert_ptr_nonnull(answer->text);
	}
	want_end();
}
END_TEST

/* The session is over and its request may still be on its way: the segment is closed before anything is believed. */
START_TEST(unknown_in_an_old_session)
{
	struct request multi = first_multi(1, false);

	lose(&multi);
	simple(EV_EXPIRED);
	connect_session(2, true);
	struct request close = want(REQ_MULTI, 0);
	want_end();
	ck_assert_int_eq(close.ops[0].kind, OP_SET);
	ck_assert_uint_eq(close.ops[0].node.seg, 4);
	if (_i == 0)
		answer_rc(&close, RC_OK);
	else if (_i == 1)
		fail_op(&close, 0, RC_BADVERSION);
	else
		fail_op(&close, 0, RC_NOAUTH);
	if (_i == 2) {
		want_end();
		ck_assert_int_eq(plan.wake_ms, now + 20000);
		now += 20000;
		simple(EV_TICK);
	}
	want_look();
}
END_TEST

/* While the outcome in the old segment is unknown nothing goes to another one. */
START_TEST(unknown_keeps_order)
{
	struct request a = first_multi(500, false), b = want(REQ_MULTI, 0);

	simple(EV_DISCONNECTED);
	answer_rc(&a, RC_UNKNOWN);
	answer_rc(&b, RC_UNKNOWN);
	connect_session(1, false);
	for (int i = 0; i < 14; i++)
		next_effect++;	/* two looks */
	want_end();
	call_submit(11, 1, false);
	struct request c = want(REQ_MULTI, 0);	/* to the same segment: allowed */
	ck_assert_uint_eq(c.ops[0].node.seg, 4);
	fail_op(&c, 0, RC_BADVERSION);
	reread_tail(5);
	want_end();
}
END_TEST

START_TEST(not_sent)
{
	struct request multi = first_multi(1, false);

	answer_rc(&multi, RC_NOTSENT);
	want_end();
	ck_assert_int_ne(plan.wake_ms, NEVER);
	now += 100;
	simple(EV_TICK);
	want(REQ_MULTI, 0);
}
END_TEST

START_TEST(forgotten)
{
	call_submit(10, 1, false);	/* before any session */
	want_end();
	struct call call = { .kind = CALL_FORGET, .id = 10 };
	struct event event = { .kind = EV_CALL, .call = &call };
	step(&event);
	ck_assert_int_eq(want_answer(ANSWER_REFUSED, 10, 0)->code, REFUSED_NOTSENT);
	want_end();
	struct request multi = first_multi(1, false);
	struct op ops[8];	/* the plan's do not outlive the next step */
	ck_assert_int_le(multi.op_count, 8);
	memcpy(ops, multi.ops, (size_t)multi.op_count * sizeof *ops);
	multi.ops = ops;
	step(&event);
	want_answer(ANSWER_UNKNOWN, 10, 0);
	accept_multi(&multi, 0);
	want_end();
}
END_TEST

/* ---- keys ---- */

START_TEST(key_exists)
{
	connect_session(1, true);
	call_submit_key(10, 1, false, "nightly");
	read_tail(4);
	struct request multi = want(REQ_MULTI, 0);
	ck_assert_int_eq(multi.op_count, 4);
	ck_assert_int_eq(multi.ops[2].node.kind, NODE_KEY);
	ck_assert_str_eq(multi.ops[2].record.key.key, "nightly");
	ck_assert_uint_eq(multi.ops[2].record.key.seg, 4);
	fail_op(&multi, 2, RC_NONODE);
	struct request dir = want(REQ_MULTI, 0);
	ck_assert_int_eq(dir.ops[0].node.kind, NODE_KEY_DIR);
	fail_op(&dir, 0, RC_NODEEXISTS);
	multi = want(REQ_MULTI, 0);
	fail_op(&multi, 2, RC_NODEEXISTS);
	struct request get = want(REQ_GET, NODE_KEY);
	struct event event = reply_to(&get, RC_OK);
	event.reply.record = (struct record){ .kind = REC_KEY, .key = { .seg = 2, .token = "abcdefghijkl",
		.key = _i ? "other" : "nightly" } };
	step(&event);
	if (_i) {
		ck_assert_int_eq(want_answer(ANSWER_REFUSED, 10, 0)->code, REFUSED_OTHER);
	} else {
		const struct answer *answer = want_answer(ANSWER_EXISTS, 10, 0);
		ck_assert_uint_eq(answer->task_id.seg, 2);
		ck_assert_str_eq(answer->task_id.token, "abcdefghijkl");
	}
}
END_TEST

START_TEST(key_decides_unknown)
{
	connect_session(1, true);
	call_submit_key(10, 1, false, "nightly");
	read_tail(4);
	struct request multi = want(REQ_MULTI, 0);
	lose(&multi);
	simple(EV_EXPIRED);
	connect_session(2, true);
	struct request sync = want(REQ_SYNC, NODE_TASKS), get = want(REQ_GET, NODE_KEY), done = want(REQ_EXISTS, NODE_DONE_SEG);
	want_end();
	answer_rc(&sync, RC_OK);
	if (_i) {
		answer_rc(&get, RC_NONODE);
		answer_rc(&done, _i == 1 ? RC_OK : RC_NONODE);
		if (_i == 1)
			want(REQ_MULTI, 0);
		else	/* the queue was deleted, and its keys with it */
			want_answer(ANSWER_UNKNOWN, 10, 0);
		return;
	}
	struct event event = reply_to(&get, RC_OK);
	event.reply.record = (struct record){ .kind = REC_KEY, .key = { .seg = 4, .key = "nightly" } };
	memcpy(event.reply.record.key.token, token, sizeof token);
	step(&event);
	want_answer(ANSWER_SUBMITTED, 10, 0);
}
END_TEST

/* ---- wait ---- */

static const struct task_id id = { "default", 4, "k3v9q7xa2m4t" };

START_TEST(wait_for_one)
{
	connect_session(1, true);
	call_ids(CALL_WAIT, 20, &id, 1);
	struct request done = want(REQ_EXISTS, NODE_RESULT), dead = want(REQ_LIST, NODE_DEAD_SEG);
	want_end();
	ck_assert(done.watch && dead.watch);
	answer_rc(&done, RC_NONODE);
	answer_children(&dead, NULL, 0);
	struct request sync = want(REQ_SYNC, NODE_SEGMENT), tasks = want(REQ_LIST, NODE_SEGMENT);
	want_end();
	answer_rc(&sync, RC_OK);
	struct task_name name = { .priority = 5, .token = "k3v9q7xa2m4t" };
	struct node task = node_task("default", 4, &name);
	answer_children(&tasks, &task, 1);
	want_end();
	struct event event = { .kind = EV_WATCH, .watch = { WATCH_CREATED, done.node } };
	step(&event);
	done = want(REQ_EXISTS, NODE_RESULT);
	answer_version(&done, 0);
	struct request get = want(REQ_GET, NODE_RESULT);
	want_end();
	answer_result(&get);
	const struct answer *answer = want_answer(ANSWER_RESULT, 20, 0);
	ck_assert_int_eq(answer->result.outcome.exit_code, 3);
	ck_assert(!answer->dead);
	want_end();
}
END_TEST

START_TEST(wait_for_no_task)
{
	connect_session(1, true);
	call_ids(CALL_WAIT, 20, &id, 1);
	struct request done = want(REQ_EXISTS, NODE_RESULT), dead = want(REQ_LIST, NODE_DEAD_SEG);
	answer_rc(&done, RC_NONODE);
	answer_children(&dead, NULL, 0);
	struct request sync = want(REQ_SYNC, NODE_SEGMENT), tasks = want(REQ_LIST, NODE_SEGMENT);
	answer_rc(&sync, RC_OK);
	answer_rc(&tasks, RC_NONODE);
	done = want(REQ_GET, NODE_RESULT);
	dead = want(REQ_GET, NODE_DEAD);
	want_end();
	answer_rc(&done, RC_NONODE);
	if (_i) {	/* it had just moved */
		answer_result(&dead);
		ck_assert(want_answer(ANSWER_RESULT, 20, 0)->dead);
	} else {
		answer_rc(&dead, RC_NONODE);
		want_answer(ANSWER_NOTASK, 20, 0);
	}
	want_end();
}
END_TEST

START_TEST(wait_for_many)
{
	static struct task_id ids[300];

	for (int i = 0; i < 300; i++) {
		ids[i] = id;
		ids[i].token[11] = (char)('a' + i % 26);
		ids[i].token[10] = (char)('a' + i / 26);
	}
	connect_session(1, true);
	call_ids(CALL_WAIT, 20, ids, 300);
	struct request done = want(REQ_LIST, NODE_DONE_SEG), dead = want(REQ_LIST, NODE_DEAD_SEG);
	want_end();
	struct node child = node_of_token(NODE_RESULT, "default", 4, ids[7].token);
	answer_children(&done, &child, 1);
	struct request get = want(REQ_GET, NODE_RESULT);
	want_end();
	answer_result(&get);
	want_answer(ANSWER_RESULT, 20, 7);
	answer_rc(&dead, RC_NONODE);	/* the folder is not there */
	want_end();
	now += 100;
	simple(EV_TICK);
	dead = want(REQ_EXISTS, NODE_DEAD_SEG);
	ck_assert(dead.watch);
	struct event event = { .kind = EV_WATCH, .watch = { WATCH_CHILDREN, done.node } };
	answer_rc(&dead, RC_NONODE);
	struct request sync = want(REQ_SYNC, NODE_SEGMENT);
	(void)sync;
	step(&event);
	want(REQ_LIST, NODE_DONE_SEG);
	want_end();
}
END_TEST

START_TEST(wait_over_a_new_session)
{
	connect_session(1, true);
	call_ids(CALL_WAIT, 20, &id, 1);
	struct request done = want(REQ_EXISTS, NODE_RESULT), dead = want(REQ_LIST, NODE_DEAD_SEG);
	answer_rc(&done, RC_NONODE);
	simple(EV_DISCONNECTED);
	answer_rc(&dead, RC_UNKNOWN);
	simple(EV_EXPIRED);
	now += 1000;
	connect_session(2, true);
	want(REQ_EXISTS, NODE_RESULT);
	want(REQ_LIST, NODE_DEAD_SEG);
	want_end();
}
END_TEST

/* ---- cancel ---- */

START_TEST(cancel_live)
{
	connect_session(1, true);
	call_ids(CALL_CANCEL, 30, &id, 1);
	struct request list = want(REQ_LIST, NODE_SEGMENT);
	struct task_name name = { .priority = 5, .token = "k3v9q7xa2m4t" };
	struct node task = node_task("default", 4, &name);
	answer_children(&list, &task, 1);
	struct request wish = want(REQ_MULTI, 0);
	ck_assert_int_eq(wish.ops[1].node.kind, NODE_CANCEL);
	fail_op(&wish, 1, RC_NONODE);
	struct request folder = want(REQ_MULTI, 0);
	ck_assert_int_eq(folder.ops[1].node.kind, NODE_CANCEL_SEG);
	fail_op(&folder, 1, RC_NODEEXISTS);
	wish = want(REQ_MULTI, 0);
	fail_op(&wish, 1, RC_NODEEXISTS);
	want_answer(ANSWER_REQUESTED, 30, 0);
	want_end();
}
END_TEST

START_TEST(cancel_ended)
{
	connect_session(1, true);
	call_ids(CALL_CANCEL, 30, &id, 1);
	struct request list = want(REQ_LIST, NODE_SEGMENT);
	answer_children(&list, NULL, 0);
	struct request done = want(REQ_GET, NODE_RESULT), dead = want(REQ_GET, NODE_DEAD);
	if (_i) {
		answer_result(&done);
		want_answer(ANSWER_RESULT, 30, 0);
		answer_rc(&dead, RC_NONODE);
		want_end();
		return;
	}
	answer_rc(&done, RC_NONODE);
	answer_rc(&dead, RC_NONODE);
	struct request sync = want(REQ_SYNC, NODE_SEGMENT);
	list = want(REQ_LIST, NODE_SEGMENT);
	answer_rc(&sync, RC_OK);
	answer_rc(&list, RC_NONODE);
	done = want(REQ_GET, NODE_RESULT);
	dead = want(REQ_GET, NODE_DEAD);
	answer_rc(&done, RC_NONODE);
	answer_rc(&dead, RC_NONODE);
	want_answer(ANSWER_NOTASK, 30, 0);
	want_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("submitter");
	TCase *tc = tcase_create("submitter");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_task);
	tcase_add_test(tc, batches);
	tcase_add_test(tc, singles_share_a_multi);
	tcase_add_test(tc, class_registered);
	tcase_add_test(tc, class_refused);
	tcase_add_test(tc, key_folder_refused);
	tcase_add_test(tc, odd_answers_are_not_asked_for_at_once);
	tcase_add_test(tc, rolls_when_full);
	tcase_add_test(tc, late_roller);
	tcase_add_test(tc, late_submitter);
	tcase_add_loop_test(tc, no_queue, 0, 2);
	tcase_add_loop_test(tc, queue_full, 0, 2);
	tcase_add_test(tc, small_queue);
	tcase_add_test(tc, unknown_found_in_tasks);
	tcase_add_loop_test(tc, unknown_not_found, 0, 4);
	tcase_add_loop_test(tc, unknown_in_an_old_session, 0, 3);
	tcase_add_test(tc, unknown_keeps_order);
	tcase_add_test(tc, not_sent);
	tcase_add_test(tc, forgotten);
	tcase_add_loop_test(tc, key_exists, 0, 2);
	tcase_add_loop_test(tc, key_decides_unknown, 0, 3);
	tcase_add_test(tc, wait_for_one);
	tcase_add_loop_test(tc, wait_for_no_task, 0, 2);
	tcase_add_test(tc, wait_for_many);
	tcase_add_test(tc, wait_over_a_new_session);
	tcase_add_test(tc, cancel_live);
	tcase_add_loop_test(tc, cancel_ended, 0, 2);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
