/*
 * restore.h: what an import makes of an export. Pure: lines in, znodes to be created out.
 *
 * An export is no snapshot, and its daemons are not there any more. So:
 * ephemerals, claims and the folders of workers are left out; tasks in two places are in the later one; a task that
 * had a claim waits again, its next attempt with the next number, or is lost when it must not run twice and was
 * marked as started; all segments are closed, and a new one is open.
 */
#ifndef ZKQ_LIB_RESTORE_H
#define ZKQ_LIB_RESTORE_H

#include "codec/dump.h"
#include "core/node.h"
#include "zkq.h"

struct restored {
	const char *path;	/* below the root */
	const char *data;
	size_t len;
	int sets;		/* how many times the data is set after the creation: the version tells something */
	int depth;		/* of the path */
	enum node_kind kind;
};

struct restore {
	struct arena arena;
	struct restored *list;	/* parents before their children */
	int count, room;
	const char *root_data;
	size_t root_len;
	struct zkq_import_info *info;	/* counts go there */
	/* of the export */
	const struct dump *znodes;
	struct node *nodes;	/* [znode_count]; NODE_STRANGER = not of the tree */
	struct ref *refs;
	int znode_count, ref_count;
	const char *by;
	int64_t wall_ms;
};

/* znodes: as exported. ZKQ_OK, ZKQ_EINVAL (it has no root), ZKQ_ENOMEM. What it makes borrows from znodes. */
int restore_make(struct restore *restore, const struct dump *znodes, int count, const char *by, int64_t wall_ms,
    struct zkq_import_info *info);
void restore_free(struct restore *restore);

#endif
