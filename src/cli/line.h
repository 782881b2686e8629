/*
 * line.h: lines of text that a user hands in, such as ids or variables: bounded, whatever the file is (/dev/zero, a log).
 */
#ifndef ZKQ_CLI_LINE_H
#define ZKQ_CLI_LINE_H

#include <stddef.h>
#include <stdio.h>

struct line_input {
	FILE *in;
	const char *name;	/* for messages: "standard input" or the file */
	int number;		/* of the line last read */
	char *text;		/* that line without "\n" and "\r\n"; size bytes, the caller's */
	size_t size;
};

/* Reads the next line into text. Returns 1; 0 at the end; -1 after having said what is wrong: too long, a NUL byte, or it
 * cannot be read; then *code is the exit code. */
int line_next(struct line_input *input, int *code);

#endif
