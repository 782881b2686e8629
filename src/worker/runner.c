#include "config.h"

#include "worker/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "base/exits.h"
#include "base/log.h"
#include "core/lease.h"
#include "io/alarm.h"
#include "io/cgroup.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/process.h"
#include "io/spawn.h"
#include "worker/attempt.h"

#define ORPHANS_MAX 4096	/* looked at in one pass; the next pass sees the others */
#define CLEAR_AGAIN_MS 5	/* left-overs have been killed and not all have reached us yet */
#define CLEAR_WARN_PASSES 1000	/* then the log says that something does not die */

struct runner {
	struct event_base *base;
	struct runner_conf conf;
	char inc[INC_MAX + 1];
	char boot[BOOT_ID_SIZE];
	uint64_t start;
	uint32_t r;			/* registrations that coordinators have asked for */
	struct lease lease;
	struct alarm *lease_alarm;
	struct timer *again;		/* a look for left-overs */
	struct channel *channel;	/* to the coordinator; NULL = none attached */
	bool greeted;			/* it has been told what is held: from then on it is told what happens */
	struct cgroup *cgroup;		/* NULL = none can be made */
	struct attempt *attempts;	/* by claim number */
	struct attempt *by_pid;		/* those RUNNING with a process */
	struct attempt *clearing;	/* list */
	struct arena arena;		/* for the message being handled */
	struct counts counts;
	int clear_passes;
	bool stopping, leaving;
	int exit_code;
	char *environ;			/* buffer for reading orphans' environments */
};

#define ENVIRON_SIZE (256 * 1024)

/* ---- small things that attempt.c asks for ---- */

struct event_base *
runner_base(const struct runner *runner)
{
	return runner->base;
}

int
runner_logs_fd(const struct runner *runner)
{
	return runner->conf.logs_fd;
}

const char *
runner_work_dir(const struct runner *runner)
{
	return runner->conf.work_dir;
}

struct cgroup *
runner_cgroup(const struct runner *runner)
{
	return runner->cgroup;
}

const char *
runner_inc(const struct runner *runner)
{
	return runner->inc;
}

const struct counts *
runner_counts(const struct runner *runner)
{
	return &runner->counts;
}

bool
runner_lease_holds(const struct runner *runner)
{
	return lease_holds(&runner->lease, clock_boot_ms());
}

static struct message
log_message(const struct attempt *attempt, enum message_kind kind, uint32_t stream)
{
	struct message message = { .kind = kind };

	message.log.folder = attempt->id;
	message.log.run = attempt->claim.run;
	message.log.stream = stream;
	return message;
}

void
runner_log_event(struct runner *runner, const struct attempt *attempt, enum message_kind kind, uint32_t stream)
{
	struct message message = log_message(attempt, kind, stream);

	if (runner->conf.log_event)
		runner->conf.log_event(runner->conf.context, &message);
}

void
runner_each_log(struct runner *runner, void (*each)(void *context, const struct message *message), void *context)
{
	for (struct attempt *attempt = runner->attempts; attempt; attempt = attempt->hh.next) {
		struct message message = log_message(attempt, MSG_LOG_BEGIN, 0);
		if (attempt->phase != ATTEMPT_ENDED)
			each(context, &message);
	}
}

/* ---- to the coordinator ---- */

static void
tell(struct runner *runner, const struct message *message)
{
	if (!runner->channel || !runner->greeted || message_send(runner->channel, message) == 0)
		return;
	log_error("runner: no memory for a message to the coordinator");
	exit(EXIT_SYSTEM);
}

static void
tell_number(struct runner *runner, enum message_kind kind, uint64_t number)
{
	struct message message = { .kind = kind };

	message.number = number;
	tell(runner, &message);
}

static void
tell_hello(struct runner *runner, const char *address)
{
	struct message message = { .kind = MSG_HELLO };
	int count = (int)HASH_COUNT(runner->attempts), i = 0;
	struct held_attempt *held = calloc((size_t)count + 1, sizeof *held);

	if (!held) {
		log_error("runner: no memory for a message to the coordinator");
		exit(EXIT_SYSTEM);
	}
	for (struct attempt *attempt = runner->attempts; attempt; attempt = attempt->hh.next) {
		if (attempt->forgotten)
			continue;
		held[i].claim = attempt->claim;
		held[i].ended = attempt->phase == ATTEMPT_ENDED;
		held[i++].outcome = attempt->outcome;
	}
	memcpy(message.hello.inc, runner->inc, sizeof message.hello.inc);
	message.hello.r = runner->r;
	message.hello.process.host = runner->conf.host;
	message.hello.process.boot = runner->boot;
	message.hello.process.pid = getpid();
	message.hello.process.start = runner->start;
	message.hello.log = runner->conf.listen ? runner->conf.listen(runner->conf.context, address) : NULL;
	message.hello.log_token = runner->conf.log_token;
	message.hello.stopping = runner->stopping;
	message.hello.attempts = held;
	message.hello.count = i;
	runner->greeted = true;
	tell(runner, &message);
	free(held);
}

