/* Stories of tasks whose priority or time limit is changed while they wait, and of what can come between. */
#include "story.h"

#include <string.h>

static struct cluster_conf conf;

/* One slot, and a task that keeps it busy: what is submitted then waits. */
static struct story *
begin_busy(int64_t run_ms)
{
	struct story *story = story_begin(&conf);

	story_cluster(story)->conf.task_min_us = story_cluster(story)->conf.task_max_us = run_ms * 1000;
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	story_cluster(story)->conf.task_min_us = story_cluster(story)->conf.task_max_us = 100000;
	return story;
}

static void
submit(struct story *story, int count, bool batch)
{
	user_submit(story_actor(story, "s1"), count, batch, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 500);
}

static void
configure(void)
{
	story_conf(&conf);
	conf.slots = 1;
}

/* A task that waits gets a higher priority and starts before those that came earlier. */
START_TEST(priority_of_a_waiting_task)
{
	configure();
	struct story *story = begin_busy(10000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 2, false);
	story_forget(story);
	user_update(s1, 3, 9, -1);
	story_drain(story);
	ck_assert_str_eq(user_update_knows(s1, 3), "updated");
	story_expect(story,
	    "s1: +update t3\n"
	    "leader: -task t3 +task t3!9 -update t3\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n"
	    "leader: +claim w1#1 t3\n"
	    "w1: starts t3\n"
	    "w1: -claim w1#1 t3 -task t3 +result t3 done\n"
	    "leader: +claim w1#1 t2\n"
	    "w1: starts t2\n"
	    "w1: -claim w1#1 t2 -task t2 +result t2 done\n");
	story_end(story);
}
END_TEST

/* Back at its old priority it has its old place. */
START_TEST(priority_keeps_the_place)
{
	configure();
	struct story *story = begin_busy(10000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 3, false);
	user_update(s1, 2, 1, -1);
	story_run_ms(story, 500);
	user_update(s1, 2, 5, -1);
	story_run_ms(story, 500);
	ck_assert_str_eq(user_update_knows(s1, 2), "updated");
	story_until(story, "w1: starts t2");
	ck_assert_int_eq(story_count(story, "w1: starts t3"), 0);
	story_end(story);
}
END_TEST

/* A time limit alone changes the data where it is; the runner gets it (the invariant compares what is started). */
START_TEST(time_limit_of_a_waiting_task)
{
	configure();
	struct story *story = begin_busy(5000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 1, false);
	story_forget(story);
	user_update(s1, 2, -1, 60000);
	story_run_ms(story, 1000);
	ck_assert_str_eq(user_update_knows(s1, 2), "updated");
	story_expect(story,
	    "s1: +update t2\n"
	    "leader: =task t2 -update t2\n") ;
	story_end(story);
}
END_TEST

/* One task of a batch gets its payload as its own data; the others and the batch stay, until all have ended. */
START_TEST(time_limit_of_one_of_a_batch)
{
	configure();
	struct story *story = begin_busy(5000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 3, true);
	user_update(s1, 3, -1, 60000);
	story_run_ms(story, 500);
	ck_assert_str_eq(user_update_knows(s1, 3), "updated");
	user_update(s1, 4, 7, -1);
	story_run_ms(story, 500);
	ck_assert_str_eq(user_update_knows(s1, 4), "updated");
	story_until(story, "w1: starts t4");
	story_until(story, "w1: starts t2");
	story_until(story, "w1: starts t3");
	story_end(story);
}
END_TEST

