/*
 * zkq.h: libzkq, the C interface of the zkq job dispatcher.
 *
 * A handle belongs to the thread that uses it; different threads use different handles. The library
 * imposes no event loop, never exits and never prints. It uses threads inside (ZooKeeper's client
 * does), but every callback runs on the caller's thread, inside zkq_dispatch(), zkq_close() or a blocking call.
 *
 * Asynchronous calls return at once: ZKQ_OK when the callbacks promised will come, else an error, and none
 * comes. Nothing is sent and no callback runs before the next zkq_dispatch(). The owner polls zkq_fd() for at
 * most zkq_timeout() and calls zkq_dispatch(). There is no time limit: without a session they wait for one.
 * Several may be under way at once; their answers come in any order. What is still owed when the handle is
 * closed comes with ZKQ_ECANCELLED. A callback may make asynchronous calls; zkq_close(), zkq_dispatch() and
 * blocking calls are not for callbacks.
 *
 * Each has a blocking form (zkq_..._wait) that runs the handle, and with it all that is under way, until the answer is
 * there or timeout_ms has passed. A timeout of < 0 waits for ever. Only these, zkq_open() and zkq_close() block.
 * Called from a callback they return ZKQ_EINVAL.
 *
 * Strings given to the library are UTF-8, NUL-terminated, and copied when kept. Strings and structs that a
 * callback receives belong to the library and live until it returns. Durations are milliseconds, sizes bytes, times
 * milliseconds since 1970-01-01 UTC. context is passed to callbacks as it is. Handles and callbacks must not be
 * NULL where nothing else is said.
 */
#ifndef ZKQ_H
#define ZKQ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZKQ_ID_SIZE 64	/* room for any task id "<queue>.<segment>.<token>" with its NUL */

/* Results. Negative values are errors; zkq_strerror() words them. */
enum zkq_error {
	ZKQ_OK = 0,
	ZKQ_EUNREACHABLE = -1,	/* no ZooKeeper session in time; nothing was sent */
	ZKQ_EUNKNOWN = -2,	/* the connection broke after sending: it may have happened or not */
	ZKQ_ETIMEOUT = -3,	/* no answer in time; for a wait: the task goes on */
	ZKQ_EINVAL = -4,	/* malformed argument: task, id, name, path; or a blocking call from a callback */
	ZKQ_ENOQUEUE = -5,	/* no such queue */
	ZKQ_EFULL = -6,		/* the queue is full for now */
	ZKQ_ENOAUTH = -7,	/* not allowed by the tree's ACLs */
	ZKQ_ENOTREE = -8,	/* no zkq tree at this root: has a dispatcher ever run here? */
	ZKQ_ENOENT = -9,	/* no such task, worker, or its result was removed by retention */
	ZKQ_ESIZE = -10,	/* larger than the limit */
	ZKQ_ENOMEM = -11,
	ZKQ_EENDED = -12,	/* the task has ended already */
	ZKQ_ESYSTEM = -13,	/* the system refused something; errno tells */
	ZKQ_ECANCELLED = -14,	/* the handle was freed before the answer came */
	ZKQ_EEXIST = -15,	/* there already */
	ZKQ_EBUSY = -16,	/* in use: a worker has the task; the queue is not empty */
	/* zkq_open(): which of the options is wrong */
	ZKQ_EOPTIONS = -17,	/* size, or session_timeout_ms below 0 */
	ZKQ_EHOSTS = -18,
	ZKQ_EROOT = -19,
	ZKQ_ECREDENTIAL = -20,	/* auth */
};

/* One phrase, static, never NULL. */
const char *zkq_strerror(int error);
/* "1.0.0", static. */
const char *zkq_version(void);

/* ---- handle ---- */

struct zkq;

struct zkq_options {
	size_t size;			/* sizeof(struct zkq_options), for later additions; zero the rest before filling it */
	const char *hosts;		/* "host[:port],...[/chroot]"; the chroot is put before root */
	const char *root;		/* NULL = "/zkq" */
	const char *auth;		/* "digest:user:password"; NULL or "" = none */
	int session_timeout_ms;		/* 0 = 10000 */
	const char *by;			/* who submits, for people: NULL = "<user>@<host>" */
};

