/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of bytes, compressed piece by piece: RFC 1952. */
#ifndef GZIP_H
#define GZIP_H

#include <stddef.h>
#include <sys/types.h>

typedef ssize_t (*gzip_read_fn)(void *ctx, char *out, size_t size); /* 0 at the end, or -errno */

struct gzip;

struct gzip *gzip_open(gzip_read_fn read, void *ctx); /* NULL: out of memory */

/* Writes up to `size` compressed bytes. 0 at the end, or what the reader failed with. */
ssize_t gzip_read(struct gzip *g, char *out, size_t size);
void gzip_close(struct gzip *g); /* NULL accepted */

#endif
