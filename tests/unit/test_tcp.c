// SPDX-License-Identifier: Apache-2.0
/* What the kernel has added up of TCP and of disks, as series. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "identity/service.h"
#include "pressure/disk.h"
#include "pressure/tcp.h"

#define SECOND 1000000000ULL

static struct service shop = { .id = 1, .name = "shop", .instance_id = "i1" };
static struct service other = { .id = 2, .name = "other", .instance_id = "i2" };

static struct series_store *st;
static struct tcp *tcp;

/* 1: the shop's; 2: of the other; 4: nobody knows whose. */
static const struct service *service_of(void *ctx, uint32_t tgid)
{
	return tgid == 4 ? NULL : tgid == 2 ? &other : &shop;
}

static uint64_t told_sent, told_received; /* of process 1 */

static void on_bytes(void *ctx, uint32_t tgid, uint64_t sent, uint64_t received)
{
	assert_int_equal(tgid, 1);
	told_sent += sent;
	told_received += received;
}

static int setup(void **state)
{
	st = series_store_new(0);
	tcp = tcp_new(&(struct tcp_opts){ .store = st, .service_of = service_of });
	told_sent = told_received = 0;
	return 0;
}

static int teardown(void **state)
{
	tcp_free(tcp);
	series_store_free(st);
	return 0;
}

static struct series *find(enum metric_id id, const char *service, const char *const *values)
{
	for (struct series *s = NULL; (s = series_after(st, id, s ? s->serial : 0));) {
		size_t i = 0;

		while (values[i] && slice_eq(series_label(s, i), slice_str(values[i])))
			i++;
		if (!values[i] && strcmp(s->service->name, service) == 0)
			return s;
	}
	return NULL;
}

/* UINT64_MAX: there is no such series. */
static uint64_t value(enum metric_id id, const char *service, const char *label)
{
	const struct series *s = find(id, service, (const char *const[]){ label, NULL });

	return s ? s->value : UINT64_MAX;
}

static const struct sonde_tcp_key client = {
	.tgid = 1,
	.port = 5432,
	.family = SONDE_FAMILY_IPV4,
	.role = SONDE_ROLE_CLIENT,
	.ip = { 10, 0, 0, 7 },
};
static const struct sonde_tcp_key server = { .tgid = 1, .role = SONDE_ROLE_SERVER };

static void round_of(const struct sonde_tcp_key *key, const struct sonde_tcp *now, uint64_t at)
{
	tcp_begin(tcp, at);
	assert_true(tcp_take(tcp, key, now));
	tcp_publish(tcp);
}

static void test_growth(void **state)
{
	const char *const db[] = { "10.0.0.7", "5432", NULL };
	const char *const ok[] = { "ok", "10.0.0.7", "5432", NULL };
	struct sonde_tcp now = { .connect_ns = 300000,
				 .connect_delays = { 2, 1 },
				 .rtt_ns = 20000,
				 .rtt_delays = { 1 },
				 .bytes = { 100, 20 },
				 .retransmits = 3,
				 .resets = { 0, 1 },
				 .zero_windows = { 5, 0 } };
	struct series *s;

	round_of(&client, &now, SECOND);
	round_of(&client, &now, 2 * SECOND); /* nothing new */
	now.retransmits += 4;
	now.bytes[SONDE_TX] += 11;
	now.rtt_ns += 20 * SECOND;
	now.rtt_delays[SONDE_DELAYS - 1]++;
	round_of(&client, &now, 3 * SECOND);
	assert_int_equal(find(METRIC_TCP_CONNECTS, "shop", ok)->value, 3);
	s = find(METRIC_TCP_CONNECT, "shop", db);
	assert_int_equal(s->hist.count, 3);
	assert_int_equal(s->hist.sum, 300000);
	assert_int_equal(s->hist.explicit_counts[0], 2);
	assert_int_equal(s->hist.explicit_counts[1], 1);
	s = find(METRIC_TCP_RTT, "shop", db);
	assert_int_equal(s->hist.count, 2);
	assert_int_equal(s->hist.sum, 20 * SECOND + 20000);
	assert_int_equal(s->hist.explicit_counts[hist_duration_bounds.n], 1);
	assert_int_equal(value(METRIC_TCP_BYTES, "shop", "transmit"), 111);
	assert_int_equal(value(METRIC_TCP_BYTES, "shop", "receive"), 20);
	assert_int_equal(value(METRIC_TCP_RETRANSMITS, "shop", "transmit"), 7);
	assert_int_equal(value(METRIC_TCP_RESETS, "shop", "receive"), 1);
	assert_int_equal(value(METRIC_TCP_RESETS, "shop", "transmit"), UINT64_MAX);
	assert_int_equal(value(METRIC_TCP_ZERO_WINDOWS, "shop", "transmit"), 5);
}