/* Opens a handle and begins to connect, in the background: a server that cannot be reached is no failure here.
 * *handle is to be closed with zkq_close(), and NULL on failure: ZKQ_EINVAL, ZKQ_ENOMEM, ZKQ_ESYSTEM. */
int zkq_open(const struct zkq_options *options, struct zkq **handle);
/* Calls every callback still owed with ZKQ_ECANCELLED (a submit that was sent: ZKQ_EUNKNOWN with its id),
 * closes the session. May block up to about 3 s when the ensemble does not answer. NULL is harmless. Not from
 * within a callback. */
void zkq_close(struct zkq *handle);
/* Poll this for reading; it stays the same for the handle's life and belongs to it. */
int zkq_fd(const struct zkq *handle);
/* Milliseconds until zkq_dispatch() must be called at the latest; -1 = only when zkq_fd() is readable. 0 after
 * asynchronous calls: what they ask for is sent by zkq_dispatch(). So ask after each of them, and after each
 * zkq_dispatch(). */
int zkq_timeout(const struct zkq *handle);
/* Does what is due and runs callbacks; does not block. From within a callback it does nothing. */
void zkq_dispatch(struct zkq *handle);
/* Blocks until the session is established: ZKQ_OK or ZKQ_EUNREACHABLE. No call needs it first. */
int zkq_connect_wait(struct zkq *handle, int timeout_ms);
/* What the connection is doing, one line for people ("connecting to 127.0.0.1:2181"). Valid until the next call. */
const char *zkq_state_text(struct zkq *handle);

/* ---- submit ---- */

struct zkq_task {
	size_t size;			/* sizeof(struct zkq_task) */
	const char *json;		/* the whole task as JSON (zkq-task(5)), or NULL: then the fields below; key and
					 * priority count in either case */
	const char *const *argv;	/* NULL-terminated; no shell */
	const char *name;		/* NULL = base name of argv[0] */
	const char *cwd;		/* NULL = the worker's work directory */
	const char *const *env;		/* NULL-terminated "NAME=VALUE", or NULL */
	const void *input;		/* standard input of the task, at most 64 KiB; NULL = empty */
	size_t input_size;
	int noop;			/* start nothing: for benchmarks and heartbeats */
	int priority;			/* 0-9, 9 first; -1 = 5 */
	int64_t time_limit_ms;		/* 0 = none */
	int64_t kill_grace_ms;		/* -1 = 30 s */
	const char *key;		/* idempotency key, NULL = that of json or none */
};

/* index: of the task in the call. error: ZKQ_OK (accepted: it is in the tree and will be run), ZKQ_EUNKNOWN
 * (id names where it would be: zkq_get() tells later), ZKQ_ENOQUEUE, ZKQ_EFULL, ZKQ_ENOAUTH, ZKQ_ENOTREE and
 * the like: not accepted. existed: the key stood for this task already, id is that of the earlier one. id is
 * empty when refused, never NULL. text: detail for people, may be NULL. */
typedef void zkq_submit_fn(void *context, int index, int error, const char *id, int existed, const char *text);

/* Submits count tasks to queue (NULL = "default"), as one batch when count > 1. The callback is called
 * once for each, in order of completion. The tasks are copied. Returns ZKQ_OK, or an error when nothing was begun
 * and no callback will come (ZKQ_EINVAL: *invalid, if not NULL, is the index of the malformed task). */
int zkq_submit(struct zkq *handle, const char *queue, const struct zkq_task *tasks, int count, zkq_submit_fn *callback,
    void *context, int *invalid);
/* One task, blocking. id has room for ZKQ_ID_SIZE bytes; NULL = not wanted. Returns the error as the callback
 * would get it; when the time is over ZKQ_EUNREACHABLE (nothing was sent) or ZKQ_EUNKNOWN (it was). */
int zkq_submit_wait(struct zkq *handle, const char *queue, const struct zkq_task *task,
    int timeout_ms, char *id);
/* Checks a task and spells it as it would be stored; *json is to be freed with zkq_free(). On ZKQ_EINVAL *json
 * is the reason instead ("argv: missing"), to be freed, too. */
