/*
 * record.h: what znodes carry, as structs. codec/json.c spells them as one line of JSON each.
 *
 * All strings are UTF-8, NUL-terminated and borrowed: they live as long as the arena of the
 * event or plan that the record is in. NULL = absent. Times named wall_ms are milliseconds since
 * 1970-01-01 UTC on the writer's clock, for people only; nothing is decided by them.
 */
#ifndef ZKQ_CORE_RECORD_H
#define ZKQ_CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/node.h"

enum record_kind {
	REC_NONE,	/* no data */
	REC_BYTES,	/* bytes as they are: inbox tasks, tasks, dead letters on their way */
	REC_TASK,	/* NODE_TASK, NODE_INBOX_TASK: checked and partly read */
	REC_BATCH,	/* NODE_BATCH: array of tasks */
	REC_RESULT,	/* NODE_RESULT, NODE_DEAD */
	REC_CANDIDATE,	/* NODE_CANDIDATE */
	REC_WORKER,	/* NODE_WORKER */
	REC_REPORT,	/* NODE_FOLDER */
	REC_STARTED,	/* NODE_CLAIM marked "started"; a claim without the mark has no data */
	REC_RETRY,	/* NODE_RETRY */
	REC_TAIL,	/* NODE_TASKS, NODE_RETIRED */
	REC_QUEUE,	/* NODE_QUEUE */
	REC_CLASS,	/* NODE_CLASS */
	REC_STAMP,	/* NODE_DONE_SEG once its segment is deleted */
	REC_MOVED,	/* NODE_MOVED_TASK */
	REC_WISH,	/* NODE_CANCEL, NODE_HOLD, NODE_ORDER, NODE_DRAIN_WORKER: who, when, why */
	REC_UPDATE,	/* NODE_UPDATE */
	REC_KEY,	/* NODE_KEY */
	REC_ROOT,	/* NODE_ROOT */
	REC_KINDS
};

/* A task as its submitter wrote it. The core looks at the few fields below and passes the text on. */
struct rec_task {
	const char *text;	/* the JSON object, one line, unknown fields kept */
	size_t len;
	const char *invalid;	/* NULL, or why it is no task: one phrase for people ("argv: missing") */
	int priority;		/* 0-9; PRIORITY_DEFAULT when absent (only inbox tasks carry it) */
	uint64_t class_hash;	/* of the class text below; only inbox tasks carry what makes a class */
	const char *class_text;
	uint64_t key_hash;	/* affinity; 0 = none */
	const char *name;	/* label for lists, may be NULL */
	int64_t time_limit_ms;	/* 0 = none */
	bool set_time_limit;	/* encoding: the text gets this time_limit_ms in place of its own */
	int64_t kill_grace_ms;
	bool noop;
};

struct rec_batch {
	struct rec_task *tasks;
	int count;
};

/* Whether the outcome of a task lies in done/ or dead/ is the writer's choice of znode. */
enum task_state {
	STATE_WAITING, STATE_RUNNING, STATE_STOPPING, STATE_HELD, STATE_DELAYED,	/* live */
	STATE_DONE, STATE_FAILED, STATE_TIMEOUT, STATE_CANCELLED, STATE_LOST, STATE_DISCARDED,	/* done/ */
	STATE_DEAD,	/* dead/: a person must look at it; reason says why */
	STATES
};

/* Lower-case word of a state as it stands in data: "waiting", "done" ... */
const char *task_state_word(enum task_state state);

/* How an attempt ended, as the runner saw it. */
struct outcome {
	enum task_state state;		/* DONE FAILED TIMEOUT CANCELLED LOST */
	const char *reason;		/* NULL or a word: "spawn", "lease", "timeout", "cancelled", ... */
	bool has_exit;
	int exit_code;			/* when has_exit */
	int signal;			/* 0 = none */
	int64_t started_wall_ms, ended_wall_ms;	/* 0 = never started */
	double run_seconds, cpu_seconds;
	uint64_t max_rss_bytes, stdout_bytes, stderr_bytes, dropped_bytes;
	bool log_complete;
	const char *tail;		/* end of output, any bytes */
	size_t tail_len;
};

struct rec_result {
	char queue[QUEUE_NAME_MAX + 1];	/* the id is <queue>.<seg>.<token> */
	uint32_t seg;
	char token[TOKEN_MAX + 1];
	struct outcome outcome;		/* outcome.state may also be DISCARDED or DEAD here */
	uint32_t attempt;		/* 0 = never given out */
	struct fence fence;		/* zero = never given out */
	const char *worker;		/* NULL = none */
	const char *name;		/* label of the task, may be NULL */
	const char *by;			/* who wrote this record: "worker w1", "dispatcher d1" */
	int64_t at_wall_ms;
	const char *task;		/* of what did not end well: the task's JSON, else NULL */
	int64_t submitted_wall_ms;	/* decoded only: what that says, by its submitter's clock; 0 = unknown */
	int64_t ctime_ms;		/* decoded only: server time of the znode; 0 = unknown */
};

struct rec_candidate {
	const char *name;	/* of the dispatcher, for people */
	const char *host;
	int64_t pid;
	const char *http;	/* address of its HTTP process, may be NULL */
	int64_t at_wall_ms;
	const char *boot;	/* with host, pid and start: its process, as in process_id; NULL = unknown */
	uint64_t start;
};

/* Identity of a worker's process: enough for another process on that host to prove it dead. */
struct process_id {
	const char *host;
	const char *boot;	/* /proc/sys/kernel/random/boot_id */
	int64_t pid;
	uint64_t start;		/* field 22 of /proc/<pid>/stat, clock ticks since boot */
};

