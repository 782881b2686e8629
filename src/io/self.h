/*
 * self.h: this program and this machine.
 */
#ifndef ZKQ_IO_SELF_H
#define ZKQ_IO_SELF_H

#include <stddef.h>

/* A path by which the running program can be executed again: the same file even when another has taken its name. */
const char *self_program(void);
/* A name for where processes of this host can be told apart by their pids: the host name, and in a pid namespace other
 * than the first one its number behind it. */
void self_host(char *buffer, size_t size);
/* How many files this process may have open at once. */
int self_files(void);
/* Processors that this process may use. */
int self_processors(void);

#endif
