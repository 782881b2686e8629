/*
 * state.h: what a worker's coordinator knows; private to the files of the worker's step function.
 *
 *	worker.c	events in, and the drain
 *	register.c	being known to the leader, again after every lost session
 *	claim.c		own folder listed, claims compared, next start chosen
 *	payload.c	what must be read before a claim can start
 *	finish.c	results and returned claims leave in batches
 *	report.c	what the leader is told
 *	renew.c		the lease
 *	life.c		claims of dead incarnations handed back
 *
 * After each event every file looks at the state and asks for what is wanted and not under way; a reply
 * only clears what was under way. So a lost reply costs a repetition and nothing else.
 */
#ifndef ZKQ_CORE_WORKER_STATE_H
#define ZKQ_CORE_WORKER_STATE_H

#include "core/arena.h"
#include "core/lease.h"
#include "core/worker/resolved.h"
#include "core/rng.h"
#include "core/worker.h"

#define READS_MAX 256			/* reads of payloads and retry records in flight */
#define ORPHANS_MAX 64			/* orders without a claim deleted in one multi */
#define ASIDE_RETRY_MS 60000		/* what could not be recorded is tried again: a person may have mended it */
#define REPORT_PAUSE_MS 1000		/* between two reports of their own because of "ahead", or vanished claims */
#define LOAD_PAUSE_MS 10000		/* ... because of the load */
#define STOP_UNREACHABLE_MS 10000	/* a worker that stops waits so long for ZooKeeper */
#define RETRY_MIN_MS 50			/* pause before a refused step is tried again; doubled each time */
#define RETRY_MAX_MS 2000
#define CONTESTED_MAX 3			/* refused reports in a row before it must be a second coordinator */

#define EXIT_CONTESTED 70		/* EX_SOFTWARE: two coordinators of one incarnation */

enum {
	TAG_SYNC, TAG_OWN_FOLDER, TAG_HOLDER, TAG_HOLDER_FOLDER, TAG_REGISTER, TAG_NAME, TAG_LOGKEY, TAG_VERIFY, TAG_LEAVE,
	TAG_LEFT_LIST, TAG_LEFT_FOLDER, TAG_LEFT_RETURN, TAG_LIST, TAG_TASK, TAG_BATCH, TAG_RETRY, TAG_CLASS, TAG_MARK,
	TAG_OUT, TAG_MEND, TAG_CHILDREN, TAG_CHILD, TAG_RENEW, TAG_LIVES, TAG_LIFE_FOLDER, TAG_LIFE_LIST, TAG_LIFE_CLAIM, TAG_LIFE_RETRY,
	TAG_LIFE_CLASS, TAG_LIFE_RETURN,
};

enum claim_state {
	CLAIM_SEEN,	/* something must be read before it can start */
	CLAIM_READY,	/* waits for a slot */
	CLAIM_MARKING,	/* its "started" mark is on its way */
	CLAIM_RUNNING,	/* at the runner */
	CLAIM_DOOMED,	/* revoked while it ran: waits for its end, is no claim any more */
	CLAIM_OVER,	/* wants to leave */
	CLAIM_LEAVING,	/* in the multi under way */
	CLAIM_ASIDE,	/* could not leave; tried again later */
	CLAIM_STATES
};

/* How a claim leaves. */
enum leave {
	LEAVE_DONE,		/* with a result */
	LEAVE_DEAD,		/* as a dead letter */
	LEAVE_UNRECORDED,	/* a result was there already: claim and task only */
	LEAVE_TASKLESS,		/* the task was removed by hand: claim only */
	LEAVE_RETURN,		/* back to the leader, nothing counted */
};

enum reading { READ_NOT, READ_ASKED, READ_HAVE };

struct class_known {
	char queue[QUEUE_NAME_MAX + 1];
	uint64_t hash;
	enum reading reading;
	enum class_mode mode;
	bool missing;		/* nobody can say how it is to be treated: marked as at-most-once tasks are */
};

struct batch_item {
	const char *text;
	size_t len;
	const char *name, *invalid;
};

struct batch {
	uint64_t id;		/* of this copy: the arg of its read */
	char queue[QUEUE_NAME_MAX + 1];
	uint32_t seg;
	char token[TOKEN_LEN + 1];
	enum reading reading;
	bool gone;
	int refs;		/* claims that point here */
	struct batch_item *items;
	int count;
	struct arena arena;
};