/* A worker has it: the request is dropped and the task runs as it was. */
START_TEST(update_of_a_running_task)
{
	configure();
	struct story *story = begin_busy(5000);
	struct actor *s1 = story_actor(story, "s1");

	story_run_ms(story, 500);
	story_forget(story);
	user_update(s1, 1, 9, -1);
	story_run_ms(story, 1000);
	ck_assert_str_eq(user_update_knows(s1, 1), "busy");
	story_drain(story);
	story_expect(story,
	    "s1: +update t1\n"
	    "leader: -update t1\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	user_update(s1, 1, 9, -1);
	story_run_ms(story, 1000);
	ck_assert_str_eq(user_update_knows(s1, 1), "ended");
	story_end(story);
}
END_TEST

/* That a running task is so already does not count as a change. */
START_TEST(update_of_a_running_task_to_what_it_is)
{
	configure();
	struct story *story = begin_busy(20000);
	struct actor *s1 = story_actor(story, "s1");

	user_update(s1, 1, PRIORITY_DEFAULT, -1);
	story_run_ms(story, 500);
	ck_assert_str_eq(user_update_knows(s1, 1), "busy");
	user_update(s1, 1, PRIORITY_DEFAULT, 0);
	story_run_ms(story, 500);
	ck_assert_str_eq(user_update_knows(s1, 1), "busy");
	story_end(story);
}
END_TEST

/* Of one that waits it does, and it starts as ever. */
START_TEST(update_of_a_waiting_task_to_what_it_is)
{
	configure();
	struct story *story = begin_busy(5000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 2, true);
	story_forget(story);
	user_update(s1, 3, PRIORITY_DEFAULT, -1);
	story_run_ms(story, 500);
	ck_assert_str_eq(user_update_knows(s1, 3), "updated");
	user_update(s1, 3, PRIORITY_DEFAULT, 0);
	story_run_ms(story, 500);
	ck_assert_str_eq(user_update_knows(s1, 3), "updated");
	story_until(story, "w1: starts t2");
	story_until(story, "w1: starts t3");
	story_end(story);
}
END_TEST

/* The task is given out while the request is on its way: it is claimed as it was, the request is dropped. */
START_TEST(update_while_it_is_being_assigned)
{
	configure();
	struct story *story = story_begin(&conf);

	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "leader: +claim w1#1 t1");
	char id[64];
	ck_assert(invariant_accepted(story_cluster(story)->invariant, 1, id));
	person_update(story_cluster(story), id, "{\"v\":1,\"priority\":8}");
	story_until(story, "p: +update t1");
	story_until(story, "leader: -update t1");
	story_drain(story);
	ck_assert_int_eq(story_count(story, "leader: -task t1 +task t1!8 -update t1"), 0);
	story_end(story);
}
END_TEST

/* The leader does not hear what became of its multi: the segment's listing tells. */
START_TEST(outcome_of_a_change_is_unknown)
{
	configure();
	struct story *story = begin_busy(20000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 2, false);
	story_forget(story);
	user_update(s1, 3, 9, -1);
	story_until(story, "leader: -task t3 +task t3!9 -update t3");
	client_cut(actor_client(story_leader(story)));
	story_run_ms(story, 5000);
	ck_assert_str_eq(user_update_knows(s1, 3), "updated");
	/* The same once more, but this time it was never sent. */
	ensemble_conf(story_cluster(story)->ensemble)->lose_request_ppm = 1000000;
	user_update(s1, 3, 2, -1);
	story_run_ms(story, 1000);
	ensemble_conf(story_cluster(story)->ensemble)->lose_request_ppm = 0;
	story_run_ms(story, 5000);
	ck_assert_str_eq(user_update_knows(s1, 3), "updated");
	ck_assert_int_eq(story_count(story, "leader: -task t3 +task t3!2 -update t3"), 1);
	story_until(story, "w1: starts t2");
	ck_assert_int_eq(story_count(story, "w1: starts t3"), 0);
	story_end(story);
}
END_TEST

/* The leader dies at the moment of the change: the next one finds the task under its new name. */
START_TEST(leader_lost_after_a_change)
{
	configure();
	struct story *story = begin_busy(60000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 2, false);
	user_update(s1, 3, 9, -1);
	story_until(story, "leader: -task t3 +task t3!9 -update t3");
	actor_kill(story_leader(story));
	story_until(story, "other: +claim w1#1 t3");
	ck_assert_int_eq(story_count(story, "other: +claim w1#1 t2"), 0);
	story_end(story);
}
END_TEST

/* Asked for while nobody leads: done by the next leader, before the task is given out. */
START_TEST(update_while_nobody_leads)
{
	configure();
	struct story *story = begin_busy(1000);
	struct actor *s1 = story_actor(story, "s1");

	actor_kill(story_actor(story, "d1"));
	actor_kill(story_actor(story, "d2"));
	submit(story, 3, false);
	user_update(s1, 4, 9, 30000);
	story_run_ms(story, 10000);
	ck_assert_str_eq(user_update_knows(s1, 4), "requested");
	cluster_heal(story_cluster(story));
	story_until(story, "w1: starts t4");
	ck_assert_int_eq(story_count(story, "w1: starts t3"), 0);
	ck_assert_str_eq(user_update_knows(s1, 4), "updated");
	story_end(story);
}
END_TEST

/* A task whose end is asked for, too, ends; nothing of the other request is left. */
START_TEST(update_and_cancel_at_once)
{
	configure();
	struct story *story = begin_busy(20000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 2, false);
	user_update(s1, 2, 9, -1);
	user_cancel(s1, 2);
	user_cancel(s1, 3);
	user_update(s1, 3, 9, -1);
	story_drain(story);
	ck_assert_str_eq(user_knows(s1, 2), "cancelled");
	ck_assert_str_eq(user_knows(s1, 3), "cancelled");
	ck_assert_int_eq(story_count(story, "w1: starts t2") + story_count(story, "w1: starts t3"), 0);
	story_end(story);
}
END_TEST

