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
#include "base/notify.h"
#include "base/options.h"
#include "base/output.h"
#include "codec/path.h"
#include "core/lease.h"
#include "core/limits.h"
#include "daemon/feed.h"
#include "daemon/helper.h"
#include "daemon/options.h"
#include "io/listener.h"
#include "io/self.h"
#include "worker/options.h"

#define SLOTS_MAX 4096
#define LOST_AFTER_MAX_MS (24LL * 3600 * 1000)

struct wanted {
	const char *name, *queues, *state_dir, *work_dir, *http_address;
	int slots;
	int64_t lost_after_ms, session_timeout_ms, drain_deadline_ms;
};

static struct wanted wanted = { .drain_deadline_ms = -1 };

static const char *
check_name(const char *text)
{
	return worker_name_ok(text) ? NULL : "a worker name is at most 64 letters, digits, - and _";
}

static const char *
check_queues(const char *text)
{
	char name[QUEUE_NAME_MAX + 1];
	const char *all = text;
	int count = 0;

	for (;; text++) {
		size_t len = strcspn(text, ",");

		snprintf(name, sizeof name, "%.*s", (int)len, text);
		if (len > QUEUE_NAME_MAX || !queue_name_ok(name))
			return "a queue name is at most 32 of a-z, 0-9, - and _, beginning with a letter or digit";
		if (++count > QUEUES_MAX)
			return "too many queues";
		for (const char *other = all; other < text; other += strcspn(other, ",") + 1)
			if (strcspn(other, ",") == len && strncmp(other, text, len) == 0)
				return "a queue stands twice";
		text += len;
		if (*text == '\0')
			return NULL;
	}
}

static const char *
check_lost_after(const char *text)
{
	static char why[96];
	char smallest[DURATION_SIZE];
	int64_t ms;

	if (duration_parse(text, &ms) || ms >= lease_smallest_lost_after())
		return NULL;	/* what is no time is told of by others */
	duration_exact(lease_smallest_lost_after(), smallest);
	snprintf(why, sizeof why, "too short to renew a lease in; the shortest that works is %s", smallest);
	return why;
}

static const struct option_row rows[] = {
	{ .name = "name", .argument = "NAME", .kind = OPTION_TEXT, .into = &wanted.name, .section = "worker",
	    .check = check_name, .help = "name of the worker (default: the host name, dots as dashes)" },
	{ .name = "slots", .argument = "NUMBER", .kind = OPTION_NUMBER, .into = &wanted.slots, .min = 1, .max = SLOTS_MAX,
	    .section = "worker", .help = "tasks at once (default: the number of processors)" },
	{ .name = "queues", .argument = "NAME,...", .kind = OPTION_TEXT, .into = &wanted.queues, .preset = "default",
	    .section = "worker", .check = check_queues, .help = "queues to serve" },
	{ .name = "lost-after", .argument = "TIME", .kind = OPTION_TIME, .into = &wanted.lost_after_ms, .preset = "30s",
	    .min = 1, .max = LOST_AFTER_MAX_MS, .section = "worker", .check = check_lost_after,
	    .help = "how long after the loss of its session its exclusive tasks are given to others" },
	{ .name = "session-timeout", .argument = "TIME", .kind = OPTION_TIME, .into = &wanted.session_timeout_ms,
	    .preset = "10s", .min = SESSION_MIN_MS, .max = SESSION_MAX_MS, .section = "worker",
	    .help = "ZooKeeper session time-out to ask for" },
	{ .name = "state-dir", .argument = "DIRECTORY", .kind = OPTION_TEXT, .into = &wanted.state_dir, .section = "worker",
	    .help = "where output is kept (default: /var/lib/zkq-worker/NAME for root, else $XDG_STATE_HOME/zkq/NAME)" },
	{ .name = "work-dir", .argument = "DIRECTORY", .kind = OPTION_TEXT, .into = &wanted.work_dir, .section = "worker",
	    .help = "working directory of tasks that name none (default: work in the state directory)" },
	{ .name = "drain-deadline", .argument = "TIME", .kind = OPTION_TIME, .into = &wanted.drain_deadline_ms,
	    .section = "worker", .live = true,
	    .help = "how long tasks may go on after SIGTERM (default: as long as they take)" },
	{ .name = "http-address", .argument = "ADDRESS", .kind = OPTION_TEXT, .into = &wanted.http_address,
	    .section = "worker", .check = listener_fault, .help = "where output, metrics and health are served, HOST[:PORT] (default: the address used towards ZooKeeper,\n"
	    "any free port)" },
	{ 0 },
};

