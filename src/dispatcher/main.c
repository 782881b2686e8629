/*
 * main.c: zkq-dispatcher(8): carries out what core/dispatcher.h wants. It decides nothing.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/options.h"
#include "base/output.h"
#include "base/terminal.h"
#include "core/dispatcher.h"
#include "daemon/feed.h"
#include "daemon/helper.h"
#include "daemon/note.h"
#include "daemon/options.h"
#include "daemon/reach.h"
#include "daemon/web.h"
#include "dispatcher/report.h"
#include "io/alarm.h"
#include "io/clock.h"
#include "io/listener.h"
#include "io/loop.h"
#include "io/poller.h"
#include "io/process.h"
#include "io/self.h"
#include "io/spawn.h"
#include "zk/link.h"

#define PROBES_MAX 64	/* one step asks for a few */
#define LISTEN_TRIES 30	/* of 100 ms: the HTTP process of a dispatcher that was here before needs a moment to go */
#define NO_HTTP "none"
#define NAME_MAX_BYTES 128	/* stands in lists */

static struct {
	const char *name, *http_address;
	int64_t session_timeout_ms;
} wanted;

static const char *
check_name(const char *text)
{
	char safe[NAME_MAX_BYTES + 1];
	size_t len = strlen(text);

	return len > 0 && len <= NAME_MAX_BYTES && terminal_safe(text, len, safe, sizeof safe) == len && strcmp(safe, text) == 0 ?
	    NULL : "a name is 1 to 128 bytes of UTF-8 without control characters";
}

static const char *
check_http(const char *text)
{
	return strcmp(text, NO_HTTP) == 0 ? NULL : listener_fault(text);
}

static const struct option_row rows[] = {
	{ .name = "name", .argument = "NAME", .kind = OPTION_TEXT, .into = &wanted.name, .section = "dispatcher",
	    .check = check_name, .help = "name for people (default: host and process id)" },
	{ .name = "session-timeout", .argument = "TIME", .kind = OPTION_TIME, .into = &wanted.session_timeout_ms,
	    .preset = "10s", .min = SESSION_MIN_MS, .max = SESSION_MAX_MS, .section = "dispatcher",
	    .help = "ZooKeeper session time-out to ask for" },
	{ .name = "http-address", .argument = "ADDRESS", .kind = OPTION_TEXT, .into = &wanted.http_address,
	    .preset = "127.0.0.1", .section = "dispatcher", .check = check_http,
	    .help = "where metrics and health are served, HOST[:PORT], or none; without a port any free one" },
	{ 0 },
};

static struct options command = {
	.program = "zkq-dispatcher", .call = "zkq-dispatcher", .usage = "zkq-dispatcher [OPTIONS]",
	.about = "Gives waiting tasks to workers.", .manual = "zkq-dispatcher(8)", .version = PACKAGE_VERSION,
	.tables = { daemon_zk_rows, rows, daemon_common_rows },
	.titles = { "ZooKeeper:", "Dispatcher:", "Log and others:" },
};

struct driver {
	struct event_base *base;
	struct link *link;
	struct poller *poller;
	struct alarm *alarm;
	struct dispatcher *dispatcher;
	struct plan plan;
	const char *host, *boot;
	struct timer *soon, *watchdog;
	struct reach *reach;
	struct feed *feed;	/* NULL = serves no HTTP */
	int argc;		/* the command line, for the HTTP process */
	char **argv;
	bool ready;		/* the service manager has been told */
	struct event probed[PROBES_MAX];	/* answers for the next turn of the loop */
	int probed_count;
	bool exiting;
	int exit_code;
};

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
		note_log(effect);
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
on_reload_signal(void *context)
{
	(void)context;
	log_info("dispatcher: reads its configuration again");
	daemon_options_reload(&command);	/* the HTTP process hears of it with the next snapshot */
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

/* ---- the HTTP process ---- */

static char **
arguments(void *context, int *count)
{
	struct driver *driver = context;

	return options_arguments(&command, driver->argc, driver->argv, count);
}

static void
on_child(void *context)
{
	struct driver *driver = context;
	pid_t pid = feed_pid(driver->feed);
	int status;

	if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid)
		feed_ended(driver->feed, status);
}

static void
collect(void *context, struct snapshot *snapshot)
{
	struct driver *driver = context;

	reach_collect(driver->reach, snapshot);
	report_collect(driver->dispatcher, snapshot);
}

/* Returns the listening socket, or -1: it goes on without. */
static int
listen_http(const char *name)
{
	const char *why;
	int fd;

	if (strcmp(wanted.http_address, NO_HTTP) == 0)
		return -1;
	for (int i = 1; (fd = listener_open(wanted.http_address, &why)) < 0 && errno == EADDRINUSE && i < LISTEN_TRIES; i++)
		poll(NULL, 0, 100);
	if (fd < 0)
		log_warning("dispatcher %s: cannot serve HTTP at %s: %s; goes on without", name, wanted.http_address, why);
	return fd;
}

