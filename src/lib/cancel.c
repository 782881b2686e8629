/*
 * cancel.c: a cancel is two calls: the request, then the wait for the result.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/handle.h"
#include "lib/ids.h"
#include "lib/info.h"

enum cancel_stage { CANCEL_ASKED, CANCEL_REQUESTED, CANCEL_OVER };

struct cancelling {
	struct zkq *handle;
	zkq_info_fn *callback;
	void *context;
	const char *const *ids;
	enum cancel_stage *stage;	/* of each id */
	int left;
};


static void
finish(struct cancelling *all, int index, int error, const struct zkq_info *info)
{
	if (all->stage[index] == CANCEL_OVER)
		return;
	all->stage[index] = CANCEL_OVER;
	all->left--;
	if (all->callback)
		all->callback(all->context, index, error, info);
}

static void
requested(void *context, int index, int error, const struct answer *answer)
{
	struct cancelling *all = context;
	struct info_room room;
	struct zkq_info info;

	if (!answer) {
		finish(all, index, error, NULL);
		return;
	}
	switch (answer->kind) {
	case ANSWER_REQUESTED:
		all->stage[index] = CANCEL_REQUESTED;
		break;
	case ANSWER_RESULT:
		info_of_result(&info, &room, &answer->task_id, &answer->result, answer->dead);
		finish(all, index, ZKQ_EENDED, &info);
		break;
	case ANSWER_REFUSED:
		finish(all, index, error_of_refusal(answer), NULL);
		break;
	default:
		finish(all, index, ZKQ_ENOENT, NULL);
		break;
	}
}

struct results {
	struct cancelling *all;
	int *index;	/* of the wait's ids: the caller's */
};

static void
result(void *context, int index, int error, const struct zkq_info *info)
{
	struct results *results = context;

	finish(results->all, results->index[index], error, info);
}

/* All that were requested are waited for in one call. */
static int
wait_for_results(struct zkq *handle, struct cancelling *all, int count, int64_t deadline)
{
	struct results results = { .all = all };
	struct pending *pending = pending_new(CALL_WAIT, count);
	const char **ids = pending ? arena_alloc(&pending->arena, (size_t)count * sizeof *ids) : NULL;
	int n = 0, error = ZKQ_OK;

	results.index = calloc((size_t)count, sizeof *results.index);
	if (!ids || !results.index)
		goto out_of_memory;
	for (int i = 0; i < count; i++) {
		if (all->stage[i] != CANCEL_REQUESTED)
			continue;
		results.index[n] = i;
		ids[n++] = all->ids[i];
	}
	pending->count = pending->left = n;
	pending->on_info = result;
	pending->context = &results;
	if (n && ids_take(pending, ids, n) != ZKQ_OK)
		goto out_of_memory;
	if (!n) {
		pending_free(pending);
		free(results.index);
		return ZKQ_OK;
	}
	uint64_t call_id = handle_call(handle, pending);
	while (all->left && error == ZKQ_OK) {
		if (!handle_turn(handle, deadline, NULL, 0)) {
			handle_forget(handle, call_id);
			error = ZKQ_ETIMEOUT;
		}
	}
	free(results.index);
	return error;

out_of_memory:
	pending_free(pending);
	free(results.index);
	return ZKQ_ENOMEM;
}

static int
request_all(struct zkq *handle, struct cancelling *all, int count, const char *reason, int64_t deadline)
{
	struct pending *pending = pending_new(CALL_CANCEL, count);
	int error = pending ? ids_take(pending, all->ids, count) : ZKQ_ENOMEM;

	if (error != ZKQ_OK) {
		pending_free(pending);
		return error;
	}
	pending->on_answer = requested;
	pending->context = all;
	pending->call.ids.by = handle->by;
	pending->call.ids.reason = arena_string(&pending->arena, reason);
	uint64_t call_id = handle_call(handle, pending);
	for (;;) {
		bool open = false;

		for (int i = 0; i < count; i++)
			open |= all->stage[i] == CANCEL_ASKED;
		if (!open)
			return ZKQ_OK;
		if (!handle_turn(handle, deadline, NULL, 0)) {
			handle_forget(handle, call_id);
			return handle_late(handle);
		}
	}
}

int
zkq_cancel_wait(struct zkq *handle, const char *const *ids, int count, const char *reason, int timeout_ms,
    zkq_info_fn *callback, void *context)
{
	struct cancelling all = { .handle = handle, .callback = callback, .context = context, .ids = ids,
	    .left = count };
	int64_t deadline = deadline_after(timeout_ms);

	if (handle->inside || !ids || count < 1)
		return ZKQ_EINVAL;
	all.stage = calloc((size_t)count, sizeof *all.stage);
	if (!all.stage)
		return ZKQ_ENOMEM;
	int error = request_all(handle, &all, count, reason, deadline);
	if (error == ZKQ_OK)
		error = wait_for_results(handle, &all, count, deadline);
	/* What is open now: the request is in the tree (it takes effect some day), or it is not known to be. */
	for (int i = 0; i < count; i++)
		finish(&all, i, all.stage[i] == CANCEL_REQUESTED ? ZKQ_ETIMEOUT : error, NULL);
	free(all.stage);
	return error == ZKQ_ETIMEOUT ? ZKQ_OK : error;
}
