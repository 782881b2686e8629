/*
 * plan.h: what goes into a step function and what comes out.
 *
 *     void X_step(struct X *state, const struct event *event, struct plan *plan);
 *
 * An event says what happened and what time it is. A plan is the ordered list of effects that the
 * state now wants. The driver carries it out in order and feeds what comes of it back as later
 * events, never from within the step. Drivers: dispatcher/, worker/, lib/ and tests/sim.
 *
 * Times named now_ms are CLOCK_BOOTTIME milliseconds (suspend counts); they only grow.
 */
#ifndef ZKQ_CORE_PLAN_H
#define ZKQ_CORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/node.h"
#include "core/record.h"

#define NEVER INT64_MAX

/* ---- ZooKeeper, as the core sees it ---- */

enum rc {
	RC_OK,
	RC_NONODE,
	RC_NODEEXISTS,
	RC_BADVERSION,
	RC_NOTEMPTY,
	RC_NOAUTH,
	RC_ROLLEDBACK,	/* an op of a failed multi that was not the reason */
	RC_UNKNOWN,	/* the connection broke: may have been applied, may be applied later, or never */
	RC_NOTSENT,	/* definitely not applied: there was no session to send it in */
	RC_INVALID,	/* refused by us or by the server as malformed or too large: definitely not applied */
	RC_OTHER,	/* any other definite refusal */
	RC_NOMEM,	/* the answer arrived but could not be kept; for a write: RC_UNKNOWN applies */
	RCS
};

const char *rc_word(enum rc rc);	/* "ok", "no node" ... for notes and stories */

enum op_kind { OP_CHECK, OP_CREATE, OP_SET, OP_DELETE };

#define ANY_VERSION (-1)
#define CREATE_EPHEMERAL 1
#define CREATE_SEQUENCE 2	/* ZooKeeper appends the ten digits: NODE_TASK, NODE_CANDIDATE only */

struct op {
	enum op_kind kind;
	struct node node;
	int32_t version;	/* CHECK, SET, DELETE: expected data version, or ANY_VERSION */
	int flags;		/* CREATE */
	struct record record;	/* CREATE, SET */
};

enum request_kind {
	REQ_MULTI,	/* one or more ops, all or nothing */
	REQ_GET,	/* data and stat; record_kind says how to decode */
	REQ_LIST,	/* children and stat of the folder */
	REQ_EXISTS,	/* stat only; RC_NONODE is an answer (and leaves a watch, if asked for) */
	REQ_SYNC,	/* the server catches up with its leader before later reads of this session */
	REQ_ACL,	/* who may do what: raw requests only (codec/raw.h) */
};
#define REQUEST_KINDS (REQ_SYNC + 1)

/* tag and arg are the caller's own; they come back in the reply, as does the node. */
struct request {
	enum request_kind kind;
	uint32_t tag;
	uint64_t arg;
	struct node node;		/* GET LIST EXISTS SYNC */
	enum record_kind record_kind;	/* GET */
	bool watch;			/* GET LIST EXISTS: one-shot; left only when the rc allows (GET, LIST: RC_OK) */
	struct op *ops;			/* MULTI */
	int op_count;
};

struct stat {
	int64_t czxid, mzxid, pzxid;
	int64_t ctime_ms, mtime_ms;	/* server clock: ages are compared among these only */
	int32_t version;		/* of the data */
	int32_t length;			/* of the data, bytes */
	int32_t children;
	int64_t owner;			/* session id of an ephemeral, else 0 */
};

struct op_result {
	enum rc rc;
	struct node created;	/* CREATE: the node with the name that it got */
};

struct reply {
	uint32_t tag;
	uint64_t arg;
	enum request_kind kind;
	enum rc rc;			/* MULTI: that of failed_op, or RC_UNKNOWN, RC_NOTSENT ... for the whole */
	struct node node;		/* of the request */
	struct stat stat;		/* GET LIST EXISTS when RC_OK */
	struct record record;		/* GET when RC_OK; undecodable data comes as REC_BYTES with bad set */
	bool bad;			/* GET: the data is not what record_kind wants; record.bytes holds it */
	const struct node *children;	/* LIST, in no order; names not of this tree are NODE_STRANGER */
	int child_count;
	const struct op_result *results;	/* MULTI; op_count of the request; NULL unless RC_OK or a definite refusal */
	int result_count;
	int failed_op;			/* MULTI: index of the refused op, or -1 */
	int64_t sent_ms;		/* now_ms of the step whose plan held the request */
	int64_t took_ms;		/* from then to the answer */
};

