/* SPDX-License-Identifier: Apache-2.0 */
/* What one path segment looks like, by itself. */
#ifndef ROUTE_SEGMENT_H
#define ROUTE_SEGMENT_H

#include <stdbool.h>
#include "util/slice.h"

enum { ROUTE_NAME_MAX = 64 }; /* longer segments are no names */

struct route_segment {
	struct slice text; /* without parameters */
	bool is_id;	   /* looks like one of very many */
	bool is_plain;	   /* printable ASCII only */
};

/* Takes the segment off the start of *path, and leaves the slash behind it. */
struct route_segment route_segment_take(struct slice *path);

#endif
