#include "config.h"

#include "base/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/size.h"
#include "base/terminal.h"

#define ROWS_MAX 80
#define LONG_BASE 1000		/* getopt's value of row i is LONG_BASE + i */
#define HELP_COLUMN 28
#define WHY_SIZE 512
#define SYSTEM_FILE SYSCONFDIR "/zkq/zkq.conf"

enum from { FROM_NOWHERE, FROM_PRESET, FROM_FILE, FROM_ENVIRONMENT, FROM_OPTION };

/* Of the last options_parse(): what each row has, and from where. */
static struct {
	struct conf conf;	/* texts that rows borrow */
	const char *file;	/* OPTION_CONFIG's, or NULL */
	struct origin {
		enum from from;
		char *text;	/* in effect; NULL = none, or a flag's */
		char *where;	/* for people; NULL for presets and options */
	} origins[ROWS_MAX];
} last;

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

static const char *
parse_flag(const char *text, bool *into)
{
	if (!text || strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "on") == 0)
		*into = true;
	else if (strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "off") == 0)
		*into = false;
	else
		return "yes or no is wanted";
	return NULL;
}

/* Returns NULL or what is wrong with text, which is NULL for a flag on a command line. */
static const char *
take(const struct option_row *row, const char *text)
{
	const char *why = row->check ? row->check(text) : NULL;

	if (why)
		return why;
	switch (row->kind) {
	case OPTION_FLAG:
		return parse_flag(text, row->into);
	case OPTION_CONFIG:
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
	case OPTION_FORMAT:
		return log_format_parse(text, row->into) ? NULL : "text or json is wanted";
	case OPTION_HELP:
	case OPTION_VERSION:
	case OPTION_LATER:
		break;
	}
	return NULL;
}

/* take() without an effect. */
static const char *
try(const struct option_row *row, const char *text)
{
	union {
		bool flag;
		const char *text;
		int number;
		int64_t ms;
		uint64_t bytes;
		enum color_when color;
		enum log_level level;
		enum log_format format;
	} scratch;
	struct option_row copy = *row;

	copy.into = &scratch;
	return take(&copy, text);
}

int
options_wrong(const struct options *options, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	char *text = terminal_message(format, list);
	va_end(list);
	fprintf(stderr, "%s: %s; try '%s --help'\n", options->program, text, options->call);
	if (options->wrong)
		options->wrong(text);
	free(text);
	return OPTIONS_WRONG;
}

/* ---- configuration files ---- */

static int
find_row(const struct option_row *const *rows, int count, const char *section, const char *key)
{
	for (int i = 0; i < count; i++)
		if (rows[i]->section && strcmp(rows[i]->section, section) == 0 && (!key || strcmp(rows[i]->name, key) == 0))
			return i;
	return -1;
}

/* A key that no row has: names the nearest that there is. */
static void
unknown_key(const struct option_row *const *rows, int count, const struct conf_value *value, char *why, size_t size)
{
	int nearest = -1, best = (int)strlen(value->key);	/* less than half of the letters are to differ */

	for (int i = 0; i < count; i++) {
		if (!rows[i]->section)
			continue;
		/* At the same distance, the section's own are nearer. */
		int cost = 2 * conf_distance(value->key, rows[i]->name) + (strcmp(rows[i]->section, value->section) != 0);
		if (cost < best) {
			best = cost;
			nearest = i;
		}
	}
	int len = snprintf(why, size, "%s:%d: unknown key '%s' in [%s]", value->file, value->line, value->key, value->section);
	if (nearest < 0 || len < 0 || (size_t)len >= size)
		return;
	if (strcmp(rows[nearest]->section, value->section) == 0)
		snprintf(why + len, size - (size_t)len, "; is '%s' meant?", rows[nearest]->name);
	else
		snprintf(why + len, size - (size_t)len, "; is '%s' in [%s] meant?", rows[nearest]->name, rows[nearest]->section);
}