/* ---- what happened ---- */

enum event_kind {
	EV_TICK,		/* time has passed; also the first event of a state's life */
	EV_CONNECTED,		/* session.* says which session; also after a reconnect of the same one */
	EV_DISCONNECTED,	/* the session may live on; requests outstanding get RC_UNKNOWN after this event */
	EV_EXPIRED,		/* the session is over; requests outstanding got RC_UNKNOWN before this event.
				 * The driver is already making a new one: EV_CONNECTED follows some day */
	EV_REPLY,		/* exactly one for each request */
	EV_WATCH,		/* watch.* */
	EV_STOP,		/* SIGTERM: leave in good order; a second one: at once */
	/* worker only: from the runner and the driver */
	EV_RUNNER_HELLO,	/* the runner is there; hello.* is all it holds */
	EV_RUNNER_STARTED,	/* attempt.n has been forked */
	EV_RUNNER_ENDED,	/* attempt.n is over, nothing of it runs any more; attempt.outcome */
	EV_RUNNER_PONG,		/* answer to FX_PING */
	EV_PROBED,		/* answer to FX_PROBE */
	EV_SWEPT,		/* answer to FX_SWEEP: nothing of that life runs any more */
	EV_LOAD,		/* load.* measured */
	/* submitter only: what the caller wants */
	EV_CALL,		/* call.*: see core/submitter.h */
};

enum watch_kind { WATCH_CREATED, WATCH_DELETED, WATCH_CHANGED, WATCH_CHILDREN };

/* What the runner holds of an attempt when a coordinator (re)appears. */
struct held_attempt {
	struct node claim;
	bool ended;		/* else it is running, or accepted and not forked yet */
	struct outcome outcome;	/* when ended */
};

struct call;	/* core/submitter.h */

struct event {
	enum event_kind kind;
	int64_t now_ms;
	int64_t wall_ms;	/* for "at" fields only */
	union {
		struct {
			int64_t id;		/* of the session: compare with stat.owner */
			int32_t timeout_ms;	/* as negotiated */
			bool fresh;		/* not the session of the EV_CONNECTED before */
			char uuid[UUID_LEN + 1];	/* fresh: new random name for this session */
		} session;
		struct reply reply;
		struct {
			enum watch_kind kind;
			struct node node;	/* whose watch fired */
		} watch;
		struct {
			char inc[INC_MAX + 1];
			uint32_t r;		/* registrations that were asked for so far: the next is r + 1 */
			struct process_id process;	/* of the runner */
			const struct held_attempt *attempts;
			int count;
		} hello;
		struct {
			uint64_t n;
			struct outcome outcome;
		} attempt;
		struct {
			uint64_t arg;	/* of the FX_PROBE */
			bool dead;	/* provably: same host and boot, and no such process with that start time */
		} probed;
		struct {
			char inc[INC_MAX + 1];	/* of the FX_SWEEP */
		} swept;
		struct {
			double load1;
			uint64_t mem_total_bytes, mem_free_bytes, disk_free_bytes;
		} load;
		const struct call *call;
	};
};

/* ---- what is wanted ---- */

