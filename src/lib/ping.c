/*
 * ping.c: whether the cluster answers: a round trip to the leader of the ensemble, and who leads the dispatchers.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/query.h"

struct ping {
	struct query query;
	zkq_ping_fn *callback;
	struct arena arena;
	double sent_ms;
	struct zkq_ping_info info;
	const char *leads;		/* name of the lowest candidate's znode */
	unsigned long seq;
	bool denied;
	char server[64];
};

/* Finer than the link's clock. */
static double
precise_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void
take_candidates(struct ping *ping, const struct reply *reply)
{
	for (int i = 0; i < reply->child_count; i++) {
		const char *name = reply->children[i].text, *digits = name ? strrchr(name, '_') : NULL;

		if (reply->children[i].kind != NODE_CANDIDATE || !digits)
			continue;
		unsigned long seq = strtoul(digits + 1, NULL, 10);
		ping->info.candidates++;
		if (ping->leads && seq > ping->seq)
			continue;
		ping->leads = arena_string(&ping->arena, name);
		ping->seq = seq;
	}
}

static void
take_first(void *context, const struct reply *reply)
{
	struct ping *ping = context;

	ping->info.round_trip_ms = precise_ms() - ping->sent_ms;	/* of the last answer */
	ping->denied = ping->denied || reply->rc == RC_NOAUTH;
	if (reply->rc != RC_OK)
		return;
	if (reply->node.kind == NODE_ROOT && reply->kind == REQ_EXISTS)
		ping->info.tree = 1;
	else if (reply->node.kind == NODE_ELECTION)
		take_candidates(ping, reply);
	else if (reply->node.kind == NODE_QUEUES)
		ping->info.queues = reply->child_count;
}

static void
take_leader(void *context, const struct reply *reply)
{
	struct ping *ping = context;
	struct record record;
	const char *why;

	if (reply->rc != RC_OK)
		return;
	ping->info.leader = ping->leads;
	ping->info.candidate_since_ms = reply->stat.ctime_ms;
	const char *data = arena_copy(&ping->arena, reply->record.bytes.data, reply->record.bytes.len);
	if (!data || !record_decode(&ping->arena, REC_CANDIDATE, data, reply->record.bytes.len, &record, &why))
		return;
	ping->info.leader = record.candidate.name ? record.candidate.name : ping->leads;
	ping->info.leader_host = record.candidate.host;
}

/* The sync goes to the leader of the ensemble and back. */
static int
ask_first(struct query *query)
{
	struct ping *ping = (struct ping *)query;
	struct plan *plan = &query->reads.plan;

	ping->sent_ms = precise_ms();
	plan_sync(plan, 0, 0, node_plain(NODE_ROOT));
	plan_exists(plan, 0, 0, node_plain(NODE_ROOT), false);
	plan_list(plan, 0, 0, node_plain(NODE_ELECTION), false);
	plan_list(plan, 0, 0, node_plain(NODE_QUEUES), false);
	query_ask(query, take_first, query);
	return ZKQ_OK;
}

static int
ask_leader(struct query *query)
{
	struct ping *ping = (struct ping *)query;

	if (ping->denied)
		return ZKQ_ENOAUTH;
	if (ping->leads)
		plan_get(&query->reads.plan, 0, 0, node_of_text(NODE_CANDIDATE, "", 0, ping->leads), REC_BYTES, false);
	query_ask(query, take_leader, query);
	return ZKQ_OK;
}

static int
give(struct query *query)
{
	struct ping *ping = (struct ping *)query;
	struct zkq *handle = query->handle;

	if (ping->arena.failed)
		return ZKQ_ENOMEM;
	ping->info.server = zk_server(link_zk(handle->link), ping->server, sizeof ping->server) ? ping->server : NULL;
	ping->info.session_id = handle->session_id;
	ping->info.session_timeout_ms = handle->session_timeout_ms;
	query->total = 1;
	ping->callback(query->context, &ping->info);
	return ZKQ_OK;
}

static void
free_ping(struct query *query)
{
	struct ping *ping = (struct ping *)query;

	reads_free(&query->reads);
	arena_free(&ping->arena);
	free(ping);
}

static int
new_ping(struct zkq *handle, zkq_ping_fn *callback, void *context, struct ping **out)
{
	static query_step_fn *const steps[] = { ask_first, ask_leader, give, NULL };

	if (!callback)
		return ZKQ_EINVAL;
	struct ping *ping = calloc(1, sizeof *ping);
	if (!ping)
		return ZKQ_ENOMEM;
	ping->query = (struct query){ .handle = handle, .steps = steps, .free = free_ping, .context = context };
	ping->callback = callback;
	*out = ping;
	return ZKQ_OK;
}

int
zkq_ping(struct zkq *handle, zkq_ping_fn *callback, zkq_done_fn *done, void *context)
{
	struct ping *ping;
	int error = new_ping(handle, callback, context, &ping);

	if (error == ZKQ_OK)
		query_begin(&ping->query, done);
	return error;
}

int
zkq_ping_wait(struct zkq *handle, int timeout_ms, zkq_ping_fn *callback, void *context)
{
	struct ping *ping;
	int64_t deadline = deadline_after(timeout_ms);
	int error = handle->inside ? ZKQ_EINVAL : new_ping(handle, callback, context, &ping);

	return error == ZKQ_OK ? query_wait(&ping->query, deadline, NULL) : error;
}
