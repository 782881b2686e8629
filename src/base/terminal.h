/*
 * terminal.h: text of others made harmless for terminals, its width, and what the terminal can do.
 *
 * Harmless means: valid UTF-8 of printable characters only. Every other byte is shown as \xNN: control characters
 * (C0, DEL, C1, so every escape sequence), bytes that are not UTF-8, and the invisible ones that reorder or hide text
 * (bidirectional controls, zero-width characters, line separators, tags, unassigned and private ones).
 */
#ifndef ZKQ_BASE_TERMINAL_H
#define ZKQ_BASE_TERMINAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Copies len bytes of text, made harmless, to buffer (size > 0, always NUL-terminated; what does not fit whole is
 * left out). Returns the length written. */
size_t terminal_safe(const char *text, size_t len, char *buffer, size_t size);
/* The same to out. With lines, \n and \t pass, for text of several lines. */
void terminal_write(FILE *out, const char *text, size_t len, bool lines);
/* New string: a message for people, made harmless, on one line and short enough to be read: of a longer one the middle is left
 * out, so that its beginning (whose fault) and its end (what to do) stay. Memory running out ends the program. */
char *terminal_message(const char *format, va_list list) __attribute__((format(printf, 1, 0)));
/* New string, at most width columns, cut with "…" when longer (width <= 0 = uncut). Memory running out ends the
 * program. text may be NULL: "-". */
char *terminal_cut(const char *text, int width);
/* Columns that text takes, made harmless. */
int terminal_width(const char *text);

/* Reads one character of len bytes at text: returns its length, or 0 when it is not UTF-8 (a cut one: *cut). */
int terminal_decode(const char *text, size_t len, unsigned *character, bool *cut);
/* Whether a character may reach a terminal as it is. */
bool terminal_printable(unsigned character);

/* Output that comes in pieces, such as a task's: pass each piece, then NULL, 0. */
struct terminal_stream {
	FILE *out;
	bool raw;		/* as it is: out is no terminal */
	char held[4];		/* beginning of a character whose rest is still to come */
	size_t held_len;
};
void terminal_stream_write(struct terminal_stream *stream, const char *data, size_t len);

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
/* auto: out is a terminal, TERM is neither absent nor "dumb", NO_COLOR is absent or empty. */
bool terminal_color(FILE *out, enum color_when when);
/* Columns of the terminal: COLUMNS, else what it says; 0 = out is no terminal, nothing is to be cut. */
int terminal_columns(FILE *out);

#endif