struct claim {
	struct node node;
	enum claim_state state;
	enum leave leave;	/* OVER, LEAVING, ASIDE */
	uint32_t sight;		/* the last listing that showed it */
	unsigned orders;	/* bit 1 << verb: seen in the folder */
	bool adopted;		/* from an earlier coordinator of this life */
	bool in_runner;		/* the runner holds something of it */
	bool marked;		/* carries the "started" mark */
	int64_t seen_ms;	/* for metrics */
	bool has_retry;		/* there is a retry record: deleted when the task ends */
	bool suspect;
	uint32_t crashes;	/* of the retry record */
	bool no_record;		/* the folder for its retry record is missing */
	int children;		/* strangers' znodes below its task that are being deleted */
	bool children_stay;	/* ... some of them could not be */
	bool killed;		/* FX_KILL is out */
	bool returning;		/* ... in order to return it */
	enum reading payload, retry;
	bool gone, whole_task;	/* no such task; whole_task: read the task itself, not its batch */
	struct class_known *class;
	struct batch *batch;
	char *text;		/* the task; NULL when it lies in batch */
	size_t len;
	char *name;		/* label or NULL */
	char *invalid;		/* why it is no task, or NULL */
	struct outcome outcome;	/* its strings are owned: */
	char *reason, *tail;
};

enum registration {
	REG_NEEDED,	/* to be begun, at reg_at_ms */
	REG_READING,	/* own folder and the holder of the name are being read */
	REG_HOLDER,	/* the holder's folder is being read */
	REG_PROBING,
	REG_BLOCKED,	/* another worker holds the name */
	REG_SENT,
	REG_DONE,
	REG_LEAVING,	/* the multi that takes it back is out */
	REG_LEFT,	/* claims that came too late are being handed back */
};

enum out_part { PART_LIVE, PART_CLAIM, PART_TASK, PART_RETRY, PART_ORDER, PART_RESULT, PART_REPORT, PART_ORPHAN };

struct out_op {
	uint8_t part;	/* enum out_part */
	uint8_t verb;
	uint16_t item;	/* index into items, or into orphans */
};

/* The one multi that may set the report: finishes, returns, deletes orphan orders, or only reports. */
struct out {
	bool busy;
	bool unknown;		/* its outcome must be found out */
	bool verifying;		/* ... and is being asked for */
	int64_t sent_ms;
	struct claim *items[MULTI_TASKS_MAX];
	int count;
	struct { uint64_t n; enum verb verb; } orphans[ORPHANS_MAX];
	int orphan_count;
	struct out_op ops[MULTI_TASKS_MAX * (4 + VERBS) + ORPHANS_MAX + 2];
	int op_count;
};

/* What the last report that is known to stand in the folder said of the things that change by themselves. */
struct told {
	int ahead;
	bool draining;
	uint64_t returned_total;
	double load1;
	uint64_t mem_free_bytes, disk_free_bytes;
	int64_t at_ms;
};

enum life_state { LIFE_NONE, LIFE_FOLDER, LIFE_PROBING, LIFE_SWEEPING, LIFE_LISTING, LIFE_READING, LIFE_RETURNING };

struct life_claim {
	struct node node;
	int waiting;		/* replies still to come */
	bool gone, leave_it;	/* leave_it: for the leader to decide */
	int32_t version;	/* 1 or more: marked as started */
	bool has_retry;
	uint32_t crashes;
	bool suspect;
	enum class_mode mode;
	uint32_t crash_limit;
};

/* A dead incarnation of this worker whose claims are being handed back. */
struct life {
	enum life_state state;
	char inc[INC_MAX + 1];
	uint32_t epoch;			/* replies to an earlier attempt at this life are dropped */
	int32_t version;		/* of its folder */
	struct rec_report report;	/* strings in arena */
	struct arena arena;
	struct resolved resolved;
	uint32_t live[8];		/* registrations of it that are still there */
	int live_count;
	struct { uint64_t n; enum verb verb; } orders[ORPHANS_MAX];
	int order_count;
	struct life_claim *claims;
	int claim_count, waiting;
	int sent_from, sent_count;	/* the claims in the multi under way */
	int attempts;
	bool swept;
};