int zkq_task_json(struct zkq *handle, const struct zkq_task *task, char **json);
/* Frees what the library said is to be freed with it. NULL is harmless. */
void zkq_free(void *memory);

/* ---- tasks and results ---- */

struct zkq_info {
	const char *id;
	const char *queue, *name, *state;	/* state: "waiting", "running", "done", "failed" ... */
	const char *reason;		/* why it does not run (one of the words of zkq-status(1)) or how it ended; may be
					 * NULL */
	const char *worker;		/* that has or had it, may be NULL */
	int priority;			/* -1 = unknown (ended tasks do not keep it) */
	int ended;			/* the result is there; the fields below are meaningful */
	int dead;			/* it is a dead letter */
	int exit_code;			/* -1 = none */
	int signal;			/* 0 = none */
	int attempt;
	const char *fence;		/* 32 hex digits or NULL */
	int64_t submitted_ms;		/* server time of creation; of an ended task what the task says, which is kept of those
					 * that are not "done"; 0 = unknown */
	int64_t claimed_ms;		/* of a live task: server time at which its worker was given it; 0 = unknown. The worker
					 * starts it at once when a slot is free; short tasks may queue there for a moment */
	int64_t started_ms, ended_ms;	/* worker's clock; 0 = unknown */
	double run_seconds, cpu_seconds;
	uint64_t max_rss_bytes, stdout_bytes, stderr_bytes, dropped_bytes;
	int log_complete;
	const char *tail;		/* end of the output, any bytes */
	size_t tail_size;
	const char *json;		/* the result (ended) or the task (live), as stored; may be NULL */
	const char *task_json;		/* the task as stored, when known; may be NULL */
};

/* index: of the id in the call. info is NULL unless error is ZKQ_OK (or, in a cancel or update, ZKQ_EENDED; after an update
 * only then). */
typedef void zkq_info_fn(void *context, int index, int error, const struct zkq_info *info);
/* The last callback of an asynchronous call that only reads. error: ZKQ_OK, or what stopped it. total: how
 * many there were. */
typedef void zkq_done_fn(void *context, int error, int total);

/* One callback for each id when its result is there; asynchronous. Ids that are malformed: ZKQ_EINVAL;
 * unknown ones: ZKQ_ENOENT. More than 256 ids cost a watch per result folder, not per id. */
int zkq_wait(struct zkq *handle, const char *const *ids, int count, zkq_info_fn *callback, void *context);
/* One id, blocking; on ZKQ_OK the callback (NULL = not wanted) is called once before this returns.
 * ZKQ_ETIMEOUT: it has not ended. */
int zkq_wait_wait(struct zkq *handle, const char *id, int timeout_ms, zkq_info_fn *callback, void *context);
/* What is known of each id now, live or ended: one callback for each, ZKQ_ENOENT for those that are nowhere.
 * An inbox name ("t-0000000000") is followed through moved/. Asynchronous; done, which may be NULL, comes
 * last. The reason Priority is told from NoSlot in queues of at most 64 segments (32,000 tasks) only. */
int zkq_get(struct zkq *handle, const char *const *ids, int count, zkq_info_fn *callback,
    zkq_done_fn *done, void *context);
/* The same, blocking: callbacks run before it returns. Returns ZKQ_OK or the first error that stopped it,
 * which those get that were not told of yet. */
int zkq_get_wait(struct zkq *handle, const char *const *ids, int count, int timeout_ms, zkq_info_fn *callback,
    void *context);

/* Of results, in a list of ended tasks. */
struct zkq_list_counts {
	int looked;			/* were read */
	int matching;			/* of these, with those that a limit kept from being given */
	int partial;			/* 1 = not all were read (newest, or a limit was reached): more may match */
};

/* Which tasks a list is of; zero is "any" and "all". */
struct zkq_list_options {
	size_t size;			/* sizeof(struct zkq_list_options); zero the rest before filling it */
	const char *queue;		/* NULL = all */
	int ended;			/* 0 live tasks, 1 live tasks and then results, 2 results only */
	int limit;			/* at most so many callbacks; 0 = all */
	int ended_limit;		/* > 0: for results this instead of what limit leaves */
	const char *const *states;	/* NULL-terminated: only those in one of these; NULL = any */
	const char *worker;		/* only those that it has or had; NULL = any */
	int failed;			/* of results only those that are not "done" */
	int64_t since_ms;		/* of results only those of tasks that ended then or later */
	int newest;			/* > 0: looks at about so many results only, at no fewer than 20 of each queue, in the 32
					 * segments around the first live one; queues with few leave their share to others. Of
					 * those looked at the latest of all queues are given */
	struct zkq_list_counts *counts;	/* filled in before done, and lives until then; may be NULL */
};

