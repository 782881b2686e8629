/*
 * queue_life.c: how queues begin and end.
 */
#include <string.h>

#include "lib/handle.h"
#include "lib/reads.h"

#define LOOK_MS 100	/* between two looks at a queue that is being deleted */

static const enum node_kind folders[] = { NODE_CLASSES, NODE_INBOX, NODE_MOVED, NODE_RETRY_ALL, NODE_DONE_ALL, NODE_DEAD_ALL,
	NODE_HOLD_ALL, NODE_CANCEL_ALL, NODE_UPDATE_ALL, NODE_KEYS };

#define FOLDERS ((int)(sizeof folders / sizeof *folders))

struct life {
	struct zkq *handle;
	struct arena arena;
	struct reads reads;
	int64_t deadline;
	bool tree;
	enum rc queue, retired, written;	/* of the last answers */
	int32_t version, retired_version;
	struct rec_queue conf;
	const char *json;
	size_t json_len;
	bool readable;		/* the record */
	bool there[FOLDERS];
	bool whole, used;	/* it has "tasks"; it had tasks, or that is not known */
	uint32_t first;		/* segment of a new queue */
	int64_t held;		/* what there is in it: tasks, results ... */
	struct plan next;
};

static void
take(void *context, const struct reply *reply)
{
	struct life *life = context;
	struct record record;
	const char *why;

	if (reply->kind == REQ_MULTI) {
		life->written = reply->rc;
	} else if (reply->node.kind == NODE_ROOT) {
		life->tree = reply->rc == RC_OK;
	} else if (reply->node.kind == NODE_RETIRED) {
		life->retired = reply->rc;
		life->first = reply->rc == RC_OK && !reply->bad ? reply->record.tail.tail : 0;
		life->retired_version = reply->stat.version;
	} else if (reply->node.kind == NODE_QUEUE) {
		life->queue = reply->rc;
		life->conf = (struct rec_queue){ 0 };
		life->readable = false;
		if (reply->rc != RC_OK)
			return;
		life->version = reply->stat.version;
		life->json_len = reply->record.bytes.len;
		life->json = arena_copy(&life->arena, reply->record.bytes.data, life->json_len);
		life->readable = life->json && record_decode(&life->arena, REC_QUEUE, life->json, life->json_len, &record, &why);
		if (life->readable)
			life->conf = record.queue;
	}
}

/* The queue's record, and with it whether there is a tree. */
static int
look(struct life *life, const char *name)
{
	plan_exists(&life->reads.plan, 0, 0, node_plain(NODE_ROOT), false);
	plan_get(&life->reads.plan, 0, 0, node_of_queue(NODE_QUEUE, name), REC_BYTES, false);
	plan_get(&life->reads.plan, 0, 0, node_of_queue(NODE_RETIRED, name), REC_TAIL, false);
	int error = reads_run(life->handle, &life->reads, take, life, life->deadline);
	if (error != ZKQ_OK)
		return error;
	if (life->queue != RC_OK && life->queue != RC_NONODE)
		return error_of_rc(life->queue);
	return life->tree ? ZKQ_OK : ZKQ_ENOTREE;
}

static int
run(struct life *life)
{
	return reads_run(life->handle, &life->reads, take, life, life->deadline);
}

static int
end(struct life *life, int error)
{
	reads_free(&life->reads);
	plan_free(&life->next);
	arena_free(&life->arena);
	return error;
}

/* ---- its beginning ---- */

/* That no child was ever made in a folder or removed from it shows in its stat: pzxid is then that of its own making. */
static void
take_part(void *context, const struct reply *reply)
{
	struct life *life = context;
	const struct stat *stat = &reply->stat;

	if (reply->node.kind == NODE_TASKS)
		life->whole = reply->rc != RC_NONODE;
	for (int i = 0; i < FOLDERS; i++) {
		if (folders[i] != reply->node.kind || reply->rc == RC_NONODE)
			continue;
		life->there[i] = true;
		if (reply->rc != RC_OK || (folders[i] != NODE_INBOX && (stat->children || stat->pzxid != stat->czxid)))
			life->used = true;
	}
}

