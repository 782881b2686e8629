#include "config.h"

#include "daemon/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Before the checks and the metrics. The log's settings come along, so that they change in every process at once. */
struct header {
	size_t checks_len;
	enum log_level level;
	enum log_format format;
	bool unready;
};

void
snapshot_check(struct snapshot *snapshot, const char *name, bool ok, const char *reason)
{
	size_t len = strlen(snapshot->checks);

	snprintf(snapshot->checks + len, sizeof snapshot->checks - len, "[%c]%s %s\n", ok ? '+' : '-', name,
	    ok ? "ok" : reason);
	snapshot->unready = snapshot->unready || !ok;
}

char *
snapshot_encode(const struct snapshot *snapshot, size_t *len)
{
	struct header header;
	size_t metrics_len = snapshot->metrics.failed ? 0 : snapshot->metrics.len;

	memset(&header, 0, sizeof header);
	header.checks_len = strlen(snapshot->checks);
	header.level = log_get_level();
	header.format = log_get_format();
	header.unready = snapshot->unready;
	*len = sizeof header + header.checks_len + metrics_len;
	char *data = malloc(*len);
	if (!data)
		return NULL;
	memcpy(data, &header, sizeof header);
	memcpy(data + sizeof header, snapshot->checks, header.checks_len);
	if (metrics_len)
		memcpy(data + sizeof header + header.checks_len, snapshot->metrics.text, metrics_len);
	return data;
}

bool
snapshot_decode(struct snapshot *snapshot, const char *data, size_t len)
{
	struct header header;

	memset(snapshot, 0, sizeof *snapshot);
	if (len < sizeof header)
		return false;
	memcpy(&header, data, sizeof header);
	data += sizeof header;
	len -= sizeof header;
	if (header.checks_len > len || header.checks_len >= sizeof snapshot->checks)
		return false;
	memcpy(snapshot->checks, data, header.checks_len);
	snapshot->unready = header.unready;
	metrics_text(&snapshot->metrics, data + header.checks_len, len - header.checks_len);
	if (snapshot->metrics.failed) {
		snapshot_free(snapshot);
		return false;
	}
	log_set_level(header.level);
	log_set_format(header.format);
	return true;
}

void
snapshot_free(struct snapshot *snapshot)
{
	metrics_free(&snapshot->metrics);
	memset(snapshot, 0, sizeof *snapshot);
}