struct worker {
	/* conf */
	char *name, *host, *boot, *log, *log_token, *version;
	struct process_id process;
	int slots;
	char **queues;
	int queue_count;
	int64_t lost_after_ms, drain_deadline_ms;
	struct rng rng;

	/* of the step under way */
	int64_t now_ms, wall_ms;
	struct plan *plan;

	/* runner */
	bool hello;
	char inc[INC_MAX + 1];
	uint32_t r;			/* registrations asked for so far */
	struct process_id runner;	/* strings owned */
	char *runner_host, *runner_boot;
	int64_t runner_seen_ms;		/* last sign of life */
	int64_t ping_ms;		/* FX_PING out since; 0 = none */
	bool ping_noted;

	/* session */
	bool connected;
	int64_t session;

	/* registration */
	enum registration reg;
	int64_t reg_at_ms;
	int64_t retry_ms;		/* the next pause */
	bool reg_unknown;		/* the last registering multi may have been applied */
	bool ever_registered;
	bool told_no_tree, told_blocked;
	bool folder_there;
	int32_t folder_version;
	uint32_t folder_r;		/* registration that wrote the report in it */
	int reg_waiting;		/* REG_READING: replies still to come */
	bool reg_broken;		/* ... and one of them said nothing */
	bool holder_there, holder_bad;
	int64_t holder_owner;
	struct rec_worker holder;	/* strings in holder_arena */
	struct arena holder_arena;
	bool del_holder, del_live;	/* what the registering multi deletes */
	uint32_t no_live_r;		/* this live- znode is known to be gone already */
	char no_live_inc[INC_MAX + 1];
	uint64_t probe_arg;		/* of the FX_PROBE that is out, 0 = none */
	uint64_t probes;
	int op_holder, op_live, op_worker;	/* places in the registering multi, -1 = not in it */
	bool name_wanted, name_busy;	/* a look whether workers/<w> is still there, and a watch on it */
	bool logkey_wanted, logkey_busy, logkey_replace;

	/* claims, ascending by number */
	struct claim **claims;
	int claim_count, claim_room;
	int in_state[CLAIM_STATES];
	uint32_t sight;
	uint64_t highest_n;		/* of all claims ever seen */
	bool list_wanted, list_busy, listed;	/* listed: once since this registration */
	int64_t list_at_ms;		/* not before */
	int64_t mark_at_ms;		/* not before: pause after an odd refusal */
	uint64_t orphan_n[ORPHANS_MAX];
	enum verb orphan_verb[ORPHANS_MAX];
	int orphan_count;

	/* payloads */
	bool unread;			/* some claim wants something read */
	int reads;			/* in flight */
	int64_t read_at_ms;		/* not before: pause after an odd refusal */
	struct batch **batches;		/* the most recently used last */
	int batch_count, batch_room;
	uint64_t batch_ids;
	struct class_known **classes;
	int class_count, class_room;

	/* leaving */
	struct out out;
	int out_limit;			/* tasks in one multi */
	int64_t out_at_ms;		/* not before: pause after an odd refusal */
	int contested;			/* refused reports in a row */
	int64_t aside_at_ms;

	/* reports */
	struct resolved resolved;
	struct told told, telling;
	bool load_known;
	double load1;
	uint64_t mem_total_bytes, mem_free_bytes, disk_free_bytes;
	double run_seconds_mean;	/* smoothed; 0 = unknown */
	double took_ms;			/* smoothed latency of the multis that set the report */

	/* lease */
	struct lease lease;
	int64_t proof_ms;		/* when the last committed proof was sent */
	bool renew_busy;

	/* stop */
	bool draining, stopping;	/* stopping: at once */
	int64_t drain_by_ms;
	int64_t give_up_ms;		/* leave without ZooKeeper then; 0 = not set */
	bool exited;

	/* dead lives */
	bool lives_wanted, lives_busy;
	char (*lives)[INC_MAX + 1];
	int life_count, life_room;
	struct life life;

	uint64_t started_total, finished_total, returned_total, revoked_total;
	struct histogram wait;
};

/* worker.c */
void *worker_alloc(struct worker *worker, size_t size);		/* zeroed; NULL marks the plan as failed */
char *worker_string(struct worker *worker, const char *string);	/* NULL gives NULL */
void worker_failed(struct worker *worker);			/* memory ran out */
void worker_exit(struct worker *worker, int code);
/* Pause before the next attempt at something that was refused; grows until retry_ms is set back. */
int64_t worker_pause(struct worker *worker);
/* A step whose time has come? If not, the plan is woken for it. */
bool worker_due(struct worker *worker, int64_t at_ms);
struct node worker_live(const struct worker *worker);
/* Whether a reply says only that the connection broke: what was asked must be asked again. */
bool worker_lost_reply(const struct reply *reply);

