/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe of Go programs that hand requests from one goroutine to another: attached once for each
 * file that has the function, for all processes that run it. A program stripped of its symbols has
 * none.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdint.h>
#include "capture/probe.h"

enum { HANDOVER_FILES_MAX = 256, HANDOVER_WAITING_MAX = 64 };

struct handover;

/* Borrows p. NULL: the probe has no program for it, or out of memory. */
struct handover *handover_open(struct probe *p);
void handover_close(struct handover *h); /* detaches; NULL accepted */

void handover_seen(struct handover *h, uint32_t tgid); /* a process runs Go; NULL accepted */
void handover_turn(struct handover *h);		       /* looks at one of those; NULL accepted */

#endif
