/* zkq: one program with many commands. "zkq submit" and a link named zkq-submit are the same. */
#include "config.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/output.h"
#include "cli/cli.h"

static const struct command *const commands[] = {
	&command_submit, &command_run, &command_status, &command_show, &command_explain, &command_logs, &command_wait, &command_cancel, &command_update,
	&command_results,
	&command_worker_list, &command_queue_list, &command_queue_show, &command_queue_create,
	&command_queue_pause, &command_queue_resume, &command_queue_delete, &command_ping, &command_doctor, &command_purge, &command_admin_export,
	&command_admin_import, &command_admin_fsck, &command_dev,
};

#define COMMANDS ((int)(sizeof commands / sizeof commands[0]))

static void
print_help(FILE *out)
{
	fputs("Usage: zkq COMMAND [OPTIONS] [ARGUMENTS]\n"
	    "       zkq --check-config [-c FILE]\n"
	    "       zkq help COMMAND\n"
	    "A job dispatcher on Apache ZooKeeper: run commands on many machines.\n"
	    "\n"
	    "Commands:\n", out);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-14s%s\n", commands[i]->name, commands[i]->about);
	fputs("\n"
	    "A first try, with nothing to configure:  zkq dev -- zkq run -- uname -a\n"
	    "\n"
	    "Manual: zkq(1), zkq(7)\n", out);
}

/* Whether name is word, or a group that begins with word ("queue pause"). */
static bool
begins_with(const char *name, const char *word)
{
	size_t len = strlen(word);

	return strncmp(name, word, len) == 0 && (name[len] == '\0' || name[len] == ' ');
}

/* The command that word and, in a group, the word after it name; *words tells how many. A group without a second word
 * is its list. NULL when there is none; *group tells whether word at least is a group. */
static const struct command *
find(const char *word, const char *next, int *words, bool *group)
{
	const struct command *list = NULL;

	*words = 1;
	*group = false;
	if (*word == '\0' || strchr(word, ' '))
		return NULL;
	for (int i = 0; i < COMMANDS; i++) {
		const char *name = commands[i]->name;

		if (!begins_with(name, word))
			continue;
		if (!strchr(name, ' '))
			return commands[i];
		*group = true;
		const char *second = strchr(name, ' ') + 1;
		if (next && strcmp(next, second) == 0) {
			*words = 2;
			return commands[i];
		}
		if (strcmp(second, "list") == 0 && (!next || next[0] == '-'))
			list = commands[i];
	}
	return list;
}

/* The second words of a group: "list, show, create". */
static void
group_words(const char *word, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < COMMANDS; i++) {
		const char *second = strchr(commands[i]->name, ' ');

		if (second && begins_with(commands[i]->name, word) && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", second + 1);
	}
}

static bool
several(const char *group)
{
	char words[256];

	group_words(group, words, sizeof words);
	return strchr(words, ',') != NULL;
}

static void
print_group_help(const char *word)
{
	const char *manual = "";

	printf("Usage: zkq %s COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n", word);
	for (int i = 0; i < COMMANDS; i++) {
		if (!begins_with(commands[i]->name, word))
			continue;
		printf("  %-14s%s\n", commands[i]->name, commands[i]->about);
		manual = commands[i]->manual;
	}
	printf("\nOptions of one:  zkq help %s COMMAND\n\nManual: %s\n", word, manual);
}

static int
unknown(const char *word, const char *next, bool group)
{
	char text[512], safe[1024], words[256];

	snprintf(text, sizeof text, "%s%s%s", word, group && next ? " " : "", group && next ? next : "");
	terminal_safe(text, strlen(text), safe, sizeof safe);
	group_words(word, words, sizeof words);
	if (group)
		fprintf(stderr, "zkq: no command '%s': there are %s; try 'zkq %s --help'\n", safe, words, word);
	else
		fprintf(stderr, "zkq: no command '%s'; try 'zkq --help'\n", safe);
	return EXIT_USAGE;
}

