/*
 * server.h: a ZooKeeper server of the system's package on a free loopback port, for tests in C.
 */
#ifndef ZKQ_TESTS_MODEL_SERVER_H
#define ZKQ_TESTS_MODEL_SERVER_H

struct server;

/* Starts one and waits until it serves. Exits the program: 77 where Java or ZooKeeper is absent, 1 when it does
 * not come up. tick_ms: sessions last from 2 to 20 ticks. It dies with this process. */
struct server *server_start(int tick_ms);
/* "127.0.0.1:<port>" */
const char *server_hosts(const struct server *server);
void server_pause(struct server *server);	/* as if hung */
void server_resume(struct server *server);
void server_kill(struct server *server);
void server_restart(struct server *server);	/* after server_kill(): same port, same data */
void server_move(struct server *server);	/* after server_kill(): to another port; and back, the second time */
/* Kills it and removes its files. */
void server_free(struct server *server);

#endif
