/* Stories of what people do to a whole queue. */
#include "story.h"

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
	suite_add_tcase(suite, tcase);
	return suite;
}
