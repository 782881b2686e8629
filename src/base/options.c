#include "config.h"

#include "base/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/terminal.h"

#define ROWS_MAX 80
#define LONG_BASE 1000		/* getopt's value of row i is LONG_BASE + i */
#define HELP_COLUMN 28

void
option_list_add(struct option_list *list, const char *item)
{
	list->items = memory_resize(list->items, (size_t)list->count + 1, sizeof *list->items);
	list->items[list->count++] = item;
}

void
option_list_free(struct option_list *list)
{
	free(list->items);
	memset(list, 0, sizeof *list);
}

/* The rows of all tables, in order. */
static int
collect(const struct options *options, const struct option_row *rows[ROWS_MAX])
{
	int count = 0;

	for (int t = 0; t < OPTION_TABLES_MAX && options->tables[t]; t++)
		for (const struct option_row *row = options->tables[t]; row->name && count < ROWS_MAX; row++)
			rows[count++] = row;
	return count;
}

static const char *
parse_number(const struct option_row *row, const char *text, int *into)
{
	static char why[64];
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (*text == '\0' || *end || errno || strspn(text, "-0123456789") != strlen(text) || value < row->min ||
	    value > row->max) {
		snprintf(why, sizeof why, "a number from %" PRId64 " to %" PRId64 " is wanted", row->min, row->max);
		return why;
	}
	*into = (int)value;
	return NULL;
}

static const char *
parse_time(const struct option_row *row, const char *text, int64_t *into)
{
	static char why[96];
	char low[DURATION_SIZE], high[DURATION_SIZE];
	int64_t ms;
	const char *wrong = duration_parse(text, &ms);

	if (wrong)
		return wrong;
	if (row->max > 0 && (ms < row->min || ms > row->max)) {
		snprintf(why, sizeof why, "a time from %s to %s is wanted", duration_exact(row->min, low),
		    duration_exact(row->max, high));
		return why;
	}
	*into = ms;
	return NULL;
}

static const char *
parse_size(const struct option_row *row, const char *text, uint64_t *into)
{
	static char why[96];
	char low[SIZE_TEXT], high[SIZE_TEXT];
	uint64_t bytes;
	const char *wrong = size_parse(text, &bytes);

	if (wrong)
		return wrong;
	if (row->max > 0 && (bytes < (uint64_t)row->min || bytes > (uint64_t)row->max)) {
		snprintf(why, sizeof why, "a size from %s to %s is wanted", size_short((uint64_t)row->min, low),
		    size_short((uint64_t)row->max, high));
		return why;
	}
	*into = bytes;
	return NULL;
}

static const char *
parse_color(const char *text, enum color_when *into)
{
	if (strcmp(text, "auto") == 0)
		*into = COLOR_AUTO;
	else if (strcmp(text, "always") == 0)
		*into = COLOR_ALWAYS;
	else if (strcmp(text, "never") == 0)
		*into = COLOR_NEVER;
	else
		return "auto, always or never is wanted";
	return NULL;
}

/* Returns NULL or what is wrong with text. */
static const char *
take(const struct option_row *row, const char *text)
{
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)row->into = true;
		return NULL;
	case OPTION_TEXT:
		*(const char **)row->into = text;
		return NULL;
	case OPTION_LIST:
		option_list_add(row->into, text);
		return NULL;
	case OPTION_NUMBER:
		return parse_number(row, text, row->into);
	case OPTION_TIME:
		return parse_time(row, text, row->into);
	case OPTION_SIZE:
		return parse_size(row, text, row->into);
	case OPTION_COLOR:
		return parse_color(text, row->into);
	case OPTION_LEVEL:
		return log_level_parse(text, row->into) ? NULL : "error, warning, info or debug is wanted";
	case OPTION_HELP:
	case OPTION_VERSION:
	case OPTION_LATER:
		break;
	}
	return NULL;
}

int
options_wrong(const struct options *options, const char *format, ...)
{
	va_list list;
	char raw[512], text[1024];

	va_start(list, format);
	vsnprintf(raw, sizeof raw, format, list);
	va_end(list);
	terminal_safe(raw, strlen(raw), text, sizeof text);
	fprintf(stderr, "%s: %s\nTry '%s --help'.\n", options->program, text, options->call);
	if (options->wrong)
		options->wrong(text);
	return OPTIONS_WRONG;
}

static int
take_defaults(const struct options *options, const struct option_row *const *rows, int count)
{
	for (int i = 0; i < count; i++) {
		const char *text = rows[i]->env ? getenv(rows[i]->env) : NULL;
		const char *why = NULL;

		if (text && *text) {
			why = take(rows[i], text);
			if (why)
				return options_wrong(options, "environment variable %s: '%s': %s", rows[i]->env, text, why);
		} else if (rows[i]->preset) {
			why = take(rows[i], rows[i]->preset);
			if (why)
				return options_wrong(options, "default of --%s: %s", rows[i]->name, why);
		}
	}
	return 0;
}

