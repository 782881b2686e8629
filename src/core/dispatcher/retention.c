/*
 * retention.c: removes results of deleted segments by age, number and bytes, oldest first; what moved/
 * says of them; dead letters; idempotency keys.
 *
 * done/<seg> is marked (data version 2 or more) before anything of it or of dead/<seg> is deleted: who looks for the
 * outcome of a submit must be able to tell "never accepted" from "no longer there". A mark made for dead letters says so
 * ("thinned"), and the results stay; their age then begins anew. Ages are of the servers' clock.
 */
#include "core/dispatcher/sweep.h"

#include <stdlib.h>
#include <string.h>

#define PASS_MS 5000			/* between two looks at the results */
#define SIDE_PASS_MS (10 * 60 * 1000)	/* between two looks at moved, dead letters or keys */
#define STUCK_MS (10 * 60 * 1000)	/* a folder that could not be removed is tried again after that */

/* done/<seg> of a deleted segment. */
struct past {
	uint32_t seg;
	UT_hash_handle hh;
	struct queue *queue;
	struct poll *stamp;
	bool in_tree, read;
	bool removing;
	int32_t version;	/* 0 = not stamped, 2 or more = marked */
	int64_t count, bytes, time_ms;
	int64_t not_before_ms;
};

/* dead/<seg> of a deleted segment. */
struct letters {
	uint32_t seg;
	UT_hash_handle hh;
	struct queue *queue;
	struct poll *look;
	int64_t count, time_ms;
};

enum side { SIDE_MOVED, SIDE_DEAD, SIDE_KEYS, SIDES };

struct retention {
	struct queue *queue;
	struct poll *done_list;
	struct poll *side_lists[SIDES];
	struct past *past;
	struct letters *letters;
	struct sweep *sweep;
	struct past *removing;		/* what the sweep or the mark is about */
	uint32_t reading;		/* stamps not yet read */
	bool marking, passing;
	int64_t pass_at_ms, side_at_ms;
	enum side side;
	uint32_t lowest;		/* segment that still has tasks or results, for moved */
	enum side sweeping;
	uint32_t turns[SIDES];		/* next shard, next directory of keys */
	int letters_left;
	uint32_t thinned;		/* segment whose dead letters must go */
	struct poll *thinned_stamp;
};

static bool
busy(const struct retention *retention)
{
	return retention->sweep || retention->marking || retention->reading || retention->letters_left ||
	    retention->thinned_stamp;
}

/* ---- results ---- */

static void
past_free(struct dispatcher *d, struct retention *retention, struct past *past)
{
	if (past->stamp && !past->read)
		retention->reading--;
	poll_free(d, past->stamp);
	HASH_DEL(retention->past, past);
	if (retention->removing == past)
		retention->removing = NULL;
	free(past);
}

static void judge(struct dispatcher *d, struct retention *retention);

static void
result_folder_gone(struct dispatcher *d, void *owner, bool gone)
{
	struct retention *retention = owner;
	struct past *past = retention->removing;

	sweep_free(d, retention->sweep);
	retention->sweep = NULL;
	retention->removing = NULL;
	if (past && gone) {
		plan_note(d->plan, NOTE_INFO, "queue %s: %lld results of segment %u removed", retention->queue->name,
		    (long long)past->count, past->seg);
		past_free(d, retention, past);
	} else if (past) {
		past->not_before_ms = d->now_ms + STUCK_MS;
		plan_note(d->plan, NOTE_WARNING, "queue %s: results of segment %u cannot be removed for now",
		    retention->queue->name, past->seg);
	}
	judge(d, retention);
}

static void
remove_results(struct dispatcher *d, struct retention *retention, struct past *past)
{
	struct sweep_conf conf = { .folder = node_of_segment(NODE_DONE_SEG, retention->queue->name, past->seg),
		.end = result_folder_gone, .owner = retention };

	retention->removing = past;
	retention->sweep = sweep_new(d, &conf);
}

