/*
 * reads.h: a series of requests sent at once, whose replies are handled as they come. Fill plan with
 * plan_get(), plan_list(), plan_exists(), plan_sync(), or one multi; run; plan_reset() and fill again.
 */
#ifndef ZKQ_LIB_READS_H
#define ZKQ_LIB_READS_H

#include "lib/handle.h"

#define TAG_READS 0x4c494252u	/* of no request of the submitter */

/* reply->tag and ->arg are the caller's; the reply lives until the function returns. It never says RC_NOTSENT,
 * and RC_UNKNOWN for multis only: reads are sent again until they are answered. */
typedef void reads_fn(void *context, const struct reply *reply);

struct reads {
	struct reads *next;	/* of the handle's that are under way */
	bool started;
	struct plan plan;
	reads_fn *on_reply;
	void *context;
	uint32_t number;	/* of this run */
	unsigned char *state;	/* of each effect of the plan */
	int left;
};

/* Blocks until every request is answered: ZKQ_OK, or ZKQ_EUNREACHABLE, ZKQ_ETIMEOUT, ZKQ_ENOMEM; then some
 * replies were not handled. The plan is empty afterwards. An empty plan is ZKQ_OK at once. */
int reads_run(struct zkq *handle, struct reads *reads, reads_fn *on_reply, void *context, int64_t deadline_ms);
void reads_free(struct reads *reads);
/* Sends what the plan holds: ZKQ_OK, and all is answered when left is 0 (at once when the plan is empty); or
 * ZKQ_ENOMEM. */
int reads_start(struct zkq *handle, struct reads *reads, reads_fn *on_reply, void *context);
/* Empties the plan; what is not answered yet never will be. Harmless when nothing was started. */
void reads_stop(struct zkq *handle, struct reads *reads);

/* For handle.c. */
void reads_reply(struct zkq *handle, const struct reply *reply);
void reads_send(struct zkq *handle);

#endif
