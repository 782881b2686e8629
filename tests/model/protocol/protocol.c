/*
 * protocol.c: explicit-state model of the protocol of zkq-znodes(7): every state of a small world is visited. It shares no
 * code with the core: it says again, in the shortest words, what everybody may do; "exhaust" runs it, and RESULTS.md holds
 * what came of it. Whoever changes the protocol changes it here, too, each rule with the words that it has there.
 *
 *   tree.c         ZooKeeper: one totally ordered tree. A multi is one step of the model.
 *   submitters.c   two clients, and the people who cancel and remove tasks
 *   dispatchers.c  two candidates; taking over. Then the leader's work: segments.c, folders.c, assign.c, wishes.c
 *   workers.c      two workers with sessions, processes, incarnations and leases
 *   invariant.c    what must hold, and where everything must be able to go
 *   search.c       breadth first over all states; then back, for states from which not all can drain. store.c keeps
 *                  them, canonical.c says which are the same
 *   setup.c        faults, sizes, and the protections that can be taken away
 *
 * Time is only an order: kill_by comes before lost_after is over (core/lease.h), a session ends some time after its process,
 * retention comes at any time. Stale reads: a read is a step, and what it saw is used any number of steps later; so a
 * read from a lagging follower is one made earlier, as long as one session's reads and writes are in order, as ZooKeeper
 * promises.
 *
 * Not in it, and shown elsewhere (tests/sim, tests/real): the arithmetic of leases; who waits twice the session time-out
 * because it may not close a segment; suspects and the crash limit; draining; orders other than kill; the inbox, whose move
 * has the shape of a submit; idempotency keys; batches of more than one worker's tasks; proof that a predecessor is dead;
 * reports whose list of 256 returned numbers is too short.
 *
 * Rules of the protocol that the model has, but cannot find missing:
 *   - a number that a worker never saw, below one that it sees, counts as returned. The leader that gave it asks for the
 *     outcome of its assign before it gives the next, so it never learns of the number in this way first;
 *   - a new leader reads claims before segments, and a folder's listing before its report: since every assign checks its task
 *     and leaders never give the same number, another order does no harm;
 *   - the report is the data of the folder, and outlives the session: without it the leader would list segments instead;
 *   - after BADVERSION the tail is read again: since closing and opening are one multi, counting up would find it, too.
 * The core also lists a closed segment again that it cannot delete because something is left in it. The model does without:
 * here a leader that forgets a waiting task is found as a state from which not all can drain.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "search.h"
#include "setup.h"
#include "store.h"

#define MILLION 1000000u

static void
usage(void)
{
	fprintf(stderr, "usage: protocol [-qS] [-b NAME=NUMBER]... [-p NAME]... [-m MILLIONS] [-t SECONDS]\n"
	    "-b sets a number, -p removes a protection, -S counts symmetric states once, -m limits the states, -t the time,\n"
	    "-q prints no trace. Exit: 0 nothing found, 1 a promise is broken, 2 not all visited, 3 a state is stuck.\n");
	setup_help();
	exit(64);
}

static int
report(const struct finding *finding)
{
	static const char *const words[] = { "exhausted, no violation, no stuck state", "VIOLATION: ", "not exhausted",
		"STUCK: there is a state from which not all can drain" };

	printf("%s%s: %u states, %llu transitions, depth %d, %u drained, %zu bytes a state, %.1f s%s\n",
	    words[finding->verdict], finding->broken ? finding->broken : "", finding->states,
	    (unsigned long long)finding->transitions, finding->depth, finding->drained, store_state_size(),
	    finding->seconds, finding->bounds ? "; bounds touched" : "");
	return finding->verdict;
}

int
main(int argc, char **argv)
{
	unsigned long millions = 4;
	double seconds = 3600;
	bool trace = true;
	int option;

	while ((option = getopt(argc, argv, "b:m:p:qSt:")) != -1) {
		switch (option) {
		case 'b':
			if (!setup_set(optarg))
				usage();
			break;
		case 'm':
			millions = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			if (!setup_remove(optarg))
				usage();
			break;
		case 'q':
			trace = false;
			break;
		case 'S':
			setup.symmetry = true;
			break;
		case 't':
			seconds = strtod(optarg, NULL);
			break;
		default:
			usage();
		}
	}
	if (optind != argc || !setup_fits() || millions == 0 || millions >= STORE_NONE / MILLION)
		usage();
	if (!store_open((uint32_t)millions * MILLION)) {
		perror("protocol: memory for the states");
		return 1;
	}
	struct finding finding = search_run(seconds, trace);
	int exit_code = report(&finding);
	store_close();
	return exit_code;
}
