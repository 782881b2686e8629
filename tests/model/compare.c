/*
 * The simulated ensemble of tests/sim against a real server: the same random requests of the same clients give
 * the same replies and the same watch events. What the simulation proves holds for ZooKeeper as far as this does.
 *
 * usage: compare [-s SEED] [-n ROUNDS] [-d PPM]     exits 77 where ZooKeeper is absent
 *
 * -d lets the simulation lose so many of a million watch events: to see that a difference is found.
 *
 * A round is a burst of requests of one client, pipelined, or the end of its session; after each, every client
 * makes a read, behind which nothing of the round can still come. Then what each client was told is compared.
 * Zxids are paired up: the same must go with the same, and the order be the same. Times are not compared.
 */
#include "config.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/rng.h"
#include "ensemble.h"
#include "server.h"
#include "zk/zk.h"

#define CLIENTS 3
#define SESSION_MS 8000
#define TICK_MS 1000
#define BURST_MAX 12
#define OPS_MAX 6
#define LINES_MAX 512
#define RECENT_MAX 16		/* sequential names that are used again */
#define PATIENCE_S 60
#define NO_COOKIE UINT64_MAX

enum { REAL, SIMULATED, SIDES };
static const char *const side_name[SIDES] = { "real", "simulated" };

struct line {
	char *text;
	int64_t zxids[3];	/* czxid, mzxid, pzxid; 0 = none */
};

/* What one client was told on one side since the last comparison. */
struct told {
	struct line lines[LINES_MAX];
	int count;
	int answered;		/* of all requests ever */
	int64_t session;
	bool connected;
};

static struct server *server;
static struct zk *zks[CLIENTS];
static struct agenda agenda;
static struct ensemble *ensemble;
static struct client *clients[CLIENTS];
static struct told told[SIDES][CLIENTS];
static int sent[CLIENTS];
static struct rng rng;
static uint64_t seed;
static uint32_t drop_watch_ppm;
static int round_number;
static struct arena arena;		/* of the round's requests */
static char *asked[CLIENTS][BURST_MAX + 1];	/* for the report of a difference */

static char *recent[RECENT_MAX];
static int recent_count;

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fprintf(stderr, "FAIL seed %llu round %d: ", (unsigned long long)seed, round_number);
	vfprintf(stderr, format, list);
	fprintf(stderr, "\nagain: tests/model/compare -s %llu\n", (unsigned long long)seed);
	va_end(list);
	server_free(server);
	exit(1);
}

/* ---- what is told ---- */

static struct line *
tell(struct told *to, const char *format, ...)
{
	va_list list;

	if (to->count == LINES_MAX)
		fail("too many lines");
	struct line *line = &to->lines[to->count++];
	memset(line, 0, sizeof *line);
	va_start(list, format);
	if (vasprintf(&line->text, format, list) < 0)
		fail("out of memory");
	va_end(list);
	return line;
}

/* "session 1" instead of a number that differs between the sides. */
static int
owner_of(int side, int64_t session)
{
	if (session == 0)
		return 0;
	for (int i = 0; i < CLIENTS; i++)
		if (told[side][i].session == session)
			return i + 1;
	return -1;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *
names_text(const struct raw_reply *raw)
{
	size_t count = (size_t)raw->child_count, bytes = 1;
	const char **names = calloc(count + 1, sizeof *names);

	for (size_t i = 0; i < count; i++) {
		names[i] = raw->children[i];
		bytes += strlen(names[i]) + 1;
	}
	qsort(names, count, sizeof *names, by_name);
	char *text = calloc(1, bytes), *at = text;
	for (size_t i = 0; i < count; i++)
		at += sprintf(at, " %s", names[i]);
	free(names);
	return text;
}

static char *
results_text(const struct raw_reply *raw)
{
	size_t room = 64;

	for (int i = 0; i < raw->result_count; i++)
		room += 64 + (raw->results[i].created ? strlen(raw->results[i].created) : 0);
	char *text = calloc(1, room), *at = text;
	at += sprintf(at, " failed %d:", raw->failed_op);
	for (int i = 0; i < raw->result_count; i++)
		at += sprintf(at, " [%s %s]", rc_word(raw->results[i].rc), raw->results[i].created ?
		    raw->results[i].created : "");
	return text;
}

static void
on_reply(int side, int index, uint64_t cookie, const struct raw_reply *raw)
{
	struct told *to = &told[side][index];

	to->answered++;
	if (cookie == NO_COOKIE)
		return;
	char *names = names_text(raw), *results = results_text(raw);
	struct line *line = tell(to, "reply %llu %s data '%.*s' version %d length %d children %d owner %d names%s%s",
	    (unsigned long long)cookie, rc_word(raw->rc), (int)raw->len, raw->data ? raw->data : "", raw->stat.version,
	    raw->stat.length, raw->stat.children, owner_of(side, raw->stat.owner), names, results);
	line->zxids[0] = raw->stat.czxid;
	line->zxids[1] = raw->stat.mzxid;
	line->zxids[2] = raw->stat.pzxid;
	free(names);
	free(results);
	for (int i = 0; side == REAL && i < raw->result_count; i++)
		if (raw->results[i].created) {
			char **slot = &recent[recent_count++ % RECENT_MAX];

			free(*slot);
			*slot = strdup(raw->results[i].created);
		}
}

static void
on_watch(int side, int index, enum watch_kind kind, const char *path)
{
	static const char *const words[] = { "created", "deleted", "changed", "children" };

	tell(&told[side][index], "watch %s %s", words[kind], path);
}

static void
on_state(int side, int index, char letter, int64_t session, bool fresh)
{
	struct told *to = &told[side][index];

	to->connected = letter == 'C';
	if (to->connected)
		to->session = session;
	tell(to, "state %c%s", letter, to->connected && fresh ? " fresh" : "");
}

/* ---- the two sides ---- */

static void
real_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	on_reply(REAL, (int)(intptr_t)context, cookie, raw);
}

