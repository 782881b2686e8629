/*
 * arena.h: memory that is freed all at once. Plans and decoded replies live in arenas:
 * whoever resets the arena ends the life of everything in it.
 */
#ifndef ZKQ_CORE_ARENA_H
#define ZKQ_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

/* Zero-initialised is a valid empty arena. */
struct arena {
	struct arena_block *blocks;	/* newest first */
	bool failed;			/* an allocation failed since the last reset */
};

/* Zeroed memory, aligned for any type, alive until arena_reset() or arena_free().
 * NULL when memory runs out; then failed is set and stays set until the reset. */
void *arena_alloc(struct arena *arena, size_t size);
/* Copies len bytes of data and appends a NUL. data may be NULL when len is 0. NULL on failure. */
char *arena_copy(struct arena *arena, const void *data, size_t len);
/* Copies a string; NULL gives NULL. */
char *arena_string(struct arena *arena, const char *string);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Forgets everything but keeps one block for reuse. */
void arena_reset(struct arena *arena);
/* Frees everything; the arena is empty and usable afterwards. */
void arena_free(struct arena *arena);

#endif
