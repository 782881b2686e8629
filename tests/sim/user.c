/* A user of a submitter: submits, waits, cancels, and checks what it is told against the tree. */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "codec/path.h"

enum item_state { ITEM_PENDING, ITEM_ACCEPTED, ITEM_REFUSED, ITEM_UNKNOWN, ITEM_ENDED, ITEM_GONE };

struct item {
	uint64_t serial;
	enum item_state state;
	struct task_id id;
	bool known;		/* id is */
	bool waiting;
	enum task_state ended;
	const char *update;	/* what the last request to change it came to */
};

struct open_call {
	struct open_call *next;
	enum call_kind kind;
	uint64_t id;
	int first;		/* SUBMIT: item of index 0; else item */
	int count, answered;
	bool *seen;
	int priority;		/* UPDATE, SETTLE */
	int64_t time_limit_ms;
	int64_t mark;		/* SETTLE */
};

struct user {
	struct cluster *cluster;
	struct actor *actor;
	struct item *items;
	int count, room;
	struct open_call *calls;
	uint64_t last_call;
};

static void *
need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

struct user *
user_new(struct cluster *cluster, struct actor *actor)
{
	struct user *user = need(calloc(1, sizeof *user));

	user->cluster = cluster;
	user->actor = actor;
	return user;
}

static void
call_free(struct open_call *call)
{
	free(call->seen);
	free(call);
}

/* The submitter has died: nobody answers any more. */
void
user_forget(struct user *user)
{
	for (struct open_call *next; user->calls; user->calls = next) {
		next = user->calls->next;
		call_free(user->calls);
	}
	for (int i = 0; i < user->count; i++) {
		if (user->items[i].state == ITEM_PENDING)
			user->items[i].state = ITEM_GONE;
		user->items[i].waiting = false;
	}
}

void
user_free(struct user *user)
{
	if (!user)
		return;
	user_forget(user);
	free(user->items);
	free(user);
}

int
user_open(const struct user *user)
{
	int count = 0;

	for (const struct open_call *call = user->calls; call; call = call->next)
		count++;
	return count;
}

static const char *
class_text(enum task_class class)
{
	switch (class) {
	case CLASS_OVERLAP:
		return "{\"v\":1,\"mode\":\"overlap\",\"on_lost\":\"requeue\",\"crash_limit\":5}";
	case CLASS_ONCE:
		return "{\"v\":1,\"mode\":\"at-most-once\",\"on_lost\":\"requeue\",\"crash_limit\":5}";
	case CLASS_EXCLUSIVE:
		break;
	}
	return class_default_text;
}

static struct open_call *
open_call(struct user *user, enum call_kind kind, int first, int count)
{
	struct open_call *call = need(calloc(1, sizeof *call));

	call->kind = kind;
	call->id = ++user->last_call;
	call->first = first;
	call->count = count;
	call->seen = need(calloc((size_t)count + 1, sizeof *call->seen));
	call->next = user->calls;
	user->calls = call;
	return call;
}

static void
call_event(struct user *user, const struct call *call)
{
	struct event event = { .kind = EV_CALL, .call = call };

	actor_event(user->actor, &event);
}

