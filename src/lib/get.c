/*
 * get.c: what is known of some tasks now.
 *
 * A round: where inbox names went; for each segment its names and for each id done/ and dead/, all at once; only when
 * a task lives, its payload, the workers and their claims; only when it waits, the line that it waits in. What is
 * nowhere after the first round is moving, perhaps: after a sync there is a second one.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/info.h"
#include "lib/explain.h"
#include "lib/get.h"
#include "lib/line.h"

/* Only to tell Priority from NoSlot, a longer line is not read. */
#define LINE_SEGMENTS_MAX 64

enum { ARG_DONE, ARG_DEAD, ARG_NAMES, ARG_TASK, ARG_BATCH, ARG_CLASS, ARG_RETRY, ARG_WISH, ARG_CLAIM, ARG_MOVED, ARG_INBOX,
	ARG_KINDS };

struct asked {
	const char *given;
	struct task_id id;
	bool inbox;		/* given is a name of the inbox, not (yet) an id */
	bool over;		/* reported */
	bool found;		/* ended: json is the result */
	bool dead;
	bool live;
	bool denied;
	struct task_name name;
	const char *json;	/* result, task or inbox task */
	size_t json_len;
	int64_t ctime_ms, claimed_ms;
	const struct node *claim;
	bool wished;		/* a request to cancel it is there */
	enum class_seen class_seen;
	struct rec_retry retry;	/* its numbers; zero = none */
	char queue[QUEUE_NAME_MAX + 1];	/* whose inbox it is in, "" = none */
};

struct get {
	struct query query;
	struct scene scene;
	struct line line;
	struct arena arena;
	struct asked *asked;
	int count;
	char (*queues)[QUEUE_NAME_MAX + 1];	/* for names of inboxes */
	int queue_count;
	zkq_info_fn *callback;		/* one of these two */
	zkq_explain_fn *explain;
	int tree_error;	/* why nothing can be found at all */
	bool last;		/* the second round */
};

static uint64_t
arg_of(int index, int kind)
{
	return (uint64_t)index * ARG_KINDS + (uint64_t)kind;
}

static void
keep_json(struct get *get, struct asked *asked, const struct reply *reply)
{
	asked->json = arena_copy(&get->arena, reply->record.bytes.data, reply->record.bytes.len);
	asked->json_len = reply->record.bytes.len;
	asked->ctime_ms = reply->stat.ctime_ms;
}

static void
take_names(struct get *get, const struct reply *reply)
{
	for (int i = 0; i < get->count; i++) {
		struct asked *asked = &get->asked[i];

		if (asked->over || asked->inbox || asked->id.seg != reply->node.seg || strcmp(asked->id.queue,
		    reply->node.queue))
			continue;
		asked->live = false;
		for (int k = 0; reply->rc == RC_OK && k < reply->child_count; k++) {
			if (reply->children[k].kind != NODE_TASK || strcmp(reply->children[k].task.token,
			    asked->id.token))
				continue;
			asked->live = true;
			asked->name = reply->children[k].task;
		}
	}
}

