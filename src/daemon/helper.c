#include "config.h"

#include "daemon/helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/self.h"
#include "io/spawn.h"

#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 10000
#define STEADY_MS 30000		/* a life of this length makes the next pause short again */

extern char **environ;

struct helper {
	struct event_base *base;
	struct helper_conf conf;
	struct timer *timer;
	pid_t pid;
	struct spawn_error *error;
	int64_t started_ms, pause_ms;
	bool leaving;
};

/* The environment without the credential; the strings are borrowed. NULL when memory runs out. */
static const char **
harmless_environment(void)
{
	size_t count = 0, kept = 0;

	while (environ[count])
		count++;
	const char **list = calloc(count + 1, sizeof *list);
	for (size_t i = 0; list && i < count; i++) {
		if (strncmp(environ[i], "ZKQ_AUTH=", sizeof "ZKQ_AUTH=" - 1) != 0)
			list[kept++] = environ[i];
	}
	return list;
}

static pid_t
start(struct helper *helper, int fd)
{
	int given_count, count = 0;
	char **given = helper->conf.arguments(helper->conf.context, &given_count);
	const char **environment = helper->conf.without_secrets ? harmless_environment() : (const char **)environ;
	const char **argv = given ? calloc((size_t)given_count + 2, sizeof *argv) : NULL;
	pid_t pid = -1;

	if (!argv || !environment)
		goto free_all;
	argv[count++] = given[0];
	argv[count++] = helper->conf.argument;
	for (int i = 1; i < given_count; i++)
		argv[count++] = given[i];
	struct spawn wanted = {
		.argv = argv, .environ = environment, .program = self_program(), .in = -1, .out = -1, .err = -1,
		.pass = { fd, helper->conf.listener }, .cgroup_fd = -1, .dies_with_us = helper->conf.dies_with_us,
	};
	pid = spawn(&wanted, &helper->error);
free_all:
	if (environment != (const char **)environ)
		free(environment);
	free(argv);
	options_free_arguments(given);
	return pid;
}

static void
again(struct helper *helper)
{
	helper->pause_ms = helper->pause_ms ? helper->pause_ms * 2 : PAUSE_MIN_MS;
	if (helper->pause_ms > PAUSE_MAX_MS)
		helper->pause_ms = PAUSE_MAX_MS;
	timer_set(helper->timer, helper->pause_ms);
}

static void
on_time(void *context)
{
	struct helper *helper = context;
	int ends[2];

	if (helper->leaving || helper->pid)
		return;
	helper->started_ms = clock_boot_ms();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		log_error("%s: no socket for the %s: %s", helper->conf.owner, helper->conf.name, strerror(errno));
		again(helper);
		return;
	}
	helper->pid = start(helper, ends[1]);
	close(ends[1]);
	if (helper->pid < 0) {
		log_error("%s: cannot start the %s: %s", helper->conf.owner, helper->conf.name, strerror(errno));
		helper->pid = 0;
		close(ends[0]);
		again(helper);
		return;
	}
	log_debug("%s: started the %s, pid %d", helper->conf.owner, helper->conf.name, (int)helper->pid);
	helper->conf.started(helper->conf.context, ends[0]);
}

struct helper *
helper_new(struct event_base *base, const struct helper_conf *conf)
{
	struct helper *helper = calloc(1, sizeof *helper);

	if (!helper)
		return NULL;
	helper->base = base;
	helper->conf = *conf;
	helper->timer = timer_new(base, on_time, helper);
	if (!helper->timer) {
		free(helper);
		return NULL;
	}
	timer_set(helper->timer, 0);
	return helper;
}

void
helper_free(struct helper *helper)
{
	if (!helper)
		return;
	timer_free(helper->timer);
	spawn_forget(helper->error);
	free(helper);
}

pid_t
helper_pid(const struct helper *helper)
{
	return helper ? helper->pid : 0;
}

void
helper_ended(struct helper *helper, int status)
{
	const char *owner = helper->conf.owner, *name = helper->conf.name;
	bool failed = !helper->leaving;

	helper->pid = 0;
	if (failed && helper->error->error)
		log_error("%s: cannot start the %s: %s: %s", owner, name, spawn_stage_word(helper->error->stage),
		    strerror(helper->error->error));
	else if (failed && WIFSIGNALED(status))
		log_error("%s: the %s was killed by signal %d; another is started", owner, name, WTERMSIG(status));
	else if (failed)
		log_error("%s: the %s ended with exit code %d; another is started", owner, name, WEXITSTATUS(status));
	spawn_forget(helper->error);
	helper->error = NULL;
	if (helper->leaving)
		return;
	if (clock_boot_ms() - helper->started_ms >= STEADY_MS)
		helper->pause_ms = 0;
	again(helper);
}

void
helper_leave(struct helper *helper)
{
	if (helper)
		helper->leaving = true;
}

void
helper_kill(struct helper *helper)
{
	if (helper && helper->pid)
		kill(helper->pid, SIGKILL);
}
