#include "cluster.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "codec/hash.h"
#include "codec/json.h"
#include "codec/path.h"
#include "codec/wire.h"
#include "core/lease.h"

#define SPINS_MAX 2000	/* steps of one actor in one millisecond: more is a loop */

uint32_t sim_segment_size = 500;
int64_t sim_dead_count = 10000;

/* A request without its reply. */
struct pending {
	struct pending *next, **link;
	struct actor *actor;
	struct wire_pending wire;
	char *text;		/* of wire.node */
	struct arena arena;	/* the raw request, where it may be sent again */
	struct raw_request raw;
	enum rc rc;		/* refused before it was sent */
};

struct probe {
	uint64_t arg;
	bool dead;
	uint64_t life;
};

#define PROBES 16	/* answered within a millisecond each */

struct actor {
	struct cluster *cluster;
	enum actor_kind kind;
	char name[16], host[32], boot[48];
	bool up;
	int64_t frozen_until_us;
	uint64_t life;
	void *state;
	void (*step)(void *state, const struct event *event, struct plan *plan);
	struct client *client;
	struct plan plan;
	struct arena replies, requests;
	struct pending *pendings;
	int64_t wake_us;
	uint64_t wake_generation;
	int64_t spin_ms;
	int spins;
	int64_t clock_ms, wall_ms;	/* what its clocks are ahead */
	int64_t clock_ppm;		/* and how much faster than virtual time the first one is */
	struct process_id process;
	bool exiting;		/* FX_EXIT */
	bool stepping;
	int reboots;
	struct probe probes[PROBES];
	int probe_next;
	struct runner *runner;
	struct user *user;
	struct rec_report first_report;	/* PLANTED_REPORT */
	bool has_first_report;
};

/* Incarnations by number, for traces. */
struct sim_inc {
	struct sim_inc *next;
	char worker[WORKER_NAME_MAX + 1], inc[INC_MAX + 1];
	int number;
};

const char *
planted_word(enum planted planted)
{
	static const char *const words[PLANTED_COUNT] = {
		[PLANTED_NONE] = "none",
		[PLANTED_LEADER_CHECK] = "leader-check",
		[PLANTED_LIVE_CHECK] = "live-check",
		[PLANTED_TASK_CHECK] = "task-check",
		[PLANTED_FOLDER_VERSION] = "folder-version",
		[PLANTED_SEGMENT_CHECK] = "segment-check",
		[PLANTED_LEASE] = "lease",
		[PLANTED_RESEND] = "resend",
		[PLANTED_LOST_AFTER] = "lost-after",
		[PLANTED_STARTED] = "started",
		[PLANTED_SWEEP] = "sweep",
		[PLANTED_RETENTION] = "retention",
		[PLANTED_REPORT] = "report",
		[PLANTED_UPDATE] = "update",
		[PLANTED_SEAL] = "seal",
		[PLANTED_SPLIT] = "split",
	};

	return words[planted];
}

static void *
need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

