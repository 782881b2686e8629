/* Lengths of time and sizes: what is read, what is refused with which phrase, what is written. */
#include <check.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/size.h"

START_TEST(reads)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "0", 0 }, { "90", 90000 }, { "90s", 90000 }, { "500ms", 500 }, { "1h30m", 5400000 }, { "2d", 172800000 },
		{ "1d2h3m4s5ms", 93784005 }, { "00:01:30", 90000 }, { "100:00:00", 360000000 }, { "1h30m15s", 5415000 },
		{ "0s", 0 }, { "36500d", 36500LL * 86400000 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t ms = -1;

		ck_assert_msg(duration_parse(rows[i].text, &ms) == NULL, "%s", rows[i].text);
		ck_assert_msg(ms == rows[i].ms, "%s: %lld", rows[i].text, (long long)ms);
	}
}
END_TEST

START_TEST(refuses)
{
	static const char *const rows[] = {
		"", " ", "s", "-1", "+1", "1.5s", "1x", "1 h", "1h30", "30m1h", "1m1m", "1:30", "1:2:3:4", "0:60:00", "0:00:60",
		"::", "1:00:", "1e3", "1S", "10y", "99999999999999999999", "40000d", "9999999999:00:00", "1h ", "infinity",
		"1M", "0x10",
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t ms = -7;
		const char *why = duration_parse(rows[i], &ms);

		ck_assert_msg(why != NULL && *why, "%s", rows[i]);
		ck_assert_msg(ms == -7, "%s", rows[i]);
	}
	int64_t ms;
	ck_assert_str_eq(duration_parse("1h30", &ms), "the last number has no unit");
	ck_assert_str_eq(duration_parse("5y", &ms), "unknown unit (d, h, m, s, ms)");
}
END_TEST

START_TEST(writes)
{
	char b[DURATION_SIZE];

	ck_assert_str_eq(duration_exact(0, b), "0s");
	ck_assert_str_eq(duration_exact(5400000, b), "1h30m");
	ck_assert_str_eq(duration_exact(500, b), "500ms");
	ck_assert_str_eq(duration_exact(-90000, b), "-1m30s");
	ck_assert_str_eq(duration_exact(86400000LL * 10 + 1, b), "10d1ms");
	ck_assert_str_eq(duration_short(0, b), "0s");
	ck_assert_str_eq(duration_short(800, b), "800ms");
	ck_assert_str_eq(duration_short(40500, b), "40s");
	ck_assert_str_eq(duration_short(119000, b), "1m");
	ck_assert_str_eq(duration_short(4320000, b), "1h12m");
	ck_assert_str_eq(duration_short(3600000 + 5000, b), "1h");
	ck_assert_str_eq(duration_short(86400000LL * 3 + 3600000LL * 4 + 60000, b), "3d4h");
	ck_assert_str_eq(duration_clock(12000, b), "0:12");
	ck_assert_str_eq(duration_clock(108000, b), "1:48");
	ck_assert_str_eq(duration_clock(3723000, b), "1:02:03");
	ck_assert_str_eq(duration_clock(-5, b), "0:00");
}
END_TEST

/* What is written exactly is read back as the same. */
START_TEST(round_trip)
{
	for (int64_t ms = 0; ms < 400000000; ms = ms * 3 / 2 + 1) {
		char b[DURATION_SIZE];
		int64_t back = -1;

		ck_assert_ptr_null(duration_parse(duration_exact(ms, b), &back));
		ck_assert_msg(back == ms, "%s", b);
	}
}
END_TEST

START_TEST(sizes)
{
	uint64_t n = 7;
	char b[SIZE_TEXT];

	ck_assert_ptr_null(size_parse("64", &n));
	ck_assert_uint_eq(n, 64);
	ck_assert_ptr_null(size_parse("64K", &n));
	ck_assert_uint_eq(n, 65536);
	ck_assert_ptr_null(size_parse("3MiB", &n));
	ck_assert_uint_eq(n, 3 << 20);
	ck_assert_ptr_null(size_parse("1T", &n));
	ck_assert_uint_eq(n, 1ULL << 40);
	n = 7;
	ck_assert_ptr_nonnull(size_parse("", &n));
	ck_assert_ptr_nonnull(size_parse("-1", &n));
	ck_assert_ptr_nonnull(size_parse("1KB", &n));
	ck_assert_ptr_nonnull(size_parse("1m", &n));
	ck_assert_ptr_nonnull(size_parse("99999999999P", &n));
	ck_assert_ptr_nonnull(size_parse("18446744073709551616", &n));
	ck_assert_uint_eq(n, 7);
	ck_assert_str_eq(size_short(0, b), "0 B");
	ck_assert_str_eq(size_short(1023, b), "1023 B");
	ck_assert_str_eq(size_short(1229, b), "1.2 KiB");
	ck_assert_str_eq(size_short(10188, b), "9.9 KiB");
	ck_assert_str_eq(size_short(10189, b), "10 KiB");
	ck_assert_str_eq(size_short((1 << 20) - 513, b), "1023 KiB");
	ck_assert_str_eq(size_short((1 << 20) - 512, b), "1.0 MiB");
	ck_assert_str_eq(size_short(640ULL << 20, b), "640 MiB");
	ck_assert_str_eq(size_short(UINT64_MAX, b), "16384 PiB");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("duration");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, reads);
	tcase_add_test(tcase, refuses);
	tcase_add_test(tcase, writes);
	tcase_add_test(tcase, round_trip);
	tcase_add_test(tcase, sizes);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
