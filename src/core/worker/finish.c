/*
 * finish.c: claims leave in batches, each in one multi with the report that says so. Only one such multi is under
 * way; what ends meanwhile gathers for the next, so batches form by themselves and one task alone never waits.
 */
#include <string.h>

#include "core/worker/state.h"

/* Estimates, in bytes; the codec refuses what is too large all the same, and then the batch is halved. */
#define CLAIM_BYTES 300
#define PATH_BYTES 160
#define RESULT_BYTES 700
#define REPORT_BYTES 20000

static size_t
spelled_size(const char *bytes, size_t len)
{
	size_t size = len;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c < 0x20 || c >= 0x7f)
			size += 5;
		else if (c == '"' || c == '\\')
			size++;
	}
	return size;
}

/* The record of a task that did not end well tells what it was: a person may want to run it again. */
static bool
carries_task(const struct claim *claim)
{
	return claim->leave == LEAVE_DEAD || (claim->leave == LEAVE_DONE && claim->outcome.state != STATE_DONE);
}

static size_t
estimate(const struct claim *claim)
{
	size_t size = CLAIM_BYTES + (1 + VERBS) * PATH_BYTES;
	const char *text;
	size_t len;

	if (claim->leave != LEAVE_DONE && claim->leave != LEAVE_DEAD)
		return size;
	size += PATH_BYTES + RESULT_BYTES + spelled_size(claim->outcome.tail, claim->outcome.tail_len);
	if (claim->reason)
		size += spelled_size(claim->reason, strlen(claim->reason));
	if (carries_task(claim) && payload_of(claim, &text, &len))
		size += spelled_size(text, len);
	return size;
}

/* An adopted attempt is not recorded before its task was read: the result carries its name. */
static bool
can_leave(const struct claim *claim)
{
	return !claim->adopted ||
	    (claim->payload == READ_HAVE && claim->retry == READ_HAVE && claim->class && claim->class->reading == READ_HAVE);
}

/* ---- the multi ---- */

static void
part(struct out *out, int op, enum out_part kind, int item, enum verb verb)
{
	if (op < 0)
		return;
	out->ops[op] = (struct out_op){ .part = (uint8_t)kind, .verb = (uint8_t)verb, .item = (uint16_t)item };
	out->op_count = op + 1;
}

static void
write_result(struct worker *worker, const struct claim *claim, struct record *record)
{
	struct rec_result *result = &record->result;
	size_t len;

	record->kind = REC_RESULT;
	strcpy(result->queue, claim->node.queue);
	result->seg = claim->node.seg;
	strcpy(result->token, claim->node.task.token);
	result->outcome = claim->outcome;
	result->attempt = claim->node.run;
	result->fence = claim->node.fence;
	result->worker = worker->name;
	result->name = claim->name;
	result->by = arena_printf(&worker->plan->arena, "worker %s", worker->name);
	result->at_wall_ms = worker->wall_ms;
	if (carries_task(claim))
		payload_of(claim, &result->task, &len);
}

/* An attempt that ran and is given back counts for nothing, but the next one must have another number. */
static bool
records_run(const struct claim *claim)
{
	return claim->leave == LEAVE_RETURN && claim->outcome.started_wall_ms && !claim->no_record;
}

static int
add_run(struct worker *worker, struct request *multi, const struct claim *claim)
{
	const struct node *node = &claim->node;
	struct node retry = node_of_token(NODE_RETRY, node->queue, node->seg, node->task.token);
	struct record record = { .kind = REC_RETRY };

	record.retry.runs = node->run;
	record.retry.crashes = claim->crashes;
	record.retry.suspect = claim->suspect;
	record.retry.error = arena_printf(&worker->plan->arena, "stopped and given back: %s",
	    claim->outcome.reason ? claim->outcome.reason : "no reason known");
	record.retry.by = arena_printf(&worker->plan->arena, "worker %s", worker->name);
	record.retry.at_wall_ms = worker->wall_ms;
	if (claim->has_retry)
		return add_set(worker->plan, multi, retry, ANY_VERSION, &record);
	return add_create(worker->plan, multi, retry, 0, &record);
}