enum effect_kind {
	FX_REQUEST,	/* request */
	FX_NOTE,	/* note: a line for the log, and the trace of a story */
	FX_EXIT,	/* exit_code: the program is done */
	FX_NEW_SESSION,	/* close this session and open a fresh one (EV_EXPIRED, then EV_CONNECTED follow) */
	/* worker: to the runner, in this order */
	FX_REGISTERED,	/* lease.r: remember this registration number */
	FX_LEASE,	/* lease.kill_by_ms: exclusive attempts are killed then unless a later one comes */
	FX_START,	/* start.*: fork; when now is already past the lease the runner refuses (LOST, "lease") */
	FX_KILL,	/* kill.* */
	FX_FORGET,	/* kill.n: its result is recorded or void; drop what is held of it */
	FX_PING,	/* answer with EV_RUNNER_PONG */
	/* worker: to the driver */
	FX_PROBE,	/* probe.*: is that process provably dead? */
	FX_SWEEP,	/* sweep.inc: find and kill what a dead life of this worker left running */
	/* submitter: to the caller */
	FX_ANSWER,	/* answer: see core/submitter.h */
};

enum note_level { NOTE_ERROR, NOTE_WARNING, NOTICE, NOTE_INFO, NOTE_DEBUG };

struct answer;	/* core/submitter.h */

struct effect {
	enum effect_kind kind;
	union {
		struct request request;
		struct {
			enum note_level level;
			const char *text;	/* begins with its subject: "task default.3.k3v9q7xa2m4t: ..." */
		} note;
		int exit_code;
		struct {
			uint32_t r;
			int64_t kill_by_ms;
		} lease;
		struct {
			struct node claim;
			bool exclusive;		/* dies with the lease */
			const char *task;	/* JSON */
			size_t task_len;
		} start;
		struct {
			uint64_t n;
			const char *reason;	/* "cancelled", "revoked", "drain" ...: becomes outcome.reason */
			enum task_state state;	/* becomes outcome.state */
			int64_t grace_ms;	/* SIGTERM, this long, SIGKILL; 0 = SIGKILL at once; < 0 = the task's own */
		} kill;
		struct {
			uint64_t arg;
			struct process_id process;
		} probe;
		struct {
			char inc[INC_MAX + 1];	/* "" = any life of this worker name but the present one */
		} sweep;
		const struct answer *answer;
	};
};

/* Zero-initialised is a valid empty plan. Everything in it lives until plan_reset(). */
struct plan {
	struct effect *effects;
	int count, room;
	int64_t wake_ms;	/* the next EV_TICK must not come later; NEVER = none wanted */
	struct arena arena;
	bool failed;		/* memory ran out: effects are missing. A daemon exits (71); libzkq reports it */
};

/* Empties the plan and sets wake_ms to NEVER. Called by the driver before each step. */
void plan_reset(struct plan *plan);
void plan_free(struct plan *plan);
/* Lowers wake_ms to at_ms. */
void plan_wake(struct plan *plan, int64_t at_ms);
/* Appends an effect, zeroed but for its kind; NULL when memory runs out. */
struct effect *plan_effect(struct plan *plan, enum effect_kind kind);
void plan_note(struct plan *plan, enum note_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends a read request. node.text is copied. */
void plan_get(struct plan *plan, uint32_t tag, uint64_t arg, struct node node, enum record_kind kind, bool watch);
/* How long to wait before a folder is listed again whose listing took so long. */
int64_t list_pause_ms(int64_t took_ms, int names);
void plan_list(struct plan *plan, uint32_t tag, uint64_t arg, struct node node, bool watch);
void plan_exists(struct plan *plan, uint32_t tag, uint64_t arg, struct node node, bool watch);
void plan_sync(struct plan *plan, uint32_t tag, uint64_t arg, struct node node);
/* Appends an empty multi; the add_* calls that follow put ops into it. The pointer is valid
 * until the next effect is appended; NULL (accepted by add_*) when memory runs out. */
struct request *plan_multi(struct plan *plan, uint32_t tag, uint64_t arg);
/* Each appends one op and returns its index in the multi, or -1 when memory runs out. node.text is
 * copied. The record's strings are not: they must live as long as the plan (use plan->arena). */
int add_check(struct plan *plan, struct request *multi, struct node node, int32_t version);
int add_create(struct plan *plan, struct request *multi, struct node node, int flags, const struct record *record);
int add_set(struct plan *plan, struct request *multi, struct node node, int32_t version, const struct record *record);
int add_delete(struct plan *plan, struct request *multi, struct node node, int32_t version);

#endif
