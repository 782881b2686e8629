/*
 * submitter.h: the step function of a client: submit (tail look-up, rolling, batches, keys,
 * unknown outcomes), wait for results, cancel. libzkq and the simulator drive it.
 *
 * The caller puts EV_CALL events in and gets FX_ANSWER effects back, matched by call.id.
 */
#ifndef ZKQ_CORE_SUBMITTER_H
#define ZKQ_CORE_SUBMITTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan.h"
#include "core/record.h"

struct submitter;

enum call_kind {
	CALL_SUBMIT,	/* one answer for each task */
	CALL_WAIT,	/* one answer for each id, when its result is there */
	CALL_CANCEL,	/* create the request; answers ANSWER_REQUESTED when it is in the tree, ANSWER_RESULT if it had
			 * ended, or ANSWER_NOTASK */
	CALL_UPDATE,	/* create the request to change a waiting task; answers as CALL_CANCEL */
	CALL_SETTLE,	/* of such a request, once it was written: ANSWER_UPDATED or ANSWER_BUSY when the leader has been there,
			 * ANSWER_RESULT when the task has ended since, or ANSWER_NOTASK */
	CALL_FORGET,	/* the caller of call.id gave up. In this step tasks that are for certain not in the tree
			 * are dropped and answered REFUSED_NOTSENT, others ANSWER_UNKNOWN; then there are no
			 * more answers */
};

struct submit_task {
	const char *text;	/* task JSON, one line; checked and measured by the caller */
	size_t len;
	int priority;
	uint64_t class_hash;	/* of class_text (codec/json.h computes both) */
	const char *class_text;
	uint64_t key_hash;	/* affinity; 0 = none */
	const char *key;	/* idempotency key or NULL; such tasks are submitted one by one */
	uint64_t idempotency_hash;	/* of key */
};

struct task_id {
	char queue[QUEUE_NAME_MAX + 1];
	uint32_t seg;
	char token[TOKEN_MAX + 1];
};

struct call {
	enum call_kind kind;
	uint64_t id;			/* the caller's own, unique */
	union {
		struct {
			const char *queue;
			const struct submit_task *tasks;	/* copied during the step */
			int count;
			bool batch;	/* payloads may go to batch znodes; a count of 1 never does */
		} submit;
		struct {
			const struct task_id *ids;	/* copied during the step */
			int count;
			const char *by, *reason;	/* CANCEL, UPDATE */
			int priority;		/* UPDATE, SETTLE: -1 = as it is */
			int64_t time_limit_ms;	/* UPDATE, SETTLE: -1 = as it is, 0 = none */
			const int64_t *marks;	/* SETTLE: of each id, that of ANSWER_REQUESTED; copied */
		} ids;
	};
};

enum answer_kind {
	ANSWER_SUBMITTED,	/* accepted: task_id */
	ANSWER_EXISTS,		/* the key stands for a task already: task_id is that one */
	ANSWER_REFUSED,		/* definitely not accepted: code, text */
	ANSWER_UNKNOWN,		/* nobody can know any more: task_id (seg as sent) to look for; text */
	ANSWER_RESULT,		/* all but SUBMIT: the result; record kind result, dead = it lies in dead/ */
	ANSWER_NOTASK,		/* all but SUBMIT: no such task, or its result was removed by retention */
	ANSWER_REQUESTED,	/* CANCEL, UPDATE: the request is in the tree */
	ANSWER_UPDATED,		/* SETTLE: the task was written since the request, and is as it was to be */
	ANSWER_BUSY,		/* SETTLE: not so: a worker had it, or somebody asked for something else meanwhile */
};

enum refused_code { REFUSED_NONE, REFUSED_NOQUEUE, REFUSED_FULL, REFUSED_NOAUTH, REFUSED_SIZE, REFUSED_CLASSES,
	REFUSED_NOTREE, REFUSED_OTHER, REFUSED_NOTSENT };

struct answer {
	enum answer_kind kind;
	uint64_t call_id;
	int index;		/* of the task or id in the call */
	struct task_id task_id;
	enum refused_code code;
	const char *text;	/* what happened, for people; may be NULL */
	struct rec_result result;
	bool dead;
	int64_t mark;		/* REQUESTED of an update: what SETTLE is to be given */
};

/* Waits for more ids than this of one segment watch the result folders, never one watch per id. */
#define WAIT_WATCHES_MAX 256

/* seed: tokens must be unique over all submitters, so it comes from the system's random source. */
struct submitter *submitter_new(uint64_t seed);
void submitter_free(struct submitter *submitter);
void submitter_step(struct submitter *submitter, const struct event *event, struct plan *plan);

#endif
