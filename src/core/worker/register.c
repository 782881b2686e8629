/*
 * register.c: being known to the leader. Each registration reads the own folder and the znode of the
 * name first, then does all in one multi; whatever is refused or lost, it begins again with reading.
 */
#include <string.h>

#include "core/worker/state.h"

#define BLOCKED_HERE_MS 1000	/* a holder on this host is probed again */
#define BLOCKED_AWAY_MS 10000	/* the watch tells of the end of one elsewhere; this is for a missed one */
#define NO_TREE_MS 500

void
register_begin(struct worker *worker)
{
	worker->reg = REG_NEEDED;
	worker->reg_at_ms = worker->now_ms;
	worker->reg_unknown = false;
	worker->listed = false;
	worker->no_live_r = 0;
	worker->probe_arg = 0;
	claim_forget_unstarted(worker);
	life_again(worker);
}

void
register_holder_gone(struct worker *worker)
{
	worker->reg = REG_NEEDED;
	worker->reg_at_ms = worker->now_ms;
}

static void
again_later(struct worker *worker, int64_t pause_ms)
{
	worker->reg = REG_NEEDED;
	worker->reg_at_ms = worker->now_ms + pause_ms;
}

static void
contested(struct worker *worker, uint32_t r)
{
	plan_note(worker->plan, NOTE_ERROR, "worker %s: registration %u of incarnation %s is in use by another "
	    "coordinator, this one (registration %u) ends", worker->name, r, worker->inc, worker->r);
	worker_exit(worker, EXIT_CONTESTED);
}

bool
register_folder_read(struct worker *worker, const struct reply *reply)
{
	worker->folder_there = true;
	worker->folder_version = reply->stat.version;
	if (reply->bad || reply->record.kind != REC_REPORT) {
		plan_note(worker->plan, NOTE_WARNING, "worker %s: the report in its folder is unreadable, writing it anew",
		    worker->name);
		worker->folder_r = 0;
		finish_settle(worker, NULL);
		return true;
	}
	const struct rec_report *report = &reply->record.report;
	if (report->r > worker->r) {
		contested(worker, report->r);
		return false;
	}
	worker->folder_r = report->r;
	if (!worker->ever_registered) {
		/* What an earlier coordinator of this life resolved. lost_after is fixed for the incarnation. */
		if (!resolved_load(&worker->resolved, report))
			worker_failed(worker);
		if (report->lost_after_ms >= lease_smallest_lost_after())
			worker->lost_after_ms = report->lost_after_ms;
	}
	finish_settle(worker, report);
	return true;
}

static void
folder_missing(struct worker *worker)
{
	worker->folder_there = false;
	worker->folder_r = 0;
	finish_settle(worker, NULL);
	/* The leader counts on from what the report says, so numbers that were seen here are never used twice. */
	if (!resolved_add(&worker->resolved, 1, worker->highest_n))
		worker_failed(worker);
}

/* ---- the registering multi ---- */

static void
send_registration(struct worker *worker)
{
	struct plan *plan = worker->plan;
	struct effect *effect = plan_effect(plan, FX_REGISTERED);

	if (!effect)
		return;
	worker->r++;
	effect->lease.r = worker->r;
	effect->lease.kill_by_ms = worker->lease.kill_by_ms;

	struct record record = { .kind = REC_WORKER }, report = { .kind = REC_REPORT };
	struct rec_worker *self = &record.worker;
	memcpy(self->inc, worker->inc, sizeof self->inc);
	self->r = worker->r;
	self->process = worker->process;
	self->slots = worker->slots;
	self->queues = (const char *const *)worker->queues;
	self->queue_count = worker->queue_count;
	self->log = worker->log;
	self->version = worker->version;
	self->at_wall_ms = worker->wall_ms;
	if (!report_write(worker, &report.report, false))
		return;

	struct request *multi = plan_multi(plan, TAG_REGISTER, 0);
	struct node name = node_of_worker(NODE_WORKER, worker->name);
	worker->op_holder = worker->op_live = -1;
	if (worker->del_holder)
		worker->op_holder = add_delete(plan, multi, name, ANY_VERSION);
	if (worker->del_live)
		worker->op_live = add_delete(plan, multi,
		    node_live(worker->name, worker->holder.inc, worker->holder.r), ANY_VERSION);
	worker->op_worker = add_create(plan, multi, name, CREATE_EPHEMERAL, &record);
	struct node folder = node_folder(worker->name, worker->inc);
	if (worker->folder_there)
		add_set(plan, multi, folder, worker->folder_version, &report);
	else
		add_create(plan, multi, folder, 0, &report);
	add_create(plan, multi, worker_live(worker), CREATE_EPHEMERAL, NULL);
	worker->reg = REG_SENT;
	worker->reg_unknown = true;
}

