/* A simulated runner: it holds attempts, which take virtual time, and the lease. */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "core/lease.h"

enum attempt_state { ATTEMPT_RUNNING, ATTEMPT_KILLING, ATTEMPT_ENDED };

struct attempt {
	struct attempt *next;
	struct node claim;
	bool exclusive;
	enum attempt_state state;
	struct outcome outcome;		/* what it will be, then what it was */
	char reason[64];
	uint64_t generation;		/* of the planned end */
	char inc[INC_MAX + 1];
	bool orphan;			/* of a dead life */
};

struct runner {
	struct cluster *cluster;
	struct actor *actor;
	bool up;
	uint64_t life, generation;
	char inc[INC_MAX + 1];
	uint32_t r;
	struct process_id process;
	struct lease lease;
	int64_t lease_due_us;		/* when it is looked at next */
	struct attempt *attempts;	/* oldest first; orphans too */
	int64_t in_us, out_us;		/* pipes are first in, first out */
	struct message *messages;	/* under way */
};

/* To and from the coordinator. */
struct message {
	struct message *next, **link;	/* all of the runner's */
	struct runner *runner;
	uint64_t life;
	struct effect effect;
	struct event event;
	struct held_attempt *held;
	char reason[64], inc[INC_MAX + 1];
};

static void *
need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static struct message *
message_new(struct runner *runner)
{
	struct message *message = need(calloc(1, sizeof *message));

	message->runner = runner;
	message->next = runner->messages;
	message->link = &runner->messages;
	if (message->next)
		message->next->link = &message->next;
	runner->messages = message;
	return message;
}

static void
message_free(struct message *message)
{
	*message->link = message->next;
	if (message->next)
		message->next->link = message->link;
	free(message->held);
	free(message);
}

struct runner *
runner_new(struct cluster *cluster, struct actor *actor)
{
	struct runner *runner = need(calloc(1, sizeof *runner));

	runner->cluster = cluster;
	runner->actor = actor;
	return runner;
}

void
runner_free(struct runner *runner)
{
	if (!runner)
		return;
	while (runner->messages)
		message_free(runner->messages);
	for (struct attempt *next; runner->attempts; runner->attempts = next) {
		next = runner->attempts->next;
		free(runner->attempts);
	}
	free(runner);
}

bool
runner_up(const struct runner *runner)
{
	return runner->up;
}

int
runner_running(const struct runner *runner)
{
	int count = 0;

	for (const struct attempt *attempt = runner->attempts; attempt; attempt = attempt->next)
		count += attempt->state != ATTEMPT_ENDED;
	return count;
}

static int64_t
now_us(const struct runner *runner)
{
	return runner->cluster->agenda.now_us;
}

/* ---- to the coordinator ---- */

static void
arrive(void *context, void *object, uint64_t arg)
{
	struct cluster *cluster = context;
	struct message *message = object;
	struct actor *actor = message->runner->actor;
	int64_t until_us;

	(void)arg;
	if (message->life == actor_life(actor) && actor_frozen(actor, &until_us)) {
		agenda_at(&cluster->agenda, until_us, arrive, context, object, 0);
		return;
	}
	if (message->life == actor_life(actor))
		actor_event(actor, &message->event);
	message_free(message);
}

static void
tell(struct runner *runner, struct message *message)
{
	struct agenda *agenda = &runner->cluster->agenda;
	int64_t at_us = agenda->now_us + agenda_between(agenda, 20, 300);

	message->life = actor_life(runner->actor);
	if (at_us < runner->out_us)
		at_us = runner->out_us;
	runner->out_us = at_us;
	agenda_at(agenda, at_us, arrive, runner->cluster, message, 0);
}

static void
tell_attempt(struct runner *runner, const struct attempt *attempt, enum event_kind kind)
{
	struct message *message = message_new(runner);

	message->event.kind = kind;
	message->event.attempt.n = attempt->claim.n;
	message->event.attempt.outcome = attempt->outcome;
	memcpy(message->reason, attempt->reason, sizeof message->reason);
	if (message->reason[0])
		message->event.attempt.outcome.reason = message->reason;
	tell(runner, message);
}

