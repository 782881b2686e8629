/*
 * link.h: between a step function and a ZooKeeper handle. Takes the FX_REQUEST effects of a plan and
 * gives back EV_CONNECTED, EV_DISCONNECTED, EV_EXPIRED, EV_REPLY and EV_WATCH events, in order, one at a time.
 */
#ifndef ZKQ_ZK_LINK_H
#define ZKQ_ZK_LINK_H

#include "codec/raw.h"
#include "core/histogram.h"
#include "core/plan.h"
#include "zk/zk.h"

struct link;

enum link_result {
	LINK_OK,
	LINK_REFUSED,	/* by the server, for a reason of the tree's: no node, bad version ... */
	LINK_CONNLOSS,	/* outcome unknown, or never sent */
	LINK_ERROR,	/* anything else */
	LINK_RESULTS
};

/* Requests answered since the link was made, by kind. */
struct link_counts {
	uint64_t requests[REQUEST_KINDS][LINK_RESULTS];
	struct histogram durations[REQUEST_KINDS];
};

/* The event and all in it live until the callback returns. Called inside link_dispatch() only. The callback
 * steps its state, carries out the plan, and may call link_request() for it. */
typedef void link_event_fn(void *context, const struct event *event);

/* root: whole path below which the tree lies ("/zkq"). */
/* NULL when memory or descriptors run out. */
struct link *link_new(const struct zk_conf *conf, const char *root, link_event_fn *on_event, void *context);
/* Calls back for nothing: what is outstanding is forgotten. Closes the session; may block as zk_free(). */
void link_free(struct link *link);
/* For the log: every state of the session as zk.h tells it, before the event that comes of it, inside
 * link_dispatch(). detail may be NULL. */
void link_on_state(struct link *link, void (*on_state)(void *context, enum zk_state state, const char *detail),
    void *context);
/* For metrics; words for labels. */
const struct link_counts *link_counts(const struct link *link);
const char *link_kind_word(enum request_kind kind);
const char *link_result_word(enum link_result result);
/* Sends one FX_REQUEST; copies all it needs. */
void link_request(struct link *link, const struct request *request);
/* Sends a request about any znode, of this tree or not; copies all it needs. on_reply is called once, inside
 * link_dispatch(), unless the link is freed before. raw and all in it live until it returns. */
typedef void link_raw_fn(void *context, const struct raw_reply *raw);
void link_raw(struct link *link, const struct raw_request *raw, link_raw_fn *on_reply, void *context);
/* Carries out FX_NEW_SESSION. */
void link_new_session(struct link *link);
int link_fd(const struct link *link);
int link_timeout(const struct link *link);
void link_dispatch(struct link *link);
struct zk *link_zk(struct link *link);
/* Memory ran out so that an EV_REPLY will never come: a daemon exits, libzkq reports it. */
bool link_failed(const struct link *link);
/* CLOCK_BOOTTIME and CLOCK_REALTIME in ms: what events of the link carry. */
int64_t link_now_ms(void);
int64_t link_wall_ms(void);

#endif
