#include "config.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/credential.h"
#include "base/duration.h"
#include "base/exits.h"
#include "base/jsonout.h"
#include "base/memory.h"
#include "base/terminal.h"

#define HINT_MS 2000	/* a hint is not waited for longer */

struct settings settings;

static const struct command *running;
static struct options parsed;
static int64_t began_ms;
static bool as_task;
static bool accepted;	/* what would be done twice if the command were repeated */

const struct option_row connection_options[] = {
	{ .letter = 'z', .name = "zk", .argument = "HOSTS", .kind = OPTION_TEXT, .into = &settings.zk,
	    .preset = "127.0.0.1:2181", .env = "ZKQ_ZK", .section = "zookeeper", .help = "ZooKeeper servers, host[:port],...[/chroot]\n" },
	{ .name = "root", .argument = "PATH", .kind = OPTION_TEXT, .into = &settings.root, .preset = "/zkq", .env = "ZKQ_ROOT",
	    .section = "zookeeper", .help = "root of the tree" },
	{ .name = "auth-file", .argument = "FILE", .kind = OPTION_TEXT, .into = &settings.auth_file,
	    .env_instead = "ZKQ_AUTH", .section = "zookeeper", .help = "holds the credential digest:user:password (else ZKQ_AUTH)" },
	{ .name = "timeout", .argument = "TIME", .kind = OPTION_TIME, .into = &settings.timeout_ms, .preset = "10s", .min = 1,
	    .max = INT_MAX, .given = &settings.timeout_given, .section = "client", .help = "for an answer; when given, also for tasks to end\n" },
	{ .letter = 'c', .name = "config", .argument = "FILE", .kind = OPTION_CONFIG, .into = &settings.config,
	    .env = "ZKQ_CONFIG", .help = "the only configuration file to read" },
	{ 0 },
};

const struct option_row common_options[] = {
	{ .name = "json", .kind = OPTION_FLAG, .into = &settings.json, .help = "print JSON" },
	{ .letter = 'o', .name = "output", .argument = "FIELDS", .kind = OPTION_TEXT, .into = &settings.fields,
	    .help = "of lists these columns, in this order: name,state,..." },
	{ .name = "no-header", .kind = OPTION_FLAG, .into = &settings.no_header, .section = "client",
	    .help = "tables without their first line" },
	{ .name = "color", .argument = "WHEN", .kind = OPTION_COLOR, .into = &settings.color, .preset = "auto",
	    .section = "client", .help = "auto, always or never" },
	{ .name = "utc", .kind = OPTION_FLAG, .into = &settings.utc, .section = "client",
	    .help = "times in UTC instead of local time" },
	{ .letter = 'q', .name = "quiet", .kind = OPTION_FLAG, .into = &settings.quiet, .help = "say less" },
	{ .letter = 'v', .name = "verbose", .kind = OPTION_FLAG, .into = &settings.verbose, .help = "say more" },
	{ .letter = 'h', .name = "help", .kind = OPTION_HELP, .help = "print this and exit" },
	{ .letter = 'V', .name = "version", .kind = OPTION_VERSION, .help = "print the version and exit" },
	{ 0 },
};

static const struct option_row no_options[] = { { 0 } };

/* ---- time ---- */

