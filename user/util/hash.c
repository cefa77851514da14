/* SPDX-License-Identifier: Apache-2.0 */
#include "util/hash.h"

#include <string.h>
#include <sys/random.h>

#include "util/clock.h"

static uint64_t load(const uint8_t *p, size_t n)
{
	uint64_t x = 0;

	memcpy(&x, p, n);
	return x;
}

uint64_t hash_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uintptr_t)&seed ^ clock_mono_ns();
	return seed ? seed : 1;
}

uint64_t hash_slice(uint64_t h, struct slice text)
{
	h = hash_mix(h, text.n);
	for (; text.n >= 8; text.p += 8, text.n -= 8)
		h = hash_mix(h, load(text.p, 8));
	return text.n ? hash_mix(h, load(text.p, text.n)) : h;
}
