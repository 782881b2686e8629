#include "config.h"

#include "worker/attempt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "core/limits.h"
#include "io/cgroup.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/spawn.h"
#include "worker/environment.h"
#include "worker/runner.h"

#define LOG_HEAD_BYTES (64ULL * 1024 * 1024)	/* per stream */
#define LOG_END_BYTES (1024 * 1024)
#define NOT_STARTED_PAUSE_MS 1000	/* so a machine out of processes does not spin its tasks round */

/* Nothing runs (any more): the outcome for what never started. */
static void
end_at_once(struct attempt *attempt, enum task_state state, const char *reason)
{
	struct outcome *outcome = &attempt->outcome;

	attempt->phase = ATTEMPT_ENDED;
	outcome->state = state;
	if (reason) {
		snprintf(attempt->reason, sizeof attempt->reason, "%s", reason);
		outcome->reason = attempt->reason;
	}
	outcome->ended_wall_ms = clock_wall_ms();
	outcome->log_complete = true;
}

static void
on_opened(void *context, enum capture_stream stream)
{
	struct attempt *attempt = context;

	runner_log_event(attempt->runner, attempt, MSG_LOG_FILE, stream);
}

static void
on_timer(void *context)
{
	struct attempt *attempt = context;

	if (attempt->phase == ATTEMPT_ENDED) {
		runner_report_end(attempt->runner, attempt);
		return;
	}
	if (attempt->phase != ATTEMPT_RUNNING)
		return;
	if (attempt->stopping)
		attempt_stop(attempt, attempt->stop_state, NULL, 0);
	else
		attempt_stop(attempt, STATE_TIMEOUT, "timeout", -1);
}

/* 0, or -1 with errno. */
static int
start(struct attempt *attempt, const struct task_spec *spec, const char *const *environment, const char *path)
{
	struct runner *runner = attempt->runner;
	char prefix[16];
	int done = -1, number;

	snprintf(prefix, sizeof prefix, "%u", attempt->claim.run);
	struct capture_conf conf = {
		.logs_fd = runner_logs_fd(runner), .folder = attempt->id, .prefix = prefix, .head_bytes = LOG_HEAD_BYTES,
		.end_bytes = LOG_END_BYTES, .tail_bytes = TAIL_OTHER_BYTES, .opened = on_opened, .context = attempt,
	};
	struct spawn wanted = {
		.argv = spec->argv, .environ = environment, .path = path,
		.cwd = spec->cwd ? spec->cwd : runner_work_dir(runner), .in = -1, .cgroup_fd = -1,
		.task = true, .dies_with_us = true,
	};
	attempt->timer = timer_new(runner_base(runner), on_timer, attempt);
	attempt->capture = capture_new(runner_base(runner), &conf);
	if (!attempt->timer || !attempt->capture)
		return -1;
	wanted.out = capture_fd(attempt->capture, CAPTURE_STDOUT);
	wanted.err = capture_fd(attempt->capture, CAPTURE_STDERR);
	wanted.in = spawn_input(spec->input, spec->input ? spec->input_len : 0);
	if (wanted.in < 0)
		return -1;
	if (runner_cgroup(runner)) {
		snprintf(attempt->group, sizeof attempt->group, "%llu", (unsigned long long)attempt->claim.n);
		wanted.cgroup_fd = cgroup_make(runner_cgroup(runner), attempt->group);
		/* Without one the task's left-overs are found by other means. */
		if (wanted.cgroup_fd < 0) {
			log_warning("task %s: no cgroup can be made for it: %s", attempt->id, strerror(errno));
			attempt->group[0] = '\0';
		}
	}
	attempt->started = clock_boot_seconds();
	attempt->start = (uint64_t)(attempt->started * (double)sysconf(_SC_CLK_TCK));
	attempt->pid = spawn(&wanted, &attempt->error);
	if (attempt->pid < 0) {
		attempt->pid = 0;
		goto failed;
	}
	done = 0;
failed:
	number = errno;
	close(wanted.in);
	if (wanted.cgroup_fd >= 0)
		close(wanted.cgroup_fd);
	capture_forked(attempt->capture);
	errno = number;
	return done;
}