void
cluster_say(struct cluster *cluster, const char *format, ...)
{
	va_list list;

	if (!cluster->conf.verbose)
		return;
	printf("%12.6f  ", (double)cluster->agenda.now_us / 1e6);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

/* ---- small questions ---- */

const char *actor_name(const struct actor *actor) { return actor->name; }
enum actor_kind actor_kind(const struct actor *actor) { return actor->kind; }
bool actor_up(const struct actor *actor) { return actor->up; }
struct client *actor_client(const struct actor *actor) { return actor->client; }
struct user *actor_user(struct actor *actor) { return actor->user; }
struct cluster *actor_cluster(struct actor *actor) { return actor->cluster; }
uint64_t actor_life(const struct actor *actor) { return actor->life; }
const char *actor_host(const struct actor *actor) { return actor->host; }
const char *actor_boot(const struct actor *actor) { return actor->boot; }

struct dispatcher *
actor_dispatcher(const struct actor *actor)
{
	return actor->kind == ACTOR_DISPATCHER && actor->up ? actor->state : NULL;
}

struct worker *
actor_worker(const struct actor *actor)
{
	return actor->kind == ACTOR_WORKER && actor->up ? actor->state : NULL;
}

int64_t
actor_now_ms(const struct actor *actor)
{
	int64_t now_us = actor->cluster->agenda.now_us;

	return (now_us + now_us / 1000 * actor->clock_ppm / 1000) / 1000 + actor->clock_ms;
}

bool
actor_frozen(const struct actor *actor, int64_t *until_us)
{
	*until_us = actor->frozen_until_us;
	return actor->up && actor->frozen_until_us > actor->cluster->agenda.now_us;
}

bool
process_alive(const struct cluster *cluster, int64_t pid)
{
	return pid > 0 && pid < cluster->alive_room && cluster->alive[pid];
}

void
process_ended(struct cluster *cluster, int64_t pid)
{
	if (pid > 0 && pid < cluster->alive_room)
		cluster->alive[pid] = false;
}

static struct process_id
process_new(struct actor *actor)
{
	struct cluster *cluster = actor->cluster;
	int64_t pid = ++cluster->next_pid;

	if (pid >= cluster->alive_room) {
		int64_t room = pid * 2 + 64;

		cluster->alive = need(realloc(cluster->alive, (size_t)room * sizeof *cluster->alive));
		memset(cluster->alive + cluster->alive_room, 0, (size_t)(room - cluster->alive_room) * sizeof *cluster->alive);
		cluster->alive_room = room;
	}
	cluster->alive[pid] = true;
	return (struct process_id){ .host = actor->host, .boot = actor->boot, .pid = pid, .start = (uint64_t)pid * 100 };
}

static void
process_end(struct cluster *cluster, struct process_id *process)
{
	process_ended(cluster, process->pid);
	process->pid = 0;
}

/* ---- planted mistakes ---- */

/* Any check of ours becomes one that always holds, so that the places of the other ops stay. */
static void
void_op(struct op *op)
{
	*op = (struct op){ .kind = OP_CHECK, .node = { .kind = NODE_ROOT }, .version = ANY_VERSION };
}

static void
plant(struct actor *actor, struct request *request)
{
	enum planted planted = actor->cluster->conf.planted;
	bool assigns = false, reports = false, renames = false;

	if (planted == PLANTED_NONE || request->kind != REQ_MULTI)
		return;
	for (int i = 0; i < request->op_count; i++)
		assigns = assigns || (request->ops[i].kind == OP_CREATE && request->ops[i].node.kind == NODE_CLAIM);
	for (int i = 0; i < request->op_count; i++) {
		struct op *op = &request->ops[i];
		enum node_kind kind = op->node.kind;
		bool check = op->kind == OP_CHECK;

		reports = reports || kind == NODE_CLAIM;
		renames = renames || (op->kind == OP_CREATE && kind == NODE_TASK && !(op->flags & CREATE_SEQUENCE));
		switch (actor->kind) {
		case ACTOR_DISPATCHER:
			if ((planted == PLANTED_LEADER_CHECK && check && kind == NODE_CANDIDATE) ||
			    (planted == PLANTED_LIVE_CHECK && check && kind == NODE_LIVE && assigns) ||
			    (planted == PLANTED_TASK_CHECK && check && kind == NODE_TASK && assigns) ||
			    (planted == PLANTED_FOLDER_VERSION && check && kind == NODE_FOLDER))
				void_op(op);
			if (planted == PLANTED_SEAL && op->kind == OP_SET && kind == NODE_SEGMENT && i == request->op_count - 1)
				void_op(op);
			if (planted == PLANTED_RETENTION && op->kind == OP_SET && kind == NODE_DONE_SEG && op->version != 0)
				void_op(op);
			break;
		case ACTOR_WORKER:
			if (planted == PLANTED_STARTED && op->kind == OP_SET && kind == NODE_CLAIM)
				void_op(op);
			if (planted == PLANTED_LOST_AFTER && kind == NODE_FOLDER && op->record.kind == REC_REPORT)
				op->record.report.lost_after_ms /= 3;
			if (planted == PLANTED_REPORT && op->kind == OP_SET && kind == NODE_FOLDER) {
				op->record.report.low = 0;
				op->record.report.done_count = 0;
				op->record.report.returned_total = 0;
				op->record.report.returned_count = 0;
			}
			break;
		case ACTOR_SUBMITTER:
			if (planted == PLANTED_SEGMENT_CHECK && check && kind == NODE_SEGMENT)
				void_op(op);
			break;
		case ACTOR_PERSON:
			break;
		}
	}
	(void)reports;
	if (planted == PLANTED_UPDATE && renames)
		for (int i = 0; i < request->op_count; i++)
			if (request->ops[i].kind == OP_DELETE && request->ops[i].node.kind == NODE_TASK)
				void_op(&request->ops[i]);
	/* The results now, the rest in a multi of its own that nobody asks about. */
	if (planted == PLANTED_SPLIT && actor->kind == ACTOR_WORKER) {
		for (int i = 0; i < request->op_count; i++) {
			struct op *op = &request->ops[i];

			if (op->kind == OP_DELETE && op->node.kind == NODE_TASK)
				void_op(op);
		}
	}
}

/* ---- requests and replies ---- */

static void
pending_free(struct pending *pending)
{
	*pending->link = pending->next;
	if (pending->next)
		pending->next->link = pending->link;
	free(pending->text);
	arena_free(&pending->arena);
	free(pending);
}

static void
refused_here(void *context, void *object, uint64_t arg)
{
	struct actor *actor = context;
	struct pending *pending = actor->pendings;

	while (pending && pending != object)
		pending = pending->next;
	if (!pending || actor->life != arg)
		return;
	struct raw_reply raw = { .rc = pending->rc, .failed_op = -1 };
	struct event event = { .kind = EV_REPLY };
	wire_reply(&actor->replies, SIM_ROOT, &pending->wire, &raw, actor_now_ms(actor), &event.reply);
	actor_event(actor, &event);
	pending_free(pending);
	arena_reset(&actor->replies);
}

static void
send_request(struct actor *actor, struct request *request)
{
	struct pending *pending = need(calloc(1, sizeof *pending));

	pending->actor = actor;
	pending->next = actor->pendings;
	pending->link = &actor->pendings;
	if (pending->next)
		pending->next->link = &pending->next;
	actor->pendings = pending;
	wire_pending(request, actor_now_ms(actor), &pending->wire);
	if (request->node.text) {
		pending->text = need(strdup(request->node.text));
		pending->wire.node.text = pending->text;
	}
	plant(actor, request);
	bool resend = actor->cluster->conf.planted == PLANTED_RESEND && actor->kind == ACTOR_SUBMITTER;
	struct arena *arena = resend ? &pending->arena : &actor->requests;
	enum rc rc = wire_request(arena, SIM_ROOT, request, &pending->raw);
	if (rc != RC_OK) {
		pending->rc = rc;
		agenda_at(&actor->cluster->agenda, actor->cluster->agenda.now_us + 1, refused_here, actor, pending, actor->life);
		return;
	}
	client_send(actor->client, (uint64_t)(uintptr_t)pending, &pending->raw);
	arena_reset(&actor->requests);
}

static void
resend(void *context, void *object, uint64_t arg)
{
	struct actor *actor = context;
	struct pending *pending = actor->pendings;

	while (pending && pending != object)
		pending = pending->next;
	if (!pending || actor->life != arg)
		return;
	if (client_connected(actor->client))
		client_send(actor->client, (uint64_t)(uintptr_t)pending, &pending->raw);
	else
		agenda_at(&actor->cluster->agenda, actor->cluster->agenda.now_us + 10000, resend, actor, pending, arg);
}

static void
on_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	struct actor *actor = context;
	struct pending *pending = (struct pending *)(uintptr_t)cookie;
	struct event event = { .kind = EV_REPLY };

	if (raw->rc == RC_UNKNOWN && pending->raw.kind == REQ_MULTI &&
	    actor->cluster->conf.planted == PLANTED_RESEND && actor->kind == ACTOR_SUBMITTER) {
		agenda_at(&actor->cluster->agenda, actor->cluster->agenda.now_us + 10000, resend, actor, pending, actor->life);
		return;
	}
	wire_reply(&actor->replies, SIM_ROOT, &pending->wire, raw, actor_now_ms(actor), &event.reply);
	uint64_t life = actor->life;
	actor_event(actor, &event);
	if (actor->life == life)
		pending_free(pending);
	arena_reset(&actor->replies);
}

static void
on_watch(void *context, enum watch_kind kind, const char *path)
{
	struct actor *actor = context;
	struct event event = { .kind = EV_WATCH, .watch = { .kind = kind } };

	if (path_parse(SIM_ROOT, path, &event.watch.node))
		actor_event(actor, &event);
}

