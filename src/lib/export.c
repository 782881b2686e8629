/*
 * export.c: the whole tree as lines, and lines as a tree.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/restore.h"
#include "lib/tree.h"

#define UNITS_MAX 200		/* znodes of one multi */
#define UNITS_BYTES 400000	/* several are on their way: see purge.c */
#define LINES_MAX 100000000	/* an index fits in half of a crew's arg */

/* ---- export ---- */

static int
give_line(const struct dump *dump, zkq_line_fn *line, void *context)
{
	struct arena arena = { 0 };
	size_t len;
	const char *text = dump_encode(&arena, dump, &len);
	int error = !text ? ZKQ_ENOMEM : line(context, text, len) ? ZKQ_ECANCELLED : ZKQ_OK;

	arena_free(&arena);
	return error;
}

static int
give_tree(const struct tree *tree, zkq_line_fn *line, void *context)
{
	struct dump head = { .kind = DUMP_HEAD, .root = tree->handle->root, .by = tree->handle->by,
	    .at_wall_ms = link_wall_ms() };
	struct dump end = { .kind = DUMP_END };
	int error = give_line(&head, line, context);

	for (int i = 0; i < tree->count && error == ZKQ_OK; i++) {
		const struct tree_node *node = &tree->list[i];
		struct dump dump = { .kind = DUMP_ZNODE, .path = tree_below(tree, node), .data = node->data,
		    .len = node->len,
			.stat = node->stat, .acl = node->acl, .acl_count = node->acl_count };

		if (node->denied)
			continue;
		if (node->known && node->node.kind == NODE_LOGKEY)
			dump.len = 0;	/* a secret, of no use later */
		error = give_line(&dump, line, context);
		end.count++;
	}
	return error == ZKQ_OK ? give_line(&end, line, context) : error;
}

int
zkq_export_wait(struct zkq *handle, int timeout_ms, zkq_line_fn *line, zkq_count_fn *counted, void *context,
    int *denied)
{
	struct tree tree;

	if (handle->inside || !line)
		return ZKQ_EINVAL;
	int error = tree_read(&tree, handle, true, timeout_ms, counted, context);
	if (denied)
		*denied = tree.denied;
	if (error == ZKQ_OK)
		error = give_tree(&tree, line, context);
	tree_free(&tree);
	return error;
}

/* ---- import: reading ---- */

struct import {
	struct zkq *handle;
	struct zkq_import_info *info;
	struct arena arena;
	struct dump *znodes;
	int count, room;
	bool ended;
	struct restore restore;
	struct crew crew;
	bool force;
	int error;
	enum rc rc;		/* of what is asked for alone */
	bool root_there;
	int children;		/* of what is listed alone */
};

static int __attribute__((format(printf, 3, 4)))
wrong(struct import *import, int error, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(import->info->why, sizeof import->info->why, format, list);
	va_end(list);
	return error;
}

static int
keep_znode(struct import *import, const struct dump *dump)
{
	if (import->count == import->room) {
		int room = import->room ? import->room * 2 : 1024;
		struct dump *znodes = room > LINES_MAX ? NULL : realloc(import->znodes, (size_t)room * sizeof *znodes);

		if (!znodes)
			return ZKQ_ENOMEM;
		import->znodes = znodes;
		import->room = room;
	}
	import->znodes[import->count++] = *dump;
	return ZKQ_OK;
}

static int
take_line(struct import *import, const char *line, size_t len)
{
	struct dump dump;
	const char *why = NULL;

	import->info->line++;
	if (!dump_decode(&import->arena, line, len, &dump, &why))
		return import->arena.failed ? ZKQ_ENOMEM : wrong(import, ZKQ_EINVAL, "%s", why);
	if (import->ended)
		return wrong(import, ZKQ_EINVAL, "there is more behind its end");
	if ((import->info->line == 1) != (dump.kind == DUMP_HEAD))
		return wrong(import, ZKQ_EINVAL, "this is no export of zkq: its first line does not say so");
	if (dump.kind == DUMP_END && dump.count != import->count)
		return wrong(import, ZKQ_EINVAL, "it counts %lld znodes, but there are %d", (long long)dump.count,
		    import->count);
	import->ended = dump.kind == DUMP_END;
	return dump.kind == DUMP_ZNODE ? keep_znode(import, &dump) : ZKQ_OK;
}

