/*
 * wish.c: a cancel is two calls: the request for all ids, then, when each has been answered, one wait for the results
 * of those that were requested. So is an update; there the second call asks what became of the requests.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/handle.h"
#include "lib/ids.h"
#include "lib/info.h"

#define TIME_LIMIT_MOST_MS INT64_C(1000000000000)	/* 31 years, as in a task's JSON */

enum wish_stage { WISH_ASKED, WISH_REQUESTED, WISH_OVER };

struct wishing {
	struct zkq *handle;
	struct arena arena;
	enum call_kind kind;		/* CALL_CANCEL, CALL_UPDATE */
	int priority;			/* of an update */
	int64_t time_limit_ms;
	zkq_info_fn *callback;
	void *context;
	struct task_id *ids;
	enum wish_stage *stage;	/* of each id */
	int64_t *marks;		/* of each id, of an update that was requested */
	int count;
	int asked, left;		/* how many are still at WISH_ASKED; are not over */
	uint64_t request_id, wait_id;	/* the calls; 0 = not begun */
	bool blocking;			/* the caller of the blocking form frees it */
};

static void
wishing_free(struct wishing *all)
{
	arena_free(&all->arena);
	free(all);
}

/* Only tells; whoever calls it looks afterwards whether all is over. */
static void
finish(struct wishing *all, int index, int error, const struct zkq_info *info)
{
	if (all->stage[index] == WISH_OVER)
		return;
	all->asked -= all->stage[index] == WISH_ASKED;
	all->stage[index] = WISH_OVER;
	all->left--;
	if (all->callback)
		all->callback(all->context, index, error, info);
}

static void
finish_requested(struct wishing *all, int error)
{
	for (int i = 0; i < all->count; i++)
		if (all->stage[i] == WISH_REQUESTED)
			finish(all, i, error, NULL);
}

static void
free_if_over(struct wishing *all)
{
	if (!all->left && !all->blocking)
		wishing_free(all);
}

/* ---- the results ---- */

static void
result(void *context, int index, int error, const struct zkq_info *info)
{
	struct wishing *all = context;

	finish(all, index, error, info);
	free_if_over(all);
}

static void
settled(void *context, int index, int error, const struct answer *answer)
{
	struct wishing *all = context;
	struct info_room room;
	struct zkq_info info;

	if (!answer) {
		finish(all, index, error, NULL);
	} else if (answer->kind == ANSWER_RESULT) {
		info_of_result(&info, &room, &answer->task_id, &answer->result, answer->dead);
		finish(all, index, ZKQ_EENDED, &info);
	} else {
		finish(all, index, answer->kind == ANSWER_UPDATED ? ZKQ_OK : answer->kind == ANSWER_BUSY ? ZKQ_EBUSY :
		    answer->kind == ANSWER_REFUSED ? error_of_refusal(answer) : ZKQ_ENOENT, NULL);
	}
	free_if_over(all);
}

static struct pending *
new_wait(struct wishing *all)
{
	struct pending *pending = pending_new(all->kind == CALL_CANCEL ? CALL_WAIT : CALL_SETTLE, all->count);
	int n = 0;

	if (!pending)
		return NULL;
	struct task_id *ids = arena_alloc(&pending->arena, (size_t)all->count * sizeof *ids);
	pending->index = arena_alloc(&pending->arena, (size_t)all->count * sizeof *pending->index);
	int64_t *marks = arena_alloc(&pending->arena, (size_t)all->count * sizeof *marks);
	if (!ids || !pending->index || !marks) {
		pending_free(pending);
		return NULL;
	}
	for (int i = 0; i < all->count; i++) {
		pending->answered[i] = all->stage[i] != WISH_REQUESTED;
		if (pending->answered[i])
			continue;
		pending->index[n] = i;
		marks[n] = all->marks[i];
		ids[n++] = all->ids[i];
	}
	pending->left = pending->call.ids.count = n;
	pending->call.ids.ids = ids;
	pending->call.ids.marks = marks;
	pending->call.ids.priority = all->priority;
	pending->call.ids.time_limit_ms = all->time_limit_ms;
	if (all->kind == CALL_CANCEL)
		pending->on_info = result;
	else
		pending->on_answer = settled;
	pending->context = all;
	return pending;
}

