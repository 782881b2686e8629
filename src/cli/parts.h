/*
 * parts.h: the processes that zkq dev starts. Each gets a session of its own, /dev/null as input, a log file for its
 * output, and dies with us whatever ends us. What they leave behind comes to us (subreaper) and is killed at the end.
 */
#ifndef ZKQ_CLI_PARTS_H
#define ZKQ_CLI_PARTS_H

#include <stdbool.h>
#include <sys/types.h>

#define PARTS_MAX 128

struct part {
	char name[16];		/* "zookeeper", "d1", "w2" */
	pid_t pid;		/* 0 = has ended */
	int status;		/* of waitpid(), once ended */
	char log[256];		/* path of its log file */
};

/* Blocks SIGCHLD, SIGINT, SIGTERM and SIGHUP: they are to be taken by parts_wait(). */
void parts_begin(void);
/* Starts a program with its log in folder. Returns the part, or NULL after having said why not. */
struct part *parts_start(const char *name, const char *folder, char *const *argv);
/* Runs a command with our own standard streams, in our own process group. Returns its pid, or -1. */
pid_t parts_run(char *const *argv);
/* Waits at most timeout_ms (< 0 = for ever) for a signal. Children that ended are collected: those of
 * parts_start() are marked, *ended_status is set when it was the one of parts_run(), and *signal_number when it was
 * another signal than SIGCHLD. Returns whether anything happened. */
bool parts_wait(int timeout_ms, int *signal_number, bool *command_ended, int *ended_status);
int parts_count(void);
struct part *parts_at(int i);
/* Says how a part ended. */
void parts_say_ended(const struct part *part);
/* Shows the end of a part's log on stderr. */
void parts_show_log(const struct part *part);
/* Writes "name pid" lines to file. False after having said why not. */
bool parts_write(const char *file);
/* Ends all: the parts whose names begin with a letter of order, one letter after the other, by SIGTERM, twice for those
 * that drain, then SIGKILL; then everything that has come to us. */
void parts_stop(const char *order);

#endif
