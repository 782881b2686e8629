/*
 * In two rounds: a connection to every address of every server, of which the first to stand names the address;
 * then one connection for each word. All of a round at once.
 */
#include "zk/words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "codec/connect.h"
#include "core/limits.h"

#define TEXT_MAX (64 * 1024)
#define ADDRESSES_MAX 4		/* of one server that are tried */
#define LARGE_MS 300		/* a server that refuses a length closes within this */

/* The length of a request of REQUEST_BYTES_MAX, as it begins: a server with a smaller jute.maxbuffer closes at
 * once. Nothing follows, so nothing is done. */
#define LARGE WORDS

static const char *const spelled[WORDS] = { "srvr", "conf", "mntr" };

struct talk {
	int server;
	int what;		/* a word, LARGE, or -1: connect only */
	int fd;			/* -1 = over */
	struct sockaddr_storage to;
	socklen_t to_len;
	bool connected, closed;
	int error;		/* errno of the connection */
	int64_t began_ms, until_ms;
	int took_ms;		/* to connect */
	char *text;
	size_t len;
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void
end(struct talk *talk)
{
	if (talk->fd >= 0)
		close(talk->fd);
	talk->fd = -1;
}

static void
begin(struct talk *talk, int64_t until_ms)
{
	talk->began_ms = now_ms();
	talk->until_ms = until_ms;
	talk->fd = socket(talk->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (talk->fd < 0 || (connect(talk->fd, (struct sockaddr *)&talk->to, talk->to_len) && errno != EINPROGRESS)) {
		talk->error = errno;
		end(talk);
	}
}

static void
say(struct talk *talk)
{
	uint32_t length = htonl(REQUEST_BYTES_MAX);
	const void *bytes = talk->what == LARGE ? (const void *)&length : spelled[talk->what];

	if (send(talk->fd, bytes, 4, MSG_NOSIGNAL) != 4) {
		talk->error = errno;
		end(talk);
	} else if (talk->what == LARGE && talk->until_ms > now_ms() + LARGE_MS) {
		talk->until_ms = now_ms() + LARGE_MS;
	}
}

static void
on_connected(struct talk *talk)
{
	socklen_t size = sizeof talk->error;

	if (getsockopt(talk->fd, SOL_SOCKET, SO_ERROR, &talk->error, &size) || talk->error) {
		end(talk);
		return;
	}
	talk->connected = true;
	talk->took_ms = (int)(now_ms() - talk->began_ms);
	if (talk->what < 0)
		end(talk);
	else
		say(talk);
}

static void
on_readable(struct talk *talk)
{
	char buffer[8192];
	ssize_t len = recv(talk->fd, buffer, sizeof buffer, 0);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		talk->closed = true;
		end(talk);
		return;
	}
	char *text = talk->len + (size_t)len < TEXT_MAX ? realloc(talk->text, talk->len + (size_t)len + 1) : NULL;
	if (!text) {
		end(talk);	/* the beginning will do */
		return;
	}
	talk->text = text;
	memcpy(talk->text + talk->len, buffer, (size_t)len);
	talk->len += (size_t)len;
	talk->text[talk->len] = '\0';
}

/* One turn; false when all talks are over. */
static bool
turn(struct talk *talks, int count, struct pollfd *fds)
{
	int64_t now = now_ms(), until = INT64_MAX;

	for (int i = 0; i < count; i++) {
		if (talks[i].fd >= 0 && talks[i].until_ms <= now)
			end(&talks[i]);
		fds[i] = (struct pollfd){ .fd = talks[i].fd, .events = talks[i].connected ? POLLIN : POLLOUT };
		if (talks[i].fd >= 0 && talks[i].until_ms < until)
			until = talks[i].until_ms;
	}
	if (until == INT64_MAX)
		return false;
	if (poll(fds, (nfds_t)count, (int)(until - now)) <= 0)
		return true;
	for (int i = 0; i < count; i++) {
		if (talks[i].fd < 0 || !fds[i].revents)
			continue;
		if (talks[i].connected)
			on_readable(&talks[i]);
		else
			on_connected(&talks[i]);
	}
	return true;
}

static bool
run(struct talk *talks, int count, int timeout_ms)
{
	struct pollfd *fds = calloc((size_t)count + 1, sizeof *fds);

	if (!fds)
		return false;
	for (int i = 0; i < count; i++)
		begin(&talks[i], now_ms() + timeout_ms);
	while (turn(talks, count, fds))
		;
	free(fds);
	return true;
}

/* ---- names ---- */

/* Appends a talk for every address of the server. */
static void
look_up(struct words_server *server, int index, struct talk *talks, int *count)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found;
	struct server_name name;
	char port[16];
	int used = 0;

