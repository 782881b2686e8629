/*
 * http_server.h: the worker's HTTP process as a part of a fuzz target: its own code, with neither process nor runner around
 * it. In a file apart because the core has names of the system's: struct stat, struct event.
 */
#ifndef ZKQ_TESTS_FUZZ_HTTP_SERVER_H
#define ZKQ_TESTS_FUZZ_HTTP_SERVER_H

#include <stdbool.h>

/* Attempt 1 has ended, 2 and 3 are running; the files of 1 and 2 are there. */
#define HTTP_ID "default.4.k3v9q7xa2m4t"

struct event_base;

/* Serves on listener what lies below logs_fd; returns its loop. */
struct event_base *http_server_begin(int logs_fd, int listener, const char *token);
/* A second has passed for it: the main process says that all is well. */
void http_server_snapshot(void);
/* The running attempts end, and so does each stream of theirs; or they run again. */
void http_server_end(bool ended);
bool http_server_has_readers(void);

#endif
