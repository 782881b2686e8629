#include "config.h"

#include "io/http.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HEADERS_MAX 8192
#define BODY_MAX 65536
#define QUIET_S 30		/* between a client's bytes while a request is awaited; for its reading of an answer */
#define CONNECTIONS_MAX 256
#define FULL_PAUSE_MS 100	/* then it is looked whether there is room again */

struct http_server {
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct event *room;	/* timer: full, look again */
	int fds_before;		/* descriptors open when nobody was connected */
	int guess;		/* connections accepted since they were counted, and those counted then */
	http_handle_fn *handle;
	void *context;
};

struct http_request {
	struct evhttp_request *request;
	struct evkeyvalq query;
	char *path;
	const struct http_stream_callbacks *callbacks;
	void *context;
};

static int
count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	if (!folder)
		return 0;
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

/* The library does not tell when a connection ends, so descriptors are counted when it might be full. */
static void
on_room(evutil_socket_t fd, short what, void *context)
{
	struct http_server *server = context;
	struct timeval pause = { .tv_usec = FULL_PAUSE_MS * 1000 };

	(void)fd;
	(void)what;
	server->guess = count_fds() - server->fds_before;
	if (server->guess < CONNECTIONS_MAX) {
		evconnlistener_enable(server->listener);
	} else {
		evconnlistener_disable(server->listener);
		evtimer_add(server->room, &pause);
	}
}

static struct bufferevent *
on_connection(struct event_base *base, void *context)
{
	struct http_server *server = context;

	if (++server->guess >= CONNECTIONS_MAX)
		on_room(-1, 0, server);
	return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

static void
free_request(struct http_request *request)
{
	evhttp_clear_headers(&request->query);
	free(request->path);
	free(request);
}

static void
on_request(struct evhttp_request *raw, void *context)
{
	struct http_server *server = context;
	struct http_request *request = calloc(1, sizeof *request);
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(raw);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL, *query = uri ? evhttp_uri_get_query(uri) : NULL;
	size_t len = 0;

	if (!request) {
		evhttp_send_error(raw, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	TAILQ_INIT(&request->query);
	request->request = raw;
	request->path = path ? evhttp_uridecode(path, 0, &len) : NULL;
	if (!request->path || strlen(request->path) != len || (query && evhttp_parse_query_str(query, &request->query) != 0)) {
		http_reply(request, HTTP_BADREQUEST, "bad request\n");
		return;
	}
	server->handle(server->context, request);
}

struct http_server *
http_server_new(struct event_base *base, int fd, http_handle_fn *handle, void *context)
{
	struct http_server *server = calloc(1, sizeof *server);

	if (!server)
		return NULL;
	server->base = base;
	server->handle = handle;
	server->context = context;
	server->http = evhttp_new(base);
	server->room = evtimer_new(base, on_room, server);
	struct evhttp_bound_socket *bound = server->http ? evhttp_accept_socket_with_handle(server->http, fd) : NULL;
	if (!bound || !server->room) {
		http_server_free(server);
		return NULL;
	}
	server->listener = evhttp_bound_socket_get_listener(bound);
	evhttp_set_max_headers_size(server->http, HEADERS_MAX);
	evhttp_set_max_body_size(server->http, BODY_MAX);
	evhttp_set_timeout(server->http, QUIET_S);
	evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_default_content_type(server->http, NULL);
	evhttp_set_bevcb(server->http, on_connection, server);
	evhttp_set_gencb(server->http, on_request, server);
	server->fds_before = count_fds() + 8;
	return server;
}

void
http_server_free(struct http_server *server)
{
	if (!server)
		return;
	if (server->room)
		event_free(server->room);
	if (server->http)
		evhttp_free(server->http);
	free(server);
}

const char *
http_path(const struct http_request *request)
{
	return request->path;
}

const char *
http_query(const struct http_request *request, const char *name)
{
	return evhttp_find_header(&request->query, name);
}

bool
http_bearer_is(const struct http_request *request, const char *token)
{
	static const char scheme[] = "Bearer ";
	const char *given = evhttp_find_header(evhttp_request_get_input_headers(request->request), "Authorization");
	unsigned char difference = 0;

	if (!given || strncmp(given, scheme, sizeof scheme - 1) != 0)
		return false;
	given += sizeof scheme - 1;
	size_t len = strlen(token);
	if (strlen(given) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		difference |= (unsigned char)(given[i] ^ token[i]);
	return difference == 0;
}

static void
add_header(const struct http_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request->request), name, value);
}

static void
add_headers(const struct http_request *request, const char *type)
{
	add_header(request, "Content-Type", type);
	add_header(request, "Cache-Control", "no-store");
	add_header(request, "X-Content-Type-Options", "nosniff");
}

void
http_reply(struct http_request *request, int code, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	add_headers(request, "text/plain; charset=utf-8");
	if (code == 401)
		add_header(request, "WWW-Authenticate", "Bearer");
	if (body)
		evbuffer_add(body, text, strlen(text));
	evhttp_send_reply(request->request, code, NULL, body);
	if (body)
		evbuffer_free(body);
	free_request(request);
}

static void
on_closed(struct evhttp_connection *connection, void *context)
{
	struct http_request *request = context;

	(void)connection;
	/* The library has parted the request from its connection and left it to us: this frees it. */
	evhttp_send_reply_end(request->request);
	request->callbacks->gone(request->context);
	free_request(request);
}

void
http_header(struct http_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request->request), name, value);
}

void
http_stream(struct http_request *request, const char *type, const struct http_stream_callbacks *callbacks, void *context)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request->request);
	struct timeval write = { .tv_sec = QUIET_S };

	request->callbacks = callbacks;
	request->context = context;
	add_headers(request, type);
	evhttp_connection_set_closecb(connection, on_closed, request);
	evhttp_send_reply_start(request->request, HTTP_OK, NULL);
	/* Nothing need come from the client now, however long the stream lasts. */
	bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection), NULL, &write);
}

static void
on_sent(struct evhttp_connection *connection, void *context)
{
	struct http_request *request = context;

	(void)connection;
	request->callbacks->ready(request->context);
}

void
http_stream_send(struct http_request *request, const void *data, size_t len)
{
	struct evbuffer *piece = evbuffer_new();

	if (!piece || evbuffer_add(piece, data, len) != 0)
		abort();
	evhttp_send_reply_chunk_with_cb(request->request, piece, on_sent, request);
	evbuffer_free(piece);
}

void
http_stream_end(struct http_request *request)
{
	evhttp_connection_set_closecb(evhttp_request_get_connection(request->request), NULL, NULL);
	evhttp_send_reply_end(request->request);
	free_request(request);
}
