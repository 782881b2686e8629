#include "config.h"

#include "io/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/clock.h"

#define ENVIRON_MAX (256 * 1024)	/* the marks stand in front: a longer environment still shows them */

/* Reads a whole small file; returns the length or -1. Adds a NUL. */
static ssize_t
read_file(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return -1;
	while (len < size - 1 && (got = read(fd, buffer + len, size - 1 - len)) != 0) {
		if (got < 0) {
			if (errno == EINTR)
				continue;
			close(fd);
			return -1;
		}
		len += (size_t)got;
	}
	close(fd);
	buffer[len] = '\0';
	return (ssize_t)len;
}

bool
process_read(pid_t pid, struct process *process)
{
	char path[64], text[1024];
	int parent, group, session;
	unsigned long long start;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (read_file(path, text, sizeof text) <= 0)
		return false;
	/* The name in field 2 may hold anything, ')' too: the last one ends it. */
	char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	    &process->state, &parent, &group, &session, &start) != 5)
		return false;
	process->pid = pid;
	process->parent = parent;
	process->group = group;
	process->session = session;
	process->start = start;
	return true;
}

bool
process_boot_id(char id[BOOT_ID_SIZE])
{
	char text[64];

	if (read_file("/proc/sys/kernel/random/boot_id", text, sizeof text) < BOOT_ID_SIZE - 1)
		return false;
	memcpy(id, text, BOOT_ID_SIZE - 1);
	id[BOOT_ID_SIZE - 1] = '\0';
	return true;
}

bool
process_gone(pid_t pid, uint64_t start)
{
	struct process process;

	return !process_read(pid, &process) || process.start != start || process.state == 'Z' || process.state == 'X';
}

static bool
numeric(const char *name, pid_t *pid)
{
	char *end;
	long number = strtol(name, &end, 10);

	if (*end || number <= 0 || number > INT32_MAX)
		return false;
	*pid = (pid_t)number;
	return true;
}

/* Kernels without CONFIG_PROC_CHILDREN: the whole table. */
static int
children_by_scan(pid_t *pids, int max)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct process process;
	int count = 0;
	pid_t pid, self = getpid();

	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		if (!numeric(entry->d_name, &pid) || !process_read(pid, &process) || process.parent != self)
			continue;
		if (count < max)
			pids[count] = pid;
		count++;
	}
	closedir(proc);
	return count;
}

int
process_children(pid_t *pids, int max)
{
	static int fd = -1;	/* kept open: asked after the end of every task */
	static pid_t owner;
	char text[64 * 1024];
	int count = 0;
	off_t offset = 0;
	ssize_t got;
	long number = 0;
	bool digits = false;

	if (owner != getpid()) {
		char path[64];
		if (fd >= 0)
			close(fd);
		owner = getpid();
		snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)owner);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return children_by_scan(pids, max);
	while ((got = pread(fd, text, sizeof text, offset)) > 0) {
		offset += got;
		for (ssize_t i = 0; i < got; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				number = number * 10 + (text[i] - '0');
				digits = true;
			} else if (digits) {
				if (count < max)
					pids[count] = (pid_t)number;
				count++;
				number = 0;
				digits = false;
			}
		}
	}
	return count;
}

size_t
process_environ(pid_t pid, char *buffer, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	len = read_file(path, buffer, size);
	return len > 0 ? (size_t)len : 0;
}

const char *
environ_find(const char *environment, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t at = 0; at < len; at += strlen(environment + at) + 1) {
		if (strncmp(environment + at, name, name_len) == 0 && environment[at + name_len] == '=')
			return environment + at + name_len + 1;
	}
	return NULL;
}

static bool
contains(const char *environment, size_t len, const char *string)
{
	for (size_t at = 0; at < len; at += strlen(environment + at) + 1) {
		if (strcmp(environment + at, string) == 0)
			return true;
	}
	return false;
}

static bool
carries(pid_t pid, const struct process_mark *mark, char *buffer)
{
	size_t len = process_environ(pid, buffer, ENVIRON_MAX);

	if (len == 0)
		return false;
	for (size_t i = 0; i < sizeof mark->has / sizeof *mark->has; i++) {
		if (mark->has[i] && !contains(buffer, len, mark->has[i]))
			return false;
	}
	return !mark->unlike || !contains(buffer, len, mark->unlike);
}

struct process_sweep
process_sweep(const struct process_mark *mark)
{
	struct process_sweep sweep = { 0, 0 };
	DIR *proc = opendir("/proc");
	char *buffer = malloc(ENVIRON_MAX);
	struct dirent *entry;
	pid_t pid, self = getpid();

	if (!proc || !buffer) {
		/* Nothing was looked at: that must not read as "nothing left". */
		sweep.found = sweep.refused = 1;
		goto done;
	}
	while ((entry = readdir(proc))) {
		if (!numeric(entry->d_name, &pid) || pid == self)
			continue;
		/* The descriptor is taken first: what is killed is then what was looked at, not its successor. */
		int fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (fd < 0)
			continue;
		if (carries(pid, mark, buffer)) {
			if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0)
				sweep.found++;
			else if (errno != ESRCH) {
				sweep.found++;
				sweep.refused++;
			}
		}
		close(fd);
	}
done:
	free(buffer);
	if (proc)
		closedir(proc);
	return sweep;
}

static uint64_t
meminfo(const char *text, const char *field)
{
	const char *line = strstr(text, field);
	unsigned long long kib;

	return line && sscanf(line + strlen(field), " %llu kB", &kib) == 1 ? kib * 1024 : 0;
}

void
machine_load(const char *directory, struct machine_load *load)
{
	char text[8192];
	struct statvfs disk;

	memset(load, 0, sizeof *load);
	load->load1 = -1;
	if (read_file("/proc/loadavg", text, sizeof text) > 0)
		load->load1 = strtod(text, NULL);
	if (read_file("/proc/meminfo", text, sizeof text) > 0) {
		load->mem_total_bytes = meminfo(text, "MemTotal:");
		load->mem_free_bytes = meminfo(text, "MemAvailable:");
	}
	if (statvfs(directory, &disk) == 0)
		load->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
}

static int
count_entries(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	int count = 0;

	if (!folder)
		return 0;
	while ((entry = readdir(folder)))
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count;
}

bool
process_use(pid_t pid, struct process_use *use)
{
	char path[64], text[1024];
	unsigned long user, system;
	unsigned long long start;
	long pages, ticks = sysconf(_SC_CLK_TCK);
	struct rlimit files;

	memset(use, 0, sizeof *use);
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	const char *rest = read_file(path, text, sizeof text) > 0 ? strrchr(text, ')') : NULL;
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %llu %*u %ld",
	    &user, &system, &start, &pages) != 4)
		return false;
	use->cpu_seconds = (double)(user + system) / (double)ticks;
	use->rss_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	use->start_time = (double)(clock_wall_ms() - clock_boot_ms()) / 1000 + (double)start / (double)ticks;
	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	use->open_fds = count_entries(path);
	if (prlimit(pid, RLIMIT_NOFILE, NULL, &files) == 0)
		use->max_fds = files.rlim_cur;
	return true;
}