/* What getopt_long() could not read: an option of the word before optind, or the letter optopt in it. */
static int
refuse(const struct options *options, int result, const char *word)
{
	bool is_long = optopt == 0 || optopt >= LONG_BASE;
	int len = (int)strcspn(word, "=");

	if (result == ':' && is_long)
		return options_wrong(options, "option '%s' needs an argument", word);
	if (result == ':')
		return options_wrong(options, "option '-%c' needs an argument", optopt);
	if (optopt >= LONG_BASE)
		return options_wrong(options, "option '%.*s' takes no argument", len, word);
	if (is_long)
		return options_wrong(options, "unknown or ambiguous option '%.*s'", len, word);
	return options_wrong(options, "unknown option '-%c'", optopt);
}

int
options_parse(const struct options *options, int argc, char **argv)
{
	const struct option_row *rows[ROWS_MAX];
	struct option longs[ROWS_MAX + 1];
	char shorts[3 * ROWS_MAX + 3];
	int count = collect(options, rows), chosen;
	size_t used = 0;

	memset(longs, 0, sizeof longs);
	if (!options->anywhere)
		shorts[used++] = '+';
	shorts[used++] = ':';
	for (int i = 0; i < count; i++) {
		longs[i].name = rows[i]->name;
		longs[i].has_arg = rows[i]->argument ? required_argument : no_argument;
		longs[i].val = LONG_BASE + i;
		if (rows[i]->letter) {
			shorts[used++] = rows[i]->letter;
			if (rows[i]->argument)
				shorts[used++] = ':';
		}
	}
	shorts[used] = '\0';
	if (take_defaults(options, rows, count) < 0)
		return OPTIONS_WRONG;

	optind = 0;	/* glibc: begin anew */
	opterr = 0;
	for (;;) {
		int result = getopt_long(argc, argv, shorts, longs, NULL);

		if (result == -1)
			return optind;
		if (result == '?' || result == ':')
			return refuse(options, result, argv[optind - 1]);
		for (chosen = 0; chosen < count; chosen++)
			if (result == LONG_BASE + chosen || (result < LONG_BASE && rows[chosen]->letter == result))
				break;
		const struct option_row *row = rows[chosen];
		switch (row->kind) {
		case OPTION_HELP:
			options_help(options, stdout);
			return OPTIONS_DONE;
		case OPTION_VERSION:
			options_version(options, stdout);
			return OPTIONS_DONE;
		case OPTION_LATER:
			return options_wrong(options, "option '--%s' is not in this version yet; it comes later", row->name);
		default:
			break;
		}
		const char *why = take(row, optarg);
		if (why)
			return options_wrong(options, "option '--%s': '%s': %s", row->name, optarg, why);
		if (row->given)
			*row->given = true;
	}
}

/* "  -n, --name=TEXT          help", the help's later lines below its first. */
static void
print_row(const struct option_row *row, FILE *out)
{
	char left[64];

	if (row->letter)
		snprintf(left, sizeof left, "  -%c, --%s%s%s", row->letter, row->name, row->argument ? "=" : "",
		    row->argument ? row->argument : "");
	else
		snprintf(left, sizeof left, "      --%s%s%s", row->name, row->argument ? "=" : "",
		    row->argument ? row->argument : "");
	fprintf(out, "%-*s", HELP_COLUMN - 2, left);
	if (strlen(left) > HELP_COLUMN - 2)
		fprintf(out, "\n%*s", HELP_COLUMN, "");
	else
		fputs("  ", out);
	for (const char *p = row->help; *p; p++) {
		putc(*p, out);
		if (*p == '\n')
			fprintf(out, "%*s", HELP_COLUMN, "");
	}
	if (row->env && row->preset)
		fprintf(out, " (%s, else %s)", row->env, row->preset);
	else if (row->env)
		fprintf(out, " (%s)", row->env);
	else if (row->preset)
		fprintf(out, " (%s)", row->preset);
	putc('\n', out);
}

void
options_help(const struct options *options, FILE *out)
{
	const char *separator = "Usage: ";

	for (const char *line = options->usage; *line;) {
		size_t len = strcspn(line, "\n");

		fprintf(out, "%s%.*s\n", separator, (int)len, line);
		separator = "       ";
		line += len;
		if (*line)
			line++;
	}
	fprintf(out, "%s\n", options->about);
	for (int t = 0; t < OPTION_TABLES_MAX && options->tables[t]; t++) {
		if (!options->tables[t]->name)
			continue;
		fprintf(out, "\n%s\n", options->titles[t] ? options->titles[t] : "Options:");
		for (const struct option_row *row = options->tables[t]; row->name; row++)
			if (row->kind != OPTION_LATER)
				print_row(row, out);
	}
	if (options->notes)
		fprintf(out, "\n%s\n", options->notes);
	fprintf(out, "\nManual: %s\n", options->manual);
}

void
options_version(const struct options *options, FILE *out)
{
	fprintf(out, "%s (zkq) %s\nLicence: Apache-2.0\n", options->program, options->version);
}
