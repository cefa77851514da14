/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of the host, as /proc lists them. */
#ifndef PROCS_H
#define PROCS_H

#include <stdint.h>

/* Calls fn for each that is there, by its number in /proc. 0, or -errno: there is no /proc. */
int procs_each(void (*fn)(void *ctx, uint32_t tgid), void *ctx);

#endif
