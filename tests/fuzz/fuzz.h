/*
 * fuzz.h: targets in libFuzzer's form, one per program. With clang:
 *
 *     clang -g -fsanitize=fuzzer,address,undefined -Isrc -Iinclude -Ibuild -o fuzz_task \
 *         tests/fuzz/fuzz_task.c src/codec/[!w]*.c src/core/{arena,node,record,rng}.c -ljansson
 *     ./fuzz_task tests/fuzz/corpus/task
 *
 * Without it, replay.c runs the corpus, and changed copies of it, through the same function.
 */
#ifndef ZKQ_TESTS_FUZZ_FUZZ_H
#define ZKQ_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert(), but always there. */
#define MUST(condition) \
	((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

#endif
