/*
 * One table, a row for each kind of znode: whose child it is, and its name - a fixed word, or two functions of which one
 * writes it and one reads it. A name is read only in the spelling that would be written, so two names never mean one node.
 */
#include "codec/path.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/grammar.h"

static const char *const verb_words[VERBS] = {
	[VERB_KILL] = "kill",
	[VERB_WARN] = "warn",
	[VERB_RELEASE] = "release",
	[VERB_REQUEUE] = "requeue",
};

/* ---- writing a name ---- */

struct out {
	char *buffer;
	size_t size, len;
	bool sequence;	/* ZooKeeper will append the digits */
	bool bad;	/* too long, or a name breaks its grammar */
};

static void __attribute__((format(printf, 2, 3)))
out_add(struct out *out, const char *format, ...)
{
	va_list list;

	if (out->bad)
		return;
	va_start(list, format);
	int len = vsnprintf(out->buffer + out->len, out->size - out->len, format, list);
	va_end(list);
	if (len < 0 || (size_t)len >= out->size - out->len)
		out->bad = true;
	else
		out->len += (size_t)len;
}

/* Adds text as it is. */
static void
out_word(struct out *out, const char *text)
{
	size_t len = strlen(text);

	if (out->bad || len >= out->size - out->len) {
		out->bad = true;
		return;
	}
	memcpy(out->buffer + out->len, text, len + 1);
	out->len += len;
}

/* The same when it is ok. */
static void
out_text(struct out *out, bool ok, const char *text)
{
	if (ok)
		out_word(out, text);
	else
		out->bad = true;
}

static void
out_task(struct out *out, const struct task_name *task, bool sequence)
{
	if (task->priority > PRIORITY_MAX || task->seq > INT32_MAX)
		out->bad = true;
	out_add(out, "%u%s.%016" PRIx64 ".", task->priority, task->whole ? "w" : "", task->class_hash);
	if (task->key_hash)
		out_add(out, "%016" PRIx64 ".", task->key_hash);
	else
		out_word(out, "-.");
	out_text(out, token_ok(task->token, strlen(task->token)), task->token);
	out_word(out, "-");
	if (!sequence)
		out_add(out, "%010" PRIu32, task->seq);
}

static void
write_candidate(struct out *out, const struct node *node)
{
	size_t len = node->text ? strlen(node->text) : 0;
	bool whole = candidate_ok(node->text, len, true);

	if (!whole && !(out->sequence && candidate_ok(node->text, len, false)))
		out->bad = true;
	else
		out_add(out, "%.*s", (int)(out->sequence && whole ? len - SEQUENCE_DIGITS : len), node->text);
}

static void
write_worker(struct out *out, const struct node *node)
{
	out_text(out, worker_name_ok(node->worker), node->worker);
}

static void
write_folder(struct out *out, const struct node *node)
{
	write_worker(out, node);
	out_word(out, ".");
	out_text(out, inc_ok(node->inc, strlen(node->inc)), node->inc);
}

static void
write_live(struct out *out, const struct node *node)
{
	if (node->r == 0)
		out->bad = true;
	out_add(out, "live-%" PRIu32, node->r);
}

static void
write_queue(struct out *out, const struct node *node)
{
	out_text(out, queue_name_ok(node->queue), node->queue);
}

static void
write_segment(struct out *out, const struct node *node)
{
	if (node->seg == UINT32_MAX)
		out->bad = true;
	out_add(out, "%" PRIu32, node->seg);
}

static void
write_shard(struct out *out, const struct node *node)
{
	if (node->seg == SHARD_OTHER)
		out_word(out, "x");
	else
		write_segment(out, node);
}

static void
write_token(struct out *out, const struct node *node)
{
	out_text(out, token_ok(node->task.token, strlen(node->task.token)), node->task.token);
}

static void
write_task(struct out *out, const struct node *node)
{
	out_task(out, &node->task, out->sequence);
}

static void
write_batch(struct out *out, const struct node *node)
{
	out_word(out, "b.");
	out_text(out, strlen(node->batch) == TOKEN_LEN && token_ok(node->batch, TOKEN_LEN), node->batch);
}

