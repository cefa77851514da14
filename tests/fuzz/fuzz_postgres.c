/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: requests, the byte 0x1e, responses. However the bytes are cut the messages must be the
 * same, and with holes anywhere nothing may be read outside of the input, no slice may point
 * there, and all must end; feed.c asserts it.
 */
#include <stdio.h>
#include <stdlib.h>
#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take(struct slice *s, size_t n)
{
	struct slice head = { s->p, n < s->n ? n : s->n };

	s->p += head.n;
	s->n -= head.n;
	return head;
}

static void feed_in_pieces(struct feed *f, const struct slice bytes[2], size_t piece)
{
	feed_reset(f);
	for (int d = 0; d < 2; d++) {
		struct slice s = bytes[d];

		while (s.n)
			feed_bytes(f, d, take(&s, piece));
		feed_end(f, d);
	}
	/* a parser that makes no progress would have been called without end */
	if (f->calls > 64 + 4 * (bytes[0].n + bytes[1].n))
		abort();
}

/* Pieces, holes and turns of direction follow from the bytes themselves. */
static void feed_with_holes(struct feed *f, const struct slice bytes[2])
{
	struct slice s[2] = { bytes[0], bytes[1] };
	uint32_t seed = (uint32_t)(bytes[0].n * 31 + bytes[1].n);

	for (size_t i = 0; i < bytes[0].n; i++)
		seed = seed * 31 + bytes[0].p[i];
	feed_reset(f);
	while (s[0].n || s[1].n) {
		int d;

		seed = seed * 1103515245 + 12345;
		d = s[0].n == 0 || (s[1].n && (seed >> 16 & 3) == 0);
		if ((seed >> 18 & 7) == 0)
			feed_hole(f, d,
				  (seed >> 8) % 3 ? take(&s[d], seed >> 21 & 63).n + 1 : seed);
		else
			feed_bytes(f, d, take(&s[d], (seed >> 21 & 127) + 1));
	}
	feed_end(f, 0);
	feed_end(f, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct feed *f;
	static char whole[2][FEED_LOG_MAX];
	const uint8_t *split = size ? memchr(data, 0x1e, size) : NULL;
	size_t n = split ? (size_t)(split - data) : size;
	struct slice bytes[2] = { { data, n },
				  { split ? split + 1 : data, split ? size - n - 1 : 0 } };

	if (!f)
		f = feed_new(proto_get(PROTO_POSTGRES));
	feed_in_pieces(f, bytes, SIZE_MAX);
	for (int d = 0; d < 2; d++)
		strcpy(whole[d], feed_log(f, d));
	for (size_t piece = 1; piece < 8; piece += 3) {
		feed_in_pieces(f, bytes, piece);
		for (int d = 0; d < 2; d++) {
			if (strcmp(whole[d], feed_log(f, d)) == 0)
				continue;
			fprintf(stderr, "whole: %s\nin %zu: %s\n", whole[d], piece, feed_log(f, d));
			abort();
		}
	}
	feed_with_holes(f, bytes);
	return 0;
}
