/*
 * claims.h: all claims there are: which worker has which task. One listing per incarnation.
 */
#ifndef ZKQ_LIB_CLAIMS_H
#define ZKQ_LIB_CLAIMS_H

#include "lib/reads.h"

struct folder_seen {
	char worker[WORKER_NAME_MAX + 1];
	char inc[INC_MAX + 1];
	bool live;		/* a coordinator's session stands in it */
	int claims;
	uint32_t unresolved_at[PRIORITY_MAX + 1];	/* of these, by priority */
};

struct claims {
	struct node *list;	/* NODE_CLAIM, sorted by queue, segment, token */
	int count;
	struct folder_seen *folders;
	int folder_count;
	int room, folder_room;
	bool failed;		/* memory ran out */
};

/* ZKQ_OK or why not. */
int claims_read(struct zkq *handle, struct reads *reads, struct claims *claims, int64_t deadline_ms);
/* The same in parts: each fills the plan, whose replies its take function takes (context: the claims). */
void claims_ask_folders(struct claims *claims, struct plan *plan);
void claims_take_folders(void *context, const struct reply *reply);
void claims_ask_claims(const struct claims *claims, struct plan *plan);
void claims_take_claims(void *context, const struct reply *reply);
/* When all were taken, before claims_find(): ZKQ_OK or ZKQ_ENOMEM. */
int claims_ready(struct claims *claims);
void claims_free(struct claims *claims);
/* The claim of a task, or NULL. */
const struct node *claims_find(const struct claims *claims, const char *queue, uint32_t seg, const char *token);

#endif
