/*
 * main.c: zkq-dispatcher(8): carries out what core/dispatcher.h wants. It decides nothing.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/log.h"
#include "base/options.h"
#include "codec/path.h"
#include "core/dispatcher.h"
#include "io/alarm.h"
#include "io/clock.h"
#include "io/folder.h"
#include "io/loop.h"
#include "io/poller.h"
#include "io/process.h"
#include "io/self.h"
#include "zk/link.h"

#define SESSION_MIN_MS 500
#define SESSION_MAX_MS (10 * 60 * 1000)
#define HOSTS_SIZE 2048
#define PROBES_MAX 64	/* one step asks for a few */

static struct {
	const char *zk, *root, *auth_file, *name;
	int64_t session_timeout_ms;
	bool verbose, quiet;
} wanted;

static const struct option_row rows[] = {
	{ 'z', "zk", "HOSTS", OPTION_TEXT, &wanted.zk, "127.0.0.1:2181", "ZKQ_ZK", 0, 0,
	    "ZooKeeper servers, separated by commas", NULL },
	{ 0, "root", "PATH", OPTION_TEXT, &wanted.root, "/zkq", "ZKQ_ROOT", 0, 0, "root of the tree", NULL },
	{ 0, "auth-file", "FILE", OPTION_TEXT, &wanted.auth_file, NULL, NULL, 0, 0,
	    "file that holds digest:USER:PASSWORD (default: $ZKQ_AUTH, else none)", NULL },
	{ 0, "name", "NAME", OPTION_TEXT, &wanted.name, NULL, NULL, 0, 0, "name for people (default: host and process id)",
	    NULL },
	{ 0, "session-timeout", "TIME", OPTION_TIME, &wanted.session_timeout_ms, "10s", NULL, SESSION_MIN_MS, SESSION_MAX_MS,
	    "ZooKeeper session time-out to ask for", NULL },
	{ 'q', "quiet", NULL, OPTION_FLAG, &wanted.quiet, NULL, NULL, 0, 0, "log warnings and errors only", NULL },
	{ 'v', "verbose", NULL, OPTION_FLAG, &wanted.verbose, NULL, NULL, 0, 0, "log more", NULL },
	{ 0, "help", NULL, OPTION_HELP, NULL, NULL, NULL, 0, 0, "print this help and exit", NULL },
	{ 0, "version", NULL, OPTION_VERSION, NULL, NULL, NULL, 0, 0, "print the version and exit", NULL },
	{ .name = NULL },
};

static const struct options command = {
	.program = "zkq-dispatcher", .call = "zkq-dispatcher", .usage = "zkq-dispatcher [OPTIONS]",
	.about = "Gives waiting tasks to workers.", .manual = "zkq-dispatcher(8)", .version = PACKAGE_VERSION,
	.tables = { rows },
};

struct driver {
	struct event_base *base;
	struct link *link;
	struct poller *poller;
	struct alarm *alarm;
	struct dispatcher *dispatcher;
	struct plan plan;
	const char *host, *boot;
	struct timer *soon;
	struct event probed[PROBES_MAX];	/* answers for the next turn of the loop */
	int probed_count;
	bool exiting;
	int exit_code;
};

static void
note(const struct effect *effect)
{
	static const enum log_level levels[] = {
		[NOTE_ERROR] = LEVEL_ERROR, [NOTE_WARNING] = LEVEL_WARNING, [NOTICE] = LEVEL_INFO, [NOTE_INFO] = LEVEL_INFO,
		[NOTE_DEBUG] = LEVEL_DEBUG,
	};

	log_write(levels[effect->note.level], "%s", effect->note.text);
}

/* Answers in the next turn of the loop: a step is under way. */
static void
probe(struct driver *driver, const struct effect *effect)
{
	const struct process_id *process = &effect->probe.process;
	struct event *event = &driver->probed[driver->probed_count];

	if (driver->probed_count == PROBES_MAX)
		return;	/* its session's end is waited for, then */
	*event = (struct event){ .kind = EV_PROBED };
	event->probed.arg = effect->probe.arg;
	event->probed.dead = process->host && process->boot && driver->boot && strcmp(process->host, driver->host) == 0 &&
	    strcmp(process->boot, driver->boot) == 0 && process_gone((pid_t)process->pid, process->start);
	driver->probed_count++;
	timer_set(driver->soon, 0);
}

static void
carry_out(struct driver *driver, const struct effect *effect)
{
	switch (effect->kind) {
	case FX_REQUEST:
		link_request(driver->link, &effect->request);
		break;
	case FX_NOTE:
		note(effect);
		break;
	case FX_NEW_SESSION:
		link_new_session(driver->link);
		break;
	case FX_PROBE:
		probe(driver, effect);
		break;
	case FX_EXIT:
		driver->exiting = true;
		driver->exit_code = effect->exit_code;
		loop_stop(driver->base);
		break;
	default:
		break;
	}
}

