/* Stories of what people do to a whole queue. */
#include "story.h"

#include <stdio.h>
#include <string.h>

static struct cluster_conf conf;

static int64_t
now_ms(struct story *story)
{
	return story_cluster(story)->agenda.now_us / 1000;
}

/* Pauses the queue and waits until the leader knows; returns the time at which it was written. */
static int64_t
pause_queue(struct story *story, const char *json)
{
	person_configure(story_cluster(story), "default", json);
	story_run_ms(story, 20);
	int64_t written_ms = now_ms(story);
	story_run_ms(story, 480);
	return written_ms;
}

/* A pause with an end ends by itself, no earlier than it was asked for, and nothing has to be written for that. */
START_TEST(pause_ends_by_itself)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	int64_t paused_ms = pause_queue(story, "{\"v\":1,\"paused\":true,\"paused_for\":30}");

	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 25000);
	ck_assert_int_eq(story_count(story, "leader: +claim w1#1 t1"), 0);
	story_until(story, "w1: starts t1");
	ck_assert_int_ge(now_ms(story) - paused_ms, 29900);
	ck_assert_int_le(now_ms(story) - paused_ms, 30500);
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	story_end(story);
}
END_TEST

/* The next leader neither begins the time anew nor forgets it: it counts from the record's own time. */
START_TEST(pause_ends_under_the_next_leader)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	int64_t paused_ms = pause_queue(story, "{\"v\":1,\"paused\":true,\"paused_for\":60}");

	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 10000);
	actor_kill(story_leader(story));
	story_run_ms(story, 45000);
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 0);
	story_until(story, "w1: starts t1");
	ck_assert_int_ge(now_ms(story) - paused_ms, 59900);
	ck_assert_int_le(now_ms(story) - paused_ms, 60500);
	story_end(story);
}
END_TEST

/* Its time passes while no dispatcher is there; who comes then finds it over. */
START_TEST(pause_ends_while_nobody_leads)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	pause_queue(story, "{\"v\":1,\"paused\":true,\"paused_for\":60}");
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 1000);
	actor_kill(story_actor(story, "d1"));
	actor_kill(story_actor(story, "d2"));
	story_run_ms(story, 90000);
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 0);
	int64_t back_ms = now_ms(story);
	cluster_heal(story_cluster(story));
	story_until(story, "w1: starts t1");
	ck_assert_int_le(now_ms(story) - back_ms, 15000);
	story_end(story);
}
END_TEST

/* Resumed early, and paused once more for longer: what was written last counts. */
START_TEST(pause_is_changed_before_its_end)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	pause_queue(story, "{\"v\":1,\"paused\":true,\"paused_for\":3600}");
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 5000);
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 0);
	pause_queue(story, "{\"v\":1}");
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 1);
	pause_queue(story, "{\"v\":1,\"paused\":true,\"paused_for\":20}");
	int64_t again_ms = pause_queue(story, "{\"v\":1,\"paused\":true,\"paused_for\":40}");
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t2");
	ck_assert_int_ge(now_ms(story) - again_ms, 39900);
	story_end(story);
}
END_TEST

/* An empty queue goes with all that belongs to it, in the order that keeps submitters right; one made later has other ids. */
START_TEST(delete_an_empty_queue)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	story_forget(story);
	person_delete_queue(story_cluster(story), "default", false);
	story_until(story, "leader: -queue default");
	story_expect(story,
	    "p: deleting default\n"
	    "leader: close default/0\n"
	    "leader: deleted default\n"
	    "leader: stamp done default/0 mark done default/0\n"
	    "leader: -result t1\n"
	    "leader: -done default/0\n"
	    "leader: -segment default/0\n"
	    "leader: -queue default\n");
	story_run_ms(story, 20000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 1000);
	ck_assert_str_eq(user_knows(s1, 2), "refused");
	person_create_queue(story_cluster(story), "default");
	story_run_ms(story, 1000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	ck_assert_str_eq(user_knows(s1, 3), "done");
	char id[64];
	ck_assert(invariant_accepted(story_cluster(story)->invariant, 3, id));
	ck_assert_int_eq(strncmp(id, "default.1.", 10), 0);
	story_end(story);
}
END_TEST

