/* Tasks and batches of tasks, as strangers put them. */
#include <string.h>

#include "codec/json.h"
#include "fuzz.h"

/* What was read can be written, and says the same then, in every locale. */
static void
spell_again(struct arena *arena, const struct task_spec *spec)
{
	struct task_spec again;
	const char *why;
	size_t len, len_again;

	fuzz_abroad(true);
	const char *text = task_encode(arena, spec, &len, &why);
	MUST(text);
	MUST(task_decode(arena, text, len, &again, &why));
	fuzz_abroad(false);
	const char *text_again = task_encode(arena, &again, &len_again, &why);
	MUST(text_again && len == len_again && memcmp(text, text_again, len) == 0);
}

/* What a runner may rely on. */
static void
limits(const struct task_spec *spec)
{
	MUST(spec->noop || (spec->argv && spec->argv[0] && spec->argv[0][0]));
	for (int i = 0; spec->env && spec->env[i]; i++)
		MUST(strchr(spec->env[i], '=') > spec->env[i] && strncmp(spec->env[i], "ZKQ_", 4) != 0);
	MUST(!spec->cwd || (spec->cwd[0] == '/' && strlen(spec->cwd) <= 4095));
	MUST(!spec->name || (*spec->name && strlen(spec->name) <= 128 && !strpbrk(spec->name, "\n\x1b\x7f")));
	MUST(spec->input_len <= 65536);
	MUST(spec->retries >= 0 && spec->retries <= 1000);
	MUST(spec->time_limit_ms >= 0 && spec->time_limit_ms <= 1000000000000);
	MUST(spec->kill_grace_ms >= 0 && spec->kill_grace_ms <= 1000000000000);
	MUST(!spec->key || (*spec->key && strlen(spec->key) <= 1024));
}

/* Says which field is wrong, or that the whole is. */
static bool
names_what(const char *why)
{
	static const char *const begins[] = { "v: ", "argv: ", "argv_base64: ", "shell: ", "noop: ", "name: ", "cwd: ", "env: ",
		"stdin: ", "stdin_base64: ", "time_limit: ", "kill_grace: ", "retries: ", "priority: ", "by: ", "at: ", "key: ",
		"not JSON: ", "a string holds \\u0000 ", "not a JSON object", "empty", "larger than " };

	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
		if (strncmp(why, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

static void
one(struct arena *arena, const char *text, size_t size)
{
	struct record record, again;
	struct task_spec spec;
	const char *why;

	MUST(record_decode(arena, REC_TASK, text, size, &record, &why));
	bool valid = task_decode(arena, text, size, &spec, &why);
	MUST(valid == !record.task.invalid && valid == !why);
	if (!valid) {
		MUST(names_what(why) && strcmp(why, record.task.invalid) == 0);
		MUST(record.task.len == size && memcmp(record.task.text, text, size) == 0);
		return;
	}
	limits(&spec);
	MUST(!memchr(record.task.text, '\n', record.task.len));
	MUST(record_decode(arena, REC_TASK, record.task.text, record.task.len, &again, &why));
	MUST(!again.task.invalid && strcmp(again.task.text, record.task.text) == 0);
	MUST(again.task.priority >= PRIORITY_MIN && again.task.priority <= PRIORITY_MAX);
	MUST(again.task.time_limit_ms >= 0 && again.task.kill_grace_ms >= 0);
	spell_again(arena, &spec);
}

static void
batch(struct arena *arena, const char *text, size_t size)
{
	struct record record, again;
	const char *why;
	size_t len;

	if (!record_decode(arena, REC_BATCH, text, size, &record, &why)) {
		MUST(why && *why);
		return;
	}
	const char *written = record_encode(arena, &record, &len);
	MUST(written && record_decode(arena, REC_BATCH, written, len, &again, &why));
	MUST(again.batch.count == record.batch.count && record.batch.count <= MULTI_TASKS_MAX);
	for (int i = 0; i < record.batch.count; i++) {
		MUST(record.batch.tasks[i].len == again.batch.tasks[i].len);
		MUST(!record.batch.tasks[i].invalid == !again.batch.tasks[i].invalid);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };

	fuzz_abroad(false);
	one(&arena, (const char *)data, size);
	batch(&arena, (const char *)data, size);
	arena_free(&arena);
	return 0;
}