static void
on_state(void *context, int state, int64_t session_id, int32_t timeout_ms, bool fresh)
{
	static const char hex[] = "0123456789abcdef";
	struct actor *actor = context;
	struct event event = { .kind = EV_DISCONNECTED };

	if (state == CLIENT_EXPIRED) {
		event.kind = EV_EXPIRED;
	} else if (state == CLIENT_CONNECTED) {
		event.kind = EV_CONNECTED;
		event.session.id = session_id;
		event.session.timeout_ms = timeout_ms;
		event.session.fresh = fresh;
		for (int i = 0; fresh && i < UUID_LEN; i++)
			event.session.uuid[i] = hex[rng_below(&actor->cluster->agenda.rng, 16)];
	}
	cluster_say(actor->cluster, "%s: %s", actor->name, state == CLIENT_EXPIRED ? "session expired" :
	    state == CLIENT_DISCONNECTED ? "disconnected" : fresh ? "new session" : "connected again");
	actor_event(actor, &event);
}

static const struct client_callbacks callbacks = { on_reply, on_watch, on_state };

/* ---- steps ---- */

static void wake(void *context, void *object, uint64_t arg);

static void
schedule_wake(struct actor *actor)
{
	struct cluster *cluster = actor->cluster;

	if (actor->plan.wake_ms == NEVER)
		return;
	int64_t at_us = cluster->agenda.now_us + (actor->plan.wake_ms - actor_now_ms(actor)) * 1000;
	if (at_us < cluster->agenda.now_us)
		at_us = cluster->agenda.now_us;
	/* An earlier tick will ask again. */
	if (actor->wake_us <= at_us)
		return;
	actor->wake_us = at_us;
	agenda_at(&cluster->agenda, at_us, wake, actor, NULL, ++actor->wake_generation);
}

static void
probed(void *context, void *object, uint64_t arg)
{
	struct actor *actor = context;
	const struct probe *probe = &actor->probes[arg];
	struct event event = { .kind = EV_PROBED, .probed = { .arg = probe->arg, .dead = probe->dead } };
	int64_t until_us;

	(void)object;
	if (probe->life != actor->life)
		return;
	if (actor_frozen(actor, &until_us)) {
		agenda_at(&actor->cluster->agenda, until_us, probed, context, NULL, arg);
		return;
	}
	actor_event(actor, &event);
}

static void
probe(struct actor *actor, const struct effect *effect)
{
	struct agenda *agenda = &actor->cluster->agenda;
	const struct process_id *process = &effect->probe.process;
	int index = actor->probe_next++ % PROBES;
	bool dead = process->host && process->boot && strcmp(process->host, actor->host) == 0 &&
	    strcmp(process->boot, actor->boot) == 0 && !process_alive(actor->cluster, process->pid);

	actor->probes[index] = (struct probe){ effect->probe.arg, dead, actor->life };
	agenda_at(agenda, agenda->now_us + agenda_between(agenda, 20, 300), probed, actor, NULL, (uint64_t)index);
}

static void
carry_out(struct actor *actor)
{
	struct cluster *cluster = actor->cluster;

	if (actor->plan.failed)
		abort();
	for (int i = 0; i < actor->plan.count; i++) {
		struct effect *effect = &actor->plan.effects[i];

		switch (effect->kind) {
		case FX_REQUEST:
			send_request(actor, &effect->request);
			break;
		case FX_NOTE:
			if (effect->note.level == NOTE_ERROR) {
				cluster->errors++;
				if (cluster->quiet)
					invariant_break(cluster->invariant, "%s: %s", actor->name, effect->note.text);
			}
			cluster_say(cluster, "%s: note: %s", actor->name, effect->note.text);
			break;
		case FX_EXIT:
			actor->exiting = true;
			break;
		case FX_NEW_SESSION:
			client_new_session(actor->client);
			break;
		case FX_REGISTERED:
		case FX_LEASE:
		case FX_START:
		case FX_KILL:
		case FX_FORGET:
		case FX_PING:
		case FX_SWEEP:
			runner_effect(actor->runner, effect);
			break;
		case FX_PROBE:
			probe(actor, effect);
			break;
		case FX_ANSWER:
			user_answer(actor->user, effect->answer);
			break;
		}
	}
}

static void actor_exit(struct actor *actor);

void
actor_event(struct actor *actor, struct event *event)
{
	struct cluster *cluster = actor->cluster;

	if (!actor->up || actor->kind == ACTOR_PERSON)
		return;
	if (actor->stepping)
		abort();
	event->now_ms = actor_now_ms(actor);
	event->wall_ms = ensemble_time_ms(cluster->ensemble) + actor->wall_ms;
	if (event->now_ms != actor->spin_ms) {
		actor->spin_ms = event->now_ms;
		actor->spins = 0;
	} else if (event->kind == EV_TICK && ++actor->spins > SPINS_MAX) {
		invariant_break(cluster->invariant, "%s spins: it asks for more than %d ticks in one millisecond", actor->name,
		    SPINS_MAX);
		return;
	}
	actor->stepping = true;
	plan_reset(&actor->plan);
	actor->step(actor->state, event, &actor->plan);
	actor->stepping = false;
	carry_out(actor);
	schedule_wake(actor);
	if (actor->exiting)
		actor_exit(actor);
}

static void
wake(void *context, void *object, uint64_t arg)
{
	struct actor *actor = context;
	struct event event = { .kind = EV_TICK };
	int64_t until_us;

	(void)object;
	if (actor->wake_generation != arg || !actor->up)
		return;
	if (actor_frozen(actor, &until_us)) {
		agenda_at(&actor->cluster->agenda, until_us, wake, actor, NULL, arg);
		return;
	}
	actor->wake_us = INT64_MAX;
	actor_event(actor, &event);
}

/* ---- lives ---- */

static void
step_dispatcher(void *state, const struct event *event, struct plan *plan)
{
	dispatcher_step(state, event, plan);
}

static void
step_worker(void *state, const struct event *event, struct plan *plan)
{
	worker_step(state, event, plan);
}

static void
step_submitter(void *state, const struct event *event, struct plan *plan)
{
	submitter_step(state, event, plan);
}

