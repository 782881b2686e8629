/* test_restore: what an import makes of an export, case by case; and lines of an export, there and back. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "lib/restore.h"

#define NAME_A "5.00000000deadbeef.-.aaaaaaaaaaaa-0000000000"
#define FENCE "00000000000000000000000000000000"
#define CLAIM_A "assign/w1.aaaaaaaa/1:default:2:" NAME_A ":3:" FENCE

static struct dump znodes[64];
static int count;
static struct restore restore;
static struct zkq_import_info info;

static struct dump *
add(const char *path, const char *data, int version)
{
	struct dump *znode = &znodes[count++];

	*znode = (struct dump){ .kind = DUMP_ZNODE, .path = path, .data = data, .len = data ? strlen(data) : 0, .stat.version = version,
		.stat.czxid = count, .stat.mzxid = count };
	return znode;
}

/* A queue with the segments 2 and 3, of which 3 is open. */
static void
setup(void)
{
	count = 0;
	add("", "{\"v\":1,\"format\":1,\"cluster\":\"x\"}", 0);
	add("queues/default", "{\"v\":1}", 4);
	add("queues/default/tasks", "{\"v\":1,\"tail\":3}", 3);
	add("queues/default/tasks/2", NULL, 1);
	add("queues/default/tasks/3", NULL, 0);
	add("queues/default/done/2", NULL, 0);
	add("queues/default/done/3", NULL, 0);
}

static void
teardown(void)
{
	restore_free(&restore);
}

static void
make(void)
{
	restore_free(&restore);
	memset(&info, 0, sizeof info);
	ck_assert_int_eq(restore_make(&restore, znodes, count, "me", 1700000000000, &info), ZKQ_OK);
	for (int i = 1; i < restore.count; i++) {
		ck_assert_int_le(restore.list[i - 1].depth, restore.list[i].depth);
		ck_assert_str_ne(restore.list[i - 1].path, restore.list[i].path);
	}
}

static const struct restored *
made(const char *path)
{
	for (int i = 0; i < restore.count; i++)
		if (strcmp(restore.list[i].path, path) == 0)
			return &restore.list[i];
	return NULL;
}

static void
expect_data(const char *path, const char *part)
{
	const struct restored *one = made(path);

	ck_assert_msg(one != NULL, "%s is not made", path);
	ck_assert_msg(one->data && strstr(one->data, part), "%s has no %s: %s", path, part, one->data ? one->data : "");
}

START_TEST(segments)
{
	add("queues/default/done/1", "{\"v\":1,\"count\":7}", 1);
	add("queues/default/done/0", "{\"v\":1,\"count\":7}", 5);
	make();
	expect_data("queues/default/tasks", "\"tail\":4");
	ck_assert_int_eq(made("queues/default/tasks/2")->sets, 1);
	ck_assert_int_eq(made("queues/default/tasks/3")->sets, 1);
	ck_assert_int_eq(made("queues/default/tasks/4")->sets, 0);
	ck_assert_int_eq(made("queues/default/done/2")->sets, 0);
	ck_assert_int_eq(made("queues/default/done/4")->sets, 0);
	ck_assert_int_eq(made("queues/default/done/1")->sets, 1);
	ck_assert_int_eq(made("queues/default/done/0")->sets, 2);
	ck_assert_ptr_null(made("queues/default/tasks/1"));
	for (int seg = 2; seg <= 4; seg++) {
		static const char *const parts[] = { "retry", "done", "dead" };
		char path[64];

		for (int i = 0; i < 3; i++) {
			snprintf(path, sizeof path, "queues/default/%s/%d", parts[i], seg);
			ck_assert_msg(made(path) != NULL, "%s", path);
		}
	}
	ck_assert_ptr_nonnull(made("queues/default/inbox"));
	ck_assert_ptr_nonnull(made("election"));
	ck_assert_ptr_null(made(""));
	ck_assert_ptr_nonnull(strstr(restore.root_data, "cluster"));
}
END_TEST

START_TEST(segment_that_was_stamped_meanwhile)
{
	add("queues/default/tasks/2/" NAME_A, "{}", 0);
	znodes[5].stat.version = 1;	/* done/2 */
	make();
	ck_assert_ptr_null(made("queues/default/tasks/2"));
	ck_assert_ptr_null(made("queues/default/tasks/2/" NAME_A));
	ck_assert_int_eq(made("queues/default/done/2")->sets, 1);
	ck_assert_int_eq(info.ended, 1);
}
END_TEST

