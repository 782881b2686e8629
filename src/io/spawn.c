#include "config.h"

#include "io/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHILDREN_MAX 8192	/* at once; a worker has slots in the tens or hundreds */

/* The children's messages lie in shared memory rather than in a pipe each: no descriptors, nothing to wait for. */
static struct spawn_error *errors;
static int *unused, unused_count;
static struct rlimit files;

const char *
spawn_stage_word(enum spawn_stage stage)
{
	static const char *const words[] = { "fork", "setup", "chdir", "exec" };

	return words[stage];
}

int
spawn_init(void)
{
	if (errors)
		return 0;
	/* Our own soft limit is raised to what is allowed; children get the one we were started with. */
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	struct rlimit raised = { files.rlim_max, files.rlim_max };
	setrlimit(RLIMIT_NOFILE, &raised);
	unused = calloc(CHILDREN_MAX, sizeof *unused);
	if (!unused)
		return -1;
	errors = mmap(NULL, CHILDREN_MAX * sizeof *errors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (errors == MAP_FAILED) {
		errors = NULL;
		free(unused);
		return -1;
	}
	for (int i = 0; i < CHILDREN_MAX; i++)
		unused[i] = CHILDREN_MAX - 1 - i;
	unused_count = CHILDREN_MAX;
	return 0;
}

void
spawn_forget(struct spawn_error *error)
{
	if (error)
		unused[unused_count++] = (int)(error - errors);
}

static void
reset_signals(void)
{
	/* The kernel's own struct sigaction, all zero: SIG_DFL. The C library's call leaves out the two signals that it uses
	 * itself, and they may come to us ignored. */
	static const unsigned long default_action[8];
	sigset_t none;

	for (int number = 1; number < NSIG; number++) {
		if (number != SIGKILL && number != SIGSTOP)
			syscall(SYS_rt_sigaction, number, default_action, NULL, (size_t)(NSIG - 1) / 8);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts the descriptors in their places. Sources are all above the targets (see spawn()). */
static bool
place_descriptors(const struct spawn *spawn)
{
	int in = spawn->in, next = 3;

	if (in < 0 && (in = open("/dev/null", O_RDONLY)) < 0)
		return false;
	if ((in != 0 && dup2(in, 0) < 0) || (spawn->out >= 0 && dup2(spawn->out, 1) < 0) ||
	    (spawn->err >= 0 && dup2(spawn->err, 2) < 0))
		return false;
	/* First out of each other's way, then down. */
	int moved[SPAWN_PASS_MAX], count = 0;
	while (count < SPAWN_PASS_MAX && spawn->pass[count] > 0) {
		moved[count] = fcntl(spawn->pass[count], F_DUPFD, 3 + SPAWN_PASS_MAX);
		if (moved[count++] < 0)
			return false;
	}
	for (int i = 0; i < count; i++, next++) {
		if (dup2(moved[i], next) < 0)
			return false;
	}
	return close_range((unsigned)next, ~0u, 0) == 0;
}

static bool
restrict_task(void)
{
	struct rlimit none = { 0, 0 };

	umask(077);
	return setrlimit(RLIMIT_CORE, &none) == 0;
}

/* As execvp(3), but with the path of the child's environment and without handing text files to a shell. */
static int
exec_in_path(const struct spawn *spawn)
{
	char *const *argv = (char *const *)spawn->argv, *const *environment = (char *const *)spawn->environ;
	const char *name = spawn->program ? spawn->program : spawn->argv[0], *from = spawn->path;
	char file[PATH_MAX];
	int error = ENOENT;

	if (strchr(name, '/') || !from) {
		execve(name, argv, environment);
		return errno;
	}
	if (!*name)
		return ENOENT;
	for (;;) {
		size_t len = strcspn(from, ":");
		int all = snprintf(file, sizeof file, "%.*s%s%s", (int)len, from, len ? "/" : "./", name);
		if (all > 0 && (size_t)all < sizeof file) {
			execve(file, argv, environment);
			/* A file that may not be executed is remembered, but a later one in the path may do. A directory that we
			 * may not look into holds nothing for us. */
			if (errno == EACCES && access(file, F_OK) == 0)
				error = EACCES;
			else if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
				return errno;
		}
		if (!from[len])
			return error;
		from += len + 1;
	}
}

/* Moves this process into the group. */
static bool
join(int cgroup_fd)
{
	int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	bool joined = fd >= 0 && write(fd, "0", 1) == 1;

	if (fd >= 0)
		close(fd);
	return joined;
}

static void __attribute__((noreturn))
child(const struct spawn *spawn, struct spawn_error *error, pid_t parent, bool born_outside)
{
	error->stage = SPAWN_SETUP;
	if (born_outside && !join(spawn->cgroup_fd))
		goto failed;
	if (spawn->task && setsid() < 0)
		goto failed;
	reset_signals();
	if (spawn->dies_with_us) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
			goto failed;
		if (getppid() != parent)
			_exit(127);	/* it ended before the wish was known to the kernel */
	}
	if (!place_descriptors(spawn) || setrlimit(RLIMIT_NOFILE, &files) != 0 || (spawn->task && !restrict_task()))
		goto failed;
	error->stage = SPAWN_CHDIR;
	if (spawn->cwd && chdir(spawn->cwd) != 0)
		goto failed;
	error->stage = SPAWN_EXEC;
	errno = exec_in_path(spawn);
failed:
	error->error = errno;
	_exit(127);
}

pid_t
spawn(const struct spawn *wanted, struct spawn_error **error)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	sigset_t all, before;
	pid_t parent = getpid();

	if (unused_count == 0) {
		errno = EAGAIN;
		return -1;
	}
	*error = &errors[unused[--unused_count]];
	(*error)->stage = SPAWN_FORK;
	(*error)->error = 0;
	if (wanted->cgroup_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)wanted->cgroup_fd;
	}
	/* The child must not run our signal handlers: they write to descriptors that it shares with us. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	bool outside = false;
	pid_t pid = wanted->cgroup_fd >= 0 ? (pid_t)syscall(SYS_clone3, &args, sizeof args) : fork();
	/* Where a filter or an interpreter knows no clone3, the child moves over by itself: slower, nothing else. */
	if (pid < 0 && wanted->cgroup_fd >= 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL)) {
		outside = true;
		pid = fork();
	}
	if (pid == 0)
		child(wanted, *error, parent, outside);
	int number = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		spawn_forget(*error);
		errno = number;
	}
	return pid;
}

int
spawn_input(const char *data, size_t len)
{
	size_t done = 0;

	if (len == 0)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("stdin", MFD_CLOEXEC);
	if (fd < 0)
		return -1;
	while (done < len) {
		ssize_t wrote = write(fd, data + done, len - done);
		if (wrote < 0 && errno != EINTR) {
			int number = errno;
			close(fd);
			errno = number;
			return -1;
		}
		if (wrote > 0)
			done += (size_t)wrote;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}