static uint64_t
submit(struct actor *actor, int count, bool batch, int priority, enum task_class class, const char *key)
{
	struct user *user = actor_user(actor);
	struct submit_task *tasks = need(calloc((size_t)count, sizeof *tasks));
	char (*texts)[64] = need(calloc((size_t)count, sizeof *texts));
	uint64_t first = user->cluster->next_serial + 1;
	int first_item = user->count;

	if (user->count + count > user->room) {
		user->room = (user->count + count) * 2;
		user->items = need(realloc(user->items, (size_t)user->room * sizeof *user->items));
	}
	for (int i = 0; i < count; i++) {
		uint64_t serial = ++user->cluster->next_serial;

		snprintf(texts[i], sizeof texts[i], key ? "{\"argv\":[\"S%llu\",\"%s\"]}" : "{\"argv\":[\"S%llu\"]}",
		    (unsigned long long)serial, key);
		tasks[i].text = texts[i];
		tasks[i].len = strlen(texts[i]);
		tasks[i].priority = priority;
		tasks[i].class_text = class_text(class);
		tasks[i].class_hash = text_hash(tasks[i].class_text, strlen(tasks[i].class_text));
		tasks[i].key = key;
		if (key)
			tasks[i].idempotency_hash = text_hash(key, strlen(key));
		user->items[user->count++] = (struct item){ .serial = serial };
	}
	struct open_call *open = open_call(user, CALL_SUBMIT, first_item, count);
	struct call call = { .kind = CALL_SUBMIT, .id = open->id,
		.submit = { .queue = "default", .tasks = tasks, .count = count, .batch = batch } };
	call_event(user, &call);
	free(tasks);
	free(texts);
	return first;
}

uint64_t
user_submit(struct actor *actor, int count, bool batch, int priority, enum task_class class)
{
	return submit(actor, count, batch, priority, class, NULL);
}

uint64_t
user_submit_key(struct actor *actor, const char *key)
{
	return submit(actor, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE, key);
}

static struct item *
find(const struct user *user, uint64_t serial)
{
	for (int i = 0; i < user->count; i++)
		if (user->items[i].serial == serial)
			return &user->items[i];
	return NULL;
}

bool
user_cancel(struct actor *actor, uint64_t serial)
{
	struct user *user = actor_user(actor);
	struct item *item = find(user, serial);

	if (!item || !item->known || !actor_up(actor))
		return false;
	struct open_call *open = open_call(user, CALL_CANCEL, (int)(item - user->items), 1);
	struct call call = { .kind = CALL_CANCEL, .id = open->id,
		.ids = { .ids = &item->id, .count = 1, .by = actor_name(actor), .reason = "test" } };
	call_event(user, &call);
	return true;
}

static void
ask_update(struct user *user, enum call_kind kind, struct item *item, int priority, int64_t time_limit_ms, int64_t mark)
{
	struct open_call *open = open_call(user, kind, (int)(item - user->items), 1);
	struct call call = { .kind = kind, .id = open->id, .ids = { .ids = &item->id, .count = 1,
		.by = actor_name(user->actor), .priority = priority, .time_limit_ms = time_limit_ms, .marks = &mark } };

	open->priority = priority;
	open->time_limit_ms = time_limit_ms;
	call_event(user, &call);
}

bool
user_update(struct actor *actor, uint64_t serial, int priority, int64_t time_limit_ms)
{
	struct user *user = actor_user(actor);
	struct item *item = find(user, serial);

	if (!item || !item->known || !actor_up(actor))
		return false;
	item->update = "";
	ask_update(user, CALL_UPDATE, item, priority, time_limit_ms, 0);
	return true;
}

const char *
user_update_knows(struct actor *actor, uint64_t serial)
{
	const struct item *item = find(actor_user(actor), serial);

	return item && item->update ? item->update : "";
}

struct settle {
	struct open_call asked;
	int item;
};

static void
settle_due(void *context, void *object, uint64_t arg)
{
	struct user *user = object;
	struct settle *settle = context;

	(void)arg;
	if (actor_up(user->actor) && settle->item < user->count)
		ask_update(user, CALL_SETTLE, &user->items[settle->item], settle->asked.priority, settle->asked.time_limit_ms,
		    settle->asked.mark);
	free(settle);
}

