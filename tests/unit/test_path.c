/* The spelling of paths, names and ids: what is written is read back, and nothing else is read. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "codec/path.h"

#define ROOT "/zkq"
#define CLASS "00000000000000ab"
#define FENCE "00000000000000010000000000000002"

static const struct task_name task = {
	.priority = 5, .class_hash = 0xab, .token = "k3v9q7xa2m4t", .seq = 17
};

static struct node
with_text(enum node_kind kind, uint32_t seg, const char *text)
{
	return node_of_text(kind, kind == NODE_CANDIDATE ? "" : "default", seg, text);
}

#define UUID "0123456789abcdef0123456789abcdef"

/* One of each kind, with its path. */
static const struct { const char *path; } paths[] = {
	{ "/zkq" }, { "/zkq/election" }, { "/zkq/election/" UUID "-n_0000000012" }, { "/zkq/workers" },
	{ "/zkq/workers/w1" }, { "/zkq/logkeys" }, { "/zkq/logkeys/W-1_a" }, { "/zkq/assign" },
	{ "/zkq/assign/w1.abcdefg1" }, { "/zkq/assign/w1.abcdefg1/live-1" },
	{ "/zkq/assign/w1.abcdefg1/812:render:4:5." CLASS ".-.k3v9q7xa2m4t-0000000017:1:" FENCE },
	{ "/zkq/assign/w1.abcdefg1/812:render:4:9." CLASS ".00000000000000cd.k3v9q7xa2m4tx249-2147483647:3:" FENCE },
	{ "/zkq/assign/w1.abcdefg1/o:812:kill" }, { "/zkq/assign/w1.abcdefg1/o:812:warn" },
	{ "/zkq/assign/w1.abcdefg1/o:812:release" }, { "/zkq/assign/w1.abcdefg1/o:18446744073709551615:requeue" },
	{ "/zkq/queues" }, { "/zkq/queues/render" }, { "/zkq/queues/render/classes" },
	{ "/zkq/queues/render/classes/" CLASS }, { "/zkq/queues/render/inbox" },
	{ "/zkq/queues/render/inbox/t-0000000000" }, { "/zkq/queues/render/inbox/gr\xc3\xbc\xc3\x9f e" },
	{ "/zkq/queues/render/moved" }, { "/zkq/queues/render/moved/0" }, { "/zkq/queues/render/moved/x" },
	{ "/zkq/queues/render/moved/0/t-0000000000" }, { "/zkq/queues/render/moved/x/t" },
	{ "/zkq/queues/render/tasks" }, { "/zkq/queues/render/tasks/4294967294" },
	{ "/zkq/queues/render/tasks/4/5." CLASS ".-.k3v9q7xa2m4t-0000000017" },
	{ "/zkq/queues/render/tasks/4/5." CLASS ".-.k3v9q7xa2m4t-0000000017/child" },
	{ "/zkq/queues/render/tasks/4/b.k3v9q7xa2m4t" }, { "/zkq/queues/render/retry" },
	{ "/zkq/queues/render/retry/4" }, { "/zkq/queues/render/retry/4/k3v9q7xa2m4t" },
	{ "/zkq/queues/render/done" }, { "/zkq/queues/render/done/0" },
	{ "/zkq/queues/render/done/0/k3v9q7xa2m4tx0" }, { "/zkq/queues/render/dead" },
	{ "/zkq/queues/render/dead/0" }, { "/zkq/queues/render/dead/0/k3v9q7xa2m4t" },
	{ "/zkq/queues/render/hold" }, { "/zkq/queues/render/hold/0" },
	{ "/zkq/queues/render/hold/0/k3v9q7xa2m4t" }, { "/zkq/queues/render/cancel" },
	{ "/zkq/queues/render/cancel/0" }, { "/zkq/queues/render/cancel/0/k3v9q7xa2m4t" },
	{ "/zkq/queues/render/update" }, { "/zkq/queues/render/update/0" },
	{ "/zkq/queues/render/update/0/k3v9q7xa2m4tx0" }, { "/zkq/queues/render/tasks/4/5w." CLASS ".-.k3v9q7xa2m4tx1-0000000017" },
	{ "/zkq/queues/render/keys" }, { "/zkq/queues/render/keys/f0" },
	{ "/zkq/queues/render/keys/f0/f0000000000000ab" }, { "/zkq/retired" }, { "/zkq/retired/render" }, { "/zkq/drain" }, { "/zkq/drain/w1" },
};

