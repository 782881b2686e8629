/*
 * service.c: the main process of zkq-worker: the runner, and its two helpers. It stays until the coordinator says that the
 * worker is done.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/log.h"
#include "base/notify.h"
#include "daemon/feed.h"
#include "daemon/helper.h"
#include "daemon/snapshot.h"
#include "daemon/web.h"
#include "io/cgroup.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/folder.h"
#include "io/listener.h"
#include "io/loop.h"
#include "io/process.h"
#include "io/spawn.h"
#include "worker/message.h"
#include "worker/options.h"
#include "worker/runner.h"

#define LOG_QUEUE_MAX (8 * 1024 * 1024)	/* an HTTP process that does not read is replaced */
#define LEAVE_MS 5000			/* for the coordinator to close its session; after a second signal, to do anything */
#define WATCH_MS 60000			/* a coordinator silent for all of one such span hangs: it speaks every few seconds */
#define LIVES_SIZE 4096
#define LIFE_PASSES_MAX 2000		/* of 5 ms: what does not die by then is left to the coordinator's sweep */

struct service {
	struct worker_options *options;
	struct event_base *base;
	struct runner *runner;
	struct helper *coordinator;
	struct feed *feed;		/* to the HTTP process; NULL = nothing is served (yet) */
	struct timer *watchdog;
	bool ready;			/* the service manager has been told */
	struct timer *timer;		/* the end does not wait for ever */
	struct timer *watch;
	bool heard;			/* of the coordinator, since watch was set */
	char log_token[33];
	char http_address[ADDRESS_SIZE];
	int state_fd, logs_fd, listener;
	bool listening_failed;
	int signals;
	bool leaving;
	int exit_code;
};

/* ---- earlier lives ---- */

static bool
life_is_gone(const char *inc)
{
	char mark_text[32], group[32];
	struct process_mark mark = { .has = { mark_text } };

	snprintf(mark_text, sizeof mark_text, "ZKQ_INC=%s", inc);
	snprintf(group, sizeof group, "zkq-%s", inc);
	bool empty = cgroup_sweep(group);
	return process_sweep(&mark).found == 0 && empty;
}

/* Kills what earlier lives with this state directory left running, whatever ZooKeeper still knows of them. The file names
 * them all until they are known to be gone. */
static void
end_earlier_lives(const struct service *s)
{
	char lives[LIVES_SIZE] = "", next[LIVES_SIZE] = "", *rest = lives, *inc;
	size_t len = 0;

	folder_read(s->state_fd, "lives", lives, sizeof lives);
	while ((inc = strsep(&rest, "\n"))) {
		if (strlen(inc) != INC_MAX || strspn(inc, "abcdefghijklmnopqrstuvwxyz0123456789") != INC_MAX)
			continue;
		bool gone = life_is_gone(inc);
		for (int i = 0; !gone && i < LIFE_PASSES_MAX; i++) {
			usleep(5000);
			gone = life_is_gone(inc);
		}
		if (gone)
			continue;
		log_warning("worker %s: processes of its life %s do not die", s->options->name, inc);
		if (len + INC_MAX + 1 < sizeof next - INC_MAX - 1)
			len += (size_t)snprintf(next + len, sizeof next - len, "%s\n", inc);
	}
	snprintf(next + len, sizeof next - len, "%s\n", runner_inc(s->runner));
	if (folder_write(s->state_fd, "lives", next) != 0)
		log_warning("worker %s: cannot write %s/lives: %s", s->options->name, s->options->state_dir, strerror(errno));
}

/* ---- the HTTP process ---- */

static char **
arguments(void *context, int *count)
{
	const struct service *s = context;

	return worker_options_arguments(s->options, count);
}

static void
say_log(void *context, const struct message *message)
{
	struct service *s = context;
	struct channel *channel = feed_channel(s->feed);

	if (!channel || (message_send(channel, message) == 0 && channel_queued(channel) <= LOG_QUEUE_MAX))
		return;
	log_error("runner: the HTTP process does not read what it is told; it is replaced");
	feed_replace(s->feed);
}

/* Ends of tasks are told before snapshots: these are dropped when there is much else to read. */
static void
pass_snapshot_on(void *context, const struct message *message)
{
	struct service *s = context;
	struct channel *channel = feed_channel(s->feed);

	if (channel && channel_queued(channel) <= FEED_QUEUED_MAX)
		say_log(s, message);
}

