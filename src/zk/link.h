/*
 * link.h: between a step function and a ZooKeeper handle. Takes the FX_REQUEST effects of a plan and
 * gives back EV_CONNECTED, EV_DISCONNECTED, EV_EXPIRED, EV_REPLY and EV_WATCH events, in order, one at a time.
 */
#ifndef ZKQ_ZK_LINK_H
#define ZKQ_ZK_LINK_H

#include "core/plan.h"
#include "zk/zk.h"

struct link;

/* The event and all in it live until the callback returns. Called inside link_dispatch() only. The callback
 * steps its state, carries out the plan, and may call link_request() for it. */
typedef void link_event_fn(void *context, const struct event *event);

/* root: whole path below which the tree lies ("/zkq"). */
struct link *link_new(const struct zk_conf *conf, const char *root, link_event_fn *on_event, void *context);
void link_free(struct link *link);
/* Sends one FX_REQUEST. */
void link_request(struct link *link, const struct request *request);
void link_new_session(struct link *link);
int link_fd(const struct link *link);
int link_timeout(const struct link *link);
void link_dispatch(struct link *link);
struct zk *link_zk(struct link *link);
/* CLOCK_BOOTTIME and CLOCK_REALTIME in ms: what events of the link carry. */
int64_t link_now_ms(void);
int64_t link_wall_ms(void);

#endif
