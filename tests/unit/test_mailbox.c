/* Messages from many threads to one: none lost, none twice, in the order of each sender. */
#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "zk/mailbox.h"

#define SENDERS 8
#define EACH 2000

struct note {
	struct message message;
	int sender, number;
};

struct sender {
	struct message message;		/* posted when all is sent */
	struct mailbox *box;
	struct note notes[EACH];
	int number;
};

static bool
readable(struct mailbox *box, int timeout_ms)
{
	struct pollfd fd = { .fd = mailbox_fd(box), .events = POLLIN };

	return poll(&fd, 1, timeout_ms) == 1;
}

static void
send_all(struct message *message)
{
	struct sender *sender = (struct sender *)message;

	for (int i = 0; i < EACH; i++) {
		sender->notes[i].sender = sender->number;
		sender->notes[i].number = i;
		mailbox_post(sender->box, &sender->notes[i].message);
	}
}

static void
no_disposal(struct message *message)
{
	(void)message;
	abort();
}

START_TEST(many_senders)
{
	struct mailbox *box = mailbox_new();
	struct sender *senders = calloc(SENDERS, sizeof *senders);
	int next[SENDERS] = { 0 }, ended = 0;

	for (int i = 0; i < SENDERS; i++) {
		senders[i].box = box;
		senders[i].number = i;
		ck_assert(mailbox_run(box, send_all, no_disposal, &senders[i].message));
	}
	while (ended < SENDERS) {
		ck_assert_msg(readable(box, 20000), "a message was lost");
		for (struct message *message = mailbox_take(box), *after; message; message = after) {
			struct sender *sender = NULL;

			after = message->next;
			for (int i = 0; i < SENDERS; i++)
				if (message == &senders[i].message)
					sender = &senders[i];
			if (sender) {
				ck_assert_int_eq(next[sender->number], EACH);	/* its own message comes last */
				ended++;
			} else {
				struct note *note = (struct note *)message;

				ck_assert_int_eq(note->number, next[note->sender]++);
			}
		}
	}
	ck_assert(!readable(box, 0));
	ck_assert_ptr_null(mailbox_take(box));
	ck_assert_ptr_null(mailbox_free(box));
	free(senders);
}
END_TEST

START_TEST(descriptor)
{
	struct mailbox *box = mailbox_new();
	struct note notes[3] = { { .number = 0 } };

	ck_assert(!readable(box, 0) && !mailbox_take(box));
	for (int i = 0; i < 3; i++)
		mailbox_post(box, &notes[i].message);
	ck_assert(readable(box, 0));
	struct message *first = mailbox_take(box);
	ck_assert(first == &notes[0].message && first->next == &notes[1].message && !notes[2].message.next);
	ck_assert(!readable(box, 0));
	mailbox_wake(box);
	mailbox_wake(box);
	ck_assert(readable(box, 0) && !mailbox_take(box) && !readable(box, 0));
	ck_assert(!mailbox_lost(box));
	mailbox_lose(box);
	ck_assert(readable(box, 0) && mailbox_lost(box) && !mailbox_lost(box));
	mailbox_take(box);
	mailbox_post(box, &notes[1].message);
	ck_assert_ptr_eq(mailbox_free(box), &notes[1].message);
	ck_assert_ptr_null(mailbox_free(NULL));
}
END_TEST

static int gate[2], done[2];

static void
wait_at_gate(struct message *message)
{
	char byte;

	(void)message;
	if (read(gate[0], &byte, 1) != 1)
		abort();
}

static void
dispose(struct message *message)
{
	free(message);
	if (write(done[1], "x", 1) != 1)
		abort();
}

/* A thread that is still at work when its box is freed cleans up after itself. */
START_TEST(freed_while_a_thread_works)
{
	struct mailbox *box = mailbox_new();
	char byte;

	ck_assert(pipe(gate) == 0 && pipe(done) == 0);
	for (int i = 0; i < 2; i++)
		ck_assert(mailbox_run(box, wait_at_gate, dispose, malloc(sizeof(struct note))));
	ck_assert_ptr_null(mailbox_free(box));
	for (int i = 0; i < 2; i++) {
		ck_assert(write(gate[1], "x", 1) == 1);
		ck_assert(read(done[0], &byte, 1) == 1);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *cases = tcase_create("mailbox");

	tcase_set_timeout(cases, 60);
	tcase_add_test(cases, many_senders);
	tcase_add_test(cases, descriptor);
	tcase_add_test(cases, freed_while_a_thread_works);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
