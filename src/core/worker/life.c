/*
 * life.c: an earlier life of this worker, of this boot of this host and provably dead, left claims behind. Nobody needs to
 * wait until the leader takes them for lost: once nothing of that life runs any more they are given back.
 * Nothing is counted against a task unless it carried the "started" mark (zkq-znodes(7), "Crash limit").
 */
#include <stdlib.h>
#include <string.h>

#include "core/worker/state.h"

#define LIFE_CLAIMS_MAX 100	/* in one multi */
#define LIFE_ATTEMPTS_MAX 20	/* then the leader will see to it */

static uint64_t
arg_of(const struct life *life, int index)
{
	return (uint64_t)life->epoch << 32 | (uint32_t)index;
}

static void
drop_claims(struct life *life)
{
	free(life->claims);
	life->claims = NULL;
	life->claim_count = life->waiting = 0;
	life->live_count = life->order_count = 0;
}

static void
life_done(struct worker *worker)
{
	struct life *life = &worker->life;

	drop_claims(life);
	life->state = LIFE_NONE;
	life->epoch++;
}

static void
read_folder(struct worker *worker)
{
	struct life *life = &worker->life;

	drop_claims(life);
	arena_reset(&life->arena);
	life->epoch++;
	life->state = LIFE_FOLDER;
	plan_get(worker->plan, TAG_LIFE_FOLDER, arg_of(life, 0), node_folder(worker->name, life->inc), REC_REPORT, false);
}

/* Something has changed under our hands: from its report on. */
static void
read_again(struct worker *worker)
{
	struct life *life = &worker->life;

	if (++life->attempts > LIFE_ATTEMPTS_MAX) {
		plan_note(worker->plan, NOTE_WARNING, "worker %s: leaves the claims of incarnation %s to the leader",
		    worker->name, life->inc);
		life_done(worker);
		return;
	}
	read_folder(worker);
}

void
life_again(struct worker *worker)
{
	life_done(worker);
	worker->life_count = 0;
	worker->lives_wanted = true;
}

void
life_free(struct worker *worker)
{
	drop_claims(&worker->life);
	resolved_free(&worker->life.resolved);
	arena_free(&worker->life.arena);
	free(worker->lives);
}

static void
sweep(struct worker *worker)
{
	struct life *life = &worker->life;
	struct effect *effect = plan_effect(worker->plan, FX_SWEEP);

	if (!effect)
		return;
	memcpy(effect->sweep.inc, life->inc, sizeof effect->sweep.inc);
	life->state = LIFE_SWEEPING;
}

static void
list_folder(struct worker *worker)
{
	struct life *life = &worker->life;

	life->state = LIFE_LISTING;
	plan_list(worker->plan, TAG_LIFE_LIST, arg_of(life, 0), node_folder(worker->name, life->inc), false);
}

static void
folder_read(struct worker *worker, const struct reply *reply)
{
	struct life *life = &worker->life;
	const struct rec_report *report = &reply->record.report;

	if (reply->rc != RC_OK || reply->bad || reply->record.kind != REC_REPORT || !report->process.host ||
	    !report->process.boot || strcmp(report->process.host, worker->host) != 0 ||
	    strcmp(report->process.boot, worker->boot) != 0) {
		life_done(worker);	/* gone, or not ours to judge: another boot may be another machine of that name */
		return;
	}
	life->version = reply->stat.version;
	life->report = *report;
	life->report.draining = true;	/* it takes nothing any more: the leader may delete the empty folder at once */
	life->report.process.host = arena_string(&life->arena, report->process.host);
	life->report.process.boot = arena_string(&life->arena, report->process.boot);
	if (!life->report.process.host || !life->report.process.boot || !resolved_load(&life->resolved, report)) {
		worker_failed(worker);
		return;
	}
	if (life->swept) {
		list_folder(worker);
	} else {
		life->state = LIFE_PROBING;
		register_probe(worker, &life->report.process);
	}
}

void
life_probed(struct worker *worker, bool dead)
{
	if (worker->life.state != LIFE_PROBING)
		return;
	if (dead)
		sweep(worker);
	else
		life_done(worker);
}

void
life_swept(struct worker *worker, const char *inc)
{
	struct life *life = &worker->life;

	if (life->state != LIFE_SWEEPING || strcmp(life->inc, inc) != 0)
		return;
	life->swept = true;
	if (worker->connected)
		list_folder(worker);
	else
		life_again(worker);
}

/* ---- returning ---- */

/* How the claim is to be returned, now that all is known of it. */
static void
judge(struct life_claim *claim)
{
	if (claim->gone || claim->leave_it || claim->version == 0)
		return;
	claim->crashes++;
	/* A mark means that it may have run: the leader ends those that must not run again, and those that
	 * crash their workers. */
	if (claim->mode == MODE_AT_MOST_ONCE || claim->crashes >= claim->crash_limit)
		claim->leave_it = true;
}

