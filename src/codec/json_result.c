/* What became of tasks: results, dead letters, retry records. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_fields.h"
#include "codec/path.h"
#include "codec/time.h"

#define ATTEMPT_MAX UINT32_MAX

static void
add_tail(struct text *text, const char *tail, size_t len)
{
	size_t quoted = text_quoted_len(tail, len);

	/* Base64 as well where escapes would more than double it: so a result has a known largest size. */
	if (quoted && quoted <= 2 * len + 2) {
		text_key(text, "tail");
		text_quoted(text, tail, len);
	} else {
		text_key(text, "tail_base64");
		text_base64(text, tail, len);
	}
}

static void
add_task(struct text *text, const char *task)
{
	size_t len = strlen(task);

	if (is_object(text->arena, task, len)) {
		const char *line = one_line(text->arena, task, len);

		text_key(text, "task");
		if (line)
			text_words(text, line);
	} else {
		text_key(text, "task_base64");
		text_base64(text, task, len);
	}
}

static void
add_outcome(struct text *text, const struct outcome *outcome)
{
	text_time(text, "started", outcome->started_wall_ms);
	text_time(text, "ended", outcome->ended_wall_ms);
	text_double(text, "run_seconds", outcome->run_seconds);
	text_double(text, "cpu_seconds", outcome->cpu_seconds);
	text_uint(text, "max_rss_bytes", outcome->max_rss_bytes);
	text_uint(text, "stdout_bytes", outcome->stdout_bytes);
	text_uint(text, "stderr_bytes", outcome->stderr_bytes);
	text_uint(text, "dropped_bytes", outcome->dropped_bytes);
	text_bool(text, "log_complete", outcome->log_complete);
	if (outcome->tail_len)
		add_tail(text, outcome->tail, outcome->tail_len);
}

/* Of a task that was never given out there is nothing to say but why. */
static bool
was_given_out(const struct rec_result *result)
{
	return result->attempt || result->outcome.started_wall_ms || result->outcome.ended_wall_ms;
}

void
encode_result(struct text *text, const struct rec_result *result)
{
	const struct outcome *outcome = &result->outcome;
	struct task_id id = { .seg = result->seg };
	char id_text[ID_MAX + 1], fence[33];

	memcpy(id.queue, result->queue, sizeof id.queue);
	memcpy(id.token, result->token, sizeof id.token);
	id_write(&id, id_text);
	text_string(text, "id", id_text);
	text_string(text, "name", result->name);
	text_string(text, "state", task_state_word(outcome->state));
	if (outcome->has_exit)
		text_int(text, "exit", outcome->exit_code);
	else
		text_null(text, "exit");
	if (outcome->signal)
		text_int(text, "signal", outcome->signal);
	else
		text_null(text, "signal");
	text_string(text, "reason", outcome->reason);
	if (was_given_out(result)) {
		text_uint(text, "attempt", result->attempt);
		fence_write(result->fence, fence);
		text_string(text, "fence", fence);
		text_string(text, "worker", result->worker);
		add_outcome(text, outcome);
	}
	text_string(text, "by", result->by);
	text_time(text, "at", result->at_wall_ms);
	if (result->task)
		add_task(text, result->task);
}

static enum task_state
read_state(struct reader *reader)
{
	const char *word = read_string(reader, "state");

	for (int state = STATE_DONE; word && state < STATES; state++)
		if (strcmp(word, task_state_word((enum task_state)state)) == 0)
			return (enum task_state)state;
	reader_fail(reader, "state", word ? "unknown" : "missing");
	return STATE_LOST;
}

static void
read_outcome(struct reader *reader, struct outcome *outcome)
{
	outcome->state = read_state(reader);
	outcome->reason = read_string(reader, "reason");
	outcome->has_exit = read_field(reader, "exit") != NULL;
	outcome->exit_code = (int)read_int(reader, "exit", INT32_MIN, INT32_MAX, 0);
	outcome->signal = (int)read_int(reader, "signal", 0, 1000, 0);
	outcome->started_wall_ms = read_time(reader, "started");
	outcome->ended_wall_ms = read_time(reader, "ended");
	outcome->run_seconds = read_double(reader, "run_seconds", 0, 0);
	outcome->cpu_seconds = read_double(reader, "cpu_seconds", 0, 0);
	outcome->max_rss_bytes = read_uint(reader, "max_rss_bytes");
	outcome->stdout_bytes = read_uint(reader, "stdout_bytes");
	outcome->stderr_bytes = read_uint(reader, "stderr_bytes");
	outcome->dropped_bytes = read_uint(reader, "dropped_bytes");
	outcome->log_complete = read_bool(reader, "log_complete", false);
	outcome->tail = read_string(reader, "tail");
	if (outcome->tail)
		outcome->tail_len = strlen(outcome->tail);	/* the parser refuses NULs */
	else
		outcome->tail = read_base64(reader, "tail_base64", &outcome->tail_len);
}

static void
read_result_task(struct reader *reader, const char *data, struct rec_result *result)
{
	struct reader task;
	size_t len;

	if (read_object(reader, "task", &task)) {
		const char *at = json_string_value(read_field(&task, "at"));	/* anything: the task is a stranger's */
		const char *value = value_of(data, "task", &len);

		if (value)
			result->task = arena_copy(reader->arena, value, len);
		if (!at || !time_parse(at, &result->submitted_wall_ms))
			result->submitted_wall_ms = 0;
	} else {
		result->task = read_base64(reader, "task_base64", &len);
	}
}

void
decode_result(struct reader *reader, const char *data, struct rec_result *result)
{
	struct task_id id;

	read_id(reader, "id", &id);
	memcpy(result->queue, id.queue, sizeof id.queue);
	memcpy(result->token, id.token, sizeof id.token);
	result->seg = id.seg;
	read_outcome(reader, &result->outcome);
	result->attempt = (uint32_t)read_int(reader, "attempt", 0, ATTEMPT_MAX, 0);
	const char *fence = read_string(reader, "fence");
	if (fence && !fence_parse(fence, &result->fence))
		reader_fail(reader, "fence", "must be 32 hexadecimal digits");
	result->worker = read_string(reader, "worker");
	result->name = read_string(reader, "name");
	result->by = read_string(reader, "by");
	result->at_wall_ms = read_time(reader, "at");
	read_result_task(reader, data, result);
}

void
encode_retry(struct text *text, const struct rec_retry *retry)
{
	text_uint(text, "runs", retry->runs);
	text_uint(text, "crashes", retry->crashes);
	text_bool(text, "suspect", retry->suspect);
	text_string(text, "error", retry->error);
	text_string(text, "by", retry->by);
	text_time(text, "at", retry->at_wall_ms);
}

void
decode_retry(struct reader *reader, struct rec_retry *retry)
{
	retry->runs = (uint32_t)read_int(reader, "runs", 0, UINT32_MAX - 1, 0);
	retry->crashes = (uint32_t)read_int(reader, "crashes", 0, UINT32_MAX, 0);
	retry->suspect = read_bool(reader, "suspect", false);
	retry->error = read_string(reader, "error");
	retry->by = read_string(reader, "by");
	retry->at_wall_ms = read_time(reader, "at");
}