/* Live tasks in order of start, then results: oldest first, or with a limit the latest segments' first. index
 * counts callbacks; total counts all that match, of results under a limit only those given when states, worker, failed
 * or since_ms choose. options may be NULL. Costs some listings per segment, and a read per result; what live tasks carry
 * is read only with a limit of at most 1,000: otherwise their name, json, submitted_ms and claimed_ms are not known.
 * Asynchronous; done, which may be NULL, comes last. */
int zkq_list(struct zkq *handle, const struct zkq_list_options *options, zkq_info_fn *callback, zkq_done_fn *done,
    void *context);
/* The same, blocking: returns the error; *total, if not NULL, is what done would be told. */
int zkq_list_wait(struct zkq *handle, const struct zkq_list_options *options, int timeout_ms, zkq_info_fn *callback,
    void *context, int *total);

typedef void zkq_match_fn(void *context, const char *id, int ended);
/* The ids that begin with text, "<queue>.<segment>.<token>", or whose token does, "<token>"; either may be cut off behind
 * the first character of the token. When a token is text as a whole, that id only. At most 20 callbacks, in no order;
 * total counts all. Looks at live tasks, results and dead letters: of the segment, by three listings, or of the newest 500
 * segments of each queue, by one each. ZKQ_EINVAL: text can begin no id. Asynchronous; done, which may be NULL, comes
 * last. */
int zkq_find(struct zkq *handle, const char *text, zkq_match_fn *callback, zkq_done_fn *done, void *context);
/* The same, blocking; *total, if not NULL, is what done would be told. */
int zkq_find_wait(struct zkq *handle, const char *text, int timeout_ms, zkq_match_fn *callback, void *context, int *total);

/* A worker, as a task that waits sees it. */
struct zkq_candidate {
	const char *worker;
	const char *reason;	/* why it takes the task not: "NoMatch(queue)", "Draining", "WorkerLost", "NoSlot", "NoFreeSlot";
				 * NULL = it has room */
	int slots, running, claims;	/* claims: given to it and not ended, running ones included */
	int next;		/* the task would be given to this one, if nothing went before it */
};

struct zkq_explanation {
	const struct zkq_info *info;	/* as zkq_get() tells it */
	const char *const *paths;	/* where it stands in the tree, for zkCli: path_count of them */
	int path_count;
	int64_t higher;			/* waiting tasks of a higher priority in all queues that share a worker with its own;
					 * -1 = it does not wait */
	int64_t before;			/* ... of its own priority and queue that go before it; -1 = not known */
	int64_t behind;			/* ... of its queue that go after it; -1 = not known */
	int leads;			/* a dispatcher does */
	const char *remedy;		/* what would have to change for it to run, one sentence; NULL = it runs or has ended */
	int64_t lost_after_ms;		/* of its worker: if that is lost, so long until its tasks are given to others; 0 = unknown
					 * or it has none */
	const struct zkq_candidate *workers;	/* of a task that waits: worker_count of them, in order of name */
	int worker_count;
};

/* index: of the id in the call. explanation is NULL unless error is ZKQ_OK. */
typedef void zkq_explain_fn(void *context, int index, int error, const struct zkq_explanation *explanation);
/* Why tasks run or do not, by the rules of the dispatcher, from the tree: one callback for each id, as zkq_get().
 * Costs one listing per segment of every queue when one of them waits. Asynchronous; done, which may be NULL, comes
 * last. */
int zkq_explain(struct zkq *handle, const char *const *ids, int count, zkq_explain_fn *callback, zkq_done_fn *done,
    void *context);
int zkq_explain_wait(struct zkq *handle, const char *const *ids, int count, int timeout_ms, zkq_explain_fn *callback,
    void *context);

