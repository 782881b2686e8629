/*
 * state.h: what a dispatcher remembers; shared by the files of its step function.
 *
 * The leader's picture of the tree:
 *
 *     dispatcher
 *       folders      one per incarnation of a worker, with its claims
 *       queues       with segments (their tasks, sorted by sequence), classes (their lanes of waiting
 *                    tasks, one heap per priority), cancel requests, inbox, results to retain
 *
 * Two things talk to ZooKeeper. A poll is one read that may be wanted again and again: at most one is
 * outstanding, a want in between makes it dirty, and a pause follows each answer. An act is one multi;
 * leader_act() begins it with the check of the own candidate.
 *
 * Everything here is freed when the dispatcher steps down; replies to what it asked before are told by
 * the generation in their tag and dropped.
 */
#ifndef ZKQ_CORE_DISPATCHER_STATE_H
#define ZKQ_CORE_DISPATCHER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dispatcher.h"
#include "core/limits.h"
#include "core/place.h"
#include "core/plan.h"
#include "core/rng.h"

/* A hash table that runs out of memory fails the plan; what could not be added is not in it. Every
 * function that adds has a variable named d. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) (d->plan->failed = true)
#include <uthash.h>

#define READS_IN_FLIGHT_MAX 128	/* of the polls; leaves the larger part of the window to multis */
#define REVOKES_MAX 100		/* claims in one revoking multi: up to four ops each */
#define DELETES_MAX 250		/* znodes removed by one multi */
#define RETRY_PAUSE_MS 1000	/* before what was refused for no reason of ours is tried again */
#define STRANGER_PAUSE_MS 60000	/* a folder that something strange keeps in the tree is looked at this often */
#define CLASS_PAUSE_MS 10000	/* before a class that could not be read is looked at again */
#define SAMPLES_MAX 16		/* results looked at to estimate the bytes of a segment */

struct poll;
struct act;
struct folder;
struct queue;
struct segment;
struct class;
struct task;
struct claim;
struct wish;
struct wish_folder;
struct retention;
struct shard;
struct deletion;

/* What people ask of single tasks. */
enum wish_kind { WISH_CANCEL, WISH_UPDATE, WISH_KINDS };

typedef void poll_got(struct dispatcher *d, struct poll *poll, const struct reply *reply);
typedef void act_done(struct dispatcher *d, struct act *act, const struct reply *reply);

/* ---- reads ---- */

struct poll {
	uint64_t id;
	UT_hash_handle hh;
	struct poll *prev, *next;	/* the agenda: polls that want to be sent */
	bool queued, busy, dirty;
	uint32_t sent;			/* how many were sent: tells an answer from one asked for before */
	int64_t not_before_ms;
	int64_t pause_min_ms;
	enum request_kind kind;
	struct node node;
	char *text;			/* owns node.text */
	enum record_kind record_kind;
	bool watch;
	poll_got *got;			/* may free the poll */
	void *owner;
};

/* NULL when memory runs out (the plan has failed then). Every other function takes NULL. */
struct poll *poll_new(struct dispatcher *d, enum request_kind kind, struct node node, enum record_kind record_kind,
    bool watch, poll_got *got, void *owner);
void poll_free(struct dispatcher *d, struct poll *poll);
/* One more read after this step; answers to earlier ones do not count as its answer. */
void poll_want(struct dispatcher *d, struct poll *poll);
/* The same, but not before at_ms. */
void poll_want_at(struct dispatcher *d, struct poll *poll, int64_t at_ms);
/* Sends what is wanted and due, as far as the window allows. */
void polls_run(struct dispatcher *d);
void poll_reply(struct dispatcher *d, const struct reply *reply);
/* Forgets the pauses: after a reconnect everything wanted is due. */
void polls_free_all(struct dispatcher *d);

/* ---- writes ---- */

