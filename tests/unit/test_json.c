/* Records as JSON: what is written is read back; what strangers write breaks nothing. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/hash.h"
#include "codec/json.h"
#include "codec/path.h"
#include "codec/time.h"
#include "core/rng.h"

#define NOW 1795163462114LL	/* 2026-11-20T08:31:02.114Z */
#define EQ(text, want) ck_assert_pstr_eq(text, want)

static struct arena arena;

static void
setup(void)
{
	memset(&arena, 0, sizeof arena);
}

static void
teardown(void)
{
	arena_free(&arena);
}

static const char *
encode(const struct record *record)
{
	size_t len;
	const char *text = record_encode(&arena, record, &len);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(strlen(text), len);
	ck_assert_ptr_null(strchr(text, '\n'));
	return text;
}

/* Encodes and decodes; every text cut short must be refused (or be what an empty record may be). */
static void
round_trip(const struct record *record, struct record *again, const char *want)
{
	const char *text = encode(record), *why;

	if (want)
		EQ(text, want);
	ck_assert_msg(record_decode(&arena, record->kind, text, strlen(text), again, &why), "%s: %s", text, why);
	EQ(encode(again), text);
	for (size_t len = 1; len < strlen(text); len++) {
		struct record cut;
		char *copy = malloc(len);	/* exactly that long: a sanitizer sees a step too far */

		memcpy(copy, text, len);
		ck_assert(!record_decode(&arena, record->kind, copy, len, &cut, &why));
		ck_assert_ptr_nonnull(why);
		free(copy);
	}
}

static struct record
full_result(void)
{
	struct record record = { .kind = REC_RESULT, .result = {
		.queue = "render", .seg = 4, .token = "k3v9q7xa2m4t",
		.outcome = { .state = STATE_FAILED, .has_exit = true, .exit_code = 2, .started_wall_ms = NOW,
		    .ended_wall_ms = NOW + 12400, .run_seconds = 12.4, .cpu_seconds = 11.9004, .max_rss_bytes = 3250000,
		    .stdout_bytes = 1204, .log_complete = true, .tail = "a\n\xc3\xbc\"\\", .tail_len = 6 },
		.attempt = 3, .fence = { 1, 2 }, .worker = "node07", .name = "frame", .by = "worker node07",
		.at_wall_ms = NOW + 12500,
	} };

	return record;
}

START_TEST(results)
{
	struct record record = full_result(), again;

	round_trip(&record, &again, "{\"v\":1,\"id\":\"render.4.k3v9q7xa2m4t\",\"name\":\"frame\",\"state\":\"failed\","
	    "\"exit\":2,\"signal\":null,\"attempt\":3,\"fence\":\"00000000000000010000000000000002\",\"worker\":\"node07\","
	    "\"started\":\"2026-11-20T08:31:02.114Z\",\"ended\":\"2026-11-20T08:31:14.514Z\",\"run_seconds\":12.4,"
	    "\"cpu_seconds\":11.9,\"max_rss_bytes\":3250000,\"stdout_bytes\":1204,\"stderr_bytes\":0,\"dropped_bytes\":0,"
	    "\"log_complete\":true,\"tail\":\"a\\n\xc3\xbc\\\"\\\\\",\"by\":\"worker node07\","
	    "\"at\":\"2026-11-20T08:31:14.614Z\"}");
	ck_assert_int_eq(again.result.outcome.state, STATE_FAILED);
	ck_assert(again.result.outcome.has_exit && again.result.outcome.exit_code == 2 && again.result.attempt == 3);
	ck_assert(again.result.fence.czxid == 1 && again.result.fence.counter == 2 && again.result.seg == 4);
	ck_assert_uint_eq(again.result.outcome.tail_len, 6);
	EQ(again.result.outcome.tail, "a\n\xc3\xbc\"\\");
	ck_assert_int_eq(again.result.outcome.ended_wall_ms, NOW + 12400);

	record.result.outcome.has_exit = false;
	record.result.outcome.signal = 9;
	round_trip(&record, &again, NULL);
	ck_assert(!again.result.outcome.has_exit && again.result.outcome.signal == 9);

	record.result.task = "{\"argv\":[\"x\"],\"at\":\"2026-11-20T08:31:02.114Z\"}";
	round_trip(&record, &again, NULL);
	ck_assert_int_eq(again.result.submitted_wall_ms, NOW);
	record.result.task = "{\"at\":\"2026-13-20\"}";
	round_trip(&record, &again, NULL);
	ck_assert_int_eq(again.result.submitted_wall_ms, 0);
	record.result.task = "{\"at\":[1]}";
	round_trip(&record, &again, NULL);
	ck_assert_int_eq(again.result.submitted_wall_ms, 0);
}
END_TEST

