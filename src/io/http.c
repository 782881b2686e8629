#include "config.h"

#include "io/http.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include "io/connections.h"

#define PLAIN "text/plain; charset=utf-8"
/* All that evhttp knows: those that are not ours get an answer that says so. */
#define METHODS (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | \
    EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH)

struct http_server {
	struct evhttp *http;
	struct connections *connections;
	http_handle_fn *handle;
	void (*on_answer)(void *context, const char *path, int code);
	void *context;
};

struct http_request {
	struct http_server *server;
	struct evhttp_request *request;
	struct evkeyvalq query;
	char *path;
	const struct http_stream_callbacks *callbacks;
	void *context;
};

static struct bufferevent *
on_connection(struct event_base *base, void *context)
{
	struct http_server *server = context;
	struct bufferevent *buffer = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

	if (buffer) {
		bufferevent_setwatermark(buffer, EV_READ, 0, HTTP_INPUT_MAX);
		connections_accepted(server->connections, buffer);
	}
	return buffer;
}

static int
fd_of(struct evhttp_request *raw)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(raw);

	return connection ? bufferevent_getfd(evhttp_connection_get_bufferevent(connection)) : -1;
}

/* The answer has been handed to the system as a whole. */
static void
on_answered(struct evhttp_request *raw, void *context)
{
	struct http_server *server = context;

	connections_answered(server->connections, fd_of(raw));
}

static void
free_request(struct http_request *request)
{
	evhttp_clear_headers(&request->query);
	free(request->path);
	free(request);
}

/* ---- what is refused unseen ---- */

static int
count_header(const struct http_request *request, const char *name)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(request->request);
	const struct evkeyval *header;
	int count = 0;

	TAILQ_FOREACH(header, headers, next)
		count += strcasecmp(header->key, name) == 0;
	return count;
}

/* It would mean nothing, and evhttp takes that of a HEAD for the next request. */
static bool
has_body(const struct http_request *request)
{
	const char *length = evhttp_find_header(evhttp_request_get_input_headers(request->request), "Content-Length");

	return count_header(request, "Transfer-Encoding") > 0 || count_header(request, "Content-Length") > 1 ||
	    (length && strcmp(length, "0") != 0);
}

static bool
is_new(const struct evhttp_request *raw)
{
	return raw->major > 1 || (raw->major == 1 && raw->minor >= 1);
}

/* NULL, or what is wrong; nothing that follows on this connection is then read. */
static const char *
fault_of(const struct http_request *request, int *code)
{
	struct evhttp_request *raw = request->request;
	enum evhttp_cmd_type method = evhttp_request_get_command(raw);
	int hosts = count_header(request, "Host");

	*code = HTTP_BADREQUEST;
	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		*code = HTTP_BADMETHOD;
		return "only GET and HEAD\n";
	}
	if (has_body(request))
		return "a request with a body\n";
	if (hosts > 1 || (hosts == 0 && is_new(raw)))
		return "HTTP/1.1 needs one Host line\n";
	return NULL;
}

/* evhttp wants "name=value" and nothing else; "?verbose" is one, too. */
static bool
read_query(struct http_request *request, const char *query)
{
	char *complete = malloc(2 * strlen(query) + 2), *end = complete;

	if (!complete)
		return false;
	while (*query) {
		size_t len = strcspn(query, "&");

		if (len > 0)
			end += sprintf(end, "%s%.*s%s", end > complete ? "&" : "", (int)len, query, memchr(query, '=', len) ? "" : "=");
		query += len + (query[len] == '&');
	}
	*end = '\0';
	int wrong = evhttp_parse_query_str(complete, &request->query);
	free(complete);
	return wrong == 0;
}

static bool
read_uri(struct http_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request->request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL, *query = uri ? evhttp_uri_get_query(uri) : NULL;
	size_t len = 0;

	request->path = path ? evhttp_uridecode(path, 0, &len) : NULL;
	return request->path && strlen(request->path) == len &&
	    (!query || read_query(request, query));
}

static void
refuse(struct http_request *request, int code, const char *why)
{
	http_header(request, "Connection", "close");
	if (code == HTTP_BADMETHOD)
		http_header(request, "Allow", "GET, HEAD");
	free(request->path);
	request->path = NULL;
	http_reply(request, code, why);
}

