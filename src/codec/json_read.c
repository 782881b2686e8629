#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_fields.h"
#include "codec/path.h"
#include "codec/time.h"

void
reader_fail(struct reader *reader, const char *key, const char *phrase)
{
	if (reader->why)
		return;
	reader->why = arena_printf(reader->arena, "%s: %s", key, phrase);
	if (!reader->why)
		reader->why = "out of memory";
}

json_t *
parse(struct arena *arena, const char *data, size_t len, const char **why)
{
	json_error_t error;
	const char *phrase = NULL;

	/* jansson passes over a NUL behind a number. */
	if (len && memchr(data, '\0', len)) {
		phrase = "not JSON: a NUL byte";
	} else {
		json_t *json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);

		if (json)
			return json;
		if (json_error_code(&error) == json_error_out_of_memory)
			arena->failed = true;
		else if (why && json_error_code(&error) == json_error_null_character)
			phrase = arena_printf(arena, "a string holds \\u0000 (line %d, column %d): bytes with NUL go into a ..._base64 field",
			    error.line, error.column);
		else if (why)
			phrase = arena_printf(arena, "not JSON: %s (line %d, column %d)", error.text, error.line,
			    error.column);
	}
	if (why)
		*why = phrase ? phrase : "out of memory";
	return NULL;
}

bool
reader_open(struct reader *reader, struct arena *arena, const char *data, size_t len)
{
	*reader = (struct reader){ .arena = arena };
	if (len == 0) {
		reader->why = "empty";
		return false;
	}
	reader->object = parse(arena, data, len, &reader->why);
	if (!reader->object)
		return false;
	if (!json_is_object(reader->object))
		reader->why = "not a JSON object";
	else
		read_int(reader, "v", 1, 1, 1);
	if (!reader->why)
		return true;
	json_decref(reader->object);
	reader->object = NULL;
	return false;
}

bool
reader_close(struct reader *reader)
{
	json_decref(reader->object);
	reader->object = NULL;
	if (reader->arena->failed && !reader->why)
		reader->why = "out of memory";
	return !reader->why;
}

json_t *
read_field(struct reader *reader, const char *key)
{
	json_t *field = json_object_get(reader->object, key);

	return field && !json_is_null(field) ? field : NULL;
}

const char *
read_string(struct reader *reader, const char *key)
{
	json_t *field = read_field(reader, key);

	if (!field)
		return NULL;
	if (!json_is_string(field)) {
		reader_fail(reader, key, "must be a string");
		return NULL;
	}
	return arena_copy(reader->arena, json_string_value(field), json_string_length(field));
}

