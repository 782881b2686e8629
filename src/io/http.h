/*
 * http.h: a small HTTP/1.1 server: GET requests with short answers or streams. Everything a client can make long has a
 * limit: headers, body, connections, the time that it may keep us waiting.
 */
#ifndef ZKQ_IO_HTTP_H
#define ZKQ_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct http_request;
struct http_server;

/* Called in the loop for each request; must answer it by http_reply() or http_stream(), now or later. */
typedef void http_handle_fn(void *context, struct http_request *request);

/* Serves on the listening socket fd, which it takes. NULL when memory runs out. */
struct http_server *http_server_new(struct event_base *base, int fd, http_handle_fn *handle, void *context);
void http_server_free(struct http_server *server);

/* Of the request; strings live as long as it. */
const char *http_path(const struct http_request *request);			/* decoded; no NUL in it */
const char *http_query(const struct http_request *request, const char *name);	/* NULL = not there */
/* Whether the request carries "Authorization: Bearer <token>"; takes the same time for every wrong token of that length. */
bool http_bearer_is(const struct http_request *request, const char *token);

/* Answers with text and ends the request. */
void http_reply(struct http_request *request, int code, const char *text);

struct http_stream_callbacks {
	void (*ready)(void *context);	/* what was sent has left: send more */
	void (*gone)(void *context);	/* the client has; the request is over, no further call for it */
};

/* Adds a header to the answer, before it is given. */
void http_header(struct http_request *request, const char *name, const char *value);
/* Begins an answer of unknown length. */
void http_stream(struct http_request *request, const char *type, const struct http_stream_callbacks *callbacks,
    void *context);
/* Sends a piece; the next one after ready(). */
void http_stream_send(struct http_request *request, const void *data, size_t len);
/* Ends the answer and the request. */
void http_stream_end(struct http_request *request);

#endif
