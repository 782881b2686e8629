/*
 * listing.h: what is listed: as a table with columns to choose from, or as one JSON object with items.
 */
#ifndef ZKQ_CLI_LISTING_H
#define ZKQ_CLI_LISTING_H

#include <stdbool.h>
#include <stdio.h>

#include "base/jsonout.h"
#include "base/table.h"

struct listing {
	struct table *table;
	struct jsonout json;	/* with --json: open at the items */
};

/* Returns 0, or the exit code after having said that a column chosen is none of these. */
int listing_check(const struct table_column *columns, int count);
/* columns: with their fields, kept until listing_free(); count of them. Returns 0, or the exit code after having said that
 * there is no such column. */
int listing_begin(struct listing *listing, const char *schema, const struct table_column *columns, int count);
/* Prints the table, when it has rows. With --json: ends the items; members may be added before listing_end(). */
void listing_rows(struct listing *listing, bool good);
/* Prints the JSON object; nothing of it unless good. Frees all. */
void listing_end(struct listing *listing, bool good);

#endif