START_TEST(results_of_every_state)
{
	for (int state = STATE_DONE; state < STATES; state++) {
		struct record record = full_result(), again;

		record.result.outcome.state = (enum task_state)state;
		round_trip(&record, &again, NULL);
		ck_assert_int_eq(again.result.outcome.state, state);
	}
}
END_TEST

START_TEST(ends_of_output)
{
	static const struct { const char *bytes; size_t len; bool plain; } tails[] = {
		{ "\xff\xfe\x00x", 4, false }, { "nul\0nul", 7, false }, { "\xc3", 1, false }, { "\xed\xa0\x80", 3, false },
		{ "\x1b[31mred\x1b[0m text", 17, true }, { "1\n2\n3\n", 6, true }, { "\x01\x02\x03\x04\x05\x06", 6, false },
		{ "x", 1, true }, { "\xf4\x8f\xbf\xbf", 4, true }, { "\xf4\x90\x80\x80", 4, false },
	};

	for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
		struct record record = full_result(), again;

		record.result.outcome.tail = tails[i].bytes;
		record.result.outcome.tail_len = tails[i].len;
		round_trip(&record, &again, NULL);
		ck_assert_uint_eq(again.result.outcome.tail_len, tails[i].len);
		ck_assert_int_eq(memcmp(again.result.outcome.tail, tails[i].bytes, tails[i].len), 0);
		ck_assert_int_eq(strstr(encode(&record), "\"tail\":") != NULL, tails[i].plain);
	}
	/* the largest size of a result is known */
	char wild[TAIL_OTHER_BYTES];
	for (int byte = 0; byte < 256; byte++) {
		struct record record = full_result();

		memset(wild, byte, sizeof wild);
		record.result.outcome.tail = wild;
		record.result.outcome.tail_len = sizeof wild;
		ck_assert_uint_lt(strlen(encode(&record)), 2 * sizeof wild + 1000);
	}
}
END_TEST

START_TEST(dead_letters_carry_their_task)
{
	static const struct { const char *task, *back; } tasks[] = {
		{ "{\"argv\":[\"a\"],\"x\":0.1,\"task\":[{\"}\":\"]\\\"\"}]}", NULL },
		{ " {\"argv\":\n[\"a\"]}\n", "{\"argv\": [\"a\"]}" },
		{ "not a task \xff", NULL }, { "{\"argv\":[\"a\"],\"argv\":1}", NULL }, { "[1]", NULL },
	};

	for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
		struct record record = { .kind = REC_RESULT, .result = { .queue = "q", .token = "k3v9q7xa2m4t",
		    .outcome = { .state = STATE_DEAD, .reason = "invalid" }, .task = tasks[i].task } }, again;

		round_trip(&record, &again, NULL);
		EQ(again.result.task, tasks[i].back ? tasks[i].back : tasks[i].task);
		EQ(again.result.outcome.reason, "invalid");
		ck_assert(again.result.attempt == 0 && again.result.fence.czxid == 0);
	}
}
END_TEST

static struct record
full_report(void)
{
	static const struct range done[] = { { 815, 820 }, { 822, 822 } };
	static const uint64_t last[] = { 807, 819 };
	static const struct queue_count counts[] = { { "default", 7, 2 }, { "render", 0, 1 } };
	struct record record = { .kind = REC_REPORT, .report = {
		.lost_after_ms = 30000, .r = 2, .process = { "node07", "b00t", 4711, 12345678 }, .low = 812, .done = done,
		.done_count = 2, .returned_total = 3, .returned_last = last, .returned_count = 2, .slots = 4, .in_use = 3,
		.ahead = 17, .draining = true, .load1 = 0.25, .mem_total_bytes = 1ull << 40, .mem_free_bytes = 5,
		.disk_free_bytes = 6, .run_seconds_mean = 0.0124, .counts = counts, .counts_count = 2, .at_wall_ms = NOW,
	} };

	return record;
}

