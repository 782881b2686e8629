#include "config.h"

#include "base/table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
	int *shown, shown_count;	/* the columns that are printed */
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
	table_choose(table, NULL, NULL, NULL);
	return table;
}

static void
show(struct table *table, int column)
{
	table->shown = memory_resize(table->shown, (size_t)table->shown_count + 1, sizeof *table->shown);
	table->shown[table->shown_count++] = column;
}

bool
table_choose(struct table *table, const char *fields, const char **wrong, int *len)
{
	table->shown_count = 0;
	for (int i = 0; !fields && i < table->column_count; i++)
		if (!table->columns[i].extra)
			show(table, i);
	for (const char *p = fields; p; p = *p ? p + 1 : NULL) {
		int n = (int)strcspn(p, ","), i = 0;

		while (i < table->column_count && (strncasecmp(table->columns[i].field, p, (size_t)n) != 0 ||
		    table->columns[i].field[n]))
			i++;
		if (i == table->column_count || !n) {
			*wrong = p;
			*len = n;
			return false;
		}
		show(table, i);
		p += n;
	}
	return true;
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
	free(table->shown);
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
print_cell(const struct table *table, FILE *out, int at, const char *text, int width, int sgr, int room)
{
	int column = table->shown[at];
	bool last = at == table->shown_count - 1;
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

	for (int i = 0; i < table->shown_count - 1; i++)
		used += table->widths[table->shown[i]] + GAP;
	int room = width > 0 ? (width - used > 8 ? width - used : 8) : 0;
	if (header) {
		for (int i = 0; i < table->shown_count; i++) {
			const char *title = table->columns[table->shown[i]].title;

			print_cell(table, out, i, title, terminal_width(title), 0, room);
		}
		putc('\n', out);
	}
	for (int r = 0; r < table->row_count; r++) {
		const struct cell *row = table->cells + (size_t)r * (size_t)table->column_count;

		for (int i = 0; i < table->shown_count; i++) {
			const struct cell *cell = &row[table->shown[i]];

			print_cell(table, out, i, cell->text, cell->width, color ? cell->sgr : 0, room);
		}
		putc('\n', out);
	}
}