static struct options command = {
	.program = "zkq-worker", .call = "zkq-worker", .usage = "zkq-worker [OPTIONS]",
	.about = "Runs the tasks that the leading zkq-dispatcher assigns to it.", .manual = "zkq-worker(8)",
	.version = PACKAGE_VERSION, .tables = { daemon_zk_rows, rows, daemon_common_rows },
	.titles = { "ZooKeeper:", "Worker:", "Log and others:" },
};

static int
wrong(const char *option, const char *value, const char *why)
{
	options_wrong(&command, "--%s: %s: %s", option, value, why);
	return EXIT_USAGE;
}

/* Splits at commas, in place; check_queues() has looked at it. */
static void
read_queues(struct worker_options *options, char *list)
{
	char *name;

	while ((name = strsep(&list, ",")) && options->queue_count < QUEUES_MAX)
		options->queues[options->queue_count++] = name;
}

static int
read_name(struct worker_options *options)
{
	char host[256];

	if (wanted.name) {
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

	if (wanted.state_dir && !*wanted.state_dir)
		return wrong("state-dir", "''", "the path of a directory is wanted");
	if (wanted.work_dir && !*wanted.work_dir)
		return wrong("work-dir", "''", "the path of a directory is wanted");
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
read_all(struct worker_options *options, bool with_credential)
{
	static char queues[QUEUES_MAX * (QUEUE_NAME_MAX + 1) + 1];
	char who[WORKER_NAME_MAX + 16];
	int code;

	snprintf(queues, sizeof queues, "%s", wanted.queues);
	read_queues(options, queues);
	options->lost_after_ms = wanted.lost_after_ms;
	if ((code = read_name(options)) != EXIT_OK || (code = read_directories(options)) != EXIT_OK)
		return code;
	snprintf(who, sizeof who, "worker %s", options->name);
	if ((code = daemon_options_read(&command, who, with_credential)) >= 0)
		return code;
	options->slots = wanted.slots > 0 ? wanted.slots : self_processors();
	options->session_timeout_ms = wanted.session_timeout_ms;
	options->drain_deadline_ms = wanted.drain_deadline_ms;
	options->http_address = wanted.http_address;
	self_host(options->host, sizeof options->host);
	return EXIT_OK;
}

bool
worker_options_reload(struct worker_options *options)
{
	if (!daemon_options_reload(&command))
		return false;
	options->drain_deadline_ms = wanted.drain_deadline_ms;
	return true;
}

char **
worker_options_arguments(const struct worker_options *options, int *count)
{
	return options_arguments(&command, options->argc, options->argv, count);
}

static int
start(int argc, char **argv)
{
	static struct worker_options options;
	bool coordinator = argc > 1 && strcmp(argv[1], HELPER_COORDINATOR) == 0;
	bool http = argc > 1 && strcmp(argv[1], HELPER_HTTP) == 0;
	int code;

	if (coordinator || http) {
		argv[1] = argv[0];
		argv++;
		argc--;
		command.without_files = true;	/* what they say has come as options, see daemon/helper.c */
	}
	if ((code = daemon_options_parse(&command, argc, argv)) >= 0)
		return code;
	options.argc = argc;
	options.argv = argv;
	if ((code = read_all(&options, !http)) != EXIT_OK)
		return code;
	if (coordinator)
		return coordinator_run(&options, HELPER_SOCKET);
	if (http)
		return log_server_run(&options, HELPER_SOCKET, HELPER_LISTENER);
	if (daemon_options.check) {
		daemon_options_print(&command, stdout);
		return EXIT_OK;
	}
	notify_open();
	return service_run(&options);
}

int
main(int argc, char **argv)
{
	output_open();	/* else a socket could become what the log is written to */
	return output_close(command.program, start(argc, argv), EXIT_IO);
}
