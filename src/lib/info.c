#include "lib/info.h"

#include <string.h>

void
info_of_id(struct zkq_info *info, struct info_room *room, const struct task_id *id)
{
	memset(info, 0, sizeof *info);
	memset(room, 0, sizeof *room);
	id_write(id, room->id);
	memcpy(room->queue, id->queue, sizeof room->queue);
	info->id = room->id;
	info->queue = room->queue;
	info->state = "waiting";
	info->priority = -1;
	info->exit_code = -1;
}

void
info_of_result(struct zkq_info *info, struct info_room *room, const struct task_id *id, const struct rec_result *result,
    bool dead)
{
	const struct outcome *outcome = &result->outcome;

	info_of_id(info, room, id);
	info->name = result->name;
	info->state = task_state_word(outcome->state);
	info->reason = outcome->reason;
	info->worker = result->worker;
	info->ended = 1;
	info->dead = dead;
	info->exit_code = outcome->has_exit ? outcome->exit_code : -1;
	info->signal = outcome->signal;
	info->attempt = (int)result->attempt;
	if (result->attempt) {
		fence_write(result->fence, room->fence);
		info->fence = room->fence;
	}
	info->submitted_ms = result->submitted_wall_ms;
	info->started_ms = outcome->started_wall_ms;
	info->ended_ms = outcome->ended_wall_ms ? outcome->ended_wall_ms : result->at_wall_ms;
	info->run_seconds = outcome->run_seconds;
	info->cpu_seconds = outcome->cpu_seconds;
	info->max_rss_bytes = outcome->max_rss_bytes;
	info->stdout_bytes = outcome->stdout_bytes;
	info->stderr_bytes = outcome->stderr_bytes;
	info->dropped_bytes = outcome->dropped_bytes;
	info->log_complete = outcome->log_complete;
	info->tail = outcome->tail;
	info->tail_size = outcome->tail ? outcome->tail_len : 0;
	info->task_json = result->task;
}