struct act {
	uint64_t id;
	UT_hash_handle hh;
	struct request *multi;	/* valid while the act is being made, until the next effect is appended */
	act_done *done;
	void *owner;
	void **items;		/* of any kind, owned as an array */
	int item_count, item_room;
	int mark;		/* of whoever made it */
};

/* Begins a multi with the check of the own candidate; NULL when memory runs out. */
struct act *leader_act(struct dispatcher *d, act_done *done, void *owner);
bool act_item(struct dispatcher *d, struct act *act, void *item);
void act_reply(struct dispatcher *d, const struct reply *reply);
void acts_free_all(struct dispatcher *d);
/* Whether it is unknown if the multi was applied. */
bool outcome_unknown(enum rc rc);

/* ---- tasks ---- */

enum phase {
	TASK_UNREAD,	/* its segment's retry records have not been listed yet */
	TASK_READING,	/* aux.fetch reads its retry record */
	TASK_WAITING,	/* in a lane, aux.position */
	TASK_CLAIMED,	/* aux.claim, whatever that one's phase */
	TASK_DOUBT,	/* aux.mark: a listing sent later than that decides */
	TASK_ENDING,	/* a multi that ends or changes it is out */
	TASK_ASIDE,	/* cannot be read or checked; left alone */
};

struct task {
	struct segment *segment;
	struct class *class;
	union {
		struct poll *fetch;
		uint32_t position;
		struct claim *claim;
		uint32_t mark;
	} aux;
	uint64_t key_hash;
	int64_t seen_ms;	/* since when it has been seen waiting, for metrics */
	uint32_t seq;
	uint32_t runs, crashes;	/* of the retry record, when retry_known */
	uint8_t priority;
	uint8_t phase;
	bool retry_known : 1;	/* runs, crashes, suspect are what the tree says */
	bool retry_there : 1;	/* a retry record exists (when retry_known) */
	bool suspect : 1;
	bool wished : 1;	/* a request about it is in the queue's wishes */
	bool whole : 1;		/* as in its name */
	char token[TOKEN_MAX + 1];
};

/* Waiting tasks of one class, priority and suspicion: a heap by (segment, sequence). */
struct lane {
	struct task **heap;
	uint32_t count, room;
};

enum class_phase { CLASS_READING, CLASS_KNOWN, CLASS_BAD };

struct class {
	uint64_t hash;
	UT_hash_handle hh;
	struct queue *queue;
	struct poll *read;
	enum class_phase phase;
	bool there;		/* its znode was there when it was read */
	bool said;		/* the note about its being bad was written */
	bool listed;		/* seen in the last listing of classes */
	enum class_mode mode;
	uint32_t crash_limit;
	uint32_t tasks;		/* that name it */
	struct lane lanes[PRIORITY_MAX + 1][2];	/* second index: suspects */
};

/* Adds a task that the tree shows. NULL when memory runs out. Its phase is UNREAD and it is in no lane. */
struct task *task_new(struct dispatcher *d, struct segment *segment, const struct task_name *name);
/* It is no longer in the tree (or not ours any more). */
void task_gone(struct dispatcher *d, struct task *task);
/* Into its lane, or to its cancel request. Reads the retry record before if it is not known. */
void task_wait(struct dispatcher *d, struct task *task);
/* A listing of its segment must tell whether it is there. */
void task_doubt(struct dispatcher *d, struct task *task);
void task_aside(struct dispatcher *d, struct task *task, const char *why);
/* Out of whatever phase it is in: leaves lane, frees its fetch. Its claim is the caller's. */
void task_leave(struct dispatcher *d, struct task *task);
struct task_name task_name_of(const struct task *task);
struct node task_node(const struct task *task);
struct node retry_node(const struct task *task);
/* "render.4.k3v9q7xa2m4t", in the plan's arena. */
const char *task_words(struct dispatcher *d, const struct task *task);
struct task *lane_first(const struct lane *lane);
struct class *class_of(struct dispatcher *d, struct queue *queue, uint64_t hash);
void class_free(struct dispatcher *d, struct class *class);

