#include "config.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"

static void *
need(void *memory)
{
	static const char text[] = "out of memory\n";

	if (!memory) {
		if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
			/* The exit code still tells. */
		}
		_exit(EXIT_SYSTEM);
	}
	return memory;
}

void *
memory_new(size_t size)
{
	return need(calloc(1, size ? size : 1));
}

void *
memory_resize(void *memory, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return need(NULL);
	return need(realloc(memory, count > 0 && size > 0 ? count * size : 1));
}

char *
memory_string(const char *text)
{
	return text ? need(strdup(text)) : NULL;
}

char *
memory_vprint(const char *format, va_list list)
{
	char *text;

	return need(vasprintf(&text, format, list) < 0 ? NULL : text);
}

char *
memory_print(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	char *text = memory_vprint(format, list);
	va_end(list);
	return text;
}
