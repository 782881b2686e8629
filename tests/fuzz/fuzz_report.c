/* What workers and candidates say of themselves and of tasks; the first letter chooses which. Whatever is accepted keeps the
 * limits that the dispatcher relies on. */
#include <string.h>

#include "codec/json.h"
#include "codec/path.h"
#include "fuzz.h"

static void
report(const struct rec_report *report)
{
	MUST(report->lost_after_ms > 0);
	MUST(report->done_count >= 0 && report->returned_count >= 0 && report->returned_count <= 256);
	for (int i = 0; i < report->done_count; i++) {
		MUST(report->done[i].from > 0 && report->done[i].from <= report->done[i].to);
		MUST(i == 0 || report->done[i].from > report->done[i - 1].to);
	}
	for (int i = 0; i < report->returned_count; i++)
		MUST(report->returned_last[i] > 0 && report->returned_last[i] <= INT64_MAX);
	for (int i = 0; i < report->counts_count; i++)
		MUST(queue_name_ok(report->counts[i].queue));
	MUST(report->slots >= 0 && report->in_use >= 0 && report->ahead >= 0);
	MUST(report->run_seconds_mean >= 0 && report->load1 >= -1);
}

static void
worker(const struct rec_worker *worker)
{
	MUST(strlen(worker->inc) == INC_MAX && worker->slots >= 0 && worker->process.pid >= 0);
	for (int i = 0; i < worker->queue_count; i++)
		MUST(queue_name_ok(worker->queues[i]));
}

static void
result(const struct rec_result *result)
{
	struct task_id id = { .seg = result->seg }, again;
	char text[ID_MAX + 1];

	memcpy(id.queue, result->queue, sizeof id.queue);
	memcpy(id.token, result->token, sizeof id.token);
	id_write(&id, text);
	MUST(id_parse(text, &again) && again.seg == id.seg && strcmp(again.token, id.token) == 0);
	MUST(result->outcome.state >= STATE_DONE && result->outcome.state < STATES);
	MUST(result->outcome.signal >= 0 && result->outcome.signal <= 1000);
	MUST(result->outcome.run_seconds >= 0 && result->outcome.cpu_seconds >= 0);
	MUST(!result->outcome.tail == !result->outcome.tail_len || *result->outcome.tail == '\0');
}

static void
properties(const struct record *record)
{
	switch (record->kind) {
	case REC_REPORT:
		report(&record->report);
		break;
	case REC_WORKER:
		worker(&record->worker);
		break;
	case REC_RESULT:
		result(&record->result);
		break;
	default:
		MUST(record->kind == REC_CANDIDATE || record->kind == REC_RETRY);
	}
}

/* Where a field is wrong, it is named. */
static bool
names_what(const char *why)
{
	return strstr(why, ": ") || strcmp(why, "empty") == 0 || strcmp(why, "not a JSON object") == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum record_kind kinds[] = { REC_REPORT, REC_WORKER, REC_CANDIDATE, REC_RESULT, REC_RETRY };
	struct arena arena = { 0 };
	struct record record, again;
	const char *why;
	size_t len, len_again;

	if (size == 0)
		return 0;
	enum record_kind kind = kinds[(unsigned)(data[0] - 'A') % (sizeof kinds / sizeof *kinds)];
	fuzz_abroad(false);
	if (record_decode(&arena, kind, (const char *)data + 1, size - 1, &record, &why)) {
		properties(&record);
		fuzz_abroad(true);
		const char *text = record_encode(&arena, &record, &len);
		MUST(text && record_decode(&arena, kind, text, len, &again, &why));
		fuzz_abroad(false);
		properties(&again);
		const char *text_again = record_encode(&arena, &again, &len_again);
		MUST(text_again && len == len_again && memcmp(text, text_again, len) == 0);
	} else {
		MUST(why && names_what(why));
	}
	arena_free(&arena);
	return 0;
}
