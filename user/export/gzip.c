/* SPDX-License-Identifier: Apache-2.0 */
#include "export/gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	GZIP_WRAPPER = 16, /* added to windowBits: a gzip header, not zlib's */
	GZIP_WINDOW_BITS = 15,
	GZIP_MEMORY_LEVEL = 8,
	GZIP_INPUT_MAX = 128 * 1024, /* of one call: what packs well would hold up the loop */
	GZIP_LEVEL = 1, /* exposition repeats itself: higher levels cost much and save little */
};

struct gzip {
	gzip_read_fn read;
	void *ctx;
	z_stream z;
	bool is_input_done, is_done;
	char in[8192];
};

struct gzip *gzip_open(gzip_read_fn read, void *ctx)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->read = read;
	g->ctx = ctx;
	if (deflateInit2(&g->z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS + GZIP_WRAPPER,
			 GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

ssize_t gzip_read(struct gzip *g, char *out, size_t size)
{
	size_t taken = 0;

	g->z.next_out = (Bytef *)out;
	g->z.avail_out = (uInt)size;
	while (g->z.avail_out && !g->is_done) {
		if (taken >= GZIP_INPUT_MAX && g->z.avail_out < size)
			break;
		if (g->z.avail_in == 0 && !g->is_input_done) {
			ssize_t n = g->read(g->ctx, g->in, sizeof(g->in));

			if (n < 0)
				return n;
			g->is_input_done = n == 0;
			g->z.next_in = (Bytef *)g->in;
			g->z.avail_in = (uInt)n;
			taken += (size_t)n;
		}
		g->is_done =
			deflate(&g->z, g->is_input_done ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_END;
	}
	return (ssize_t)(size - g->z.avail_out);
}

void gzip_close(struct gzip *g)
{
	if (!g)
		return;
	deflateEnd(&g->z);
	free(g);
}
