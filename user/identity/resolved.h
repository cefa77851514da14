/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that were seen to resolve to addresses. Of several the first stays until what was said of
 * it holds no more, so that a server does not change its name with each question; then another may
 * take its place. Bounded: the one that was said longest ago goes.
 */
#ifndef RESOLVED_H
#define RESOLVED_H

#include "identity/addresses.h"
#include "util/slice.h"

enum {
	RESOLVED_MAX = 8192,
	RESOLVED_NAME_MAX = 254, /* RFC 1035, 3.1, as text */
};

struct resolved_names;

struct resolved_names *resolved_new(size_t max); /* 0: RESOLVED_MAX. NULL: out of memory */
void resolved_free(struct resolved_names *r);	 /* NULL accepted */

/* Longer names are left out, and addresses that mean each host itself, or many. */
void resolved_put(struct resolved_names *r, const struct address *a, struct slice name,
		  uint64_t now_ns, uint64_t until_ns);

/* NULL: none was seen. Valid until the next change. */
const char *resolved_find(const struct resolved_names *r, const struct address *a);

uint64_t resolved_forgotten(const struct resolved_names *r); /* for want of room, so far */

/* Oldest first. */
void resolved_each(const struct resolved_names *r,
		   void (*fn)(void *ctx, const struct address *a, const char *name,
			      uint64_t until_ns),
		   void *ctx);

#endif
