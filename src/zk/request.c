#include "zk/request.h"

#include <stdlib.h>
#include <string.h>

#include "codec/path.h"

#define OVERHEAD 100	/* headers and lengths of a request; the same of an op, with its ACL */

static size_t
op_bytes(const struct raw_op *op)
{
	if (!op->path || !path_ok(op->path) || (op->len && !op->data))
		return 0;
	if (op->len > REQUEST_BYTES_MAX)
		return 0;
	return OVERHEAD + strlen(op->path) + op->len;
}

size_t
request_bytes(const struct raw_request *raw)
{
	size_t bytes = OVERHEAD;

	if (raw->kind != REQ_MULTI)
		return raw->path && path_ok(raw->path) && strlen(raw->path) < REQUEST_BYTES_MAX - OVERHEAD ?
		    bytes + strlen(raw->path) : 0;
	if (raw->op_count <= 0)
		return 0;
	for (int i = 0; i < raw->op_count; i++) {
		size_t more = op_bytes(&raw->ops[i]);

		bytes += more;
		if (more == 0 || bytes > REQUEST_BYTES_MAX)
			return 0;
	}
	return bytes;
}

/* Copies to *at, which moves on. */
static const char *
put(char **at, const char *data, size_t len)
{
	char *to = *at;

	if (len)
		memcpy(to, data, len);
	to[len] = '\0';
	*at += len + 1;
	return to;
}

struct raw_request *
request_copy(const struct raw_request *raw)
{
	size_t count = raw->kind == REQ_MULTI ? (size_t)raw->op_count : 0;
	size_t text = raw->kind == REQ_MULTI ? 0 : strlen(raw->path) + 1;

	for (size_t i = 0; i < count; i++)
		text += strlen(raw->ops[i].path) + 1 + raw->ops[i].len + 1;
	struct raw_request *copy = malloc(sizeof *copy + count * sizeof *copy->ops + text);
	if (!copy)
		return NULL;
	struct raw_op *ops = (struct raw_op *)(copy + 1);
	char *at = (char *)(ops + count);
	*copy = *raw;
	if (raw->kind != REQ_MULTI) {
		copy->path = put(&at, raw->path, strlen(raw->path));
		return copy;
	}
	copy->ops = ops;
	for (size_t i = 0; i < count; i++) {
		ops[i] = raw->ops[i];
		ops[i].path = put(&at, raw->ops[i].path, strlen(raw->ops[i].path));
		ops[i].data = put(&at, raw->ops[i].data, raw->ops[i].len);
	}
	return copy;
}
