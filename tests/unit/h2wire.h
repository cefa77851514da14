/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one direction of an HTTP/2 connection from a script, one frame each separated by ';':
 *
 *   preface  settings  ack  ping  goaway LAST  window ID  priority ID  unknown ID
 *   headers ID [end] [pad] [prio] [split]|NAME VALUE|NAME VALUE...   split: in CONTINUATIONs
 *   push ID|NAME VALUE...     data ID [end] [pad] LENGTH     reset ID CODE
 *   messages ID [end] LENGTH LENGTH...     gRPC messages in one DATA frame
 *
 * Fields are compressed as real programs do it, by nghttp2's deflater, with its dynamic table.
 */
#ifndef H2WIRE_H
#define H2WIRE_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>
#include "util/slice.h"

enum { H2WIRE_MAX = 128 * 1024 };

struct h2wire {
	nghttp2_hd_deflater *deflater;
	uint8_t *bytes; /* owned */
	size_t n;
	size_t frame; /* where the last frame begins */
};

void h2wire_init(struct h2wire *w);
void h2wire_free(struct h2wire *w);
void h2wire_write(struct h2wire *w, const char *script); /* aborts on what it does not know */
void h2wire_frame(struct h2wire *w, uint8_t type, uint8_t flags, uint32_t id, struct slice payload);
/* What was written since `from`; valid until the next write. */
struct slice h2wire_since(const struct h2wire *w, size_t from);

#endif
