/*
 * coordinator.c: carries out what core/worker.h wants: requests to ZooKeeper, messages to the runner.
 * It decides nothing about tasks. When the runner is gone it kills what that left behind and ends.
 */
#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/log.h"
#include "codec/json.h"
#include "core/worker.h"
#include "daemon/feed.h"
#include "daemon/note.h"
#include "daemon/options.h"
#include "daemon/reach.h"
#include "daemon/snapshot.h"
#include "daemon/web.h"
#include "io/alarm.h"
#include "io/cgroup.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/poller.h"
#include "io/process.h"
#include "worker/message.h"
#include "worker/options.h"
#include "zk/link.h"

#define LOAD_EVERY_MS 5000	/* and so often runner and coordinator hear of each other */
#define SILENT_MAX 12		/* so many times in a row without a word from the runner: it hangs */
#define FLUSH_MS 5000		/* the runner answers in microseconds; after this it hangs */
#define SWEEP_PAUSE_MS 5	/* between two looks at the process table */
#define SWEEP_WARN_PASSES 200
#define ANSWERS_MAX 16		/* of probes and sweeps; the core asks one at a time */

struct coordinator {
	const struct worker_options *options;
	int64_t drain_deadline_ms;	/* of late; the options have the first */
	struct event_base *base;
	struct channel *channel;
	struct link *link;
	struct poller *poller;
	struct alarm *alarm;
	struct timer *load, *soon, *sweep, *tell;
	struct reach *reach;
	struct worker *worker;		/* NULL until the runner has said hello */
	struct plan plan;
	struct arena arena;		/* of the message being handled */
	char boot[BOOT_ID_SIZE];
	char inc[INC_MAX + 1];		/* of the runner; "" = not yet known */
	pid_t runner;
	bool asked_again;		/* the runner was told our address */
	bool connected, fresh_due;	/* the session; the core has not heard of it yet */
	struct event session;		/* the last EV_CONNECTED */
	struct event answers[ANSWERS_MAX];	/* to be stepped from the loop */
	int answer_count;
	char sweep_inc[INC_MAX + 1];
	bool sweeping;
	int sweep_passes;
	uint64_t disk_free_bytes;	/* where output is kept, as last measured */
	int silent;			/* loads measured since the runner was heard */
	bool exiting;
	int exit_code;
};

static void step(struct coordinator *c, struct event *event);

static void __attribute__((noreturn))
out_of_memory(void)
{
	log_error("worker: out of memory");
	exit(EXIT_SYSTEM);
}

/* ---- effects ---- */

static void
tell(struct coordinator *c, const struct message *message)
{
	if (message_send(c->channel, message) != 0)
		out_of_memory();
}

static void
tell_kind(struct coordinator *c, enum message_kind kind, uint64_t number)
{
	struct message message = { .kind = kind };

	message.number = number;
	tell(c, &message);
}

static void
tell_registered(struct coordinator *c, uint32_t r)
{
	struct message message = { .kind = MSG_REGISTERED };

	message.lease.r = r;
	tell(c, &message);
	/* The runner must have it before the registration is sent: this number is not to be used twice. */
	if (channel_flush(c->channel, FLUSH_MS) != 0) {
		log_error("worker: the runner does not answer");
		exit(EXIT_SYSTEM);
	}
}

static void
tell_start(struct coordinator *c, const struct effect *effect)
{
	struct message message = { .kind = MSG_START };
	struct arena arena = { 0 };

	message.start.claim = effect->start.claim;
	message.start.exclusive = effect->start.exclusive;
	if (!task_decode(&arena, effect->start.task, effect->start.task_len, &message.start.spec, &message.start.invalid)) {
		memset(&message.start.spec, 0, sizeof message.start.spec);
		if (!message.start.invalid)
			message.start.invalid = "invalid task";
	}
	if (arena.failed)
		out_of_memory();
	tell(c, &message);
	arena_free(&arena);
}

static void
tell_kill(struct coordinator *c, const struct effect *effect)
{
	struct message message = { .kind = MSG_KILL };

	message.kill.n = effect->kill.n;
	message.kill.reason = effect->kill.reason;
	message.kill.state = effect->kill.state;
	message.kill.grace_ms = effect->kill.grace_ms;
	tell(c, &message);
}

