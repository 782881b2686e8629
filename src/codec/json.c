/* Which record is spelled how; the small ones are here, the others in the files of their families. */
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#include "codec/json_fields.h"
#include "codec/path.h"

#define STARTED "started"

/* ---- hashes and times ---- */

uint64_t
text_hash(const char *text, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;	/* FNV-1a: offset basis and prime of 64 bits */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111eb;
	hash ^= hash >> 31;
	return hash ? hash : 1;
}

uint64_t
class_default_hash(void)
{
	return text_hash(class_default_text, strlen(class_default_text));
}

#define DAY_MS 86400000LL
#define YEAR_0_DAY (-719528LL)		/* days from 1970-01-01 to 0000-01-01, proleptic Gregorian */
#define YEAR_10000_DAY 2932897LL

/* Days since 1970-01-01 of a date; years count from March, so the leap day is their last. */
static int64_t
days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void
date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t of_era = shifted - era * 146097;
	int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
	int64_t from_march = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	*month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = (int)(years + era * 400 + (*month <= 2));
}

void
time_write(int64_t wall_ms, char buffer[25])
{
	int64_t days = wall_ms / DAY_MS - (wall_ms % DAY_MS < 0);
	int ms = (int)(wall_ms - days * DAY_MS), year, month, day;

	/* A clock beyond four-digit years is wrong anyway; the record must stay readable. */
	if (days < YEAR_0_DAY || days >= YEAR_10000_DAY)
		days = ms = 0;
	date_of(days, &year, &month, &day);
	snprintf(buffer, 25, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000u, (unsigned)month % 100u,
	    (unsigned)day % 100u, (unsigned)ms / 3600000u % 100u, (unsigned)ms / 60000u % 60u, (unsigned)ms / 1000u % 60u,
	    (unsigned)ms % 1000u);
}

/* Reads count digits and then stop; text moves behind it. */
static bool
digits(const char **text, int count, char stop, int *number)
{
	*number = 0;
	for (; count > 0; count--, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*number = *number * 10 + (**text - '0');
	}
	return *(*text)++ == stop;
}

bool
time_parse(const char *text, int64_t *wall_ms)
{
	int year, month, day, hour, minute, second, ms;

	if (!digits(&text, 4, '-', &year) || !digits(&text, 2, '-', &month) || !digits(&text, 2, 'T', &day) ||
	    !digits(&text, 2, ':', &hour) || !digits(&text, 2, ':', &minute) || !digits(&text, 2, '.', &second) ||
	    !digits(&text, 3, 'Z', &ms) || *text)
		return false;
	if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
		return false;
	int64_t days = days_of(year, month, day), next = month == 12 ? days_of(year + 1, 1, 1) :
	    days_of(year, month + 1, 1);
	if (days >= next)
		return false;
	*wall_ms = days * DAY_MS + hour * 3600000LL + minute * 60000LL + second * 1000LL + ms;
	return true;
}

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
		break;
	case REC_MOVED:
		add_id(text, record->moved.queue, record->moved.seg, record->moved.token);
		break;
	case REC_WISH:
		encode_wish(text, &record->wish);
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
		break;
	case REC_MOVED:
		decode_moved(reader, &record->moved);
		break;
	case REC_WISH:
		record->wish.by = read_string(reader, "by");
		record->wish.reason = read_string(reader, "reason");
		record->wish.at_wall_ms = read_time(reader, "at");
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
	return kind == REC_NONE || kind == REC_QUEUE || kind == REC_WISH || kind == REC_STAMP;
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