START_TEST(reports)
{
	struct record record = full_report(), again;

	round_trip(&record, &again, "{\"v\":1,\"lost_after\":30.0,\"r\":2,\"host\":\"node07\",\"boot\":\"b00t\",\"pid\":4711,"
	    "\"start\":12345678,\"low\":812,\"done\":[\"815-820\",\"822\"],\"returned\":{\"total\":3,\"last\":[807,819]},"
	    "\"slots\":4,\"in_use\":3,\"ahead\":17,\"draining\":true,\"load\":{\"load1\":0.25,"
	    "\"mem_total_bytes\":1099511627776,\"mem_free_bytes\":5,\"disk_free_bytes\":6},\"run_seconds_mean\":0.012,"
	    "\"counts\":{\"default\":{\"done\":7,\"failed\":2},\"render\":{\"done\":0,\"failed\":1}},"
	    "\"at\":\"2026-11-20T08:31:02.114Z\"}");
	ck_assert(again.report.lost_after_ms == 30000 && again.report.done_count == 2 && again.report.draining);
	ck_assert(report_resolves(&again.report, 816) && !report_resolves(&again.report, 821) &&
	    report_returned(&again.report, 819));
	ck_assert(again.report.process.start == 12345678 && again.report.counts_count == 2 &&
	    again.report.counts[1].failed == 1);

	struct record small = { .kind = REC_REPORT, .report = { .lost_after_ms = 2125, .load1 = -1 } };
	round_trip(&small, &again, NULL);
	ck_assert(again.report.lost_after_ms == 2125 && again.report.load1 < 0 && again.report.done_count == 0);
}
END_TEST