static void
real_watch(void *context, enum watch_kind kind, const char *path)
{
	on_watch(REAL, (int)(intptr_t)context, kind, path);
}

static void
real_state(void *context, enum zk_state state, int64_t session, int32_t timeout_ms, bool fresh, const char *detail)
{
	(void)timeout_ms;
	(void)detail;
	on_state(REAL, (int)(intptr_t)context, "CDEAU"[state], session, fresh);
}

static void
simulated_reply(void *context, uint64_t cookie, const struct raw_reply *raw)
{
	on_reply(SIMULATED, (int)(intptr_t)context, cookie, raw);
}

static void
simulated_watch(void *context, enum watch_kind kind, const char *path)
{
	on_watch(SIMULATED, (int)(intptr_t)context, kind, path);
}

static void
simulated_state(void *context, int state, int64_t session, int32_t timeout_ms, bool fresh)
{
	(void)timeout_ms;
	on_state(SIMULATED, (int)(intptr_t)context, state == CLIENT_CONNECTED ? 'C' : state == CLIENT_DISCONNECTED ? 'D' :
	    'E', session, fresh);
}

static void
send_both(int index, uint64_t cookie, const struct raw_request *raw)
{
	zk_send(zks[index], cookie, raw);
	client_send(clients[index], cookie, raw);
	sent[index]++;
}

/* Whether all is answered and connected on that side. */
static bool
quiet(int side)
{
	for (int i = 0; i < CLIENTS; i++)
		if (!told[side][i].connected || told[side][i].answered < sent[i])
			return false;
	return true;
}

static void
turn_real(void)
{
	struct pollfd fds[CLIENTS];
	int wait = 1000;

	for (int i = 0; i < CLIENTS; i++) {
		int timeout = zk_timeout(zks[i]);

		fds[i] = (struct pollfd){ .fd = zk_fd(zks[i]), .events = POLLIN };
		if (timeout >= 0 && timeout < wait)
			wait = timeout;
	}
	poll(fds, CLIENTS, wait);
	for (int i = 0; i < CLIENTS; i++)
		zk_dispatch(zks[i]);
}

static time_t
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void
settle(void)
{
	time_t deadline = seconds() + PATIENCE_S;
	int64_t until = agenda.now_us + PATIENCE_S * SECOND_US;

	while (!quiet(REAL)) {
		if (seconds() > deadline)
			fail("the real server does not answer");
		turn_real();
	}
	while (!quiet(SIMULATED))
		if (!agenda_step(&agenda) || agenda.now_us > until)
			fail("the simulated ensemble does not answer");
}

/* Nothing of what was done before can come after the answer to this. */
static void
barrier(void)
{
	struct raw_request raw = { .kind = REQ_EXISTS, .path = "/" };

	settle();
	for (int i = 0; i < CLIENTS; i++)
		send_both(i, NO_COOKIE, &raw);
	settle();
}

/* ---- comparison ---- */

static struct pair {
	int64_t zxid[SIDES];
} *pairs;
static int pair_count, pair_room;

