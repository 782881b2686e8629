/*
 * memory.h: allocation for programs that end when memory runs out: commands, and daemons while they start.
 * Everything returned is to be freed with free().
 */
#ifndef ZKQ_BASE_MEMORY_H
#define ZKQ_BASE_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

void *memory_new(size_t size);					/* zeroed; size 0 gives one byte */
void *memory_resize(void *memory, size_t count, size_t size);	/* count * size bytes, overflow checked */
char *memory_string(const char *text);				/* NULL stays NULL */
char *memory_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *memory_vprint(const char *format, va_list list) __attribute__((format(printf, 1, 0)));

#endif
