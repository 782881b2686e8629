/* Tables: cells of strangers neither harm the terminal nor move what is beside them. The first bytes choose the shape; cells
 * end with 0xff, rows with 0xfe. */
#include <string.h>

#include "base/table.h"
#include "base/terminal.h"
#include "fuzz.h"

#define COLUMNS 3
#define GAP 2

struct shape {
	struct table_column columns[COLUMNS];
	int width;
	bool header, color;
};

static int
least(int a, int b)
{
	return a < b ? a : b;
}

static int
most(int a, int b)
{
	return a > b ? a : b;
}

/* Fills cells of a table from the input; returns how wide each column must be. */
static struct table *
fill(const struct shape *shape, const uint8_t *data, size_t size, int widths[COLUMNS])
{
	struct table *table = table_new(shape->columns, COLUMNS);
	size_t at = 0;

	for (int i = 0; i < COLUMNS; i++)
		widths[i] = terminal_width(shape->columns[i].title);
	while (at < size) {
		char *cells[COLUMNS] = { NULL };

		for (int i = 0; i < COLUMNS && at < size && data[at] != 0xfe; i++) {
			const uint8_t *end = memchr(data + at, 0xff, size - at);
			size_t len = end ? (size_t)(end - data) - at : size - at;
			int max = shape->columns[i].max;

			cells[i] = fuzz_text(data + at, len);
			at += len + 1;
			char *shown = terminal_cut(cells[i], max);
			MUST(max <= 0 || terminal_width(shown) <= max);
			widths[i] = most(widths[i], terminal_width(shown));
			free(shown);
		}
		if (at < size && data[at] == 0xfe)
			at++;
		table_row(table, (const char *const *)cells);
		table_color(table, 1, 31);
		for (int i = 0; i < COLUMNS; i++)
			free(cells[i]);
	}
	return table;
}

/* Takes colours out of a line, which end where they should; the rest is harmless. */
static void
plain(char *line)
{
	char *to = line;

	for (char *p = line; *p;) {
		if (strncmp(p, "\x1b[31m", 5) == 0) {
			MUST(strstr(p, "\x1b[0m"));
			p += 5;
		} else if (strncmp(p, "\x1b[0m", 4) == 0) {
			p += 4;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
	MUST(fuzz_harmless(line, strlen(line), ""));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int widths[COLUMNS];
	size_t len;

	if (size < 4)
		return 0;
	struct shape shape = {
		.columns = {
			{ .title = "ID", .right = data[0] & 1, .max = data[1] % 20 },
			{ .title = "STATE", .right = data[0] & 2, .max = data[2] % 20 },
			{ .title = "NAME" },
		},
		.width = data[3], .header = data[0] & 4, .color = data[0] & 8,
	};
	fuzz_abroad(false);
	struct table *table = fill(&shape, data + 4, size - 4, widths);
	table_print(table, fuzz_memory_begin(), shape.header, shape.color, shape.width);
	const char *printed = fuzz_memory_end(&len);
	char *copy = fuzz_text((const uint8_t *)printed, len), *line = copy;
	int lines = 0;

	/* One line for each row; every line at most as wide as its columns, and as the terminal if that has room for 8 more. */
	int left = widths[0] + GAP + widths[1] + GAP;
	int wide = shape.width ? least(left + widths[2], most(shape.width, left + 8)) : left + widths[2];
	for (char *end; *line; line = end + 1, lines++) {
		end = strchr(line, '\n');
		MUST(end);
		*end = '\0';
		plain(line);
		MUST(terminal_width(line) >= left && terminal_width(line) <= wide);
	}
	MUST(lines == table_rows(table) + (shape.header ? 1 : 0));
	free(copy);
	table_free(table);
	return 0;
}
