/*
 * http.h: one GET over HTTP/1.1 on a non-blocking socket, its body as it comes.
 */
#ifndef ZKQ_LIB_HTTP_H
#define ZKQ_LIB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_state {
	HTTP_CLOSED,	/* not open, or never was */
	HTTP_SENDING,	/* connecting, sending the request */
	HTTP_HEADERS,
	HTTP_BODY,
	HTTP_END,	/* the body is complete */
	HTTP_REFUSED,	/* the status is not 200 */
	HTTP_BROKEN,	/* no connection, or it broke, or what came is not HTTP */
};

enum http_framing { HTTP_UNTIL_CLOSE, HTTP_LENGTH, HTTP_CHUNKED };

struct http {
	int fd;
	enum http_state state;
	int status;
	char *request;
	size_t request_len, request_sent;
	char head[4096];	/* status line and headers; later the line of a chunk's size */
	size_t head_len;
	enum http_framing framing;
	bool from_known;	/* the answer told at which byte it begins: */
	uint64_t from;
	unsigned prefix;	/* bytes that the answer puts before each line; 0 = none */
	uint64_t left;		/* of the body or the chunk */
	int chunk_part;		/* 0 size line, 1 data, 2 line end behind it, 3 trailer */
};

typedef void http_data_fn(void *context, const void *data, size_t size);

/* Begins: address is "host:port" or "[v6]:port". False when that is not possible; state is HTTP_BROKEN then. */
bool http_open(struct http *http, const char *address, const char *path, const char *bearer);
/* What to poll for; 0 = nothing, it is over. */
short http_events(const struct http *http);
/* Does what can be done without blocking; body bytes go to data. */
void http_work(struct http *http, http_data_fn *data, void *context);
bool http_open_now(const struct http *http);
/* Harmless on one that is zeroed or closed. Keeps the state. */
void http_close(struct http *http);

#endif
