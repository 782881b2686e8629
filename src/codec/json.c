/* Which record is spelled how; the small ones are here, the others in the files of their families. */
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#include "codec/json_fields.h"
#include "codec/path.h"

#define STARTED "started"

/* ---- small records ---- */

static void
add_id(struct text *text, const char *queue, uint32_t seg, const char *token)
{
	struct task_id id = { .seg = seg };
	char buffer[ID_MAX + 1];

	memcpy(id.queue, queue, sizeof id.queue);
	memcpy(id.token, token, sizeof id.token);
	id_write(&id, buffer);
	text_string(text, "id", buffer);
}

static void
encode_key(struct text *text, const struct rec_key *key)
{
	text_uint(text, "seg", key->seg);
	text_string(text, "token", key->token);
	text_string(text, "key", key->key);
}

static void
encode_update(struct text *text, const struct rec_update *update)
{
	if (update->priority >= 0)
		text_int(text, "priority", update->priority);
	if (update->time_limit_ms >= 0)
		text_seconds(text, "time_limit", update->time_limit_ms);
	text_string(text, "by", update->by);
	text_time(text, "at", update->at_wall_ms);
}

static void
decode_update(struct reader *reader, struct rec_update *update)
{
	update->priority = (int)read_int(reader, "priority", PRIORITY_MIN, PRIORITY_MAX, -1);
	update->time_limit_ms = read_ms(reader, "time_limit", -1);
	update->by = read_string(reader, "by");
	update->at_wall_ms = read_time(reader, "at");
}

static void
decode_key(struct reader *reader, struct rec_key *key)
{
	const char *token = read_string(reader, "token");
	size_t len = token ? strlen(token) : 0;

	key->seg = (uint32_t)read_int(reader, "seg", 0, UINT32_MAX - 1, 0);
	key->key = read_string(reader, "key");
	if (len < TOKEN_LEN || len > TOKEN_MAX)
		reader_fail(reader, "token", "must be a token");
	else
		memcpy(key->token, token, len + 1);
	if (!key->key)
		reader_fail(reader, "key", "missing");
}

static void
encode_wish(struct text *text, const struct rec_wish *wish)
{
	text_string(text, "by", wish->by);
	text_string(text, "reason", wish->reason);
	text_time(text, "at", wish->at_wall_ms);
}

static void
decode_moved(struct reader *reader, struct rec_moved *moved)
{
	struct task_id id;

	read_id(reader, "id", &id);
	memcpy(moved->queue, id.queue, sizeof moved->queue);
	memcpy(moved->token, id.token, sizeof moved->token);
	moved->seg = id.seg;
}

static void
decode_root(struct reader *reader, struct rec_root *root)
{
	if (!read_field(reader, "format"))
		reader_fail(reader, "format", "missing");
	root->format = (int)read_int(reader, "format", 0, INT32_MAX, 0);
	root->cluster = read_string(reader, "cluster");
}

/* ---- every record ---- */

static const char *
encode_batch(struct text *text, const struct rec_batch *batch, size_t *len)
{
	text->len = 0;
	text_words(text, "[");
	for (int i = 0; i < batch->count; i++) {
		text_words(text, i ? "," : "");
		text_raw(text, batch->tasks[i].text, batch->tasks[i].len);
	}
	text_words(text, "]");
	*len = text->len;
	return text->arena->failed ? NULL : text->data;
}

static void
encode_fields(struct text *text, const struct record *record)
{
	switch (record->kind) {
	case REC_RESULT:
		encode_result(text, &record->result);
		break;
	case REC_CANDIDATE:
		encode_candidate(text, &record->candidate);
		break;
	case REC_WORKER:
		encode_worker(text, &record->worker);
		break;
	case REC_REPORT:
		encode_report(text, &record->report);
		break;
	case REC_RETRY:
		encode_retry(text, &record->retry);
		break;
	case REC_TAIL:
		text_uint(text, "tail", record->tail.tail);
		break;
	case REC_QUEUE:
		encode_queue(text, &record->queue);
		break;
	case REC_CLASS:
		encode_class(text, &record->class);
		break;
	case REC_STAMP:
		text_int(text, "count", record->stamp.count);
		text_int(text, "bytes", record->stamp.bytes);
		if (record->stamp.removing)
			text_bool(text, "removing", true);
		if (record->stamp.thinned)
			text_bool(text, "thinned", true);
		break;
	case REC_MOVED:
		add_id(text, record->moved.queue, record->moved.seg, record->moved.token);
		break;
	case REC_WISH:
		encode_wish(text, &record->wish);
		break;
	case REC_UPDATE:
		encode_update(text, &record->update);
		break;
	case REC_KEY:
		encode_key(text, &record->key);
		break;
	case REC_ROOT:
		text_int(text, "format", record->root.format);
		text_string(text, "cluster", record->root.cluster);
		break;
	default:
		break;
	}
}

