/*
 * lane.c: one queue as a submitter sees it. Where the tail is, whether there is room, and which
 * group of tasks may be sent now.
 *
 * Order: groups are sent in the order in which they were formed, to one segment at a time. A group goes to
 * another segment only when the outcome of every group sent to the old one is known, so a submitter's
 * tasks never overtake each other over a segment's end.
 */
#include "core/submitter/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct lane *
lane_get(struct submitter *s, const char *queue)
{
	struct lane **at = &s->lanes;

	for (; *at; at = &(*at)->next)
		if (!strcmp((*at)->queue, queue))
			return *at;
	struct lane *lane = calloc(1, sizeof *lane);
	if (!lane)
		return NULL;
	assert(strlen(queue) <= QUEUE_NAME_MAX);
	memcpy(lane->queue, queue, strlen(queue) + 1);
	lane->last = &lane->first;
	lane->waiting_max = WAITING_DEFAULT_MAX;
	return *at = lane;
}

void
lane_free(struct lane *lane)
{
	for (struct group *group = lane->groups, *next; group; group = next) {
		next = group->next;
		free(group);
	}
	free(lane);	/* items belong to their submission */
}

void
lane_append(struct lane *lane, struct item *item)
{
	item->next = NULL;
	*lane->last = item;
	lane->last = &item->next;
}

void
lane_refuse(struct submitter *s, struct lane *lane, enum refused_code code, const char *text, struct plan *plan)
{
	for (struct group *group = lane->groups, *next; group; group = next) {
		next = group->next;
		if (group_not_applied(group))
			group_refuse(s, group, code, text, plan);
	}
	while (lane->first) {
		struct item *item = lane->first;

		lane->first = item->next;
		item_answer(s, plan, item, ANSWER_REFUSED, 0, code, text);
	}
	lane->last = &lane->first;
	lane->fruitless = 0;
}

static void
forget_in_group(struct submitter *s, struct group *group, uint64_t call_id, struct plan *plan)
{
	bool touched = false;

	for (int i = 0; i < group->item_count; i++) {
		struct item *item = group->items[i];

		if (item->forgotten || item->owner->call_id != call_id)
			continue;
		bool dropped = group_not_applied(group);
		struct answer *answer = submitter_answer(plan, dropped ? ANSWER_REFUSED : ANSWER_UNKNOWN, call_id,
		    item->index);
		if (answer && dropped) {
			answer->code = REFUSED_NOTSENT;
		} else if (answer) {
			memcpy(answer->task_id.queue, group->lane->queue, sizeof group->lane->queue);
			answer->task_id.seg = group->seg;
			memcpy(answer->task_id.token, item->token, sizeof item->token);
		}
		item->forgotten = touched = true;
	}
	if (touched && group_not_applied(group))
		group_dissolve(s, group, plan);
}

void
lane_forget(struct submitter *s, struct lane *lane, uint64_t call_id, struct plan *plan)
{
	for (struct group *group = lane->groups, *next; group; group = next) {
		next = group->next;
		forget_in_group(s, group, call_id, plan);
	}
	for (struct item **at = &lane->first; *at;) {
		struct item *item = *at;

		if (item->owner->call_id != call_id) {
			at = &item->next;
			continue;
		}
		*at = item->next;
		item_answer(s, plan, item, ANSWER_REFUSED, 0, REFUSED_NOTSENT, NULL);
	}
	lane->last = &lane->first;
	while (*lane->last)
		lane->last = &(*lane->last)->next;
}

/* ---- the tail, the configuration, the number of live tasks ---- */

/* About so many tasks are live at most: what was counted, and what the segments opened since hold, or we put there. */
static int64_t
live_estimate(const struct lane *lane)
{
	int64_t since = ((int64_t)lane->tail - lane->count_tail) * SEGMENT_SIZE;

	return lane->count + (since > lane->accepted ? since : lane->accepted);
}

static void
read_lane(struct submitter *s, struct lane *lane, struct plan *plan)
{
	lane->state = LANE_READING;
	lane->request = submitter_draw(s);
	lane->left = 2;
	lane->again = lane->missing = lane->unreadable = lane->forbidden = lane->deleting = false;
	if (lane->sync) {
		plan_sync(plan, TAG_LANE_SYNC, lane->request, node_of_queue(NODE_TASKS, lane->queue));
		lane->left++;
	}
	plan_get(plan, TAG_LANE_TAIL, lane->request, node_of_queue(NODE_TASKS, lane->queue), REC_TAIL, false);
	plan_get(plan, TAG_LANE_CONF, lane->request, node_of_queue(NODE_QUEUE, lane->queue), REC_QUEUE, false);
	if (!lane->counted) {
		plan_list(plan, TAG_LANE_SEGMENTS, lane->request, node_of_queue(NODE_TASKS, lane->queue), false);
		lane->left++;
	}
}