/* Whether the queue that is there is one that somebody began by hand: without "tasks", and it never had a task but in
 * its inbox. Only then nothing can be lost, and no id used twice, when the rest is made. */
static int
look_at_parts(struct life *life, const char *name)
{
	life->whole = life->used = false;
	plan_sync(&life->reads.plan, 0, 0, node_of_queue(NODE_QUEUE, name));	/* what was made just now, too */
	plan_exists(&life->reads.plan, 0, 0, node_of_queue(NODE_TASKS, name), false);
	for (int i = 0; i < FOLDERS; i++)
		plan_exists(&life->reads.plan, 0, 0, node_of_queue(folders[i], name), false);
	int error = reads_run(life->handle, &life->reads, take_part, life, life->deadline);
	if (error != ZKQ_OK)
		return error;
	return life->whole || life->used || (life->json_len && !life->readable) ? ZKQ_EEXIST : ZKQ_OK;
}

static void
add_config(struct life *life, struct request *multi, const char *name)
{
	struct plan *plan = &life->reads.plan;
	struct node queue = node_of_queue(NODE_QUEUE, name);
	struct record config = { .kind = REC_QUEUE, .queue = { .retain_age_ms = RETAIN_AGE_MS, .retain_count = RETAIN_COUNT,
	    .retain_bytes = RETAIN_BYTES, .waiting_max = WAITING_DEFAULT_MAX } };

	if (life->queue == RC_NONODE)
		add_create(plan, multi, queue, 0, &config);
	else if (!life->json_len)
		add_set(plan, multi, queue, life->version, &config);
	else
		add_check(plan, multi, queue, life->version);
}

/* All in one multi, so that nobody ever sees a part of a queue. */
static void
plan_queue(struct life *life, const char *name)
{
	static const enum node_kind firsts[] = { NODE_SEGMENT, NODE_RETRY_SEG, NODE_DONE_SEG, NODE_DEAD_SEG };
	struct record tail = { .kind = REC_TAIL, .tail.tail = life->first };
	struct plan *plan = &life->reads.plan;
	struct request *multi = plan_multi(plan, 0, 0);

	add_config(life, multi, name);
	add_create(plan, multi, node_of_queue(NODE_TASKS, name), 0, &tail);
	for (int i = 0; i < FOLDERS; i++)
		if (!life->there[i])
			add_create(plan, multi, node_of_queue(folders[i], name), 0, NULL);
	for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
		add_create(plan, multi, node_of_segment(firsts[i], name, life->first), 0, NULL);
	if (life->retired == RC_OK)	/* of the one before: it must be what was read */
		add_check(plan, multi, node_of_queue(NODE_RETIRED, name), life->retired_version);
}

static int
create(struct life *life, const char *name)
{
	int error;

	do {
		memset(life->there, 0, sizeof life->there);
		error = look(life, name);
		if (error != ZKQ_OK)
			return error;
		if (life->conf.deleted || life->conf.deleting)
			return ZKQ_EBUSY;
		if (life->queue == RC_OK && (error = look_at_parts(life, name)) != ZKQ_OK)
			return error;
		if (life->retired != RC_OK && life->retired != RC_NONODE)
			return error_of_rc(life->retired);
		plan_queue(life, name);
		error = run(life);
		if (error != ZKQ_OK)
			return error;
		/* A record was written meanwhile; or the queue was made meanwhile, or the server of this session was behind. */
	} while (life->written == RC_BADVERSION || (life->written == RC_NODEEXISTS && life->queue == RC_NONODE));
	return life->written == RC_NODEEXISTS ? ZKQ_EEXIST : life->written == RC_NONODE ? ZKQ_ENOTREE :
	    life->written == RC_UNKNOWN ? ZKQ_EUNKNOWN : error_of_rc(life->written);
}

