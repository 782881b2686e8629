/* The log server as a process of its own, asked over HTTP; the test is in the runner's place. */
#include "config.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/folder.h"
#include "io/listener.h"
#include "io/marks.h"
#include "worker/message.h"
#include "worker/options.h"

#define DEADLINE_MS 10000
#define ID "default.4.abcdefghijkl"

static struct worker_options options = { .state_dir = "/tmp/zkq-logs-XXXXXX", .name = "w1" };
static int fd, listener;
static pid_t server;
static char address[ADDRESS_SIZE];

static void
tell(enum message_kind kind, const char *text)
{
	struct message message = { .kind = kind };
	struct arena arena = { 0 };
	size_t len;

	if (kind == MSG_SERVE) {
		message.text = text;
	} else {
		message.log.folder = text;
		message.log.run = 1;
	}
	const char *data = message_encode(&arena, &message, &len);
	uint32_t prefix = (uint32_t)len;
	ck_assert_int_eq(write(fd, &prefix, sizeof prefix), sizeof prefix);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	arena_free(&arena);
}

static void
setup(void)
{
	const char *why;
	int ends[2];

	ck_assert_ptr_nonnull(mkdtemp(options.state_dir));
	listener = listener_open("127.0.0.1", &why);
	ck_assert_int_ge(listener, 0);
	ck_assert(listener_address(listener, NULL, address));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		_exit(log_server_run(&options, ends[1], listener));
	}
	close(ends[1]);
	fd = ends[0];
	tell(MSG_SERVE, "secret");
}

static void
teardown(void)
{
	char command[1100];
	int status;

	close(fd);
	close(listener);
	ck_assert_int_eq(waitpid(server, &status, 0), server);
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	snprintf(command, sizeof command, "rm -rf %s", options.state_dir);
	ck_assert_int_eq(system(command), 0);
}

/* Sends a request; returns the connection. */
static int
ask(const char *path, const char *token)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t len = sizeof name;
	char request[512];
	int connection = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&name, &len), 0);
	ck_assert_int_eq(connect(connection, (struct sockaddr *)&name, len), 0);
	int used = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n", path, token);
	ck_assert_int_eq(write(connection, request, (size_t)used), used);
	return connection;
}

/* Reads until the answer holds text, or to its end when text is NULL. Returns the answer's code; body may be NULL. */
static int
answer(int connection, const char *text, char *body, size_t size)
{
	static char all[1 << 17];
	size_t len = 0;
	int64_t deadline = clock_boot_ms() + DEADLINE_MS;

	for (;;) {
		struct pollfd poll_fd = { .fd = connection, .events = POLLIN };
		ck_assert_msg(poll(&poll_fd, 1, (int)(deadline - clock_boot_ms())) == 1, "no answer");
		ssize_t got = read(connection, all + len, sizeof all - 1 - len);
		ck_assert_int_ge(got, 0);
		len += (size_t)got;
		all[len] = '\0';
		if (got == 0 || (text && strstr(all, text)))
			break;
	}
	ck_assert_msg(!text || strstr(all, text) != NULL, "%s", all);
	char *start = strstr(all, "\r\n\r\n");
	if (body)
		snprintf(body, size, "%s", start ? start + 4 : "");
	int code = 0;
	sscanf(all, "HTTP/%*s %d", &code);
	return code;
}

static int
get(const char *path, const char *token, char *body, size_t size)
{
	int connection = ask(path, token);
	int code = answer(connection, NULL, body, size);

	close(connection);
	return code;
}

static void
append(const char *file, const char *text)
{
	char path[1200];

	snprintf(path, sizeof path, "%s/logs/" ID, options.state_dir);
	close(folder_open(path));
	snprintf(path, sizeof path, "%s/logs/" ID "/%s", options.state_dir, file);
	FILE *log = fopen(path, "a");
	fputs(text, log);
	fclose(log);
}

