// SPDX-License-Identifier: Apache-2.0
/* Too many connections to observe: some are left out whole, the others stay exact. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "sim_fixture.h"

enum { CONNS = 60 };

static void open_unix(uint64_t cookie)
{
	sim_open_at(&sim, cookie, SONDE_ROLE_SERVER, SONDE_FAMILY_UNIX, SONDE_F_FRESH, 0, 0);
}

static void exchange(uint64_t cookie)
{
	sim_request(&sim, cookie, GET);
	sim_response(&sim, cookie, OK);
}

static const struct conns_stats *stats(void)
{
	return conns_stats(play.conns);
}

/* Those that were open: each goes on as before or gives nothing more, and what was under way on
 * one that is left out is counted. */
static void test_open_connections(void **state)
{
	size_t before, kept;

	for (uint64_t c = 1; c <= CONNS; c++) {
		open_unix(c);
		exchange(c);
		sim_request(&sim, c, GET);
	}
	sim_shed(&sim, SONDE_KEEP_ALL / 2);
	before = sim.n;
	for (uint64_t c = 1; c <= CONNS; c++) {
		sim_response(&sim, c, OK);
		exchange(c);
	}
	sim_play(&play, &sim, 0, before);
	assert_int_equal(play.n_txns, CONNS);
	kept = CONNS - stats()->shed;
	assert_in_range(kept, CONNS / 4, CONNS * 3 / 4);
	assert_int_equal(stats()->losses.n[LOSS_SHED], stats()->shed);
	assert_int_equal(stats()->keep, SONDE_KEEP_ALL / 2);
	sim_play(&play, &sim, before, sim.n);
	assert_int_equal(play.n_txns, CONNS + 2 * kept);
	assert_int_equal(stats()->parsed, kept);
	assert_int_equal(stats()->losses.n[LOSS_SHED], CONNS - kept);
}

/* Those to come are decided when they open; once there is room again new ones are kept, and those
 * left out stay so. */
static void test_new_connections(void **state)
{
	sim_shed(&sim, 0);
	open_unix(1);
	exchange(1);
	sim_shed(&sim, SONDE_KEEP_ALL);
	exchange(1);
	open_unix(2);
	exchange(2);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 1);
	assert_non_null(strstr(play.out, "2 server"));
	assert_int_equal(stats()->shed, 1);
	assert_int_equal(stats()->losses.n[LOSS_SHED], 0);
}

/* The kernel is told once, and told nothing else of it. */
static void test_the_kernel_is_told(void **state)
{
	open_unix(1);
	exchange(1);
	sim_shed(&sim, 0);
	exchange(1);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.verdicts[1].cookie, 1);
	assert_int_equal(play.verdicts[1].until[0], SONDE_SHED);
	assert_int_equal(play.verdicts[1].until[1], 0);
}

/* The two ends of a TCP connection on one host share their fate: no half of a trace. */
static void test_both_ends_alike(void **state)
{
	uint64_t shed_before;

	sim_shed(&sim, SONDE_KEEP_ALL / 2);
	sim_play(&play, &sim, 0, sim.n);
	for (uint16_t port = 30000; port < 30200; port++) {
		struct sonde_ev_open ev = {
			.h = { SONDE_EV_OPEN, SONDE_F_FRESH, sizeof(ev), port },
			.cookie = port,
			.local.port = port,
			.peer.port = 80,
			.family = SONDE_FAMILY_IPV4,
			.role = SONDE_ROLE_CLIENT,
		};

		shed_before = stats()->shed;
		conns_open(play.conns, &ev);
		ev.cookie = (uint64_t)port << 16;
		ev.local.port = 80;
		ev.peer.port = port;
		ev.role = SONDE_ROLE_SERVER;
		conns_open(play.conns, &ev);
		assert_true(stats()->shed - shed_before == 0 || stats()->shed - shed_before == 2);
	}
	assert_in_range(stats()->shed, 120, 280);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_kernel_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both_ends_alike, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
