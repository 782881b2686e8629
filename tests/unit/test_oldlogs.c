/* What becomes of old output: by age, by size, oldest first, and never of a running task. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/loop.h"
#include "io/oldlogs.h"

#define DAY 86400
#define FOLDERS 200	/* more than one step */

static char dir[] = "/tmp/zkq-oldlogs-XXXXXX";
static int logs;
static struct event_base *base;
static uint64_t removed;

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	logs = open(dir, O_RDONLY | O_DIRECTORY);
	base = loop_new();
}

static void
teardown(void)
{
	char command[64];

	close(logs);
	loop_free(base);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* A task's folder with one file of that size, last written so many seconds ago. */
static void
put(const char *name, size_t size, time_t ago)
{
	char path[64];
	struct timespec times[2] = { { .tv_sec = time(NULL) - ago }, { .tv_sec = time(NULL) - ago } };
	static char zeros[64 * 1024];

	ck_assert_int_eq(mkdirat(logs, name, 0700), 0);
	snprintf(path, sizeof path, "%s/1.stdout", name);
	int fd = openat(logs, path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, zeros, size), (ssize_t)size);
	futimens(fd, times);
	close(fd);
	utimensat(logs, name, times, 0);
}

static bool
there(const char *name)
{
	struct stat stat;

	return fstatat(logs, name, &stat, 0) == 0;
}

static bool
in_use(void *context, const char *folder)
{
	(void)context;
	return strcmp(folder, "running") == 0;
}

static void
passed(void *context, uint64_t folders, uint64_t bytes)
{
	(void)context;
	(void)bytes;
	removed += folders;
	loop_stop(base);
}

static void
run(uint64_t bytes_max)
{
	struct old_logs_conf conf = {
		.fd = logs, .age_max_s = 7 * DAY, .bytes_max = bytes_max, .every_ms = 1, .in_use = in_use, .passed = passed,
	};
	struct old_logs *old = old_logs_new(base, &conf);

	loop_run(base);
	old_logs_free(old);
}

START_TEST(by_age)
{
	put("young", 4096, DAY);
	put("old", 4096, 8 * DAY);
	put("running", 4096, 9 * DAY);
	run(1 << 30);
	ck_assert_int_eq(removed, 1);
	ck_assert(there("young"));
	ck_assert(!there("old"));
	ck_assert(there("running"));
}
END_TEST

START_TEST(by_size)
{
	char name[32];

	for (int i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof name, "t%d", i);
		put(name, 4096, i * 3000);
	}
	run(50 * 4096);
	/* The youngest stay; ages are sorted into buckets of 20 minutes, so the limit is met to within one of them. */
	for (int i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof name, "t%d", i);
		if (i < 48)
			ck_assert_msg(there(name), "%s", name);
		if (i > 52)
			ck_assert_msg(!there(name), "%s", name);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("oldlogs");
	TCase *tcase = tcase_create("oldlogs");
	SRunner *runner = srunner_create(suite);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, by_age);
	tcase_add_test(tcase, by_size);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
