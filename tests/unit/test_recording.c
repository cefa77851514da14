// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capture/recording.h"
#include "util/clock.h"
#include "util/log.h"

static char dir[64], path[80];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/sonde-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/rec", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

struct seen {
	size_t n, bytes, stop_at;
	bool is_wrong;
};

/* Record i has size 16 + i % 1000 and is filled with i. */
static size_t make(uint8_t *out, size_t i)
{
	struct sonde_ev_hdr h = {
		.kind = SONDE_EV_TICK,
		.size = (uint32_t)(sizeof(h) + i % 1000),
		.ts_ns = i,
	};

	memcpy(out, &h, sizeof(h));
	memset(out + sizeof(h), (int)i, h.size - sizeof(h));
	return h.size;
}

static int on_record(void *ctx, const void *rec, size_t size)
{
	struct seen *s = ctx;
	uint8_t expected[2048];
	size_t n = make(expected, s->n);

	if (size < n || ((uintptr_t)rec & 7) || memcmp(rec, expected, n) != 0)
		s->is_wrong = true;
	s->bytes += size;
	return ++s->n == s->stop_at;
}

static void record(size_t n)
{
	char err[256];
	struct recorder *r = recorder_open(path, 12345, err, sizeof(err));
	uint8_t rec[2048];

	assert_non_null(r);
	for (size_t i = 0; i < n; i++)
		recorder_write(r, rec, make(rec, i));
	assert_int_equal(recorder_failed(r), 0);
	assert_int_equal(recorder_close(r, NULL), 0);
}

static int replay(struct seen *s, int budget)
{
	char err[256];
	struct source *src = recording_open(path, err, sizeof(err));
	int rc;

	assert_non_null(src);
	assert_int_equal(src->realtime_offset_ns, 12345);
	do
		rc = src->ops->read(src, on_record, s, budget);
	while (rc > 0);
	src->ops->close(src);
	return rc;
}

static void test_what_was_written_is_read(void **state)
{
	static const int budgets[] = { 1, 7, 1000, 1 << 30 };

	record(10000);
	for (size_t i = 0; i < 4; i++) {
		struct seen s = { 0 };

		assert_int_equal(replay(&s, budgets[i]), -ENODATA);
		assert_false(s.is_wrong);
		assert_int_equal(s.n, 10000);
	}
}

static void test_budget_and_stop(void **state)
{
	struct seen s = { .stop_at = 5 };
	struct source *src;
	char err[256];

	record(100);
	src = recording_open(path, err, sizeof(err));
	assert_int_equal(src->ops->read(src, on_record, &s, 3), 3);
	assert_int_equal(src->ops->read(src, on_record, &s, 10), 2);
	assert_int_equal(src->ops->read(src, on_record, &s, 1000), 95);
	assert_false(s.is_wrong);
	src->ops->close(src);
}

/* Cut at each byte: the records that are whole, and a word about the rest. */
static void test_cut_anywhere(void **state)
{
	struct stat st;
	char err[256];

	record(30);
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = st.st_size; size >= 0; size--) {
		struct source *src;
		struct seen s = { 0 };
		int rc;

		assert_int_equal(truncate(path, size), 0);
		src = recording_open(path, err, sizeof(err));
		if (!src) {
			assert_true(size < 64);
			assert_non_null(strstr(err, size < 8 ? "not a recording" : "cut short"));
			continue;
		}
		do
			rc = src->ops->read(src, on_record, &s, 4);
		while (rc > 0);
		assert_int_equal(rc, -ENODATA);
		assert_false(s.is_wrong);
		assert_true(64 + s.bytes <= (size_t)size);
		assert_int_equal(recording_is_cut(src), 64 + s.bytes != (size_t)size);
		src->ops->close(src);
	}
}

static void spoil(off_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void refuse(const char *why)
{
	char err[256] = "";

	assert_null(recording_open(path, err, sizeof(err)));
	if (!strstr(err, why) || strchr(err, '\n'))
		fail_msg("\"%s\" does not say \"%s\"", err, why);
}

static void test_what_is_no_recording(void **state)
{
	static const uint32_t version = 99, huge = 1u << 30, odd = 65;

	refuse("No such file");
	record(3);
	spoil(8, &version, 4);
	refuse("version 99");
	record(3);
	spoil(12, &huge, 4);
	refuse("damaged");
	spoil(12, &odd, 4);
	refuse("damaged");
	spoil(0, "GET / HTTP/1.1", 14);
	refuse("not a recording");
	assert_int_equal(truncate(path, 0), 0);
	refuse("not a recording");
}

static void test_sizes_that_cannot_be(void **state)
{
	static const uint32_t sizes[] = { 0, 15, 0x80000000, UINT32_MAX, 1 << 20 };

	for (size_t i = 0; i < 5; i++) {
		struct seen s = { 0 };

		record(3);
		spoil(64 + 16 + 4, &sizes[i], 4);
		assert_int_equal(replay(&s, 100), -EBADMSG);
		assert_int_equal(s.n, 1);
	}
}

static void test_is_private(void **state)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	assert_int_equal(fchmod(fd, 0666), 0);
	assert_int_equal(
		write(fd, "something older and longer than a header, so that it must be cut off",
		      68),
		68);
	close(fd);
	record(0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 64);
}

