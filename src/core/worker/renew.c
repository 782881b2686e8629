/*
 * renew.c: keeps the lease of the attempts that must not run twice. A committed multi with a check of the
 * own live- znode is the only proof; when none goes out for other reasons, a check alone does.
 */
#include "core/worker/state.h"

bool
renew_holds(const struct worker *worker, bool exclusive)
{
	int64_t interval = lease_interval(worker->lost_after_ms);

	/* A task that may overlap needs no lease, but a worker that was not heard of lately takes no new one. */
	if (!exclusive)
		return worker->lease.kill_by_ms && worker->now_ms < worker->proof_ms + 2 * interval;
	/* The rest must outlast one interval, so that a renewal has time to arrive. */
	return lease_holds(&worker->lease, worker->now_ms + interval);
}

bool
renew_runner_answers(struct worker *worker)
{
	int64_t interval = lease_interval(worker->lost_after_ms);

	if (worker->now_ms < worker->runner_seen_ms + interval)
		return true;
	if (!worker->ping_ms) {
		plan_effect(worker->plan, FX_PING);
		worker->ping_ms = worker->now_ms ? worker->now_ms : 1;
	} else if (worker_due(worker, worker->ping_ms + interval) && !worker->ping_noted) {
		worker->ping_noted = true;
		plan_note(worker->plan, NOTE_WARNING, "worker %s: its runner does not answer; its lease is not renewed",
		    worker->name);
	}
	return false;
}

void
renew_proved(struct worker *worker, int64_t sent_ms)
{
	int64_t before_ms = worker->lease.kill_by_ms;

	if (sent_ms > worker->proof_ms)
		worker->proof_ms = sent_ms;
	lease_renew(&worker->lease, lease_kill_by(sent_ms, worker->lost_after_ms));
	if (worker->lease.kill_by_ms == before_ms)
		return;
	struct effect *effect = plan_effect(worker->plan, FX_LEASE);
	if (!effect)
		return;
	effect->lease.r = worker->r;
	effect->lease.kill_by_ms = worker->lease.kill_by_ms;
}

/* Something runs or waits that may run only under the lease. */
static bool
lease_needed(const struct worker *worker)
{
	const int *in_state = worker->in_state;

	if (in_state[CLAIM_SEEN] + in_state[CLAIM_READY] + in_state[CLAIM_MARKING])
		return true;
	if (!in_state[CLAIM_RUNNING])
		return false;
	for (int i = 0; i < worker->claim_count; i++) {
		const struct claim *claim = worker->claims[i];

		if (claim->state == CLAIM_RUNNING &&
		    !(claim->class && claim->class->reading == READ_HAVE && claim->class->mode == MODE_OVERLAP))
			return true;
	}
	return false;
}

void
renew_drive(struct worker *worker)
{
	int64_t interval = lease_interval(worker->lost_after_ms);
	struct plan *plan = worker->plan;

	if (worker->renew_busy || !lease_needed(worker))
		return;
	int64_t due_ms = worker->proof_ms + interval;
	if (worker->lease.kill_by_ms == 0)
		due_ms = 0;
	/* A multi that is under way for another reason proves as much. */
	if (worker->out.busy && worker->out.sent_ms + interval > due_ms)
		due_ms = worker->out.sent_ms + interval;
	if (!worker_due(worker, due_ms) || !renew_runner_answers(worker))
		return;
	add_check(plan, plan_multi(plan, TAG_RENEW, 0), worker_live(worker), ANY_VERSION);
	worker->renew_busy = true;
}

void
renew_reply(struct worker *worker, const struct reply *reply)
{
	worker->renew_busy = false;
	if (reply->rc == RC_OK)
		renew_proved(worker, reply->sent_ms);
	else if (!worker_lost_reply(reply) && worker->reg == REG_DONE)
		register_begin(worker);
}