static void
take(void *context, const struct reply *reply)
{
	struct get *get = context;
	struct asked *asked = &get->asked[reply->arg / ARG_KINDS];
	uint32_t index;

	if (reply->rc == RC_NOAUTH)
		asked->denied = true;
	switch (reply->arg % ARG_KINDS) {
	case ARG_DONE:
	case ARG_DEAD:
		if (reply->rc != RC_OK)
			break;
		asked->found = true;
		asked->dead = reply->node.kind == NODE_DEAD;
		keep_json(get, asked, reply);
		break;
	case ARG_NAMES:
		take_names(get, reply);
		break;
	case ARG_TASK:
		if (reply->rc == RC_OK && reply->record.bytes.len)
			keep_json(get, asked, reply);
		else if (reply->rc == RC_OK)
			asked->ctime_ms = reply->stat.ctime_ms;
		else if (reply->rc == RC_NONODE)
			asked->live = false;
		break;
	case ARG_BATCH:
		if (reply->rc != RC_OK || reply->bad || !token_is_batch(asked->id.token, NULL, &index) ||
		    index >= (uint32_t)reply->record.batch.count || asked->json)
			break;
		asked->json = arena_copy(&get->arena, reply->record.batch.tasks[index].text,
		    reply->record.batch.tasks[index].len);
		asked->json_len = reply->record.batch.tasks[index].len;
		break;
	case ARG_CLASS:
		asked->class_seen = line_class(reply);
		break;
	case ARG_RETRY:
		if (reply->rc == RC_OK && !reply->bad)
			asked->retry = (struct rec_retry){ .runs = reply->record.retry.runs,
				.crashes = reply->record.retry.crashes, .suspect = reply->record.retry.suspect };
		break;
	case ARG_WISH:
		asked->wished = reply->rc == RC_OK;
		break;
	case ARG_CLAIM:
		if (reply->rc == RC_OK)
			asked->claimed_ms = reply->stat.ctime_ms;
		break;
	case ARG_MOVED:
		if (reply->rc != RC_OK || reply->bad)
			break;
		memcpy(asked->id.queue, reply->record.moved.queue, sizeof asked->id.queue);
		asked->id.seg = reply->record.moved.seg;
		memcpy(asked->id.token, reply->record.moved.token, sizeof asked->id.token);
		asked->inbox = false;
		break;
	case ARG_INBOX:
		if (reply->rc != RC_OK)
			break;
		keep_json(get, asked, reply);
		memcpy(asked->queue, reply->node.queue, sizeof asked->queue);
		break;
	default:
		break;
	}
}

/* ---- queues: where an inbox name may have been ---- */

static void
take_queues(void *context, const struct reply *reply)
{
	struct get *get = context;

	if (reply->rc != RC_OK)
		return;
	get->queues = arena_alloc(&get->arena, (size_t)(reply->child_count + 1) * sizeof *get->queues);
	for (int i = 0; get->queues && i < reply->child_count; i++)
		if (reply->children[i].kind == NODE_QUEUE)
			memcpy(get->queues[get->queue_count++], reply->children[i].queue, QUEUE_NAME_MAX + 1);
}

static bool
any_open_inbox(const struct get *get)
{
	for (int i = 0; i < get->count; i++)
		if (get->asked[i].inbox && !get->asked[i].over)
			return true;
	return false;
}

static bool
any_live(const struct get *get)
{
	for (int i = 0; i < get->count; i++)
		if (!get->asked[i].over && get->asked[i].live && !get->asked[i].found)
			return true;
	return false;
}

static void
list_queues(struct get *get)
{
	if (!get->queues)
		plan_list(&get->query.reads.plan, 0, 0, node_plain(NODE_QUEUES), false);
	query_ask(&get->query, take_queues, get);
}

/* Inbox first, then moved: a name goes from one to the other. */
static int
ask_inbox(struct query *query)
{
	struct get *get = (struct get *)query;
	struct plan *plan = &query->reads.plan;

	for (int i = 0; i < get->count; i++) {
		const char *name = get->asked[i].given;

		if (!get->asked[i].inbox || get->asked[i].over)
			continue;
		get->asked[i].queue[0] = '\0';
		for (int q = 0; q < get->queue_count; q++) {
			plan_get(plan, 0, arg_of(i, ARG_INBOX), node_of_text(NODE_INBOX_TASK, get->queues[q], 0, name),
			    REC_BYTES, false);
			plan_get(plan, 0, arg_of(i, ARG_MOVED),
			    node_of_text(NODE_MOVED_TASK, get->queues[q], node_shard_of(name), name), REC_MOVED, false);
		}
	}
	query_ask(query, take, get);
	return ZKQ_OK;
}

/* ---- rounds ---- */

static bool
same_segment_before(const struct get *get, int index)
{
	const struct asked *asked = &get->asked[index];

	for (int i = index - 1; i >= 0 && i >= index - 64; i--)
		if (!get->asked[i].over && !get->asked[i].inbox && get->asked[i].id.seg == asked->id.seg &&
		    !strcmp(get->asked[i].id.queue, asked->id.queue))
			return true;
	return false;
}

