#include "config.h"

#include "daemon/web.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/log.h"
#include "daemon/snapshot.h"
#include "io/channel.h"
#include "io/clock.h"
#include "io/http.h"
#include "io/loop.h"
#include "io/process.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define USE_MS 1000	/* the process table is not asked more often, whoever asks us */
#define ANSWERS_MAX 64	/* kinds of answer that are counted: paths and codes are few */

struct answer_count {
	const char *path;
	int code;
	uint64_t count;
};

struct source {
	struct snapshot snapshot;
	int64_t taken_ms;	/* the last one; in the beginning, our own start */
	bool there;
};

struct web {
	struct web_conf conf;
	struct http_server *http;
	struct source sources[WEB_SOURCES];
	struct process_use use;		/* of the main process, used_ms ago */
	int64_t used_ms;
	bool used;
	struct answer_count answers[ANSWERS_MAX];
	int answer_count;
};

typedef void web_page(struct web *web, struct http_request *request);

static int64_t
silent_ms(const struct web *web, enum web_source source)
{
	return clock_boot_ms() - web->sources[source].taken_ms;
}

static bool
main_turns(const struct web *web)
{
	return silent_ms(web, WEB_MAIN) <= WEB_SILENT_MS;
}

static void
reply_silent(const struct web *web, struct http_request *request)
{
	char text[96];

	snprintf(text, sizeof text, "no sign of the main loop for %lld s\n", (long long)silent_ms(web, WEB_MAIN) / 1000);
	http_reply(request, 503, text);
}

/* ---- pages ---- */

static void
page_root(struct web *web, struct http_request *request)
{
	char text[1024];

	snprintf(text, sizeof text, "%s " PACKAGE_VERSION "\n\n"
	    "/livez            200 while the main loop turns\n"
	    "/readyz           200 when it does what it is for; ?verbose shows each check\n"
	    "/metrics          for Prometheus\n"
	    "%s\nSee %s(8).\n", web->conf.program, web->conf.paths ? web->conf.paths : "", web->conf.program);
	http_reply(request, 200, text);
}

static void
page_livez(struct web *web, struct http_request *request)
{
	if (main_turns(web))
		http_reply(request, 200, "ok\n");
	else
		reply_silent(web, request);
}

static bool
add_checks(const struct web *web, enum web_source source, const char *name, char *text, size_t size)
{
	const struct source *from = &web->sources[source];
	size_t len = strlen(text);

	if (!from->there || silent_ms(web, source) > WEB_SILENT_MS) {
		snprintf(text + len, size - len, "[-]%s %s\n", name, from->there ? "gives no sign" : "has not begun");
		return false;
	}
	snprintf(text + len, size - len, "[+]%s ok\n%s", name, from->snapshot.checks);
	return !from->snapshot.unready;
}

static void
page_readyz(struct web *web, struct http_request *request)
{
	char text[2 * CHECKS_SIZE + 256] = "";
	bool ready = add_checks(web, WEB_MAIN, "loop", text, sizeof text);

	if (web->conf.second && !add_checks(web, WEB_SECOND, web->conf.second, text, sizeof text))
		ready = false;
	if (ready && !http_query(request, "verbose"))
		text[0] = '\0';
	size_t len = strlen(text);
	snprintf(text + len, sizeof text - len, "%s", ready ? "ready\n" : "not ready\n");
	http_reply(request, ready ? 200 : 503, text);
}

static void
add_process(struct web *web, struct metrics *metrics)
{
	const struct process_use *use = &web->use;

	if (clock_boot_ms() - web->used_ms >= USE_MS) {
		web->used = process_use(getppid(), &web->use);
		web->used_ms = clock_boot_ms();
	}
	if (!web->used)
		return;
	metrics_value(metrics, METRIC_CPU, use->cpu_seconds);
	metrics_value(metrics, METRIC_RSS, (double)use->rss_bytes);
	metrics_value(metrics, METRIC_OPEN_FDS, use->open_fds);
	metrics_value(metrics, METRIC_MAX_FDS, (double)use->max_fds);
	metrics_value(metrics, METRIC_START_TIME, use->start_time);
}

static void
page_metrics(struct web *web, struct http_request *request)
{
	struct metrics metrics = { 0 };
	char code[16];

	if (!main_turns(web) || !web->sources[WEB_MAIN].there) {
		reply_silent(web, request);	/* old values would look like present ones */
		return;
	}
	metrics_add(&metrics, METRIC_BUILD_INFO, 1, PACKAGE_VERSION, NULL);
	add_process(web, &metrics);
	for (int i = 0; i < web->answer_count; i++) {
		snprintf(code, sizeof code, "%d", web->answers[i].code);
		metrics_add(&metrics, METRIC_HTTP_REQUESTS, (double)web->answers[i].count, web->answers[i].path, code);
	}
	metrics_value(&metrics, METRIC_HTTP_CONNECTIONS, http_server_connections(web->http));
	metrics_value(&metrics, METRIC_HTTP_DROPPED, (double)http_server_dropped(web->http));
	for (int i = 0; i < WEB_SOURCES; i++) {
		const struct metrics *told = &web->sources[i].snapshot.metrics;

		if (told->text && silent_ms(web, (enum web_source)i) <= WEB_SILENT_MS)
			metrics_text(&metrics, told->text, told->len);
	}
	if (metrics.failed)
		http_reply(request, 503, "out of memory\n");
	else
		http_reply_as(request, 200, METRICS_TYPE, metrics.text, metrics.len);
	metrics_free(&metrics);
}

