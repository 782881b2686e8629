#include "lib/query.h"

void
query_ask(struct query *query, reads_fn *take, void *context)
{
	query->take = take;
	query->take_context = context;
}

static void
link_query(struct query *query)
{
	struct query **at = &query->handle->queries;

	while (*at)
		at = &(*at)->next;
	query->next = NULL;
	*at = query;
}

static void
unlink_query(struct query *query)
{
	struct query **at = &query->handle->queries;

	while (*at != query)
		at = &(*at)->next;
	*at = query->next;
}

static void
finish(struct query *query, int error)
{
	reads_stop(query->handle, &query->reads);
	query->over = true;
	query->error = error;
	if (query->end)
		query->end(query, error);
}

/* Steps until there is something to wait for. */
static void
work(struct query *query)
{
	while (!query->over && !query->reads.left) {
		query_step_fn *step = query->steps[query->at];

		reads_stop(query->handle, &query->reads);
		if (!step) {
			finish(query, ZKQ_OK);
			return;
		}
		query->at++;
		int error = step(query);
		if (error == ZKQ_OK)
			error = reads_start(query->handle, &query->reads, query->take, query->take_context);
		if (error != ZKQ_OK)
			finish(query, error);
	}
}

/* Only the asynchronous ones have no caller who waits. */
static void
settle(struct query *query)
{
	zkq_done_fn *done = query->done;

	unlink_query(query);
	if (done)
		done(query->context, query->error, query->total);
	query->free(query);
}

/* A callback may begin further queries: they are put at the end. It cannot end any. */
void
queries_work(struct zkq *handle)
{
	struct query *next;

	for (struct query *query = handle->queries; query; query = next) {
		work(query);
		next = query->next;
		if (query->over && !query->waited)
			settle(query);
	}
}

bool
queries_due(const struct zkq *handle)
{
	for (const struct query *query = handle->queries; query; query = query->next)
		if (!query->over && !query->reads.left)
			return true;
	return false;
}

void
queries_end(struct zkq *handle, int error)
{
	while (handle->queries) {
		struct query *query = handle->queries;

		finish(query, error);
		settle(query);
	}
}

void
query_begin(struct query *query, zkq_done_fn *done)
{
	query->done = done;
	link_query(query);
}

int
query_wait(struct query *query, int64_t deadline_ms, int *total)
{
	struct zkq *handle = query->handle;

	query->waited = true;
	link_query(query);
	while (!query->over)
		if (!handle_turn(handle, deadline_ms, NULL, 0))
			finish(query, handle_late(handle));
	unlink_query(query);
	int error = query->error;
	if (total)
		*total = query->total;
	query->free(query);
	return error;
}
