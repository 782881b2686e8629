#include "config.h"

#include "cli/task.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/line.h"

#define INPUT_MAX (64 * 1024)	/* standard input stored with a task */
#define VARIABLE_MAX (128 * 1024)	/* a longer one no program can be started with */

static const char *name, *queue, *cwd, *env_file, *input_file, *key, *shell;
static int priority;
static int64_t time_limit_ms, kill_grace_ms;
static struct option_list env;
static struct {
	bool name, priority, time_limit, kill_grace, cwd, env, env_file, input, key, shell;
} given;

const struct option_row task_options[] = {
	{ .letter = 'n', .name = "name", .argument = "TEXT", .kind = OPTION_TEXT, .into = &name, .given = &given.name,
	    .help = "label shown in lists (base name of COMMAND)" },
	{ .letter = 'Q', .name = "queue", .argument = "NAME", .kind = OPTION_TEXT, .into = &queue, .preset = "default",
	    .help = "where it waits" },
	{ .letter = 'p', .name = "priority", .argument = "N", .kind = OPTION_NUMBER, .into = &priority, .preset = "5",
	    .max = 9, .given = &given.priority, .help = "0-9, 9 first" },
	{ .letter = 't', .name = "time-limit", .argument = "TIME", .kind = OPTION_TIME, .into = &time_limit_ms,
	    .given = &given.time_limit, .min = 1, .max = 1000000000000, .help = "SIGTERM after TIME, SIGKILL after --kill-grace" },
	{ .name = "kill-grace", .argument = "TIME", .kind = OPTION_TIME, .into = &kill_grace_ms, .preset = "30s",
	    .given = &given.kill_grace, .help = "from SIGTERM to SIGKILL" },
	{ .letter = 'C', .name = "chdir", .argument = "DIR", .kind = OPTION_TEXT, .into = &cwd, .given = &given.cwd,
	    .help = "working directory, an absolute path\n(the worker's work directory, not yours)" },
	{ .letter = 'e', .name = "env", .argument = "NAME[=VALUE]", .kind = OPTION_LIST, .into = &env, .given = &given.env,
	    .help = "pass a variable; without a value, your own" },
	{ .name = "env-file", .argument = "FILE", .kind = OPTION_TEXT, .into = &env_file, .given = &given.env_file,
	    .help = "variables, one NAME=VALUE a line" },
	{ .letter = 'i', .name = "stdin", .argument = "FILE", .kind = OPTION_TEXT, .into = &input_file,
	    .given = &given.input, .help = "its standard input, at most 64 KiB; '-' is yours" },
	{ .name = "key", .argument = "KEY", .kind = OPTION_TEXT, .into = &key, .given = &given.key,
	    .help = "idempotency key: submitting it again adds nothing" },
	{ .name = "shell", .argument = "TEXT", .kind = OPTION_TEXT, .into = &shell, .given = &given.shell,
	    .help = "run TEXT by /bin/sh -c" },
	/* Of later versions. */
	{ .letter = 'r', .name = "retries", .argument = "N", .kind = OPTION_LATER },
	{ .name = "retry-delay", .argument = "TIME", .kind = OPTION_LATER },
	{ .name = "retry-max-delay", .argument = "TIME", .kind = OPTION_LATER },
	{ .name = "retry-on", .argument = "LIST", .kind = OPTION_LATER },
	{ .name = "at-most-once", .kind = OPTION_LATER },
	{ .name = "overlap", .kind = OPTION_LATER },
	{ .letter = 'a', .name = "after", .argument = "ID", .kind = OPTION_LATER },
	{ .name = "after-any", .argument = "ID", .kind = OPTION_LATER },
	{ .name = "at", .argument = "TIME", .kind = OPTION_LATER },
	{ .name = "in", .argument = "TIME", .kind = OPTION_LATER },
	{ .name = "expires", .argument = "TIME", .kind = OPTION_LATER },
	{ .letter = 'l', .name = "label", .argument = "KEY", .kind = OPTION_LATER },
	{ .name = "slots", .argument = "N", .kind = OPTION_LATER },
	{ .name = "mem", .argument = "SIZE", .kind = OPTION_LATER },
	{ .name = "secret", .argument = "NAME", .kind = OPTION_LATER },
	{ .name = "stdout", .argument = "PATTERN", .kind = OPTION_LATER },
	{ .name = "stderr", .argument = "PATTERN", .kind = OPTION_LATER },
	{ .name = "merge", .kind = OPTION_LATER },
	{ .name = "array", .argument = "RANGE", .kind = OPTION_LATER },
	{ 0 },
};

const char *
task_queue(void)
{
	return queue;
}

const char *
task_key(void)
{
	return key;
}

const char *
task_option_used(void)
{
	return given.name ? "name" : given.priority ? "priority" : given.time_limit ? "time-limit" :
	    given.kill_grace ? "kill-grace" : given.cwd ? "chdir" : given.env ? "env" : given.env_file ? "env-file" :
	    given.input ? "stdin" : given.key ? "key" : given.shell ? "shell" : NULL;
}

