/*
 * wire.h: the core's requests as raw ones, and raw replies as the core's.
 */
#ifndef ZKQ_CODEC_WIRE_H
#define ZKQ_CODEC_WIRE_H

#include "codec/raw.h"
#include "core/arena.h"
#include "core/plan.h"

/* Makes *raw in arena. RC_OK; RC_INVALID when a name breaks its grammar or the request would be
 * larger than REQUEST_BYTES_MAX (the answer to give the core is then a reply with that rc);
 * RC_NOMEM. raw borrows nothing from the plan: it lives as long as arena. */
enum rc wire_request(struct arena *arena, const char *root, const struct request *request, struct raw_request *raw);

/* What must be kept of a request until its reply is decoded. text is owned by whoever keeps it. */
struct wire_pending {
	enum request_kind kind;
	enum record_kind record_kind;
	uint32_t tag;
	uint64_t arg;
	struct node node;
	int64_t sent_ms;
};

void wire_pending(const struct request *request, int64_t now_ms, struct wire_pending *pending);

/* Makes the core's reply in arena. NODE_CLASS records get hash_matches, results their ctime. */
void wire_reply(struct arena *arena, const char *root, const struct wire_pending *pending, const struct raw_reply *raw,
    int64_t now_ms, struct reply *reply);

#endif
