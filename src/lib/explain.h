/*
 * explain.h: what zkq_explain() tells, for get.c, which has read it.
 */
#ifndef ZKQ_LIB_EXPLAIN_H
#define ZKQ_LIB_EXPLAIN_H

#include "lib/line.h"

struct explain_live {
	struct line *line;
	const struct scene *scene;
	const struct line_queue *queue;
	const struct line_row *row;
	int at;			/* its index in the queue's rows; -1 = unknown */
	enum reason reason;
	bool suspect, retried;	/* retried: it has a retry record */
};

/* Both call callback once. Memory is taken from arena. */
void explain_live(struct query *query, struct arena *arena, zkq_explain_fn *callback, int index, const struct task_id *id,
    const struct zkq_info *info, const struct explain_live *live);
/* For what has ended, or lies in an inbox, at node. */
void explain_plain(struct query *query, struct arena *arena, zkq_explain_fn *callback, int index,
    const struct zkq_info *info, const struct node *node);

#endif