/* Names first, then results: a task goes from one to the other. */
static int
ask_states(struct query *query)
{
	struct get *get = (struct get *)query;
	struct plan *plan = &query->reads.plan;

	for (int i = 0; i < get->count; i++) {
		struct asked *asked = &get->asked[i];

		if (asked->over || asked->inbox)
			continue;
		asked->found = asked->live = asked->denied = false;
		asked->json = NULL;
		asked->wished = false;
		asked->claim = NULL;
		asked->claimed_ms = 0;
		asked->class_seen = CLASS_SEEN;
		memset(&asked->retry, 0, sizeof asked->retry);
		if (!same_segment_before(get, i))
			plan_list(plan, 0, arg_of(i, ARG_NAMES), node_of_segment(NODE_SEGMENT, asked->id.queue,
			    asked->id.seg), false);
	}
	for (int i = 0; i < get->count; i++) {
		struct asked *asked = &get->asked[i];

		if (asked->over || asked->inbox)
			continue;
		plan_get(plan, 0, arg_of(i, ARG_DEAD), node_of_token(NODE_DEAD, asked->id.queue, asked->id.seg,
		    asked->id.token),
		    REC_BYTES, false);
		plan_get(plan, 0, arg_of(i, ARG_DONE), node_of_token(NODE_RESULT, asked->id.queue, asked->id.seg,
		    asked->id.token),
		    REC_BYTES, false);
	}
	query_ask(query, take, get);
	return ZKQ_OK;
}

/* What is read of one live task. */
static void
ask_live(struct get *get, int i)
{
	struct plan *plan = &get->query.reads.plan;
	const struct asked *asked = &get->asked[i];
	const struct task_id *id = &asked->id;
	char batch[TOKEN_LEN + 1];

	plan_get(plan, 0, arg_of(i, ARG_TASK), node_task(id->queue, id->seg, &asked->name), REC_BYTES, false);
	if (token_is_batch(id->token, batch, NULL))
		plan_get(plan, 0, arg_of(i, ARG_BATCH), node_batch(id->queue, id->seg, batch), REC_BATCH, false);
	plan_get(plan, 0, arg_of(i, ARG_CLASS), node_of_hash(NODE_CLASS, id->queue, asked->name.class_hash), REC_CLASS, false);
	plan_get(plan, 0, arg_of(i, ARG_RETRY), node_of_token(NODE_RETRY, id->queue, id->seg, id->token), REC_RETRY, false);
	plan_exists(plan, 0, arg_of(i, ARG_WISH), node_of_token(NODE_CANCEL, id->queue, id->seg, id->token), false);
}

static int
ask_payloads(struct query *query)
{
	struct get *get = (struct get *)query;

	for (int i = 0; i < get->count; i++)
		if (!get->asked[i].over && get->asked[i].live && !get->asked[i].found)
			ask_live(get, i);
	query_ask(query, take, get);
	return ZKQ_OK;
}

/* ---- the line ---- */

static void
take_line(void *context, const struct reply *reply)
{
	struct get *get = context;

	if (reply->node.kind == NODE_CLAIM)
		take(context, reply);
	else
		line_take(&get->line, reply);
}

/* Since when the claims are there; of those that have none, the queues. */
static int
ask_line_names(struct query *query)
{
	struct get *get = (struct get *)query;
	bool waits = false;

	for (int i = 0; i < get->count; i++) {
		struct asked *asked = &get->asked[i];

		if (asked->over || !asked->live || asked->found)
			continue;
		asked->claim = claims_find(&get->scene.claims, asked->id.queue, asked->id.seg, asked->id.token);
		if (asked->claim)
			plan_exists(&query->reads.plan, 0, arg_of(i, ARG_CLAIM), *asked->claim, false);
		waits |= !asked->claim;
		if (!line_name(&get->line, asked->id.queue))
			return ZKQ_ENOMEM;
	}
	if (waits && get->explain)
		line_plan_names(&query->reads.plan);
	get->line.segments_max = get->explain ? 0 : LINE_SEGMENTS_MAX;
	query_ask(query, take_line, query);
	return ZKQ_OK;
}

static bool
any_waits(const struct get *get)
{
	for (int i = 0; i < get->count; i++)
		if (!get->asked[i].over && get->asked[i].live && !get->asked[i].found && !get->asked[i].claim)
			return true;
	return false;
}

static int
ask_line_queues(struct query *query)
{
	struct get *get = (struct get *)query;

	if (any_waits(get))
		line_plan_queues(&get->line, &query->reads.plan);
	query_ask(query, take_line, query);
	return ZKQ_OK;
}