START_TEST(segment_made_meanwhile)
{
	add("queues/default/done/9", NULL, 0);
	add("queues/default/done/9/bbbbbbbbbbbb", "{}", 0);
	make();
	expect_data("queues/default/tasks", "\"tail\":10");
	expect_data("queues/default/done/9", "\"count\":1");
	ck_assert_int_eq(made("queues/default/done/9")->sets, 1);
	ck_assert_ptr_nonnull(made("queues/default/done/9/bbbbbbbbbbbb"));
}
END_TEST

START_TEST(task_in_two_places)
{
	add("queues/default/tasks/2/" NAME_A, "{}", 0);
	make();
	ck_assert_int_eq(info.tasks, 1);
	ck_assert_ptr_nonnull(made("queues/default/tasks/2/" NAME_A));
	add("queues/default/retry/2/aaaaaaaaaaaa", "{\"v\":1,\"runs\":1}", 0);
	add("queues/default/cancel/2", NULL, 0);
	add("queues/default/cancel/2/aaaaaaaaaaaa", NULL, 0);
	make();
	ck_assert_ptr_nonnull(made("queues/default/retry/2/aaaaaaaaaaaa"));
	ck_assert_ptr_nonnull(made("queues/default/cancel/2/aaaaaaaaaaaa"));
	add("queues/default/dead/2/aaaaaaaaaaaa", "{}", 0);
	make();
	ck_assert_int_eq(info.ended, 1);
	ck_assert_int_eq(info.dead, 1);
	ck_assert_ptr_null(made("queues/default/tasks/2/" NAME_A));
	ck_assert_ptr_null(made("queues/default/retry/2/aaaaaaaaaaaa"));
	ck_assert_ptr_null(made("queues/default/cancel/2/aaaaaaaaaaaa"));
}
END_TEST

START_TEST(claims)
{
	add("queues/default/tasks/2/" NAME_A, "{}", 0);
	add(CLAIM_A, NULL, 0);
	make();
	ck_assert_int_eq(info.claimed, 1);
	ck_assert_ptr_null(made(CLAIM_A));
	expect_data("queues/default/retry/2/aaaaaaaaaaaa", "\"runs\":3");
	add("queues/default/retry/2/aaaaaaaaaaaa", "{\"v\":1,\"runs\":2,\"crashes\":1,\"suspect\":true}", 0);
	make();
	expect_data("queues/default/retry/2/aaaaaaaaaaaa", "\"crashes\":1");
	expect_data("queues/default/retry/2/aaaaaaaaaaaa", "\"runs\":3");
}
END_TEST

START_TEST(at_most_once)
{
	static const char once[] = "{\"v\":1,\"mode\":\"at-most-once\",\"on_lost\":\"requeue\",\"crash_limit\":5}";

	add("queues/default/tasks/2/" NAME_A, "{\"v\":1,\"argv\":[\"x\"],\"name\":\"n\"}", 0);
	struct dump *claim = add(CLAIM_A, NULL, 0);
	add("queues/default/classes/00000000deadbeef", once, 0);
	make();
	ck_assert_int_eq(info.tasks, 1);
	claim->data = "{\"v\":1}";
	claim->len = 7;
	make();
	ck_assert_int_eq(info.tasks, 0);
	ck_assert_int_eq(info.lost, 1);
	expect_data("queues/default/done/2/aaaaaaaaaaaa", "\"state\":\"lost\"");
	expect_data("queues/default/done/2/aaaaaaaaaaaa", "\"name\":\"n\"");
	expect_data("queues/default/done/2/aaaaaaaaaaaa", "\"attempt\":3");
}
END_TEST

/* Moved after the tasks had been read: its new place is not in the export. */
START_TEST(inbox)
{
	add("queues/default/inbox/t-0000000007", "{}", 0);
	add("queues/default/moved/0", NULL, 0);
	struct dump *moved = add("queues/default/moved/0/t-0000000007", "{\"v\":1,\"id\":\"default.2.aaaaaaaaaaaa\"}",
	    0);
	make();
	ck_assert_int_eq(info.inbox, 1);
	ck_assert_ptr_nonnull(made("queues/default/inbox/t-0000000007"));
	ck_assert_ptr_null(made("queues/default/moved/0/t-0000000007"));
	add("queues/default/tasks/2/" NAME_A, "{}", 0);
	make();
	ck_assert_int_eq(info.inbox, 0);
	ck_assert_int_eq(info.tasks, 1);
	ck_assert_ptr_null(made("queues/default/inbox/t-0000000007"));
	ck_assert_ptr_nonnull(made("queues/default/moved/0/t-0000000007"));
	/* A name that was used before. */
	moved->stat.mzxid = 1;
	make();
	ck_assert_int_eq(info.inbox, 1);
	ck_assert_int_eq(info.tasks, 1);
}
END_TEST

