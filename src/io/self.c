#include "config.h"

#include "io/self.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_PID_NAMESPACE 4026531836UL	/* PROC_PID_INIT_INO */

const char *
self_program(void)
{
	static char path[PATH_MAX];
	struct stat named, own;

	/* Under an instrumenting interpreter /proc/self/exe is that; its name, as we are told it, is ours. */
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	if (len <= 0)
		return "/proc/self/exe";
	path[len] = '\0';
	if (stat(path, &named) == 0 && stat("/proc/self/exe", &own) == 0 &&
	    (named.st_dev != own.st_dev || named.st_ino != own.st_ino) && !strstr(path, " (deleted)"))
		return path;
	return "/proc/self/exe";
}

void
self_host(char *buffer, size_t size)
{
	struct stat space;

	if (gethostname(buffer, size) != 0)
		snprintf(buffer, size, "localhost");
	buffer[size - 1] = '\0';
	size_t len = strlen(buffer);
	if (stat("/proc/self/ns/pid", &space) == 0 && (unsigned long)space.st_ino != FIRST_PID_NAMESPACE)
		snprintf(buffer + len, size - len, ":%lu", (unsigned long)space.st_ino);
}

int
self_files(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX ? INT_MAX : (int)limit.rlim_cur;
}

int
self_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return CPU_COUNT(&set);
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (int)online : 1;
}
