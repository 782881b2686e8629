#include "core/worker.h"

#include <stdlib.h>
#include <string.h>

#include "core/worker/state.h"

/* ---- what the other files share ---- */

void
worker_failed(struct worker *worker)
{
	worker->plan->failed = true;
}

void *
worker_alloc(struct worker *worker, size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		worker_failed(worker);
	return memory;
}

char *
worker_string(struct worker *worker, const char *string)
{
	if (!string)
		return NULL;
	size_t size = strlen(string) + 1;
	char *copy = worker_alloc(worker, size);

	return copy ? memcpy(copy, string, size) : NULL;
}

void
worker_exit(struct worker *worker, int code)
{
	struct effect *effect = plan_effect(worker->plan, FX_EXIT);

	if (effect)
		effect->exit_code = code;
	worker->exited = true;
}

int64_t
worker_pause(struct worker *worker)
{
	int64_t pause = worker->retry_ms;

	worker->retry_ms = pause * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : pause * 2;
	return pause;
}

bool
worker_due(struct worker *worker, int64_t at_ms)
{
	if (worker->now_ms >= at_ms)
		return true;
	plan_wake(worker->plan, at_ms);
	return false;
}

struct node
worker_live(const struct worker *worker)
{
	return node_live(worker->name, worker->inc, worker->r);
}

bool
worker_lost_reply(const struct reply *reply)
{
	return reply->rc == RC_UNKNOWN || reply->rc == RC_NOTSENT || reply->rc == RC_NOMEM;
}

/* ---- life of the state ---- */

