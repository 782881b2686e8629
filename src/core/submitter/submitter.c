#include "core/submitter/state.h"

#include <stdlib.h>
#include <string.h>

struct submitter *
submitter_new(uint64_t seed)
{
	struct submitter *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	rng_seed(&s->rng, seed);
	s->wait_due_ms = NEVER;
	return s;
}

void
submitter_free(struct submitter *s)
{
	if (!s)
		return;
	for (struct lane *lane = s->lanes, *next; lane; lane = next) {
		next = lane->next;
		lane_free(lane);
	}
	for (struct submission *owner = s->submissions, *next; owner; owner = next) {
		next = owner->next;
		arena_free(&owner->arena);
		free(owner);
	}
	wait_free(s);
	wishes_free(s);
	free(s);
}

uint64_t
submitter_draw(struct submitter *s)
{
	return ++s->requests;
}

void
submitter_ask_again(struct submitter *s, const struct event *event)
{
	s->pause_until_ms = event->now_ms + ASK_AGAIN_MS;
}

bool
submitter_says_nothing(struct submitter *s, const struct event *event, enum rc rc)
{
	if (rc != RC_UNKNOWN && rc != RC_NOTSENT && rc != RC_NOMEM)
		return false;
	submitter_ask_again(s, event);
	return true;
}

struct answer *
submitter_answer(struct plan *plan, enum answer_kind kind, uint64_t call_id, int index)
{
	struct answer *answer = arena_alloc(&plan->arena, sizeof *answer);
	struct effect *effect = answer ? plan_effect(plan, FX_ANSWER) : NULL;

	if (!effect) {
		plan->failed = true;
		return NULL;
	}
	answer->kind = kind;
	answer->call_id = call_id;
	answer->index = index;
	effect->answer = answer;
	return answer;
}

/* The record's strings live in the event: copy them to the plan, which the driver reads. */
static void
keep_result(struct plan *plan, struct rec_result *to, const struct rec_result *from)
{
	*to = *from;
	to->worker = arena_string(&plan->arena, from->worker);
	to->name = arena_string(&plan->arena, from->name);
	to->by = arena_string(&plan->arena, from->by);
	to->task = arena_string(&plan->arena, from->task);
	to->outcome.reason = arena_string(&plan->arena, from->outcome.reason);
	if (from->outcome.tail)
		to->outcome.tail = arena_copy(&plan->arena, from->outcome.tail, from->outcome.tail_len);
	if (plan->arena.failed)
		plan->failed = true;
}

void
submitter_result(struct plan *plan, uint64_t call_id, int index, const struct task_id *id, const struct reply *reply)
{
	struct answer *answer = submitter_answer(plan, reply->bad ? ANSWER_REFUSED : ANSWER_RESULT, call_id, index);

	if (!answer)
		return;
	answer->task_id = *id;
	answer->dead = reply->node.kind == NODE_DEAD;
	if (reply->bad) {
		answer->code = REFUSED_OTHER;
		answer->text = "the result is there but cannot be read";
		return;
	}
	keep_result(plan, &answer->result, &reply->record.result);
}

void
item_answer(struct submitter *s, struct plan *plan, struct item *item, enum answer_kind kind, uint32_t seg,
    enum refused_code code, const char *text)
{
	struct submission *owner = item->owner;

	if (!item->forgotten) {
		struct answer *answer = submitter_answer(plan, kind, owner->call_id, item->index);

		if (answer) {
			answer->code = code;
			answer->text = text;
		}
		if (answer && kind != ANSWER_REFUSED) {
			memcpy(answer->task_id.queue, owner->lane->queue, sizeof owner->lane->queue);
			answer->task_id.seg = seg;
			memcpy(answer->task_id.token, item->token, sizeof item->token);
		}
	}
	if (--owner->open > 0)
		return;
	for (struct submission **at = &s->submissions; *at; at = &(*at)->next) {
		if (*at == owner) {
			*at = owner->next;
			break;
		}
	}
	arena_free(&owner->arena);
	free(owner);
}

/* ---- calls ---- */

static void
refuse_call(struct plan *plan, const struct call *call, int index, enum refused_code code, const char *text)
{
	struct answer *answer = submitter_answer(plan, ANSWER_REFUSED, call->id, index);

	if (answer) {
		answer->code = code;
		answer->text = text;
	}
}