/* The text that a record brings along, to be written as it is, or NULL. */
static const char *
own_text(const struct record *record)
{
	const char *text = record->kind == REC_QUEUE ? record->queue.text : record->kind == REC_CLASS ?
	    record->class.text : NULL;

	return text && text[0] ? text : NULL;
}

const char *
record_encode(struct arena *arena, const struct record *record, size_t *len)
{
	struct text text;
	const char *own = own_text(record);

	if (own) {
		*len = strlen(own);
		return arena_copy(arena, own, *len);
	}
	switch (record->kind) {
	case REC_NONE:
		*len = 0;
		return "";
	case REC_BYTES:
		*len = record->bytes.len;
		return arena_copy(arena, record->bytes.data, record->bytes.len);
	case REC_TASK:
		if (record->task.set_time_limit)
			return encode_retimed(arena, &record->task, len);
		*len = record->task.len;
		return arena_copy(arena, record->task.text, record->task.len);
	case REC_STARTED:
		*len = strlen(STARTED);
		return STARTED;
	case REC_BATCH:
		text_open(&text, arena);
		return encode_batch(&text, &record->batch, len);
	default:
		text_open(&text, arena);
		encode_fields(&text, record);
		return text_close(&text, len);
	}
}

static void
decode_fields(struct reader *reader, const char *data, size_t len, struct record *record)
{
	switch (record->kind) {
	case REC_RESULT:
		decode_result(reader, data, &record->result);
		break;
	case REC_CANDIDATE:
		decode_candidate(reader, &record->candidate);
		break;
	case REC_WORKER:
		decode_worker(reader, &record->worker);
		break;
	case REC_REPORT:
		decode_report(reader, &record->report);
		break;
	case REC_RETRY:
		decode_retry(reader, &record->retry);
		break;
	case REC_TAIL:
		if (!read_field(reader, "tail"))
			reader_fail(reader, "tail", "missing");
		record->tail.tail = (uint32_t)read_int(reader, "tail", 0, UINT32_MAX - 1, 0);
		break;
	case REC_QUEUE:
		decode_queue(reader, data, len, &record->queue);
		break;
	case REC_CLASS:
		decode_class(reader, data, len, &record->class);
		break;
	case REC_STAMP:
		record->stamp.count = read_int(reader, "count", 0, INT64_MAX, 0);
		record->stamp.bytes = read_int(reader, "bytes", 0, INT64_MAX, 0);
		record->stamp.removing = read_bool(reader, "removing", false);
		record->stamp.thinned = read_bool(reader, "thinned", false);
		break;
	case REC_MOVED:
		decode_moved(reader, &record->moved);
		break;
	case REC_WISH:
		record->wish.by = read_string(reader, "by");
		record->wish.reason = read_string(reader, "reason");
		record->wish.at_wall_ms = read_time(reader, "at");
		break;
	case REC_UPDATE:
		decode_update(reader, &record->update);
		break;
	case REC_KEY:
		decode_key(reader, &record->key);
		break;
	case REC_ROOT:
		decode_root(reader, &record->root);
		break;
	default:
		break;
	}
}

/* People create requests and queues by hand, without data: that says nothing, and is right. */
static bool
may_be_empty(enum record_kind kind)
{
	return kind == REC_NONE || kind == REC_QUEUE || kind == REC_WISH || kind == REC_UPDATE || kind == REC_STAMP;
}

static bool
decode_object(struct arena *arena, const char *data, size_t len, struct record *record, const char **why)
{
	struct reader reader;
	bool ok = false;
	const char *text = arena_copy(arena, data, len);	/* for its NUL */

	if (!text) {
		*why = "out of memory";
		return false;
	}
	if (len == 0 && may_be_empty(record->kind)) {
		text = "{}";
		len = 2;
	}
	if (reader_open(&reader, arena, text, len)) {
		decode_fields(&reader, text, len, record);
		ok = reader_close(&reader);
	}
	*why = reader.why;
	return ok;
}

bool
record_decode(struct arena *arena, enum record_kind kind, const char *data, size_t len, struct record *record,
    const char **why)
{
	memset(record, 0, sizeof *record);
	record->kind = kind;
	*why = NULL;
	switch (kind) {
	case REC_NONE:
		return true;
	case REC_BYTES:
		record->bytes.data = arena_copy(arena, data, len);
		record->bytes.len = len;
		*why = record->bytes.data ? NULL : "out of memory";
		return record->bytes.data != NULL;
	case REC_TASK:
		decode_task(arena, data, len, &record->task);
		return true;
	case REC_STARTED:
		if (len == strlen(STARTED) && memcmp(data, STARTED, len) == 0)
			return true;
		*why = "not \"started\"";
		return false;
	case REC_BATCH:
		return decode_batch(arena, data, len, &record->batch, why);
	default:
		return decode_object(arena, data, len, record, why);
	}
}