static void
try_start(struct attempt *attempt, const struct task_spec *spec)
{
	struct arena arena = { 0 };
	const char *path;
	const char *const *environment = environment_of(&arena, &attempt->claim, spec, &path);

	errno = ENOMEM;
	if (environment && start(attempt, spec, environment, path) == 0) {
		attempt->outcome.started_wall_ms = clock_wall_ms();
		attempt->kill_grace_ms = spec->kill_grace_ms >= 0 ? spec->kill_grace_ms : KILL_GRACE_MS;
		if (spec->time_limit_ms > 0)
			timer_set(attempt->timer, spec->time_limit_ms);
	} else {
		/* Our fault, not the task's: it shall run elsewhere or later. */
		log_error("task %s: cannot start a process: %s", attempt->id, strerror(errno));
		if (attempt->group[0])
			cgroup_remove(runner_cgroup(attempt->runner), attempt->group);
		end_at_once(attempt, STATE_LOST, "spawn");
		attempt->not_started = true;
		attempt->failed_at = attempt->started > 0 ? SPAWN_FORK : SPAWN_SETUP;
	}
	arena_free(&arena);
}

struct attempt *
attempt_new(struct runner *runner, const struct message *message)
{
	struct attempt *attempt = calloc(1, sizeof *attempt);
	const struct node *claim = &message->start.claim;
	const struct task_spec *spec = &message->start.spec;
	struct task_id id = { 0 };

	if (!attempt)
		return NULL;
	attempt->runner = runner;
	attempt->failed_at = SPAWN_STAGES;
	attempt->claim = *claim;
	memcpy(id.queue, claim->queue, sizeof id.queue);
	id.seg = claim->seg;
	memcpy(id.token, claim->task.token, sizeof id.token);
	id_write(&id, attempt->id);
	fence_write(claim->fence, attempt->fence);
	attempt->exclusive = message->start.exclusive;
	if (message->start.invalid) {
		end_at_once(attempt, STATE_FAILED, message->start.invalid);
	} else if (attempt->exclusive && !runner_lease_holds(runner)) {
		end_at_once(attempt, STATE_LOST, "lease");
	} else if (spec->noop || !spec->argv) {
		end_at_once(attempt, STATE_DONE, NULL);
		attempt->outcome.has_exit = true;
		attempt->outcome.started_wall_ms = attempt->outcome.ended_wall_ms;
	} else {
		try_start(attempt, spec);
	}
	return attempt;
}

void
attempt_free(struct attempt *attempt)
{
	if (!attempt)
		return;
	timer_free(attempt->timer);
	capture_free(attempt->capture);
	spawn_forget(attempt->error);
	free(attempt->tail);
	free(attempt);
}

/* To the whole group; to the child alone while it has not yet made its own. */
static void
send_signal(const struct attempt *attempt, int number)
{
	if (kill(-attempt->pid, number) != 0 && errno == ESRCH)
		kill(attempt->pid, number);
}

void
attempt_stop(struct attempt *attempt, enum task_state state, const char *reason, int64_t grace_ms)
{
	if (attempt->phase != ATTEMPT_RUNNING)
		return;
	if (!attempt->stopping) {
		attempt->stopping = true;
		attempt->stop_state = state;
		snprintf(attempt->stop_reason, sizeof attempt->stop_reason, "%s", reason ? reason : "");
		send_signal(attempt, SIGTERM);
		/* A stopped process must go on to see it. */
		send_signal(attempt, SIGCONT);
	}
	if (grace_ms < 0)
		grace_ms = attempt->kill_grace_ms;
	if (grace_ms > 0) {
		int64_t at_ms = clock_boot_ms() + grace_ms;
		if (attempt->kill_at_ms == 0 || at_ms < attempt->kill_at_ms) {
			attempt->kill_at_ms = at_ms;
			timer_set(attempt->timer, grace_ms);
		}
		return;
	}
	attempt->kill_at_ms = 1;
	send_signal(attempt, SIGKILL);
	if (attempt->group[0])
		cgroup_kill(runner_cgroup(attempt->runner), attempt->group);
	/* Asked again until it is seen dead. */
	timer_set(attempt->timer, 1000);
}

