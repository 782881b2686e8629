/* Stories of what can happen to a task between its submission and its result. */
#include "story.h"

#include <stdlib.h>
#include <string.h>

static struct cluster_conf conf;

static void
run_time(struct story *story, int64_t ms)
{
	story_cluster(story)->conf.task_min_us = story_cluster(story)->conf.task_max_us = ms * 1000;
}

START_TEST(submit_to_done)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");
	uint64_t t1 = user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);

	ck_assert_uint_eq(t1, 1);
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	ck_assert_str_eq(user_knows(s1, t1), "done");
	story_end(story);
}
END_TEST

/* A batch goes in with one multi, is given out with one and comes back with few. */
START_TEST(batch_to_done)
{
	story_conf(&conf);
	conf.slots = 8;
	struct story *story = story_begin(&conf);

	user_submit(story_actor(story, "s1"), 3, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	story_expect(story,
	    "s1: +task t1 +task t2 +task t3\n"
	    "leader: +claim w1#1 t1 +claim w1#1 t2 +claim w1#1 t3\n"
	    "w1: starts t1\n"
	    "w1: starts t2\n"
	    "w1: starts t3\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n"
	    "w1: -claim w1#1 t2 -task t2 +result t2 done -claim w1#1 t3 -task t3 +result t3 done\n");
	story_end(story);
}
END_TEST

/* The task's worker goes on; the next leader finds the claim and lets it be. */
START_TEST(leader_lost_between_assign_and_start)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	run_time(story, 20000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "leader: +claim w1#1 t1");
	actor_kill(story_leader(story));
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "end of session: -candidate\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	story_end(story);
}
END_TEST

/* Nobody is told; the task starts again elsewhere once the lease has lapsed for certain. */
START_TEST(worker_lost)
{
	story_conf(&conf);
	conf.workers = 2;
	struct story *story = story_begin(&conf);

	run_time(story, 20000);
	actor_stop(story_actor(story, "w2"));
	story_run_ms(story, 1000);
	story_forget(story);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	int64_t lost_us = story_cluster(story)->agenda.now_us;
	actor_start(story_actor(story, "w2"));
	actor_kill_both(story_actor(story, "w1"));
	story_until(story, "w2: starts t1");
	int64_t took_us = story_cluster(story)->agenda.now_us - lost_us;
	ck_assert_int_gt(took_us, 30 * SECOND_US);
	ck_assert_int_lt(took_us, 45 * SECOND_US);
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w2: +worker w2 +folder w2#2 +live w2#2-1\n"
	    "end of session: -worker w1 -live w1#1-1\n"
	    "leader: -claim w1#1 t1 +retry t1\n"
	    "leader: +claim w2#2 t1\n"
	    "leader: -folder w1#1\n"
	    "w2: starts t1\n"
	    "w2: -claim w2#2 t1 -task t1 -retry t1 +result t1 done\n");
	story_end(story);
}
END_TEST

/* A session that ends costs a worker nothing but a registration. */
START_TEST(session_lost_and_back_in_time)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	run_time(story, 20000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	client_expire(actor_client(story_actor(story, "w1")));
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "end of session: -worker w1 -live w1#1-1\n"
	    "w1: +worker w1 +live w1#1-2\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	story_end(story);
}
END_TEST