static void test_cannot_be_opened(void **state)
{
	char err[256] = "";

	assert_null(recorder_open("/nonexistent/x", 0, err, sizeof(err)));
	assert_non_null(strstr(err, "/nonexistent/x: No such file"));
	assert_null(recorder_open(dir, 0, err, sizeof(err)));
	assert_non_null(strstr(err, "Is a directory"));
}

static void test_full_disk(void **state)
{
	char err[256];
	struct recorder *r = recorder_open("/dev/full", 0, err, sizeof(err));
	uint8_t rec[2048];
	enum { N = 10000 };

	assert_non_null(r);
	log_init(LOG_ERROR - 1, false); /* it would say so once, on stderr */
	for (size_t i = 0; i < N; i++)
		recorder_write(r, rec, make(rec, i));
	assert_true(recorder_failed(r) > N / 2);
	assert_int_equal(recorder_close(r, NULL), -ENOSPC);
	log_init(LOG_INFO, false);
}

/* One that fills up while it is written: what is in it is whole, and every record is in one of both
 * counts. */
static void test_disk_that_fills_up(void **state)
{
	static const rlim_t rooms[] = { 70, 12345, (1 << 20) + 777 };
	struct rlimit was, tight;
	struct recorder_sums sums;
	enum { N = 10000 };
	uint8_t rec[2048];
	char err[256];

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN); /* it is said by write(2), as of a disk that is full */
	log_init(LOG_ERROR - 1, false);
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		struct recorder *r = recorder_open(path, 12345, err, sizeof(err));
		struct seen s = { 0 };
		struct source *src;

		tight = (struct rlimit){ rooms[i], was.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
		for (size_t k = 0; k < N; k++)
			recorder_write(r, rec, make(rec, k));
		assert_int_equal(recorder_close(r, &sums), -EFBIG);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		src = recording_open(path, err, sizeof(err));
		while (src->ops->read(src, on_record, &s, N) > 0)
			;
		assert_false(recording_is_cut(src));
		src->ops->close(src);
		assert_false(s.is_wrong);
		assert_int_equal(s.n, sums.kept);
		assert_int_equal(sums.kept + sums.failed, N);
		assert_true(i == 0 ? !sums.kept : sums.kept > 0);
	}
	log_init(LOG_INFO, false);
}

static int count(void *ctx, const void *rec, size_t size)
{
	++*(size_t *)ctx;
	return 0;
}

/* A million records of ordinary size are read in well under a second. */
static void test_speed(void **state)
{
	enum { N = 1000000 };
	struct sonde_ev_data ev = { .h = { SONDE_EV_DATA, 0, sizeof(ev) + 160, 1 } };
	uint8_t rec[sizeof(ev) + 160] = { 0 };
	struct recorder *r;
	struct source *src;
	size_t n = 0;
	char err[256];
	uint64_t start;

	memcpy(rec, &ev, sizeof(ev));
	r = recorder_open(path, 0, err, sizeof(err));
	for (int i = 0; i < N / 10; i++)
		recorder_write(r, rec, sizeof(rec));
	assert_int_equal(recorder_close(r, NULL), 0);
	start = clock_ns(CLOCK_PROCESS_CPUTIME_ID); /* machines under test are busy */
	src = recording_open(path, err, sizeof(err));
	while (src->ops->read(src, count, &n, 1000) > 0)
		;
	src->ops->close(src);
	assert_int_equal(n, N / 10);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start < NS_PER_S / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_written_is_read),
		TEST(test_budget_and_stop),
		TEST(test_cut_anywhere),
		TEST(test_what_is_no_recording),
		TEST(test_sizes_that_cannot_be),
		TEST(test_is_private),
		TEST(test_cannot_be_opened),
		TEST(test_full_disk),
		TEST(test_disk_that_fills_up),
		TEST(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
