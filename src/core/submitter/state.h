/*
 * state.h: what the files of the submitter share. Nobody else includes it.
 *
 *     submitter.c        events and calls, answers
 *     lane.c   one queue: its tail, its limit, rolling, which group may be sent
 *     group.c  one submit multi: sending, classes, keys, outcomes, unknown ones too
 *     wait.c   waiting for results
 *     wish.c   requests to cancel, to change
 *
 * A series of requests carries a number of its own in arg; a reply whose number is no longer that of its
 * object is an answer to a question that nobody asks any more, and is dropped.
 */
#ifndef ZKQ_CORE_SUBMITTER_STATE_H
#define ZKQ_CORE_SUBMITTER_STATE_H

#include "core/rng.h"
#include "core/submitter.h"

/* After an answer that says nothing (not sent, out of memory) while connected, ask again no earlier. */
#define ASK_AGAIN_MS 50
/* A queue that was found full is looked at again no earlier. */
#define FULL_AGAIN_MS 1000
/* Tail read, submit or roll refused, tail read again ...: so often without an accepted task between, then the tree
 * is not as it should be. Ordinary contention needs one or two rounds. */
#define FRUITLESS_MAX 50
/* What one create takes in a request beside its data: path, ACL, lengths. */
#define OP_BYTES 640
/* A waited-for task that was seen alive is looked for again, lest somebody removed it by hand. */
#define STILL_THERE_MS 60000
/* Watches on single results that a session may hold; above, folders are watched. A fired one costs nothing, but
 * those of abandoned waits stay, and a reconnect must fit them all into one request of less than 1 MB. */
#define RESULT_WATCHES_MAX 2000

enum {
	TAG_LANE_SYNC, TAG_LANE_TAIL, TAG_LANE_CONF, TAG_LANE_SEGMENTS, TAG_LANE_COUNT, TAG_LANE_QUEUE, TAG_LANE_ROOT,
	TAG_LANE_ROLL,
	TAG_SUBMIT, TAG_CLASS_ROOM, TAG_CLASS_CREATE, TAG_CLASS_GET, TAG_KEY_DIR, TAG_KEY_GET,
	TAG_CLOSE, TAG_LOOK_SYNC, TAG_LOOK_TASKS, TAG_LOOK_RESULT, TAG_LOOK_FOLDER, TAG_LOOK_KEY,
	TAG_WAIT_RESULT, TAG_WAIT_LIST, TAG_WAIT_FOLDER, TAG_WAIT_GET, TAG_WAIT_SYNC, TAG_WAIT_TASKS,
	TAG_WISH_SYNC, TAG_WISH_LIST, TAG_WISH_WRITE, TAG_WISH_WATCH, TAG_WISH_DATA, TAG_WISH_RESULT,
};

/* One task on its way into the tree. */
struct item {
	struct item *next;
	struct submission *owner;
	int index;		/* in the call */
	bool batch;		/* its payload may go to a batch znode */
	bool in_batch;		/* it does, in the present group */
	bool forgotten;		/* answered already; must not be sent again */
	const char *text;
	size_t len;
	int priority;
	uint64_t class_hash, key_hash, idempotency_hash;
	const char *class_text, *key;
	char token[TOKEN_MAX + 1];
};

/* One CALL_SUBMIT; owns its items and their strings. */
struct submission {
	struct submission *next;
	uint64_t call_id;
	struct lane *lane;
	int open;		/* items not freed yet */
	struct arena arena;
};

/* GROUP_WAITING, _CLASS, _KEY: for certain not in the tree. */
enum group_state { GROUP_WAITING, GROUP_CLASS, GROUP_KEY, GROUP_SENT, GROUP_UNKNOWN };

struct batch {
	char token[TOKEN_LEN + 1];
	int first, count;	/* into items */
};

/* The tasks of one multi: all of them are in the tree or none. Formed once, sent again as it is. */
struct group {
	struct group *next;
	struct lane *lane;
	enum group_state state;
	uint64_t request;	/* number of the series under way; 0 = none */
	uint32_t seg;		/* that it was sent to last */
	int64_t session;	/* in which */
	struct item *items[MULTI_TASKS_MAX];
	int item_count;
	struct batch batches[MULTI_TASKS_MAX / 2];
	int batch_count;
	struct item *classes[MULTI_TASKS_MAX];	/* one item for each different class */
	int class_count;
	int class_missing;	/* index into classes, in GROUP_CLASS */
	bool settled;		/* UNKNOWN: the last request can have no effect any more, or never will */
	int64_t settled_ms;	/* UNKNOWN, where we may not close the segment: settled by then; 0 = not set */
	int look_left;		/* UNKNOWN: replies still to come */
	bool look_found, look_again;
	bool look_folder_gone;	/* done/<seg> is not there or being removed */
};

enum lane_state { LANE_BLANK, LANE_READING, LANE_COUNTING, LANE_WHY, LANE_READY, LANE_ROLLING };