/* The runner kills the task before it may start elsewhere. */
START_TEST(session_lost_and_back_too_late)
{
	story_conf(&conf);
	conf.workers = 2;
	struct story *story = story_begin(&conf);

	run_time(story, 90000);
	actor_stop(story_actor(story, "w2"));
	story_run_ms(story, 1000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	actor_start(story_actor(story, "w2"));
	story_run_ms(story, 1000);
	story_forget(story);
	client_silence(actor_client(story_actor(story, "w1")), story_cluster(story)->agenda.now_us + 60 * SECOND_US);
	story_drain(story);
	story_expect(story,
	    "end of session: -worker w1 -live w1#1-1\n"
	    "leader: -claim w1#1 t1 +retry t1\n"
	    "leader: +claim w2#2 t1\n"
	    "leader: -folder w1#1\n"
	    "w2: starts t1\n"
	    "w1: +worker w1 +folder w1#1 +live w1#1-2\n"
	    "w2: -claim w2#2 t1 -task t1 -retry t1 +result t1 done\n");
	story_end(story);
}
END_TEST

START_TEST(cancel_waiting)
{
	story_conf(&conf);
	conf.slots = 1;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	run_time(story, 5000);
	user_submit(s1, 3, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	story_run_ms(story, 1000);
	story_forget(story);
	ck_assert(user_cancel(s1, 3));
	story_run_ms(story, 100);
	story_expect(story,
	    "s1: +cancel t3\n"
	    "leader: -task t3 -cancel t3 +result t3 cancelled\n");
	ck_assert_str_eq(user_knows(s1, 3), "cancelled");
	story_end(story);
}
END_TEST

/* Asked for while nobody leads, and a worker is free: the next leader cancels it before it gives anything out. */
START_TEST(cancel_without_a_leader)
{
	story_conf(&conf);
	conf.dispatchers = 1;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1"), *leader = story_leader(story);

	actor_stop(leader);
	story_run_ms(story, 1000);
	story_forget(story);
	for (int i = 0; i < 20; i++)
		user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 1000);
	for (uint64_t serial = 1; serial <= 20; serial++)
		ck_assert(user_cancel(s1, serial));
	story_run_ms(story, 1000);
	actor_start(leader);
	story_drain(story);
	for (uint64_t serial = 1; serial <= 20; serial++)
		ck_assert_str_eq(user_knows(s1, serial), "cancelled");
	for (int i = 0; i < story_lines(story); i++)
		ck_assert_msg(!strstr(story_line(story, i), "+claim"), "%s", story_line(story, i));
	story_end(story);
}
END_TEST

START_TEST(cancel_running)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	run_time(story, 60000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	story_run_ms(story, 1000);
	story_forget(story);
	ck_assert(user_cancel(s1, 1));
	story_drain(story);
	story_expect(story,
	    "s1: +cancel t1\n"
	    "leader: +order w1#1 kill\n"
	    "w1: -claim w1#1 t1 -order w1#1 kill -task t1 +result t1 cancelled\n"
	    "leader: -cancel t1\n");
	ck_assert_str_eq(user_knows(s1, 1), "cancelled");
	story_end(story);
}
END_TEST

/* The claim is there, but it waits at the worker for a slot. */
START_TEST(cancel_claimed)
{
	story_conf(&conf);
	conf.slots = 1;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	/* Short tasks first, so that the worker wants claims ahead. */
	run_time(story, 5);
	user_submit(s1, 40, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	run_time(story, 3000);
	user_submit(s1, 2, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t41");
	story_run_ms(story, 500);
	ck_assert_int_eq(story_count(story, "leader: +claim w1#1 t41 +claim w1#1 t42"), 1);
	story_forget(story);
	ck_assert(user_cancel(s1, 42));
	story_run_ms(story, 500);
	story_expect(story,
	    "s1: +cancel t42\n"
	    "leader: +order w1#1 kill\n"
	    "w1: -claim w1#1 t42 -order w1#1 kill -task t42 +result t42 cancelled\n"
	    "leader: -cancel t42\n");
	story_end(story);
}
END_TEST

/* Once it has ended there is nothing to cancel, and the caller gets the result. */
START_TEST(cancel_ended)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	story_forget(story);
	ck_assert(user_cancel(s1, 1));
	story_drain(story);
	story_expect(story, "");
	ck_assert_str_eq(user_knows(s1, 1), "done");
	story_end(story);
}
END_TEST

/* The leader hears of the request first and of the task a moment later: it lists the task's segment before it
 * drops anything. */
START_TEST(cancel_seen_before_its_task)
{
	story_conf(&conf);
	conf.slots = 1;
	conf.ensemble.latency_us = 5000;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	run_time(story, 5000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	story_run_ms(story, 1000);
	story_forget(story);
	/* After a listing of the segment the leader waits before it lists again; the request comes meanwhile. */
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t2");
	story_run_ms(story, 12);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t3");
	char id[64], *seg, *token;
	ck_assert(invariant_accepted(story_cluster(story)->invariant, 3, id));
	seg = strchr(id, '.');
	token = strchr(seg + 1, '.');
	person_cancel(story_cluster(story), "default", (uint32_t)strtoul(seg + 1, NULL, 10), token + 1);
	story_run_ms(story, 1000);
	story_expect(story,
	    "s1: +task t2\n"
	    "s1: +task t3\n"
	    "p: +cancel t3\n"
	    "leader: -task t3 -cancel t3 +result t3 cancelled\n");
	story_end(story);
}
END_TEST

/* The results are in the tree, the worker does not know: it looks before it does anything else. */
START_TEST(finish_reply_lost)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: -claim w1#1 t1 -task t1 +result t1 done");
	client_cut(actor_client(story_actor(story, "w1")));
	story_run_ms(story, 1000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n"
	    "s1: +task t2\n"
	    "leader: +claim w1#1 t2\n"
	    "w1: starts t2\n"
	    "w1: -claim w1#1 t2 -task t2 +result t2 done\n");
	story_end(story);
}
END_TEST

/* The claim is in the tree, the leader does not know, and when it looks the task is over already: it must neither
 * give it out again nor wait for it. */
START_TEST(assign_reply_lost_while_the_task_finishes)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	run_time(story, 1);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "leader: +claim w1#1 t1");
	client_silence(actor_client(story_leader(story)), story_cluster(story)->agenda.now_us + 2 * SECOND_US);
	story_until(story, "w1: -claim w1#1 t1 -task t1 +result t1 done");
	story_run_ms(story, 20000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n"
	    "s1: +task t2\n"
	    "leader: +claim w1#1 t2\n"
	    "w1: starts t2\n"
	    "w1: -claim w1#1 t2 -task t2 +result t2 done\n");
	story_end(story);
}
END_TEST

