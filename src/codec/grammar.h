/*
 * grammar.h: what a name of len bytes may look like (no NUL is needed behind it). For path.c; others ask the checks of
 * path.h.
 */
#ifndef ZKQ_CODEC_GRAMMAR_H
#define ZKQ_CODEC_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#define HEX "0123456789abcdef"
#define DIGITS "0123456789"
#define SEQUENCE_DIGITS 10	/* that ZooKeeper appends */

/* Whether all bytes are of set, at least one and at most max. */
bool all_of(const char *name, size_t len, const char *set, size_t max);
bool queue_ok(const char *name, size_t len);
bool worker_ok(const char *name, size_t len);
bool inc_ok(const char *inc, size_t len);
bool token_ok(const char *token, size_t len);		/* <12> or <12>x<index> */
/* <uuid>-n_<seq>; without digits what is given to a sequential create. */
bool candidate_ok(const char *name, size_t len, bool digits);
/* Whether ZooKeeper takes it as the name of a znode, and it has at most max bytes. */
bool znode_name_ok(const char *name, size_t len, size_t max);

#endif