static void
load_due(void *context, void *object, uint64_t arg)
{
	struct actor *actor = context;
	struct event event = { .kind = EV_LOAD };
	int64_t until_us;

	(void)object;
	if (!actor->up || actor->life != arg)
		return;
	if (!actor_frozen(actor, &until_us)) {
		event.load.load1 = 0.5;
		event.load.mem_total_bytes = UINT64_C(8) << 30;
		event.load.mem_free_bytes = UINT64_C(4) << 30;
		event.load.disk_free_bytes = UINT64_C(100) << 30;
		actor_event(actor, &event);
	}
	agenda_at(&actor->cluster->agenda, actor->cluster->agenda.now_us + 5 * SECOND_US, load_due, actor, NULL, arg);
}

static void
begin(struct actor *actor)
{
	struct cluster *cluster = actor->cluster;
	static const char *const queues[] = { "default" };
	uint64_t seed = rng_next(&cluster->agenda.rng);
	struct event tick = { .kind = EV_TICK };

	actor->up = true;
	actor->exiting = false;
	actor->life++;
	actor->frozen_until_us = 0;
	actor->wake_us = INT64_MAX;
	actor->process = process_new(actor);
	if (actor->kind == ACTOR_DISPATCHER) {
		struct dispatcher_conf conf = { .name = actor->name, .host = actor->host, .pid = actor->process.pid,
			.boot = actor->boot, .start = actor->process.start, .seed = seed };

		actor->state = need(dispatcher_new(&conf));
		actor->step = step_dispatcher;
	} else if (actor->kind == ACTOR_WORKER) {
		struct worker_conf conf = { .name = actor->name, .process = actor->process, .slots = cluster->conf.slots,
			.queues = queues, .queue_count = 1, .lost_after_ms = cluster->conf.lost_after_ms,
			.drain_deadline_ms = 20000, .log_token = "secret", .version = "0", .seed = seed };

		actor->state = need(worker_new(&conf));
		actor->step = step_worker;
	} else if (actor->kind == ACTOR_SUBMITTER) {
		actor->state = need(submitter_new(seed));
		actor->step = step_submitter;
	}
	actor->client = client_new(cluster->ensemble, &callbacks, actor, cluster->conf.session_timeout_ms);
	cluster_say(cluster, "%s: starts", actor->name);
	actor_event(actor, &tick);
	if (actor->kind == ACTOR_WORKER && actor->up) {
		runner_hello(actor->runner);
		load_due(actor, NULL, actor->life);
	}
}

/* The process is gone; its client is the caller's to end. */
static void
finish(struct actor *actor)
{
	actor->up = false;
	actor->life++;
	actor->wake_generation++;
	process_end(actor->cluster, &actor->process);
	while (actor->pendings)
		pending_free(actor->pendings);
	if (actor->kind == ACTOR_DISPATCHER)
		dispatcher_free(actor->state);
	else if (actor->kind == ACTOR_WORKER)
		worker_free(actor->state);
	else if (actor->kind == ACTOR_SUBMITTER)
		submitter_free(actor->state);
	actor->state = NULL;
	actor->client = NULL;
	if (actor->user)
		user_forget(actor->user);
}

/* By FX_EXIT. A worker's runner goes with its coordinator. */
static void
actor_exit(struct actor *actor)
{
	cluster_say(actor->cluster, "%s: exits", actor->name);
	if (actor->runner && runner_up(actor->runner)) {
		if (runner_running(actor->runner))
			cluster_say(actor->cluster, "%s: exits with %d attempts running", actor->name,
			    runner_running(actor->runner));
		runner_end(actor->runner, false);
		runner_sweep(actor->runner, "");
	}
	client_close(actor->client);
	finish(actor);
}

static void
coordinator_due(void *context, void *object, uint64_t arg)
{
	struct actor *actor = context;

	(void)object;
	if (!actor->up && actor->life == arg && actor->runner && runner_up(actor->runner))
		begin(actor);
}

void
actor_start(struct actor *actor)
{
	if (actor->up)
		return;
	if (actor->runner && !runner_up(actor->runner)) {
		struct process_id process = process_new(actor);

		runner_begin(actor->runner, &process);
	}
	begin(actor);
}

void
actor_kill(struct actor *actor)
{
	struct agenda *agenda = &actor->cluster->agenda;

	if (!actor->up)
		return;
	cluster_say(actor->cluster, "fault: %s is killed", actor->name);
	actor->cluster->faults++;
	client_kill(actor->client);
	finish(actor);
	if (actor->runner && runner_up(actor->runner))
		agenda_at(agenda, agenda->now_us + agenda_between(agenda, 100000, 2 * SECOND_US), coordinator_due, actor, NULL,
		    actor->life);
}

void
actor_stop(struct actor *actor)
{
	struct event event = { .kind = EV_STOP };
	int64_t until_us;

	if (!actor->up || actor_frozen(actor, &until_us))
		return;
	cluster_say(actor->cluster, "%s: SIGTERM", actor->name);
	actor_event(actor, &event);
}

static void
thaw(void *context, void *object, uint64_t arg)
{
	struct actor *actor = context;

	(void)object;
	if (!actor->up || actor->life != arg)
		return;
	cluster_say(actor->cluster, "%s: goes on", actor->name);
	client_stop(actor->client, false);
}

void
actor_freeze(struct actor *actor, int64_t until_us)
{
	int64_t before_us;

	if (!actor->up || actor_frozen(actor, &before_us))
		return;
	cluster_say(actor->cluster, "fault: %s is stopped", actor->name);
	actor->cluster->faults++;
	actor->frozen_until_us = until_us;
	client_stop(actor->client, true);
	agenda_at(&actor->cluster->agenda, until_us, thaw, actor, NULL, actor->life);
}

void
actor_kill_runner(struct actor *actor)
{
	int64_t until_us;

	if (!actor->runner || !runner_up(actor->runner) || !actor->up || actor_frozen(actor, &until_us))
		return;
	cluster_say(actor->cluster, "fault: the runner of %s is killed", actor->name);
	actor->cluster->faults++;
	/* The coordinator finds and kills what is left before it exits. */
	runner_end(actor->runner, false);
	runner_sweep(actor->runner, "");
	client_close(actor->client);
	finish(actor);
}

void
actor_kill_both(struct actor *actor)
{
	if (!actor->runner || !runner_up(actor->runner))
		return;
	cluster_say(actor->cluster, "fault: %s and its runner are killed", actor->name);
	actor->cluster->faults++;
	runner_end(actor->runner, true);
	if (actor->up) {
		client_kill(actor->client);
		finish(actor);
	}
}