static void
add_claim(struct worker *worker, struct request *multi, int item)
{
	struct out *out = &worker->out;
	struct plan *plan = worker->plan;
	struct claim *claim = out->items[item];
	const struct node *node = &claim->node;
	bool ends = claim->leave == LEAVE_DONE || claim->leave == LEAVE_DEAD || claim->leave == LEAVE_UNRECORDED;

	part(out, add_delete(plan, multi, *node, ANY_VERSION), PART_CLAIM, item, 0);
	for (enum verb verb = 0; verb < VERBS; verb++)
		if (claim->orders & 1u << verb)
			part(out, add_delete(plan, multi, node_order(worker->name, worker->inc, node->n, verb), ANY_VERSION),
			    PART_ORDER, item, verb);
	if (ends)
		part(out, add_delete(plan, multi, node_task(node->queue, node->seg, &node->task), ANY_VERSION), PART_TASK,
		    item, 0);
	if (claim->has_retry && (ends || claim->leave == LEAVE_TASKLESS))
		part(out, add_delete(plan, multi, node_of_token(NODE_RETRY, node->queue, node->seg, node->task.token),
		    ANY_VERSION), PART_RETRY, item, 0);
	if (records_run(claim))
		part(out, add_run(worker, multi, claim), PART_RETRY, item, 0);
	if (claim->leave == LEAVE_DONE || claim->leave == LEAVE_DEAD) {
		struct record record = { .kind = REC_NONE };

		write_result(worker, claim, &record);
		part(out, add_create(plan, multi, node_of_token(claim->leave == LEAVE_DEAD ? NODE_DEAD : NODE_RESULT,
		    node->queue, node->seg, node->task.token), 0, &record), PART_RESULT, item, 0);
	}
	claim_move(worker, claim, CLAIM_LEAVING);
}

/* Chooses what leaves now. */
static void
gather(struct worker *worker)
{
	struct out *out = &worker->out;
	size_t bytes = REPORT_BYTES + 4 * PATH_BYTES + (size_t)worker->orphan_count * PATH_BYTES +
	    (size_t)worker->resolved.count * 24;

	out->count = out->op_count = 0;
	for (int i = 0; i < worker->claim_count && out->count < worker->out_limit && worker->in_state[CLAIM_OVER]; i++) {
		struct claim *claim = worker->claims[i];

		if (claim->state != CLAIM_OVER || !can_leave(claim))
			continue;
		/* Started at most once means that it ends here, whatever stopped it. */
		if (claim->leave == LEAVE_RETURN && claim->outcome.started_wall_ms && claim->class &&
		    claim->class->mode == MODE_AT_MOST_ONCE && !claim->class->missing)
			claim->leave = LEAVE_DONE;
		size_t size = estimate(claim);
		if (out->count && bytes + size > REQUEST_BYTES_MAX)
			break;
		bytes += size;
		out->items[out->count++] = claim;
	}
	out->orphan_count = 0;
	for (int i = 0; i < worker->orphan_count; i++) {
		out->orphans[out->orphan_count].n = worker->orphan_n[i];
		out->orphans[out->orphan_count++].verb = worker->orphan_verb[i];
	}
	worker->orphan_count = 0;
}

void
finish_drive(struct worker *worker)
{
	struct out *out = &worker->out;
	struct plan *plan = worker->plan;

	if (worker->reg != REG_DONE || out->busy || out->unknown)
		return;
	if (worker->in_state[CLAIM_ASIDE] && worker_due(worker, worker->aside_at_ms))
		for (int i = 0; i < worker->claim_count; i++)
			if (worker->claims[i]->state == CLAIM_ASIDE)
				claim_move(worker, worker->claims[i], CLAIM_OVER);
	bool due = report_due(worker);
	if ((!worker->in_state[CLAIM_OVER] && !worker->orphan_count && !due) || !worker_due(worker, worker->out_at_ms))
		return;
	gather(worker);
	if (!out->count && !out->orphan_count && (!due || (!worker->draining && !renew_runner_answers(worker))))
		return;
	struct record record = { .kind = REC_REPORT };
	if (!report_write(worker, &record.report, true))
		return;
	struct request *multi = plan_multi(plan, TAG_OUT, 0);
	part(out, add_check(plan, multi, worker_live(worker), ANY_VERSION), PART_LIVE, 0, 0);
	for (int i = 0; i < out->count; i++)
		add_claim(worker, multi, i);
	for (int i = 0; i < out->orphan_count; i++)
		part(out, add_delete(plan, multi, node_order(worker->name, worker->inc, out->orphans[i].n,
		    out->orphans[i].verb), ANY_VERSION), PART_ORPHAN, i, 0);
	part(out, add_set(plan, multi, node_folder(worker->name, worker->inc), worker->folder_version, &record),
	    PART_REPORT, 0, 0);
	out->busy = true;
	out->sent_ms = worker->now_ms;
}