/* Two that look at a socket at once may tell too much and then less than nothing: together right. */
static void test_less_than_nothing(void **state)
{
	struct sonde_tcp now = { .bytes = { 70, 0 } };

	round_of(&server, &now, SECOND);
	now.bytes[SONDE_TX] -= 20;
	round_of(&server, &now, 2 * SECOND);
	assert_int_equal(value(METRIC_TCP_BYTES, "shop", "transmit"), 50);
}

/* Peers and services are told apart where the labels say so, and added up where they do not. */
static void test_peers(void **state)
{
	struct sonde_tcp now = { .rtt_ns = 1000, .rtt_delays = { 1 }, .retransmits = 2 };
	struct sonde_tcp_key mapped = { .tgid = 1,
					.port = 80,
					.family = SONDE_FAMILY_IPV6,
					.role = SONDE_ROLE_CLIENT,
					.ip = { [10] = 0xff, 0xff, 10, 0, 0, 7 } };
	struct sonde_tcp_key others = server;

	others.tgid = 2;
	round_of(&client, &now, SECOND);
	round_of(&mapped, &now, SECOND);
	round_of(&others, &now, SECOND);
	assert_non_null(
		find(METRIC_TCP_RTT, "shop", (const char *const[]){ "10.0.0.7", "5432", NULL }));
	assert_non_null(
		find(METRIC_TCP_RTT, "shop", (const char *const[]){ "10.0.0.7", "80", NULL }));
	assert_non_null(find(METRIC_TCP_RTT, "other", (const char *const[]){ "", "", NULL }));
	assert_int_equal(series_count(st, METRIC_TCP_RTT), 3);
	assert_int_equal(value(METRIC_TCP_RETRANSMITS, "shop", "transmit"), 4);
	assert_int_equal(value(METRIC_TCP_RETRANSMITS, "other", "transmit"), 2);
}

/* Open connections are those of the last walk, of all peers and processes together. */
static void test_open(void **state)
{
	struct sonde_tcp a = { .walk = 7, .active = 3, .oldest_ns = 40 * SECOND }, b = a, old = a;
	struct sonde_tcp_key second = client;

	second.ip[0] = 11;
	b.active = 2;
	b.oldest_ns = 10 * SECOND;
	old.walk = 6;
	tcp_walk_begin(tcp, 7);
	tcp_walk_end(tcp);
	for (int i = 0; i < 2; i++) { /* asked twice it is no more */
		tcp_begin(tcp, 60 * SECOND);
		assert_true(tcp_take(tcp, &client, &a));
		assert_true(tcp_take(tcp, &second, &b));
		assert_true(tcp_take(tcp, &server, &old));
		tcp_publish(tcp);
		assert_int_equal(value(METRIC_TCP_ACTIVE, "shop", "client"), 5);
		assert_int_equal(value(METRIC_TCP_OLDEST, "shop", "client"), 50 * SECOND);
		assert_int_equal(value(METRIC_TCP_ACTIVE, "shop", "server"), UINT64_MAX);
	}
	tcp_walk_begin(tcp, 8);
	tcp_walk_end(tcp);
	tcp_begin(tcp, 65 * SECOND);
	assert_true(tcp_take(tcp, &client, &a));
	assert_int_equal(value(METRIC_TCP_ACTIVE, "shop", "client"), 0);
	/* while a walk is under way, what the last one found */
	tcp_walk_begin(tcp, 9);
	a.walk = 9;
	a.active = 1;
	round_of(&client, &a, 70 * SECOND);
	assert_int_equal(value(METRIC_TCP_ACTIVE, "shop", "client"), 0);
	tcp_walk_end(tcp);
	round_of(&client, &a, 71 * SECOND);
	assert_int_equal(value(METRIC_TCP_ACTIVE, "shop", "client"), 1);
	tcp_walk_begin(tcp, 10);
	a.active = 0;
	round_of(&client, &a, 75 * SECOND);
	assert_int_equal(value(METRIC_TCP_ACTIVE, "shop", "client"), 1);
	tcp_walk_end(tcp);
	round_of(&client, &a, 76 * SECOND);
	assert_int_equal(value(METRIC_TCP_OLDEST, "shop", "client"), 0);
}

