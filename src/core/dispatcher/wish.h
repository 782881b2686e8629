/*
 * wish.h: what people ask of single tasks by creating a znode; of the dispatcher's step function.
 *
 * wish.c lists the requests and finds out about which task each is; cancel.c and update.c fulfil those of their kind.
 */
#ifndef ZKQ_CORE_DISPATCHER_WISH_H
#define ZKQ_CORE_DISPATCHER_WISH_H

#include "core/dispatcher/state.h"

enum stage {
	WISH_TAIL,	/* its segment is unknown: a listing of tasks decides */
	WISH_LIST,	/* its task is unknown: a listing of the segment decides */
	WISH_TASK,	/* its task is or was known */
	WISH_OVER,	/* to be dropped */
	WISH_STUCK,	/* could not be dropped */
};

struct wish {
	char token[TOKEN_MAX + 1];
	UT_hash_handle hh;
	struct wish_folder *folder;
	struct wish *prev, *next;	/* queue->wishes_due */
	bool due, busy, in_tree;
	enum stage stage;
	uint32_t mark;
	int64_t not_before_ms;
	/* of one that is being fulfilled: */
	struct poll *fetch;
	struct task *task;
	/* of an update: */
	struct rec_update wanted;
	int32_t version;
	bool whole;
};

/* cancel/<seg> or update/<seg>. */
struct wish_folder {
	struct wish_key {
		uint32_t kind, seg;
	} key;
	UT_hash_handle hh;
	struct queue *queue;
	struct poll *list;
	struct wish *wishes;
	int busy;		/* acts that point here or to a wish of it */
	bool in_tree, deleting, gone;
	bool listed;		/* once */
};

struct node wish_node(const struct wish *wish);
/* To be looked at in the next round. */
void wish_due(struct wish *wish);
void wish_free(struct dispatcher *d, struct wish *wish);
/* The request is gone from the tree without us: the task goes on. */
void wish_withdrawn(struct dispatcher *d, struct wish *wish);
/* It is not to be fulfilled: it is dropped, and the task goes on. */
void wish_over(struct dispatcher *d, struct wish *wish);
/* Something of its is out: multis or reads. */
void wish_busy(struct wish *wish, bool busy);

/* Fulfils it, as far as the task's phase allows. False when it must be looked at again without anything else happening
 * before. */
bool cancel_act_on(struct dispatcher *d, struct wish *wish, struct task *task);
bool update_act_on(struct dispatcher *d, struct wish *wish, struct task *task);

#endif
