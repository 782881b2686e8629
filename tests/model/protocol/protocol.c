/*
 * protocol.c: explicit-state model of the protocol of zkq-znodes(7): every state of a small world is visited.
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
	unsigned long millions = 20;
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
	if (optind != argc || millions == 0 || millions >= STORE_NONE / MILLION)
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
