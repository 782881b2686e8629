/* The core's requests as paths and bytes, and raw replies as the core's. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/wire.h"

#define ROOT "/zkq"
#define UUID "0123456789abcdef0123456789abcdef"

static struct plan plan;
static struct arena arena;

static void
setup(void)
{
	memset(&arena, 0, sizeof arena);
	memset(&plan, 0, sizeof plan);
	plan_reset(&plan);
}

static void
teardown(void)
{
	arena_free(&arena);
	plan_free(&plan);
}

static const struct task_name task = { .priority = 5, .class_hash = 0xab, .token = "k3v9q7xa2m4t", .seq = 17 };

START_TEST(a_multi)
{
	struct record text = { .kind = REC_TASK, .task = { .text = "{\"noop\":true}", .len = 13 } };
	struct raw_request raw;
	struct request *multi = plan_multi(&plan, 7, 9);

	add_check(&plan, multi, node_of_segment(NODE_SEGMENT, "q", 0), 0);
	add_create(&plan, multi, node_task("q", 0, &task), CREATE_SEQUENCE, &text);
	add_set(&plan, multi, node_of_queue(NODE_TASKS, "q"), ANY_VERSION,
	    &(struct record){ .kind = REC_TAIL, .tail = { 1 } });
	add_delete(&plan, multi, node_task("q", 0, &task), 3);
	add_create(&plan, multi, node_live("w", "abcdefgh", 1), CREATE_EPHEMERAL, NULL);
	multi = &plan.effects[0].request;
	ck_assert_int_eq(wire_request(&arena, ROOT, multi, &raw), RC_OK);
	plan_free(&plan);	/* raw borrows nothing from it */
	ck_assert(raw.kind == REQ_MULTI && raw.op_count == 5);
	ck_assert_str_eq(raw.ops[0].path, "/zkq/queues/q/tasks/0");
	ck_assert(raw.ops[0].kind == OP_CHECK && raw.ops[0].version == 0);
	ck_assert_str_eq(raw.ops[1].path, "/zkq/queues/q/tasks/0/5.00000000000000ab.-.k3v9q7xa2m4t-");
	ck_assert_str_eq(raw.ops[1].data, "{\"noop\":true}");
	ck_assert(raw.ops[1].flags == CREATE_SEQUENCE && raw.ops[1].acl == NODE_TASK && raw.ops[1].len == 13);
	ck_assert_str_eq(raw.ops[2].data, "{\"v\":1,\"tail\":1}");
	ck_assert_int_eq(raw.ops[2].version, ANY_VERSION);
	ck_assert_str_eq(raw.ops[3].path, "/zkq/queues/q/tasks/0/5.00000000000000ab.-.k3v9q7xa2m4t-0000000017");
	ck_assert(raw.ops[4].flags == CREATE_EPHEMERAL && raw.ops[4].len == 0);
}
END_TEST

START_TEST(reads)
{
	struct raw_request raw;

	plan_get(&plan, 1, 2, node_of_queue(NODE_QUEUE, "q"), REC_QUEUE, true);
	plan_list(&plan, 1, 2, node_of_text(NODE_INBOX_TASK, "q", 0, "t 1"), false);
	ck_assert_int_eq(wire_request(&arena, ROOT, &plan.effects[0].request, &raw), RC_OK);
	ck_assert(raw.kind == REQ_GET && raw.watch);
	ck_assert_str_eq(raw.path, "/zkq/queues/q");
	ck_assert_int_eq(wire_request(&arena, ROOT, &plan.effects[1].request, &raw), RC_OK);
	ck_assert(raw.kind == REQ_LIST && !raw.watch);
	ck_assert_str_eq(raw.path, "/zkq/queues/q/inbox/t 1");
}
END_TEST