START_TEST(refuses)
{
	char body[256];

	append("1.stdout", "text\n");
	ck_assert_int_eq(get("/livez", "", body, sizeof body), 200);
	ck_assert_str_eq(body, "ok\n");
	ck_assert_int_eq(get("/log/" ID "/1/stdout", "", NULL, 0), 401);
	ck_assert_int_eq(get("/log/" ID "/1/stdout", "secreT", NULL, 0), 401);
	ck_assert_int_eq(get("/log/" ID "/1/stdout", "secret1", NULL, 0), 401);
	ck_assert_int_eq(get("/nothing", "secret", NULL, 0), 404);
	ck_assert_int_eq(get("/log/" ID "/2/stdout", "secret", NULL, 0), 404);
	ck_assert_int_eq(get("/log/" ID "/1/stdin", "secret", NULL, 0), 404);
	ck_assert_int_eq(get("/log/" ID "/1/stdout/", "secret", NULL, 0), 404);
	ck_assert_int_eq(get("/log/" ID "/01/../1/stdout", "secret", NULL, 0), 404);
	ck_assert_int_eq(get("/log/../logs/1/stdout", "secret", NULL, 0), 404);
	ck_assert_int_eq(get("/log/" ID "%00/1/stdout", "secret", NULL, 0), 400);
	ck_assert_int_eq(get("/log/" ID "/1/stdout?from=-1", "secret", NULL, 0), 400);
	ck_assert_int_eq(get("/log/" ID "/1/stdout?from=99999999999999999999", "secret", NULL, 0), 400);
}
END_TEST

