/*
 * facts.h: what zkq doctor knows of a cluster, and what it makes of that. doctor.c gathers the facts; checks.c
 * judges them and touches nothing.
 *
 * Numbers that could not be learned are UNKNOWN, strings NULL.
 */
#ifndef ZKQ_LIB_FACTS_H
#define ZKQ_LIB_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "zkq.h"

#define UNKNOWN (-1)

enum word_fact { NOT_SAID, NOT_ALLOWED, SAID };

struct fact_server {
	const char *name, *address;
	const char *why;		/* why it cannot be reached; NULL = it can */
	int64_t connect_ms;
	enum word_fact srvr, conf, mntr;
	bool idle;			/* up, but it serves nothing */
	int version[3];			/* major UNKNOWN = not known */
	const char *mode;		/* "leader", "follower", "observer", "standalone" */
	double latency_avg_ms;
	int64_t outstanding, znodes;
	int64_t tick_ms, sync_limit, max_connections, max_session_ms;	/* conf */
	int64_t data_bytes, slow_syncs, open_files, max_files;		/* mntr */
	bool large_known, large_ok;	/* requests of 900 kB */
};

enum root_fact { ROOT_UNKNOWN, ROOT_ABSENT, ROOT_DENIED, ROOT_FOREIGN, ROOT_FORMAT, ROOT_GOOD };

struct fact_right {
	const char *what;		/* "submit to default" */
	const char *path;
	bool allowed;
	bool missing;			/* there is no such path */
};

struct fact_worker {
	const char *name, *host, *version, *state, *queues;	/* as in struct zkq_worker_info */
	int claims;
};

struct fact_clock {
	const char *name;		/* of a worker */
	int64_t off_ms;			/* its clock less the servers' */
};

struct fact_queue {
	const char *name;
	bool paused, served;		/* served: a live worker takes its tasks */
	bool deleting;
	const char *paused_by, *paused_reason;
	int64_t waiting, running, inbox, dead, waiting_max;
	int64_t inbox_age_ms;		/* of the oldest task in the inbox */
};

struct fact_folder {
	const char *path;
	int64_t children;
};

struct facts {
	const char *hosts, *root, *version;	/* of this program */
	struct fact_server *servers;
	int server_count;
	bool connected;
	const char *trouble;		/* why not */
	const char *server;		/* of the session */
	int64_t asked_ms, granted_ms;	/* session time-out */
	bool no_write;
	bool clock_known;
	int64_t clock_off_ms, clock_doubt_ms;	/* our clock less the server's, give or take */
	enum root_fact root_state;
	int format;
	const char *cluster;
	const char *open_path;		/* the highest part of the tree that anybody may change; NULL = none */
	struct fact_right *rights;
	int right_count;
	int candidates;
	const char *leader, *leader_host;
	int64_t candidate_age_ms;	/* the leader's: since when it leads no znode tells */
	const char *const *hosts_used;	/* host of every dispatcher and worker */
	int hosts_used_count;
	struct fact_worker *workers;
	int worker_count;
	struct fact_clock *clocks;
	int clock_count;
	struct fact_queue *queues;
	int queue_count;
	struct fact_folder *folders;	/* of more than FOLDER_LONG children */
	int folder_count;
	int64_t strangers;		/* znodes whose names are not of this tree */
	const char *stranger;		/* path of one of them */
};

#define FOLDER_LONG 10000	/* a listing of half the 1 MB that zkCli and Java clients take */

/* Runs every check that the facts allow for; found is called for each finding, in the order of the table. */
void facts_judge(const struct facts *facts, struct arena *arena, zkq_finding_fn *found, void *context);

/* Reads what a server said into its facts; for doctor.c and its test. */
void facts_read_srvr(struct fact_server *server, const char *text, struct arena *arena);
void facts_read_conf(struct fact_server *server, const char *text);
void facts_read_mntr(struct fact_server *server, const char *text);

#endif