START_TEST(left_out)
{
	add("workers/w1", "{}", 0)->stat.owner = 1;
	add("assign/w1.aaaaaaaa", "{}", 0);
	add("assign/w1.aaaaaaaa/live-1", NULL, 0)->stat.owner = 1;
	add("junk", NULL, 0);
	add("limits/x", NULL, 0);
	add("queues/default/tasks/2/junk", NULL, 0);
	make();
	ck_assert_int_eq(info.ephemerals, 2);
	ck_assert_int_eq(info.strangers, 2);
	ck_assert_ptr_null(made("assign/w1.aaaaaaaa"));
	ck_assert_ptr_null(made("junk"));
	ck_assert_ptr_nonnull(made("limits/x"));
}
END_TEST

START_TEST(no_root)
{
	restore_free(&restore);
	ck_assert_int_eq(restore_make(&restore, znodes + 1, count - 1, "me", 0, &info), ZKQ_EINVAL);
}
END_TEST

START_TEST(lines)
{
	static const char *const datas[] = { "", "{\"a\":\"\\u00e9\"}", "\xff\x00z", "a\"b\\c\n\x01", "\xe2\x80\xae" };
	static const size_t lens[] = { 0, 14, 3, 7, 3 };
	static const struct raw_acl acl[] = { { 31, "world", "anyone" }, { PERM_READ, "x509", "CN=\"q\"\n" } };
	struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof datas / sizeof *datas; i++) {
		struct dump dump = { .kind = DUMP_ZNODE, .path = "queues/default", .data = datas[i], .len = lens[i],
		    .stat = { .version = 3,
			.czxid = 4294967297, .mzxid = 4294967299, .owner = 77 }, .acl = acl, .acl_count = 2 }, back;
		const char *why;
		size_t len;
		const char *line = dump_encode(&arena, &dump, &len);

		ck_assert_ptr_null(strchr(line, '\n'));
		ck_assert_ptr_nonnull(strstr(line, "\"acl\":[\"rwcda world:anyone\",\"r x509:CN=?q??\"]"));
		ck_assert_msg(dump_decode(&arena, line, len, &back, &why), "%s: %s", line, why);
		ck_assert_str_eq(back.path, dump.path);
		ck_assert_uint_eq(back.len, dump.len);
		ck_assert(back.len == 0 || memcmp(back.data, dump.data, dump.len) == 0);
		ck_assert_int_eq(back.stat.version, 3);
		ck_assert_int_eq(back.stat.czxid, 4294967297);
		ck_assert(back.stat.owner);
	}
	arena_free(&arena);
}
END_TEST

START_TEST(wrong_lines)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"path\":1}", "{\"path\":\"/x\"}",
	    "{\"path\":\"x\",\"data\":5}",
		"{\"path\":\"x\",\"data_base64\":\"*\"}", "{\"path\":\"x\",\"version\":\"a\"}",
		    "{\"format\":\"zkq-export/2\"}", "{\"end\":-1}" };
	struct arena arena = { 0 };
	struct dump dump;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *why = NULL;

		ck_assert_msg(!dump_decode(&arena, texts[i], strlen(texts[i]), &dump, &why), "%s", texts[i]);
		ck_assert_ptr_nonnull(why);
	}
	arena_free(&arena);
}
END_TEST

int
main(void)
{
	TCase *cases = tcase_create("restore");
	Suite *suite = suite_create("restore");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, segments);
	tcase_add_test(cases, segment_that_was_stamped_meanwhile);
	tcase_add_test(cases, segment_made_meanwhile);
	tcase_add_test(cases, task_in_two_places);
	tcase_add_test(cases, claims);
	tcase_add_test(cases, at_most_once);
	tcase_add_test(cases, inbox);
	tcase_add_test(cases, left_out);
	tcase_add_test(cases, no_root);
	tcase_add_test(cases, lines);
	tcase_add_test(cases, wrong_lines);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
