#include "core/node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void
put(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	assert(len < size);
	memcpy(to, from, len + 1);
}

#define PUT(array, string) put(array, sizeof(array), string)

struct node
node_plain(enum node_kind kind)
{
	return (struct node){ .kind = kind };
}

struct node
node_of_worker(enum node_kind kind, const char *worker)
{
	struct node node = { .kind = kind };

	PUT(node.worker, worker);
	return node;
}

struct node
node_folder(const char *worker, const char *inc)
{
	struct node node = node_of_worker(NODE_FOLDER, worker);

	PUT(node.inc, inc);
	return node;
}

struct node
node_live(const char *worker, const char *inc, uint32_t r)
{
	struct node node = node_folder(worker, inc);

	node.kind = NODE_LIVE;
	node.r = r;
	return node;
}

struct node
node_order(const char *worker, const char *inc, uint64_t n, enum verb verb)
{
	struct node node = node_folder(worker, inc);

	node.kind = NODE_ORDER;
	node.n = n;
	node.verb = verb;
	return node;
}

struct node
node_claim(const char *worker, const char *inc, uint64_t n, const char *queue, uint32_t seg,
    const struct task_name *task, uint32_t run, struct fence fence)
{
	struct node node = node_folder(worker, inc);

	node.kind = NODE_CLAIM;
	node.n = n;
	PUT(node.queue, queue);
	node.seg = seg;
	node.task = *task;
	node.run = run;
	node.fence = fence;
	return node;
}

struct node
node_of_queue(enum node_kind kind, const char *queue)
{
	struct node node = { .kind = kind };

	PUT(node.queue, queue);
	return node;
}

struct node
node_of_segment(enum node_kind kind, const char *queue, uint32_t seg)
{
	struct node node = node_of_queue(kind, queue);

	node.seg = seg;
	return node;
}

struct node
node_task(const char *queue, uint32_t seg, const struct task_name *task)
{
	struct node node = node_of_segment(NODE_TASK, queue, seg);

	node.task = *task;
	return node;
}

struct node
node_of_token(enum node_kind kind, const char *queue, uint32_t seg, const char *token)
{
	struct node node = node_of_segment(kind, queue, seg);

	PUT(node.task.token, token);
	return node;
}

struct node
node_batch(const char *queue, uint32_t seg, const char *batch)
{
	struct node node = node_of_segment(NODE_BATCH, queue, seg);

	PUT(node.batch, batch);
	return node;
}

struct node
node_of_hash(enum node_kind kind, const char *queue, uint64_t hash)
{
	struct node node = node_of_queue(kind, queue);

	node.hash = hash;
	return node;
}

struct node
node_of_text(enum node_kind kind, const char *queue, uint32_t seg, const char *text)
{
	struct node node = node_of_segment(kind, queue, seg);

	node.text = text;
	return node;
}

uint32_t
node_shard_of(const char *inbox_name)
{
	size_t len = strlen(inbox_name);

	if (len < 10)
		return SHARD_OTHER;
	const char *digits = inbox_name + len - 10;
	if (strspn(digits, "0123456789") != 10)
		return SHARD_OTHER;
	return (uint32_t)(strtoull(digits, NULL, 10) / SHARD_SIZE);
}

bool
token_is_batch(const char *token, char *batch, uint32_t *index)
{
	size_t len = strlen(token);

	if (len < TOKEN_LEN + 2 || len > TOKEN_MAX || token[TOKEN_LEN] != 'x' ||
	    strspn(token + TOKEN_LEN + 1, "0123456789") != len - TOKEN_LEN - 1)
		return false;
	if (batch) {
		memcpy(batch, token, TOKEN_LEN);
		batch[TOKEN_LEN] = '\0';
	}
	if (index)
		*index = (uint32_t)strtoul(token + TOKEN_LEN + 1, NULL, 10);
	return true;
}

int
task_order(uint32_t seg_a, const struct task_name *a, uint32_t seg_b, const struct task_name *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	if (seg_a != seg_b)
		return seg_a < seg_b ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return 0;
}
