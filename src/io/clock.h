/*
 * clock.h: the two clocks of the programs, and randomness from the kernel.
 */
#ifndef ZKQ_IO_CLOCK_H
#define ZKQ_IO_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_boot_ms(void);	/* CLOCK_BOOTTIME: only grows, counts suspend */
int64_t clock_wall_ms(void);	/* CLOCK_REALTIME: for people */
double clock_boot_seconds(void);

uint64_t random_number(void);
/* Writes len characters of [a-z0-9] and a NUL: out holds len + 1. */
void random_word(char *out, size_t len);

#endif
