/* SPDX-License-Identifier: Apache-2.0 */
/* Is a program's runtime Go's? Asked of its file once, remembered by what the file is. */
#ifndef GOLANG_H
#define GOLANG_H

#include <stdbool.h>
#include "util/map.h"

struct golang {
	struct map known; /* (device, inode, modification time) -> one of two constants */
};

void golang_free(struct golang *g);

/* `fd` is an open executable. Returns 1, 0, or -errno. *is_slow: the file itself had to be read. */
int golang_check(struct golang *g, int fd, bool *is_slow);

#endif