START_TEST(every_kind_round_trips)
{
	char buffer[PATH_BUFFER];
	bool seen[NODE_KINDS] = { false };

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct node node;

		ck_assert_msg(path_parse(ROOT, paths[i].path, &node), "%s", paths[i].path);
		seen[node.kind] = true;
		ck_assert_int_eq(path_write(ROOT, &node, false, buffer, sizeof buffer), (int)strlen(paths[i].path));
		ck_assert_str_eq(buffer, paths[i].path);
		/* and below another root */
		ck_assert(!path_parse("/zk", paths[i].path, &node) && !path_parse("/zkqq", paths[i].path, &node));
	}
	for (int kind = NODE_STRANGER + 1; kind < NODE_KINDS; kind++)
		ck_assert_msg(seen[kind], "kind %d has no path here", kind);
}
END_TEST

START_TEST(fields_are_read)
{
	struct node node, segment = node_of_segment(NODE_SEGMENT, "render", 4);

	ck_assert(path_parse(ROOT, paths[10].path, &node));
	ck_assert_int_eq(node.kind, NODE_CLAIM);
	ck_assert_str_eq(node.worker, "w1");
	ck_assert_str_eq(node.inc, "abcdefg1");
	ck_assert_str_eq(node.queue, "render");
	ck_assert_str_eq(node.task.token, "k3v9q7xa2m4t");
	ck_assert(node.n == 812 && node.seg == 4 && node.run == 1 && node.task.priority == 5 && node.task.seq == 17);
	ck_assert(node.task.class_hash == 0xab && node.task.key_hash == 0 && node.fence.czxid == 1 &&
	    node.fence.counter == 2);
	ck_assert(path_parse(ROOT, paths[11].path, &node) && node.task.key_hash == 0xcd);
	name_parse(&segment, "9." CLASS ".-.k3v9q7xa2m4t-0000000000", &node);
	ck_assert_int_eq(node.kind, NODE_TASK);
	ck_assert(node.seg == 4 && node.task.priority == 9);
	ck_assert_str_eq(node.queue, "render");
}
END_TEST

/* Whatever is cut off or added, a path is refused or read as what it then says. */
START_TEST(cut_and_changed_names)
{
	char text[PATH_BUFFER], again[PATH_BUFFER];

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		for (size_t at = 0; at <= strlen(paths[i].path); at++)
			for (int byte = 0; byte < 256; byte++) {
				struct node node;

				strcpy(text, paths[i].path);
				text[at + 1] = at == strlen(text) ? '\0' : text[at + 1];
				text[at] = (char)byte;
				if (!path_parse(ROOT, text, &node))
					continue;
				ck_assert_int_eq(path_write(ROOT, &node, false, again, sizeof again),
				    (int)strlen(text));
				ck_assert_str_eq(again, text);
			}
}
END_TEST

