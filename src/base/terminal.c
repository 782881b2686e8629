#include "config.h"

#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/memory.h"

/* Of a longer message only the beginning and the end are shown: whose fault, and what to do. */
#define MESSAGE_MAX 600
#define MESSAGE_BEGIN 320
#define MESSAGE_END 240

/* Characters that have no shape of their own but change what others look like, ascending. */
static const struct range {
	unsigned from, to;
} invisible[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f },		/* C0, DEL, C1 */
	{ 0x00ad, 0x00ad }, { 0x034f, 0x034f }, { 0x061c, 0x061c }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 },
	{ 0x180b, 0x180f }, { 0x200b, 0x200f },		/* zero-width, directional marks */
	{ 0x2028, 0x202e },				/* line separators, bidirectional embedding and override */
	{ 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xd800, 0xdfff }, { 0xe000, 0xf8ff }, { 0xfe00, 0xfe0f },
	{ 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0x1d173, 0x1d17a },
	{ 0xe0000, 0x10ffff },				/* tags, variation selectors, private planes */
};

bool
terminal_printable(unsigned character)
{
	for (size_t i = 0; i < sizeof invisible / sizeof invisible[0] && invisible[i].from <= character; i++)
		if (character <= invisible[i].to)
			return false;
	return true;
}

int
terminal_decode(const char *text, size_t len, unsigned *character, bool *cut)
{
	static const unsigned smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	int size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	*cut = false;
	if (size < 2) {
		*character = p[0];
		return size;
	}
	unsigned c = p[0] & (0xffU >> (size + 1));
	for (int i = 1; i < size; i++) {
		if ((size_t)i == len) {
			*cut = true;
			return 0;
		}
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if (c < smallest[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*character = c;
	return size;
}

/* One character of text as it is to be shown: at most 16 bytes to shown. Returns the bytes of text it took. */
static size_t
show(const char *text, size_t len, char shown[17], int *width)
{
	static const char digits[] = "0123456789abcdef";
	unsigned c;
	bool cut;
	int size = terminal_decode(text, len, &c, &cut);

	if (size > 0 && terminal_printable(c)) {
		/* What the locale knows no width for is unassigned: it may mean anything on the terminal. */
		int columns = c < 0x80 ? 1 : wcwidth((wchar_t)c);

		if (columns >= 0) {
			memcpy(shown, text, (size_t)size);
			shown[size] = '\0';
			*width = columns;
			return (size_t)size;
		}
	}
	if (size == 0)
		size = 1;
	for (int i = 0; i < size; i++) {
		shown[4 * i] = '\\';
		shown[4 * i + 1] = 'x';
		shown[4 * i + 2] = digits[(unsigned char)text[i] >> 4];
		shown[4 * i + 3] = digits[(unsigned char)text[i] & 15];
	}
	shown[4 * size] = '\0';
	*width = 4 * size;
	return (size_t)size;
}

size_t
terminal_safe(const char *text, size_t len, char *buffer, size_t size)
{
	size_t used = 0;
	char shown[17];
	int width;

	for (size_t at = 0; at < len;) {
		at += show(text + at, len - at, shown, &width);
		size_t n = strlen(shown);
		if (used + n >= size)
			break;
		memcpy(buffer + used, shown, n);
		used += n;
	}
	buffer[used] = '\0';
	return used;
}

char *
terminal_message(const char *format, va_list list)
{
	char *text = memory_vprint(format, list);
	size_t len = strlen(text);

	if (len > MESSAGE_MAX) {
		memcpy(text + MESSAGE_BEGIN, "...", 3);
		memmove(text + MESSAGE_BEGIN + 3, text + len - MESSAGE_END, MESSAGE_END + 1);
		len = MESSAGE_BEGIN + 3 + MESSAGE_END;
	}
	size_t size = 4 * len + 1;	/* each byte may become \xNN */
	char *safe = memory_resize(NULL, size, 1);
	terminal_safe(text, len, safe, size);
	free(text);
	return safe;
}

void
terminal_write(FILE *out, const char *text, size_t len, bool lines)
{
	char shown[17];
	int width;

	for (size_t at = 0; at < len;) {
		if (lines && (text[at] == '\n' || text[at] == '\t')) {
			putc(text[at++], out);
			continue;
		}
		at += show(text + at, len - at, shown, &width);
		fputs(shown, out);
	}
}

int
terminal_width(const char *text)
{
	size_t len = strlen(text);
	int sum = 0;
	char shown[17];
	int width;

	for (size_t at = 0; at < len;) {
		at += show(text + at, len - at, shown, &width);
		sum += width;
	}
	return sum;
}

char *
terminal_cut(const char *text, int width)
{
	static const char ellipsis[] = "\xe2\x80\xa6";
	char shown[17];
	int columns, used_columns = 0;

	if (!text)
		return memory_string("-");
	size_t len = strlen(text), used = 0;
	char *result = memory_new(len * 4 + sizeof ellipsis);
	bool cut = width > 0 && terminal_width(text) > width;
	for (size_t at = 0; at < len;) {
		at += show(text + at, len - at, shown, &columns);
		if (cut && used_columns + columns > width - 1)
			break;
		size_t n = strlen(shown);
		memcpy(result + used, shown, n);
		used += n;
		used_columns += columns;
	}
	if (cut) {
		memcpy(result + used, ellipsis, sizeof ellipsis - 1);
		used += sizeof ellipsis - 1;
	}
	result[used] = '\0';
	return result;
}

/* Writes what of the held bytes is decided: whole characters, and bytes that begin none. */
static void
write_held(struct terminal_stream *stream)
{
	unsigned c;
	bool cut;

	while (stream->held_len > 0) {
		int size = terminal_decode(stream->held, stream->held_len, &c, &cut);

		if (size == 0 && cut)
			return;
		size_t done = size > 0 ? (size_t)size : 1;
		terminal_write(stream->out, stream->held, done, true);
		stream->held_len -= done;
		memmove(stream->held, stream->held + done, stream->held_len);
	}
}

void
terminal_stream_write(struct terminal_stream *stream, const char *data, size_t len)
{
	unsigned c;
	bool cut;

	if (stream->raw) {
		if (data && len)
			fwrite(data, 1, len, stream->out);
		return;
	}
	if (!data) {
		terminal_write(stream->out, stream->held, stream->held_len, true);
		stream->held_len = 0;
		return;
	}
	/* Complete the held character byte by byte; the byte that proves it to be none may begin the next one. */
	while (stream->held_len > 0 && len > 0) {
		stream->held[stream->held_len++] = *data++;
		len--;
		write_held(stream);
	}
	if (stream->held_len > 0)
		return;
	/* Hold back a character cut at the end. */
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		const char *start = data + len - back;

		if (((unsigned char)*start & 0xc0) != 0xc0)
			continue;
		if (terminal_decode(start, back, &c, &cut) == 0 && cut) {
			memcpy(stream->held, start, back);
			stream->held_len = back;
			len -= back;
		}
		break;
	}
	terminal_write(stream->out, data, len, true);
}

bool
terminal_color(FILE *out, enum color_when when)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	if (when != COLOR_AUTO)
		return when == COLOR_ALWAYS;
	return isatty(fileno(out)) && term && *term && strcmp(term, "dumb") != 0 && (!no_color || !*no_color);
}

int
terminal_columns(FILE *out)
{
	const char *text = getenv("COLUMNS");
	struct winsize size;

	if (!isatty(fileno(out)))
		return 0;
	if (text) {
		char *end;
		long columns = strtol(text, &end, 10);

		if (*text && *end == '\0' && columns > 0 && columns < 10000)
			return (int)columns;
	}
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}
