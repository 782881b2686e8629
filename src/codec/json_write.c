#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "codec/json_fields.h"
#include "codec/time.h"

/* Makes room for more bytes and a NUL; false when memory runs out (arena->failed is set then). */
static bool
reserve(struct text *text, size_t more)
{
	if (text->arena->failed)
		return false;
	if (text->len + more < text->room)
		return true;
	size_t room = text->room ? text->room : 256;
	while (room <= text->len + more)
		room *= 2;
	char *data = arena_alloc(text->arena, room);
	if (!data)
		return false;
	if (text->len)
		memcpy(data, text->data, text->len);
	text->data = data;
	text->room = room;
	return true;
}

void
text_raw(struct text *text, const char *bytes, size_t len)
{
	if (!reserve(text, len))
		return;
	memcpy(text->data + text->len, bytes, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void
text_words(struct text *text, const char *string)
{
	text_raw(text, string, strlen(string));
}

static void __attribute__((format(printf, 2, 3)))
text_format(struct text *text, const char *format, ...)
{
	char buffer[64];
	va_list list;

	va_start(list, format);
	int len = vsnprintf(buffer, sizeof buffer, format, list);
	va_end(list);
	text_raw(text, buffer, (size_t)len);
}

void
text_open(struct text *text, struct arena *arena)
{
	*text = (struct text){ .arena = arena };
	text_words(text, "{\"v\":1");
}

const char *
text_close(struct text *text, size_t *len)
{
	text_words(text, "}");
	*len = text->len;
	return text->arena->failed ? NULL : text->data;
}

/* Length of the UTF-8 character at bytes, 0 when there is none. *code is its number. */
static size_t
character(const unsigned char *bytes, size_t left, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned first = bytes[0];
	size_t len = first < 0x80 ? 1 : first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (len == 0 || len > left)
		return 0;
	*code = len == 1 ? first : first & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3f);
	}
	return *code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff) ? 0 : len;
}

bool
utf8_ok(const char *bytes, size_t len)
{
	uint32_t code;

	for (size_t i = 0, step; i < len; i += step) {
		step = character((const unsigned char *)bytes + i, len - i, &code);
		if (step == 0)
			return false;
	}
	return true;
}

bool
printable(const char *string)
{
	size_t len = strlen(string);
	uint32_t code;

	for (size_t i = 0, step; i < len; i += step) {
		step = character((const unsigned char *)string + i, len - i, &code);
		if (step == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0))
			return false;
	}
	return true;
}

/* The letter of a short escape, or NUL. */
static char
escape_of(unsigned char byte)
{
	switch (byte) {
	case '"':
		return '"';
	case '\\':
		return '\\';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return '\0';
	}
}

void
text_quoted(struct text *text, const char *bytes, size_t len)
{
	const unsigned char *data = (const unsigned char *)bytes;
	size_t plain = 0;	/* start of what has not been copied yet */

	text_words(text, "\"");
	for (size_t i = 0, step; i < len; i += step) {
		uint32_t code = 0;

		step = character(data + i, len - i, &code);
		if (step && code >= 0x20 && code != '"' && code != '\\' && code != 0x7f)
			continue;
		text_raw(text, bytes + plain, i - plain);
		if (step == 0) {
			step = 1;
			text_words(text, "\\ufffd");
		} else if (escape_of(data[i])) {
			text_format(text, "\\%c", escape_of(data[i]));
		} else {
			text_format(text, "\\u%04x", data[i]);
		}
		plain = i + step;
	}
	text_raw(text, bytes + plain, len - plain);
	text_words(text, "\"");
}

size_t
text_quoted_len(const char *bytes, size_t len)
{
	size_t total = 2;

	if (!utf8_ok(bytes, len))
		return 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte == 0)
			return 0;
		total += escape_of(byte) ? 2 : byte < 0x20 || byte == 0x7f ? 6 : 1;
	}
	return total;
}

void
text_key(struct text *text, const char *key)
{
	char last = text->len ? text->data[text->len - 1] : '\0';

	if (last != '{' && last != '[' && last != '\0')
		text_words(text, ",");
	text_quoted(text, key, strlen(key));
	text_words(text, ":");
}

void
text_string(struct text *text, const char *key, const char *value)
{
	if (!value)
		return;
	text_key(text, key);
	text_quoted(text, value, strlen(value));
}

void
text_int(struct text *text, const char *key, int64_t value)
{
	text_key(text, key);
	text_format(text, "%" PRId64, value);
}

void
text_uint(struct text *text, const char *key, uint64_t value)
{
	text_key(text, key);
	text_format(text, "%" PRIu64, value);
}

void
text_bool(struct text *text, const char *key, bool value)
{
	text_key(text, key);
	text_words(text, value ? "true" : "false");
}

void
text_null(struct text *text, const char *key)
{
	text_key(text, key);
	text_words(text, "null");
}

/* value / 1000 */
static void
add_thousandths(struct text *text, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	unsigned fraction = (unsigned)(size % 1000);

	text_format(text, "%s%" PRIu64, value < 0 ? "-" : "", size / 1000);
	if (fraction % 100 == 0)
		text_format(text, ".%u", fraction / 100);
	else if (fraction % 10 == 0)
		text_format(text, ".%02u", fraction / 10);
	else
		text_format(text, ".%03u", fraction);
}

void
text_seconds(struct text *text, const char *key, int64_t ms)
{
	text_key(text, key);
	add_thousandths(text, ms);
}

void
text_double(struct text *text, const char *key, double value)
{
	double most = 9e15;	/* beyond it a double has no thousandths; also where nan goes */
	double kept = value > most ? most : value < -most ? -most : value == value ? value : 0;

	text_key(text, key);
	add_thousandths(text, (int64_t)(kept * 1000 + (kept < 0 ? -0.5 : 0.5)));
}

void
text_time(struct text *text, const char *key, int64_t wall_ms)
{
	char buffer[25];

	if (wall_ms == 0)
		return;
	time_write(wall_ms, buffer);
	text_string(text, key, buffer);
}

void
text_base64(struct text *text, const char *bytes, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *data = (const unsigned char *)bytes;

	text_words(text, "\"");
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t three = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
		    (left > 2 ? data[i + 2] : 0);
		char four[4] = { letters[three >> 18], letters[three >> 12 & 63],
			left > 1 ? letters[three >> 6 & 63] : '=', left > 2 ? letters[three & 63] : '=' };

		text_raw(text, four, 4);
	}
	text_words(text, "\"");
}