static bool
copy_string(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

struct worker *
worker_new(const struct worker_conf *conf)
{
	struct worker *worker = calloc(1, sizeof *worker);

	if (!worker)
		return NULL;
	if (!copy_string(&worker->name, conf->name) || !copy_string(&worker->host, conf->process.host) ||
	    !copy_string(&worker->boot, conf->process.boot) || !copy_string(&worker->log, conf->log) ||
	    !copy_string(&worker->log_token, conf->log_token) || !copy_string(&worker->version, conf->version))
		goto free_worker;
	worker->queues = calloc((size_t)conf->queue_count + 1, sizeof *worker->queues);
	if (!worker->queues)
		goto free_worker;
	for (; worker->queue_count < conf->queue_count; worker->queue_count++)
		if (!copy_string(&worker->queues[worker->queue_count], conf->queues[worker->queue_count]))
			goto free_worker;
	worker->process = conf->process;
	worker->process.host = worker->host;
	worker->process.boot = worker->boot;
	worker->slots = conf->slots;
	worker->lost_after_ms = conf->lost_after_ms;
	worker->drain_deadline_ms = conf->drain_deadline_ms;
	rng_seed(&worker->rng, conf->seed);
	worker->retry_ms = RETRY_MIN_MS;
	worker->out_limit = MULTI_TASKS_MAX;
	worker->drain_by_ms = NEVER;
	worker->load1 = -1;
	worker->told.load1 = -1;
	worker->lives_wanted = true;
	worker->logkey_wanted = worker->log_token != NULL;
	return worker;
free_worker:
	worker_free(worker);
	return NULL;
}

void
worker_free(struct worker *worker)
{
	struct plan plan = { 0 };

	if (!worker)
		return;
	worker->plan = &plan;
	while (worker->claim_count)
		claim_remove(worker, worker->claims[worker->claim_count - 1]);
	free(worker->claims);
	payload_free(worker);
	life_free(worker);
	resolved_free(&worker->resolved);
	arena_free(&worker->holder_arena);
	free(worker->runner_host);
	free(worker->runner_boot);
	for (int i = 0; worker->queues && i < worker->queue_count; i++)
		free(worker->queues[i]);
	free(worker->queues);
	free(worker->name);
	free(worker->host);
	free(worker->boot);
	free(worker->log);
	free(worker->log_token);
	free(worker->version);
	free(worker);
	plan_free(&plan);
}

void
worker_view(const struct worker *worker, struct worker_view *view)
{
	const int *in_state = worker->in_state;

	memset(view, 0, sizeof *view);
	view->registered = worker->reg == REG_DONE;
	view->draining = worker->draining;
	view->slots = worker->slots;
	view->running = in_state[CLAIM_RUNNING] + in_state[CLAIM_DOOMED];
	view->unstarted = in_state[CLAIM_SEEN] + in_state[CLAIM_READY] + in_state[CLAIM_MARKING];
	view->ending = in_state[CLAIM_OVER] + in_state[CLAIM_LEAVING] + in_state[CLAIM_ASIDE];
	view->started_total = worker->started_total;
	view->finished_total = worker->finished_total;
	view->returned_total = worker->returned_total;
	view->revoked_total = worker->revoked_total;
	view->kill_by_ms = worker->lease.kill_by_ms;
	view->wait = worker->wait;
}

/* ---- events ---- */

static void
on_hello(struct worker *worker, const struct event *event)
{
	if (worker->hello) {
		if (strcmp(worker->inc, event->hello.inc) != 0) {
			plan_note(worker->plan, NOTE_ERROR, "worker %s: another runner (incarnation %s) has taken the place of %s",
			    worker->name, event->hello.inc, worker->inc);
			worker_exit(worker, EXIT_CONTESTED);
		}
		return;
	}
	worker->runner_host = worker_string(worker, event->hello.process.host);
	worker->runner_boot = worker_string(worker, event->hello.process.boot);
	worker->runner = event->hello.process;
	worker->runner.host = worker->runner_host;
	worker->runner.boot = worker->runner_boot;
	memcpy(worker->inc, event->hello.inc, sizeof worker->inc);
	worker->r = event->hello.r;
	worker->hello = true;
	for (int i = 0; i < event->hello.count; i++) {
		const struct held_attempt *held = &event->hello.attempts[i];
		struct claim *claim = claim_add(worker, &held->claim, CLAIM_RUNNING);

		if (!claim)
			continue;	/* out of memory, or the runner named one twice */
		claim->adopted = true;
		claim->in_runner = true;
		if (held->ended)
			claim_ended(worker, held->claim.n, &held->outcome);
	}
	if (event->hello.count)
		plan_note(worker->plan, NOTICE, "worker %s: found %d attempts of an earlier coordinator at the runner",
		    worker->name, event->hello.count);
}

static void
on_expired(struct worker *worker)
{
	worker->connected = false;
	worker->session = 0;
	if (worker->reg == REG_LEAVING || worker->reg == REG_LEFT) {
		worker_exit(worker, 0);	/* the session took its znodes with it */
		return;
	}
	if (worker->reg == REG_DONE)
		plan_note(worker->plan, NOTE_WARNING, "worker %s: its ZooKeeper session is over, registering again",
		    worker->name);
	register_begin(worker);
}

static void
on_connected(struct worker *worker, const struct event *event)
{
	if (worker->session && worker->session != event->session.id)
		on_expired(worker);
	worker->session = event->session.id;
	worker->connected = true;
	worker->retry_ms = RETRY_MIN_MS;
	worker->list_wanted = true;
	if (worker->reg == REG_NEEDED)
		worker->reg_at_ms = worker->now_ms;
	else if (worker->reg == REG_BLOCKED)
		register_holder_gone(worker);	/* its end may have been missed */
}

static void
on_reply(struct worker *worker, const struct reply *reply)
{
	switch (reply->tag) {
	case TAG_SYNC:
		break;
	case TAG_OWN_FOLDER: case TAG_HOLDER: case TAG_HOLDER_FOLDER: case TAG_REGISTER: case TAG_NAME: case TAG_LOGKEY: case TAG_VERIFY:
	case TAG_LEAVE: case TAG_LEFT_LIST: case TAG_LEFT_FOLDER: case TAG_LEFT_RETURN:
		register_reply(worker, reply);
		break;
	case TAG_LIST:
		claim_listed(worker, reply);
		break;
	case TAG_MARK:
		claim_marked(worker, reply);
		break;
	case TAG_TASK: case TAG_BATCH: case TAG_RETRY: case TAG_CLASS:
		payload_reply(worker, reply);
		break;
	case TAG_OUT: case TAG_MEND: case TAG_CHILDREN: case TAG_CHILD:
		finish_reply(worker, reply);
		break;
	case TAG_RENEW:
		renew_reply(worker, reply);
		break;
	default:
		life_reply(worker, reply);
		break;
	}
}

static void
on_watch(struct worker *worker, const struct event *event)
{
	const struct node *node = &event->watch.node;

	if (node->kind == NODE_FOLDER && strcmp(node->inc, worker->inc) == 0)
		worker->list_wanted = true;
	else if (node->kind == NODE_WORKER && worker->reg == REG_BLOCKED)
		register_holder_gone(worker);
	else if (node->kind == NODE_WORKER)
		worker->name_wanted = true;
}

/* Running attempts are stopped, to be returned. */
static void
stop_attempts(struct worker *worker, int64_t grace_ms)
{
	for (int i = 0; i < worker->claim_count; i++) {
		struct claim *claim = worker->claims[i];

		if (claim->state != CLAIM_RUNNING || (claim->killed && grace_ms < 0))
			continue;
		struct effect *effect = plan_effect(worker->plan, FX_KILL);
		if (!effect)
			return;
		effect->kill.n = claim->node.n;
		effect->kill.reason = "drain";
		effect->kill.state = STATE_LOST;
		effect->kill.grace_ms = grace_ms;
		claim->killed = true;
		claim->returning = true;
	}
}

void
worker_set_drain_deadline(struct worker *worker, int64_t drain_deadline_ms)
{
	worker->drain_deadline_ms = drain_deadline_ms;
}

static void
on_stop(struct worker *worker)
{
	if (worker->draining) {
		if (worker->stopping)
			return;
		worker->stopping = true;
		worker->drain_by_ms = NEVER;
		plan_note(worker->plan, NOTICE, "worker %s: stopping now, %d running attempts are killed and given back",
		    worker->name, worker->in_state[CLAIM_RUNNING]);
		stop_attempts(worker, 0);
		return;
	}
	worker->draining = true;
	if (worker->drain_deadline_ms >= 0)
		worker->drain_by_ms = worker->now_ms + worker->drain_deadline_ms;
	plan_note(worker->plan, NOTICE, "worker %s: draining, waits for %d running attempts", worker->name,
	    worker->in_state[CLAIM_RUNNING]);
}

/* ---- the drain ---- */

static bool
nothing_left(const struct worker *worker)
{
	return worker->claim_count == worker->in_state[CLAIM_ASIDE] && worker->orphan_count == 0;
}

/* Leaves when nothing is left; false when the worker has gone or is going. */
static bool
drain_drive(struct worker *worker)
{
	if (!worker->draining)
		return true;
	if (worker->drain_by_ms != NEVER && worker_due(worker, worker->drain_by_ms)) {
		worker->drain_by_ms = NEVER;
		plan_note(worker->plan, NOTICE, "worker %s: drain deadline, stopping %d attempts to give them back",
		    worker->name, worker->in_state[CLAIM_RUNNING]);
		stop_attempts(worker, -1);
	}
	/* What runs is waited for, unless a second request to stop has come; ZooKeeper is not waited for long. */
	bool running = worker->in_state[CLAIM_RUNNING] || worker->in_state[CLAIM_DOOMED];
	bool reachable = worker->connected && worker->reg >= REG_DONE;
	if (reachable || (running && !worker->stopping)) {
		worker->give_up_ms = 0;
	} else {
		if (!worker->ever_registered && worker->claim_count == 0 && !worker->reg_unknown && worker->reg != REG_SENT) {
			worker_exit(worker, 0);
			return false;
		}
		if (!worker->give_up_ms)
			worker->give_up_ms = worker->now_ms + STOP_UNREACHABLE_MS;
		if (worker_due(worker, worker->give_up_ms)) {
			plan_note(worker->plan, NOTE_WARNING, "worker %s: leaves without ZooKeeper, %d attempts unrecorded; "
			    "they will be given out again", worker->name, worker->claim_count);
			worker_exit(worker, 0);
			return false;
		}
	}
	if (worker->reg == REG_DONE && worker->connected && worker->listed)
		claim_drain(worker);
	if (worker->reg == REG_DONE && worker->connected && worker->listed && nothing_left(worker) && worker->told.draining &&
	    !worker->list_busy && !worker->list_wanted && !worker->out.busy && !worker->out.unknown && !worker->renew_busy) {
		register_leave(worker);
		return false;
	}
	return true;
}

/* Asks for whatever is wanted and not under way. */
static void
drive(struct worker *worker)
{
	if (!worker->hello) {
		if (worker->draining)
			worker_exit(worker, 0);
		return;
	}
	if (!drain_drive(worker) || worker->exited)
		return;
	if (worker->connected) {
		register_drive(worker);
		if (worker->exited || worker->reg > REG_DONE)
			return;
	}
	if (worker->reg != REG_DONE)
		return;
	if (worker->connected) {
		claim_list_drive(worker);
		payload_drive(worker);
	}
	claim_start_drive(worker);
	if (worker->connected) {
		finish_verify_drive(worker);
		finish_drive(worker);
		life_drive(worker);
		renew_drive(worker);
	}
}

void
worker_step(struct worker *worker, const struct event *event, struct plan *plan)
{
	worker->plan = plan;
	worker->now_ms = event->now_ms;
	worker->wall_ms = event->wall_ms;
	if (worker->exited)
		return;
	switch (event->kind) {
	case EV_TICK:
		break;
	case EV_CONNECTED:
		on_connected(worker, event);
		break;
	case EV_DISCONNECTED:
		worker->connected = false;
		break;
	case EV_EXPIRED:
		on_expired(worker);
		break;
	case EV_REPLY:
		on_reply(worker, &event->reply);
		break;
	case EV_WATCH:
		on_watch(worker, event);
		break;
	case EV_STOP:
		on_stop(worker);
		break;
	case EV_RUNNER_HELLO:
		worker->runner_seen_ms = worker->now_ms;
		on_hello(worker, event);
		break;
	case EV_RUNNER_STARTED:
		worker->runner_seen_ms = worker->now_ms;
		break;
	case EV_RUNNER_ENDED:
		worker->runner_seen_ms = worker->now_ms;
		claim_ended(worker, event->attempt.n, &event->attempt.outcome);
		break;
	case EV_RUNNER_PONG:
		worker->runner_seen_ms = worker->now_ms;
		worker->ping_ms = 0;
		worker->ping_noted = false;
		break;
	case EV_PROBED:
		if (worker->probe_arg && event->probed.arg == worker->probe_arg) {
			worker->probe_arg = 0;
			if (worker->reg == REG_PROBING)
				register_probed(worker, event->probed.dead);
			else
				life_probed(worker, event->probed.dead);
		}
		break;
	case EV_SWEPT:
		life_swept(worker, event->swept.inc);
		break;
	case EV_LOAD:
		report_load(worker, event);
		break;
	case EV_CALL:
		break;
	}
	if (!worker->exited)
		drive(worker);
	if (plan->arena.failed)
		plan->failed = true;
}
