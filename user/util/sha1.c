/* SPDX-License-Identifier: Apache-2.0 */
#include "util/sha1.h"

#include <endian.h>

enum { SHA1_BLOCK = 64 };

static uint32_t sha1_rol(uint32_t v, int by)
{
	return v << by | v >> (32 - by);
}

/* RFC 3174, 6.1 */
static void sha1_block(uint32_t h[5], const uint8_t block[SHA1_BLOCK])
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	memcpy(w, block, SHA1_BLOCK);
	for (int t = 0; t < 16; t++)
		w[t] = be32toh(w[t]);
	for (int t = 16; t < 80; t++)
		w[t] = sha1_rol(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	for (int t = 0; t < 80; t++) {
		uint32_t f, next;

		if (t < 20)
			f = ((b & c) | (~b & d)) + 0x5a827999;
		else if (t < 40)
			f = (b ^ c ^ d) + 0x6ed9eba1;
		else if (t < 60)
			f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
		else
			f = (b ^ c ^ d) + 0xca62c1d6;
		next = sha1_rol(a, 5) + f + e + w[t];
		e = d;
		d = c;
		c = sha1_rol(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void sha1(struct slice in, uint8_t out[SHA1_LEN])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	uint64_t bits = htobe64((uint64_t)in.n * 8);
	uint8_t last[2 * SHA1_BLOCK] = { 0 };
	size_t n;

	for (; in.n >= SHA1_BLOCK; in.p += SHA1_BLOCK, in.n -= SHA1_BLOCK)
		sha1_block(h, in.p);
	/* what is left, a bit of one, zeros, and the length at the end of a block */
	if (in.n)
		memcpy(last, in.p, in.n);
	last[in.n] = 0x80;
	n = in.n + 1 + sizeof(bits) <= SHA1_BLOCK ? SHA1_BLOCK : 2 * SHA1_BLOCK;
	memcpy(last + n - sizeof(bits), &bits, sizeof(bits));
	for (size_t at = 0; at < n; at += SHA1_BLOCK)
		sha1_block(h, last + at);
	for (int i = 0; i < 5; i++) {
		uint32_t word = htobe32(h[i]);

		memcpy(out + i * sizeof(word), &word, sizeof(word));
	}
}
