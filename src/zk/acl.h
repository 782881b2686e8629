/*
 * acl.h: who may do what with a znode that we create. ZooKeeper's ACLs are not inherited: every create
 * asks here.
 */
#ifndef ZKQ_ZK_ACL_H
#define ZKQ_ZK_ACL_H

#include <stdbool.h>

#include "core/node.h"

enum acl {
	ACL_OPEN,	/* anybody, everything */
	ACL_CREATOR,	/* everything, for the credential that creates it; nothing for others */
};

/* authenticated: the session presents a credential. */
enum acl acl_for(enum node_kind kind, bool authenticated);

#endif
