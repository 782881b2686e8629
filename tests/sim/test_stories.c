/* All stories. ZKQ_STORY_VERBOSE=1 CK_RUN_SUITE=... shows everything that happens in them. */
#include <check.h>

Suite *story_faults(void);
Suite *story_submit(void);
Suite *story_queue(void);
Suite *story_update(void);

int
main(void)
{
	SRunner *runner = srunner_create(story_faults());

	srunner_add_suite(runner, story_submit());
	srunner_add_suite(runner, story_queue());
	srunner_add_suite(runner, story_update());
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