static void
on_request(struct evhttp_request *raw, void *context)
{
	struct http_server *server = context;
	struct http_request *request = calloc(1, sizeof *request);
	int requests = connections_asked(server->connections, fd_of(raw)), code;
	const char *fault;

	evhttp_request_set_on_complete_cb(raw, on_answered, server);
	if (!request) {
		evhttp_send_error(raw, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	TAILQ_INIT(&request->query);
	request->server = server;
	request->request = raw;
	fault = fault_of(request, &code);
	if (!fault && !read_uri(request))
		fault = "bad request\n";
	if (fault) {
		refuse(request, code, fault);
		return;
	}
	if (requests >= HTTP_REQUESTS_MAX)
		http_header(request, "Connection", "close");
	server->handle(server->context, request);
}

/* ---- life ---- */

struct http_server *
http_server_new(struct event_base *base, int fd, http_handle_fn *handle, void *context)
{
	struct http_server *server = calloc(1, sizeof *server);

	if (!server || !(server->http = evhttp_new(base))) {
		close(fd);
		free(server);
		return NULL;
	}
	server->handle = handle;
	server->context = context;
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(server->http, fd);
	if (!bound)
		close(fd);
	else
		server->connections = connections_new(base, evhttp_bound_socket_get_listener(bound));
	if (!server->connections) {
		http_server_free(server);
		return NULL;
	}
	evhttp_set_max_headers_size(server->http, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(server->http, HTTP_BODY_MAX);
	evhttp_set_timeout(server->http, HTTP_QUIET_S);
	evhttp_set_allowed_methods(server->http, METHODS);
	evhttp_set_default_content_type(server->http, NULL);
	evhttp_set_bevcb(server->http, on_connection, server);
	evhttp_set_gencb(server->http, on_request, server);
	return server;
}

void
http_server_free(struct http_server *server)
{
	if (!server)
		return;
	evhttp_free(server->http);
	connections_free(server->connections);
	free(server);
}

void
http_server_on_answer(struct http_server *server, void (*on_answer)(void *context, const char *path, int code))
{
	server->on_answer = on_answer;
}

int
http_server_connections(const struct http_server *server)
{
	return connections_count(server->connections);
}

uint64_t
http_server_dropped(const struct http_server *server)
{
	return connections_dropped(server->connections);
}

/* ---- requests ---- */

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

void
http_header(struct http_request *request, const char *name, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request->request), name, value);
}

static void
begin_answer(struct http_request *request, int code, const char *type)
{
	const struct http_server *server = request->server;

	http_header(request, "Content-Type", type);
	http_header(request, "Cache-Control", "no-store");
	http_header(request, "X-Content-Type-Options", "nosniff");
	if (server->on_answer)
		server->on_answer(server->context, request->path, code);
}

void
http_reply_as(struct http_request *request, int code, const char *type, const void *data, size_t len)
{
	bool head = evhttp_request_get_command(request->request) == EVHTTP_REQ_HEAD;
	struct evbuffer *body = head ? NULL : evbuffer_new();
	char length[24];

	begin_answer(request, code, type);
	if (body)
		evbuffer_add(body, data, len);
	snprintf(length, sizeof length, "%zu", body || head ? len : 0);
	http_header(request, "Content-Length", length);
	evhttp_send_reply(request->request, code, NULL, body);
	if (body)
		evbuffer_free(body);
	free_request(request);
}

void
http_reply(struct http_request *request, int code, const char *text)
{
	if (code == 401)
		http_header(request, "WWW-Authenticate", "Bearer");
	http_reply_as(request, code, PLAIN, text, strlen(text));
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

bool
http_stream(struct http_request *request, const char *type, const struct http_stream_callbacks *callbacks, void *context)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request->request);
	struct timeval write = { .tv_sec = HTTP_QUIET_S };

	if (evhttp_request_get_command(request->request) == EVHTTP_REQ_HEAD) {
		begin_answer(request, HTTP_OK, type);
		evhttp_send_reply(request->request, HTTP_OK, NULL, NULL);
		free_request(request);
		return false;
	}
	if (!connections_streams(request->server->connections, fd_of(request->request))) {
		http_reply(request, HTTP_SERVUNAVAIL, "too many are being read already\n");
		return false;
	}
	request->callbacks = callbacks;
	request->context = context;
	begin_answer(request, HTTP_OK, type);
	evhttp_connection_set_closecb(connection, on_closed, request);
	evhttp_send_reply_start(request->request, HTTP_OK, NULL);
	/* Nothing need come from the client now, however long the stream lasts. */
	bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection), NULL, &write);
	return true;
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

	assert(len <= HTTP_PIECE_MAX);
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