/* Who looks for the token of a submit with unknown outcome finds it under either name, and does not send it again. */
START_TEST(submitter_looks_for_its_token_while_it_is_changed)
{
	configure();
	struct story *story = begin_busy(30000);
	struct actor *s1 = story_actor(story, "s1");
	char id[64];

	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t2");
	client_silence(actor_client(s1), story_cluster(story)->agenda.now_us + 3 * SECOND_US);
	ck_assert(invariant_accepted(story_cluster(story)->invariant, 2, id));
	for (int i = 0; i < 12; i++) {
		person_update(story_cluster(story), id, i % 2 ? "{\"v\":1,\"priority\":8}" : "{\"v\":1,\"priority\":2}");
		story_run_ms(story, 500);
	}
	ck_assert_str_eq(user_knows(s1, 2), "accepted");
	story_drain(story);
	ck_assert_int_eq(story_count(story, "w1: starts t2"), 1);
	story_end(story);
}
END_TEST

/* Changed in a segment that is closed: that is the one create it may see; then it is deleted like any other. */
START_TEST(update_in_a_closed_segment)
{
	configure();
	conf.segment_size = 2;
	struct story *story = begin_busy(10000);
	struct actor *s1 = story_actor(story, "s1");

	submit(story, 4, false);
	user_update(s1, 3, 1, 5000);
	story_run_ms(story, 1000);
	ck_assert_str_eq(user_update_knows(s1, 3), "updated");
	story_until(story, "w1: starts t3");
	ck_assert_int_eq(story_count(story, "w1: starts t5"), 1);
	story_end(story);
}
END_TEST

/* A task that has run before keeps what is recorded of that. */
START_TEST(update_of_a_task_that_ran_before)
{
	configure();
	struct story *story = begin_busy(40000);
	struct actor *s1 = story_actor(story, "s1");

	actor_stop(story_actor(story, "w1"));	/* it drains, and gives t1 back when its time is over */
	story_run_ms(story, 60000);
	user_update(s1, 1, 7, 30000);
	story_run_ms(story, 1000);
	ck_assert_str_eq(user_update_knows(s1, 1), "updated");
	actor_start(story_actor(story, "w1"));
	story_until(story, "w1: starts t1");
	story_until(story, "w1: -claim w1#2 t1 -task t1 -retry t1 +result t1 done");
	story_end(story);
}
END_TEST

/* Requests that make no sense are dropped and harm nothing. */
START_TEST(update_of_nothing)
{
	configure();
	struct story *story = begin_busy(5000);
	char id[64];

	submit(story, 1, false);
	person_update(story_cluster(story), "default.0.abcdefghijkl", "{\"v\":1,\"priority\":8}");
	ck_assert(invariant_accepted(story_cluster(story)->invariant, 2, id));
	static const char *const bad[] = { "", "{", "{\"v\":1}", "{\"v\":1,\"priority\":10}", "{\"v\":1,\"time_limit\":\"x\"}",
		"{\"v\":1,\"priority\":5}" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		person_update(story_cluster(story), id, bad[i]);
		story_run_ms(story, 400);
	}
	story_drain(story);
	ck_assert_int_eq(story_count(story, "w1: starts t2"), 1);
	ck_assert_int_eq(story_count(story, "leader: -update t2"), 5);
	ck_assert_int_eq(story_count(story, "leader: =task t2 -update t2"), 1);
	story_end(story);
}
END_TEST

Suite *story_update(void);

Suite *
story_update(void)
{
	Suite *suite = suite_create("update");
	TCase *tcase = tcase_create("update");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, priority_of_a_waiting_task);
	tcase_add_test(tcase, priority_keeps_the_place);
	tcase_add_test(tcase, time_limit_of_a_waiting_task);
	tcase_add_test(tcase, time_limit_of_one_of_a_batch);
	tcase_add_test(tcase, update_of_a_running_task);
	tcase_add_test(tcase, update_of_a_running_task_to_what_it_is);
	tcase_add_test(tcase, update_of_a_waiting_task_to_what_it_is);
	tcase_add_test(tcase, update_while_it_is_being_assigned);
	tcase_add_test(tcase, outcome_of_a_change_is_unknown);
	tcase_add_test(tcase, leader_lost_after_a_change);
	tcase_add_test(tcase, update_while_nobody_leads);
	tcase_add_test(tcase, update_and_cancel_at_once);
	tcase_add_test(tcase, submitter_looks_for_its_token_while_it_is_changed);
	tcase_add_test(tcase, update_in_a_closed_segment);
	tcase_add_test(tcase, update_of_a_task_that_ran_before);
	tcase_add_test(tcase, update_of_nothing);
	suite_add_tcase(suite, tcase);
	return suite;
}