static int
send_snapshot(void *context, struct channel *channel, const char *data, size_t len)
{
	struct message message = { .kind = MSG_SNAPSHOT };

	(void)context;
	message.snapshot.source = WEB_MAIN;
	message.snapshot.data = data;
	message.snapshot.len = len;
	return message_send(channel, &message);
}

static void
collect(void *context, struct snapshot *snapshot)
{
	const struct service *s = context;

	snapshot_check(snapshot, "coordinator process", helper_pid(s->coordinator) > 0, "does not run");
	counts_collect(runner_counts(s->runner), &snapshot->metrics);
}

static void
http_started(void *context, struct channel *channel)
{
	struct service *s = context;
	struct message message = { .kind = MSG_SERVE };

	message.text = s->log_token;
	message_send(channel, &message);
	runner_each_log(s->runner, say_log, s);
}

static const char *
serve_http(void *context, const char *address)
{
	struct service *s = context;
	const char *where = s->options->http_address ? s->options->http_address : address, *why;

	if (s->listener < 0 && !s->listening_failed && where) {
		s->listener = listener_open(where, &why);
		if (s->listener < 0) {
			log_warning("worker %s: cannot serve logs and metrics at %s: %s", s->options->name, where, why);
			s->listening_failed = true;
			return NULL;
		}
		struct feed_conf conf = {
			.owner = "runner", .listener = s->listener, .context = s, .arguments = arguments, .collect = collect,
			.send = send_snapshot, .started = http_started,
		};
		s->feed = feed_new(s->base, &conf);
	}
	if (s->listener >= 0 && !s->http_address[0])
		listener_address(s->listener, address, s->http_address);
	return s->http_address[0] ? s->http_address : NULL;
}

/* ---- coordinator ---- */

static void
coordinator_started(void *context, int fd)
{
	struct service *s = context;

	if (runner_attach(s->runner, fd) != 0) {
		log_error("runner: out of memory");
		exit(EXIT_SYSTEM);
	}
}

static void
on_heard(void *context)
{
	struct service *s = context;

	s->heard = true;
}

/* A hanging coordinator would keep its session, and so its claims, for ever: its ZooKeeper client has threads of its own. */
static void
on_watch(void *context)
{
	struct service *s = context;

	if (!s->heard && helper_pid(s->coordinator)) {
		log_error("runner: the coordinator is silent; it is replaced");
		helper_kill(s->coordinator);
	}
	s->heard = false;
	timer_set(s->watch, WATCH_MS);
}

static bool
is_helper(void *context, pid_t pid)
{
	struct service *s = context;

	return pid == helper_pid(s->coordinator) || pid == feed_pid(s->feed);
}

static void
on_helper_ended(void *context, pid_t pid, int status)
{
	struct service *s = context;

	if (pid == helper_pid(s->coordinator))
		helper_ended(s->coordinator, status);
	else
		feed_ended(s->feed, status);
	if (s->leaving && !helper_pid(s->coordinator))
		loop_stop(s->base);
}

/* Nothing runs any more. The coordinator may still be closing its session. */
static void
finished(void *context, int code)
{
	struct service *s = context;

	s->leaving = true;
	s->exit_code = code;
	helper_leave(s->coordinator);
	feed_leave(s->feed);
	if (!helper_pid(s->coordinator))
		loop_stop(s->base);
	/* It goes on to close its session by itself when it has said so; else it now hears that it is over. */
	runner_detach(s->runner);
	timer_set(s->timer, LEAVE_MS);
}

static void
on_late(void *context)
{
	struct service *s = context;

	if (s->leaving) {
		helper_kill(s->coordinator);
		loop_stop(s->base);
	} else {
		log_warning("worker %s: stops without having told ZooKeeper", s->options->name);
		runner_abandon(s->runner, EXIT_OK);
	}
}

static void
on_stop_signal(void *context)
{
	struct service *s = context;

	if (s->leaving)
		return;
	notify_send("STOPPING=1\nSTATUS=%s", s->signals == 0 ? "drains: what runs may end" : "stops now");
	if (++s->signals == 1) {
		log_info("worker %s: drains: nothing new is started, what runs may end", s->options->name);
	} else if (s->signals == 2) {
		log_info("worker %s: stops now", s->options->name);
		timer_set(s->timer, LEAVE_MS);
	} else {
		on_late(s);
		return;
	}
	runner_stop(s->runner);
}

