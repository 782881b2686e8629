#include "core/rng.h"

void
rng_seed(struct rng *rng, uint64_t seed)
{
	rng->state = seed;
}

uint64_t
rng_next(struct rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t
rng_below(struct rng *rng, uint64_t bound)
{
	return rng_next(rng) % bound;
}

void
rng_token(struct rng *rng, char *out, int len)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (int i = 0; i < len; i++)
		out[i] = alphabet[rng_below(rng, 36)];
	out[len] = '\0';
}
