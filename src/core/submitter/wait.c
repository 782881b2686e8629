/*
 * wait.c: waiting for results.
 *
 * A few waits watch done/<seg>/<token> each; many watch the folder done/<seg>. A dead letter is rare, so
 * dead/<seg> is always watched as a folder. A task whose result is not there is looked for in tasks/<seg>,
 * once per segment; when it is not there either, done and dead are read once more (it may have moved between),
 * and then it is no task.
 */
#include "core/submitter/state.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_BUCKETS 64	/* for about 500 tokens of a segment */

struct waiter {
	struct waiter *next;
	uint64_t call_id;
	int index;
};

enum get_state { GET_NONE, GET_ASKED, GET_MISSING };

struct awaited {
	struct awaited *next;
	char token[TOKEN_MAX + 1];
	struct waiter *waiters;
	bool asked, armed;	/* EXISTS with watch on done/<seg>/<token> */
	bool live;		/* was seen in tasks/<seg>, not long ago */
	bool in_check;		/* was waited for when the look at tasks/<seg> was asked for */
	enum get_state done, dead;
};

/* A result folder that is listed when it changes. */
struct folder {
	enum node_kind kind;
	bool asked, armed;	/* armed: a watch stands and the last listing is current */
	bool missing;		/* then the watch is on its creation */
	int64_t not_before_ms;
};

struct watched {
	struct watched *next;
	char queue[QUEUE_NAME_MAX + 1];
	uint32_t seg;
	struct awaited *buckets[TOKEN_BUCKETS];
	int count;
	bool whole;		/* done/<seg> is watched as a folder */
	struct folder done, dead;
	bool check_asked, check_synced;
	int64_t check_ms;	/* the next look at tasks/<seg>, when all results that are there have been seen */
	int64_t due_ms;		/* nothing to ask for before */
};

static void
touch(struct submitter *s, struct watched *w, int64_t now_ms)
{
	w->due_ms = now_ms;
	if (now_ms < s->wait_due_ms)
		s->wait_due_ms = now_ms;
}

static unsigned
hash_text(const char *text)
{
	unsigned hash = 5381;

	for (; *text; text++)
		hash = hash * 33 + (unsigned char)*text;
	return hash;
}

static struct watched **
watched_bucket(struct submitter *s, const char *queue, uint32_t seg)
{
	return &s->watched[(hash_text(queue) + seg) % WATCHED_BUCKETS];
}

static struct watched *
watched_find(struct submitter *s, const char *queue, uint32_t seg)
{
	for (struct watched *w = *watched_bucket(s, queue, seg); w; w = w->next)
		if (w->seg == seg && !strcmp(w->queue, queue))
			return w;
	return NULL;
}

static struct awaited *
awaited_find(struct watched *w, const char *token)
{
	for (struct awaited *a = w->buckets[hash_text(token) % TOKEN_BUCKETS]; a; a = a->next)
		if (!strcmp(a->token, token))
			return a;
	return NULL;
}

static void
awaited_free(struct awaited *a)
{
	for (struct waiter *waiter = a->waiters, *next; waiter; waiter = next) {
		next = waiter->next;
		free(waiter);
	}
	free(a);
}

static void
awaited_remove(struct submitter *s, struct watched *w, struct awaited *a)
{
	for (struct awaited **at = &w->buckets[hash_text(a->token) % TOKEN_BUCKETS]; *at; at = &(*at)->next) {
		if (*at == a) {
			*at = a->next;
			w->count--;
			s->awaited_count--;
			awaited_free(a);
			return;
		}
	}
}

static void
watched_free(struct submitter *s, struct watched *w)
{
	for (int i = 0; i < TOKEN_BUCKETS; i++)
		while (w->buckets[i])
			awaited_remove(s, w, w->buckets[i]);
	free(w);
}

void
wait_free(struct submitter *s)
{
	for (int i = 0; i < WATCHED_BUCKETS; i++) {
		while (s->watched[i]) {
			struct watched *w = s->watched[i];

			s->watched[i] = w->next;
			watched_free(s, w);
		}
	}
}

/* ---- calls ---- */

static struct watched *
watched_get(struct submitter *s, const struct task_id *id)
{
	struct watched *w = watched_find(s, id->queue, id->seg);

	if (w)
		return w;
	w = calloc(1, sizeof *w);
	if (!w)
		return NULL;
	memcpy(w->queue, id->queue, sizeof w->queue);
	w->seg = id->seg;
	w->done.kind = NODE_DONE_SEG;
	w->dead.kind = NODE_DEAD_SEG;
	struct watched **at = watched_bucket(s, id->queue, id->seg);
	w->next = *at;
	return *at = w;
}

