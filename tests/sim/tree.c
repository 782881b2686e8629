#include "tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *
need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

struct blob *
blob_new(const char *data, size_t len)
{
	if (len == 0)
		return NULL;
	struct blob *blob = need(malloc(sizeof *blob + len + 1));
	blob->refs = 1;
	blob->len = len;
	memcpy(blob->data, data, len);
	blob->data[len] = '\0';
	return blob;
}

struct blob *
blob_keep(struct blob *blob)
{
	if (blob)
		blob->refs++;
	return blob;
}

void
blob_drop(struct blob *blob)
{
	if (blob && --blob->refs == 0)
		free(blob);
}

static uint64_t
hash_of(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 0x100000001b3ULL;
	return hash ^ (hash >> 29);
}

static void
grow(struct tree *tree)
{
	size_t size = (tree->mask + 1) * 2;
	struct znode **buckets = need(calloc(size, sizeof *buckets));

	for (size_t i = 0; i <= tree->mask; i++)
		for (struct znode *node = tree->buckets[i], *next; node; node = next) {
			next = node->next_in_bucket;
			node->next_in_bucket = buckets[node->hash & (size - 1)];
			buckets[node->hash & (size - 1)] = node;
		}
	free(tree->buckets);
	tree->buckets = buckets;
	tree->mask = size - 1;
}

static void
put(struct tree *tree, struct znode *node)
{
	if (tree->count > tree->mask)
		grow(tree);
	struct znode **bucket = &tree->buckets[node->hash & tree->mask];
	node->next_in_bucket = *bucket;
	*bucket = node;
	tree->count++;
	struct znode *parent = node->parent;
	if (!parent)
		return;
	node->prev = NULL;
	node->next = parent->children;
	if (node->next)
		node->next->prev = node;
	parent->children = node;
	parent->stat.children++;
}

static struct znode *
make(const char *path)
{
	struct znode *node = need(calloc(1, sizeof *node));

	node->path = need(strdup(path));
	node->name = strrchr(node->path, '/') + 1;
	node->hash = hash_of(path);
	return node;
}

void
tree_init(struct tree *tree)
{
	tree->mask = 1023;
	tree->count = 0;
	tree->buckets = need(calloc(tree->mask + 1, sizeof *tree->buckets));
	put(tree, make("/"));
}

void
tree_free(struct tree *tree)
{
	if (!tree->buckets)
		return;
	for (size_t i = 0; i <= tree->mask; i++)
		for (struct znode *node = tree->buckets[i], *next; node; node = next) {
			next = node->next_in_bucket;
			znode_free(node);
		}
	free(tree->buckets);
	memset(tree, 0, sizeof *tree);
}

void
znode_free(struct znode *node)
{
	blob_drop(node->blob);
	free(node->path);
	free(node);
}

struct znode *
tree_find(const struct tree *tree, const char *path)
{
	uint64_t hash = hash_of(path);

	for (struct znode *node = tree->buckets[hash & tree->mask]; node; node = node->next_in_bucket)
		if (node->hash == hash && strcmp(node->path, path) == 0)
			return node;
	return NULL;
}

struct znode *
tree_parent(const struct tree *tree, const char *path)
{
	char parent[2048];
	const char *slash = strrchr(path, '/');
	size_t len = slash == path ? 1 : (size_t)(slash - path);

	if (len >= sizeof parent)
		return NULL;
	memcpy(parent, path, len);
	parent[len] = '\0';
	return tree_find(tree, parent);
}

struct znode *
tree_create(struct tree *tree, struct znode *parent, const char *path, struct blob *blob, int64_t owner, int64_t zxid,
    int64_t time_ms)
{
	struct znode *node = make(path);

	assert(parent);
	node->parent = parent;
	node->blob = blob_keep(blob);
	node->stat.czxid = node->stat.mzxid = node->stat.pzxid = zxid;
	node->stat.ctime_ms = node->stat.mtime_ms = time_ms;
	node->stat.length = blob ? (int32_t)blob->len : 0;
	node->stat.owner = owner;
	parent->sequence++;
	parent->stat.pzxid = zxid;
	put(tree, node);
	return node;
}

void
tree_set(struct znode *node, struct blob *blob, int64_t zxid, int64_t time_ms)
{
	blob_keep(blob);
	blob_drop(node->blob);
	node->blob = blob;
	node->stat.version++;
	node->stat.mzxid = zxid;
	node->stat.mtime_ms = time_ms;
	node->stat.length = blob ? (int32_t)blob->len : 0;
}

void
tree_unlink(struct tree *tree, struct znode *node, int64_t zxid)
{
	struct znode **link = &tree->buckets[node->hash & tree->mask];

	assert(!node->children && node->parent);
	while (*link != node)
		link = &(*link)->next_in_bucket;
	*link = node->next_in_bucket;
	tree->count--;
	if (node->prev)
		node->prev->next = node->next;
	else
		node->parent->children = node->next;
	if (node->next)
		node->next->prev = node->prev;
	node->parent->stat.children--;
	node->parent->stat.pzxid = zxid;
}

void
tree_relink(struct tree *tree, struct znode *node)
{
	put(tree, node);
}

void
tree_apply(struct tree *tree, const struct change *change, int64_t zxid, int64_t time_ms)
{
	struct znode *node;

	switch (change->kind) {
	case CHANGE_CREATE:
		tree_create(tree, tree_parent(tree, change->path), change->path, change->blob, change->owner, zxid, time_ms);
		break;
	case CHANGE_SET:
		node = tree_find(tree, change->path);
		assert(node);
		tree_set(node, change->blob, zxid, time_ms);
		break;
	case CHANGE_DELETE:
		node = tree_find(tree, change->path);
		assert(node);
		tree_unlink(tree, node, zxid);
		znode_free(node);
		break;
	}
}
