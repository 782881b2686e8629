/*
 * environment.h: the environment that a task starts with (zkq-task(5), ENVIRONMENT).
 */
#ifndef ZKQ_WORKER_ENVIRONMENT_H
#define ZKQ_WORKER_ENVIRONMENT_H

#include "codec/json.h"
#include "core/arena.h"
#include "core/node.h"

/* NULL-terminated, in arena. The ZKQ_ marks by which left-overs are found stand first. *path is the value of PATH in it.
 * NULL when memory runs out. */
const char *const *environment_of(struct arena *arena, const struct node *claim, const struct task_spec *spec,
    const char **path);

#endif
