/*
 * cancel.c: cancel requests.
 *
 *     LIST ──live──▶ WISH ──created, or there already──▶ answered REQUESTED
 *      │              ├─ cancel/<seg> missing ──▶ FOLDER ──▶ WISH
 *      │              └─ segment gone ──▶ RESULT
 *      └─not live──▶ RESULT ──found──▶ answered RESULT
 *                       └─ not there ──▶ LIST once more after a sync ──▶ answered NOTASK
 *
 * A request is written only while its segment stands, in one multi with that check: so none is left behind
 * when the leader deletes the segment with its folders.
 */
#include "core/submitter/state.h"

#include <stdlib.h>
#include <string.h>

enum cancel_state { CANCEL_LIST, CANCEL_WISH, CANCEL_FOLDER, CANCEL_RESULT };

struct cancel {
	struct cancel *next;
	uint64_t call_id;
	int index;
	struct task_id id;
	char *by, *reason;
	enum cancel_state state;
	uint64_t request;	/* under way; 0 = none */
	bool second;		/* everything is looked at for the second time, after a sync */
	bool synced;
	int left;		/* RESULT: replies still to come */
	bool again;
};

static void
cancel_release(struct cancel *cancel)
{
	free(cancel->by);
	free(cancel->reason);
	free(cancel);
}

static void
cancel_remove(struct submitter *s, struct cancel *cancel)
{
	for (struct cancel **at = &s->cancels; *at; at = &(*at)->next) {
		if (*at == cancel) {
			*at = cancel->next;
			cancel_release(cancel);
			return;
		}
	}
}

void
cancels_free(struct submitter *s)
{
	while (s->cancels)
		cancel_remove(s, s->cancels);
}

void
cancel_forget(struct submitter *s, uint64_t call_id)
{
	for (struct cancel *cancel = s->cancels, *next; cancel; cancel = next) {
		next = cancel->next;
		if (cancel->call_id == call_id)
			cancel_remove(s, cancel);
	}
}

static void
cancel_answer(struct submitter *s, struct cancel *cancel, enum answer_kind kind, enum refused_code code,
    const char *text, struct plan *plan)
{
	struct answer *answer = submitter_answer(plan, kind, cancel->call_id, cancel->index);

	if (answer) {
		answer->code = code;
		answer->text = text;
		answer->task_id = cancel->id;
	}
	cancel_remove(s, cancel);
}

static struct cancel *
cancel_new(const struct call *call, int index)
{
	struct cancel *cancel = calloc(1, sizeof *cancel);

	if (!cancel)
		return NULL;
	cancel->by = call->ids.by ? strdup(call->ids.by) : NULL;
	cancel->reason = call->ids.reason ? strdup(call->ids.reason) : NULL;
	if ((call->ids.by && !cancel->by) || (call->ids.reason && !cancel->reason)) {
		cancel_release(cancel);
		return NULL;
	}
	cancel->call_id = call->id;
	cancel->index = index;
	cancel->id = call->ids.ids[index];
	return cancel;
}

void
cancel_call(struct submitter *s, const struct event *event, struct plan *plan)
{
	const struct call *call = event->call;
	struct cancel **at = &s->cancels;

	while (*at)
		at = &(*at)->next;
	for (int i = 0; i < call->ids.count; i++) {
		struct cancel *cancel = cancel_new(call, i);

		if (!cancel) {
			struct answer *answer = submitter_answer(plan, ANSWER_REFUSED, call->id, i);
			if (answer) {
				answer->code = REFUSED_OTHER;
				answer->text = "out of memory";
			}
			continue;
		}
		*at = cancel;
		at = &cancel->next;
	}
}

/* ---- asking ---- */

static bool
same_segment(const struct cancel *a, const struct cancel *b)
{
	return a->id.seg == b->id.seg && !strcmp(a->id.queue, b->id.queue);
}

/* One listing serves every request about the segment. */
static void
ask_list(struct submitter *s, struct cancel *first, struct plan *plan)
{
	struct node node = node_of_segment(NODE_SEGMENT, first->id.queue, first->id.seg);
	uint64_t request = submitter_draw(s);
	bool sync = first->second;

	for (struct cancel *cancel = first; cancel; cancel = cancel->next) {
		if (cancel->state != CANCEL_LIST || cancel->request || !same_segment(first, cancel) ||
		    cancel->second != sync)
			continue;
		cancel->request = request;
		cancel->synced = !sync;
	}
	if (sync)
		plan_sync(plan, TAG_CANCEL_SYNC, request, node);
	plan_list(plan, TAG_CANCEL_LIST, request, node, false);
}

static void
ask_wish(struct submitter *s, struct cancel *cancel, const struct event *event, struct plan *plan)
{
	struct record record = { .kind = REC_WISH, .wish = { .by = arena_string(&plan->arena, cancel->by),
		.reason = arena_string(&plan->arena, cancel->reason), .at_wall_ms = event->wall_ms } };
	bool folder = cancel->state == CANCEL_FOLDER;

	cancel->request = submitter_draw(s);
	struct request *multi = plan_multi(plan, folder ? TAG_CANCEL_FOLDER : TAG_CANCEL_WISH, cancel->request);
	add_check(plan, multi, node_of_segment(NODE_SEGMENT, cancel->id.queue, cancel->id.seg), ANY_VERSION);
	if (folder)
		add_create(plan, multi, node_of_segment(NODE_CANCEL_SEG, cancel->id.queue, cancel->id.seg), 0, NULL);
	else
		add_create(plan, multi, node_of_token(NODE_CANCEL, cancel->id.queue, cancel->id.seg,
		    cancel->id.token), 0, &record);
}

