#include <stdlib.h>
#include <string.h>

#include "lib/handle.h"
#include "codec/hash.h"

/* Of a task that has no name: what people call it. */
static const char *
base_name(const char *program)
{
	const char *slash = strrchr(program, '/');

	return slash && slash[1] ? slash + 1 : program;
}

/* The default name is a convenience: where it cannot be spelled (it is not UTF-8, or too long) the task has none. */
static const char *
encode_task(struct arena *arena, struct task_spec *spec, size_t *len, const char **why)
{
	const char *unused;
	struct task_spec checked;

	if (!spec->name && spec->argv && spec->argv[0] && spec->argv[0][0]) {
		spec->name = base_name(spec->argv[0]);
		const char *text = task_encode(arena, spec, len, &unused);
		if (text && task_decode(arena, text, *len, &checked, &unused))
			return text;
		spec->name = NULL;
	}
	return task_encode(arena, spec, len, why);
}

/* 64 KiB of JSON; and as much standard input beside it (task_decode() sees to that), of which JSON may spell each
 * byte with six. */
static bool
size_ok(struct arena *arena, const struct task_spec *spec, size_t len, const char **why)
{
	struct task_spec bare = *spec;

	if (len <= PAYLOAD_DEFAULT_MAX)
		return true;
	bare.input = NULL;
	bare.input_len = 0;
	if (spec->input && task_encode(arena, &bare, &len, why) && len <= PAYLOAD_DEFAULT_MAX)
		return true;
	*why = arena_printf(arena, "%zu bytes of JSON: at most 65536 are allowed, standard input not counted", len);
	return false;
}

/* Makes one line of JSON of a task, checked; *key is its idempotency key or NULL. NULL: then *error, and *why is a phrase
 * for people. */
static const char *
spell_task(struct zkq *handle, const struct zkq_task *given, struct arena *arena, size_t *len, int *priority,
    const char **key, int *error, const char **why)
{
	struct zkq_task task;
	struct task_spec spec;
	const char *text;

	memset(&task, 0, sizeof task);
	task.priority = task.kill_grace_ms = -1;
	memcpy(&task, given, given->size < sizeof task ? given->size : sizeof task);
	*error = ZKQ_EINVAL;
	*why = NULL;
	if (task.json) {
		/* One line as the submitter wrote it: what we do not know of is kept. */
		char *copy = arena_string(arena, task.json);
		for (char *at = copy; at && *at; at++)
			if (*at == '\n' || *at == '\r')
				*at = ' ';
		text = copy;
		*len = text ? strlen(text) : 0;
	} else {
		struct task_spec own = { .argv = task.argv, .noop = task.noop, .cwd = task.cwd,
			.name = task.name && *task.name ? task.name : NULL, .env = task.env, .input = task.input, .input_len = task.input ? task.input_size : 0,
			.time_limit_ms = task.time_limit_ms, .kill_grace_ms = task.kill_grace_ms, .priority = -1,
			.by = handle->by, .at_wall_ms = link_wall_ms() };
		text = encode_task(arena, &own, len, why);
	}
	if (!text) {
		if (arena->failed)
			*error = ZKQ_ENOMEM;
		return NULL;
	}
	if (*len <= PAYLOAD_HARD_MAX && !task_decode(arena, text, *len, &spec, why)) {
		if (arena->failed)
			*error = ZKQ_ENOMEM;
		return NULL;
	}
	if (*len > PAYLOAD_HARD_MAX || !size_ok(arena, &spec, *len, why)) {
		*error = ZKQ_ESIZE;
		if (*len > PAYLOAD_HARD_MAX)
			*why = "larger than 512 KiB";
		return NULL;
	}
	*priority = task.priority >= 0 ? task.priority : spec.priority >= 0 ? spec.priority : PRIORITY_DEFAULT;
	if (*priority > PRIORITY_MAX) {
		*why = "priority: not 0 to 9";
		return NULL;
	}
	const char *wrong = task.key ? task_key_wrong(task.key) : NULL;
	if (wrong) {
		*why = arena_printf(arena, "key: %s", wrong);
		return NULL;
	}
	*key = task.key ? arena_string(arena, task.key) : spec.key;
	if (task.key && !*key) {
		*error = ZKQ_ENOMEM;
		return NULL;
	}
	return text;
}