static bool
copy_item(struct submission *owner, struct item *item, const struct submit_task *task, int index, bool batch)
{
	item->owner = owner;
	item->index = index;
	item->batch = batch && !task->key;
	item->len = task->len;
	item->priority = task->priority;
	item->class_hash = task->class_hash;
	item->key_hash = task->key_hash;
	item->idempotency_hash = task->idempotency_hash;
	item->text = arena_copy(&owner->arena, task->text, task->len);
	item->class_text = arena_string(&owner->arena, task->class_text);
	item->key = arena_string(&owner->arena, task->key);
	return !owner->arena.failed;
}

static void
call_submit(struct submitter *s, const struct call *call, struct plan *plan)
{
	int count = call->submit.count, good = 0;
	struct lane *lane = lane_get(s, call->submit.queue);
	struct submission *owner = lane ? calloc(1, sizeof *owner) : NULL;
	struct item *items = owner ? arena_alloc(&owner->arena, (size_t)count * sizeof *items) : NULL;

	if (!items)
		goto out_of_memory;
	for (int i = 0; i < count; i++)
		if (!copy_item(owner, &items[i], &call->submit.tasks[i], i, call->submit.batch && count > 1))
			goto out_of_memory;
	owner->call_id = call->id;
	owner->lane = lane;
	for (int i = 0; i < count; i++) {
		if (items[i].len > PAYLOAD_HARD_MAX) {
			refuse_call(plan, call, i, REFUSED_SIZE, "the task is larger than 512 KiB");
			continue;
		}
		good++;
		lane_append(lane, &items[i]);
	}
	if (!good) {
		arena_free(&owner->arena);
		free(owner);
		return;
	}
	owner->open = good;
	owner->next = s->submissions;
	s->submissions = owner;
	return;

out_of_memory:
	if (owner)
		arena_free(&owner->arena);
	free(owner);
	for (int i = 0; i < count; i++)
		refuse_call(plan, call, i, REFUSED_OTHER, "out of memory");
}

static void
take_call(struct submitter *s, const struct event *event, struct plan *plan)
{
	const struct call *call = event->call;

	switch (call->kind) {
	case CALL_SUBMIT:
		call_submit(s, call, plan);
		break;
	case CALL_WAIT:
		wait_call(s, event, plan);
		break;
	case CALL_CANCEL:
	case CALL_UPDATE:
	case CALL_SETTLE:
		wish_call(s, event, plan);
		break;
	case CALL_FORGET:
		for (struct lane *lane = s->lanes; lane; lane = lane->next)
			lane_forget(s, lane, call->id, plan);
		wait_forget(s, call->id);
		wish_forget(s, call->id);
		break;
	}
}

/* ---- events ---- */

static void
take_reply(struct submitter *s, const struct event *event, struct plan *plan)
{
	uint32_t tag = event->reply.tag;

	if (tag <= TAG_LANE_ROLL)
		lane_reply(s, event, plan);
	else if (tag <= TAG_LOOK_KEY)
		group_reply(s, event, plan);
	else if (tag <= TAG_WAIT_TASKS)
		wait_reply(s, event, plan);
	else
		wish_reply(s, event, plan);
}

static void
pump(struct submitter *s, const struct event *event, struct plan *plan)
{
	if (!s->connected)
		return;
	if (event->now_ms < s->pause_until_ms) {
		plan_wake(plan, s->pause_until_ms);
		return;
	}
	for (struct lane *lane = s->lanes; lane; lane = lane->next)
		lane_pump(s, lane, event, plan);
	wait_pump(s, event, plan);
	wish_pump(s, event, plan);
}

void
submitter_step(struct submitter *s, const struct event *event, struct plan *plan)
{
	switch (event->kind) {
	case EV_CONNECTED:
		/* Even in the same session a watch may have fired unheard (dispatcher/leader.c says how). */
		wait_look_again(s);
		wish_look_again(s);
		s->connected = true;
		s->session = event->session.id;
		s->session_timeout_ms = event->session.timeout_ms;
		s->pause_until_ms = event->now_ms;
		break;
	case EV_DISCONNECTED:
	case EV_EXPIRED:
		s->connected = false;
		break;
	case EV_REPLY:
		take_reply(s, event, plan);
		break;
	case EV_WATCH:
		wait_watch(s, event);
		wish_watch(s, event);
		break;
	case EV_CALL:
		take_call(s, event, plan);
		break;
	default:
		break;
	}
	pump(s, event, plan);
}
