/*
 * facts.c: what the answers to four-letter words say. Foreign text: whatever does not look right is left UNKNOWN.
 */
#include "lib/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rest of the line that begins with key, or NULL. */
static const char *
line_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, key, len) == 0)
			return text + len;
	return NULL;
}

static int64_t
number_of(const char *text, const char *key)
{
	const char *value = line_of(text, key);
	char *end;

	if (!value)
		return UNKNOWN;
	long long number = strtoll(value, &end, 10);
	return end == value || number < 0 ? UNKNOWN : number;
}

/* "3.8.0-..., built on ..." */
static void
read_version(struct fact_server *server, const char *text)
{
	int parts[3];

	if (text && sscanf(text, "%5d.%5d.%5d", &parts[0], &parts[1], &parts[2]) == 3)
		memcpy(server->version, parts, sizeof parts);
}

void
facts_read_srvr(struct fact_server *server, const char *text, struct arena *arena)
{
	const char *latency = line_of(text, "Latency min/avg/max: "), *mode = line_of(text, "Mode: ");

	server->idle = strstr(text, "not currently serving requests") != NULL;
	read_version(server, line_of(text, "Zookeeper version: "));
	if (latency && (latency = strchr(latency, '/')))
		server->latency_avg_ms = strtod(latency + 1, NULL);
	server->outstanding = number_of(text, "Outstanding: ");
	server->znodes = number_of(text, "Node count: ");
	if (mode)
		server->mode = arena_printf(arena, "%.*s", (int)strcspn(mode, "\r\n"), mode);
}

void
facts_read_conf(struct fact_server *server, const char *text)
{
	server->tick_ms = number_of(text, "tickTime=");
	server->sync_limit = number_of(text, "syncLimit=");
	server->max_connections = number_of(text, "maxClientCnxns=");
	server->max_session_ms = number_of(text, "maxSessionTimeout=");
}

void
facts_read_mntr(struct fact_server *server, const char *text)
{
	server->data_bytes = number_of(text, "zk_approximate_data_size\t");
	server->slow_syncs = number_of(text, "zk_fsync_threshold_exceed_count\t");
	server->open_files = number_of(text, "zk_open_file_descriptor_count\t");
	server->max_files = number_of(text, "zk_max_file_descriptor_count\t");
}
