#include "lib/reads.h"

#include <stdlib.h>
#include <string.h>

enum { UNSENT, SENT, ANSWERED };

static void
send_unsent(struct zkq *handle, struct reads *reads)
{
	for (int i = 0; i < reads->plan.count; i++) {
		if (reads->state[i] != UNSENT)
			continue;
		struct request request = reads->plan.effects[i].request;

		request.tag = TAG_READS;
		request.arg = (uint64_t)reads->number << 32 | (uint32_t)i;
		reads->state[i] = SENT;
		link_request(handle->link, &request);
	}
}

void
reads_send(struct zkq *handle)
{
	handle->reads_again_ms = NEVER;
	if (!handle->connected)
		return;
	for (struct reads *reads = handle->reads; reads; reads = reads->next)
		send_unsent(handle, reads);
}

void
reads_reply(struct zkq *handle, const struct reply *reply)
{
	struct reads *reads = handle->reads;
	uint32_t i = (uint32_t)reply->arg;

	while (reads && reads->number != reply->arg >> 32)
		reads = reads->next;
	if (!reads || i >= (uint32_t)reads->plan.count || reads->state[i] != SENT)
		return;
	bool again = reply->rc == RC_NOTSENT ||
	    (reply->kind != REQ_MULTI && (reply->rc == RC_UNKNOWN || reply->rc == RC_NOMEM));
	if (again) {
		reads->state[i] = UNSENT;
		handle->reads_again_ms = link_now_ms() + READ_AGAIN_MS;
		return;
	}
	reads->state[i] = ANSWERED;
	reads->left--;
	struct reply own = *reply;
	own.tag = reads->plan.effects[i].request.tag;
	own.arg = reads->plan.effects[i].request.arg;
	reads->on_reply(reads->context, &own);
}

static void
reads_clear(struct reads *reads)
{
	free(reads->state);
	reads->state = NULL;
	plan_reset(&reads->plan);
}

int
reads_start(struct zkq *handle, struct reads *reads, reads_fn *on_reply, void *context)
{
	reads->left = 0;
	if (reads->plan.failed || reads->plan.arena.failed || handle->broken) {
		reads_clear(reads);
		return ZKQ_ENOMEM;
	}
	if (!reads->plan.count)
		return ZKQ_OK;
	reads->state = calloc((size_t)reads->plan.count, 1);
	if (!reads->state) {
		reads_clear(reads);
		return ZKQ_ENOMEM;
	}
	reads->on_reply = on_reply;
	reads->context = context;
	reads->number = ++handle->reads_drawn;
	reads->left = reads->plan.count;
	reads->started = true;
	reads->next = handle->reads;
	handle->reads = reads;
	if (handle->connected)
		send_unsent(handle, reads);
	return ZKQ_OK;
}

void
reads_stop(struct zkq *handle, struct reads *reads)
{
	struct reads **at = &handle->reads;

	if (reads->started) {
		while (*at != reads)
			at = &(*at)->next;
		*at = reads->next;
		reads->started = false;
	}
	if (!handle->reads)
		handle->reads_again_ms = NEVER;
	reads->left = 0;
	reads_clear(reads);
}

int
reads_run(struct zkq *handle, struct reads *reads, reads_fn *on_reply, void *context, int64_t deadline_ms)
{
	if (handle->inside)
		return ZKQ_EINVAL;
	int error = reads_start(handle, reads, on_reply, context);
	while (reads->left && error == ZKQ_OK)
		if (!handle_turn(handle, deadline_ms, NULL, 0))
			error = handle_late(handle);
	reads_stop(handle, reads);
	return error;
}

void
reads_free(struct reads *reads)
{
	free(reads->state);
	plan_free(&reads->plan);
}