/* Asks for the end of tasks. One callback for each id: ZKQ_OK: it has ended since (info is the result; a task
 * may still have succeeded); ZKQ_EENDED: had ended before (info is the result); ZKQ_ENOENT ... reason, for
 * people, and callback may be NULL. Asynchronous: callbacks come when the results do, which takes a
 * dispatcher. */
int zkq_cancel(struct zkq *handle, const char *const *ids, int count, const char *reason,
    zkq_info_fn *callback, void *context);
/* The same, blocking. When the time is over an id gets ZKQ_ETIMEOUT: requested, takes effect when a dispatcher
 * and the worker get to it, and ZKQ_OK is returned; or an error when not all could be requested. */
int zkq_cancel_wait(struct zkq *handle, const char *const *ids, int count, const char *reason, int timeout_ms,
    zkq_info_fn *callback, void *context);

/* What is to be changed of tasks that wait. */
struct zkq_update {
	size_t size;			/* sizeof(struct zkq_update) */
	int priority;			/* 0-9; -1 = leave it */
	int64_t time_limit_ms;		/* 0 = none; -1 = leave it */
};
/* Asks for a change of tasks that wait; they keep their place among those of their priority. One callback for each id:
 * ZKQ_OK: it is changed (info is NULL); ZKQ_EBUSY: a worker has it, or had it before the change; ZKQ_EENDED: has
 * ended (info is the result); ZKQ_ENOENT ... The callback may be NULL. Asynchronous: callbacks come when a
 * dispatcher has seen to it. */
int zkq_update(struct zkq *handle, const char *const *ids, int count, const struct zkq_update *update,
    zkq_info_fn *callback, void *context);
/* The same, blocking. When the time is over an id gets ZKQ_ETIMEOUT: requested, takes effect when a dispatcher gets to
 * it, if it still waits then, and ZKQ_OK is returned; or an error when not all could be requested. */
int zkq_update_wait(struct zkq *handle, const char *const *ids, int count, const struct zkq_update *update, int timeout_ms,
    zkq_info_fn *callback, void *context);

/* ---- how the cluster is ---- */

struct zkq_ping_info {
	const char *server;		/* "10.0.0.1:2181" that the session is with; NULL = unknown */
	int64_t session_id;
	int session_timeout_ms;		/* as granted */
	double round_trip_ms;		/* to the ensemble's leader and back */
	int tree;			/* there is a zkq tree at the root */
	int candidates;			/* dispatchers that lead or stand by */
	const char *leader, *leader_host;	/* the dispatcher that leads; NULL = nobody */
	int64_t candidate_since_ms;	/* server time since when it leads or stands by; no znode tells since when it
					 * leads; 0 = nobody leads */
	int queues;			/* 0 for a moment in a new tree: the first leader makes the first one */
};
typedef void zkq_ping_fn(void *context, const struct zkq_ping_info *info);
/* Two round trips, and one callback unless there is an error. A missing tree or leader is none: info tells.
 * Asynchronous; done, which may be NULL, comes last. */
int zkq_ping(struct zkq *handle, zkq_ping_fn *callback, zkq_done_fn *done, void *context);
int zkq_ping_wait(struct zkq *handle, int timeout_ms, zkq_ping_fn *callback, void *context);

enum zkq_level { ZKQ_LEVEL_OK, ZKQ_LEVEL_NOTE, ZKQ_LEVEL_WARNING, ZKQ_LEVEL_ERROR };

struct zkq_finding {
	enum zkq_level level;
	const char *check;	/* name of the check: "session" */
	const char *what;	/* that was looked at: "zk1:2181", "queue default" */
	const char *value;	/* how it is */
	const char *next;	/* what to do: a command or a line of configuration; NULL with ZKQ_LEVEL_OK */
};
typedef void zkq_finding_fn(void *context, const struct zkq_finding *finding);

#define ZKQ_DOCTOR_NO_WRITE 1	/* read only: what we may do, and our clock, stay unknown */

/* Looks at the servers, each by itself, the session, the tree, dispatchers, workers and queues, and calls found
 * for each thing found; in the end. What cannot be learned is left out. Writes nothing that stays: an ephemeral
 * znode for a moment, and creates that the same transaction deletes. ZKQ_EUNREACHABLE: no session within
 * timeout_ms; the findings tell more. Blocking, also as long as the name servers let it. */
