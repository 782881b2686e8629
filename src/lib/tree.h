/*
 * tree.h: a whole zkq tree read into memory, for export and fsck.
 *
 * It is no snapshot: every znode is as it was at a moment of its own. But what tasks pass through is read in the
 * order in which they pass it, each place when the one before has been read: claims, inbox, tasks, and then the
 * rest with done and dead. So a task that was there when the reading began is found: in one place, or in two if it
 * moved meanwhile; never in none.
 */
#ifndef ZKQ_LIB_TREE_H
#define ZKQ_LIB_TREE_H

#include "lib/crew.h"

struct tree_node {
	const char *path;	/* whole; NUL-terminated like data */
	bool known;		/* node says what it is; else a stranger */
	struct node node;	/* text points into path */
	const char *data;
	size_t len;
	struct stat stat;
	const struct raw_acl *acl;
	int acl_count;
	bool denied;		/* it may not be read: no data */
};

struct tree {
	struct zkq *handle;
	struct arena arena;	/* all strings */
	struct tree_node *list;	/* in the order of reading; parents before their children */
	int count, room;
	/* while it is read */
	struct crew crew;
	struct tree_node *asked;	/* to be visited */
	int asked_count, asked_at, asked_room;
	int wave;
	bool want_acl, failed;
	int denied;
	enum rc root_rc;
	zkq_count_fn *counted;
	void *context;
};

/* Reads all below the handle's root. ZKQ_OK, ZKQ_ENOTREE, ZKQ_ENOAUTH (the root), or why it was given up.
 * counted, which may be NULL, is told now and then how many znodes were read; not 0 = stop. tree_free() always. */
int tree_read(struct tree *tree, struct zkq *handle, bool want_acl, int stall_ms, zkq_count_fn *counted, void *context);
void tree_free(struct tree *tree);
/* The path below the root, "" for itself. */
const char *tree_below(const struct tree *tree, const struct tree_node *node);

#endif