START_TEST(strangers)
{
	static const struct { enum node_kind folder; const char *name; } names[] = {
		{ NODE_SEGMENT, "" }, { NODE_SEGMENT, "x" }, { NODE_SEGMENT, "5." CLASS ".-.k3v9q7xa2m4t-000000001" },
		{ NODE_SEGMENT, "5." CLASS ".-.k3v9q7xa2m4t-00000000011" },
		{ NODE_SEGMENT, "5." CLASS ".-.k3v9q7xa2m4t--000000001" },
		{ NODE_SEGMENT, "5." CLASS ".-.k3v9q7xa2m4t-2147483648" },
		{ NODE_SEGMENT, "10." CLASS ".-.k3v9q7xa2m4t-0000000001" },
		{ NODE_SEGMENT, "5.00000000000000AB.-.k3v9q7xa2m4t-0000000001" },
		{ NODE_SEGMENT, "5." CLASS ".0000000000000000.k3v9q7xa2m4t-0000000001" },
		{ NODE_SEGMENT, "5." CLASS ".-.k3v9q7xa2m4tx00-0000000001" },
		{ NODE_SEGMENT, "5." CLASS ".-.k3v9q7xa2m4tx-0000000001" },
		{ NODE_SEGMENT, "b.k3v9q7xa2m4tx1" }, { NODE_SEGMENT, "b." }, { NODE_TASKS, "04" }, { NODE_TASKS, "-1" },
		{ NODE_TASKS, "4294967295" }, { NODE_TASKS, "99999999999999999999999999" }, { NODE_FOLDER, "live-0" },
		{ NODE_FOLDER, "live-01" }, { NODE_FOLDER, "o:0:kill" }, { NODE_FOLDER, "o:1:kil" },
		{ NODE_FOLDER, "o:1:kill " }, { NODE_FOLDER, "0:q:4:5." CLASS ".-.k3v9q7xa2m4t-0000000017:1:" FENCE },
		{ NODE_FOLDER, "1:q:4:5." CLASS ".-.k3v9q7xa2m4t-0000000017:0:" FENCE },
		{ NODE_FOLDER, "1:q:4:5." CLASS ".-.k3v9q7xa2m4t-0000000017:1:" FENCE "0" },
		{ NODE_ASSIGN, "w1" }, { NODE_ASSIGN, "w1." }, { NODE_ASSIGN, "w.1.abcdefgh" }, { NODE_ASSIGN, "w1.ABCDEFGH" },
		{ NODE_WORKERS, "w.1" }, { NODE_QUEUES, "Q" }, { NODE_QUEUES, "-q" }, { NODE_ROOT, "events" },
		{ NODE_ELECTION, UUID "-n_" }, { NODE_ELECTION, "n_0000000001" }, { NODE_INBOX, "a\x01" },
		{ NODE_INBOX, "bad utf \xff" }, { NODE_INBOX, "." }, { NODE_KEYS, "F0" }, { NODE_BATCH, "child" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct node node, folder = { .kind = names[i].folder, .queue = "q", .worker = "w", .inc = "abcdefgh" };

		name_parse(&folder, names[i].name, &node);
		ck_assert_msg(node.kind == NODE_STRANGER, "%s", names[i].name);
		ck_assert_ptr_eq(node.text, names[i].name);
	}
	char long_name[INBOX_NAME_MAX + 2];
	struct node node, inbox = node_of_queue(NODE_INBOX, "q");
	memset(long_name, 'a', sizeof long_name);
	long_name[INBOX_NAME_MAX + 1] = '\0';
	name_parse(&inbox, long_name, &node);
	ck_assert_int_eq(node.kind, NODE_STRANGER);
	name_parse(&inbox, long_name + 1, &node);
	ck_assert_int_eq(node.kind, NODE_INBOX_TASK);
}
END_TEST

START_TEST(sequences_leave_out_the_digits)
{
	char buffer[PATH_BUFFER];
	struct node node = node_task("q", 0, &task);

	ck_assert(path_write(ROOT, &node, true, buffer, sizeof buffer) > 0);
	ck_assert_str_eq(buffer, "/zkq/queues/q/tasks/0/5." CLASS ".-.k3v9q7xa2m4t-");
	node = with_text(NODE_CANDIDATE, 0, UUID "-n_");
	ck_assert(path_write(ROOT, &node, true, buffer, sizeof buffer) > 0);
	ck_assert_str_eq(buffer, "/zkq/election/" UUID "-n_");
	ck_assert_int_eq(path_write(ROOT, &node, false, buffer, sizeof buffer), -1);
	node = with_text(NODE_CANDIDATE, 0, UUID "-n_0000000001");
	ck_assert(path_write(ROOT, &node, true, buffer, sizeof buffer) > 0);
	ck_assert_str_eq(buffer, "/zkq/election/" UUID "-n_");
	node = node_plain(NODE_WORKERS);
	ck_assert_int_eq(path_write(ROOT, &node, true, buffer, sizeof buffer), -1);
}
END_TEST

START_TEST(bad_nodes_are_not_written)
{
	char buffer[PATH_BUFFER];
	struct node bad[] = {
		node_of_queue(NODE_QUEUE, ""), node_of_queue(NODE_QUEUE, "A"), node_of_worker(NODE_WORKER, "a.b"),
		node_folder("w", "short"), node_live("w", "abcdefgh", 0), node_order("w", "abcdefgh", 0, VERB_KILL),
		node_of_segment(NODE_SEGMENT, "q", UINT32_MAX), node_of_token(NODE_RESULT, "q", 0, "../../x"),
		with_text(NODE_INBOX_TASK, 0, "a/b"), with_text(NODE_INBOX_TASK, 0, ".."),
		with_text(NODE_INBOX_TASK, 0, ""), with_text(NODE_INBOX_TASK, 0, NULL),
		with_text(NODE_INBOX_TASK, 0, "\xed\xa0\x80"), with_text(NODE_STRANGER, 0, "x"),
		node_batch("q", 0, "short"),
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(path_write(ROOT, &bad[i], false, buffer, sizeof buffer) == -1, "number %zu", i);
}
END_TEST

START_TEST(every_size_of_buffer)
{
	struct node node;
	char want[PATH_BUFFER];

	ck_assert(path_parse(ROOT, paths[11].path, &node));
	size_t len = (size_t)path_write(ROOT, &node, false, want, sizeof want);
	for (size_t size = 0; size <= len + 1; size++) {
		char *buffer = malloc(size ? size : 1);	/* so that a sanitizer sees a step too far */
		int got = path_write(ROOT, &node, false, buffer, size);

		ck_assert_int_eq(got, size > len ? (int)len : -1);
		free(buffer);
	}
	/* the longest of all fits */
	char root[ROOT_MAX + 1], worker[WORKER_NAME_MAX + 1], queue[QUEUE_NAME_MAX + 1];
	memset(root, 'r', sizeof root);
	memset(worker, 'w', sizeof worker);
	memset(queue, 'q', sizeof queue);
	root[0] = '/';
	root[ROOT_MAX] = worker[WORKER_NAME_MAX] = queue[QUEUE_NAME_MAX] = '\0';
	ck_assert(root_ok(root));
	struct task_name name = { 9, true, UINT64_MAX, UINT64_MAX, "k3v9q7xa2m4tx249", INT32_MAX };
	node = node_claim(worker, "abcdefgh", UINT64_MAX, queue, UINT32_MAX - 1, &name, UINT32_MAX,
	    (struct fence){ UINT64_MAX, UINT64_MAX });
	struct node again;
	ck_assert(path_write(root, &node, false, want, sizeof want) > 0 && path_parse(root, want, &again));
	char twice[PATH_BUFFER];
	ck_assert(path_write(root, &again, false, twice, sizeof twice) > 0);
	ck_assert_str_eq(twice, want);
}
END_TEST

START_TEST(grammar)
{
	ck_assert(queue_name_ok("a") && queue_name_ok("0_-z") && queue_name_ok("abcdefghijklmnopqrstuvwxyz012345"));
	ck_assert(!queue_name_ok("") && !queue_name_ok("_a") && !queue_name_ok("a.b") && !queue_name_ok("\xc3\xbc") &&
	    !queue_name_ok("abcdefghijklmnopqrstuvwxyz0123456"));
	ck_assert(worker_name_ok("Node07_x-1") && !worker_name_ok("-x") && !worker_name_ok("a b"));
	ck_assert(root_ok("/a") && root_ok("/a/b-c.d") && root_ok("/\xc3\xbc"));
	ck_assert(!root_ok("") && !root_ok("/") && !root_ok("a") && !root_ok("/a/") && !root_ok("//a") &&
	    !root_ok("/a/./b") && !root_ok("/a/..") && !root_ok("/a\n"));
}
END_TEST

START_TEST(ids)
{
	struct task_id id;
	char text[ID_MAX + 1];

	ck_assert(id_parse("render.4.k3v9q7xa2m4t", &id));
	ck_assert_str_eq(id.queue, "render");
	ck_assert_str_eq(id.token, "k3v9q7xa2m4t");
	ck_assert_uint_eq(id.seg, 4);
	id_write(&id, text);
	ck_assert_str_eq(text, "render.4.k3v9q7xa2m4t");
	const char *longest = "abcdefghijklmnopqrstuvwxyz012345.4294967294.k3v9q7xa2m4tx249";
	ck_assert_uint_eq(strlen(longest), ID_MAX);
	ck_assert(id_parse(longest, &id));
	id_write(&id, text);
	ck_assert_str_eq(text, longest);
	static const char *const bad[] = { "", ".", "..", "render.4", "render.4.", "render..k3v9q7xa2m4t",
		".4.k3v9q7xa2m4t", "render.4.k3v9q7xa2m4t.", "render.4.k3v9q7xa2m4", "render.04.k3v9q7xa2m4t",
		"render.4.K3v9q7xa2m4t", "render.4294967295.k3v9q7xa2m4t", "render.4.k3v9q7xa2m4tx1000", " render.4.k3v9q7xa2m4t",
		"render.4.k3v9q7xa2m4t\n" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!id_parse(bad[i], &id), "%s", bad[i]);
}
END_TEST

START_TEST(fences)
{
	struct fence fence = { 0x100000002, UINT64_MAX }, again;
	char text[33];

	fence_write(fence, text);
	ck_assert_str_eq(text, "0000000100000002ffffffffffffffff");
	ck_assert(fence_parse(text, &again) && again.czxid == fence.czxid && again.counter == fence.counter);
	ck_assert(!fence_parse("", &again) && !fence_parse("0000000100000002fffffffffffffff", &again) &&
	    !fence_parse("0000000100000002FFFFFFFFFFFFFFFF", &again) &&
	    !fence_parse("0000000100000002ffffffffffffffff0", &again));
}
END_TEST

START_TEST(connect_strings)
{
	static const struct { const char *connect, *hosts, *root; } good[] = {
		{ "h", "h:2181", "/zkq" }, { "h:1/", "h:1", "/zkq" }, { "h:1,i-2.x:65535/a/b", "h:1,i-2.x:65535", "/a/b/zkq" },
		{ "127.0.0.1:2181", "127.0.0.1:2181", "/zkq" }, { "[::1]:2182", "::1:2182", "/zkq" },
		{ "[::1]", "::1:2181", "/zkq" }, { "::1:2182", "::1:2182", "/zkq" }, { "::1", "::1:2181", "/zkq" },
		{ "fe80::abcd", "fe80::abcd:2181", "/zkq" }, { "[fe80::1%eth0]:1,a", "fe80::1%eth0:1,a:2181", "/zkq" },
		{ "[2001:db8::1]:2181/x", "2001:db8::1:2181", "/x/zkq" },
	};
	static const char *const bad[] = { "", "/", "/a", ",", "a,", ",a", "a,,b", "a:", "a:0", "a:65536", "a:x", ":1", "a b",
		"[::1", "[::1]x", "[::1]:", "[a]:1", "[]:1", "::1]:1", "a/b/", "a//b", "a/b,c", "a/..", "a:1:2", "a\n" };
	char hosts[200], root[ROOT_MAX + 1];

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		ck_assert_msg(connect_string_split(good[i].connect, "/zkq", hosts, sizeof hosts, root, sizeof root),
		    "%s", good[i].connect);
		ck_assert_str_eq(hosts, good[i].hosts);
		ck_assert_str_eq(root, good[i].root);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!connect_string_split(bad[i], "/zkq", hosts, sizeof hosts, root, sizeof root), "%s", bad[i]);
	ck_assert(!connect_string_split("a", "zkq", hosts, sizeof hosts, root, sizeof root));
	ck_assert(!connect_string_split("a:2181", "/zkq", hosts, 6, root, sizeof root));
	ck_assert(connect_string_split("a:2181", "/zkq", hosts, 7, root, sizeof root));
	ck_assert(!connect_string_split("a:2181", "/zkq", hosts, 7, root, 4));
}
END_TEST

/* The longest name that there is, with the longest port behind it. */
START_TEST(connect_long_name)
{
	char connect[300], hosts[300], root[ROOT_MAX + 1];

	memset(connect, 'a', sizeof connect);
	strcpy(connect + 253, ":65535");
	ck_assert(connect_string_split(connect, "/zkq", hosts, sizeof hosts, root, sizeof root));
	ck_assert_str_eq(hosts, connect);
	memset(connect, 'a', sizeof connect);
	strcpy(connect + 254, ":65535");
	ck_assert(!connect_string_split(connect, "/zkq", hosts, sizeof hosts, root, sizeof root));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("path");
	TCase *cases = tcase_create("path");

	tcase_add_test(cases, every_kind_round_trips);
	tcase_add_test(cases, fields_are_read);
	tcase_add_test(cases, cut_and_changed_names);
	tcase_add_test(cases, strangers);
	tcase_add_test(cases, sequences_leave_out_the_digits);
	tcase_add_test(cases, bad_nodes_are_not_written);
	tcase_add_test(cases, every_size_of_buffer);
	tcase_add_test(cases, grammar);
	tcase_add_test(cases, ids);
	tcase_add_test(cases, fences);
	tcase_add_test(cases, connect_strings);
	tcase_add_test(cases, connect_long_name);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
