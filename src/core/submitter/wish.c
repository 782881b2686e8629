/*
 * wish.c: requests about single tasks: to cancel them, to change them; and what became of a change.
 *
 *     LIST ──live──▶ WRITE ──created, or there already──▶ answered REQUESTED
 *      │ (an update: ──▶ MARK ──▶ WRITE)
 *      │              ├─ there already, an update ──▶ SET ──▶ answered REQUESTED
 *      │              ├─ cancel/<seg>, update/<seg> missing ──▶ FOLDER ──▶ WRITE
 *      │              │                                 └─ no update/ in the queue ──▶ PLACE ──▶ FOLDER
 *      │              └─ segment gone ──▶ RESULT
 *      └─not live──▶ RESULT ──found──▶ answered RESULT
 *                       └─ not there ──▶ LIST once more after a sync ──▶ answered NOTASK
 *
 *     settling an update: WATCH ──the request is gone──▶ LIST ──live──▶ DATA ──▶ answered UPDATED or BUSY
 *
 * The leader deletes a request whether it has changed the task or a worker has it. That the task is as it was to be does
 * not tell the two apart when it was so before; but a change is always a write. So the mzxid of the task is noted before
 * the request is written (MARK), and a task that has the same one afterwards was not changed.
 *
 * A request is written only while its segment stands, in one multi with that check: so none is left behind
 * when the leader deletes the segment with its folders.
 */
#include "core/submitter/state.h"

#include <stdlib.h>
#include <string.h>

enum wish_state { WISH_LIST, WISH_MARK, WISH_WRITE, WISH_SET, WISH_FOLDER, WISH_PLACE, WISH_WATCH, WISH_WATCHING, WISH_DATA, WISH_RESULT };

struct wish {
	struct wish *next;
	uint64_t call_id;
	int index;
	struct task_id id;
	enum call_kind kind;	/* CALL_CANCEL, CALL_UPDATE, CALL_SETTLE */
	int priority;		/* of an update */
	int64_t time_limit_ms;
	char *by, *reason;
	struct task_name name;	/* UPDATE, SETTLE: as last listed */
	int64_t mark;		/* UPDATE, SETTLE: mzxid of the task before the request */
	enum wish_state state;
	uint64_t request;	/* under way; 0 = none */
	bool second;		/* everything is looked at for the second time, after a sync */
	bool synced;
	int left;		/* RESULT: replies still to come */
	bool again;
};

static void
wish_release(struct wish *wish)
{
	free(wish->by);
	free(wish->reason);
	free(wish);
}

static void
wish_remove(struct submitter *s, struct wish *wish)
{
	for (struct wish **at = &s->wishes; *at; at = &(*at)->next) {
		if (*at == wish) {
			*at = wish->next;
			wish_release(wish);
			return;
		}
	}
}

void
wishes_free(struct submitter *s)
{
	while (s->wishes)
		wish_remove(s, s->wishes);
}

void
wish_forget(struct submitter *s, uint64_t call_id)
{
	for (struct wish *wish = s->wishes, *next; wish; wish = next) {
		next = wish->next;
		if (wish->call_id == call_id)
			wish_remove(s, wish);
	}
}

static void
wish_answer(struct submitter *s, struct wish *wish, enum answer_kind kind, enum refused_code code,
    const char *text, struct plan *plan)
{
	struct answer *answer = submitter_answer(plan, kind, wish->call_id, wish->index);

	if (answer) {
		answer->code = code;
		answer->text = text;
		answer->task_id = wish->id;
		answer->mark = wish->mark;
	}
	wish_remove(s, wish);
}

static struct wish *
wish_new(const struct call *call, int index)
{
	struct wish *wish = calloc(1, sizeof *wish);

	if (!wish)
		return NULL;
	wish->by = call->ids.by ? strdup(call->ids.by) : NULL;
	wish->reason = call->ids.reason ? strdup(call->ids.reason) : NULL;
	if ((call->ids.by && !wish->by) || (call->ids.reason && !wish->reason)) {
		wish_release(wish);
		return NULL;
	}
	wish->call_id = call->id;
	wish->index = index;
	wish->id = call->ids.ids[index];
	wish->kind = call->kind;
	wish->priority = call->ids.priority;
	wish->time_limit_ms = call->ids.time_limit_ms;
	wish->mark = call->kind == CALL_SETTLE && call->ids.marks ? call->ids.marks[index] : 0;
	wish->state = call->kind == CALL_SETTLE ? WISH_WATCH : WISH_LIST;
	return wish;
}

