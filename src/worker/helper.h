/*
 * helper.h: a process of the worker's own beside the runner (coordinator, log server): the same program, started with
 * another first argument and a socket to talk over; started again, with growing pauses, when it ends.
 */
#ifndef ZKQ_WORKER_HELPER_H
#define ZKQ_WORKER_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

struct event_base;
struct helper;
struct worker_options;

#define HELPER_COORDINATOR "--coordinator"
#define HELPER_LOG_SERVER "--log-server"
#define HELPER_SOCKET 3		/* its descriptors */
#define HELPER_LISTENER 4

struct helper_conf {
	const struct worker_options *options;
	const char *argument;	/* HELPER_... */
	const char *name;	/* for the log */
	int listener;		/* passed on, or 0 */
	bool dies_with_us;
	void *context;
	void (*started)(void *context, int fd);	/* takes our end of the socket */
};

/* Starts it from the loop. NULL when memory runs out. */
struct helper *helper_new(struct event_base *base, const struct helper_conf *conf);
/* Does not end the process. */
void helper_free(struct helper *helper);
pid_t helper_pid(const struct helper *helper);	/* 0 = not running */
/* The process has been waited for. Starts another unless helper_leave() was called. */
void helper_ended(struct helper *helper, int status);
/* No new one when this one ends. */
void helper_leave(struct helper *helper);
/* SIGKILL; another follows. */
void helper_kill(struct helper *helper);

#endif