START_TEST(serves)
{
	char body[256];

	append("1.stdout", "one\ntwo\n");
	ck_assert_int_eq(get("/log/" ID "/1/stdout", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "one\ntwo\n");
	ck_assert_int_eq(get("/log/" ID "/1/stdout?from=4", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "two\n");
	ck_assert_int_eq(get("/log/" ID "/1/stdout?from=1000", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "");
	/* Nothing runs that would write more. */
	ck_assert_int_eq(get("/log/" ID "/1/stdout?follow=1", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "one\ntwo\n");
}
END_TEST

/* The last lines of a file, and where they begin. */
START_TEST(last_lines)
{
	static char big[5 * 1024 * 1024 + 1];
	char body[256], wanted[64];
	static const struct {
		const char *query, *body;
		int from;
	} rows[] = {
		{ "lines=1", "three", 8 },
		{ "lines=2", "two\nthree", 4 },
		{ "lines=3", "one\ntwo\nthree", 0 },
		{ "lines=999999999", "one\ntwo\nthree", 0 },
		{ "lines=1&follow=1", "three", 8 },
	};

	append("1.stdout", "one\ntwo\nthree");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char path[256];

		snprintf(path, sizeof path, "/log/" ID "/1/stdout?%s", rows[i].query);
		snprintf(wanted, sizeof wanted, "\r\nZkq-From: %d\r\n", rows[i].from);
		int connection = ask(path, "secret");
		ck_assert_int_eq(answer(connection, wanted, NULL, 0), 200);
		close(connection);
		ck_assert_int_eq(get(path, "secret", body, sizeof body), 200);
		ck_assert_str_eq(body, rows[i].body);
	}
	append("1.stderr", "\n\nend\n");
	ck_assert_int_eq(get("/log/" ID "/1/stderr?lines=1", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "end\n");
	ck_assert_int_eq(get("/log/" ID "/1/stderr?lines=2", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "\nend\n");
	ck_assert_int_eq(get("/log/" ID "/1/stderr?lines=0", "secret", NULL, 0), 400);
	ck_assert_int_eq(get("/log/" ID "/1/stderr?lines=-1", "secret", NULL, 0), 400);
	ck_assert_int_eq(get("/log/" ID "/1/stderr?lines=9999999999", "secret", NULL, 0), 400);
	/* A line that is longer than what is looked at. */
	memset(big, 'x', sizeof big - 1);
	append("2.stdout", big);
	int connection = ask("/log/" ID "/2/stdout?lines=1", "secret");
	ck_assert_int_eq(answer(connection, "\r\nZkq-From: 1048576\r\n", NULL, 0), 200);
	close(connection);
}
END_TEST

static void
append_mark(const char *file, uint64_t at, int64_t wall_ms)
{
	char path[1200];
	struct mark mark = { at, wall_ms };

	snprintf(path, sizeof path, "%s/logs/" ID "/%s", options.state_dir, file);
	FILE *marks = fopen(path, "a");
	ck_assert_int_eq(fwrite(&mark, sizeof mark, 1, marks), 1);
	fclose(marks);
}

#define T1 "2026-11-20T08:31:02.114Z "
#define T2 "2026-11-20T08:31:03.000Z "
#define NO "-                        "

/* The time before each line and at the begin of the answer. A line has the time of its first byte. */
START_TEST(times_of_lines)
{
	static char big[200 * 1024];
	char *body = malloc(sizeof big), path[64];
	static const struct {
		const char *query, *body;
	} rows[] = {
		{ "", T1 "one\n" T1 "two\n" T2 "three\n" NO "\n" NO "end" },
		{ "&from=4", T1 "two\n" T2 "three\n" NO "\n" NO "end" },
		{ "&from=9", NO "hree\n" NO "\n" NO "end" },
		{ "&from=1000", "" },
		{ "&lines=2", NO "\n" NO "end" },
		{ "&lines=3", T2 "three\n" NO "\n" NO "end" },
	};

	append("1.stdout", "one\ntwo\nthree\n\nend");
	append_mark("1.stdout" MARKS_SUFFIX, 0, 1795163462114);
	append_mark("1.stdout" MARKS_SUFFIX, 6, 1795163463000);
	append_mark("1.stdout" MARKS_SUFFIX, 9, INT64_MAX);
	append_mark("1.stdout" MARKS_SUFFIX, 10, 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(path, sizeof path, "/log/" ID "/1/stdout?ts=1%s", rows[i].query);
		int connection = ask(path, "secret");
		ck_assert_int_eq(answer(connection, "\r\nZkq-Prefix: 25\r\n", NULL, 0), 200);
		close(connection);
		ck_assert_int_eq(get(path, "secret", body, sizeof big), 200);
		ck_assert_str_eq(body, rows[i].body);
	}
	/* Many short lines become much longer than a piece; nothing is lost between the pieces. */
	for (size_t i = 0; i < 8000; i += 2)
		memcpy(big + i, "x\n", 3);
	append("2.stdout", big);
	append_mark("2.stdout" MARKS_SUFFIX, 0, 1795163462114);
	ck_assert_int_eq(get("/log/" ID "/2/stdout?ts=1", "secret", body, sizeof big), 200);
	ck_assert_uint_eq(strlen(body), 4000 * strlen(T1 "x\n"));
	for (const char *line = body; *line; line += strlen(T1 "x\n"))
		ck_assert_int_eq(strncmp(line, T1 "x\n", strlen(T1 "x\n")), 0);
	free(body);
}
END_TEST

/* The server knows of an attempt, from the runner. */
static void
wait_known(void)
{
	int64_t deadline = clock_boot_ms() + DEADLINE_MS;

	while (get("/log/" ID "/1/stderr", "secret", NULL, 0) != 200) {
		ck_assert(clock_boot_ms() < deadline);
		poll(NULL, 0, 1);
	}
}

START_TEST(follows)
{
	char body[256];

	tell(MSG_LOG_BEGIN, ID);
	wait_known();
	int connection = ask("/log/" ID "/1/stdout?follow=1", "secret");
	append("1.stdout", "first\n");
	tell(MSG_LOG_FILE, ID);
	answer(connection, "first\n", NULL, 0);
	append("1.stdout", "second\n");
	answer(connection, "second\n", NULL, 0);
	int timed = ask("/log/" ID "/1/stdout?follow=1&ts=1&from=6", "secret");
	append_mark("1.stdout" MARKS_SUFFIX, 0, 1795163462114);
	append_mark("1.stdout" MARKS_SUFFIX, 13, 1795163463000);
	append("1.stdout", "last\n");
	answer(timed, T2 "last\n", NULL, 0);
	close(timed);
	tell(MSG_LOG_END, ID);
	answer(connection, NULL, NULL, 0);
	close(connection);
	/* Silent on this stream, but known to have run. */
	ck_assert_int_eq(get("/log/" ID "/1/stderr?follow=1", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "");
}
END_TEST

/* Readers who leave in the middle do no harm. */
START_TEST(leavers)
{
	char body[256];

	tell(MSG_LOG_BEGIN, ID);
	wait_known();
	append("1.stdout", "first\n");
	for (int i = 0; i < 50; i++) {
		int connection = ask("/log/" ID "/1/stdout?follow=1", "secret");
		if (i % 2)
			answer(connection, "first\n", NULL, 0);
		close(connection);
	}
	append("1.stdout", "second\n");
	tell(MSG_LOG_END, ID);
	ck_assert_int_eq(get("/log/" ID "/1/stdout?follow=1", "secret", body, sizeof body), 200);
	ck_assert_str_eq(body, "first\nsecond\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("log server");
	TCase *tcase = tcase_create("log server");
	SRunner *runner = srunner_create(suite);

	signal(SIGPIPE, SIG_IGN);
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, refuses);
	tcase_add_test(tcase, serves);
	tcase_add_test(tcase, last_lines);
	tcase_add_test(tcase, times_of_lines);
	tcase_add_test(tcase, follows);
	tcase_add_test(tcase, leavers);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
