/* Placement: round robin over workers with room, idle slots before waiting ahead. */
#include <check.h>
#include <stdlib.h>

#include "core/place.h"

static struct rng rng;
static const struct place_class plain = { "default", 5, false };
static const struct place_class suspect = { "default", 5, true };

START_TEST(test_idle_first)
{
	struct place_worker workers[] = {
		{ .name = "a", .room = 10, .idle = 1, .serves_queue = true },
		{ .name = "b", .room = 3, .idle = 3, .serves_queue = true },
	};
	int turn = 0;

	ck_assert_int_eq(place(&plain, 4, workers, 2, &turn, &rng), 4);
	ck_assert_int_eq(workers[0].count, 1);
	ck_assert_int_eq(workers[1].count, 3);
	ck_assert_int_eq(workers[0].refusal, REFUSAL_NONE);
	ck_assert_int_eq(workers[1].refusal, REFUSAL_NO_SLOT);
	ck_assert_int_eq(place(&plain, 100, workers, 2, &turn, &rng), 13);
}
END_TEST

START_TEST(test_turn_moves)
{
	struct place_worker workers[] = {
		{ .name = "a", .room = 5, .idle = 5, .serves_queue = true },
		{ .name = "b", .room = 5, .idle = 5, .serves_queue = true },
		{ .name = "c", .room = 5, .idle = 5, .serves_queue = true },
	};
	int turn = -1, got[3] = { 0 };

	for (int round = 0; round < 6; round++) {
		ck_assert_int_eq(place(&plain, 1, workers, 3, &turn, &rng), 1);
		for (int i = 0; i < 3; i++)
			got[i] += workers[i].count;
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(got[i], 2);
}
END_TEST

START_TEST(test_refusals)
{
	struct place_worker workers[] = {
		{ .name = "other", .room = 5, .idle = 5 },
		{ .name = "drains", .room = 5, .idle = 5, .serves_queue = true, .draining = true },
		{ .name = "lost", .room = 5, .idle = 5, .serves_queue = true, .lost = true },
		{ .name = "full", .room = -3, .serves_queue = true },
		{ .name = "busy", .room = 5, .idle = 0, .serves_queue = true },
	};
	int turn = 0;

	ck_assert_int_eq(place(&suspect, 5, workers, 5, &turn, &rng), 0);
	ck_assert_int_eq(workers[0].refusal, REFUSAL_QUEUE);
	ck_assert_int_eq(workers[1].refusal, REFUSAL_DRAINING);
	ck_assert_int_eq(workers[2].refusal, REFUSAL_LOST);
	ck_assert_int_eq(workers[3].refusal, REFUSAL_SUSPECT);
	ck_assert_int_eq(workers[4].refusal, REFUSAL_SUSPECT);
	ck_assert_int_eq(place(&plain, 9, workers, 5, &turn, &rng), 5);
	ck_assert_int_eq(workers[3].refusal, REFUSAL_NO_SLOT);
	ck_assert_int_eq(workers[4].count, 5);
	ck_assert_int_eq(place(&plain, 9, workers, 0, &turn, &rng), 0);
	for (int i = REFUSAL_NONE; i <= REFUSAL_ALONE; i++)
		ck_assert_str_ne(refusal_word((enum refusal)i), "?");
}
END_TEST

/* A suspect gets a worker for itself, whatever its slots. */
START_TEST(test_suspect_is_alone)
{
	struct place_worker workers[] = {
		{ .name = "busy", .room = 5, .idle = 3, .claims = 1, .serves_queue = true },
		{ .name = "idle", .room = 5, .idle = 5, .serves_queue = true },
		{ .name = "kept", .room = 5, .idle = 5, .serves_queue = true, .alone = true },
		{ .name = "tries", .room = 0, .idle = 4, .claims = 1, .serves_queue = true, .alone = true },
	};
	int turn = 0;

	ck_assert_int_eq(place(&suspect, 5, workers, 4, &turn, &rng), 2);
	ck_assert_int_eq(workers[1].count, 1);
	ck_assert_int_eq(workers[2].count, 1);
	ck_assert_int_eq(workers[0].refusal, REFUSAL_SUSPECT);
	ck_assert_int_eq(place(&plain, 20, workers, 4, &turn, &rng), 10);
	ck_assert_int_eq(workers[2].refusal, REFUSAL_ALONE);
	ck_assert_int_eq(workers[3].refusal, REFUSAL_ALONE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("place");
	TCase *tcase = tcase_create("place");

	tcase_add_test(tcase, test_idle_first);
	tcase_add_test(tcase, test_turn_moves);
	tcase_add_test(tcase, test_refusals);
	tcase_add_test(tcase, test_suspect_is_alone);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