static int
base64_digit(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

const char *
base64_read(struct arena *arena, const char *text, size_t *len)
{
	size_t digits = strlen(text);
	char *bytes = arena_alloc(arena, digits / 4 * 3 + 1);

	*len = 0;
	if (!bytes || digits % 4 != 0)
		return NULL;
	for (size_t i = 0; i < digits; i += 4) {
		bool last = i + 4 == digits;
		int pad = last && text[i + 3] == '=' ? text[i + 2] == '=' ? 2 : 1 : 0;
		uint32_t three = 0;

		for (int k = 0; k < 4; k++) {
			int digit = k >= 4 - pad ? 0 : base64_digit(text[i + (size_t)k]);

			if (digit < 0)
				return NULL;
			three = three << 6 | (uint32_t)digit;
		}
		bytes[(*len)++] = (char)(three >> 16);
		if (pad < 2)
			bytes[(*len)++] = (char)(three >> 8);
		if (pad < 1)
			bytes[(*len)++] = (char)three;
	}
	bytes[*len] = '\0';
	return bytes;
}

const char *
read_base64(struct reader *reader, const char *key, size_t *len)
{
	const char *text = read_string(reader, key);

	*len = 0;
	if (!text)
		return NULL;
	const char *bytes = base64_read(reader->arena, text, len);
	if (!bytes)
		reader_fail(reader, key, "must be base64");
	return bytes;
}

int64_t
read_int(struct reader *reader, const char *key, int64_t least, int64_t most, int64_t absent)
{
	json_t *field = read_field(reader, key);

	if (!field)
		return absent;
	if (json_is_integer(field) && json_integer_value(field) >= least && json_integer_value(field) <= most)
		return json_integer_value(field);
	char phrase[80];
	if (least == most)
		snprintf(phrase, sizeof phrase, "must be %lld", (long long)least);
	else if (most == INT64_MAX)
		snprintf(phrase, sizeof phrase, "must be a whole number of at least %lld", (long long)least);
	else
		snprintf(phrase, sizeof phrase, "must be a whole number from %lld to %lld", (long long)least,
		    (long long)most);
	reader_fail(reader, key, phrase);
	return absent;
}

uint64_t
read_uint(struct reader *reader, const char *key)
{
	return (uint64_t)read_int(reader, key, 0, INT64_MAX, 0);
}

double
read_double(struct reader *reader, const char *key, double least, double absent)
{
	json_t *field = read_field(reader, key);

	if (!field)
		return absent;
	if (json_is_number(field) && isfinite(json_number_value(field)) && json_number_value(field) >= least)
		return json_number_value(field);
	reader_fail(reader, key, "must be a number of at least 0");
	return absent;
}

bool
read_bool(struct reader *reader, const char *key, bool absent)
{
	json_t *field = read_field(reader, key);

	if (field && !json_is_boolean(field))
		reader_fail(reader, key, "must be true or false");
	return field ? json_is_true(field) : absent;
}

int64_t
read_ms(struct reader *reader, const char *key, int64_t absent)
{
	double seconds = read_double(reader, key, 0, -1);

	if (seconds < 0)
		return absent;
	if (seconds > SECONDS_MAX) {
		reader_fail(reader, key, "too many seconds");
		return absent;
	}
	return (int64_t)(seconds * 1000 + 0.5);
}

int64_t
read_time(struct reader *reader, const char *key)
{
	const char *text = read_string(reader, key);
	int64_t wall_ms = 0;

	if (text && !time_parse(text, &wall_ms))
		reader_fail(reader, key, "must be a time such as 2026-11-20T08:31:02.114Z");
	return wall_ms;
}

bool
read_id(struct reader *reader, const char *key, struct task_id *id)
{
	const char *text = read_string(reader, key);

	if (text && id_parse(text, id))
		return true;
	reader_fail(reader, key, text ? "must be a task id" : "missing");
	memset(id, 0, sizeof *id);
	return false;
}

bool
read_object(struct reader *reader, const char *key, struct reader *inner)
{
	json_t *field = read_field(reader, key);

	*inner = (struct reader){ .arena = reader->arena, .object = field };
	if (field && !json_is_object(field)) {
		reader_fail(reader, key, "must be an object");
		return false;
	}
	return field != NULL;
}

void
read_object_end(struct reader *reader, const char *key, const struct reader *inner)
{
	if (inner->why)
		reader_fail(reader, key, inner->why);
}

/* ---- text that has been parsed already ---- */

static const char *
skip_space(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

static const char *
string_end(const char *text)
{
	for (text++; *text && *text != '"'; text++)
		if (*text == '\\' && text[1])
			text++;
	return *text ? text + 1 : text;
}

const char *
value_end(const char *text)
{
	int depth = 0;

	do {
		if (*text == '"') {
			text = string_end(text);
			continue;
		}
		if (*text == '{' || *text == '[')
			depth++;
		else if (*text == '}' || *text == ']')
			depth--;
		else if (depth == 0)	/* number or word */
			return text + strcspn(text, ",]} \t\r\n");
		text++;
	} while (depth > 0 && *text);
	return text;
}

const char *
value_of(const char *object, const char *key, size_t *len)
{
	size_t key_len = strlen(key);

	for (const char *at = skip_space(object); *at == '{' || *at == ','; ) {
		const char *name = skip_space(at + 1);
		if (*name != '"')
			return NULL;
		const char *name_end = string_end(name);
		const char *value = skip_space(skip_space(name_end) + 1);
		const char *end = value_end(value);
		if ((size_t)(name_end - name) == key_len + 2 && memcmp(name + 1, key, key_len) == 0) {
			*len = (size_t)(end - value);
			return value;
		}
		at = skip_space(end);
	}
	return NULL;
}

char *
one_line(struct arena *arena, const char *text, size_t len)
{
	while (len && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	while (len && strchr(" \t\r\n", text[0]) && text[0]) {
		text++;
		len--;
	}
	char *line = arena_copy(arena, text, len);
	for (size_t i = 0; line && i < len; i++)
		if (line[i] == '\n' || line[i] == '\r' || line[i] == '\t')	/* never inside a string */
			line[i] = ' ';
	return line;
}

bool
is_object(struct arena *arena, const char *text, size_t len)
{
	json_t *json = parse(arena, text, len, NULL);
	bool ok = json && json_is_object(json);

	json_decref(json);
	return ok;
}
