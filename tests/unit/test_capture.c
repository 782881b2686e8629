/* What becomes of a task's output: files, quota, end, failures. No processes: the test writes into the pipes itself. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/capture.h"
#include "io/clock.h"
#include "io/marks.h"

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
	unlinkat(logs, "q.0.t/1.stdout.times", 0);
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

/* ---- times ---- */

static int64_t
next_ms(void)
{
	int64_t begin = clock_wall_ms();

	while (clock_wall_ms() < begin + 2 * MARK_MS)
		usleep(1000);
	return clock_wall_ms();
}

static struct marks *
open_marks(int *fd)
{
	struct marks *marks;

	*fd = openat(logs, "q.0.t/1.stdout", O_RDONLY);
	ck_assert_int_ge(*fd, 0);
	ck_assert_ptr_nonnull(marks = marks_open(logs, "q.0.t", "1.stdout", *fd));
	marks_refresh(marks);
	return marks;
}

static bool
between(int64_t time, int64_t first, int64_t last)
{
	/* The kernel's time of a file is some ms late. */
	return time >= first - 10 && time <= last + 10;
}

/* When each byte came: without a file of marks, and with it; read while it grows. */
START_TEST(times)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	struct stat stat;
	int64_t first[3], last[3];
	int fd;

	first[0] = next_ms();
	put(capture, CAPTURE_STDOUT, "one\ntwo\n", 8);
	last[0] = clock_wall_ms();
	ck_assert_int_ne(fstatat(logs, "q.0.t/1.stdout.times", &stat, 0), 0);
	struct marks *marks = open_marks(&fd);
	ck_assert(between(marks_time(marks, 0), first[0], last[0]));
	ck_assert(between(marks_time(marks, 7), first[0], last[0]));
	for (int i = 1; i < 3; i++) {
		first[i] = next_ms();
		put(capture, CAPTURE_STDOUT, "three\n", 6);
		last[i] = clock_wall_ms();
		marks_refresh(marks);
		ck_assert(between(marks_time(marks, 6 + 6 * (uint64_t)i), first[i], last[i]));
	}
	marks_close(marks);
	close(fd);
	marks = open_marks(&fd);
	for (int i = 0; i < 3; i++) {
		ck_assert(between(marks_time(marks, i ? 2 + 6 * (uint64_t)i : 0), first[i], last[i]));
		ck_assert(between(marks_time(marks, i ? 7 + 6 * (uint64_t)i : 7), first[i], last[i]));
	}
	marks_close(marks);
	close(fd);
	ck_assert_int_eq(fstatat(logs, "q.0.t/1.stdout.times", &stat, 0), 0);
	ck_assert_int_eq(stat.st_size, 3 * sizeof(struct mark));
	ck_assert_int_eq(stat.st_mode & 0777, 0600);
	capture_finish(capture, &result);
	ck_assert_int_eq(result.bytes[0], 20);
	ck_assert(result.complete);
	capture_free(capture);
}
END_TEST

/* The kept end: what is dropped takes its marks along, and the line about it has none. */
START_TEST(times_of_the_end)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	char chunk[1000];
	int64_t begin_ms, head_ms, end_ms, last_ms;
	int fd;

	memset(chunk, 'a', sizeof chunk);
	begin_ms = clock_wall_ms();
	put(capture, CAPTURE_STDOUT, chunk, sizeof chunk);
	head_ms = clock_wall_ms();
	next_ms();
	put(capture, CAPTURE_STDOUT, chunk, 60);
	end_ms = next_ms();
	put(capture, CAPTURE_STDOUT, chunk, 60);
	last_ms = clock_wall_ms();
	capture_finish(capture, &result);
	ck_assert_int_eq(result.dropped, 20);
	struct marks *marks = open_marks(&fd);
	uint64_t line = 1000 + strlen("\n[zkq: 20 bytes dropped]\n");
	ck_assert(between(marks_time(marks, 999), begin_ms, head_ms));
	ck_assert_int_eq(marks_time(marks, 1000), 0);
	ck_assert_int_eq(marks_time(marks, line - 1), 0);
	ck_assert(between(marks_time(marks, line), head_ms + MARK_MS, end_ms - MARK_MS));
	ck_assert(between(marks_time(marks, line + 39), head_ms + MARK_MS, end_ms - MARK_MS));
	ck_assert(between(marks_time(marks, line + 40), end_ms, last_ms));
	marks_close(marks);
	close(fd);
	capture_free(capture);
}
END_TEST