static void
write_claim(struct out *out, const struct node *node)
{
	char fence[33];

	if (node->n == 0 || node->run == 0)
		out->bad = true;
	out_add(out, "%" PRIu64 ":", node->n);
	write_queue(out, node);
	out_word(out, ":");
	write_segment(out, node);
	out_word(out, ":");
	out_task(out, &node->task, false);
	fence_write(node->fence, fence);
	out_add(out, ":%" PRIu32 ":%s", node->run, fence);
}

static void
write_order(struct out *out, const struct node *node)
{
	if (node->n == 0 || node->verb >= VERBS)
		out->bad = true;
	else
		out_add(out, "o:%" PRIu64 ":%s", node->n, verb_words[node->verb]);
}

static void
write_hash(struct out *out, const struct node *node)
{
	out_add(out, "%016" PRIx64, node->hash);
}

static void
write_key_dir(struct out *out, const struct node *node)
{
	out_add(out, "%02x", (unsigned)(node->hash >> 56));
}

static void
write_text(struct out *out, const struct node *node)
{
	out_text(out, node->text && znode_name_ok(node->text, strlen(node->text), INBOX_NAME_MAX), node->text);
}

/* ---- reading a name ---- */

/* What remains to be read of a name. */
struct in {
	const char *text;
	size_t len;
};

/* Cuts off what stands before the first stop; false when there is none. */
static bool
in_until(struct in *in, char stop, struct in *part)
{
	const char *end = memchr(in->text, stop, in->len);

	if (!end)
		return false;
	part->text = in->text;
	part->len = (size_t)(end - in->text);
	in->text = end + 1;
	in->len -= part->len + 1;
	return true;
}

static bool
in_skip(struct in *in, const char *prefix)
{
	size_t len = strlen(prefix);

	if (in->len < len || memcmp(in->text, prefix, len) != 0)
		return false;
	in->text += len;
	in->len -= len;
	return true;
}

static bool
in_is(struct in in, const char *word)
{
	return in.len == strlen(word) && memcmp(in.text, word, in.len) == 0;
}