/* A name that a shell could use; anything else is most likely a slip. */
static bool
good_variable(const char *text)
{
	size_t len = strcspn(text, "=");

	if (len == 0 || (text[0] >= '0' && text[0] <= '9'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", text[i]))
			return false;
	return true;
}

static int
read_env_file(struct option_list *variables)
{
	FILE *in = fopen(env_file, "re");
	static char text[VARIABLE_MAX];
	struct line_input line = { .in = in, .name = env_file, .text = text, .size = sizeof text };
	int code = 0;

	if (!in)
		return cli_fail(EXIT_NO_INPUT, "NoInput", NULL, true, "cannot open %s: %s", env_file, strerror(errno));
	while (code == 0 && line_next(&line, &code) > 0) {
		const char *begin = text + strspn(text, " \t");

		if (*begin == '\0' || *begin == '#')
			continue;
		if (!good_variable(text) || !strchr(text, '='))
			code = cli_fail(EXIT_DATA, "Invalid", NULL, false, "%s, line %d: not of the form NAME=VALUE", env_file, line.number);
		else
			option_list_add(variables, memory_string(text));
	}
	fclose(in);
	return code;
}

/* The file's variables first, so that -e on the command line overrides them. */
static int
make_env(struct zkq_task *task)
{
	static struct option_list variables;

	if (env_file) {
		int code = read_env_file(&variables);

		if (code)
			return code;
	}
	for (int i = 0; i < env.count; i++) {
		const char *item = env.items[i];

		if (!good_variable(item))
			return cli_usage("option '--env': '%s': not of the form NAME or NAME=VALUE", item);
		if (!strchr(item, '=')) {
			const char *value = getenv(item);

			if (!value)
				return cli_usage("option '--env': %s is not in your environment", item);
			item = memory_print("%s=%s", item, value);
		}
		option_list_add(&variables, item);
	}
	if (variables.count == 0)
		return 0;
	option_list_add(&variables, NULL);
	task->env = variables.items;
	return 0;
}

static int
read_input(struct zkq_task *task)
{
	bool own = strcmp(input_file, "-") == 0;
	int fd = own ? STDIN_FILENO : open(input_file, O_RDONLY | O_CLOEXEC);
	const char *what = own ? "standard input" : input_file;
	static char data[INPUT_MAX + 1];	/* the task borrows it */
	size_t size = 0;

	if (fd < 0)
		return cli_fail(EXIT_NO_INPUT, "NoInput", NULL, true, "cannot open %s: %s", what, strerror(errno));
	for (;;) {
		ssize_t n = read(fd, data + size, INPUT_MAX + 1 - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(EXIT_IO, "IO", NULL, true, "cannot read %s: %s", what, strerror(errno));
		size += (size_t)n;
		if (n == 0 || size > INPUT_MAX)
			break;
	}
	if (!own)
		close(fd);
	if (size > INPUT_MAX)
		return cli_fail(EXIT_DATA, "TooLarge", NULL, false, "%s: more than 64 KiB: let the task fetch it itself", what);
	task->input = data;
	task->input_size = size;
	return 0;
}

int
task_make(char **operands, struct zkq_task *task)
{
	static const char *shell_argv[] = { "/bin/sh", "-c", NULL, NULL };
	int code;

	*task = (struct zkq_task){ .size = sizeof *task, .name = name, .cwd = cwd, .priority = priority,
		.time_limit_ms = time_limit_ms, .kill_grace_ms = kill_grace_ms, .key = key };
	if (shell && operands[0])
		return cli_usage("--shell takes the whole command: '%s' is one word too many", operands[0]);
	if (!shell && !operands[0])
		return cli_usage("a command is missing");
	if (!shell && operands[0][0] == '\0')
		return cli_usage("the command is empty");
	if (cwd && cwd[0] != '/')
		return cli_usage("option '--chdir': '%s': an absolute path is wanted: the task runs on another host", cwd);
	if (shell) {
		shell_argv[2] = shell;
		task->argv = shell_argv;
	} else {
		task->argv = (const char *const *)operands;
	}
	code = cli_check_queue(queue);
	if (code == 0)
		code = make_env(task);
	if (code == 0 && input_file)
		code = read_input(task);
	return code;
}

int
task_check(struct zkq *handle, const struct zkq_task *task, char **json)
{
	char *text = NULL;
	int error = zkq_task_json(handle, task, &text), code = 0;

	if (error == ZKQ_OK && json) {
		*json = text;
		return 0;
	}
	if (error == ZKQ_EINVAL || error == ZKQ_ESIZE)
		code = cli_fail(EXIT_DATA, "Invalid", NULL, false, "invalid task: %s", text ? text : zkq_strerror(error));
	else if (error != ZKQ_OK)
		code = cli_fail_error(error, NULL, NULL);
	zkq_free(text);
	return code;
}
