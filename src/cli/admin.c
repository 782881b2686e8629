/* zkq admin export, import, fsck: the whole tree as a file, a file as a tree, and whether a tree is sound. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/info.h"

#define STALL_MS 60000		/* without any answer it is given up, unless --timeout says otherwise */
#define SESSION_MS 40000	/* long listings are one answer each */

static const char *file;
static bool force, repair;
static struct jsonout json;

static const struct option_row export_rows[] = {
	{ .name = "file", .argument = "FILE", .kind = OPTION_TEXT, .into = &file,
	    .help = "write it there; default: standard output" },
	{ 0 },
};

static const struct option_row import_rows[] = {
	{ .name = "file", .argument = "FILE", .kind = OPTION_TEXT, .into = &file,
	    .help = "read it from there; default: standard input" },
	{ .name = "force", .kind = OPTION_FLAG, .into = &force,
	    .help = "into a tree that is there: what exists stays" },
	{ 0 },
};

static const struct option_row fsck_rows[] = {
	{ .name = "repair", .kind = OPTION_FLAG, .into = &repair, .help = "repair what can be repaired safely" },
	{ 0 },
};

static int
stall(void)
{
	return settings.timeout_given ? (int)settings.timeout_ms : STALL_MS;
}

static int
open_handle(int argc, char **argv, struct zkq **handle)
{
	if (argc > 0)
		return cli_usage("'%s': no operand is taken", argv[0]);
	settings.session_ms = SESSION_MS;
	return cli_open(handle, true);
}

static int
count(void *context, int64_t znodes)
{
	(void)context;
	if (!settings.quiet && !settings.json && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%lld znodes read \r", (long long)znodes);
	return 0;
}

static int
fail_io(const char *what, const char *name)
{
	return cli_fail(EXIT_IO, "IO", NULL, true, "cannot %s %s: %s", what, name, strerror(errno));
}

/* ---- export ---- */

struct sink {
	FILE *out;
	int64_t lines;
};

static int
put_line(void *context, const char *line, size_t len)
{
	struct sink *sink = context;

	sink->lines++;
	return fwrite(line, 1, len, sink->out) != len || putc('\n', sink->out) == EOF;
}

static int
export_to(FILE *out, const char *name)
{
	struct zkq *handle;
	struct sink sink = { .out = out };
	int denied = 0, code = open_handle(0, NULL, &handle);

	if (code)
		return code;
	int error = zkq_export_wait(handle, stall(), put_line, count, &sink, &denied);
	if (error == ZKQ_ECANCELLED || (error == ZKQ_OK && fflush(out)))
		code = out == stdout ? EXIT_OK : fail_io("write", name);	/* of stdout main() tells */
	else if (error != ZKQ_OK)
		code = cli_fail_error(error, NULL, NULL);
	else if (!settings.quiet)
		cli_say("%lld znodes", (long long)sink.lines - 2);
	if (code == 0 && denied) {
		cli_say("%d could not be read and are missing: they belong to another credential", denied);
		code = EXIT_NO;
	}
	zkq_close(handle);
	return code;
}

/* A directory cannot be replaced, and a device, a socket or a FIFO must not be. 0, or the exit code. */
static int
check_target(void)
{
	struct stat found;

	if (stat(file, &found) || S_ISREG(found.st_mode))
		return 0;
	return cli_fail(EXIT_NO_INPUT, "NoInput", NULL, true, "cannot write %s: it is %s; the name of a file is wanted, or - for "
	    "standard output", file, S_ISDIR(found.st_mode) ? "a directory" : "no ordinary file");
}

/* What is complete takes the name. It holds everything that the tree holds: nobody else may read it. */
static int
export_to_file(void)
{
	int code = check_target();

	if (code)
		return code;
	char *part = memory_new(strlen(file) + 6);
	sprintf(part, "%s.part", file);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		bool in_the_way = errno == ELOOP || errno == EISDIR;

		code = cli_fail(EXIT_NO_INPUT, "NoInput", NULL, true, "cannot write %s: %s%s%s", file, in_the_way ? part : "",
		    in_the_way ? " is in the way: " : "", strerror(errno));
		free(part);
		return code;
	}
	code = export_to(out, file);
	bool bad = fsync(fd) != 0;
	bad = fclose(out) != 0 || bad;
	if ((code == 0 || code == EXIT_NO) && (bad || rename(part, file)))
		code = fail_io("write", file);
	if (code && code != EXIT_NO)
		unlink(part);
	free(part);
	return code;
}