static struct awaited *
awaited_get(struct submitter *s, struct watched *w, const char *token)
{
	struct awaited *a = awaited_find(w, token);

	if (a)
		return a;
	a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	memcpy(a->token, token, strlen(token) + 1);
	struct awaited **at = &w->buckets[hash_text(token) % TOKEN_BUCKETS];
	a->next = *at;
	*at = a;
	w->count++;
	s->awaited_count++;
	return a;
}

void
wait_call(struct submitter *s, const struct event *event, struct plan *plan)
{
	const struct call *call = event->call;
	bool many = call->ids.count + s->awaited_count > WAIT_WATCHES_MAX ||
	    s->result_watches + call->ids.count > RESULT_WATCHES_MAX;

	for (int i = 0; i < call->ids.count; i++) {
		struct watched *w = watched_get(s, &call->ids.ids[i]);
		struct awaited *a = w ? awaited_get(s, w, call->ids.ids[i].token) : NULL;
		struct waiter *waiter = a ? calloc(1, sizeof *waiter) : NULL;

		if (!waiter) {
			struct answer *answer = submitter_answer(plan, ANSWER_REFUSED, call->id, i);
			if (answer) {
				answer->code = REFUSED_OTHER;
				answer->text = "out of memory";
			}
			continue;
		}
		waiter->call_id = call->id;
		waiter->index = i;
		waiter->next = a->waiters;
		a->waiters = waiter;
		if (many && !w->whole)
			w->whole = true;
		/* A listing from before may have shown it already: list once more. */
		w->done.armed = w->done.armed && !w->whole;
		w->dead.armed = false;
		w->check_ms = event->now_ms;
		touch(s, w, event->now_ms);
	}
}

void
wait_forget(struct submitter *s, uint64_t call_id)
{
	for (int i = 0; i < WATCHED_BUCKETS; i++) {
		for (struct watched *w = s->watched[i]; w; w = w->next) {
			touch(s, w, 0);	/* frees what is empty */
			for (int k = 0; k < TOKEN_BUCKETS; k++) {
				for (struct awaited *a = w->buckets[k], *next; a; a = next) {
					next = a->next;
					for (struct waiter **at = &a->waiters; *at;) {
						struct waiter *waiter = *at;

						if (waiter->call_id != call_id) {
							at = &waiter->next;
							continue;
						}
						*at = waiter->next;
						free(waiter);
					}
					if (!a->waiters)
						awaited_remove(s, w, a);
				}
			}
		}
	}
}

void
wait_look_again(struct submitter *s)
{
	for (int i = 0; i < WATCHED_BUCKETS; i++) {
		for (struct watched *w = s->watched[i]; w; w = w->next) {
			w->done.armed = w->dead.armed = false;
			w->check_ms = 0;
			touch(s, w, 0);
			for (int k = 0; k < TOKEN_BUCKETS; k++)
				for (struct awaited *a = w->buckets[k]; a; a = a->next)
					a->armed = a->live = false;
		}
	}
	s->result_watches = 0;
}

/* ---- answers ---- */

static void
answer_result(struct submitter *s, struct watched *w, struct awaited *a, const struct reply *reply, struct plan *plan)
{
	struct task_id id = { .seg = w->seg };

	memcpy(id.queue, w->queue, sizeof id.queue);
	memcpy(id.token, a->token, sizeof id.token);
	for (struct waiter *waiter = a->waiters; waiter; waiter = waiter->next)
		submitter_result(plan, waiter->call_id, waiter->index, &id, reply);
	awaited_remove(s, w, a);
}

static void
answer_refusal(struct submitter *s, struct watched *w, struct awaited *a, enum answer_kind kind, enum refused_code code,
    struct plan *plan)
{
	for (struct waiter *waiter = a->waiters; waiter; waiter = waiter->next) {
		struct answer *answer = submitter_answer(plan, kind, waiter->call_id, waiter->index);

		if (!answer)
			continue;
		answer->code = code;
		memcpy(answer->task_id.queue, w->queue, sizeof w->queue);
		answer->task_id.seg = w->seg;
		memcpy(answer->task_id.token, a->token, sizeof a->token);
	}
	awaited_remove(s, w, a);
}

static void
answer_all_refused(struct submitter *s, struct watched *w, enum refused_code code, struct plan *plan)
{
	for (int k = 0; k < TOKEN_BUCKETS; k++)
		while (w->buckets[k])
			answer_refusal(s, w, w->buckets[k], ANSWER_REFUSED, code, plan);
}

/* ---- replies ---- */

static void
get_result(struct watched *w, struct awaited *a, bool dead, struct plan *plan)
{
	enum get_state *state = dead ? &a->dead : &a->done;

	if (*state == GET_ASKED)
		return;
	*state = GET_ASKED;
	plan_get(plan, TAG_WAIT_GET, 0, node_of_token(dead ? NODE_DEAD : NODE_RESULT, w->queue, w->seg, a->token),
	    REC_RESULT,
	    false);
}

