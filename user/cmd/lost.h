/* SPDX-License-Identifier: Apache-2.0 */
/* Everything missed, of kernel and user space, by reason. */
#ifndef LOST_H
#define LOST_H

#include "capture/loss.h"
#include "capture/probe.h"
#include "pipeline.h"

/* probe: NULL in a replay. */
void lost_read(struct probe *probe, const struct pipeline *p, struct losses *out);
uint64_t lost_sum(const struct losses *l);

#endif