/* Where thousands are kept those that nothing comes to go sooner, and nothing of them is lost. */
static void test_crowd(void **state)
{
	struct sonde_tcp now = { .bytes = { 10, 0 } }, last = { .bytes = { 13, 0 } };
	struct sonde_tcp_key key = server;
	uint32_t forgotten = 0;

	for (uint64_t at = SECOND; at <= 6 * SECOND; at += 5 * SECOND) {
		tcp_begin(tcp, at);
		for (key.tgid = 100; key.tgid < 100 + 4096 + 2; key.tgid++) {
			if (tcp_take(tcp, &key, &now))
				continue;
			tcp_take_last(tcp, &key, &now, &last);
			forgotten++;
		}
		tcp_publish(tcp);
	}
	assert_int_equal(forgotten, 4098); /* all of them, and not those beyond the mark alone */
	assert_int_equal(value(METRIC_TCP_BYTES, "shop", "transmit"), 4098 * 13);
}

/* What nothing comes to for a minute is forgotten, and counts from nothing when it comes again;
 * what is open is not. */
static void test_forgotten(void **state)
{
	struct sonde_tcp now = { .bytes = { 70, 0 } }, open = { .walk = 1, .active = 1 };

	tcp_walk_begin(tcp, 1);
	tcp_walk_end(tcp);
	round_of(&server, &now, SECOND);
	round_of(&client, &open, SECOND);
	round_of(&server, &now, 60 * SECOND);
	tcp_begin(tcp, 61 * SECOND);
	assert_false(tcp_take(tcp, &server, &now));
	assert_true(tcp_take(tcp, &client, &open));
	now.bytes[SONDE_TX] = 5; /* begun anew */
	round_of(&server, &now, 62 * SECOND);
	assert_int_equal(value(METRIC_TCP_BYTES, "shop", "transmit"), 75);
}

/* A process is told of once for all that its connections moved, in whatever role, and of what came
 * last before the sums were forgotten. */
static void test_bytes_of_a_process(void **state)
{
	struct sonde_tcp now = { .bytes = { 100, 20 } }, more = { .bytes = { 107, 20 } };

	tcp_free(tcp);
	tcp = tcp_new(
		&(struct tcp_opts){ .store = st, .service_of = service_of, .on_bytes = on_bytes });
	round_of(&client, &now, SECOND);
	round_of(&server, &now, SECOND);
	round_of(&client, &now, 2 * SECOND);
	assert_int_equal(told_sent, 200);
	assert_int_equal(told_received, 40);
	round_of(&client, &more, 3 * SECOND);
	tcp_begin(tcp, 90 * SECOND);
	assert_false(tcp_take(tcp, &client, &more));
	now.bytes[SONDE_TX] = 109;
	now.bytes[SONDE_RX] = 21;
	tcp_take_last(tcp, &client, &more, &now);
	assert_int_equal(told_sent, 209);
	assert_int_equal(told_received, 41);
}

/* Of a process that nobody knows nothing is told. */
static void test_nobodys(void **state)
{
	struct sonde_tcp now = { .rtt_ns = 1000, .rtt_delays = { 1 } };
	struct sonde_tcp_key of = server;

	of.tgid = 4;
	round_of(&of, &now, SECOND);
	assert_int_equal(series_count(st, METRIC_TCP_RTT), 0);
}

static void walk(uint32_t n, const struct sonde_listener *found, size_t n_found)
{
	tcp_walk_begin(tcp, n);
	for (size_t i = 0; i < n_found; i++)
		tcp_listener(tcp, &found[i]);
	tcp_walk_end(tcp);
	tcp_begin(tcp, n * SECOND);
	tcp_publish(tcp);
}

#define OVERFLOWS(service) value(METRIC_TCP_ACCEPT_OVERFLOWS, service, NULL)
#define QUEUE(service)	   value(METRIC_TCP_ACCEPT_QUEUE, service, "server")

