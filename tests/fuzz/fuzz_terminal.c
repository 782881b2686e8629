/* Text of others on its way to a terminal: what comes out is harmless, as wide as is said, and the same however the text is
 * cut into pieces. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/terminal.h"
#include "fuzz.h"

/* Columns that harmless text takes, by the C library alone. */
static int
columns(const char *text)
{
	size_t len = strlen(text), at = 0;
	mbstate_t state = { 0 };
	int sum = 0;

	while (at < len) {
		wchar_t c;
		size_t size = mbrtowc(&c, text + at, len - at, &state);

		MUST(size > 0 && size <= 4 && wcwidth(c) >= 0);
		sum += wcwidth(c);
		at += size;
	}
	return sum;
}

static void
whole(const char *data, size_t len)
{
	char small[24], *room = malloc(len * 4 + 1);

	size_t safe = terminal_safe(data, len, room, len * 4 + 1);
	MUST(safe == strlen(room) && safe <= len * 4 && fuzz_harmless(room, safe, ""));
	/* What is harmless already passes as it is. */
	char *again = malloc(safe + 1);
	MUST(terminal_safe(room, safe, again, safe + 1) == safe && memcmp(room, again, safe) == 0);
	size_t part = terminal_safe(data, len, small, sizeof small);
	MUST(part < sizeof small && small[part] == '\0' && memcmp(small, room, part) == 0);
	MUST(fuzz_harmless(small, part, "") && (part == safe || part + 16 >= sizeof small));
	free(again);
	free(room);
}

static void
width(const char *text, int most)
{
	size_t len = strlen(text);
	char *room = malloc(len * 4 + 1), *cut = terminal_cut(text, most);

	terminal_safe(text, len, room, len * 4 + 1);
	int all = terminal_width(text);
	MUST(all == columns(room));
	MUST(fuzz_harmless(cut, strlen(cut), ""));
	if (most <= 0 || all <= most) {
		MUST(strcmp(cut, room) == 0);
	} else {
		size_t kept = strlen(cut) - 3;

		MUST(columns(cut) <= most && strcmp(cut + kept, "…") == 0 && strncmp(cut, room, kept) == 0);
		MUST(columns(cut) + 16 > most || most < 16);
	}
	free(cut);
	free(room);
}

/* Cut where the bits of cuts say. */
static void
pieces(const char *data, size_t len, unsigned cuts)
{
	struct terminal_stream stream = { 0 };
	size_t whole_len, out_len;

	terminal_write(fuzz_memory_begin(), data, len, true);
	const char *text = fuzz_memory_end(&whole_len);
	char *expected = malloc(whole_len + 1);
	memcpy(expected, text, whole_len + 1);
	MUST(fuzz_harmless(expected, whole_len, "\n\t"));

	stream.out = fuzz_memory_begin();
	for (size_t at = 0, next; at < len; at = next) {
		next = at + 1;
		while (next < len && !(cuts >> next % 13 & 1))
			next++;
		terminal_stream_write(&stream, data + at, next - at);
	}
	terminal_stream_write(&stream, NULL, 0);
	text = fuzz_memory_end(&out_len);
	MUST(fuzz_harmless(text, out_len, "\n\t"));
	MUST(out_len == whole_len && memcmp(text, expected, out_len) == 0);
	free(expected);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	char *text = fuzz_text(data + 2, size - 2);

	fuzz_abroad(false);
	whole((const char *)data + 2, size - 2);
	width(text, data[0] % 40);
	pieces((const char *)data + 2, size - 2, data[0] | (unsigned)data[1] << 8);
	free(text);
	return 0;
}
