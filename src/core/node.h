/*
 * node.h: the znodes of the tree, as the core sees them: a kind and the fields that its
 * name is made of. How they are spelled as paths is known to codec/path.c only.
 * zkq-znodes(7) describes the same tree for people.
 */
#ifndef ZKQ_CORE_NODE_H
#define ZKQ_CORE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

enum node_kind {
	NODE_STRANGER,		/* a child whose name is not of this tree: text */
	NODE_ROOT,		/* R */
	NODE_ELECTION,		/* R/election */
	NODE_CANDIDATE,		/* R/election/<uuid>-n_<seq>: text is the whole child name */
	NODE_WORKERS,		/* R/workers */
	NODE_WORKER,		/* R/workers/<worker> */
	NODE_LOGKEYS,		/* R/logkeys */
	NODE_LOGKEY,		/* R/logkeys/<worker> */
	NODE_ASSIGN,		/* R/assign */
	NODE_FOLDER,		/* R/assign/<worker>.<inc>: data = the report */
	NODE_LIVE,		/* R/assign/<worker>.<inc>/live-<r> */
	NODE_CLAIM,		/* R/assign/<worker>.<inc>/<n>:<queue>:<seg>:<task name>:<run>:<fence> */
	NODE_ORDER,		/* R/assign/<worker>.<inc>/o:<n>:<verb> */
	NODE_QUEUES,		/* R/queues */
	NODE_QUEUE,		/* R/queues/<queue>: data = configuration */
	NODE_CLASSES,		/* R/queues/<queue>/classes */
	NODE_CLASS,		/* .../classes/<hash> */
	NODE_INBOX,		/* R/queues/<queue>/inbox */
	NODE_INBOX_TASK,	/* .../inbox/<text> */
	NODE_MOVED,		/* R/queues/<queue>/moved */
	NODE_SHARD,		/* .../moved/<seg>: seg = number of the shard, or SHARD_OTHER = "x" */
	NODE_MOVED_TASK,	/* .../moved/<seg>/<text> */
	NODE_TASKS,		/* R/queues/<queue>/tasks: data = the tail */
	NODE_SEGMENT,		/* .../tasks/<seg> */
	NODE_TASK,		/* .../tasks/<seg>/<priority>.<class>.<key>.<token>-<seq> */
	NODE_TASK_CHILD,	/* .../tasks/<seg>/<task name>/<text>: a stranger's; tasks have no children */
	NODE_BATCH,		/* .../tasks/<seg>/b.<batch> */
	NODE_RETRY_ALL,		/* R/queues/<queue>/retry */
	NODE_RETRY_SEG,		/* .../retry/<seg> */
	NODE_RETRY,		/* .../retry/<seg>/<token> */
	NODE_DONE_ALL,		/* R/queues/<queue>/done */
	NODE_DONE_SEG,		/* .../done/<seg> */
	NODE_RESULT,		/* .../done/<seg>/<token> */
	NODE_DEAD_ALL,		/* R/queues/<queue>/dead */
	NODE_DEAD_SEG,		/* .../dead/<seg> */
	NODE_DEAD,		/* .../dead/<seg>/<token> */
	NODE_HOLD_ALL,		/* R/queues/<queue>/hold */
	NODE_HOLD_SEG,
	NODE_HOLD,
	NODE_CANCEL_ALL,	/* R/queues/<queue>/cancel */
	NODE_CANCEL_SEG,
	NODE_CANCEL,
	NODE_UPDATE_ALL,	/* R/queues/<queue>/update */
	NODE_UPDATE_SEG,
	NODE_UPDATE,
	NODE_KEYS,		/* R/queues/<queue>/keys */
	NODE_KEY_DIR,		/* .../keys/<2 hex>: from the top byte of hash */
	NODE_KEY,		/* .../keys/<2 hex>/<hash> */
	NODE_RETIRED_ALL,	/* R/retired */
	NODE_RETIRED,		/* R/retired/<queue>: data = the first segment that a queue of this name may have */
	NODE_DRAIN,		/* R/drain */
	NODE_DRAIN_WORKER,	/* R/drain/<worker> */
	NODE_KINDS
};

#define SHARD_OTHER UINT32_MAX	/* names of the inbox that end in no number */