/* Sections of other programs are theirs to check. */
static bool
check_value(const struct option_row *const *rows, int count, const struct conf_value *value, char *why, size_t size)
{
	int i = find_row(rows, count, value->section, value->key);

	if (i >= 0) {
		const char *wrong = try(rows[i], value->text);
		if (wrong)
			snprintf(why, size, "%s:%d: %s = %s: %s", value->file, value->line, value->key, value->text, wrong);
		return wrong == NULL;
	}
	if (find_row(rows, count, value->section, NULL) >= 0) {
		unknown_key(rows, count, value, why, size);
		return false;
	}
	if (!conf_section_known(value->section)) {
		snprintf(why, size, "%s:%d: unknown section [%s]", value->file, value->line, value->section);
		return false;
	}
	return true;
}

static char *
user_file(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (base && base[0] == '/')
		return memory_print("%s/zkq/zkq.conf", base);
	return home && home[0] == '/' ? memory_print("%s/.config/zkq/zkq.conf", home) : NULL;
}

/* Reads the files that count and checks all that is in them. */
static bool
read_files(const struct option_row *const *rows, int count, struct conf *conf, char *why, size_t size)
{
	char *user = last.file ? NULL : user_file();
	bool good;

	if (last.file)
		good = conf_read(conf, last.file, false, why, size);
	else
		good = conf_read(conf, SYSTEM_FILE, true, why, size) && (!user || conf_read(conf, user, true, why, size));
	free(user);
	for (int i = 0; good && i < conf->count; i++)
		good = check_value(rows, count, &conf->values[i], why, size);
	return good;
}

static int
wrong_file(const struct options *options, const char *raw)
{
	char text[2 * WHY_SIZE];

	terminal_safe(raw, strlen(raw), text, sizeof text);
	fprintf(stderr, "%s: %s\n", options->program, text);
	if (options->wrong_file)
		options->wrong_file(text);
	return OPTIONS_WRONG_FILE;
}

static void
set_origin(int i, enum from from, const char *text, char *where)
{
	free(last.origins[i].text);
	free(last.origins[i].where);
	last.origins[i] = (struct origin){ .from = from, .text = memory_string(text), .where = where };
}

static void
forget_last(void)
{
	for (int i = 0; i < ROWS_MAX; i++)
		set_origin(i, FROM_NOWHERE, NULL, NULL);
	conf_free(&last.conf);
	last.file = NULL;
}

static bool
is_instead(const struct option_row *row)
{
	const char *text = row->env_instead ? getenv(row->env_instead) : NULL;

	return text && *text;
}

static int
take_defaults(const struct options *options, const struct option_row *const *rows, int count)
{
	for (int i = 0; i < count; i++) {
		const struct conf_value *value = rows[i]->section ?
		    conf_find(&last.conf, rows[i]->section, rows[i]->name) : NULL;
		const char *text = rows[i]->env ? getenv(rows[i]->env) : NULL;
		const char *why = NULL;

		if (text && *text) {
			why = take(rows[i], text);
			if (why)
				return options_wrong(options, "environment variable %s: '%s': %s", rows[i]->env, text, why);
			set_origin(i, FROM_ENVIRONMENT, text, memory_string(rows[i]->env));
		} else if (value && is_instead(rows[i])) {
			set_origin(i, FROM_ENVIRONMENT, NULL, memory_string(rows[i]->env_instead));
		} else if (value) {
			take(rows[i], value->text);	/* read_files() has tried it */
			set_origin(i, FROM_FILE, value->text, memory_print("%s:%d", value->file, value->line));
		} else if (rows[i]->preset) {
			why = take(rows[i], rows[i]->preset);
			if (why)
				return options_wrong(options, "default of --%s: %s", rows[i]->name, why);
			set_origin(i, FROM_PRESET, rows[i]->preset, NULL);
		}
	}
	return 0;
}