START_TEST(refused_before_sending)
{
	struct raw_request raw;
	static char big[100000];
	struct record bytes = { .kind = REC_BYTES, .bytes = { big, sizeof big } };

	plan_get(&plan, 1, 2, node_of_queue(NODE_QUEUE, "Bad"), REC_QUEUE, true);
	ck_assert_int_eq(wire_request(&arena, ROOT, &plan.effects[0].request, &raw), RC_INVALID);
	plan_reset(&plan);
	struct request *multi = plan_multi(&plan, 1, 2);
	ck_assert_int_eq(wire_request(&arena, ROOT, multi, &raw), RC_INVALID);	/* empty */
	for (int i = 0; i < 9; i++) {
		ck_assert_int_eq(add_create(&plan, multi, node_task("q", 0, &task), CREATE_SEQUENCE, &bytes), i);
		ck_assert_int_eq(wire_request(&arena, ROOT, multi, &raw), i < 8 ? RC_OK : RC_INVALID);
	}
	plan_reset(&plan);
	multi = plan_multi(&plan, 1, 2);
	add_delete(&plan, multi, node_folder("w", "nope"), 0);
	ck_assert_int_eq(wire_request(&arena, ROOT, multi, &raw), RC_INVALID);
}
END_TEST

static struct reply
answer(const struct request *request, const struct raw_reply *raw)
{
	struct wire_pending pending;
	struct reply reply;

	wire_pending(request, 1000, &pending);
	wire_reply(&arena, ROOT, &pending, raw, 1012, &reply);
	ck_assert(reply.tag == request->tag && reply.arg == request->arg && reply.kind == request->kind);
	ck_assert(reply.sent_ms == 1000 && reply.took_ms == 12);
	return reply;
}

START_TEST(replies_to_get)
{
	struct request request = { .kind = REQ_GET, .tag = 3, .arg = 4, .record_kind = REC_TAIL,
		.node = node_of_queue(NODE_TASKS, "q") };
	struct raw_reply raw = { .rc = RC_OK, .stat = { .czxid = 5, .version = 6 }, .data = "{\"tail\":7}", .len = 10,
		.failed_op = -1 };
	struct reply reply = answer(&request, &raw);

	ck_assert(reply.rc == RC_OK && !reply.bad && reply.record.tail.tail == 7 && reply.stat.czxid == 5);
	raw.len = 9;
	reply = answer(&request, &raw);
	ck_assert(reply.bad && reply.record.kind == REC_BYTES && reply.record.bytes.len == 9);
	raw = (struct raw_reply){ .rc = RC_NONODE, .failed_op = -1 };
	reply = answer(&request, &raw);
	ck_assert(reply.rc == RC_NONODE && !reply.bad && reply.record.kind == REC_NONE);
	/* a class is believed when its name is its hash */
	request = (struct request){ .kind = REQ_GET, .record_kind = REC_CLASS,
		.node = node_of_hash(NODE_CLASS, "q", class_default_hash()) };
	raw = (struct raw_reply){ .rc = RC_OK, .data = class_default_text, .len = strlen(class_default_text) };
	ck_assert(answer(&request, &raw).record.class.hash_matches);
	request.node.hash++;
	ck_assert(!answer(&request, &raw).record.class.hash_matches);
	/* a result is believed at its own place only, and knows the server's time */
	static const char result[] = "{\"id\":\"q.4.k3v9q7xa2m4t\",\"state\":\"done\"}";
	request = (struct request){ .kind = REQ_GET, .record_kind = REC_RESULT,
		.node = node_of_token(NODE_RESULT, "q", 4, "k3v9q7xa2m4t") };
	raw = (struct raw_reply){ .rc = RC_OK, .data = result, .len = strlen(result), .stat = { .ctime_ms = 99 } };
	reply = answer(&request, &raw);
	ck_assert(!reply.bad && reply.record.result.ctime_ms == 99);
	request.node.seg = 5;
	ck_assert(answer(&request, &raw).bad);
	/* a stamp of version 2 or more is being removed */
	request = (struct request){ .kind = REQ_GET, .record_kind = REC_STAMP, .node = node_of_segment(NODE_DONE_SEG, "q", 4) };
	raw = (struct raw_reply){ .rc = RC_OK, .stat = { .version = 0 } };
	ck_assert(!answer(&request, &raw).bad && !answer(&request, &raw).record.stamp.removing);
	raw.stat.version = 2;
	ck_assert(answer(&request, &raw).record.stamp.removing);
	/* unless it says that only dead letters are */
	raw.data = "{\"v\":1,\"count\":3,\"thinned\":true}";
	raw.len = strlen(raw.data);
	ck_assert(!answer(&request, &raw).record.stamp.removing && answer(&request, &raw).record.stamp.count == 3);
}
END_TEST

