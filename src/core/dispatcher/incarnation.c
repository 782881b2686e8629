/*
 * incarnation.c: the folder of a worker's life: its claims, its report, its session.
 *
 * Read once in the order listing, report, live-<r>, worker's record; afterwards the report is read
 * again whenever it changes, and live-<r> is watched. Which claims are resolved stands in the report;
 * the folder is listed again only when the outcome of a multi in it is unknown.
 */
#include "core/dispatcher/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- claims ---- */

struct node
claim_node(const struct claim *claim)
{
	struct task_name name = task_name_of(claim->task);
	const struct segment *segment = claim->task->segment;

	return node_claim(claim->folder->worker, claim->folder->inc, claim->n, segment->queue->name, segment->seg, &name,
	    claim->run, claim->fence);
}

struct claim *
claim_new(struct dispatcher *d, struct folder *folder, uint64_t n, struct task *task, uint32_t run, struct fence fence)
{
	struct claim *claim = take(d, sizeof *claim);

	if (!claim)
		return NULL;
	claim->n = n;
	claim->folder = folder;
	claim->task = task;
	claim->run = run;
	claim->fence = fence;
	HASH_ADD(hh, folder->claims, n, sizeof claim->n, claim);
	if (!claim->hh.tbl) {
		free(claim);
		return NULL;
	}
	task_leave(d, task);
	task->phase = TASK_CLAIMED;
	task->aux.claim = claim;
	folder->unresolved++;
	task->segment->queue->claims++;
	folder->unresolved_at[task->priority]++;
	d->claimed++;
	task->segment->queue->claimed++;
	return claim;
}

void
claim_free(struct dispatcher *d, struct claim *claim)
{
	struct folder *folder = claim->folder;

	HASH_DEL(folder->claims, claim);
	folder->unresolved--;
	claim->task->segment->queue->claims--;
	folder->unresolved_at[claim->task->priority]--;
	d->claimed--;
	claim->task->segment->queue->claimed--;
	if (claim->phase == CLAIM_HELD)
		claim->task->seen_ms = d->now_ms;	/* if it waits again, then from now on */
	if (claim->phase == CLAIM_FROZEN)
		d->frozen--;
	if (claim->orders & 1 << VERB_RELEASE)
		folder->release_ordered--;
	claim->task->phase = TASK_UNREAD;
	claim->task->aux.claim = NULL;
	poll_free(d, claim->fetch);
	free(claim->text);
	free(claim);
	d->place_due = true;
}

/* ---- the life of a folder ---- */

static struct rec_report
report_view(const struct folder *folder)
{
	return (struct rec_report){ .low = folder->low, .done = folder->done, .done_count = folder->done_count,
		.returned_last = folder->returned, .returned_count = folder->returned_count };
}

void
folder_free(struct dispatcher *d, struct folder *folder)
{
	struct claim *claim, *next;

	HASH_ITER(hh, folder->claims, claim, next)
		claim_free(d, claim);
	poll_free(d, folder->list);
	poll_free(d, folder->report);
	poll_free(d, folder->live_poll);
	poll_free(d, folder->record);
	poll_free(d, folder->count);
	HASH_DEL(d->folders, folder);
	free(folder->done);
	free(folder->returned);
	free(folder->queues);
	free(folder->strays);
	free(folder->tallies);
	free(folder);
}

void
folder_act_done(struct dispatcher *d, struct folder *folder)
{
	folder->acts--;
	if (folder->gone && !folder->acts)
		folder_vanished(d, folder);
	else
		folder_compare(d, folder);
}

static void
remember_numbers(struct dispatcher *d, const struct folder *folder)
{
	struct lost_numbers *lost;

	HASH_FIND_STR(d->lost_numbers, folder->key, lost);
	if (!lost) {
		lost = take(d, sizeof *lost);
		if (!lost)
			return;
		memcpy(lost->key, folder->key, sizeof lost->key);
		HASH_ADD_STR(d->lost_numbers, key, lost);
		if (!lost->hh.tbl) {
			free(lost);
			return;
		}
	}
	lost->next_n = folder->next_n;
}

void
lost_numbers_free(struct dispatcher *d)
{
	struct lost_numbers *lost, *next;

	HASH_ITER(hh, d->lost_numbers, lost, next) {
		HASH_DEL(d->lost_numbers, lost);
		free(lost);
	}
}

