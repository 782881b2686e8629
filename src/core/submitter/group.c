/*
 * group.c: the tasks of one submit multi, from forming to the answers.
 *
 *      WAITING ──send──▶ SENT ──ok──▶ answered, freed
 *         ▲ ▲              ├─ class or key folder missing ──▶ CLASS, KEY ──created──▶ WAITING
 *         │ └──────────────┤ segment closed (the lane reads its tail)
 *         │                └─ outcome unknown ──▶ UNKNOWN ──found──▶ answered
 *         └──────── certainly not applied ──────────┘   └──cannot be known──▶ answered UNKNOWN
 *
 * When is an unknown outcome final? In the same session, after a sync: whatever of it was on its way when
 * the connection broke has been applied before the sync, or is dropped, as the session has moved. In
 * another session that is not enough: the old session may still be alive somewhere and so may
 * its requests. But every submit checks that its segment is open. So the segment is closed first, by an
 * ordinary roll: what has not been applied by then never will be. Where only the leader may roll, we wait
 * until the old session must be over, twice its timeout. A task with a key needs neither: the
 * key is created with the task and stops a second one.
 */
#include "core/submitter/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
group_not_applied(const struct group *group)
{
	return group->state == GROUP_WAITING || group->state == GROUP_CLASS || group->state == GROUP_KEY;
}

static void
set_state(struct submitter *s, struct group *group, enum group_state state)
{
	s->in_flight += (state == GROUP_SENT) - (group->state == GROUP_SENT);
	group->state = state;
	group->request = 0;
}

static void
unlink_group(struct submitter *s, struct group *group)
{
	set_state(s, group, GROUP_WAITING);
	for (struct group **at = &group->lane->groups; *at; at = &(*at)->next) {
		if (*at == group) {
			*at = group->next;
			return;
		}
	}
}

static void
answer_all(struct submitter *s, struct group *group, enum answer_kind kind, enum refused_code code, const char *text,
    struct plan *plan)
{
	unlink_group(s, group);
	for (int i = 0; i < group->item_count; i++)
		item_answer(s, plan, group->items[i], kind, group->seg, code, text);
	free(group);
}

void
group_refuse(struct submitter *s, struct group *group, enum refused_code code, const char *text, struct plan *plan)
{
	answer_all(s, group, ANSWER_REFUSED, code, text, plan);
}

void
group_dissolve(struct submitter *s, struct group *group, struct plan *plan)
{
	struct lane *lane = group->lane;

	unlink_group(s, group);
	for (int i = group->item_count - 1; i >= 0; i--) {
		struct item *item = group->items[i];

		if (item->forgotten) {
			item_answer(s, plan, item, ANSWER_REFUSED, 0, REFUSED_NOTSENT, NULL);
			continue;
		}
		item->next = lane->first;
		if (!lane->first)
			lane->last = &item->next;
		lane->first = item;
	}
	free(group);
}

/* ---- forming ---- */

static bool
has_class(const struct group *group, const struct item *item)
{
	for (int i = 0; i < group->class_count; i++)
		if (group->classes[i]->class_hash == item->class_hash)
			return true;
	return false;
}

/* A task with a key is alone in its group: the key may refuse it. */
static void
take_items(struct lane *lane, struct group *group)
{
	size_t bytes = 8 * OP_BYTES;	/* the checks and the key */

	while (lane->first && group->item_count < MULTI_TASKS_MAX) {
		struct item *item = lane->first;
		size_t more = item->len + OP_BYTES + (has_class(group, item) ? 0 : OP_BYTES);

		if (group->item_count && (item->key || group->items[0]->key || bytes + more > REQUEST_BYTES_MAX))
			break;
		if (!has_class(group, item))
			group->classes[group->class_count++] = item;
		lane->first = item->next;
		bytes += more;
		item->next = NULL;
		item->in_batch = false;
		group->items[group->item_count++] = item;
	}
	if (!lane->first)
		lane->last = &lane->first;
}

/* Neighbours that may share a batch znode do. */
static void
make_batches(struct submitter *s, struct group *group)
{
	for (int i = 0; i < group->item_count;) {
		size_t bytes = 2;
		int end = i;

		while (end < group->item_count && group->items[end]->batch &&
		    bytes + group->items[end]->len + 1 <= BATCH_BYTES_MAX)
			bytes += group->items[end++]->len + 1;
		if (end - i < 2) {
			i++;
			continue;
		}
		struct batch *batch = &group->batches[group->batch_count++];
		rng_token(&s->rng, batch->token, TOKEN_LEN);
		batch->first = i;
		batch->count = end - i;
		for (int k = 0; i < end; i++, k++) {
			group->items[i]->in_batch = true;
			snprintf(group->items[i]->token, sizeof group->items[i]->token, "%sx%d", batch->token,
			    k % MULTI_TASKS_MAX);
		}
	}
}

