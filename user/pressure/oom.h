/* SPDX-License-Identifier: Apache-2.0 */
/* Kills for want of memory, in words. */
#ifndef OOM_H
#define OOM_H

#include "sonde_abi.h"

enum { OOM_LINE_LEN = 320 };

/* Who is killed, and who had wanted the memory: one line, as it may be logged. The names are those
 * of the two processes, "": not known. Pure. */
void oom_line(const struct sonde_ev_oom *ev, const char *victim, const char *asker,
	      char out[OOM_LINE_LEN]);

#endif
