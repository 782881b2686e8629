/* zkq results: id, name, state, exit, seconds and end of output, as CSV or JSON lines, in the order given; or a table of
 * columns chosen. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/memory.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/info.h"
#include "cli/listing.h"

#define CHUNK 500	/* ids asked for at once */

static bool csv;

static const struct option_row options[] = {
	{ .name = "csv", .kind = OPTION_FLAG, .into = &csv, .help = "CSV, the default (--json: JSON lines)" },
	{ 0 },
};

static struct {
	const struct ids *ids;
	int first;
	bool tabled;		/* columns are chosen: */
	struct listing listing;
	struct info_kept kept[CHUNK];
	char *lines[CHUNK];	/* of ids answered out of order; NULL = none yet */
	size_t sizes[CHUNK];
	int code;
} state;

static void
spell_csv(FILE *out, const struct zkq_info *info)
{
	char number[32];

	output_csv(out, info->id, strlen(info->id));
	putc(',', out);
	if (info->name)
		output_csv(out, info->name, strlen(info->name));
	putc(',', out);
	output_csv(out, info->state, strlen(info->state));
	putc(',', out);
	if (info->ended && info->signal > 0)
		fprintf(out, "%d", EXIT_SIGNAL + info->signal);
	else if (info->ended && info->exit_code >= 0)
		fprintf(out, "%d", info->exit_code);
	putc(',', out);
	if (info->ended && info->started_ms > 0) {
		snprintf(number, sizeof number, "%.3f", info->run_seconds);
		fputs(number, out);
	}
	putc(',', out);
	if (info->ended && info->tail)
		output_csv(out, info->tail, info->tail_size);
	putc('\n', out);
}

static void
spell_json(FILE *out, const char *id, int error, const struct zkq_info *info)
{
	struct jsonout json;

	jsonout_start(&json, out);
	jsonout_object(&json, NULL);
	jsonout_string(&json, "schema", "zkq.result/1");
	if (error == ZKQ_OK)
		info_json(&json, info);
	else
		info_json_error(&json, id, error);
	jsonout_end(&json);
}

/* Lines stand beside the ids. */
static void
spell_unknown(FILE *out, const char *id)
{
	output_csv(out, id, strlen(id));
	fputs(",,unknown,,,\n", out);
}

static void
print_line(const char *line, size_t size)
{
	if (!settings.json && isatty(STDOUT_FILENO))
		terminal_write(stdout, line, size, true);
	else
		fwrite(line, 1, size, stdout);
}

/* What is known of the index-th id of the chunk, as a line that is printed in its turn. */
static void
spell(int index, const char *id, int error, const struct zkq_info *info)
{
	char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);

	if (!out) {
		state.code = EXIT_SYSTEM;
		return;
	}
	if (settings.json)
		spell_json(out, id, error, info);
	else if (error == ZKQ_OK)
		spell_csv(out, info);
	else if (error == ZKQ_ENOENT)
		spell_unknown(out, id);
	if (fclose(out) != 0)
		state.code = EXIT_SYSTEM;
	free(state.lines[index]);
	state.lines[index] = line;
	state.sizes[index] = size;
}

static void
take(void *context, int index, int error, const struct zkq_info *info)
{
	const char *id = state.ids->items[state.first + index];

	(void)context;
	error = cli_id_error(id, error);
	if (state.tabled)
		info_keep(&state.kept[index], error, info);
	else
		spell(index, id, error, info);
	if (error != ZKQ_OK) {
		cli_say_id(id, error);
		state.code = state.code ? state.code : cli_error_exit(error);
	} else if (!info->ended && state.code == EXIT_OK) {
		state.code = EXIT_NO;
	}
}

static void
add_chunk(int count)
{
	for (int i = 0; i < count; i++) {
		struct zkq_info unknown = { .id = state.ids->items[state.first + i], .state = "unknown", .priority = -1,
			.exit_code = -1 };

		info_row(state.listing.table, state.kept[i].error == ZKQ_OK && state.kept[i].info.id ? &state.kept[i].info :
		    &unknown);
		info_forget(&state.kept[i]);
	}
}

static void
print_chunk(int count)
{
	for (int i = 0; i < count; i++) {
		if (state.lines[i])
			print_line(state.lines[i], state.sizes[i]);
		free(state.lines[i]);
		state.lines[i] = NULL;
	}
}

static int
results(int argc, char **argv)
{
	struct zkq *handle;
	struct ids ids;

	(void)argc;
	if (csv && (settings.json || settings.fields))
		return cli_usage("--csv or --%s, not both", settings.json ? "json" : "output");
	state.tabled = settings.fields && !settings.json;
	int code = listing_check(info_columns, INFO_COLUMNS);
	if (code == 0)
		code = cli_ids(argv, true, &ids);
	if (code)
		return code;
	code = cli_open_ids(&handle, &ids);
	if (code)
		return code;
	state.ids = &ids;
	if (state.tabled)
		listing_begin(&state.listing, "zkq.result/1", info_columns, INFO_COLUMNS);
	else if (!settings.json && !settings.no_header)
		puts("id,name,state,exit,seconds,tail");
	int error = ZKQ_OK;
	for (; state.first < ids.count && error == ZKQ_OK && !output_broken(); state.first += CHUNK) {
		int count = ids.count - state.first < CHUNK ? ids.count - state.first : CHUNK;

		/* Each chunk gets the whole time: a long list is no reason to give up. */
		error = zkq_get_wait(handle, (const char *const *)ids.items + state.first, count, (int)settings.timeout_ms, take,
		    NULL);
		if (state.tabled)
			add_chunk(count);
		else
			print_chunk(count);
	}
	if (state.tabled) {
		listing_rows(&state.listing, error == ZKQ_OK);
		listing_end(&state.listing, error == ZKQ_OK);
	}
	code = error == ZKQ_OK ? state.code : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	cli_ids_free(&ids);
	return code;
}

const struct command command_results = {
	.name = "results",
	.program = "zkq-results",
	.about = "print results as CSV or JSON lines",
	.usage = "zkq results [OPTIONS] ID...",
	.notes = "'-' reads ids from standard input. -o prints a table. Exit code 1 when some have not ended or are unknown.",
	.manual = "zkq-results(1)",
	.options = options,
	.anywhere = true,
	.reads = true,
	.run = results,
};