void
actor_reboot(struct actor *actor)
{
	cluster_say(actor->cluster, "fault: the machine of %s restarts", actor->name);
	actor->cluster->faults++;
	if (actor->runner) {
		runner_end(actor->runner, false);
		runner_sweep(actor->runner, "");
	}
	if (actor->up) {
		client_kill(actor->client);
		finish(actor);
	}
	snprintf(actor->boot, sizeof actor->boot, "boot-%s-%d", actor->name, ++actor->reboots);
}

void
cluster_heal(struct cluster *cluster)
{
	for (int i = 0; i < cluster->actor_count; i++) {
		struct actor *actor = cluster->actors[i];

		if (!actor->up && !(actor->runner && runner_up(actor->runner)))
			actor_start(actor);
	}
}

/* ---- traces ---- */

static int
inc_number(struct cluster *cluster, const char *worker, const char *inc)
{
	int last = 0;

	for (struct sim_inc *at = cluster->incs; at; at = at->next)
		if (strcmp(at->worker, worker) == 0) {
			if (strcmp(at->inc, inc) == 0)
				return at->number;
			if (at->number > last)
				last = at->number;
		}
	struct sim_inc *new = need(calloc(1, sizeof *new));
	snprintf(new->worker, sizeof new->worker, "%s", worker);
	snprintf(new->inc, sizeof new->inc, "%s", inc);
	new->number = last + 1;
	new->next = cluster->incs;
	cluster->incs = new;
	return new->number;
}

static void
word_of(const struct change *change, const char *field, char *word, size_t size)
{
	char quoted[40];
	const char *at;

	word[0] = '\0';
	snprintf(quoted, sizeof quoted, "\"%s\":\"", field);
	if (change->blob && (at = strstr(change->blob->data, quoted))) {
		at += strlen(quoted);
		snprintf(word, size, " %.*s", (int)strcspn(at, "\""), at);
	}
}

/* Appends what a change means; nothing for what does not matter. */
static void
spell(struct cluster *cluster, const struct change *change, char *line, size_t size)
{
	static const char *const verbs[] = { "kill", "warn", "release", "requeue" };
	struct node node;
	char sign = change->kind == CHANGE_CREATE ? '+' : change->kind == CHANGE_SET ? '=' : '-', word[64];
	size_t len = strlen(line);
	char *to = line + len;

	size -= len;
	if (!path_parse(SIM_ROOT, change->path, &node))
		return;
	const char *name = node.task.token[0] ? invariant_task_name(cluster->invariant, node.queue, node.seg,
	    node.task.token) : "";
	switch (node.kind) {
	case NODE_CANDIDATE:
		snprintf(to, size, " %ccandidate", sign);
		break;
	case NODE_WORKER:
		snprintf(to, size, " %cworker %s", sign, node.worker);
		break;
	case NODE_FOLDER:
		if (sign != '=')
			snprintf(to, size, " %cfolder %s#%d", sign, node.worker, inc_number(cluster, node.worker, node.inc));
		break;
	case NODE_LIVE:
		snprintf(to, size, " %clive %s#%d-%u", sign, node.worker, inc_number(cluster, node.worker, node.inc), node.r);
		break;
	case NODE_CLAIM:
		snprintf(to, size, " %cclaim %s#%d %s%s", sign, node.worker, inc_number(cluster, node.worker, node.inc), name,
		    sign == '=' ? " started" : "");
		break;
	case NODE_ORDER:
		snprintf(to, size, " %corder %s#%d %s", sign, node.worker, inc_number(cluster, node.worker, node.inc),
		    verbs[node.verb]);
		break;
	case NODE_TASK:
		snprintf(to, size, sign == '+' && node.task.priority != PRIORITY_DEFAULT ? " %ctask %s!%d" : " %ctask %s", sign,
		    name, node.task.priority);
		break;
	case NODE_RESULT:
		word_of(change, "state", word, sizeof word);
		snprintf(to, size, " %cresult %s%s", sign, name, word);
		break;
	case NODE_DEAD:
		word_of(change, "reason", word, sizeof word);
		snprintf(to, size, " %cdead %s%s", sign, name, word);
		break;
	case NODE_RETRY:
		snprintf(to, size, " %cretry %s", sign, name);
		break;
	case NODE_CANCEL:
		snprintf(to, size, " %ccancel %s", sign, name);
		break;
	case NODE_QUEUE:
		if (change->blob && strstr(change->blob->data, "\"deleted\":true"))
			snprintf(to, size, " deleted %s", node.queue);
		else if (change->blob && strstr(change->blob->data, "\"deleting\":true"))
			snprintf(to, size, " deleting %s", node.queue);
		else if (sign != '=')
			snprintf(to, size, " %cqueue %s", sign, node.queue);
		break;
	case NODE_UPDATE:
		snprintf(to, size, " %cupdate %s", sign, name);
		break;
	case NODE_SEGMENT:
		if (sign == '=')
			snprintf(to, size, " close %s/%u", node.queue, node.seg);
		else
			snprintf(to, size, " %csegment %s/%u", sign, node.queue, node.seg);
		break;
	case NODE_DONE_SEG:
		if (sign == '=')
			snprintf(to, size, " %s done %s/%u", change->version == 1 ? "stamp" : "mark", node.queue, node.seg);
		else if (sign == '-')
			snprintf(to, size, " -done %s/%u", node.queue, node.seg);
		break;
	case NODE_INBOX_TASK:
		snprintf(to, size, " %cinbox", sign);
		break;
	case NODE_MOVED_TASK:
		snprintf(to, size, " %cmoved %s", sign, name);
		break;
	case NODE_KEY:
		snprintf(to, size, " %ckey", sign);
		break;
	default:
		break;
	}
}

