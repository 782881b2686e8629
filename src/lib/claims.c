#include "lib/claims.h"

#include <stdlib.h>
#include <string.h>

static int
compare(const char *queue_a, uint32_t seg_a, const char *token_a, const struct node *b)
{
	int order = strcmp(queue_a, b->queue);

	if (order)
		return order;
	if (seg_a != b->seg)
		return seg_a < b->seg ? -1 : 1;
	return strcmp(token_a, b->task.token);
}

static int
compare_nodes(const void *a, const void *b)
{
	const struct node *one = a;

	return compare(one->queue, one->seg, one->task.token, b);
}

/* Makes room for one more element; NULL when memory runs out. */
static void *
grow(void *list, int count, int *room, size_t size)
{
	if (count < *room)
		return list;
	int more = *room ? *room * 2 : 64;
	void *grown = realloc(list, (size_t)more * size);
	if (grown)
		*room = more;
	return grown;
}

void
claims_take_folders(void *context, const struct reply *reply)
{
	struct claims *claims = context;

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_FOLDER)
			continue;
		struct folder_seen *folders = grow(claims->folders, claims->folder_count, &claims->folder_room,
		    sizeof *folders);
		if (!folders) {
			claims->failed = true;
			return;
		}
		claims->folders = folders;
		struct folder_seen *folder = &folders[claims->folder_count++];
		memset(folder, 0, sizeof *folder);
		memcpy(folder->worker, reply->children[i].worker, sizeof folder->worker);
		memcpy(folder->inc, reply->children[i].inc, sizeof folder->inc);
	}
}

void
claims_take_claims(void *context, const struct reply *reply)
{
	struct claims *claims = context;
	struct folder_seen *folder = &claims->folders[reply->arg];

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		folder->live |= child->kind == NODE_LIVE;
		if (child->kind != NODE_CLAIM)
			continue;
		struct node *list = grow(claims->list, claims->count, &claims->room, sizeof *list);
		if (!list) {
			claims->failed = true;
			return;
		}
		claims->list = list;
		list[claims->count++] = *child;
		folder->claims++;
		folder->unresolved_at[child->task.priority <= PRIORITY_MAX ? child->task.priority : PRIORITY_MAX]++;
	}
}

void
claims_ask_folders(struct claims *claims, struct plan *plan)
{
	memset(claims, 0, sizeof *claims);
	plan_list(plan, 0, 0, node_plain(NODE_ASSIGN), false);
}

void
claims_ask_claims(const struct claims *claims, struct plan *plan)
{
	for (int i = 0; i < claims->folder_count; i++)
		plan_list(plan, 0, (uint64_t)i, node_folder(claims->folders[i].worker, claims->folders[i].inc), false);
}

int
claims_ready(struct claims *claims)
{
	if (claims->count)
		qsort(claims->list, (size_t)claims->count, sizeof *claims->list, compare_nodes);
	return claims->failed ? ZKQ_ENOMEM : ZKQ_OK;
}

int
claims_read(struct zkq *handle, struct reads *reads, struct claims *claims, int64_t deadline_ms)
{
	claims_ask_folders(claims, &reads->plan);
	int error = reads_run(handle, reads, claims_take_folders, claims, deadline_ms);
	if (error != ZKQ_OK)
		return error;
	claims_ask_claims(claims, &reads->plan);
	error = reads_run(handle, reads, claims_take_claims, claims, deadline_ms);
	int ready = claims_ready(claims);
	return error == ZKQ_OK ? ready : error;
}

void
claims_free(struct claims *claims)
{
	free(claims->list);
	free(claims->folders);
	memset(claims, 0, sizeof *claims);
}

const struct node *
claims_find(const struct claims *claims, const char *queue, uint32_t seg, const char *token)
{
	int low = 0, high = claims->count;

	while (low < high) {
		int middle = low + (high - low) / 2;
		int order = compare(queue, seg, token, &claims->list[middle]);

		if (order == 0)
			return &claims->list[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
