/* Command lines: what is taken, in which order of precedence, and what is refused with which words. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/terminal.h"

static bool flag, level_given;
static const char *text;
static int number;
static int64_t time_ms;
static uint64_t bytes;
static struct option_list list;
static enum color_when color;
static char message[1024];

static const struct option_row table[] = {
	{ .letter = 'f', .name = "flag", .kind = OPTION_FLAG, .into = &flag, .help = "a flag" },
	{ .letter = 't', .name = "text", .argument = "TEXT", .kind = OPTION_TEXT, .into = &text, .preset = "abc",
	    .env = "TEST_OPTIONS_TEXT", .help = "some text" },
	{ .letter = 'n', .name = "number", .argument = "N", .kind = OPTION_NUMBER, .into = &number, .preset = "5", .max = 9,
	    .help = "0-9", .given = &level_given },
	{ .name = "limit", .argument = "TIME", .kind = OPTION_TIME, .into = &time_ms, .preset = "10s", .min = 1000,
	    .max = 60000, .help = "a time\nof two lines" },
	{ .letter = 'w', .name = "watch", .argument = "TIME", .bare = "2s", .kind = OPTION_TIME, .into = &time_ms, .help = "again" },
	{ .name = "size", .argument = "SIZE", .kind = OPTION_SIZE, .into = &bytes, .preset = "64K", .help = "a size" },
	{ .letter = 'e', .name = "env", .argument = "NAME", .kind = OPTION_LIST, .into = &list, .help = "a list" },
	{ .name = "color", .argument = "WHEN", .kind = OPTION_COLOR, .into = &color, .preset = "auto", .help = "when" },
	{ .letter = 'r', .name = "retries", .argument = "N", .kind = OPTION_LATER },
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP, .help = "this" },
	{ .name = "version", .kind = OPTION_VERSION, .help = "that" },
	{ 0 },
};

static void
remember(const char *text_of_error)
{
	snprintf(message, sizeof message, "%s", text_of_error);
}

static const struct options options = { .program = "test", .call = "test", .usage = "test [OPTIONS]\ntest --more",
	.about = "Tests.", .manual = "test(1)", .version = "1.2.3", .tables = { table }, .wrong = remember };

#define PARSE(...) parse((char *[]){ "test", __VA_ARGS__, NULL })

static int
parse(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	flag = level_given = false;
	message[0] = '\0';
	option_list_free(&list);
	return options_parse(&options, argc, argv);
}

START_TEST(takes_values)
{
	ck_assert_int_eq(PARSE("x"), 1);
	ck_assert(!flag && !level_given);
	ck_assert_str_eq(text, "abc");
	ck_assert_int_eq(number, 5);
	ck_assert_int_eq(time_ms, 10000);
	ck_assert_uint_eq(bytes, 65536);

	ck_assert_int_eq(PARSE("-ft", "x", "--number=7", "--limit", "30", "-eA", "--env=B=1", "--color=never", "cmd", "-n1"), 9);
	ck_assert(flag && level_given);
	ck_assert_str_eq(text, "x");
	ck_assert_int_eq(number, 7);
	ck_assert_int_eq(time_ms, 30000);
	ck_assert_int_eq(list.count, 2);
	ck_assert_str_eq(list.items[0], "A");
	ck_assert_str_eq(list.items[1], "B=1");
	ck_assert_int_eq(color, COLOR_NEVER);

	ck_assert_int_eq(PARSE("--num=3", "--", "-f"), 3);	/* an abbreviation, and the end of options */
	ck_assert_int_eq(number, 3);
	ck_assert(!flag);
	ck_assert_int_eq(PARSE("-"), 1);
}
END_TEST

