/*
 * connect.h: names of servers, as people write them in a connect string. connect_string_split() is in path.h.
 */
#ifndef ZKQ_CODEC_CONNECT_H
#define ZKQ_CODEC_CONNECT_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_SIZE 256		/* a DNS name has at most 253 characters */
#define PORT_DEFAULT 2181

struct server_name {
	char host[HOST_SIZE];	/* without brackets */
	int port;
	bool literal;		/* host is an address of IPv4 or IPv6, not a name */
};

/* Reads len bytes of "host[:port]". A literal of IPv6 may stand in brackets or, as the client library wants it,
 * without: then the last colon comes before the port, unless only the whole is an address. */
bool server_name_parse(const char *text, size_t len, struct server_name *name);
/* Whether host is an address; IPv6 perhaps with %zone. */
bool host_is_literal(const char *host);

#endif
