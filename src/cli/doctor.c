/* zkq doctor: looks at the whole cluster and says what is wrong and what to do about it. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

static bool no_write;
static struct jsonout json;
static int counts[ZKQ_LEVEL_ERROR + 1];

static const struct option_row rows[] = {
	{ .name = "no-write", .kind = OPTION_FLAG, .into = &no_write, .help = "only read: do not try what we may do" },
	{ 0 },
};

static const struct {
	const char *word;
	int sgr;
} levels[] = {
	[ZKQ_LEVEL_OK] = { "ok", 32 },
	[ZKQ_LEVEL_NOTE] = { "note", 36 },
	[ZKQ_LEVEL_WARNING] = { "warning", 33 },
	[ZKQ_LEVEL_ERROR] = { "error", 31 },
};

static void
add_json(const struct zkq_finding *finding)
{
	jsonout_object(&json, NULL);
	jsonout_string(&json, "level", levels[finding->level].word);
	jsonout_string(&json, "check", finding->check);
	jsonout_string(&json, "what", finding->what);
	jsonout_string(&json, "value", finding->value);
	if (finding->next)
		jsonout_string(&json, "next", finding->next);
	jsonout_end(&json);
}

static void
print_safe(const char *text)
{
	terminal_write(stdout, text, strlen(text), false);
}

/* level  what: value
 *          -> what to do */
static void
print(const struct zkq_finding *finding)
{
	bool color = terminal_color(stdout, settings.color);

	if (settings.quiet && finding->level < ZKQ_LEVEL_WARNING)
		return;
	if (color)
		printf("\033[%dm%-9s\033[0m", levels[finding->level].sgr, levels[finding->level].word);
	else
		printf("%-9s", levels[finding->level].word);
	print_safe(finding->what);
	fputs(": ", stdout);
	print_safe(finding->value);
	if (finding->next) {
		fputs("\n         -> ", stdout);
		print_safe(finding->next);
	}
	putchar('\n');
}

static void
add(void *context, const struct zkq_finding *finding)
{
	(void)context;
	counts[finding->level]++;
	if (settings.json)
		add_json(finding);
	else
		print(finding);
}

static void
print_counts(void)
{
	if (!settings.quiet)
		printf("%d error%s, %d warning%s, %d note%s\n", counts[ZKQ_LEVEL_ERROR], counts[ZKQ_LEVEL_ERROR] == 1 ?
		    "" : "s", counts[ZKQ_LEVEL_WARNING], counts[ZKQ_LEVEL_WARNING] == 1 ? "" : "s",
		    counts[ZKQ_LEVEL_NOTE], counts[ZKQ_LEVEL_NOTE] == 1 ? "" : "s");
}

static int
examine(struct zkq *handle)
{
	if (settings.json)
		info_json_begin(&json, "zkq.doctor/1");
	int error = zkq_doctor_wait(handle, no_write ? ZKQ_DOCTOR_NO_WRITE : 0, cli_left(), add, NULL);
	bool told = error == ZKQ_OK || error == ZKQ_EUNREACHABLE;
	if (settings.json) {
		jsonout_end(&json);
		info_json_finish(&json, told);
	} else if (told) {
		print_counts();
	}
	if (error == ZKQ_EUNREACHABLE)
		return EXIT_UNAVAILABLE;
	if (error != ZKQ_OK)
		return cli_fail_error(error, NULL, NULL);
	return counts[ZKQ_LEVEL_ERROR] ? EXIT_NO : EXIT_OK;
}

static int
doctor(int argc, char **argv)
{
	struct zkq *handle;

	if (argc > 0)
		return cli_usage("'%s': no operand is taken", argv[0]);
	int code = cli_open(&handle, false);
	if (code)
		return code;
	code = examine(handle);
	zkq_close(handle);
	return code;
}

const struct command command_doctor = {
	.name = "doctor",
	.program = "zkq-doctor",
	.about = "look for what is wrong with the cluster, and say what to do",
	.usage = "zkq doctor [--no-write] [OPTIONS]",
	.manual = "zkq-doctor(1)",
	.options = rows,
	.anywhere = true,
	.reads = true,
	.run = doctor,
};