static bool
open_feed(struct driver *driver, int listener)
{
	struct feed_conf conf = {
		.owner = "dispatcher", .listener = listener, .context = driver, .arguments = arguments, .collect = collect,
	};

	if (listener < 0)
		return true;
	if (spawn_init() != 0 || loop_signal(driver->base, SIGCHLD, on_child, driver) != 0)
		return false;
	driver->feed = feed_new(driver->base, &conf);
	return driver->feed != NULL;
}

/* ---- life ---- */

static bool
open_all(struct driver *driver, const struct dispatcher_conf *conf, const struct zk_conf *zk, int listener)
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
	driver->link = link_new(zk, daemon_options.root, on_link, driver);
	if (!driver->alarm || !driver->soon || !driver->watchdog || !driver->link)
		return false;
	driver->reach = reach_new(driver->base, driver->link, zk->hosts);
	driver->poller = poller_new(driver->base, link_fd(driver->link), link_wait, link_run, driver);
	return driver->reach && driver->poller && open_feed(driver, listener) &&
	    loop_signal(driver->base, SIGTERM, on_stop_signal, driver) == 0 &&
	    loop_signal(driver->base, SIGINT, on_stop_signal, driver) == 0 &&
	    loop_signal(driver->base, SIGHUP, on_reload_signal, driver) == 0;
}

static int
run(struct driver *driver, const struct dispatcher_conf *conf, const struct zk_conf *zk, int listener)
{
	signal(SIGPIPE, SIG_IGN);
	if (!open_all(driver, conf, zk, listener)) {
		log_error("dispatcher %s: the system refuses what it needs", conf->name);
		return EXIT_SYSTEM;
	}
	if (notify_watchdog_ms() > 0)
		timer_set(driver->watchdog, 0);
	notify_send("STATUS=connecting to ZooKeeper");
	struct event first = { .kind = EV_TICK };
	step(driver, &first);
	while (!driver->exiting && loop_run(driver->base) == 0)
		;
	feed_free(driver->feed);
	link_free(driver->link);
	reach_free(driver->reach);
	poller_free(driver->poller);
	alarm_free(driver->alarm);
	timer_free(driver->soon);
	timer_free(driver->watchdog);
	dispatcher_free(driver->dispatcher);
	plan_free(&driver->plan);
	loop_free(driver->base);
	return driver->exit_code;
}

static int
serve(int argc, char **argv)
{
	struct driver driver = { .argc = argc, .argv = argv };
	char host[256], name[300], boot[BOOT_ID_SIZE], http[ADDRESS_SIZE];
	struct process self;

	self_host(host, sizeof host);
	bool known = process_boot_id(boot) && process_read(getpid(), &self);
	snprintf(name, sizeof name, "%s:%d", host, (int)getpid());
	struct dispatcher_conf conf = {
		.name = wanted.name ? wanted.name : name, .host = host, .pid = getpid(),
		.boot = known ? boot : NULL, .start = known ? self.start : 0, .seed = random_number(),
	};
	struct zk_conf zk = {
		.hosts = daemon_options.hosts, .session_timeout_ms = (int)wanted.session_timeout_ms,
		.auth = daemon_options.auth[0] ? daemon_options.auth : NULL, .seed = random_number(),
	};
	int listener = listen_http(conf.name);
	if (listener >= 0 && listener_address(listener, host, http)) {
		conf.http = http;
		log_info("dispatcher %s: HTTP at %s", conf.name, http);
	}
	return run(&driver, &conf, &zk, listener);
}

static int
start(int argc, char **argv)
{
	bool http = argc > 1 && strcmp(argv[1], HELPER_HTTP) == 0;
	int code;

	if (http) {
		argv[1] = argv[0];
		argv++;
		argc--;
		command.without_files = true;	/* what they say has come as options, see daemon/helper.c */
	}
	if ((code = daemon_options_parse(&command, argc, argv)) >= 0)
		return code;
	if (http)
		return web_run(command.program, HELPER_SOCKET, HELPER_LISTENER);
	notify_open();
	if ((code = daemon_options_read(&command, "dispatcher", true)) >= 0)
		return code;
	if (daemon_options.check) {
		daemon_options_print(&command, stdout);
		return EXIT_OK;
	}
	return serve(argc, argv);
}

int
main(int argc, char **argv)
{
	output_open();	/* else a socket could become what the log is written to */
	return output_close(command.program, start(argc, argv), EXIT_IO);
}
