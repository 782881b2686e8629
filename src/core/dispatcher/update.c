/*
 * update.c: fulfils requests to change the priority or the time limit of a task that waits.
 *
 * The priority stands in the name of the task's znode: it is deleted and made anew in one multi, with the same
 * sequence, so it keeps its place. That is the one create that a closed segment may see, and only the leader does it, so
 * the listing of a closed segment stays final in what tasks it holds. While it is under way the task is in no lane and
 * cannot be given out; once it has been, its claim names the znode, and the request is dropped.
 *
 * A time limit is part of the payload. That of a task of a batch becomes the task's own data, which its name says (whole):
 * workers keep batches that they have read.
 */
#include "core/dispatcher/wish.h"

#include <string.h>

/* Nothing of it is out any more; the task is in no phase. */
static struct task *
release(struct dispatcher *d, struct wish *wish)
{
	struct task *task = wish->task;

	poll_free(d, wish->fetch);
	wish->fetch = NULL;
	wish->task = NULL;
	wish_busy(wish, false);
	task->segment->acts--;
	task_leave(d, task);
	return task;
}

static void
give_up(struct dispatcher *d, struct wish *wish, const char *why)
{
	struct task *task = release(d, wish);

	plan_note(d->plan, NOTE_WARNING, "task %s: cannot be changed as asked for: %s", task_words(d, task), why ? why : "?");
	wish_over(d, wish);
}

static void
fetch(struct dispatcher *d, struct wish *wish, struct node node, enum record_kind kind, poll_got *got)
{
	poll_free(d, wish->fetch);
	wish->fetch = poll_new(d, REQ_GET, node, kind, false, got, wish);
	poll_want(d, wish->fetch);
}

/* ---- the multi ---- */

static void
refused(struct dispatcher *d, struct wish *wish, int op_wish, const struct reply *reply)
{
	int op = reply->failed_op;

	if (reply->rc == RC_NONODE && op == op_wish) {
		release(d, wish);
		wish_withdrawn(d, wish);
	} else if (reply->rc == RC_NONODE && op == 1) {
		task_gone(d, release(d, wish));
	} else if (reply->rc == RC_NOTSENT || (reply->rc == RC_BADVERSION && op == op_wish)) {
		if (op < 0)
			wish->not_before_ms = d->now_ms + RETRY_PAUSE_MS;
		task_wait(d, release(d, wish));	/* comes back here */
	} else {
		give_up(d, wish, rc_word(reply->rc));
	}
}

/* ops: check mine, set task or delete task and create task, delete request */
static void
changed(struct dispatcher *d, struct act *act, const struct reply *reply)
{
	struct wish *wish = act->owner;
	struct task *task = wish->task;

	if (outcome_unknown(reply->rc)) {
		poll_want(d, wish->folder->list);
		release(d, wish);
		task_doubt(d, task);	/* the listing tells its name; the request, if it is there, is looked at once more */
		return;
	}
	if (reply->rc != RC_OK) {
		refused(d, wish, act->mark, reply);
		return;
	}
	release(d, wish);
	if (wish->wanted.priority >= 0)
		task->priority = (uint8_t)wish->wanted.priority;
	task->whole = wish->whole;
	plan_note(d->plan, NOTE_INFO, "task %s: changed: priority %d%s", task_words(d, task), task->priority,
	    wish->wanted.time_limit_ms >= 0 ? ", another time limit" : "");
	wish_free(d, wish);
	wishes_task(d, task);
}

static void
change(struct dispatcher *d, struct wish *wish, const struct record *record)
{
	struct task *task = wish->task;
	const struct segment *segment = task->segment;
	struct task_name name = task_name_of(task);
	struct act *act = leader_act(d, changed, wish);

	if (!act)
		return;
	if (wish->wanted.priority >= 0)
		name.priority = (uint8_t)wish->wanted.priority;
	name.whole = wish->whole;
	if (name.priority == task->priority && name.whole == task->whole) {
		add_set(d->plan, act->multi, task_node(task), ANY_VERSION, record);
	} else {
		add_delete(d->plan, act->multi, task_node(task), ANY_VERSION);
		add_create(d->plan, act->multi, node_task(segment->queue->name, segment->seg, &name), 0, record);
	}
	act->mark = add_delete(d->plan, act->multi, wish_node(wish), wish->version);
}