static void
on_txn(void *context, const struct txn *txn)
{
	struct cluster *cluster = context;
	struct actor *actor = txn->client ? client_context(txn->client) : NULL;

	invariant_txn(cluster->invariant, txn, actor && actor->kind == ACTOR_DISPATCHER);
	if (actor && txn->rc == RC_OK && cluster->on_commit)
		cluster->on_commit(cluster->commit_context, actor);
	if (!cluster->on_line && !cluster->conf.verbose)
		return;
	char line[65536];
	if (txn->rc != RC_OK) {
		cluster_say(cluster, "z%lld %s: refused: %s at op %d: %s", (long long)txn->zxid, actor ? actor->name : "-",
		    rc_word(txn->rc), txn->failed_op, txn->request->ops[txn->failed_op].path);
		return;
	}
	snprintf(line, sizeof line, "%s:", actor ? actor->name : "end of session");
	size_t len = strlen(line);
	for (int i = 0; i < txn->change_count; i++)
		spell(cluster, &txn->changes[i], line, sizeof line);
	if (strlen(line) == len)
		return;
	cluster_say(cluster, "z%lld %s", (long long)txn->zxid, line);
	if (cluster->on_line)
		cluster->on_line(cluster->line_context, line);
}

/* ---- the whole ---- */

void
cluster_conf_default(struct cluster_conf *conf, uint64_t seed)
{
	*conf = (struct cluster_conf){
		.seed = seed,
		.ensemble = { .servers = 1, .latency_us = 500, .commit_us = 1000, .lag_us = 5000, .tick_ms = 500,
			.reconnect_us = 500000 },
		.dispatchers = 2, .workers = 2, .submitters = 1, .slots = 2,
		.session_timeout_ms = SESSION_TIMEOUT_MS, .lost_after_ms = LOST_AFTER_MS, .segment_size = 500, .dead_count = 10000,
		.task_min_us = 100000, .task_max_us = 100000,
	};
}

static void
add_actor(struct cluster *cluster, enum actor_kind kind, char letter, int number)
{
	struct actor *actor = need(calloc(1, sizeof *actor));

	actor->cluster = cluster;
	actor->kind = kind;
	snprintf(actor->name, sizeof actor->name, number ? "%c%d" : "%c", letter, number);
	snprintf(actor->host, sizeof actor->host, "host-%s", actor->name);
	snprintf(actor->boot, sizeof actor->boot, "boot-%s-0", actor->name);
	actor->clock_ms = agenda_between(&cluster->agenda, 1000, 1000000000);
	actor->wall_ms = agenda_between(&cluster->agenda, -3600000, 3600000);
	actor->clock_ppm = agenda_between(&cluster->agenda, -500, 500);
	actor->wake_us = INT64_MAX;
	if (kind == ACTOR_WORKER)
		actor->runner = runner_new(cluster, actor);
	if (kind == ACTOR_SUBMITTER)
		actor->user = user_new(cluster, actor);
	cluster->actors[cluster->actor_count++] = actor;
}

struct cluster *
cluster_new(const struct cluster_conf *conf)
{
	struct cluster *cluster = need(calloc(1, sizeof *cluster));

	cluster->conf = *conf;
	sim_segment_size = (uint32_t)conf->segment_size;
	sim_dead_count = conf->dead_count;
	agenda_init(&cluster->agenda, conf->seed);
	cluster->ensemble = ensemble_new(&conf->ensemble, &cluster->agenda, on_txn, cluster);
	cluster->invariant = invariant_new(SIM_ROOT, ensemble_tree(cluster->ensemble));
	const char *once = "{\"v\":1,\"mode\":\"at-most-once\",\"on_lost\":\"requeue\",\"crash_limit\":5}";
	invariant_once(cluster->invariant, text_hash(once, strlen(once)));
	for (int i = 1; i <= conf->dispatchers; i++)
		add_actor(cluster, ACTOR_DISPATCHER, 'd', i);
	for (int i = 1; i <= conf->workers; i++)
		add_actor(cluster, ACTOR_WORKER, 'w', i);
	for (int i = 1; i <= conf->submitters; i++)
		add_actor(cluster, ACTOR_SUBMITTER, 's', i);
	add_actor(cluster, ACTOR_PERSON, 'p', 0);
	for (int i = 0; i < cluster->actor_count; i++)
		actor_start(cluster->actors[i]);
	return cluster;
}

void
cluster_free(struct cluster *cluster)
{
	if (!cluster)
		return;
	for (int i = 0; i < cluster->actor_count; i++) {
		struct actor *actor = cluster->actors[i];

		if (actor->up)
			finish(actor);
		plan_free(&actor->plan);
		arena_free(&actor->replies);
		arena_free(&actor->requests);
		runner_free(actor->runner);
		user_free(actor->user);
		free(actor);
	}
	for (struct sim_inc *next; cluster->incs; cluster->incs = next) {
		next = cluster->incs->next;
		free(cluster->incs);
	}
	invariant_free(cluster->invariant);
	ensemble_free(cluster->ensemble);
	agenda_free(&cluster->agenda);
	free(cluster->alive);
	free(cluster);
}

const char *
cluster_broken(const struct cluster *cluster)
{
	return invariant_broken(cluster->invariant);
}

bool
cluster_run(struct cluster *cluster, int64_t until_us)
{
	while (agenda_next(&cluster->agenda) <= until_us) {
		agenda_step(&cluster->agenda);
		if (cluster_broken(cluster))
			return false;
	}
	cluster->agenda.now_us = until_us;
	return true;
}

struct actor *
cluster_actor(struct cluster *cluster, const char *name)
{
	for (int i = 0; i < cluster->actor_count; i++)
		if (strcmp(cluster->actors[i]->name, name) == 0)
			return cluster->actors[i];
	abort();
}

struct actor *
cluster_leader(struct cluster *cluster)
{
	for (int i = 0; i < cluster->actor_count; i++) {
		struct dispatcher_view view;

		if (!actor_dispatcher(cluster->actors[i]))
			continue;
		dispatcher_view(actor_dispatcher(cluster->actors[i]), &view);
		if (view.role == ROLE_LEADER)
			return cluster->actors[i];
	}
	return NULL;
}

/* ---- what is left ---- */

static int
left_below(const struct tree *tree, const struct znode *at, FILE *stream)
{
	struct node node;
	int count = 0;

	if (path_parse(SIM_ROOT, at->path, &node)) {
		switch (node.kind) {
		case NODE_TASK: case NODE_BATCH: case NODE_CLAIM: case NODE_ORDER: case NODE_CANCEL: case NODE_UPDATE:
		case NODE_INBOX_TASK:
			count = 1;
			break;
		case NODE_RETRY: {
			/* One whose task was removed by hand stays until its segment is deleted. */
			char path[PATH_BUFFER];
			struct node segment = node_of_segment(NODE_SEGMENT, node.queue, node.seg);

			path_write(SIM_ROOT, &segment, false, path, sizeof path);
			count = !tree_find(tree, path);
			break;
		}
		case NODE_SEGMENT:
			count = at->stat.version > 0;
			break;
		case NODE_FOLDER:
			count = !at->children;
			break;
		default:
			break;
		}
	}
	if (count && stream)
		fprintf(stream, "  left: %s %s\n", at->path, at->blob ? at->blob->data : "");
	for (const struct znode *child = at->children; child; child = child->next)
		count += left_below(tree, child, stream);
	return count;
}