/* Enters the pair where it belongs; false when it contradicts another one. */
static bool
pair_up(int64_t real, int64_t simulated)
{
	int low = 0, high = pair_count;

	if (real == 0 || simulated == 0)
		return real == simulated;
	while (low < high) {
		int middle = (low + high) / 2;

		if (pairs[middle].zxid[REAL] < real)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < pair_count && pairs[low].zxid[REAL] == real)
		return pairs[low].zxid[SIMULATED] == simulated;
	if ((low > 0 && pairs[low - 1].zxid[SIMULATED] >= simulated) ||
	    (low < pair_count && pairs[low].zxid[SIMULATED] <= simulated))
		return false;
	if (pair_count == pair_room) {
		pair_room = pair_room ? 2 * pair_room : 256;
		pairs = realloc(pairs, (size_t)pair_room * sizeof *pairs);
	}
	memmove(pairs + low + 1, pairs + low, (size_t)(pair_count - low) * sizeof *pairs);
	pairs[low].zxid[REAL] = real;
	pairs[low].zxid[SIMULATED] = simulated;
	pair_count++;
	return true;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

static bool
same(const struct line *real, const struct line *simulated)
{
	if (strcmp(real->text, simulated->text) != 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (!pair_up(real->zxids[i], simulated->zxids[i]))
			return false;
	return true;
}

static void __attribute__((noreturn))
show_difference(int index, int at)
{
	for (int i = 0; i < CLIENTS; i++)
		for (int k = 0; k < BURST_MAX && asked[i][k]; k++)
			fprintf(stderr, "client %d asked %d: %s\n", i + 1, k, asked[i][k]);
	for (int side = 0; side < SIDES; side++)
		for (int i = 0; i < told[side][index].count; i++) {
			const struct line *line = &told[side][index].lines[i];

			fprintf(stderr, "%s %-9s %s (%llx %llx %llx)\n", i == at ? ">" : " ", side_name[side], line->text,
			    (unsigned long long)line->zxids[0], (unsigned long long)line->zxids[1],
			    (unsigned long long)line->zxids[2]);
		}
	fail("client %d was told different things", index + 1);
}

static void
forget(struct told *which)
{
	for (int i = 0; i < which->count; i++)
		free(which->lines[i].text);
	which->count = 0;
}

/* any_order: an ending session deletes its ephemerals in no particular order. */
static void
compare(bool any_order)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct told *real = &told[REAL][i], *simulated = &told[SIMULATED][i];

		if (any_order) {
			qsort(real->lines, (size_t)real->count, sizeof real->lines[0], by_text);
			qsort(simulated->lines, (size_t)simulated->count, sizeof real->lines[0], by_text);
		}
		for (int at = 0; at < real->count || at < simulated->count; at++)
			if (at >= real->count || at >= simulated->count || !same(&real->lines[at], &simulated->lines[at]))
				show_difference(i, at);
		forget(real);
		forget(simulated);
	}
}

/* ---- random requests ---- */

static bool
chance(unsigned percent)
{
	return rng_below(&rng, 100) < percent;
}

/* A path in a small tree, so that requests meet. */
static const char *
random_path(void)
{
	static const char *const tops[] = { "/m", "/m/a", "/m/b", "/m/c" }, *const parts[] = { "a", "b", "c" };

	if (recent_count && chance(25)) {
		const char *path = recent[rng_below(&rng, (uint64_t)(recent_count < RECENT_MAX ? recent_count : RECENT_MAX))];

		return chance(80) ? arena_string(&arena, path) : arena_printf(&arena, "%s/a", path);
	}
	const char *path = tops[rng_below(&rng, 4)];
	for (int depth = 0; depth < 2 && chance(40); depth++)
		path = arena_printf(&arena, "%s/%s", path, parts[rng_below(&rng, 3)]);
	return path;
}

static int32_t
random_version(void)
{
	return chance(50) ? ANY_VERSION : (int32_t)rng_below(&rng, 3);
}

static void
random_data(struct raw_op *op)
{
	op->len = rng_below(&rng, 4) * rng_below(&rng, 10);
	op->data = op->len ? arena_printf(&arena, "%0*d", (int)op->len, (int)rng_below(&rng, 10)) : NULL;
}

static void
random_op(struct raw_op *op)
{
	unsigned kind = (unsigned)rng_below(&rng, 10);

	*op = (struct raw_op){ .path = random_path(), .version = random_version() };
	if (kind < 4) {
		op->kind = OP_CREATE;
		op->flags = (chance(30) ? CREATE_EPHEMERAL : 0) | (chance(30) ? CREATE_SEQUENCE : 0);
		if (op->flags & CREATE_SEQUENCE)
			op->path = arena_printf(&arena, "%s%s", op->path, chance(50) ? "/s-" : "-");
		random_data(op);
	} else if (kind < 6) {
		op->kind = OP_SET;
		random_data(op);
	} else if (kind < 8) {
		op->kind = OP_DELETE;
	} else {
		op->kind = OP_CHECK;
	}
}