/* A worker's life that was killed with its runner: the next one returns its claims at once; nobody waits for the
 * old session. */
START_TEST(predecessor)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	run_time(story, 5000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	actor_kill_both(story_actor(story, "w1"));
	actor_start(story_actor(story, "w1"));
	int64_t killed_us = story_cluster(story)->agenda.now_us;
	story_until(story, "w1: starts t1");
	ck_assert_int_lt(story_cluster(story)->agenda.now_us - killed_us, 3 * SECOND_US);
	story_drain(story);
	story_skip(story, "leader: -folder w1#1");	/* at its leisure */
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w1: -worker w1 -live w1#1-1 +worker w1 +folder w1#2 +live w1#2-1\n"
	    "w1: -claim w1#1 t1 +retry t1\n"
	    "leader: +claim w1#2 t1\n"
	    "w1: starts t1\n"
	    "w1: -claim w1#2 t1 -task t1 -retry t1 +result t1 done\n");
	story_end(story);
}
END_TEST

/* The coordinator is killed, its runner and the task are not. */
START_TEST(coordinator_killed)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	run_time(story, 5000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	actor_kill(story_actor(story, "w1"));
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w1: -worker w1 -live w1#1-1 +worker w1 +live w1#1-2\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	story_end(story);
}
END_TEST

/* A worker gives its unstarted claims back while nobody leads; the next leader gives them to another one. */
START_TEST(claims_released_while_the_leader_changes)
{
	story_conf(&conf);
	conf.slots = 1;
	conf.workers = 2;
	struct story *story = story_begin(&conf);

	actor_stop(story_actor(story, "w2"));
	run_time(story, 5);
	user_submit(story_actor(story, "s1"), 40, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	run_time(story, 3000);
	user_submit(story_actor(story, "s1"), 3, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t41");
	story_run_ms(story, 200);
	actor_start(story_actor(story, "w2"));
	story_run_ms(story, 200);
	story_forget(story);
	actor_stop(story_actor(story, "w1"));
	story_until(story, "w1: -claim w1#1 t42 -claim w1#1 t43");
	actor_kill(story_leader(story));
	story_drain(story);
	ck_assert_int_eq(story_count(story, "other: +claim w2#2 t42"), 1);
	ck_assert_int_eq(story_count(story, "w2: starts t42"), 1);
	ck_assert_int_eq(story_count(story, "w2: starts t43"), 1);
	ck_assert_int_eq(story_count(story, "w1: starts t42") + story_count(story, "w1: starts t43"), 0);
	story_end(story);
}
END_TEST

/* A worker registers at the very moment at which a new leader reads the tree. */
START_TEST(new_leader_while_a_worker_registers)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	actor_stop(story_actor(story, "w1"));
	story_run_ms(story, 1000);
	user_submit(story_actor(story, "s1"), 2, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 100);
	story_forget(story);
	client_expire(actor_client(story_leader(story)));
	actor_start(story_actor(story, "w1"));
	story_until(story, "w1: +worker w1 +folder w1#2 +live w1#2-1");
	struct dispatcher_view view;
	struct actor *other = story_actor(story, strcmp(actor_name(story_leader(story)), "d1") == 0 ? "d2" : "d1");
	dispatcher_view(actor_dispatcher(other), &view);
	ck_assert_int_ne(view.role, ROLE_LEADER);
	story_drain(story);
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 1);
	ck_assert_int_eq(story_count(story, "w1: starts t2"), 1);
	ck_assert_int_eq(story_count(story, "other: +claim w1#2 t1 +claim w1#2 t2"), 1);
	story_end(story);
}
END_TEST

