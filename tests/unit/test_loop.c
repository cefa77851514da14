/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include "loop.h"
#include "util/clock.h"

struct seen {
	struct loop *loop;
	int timer, turns, wanted;
	int in, out; /* of a pipe */
};

static void on_turn(void *ctx)
{
	struct seen *s = ctx;

	if (++s->turns == s->wanted)
		loop_stop(s->loop);
}

static void on_limit(void *ctx)
{
	struct seen *s = ctx;

	loop_stop(s->loop);
}

static struct seen begin(int wanted)
{
	struct seen s = { .loop = loop_new(), .wanted = wanted };
	int fds[2];

	assert_non_null(s.loop);
	assert_int_equal(pipe(fds), 0);
	s.in = fds[0];
	s.out = fds[1];
	return s;
}

static void end(struct seen *s)
{
	loop_free(s->loop);
	close(s->in);
	close(s->out);
}

static void timer_turns_at_its_interval(void **state)
{
	struct seen s = begin(3);
	uint64_t began_ns = clock_mono_ns();

	assert_true(loop_timer(s.loop, 10 * NS_PER_MS, on_turn, &s) >= 0);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.turns, 3);
	/* never early; a busy machine may be late */
	assert_in_range(clock_mono_ns() - began_ns, 30 * NS_PER_MS, 30 * NS_PER_S);
	end(&s);
}

static void timer_can_be_set_anew_and_off(void **state)
{
	struct seen s = begin(1), off = { .loop = s.loop, .wanted = 1 };
	int slow = loop_timer(s.loop, 3600 * NS_PER_S, on_turn, &s);
	int never = loop_timer(s.loop, NS_PER_MS, on_turn, &off);

	assert_int_equal(loop_timer_set(slow, 20 * NS_PER_MS), 0);
	assert_int_equal(loop_timer_set(never, 0), 0);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.turns, 1);
	assert_int_equal(off.turns, 0);
	end(&s);
}

/* Readable is told as long as it is so; a wake-up is told once. */
static void level_repeats_edge_does_not(void **state)
{
	struct seen level = begin(5), edge = begin(0);

	assert_int_equal(loop_watch(level.loop, level.in, on_turn, &level), 0);
	assert_int_equal(write(level.out, "x", 1), 1);
	assert_int_equal(loop_run(level.loop), 0);
	assert_int_equal(level.turns, 5);

	assert_int_equal(loop_watch_edge(edge.loop, edge.in, on_turn, &edge), 0);
	assert_int_equal(write(edge.out, "x", 1), 1); /* ready before the limit can be */
	assert_true(loop_timer(edge.loop, 30 * NS_PER_MS, on_limit, &edge) >= 0);
	assert_int_equal(loop_run(edge.loop), 0);
	assert_int_equal(edge.turns, 1);
	end(&level);
	end(&edge);
}

static void signal_comes_through_the_loop(void **state)
{
	struct seen s = begin(1);

	assert_int_equal(loop_signal(s.loop, SIGUSR1, on_turn, &s), 0);
	assert_int_equal(raise(SIGUSR1), 0); /* would end us if it were not blocked */
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.turns, 1);
	end(&s);
}

static void watches_are_bounded(void **state)
{
	struct seen s = begin(1);
	int err = 0;

	for (int i = 0; i < LOOP_WATCHES_MAX && err >= 0; i++)
		err = loop_timer(s.loop, NS_PER_S, on_turn, &s);
	assert_true(err >= 0);
	assert_int_equal(loop_timer(s.loop, NS_PER_S, on_turn, &s), -ENOSPC);
	assert_int_equal(loop_watch(s.loop, s.in, on_turn, &s), -ENOSPC);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timer_turns_at_its_interval),
		cmocka_unit_test(timer_can_be_set_anew_and_off),
		cmocka_unit_test(level_repeats_edge_does_not),
		cmocka_unit_test(signal_comes_through_the_loop),
		cmocka_unit_test(watches_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