static int
ask_line(struct query *query)
{
	struct get *get = (struct get *)query;

	line_plan_segments(&get->line, &query->reads.plan);
	query_ask(query, take_line, query);
	return ZKQ_OK;
}

static int
end_line(struct query *query)
{
	struct get *get = (struct get *)query;

	return line_end(&get->line, &get->scene);
}

/* ---- telling ---- */

/* What does not stand in a line. */
static void
tell(struct get *get, int index, const struct zkq_info *info, struct node node)
{
	if (get->explain)
		explain_plain(&get->query, &get->arena, get->explain, index, info, &node);
	else
		get->callback(get->query.context, index, ZKQ_OK, info);
}

static void
tell_ended(struct get *get, int index)
{
	struct asked *asked = &get->asked[index];
	struct record record;
	struct info_room room;
	struct zkq_info info;
	const char *why;

	if (record_decode(&get->arena, REC_RESULT, asked->json, asked->json_len, &record, &why)) {
		info_of_result(&info, &room, &asked->id, &record.result, asked->dead);
	} else {
		info_of_id(&info, &room, &asked->id);
		info.ended = 1;
		info.dead = asked->dead;
		info.state = asked->dead ? "dead" : "unknown";
		info.reason = "unreadable";
	}
	info.json = asked->json;
	tell(get, index, &info, node_of_token(asked->dead ? NODE_DEAD : NODE_RESULT, asked->id.queue, asked->id.seg,
	    asked->id.token));
}

void
info_of_task(struct zkq_info *info, struct arena *arena, const char *json, size_t len)
{
	struct task_spec spec;
	const char *why;

	if (!json)
		return;
	info->json = info->task_json = json;
	if (!task_decode(arena, json, len, &spec, &why))
		return;
	info->name = spec.name;
	if (!info->name && spec.argv && spec.argv[0]) {
		const char *slash = strrchr(spec.argv[0], '/');

		info->name = slash && slash[1] ? slash + 1 : spec.argv[0];
	}
}

const char *
live_state(const struct node *claim, bool wished)
{
	return task_state_word(!claim ? STATE_WAITING : wished ? STATE_STOPPING : STATE_RUNNING);
}

void
info_of_live(struct zkq_info *info, struct info_room *room, const struct task_id *id, const struct task_name *name,
    const struct node *claim, bool wished, enum reason reason)
{
	info_of_id(info, room, id);
	info->state = live_state(claim, wished);
	info->priority = name->priority;
	info->reason = reason_word(reason);
	if (!claim)
		return;
	info->worker = claim->worker;
	info->attempt = (int)claim->run;
	fence_write(claim->fence, room->fence);
	info->fence = room->fence;
}

/* Where it stands in the line; -1 = that was not read, or it has left it meanwhile. */
static int
row_of(const struct line_queue *queue, const struct asked *asked)
{
	for (int i = 0; i < queue->row_count; i++)
		if (queue->rows[i].seg == asked->id.seg && !strcmp(queue->rows[i].name.token, asked->id.token))
			return i;
	return -1;
}

static void
tell_live(struct get *get, int index)
{
	struct asked *asked = &get->asked[index];
	struct line_queue *queue = line_queue(&get->line, asked->id.queue);
	struct line_row row = { .seg = asked->id.seg, .name = asked->name, .claim = asked->claim, .wished = asked->wished };
	struct info_room room;
	struct zkq_info info;
	int at = row_of(queue, asked);
	uint64_t before = at < 0 ? 0 : line_before(queue, at);
	enum reason reason = line_reason(&get->line, &get->scene, queue, &row, before, asked->retry.suspect,
	    asked->class_seen);

	info_of_live(&info, &room, &asked->id, &asked->name, asked->claim, asked->wished, reason);
	info.submitted_ms = asked->ctime_ms;
	info.claimed_ms = asked->claimed_ms;
	if (!asked->claim)
		info.attempt = (int)asked->retry.runs;
	info_of_task(&info, &get->arena, asked->json, asked->json_len);
	if (get->explain) {
		struct explain_live live = { .line = &get->line, .scene = &get->scene, .queue = queue, .row = &row, .at = at,
			.reason = reason, .suspect = asked->retry.suspect, .retried = asked->retry.runs > 0 };

		explain_live(&get->query, &get->arena, get->explain, index, &asked->id, &info, &live);
	} else {
		get->callback(get->query.context, index, ZKQ_OK, &info);
	}
}

