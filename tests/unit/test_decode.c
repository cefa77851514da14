// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "capture/decode.h"
#include "guard.h"

static union {
	struct sonde_ev_hdr h;
	struct sonde_ev_open open;
	struct sonde_ev_data data;
	struct sonde_ev_close close;
	struct sonde_ev_connect connect;
	struct sonde_ev_exec exec;
	struct sonde_ev_fork fork;
	struct sonde_ev_exit exit;
	struct sonde_ev_datagram datagram;
	struct sonde_ev_process process;
	struct sonde_ev_sweep sweep;
	struct sonde_ev_address address;
	struct sonde_ev_resolved resolved;
	uint8_t bytes[4096];
} rec;

static const struct {
	uint16_t kind;
	size_t size;
} kinds[] = {
	{ SONDE_EV_OPEN, sizeof(struct sonde_ev_open) },
	{ SONDE_EV_DATA, sizeof(struct sonde_ev_data) },
	{ SONDE_EV_CLOSE, sizeof(struct sonde_ev_close) },
	{ SONDE_EV_CONNECT, sizeof(struct sonde_ev_connect) },
	{ SONDE_EV_EXEC, sizeof(struct sonde_ev_exec) },
	{ SONDE_EV_FORK, offsetof(struct sonde_ev_fork, ptid) },
	{ SONDE_EV_EXIT, offsetof(struct sonde_ev_exit, run_ns) },
	{ SONDE_EV_PROCESS, offsetof(struct sonde_ev_process, facts_len) },
	{ SONDE_EV_TICK, sizeof(struct sonde_ev_tick) },
	{ SONDE_EV_SWEEP, sizeof(struct sonde_ev_sweep) },
	{ SONDE_EV_SHED, sizeof(struct sonde_ev_shed) },
	{ SONDE_EV_END, sizeof(struct sonde_ev_hdr) },
	{ SONDE_EV_DATAGRAM, sizeof(struct sonde_ev_datagram) },
	{ SONDE_EV_HANDOVER, sizeof(struct sonde_ev_handover) },
	{ SONDE_EV_THREAD, sizeof(struct sonde_ev_thread) },
	{ SONDE_EV_REST, sizeof(struct sonde_ev_rest) },
	{ SONDE_EV_OOM, sizeof(struct sonde_ev_oom) },
	{ SONDE_EV_MET, sizeof(struct sonde_ev_met) },
	{ SONDE_EV_LOST, sizeof(struct sonde_ev_lost) },
	{ SONDE_EV_ADDRESS, sizeof(struct sonde_ev_address) },
	{ SONDE_EV_RESOLVED, sizeof(struct sonde_ev_resolved) },
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void make(int i)
{
	memset(&rec, 0, sizeof(rec));
	rec.h.kind = kinds[i].kind;
	rec.h.size = (uint32_t)kinds[i].size;
	if (rec.h.kind == SONDE_EV_CLOSE)
		rec.close.how = SONDE_CLOSE_DONE;
	if (rec.h.kind == SONDE_EV_DATAGRAM)
		rec.datagram.family = SONDE_FAMILY_IPV4;
	if (rec.h.kind == SONDE_EV_ADDRESS)
		rec.address.family = SONDE_FAMILY_IPV6;
	if (rec.h.kind == SONDE_EV_RESOLVED)
		rec.resolved.family = SONDE_FAMILY_IPV6;
}

static int decode_now(void)
{
	union decoded d;

	return decode(&rec, sizeof(rec), &d);
}

static void test_good_ones(void **state)
{
	for (int i = 0; i < N_KINDS; i++) {
		union decoded d = { 0 };

		make(i);
		assert_int_equal(decode(&rec, kinds[i].size, &d), 0);
		assert_ptr_equal(d.h, &rec);
		/* padded by the source, or longer because newer */
		assert_int_equal(decode(&rec, kinds[i].size + 8, &d), 0);
		rec.h.size += 8;
		assert_int_equal(decode(&rec, kinds[i].size + 8, &d), 0);
	}
}

/* Against a guard page: nothing behind the record is read. */
static void test_each_shorter_size(void **state)
{
	struct guard g = guard_new(4096);

	for (int i = 0; i < N_KINDS; i++) {
		for (size_t n = 0; n < kinds[i].size; n++) {
			union decoded d;

			make(i);
			/* what there is is less than what it says, then it says what there is */
			for (int says = 0; says < 2; says++) {
				struct slice s = guard_put(&g, (struct slice){ rec.bytes, n });

				if (((uintptr_t)s.p & 7) == 0)
					assert_int_equal(decode(s.p, n, &d), -EBADMSG);
				if (n >= sizeof(rec.h))
					rec.h.size = (uint32_t)n;
			}
		}
	}
	guard_free(&g);
}

static void test_unknown_kinds(void **state)
{
	for (uint32_t kind = 0; kind <= UINT16_MAX; kind++) {
		bool is_known = false;

		for (int i = 0; i < N_KINDS; i++)
			is_known |= kind == kinds[i].kind;
		memset(&rec, 0, sizeof(rec));
		rec.h.kind = (uint16_t)kind;
		rec.h.size = sizeof(rec);
		if (!is_known)
			assert_int_equal(decode_now(), -ENOTSUP);
	}
}

static void test_bad_header(void **state)
{
	union decoded d;

	make(0);
	rec.h.size = 0;
	assert_int_equal(decode_now(), -EBADMSG);
	rec.h.size = UINT32_MAX;
	assert_int_equal(decode_now(), -EBADMSG);
	rec.h.size = sizeof(rec) + 1;
	assert_int_equal(decode_now(), -EBADMSG);
	make(8);
	assert_int_equal(decode(rec.bytes + 4, 64, &d), -EBADMSG); /* not aligned */
}

static void data(uint32_t len, uint32_t copied, uint8_t tail, uint32_t room, int expected)
{
	make(1);
	rec.data.len = len;
	rec.data.copied = copied;
	rec.data.tail = tail;
	rec.h.size = (uint32_t)sizeof(rec.data) + room;
	assert_int_equal(decode_now(), expected);
}

static void test_data_lengths(void **state)
{
	data(10, 10, 0, 10, 0);
	data(100, 10, 16, 26, 0);
	data(100, 10, 16, 32, 0);
	data(5000000, 0, 0, 0, 0);
	data(0, 0, 0, 0, 0);
	data(10, 10, 0, 9, -EBADMSG);
	data(100, 10, 16, 25, -EBADMSG);
	data(9, 10, 0, 10, -EBADMSG);
	data(20, 10, 16, 26, -EBADMSG);
	data(100, 10, 17, 40, -EBADMSG);
	data(0, 1, 0, 1, -EBADMSG);
	data(UINT32_MAX, 10, 0, 10, -EBADMSG);
	data(UINT32_MAX, UINT32_MAX, 16, 10, -EBADMSG);
	data(SONDE_COPY_MAX + 1, SONDE_COPY_MAX + 1, 0, 100, -EBADMSG);
}

static void datagram(uint32_t len, uint32_t copied, uint32_t room, int expected)
{
	make(12);
	rec.datagram.len = len;
	rec.datagram.copied = copied;
	rec.h.size = (uint32_t)sizeof(rec.datagram) + room;
	assert_int_equal(decode_now(), expected);
}

static void test_datagram_lengths(void **state)
{
	datagram(10, 10, 10, 0);
	datagram(10, 10, 16, 0);
	datagram(65507, 0, 0, 0);
	datagram(0, 0, 0, 0);
	datagram(10, 10, 9, -EBADMSG);
	datagram(9, 10, 10, -EBADMSG);
	datagram(UINT32_MAX, 10, 10, -EBADMSG);
	datagram(UINT32_MAX, UINT32_MAX, 10, -EBADMSG);
	make(12);
	rec.datagram.family = SONDE_FAMILY_UNIX;
	assert_int_equal(decode_now(), -EBADMSG);
	make(12);
	rec.datagram.dir = 2;
	assert_int_equal(decode_now(), -EBADMSG);
}

static void test_enums(void **state)
{
	make(1);
	rec.data.dir = 2;
	assert_int_equal(decode_now(), -EBADMSG);
	make(2);
	rec.close.how = 0;
	assert_int_equal(decode_now(), -EBADMSG);
	rec.close.how = 5;
	assert_int_equal(decode_now(), -EBADMSG);
	make(0);
	rec.open.role = 3;
	assert_int_equal(decode_now(), -EBADMSG);
	rec.open.role = 0;
	rec.open.family = 2;
	assert_int_equal(decode_now(), -EBADMSG);
	rec.open.family = 1;
	rec.open.unix_path_len = SONDE_UNIX_PATH_LEN + 1;
	assert_int_equal(decode_now(), -EBADMSG);
	make(3);
	rec.connect.family = 9;
	assert_int_equal(decode_now(), -EBADMSG);
}

static void test_strings_end(void **state)
{
	static const struct {
		int kind;
		size_t offset, size;
	} strings[] = {
#define STRING(kind, type, field) \
	{ kind, offsetof(struct type, field), sizeof(((struct type *)0)->field) }
		STRING(4, sonde_ev_exec, comm),
		STRING(4, sonde_ev_exec, filename),
		STRING(5, sonde_ev_fork, comm),
		STRING(6, sonde_ev_exit, comm),
		STRING(7, sonde_ev_process, comm),
		STRING(7, sonde_ev_process, service),
		STRING(7, sonde_ev_process, service_namespace),
		STRING(7, sonde_ev_process, instance_id),
#undef STRING
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		make(strings[i].kind);
		memset(rec.bytes + strings[i].offset, 'x', strings[i].size);
		assert_int_equal(decode_now(), -EBADMSG);
		rec.bytes[strings[i].offset + strings[i].size - 1] = '\0';
		assert_int_equal(decode_now(), 0);
	}
	make(4);
	rec.exec.args_len = SONDE_ARGS_MAX + 1;
	assert_int_equal(decode_now(), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_ones),     cmocka_unit_test(test_each_shorter_size),
		cmocka_unit_test(test_unknown_kinds), cmocka_unit_test(test_bad_header),
		cmocka_unit_test(test_data_lengths),  cmocka_unit_test(test_datagram_lengths),
		cmocka_unit_test(test_enums),	      cmocka_unit_test(test_strings_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