/* ---- what came of it ---- */

bool
finish_resolve(const struct worker *worker, struct resolved *resolved)
{
	for (int i = 0; i < worker->out.count; i++) {
		const struct claim *claim = worker->out.items[i];
		bool ok;

		switch (claim->leave) {
		case LEAVE_DONE:
			ok = resolved_add(resolved, claim->node.n, claim->node.n) &&
			    resolved_count(resolved, claim->node.queue, claim->outcome.state == STATE_DONE);
			break;
		case LEAVE_DEAD:
			ok = resolved_add(resolved, claim->node.n, claim->node.n) &&
			    resolved_count(resolved, claim->node.queue, false);
			break;
		case LEAVE_RETURN:
			ok = resolved_return(resolved, claim->node.n, claim->node.n);
			break;
		default:
			ok = resolved_add(resolved, claim->node.n, claim->node.n);
			break;
		}
		if (!ok)
			return false;
	}
	return true;
}

/* All that was in the multi has left. */
static void
applied(struct worker *worker)
{
	struct out *out = &worker->out;

	if (!finish_resolve(worker, &worker->resolved))
		worker_failed(worker);
	for (int i = 0; i < out->count; i++) {
		struct claim *claim = out->items[i];

		if (claim->leave == LEAVE_RETURN)
			worker->returned_total++;
		else
			worker->finished_total++;
		claim_remove(worker, claim);
	}
	out->count = 0;
	out->unknown = false;
	worker->contested = 0;
}

void
finish_not_applied(struct worker *worker)
{
	struct out *out = &worker->out;

	for (int i = 0; i < out->count; i++)
		claim_move(worker, out->items[i], CLAIM_OVER);
	out->count = 0;
	out->unknown = false;
}

void
finish_settle(struct worker *worker, const struct rec_report *report)
{
	struct out *out = &worker->out;
	bool all = report != NULL;

	if (!out->unknown)
		return;
	for (int i = 0; i < out->count && all; i++)
		all = report_resolves(report, out->items[i]->node.n);
	if (all && out->count)
		applied(worker);
	else if (worker->reg == REG_DONE)
		finish_not_applied(worker);
	/* Else the old session may still carry it out: the registering multi draws the line. */
}

void
finish_verify_drive(struct worker *worker)
{
	struct out *out = &worker->out;

	if (!out->unknown || out->verifying || worker->reg != REG_DONE || !worker_due(worker, worker->out_at_ms))
		return;
	out->verifying = true;
	plan_sync(worker->plan, TAG_SYNC, 0, node_plain(NODE_ROOT));
	plan_get(worker->plan, TAG_VERIFY, 0, node_folder(worker->name, worker->inc), REC_REPORT, false);
}

static void
set_aside(struct worker *worker, struct claim *claim, const char *why)
{
	if (worker->in_state[CLAIM_ASIDE] == 0)
		worker->aside_at_ms = worker->now_ms + ASIDE_RETRY_MS;
	plan_note(worker->plan, NOTE_ERROR, "task %s: its result cannot be recorded, %s; trying again every %d s",
	    claim_id(worker, claim), why, ASIDE_RETRY_MS / 1000);
	claim_move(worker, claim, CLAIM_ASIDE);
}