static void
tell_inbox(struct get *get, int index)
{
	struct asked *asked = &get->asked[index];
	struct zkq_info info;

	memset(&info, 0, sizeof info);
	info.id = asked->given;
	info.queue = asked->queue;
	info.state = "waiting";
	info.reason = reason_word(REASON_INBOX);
	info.priority = info.exit_code = -1;
	info.submitted_ms = asked->ctime_ms;
	info_of_task(&info, &get->arena, asked->json, asked->json_len);
	tell(get, index, &info, node_of_text(NODE_INBOX_TASK, asked->queue, 0, asked->given));
}

static void
tell_error(struct get *get, int index, int error)
{
	get->asked[index].over = true;
	if (get->explain)
		get->explain(get->query.context, index, error, NULL);
	else
		get->callback(get->query.context, index, error, NULL);
}

/* Those that are neither here nor there stay open: they are moving. False when the tree may not be read: that is about all. */
static bool
tell_round(struct get *get)
{
	bool denied = false;

	for (int i = 0; i < get->count; i++) {
		struct asked *asked = &get->asked[i];

		if (asked->over)
			continue;
		if (asked->inbox ? asked->queue[0] != '\0' : asked->found || asked->live) {
			asked->over = true;
			if (asked->inbox)
				tell_inbox(get, i);
			else if (asked->found)
				tell_ended(get, i);
			else
				tell_live(get, i);
		} else if (asked->denied) {
			denied = true;
		} else if (get->last) {
			tell_error(get, i, ZKQ_ENOENT);
		}
	}
	return !denied;
}

static void
take_root(void *context, const struct reply *reply)
{
	if (reply->kind == REQ_LIST)
		*(int *)context = reply->rc == RC_NOAUTH ? ZKQ_ENOAUTH : reply->rc == RC_NONODE ? ZKQ_ENOTREE : ZKQ_OK;
}

static bool
inbox_name_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= INBOX_NAME_MAX && !strchr(name, '/') && !strchr(name, '.');
}

/* ---- steps ---- */

enum { GET_CHECK, GET_INBOX_QUEUES, GET_INBOX, GET_STATES, GET_PAYLOADS, GET_LIVE, GET_SCENE,
	GET_LINE_NAMES = GET_SCENE + SCENE_STEP_COUNT, GET_LINE_QUEUES, GET_LINE, GET_LINE_END, GET_TELL, GET_AGAIN, GET_STEPS };

static int
check_names(struct query *query)
{
	struct get *get = (struct get *)query;

	for (int i = 0; i < get->count; i++) {
		struct asked *asked = &get->asked[i];

		if (id_parse(asked->given, &asked->id))
			continue;
		asked->inbox = inbox_name_ok(asked->given);
		if (!asked->inbox)
			tell_error(get, i, ZKQ_EINVAL);
	}
	return ZKQ_OK;
}

static bool
all_told(const struct get *get)
{
	for (int i = 0; i < get->count; i++)
		if (!get->asked[i].over)
			return false;
	return true;
}

/* A round begins. */
static int
ask_inbox_queues(struct query *query)
{
	struct get *get = (struct get *)query;

	if (all_told(get))
		query->at = GET_STEPS;
	else if (any_open_inbox(get))
		list_queues(get);
	else
		query->at = GET_STATES;
	return ZKQ_OK;
}

static int
look_for_live(struct query *query)
{
	if (!any_live((struct get *)query))
		query->at = GET_TELL;
	return ZKQ_OK;
}

static int
tell_and_go_on(struct query *query)
{
	struct get *get = (struct get *)query;

	if (get->arena.failed)
		return ZKQ_ENOMEM;
	bool readable = tell_round(get);
	line_free(&get->line);
	scene_free(&get->scene);
	memset(&get->scene, 0, sizeof get->scene);
	if (!readable)
		return ZKQ_ENOAUTH;
	if (all_told(get)) {
		query->at = GET_STEPS;
		return ZKQ_OK;
	}
	plan_sync(&query->reads.plan, 0, 0, node_plain(NODE_ROOT));
	plan_list(&query->reads.plan, 0, 0, node_plain(NODE_QUEUES), false);
	query_ask(query, take_root, &get->tree_error);
	return ZKQ_OK;
}

