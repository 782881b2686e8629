/*
 * table.h: rows of text in columns, as wide as they need be, cut to the terminal. Cells are made harmless.
 */
#ifndef ZKQ_BASE_TABLE_H
#define ZKQ_BASE_TABLE_H

#include <stdbool.h>
#include <stdio.h>

struct table;

struct table_column {
	const char *title;
	bool right;	/* numbers: aligned to the right */
	int max;	/* columns at most; 0 = as wide as it is */
	const char *field;	/* its name in a choice of columns */
	bool extra;	/* shown only when chosen; these come last */
};

/* columns is kept until table_free(). */
struct table *table_new(const struct table_column *columns, int count);
void table_free(struct table *table);
/* Shows these columns, in this order: "id,state". False when there is no such field; then *wrong (of *len bytes, not
 * ended) is what is meant to be one. NULL chooses all that are not extra. */
bool table_choose(struct table *table, const char *fields, const char **wrong, int *len);
/* Adds count cells (as many as columns) as a row; NULL = "-". They are copied. */
void table_row(struct table *table, const char *const *cells);
/* Shows a cell of the last row in a colour: an SGR number such as 31. */
void table_color(struct table *table, int column, int sgr);
int table_rows(const struct table *table);
/* width: columns of the terminal, 0 = the last column is not cut. */
void table_print(const struct table *table, FILE *out, bool header, bool color, int width);

#endif
