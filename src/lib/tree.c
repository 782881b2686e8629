#include "lib/tree.h"

#include <stdlib.h>
#include <string.h>

#define TELL_EVERY 1000

/* Waves: what must have been read before what, see tree.h. */
enum { WAVE_ASSIGN, WAVE_INBOX, WAVE_TASKS, WAVE_REST, WAVES };

static const char *
below(struct arena *arena, const char *folder, const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

static void
visit(struct tree *tree, const char *path)
{
	if (tree->asked_count == tree->asked_room) {
		int room = tree->asked_room ? tree->asked_room * 2 : 1024;
		struct tree_node *asked = realloc(tree->asked, (size_t)room * sizeof *asked);

		if (!asked) {
			tree->failed = true;
			return;
		}
		tree->asked = asked;
		tree->asked_room = room;
	}
	struct tree_node *node = &tree->asked[tree->asked_count++];
	*node = (struct tree_node){ .path = path };
	node->known = path && path_parse(tree->handle->root, path, &node->node);
	tree->failed = tree->failed || !path;
}

/* Whether a child belongs to this wave; the folders on the way to it are gone through without being visited. */
static bool
wanted(const struct tree *tree, const struct node *child)
{
	if (tree->wave < WAVE_REST)
		return true;	/* inside of what was asked for */
	return child->kind != NODE_ASSIGN && child->kind != NODE_INBOX && child->kind != NODE_TASKS;
}

static const struct raw_acl *
copy_acl(struct tree *tree, const struct raw_reply *reply)
{
	struct raw_acl *acl = arena_alloc(&tree->arena, (size_t)(reply->acl_count + 1) * sizeof *acl);

	for (int i = 0; acl && i < reply->acl_count; i++)
		acl[i] = (struct raw_acl){ reply->acl[i].perms, arena_string(&tree->arena, reply->acl[i].scheme),
			arena_string(&tree->arena, reply->acl[i].id) };
	return acl;
}

static void
take_children(struct tree *tree, const struct tree_node *folder, const struct raw_reply *reply)
{
	struct node child;

	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++) {
		child = (struct node){ .kind = NODE_STRANGER };
		if (folder->known)
			name_parse(&folder->node, reply->children[i], &child);
		if (wanted(tree, &child))
			visit(tree, below(&tree->arena, folder->path, reply->children[i]));
	}
}

/* What was gone before it could be read is not in the tree. */
static void
take_data(struct tree *tree, int at, const char *path, const struct raw_reply *reply)
{
	struct tree_node *node = &tree->asked[at];

	if (at == 0 && tree->wave == WAVE_REST)
		tree->root_rc = reply->rc;
	if (reply->rc == RC_NOAUTH) {
		node->denied = true;
		tree->denied++;
	}
	if (reply->rc != RC_OK && reply->rc != RC_NOAUTH) {
		node->path = NULL;
		return;
	}
	node->stat = reply->stat;
	node->len = reply->rc == RC_OK ? reply->len : 0;
	node->data = arena_copy(&tree->arena, node->len ? reply->data : "", node->len);
	if (reply->rc == RC_OK && reply->stat.children)
		crew_ask(&tree->crew, REQ_LIST, path, (uint64_t)at);
}

static void
take(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply, bool repeated)
{
	struct tree *tree = context;
	int at = (int)arg;

	(void)repeated;
	switch (request->kind) {
	case REQ_GET:
		take_data(tree, at, request->path, reply);
		break;
	case REQ_ACL:
		if (reply->rc == RC_OK) {
			tree->asked[at].acl = copy_acl(tree, reply);
			tree->asked[at].acl_count = reply->acl_count;
		}
		break;
	case REQ_LIST: {
		struct tree_node folder = tree->asked[at];	/* the list moves when it grows */

		folder.path = request->path;
		take_children(tree, &folder, reply);
		break;
	}
	default:
		break;
	}
}