/* ---- lease ---- */

static bool
holds_exclusive(const struct runner *runner)
{
	for (struct attempt *attempt = runner->by_pid; attempt; attempt = attempt->hh_pid.next) {
		if (attempt->exclusive)
			return true;
	}
	return false;
}

static void
set_lease_alarm(struct runner *runner)
{
	alarm_set(runner->lease_alarm, holds_exclusive(runner) ? runner->lease.kill_by_ms : INT64_MAX);
}

static void
on_lease_end(void *context)
{
	struct runner *runner = context;
	int killed = 0;

	if (lease_holds(&runner->lease, clock_boot_ms())) {
		set_lease_alarm(runner);
		return;
	}
	for (struct attempt *attempt = runner->by_pid; attempt; attempt = attempt->hh_pid.next) {
		if (!attempt->exclusive)
			continue;
		attempt_stop(attempt, STATE_LOST, "lease", 0);
		killed++;
	}
	runner->counts.self_fenced += (uint64_t)killed;
	if (killed > 0)
		log_warning("runner: the lease has ended without a sign from ZooKeeper; exclusive tasks killed: %d", killed);
}

/* ---- ends ---- */

static void
leave_when_empty(struct runner *runner)
{
	if (!runner->leaving || runner->by_pid || runner->clearing)
		return;
	runner->leaving = false;
	if (runner->conf.finished)
		runner->conf.finished(runner->conf.context, runner->exit_code);
}

static void
drop(struct runner *runner, struct attempt *attempt)
{
	HASH_DEL(runner->attempts, attempt);
	attempt_free(attempt);
}

void
runner_report_end(struct runner *runner, struct attempt *attempt)
{
	struct message message = { .kind = MSG_ENDED };

	if (attempt->forgotten) {
		drop(runner, attempt);
		return;
	}
	message.ended.n = attempt->claim.n;
	message.ended.outcome = attempt->outcome;
	tell(runner, &message);
}

static void
finish(struct runner *runner, struct attempt *attempt)
{
	DL_DELETE(runner->clearing, attempt);
	attempt_end(attempt);
	counts_end(&runner->counts, attempt);
	runner_log_event(runner, attempt, MSG_LOG_END, 0);
	if (!attempt_pauses(attempt))
		runner_report_end(runner, attempt);
}

/* Which attempt a child of ours that is no main process came from: by the marks in its environment, by its session.
 * *ours: it carries a mark of this runner, so it is of an attempt even when that is not held any more. */
static struct attempt *
owner_of(struct runner *runner, const struct process *process, bool *ours)
{
	size_t len = process_environ(process->pid, runner->environ, ENVIRON_SIZE);
	const char *inc = environ_find(runner->environ, len, "ZKQ_INC");
	const char *fence = environ_find(runner->environ, len, "ZKQ_FENCE");
	struct attempt *attempt;

	*ours = inc && strcmp(inc, runner->inc) == 0;
	for (attempt = runner->by_pid; attempt; attempt = attempt->hh_pid.next) {
		if (process->session == attempt->pid || (*ours && fence && strcmp(fence, attempt->fence) == 0))
			return attempt;
	}
	DL_FOREACH(runner->clearing, attempt) {
		if (process->session == attempt->pid || (*ours && fence && strcmp(fence, attempt->fence) == 0))
			return attempt;
	}
	return NULL;
}

/* A process without marks and session of ours: it can be left alone only while an attempt runs that is older, and so
 * may have made it. */
static bool
may_be_of_running(const struct runner *runner, const struct process *process)
{
	for (struct attempt *attempt = runner->by_pid; attempt; attempt = attempt->hh_pid.next) {
		if (attempt->start <= process->start)
			return true;
	}
	return false;
}

/* Kills what has become our child because its parents ended, if the attempt that it came from is over. Sets kept for each
 * clearing attempt of which something was still there. */
