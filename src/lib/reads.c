#include "lib/reads.h"

#include <stdlib.h>
#include <string.h>

enum { UNSENT, SENT, ANSWERED };

void
reads_send(struct zkq *handle)
{
	struct reads *reads = handle->reads;

	handle->reads_again_ms = NEVER;
	if (!handle->connected)
		return;
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
reads_reply(struct zkq *handle, const struct reply *reply)
{
	struct reads *reads = handle->reads;
	uint32_t i = (uint32_t)reply->arg;

	if (!reads || reads->number != reply->arg >> 32 || i >= (uint32_t)reads->plan.count || reads->state[i] != SENT)
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
reads_run(struct zkq *handle, struct reads *reads, reads_fn *on_reply, void *context, int64_t deadline_ms)
{
	int error = ZKQ_OK;

	if (handle->inside || handle->reads)
		return ZKQ_EINVAL;
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
	handle->reads = reads;
	reads_send(handle);
	while (reads->left && error == ZKQ_OK)
		if (!handle_turn(handle, deadline_ms, NULL, 0))
			error = handle_late(handle);
	handle->reads = NULL;
	handle->reads_again_ms = NEVER;
	reads_clear(reads);
	return error;
}

void
reads_free(struct reads *reads)
{
	free(reads->state);
	plan_free(&reads->plan);
}