/* The argument of such an option may be the word behind it, if that is a time in every letter. */
START_TEST(takes_a_time_that_may_be_missing)
{
	static const struct {
		char *argument[3];
		int64_t ms;
		int operand;
	} rows[] = {
		{ { "-w", "cmd" }, 2000, 2 }, { { "-w5", "cmd" }, 5000, 2 }, { { "-w", "5", "cmd" }, 5000, 3 },
		{ { "--watch", "1h30m", "cmd" }, 5400000, 3 }, { { "--watch=7", "8" }, 7000, 2 }, { { "-w", "00:01:00" }, 60000, 3 },
		{ { "-w", "5x" }, 2000, 2 }, { { "-w", "12ab34" }, 2000, 2 }, { { "-w", "-f", "3" }, 2000, 3 }, { { "-w" }, 2000, 2 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int operand = parse((char *[]){ "test", rows[i].argument[0], rows[i].argument[1], rows[i].argument[2], NULL });

		ck_assert_msg(operand == rows[i].operand && time_ms == rows[i].ms, "row %zu: operand %d, %lld ms", i, operand,
		    (long long)time_ms);
	}
}
END_TEST

START_TEST(environment_is_between)
{
	setenv("TEST_OPTIONS_TEXT", "from env", 1);
	PARSE("x");
	ck_assert_str_eq(text, "from env");
	PARSE("-t", "from line");
	ck_assert_str_eq(text, "from line");
	setenv("TEST_OPTIONS_TEXT", "", 1);
	PARSE("x");
	ck_assert_str_eq(text, "abc");
	unsetenv("TEST_OPTIONS_TEXT");
}
END_TEST

START_TEST(refuses)
{
	static const struct {
		const char *argument[3], *message;
	} rows[] = {
		{ { "--bogus" }, "unknown or ambiguous option '--bogus'" },
		{ { "--bogus=5" }, "unknown or ambiguous option '--bogus'" },
		{ { "-x" }, "unknown option '-x'" },
		{ { "-fx" }, "unknown option '-x'" },
		{ { "-t" }, "option '-t' needs an argument" },
		{ { "--text" }, "option '--text' needs an argument" },
		{ { "--flag=1" }, "option '--flag' takes no argument" },
		{ { "-f", "--flag=1" }, "option '--flag' takes no argument" },
		{ { "-n", "10" }, "option '--number': '10': a number from 0 to 9 is wanted" },
		{ { "-n", "" }, "option '--number': '': a number from 0 to 9 is wanted" },
		{ { "-n", "1x" }, "option '--number': '1x': a number from 0 to 9 is wanted" },
		{ { "-n", " 1" }, "option '--number': ' 1': a number from 0 to 9 is wanted" },
		{ { "-n", "99999999999999999999" }, "option '--number': '99999999999999999999': a number from 0 to 9 is wanted" },
		{ { "--limit", "1y" }, "option '--limit': '1y': unknown unit (d, h, m, s, ms)" },
		{ { "--limit=2m" }, "option '--limit': '2m': a time from 1s to 1m is wanted" },
		{ { "--size=1X" }, "option '--size': '1X': unknown unit (K, M, G, T)" },
		{ { "--color=red" }, "option '--color': 'red': auto, always or never is wanted" },
		{ { "-r", "2" }, "option '--retries' is not in this version yet; it comes later" },
		{ { "--bo\x1bgus" }, "unknown or ambiguous option '--bo\\x1bgus'" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *argv[] = { "test", (char *)rows[i].argument[0], (char *)rows[i].argument[1], NULL };

		ck_assert_int_eq(parse(argv), OPTIONS_WRONG);
		ck_assert_str_eq(message, rows[i].message);
	}
}
END_TEST

START_TEST(help_shows_each_option_with_its_default)
{
	char *got;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	options_help(&options, out);
	fclose(out);
	ck_assert_str_eq(got,
	    "Usage: test [OPTIONS]\n"
	    "       test --more\n"
	    "Tests.\n"
	    "\n"
	    "Options:\n"
	    "  -f, --flag                a flag\n"
	    "  -t, --text=TEXT           some text (TEST_OPTIONS_TEXT, else abc)\n"
	    "  -n, --number=N            0-9 (5)\n"
	    "      --limit=TIME          a time\n"
	    "                            of two lines (10s)\n"
	    "  -w, --watch[=TIME]        again\n"
	    "      --size=SIZE           a size (64K)\n"
	    "  -e, --env=NAME            a list\n"
	    "      --color=WHEN          when (auto)\n"
	    "  -h, --help                this\n"
	    "      --version             that\n"
	    "\n"
	    "Manual: test(1)\n");
	free(got);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, takes_values);
	tcase_add_test(tcase, takes_a_time_that_may_be_missing);
	tcase_add_test(tcase, environment_is_between);
	tcase_add_test(tcase, refuses);
	tcase_add_test(tcase, help_shows_each_option_with_its_default);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
