/* The three forms of log lines: for people, for the journal, as JSON. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static char line[8192];

/* Runs log_write() with stderr in a file; its text is in line. journal: say that stderr is the journal's. */
static void
write_log(enum log_format format, bool journal, enum log_level level, const char *text)
{
	char path[] = "/tmp/zkq-log-XXXXXX", stream[64];
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	struct stat stat;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &stat), 0);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)stat.st_dev, (uintmax_t)stat.st_ino + (journal ? 0 : 1));
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(fd, STDERR_FILENO);
	log_open("zkq-test", LEVEL_INFO);
	log_set_format(format);
	log_write(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	ssize_t len = pread(fd, line, sizeof line - 1, 0);
	ck_assert_int_ge(len, 0);
	line[len] = '\0';
	close(fd);
	unlink(path);
}

/* line is "2026-11-20T08:41:07.123Z" and rest. */
static void
is_stamped(const char *text, const char *rest)
{
	int year, month, day, hour, minute, second, ms, used = 0;

	ck_assert_int_eq(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour, &minute, &second, &ms, &used), 7);
	ck_assert_int_eq(used, 24);
	ck_assert_str_eq(text + used, rest);
}

START_TEST(for_people)
{
	write_log(LOG_TEXT, false, LEVEL_INFO, "worker w1: starts");
	is_stamped(line, " zkq-test: worker w1: starts\n");
	write_log(LOG_TEXT, false, LEVEL_ERROR, "two\nlines \x1b[31m");
	is_stamped(line, " zkq-test: error: two\\x0alines \\x1b[31m\n");
	write_log(LOG_TEXT, false, LEVEL_DEBUG, "not wanted");
	ck_assert_str_eq(line, "");
}
END_TEST

START_TEST(for_the_journal)
{
	write_log(LOG_TEXT, true, LEVEL_ERROR, "worker w1: breaks");
	ck_assert_str_eq(line, "<3>worker w1: breaks\n");
	write_log(LOG_TEXT, true, LEVEL_WARNING, "x");
	ck_assert_str_eq(line, "<4>x\n");
	write_log(LOG_TEXT, true, LEVEL_INFO, "x");
	ck_assert_str_eq(line, "<6>x\n");
}
END_TEST

START_TEST(as_json)
{
	char wanted[256];

	write_log(LOG_JSON, true, LEVEL_WARNING, "say \"so\" \\ \x1b \xc3\xa9 \xff");
	ck_assert_int_eq(strncmp(line, "{\"time\":\"", 9), 0);
	snprintf(wanted, sizeof wanted, "\",\"level\":\"warning\",\"program\":\"zkq-test\",\"pid\":%ld,"
	    "\"message\":\"say \\\"so\\\" \\\\ \\\\x1b \\\\xc3\\\\xa9 \\\\xff\"}\n", (long)getpid());
	is_stamped(line + 9, wanted);
}
END_TEST

START_TEST(longest)
{
	char text[4000];

	memset(text, '"', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	write_log(LOG_JSON, false, LEVEL_INFO, text);
	size_t len = strlen(line);
	ck_assert_uint_gt(len, 1000);
	ck_assert_str_eq(line + len - 3, "\"}\n");
	ck_assert_ptr_eq(strchr(line, '\n'), line + len - 1);
}
END_TEST

START_TEST(formats)
{
	enum log_format format = LOG_TEXT;

	ck_assert(log_format_parse("json", &format));
	ck_assert_int_eq(format, LOG_JSON);
	ck_assert(!log_format_parse("xml", &format));
	ck_assert_int_eq(format, LOG_JSON);
	ck_assert(log_format_parse("text", &format));
	ck_assert_int_eq(format, LOG_TEXT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *all = tcase_create("all");

	tcase_add_test(all, for_people);
	tcase_add_test(all, for_the_journal);
	tcase_add_test(all, as_json);
	tcase_add_test(all, longest);
	tcase_add_test(all, formats);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