/* Makes the folder that results or dead letters of the segment lie in. */
static void
mend_folder(struct worker *worker, struct claim *claim)
{
	struct plan *plan = worker->plan;
	struct request *multi = plan_multi(plan, TAG_MEND, claim->node.n);

	add_check(plan, multi, worker_live(worker), ANY_VERSION);
	add_create(plan, multi, node_of_segment(claim->leave == LEAVE_DEAD ? NODE_DEAD_SEG : NODE_DONE_SEG,
	    claim->node.queue, claim->node.seg), 0, NULL);
	set_aside(worker, claim, "the folder for it was missing");
}

static void
mended(struct worker *worker, const struct reply *reply)
{
	struct claim *claim = claim_find(worker, reply->arg);

	if (claim && claim->state == CLAIM_ASIDE && (reply->rc == RC_OK || reply->rc == RC_NODEEXISTS))
		claim_move(worker, claim, CLAIM_OVER);
}

/* Strangers' znodes below the task keep it from being deleted: they go first, if they can. */
static void
delete_children(struct worker *worker, struct claim *claim)
{
	set_aside(worker, claim, "its task has children that are not zkq's; they are deleted");
	plan_list(worker->plan, TAG_CHILDREN, claim->node.n, node_task(claim->node.queue, claim->node.seg,
	    &claim->node.task), false);
}

static void
children_listed(struct worker *worker, struct claim *claim, const struct reply *reply)
{
	struct plan *plan = worker->plan;

	claim->children = 0;
	claim->children_stay = reply->rc != RC_OK;
	for (int i = 0; i < reply->child_count && claim->children < MULTI_TASKS_MAX; i++) {
		if (reply->children[i].kind != NODE_TASK_CHILD) {
			claim->children_stay = true;	/* its name is beyond our grammar */
			continue;
		}
		struct request *multi = plan_multi(plan, TAG_CHILD, claim->node.n);
		add_check(plan, multi, worker_live(worker), ANY_VERSION);
		add_delete(plan, multi, reply->children[i], ANY_VERSION);
		claim->children++;
	}
}

static void
child_deleted(struct worker *worker, struct claim *claim, const struct reply *reply)
{
	if (reply->rc != RC_OK && reply->rc != RC_NONODE)
		claim->children_stay = true;
	if (--claim->children > 0)
		return;
	if (!claim->children_stay)
		claim_move(worker, claim, CLAIM_OVER);
	else
		plan_note(worker->plan, NOTE_ERROR, "task %s: children of its znode cannot be deleted (%s): its result is kept "
		    "here until somebody removes them", claim_id(worker, claim), rc_word(reply->rc));
}

static void
children_reply(struct worker *worker, const struct reply *reply)
{
	struct claim *claim = claim_find(worker, reply->arg);

	if (!claim || claim->state != CLAIM_ASIDE)
		return;
	if (reply->tag == TAG_CHILDREN)
		children_listed(worker, claim, reply);
	else
		child_deleted(worker, claim, reply);
}

/* One operation about a claim was refused: the claim is changed so that the next multi does better. */
static void
claim_refused(struct worker *worker, const struct out_op *op, struct claim *claim, enum rc rc)
{
	switch ((enum out_part)op->part) {
	case PART_CLAIM:
		if (rc != RC_NONODE)
			break;
		plan_note(worker->plan, NOTE_WARNING, "task %s: its claim was revoked, this run counts for nothing",
		    claim_id(worker, claim));
		worker->revoked_total++;
		claim_vanished(worker, claim->node.n, claim->node.n);
		claim_remove(worker, claim);
		return;
	case PART_TASK:
		if (rc == RC_NONODE) {
			plan_note(worker->plan, NOTE_WARNING, "task %s: was removed by hand, its result is dropped",
			    claim_id(worker, claim));
			claim->leave = LEAVE_TASKLESS;
			return;
		}
		if (rc == RC_NOTEMPTY) {
			delete_children(worker, claim);
			return;
		}
		break;
	case PART_RETRY:
		if (rc == RC_NODEEXISTS)
			claim->has_retry = true;
		else if (rc == RC_NONODE && claim->has_retry)
			claim->has_retry = false;
		else if (rc == RC_NONODE)
			claim->no_record = true;
		else
			break;
		return;
	case PART_ORDER:
		if (rc != RC_NONODE)
			break;
		claim->orders &= ~(1u << op->verb);
		return;
	case PART_RESULT:
		if (rc == RC_NODEEXISTS) {
			plan_note(worker->plan, NOTE_ERROR, "task %s: has a result already, which must not happen; "
			    "the older result stays", claim_id(worker, claim));
			claim->leave = LEAVE_UNRECORDED;
			return;
		}
		if (rc == RC_NONODE) {
			mend_folder(worker, claim);
			return;
		}
		break;
	default:
		break;
	}
	const char *why = arena_printf(&worker->plan->arena, "ZooKeeper says: %s", rc_word(rc));
	set_aside(worker, claim, why ? why : rc_word(rc));
}

