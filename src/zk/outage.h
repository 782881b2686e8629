/*
 * outage.h: what a daemon says of a ZooKeeper that it cannot reach: soon, then now and again, and once
 * when it is back. No clock and no log of its own.
 */
#ifndef ZKQ_ZK_OUTAGE_H
#define ZKQ_ZK_OUTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zk/zk.h"

#define OUTAGE_FIRST_MS 3000	/* shorter ones are no news */
#define OUTAGE_AGAIN_MS 60000

struct outage {
	bool connected, said;
	int64_t since_ms, due_ms;
	char detail[256];	/* what the handle last said of it */
};

/* Not connected since now_ms. */
void outage_begin(struct outage *outage, int64_t now_ms);
/* A state of the handle, see link_on_state(). True: line is to be logged as good news. */
bool outage_state(struct outage *outage, enum zk_state state, const char *detail, int64_t now_ms, char *line,
    size_t size);
/* True: line is to be logged as a warning now. */
bool outage_due(struct outage *outage, const char *hosts, int64_t now_ms, char *line, size_t size);
/* Milliseconds until outage_due() is to be asked again; -1 = not while connected. */
int64_t outage_wait_ms(const struct outage *outage, int64_t now_ms);

#endif
