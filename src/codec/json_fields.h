/*
 * json_fields.h: fields of a record as JSON, one by one; inside the codec only.
 *
 * Writing is appending to a text. Reading asks an object for its fields; the first field that is not what it
 * must be sets why, and what is read after that does not matter. A field that is absent or null is not there.
 */
#ifndef ZKQ_CODEC_JSON_FIELDS_H
#define ZKQ_CODEC_JSON_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/record.h"
#include "core/submitter.h"

struct json_t;

/* ---- writing ---- */

struct text {
	struct arena *arena;
	char *data;	/* NUL-terminated */
	size_t len, room;
};

/* {"v":1 */
void text_open(struct text *text, struct arena *arena);
/* }: the text and its length, or NULL when memory ran out. */
const char *text_close(struct text *text, size_t *len);
void text_raw(struct text *text, const char *bytes, size_t len);
void text_words(struct text *text, const char *string);
/* ,"key": */
void text_key(struct text *text, const char *key);
/* A JSON string of len bytes; what is no UTF-8 becomes U+FFFD. */
void text_quoted(struct text *text, const char *bytes, size_t len);
/* ,"key":value. The _string of NULL and the _time of 0 write nothing. */
void text_string(struct text *text, const char *key, const char *value);
void text_int(struct text *text, const char *key, int64_t value);
void text_uint(struct text *text, const char *key, uint64_t value);
void text_bool(struct text *text, const char *key, bool value);
void text_null(struct text *text, const char *key);
/* Seconds, with three decimals at most and one at least. */
void text_seconds(struct text *text, const char *key, int64_t ms);
void text_double(struct text *text, const char *key, double value);
void text_time(struct text *text, const char *key, int64_t wall_ms);
void text_base64(struct text *text, const char *bytes, size_t len);
/* How long text_quoted() would make it; 0 when it is not UTF-8 or holds a NUL. */
size_t text_quoted_len(const char *bytes, size_t len);
bool utf8_ok(const char *bytes, size_t len);
/* Whether a label is UTF-8 without control characters. */
bool printable(const char *string);

/* ---- reading ---- */

struct reader {
	struct arena *arena;
	struct json_t *object;
	const char *why;
};

/* False (and nothing to close) when it is no object, or of another version than 1. */
bool reader_open(struct reader *reader, struct arena *arena, const char *data, size_t len);
/* Whether all was as it must be. */
bool reader_close(struct reader *reader);
/* Sets why to "key: phrase" unless it is set already. */
void reader_fail(struct reader *reader, const char *key, const char *phrase);
/* The field, or NULL. */
struct json_t *read_field(struct reader *reader, const char *key);
const char *read_string(struct reader *reader, const char *key);
/* The field's bytes where it stands in base64; NULL when absent. */
const char *read_base64(struct reader *reader, const char *key, size_t *len);
int64_t read_int(struct reader *reader, const char *key, int64_t least, int64_t most, int64_t absent);
uint64_t read_uint(struct reader *reader, const char *key);
double read_double(struct reader *reader, const char *key, double least, double absent);
bool read_bool(struct reader *reader, const char *key, bool absent);
/* Seconds as milliseconds. */
int64_t read_ms(struct reader *reader, const char *key, int64_t absent);
int64_t read_time(struct reader *reader, const char *key);
bool read_id(struct reader *reader, const char *key, struct task_id *id);
/* An object in it, to be read the same way; false when absent. Borrowed: not to be closed. */
bool read_object(struct reader *reader, const char *key, struct reader *inner);
/* What went wrong inside is what is wrong outside. */
void read_object_end(struct reader *reader, const char *key, const struct reader *inner);

#define SECONDS_MAX 1000000000	/* 31 years: longer durations are mistakes, and ms must fit everywhere */

/* Bytes of base64 text, NUL-terminated; NULL when it is none (or memory runs out: arena->failed). */
const char *base64_read(struct arena *arena, const char *text, size_t *len);

/* ---- JSON text that has been parsed already ---- */

/* End of the value that begins at text (behind white space). */
const char *value_end(const char *text);
/* Where the value of a field stands in an object's text; NULL when its key is not spelled plainly. */
const char *value_of(const char *object, const char *key, size_t *len);
/* Copies JSON text onto one line, without white space around it. */
char *one_line(struct arena *arena, const char *text, size_t len);
/* Parses; NULL when it is no JSON, with *why if that is not NULL (in arena). To be freed with json_decref(). */
struct json_t *parse(struct arena *arena, const char *data, size_t len, const char **why);
/* Whether len bytes are one JSON object. */
bool is_object(struct arena *arena, const char *text, size_t len);

/* ---- records, by family ---- */

void encode_result(struct text *text, const struct rec_result *result);
void decode_result(struct reader *reader, const char *data, struct rec_result *result);
void encode_retry(struct text *text, const struct rec_retry *retry);
void decode_retry(struct reader *reader, struct rec_retry *retry);
void encode_candidate(struct text *text, const struct rec_candidate *candidate);
void decode_candidate(struct reader *reader, struct rec_candidate *candidate);
void encode_worker(struct text *text, const struct rec_worker *worker);
void decode_worker(struct reader *reader, struct rec_worker *worker);
void encode_report(struct text *text, const struct rec_report *report);
void decode_report(struct reader *reader, struct rec_report *report);
void encode_queue(struct text *text, const struct rec_queue *queue);
void decode_queue(struct reader *reader, const char *data, size_t len, struct rec_queue *queue);
void encode_class(struct text *text, const struct rec_class *class);
void decode_class(struct reader *reader, const char *data, size_t len, struct rec_class *class);
/* Sets task.invalid instead of failing. */
void decode_task(struct arena *arena, const char *data, size_t len, struct rec_task *task);
/* The text of a task whose time limit is to be set. */
const char *encode_retimed(struct arena *arena, const struct rec_task *task, size_t *len);
bool decode_batch(struct arena *arena, const char *data, size_t len, struct rec_batch *batch, const char **why);

#endif
