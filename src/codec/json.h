/*
 * json.h: records as one line of JSON each. The only user of jansson.
 * Fields and their types are described in zkq-znodes(7) and zkq-task(5).
 */
#ifndef ZKQ_CODEC_JSON_H
#define ZKQ_CODEC_JSON_H

#include <stdbool.h>
#include <stddef.h>

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

/* 64-bit hash of a text, used for classes and keys: FNV-1a folded through splitmix64's finaliser. */
uint64_t text_hash(const char *text, size_t len);

/* Canonical class text of a task without special wishes, and its hash. */
extern const char class_default_text[];
uint64_t class_default_hash(void);

/* Changes paused, paused_by, paused_reason in the text of a queue's configuration, keeping the rest.
 * text may be NULL or empty. NULL when memory runs out or text is not an object. */
const char *queue_text_paused(struct arena *arena, const char *text, bool paused, const char *by, const char *reason,
    int64_t wall_ms);

/* "2026-11-20T08:31:02.114Z" and back; false when text is not such a time. */
void time_write(int64_t wall_ms, char buffer[25]);
bool time_parse(const char *text, int64_t *wall_ms);

#endif
