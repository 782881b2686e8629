/*
 * options.h: command lines and configuration. One row per option gives parsing, default, environment variable, range, help, and
 * its key in configuration files.
 *
 * POSIX order: options end at the first word that is none, or after "--"; programs that run no command of the user's may
 * allow options after operands. Long options may be abbreviated and take "=". Values are taken in this order: option,
 * environment, user's file, system's file, default. Files are read by programs with a row of OPTION_CONFIG.
 */
#ifndef ZKQ_BASE_OPTIONS_H
#define ZKQ_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,	/* bool: set to true */
	OPTION_TEXT,	/* const char *: borrowed from argv or the environment */
	OPTION_LIST,	/* struct option_list: each use appends */
	OPTION_NUMBER,	/* int, min to max */
	OPTION_TIME,	/* int64_t milliseconds, min to max when max > 0 */
	OPTION_SIZE,	/* uint64_t bytes, min to max when max > 0 */
	OPTION_COLOR,	/* enum color_when: auto, always, never */
	OPTION_LEVEL,	/* enum log_level: error, warning, info, debug */
	OPTION_FORMAT,	/* enum log_format: text, json */
	OPTION_CONFIG,	/* const char *: the only configuration file to read; NULL = the user's and the system's */
	OPTION_HELP,	/* prints the help */
	OPTION_VERSION,	/* prints the version */
	OPTION_LATER,	/* known, refused, not in the help: comes with a later version */
};

struct option_list {
	const char **items;	/* count strings, borrowed; items itself belongs to the list */
	int count;
};

struct option_row {
	char letter;		/* 0 = none */
	const char *name;	/* NULL ends a table */
	const char *argument;	/* "TIME"; NULL = takes none */
	const char *bare;	/* of a TIME: what the option stands for without its argument; a word that follows is taken for it
				 * when it is a time in every letter, as "5" or "1h30m". NULL = it must have one */
	enum option_kind kind;
	void *into;		/* of the kind's type; NULL for HELP, VERSION, LATER */
	const char *preset;	/* default, in the form of an argument; NULL = leave *into as it is */
	const char *env;	/* environment variable, or NULL */
	const char *env_instead;	/* the variable that has the same in another form: when it is set, files are not asked; or NULL */
	int64_t min, max;
	const char *help;	/* one or more lines; the default is added from preset */
	bool *given;		/* set to true when the command line has it; may be NULL */
	const char *section;	/* of configuration files, where name is the key; NULL = not to be had there. Not for LIST */
	bool live;		/* options_reload() changes it; not for TEXT */
	const char *(*check)(const char *text);	/* for TEXT and TIME: NULL, or a static phrase: what is wrong; may be NULL */
};

#define OPTION_TABLES_MAX 4

struct options {
	const char *program;	/* "zkq-submit": begins every message */
	const char *call;	/* "zkq submit": how to ask for help */
	const char *usage;	/* lines after "Usage: ", without the options' meaning; "\n" between them */
	const char *about;	/* what the program does, for --help */
	const char *notes;	/* after the options, may be NULL */
	const char *manual;	/* "zkq-submit(1)" */
	const char *version;
	bool anywhere;		/* options may follow operands */
	const struct option_row *tables[OPTION_TABLES_MAX];	/* the program's own first; NULL-terminated when shorter */
	const char *titles[OPTION_TABLES_MAX];			/* heading of each table in the help; may be NULL */
	void (*wrong)(const char *message);	/* told of each usage error after it was printed; may be NULL */
	void (*wrong_file)(const char *message);	/* the same for configuration files */
	bool without_files;	/* read no configuration */
};

enum {
	OPTIONS_DONE = -1,	/* help or version was printed: exit 0 */
	OPTIONS_WRONG = -2,	/* a message was printed: exit EXIT_USAGE */
	OPTIONS_WRONG_FILE = -3,	/* a configuration file cannot be used, a message was printed: exit EXIT_CONFIG */
};

/* Presets, files, environment, then the command line. Returns the index of the first operand in argv (which is
 * reordered when options may be anywhere), OPTIONS_DONE or OPTIONS_WRONG... argv[0] is not looked at. Texts from files
 * live until the next call. One program is parsed at a time: the functions below speak of the last call. */
int options_parse(const struct options *options, int argc, char **argv);
/* Reads the files again, and logs. When anything in them is wrong, nothing changes and false is returned. Else rows that
 * are live take their new values; others that would change are said to need a restart. */
bool options_reload(const struct options *options);
/* text: the value that is in effect; from: "default", "option", the environment variable, or "file:line". text NULL:
 * not set, and from is NULL, or the environment variable in place of which a file would have set it. */
typedef void option_value_fn(void *context, const struct option_row *row, const char *text, const char *from);
/* One call for each row with a section, in order of the tables. */
void options_each(const struct options *options, option_value_fn *see, void *context);
/* Prints what is in effect, in the form of a configuration file, and where each value comes from. */
void options_print_effective(const struct options *options, FILE *out);
/* argv with what files said put in as options, for another process of this program. The list belongs to the caller; its
 * new strings, too, but they are never freed one by one: see options_free_arguments(). NULL when memory runs out. */
char **options_arguments(const struct options *options, int argc, char **argv, int *count);
void options_free_arguments(char **list);
void options_help(const struct options *options, FILE *out);
void options_version(const struct options *options, FILE *out);
/* Prints "program: message; where to find help"; returns OPTIONS_WRONG. */
int options_wrong(const struct options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));

void option_list_add(struct option_list *list, const char *item);
void option_list_free(struct option_list *list);

#endif
