/*
 * request.h: raw requests, checked, measured and copied. Inside zk/ only.
 */
#ifndef ZKQ_ZK_REQUEST_H
#define ZKQ_ZK_REQUEST_H

#include <stddef.h>

#include "codec/raw.h"

/* An estimate, rather too large, of what it takes on the wire; 0 when it is malformed or larger than
 * REQUEST_BYTES_MAX and must not be given to the library. */
size_t request_bytes(const struct raw_request *raw);
/* A copy with all that it points to, in one block for free(). NULL when memory runs out. */
struct raw_request *request_copy(const struct raw_request *raw);

#endif
