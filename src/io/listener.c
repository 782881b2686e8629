#include "config.h"

#include "io/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOT_ADDRESS "not HOST[:PORT]"
#define ADDRESS_TEXT_MAX 256	/* longer ones are no names of hosts */
#define BACKLOG 512	/* connections not yet accepted: beyond, a client tries again after a whole second */

/* "::1", "fe80::1%eth0"; scopes may have any name. */
static bool
is_ipv6(const char *host)
{
	char number[INET6_ADDRSTRLEN];
	size_t len = strcspn(host, "%");
	struct in6_addr address;

	if (len >= sizeof number)
		return false;
	memcpy(number, host, len);
	number[len] = '\0';
	return inet_pton(AF_INET6, number, &address) == 1;
}

/* Splits in place; "::1" without brackets is a host. */
static bool
split(char *address, const char **host, const char **port)
{
	char *colon;

	*port = "0";
	if (address[0] == '[') {
		char *end = strchr(address, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		*host = address + 1;
		if (end[1])
			*port = end + 2;
		*end = '\0';
	} else {
		*host = address;
		colon = strchr(address, ':');
		if (colon && !strchr(colon + 1, ':')) {
			*colon = '\0';
			*port = colon + 1;
		}
	}
	if ((address[0] == '[' || strchr(*host, ':')) && !is_ipv6(*host))
		return false;
	if (!**host)
		*host = NULL;
	return **port && strspn(*port, "0123456789") == strlen(*port) && strtol(*port, NULL, 10) <= 65535;
}

static int
open_one(const struct addrinfo *info)
{
	int on = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

const char *
listener_fault(const char *address)
{
	const char *host, *port;
	char copy[ADDRESS_TEXT_MAX];

	return *address && strlen(address) < sizeof copy && split(strcpy(copy, address), &host, &port) ? NULL : NOT_ADDRESS;
}

int
listener_open(const char *address, const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list;
	const char *host, *port;
	char copy[ADDRESS_TEXT_MAX];
	int fd = -1;

	errno = 0;
	if (strlen(address) >= sizeof copy || !split(strcpy(copy, address), &host, &port)) {
		*why = NOT_ADDRESS;
		return -1;
	}
	int error = getaddrinfo(host, port, &hints, &list);
	if (error != 0) {
		*why = gai_strerror(error);
		return -1;
	}
	for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
		fd = open_one(info);
	if (fd < 0)
		*why = strerror(errno);
	freeaddrinfo(list);
	return fd;
}

bool
listener_address(int fd, const char *host, char buffer[ADDRESS_SIZE])
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;
	struct sockaddr_storage name;
	socklen_t len = sizeof name;
	char own[64], port[8];

	if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&name, len, own, sizeof own, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	bool all = name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_addr.s_addr == htonl(INADDR_ANY) :
	    memcmp(&((struct sockaddr_in6 *)&name)->sin6_addr, &any, sizeof any) == 0;
	if (!all)
		host = own;
	if (!host)
		return false;
	snprintf(buffer, ADDRESS_SIZE, strchr(host, ':') ? "[%.64s]:%s" : "%.64s:%s", host, port);
	return true;
}