/* Ready when the coordinator has its first session. */
static void
registers(void *context)
{
	struct service *s = context;

	if (!s->ready)
		notify_send("READY=1\nSTATUS=registered as worker %s", s->options->name);
	s->ready = true;
}

static void
on_watchdog(void *context)
{
	struct service *s = context;

	notify_send("WATCHDOG=1");
	timer_set(s->watchdog, notify_watchdog_ms());
}

static void
on_reload_signal(void *context)
{
	struct service *s = context;
	struct message message = { .kind = MSG_SETTINGS };

	log_info("worker %s: reads its configuration again", s->options->name);
	if (!worker_options_reload(s->options))
		return;
	message.settings.log_level = log_get_level();
	message.settings.log_format = log_get_format();
	message.settings.drain_deadline_ms = s->options->drain_deadline_ms;
	runner_tell(s->runner, &message);
}

/* ---- life ---- */

static bool
open_state(struct service *s)
{
	const char *path = s->options->state_dir;

	s->state_fd = folder_open(path);
	if (s->state_fd < 0 || (s->logs_fd = folder_below(s->state_fd, "logs")) < 0) {
		log_error("worker %s: cannot use the state directory %s: %s", s->options->name, path, strerror(errno));
		return false;
	}
	int holder = 0, locked = folder_lock(s->state_fd, &holder);
	if (locked != 0) {
		if (locked > 0)
			log_error("worker %s: another zkq-worker, pid %d, uses the state directory %s: give this one another --name",
			    s->options->name, holder, path);
		else
			log_error("worker %s: cannot lock the state directory %s: %s", s->options->name, path, strerror(errno));
		return false;
	}
	int work_fd = folder_open(s->options->work_dir);
	if (work_fd < 0) {
		log_error("worker %s: cannot use the work directory %s: %s", s->options->name, s->options->work_dir, strerror(errno));
		return false;
	}
	close(work_fd);
	return true;
}

int
service_run(struct worker_options *options)
{
	struct service *s = calloc(1, sizeof *s);
	int code = EXIT_SYSTEM;

	if (!s)
		return EXIT_SYSTEM;
	s->options = options;
	s->listener = -1;
	signal(SIGPIPE, SIG_IGN);
	random_word(s->log_token, sizeof s->log_token - 1);
	if (!open_state(s)) {
		free(s);
		return EXIT_CONFIG;
	}
	struct runner_conf conf = {
		.host = options->host, .work_dir = options->work_dir, .log_token = s->log_token, .logs_fd = s->logs_fd,
		.context = s, .log_event = say_log, .listen = serve_http, .snapshot = pass_snapshot_on, .registers = registers, .finished = finished,
		.is_helper = is_helper, .heard = on_heard, .helper_ended = on_helper_ended,
	};
	struct helper_conf coordinator = {
		.owner = "runner", .argument = HELPER_COORDINATOR, .name = "coordinator", .context = s, .arguments = arguments,
		.started = coordinator_started,
	};
	s->base = loop_new();
	if (!s->base || !(s->runner = runner_new(s->base, &conf)) || !(s->timer = timer_new(s->base, on_late, s)) ||
	    !(s->watch = timer_new(s->base, on_watch, s)) || !(s->watchdog = timer_new(s->base, on_watchdog, s)) ||
	    loop_signal(s->base, SIGTERM, on_stop_signal, s) != 0 || loop_signal(s->base, SIGINT, on_stop_signal, s) != 0 ||
	    loop_signal(s->base, SIGHUP, on_reload_signal, s) != 0) {
		log_error("worker %s: the system refuses what the runner needs: %s", options->name, strerror(errno));
		goto done;
	}
	if (notify_watchdog_ms() > 0)
		timer_set(s->watchdog, 0);
	notify_send("STATUS=connecting to ZooKeeper");
	end_earlier_lives(s);
	s->coordinator = helper_new(s->base, &coordinator);
	timer_set(s->watch, WATCH_MS);
	if (!s->coordinator || loop_run(s->base) != 0)
		goto done;
	code = s->exit_code;
	log_info("worker %s: ends", options->name);
done:
	feed_free(s->feed);
	helper_free(s->coordinator);
	timer_free(s->timer);
	timer_free(s->watch);
	timer_free(s->watchdog);
	runner_free(s->runner);
	loop_free(s->base);
	close(s->logs_fd);
	close(s->state_fd);
	free(s);
	return code;
}
