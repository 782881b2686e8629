/*
 * follow.h: waiting for one task that this process submitted, and showing its output.
 */
#ifndef ZKQ_CLI_FOLLOW_H
#define ZKQ_CLI_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

#include "zkq.h"

/* Waits for the task, with output shown as it comes, and returns its exit code or what zkq adds to those: 124, 125.
 * owner: the task is ours alone: SIGINT and SIGTERM cancel it, and so does a reader of stdout that goes away. Otherwise they
 * end this process, and the task goes on. kill_grace_ms: how long a cancel may take beside the time for an answer; when
 * it takes longer, this process ends. */
int follow_task(struct zkq *handle, const char *id, bool output, bool owner, int64_t kill_grace_ms);
/* A piece of output as a line of JSON. */
void follow_json(int stream, const void *data, size_t size);
/* Says why a task that ended has no exit code of its own, or was stopped. */
void follow_say(const struct zkq_info *info);

#endif
