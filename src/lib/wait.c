#include <stdlib.h>
#include <string.h>

#include "lib/handle.h"
#include "lib/ids.h"

int
ids_take(struct pending *pending, const char *const *ids, int count)
{
	struct task_id *list = arena_alloc(&pending->arena, (size_t)count * sizeof *list);
	int good = 0;

	pending->index = arena_alloc(&pending->arena, (size_t)count * sizeof *pending->index);
	pending->refused = arena_alloc(&pending->arena, (size_t)count * sizeof *pending->refused);
	if (!list || !pending->index || !pending->refused)
		return ZKQ_ENOMEM;
	for (int i = 0; i < count; i++) {
		if (!ids[i] || !id_parse(ids[i], &list[good])) {
			pending->refused[i] = ZKQ_EINVAL;
			continue;
		}
		pending->index[good++] = i;
	}
	pending->call.ids.ids = list;
	pending->call.ids.count = good;
	return ZKQ_OK;
}

static int
begin_wait(struct zkq *handle, const char *const *ids, int count, zkq_info_fn *callback, void *context,
    uint64_t *call_id)
{
	if (!ids || count < 1 || !callback)
		return ZKQ_EINVAL;
	struct pending *pending = pending_new(CALL_WAIT, count);
	if (!pending)
		return ZKQ_ENOMEM;
	pending->on_info = callback;
	pending->context = context;
	int error = ids_take(pending, ids, count);
	if (error != ZKQ_OK) {
		pending_free(pending);
		return error;
	}
	*call_id = handle_call(handle, pending);
	return ZKQ_OK;
}

int
zkq_wait(struct zkq *handle, const char *const *ids, int count, zkq_info_fn *callback, void *context)
{
	uint64_t call_id;

	return begin_wait(handle, ids, count, callback, context, &call_id);
}

struct waited {
	bool done;
	int error;
	zkq_info_fn *callback;
	void *context;
};

static void
one_result(void *context, int index, int error, const struct zkq_info *info)
{
	struct waited *waited = context;

	waited->done = true;
	waited->error = error;
	if (error == ZKQ_OK && waited->callback)
		waited->callback(waited->context, index, error, info);
}

int
zkq_wait_wait(struct zkq *handle, const char *id, int timeout_ms, zkq_info_fn *callback, void *context)
{
	struct waited waited = { .callback = callback, .context = context };
	int64_t deadline = deadline_after(timeout_ms);
	uint64_t call_id;

	if (handle->inside)
		return ZKQ_EINVAL;
	int error = begin_wait(handle, &id, 1, one_result, &waited, &call_id);
	if (error != ZKQ_OK)
		return error;
	while (!waited.done) {
		if (!handle_turn(handle, deadline, NULL, 0)) {
			handle_forget(handle, call_id);
			return waited.done ? waited.error : handle_late(handle);
		}
	}
	return waited.error;
}