/* The folder is no longer in the tree: neither are its claims. */
void
folder_vanished(struct dispatcher *d, struct folder *folder)
{
	struct claim *claim, *next;

	folder->gone = true;
	if (folder->acts)
		return;
	HASH_ITER(hh, folder->claims, claim, next) {
		struct task *task = claim->task;

		claim_free(d, claim);
		task_doubt(d, task);
	}
	if (!folder->draining)
		remember_numbers(d, folder);	/* who drains does not come back */
	folder_free(d, folder);
	leader_folders_read(d);
}

static void
check_taken(struct dispatcher *d, struct folder *folder)
{
	if (folder->taken || !folder->listed || !folder->reported || folder->live == LIVE_UNREAD || !folder->record_read)
		return;
	folder->taken = true;
	d->place_due = true;
	plan_note(d->plan, NOTICE, "worker %s: %s, incarnation %s, %d slots, %u claims", folder->worker,
	    folder->live == LIVE_MISSING ? "lost" : "registered", folder->inc, folder->slots, folder->unresolved);
	leader_folders_read(d);
}

bool
folder_serves(const struct folder *folder, const char *queue)
{
	for (int i = 0; i < folder->queue_count; i++)
		if (!strcmp(folder->queues[i], queue))
			return true;
	return false;
}

void
folder_settle(struct dispatcher *d, struct folder *folder)
{
	folder->settle = true;
	folder->settle_listed = false;
	folder->settle_list = folder->list ? folder->list->sent : 0;
	poll_want(d, folder->list);
}

/* ---- the listing ---- */

static void
adopt(struct dispatcher *d, struct folder *folder, const struct node *node)
{
	struct queue *queue = queue_of(d, node->queue);
	struct segment *segment = queue ? segment_of(d, queue, node->seg) : NULL;

	if (!segment)
		return;
	struct task *task = segment_by_name(segment, &node->task);
	if (!task)
		task = task_new(d, segment, &node->task);
	if (!task)
		return;
	if (task->phase == TASK_CLAIMED || task->phase == TASK_ENDING) {
		plan_note(d->plan, NOTE_ERROR, "task %s: has a second claim, %llu of worker %s; it is ignored",
		    task_words(d, task), (unsigned long long)node->n, folder->worker);
		return;
	}
	struct claim *claim = claim_new(d, folder, node->n, task, node->run, node->fence);
	if (!claim)
		return;
	claim->phase = CLAIM_HELD;
	claim->seen = true;
	if (task->wished)
		wishes_task(d, task);
}

static void
claim_listed(struct dispatcher *d, struct folder *folder, const struct node *node)
{
	struct claim *claim;

	if (node->n >= folder->next_n)
		folder->next_n = node->n + 1;
	HASH_FIND(hh, folder->claims, &node->n, sizeof node->n, claim);
	if (!claim) {
		adopt(d, folder, node);
		return;
	}
	claim->seen = true;
	if (claim->phase == CLAIM_FROZEN) {
		claim->phase = CLAIM_HELD;
		d->frozen--;
		count_assigned(d, claim);
		if (claim->task->wished)
			wishes_task(d, claim->task);
	}
}

static void
orders_listed(struct dispatcher *d, struct folder *folder, const struct reply *reply)
{
	struct claim *claim;

	free(folder->strays);
	folder->strays = NULL;
	folder->stray_count = 0;
	for (int i = 0; i < reply->child_count; i++) {
		const struct node *node = &reply->children[i];

		if (node->kind != NODE_ORDER)
			continue;
		HASH_FIND(hh, folder->claims, &node->n, sizeof node->n, claim);
		if (claim) {
			if (node->verb == VERB_RELEASE && !(claim->orders & 1 << VERB_RELEASE))
				folder->release_ordered++;
			claim->orders |= (uint8_t)(1 << node->verb);
			continue;
		}
		uint32_t room = (uint32_t)folder->stray_count;
		void *strays = folder->strays;
		if (!grow(d, &strays, (uint32_t)folder->stray_count, &room, sizeof *folder->strays))
			return;
		folder->strays = strays;
		folder->strays[folder->stray_count++] = *node;
	}
}

/* Nothing below it can be a claim, so whoever takes over need not know it; what holds something may hold claims. */
static void
folder_counted(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct folder *folder = poll->owner;

	if (reply->rc == RC_NONODE) {
		folder_vanished(d, folder);
		return;
	}
	if (reply->rc != RC_OK || folder->listed)
		return;
	if (!folder->bad_said)
		plan_note(d->plan, NOTE_ERROR, "worker %s: its folder of incarnation %s may not be listed: %s", folder->worker, folder->inc,
		    reply->stat.children == 0 ? "it is empty, and left alone" :
		    "it may hold claims: a leader gives out nothing before it can list it, or it is removed");
	folder->bad_said = true;
	if (reply->stat.children > 0)
		return;
	folder->draining = folder->taken = true;
	leader_folders_read(d);
}