int zkq_doctor_wait(struct zkq *handle, int flags, int timeout_ms, zkq_finding_fn *found, void *context);

/* ---- rescue ---- */

struct zkq_purge_options {
	size_t size;		/* sizeof(struct zkq_purge_options); zero the rest before filling it */
	int recursive;		/* delete children that have children, too */
	int dry_run;		/* count only */
	int force;		/* a tree of zkq, too */
	int rate;		/* at most so many a second; 0 = as fast as the ensemble takes it */
	int64_t keep_newer_ms;	/* keep what was created so long ago or less, by our clock; 0 = keep nothing */
};

struct zkq_purge_progress {
	int64_t found;		/* children seen so far; a folder that gets new ones meanwhile is looked at again */
	int64_t deleted;
	int64_t gone;		/* deleted by somebody else meanwhile */
	int64_t kept;		/* too new */
	int64_t full;		/* have children, and stay */
	int64_t refused;	/* not allowed, or not possible */
	const char *path;	/* what has just been refused (error: ZKQ_ENOAUTH ...) or found full (ZKQ_EEXIST); else NULL */
	int error;
};
/* About ten times a second, for each refusal, and in the end. Not 0 = stop: ZKQ_ECANCELLED. */
typedef int zkq_purge_fn(void *context, const struct zkq_purge_progress *progress);

/* Whether the path may be emptied: ZKQ_OK; ZKQ_EEXIST: it is the tree of this handle, or a part of it or above it;
 * ZKQ_EINVAL: no path of a folder, or / or /zookeeper, which are never. */
int zkq_purge_check(struct zkq *handle, const char *path);
/* Deletes the children of any znode, however many; the znode itself stays. What was deleted stays deleted, whatever
 * happens. Outages are ridden out: it is given up when no answer came for timeout_ms (< 0 = never), with
 * ZKQ_EUNREACHABLE or ZKQ_ETIMEOUT. ZKQ_ENOENT: no such znode. ZKQ_EEXIST: it is a tree of zkq, and force is not set.
 * Some may have stayed with ZKQ_OK: the last progress tells. options and callback may be NULL. Blocking. Give the
 * handle a long session_timeout_ms: an answer may have many megabytes. */
int zkq_purge_wait(struct zkq *handle, const char *path, const struct zkq_purge_options *options, int timeout_ms,
    zkq_purge_fn *callback, void *context);

/* A line of text, without its newline; not 0 = stop: ZKQ_ECANCELLED. */
typedef int zkq_line_fn(void *context, const char *line, size_t len);
/* Now and then: how many znodes were read; not 0 = stop. */
typedef int zkq_count_fn(void *context, int64_t count);
/* The next line, without its newline, and its length; NULL at the end. It must live until the next call. */
typedef const char *zkq_source_fn(void *context, size_t *len);

/* Gives the whole tree as lines of JSON (zkq-admin(1)), counted while it is read, then each line. *denied, if not NULL,
 * counts the znodes that may not be read and are left out. Holds the tree in memory. Given up when no answer came for
 * timeout_ms. counted may be NULL. Blocking. */
int zkq_export_wait(struct zkq *handle, int timeout_ms, zkq_line_fn *line, zkq_count_fn *counted, void *context, int *denied);

struct zkq_import_info {
	int64_t line;		/* that is wrong; 0 = none */
	char why[512];		/* what is wrong; "" = the error says it */
	int64_t created;	/* znodes; existed of them were there already */
	int64_t existed;
	int64_t tasks;		/* that wait now, */
	int64_t claimed;	/* of which so many had been given to a worker */
	int64_t inbox, results, dead;
	int64_t lost;		/* had been started and must not run twice: their results say so */
	int64_t ended;		/* seen in two places: the later one counts */
	int64_t ephemerals, strangers;	/* left out */
};
#define ZKQ_IMPORT_FORCE 1	/* into a tree that is there: what exists stays as it is */

/* Makes a tree of an export, with the ACLs of this handle. ZKQ_EINVAL: the lines are no export; nothing was written.
 * ZKQ_EEXIST: there is a tree, or dispatchers run on it. After another error a part of the tree may be there, which no
 * dispatcher takes for one; ZKQ_IMPORT_FORCE goes on. Holds the export in memory. Blocking. */
