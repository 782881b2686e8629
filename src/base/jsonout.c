#include "config.h"

#include "base/jsonout.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/terminal.h"

#define THOUSANDTHS_MAX 9e15	/* a double has none beyond it */
#define NESTING_MAX 64	/* of JSON text that is passed on */

void
jsonout_start(struct jsonout *json, FILE *out)
{
	memset(json, 0, sizeof *json);
	json->out = out;
}

/* One character that is known to be UTF-8, escaped where it must be or might do harm. */
static void
write_character(FILE *out, unsigned c, const char *text, int size)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", (int)c);
	else if (c == '\n')
		fputs("\\n", out);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c == '\r')
		fputs("\\r", out);
	else if (terminal_printable(c))
		fwrite(text, 1, (size_t)size, out);
	else if (c < 0x10000)
		fprintf(out, "\\u%04x", c);
	else
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
}

static bool
is_utf8(const char *text, size_t len)
{
	unsigned c;
	bool cut;

	for (size_t at = 0; at < len;) {
		int size = terminal_decode(text + at, len - at, &c, &cut);

		if (size == 0)
			return false;
		at += (size_t)size;
	}
	return true;
}

static void
write_quoted(FILE *out, const char *text, size_t len)
{
	unsigned c;
	bool cut;

	putc('"', out);
	for (size_t at = 0; at < len;) {
		int size = terminal_decode(text + at, len - at, &c, &cut);

		write_character(out, c, text + at, size);
		at += (size_t)size;
	}
	putc('"', out);
}

static void
begin_value(struct jsonout *json, const char *key, const char *suffix)
{
	if (json->depth > 0 && json->any[json->depth - 1])
		putc(',', json->out);
	if (json->depth > 0)
		json->any[json->depth - 1] = true;
	if (key)
		fprintf(json->out, "\"%s%s\":", key, suffix);
}

static void
begin_level(struct jsonout *json, const char *key, char opening, char closing)
{
	assert(json->depth < JSONOUT_DEPTH_MAX);
	begin_value(json, key, "");
	putc(opening, json->out);
	json->any[json->depth] = false;
	json->closing[json->depth++] = closing;
}

void
jsonout_object(struct jsonout *json, const char *key)
{
	begin_level(json, key, '{', '}');
}

void
jsonout_array(struct jsonout *json, const char *key)
{
	begin_level(json, key, '[', ']');
}

void
jsonout_end(struct jsonout *json)
{
	assert(json->depth > 0);
	putc(json->closing[--json->depth], json->out);
	if (json->depth == 0)
		putc('\n', json->out);
}

void
jsonout_null(struct jsonout *json, const char *key)
{
	begin_value(json, key, "");
	fputs("null", json->out);
}

void
jsonout_bool(struct jsonout *json, const char *key, bool value)
{
	begin_value(json, key, "");
	fputs(value ? "true" : "false", json->out);
}

void
jsonout_number(struct jsonout *json, const char *key, int64_t value)
{
	begin_value(json, key, "");
	fprintf(json->out, "%" PRId64, value);
}

void
jsonout_wide(struct jsonout *json, const char *key, uint64_t value)
{
	begin_value(json, key, "");
	fprintf(json->out, "\"%" PRIu64 "\"", value);
}

void
jsonout_real(struct jsonout *json, const char *key, double value)
{
	begin_value(json, key, "");
	if (!isfinite(value)) {
		fputs("null", json->out);
	} else if (fabs(value) >= THOUSANDTHS_MAX) {
		fprintf(json->out, "%.0f", value);
	} else {
		/* Not as a double, whose decimal point is the locale's. */
		uint64_t thousandths = (uint64_t)(fabs(value) * 1000 + 0.5);

		fprintf(json->out, "%s%" PRIu64 ".%03" PRIu64, value < 0 && thousandths ? "-" : "", thousandths / 1000,
		    thousandths % 1000);
	}
}

static void
write_base64(FILE *out, const unsigned char *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		unsigned left = len - i > 2 ? 3 : (unsigned)(len - i);
		unsigned bits = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
		    (left > 2 ? data[i + 2] : 0);

		putc(digits[bits >> 18], out);
		putc(digits[bits >> 12 & 63], out);
		putc(left > 1 ? digits[bits >> 6 & 63] : '=', out);
		putc(left > 2 ? digits[bits & 63] : '=', out);
	}
}

void
jsonout_bytes(struct jsonout *json, const char *key, const char *data, size_t len)
{
	if (is_utf8(data, len)) {
		begin_value(json, key, "");
		write_quoted(json->out, data, len);
		return;
	}
	begin_value(json, key, "_base64");
	putc('"', json->out);
	write_base64(json->out, (const unsigned char *)data, len);
	putc('"', json->out);
}

void
jsonout_string(struct jsonout *json, const char *key, const char *text)
{
	if (text)
		jsonout_bytes(json, key, text, strlen(text));
	else
		jsonout_null(json, key);
}

void
jsonout_time(struct jsonout *json, const char *key, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char text[40];
	struct tm tm;

	if (wall_ms < 0 || !gmtime_r(&seconds, &tm)) {
		jsonout_null(json, key);
		return;
	}
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	begin_value(json, key, "");
	fprintf(json->out, "\"%s.%03dZ\"", text, (int)(wall_ms % 1000));
}