void
runner_hello(struct runner *runner)
{
	struct message *message = message_new(runner);
	int count = 0;

	for (struct attempt *attempt = runner->attempts; attempt; attempt = attempt->next)
		count += !attempt->orphan;
	message->held = need(calloc((size_t)count + 1, sizeof *message->held));
	message->event.kind = EV_RUNNER_HELLO;
	memcpy(message->event.hello.inc, runner->inc, sizeof runner->inc);
	message->event.hello.r = runner->r;
	message->event.hello.process = runner->process;
	message->event.hello.attempts = message->held;
	for (struct attempt *attempt = runner->attempts; attempt; attempt = attempt->next)
		if (!attempt->orphan) {
			struct held_attempt *held = &message->held[message->event.hello.count++];

			held->claim = attempt->claim;
			held->ended = attempt->state == ATTEMPT_ENDED;
			held->outcome = attempt->outcome;
			/* The words are static: see kill_reason(). */
		}
	tell(runner, message);
}

/* ---- attempts ---- */

static struct attempt *
find(struct runner *runner, uint64_t n)
{
	for (struct attempt *attempt = runner->attempts; attempt; attempt = attempt->next)
		if (attempt->claim.n == n && !attempt->orphan)
			return attempt;
	return NULL;
}

static void
drop(struct runner *runner, struct attempt *attempt)
{
	struct attempt **link = &runner->attempts;

	while (*link != attempt)
		link = &(*link)->next;
	*link = attempt->next;
	free(attempt);
}

static void
ended(struct runner *runner, struct attempt *attempt)
{
	attempt->state = ATTEMPT_ENDED;
	attempt->generation = 0;
	attempt->outcome.ended_wall_ms = ensemble_time_ms(runner->cluster->ensemble);
	invariant_ended(runner->cluster->invariant, &attempt->claim);
	if (attempt->orphan)
		drop(runner, attempt);
	else
		tell_attempt(runner, attempt, EV_RUNNER_ENDED);
}

static void
end_due(void *context, void *object, uint64_t arg)
{
	struct runner *runner = object;

	(void)context;
	for (struct attempt *attempt = runner->attempts; attempt; attempt = attempt->next)
		if (attempt->generation == arg && attempt->state != ATTEMPT_ENDED) {
			ended(runner, attempt);
			return;
		}
}

static void
plan_end(struct runner *runner, struct attempt *attempt, int64_t at_us)
{
	attempt->generation = ++runner->generation;
	agenda_at(&runner->cluster->agenda, at_us, end_due, NULL, runner, attempt->generation);
}

/* Words that live for ever, so that outcomes can be passed on. */
static const char *
kill_reason(const char *reason)
{
	static const char *const words[] = { "lease", "cancelled", "revoked", "drain", "lost", "timeout", "requeue", "stop" };

	for (size_t i = 0; reason && i < sizeof words / sizeof *words; i++)
		if (strcmp(reason, words[i]) == 0)
			return words[i];
	return reason ? "killed" : NULL;
}

static void
kill_attempt(struct runner *runner, struct attempt *attempt, enum task_state state, const char *reason, int64_t grace_us)
{
	if (attempt->state != ATTEMPT_RUNNING)
		return;
	attempt->state = ATTEMPT_KILLING;
	attempt->outcome.state = state;
	attempt->outcome.reason = kill_reason(reason);
	attempt->outcome.has_exit = false;
	attempt->outcome.signal = 9;
	plan_end(runner, attempt, now_us(runner) + agenda_between(&runner->cluster->agenda, 1000, grace_us));
}

static void lease_due(void *context, void *object, uint64_t arg);

static void
watch_lease(struct runner *runner)
{
	int64_t left_ms = runner->lease.kill_by_ms - actor_now_ms(runner->actor);
	int64_t at_us = now_us(runner) + left_ms * 1000 + agenda_between(&runner->cluster->agenda, 0, 50000);

	/* One at a time: when it comes it looks whether there is more to wait for. */
	if (left_ms <= 0 || (runner->lease_due_us > now_us(runner) && runner->lease_due_us <= at_us))
		return;
	runner->lease_due_us = at_us;
	agenda_at(&runner->cluster->agenda, at_us, lease_due, NULL, runner, runner->life);
}