void
lane_stale(struct submitter *s, struct lane *lane, struct plan *plan)
{
	lane->roll = false;
	lane->sync = true;
	if (lane->state == LANE_READY)
		lane->state = LANE_BLANK;
	if (++lane->fruitless > FRUITLESS_MAX)
		lane_refuse(s, lane, REFUSED_OTHER, "the queue's segments do not fit its tail", plan);
}

/* The queue's folder is not there; say which part of the tree is missing. */
static void
ask_why(struct submitter *s, struct lane *lane, struct plan *plan)
{
	lane->state = LANE_WHY;
	lane->request = submitter_draw(s);
	lane->left = 2;
	lane->again = lane->queue_missing = lane->root_missing = false;
	plan_exists(plan, TAG_LANE_QUEUE, lane->request, node_of_queue(NODE_QUEUE, lane->queue), false);
	plan_exists(plan, TAG_LANE_ROOT, lane->request, node_plain(NODE_ROOT), false);
}

static void
say_why(struct submitter *s, struct lane *lane, struct plan *plan)
{
	if (lane->root_missing)
		lane_refuse(s, lane, REFUSED_NOTREE, NULL, plan);
	else if (lane->queue_missing)
		lane_refuse(s, lane, REFUSED_NOQUEUE, NULL, plan);
	else
		lane_refuse(s, lane, REFUSED_OTHER, "the queue is not complete: it has no tasks folder", plan);
}

/* A segment holds about SEGMENT_SIZE tasks or fewer. When that bound is too high, each one is asked. */
static void
take_segments(struct lane *lane, const struct reply *reply, struct plan *plan)
{
	int segments = 0;

	for (int i = 0; i < reply->child_count; i++)
		segments += reply->children[i].kind == NODE_SEGMENT;
	lane->count = (int64_t)segments * SEGMENT_SIZE;
	if (lane->count < lane->waiting_max)
		return;
	lane->count = 0;
	for (int i = 0; i < reply->child_count; i++) {
		if (reply->children[i].kind != NODE_SEGMENT)
			continue;
		plan_exists(plan, TAG_LANE_COUNT, lane->request, reply->children[i], false);
		lane->left++;
	}
}

static void
reading_done(struct submitter *s, struct lane *lane, const struct event *event, struct plan *plan)
{
	enum lane_state was = lane->state;

	lane->state = LANE_BLANK;
	if (lane->again)
		return;
	if (was == LANE_WHY) {
		say_why(s, lane, plan);
	} else if ((lane->missing || lane->deleting) && !lane->sync) {
		lane->sync = true;	/* perhaps only this server does not know of it yet */
	} else if (lane->deleting) {
		lane_refuse(s, lane, REFUSED_NOQUEUE, "the queue is being deleted", plan);
	} else if (lane->missing) {
		ask_why(s, lane, plan);
	} else if (lane->forbidden) {
		lane_refuse(s, lane, REFUSED_NOAUTH, NULL, plan);
	} else if (lane->unreadable) {
		lane_refuse(s, lane, REFUSED_OTHER, "the queue's tail cannot be read", plan);
	} else {
		lane->state = LANE_READY;
		lane->sync = false;
		if (!lane->counted) {
			lane->counted = true;
			lane->accepted = 0;
			lane->count_tail = lane->tail;
			if (lane->count >= lane->waiting_max)
				lane->full_until_ms = event->now_ms + FULL_AGAIN_MS;
		}
	}
}

static void
roll_reply(struct submitter *s, struct lane *lane, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;

	lane->state = LANE_READY;
	lane->roll = false;
	if (reply->rc == RC_OK) {
		plan_note(plan, NOTE_INFO, "queue %s: segment %u is full, opened %u", lane->queue, lane->tail,
		    lane->tail + 1);
		lane->tail++;
	} else if (reply->rc == RC_NOAUTH) {
		lane->may_not_roll = true;	/* the leader does it */
	} else {
		submitter_says_nothing(s, event, reply->rc);
		lane_stale(s, lane, plan);
	}
}