static void
kill_orphans(struct runner *runner, bool *any)
{
	static pid_t pids[ORPHANS_MAX];
	int count = process_children(pids, ORPHANS_MAX);
	struct process process;
	struct attempt *owner;

	if (count > ORPHANS_MAX)
		count = ORPHANS_MAX;
	for (int i = 0; i < count; i++) {
		HASH_FIND(hh_pid, runner->by_pid, &pids[i], sizeof pids[i], owner);
		if (owner || (runner->conf.is_helper && runner->conf.is_helper(runner->conf.context, pids[i])))
			continue;
		if (!process_read(pids[i], &process) || process.parent != getpid() || process.state == 'Z')
			continue;
		bool ours;
		owner = owner_of(runner, &process, &ours);
		if (owner && owner->phase == ATTEMPT_RUNNING)
			continue;
		/* The first process of a container inherits what is not of any task, too. */
		if (!owner && !ours && (getpid() == 1 || may_be_of_running(runner, &process)))
			continue;
		/* It is our child, so its number cannot have been given to another before we wait for it. */
		if (kill(pids[i], SIGKILL) != 0)
			log_error("runner: cannot kill process %d, which a task has left: %s", (int)pids[i], strerror(errno));
		/* Without marks it is at least known whose end brought it up when only one has ended. */
		if (!owner && !runner->clearing->next)
			owner = runner->clearing;
		if (owner)
			owner->left_overs++;
		*any = true;
	}
}

/* Ends the attempts of which nothing is left; comes back for the others. */
static void
clear(struct runner *runner)
{
	struct attempt *attempt, *next;
	bool any = false;

	if (!runner->clearing)
		return;
	kill_orphans(runner, &any);
	DL_FOREACH_SAFE(runner->clearing, attempt, next) {
		if (attempt->group[0] && !cgroup_remove(runner->cgroup, attempt->group)) {
			cgroup_kill(runner->cgroup, attempt->group);
			continue;
		}
		/* Whose child the killed ones were is known for some only; the next pass, when they have been waited for,
		 * is never far away. */
		if (!any)
			finish(runner, attempt);
	}
	if (!runner->clearing) {
		runner->clear_passes = 0;
		leave_when_empty(runner);
		return;
	}
	if (++runner->clear_passes == CLEAR_WARN_PASSES)
		log_warning("task %s: something that it left does not die; its end is reported when it has", runner->clearing->id);
	timer_set(runner->again, CLEAR_AGAIN_MS);
}

static void
on_again(void *context)
{
	clear(context);
}

static void
child_ended(struct runner *runner, pid_t pid)
{
	struct attempt *attempt;
	struct rusage usage;
	int status;

	HASH_FIND(hh_pid, runner->by_pid, &pid, sizeof pid, attempt);
	/* Before it is waited for: as long as it is a zombie the number of its group cannot be given out again. */
	if (attempt)
		kill(-pid, SIGKILL);
	if (wait4(pid, &status, WNOHANG, &usage) != pid)
		return;
	if (attempt) {
		HASH_DELETE(hh_pid, runner->by_pid, attempt);
		attempt_waited(attempt, status, &usage);
		DL_APPEND(runner->clearing, attempt);
	} else if (runner->conf.is_helper && runner->conf.is_helper(runner->conf.context, pid)) {
		runner->conf.helper_ended(runner->conf.context, pid, status);
	}
}

static void
on_child(void *context)
{
	struct runner *runner = context;
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
			break;
		child_ended(runner, info.si_pid);
	}
	clear(runner);
	set_lease_alarm(runner);
}

/* ---- from the coordinator ---- */

static struct attempt *
find(struct runner *runner, uint64_t n)
{
	struct attempt *attempt;

	HASH_FIND(hh, runner->attempts, &n, sizeof n, attempt);
	return attempt;
}

static void
start(struct runner *runner, const struct message *message)
{
	if (find(runner, message->start.claim.n) || runner->leaving)
		return;
	struct attempt *attempt = attempt_new(runner, message);
	if (!attempt) {
		log_error("runner: no memory for a task");
		exit(EXIT_SYSTEM);
	}
	HASH_ADD(hh, runner->attempts, claim.n, sizeof attempt->claim.n, attempt);
	if (attempt->phase == ATTEMPT_ENDED) {
		counts_end(&runner->counts, attempt);
		if (!attempt_pauses(attempt))
			runner_report_end(runner, attempt);
		return;
	}
	runner->counts.started++;
	HASH_ADD(hh_pid, runner->by_pid, pid, sizeof attempt->pid, attempt);
	runner_log_event(runner, attempt, MSG_LOG_BEGIN, 0);
	tell_number(runner, MSG_STARTED, attempt->claim.n);
	if (attempt->exclusive)
		set_lease_alarm(runner);
}