/* register.c */
void register_drive(struct worker *worker);
void register_begin(struct worker *worker);	/* the session or live- znode is gone: from the start */
void register_reply(struct worker *worker, const struct reply *reply);
void register_probed(struct worker *worker, bool dead);
/* FX_PROBE: is that process provably dead? The answer comes as EV_PROBED. */
void register_probe(struct worker *worker, const struct process_id *process);
void register_holder_gone(struct worker *worker);
void register_leave(struct worker *worker);
/* The data of the own folder as it stands: settles what was unknown. False: the program must end. */
bool register_folder_read(struct worker *worker, const struct reply *reply);

/* claim.c */
struct claim *claim_find(const struct worker *worker, uint64_t n);
struct claim *claim_add(struct worker *worker, const struct node *node, enum claim_state state);
void claim_move(struct worker *worker, struct claim *claim, enum claim_state state);
void claim_remove(struct worker *worker, struct claim *claim);	/* frees it */
void claim_leave(struct worker *worker, struct claim *claim, enum leave leave);
void claim_vanished(struct worker *worker, uint64_t from, uint64_t to);
/* Reading has got on: is all there that the claim needs? */
void claim_settle(struct worker *worker, struct claim *claim);
bool claim_take_outcome(struct worker *worker, struct claim *claim, const struct outcome *outcome);
const char *claim_id(struct worker *worker, const struct claim *claim);	/* "<queue>.<seg>.<token>" in the plan */
void claim_forget_unstarted(struct worker *worker);
void claim_list_drive(struct worker *worker);
void claim_start_drive(struct worker *worker);
void claim_listed(struct worker *worker, const struct reply *reply);
void claim_marked(struct worker *worker, const struct reply *reply);
void claim_ended(struct worker *worker, uint64_t n, const struct outcome *outcome);
void claim_drain(struct worker *worker);

/* payload.c */
void payload_drive(struct worker *worker);
void payload_reply(struct worker *worker, const struct reply *reply);
void payload_drop(struct worker *worker, struct claim *claim);	/* what the claim holds of it */
bool payload_of(const struct claim *claim, const char **text, size_t *len);
void payload_free(struct worker *worker);

/* finish.c */
void finish_drive(struct worker *worker);
void finish_reply(struct worker *worker, const struct reply *reply);
/* The own folder was read: was the multi of unknown outcome applied? report NULL = no folder or unreadable. */
void finish_settle(struct worker *worker, const struct rec_report *report);
void finish_not_applied(struct worker *worker);	/* what was unknown did not and will not happen */
/* Writes into resolved what the claims of out come to when they leave. */
bool finish_resolve(const struct worker *worker, struct resolved *resolved);
void finish_verify_drive(struct worker *worker);

/* report.c */
int report_ahead(int slots, double took_ms, double run_seconds);
void report_load(struct worker *worker, const struct event *event);
void report_ran(struct worker *worker, const struct outcome *outcome);
void report_took(struct worker *worker, int64_t took_ms);
/* The report as it is, or, with_out, as it will be when the claims of out have left. Its strings live as long
 * as the plan. False when memory runs out. */
bool report_write(struct worker *worker, struct rec_report *report, bool with_out);
void report_sent(struct worker *worker);	/* telling is in the folder now */
bool report_due(struct worker *worker);

/* renew.c */
bool renew_holds(const struct worker *worker, bool exclusive);	/* long enough to start something under it */
bool renew_runner_answers(struct worker *worker);	/* lately; asks it if not */
void renew_proved(struct worker *worker, int64_t sent_ms);
void renew_drive(struct worker *worker);
void renew_reply(struct worker *worker, const struct reply *reply);

/* life.c */
void life_drive(struct worker *worker);
void life_reply(struct worker *worker, const struct reply *reply);
void life_probed(struct worker *worker, bool dead);
void life_swept(struct worker *worker, const char *inc);
void life_again(struct worker *worker);		/* the session was lost */
void life_free(struct worker *worker);

#endif