static int
run_export(int argc, char **argv)
{
	if (argc > 0)
		return cli_usage("'%s': no operand is taken", argv[0]);
	return file && strcmp(file, "-") ? export_to_file() : export_to(stdout, "standard output");
}

const struct command command_admin_export = {
	.name = "admin export",
	.program = "zkq admin export",
	.about = "the whole tree as lines of JSON",
	.usage = "zkq admin export [--file=FILE] [OPTIONS]",
	.manual = "zkq-admin(1)",
	.options = export_rows,
	.anywhere = true,
	.reads = true,
	.run = run_export,
};

/* ---- import ---- */

struct source {
	FILE *in;
	char *line;
	size_t room;
};

static const char *
next_line(void *context, size_t *len)
{
	struct source *source = context;
	ssize_t got = getline(&source->line, &source->room, source->in);

	if (got < 0)
		return NULL;
	*len = (size_t)got - (source->line[got - 1] == '\n');
	return source->line;
}

static void
print_import(const struct zkq_import_info *info)
{
	if (settings.json) {
		info_json_line(&json, "zkq.admin.import/1");
		jsonout_number(&json, "created", info->created - info->existed);
		jsonout_number(&json, "existed", info->existed);
		jsonout_number(&json, "tasks", info->tasks);
		jsonout_number(&json, "claimed", info->claimed);
		jsonout_number(&json, "inbox", info->inbox);
		jsonout_number(&json, "results", info->results);
		jsonout_number(&json, "dead", info->dead);
		jsonout_number(&json, "lost", info->lost);
		jsonout_number(&json, "ended", info->ended);
		jsonout_number(&json, "ephemerals", info->ephemerals);
		jsonout_number(&json, "strangers", info->strangers);
		jsonout_end(&json);
		return;
	}
	if (settings.quiet)
		return;
	printf("%lld znodes created: %lld tasks wait, %lld in inboxes, %lld results, %lld dead letters\n",
	    (long long)(info->created - info->existed), (long long)info->tasks, (long long)info->inbox,
	    (long long)info->results, (long long)info->dead);
	if (info->existed)
		printf("%lld were there already\n", (long long)info->existed);
	if (info->claimed)
		printf("%lld of the tasks had been given to a worker; they will run again from the start\n",
		    (long long)info->claimed);
	if (info->lost)
		printf("%lld had been started and must not run twice: they are lost\n", (long long)info->lost);
	if (info->strangers)
		printf("%lld znodes were not of zkq's tree and are left out\n", (long long)info->strangers);
}

static int
fail_import(int error, const struct zkq_import_info *info)
{
	const char *name = file ? file : "standard input";

	if (error == ZKQ_EINVAL && info->line)
		return cli_fail(EXIT_DATA, "Invalid", NULL, true, "%s: line %lld: %s", name, (long long)info->line,
		    info->why);
	if (error == ZKQ_EINVAL && info->why[0])
		return cli_fail(EXIT_DATA, "Invalid", NULL, true, "%s: %s", name, info->why);
	if (error == ZKQ_EEXIST)
		return cli_fail(EXIT_NO, "Exists", NULL, true, "%s: %s", settings.root, info->why);
	if (error == ZKQ_ENOENT)
		return cli_fail(EXIT_NO, "NotFound", NULL, true, "cannot make %s: %s", settings.root, info->why);
	return cli_fail_error(error, NULL, info->why[0] ? info->why : NULL);
}

static int
import_from(struct source *source)
{
	struct zkq_import_info info;
	struct zkq *handle;
	int code = open_handle(0, NULL, &handle);

	if (code)
		return code;
	int error = zkq_import_wait(handle, force ? ZKQ_IMPORT_FORCE : 0, stall(), next_line, source, &info);
	if (ferror(source->in))
		code = fail_io("read", file ? file : "standard input");
	else if (error != ZKQ_OK)
		code = fail_import(error, &info);
	else
		print_import(&info);
	zkq_close(handle);
	return code;
}

