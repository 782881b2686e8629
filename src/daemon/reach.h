/*
 * reach.h: how a daemon reaches ZooKeeper, for people: lines of the log about outages, a check and metrics.
 */
#ifndef ZKQ_DAEMON_REACH_H
#define ZKQ_DAEMON_REACH_H

struct event_base;
struct link;
struct reach;
struct snapshot;

/* Watches link (as its link_on_state()), which must live longer; hosts is kept by the caller. NULL when memory runs out. */
struct reach *reach_new(struct event_base *base, struct link *link, const char *hosts);
void reach_free(struct reach *reach);
void reach_collect(const struct reach *reach, struct snapshot *snapshot);

#endif