void
wish_call(struct submitter *s, const struct event *event, struct plan *plan)
{
	const struct call *call = event->call;
	struct wish **at = &s->wishes;

	while (*at)
		at = &(*at)->next;
	for (int i = 0; i < call->ids.count; i++) {
		struct wish *wish = wish_new(call, i);

		if (!wish) {
			struct answer *answer = submitter_answer(plan, ANSWER_REFUSED, call->id, i);
			if (answer) {
				answer->code = REFUSED_OTHER;
				answer->text = "out of memory";
			}
			continue;
		}
		*at = wish;
		at = &wish->next;
	}
}

/* ---- asking ---- */

static bool
same_segment(const struct wish *a, const struct wish *b)
{
	return a->id.seg == b->id.seg && !strcmp(a->id.queue, b->id.queue);
}

/* One listing serves every request about the segment. */
static void
ask_list(struct submitter *s, struct wish *first, struct plan *plan)
{
	struct node node = node_of_segment(NODE_SEGMENT, first->id.queue, first->id.seg);
	uint64_t request = submitter_draw(s);
	bool sync = first->second;

	for (struct wish *wish = first; wish; wish = wish->next) {
		if (wish->state != WISH_LIST || wish->request || !same_segment(first, wish) ||
		    wish->second != sync)
			continue;
		wish->request = request;
		wish->synced = !sync;
	}
	if (sync)
		plan_sync(plan, TAG_WISH_SYNC, request, node);
	plan_list(plan, TAG_WISH_LIST, request, node, false);
}

static struct node
request_node(const struct wish *wish)
{
	return node_of_token(wish->kind == CALL_CANCEL ? NODE_CANCEL : NODE_UPDATE, wish->id.queue, wish->id.seg,
	    wish->id.token);
}

/* What is asked for; its strings live as long as the plan. */
static struct record
request_record(const struct wish *wish, const struct event *event, struct plan *plan)
{
	struct record record = { .kind = REC_WISH };

	if (wish->kind == CALL_CANCEL) {
		record.wish.by = arena_string(&plan->arena, wish->by);
		record.wish.reason = arena_string(&plan->arena, wish->reason);
		record.wish.at_wall_ms = event->wall_ms;
	} else {
		record.kind = REC_UPDATE;
		record.update = (struct rec_update){ .priority = wish->priority, .time_limit_ms = wish->time_limit_ms,
			.by = arena_string(&plan->arena, wish->by), .at_wall_ms = event->wall_ms };
	}
	return record;
}

static void
ask_wish(struct submitter *s, struct wish *wish, const struct event *event, struct plan *plan)
{
	struct record record = request_record(wish, event, plan);

	wish->request = submitter_draw(s);
	struct request *multi = plan_multi(plan, TAG_WISH_WRITE, wish->request);
	add_check(plan, multi, node_of_segment(NODE_SEGMENT, wish->id.queue, wish->id.seg), ANY_VERSION);
	if (wish->state == WISH_PLACE)
		add_create(plan, multi, node_of_queue(NODE_UPDATE_ALL, wish->id.queue), 0, NULL);
	else if (wish->state == WISH_FOLDER)
		add_create(plan, multi, node_of_segment(wish->kind == CALL_CANCEL ? NODE_CANCEL_SEG : NODE_UPDATE_SEG,
		    wish->id.queue, wish->id.seg), 0, NULL);
	else if (wish->state == WISH_SET)
		add_set(plan, multi, request_node(wish), ANY_VERSION, &record);
	else
		add_create(plan, multi, request_node(wish), 0, &record);
}

static void
ask_one(struct submitter *s, struct wish *wish, struct plan *plan)
{
	struct node task = node_task(wish->id.queue, wish->id.seg, &wish->name);

	wish->request = submitter_draw(s);
	if (wish->state == WISH_WATCH)
		plan_exists(plan, TAG_WISH_WATCH, wish->request, request_node(wish), true);
	else if (wish->state == WISH_MARK || wish->time_limit_ms < 0)
		plan_exists(plan, TAG_WISH_DATA, wish->request, task, false);
	else
		plan_get(plan, TAG_WISH_DATA, wish->request, task, REC_TASK, false);
}

