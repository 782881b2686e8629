#include "codec/wire.h"

#include <string.h>

#include "codec/json.h"
#include "codec/path.h"

/* What an op takes in a request beside path and data, rounded up: its header, four lengths, version or
 * flags, and an ACL of two entries. */
#define OP_OVERHEAD 100

/* ---- requests ---- */

static enum rc
copy_path(struct arena *arena, const char *root, const struct node *node, bool sequence, const char **path)
{
	char buffer[PATH_BUFFER];
	int len = path_write(root, node, sequence, buffer, sizeof buffer);

	if (len < 0)
		return RC_INVALID;
	*path = arena_copy(arena, buffer, (size_t)len);
	return *path ? RC_OK : RC_NOMEM;
}

static enum rc
raw_op(struct arena *arena, const char *root, const struct op *op, struct raw_op *raw)
{
	bool sequence = op->kind == OP_CREATE && (op->flags & CREATE_SEQUENCE);
	enum rc rc = copy_path(arena, root, &op->node, sequence, &raw->path);

	if (rc != RC_OK)
		return rc;
	raw->kind = op->kind;
	raw->version = op->version;
	if (op->kind != OP_CREATE && op->kind != OP_SET)
		return RC_OK;
	if (op->kind == OP_CREATE) {
		raw->flags = op->flags;
		raw->acl = op->node.kind;
	}
	raw->data = record_encode(arena, &op->record, &raw->len);
	return raw->data ? RC_OK : RC_NOMEM;
}

static enum rc
raw_multi(struct arena *arena, const char *root, const struct request *request, struct raw_request *raw)
{
	size_t bytes = OP_OVERHEAD;

	if (request->op_count <= 0)
		return RC_INVALID;
	raw->ops = arena_alloc(arena, (size_t)request->op_count * sizeof *raw->ops);
	if (!raw->ops)
		return RC_NOMEM;
	raw->op_count = request->op_count;
	for (int i = 0; i < request->op_count; i++) {
		enum rc rc = raw_op(arena, root, &request->ops[i], &raw->ops[i]);

		if (rc != RC_OK)
			return rc;
		bytes += strlen(raw->ops[i].path) + raw->ops[i].len + OP_OVERHEAD;
		if (bytes > REQUEST_BYTES_MAX)
			return RC_INVALID;
	}
	return RC_OK;
}

enum rc
wire_request(struct arena *arena, const char *root, const struct request *request, struct raw_request *raw)
{
	memset(raw, 0, sizeof *raw);
	raw->kind = request->kind;
	if (request->kind == REQ_MULTI)
		return raw_multi(arena, root, request, raw);
	raw->watch = request->watch;
	return copy_path(arena, root, &request->node, false, &raw->path);
}

void
wire_pending(const struct request *request, int64_t now_ms, struct wire_pending *pending)
{
	*pending = (struct wire_pending){
		.kind = request->kind,
		.record_kind = request->record_kind,
		.tag = request->tag,
		.arg = request->arg,
		.node = request->node,
		.sent_ms = now_ms,
	};
}

/* ---- replies ---- */

/* Whether the record says of itself what its place says of it: anyone may write anything anywhere. */
static bool
fits_place(const struct node *node, const struct record *record)
{
	if (record->kind == REC_RESULT && (node->kind == NODE_RESULT || node->kind == NODE_DEAD))
		return strcmp(record->result.queue, node->queue) == 0 && record->result.seg == node->seg &&
		    strcmp(record->result.token, node->task.token) == 0;
	return true;
}

/* Fields that come from the znode, not from its data. */
static void
add_outside(const struct node *node, const struct stat *stat, struct record *record)
{
	if (record->kind == REC_CLASS)
		record->class.hash_matches = record->class.hash == node->hash;
	else if (record->kind == REC_RESULT)
		record->result.ctime_ms = stat->ctime_ms;
	else if (record->kind == REC_STAMP)
		record->stamp.removing = record->stamp.removing || (stat->version >= 2 && !record->stamp.thinned);
}

static void
decode_data(struct arena *arena, const struct wire_pending *pending, const struct raw_reply *raw, struct reply *reply)
{
	const char *why;
	const char *data = raw->data ? raw->data : "";
	size_t len = raw->data ? raw->len : 0;

	reply->bad = !record_decode(arena, pending->record_kind, data, len, &reply->record, &why) ||
	    !fits_place(&pending->node, &reply->record);
	if (reply->bad)
		record_decode(arena, REC_BYTES, data, len, &reply->record, &why);
	else
		add_outside(&pending->node, &raw->stat, &reply->record);
}

static void
parse_children(struct arena *arena, const struct wire_pending *pending, const struct raw_reply *raw,
    struct reply *reply)
{
	struct node *children = arena_alloc(arena, (size_t)(raw->child_count ? raw->child_count : 1) * sizeof *children);

	if (!children)
		return;
	for (int i = 0; i < raw->child_count; i++) {
		name_parse(&pending->node, raw->children[i], &children[i]);
		if (children[i].text)
			children[i].text = arena_string(arena, children[i].text);
	}
	reply->children = children;
	reply->child_count = raw->child_count;
}

static void
parse_results(struct arena *arena, const char *root, const struct raw_reply *raw, struct reply *reply)
{
	reply->failed_op = raw->failed_op;
	if (!raw->results)
		return;
	struct op_result *results = arena_alloc(arena,
	    (size_t)(raw->result_count ? raw->result_count : 1) * sizeof *results);
	if (!results)
		return;
	for (int i = 0; i < raw->result_count; i++) {
		results[i].rc = raw->results[i].rc;
		const char *created = arena_string(arena, raw->results[i].created);
		if (created && !path_parse(root, created, &results[i].created))
			results[i].created = (struct node){ .kind = NODE_STRANGER };
	}
	reply->results = results;
	reply->result_count = raw->result_count;
}

void
wire_reply(struct arena *arena, const char *root, const struct wire_pending *pending, const struct raw_reply *raw,
    int64_t now_ms, struct reply *reply)
{
	memset(reply, 0, sizeof *reply);
	reply->tag = pending->tag;
	reply->arg = pending->arg;
	reply->kind = pending->kind;
	reply->rc = raw->rc;
	reply->node = pending->node;
	reply->failed_op = -1;
	reply->sent_ms = pending->sent_ms;
	reply->took_ms = now_ms - pending->sent_ms;
	if (pending->kind == REQ_MULTI)
		parse_results(arena, root, raw, reply);
	else if (raw->rc == RC_OK)
		reply->stat = raw->stat;
	if (pending->kind == REQ_GET && raw->rc == RC_OK)
		decode_data(arena, pending, raw, reply);
	else if (pending->kind == REQ_LIST && raw->rc == RC_OK)
		parse_children(arena, pending, raw, reply);
	if (arena->failed)
		reply->rc = RC_NOMEM;
}