/* ---- segments and queues ---- */

struct batch_use {
	char batch[TOKEN_LEN + 1];
	uint32_t refs;		/* tasks that name it */
	bool there, ending;	/* ending: a delete is out */
	bool stuck;		/* was refused; tried again when the segment is to be deleted */
};

struct segment {
	uint32_t seg;
	UT_hash_handle hh;
	struct queue *queue;
	struct poll *list;	/* of tasks/<seg> */
	struct poll *retries;	/* of retry/<seg>, once, when taken over */
	bool listed, retries_listed, final, known;	/* known: seen in a listing of tasks */
	bool gone;
	bool in_tree;		/* in the listing of tasks at hand */
	bool counted;		/* in queue->unread */
	uint32_t doubts;
	struct task **tasks;	/* by sequence */
	uint32_t task_count, task_room;
	struct batch_use *batches;
	uint32_t batch_count, batch_room, batches_free;
	int acts;		/* multis out that point here */
	/* closing: see segment_close() */
	bool closing;
	bool orphans;		/* retry records without a task are to be removed */
	bool done_missing, dead_missing, retry_missing, keep_dead;
	bool stuck_said;
	struct poll *results;
	struct poll *samples[SAMPLES_MAX];
	int sample_count, samples_left, samples_ok;
	int64_t sample_bytes, result_count;
	int64_t close_at_ms;
};

struct inbox_task;

struct inbox {
	struct poll *list;
	struct inbox_task *tasks;	/* hash by name */
	struct inbox_task *fresh;	/* list: not read yet, oldest first */
	struct inbox_task *window;	/* list: being read, or read; in the order in which they will move */
	int window_count;
	bool moving, opening;	/* a multi that moves is out; one that creates a class or a shard is */
	int most;		/* tasks in one multi; smaller after one that was too large */
	int64_t not_before_ms;
};

/* moved/<shard>: a folder of inbox names that were moved. */
struct shard {
	uint32_t shard;
	UT_hash_handle hh;
};

struct queue {
	char name[QUEUE_NAME_MAX + 1];
	UT_hash_handle hh;
	struct poll *config, *tail;
	struct poll *wish_lists[WISH_KINDS];	/* of cancel, of update */
	bool listed;		/* in the last listing of queues */
	bool gone, config_read, tail_read, ready;
	bool deleting, delete_force;	/* as its record says: deletion.c */
	bool burying;		/* the multi that makes it deleted is out, or its outcome is unknown: nothing else is begun */
	bool deleted;
	uint32_t next;		/* deleted: the segment that the next of its name begins with */
	uint32_t claims;	/* of its tasks */
	int32_t config_version;
	struct deletion *deletion;
	bool wishes_listed[WISH_KINDS];
	bool wishes_read;	/* what was asked of its tasks at take-over is known: until then nothing is placed */
	bool wish_place_out;	/* a multi that creates the folder update is out */
	bool paused;
	int64_t pause_end_ms;	/* on the servers' clock; NEVER = when it is resumed */
	int64_t waiting_max, retain_age_ms, retain_count, retain_bytes;
	uint32_t tail_seg;
	struct poll *tail_data;	/* data of tasks: says which segment is the tail */
	uint32_t *strays;	/* those of these numbers that are beyond the tail are a stranger's, and left alone */
	uint32_t stray_count;
	uint32_t *unproven;	/* a listing with numbers beyond the tail that is known: tail_data will tell */
	uint32_t unproven_count, unproven_mark;	/* mark: only an answer sent for after it tells */
	enum rc broken;		/* its parts cannot be read, and that has been said; RC_OK = not so */
	uint32_t unread;	/* segments whose first listings are missing */
	struct segment *segments;
	struct class *classes;
	struct class *class_turn;
	uint32_t waiting;	/* in lanes */
	uint32_t claimed;
	struct queue_counts counts;
	uint32_t waiting_at[PRIORITY_MAX + 1];
	bool rolling;
	struct inbox inbox;
	struct wish_folder *wish_folders;
	struct wish *wishes_due;	/* list of those to look at */
	int wishes_acting;
	struct shard *shards;
	struct retention *retention;
};

