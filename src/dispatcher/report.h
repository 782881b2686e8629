/*
 * report.h: a dispatcher's state as checks and metrics.
 */
#ifndef ZKQ_DISPATCHER_REPORT_H
#define ZKQ_DISPATCHER_REPORT_H

struct dispatcher;
struct snapshot;

void report_collect(const struct dispatcher *dispatcher, struct snapshot *snapshot);

#endif