bool
options_reload(const struct options *options)
{
	const struct option_row *rows[ROWS_MAX];
	struct conf conf = { 0 };
	char why[WHY_SIZE] = "";
	int count = collect(options, rows);
	bool good = read_files(rows, count, &conf, why, sizeof why);

	if (!good)
		log_error("%s; the configuration stays as it was", why);
	for (int i = 0; good && i < count; i++) {
		struct origin *origin = &last.origins[i];
		const struct conf_value *value = rows[i]->section ? conf_find(&conf, rows[i]->section, rows[i]->name) : NULL;
		const char *text = value ? value->text : rows[i]->preset;

		if (!rows[i]->section || origin->from > FROM_FILE || (!text && !origin->text) ||
		    (text && origin->text && strcmp(text, origin->text) == 0))
			continue;
		if (!rows[i]->live || !text) {
			log_warning("configuration: %s = %s needs a restart; until then it is %s", rows[i]->name,
			    text ? text : "(nothing)", origin->text ? origin->text : "as built in");
			continue;
		}
		log_info("configuration: %s = %s from now on", rows[i]->name, text);
		take(rows[i], text);
		set_origin(i, value ? FROM_FILE : FROM_PRESET, text,
		    value ? memory_print("%s:%d", value->file, value->line) : NULL);
	}
	conf_free(&conf);
	return good;
}

void
options_each(const struct options *options, option_value_fn *see, void *context)
{
	const struct option_row *rows[ROWS_MAX];
	int count = collect(options, rows);

	for (int i = 0; i < count; i++) {
		const struct origin *origin = &last.origins[i];
		const char *text = origin->text ? origin->text : origin->from == FROM_OPTION ? "yes" : NULL;

		if (rows[i]->section)
			see(context, rows[i], text, !text ? origin->where : origin->from == FROM_PRESET ? "default" :
			    origin->from == FROM_OPTION ? "option" : origin->where);
	}
}

struct effective {
	FILE *out;
	const char *section;
};

static void
print_value(void *context, const struct option_row *row, const char *text, const char *from)
{
	struct effective *effective = context;
	FILE *out = effective->out;

	if (strcmp(effective->section, row->section) != 0) {
		fprintf(out, "%s[%s]\n", *effective->section ? "\n" : "", row->section);
		effective->section = row->section;
	}
	if (!text) {
		fprintf(out, from ? "; %s is not used: %s goes before\n" : "; %s is not set\n", row->name, from);
		return;
	}
	fprintf(out, "%s = ", row->name);
	terminal_write(out, text, strlen(text), false);
	fprintf(out, " ; %s\n", from);
}

void
options_print_effective(const struct options *options, FILE *out)
{
	options_each(options, print_value, &(struct effective){ .out = out, .section = "" });
}

char **
options_arguments(const struct options *options, int argc, char **argv, int *count)
{
	const struct option_row *rows[ROWS_MAX];
	int row_count = collect(options, rows), used = 0;
	char **list = memory_new(((size_t)argc + ROWS_MAX + 1) * sizeof *list);

	if (argc > 0)
		list[used++] = memory_string(argv[0]);
	for (int i = 0; i < row_count; i++) {
		const struct origin *origin = &last.origins[i];

		if (origin->from == FROM_FILE && rows[i]->argument)
			list[used++] = memory_print("--%s=%s", rows[i]->name, origin->text);
	}
	for (int i = 1; i < argc; i++)
		list[used++] = memory_string(argv[i]);
	*count = used;
	return list;
}

void
options_free_arguments(char **list)
{
	for (char **item = list; item && *item; item++)
		free(*item);
	free(list);
}

/* ---- command lines ---- */

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

/* Of an option whose argument may be missing, and was not attached: the next word is it when it can be nothing else. */
static char *
missing_argument(const struct option_row *row, int argc, char **argv)
{
	char *next = optind < argc ? argv[optind] : NULL;
	int64_t ms;

	/* "5", "1h30m"; not what only begins like a time. */
	if (!next || row->kind != OPTION_TIME || duration_parse(next, &ms))
		return (char *)row->bare;
	optind++;
	return next;
}