static void
marked(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct retention *retention = act->owner;
	struct past *past = retention->removing;

	retention->marking = false;
	retention->removing = NULL;
	if (!past)
		return;
	if (reply->rc == RC_OK) {
		past->version++;
		past->removing = true;
		remove_results(d, retention, past);
		return;
	}
	if (reply->rc == RC_NONODE)
		past_free(d, retention, past);
	else {
		past->read = false;	/* read its stamp again, with the next pass */
		poll_free(d, past->stamp);
		past->stamp = NULL;
	}
	retention->pass_at_ms = d->now_ms + RETRY_PAUSE_MS;
}

static void
mark(struct dispatcher *d, struct retention *retention, struct past *past)
{
	struct record record = { .kind = REC_STAMP, .stamp = { .count = past->count, .bytes = past->bytes, .removing = true } };
	struct act *act = leader_act(d, marked, retention);

	if (!act)
		return;
	add_set(d->plan, act->multi, node_of_segment(NODE_DONE_SEG, retention->queue->name, past->seg), past->version,
	    &record);
	retention->marking = true;
	retention->removing = past;
}

static bool
too_old(const struct dispatcher *d, const struct queue *queue, const struct past *past)
{
	int64_t now = server_now(d);

	return now && now - past->time_ms > queue->retain_age_ms;
}

/* All stamps are read: removes the first that must go, if any; comes by again when that is done. */
static void
judge(struct dispatcher *d, struct retention *retention)
{
	const struct queue *queue = retention->queue;
	struct past *oldest = NULL, *doomed = NULL;
	int64_t count = 0, bytes = 0;

	if (busy(retention))
		return;
	for (struct past *past = retention->past; past; past = past->hh.next) {
		if (!past->read || past->version < 1)
			continue;
		if (!past->removing) {
			count += past->count;
			bytes += past->bytes;
		}
		if (past->not_before_ms > d->now_ms)
			continue;
		if (!past->removing && (!oldest || past->seg < oldest->seg))
			oldest = past;
		if ((past->removing || too_old(d, queue, past)) && (!doomed || past->seg < doomed->seg))
			doomed = past;
	}
	if (!doomed && oldest && (count > queue->retain_count || bytes > queue->retain_bytes))
		doomed = oldest;
	if (!doomed)
		return;
	if (doomed->removing)
		remove_results(d, retention, doomed);
	else
		mark(d, retention, doomed);
}

static void
stamp_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct past *past = poll->owner;
	struct retention *retention = past->queue->retention;

	if (reply->rc == RC_OK) {
		past->version = reply->stat.version;
		past->removing = reply->bad ? past->version > 1 : reply->record.stamp.removing;
		past->time_ms = reply->stat.mtime_ms;
		past->count = reply->bad ? 0 : reply->record.stamp.count;
		past->bytes = reply->bad ? 0 : reply->record.stamp.bytes;
	} else {
		past->version = 0;
	}
	past->read = true;
	retention->reading--;
	if (!retention->reading)
		judge(d, retention);
}

static void
want_stamp(struct dispatcher *d, struct retention *retention, struct past *past)
{
	if (past->stamp && !past->read)
		return;		/* on its way */
	if (past->read && past->version > 0)
		return;		/* known */
	if (!past->stamp)
		past->stamp = poll_new(d, REQ_GET, node_of_segment(NODE_DONE_SEG, retention->queue->name, past->seg), REC_STAMP,
		    false, stamp_read, past);
	if (!past->stamp)
		return;
	past->read = false;
	retention->reading++;
	poll_want(d, past->stamp);
}

