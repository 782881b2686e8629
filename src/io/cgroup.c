#include "config.h"

#include "io/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cgroup {
	int fd;			/* of the group's directory */
	char path[PATH_MAX];
};

/* Our own group's directory; false when there is no version 2 hierarchy. */
static bool
own_group(char *path, size_t size)
{
	char line[PATH_MAX + 256], mount[PATH_MAX] = "", group[PATH_MAX] = "";
	FILE *file = fopen("/proc/self/mountinfo", "re");

	if (!file)
		return false;
	while (!*mount && fgets(line, sizeof line, file)) {
		char *type = strstr(line, " - cgroup2 ");
		if (type)
			sscanf(line, "%*s %*s %*s %*s %4095s", mount);
	}
	fclose(file);
	file = fopen("/proc/self/cgroup", "re");
	if (!file)
		return false;
	while (!*group && fgets(line, sizeof line, file))
		sscanf(line, "0::%4095[^\n]", group);
	fclose(file);
	if (!*mount || !*group)
		return false;
	int len = snprintf(path, size, "%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
	return len > 0 && (size_t)len < size;
}

static bool
group_path(const char *name, char *path, size_t size)
{
	char own[PATH_MAX];

	if (!own_group(own, sizeof own))
		return false;
	int len = snprintf(path, size, "%s/%s", own, name);
	return len > 0 && (size_t)len < size;
}

struct cgroup *
cgroup_new(const char *name)
{
	struct cgroup *cgroup = calloc(1, sizeof *cgroup);

	if (!cgroup)
		return NULL;
	if (!group_path(name, cgroup->path, sizeof cgroup->path) || mkdir(cgroup->path, 0755) != 0)
		goto free_cgroup;
	cgroup->fd = open(cgroup->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (cgroup->fd < 0 || faccessat(cgroup->fd, "cgroup.kill", W_OK, 0) != 0)
		goto remove_group;
	return cgroup;
remove_group:
	if (cgroup->fd >= 0)
		close(cgroup->fd);
	rmdir(cgroup->path);
free_cgroup:
	free(cgroup);
	return NULL;
}

void
cgroup_free(struct cgroup *cgroup)
{
	if (!cgroup)
		return;
	rmdir(cgroup->path);
	close(cgroup->fd);
	free(cgroup);
}

int
cgroup_make(struct cgroup *cgroup, const char *child)
{
	if (mkdirat(cgroup->fd, child, 0755) != 0 && errno != EEXIST)
		return -1;
	return openat(cgroup->fd, child, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
kill_below(int fd, const char *child)
{
	char path[NAME_MAX + 16];

	snprintf(path, sizeof path, "%s/cgroup.kill", child);
	int file = openat(fd, path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return;
	/* Cannot fail for a reason that we could mend; who asks looks whether the group is empty. */
	ssize_t written = write(file, "1", 1);
	(void)written;
	close(file);
}

void
cgroup_kill(struct cgroup *cgroup, const char *child)
{
	kill_below(cgroup->fd, child);
}

bool
cgroup_remove(struct cgroup *cgroup, const char *child)
{
	return unlinkat(cgroup->fd, child, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

bool
cgroup_sweep(const char *name)
{
	char path[PATH_MAX];
	struct dirent *entry;

	if (!group_path(name, path, sizeof path))
		return true;
	DIR *folder = opendir(path);
	if (!folder)
		return true;
	kill_below(dirfd(folder), ".");
	while ((entry = readdir(folder))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR);
	}
	closedir(folder);
	return rmdir(path) == 0 || errno == ENOENT;
}
