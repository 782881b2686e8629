/*
 * main.c: zkq-worker(8): reads the command line and becomes one of the worker's three processes.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/exits.h"
#include "base/log.h"
#include "base/options.h"
#include "codec/path.h"
#include "core/lease.h"
#include "core/limits.h"
#include "io/folder.h"
#include "io/self.h"
#include "worker/helper.h"
#include "worker/options.h"

#define SLOTS_MAX 4096
#define SESSION_MIN_MS 500
#define SESSION_MAX_MS (10 * 60 * 1000)
#define LOST_AFTER_MAX_MS (24LL * 3600 * 1000)

struct wanted {
	const char *zk, *root, *auth_file, *name, *queues, *state_dir, *work_dir, *http_address;
	int slots;
	int64_t lost_after_ms, session_timeout_ms, drain_deadline_ms;
	bool verbose, quiet;
};

static struct wanted wanted = { .drain_deadline_ms = -1 };

static const struct option_row rows[] = {
	{ 'z', "zk", "HOSTS", OPTION_TEXT, &wanted.zk, "127.0.0.1:2181", "ZKQ_ZK", 0, 0,
	    "ZooKeeper servers, separated by commas", NULL },
	{ 0, "root", "PATH", OPTION_TEXT, &wanted.root, "/zkq", "ZKQ_ROOT", 0, 0, "root of the tree", NULL },
	{ 0, "auth-file", "FILE", OPTION_TEXT, &wanted.auth_file, NULL, NULL, 0, 0,
	    "file that holds digest:USER:PASSWORD (default: $ZKQ_AUTH, else none)", NULL },
	{ 0, "name", "NAME", OPTION_TEXT, &wanted.name, NULL, NULL, 0, 0,
	    "name of the worker (default: the host name, dots as dashes)", NULL },
	{ 0, "slots", "NUMBER", OPTION_NUMBER, &wanted.slots, NULL, NULL, 1, SLOTS_MAX,
	    "tasks at once (default: the number of processors)", NULL },
	{ 0, "queues", "NAME,...", OPTION_TEXT, &wanted.queues, "default", NULL, 0, 0, "queues to serve", NULL },
	{ 0, "lost-after", "TIME", OPTION_TIME, &wanted.lost_after_ms, "30s", NULL, 1, LOST_AFTER_MAX_MS,
	    "how long after the loss of its session its exclusive tasks are given to others", NULL },
	{ 0, "session-timeout", "TIME", OPTION_TIME, &wanted.session_timeout_ms, "10s", NULL, SESSION_MIN_MS, SESSION_MAX_MS,
	    "ZooKeeper session time-out to ask for", NULL },
	{ 0, "state-dir", "DIRECTORY", OPTION_TEXT, &wanted.state_dir, NULL, NULL, 0, 0,
	    "where output is kept (default: /var/lib/zkq-worker/NAME for root, else $XDG_STATE_HOME/zkq/NAME)", NULL },
	{ 0, "work-dir", "DIRECTORY", OPTION_TEXT, &wanted.work_dir, NULL, NULL, 0, 0,
	    "working directory of tasks that name none (default: work in the state directory)", NULL },
	{ 0, "drain-deadline", "TIME", OPTION_TIME, &wanted.drain_deadline_ms, NULL, NULL, 0, 0,
	    "how long tasks may go on after SIGTERM (default: as long as they take)", NULL },
	{ 0, "http-address", "ADDRESS", OPTION_TEXT, &wanted.http_address, NULL, NULL, 0, 0,
	    "where output is served (default: the address used towards ZooKeeper, any free port)", NULL },
	{ 'q', "quiet", NULL, OPTION_FLAG, &wanted.quiet, NULL, NULL, 0, 0, "log warnings and errors only", NULL },
	{ 'v', "verbose", NULL, OPTION_FLAG, &wanted.verbose, NULL, NULL, 0, 0, "log more", NULL },
	{ 0, "help", NULL, OPTION_HELP, NULL, NULL, NULL, 0, 0, "print this help and exit", NULL },
	{ 0, "version", NULL, OPTION_VERSION, NULL, NULL, NULL, 0, 0, "print the version and exit", NULL },
	{ .name = NULL },
};

static const struct options command = {
	.program = "zkq-worker", .call = "zkq-worker", .usage = "zkq-worker [OPTIONS]",
	.about = "Runs the tasks that the leading zkq-dispatcher assigns to it.", .manual = "zkq-worker(8)",
	.version = PACKAGE_VERSION, .tables = { rows },
};

static int
wrong(const char *option, const char *value, const char *why)
{
	options_wrong(&command, "--%s: %s: %s", option, value, why);
	return EXIT_USAGE;
}

/* Splits at commas, in place. */
static int
read_queues(struct worker_options *options, char *list)
{
	char *name;

	while ((name = strsep(&list, ","))) {
		if (!queue_name_ok(name))
			return wrong("queues", name, "a queue name is at most 32 of a-z, 0-9, - and _, beginning with a letter or digit");
		if (options->queue_count == (int)(sizeof options->queues / sizeof *options->queues))
			return wrong("queues", name, "too many queues");
		options->queues[options->queue_count++] = name;
	}
	return EXIT_OK;
}

