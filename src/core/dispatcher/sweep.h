/*
 * sweep.h: removing a folder's children in batches; of the dispatcher's step function.
 */
#ifndef ZKQ_CORE_DISPATCHER_SWEEP_H
#define ZKQ_CORE_DISPATCHER_SWEEP_H

#include "core/dispatcher/state.h"

struct sweep;

/* Whether the child that was read is to be removed. */
typedef bool sweep_test(struct dispatcher *d, void *owner, const struct reply *reply);
/* It is over: gone tells whether the folder is no longer there. Must free the sweep. */
typedef void sweep_end(struct dispatcher *d, void *owner, bool gone);

struct sweep_conf {
	struct node folder;
	sweep_test *test;		/* NULL: all children are removed without being read */
	enum record_kind record_kind;	/* for the test; REC_NONE: the stat is enough */
	sweep_end *end;
	void *owner;
	uint32_t turn;			/* a longer folder is looked at from here on */
	bool keep_folder;
};

/* Starts at once; NULL when memory runs out. No two acts of one sweep's owner may be confused: it is freed by its
 * end, or by leader_stop() through its owner, after which no answer finds it. */
struct sweep *sweep_new(struct dispatcher *d, const struct sweep_conf *conf);
/* Whether a good part of what it looked at was to be removed, so that another one soon pays. */
bool sweep_pays(const struct sweep *sweep);
void sweep_free(struct dispatcher *d, struct sweep *sweep);

#endif
