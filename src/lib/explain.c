#include "lib/explain.h"

#include <string.h>

#define PATHS_MAX 8

struct told {
	struct query *query;
	struct arena *arena;
	struct zkq_explanation all;
	const char *paths[PATHS_MAX];
};

static void
begin(struct told *told, struct query *query, struct arena *arena, const struct zkq_info *info)
{
	*told = (struct told){ .query = query, .arena = arena, .all = { .info = info, .paths = told->paths, .higher = -1,
		.before = -1, .behind = -1 } };
}

static void
add_path(struct told *told, struct node node)
{
	char path[PATH_BUFFER];

	if (told->all.path_count < PATHS_MAX && path_write(told->query->handle->root, &node, false, path, sizeof path) > 0)
		told->paths[told->all.path_count++] = arena_string(told->arena, path);
}

static void
tell(struct told *told, zkq_explain_fn *callback, int index)
{
	if (told->arena->failed)
		callback(told->query->context, index, ZKQ_ENOMEM, NULL);
	else
		callback(told->query->context, index, ZKQ_OK, &told->all);
}

void
explain_plain(struct query *query, struct arena *arena, zkq_explain_fn *callback, int index,
    const struct zkq_info *info, const struct node *node)
{
	struct told told;

	begin(&told, query, arena, info);
	add_path(&told, *node);
	if (!info->ended)
		told.all.remedy = reason_remedy(REASON_INBOX);
	tell(&told, callback, index);
}

static void
add_paths(struct told *told, const struct task_id *id, const struct explain_live *live)
{
	const struct line_row *row = live->row;
	char batch[TOKEN_LEN + 1];

	add_path(told, node_task(id->queue, id->seg, &row->name));
	if (!row->name.whole && token_is_batch(id->token, batch, NULL))
		add_path(told, node_batch(id->queue, id->seg, batch));
	if (row->claim)
		add_path(told, *row->claim);
	if (live->retried)
		add_path(told, node_of_token(NODE_RETRY, id->queue, id->seg, id->token));
	if (row->wished)
		add_path(told, node_of_token(NODE_CANCEL, id->queue, id->seg, id->token));
	add_path(told, node_of_hash(NODE_CLASS, id->queue, row->name.class_hash));
}

/* Rows behind it that wait, too. */
static int64_t
behind(const struct line_queue *queue, int at)
{
	int64_t count = 0;

	for (int i = at + 1; i < queue->row_count; i++)
		count += !queue->rows[i].claim && !queue->rows[i].wished;
	return count;
}

/* The same call as a leader's, for this one task. */
static void
add_workers(struct told *told, const struct explain_live *live)
{
	const struct scene *scene = live->scene;
	int count = scene->claims.folder_count, turn = -1, priority = live->row->name.priority;
	struct place_class class = { .queue = live->queue->name, .priority = priority, .suspect = live->suspect };
	struct rng rng = { 0 };
	struct place_worker *workers = arena_alloc(told->arena, (size_t)(count + 1) * sizeof *workers);
	struct zkq_candidate *list = arena_alloc(told->arena, (size_t)(count + 1) * sizeof *list);

	if (!workers || !list)
		return;
	scene_places(scene, live->queue->name, priority, workers);
	place(&class, 1, workers, count, &turn, &rng);
	for (int i = 0; i < count; i++) {
		const struct folder_seen *folder = &scene->claims.folders[i];
		bool free = workers[i].count || workers[i].refusal == REFUSAL_NONE;

		if (workers[i].lost && !folder->claims)
			continue;	/* a life that is over and left nothing */
		list[told->all.worker_count++] = (struct zkq_candidate){ .worker = folder->worker,
			.reason = free ? NULL : refusal_word(workers[i].refusal), .slots = scene->reports[i].slots,
			.running = scene->reports[i].in_use, .claims = folder->claims, .next = workers[i].count > 0 };
	}
	told->all.workers = list;
}

static int64_t
lost_after(const struct scene *scene, const struct node *claim)
{
	for (int i = 0; i < scene->claims.folder_count; i++)
		if (!strcmp(scene->claims.folders[i].inc, claim->inc) && !strcmp(scene->claims.folders[i].worker,
		    claim->worker))
			return scene->reports[i].lost_after_ms;
	return 0;
}

void
explain_live(struct query *query, struct arena *arena, zkq_explain_fn *callback, int index, const struct task_id *id,
    const struct zkq_info *info, const struct explain_live *live)
{
	struct told told;

	begin(&told, query, arena, info);
	add_paths(&told, id, live);
	told.all.leads = live->scene->candidates > 0;
	told.all.remedy = reason_remedy(live->reason);
	if (live->row->claim) {
		told.all.lost_after_ms = lost_after(live->scene, live->row->claim);
	} else {
		told.all.higher = (int64_t)line_higher(live->line, live->scene, live->queue, live->row->name.priority);
		if (live->at >= 0) {
			told.all.before = (int64_t)line_before(live->queue, live->at);
			told.all.behind = behind(live->queue, live->at);
		}
		add_workers(&told, live);
	}
	tell(&told, callback, index);
}
