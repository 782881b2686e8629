/*
 * message.h: what the processes of a worker say to each other: runner and coordinator, runner and HTTP process.
 * Both ends are of one build, so the form is simply the fields in a row; message.c alone knows it.
 */
#ifndef ZKQ_WORKER_MESSAGE_H
#define ZKQ_WORKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/json.h"
#include "core/arena.h"
#include "core/plan.h"

struct channel;

enum message_kind {
	/* coordinator to runner */
	MSG_ATTACH,	/* attach: I am here; answered by MSG_HELLO */
	MSG_REGISTERED,	/* lease.r: FX_REGISTERED */
	MSG_LEASE,	/* lease.kill_by_ms: FX_LEASE */
	MSG_START,	/* start: FX_START */
	MSG_KILL,	/* kill: FX_KILL */
	MSG_FORGET,	/* number: FX_FORGET of that claim */
	MSG_PING,	/* answered by MSG_PONG; comes every few seconds, so that either end notices when the other one hangs */
	MSG_EXIT,	/* number: the worker is done, with this exit code */
	/* runner to coordinator */
	MSG_HELLO,	/* hello */
	MSG_STARTED,	/* number: of the claim */
	MSG_ENDED,	/* ended */
	MSG_PONG,
	MSG_STOP,	/* somebody wants the worker to stop: EV_STOP */
	/* coordinator to runner, which passes it on, and runner to HTTP process */
	MSG_SNAPSHOT,	/* snapshot */
	/* runner to HTTP process */
	MSG_SERVE,	/* text: the bearer token; the first message */
	MSG_LOG_BEGIN,	/* log: an attempt has begun */
	MSG_LOG_FILE,	/* log: its file for log.stream exists now */
	MSG_LOG_END,	/* log: it has ended, its files are complete */
	/* runner to coordinator; the HTTP process hears of the log's with each snapshot */
	MSG_SETTINGS,	/* settings: they have changed */
	MESSAGES
};

/* Strings live as long as the arena that the message was decoded into. */
struct message {
	enum message_kind kind;
	union {
		uint64_t number;
		const char *text;
		struct {
			const char *address;	/* our end towards ZooKeeper, to serve logs on; NULL = not known */
		} attach;
		struct {
			uint32_t r;
			int64_t kill_by_ms;
		} lease;
		struct {
			struct node claim;
			bool exclusive;
			const char *invalid;	/* it cannot be started: why; then the rest of spec is zero */
			struct task_spec spec;
		} start;
		struct {
			uint64_t n;
			const char *reason;
			enum task_state state;
			int64_t grace_ms;
		} kill;
		struct {
			char inc[INC_MAX + 1];
			uint32_t r;
			struct process_id process;
			const char *log;	/* address of the HTTP process, NULL = none */
			const char *log_token;
			bool stopping;		/* MSG_STOP was said to an earlier coordinator */
			const struct held_attempt *attempts;
			int count;
		} hello;
		struct {
			uint64_t n;
			struct outcome outcome;
		} ended;
		struct {
			const char *folder;	/* id of the task */
			uint32_t run;
			uint32_t stream;	/* enum capture_stream */
		} log;
		struct {
			uint32_t source;	/* enum web_source */
			const char *data;	/* of snapshot_encode() */
			size_t len;
		} snapshot;
		struct {
			uint32_t log_level, log_format;	/* enums of base/log.h */
			int64_t drain_deadline_ms;	/* < 0 = none */
		} settings;
	};
};

/* Spells message in arena; *len is its length. NULL when memory runs out. */
const char *message_encode(struct arena *arena, const struct message *message, size_t *len);
/* False when data is no message or memory runs out. */
bool message_decode(struct arena *arena, const char *data, size_t len, struct message *message);
/* Encodes and queues. -1 when memory runs out. */
int message_send(struct channel *channel, const struct message *message);

#endif
