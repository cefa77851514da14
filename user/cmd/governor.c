// SPDX-License-Identifier: Apache-2.0
#include "cmd/governor.h"

#include "sonde_abi.h"

enum {
	KEEP_LEAST = SONDE_KEEP_ALL / 64, /* something is seen, whatever it costs */
	CALM_TURNS = 3,
};

/* Aims below the limit when going down, and goes up only where the result stays below it. */
static const double AIM = 0.9, CALM = 0.6;

uint32_t governor_turn(struct governor *g, double cores, double limit)
{
	double keep = g->keep;

	if (cores > limit) {
		g->calm = 0;
		keep *= limit * AIM / cores;
		g->keep = keep < KEEP_LEAST ? KEEP_LEAST : (uint32_t)keep;
	} else if (g->keep == SONDE_KEEP_ALL || cores > limit * CALM) {
		g->calm = 0;
	} else if (++g->calm >= CALM_TURNS) {
		g->calm = 0;
		keep += keep / 4 + 1;
		g->keep = keep > SONDE_KEEP_ALL ? SONDE_KEEP_ALL : (uint32_t)keep;
	}
	return g->keep;
}