static void
done_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct retention *retention = poll->owner;
	struct past *past, *next;

	retention->passing = false;
	if (reply->rc != RC_OK)
		return;
	HASH_ITER(hh, retention->past, past, next)
		past->in_tree = false;
	for (int i = 0; i < reply->child_count; i++) {
		uint32_t seg = reply->children[i].seg;

		if (reply->children[i].kind != NODE_DONE_SEG || segment_find(retention->queue, seg))
			continue;
		HASH_FIND(hh, retention->past, &seg, sizeof seg, past);
		if (!past) {
			past = take(d, sizeof *past);
			if (!past)
				return;
			past->seg = seg;
			past->queue = retention->queue;
			HASH_ADD(hh, retention->past, seg, sizeof past->seg, past);
			if (!past->hh.tbl) {
				free(past);
				return;
			}
		}
		past->in_tree = true;
		want_stamp(d, retention, past);
	}
	HASH_ITER(hh, retention->past, past, next)
		if (!past->in_tree && retention->removing != past)
			past_free(d, retention, past);
	judge(d, retention);
}

/* ---- moved, dead letters, keys ---- */

static void
side_swept(struct dispatcher *d, void *owner, bool gone)
{
	struct retention *retention = owner;
	bool more = gone || sweep_pays(retention->sweep);

	sweep_free(d, retention->sweep);
	retention->sweep = NULL;
	if (more) {	/* the next of its kind may be due, too */
		retention->side = retention->sweeping;
		retention->side_at_ms = d->now_ms + (gone ? 0 : RETRY_PAUSE_MS);
	}
}

static void
start_sweep(struct dispatcher *d, struct retention *retention, struct node folder, sweep_test *test,
    enum record_kind record_kind, bool keep_folder)
{
	struct sweep_conf conf = { .folder = folder, .test = test, .record_kind = record_kind, .end = side_swept,
		.owner = retention, .keep_folder = keep_folder, .turn = (uint32_t)rng_below(&d->rng, SHARD_SIZE * 16) };

	retention->sweep = sweep_new(d, &conf);
}

/* The lowest segment of which tasks or results are there. */
static uint32_t
lowest_segment(const struct retention *retention)
{
	uint32_t lowest = UINT32_MAX;

	for (const struct segment *segment = retention->queue->segments; segment; segment = segment->hh.next)
		if (segment->seg < lowest)
			lowest = segment->seg;
	for (const struct past *past = retention->past; past; past = past->hh.next)
		if (past->seg < lowest)
			lowest = past->seg;
	return lowest;
}

static bool
moved_is_past(struct dispatcher *d, void *owner, const struct reply *reply)
{
	const struct retention *retention = owner;

	(void)d;
	return !reply->bad && reply->record.moved.seg < retention->lowest;
}

static bool
key_is_old(struct dispatcher *d, void *owner, const struct reply *reply)
{
	const struct retention *retention = owner;
	int64_t ttl = retention->queue->retain_age_ms > KEY_TTL_MS ? retention->queue->retain_age_ms : KEY_TTL_MS;

	return server_now(d) && server_now(d) - reply->stat.mtime_ms > ttl;
}

/* The next shard or directory in turn: the lowest not below turn, else the lowest. */
static const struct node *
next_child(const struct reply *reply, enum node_kind kind, uint32_t turn)
{
	const struct node *next = NULL, *first = NULL;

	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];
		uint64_t number = kind == NODE_SHARD ? child->seg : child->hash >> 56;

		if (child->kind != kind)
			continue;
		if (!first || number < (kind == NODE_SHARD ? first->seg : first->hash >> 56))
			first = child;
		if (number >= turn && (!next || number < (kind == NODE_SHARD ? next->seg : next->hash >> 56)))
			next = child;
	}
	return next ? next : first;
}

static void
moved_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct retention *retention = poll->owner;
	const struct node *child = reply->rc == RC_OK ? next_child(reply, NODE_SHARD,
	    retention->turns[SIDE_MOVED]) : NULL;

	retention->lowest = lowest_segment(retention);
	if (!child || busy(retention) || retention->lowest == 0)
		return;
	retention->sweeping = SIDE_MOVED;
	retention->turns[SIDE_MOVED] = child->seg + 1;
	start_sweep(d, retention, *child, moved_is_past, REC_MOVED, false);
}

