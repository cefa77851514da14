/* SPDX-License-Identifier: Apache-2.0 */
/* A sim and what plays it, fresh for each test: cmocka_unit_test_setup_teardown(f, setup,
 * teardown). */
#ifndef SIM_FIXTURE_H
#define SIM_FIXTURE_H

#include "sim.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct sim sim;
static struct sim_play play;

static int setup(void **state)
{
	sim_init(&sim);
	play = (struct sim_play){ 0 };
	sim_play_init(&play);
	return 0;
}

static int teardown(void **state)
{
	sim_play_free(&play);
	sim_free(&sim);
	return 0;
}

static inline uint64_t loss(enum loss l)
{
	return conns_stats(play.conns)->losses.n[l];
}

static inline uint64_t all_losses(void)
{
	uint64_t n = 0;

	for (int l = 0; l < LOSS_MAX; l++)
		n += loss(l);
	return n;
}

#endif