struct group *
group_form(struct submitter *s, struct lane *lane, struct plan *plan)
{
	struct group *group = calloc(1, sizeof *group);

	if (!group) {
		lane_refuse(s, lane, REFUSED_OTHER, "out of memory", plan);
		return NULL;
	}
	group->lane = lane;
	take_items(lane, group);
	make_batches(s, group);
	for (int i = 0; i < group->item_count; i++) {
		struct item *item = group->items[i];

		/* A token drawn before, for a task that is certainly not in the tree, serves as well as a new one. */
		if (!item->in_batch && (!item->token[0] || token_is_batch(item->token, NULL, NULL)))
			rng_token(&s->rng, item->token, TOKEN_LEN);
	}
	struct group **at = &lane->groups;
	while (*at)
		at = &(*at)->next;
	return *at = group;
}

/* ---- sending ---- */

static const struct record *
batch_record(struct plan *plan, const struct group *group, const struct batch *batch)
{
	struct record *record = arena_alloc(&plan->arena, sizeof *record);
	struct rec_task *tasks = arena_alloc(&plan->arena, (size_t)batch->count * sizeof *tasks);

	if (!record || !tasks) {
		plan->failed = true;
		return NULL;
	}
	record->kind = REC_BATCH;
	record->batch.tasks = tasks;
	record->batch.count = batch->count;
	for (int i = 0; i < batch->count; i++) {
		tasks[i].text = group->items[batch->first + i]->text;
		tasks[i].len = group->items[batch->first + i]->len;
	}
	return record;
}

static void
add_task(struct plan *plan, struct request *multi, const struct group *group, const struct item *item)
{
	struct task_name name = { .priority = (uint8_t)item->priority, .class_hash = item->class_hash,
		.key_hash = item->key_hash };
	struct record record = { .kind = REC_BYTES, .bytes = { item->text, item->len } };

	memcpy(name.token, item->token, sizeof name.token);
	add_create(plan, multi, node_task(group->lane->queue, group->seg, &name), CREATE_SEQUENCE,
	    item->in_batch ? NULL : &record);
}

/* Ops in this order: the segment, the classes, the key, the batches, the tasks. */
void
group_send(struct submitter *s, struct group *group, struct plan *plan)
{
	const char *queue = group->lane->queue;
	const struct item *first = group->items[0];

	set_state(s, group, GROUP_SENT);
	group->request = submitter_draw(s);
	group->seg = group->lane->tail;
	group->session = s->session;
	group->settled = false;
	group->settled_ms = 0;
	/* Records of batches are made before the multi: its pointer lives until the next effect only, but
	 * the arena is free to grow. */
	struct request *multi = plan_multi(plan, TAG_SUBMIT, group->request);
	add_check(plan, multi, node_of_segment(NODE_SEGMENT, queue, group->seg), 0);
	for (int i = 0; i < group->class_count; i++)
		add_check(plan, multi, node_of_hash(NODE_CLASS, queue, group->classes[i]->class_hash), ANY_VERSION);
	if (first->key) {
		struct record record = { .kind = REC_KEY, .key = { .seg = group->seg, .key = first->key } };

		memcpy(record.key.token, first->token, sizeof record.key.token);
		add_create(plan, multi, node_of_hash(NODE_KEY, queue, first->idempotency_hash), 0, &record);
	}
	for (int i = 0; i < group->batch_count; i++)
		add_create(plan, multi, node_batch(queue, group->seg, group->batches[i].token), 0,
		    batch_record(plan, group, &group->batches[i]));
	for (int i = 0; i < group->item_count; i++)
		add_task(plan, multi, group, group->items[i]);
}

/* ---- what the answer says ---- */

static void
accepted(struct submitter *s, struct group *group, const struct reply *reply, struct plan *plan)
{
	struct lane *lane = group->lane;
	uint32_t seq = 0;

	for (int i = 0; i < reply->result_count; i++)
		if (reply->results[i].created.kind == NODE_TASK && reply->results[i].created.task.seq > seq)
			seq = reply->results[i].created.task.seq;
	lane->fruitless = 0;
	lane->accepted += group->item_count;
	if (seq >= SEGMENT_SIZE && group->seg == lane->tail)
		lane->roll = true;
	answer_all(s, group, ANSWER_SUBMITTED, REFUSED_NONE, NULL, plan);
}

