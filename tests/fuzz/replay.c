/*
 * replay: runs files through a fuzz target, and with -m so many changed copies of each. Files named *.found hold many inputs:
 * of each its length in decimal, a newline, its bytes, a newline (search.py makes them); these are run as they are.
 *
 * usage: replay [-m COUNT] [-s SEED] FILE...
 */
#include <getopt.h>
#include <string.h>

#include "core/rng.h"
#include "fuzz.h"

#define SIZE_MOST (1 << 20)

static struct rng rng;

/* Changes a few bytes, cuts, or doubles a part. */
static size_t
change(uint8_t *data, size_t size)
{
	static const char bytes[] = "\"\\{}[],:.-/0123456789abtfnx\x00\xff\x80 \n";

	for (uint64_t count = 1 + rng_below(&rng, 4); count > 0 && size > 0; count--) {
		size_t at = rng_below(&rng, size), len = 1 + rng_below(&rng, size - at < 16 ? size - at : 16);

		switch (rng_below(&rng, 6)) {
		case 0:
			data[at] ^= (uint8_t)(1u << rng_below(&rng, 8));
			break;
		case 1:
			size = at;
			break;
		case 2:		/* without a part */
			memmove(data + at, data + at + len, size - at - len);
			size -= len;
			break;
		case 3:		/* a part twice */
			if (size + len <= SIZE_MOST) {
				memmove(data + at + len, data + at, size - at);
				size += len;
			}
			break;
		default:
			data[at] = (uint8_t)bytes[rng_below(&rng, sizeof bytes - 1)];
		}
	}
	return size;
}

/* In memory of exactly that size, so that a sanitizer sees a step too far. */
static void
try(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int
run_packed(const char *name, FILE *file)
{
	static uint8_t data[SIZE_MOST];
	size_t size;

	while (fscanf(file, "%zu", &size) == 1) {
		if (getc(file) != '\n' || size > sizeof data || fread(data, 1, size, file) != size || getc(file) != '\n') {
			fprintf(stderr, "%s: not packed inputs\n", name);
			return 1;
		}
		try(data, size);
	}
	return !feof(file);
}

static void
run_single(FILE *file, long changed)
{
	static uint8_t original[SIZE_MOST], data[SIZE_MOST];
	size_t size = fread(original, 1, sizeof original, file);

	try(original, size);
	for (long i = 0; i < changed; i++) {
		memcpy(data, original, size);
		try(data, change(data, size));
	}
}

static int
run(const char *name, long changed)
{
	FILE *file = fopen(name, "rb");
	size_t len = strlen(name);
	int failed = 0;

	if (!file) {
		perror(name);
		return 1;
	}
	fprintf(stderr, "%s\n", name);
	if (len > 6 && strcmp(name + len - 6, ".found") == 0)
		failed = run_packed(name, file);
	else
		run_single(file, changed);
	fclose(file);
	return failed;
}

int
main(int argc, char **argv)
{
	long changed = 0;
	uint64_t seed = 1;
	int failed = 0;

	for (int option; (option = getopt(argc, argv, "m:s:")) != -1; )
		if (option == 'm')
			changed = strtol(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	rng_seed(&rng, seed);
	for (int i = optind; i < argc; i++)
		failed |= run(argv[i], changed);
	return failed;
}