static void
add_return(struct worker *worker, struct request *multi, const struct life_claim *claim)
{
	struct plan *plan = worker->plan;
	struct record record = { .kind = REC_RETRY };
	const struct node *node = &claim->node;
	struct node retry = node_of_token(NODE_RETRY, node->queue, node->seg, node->task.token);

	record.retry.runs = node->run;
	record.retry.crashes = claim->crashes;
	record.retry.suspect = lost_is_suspect(node->run);
	record.retry.error = "its worker ended while it held the task";
	record.retry.by = arena_printf(&plan->arena, "worker %s", worker->name);
	record.retry.at_wall_ms = worker->wall_ms;
	add_delete(plan, multi, *node, claim->version);
	if (claim->has_retry)
		add_set(plan, multi, retry, ANY_VERSION, &record);
	else
		add_create(plan, multi, retry, 0, &record);
}

static void
send_returns(struct worker *worker)
{
	struct life *life = &worker->life;
	struct plan *plan = worker->plan;
	int from = life->sent_from + life->sent_count, count = 0, end = from;

	while (end < life->claim_count && count < LIFE_CLAIMS_MAX) {
		const struct life_claim *claim = &life->claims[end++];

		count += !claim->gone && !claim->leave_it;
	}
	life->sent_from = from;
	life->sent_count = end - from;
	if (!count && !life->live_count && !life->order_count) {
		life_done(worker);
		return;
	}
	struct resolved then;
	struct record record = { .kind = REC_REPORT };
	record.report = life->report;
	bool ok = resolved_copy(&then, &life->resolved);
	if (ok) {
		for (int i = from; i < end && ok; i++)
			if (!life->claims[i].gone && !life->claims[i].leave_it)
				ok = resolved_return(&then, life->claims[i].node.n, life->claims[i].node.n);
		ok = ok && resolved_save(&then, &plan->arena, &record.report);
		resolved_free(&then);
	}
	if (!ok) {
		worker_failed(worker);
		return;
	}
	life->state = LIFE_RETURNING;
	struct request *multi = plan_multi(plan, TAG_LIFE_RETURN, arg_of(life, 0));
	add_check(plan, multi, worker_live(worker), ANY_VERSION);
	for (int i = 0; i < life->live_count; i++)
		add_delete(plan, multi, node_live(worker->name, life->inc, life->live[i]), ANY_VERSION);
	for (int i = 0; i < life->order_count; i++)
		add_delete(plan, multi, node_order(worker->name, life->inc, life->orders[i].n, life->orders[i].verb), ANY_VERSION);
	for (int i = from; i < end; i++)
		if (!life->claims[i].gone && !life->claims[i].leave_it)
			add_return(worker, multi, &life->claims[i]);
	add_set(plan, multi, node_folder(worker->name, life->inc), life->version, &record);
	if (count)
		plan_note(plan, NOTICE, "worker %s: gives back %d claims of incarnation %s, which is dead", worker->name, count,
		    life->inc);
}

static void
returned(struct worker *worker, const struct reply *reply)
{
	struct life *life = &worker->life;

	if (reply->rc != RC_OK) {
		if (reply->rc == RC_NONODE && reply->failed_op == 0 && worker->reg == REG_DONE)
			register_begin(worker);
		else
			read_again(worker);
		return;
	}
	renew_proved(worker, reply->sent_ms);
	life->version++;
	life->live_count = life->order_count = 0;
	for (int i = life->sent_from; i < life->sent_from + life->sent_count; i++)
		if (!life->claims[i].gone && !life->claims[i].leave_it &&
		    !resolved_return(&life->resolved, life->claims[i].node.n, life->claims[i].node.n))
			worker_failed(worker);
	send_returns(worker);
}

/* ---- what must be known of its claims ---- */

static void
all_read(struct worker *worker)
{
	struct life *life = &worker->life;

	for (int i = 0; i < life->claim_count; i++)
		judge(&life->claims[i]);
	life->sent_from = life->sent_count = 0;
	send_returns(worker);
}