int
zkq_queue_create_wait(struct zkq *handle, const char *name, int timeout_ms)
{
	struct life life = { .handle = handle, .deadline = deadline_after(timeout_ms) };

	if (handle->inside || !name || !queue_name_ok(name))
		return ZKQ_EINVAL;
	return end(&life, create(&life, name));
}

/* ---- its end ---- */

static void
take_held(void *context, const struct reply *reply)
{
	struct life *life = context;
	bool folder = reply->node.kind == NODE_TASKS || reply->node.kind == NODE_DONE_ALL || reply->node.kind == NODE_DEAD_ALL;

	if (reply->rc != RC_OK)
		return;
	if (!folder) {
		life->held += reply->stat.children;
		return;
	}
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind != NODE_STRANGER)
			plan_exists(&life->next, 0, 0, reply->children[i], false);
}

/* Whether something is in it: tasks, waiting or running, of the inbox, results or dead letters. */
static int
count_held(struct life *life, const char *name)
{
	static const enum node_kind kinds[] = { NODE_TASKS, NODE_DONE_ALL, NODE_DEAD_ALL };
	struct plan *plan = &life->reads.plan, used;

	life->held = 0;
	plan_exists(plan, 0, 0, node_of_queue(NODE_INBOX, name), false);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		plan_list(plan, 0, 0, node_of_queue(kinds[i], name), false);
	int error = reads_run(life->handle, &life->reads, take_held, life, life->deadline);
	if (error != ZKQ_OK)
		return error;
	used = *plan;
	*plan = life->next;
	life->next = used;
	error = reads_run(life->handle, &life->reads, take_held, life, life->deadline);
	return error != ZKQ_OK ? error : life->held ? ZKQ_EBUSY : ZKQ_OK;
}

static int
mark(struct life *life, const char *name, bool force)
{
	const char *text = queue_text_deleting(&life->arena, life->json, force, life->handle->by, link_wall_ms());

	if (!text)
		return life->arena.failed ? ZKQ_ENOMEM : ZKQ_EINVAL;
	struct record record = { .kind = REC_BYTES, .bytes = { text, strlen(text) } };
	struct plan *plan = &life->reads.plan;
	add_set(plan, plan_multi(plan, 0, 0), node_of_queue(NODE_QUEUE, name), life->version, &record);
	return run(life);
}

/* Nothing happens meanwhile but what is under way on the handle. */
static void
wait_a_moment(struct life *life)
{
	int64_t until = deadline_after(LOOK_MS);

	if (life->deadline < until)
		until = life->deadline;
	while (handle_turn(life->handle, until, NULL, 0))
		continue;
}

static int
delete(struct life *life, const char *name, bool force)
{
	bool marked = false;
	int error;

	for (;;) {
		error = look(life, name);
		if (error != ZKQ_OK)
			return marked && error == ZKQ_EUNREACHABLE ? ZKQ_ETIMEOUT : error;
		if (life->queue == RC_NONODE)
			return marked ? ZKQ_OK : ZKQ_ENOQUEUE;
		bool done = life->conf.deleted || (life->conf.deleting && (life->conf.delete_force || !force));
		if (!done && !force && (error = count_held(life, name)) != ZKQ_OK)
			return error;
		if (!done && (error = mark(life, name, force)) != ZKQ_OK)
			return error;
		if (!done && life->written != RC_OK && life->written != RC_BADVERSION && life->written != RC_UNKNOWN &&
		    life->written != RC_NONODE)
			return error_of_rc(life->written);
		marked |= done || life->written == RC_OK;
		if (link_now_ms() >= life->deadline)
			return ZKQ_ETIMEOUT;
		wait_a_moment(life);
	}
}

int
zkq_queue_delete_wait(struct zkq *handle, const char *name, int force, int timeout_ms)
{
	struct life life = { .handle = handle, .deadline = deadline_after(timeout_ms) };

	if (handle->inside || !name || !queue_name_ok(name))
		return ZKQ_EINVAL;
	return end(&life, delete(&life, name, force));
}
