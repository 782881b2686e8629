/*
 * crew.h: requests about any znode, by path, many on their way at once: for what works on whole trees, ours or
 * not. Outages are ridden out: what was not answered is sent again. So a multi may be applied twice; whoever
 * sends one must take NODEEXISTS and NONODE for done when the reply says repeated.
 */
#ifndef ZKQ_LIB_CREW_H
#define ZKQ_LIB_CREW_H

#include "codec/raw.h"
#include "lib/handle.h"

#define CREW_READS 200		/* reads on their way */
#define CREW_MULTIS 6		/* multis: more only wait in the leader's queue, before everybody else's requests */

/* request is the one that was sent; rc is never RC_NOTSENT or RC_UNKNOWN. Runs inside zkq_dispatch(); it may send
 * more. All lives until it returns. */
typedef void crew_fn(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply,
    bool repeated);

struct crew {
	struct zkq *handle;
	crew_fn *on_reply;
	void *context;
	struct job *jobs;	/* not answered */
	int count, unsent;
	int stall_ms;		/* without any answer for so long it is given up; < 0 = never */
	int64_t answered_ms;	/* when the last answer came */
	int64_t again_ms;	/* when to send again what was refused while connected */
	bool failed;		/* memory ran out */
};

void crew_begin(struct crew *crew, struct zkq *handle, int stall_ms, crew_fn *on_reply, void *context);
/* Copies the request. */
void crew_send(struct crew *crew, const struct raw_request *request, uint64_t arg);
/* The same for a read of one znode. */
void crew_ask(struct crew *crew, enum request_kind kind, const char *path, uint64_t arg);
/* Blocks until at most most requests are on their way: ZKQ_OK, ZKQ_EUNREACHABLE, ZKQ_ETIMEOUT or ZKQ_ENOMEM. */
int crew_wait(struct crew *crew, int most);
/* Forgets what is not answered yet. */
void crew_end(struct crew *crew);

#endif