static void
tell_lease(struct coordinator *c, int64_t kill_by_ms)
{
	struct message message = { .kind = MSG_LEASE };

	message.lease.kill_by_ms = kill_by_ms;
	tell(c, &message);
}

/* Answers come as events of their own, from the loop: never from within the step that asked. */
static void
answer(struct coordinator *c, const struct event *event)
{
	if (c->answer_count == ANSWERS_MAX) {
		log_error("worker: too many questions at once");
		exit(EXIT_SOFTWARE);
	}
	c->answers[c->answer_count++] = *event;
	timer_set(c->soon, 0);
}

static void
probe(struct coordinator *c, const struct effect *effect)
{
	const struct process_id *process = &effect->probe.process;
	struct event event = { .kind = EV_PROBED };

	event.probed.arg = effect->probe.arg;
	event.probed.dead = process->host && process->boot && strcmp(process->host, c->options->host) == 0 &&
	    strcmp(process->boot, c->boot) == 0 && process->pid > 0 && process_gone((pid_t)process->pid, process->start);
	answer(c, &event);
}

/* One look for what a dead life of this worker left; true when there is nothing (more). */
static bool
sweep_once(const struct coordinator *c, const char *inc, int *passes)
{
	char has[32], name[WORKER_NAME_MAX + 16], own[32], group[32];
	struct process_mark mark = { 0 };
	bool gone = true;

	if (*inc) {
		snprintf(has, sizeof has, "ZKQ_INC=%s", inc);
		mark.has[0] = has;
		snprintf(group, sizeof group, "zkq-%s", inc);
		gone = cgroup_sweep(group);
	} else {
		snprintf(name, sizeof name, "ZKQ_WORKER=%s", c->options->name);
		snprintf(own, sizeof own, "ZKQ_INC=%s", c->inc);
		mark.has[0] = name;
		mark.unlike = own;
	}
	struct process_sweep found = process_sweep(&mark);
	if (found.found > 0 && *passes == 0)
		log_info("worker %s: processes left by an earlier life, killed: %d", c->options->name, found.found);
	if (++*passes == SWEEP_WARN_PASSES)
		log_warning("worker %s: %d processes left by an earlier life do not die%s", c->options->name, found.found,
		    found.refused ? ": they belong to other users" : "");
	return gone && found.found == 0;
}

static void
on_sweep(void *context)
{
	struct coordinator *c = context;
	struct event event = { .kind = EV_SWEPT };

	if (!c->sweeping)
		return;
	if (!sweep_once(c, c->sweep_inc, &c->sweep_passes)) {
		timer_set(c->sweep, SWEEP_PAUSE_MS);
		return;
	}
	c->sweeping = false;
	memcpy(event.swept.inc, c->sweep_inc, sizeof event.swept.inc);
	answer(c, &event);
}

static void
sweep(struct coordinator *c, const struct effect *effect)
{
	memcpy(c->sweep_inc, effect->sweep.inc, sizeof c->sweep_inc);
	c->sweeping = true;
	c->sweep_passes = 0;
	timer_set(c->sweep, 0);
}

static void
leave(struct coordinator *c, int code)
{
	if (c->exiting)
		return;
	c->exiting = true;
	c->exit_code = code;
	tell_kind(c, MSG_EXIT, (uint64_t)code);
	channel_flush(c->channel, FLUSH_MS);
	loop_stop(c->base);
}

static void
carry_out(struct coordinator *c, const struct effect *effect)
{
	switch (effect->kind) {
	case FX_REQUEST:
		link_request(c->link, &effect->request);
		break;
	case FX_NOTE:
		note_log(effect);
		break;
	case FX_EXIT:
		leave(c, effect->exit_code);
		break;
	case FX_NEW_SESSION:
		link_new_session(c->link);
		break;
	case FX_REGISTERED:
		tell_registered(c, effect->lease.r);
		break;
	case FX_LEASE:
		tell_lease(c, effect->lease.kill_by_ms);
		break;
	case FX_START:
		tell_start(c, effect);
		break;
	case FX_KILL:
		tell_kill(c, effect);
		break;
	case FX_FORGET:
		tell_kind(c, MSG_FORGET, effect->kill.n);
		break;
	case FX_PING:
		tell_kind(c, MSG_PING, 0);
		break;
	case FX_PROBE:
		probe(c, effect);
		break;
	case FX_SWEEP:
		sweep(c, effect);
		break;
	case FX_ANSWER:
		break;
	}
}