static void
step(struct driver *driver, struct event *event)
{
	if (driver->exiting)
		return;
	event->now_ms = clock_boot_ms();
	event->wall_ms = clock_wall_ms();
	plan_reset(&driver->plan);
	dispatcher_step(driver->dispatcher, event, &driver->plan);
	if (driver->plan.failed) {
		log_error("dispatcher: out of memory");
		exit(EXIT_SYSTEM);
	}
	for (int i = 0; i < driver->plan.count && !driver->exiting; i++)
		carry_out(driver, &driver->plan.effects[i]);
	alarm_set(driver->alarm, driver->plan.wake_ms);
	poller_update(driver->poller);
}

static void
on_link(void *context, const struct event *event)
{
	struct event copy = *event;

	step(context, &copy);
}

static void
on_alarm(void *context)
{
	struct event event = { .kind = EV_TICK };

	step(context, &event);
}

static void
on_soon(void *context)
{
	struct driver *driver = context;
	struct event event;

	while (driver->probed_count > 0 && !driver->exiting) {
		event = driver->probed[--driver->probed_count];
		step(driver, &event);
	}
}

static void
on_stop_signal(void *context)
{
	struct event event = { .kind = EV_STOP };

	step(context, &event);
}

static int
link_wait(void *context)
{
	return link_timeout(((struct driver *)context)->link);
}

static void
link_run(void *context)
{
	link_dispatch(((struct driver *)context)->link);
}

static bool
open_all(struct driver *driver, const struct dispatcher_conf *conf, const struct zk_conf *zk, const char *root)
{
	driver->dispatcher = dispatcher_new(conf);
	driver->base = loop_new();
	if (!driver->dispatcher || !driver->base)
		return false;
	driver->host = conf->host;
	driver->boot = conf->boot;
	driver->alarm = alarm_new(driver->base, on_alarm, driver);
	driver->soon = timer_new(driver->base, on_soon, driver);
	driver->link = link_new(zk, root, on_link, driver);
	if (!driver->alarm || !driver->soon || !driver->link)
		return false;
	driver->poller = poller_new(driver->base, link_fd(driver->link), link_wait, link_run, driver);
	return driver->poller && loop_signal(driver->base, SIGTERM, on_stop_signal, driver) == 0 &&
	    loop_signal(driver->base, SIGINT, on_stop_signal, driver) == 0;
}

static int
run(const struct dispatcher_conf *conf, const struct zk_conf *zk, const char *root)
{
	struct driver driver = { 0 };

	signal(SIGPIPE, SIG_IGN);
	if (!open_all(&driver, conf, zk, root)) {
		log_error("dispatcher %s: the system refuses what it needs", conf->name);
		return EXIT_SYSTEM;
	}
	struct event first = { .kind = EV_TICK };
	step(&driver, &first);
	while (!driver.exiting && loop_run(driver.base) == 0)
		;
	link_free(driver.link);
	poller_free(driver.poller);
	alarm_free(driver.alarm);
	timer_free(driver.soon);
	dispatcher_free(driver.dispatcher);
	plan_free(&driver.plan);
	loop_free(driver.base);
	return driver.exit_code;
}

int
main(int argc, char **argv)
{
	char hosts[HOSTS_SIZE], root[ROOT_MAX + 1], auth[256] = "", host[256], name[300];
	const char *why, *auth_env = getenv("ZKQ_AUTH");

	int operand = options_parse(&command, argc, argv);
	if (operand == OPTIONS_DONE)
		return EXIT_OK;
	if (operand == OPTIONS_WRONG)
		return EXIT_USAGE;
	if (operand < argc) {
		options_wrong(&command, "%s: no operand is expected", argv[operand]);
		return EXIT_USAGE;
	}
	log_open("zkq-dispatcher", wanted.quiet ? LEVEL_WARNING : wanted.verbose ? LEVEL_DEBUG : LEVEL_INFO);
	if (!root_ok(wanted.root)) {
		options_wrong(&command, "--root: %s: not an absolute path like /zkq", wanted.root);
		return EXIT_USAGE;
	}
	if (!connect_string_split(wanted.zk, wanted.root, hosts, sizeof hosts, root, sizeof root)) {
		options_wrong(&command, "--zk: %s: not HOST[:PORT],...[/PATH]", wanted.zk);
		return EXIT_USAGE;
	}
	if (wanted.auth_file && (why = secret_read(wanted.auth_file, auth, sizeof auth))) {
		log_error("dispatcher: credential in %s: %s", wanted.auth_file, why);
		return EXIT_CONFIG;
	}
	if (!wanted.auth_file && auth_env)
		snprintf(auth, sizeof auth, "%s", auth_env);
	struct process self;
	char boot[BOOT_ID_SIZE];
	self_host(host, sizeof host);
	bool known = process_boot_id(boot) && process_read(getpid(), &self);
	snprintf(name, sizeof name, "%s:%d", host, (int)getpid());
	struct dispatcher_conf conf = {
		.name = wanted.name ? wanted.name : name, .host = host, .pid = getpid(),
		.boot = known ? boot : NULL, .start = known ? self.start : 0, .seed = random_number(),
	};
	struct zk_conf zk = {
		.hosts = hosts, .session_timeout_ms = (int)wanted.session_timeout_ms, .auth = auth[0] ? auth : NULL,
		.seed = random_number(),
	};
	return run(&conf, &zk, root);
}