/* It is tried again: a person may have mended it. */
static void
folder_refused(struct dispatcher *d, struct folder *folder)
{
	if (folder->listed && !folder->bad_said) {
		plan_note(d->plan, NOTE_WARNING, "worker %s: its claims can no longer be listed: not allowed", folder->worker);
		folder->bad_said = true;
	}
	if (!folder->count)
		folder->count = poll_new(d, REQ_EXISTS, folder->list->node, REC_NONE, false, folder_counted, folder);
	if (folder->count)
		poll_want(d, folder->count);
	poll_want_at(d, folder->list, d->now_ms + CLASS_PAUSE_MS);
}

static void
folder_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct folder *folder = poll->owner;
	struct claim *claim, *next;

	if (reply->rc == RC_NONODE) {
		folder_vanished(d, folder);
		return;
	}
	if (reply->rc == RC_NOAUTH) {
		folder_refused(d, folder);
		return;
	}
	if (reply->rc != RC_OK) {
		plan_note(d->plan, NOTE_WARNING, "worker %s: its claims cannot be listed: %s", folder->worker,
		    rc_word(reply->rc));
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	HASH_ITER(hh, folder->claims, claim, next)
		claim->seen = false;
	for (int i = 0; i < reply->child_count; i++) {
		if (reply->children[i].kind == NODE_CLAIM)
			claim_listed(d, folder, &reply->children[i]);
		else if (reply->children[i].kind == NODE_STRANGER && !folder->listed)
			plan_note(d->plan, NOTE_WARNING, "worker %s: '%s' in its folder is no claim; it is left alone",
			    folder->worker, reply->children[i].text);
	}
	orders_listed(d, folder, reply);
	folder->listed = true;
	if (folder->settle && poll->sent > folder->settle_list) {
		folder->settle_listed = true;
		folder->settle_report = folder->report ? folder->report->sent : 0;
	}
	if (folder->settle || !folder->taken)
		poll_want(d, folder->report);
}

/* ---- the report ---- */

static bool
keep_report(struct dispatcher *d, struct folder *folder, const struct rec_report *report)
{
	struct range *done = NULL;
	uint64_t *returned = NULL;

	if (report->done_count && !(done = take(d, (size_t)report->done_count * sizeof *done)))
		return false;
	if (report->returned_count && !(returned = take(d, (size_t)report->returned_count * sizeof *returned))) {
		free(done);
		return false;
	}
	if (done)
		memcpy(done, report->done, (size_t)report->done_count * sizeof *done);
	if (returned)
		memcpy(returned, report->returned_last, (size_t)report->returned_count * sizeof *returned);
	free(folder->done);
	free(folder->returned);
	folder->done = done;
	folder->done_count = report->done_count;
	folder->returned = returned;
	folder->returned_count = report->returned_count;
	folder->low = report->low;
	folder->returned_total = report->returned_total;
	folder->lost_after_ms = report->lost_after_ms > 0 ? report->lost_after_ms : LOST_AFTER_MS;
	if (folder->slots != report->slots || folder->ahead != report->ahead || folder->draining != report->draining)
		d->place_due = true;
	if (folder->taken && !folder->draining && report->draining)
		plan_note(d->plan, NOTICE, "worker %s: drains", folder->worker);
	folder->slots = report->slots;
	folder->in_use = report->in_use;
	count_report(d, folder, report);
	folder->ahead = report->ahead < AHEAD_MAX ? report->ahead : AHEAD_MAX;
	folder->draining = report->draining;
	uint64_t highest = report->low;
	for (int i = 0; i < report->done_count; i++)
		if (report->done[i].to > highest)
			highest = report->done[i].to;
	if (highest >= folder->next_n)
		folder->next_n = highest + 1;
	return true;
}

/* A claim that the report calls resolved. */
static void
resolve(struct dispatcher *d, struct claim *claim, const struct rec_report *report, bool jumped)
{
	struct folder *folder = claim->folder;
	struct task *task = claim->task;
	uint64_t n = claim->n;

	claim_free(d, claim);
	if (!folder->taken && !task->segment->listed)
		task_gone(d, task);		/* taking over: the segment's listing, still to come, decides */
	else if (report_returned(report, n)) {
		task->retry_known = false;
		task_wait(d, task);
	} else if (jumped || !folder->taken)
		task_doubt(d, task);
	else
		task_gone(d, task);
}

