#include "chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_EVERY_US (20 * SECOND_US)
#define DRAIN_US (15 * MINUTE_US)	/* about four of work, and faults that last a minute longer than the chaos */
#define INBOX_LAST 8	/* tasks of which one is removed by hand now and then */

enum fault {
	FAULT_CUT, FAULT_SILENCE, FAULT_EXPIRE, FAULT_STALL, FAULT_OUTAGE, FAULT_KILL_DISPATCHER, FAULT_KILL_COORDINATOR,
	FAULT_KILL_RUNNER, FAULT_KILL_BOTH, FAULT_REBOOT, FAULT_DRAIN, FAULT_STOP_DISPATCHER, FAULT_KILL_SUBMITTER,
	FAULT_FREEZE, FAULT_ALL_DISPATCHERS, FAULT_LATE_RETURN, FAULT_BY_HAND, FAULT_KINDS
};

struct chaos {
	struct cluster *cluster;
	bool kinds[FAULT_KINDS];
	int64_t gap_us;		/* mean time between faults */
	int64_t work_gap_us;	/* between things that users do */
	int64_t end_us;
	int batch_max;
	uint64_t tasks, tasks_max;
	bool deletes, inbox, cancels, updates, classes, keys, pauses, paused, gives_up, children;
	uint64_t inbox_last[INBOX_LAST];
	uint32_t strike_ppm;	/* of the commits: a fault hits their author then and there */
};

static int64_t
pick(struct chaos *chaos, int64_t from, int64_t to)
{
	return agenda_between(&chaos->cluster->agenda, from, to);
}

static bool
odds(struct chaos *chaos, int percent)
{
	return agenda_chance(&chaos->cluster->agenda, (uint32_t)percent * 10000);
}

static struct actor *
any(struct chaos *chaos, enum actor_kind kind)
{
	struct actor *found[ACTORS_MAX];
	int count = 0;

	for (int i = 0; i < chaos->cluster->actor_count; i++)
		if (actor_kind(chaos->cluster->actors[i]) == kind)
			found[count++] = chaos->cluster->actors[i];
	return count ? found[rng_below(&chaos->cluster->agenda.rng, (uint64_t)count)] : NULL;
}

static struct actor *
anyone(struct chaos *chaos)
{
	return chaos->cluster->actors[rng_below(&chaos->cluster->agenda.rng,
	    (uint64_t)chaos->cluster->actor_count - 1)];
}

static void
start_due(void *context, void *object, uint64_t arg)
{
	(void)context;
	(void)arg;
	actor_start(object);
}

/* From at once to half a minute: before and after sessions and leases end. */
static void
start_later(struct chaos *chaos, struct actor *actor)
{
	int64_t most_us = odds(chaos, 60) ? 2 * SECOND_US : 45 * SECOND_US;

	agenda_at(&chaos->cluster->agenda, chaos->cluster->agenda.now_us + pick(chaos, 1000, most_us), start_due, NULL,
	    actor, 0);
}

static void
freeze_leader_due(void *context, void *object, uint64_t arg)
{
	struct cluster *cluster = context;
	struct actor *leader = cluster_leader(cluster);

	(void)object;
	if (leader)
		actor_freeze(leader, cluster->agenda.now_us + (int64_t)arg);
}

/* A worker is cut off and returns at about the time at which the leader gives up waiting, while the leader is stopped
 * for a moment: what it does then it does before it hears of the return. */
static void
late_return(struct chaos *chaos)
{
	struct cluster *cluster = chaos->cluster;
	struct actor *actor = any(chaos, ACTOR_WORKER);
	int64_t now_us = cluster->agenda.now_us, wait_us = cluster->conf.lost_after_ms * 1000;
	int64_t session_us = cluster->conf.session_timeout_ms * INT64_C(1000);

	if (!actor_up(actor))
		return;
	cluster_say(cluster, "fault: network of %s is silent until it is about to be given up", actor_name(actor));
	cluster->faults++;
	/* The session ends after two thirds to all of its timeout. */
	int64_t back_us = now_us + wait_us + pick(chaos, session_us * 2 / 3, session_us + 500000);
	client_silence(actor_client(actor), back_us);
	int64_t pause_us = pick(chaos, session_us / 8, session_us * 6 / 10);
	agenda_at(&cluster->agenda, back_us - pick(chaos, 0, pause_us / 2), freeze_leader_due, cluster, NULL,
	    (uint64_t)pause_us);
}