int
zkq_task_json(struct zkq *handle, const struct zkq_task *task, char **json)
{
	struct arena arena = { 0 };
	const char *why = NULL, *key;
	size_t len;
	int error, priority;
	const char *text = spell_task(handle, task, &arena, &len, &priority, &key, &error, &why);

	*json = strdup(text ? text : why ? why : zkq_strerror(error));
	arena_free(&arena);
	if (!*json)
		return ZKQ_ENOMEM;
	return text ? ZKQ_OK : error;
}

static int
spell_all(struct zkq *handle, struct pending *pending, const struct zkq_task *tasks, int count, int *invalid)
{
	struct submit_task *list = arena_alloc(&pending->arena, (size_t)count * sizeof *list);
	const char *at = (const char *)tasks;

	if (!list)
		return ZKQ_ENOMEM;
	for (int i = 0; i < count; i++) {
		/* Whoever was built against another version of zkq.h has elements of another size. */
		const struct zkq_task *task = (const struct zkq_task *)(const void *)at;
		struct submit_task *to = &list[i];
		const char *why;
		int error;

		at += tasks->size;
		to->text = spell_task(handle, task, &pending->arena, &to->len, &to->priority, &to->key, &error, &why);
		if (!to->text) {
			if (invalid)
				*invalid = i;
			return error;
		}
		to->class_text = class_default_text;
		to->class_hash = class_default_hash();
		if (to->key)
			to->idempotency_hash = text_hash(to->key, strlen(to->key));
	}
	pending->call.submit.tasks = list;
	return ZKQ_OK;
}

static int
begin_submit(struct zkq *handle, const char *queue, const struct zkq_task *tasks, int count, zkq_submit_fn *callback,
    void *context, int *invalid, uint64_t *call_id)
{
	if (invalid)
		*invalid = -1;
	if (!tasks || count < 1 || !callback || tasks->size < sizeof tasks->size + sizeof tasks->json)
		return ZKQ_EINVAL;
	if (!queue)
		queue = "default";
	if (!queue_name_ok(queue))
		return ZKQ_EINVAL;
	struct pending *pending = pending_new(CALL_SUBMIT, count);
	if (!pending)
		return ZKQ_ENOMEM;
	pending->on_submit = callback;
	pending->context = context;
	pending->call.submit.queue = arena_string(&pending->arena, queue);
	pending->call.submit.count = count;
	pending->call.submit.batch = count > 1;
	int error = pending->call.submit.queue ? spell_all(handle, pending, tasks, count, invalid) : ZKQ_ENOMEM;
	if (error != ZKQ_OK) {
		pending_free(pending);
		return error;
	}
	*call_id = handle_call(handle, pending);
	return ZKQ_OK;
}

int
zkq_submit(struct zkq *handle, const char *queue, const struct zkq_task *tasks, int count, zkq_submit_fn *callback,
    void *context, int *invalid)
{
	uint64_t call_id;

	return begin_submit(handle, queue, tasks, count, callback, context, invalid, &call_id);
}

struct submitted {
	bool done;
	int error;
	char *id;
};

static void
one_submitted(void *context, int index, int error, const char *id, int existed, const char *text)
{
	struct submitted *submitted = context;

	(void)index;
	(void)existed;
	(void)text;
	submitted->done = true;
	submitted->error = error;
	if (submitted->id)
		memcpy(submitted->id, id, strlen(id) + 1);
}

int
zkq_submit_wait(struct zkq *handle, const char *queue, const struct zkq_task *task, int timeout_ms, char *id)
{
	struct submitted submitted = { .id = id };
	int64_t deadline = deadline_after(timeout_ms);
	uint64_t call_id;

	if (id)
		id[0] = '\0';
	if (handle->inside)
		return ZKQ_EINVAL;
	int error = begin_submit(handle, queue, task, 1, one_submitted, &submitted, NULL, &call_id);
	if (error != ZKQ_OK)
		return error;
	while (!submitted.done)
		if (!handle_turn(handle, deadline, NULL, 0))
			handle_forget(handle, call_id);	/* answers */
	return submitted.error;
}