/* With the text that came in a reply, which must live as long as the plan. */
static void
change_text(struct dispatcher *d, struct wish *wish, const struct rec_task *task)
{
	struct record record = { .kind = REC_TASK };

	if (task->invalid) {
		give_up(d, wish, task->invalid);
		return;
	}
	record.task.text = arena_copy(&d->plan->arena, task->text, task->len);
	record.task.len = task->len;
	record.task.set_time_limit = true;
	record.task.time_limit_ms = wish->wanted.time_limit_ms;
	if (record.task.text)
		change(d, wish, &record);
}

/* ---- what must be read before ---- */

static void
batch_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct wish *wish = poll->owner;
	uint32_t index = 0;

	token_is_batch(wish->token, NULL, &index);
	if (reply->rc != RC_OK || reply->bad || index >= (uint32_t)reply->record.batch.count) {
		give_up(d, wish, "its batch cannot be read");
		return;
	}
	wish->whole = true;
	change_text(d, wish, &reply->record.batch.tasks[index]);
}

static void
text_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct wish *wish = poll->owner;
	const struct segment *segment = wish->task->segment;
	struct record record = { .kind = REC_BYTES };
	char batch[TOKEN_LEN + 1];

	if (reply->rc == RC_NONODE) {
		task_gone(d, release(d, wish));
	} else if (reply->rc != RC_OK) {
		give_up(d, wish, rc_word(reply->rc));
	} else if (wish->wanted.time_limit_ms < 0) {
		record.bytes.data = arena_copy(&d->plan->arena, reply->record.bytes.data, reply->record.bytes.len);
		record.bytes.len = reply->record.bytes.len;
		if (record.bytes.data)
			change(d, wish, &record);
	} else if (reply->stat.length == 0 && !wish->whole && token_is_batch(wish->token, batch, NULL)) {
		fetch(d, wish, node_batch(segment->queue->name, segment->seg, batch), REC_BATCH, batch_read);
	} else {
		change_text(d, wish, &reply->record.task);
	}
}

static void
wish_read(struct dispatcher *d, struct poll *poll, const struct reply *reply)
{
	struct wish *wish = poll->owner;
	struct rec_update *wanted = &wish->wanted;

	if (reply->rc == RC_NONODE) {
		release(d, wish);
		wish_withdrawn(d, wish);
		return;
	}
	if (reply->rc != RC_OK || reply->bad) {
		give_up(d, wish, reply->rc == RC_OK ? "the request is no such record" : rc_word(reply->rc));
		return;
	}
	*wanted = reply->record.update;
	wanted->by = NULL;	/* the reply's */
	wish->version = reply->stat.version;
	wish->whole = wish->task->whole;
	if (wanted->time_limit_ms < 0 && wanted->priority < 0) {
		release(d, wish);
		wish_over(d, wish);	/* asks for nothing */
		return;
	}
	/* Also when it is so already: by the write the one who asked sees that a worker did not have it. */
	fetch(d, wish, task_node(wish->task), wanted->time_limit_ms < 0 ? REC_BYTES : REC_TASK, text_read);
}

static void
begin(struct dispatcher *d, struct wish *wish, struct task *task)
{
	task->phase = TASK_ENDING;
	task->segment->acts++;
	wish_busy(wish, true);
	wish->task = task;
	fetch(d, wish, wish_node(wish), REC_UPDATE, wish_read);
}

bool
update_act_on(struct dispatcher *d, struct wish *wish, struct task *task)
{
	const struct claim *claim;

	switch (task->phase) {
	case TASK_WAITING:
	case TASK_ASIDE:
		task_leave(d, task);
		/* fall through */
	case TASK_UNREAD:
		if (task->segment->retries_listed && task->retry_known)
			begin(d, wish, task);
		else
			task_wait(d, task);	/* comes back here when its retry record is known */
		return true;
	case TASK_CLAIMED:
		claim = task->aux.claim;
		if (claim->phase == CLAIM_HELD) {
			plan_note(d->plan, NOTE_INFO, "task %s: is not changed: worker %s has it already", task_words(d, task),
			    claim->folder->worker);
			wish_over(d, wish);
		}
		return claim->phase != CLAIM_REVOKING;
	default:
		return true;
	}
}
