/* What a report never forgets: resolved and returned claim numbers; and how much work is wanted ahead. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/worker/state.h"

#define NUMBERS 400

/* The ranges against a plain table of bits, in random order. */
START_TEST(ranges_say_what_a_table_says)
{
	struct rng rng;

	rng_seed(&rng, (uint64_t)_i);
	struct resolved resolved = { 0 };
	bool table[NUMBERS + 2] = { false };
	for (int step = 0; step < 300; step++) {
		uint64_t from = 1 + rng_below(&rng, NUMBERS), to = from + rng_below(&rng, 4);

		if (to > NUMBERS)
			to = NUMBERS;
		ck_assert(resolved_add(&resolved, from, to));
		for (uint64_t n = from; n <= to; n++)
			table[n] = true;
		for (uint64_t n = 1; n <= NUMBERS + 1; n++)
			ck_assert_int_eq(resolved_has(&resolved, n), table[n]);
		uint64_t gap_from, gap_to, at = 1 + rng_below(&rng, NUMBERS), seen = at;
		while (resolved_gap(&resolved, seen, NUMBERS, &gap_from, &gap_to)) {
			for (; seen < gap_from; seen++)
				ck_assert(table[seen]);
			for (; seen <= gap_to; seen++)
				ck_assert(!table[seen]);
		}
		for (; seen <= NUMBERS; seen++)
			ck_assert(table[seen]);
		uint64_t before = resolved.low;
		for (int i = 0; i < resolved.count; i++) {
			ck_assert_uint_gt(resolved.ranges[i].from, before + 1);
			ck_assert_uint_ge(resolved.ranges[i].to, resolved.ranges[i].from);
			before = resolved.ranges[i].to;
		}
	}
	resolved_free(&resolved);
}
END_TEST

START_TEST(returned_numbers_are_the_last_ones_and_a_total)
{
	struct resolved resolved = { 0 }, copy, read = { 0 };
	struct arena arena = { 0 };
	struct rec_report report = { 0 };

	for (uint64_t n = 1; n <= RETURNED_LAST_MAX + 10; n++)
		ck_assert(resolved_return(&resolved, n * 2, n * 2));
	ck_assert(resolved_count(&resolved, "default", true));
	ck_assert(resolved_count(&resolved, "render", false));
	ck_assert(resolved_count(&resolved, "default", true));
	ck_assert(resolved_copy(&copy, &resolved));
	ck_assert(resolved_save(&copy, &arena, &report));
	resolved_free(&copy);
	ck_assert_uint_eq(report.returned_total, RETURNED_LAST_MAX + 10);
	ck_assert_int_eq(report.returned_count, RETURNED_LAST_MAX);
	ck_assert_uint_eq(report.returned_last[0], 22);
	ck_assert(report_resolves(&report, 2));
	ck_assert(!report_resolves(&report, 3));
	ck_assert(!report_returned(&report, 20));
	ck_assert(report_returned(&report, 22));
	ck_assert(resolved_load(&read, &report));
	ck_assert_int_eq(read.count, resolved.count);
	ck_assert_uint_eq(read.returned_total, resolved.returned_total);
	ck_assert_int_eq(read.tally_count, 2);
	ck_assert_str_eq(read.tallies[0].queue, "default");
	ck_assert_uint_eq(read.tallies[0].done, 2);
	ck_assert_uint_eq(read.tallies[1].failed, 1);
	resolved_free(&read);
	resolved_free(&resolved);
	arena_free(&arena);
}
END_TEST

START_TEST(many_returned_at_once)
{
	struct resolved resolved = { 0 };

	ck_assert(resolved_return(&resolved, 1, 200));
	ck_assert(resolved_return(&resolved, 201, 300));
	ck_assert_int_eq(resolved.returned_count, RETURNED_LAST_MAX);
	ck_assert_uint_eq(resolved.returned_last[0], 300 - RETURNED_LAST_MAX + 1);
	ck_assert(resolved_return(&resolved, 1000, 1999));
	ck_assert_uint_eq(resolved.returned_total, 1300);
	ck_assert_uint_eq(resolved.returned_last[0], 2000 - RETURNED_LAST_MAX);
	ck_assert_uint_eq(resolved.returned_last[RETURNED_LAST_MAX - 1], 1999);
	ck_assert_uint_eq(resolved.low, 300);
	resolved_free(&resolved);
}
END_TEST

START_TEST(ahead_follows_run_time)
{
	ck_assert_int_eq(report_ahead(4, 5, 0), 0);		/* nothing measured */
	ck_assert_int_eq(report_ahead(4, 5, 1.0), 0);		/* long tasks wait for nobody */
	ck_assert_int_eq(report_ahead(4, 5, 0.1), 1);		/* 4 slots, 40 ms, 100 ms each */
	ck_assert_int_eq(report_ahead(4, 5, 0.01), 16);
	ck_assert_int_eq(report_ahead(4, 5, 0.000001), AHEAD_MAX);
	ck_assert_int_eq(report_ahead(1, 100000, 0.01), 100);	/* never more than a second of work */
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("report");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);

	tcase_add_loop_test(tests, ranges_say_what_a_table_says, 0, 8);
	tcase_add_test(tests, returned_numbers_are_the_last_ones_and_a_total);
	tcase_add_test(tests, many_returned_at_once);
	tcase_add_test(tests, ahead_follows_run_time);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