int zkq_import_wait(struct zkq *handle, int flags, int timeout_ms, zkq_source_fn *source, void *context,
    struct zkq_import_info *info);

struct zkq_fsck_info {
	int64_t znodes, tasks, claims, results, dead;
	int64_t repaired;
	int64_t errors, notes;	/* that are left */
};
#define ZKQ_FSCK_REPAIR 1	/* mends what can be mended safely, each by one transaction that checks what it was made for */

/* Reads the tree twice and tells what both readings found wrong, so that tasks on their way are not mistaken for
 * damage: what is the path; level ZKQ_LEVEL_OK: it has been repaired. Holds the tree in memory. Blocking. */
int zkq_fsck_wait(struct zkq *handle, int flags, int timeout_ms, zkq_finding_fn *found, zkq_count_fn *counted, void *context,
    struct zkq_fsck_info *info);

/* ---- workers, dispatchers, queues ---- */

struct zkq_worker_info {
	const char *name, *host, *version, *log;
	const char *state;		/* "up", "draining": its session is alive; "lost": registered once, session gone,
					 * claims left */
	int slots, running, claims;
	double load1;			/* < 0 = unknown */
	uint64_t mem_total_bytes, mem_free_bytes, disk_free_bytes;	/* 0 = unknown */
	int64_t reported_ms;		/* age of its last report, from which come running, load, memory and disk; -1 =
					 * unknown. It is written when something changes: one that is idle may be old */
	int64_t since_ms;		/* server time of its registration; 0 = unknown */
	int64_t lost_after_ms;		/* if it is lost, so long until its tasks are given to others; 0 = unknown */
	const char *queues;		/* comma-separated */
	const char *json;		/* its record as stored */
};
typedef void zkq_worker_fn(void *context, const struct zkq_worker_info *info);
/* One callback for each, in order of name. Asynchronous; done, which may be NULL, comes last. */
int zkq_workers(struct zkq *handle, zkq_worker_fn *callback, zkq_done_fn *done, void *context);
int zkq_workers_wait(struct zkq *handle, int timeout_ms, zkq_worker_fn *callback, void *context);

struct zkq_dispatcher_info {
	const char *name, *host, *http;
	int leads;
	int64_t since_ms;		/* server time of its candidate znode */
};
typedef void zkq_dispatcher_fn(void *context, const struct zkq_dispatcher_info *info);
/* One callback for each, the leader first; as zkq_workers(). */
int zkq_dispatchers(struct zkq *handle, zkq_dispatcher_fn *callback, zkq_done_fn *done, void *context);
int zkq_dispatchers_wait(struct zkq *handle, int timeout_ms, zkq_dispatcher_fn *callback, void *context);

struct zkq_queue_info {
	const char *name;
	int paused;
	const char *paused_by, *paused_reason;
	int64_t paused_until_ms;	/* on the ensemble's clock; 0 = until it is resumed */
	int64_t paused_left_ms;		/* until then, from the ensemble's clock to ours; -1 = without end */
	int deleting;			/* it takes no more tasks, and is deleted when those that it has have ended */
	int64_t waiting, running, results, dead, inbox;
	int workers;			/* that serve it, lost and draining ones not counted */
	int slots;			/* of these */
	int free_slots;			/* of these, not taken by any queue */
	const char *reason;		/* why its next task of priority 5 would wait, in a word of zkq-status(1): "NoWorker", "NoSlot"
					 * ...; NULL = it would not */
	int64_t done, failed;		/* tasks that its present workers have ended since they were started: done, otherwise */
	int64_t oldest_ms;		/* age of the first live task: from the ensemble's clock to ours, never negative;
					 * -1 = none or unknown */
	const char *json;		/* configuration as stored */
};
typedef void zkq_queue_fn(void *context, const struct zkq_queue_info *info);
/* One callback for each, in order of name; as zkq_workers(). Costs one listing per segment. */
int zkq_queues(struct zkq *handle, zkq_queue_fn *callback, zkq_done_fn *done, void *context);
int zkq_queues_wait(struct zkq *handle, int timeout_ms, zkq_queue_fn *callback, void *context);
/* Sets or clears the pause; takes effect when the leader sees it. for_ms > 0: it ends by itself so long after it was
 * written, by the ensemble's clock; 0 = it stays until it is cleared. reason, for people, may be NULL. Blocking. */