/* The next option: index of its row, -1 at the end, -2 when it cannot be read; then *result is getopt's. */
static int
next_option(const struct option_row *const *rows, int count, int argc, char **argv, const char *shorts,
    const struct option *longs, int *result)
{
	int chosen;

	*result = getopt_long(argc, argv, shorts, longs, NULL);
	if (*result == -1)
		return -1;
	if (*result == '?' || *result == ':')
		return -2;
	for (chosen = 0; chosen < count; chosen++)
		if (*result == LONG_BASE + chosen || (*result < LONG_BASE && rows[chosen]->letter == *result))
			break;
	if (rows[chosen]->bare && !optarg)
		optarg = missing_argument(rows[chosen], argc, argv);
	return chosen;
}

static void
restart_getopt(void)
{
	optind = 0;	/* glibc: begin anew */
	opterr = 0;
}

/* Finds out which files count, and reads them. Help and version do not depend on them. 0, or a negative result. */
static int
take_files(const struct options *options, const struct option_row *const *rows, int count, int argc, char **argv,
    const char *shorts, const struct option *longs)
{
	char why[WHY_SIZE] = "";
	int i, result, config = -1;

	for (i = 0; i < count; i++)
		if (rows[i]->kind == OPTION_CONFIG)
			config = i;
	if (config < 0 || options->without_files)
		return 0;
	last.file = rows[config]->env ? getenv(rows[config]->env) : NULL;
	restart_getopt();
	while ((i = next_option(rows, count, argc, argv, shorts, longs, &result)) >= 0) {
		if (i == config)
			last.file = optarg;
		else if (rows[i]->kind == OPTION_HELP || rows[i]->kind == OPTION_VERSION)
			return 0;
	}
	if (i == -2)
		return 0;	/* to be told of in its turn */
	if (last.file && !*last.file)
		last.file = NULL;
	return read_files(rows, count, &last.conf, why, sizeof why) ? 0 : wrong_file(options, why);
}

int
options_parse(const struct options *options, int argc, char **argv)
{
	const struct option_row *rows[ROWS_MAX];
	struct option longs[ROWS_MAX + 1];
	char shorts[4 * ROWS_MAX + 3];
	int count = collect(options, rows), chosen, result;
	size_t used = 0;

	memset(longs, 0, sizeof longs);
	if (!options->anywhere)
		shorts[used++] = '+';
	shorts[used++] = ':';
	for (int i = 0; i < count; i++) {
		longs[i].name = rows[i]->name;
		longs[i].has_arg = rows[i]->bare ? optional_argument : rows[i]->argument ? required_argument : no_argument;
		longs[i].val = LONG_BASE + i;
		if (rows[i]->letter) {
			shorts[used++] = rows[i]->letter;
			if (rows[i]->argument)
				shorts[used++] = ':';
			if (rows[i]->bare)
				shorts[used++] = ':';
		}
	}
	shorts[used] = '\0';
	forget_last();
	int code = take_files(options, rows, count, argc, argv, shorts, longs);
	if (code < 0)
		return code;
	if (take_defaults(options, rows, count) < 0)
		return OPTIONS_WRONG;

	restart_getopt();
	for (;;) {
		chosen = next_option(rows, count, argc, argv, shorts, longs, &result);
		if (chosen == -1)
			return optind;
		if (chosen == -2)
			return refuse(options, result, argv[optind - 1]);
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
		set_origin(chosen, FROM_OPTION, optarg, NULL);
	}
}

/* "  -n, --name=TEXT          help", the help's later lines below its first. */
static void
print_row(const struct option_row *row, FILE *out)
{
	char left[64], letter[8] = "    ";

	if (row->letter)
		snprintf(letter, sizeof letter, "-%c, ", row->letter);
	snprintf(left, sizeof left, row->bare ? "  %s--%s[%s%s]" : "  %s--%s%s%s", letter, row->name, row->argument ? "=" : "",
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
