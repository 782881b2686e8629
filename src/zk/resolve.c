#include "zk/resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "codec/connect.h"

#define SERVERS_MAX 64		/* an ensemble has 3 to 7; each may have a few addresses */
#define SERVER_SIZE (46 + 40)	/* address, zone, colon, port */

struct servers {
	char list[SERVERS_MAX][SERVER_SIZE];
	int count;
};

bool
resolve_is_literal(const char *hosts)
{
	while (*hosts) {
		size_t len = strcspn(hosts, ",");
		struct server_name name;

		if (server_name_parse(hosts, len, &name) && !name.literal)
			return false;
		hosts += len + (hosts[len] == ',');
	}
	return true;
}

static void
add(struct servers *servers, const char *address, int port)
{
	char server[SERVER_SIZE];

	if (servers->count == SERVERS_MAX ||
	    snprintf(server, sizeof server, "%s:%d", address, port) >= (int)sizeof server)
		return;
	for (int i = 0; i < servers->count; i++)
		if (strcmp(servers->list[i], server) == 0)
			return;
	memcpy(servers->list[servers->count++], server, sizeof server);
}

/* Adds every address of host; the phrase of what went wrong, or NULL. */
static const char *
look_up(struct servers *servers, const struct server_name *name)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found;

	if (name->literal) {
		add(servers, name->host, name->port);
		return NULL;
	}
	int error = getaddrinfo(name->host, NULL, &hints, &found);
	if (error)
		return gai_strerror(error);
	for (struct addrinfo *at = found; at; at = at->ai_next) {
		char address[NI_MAXHOST];

		if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) == 0 &&
		    host_is_literal(address))
			add(servers, address, name->port);
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
		const char *error = "malformed name of a server";
		struct server_name name;

		if (server_name_parse(hosts, len, &name))
			error = look_up(servers, &name);
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
