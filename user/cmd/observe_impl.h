/* SPDX-License-Identifier: Apache-2.0 */
/* Between observe.c, which runs, and observe_open.c; nobody else includes it. */
#ifndef OBSERVE_IMPL_H
#define OBSERVE_IMPL_H

#include "cmd/observe.h"

/* The loop with its signals: before anything is attached, so that a signal from then on ends us in
 * order. 0 or -errno. */
int observer_open_loop(struct observer *o);
/* What turns by itself; ends after duration_ns, 0: never. 0 or -errno. */
int observer_open_timers(struct observer *o, uint64_t duration_ns);

#endif