static void
ask_key(struct submitter *s, struct group *group, struct plan *plan)
{
	set_state(s, group, GROUP_KEY);
	group->request = submitter_draw(s);
	plan_get(plan, TAG_KEY_GET, group->request,
	    node_of_hash(NODE_KEY, group->lane->queue, group->items[0]->idempotency_hash), REC_KEY, false);
}

static void
make_key_folder(struct submitter *s, struct group *group, struct plan *plan)
{
	set_state(s, group, GROUP_KEY);
	group->request = submitter_draw(s);
	add_create(plan, plan_multi(plan, TAG_KEY_DIR, group->request),
	    node_of_hash(NODE_KEY_DIR, group->lane->queue, group->items[0]->idempotency_hash), 0, NULL);
}

static void
ask_class_room(struct submitter *s, struct group *group, int missing, struct plan *plan)
{
	set_state(s, group, GROUP_CLASS);
	group->request = submitter_draw(s);
	group->class_missing = missing;
	plan_exists(plan, TAG_CLASS_ROOM, group->request, node_of_queue(NODE_CLASSES, group->lane->queue), false);
}

static void
refused(struct submitter *s, struct group *group, const struct reply *reply, struct plan *plan)
{
	int op = reply->failed_op;
	bool keyed = group->items[0]->key;
	int key_op = 1 + group->class_count;

	if (reply->rc == RC_NOAUTH) {
		group_refuse(s, group, REFUSED_NOAUTH, NULL, plan);
	} else if (op == 0 && (reply->rc == RC_BADVERSION || reply->rc == RC_NONODE)) {
		set_state(s, group, GROUP_WAITING);
		lane_stale(s, group->lane, plan);
	} else if (op >= 1 && op < key_op && reply->rc == RC_NONODE) {
		ask_class_room(s, group, op - 1, plan);
	} else if (keyed && op == key_op && reply->rc == RC_NODEEXISTS) {
		ask_key(s, group, plan);
	} else if (keyed && op == key_op && reply->rc == RC_NONODE) {
		make_key_folder(s, group, plan);
	} else if (op >= key_op && reply->rc == RC_NODEEXISTS) {
		/* Names are drawn by us: one that stands already is our own, from an attempt believed lost. */
		set_state(s, group, GROUP_UNKNOWN);
	} else if (reply->rc == RC_INVALID) {
		group_refuse(s, group, REFUSED_OTHER, "ZooKeeper refused the request as malformed or too large", plan);
	} else {
		group_refuse(s, group, REFUSED_OTHER, "ZooKeeper refused the request", plan);
	}
}

static void
submit_reply(struct submitter *s, struct group *group, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	switch (reply->rc) {
	case RC_OK:
		accepted(s, group, reply, plan);
		break;
	case RC_NOTSENT:
		submitter_says_nothing(s, event, reply->rc);
		set_state(s, group, GROUP_WAITING);
		break;
	case RC_UNKNOWN:
	case RC_NOMEM:
		submitter_says_nothing(s, event, reply->rc);
		set_state(s, group, GROUP_UNKNOWN);
		plan_note(plan, NOTE_INFO, "queue %s: outcome of a submit of %d to segment %u is unknown",
		    group->lane->queue, group->item_count, group->seg);
		break;
	default:
		refused(s, group, reply, plan);
	}
}

/* ---- class and key ---- */

