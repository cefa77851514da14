/* SPDX-License-Identifier: Apache-2.0 */
/* Does this kernel do what bpf/propagate.bpf.c asks of it? Found by trying. */
#ifndef PROPAGATE_TRY_H
#define PROPAGATE_TRY_H

#include <stdbool.h>
#include <stddef.h>
#include "capture/probe.h"

/*
 * Sends requests over a connection of this process's own and looks at each byte that arrives; the
 * programs being attached. 0; -EAGAIN: not so, but `is_brief` may do; another -errno. Not 0: one
 * line in why.
 */
int propagate_try(struct probe *p, bool is_brief, char *why, size_t size);

#endif
