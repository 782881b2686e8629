#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/handle.h"

const char *
zkq_strerror(int error)
{
	switch (error) {
	case ZKQ_OK:
		return "done";
	case ZKQ_EUNREACHABLE:
		return "cannot reach ZooKeeper; nothing was sent";
	case ZKQ_EUNKNOWN:
		return "outcome unknown: the connection broke after it was sent";
	case ZKQ_ETIMEOUT:
		return "no answer in time";
	case ZKQ_EINVAL:
		return "malformed or not possible";
	case ZKQ_ENOQUEUE:
		return "no such queue";
	case ZKQ_EFULL:
		return "the queue is full for now";
	case ZKQ_ENOAUTH:
		return "not allowed";
	case ZKQ_ENOTREE:
		return "no zkq tree here; a dispatcher makes it when it first runs";
	case ZKQ_ENOENT:
		return "not found; a result may have been removed by retention";
	case ZKQ_ESIZE:
		return "larger than the limit: 64 KiB of JSON, and 64 KiB of standard input";
	case ZKQ_ENOMEM:
		return "out of memory";
	case ZKQ_EENDED:
		return "the task has ended already";
	case ZKQ_ESYSTEM:
		return "the system refused it";
	case ZKQ_ECANCELLED:
		return "given up before the answer came";
	case ZKQ_EEXIST:
		return "there already";
	case ZKQ_EBUSY:
		return "in use: a worker has the task, or the queue is not empty";
	case ZKQ_EOPTIONS:
		return "options: their size must be that of their structure, and no time below 0";
	case ZKQ_EHOSTS:
		return "hosts: host[:port],...[/chroot] is wanted";
	case ZKQ_EROOT:
		return "root: a path such as /zkq, not below /zookeeper, is wanted";
	case ZKQ_ECREDENTIAL:
		return "auth: digest:user:password is wanted";
	default:
		return "unknown error";
	}
}

const char *
zkq_version(void)
{
	return PACKAGE_VERSION;
}

void
zkq_free(void *memory)
{
	free(memory);
}

int
error_of_refusal(const struct answer *answer)
{
	switch (answer->code) {
	case REFUSED_NOQUEUE:
		return ZKQ_ENOQUEUE;
	case REFUSED_FULL:
	case REFUSED_CLASSES:
		return ZKQ_EFULL;
	case REFUSED_NOAUTH:
		return ZKQ_ENOAUTH;
	case REFUSED_SIZE:
		return ZKQ_ESIZE;
	case REFUSED_NOTREE:
		return ZKQ_ENOTREE;
	case REFUSED_NOTSENT:
		return ZKQ_EUNREACHABLE;
	default:
		return answer->text && !strcmp(answer->text, "out of memory") ? ZKQ_ENOMEM : ZKQ_EINVAL;
	}
}

int
error_of_rc(enum rc rc)
{
	switch (rc) {
	case RC_OK:
		return ZKQ_OK;
	case RC_NONODE:
		return ZKQ_ENOENT;
	case RC_NOAUTH:
		return ZKQ_ENOAUTH;
	case RC_UNKNOWN:
		return ZKQ_EUNKNOWN;
	case RC_NOTSENT:
		return ZKQ_EUNREACHABLE;
	case RC_NOMEM:
		return ZKQ_ENOMEM;
	default:
		return ZKQ_EINVAL;
	}
}
