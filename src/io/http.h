/*
 * http.h: a small HTTP/1.1 server: GET requests with short answers or streams. Everything a client can make long has a
 * limit: here, and for connections as a whole in connections.h. What is no request for anything here (another method, a
 * body, HTTP/1.1 with no or two Host lines, a path with a NUL) is answered before anybody is asked.
 */
#ifndef ZKQ_IO_HTTP_H
#define ZKQ_IO_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADERS_MAX 8192	/* with the first line; honest ones are a bearer token and what a browser adds */
#define HTTP_BODY_MAX 4096	/* nobody has anything to send us: room to refuse it politely */
#define HTTP_QUIET_S 30		/* between two bytes, of a request or taken from a stream */
#define HTTP_INPUT_MAX 16384	/* kept of what comes while an answer is still being read; more than a whole header */
#define HTTP_PIECE_MAX 65536	/* of a stream, handed over when the piece before has left: all that a slow reader holds */
#define HTTP_REQUESTS_MAX 1000	/* on one connection: then it is closed, so that nobody stays for ever */

struct event_base;
struct http_request;
struct http_server;

/* Called in the loop for each request; must answer it by http_reply() or http_stream(), now or later. */
typedef void http_handle_fn(void *context, struct http_request *request);

/* Serves on the listening socket fd, which it takes: any stream socket, so a test or a fuzz target can use AF_UNIX and
 * needs no network. NULL when memory runs out. */
struct http_server *http_server_new(struct event_base *base, int fd, http_handle_fn *handle, void *context);
void http_server_free(struct http_server *server);
/* on_answer is called for each answer, before it is given; path is NULL when the request was refused unseen. */
void http_server_on_answer(struct http_server *server, void (*on_answer)(void *context, const char *path, int code));
int http_server_connections(const struct http_server *server);
uint64_t http_server_dropped(const struct http_server *server);		/* connections, see connections.h */

/* Of the request; strings live as long as it. */
const char *http_path(const struct http_request *request);			/* decoded; no NUL in it */
const char *http_query(const struct http_request *request, const char *name);	/* NULL = not there */
/* Whether the request carries "Authorization: Bearer <token>"; takes the same time for every wrong token of that length. */
bool http_bearer_is(const struct http_request *request, const char *token);

/* Adds a header to the answer, before it is given. */
void http_header(struct http_request *request, const char *name, const char *value);
/* Answers with text and ends the request. */
void http_reply(struct http_request *request, int code, const char *text);
/* The same with bytes of another type than plain text in UTF-8. */
void http_reply_as(struct http_request *request, int code, const char *type, const void *data, size_t len);

struct http_stream_callbacks {
	void (*ready)(void *context);	/* what was sent has left: send more */
	void (*gone)(void *context);	/* the client has; the request is over, no further call for it */
};

/* Begins an answer of unknown length. False: there is nothing to be sent, and the request is over: it was HEAD, or there
 * are too many streams and it has been answered with 503. */
bool http_stream(struct http_request *request, const char *type, const struct http_stream_callbacks *callbacks,
    void *context);
/* Sends a piece, at most HTTP_PIECE_MAX; the next one after ready(). */
void http_stream_send(struct http_request *request, const void *data, size_t len);
/* Ends the answer and the request. */
void http_stream_end(struct http_request *request);

#endif