static int
read_lines(struct import *import, zkq_source_fn *source, void *context)
{
	const char *line;
	size_t len;
	int error = ZKQ_OK;

	while (error == ZKQ_OK && (line = source(context, &len)))
		error = take_line(import, line, len);
	if (error == ZKQ_OK && !import->ended)
		error = wrong(import, ZKQ_EINVAL, "it is cut off: its last line is missing");
	if (error != ZKQ_OK)
		return error;
	import->info->line = 0;
	error = restore_make(&import->restore, import->znodes, import->count, import->handle->by, link_wall_ms(),
	    import->info);
	return error == ZKQ_EINVAL ? wrong(import, error, "it holds no root") : error;
}

/* ---- import: writing ---- */

static const char *
whole_path(struct import *import, const char *path)
{
	return arena_printf(&import->arena, "%s%s%s", import->handle->root, *path ? "/" : "", path);
}

static void
take_one(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply, bool repeated)
{
	struct import *import = context;

	(void)arg;
	import->rc = reply->rc;
	if (request->kind == REQ_MULTI && reply->rc == RC_NODEEXISTS && (repeated || import->force))
		import->rc = RC_OK;
	if (request->kind == REQ_LIST)
		import->children = reply->rc == RC_OK ? reply->child_count : 0;
}

static int
do_one(struct import *import, const struct raw_request *request)
{
	struct crew crew;

	crew_begin(&crew, import->handle, import->crew.stall_ms, take_one, import);
	crew_send(&crew, request, 0);
	int error = crew_wait(&crew, 0);
	crew_end(&crew);
	return error;
}

static int
list_one(struct import *import, const char *path)
{
	struct raw_request request = { .kind = REQ_LIST, .path = whole_path(import, path) };

	return do_one(import, &request);
}

static int
check_empty(struct import *import)
{
	int error = list_one(import, "election");

	if (error == ZKQ_OK && import->children)
		return wrong(import, ZKQ_EEXIST, "dispatchers run on that tree: stop them first");
	if (error == ZKQ_OK)
		error = list_one(import, "");
	if (error == ZKQ_OK && import->rc == RC_OK && import->children && !import->force)
		return wrong(import, ZKQ_EEXIST,
		    "there is a tree already: choose another root, empty it (zkq purge), or --force to add what is "
		    "missing");
	if (error == ZKQ_OK && import->rc == RC_OK)
		import->root_there = true;
	return error == ZKQ_OK && import->rc == RC_NOAUTH ? ZKQ_ENOAUTH : error;
}

/* Without a record in it no dispatcher begins to work on it. */
static int
make_root(struct import *import)
{
	const char *root = import->handle->root;
	int parent = (int)(strrchr(root, '/') - root);
	struct raw_op op = { .kind = OP_CREATE, .path = root, .acl = NODE_ROOT };
	struct raw_request request = { .kind = REQ_MULTI, .ops = &op, .op_count = 1 };

	if (import->root_there)
		return ZKQ_OK;
	int error = do_one(import, &request);

	if (error == ZKQ_OK && import->rc == RC_NONODE)
		return wrong(import, ZKQ_ENOENT, "%.*s is missing: create it, or choose another %s",
		    parent ? parent : (int)strlen("the path behind the servers"), parent ? root : "the path behind the servers",
		    parent ? "root" : "path");
	return error == ZKQ_OK ? error_of_rc(import->rc) : error;
}

static int
finish_root(struct import *import)
{
	struct raw_op op = { .kind = OP_SET, .path = import->handle->root, .version = ANY_VERSION,
	    .data = import->restore.root_data,
		.len = import->restore.root_len };
	struct raw_request request = { .kind = REQ_MULTI, .ops = &op, .op_count = 1 };
	int error = do_one(import, &request);

	return error == ZKQ_OK ? error_of_rc(import->rc) : error;
}

