/*
 * purge.c: empties a folder of any application, however long it is. The C client takes a listing of any size, where
 * zkCli and Java clients stop at 1 MB.
 *
 * Level by level: the folders of a level are listed, their children deleted in multis without looking at them first.
 * A child that has children itself refuses to go; such ones are the folders of the next level, and are deleted when
 * that is done. A multi that fails is sent again in two halves, without the op that failed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crew.h"

#define MULTI_OPS 500
#define MULTI_BYTES 400000	/* several are on their way: a server must not spend a second on one client */
#define OP_BYTES 110		/* of a delete, beside its path */
#define TRIES 3			/* of a folder that gets new children meanwhile */
#define TELL_MS 100

/* Paths, each allocated. */
struct paths {
	char **list;
	int count, room;
};

struct purge {
	struct zkq *handle;
	struct crew crew;
	struct zkq_purge_options options;
	zkq_purge_fn *callback;
	void *context;
	struct zkq_purge_progress progress;
	const struct paths *asked;	/* by ask_all() */
	struct paths *found;		/* where children go: of take_list(); those that are full: of take_deleted() */
	int64_t now_ms, began_ms, told_ms;
	int64_t sent;			/* deletes, for the rate */
	bool top;			/* the first listing: its failure is the whole's */
	enum rc top_rc;
	bool failed;			/* memory ran out */
	int error;
};

static void
paths_free(struct paths *paths)
{
	for (int i = 0; i < paths->count; i++)
		free(paths->list[i]);
	free(paths->list);
	*paths = (struct paths){ .count = 0 };
}

/* Takes path. */
static void
paths_add(struct purge *purge, struct paths *paths, char *path)
{
	if (path && paths->count == paths->room) {
		int room = paths->room ? paths->room * 2 : 256;
		char **list = realloc(paths->list, (size_t)room * sizeof *list);

		if (list) {
			paths->list = list;
			paths->room = room;
		}
	}
	if (!path || paths->count == paths->room) {
		free(path);
		purge->failed = true;
		return;
	}
	paths->list[paths->count++] = path;
}

static char *
below(const char *folder, const char *name)
{
	size_t len = strlen(folder), more = strlen(name) + 1;
	char *path = malloc(len + 1 + more);

	if (!path)
		return NULL;
	memcpy(path, folder, len);
	path[len] = '/';
	memcpy(path + len + 1, name, more);
	return path;
}

/* What the caller sees: without the chroot of the connect string. */
static const char *
shown(const struct purge *purge, const char *path)
{
	return path + strlen(purge->handle->chroot);
}

static void
tell(struct purge *purge, const char *path, int error)
{
	purge->progress.path = path ? shown(purge, path) : NULL;
	purge->progress.error = error;
	if (purge->callback && purge->callback(purge->context, &purge->progress) && purge->error == ZKQ_OK)
		purge->error = ZKQ_ECANCELLED;
	purge->told_ms = link_now_ms();
}

/* ---- listing ---- */

static void
take_list(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply, bool repeated)
{
	struct purge *purge = context;

	(void)repeated;
	if (purge->top)
		purge->top_rc = reply->rc;
	else if (reply->rc == RC_NOAUTH) {
		purge->progress.refused++;
		tell(purge, request->path, ZKQ_ENOAUTH);
		purge->asked->list[arg][0] = '\0';	/* counted: it will not go */
	}
	for (int i = 0; reply->rc == RC_OK && i < reply->child_count; i++)
		paths_add(purge, purge->found, below(request->path, reply->children[i]));
	if (reply->rc == RC_OK)
		purge->progress.found += reply->child_count;
}

static void
take_stat(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply, bool repeated)
{
	struct purge *purge = context;
	(void)request, (void)repeated;
	if (reply->rc == RC_OK && reply->stat.ctime_ms < purge->now_ms - purge->options.keep_newer_ms)
		return;
	if (reply->rc == RC_OK)
		purge->progress.kept++;
	else
		purge->progress.gone++;
	purge->asked->list[arg][0] = '\0';
}

static int
pause_and_tell(struct purge *purge, int most)
{
	int error = crew_wait(&purge->crew, most);

	if (link_now_ms() - purge->told_ms >= TELL_MS)
		tell(purge, NULL, ZKQ_OK);
	if (purge->failed)
		return ZKQ_ENOMEM;
	return error != ZKQ_OK ? error : purge->error;
}

/* Asks about every path, many at once. */
static int
ask_all(struct purge *purge, enum request_kind kind, const struct paths *paths, crew_fn *take, struct paths *found)
{
	int error = ZKQ_OK;

	purge->asked = paths;
	purge->found = found;
	crew_begin(&purge->crew, purge->handle, purge->crew.stall_ms, take, purge);
	for (int i = 0; i < paths->count && error == ZKQ_OK; i++) {
		crew_ask(&purge->crew, kind, paths->list[i], (uint64_t)i);
		error = pause_and_tell(purge, CREW_READS - 1);
	}
	if (error == ZKQ_OK)
		error = pause_and_tell(purge, 0);
	crew_end(&purge->crew);
	return error;
}

