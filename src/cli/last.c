#include "config.h"

#include "cli/last.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define CLUSTERS_MAX 20		/* lines of the file: one per cluster, the one used last first */
#define LINE_SIZE 1024
#define FILE_MAX (CLUSTERS_MAX * LINE_SIZE)	/* what is longer was not written here */

/* ZKQ_LAST, else $XDG_STATE_HOME/zkq/last, else ~/.local/state/zkq/last. make: folders that are missing are made, but never
 * a home, nor what XDG_STATE_HOME lies in. */
static bool
path_of(char path[PATH_MAX], bool make)
{
	const char *own = getenv("ZKQ_LAST"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	size_t there;	/* bytes of path that are not ours to make */
	int len;

	if (own && *own)
		return snprintf(path, PATH_MAX, "%s", own) < PATH_MAX;
	if (state && *state == '/') {
		len = snprintf(path, PATH_MAX, "%s/zkq/last", state);
		there = (size_t)(strrchr(state, '/') - state);
	} else if (home && *home == '/') {
		len = snprintf(path, PATH_MAX, "%s/.local/state/zkq/last", home);
		there = strlen(home);
	} else {
		return false;
	}
	if (len >= PATH_MAX)
		return false;
	for (char *slash = path + there + 1; make && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	return true;
}

/* Whether the line "<id> <servers> <root>\n" is of the cluster of the settings. */
static bool
is_ours(const char *line)
{
	const char *rest = strchr(line, ' ');
	size_t len = strlen(settings.zk);

	return rest && strncmp(rest + 1, settings.zk, len) == 0 && rest[1 + len] == ' ' &&
	    strncmp(rest + 2 + len, settings.root, strlen(settings.root)) == 0 && rest[2 + len + strlen(settings.root)] == '\n';
}

static bool
is_record(const struct stat *stat)
{
	return S_ISREG(stat->st_mode) && stat->st_size <= FILE_MAX;
}

/* NULL when there is none, or something else: a FIFO or a device would be waited for, or read for ever. */
static FILE *
open_record(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat stat;
	FILE *in = fd >= 0 && fstat(fd, &stat) == 0 && is_record(&stat) ? fdopen(fd, "r") : NULL;

	if (fd >= 0 && !in)
		close(fd);
	return in;
}

/* Whether a new file may take the place of what is there: never that of a device, a link, or a file that is none of ours. */
static bool
replaceable(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0 ? is_record(&stat) : errno == ENOENT;
}

/* The other clusters' lines. */
static void
copy_others(const char *path, FILE *out)
{
	char line[LINE_SIZE];
	FILE *in = open_record(path);
	int kept = 1;

	while (in && kept < CLUSTERS_MAX && fgets(line, sizeof line, in))
		if (strchr(line, '\n') && !is_ours(line)) {
			fputs(line, out);
			kept++;
		}
	if (in)
		fclose(in);
}

void
last_keep(const char *id)
{
	char path[PATH_MAX], temporary[PATH_MAX + 32];

	if (!path_of(path, true) || !replaceable(path) || strlen(settings.zk) + strlen(settings.root) > LINE_SIZE - ZKQ_ID_SIZE - 4)
		return;
	snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		if (fd >= 0)
			close(fd);
		return;
	}
	fprintf(out, "%s %s %s\n", id, settings.zk, settings.root);
	copy_others(path, out);
	if (fclose(out) != 0 || rename(temporary, path) != 0)
		unlink(temporary);
}

bool
last_read(char id[ZKQ_ID_SIZE])
{
	char path[PATH_MAX], line[LINE_SIZE];
	bool found = false;
	FILE *in = path_of(path, false) ? open_record(path) : NULL;

	while (in && !found && fgets(line, sizeof line, in)) {
		size_t len = strcspn(line, " ");

		found = is_ours(line) && len < ZKQ_ID_SIZE;
		if (found)
			snprintf(id, ZKQ_ID_SIZE, "%.*s", (int)len, line);
	}
	if (in)
		fclose(in);
	return found;
}
