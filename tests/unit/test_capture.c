/* What becomes of a task's output: files, quota, end, failures. No processes: the test writes into the pipes itself. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/capture.h"

static char dir[] = "/tmp/zkq-capture-XXXXXX";
static int logs;
static struct event_base *base;
static struct capture_conf conf;

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	logs = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(logs, 0);
	base = event_base_new();
	conf = (struct capture_conf){
		.logs_fd = logs, .folder = "q.0.t", .prefix = "1", .head_bytes = 1000, .end_bytes = 100, .tail_bytes = 10,
	};
}

static void
teardown(void)
{
	unlinkat(logs, "q.0.t/1.stdout", 0);
	unlinkat(logs, "q.0.t/1.stderr", 0);
	unlinkat(logs, "q.0.t", AT_REMOVEDIR);
	close(logs);
	rmdir(dir);
	event_base_free(base);
}

static void
put(struct capture *capture, enum capture_stream stream, const char *text, size_t len)
{
	ck_assert_int_eq(write(capture_fd(capture, stream), text, len), (ssize_t)len);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* The file's content; -1 when it is not there. */
static int
content(const char *name, char *buffer, size_t size)
{
	int fd = openat(logs, name, O_RDONLY);

	if (fd < 0)
		return -1;
	ssize_t len = read(fd, buffer, size);
	close(fd);
	return (int)len;
}

START_TEST(silent)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	struct stat stat;

	capture_finish(capture, &result);
	ck_assert(result.complete);
	ck_assert_int_eq(result.bytes[0] + result.bytes[1] + result.dropped, 0);
	ck_assert_int_eq(result.tail_len, 0);
	/* A silent task costs no file. */
	ck_assert_int_ne(fstatat(logs, "q.0.t", &stat, 0), 0);
	capture_free(capture);
}
END_TEST

START_TEST(both_streams)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	char text[100];
	struct stat stat;

	put(capture, CAPTURE_STDOUT, "one\n", 4);
	put(capture, CAPTURE_STDERR, "oops\n", 5);
	put(capture, CAPTURE_STDOUT, "two\n", 4);
	/* What is still in the pipe at the end counts, too, though somebody holds its other end. */
	int held = dup(capture_fd(capture, CAPTURE_STDOUT));
	ck_assert_int_eq(write(held, "three\n", 6), 6);
	capture_finish(capture, &result);
	ck_assert(result.complete);
	ck_assert_int_eq(result.bytes[CAPTURE_STDOUT], 14);
	ck_assert_int_eq(result.bytes[CAPTURE_STDERR], 5);
	ck_assert_int_eq(result.tail_len, 10);
	ck_assert_int_eq(memcmp(result.tail, "two\nthree\n", 10), 0);
	ck_assert_int_eq(content("q.0.t/1.stdout", text, sizeof text), 14);
	ck_assert_int_eq(memcmp(text, "one\ntwo\nthree\n", 14), 0);
	ck_assert_int_eq(content("q.0.t/1.stderr", text, sizeof text), 5);
	ck_assert_int_eq(fstatat(logs, "q.0.t/1.stderr", &stat, 0), 0);
	ck_assert_int_eq(stat.st_mode & 0777, 0600);
	ck_assert_int_eq(fstatat(logs, "q.0.t", &stat, 0), 0);
	ck_assert_int_eq(stat.st_mode & 0777, 0700);
	close(held);
	capture_free(capture);
}
END_TEST

START_TEST(quota)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	char chunk[300], text[2000];
	static const char line[] = "\n[zkq: 400 bytes dropped]\n";

	for (int i = 0; i < 5; i++) {
		memset(chunk, 'a' + i, sizeof chunk);
		put(capture, CAPTURE_STDOUT, chunk, sizeof chunk);
	}
	capture_finish(capture, &result);
	ck_assert_int_eq(result.bytes[0], 1500);
	ck_assert_int_eq(result.dropped, 400);
	ck_assert(!result.complete);
	ck_assert_int_eq(result.error, 0);
	int len = content("q.0.t/1.stdout", text, sizeof text);
	ck_assert_int_eq(len, 1000 + (int)strlen(line) + 100);
	ck_assert_int_eq(text[999], 'd');
	ck_assert_int_eq(memcmp(text + 1000, line, strlen(line)), 0);
	ck_assert_int_eq(text[len - 100], 'e');
	ck_assert_int_eq(text[len - 1], 'e');
	capture_free(capture);
}
END_TEST

/* What fits into head and end together is whole, without a mark. */
START_TEST(just_fits)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	char chunk[1100], text[2000];

	memset(chunk, 'x', sizeof chunk);
	chunk[1099] = 'y';
	put(capture, CAPTURE_STDERR, chunk, sizeof chunk);
	capture_finish(capture, &result);
	ck_assert(result.complete);
	ck_assert_int_eq(content("q.0.t/1.stderr", text, sizeof text), 1100);
	ck_assert_int_eq(memcmp(text, chunk, 1100), 0);
	capture_free(capture);
}
END_TEST

/* What is there already, of an earlier run or whoever put it there, is replaced, never written to. */
START_TEST(replaces)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	char text[100];
	struct stat stat;

	ck_assert_int_eq(mkdirat(logs, "q.0.t", 0700), 0);
	ck_assert_int_eq(symlinkat("../victim", logs, "q.0.t/1.stdout"), 0);
	put(capture, CAPTURE_STDOUT, "text\n", 5);
	capture_finish(capture, &result);
	ck_assert(result.complete);
	ck_assert_int_eq(content("q.0.t/1.stdout", text, sizeof text), 5);
	ck_assert_int_ne(fstatat(logs, "victim", &stat, 0), 0);
	capture_free(capture);
}
END_TEST

/* A file that cannot be made: the log is given up, the end of the output is kept. */
START_TEST(given_up)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;

	ck_assert_int_eq(mkdirat(logs, "q.0.t", 0700), 0);
	ck_assert_int_eq(mkdirat(logs, "q.0.t/1.stdout", 0700), 0);
	put(capture, CAPTURE_STDOUT, "text\n", 5);
	capture_finish(capture, &result);
	ck_assert(!result.complete);
	ck_assert_int_eq(result.dropped, 5);
	ck_assert_int_ne(result.error, 0);
	ck_assert_int_eq(result.tail_len, 5);
	ck_assert_int_eq(unlinkat(logs, "q.0.t/1.stdout", AT_REMOVEDIR), 0);
	capture_free(capture);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("capture");
	TCase *tcase = tcase_create("capture");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, silent);
	tcase_add_test(tcase, both_streams);
	tcase_add_test(tcase, quota);
	tcase_add_test(tcase, just_fits);
	tcase_add_test(tcase, replaces);
	tcase_add_test(tcase, given_up);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
