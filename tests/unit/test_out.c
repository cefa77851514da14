/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cmd/out.h"
#include "util/clock.h"

struct fixture {
	struct out out;
	int reader, writer;
};

static struct fixture f;

static int begin(void **state)
{
	int fds[2];

	if (pipe(fds) < 0)
		return -1;
	f.reader = fds[0];
	f.writer = fds[1];
	out_init(&f.out, f.writer);
	return 0;
}

static int end(void **state)
{
	close(f.reader);
	close(f.writer);
	return 0;
}

static void fill(void)
{
	char bytes[4096] = { 0 };

	fcntl(f.writer, F_SETFL, O_NONBLOCK);
	while (write(f.writer, bytes, sizeof(bytes)) > 0)
		;
	fcntl(f.writer, F_SETFL, 0);
}

static void lines_are_written_by_flush(void **state)
{
	char got[64] = "";

	out_line(&f.out, "one", 3);
	out_line(&f.out, "", 0);
	out_line(&f.out, "two", 3);
	fcntl(f.reader, F_SETFL, O_NONBLOCK);
	assert_int_equal(read(f.reader, got, sizeof(got)), -1);
	out_flush(&f.out);
	assert_int_equal(read(f.reader, got, sizeof(got)), 9);
	assert_string_equal(got, "one\n\ntwo\n");
}

static void line_longer_than_the_buffer_is_whole(void **state)
{
	static char line[150000], got[150001];
	size_t n = 0;
	ssize_t part;

	memset(line, 'x', sizeof(line));
	assert_true(fcntl(f.writer, F_SETPIPE_SZ, 1 << 20) >= (int)sizeof(got));
	out_line(&f.out, line, sizeof(line));
	out_flush(&f.out);
	while (n < sizeof(got) && (part = read(f.reader, got + n, sizeof(got) - n)) > 0)
		n += (size_t)part;
	assert_int_equal(n, sizeof(got));
	assert_memory_equal(got, line, sizeof(line));
	assert_int_equal(got[sizeof(line)], '\n');
}

/* As the kernel counts them, of this process; -1: it does not. */
static long writes(void)
{
	FILE *io = fopen("/proc/self/io", "r");
	char line[64];
	long n = -1;

	while (io && fgets(line, sizeof(line), io))
		if (strncmp(line, "syscw:", 6) == 0)
			n = atol(line + 6);
	if (io)
		fclose(io);
	return n;
}

static void what_is_long_goes_to_a_file_in_whole_parts(void **state)
{
	enum { PART = OUT_PART };
	static char text[300000], got[4 + 2 * sizeof(text) + 1];
	int fd = memfd_create("out", 0);
	struct out out;
	long before;

	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 23);
	out_init(&out, fd);
	out_line(&out, "one", 3);
	for (size_t written = 4 + sizeof(text); written < sizeof(got); written += sizeof(text)) {
		before = writes();
		out_write(&out, text, sizeof(text));
		/* where a part may begin, whatever was before it */
		assert_int_equal(lseek(fd, 0, SEEK_CUR), written / PART * PART);
		assert_true(before < 0 ||
			    writes() - before ==
				    (long)(written / PART - (written - sizeof(text)) / PART));
	}
	out_write(&out, "\n", 1);
	out_flush(&out);
	assert_int_equal(pread(fd, got, sizeof(got), 0), sizeof(got));
	assert_int_equal(lseek(fd, 0, SEEK_END), sizeof(got));
	assert_memory_equal(got, "one\n", 4);
	assert_memory_equal(got + 4, text, sizeof(text));
	assert_memory_equal(got + 4 + sizeof(text), text, sizeof(text));
	assert_int_equal(got[sizeof(got) - 1], '\n');
	close(fd);
}

static void reader_that_is_gone_closes_quietly(void **state)
{
	close(f.reader);
	out_flush(&f.out); /* nothing to write: seen all the same */
	assert_true(f.out.is_closed);
	out_line(&f.out, "dropped", 7);
	out_flush(&f.out);
	assert_int_equal(f.out.n, 0);
	f.reader = dup(f.writer);
}

static void reader_that_is_there_is_not_taken_for_gone(void **state)
{
	out_flush(&f.out);
	fill();
	out_flush(&f.out);
	assert_false(f.out.is_closed);
}

static void end_waits_half_a_second_for_a_slow_reader(void **state)
{
	uint64_t began_ns = clock_mono_ns();

	fill();
	out_line(&f.out, "late", 4);
	out_end(&f.out);
	out_flush(&f.out);
	assert_true(f.out.is_closed);
	/* a busy machine may be late, though never for ever */
	assert_in_range(clock_mono_ns() - began_ns, NS_PER_S / 2, 30 * NS_PER_S);
}

static void signal_that_waits_frees_a_stuck_writer(void **state)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGTERM);
	fill();
	out_line(&f.out, "late", 4);
	out_flush(&f.out);
	assert_true(f.out.is_closed);
	signal(SIGTERM, SIG_IGN); /* throws the pending one away */
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_are_written_by_flush, begin, end),
		cmocka_unit_test_setup_teardown(line_longer_than_the_buffer_is_whole, begin, end),
		cmocka_unit_test(what_is_long_goes_to_a_file_in_whole_parts),
		cmocka_unit_test_setup_teardown(reader_that_is_gone_closes_quietly, begin, end),
		cmocka_unit_test_setup_teardown(reader_that_is_there_is_not_taken_for_gone, begin,
						end),
		cmocka_unit_test_setup_teardown(end_waits_half_a_second_for_a_slow_reader, begin,
						end),
		cmocka_unit_test_setup_teardown(signal_that_waits_frees_a_stuck_writer, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
