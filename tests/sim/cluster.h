/*
 * cluster.h: dispatchers, workers with their runners, and users with their submitters, in virtual time on a
 * simulated ensemble. The step functions are the real ones; the drivers around them are simulated.
 */
#ifndef ZKQ_SIM_CLUSTER_H
#define ZKQ_SIM_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agenda.h"
#include "core/dispatcher.h"
#include "core/submitter.h"
#include "core/worker.h"
#include "ensemble.h"
#include "invariant.h"

#define SIM_ROOT "/zkq"
#define ACTORS_MAX 64

/* The core's SEGMENT_SIZE and RETAIN_DEAD_COUNT in these programs (small.h). */
extern uint32_t sim_segment_size;
extern int64_t sim_dead_count;

/* Protections taken away, for tests of the checker: one bit each. */
enum planted {
	PLANTED_NONE,
	PLANTED_LEADER_CHECK,	/* leaders do not check their candidate */
	PLANTED_LIVE_CHECK,	/* leaders do not check live-<r> when they assign */
	PLANTED_TASK_CHECK,	/* leaders do not check the task when they assign */
	PLANTED_FOLDER_VERSION,	/* leaders revoke without a check of the folder's version */
	PLANTED_SEGMENT_CHECK,	/* submitters do not check that the segment is open */
	PLANTED_LEASE,		/* runners ignore the lease */
	PLANTED_RESEND,		/* submitters send again what had an unknown outcome */
	PLANTED_LOST_AFTER,	/* workers announce a third of the lost_after they use */
	PLANTED_STARTED,	/* workers do not mark claims as started */
	PLANTED_SWEEP,		/* a new life of a worker does not look for what the old one left running */
	PLANTED_RETENTION,	/* leaders remove results without the mark */
	PLANTED_REPORT,		/* workers send the report of their registration for ever */
	PLANTED_UPDATE,		/* leaders give a task its new name in one step, and take the old one away in another */
	PLANTED_SEAL,		/* leaders do not close the tail of a queue that they delete */
	PLANTED_SPLIT,		/* workers finish in two steps: the result first, the claim and the task later */
	PLANTED_COUNT
};

const char *planted_word(enum planted planted);

struct cluster_conf {
	uint64_t seed;
	struct ensemble_conf ensemble;
	int dispatchers, workers, submitters;
	int slots;			/* of each worker */
	int32_t session_timeout_ms;
	int64_t lost_after_ms;
	int segment_size;
	int64_t dead_count;		/* dead letters that are kept */
	int64_t task_min_us, task_max_us;	/* run times */
	uint32_t long_ppm;		/* of the tasks: run 20 times task_max_us */
	uint32_t fail_ppm;		/* of the tasks: exit 1 */
	enum planted planted;
	bool verbose;			/* trace to standard output */
};

enum actor_kind { ACTOR_DISPATCHER, ACTOR_WORKER, ACTOR_SUBMITTER, ACTOR_PERSON };

struct actor;
struct runner;
struct user;
struct cluster;

typedef void line_fn(void *context, const char *line);

struct cluster {
	struct cluster_conf conf;
	struct agenda agenda;
	struct ensemble *ensemble;
	struct invariant *invariant;
	struct actor *actors[ACTORS_MAX];	/* dispatchers, workers, submitters, then the person */
	int actor_count;
	int64_t next_pid;
	uint64_t next_serial;
	line_fn *on_line;	/* each transaction that matters, as one readable line; may be NULL */
	void *line_context;
	void (*on_commit)(void *context, struct actor *actor);	/* after each multi of an actor that was applied; may be NULL */
	void *commit_context;
	bool quiet;		/* no note of NOTE_ERROR is expected */
	uint64_t errors;	/* notes of that level */
	/* Processes that are alive, by pid. */
	bool *alive;
	int64_t alive_room;
	struct sim_inc *incs;
	uint64_t faults;
};

void cluster_conf_default(struct cluster_conf *conf, uint64_t seed);
struct cluster *cluster_new(const struct cluster_conf *conf);
void cluster_free(struct cluster *cluster);

/* NULL, or what is broken. */
const char *cluster_broken(const struct cluster *cluster);
/* Runs until until_us or until something is broken; false then. */
bool cluster_run(struct cluster *cluster, int64_t until_us);
/* "d1", "w2", "s1", "p"; aborts when there is none. */
struct actor *cluster_actor(struct cluster *cluster, const char *name);
const char *actor_name(const struct actor *actor);
enum actor_kind actor_kind(const struct actor *actor);
bool actor_up(const struct actor *actor);
struct client *actor_client(const struct actor *actor);
struct dispatcher *actor_dispatcher(const struct actor *actor);
struct worker *actor_worker(const struct actor *actor);

/* The dispatcher that leads, or NULL. */
struct actor *cluster_leader(struct cluster *cluster);
/* Nothing waits or runs any more: no task, claim, inbox task, cancel request, order, closed segment or folder of
 * a dead incarnation is left, and all users have their answers. With a stream it is told what is left. */
