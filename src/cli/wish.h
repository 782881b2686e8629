/*
 * wish.h: commands that ask for something in the tree, a cancel or a change, and wait until a dispatcher has done it.
 */
#ifndef ZKQ_CLI_WISH_H
#define ZKQ_CLI_WISH_H

#include "base/jsonout.h"
#include "zkq.h"

struct wish {
	const char *schema;	/* of --json */
	/* Asks for count tasks at once, with wish_take as callback; an error of enum zkq_error. */
	int (*ask)(struct zkq *handle, const char *const *ids, int count, int timeout_ms);
	/* Prints what became of one task; its exit code. ZKQ_ETIMEOUT: requested, in text told later. */
	int (*tell)(struct jsonout *json, const char *id, int error, const struct zkq_info *info);
	const char *alone;	/* printed when the time is over: no dispatcher is there */
	const char *late;	/* one is there */
};

void wish_take(void *context, int index, int error, const struct zkq_info *info);
/* Asks for all ids of argv and waits; the exit code. */
int wish_run(const struct wish *wish, char **argv);

#endif