/* A whole decimal number from least to most, without leading zeros. */
static bool
in_number(struct in in, uint64_t least, uint64_t most, uint64_t *number)
{
	uint64_t value = 0;

	if (!all_of(in.text, in.len, DIGITS, 20) || (in.text[0] == '0' && in.len > 1))
		return false;
	for (size_t i = 0; i < in.len; i++) {
		uint64_t digit = (uint64_t)(in.text[i] - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return value >= least && value <= most;
}

static bool
in_number32(struct in in, uint32_t least, uint32_t most, uint32_t *number)
{
	uint64_t value;

	if (!in_number(in, least, most, &value))
		return false;
	*number = (uint32_t)value;
	return true;
}

static bool
in_hex(struct in in, size_t digits, uint64_t *number)
{
	uint64_t value = 0;

	if (in.len != digits || !all_of(in.text, in.len, HEX, 16))
		return false;
	for (size_t i = 0; i < in.len; i++)
		value = value << 4 | (uint64_t)(strchr(HEX, in.text[i]) - HEX);
	*number = value;
	return true;
}

static bool
in_copy(struct in in, bool ok, char *to)
{
	if (!ok)
		return false;
	memcpy(to, in.text, in.len);
	to[in.len] = '\0';
	return true;
}

static bool
in_queue(struct in in, char *queue)
{
	return in_copy(in, queue_ok(in.text, in.len), queue);
}

static bool
in_token(struct in in, char *token)
{
	return in_copy(in, token_ok(in.text, in.len), token);
}

static bool
in_segment(struct in in, uint32_t *seg)
{
	return in_number32(in, 0, UINT32_MAX - 1, seg);
}

static bool
in_fence(struct in in, struct fence *fence)
{
	return in.len == 32 && in_hex((struct in){ in.text, 16 }, 16, &fence->czxid) &&
	    in_hex((struct in){ in.text + 16, 16 }, 16, &fence->counter);
}

static bool
in_task(struct in in, struct task_name *task)
{
	struct in priority, class, key, token;
	uint64_t seq = 0;

	if (!in_until(&in, '.', &priority) || !in_until(&in, '.', &class) || !in_until(&in, '.', &key) ||
	    !in_until(&in, '-', &token))
		return false;
	task->whole = priority.len == 2 && priority.text[1] == 'w';
	if (priority.len != (task->whole ? 2 : 1) || priority.text[0] < '0' || priority.text[0] > '9' ||
	    !in_hex(class, 16, &task->class_hash) || !in_token(token, task->token))
		return false;
	task->priority = (uint8_t)(priority.text[0] - '0');
	if (!in_is(key, "-") && (!in_hex(key, 16, &task->key_hash) || task->key_hash == 0))
		return false;
	if (in.len != SEQUENCE_DIGITS || !all_of(in.text, in.len, DIGITS, SEQUENCE_DIGITS))
		return false;
	for (size_t i = 0; i < in.len; i++)
		seq = seq * 10 + (uint64_t)(in.text[i] - '0');
	task->seq = (uint32_t)seq;
	return seq <= INT32_MAX;
}

/* The functions below find in *node what its folder says, and add what the name says. */

static bool
read_candidate(struct in in, struct node *node)
{
	node->text = in.text;
	return candidate_ok(in.text, in.len, true);
}

static bool
read_worker(struct in in, struct node *node)
{
	return in_copy(in, worker_ok(in.text, in.len), node->worker);
}

static bool
read_folder(struct in in, struct node *node)
{
	struct in worker;

	return in_until(&in, '.', &worker) && read_worker(worker, node) &&
	    in_copy(in, inc_ok(in.text, in.len), node->inc);
}

static bool
read_live(struct in in, struct node *node)
{
	return in_skip(&in, "live-") && in_number32(in, 1, UINT32_MAX, &node->r);
}

static bool
read_queue(struct in in, struct node *node)
{
	return in_queue(in, node->queue);
}

static bool
read_segment(struct in in, struct node *node)
{
	return in_segment(in, &node->seg);
}

static bool
read_shard(struct in in, struct node *node)
{
	if (!in_is(in, "x"))
		return in_segment(in, &node->seg);
	node->seg = SHARD_OTHER;
	return true;
}

static bool
read_token(struct in in, struct node *node)
{
	return in_token(in, node->task.token);
}

static bool
read_task(struct in in, struct node *node)
{
	return in_task(in, &node->task);
}

static bool
read_batch(struct in in, struct node *node)
{
	return in_skip(&in, "b.") && in_copy(in, in.len == TOKEN_LEN && token_ok(in.text, in.len), node->batch);
}

static bool
read_claim(struct in in, struct node *node)
{
	struct in n, queue, seg, name, run;

	return in_until(&in, ':', &n) && in_until(&in, ':', &queue) && in_until(&in, ':', &seg) &&
	    in_until(&in, ':', &name) && in_until(&in, ':', &run) && in_number(n, 1, UINT64_MAX, &node->n) &&
	    in_queue(queue, node->queue) && in_segment(seg, &node->seg) &&
	    in_task(name, &node->task) && in_number32(run, 1, UINT32_MAX, &node->run) && in_fence(in, &node->fence);
}

static bool
read_order(struct in in, struct node *node)
{
	struct in n;

	if (!in_skip(&in, "o:") || !in_until(&in, ':', &n) || !in_number(n, 1, UINT64_MAX, &node->n))
		return false;
	for (int verb = 0; verb < VERBS; verb++)
		if (in_is(in, verb_words[verb])) {
			node->verb = (enum verb)verb;
			return true;
		}
	return false;
}

static bool
read_hash(struct in in, struct node *node)
{
	return in_hex(in, 16, &node->hash);
}

static bool
read_key_dir(struct in in, struct node *node)
{
	if (!in_hex(in, 2, &node->hash))
		return false;
	node->hash <<= 56;
	return true;
}

static bool
read_key(struct in in, struct node *node)
{
	uint64_t top = node->hash >> 56;

	return in_hex(in, 16, &node->hash) && node->hash >> 56 == top;
}

static bool
read_text(struct in in, struct node *node)
{
	node->text = in.text;
	return znode_name_ok(in.text, in.len, INBOX_NAME_MAX);
}

/* ---- the tree ---- */

#define TOKENS_BELOW(parent) (parent), NULL, write_token, read_token
#define SEGMENTS_BELOW(parent) (parent), NULL, write_segment, read_segment

/* In the order of core/node.h. A parent stands for each kind but the root's; STRANGER is nobody's child. */
static const struct {
	enum node_kind parent;
	const char *word;
	void (*write)(struct out *out, const struct node *node);
	bool (*read)(struct in in, struct node *node);
} tree[NODE_KINDS] = {
	[NODE_ELECTION] = { NODE_ROOT, "election", NULL, NULL },
	[NODE_CANDIDATE] = { NODE_ELECTION, NULL, write_candidate, read_candidate },
	[NODE_WORKERS] = { NODE_ROOT, "workers", NULL, NULL },
	[NODE_WORKER] = { NODE_WORKERS, NULL, write_worker, read_worker },
	[NODE_LOGKEYS] = { NODE_ROOT, "logkeys", NULL, NULL },
	[NODE_LOGKEY] = { NODE_LOGKEYS, NULL, write_worker, read_worker },
	[NODE_ASSIGN] = { NODE_ROOT, "assign", NULL, NULL },
	[NODE_FOLDER] = { NODE_ASSIGN, NULL, write_folder, read_folder },
	[NODE_LIVE] = { NODE_FOLDER, NULL, write_live, read_live },
	[NODE_CLAIM] = { NODE_FOLDER, NULL, write_claim, read_claim },
	[NODE_ORDER] = { NODE_FOLDER, NULL, write_order, read_order },
	[NODE_QUEUES] = { NODE_ROOT, "queues", NULL, NULL },
	[NODE_QUEUE] = { NODE_QUEUES, NULL, write_queue, read_queue },
	[NODE_CLASSES] = { NODE_QUEUE, "classes", NULL, NULL },
	[NODE_CLASS] = { NODE_CLASSES, NULL, write_hash, read_hash },
	[NODE_INBOX] = { NODE_QUEUE, "inbox", NULL, NULL },
	[NODE_INBOX_TASK] = { NODE_INBOX, NULL, write_text, read_text },
	[NODE_MOVED] = { NODE_QUEUE, "moved", NULL, NULL },
	[NODE_SHARD] = { NODE_MOVED, NULL, write_shard, read_shard },
	[NODE_MOVED_TASK] = { NODE_SHARD, NULL, write_text, read_text },
	[NODE_TASKS] = { NODE_QUEUE, "tasks", NULL, NULL },
	[NODE_SEGMENT] = { SEGMENTS_BELOW(NODE_TASKS) },
	[NODE_TASK] = { NODE_SEGMENT, NULL, write_task, read_task },
	[NODE_TASK_CHILD] = { NODE_TASK, NULL, write_text, read_text },
	[NODE_BATCH] = { NODE_SEGMENT, NULL, write_batch, read_batch },
	[NODE_RETRY_ALL] = { NODE_QUEUE, "retry", NULL, NULL },
	[NODE_RETRY_SEG] = { SEGMENTS_BELOW(NODE_RETRY_ALL) },
	[NODE_RETRY] = { TOKENS_BELOW(NODE_RETRY_SEG) },
	[NODE_DONE_ALL] = { NODE_QUEUE, "done", NULL, NULL },
	[NODE_DONE_SEG] = { SEGMENTS_BELOW(NODE_DONE_ALL) },
	[NODE_RESULT] = { TOKENS_BELOW(NODE_DONE_SEG) },
	[NODE_DEAD_ALL] = { NODE_QUEUE, "dead", NULL, NULL },
	[NODE_DEAD_SEG] = { SEGMENTS_BELOW(NODE_DEAD_ALL) },
	[NODE_DEAD] = { TOKENS_BELOW(NODE_DEAD_SEG) },
	[NODE_HOLD_ALL] = { NODE_QUEUE, "hold", NULL, NULL },
	[NODE_HOLD_SEG] = { SEGMENTS_BELOW(NODE_HOLD_ALL) },
	[NODE_HOLD] = { TOKENS_BELOW(NODE_HOLD_SEG) },
	[NODE_CANCEL_ALL] = { NODE_QUEUE, "cancel", NULL, NULL },
	[NODE_CANCEL_SEG] = { SEGMENTS_BELOW(NODE_CANCEL_ALL) },
	[NODE_CANCEL] = { TOKENS_BELOW(NODE_CANCEL_SEG) },
	[NODE_UPDATE_ALL] = { NODE_QUEUE, "update", NULL, NULL },
	[NODE_UPDATE_SEG] = { SEGMENTS_BELOW(NODE_UPDATE_ALL) },
	[NODE_UPDATE] = { TOKENS_BELOW(NODE_UPDATE_SEG) },
	[NODE_KEYS] = { NODE_QUEUE, "keys", NULL, NULL },
	[NODE_KEY_DIR] = { NODE_KEYS, NULL, write_key_dir, read_key_dir },
	[NODE_KEY] = { NODE_KEY_DIR, NULL, write_hash, read_key },
	[NODE_RETIRED_ALL] = { NODE_ROOT, "retired", NULL, NULL },
	[NODE_RETIRED] = { NODE_RETIRED_ALL, NULL, write_queue, read_queue },
	[NODE_DRAIN] = { NODE_ROOT, "drain", NULL, NULL },
	[NODE_DRAIN_WORKER] = { NODE_DRAIN, NULL, write_worker, read_worker },
};

/* The names from below the root down to that of kind. */
static void
out_path(struct out *out, enum node_kind kind, const struct node *node)
{
	if (kind == NODE_ROOT)
		return;
	out_path(out, tree[kind].parent, node);
	out_word(out, "/");
	if (tree[kind].word)
		out_word(out, tree[kind].word);
	else
		tree[kind].write(out, node);
}

int
path_write(const char *root, const struct node *node, bool sequence, char *buffer, size_t size)
{
	struct out out = { .buffer = buffer, .size = size, .sequence = sequence };

	if (size == 0)
		return -1;
	buffer[0] = '\0';
	if (sequence && node->kind != NODE_TASK && node->kind != NODE_CANDIDATE)
		return -1;
	if (node->kind == NODE_STRANGER || node->kind >= NODE_KINDS)	/* a stranger's folder is not known */
		return -1;
	out_word(&out, root);
	out_path(&out, node->kind, node);
	return out.bad ? -1 : (int)out.len;
}

/* name goes on to its NUL only when it is the last part of its path: only leaves have a text. */
static void
child_parse(const struct node *folder, struct in in, struct node *node)
{
	for (int kind = NODE_ROOT + 1; kind < NODE_KINDS; kind++) {
		if (tree[kind].parent != folder->kind)
			continue;
		*node = *folder;
		node->kind = (enum node_kind)kind;
		node->text = NULL;
		if (tree[kind].word ? in_is(in, tree[kind].word) : tree[kind].read(in, node))
			return;
	}
	*node = node_plain(NODE_STRANGER);
	node->text = in.text;
}

void
name_parse(const struct node *folder, const char *name, struct node *node)
{
	child_parse(folder, (struct in){ name, strlen(name) }, node);
}

bool
path_parse(const char *root, const char *path, struct node *node)
{
	size_t len = strlen(root);
	struct node folder;

	if (strncmp(path, root, len) != 0)
		return false;
	*node = node_plain(NODE_ROOT);
	for (path += len; *path; ) {
		if (*path++ != '/')
			return false;
		size_t part = strcspn(path, "/");
		folder = *node;
		child_parse(&folder, (struct in){ path, part }, node);
		if (node->kind == NODE_STRANGER)
			return false;
		path += part;
	}
	return true;
}

/* ---- ids and fences ---- */

bool
id_parse(const char *text, struct task_id *id)
{
	struct in in = { text, strlen(text) }, queue, seg;

	memset(id, 0, sizeof *id);
	return in_until(&in, '.', &queue) && in_until(&in, '.', &seg) &&
	    in_queue(queue, id->queue) && in_segment(seg, &id->seg) &&
	    in_token(in, id->token);
}

void
id_write(const struct task_id *id, char buffer[ID_MAX + 1])
{
	snprintf(buffer, ID_MAX + 1, "%s.%" PRIu32 ".%s", id->queue, id->seg, id->token);
}

void
fence_write(struct fence fence, char buffer[33])
{
	snprintf(buffer, 33, "%016" PRIx64 "%016" PRIx64, fence.czxid, fence.counter);
}

bool
fence_parse(const char *text, struct fence *fence)
{
	return in_fence((struct in){ text, strlen(text) }, fence);
}