static void
lease_due(void *context, void *object, uint64_t arg)
{
	struct runner *runner = object;

	(void)context;
	if (!runner->up || runner->life != arg || runner->cluster->conf.planted == PLANTED_LEASE)
		return;
	if (lease_holds(&runner->lease, actor_now_ms(runner->actor))) {
		watch_lease(runner);
		return;
	}
	for (struct attempt *attempt = runner->attempts; attempt; attempt = attempt->next)
		if (attempt->exclusive && !attempt->orphan) {
			/* One that is being asked politely is killed now. */
			if (attempt->state == ATTEMPT_KILLING)
				plan_end(runner, attempt, now_us(runner) + 1000);
			kill_attempt(runner, attempt, STATE_LOST, "lease", LEASE_KILL_TIME_MS * 1000);
		}
}

static void
start(struct runner *runner, const struct effect *effect)
{
	struct cluster *cluster = runner->cluster;
	struct agenda *agenda = &cluster->agenda;
	struct attempt *attempt = need(calloc(1, sizeof *attempt)), **link = &runner->attempts;

	if (find(runner, effect->start.claim.n))
		invariant_break(cluster->invariant, "%s: FX_START for attempt %llu, which is held already",
		    actor_name(runner->actor), (unsigned long long)effect->start.claim.n);
	attempt->claim = effect->start.claim;
	attempt->claim.text = NULL;
	attempt->exclusive = effect->start.exclusive;
	memcpy(attempt->inc, runner->inc, sizeof attempt->inc);
	while (*link)
		link = &(*link)->next;
	*link = attempt;
	if (attempt->exclusive && !lease_holds(&runner->lease, actor_now_ms(runner->actor)) &&
	    cluster->conf.planted != PLANTED_LEASE) {
		attempt->state = ATTEMPT_ENDED;
		attempt->outcome.state = STATE_LOST;
		attempt->outcome.reason = "lease";
		tell_attempt(runner, attempt, EV_RUNNER_ENDED);
		return;
	}
	int64_t took_us = agenda_between(agenda, cluster->conf.task_min_us, cluster->conf.task_max_us);
	if (agenda_chance(agenda, cluster->conf.long_ppm))
		took_us = 20 * cluster->conf.task_max_us;
	attempt->outcome.started_wall_ms = ensemble_time_ms(cluster->ensemble);
	attempt->outcome.run_seconds = (double)took_us / 1e6;
	attempt->outcome.has_exit = true;
	attempt->outcome.log_complete = true;
	attempt->outcome.state = STATE_DONE;
	if (agenda_chance(agenda, cluster->conf.fail_ppm)) {
		attempt->outcome.state = STATE_FAILED;
		attempt->outcome.exit_code = 1;
	}
	invariant_started(cluster->invariant, &attempt->claim, attempt->exclusive);
	tell_attempt(runner, attempt, EV_RUNNER_STARTED);
	plan_end(runner, attempt, now_us(runner) + took_us);
	if (cluster->on_line || cluster->conf.verbose) {
		char line[128];

		snprintf(line, sizeof line, "%s: starts %s", actor_name(runner->actor),
		    invariant_task_name(cluster->invariant, attempt->claim.queue, attempt->claim.seg,
		    attempt->claim.task.token));
		if (cluster->on_line)
			cluster->on_line(cluster->line_context, line);
		cluster_say(cluster, "%s", line);
	}
}

/* ---- from the coordinator ---- */