static void
forget(struct runner *runner, uint64_t n)
{
	struct attempt *attempt = find(runner, n);

	if (!attempt)
		return;
	if (attempt->phase == ATTEMPT_ENDED) {
		drop(runner, attempt);
		return;
	}
	attempt->forgotten = true;
	attempt_stop(attempt, STATE_LOST, "revoked", 0);
}

void
runner_abandon(struct runner *runner, int exit_code)
{
	runner->leaving = true;
	runner->exit_code = exit_code;
	for (struct attempt *attempt = runner->by_pid; attempt; attempt = attempt->hh_pid.next)
		attempt_stop(attempt, STATE_LOST, "drain", 0);
	leave_when_empty(runner);
}

static void
handle(struct runner *runner, const struct message *message)
{
	struct attempt *attempt;

	switch (message->kind) {
	case MSG_ATTACH:
		tell_hello(runner, message->attach.address);
		break;
	case MSG_REGISTERED:
		if (message->lease.r > runner->r)
			runner->r = message->lease.r;
		if (runner->conf.registers)
			runner->conf.registers(runner->conf.context);
		break;
	case MSG_LEASE:
		lease_renew(&runner->lease, message->lease.kill_by_ms);
		set_lease_alarm(runner);
		break;
	case MSG_START:
		start(runner, message);
		break;
	case MSG_KILL:
		attempt = find(runner, message->kill.n);
		if (attempt)
			attempt_stop(attempt, message->kill.state, message->kill.reason, message->kill.grace_ms);
		break;
	case MSG_FORGET:
		forget(runner, message->number);
		break;
	case MSG_PING:
		tell_number(runner, MSG_PONG, 0);
		break;
	case MSG_SNAPSHOT:
		if (runner->conf.snapshot)
			runner->conf.snapshot(runner->conf.context, message);
		break;
	case MSG_EXIT:
		runner_abandon(runner, (int)message->number);
		break;
	default:
		log_error("runner: the coordinator sent a message that is not for us (%d)", (int)message->kind);
	}
}

static void
on_frame(void *context, const char *data, size_t len)
{
	struct runner *runner = context;
	struct message message;

	if (runner->conf.heard)
		runner->conf.heard(runner->conf.context);
	arena_reset(&runner->arena);
	if (message_decode(&runner->arena, data, len, &message))
		handle(runner, &message);
	else
		log_error("runner: a message of the coordinator cannot be read");
}

static void
on_closed(void *context)
{
	runner_detach(context);
}

int
runner_attach(struct runner *runner, int fd)
{
	static const struct channel_callbacks callbacks = { .frame = on_frame, .closed = on_closed };

	channel_free(runner->channel);
	runner->greeted = false;
	runner->channel = channel_new(runner->base, fd, &callbacks, runner);
	return runner->channel ? 0 : -1;
}

void
runner_detach(struct runner *runner)
{
	channel_free(runner->channel);
	runner->channel = NULL;
}

void
runner_stop(struct runner *runner)
{
	struct message message = { .kind = MSG_STOP };

	runner->stopping = true;
	tell(runner, &message);
}

void
runner_tell(struct runner *runner, const struct message *message)
{
	tell(runner, message);
}

/* ---- life ---- */

struct runner *
runner_new(struct event_base *base, const struct runner_conf *conf)
{
	struct runner *runner = calloc(1, sizeof *runner);
	struct process self;
	char group[32];

	if (!runner)
		return NULL;
	runner->base = base;
	runner->conf = *conf;
	random_word(runner->inc, INC_MAX);
	runner->environ = malloc(ENVIRON_SIZE);
	runner->lease_alarm = alarm_new(base, on_lease_end, runner);
	runner->again = timer_new(base, on_again, runner);
	if (!runner->environ || !runner->lease_alarm || !runner->again ||
	    loop_signal(base, SIGCHLD, on_child, runner) != 0 || !process_boot_id(runner->boot) || !process_read(getpid(), &self) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 || spawn_init() != 0) {
		runner_free(runner);
		return NULL;
	}
	runner->start = self.start;
	snprintf(group, sizeof group, "zkq-%s", runner->inc);
	runner->cgroup = conf->without_cgroup ? NULL : cgroup_new(group);
	return runner;
}

void
runner_free(struct runner *runner)
{
	struct attempt *attempt, *next;

	if (!runner)
		return;
	HASH_CLEAR(hh_pid, runner->by_pid);
	HASH_ITER(hh, runner->attempts, attempt, next)
		drop(runner, attempt);
	channel_free(runner->channel);
	timer_free(runner->again);
	alarm_free(runner->lease_alarm);
	cgroup_free(runner->cgroup);
	arena_free(&runner->arena);
	free(runner->environ);
	free(runner);
}