static int
round_again(struct query *query)
{
	struct get *get = (struct get *)query;

	if (get->tree_error != ZKQ_OK)
		return get->tree_error;
	get->last = true;
	query->at = GET_INBOX_QUEUES;
	return ZKQ_OK;
}

static query_step_fn *const steps[] = {
	[GET_CHECK] = check_names,
	[GET_INBOX_QUEUES] = ask_inbox_queues,
	[GET_INBOX] = ask_inbox,
	[GET_STATES] = ask_states,
	[GET_PAYLOADS] = ask_payloads,
	[GET_LIVE] = look_for_live,
	[GET_SCENE] = SCENE_STEPS,
	[GET_LINE_NAMES] = ask_line_names,
	[GET_LINE_QUEUES] = ask_line_queues,
	[GET_LINE] = ask_line,
	[GET_LINE_END] = end_line,
	[GET_TELL] = tell_and_go_on,
	[GET_AGAIN] = round_again,
	[GET_STEPS] = NULL,
};

/* ---- calls ---- */

static void
end_get(struct query *query, int error)
{
	struct get *get = (struct get *)query;

	for (int i = 0; i < get->count; i++)
		if (!get->asked[i].over)
			tell_error(get, i, error);
}

static void
free_get(struct query *query)
{
	struct get *get = (struct get *)query;

	line_free(&get->line);
	scene_free(&get->scene);
	reads_free(&query->reads);
	arena_free(&get->arena);
	free(get);
}

static int
new_get(struct zkq *handle, const char *const *ids, int count, zkq_info_fn *callback, zkq_explain_fn *explain,
    void *context, struct get **out)
{
	if (!ids || count < 1 || (!callback && !explain))
		return ZKQ_EINVAL;
	struct get *get = calloc(1, sizeof *get);
	if (!get)
		return ZKQ_ENOMEM;
	get->query = (struct query){ .handle = handle, .steps = steps, .scene = &get->scene, .end = end_get, .free = free_get,
		.context = context, .total = count };
	get->callback = callback;
	get->explain = explain;
	get->count = count;
	get->asked = arena_alloc(&get->arena, (size_t)count * sizeof *get->asked);
	for (int i = 0; get->asked && i < count; i++)
		get->asked[i].given = arena_string(&get->arena, ids[i] ? ids[i] : "");
	if (get->arena.failed) {
		free_get(&get->query);
		return ZKQ_ENOMEM;
	}
	*out = get;
	return ZKQ_OK;
}

int
zkq_get(struct zkq *handle, const char *const *ids, int count, zkq_info_fn *callback,
    zkq_done_fn *done, void *context)
{
	struct get *get;
	int error = new_get(handle, ids, count, callback, NULL, context, &get);

	if (error == ZKQ_OK)
		query_begin(&get->query, done);
	return error;
}

int
zkq_get_wait(struct zkq *handle, const char *const *ids, int count, int timeout_ms, zkq_info_fn *callback,
    void *context)
{
	struct get *get;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside ? ZKQ_EINVAL : new_get(handle, ids, count, callback, NULL, context, &get);

	return error == ZKQ_OK ? query_wait(&get->query, deadline, NULL) : error;
}

int
zkq_explain(struct zkq *handle, const char *const *ids, int count, zkq_explain_fn *callback, zkq_done_fn *done,
    void *context)
{
	struct get *get;
	int error = new_get(handle, ids, count, NULL, callback, context, &get);

	if (error == ZKQ_OK)
		query_begin(&get->query, done);
	return error;
}

int
zkq_explain_wait(struct zkq *handle, const char *const *ids, int count, int timeout_ms, zkq_explain_fn *callback,
    void *context)
{
	struct get *get;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside ? ZKQ_EINVAL : new_get(handle, ids, count, NULL, callback, context, &get);

	return error == ZKQ_OK ? query_wait(&get->query, deadline, NULL) : error;
}
