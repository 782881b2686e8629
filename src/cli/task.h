/*
 * task.h: the options that describe a task, shared by submit and run.
 */
#ifndef ZKQ_CLI_TASK_H
#define ZKQ_CLI_TASK_H

#include "base/options.h"
#include "zkq.h"

extern const struct option_row task_options[];

/* --queue; "default" when absent. */
const char *task_queue(void);
/* --key or NULL. */
const char *task_key(void);
/* Name of the first option used that describes a task, other than --queue; NULL when none was. */
const char *task_option_used(void);
/* Makes the task of options and operands. Returns 0, or the exit code after having said what is wrong. The task borrows
 * from the operands and keeps what it made until the process ends. */
int task_make(char **operands, struct zkq_task *task);
/* Checks it by the library's rules; *json (if not NULL) gets it as it would be stored, for zkq_free(). */
int task_check(struct zkq *handle, const struct zkq_task *task, char **json);

#endif
