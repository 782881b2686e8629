/* What processes say of themselves: candidates, workers, and the workers' reports. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_fields.h"
#include "codec/path.h"

/* Far above what a worker writes; a report is read on every round. */
#define RANGES_MAX 100000
#define QUEUES_MAX 1000
#define SLOTS_MAX 1000000

static void
add_process(struct text *text, const struct process_id *process)
{
	text_string(text, "host", process->host);
	text_string(text, "boot", process->boot);
	text_int(text, "pid", process->pid);
	text_uint(text, "start", process->start);
}

static void
read_process(struct reader *reader, struct process_id *process)
{
	process->host = read_string(reader, "host");
	process->boot = read_string(reader, "boot");
	process->pid = read_int(reader, "pid", 0, INT64_MAX, 0);
	process->start = read_uint(reader, "start");
}

void
encode_candidate(struct text *text, const struct rec_candidate *candidate)
{
	text_string(text, "name", candidate->name);
	text_string(text, "host", candidate->host);
	text_string(text, "boot", candidate->boot);
	text_int(text, "pid", candidate->pid);
	text_uint(text, "start", candidate->start);
	text_string(text, "http", candidate->http);
	text_time(text, "at", candidate->at_wall_ms);
}

void
decode_candidate(struct reader *reader, struct rec_candidate *candidate)
{
	candidate->name = read_string(reader, "name");
	candidate->host = read_string(reader, "host");
	candidate->boot = read_string(reader, "boot");
	candidate->pid = read_int(reader, "pid", 0, INT64_MAX, 0);
	candidate->start = read_uint(reader, "start");
	candidate->http = read_string(reader, "http");
	candidate->at_wall_ms = read_time(reader, "at");
}

/* ---- worker ---- */

void
encode_worker(struct text *text, const struct rec_worker *worker)
{
	text_string(text, "inc", worker->inc);
	add_process(text, &worker->process);
	text_uint(text, "r", worker->r);
	text_int(text, "slots", worker->slots);
	text_key(text, "resources");
	text_words(text, "{}");
	text_key(text, "labels");
	text_words(text, "{}");
	text_key(text, "queues");
	text_words(text, "[");
	for (int i = 0; i < worker->queue_count; i++) {
		text_words(text, i ? "," : "");
		text_quoted(text, worker->queues[i], strlen(worker->queues[i]));
	}
	text_words(text, "]");
	text_string(text, "log", worker->log);
	text_string(text, "version", worker->version);
	text_time(text, "at", worker->at_wall_ms);
}

static void
read_queues(struct reader *reader, struct rec_worker *worker)
{
	json_t *array = read_field(reader, "queues");
	size_t count = json_array_size(array);

	if ((array && !json_is_array(array)) || count > QUEUES_MAX) {
		reader_fail(reader, "queues", "must be an array of queue names");
		return;
	}
	const char **queues = arena_alloc(reader->arena, (count + 1) * sizeof *queues);
	for (size_t i = 0; queues && i < count; i++) {
		const char *queue = json_string_value(json_array_get(array, i));

		if (!queue || !queue_name_ok(queue)) {
			reader_fail(reader, "queues", "must be an array of queue names");
			return;
		}
		queues[i] = arena_string(reader->arena, queue);
		if (queues[i])
			worker->queue_count++;
	}
	worker->queues = queues;
}

void
decode_worker(struct reader *reader, struct rec_worker *worker)
{
	const char *inc = read_string(reader, "inc");

	if (!inc || strlen(inc) != INC_MAX)
		reader_fail(reader, "inc", "must be 8 characters");
	else
		memcpy(worker->inc, inc, INC_MAX + 1);
	read_process(reader, &worker->process);
	worker->r = (uint32_t)read_int(reader, "r", 0, UINT32_MAX, 0);
	worker->slots = (int)read_int(reader, "slots", 0, SLOTS_MAX, 0);
	read_queues(reader, worker);
	worker->log = read_string(reader, "log");
	worker->version = read_string(reader, "version");
	worker->at_wall_ms = read_time(reader, "at");
}

