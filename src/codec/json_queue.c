/* Configuration of queues and classes. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "codec/hash.h"
#include "codec/json.h"
#include "codec/json_fields.h"
#include "codec/time.h"

#define CRASH_LIMIT_MAX 1000000

static const char *const mode_words[] = {
	[MODE_EXCLUSIVE] = "exclusive",
	[MODE_OVERLAP] = "overlap",
	[MODE_AT_MOST_ONCE] = "at-most-once",
};

#define MODES ((int)(sizeof mode_words / sizeof mode_words[0]))

const char class_default_text[] = "{\"v\":1,\"mode\":\"exclusive\",\"on_lost\":\"requeue\",\"crash_limit\":5}";

uint64_t
class_default_hash(void)
{
	return text_hash(class_default_text, strlen(class_default_text));
}

void
encode_queue(struct text *text, const struct rec_queue *queue)
{
	if (queue->paused)
		text_bool(text, "paused", true);
	if (queue->paused_for_ms > 0)
		text_seconds(text, "paused_for", queue->paused_for_ms);
	text_string(text, "paused_by", queue->paused_by);
	text_string(text, "paused_reason", queue->paused_reason);
	if (queue->retain_age_ms > 0)
		text_seconds(text, "retain_age", queue->retain_age_ms);
	if (queue->retain_count > 0)
		text_int(text, "retain_count", queue->retain_count);
	if (queue->retain_bytes > 0)
		text_int(text, "retain_bytes", queue->retain_bytes);
	if (queue->waiting_max > 0)
		text_int(text, "waiting_max", queue->waiting_max);
	if (queue->deleting)
		text_bool(text, "deleting", true);
	if (queue->delete_force)
		text_bool(text, "delete_force", true);
	if (queue->deleted) {
		text_bool(text, "deleted", true);
		text_uint(text, "next", queue->next);
	}
}

void
decode_queue(struct reader *reader, const char *data, size_t len, struct rec_queue *queue)
{
	queue->paused = read_bool(reader, "paused", false);
	queue->paused_for_ms = read_ms(reader, "paused_for", 0);
	queue->paused_by = read_string(reader, "paused_by");
	queue->paused_reason = read_string(reader, "paused_reason");
	queue->retain_age_ms = read_ms(reader, "retain_age", RETAIN_AGE_MS);
	queue->retain_count = read_int(reader, "retain_count", 0, INT64_MAX, RETAIN_COUNT);
	queue->retain_bytes = read_int(reader, "retain_bytes", 0, INT64_MAX, RETAIN_BYTES);
	queue->waiting_max = read_int(reader, "waiting_max", 0, INT64_MAX, WAITING_DEFAULT_MAX);
	queue->deleting = read_bool(reader, "deleting", false);
	queue->delete_force = read_bool(reader, "delete_force", false);
	queue->deleted = read_bool(reader, "deleted", false);
	queue->next = (uint32_t)read_int(reader, "next", 0, UINT32_MAX - 1, 0);
	queue->text = one_line(reader->arena, data, len);
}

void
encode_class(struct text *text, const struct rec_class *class)
{
	text_string(text, "mode", mode_words[class->mode]);
	text_string(text, "on_lost", "requeue");
	text_uint(text, "crash_limit", class->crash_limit);
}

void
decode_class(struct reader *reader, const char *data, size_t len, struct rec_class *class)
{
	const char *mode = read_string(reader, "mode");
	int i = 0;

	class->text = arena_copy(reader->arena, data, len);
	class->hash = text_hash(data, len);
	while (mode && i < MODES && strcmp(mode, mode_words[i]) != 0)
		i++;
	if (i == MODES)
		reader_fail(reader, "mode", "unknown");
	else
		class->mode = (enum class_mode)i;
	class->crash_limit = (uint32_t)read_int(reader, "crash_limit", 1, CRASH_LIMIT_MAX, CRASH_LIMIT);
}

/* Sets or removes a string. */
static bool
put_string(json_t *object, const char *key, const char *value)
{
	if (!value) {
		json_object_del(object, key);
		return true;
	}
	return json_object_set_new(object, key, utf8_ok(value, strlen(value)) ? json_string(value) :
	    json_string("?")) == 0;
}

static bool
put_seconds(json_t *object, const char *key, int64_t ms)
{
	if (ms <= 0) {
		json_object_del(object, key);
		return true;
	}
	return json_object_set_new(object, key, json_real((double)ms / 1000)) == 0;
}

static bool
put_pause(json_t *object, bool paused, int64_t for_ms, const char *by, const char *reason, int64_t wall_ms)
{
	char at[25];

	time_write(wall_ms, at);
	if (!json_object_get(object, "v") && json_object_set_new(object, "v", json_integer(1)) != 0)
		return false;
	return json_object_set_new(object, "paused", json_boolean(paused)) == 0 &&
	    put_seconds(object, "paused_for", paused ? for_ms : 0) &&
	    put_string(object, "paused_by", paused ? by : NULL) &&
	    put_string(object, "paused_reason", paused ? reason : NULL) &&
	    put_string(object, "by", by) && put_string(object, "at", at);
}

const char *
queue_text_paused(struct arena *arena, const char *text, bool paused, int64_t for_ms, const char *by,
    const char *reason, int64_t wall_ms)
{
	json_t *object = text && *text ? parse(arena, text, strlen(text), NULL) : json_object();
	const char *changed = NULL;

	if (json_is_object(object) && put_pause(object, paused, for_ms, by, reason, wall_ms)) {
		char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));

		changed = arena_string(arena, line);
		free(line);
	}
	json_decref(object);
	return changed;
}

const char *
queue_text_deleting(struct arena *arena, const char *text, bool force, const char *by, int64_t wall_ms)
{
	json_t *object = text && *text ? parse(arena, text, strlen(text), NULL) : json_object();
	const char *changed = NULL;
	char at[25];

	time_write(wall_ms, at);
	if (json_is_object(object) && (json_object_get(object, "v") || json_object_set_new(object, "v", json_integer(1)) == 0) &&
	    json_object_set_new(object, "deleting", json_true()) == 0 &&
	    json_object_set_new(object, "delete_force", json_boolean(force)) == 0 && put_string(object, "by", by) &&
	    put_string(object, "at", at)) {
		char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));

		changed = arena_string(arena, line);
		free(line);
	}
	json_decref(object);
	return changed;
}
