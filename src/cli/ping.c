/* zkq ping: whether the cluster answers and somebody leads. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "cli/cli.h"
#include "cli/info.h"

#define PAUSE_MS 200	/* between two looks while waiting: a leader is there within a second or not for long */

static int64_t wait_ms;
static bool waits;

static const struct option_row rows[] = {
	{ .name = "wait", .argument = "TIME", .bare = "5m", .kind = OPTION_TIME, .into = &wait_ms, .given = &waits,
	    .min = 1, .max = INT_MAX, .help = "wait until it is ready; TIME: 5m when not said" },
	{ 0 },
};

/* A task can be submitted, and somebody will give it to a worker. */
static bool
is_ready(const struct zkq_ping_info *info)
{
	return info->leader && info->queues > 0;
}

static void
print_json(const struct zkq_ping_info *info)
{
	struct jsonout json;

	info_json_line(&json, "zkq.ping/1");
	jsonout_bool(&json, "ready", is_ready(info));
	jsonout_string(&json, "server", info->server);
	jsonout_real(&json, "round_trip_ms", info->round_trip_ms);
	jsonout_seconds(&json, "session_timeout", info->session_timeout_ms);
	jsonout_bool(&json, "tree", info->tree != 0);
	jsonout_number(&json, "queues", info->queues);
	jsonout_number(&json, "candidates", info->candidates);
	jsonout_string(&json, "leader", info->leader);
	if (info->leader) {
		jsonout_string(&json, "leader_host", info->leader_host);
		jsonout_time(&json, "candidate_since", info->candidate_since_ms);
	}
	jsonout_end(&json);
}

static void
print(const struct zkq_ping_info *info)
{
	char session[DURATION_SIZE], age[DURATION_SIZE];
	int64_t since = cli_wall() - info->candidate_since_ms;

	printf("ZooKeeper %s: %.1f ms, session time-out %s\n", info->server ? info->server : settings.zk,
	    info->round_trip_ms, duration_exact(info->session_timeout_ms, session));
	if (!info->leader)
		return;
	fputs("leader ", stdout);
	terminal_write(stdout, info->leader, strlen(info->leader), false);
	if (info->leader_host) {
		fputs(" on ", stdout);
		terminal_write(stdout, info->leader_host, strlen(info->leader_host), false);
	}
	printf(", candidate since %s; %d dispatcher%s\n", duration_short(since > 0 ? since : 0, age), info->candidates,
	    info->candidates == 1 ? "" : "s");
}

/* What is missing, and what to do. */
static const char *
missing(const struct zkq_ping_info *info)
{
	return !info->tree ? "there is no zkq tree; a dispatcher makes it: zkq-dispatcher" :
	    !info->leader ? "no dispatcher leads; start one: zkq-dispatcher" :
	    "there is no queue yet; the leader makes the first one, zkq queue create others";
}

struct look {
	bool ready;
	bool last;		/* print what it is, good or not */
	const char *missing;
};

static void
take(void *context, const struct zkq_ping_info *info)
{
	struct look *look = context;

	look->ready = is_ready(info);
	look->missing = look->ready ? NULL : missing(info);
	if (!look->ready && !look->last)
		return;
	if (settings.json)
		print_json(info);
	else if (!settings.quiet)
		print(info);
}

static int
left(int64_t deadline)
{
	int64_t ms = deadline - cli_now();

	return ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (int)ms;
}

static int
fail_waited(const char *why)
{
	char time[DURATION_SIZE];

	return cli_fail_waited(NULL, "not ready within %s: %s", duration_exact(wait_ms, time), why);
}

/* Looks again and again; errors other than an outage end it. */
static int
wait_ready(struct zkq *handle)
{
	int64_t deadline = cli_now() + wait_ms;
	struct look look = { .missing = NULL };

	for (;;) {
		int error = zkq_connect_wait(handle, left(deadline));

		if (error == ZKQ_OK)
			error = zkq_ping_wait(handle, left(deadline), take, &look);
		if (error != ZKQ_OK && error != ZKQ_EUNREACHABLE && error != ZKQ_ETIMEOUT)
			return cli_fail_error(error, NULL, NULL);
		if (look.ready)
			return EXIT_OK;
		if (cli_now() >= deadline)
			return fail_waited(error == ZKQ_OK && look.missing ? look.missing : zkq_state_text(handle));
		for (int64_t pause = cli_now() + PAUSE_MS; cli_now() < pause; )
			cli_turn(handle, left(pause < deadline ? pause : deadline), -1);
	}
}

static int
look_once(struct zkq *handle)
{
	struct look look = { .last = true };
	int error = zkq_ping_wait(handle, cli_left(), take, &look);

	if (error != ZKQ_OK)
		return cli_fail_error(error, NULL, NULL);
	if (look.ready)
		return EXIT_OK;
	cli_say("not ready: %s", look.missing);
	return EXIT_UNAVAILABLE;
}

static int
ping(int argc, char **argv)
{
	struct zkq *handle;

	if (argc > 0)
		return cli_usage("'%s': no operand is taken", argv[0]);
	int code = cli_open(&handle, !waits);
	if (code)
		return code;
	code = waits ? wait_ready(handle) : look_once(handle);
	zkq_close(handle);
	return code;
}

const struct command command_ping = {
	.name = "ping",
	.program = "zkq-ping",
	.about = "does the cluster answer, does somebody lead",
	.usage = "zkq ping [--wait[=TIME]] [OPTIONS]",
	.manual = "zkq-ping(1)",
	.options = rows,
	.anywhere = true,
	.reads = true,
	.run = ping,
};