static void
class_reply(struct submitter *s, struct group *group, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	const struct item *item = group->classes[group->class_missing];
	struct node node = node_of_hash(NODE_CLASS, group->lane->queue, item->class_hash);

	if (reply->rc == RC_NOAUTH) {
		group_refuse(s, group, REFUSED_NOAUTH, NULL, plan);
		return;
	}
	if (reply->tag == TAG_CLASS_ROOM && reply->rc == RC_OK) {
		if (reply->stat.children >= CLASSES_MAX) {
			group_refuse(s, group, REFUSED_CLASSES, "the queue has too many different classes of tasks",
			    plan);
			return;
		}
		struct record record = { .kind = REC_CLASS, .class = { .hash = item->class_hash, .hash_matches = true,
			.text = item->class_text, .mode = MODE_EXCLUSIVE, .crash_limit = CRASH_LIMIT } };
		group->request = submitter_draw(s);
		add_create(plan, plan_multi(plan, TAG_CLASS_CREATE, group->request), node, 0, &record);
		return;
	}
	if (reply->tag == TAG_CLASS_CREATE && reply->rc == RC_NODEEXISTS) {
		group->request = submitter_draw(s);
		plan_get(plan, TAG_CLASS_GET, group->request, node, REC_CLASS, false);
		return;
	}
	if (reply->tag == TAG_CLASS_GET && reply->rc == RC_OK &&
	    (reply->bad || strcmp(reply->record.class.text, item->class_text))) {
		group_refuse(s, group, REFUSED_OTHER, "another class has the same hash", plan);
		return;
	}
	set_state(s, group, GROUP_WAITING);	/* the multi will tell */
	if (reply->rc == RC_NONODE)
		/* The folder is gone: so may be the queue. May free the group. */
		lane_stale(s, group->lane, plan);
	else if (reply->rc != RC_OK && !submitter_says_nothing(s, event, reply->rc))
		group_refuse(s, group, REFUSED_OTHER, "ZooKeeper refused to register the class of the task", plan);
}

static void
key_found(struct submitter *s, struct group *group, const struct reply *reply, struct plan *plan)
{
	struct item *item = group->items[0];

	if (reply->bad || !reply->record.key.key || strcmp(reply->record.key.key, item->key)) {
		group_refuse(s, group, REFUSED_OTHER, "another key has the same hash", plan);
		return;
	}
	bool mine = !strcmp(reply->record.key.token, item->token);
	memcpy(item->token, reply->record.key.token, sizeof item->token);
	group->seg = reply->record.key.seg;
	answer_all(s, group, mine ? ANSWER_SUBMITTED : ANSWER_EXISTS, REFUSED_NONE, NULL, plan);
}

static void
key_reply(struct submitter *s, struct group *group, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (reply->rc == RC_NOAUTH) {
		group_refuse(s, group, REFUSED_NOAUTH, NULL, plan);
	} else if (reply->tag == TAG_KEY_GET && reply->rc == RC_OK) {
		key_found(s, group, reply, plan);
	} else {
		set_state(s, group, GROUP_WAITING);
		if (reply->tag == TAG_KEY_DIR && reply->rc == RC_NONODE)
			lane_stale(s, group->lane, plan);	/* may free the group */
		else if (reply->rc != RC_OK && reply->rc != (reply->tag == TAG_KEY_DIR ? RC_NODEEXISTS : RC_NONODE) &&
		    !submitter_says_nothing(s, event, reply->rc))
			group_refuse(s, group, REFUSED_OTHER, "ZooKeeper refused to keep the key", plan);
	}
}

/* ---- unknown outcomes ---- */

static void
close_reply(struct submitter *s, struct group *group, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	group->request = 0;
	if (submitter_says_nothing(s, event, reply->rc))
		return;
	if (reply->rc == RC_OK || (reply->failed_op == 0 && (reply->rc == RC_BADVERSION || reply->rc == RC_NONODE)))
		group->settled = true;
	else
		group->settled_ms = event->now_ms + 2 * (int64_t)s->session_timeout_ms;
	lane_stale(s, group->lane, plan);
}

/* A task moves from tasks to done, or to dead and from there to done; so it is looked for in this order. One
 * token is enough: all tasks of the group are in the tree or none. The folder is looked at last. */
static void
look(struct submitter *s, struct group *group, struct plan *plan)
{
	const char *queue = group->lane->queue, *token = group->items[0]->token;
	struct node tasks = node_of_segment(NODE_SEGMENT, queue, group->seg);
	struct node done = node_of_token(NODE_RESULT, queue, group->seg, token);
	uint64_t request = group->request = submitter_draw(s);

	group->look_left = 2;
	group->look_found = group->look_again = group->look_folder_gone = false;
	plan_sync(plan, TAG_LOOK_SYNC, request, node_of_queue(NODE_TASKS, queue));
	if (group->items[0]->key) {
		plan_get(plan, TAG_LOOK_KEY, request, node_of_hash(NODE_KEY, queue,
		    group->items[0]->idempotency_hash), REC_KEY,
		    false);
		plan_exists(plan, TAG_LOOK_FOLDER, request, node_of_segment(NODE_DONE_SEG, queue, group->seg), false);
		group->look_left = 3;	/* a deleted queue takes its keys with it, after the results */
		return;
	}
	plan_list(plan, TAG_LOOK_TASKS, request, tasks, false);
	plan_exists(plan, TAG_LOOK_RESULT, request, done, false);
	plan_exists(plan, TAG_LOOK_RESULT, request, node_of_token(NODE_DEAD, queue, group->seg, token), false);
	plan_list(plan, TAG_LOOK_TASKS, request, tasks, false);
	plan_exists(plan, TAG_LOOK_RESULT, request, done, false);
	plan_exists(plan, TAG_LOOK_FOLDER, request, node_of_segment(NODE_DONE_SEG, queue, group->seg), false);
	group->look_left = 7;
}