void
jsonout_seconds(struct jsonout *json, const char *key, int64_t ms)
{
	jsonout_real(json, key, (double)ms / 1000);
}

void
jsonout_text(struct jsonout *json, const char *key, const char *text, size_t len)
{
	unsigned c;
	bool cut;
	size_t size = jsontext_value(text, len);

	if (size == 0 || strspn(text + size, " \t\r\n") < len - size || !is_utf8(text, size)) {
		jsonout_bytes(json, key, text, len);
		return;
	}
	begin_value(json, key, "");
	/* Outside of strings valid JSON is ASCII; what might do harm is inside them and can be escaped there. */
	for (size_t at = 0; at < size;) {
		int n = terminal_decode(text + at, size - at, &c, &cut);

		if (c == '\n' || c == '\r' || c == '\t')
			putc(' ', json->out);
		else if (c < 0x80 && c != 0x7f)
			putc((int)c, json->out);
		else
			write_character(json->out, c, text + at, n);
		at += (size_t)n;
	}
}

/* ---- a look into JSON text ---- */

struct scan {
	const char *at, *end;
	int depth;
};

static void
skip_space(struct scan *scan)
{
	while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) && *scan->at)
		scan->at++;
}

static bool
scan_word(struct scan *scan, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
		return false;
	scan->at += len;
	return true;
}

static bool
scan_string(struct scan *scan)
{
	if (scan->at == scan->end || *scan->at != '"')
		return false;
	for (scan->at++; scan->at < scan->end; scan->at++) {
		if ((unsigned char)*scan->at < 0x20)
			return false;
		if (*scan->at == '"') {
			scan->at++;
			return true;
		}
		if (*scan->at != '\\')
			continue;
		if (++scan->at == scan->end)
			return false;
		if (*scan->at == 'u') {
			for (int i = 0; i < 4; i++)
				if (++scan->at == scan->end || !strchr("0123456789abcdefABCDEF", *scan->at) || !*scan->at)
					return false;
		} else if (!*scan->at || !strchr("\"\\/bfnrt", *scan->at)) {
			return false;
		}
	}
	return false;
}

static bool
scan_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > start;
}

static bool
scan_number(struct scan *scan)
{
	scan_word(scan, "-");
	if (!scan_word(scan, "0") && !scan_digits(scan))
		return false;
	if (scan_word(scan, ".") && !scan_digits(scan))
		return false;
	if (scan_word(scan, "e") || scan_word(scan, "E")) {
		if (!scan_word(scan, "+"))
			scan_word(scan, "-");
		return scan_digits(scan);
	}
	return true;
}

static bool scan_value(struct scan *scan);

/* Members of an object or array until closing. When name is not NULL, *found gets the value of the member so named. */
static bool
scan_members(struct scan *scan, char closing, const char *name, const char **found, size_t *found_len)
{
	scan->at++;
	skip_space(scan);
	if (scan->at < scan->end && *scan->at == closing) {
		scan->at++;
		return true;
	}
	for (;;) {
		const char *key = NULL;
		size_t key_len = 0;

		skip_space(scan);
		if (closing == '}') {
			key = scan->at + 1;
			if (!scan_string(scan))
				return false;
			key_len = (size_t)(scan->at - key) - 1;
			skip_space(scan);
			if (!scan_word(scan, ":"))
				return false;
			skip_space(scan);
		}
		const char *value = scan->at;
		if (!scan_value(scan))
			return false;
		if (name && key && key_len == strlen(name) && memcmp(key, name, key_len) == 0) {
			*found = value;
			*found_len = (size_t)(scan->at - value);
		}
		skip_space(scan);
		if (scan->at == scan->end)
			return false;
		if (*scan->at == closing) {
			scan->at++;
			return true;
		}
		if (!scan_word(scan, ","))
			return false;
	}
}

static bool
scan_value(struct scan *scan)
{
	bool good;

	skip_space(scan);
	if (scan->at == scan->end)
		return false;
	switch (*scan->at) {
	case '{':
	case '[':
		if (++scan->depth > NESTING_MAX)
			return false;
		good = scan_members(scan, *scan->at == '{' ? '}' : ']', NULL, NULL, NULL);
		scan->depth--;
		return good;
	case '"':
		return scan_string(scan);
	case 't':
		return scan_word(scan, "true");
	case 'f':
		return scan_word(scan, "false");
	case 'n':
		return scan_word(scan, "null");
	default:
		return scan_number(scan);
	}
}

size_t
jsontext_value(const char *text, size_t len)
{
	struct scan scan = { .at = text, .end = text + len };

	return scan_value(&scan) ? (size_t)(scan.at - text) : 0;
}

const char *
jsontext_member(const char *text, size_t len, const char *name, size_t *value_len)
{
	struct scan scan = { .at = text, .end = text + len };
	const char *found = NULL;

	skip_space(&scan);
	if (scan.at == scan.end || *scan.at != '{' || !scan_members(&scan, '}', name, &found, value_len))
		return NULL;
	return found;
}
