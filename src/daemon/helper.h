/*
 * helper.h: a process of a daemon's own beside its main one (coordinator, HTTP process): the same program, started with
 * another first argument and a socket to talk over; started again, with growing pauses, when it ends.
 */
#ifndef ZKQ_DAEMON_HELPER_H
#define ZKQ_DAEMON_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

struct event_base;
struct helper;

#define HELPER_SOCKET 3		/* its descriptors */
#define HELPER_LISTENER 4

struct helper_conf {
	const char *owner;	/* begins lines of the log: "runner" */
	const char *argument;	/* by which the program knows what to be; kept by the caller, like all strings here */
	const char *name;	/* for the log: "coordinator" */
	int listener;		/* passed on, or 0 */
	bool dies_with_us;
	bool without_secrets;	/* its environment lacks the credential */
	void *context;
	/* The command line, as options_arguments() gives it; NULL when memory runs out. */
	char **(*arguments)(void *context, int *count);
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
