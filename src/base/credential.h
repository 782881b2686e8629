/*
 * credential.h: who we are to ZooKeeper: "digest:user:password", from a file or from the environment.
 */
#ifndef ZKQ_BASE_CREDENTIAL_H
#define ZKQ_BASE_CREDENTIAL_H

#include <stddef.h>
#include <stdio.h>

#define CREDENTIAL_SIZE 1024	/* one line; longer than anybody types */

/* Takes the first line of file, or $ZKQ_AUTH when file is NULL; "" = there is none. Who can read the file can write the
 * tree, so one that others can read is refused. Returns 0, or the exit code: then why (size why_size) says what is wrong
 * with what. May block when file is a FIFO. */
int credential_read(const char *file, char credential[CREDENTIAL_SIZE], char *why, size_t why_size);
/* Who a credential says we are, without the secret: not NUL-terminated, *len bytes; NULL when it is "". */
const char *credential_user(const char *credential, int *len);
/* A line of comment for a configuration, and an empty one: the user of what credential_read() has read, and from where. */
void credential_print(const char *file, const char *credential, FILE *out);

#endif