static void
ask_result(struct submitter *s, struct wish *wish, struct plan *plan)
{
	wish->request = submitter_draw(s);
	wish->left = 2;
	wish->again = false;
	plan_get(plan, TAG_WISH_RESULT, wish->request,
	    node_of_token(NODE_RESULT, wish->id.queue, wish->id.seg, wish->id.token), REC_RESULT, false);
	plan_get(plan, TAG_WISH_RESULT, wish->request,
	    node_of_token(NODE_DEAD, wish->id.queue, wish->id.seg, wish->id.token), REC_RESULT, false);
}

void
wish_pump(struct submitter *s, const struct event *event, struct plan *plan)
{
	for (struct wish *wish = s->wishes; wish; wish = wish->next) {
		if (wish->request)
			continue;
		if (wish->state == WISH_LIST)
			ask_list(s, wish, plan);
		else if (wish->state == WISH_RESULT)
			ask_result(s, wish, plan);
		else if (wish->state == WISH_WATCH || wish->state == WISH_DATA || wish->state == WISH_MARK)
			ask_one(s, wish, plan);
		else if (wish->state == WISH_WATCHING)
			continue;
		else
			ask_wish(s, wish, event, plan);
	}
}

/* ---- replies ---- */

static void
next_state(struct wish *wish, enum wish_state state)
{
	wish->state = state;
	wish->request = 0;
}

static bool
lists(struct wish *wish, const struct reply *reply)
{
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_TASK && !strcmp(reply->children[i].task.token, wish->id.token)) {
			wish->name = reply->children[i].task;
			return true;
		}
	return false;
}

/* Whether the task is as it was to be, as far as its name tells. */
static void
settle_by_name(struct submitter *s, struct wish *wish, struct plan *plan)
{
	if (wish->priority >= 0 && wish->name.priority != wish->priority)
		wish_answer(s, wish, ANSWER_BUSY, REFUSED_NONE, NULL, plan);
	else
		next_state(wish, WISH_DATA);
}

static void
list_reply(struct submitter *s, struct wish *wish, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (reply->rc == RC_NOAUTH) {
		wish_answer(s, wish, ANSWER_REFUSED, REFUSED_NOAUTH, NULL, plan);
		return;
	}
	if (!wish->synced || (reply->rc != RC_OK && reply->rc != RC_NONODE)) {
		submitter_ask_again(s, event);
		next_state(wish, WISH_LIST);
		return;
	}
	if (reply->rc != RC_OK || !lists(wish, reply))
		next_state(wish, WISH_RESULT);
	else if (wish->kind == CALL_SETTLE)
		settle_by_name(s, wish, plan);
	else
		next_state(wish, wish->kind == CALL_UPDATE ? WISH_MARK : WISH_WRITE);
}

static void
write_reply(struct submitter *s, struct wish *wish, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	bool exists = reply->rc == RC_NODEEXISTS && reply->failed_op == 1;
	bool missing = reply->rc == RC_NONODE && reply->failed_op == 1;

	if (exists && wish->state == WISH_WRITE && wish->kind == CALL_UPDATE) {
		next_state(wish, WISH_SET);	/* what is asked for last counts */
	} else if (reply->rc == RC_OK || exists) {
		if (wish->state == WISH_PLACE)
			next_state(wish, WISH_FOLDER);
		else if (wish->state == WISH_FOLDER)
			next_state(wish, WISH_WRITE);
		else
			wish_answer(s, wish, ANSWER_REQUESTED, REFUSED_NONE, NULL, plan);
	} else if (submitter_says_nothing(s, event, reply->rc)) {
		next_state(wish, wish->state);	/* doing it twice is harmless */
	} else if (reply->rc == RC_NONODE && reply->failed_op == 0) {
		next_state(wish, WISH_RESULT);
	} else if (missing && wish->state == WISH_SET) {
		next_state(wish, WISH_WRITE);
	} else if (missing && wish->state == WISH_WRITE) {
		next_state(wish, WISH_FOLDER);
	} else if (missing && wish->state == WISH_FOLDER && wish->kind == CALL_UPDATE) {
		next_state(wish, WISH_PLACE);
	} else {
		wish_answer(s, wish, ANSWER_REFUSED, reply->rc == RC_NOAUTH ? REFUSED_NOAUTH : REFUSED_OTHER,
		    reply->rc == RC_NOAUTH ? NULL : "the request could not be written", plan);
	}
}