void
folder_compare(struct dispatcher *d, struct folder *folder)
{
	struct rec_report report = report_view(folder);
	bool jumped = folder->returned_total - folder->returned_base > (uint64_t)folder->returned_count;
	bool skipped = false;
	struct claim *claim, *next;

	if (!folder->reported || folder->gone)
		return;
	HASH_ITER(hh, folder->claims, claim, next) {
		if (!report_resolves(&report, claim->n))
			continue;
		if (claim->phase == CLAIM_HELD)
			resolve(d, claim, &report, jumped);
		else
			skipped = true;
	}
	if (!skipped)
		folder->returned_base = folder->returned_total;
}

/* After an unknown outcome, listing and report together tell all: a claim in neither does not exist. */
static void
settle(struct dispatcher *d, struct folder *folder)
{
	struct rec_report report = report_view(folder);
	struct claim *claim, *next;

	folder->settle = folder->settle_listed = false;
	HASH_ITER(hh, folder->claims, claim, next) {
		struct task *task = claim->task;
		bool resolved = report_resolves(&report, claim->n);

		if (claim->phase == CLAIM_FROZEN) {
			if (resolved) {
				claim->phase = CLAIM_HELD;
				d->frozen--;
				d->assigned_total++;
			} else {
				claim_free(d, claim);
				task_wait(d, task);
			}
		} else if (claim->phase == CLAIM_HELD && !claim->seen && !resolved) {
			claim_free(d, claim);	/* revoked: the answer to that was lost */
			task_doubt(d, task);
		}
	}
	d->place_due = true;
}

static void
live_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct folder *folder = poll->owner;

	if (reply->rc == RC_NONODE) {
		folder_missing(d, folder);
	} else if (reply->rc == RC_OK) {
		if (folder->taken && folder->live == LIVE_MISSING)
			plan_note(d->plan, NOTICE, "worker %s: is back, registration %u", folder->worker, folder->r);
		folder->live = LIVE_THERE;
		folder->sight = folder->lost_said = false;
		d->place_due = true;
		if (!folder->record_known)
			poll_want(d, folder->record);
	} else {
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	check_taken(d, folder);
}

void
folder_missing(struct dispatcher *d, struct folder *folder)
{
	folder->live = LIVE_MISSING;
	folder->sight = false;
	folder->sight_mark = folder->report->sent;
	for (struct claim *claim = folder->claims; claim; claim = claim->hh.next)
		claim->started = STARTED_UNKNOWN;	/* it may have been marked since it was looked at */
	if (folder->taken && !folder->lost_said) {
		plan_note(d->plan, folder->unresolved ? NOTE_WARNING : NOTICE,
		    "worker %s: its session is gone, %u claims", folder->worker, folder->unresolved);
		folder->lost_said = true;
	}
	poll_want(d, folder->report);
}

static void
watch_live(struct dispatcher *d, struct folder *folder, uint32_t r)
{
	poll_free(d, folder->live_poll);
	folder->r = r;
	folder->live_poll = poll_new(d, REQ_EXISTS, node_live(folder->worker, folder->inc, r), REC_NONE, true, live_read,
	    folder);
	poll_want(d, folder->live_poll);
	poll_want(d, folder->record);
}

static void
report_bad(struct dispatcher *d, struct folder *folder, const struct reply *reply)
{
	if (!folder->bad_said)
		plan_note(d->plan, NOTE_ERROR, "worker %s: its report cannot be read: %s; nothing is given to it",
		    folder->worker, reply->rc == RC_OK ? "not a report" : rc_word(reply->rc));
	folder->bad_said = true;
	folder->draining = true;
	folder->taken = true;
	if (reply->rc != RC_OK)
		poll_want_at(d, folder->report, d->now_ms + RETRY_PAUSE_MS);
	leader_folders_read(d);
}

