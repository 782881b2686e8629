/* Messages between a worker's processes: what goes in comes out, and no cut or forged one is taken for a message. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "worker/message.h"

static struct arena arena;

static void
teardown(void)
{
	arena_free(&arena);
}

static struct node
claim(uint64_t n)
{
	struct task_name name = { .priority = 9, .class_hash = 0x1234, .key_hash = 7, .token = "abcdefghijkl", .seq = 499 };
	struct fence fence = { .czxid = 0x100000002, .counter = 5 };

	return node_claim("w1", "a1b2c3d4", n, "default", 12, &name, 3, fence);
}

static struct message
round_trip(const struct message *message)
{
	struct message back;
	size_t len;
	const char *data = message_encode(&arena, message, &len);

	ck_assert_ptr_nonnull(data);
	ck_assert(message_decode(&arena, data, len, &back));
	ck_assert_int_eq(back.kind, message->kind);
	/* Cut anywhere, or with a byte behind it, it is no message. A copy of exact size lets a sanitizer see a wrong read. */
	for (size_t cut = 0; cut < len; cut++) {
		struct message none;
		char *copy = malloc(cut + 1);
		memcpy(copy, data, cut);
		ck_assert(!message_decode(&arena, copy, cut, &none));
		free(copy);
	}
	char *longer = calloc(1, len + 1);
	memcpy(longer, data, len);
	struct message none;
	ck_assert(!message_decode(&arena, longer, len + 1, &none));
	free(longer);
	return back;
}

/* Field by field: the bytes between fields are nobody's. */
static void
same_claim(const struct node *a, const struct node *b)
{
	ck_assert_int_eq(a->kind, b->kind);
	ck_assert_str_eq(a->worker, b->worker);
	ck_assert_str_eq(a->inc, b->inc);
	ck_assert_uint_eq(a->n, b->n);
	ck_assert_str_eq(a->queue, b->queue);
	ck_assert_uint_eq(a->seg, b->seg);
	ck_assert_uint_eq(a->run, b->run);
	ck_assert_uint_eq(a->task.priority, b->task.priority);
	ck_assert_uint_eq(a->task.class_hash, b->task.class_hash);
	ck_assert_uint_eq(a->task.key_hash, b->task.key_hash);
	ck_assert_str_eq(a->task.token, b->task.token);
	ck_assert_uint_eq(a->task.seq, b->task.seq);
	ck_assert_uint_eq(a->fence.czxid, b->fence.czxid);
	ck_assert_uint_eq(a->fence.counter, b->fence.counter);
}

START_TEST(start)
{
	static const char *const argv[] = { "sh", "-c", "", NULL }, *const env[] = { "A=b=c", "E=", NULL };
	struct message message = { .kind = MSG_START };

	message.start.claim = claim(17);
	message.start.exclusive = true;
	message.start.spec.argv = argv;
	message.start.spec.env = env;
	message.start.spec.name = "label";
	message.start.spec.input = "a\0b";
	message.start.spec.input_len = 3;
	message.start.spec.time_limit_ms = 600000;
	message.start.spec.kill_grace_ms = 30000;
	struct message back = round_trip(&message);
	same_claim(&back.start.claim, &message.start.claim);
	ck_assert(back.start.exclusive);
	ck_assert_ptr_null(back.start.invalid);
	ck_assert_str_eq(back.start.spec.argv[1], "-c");
	ck_assert_str_eq(back.start.spec.argv[2], "");
	ck_assert_ptr_null(back.start.spec.argv[3]);
	ck_assert_str_eq(back.start.spec.env[0], "A=b=c");
	ck_assert_ptr_null(back.start.spec.env[2]);
	ck_assert_str_eq(back.start.spec.name, "label");
	ck_assert_ptr_null(back.start.spec.cwd);
	ck_assert_int_eq(back.start.spec.input_len, 3);
	ck_assert_int_eq(memcmp(back.start.spec.input, "a\0b", 3), 0);
	ck_assert_int_eq(back.start.spec.time_limit_ms, 600000);
}
END_TEST

START_TEST(hello)
{
	struct held_attempt held[2] = { { .claim = claim(1) }, { .claim = claim(2), .ended = true } };
	struct message message = { .kind = MSG_HELLO };

	held[1].outcome = (struct outcome){
		.state = STATE_TIMEOUT, .reason = "timeout", .signal = 15, .run_seconds = 1.5, .stdout_bytes = 4, .tail = "a\0\xff",
		.tail_len = 3,
	};
	memcpy(message.hello.inc, "a1b2c3d4", 9);
	message.hello.r = 4;
	message.hello.process = (struct process_id){ .host = "h", .boot = "b", .pid = 12, .start = 99 };
	message.hello.attempts = held;
	message.hello.count = 2;
	struct message back = round_trip(&message);
	ck_assert_str_eq(back.hello.inc, "a1b2c3d4");
	ck_assert_int_eq(back.hello.r, 4);
	ck_assert_str_eq(back.hello.process.host, "h");
	ck_assert_int_eq(back.hello.process.start, 99);
	ck_assert_ptr_null(back.hello.log);
	ck_assert_int_eq(back.hello.count, 2);
	ck_assert_int_eq(back.hello.attempts[0].claim.n, 1);
	ck_assert(!back.hello.attempts[0].ended);
	ck_assert_int_eq(back.hello.attempts[1].outcome.state, STATE_TIMEOUT);
	ck_assert_str_eq(back.hello.attempts[1].outcome.reason, "timeout");
	ck_assert_int_eq(back.hello.attempts[1].outcome.tail_len, 3);
	ck_assert_int_eq(memcmp(back.hello.attempts[1].outcome.tail, "a\0\xff", 3), 0);
}
END_TEST

START_TEST(others)
{
	struct message message = { .kind = MSG_KILL };

	message.kill.n = 9;
	message.kill.reason = "cancelled";
	message.kill.state = STATE_CANCELLED;
	message.kill.grace_ms = -1;
	struct message back = round_trip(&message);
	ck_assert_int_eq(back.kill.grace_ms, -1);
	ck_assert_str_eq(back.kill.reason, "cancelled");
	message = (struct message){ .kind = MSG_LOG_FILE };
	message.log.folder = "default.3.abcdefghijkl";
	message.log.run = 2;
	message.log.stream = 1;
	back = round_trip(&message);
	ck_assert_str_eq(back.log.folder, "default.3.abcdefghijkl");
	ck_assert_int_eq(back.log.run, 2);
	message = (struct message){ .kind = MSG_PONG };
	round_trip(&message);
}
END_TEST

/* Random bytes are refused or decoded, never more. */
START_TEST(noise)
{
	unsigned state = 12345;

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)(rand_r(&state) % 200);
		char *data = malloc(len + 1);
		struct message message;
		for (size_t i = 0; i < len; i++)
			data[i] = (char)(rand_r(&state) % 4 ? 0 : rand_r(&state));
		enum message_kind kind = (enum message_kind)(round % MESSAGES);
		if (len >= sizeof kind)
			memcpy(data, &kind, sizeof kind);
		message_decode(&arena, data, len, &message);
		free(data);
		arena_reset(&arena);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("message");
	TCase *tcase = tcase_create("message");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_test(tcase, start);
	tcase_add_test(tcase, hello);
	tcase_add_test(tcase, others);
	tcase_add_test(tcase, noise);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