bool cluster_drained(struct cluster *cluster, FILE *stream);
void cluster_print(struct cluster *cluster, FILE *stream);
void cluster_say(struct cluster *cluster, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- lives and faults ---- */

/* Dispatchers and submitters; for a worker the coordinator and its runner. No effect on what is up. */
void actor_start(struct actor *actor);
/* kill -9. A worker's coordinator: the runner starts it again after a while. */
void actor_kill(struct actor *actor);
/* SIGTERM. */
void actor_stop(struct actor *actor);
/* SIGSTOP and SIGCONT. */
void actor_freeze(struct actor *actor, int64_t until_us);
/* kill -9 to a worker's runner: the coordinator kills the tasks and exits. */
void actor_kill_runner(struct actor *actor);
/* kill -9 to both: the tasks end some time later, or when a new life finds them. */
void actor_kill_both(struct actor *actor);
/* The machine restarts: all of it ends at once, and has a new boot id. */
void actor_reboot(struct actor *actor);
/* All dead dispatchers, workers and submitters start. */
void cluster_heal(struct cluster *cluster);

/* ---- users ---- */

enum task_class { CLASS_EXCLUSIVE, CLASS_OVERLAP, CLASS_ONCE };

/* Submits count tasks through the submitter; returns the serial number of the first one ("t<serial>" in traces).
 * All of them are waited for. */
uint64_t user_submit(struct actor *actor, int count, bool batch, int priority, enum task_class class);
/* The same with an idempotency key. */
uint64_t user_submit_key(struct actor *actor, const char *key);
/* Cancels the task with that serial number, if its id is known. */
bool user_cancel(struct actor *actor, uint64_t serial);
/* Asks for another priority (-1 = leave it) and time limit (-1 = leave it) and waits for what becomes of that. */
bool user_update(struct actor *actor, uint64_t serial, int priority, int64_t time_limit_ms);
/* What the last one came to: "requested", "updated", "busy", "ended", "no task", or "" as long as nothing is known. */
const char *user_update_knows(struct actor *actor, uint64_t serial);
/* One of the tasks that are accepted and not known to have ended, or 0. */
uint64_t user_pick(struct actor *actor);
/* Gives up one of the calls, if any is open. */
void user_give_up(struct actor *actor);
/* What was refused must not be in the tree after all. */
void user_check(struct actor *actor);
/* What became of it, as the user knows: "pending", "accepted", "refused", "unknown", or a state ("done"). */
const char *user_knows(struct actor *actor, uint64_t serial);
/* Calls without an answer. */
int user_waiting(const struct actor *actor);

/* ---- the person with zkCli ---- */

uint64_t person_inbox(struct cluster *cluster, bool valid);
/* Cancels by id without asking: creates cancel/<seg> and the request. */
void person_cancel(struct cluster *cluster, const char *queue, uint32_t seg, const char *token);
/* Deletes the znode of a task from the inbox, wherever it has been moved to. */
void person_remove(struct cluster *cluster, uint64_t serial);
void person_cancel_serial(struct cluster *cluster, uint64_t serial);
/* Asks for a change with the given data, of any id ("default.0.abc..."); the folders are made. */
void person_update(struct cluster *cluster, const char *id, const char *json);
/* Marks the queue as one to be deleted; makes one as zkq queue create does, when there is none. */
void person_delete_queue(struct cluster *cluster, const char *queue, bool force);
void person_create_queue(struct cluster *cluster, const char *queue);
/* Puts a child below the task's znode. */
void person_child(struct cluster *cluster, uint64_t serial);
/* Removes them all again. */
void person_tidy(struct cluster *cluster);
void person_delete(struct cluster *cluster, const char *path);
/* Deletes a candidate, a worker or a live-<r>, one that is there. */
void person_delete_ephemeral(struct cluster *cluster);
void person_configure(struct cluster *cluster, const char *queue, const char *json);

/* ---- for cluster.c, runner.c and user.c ---- */

void actor_event(struct actor *actor, struct event *event);
int64_t actor_now_ms(const struct actor *actor);
struct runner *runner_new(struct cluster *cluster, struct actor *actor);
void runner_free(struct runner *runner);
void runner_begin(struct runner *runner, const struct process_id *process);	/* a new life */
void runner_end(struct runner *runner, bool lingering);
void runner_hello(struct runner *runner);
void runner_effect(struct runner *runner, const struct effect *effect);
bool runner_up(const struct runner *runner);
int runner_running(const struct runner *runner);
struct user *user_new(struct cluster *cluster, struct actor *actor);
void user_free(struct user *user);
void user_answer(struct user *user, const struct answer *answer);
void user_forget(struct user *user);
int user_open(const struct user *user);
struct user *actor_user(struct actor *actor);
struct cluster *actor_cluster(struct actor *actor);
/* After a runner's message to its coordinator: life must still be the same. */
uint64_t actor_life(const struct actor *actor);
bool actor_frozen(const struct actor *actor, int64_t *until_us);
void actor_coordinator_start(struct actor *actor);
void process_ended(struct cluster *cluster, int64_t pid);
bool process_alive(const struct cluster *cluster, int64_t pid);
const char *actor_host(const struct actor *actor);
const char *actor_boot(const struct actor *actor);
/* Attempts of dead lives that still run on the actor's host, of inc or ("") of any but the present one, end now. */
void runner_sweep(struct runner *runner, const char *inc);

#endif
