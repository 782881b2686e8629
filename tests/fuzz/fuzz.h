/*
 * fuzz.h: targets in libFuzzer's form, one per program. Each demands properties of what it tests, not only that it does not
 * crash. With clang:
 *
 *     ../configure --enable-fuzzing CC=clang && make fuzzers
 *     ../tests/fuzz/search.py . task                  # 10^7 inputs; or: all -max_total_time=5
 *     tests/fuzz/fuzz_task found/task-crash-...       # one input again
 *
 * In other builds replay.c runs the corpora, and changed copies of them, through the same functions: make check.
 */
#ifndef ZKQ_TESTS_FUZZ_FUZZ_H
#define ZKQ_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert(), but always there, and heard when a target has taken stderr for itself. */
#define MUST(condition) \
	((condition) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_broken(const char *source, int line, const char *condition);

/* From here on the locale is one with a decimal comma and its own idea of i and I (Turkish, where it is installed or
 * LOCPATH has it), or with false the C locale with UTF-8 characters, as commands have it. */
void fuzz_abroad(bool abroad);

/* The input as a string, NUL-terminated where it ends, to be freed; NULs in it stay. */
char *fuzz_text(const uint8_t *data, size_t size);

/* A FILE that keeps what is written to it: its text, NUL-terminated, and its length. Writing begins again after
 * fuzz_memory_begin(). What is too long is a failure: 4 MB. */
FILE *fuzz_memory_begin(void);
const char *fuzz_memory_end(size_t *len);

/* Whether a terminal takes it without harm: UTF-8 without control characters (but those of allowed) and without characters
 * that reorder text. */
bool fuzz_harmless(const char *text, size_t len, const char *allowed);

#endif
