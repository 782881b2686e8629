/*
 * web.h: what the HTTP processes of both daemons answer. It knows what the main process has told it, and nothing else: no
 * ZooKeeper, no rights.
 *
 *     GET /            what there is
 *     GET /livez       200 while the main loop turns, else 503; /healthz is the same
 *     GET /readyz      200 when the daemon does what it is for, else 503; ?verbose shows each check
 *     GET /metrics     for Prometheus
 */
#ifndef ZKQ_DAEMON_WEB_H
#define ZKQ_DAEMON_WEB_H

#include <stddef.h>

#define WEB_SILENT_MS 5000	/* five snapshots missed: the main loop does not turn */

struct event_base;
struct http_request;
struct web;

enum web_source { WEB_MAIN, WEB_SECOND, WEB_SOURCES };

/* Strings are kept by the caller. */
struct web_conf {
	const char *program;	/* "zkq-worker" */
	const char *second;	/* name of a second process whose snapshots come, too: "coordinator"; NULL = none */
	const char *paths;	/* more lines for "/", or NULL */
	void *context;
	/* Answers paths that begin with prefix; NULL = there are none. */
	const char *prefix;
	void (*other)(void *context, struct http_request *request);
};

/* Serves on the listening socket fd, which it takes (any stream socket, see io/http.h). NULL when memory runs out. */
struct web *web_new(struct event_base *base, int fd, const struct web_conf *conf);
void web_free(struct web *web);
/* A snapshot has come, as snapshot_encode() made it. What cannot be read is dropped. */
void web_take(struct web *web, enum web_source source, const char *data, size_t len);

/* Makes this process one that only serves: signals of the terminal are for the main process, no new rights, no children. */
void web_confine(void);
/* All of an HTTP process that only serves what web.h names: frames of fd are snapshots. Until the other end of fd is gone;
 * returns the exit code. */
int web_run(const char *program, int fd, int listener);

#endif
