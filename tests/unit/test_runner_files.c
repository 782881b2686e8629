/* The part of test_runner.c that needs sys/stat.h, whose struct stat is not the core's. */
#include "config.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

int open_directory(const char *path);
long long file_size(const char *path);
bool small_disk(void);
int limit_files(int pid, unsigned long count);

int
open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

long long
file_size(const char *path)
{
	struct stat stat_of_file;

	return stat(path, &stat_of_file) == 0 ? (long long)stat_of_file.st_size : -1;
}

/* Makes /tmp a disk of 1 MiB, for this process and its children only. */
bool
small_disk(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", "/tmp", "tmpfs", 0, "size=1m") == 0;
}

/* How many descriptors another process may open from now on. */
int
limit_files(int pid, unsigned long count)
{
	struct rlimit limit;

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) != 0)
		return -1;
	limit.rlim_cur = count;
	return prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}
