/* zkq worker list: workers, their slots and load. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/exits.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/info.h"

static const struct table_column columns[] = {
	{ .title = "WORKER" }, { .title = "STATE" }, { .title = "SLOTS", .right = true }, { .title = "CLAIMS", .right = true },
	{ .title = "LOAD", .right = true }, { .title = "MEM", .right = true }, { .title = "DISK FREE", .right = true },
	{ .title = "SEEN", .right = true }, { .title = "VERSION" }, { .title = "HOST" }, { .title = "QUEUES" },
};

#define COLUMNS ((int)(sizeof columns / sizeof columns[0]))

static struct table *table;
static struct jsonout json;

static void
add_json(const struct zkq_worker_info *info)
{
	jsonout_object(&json, NULL);
	jsonout_string(&json, "name", info->name);
	jsonout_string(&json, "state", info->state);
	jsonout_number(&json, "slots", info->slots);
	jsonout_number(&json, "running", info->running);
	jsonout_number(&json, "claims", info->claims);
	if (info->host)
		jsonout_string(&json, "host", info->host);
	if (info->version)
		jsonout_string(&json, "version", info->version);
	if (info->log)
		jsonout_string(&json, "log", info->log);
	if (info->queues)
		jsonout_string(&json, "queues", info->queues);
	if (info->load1 >= 0)
		jsonout_real(&json, "load1", info->load1);
	if (info->mem_total_bytes)
		jsonout_number(&json, "mem_total_bytes", (int64_t)info->mem_total_bytes);
	if (info->mem_total_bytes)
		jsonout_number(&json, "mem_free_bytes", (int64_t)info->mem_free_bytes);
	if (info->disk_free_bytes)
		jsonout_number(&json, "disk_free_bytes", (int64_t)info->disk_free_bytes);
	if (info->seen_ms >= 0)
		jsonout_seconds(&json, "seen_seconds", info->seen_ms);
	jsonout_end(&json);
}

static void
add(void *context, const struct zkq_worker_info *info)
{
	char slots[32], claims[16], load[32], memory[16], disk[SIZE_TEXT], seen[DURATION_SIZE];
	bool lost = strcmp(info->state, "lost") == 0;

	(void)context;
	if (settings.json) {
		add_json(info);
		return;
	}
	snprintf(slots, sizeof slots, "%d/%d", info->running, info->slots);
	snprintf(claims, sizeof claims, "%d", info->claims);
	snprintf(load, sizeof load, "%.1f", info->load1);
	if (info->mem_total_bytes)
		snprintf(memory, sizeof memory, "%.0f%%",
		    100.0 - 100.0 * (double)info->mem_free_bytes / (double)info->mem_total_bytes);
	table_row(table, (const char *[]){ info->name, info->state, lost ? NULL : slots, claims,
	    info->load1 < 0 || lost ? NULL : load, info->mem_total_bytes && !lost ? memory : NULL,
	    info->disk_free_bytes && !lost ? size_short(info->disk_free_bytes, disk) : NULL,
	    info->seen_ms < 0 ? NULL : duration_short(info->seen_ms < 1000 ? 0 : info->seen_ms, seen), info->version,
	    info->host, info->queues });
	table_color(table, 1, lost ? 31 : strcmp(info->state, "up") == 0 ? 32 : 33);
}

static int
list(int argc, char **argv)
{
	struct zkq *handle;

	if (argc > 0)
		return cli_usage("'%s': no operand is taken", argv[0]);
	int code = cli_open(&handle, true);
	if (code)
		return code;
	table = table_new(columns, COLUMNS);
	if (settings.json)
		info_json_begin(&json, "zkq.worker.list/1");
	int error = zkq_workers_wait(handle, cli_left(), add, NULL);
	if (settings.json) {
		jsonout_end(&json);
		info_json_finish(&json, error == ZKQ_OK);
	} else if (error == ZKQ_OK && table_rows(table)) {
		info_print(table);
	} else if (error == ZKQ_OK && !settings.quiet) {
		cli_say("no workers yet; on a worker's host: zkq-worker --zk %s", settings.zk);
	}
	code = error == ZKQ_OK ? EXIT_OK : cli_fail_error(error, NULL, NULL);
	zkq_close(handle);
	table_free(table);
	return code;
}

const struct command command_worker_list = {
	.name = "worker list",
	.program = "zkq worker",
	.about = "list workers: state, slots, load, when last seen",
	.usage = "zkq worker list [OPTIONS]",
	.manual = "zkq(1)",
	.anywhere = true,
	.reads = true,
	.run = list,
};
