/* Why a task waits: each reason, which one counts when several hold, and that place() is asked. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/reason.h"

static const struct place_class plain = { "default", 5, false };
static const struct place_class suspect = { "default", 5, true };

/* A worker of two slots that serves the queue, n of them taken. */
static struct place_worker
worker_with(uint32_t n)
{
	const uint32_t unresolved[PRIORITY_MAX + 1] = { [5] = n };

	return (struct place_worker){ .name = "w", .room = place_room(2, 0, unresolved, 5), .idle = 2 - (int)n,
		.serves_queue = true };
}

static const char *
word_of(const struct wait_facts *facts, const struct place_class *class, struct place_worker *workers, int count)
{
	struct prospect prospect = prospect_of(class, workers, count);

	return reason_word(reason_of(facts, &prospect));
}

START_TEST(test_room)
{
	const uint32_t unresolved[PRIORITY_MAX + 1] = { [2] = 9, [5] = 1, [9] = 2 };

	ck_assert_int_eq(place_room(4, 0, unresolved, 9), 4 - 2 - 4);	/* lower ones may fill the slots, no more */
	ck_assert_int_eq(place_room(4, 6, unresolved, 9), 4 + 6 - 2 - 4);
	ck_assert_int_eq(place_room(4, 0, unresolved, 5), 4 - 3 - 4);
	ck_assert_int_eq(place_room(20, 0, unresolved, 0), 20 - 12);
}
END_TEST

START_TEST(test_workers)
{
	struct wait_facts facts = { .leads = true };
	struct place_worker workers[2];

	ck_assert_str_eq(word_of(&facts, &plain, NULL, 0), "NoWorker");
	workers[0] = worker_with(0);
	workers[0].serves_queue = false;
	workers[1] = worker_with(0);
	workers[1].lost = true;
	ck_assert_str_eq(word_of(&facts, &plain, workers, 2), "NoWorker");
	workers[0] = worker_with(0);
	workers[0].draining = true;
	ck_assert_str_eq(word_of(&facts, &plain, workers, 2), "Draining");
	workers[1] = worker_with(2);
	ck_assert_str_eq(word_of(&facts, &plain, workers, 2), "NoSlot");
	facts.higher = 1;
	ck_assert_str_eq(word_of(&facts, &plain, workers, 2), "Priority");
	ck_assert_int_eq(workers[0].refusal, REFUSAL_DRAINING);
	ck_assert_int_eq(workers[1].refusal, REFUSAL_NO_SLOT);
}
END_TEST

START_TEST(test_line)
{
	struct wait_facts facts = { .leads = true };
	struct place_worker worker = worker_with(0);

	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "Ready");
	facts.before = 1;
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "Ready");
	facts.before = 2;	/* the two before it take the two slots */
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "NoSlot");
	facts.before = 1;
	facts.higher = 1;
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "Priority");
	facts.before = facts.higher = 0;
	worker = worker_with(2);
	worker.room = 3;	/* it would take some ahead, a suspect must not wait there */
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "Ready");
	ck_assert_str_eq(word_of(&facts, &suspect, &worker, 1), "NoFreeSlot");
}
END_TEST

START_TEST(test_order)
{
	struct wait_facts facts = { .class_seen = CLASS_MISSING, .paused = true };
	struct place_worker worker = worker_with(0);

	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "NoLeader");
	facts.leads = true;
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "QueuePaused");
	facts.paused = false;
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "ClassUnknown");
	facts.class_seen = CLASS_UNREADABLE;
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "ClassInvalid");
	facts.claimed = true;
	ck_assert_ptr_null(word_of(&facts, &plain, &worker, 1));
	facts.worker_lost = true;
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "WorkerLost");
	facts.cancelling = true;
	facts.leads = false;
	ck_assert_str_eq(word_of(&facts, &plain, &worker, 1), "Cancelling");
}
END_TEST

START_TEST(test_words)
{
	for (int i = 0; i < REASON_NONE; i++) {
		ck_assert_ptr_nonnull(reason_word((enum reason)i));
		ck_assert_ptr_nonnull(reason_remedy((enum reason)i));
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(reason_word((enum reason)i), reason_word((enum reason)k));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reason");
	TCase *tcase = tcase_create("reason");

	tcase_add_test(tcase, test_room);
	tcase_add_test(tcase, test_workers);
	tcase_add_test(tcase, test_line);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_words);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
