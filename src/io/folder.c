#include "config.h"

#include "io/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
folder_open(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof part) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST && errno != EISDIR)
			return -1;
		if (i < len)
			part[i] = '/';
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
folder_below(int fd, const char *name)
{
	if (mkdirat(fd, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
folder_open_file(int fd, const char *folder, const char *name)
{
	int parent = openat(fd, folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (parent < 0)
		return -1;
	int file = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), error = errno;
	close(parent);
	errno = error;
	return file;
}

int
folder_lock(int fd, int *holder)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int file = openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (file < 0)
		return -1;
	/* The file stays open for the life of the process: any close of it would end the lock. */
	if (fcntl(file, F_SETLK, &lock) == 0)
		return 0;
	int error = errno;
	*holder = 0;
	if ((error == EAGAIN || error == EACCES) && fcntl(file, F_GETLK, &lock) == 0)
		*holder = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
	close(file);
	errno = error;
	return error == EAGAIN || error == EACCES ? 1 : -1;
}

static int
read_to_end(int fd, char *buffer, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while (len < size - 1 && (got = read(fd, buffer + len, size - 1 - len)) != 0) {
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		len += (size_t)got;
	}
	buffer[len] = '\0';
	return (int)len;
}

int
folder_read(int fd, const char *name, char *buffer, size_t size)
{
	int file = openat(fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (file < 0)
		return -1;
	int len = read_to_end(file, buffer, size), error = errno;
	close(file);
	errno = error;
	return len;
}

int
folder_write(int fd, const char *name, const char *text)
{
	char temporary[NAME_MAX];
	size_t len = strlen(text);

	snprintf(temporary, sizeof temporary, "%s.new", name);
	int file = openat(fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file < 0)
		return -1;
	/* Nothing survives a crash of the machine that this file would have to speak of: no fsync. */
	int done = write(file, text, len) == (ssize_t)len ? 0 : -1, error = errno;
	close(file);
	if (done == 0)
		return renameat(fd, temporary, fd, name);
	unlinkat(fd, temporary, 0);
	errno = error;
	return -1;
}
