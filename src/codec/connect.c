#include "codec/connect.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/path.h"

#define HOST_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

bool
host_is_literal(const char *host)
{
	char plain[HOST_SIZE];
	unsigned char address[sizeof(struct in6_addr)];
	size_t len = strcspn(host, "%");

	if (inet_pton(AF_INET, host, address) == 1)
		return true;
	if (len >= sizeof plain)
		return false;
	memcpy(plain, host, len);
	plain[len] = '\0';
	const char *zone = host[len] ? host + len + 1 : NULL;
	return inet_pton(AF_INET6, plain, address) == 1 &&
	    (!zone || (*zone && strlen(zone) <= 32 && zone[strspn(zone, HOST_LETTERS)] == '\0'));
}

static bool
host_ok(const char *host)
{
	size_t len = strlen(host);

	return (len >= 1 && len <= 253 && strspn(host, HOST_LETTERS) == len) || host_is_literal(host);
}

/* 1 to 65535 without leading zeros. */
static bool
port_parse(const char *text, int *port)
{
	size_t len = strlen(text);

	if (len < 1 || len > 5 || strspn(text, "0123456789") != len || text[0] == '0')
		return false;
	*port = atoi(text);
	return *port <= 65535;
}

/* "[::1]" or "[::1]:2181" in buffer, of which the host is left, without brackets. */
static bool
bracketed(char *buffer, int *port)
{
	char *end = strchr(buffer, ']');

	if (!end)
		return false;
	*end = '\0';
	if ((end[1] && end[1] != ':') || (end[1] == ':' && !port_parse(end + 2, port)))
		return false;
	memmove(buffer, buffer + 1, (size_t)(end - buffer));
	return strchr(buffer, ':') && host_is_literal(buffer);
}

static bool
plain(char *buffer, int *port)
{
	char *colon = strrchr(buffer, ':');

	if (!colon)
		return host_ok(buffer);
	*colon = '\0';
	if (host_ok(buffer) && port_parse(colon + 1, port))
		return true;
	*colon = ':';
	*port = PORT_DEFAULT;
	return host_is_literal(buffer);
}

bool
server_name_parse(const char *text, size_t len, struct server_name *name)
{
	char buffer[HOST_SIZE + sizeof "[]:65535"];

	name->port = PORT_DEFAULT;
	if (len < 1 || len >= sizeof buffer || memchr(text, '\0', len))
		return false;
	memcpy(buffer, text, len);
	buffer[len] = '\0';
	if (!(buffer[0] == '[' ? bracketed(buffer, &name->port) : plain(buffer, &name->port)) || strlen(buffer) >= HOST_SIZE)
		return false;
	strcpy(name->host, buffer);
	name->literal = host_is_literal(name->host);
	return true;
}

bool
connect_string_split(const char *connect, const char *root, char *hosts, size_t hosts_size, char *whole_root,
    size_t root_size)
{
	size_t len = strcspn(connect, "/"), used = 0;
	const char *chroot = strcmp(connect + len, "/") == 0 ? "" : connect + len;

	/* a comma: the chroot belongs behind the last server, not behind each */
	if ((*chroot && (!root_ok(chroot) || strchr(chroot, ','))) || !root_ok(root))
		return false;
	for (const char *at = connect, *end = connect + len;; at++) {
		struct server_name name;
		size_t entry = strcspn(at, ",/");

		if (!server_name_parse(at, entry, &name))
			return false;
		int more = snprintf(hosts + used, hosts_size - used, "%s%s:%d", used ? "," : "", name.host, name.port);
		if (more < 0 || (size_t)more >= hosts_size - used)
			return false;
		used += (size_t)more;
		at += entry;
		if (at == end)
			break;
	}
	int root_len = snprintf(whole_root, root_size, "%s%s", chroot, root);
	return root_len > 0 && (size_t)root_len < root_size && root_ok(whole_root);
}
