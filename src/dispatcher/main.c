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
#include "base/notify.h"
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
#include "zk/outage.h"

#define SESSION_MIN_MS 500
#define SESSION_MAX_MS (10 * 60 * 1000)
#define HOSTS_SIZE 2048
#define PROBES_MAX 64	/* one step asks for a few */

static struct {
	const char *zk, *root, *auth_file, *name, *config;
	int64_t session_timeout_ms;
	enum log_level log_level;
	enum log_format log_format;
	bool verbose, quiet, check;
} wanted;

static const char *
check_zk(const char *text)
{
	char hosts[HOSTS_SIZE], root[ROOT_MAX + 1];

	return connect_string_split(text, "/zkq", hosts, sizeof hosts, root, sizeof root) ? NULL :
	    "not HOST[:PORT],...[/PATH]";
}

static const char *
check_root(const char *text)
{
	return root_ok(text) ? NULL : "not an absolute path like /zkq";
}

static const struct option_row rows[] = {
	{ .letter = 'z', .name = "zk", .argument = "HOSTS", .kind = OPTION_TEXT, .into = &wanted.zk,
	    .preset = "127.0.0.1:2181", .env = "ZKQ_ZK", .section = "zookeeper", .check = check_zk,
	    .help = "ZooKeeper servers, separated by commas" },
	{ .name = "root", .argument = "PATH", .kind = OPTION_TEXT, .into = &wanted.root, .preset = "/zkq", .env = "ZKQ_ROOT",
	    .section = "zookeeper", .check = check_root, .help = "root of the tree" },
	{ .name = "auth-file", .argument = "FILE", .kind = OPTION_TEXT, .into = &wanted.auth_file, .section = "zookeeper",
	    .help = "file that holds digest:USER:PASSWORD (default: $ZKQ_AUTH, else none)" },
	{ .name = "name", .argument = "NAME", .kind = OPTION_TEXT, .into = &wanted.name, .section = "dispatcher",
	    .help = "name for people (default: host and process id)" },
	{ .name = "session-timeout", .argument = "TIME", .kind = OPTION_TIME, .into = &wanted.session_timeout_ms,
	    .preset = "10s", .min = SESSION_MIN_MS, .max = SESSION_MAX_MS, .section = "dispatcher",
	    .help = "ZooKeeper session time-out to ask for" },
	{ .name = "log-level", .argument = "LEVEL", .kind = OPTION_LEVEL, .into = &wanted.log_level, .preset = "info",
	    .section = "log", .live = true, .help = "error, warning, info or debug; -q and -v go before" },
	{ .name = "log-format", .argument = "FORMAT", .kind = OPTION_FORMAT, .into = &wanted.log_format, .preset = "text",
	    .section = "log", .live = true, .help = "text, or json: one object a line" },
	{ .letter = 'c', .name = "config", .argument = "FILE", .kind = OPTION_CONFIG, .into = &wanted.config,
	    .env = "ZKQ_CONFIG", .help = "the only configuration file to read, see zkq.conf(5)" },
	{ .name = "check-config", .kind = OPTION_FLAG, .into = &wanted.check,
	    .help = "check options and files, print what is in effect, and exit" },
	{ .letter = 'q', .name = "quiet", .kind = OPTION_FLAG, .into = &wanted.quiet, .help = "log warnings and errors only" },
	{ .letter = 'v', .name = "verbose", .kind = OPTION_FLAG, .into = &wanted.verbose, .help = "log more" },
	{ .name = "help", .kind = OPTION_HELP, .help = "print this help and exit" },
	{ .name = "version", .kind = OPTION_VERSION, .help = "print the version and exit" },
	{ 0 },
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
	struct timer *soon, *watchdog, *silence;
	struct outage outage;
	const char *hosts;
	bool ready;		/* the service manager has been told */
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

/* Ready with the first session: before, a service that depends on us would find nobody. */
static void
tell_manager(struct driver *driver, const struct event *event)
{
	if (event->kind == EV_CONNECTED)
		notify_send("%sSTATUS=connected to ZooKeeper", driver->ready ? "" : "READY=1\n");
	else if (event->kind == EV_DISCONNECTED || event->kind == EV_EXPIRED)
		notify_send("STATUS=not connected to ZooKeeper");
	driver->ready = driver->ready || event->kind == EV_CONNECTED;
}

/* ---- what is said of a ZooKeeper that cannot be reached ---- */

static void
on_state(void *context, enum zk_state state, const char *detail)
{
	struct driver *driver = context;
	char line[512];

	if (outage_state(&driver->outage, state, detail, clock_boot_ms(), line, sizeof line))
		log_info("%s", line);
	else if (state == ZK_AUTH_FAILED)
		log_error("ZooKeeper: refuses the credential: %s", detail ? detail : "no reason given");
	if (!driver->outage.connected)
		timer_set(driver->silence, outage_wait_ms(&driver->outage, clock_boot_ms()));
}

static void
on_silence(void *context)
{
	struct driver *driver = context;
	char line[2600];

	if (outage_due(&driver->outage, driver->hosts, clock_boot_ms(), line, sizeof line))
		log_warning("%s", line);
	if (!driver->outage.connected)
		timer_set(driver->silence, outage_wait_ms(&driver->outage, clock_boot_ms()));
}

static void
on_watchdog(void *context)
{
	struct driver *driver = context;

	notify_send("WATCHDOG=1");
	timer_set(driver->watchdog, notify_watchdog_ms());
}

static void
on_link(void *context, const struct event *event)
{
	struct event copy = *event;

	tell_manager(context, event);
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

	notify_send("STOPPING=1\nSTATUS=gives up the leadership");
	step(context, &event);
}

static void
set_log(void)
{
	log_set_level(wanted.quiet ? LEVEL_WARNING : wanted.verbose ? LEVEL_DEBUG : wanted.log_level);
	log_set_format(wanted.log_format);
}

static void
on_reload_signal(void *context)
{
	(void)context;
	log_info("dispatcher: reads its configuration again");
	if (options_reload(&command))
		set_log();
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
	driver->watchdog = timer_new(driver->base, on_watchdog, driver);
	driver->silence = timer_new(driver->base, on_silence, driver);
	driver->hosts = zk->hosts;
	driver->link = link_new(zk, root, on_link, driver);
	if (!driver->alarm || !driver->soon || !driver->watchdog || !driver->silence || !driver->link)
		return false;
	outage_begin(&driver->outage, clock_boot_ms());
	link_on_state(driver->link, on_state);
	timer_set(driver->silence, OUTAGE_FIRST_MS);
	driver->poller = poller_new(driver->base, link_fd(driver->link), link_wait, link_run, driver);
	return driver->poller && loop_signal(driver->base, SIGTERM, on_stop_signal, driver) == 0 &&
	    loop_signal(driver->base, SIGINT, on_stop_signal, driver) == 0 &&
	    loop_signal(driver->base, SIGHUP, on_reload_signal, driver) == 0;
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
	if (notify_watchdog_ms() > 0)
		timer_set(driver.watchdog, 0);
	notify_send("STATUS=connecting to ZooKeeper");
	struct event first = { .kind = EV_TICK };
	step(&driver, &first);
	while (!driver.exiting && loop_run(driver.base) == 0)
		;
	link_free(driver.link);
	poller_free(driver.poller);
	alarm_free(driver.alarm);
	timer_free(driver.soon);
	timer_free(driver.watchdog);
	timer_free(driver.silence);
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
	if (operand == OPTIONS_WRONG_FILE)
		return EXIT_CONFIG;
	if (operand < argc) {
		options_wrong(&command, "%s: no operand is expected", argv[operand]);
		return EXIT_USAGE;
	}
	log_open("zkq-dispatcher", LEVEL_INFO);
	set_log();
	notify_open();
	if (!connect_string_split(wanted.zk, wanted.root, hosts, sizeof hosts, root, sizeof root)) {
		options_wrong(&command, "--zk: %s: not HOST[:PORT],...[/PATH]", wanted.zk);
		return EXIT_USAGE;
	}
	if (wanted.auth_file && (why = secret_read(wanted.auth_file, auth, sizeof auth))) {
		log_error("dispatcher: credential in %s: %s", wanted.auth_file, why);
		return EXIT_CONFIG;
	}
	if (wanted.check) {
		options_print_effective(&command, stdout);
		return EXIT_OK;
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
