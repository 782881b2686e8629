/*
 * raw.h: requests and replies as ZooKeeper spells them: paths and bytes. zk/ sends these to a
 * server, tests/sim/ensemble.c answers them in memory; codec/wire.c makes them from the core's.
 */
#ifndef ZKQ_CODEC_RAW_H
#define ZKQ_CODEC_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "core/node.h"
#include "core/plan.h"

struct raw_op {
	enum op_kind kind;
	const char *path;
	const char *data;	/* CREATE, SET; may be NULL when len is 0 */
	size_t len;
	int32_t version;
	int flags;		/* CREATE_EPHEMERAL, CREATE_SEQUENCE */
	enum node_kind acl;	/* CREATE: acl_for(kind) chooses the ACL */
};

struct raw_request {
	enum request_kind kind;
	const char *path;	/* GET LIST EXISTS SYNC ACL */
	bool watch;
	struct raw_op *ops;	/* MULTI */
	int op_count;
};

/* One entry of an ACL: what the identity may do. */
struct raw_acl {
	int perms;		/* PERM_* */
	const char *scheme, *id;
};

#define PERM_READ 1
#define PERM_WRITE 2
#define PERM_CREATE 4
#define PERM_DELETE 8
#define PERM_ADMIN 16

struct raw_result {
	enum rc rc;
	const char *created;	/* CREATE: the full path that it got, when RC_OK */
};

struct raw_reply {
	enum rc rc;
	struct stat stat;
	const char *data;	/* GET */
	size_t len;
	const char *const *children;	/* LIST: names */
	int child_count;
	const struct raw_acl *acl;	/* ACL */
	int acl_count;
	const struct raw_result *results;	/* MULTI; NULL when the outcome is unknown or nothing was sent */
	int result_count;
	int failed_op;		/* MULTI: index of the refused op, or -1 */
};

#endif