/* An answer to an update, or to what became of it. */
static void
updated(struct user *user, const struct open_call *call, struct item *item, const struct answer *answer)
{
	struct settle *settle;

	item->update = answer->kind == ANSWER_REQUESTED ? "requested" : answer->kind == ANSWER_UPDATED ? "updated" :
	    answer->kind == ANSWER_BUSY ? "busy" : answer->kind == ANSWER_RESULT ? "ended" : "no task";
	if (answer->kind == ANSWER_REQUESTED) {
		settle = need(calloc(1, sizeof *settle));
		settle->asked = *call;
		settle->asked.mark = answer->mark;
		settle->item = (int)(item - user->items);
		agenda_at(&user->cluster->agenda, 0, settle_due, settle, user, 0);
	} else if (answer->kind == ANSWER_UPDATED && call->priority >= 0 &&
	    !invariant_had_priority(user->cluster->invariant, item->id.queue, item->id.seg, item->id.token,
	    call->priority)) {
		invariant_break(user->cluster->invariant, "%s is told that S%llu has priority %d, which it never had",
		    actor_name(user->actor), (unsigned long long)item->serial, call->priority);
	}
}

uint64_t
user_pick(struct actor *actor)
{
	struct user *user = actor_user(actor);

	if (user->count == 0)
		return 0;
	int turn = (int)rng_below(&user->cluster->agenda.rng, (uint64_t)user->count);
	for (int i = 0; i < user->count; i++) {
		const struct item *item = &user->items[(i + turn) % user->count];

		if (item->state == ITEM_ACCEPTED)
			return item->serial;
	}
	return 0;
}

const char *
user_knows(struct actor *actor, uint64_t serial)
{
	const struct item *item = find(actor_user(actor), serial);

	if (!item)
		return "never";
	switch (item->state) {
	case ITEM_PENDING:
		return "pending";
	case ITEM_ACCEPTED:
		return "accepted";
	case ITEM_REFUSED:
		return "refused";
	case ITEM_UNKNOWN:
		return "unknown";
	case ITEM_GONE:
		return "gone";
	case ITEM_ENDED:
		return task_state_word(item->ended);
	}
	return "?";
}

int
user_waiting(const struct actor *actor)
{
	return user_open(actor_user((struct actor *)actor));
}

/* ---- answers ---- */

static void
wait_for(struct user *user, int index)
{
	struct item *item = &user->items[index];

	if (item->waiting || !item->known)
		return;
	item->waiting = true;
	struct open_call *open = open_call(user, CALL_WAIT, index, 1);
	struct call call = { .kind = CALL_WAIT, .id = open->id, .ids = { .ids = &item->id, .count = 1 } };
	call_event(user, &call);
}


static void
wait_due(void *context, void *object, uint64_t arg)
{
	struct user *user = object;

	(void)context;
	if (actor_up(user->actor) && (int)arg < user->count && user->items[arg].state == ITEM_ACCEPTED)
		wait_for(user, (int)arg);
}

static void
submitted(struct user *user, struct item *item, const struct answer *answer)
{
	struct invariant *invariant = user->cluster->invariant;
	const char *name = actor_name(user->actor);
	char id[64] = "", told[64];
	bool accepted = invariant_accepted(invariant, item->serial, id);

	snprintf(told, sizeof told, "%s.%u.%s", answer->task_id.queue, answer->task_id.seg, answer->task_id.token);
	switch (answer->kind) {
	case ANSWER_SUBMITTED:
		if (!accepted || strcmp(id, told) != 0)
			invariant_break(invariant, "%s is told that S%llu was accepted as %s; the tree says %s", name,
			    (unsigned long long)item->serial, told, accepted ? id : "no");
		/* fall through */
	case ANSWER_EXISTS:
		item->state = ITEM_ACCEPTED;
		item->id = answer->task_id;
		item->known = true;
		agenda_at(&user->cluster->agenda, 0, wait_due, NULL, user, (uint64_t)(item - user->items));
		break;
	case ANSWER_REFUSED:
		if (accepted)
			invariant_break(invariant, "%s is told that S%llu was refused (%s); the tree has %s", name,
			    (unsigned long long)item->serial, answer->text ? answer->text : "", id);
		item->state = ITEM_REFUSED;
		break;
	case ANSWER_UNKNOWN:
		item->state = ITEM_UNKNOWN;
		item->id = answer->task_id;
		item->known = true;
		break;
	default:
		invariant_break(invariant, "%s: answer %d to a submit", name, answer->kind);
	}
}

