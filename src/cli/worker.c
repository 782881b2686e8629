/* zkq worker list: workers, their slots and load. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/info.h"
#include "cli/listing.h"

static const struct table_column columns[] = {
	{ .title = "WORKER", .field = "name" }, { .title = "STATE", .field = "state" },
	{ .title = "SLOTS", .field = "slots", .right = true }, { .title = "CLAIMS", .field = "claims", .right = true },
	{ .title = "LOAD", .field = "load", .right = true }, { .title = "MEM", .field = "mem", .right = true },
	{ .title = "DISK FREE", .field = "disk", .right = true }, { .title = "REPORTED", .field = "reported", .right = true },
	{ .title = "AGE", .field = "age", .right = true }, { .title = "VERSION", .field = "version" },
	{ .title = "HOST", .field = "host" }, { .title = "QUEUES", .field = "queues" }, { .title = "NOTE", .field = "note" },
	{ .title = "LOG", .field = "log", .extra = true },
};

#define COLUMNS ((int)(sizeof columns / sizeof columns[0]))

static struct listing listing;

static void
add_json(struct jsonout *json, const struct zkq_worker_info *info)
{
	jsonout_object(json, NULL);
	jsonout_string(json, "name", info->name);
	jsonout_string(json, "state", info->state);
	jsonout_number(json, "slots", info->slots);
	jsonout_number(json, "running", info->running);
	jsonout_number(json, "claims", info->claims);
	if (info->host)
		jsonout_string(json, "host", info->host);
	if (info->version)
		jsonout_string(json, "version", info->version);
	if (info->log)
		jsonout_string(json, "log", info->log);
	if (info->queues)
		jsonout_string(json, "queues", info->queues);
	if (info->load1 >= 0)
		jsonout_real(json, "load1", info->load1);
	if (info->mem_total_bytes)
		jsonout_number(json, "mem_total_bytes", (int64_t)info->mem_total_bytes);
	if (info->mem_total_bytes)
		jsonout_number(json, "mem_free_bytes", (int64_t)info->mem_free_bytes);
	if (info->disk_free_bytes)
		jsonout_number(json, "disk_free_bytes", (int64_t)info->disk_free_bytes);
	if (info->reported_ms >= 0)
		jsonout_seconds(json, "reported_seconds", info->reported_ms);
	if (info->since_ms > 0)
		jsonout_time(json, "since", info->since_ms);
	if (info->lost_after_ms > 0)
		jsonout_seconds(json, "lost_after_seconds", info->lost_after_ms);
	jsonout_end(json);
}

/* Why it takes nothing. */
static void
note_of(const struct zkq_worker_info *info, char *note, size_t size)
{
	char after[DURATION_SIZE];

	note[0] = '\0';
	if (strcmp(info->state, "draining") == 0)
		snprintf(note, size, "takes no new tasks");
	else if (strcmp(info->state, "lost") == 0 && info->claims && info->lost_after_ms)
		snprintf(note, size, "session gone; its %d claim%s to others after %s", info->claims, info->claims == 1 ? " goes" :
		    "s go", duration_short(info->lost_after_ms, after));
	else if (strcmp(info->state, "lost") == 0)
		snprintf(note, size, "session gone");
}

static void
add(void *context, const struct zkq_worker_info *info)
{
	char slots[32], claims[16], load[32], memory[16], disk[SIZE_TEXT], reported[DURATION_SIZE], age[DURATION_SIZE];
	char note[160];
	bool lost = strcmp(info->state, "lost") == 0;
	int64_t age_ms = cli_wall() - info->since_ms;

	(void)context;
	if (settings.json) {
		add_json(&listing.json, info);
		return;
	}
	snprintf(slots, sizeof slots, "%d/%d", info->running, info->slots);
	snprintf(claims, sizeof claims, "%d", info->claims);
	snprintf(load, sizeof load, "%.1f", info->load1);
	if (info->mem_total_bytes)
		snprintf(memory, sizeof memory, "%.0f%%",
		    100.0 - 100.0 * (double)info->mem_free_bytes / (double)info->mem_total_bytes);
	note_of(info, note, sizeof note);
	table_row(listing.table, (const char *[COLUMNS]){ info->name, info->state, lost ? NULL : slots, claims,
	    info->load1 < 0 || lost ? NULL : load, info->mem_total_bytes && !lost ? memory : NULL,
	    info->disk_free_bytes && !lost ? size_short(info->disk_free_bytes, disk) : NULL,
	    info->reported_ms < 0 ? NULL : duration_short(info->reported_ms < 1000 ? 0 : info->reported_ms, reported),
	    info->since_ms > 0 ? duration_short(age_ms < 1000 ? 0 : age_ms, age) : NULL, info->version, info->host,
	    info->queues, note, info->log });
	table_color(listing.table, 1, lost ? 31 : strcmp(info->state, "up") == 0 ? 32 : 33);
}

static int
list(int argc, char **argv)
{
	char daemon[CLI_DAEMON_OPTIONS];
	struct zkq *handle;

	if (argc > 0)
		return cli_usage("'%s': no operand is taken", argv[0]);
	int code = listing_begin(&listing, "zkq.worker.list/1", columns, COLUMNS);
	if (code)
		return code;
	code = cli_open(&handle, true);
	if (code) {
		listing_end(&listing, false);
		return code;
	}
	int error = zkq_workers_wait(handle, cli_left(), add, NULL);
	bool none = error == ZKQ_OK && !settings.json && !table_rows(listing.table);
	listing_rows(&listing, error == ZKQ_OK);
	listing_end(&listing, error == ZKQ_OK);
	if (none && !settings.quiet)
		cli_say("no workers yet; on a worker's host: zkq-worker %s", cli_daemon_options(daemon));
	code = error == ZKQ_OK ? EXIT_OK : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	return code;
}

const struct command command_worker_list = {
	.name = "worker list",
	.program = "zkq worker",
	.about = "list workers: state, slots, load and how old it is",
	.usage = "zkq worker list [OPTIONS]",
	.manual = "zkq(1)",
	.anywhere = true,
	.reads = true,
	.run = list,
};
