/*
 * jsonout.h: JSON on its way out, and just enough of a look into JSON text of others to pass parts of it on.
 * Reading records is codec's; this never interprets a value.
 *
 * Strings are escaped so that no control, bidirectional or zero-width character reaches a terminal as it is. A string
 * that is not UTF-8 becomes the field "<key>_base64". Numbers beyond 2^53 go out as decimal strings by jsonout_wide().
 */
#ifndef ZKQ_BASE_JSONOUT_H
#define ZKQ_BASE_JSONOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSONOUT_DEPTH_MAX 16

struct jsonout {
	FILE *out;
	int depth;
	bool any[JSONOUT_DEPTH_MAX];	/* whether the object or array at this depth has a member already */
	char closing[JSONOUT_DEPTH_MAX];
};

void jsonout_start(struct jsonout *json, FILE *out);
/* key: NULL inside an array and at the top. */
void jsonout_object(struct jsonout *json, const char *key);
void jsonout_array(struct jsonout *json, const char *key);
void jsonout_end(struct jsonout *json);	/* of the innermost; after the outermost a newline */

void jsonout_null(struct jsonout *json, const char *key);
void jsonout_bool(struct jsonout *json, const char *key, bool value);
void jsonout_number(struct jsonout *json, const char *key, int64_t value);
void jsonout_wide(struct jsonout *json, const char *key, uint64_t value);
void jsonout_real(struct jsonout *json, const char *key, double value);		/* three decimals; not finite = null */
void jsonout_string(struct jsonout *json, const char *key, const char *text);	/* NULL = null */
void jsonout_bytes(struct jsonout *json, const char *key, const char *data, size_t len);
void jsonout_time(struct jsonout *json, const char *key, int64_t wall_ms);	/* "2026-11-20T08:41:07.123Z" */
void jsonout_seconds(struct jsonout *json, const char *key, int64_t ms);	/* 12.4 */
/* JSON text as a value; as a string when it is no valid JSON. */
void jsonout_text(struct jsonout *json, const char *key, const char *text, size_t len);

/* Length of the JSON value at text (leading space included), 0 when there is none. */
size_t jsontext_value(const char *text, size_t len);
/* Finds a member of the object that text holds: its value's raw text, NULL when absent. Only for names that need no
 * escape. */
const char *jsontext_member(const char *text, size_t len, const char *name, size_t *value_len);

#endif