bool
cluster_drained(struct cluster *cluster, FILE *stream)
{
	const struct znode *root = tree_find(ensemble_tree(cluster->ensemble), SIM_ROOT);
	int count = root ? left_below(ensemble_tree(cluster->ensemble), root, stream) : 1;

	for (int i = 0; i < cluster->actor_count; i++) {
		int open = cluster->actors[i]->user ? user_open(cluster->actors[i]->user) : 0;

		if (open && stream)
			fprintf(stream, "  left: %d calls of %s have no answer\n", open, cluster->actors[i]->name);
		count += open;
	}
	return count == 0;
}

void
cluster_print(struct cluster *cluster, FILE *stream)
{
	struct invariant_counts counts;
	const struct znode *assign = tree_find(ensemble_tree(cluster->ensemble), SIM_ROOT "/assign");

	invariant_counts(cluster->invariant, &counts);
	fprintf(stream, "  at %.3f s, zxid %lld: %llu accepted, %llu results, %llu dead, %llu claims, %llu starts\n",
	    (double)cluster->agenda.now_us / 1e6, (long long)ensemble_zxid(cluster->ensemble),
	    (unsigned long long)counts.accepted, (unsigned long long)counts.results, (unsigned long long)counts.dead,
	    (unsigned long long)counts.claims, (unsigned long long)counts.starts);
	for (int i = 0; i < cluster->actor_count; i++) {
		const struct actor *actor = cluster->actors[i];

		if (!actor->up) {
			fprintf(stream, "  %s: down\n", actor->name);
		} else if (actor->kind == ACTOR_DISPATCHER) {
			struct dispatcher_view view;

			dispatcher_view(actor->state, &view);
			fprintf(stream, "  %s: role %d, %llu waiting, %llu claimed, %llu frozen, %llu segments, %llu workers, "
			    "%llu set aside\n", actor->name, view.role, (unsigned long long)view.waiting,
			    (unsigned long long)view.claimed, (unsigned long long)view.frozen, (unsigned long long)view.segments,
			    (unsigned long long)view.workers, (unsigned long long)view.set_aside);
		} else if (actor->kind == ACTOR_WORKER) {
			struct worker_view view;

			worker_view(actor->state, &view);
			fprintf(stream, "  %s: %sregistered%s, %d running, %d unstarted, %d ending; runner has %d\n", actor->name,
			    view.registered ? "" : "not ", view.draining ? ", draining" : "", view.running, view.unstarted,
			    view.ending, runner_running(actor->runner));
		} else {
			fprintf(stream, "  %s: %s, %d requests out\n", actor->name, client_connected(actor->client) ? "connected" :
			    "not connected", client_outstanding(actor->client));
		}
	}
	for (const struct znode *folder = assign ? assign->children : NULL; folder; folder = folder->next) {
		fprintf(stream, "  %s %s\n", folder->path, folder->blob ? folder->blob->data : "");
		for (const struct znode *child = folder->children; child; child = child->next)
			fprintf(stream, "    %s %s\n", child->name, child->blob ? child->blob->data : "");
	}
}

/* ---- the person ---- */

static void
person_send(struct cluster *cluster, struct raw_op *ops, int count)
{
	struct actor *person = cluster->actors[cluster->actor_count - 1];
	struct raw_request request = { .kind = REQ_MULTI, .ops = ops, .op_count = count };
	struct pending *pending = need(calloc(1, sizeof *pending));

	pending->actor = person;
	pending->next = person->pendings;
	pending->link = &person->pendings;
	if (pending->next)
		pending->next->link = &pending->next;
	person->pendings = pending;
	pending->wire.kind = REQ_MULTI;
	client_send(person->client, (uint64_t)(uintptr_t)pending, &request);
}

uint64_t
person_inbox(struct cluster *cluster, bool valid)
{
	char data[64];
	uint64_t serial = ++cluster->next_serial;

	snprintf(data, sizeof data, valid ? "{\"argv\":[\"S%llu\"],\"priority\":%d}" : "{\"arg\":[\"S%llu\"",
	    (unsigned long long)serial, (int)rng_below(&cluster->agenda.rng, 10));
	struct raw_op op = { .kind = OP_CREATE, .path = SIM_ROOT "/queues/default/inbox/t-", .data = data,
		.len = strlen(data), .flags = CREATE_SEQUENCE };
	person_send(cluster, &op, 1);
	return serial;
}

void
person_cancel(struct cluster *cluster, const char *queue, uint32_t seg, const char *token)
{
	char folder[PATH_BUFFER], path[PATH_BUFFER];
	struct node node = node_of_segment(NODE_CANCEL_SEG, queue, seg);

	path_write(SIM_ROOT, &node, false, folder, sizeof folder);
	node = node_of_token(NODE_CANCEL, queue, seg, token);
	path_write(SIM_ROOT, &node, false, path, sizeof path);
	struct raw_op make = { .kind = OP_CREATE, .path = folder }, cancel = { .kind = OP_CREATE, .path = path,
		.data = "{\"v\":1}", .len = 7 };
	person_send(cluster, &make, 1);
	person_send(cluster, &cancel, 1);
}

void
person_update(struct cluster *cluster, const char *id, const char *json)
{
	char folder[PATH_BUFFER], path[PATH_BUFFER];
	struct task_id task;

	if (!id_parse(id, &task))
		abort();
	struct node node = node_of_segment(NODE_UPDATE_SEG, task.queue, task.seg);
	path_write(SIM_ROOT, &node, false, folder, sizeof folder);
	node = node_of_token(NODE_UPDATE, task.queue, task.seg, task.token);
	path_write(SIM_ROOT, &node, false, path, sizeof path);
	struct raw_op make = { .kind = OP_CREATE, .path = folder }, update = { .kind = OP_CREATE, .path = path,
		.data = json, .len = strlen(json) };
	person_send(cluster, &make, 1);
	person_send(cluster, &update, 1);
}

