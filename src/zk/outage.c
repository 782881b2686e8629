#include "zk/outage.h"

#include <stdio.h>
#include <string.h>

void
outage_begin(struct outage *outage, int64_t now_ms)
{
	memset(outage, 0, sizeof *outage);
	outage->since_ms = now_ms;
	outage->due_ms = now_ms + OUTAGE_FIRST_MS;
}

bool
outage_state(struct outage *outage, enum zk_state state, const char *detail, int64_t now_ms, char *line, size_t size)
{
	if (state != ZK_CONNECTED) {
		if (outage->connected)
			outage_begin(outage, now_ms);
		if (detail)
			snprintf(outage->detail, sizeof outage->detail, "%s", detail);
		return false;
	}
	bool news = outage->said;
	if (news)
		snprintf(line, size, "ZooKeeper: connected after %lld s", (long long)(now_ms - outage->since_ms) / 1000);
	outage->connected = true;
	outage->said = false;
	outage->detail[0] = '\0';
	return news;
}

bool
outage_due(struct outage *outage, const char *hosts, int64_t now_ms, char *line, size_t size)
{
	if (outage->connected || now_ms < outage->due_ms)
		return false;
	snprintf(line, size, "ZooKeeper: cannot be reached at %s for %lld s%s%s; trying on", hosts,
	    (long long)(now_ms - outage->since_ms) / 1000, outage->detail[0] ? ": " : "", outage->detail);
	outage->said = true;
	outage->due_ms = now_ms + OUTAGE_AGAIN_MS;
	return true;
}

int64_t
outage_wait_ms(const struct outage *outage, int64_t now_ms)
{
	if (outage->connected)
		return -1;
	return outage->due_ms > now_ms ? outage->due_ms - now_ms : 0;
}
