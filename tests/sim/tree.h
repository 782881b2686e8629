/*
 * tree.h: one server's copy of the znode tree: a hash table of paths, in which each node knows its children.
 */
#ifndef ZKQ_SIM_TREE_H
#define ZKQ_SIM_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/raw.h"

/* Data of a znode, shared by the copies of the tree. */
struct blob {
	int refs;
	size_t len;
	char data[];	/* with a NUL behind */
};

struct blob *blob_new(const char *data, size_t len);
struct blob *blob_keep(struct blob *blob);	/* NULL gives NULL */
void blob_drop(struct blob *blob);

struct znode {
	char *path;
	const char *name;	/* last part of path */
	uint64_t hash;
	struct znode *next_in_bucket;
	struct znode *parent, *children, *next, *prev;	/* next, prev: among the parent's children, newest first */
	struct blob *blob;	/* NULL = empty */
	int32_t sequence;	/* stored cversion: bumped by each create of a child, never by deletes */
	struct stat stat;	/* stat.owner: session of an ephemeral */
	struct znode *next_owned, *prev_owned;	/* for the owner of the tree: ephemerals of one session, oldest first */
};

struct tree {
	struct znode **buckets;
	size_t mask, count;
};

/* What a transaction does to one znode. */
struct change {
	enum { CHANGE_CREATE, CHANGE_SET, CHANGE_DELETE } kind;
	char *path;
	struct blob *blob;	/* CREATE, SET: new data; owned */
	int64_t owner;		/* CREATE; DELETE: of the deleted one */
	int32_t version;	/* SET: the new one */
};

void tree_init(struct tree *tree);	/* with the root "/" */
void tree_free(struct tree *tree);
struct znode *tree_find(const struct tree *tree, const char *path);
/* The same for the parent of path. */
struct znode *tree_parent(const struct tree *tree, const char *path);

/* Each expects that the change is possible (asserts). */
struct znode *tree_create(struct tree *tree, struct znode *parent, const char *path, struct blob *blob, int64_t owner,
    int64_t zxid, int64_t time_ms);		/* keeps blob */
void tree_set(struct znode *node, struct blob *blob, int64_t zxid, int64_t time_ms);	/* keeps blob */
/* Takes the node out of the tree but does not free it. */
void tree_unlink(struct tree *tree, struct znode *node, int64_t zxid);
void tree_relink(struct tree *tree, struct znode *node);
void znode_free(struct znode *node);
/* Repeats a change that another copy has made. */
void tree_apply(struct tree *tree, const struct change *change, int64_t zxid, int64_t time_ms);

#endif