static void
random_request(struct raw_request *raw)
{
	unsigned kind = (unsigned)rng_below(&rng, 20);

	*raw = (struct raw_request){ .path = random_path(), .watch = chance(40) };
	if (kind < 10) {
		raw->kind = REQ_MULTI;
		raw->op_count = chance(50) ? 1 : 1 + (int)rng_below(&rng, OPS_MAX);
		raw->ops = arena_alloc(&arena, OPS_MAX * sizeof *raw->ops);
		for (int i = 0; i < raw->op_count; i++)
			random_op(&raw->ops[i]);
	} else {
		raw->kind = kind < 13 ? REQ_GET : kind < 16 ? REQ_LIST : kind < 19 ? REQ_EXISTS : REQ_SYNC;
	}
}

static char *
describe(const struct raw_request *raw)
{
	static const char *const kinds[] = { "multi", "get", "list", "exists", "sync" };
	static const char *const ops[] = { "check", "create", "set", "delete" };
	char *text = arena_printf(&arena, "%s %s%s", kinds[raw->kind], raw->kind == REQ_MULTI ? "" : raw->path,
	    raw->watch && raw->kind != REQ_MULTI ? " watch" : "");

	for (int i = 0; raw->kind == REQ_MULTI && i < raw->op_count; i++)
		text = arena_printf(&arena, "%s [%s %s flags %d version %d len %zu]", text, ops[raw->ops[i].kind],
		    raw->ops[i].path, raw->ops[i].flags, raw->ops[i].version, raw->ops[i].len);
	return text;
}

static void
burst(int index)
{
	int count = 1 + (int)rng_below(&rng, chance(30) ? BURST_MAX : 2);

	for (int i = 0; i < count; i++) {
		struct raw_request raw;

		random_request(&raw);
		asked[index][i] = describe(&raw);
		send_both(index, (uint64_t)i, &raw);
	}
}

static void
one_round(void)
{
	int index = (int)rng_below(&rng, CLIENTS);
	bool ends = chance(2);

	arena_reset(&arena);
	memset(asked, 0, sizeof asked);
	if (ends) {
		asked[index][0] = arena_string(&arena, "a new session");
		told[REAL][index].connected = told[SIMULATED][index].connected = false;
		zk_new_session(zks[index]);
		client_new_session(clients[index]);
		/* zk/ waits until the old session is closed, the simulated client does not. */
		agenda_run(&agenda, agenda.now_us + SECOND_US);
	} else {
		burst(index);
	}
	barrier();
	compare(ends);
}

/* Deletes of folders with children seldom succeed: now and then all starts again. */
static void
begin(void)
{
	struct raw_op op = { .kind = OP_CREATE, .path = "/m" };
	struct raw_request raw = { .kind = REQ_MULTI, .ops = &op, .op_count = 1 };

	send_both(0, 0, &raw);
	barrier();
	compare(false);
}

/* ---- */

static void
start(void)
{
	static const struct zk_callbacks real_callbacks = { real_reply, real_watch, real_state };
	static const struct client_callbacks callbacks = { simulated_reply, simulated_watch, simulated_state };
	struct ensemble_conf conf = { .servers = 1, .latency_us = 500, .commit_us = 1000, .tick_ms = TICK_MS,
		.reconnect_us = 1000, .drop_watch_ppm = drop_watch_ppm };

	server = server_start(TICK_MS);
	agenda_init(&agenda, seed);
	ensemble = ensemble_new(&conf, &agenda, NULL, NULL);
	for (int i = 0; i < CLIENTS; i++) {
		struct zk_conf zk_conf = { .hosts = server_hosts(server), .session_timeout_ms = SESSION_MS, .seed = seed };

		zks[i] = zk_new(&zk_conf, &real_callbacks, (void *)(intptr_t)i);
		clients[i] = client_new(ensemble, &callbacks, (void *)(intptr_t)i, SESSION_MS);
		if (!zks[i] || !clients[i])
			fail("out of memory");
	}
	settle();
}

static void
stop(void)
{
	for (int side = 0; side < SIDES; side++)
		for (int i = 0; i < CLIENTS; i++)
			forget(&told[side][i]);
	for (int i = 0; i < CLIENTS; i++)
		zk_free(zks[i]);
	ensemble_free(ensemble);
	agenda_free(&agenda);
	server_free(server);
	for (int i = 0; i < RECENT_MAX; i++)
		free(recent[i]);
	free(pairs);
	arena_free(&arena);
}

int
main(int argc, char **argv)
{
	int rounds = 1500;

	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		return 1;
	seed %= 1000000000;
	for (int option; (option = getopt(argc, argv, "s:n:d:")) != -1; )
		if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			rounds = atoi(optarg);
		else if (option == 'd')
			drop_watch_ppm = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return 2;
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	rng_seed(&rng, seed);
	start();
	begin();
	for (round_number = 1; round_number <= rounds; round_number++) {
		if (round_number % 100 == 0)
			begin();
		one_round();
	}
	stop();
	printf("%d rounds, the same\n", rounds);
	return 0;
}
