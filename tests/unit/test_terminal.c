/* Text of others on its way to a terminal. */
#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/terminal.h"

static const char *
safe(const char *text)
{
	static char buffer[256];

	terminal_safe(text, strlen(text), buffer, sizeof buffer);
	return buffer;
}

START_TEST(shows_what_is_harmless)
{
	ck_assert_str_eq(safe("plain text"), "plain text");
	ck_assert_str_eq(safe("Grüße, 世界 ☃"), "Grüße, 世界 ☃");
	ck_assert_str_eq(safe("e\xcc\x81"), "e\xcc\x81");	/* a combining accent */
	ck_assert_str_eq(safe(""), "");
}
END_TEST

START_TEST(escapes_the_rest)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{ "\x1b[31mred", "\\x1b[31mred" },
		{ "a\rb\nc\td", "a\\x0db\\x0ac\\x09d" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b" "2J", "\\xc2\\x9b2J" },			/* CSI as one C1 character */
		{ "\x9b" "2J", "\\x9b2J" },				/* the same as one byte */
		{ "\xe2\x80\xae" "gnp.exe", "\\xe2\\x80\\xaegnp.exe" },	/* right-to-left override */
		{ "a\xe2\x80\x8b" "b", "a\\xe2\\x80\\x8b" "b" },	/* zero-width space */
		{ "\xe2\x81\xa6x\xe2\x81\xa9", "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9" },	/* isolates */
		{ "\xd8\x9c", "\\xd8\\x9c" },				/* Arabic letter mark */
		{ "\xef\xbb\xbf", "\\xef\\xbb\\xbf" },			/* byte order mark */
		{ "\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81" },		/* a tag character */
		{ "\xc0\xaf", "\\xc0\\xaf" },				/* overlong */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },			/* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },		/* above U+10FFFF */
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "x\xe4\xb8", "x\\xe4\\xb8" },				/* cut in the middle */
		{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },			/* line separator */
		{ "\xee\x80\x80", "\\xee\\x80\\x80" },			/* private use */
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ck_assert_str_eq(safe(rows[i].text), rows[i].shown);
}
END_TEST

START_TEST(leaves_out_what_does_not_fit_whole)
{
	char buffer[8];

	ck_assert_uint_eq(terminal_safe("abc\x1b" "def", 7, buffer, sizeof buffer), 7);
	ck_assert_str_eq(buffer, "abc\\x1b");
	ck_assert_uint_eq(terminal_safe("abcd\x1b" "def", 8, buffer, sizeof buffer), 4);
	ck_assert_str_eq(buffer, "abcd");
	ck_assert_uint_eq(terminal_safe("a\0b", 3, buffer, sizeof buffer), 6);
	ck_assert_str_eq(buffer, "a\\x00b");
}
END_TEST

static void
expect_cut(const char *text, int width, const char *expected)
{
	char *cut = terminal_cut(text, width);

	ck_assert_str_eq(cut, expected);
	free(cut);
}

START_TEST(cuts_to_a_width)
{
	expect_cut("abcdef", 6, "abcdef");
	expect_cut("abcdef", 5, "abcd…");
	expect_cut("abcdef", 0, "abcdef");
	expect_cut("世界世界", 8, "世界世界");
	expect_cut("世界世界", 7, "世界世…");
	expect_cut("世界世界", 6, "世界…");
	expect_cut("a\x1b" "b", 4, "a…");
	expect_cut(NULL, 4, "-");
	ck_assert_int_eq(terminal_width("世界"), 4);
	ck_assert_int_eq(terminal_width("\x1b"), 4);
	ck_assert_int_eq(terminal_width("e\xcc\x81"), 1);
}
END_TEST

/* However a text is cut into pieces, the same is shown. */
START_TEST(streams_in_pieces)
{
	static const char text[] = "ä\x1b[0m\xe4\xb8\n世\tx\xe2\x80\xae\xf0\x9f\x98\x80\xe2\x82\xe2\x82\xac\xf0\x9f";
	static const char shown[] = "ä\\x1b[0m\\xe4\\xb8\n世\tx\\xe2\\x80\\xae\xf0\x9f\x98\x80\\xe2\\x82\xe2\x82\xac\\xf0\\x9f";

	for (size_t step = 1; step < sizeof text; step++) {
		char *got;
		size_t size;
		FILE *out = open_memstream(&got, &size);
		struct terminal_stream stream = { .out = out };

		for (size_t at = 0; at < sizeof text - 1; at += step)
			terminal_stream_write(&stream, text + at,
			    at + step < sizeof text ? step : sizeof text - 1 - at);
		terminal_stream_write(&stream, NULL, 0);
		fclose(out);
		ck_assert_str_eq(got, shown);
		free(got);
	}
}
END_TEST

START_TEST(color_rules)
{
	/* stdout of a test is no terminal. */
	FILE *out = tmpfile();

	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	ck_assert(!terminal_color(out, COLOR_AUTO));
	ck_assert(!terminal_color(out, COLOR_NEVER));
	setenv("NO_COLOR", "1", 1);
	ck_assert(terminal_color(out, COLOR_ALWAYS));
	setenv("COLUMNS", "50", 1);
	ck_assert_int_eq(terminal_columns(out), 0);
	fclose(out);
}
END_TEST

static void
keep_line(void *context, enum log_level level, const char *line)
{
	(void)level;
	snprintf(context, 256, "%s", line);
}

/* A task's name must not forge a log line. */
START_TEST(log_lines_are_harmless)
{
	char line[256] = "";

	log_set_sink(keep_line, line);
	log_info("task %s: started", "x\n<3>zkq: all is well\x1b[2J");
	ck_assert_str_eq(line, "task x\\x0a<3>zkq: all is well\\x1b[2J: started");
	log_debug("not shown");
	ck_assert_str_ne(line, "not shown");
	enum log_level level;
	ck_assert(log_level_parse("debug", &level) && level == LEVEL_DEBUG);
	ck_assert(!log_level_parse("loud", &level));
	log_set_sink(NULL, NULL);
}
END_TEST

int
main(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	Suite *suite = suite_create("terminal");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, shows_what_is_harmless);
	tcase_add_test(tcase, escapes_the_rest);
	tcase_add_test(tcase, leaves_out_what_does_not_fit_whole);
	tcase_add_test(tcase, cuts_to_a_width);
	tcase_add_test(tcase, streams_in_pieces);
	tcase_add_test(tcase, color_rules);
	tcase_add_test(tcase, log_lines_are_harmless);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
