/* Stories of submitting: segments that roll, and replies that are lost. */
#include "story.h"

#include <string.h>

static struct cluster_conf conf;

/* s1 knows an old tail: its multi is refused, it reads the tail again and sends to the new segment. */
START_TEST(segment_rolls_while_a_submitter_is_late)
{
	story_conf(&conf);
	conf.submitters = 2;
	conf.segment_size = 3;
	struct story *story = story_begin(&conf);

	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	user_submit(story_actor(story, "s2"), 3, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s2: close default/0 +segment default/1");
	user_submit(story_actor(story, "s1"), 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	ck_assert_int_eq(story_count(story, "s1: +task t5"), 1);
	char id[64];
	ck_assert(invariant_accepted(story_cluster(story)->invariant, 5, id));
	ck_assert(strncmp(id, "default.1.", 10) == 0);
	ck_assert_str_eq(user_knows(story_actor(story, "s1"), 5), "done");
	story_end(story);
}
END_TEST

/* One of them rolls; the other is refused and goes on in the new segment. */
START_TEST(two_submitters_roll_at_once)
{
	story_conf(&conf);
	conf.submitters = 2;
	conf.segment_size = 2;
	struct story *story = story_begin(&conf);

	for (int i = 0; i < 10; i++) {
		user_submit(story_actor(story, "s1"), 2, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
		user_submit(story_actor(story, "s2"), 2, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
		story_run_ms(story, 50);
	}
	story_drain(story);
	int rolls = 0;
	for (int i = 0; i < story_lines(story); i++)
		rolls += strstr(story_line(story, i), " close default/") != NULL;
	ck_assert_int_gt(rolls, 3);
	for (uint64_t serial = 1; serial <= 40; serial++)
		ck_assert_str_eq(user_knows(story_actor(story, (serial - 1) / 2 % 2 ? "s2" : "s1"), serial), "done");
	story_end(story);
}
END_TEST

/* The reply is lost, the task is found: accepted, once. */
START_TEST(submit_reply_lost)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t1");
	client_cut(actor_client(s1));
	story_drain(story);
	story_expect(story,
	    "s1: +task t1\n"
	    "leader: +claim w1#1 t1\n"
	    "w1: starts t1\n"
	    "w1: -claim w1#1 t1 -task t1 +result t1 done\n");
	ck_assert_str_eq(user_knows(s1, 1), "done");
	story_end(story);
}
END_TEST

/* The request is lost: not accepted, and sent again. */
START_TEST(submit_request_lost)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1");

	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_drain(story);
	story_forget(story);
	ensemble_conf(story_cluster(story)->ensemble)->lose_request_ppm = 1000000;
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	ensemble_conf(story_cluster(story)->ensemble)->lose_request_ppm = 0;
	story_drain(story);
	story_expect(story,
	    "s1: +task t2\n"
	    "leader: +claim w1#1 t2\n"
	    "w1: starts t2\n"
	    "w1: -claim w1#1 t2 -task t2 +result t2 done\n");
	ck_assert_str_eq(user_knows(s1, 2), "done");
	story_end(story);
}
END_TEST

/* While its submitter is cut off the task ends, its segment is deleted, and retention removes the result: nobody can
 * know any more, and it is not sent again. */
START_TEST(submit_reply_lost_until_retention_has_removed_the_result)
{
	story_conf(&conf);
	conf.submitters = 2;
	conf.segment_size = 2;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1"), *s2 = story_actor(story, "s2");

	person_configure(story_cluster(story), "default", "{\"v\":1,\"retain_age\":3,\"retain_count\":1}");
	story_run_ms(story, 1000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t1");
	client_silence(actor_client(s1), story_cluster(story)->agenda.now_us + 300 * SECOND_US);
	for (int i = 0; i < 4; i++) {
		user_submit(s2, 2, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
		story_run_ms(story, 1000);
	}
	story_until(story, "leader: mark done default/0");
	story_until(story, "leader: -done default/0");
	ck_assert_str_eq(user_knows(s1, 1), "pending");
	story_drain(story);
	ck_assert_str_eq(user_knows(s1, 1), "unknown");
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 1);
	story_end(story);
}
END_TEST

/* The same, but the result's folder is marked and not yet gone. */
START_TEST(submit_reply_lost_until_retention_has_begun)
{
	story_conf(&conf);
	conf.submitters = 2;
	conf.segment_size = 2;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1"), *s2 = story_actor(story, "s2");

	person_configure(story_cluster(story), "default", "{\"v\":1,\"retain_age\":3,\"retain_count\":1}");
	story_run_ms(story, 1000);
	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t1");
	client_silence(actor_client(s1), story_cluster(story)->agenda.now_us + 300 * SECOND_US);
	for (int i = 0; i < 4; i++) {
		user_submit(s2, 2, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
		story_run_ms(story, 1000);
	}
	story_until(story, "leader: mark done default/0");
	/* Nobody goes on with it. */
	actor_kill(story_actor(story, "d1"));
	actor_kill(story_actor(story, "d2"));
	story_run_ms(story, 310000);
	/* A result that is still there tells that the task was accepted. */
	ck_assert(strcmp(user_knows(s1, 1), "unknown") == 0 || strcmp(user_knows(s1, 1), "done") == 0);
	cluster_heal(story_cluster(story));
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 1);
	story_end(story);
}
END_TEST

/* The same with a dead letter: there are too many of them and the oldest go, long before any result does. */
START_TEST(submit_reply_lost_until_its_dead_letter_is_removed)
{
	story_conf(&conf);
	conf.submitters = 2;
	conf.segment_size = 2;
	conf.dead_count = 0;
	conf.task_min_us = conf.task_max_us = 20 * SECOND_US;
	struct story *story = story_begin(&conf);
	struct actor *s1 = story_actor(story, "s1"), *w1 = story_actor(story, "w1");

	user_submit(s1, 1, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
	story_until(story, "s1: +task t1");
	client_silence(actor_client(s1), story_cluster(story)->agenda.now_us + 4200 * SECOND_US);
	/* The first losses make it a suspect, the others are its own. */
	for (int i = 0; i < LOSSES_FORGIVEN + 1 + CRASH_LIMIT; i++) {
		story_until(story, "w1: starts t1");
		actor_kill_both(w1);
		actor_start(w1);
	}
	for (int i = 0; i < 3; i++) {
		user_submit(story_actor(story, "s2"), 2, false, PRIORITY_DEFAULT, CLASS_EXCLUSIVE);
		story_run_ms(story, 1000);
	}
	story_run_ms(story, 3600 * 1000);
	ck_assert_str_eq(user_knows(s1, 1), "pending");
	story_drain(story);
	ck_assert_str_eq(user_knows(s1, 1), "unknown");
	ck_assert_int_eq(story_count(story, "w1: starts t1"), LOSSES_FORGIVEN + 1 + CRASH_LIMIT);
	story_end(story);
}
END_TEST

/* An inbox task is named and moved, and what is no task becomes a dead letter. */
START_TEST(inbox)
{
	story_conf(&conf);
	struct story *story = story_begin(&conf);

	person_inbox(story_cluster(story), true);
	story_until(story, "p: +inbox");
	story_drain(story);
	person_inbox(story_cluster(story), false);
	story_until(story, "p: +inbox");
	story_drain(story);
	ck_assert_int_eq(story_count(story, "p: +inbox"), 2);
	ck_assert_int_eq(story_count(story, "w1: starts t1"), 1);
	ck_assert_int_eq(story_count(story, "w1: starts t2"), 0);
	struct invariant_counts counts;
	invariant_counts(story_cluster(story)->invariant, &counts);
	ck_assert_uint_eq(counts.dead, 1);
	ck_assert_uint_eq(counts.results, 1);
	story_end(story);
}
END_TEST

Suite *story_submit(void);

Suite *
story_submit(void)
{
	Suite *suite = suite_create("submit");
	TCase *tcase = tcase_create("submit");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, segment_rolls_while_a_submitter_is_late);
	tcase_add_test(tcase, two_submitters_roll_at_once);
	tcase_add_test(tcase, submit_reply_lost);
	tcase_add_test(tcase, submit_request_lost);
	tcase_add_test(tcase, submit_reply_lost_until_retention_has_removed_the_result);
	tcase_add_test(tcase, submit_reply_lost_until_retention_has_begun);
	tcase_add_test(tcase, submit_reply_lost_until_its_dead_letter_is_removed);
	tcase_add_test(tcase, inbox);
	suite_add_tcase(suite, tcase);
	return suite;
}