/* A znode is made and set as often as its version tells in one multi, so it is whole or not there. */
static void
send_units(struct import *import, int from, int count)
{
	struct raw_op ops[UNITS_MAX * 3];
	int n = 0;

	for (int i = from; i < from + count; i++) {
		const struct restored *unit = &import->restore.list[i];
		const char *path = whole_path(import, unit->path);

		ops[n++] = (struct raw_op){ .kind = OP_CREATE, .path = path, .data = unit->data, .len = unit->len,
		    .acl = unit->kind };
		for (int version = 0; version < unit->sets; version++)
			ops[n++] = (struct raw_op){ .kind = OP_SET, .path = path, .data = unit->data, .len = unit->len,
			    .version = version };
	}
	struct raw_request request = { .kind = REQ_MULTI, .ops = ops, .op_count = n };
	if (n)
		crew_send(&import->crew, &request, (uint64_t)from << 32 | (uint32_t)count);
}

static void
take_units(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply, bool repeated)
{
	struct import *import = context;
	int from = (int)(arg >> 32), count = (int)(uint32_t)arg, bad = from;

	(void)request;
	if (reply->rc == RC_OK || import->error != ZKQ_OK)
		return;
	for (int ops = 0; bad < from + count; bad++) {
		ops += 1 + import->restore.list[bad].sets;
		if (ops > reply->failed_op)
			break;
	}
	if (reply->failed_op >= 0 && reply->rc == RC_NODEEXISTS && (repeated || import->force)) {
		import->info->existed += !repeated;
		send_units(import, from, bad - from);
		send_units(import, bad + 1, from + count - bad - 1);
		return;
	}
	if (reply->failed_op < 0)
		bad = from;
	import->error = wrong(import, reply->rc == RC_NODEEXISTS ? ZKQ_EEXIST : error_of_rc(reply->rc), "%s/%s: %s",
	    import->handle->root, import->restore.list[bad].path, rc_word(reply->rc));
}

/* Level by level: parents before their children. */
static int
write_units(struct import *import)
{
	const struct restored *list = import->restore.list;
	int error = ZKQ_OK, total = import->restore.count, count;

	crew_begin(&import->crew, import->handle, import->crew.stall_ms, take_units, import);
	for (int from = 0; from < total && error == ZKQ_OK; from += count) {
		size_t bytes = 0;

		for (count = 0; count < UNITS_MAX && from + count < total &&
		    list[from + count].depth == list[from].depth; count++) {
			bytes += (strlen(list[from + count].path) + list[from + count].len + 400) * (size_t)(1 + list[from + count].sets);
			if (count && bytes > UNITS_BYTES)
				break;
		}
		send_units(import, from, count);
		bool last = from + count == total || list[from + count].depth != list[from].depth;
		error = crew_wait(&import->crew, last ? 0 : CREW_MULTIS - 1);
		if (error == ZKQ_OK)
			error = import->arena.failed ? ZKQ_ENOMEM : import->error;
	}
	crew_end(&import->crew);
	return error;
}

int
zkq_import_wait(struct zkq *handle, int flags, int timeout_ms, zkq_source_fn *source, void *context,
    struct zkq_import_info *info)
{
	struct import import = { .handle = handle, .info = info, .force = flags & ZKQ_IMPORT_FORCE,
	    .crew.stall_ms = timeout_ms };

	if (handle->inside || !source || !info)
		return ZKQ_EINVAL;
	memset(info, 0, sizeof *info);
	int error = read_lines(&import, source, context);
	if (error == ZKQ_OK)
		error = check_empty(&import);
	if (error == ZKQ_OK)
		error = make_root(&import);
	if (error == ZKQ_OK)
		error = write_units(&import);
	if (error == ZKQ_OK)
		error = finish_root(&import);
	restore_free(&import.restore);
	free(import.znodes);
	arena_free(&import.arena);
	return error;
}