static bool
asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* "zkq queue" is its list; to a person it says what else there is. */
static void
hint_group(const char *word)
{
	char words[256];

	group_words(word, words, sizeof words);
	fflush(stdout);
	if (several(word) && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO))
		fprintf(stderr, "zkq: zkq %s knows %s; zkq %s --help tells more\n", word, words, word);
}

/* zkq --check-config: no command, but all the options that configuration files may have. */
static bool check_config;

static const struct option_row check_options[] = {
	{ .name = "check-config", .kind = OPTION_FLAG, .into = &check_config,
	    .help = "check the configuration, print what is in effect, and exit" },
	{ 0 },
};

static int
run_check(int argc, char **argv)
{
	if (argc > 0 || !check_config)
		return argc > 0 ? cli_usage("%s: a command comes before its options", argv[0]) : cli_usage("a command is missing");
	struct zkq *handle;
	int code = cli_open(&handle, false);	/* judges servers, root and credential; connects to nobody */
	if (code)
		return code;
	zkq_close(handle);
	cli_print_configuration();
	return EXIT_OK;
}

static const struct command command_check = {
	.name = "--check-config", .program = "zkq", .about = "Checks the configuration.",
	.usage = "zkq --check-config [OPTIONS]", .manual = "zkq(1), zkq.conf(5)", .options = check_options, .run = run_check,
};

/* Each command and its options, one a line, for checks of the manual and for completion. */
static void
print_options(void)
{
	cli_print_options("zkq", connection_options);
	cli_print_options("zkq", common_options);
	cli_print_options("zkq", check_options);
	for (int i = 0; i < COMMANDS; i++) {
		cli_print_options(commands[i]->name, commands[i]->task_options);
		cli_print_options(commands[i]->name, commands[i]->options);
	}
}

static int
help(int argc, char **argv)
{
	int words;
	bool group;

	if (argc == 1 && strcmp(argv[0], "--options") == 0) {
		print_options();
		return EXIT_OK;
	}
	if (argc == 0) {
		print_help(stdout);
		return EXIT_OK;
	}
	const struct command *command = find(argv[0], argv[1], &words, &group);
	if (group && argc == 1 && several(argv[0])) {
		print_group_help(argv[0]);
		return EXIT_OK;
	}
	if (!command)
		return unknown(argv[0], argc > 1 ? argv[1] : NULL, group);
	cli_help(command);
	return EXIT_OK;
}

/* argv: words after the program's name. */
static int
dispatch(int argc, char **argv)
{
	int words;
	bool group;

	if (argc == 0) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
		printf("zkq (zkq) %s\nLicence: Apache-2.0\n", zkq_version());
		return EXIT_OK;
	}
	if (asks_for_help(argv[0]))
		return help(0, NULL);
	if (strcmp(argv[0], "help") == 0)
		return help(argc - 1, argv + 1);
	if (strncmp(argv[0], "--c", 3) == 0 || strncmp(argv[0], "-c", 2) == 0)
		return cli_run(&command_check, argc + 1, argv - 1);
	const struct command *command = find(argv[0], argv[1], &words, &group);
	if (group && argc > 1 && several(argv[0]) && asks_for_help(argv[1]))
		return help(1, argv);
	if (!command)
		return unknown(argv[0], argc > 1 ? argv[1] : NULL, group);
	int code = cli_run(command, argc - words + 1, argv + words - 1);
	if (group && argc == 1)
		hint_group(argv[0]);
	return code;
}

int
main(int argc, char **argv)
{
	output_open();
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "zkq";
	int code;
	if (strncmp(name, "zkq-", 4) == 0 && name[4]) {
		argv[0] = (char *)name + 4;
		code = dispatch(argc, argv);
	} else {
		code = dispatch(argc - 1, argv + 1);
	}
	return output_close("zkq", code, cli_own(EXIT_IO));
}
