/*
 * One function writes, one reads, and both go kind by kind in the order of core/node.h. A name is read
 * only in the spelling that would be written, so two names never mean one node.
 */
#include "codec/path.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER_ALNUM "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM LOWER_ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HEX "0123456789abcdef"
#define DIGITS "0123456789"

#define SEQUENCE_DIGITS 10

static const char *const verb_words[VERBS] = {
	[VERB_KILL] = "kill",
	[VERB_WARN] = "warn",
	[VERB_RELEASE] = "release",
	[VERB_REQUEUE] = "requeue",
};

/* The folders right below the root and right below a queue, in both directions. */
static const struct {
	enum node_kind parent, kind;
	const char *name;
} folders[] = {
	{ NODE_ROOT, NODE_ELECTION, "election" },
	{ NODE_ROOT, NODE_WORKERS, "workers" },
	{ NODE_ROOT, NODE_LOGKEYS, "logkeys" },
	{ NODE_ROOT, NODE_ASSIGN, "assign" },
	{ NODE_ROOT, NODE_QUEUES, "queues" },
	{ NODE_ROOT, NODE_DRAIN, "drain" },
	{ NODE_QUEUE, NODE_CLASSES, "classes" },
	{ NODE_QUEUE, NODE_INBOX, "inbox" },
	{ NODE_QUEUE, NODE_MOVED, "moved" },
	{ NODE_QUEUE, NODE_TASKS, "tasks" },
	{ NODE_QUEUE, NODE_RETRY_ALL, "retry" },
	{ NODE_QUEUE, NODE_DONE_ALL, "done" },
	{ NODE_QUEUE, NODE_DEAD_ALL, "dead" },
	{ NODE_QUEUE, NODE_HOLD_ALL, "hold" },
	{ NODE_QUEUE, NODE_CANCEL_ALL, "cancel" },
	{ NODE_QUEUE, NODE_KEYS, "keys" },
};

#define FOLDERS (sizeof folders / sizeof folders[0])

/* ---- grammar ---- */

/* Whether all len bytes of name are of set, at least one and at most max. */
static bool
all_of(const char *name, size_t len, const char *set, size_t max)
{
	if (len < 1 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!name[i] || !strchr(set, name[i]))
			return false;
	return true;
}

static bool
queue_ok(const char *name, size_t len)
{
	return all_of(name, len, LOWER_ALNUM "_-", QUEUE_NAME_MAX) && name[0] != '_' && name[0] != '-';
}

static bool
worker_ok(const char *name, size_t len)
{
	return all_of(name, len, ALNUM "_-", WORKER_NAME_MAX) && name[0] != '_' && name[0] != '-';
}

static bool
inc_ok(const char *inc, size_t len)
{
	return len == INC_MAX && all_of(inc, len, LOWER_ALNUM, INC_MAX);
}

static bool
token_ok(const char *token, size_t len)
{
	if (len < TOKEN_LEN || len > TOKEN_MAX || !all_of(token, TOKEN_LEN, LOWER_ALNUM, TOKEN_LEN))
		return false;
	if (len == TOKEN_LEN)
		return true;
	const char *index = token + TOKEN_LEN + 1;
	size_t index_len = len - TOKEN_LEN - 1;
	return token[TOKEN_LEN] == 'x' && all_of(index, index_len, DIGITS, TOKEN_MAX - TOKEN_LEN - 1) &&
	    (index[0] != '0' || index_len == 1);
}

/* Length of the UTF-8 character at text (of which left bytes remain); *code is its number. 0 = none. */
static size_t
utf8_read(const unsigned char *text, size_t left, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc0 ? 2 : 0;

	if (len == 0 || len > left || text[0] > 0xf4)
		return 0;
	*code = len == 1 ? text[0] : text[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3f);
	}
	return *code < least[len] ? 0 : len;
}

/* Whether ZooKeeper takes it as the name of a znode: PathUtils.validatePath refuses control characters,
 * surrogates and private use, and what Java's char calls specials; beyond the basic plane all is surrogates. */