/* Takes out those that a reply has marked by an empty path. */
static void
drop_marked(struct paths *paths)
{
	int count = 0;

	for (int i = 0; i < paths->count; i++)
		if (paths->list[i][0])
			paths->list[count++] = paths->list[i];
		else
			free(paths->list[i]);
	paths->count = count;
}

/* ---- deleting ---- */

static void
send_deletes(struct purge *purge, const struct raw_op *ops, int count, bool repeated)
{
	struct raw_request request = { .kind = REQ_MULTI, .ops = (struct raw_op *)(uintptr_t)ops, .op_count = count };

	if (count)
		crew_send(&purge->crew, &request, repeated);
}

static void
take_refusal(struct purge *purge, const char *path, enum rc rc, bool repeated)
{
	switch (rc) {
	case RC_NONODE:
		if (repeated)
			purge->progress.deleted++;	/* by us, the first time */
		else
			purge->progress.gone++;
		break;
	case RC_NOTEMPTY:
		paths_add(purge, purge->found, strdup(path));
		break;
	default:
		purge->progress.refused++;
		tell(purge, path, error_of_rc(rc));
	}
}

static void
take_deleted(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply,
    bool repeated)
{
	struct purge *purge = context;
	int count = request->op_count, bad = reply->failed_op;

	repeated = repeated || arg;	/* as a part of a larger one */
	if (reply->rc == RC_OK) {
		purge->progress.deleted += count;
		return;
	}
	if (bad < 0 || bad >= count) {
		for (int i = 0; i < count; i++)
			take_refusal(purge, request->ops[i].path, reply->rc, repeated);
		return;
	}
	take_refusal(purge, request->ops[bad].path, reply->rc, repeated);
	memmove(&request->ops[bad], &request->ops[bad + 1], (size_t)(count - bad - 1) * sizeof *request->ops);
	count--;
	send_deletes(purge, request->ops, count / 2, repeated);
	send_deletes(purge, request->ops + count / 2, count - count / 2, repeated);
}

/* Waits until the rate allows for count more. */
static int
keep_rate(struct purge *purge, int count)
{
	int error = ZKQ_OK;

	while (purge->options.rate > 0 && error == ZKQ_OK &&
	    (double)purge->sent > (double)purge->options.rate * (double)(link_now_ms() - purge->began_ms) / 1000) {
		handle_turn(purge->handle, link_now_ms() + 20, NULL, 0);
		error = pause_and_tell(purge, CREW_MULTIS);
	}
	purge->sent += count;
	return error;
}

/* The next multi of paths from index on; returns how many ops it has. */
static int
fill(const struct purge *purge, const struct paths *paths, int index, struct raw_op ops[MULTI_OPS])
{
	int most = purge->options.rate > 0 && purge->options.rate < 10 * MULTI_OPS ? purge->options.rate / 10 + 1 :
	    MULTI_OPS;
	size_t bytes = 0;
	int count = 0;

	while (count < most && index + count < paths->count) {
		bytes += OP_BYTES + strlen(paths->list[index + count]);
		if (count && bytes > MULTI_BYTES)
			break;
		ops[count] = (struct raw_op){ .kind = OP_DELETE, .path = paths->list[index + count],
		    .version = ANY_VERSION };
		count++;
	}
	return count;
}

/* full gets those that have children. */
static int
delete_all(struct purge *purge, const struct paths *paths, struct paths *full)
{
	struct raw_op ops[MULTI_OPS];
	int error = ZKQ_OK;

	purge->found = full;
	crew_begin(&purge->crew, purge->handle, purge->crew.stall_ms, take_deleted, purge);
	for (int i = 0; i < paths->count && error == ZKQ_OK; ) {
		int count = fill(purge, paths, i, ops);

		error = keep_rate(purge, count);
		if (error == ZKQ_OK)
			send_deletes(purge, ops, count, false);
		i += count;
		if (error == ZKQ_OK)
			error = pause_and_tell(purge, CREW_MULTIS - 1);
	}
	if (error == ZKQ_OK)
		error = pause_and_tell(purge, 0);
	crew_end(&purge->crew);
	return error;
}

/* ---- levels ---- */

static int empty(struct purge *purge, const struct paths *folders);

/* Those that have children, after their children. */
static int
delete_full(struct purge *purge, struct paths *full)
{
	int error = ZKQ_OK;

	for (int i = 0; full->count && purge->options.recursive && error == ZKQ_OK && i < TRIES; i++) {
		struct paths left = { .count = 0 };

		error = empty(purge, full);
		drop_marked(full);
		if (error == ZKQ_OK)
			error = delete_all(purge, full, &left);
		paths_free(full);
		*full = left;
	}
	for (int i = 0; i < full->count && error == ZKQ_OK; i++) {
		purge->progress.full++;
		tell(purge, full->list[i], ZKQ_EEXIST);
	}
	return error;
}

