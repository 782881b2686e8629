#include "config.h"

#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/terminal.h"

#define GAP 2	/* spaces between columns */

struct cell {
	char *text;
	int width, sgr;
};

struct table {
	const struct table_column *columns;
	int column_count, row_count, row_room;
	struct cell *cells;	/* row by row */
	int *widths;
};

struct table *
table_new(const struct table_column *columns, int count)
{
	struct table *table = memory_new(sizeof *table);

	table->columns = columns;
	table->column_count = count;
	table->widths = memory_new((size_t)count * sizeof *table->widths);
	for (int i = 0; i < count; i++)
		table->widths[i] = terminal_width(columns[i].title);
	return table;
}

void
table_free(struct table *table)
{
	if (!table)
		return;
	for (int i = 0; i < table->row_count * table->column_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table->widths);
	free(table);
}

void
table_row(struct table *table, const char *const *cells)
{
	if (table->row_count == table->row_room) {
		table->row_room = table->row_room ? table->row_room * 2 : 64;
		table->cells = memory_resize(table->cells, (size_t)table->row_room * (size_t)table->column_count,
		    sizeof *table->cells);
	}
	struct cell *row = table->cells + (size_t)table->row_count * (size_t)table->column_count;
	for (int i = 0; i < table->column_count; i++) {
		row[i].text = terminal_cut(cells[i], table->columns[i].max);
		row[i].width = terminal_width(row[i].text);
		row[i].sgr = 0;
		if (row[i].width > table->widths[i])
			table->widths[i] = row[i].width;
	}
	table->row_count++;
}

void
table_color(struct table *table, int column, int sgr)
{
	table->cells[(table->row_count - 1) * table->column_count + column].sgr = sgr;
}

int
table_rows(const struct table *table)
{
	return table->row_count;
}

/* The last column is not padded, and cut where the terminal ends. */
static void
print_cell(const struct table *table, FILE *out, int column, const char *text, int width, int sgr, int room)
{
	bool last = column == table->column_count - 1;
	int pad = table->widths[column] - width;
	char *cut = NULL;

	if (last && room > 0 && width > room) {
		cut = terminal_cut(text, room);
		text = cut;
	}
	if (table->columns[column].right && pad > 0)
		fprintf(out, "%*s", pad, "");
	if (sgr)
		fprintf(out, "\x1b[%dm%s\x1b[0m", sgr, text);
	else
		fputs(text, out);
	if (!last)
		fprintf(out, "%*s", GAP + (table->columns[column].right || pad < 0 ? 0 : pad), "");
	free(cut);
}

void
table_print(const struct table *table, FILE *out, bool header, bool color, int width)
{
	int used = 0;

	for (int i = 0; i < table->column_count - 1; i++)
		used += table->widths[i] + GAP;
	int room = width > 0 ? (width - used > 8 ? width - used : 8) : 0;
	if (header) {
		for (int i = 0; i < table->column_count; i++)
			print_cell(table, out, i, table->columns[i].title, terminal_width(table->columns[i].title), 0, room);
		putc('\n', out);
	}
	for (int r = 0; r < table->row_count; r++) {
		const struct cell *row = table->cells + (size_t)r * (size_t)table->column_count;

		for (int i = 0; i < table->column_count; i++)
			print_cell(table, out, i, row[i].text, row[i].width, color ? row[i].sgr : 0, room);
		putc('\n', out);
	}
}