static bool
znode_name_ok(const char *name, size_t len, size_t max)
{
	if (len < 1 || len > max || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return false;
	for (size_t i = 0, step; i < len; i += step) {
		uint32_t code;

		step = utf8_read((const unsigned char *)name + i, len - i, &code);
		if (step == 0 || code == '/' || code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
		    (code >= 0xd800 && code <= 0xf8ff) || code >= 0xfff0)
			return false;
	}
	return true;
}

bool
queue_name_ok(const char *name)
{
	return queue_ok(name, strlen(name));
}

bool
worker_name_ok(const char *name)
{
	return worker_ok(name, strlen(name));
}

/* "/a/b" ... */
static bool
absolute(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *part = path + 1;; ) {
		size_t part_len = strcspn(part, "/");

		if (!znode_name_ok(part, part_len, SIZE_MAX))
			return false;
		if (!part[part_len])
			return true;
		part += part_len + 1;
	}
}

bool
path_ok(const char *path)
{
	return strcmp(path, "/") == 0 || absolute(path);
}

bool
root_ok(const char *root)
{
	return strlen(root) <= ROOT_MAX && absolute(root);
}

/* ---- writing ---- */

struct out {
	char *buffer;
	size_t size, len;
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

/* Adds "/" and text when the text is ok. */
static void
out_name(struct out *out, bool ok, const char *text)
{
	if (!ok)
		out->bad = true;
	else
		out_add(out, "/%s", text);
}

static void
out_folder_name(struct out *out, enum node_kind kind)
{
	for (size_t i = 0; i < FOLDERS; i++)
		if (folders[i].kind == kind)
			out_add(out, "/%s", folders[i].name);
}

static void
out_worker(struct out *out, enum node_kind parent, const struct node *node)
{
	out_folder_name(out, parent);
	out_name(out, worker_name_ok(node->worker), node->worker);
}

static void
out_folder(struct out *out, const struct node *node)
{
	out_worker(out, NODE_ASSIGN, node);
	if (!inc_ok(node->inc, strlen(node->inc)))
		out->bad = true;
	out_add(out, ".%s", node->inc);
}

static void
out_queue(struct out *out, const struct node *node, enum node_kind folder)
{
	out_folder_name(out, NODE_QUEUES);
	out_name(out, queue_name_ok(node->queue), node->queue);
	out_folder_name(out, folder);
}

static void
out_segment(struct out *out, const struct node *node, enum node_kind folder)
{
	out_queue(out, node, folder);
	if (node->seg == UINT32_MAX)
		out->bad = true;
	out_add(out, "/%" PRIu32, node->seg);
}

static void
out_shard(struct out *out, const struct node *node)
{
	out_queue(out, node, NODE_MOVED);
	if (node->seg == SHARD_OTHER)
		out_add(out, "/x");
	else
		out_add(out, "/%" PRIu32, node->seg);
}

static void
out_token(struct out *out, const struct node *node, enum node_kind folder)
{
	out_segment(out, node, folder);
	out_name(out, token_ok(node->task.token, strlen(node->task.token)), node->task.token);
}

static void
out_task(struct out *out, const struct task_name *task, bool sequence)
{
	if (task->priority > PRIORITY_MAX || !token_ok(task->token, strlen(task->token)) || task->seq > INT32_MAX)
		out->bad = true;
	out_add(out, "%u.%016" PRIx64 ".", task->priority, task->class_hash);
	if (task->key_hash)
		out_add(out, "%016" PRIx64, task->key_hash);
	else
		out_add(out, "-");
	out_add(out, ".%s-", task->token);
	if (!sequence)
		out_add(out, "%010" PRIu32, task->seq);
}

static void
out_claim(struct out *out, const struct node *node)
{
	char fence[33];

	out_folder(out, node);
	if (node->n == 0 || node->run == 0 || !queue_name_ok(node->queue) || node->seg == UINT32_MAX)
		out->bad = true;
	out_add(out, "/%" PRIu64 ":%s:%" PRIu32 ":", node->n, node->queue, node->seg);
	out_task(out, &node->task, false);
	fence_write(node->fence, fence);
	out_add(out, ":%" PRIu32 ":%s", node->run, fence);
}

static void
out_order(struct out *out, const struct node *node)
{
	out_folder(out, node);
	if (node->n == 0 || node->verb >= VERBS) {
		out->bad = true;
		return;
	}
	out_add(out, "/o:%" PRIu64 ":%s", node->n, verb_words[node->verb]);
}

static bool
candidate_ok(const char *name, size_t len, bool digits)
{
	size_t base = UUID_LEN + strlen("-n_");

	return len == base + (digits ? SEQUENCE_DIGITS : 0) && all_of(name, UUID_LEN, HEX, UUID_LEN) &&
	    memcmp(name + UUID_LEN, "-n_", 3) == 0 && (!digits || all_of(name + base, 10, DIGITS, SEQUENCE_DIGITS));
}

static void
out_candidate(struct out *out, const struct node *node, bool sequence)
{
	size_t len = node->text ? strlen(node->text) : 0;
	bool whole = candidate_ok(node->text, len, true);

	if (!whole && !(sequence && candidate_ok(node->text, len, false))) {
		out->bad = true;
		return;
	}
	out_folder_name(out, NODE_ELECTION);
	out_add(out, "/%.*s", (int)(sequence && whole ? len - SEQUENCE_DIGITS : len), node->text);
}

static bool
text_ok(const struct node *node)
{
	return node->text && znode_name_ok(node->text, strlen(node->text), INBOX_NAME_MAX);
}

int
path_write(const char *root, const struct node *node, bool sequence, char *buffer, size_t size)
{
	struct out out = { .buffer = buffer, .size = size };

	if (size == 0)
		return -1;
	buffer[0] = '\0';
	out_add(&out, "%s", root);
	if (sequence && node->kind != NODE_TASK && node->kind != NODE_CANDIDATE)
		return -1;
	switch (node->kind) {
	case NODE_ROOT:
		break;
	case NODE_ELECTION:
	case NODE_WORKERS:
	case NODE_LOGKEYS:
	case NODE_ASSIGN:
	case NODE_QUEUES:
	case NODE_DRAIN:
		out_folder_name(&out, node->kind);
		break;
	case NODE_CANDIDATE:
		out_candidate(&out, node, sequence);
		break;
	case NODE_WORKER:
		out_worker(&out, NODE_WORKERS, node);
		break;
	case NODE_LOGKEY:
		out_worker(&out, NODE_LOGKEYS, node);
		break;
	case NODE_DRAIN_WORKER:
		out_worker(&out, NODE_DRAIN, node);
		break;
	case NODE_FOLDER:
		out_folder(&out, node);
		break;
	case NODE_LIVE:
		out_folder(&out, node);
		out.bad = out.bad || node->r == 0;
		out_add(&out, "/live-%" PRIu32, node->r);
		break;
	case NODE_CLAIM:
		out_claim(&out, node);
		break;
	case NODE_ORDER:
		out_order(&out, node);
		break;
	case NODE_QUEUE:
	case NODE_CLASSES:
	case NODE_INBOX:
	case NODE_MOVED:
	case NODE_TASKS:
	case NODE_RETRY_ALL:
	case NODE_DONE_ALL:
	case NODE_DEAD_ALL:
	case NODE_HOLD_ALL:
	case NODE_CANCEL_ALL:
	case NODE_KEYS:
		out_queue(&out, node, node->kind);
		break;
	case NODE_CLASS:
		out_queue(&out, node, NODE_CLASSES);
		out_add(&out, "/%016" PRIx64, node->hash);
		break;
	case NODE_INBOX_TASK:
		out_queue(&out, node, NODE_INBOX);
		out_name(&out, text_ok(node), node->text);
		break;
	case NODE_SHARD:
		out_shard(&out, node);
		break;
	case NODE_MOVED_TASK:
		out_shard(&out, node);
		out_name(&out, text_ok(node), node->text);
		break;
	case NODE_SEGMENT:
		out_segment(&out, node, NODE_TASKS);
		break;
	case NODE_TASK:
		out_segment(&out, node, NODE_TASKS);
		out_add(&out, "/");
		out_task(&out, &node->task, sequence);
		break;
	case NODE_TASK_CHILD:
		out_segment(&out, node, NODE_TASKS);
		out_add(&out, "/");
		out_task(&out, &node->task, false);
		out_name(&out, text_ok(node), node->text);
		break;
	case NODE_BATCH:
		out_segment(&out, node, NODE_TASKS);
		out.bad = out.bad || strlen(node->batch) != TOKEN_LEN || !token_ok(node->batch, TOKEN_LEN);
		out_add(&out, "/b.%s", node->batch);
		break;
	case NODE_RETRY_SEG:
		out_segment(&out, node, NODE_RETRY_ALL);
		break;
	case NODE_RETRY:
		out_token(&out, node, NODE_RETRY_ALL);
		break;
	case NODE_DONE_SEG:
		out_segment(&out, node, NODE_DONE_ALL);
		break;
	case NODE_RESULT:
		out_token(&out, node, NODE_DONE_ALL);
		break;
	case NODE_DEAD_SEG:
		out_segment(&out, node, NODE_DEAD_ALL);
		break;
	case NODE_DEAD:
		out_token(&out, node, NODE_DEAD_ALL);
		break;
	case NODE_HOLD_SEG:
		out_segment(&out, node, NODE_HOLD_ALL);
		break;
	case NODE_HOLD:
		out_token(&out, node, NODE_HOLD_ALL);
		break;
	case NODE_CANCEL_SEG:
		out_segment(&out, node, NODE_CANCEL_ALL);
		break;
	case NODE_CANCEL:
		out_token(&out, node, NODE_CANCEL_ALL);
		break;
	case NODE_KEY_DIR:
		out_queue(&out, node, NODE_KEYS);
		out_add(&out, "/%02x", (unsigned)(node->hash >> 56));
		break;
	case NODE_KEY:
		out_queue(&out, node, NODE_KEYS);
		out_add(&out, "/%02x/%016" PRIx64, (unsigned)(node->hash >> 56), node->hash);
		break;
	case NODE_STRANGER:	/* its folder is not known */
	case NODE_KINDS:
		out.bad = true;
	}
	return out.bad ? -1 : (int)out.len;
}

/* ---- reading ---- */

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
	if (priority.len != 1 || priority.text[0] < '0' || priority.text[0] > '9' ||
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

static bool
in_claim(struct in in, struct node *node)
{
	struct in n, queue, seg, name, run;

	return in_until(&in, ':', &n) && in_until(&in, ':', &queue) && in_until(&in, ':', &seg) &&
	    in_until(&in, ':', &name) && in_until(&in, ':', &run) && in_number(n, 1, UINT64_MAX, &node->n) &&
	    in_copy(queue, queue_ok(queue.text, queue.len), node->queue) && in_segment(seg, &node->seg) &&
	    in_task(name, &node->task) && in_number32(run, 1, UINT32_MAX, &node->run) && in_fence(in, &node->fence);
}

static bool
in_order(struct in in, struct node *node)
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

/* A child of assign/<worker>.<inc>. */
static enum node_kind
in_assigned(struct in in, struct node *node)
{
	struct in rest = in;

	if (in_skip(&rest, "live-"))
		return in_number32(rest, 1, UINT32_MAX, &node->r) ? NODE_LIVE : NODE_STRANGER;
	if (in.len && in.text[0] == 'o')
		return in_order(in, node) ? NODE_ORDER : NODE_STRANGER;
	return in_claim(in, node) ? NODE_CLAIM : NODE_STRANGER;
}

static enum node_kind
in_folder(struct in in, struct node *node)
{
	struct in worker;

	return in_until(&in, '.', &worker) && in_copy(worker, worker_ok(worker.text, worker.len), node->worker) &&
	    in_copy(in, inc_ok(in.text, in.len), node->inc) ? NODE_FOLDER : NODE_STRANGER;
}

/* A child of tasks/<seg>. */
static enum node_kind
in_segment_child(struct in in, struct node *node)
{
	struct in rest = in;

	if (in_skip(&rest, "b."))
		return in_copy(rest, rest.len == TOKEN_LEN && token_ok(rest.text, rest.len), node->batch) ?
		    NODE_BATCH : NODE_STRANGER;
	return in_task(in, &node->task) ? NODE_TASK : NODE_STRANGER;
}

static enum node_kind
in_queue_folder(enum node_kind parent, struct in in)
{
	for (size_t i = 0; i < FOLDERS; i++)
		if (folders[i].parent == parent && in_is(in, folders[i].name))
			return folders[i].kind;
	return NODE_STRANGER;
}

static enum node_kind
in_shard(struct in in, struct node *node)
{
	if (in_is(in, "x")) {
		node->seg = SHARD_OTHER;
		return NODE_SHARD;
	}
	return in_segment(in, &node->seg) ? NODE_SHARD : NODE_STRANGER;
}

static enum node_kind
in_key(struct in in, const struct node *folder, struct node *node)
{
	return in_hex(in, 16, &node->hash) && node->hash >> 56 == folder->hash >> 56 ? NODE_KEY : NODE_STRANGER;
}

static bool
in_worker(struct in in, struct node *node)
{
	return in_copy(in, worker_ok(in.text, in.len), node->worker);
}

#define IF(ok, kind) ((ok) ? (kind) : NODE_STRANGER)

/* Kind of the child; *node holds what the folder gives it and gets what its name says. */
static enum node_kind
child_kind(const struct node *folder, struct in in, struct node *node)
{
	switch (folder->kind) {
	case NODE_ROOT:
	case NODE_QUEUE:
		return in_queue_folder(folder->kind, in);
	case NODE_ELECTION:
		return IF(candidate_ok(in.text, in.len, true), NODE_CANDIDATE);
	case NODE_WORKERS:
		return IF(in_worker(in, node), NODE_WORKER);
	case NODE_LOGKEYS:
		return IF(in_worker(in, node), NODE_LOGKEY);
	case NODE_DRAIN:
		return IF(in_worker(in, node), NODE_DRAIN_WORKER);
	case NODE_ASSIGN:
		return in_folder(in, node);
	case NODE_FOLDER:
		return in_assigned(in, node);
	case NODE_QUEUES:
		return IF(in_copy(in, queue_ok(in.text, in.len), node->queue), NODE_QUEUE);
	case NODE_CLASSES:
		return IF(in_hex(in, 16, &node->hash), NODE_CLASS);
	case NODE_INBOX:
		return IF(znode_name_ok(in.text, in.len, INBOX_NAME_MAX), NODE_INBOX_TASK);
	case NODE_MOVED:
		return in_shard(in, node);
	case NODE_SHARD:
		return IF(znode_name_ok(in.text, in.len, INBOX_NAME_MAX), NODE_MOVED_TASK);
	case NODE_TASKS:
		return IF(in_segment(in, &node->seg), NODE_SEGMENT);
	case NODE_SEGMENT:
		return in_segment_child(in, node);
	case NODE_TASK:
		node->task = folder->task;
		return IF(znode_name_ok(in.text, in.len, INBOX_NAME_MAX), NODE_TASK_CHILD);
	case NODE_RETRY_ALL:
		return IF(in_segment(in, &node->seg), NODE_RETRY_SEG);
	case NODE_RETRY_SEG:
		return IF(in_token(in, node->task.token), NODE_RETRY);
	case NODE_DONE_ALL:
		return IF(in_segment(in, &node->seg), NODE_DONE_SEG);
	case NODE_DONE_SEG:
		return IF(in_token(in, node->task.token), NODE_RESULT);
	case NODE_DEAD_ALL:
		return IF(in_segment(in, &node->seg), NODE_DEAD_SEG);
	case NODE_DEAD_SEG:
		return IF(in_token(in, node->task.token), NODE_DEAD);
	case NODE_HOLD_ALL:
		return IF(in_segment(in, &node->seg), NODE_HOLD_SEG);
	case NODE_HOLD_SEG:
		return IF(in_token(in, node->task.token), NODE_HOLD);
	case NODE_CANCEL_ALL:
		return IF(in_segment(in, &node->seg), NODE_CANCEL_SEG);
	case NODE_CANCEL_SEG:
		return IF(in_token(in, node->task.token), NODE_CANCEL);
	case NODE_KEYS:
		if (!in_hex(in, 2, &node->hash))
			return NODE_STRANGER;
		node->hash <<= 56;
		return NODE_KEY_DIR;
	case NODE_KEY_DIR:
		return in_key(in, folder, node);
	default:
		return NODE_STRANGER;
	}
}

/* name goes on to its NUL only when it is the last part of its path: text is set for leaves alone. */
static void
child_parse(const struct node *folder, struct in in, struct node *node)
{
	memset(node, 0, sizeof *node);
	memcpy(node->queue, folder->queue, sizeof node->queue);
	memcpy(node->worker, folder->worker, sizeof node->worker);
	memcpy(node->inc, folder->inc, sizeof node->inc);
	node->seg = folder->seg;
	node->kind = child_kind(folder, in, node);
	if (node->kind == NODE_STRANGER)
		memset(node, 0, sizeof *node);
	if (node->kind == NODE_STRANGER || node->kind == NODE_CANDIDATE || node->kind == NODE_INBOX_TASK ||
	    node->kind == NODE_MOVED_TASK || node->kind == NODE_TASK_CHILD)
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
	    in_copy(queue, queue_ok(queue.text, queue.len), id->queue) && in_segment(seg, &id->seg) &&
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