static void test_listeners(void **state)
{
	struct sonde_listener l[] = {
		{ .socket = 1, .inode = 10, .tgid = 1, .waiting = 4, .drops = 100 },
		{ .socket = 1, .inode = 10, .tgid = 2, .waiting = 4, .drops = 100 },
		{ .socket = 2, .inode = 11, .tgid = 1, .waiting = 1, .drops = UINT32_MAX },
	};

	/* what was before is not told; what several hold is the first one's */
	walk(1, l, 3);
	assert_int_equal(OVERFLOWS("shop"), UINT64_MAX);
	assert_int_equal(QUEUE("shop"), 5);
	assert_int_equal(QUEUE("other"), UINT64_MAX);
	l[0].drops = l[1].drops = 103;
	l[2].drops = 1; /* the count has gone round */
	walk(2, l, 3);
	assert_int_equal(OVERFLOWS("shop"), 5);
	/* another socket at the same place, made since: all of it is new */
	l[2] = (struct sonde_listener){ .socket = 2, .inode = 12, .tgid = 2, .drops = 6 };
	walk(3, l, 3);
	assert_int_equal(OVERFLOWS("shop"), 5);
	assert_int_equal(OVERFLOWS("other"), 6);
	assert_int_equal(QUEUE("shop"), 4);
	walk(4, l, 0); /* all gone */
	assert_int_equal(QUEUE("shop"), 0);
	walk(5, l, 3);
	assert_int_equal(OVERFLOWS("other"), 12);
	assert_int_equal(tcp_left_out(tcp), 0);
}

static const struct series *disk_series(const char *dir, const struct service *service)
{
	const struct series *s = NULL, *found = NULL;

	while ((s = series_after(st, METRIC_DISK_LATENCY, s ? s->serial : 0)))
		if ((s->service != NULL) == (service != NULL) &&
		    slice_eq(series_label(s, 0), slice_str(dir))) {
			assert_true(!service || strcmp(s->service->name, service->name) == 0);
			assert_null(found);
			assert_true(slice_eq(series_label(s, 1), SLICE("vda")));
			found = s;
		}
	return found;
}

static void test_disks(void **state)
{
	const struct sonde_disk_key nobodys = { .disk = 5 }, shops = { .disk = 5, .tgid = 1 },
				    groups = { .disk = 5, .group = 1 };
	const struct service *asker = service_of(NULL, 1);
	struct sonde_disk now = { .name = "vda",
				  .delays = { { 3, 1 }, { 0, 2 } },
				  .ns = { 700000, 400000 } };
	struct disks disks = { 0 };

	disks_take(&disks, st, &nobodys, NULL, &now, 1);
	disks_take(&disks, st, &shops, asker, &now, 1);
	disks_take(&disks, st, &groups, asker, &now, 1);
	disks_take(&disks, st, &nobodys, NULL, &now, 2);
	now.delays[1][SONDE_DELAYS - 1]++;
	now.ns[1] += 30 * SECOND;
	disks_take(&disks, st, &nobodys, NULL, &now, 3);
	assert_int_equal(disk_series("read", NULL)->hist.count, 4);
	assert_int_equal(disk_series("read", NULL)->hist.sum, 700000);
	assert_int_equal(disk_series("write", NULL)->hist.count, 3);
	assert_int_equal(disk_series("write", NULL)->hist.sum, 30 * SECOND + 400000);
	assert_int_equal(disk_series("write", NULL)->hist.explicit_counts[1], 2);
	assert_int_equal(disk_series("read", asker)->hist.count, 8);
	assert_int_equal(disk_series("write", asker)->hist.sum, 800000);
	disks_free(&disks);
}

/* After a minute without anything the kernel's are begun anew: from nothing, not from where they
 * were. */
static void test_disks_begun_anew(void **state)
{
	const struct sonde_disk_key key = { .disk = 5, .tgid = 1 };
	struct sonde_disk now = { .name = "vda", .delays = { { 3 } }, .ns = { 3000 } };
	struct disks disks = { 0 };

	assert_false(disks_are_idle(&disks, &key, 1));
	disks_take(&disks, st, &key, NULL, &now, SECOND);
	assert_false(disks_are_idle(&disks, &key, 61 * SECOND));
	assert_true(disks_are_idle(&disks, &key, 61 * SECOND + 1));
	now.delays[0][0]++;
	now.ns[0] += 500;
	disks_take(&disks, st, &key, NULL, &now, 62 * SECOND);
	disks_forget(&disks, &key);
	now = (struct sonde_disk){ .name = "vda", .delays = { { 2 } }, .ns = { 70 } };
	disks_take(&disks, st, &key, NULL, &now, 63 * SECOND);
	assert_int_equal(disk_series("read", NULL)->hist.count, 6);
	assert_int_equal(disk_series("read", NULL)->hist.sum, 3570);
	disks_free(&disks);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_growth),  TEST(test_less_than_nothing),  TEST(test_peers),
		TEST(test_open),    TEST(test_forgotten),	   TEST(test_crowd),
		TEST(test_nobodys), TEST(test_bytes_of_a_process), TEST(test_listeners),
		TEST(test_disks),   TEST(test_disks_begun_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
