/*
 * folder.h: directories and small files of a daemon's own.
 */
#ifndef ZKQ_IO_FOLDER_H
#define ZKQ_IO_FOLDER_H

#include <stddef.h>

/* Makes path and what is missing above it, mode 0700, and opens it. -1 with errno. */
int folder_open(const char *path);
/* As above for one name below an open folder. */
int folder_below(int fd, const char *name);
/* Opens the file folder/name below fd for reading; links are not followed. -1 with errno. */
int folder_open_file(int fd, const char *folder, const char *name);
/* Takes a lock, by a file "lock", that ends with this process and is not passed on to children, so that nobody but a living
 * process has it. 0; 1 = process *holder has it (0 = had it just now); -1 with errno. Once per process and folder. */
int folder_lock(int fd, int *holder);
/* Reads a small file; adds a NUL. Returns the length, or -1 with errno (ENOENT ...). */
int folder_read(int fd, const char *name, char *buffer, size_t size);
/* Replaces a file as a whole. 0, or -1 with errno. */
int folder_write(int fd, const char *name, const char *text);

#endif
