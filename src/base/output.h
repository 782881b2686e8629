/*
 * output.h: what a command prints on stdout: checked, as a table, as JSON or as CSV.
 */
#ifndef ZKQ_BASE_OUTPUT_H
#define ZKQ_BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Flushes and closes stdout. Returns code, or lost_code when something printed did not arrive; then "program: cannot
 * write standard output: ..." is said on stderr. A reader that went away (head -1) is no failure of ours: code, silently;
 * for that, SIGPIPE must be ignored: output_open() does it and makes sure that descriptors 0-2 are taken. */
void output_open(void);
int output_close(const char *program, int code, int lost_code);
/* Whether writing to stdout has failed already: nothing more need be printed. */
bool output_broken(void);

/* One field of CSV (RFC 4180): quoted when it must be. Bytes are as they are, on a terminal made harmless. */
void output_csv(FILE *out, const char *text, size_t len);

#endif
