/*
 * cancel.c: a cancel is two calls: the request for all ids, then, when each has been answered, one wait for the results
 * of those that were requested.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/handle.h"
#include "lib/ids.h"
#include "lib/info.h"

enum cancel_stage { CANCEL_ASKED, CANCEL_REQUESTED, CANCEL_OVER };

struct cancelling {
	struct zkq *handle;
	struct arena arena;
	zkq_info_fn *callback;
	void *context;
	struct task_id *ids;
	enum cancel_stage *stage;	/* of each id */
	int count;
	int asked, left;		/* how many are still at CANCEL_ASKED; are not over */
	uint64_t request_id, wait_id;	/* the calls; 0 = not begun */
	bool blocking;			/* the caller of zkq_cancel_wait() frees it */
};

static void
cancelling_free(struct cancelling *all)
{
	arena_free(&all->arena);
	free(all);
}

/* Only tells; whoever calls it looks afterwards whether all is over. */
static void
finish(struct cancelling *all, int index, int error, const struct zkq_info *info)
{
	if (all->stage[index] == CANCEL_OVER)
		return;
	all->asked -= all->stage[index] == CANCEL_ASKED;
	all->stage[index] = CANCEL_OVER;
	all->left--;
	if (all->callback)
		all->callback(all->context, index, error, info);
}

static void
finish_requested(struct cancelling *all, int error)
{
	for (int i = 0; i < all->count; i++)
		if (all->stage[i] == CANCEL_REQUESTED)
			finish(all, i, error, NULL);
}

static void
free_if_over(struct cancelling *all)
{
	if (!all->left && !all->blocking)
		cancelling_free(all);
}

/* ---- the results ---- */

static void
result(void *context, int index, int error, const struct zkq_info *info)
{
	struct cancelling *all = context;

	finish(all, index, error, info);
	free_if_over(all);
}

static struct pending *
new_wait(struct cancelling *all)
{
	struct pending *pending = pending_new(CALL_WAIT, all->count);
	int n = 0;

	if (!pending)
		return NULL;
	struct task_id *ids = arena_alloc(&pending->arena, (size_t)all->count * sizeof *ids);
	pending->index = arena_alloc(&pending->arena, (size_t)all->count * sizeof *pending->index);
	if (!ids || !pending->index) {
		pending_free(pending);
		return NULL;
	}
	for (int i = 0; i < all->count; i++) {
		pending->answered[i] = all->stage[i] != CANCEL_REQUESTED;
		if (pending->answered[i])
			continue;
		pending->index[n] = i;
		ids[n++] = all->ids[i];
	}
	pending->left = pending->call.ids.count = n;
	pending->call.ids.ids = ids;
	pending->on_info = result;
	pending->context = all;
	return pending;
}

/* Every request is answered. */
static void
go_on(struct cancelling *all)
{
	if (all->left) {
		struct pending *pending = new_wait(all);

		if (pending)
			all->wait_id = handle_call(all->handle, pending);
		else
			finish_requested(all, ZKQ_ENOMEM);
	}
	free_if_over(all);
}

/* ---- the request ---- */

static void
requested(void *context, int index, int error, const struct answer *answer)
{
	struct cancelling *all = context;
	struct info_room room;
	struct zkq_info info;

	if (!answer) {
		finish(all, index, error, NULL);
	} else if (answer->kind == ANSWER_REQUESTED) {
		all->stage[index] = CANCEL_REQUESTED;
		all->asked--;
	} else if (answer->kind == ANSWER_RESULT) {
		info_of_result(&info, &room, &answer->task_id, &answer->result, answer->dead);
		finish(all, index, ZKQ_EENDED, &info);
	} else {
		finish(all, index, answer->kind == ANSWER_REFUSED ? error_of_refusal(answer) : ZKQ_ENOENT, NULL);
	}
	if (!all->asked)
		go_on(all);
}

static int
begin(struct zkq *handle, const char *const *ids, int count, const char *reason, zkq_info_fn *callback, void *context,
    bool blocking, struct cancelling **out)
{
	if (!ids || count < 1)
		return ZKQ_EINVAL;
	struct cancelling *all = calloc(1, sizeof *all);
	struct pending *pending = pending_new(CALL_CANCEL, count);
	if (!all || !pending || ids_take(pending, ids, count) != ZKQ_OK)
		goto out_of_memory;
	*all = (struct cancelling){ .handle = handle, .callback = callback, .context = context, .count = count,
		.asked = count, .left = count, .blocking = blocking };
	all->ids = arena_alloc(&all->arena, (size_t)count * sizeof *all->ids);
	all->stage = arena_alloc(&all->arena, (size_t)count * sizeof *all->stage);
	pending->call.ids.reason = arena_string(&pending->arena, reason);
	if (all->arena.failed || pending->arena.failed)
		goto out_of_memory;
	for (int i = 0; i < pending->call.ids.count; i++)
		all->ids[pending->index[i]] = pending->call.ids.ids[i];
	pending->on_answer = requested;
	pending->context = all;
	pending->call.ids.by = handle->by;
	all->request_id = handle_call(handle, pending);
	*out = all;
	return ZKQ_OK;

out_of_memory:
	if (all)
		cancelling_free(all);
	pending_free(pending);
	return ZKQ_ENOMEM;
}

int
zkq_cancel(struct zkq *handle, const char *const *ids, int count, const char *reason,
    zkq_info_fn *callback, void *context)
{
	struct cancelling *all;

	return begin(handle, ids, count, reason, callback, context, false, &all);
}

int
zkq_cancel_wait(struct zkq *handle, const char *const *ids, int count, const char *reason, int timeout_ms,
    zkq_info_fn *callback, void *context)
{
	struct cancelling *all;
	int64_t deadline = deadline_after(timeout_ms);

	if (handle->inside)
		return ZKQ_EINVAL;
	int error = begin(handle, ids, count, reason, callback, context, true, &all);
	if (error != ZKQ_OK)
		return error;
	while (all->left && error == ZKQ_OK) {
		if (handle_turn(handle, deadline, NULL, 0))
			continue;
		error = all->wait_id ? ZKQ_ETIMEOUT : handle_late(handle);
		if (!all->wait_id)
			handle_forget(handle, all->request_id);
		if (all->wait_id)
			handle_forget(handle, all->wait_id);
	}
	/* What is open now: the request is in the tree (it takes effect some day), or it is not known to be. */
	for (int i = 0; i < count; i++)
		finish(all, i, all->stage[i] == CANCEL_REQUESTED ? ZKQ_ETIMEOUT : error, NULL);
	cancelling_free(all);
	return error == ZKQ_ETIMEOUT ? ZKQ_OK : error;
}
