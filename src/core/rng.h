/*
 * rng.h: the seeded random generator that lives in the state of a step function
 * (splitmix64, Steele, Lea and Flood 2014). The core has no other source of randomness,
 * so that one seed replays everything.
 */
#ifndef ZKQ_CORE_RNG_H
#define ZKQ_CORE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* Uniform in [0, bound), bound > 0. The bias is below 2^-32 for bounds below 2^32. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* Writes len characters of [a-z0-9] and a NUL: out holds len + 1. */
void rng_token(struct rng *rng, char *out, int len);

#endif