enum verb { VERB_KILL, VERB_WARN, VERB_RELEASE, VERB_REQUEUE, VERBS };

/* <priority>[w].<class>.<key>.<token>-<seq>; what a dispatcher must know of a task without reading it. */
struct task_name {
	uint8_t priority;		/* 0-9, 9 first */
	bool whole;			/* its payload is its own data, although its token is of a batch */
	uint64_t class_hash;
	uint64_t key_hash;		/* affinity key; 0 = none, spelled "-" */
	char token[TOKEN_MAX + 1];
	uint32_t seq;			/* given by ZooKeeper, 10 digits */
};

/* czxid of the leader's candidate znode, then a counter of that leader: grows in zxid order. */
struct fence {
	uint64_t czxid;
	uint64_t counter;
};

/* Only the fields that the kind names are meaningful; the others are zero. */
struct node {
	enum node_kind kind;
	uint32_t seg;				/* also the shard of NODE_SHARD, NODE_MOVED_TASK */
	char queue[QUEUE_NAME_MAX + 1];
	char worker[WORKER_NAME_MAX + 1];
	char inc[INC_MAX + 1];
	char batch[TOKEN_LEN + 1];		/* NODE_BATCH */
	struct task_name task;			/* NODE_TASK, NODE_TASK_CHILD, NODE_CLAIM; token alone: RETRY RESULT DEAD HOLD CANCEL UPDATE */
	uint32_t r;				/* NODE_LIVE: registration number, from 1 */
	uint32_t run;				/* NODE_CLAIM: 1 + runs recorded */
	uint64_t n;				/* NODE_CLAIM, NODE_ORDER: number of the claim, from 1 */
	struct fence fence;			/* NODE_CLAIM */
	enum verb verb;				/* NODE_ORDER */
	uint64_t hash;				/* NODE_CLASS, NODE_KEY_DIR, NODE_KEY */
	const char *text;			/* STRANGER CANDIDATE INBOX_TASK MOVED_TASK TASK_CHILD; borrowed */
};

/* Constructors; each returns a node whose other fields are zero. Strings longer than their
 * limit are a mistake of the caller (assert). */
struct node node_plain(enum node_kind kind);				/* ROOT ELECTION WORKERS LOGKEYS ASSIGN QUEUES RETIRED_ALL DRAIN */
struct node node_of_worker(enum node_kind kind, const char *worker);	/* WORKER LOGKEY DRAIN_WORKER */
struct node node_folder(const char *worker, const char *inc);
struct node node_live(const char *worker, const char *inc, uint32_t r);
struct node node_order(const char *worker, const char *inc, uint64_t n, enum verb verb);
struct node node_claim(const char *worker, const char *inc, uint64_t n, const char *queue, uint32_t seg,
    const struct task_name *task, uint32_t run, struct fence fence);
struct node node_of_queue(enum node_kind kind, const char *queue);	/* QUEUE and the folders right below it, RETIRED */
struct node node_of_segment(enum node_kind kind, const char *queue, uint32_t seg);	/* *_SEG SEGMENT SHARD */
struct node node_task(const char *queue, uint32_t seg, const struct task_name *task);
struct node node_of_token(enum node_kind kind, const char *queue, uint32_t seg, const char *token); /* RETRY RESULT DEAD HOLD CANCEL UPDATE */
struct node node_batch(const char *queue, uint32_t seg, const char *batch);
struct node node_of_hash(enum node_kind kind, const char *queue, uint64_t hash);	/* CLASS KEY KEY_DIR */
struct node node_of_text(enum node_kind kind, const char *queue, uint32_t seg, const char *text); /* INBOX_TASK MOVED_TASK CANDIDATE */

/* The shard in which moved/ records an inbox name: its trailing ten digits / SHARD_SIZE, or SHARD_OTHER. */
uint32_t node_shard_of(const char *inbox_name);
/* Whether a token is of a batch: "<12>x<index>". Then batch (13 bytes) and *index are set if not NULL. */
bool token_is_batch(const char *token, char *batch, uint32_t *index);
/* <0, 0, >0: order in which tasks of one queue start: priority (9 first), segment, sequence. */
int task_order(uint32_t seg_a, const struct task_name *a, uint32_t seg_b, const struct task_name *b);

#endif