START_TEST(replies_to_list)
{
	char name[] = "stranger";
	const char *const children[] = { "5.00000000000000ab.-.k3v9q7xa2m4t-0000000017", "b.k3v9q7xa2m4t", name };
	struct request request = { .kind = REQ_LIST, .node = node_of_segment(NODE_SEGMENT, "q", 4) };
	struct raw_reply raw = { .rc = RC_OK, .children = children, .child_count = 3, .stat = { .version = 1 } };
	struct reply reply = answer(&request, &raw);

	memset(name, 'x', strlen(name));	/* what it was given is gone after the call */
	ck_assert(reply.child_count == 3 && reply.stat.version == 1);
	ck_assert(reply.children[0].kind == NODE_TASK && reply.children[0].seg == 4 && reply.children[0].task.seq == 17);
	ck_assert_int_eq(reply.children[1].kind, NODE_BATCH);
	ck_assert_int_eq(reply.children[2].kind, NODE_STRANGER);
	ck_assert_str_eq(reply.children[2].text, "stranger");
	raw = (struct raw_reply){ .rc = RC_OK };
	reply = answer(&request, &raw);
	ck_assert(reply.child_count == 0 && reply.rc == RC_OK);
}
END_TEST

START_TEST(replies_to_multi)
{
	struct raw_result results[] = { { RC_OK, NULL }, { RC_OK, "/zkq/election/" UUID "-n_0000000012" },
		{ RC_OK, "/elsewhere" } };
	struct request request = { .kind = REQ_MULTI, .tag = 1 };
	struct raw_reply raw = { .rc = RC_OK, .results = results, .result_count = 3, .failed_op = -1 };
	struct reply reply = answer(&request, &raw);

	ck_assert(reply.rc == RC_OK && reply.failed_op == -1 && reply.result_count == 3);
	ck_assert_int_eq(reply.results[1].created.kind, NODE_CANDIDATE);
	ck_assert_str_eq(reply.results[1].created.text, UUID "-n_0000000012");
	ck_assert_int_eq(reply.results[2].created.kind, NODE_STRANGER);
	raw = (struct raw_reply){ .rc = RC_BADVERSION, .results = results, .result_count = 1, .failed_op = 0 };
	results[0].rc = RC_BADVERSION;
	reply = answer(&request, &raw);
	ck_assert(reply.rc == RC_BADVERSION && reply.failed_op == 0 && reply.results[0].rc == RC_BADVERSION);
	raw = (struct raw_reply){ .rc = RC_UNKNOWN, .failed_op = -1 };
	reply = answer(&request, &raw);
	ck_assert(reply.rc == RC_UNKNOWN && !reply.results && reply.failed_op == -1);
}
END_TEST

START_TEST(out_of_memory)
{
	struct request request = { .kind = REQ_EXISTS, .node = node_plain(NODE_ROOT) };
	struct raw_reply raw = { .rc = RC_OK, .failed_op = -1 };

	arena.failed = true;
	ck_assert_int_eq(answer(&request, &raw).rc, RC_NOMEM);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("wire");
	TCase *cases = tcase_create("wire");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, a_multi);
	tcase_add_test(cases, reads);
	tcase_add_test(cases, refused_before_sending);
	tcase_add_test(cases, replies_to_get);
	tcase_add_test(cases, replies_to_list);
	tcase_add_test(cases, replies_to_multi);
	tcase_add_test(cases, out_of_memory);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