/* Deletes all children of all folders. Calls itself for the level below: at most as deep as a path can be. */
static int
empty(struct purge *purge, const struct paths *folders)
{
	struct paths children = { .count = 0 }, full = { .count = 0 };
	int error = ask_all(purge, REQ_LIST, folders, take_list, &children);

	purge->top = false;
	if (error == ZKQ_OK && purge->options.keep_newer_ms)
		error = ask_all(purge, REQ_EXISTS, &children, take_stat, NULL);
	drop_marked(&children);
	if (error == ZKQ_OK && purge->options.dry_run && purge->options.recursive && children.count)
		error = empty(purge, &children);
	else if (error == ZKQ_OK && !purge->options.dry_run)
		error = delete_all(purge, &children, &full);
	paths_free(&children);
	if (error == ZKQ_OK && !purge->options.dry_run)
		error = delete_full(purge, &full);
	paths_free(&full);
	return error;
}

/* ---- what must not be emptied ---- */

/* Whether one path is the other, or above or below it. */
static bool
touches(const char *a, const char *b)
{
	size_t len = strlen(a), other = strlen(b), less = len < other ? len : other;

	return strncmp(a, b, less) == 0 && (len == other || (len < other ? b : a)[less] == '/');
}

int
zkq_purge_check(struct zkq *handle, const char *path)
{
	char *whole = NULL;

	if (!path || path[0] != '/' || strlen(path) > 900000 / 2 || !path[1] || touches(path, "/zookeeper"))
		return ZKQ_EINVAL;
	if (asprintf(&whole, "%s%s", handle->chroot, path) < 0)
		return ZKQ_ENOMEM;
	int error = !path_ok(whole) || touches(whole, "/zookeeper") ? ZKQ_EINVAL : touches(whole, handle->root) ?
	    ZKQ_EEXIST : ZKQ_OK;
	free(whole);
	return error;
}

struct looked {
	enum rc rc;
	bool ours;
};

static void
take_look(void *context, uint64_t arg, const struct raw_request *request, const struct raw_reply *reply, bool repeated)
{
	struct looked *looked = context;
	struct arena arena = { 0 };
	struct record record;
	const char *why;

	(void)arg, (void)request, (void)repeated;
	looked->rc = reply->rc;
	looked->ours = reply->rc == RC_OK && record_decode(&arena, REC_ROOT, reply->data ? reply->data : "", reply->len,
	    &record, &why) && record.root.format > 0;
	arena_free(&arena);
}

/* The root of another zkq is not emptied by mistake, either. */
static int
look_first(struct purge *purge, const char *path)
{
	struct looked looked = { .rc = RC_OK };
	struct crew crew;

	crew_begin(&crew, purge->handle, purge->crew.stall_ms, take_look, &looked);
	crew_ask(&crew, REQ_GET, path, 0);
	int error = crew_wait(&crew, 0);
	crew_end(&crew);
	if (error != ZKQ_OK)
		return error;
	if (looked.rc == RC_NONODE)
		return ZKQ_ENOENT;
	return looked.ours && !purge->options.force ? ZKQ_EEXIST : ZKQ_OK;
}

static int
run(struct purge *purge, const char *path)
{
	char *whole = NULL;

	if (asprintf(&whole, "%s%s", purge->handle->chroot, path) < 0)
		return ZKQ_ENOMEM;
	struct paths folders = { .list = &whole, .count = 1 };
	int error = look_first(purge, whole);
	if (error == ZKQ_OK)
		error = empty(purge, &folders);
	free(whole);
	if (error == ZKQ_OK && purge->top_rc != RC_OK)
		error = error_of_rc(purge->top_rc);
	if (error == ZKQ_OK)
		tell(purge, NULL, ZKQ_OK);
	return error;
}

int
zkq_purge_wait(struct zkq *handle, const char *path, const struct zkq_purge_options *options, int timeout_ms,
    zkq_purge_fn *callback, void *context)
{
	struct purge purge = { .handle = handle, .callback = callback, .context = context, .crew.stall_ms = timeout_ms,
	    .top = true,
		.now_ms = link_wall_ms(), .began_ms = link_now_ms() };

	if (handle->inside || (options && options->size < sizeof options->size))
		return ZKQ_EINVAL;
	if (options)
		memcpy(&purge.options, options, options->size < sizeof *options ? options->size : sizeof *options);
	int error = zkq_purge_check(handle, path);
	if (error == ZKQ_EEXIST && purge.options.force)
		error = ZKQ_OK;
	return error == ZKQ_OK ? run(&purge, path) : error;
}