static void
listed(struct worker *worker, const struct reply *reply)
{
	struct life *life = &worker->life;
	struct plan *plan = worker->plan;

	if (reply->rc != RC_OK) {
		life_done(worker);
		return;
	}
	life->claims = worker_alloc(worker, (size_t)(reply->child_count + 1) * sizeof *life->claims);
	if (!life->claims)
		return;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *node = &reply->children[i];

		if (node->kind == NODE_LIVE && life->live_count < (int)(sizeof life->live / sizeof life->live[0])) {
			life->live[life->live_count++] = node->r;
		} else if (node->kind == NODE_ORDER && life->order_count < ORPHANS_MAX) {
			life->orders[life->order_count].n = node->n;
			life->orders[life->order_count++].verb = node->verb;
		} else if (node->kind == NODE_CLAIM) {
			struct life_claim *claim = &life->claims[life->claim_count];

			claim->node = node_claim(worker->name, life->inc, node->n, node->queue, node->seg, &node->task, node->run,
			    node->fence);
			claim->crash_limit = CRASH_LIMIT;
			life->claim_count++;
		}
	}
	life->state = LIFE_READING;
	for (int i = 0; i < life->claim_count; i++) {
		const struct node *node = &life->claims[i].node;

		life->waiting++;
		plan_exists(plan, TAG_LIFE_CLAIM, arg_of(life, i), *node, false);
		if (node->run < 2)
			continue;
		life->waiting++;
		plan_get(plan, TAG_LIFE_RETRY, arg_of(life, i),
		    node_of_token(NODE_RETRY, node->queue, node->seg, node->task.token), REC_RETRY, false);
	}
	if (!life->waiting)
		all_read(worker);
}

static void
claim_read(struct worker *worker, const struct reply *reply)
{
	struct life *life = &worker->life;
	struct life_claim *claim = &life->claims[(uint32_t)reply->arg];

	life->waiting--;
	switch (reply->tag) {
	case TAG_LIFE_CLAIM:
		claim->gone = reply->rc == RC_NONODE;
		claim->leave_it = claim->leave_it || (reply->rc != RC_OK && reply->rc != RC_NONODE);
		claim->version = reply->rc == RC_OK ? reply->stat.version : 0;
		if (claim->version == 0)
			break;
		life->waiting++;
		plan_get(worker->plan, TAG_LIFE_CLASS, reply->arg,
		    node_of_hash(NODE_CLASS, claim->node.queue, claim->node.task.class_hash), REC_CLASS, false);
		break;
	case TAG_LIFE_RETRY:
		claim->has_retry = reply->rc == RC_OK;
		if (reply->rc == RC_OK && !reply->bad && reply->record.kind == REC_RETRY)
			claim->crashes = reply->record.retry.crashes;
		else if (reply->rc != RC_NONODE)
			claim->leave_it = true;
		break;
	default:
		if (reply->rc != RC_OK || reply->bad || reply->record.kind != REC_CLASS || !reply->record.class.hash_matches) {
			claim->leave_it = true;
			break;
		}
		claim->mode = reply->record.class.mode;
		if (reply->record.class.crash_limit)
			claim->crash_limit = reply->record.class.crash_limit;
		break;
	}
	if (!life->waiting)
		all_read(worker);
}

static void
lives_listed(struct worker *worker, const struct reply *reply)
{
	worker->lives_busy = false;
	if (reply->rc != RC_OK) {
		worker->lives_wanted = worker_lost_reply(reply);
		return;
	}
	worker->life_count = 0;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *node = &reply->children[i];

		if (node->kind != NODE_FOLDER || strcmp(node->worker, worker->name) != 0 || strcmp(node->inc, worker->inc) == 0)
			continue;
		if (worker->life_count == worker->life_room) {
			int room = worker->life_room ? worker->life_room * 2 : 4;
			char (*lives)[INC_MAX + 1] = realloc(worker->lives, (size_t)room * sizeof *lives);

			if (!lives) {
				worker_failed(worker);
				return;
			}
			worker->lives = lives;
			worker->life_room = room;
		}
		memcpy(worker->lives[worker->life_count++], node->inc, INC_MAX + 1);
	}
}

void
life_drive(struct worker *worker)
{
	struct life *life = &worker->life;

	if (worker->draining || !worker->listed || life->state != LIFE_NONE || worker->lives_busy)
		return;
	if (worker->lives_wanted) {
		worker->lives_wanted = false;
		worker->lives_busy = true;
		plan_list(worker->plan, TAG_LIVES, 0, node_plain(NODE_ASSIGN), false);
	} else if (worker->life_count) {
		memcpy(life->inc, worker->lives[--worker->life_count], sizeof life->inc);
		life->attempts = 0;
		life->swept = false;
		read_folder(worker);
	}
}

void
life_reply(struct worker *worker, const struct reply *reply)
{
	struct life *life = &worker->life;

	if (reply->tag == TAG_LIVES) {
		lives_listed(worker, reply);
		return;
	}
	if (reply->arg >> 32 != life->epoch || life->state == LIFE_NONE)
		return;
	if (worker_lost_reply(reply)) {
		life_again(worker);	/* what a lost reply had done is seen in the folder */
		return;
	}
	switch (reply->tag) {
	case TAG_LIFE_FOLDER:
		folder_read(worker, reply);
		break;
	case TAG_LIFE_LIST:
		listed(worker, reply);
		break;
	case TAG_LIFE_RETURN:
		returned(worker, reply);
		break;
	default:
		claim_read(worker, reply);
		break;
	}
}
