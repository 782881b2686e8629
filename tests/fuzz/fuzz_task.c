/* Tasks and batches of tasks, as strangers put them. */
#include <string.h>

#include "codec/json.h"
#include "fuzz.h"

/* What was read can be written, and says the same then. */
static void
spell_again(struct arena *arena, const struct task_spec *spec)
{
	struct task_spec again;
	const char *why;
	size_t len, len_again;
	const char *text = task_encode(arena, spec, &len, &why);

	MUST(text);
	MUST(task_decode(arena, text, len, &again, &why));
	const char *text_again = task_encode(arena, &again, &len_again, &why);
	MUST(text_again && len == len_again && memcmp(text, text_again, len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct record record, again;
	struct task_spec spec;
	const char *why;
	const char *text = (const char *)data;

	MUST(record_decode(&arena, REC_TASK, text, size, &record, &why));
	bool valid = task_decode(&arena, text, size, &spec, &why);
	MUST(valid == !record.task.invalid && valid == !why);
	if (valid) {
		MUST(!memchr(record.task.text, '\n', record.task.len));
		MUST(record_decode(&arena, REC_TASK, record.task.text, record.task.len, &again, &why));
		MUST(!again.task.invalid && strcmp(again.task.text, record.task.text) == 0);
		MUST(again.task.priority >= PRIORITY_MIN && again.task.priority <= PRIORITY_MAX);
		MUST(again.task.time_limit_ms >= 0 && again.task.kill_grace_ms >= 0);
		spell_again(&arena, &spec);
	}
	if (record_decode(&arena, REC_BATCH, text, size, &record, &why)) {
		size_t len;
		const char *batch = record_encode(&arena, &record, &len);

		MUST(batch && record_decode(&arena, REC_BATCH, batch, len, &again, &why));
		MUST(again.batch.count == record.batch.count);
	}
	arena_free(&arena);
	return 0;
}