/* What came in before the door was shut still runs to its end; what comes later is refused. */
START_TEST(delete_without_force_waits_for_tasks)
{
	story_conf(&conf);
	conf.slots = 1;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	story_cluster(story)->conf.task_min_us = story_cluster(story)->conf.task_max_us = 5 * SECOND_US;
	user_submit(s1, 3, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	uint64_t inbox = person_inbox(story_cluster(story), true);
	person_delete_queue(story_cluster(story), "default", false);
	story_run_ms(story, 2000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "leader: -queue default");
	for (uint64_t serial = 1; serial <= 3; serial++)
		ck_assert_str_eq(user_knows(s1, serial), "done");
	ck_assert(invariant_accepted(story_cluster(story)->invariant, inbox, NULL));
	ck_assert_str_eq(user_knows(s1, 5), "refused");
	story_end(story);
}
END_TEST

/* With force running tasks are killed first, what waits is removed, and who waits for it is told that it is no task. */
START_TEST(delete_with_force)
{
	story_conf(&conf);
	conf.slots = 1;
	conf.segment_size = 4;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	story_cluster(story)->conf.task_min_us = story_cluster(story)->conf.task_max_us = 600 * SECOND_US;
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	user_submit(s1, 10, true, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_run_ms(story, 1000);
	person_delete_queue(story_cluster(story), "default", true);
	story_until(story, "leader: +order w1#1 kill");
	story_until(story, "w1: -claim w1#1 t1 -order w1#1 kill -task t1 +result t1 cancelled");
	story_until(story, "leader: deleted default");
	story_until(story, "leader: -queue default");
	story_drain(story);
	ck_assert_str_eq(user_knows(s1, 5), "gone");
	ck_assert_int_eq(story_count(story, "w1: starts t2"), 0);
	story_end(story);
}
END_TEST

/* At each of its steps the leader dies; the next one takes it up. */
START_TEST(leader_lost_while_a_queue_is_deleted)
{
	static const char *const steps[] = { "close default/1", "deleted default", "stamp done default/1 mark done default/1",
		"-segment default/1" };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		char line[128];

		story_conf(&conf);
		conf.slots = 1;
		conf.segment_size = 4;
		struct story *story = story_begin(&conf);
		struct actor *s1 = story_actor(story, "s1");

		story_cluster(story)->conf.task_min_us = story_cluster(story)->conf.task_max_us = 600 * SECOND_US;
		for (int k = 0; k < 9; k++) {
			user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
			story_run_ms(story, 200);
		}
		person_delete_queue(story_cluster(story), "default", true);
		snprintf(line, sizeof line, "leader: %s", steps[i]);
		story_until(story, line);
		actor_kill(story_leader(story));
		story_until(story, "other: -queue default");
		story_end(story);
	}
}
END_TEST

/* Its outcome unknown, a submit is not taken for refused when the queue with its task has been deleted and made anew. */
START_TEST(submit_reply_lost_until_the_queue_is_another)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t1");
	client_silence(actor_client(s1), story_cluster(story)->agenda.now_us + 120 * SECOND_US);
	story_run_ms(story, 2000);
	person_delete_queue(story_cluster(story), "default", true);
	story_until(story, "leader: -queue default");
	person_create_queue(story_cluster(story), "default");
	story_run_ms(story, 130000);
	ck_assert_str_eq(user_knows(s1, 1), "unknown");
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 1);
	story_end(story);
}
END_TEST

/* A worker is cut off with a claim: the queue stays until the claim is revoked for certain. */
START_TEST(delete_while_a_worker_is_cut_off)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	story_cluster(story)->conf.task_min_us = story_cluster(story)->conf.task_max_us = 20 * SECOND_US;
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "w1: starts t1");
	client_silence(actor_client(story_actor(story, "w1")), story_cluster(story)->agenda.now_us + 90 * SECOND_US);
	person_delete_queue(story_cluster(story), "default", true);
	story_run_ms(story, 25000);
	ck_assert_int_eq(story_count(story, "leader: deleted default"), 0);
	story_until(story, "leader: -queue default");
	story_end(story);
}
END_TEST

Suite *story_queue(void);

Suite *
story_queue(void)
{
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("queue");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, pause_ends_by_itself);
	tcase_add_test(tcase, pause_ends_under_the_next_leader);
	tcase_add_test(tcase, pause_ends_while_nobody_leads);
	tcase_add_test(tcase, pause_is_changed_before_its_end);
	tcase_add_test(tcase, delete_an_empty_queue);
	tcase_add_test(tcase, delete_without_force_waits_for_tasks);
	tcase_add_test(tcase, delete_with_force);
	tcase_add_test(tcase, leader_lost_while_a_queue_is_deleted);
	tcase_add_test(tcase, submit_reply_lost_until_the_queue_is_another);
	tcase_add_test(tcase, delete_while_a_worker_is_cut_off);
	suite_add_tcase(suite, tcase);
	return suite;
}