static void
do_fault(struct chaos *chaos, enum fault fault)
{
	struct cluster *cluster = chaos->cluster;
	int64_t now_us = cluster->agenda.now_us;
	struct actor *actor = anyone(chaos);

	switch (fault) {
	case FAULT_CUT:
		if (actor_up(actor)) {
			cluster_say(cluster, "fault: connection of %s breaks", actor_name(actor));
			cluster->faults++;
			client_cut(actor_client(actor));
		}
		break;
	case FAULT_SILENCE:
		if (actor_up(actor)) {
			cluster_say(cluster, "fault: network of %s is silent", actor_name(actor));
			cluster->faults++;
			client_silence(actor_client(actor), now_us + pick(chaos, SECOND_US, 60 * SECOND_US));
		}
		break;
	case FAULT_EXPIRE:
		if (actor_up(actor)) {
			cluster_say(cluster, "fault: session of %s is ended", actor_name(actor));
			cluster->faults++;
			client_expire(actor_client(actor));
		}
		break;
	case FAULT_STALL:
		if (cluster->conf.ensemble.servers > 1) {
			cluster_say(cluster, "fault: a server is cut off");
			cluster->faults++;
			server_stall(cluster->ensemble, 1 + (int)pick(chaos, 0, cluster->conf.ensemble.servers - 2),
			    now_us + pick(chaos, SECOND_US, 30 * SECOND_US));
		}
		break;
	case FAULT_OUTAGE:
		cluster_say(cluster, "fault: the ensemble is down");
		cluster->faults++;
		ensemble_outage(cluster->ensemble, now_us + pick(chaos, 10000, 50 * SECOND_US));
		break;
	case FAULT_KILL_DISPATCHER:
		actor = odds(chaos, 60) && cluster_leader(cluster) ? cluster_leader(cluster) : any(chaos, ACTOR_DISPATCHER);
		actor_kill(actor);
		start_later(chaos, actor);
		break;
	case FAULT_STOP_DISPATCHER:
		actor = any(chaos, ACTOR_DISPATCHER);
		actor_stop(actor);
		start_later(chaos, actor);
		break;
	case FAULT_KILL_COORDINATOR:
		actor_kill(any(chaos, ACTOR_WORKER));
		break;
	case FAULT_KILL_RUNNER:
		actor = any(chaos, ACTOR_WORKER);
		actor_kill_runner(actor);
		start_later(chaos, actor);
		break;
	case FAULT_KILL_BOTH:
		actor = any(chaos, ACTOR_WORKER);
		actor_kill_both(actor);
		start_later(chaos, actor);
		break;
	case FAULT_REBOOT:
		actor = any(chaos, ACTOR_WORKER);
		actor_reboot(actor);
		start_later(chaos, actor);
		break;
	case FAULT_DRAIN:
		actor = any(chaos, ACTOR_WORKER);
		actor_stop(actor);
		if (odds(chaos, 20))
			actor_stop(actor);
		start_later(chaos, actor);
		break;
	case FAULT_KILL_SUBMITTER:
		actor = any(chaos, ACTOR_SUBMITTER);
		if (actor) {
			actor_kill(actor);
			start_later(chaos, actor);
		}
		break;
	case FAULT_FREEZE:
		actor_freeze(actor, now_us + pick(chaos, 10000, 40 * SECOND_US));
		break;
	case FAULT_ALL_DISPATCHERS:
		for (int i = 0; i < cluster->actor_count; i++)
			if (actor_kind(cluster->actors[i]) == ACTOR_DISPATCHER && actor_up(cluster->actors[i])) {
				actor_kill(cluster->actors[i]);
				start_later(chaos, cluster->actors[i]);
			}
		break;
	case FAULT_LATE_RETURN:
		late_return(chaos);
		break;
	case FAULT_BY_HAND:
		person_delete_ephemeral(cluster);
		break;
	case FAULT_KINDS:
		break;
	}
}