static void
ask(struct tree *tree, int at)
{
	const char *path = tree->asked[at].path;

	crew_ask(&tree->crew, REQ_GET, path, (uint64_t)at);
	if (tree->want_acl)
		crew_ask(&tree->crew, REQ_ACL, path, (uint64_t)at);
}

static int
keep(struct tree *tree)
{
	for (int i = 0; i < tree->asked_count; i++) {
		if (!tree->asked[i].path)
			continue;
		if (tree->count == tree->room) {
			int room = tree->room ? tree->room * 2 : 1024;
			struct tree_node *list = realloc(tree->list, (size_t)room * sizeof *list);

			if (!list)
				return ZKQ_ENOMEM;
			tree->list = list;
			tree->room = room;
		}
		tree->list[tree->count++] = tree->asked[i];
	}
	return ZKQ_OK;
}

/* Visits what was asked for and all that is found below it. */
static int
run_wave(struct tree *tree)
{
	int error = ZKQ_OK;

	for (tree->asked_at = 0; error == ZKQ_OK; ) {
		if (tree->asked_at < tree->asked_count) {
			ask(tree, tree->asked_at++);
			error = crew_wait(&tree->crew, CREW_READS);
		} else if (tree->crew.count) {
			error = crew_wait(&tree->crew, tree->crew.count - 1);
		} else {
			break;
		}
		if (tree->failed || tree->arena.failed)
			error = ZKQ_ENOMEM;
		else if (error == ZKQ_OK && tree->counted && tree->asked_at % TELL_EVERY == 0 &&
		    tree->counted(tree->context, tree->count + tree->asked_at))
			error = ZKQ_ECANCELLED;
	}
	if (error == ZKQ_OK)
		error = keep(tree);
	tree->asked_count = 0;
	return error;
}

struct names {
	struct tree *tree;
	const char *part;	/* "/inbox" */
};

static void
take_queues(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply,
    bool repeated)
{
	struct names *names = context;

	(void)arg, (void)repeated;
	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++)
		visit(names->tree, arena_printf(&names->tree->arena, "%s/%s%s", request->path, reply->children[i],
		    names->part));
}

/* Begins a wave with one part of each queue. */
static int
ask_queues(struct tree *tree, const char *part, int stall_ms)
{
	struct names names = { tree, part };
	struct crew crew;

	crew_begin(&crew, tree->handle, stall_ms, take_queues, &names);
	crew_ask(&crew, REQ_LIST, arena_printf(&tree->arena, "%s/queues", tree->handle->root), 0);
	int error = crew_wait(&crew, 0);
	crew_end(&crew);
	return error;
}

int
tree_read(struct tree *tree, struct zkq *handle, bool want_acl, int stall_ms, zkq_count_fn *counted, void *context)
{
	int error = ZKQ_OK;

	*tree = (struct tree){ .handle = handle, .want_acl = want_acl, .counted = counted, .context = context };
	crew_begin(&tree->crew, handle, stall_ms, take, tree);
	for (tree->wave = 0; tree->wave < WAVES && error == ZKQ_OK; tree->wave++) {
		if (tree->wave == WAVE_ASSIGN)
			visit(tree, arena_printf(&tree->arena, "%s/assign", handle->root));
		else if (tree->wave == WAVE_REST)
			visit(tree, handle->root);
		else
			error = ask_queues(tree, tree->wave == WAVE_INBOX ? "/inbox" : "/tasks", stall_ms);
		if (error == ZKQ_OK)
			error = run_wave(tree);
	}
	crew_end(&tree->crew);
	if (error == ZKQ_OK && tree->root_rc != RC_OK)
		error = tree->root_rc == RC_NONODE ? ZKQ_ENOTREE : error_of_rc(tree->root_rc);
	return error;
}

void
tree_free(struct tree *tree)
{
	free(tree->list);
	free(tree->asked);
	arena_free(&tree->arena);
}

const char *
tree_below(const struct tree *tree, const struct tree_node *node)
{
	const char *path = node->path + strlen(tree->handle->root);

	return *path == '/' ? path + 1 : path;
}