void
user_answer(struct user *user, const struct answer *answer)
{
	struct invariant *invariant = user->cluster->invariant;
	struct open_call **link = &user->calls, *call;

	while ((call = *link) && call->id != answer->call_id)
		link = &call->next;
	if (!call) {
		invariant_break(invariant, "%s: an answer to call %llu, which is not open", actor_name(user->actor),
		    (unsigned long long)answer->call_id);
		return;
	}
	if (answer->index < 0 || answer->index >= call->count || call->seen[answer->index]) {
		invariant_break(invariant, "%s: a second answer to index %d of call %llu", actor_name(user->actor),
		    answer->index, (unsigned long long)answer->call_id);
		return;
	}
	call->seen[answer->index] = true;
	struct item *item = &user->items[call->first + answer->index];
	cluster_say(user->cluster, "%s: answer %d for t%llu%s%s", actor_name(user->actor), answer->kind,
	    (unsigned long long)item->serial, answer->text ? ": " : "", answer->text ? answer->text : "");
	if (call->kind == CALL_UPDATE || call->kind == CALL_SETTLE)
		updated(user, call, item, answer);
	if (call->kind == CALL_SUBMIT) {
		submitted(user, item, answer);
	} else if (answer->kind == ANSWER_RESULT) {
		item->state = ITEM_ENDED;
		item->ended = answer->result.outcome.state;
		if (!invariant_has_result(invariant, item->id.queue, item->id.seg, item->id.token))
			invariant_break(invariant, "%s is told of a result of S%llu that is not there", actor_name(user->actor),
			    (unsigned long long)item->serial);
	} else if (answer->kind == ANSWER_NOTASK) {
		if (!invariant_has_result(invariant, item->id.queue, item->id.seg, item->id.token) &&
		    !invariant_removed(invariant, item->id.queue, item->id.seg, item->id.token) && item->state == ITEM_ACCEPTED)
			invariant_break(invariant, "%s is told that S%llu is no task", actor_name(user->actor),
			    (unsigned long long)item->serial);
		item->state = ITEM_GONE;
	}
	if (++call->answered < call->count)
		return;
	*link = call->next;
	call_free(call);
}

void
user_give_up(struct actor *actor)
{
	struct user *user = actor_user(actor);
	int open = user_open(user), turn;

	if (!open || !actor_up(actor))
		return;
	turn = (int)rng_below(&user->cluster->agenda.rng, (uint64_t)open);
	struct open_call *call = user->calls;
	while (turn-- > 0)
		call = call->next;
	uint64_t id = call->id;
	struct call forget = { .kind = CALL_FORGET, .id = id };
	cluster_say(user->cluster, "%s: gives up call %llu", actor_name(actor), (unsigned long long)id);
	call_event(user, &forget);
	struct open_call **link = &user->calls;
	while (*link && (*link)->id != id)
		link = &(*link)->next;
	if (!*link)
		return;
	call = *link;
	if (call->kind == CALL_SUBMIT)
		invariant_break(user->cluster->invariant, "%s: gave up a submit of %d tasks and was told of %d", actor_name(actor),
		    call->count, call->answered);
	*link = call->next;
	call_free(call);
}

void
user_check(struct actor *actor)
{
	struct user *user = actor_user(actor);
	char id[64];

	for (int i = 0; i < user->count; i++)
		if (user->items[i].state == ITEM_REFUSED && invariant_accepted(user->cluster->invariant, user->items[i].serial, id))
			invariant_break(user->cluster->invariant, "S%llu was refused, but %s was accepted",
			    (unsigned long long)user->items[i].serial, id);
}