static void
ask_result(struct submitter *s, struct cancel *cancel, struct plan *plan)
{
	cancel->request = submitter_draw(s);
	cancel->left = 2;
	cancel->again = false;
	plan_get(plan, TAG_CANCEL_RESULT, cancel->request,
	    node_of_token(NODE_RESULT, cancel->id.queue, cancel->id.seg, cancel->id.token), REC_RESULT, false);
	plan_get(plan, TAG_CANCEL_RESULT, cancel->request,
	    node_of_token(NODE_DEAD, cancel->id.queue, cancel->id.seg, cancel->id.token), REC_RESULT, false);
}

void
cancel_pump(struct submitter *s, const struct event *event, struct plan *plan)
{
	for (struct cancel *cancel = s->cancels; cancel; cancel = cancel->next) {
		if (cancel->request)
			continue;
		if (cancel->state == CANCEL_LIST)
			ask_list(s, cancel, plan);
		else if (cancel->state == CANCEL_RESULT)
			ask_result(s, cancel, plan);
		else
			ask_wish(s, cancel, event, plan);
	}
}

/* ---- replies ---- */

static void
next_state(struct cancel *cancel, enum cancel_state state)
{
	cancel->state = state;
	cancel->request = 0;
}

static bool
lists(const struct reply *reply, const char *token)
{
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_TASK && !strcmp(reply->children[i].task.token, token))
			return true;
	return false;
}

static void
list_reply(struct submitter *s, struct cancel *cancel, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (reply->rc == RC_NOAUTH) {
		cancel_answer(s, cancel, ANSWER_REFUSED, REFUSED_NOAUTH, NULL, plan);
		return;
	}
	if (!cancel->synced || (reply->rc != RC_OK && reply->rc != RC_NONODE)) {
		submitter_ask_again(s, event);
		next_state(cancel, CANCEL_LIST);
		return;
	}
	next_state(cancel, reply->rc == RC_OK && lists(reply, cancel->id.token) ? CANCEL_WISH : CANCEL_RESULT);
}

static void
wish_reply(struct submitter *s, struct cancel *cancel, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	bool folder = reply->tag == TAG_CANCEL_FOLDER;

	if (reply->rc == RC_OK || (reply->rc == RC_NODEEXISTS && reply->failed_op == 1)) {
		if (folder)
			next_state(cancel, CANCEL_WISH);
		else
			cancel_answer(s, cancel, ANSWER_REQUESTED, REFUSED_NONE, NULL, plan);
	} else if (submitter_says_nothing(s, event, reply->rc)) {
		next_state(cancel, cancel->state);	/* doing it twice is harmless */
	} else if (reply->rc == RC_NONODE && reply->failed_op == 0) {
		next_state(cancel, CANCEL_RESULT);
	} else if (reply->rc == RC_NONODE && !folder) {
		next_state(cancel, CANCEL_FOLDER);
	} else {
		cancel_answer(s, cancel, ANSWER_REFUSED, reply->rc == RC_NOAUTH ? REFUSED_NOAUTH : REFUSED_OTHER,
		    reply->rc == RC_NOAUTH ? NULL : "the request could not be written", plan);
	}
}

static void
result_reply(struct submitter *s, struct cancel *cancel, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (reply->rc == RC_OK) {
		submitter_result(plan, cancel->call_id, cancel->index, &cancel->id, reply);
		cancel_remove(s, cancel);
		return;
	}
	if (reply->rc == RC_NOAUTH) {
		cancel_answer(s, cancel, ANSWER_REFUSED, REFUSED_NOAUTH, NULL, plan);
		return;
	}
	if (reply->rc != RC_NONODE) {
		submitter_ask_again(s, event);
		cancel->again = true;
	}
	if (--cancel->left > 0)
		return;
	if (cancel->again) {
		next_state(cancel, CANCEL_RESULT);
	} else if (cancel->second) {
		cancel_answer(s, cancel, ANSWER_NOTASK, REFUSED_NONE, NULL, plan);
	} else {
		cancel->second = true;
		next_state(cancel, CANCEL_LIST);
	}
}

void
cancel_reply(struct submitter *s, const struct event *event, struct plan *plan)
{
	for (struct cancel *cancel = s->cancels, *next; cancel; cancel = next) {
		next = cancel->next;
		if (cancel->request != event->reply.arg)
			continue;
		switch (event->reply.tag) {
		case TAG_CANCEL_SYNC:
			cancel->synced = event->reply.rc == RC_OK;
			break;
		case TAG_CANCEL_LIST:
			list_reply(s, cancel, event, plan);
			break;
		case TAG_CANCEL_RESULT:
			result_reply(s, cancel, event, plan);
			break;
		default:
			wish_reply(s, cancel, event, plan);
		}
	}
}
