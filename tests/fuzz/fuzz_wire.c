/* ZooKeeper's answers, of which strangers write names and data. The first three letters choose the kinds of the request, of
 * the record and of the node; lines are names, or paths that were created; for a GET the rest is the data. */
#include <string.h>

#include "codec/path.h"
#include "codec/wire.h"
#include "fuzz.h"

#define LINES_MAX 64

static struct node
some_node(unsigned kind)
{
	return (struct node){ .kind = (enum node_kind)(kind % NODE_KINDS), .queue = "q", .worker = "w", .inc = "abcdefgh",
		.seg = 7, .text = "t", .hash = 9, .task = { .token = "k3v9q7xa2m4t" } };
}

static int
split(char *text, const char *lines[LINES_MAX])
{
	int count = 0;

	for (char *at = text; at && count < LINES_MAX; count++) {
		char *end = strchr(at, '\n');

		if (end)
			*end++ = '\0';
		lines[count] = at;
		at = end;
	}
	return count;
}

/* Each name comes back: as a node that is spelled so, or as a stranger's that has it. */
static void
check_list(const struct reply *reply, const struct raw_reply *raw, const struct node *folder)
{
	char parent[PATH_BUFFER], path[PATH_BUFFER];

	MUST(reply->child_count == raw->child_count && (reply->children || !raw->child_count));
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind == NODE_STRANGER) {
			MUST(child->text != raw->children[i] && strcmp(child->text, raw->children[i]) == 0);
		} else if (path_write("/zkq", folder, false, parent, sizeof parent) > 0) {
			MUST(path_write("/zkq", child, false, path, sizeof path) > 0);
			MUST(strcmp(path + strlen(parent) + 1, raw->children[i]) == 0);
		}
	}
}

static void
check_multi(const struct reply *reply, const struct raw_reply *raw)
{
	char path[PATH_BUFFER];

	MUST(reply->result_count == raw->result_count);
	for (int i = 0; i < reply->result_count; i++) {
		const struct node *created = &reply->results[i].created;

		if (created->kind != NODE_STRANGER && path_write("/zkq", created, false, path, sizeof path) > 0)
			MUST(strcmp(path, raw->results[i].created) == 0);
	}
}

static void
check_get(const struct reply *reply, const struct raw_reply *raw, const struct wire_pending *pending)
{
	if (reply->bad)
		MUST(reply->record.kind == REC_BYTES && reply->record.bytes.len == raw->len &&
		    memcmp(reply->record.bytes.data, raw->data, raw->len) == 0);
	else
		MUST(reply->record.kind == pending->record_kind);
	if (!reply->bad && reply->record.kind == REC_RESULT && pending->node.kind == NODE_RESULT)
		MUST(strcmp(reply->record.result.queue, "q") == 0 && reply->record.result.seg == 7);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum request_kind kinds[] = { REQ_GET, REQ_LIST, REQ_MULTI };
	const char *lines[LINES_MAX];
	struct raw_result results[LINES_MAX] = { { .rc = RC_OK } };
	struct arena arena = { 0 };
	struct reply reply;

	if (size < 3)
		return 0;
	char *text = fuzz_text(data + 3, size - 3), *copy = fuzz_text(data + 3, size - 3);
	int count = split(copy, lines);
	for (int i = 0; i < count; i++)
		results[i].created = lines[i];
	struct wire_pending pending = { .kind = kinds[data[0] % 3], .record_kind = (enum record_kind)(data[1] % REC_KINDS),
		.node = some_node(data[2]) };
	struct raw_reply raw = { .rc = RC_OK, .data = text, .len = size - 3, .children = lines, .child_count = count,
		.results = results, .result_count = count, .failed_op = -1, .stat = { .version = data[1] % 4, .ctime_ms = 5 } };
	wire_reply(&arena, "/zkq", &pending, &raw, 1, &reply);
	MUST(reply.rc == RC_OK && reply.kind == pending.kind);
	if (pending.kind == REQ_LIST)
		check_list(&reply, &raw, &pending.node);
	else if (pending.kind == REQ_MULTI)
		check_multi(&reply, &raw);
	else
		check_get(&reply, &raw, &pending);
	arena_free(&arena);
	free(copy);
	free(text);
	return 0;
}