static void
get_reply(struct submitter *s, struct watched *w, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	struct awaited *a = awaited_find(w, reply->node.task.token);

	if (!a)
		return;
	enum get_state *state = reply->node.kind == NODE_DEAD ? &a->dead : &a->done;
	*state = GET_NONE;
	if (reply->rc == RC_OK) {
		answer_result(s, w, a, reply, plan);
	} else if (reply->rc == RC_NONODE) {
		*state = GET_MISSING;
		if (a->done == GET_MISSING && a->dead == GET_MISSING && !a->live)
			answer_refusal(s, w, a, ANSWER_NOTASK, REFUSED_NONE, plan);
		else if (a->done != GET_ASKED && a->dead != GET_ASKED)
			w->check_ms = event->now_ms;	/* it was there a moment ago: find out */
	} else if (reply->rc == RC_NOAUTH) {
		answer_refusal(s, w, a, ANSWER_REFUSED, REFUSED_NOAUTH, plan);
	} else {
		submitter_ask_again(s, event);
		a->armed = w->dead.armed = false;
		w->done.armed = w->done.armed && !w->whole;
	}
	if (reply->rc != RC_OK || !w->count)
		touch(s, w, event->now_ms);
}

static void
result_reply(struct submitter *s, struct watched *w, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	struct awaited *a = awaited_find(w, reply->node.task.token);

	if (reply->rc == RC_OK || reply->rc == RC_NONODE)
		s->result_watches++;
	if (!a)
		return;
	a->asked = false;
	if (reply->rc == RC_OK) {
		a->armed = true;
		get_result(w, a, false, plan);
	} else if (reply->rc == RC_NONODE) {
		a->armed = true;
	} else if (reply->rc == RC_NOAUTH) {
		answer_refusal(s, w, a, ANSWER_REFUSED, REFUSED_NOAUTH, plan);
	} else {
		submitter_ask_again(s, event);
	}
}

static void
folder_reply(struct submitter *s, struct watched *w, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	bool dead = reply->node.kind == NODE_DEAD_SEG;
	struct folder *folder = dead ? &w->dead : &w->done;

	folder->asked = false;
	folder->not_before_ms = event->now_ms + list_pause_ms(reply->took_ms, reply->child_count);
	if (reply->rc == RC_NOAUTH) {
		answer_all_refused(s, w, REFUSED_NOAUTH, plan);
	} else if (reply->tag == TAG_WAIT_FOLDER) {
		folder->armed = reply->rc == RC_NONODE;	/* OK: it has just been made: list it */
		folder->missing = reply->rc == RC_NONODE;
	} else if (reply->rc == RC_NONODE) {
		folder->missing = true;
	} else if (reply->rc == RC_OK) {
		folder->armed = true;
		folder->missing = false;
		for (int i = 0; i < reply->child_count; i++) {
			const struct node *child = &reply->children[i];
			struct awaited *a = child->kind == NODE_RESULT || child->kind == NODE_DEAD ?
			    awaited_find(w, child->task.token) : NULL;

			if (a)
				get_result(w, a, dead, plan);
		}
	} else {
		submitter_ask_again(s, event);
	}
}

/* Whether the check that was answered was about everything that is waited for now. */
static bool
check_all_known(const struct watched *w)
{
	for (int k = 0; k < TOKEN_BUCKETS; k++)
		for (const struct awaited *a = w->buckets[k]; a; a = a->next)
			if (!a->live && !a->in_check)
				return false;
	return true;
}

static void
check_reply(struct submitter *s, struct watched *w, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	w->check_asked = false;
	if (reply->rc == RC_NOAUTH) {
		answer_all_refused(s, w, REFUSED_NOAUTH, plan);
		return;
	}
	if (!w->check_synced || (reply->rc != RC_OK && reply->rc != RC_NONODE)) {
		submitter_ask_again(s, event);
		return;
	}
	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		struct awaited *a = reply->children[i].kind == NODE_TASK ? awaited_find(w,
		    reply->children[i].task.token) : NULL;

		if (!a)
			continue;
		a->live = true;
		a->done = a->done == GET_MISSING ? GET_NONE : a->done;
		a->dead = a->dead == GET_MISSING ? GET_NONE : a->dead;
	}
	for (int k = 0; k < TOKEN_BUCKETS; k++) {
		for (struct awaited *a = w->buckets[k]; a; a = a->next) {
			if (a->live || !a->in_check)
				continue;
			get_result(w, a, false, plan);
			get_result(w, a, true, plan);
		}
	}
	w->check_ms = check_all_known(w) ? event->now_ms + STILL_THERE_MS : event->now_ms;
}