/* Whether a process was started on this machine since it booted: only then can it be proved dead. Another boot of a
 * host of this name may be another machine of that name. */
static bool
of_this_boot(const struct worker *worker, const struct process_id *process)
{
	return process->host && process->boot && strcmp(process->host, worker->host) == 0 &&
	    strcmp(process->boot, worker->boot) == 0;
}

/* The znode of the name is to be taken over from a life or session that is over. */
static void
take_over(struct worker *worker)
{
	const struct rec_worker *holder = &worker->holder;

	worker->del_holder = true;
	worker->del_live = !worker->holder_bad && holder->r > 0 && holder->inc[0] &&
	    !(holder->r == worker->no_live_r && strcmp(holder->inc, worker->no_live_inc) == 0);
	send_registration(worker);
}

static void
blocked(struct worker *worker)
{
	bool here = !worker->holder_bad && of_this_boot(worker, &worker->holder.process);

	worker->reg = REG_BLOCKED;
	worker->reg_at_ms = worker->now_ms + (here ? BLOCKED_HERE_MS : BLOCKED_AWAY_MS);
	if (worker->told_blocked)
		return;
	worker->told_blocked = true;
	if (worker->holder_bad)
		plan_note(worker->plan, NOTE_ERROR, "worker %s: the name is taken by an unreadable record; "
		    "remove it or give this worker another name with --name; waiting", worker->name);
	else
		plan_note(worker->plan, NOTE_ERROR, "worker %s: another worker named %s runs on host %s, pid %lld: "
		    "give this one another name with --name; waiting for its end", worker->name, worker->name,
		    worker->holder.process.host ? worker->holder.process.host : "?",
		    (long long)worker->holder.process.pid);
}

static void
registered(struct worker *worker)
{
	worker->reg = REG_DONE;
	worker->reg_unknown = false;
	worker->retry_ms = RETRY_MIN_MS;
	worker->told_blocked = worker->told_no_tree = false;
	worker->contested = 0;
	worker->list_wanted = true;
	worker->list_at_ms = 0;
	worker->listed = false;
	worker->name_wanted = true;
	worker->logkey_wanted = worker->log_token != NULL;
	worker->logkey_replace = false;
	finish_not_applied(worker);	/* or the registering multi had met another version of the folder */
	plan_note(worker->plan, NOTE_INFO, "worker %s: registered as incarnation %s (registration %u), %d slots",
	    worker->name, worker->inc, worker->r, worker->slots);
	worker->ever_registered = true;
}

void
register_probe(struct worker *worker, const struct process_id *process)
{
	struct effect *effect = plan_effect(worker->plan, FX_PROBE);

	if (!effect)
		return;
	worker->probe_arg = ++worker->probes;
	effect->probe.arg = worker->probe_arg;
	effect->probe.process = *process;
	effect->probe.process.host = arena_string(&worker->plan->arena, process->host);
	effect->probe.process.boot = arena_string(&worker->plan->arena, process->boot);
}