/* Every request is answered. */
static void
go_on(struct wishing *all)
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
	struct wishing *all = context;
	struct info_room room;
	struct zkq_info info;

	if (!answer) {
		finish(all, index, error, NULL);
	} else if (answer->kind == ANSWER_REQUESTED) {
		all->stage[index] = WISH_REQUESTED;
		all->marks[index] = answer->mark;
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

/* What is wanted; copied. Its callback and context are set, and what an update changes. */
static int
begin(struct zkq *handle, const char *const *ids, int count, const char *reason, const struct wishing *wanted,
    struct wishing **out)
{
	if (!ids || count < 1)
		return ZKQ_EINVAL;
	struct wishing *all = calloc(1, sizeof *all);
	struct pending *pending = pending_new(wanted->kind, count);
	if (!all || !pending || ids_take(pending, ids, count) != ZKQ_OK)
		goto out_of_memory;
	*all = *wanted;
	all->handle = handle;
	all->count = all->asked = all->left = count;
	all->ids = arena_alloc(&all->arena, (size_t)count * sizeof *all->ids);
	all->stage = arena_alloc(&all->arena, (size_t)count * sizeof *all->stage);
	all->marks = arena_alloc(&all->arena, (size_t)count * sizeof *all->marks);
	pending->call.ids.reason = arena_string(&pending->arena, reason);
	if (all->arena.failed || pending->arena.failed)
		goto out_of_memory;
	for (int i = 0; i < pending->call.ids.count; i++)
		all->ids[pending->index[i]] = pending->call.ids.ids[i];
	pending->on_answer = requested;
	pending->context = all;
	pending->call.ids.by = handle->by;
	pending->call.ids.priority = all->priority;
	pending->call.ids.time_limit_ms = all->time_limit_ms;
	all->request_id = handle_call(handle, pending);
	*out = all;
	return ZKQ_OK;

out_of_memory:
	if (all)
		wishing_free(all);
	pending_free(pending);
	return ZKQ_ENOMEM;
}

static int
wait_for(struct zkq *handle, struct wishing *all, int64_t deadline)
{
	int error = ZKQ_OK;

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
	for (int i = 0; i < all->count; i++)
		finish(all, i, all->stage[i] == WISH_REQUESTED ? ZKQ_ETIMEOUT : error, NULL);
	wishing_free(all);
	return error == ZKQ_ETIMEOUT ? ZKQ_OK : error;
}

int
zkq_cancel(struct zkq *handle, const char *const *ids, int count, const char *reason,
    zkq_info_fn *callback, void *context)
{
	const struct wishing wanted = { .kind = CALL_CANCEL, .callback = callback, .context = context };
	struct wishing *all;

	return begin(handle, ids, count, reason, &wanted, &all);
}

int
zkq_cancel_wait(struct zkq *handle, const char *const *ids, int count, const char *reason, int timeout_ms,
    zkq_info_fn *callback, void *context)
{
	const struct wishing wanted = { .kind = CALL_CANCEL, .callback = callback, .context = context, .blocking = true };
	struct wishing *all;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside ? ZKQ_EINVAL : begin(handle, ids, count, reason, &wanted, &all);

	return error == ZKQ_OK ? wait_for(handle, all, deadline) : error;
}

/* What an update asks for, or kind CALL_FORGET when it cannot be. */
static struct wishing
wanted_update(const struct zkq_update *update, zkq_info_fn *callback, void *context, bool blocking)
{
	struct wishing wanted = { .kind = CALL_FORGET };

	if (!update || update->size < sizeof *update || update->priority > PRIORITY_MAX ||
	    update->time_limit_ms > TIME_LIMIT_MOST_MS || (update->priority < 0 && update->time_limit_ms < 0))
		return wanted;
	return (struct wishing){ .kind = CALL_UPDATE, .priority = update->priority < 0 ? -1 : update->priority,
		.time_limit_ms = update->time_limit_ms < 0 ? -1 : update->time_limit_ms, .callback = callback,
		.context = context, .blocking = blocking };
}

int
zkq_update(struct zkq *handle, const char *const *ids, int count, const struct zkq_update *update,
    zkq_info_fn *callback, void *context)
{
	const struct wishing wanted = wanted_update(update, callback, context, false);
	struct wishing *all;

	return wanted.kind == CALL_UPDATE ? begin(handle, ids, count, NULL, &wanted, &all) : ZKQ_EINVAL;
}

int
zkq_update_wait(struct zkq *handle, const char *const *ids, int count, const struct zkq_update *update, int timeout_ms,
    zkq_info_fn *callback, void *context)
{
	const struct wishing wanted = wanted_update(update, callback, context, true);
	struct wishing *all;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside || wanted.kind != CALL_UPDATE ? ZKQ_EINVAL : begin(handle, ids, count, NULL, &wanted, &all);

	return error == ZKQ_OK ? wait_for(handle, all, deadline) : error;
}
