#include "config.h"

#include "fuzz.h"

#include <locale.h>
#include <string.h>
#include <unistd.h>

/* What the search steers by is the code under test, not this. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif

#define MEMORY_MAX (4 << 20)

static char memory[MEMORY_MAX + 1];
static size_t memory_len;
static FILE *file;

void
fuzz_broken(const char *source, int line, const char *condition)
{
	dprintf(2, "%s:%d: %s\n", source, line, condition);
	abort();
}

void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

void
fuzz_abroad(bool abroad)
{
	static locale_t here, there;

	if (!here) {
		/* The C library never frees what it has read from LOCPATH. */
		if (__lsan_disable)
			__lsan_disable();
		/* Commands set the characters' locale and nothing else. */
		here = newlocale(LC_CTYPE_MASK, "C.UTF-8", newlocale(LC_ALL_MASK, "C", 0));
		there = newlocale(LC_ALL_MASK, "tr_TR.UTF-8", 0);
		if (__lsan_enable)
			__lsan_enable();
		MUST(here);
	}
	uselocale(abroad && there ? there : here);
}

char *
fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static ssize_t
on_write(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	MUST(size <= MEMORY_MAX - memory_len);
	memcpy(memory + memory_len, data, size);
	memory_len += size;
	return (ssize_t)size;
}

FILE *
fuzz_memory_begin(void)
{
	if (!file)
		file = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = on_write });
	MUST(file);
	fflush(file);
	memory_len = 0;
	return file;
}

const char *
fuzz_memory_end(size_t *len)
{
	fflush(file);
	memory[memory_len] = '\0';
	*len = memory_len;
	return memory;
}

/* Bidirectional controls, and line separators. */
static bool
reorders(unsigned c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool
fuzz_harmless(const char *text, size_t len, const char *allowed)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0, size; i < len; i += size) {
		unsigned c = p[i];

		size = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
		if (size == 0 || size > len - i)
			return false;
		c = size == 1 ? c : c & (0x7fu >> size);
		for (size_t k = 1; k < size; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i + k] & 0x3fu);
		}
		if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || reorders(c))
			return false;
		if ((c < 0x20 && (c == 0 || !strchr(allowed, (int)c))) || (c >= 0x7f && c < 0xa0))
			return false;
	}
	return true;
}

#ifdef __clang__
#pragma clang attribute pop
#endif
