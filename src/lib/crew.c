#include "lib/crew.h"

#include <stdlib.h>

#include "zk/request.h"

static void
put_in(struct job **list, struct job *job)
{
	job->prev = NULL;
	job->next = *list;
	if (*list)
		(*list)->prev = job;
	*list = job;
}

static void
take_out(struct job **list, struct job *job)
{
	if (job->prev)
		job->prev->next = job->next;
	else
		*list = job->next;
	if (job->next)
		job->next->prev = job->prev;
}

static bool
lost(enum rc rc)
{
	return rc == RC_NOTSENT || rc == RC_UNKNOWN || rc == RC_NOMEM;
}

static void
on_raw(void *context, const struct raw_reply *reply)
{
	struct job *job = context;
	struct crew *crew = job->crew;

	if (!crew) {
		take_out(&job->handle->orphans, job);
		free(job);
		return;
	}
	if (lost(reply->rc)) {
		job->sent = false;
		job->repeated = job->repeated || reply->rc == RC_UNKNOWN;
		crew->unsent++;
		crew->again_ms = link_now_ms() + READ_AGAIN_MS;
		return;
	}
	crew->answered_ms = link_now_ms();
	take_out(&crew->jobs, job);
	crew->count--;
	crew->on_reply(crew->context, job->arg, job->request, reply, job->repeated);
	free(job->request);
	free(job);
}

static void
send_job(struct crew *crew, struct job *job)
{
	job->sent = true;
	crew->unsent--;
	link_raw(crew->handle->link, job->request, on_raw, job);
}

void
crew_begin(struct crew *crew, struct zkq *handle, int stall_ms, crew_fn *on_reply, void *context)
{
	*crew = (struct crew){ .handle = handle, .on_reply = on_reply, .context = context, .stall_ms = stall_ms,
		.answered_ms = link_now_ms() };
}

void
crew_send(struct crew *crew, const struct raw_request *request, uint64_t arg)
{
	struct job *job = request_bytes(request) ? calloc(1, sizeof *job) : NULL;
	struct raw_reply refused = { .rc = RC_INVALID, .failed_op = -1 };

	if (!request_bytes(request)) {
		crew->on_reply(crew->context, arg, request, &refused, false);
		return;
	}
	if (job)
		job->request = request_copy(request);
	if (!job || !job->request) {
		free(job);
		crew->failed = true;
		return;
	}
	job->crew = crew;
	job->handle = crew->handle;
	job->arg = arg;
	put_in(&crew->jobs, job);
	crew->count++;
	crew->unsent++;
	if (crew->handle->connected)
		send_job(crew, job);
}

void
crew_ask(struct crew *crew, enum request_kind kind, const char *path, uint64_t arg)
{
	struct raw_request request = { .kind = kind, .path = path };

	crew_send(crew, &request, arg);
}

static void
send_unsent(struct crew *crew)
{
	struct job *next;

	for (struct job *job = crew->jobs; job; job = next) {
		next = job->next;
		if (!job->sent)
			send_job(crew, job);
	}
}

int
crew_wait(struct crew *crew, int most)
{
	struct zkq *handle = crew->handle;

	while (crew->count > most && !crew->failed && !handle->broken && !link_failed(handle->link)) {
		int64_t now = link_now_ms(), stalled = crew->stall_ms < 0 ? NEVER : crew->answered_ms + crew->stall_ms;

		if (now >= stalled)
			return handle_late(handle);
		if (crew->unsent && handle->connected && now >= crew->again_ms)
			send_unsent(crew);
		/* When the connection is back, nobody calls: look again soon. */
		handle_turn(handle, crew->unsent && now + READ_AGAIN_MS < stalled ? now + READ_AGAIN_MS : stalled, NULL,
		    0);
	}
	return crew->failed || handle->broken || link_failed(handle->link) ? ZKQ_ENOMEM : ZKQ_OK;
}

void
crew_end(struct crew *crew)
{
	while (crew->jobs) {
		struct job *job = crew->jobs;

		take_out(&crew->jobs, job);
		free(job->request);
		if (!job->sent) {
			free(job);
			continue;
		}
		job->crew = NULL;
		job->request = NULL;
		put_in(&job->handle->orphans, job);
	}
	crew->count = crew->unsent = 0;
}
