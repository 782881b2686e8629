/*
 * invariants.h: what must hold of a tree (zkq-znodes(7)), checked on one that was read. Pure.
 */
#ifndef ZKQ_LIB_INVARIANTS_H
#define ZKQ_LIB_INVARIANTS_H

#include "lib/tree.h"

#define REPAIR_OPS_MAX 8

struct broken {
	enum zkq_level level;	/* NOTE: the leader removes it, or it harms nobody */
	const char *check;
	const char *path;	/* whole */
	const char *text;	/* what is wrong */
	const char *advice;	/* what to do, or what a repair does when there are ops */
	struct raw_op ops[REPAIR_OPS_MAX];	/* a multi that mends it and nothing else, or fails */
	int op_count;
};

struct broken_list {
	struct arena arena;
	struct broken *list;
	int count, room;
	int64_t tasks, results, dead, claims;
	bool failed;		/* memory ran out */
};

void invariants_check(const struct tree *tree, struct broken_list *broken);
void broken_free(struct broken_list *broken);

#endif
