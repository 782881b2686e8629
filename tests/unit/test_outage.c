#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "zk/outage.h"

static char line[512];

START_TEST(short_outages_are_no_news)
{
	struct outage outage;

	outage_begin(&outage, 1000);
	ck_assert(!outage_due(&outage, "zk1", 1000 + OUTAGE_FIRST_MS - 1, line, sizeof line));
	ck_assert(!outage_state(&outage, ZK_CONNECTED, NULL, 3000, line, sizeof line));
	ck_assert_int_eq(outage_wait_ms(&outage, 3000), -1);
	ck_assert(!outage_due(&outage, "zk1", 1000000, line, sizeof line));
}
END_TEST

START_TEST(long_ones_are_said_again_and_their_end_too)
{
	struct outage outage;

	outage_begin(&outage, 0);
	ck_assert(!outage_state(&outage, ZK_UNRESOLVED, "nosuch: unknown name", 10, line, sizeof line));
	ck_assert_int_eq(outage_wait_ms(&outage, 0), OUTAGE_FIRST_MS);
	ck_assert(outage_due(&outage, "nosuch:2181", OUTAGE_FIRST_MS, line, sizeof line));
	ck_assert_ptr_nonnull(strstr(line, "nosuch:2181"));
	ck_assert_ptr_nonnull(strstr(line, "unknown name"));
	ck_assert(!outage_due(&outage, "nosuch:2181", OUTAGE_FIRST_MS + 1, line, sizeof line));
	ck_assert(outage_due(&outage, "nosuch:2181", OUTAGE_FIRST_MS + OUTAGE_AGAIN_MS, line, sizeof line));
	ck_assert(outage_state(&outage, ZK_CONNECTED, NULL, 90000, line, sizeof line));
	ck_assert_str_eq(line, "ZooKeeper: connected after 90 s");
	ck_assert(!outage_state(&outage, ZK_DISCONNECTED, NULL, 100000, line, sizeof line));
	ck_assert(outage_due(&outage, "zk1", 100000 + OUTAGE_FIRST_MS, line, sizeof line));
	ck_assert_ptr_null(strstr(line, "unknown name"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("outage");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);

	tcase_add_test(tests, short_outages_are_no_news);
	tcase_add_test(tests, long_ones_are_said_again_and_their_end_too);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
