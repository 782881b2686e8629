/*
 * cli.h: what the commands of zkq share: their descriptions, the common options, the handle, errors and ids.
 */
#ifndef ZKQ_CLI_CLI_H
#define ZKQ_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "base/terminal.h"
#include "zkq.h"

#define CLI_HINT 96

struct command {
	const char *name;	/* "submit", "queue pause" */
	const char *program;	/* "zkq-submit": begins every message */
	const char *about;	/* one line of the list of commands */
	const char *usage;	/* see struct options */
	const char *notes;	/* end of the help: an example; may be NULL */
	const char *manual;
	const struct option_row *options;	/* its own; may be NULL */
	const struct option_row *task_options;	/* that describe a task; may be NULL */
	bool anywhere;		/* options may follow operands: it takes no command to run */
	bool as_task;		/* exits as a task did, so its own failures are EXIT_OURS */
	bool (*as_task_by)(char **argv);	/* whether these words ask for that, for when they are wrong otherwise; or NULL */
	bool reads;		/* changes nothing: without an answer nothing can have happened */
	bool local;		/* has no use for the options of the connection */
	int (*run)(int argc, char **argv);	/* argv: operands, NULL-terminated; returns the exit code */
};

extern const struct command command_admin_export, command_admin_import, command_admin_fsck, command_doctor, command_purge, command_ping, command_logs, command_submit, command_run, command_status, command_show, command_explain, command_wait, command_cancel, command_update,
    command_results, command_worker_list, command_queue_list, command_queue_show, command_queue_create,
    command_queue_pause, command_queue_resume, command_queue_delete, command_dev;

/* The common options. */
struct settings {
	const char *zk, *root, *auth, *auth_file, *config;
	int64_t timeout_ms;	/* for an answer */
	bool timeout_given;	/* on the command line: then wait, run and submit -w wait no longer for the task */
	int session_ms;		/* session time-out to ask for; 0 = the library's; no option: commands set it */
	bool json, no_header, quiet, verbose, utc;
	const char *fields;	/* columns of lists; NULL = as they are */
	enum color_when color;
};
extern struct settings settings;
extern const struct option_row common_options[], connection_options[];

/* Parses argv (argv[0] is not looked at) for command and runs it; returns the exit code. */
int cli_run(const struct command *command, int argc, char **argv);
void cli_help(const struct command *command);
/* What is in effect, for zkq --check-config; behind cli_open(), which reads the credential. */
void cli_print_configuration(void);
/* "name --option" or "name -o --option", one a line; rows may be NULL. */
void cli_print_options(const char *name, const struct option_row *rows);

/* What a daemon is to be given on its command line to serve the tree that this command looks at: "--zk zk1:2181", and
 * --root when it is not the default. Made harmless; text is CLI_DAEMON_OPTIONS bytes; returns it. */
#define CLI_DAEMON_OPTIONS 1024
const char *cli_daemon_options(char *text);

/* ---- talk and errors, all in the name of the running command ---- */

/* "zkq-submit: ..." on stderr, made harmless. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Wrong usage: message and where to find help. */
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says the message, prints the error object with --json, returns the code to exit with: code, or EXIT_OURS for a
 * command that exits as a task does. id may be NULL. */
int cli_fail(int code, const char *word, const char *id, bool retry_safe, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* From now on no error says that the command may be repeated: tasks were accepted, and would be once more. */
void cli_accepted(void);
/* The same for a wait whose time is over: EXIT_WAITED. */
int cli_fail_waited(const char *id, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for an error of the library; detail may be NULL. */
int cli_fail_error(int error, const char *id, const char *detail);
#define CLI_NO_TASK "no such task, or its result was removed by retention"
/* What is wrong with an id that a command was told of error: the beginning of one, which the library knows whole only, is
 * that of no task. */
int cli_id_error(const char *id, int error);
/* About one of many ids; what concerns them all is left to cli_fail_error(). */
void cli_say_id(const char *id, int error);
/* "; is 'render' meant?" when there is a queue with nearly that name, else where to look. Asks the cluster. */
const char *cli_queue_hint(struct zkq *handle, const char *queue, char buffer[CLI_HINT]);
/* Exit code and word of an error of the library. */
int cli_error_exit(int error);
const char *cli_error_word(int error);
/* How a code of our own leaves the process: EXIT_OURS for commands that exit as a task does. */
int cli_own(int code);
/* From here on the command exits as a task does (submit --wait). */
void cli_set_as_task(void);

/* Returns 0, or the exit code after having said that name, given by --queue, can be no queue's. NULL is fine. */
int cli_check_queue(const char *name);

/* ---- handle ---- */

/* Opens a handle and, with connect, waits for the session. Returns 0, or the exit code after having said why. */
int cli_open(struct zkq **handle, bool connect);
/* Waits for the session. Returns 0, or the exit code after having said why; then nothing was sent. */
int cli_connect(struct zkq *handle);
/* Milliseconds of settings.timeout_ms left since the command began; at least 1. */
int cli_left(void);
void cli_restart(void);		/* as if it began now */
bool cli_over(void);		/* whether that time is over */
int64_t cli_now(void);		/* monotonic milliseconds */
int64_t cli_wall(void);		/* milliseconds since 1970 */
/* Runs the handle for at most limit_ms (< 0: until something happens), or until also_fd (-1 = none) is readable. */
void cli_turn(struct zkq *handle, int64_t limit_ms, int also_fd);

/* ---- ids ---- */

struct ids {
	char **items;
	int count;
	bool given;	/* there were operands, even if standard input named none */
	bool stream;	/* some came from stdin */
	bool inbox;	/* names of an inbox will do, too */
};
/* Takes ids from operands, or beginnings of them, or of their tokens, or "last"; "-" reads them from stdin, one a line.
 * inbox: names of an inbox will do, too. Returns 0, or the exit code after having said what is wrong. */
int cli_ids(char **operands, bool inbox, struct ids *ids);
/* Opens a handle, waits for the session and makes ids whole. Returns 0, or the exit code after having said why not; then
 * the ids are freed. */
int cli_open_ids(struct zkq **handle, struct ids *ids);
void cli_ids_add(struct ids *ids, const char *id);	/* copied */
void cli_ids_free(struct ids *ids);

#endif