void
lane_reply(struct submitter *s, const struct event *event, struct plan *plan)
{
	const struct reply *reply = &event->reply;
	struct lane *lane = s->lanes;

	while (lane && lane->request != reply->arg)
		lane = lane->next;
	if (!lane)
		return;
	if (reply->tag == TAG_LANE_ROLL) {
		roll_reply(s, lane, event, plan);
		return;
	}
	if (submitter_says_nothing(s, event, reply->rc))
		lane->again = true;
	else if (reply->rc == RC_NOAUTH)
		lane->forbidden = true;
	else if (reply->tag == TAG_LANE_TAIL && (reply->rc != RC_OK || reply->bad))
		*(reply->rc == RC_NONODE ? &lane->missing : &lane->unreadable) = true;
	else if (reply->tag == TAG_LANE_TAIL)
		lane->tail = reply->record.tail.tail;
	else if (reply->tag == TAG_LANE_CONF && reply->rc == RC_OK && !reply->bad &&
	    (reply->record.queue.deleting || reply->record.queue.deleted))
		lane->deleting = true;
	else if (reply->tag == TAG_LANE_CONF && reply->rc == RC_OK && !reply->bad &&
	    reply->record.queue.waiting_max > 0)
		lane->waiting_max = reply->record.queue.waiting_max;
	else if (reply->tag == TAG_LANE_SEGMENTS && reply->rc == RC_OK)
		take_segments(lane, reply, plan);
	else if (reply->tag == TAG_LANE_COUNT && reply->rc == RC_OK)
		lane->count += reply->stat.children;
	else if (reply->tag == TAG_LANE_QUEUE)
		lane->queue_missing = reply->rc == RC_NONODE;
	else if (reply->tag == TAG_LANE_ROOT)
		lane->root_missing = reply->rc == RC_NONODE;
	if (--lane->left == 0)
		reading_done(s, lane, event, plan);
}

/* ---- sending ---- */

void
lane_add_roll(struct plan *plan, struct request *multi, const char *queue, uint32_t seg)
{
	struct record tail = { .kind = REC_TAIL, .tail.tail = seg + 1 };

	add_set(plan, multi, node_of_segment(NODE_SEGMENT, queue, seg), 0, NULL);
	add_set(plan, multi, node_of_queue(NODE_TASKS, queue), ANY_VERSION, &tail);
	add_create(plan, multi, node_of_segment(NODE_SEGMENT, queue, seg + 1), 0, NULL);
	add_create(plan, multi, node_of_segment(NODE_DONE_SEG, queue, seg + 1), 0, NULL);
	add_create(plan, multi, node_of_segment(NODE_DEAD_SEG, queue, seg + 1), 0, NULL);
	add_create(plan, multi, node_of_segment(NODE_RETRY_SEG, queue, seg + 1), 0, NULL);
}

/* Whether tasks may be sent to the tail: there is room. Otherwise looks again, or refuses. */
static bool
has_room(struct submitter *s, struct lane *lane, const struct event *event, struct plan *plan)
{
	if (live_estimate(lane) < lane->waiting_max)
		return true;
	if (event->now_ms < lane->full_until_ms) {
		lane_refuse(s, lane, REFUSED_FULL, NULL, plan);
		return false;
	}
	lane->counted = false;
	read_lane(s, lane, plan);
	return false;
}

static void
send_groups(struct submitter *s, struct lane *lane, const struct event *event, struct plan *plan)
{
	struct group *group = lane->groups;

	for (; s->in_flight < SUBMITS_IN_FLIGHT_MAX; group = group->next) {
		if (!group) {
			if (!lane->first || !has_room(s, lane, event, plan))
				return;
			group = group_form(s, lane, plan);
			if (!group)
				return;
		}
		if (group->state == GROUP_WAITING)
			group_send(s, group, plan);
		else if (group_not_applied(group) || group->seg != lane->tail)
			return;	/* order */
	}
}

void
lane_pump(struct submitter *s, struct lane *lane, const struct event *event, struct plan *plan)
{
	bool waiting = lane->first;

	for (struct group *group = lane->groups, *next; group; group = next) {
		next = group->next;
		waiting |= group->state == GROUP_WAITING;
		group_pump(s, group, event, plan);
	}
	if (lane->state == LANE_BLANK && waiting)
		read_lane(s, lane, plan);
	if (lane->state != LANE_READY)
		return;
	if (lane->roll && !lane->may_not_roll) {
		lane->state = LANE_ROLLING;
		lane->request = submitter_draw(s);
		lane_add_roll(plan, plan_multi(plan, TAG_LANE_ROLL, lane->request), lane->queue, lane->tail);
		return;
	}
	send_groups(s, lane, event, plan);
}