static void
report_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct folder *folder = poll->owner;
	const struct rec_report *report = &reply->record.report;

	if (reply->rc == RC_NONODE) {
		folder_vanished(d, folder);
		return;
	}
	/* Registrations count from 1: what names none is a stranger's, and its session could not even be asked for. */
	if (reply->rc != RC_OK || reply->bad || report->r == 0) {
		report_bad(d, folder, reply);
		return;
	}
	folder->bad_said = false;
	if (!keep_report(d, folder, report))
		return;
	folder->version = reply->stat.version;
	folder->sight_stale = false;
	folder->reported = true;
	if (report->r != folder->r || !folder->live_poll) {
		watch_live(d, folder, report->r);
		folder->sight = false;
	} else if (folder->live == LIVE_MISSING && (folder->sight || poll->sent > folder->sight_mark)) {
		if (!folder->sight)
			folder->lost_since_ms = d->now_ms;
		folder->sight = true;
		folder->lost_version = reply->stat.version;
	}
	if (folder->settle && folder->settle_listed && poll->sent > folder->settle_report)
		settle(d, folder);
	folder_compare(d, folder);
	check_taken(d, folder);
}

static void
record_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct folder *folder = poll->owner;
	const struct rec_worker *record = &reply->record.worker;

	if (reply->rc != RC_OK && reply->rc != RC_NONODE)
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
	folder->record_read = true;
	folder->record_known = false;
	if (reply->rc == RC_OK && !reply->bad && !strcmp(record->inc, folder->inc)) {
		size_t size = sizeof *folder->queues;
		void *queues = take(d, (size_t)record->queue_count * size + 1);

		if (!queues)
			return;
		free(folder->queues);
		folder->queues = queues;
		folder->queue_count = 0;
		for (int i = 0; i < record->queue_count; i++)
			if (strlen(record->queues[i]) < size)
				strcpy(folder->queues[folder->queue_count++], record->queues[i]);
		folder->record_known = true;
		d->place_due = true;
	}
	check_taken(d, folder);
}

/* ---- all folders ---- */

static struct folder *
folder_new(struct dispatcher *d, const struct node *node)
{
	struct folder *folder = take(d, sizeof *folder);
	struct lost_numbers *lost;

	if (!folder)
		return NULL;
	strcpy(folder->worker, node->worker);
	strcpy(folder->inc, node->inc);
	snprintf(folder->key, sizeof folder->key, "%s.%s", node->worker, node->inc);
	HASH_FIND_STR(d->lost_numbers, folder->key, lost);
	folder->next_n = lost ? lost->next_n : d->claim_base + 1;
	HASH_ADD_STR(d->folders, key, folder);
	if (!folder->hh.tbl) {
		free(folder);
		return NULL;
	}
	folder->list = poll_new(d, REQ_LIST, *node, REC_NONE, false, folder_listed, folder);
	folder->report = poll_new(d, REQ_GET, *node, REC_REPORT, true, report_read, folder);
	folder->record = poll_new(d, REQ_GET, node_of_worker(NODE_WORKER, node->worker), REC_WORKER, true, record_read,
	    folder);
	if (!folder->list || !folder->report || !folder->record) {
		folder_free(d, folder);
		return NULL;
	}
	poll_want(d, folder->list);
	return folder;
}

static struct folder *
folder_find(struct dispatcher *d, const struct node *node)
{
	char key[sizeof ((struct folder *)0)->key];
	struct folder *folder;

	snprintf(key, sizeof key, "%s.%s", node->worker, node->inc);
	HASH_FIND_STR(d->folders, key, folder);
	return folder;
}

void
folders_listed(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct folder *folder, *next;

	if (reply->rc != RC_OK) {
		plan_note(d->plan, NOTE_WARNING, "tree: the workers cannot be listed: %s", rc_word(reply->rc));
		poll_want_at(d, poll, d->now_ms + RETRY_PAUSE_MS);
		return;
	}
	HASH_ITER(hh, d->folders, folder, next)
		folder->in_tree = false;
	for (int i = 0; i < reply->child_count; i++) {
		struct node node = reply->children[i];

		if (node.kind != NODE_FOLDER)
			continue;
		folder = folder_find(d, &node);
		if (!folder)
			folder = folder_new(d, &node);
		if (folder)
			folder->in_tree = true;
	}
	HASH_ITER(hh, d->folders, folder, next)
		if (!folder->in_tree && !folder->gone)
			folder_vanished(d, folder);
	d->assign_listed = true;
	leader_folders_read(d);
}

void
folder_watch(struct dispatcher *d, const struct node *node)
{
	struct folder *folder, *next;

	if (node->kind == NODE_WORKER) {
		HASH_ITER(hh, d->folders, folder, next)
			if (!strcmp(folder->worker, node->worker))
				poll_want(d, folder->record);
		return;
	}
	folder = folder_find(d, node);
	if (!folder)
		return;
	if (node->kind == NODE_FOLDER)
		poll_want(d, folder->report);
	else if (node->r == folder->r)
		poll_want(d, folder->live_poll);
}