static void
keys_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct retention *retention = poll->owner;
	const struct node *child = reply->rc == RC_OK ? next_child(reply, NODE_KEY_DIR,
	    retention->turns[SIDE_KEYS]) : NULL;

	if (!child || busy(retention))
		return;
	retention->sweeping = SIDE_KEYS;
	retention->turns[SIDE_KEYS] = (uint32_t)(child->hash >> 56) + 1;
	start_sweep(d, retention, *child, key_is_old, REC_NONE, true);
}

static void
letters_free(struct dispatcher *d, struct retention *retention)
{
	struct letters *letters, *next;

	HASH_ITER(hh, retention->letters, letters, next) {
		poll_free(d, letters->look);
		HASH_DEL(retention->letters, letters);
		free(letters);
	}
	retention->letters_left = 0;
}

static void
remove_letters(struct dispatcher *d, struct retention *retention)
{
	retention->sweeping = SIDE_DEAD;
	start_sweep(d, retention, node_of_segment(NODE_DEAD_SEG, retention->queue->name, retention->thinned), NULL, REC_NONE,
	    false);
}

static void
letters_marked(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct retention *retention = act->owner;
	struct past *past;

	retention->marking = false;
	if (reply->rc != RC_OK)
		return;		/* the next look begins anew */
	HASH_FIND(hh, retention->past, &retention->thinned, sizeof retention->thinned, past);
	if (past)
		past->version = 2;
	remove_letters(d, retention);
}

/* What done/<seg> says decides whether these letters may go yet. */
static void
letters_stamp_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct retention *retention = poll->owner;
	struct record record = reply->record;
	struct act *act;

	poll_free(d, poll);
	retention->thinned_stamp = NULL;
	if (reply->rc == RC_NONODE || (reply->rc == RC_OK && reply->stat.version > 1)) {
		remove_letters(d, retention);
		return;
	}
	if (reply->rc != RC_OK || reply->stat.version != 1 || !(act = leader_act(d, letters_marked, retention)))
		return;
	if (reply->bad)
		memset(&record.stamp, 0, sizeof record.stamp);
	record.kind = REC_STAMP;
	record.stamp.thinned = true;
	add_set(d->plan, act->multi, node_of_segment(NODE_DONE_SEG, retention->queue->name, retention->thinned), 1, &record);
	retention->marking = true;
}

/* Removes the oldest letters when they are too old or there are too many. The folder's age is that of its segment's
 * opening: what is older than the limit by that and by thirty days more is old by its letters, too. */
static void
judge_letters(struct dispatcher *d, struct retention *retention)
{
	const char *name = retention->queue->name;
	struct letters *oldest = NULL;
	int64_t count = 0;

	for (struct letters *letters = retention->letters; letters; letters = letters->hh.next) {
		count += letters->count;
		if (!oldest || letters->seg < oldest->seg)
			oldest = letters;
	}
	int64_t here = oldest ? oldest->count : 0;
	bool doomed = oldest && (count > RETAIN_DEAD_COUNT || here == 0 ||
	    (server_now(d) && server_now(d) - oldest->time_ms > 2 * RETAIN_DEAD_AGE_MS));
	if (doomed)
		retention->thinned = oldest->seg;
	letters_free(d, retention);
	if (!doomed)
		return;
	if (here == 0) {
		remove_letters(d, retention);
		return;
	}
	plan_note(d->plan, NOTICE, "queue %s: %lld dead letters of segment %u are removed", name, (long long)here,
	    retention->thinned);
	retention->thinned_stamp = poll_new(d, REQ_GET, node_of_segment(NODE_DONE_SEG, name, retention->thinned), REC_STAMP,
	    false, letters_stamp_read, retention);
	poll_want(d, retention->thinned_stamp);
}

