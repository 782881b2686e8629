/* The part of test_runner.c that needs sys/stat.h, whose struct stat is not the core's. */
#include <fcntl.h>
#include <sys/stat.h>

int open_directory(const char *path);
long long file_size(const char *path);

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
