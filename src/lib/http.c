#include "config.h"

#include "lib/http.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* One call of http_work() takes no more, so that the handle gets its turn. */
#define READ_SIZE 65536

bool
http_open_now(const struct http *http)
{
	return http->state == HTTP_SENDING || http->state == HTTP_HEADERS || http->state == HTTP_BODY;
}

static void
over(struct http *http, enum http_state state)
{
	http->state = state;
	if (http->fd >= 0)
		close(http->fd);
	http->fd = -1;
	free(http->request);
	http->request = NULL;
}

void
http_close(struct http *http)
{
	if (http_open_now(http))
		over(http, HTTP_CLOSED);
}

static bool
split_address(const char *address, char *host, size_t host_size, const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;

	if (!colon || !colon[1])
		return false;
	if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
		address++;
		len -= 2;
	}
	if (!len || len >= host_size)
		return false;
	memcpy(host, address, len);
	host[len] = '\0';
	*port = colon + 1;
	return true;
}

static int
connect_to(const char *address)
{
	/* Workers write literals; a name would make the caller wait for a name server. */
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *found = NULL;
	char host[256];
	const char *port;
	int fd = -1;

	if (!split_address(address, host, sizeof host, &port) || getaddrinfo(host, port, &hints, &found))
		return -1;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) && errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

bool
http_open(struct http *http, const char *address, const char *path, const char *bearer)
{
	memset(http, 0, sizeof *http);
	http->fd = connect_to(address);
	http->state = HTTP_SENDING;
	int len = http->fd < 0 ? -1 : asprintf(&http->request,
	    "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s%sConnection: close\r\n\r\n", path, address,
	    bearer ? "Authorization: Bearer " : "", bearer ? bearer : "", bearer ? "\r\n" : "");
	if (len < 0) {
		http->request = NULL;
		over(http, HTTP_BROKEN);
		return false;
	}
	http->request_len = (size_t)len;
	return true;
}

short
http_events(const struct http *http)
{
	if (!http_open_now(http))
		return 0;
	return http->state == HTTP_SENDING ? POLLOUT : POLLIN;
}

static void
send_some(struct http *http)
{
	ssize_t sent = send(http->fd, http->request + http->request_sent, http->request_len - http->request_sent,
	    MSG_NOSIGNAL);

	if (sent < 0) {
		/* ENOTCONN: still connecting. */
		if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
			over(http, HTTP_BROKEN);
		return;
	}
	http->request_sent += (size_t)sent;
	if (http->request_sent == http->request_len)
		http->state = HTTP_HEADERS;
}

static const char *
header(const char *head, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (!strncasecmp(line, name, len) && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

/* The head is complete: what does the body look like? */
static void
read_head(struct http *http)
{
	const char *encoding, *length, *from, *prefix;

	if (strncmp(http->head, "HTTP/1.", 7) || sscanf(http->head, "HTTP/1.%*1d %3d", &http->status) != 1) {
		over(http, HTTP_BROKEN);
		return;
	}
	if (http->status != 200) {
		over(http, HTTP_REFUSED);
		return;
	}
	encoding = header(http->head, "Transfer-Encoding");
	length = header(http->head, "Content-Length");
	from = header(http->head, "Zkq-From");
	http->from_known = from != NULL;
	http->from = from ? strtoull(from, NULL, 10) : 0;
	prefix = header(http->head, "Zkq-Prefix");
	http->prefix = prefix ? (unsigned)strtoul(prefix, NULL, 10) : 0;
	http->framing = HTTP_UNTIL_CLOSE;
	if (encoding && !strncasecmp(encoding, "chunked", 7)) {
		http->framing = HTTP_CHUNKED;
	} else if (length) {
		http->framing = HTTP_LENGTH;
		http->left = strtoull(length, NULL, 10);
	}
	http->state = HTTP_BODY;
	http->head_len = 0;
	if (http->framing == HTTP_LENGTH && !http->left)
		over(http, HTTP_END);
}

/* Takes one byte of a line; true when the line is complete (in head, without its end). */
static bool
take_line(struct http *http, char byte)
{
	if (http->head_len == sizeof http->head - 1) {
		over(http, HTTP_BROKEN);
		return false;
	}
	http->head[http->head_len++] = byte;
	if (byte != '\n')
		return false;
	while (http->head_len && strchr("\r\n", http->head[http->head_len - 1]))
		http->head_len--;
	http->head[http->head_len] = '\0';
	http->head_len = 0;
	return true;
}

static void
chunk_line(struct http *http)
{
	char *end;

	if (http->chunk_part == 0) {
		http->left = strtoull(http->head, &end, 16);
		if (end == http->head)
			over(http, HTTP_BROKEN);
		else
			http->chunk_part = http->left ? 1 : 3;
	} else if (http->chunk_part == 2) {
		http->chunk_part = 0;
	} else if (!http->head[0]) {
		over(http, HTTP_END);
	}
}

static void
take_body(struct http *http, const char *data, size_t size, http_data_fn *give, void *context)
{
	while (size && http->state == HTTP_BODY) {
		if (http->framing == HTTP_CHUNKED && http->chunk_part != 1) {
			if (take_line(http, *data))
				chunk_line(http);
			data++;
			size--;
			continue;
		}
		size_t now = http->framing == HTTP_UNTIL_CLOSE || size < http->left ? size : (size_t)http->left;
		give(context, data, now);
		data += now;
		size -= now;
		if (http->framing == HTTP_UNTIL_CLOSE)
			continue;
		http->left -= now;
		if (!http->left && http->framing == HTTP_LENGTH)
			over(http, HTTP_END);
		else if (!http->left)
			http->chunk_part = 2;
	}
}

/* Bytes of the head up to its empty line; returns how many were used. */
static size_t
take_head(struct http *http, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (http->head_len == sizeof http->head - 1) {
			over(http, HTTP_BROKEN);
			return size;
		}
		http->head[http->head_len++] = data[i];
		http->head[http->head_len] = '\0';
		if (http->head_len >= 4 && !strcmp(http->head + http->head_len - 4, "\r\n\r\n")) {
			read_head(http);
			return i + 1;
		}
	}
	return size;
}

void
http_work(struct http *http, http_data_fn *give, void *context)
{
	char data[READ_SIZE];

	if (http->state == HTTP_SENDING)
		send_some(http);
	if (http->state != HTTP_HEADERS && http->state != HTTP_BODY)
		return;
	ssize_t got = recv(http->fd, data, sizeof data, 0);
	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
			over(http, HTTP_BROKEN);
		return;
	}
	if (got == 0) {
		over(http, http->state == HTTP_BODY && http->framing == HTTP_UNTIL_CLOSE ? HTTP_END : HTTP_BROKEN);
		return;
	}
	size_t used = http->state == HTTP_HEADERS ? take_head(http, data, (size_t)got) : 0;
	if (http->state == HTTP_BODY)
		take_body(http, data + used, (size_t)got - used, give, context);
}