/* Between the commit of an actor's multi and its reply, or shortly afterwards. */
static void
strike(void *context, void *object, uint64_t arg)
{
	struct chaos *chaos = context;
	struct cluster *cluster = chaos->cluster;
	struct actor *actor = object;

	(void)arg;
	if (!actor_up(actor) || cluster->agenda.now_us >= chaos->end_us)
		return;
	switch (pick(chaos, 0, 5)) {
	case 0:
		cluster_say(cluster, "strike: connection of %s breaks", actor_name(actor));
		client_cut(actor_client(actor));
		break;
	case 1:
		cluster_say(cluster, "strike: session of %s is ended", actor_name(actor));
		client_expire(actor_client(actor));
		break;
	case 2:
		actor_freeze(actor, cluster->agenda.now_us + pick(chaos, 10000, 20 * SECOND_US));
		break;
	case 3:
		cluster_say(cluster, "strike: network of %s is silent", actor_name(actor));
		client_silence(actor_client(actor), cluster->agenda.now_us + pick(chaos, SECOND_US, 60 * SECOND_US));
		break;
	case 4:
		if (actor_kind(actor) == ACTOR_WORKER) {
			actor_kill_both(actor);
			start_later(chaos, actor);
			break;
		}
		/* fall through */
	default:
		actor_kill(actor);
		if (actor_kind(actor) != ACTOR_WORKER)
			start_later(chaos, actor);
		break;
	}
	cluster->faults++;
}

static void
on_commit(void *context, struct actor *actor)
{
	struct chaos *chaos = context;
	struct agenda *agenda = &chaos->cluster->agenda;

	if (actor_kind(actor) == ACTOR_PERSON || agenda->now_us >= chaos->end_us ||
	    !agenda_chance(agenda, chaos->strike_ppm))
		return;
	int64_t later_us = odds(chaos, 50) ? 0 : pick(chaos, 0, 3 * chaos->cluster->conf.ensemble.latency_us);
	agenda_at(agenda, agenda->now_us + later_us, strike, chaos, actor, 0);
}

static void
fault_due(void *context, void *object, uint64_t arg)
{
	struct chaos *chaos = context;
	struct agenda *agenda = &chaos->cluster->agenda;
	int count = 0, kinds[FAULT_KINDS];

	(void)object;
	(void)arg;
	if (agenda->now_us >= chaos->end_us)
		return;
	for (int i = 0; i < FAULT_KINDS; i++)
		if (chaos->kinds[i])
			kinds[count++] = i;
	if (count == 0)
		return;
	do_fault(chaos, (enum fault)kinds[rng_below(&agenda->rng, (uint64_t)count)]);
	/* Often a second one close to the first. */
	int64_t gap_us = odds(chaos, 30) ? pick(chaos, 0, 20000) : pick(chaos, 0, 2 * chaos->gap_us);
	agenda_at(agenda, agenda->now_us + gap_us, fault_due, chaos, NULL, 0);
}

static void
work_due(void *context, void *object, uint64_t arg)
{
	struct chaos *chaos = context;
	struct cluster *cluster = chaos->cluster;
	struct actor *actor = any(chaos, ACTOR_SUBMITTER);

	(void)object;
	(void)arg;
	if (cluster->agenda.now_us >= chaos->end_us)
		return;
	if (chaos->deletes && odds(chaos, 4))
		person_delete_queue(cluster, "default", odds(chaos, 70));
	else if (chaos->deletes && odds(chaos, 15))
		person_create_queue(cluster, "default");
	if (chaos->inbox && odds(chaos, 25) && chaos->tasks < chaos->tasks_max) {
		chaos->inbox_last[chaos->tasks++ % INBOX_LAST] = person_inbox(cluster, odds(chaos, 80));
	} else if (chaos->inbox && odds(chaos, 10)) {
		uint64_t serial = chaos->inbox_last[pick(chaos, 0, INBOX_LAST - 1)];

		/* A task that waits with a stranger's child cannot be cancelled: the leader sets it aside for good. */
		if (chaos->children) {
			person_child(cluster, serial);
		} else {
			if (odds(chaos, 50))
				person_remove(cluster, serial);
			if (odds(chaos, 50))
				person_cancel_serial(cluster, serial);
		}
	} else if (actor && actor_up(actor) && chaos->gives_up && odds(chaos, 10)) {
		user_give_up(actor);
	} else if (actor && actor_up(actor) && chaos->cancels && odds(chaos, 25)) {
		uint64_t serial = user_pick(actor);

		if (serial)
			user_cancel(actor, serial);
	} else if (actor && actor_up(actor) && chaos->updates && odds(chaos, 30)) {
		uint64_t serial = user_pick(actor);
		int priority = odds(chaos, 70) ? (int)pick(chaos, 0, 9) : -1;

		if (serial)
			user_update(actor, serial, priority, priority < 0 || odds(chaos, 40) ? pick(chaos, 0, 3) * 1000 : -1);
	} else if (actor && actor_up(actor) && chaos->keys && odds(chaos, 30) && chaos->tasks < chaos->tasks_max) {
		char key[16];

		snprintf(key, sizeof key, "K%d", (int)pick(chaos, 0, 40));
		user_submit_key(actor, key);
		chaos->tasks++;
	} else if (chaos->pauses && odds(chaos, 10)) {
		static const char *const paused[] = { "{\"v\":1,\"paused\":true}", "{\"v\":1,\"paused\":true,\"paused_for\":7}" };

		chaos->paused = !chaos->paused;
		person_configure(cluster, "default", chaos->paused ? paused[odds(chaos, 50)] : "{\"v\":1}");
	} else if (actor && actor_up(actor) && chaos->tasks < chaos->tasks_max) {
		int count = (int)pick(chaos, 1, chaos->batch_max);

		user_submit(actor, count, odds(chaos, 50), odds(chaos, 70) ? PRIORITY_DEFAULT : (int)pick(chaos, 0, 9),
		    chaos->classes && odds(chaos, 40) ? (enum task_class)pick(chaos, 1, 2) : CLASS_EXCLUSIVE);
		chaos->tasks += (uint64_t)count;
	}
	agenda_at(&cluster->agenda, cluster->agenda.now_us + pick(chaos, 0, 2 * chaos->work_gap_us), work_due, chaos, NULL, 0);
}