void
wait_reply(struct submitter *s, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	struct watched *w = watched_find(s, reply->node.queue, reply->node.seg);

	if (!w)
		return;
	if (reply->tag == TAG_WAIT_GET) {
		get_reply(s, w, event, plan);
		return;
	}
	touch(s, w, event->now_ms);
	switch (reply->tag) {
	case TAG_WAIT_RESULT:
		result_reply(s, w, event, plan);
		break;
	case TAG_WAIT_LIST:
	case TAG_WAIT_FOLDER:
		folder_reply(s, w, event, plan);
		break;
	case TAG_WAIT_SYNC:
		w->check_synced = reply->rc == RC_OK;
		break;
	case TAG_WAIT_TASKS:
		check_reply(s, w, event, plan);
		break;
	default:
		break;
	}
}

void
wait_watch(struct submitter *s, const struct event *event)
{
	const struct node *node = &event->watch.node;
	struct watched *w = watched_find(s, node->queue, node->seg);

	if (node->kind == NODE_RESULT && s->result_watches > 0)
		s->result_watches--;
	if (!w)
		return;
	touch(s, w, event->now_ms);
	if (node->kind == NODE_DONE_SEG)
		w->done.armed = false;
	if (node->kind == NODE_DEAD_SEG)
		w->dead.armed = false;
	struct awaited *a = node->kind == NODE_RESULT ? awaited_find(w, node->task.token) : NULL;
	if (a)
		a->armed = false;
}

/* ---- asking ---- */

static void
pump_folder(struct watched *w, struct folder *folder, const struct event *event, struct plan *plan, int64_t *due)
{
	if (folder->armed || folder->asked)
		return;
	if (event->now_ms < folder->not_before_ms) {
		*due = folder->not_before_ms < *due ? folder->not_before_ms : *due;
		return;
	}
	folder->asked = true;
	if (folder->missing)
		plan_exists(plan, TAG_WAIT_FOLDER, 0, node_of_segment(folder->kind, w->queue, w->seg), true);
	else
		plan_list(plan, TAG_WAIT_LIST, 0, node_of_segment(folder->kind, w->queue, w->seg), true);
}

/* Whether the results that are there have been asked for, so that a task without one should be in tasks/. */
static bool
pump_results(struct watched *w, struct plan *plan)
{
	bool seen = w->dead.armed && (!w->whole || w->done.armed);

	for (int k = 0; k < TOKEN_BUCKETS; k++) {
		for (struct awaited *a = w->buckets[k]; a; a = a->next) {
			if (a->done == GET_ASKED || a->dead == GET_ASKED)
				seen = false;
			if (w->whole || a->armed)
				continue;
			seen = false;
			if (a->asked)
				continue;
			a->asked = true;
			plan_exists(plan, TAG_WAIT_RESULT, 0, node_of_token(NODE_RESULT, w->queue, w->seg, a->token),
			    true);
		}
	}
	return seen;
}

static void
pump_check(struct watched *w, bool seen, const struct event *event, struct plan *plan, int64_t *due)
{
	if (w->check_asked)
		return;
	if (w->check_ms > event->now_ms) {
		*due = w->check_ms < *due ? w->check_ms : *due;
		return;
	}
	if (!seen)
		return;
	for (int k = 0; k < TOKEN_BUCKETS; k++) {
		for (struct awaited *a = w->buckets[k]; a; a = a->next) {
			a->live = false;
			a->in_check = true;
		}
	}
	w->check_asked = true;
	w->check_synced = false;
	plan_sync(plan, TAG_WAIT_SYNC, 0, node_of_segment(NODE_SEGMENT, w->queue, w->seg));
	plan_list(plan, TAG_WAIT_TASKS, 0, node_of_segment(NODE_SEGMENT, w->queue, w->seg), false);
}

static void
pump_watched(struct watched *w, const struct event *event, struct plan *plan)
{
	bool seen = pump_results(w, plan);

	w->due_ms = NEVER;
	if (w->whole)
		pump_folder(w, &w->done, event, plan, &w->due_ms);
	pump_folder(w, &w->dead, event, plan, &w->due_ms);
	pump_check(w, seen, event, plan, &w->due_ms);
}

void
wait_pump(struct submitter *s, const struct event *event, struct plan *plan)
{
	int64_t due = NEVER;

	if (s->wait_due_ms > event->now_ms) {
		if (s->wait_due_ms != NEVER)
			plan_wake(plan, s->wait_due_ms);
		return;
	}
	for (int i = 0; i < WATCHED_BUCKETS; i++) {
		for (struct watched **at = &s->watched[i]; *at;) {
			struct watched *w = *at;

			if (!w->count) {
				*at = w->next;
				watched_free(s, w);
				continue;
			}
			at = &w->next;
			if (w->due_ms <= event->now_ms)
				pump_watched(w, event, plan);
			due = w->due_ms < due ? w->due_ms : due;
		}
	}
	s->wait_due_ms = due;
	if (due != NEVER)
		plan_wake(plan, due);
}