int zkq_queue_pause_wait(struct zkq *handle, const char *queue, int paused, int64_t for_ms, const char *reason,
    int timeout_ms);

/* Makes an empty queue with the default configuration, whole or not at all: ZKQ_OK, ZKQ_EEXIST, ZKQ_ENOTREE ... ZKQ_EUNKNOWN:
 * perhaps; ZKQ_EBUSY: one of this name is still being deleted. One that was begun by hand, without its folder "tasks" and never
 * with a task, is made whole: what is missing is added. Blocking. */
int zkq_queue_create_wait(struct zkq *handle, const char *queue, int timeout_ms);
/* Deletes a queue and waits until it is gone. Without force only an empty one: ZKQ_EBUSY when there are tasks, results or
 * dead letters in it; a task that comes in while it is looked at still runs to its end. With force running tasks are
 * killed, and everything in it is lost. ZKQ_ENOQUEUE: there is none. ZKQ_ETIMEOUT: asked for, takes no more tasks, and
 * goes when a dispatcher has seen to it, and its last task has ended. Blocking. */
int zkq_queue_delete_wait(struct zkq *handle, const char *queue, int force, int timeout_ms);

/* ---- output of a task ---- */

/* stream: 1 stdout, 2 stderr. size 0 = that stream has ended. stream 0: the task was started again, size is the number of
 * the attempt that the output is of from here on (data is NULL). */
typedef void zkq_output_fn(void *context, int stream, const void *data, size_t size);
/* Where output came from. */
enum zkq_output_source {
	ZKQ_OUTPUT_NONE = 0,	/* there is none: the attempt has not begun, or it is not known where its output is */
	ZKQ_OUTPUT_WORKER,	/* all of it from the worker, or the result holds all of it */
	ZKQ_OUTPUT_PART,	/* some could not be fetched from its worker */
	ZKQ_OUTPUT_END,		/* the worker cannot be reached or has it no more, or its disk was full: the end that the result
				 * holds, as standard output when the task wrote to both streams, and then none of it for a
				 * caller that wants one */
	ZKQ_OUTPUT_DROPPED,	/* from the worker, which did not keep all: dropped_bytes are missing */
};

struct zkq_output_options {
	size_t size;		/* sizeof(struct zkq_output_options); zero the rest before filling it */
	int follow;		/* until the task has ended, across attempts and workers, or until the attempt that is asked
				 * for has; else what is there now, and return */
	int streams;		/* 1 stdout, 2 stderr, 0 or 3 both. Without follow stdout comes first, then stderr */
	int attempt;		/* 0 = the present or last one. Workers keep what they have for a while */
	int lines;		/* > 0: only so many last lines of each stream, of the last 4 MiB; then what follows */
	int times;		/* each line that comes from a worker begins with the time when it was written:
				 * "2026-11-20T08:31:02.114Z ", or '-' and spaces when that is not known */
};

/* Gets the output of a task from its worker, which the calling machine must be able to reach. Blocking; output
 * runs meanwhile, and in the end once for each stream with size 0. timeout_ms < 0 = as long as it takes. done
 * (may be NULL): once, when follow is set and no attempt with the result, else with what is known of the task. source may be
 * NULL. Returns ZKQ_OK, whatever source says; ZKQ_ENOENT (no such task), ZKQ_ETIMEOUT (the task goes on) ...
 * */
int zkq_output_wait(struct zkq *handle, const char *id, const struct zkq_output_options *options, int timeout_ms,
    zkq_output_fn *output, zkq_info_fn *done, void *context, enum zkq_output_source *source);
/* The same with follow set, all of both streams; *missed, if not NULL, counts the attempts some output of
 * which could not be fetched. */
int zkq_follow_wait(struct zkq *handle, const char *id, int timeout_ms, zkq_output_fn *output, zkq_info_fn *done,
    void *context, int *missed);

#ifdef __cplusplus
}
#endif
#endif
