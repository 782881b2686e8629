#include "zk/acl.h"

/* With one credential for all there is one answer; roles will make it depend on the kind. */
enum acl
acl_for(enum node_kind kind, bool authenticated)
{
	(void)kind;
	return authenticated ? ACL_CREATOR : ACL_OPEN;
}