/* Larger than a request may be, in spite of the estimate. */
static void
too_large(struct worker *worker, int count, struct claim *first)
{
	if (count > 1) {
		worker->out_limit = count / 2;
	} else if (first && first->outcome.tail_len) {
		first->outcome.tail_len = 0;
	} else if (first) {
		set_aside(worker, first, "it is larger than a request may be");
	} else {
		worker->out_at_ms = worker->now_ms + worker_pause(worker);
	}
}

static void
refused(struct worker *worker, const struct reply *reply)
{
	struct out *out = &worker->out;
	int count = out->count;
	struct claim *first = count ? out->items[0] : NULL;

	if (reply->failed_op < 0 || reply->failed_op >= out->op_count) {
		finish_not_applied(worker);
		if (reply->rc == RC_INVALID)
			too_large(worker, count, first);
		else
			worker->out_at_ms = worker->now_ms + worker_pause(worker);
		return;
	}
	const struct out_op *op = &out->ops[reply->failed_op];
	struct claim *claim = op->item < count ? out->items[op->item] : NULL;
	finish_not_applied(worker);
	switch ((enum out_part)op->part) {
	case PART_LIVE:
		if (reply->rc == RC_NONODE) {
			if (worker->reg == REG_DONE)
				register_begin(worker);
			return;
		}
		break;
	case PART_REPORT:
		if (reply->rc == RC_NONODE) {
			if (worker->reg == REG_DONE)
				register_begin(worker);
			return;
		}
		if (reply->rc == RC_BADVERSION) {
			if (++worker->contested > CONTESTED_MAX) {
				plan_note(worker->plan, NOTE_ERROR, "worker %s: another coordinator writes the report of "
				    "incarnation %s, this one ends", worker->name, worker->inc);
				worker_exit(worker, EXIT_CONTESTED);
				return;
			}
			out->unknown = true;	/* an empty one: its version is read again */
			return;
		}
		break;
	case PART_ORPHAN:
		worker->list_wanted = true;	/* those that are still there are seen again */
		if (reply->rc == RC_NONODE)
			return;
		break;
	default:
		claim_refused(worker, op, claim, reply->rc);
		return;
	}
	plan_note(worker->plan, NOTE_ERROR, "worker %s: cannot report: %s; trying again", worker->name, rc_word(reply->rc));
	worker->out_at_ms = worker->now_ms + worker_pause(worker);
}

void
finish_reply(struct worker *worker, const struct reply *reply)
{
	struct out *out = &worker->out;

	if (reply->tag == TAG_MEND) {
		mended(worker, reply);
		return;
	}
	if (reply->tag == TAG_CHILDREN || reply->tag == TAG_CHILD) {
		children_reply(worker, reply);
		return;
	}
	out->busy = false;
	if (reply->rc == RC_OK) {
		worker->folder_version++;
		report_sent(worker);
		report_took(worker, reply->took_ms);
		renew_proved(worker, reply->sent_ms);
		applied(worker);
		worker->retry_ms = RETRY_MIN_MS;
		if (worker->out_limit < MULTI_TASKS_MAX)
			worker->out_limit = worker->out_limit * 2 > MULTI_TASKS_MAX ? MULTI_TASKS_MAX : worker->out_limit * 2;
	} else if (reply->rc == RC_NOTSENT) {
		finish_not_applied(worker);
		worker->list_wanted = true;
	} else if (worker_lost_reply(reply)) {
		out->unknown = true;
		worker->list_wanted = true;
	} else {
		refused(worker, reply);
	}
}