/* ---- report: which claims are resolved ---- */

static void
add_ranges(struct text *text, const struct range *ranges, int count)
{
	char buffer[48];

	text_key(text, "done");
	text_words(text, "[");
	for (int i = 0; i < count; i++) {
		const char *comma = i ? "," : "";

		if (ranges[i].from == ranges[i].to)
			snprintf(buffer, sizeof buffer, "%s\"%" PRIu64 "\"", comma, ranges[i].from);
		else
			snprintf(buffer, sizeof buffer, "%s\"%" PRIu64 "-%" PRIu64 "\"", comma, ranges[i].from,
			    ranges[i].to);
		text_words(text, buffer);
	}
	text_words(text, "]");
}

/* A claim number without leading zeros; *text moves behind it. */
static bool
claim_number(const char **text, uint64_t *number)
{
	const char *at = *text;
	uint64_t value = 0;

	if (*at < '1' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	*number = value;
	*text = at;
	return true;
}

static bool
range_parse(const char *text, struct range *range)
{
	if (!text || !claim_number(&text, &range->from))
		return false;
	range->to = range->from;
	if (*text == '-') {
		text++;
		if (!claim_number(&text, &range->to))
			return false;
	}
	return *text == '\0' && range->from <= range->to;
}

static void
read_ranges(struct reader *reader, struct rec_report *report)
{
	json_t *array = read_field(reader, "done");
	size_t count = json_array_size(array);
	static const char wrong[] = "must be an array of ascending ranges (\"815-820\")";

	if (array && (!json_is_array(array) || count > RANGES_MAX)) {
		reader_fail(reader, "done", wrong);
		return;
	}
	struct range *ranges = arena_alloc(reader->arena, (count + 1) * sizeof *ranges);
	for (size_t i = 0; ranges && i < count; i++) {
		if (!range_parse(json_string_value(json_array_get(array, i)), &ranges[i]) ||
		    (i > 0 && ranges[i].from <= ranges[i - 1].to)) {
			reader_fail(reader, "done", wrong);
			return;
		}
		report->done_count++;
	}
	report->done = ranges;
}

static void
add_returned(struct text *text, const struct rec_report *report)
{
	char buffer[24];

	text_key(text, "returned");
	text_words(text, "{");
	text_uint(text, "total", report->returned_total);
	text_key(text, "last");
	text_words(text, "[");
	for (int i = 0; i < report->returned_count; i++) {
		snprintf(buffer, sizeof buffer, "%s%" PRIu64, i ? "," : "", report->returned_last[i]);
		text_words(text, buffer);
	}
	text_words(text, "]}");
}

static void
read_returned(struct reader *reader, struct rec_report *report)
{
	struct reader inner;

	if (!read_object(reader, "returned", &inner))
		return;
	report->returned_total = read_uint(&inner, "total");
	json_t *array = read_field(&inner, "last");
	size_t count = json_array_size(array);
	if (array && (!json_is_array(array) || count > RETURNED_LAST_MAX))
		reader_fail(&inner, "last", "must be an array of at most 256 claim numbers");
	uint64_t *last = arena_alloc(reader->arena, (RETURNED_LAST_MAX + 1) * sizeof *last);
	for (size_t i = 0; last && !inner.why && i < count; i++) {
		json_t *number = json_array_get(array, i);

		if (!json_is_integer(number) || json_integer_value(number) < 1)
			reader_fail(&inner, "last", "must be an array of at most 256 claim numbers");
		else
			last[report->returned_count++] = (uint64_t)json_integer_value(number);
	}
	report->returned_last = last;
	read_object_end(reader, "returned", &inner);
}

static void
add_load(struct text *text, const struct rec_report *report)
{
	text_key(text, "load");
	text_words(text, "{");
	if (report->load1 >= 0)
		text_double(text, "load1", report->load1);
	if (report->mem_total_bytes)
		text_uint(text, "mem_total_bytes", report->mem_total_bytes);
	if (report->mem_free_bytes)
		text_uint(text, "mem_free_bytes", report->mem_free_bytes);
	if (report->disk_free_bytes)
		text_uint(text, "disk_free_bytes", report->disk_free_bytes);
	text_words(text, "}");
}

static void
read_load(struct reader *reader, struct rec_report *report)
{
	struct reader inner;

	report->load1 = -1;
	if (!read_object(reader, "load", &inner))
		return;
	report->load1 = read_double(&inner, "load1", 0, -1);
	report->mem_total_bytes = read_uint(&inner, "mem_total_bytes");
	report->mem_free_bytes = read_uint(&inner, "mem_free_bytes");
	report->disk_free_bytes = read_uint(&inner, "disk_free_bytes");
	read_object_end(reader, "load", &inner);
}

static void
add_counts(struct text *text, const struct rec_report *report)
{
	text_key(text, "counts");
	text_words(text, "{");
	for (int i = 0; i < report->counts_count; i++) {
		text_key(text, report->counts[i].queue);
		text_words(text, "{");
		text_uint(text, "done", report->counts[i].done);
		text_uint(text, "failed", report->counts[i].failed);
		text_words(text, "}");
	}
	text_words(text, "}");
}

static void
read_counts(struct reader *reader, struct rec_report *report)
{
	struct reader inner;
	const char *queue;
	json_t *count;

	if (!read_object(reader, "counts", &inner))
		return;
	struct queue_count *counts = arena_alloc(reader->arena,
	    (json_object_size(inner.object) + 1) * sizeof *counts);
	if (!counts)
		return;
	json_object_foreach(inner.object, queue, count) {
		struct reader one;

		if (!queue_name_ok(queue) || !read_object(&inner, queue, &one)) {
			reader_fail(&inner, queue, "must be a queue and an object");
			break;
		}
		struct queue_count *at = &counts[report->counts_count++];
		at->queue = arena_string(reader->arena, queue);
		at->done = read_uint(&one, "done");
		at->failed = read_uint(&one, "failed");
		read_object_end(&inner, queue, &one);
	}
	report->counts = counts;
	read_object_end(reader, "counts", &inner);
}

void
encode_report(struct text *text, const struct rec_report *report)
{
	text_seconds(text, "lost_after", report->lost_after_ms);
	text_uint(text, "r", report->r);
	add_process(text, &report->process);
	text_uint(text, "low", report->low);
	add_ranges(text, report->done, report->done_count);
	add_returned(text, report);
	text_int(text, "slots", report->slots);
	text_int(text, "in_use", report->in_use);
	text_int(text, "ahead", report->ahead);
	text_bool(text, "draining", report->draining);
	add_load(text, report);
	text_double(text, "run_seconds_mean", report->run_seconds_mean);
	add_counts(text, report);
	text_time(text, "at", report->at_wall_ms);
}

void
decode_report(struct reader *reader, struct rec_report *report)
{
	report->lost_after_ms = read_ms(reader, "lost_after", 0);
	if (report->lost_after_ms == 0)
		reader_fail(reader, "lost_after", "must be a number of seconds above 0");
	report->r = (uint32_t)read_int(reader, "r", 0, UINT32_MAX, 0);
	read_process(reader, &report->process);
	report->low = read_uint(reader, "low");
	read_ranges(reader, report);
	read_returned(reader, report);
	report->slots = (int)read_int(reader, "slots", 0, SLOTS_MAX, 0);
	report->in_use = (int)read_int(reader, "in_use", 0, SLOTS_MAX, 0);
	report->ahead = (int)read_int(reader, "ahead", 0, SLOTS_MAX, 0);
	report->draining = read_bool(reader, "draining", false);
	read_load(reader, report);
	report->run_seconds_mean = read_double(reader, "run_seconds_mean", 0, 0);
	read_counts(reader, report);
	report->at_wall_ms = read_time(reader, "at");
}
