#include "core/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ARENA_BLOCK_SIZE
#define ARENA_BLOCK_SIZE 16384	/* holds the plan of an ordinary step; 0 = each allocation has a block of its own */
#endif
#define ALIGNMENT _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t size;	/* bytes behind this header */
	size_t used;
	max_align_t data[];
};

void *
arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;

	if (size > SIZE_MAX / 2) {
		arena->failed = true;
		return NULL;
	}
	if (!block || block->size - block->used < size) {
		size_t room = size > ARENA_BLOCK_SIZE ? size : ARENA_BLOCK_SIZE;

		block = malloc(sizeof *block + room);
		if (!block) {
			arena->failed = true;
			return NULL;
		}
		block->size = room;
		block->used = 0;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	void *memory = (char *)block->data + block->used;
	size_t aligned = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	block->used = aligned < block->size - block->used ? block->used + aligned : block->size;
	return memset(memory, 0, size);
}

char *
arena_copy(struct arena *arena, const void *data, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

char *
arena_string(struct arena *arena, const char *string)
{
	return string ? arena_copy(arena, string, strlen(string)) : NULL;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	int len = vsnprintf(NULL, 0, format, list);
	va_end(list);
	if (len < 0)
		return NULL;
	char *text = arena_alloc(arena, (size_t)len + 1);
	if (!text)
		return NULL;
	va_start(list, format);
	vsnprintf(text, (size_t)len + 1, format, list);
	va_end(list);
	return text;
}

void
arena_reset(struct arena *arena)
{
	struct arena_block *keep = NULL;

	for (struct arena_block *block = arena->blocks, *next; block; block = next) {
		next = block->next;
		if (!keep && block->size == ARENA_BLOCK_SIZE)
			keep = block;
		else
			free(block);
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
	arena->blocks = keep;
	arena->failed = false;
}

void
arena_free(struct arena *arena)
{
	for (struct arena_block *block = arena->blocks, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	arena->blocks = NULL;
	arena->failed = false;
}
