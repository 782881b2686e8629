/*
 * json.h: records as one line of JSON each. Only json*.c use jansson.
 * Fields and their types are described in zkq-znodes(7) and zkq-task(5).
 */
#ifndef ZKQ_CODEC_JSON_H
#define ZKQ_CODEC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/record.h"

/* Spells record as JSON in arena; *len is its length. NULL when memory runs out. REC_NONE gives "" of
 * length 0, REC_BYTES the bytes as they are, REC_TASK and REC_BATCH their texts. */
const char *record_encode(struct arena *arena, const struct record *record, size_t *len);

/* Reads len bytes as a record of kind. Unknown fields are ignored (rec_queue and rec_task keep them in
 * text). False when the bytes are no such record; then *why is a phrase for people.
 * REC_TASK never fails: what is wrong stands in task.invalid. */
bool record_decode(struct arena *arena, enum record_kind kind, const char *data, size_t len, struct record *record,
    const char **why);

/* All that a task says: what its runner needs and what a submitter may write. */
struct task_spec {
	const char *const *argv;	/* NULL-terminated, argv[0] not empty; any bytes but NUL. NULL = noop only */
	bool noop;
	const char *name;		/* NULL = none */
	const char *cwd;		/* absolute; NULL = the worker's */
	const char *const *env;		/* NULL-terminated "NAME=VALUE"; NULL = none */
	const char *input;		/* standard input, any bytes; NULL = empty */
	size_t input_len;
	int64_t time_limit_ms;		/* 0 = none */
	int64_t kill_grace_ms;		/* < 0 = not said; decoded: the default then */
	int priority;			/* < 0 = not said; decoded: the default then */
	int retries;
	const char *by;			/* NULL = not said */
	const char *key;		/* idempotency key, NULL = none; decoded only */
	int64_t at_wall_ms;		/* 0 = not said; encoded only */
};

/* Spells a task in arena. NULL when it cannot be spelled; then *why is a phrase for people ("env: not
 * UTF-8"). What is spelled may still be invalid: task_decode() tells. */
const char *task_encode(struct arena *arena, const struct task_spec *spec, size_t *len, const char **why);
/* Reads a task, everything in arena. False when it is invalid (zkq-task(5)); then *why says why. */
bool task_decode(struct arena *arena, const char *data, size_t len, struct task_spec *spec, const char **why);

/* What is wrong with an idempotency key, as a static phrase, or NULL. */
const char *task_key_wrong(const char *key);

/* Canonical class text of a task without special wishes, and its hash. */
extern const char class_default_text[];
uint64_t class_default_hash(void);

/* Changes paused, paused_for (for_ms; 0 = without end), paused_by, paused_reason in the text of a queue's
 * configuration, keeping the rest. text may be NULL or empty. NULL when memory runs out or text is not an object. */
const char *queue_text_paused(struct arena *arena, const char *text, bool paused, int64_t for_ms, const char *by,
    const char *reason, int64_t wall_ms);
/* The same for the mark that it is to be deleted. */
const char *queue_text_deleting(struct arena *arena, const char *text, bool force, const char *by, int64_t wall_ms);

#endif
