/* zkq submit: puts tasks into a queue. */
#include "config.h"

#include "cli/submit.h"

#include <errno.h>
#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/info.h"
#include "cli/last.h"
#include "cli/task.h"

static const char *file;
static bool wait_for, follow, dry;

static const struct option_row options[] = {
	{ .name = "file", .argument = "FILE", .kind = OPTION_TEXT, .into = &file,
	    .help = "submit each line of FILE as a task in JSON; '-' = stdin" },
	{ .letter = 'w', .name = "wait", .kind = OPTION_FLAG, .into = &wait_for, .help = "wait, and exit as the task did" },
	{ .letter = 'f', .name = "follow", .kind = OPTION_FLAG, .into = &follow, .help = "--wait, and show its output" },
	{ .name = "dry-run", .kind = OPTION_FLAG, .into = &dry, .help = "check everything, print the task, send nothing" },
	{ 0 },
};

struct answer {
	bool here;
	int error, existed;
	char id[ZKQ_ID_SIZE];
	char text[256];
};

static void
take(void *context, int index, int error, const char *id, int existed, const char *text)
{
	struct answer *answer = context;

	(void)index;
	answer->here = true;
	answer->error = error;
	answer->existed = existed;
	snprintf(answer->id, sizeof answer->id, "%s", id ? id : "");
	snprintf(answer->text, sizeof answer->text, "%s", text ? text : "");
}

/* Nobody can know whether the task was accepted. */
static int
unknown(const struct zkq_task *task, const struct answer *answer, const char *why)
{
	const char *token = strrchr(answer->id, '.');
	char next[128];

	if (task->key)
		snprintf(next, sizeof next, "submit it again with the same --key: it cannot be added twice");
	else if (token)
		snprintf(next, sizeof next, "look for token %s, or use --key next time: then it cannot be added twice", token + 1);
	else
		snprintf(next, sizeof next, "use --key next time: then it cannot be added twice");
	return cli_fail(EXIT_TEMPORARY, "OutcomeUnknown", answer->id, task->key != NULL, "outcome unknown: %s; %s", why, next);
}

static int
refused(struct zkq *handle, const struct answer *answer)
{
	char hint[CLI_HINT];
	const char *detail = *answer->text ? answer->text : NULL;

	switch (answer->error) {
	case ZKQ_EFULL:
		return cli_fail(EXIT_TEMPORARY, "QueueFull", NULL, true, "queue %s is full for now%s%s: not accepted, try again later",
		    task_queue(), detail ? ": " : "", detail ? detail : "");
	case ZKQ_ENOQUEUE:
		if (detail)
			return cli_fail(EXIT_DATA, "NoQueue", NULL, true, "queue %s: %s", task_queue(), detail);
		return cli_fail(EXIT_DATA, "NoQueue", NULL, true, "%s: no such queue%s", task_queue(),
		    cli_queue_hint(handle, task_queue(), hint));
	default:
		return cli_fail_error(answer->error, NULL, detail);
	}
}

static void
print_id(const struct answer *answer, enum submit_then then)
{
	struct jsonout json;

	if (settings.json) {
		info_json_begin(&json, "zkq.submit/1");
		jsonout_object(&json, NULL);
		jsonout_string(&json, "id", answer->id);
		jsonout_bool(&json, "existed", answer->existed);
		jsonout_end(&json);
		jsonout_end(&json);
		info_json_finish(&json, true);
	} else if (then == SUBMIT_RUN) {
		if (!settings.quiet)
			cli_say("%s", answer->id);
	} else {
		printf("%s\n", answer->id);
	}
	/* An id that is lost is a task that nobody can ask for. A reader that goes away has what it wanted. */
	if (fflush(stdout) != 0 && errno != EPIPE)
		cli_say("accepted as %s", answer->id);
	if (answer->existed && !settings.quiet)
		cli_say("the key stands for this task already; nothing was added");
}