static void
step(struct coordinator *c, struct event *event)
{
	if (!c->worker || c->exiting)
		return;
	event->now_ms = clock_boot_ms();
	event->wall_ms = clock_wall_ms();
	plan_reset(&c->plan);
	worker_step(c->worker, event, &c->plan);
	if (c->plan.failed)
		out_of_memory();
	for (int i = 0; i < c->plan.count && !c->exiting; i++)
		carry_out(c, &c->plan.effects[i]);
	alarm_set(c->alarm, c->plan.wake_ms);
	if (c->poller)
		poller_update(c->poller);
}

/* ---- events of the loop ---- */

static void
on_alarm(void *context)
{
	struct event event = { .kind = EV_TICK };

	step(context, &event);
}

static void
on_soon(void *context)
{
	struct coordinator *c = context;

	while (c->answer_count > 0) {
		struct event event = c->answers[0];
		memmove(c->answers, c->answers + 1, (size_t)--c->answer_count * sizeof *c->answers);
		step(c, &event);
	}
}

/* The runner is dead, and the main processes of its tasks with it. The rest is ours to kill; then there is nothing left
 * to coordinate. */
static void
runner_over(struct coordinator *c, const char *what)
{
	int passes = 0;

	if (c->exiting)
		return;
	log_error("worker %s: the runner %s", c->options->name, what);
	while (*c->inc && !sweep_once(c, c->inc, &passes))
		poll(NULL, 0, passes < SWEEP_WARN_PASSES ? SWEEP_PAUSE_MS : 200);
	c->exiting = true;
	c->exit_code = EXIT_SYSTEM;
	loop_stop(c->base);
}

/* A hanging runner cannot end exclusive tasks when their lease ends, which by now it has. So it is made a dead one. */
static void
watch_runner(struct coordinator *c)
{
	if (c->exiting || ++c->silent <= SILENT_MAX)
		return;
	if (getppid() == c->runner)
		kill(c->runner, SIGKILL);
	runner_over(c, "hangs: it and its tasks are killed");
}

static void
on_load(void *context)
{
	struct coordinator *c = context;
	struct event event = { .kind = EV_LOAD };
	struct machine_load load;

	timer_set(c->load, LOAD_EVERY_MS);
	watch_runner(c);
	tell_kind(c, MSG_PING, 0);
	machine_load(c->options->state_dir, &load);
	c->disk_free_bytes = load.disk_free_bytes;
	event.load.load1 = load.load1;
	event.load.mem_total_bytes = load.mem_total_bytes;
	event.load.mem_free_bytes = load.mem_free_bytes;
	event.load.disk_free_bytes = load.disk_free_bytes;
	step(c, &event);
}

/* The core hears of the session as of a new one, whatever happened before it was made. */
static void
pass_session_on(struct coordinator *c)
{
	if (!c->worker || !c->connected || !c->fresh_due)
		return;
	struct event event = c->session;
	event.session.fresh = true;
	c->fresh_due = false;
	step(c, &event);
}

static void
attach(struct coordinator *c)
{
	struct message message = { .kind = MSG_ATTACH };
	char address[64];

	if (c->connected && zk_local_address(link_zk(c->link), address, sizeof address))
		message.attach.address = address;
	tell(c, &message);
}

/* ---- what the HTTP process is told ---- */

