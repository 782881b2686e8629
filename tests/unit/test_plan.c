/* The vocabulary of the core: arenas, nodes, plans, reports, the generator. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/limits.h"
#include "core/node.h"
#include "core/plan.h"
#include "core/record.h"
#include "core/rng.h"

START_TEST(arena_keeps_what_it_gave_until_reset)
{
	struct arena arena = { 0 };
	char *small[1000];

	for (int i = 0; i < 1000; i++) {
		small[i] = arena_printf(&arena, "number %d", i);
		ck_assert_uint_eq((uintptr_t)small[i] % _Alignof(max_align_t), 0);
	}
	char *large = arena_alloc(&arena, 100000);
	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(large[i], 0);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(atoi(small[i] + 7), i);
	ck_assert_ptr_null(arena_string(&arena, NULL));
	ck_assert_str_eq(arena_copy(&arena, NULL, 0), "");
	arena_reset(&arena);
	ck_assert_str_eq(arena_string(&arena, "after"), "after");
	arena_free(&arena);
}
END_TEST

START_TEST(arena_says_when_it_cannot)
{
	struct arena arena = { 0 };

	ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
	ck_assert(arena.failed);
	arena_reset(&arena);
	ck_assert(!arena.failed);
	arena_free(&arena);
}
END_TEST

START_TEST(tasks_start_by_priority_then_age)
{
	struct task_name a = { .priority = 9, .seq = 7 }, b = { .priority = 2, .seq = 1 };

	ck_assert_int_lt(task_order(5, &a, 1, &b), 0);
	b.priority = 9;
	ck_assert_int_gt(task_order(5, &a, 1, &b), 0);
	ck_assert_int_gt(task_order(5, &a, 5, &b), 0);
	b.seq = 7;
	ck_assert_int_eq(task_order(5, &a, 5, &b), 0);
}
END_TEST

START_TEST(batch_tokens_are_told_apart)
{
	char batch[TOKEN_LEN + 1];
	uint32_t index = 99;

	ck_assert(token_is_batch("abcdefghijklx0", batch, &index));
	ck_assert_str_eq(batch, "abcdefghijkl");
	ck_assert_uint_eq(index, 0);
	ck_assert(token_is_batch("xxxxxxxxxxxxx249", NULL, &index));
	ck_assert_uint_eq(index, 249);
	ck_assert(!token_is_batch("abcdefghijkx", NULL, NULL));	/* a single task may hold an x */
	ck_assert(!token_is_batch("abcdefghijklx", NULL, NULL));
	ck_assert(!token_is_batch("abcdefghijkly1", NULL, NULL));
	ck_assert(!token_is_batch("abcdefghijklx1a", NULL, NULL));
	ck_assert(!token_is_batch("abcdefghijklx1234", NULL, NULL));	/* longer than any token */
	ck_assert(!token_is_batch("", NULL, NULL));
}
END_TEST

START_TEST(inbox_names_have_a_shard)
{
	ck_assert_uint_eq(node_shard_of("t-0000000007"), 0);
	ck_assert_uint_eq(node_shard_of("t-0000123456"), 123);
	ck_assert_uint_eq(node_shard_of("0000001000"), 1);
	ck_assert_uint_eq(node_shard_of("mine"), SHARD_OTHER);
	ck_assert_uint_eq(node_shard_of("t--000000001x"), SHARD_OTHER);
}
END_TEST

START_TEST(a_multi_grows)
{
	struct plan plan = { 0 };
	char queue[] = "default";

	plan_reset(&plan);
	plan_note(&plan, NOTICE, "before");
	struct request *multi = plan_multi(&plan, 3, 77);
	for (int i = 0; i < 1000; i++) {
		struct task_name name = { .priority = 5, .seq = (uint32_t)i };
		ck_assert_int_eq(add_delete(&plan, multi, node_task(queue, 1, &name), i), i);
	}
	ck_assert_int_eq(plan.count, 2);
	ck_assert_int_eq(multi->op_count, 1000);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(multi->ops[i].version, i);
		ck_assert_uint_eq(multi->ops[i].node.task.seq, i);
	}
	ck_assert_uint_eq(plan.effects[1].request.arg, 77);
	plan_free(&plan);
}
END_TEST