/* Folder and holder have been read. */
static void
decide(struct worker *worker)
{
	const struct rec_worker *holder = &worker->holder;
	bool ours = worker->holder_there && !worker->holder_bad && strcmp(holder->inc, worker->inc) == 0;

	worker->del_holder = worker->del_live = false;
	if (!worker->holder_there) {
		send_registration(worker);
	} else if (worker->holder_owner == worker->session) {
		/* A registering multi whose reply was lost: its parts are there together or not at all. */
		if (ours && worker->reg_unknown && holder->r == worker->r && worker->folder_r == worker->r)
			registered(worker);
		else
			take_over(worker);
	} else if (ours) {
		if (holder->r > worker->r)
			contested(worker, holder->r);
		else
			take_over(worker);
	} else if (worker->holder_bad || !of_this_boot(worker, &holder->process)) {
		blocked(worker);
	} else {
		worker->reg = REG_HOLDER;
		plan_get(worker->plan, TAG_HOLDER_FOLDER, 0, node_folder(worker->name, holder->inc), REC_REPORT, false);
	}
}

void
register_probed(struct worker *worker, bool dead)
{
	if (!dead) {
		blocked(worker);
		return;
	}
	plan_note(worker->plan, NOTE_INFO, "worker %s: takes its name over from incarnation %s, whose process is gone",
	    worker->name, worker->holder.inc);
	take_over(worker);
}

/* An incarnation is the life of its runner; the name's znode knows the coordinator only. */
static void
holder_folder(struct worker *worker, const struct reply *reply)
{
	const struct process_id *process = &worker->holder.process;

	if (worker_lost_reply(reply)) {
		again_later(worker, 0);
		return;
	}
	if (reply->rc == RC_OK && !reply->bad && reply->record.kind == REC_REPORT) {
		process = &reply->record.report.process;
		if (!of_this_boot(worker, process)) {
			blocked(worker);
			return;
		}
	}
	worker->reg = REG_PROBING;
	register_probe(worker, process);
}

static void
keep_holder(struct worker *worker, const struct reply *reply)
{
	struct arena *arena = &worker->holder_arena;

	worker->holder_there = reply->rc == RC_OK;
	worker->holder_owner = reply->stat.owner;
	memset(&worker->holder, 0, sizeof worker->holder);
	arena_reset(arena);
	if (reply->rc != RC_OK)
		return;
	worker->holder_bad = reply->bad || reply->record.kind != REC_WORKER;
	if (worker->holder_bad)
		return;
	worker->holder = reply->record.worker;
	worker->holder.process.host = arena_string(arena, reply->record.worker.process.host);
	worker->holder.process.boot = arena_string(arena, reply->record.worker.process.boot);
	worker->holder.queues = NULL;
	worker->holder.queue_count = 0;
	worker->holder.log = worker->holder.version = NULL;
	if (arena->failed)
		worker_failed(worker);
}

static void
was_read(struct worker *worker, const struct reply *reply)
{
	worker->reg_waiting--;
	if (worker->reg != REG_READING)
		return;
	if (reply->rc != RC_OK && reply->rc != RC_NONODE) {
		if (!worker_lost_reply(reply))
			plan_note(worker->plan, NOTE_ERROR, "worker %s: cannot read what it needs to register: %s",
			    worker->name, rc_word(reply->rc));
		worker->reg_broken = true;
	} else if (reply->tag == TAG_HOLDER) {
		keep_holder(worker, reply);
	} else if (reply->rc == RC_OK) {
		if (!register_folder_read(worker, reply))
			return;
	} else {
		folder_missing(worker);
	}
	if (worker->reg_waiting)
		return;
	if (worker->reg_broken)
		again_later(worker, worker_pause(worker));
	else
		decide(worker);
}