static void
collect(const struct coordinator *c, struct snapshot *snapshot)
{
	struct metrics *metrics = &snapshot->metrics;
	struct worker_view view = { 0 };

	if (c->worker)
		worker_view(c->worker, &view);
	reach_collect(c->reach, snapshot);
	snapshot_check(snapshot, "registered", view.registered, "not yet registered, or no longer");
	snapshot_check(snapshot, "takes tasks", !view.draining, "drains");
	metrics_value(metrics, METRIC_WORKER_UP, view.registered);
	metrics_value(metrics, METRIC_WORKER_DRAINING, view.draining);
	metrics_value(metrics, METRIC_WORKER_SLOTS, c->options->slots);
	metrics_value(metrics, METRIC_WORKER_USED, view.running);
	metrics_histogram(metrics, METRIC_WAIT, &view.wait, NULL);
	metrics_value(metrics, METRIC_DISK_FREE, (double)c->disk_free_bytes);
}

/* Through the runner. What it has not read yet is not added to. */
static void
on_tell(void *context)
{
	struct coordinator *c = context;
	struct message message = { .kind = MSG_SNAPSHOT };
	struct snapshot snapshot = { 0 };

	timer_set(c->tell, FEED_EVERY_MS);
	if (channel_queued(c->channel) > FEED_QUEUED_MAX)
		return;
	collect(c, &snapshot);
	char *data = snapshot_encode(&snapshot, &message.snapshot.len);
	message.snapshot.source = WEB_SECOND;
	message.snapshot.data = data;
	if (data)
		tell(c, &message);
	free(data);
	snapshot_free(&snapshot);
}

/* ---- the session ---- */

static void
on_link(void *context, const struct event *event)
{
	struct coordinator *c = context;
	struct event copy = *event;

	if (event->kind == EV_CONNECTED) {
		char uuid[UUID_LEN + 1];
		memcpy(uuid, c->session.session.uuid, sizeof uuid);
		c->session = *event;
		if (!event->session.fresh)
			memcpy(c->session.session.uuid, uuid, sizeof uuid);
		c->connected = true;
		if (event->session.fresh)
			c->fresh_due = true;
		if (!c->worker && *c->inc && !c->asked_again) {
			c->asked_again = true;
			attach(c);
		}
		if (c->fresh_due) {
			pass_session_on(c);
			return;
		}
	} else if (event->kind == EV_DISCONNECTED || event->kind == EV_EXPIRED) {
		c->connected = false;
	}
	step(c, &copy);
}

static int
link_wait(void *context)
{
	return link_timeout(((struct coordinator *)context)->link);
}

static void
link_run(void *context)
{
	link_dispatch(((struct coordinator *)context)->link);
}

/* ---- the runner ---- */

static void
make_worker(struct coordinator *c, const struct message *hello)
{
	const struct worker_options *options = c->options;
	struct process process = { 0 };
	struct worker_conf conf = {
		.name = options->name, .slots = options->slots, .queues = options->queues, .queue_count = options->queue_count,
		.lost_after_ms = options->lost_after_ms, .drain_deadline_ms = c->drain_deadline_ms,
		.log = hello->hello.log, .log_token = hello->hello.log ? hello->hello.log_token : NULL, .version = PACKAGE_VERSION,
		.seed = random_number(),
	};
	struct event event = { .kind = EV_RUNNER_HELLO };

	process_read(getpid(), &process);
	conf.process.host = options->host;
	conf.process.boot = c->boot;
	conf.process.pid = getpid();
	conf.process.start = process.start;
	c->worker = worker_new(&conf);
	if (!c->worker)
		out_of_memory();
	memcpy(event.hello.inc, hello->hello.inc, sizeof event.hello.inc);
	event.hello.r = hello->hello.r;
	event.hello.process = hello->hello.process;
	event.hello.attempts = hello->hello.attempts;
	event.hello.count = hello->hello.count;
	step(c, &event);
	on_load(c);
	if (hello->hello.stopping) {
		struct event stop = { .kind = EV_STOP };
		step(c, &stop);
	}
	pass_session_on(c);
}

static void
hello(struct coordinator *c, const struct message *message)
{
	if (c->worker)
		return;
	memcpy(c->inc, message->hello.inc, sizeof c->inc);
	c->runner = (pid_t)message->hello.process.pid;
	/* The first time, logs are served where ZooKeeper is reached from: that is known when it is reached. */
	if (!message->hello.log && message->hello.count == 0 && !c->asked_again) {
		if (message->hello.stopping) {
			leave(c, EXIT_OK);
			return;
		}
		if (c->connected) {
			c->asked_again = true;
			attach(c);
		}
		return;
	}
	make_worker(c, message);
}