	if (!server_name_parse(server->name, strlen(server->name), &name)) {
		server->why = "malformed name of a server";
		return;
	}
	snprintf(port, sizeof port, "%d", name.port);
	int error = getaddrinfo(name.host, port, &hints, &found);
	if (error) {
		server->why = gai_strerror(error);
		return;
	}
	for (struct addrinfo *at = found; at && used < ADDRESSES_MAX; at = at->ai_next, used++) {
		struct talk *talk = &talks[(*count)++];

		*talk = (struct talk){ .server = index, .what = -1, .fd = -1, .to_len = at->ai_addrlen };
		memcpy(&talk->to, at->ai_addr, at->ai_addrlen);
	}
	freeaddrinfo(found);
}

static const char *
why_of(int error)
{
	switch (error) {
	case 0:
	case ETIMEDOUT:
		return "no answer: is the host down, or a firewall between?";
	case ECONNREFUSED:
		return "connection refused: no server runs there";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "no route to the host";
	default:
		return "cannot connect";
	}
}

/* Finds the address of each server; talks come back as one connection for each that has one. */
static void
take_addresses(struct words *words, struct talk *talks, int count)
{
	for (int i = 0; i < count; i++) {
		struct talk *talk = &talks[i];
		struct words_server *server = &words->servers[talk->server];
		char host[NI_MAXHOST], port[NI_MAXSERV];

		if (!talk->connected && !server->address[0])
			server->why = why_of(talk->error);
		if (!talk->connected || server->address[0])
			continue;
		server->why = NULL;
		server->connect_ms = talk->took_ms;
		if (getnameinfo((struct sockaddr *)&talk->to, talk->to_len, host, sizeof host, port, sizeof port,
		    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
			snprintf(server->address, sizeof server->address, "%.50s:%.8s", host, port);
	}
}

static void
take_answer(struct words_server *server, struct talk *talk)
{
	if (talk->what == LARGE) {
		server->large_known = talk->connected && !talk->error;
		server->large_ok = !talk->closed;
		return;
	}
	if (!talk->len)
		return;
	if (strstr(talk->text, "not in the whitelist")) {
		server->state[talk->what] = WORD_REFUSED;
		return;
	}
	server->state[talk->what] = WORD_SAID;
	server->text[talk->what] = talk->text;
	talk->text = NULL;
}

/* ---- the whole ---- */

static int
split(const char *hosts, struct words *words)
{
	int most = 1;

	for (const char *p = hosts; *p; p++)
		most += *p == ',';
	words->servers = calloc((size_t)most, sizeof *words->servers);
	for (const char *p = hosts; words->servers && *p; ) {
		size_t len = strcspn(p, ",");

		if (len)
			snprintf(words->servers[words->count++].name, sizeof words->servers[0].name, "%.*s", (int)len,
			    p);
		p += len + (p[len] == ',');
	}
	return words->servers ? most : -1;
}

/* The first address of each that can be reached, once for each word. */
static int
second_round(const struct words *words, const struct talk *first, int first_count, struct talk *talks)
{
	int count = 0;

	for (int s = 0; s < words->count; s++) {
		int i = 0;

		while (i < first_count && !(first[i].server == s && first[i].connected))
			i++;
		for (int what = 0; i < first_count && what <= LARGE; what++)
			talks[count++] = (struct talk){ .server = s, .what = what, .fd = -1, .to = first[i].to,
				.to_len = first[i].to_len };
	}
	return count;
}

struct words *
words_ask(const char *hosts, int timeout_ms)
{
	struct words *words = calloc(1, sizeof *words);
	int most = words ? split(hosts, words) : -1, first_count = 0, count;
	struct talk *first = most < 0 ? NULL : calloc((size_t)most * ADDRESSES_MAX, sizeof *first);
	struct talk *talks = most < 0 ? NULL : calloc((size_t)most * (WORDS + 1), sizeof *talks);
	bool ok = first && talks;

	for (int i = 0; ok && i < words->count; i++)
		look_up(&words->servers[i], i, first, &first_count);
	ok = ok && run(first, first_count, timeout_ms / 2);
	if (ok) {
		take_addresses(words, first, first_count);
		count = second_round(words, first, first_count, talks);
		ok = run(talks, count, timeout_ms / 2);
		for (int i = 0; i < count; i++) {
			take_answer(&words->servers[talks[i].server], &talks[i]);
			free(talks[i].text);
		}
	}
	free(first);
	free(talks);
	if (ok)
		return words;
	words_free(words);
	return NULL;
}

void
words_free(struct words *words)
{
	if (!words)
		return;
	for (int i = 0; i < words->count; i++)
		for (int k = 0; k < WORDS; k++)
			free(words->servers[i].text[k]);
	free(words->servers);
	free(words);
}
