/* SPDX-License-Identifier: Apache-2.0 */
#include "util/hash.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "util/clock.h"
#include "util/octets.h"

static uint64_t draw(void)
{
	uint64_t secret;

	if (getrandom(&secret, sizeof(secret), GRND_NONBLOCK) != sizeof(secret))
		secret = (uintptr_t)&secret ^ clock_mono_ns();
	return secret ? secret : 1;
}

uint64_t hash_seed(void)
{
	static _Atomic uint64_t drawn, given;
	uint64_t secret = drawn, seed;

	if (!secret) { /* of two that are first at once both secrets are as good */
		secret = draw();
		drawn = secret;
	}
	seed = hash_mix(secret, ++given);
	return seed ? seed : 1;
}

uint64_t hash_slice(uint64_t h, struct slice text)
{
	h = hash_mix(h, text.n);
	for (; text.n >= 8; text.p += 8, text.n -= 8)
		h = hash_mix(h, octets_load(text.p));
	return text.n ? hash_mix(h, octets_few(text.p, text.n)) : h;
}
