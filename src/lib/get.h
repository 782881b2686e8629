/*
 * get.h: live tasks as infos.
 */
#ifndef ZKQ_LIB_GET_H
#define ZKQ_LIB_GET_H

#include "core/node.h"
#include "core/reason.h"
#include "lib/info.h"

/* "waiting", "running" or "stopping". wished: somebody asked for its end. */
const char *live_state(const struct node *claim, bool wished);
/* claim: NULL = it waits. */
void info_of_live(struct zkq_info *info, struct info_room *room, const struct task_id *id, const struct task_name *name,
    const struct node *claim, bool wished, enum reason reason);
/* Adds what the task's JSON says; json may be NULL. Strings go to arena. */
void info_of_task(struct zkq_info *info, struct arena *arena, const char *json, size_t len);

#endif