/* Somebody deletes a worker's entry with zkCli: it registers again, and what runs goes on. */
START_TEST(worker_entry_deleted_by_hand)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	run_time(story, 5000);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	person_delete(story_cluster(story), SIM_ROOT "/workers/w1");
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "p: -worker w1\n"
	    "w1: +worker w1 +live w1#1-2\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	story_end(story);
}
END_TEST

/* Somebody deletes the leader's candidate: its next multi is refused, it steps down, another one leads. */
START_TEST(candidate_deleted_by_hand)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	const struct tree *tree = ensemble_tree(story_cluster(story)->ensemble);
	const struct znode *lowest = NULL;

	for (const struct znode *at = tree_find(tree, SIM_ROOT "/election")->children; at; at = at->next)
		if (!lowest || strcmp(strstr(at->name, "-n_"), strstr(lowest->name, "-n_")) < 0)
			lowest = at;
	person_delete(story_cluster(story), lowest->path);
	story_until(story, "p: -candidate");
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	ck_assert_int_eq(story_count(story, "other: +claim w1#1 t1"), 1);
	ck_assert_int_eq(story_count(story, "leader: +candidate"), 1);
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 1);
	story_end(story);
}
END_TEST

/* After the leader's death tasks are given out again within its session's timeout and two seconds. */
START_TEST(failover_is_bounded)
{
	story_conf(&conf);
	conf.dispatchers = 3;
	struct story *story = story_begin(&conf);

	actor_kill(story_leader(story));
	int64_t killed_us = story_cluster(story)->agenda.now_us;
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "other: +claim w1#1 t1");
	ck_assert_int_le(story_cluster(story)->agenda.now_us - killed_us,
	    conf.session_timeout_ms * INT64_C(1000) + 2 * SECOND_US);
	/* One that is started again where its predecessor's process is known to be dead does not wait at all. */
	struct actor *leader = cluster_leader(story_cluster(story));
	actor_kill(leader);
	killed_us = story_cluster(story)->agenda.now_us;
	actor_start(leader);
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "other: +claim w1#1 t2");
	ck_assert_int_le(story_cluster(story)->agenda.now_us - killed_us, 2 * SECOND_US);
	story_end(story);
}
END_TEST

/* Thousands wait at priority 2; one of priority 9 is among the next slots + 1 starts. */
START_TEST(priority)
{
	story_conf(&conf);
	conf.slots = 4;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");
	int before = 0, starts = 0;

	for (int i = 0; i < 12; i++)
		user_submit(s1, 250, true, 2, CLASS_EXCLUSIVE);
	story_run_ms(story, 10000);
	story_forget(story);
	uint64_t urgent = user_submit(s1, 1, false, 9, CLASS_EXCLUSIVE);
	ck_assert_uint_eq(urgent, 3001);
	story_until(story, "s1: +task t3001!9");
	before = story_lines(story);
	story_until(story, "w1: starts t3001");
	for (int i = before; i < story_lines(story); i++)
		starts += strncmp(story_line(story, i), "w1: starts ", 11) == 0;
	ck_assert_int_le(starts, conf.slots + 1);
	story_end(story);
}
END_TEST

/* A kill -9 of worker and runner; both are back at once, as under a supervisor. */
static void
crash(struct story *story)
{
	actor_kill_both(story_actor(story, "w1"));
	story_run_ms(story, 1000);
	actor_start(story_actor(story, "w1"));
}

