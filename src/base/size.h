/*
 * size.h: numbers of bytes as people write and read them.
 */
#ifndef ZKQ_BASE_SIZE_H
#define ZKQ_BASE_SIZE_H

#include <stdint.h>

#define SIZE_TEXT 32	/* room for what size_short() writes */

/* Reads "64", "64K", "64k", "64KiB", "3M", "5GiB", "1T" (powers of 1024) into *bytes. Returns NULL, or a static phrase
 * that says what is wrong; then *bytes is untouched. */
const char *size_parse(const char *text, uint64_t *bytes);
/* "0 B", "812 B", "1.2 KiB", "640 MiB". */
const char *size_short(uint64_t bytes, char buffer[SIZE_TEXT]);

#endif