static bool
lists_token(const struct reply *reply, const char *token)
{
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_TASK && !strcmp(reply->children[i].task.token, token))
			return true;
	return false;
}

/* The group is certainly not in the tree: it is sent again with the same tokens. */
static void
not_accepted(struct submitter *s, struct group *group, struct plan *plan)
{
	set_state(s, group, GROUP_WAITING);
	for (int i = 0; i < group->item_count; i++) {
		if (group->items[i]->forgotten) {
			group_dissolve(s, group, plan);
			return;
		}
	}
}

static void
look_done(struct submitter *s, struct group *group, struct plan *plan)
{
	group->request = 0;
	if (group->look_found)
		answer_all(s, group, ANSWER_SUBMITTED, REFUSED_NONE, NULL, plan);
	else if (group->look_again)
		return;
	else if (group->look_folder_gone)
		answer_all(s, group, ANSWER_UNKNOWN, REFUSED_NONE,
		    "the results of that time are being removed or gone", plan);
	else
		not_accepted(s, group, plan);
}

static void
look_reply(struct submitter *s, struct group *group, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	if (submitter_says_nothing(s, event, reply->rc)) {
		group->look_again = true;
	} else if (reply->tag == TAG_LOOK_KEY && reply->rc == RC_OK) {
		key_found(s, group, reply, plan);
		return;
	} else if (reply->tag == TAG_LOOK_TASKS && reply->rc == RC_OK) {
		group->look_found |= lists_token(reply, group->items[0]->token);
	} else if (reply->tag == TAG_LOOK_RESULT && reply->rc == RC_OK) {
		group->look_found = true;
	} else if (reply->tag == TAG_LOOK_FOLDER) {
		/* Version 1 is the stamp of the deleted segment: every result is still there. Retention begins
		 * with 2. */
		group->look_folder_gone = reply->rc != RC_OK || reply->stat.version >= 2;
	} else if (reply->tag != TAG_LOOK_SYNC && reply->rc != RC_OK && reply->rc != RC_NONODE) {
		/* We may not look, so we cannot tell. */
		answer_all(s, group, ANSWER_UNKNOWN, REFUSED_NONE, "the tree does not let us look for it", plan);
		return;
	}
	if (--group->look_left == 0)
		look_done(s, group, plan);
}

static void
pump_unknown(struct submitter *s, struct group *group, const struct event *event, struct plan *plan)
{
	if (group->session == s->session || group->items[0]->key || group->settled ||
	    (group->settled_ms && event->now_ms >= group->settled_ms)) {
		look(s, group, plan);
	} else if (group->settled_ms) {
		plan_wake(plan, group->settled_ms);
	} else {
		group->request = submitter_draw(s);
		lane_add_roll(plan, plan_multi(plan, TAG_CLOSE, group->request), group->lane->queue, group->seg);
	}
}

void
group_pump(struct submitter *s, struct group *group, const struct event *event, struct plan *plan)
{
	if (group->state == GROUP_UNKNOWN && !group->request)
		pump_unknown(s, group, event, plan);
}

void
group_reply(struct submitter *s, const struct event *event, struct plan *plan)
{
	for (struct lane *lane = s->lanes; lane; lane = lane->next) {
		for (struct group *group = lane->groups; group; group = group->next) {
			if (group->request != event->reply.arg)
				continue;
			if (event->reply.tag == TAG_SUBMIT)
				submit_reply(s, group, event, plan);
			else if (event->reply.tag <= TAG_CLASS_GET)
				class_reply(s, group, event, plan);
			else if (event->reply.tag <= TAG_KEY_GET)
				key_reply(s, group, event, plan);
			else if (event->reply.tag == TAG_CLOSE)
				close_reply(s, group, event, plan);
			else
				look_reply(s, group, event, plan);
			return;
		}
	}
}
