/*
 * last.h: the id that this user submitted last to a cluster, kept in a small file of the user's.
 */
#ifndef ZKQ_CLI_LAST_H
#define ZKQ_CLI_LAST_H

#include <stdbool.h>

#include "zkq.h"

/* Keeps it for the servers and root of the settings. Where that cannot be done, nothing is lost but the word "last".
 * What is there and is no small file stays as it is. */
void last_keep(const char *id);
/* False when none is kept for them. */
bool last_read(char id[ZKQ_ID_SIZE]);

#endif