static void
registration_reply(struct worker *worker, const struct reply *reply)
{
	if (reply->rc == RC_OK) {
		worker->folder_version = worker->folder_there ? worker->folder_version + 1 : 0;
		worker->folder_there = true;
		worker->folder_r = worker->r;
		report_sent(worker);
		report_took(worker, reply->took_ms);
		registered(worker);
		renew_proved(worker, reply->sent_ms);
		return;
	}
	if (worker_lost_reply(reply)) {
		if (reply->rc == RC_NOTSENT)
			worker->reg_unknown = false;
		again_later(worker, 0);
		return;
	}
	worker->reg_unknown = false;
	int64_t pause = worker_pause(worker);
	if (reply->failed_op >= 0 && reply->failed_op == worker->op_live && reply->rc == RC_NONODE) {
		worker->no_live_r = worker->holder.r;
		memcpy(worker->no_live_inc, worker->holder.inc, sizeof worker->no_live_inc);
	} else if (reply->failed_op >= 0 && reply->failed_op == worker->op_worker && reply->rc == RC_NONODE) {
		if (!worker->told_no_tree)
			plan_note(worker->plan, NOTICE, "worker %s: no zkq tree at this root yet, waiting for a dispatcher "
			    "to create it", worker->name);
		worker->told_no_tree = true;
		if (pause > NO_TREE_MS)
			pause = NO_TREE_MS;
	} else if (reply->rc != RC_NONODE && reply->rc != RC_NODEEXISTS && reply->rc != RC_BADVERSION) {
		plan_note(worker->plan, NOTE_ERROR, "worker %s: cannot register: %s; trying again", worker->name,
		    rc_word(reply->rc));
	}
	again_later(worker, pause);
}

/* ---- the key of the log server ---- */

static void
logkey_drive(struct worker *worker)
{
	struct plan *plan = worker->plan;

	if (!worker->logkey_wanted || worker->logkey_busy)
		return;
	struct record record = { .kind = REC_BYTES };
	record.bytes.data = arena_printf(&plan->arena, "{\"v\":1,\"token\":\"%s\"}", worker->log_token);
	if (!record.bytes.data)
		return;
	record.bytes.len = strlen(record.bytes.data);
	struct request *multi = plan_multi(plan, TAG_LOGKEY, 0);
	struct node node = node_of_worker(NODE_LOGKEY, worker->name);
	add_check(plan, multi, worker_live(worker), ANY_VERSION);
	if (worker->logkey_replace)
		add_delete(plan, multi, node, ANY_VERSION);
	add_create(plan, multi, node, CREATE_EPHEMERAL, &record);
	worker->logkey_busy = true;
}

static void
logkey_reply(struct worker *worker, const struct reply *reply)
{
	worker->logkey_busy = false;
	if (worker_lost_reply(reply))
		return;		/* asked again: a second one finds the first and replaces it */
	if (reply->rc == RC_NODEEXISTS && !worker->logkey_replace) {
		worker->logkey_replace = true;
		return;
	}
	if (reply->rc == RC_NONODE && worker->logkey_replace && reply->failed_op == 1) {
		worker->logkey_replace = false;
		return;
	}
	worker->logkey_wanted = false;
	if (reply->rc == RC_OK)
		renew_proved(worker, reply->sent_ms);
	else if (worker->reg == REG_DONE)
		plan_note(worker->plan, NOTE_WARNING, "worker %s: output of its tasks cannot be followed, its log key was "
		    "refused: %s", worker->name, rc_word(reply->rc));
}

/* ---- leaving ---- */

void
register_leave(struct worker *worker)
{
	struct plan *plan = worker->plan;
	struct request *multi = plan_multi(plan, TAG_LEAVE, 0);

	add_delete(plan, multi, node_of_worker(NODE_WORKER, worker->name), ANY_VERSION);
	add_delete(plan, multi, worker_live(worker), ANY_VERSION);
	worker->reg = REG_LEAVING;
}

static void
leave_at_last(struct worker *worker)
{
	plan_note(worker->plan, NOTICE, "worker %s: has left", worker->name);
	worker_exit(worker, 0);
}

/* Claims that the leader made before it saw that this worker drains are given back, too. The version of
 * the folder takes the place of the check: a leader that revokes them checks it as well. */
