/*
 * find.c: ids from their beginnings. Tokens stand in the names of live tasks, results and dead letters, so a search is a
 * listing of each of the segments looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/query.h"

#define SEGMENTS_MAX 500	/* of each queue, the newest: about 250,000 tasks and as many results */
#define MATCHES_MAX 20		/* are told */

struct match {
	struct task_id id;
	bool ended;
};

struct find {
	struct query query;
	struct plan next;	/* the listings of segments */
	zkq_match_fn *callback;
	char queue[QUEUE_NAME_MAX + 1];	/* "" = any, in any segment */
	uint32_t seg;
	char token[TOKEN_MAX + 1];	/* its beginning */
	struct match matches[MATCHES_MAX];
	int count;
	bool exact;		/* matches[0] is the whole token */
	enum rc tree;
};

static bool
same_id(const struct task_id *a, const struct task_id *b)
{
	return a->seg == b->seg && !strcmp(a->queue, b->queue) && !strcmp(a->token, b->token);
}

/* A task that ends meanwhile is seen twice. */
static void
add(struct find *find, const struct node *node, bool ended)
{
	struct task_id id = { .seg = node->seg };

	memcpy(id.queue, node->queue, sizeof id.queue);
	memcpy(id.token, node->task.token, sizeof id.token);
	for (int i = 0; i < find->count; i++)
		if (same_id(&find->matches[i].id, &id)) {
			find->matches[i].ended |= ended;
			return;
		}
	if (!strcmp(id.token, find->token)) {
		find->matches[0] = (struct match){ id, ended };
		find->count = find->query.total = 1;
		find->exact = true;
	} else if (!find->exact) {
		find->query.total++;
		if (find->count < MATCHES_MAX)
			find->matches[find->count++] = (struct match){ id, ended };
	}
}

static void
take_names(void *context, const struct reply *reply)
{
	struct find *find = context;

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];
		bool ended = child->kind == NODE_RESULT || child->kind == NODE_DEAD;

		if ((ended || child->kind == NODE_TASK) && !strncmp(child->task.token, find->token, strlen(find->token)))
			add(find, child, ended);
	}
}

static int
newest_first(const void *a, const void *b)
{
	const struct node *one = a, *other = b;

	return one->seg > other->seg ? -1 : one->seg < other->seg;
}

/* Queues: what is in them. Their folders: what is in the newest of these. */
static void
take_folders(void *context, const struct reply *reply)
{
	struct find *find = context;
	int count = 0;

	if (reply->node.kind == NODE_QUEUES)
		find->tree = reply->rc;
	if (reply->rc != RC_OK)
		return;
	struct node *list = arena_alloc(&find->next.arena, (size_t)(reply->child_count + 1) * sizeof *list);
	for (int i = 0; list && i < reply->child_count; i++) {
		enum node_kind kind = reply->children[i].kind;

		if (kind == NODE_QUEUE) {
			plan_list(&find->next, 0, 0, node_of_queue(NODE_TASKS, reply->children[i].queue), false);
			plan_list(&find->next, 0, 0, node_of_queue(NODE_DONE_ALL, reply->children[i].queue), false);
			plan_list(&find->next, 0, 0, node_of_queue(NODE_DEAD_ALL, reply->children[i].queue), false);
		} else if (kind == NODE_SEGMENT || kind == NODE_DONE_SEG || kind == NODE_DEAD_SEG) {
			list[count++] = reply->children[i];
		}
	}
	if (count)
		qsort(list, (size_t)count, sizeof *list, newest_first);
	for (int i = 0; i < count && i < SEGMENTS_MAX; i++)
		plan_list(&find->next, 0, 0, list[i], false);
}

