/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps sonde's own use of the CPU to --cpu-limit: says which part of the connections can be
 * observed. Down at once and in proportion, up again slowly and only after calm, since what was
 * shed does not come back.
 */
#ifndef GOVERNOR_H
#define GOVERNOR_H

#include <stdint.h>

struct governor {
	uint32_t keep; /* connections to be observed, of every SONDE_KEEP_ALL; begins as that */
	uint32_t calm; /* turns in a row well below the limit */
};

/* A window of time has passed in which `cores` were used. Returns what to keep from now on. */
uint32_t governor_turn(struct governor *g, double cores, double limit);

#endif
