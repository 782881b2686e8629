/*
 * info.h: records as the structs of zkq.h.
 */
#ifndef ZKQ_LIB_INFO_H
#define ZKQ_LIB_INFO_H

#include "codec/path.h"
#include "core/submitter.h"
#include "zkq.h"

/* Strings that an info points to; must live as long as it. */
struct info_room {
	char id[ID_MAX + 1];
	char queue[QUEUE_NAME_MAX + 1];
	char fence[33];
};

/* Nothing known but the id. */
void info_of_id(struct zkq_info *info, struct info_room *room, const struct task_id *id);
/* json and task_json are left to the caller (task_json: the task of a dead letter). */
void info_of_result(struct zkq_info *info, struct info_room *room, const struct task_id *id,
    const struct rec_result *result, bool dead);

#endif
