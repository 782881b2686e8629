/* test_invariants: what zkq admin fsck makes of the parts of a queue, while it lasts and while it is being deleted. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "lib/handle.h"
#include "lib/invariants.h"

#define ALL (-1)

static struct zkq handle = { .root = (char[]){ "/zkq" } };
static struct tree_node list[32];
static struct tree tree;
static char seen[8192];		/* "error folder /zkq/queues/q/inbox is missing", one a line */

static void
add(const char *path, const char *data, int version)
{
	struct tree_node *node = &list[tree.count++];

	*node = (struct tree_node){ .path = path, .data = data, .len = strlen(data), .stat.version = version };
	node->known = path_parse("/zkq", path, &node->node);
	ck_assert(node->known);
}

/* A queue with the given record, and as many of its parts as are left; closed: the version of its open segment. */
static void
queue(const char *record, int parts, bool inbox, int closed)
{
	static const char *const folders[] = { "classes", "moved", "retry", "done", "dead", "hold", "cancel", "keys", "tasks", "tasks/0",
	    "retry/0", "done/0", "dead/0" };
	static char paths[13][64];

	tree = (struct tree){ .handle = &handle, .list = list };
	add("/zkq", "{\"v\":1,\"format\":1,\"cluster\":\"x\"}", 0);
	add("/zkq/election", "", 0);
	add("/zkq/workers", "", 0);
	add("/zkq/logkeys", "", 0);
	add("/zkq/assign", "", 0);
	add("/zkq/drain", "", 0);
	add("/zkq/queues", "", 0);
	add("/zkq/queues/q", record, 1);
	for (int i = 0; i < (parts == ALL ? 13 : parts); i++) {
		snprintf(paths[i], sizeof paths[i], "/zkq/queues/q/%s", folders[i]);
		add(paths[i], i == 8 ? "{\"v\":1,\"tail\":0}" : "", i == 9 ? closed : 0);
	}
	if (inbox)
		add("/zkq/queues/q/inbox", "", 0);
}

static const char *
check(void)
{
	struct broken_list broken;

	seen[0] = '\0';
	invariants_check(&tree, &broken);
	ck_assert(!broken.failed);
	for (int i = 0; i < broken.count; i++) {
		size_t len = strlen(seen);

		snprintf(seen + len, sizeof seen - len, "%s %s %s %s\n", broken.list[i].level == ZKQ_LEVEL_ERROR ? "error" : "note",
		    broken.list[i].check, broken.list[i].path, broken.list[i].text);
	}
	broken_free(&broken);
	return seen;
}

START_TEST(lasting)
{
	queue("{\"v\":1}", ALL, true, 0);
	ck_assert_str_eq(check(), "");
	queue("{\"v\":1}", ALL, false, 0);
	ck_assert_str_eq(check(), "error folder /zkq/queues/q/inbox is missing\n");
	queue("{\"v\":1}", ALL, true, 1);
	ck_assert_str_eq(check(), "error tail /zkq/queues/q/tasks/0 is the open segment, but closed: nobody can submit\n");
	queue("{\"v\":1}", 8, true, 0);
	ck_assert_str_eq(check(), "error folder /zkq/queues/q/tasks is missing\n");
}
END_TEST

/* Sealed: the inbox is gone and the tail closed; all else must be there until the last task has ended. */
START_TEST(deleting)
{
	queue("{\"v\":1,\"deleting\":true}", ALL, true, 0);
	ck_assert_str_eq(check(), "");
	queue("{\"v\":1,\"deleting\":true}", ALL, false, 1);
	ck_assert_str_eq(check(), "");
	queue("{\"v\":1,\"deleting\":true}", 12, false, 1);
	ck_assert_str_eq(check(), "error folder /zkq/queues/q/dead/0 is missing: tasks of the segment cannot end\n");
}
END_TEST

/* Its parts go one after the other, and none of them is missed; what is not of a tree of zkq is told of as ever. */
START_TEST(deleted)
{
	for (int parts = 0; parts <= 13; parts++) {
		queue("{\"v\":1,\"deleted\":true,\"next\":1}", parts, parts % 2, 1);
		ck_assert_str_eq(check(), "");
	}
	queue("{\"v\":1,\"deleted\":true,\"next\":1}", ALL, false, 1);
	add("/zkq/queues/q/tasks/0/5.00000000deadbeef.-.aaaaaaaaaaaa-0000000000", "{}", 0);
	ck_assert_str_eq(check(), "");
	add("/zkq/assign/w1.aaaaaaaa/1:q:0:5.00000000deadbeef.-.bbbbbbbbbbbb-0000000001:3:00000000000000000000000000000000", "", 0);
	ck_assert_ptr_nonnull(strstr(check(), "is for a task that is not there"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("invariants");
	TCase *test = tcase_create("all");

	tcase_add_test(test, lasting);
	tcase_add_test(test, deleting);
	tcase_add_test(test, deleted);
	suite_add_tcase(suite, test);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