void
attempt_waited(struct attempt *attempt, int status, const struct rusage *usage)
{
	attempt->phase = ATTEMPT_CLEARING;
	attempt->status = status;
	attempt->usage = *usage;
	attempt->outcome.run_seconds = clock_boot_seconds() - attempt->started;
	timer_stop(attempt->timer);
}

/* Whether an errno of exec(2) speaks of the machine's state rather than of the program. */
static bool
passing(int error)
{
	return error == EAGAIN || error == ENOMEM || error == ENFILE || error == EMFILE || error == EIO;
}

/* What the child said before it could become the task. */
static void
not_started(struct attempt *attempt)
{
	struct outcome *outcome = &attempt->outcome;
	const struct spawn_error *error = attempt->error;

	snprintf(attempt->reason, sizeof attempt->reason, "%s: %s", spawn_stage_word(error->stage), strerror(error->error));
	outcome->reason = attempt->reason;
	attempt->failed_at = (int)error->stage;
	if (error->stage == SPAWN_SETUP || passing(error->error)) {
		log_error("task %s: cannot start: %s", attempt->id, attempt->reason);
		outcome->state = STATE_LOST;
		outcome->reason = "spawn";
		attempt->not_started = true;
		return;
	}
	outcome->state = STATE_FAILED;
	outcome->has_exit = true;
	outcome->exit_code = error->stage == SPAWN_EXEC && error->error == ENOENT ? 127 : 126;
}

static void
judge(struct attempt *attempt)
{
	struct outcome *outcome = &attempt->outcome;
	int status = attempt->status;

	if (WIFEXITED(status)) {
		outcome->has_exit = true;
		outcome->exit_code = WEXITSTATUS(status);
	} else if (WIFSIGNALED(status)) {
		outcome->signal = WTERMSIG(status);
	}
	if (attempt->stopping) {
		outcome->state = attempt->stop_state;
		outcome->reason = attempt->stop_reason[0] ? attempt->stop_reason : NULL;
	} else {
		outcome->state = outcome->has_exit && outcome->exit_code == 0 ? STATE_DONE : STATE_FAILED;
	}
}

void
attempt_end(struct attempt *attempt)
{
	struct outcome *outcome = &attempt->outcome;
	struct capture_result captured;

	capture_finish(attempt->capture, &captured);
	if (attempt->error->error && !attempt->stopping)
		not_started(attempt);
	else
		judge(attempt);
	spawn_forget(attempt->error);
	attempt->error = NULL;
	outcome->ended_wall_ms = clock_wall_ms();
	outcome->cpu_seconds = (double)(attempt->usage.ru_utime.tv_sec + attempt->usage.ru_stime.tv_sec) +
	    (double)(attempt->usage.ru_utime.tv_usec + attempt->usage.ru_stime.tv_usec) / 1e6;
	outcome->max_rss_bytes = (uint64_t)attempt->usage.ru_maxrss * 1024;
	outcome->stdout_bytes = captured.bytes[CAPTURE_STDOUT];
	outcome->stderr_bytes = captured.bytes[CAPTURE_STDERR];
	outcome->dropped_bytes = captured.dropped;
	outcome->log_complete = captured.complete;
	if (captured.error)
		log_warning("task %s: its output could not be kept: %s", attempt->id, strerror(captured.error));
	if (captured.tail_len > 0 && (attempt->tail = malloc(captured.tail_len))) {
		memcpy(attempt->tail, captured.tail, captured.tail_len);
		outcome->tail = attempt->tail;
		outcome->tail_len = captured.tail_len;
	}
	capture_free(attempt->capture);
	attempt->capture = NULL;
	timer_stop(attempt->timer);
	attempt->phase = ATTEMPT_ENDED;
	if (attempt->left_overs)
		log_info("task %s: left processes running, which were killed: %d", attempt->id, attempt->left_overs);
}

bool
attempt_pauses(struct attempt *attempt)
{
	if (!attempt->not_started || !attempt->timer)
		return false;
	timer_set(attempt->timer, NOT_STARTED_PAUSE_MS);
	return true;
}
