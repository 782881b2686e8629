/*
 * runner.h: holds the attempts of a worker: starts them, watches them, keeps their outcomes until the coordinator has
 * recorded them. One thread, no ZooKeeper. It outlives its coordinators; one at a time is attached.
 */
#ifndef ZKQ_WORKER_RUNNER_H
#define ZKQ_WORKER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/counts.h"
#include "worker/message.h"

struct attempt;
struct cgroup;
struct event_base;
struct runner;

struct runner_conf {
	const char *host;
	const char *work_dir;	/* of tasks that name none; kept by the caller, like all strings here */
	const char *log_token;
	int logs_fd;		/* directory of the logs, or -1 */
	bool without_cgroup;	/* even where one could be made */
	/* Below: what the runner asks of its program. All but context may be NULL. */
	void *context;
	void (*registers)(void *context);	/* the coordinator has a session and registers the worker */
	/* An attempt's output began, got a file, is complete (MSG_LOG_*). */
	void (*log_event)(void *context, const struct message *message);
	/* Makes the HTTP process listen, at address if nothing else was said; returns what it can be reached at, or NULL. */
	const char *(*listen)(void *context, const char *address);
	void (*heard)(void *context);	/* the coordinator has said something */
	void (*snapshot)(void *context, const struct message *message);	/* MSG_SNAPSHOT, for the HTTP process */
	void (*finished)(void *context, int exit_code);	/* the coordinator ended the worker, nothing runs any more */
	bool (*is_helper)(void *context, pid_t pid);	/* a child that is no task */
	void (*helper_ended)(void *context, pid_t pid, int status);
};

/* Makes an incarnation. NULL when the system refuses. */
struct runner *runner_new(struct event_base *base, const struct runner_conf *conf);
/* Does not stop attempts: they die with the process. The loop must not run afterwards. */
void runner_free(struct runner *runner);
const char *runner_inc(const struct runner *runner);
const struct counts *runner_counts(const struct runner *runner);
/* Takes fd: a coordinator is at its other end. Replaces the one before. */
int runner_attach(struct runner *runner, int fd);
/* Hangs up on the coordinator. */
void runner_detach(struct runner *runner);
/* Passes a wish to stop on to the coordinator, this one or the next. */
void runner_stop(struct runner *runner);
/* Passes a message on to the coordinator, if there is one. */
void runner_tell(struct runner *runner, const struct message *message);
/* Kills everything now, then calls finished() with exit_code. */
void runner_abandon(struct runner *runner, int exit_code);
/* Calls each for every attempt whose output is not complete. */
void runner_each_log(struct runner *runner, void (*each)(void *context, const struct message *message), void *context);

/* For attempt.c. */
struct event_base *runner_base(const struct runner *runner);
int runner_logs_fd(const struct runner *runner);
const char *runner_work_dir(const struct runner *runner);
struct cgroup *runner_cgroup(const struct runner *runner);
bool runner_lease_holds(const struct runner *runner);
/* Tells the coordinator how it ended; frees it when nobody wants to know. */
void runner_report_end(struct runner *runner, struct attempt *attempt);
void runner_log_event(struct runner *runner, const struct attempt *attempt, enum message_kind kind, uint32_t stream);

#endif