struct shard *shard_find(struct queue *queue, uint32_t shard);
struct shard *shard_add(struct dispatcher *d, struct queue *queue, uint32_t shard);
struct queue *queue_find(struct dispatcher *d, const char *name);
struct queue *queue_of(struct dispatcher *d, const char *name);	/* makes it; NULL when memory runs out */
void queue_free(struct dispatcher *d, struct queue *queue);
void default_seen(struct dispatcher *d, struct poll *poll, const struct reply *reply);
void queues_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply);
void queue_check_ready(struct dispatcher *d, struct queue *queue);
void queue_watch(struct dispatcher *d, const struct node *node);
/* Ends a pause whose time is over; wakes for the end of one that goes on. */
void queue_pause_run(struct dispatcher *d, struct queue *queue);
/* The open segment is full: open the next one. */
void queue_roll(struct dispatcher *d, struct queue *queue);
bool queue_create(struct dispatcher *d, const char *name);

struct segment *segment_find(struct queue *queue, uint32_t seg);
struct segment *segment_of(struct dispatcher *d, struct queue *queue, uint32_t seg);	/* makes it */
void segment_free(struct dispatcher *d, struct segment *segment);
/* Starts reading it. taken_over: it may hold retry records. */
void segment_read(struct dispatcher *d, struct segment *segment, bool taken_over);
struct task *segment_by_name(const struct segment *segment, const struct task_name *name);
struct task *segment_by_token(const struct segment *segment, const char *token);
bool segment_put(struct dispatcher *d, struct segment *segment, struct task *task);
void segment_drop(struct dispatcher *d, struct segment *segment, struct task *task);
/* Deletes unused batches; closes it when it is final and empty. */
void segment_tend(struct dispatcher *d, struct segment *segment);
/* The folder is no longer in the tree. */
void segment_vanished(struct dispatcher *d, struct segment *segment);

/* ---- incarnations and claims ---- */

enum claim_phase {
	CLAIM_SENDING,	/* its assign is out */
	CLAIM_FROZEN,	/* its assign has an unknown outcome */
	CLAIM_HELD,
	CLAIM_REVOKING,	/* a multi that deletes it is out */
};

enum started { STARTED_UNKNOWN, STARTED_NO, STARTED_YES };

struct claim {
	uint64_t n;
	UT_hash_handle hh;
	struct folder *folder;
	struct task *task;
	struct fence fence;
	uint32_t run;
	uint8_t phase;
	uint8_t started;
	uint8_t orders;		/* bits of verbs that are in the folder */
	bool seen;		/* in the listing at hand */
	/* what a revoke learned from a refusal: */
	bool retry_create;	/* the retry record must be created, although run says otherwise */
	bool retry_set;		/* ... must be set */
	bool retry_folder;	/* ... its folder must be created */
	bool retry_gone;	/* there is none to delete */
	bool task_missing;	/* somebody deleted the task: only the claim is left to delete */
	/* ... and where its ops stand in the multi that is out; 0 = not in it */
	uint8_t fate;
	int op_claim, op_task, op_retry, op_folder, op_result, op_orders, op_end;
	struct poll *fetch;	/* what a revoke must know: retry record, started mark, text */
	char *text;		/* of a task that becomes a dead letter */
	size_t text_len;
	bool text_read;
};

enum live { LIVE_UNREAD, LIVE_THERE, LIVE_MISSING };