struct rec_worker {
	char inc[INC_MAX + 1];
	uint32_t r;			/* registration number of the live- znode that belongs to it */
	struct process_id process;	/* the coordinator */
	int slots;
	const char *const *queues;	/* count strings */
	int queue_count;
	const char *log;		/* address of its HTTP process, may be NULL */
	const char *version;		/* of zkq */
	int64_t at_wall_ms;
};

struct range {
	uint64_t from, to;	/* both included */
};

struct queue_count {
	const char *queue;
	uint64_t done, failed;	/* totals of the incarnation; failed = every other end */
};

/* Data of the folder. Each report holds the whole truth, so a missed one costs nothing. */
struct rec_report {
	int64_t lost_after_ms;		/* fixed for the incarnation */
	uint32_t r;			/* the registration that wrote it: live-<r> */
	struct process_id process;	/* of the runner: its life is the incarnation's */
	uint64_t low;			/* every claim number up to this one is resolved */
	const struct range *done;	/* and these, ascending */
	int done_count;
	uint64_t returned_total;	/* how many of the resolved ones were returned, not finished */
	const uint64_t *returned_last;	/* their last RETURNED_LAST_MAX numbers, oldest first */
	int returned_count;
	int slots, in_use;		/* in_use: attempts started and not ended */
	int ahead;			/* unstarted claims it wants beyond its slots */
	bool draining;			/* gives no new work */
	double load1;			/* load average; < 0 = unknown */
	uint64_t mem_total_bytes, mem_free_bytes, disk_free_bytes;	/* 0 = unknown */
	double run_seconds_mean;	/* smoothed; 0 = unknown */
	const struct queue_count *counts;
	int counts_count;
	int64_t at_wall_ms;
};

struct rec_retry {
	uint32_t runs;		/* attempts that ended without a result */
	uint32_t crashes;	/* of these: losses while it was marked as started */
	bool suspect;		/* its last worker was lost: to be placed alone and marked "started" */
	const char *error;	/* last one, for people; may be NULL */
	const char *by;
	int64_t at_wall_ms;
};

struct rec_tail {
	uint32_t tail;
};

struct rec_queue {
	bool paused;
	int64_t paused_for_ms;	/* so long from the writing of the record on; 0 = until it is resumed */
	const char *paused_by, *paused_reason;
	int64_t retain_age_ms, retain_count, retain_bytes;	/* defaults of limits.h when absent */
	int64_t waiting_max;
	bool deleting;		/* takes no more tasks; deleted when those that it has have ended */
	bool delete_force;	/* ... these are not waited for */
	bool deleted;		/* nothing of it counts any more; what is left in it is being removed */
	uint32_t next;		/* deleted: the first segment that a later queue of this name may have */
	const char *text;	/* the JSON as read, so that a rewrite keeps unknown fields; may be NULL */
};

enum class_mode { MODE_EXCLUSIVE, MODE_OVERLAP, MODE_AT_MOST_ONCE };

/* What a task needs and how it is treated, without its priority. */
struct rec_class {
	uint64_t hash;		/* of text */
	bool hash_matches;	/* decoded only: the znode's name is the hash of its data */
	const char *text;	/* canonical JSON */
	enum class_mode mode;
	uint32_t crash_limit;
};

struct rec_stamp {
	int64_t count;		/* results in the folder when the segment was deleted */
	int64_t bytes;		/* their size, estimated from a sample */
	bool removing;		/* retention has marked it (data version 2 or more) */
	bool thinned;		/* that version only says that dead letters of the segment are removed */
};

struct rec_moved {
	char queue[QUEUE_NAME_MAX + 1];	/* the id the inbox task got */
	uint32_t seg;
	char token[TOKEN_MAX + 1];
};

struct rec_wish {
	const char *by, *reason;	/* may be NULL */
	int64_t at_wall_ms;
};

/* What a person wants changed of a waiting task. */
struct rec_update {
	int priority;		/* -1 = as it is */
	int64_t time_limit_ms;	/* -1 = as it is, 0 = none */
	const char *by;		/* may be NULL */
	int64_t at_wall_ms;
};

struct rec_key {
	uint32_t seg;			/* the id that this key stands for; the queue is the key's own */
	char token[TOKEN_MAX + 1];
	const char *key;		/* in full, compared against collisions of the hash */
};

struct rec_root {
	int format;			/* 1 */
	const char *cluster;		/* random name given at creation */
};

struct record {
	enum record_kind kind;
	union {
		struct { const char *data; size_t len; } bytes;
		struct rec_task task;
		struct rec_batch batch;
		struct rec_result result;
		struct rec_candidate candidate;
		struct rec_worker worker;
		struct rec_report report;
		struct rec_retry retry;
		struct rec_tail tail;
		struct rec_queue queue;
		struct rec_class class;
		struct rec_stamp stamp;
		struct rec_moved moved;
		struct rec_wish wish;
		struct rec_update update;
		struct rec_key key;
		struct rec_root root;
	};
};

/* When the pause of a queue ends, on the servers' clock: 0 = it is not paused, INT64_MAX = when it is resumed.
 * mtime_ms: of the znode that holds the record. */
int64_t queue_pause_end(const struct rec_queue *queue, int64_t mtime_ms);
/* Whether a task is a suspect when the worker of its run-th attempt (from 1) is lost. */
bool lost_is_suspect(uint32_t run);
/* Whether claim number n is resolved by the report; whether it is among the last returned ones. */
bool report_resolves(const struct rec_report *report, uint64_t n);
bool report_returned(const struct rec_report *report, uint64_t n);

#endif