static int
run_import(int argc, char **argv)
{
	struct source source = { .in = stdin };

	if (argc > 0)
		return cli_usage("'%s': no operand is taken; the file is given with --file", argv[0]);
	if (file && strcmp(file, "-"))
		source.in = fopen(file, "re");
	if (!source.in)
		return cli_fail(EXIT_NO_INPUT, "NoInput", NULL, true, "cannot open %s: %s", file, strerror(errno));
	int code = import_from(&source);
	if (source.in != stdin)
		fclose(source.in);
	free(source.line);
	return code;
}

const struct command command_admin_import = {
	.name = "admin import",
	.program = "zkq admin import",
	.about = "make a tree of an export",
	.usage = "zkq admin import [--file=FILE] [--force] [OPTIONS]",
	.manual = "zkq-admin(1)",
	.options = import_rows,
	.anywhere = true,
	.run = run_import,
};

/* ---- fsck ---- */

static void
print_finding(const struct zkq_finding *finding)
{
	static const char *const words[] = { "repaired", "note", "error", "error" };

	printf("%-9s", words[finding->level]);
	terminal_write(stdout, finding->what, strlen(finding->what), false);
	fputs(": ", stdout);
	terminal_write(stdout, finding->value, strlen(finding->value), false);
	fputs(finding->level == ZKQ_LEVEL_OK ? ": " : "\n         -> ", stdout);
	terminal_write(stdout, finding->next, strlen(finding->next), false);
	putchar('\n');
}

static void
take_finding(void *context, const struct zkq_finding *finding)
{
	static const char *const words[] = { "repaired", "note", "error", "error" };

	(void)context;
	if (!settings.json) {
		if (!settings.quiet || finding->level == ZKQ_LEVEL_ERROR)
			print_finding(finding);
		return;
	}
	jsonout_object(&json, NULL);
	jsonout_string(&json, "level", words[finding->level]);
	jsonout_string(&json, "check", finding->check);
	jsonout_string(&json, "path", finding->what);
	jsonout_string(&json, "value", finding->value);
	jsonout_string(&json, "next", finding->next);
	jsonout_end(&json);
}

static void
print_sum(const struct zkq_fsck_info *info)
{
	if (settings.quiet)
		return;
	printf("%lld znodes, %lld live tasks, %lld claims, %lld results, %lld dead letters: ", (long long)info->znodes,
	    (long long)info->tasks, (long long)info->claims, (long long)info->results, (long long)info->dead);
	if (info->repaired)
		printf("%lld repaired, ", (long long)info->repaired);
	printf("%lld error%s, %lld note%s\n", (long long)info->errors, info->errors == 1 ? "" : "s",
	    (long long)info->notes, info->notes == 1 ? "" : "s");
}

static int
run_fsck(int argc, char **argv)
{
	struct zkq *handle;
	struct zkq_fsck_info info;
	int code = open_handle(argc, argv, &handle);

	if (code)
		return code;
	if (settings.json)
		info_json_begin(&json, "zkq.admin.fsck/1");
	int error = zkq_fsck_wait(handle, repair ? ZKQ_FSCK_REPAIR : 0, stall(), take_finding, count, NULL, &info);
	if (settings.json) {
		jsonout_end(&json);
		info_json_finish(&json, error == ZKQ_OK);
	} else if (error == ZKQ_OK) {
		print_sum(&info);
	}
	code = error != ZKQ_OK ? cli_fail_error(error, NULL, NULL) : info.errors ? EXIT_NO : EXIT_OK;
	zkq_close(handle);
	return code;
}

const struct command command_admin_fsck = {
	.name = "admin fsck",
	.program = "zkq admin fsck",
	.about = "whether the tree is sound; mend what can be",
	.usage = "zkq admin fsck [--repair] [OPTIONS]",
	.manual = "zkq-admin(1)",
	.options = fsck_rows,
	.anywhere = true,
	.run = run_fsck,
};
