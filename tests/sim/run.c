/* Random runs of the whole system on a simulated ensemble: one seed, one history. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"

static void
usage(void)
{
	fprintf(stderr, "usage: run [-cv] [-p MISTAKE] -s SEED\n"
	    "       run [-c] [-p MISTAKE] [-t SECONDS] -n COUNT\n"
	    "-s runs one seed; -n runs that many fresh ones (-t: but no longer than this) and stops at the first failure.\n"
	    "-c no faults, order of first starts is demanded; -v trace; -p plant a mistake: ");
	for (int i = 1; i < PLANTED_COUNT; i++)
		fprintf(stderr, "%s%s", i > 1 ? " " : "", planted_word((enum planted)i));
	fprintf(stderr, "\n");
	exit(64);
}

static uint64_t
fresh_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	return seed >> 16;
}

int
main(int argc, char **argv)
{
	enum planted planted = PLANTED_NONE;
	bool calm = false, verbose = false, one = false;
	uint64_t seed = 0, count = 0;
	double seconds = 1e9;
	int option;

	while ((option = getopt(argc, argv, "cvs:n:p:t:")) != -1) {
		switch (option) {
		case 'c':
			calm = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			one = true;
			break;
		case 'n':
			count = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtod(optarg, NULL);
			break;
		case 'p':
			for (int i = 1; i < PLANTED_COUNT; i++)
				if (strcmp(optarg, planted_word((enum planted)i)) == 0)
					planted = (enum planted)i;
			if (planted == PLANTED_NONE)
				usage();
			break;
		default:
			usage();
		}
	}
	if (optind != argc || (!one && count == 0))
		usage();
	struct timespec begin, now;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	struct chaos_result result;
	double hours = 0, elapsed = 0;
	uint64_t done = 0, starts = 0, faults = 0, claims = 0, refused = 0;
	for (; done < (one ? 1 : count) && elapsed < seconds; done++) {
		if (!one)
			seed = fresh_seed();
		chaos_run(seed, planted, calm, verbose, &result);
		hours += (double)result.virtual_us / 3.6e9;
		starts += result.counts.starts;
		claims += result.counts.claims;
		refused += result.counts.refused;
		faults += result.faults;
		if (result.failed) {
			printf("seed %" PRIu64 ": %s\nagain: tests/sim/run %s%s%s%s-v -s %" PRIu64 "\n", seed, result.why,
			    calm ? "-c " : "", planted ? "-p " : "", planted ? planted_word(planted) : "", planted ? " " : "", seed);
			return 1;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		elapsed = (double)(now.tv_sec - begin.tv_sec) + (double)(now.tv_nsec - begin.tv_nsec) / 1e9;
	}
	printf("%" PRIu64 " runs, %.1f virtual hours in %.1f s: %" PRIu64 " faults, %" PRIu64 " claims, %" PRIu64 " starts, %"
	    PRIu64 " refused multis, nothing broken\n", done, hours, elapsed, faults, claims, starts, refused);
	return 0;
}
