/* zkq run: runs a command somewhere, shows its output as it comes, exits as it did. */
#include "config.h"

#include "base/exits.h"
#include "cli/cli.h"
#include "cli/submit.h"
#include "cli/task.h"

static int
run(int argc, char **argv)
{
	struct zkq_task task;
	int code = task_make(argv, &task);

	(void)argc;
	return code ? code : submit_one(&task, SUBMIT_RUN);
}

const struct command command_run = {
	.name = "run",
	.program = "zkq-run",
	.about = "run a command somewhere, show its output, exit as it did",
	.usage = "zkq run [OPTIONS] [--] COMMAND [ARG]...\nzkq run [OPTIONS] --shell=TEXT",
	.notes = "The id goes to standard error. Ctrl-C cancels the task. --timeout limits how long to wait for it.\n"
	    "Exit code: the task's, 128+n for a signal, 124 waiting timed out, 125 zkq's own failure.",
	.manual = "zkq-run(1)",
	.task_options = task_options,
	.as_task = true,
	.run = run,
};