static void
configure(struct chaos *chaos)
{
	static const char *const configs[] = {
		"{\"v\":1,\"retain_age\":30,\"retain_count\":1000}",
		"{\"v\":1,\"retain_age\":5,\"retain_count\":10}",
		"{\"v\":1,\"retain_count\":5}",
		"{\"v\":1,\"waiting_max\":20}",
	};

	person_configure(chaos->cluster, "default", configs[pick(chaos, 0, 3)]);
}

/* What kind of run this is. */
static void
draw(struct chaos *chaos, struct cluster_conf *conf, uint64_t seed, bool calm)
{
	struct rng rng;

	rng_seed(&rng, seed ^ 0x5eedface);
#define DRAW(from, to) ((int64_t)(from) + (int64_t)rng_below(&rng, (uint64_t)((to) - (from) + 1)))
	cluster_conf_default(conf, seed);
	conf->ensemble.servers = DRAW(0, 1) ? 1 : 3;
	conf->ensemble.latency_us = DRAW(0, 2) ? 500 : 20000;
	conf->ensemble.commit_us = DRAW(0, 2) ? 1000 : 50000;
	conf->ensemble.lag_us = DRAW(0, 1) ? 5000 : 500000;
	conf->ensemble.reconnect_us = DRAW(0, 1) ? 300000 : 3000000;
	conf->dispatchers = (int)DRAW(1, 3);
	conf->workers = (int)DRAW(1, 4);
	conf->submitters = (int)DRAW(1, 3);
	conf->slots = (int)DRAW(1, 4);
	if (DRAW(0, 1)) {
		conf->session_timeout_ms = 4000;
		conf->lost_after_ms = 6000;
	}
	conf->segment_size = (int)(DRAW(0, 1) ? DRAW(2, 20) : 500);
	conf->dead_count = DRAW(0, 1) ? DRAW(0, 3) : 10000;
	static const int64_t times[][2] = { { 1000, 5000 }, { 50000, 500000 }, { 500000, 5000000 }, { 1000, 20000000 } };
	const int64_t *time = times[DRAW(0, 3)];
	conf->task_min_us = time[0];
	conf->task_max_us = time[1];
	conf->long_ppm = DRAW(0, 1) ? 0 : 20000;
	if (conf->task_max_us > 5000000)
		conf->long_ppm = 0;
	conf->fail_ppm = 100000;
	chaos->gap_us = DRAW(0, 1) ? 2 * SECOND_US : 15 * SECOND_US;
	chaos->work_gap_us = DRAW(0, 1) ? 300000 : 3 * SECOND_US;
	chaos->end_us = DRAW(20, 180) * SECOND_US;
	chaos->batch_max = (int)(DRAW(0, 1) ? 3 : 40);
	chaos->tasks_max = (uint64_t)DRAW(20, 400);
	chaos->inbox = DRAW(0, 2) == 0;
	chaos->cancels = DRAW(0, 1);
	chaos->classes = DRAW(0, 1);
	chaos->keys = DRAW(0, 2) == 0;
	chaos->gives_up = DRAW(0, 3) == 0;
	chaos->children = DRAW(0, 1);
	chaos->pauses = !calm && DRAW(0, 3) == 0;
	chaos->updates = DRAW(0, 1);
	chaos->deletes = !calm && !chaos->pauses && DRAW(0, 3) == 0;
	/* Long tasks and few slots: not more than about four minutes of work. */
	int64_t mean_us = (conf->task_min_us + conf->task_max_us) / 2 + conf->task_max_us * 20 / 1000000 * conf->long_ppm;
	uint64_t most = (uint64_t)(4 * MINUTE_US * conf->slots * conf->workers / (mean_us + 10000));
	if (chaos->tasks_max > most + 10)
		chaos->tasks_max = most + 10;
	if (calm) {
		/* A leader that hears late gives out in the order in which it hears. */
		conf->ensemble.latency_us = 500;
		conf->ensemble.commit_us = 1000;
		conf->ensemble.lag_us = 5000;
		return;
	}
	if (DRAW(0, 1))
		conf->ensemble.lose_reply_ppm = (uint32_t)DRAW(100, 30000);
	if (DRAW(0, 1))
		conf->ensemble.lose_request_ppm = (uint32_t)DRAW(100, 30000);
	conf->ensemble.late_ppm = DRAW(0, 1) ? 300000 : 0;
	for (int i = 0; i < FAULT_KINDS; i++)
		chaos->kinds[i] = DRAW(0, 2) == 0;
	if (DRAW(0, 2) == 0)
		chaos->strike_ppm = (uint32_t)DRAW(1000, 40000);
#undef DRAW
}