void
person_delete_queue(struct cluster *cluster, const char *queue, bool force)
{
	const char *json = force ? "{\"v\":1,\"deleting\":true,\"delete_force\":true}" : "{\"v\":1,\"deleting\":true}";
	struct node node = node_of_queue(NODE_QUEUE, queue);
	char path[PATH_BUFFER];

	path_write(SIM_ROOT, &node, false, path, sizeof path);
	const struct znode *znode = tree_find(ensemble_tree(cluster->ensemble), path);
	if (!znode || (znode->blob && (strstr(znode->blob->data, "\"deleted\"") || strstr(znode->blob->data, "\"delete_force\""))))
		return;		/* as zkq does: nothing is taken back */
	struct raw_op op = { .kind = OP_SET, .path = path, .data = json, .len = strlen(json), .version = znode->stat.version };
	person_send(cluster, &op, 1);
}

void
person_create_queue(struct cluster *cluster, const char *queue)
{
	static const char *const parts[] = { "", "/tasks", "/classes", "/inbox", "/moved", "/retry", "/done", "/dead", "/hold",
		"/cancel", "/keys" };	/* as an earlier version did: without update */
	static const char *const firsts[] = { "tasks", "retry", "done", "dead" };
	struct raw_op ops[20];
	char paths[20][PATH_BUFFER], tail[64];
	struct node node = node_of_queue(NODE_RETIRED, queue);
	unsigned first = 0;
	int count = 0;

	snprintf(paths[0], PATH_BUFFER, "%s/queues/%s", SIM_ROOT, queue);
	if (tree_find(ensemble_tree(cluster->ensemble), paths[0]))
		return;		/* as zkq does: what it left behind is not known yet */
	path_write(SIM_ROOT, &node, false, paths[0], PATH_BUFFER);
	const struct znode *retired = tree_find(ensemble_tree(cluster->ensemble), paths[0]);
	if (retired && retired->blob) {	/* of the one before: it must be what was read */
		first = (unsigned)strtoul(strstr(retired->blob->data, "\"tail\":") + 7, NULL, 10);
		ops[count] = (struct raw_op){ .kind = OP_CHECK, .path = paths[count], .version = retired->stat.version };
		count++;
	}
	snprintf(tail, sizeof tail, "{\"v\":1,\"tail\":%u}", first);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++, count++) {
		const char *data = i == 0 ? "{\"v\":1}" : i == 1 ? tail : "";

		snprintf(paths[count], PATH_BUFFER, "%s/queues/%s%s", SIM_ROOT, queue, parts[i]);
		ops[count] = (struct raw_op){ .kind = OP_CREATE, .path = paths[count], .data = data, .len = strlen(data) };
	}
	for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++, count++) {
		snprintf(paths[count], PATH_BUFFER, "%s/queues/%s/%s/%u", SIM_ROOT, queue, firsts[i], first);
		ops[count] = (struct raw_op){ .kind = OP_CREATE, .path = paths[count] };
	}
	person_send(cluster, ops, count);
}

void
person_configure(struct cluster *cluster, const char *queue, const char *json)
{
	char path[PATH_BUFFER];
	struct node node = node_of_queue(NODE_QUEUE, queue);

	path_write(SIM_ROOT, &node, false, path, sizeof path);
	struct raw_op op = { .kind = OP_SET, .path = path, .data = json, .len = strlen(json), .version = ANY_VERSION };
	person_send(cluster, &op, 1);
}

void
person_delete(struct cluster *cluster, const char *path)
{
	struct raw_op op = { .kind = OP_DELETE, .path = path, .version = ANY_VERSION };

	person_send(cluster, &op, 1);
}

void
person_remove(struct cluster *cluster, uint64_t serial)
{
	char path[PATH_BUFFER];

	if (!invariant_by_hand(cluster->invariant, serial, path, sizeof path))
		return;
	struct raw_op op = { .kind = OP_DELETE, .path = path, .version = ANY_VERSION };
	person_send(cluster, &op, 1);
}

void
person_cancel_serial(struct cluster *cluster, uint64_t serial)
{
	char id[64], *seg, *token;

	if (!invariant_accepted(cluster->invariant, serial, id))
		return;
	seg = strchr(id, '.');
	*seg++ = '\0';
	token = strchr(seg, '.') + 1;
	person_cancel(cluster, id, (uint32_t)strtoul(seg, NULL, 10), token);
}

void
person_child(struct cluster *cluster, uint64_t serial)
{
	char path[PATH_BUFFER];

	if (!invariant_by_hand(cluster->invariant, serial, path, sizeof path))
		return;
	strcat(path, "/stranger");
	struct raw_op op = { .kind = OP_CREATE, .path = path };
	person_send(cluster, &op, 1);
}

void
person_delete_ephemeral(struct cluster *cluster)
{
	static const char *const folders[] = { SIM_ROOT "/election", SIM_ROOT "/workers", SIM_ROOT "/assign" };
	struct agenda *agenda = &cluster->agenda;
	const struct znode *at = tree_find(ensemble_tree(cluster->ensemble), folders[rng_below(&agenda->rng, 3)]);

	if (!at || !at->children)
		return;
	int turn = (int)rng_below(&agenda->rng, (uint64_t)at->stat.children);
	at = at->children;
	while (turn-- > 0)
		at = at->next;
	for (const struct znode *child = at->children; child; child = child->next)
		if (child->stat.owner)
			at = child;
	if (!at->stat.owner)
		return;
	cluster_say(cluster, "fault: somebody deletes %s", at->path);
	cluster->faults++;
	struct raw_op op = { .kind = OP_DELETE, .path = at->path, .version = ANY_VERSION };
	person_send(cluster, &op, 1);
}

static void
remove_children(struct cluster *cluster, const struct znode *at)
{
	struct node node;

	if (path_parse(SIM_ROOT, at->path, &node) && node.kind == NODE_TASK_CHILD) {
		struct raw_op op = { .kind = OP_DELETE, .path = at->path, .version = ANY_VERSION };

		person_send(cluster, &op, 1);
	}
	for (const struct znode *child = at->children; child; child = child->next)
		remove_children(cluster, child);
}

void
person_tidy(struct cluster *cluster)
{
	const struct znode *root = tree_find(ensemble_tree(cluster->ensemble), SIM_ROOT);

	if (root)
		remove_children(cluster, root);
}
