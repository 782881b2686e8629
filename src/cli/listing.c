#include "config.h"

#include "cli/listing.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/info.h"

static int
no_field(const struct table_column *columns, int count, const char *wrong, int len)
{
	char names[512] = "";

	for (int i = 0; i < count; i++)
		snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", columns[i].field);
	return cli_usage("option '--output': no field '%.*s'; there are: %s", len, wrong, names);
}

int
listing_begin(struct listing *listing, const char *schema, const struct table_column *columns, int count)
{
	const char *wrong;
	int len;

	listing->table = table_new(columns, count);
	if (!table_choose(listing->table, settings.fields, &wrong, &len)) {
		table_free(listing->table);
		listing->table = NULL;
		return no_field(columns, count, wrong, len);
	}
	if (settings.json)
		info_json_begin(&listing->json, schema);
	return 0;
}

int
listing_check(const struct table_column *columns, int count)
{
	struct table *table = table_new(columns, count);
	const char *wrong;
	int len, code = 0;

	if (!table_choose(table, settings.fields, &wrong, &len))
		code = no_field(columns, count, wrong, len);
	table_free(table);
	return code;
}

void
listing_rows(struct listing *listing, bool good)
{
	if (settings.json)
		jsonout_end(&listing->json);
	else if (good && table_rows(listing->table))
		table_print(listing->table, stdout, !settings.no_header, terminal_color(stdout, settings.color),
		    terminal_columns(stdout));
}

void
listing_end(struct listing *listing, bool good)
{
	if (settings.json)
		info_json_finish(&listing->json, good);
	table_free(listing->table);
	listing->table = NULL;
}