struct folder {
	char key[WORKER_NAME_MAX + 1 + INC_MAX + 1];	/* "<worker>.<inc>" */
	char worker[WORKER_NAME_MAX + 1];
	char inc[INC_MAX + 1];
	UT_hash_handle hh;
	struct poll *list, *report, *live_poll, *record;
	struct poll *count;	/* how many children it has, when it may not be listed; NULL at other times */
	bool in_tree;		/* in the listing of assign at hand */
	bool listed, reported, taken;	/* taken: all of it has been read once */
	bool record_read, bad_said, gone;
	int acts;		/* multis out that point here */
	/* the report */
	int32_t version;
	int64_t lost_after_ms;
	uint32_t r;
	uint64_t low;
	struct range *done;
	int done_count;
	uint64_t returned_total, returned_base;	/* base: total when all claims were last compared */
	uint64_t *returned;
	int returned_count;
	int slots, ahead, in_use;
	bool draining;
	struct tally *tallies;	/* what it said of each queue; NULL before the first report */
	int tally_count;
	/* the session */
	enum live live;
	bool sight;		/* live- was missing when the folder had lost_version */
	int32_t lost_version;
	int64_t lost_since_ms;
	uint32_t sight_mark;	/* report->sent when live- was found missing */
	bool lost_said;
	bool record_known;	/* the worker's record belongs to this incarnation */
	char (*queues)[QUEUE_NAME_MAX + 1];
	int queue_count;
	/* claims */
	struct claim *claims;	/* hash by n */
	uint64_t next_n;
	uint32_t unresolved;
	uint32_t unresolved_at[PRIORITY_MAX + 1];
	uint32_t release_ordered;
	struct act *assign;	/* out */
	bool settle;		/* an outcome is unknown: list, then read the report */
	uint32_t settle_list, settle_report;	/* sent counts that their answers must exceed */
	bool settle_listed;
	bool revoking, deleting, ordering;
	bool sight_stale;	/* lost_version was refused: the report must be read first */
	bool delete_asked;	/* a listing is to tell whether it is empty ... */
	uint32_t delete_mark;	/* ... sent after this one */
	bool delete_said;
	int64_t not_before_ms;	/* assigns */
	int64_t revoke_at_ms;	/* revokes: pause after a refusal */
	struct claim *picked[MULTI_TASKS_MAX];	/* by the placement at hand */
	int picked_count;
	struct node *strays;	/* orders without a claim, found by the last listing */
	int stray_count;
};

/* What a report said of one queue. */
struct tally {
	char queue[QUEUE_NAME_MAX + 1];
	uint64_t done, failed;
};

/* Where the numbers of a lost incarnation ended: its runner may live, and come back after its folder was deleted. */
struct lost_numbers {
	char key[WORKER_NAME_MAX + 1 + INC_MAX + 1];
	UT_hash_handle hh;
	uint64_t next_n;
};

void lost_numbers_free(struct dispatcher *d);
void folders_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply);
void folder_free(struct dispatcher *d, struct folder *folder);
void folder_watch(struct dispatcher *d, const struct node *node);
/* An outcome in this folder is unknown: reads listing and report again, in this order. */
void folder_settle(struct dispatcher *d, struct folder *folder);
/* A multi that points here is answered; frees the folder when it is gone and this was the last. */
void folder_act_done(struct dispatcher *d, struct folder *folder);
void folder_vanished(struct dispatcher *d, struct folder *folder);
/* Compares claims with the report at hand. */
void folder_compare(struct dispatcher *d, struct folder *folder);
/* live- was found missing. */
void folder_missing(struct dispatcher *d, struct folder *folder);
bool folder_serves(const struct folder *folder, const char *queue);
struct claim *claim_new(struct dispatcher *d, struct folder *folder, uint64_t n, struct task *task, uint32_t run,
    struct fence fence);
/* Forgets it; the task's next phase is the caller's. */
void claim_free(struct dispatcher *d, struct claim *claim);
struct node claim_node(const struct claim *claim);