static void
letters_seen(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct letters *letters = poll->owner;
	struct retention *retention = letters->queue->retention;

	letters->count = reply->rc == RC_OK ? reply->stat.children : 0;
	letters->time_ms = reply->rc == RC_OK ? reply->stat.ctime_ms : 0;
	if (!--retention->letters_left)
		judge_letters(d, retention);
}

static void
dead_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct retention *retention = poll->owner;

	if (reply->rc != RC_OK || busy(retention))
		return;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *child = &reply->children[i];

		if (child->kind != NODE_DEAD_SEG || child->seg >= retention->queue->tail_seg ||
		    segment_find(retention->queue, child->seg))
			continue;
		struct letters *letters = take(d, sizeof *letters);
		if (!letters)
			return;
		letters->seg = child->seg;
		letters->queue = retention->queue;
		HASH_ADD(hh, retention->letters, seg, sizeof letters->seg, letters);
		if (!letters->hh.tbl) {
			free(letters);
			return;
		}
		letters->look = poll_new(d, REQ_EXISTS, *child, REC_NONE, false, letters_seen, letters);
		retention->letters_left++;
		poll_want(d, letters->look);
	}
}

/* ---- passes ---- */

void
retention_run(struct dispatcher *d, struct queue *queue)
{
	struct retention *retention = queue->retention;

	if (!retention)
		return;
	if (d->now_ms >= retention->pass_at_ms && !retention->passing && !busy(retention)) {
		retention->pass_at_ms = d->now_ms + PASS_MS;
		retention->passing = true;
		poll_want(d, retention->done_list);
	} else if (d->now_ms >= retention->side_at_ms && !retention->passing && !busy(retention)) {
		retention->side_at_ms = d->now_ms + SIDE_PASS_MS;
		poll_want(d, retention->side_lists[retention->side]);
		retention->side = (retention->side + 1) % SIDES;
	}
	/* While it is busy an answer comes by here anyway. */
	if (!busy(retention) && !retention->passing)
		plan_wake(d->plan, retention->pass_at_ms < retention->side_at_ms ? retention->pass_at_ms : retention->side_at_ms);
}

bool
retention_idle(const struct queue *queue)
{
	return !queue->retention || !busy(queue->retention);
}

void
retention_stamped(struct dispatcher *d, struct queue *queue)
{
	if (queue->retention && queue->retention->pass_at_ms > d->now_ms + RETRY_PAUSE_MS)
		queue->retention->pass_at_ms = d->now_ms + RETRY_PAUSE_MS;
}

void
retention_start(struct dispatcher *d, struct queue *queue)
{
	static const enum node_kind kinds[SIDES] = { NODE_MOVED, NODE_DEAD_ALL, NODE_KEYS };
	static poll_got *const got[SIDES] = { moved_listed, dead_listed, keys_listed };
	struct retention *retention = queue->retention;

	if (retention)
		return;
	retention = queue->retention = take(d, sizeof *retention);
	if (!retention)
		return;
	retention->queue = queue;
	retention->done_list = poll_new(d, REQ_LIST, node_of_queue(NODE_DONE_ALL, queue->name), REC_NONE, false,
	    done_listed, retention);
	for (int i = 0; i < SIDES; i++)
		retention->side_lists[i] = poll_new(d, REQ_LIST, node_of_queue(kinds[i], queue->name), REC_NONE, false, got[i],
		    retention);
	retention->pass_at_ms = d->now_ms;
	retention->side_at_ms = d->now_ms + PASS_MS;
}

void
retention_end(struct dispatcher *d, struct queue *queue)
{
	struct retention *retention = queue->retention;
	struct past *past, *next;

	if (!retention)
		return;
	sweep_free(d, retention->sweep);
	letters_free(d, retention);
	poll_free(d, retention->thinned_stamp);
	HASH_ITER(hh, retention->past, past, next)
		past_free(d, retention, past);
	poll_free(d, retention->done_list);
	for (int i = 0; i < SIDES; i++)
		poll_free(d, retention->side_lists[i]);
	free(retention);
	queue->retention = NULL;
}
