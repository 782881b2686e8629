/*
 * listener.h: sockets to accept connections on.
 */
#ifndef ZKQ_IO_LISTENER_H
#define ZKQ_IO_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_SIZE 80		/* "[ipv6%scope]:port" */

/* NULL, or a phrase for people: what is wrong with an address, as far as that can be seen without asking anybody. */
const char *listener_fault(const char *address);
/* Listens at "host", "host:port", "[ipv6]:port" or ":port"; no port or 0 = any free one, no host = all addresses. Names are
 * resolved, which may block. Returns the descriptor, or -1 and a phrase for people in *why; errno is EADDRINUSE when somebody
 * else listens there. */
int listener_open(const char *address, const char **why);
/* Where it can be reached: "10.0.0.7:9798". When it listens on all addresses that is host, and false when host is NULL. */
bool listener_address(int fd, const char *host, char buffer[ADDRESS_SIZE]);

#endif
