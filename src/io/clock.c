#include "io/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t
milliseconds(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_boot_ms(void)
{
	return milliseconds(CLOCK_BOOTTIME);
}

int64_t
clock_wall_ms(void)
{
	return milliseconds(CLOCK_REALTIME);
}

double
clock_boot_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t
random_number(void)
{
	uint64_t number;

	/* Up to 256 bytes come whole once the kernel's generator is seeded; before that getrandom() waits. */
	while (getrandom(&number, sizeof number, 0) != sizeof number) {
		if (errno != EINTR)
			abort();
	}
	return number;
}

void
random_word(char *out, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	/* 64 bits modulo 36: the bias is below 2^-58. */
	for (size_t i = 0; i < len; i++)
		out[i] = letters[random_number() % 36];
	out[len] = '\0';
}