static void
left_listed(struct worker *worker, const struct reply *reply)
{
	struct plan *plan = worker->plan;
	struct request *multi = NULL;
	int count = 0;

	if (reply->rc == RC_OK) {
		for (int i = 0; i < reply->child_count && count < MULTI_TASKS_MAX; i++) {
			const struct node *node = &reply->children[i];

			if (node->kind != NODE_CLAIM || claim_find(worker, node->n))
				continue;
			if (!multi)
				multi = plan_multi(plan, TAG_LEFT_RETURN, 0);
			add_delete(plan, multi, *node, ANY_VERSION);
			if (!resolved_return(&worker->resolved, node->n, node->n))
				worker_failed(worker);
			count++;
		}
	}
	struct record record = { .kind = REC_REPORT };
	if (!multi || !report_write(worker, &record.report, false)) {
		leave_at_last(worker);
		return;
	}
	plan_note(plan, NOTE_INFO, "worker %s: gives back %d claims that came while it left", worker->name, count);
	add_set(plan, multi, node_folder(worker->name, worker->inc), worker->folder_version, &record);
}

/* Without workers/<w> no new leader knows what this worker serves. */
static void
name_drive(struct worker *worker)
{
	if (!worker->name_wanted || worker->name_busy)
		return;
	plan_exists(worker->plan, TAG_NAME, worker->r, node_of_worker(NODE_WORKER, worker->name), true);
	worker->name_wanted = false;
	worker->name_busy = true;
}

static void
name_reply(struct worker *worker, const struct reply *reply)
{
	worker->name_busy = false;
	if (worker_lost_reply(reply)) {
		worker->name_wanted = true;
	} else if (reply->rc == RC_NONODE && worker->reg == REG_DONE && reply->arg == worker->r) {
		plan_note(worker->plan, NOTE_WARNING, "worker %s: somebody has deleted its entry among the workers, "
		    "registering again", worker->name);
		register_begin(worker);
	}
}

void
register_drive(struct worker *worker)
{
	switch (worker->reg) {
	case REG_BLOCKED:
		if (!worker_due(worker, worker->reg_at_ms))
			break;
		worker->reg = REG_NEEDED;
		/* fall through */
	case REG_NEEDED:
		/* A multi that checks the old live- znode is waited for: its outcome is settled by what is read. */
		if (!worker_due(worker, worker->reg_at_ms) || worker->out.busy || worker->out.verifying || worker->reg_waiting)
			break;
		worker->reg = REG_READING;
		worker->reg_waiting = 2;
		worker->reg_broken = false;
		plan_sync(worker->plan, TAG_SYNC, 0, node_plain(NODE_ROOT));
		plan_get(worker->plan, TAG_OWN_FOLDER, 0, node_folder(worker->name, worker->inc), REC_REPORT, false);
		plan_get(worker->plan, TAG_HOLDER, 0, node_of_worker(NODE_WORKER, worker->name), REC_WORKER, true);
		break;
	case REG_DONE:
		name_drive(worker);
		logkey_drive(worker);
		break;
	default:
		break;
	}
}

void
register_reply(struct worker *worker, const struct reply *reply)
{
	switch (reply->tag) {
	case TAG_OWN_FOLDER:
	case TAG_HOLDER:
		was_read(worker, reply);
		break;
	case TAG_HOLDER_FOLDER:
		if (worker->reg == REG_HOLDER)
			holder_folder(worker, reply);
		break;
	case TAG_REGISTER:
		if (worker->reg == REG_SENT)
			registration_reply(worker, reply);
		break;
	case TAG_NAME:
		name_reply(worker, reply);
		break;
	case TAG_LOGKEY:
		logkey_reply(worker, reply);
		break;
	case TAG_VERIFY:
		worker->out.verifying = false;
		if (reply->rc == RC_OK)
			register_folder_read(worker, reply);
		else if (reply->rc == RC_NONODE && worker->reg == REG_DONE)
			register_begin(worker);
		else if (!worker_lost_reply(reply))
			worker->out_at_ms = worker->now_ms + worker_pause(worker);
		break;
	case TAG_LEAVE:
		if (reply->rc == RC_OK) {
			worker->reg = REG_LEFT;
			plan_list(worker->plan, TAG_LEFT_LIST, 0, node_folder(worker->name, worker->inc), false);
		} else {
			leave_at_last(worker);	/* the end of the session takes the znodes along */
		}
		break;
	case TAG_LEFT_LIST:
		left_listed(worker, reply);
		break;
	default:
		leave_at_last(worker);
		break;
	}
}
