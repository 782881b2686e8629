/* The lease: what is proved by whom, and for how long (zkq-znodes(7), "Two copies never run at once"). */
#include <check.h>
#include <stdlib.h>

#include "core/lease.h"
#include "core/limits.h"

START_TEST(ends_before_the_leader_may_revoke)
{
	/* The leader sees the live- znode missing no earlier than the zxid of the proof, which was after sent_ms. */
	for (int64_t lost_after_ms = lease_smallest_lost_after(); lost_after_ms <= 3600 * 1000; lost_after_ms += 997) {
		int64_t kill_by_ms = lease_kill_by(1000, lost_after_ms);

		ck_assert_int_ge(1000 + lost_after_ms - kill_by_ms, LEASE_KILL_TIME_MS + lost_after_ms / 1000);
		ck_assert_int_gt(kill_by_ms, 1000 + 3 * lease_interval(lost_after_ms));
	}
	ck_assert_int_eq(lease_kill_by(0, LOST_AFTER_MS), 30000 - 200 - 1000 - 30);
	ck_assert_int_eq(lease_margin(2000), 200 + 250 + 2);
}
END_TEST

START_TEST(smallest_is_the_smallest)
{
	int64_t least_ms = lease_smallest_lost_after();

	ck_assert_int_le(least_ms, 2000);	/* zkq dev */
	ck_assert_int_le(least_ms - 1 - lease_margin(least_ms - 1), 3 * lease_interval(least_ms - 1));
}
END_TEST

START_TEST(only_moves_on)
{
	struct lease lease = { 0 };

	ck_assert(!lease_holds(&lease, 0));
	lease_renew(&lease, 500);
	ck_assert(lease_holds(&lease, 499));
	ck_assert(!lease_holds(&lease, 500));
	lease_renew(&lease, 400);	/* the reply of an older multi came later */
	ck_assert(lease_holds(&lease, 499));
	lease_renew(&lease, 600);
	ck_assert(lease_holds(&lease, 599));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lease");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);

	tcase_add_test(tests, ends_before_the_leader_may_revoke);
	tcase_add_test(tests, smallest_is_the_smallest);
	tcase_add_test(tests, only_moves_on);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