static int
ask_first(struct query *query)
{
	struct find *find = (struct find *)query;
	struct plan *plan = &query->reads.plan;

	if (!*find->queue) {
		plan_list(plan, 0, 0, node_plain(NODE_QUEUES), false);
		query_ask(query, take_folders, query);
		return ZKQ_OK;
	}
	plan_list(plan, 0, 0, node_of_segment(NODE_SEGMENT, find->queue, find->seg), false);
	plan_list(plan, 0, 0, node_of_segment(NODE_DONE_SEG, find->queue, find->seg), false);
	plan_list(plan, 0, 0, node_of_segment(NODE_DEAD_SEG, find->queue, find->seg), false);
	query_ask(query, take_names, query);
	return ZKQ_OK;
}

/* The plans change places: what was gathered is asked now. */
static int
ask_next(struct query *query, reads_fn *take)
{
	struct find *find = (struct find *)query;
	struct plan used = query->reads.plan;

	if (find->tree != RC_OK)
		return find->tree == RC_NOAUTH ? ZKQ_ENOAUTH : ZKQ_ENOTREE;
	query->reads.plan = find->next;
	find->next = used;
	query_ask(query, take, query);
	return ZKQ_OK;
}

static int
ask_folders(struct query *query)
{
	return ask_next(query, take_folders);
}

static int
ask_segments(struct query *query)
{
	return ask_next(query, take_names);
}

static int
give(struct query *query)
{
	struct find *find = (struct find *)query;
	char id[ID_MAX + 1];

	if (find->next.failed || find->next.arena.failed)
		return ZKQ_ENOMEM;
	for (int i = 0; i < find->count; i++) {
		id_write(&find->matches[i].id, id);
		find->callback(query->context, id, find->matches[i].ended);
	}
	return ZKQ_OK;
}

static void
free_find(struct query *query)
{
	struct find *find = (struct find *)query;

	reads_free(&query->reads);
	plan_free(&find->next);
	free(find);
}

/* "<token>" or "<queue>.<segment>.<token>", whose token may be cut off anywhere behind its first character. */
static bool
parse(struct find *find, const char *text)
{
	const char *dot = strrchr(text, '.'), *token = dot ? dot + 1 : text;
	char whole[ID_MAX + 1];
	struct task_id id;
	size_t len = strlen(token);

	for (const char *p = token; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9'))
			return false;
	if (!len || len > TOKEN_MAX)
		return false;
	memcpy(find->token, token, len + 1);
	if (!dot)
		return true;
	/* An id with some token in place of the one that is cut off tells whether the rest is well-formed. */
	if (snprintf(whole, sizeof whole, "%.*s.000000000000", (int)(dot - text), text) >= (int)sizeof whole ||
	    !id_parse(whole, &id))
		return false;
	memcpy(find->queue, id.queue, sizeof find->queue);
	find->seg = id.seg;
	return true;
}

static int
new_find(struct zkq *handle, const char *text, zkq_match_fn *callback, void *context, struct find **out)
{
	static query_step_fn *const steps[] = { ask_first, ask_folders, ask_segments, give, NULL };

	if (!text || !callback)
		return ZKQ_EINVAL;
	struct find *find = calloc(1, sizeof *find);
	if (!find)
		return ZKQ_ENOMEM;
	find->query = (struct query){ .handle = handle, .steps = steps, .free = free_find, .context = context };
	find->callback = callback;
	if (!parse(find, text)) {
		free_find(&find->query);
		return ZKQ_EINVAL;
	}
	*out = find;
	return ZKQ_OK;
}

int
zkq_find(struct zkq *handle, const char *text, zkq_match_fn *callback, zkq_done_fn *done, void *context)
{
	struct find *find;
	int error = new_find(handle, text, callback, context, &find);

	if (error == ZKQ_OK)
		query_begin(&find->query, done);
	return error;
}

int
zkq_find_wait(struct zkq *handle, const char *text, int timeout_ms, zkq_match_fn *callback, void *context, int *total)
{
	struct find *find;
	int64_t deadline = deadline_after(timeout_ms);

	if (total)
		*total = 0;
	int error = handle->inside ? ZKQ_EINVAL : new_find(handle, text, callback, context, &find);
	return error == ZKQ_OK ? query_wait(&find->query, deadline, total) : error;
}
