/*
 * resolve.h: host names into what the client library should connect to. The library is given literals
 * only: left to resolve names itself, it does so on every turn of its loop, and a name server that does
 * not answer then kills the session silently.
 */
#ifndef ZKQ_ZK_RESOLVE_H
#define ZKQ_ZK_RESOLVE_H

#include <stdbool.h>

/* Whether every server in "host[:port],..." is a literal: then resolve_hosts() does not block. */
bool resolve_is_literal(const char *hosts);

/* Resolves "host[:port],..." into "10.0.0.1:2181,fd00::1:2181,..." as the library wants it: literals without
 * brackets, nothing twice but to make the count odd (with an even one the library leaves half of
 * them untried after a failed pass). What cannot be resolved is left out. Blocks as long as the name
 * servers let it. Returns new memory, or NULL when nothing was found; then *why is a static phrase. */
char *resolve_hosts(const char *hosts, const char **why);

/* Whether two such texts name the same servers, in whatever order. */
bool resolve_same(const char *a, const char *b);

#endif