static int
send_one(struct zkq *handle, const struct zkq_task *task, struct answer *answer)
{
	char text[DURATION_SIZE], why[96];
	int code = cli_connect(handle);

	if (code)
		return code;
	int error = zkq_submit(handle, task_queue(), task, 1, take, answer, NULL);
	if (error != ZKQ_OK) {
		answer->error = error;
		return refused(handle, answer);
	}
	while (!answer->here && !cli_over())
		cli_turn(handle, cli_left(), -1);
	if (!answer->here || answer->error == ZKQ_ETIMEOUT) {
		snprintf(why, sizeof why, "no answer in %s", duration_exact(settings.timeout_ms, text));
		return unknown(task, answer, why);
	}
	if (answer->error == ZKQ_EUNKNOWN)
		return unknown(task, answer, *answer->text ? answer->text : "the connection broke after the task was sent");
	return answer->error == ZKQ_OK ? 0 : refused(handle, answer);
}

int
submit_one(const struct zkq_task *task, enum submit_then then)
{
	static struct answer answer;	/* zkq_close() may still write to it */
	struct zkq *handle;
	char *json = NULL;
	int code = cli_open(&handle, false);

	if (code)
		return code;
	code = task_check(handle, task, &json);
	if (code == 0 && then == SUBMIT_DRY)
		printf("%s\n", json);
	zkq_free(json);
	if (code == 0 && then != SUBMIT_DRY) {
		code = send_one(handle, task, &answer);
		if (code == 0) {
			print_id(&answer, then);
			last_keep(answer.id);
			if (!task->key)
				cli_accepted();
			if (then != SUBMIT_ONLY)
				code = follow_task(handle, answer.id, then != SUBMIT_WAIT, then == SUBMIT_RUN, task->kill_grace_ms);
		}
	}
	zkq_close(handle);
	return code;
}

/* Whether word stands for the long option name, abbreviated to no less than least characters or not at all. */
static bool
stands_for(const char *word, const char *name, size_t least)
{
	size_t len = strlen(word);

	return len >= least && strncmp(word, name, len) == 0;
}

/* The parser stops at the first wrong option, so the words are looked at here: up to the first that is neither an option
 * nor can be the argument of one. */
static bool
asks_to_wait(char **argv)
{
	bool option = false;

	for (; *argv && strcmp(*argv, "--") != 0; argv++) {
		const char *word = *argv;

		if (word[0] != '-' || !word[1]) {
			if (!option)
				return false;
			option = false;
			continue;
		}
		option = true;
		if (strspn(word + 1, "wfqv") == strlen(word + 1) && strpbrk(word, "wf"))
			return true;
		if (word[1] == '-' && (stands_for(word + 2, "wait", 1) || stands_for(word + 2, "follow", 2)))
			return true;
	}
	return false;
}

static int
submit(int argc, char **argv)
{
	struct zkq_task task;
	bool waits = wait_for || follow;

	if (file) {
		if (argc > 0)
			return cli_usage("--file takes the commands from the file: '%s' is one word too many", argv[0]);
		if (task_option_used())
			return cli_usage("--%s and --file: say it in each line of the file instead, see zkq-task(5)", task_option_used());
		if (waits)
			return cli_usage("--wait, --follow: not with --file; pass the ids to zkq wait");
		int code = cli_check_queue(task_queue());
		return code ? code : submit_file(file, task_queue(), dry);
	}
	if (waits && dry)
		return cli_usage("--dry-run sends nothing: there is nothing to wait for");
	if (waits)
		cli_set_as_task();
	int code = task_make(argv, &task);
	if (code)
		return code;
	return submit_one(&task, dry ? SUBMIT_DRY : follow ? SUBMIT_FOLLOW : wait_for ? SUBMIT_WAIT : SUBMIT_ONLY);
}

const struct command command_submit = {
	.name = "submit",
	.program = "zkq-submit",
	.about = "put tasks into a queue",
	.usage = "zkq submit [OPTIONS] [--] COMMAND [ARG]...\n"
	    "zkq submit [OPTIONS] --shell=TEXT\n"
	    "zkq submit [OPTIONS] --file=FILE",
	.notes = "Standard output carries the id and nothing else. Arguments are kept as they are; no shell looks at them.\n"
	    "Exit code: 0 accepted, 69 nothing was sent, 75 outcome unknown or refused for now; with --wait the task's.",
	.manual = "zkq-submit(1)",
	.options = options,
	.task_options = task_options,
	.as_task_by = asks_to_wait,
	.run = submit,
};