/* More marks than there may be: no time is said then. The same when the end has more than its ring holds. */
START_TEST(too_many_times)
{
	struct capture *capture;
	struct capture_result result;
	struct stat stat;
	int fd;

	conf.head_bytes = 3 * MARK_PER_BYTES;
	conf.end_bytes = MARK_PER_BYTES - 1;	/* one mark */
	capture = capture_new(base, &conf);
	for (int i = 0; i < 5; i++) {
		put(capture, CAPTURE_STDOUT, "x\n", 2);
		next_ms();
	}
	struct marks *marks = open_marks(&fd);
	ck_assert_int_ne(marks_time(marks, 2), 0);
	ck_assert_int_eq(marks_time(marks, 4), 0);
	ck_assert_int_eq(marks_time(marks, 8), 0);
	marks_close(marks);
	close(fd);
	static char rest[3 * MARK_PER_BYTES - 10];
	put(capture, CAPTURE_STDOUT, rest, sizeof rest);
	for (int i = 0; i < 3; i++) {
		next_ms();
		put(capture, CAPTURE_STDOUT, "y\n", 2);
	}
	capture_finish(capture, &result);
	ck_assert(result.complete);
	marks = open_marks(&fd);
	ck_assert_int_eq(marks_time(marks, 3 * MARK_PER_BYTES), 0);
	ck_assert_int_eq(marks_time(marks, 3 * MARK_PER_BYTES + 2), 0);
	ck_assert_int_ne(marks_time(marks, 3 * MARK_PER_BYTES + 4), 0);
	marks_close(marks);
	close(fd);
	ck_assert_int_eq(fstatat(logs, "q.0.t/1.stdout.times", &stat, 0), 0);
	ck_assert_int_eq(stat.st_size, (3 + 2) * sizeof(struct mark));
	capture_free(capture);
}
END_TEST

/* Where the times cannot be written nothing else is lost; and what is not known is not made up. */
START_TEST(times_given_up)
{
	struct capture *capture = capture_new(base, &conf);
	struct capture_result result;
	char text[100];
	int fd;

	ck_assert_int_eq(mkdirat(logs, "q.0.t", 0700), 0);
	ck_assert_int_eq(mkdirat(logs, "q.0.t/1.stdout.times", 0700), 0);
	put(capture, CAPTURE_STDOUT, "one\n", 4);
	for (int64_t begin = clock_wall_ms(); clock_wall_ms() < begin + 300; )
		next_ms();
	put(capture, CAPTURE_STDOUT, "two\n", 4);
	capture_finish(capture, &result);
	ck_assert(result.complete);
	ck_assert_int_eq(result.error, 0);
	ck_assert_int_eq(content("q.0.t/1.stdout", text, sizeof text), 8);
	ck_assert_int_eq(unlinkat(logs, "q.0.t/1.stdout.times", AT_REMOVEDIR), 0);
	struct marks *marks = open_marks(&fd);
	ck_assert_int_eq(marks_time(marks, 0), 0);
	ck_assert_int_eq(marks_time(marks, 4), 0);
	marks_close(marks);
	close(fd);
	capture_free(capture);
}
END_TEST

/* The disk becomes full in the middle: a mark would hold for all that follows, so no time is known. */
START_TEST(times_lost)
{
	struct capture *capture = capture_new(base, &conf);
	struct rlimit limit = { 2 * sizeof(struct mark), RLIM_INFINITY };
	struct capture_result result;
	struct stat stat;
	int fd;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 4; i++) {
		if (i == 2) {
			ck_assert_int_eq(fstatat(logs, "q.0.t/1.stdout.times", &stat, 0), 0);
			ck_assert_int_eq(stat.st_size, 2 * sizeof(struct mark));
		}
		put(capture, CAPTURE_STDOUT, "text\n", 5);
		next_ms();
	}
	capture_finish(capture, &result);
	ck_assert(result.complete);
	ck_assert_int_eq(result.error, 0);
	struct marks *marks = open_marks(&fd);
	for (uint64_t at = 0; at < 20; at++)
		ck_assert_int_eq(marks_time(marks, at), 0);
	marks_close(marks);
	close(fd);
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
	tcase_add_test(tcase, times);
	tcase_add_test(tcase, times_of_the_end);
	tcase_add_test(tcase, too_many_times);
	tcase_add_test(tcase, times_given_up);
	tcase_add_test(tcase, times_lost);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