static int
read_name(struct worker_options *options)
{
	char host[256];

	if (wanted.name) {
		if (!worker_name_ok(wanted.name))
			return wrong("name", wanted.name, "a worker name is at most 64 letters, digits, - and _");
		snprintf(options->name, sizeof options->name, "%s", wanted.name);
		return EXIT_OK;
	}
	if (gethostname(host, sizeof host) != 0)
		host[0] = '\0';
	host[sizeof host - 1] = '\0';
	snprintf(options->name, sizeof options->name, "%.*s", WORKER_NAME_MAX, host);
	for (char *c = options->name; *c; c++) {
		if (*c == '.')
			*c = '-';
	}
	if (!worker_name_ok(options->name))
		return wrong("name", host, "the host name cannot be used as name; give another");
	return EXIT_OK;
}

static int
read_directories(struct worker_options *options)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int len;

	if (wanted.state_dir)
		len = snprintf(options->state_dir, sizeof options->state_dir, "%s", wanted.state_dir);
	else if (geteuid() == 0)
		len = snprintf(options->state_dir, sizeof options->state_dir, "/var/lib/zkq-worker/%s", options->name);
	else if (base && base[0] == '/')
		len = snprintf(options->state_dir, sizeof options->state_dir, "%s/zkq/%s", base, options->name);
	else
		len = snprintf(options->state_dir, sizeof options->state_dir, "%s/.local/state/zkq/%s", home ? home : "",
		    options->name);
	if (len <= 0 || (size_t)len >= sizeof options->state_dir)
		return wrong("state-dir", options->state_dir, "too long");
	if (wanted.work_dir)
		len = snprintf(options->work_dir, sizeof options->work_dir, "%s", wanted.work_dir);
	else
		len = snprintf(options->work_dir, sizeof options->work_dir, "%s/work", options->state_dir);
	if (len <= 0 || (size_t)len >= sizeof options->work_dir)
		return wrong("work-dir", options->work_dir, "too long");
	return EXIT_OK;
}

static int
read_auth(struct worker_options *options)
{
	const char *auth = getenv("ZKQ_AUTH"), *why;

	if (wanted.auth_file) {
		why = secret_read(wanted.auth_file, options->auth, sizeof options->auth);
		if (why) {
			log_error("worker %s: credential in %s: %s", options->name, wanted.auth_file, why);
			return EXIT_CONFIG;
		}
	} else if (auth) {
		snprintf(options->auth, sizeof options->auth, "%s", auth);
	}
	return EXIT_OK;
}

static int
read_lost_after(struct worker_options *options)
{
	char smallest[DURATION_SIZE], given[DURATION_SIZE];

	options->lost_after_ms = wanted.lost_after_ms;
	if (options->lost_after_ms >= lease_smallest_lost_after())
		return EXIT_OK;
	duration_exact(lease_smallest_lost_after(), smallest);
	duration_exact(options->lost_after_ms, given);
	options_wrong(&command, "--lost-after: %s is too short to renew a lease in; the shortest that works is %s", given, smallest);
	return EXIT_USAGE;
}

static int
read_all(struct worker_options *options)
{
	static char queues[4096];
	int code;

	snprintf(queues, sizeof queues, "%s", wanted.queues);
	if ((code = read_name(options)) != EXIT_OK || (code = read_queues(options, queues)) != EXIT_OK ||
	    (code = read_directories(options)) != EXIT_OK || (code = read_lost_after(options)) != EXIT_OK ||
	    (code = read_auth(options)) != EXIT_OK)
		return code;
	if (!root_ok(wanted.root))
		return wrong("root", wanted.root, "not an absolute path like /zkq");
	if (!connect_string_split(wanted.zk, wanted.root, options->hosts, sizeof options->hosts, options->root,
	    sizeof options->root))
		return wrong("zk", wanted.zk, "not HOST[:PORT],...[/PATH]");
	options->slots = wanted.slots > 0 ? wanted.slots : self_processors();
	options->session_timeout_ms = wanted.session_timeout_ms;
	options->drain_deadline_ms = wanted.drain_deadline_ms;
	options->http_address = wanted.http_address;
	self_host(options->host, sizeof options->host);
	return EXIT_OK;
}

int
main(int argc, char **argv)
{
	static struct worker_options options;
	const char *helper = argc > 1 && (strcmp(argv[1], HELPER_COORDINATOR) == 0 || strcmp(argv[1], HELPER_LOG_SERVER) == 0) ?
	    argv[1] : NULL;

	if (helper) {
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	int operand = options_parse(&command, argc, argv);
	if (operand == OPTIONS_DONE)
		return EXIT_OK;
	if (operand == OPTIONS_WRONG)
		return EXIT_USAGE;
	if (operand < argc) {
		options_wrong(&command, "%s: no operand is expected", argv[operand]);
		return EXIT_USAGE;
	}
	log_open("zkq-worker", wanted.quiet ? LEVEL_WARNING : wanted.verbose ? LEVEL_DEBUG : LEVEL_INFO);
	options.argc = argc;
	options.argv = argv;
	int code = read_all(&options);
	if (code != EXIT_OK)
		return code;
	if (helper && strcmp(helper, HELPER_COORDINATOR) == 0)
		return coordinator_run(&options, HELPER_SOCKET);
	if (helper)
		return log_server_run(&options, HELPER_SOCKET, HELPER_LISTENER);
	return service_run(&options);
}
