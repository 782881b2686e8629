/* What the service manager is told, and addresses that are none. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"

static int warnings;

static void
count(void *context, enum log_level level, const char *line)
{
	(void)context;
	(void)level;
	(void)line;
	warnings++;
}

/* A socket bound to name, "@..." = abstract. */
static int
manager_open(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(name);

	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'))), 0);
	return fd;
}

static void
hears(int fd, const char *wanted)
{
	char buffer[600];
	ssize_t len = recv(fd, buffer, sizeof buffer - 1, 0);

	ck_assert_int_gt(len, 0);
	buffer[len] = '\0';
	ck_assert_str_eq(buffer, wanted);
}

START_TEST(speaks)
{
	char directory[] = "/tmp/zkq-notify-XXXXXX", name[2][64];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(name[0], sizeof name[0], "%s/socket", directory);
	snprintf(name[1], sizeof name[1], "@zkq-test-%d", (int)getpid());
	for (int i = 0; i < 2; i++) {
		int fd = manager_open(name[i]);
		setenv("NOTIFY_SOCKET", name[i], 1);
		notify_open();
		ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
		ck_assert(notify_send("READY=1\nSTATUS=%d tasks", 7));
		hears(fd, "READY=1\nSTATUS=7 tasks");
		close(fd);
		ck_assert(!notify_send("STATUS=nobody hears"));
	}
	unlink(name[0]);
	rmdir(directory);
}
END_TEST

START_TEST(garbage)
{
	char too_long[300];

	memset(too_long, 'a', sizeof too_long - 1);
	too_long[0] = '/';
	too_long[sizeof too_long - 1] = '\0';
	const char *const bad[] = { "garbage", "/", "@", "relative/path", "vsock:2:1", too_long };
	log_set_sink(count, NULL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		warnings = 0;
		setenv("NOTIFY_SOCKET", bad[i], 1);
		setenv("WATCHDOG_USEC", "1000000", 1);
		notify_open();
		ck_assert_int_eq(warnings, 1);
		ck_assert(!notify_send("READY=1"));
		ck_assert_int_eq(notify_watchdog_ms(), 0);
	}
	warnings = 0;
	setenv("NOTIFY_SOCKET", "/nobody/there", 1);
	notify_open();
	ck_assert_int_eq(warnings, 0);
	ck_assert(!notify_send("READY=1"));
	unsetenv("NOTIFY_SOCKET");
	notify_open();
	ck_assert(!notify_send("READY=1"));
	log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(longest_address)
{
	/* 108 bytes: all of them for an abstract name, one less for a path and its end. */
	char name[110];

	memset(name, 'a', sizeof name);
	name[0] = '@';
	name[108] = '\0';
	log_set_sink(count, NULL);
	warnings = 0;
	setenv("NOTIFY_SOCKET", name, 1);
	notify_open();
	ck_assert_int_eq(warnings, 0);
	name[0] = '/';
	setenv("NOTIFY_SOCKET", name, 1);
	notify_open();
	ck_assert_int_eq(warnings, 1);
	log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(watchdog)
{
	static const struct { const char *usec, *pid; int64_t ms; } cases[] = {
		{ "30000000", NULL, 15000 }, { "30000000", "1", 0 }, { "30000000", "self", 15000 }, { "0", NULL, 0 },
		{ "-5", NULL, 0 }, { "many", NULL, 0 }, { "30x", NULL, 0 }, { "99999999999999999999", NULL, 0 }, { "1", NULL, 10 },
		{ "", NULL, 0 }, { NULL, NULL, 0 },
	};
	char self[32];

	snprintf(self, sizeof self, "%d", (int)getpid());
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		setenv("NOTIFY_SOCKET", "/nobody/there", 1);
		if (cases[i].usec)
			setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid)
			setenv("WATCHDOG_PID", strcmp(cases[i].pid, "self") == 0 ? self : cases[i].pid, 1);
		notify_open();
		ck_assert_int_eq(notify_watchdog_ms(), cases[i].ms);
		ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
		ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("notify");
	TCase *all = tcase_create("all");

	tcase_add_test(all, speaks);
	tcase_add_test(all, garbage);
	tcase_add_test(all, longest_address);
	tcase_add_test(all, watchdog);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