static const struct {
	const char *path;
	web_page *page;
} pages[] = {
	{ "/", page_root }, { "/livez", page_livez }, { "/healthz", page_livez }, { "/readyz", page_readyz },
	{ "/metrics", page_metrics },
};
#define PAGES (sizeof pages / sizeof pages[0])

/* ---- requests ---- */

static bool
is_other(const struct web *web, const char *path)
{
	return web->conf.prefix && strncmp(path, web->conf.prefix, strlen(web->conf.prefix)) == 0;
}

/* A path as a label: one of few. */
static const char *
path_word(const struct web *web, const char *path)
{
	if (!path)
		return "refused";
	for (size_t i = 0; i < PAGES; i++) {
		if (strcmp(path, pages[i].path) == 0)
			return pages[i].path;
	}
	return is_other(web, path) ? web->conf.prefix : "unknown";
}

static void
on_answer(void *context, const char *path, int code)
{
	struct web *web = context;
	const char *word = path_word(web, path);
	struct answer_count *answer = web->answers, *end = answer + web->answer_count;

	while (answer < end && (answer->path != word || answer->code != code))
		answer++;
	if (answer == end) {
		if (web->answer_count == ANSWERS_MAX)
			return;
		web->answer_count++;
		*answer = (struct answer_count){ word, code, 0 };
	}
	answer->count++;
}

static void
on_request(void *context, struct http_request *request)
{
	struct web *web = context;
	const char *path = http_path(request);

	for (size_t i = 0; i < PAGES; i++) {
		if (strcmp(path, pages[i].path) == 0) {
			pages[i].page(web, request);
			return;
		}
	}
	if (is_other(web, path))
		web->conf.other(web->conf.context, request);
	else
		http_reply(request, 404, "not found; / tells what there is\n");
}

/* ---- life ---- */

struct web *
web_new(struct event_base *base, int fd, const struct web_conf *conf)
{
	struct web *web = calloc(1, sizeof *web);

	if (!web) {
		close(fd);
		return NULL;
	}
	web->conf = *conf;
	for (int i = 0; i < WEB_SOURCES; i++)
		web->sources[i].taken_ms = clock_boot_ms();
	web->http = http_server_new(base, fd, on_request, web);
	if (!web->http) {
		free(web);
		return NULL;
	}
	http_server_on_answer(web->http, on_answer);
	return web;
}

void
web_free(struct web *web)
{
	if (!web)
		return;
	http_server_free(web->http);
	for (int i = 0; i < WEB_SOURCES; i++)
		snapshot_free(&web->sources[i].snapshot);
	free(web);
}

void
web_take(struct web *web, enum web_source source, const char *data, size_t len)
{
	struct source *into = &web->sources[source];
	struct snapshot snapshot;

	if (!snapshot_decode(&snapshot, data, len))
		return;
	snapshot_free(&into->snapshot);
	into->snapshot = snapshot;
	into->taken_ms = clock_boot_ms();
	into->there = true;
}

void
web_confine(void)
{
	struct rlimit none = { 0, 0 };

	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_NPROC, &none);
}

/* ---- an HTTP process that does nothing else ---- */

struct server {
	struct event_base *base;
	struct web *web;
};

static void
on_frame(void *context, const char *data, size_t len)
{
	struct server *server = context;

	web_take(server->web, WEB_MAIN, data, len);
}

static void
on_closed(void *context)
{
	struct server *server = context;

	loop_stop(server->base);
}

int
web_run(const char *program, int fd, int listener)
{
	static const struct channel_callbacks callbacks = { .frame = on_frame, .closed = on_closed };
	struct web_conf conf = { .program = program };
	struct server server = { .base = loop_new() };
	struct channel *channel = NULL;

	web_confine();
	if (server.base)
		server.web = web_new(server.base, listener, &conf);
	if (server.web)
		channel = channel_new(server.base, fd, &callbacks, &server);
	if (!channel) {
		log_error("HTTP process: the system refuses what it needs");
		return EXIT_SYSTEM;
	}
	int code = loop_run(server.base) == 0 ? EXIT_OK : EXIT_SYSTEM;
	channel_free(channel);
	web_free(server.web);
	loop_free(server.base);
	return code;
}