static void
obey(void *context, void *object, uint64_t arg)
{
	struct message *message = object;
	struct runner *runner = message->runner;
	const struct effect *effect = &message->effect;
	struct attempt *attempt;

	(void)context;
	(void)arg;
	if (!runner->up || runner->life != message->life) {
		message_free(message);
		return;
	}
	switch (effect->kind) {
	case FX_REGISTERED:
		if (effect->lease.r > runner->r)
			runner->r = effect->lease.r;
		break;
	case FX_LEASE:
		lease_renew(&runner->lease, effect->lease.kill_by_ms);
		watch_lease(runner);
		break;
	case FX_START:
		start(runner, effect);
		break;
	case FX_KILL:
		attempt = find(runner, effect->kill.n);
		if (attempt)
			kill_attempt(runner, attempt, effect->kill.state, message->reason[0] ? message->reason : NULL,
			    effect->kill.grace_ms < 0 ? 3 * SECOND_US : effect->kill.grace_ms == 0 ? 50000 :
			    effect->kill.grace_ms * 1000);
		break;
	case FX_FORGET:
		attempt = find(runner, effect->kill.n);
		if (attempt && attempt->state != ATTEMPT_ENDED)
			invariant_break(runner->cluster->invariant, "%s: FX_FORGET for attempt %llu, which runs",
			    actor_name(runner->actor), (unsigned long long)effect->kill.n);
		else if (attempt)
			drop(runner, attempt);
		break;
	case FX_PING: {
		struct message *pong = message_new(runner);

		pong->event.kind = EV_RUNNER_PONG;
		tell(runner, pong);
		break;
	}
	default:
		break;
	}
	message_free(message);
}

static void
swept(void *context, void *object, uint64_t arg)
{
	struct message *message = object;
	struct runner *runner = message->runner;

	(void)context;
	(void)arg;
	if (runner->cluster->conf.planted != PLANTED_SWEEP)
		runner_sweep(runner, message->event.swept.inc);
	tell(runner, message);
}

void
runner_effect(struct runner *runner, const struct effect *effect)
{
	struct cluster *cluster = runner->cluster;
	struct agenda *agenda = &cluster->agenda;
	struct message *message = message_new(runner);

	if (effect->kind == FX_START) {
		char *text = strndup(effect->start.task ? effect->start.task : "", effect->start.task_len);

		invariant_text(runner->cluster->invariant, &effect->start.claim, text);
		free(text);
	}

	message->life = runner->life;
	if (effect->kind == FX_SWEEP) {
		message->event.kind = EV_SWEPT;
		memcpy(message->event.swept.inc, effect->sweep.inc, sizeof effect->sweep.inc);
		agenda_at(agenda, agenda->now_us + agenda_between(agenda, 1000, 300000), swept, NULL, message, 0);
		return;
	}
	message->effect = *effect;
	if (effect->kind == FX_START) {
		message->effect.start.claim.text = NULL;
		message->effect.start.task = NULL;
		if (!effect->start.task)
			invariant_break(cluster->invariant, "%s: FX_START without a task", actor_name(runner->actor));
	}
	if (effect->kind == FX_KILL && effect->kill.reason)
		snprintf(message->reason, sizeof message->reason, "%s", effect->kill.reason);
	int64_t at_us = agenda->now_us + agenda_between(agenda, 20, 300);
	if (at_us < runner->in_us)
		at_us = runner->in_us;
	runner->in_us = at_us;
	agenda_at(agenda, at_us, obey, NULL, message, 0);
}

/* ---- life ---- */

void
runner_begin(struct runner *runner, const struct process_id *process)
{
	runner->up = true;
	runner->life++;
	rng_token(&runner->cluster->agenda.rng, runner->inc, INC_MAX);
	runner->r = 0;
	runner->process = *process;
	runner->lease = (struct lease){ 0 };
	runner->lease_due_us = 0;
}

/* Ends with all it holds. lingering: what runs ends a while later, or when it is found. */
void
runner_end(struct runner *runner, bool lingering)
{
	struct agenda *agenda = &runner->cluster->agenda;

	runner->up = false;
	runner->life++;
	process_ended(runner->cluster, runner->process.pid);
	for (struct attempt *attempt = runner->attempts, *next; attempt; attempt = next) {
		next = attempt->next;
		if (attempt->orphan)
			continue;
		attempt->orphan = true;
		if (attempt->state == ATTEMPT_ENDED)
			drop(runner, attempt);
		else
			plan_end(runner, attempt, lingering ? agenda->now_us + agenda_between(agenda, 0,
			    runner->cluster->conf.lost_after_ms * 300) : agenda->now_us + agenda_between(agenda, 0, 100000));
	}
}

void
runner_sweep(struct runner *runner, const char *inc)
{
	for (struct attempt *attempt = runner->attempts, *next; attempt; attempt = next) {
		next = attempt->next;
		if (attempt->orphan && (!inc[0] || strcmp(attempt->inc, inc) == 0))
			ended(runner, attempt);
	}
}