START_TEST(a_plan_owns_the_text_of_its_nodes)
{
	struct plan plan = { 0 };
	char text[] = "t-0000000001";

	plan_reset(&plan);
	plan_get(&plan, 1, 0, node_of_text(NODE_INBOX_TASK, "default", 0, text), REC_TASK, false);
	memset(text, 'X', sizeof text - 1);
	ck_assert_str_eq(plan.effects[0].request.node.text, "t-0000000001");
	plan_free(&plan);
}
END_TEST

START_TEST(the_earliest_wake_wins)
{
	struct plan plan = { 0 };

	plan_reset(&plan);
	ck_assert(plan.wake_ms == NEVER);
	plan_wake(&plan, 500);
	plan_wake(&plan, 900);
	ck_assert_int_eq(plan.wake_ms, 500);
	plan_free(&plan);
}
END_TEST

START_TEST(a_report_tells_resolved_and_returned)
{
	const struct range done[] = { { 15, 20 }, { 23, 23 } };
	const uint64_t last[] = { 7, 18 };
	const struct rec_report report = {
		.low = 12, .done = done, .done_count = 2, .returned_total = 5, .returned_last = last, .returned_count = 2,
	};

	ck_assert(report_resolves(&report, 1));
	ck_assert(report_resolves(&report, 12));
	ck_assert(!report_resolves(&report, 13));
	ck_assert(report_resolves(&report, 15));
	ck_assert(report_resolves(&report, 20));
	ck_assert(!report_resolves(&report, 21));
	ck_assert(report_resolves(&report, 23));
	ck_assert(!report_resolves(&report, 24));
	ck_assert(report_returned(&report, 18));
	ck_assert(!report_returned(&report, 17));
}
END_TEST

START_TEST(a_late_listing_does_not_pause_for_long)
{
	ck_assert_int_eq(list_pause_ms(0, 10), LIST_PAUSE_MIN_MS);
	ck_assert_int_eq(list_pause_ms(1, 10), LIST_PAUSE_FACTOR);
	ck_assert_int_eq(list_pause_ms(400, 10), LIST_PAUSE_NAMES_MS);
	ck_assert_int_eq(list_pause_ms(400, 3 * LIST_PAUSE_NAMES), 4 * LIST_PAUSE_NAMES_MS);
	ck_assert_int_eq(list_pause_ms(400, 1000 * LIST_PAUSE_NAMES), LIST_PAUSE_MAX_MS);
}
END_TEST

START_TEST(one_seed_gives_one_sequence)
{
	struct rng a, b;
	char token[TOKEN_LEN + 1];

	rng_seed(&a, 1);
	rng_seed(&b, 1);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(rng_next(&a), rng_next(&b));
	rng_token(&a, token, TOKEN_LEN);
	ck_assert_uint_eq(strlen(token), TOKEN_LEN);
	ck_assert_uint_eq(strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789"), TOKEN_LEN);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_lt(rng_below(&a, 7), 7);
}
END_TEST

START_TEST(every_code_has_a_word)
{
	for (int rc = 0; rc < RCS; rc++)
		ck_assert_ptr_nonnull(rc_word(rc));
	for (int state = 0; state < STATES; state++)
		ck_assert_str_ne(task_state_word(state), "unknown");
	ck_assert_str_eq(rc_word(RCS), "?");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("plan");
	TCase *cases = tcase_create("all");
	SRunner *runner = srunner_create(suite);

	tcase_add_test(cases, arena_keeps_what_it_gave_until_reset);
	tcase_add_test(cases, arena_says_when_it_cannot);
	tcase_add_test(cases, tasks_start_by_priority_then_age);
	tcase_add_test(cases, batch_tokens_are_told_apart);
	tcase_add_test(cases, inbox_names_have_a_shard);
	tcase_add_test(cases, a_multi_grows);
	tcase_add_test(cases, a_plan_owns_the_text_of_its_nodes);
	tcase_add_test(cases, the_earliest_wake_wins);
	tcase_add_test(cases, a_report_tells_resolved_and_returned);
	tcase_add_test(cases, a_late_listing_does_not_pause_for_long);
	tcase_add_test(cases, one_seed_gives_one_sequence);
	tcase_add_test(cases, every_code_has_a_word);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