/* A machine goes down once: its tasks run side by side again. */
START_TEST(machine_goes_down)
{
	story_conf(&conf);
	conf.slots = 4;
	struct story *story = story_begin(&conf);

	run_time(story, 20000);
	user_submit(story_actor(story, "s1"), 4, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t4");
	crash(story);
	story_forget(story);
	story_run_ms(story, 10000);
	for (int serial = 1; serial <= 4; serial++) {
		char line[32];

		snprintf(line, sizeof line, "w1: starts t%d", serial);
		ck_assert_int_eq(story_count(story, line), 1);
	}
	story_drain(story);
	story_end(story);
}
END_TEST

/* The first task takes its worker with it each time it starts: those beside it must not go with it for good. */
START_TEST(poison_stays_alone)
{
	story_conf(&conf);
	conf.slots = 4;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");
	int killed = 0;

	run_time(story, 20000);
	user_submit(s1, 4, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	for (int i = 0; i < 20000 && !cluster_drained(story_cluster(story), NULL); i++) {
		story_run_ms(story, 50);
		if (story_count(story, "w1: starts t1") > killed) {
			killed++;
			story_run_ms(story, 500);	/* what runs beside it is marked as started, too */
			crash(story);
		}
	}
	ck_assert_str_eq(user_knows(s1, 1), "dead");
	ck_assert_int_eq(killed, LOSSES_FORGIVEN + 1 + CRASH_LIMIT);
	for (uint64_t serial = 2; serial <= 4; serial++)
		ck_assert_str_eq(user_knows(s1, serial), "done");
	ck_assert_int_eq(story_count(story, "w1: starts t2"), LOSSES_FORGIVEN + 2);
	story_end(story);
}
END_TEST

/* Ordinary tasks that would keep all slots of the only worker busy do not keep a suspect waiting: the worker gets no
 * more of them until the suspect has been tried; and while it is, nothing starts beside it. */
START_TEST(suspect_is_not_starved)
{
	story_conf(&conf);
	conf.slots = 4;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");
	int others = 0;

	run_time(story, 5000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	crash(story);
	story_until(story, "w1: starts t1");
	user_submit(s1, 100, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 500);
	crash(story);
	story_forget(story);
	story_until(story, "w1: starts t1");
	ck_assert_int_le(story_lines(story), 60);
	story_forget(story);
	story_run_ms(story, 4500);
	for (int i = 0; i < story_lines(story); i++)
		others += strncmp(story_line(story, i), "w1: starts ", 11) == 0;
	ck_assert_int_eq(others, 0);
	story_end(story);
}
END_TEST

/* The last suspect runs and others wait: none starts beside it, under the leader that gave it out or the next. */
START_TEST(nothing_starts_beside_a_suspect)
{
	story_conf(&conf);
	conf.slots = 4;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	run_time(story, 60000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	crash(story);
	story_until(story, "w1: starts t1");
	crash(story);
	story_until(story, "w1: starts t1");
	user_submit(s1, 4, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t2 +task t3 +task t4 +task t5");
	story_forget(story);
	story_run_ms(story, 10000);
	actor_kill(story_leader(story));
	story_run_ms(story, 40000);
	story_expect(story, "end of session: -candidate\n");
	story_until(story, "other: +claim w1#3 t2 +claim w1#3 t3 +claim w1#3 t4 +claim w1#3 t5");
	ck_assert_str_eq(user_knows(s1, 1), "done");
	story_end(story);
}
END_TEST

Suite *story_faults(void);

Suite *
story_faults(void)
{
	Suite *suite = suite_create("stories");
	TCase *tcase = tcase_create("faults");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, submit_to_done);
	tcase_add_test(tcase, batch_to_done);
	tcase_add_test(tcase, leader_lost_between_assign_and_start);
	tcase_add_test(tcase, worker_lost);
	tcase_add_test(tcase, session_lost_and_back_in_time);
	tcase_add_test(tcase, session_lost_and_back_too_late);
	tcase_add_test(tcase, cancel_waiting);
	tcase_add_test(tcase, cancel_without_a_leader);
	tcase_add_test(tcase, cancel_claimed);
	tcase_add_test(tcase, cancel_running);
	tcase_add_test(tcase, cancel_ended);
	tcase_add_test(tcase, cancel_seen_before_its_task);
	tcase_add_test(tcase, finish_reply_lost);
	tcase_add_test(tcase, assign_reply_lost_while_the_task_finishes);
	tcase_add_test(tcase, predecessor);
	tcase_add_test(tcase, coordinator_killed);
	tcase_add_test(tcase, claims_released_while_the_leader_changes);
	tcase_add_test(tcase, new_leader_while_a_worker_registers);
	tcase_add_test(tcase, worker_entry_deleted_by_hand);
	tcase_add_test(tcase, candidate_deleted_by_hand);
	tcase_add_test(tcase, failover_is_bounded);
	tcase_add_test(tcase, priority);
	tcase_add_test(tcase, machine_goes_down);
	tcase_add_test(tcase, poison_stays_alone);
	tcase_add_test(tcase, suspect_is_not_starved);
	tcase_add_test(tcase, nothing_starts_beside_a_suspect);
	suite_add_tcase(suite, tcase);
	return suite;
}
