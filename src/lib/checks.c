/*
 * checks.c: what zkq doctor makes of the facts. Pure: facts in, findings out. One function for each check, and
 * one table of them at the end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "lib/facts.h"

#define CLOCK_OFF_MS 1000	/* more than people can take for the way of a message */
#define WORKER_OFF_MS 2000	/* a report is on its way, too */
#define INBOX_OLD_MS 60000	/* a leader moves tasks within seconds */
#define SLOW_MS 20		/* average latency: every step of a task takes a few of these */
#define VERY_SLOW_MS 200
#define BUSY 100		/* requests waiting in a server */
#define DATA_LARGE (1LL << 30)	/* servers hold all of it on their heap, and send it to each other */
#define SPARE_CONNECTIONS 10	/* for the commands of people on a host */
#define SESSION_SHORT_MS 4000

struct judge {
	const struct facts *facts;
	struct arena *arena;
	const char *check;
	zkq_finding_fn *found;
	void *context;
};

static void __attribute__((format(printf, 5, 6)))
say(const struct judge *judge, enum zkq_level level, const char *what, const char *next, const char *format, ...)
{
	char value[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(value, sizeof value, format, list);
	va_end(list);
	struct zkq_finding finding = { .level = level, .check = judge->check, .what = what, .value = value,
		.next = level == ZKQ_LEVEL_OK ? NULL : next };
	judge->found(judge->context, &finding);
}

/* A text that lives as long as the findings; never NULL. */
#define TEXT(judge, ...) text_or(arena_printf((judge)->arena, __VA_ARGS__))

static const char *
text_or(const char *text)
{
	return text ? text : "";
}

static const char *
seconds(const struct judge *judge, int64_t ms)
{
	if (ms >= 2 * 86400000LL)
		return TEXT(judge, "%lld days", (long long)(ms / 86400000));
	if (ms >= 2 * 3600000LL)
		return TEXT(judge, "%lld h", (long long)(ms / 3600000));
	if (ms >= 10 * 60000LL)
		return TEXT(judge, "%lld min", (long long)(ms / 60000));
	return TEXT(judge, "%.1f s", (double)ms / 1000);
}

/* ---- ZooKeeper ---- */

static int
reachable(const struct facts *facts)
{
	int count = 0;

	for (int i = 0; i < facts->server_count; i++)
		count += !facts->servers[i].why;
	return count;
}

static bool
mode_is(const struct fact_server *server, const char *mode)
{
	return server->mode && strcmp(server->mode, mode) == 0;
}

static void
check_server(const struct judge *judge, const struct fact_server *server)
{
	if (server->why)
		say(judge, reachable(judge->facts) ? ZKQ_LEVEL_WARNING : ZKQ_LEVEL_ERROR, server->name,
		    "start it, or correct --zk (ZKQ_ZK); the ensemble works while more than half of its servers do",
		    "%s", server->why);
	else if (server->idle)
		say(judge, ZKQ_LEVEL_WARNING, server->name, "see its log: it is not part of a quorum",
		    "up, but it serves no requests");
	else if (server->srvr == NOT_ALLOWED)
		say(judge, ZKQ_LEVEL_NOTE, server->name, "in its zoo.cfg: 4lw.commands.whitelist=srvr,conf,mntr",
		    "reachable; it may not say what it is");
	else if (server->srvr == NOT_SAID)
		say(judge, ZKQ_LEVEL_WARNING, server->name,
		    "it may hang, be frozen, overloaded, in a long garbage collection: see its log; or this is the port for "
		    "TLS or of another service",
		    "takes connections, answers nothing");
	else
		say(judge, ZKQ_LEVEL_OK, server->name, NULL, "%s, %d.%d.%d, connected in %lld ms",
		    server->mode ? server->mode : "mode unknown", server->version[0], server->version[1],
		    server->version[2], (long long)server->connect_ms);
}

static void
check_servers(const struct judge *judge)
{
	for (int i = 0; i < judge->facts->server_count; i++)
		check_server(judge, &judge->facts->servers[i]);
}

static void
check_ensemble(const struct judge *judge)
{
	const struct facts *facts = judge->facts;
	int leaders = 0, alone = 0, told = 0;

	for (int i = 0; i < facts->server_count; i++) {
		const struct fact_server *server = &facts->servers[i];

		told += server->mode != NULL;
		leaders += mode_is(server, "leader");
		alone += mode_is(server, "standalone");
	}
	if (leaders > 1 || (alone && told > 1))
		say(judge, ZKQ_LEVEL_ERROR, "ensemble", "name the servers of one ensemble only in --zk (ZKQ_ZK)",
		    "these servers are not of one ensemble: %d lead, %d are alone", leaders, alone);
	else if (alone)
		say(judge, ZKQ_LEVEL_NOTE, "ensemble", "three servers survive the loss of one",
		    "one server alone: while it is down nothing works");
	else if (told == facts->server_count && told && !leaders)
		say(judge, ZKQ_LEVEL_NOTE, "ensemble", "name all servers in --zk (ZKQ_ZK)",
		    "its leader is not in the list");
	else if (facts->server_count == 1)
		say(judge, ZKQ_LEVEL_NOTE, "ensemble", "name all servers in --zk (ZKQ_ZK)",
		    "one server is listed: clients lose their sessions when it stops");
	else if (told)
		say(judge, ZKQ_LEVEL_OK, "ensemble", NULL, "%d servers, %d reachable", facts->server_count,
		    reachable(facts));
}

struct flaw {
	int from[3], below[3];		/* versions that have it */
	enum zkq_level level;
	const char *text, *next;
};

static const struct flaw flaws[] = {
	{ { 0, 0, 0 }, { 3, 5, 0 }, ZKQ_LEVEL_ERROR, "too old: zkq needs 3.5", "upgrade it to 3.8.5 or 3.9.4" },
	{ { 3, 5, 0 }, { 3, 6, 0 }, ZKQ_LEVEL_WARNING, "not tested with zkq, and no longer maintained",
	    "upgrade it to 3.8.5 or 3.9.4" },
	{ { 3, 6, 0 }, { 3, 8, 5 }, ZKQ_LEVEL_WARNING,
	    "can lose committed writes when a server rejoins (ZOOKEEPER-4785)", "upgrade it to 3.8.5 or 3.9.4" },
	{ { 3, 9, 0 }, { 3, 9, 2 }, ZKQ_LEVEL_WARNING,
	    "can lose committed writes when a server rejoins (ZOOKEEPER-4785)", "upgrade it to 3.9.4" },
	{ { 3, 9, 3 }, { 3, 9, 4 }, ZKQ_LEVEL_WARNING, "can lose data (ZOOKEEPER-4925)", "upgrade it to 3.9.4" },
};

#define FLAWS ((int)(sizeof flaws / sizeof flaws[0]))

static int
compare(const int a[3], const int b[3])
{
	for (int i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

static void
check_versions(const struct judge *judge)
{
	const struct facts *facts = judge->facts;
	const struct fact_server *first = NULL;

	for (int i = 0; i < facts->server_count; i++) {
		const struct fact_server *server = &facts->servers[i];

		if (server->version[0] == UNKNOWN)
			continue;
		if (first && compare(first->version, server->version) != 0)
			say(judge, ZKQ_LEVEL_NOTE, server->name, "fine while upgrading; then bring all to the same",
			    "another version than %s", first->name);
		first = first ? first : server;
		for (int k = 0; k < FLAWS; k++)
			if (compare(server->version, flaws[k].from) >= 0 && compare(server->version,
			    flaws[k].below) < 0)
				say(judge, flaws[k].level, server->name, flaws[k].next, "%d.%d.%d %s",
				    server->version[0], server->version[1], server->version[2], flaws[k].text);
	}
}

static void
check_words(const struct judge *judge)
{
	const char *who = NULL;
	int count = 0;

	for (int i = 0; i < judge->facts->server_count; i++) {
		const struct fact_server *server = &judge->facts->servers[i];

		if (server->why || server->srvr != SAID || (server->conf == SAID && server->mntr == SAID))
			continue;
		who = who ? who : server->name;
		count++;
	}
	if (count)
		say(judge, ZKQ_LEVEL_NOTE, who,
		    "to have limits, disks and sizes checked, too, in zoo.cfg for the time of the check: "
		    "4lw.commands.whitelist=srvr,conf,mntr", count > 1 ?
		    "and %d more do not tell their configuration and counters" :
		    "does not tell its configuration and counters", count - 1);
}

/* The first server that told its configuration. */
static const struct fact_server *
told_conf(const struct facts *facts)
{
	for (int i = 0; i < facts->server_count; i++)
		if (facts->servers[i].tick_ms > 0)
			return &facts->servers[i];
	return NULL;
}

static void
check_session(const struct judge *judge)
{
	const struct facts *facts = judge->facts;
	const struct fact_server *conf = told_conf(facts);
	int64_t stale = conf && conf->sync_limit > 0 ? conf->sync_limit * conf->tick_ms : 0;

	if (!facts->connected) {
		say(judge, ZKQ_LEVEL_ERROR, "session", "see the servers above; is a quorum of them up?",
		    "none could be made: %s", facts->trouble ? facts->trouble : "no answer");
		return;
	}
	if (facts->granted_ms < facts->asked_ms)
		say(judge, ZKQ_LEVEL_WARNING, "session time-out", TEXT(judge, "in zoo.cfg: maxSessionTimeout=%lld%s",
		    (long long)facts->asked_ms * 4, conf ? "" : " (its default is 20 x tickTime)"),
		    "%s instead of %s", seconds(judge, facts->granted_ms), seconds(judge, facts->asked_ms));
	else if (facts->granted_ms > facts->asked_ms)
		say(judge, ZKQ_LEVEL_WARNING, "session time-out",
		    "in zoo.cfg: a smaller tickTime, or minSessionTimeout",
		    "%s instead of %s: lost daemons are noticed later", seconds(judge, facts->granted_ms),
		    seconds(judge, facts->asked_ms));
	else if (facts->granted_ms < SESSION_SHORT_MS)
		say(judge, ZKQ_LEVEL_WARNING, "session time-out", "ask for 10s",
		    "%s: a pause of that length costs a daemon its session", seconds(judge, facts->granted_ms));
	else
		say(judge, ZKQ_LEVEL_OK, "session time-out", NULL, "%s as asked for, with %s", seconds(judge,
		    facts->granted_ms), facts->server ? facts->server : "a server");
	if (stale > facts->granted_ms / 4)
		say(judge, ZKQ_LEVEL_NOTE, "syncLimit", TEXT(judge,
		    "in zoo.cfg: syncLimit=%lld, or a longer session time-out of the daemons",
		    (long long)(facts->granted_ms / 4 / conf->tick_ms > 1 ? facts->granted_ms / 4 / conf->tick_ms : 1)),
		    "%lld x %lld ms: a server that is cut off shows an old tree for up to %s",
		    (long long)conf->sync_limit, (long long)conf->tick_ms, seconds(judge, stale));
}

/* How many daemons the host with most of them has. */
static int
most_on_a_host(const struct facts *facts)
{
	int most = 0;

	for (int i = 0; i < facts->hosts_used_count; i++) {
		int count = 0;

		for (int k = 0; k < facts->hosts_used_count; k++)
			count += strcmp(facts->hosts_used[i], facts->hosts_used[k]) == 0;
		most = count > most ? count : most;
	}
	return most;
}

static void
check_connections(const struct judge *judge)
{
	const struct fact_server *conf = told_conf(judge->facts);
	int daemons = most_on_a_host(judge->facts);

	if (!conf || conf->max_connections == UNKNOWN)
		return;
	if (conf->max_connections > 0 && conf->max_connections < daemons + SPARE_CONNECTIONS)
		say(judge, ZKQ_LEVEL_WARNING, "maxClientCnxns", TEXT(judge,
		    "in zoo.cfg: maxClientCnxns=0, or %d and more", daemons + 5 * SPARE_CONNECTIONS),
		    "%lld connections from one address are allowed; one host has %d daemons",
		    (long long)conf->max_connections, daemons);
	else
		say(judge, ZKQ_LEVEL_OK, "maxClientCnxns", NULL, conf->max_connections ? "%lld" : "%lld: no limit",
		    (long long)conf->max_connections);
}

static void
check_requests(const struct judge *judge)
{
	int known = 0;

	for (int i = 0; i < judge->facts->server_count; i++) {
		const struct fact_server *server = &judge->facts->servers[i];

		known += server->large_known && server->large_ok;
		if (server->large_known && !server->large_ok)
			say(judge, ZKQ_LEVEL_ERROR, server->name,
			    "remove -Djute.maxbuffer from the server's options: its default, 1 MB, will do",
			    "refuses requests of %d bytes: batches will break the connection", REQUEST_BYTES_MAX);
	}
	if (known == judge->facts->server_count)
		say(judge, ZKQ_LEVEL_OK, "jute.maxbuffer", NULL, "requests of %d bytes are taken", REQUEST_BYTES_MAX);
}

static void
check_load_of(const struct judge *judge, const struct fact_server *server)
{
	if (server->latency_avg_ms >= SLOW_MS)
		say(judge, server->latency_avg_ms >= VERY_SLOW_MS ? ZKQ_LEVEL_WARNING : ZKQ_LEVEL_NOTE, server->name,
		    "give its transaction log (dataLogDir) a disk of its own; look for long pauses of Java",
		    "average latency %.0f ms", server->latency_avg_ms);
	if (server->outstanding >= BUSY)
		say(judge, ZKQ_LEVEL_WARNING, server->name, "who else uses it? Above 1,000 it stops reading",
		    "%lld requests wait", (long long)server->outstanding);
	if (server->slow_syncs > 0)
		say(judge, ZKQ_LEVEL_WARNING, server->name, "give its transaction log (dataLogDir) a disk of its own",
		    "%lld times a write to disk took longer than a second", (long long)server->slow_syncs);
	if (server->data_bytes > DATA_LARGE)
		say(judge, ZKQ_LEVEL_WARNING, server->name,
		    "what fills it? zkq purge empties folders; mind -Xmx of the server", "the tree has %lld MB",
		    (long long)(server->data_bytes >> 20));
	if (server->max_files > 0 && server->open_files * 10 > server->max_files * 8)
		say(judge, ZKQ_LEVEL_WARNING, server->name, "LimitNOFILE= in its unit, or fewer clients",
		    "%lld of %lld file descriptors are used", (long long)server->open_files,
		    (long long)server->max_files);
}

static void
check_load(const struct judge *judge)
{
	for (int i = 0; i < judge->facts->server_count; i++)
		check_load_of(judge, &judge->facts->servers[i]);
}

/* ---- clocks ---- */

static void
check_clock(const struct judge *judge)
{
	const struct facts *facts = judge->facts;
	int64_t off = llabs(facts->clock_off_ms) - facts->clock_doubt_ms;

	if (facts->clock_known && off > CLOCK_OFF_MS)
		say(judge, ZKQ_LEVEL_WARNING, "clock",
		    "run an NTP service on both; times shown are wrong by that, nothing is decided by them",
		    "ours is %s %s the server's", seconds(judge, off), facts->clock_off_ms > 0 ? "ahead of" : "behind");
	else if (facts->clock_known)
		say(judge, ZKQ_LEVEL_OK, "clock", NULL, "within %s of the server's",
		    seconds(judge, llabs(facts->clock_off_ms) + facts->clock_doubt_ms));
	for (int i = 0; i < facts->clock_count; i++)
		if (llabs(facts->clocks[i].off_ms) > WORKER_OFF_MS)
			say(judge, ZKQ_LEVEL_WARNING, TEXT(judge, "clock of worker %s", facts->clocks[i].name),
			    "run an NTP service there", "%s %s the server's", seconds(judge,
			    llabs(facts->clocks[i].off_ms)), facts->clocks[i].off_ms > 0 ? "ahead of" : "behind");
}

/* ---- the tree ---- */

/* For the command line of a dispatcher or worker. */
static const char *
daemon_options(const struct judge *judge)
{
	const char *root = judge->facts->root;
	bool other = strcmp(root, "/zkq") != 0;

	return TEXT(judge, "--zk %s%s%s", judge->facts->hosts, other ? " --root " : "", other ? root : "");
}

static void
check_root(const struct judge *judge)
{
	const struct facts *facts = judge->facts;
	const char *start = TEXT(judge, "start a dispatcher: zkq-dispatcher %s", daemon_options(judge));

	switch (facts->root_state) {
	case ROOT_UNKNOWN:
		break;
	case ROOT_ABSENT:
		say(judge, ZKQ_LEVEL_ERROR, facts->root, start, "there is no zkq tree; a dispatcher makes it");
		break;
	case ROOT_DENIED:
		say(judge, ZKQ_LEVEL_ERROR, facts->root, "give the tree's credential: --auth-file, ZKQ_AUTH",
		    "may not be read");
		break;
	case ROOT_FOREIGN:
		say(judge, ZKQ_LEVEL_ERROR, facts->root, "choose another --root (ZKQ_ROOT)",
		    "is there, but it is not zkq's");
		break;
	case ROOT_FORMAT:
		say(judge, ZKQ_LEVEL_ERROR, facts->root, "use the version of zkq that wrote it",
		    "written in format %d; this is for format 1", facts->format);
		break;
	case ROOT_GOOD:
		say(judge, ZKQ_LEVEL_OK, facts->root, NULL, "format %d, cluster %s", facts->format,
		    facts->cluster ? facts->cluster : "unnamed");
	}
}

static void
check_permissions(const struct judge *judge)
{
	const struct facts *facts = judge->facts;
	int refused = 0;

	if (facts->open_path)
		say(judge, ZKQ_LEVEL_WARNING, facts->open_path,
		    "give daemons and users a credential before the tree is made (ZKQ_AUTH, --auth-file), or guard the "
		    "port; see SECURITY in zkq(7)",
		    "everybody who reaches ZooKeeper may change it, and so run commands on the workers");
	for (int i = 0; i < facts->right_count; i++) {
		refused += !facts->rights[i].allowed;
		if (facts->rights[i].missing)
			say(judge, ZKQ_LEVEL_ERROR, facts->rights[i].path,
			    "zkq admin fsck tells what else is missing, and what to do", "is missing: nobody can %s",
			    facts->rights[i].what);
		else if (!facts->rights[i].allowed)
			say(judge, ZKQ_LEVEL_WARNING, facts->rights[i].path,
			    "if you are to do that, give the tree's credential: --auth-file, ZKQ_AUTH", "we may not %s",
			    facts->rights[i].what);
	}
	if (facts->no_write)
		say(judge, ZKQ_LEVEL_NOTE, "permissions", "run it without --no-write",
		    "what we may do was not tried, nor our clock");
	else if (facts->right_count && !refused)
		say(judge, ZKQ_LEVEL_OK, "permissions", NULL, "we may do all that was tried");
}

static void
check_leader(const struct judge *judge)
{
	const struct facts *facts = judge->facts;

	if (!facts->leader)
		say(judge, ZKQ_LEVEL_ERROR, "dispatcher", TEXT(judge, "start one: zkq-dispatcher %s",
		    daemon_options(judge)), "nobody leads: tasks wait");
	else if (facts->candidates == 1)
		say(judge, ZKQ_LEVEL_NOTE, "dispatcher",
		    "start a second one on another host: it takes over when this one fails",
		    "%s on %s leads, candidate since %s, alone", facts->leader,
		    facts->leader_host ? facts->leader_host : "?", seconds(judge, facts->candidate_age_ms));
	else
		say(judge, ZKQ_LEVEL_OK, "dispatcher", NULL, "%s on %s leads, candidate since %s; %d stand by", facts->leader,
		    facts->leader_host ? facts->leader_host : "?", seconds(judge, facts->candidate_age_ms),
		    facts->candidates - 1);
}

static void
check_workers(const struct judge *judge)
{
	const struct facts *facts = judge->facts;
	int up = 0;

	for (int i = 0; i < facts->worker_count; i++) {
		const struct fact_worker *worker = &facts->workers[i];
		const char *what = TEXT(judge, "worker %s", worker->name);

		up += strcmp(worker->state, "up") == 0;
		if (strcmp(worker->state, "lost") == 0)
			say(judge, ZKQ_LEVEL_WARNING, what,
			    "look after its host; the leader gives its tasks to others after lost-after",
			    "lost, with %d claim%s", worker->claims, worker->claims == 1 ? "" : "s");
		else if (strcmp(worker->state, "draining") == 0)
			say(judge, ZKQ_LEVEL_NOTE, what, "nothing, if that is meant", "draining, %d claim%s left",
			    worker->claims, worker->claims == 1 ? "" : "s");
	}
	if (!up)
		say(judge, ZKQ_LEVEL_WARNING, "workers", TEXT(judge,
		    "on the hosts that shall run tasks: zkq-worker %s", daemon_options(judge)), "none is up: nothing runs");
	else
		say(judge, ZKQ_LEVEL_OK, "workers", NULL, "%d up", up);
}

static void
check_release(const struct judge *judge)
{
	const struct facts *facts = judge->facts;

	for (int i = 0; i < facts->worker_count; i++)
		if (facts->workers[i].version && strcmp(facts->workers[i].version, facts->version) != 0)
			say(judge, ZKQ_LEVEL_NOTE, TEXT(judge, "worker %s", facts->workers[i].name),
			    "fine while upgrading; then bring all to the same", "zkq %s, this is %s",
			    facts->workers[i].version, facts->version);
}

static void
check_queue(const struct judge *judge, const struct fact_queue *queue)
{
	const char *what = TEXT(judge, "queue %s", queue->name);

	if (queue->paused)
		say(judge, ZKQ_LEVEL_NOTE, what, TEXT(judge, "zkq queue resume %s", queue->name), "paused by %s%s%s",
		    queue->paused_by ? queue->paused_by : "somebody", queue->paused_reason ? ": " : "",
		    queue->paused_reason ? queue->paused_reason : "");
	if (queue->inbox && queue->inbox_age_ms > INBOX_OLD_MS)
		say(judge, ZKQ_LEVEL_WARNING, what,
		    "see the leader's log: it says which it cannot read or remove, and why",
		    "%lld tasks in the inbox, the oldest for %s", (long long)queue->inbox, seconds(judge,
		    queue->inbox_age_ms));
	if (queue->waiting && !queue->served)
		say(judge, ZKQ_LEVEL_WARNING, what, TEXT(judge, "zkq-worker --queues %s", queue->name),
		    "%lld tasks wait, and no worker serves it", (long long)queue->waiting);
	if (queue->waiting_max > 0 && queue->waiting * 10 > queue->waiting_max * 9)
		say(judge, ZKQ_LEVEL_WARNING, what, "more workers; when it is full, submitting is refused",
		    "%lld of %lld tasks wait", (long long)queue->waiting, (long long)queue->waiting_max);
	if (queue->dead)
		say(judge, ZKQ_LEVEL_NOTE, what, TEXT(judge, "zkq status --failed -Q %s, zkq show ID", queue->name),
		    "%lld dead letters", (long long)queue->dead);
}

static void
check_queues(const struct judge *judge)
{
	int64_t waiting = 0, running = 0;

	for (int i = 0; i < judge->facts->queue_count; i++) {
		check_queue(judge, &judge->facts->queues[i]);
		waiting += judge->facts->queues[i].waiting;
		running += judge->facts->queues[i].running;
	}
	say(judge, ZKQ_LEVEL_OK, "queues", NULL, "%d, %lld tasks wait, %lld run", judge->facts->queue_count,
	    (long long)waiting, (long long)running);
}

static void
check_folders(const struct judge *judge)
{
	for (int i = 0; i < judge->facts->folder_count; i++)
		say(judge, ZKQ_LEVEL_WARNING, judge->facts->folders[i].path,
		    "zkCli and Java clients fail at about 20,000; zkq purge empties a folder", "%lld children",
		    (long long)judge->facts->folders[i].children);
}

static void
check_strangers(const struct judge *judge)
{
	if (judge->facts->strangers)
		say(judge, ZKQ_LEVEL_NOTE, judge->facts->stranger,
		    "who made it? Remove what nobody needs; zkq admin fsck lists them", judge->facts->strangers > 1 ?
		    "and %lld more are not of zkq's tree" : "is not of zkq's tree",
		    (long long)(judge->facts->strangers - 1));
}

/* ---- the table ---- */

enum needs { NEEDS_NOTHING, NEEDS_SESSION, NEEDS_TREE };

static const struct {
	const char *name;
	enum needs needs;
	void (*check)(const struct judge *judge);
} checks[] = {
	{ "server", NEEDS_NOTHING, check_servers },
	{ "ensemble", NEEDS_NOTHING, check_ensemble },
	{ "version", NEEDS_NOTHING, check_versions },
	{ "words", NEEDS_NOTHING, check_words },
	{ "session", NEEDS_NOTHING, check_session },
	{ "connections", NEEDS_NOTHING, check_connections },
	{ "requests", NEEDS_NOTHING, check_requests },
	{ "load", NEEDS_NOTHING, check_load },
	{ "clock", NEEDS_SESSION, check_clock },
	{ "root", NEEDS_SESSION, check_root },
	{ "permissions", NEEDS_TREE, check_permissions },
	{ "leader", NEEDS_TREE, check_leader },
	{ "workers", NEEDS_TREE, check_workers },
	{ "release", NEEDS_TREE, check_release },
	{ "queues", NEEDS_TREE, check_queues },
	{ "folders", NEEDS_TREE, check_folders },
	{ "strangers", NEEDS_TREE, check_strangers },
};

void
facts_judge(const struct facts *facts, struct arena *arena, zkq_finding_fn *found, void *context)
{
	struct judge judge = { .facts = facts, .arena = arena, .found = found, .context = context };

	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		if (checks[i].needs >= NEEDS_SESSION && !facts->connected)
			continue;
		if (checks[i].needs >= NEEDS_TREE && facts->root_state != ROOT_GOOD)
			continue;
		judge.check = checks[i].name;
		checks[i].check(&judge);
	}
}
