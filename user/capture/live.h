/* SPDX-License-Identifier: Apache-2.0 */
/* The live source: the ring of a probe. */
#ifndef LIVE_H
#define LIVE_H

#include "capture/probe.h"
#include "capture/source.h"

struct source *live_open(struct probe *p); /* borrows p; NULL: errno */

#endif