/* The request: while it is there the leader has not come to it. */
static void
watch_reply(struct submitter *s, struct wish *wish, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (reply->rc == RC_NONODE) {
		next_state(wish, WISH_LIST);
	} else if (reply->rc == RC_OK) {
		next_state(wish, WISH_WATCHING);
	} else if (reply->rc == RC_NOAUTH) {
		wish_answer(s, wish, ANSWER_REFUSED, REFUSED_NOAUTH, NULL, plan);
	} else {
		submitter_ask_again(s, event);
		next_state(wish, WISH_WATCH);
	}
}

/* Whether the task was changed as it was to be. */
static bool
changed(const struct wish *wish, const struct reply *reply)
{
	bool own = reply->stat.length > 0 && !reply->bad;

	return reply->stat.mzxid > wish->mark &&
	    (wish->time_limit_ms < 0 || (own && reply->record.task.time_limit_ms == wish->time_limit_ms));
}

/* The znode of the task, before the request is written or after it is gone. */
static void
data_reply(struct submitter *s, struct wish *wish, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (reply->rc == RC_OK && wish->state == WISH_MARK) {
		wish->mark = reply->stat.mzxid;
		next_state(wish, WISH_WRITE);
	} else if (reply->rc == RC_OK) {
		wish_answer(s, wish, changed(wish, reply) ? ANSWER_UPDATED : ANSWER_BUSY, REFUSED_NONE, NULL, plan);
	} else if (reply->rc == RC_NOAUTH) {
		wish_answer(s, wish, ANSWER_REFUSED, REFUSED_NOAUTH, NULL, plan);
	} else {
		if (reply->rc != RC_NONODE)
			submitter_ask_again(s, event);
		next_state(wish, reply->rc == RC_NONODE ? WISH_LIST : wish->state);
	}
}

void
wish_watch(struct submitter *s, const struct event *event)
{
	const struct node *node = &event->watch.node;

	for (struct wish *wish = s->wishes; wish && node->kind == NODE_UPDATE; wish = wish->next)
		if (wish->state == WISH_WATCHING && wish->id.seg == node->seg && !strcmp(wish->id.queue, node->queue) &&
		    !strcmp(wish->id.token, node->task.token))
			next_state(wish, WISH_WATCH);
}

void
wish_look_again(struct submitter *s)
{
	for (struct wish *wish = s->wishes; wish; wish = wish->next)
		if (wish->state == WISH_WATCHING)
			next_state(wish, WISH_WATCH);
}

static void
result_reply(struct submitter *s, struct wish *wish, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (reply->rc == RC_OK) {
		submitter_result(plan, wish->call_id, wish->index, &wish->id, reply);
		wish_remove(s, wish);
		return;
	}
	if (reply->rc == RC_NOAUTH) {
		wish_answer(s, wish, ANSWER_REFUSED, REFUSED_NOAUTH, NULL, plan);
		return;
	}
	if (reply->rc != RC_NONODE) {
		submitter_ask_again(s, event);
		wish->again = true;
	}
	if (--wish->left > 0)
		return;
	if (wish->again) {
		next_state(wish, WISH_RESULT);
	} else if (wish->second) {
		wish_answer(s, wish, ANSWER_NOTASK, REFUSED_NONE, NULL, plan);
	} else {
		wish->second = true;
		next_state(wish, WISH_LIST);
	}
}

void
wish_reply(struct submitter *s, const struct event *event, struct plan *plan)
{
	for (struct wish *wish = s->wishes, *next; wish; wish = next) {
		next = wish->next;
		if (wish->request != event->reply.arg)
			continue;
		switch (event->reply.tag) {
		case TAG_WISH_SYNC:
			wish->synced = event->reply.rc == RC_OK;
			break;
		case TAG_WISH_LIST:
			list_reply(s, wish, event, plan);
			break;
		case TAG_WISH_RESULT:
			result_reply(s, wish, event, plan);
			break;
		case TAG_WISH_WATCH:
			watch_reply(s, wish, event, plan);
			break;
		case TAG_WISH_DATA:
			data_reply(s, wish, event, plan);
			break;
		default:
			write_reply(s, wish, event, plan);
		}
	}
}
