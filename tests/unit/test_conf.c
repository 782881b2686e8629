/* Configuration files: what is taken, in which order, and what is refused with which words; reloading. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/options.h"

static char directory[64], path[128], message[1024], logged[2048];
static const char *name, *root, *config;
static int slots;
static int64_t deadline_ms;
static uint64_t room;
static bool utc;
static enum log_level level;

static const char *
check_root(const char *text)
{
	return text[0] == '/' ? NULL : "not absolute";
}

static const struct option_row table[] = {
	{ .name = "root", .argument = "PATH", .kind = OPTION_TEXT, .into = &root, .preset = "/zkq", .env = "TEST_CONF_ROOT",
	    .section = "zookeeper", .check = check_root, .help = "root" },
	{ .name = "name", .argument = "NAME", .kind = OPTION_TEXT, .into = &name, .section = "worker", .help = "name" },
	{ .name = "slots", .argument = "N", .kind = OPTION_NUMBER, .into = &slots, .preset = "2", .min = 1, .max = 4096,
	    .section = "worker", .help = "slots" },
	{ .name = "drain-deadline", .argument = "TIME", .kind = OPTION_TIME, .into = &deadline_ms, .preset = "1m",
	    .section = "worker", .live = true, .help = "deadline" },
	{ .name = "room", .argument = "SIZE", .kind = OPTION_SIZE, .into = &room, .preset = "1M", .section = "worker",
	    .help = "room" },
	{ .name = "log-level", .argument = "LEVEL", .kind = OPTION_LEVEL, .into = &level, .preset = "info", .section = "log",
	    .live = true, .help = "level" },
	{ .name = "utc", .kind = OPTION_FLAG, .into = &utc, .section = "client", .help = "UTC" },
	{ .letter = 'c', .name = "config", .argument = "FILE", .kind = OPTION_CONFIG, .into = &config,
	    .env = "TEST_CONF_FILE", .help = "file" },
	{ .name = "help", .kind = OPTION_HELP, .help = "help" },
	{ 0 },
};

static void
remember(const char *text)
{
	snprintf(message, sizeof message, "%s", text);
}

static const struct options options = { .program = "test", .call = "test", .usage = "test [OPTIONS]", .about = "Tests.",
	.manual = "test(1)", .version = "1", .tables = { table }, .wrong = remember, .wrong_file = remember };

static void
sink(void *context, enum log_level line_level, const char *line)
{
	size_t len = strlen(logged);

	(void)context;
	snprintf(logged + len, sizeof logged - len, "%d %s\n", (int)line_level, line);
}

static void
write_bytes(const char *file, const char *text, size_t len)
{
	FILE *out = fopen(file, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(file, 0644), 0);
}

static void
write_file(const char *text)
{
	write_bytes(path, text, strlen(text));
}

#define PARSE(...) parse((char *[]){ "test", __VA_ARGS__, NULL })

static int
parse(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	message[0] = '\0';
	name = NULL;
	utc = false;
	return options_parse(&options, argc, argv);
}

/* Refused with "FILE<rest>". */
static void
refused(const char *text, const char *rest)
{
	char wanted[512];

	write_file(text);
	ck_assert_msg(PARSE("-c", path) == OPTIONS_WRONG_FILE, "%s", text);
	snprintf(wanted, sizeof wanted, "%s%s", path, rest);
	ck_assert_str_eq(message, wanted);
	ck_assert_ptr_null(strchr(message, '\n'));
}

static void
setup(void)
{
	strcpy(directory, "/tmp/zkq-conf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/zkq.conf", directory);
	setenv("XDG_CONFIG_HOME", directory, 1);
	unsetenv("TEST_CONF_ROOT");
	unsetenv("TEST_CONF_FILE");
	logged[0] = '\0';
}