/* Revokes what is due in lost folders, deletes empty ones; wakes for the next. */
void revoke_run(struct dispatcher *d);
/* Reads the retry record of a claim's task; when it is known another placement is due. */
void claim_learn(struct dispatcher *d, struct claim *claim);
void assign_run(struct dispatcher *d);
/* Orders back unstarted claims of lower priority where a worker holds more than it wants. */
void release_run(struct dispatcher *d, struct folder *folder);

/* ---- counts: count.c ---- */

void count_assigned(struct dispatcher *d, const struct claim *claim);
/* What a report says of ended tasks, compared with the one before. */
void count_report(struct dispatcher *d, struct folder *folder, const struct rec_report *report);
/* The leader has ended a task itself, one of the queue's counts. */
void count_end(struct dispatcher *d, uint64_t *count);

/* ---- inbox, requests about tasks, retention ---- */

void inbox_start(struct dispatcher *d, struct queue *queue);
void inbox_end(struct dispatcher *d, struct queue *queue);
void inbox_run(struct dispatcher *d, struct queue *queue);

void wishes_start(struct dispatcher *d, struct queue *queue);
void wishes_end(struct dispatcher *d, struct queue *queue);
void wishes_watch(struct dispatcher *d, struct queue *queue, const struct node *node);
/* What stood between a request and its fulfilment may have changed. */
void wishes_task(struct dispatcher *d, struct task *task);
void wishes_segment(struct dispatcher *d, struct queue *queue, uint32_t seg);
void wishes_tail(struct dispatcher *d, struct queue *queue);
/* Requests of this segment are there, or their folder is. */
bool wishes_pending(struct queue *queue, uint32_t seg);
bool wishes_folder(struct queue *queue, enum wish_kind kind, uint32_t seg);
void wishes_folder_gone(struct dispatcher *d, struct queue *queue, enum wish_kind kind, uint32_t seg);
void wishes_run(struct dispatcher *d, struct queue *queue);
bool wishes_idle(const struct queue *queue);	/* nothing of them is out */
/* Orders the worker to kill it. */
void claim_kill(struct dispatcher *d, struct claim *claim);

void retention_start(struct dispatcher *d, struct queue *queue);
void retention_end(struct dispatcher *d, struct queue *queue);
void retention_run(struct dispatcher *d, struct queue *queue);
bool retention_idle(const struct queue *queue);
/* Its record was read: true when it is deleted, and the record tells nothing else. */
bool deletion_told(struct dispatcher *d, struct queue *queue, const struct rec_queue *record, int32_t version);
/* A deleted one is another queue now. False when that must be looked at again later. */
bool deletion_over(struct dispatcher *d, struct queue *queue);
void deletion_run(struct dispatcher *d, struct queue *queue);
void deletion_end(struct dispatcher *d, struct queue *queue);
/* One more segment is stamped. */
void retention_stamped(struct dispatcher *d, struct queue *queue);

/* ---- the dispatcher ---- */

enum standing {
	STAND_NOT,	/* no session */
	STAND_BOOT,	/* making the tree */
	STAND_CREATE,	/* the candidate is being created */
	STAND_FIND,	/* its creation has an unknown outcome: looking for it */
	STAND_OWN,	/* reading the own candidate */
	STAND_RANK,	/* listing the candidates */
	STAND_BEHIND,	/* not the lowest */
	STAND_LEADING,
	STAND_LATER,	/* something was refused: again at stand_at_ms */
};

#define SUSPECTS_MAX 8	/* more dead candidates of one host are found in the next round */

