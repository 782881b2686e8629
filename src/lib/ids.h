/*
 * ids.h: the ids of a call.
 */
#ifndef ZKQ_LIB_IDS_H
#define ZKQ_LIB_IDS_H

#include "lib/handle.h"

/* Parses them into the call; malformed ones become pending->refused. ZKQ_OK or ZKQ_ENOMEM. */
int ids_take(struct pending *pending, const char *const *ids, int count);

#endif
