#include "config.h"

#include "cli/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/exits.h"
#include "cli/cli.h"

#define STOP_MS 5000		/* from SIGTERM to SIGKILL */
#define LOG_SHOWN 2000		/* bytes of a log's end */

static struct part parts[PARTS_MAX];
static int part_count;
static pid_t command_pid;
static sigset_t waited, before;

void
parts_begin(void)
{
	sigemptyset(&waited);
	sigaddset(&waited, SIGCHLD);
	sigaddset(&waited, SIGINT);
	sigaddset(&waited, SIGTERM);
	sigaddset(&waited, SIGHUP);
	sigprocmask(SIG_BLOCK, &waited, &before);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* In the child: what a program expects to find, and a death of ours is its own. */
static void
become_child(pid_t parent)
{
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_OURS);
}

struct part *
parts_start(const char *name, const char *folder, char *const *argv)
{
	pid_t parent = getpid();

	if (part_count == PARTS_MAX) {
		cli_say("more than %d parts", PARTS_MAX);
		return NULL;
	}
	struct part *part = &parts[part_count];
	memset(part, 0, sizeof *part);
	snprintf(part->name, sizeof part->name, "%s", name);
	snprintf(part->log, sizeof part->log, "%s/%s.log", folder, name);
	int log = open(part->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (log < 0 || null < 0) {
		cli_say("cannot write %s: %s", part->log, strerror(errno));
		if (log >= 0)
			close(log);
		if (null >= 0)
			close(null);
		return NULL;
	}
	part->pid = fork();
	if (part->pid == 0) {
		setsid();	/* Ctrl-C is for us alone */
		dup2(null, STDIN_FILENO);
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		become_child(parent);
		execv(argv[0], argv);
		fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
	}
	close(log);
	close(null);
	if (part->pid < 0) {
		cli_say("cannot start %s: %s", name, strerror(errno));
		return NULL;
	}
	part_count++;
	return part;
}

pid_t
parts_run(char *const *argv)
{
	pid_t parent = getpid();

	fflush(NULL);
	command_pid = fork();
	if (command_pid == 0) {
		become_child(parent);
		execvp(argv[0], argv);
		int code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
		cli_say("cannot run %s: %s", argv[0], strerror(errno));
		_exit(code);
	}
	if (command_pid < 0)
		cli_say("cannot start %s: %s", argv[0], strerror(errno));
	return command_pid;
}

static void
collect(bool *command_ended, int *ended_status)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == command_pid) {
			command_pid = 0;
			if (command_ended) {
				*command_ended = true;
				*ended_status = status;
			}
		}
		for (int i = 0; i < part_count; i++)
			if (parts[i].pid == pid) {
				parts[i].pid = 0;
				parts[i].status = status;
			}
	}
}

bool
parts_wait(int timeout_ms, int *signal_number, bool *command_ended, int *ended_status)
{
	struct timespec limit = { .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L };
	int number = timeout_ms < 0 ? sigwaitinfo(&waited, NULL) : sigtimedwait(&waited, NULL, &limit);

	if (number < 0)
		return false;
	if (number == SIGCHLD)
		collect(command_ended, ended_status);
	else if (signal_number)
		*signal_number = number;
	return true;
}

int
parts_count(void)
{
	return part_count;
}

struct part *
parts_at(int i)
{
	return &parts[i];
}

void
parts_say_ended(const struct part *part)
{
	if (WIFSIGNALED(part->status))
		cli_say("%s was killed by signal %d (%s)", part->name, WTERMSIG(part->status),
		    strsignal(WTERMSIG(part->status)));
	else
		cli_say("%s ended with exit code %d", part->name, WEXITSTATUS(part->status));
}

void
parts_show_log(const struct part *part)
{
	char text[LOG_SHOWN + 1];
	FILE *in = fopen(part->log, "re");

	if (!in)
		return;
	if (fseek(in, -LOG_SHOWN, SEEK_END) != 0)
		rewind(in);
	size_t len = fread(text, 1, LOG_SHOWN, in);
	fclose(in);
	if (len == 0)
		return;
	fprintf(stderr, "---- end of the log of %s\n", part->name);
	terminal_write(stderr, text, len, true);
	if (text[len - 1] != '\n')
		putc('\n', stderr);
}

bool
parts_write(const char *file)
{
	FILE *out = fopen(file, "we");
	bool good = out != NULL;

	for (int i = 0; good && i < part_count; i++)
		good = fprintf(out, "%s %ld\n", parts[i].name, (long)parts[i].pid) > 0;
	if (out && fclose(out) != 0)
		good = false;
	if (!good)
		cli_say("cannot write %s: %s", file, strerror(errno));
	return good;
}

static bool
any_left(char letter)
{
	for (int i = 0; i < part_count; i++)
		if (parts[i].pid > 0 && parts[i].name[0] == letter)
			return true;
	return false;
}

static void
signal_all(char letter, int number)
{
	for (int i = 0; i < part_count; i++)
		if (parts[i].pid > 0 && parts[i].name[0] == letter) {
			kill(parts[i].pid, SIGCONT);
			kill(parts[i].pid, number);
		}
}

static void
wait_for_all(char letter, int64_t limit_ms)
{
	int64_t deadline = cli_now() + limit_ms;

	while (any_left(letter) && cli_now() < deadline)
		parts_wait(100, NULL, NULL, NULL);
}

/* Children that are none of the parts: what parts or tasks have left behind. Returns how many were killed. */
static int
kill_orphans(void)
{
	char path[64];
	long pid;
	int killed = 0;

	snprintf(path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
	FILE *in = fopen(path, "re");
	if (!in)
		return 0;
	while (fscanf(in, "%ld", &pid) == 1) {
		bool part = pid == command_pid;

		for (int i = 0; i < part_count; i++)
			part = part || parts[i].pid == pid;
		if (!part && kill((pid_t)pid, SIGKILL) == 0)
			killed++;
	}
	fclose(in);
	return killed;
}

void
parts_stop(const char *order)
{
	if (command_pid > 0) {
		kill(command_pid, SIGTERM);
		int64_t deadline = cli_now() + STOP_MS;
		while (command_pid > 0 && cli_now() < deadline)
			parts_wait(100, NULL, NULL, NULL);
		if (command_pid > 0)
			kill(command_pid, SIGKILL);
	}
	for (; *order; order++) {
		signal_all(*order, SIGTERM);
		if (*order == 'w') {
			/* A drain waits for running tasks; the second time stops them. */
			wait_for_all(*order, 200);
			signal_all(*order, SIGTERM);
		}
		wait_for_all(*order, STOP_MS);
		signal_all(*order, SIGKILL);
		wait_for_all(*order, STOP_MS);
	}
	/* Killing one may send us its children; they come at once. */
	for (int i = 0; i < 100 && kill_orphans() > 0; i++)
		parts_wait(50, NULL, NULL, NULL);
	collect(NULL, NULL);
}
