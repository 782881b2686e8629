/*
 * dump.h: a tree as lines of JSON, one a znode, between a first line that says what follows and a last one that
 * counts them. zkq-admin(1) describes the fields.
 */
#ifndef ZKQ_CODEC_DUMP_H
#define ZKQ_CODEC_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/raw.h"
#include "core/arena.h"

enum dump_kind { DUMP_HEAD, DUMP_ZNODE, DUMP_END };

struct dump {
	enum dump_kind kind;
	/* HEAD */
	const char *root;	/* where the tree was; for people */
	const char *by;
	int64_t at_wall_ms;
	/* ZNODE */
	const char *path;	/* below the root: "queues/default"; "" = the root itself */
	const char *data;
	size_t len;
	struct stat stat;	/* version, owner, czxid, mzxid, times */
	const struct raw_acl *acl;	/* encoded only: an import writes ACLs of its own */
	int acl_count;
	/* END */
	int64_t count;		/* of znodes */
};

/* One line in arena, without a newline; NULL when memory runs out. */
const char *dump_encode(struct arena *arena, const struct dump *dump, size_t *len);
/* Reads a line. False when it is none; then *why is a phrase for people. */
bool dump_decode(struct arena *arena, const char *line, size_t len, struct dump *dump, const char **why);

#endif
