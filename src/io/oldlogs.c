#include "config.h"

#include "io/oldlogs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/loop.h"

#define STEP_FOLDERS 64		/* then the loop */
#define STEP_PAUSE_MS 2
#define BUCKETS 512		/* ages are sorted into so many, whatever the number of folders */

/*
 * A pass reads the directory twice. First it sums the sizes by age, which tells from which age on the total is above the
 * limit; then it removes what is as old as that or older than age_max_s.
 */
struct old_logs {
	struct old_logs_conf conf;
	struct timer *timer;
	DIR *folder;		/* of the reading under way */
	bool removing;		/* second reading */
	time_t now;
	uint64_t sizes[BUCKETS];	/* bucket 0 is the youngest */
	int first_removed;	/* bucket; BUCKETS = none */
	uint64_t removed, removed_bytes;
};

struct measure {
	time_t newest;
	uint64_t bytes;
};

static int
bucket_of(const struct old_logs *logs, time_t newest)
{
	double age = difftime(logs->now, newest);

	if (age < 0)
		return 0;
	if (age >= (double)logs->conf.age_max_s)
		return BUCKETS - 1;
	return (int)(age / (double)logs->conf.age_max_s * (BUCKETS - 1));
}

/* Calls for each file of the folder: sums it up, or removes it. */
static void
walk(int parent, const char *name, bool removing, struct measure *measure)
{
	struct dirent *entry;
	struct stat stat;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fstat(fd, &stat) == 0)
		measure->newest = stat.st_mtime;
	while ((entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (removing) {
			unlinkat(fd, entry->d_name, 0);
		} else if (fstatat(fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0) {
			measure->bytes += (uint64_t)stat.st_blocks * 512;
			if (stat.st_mtime > measure->newest)
				measure->newest = stat.st_mtime;
		}
	}
	closedir(folder);
	if (removing)
		unlinkat(parent, name, AT_REMOVEDIR);
}

static void
look_at(struct old_logs *logs, const char *name)
{
	struct measure measure = { 0, 0 };

	walk(logs->conf.fd, name, false, &measure);
	int bucket = bucket_of(logs, measure.newest);
	if (!logs->removing) {
		logs->sizes[bucket] += measure.bytes;
		return;
	}
	if (bucket < logs->first_removed || (logs->conf.in_use && logs->conf.in_use(logs->conf.context, name)))
		return;
	walk(logs->conf.fd, name, true, &measure);
	logs->removed++;
	logs->removed_bytes += measure.bytes;
}

static DIR *
open_again(const struct old_logs *logs)
{
	int fd = openat(logs->conf.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	if (!folder && fd >= 0)
		close(fd);
	return folder;
}

/* The first reading is over: from which age on is too much? */
static void
decide(struct old_logs *logs)
{
	uint64_t total = 0;

	logs->first_removed = BUCKETS - 1;
	for (int i = 0; i < BUCKETS; i++) {
		total += logs->sizes[i];
		if (total > logs->conf.bytes_max) {
			logs->first_removed = i;
			break;
		}
	}
	logs->removing = true;
}

static void
on_time(void *context)
{
	struct old_logs *logs = context;
	struct dirent *entry = NULL;

	if (!logs->folder) {
		if (!logs->removing) {
			logs->now = time(NULL);
			memset(logs->sizes, 0, sizeof logs->sizes);
			logs->removed = logs->removed_bytes = 0;
		}
		logs->folder = open_again(logs);
	}
	for (int i = 0; logs->folder && i < STEP_FOLDERS && (entry = readdir(logs->folder)); i++) {
		if (entry->d_name[0] != '.')
			look_at(logs, entry->d_name);
	}
	if (entry) {
		timer_set(logs->timer, STEP_PAUSE_MS);
		return;
	}
	if (logs->folder)
		closedir(logs->folder);
	logs->folder = NULL;
	if (!logs->removing) {
		decide(logs);
		timer_set(logs->timer, STEP_PAUSE_MS);
		return;
	}
	logs->removing = false;
	if (logs->removed && logs->conf.passed)
		logs->conf.passed(logs->conf.context, logs->removed, logs->removed_bytes);
	timer_set(logs->timer, logs->conf.every_ms);
}

struct old_logs *
old_logs_new(struct event_base *base, const struct old_logs_conf *conf)
{
	struct old_logs *logs = calloc(1, sizeof *logs);

	if (!logs)
		return NULL;
	logs->conf = *conf;
	logs->timer = timer_new(base, on_time, logs);
	if (!logs->timer) {
		free(logs);
		return NULL;
	}
	timer_set(logs->timer, 0);
	return logs;
}

void
old_logs_free(struct old_logs *logs)
{
	if (!logs)
		return;
	if (logs->folder)
		closedir(logs->folder);
	timer_free(logs->timer);
	free(logs);
}
