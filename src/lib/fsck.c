/*
 * fsck.c: whether the tree is sound. The cluster goes on meanwhile, so what is found wrong is looked for again in a
 * second reading: names of tasks and claims never come back, so what was only on its way is not found twice.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/invariants.h"

struct fsck {
	struct zkq *handle;
	int stall_ms;
	zkq_finding_fn *found;
	zkq_count_fn *counted;
	void *context;
	struct zkq_fsck_info *info;
	enum rc rc;		/* of a repair */
};

static int
read_once(struct fsck *fsck, struct tree *tree, struct broken_list *broken)
{
	int error = tree_read(tree, fsck->handle, false, fsck->stall_ms, fsck->counted, fsck->context);

	*broken = (struct broken_list){ .count = 0 };
	if (error != ZKQ_OK)
		return error;
	fsck->info->znodes = tree->count;
	invariants_check(tree, broken);
	return broken->failed ? ZKQ_ENOMEM : ZKQ_OK;
}

static int
compare_broken(const void *a, const void *b)
{
	const struct broken *one = a, *other = b;
	int order = strcmp(one->path, other->path);

	if (!order)
		order = strcmp(one->check, other->check);
	return order ? order : strcmp(one->text, other->text);
}

/* Leaves what both have. */
static void
intersect(struct broken_list *list, struct broken_list *other)
{
	int count = 0;

	if (other->count)
		qsort(other->list, (size_t)other->count, sizeof *other->list, compare_broken);
	for (int i = 0; i < list->count; i++)
		if (other->count && bsearch(&list->list[i], other->list, (size_t)other->count, sizeof *other->list,
		    compare_broken))
			list->list[count++] = list->list[i];
	list->count = count;
}

/* The tree is that of the second reading, to which the paths belong. */
static int
examine(struct fsck *fsck, struct tree *tree, struct broken_list *broken)
{
	struct tree before;
	struct broken_list first;
	int error = read_once(fsck, &before, &first);

	*tree = (struct tree){ .count = 0 };
	*broken = (struct broken_list){ .count = 0 };
	if (error == ZKQ_OK)
		error = read_once(fsck, tree, broken);
	if (error == ZKQ_OK)
		intersect(broken, &first);
	broken_free(&first);
	tree_free(&before);
	return error;
}

static const char *
shown(const struct fsck *fsck, const char *path)
{
	return path + strlen(fsck->handle->chroot);
}

static void
take_repair(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply,
    bool repeated)
{
	struct fsck *fsck = context;

	(void)arg, (void)request, (void)repeated;
	fsck->rc = reply->rc;
}

static int
repair_one(struct fsck *fsck, struct broken *one)
{
	struct raw_request request = { .kind = REQ_MULTI, .ops = one->ops, .op_count = one->op_count };
	struct crew crew;

	crew_begin(&crew, fsck->handle, fsck->stall_ms, take_repair, fsck);
	crew_send(&crew, &request, 0);
	int error = crew_wait(&crew, 0);
	crew_end(&crew);
	if (error != ZKQ_OK)
		return error;
	struct zkq_finding finding = { .level = ZKQ_LEVEL_OK, .check = one->check, .what = shown(fsck, one->path),
	    .value = one->text,
		.next = one->advice };
	if (fsck->rc == RC_OK) {
		fsck->info->repaired++;
		fsck->found(fsck->context, &finding);
	}
	return ZKQ_OK;
}

static int
repair(struct fsck *fsck)
{
	struct tree tree;
	struct broken_list broken;
	int error = examine(fsck, &tree, &broken);

	for (int i = 0; i < broken.count && error == ZKQ_OK; i++)
		if (broken.list[i].op_count)
			error = repair_one(fsck, &broken.list[i]);
	broken_free(&broken);
	tree_free(&tree);
	return error;
}

static int
report(struct fsck *fsck)
{
	struct tree tree;
	struct broken_list broken;
	int error = examine(fsck, &tree, &broken);

	for (int i = 0; i < broken.count && error == ZKQ_OK; i++) {
		const struct broken *one = &broken.list[i];
		const char *next = one->op_count ? arena_printf(&broken.arena, "--repair: %s", one->advice) :
		    one->advice;
		struct zkq_finding finding = { .level = one->level, .check = one->check, .what = shown(fsck, one->path),
		    .value = one->text,
			.next = next ? next : one->advice };

		fsck->info->errors += one->level == ZKQ_LEVEL_ERROR;
		fsck->info->notes += one->level != ZKQ_LEVEL_ERROR;
		fsck->found(fsck->context, &finding);
	}
	fsck->info->tasks = broken.tasks;
	fsck->info->claims = broken.claims;
	fsck->info->results = broken.results;
	fsck->info->dead = broken.dead;
	broken_free(&broken);
	tree_free(&tree);
	return error;
}

int
zkq_fsck_wait(struct zkq *handle, int flags, int timeout_ms, zkq_finding_fn *found, zkq_count_fn *counted,
    void *context, struct zkq_fsck_info *info)
{
	struct fsck fsck = { .handle = handle, .stall_ms = timeout_ms, .found = found, .counted = counted,
	    .context = context, .info = info };

	if (handle->inside || !found || !info)
		return ZKQ_EINVAL;
	memset(info, 0, sizeof *info);
	int error = flags & ZKQ_FSCK_REPAIR ? repair(&fsck) : ZKQ_OK;
	return error == ZKQ_OK ? report(&fsck) : error;
}