static void
teardown(void)
{
	char command[128];

	log_set_sink(NULL, NULL);
	snprintf(command, sizeof command, "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(takes_values)
{
	write_file("\xef\xbb\xbf; comment\r\n# another\r\n[zookeeper]\r\nroot = /a ; why\r\n\r\n[worker]\r\nname=w1\r\nslots : 8\r\n"
	    "drain-deadline = 1h30m\nroom = 64K\n[client]\nutc = yes\n[dispatcher]\nwhatever = not ours to check\n");
	ck_assert_int_eq(PARSE("-c", path), 3);
	ck_assert_str_eq(root, "/a");
	ck_assert_str_eq(name, "w1");
	ck_assert_int_eq(slots, 8);
	ck_assert_int_eq(deadline_ms, 5400000);
	ck_assert_uint_eq(room, 65536);
	ck_assert(utc);
	ck_assert_str_eq(config, path);
}
END_TEST

START_TEST(order)
{
	char user[128];

	snprintf(user, sizeof user, "%s/zkq", directory);
	ck_assert_int_eq(mkdir(user, 0755), 0);
	snprintf(user, sizeof user, "%s/zkq/zkq.conf", directory);
	write_bytes(user, "[zookeeper]\nroot = /user\n[worker]\nslots = 3\n", 43);
	ck_assert_int_eq(PARSE("x"), 1);
	ck_assert_str_eq(root, "/user");
	ck_assert_int_eq(slots, 3);
	setenv("TEST_CONF_ROOT", "/env", 1);
	ck_assert_int_eq(PARSE("--slots=4"), 2);
	ck_assert_str_eq(root, "/env");
	ck_assert_int_eq(slots, 4);
	ck_assert_int_eq(PARSE("--root=/option"), 2);
	ck_assert_str_eq(root, "/option");

	write_file("[worker]\nslots = 5\n");	/* the only file, when it is named */
	unsetenv("TEST_CONF_ROOT");
	setenv("TEST_CONF_FILE", path, 1);
	ck_assert_int_eq(PARSE("x"), 1);
	ck_assert_str_eq(root, "/zkq");
	ck_assert_int_eq(slots, 5);
	ck_assert_int_eq(PARSE("--config=/dev/null"), 2);
	ck_assert_int_eq(slots, 2);
	setenv("TEST_CONF_FILE", "/nonexistent/zkq.conf", 1);
	ck_assert_int_eq(PARSE("x"), OPTIONS_WRONG_FILE);
	ck_assert_str_eq(message, "/nonexistent/zkq.conf: cannot open it: No such file or directory");
	ck_assert_int_eq(PARSE("-c", path), 3);
}
END_TEST

START_TEST(later_file_wins)
{
	struct conf conf = { 0 };
	char why[256], other[160];

	snprintf(other, sizeof other, "%s/other", directory);
	write_file("[a]\nk = 1\nl = 1\n");
	write_bytes(other, "[a]\nk = 2\n", 10);
	ck_assert(conf_read(&conf, path, false, why, sizeof why));
	ck_assert(conf_read(&conf, other, false, why, sizeof why));
	ck_assert_str_eq(conf_find(&conf, "a", "k")->text, "2");
	ck_assert_str_eq(conf_find(&conf, "a", "l")->text, "1");
	ck_assert_int_eq(conf_find(&conf, "a", "l")->line, 3);
	ck_assert_ptr_null(conf_find(&conf, "b", "k"));
	conf_free(&conf);
}
END_TEST

START_TEST(too_many_settings)
{
	char text[20000] = "[dispatcher]\n";
	size_t len = strlen(text);

	for (int i = 0; i < 1000; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "key%d = 1,\n 2\n", i);
	write_file(text);
	ck_assert_int_eq(PARSE("-c", path), 3);
	snprintf(text + len, sizeof text - len, "one_more = 1\n");
	refused(text, ":2002: more than 1000 settings");
}
END_TEST

START_TEST(lists_go_on)
{
	write_file("[worker]\nname = a,\n   b,\n\tc\nslots = 7\n");
	ck_assert_int_eq(PARSE("-c", path), 3);
	ck_assert_str_eq(name, "a,b,c");
	ck_assert_int_eq(slots, 7);
	write_file("[worker]\nname = a, ; one\n  b;c, ; two\n ; none\n  d\t; three\nslots = 8\n");
	ck_assert_int_eq(PARSE("-c", path), 3);
	ck_assert_str_eq(name, "a,b;c,d");
	ck_assert_int_eq(slots, 8);
	refused("[worker]\nslots = 4\n  room = 5K\n", ":3: begins with a blank, but 'slots' before it does not end with a comma");
}
END_TEST

START_TEST(bad_words)
{
	refused("slots = 4\n", ":1: 'slots' stands before the first [section]");
	refused("[worker]\nslots\n", ":2: neither [section] nor key = value");
	refused("[worker\nslots = 4\n", ":1: neither [section] nor key = value");
	refused("[worker]\nslots =\n", ":2: 'slots' has no value");
	refused("[worker]\nkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk = 4\n",
	    ":2: 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...' is longer than any key");
	refused("[worker]\n= 4\n", ":2: a value without a key");
	refused("[worker]\nslots = 4\n\nslots = 5\n", ":4: 'slots' stands already in line 2");
	refused("[worker]\nslots = 4\n[log]\n[worker]\nslots = 4\n", ":5: 'slots' stands already in line 2");
	refused("[worker]\nsolts = 4\n", ":2: unknown key 'solts' in [worker]; is 'slots' meant?");
	refused("[worker]\nlog-level = info\n", ":2: unknown key 'log-level' in [worker]; is 'log-level' in [log] meant?");
	refused("[worker]\nfrobnicate = 4\n", ":2: unknown key 'frobnicate' in [worker]");
	refused("[wroker]\nslots = 4\n", ":2: unknown section [wroker]");
	refused("[worker]\nslots = 0\n", ":2: slots = 0: a number from 1 to 4096 is wanted");
	refused("[worker]\nslots = 99999999999999999999\n",
	    ":2: slots = 99999999999999999999: a number from 1 to 4096 is wanted");
	refused("[zookeeper]\nroot = a\n", ":2: root = a: not absolute");
	refused("[log]\nlog-level = loud\n", ":2: log-level = loud: error, warning, info or debug is wanted");
	refused("[client]\nutc = maybe\n", ":2: utc = maybe: yes or no is wanted");
	write_file("[worker]\ndrain-deadline = 10x\n");
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	write_file("[worker]\ndrain-deadline = 99999999999999999999s\n");
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	write_file("[worker]\nroom = 99999999999999999999K\n");
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
}
END_TEST

START_TEST(bad_files)
{
	static const char nul[] = "[worker]\nslots = 4\0 5\n";
	size_t size = 1024 * 1024;
	char *line = malloc(size + 1), wanted[512];

	ck_assert_ptr_nonnull(line);
	write_file("");
	ck_assert_int_eq(PARSE("-c", path), 3);
	ck_assert_int_eq(slots, 2);

	write_bytes(path, nul, sizeof nul - 1);
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	snprintf(wanted, sizeof wanted, "%s:2: has a NUL character: not a text file", path);
	ck_assert_str_eq(message, wanted);

	memset(line, 'a', size);
	line[size] = '\0';
	memcpy(line, "[worker]\nname = ", 16);
	write_bytes(path, line, size);
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	snprintf(wanted, sizeof wanted, "%s:2: longer than 199 characters; a list may go on in indented lines after a comma", path);
	ck_assert_str_eq(message, wanted);
	memset(line, '\n', size);
	write_bytes(path, line, size);
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	ck_assert_ptr_nonnull(strstr(message, ": larger than 256 kB"));
	free(line);

	write_file("[worker]\nslots = 4\n");
	chmod(path, 0666);
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	snprintf(wanted, sizeof wanted, "%s: everybody can write it: chmod o-w %s", path, path);
	ck_assert_str_eq(message, wanted);

	unlink(path);
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	ck_assert_int_eq(mkfifo(path, 0644), 0);
	ck_assert_int_eq(PARSE("-c", path), OPTIONS_WRONG_FILE);
	snprintf(wanted, sizeof wanted, "%s: is a FIFO, not a file", path);
	ck_assert_str_eq(message, wanted);
	ck_assert_int_eq(PARSE("-c", directory), OPTIONS_WRONG_FILE);
	snprintf(wanted, sizeof wanted, "%s: is a directory, not a file", directory);
	ck_assert_str_eq(message, wanted);
}
END_TEST

START_TEST(reload)
{
	log_set_sink(sink, NULL);
	write_file("[worker]\nslots = 4\ndrain-deadline = 10s\n");
	ck_assert_int_eq(PARSE("-c", path, "--log-level=debug"), 4);
	ck_assert(options_reload(&options));
	ck_assert_str_eq(logged, "");

	write_file("[worker]\nslots = 5\ndrain-deadline = 20s\n[log]\nlog-level = error\n");
	ck_assert(options_reload(&options));
	ck_assert_int_eq(slots, 4);
	ck_assert_int_eq(deadline_ms, 20000);
	ck_assert_int_eq(level, LEVEL_DEBUG);	/* the option goes before */
	ck_assert_str_eq(logged, "1 configuration: slots = 5 needs a restart; until then it is 4\n"
	    "2 configuration: drain-deadline = 20s from now on\n");

	logged[0] = '\0';
	write_file("[worker]\ndrain-deadline = 30s\nslots = many\n");
	ck_assert(!options_reload(&options));
	ck_assert_int_eq(deadline_ms, 20000);
	ck_assert_int_eq(strncmp(logged, "0 ", 2), 0);
	ck_assert_ptr_nonnull(strstr(logged, ":3: slots = many: a number from 1 to 4096 is wanted; the configuration stays as it was\n"));
	unlink(path);
	ck_assert(!options_reload(&options));
	ck_assert_int_eq(deadline_ms, 20000);

	write_file("[worker]\nslots = 4\n");	/* what is left out has its default again */
	logged[0] = '\0';
	ck_assert(options_reload(&options));
	ck_assert_int_eq(deadline_ms, 60000);
	ck_assert_str_eq(logged, "2 configuration: drain-deadline = 1m from now on\n");
}
END_TEST

START_TEST(shows_what_is_in_effect)
{
	char *text = NULL, wanted[1024];
	size_t size;

	write_file("[worker]\nslots = 4\ndrain-deadline = 10s\n");
	setenv("TEST_CONF_ROOT", "/env", 1);
	ck_assert_int_eq(PARSE("-c", path, "--room=2M", "--utc"), 5);
	FILE *out = open_memstream(&text, &size);
	options_print_effective(&options, out);
	fclose(out);
	snprintf(wanted, sizeof wanted, "[zookeeper]\nroot = /env ; TEST_CONF_ROOT\n\n[worker]\n; name is not set\nslots = 4 ; %s:2\n"
	    "drain-deadline = 10s ; %s:3\nroom = 2M ; option\n\n[log]\nlog-level = info ; default\n\n[client]\nutc = yes ; option\n",
	    path, path);
	ck_assert_str_eq(text, wanted);
	write_file(text);	/* is a configuration itself */
	unsetenv("TEST_CONF_ROOT");
	ck_assert_int_eq(PARSE("-c", path), 3);
	ck_assert_str_eq(root, "/env");
	ck_assert(utc);
	free(text);
}
END_TEST

START_TEST(arguments)
{
	char *argv[] = { "test", "-c", path, "--root=/x", NULL };
	int count;

	write_file("[worker]\nslots = 4\n");
	ck_assert_int_eq(options_parse(&options, 4, argv), 4);
	char **list = options_arguments(&options, 4, argv, &count);
	ck_assert_int_eq(count, 5);
	ck_assert_str_eq(list[0], "test");
	ck_assert_str_eq(list[1], "--slots=4");
	ck_assert_str_eq(list[4], "--root=/x");
	ck_assert_ptr_null(list[5]);
	options_free_arguments(list);
}
END_TEST

START_TEST(distance)
{
	ck_assert_int_eq(conf_distance("slots", "slots"), 0);
	ck_assert_int_eq(conf_distance("solts", "slots"), 1);
	ck_assert_int_eq(conf_distance("slot", "slots"), 1);
	ck_assert_int_eq(conf_distance("", "abc"), 3);
	ck_assert_int_eq(conf_distance("kitten", "sitting"), 3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, takes_values);
	tcase_add_test(all, order);
	tcase_add_test(all, later_file_wins);
	tcase_add_test(all, lists_go_on);
	tcase_add_test(all, too_many_settings);
	tcase_add_test(all, bad_words);
	tcase_add_test(all, bad_files);
	tcase_add_test(all, reload);
	tcase_add_test(all, shows_what_is_in_effect);
	tcase_add_test(all, arguments);
	tcase_add_test(all, distance);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