struct dispatcher {
	char *name, *host, *boot, *http, *by;
	int64_t pid;
	uint64_t start;
	struct rng rng;
	/* of the step at hand */
	struct plan *plan;
	int64_t now_ms, wall_ms;
	/* the session */
	bool connected;
	int64_t session_id;
	char uuid[UUID_LEN + 1];
	uint32_t generation;	/* in the tags of what a leader asks */
	uint32_t election_turn;	/* in the tags of what a candidate asks */
	/* the election */
	enum standing standing;
	bool booted;
	int boot_left;
	bool boot_again;
	enum rc boot_said;	/* what was last said to be wrong with the tree: not said again */
	char *mine, *before;	/* candidates: the own one, the one to watch */
	int64_t stand_at_ms;
	uint64_t czxid;
	uint64_t claim_base;	/* claims of new folders are numbered above this: no number is used twice */
	char *find_name;	/* candidate whose owner is being looked at */
	char *suspects[SUSPECTS_MAX];	/* candidates whose processes are being probed */
	int suspect_count;
	/* the leader */
	bool folders_ready;	/* what was there at take-over has been read */
	bool assign_listed, queues_listed, ready_said;
	struct poll *assign_list, *queue_list, *default_look;
	struct folder *folders;
	struct lost_numbers *lost_numbers;
	struct queue *queues;
	struct queue *queue_turn;
	struct poll *polls;	/* hash by id */
	struct poll *agenda, *agenda_last;
	struct act *acts;
	uint64_t next_id;
	int reads_out;
	uint64_t fence_counter;
	uint64_t waiting_at[PRIORITY_MAX + 1];
	bool place_due;
	int place_turn;
	struct place_worker *place_workers;
	struct folder **place_folders;
	int place_room;
	struct folder *kept;	/* gets no task at or below kept_priority but a suspect; never followed, only compared */
	int kept_priority;
	bool server_time_known;
	int64_t server_ahead_ms;	/* server clock - now_ms, at most */
	/* counts for the view */
	uint64_t waiting, claimed, frozen, segments, set_aside;
	uint64_t assigned_total, revoked_total, refused_total, fenced_total, elections_won_total, elections_lost_total;
	struct histogram dispatch;
	int64_t last_assign_wall_ms, last_end_wall_ms;
	bool stopping;
};

/* Tags: kind of request, then the generation. */
enum tag_kind { TAG_ELECTION = 1, TAG_POLL, TAG_ACT };
#define TAG(kind, generation) ((uint32_t)(kind) | (uint32_t)(generation) << 4)
#define TAG_KIND(tag) ((tag) & 15)
#define TAG_GENERATION(tag) ((tag) >> 4)
#define GENERATION_MASK 0x0fffffff

/* Zeroed memory that lives until free(); NULL fails the plan. */
void *take(struct dispatcher *d, size_t size);
char *take_string(struct dispatcher *d, const char *string);
/* Room for one more element; false fails the plan. */
bool grow(struct dispatcher *d, void **array, uint32_t count, uint32_t *room, size_t size);

void election_connected(struct dispatcher *d, bool fresh);
void election_lost(struct dispatcher *d);		/* the session is over */
void election_reply(struct dispatcher *d, const struct reply *reply);
void election_watch(struct dispatcher *d, const struct node *node);
void election_tick(struct dispatcher *d);
void election_remove(struct dispatcher *d, const char *name);	/* the candidate of a dead process */

/* predecessor.c */
void predecessor_seen(struct dispatcher *d, const struct reply *reply);	/* a candidate before the own one was read */
void predecessor_probed(struct dispatcher *d, uint64_t arg, bool dead);
void predecessor_forget(struct dispatcher *d);
/* The own candidate is gone or the session is: forget all that a leader knows, stand again. */
void step_down(struct dispatcher *d, const char *why);
void bootstrap(struct dispatcher *d);
void bootstrap_reply(struct dispatcher *d, const struct reply *reply);

/* Takes over: reads everything in the order that correctness wants. */
void leader_start(struct dispatcher *d);
void leader_stop(struct dispatcher *d);
void leader_reconnected(struct dispatcher *d);
void leader_watch(struct dispatcher *d, const struct node *node);
void leader_run(struct dispatcher *d);
void leader_folders_read(struct dispatcher *d);
struct node own_node(struct dispatcher *d);
void server_time(struct dispatcher *d, int64_t time_ms);
int64_t server_now(const struct dispatcher *d);

#endif
