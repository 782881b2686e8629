#include "zk/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORT_DEFAULT "2181"
#define SERVERS_MAX 64		/* an ensemble has 3 to 7; each may have a few addresses */
#define SERVER_SIZE (INET6_ADDRSTRLEN + 40)	/* address, zone, colon, port */
#define HOST_SIZE 256

struct servers {
	char list[SERVERS_MAX][SERVER_SIZE];
	int count;
};

static bool
is_literal(const char *host)
{
	unsigned char address[16];
	char plain[HOST_SIZE];

	snprintf(plain, sizeof plain, "%.*s", (int)strcspn(host, "%"), host);
	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, plain, address) == 1;
}

static bool
is_port(const char *text)
{
	return *text && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text);
}

/* Splits an entry of len bytes at its last colon, or where brackets say; without a port it gets the default one.
 * An IPv6 literal may come without brackets: then the last part is the port unless only the whole is one. */
static bool
split(const char *entry, size_t len, char host[HOST_SIZE], const char **port)
{
	if (len == 0 || len >= HOST_SIZE)
		return false;
	memcpy(host, entry, len);
	host[len] = '\0';
	*port = PORT_DEFAULT;
	if (host[0] == '[') {
		char *end = strchr(host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		if (end[1])
			*port = end + 2;
		*end = '\0';
		memmove(host, host + 1, (size_t)(end - host));
		return is_port(*port);
	}
	char *colon = strrchr(host, ':');
	if (!colon)
		return true;
	*colon = '\0';
	*port = colon + 1;
	if (is_port(*port) && (!strchr(host, ':') || is_literal(host)))
		return true;
	*colon = ':';
	*port = PORT_DEFAULT;
	return is_literal(host);
}

bool
resolve_is_literal(const char *hosts)
{
	while (*hosts) {
		size_t len = strcspn(hosts, ",");
		char host[HOST_SIZE];
		const char *port;

		if (split(hosts, len, host, &port) && !is_literal(host))
			return false;
		hosts += len + (hosts[len] == ',');
	}
	return true;
}

static void
add(struct servers *servers, const char *address, const char *port)
{
	char server[SERVER_SIZE];

	if (servers->count == SERVERS_MAX ||
	    snprintf(server, sizeof server, "%s:%s", address, port) >= (int)sizeof server)
		return;
	for (int i = 0; i < servers->count; i++)
		if (strcmp(servers->list[i], server) == 0)
			return;
	memcpy(servers->list[servers->count++], server, sizeof server);
}

/* Adds every address of host; the phrase of what went wrong, or NULL. */
static const char *
look_up(struct servers *servers, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found;

	if (is_literal(host)) {
		add(servers, host, port);
		return NULL;
	}
	int error = getaddrinfo(host, NULL, &hints, &found);
	if (error)
		return gai_strerror(error);
	for (struct addrinfo *at = found; at; at = at->ai_next) {
		char address[NI_MAXHOST];

		if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) == 0 &&
		    is_literal(address))
			add(servers, address, port);
	}
	freeaddrinfo(found);
	return NULL;
}

static char *
join(const struct servers *servers)
{
	char *text = malloc((size_t)(servers->count + 1) * (SERVER_SIZE + 1));
	char *at = text;

	if (!text)
		return NULL;
	for (int i = 0; i < servers->count; i++)
		at += sprintf(at, "%s%s", i ? "," : "", servers->list[i]);
	if (servers->count % 2 == 0)
		sprintf(at, ",%s", servers->list[0]);
	return text;
}

char *
resolve_hosts(const char *hosts, const char **why)
{
	struct servers *servers = calloc(1, sizeof *servers);
	char *text = NULL;

	*why = "no server is named";
	if (!servers)
		return NULL;
	while (*hosts) {
		size_t len = strcspn(hosts, ",");
		char host[HOST_SIZE];
		const char *port, *error = "malformed name of a server";

		if (split(hosts, len, host, &port))
			error = look_up(servers, host, port);
		if (error)
			*why = error;
		hosts += len + (hosts[len] == ',');
	}
	if (servers->count)
		text = join(servers);
	free(servers);
	return text;
}

static bool
holds(const char *servers, const char *server, size_t len)
{
	while (*servers) {
		size_t this = strcspn(servers, ",");

		if (this == len && memcmp(servers, server, len) == 0)
			return true;
		servers += this + (servers[this] == ',');
	}
	return false;
}

static bool
holds_all(const char *servers, const char *others)
{
	while (*others) {
		size_t len = strcspn(others, ",");

		if (!holds(servers, others, len))
			return false;
		others += len + (others[len] == ',');
	}
	return true;
}

bool
resolve_same(const char *a, const char *b)
{
	return holds_all(a, b) && holds_all(b, a);
}