START_TEST(bad_reports)
{
	static const char *const bad[] = {
		"{}", "{\"lost_after\":0}", "{\"lost_after\":\"30\"}", "{\"lost_after\":-1}", "{\"lost_after\":1e300}",
		"{\"lost_after\":30,\"low\":-1}", "{\"lost_after\":30,\"low\":1.5}", "{\"lost_after\":30,\"done\":[1]}",
		"{\"lost_after\":30,\"done\":[\"5-3\"]}", "{\"lost_after\":30,\"done\":[\"3-5\",\"5\"]}",
		"{\"lost_after\":30,\"done\":[\"0\"]}", "{\"lost_after\":30,\"done\":[\"1-\"]}", "{\"lost_after\":30,\"done\":[\"\"]}",
		"{\"lost_after\":30,\"done\":[\"99999999999999999999\"]}", "{\"lost_after\":30,\"done\":{}}",
		"{\"lost_after\":30,\"returned\":[]}", "{\"lost_after\":30,\"returned\":{\"last\":[0]}}",
		"{\"lost_after\":30,\"returned\":{\"last\":7}}", "{\"lost_after\":30,\"counts\":{\"Bad\":{}}}",
		"{\"lost_after\":30,\"counts\":{\"q\":7}}", "{\"lost_after\":30,\"load\":{\"load1\":-1}}",
		"{\"lost_after\":30,\"draining\":1}", "{\"lost_after\":30,\"host\":7}", "{\"lost_after\":30,\"v\":2}",
		"{\"lost_after\":30,\"low\":1,\"low\":2}", "{\"lost_after\":30,\"low\":99999999999999999999}",
		"{\"lost_after\":30,\"r\":4294967296}", "[]", "7", "nul", "\"x\"",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct record record;
		const char *why = NULL;

		ck_assert_msg(!record_decode(&arena, REC_REPORT, bad[i], strlen(bad[i]), &record, &why), "%s", bad[i]);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

START_TEST(other_records)
{
	static const char *const queues[] = { "default", "render" };
	struct record again, worker = { .kind = REC_WORKER, .worker = { .inc = "abcdefgh", .r = 3,
	    .process = { "h", "b", 12, 34 }, .slots = 4, .queues = queues, .queue_count = 2, .log = "10.0.0.7:9798",
	    .version = "0.1.0", .at_wall_ms = NOW } };

	round_trip(&worker, &again, "{\"v\":1,\"inc\":\"abcdefgh\",\"host\":\"h\",\"boot\":\"b\",\"pid\":12,\"start\":34,\"r\":3,"
	    "\"slots\":4,\"resources\":{},\"labels\":{},\"queues\":[\"default\",\"render\"],\"log\":\"10.0.0.7:9798\","
	    "\"version\":\"0.1.0\",\"at\":\"2026-11-20T08:31:02.114Z\"}");
	ck_assert_int_eq(again.worker.queue_count, 2);
	EQ(again.worker.queues[1], "render");
	struct record records[] = {
		{ .kind = REC_UPDATE, .update = { 9, 60000, "anna@desk3", NOW } }, { .kind = REC_UPDATE, .update = { 0, -1, NULL, 0 } },
		{ .kind = REC_UPDATE, .update = { -1, 0, NULL, 0 } },
		{ .kind = REC_CANDIDATE, .candidate = { "d1", "h", 7, "127.0.0.1:80", NOW, "b00t", 12345 } },
		{ .kind = REC_RETRY, .retry = { 3, 1, true, "worker lost", "dispatcher d1", NOW } },
		{ .kind = REC_TAIL, .tail = { 4 } }, { .kind = REC_STAMP, .stamp = { .count = 500, .bytes = 150000 } },
		{ .kind = REC_MOVED, .moved = { "default", 4, "k3v9q7xa2m4t" } },
		{ .kind = REC_WISH, .wish = { "anna@desk3", "wrong \xc3\xa4 input", NOW } }, { .kind = REC_WISH },
		{ .kind = REC_KEY, .key = { 4, "k3v9q7xa2m4tx12", "night\twork" } },
		{ .kind = REC_ROOT, .root = { 1, "k3v9" } }, { .kind = REC_STARTED },
		{ .kind = REC_CLASS, .class = { .mode = MODE_AT_MOST_ONCE, .crash_limit = 3 } },
		{ .kind = REC_QUEUE, .queue = { .paused = true, .paused_by = "a", .paused_reason = "b",
		    .retain_age_ms = 1500, .retain_count = 2, .retain_bytes = 3, .waiting_max = 4 } },
		{ .kind = REC_CLASS, .class = { .text = class_default_text } }, { .kind = REC_QUEUE },
	};
	static const char *const want[] = {
		NULL, "{\"v\":1,\"priority\":0}", "{\"v\":1,\"time_limit\":0.0}",
		"{\"v\":1,\"name\":\"d1\",\"host\":\"h\",\"boot\":\"b00t\",\"pid\":7,\"start\":12345,"
		"\"http\":\"127.0.0.1:80\",\"at\":\"2026-11-20T08:31:02.114Z\"}",
		NULL, "{\"v\":1,\"tail\":4}", "{\"v\":1,\"count\":500,\"bytes\":150000}",
		"{\"v\":1,\"id\":\"default.4.k3v9q7xa2m4t\"}", NULL, "{\"v\":1}", NULL,
		"{\"v\":1,\"format\":1,\"cluster\":\"k3v9\"}", "started",
		"{\"v\":1,\"mode\":\"at-most-once\",\"on_lost\":\"requeue\",\"crash_limit\":3}", NULL, class_default_text, "{\"v\":1}",
	};
	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
		round_trip(&records[i], &again, want[i]);
		ck_assert_int_eq(again.kind, records[i].kind);
	}
	ck_assert_uint_eq(again.queue.retain_count, RETAIN_COUNT);
	struct record none = { .kind = REC_NONE };
	size_t len;
	ck_assert_ptr_nonnull(record_encode(&arena, &none, &len));
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(classes)
{
	struct record record;
	const char *why, *odd = "{\"v\":1,\"mode\":\"overlap\",\"future\":[1]}";

	ck_assert(record_decode(&arena, REC_CLASS, class_default_text, strlen(class_default_text), &record, &why));
	ck_assert(record.class.hash == class_default_hash() && record.class.mode == MODE_EXCLUSIVE &&
	    record.class.crash_limit == 5);
	ck_assert(record_decode(&arena, REC_CLASS, odd, strlen(odd), &record, &why));
	ck_assert(record.class.mode == MODE_OVERLAP && record.class.crash_limit == CRASH_LIMIT);
	EQ(record.class.text, odd);
	ck_assert(!record_decode(&arena, REC_CLASS, "{\"mode\":\"x\"}", 12, &record, &why));
	EQ(why, "mode: unknown");
	/* the hash stands in names of znodes: it must never change */
	ck_assert_uint_eq(text_hash("", 0), UINT64_C(0xf52a15e9a9b5e89b));
	ck_assert_uint_ne(text_hash("a", 1), text_hash("b", 1));
}
END_TEST

START_TEST(task_gets_another_time_limit)
{
	const char *text = "{\"argv\":[\"a\"],\"time_limit\":5,\"future\":[1,2.5]}";
	struct record record = { .kind = REC_TASK, .task = { .text = text, .len = strlen(text), .set_time_limit = true,
		.time_limit_ms = 90500 } };
	size_t len;

	EQ(record_encode(&arena, &record, &len), "{\"argv\":[\"a\"],\"time_limit\":90.5,\"future\":[1,2.5]}");
	record.task.time_limit_ms = 0;
	EQ(record_encode(&arena, &record, &len), "{\"argv\":[\"a\"],\"future\":[1,2.5]}");
	ck_assert_uint_eq(len, strlen("{\"argv\":[\"a\"],\"future\":[1,2.5]}"));
	record.task.text = "no task";
	record.task.len = 7;
	EQ(record_encode(&arena, &record, &len), "no task");
}
END_TEST

START_TEST(queue_configuration_keeps_what_it_does_not_know)
{
	struct record record;
	const char *why, *text = "{\"future\":{\"a\":[1,2.5]},\"retain_age\":3600}";
	const char *paused = queue_text_paused(&arena, text, true, 90000, "anna", "disk is full", NOW);

	ck_assert_ptr_nonnull(strstr(paused, "\"future\":{\"a\":[1,2.5]}"));
	ck_assert(record_decode(&arena, REC_QUEUE, paused, strlen(paused), &record, &why));
	ck_assert(record.queue.paused && record.queue.retain_age_ms == 3600000);
	EQ(record.queue.paused_by, "anna");
	EQ(record.queue.paused_reason, "disk is full");
	ck_assert_int_eq(queue_pause_end(&record.queue, 1000), 91000);
	ck_assert_int_eq(queue_pause_end(&record.queue, INT64_MAX - 1), INT64_MAX);
	EQ(encode(&record), paused);
	const char *resumed = queue_text_paused(&arena, paused, false, 0, "bert", NULL, NOW);
	ck_assert(record_decode(&arena, REC_QUEUE, resumed, strlen(resumed), &record, &why));
	ck_assert(!record.queue.paused && !record.queue.paused_by && !record.queue.paused_reason && !record.queue.paused_for_ms);
	ck_assert_int_eq(queue_pause_end(&record.queue, 1000), 0);
	ck_assert_ptr_nonnull(queue_text_paused(&arena, NULL, true, 0, "a", NULL, NOW));
	ck_assert_ptr_nonnull(queue_text_paused(&arena, "", true, 0, NULL, NULL, NOW));
	ck_assert_ptr_null(queue_text_paused(&arena, "[1]", true, 0, "a", NULL, NOW));
	ck_assert_ptr_null(queue_text_paused(&arena, "{", true, 0, "a", NULL, NOW));
}
END_TEST

START_TEST(times)
{
	char text[25];
	int64_t wall_ms;

	time_write(NOW, text);
	EQ(text, "2026-11-20T08:31:02.114Z");
	struct rng rng;
	rng_seed(&rng, 1);
	for (int i = 0; i < 100000; i++) {
		int64_t time = (int64_t)rng_below(&rng, 315569520000000ULL) - 62167219200000LL;	/* years 0 to 9999 */

		time_write(time, text);
		ck_assert_msg(time_parse(text, &wall_ms) && wall_ms == time, "%s", text);
	}
	time_write(INT64_MIN, text);
	time_write(INT64_MAX, text);
	EQ(text, "1970-01-01T00:00:00.000Z");
	ck_assert(time_parse("2024-02-29T23:59:59.999Z", &wall_ms));
	static const char *const bad[] = { "", "2026-11-20", "2026-11-20T08:31:02Z", "2026-11-20T08:31:02.114",
		"2026-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-00-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z",
		"2026-04-31T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "2026-01-01T00:60:00.000Z", "2026-01-01T00:00:60.000Z",
		"2026-11-20T08:31:02.114Zx", "x026-11-20T08:31:02.114Z", "2026-11-20 08:31:02.114Z" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!time_parse(bad[i], &wall_ms), "%s", bad[i]);
}
END_TEST

/* ---- tasks ---- */

START_TEST(good_tasks)
{
	static const char *const good[] = {
		"{\"argv\":[\"uname\",\"-a\"]}", "{\"noop\":true}", "{\"v\":1,\"argv\":[\"a\",\"\"]}", "{\"argv_base64\":[\"/w==\"]}",
		"{\"argv\":[\"a\"],\"cwd\":null,\"env\":{},\"stdin\":null,\"time_limit\":null,\"future\":{\"x\":[1]}}",
		"{\"argv\":[\"a\"],\"kill_grace\":0,\"time_limit\":0.001,\"retries\":2,\"priority\":0}",
		"{\"argv\":[\"a\"],\"env\":{\"A_1\":\"x=y\",\"_\":\"\"}}", "{\"argv\":[\"a\"],\"name\":\"gr\xc3\xbc\xc3\x9f e\"}",
		"{\"argv\":[\"a\"],\"by\":\"x\",\"at\":\"whenever\"}", "{\"noop\":true,\"argv\":[\"a\"]}",
	};

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct record record;
		const char *why;

		ck_assert(record_decode(&arena, REC_TASK, good[i], strlen(good[i]), &record, &why));
		ck_assert_msg(!record.task.invalid, "%s: %s", good[i], record.task.invalid);
		EQ(record.task.text, good[i]);
		EQ(encode(&record), good[i]);
		ck_assert(record.task.class_hash == class_default_hash() && record.task.key_hash == 0);
	}
	const char *pretty = "\n{ \"argv\":\n\t[\"a\\nb\"],\r\n \"priority\":9, \"time_limit\":1.5 }\n";
	struct record record;
	const char *why;
	ck_assert(record_decode(&arena, REC_TASK, pretty, strlen(pretty), &record, &why));
	EQ(record.task.text, "{ \"argv\":  [\"a\\nb\"],   \"priority\":9, \"time_limit\":1.5 }");
	ck_assert(record.task.priority == 9 && record.task.time_limit_ms == 1500 &&
	    record.task.kill_grace_ms == KILL_GRACE_MS);
}
END_TEST

START_TEST(bad_tasks)
{
	static const struct { const char *text, *why; } bad[] = {
		{ "", "empty" }, { "x", NULL }, { "[]", "not a JSON object" }, { "{}", "argv: missing" },
		{ "{\"argv\":[]}", "argv: must be an array of strings, not empty" },
		{ "{\"argv\":\"ls\"}", "argv: must be an array of strings, not empty" },
		{ "{\"argv\":[\"\"]}", "argv: the command is empty" }, { "{\"argv\":[1]}", NULL }, { "{\"argv\":[null]}", NULL },
		{ "{\"argv\":[\"a\\u0000b\"]}", NULL }, { "{\"argv\":[\"a\"],\"argv\":[\"b\"]}", NULL },
		{ "{\"argv\":[\"a\"],\"argv_base64\":[\"YQ==\"]}", "argv: given twice, plain and in base64" },
		{ "{\"argv_base64\":[\"YQ=\"]}", NULL }, { "{\"argv_base64\":[\"Y===\"]}", NULL },
		{ "{\"argv_base64\":[\"YQ==YQ==\"]}", NULL }, { "{\"argv_base64\":[\"AGE=\"]}", NULL },
		{ "{\"argv_base64\":[\"\"]}", "argv_base64: the command is empty" },
		{ "{\"shell\":\"ls\"}", "shell: write \"argv\":[\"/bin/sh\",\"-c\",...] instead" },
		{ "{\"noop\":1}", "noop: must be true or false" }, { "{\"noop\":false}", "argv: missing" },
		{ "{\"argv\":[\"a\"],\"v\":2}", "v: must be 1" },
		{ "{\"argv\":[\"a\"],\"name\":7}", "name: must be a string" }, { "{\"argv\":[\"a\"],\"name\":\"a\\nb\"}", NULL },
		{ "{\"argv\":[\"a\"],\"name\":\"\\u0085\"}", NULL }, { "{\"argv\":[\"a\"],\"cwd\":\"tmp\"}", "cwd: must be an absolute path of at most 4095 bytes" },
		{ "{\"argv\":[\"a\"],\"env\":[]}", "env: must be an object of strings" },
		{ "{\"argv\":[\"a\"],\"env\":{\"A\":1}}", "env: must be an object of strings" },
		{ "{\"argv\":[\"a\"],\"env\":{\"\":\"\"}}", NULL }, { "{\"argv\":[\"a\"],\"env\":{\"1A\":\"\"}}", NULL },
		{ "{\"argv\":[\"a\"],\"env\":{\"A=B\":\"\"}}", NULL }, { "{\"argv\":[\"a\"],\"env\":{\"ZKQ_ID\":\"\"}}", NULL },
		{ "{\"argv\":[\"a\"],\"stdin\":7}", "stdin: must be a string" },
		{ "{\"argv\":[\"a\"],\"stdin\":\"\",\"stdin_base64\":\"\"}", NULL },
		{ "{\"argv\":[\"a\"],\"stdin_base64\":\"*\"}", "stdin_base64: must be base64" },
		{ "{\"argv\":[\"a\"],\"time_limit\":0}", "time_limit: must be a number of seconds from 0.001 to 1000000000" },
		{ "{\"argv\":[\"a\"],\"time_limit\":-1}", "time_limit: must be a number of seconds from 0.001 to 1000000000" },
		{ "{\"argv\":[\"a\"],\"time_limit\":\"10\"}", "time_limit: must be a number of seconds from 0.001 to 1000000000" },
		{ "{\"argv\":[\"a\"],\"time_limit\":1e100}", "time_limit: must be a number of seconds from 0.001 to 1000000000" },
		{ "{\"argv\":[\"a\"],\"time_limit\":1e999}", NULL }, { "{\"argv\":[\"a\"],\"time_limit\":NaN}", NULL },
		{ "{\"argv\":[\"a\"],\"time_limit\":99999999999999999999999}", NULL },
		{ "{\"argv\":[\"a\"],\"kill_grace\":-0.1}", "kill_grace: must be a number of seconds from 0 to 1000000000" },
		{ "{\"argv\":[\"a\"],\"retries\":-1}", "retries: must be a whole number from 0 to 1000" },
		{ "{\"argv\":[\"a\"],\"priority\":10}", "priority: must be a whole number from 0 to 9" },
		{ "{\"argv\":[\"a\"],\"priority\":\"5\"}", NULL }, { "{\"argv\":[\"a\"],\"by\":{}}", "by: must be a string" },
		{ "{\"argv\":[\"a\"]} x", NULL }, { "{\"argv\":[\"\xff\"]}", NULL },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct record record;
		const char *why;

		ck_assert(record_decode(&arena, REC_TASK, bad[i].text, strlen(bad[i].text), &record, &why));
		ck_assert_msg(record.task.invalid != NULL, "%s", bad[i].text);
		if (bad[i].why)
			EQ(record.task.invalid, bad[i].why);
		EQ(record.task.text, bad[i].text);	/* kept for the dead letter */
		ck_assert_int_eq(record.task.priority, PRIORITY_DEFAULT);
	}
	char name[200] = "{\"argv\":[\"a\"],\"name\":\"";
	memset(name + strlen(name), 'n', 129);
	strcat(name, "\"}");
	struct record record;
	const char *why;
	ck_assert(record_decode(&arena, REC_TASK, name, strlen(name), &record, &why) && record.task.invalid);
}
END_TEST

START_TEST(whole_tasks)
{
	static const char *const argv[] = { "./frame.sh", "17", "", NULL }, *const raw_argv[] = { "ls", "\xff\x01", NULL };
	static const char *const env[] = { "LANG=de", "A=b=c", "LANG=C", "E=", NULL }, *const bad_env[] = { "A=\xff", NULL };
	struct task_spec spec = { .argv = argv, .name = "frame", .cwd = "/srv", .env = env, .input = "x\0y", .input_len = 3,
		.time_limit_ms = 600000, .kill_grace_ms = 1250, .priority = 7, .by = "anna@desk3", .at_wall_ms = NOW };
	struct task_spec again;
	const char *why;
	size_t len;
	const char *text = task_encode(&arena, &spec, &len, &why);

	EQ(text, "{\"v\":1,\"argv\":[\"./frame.sh\",\"17\",\"\"],\"name\":\"frame\",\"by\":\"anna@desk3\","
	    "\"at\":\"2026-11-20T08:31:02.114Z\",\"cwd\":\"/srv\",\"env\":{\"A\":\"b=c\",\"LANG\":\"C\",\"E\":\"\"},"
	    "\"stdin_base64\":\"eAB5\",\"time_limit\":600.0,\"kill_grace\":1.25,\"priority\":7}");
	ck_assert_msg(task_decode(&arena, text, len, &again, &why), "%s", why);
	for (int i = 0; i < 4; i++)
		ck_assert_pstr_eq(again.argv[i], argv[i]);
	EQ(again.env[0], "A=b=c");
	EQ(again.env[1], "LANG=C");
	ck_assert_ptr_null(again.env[3]);
	ck_assert(again.input_len == 3 && memcmp(again.input, "x\0y", 4) == 0);
	ck_assert(again.time_limit_ms == 600000 && again.kill_grace_ms == 1250 && again.priority == 7);

	struct task_spec bytes = { .argv = raw_argv, .kill_grace_ms = -1, .priority = -1, .input = "", .env = argv + 3 };
	text = task_encode(&arena, &bytes, &len, &why);
	EQ(text, "{\"v\":1,\"argv_base64\":[\"bHM=\",\"/wE=\"],\"env\":{},\"stdin\":\"\"}");
	ck_assert(task_decode(&arena, text, len, &again, &why));
	EQ(again.argv[1], "\xff\x01");
	ck_assert(again.kill_grace_ms == KILL_GRACE_MS && again.priority == PRIORITY_DEFAULT);
	bytes.env = bad_env;
	ck_assert_ptr_null(task_encode(&arena, &bytes, &len, &why));
	EQ(why, "env: not UTF-8");
	struct task_spec noop = { .noop = true, .kill_grace_ms = -1, .priority = -1 };
	EQ(task_encode(&arena, &noop, &len, &why), "{\"v\":1,\"noop\":true}");
}
END_TEST

START_TEST(batches)
{
	struct record record = { .kind = REC_NONE }, batch = { .kind = REC_BATCH };
	struct rec_task tasks[3] = { { .text = "{\"argv\":[\"a,]}\\\"\"]}" }, { .text = "{\"noop\":true}" }, { .text = "17" } };
	const char *why;

	for (int i = 0; i < 3; i++)
		tasks[i].len = strlen(tasks[i].text);
	batch.batch.tasks = tasks;
	batch.batch.count = 3;
	round_trip(&batch, &record, "[{\"argv\":[\"a,]}\\\"\"]},{\"noop\":true},17]");
	ck_assert_int_eq(record.batch.count, 3);
	for (int i = 0; i < 3; i++)
		EQ(record.batch.tasks[i].text, tasks[i].text);
	ck_assert(!record.batch.tasks[0].invalid && record.batch.tasks[1].noop);
	ck_assert_ptr_nonnull(record.batch.tasks[2].invalid);
	const char *spaced = " [ {\"noop\":true} ,\n {\"noop\" : true }\t] ";
	ck_assert(record_decode(&arena, REC_BATCH, spaced, strlen(spaced), &record, &why));
	EQ(record.batch.tasks[1].text, "{\"noop\" : true }");
	ck_assert(record_decode(&arena, REC_BATCH, "[]", 2, &record, &why) && record.batch.count == 0);
	ck_assert(!record_decode(&arena, REC_BATCH, "{}", 2, &record, &why));
	ck_assert(!record_decode(&arena, REC_BATCH, "", 0, &record, &why));
	char many[1000] = "[1";
	for (int i = 0; i < MULTI_TASKS_MAX; i++)
		strcat(many, ",1");
	strcat(many, "]");
	ck_assert(!record_decode(&arena, REC_BATCH, many, strlen(many), &record, &why));
}
END_TEST

/* Whatever stands in a znode, a record is read or refused with a phrase. */
START_TEST(garbage)
{
	size_t size = 1 << 20;
	char *data = malloc(size);
	struct rng rng;
	static const char letters[] = "{}[]\",:\\0123456789.eE-+truefalsn \n\x01\xff\xc3\xbc";

	rng_seed(&rng, 7);
	for (int round = 0; round < 6; round++) {
		for (size_t i = 0; i < size; i++)
			data[i] = round == 0 ? '[' : round == 1 ? (i % 2 ? ':' : '{') : round == 2 ? '9' :
			    round == 3 ? "{\"a\":"[i % 5] : round == 4 ? (char)rng_next(&rng) :
			    letters[rng_below(&rng, sizeof letters - 1)];
		for (int kind = REC_NONE; kind < REC_KINDS; kind++) {
			struct record record;
			const char *why = NULL;
			bool ok = record_decode(&arena, (enum record_kind)kind, data, size, &record, &why);

			ck_assert(ok == (kind == REC_NONE || kind == REC_BYTES || kind == REC_TASK));
			ck_assert(ok || why);
			if (kind == REC_TASK)
				ck_assert_ptr_nonnull(record.task.invalid);
			arena_reset(&arena);
		}
	}
	free(data);
}
END_TEST

/* One byte of a good record changed, at every place and to many values. */
START_TEST(changed_bytes)
{
	struct record records[] = { full_result(), full_report() };

	records[0].result.task = "{\"argv\":[\"a\"]}";
	for (size_t r = 0; r < 2; r++) {
		char *text = strdup(encode(&records[r]));
		size_t len = strlen(text);

		for (size_t at = 0; at < len; at++)
			for (int byte = 0; byte < 256; byte += 3) {
				struct record record;
				const char *why = NULL;
				char was = text[at];

				text[at] = (char)byte;
				if (record_decode(&arena, records[r].kind, text, len, &record, &why)) {
					size_t encoded;

					ck_assert_ptr_nonnull(record_encode(&arena, &record, &encoded));
				} else {
					ck_assert_ptr_nonnull(why);
				}
				text[at] = was;
				arena_reset(&arena);
			}
		free(text);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json");
	TCase *cases = tcase_create("json");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, results);
	tcase_add_test(cases, results_of_every_state);
	tcase_add_test(cases, ends_of_output);
	tcase_add_test(cases, dead_letters_carry_their_task);
	tcase_add_test(cases, reports);
	tcase_add_test(cases, bad_reports);
	tcase_add_test(cases, other_records);
	tcase_add_test(cases, classes);
	tcase_add_test(cases, task_gets_another_time_limit);
	tcase_add_test(cases, queue_configuration_keeps_what_it_does_not_know);
	tcase_add_test(cases, times);
	tcase_add_test(cases, good_tasks);
	tcase_add_test(cases, bad_tasks);
	tcase_add_test(cases, whole_tasks);
	tcase_add_test(cases, batches);
	tcase_add_test(cases, garbage);
	tcase_add_test(cases, changed_bytes);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
