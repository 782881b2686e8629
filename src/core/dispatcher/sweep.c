/*
 * sweep.c: removes the children of a folder in batches, all of them or those that a test dooms, and then
 * the folder. One sweep per queue at a time; whoever loses the outcome of a batch lists again.
 */
#include "core/dispatcher/sweep.h"

#include <stdlib.h>
#include <string.h>

#define BATCHES_MAX 8		/* multis of one sweep that are out */
#define READS_MAX SHARD_SIZE	/* children looked at in one sweep */
#define TRIES_MAX 5
#define PAYING_SHARE 4		/* one of so many removed: there is more to be found */

struct sweep {
	struct node folder;
	struct poll *list;
	sweep_test *test;
	sweep_end *end;
	void *owner;
	enum request_kind read_kind;
	enum record_kind record_kind;
	struct poll **reads;	/* of the children, when there is a test */
	bool *doomed;
	int read_count, left, doomed_count;
	int total, strangers;
	int out;		/* multis */
	int tries;
	uint32_t turn;		/* which children of a long folder are looked at */
	bool failed, keep_folder, all;
};

static void
forget_reads(struct dispatcher *d, struct sweep *sweep)
{
	for (int i = 0; i < sweep->read_count; i++)
		poll_free(d, sweep->reads[i]);
	free(sweep->reads);
	free(sweep->doomed);
	sweep->reads = NULL;
	sweep->doomed = NULL;
	sweep->read_count = sweep->left = sweep->doomed_count = 0;
}

void
sweep_free(struct dispatcher *d, struct sweep *sweep)
{
	if (!sweep)
		return;
	forget_reads(d, sweep);
	poll_free(d, sweep->list);
	free(sweep);
}

bool
sweep_pays(const struct sweep *sweep)
{
	return sweep->doomed_count > sweep->read_count / PAYING_SHARE;
}

static void
finish(struct dispatcher *d, struct sweep *sweep, bool gone)
{
	sweep->end(d, sweep->owner, gone);	/* frees it */
}

static void
again(struct dispatcher *d, struct sweep *sweep)
{
	forget_reads(d, sweep);
	if (++sweep->tries > TRIES_MAX) {
		finish(d, sweep, false);
		return;
	}
	poll_want_at(d, sweep->list, d->now_ms + LIST_PAUSE_MIN_MS * LIST_PAUSE_FACTOR * sweep->tries);
}

static void
folder_deleted(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct sweep *sweep = act->owner;

	if (reply->rc == RC_OK || (reply->rc == RC_NONODE && reply->failed_op == 1))
		finish(d, sweep, true);
	else
		again(d, sweep);
}

static void
delete_folder(struct dispatcher *d, struct sweep *sweep)
{
	struct act *act;

	if (sweep->keep_folder) {
		finish(d, sweep, false);
		return;
	}
	act = leader_act(d, folder_deleted, sweep);
	if (act)
		add_delete(d->plan, act->multi, sweep->folder, ANY_VERSION);
}

static void
batch_deleted(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct sweep *sweep = act->owner;

	if (reply->rc != RC_OK)
		sweep->failed = true;
	if (--sweep->out)
		return;
	if (sweep->failed)
		again(d, sweep);
	else if (sweep->all && !sweep->strangers)
		delete_folder(d, sweep);
	else if (sweep->all || sweep->test)
		finish(d, sweep, false);
	else {
		sweep->tries = 0;	/* it goes on: more than could be out at once */
		poll_want(d, sweep->list);
	}
}

/* Sends the deletes of nodes; all: nothing else is left in the folder. */
static void
delete_all(struct dispatcher *d, struct sweep *sweep, const struct node *nodes, int count, bool all)
{
	sweep->failed = false;
	sweep->all = all;
	if (!count) {
		if (all && !sweep->strangers)
			delete_folder(d, sweep);
		else
			finish(d, sweep, false);
		return;
	}
	for (int i = 0; i < count && sweep->out < BATCHES_MAX;) {
		struct act *act = leader_act(d, batch_deleted, sweep);

		if (!act)
			return;
		for (int k = 0; k < DELETES_MAX && i < count; k++, i++)
			add_delete(d->plan, act->multi, nodes[i], ANY_VERSION);
		sweep->out++;
		if (i < count && sweep->out == BATCHES_MAX)
			sweep->all = false;
	}
}

static void
child_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct sweep *sweep = poll->owner;
	int doomed = 0;

	for (int i = 0; i < sweep->read_count; i++)
		if (sweep->reads[i] == poll)
			sweep->doomed[i] = reply->rc == RC_OK && sweep->test(d, sweep->owner, reply);
	if (--sweep->left)
		return;
	struct node *nodes = arena_alloc(&d->plan->arena, (size_t)sweep->read_count * sizeof *nodes);
	if (!nodes)
		return;
	for (int i = 0; i < sweep->read_count; i++)
		if (sweep->doomed[i])
			nodes[doomed++] = sweep->reads[i]->node;
	sweep->doomed_count = doomed;
	delete_all(d, sweep, nodes, doomed, doomed == sweep->total);
}

static void
read_children(struct dispatcher *d, struct sweep *sweep, const struct node *nodes, int count)
{
	int most = count < READS_MAX ? count : READS_MAX;

	sweep->reads = take(d, (size_t)most * sizeof *sweep->reads);
	sweep->doomed = take(d, (size_t)most * sizeof *sweep->doomed);
	if (!sweep->reads || !sweep->doomed)
		return;
	for (int i = 0; i < most; i++) {
		const struct node *node = &nodes[(sweep->turn + (uint32_t)i) % (uint32_t)count];
		struct poll *poll = poll_new(d, sweep->read_kind, *node, sweep->record_kind, false, child_read, sweep);

		if (!poll)
			return;
		sweep->reads[sweep->read_count++] = poll;
		sweep->left++;
		poll_want(d, poll);
	}
}

static void
listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct sweep *sweep = poll->owner;
	int count = 0;

	if (reply->rc != RC_OK) {
		finish(d, sweep, reply->rc == RC_NONODE);
		return;
	}
	struct node *nodes = arena_alloc(&d->plan->arena, ((size_t)reply->child_count + 1) * sizeof *nodes);
	if (!nodes)
		return;
	for (int i = 0; i < reply->child_count; i++)
		if (reply->children[i].kind != NODE_STRANGER)
			nodes[count++] = reply->children[i];
	sweep->total = count;
	sweep->strangers = reply->child_count - count;
	if (sweep->test && count)
		read_children(d, sweep, nodes, count);
	else
		delete_all(d, sweep, nodes, count, true);
}

struct sweep *
sweep_new(struct dispatcher *d, const struct sweep_conf *conf)
{
	struct sweep *sweep = take(d, sizeof *sweep);

	if (!sweep)
		return NULL;
	sweep->folder = conf->folder;
	sweep->test = conf->test;
	sweep->end = conf->end;
	sweep->owner = conf->owner;
	sweep->read_kind = conf->record_kind == REC_NONE ? REQ_EXISTS : REQ_GET;
	sweep->record_kind = conf->record_kind;
	sweep->turn = conf->turn;
	sweep->keep_folder = conf->keep_folder;
	sweep->list = poll_new(d, REQ_LIST, conf->folder, REC_NONE, false, listed, sweep);
	if (!sweep->list) {
		free(sweep);
		return NULL;
	}
	poll_want(d, sweep->list);
	return sweep;
}
