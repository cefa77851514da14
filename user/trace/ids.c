// SPDX-License-Identifier: Apache-2.0
#include "trace/ids.h"

#include <endian.h>
#include <string.h>

/* The finalizer of SplitMix64: every bit of x moves half of the bits that come out. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t chain(const struct ids_seed *s, uint64_t h)
{
	h = mix(h ^ s->salt);
	h = mix(h ^ s->cookie);
	h = mix(h ^ ((uint64_t)s->role << 32 | s->request_seq));
	return mix(h ^ s->start_ns);
}

static void put(uint8_t *out, uint64_t id)
{
	id = htobe64(id ? id : 1); /* all zero is no id */
	memcpy(out, &id, sizeof(id));
}

/* Chains that begin apart, or a trace id would have no more than 64 bits in it. */
void ids_make(const struct ids_seed *s, struct ids *out)
{
	uint64_t a = chain(s, 1), b = chain(s, 2);

	put(out->trace_id, a);
	put(out->trace_id + 8, b);
	put(out->span_id, mix(a ^ (b << 1)));
}
