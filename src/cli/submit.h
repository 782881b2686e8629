/*
 * submit.h: putting tasks into a queue: one, or a file of them.
 */
#ifndef ZKQ_CLI_SUBMIT_H
#define ZKQ_CLI_SUBMIT_H

#include <stdbool.h>

#include "zkq.h"

enum submit_then {
	SUBMIT_ONLY,	/* print the id */
	SUBMIT_WAIT,	/* and exit as the task did */
	SUBMIT_FOLLOW,	/* and show its output */
	SUBMIT_RUN,	/* the same with the id on stderr; the task is ours */
	SUBMIT_DRY,	/* check and print it, send nothing */
};

/* Returns the exit code. */
int submit_one(const struct zkq_task *task, enum submit_then then);

/* Submits each line of file ("-": stdin) as a task in JSON. dry: checks only. Returns the exit code. */
int submit_file(const char *file, const char *queue, bool dry);

#endif
