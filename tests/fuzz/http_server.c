#include "worker/log_server.c"

#include "daemon/snapshot.h"
#include "fuzz.h"
#include "http_server.h"

static struct log_server server;

struct event_base *
http_server_begin(int logs_fd, int listener, const char *token)
{
	static const struct web_conf conf = { .program = "zkq-worker", .second = "coordinator", .prefix = "/log/",
		.context = &server, .other = on_request, .paths = "" };

	server.logs_fd = logs_fd;
	server.token = strdup(token);
	server.base = loop_new();
	server.growth = growth_new(server.base, on_grown, &server);
	server.web = web_new(server.base, listener, &conf);
	MUST(server.token && server.base && server.growth && server.web);
	put(&server, HTTP_ID "/1", false);
	http_server_end(false);
	return server.base;
}

void
http_server_snapshot(void)
{
	struct snapshot snapshot = { 0 };
	size_t len;

	snapshot_check(&snapshot, "zookeeper", true, NULL);
	char *data = snapshot_encode(&snapshot, &len);
	MUST(data);
	web_take(server.web, WEB_MAIN, data, len);
	web_take(server.web, WEB_SECOND, data, len);
	free(data);
	snapshot_free(&snapshot);
}

void
http_server_end(bool ended)
{
	put(&server, HTTP_ID "/2", !ended);
	put(&server, HTTP_ID "/3", !ended);
	wake(&server, HTTP_ID "/2");
	wake(&server, HTTP_ID "/3");
}

bool
http_server_has_readers(void)
{
	return server.readers != NULL;
}