static void
fail(struct chaos_result *result, const char *why)
{
	result->failed = true;
	snprintf(result->why, sizeof result->why, "%s", why);
}

void
chaos_run(uint64_t seed, enum planted planted, bool calm, bool verbose, struct chaos_result *result)
{
	struct chaos chaos = { 0 };
	struct cluster_conf conf;
	bool stuck = true;

	memset(result, 0, sizeof *result);
	draw(&chaos, &conf, seed, calm);
	conf.verbose = verbose;
	conf.planted = planted;
	struct cluster *cluster = chaos.cluster = cluster_new(&conf);
	bool fine = true;
	cluster->on_commit = on_commit;
	cluster->commit_context = &chaos;
	/* Once there is a tree, sometimes with short retention; faults at once, all the same. */
	if (!calm)
		agenda_at(&cluster->agenda, pick(&chaos, 0, 2 * SECOND_US), fault_due, &chaos, NULL, 0);
	agenda_at(&cluster->agenda, pick(&chaos, 0, 5 * SECOND_US), work_due, &chaos, NULL, 0);
	if (calm)
		invariant_fifo(cluster->invariant, true);
	bool short_retention = odds(&chaos, 30) && !chaos.deletes;
	for (int64_t at_us = 0; fine && at_us < chaos.end_us; at_us += SCAN_EVERY_US) {
		fine = cluster_run(cluster, at_us + SCAN_EVERY_US < chaos.end_us ? at_us + SCAN_EVERY_US : chaos.end_us);
		if (short_retention && odds(&chaos, 50))
			configure(&chaos);
		invariant_scan(cluster->invariant);
	}
	/* Heal: whatever was to start again starts, connections work again within their delays. */
	struct ensemble_conf *now = ensemble_conf(cluster->ensemble);
	now->lose_reply_ppm = now->lose_request_ppm = 0;
	cluster_say(cluster, "heal");
	int64_t limit_us = chaos.end_us + DRAIN_US;
	while (fine && cluster->agenda.now_us < limit_us) {
		cluster_heal(cluster);
		if (chaos.children)
			person_tidy(cluster);
		if (chaos.pauses)
			person_configure(cluster, "default", "{\"v\":1}");	/* until it arrives */
		fine = cluster_run(cluster, cluster->agenda.now_us + 5 * SECOND_US);
		/* Faults that end later than the chaos does. */
		if (fine && cluster->agenda.now_us > chaos.end_us + 65 * SECOND_US && cluster_drained(cluster, NULL)) {
			stuck = false;
			break;
		}
	}
	invariant_scan(cluster->invariant);
	for (int i = 0; i < cluster->actor_count; i++)
		if (actor_kind(cluster->actors[i]) == ACTOR_SUBMITTER)
			user_check(cluster->actors[i]);
	if (cluster_broken(cluster)) {
		fail(result, cluster_broken(cluster));
	} else if (stuck) {
		fail(result, "stuck: not everything has ended 15 minutes after the last fault");
		if (planted == PLANTED_NONE) {
			cluster_drained(cluster, stdout);
			cluster_print(cluster, stdout);
		}
	}
	invariant_counts(cluster->invariant, &result->counts);
	result->virtual_us = cluster->agenda.now_us;
	result->steps = cluster->agenda.steps;
	result->faults = cluster->faults;
	cluster_free(cluster);
}