static void
take_settings(struct coordinator *c, const struct message *message)
{
	log_set_level((enum log_level)message->settings.log_level);
	log_set_format((enum log_format)message->settings.log_format);
	c->drain_deadline_ms = message->settings.drain_deadline_ms;
	if (c->worker)
		worker_set_drain_deadline(c->worker, c->drain_deadline_ms);
}

static void
handle(struct coordinator *c, const struct message *message)
{
	struct event event = { 0 };

	switch (message->kind) {
	case MSG_HELLO:
		hello(c, message);
		return;
	case MSG_STARTED:
		event.kind = EV_RUNNER_STARTED;
		event.attempt.n = message->number;
		break;
	case MSG_ENDED:
		event.kind = EV_RUNNER_ENDED;
		event.attempt.n = message->ended.n;
		event.attempt.outcome = message->ended.outcome;
		break;
	case MSG_PONG:
		event.kind = EV_RUNNER_PONG;
		break;
	case MSG_SETTINGS:
		take_settings(c, message);
		return;
	case MSG_STOP:
		if (!c->worker)
			leave(c, EXIT_OK);
		event.kind = EV_STOP;
		break;
	default:
		log_error("worker: the runner sent a message that is not for us (%d)", (int)message->kind);
		return;
	}
	step(c, &event);
}

static void
on_frame(void *context, const char *data, size_t len)
{
	struct coordinator *c = context;
	struct message message;

	c->silent = 0;
	arena_reset(&c->arena);
	if (message_decode(&c->arena, data, len, &message))
		handle(c, &message);
	else
		log_error("worker: a message of the runner cannot be read");
}

static void
on_closed(void *context)
{
	runner_over(context, "has died");
}

/* ---- life ---- */

static bool
open_all(struct coordinator *c, int fd)
{
	static const struct channel_callbacks callbacks = { .frame = on_frame, .closed = on_closed };
	struct zk_conf conf = {
		.hosts = daemon_options.hosts, .session_timeout_ms = (int)c->options->session_timeout_ms,
		.auth = daemon_options.auth[0] ? daemon_options.auth : NULL, .seed = random_number(),
	};

	c->base = loop_new();
	if (!c->base || !process_boot_id(c->boot))
		return false;
	c->channel = channel_new(c->base, fd, &callbacks, c);
	c->alarm = alarm_new(c->base, on_alarm, c);
	c->load = timer_new(c->base, on_load, c);
	c->soon = timer_new(c->base, on_soon, c);
	c->sweep = timer_new(c->base, on_sweep, c);
	c->tell = timer_new(c->base, on_tell, c);
	c->link = link_new(&conf, daemon_options.root, on_link, c);
	if (!c->channel || !c->alarm || !c->load || !c->soon || !c->sweep || !c->tell || !c->link)
		return false;
	c->reach = reach_new(c->base, c->link, conf.hosts);
	c->poller = poller_new(c->base, link_fd(c->link), link_wait, link_run, c);
	return c->reach && c->poller;
}

int
coordinator_run(const struct worker_options *options, int fd)
{
	struct coordinator *c = calloc(1, sizeof *c);

	/* Signals are for the runner, which passes the wish on; a terminal sends them to all of us. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (!c)
		out_of_memory();
	c->options = options;
	c->drain_deadline_ms = options->drain_deadline_ms;
	if (!open_all(c, fd)) {
		log_error("worker: the system refuses what the coordinator needs");
		return EXIT_SYSTEM;
	}
	attach(c);
	timer_set(c->load, LOAD_EVERY_MS);
	timer_set(c->tell, 0);
	while (!c->exiting && loop_run(c->base) == 0)
		;
	link_free(c->link);
	int code = c->exit_code;
	poller_free(c->poller);
	worker_free(c->worker);
	plan_free(&c->plan);
	arena_free(&c->arena);
	timer_free(c->load);
	timer_free(c->soon);
	timer_free(c->sweep);
	timer_free(c->tell);
	reach_free(c->reach);
	alarm_free(c->alarm);
	channel_free(c->channel);
	loop_free(c->base);
	free(c);
	return code;
}