/* One queue. */
struct lane {
	struct lane *next;
	char queue[QUEUE_NAME_MAX + 1];
	enum lane_state state;
	uint64_t request;
	int left;		/* replies of the series still to come */
	bool again;		/* one of them said nothing */
	bool sync;		/* the next reading must not be older than what was seen */
	bool missing, queue_missing, root_missing, unreadable, forbidden;
	bool deleting;		/* the queue takes no more tasks */
	uint32_t tail;
	int64_t waiting_max;
	bool counted;		/* count and count_tail are valid */
	int64_t count;		/* live tasks, an upper bound, when the tail was count_tail */
	uint32_t count_tail;
	int64_t accepted;	/* tasks of ours since */
	int64_t full_until_ms;
	bool roll;		/* the tail is full */
	bool may_not_roll;
	int fruitless;
	struct item *first, **last;	/* not in a group yet */
	struct group *groups;		/* in order */
};

struct watched;
struct wish;

#define WATCHED_BUCKETS 256

struct submitter {
	struct rng rng;
	bool connected;
	int64_t session;
	int32_t session_timeout_ms;
	int64_t pause_until_ms;	/* ask nothing before */
	uint64_t requests;	/* last number drawn */
	int in_flight;		/* groups in GROUP_SENT */
	struct submission *submissions;
	struct lane *lanes;
	struct watched *watched[WATCHED_BUCKETS];
	int awaited_count;
	int result_watches;	/* that this session holds, at most */
	int64_t wait_due_ms;	/* wait_pump() has nothing to do before */
	struct wish *wishes;
};

/* submitter.c */
uint64_t submitter_draw(struct submitter *s);
/* Nothing is asked for a moment: whatever goes wrong, no loop of requests comes of it. */
void submitter_ask_again(struct submitter *s, const struct event *event);
/* Whether rc says nothing about the question; then nothing is asked for a moment, either. */
bool submitter_says_nothing(struct submitter *s, const struct event *event, enum rc rc);
/* NULL when memory runs out (plan->failed). */
struct answer *submitter_answer(struct plan *plan, enum answer_kind kind, uint64_t call_id, int index);
void submitter_result(struct plan *plan, uint64_t call_id, int index, const struct task_id *id,
    const struct reply *reply);
/* Answers (unless forgotten) and frees the item. */
void item_answer(struct submitter *s, struct plan *plan, struct item *item, enum answer_kind kind, uint32_t seg,
    enum refused_code code, const char *text);

/* lane.c */
struct lane *lane_get(struct submitter *s, const char *queue);	/* NULL when memory runs out */
void lane_append(struct lane *lane, struct item *item);
void lane_reply(struct submitter *s, const struct event *event, struct plan *plan);
void lane_pump(struct submitter *s, struct lane *lane, const struct event *event, struct plan *plan);
/* What the tail was found to be is out of date. */
void lane_stale(struct submitter *s, struct lane *lane, struct plan *plan);
/* The ops that close segment seg and open the next. */
void lane_add_roll(struct plan *plan, struct request *multi, const char *queue, uint32_t seg);
void lane_forget(struct submitter *s, struct lane *lane, uint64_t call_id, struct plan *plan);
/* Answers everything in the lane that is for certain not in the tree. */
void lane_refuse(struct submitter *s, struct lane *lane, enum refused_code code, const char *text, struct plan *plan);
void lane_free(struct lane *lane);

/* group.c */
/* Takes items from the head of the lane. NULL when memory runs out: then they were answered so. */
struct group *group_form(struct submitter *s, struct lane *lane, struct plan *plan);
void group_send(struct submitter *s, struct group *group, struct plan *plan);
void group_reply(struct submitter *s, const struct event *event, struct plan *plan);
/* Goes on with what the group needs before it can be sent (again). */
void group_pump(struct submitter *s, struct group *group, const struct event *event, struct plan *plan);
bool group_not_applied(const struct group *group);
/* Unlinks and frees the group; its items go back to the head of the lane, forgotten ones are freed. */
void group_dissolve(struct submitter *s, struct group *group, struct plan *plan);
void group_refuse(struct submitter *s, struct group *group, enum refused_code code, const char *text,
    struct plan *plan);

/* wait.c */
void wait_call(struct submitter *s, const struct event *event, struct plan *plan);
void wait_reply(struct submitter *s, const struct event *event, struct plan *plan);
void wait_watch(struct submitter *s, const struct event *event);
void wait_pump(struct submitter *s, const struct event *event, struct plan *plan);
void wait_look_again(struct submitter *s);
void wait_forget(struct submitter *s, uint64_t call_id);
void wait_free(struct submitter *s);

/* wish.c */
void wish_call(struct submitter *s, const struct event *event, struct plan *plan);
void wish_reply(struct submitter *s, const struct event *event, struct plan *plan);
void wish_watch(struct submitter *s, const struct event *event);
void wish_pump(struct submitter *s, const struct event *event, struct plan *plan);
void wish_look_again(struct submitter *s);
void wish_forget(struct submitter *s, uint64_t call_id);
void wishes_free(struct submitter *s);

#endif