static int64_t
clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
cli_now(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t
cli_wall(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int
cli_left(void)
{
	int64_t left = began_ms + settings.timeout_ms - cli_now();

	return left < 1 ? 1 : left > INT_MAX ? INT_MAX : (int)left;
}

void
cli_restart(void)
{
	began_ms = cli_now();
}

bool
cli_over(void)
{
	return cli_now() >= began_ms + settings.timeout_ms;
}

/* ---- errors ---- */

static const struct {
	int error, exit;
	const char *word;
	bool retry_safe;
} errors[] = {
	{ ZKQ_EUNREACHABLE, EXIT_UNAVAILABLE, "Unreachable", true },
	{ ZKQ_EUNKNOWN, EXIT_TEMPORARY, "OutcomeUnknown", false },
	{ ZKQ_ETIMEOUT, EXIT_TEMPORARY, "NoAnswer", false },
	{ ZKQ_EINVAL, EXIT_DATA, "Invalid", false },
	{ ZKQ_ENOQUEUE, EXIT_NO, "NoQueue", true },
	{ ZKQ_EFULL, EXIT_TEMPORARY, "QueueFull", true },
	{ ZKQ_ENOAUTH, EXIT_NOT_ALLOWED, "NotAllowed", true },
	{ ZKQ_ENOTREE, EXIT_CONFIG, "NoTree", true },
	{ ZKQ_ENOENT, EXIT_NO, "NotFound", true },
	{ ZKQ_ESIZE, EXIT_DATA, "TooLarge", false },
	{ ZKQ_ENOMEM, EXIT_SYSTEM, "NoMemory", true },
	{ ZKQ_EENDED, EXIT_NO, "Ended", true },
	{ ZKQ_ESYSTEM, EXIT_SYSTEM, "System", true },
	{ ZKQ_EEXIST, EXIT_NO, "Exists", true },
	{ ZKQ_EBUSY, EXIT_NO, "NotWaiting", true },
	{ ZKQ_EOPTIONS, EXIT_CONFIG, "Config", true },
	{ ZKQ_EHOSTS, EXIT_CONFIG, "Config", true },
	{ ZKQ_EROOT, EXIT_CONFIG, "Config", true },
	{ ZKQ_ECREDENTIAL, EXIT_CONFIG, "Config", true },
	{ ZKQ_ECANCELLED, EXIT_SOFTWARE, "Internal", false },
};

#define ERRORS ((int)(sizeof errors / sizeof errors[0]))

static int
error_row(int error)
{
	int row = 0;

	while (row < ERRORS - 1 && errors[row].error != error)
		row++;
	return row;
}

int
cli_error_exit(int error)
{
	if (error == ZKQ_OK)
		return EXIT_OK;
	if (running->reads && (error == ZKQ_ETIMEOUT || error == ZKQ_EUNKNOWN))
		return EXIT_UNAVAILABLE;
	return errors[error_row(error)].exit;
}

const char *
cli_error_word(int error)
{
	return errors[error_row(error)].word;
}

int
cli_own(int code)
{
	return code != EXIT_OK && as_task ? EXIT_OURS : code;
}

void
cli_set_as_task(void)
{
	as_task = true;
}

/* One line; returns it without the program's name. */
static char * __attribute__((format(printf, 1, 0)))
say(const char *format, va_list list)
{
	char *text = terminal_message(format, list);

	fprintf(stderr, "%s: %s\n", running->program, text);
	return text;
}

void
cli_say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	free(say(format, list));
	va_end(list);
}

static void
print_error(int code, const char *word, const char *id, bool retry_safe, const char *text)
{
	struct jsonout json;

	if (!settings.json)
		return;
	jsonout_start(&json, stdout);
	jsonout_object(&json, NULL);
	jsonout_string(&json, "schema", "zkq.error/1");
	jsonout_object(&json, "error");
	jsonout_string(&json, "code", word);
	jsonout_number(&json, "exit", code);
	jsonout_string(&json, "message", text);
	if (id && *id)
		jsonout_string(&json, "id", id);
	jsonout_bool(&json, "retry_safe", retry_safe && !accepted);
	jsonout_end(&json);
	jsonout_end(&json);
}

int
cli_fail(int code, const char *word, const char *id, bool retry_safe, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	char *text = say(format, list);
	va_end(list);
	print_error(cli_own(code), word, id, retry_safe, text);
	free(text);
	return cli_own(code);
}

void
cli_accepted(void)
{
	accepted = true;
}

int
cli_fail_waited(const char *id, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	char *text = say(format, list);
	va_end(list);
	print_error(EXIT_WAITED, "WaitTimeout", id, true, text);
	free(text);
	return EXIT_WAITED;
}

static const char *
auth_source(void)
{
	return settings.auth_file ? settings.auth_file : "ZKQ_AUTH";
}

int
cli_fail_error(int error, const char *id, const char *detail)
{
	int row = error_row(error);
	const char *colon = id && *id ? ": " : "";
	char wrong_auth[512];

	if (error == ZKQ_ENOAUTH && !detail && !(settings.auth && *settings.auth)) {
		detail = "no credential was given (--auth-file, ZKQ_AUTH)";
	} else if (error == ZKQ_ENOAUTH && !detail) {
		snprintf(wrong_auth, sizeof wrong_auth, "the credential of %s is not that of this tree", auth_source());
		detail = wrong_auth;
	}

	return cli_fail(cli_error_exit(error), errors[row].word, id, errors[row].retry_safe || running->reads, "%s%s%s%s%s",
	    id ? id : "", colon, zkq_strerror(error), detail ? ": " : "", detail ? detail : "");
}

struct nearest {
	const char *queue;
	int cost;		/* letters that differ; less than half of them are to */
	char name[64];
};

static void
see_queue(void *context, const struct zkq_queue_info *info)
{
	struct nearest *nearest = context;
	int cost = conf_distance(nearest->queue, info->name);

	if (2 * cost >= nearest->cost)
		return;
	nearest->cost = 2 * cost;
	snprintf(nearest->name, sizeof nearest->name, "%s", info->name);
}

const char *
cli_queue_hint(struct zkq *handle, const char *queue, char buffer[CLI_HINT])
{
	struct nearest nearest = { .queue = queue, .cost = (int)strlen(queue) };
	int left = cli_left();

	if (zkq_queues_wait(handle, left < HINT_MS ? left : HINT_MS, see_queue, &nearest) == ZKQ_OK && nearest.name[0])
		snprintf(buffer, CLI_HINT, "; is '%s' meant?", nearest.name);
	else
		snprintf(buffer, CLI_HINT, "; zkq queue list shows those there are");
	return buffer;
}

void
cli_say_id(const char *id, int error)
{
	if (error == ZKQ_ENOENT)
		cli_say("%s: " CLI_NO_TASK, id);
	else if (error == ZKQ_EINVAL)
		cli_say("no task id: '%s' (ids look like default.4.k3v9q7xa2m4t)", id);
	else if (error == ZKQ_EENDED)
		cli_say("%s: %s", id, zkq_strerror(error));
}

static void
wrong_usage(const char *message)
{
	print_error(cli_own(EXIT_USAGE), "Usage", NULL, true, message);
}

static void
wrong_configuration(const char *message)
{
	print_error(cli_own(EXIT_CONFIG), "Config", NULL, true, message);
}

int
cli_usage(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	char *text = memory_vprint(format, list);
	va_end(list);
	options_wrong(&parsed, "%s", text);
	free(text);
	return cli_own(EXIT_USAGE);
}

int
cli_check_queue(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

	if (!name || (name[0] && name[0] != '-' && name[0] != '_' && strlen(name) <= 32 && strspn(name, letters) == strlen(name)))
		return 0;
	return cli_usage("option '--queue': '%s': a queue name is at most 32 of a-z, 0-9, - and _, beginning with a letter or digit",
	    name);
}

/* ---- running a command ---- */

static void
describe(const struct command *command)
{
	static char call[64];
	int n = 0;

	running = command;
	as_task = command->as_task;
	snprintf(call, sizeof call, "zkq %s", command->name);
	parsed = (struct options){
		.program = command->program,
		.call = call,
		.usage = command->usage,
		.about = command->about,
		.notes = command->notes,
		.manual = command->manual,
		.version = zkq_version(),
		.anywhere = command->anywhere,
		.wrong = wrong_usage,
		.wrong_file = wrong_configuration,
	};
	if (command->task_options) {
		parsed.titles[n] = "Task:";
		parsed.tables[n++] = command->task_options;
	}
	parsed.titles[n] = "Options:";
	parsed.tables[n++] = command->options ? command->options : no_options;
	if (!command->local) {
		parsed.titles[n] = "Connection:";
		parsed.tables[n++] = connection_options;
	}
	parsed.titles[n] = "Common:";
	parsed.tables[n++] = common_options;
}

void
cli_help(const struct command *command)
{
	describe(command);
	options_help(&parsed, stdout);
}

static void
print_json_value(void *context, const struct option_row *row, const char *text, const char *from)
{
	struct jsonout *json = context;

	jsonout_object(json, NULL);
	jsonout_string(json, "section", row->section);
	jsonout_string(json, "key", row->name);
	jsonout_string(json, "value", text);
	jsonout_string(json, "from", from);
	jsonout_end(json);
}

static void
print_json_configuration(void)
{
	struct jsonout json;
	int len;
	const char *user = credential_user(settings.auth, &len);

	jsonout_start(&json, stdout);
	jsonout_object(&json, NULL);
	jsonout_string(&json, "schema", "zkq.config/1");
	jsonout_array(&json, "items");
	options_each(&parsed, print_json_value, &json);
	jsonout_end(&json);
	if (user) {
		jsonout_object(&json, "credential");
		jsonout_bytes(&json, "user", user, (size_t)len);
		jsonout_string(&json, "from", auth_source());
		jsonout_end(&json);
	} else {
		jsonout_null(&json, "credential");
	}
	jsonout_end(&json);
}

void
cli_print_configuration(void)
{
	if (settings.json) {
		print_json_configuration();
		return;
	}
	credential_print(settings.auth_file, settings.auth, stdout);
	options_print_effective(&parsed, stdout);
}

void
cli_print_options(const char *name, const struct option_row *rows)
{
	for (; rows && rows->name; rows++)
		if (rows->kind != OPTION_LATER && rows->letter)
			printf("%s -%c --%s\n", name, rows->letter, rows->name);
		else if (rows->kind != OPTION_LATER)
			printf("%s --%s\n", name, rows->name);
}

int
cli_run(const struct command *command, int argc, char **argv)
{
	describe(command);
	began_ms = cli_now();
	if (command->as_task_by && argc > 0)
		as_task = command->as_task_by(argv + 1);
	int first = options_parse(&parsed, argc, argv);
	if (first == OPTIONS_DONE)
		return EXIT_OK;
	if (first == OPTIONS_WRONG)
		return cli_own(EXIT_USAGE);
	if (first == OPTIONS_WRONG_FILE)
		return cli_own(EXIT_CONFIG);
	as_task = command->as_task;
	return command->run(argc - first, argv + first);
}

/* ---- handle ---- */

static bool
root_ok(const char *root)
{
	size_t len = strlen(root);

	return root[0] == '/' && len > 1 && root[len - 1] != '/' && !strstr(root, "//");
}

/* Takes the credential, and looks at what the library would refuse without saying why. Returns 0, or the exit code after having
 * said what is wrong. */
static int
check_connection(void)
{
	static char auth[CREDENTIAL_SIZE];
	char why[512];
	int code = credential_read(settings.auth_file, auth, why, sizeof why);

	settings.auth = auth;
	if (code)
		return cli_fail(code, code == EXIT_CONFIG ? "Config" : code == EXIT_IO ? "IO" : "NoInput", NULL, true, "%s", why);
	if (!root_ok(settings.root))
		return cli_fail(EXIT_CONFIG, "Config", NULL, true, "cannot use root '%s': a path such as /zkq is wanted", settings.root);
	return 0;
}

int
cli_open(struct zkq **handle, bool connect)
{
	int code = check_connection();

	*handle = NULL;
	if (code)
		return code;
	struct zkq_options options = { .size = sizeof options, .hosts = settings.zk, .root = settings.root,
		.session_timeout_ms = settings.session_ms,
		.auth = settings.auth && *settings.auth ? settings.auth : NULL };
	int error = zkq_open(&options, handle);
	if (error == ZKQ_EHOSTS || error == ZKQ_EROOT)
		return cli_fail(EXIT_CONFIG, "Config", NULL, true, "cannot use servers '%s' with root '%s': "
		    "host[:port],...[/chroot] and a path such as /zkq, not below /zookeeper, are wanted", settings.zk, settings.root);
	if (error != ZKQ_OK)
		return cli_fail_error(error, NULL, NULL);
	code = connect ? cli_connect(*handle) : 0;
	if (code) {
		zkq_close(*handle);
		*handle = NULL;
	}
	return code;
}

const char *
cli_daemon_options(char *text)
{
	const bool other = strcmp(settings.root, "/zkq") != 0;
	size_t len = (size_t)snprintf(text, CLI_DAEMON_OPTIONS, "--zk ");

	len += terminal_safe(settings.zk, strlen(settings.zk), text + len, CLI_DAEMON_OPTIONS / 2);
	if (other)
		len += (size_t)snprintf(text + len, CLI_DAEMON_OPTIONS - len, " --root ");
	if (other)
		terminal_safe(settings.root, strlen(settings.root), text + len, CLI_DAEMON_OPTIONS - len);
	return text;
}

int
cli_connect(struct zkq *handle)
{
	char text[DURATION_SIZE];
	int error = zkq_connect_wait(handle, cli_left());

	if (error == ZKQ_OK)
		return 0;
	if (error != ZKQ_EUNREACHABLE && error != ZKQ_ETIMEOUT)
		return cli_fail_error(error, NULL, NULL);
	const char *state = zkq_state_text(handle);
	bool known = settings.verbose || strstr(state, ": ");	/* it knows why */
	return cli_fail(EXIT_UNAVAILABLE, "Unreachable", NULL, true, "cannot reach ZooKeeper at %s in %s%s%s; %stry again, or name other "
	    "servers (--zk, ZKQ_ZK)", settings.zk, duration_exact(settings.timeout_ms, text), known ? ": " : "", known ? state : "",
	    running->reads ? "" : "nothing was sent: ");
}

void
cli_turn(struct zkq *handle, int64_t limit_ms, int also_fd)
{
	int wait_ms = zkq_timeout(handle);
	struct pollfd fds[2] = { { .fd = zkq_fd(handle), .events = POLLIN }, { .fd = also_fd, .events = POLLIN } };

	if (limit_ms >= 0 && (wait_ms < 0 || wait_ms > limit_ms))
		wait_ms = limit_ms > INT_MAX ? INT_MAX : (int)limit_ms;
	poll(fds, also_fd < 0 ? 1 : 2, wait_ms);
	zkq_dispatch(handle);
}
