// SPDX-License-Identifier: Apache-2.0
/* The host's pressure, from texts as the kernel writes them, and from others. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "guard.h"
#include "pressure/host.h"
#include "pressure/stalls.h"
#include "pressure/text.h"

#define NOW 1000000000ULL

static struct series_store *store;

static int setup(void **state)
{
	store = series_store_new(0);
	return store ? 0 : -1;
}

static int teardown(void **state)
{
	series_store_free(store);
	return 0;
}

/* The value of a metric with these labels, which are as many as it has; UINT64_MAX: no such. */
static uint64_t value(enum metric_id id, const char *const *labels)
{
	for (struct series *s = series_after(store, id, 0); s;
	     s = series_after(store, id, s->serial)) {
		const struct metric *m = metric_get(id);
		bool is_it = true;

		for (size_t i = 0; m->labels[i] != LABEL_NONE; i++)
			is_it &= slice_eq(series_label(s, i), slice_str(labels[i]));
		if (is_it)
			return s->value;
	}
	return UINT64_MAX;
}

#define VALUE(id, ...) value(METRIC_##id, (const char *const[]){ __VA_ARGS__, NULL })

static void test_stat(void **state)
{
	host_stat(slice_str("cpu  100 2 30 4000 5 6 70 8 90 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n"), 100,
		  store, NOW);
	assert_int_equal(VALUE(SYSTEM_CPU, "user"), 1000000000);
	assert_int_equal(VALUE(SYSTEM_CPU, "nice"), 20000000);
	assert_int_equal(VALUE(SYSTEM_CPU, "system"), 300000000);
	assert_int_equal(VALUE(SYSTEM_CPU, "idle"), 40000000000);
	assert_int_equal(VALUE(SYSTEM_CPU, "iowait"), 50000000);
	assert_int_equal(VALUE(SYSTEM_CPU, "interrupt"), 760000000);
	assert_int_equal(VALUE(SYSTEM_CPU, "steal"), 80000000);
	assert_int_equal(series_count(store, METRIC_SYSTEM_CPU), 7);
	assert_int_equal(series_after(store, METRIC_SOFTIRQ, 0)->value, 700000000);
}

static void test_meminfo(void **state)
{
	host_meminfo(slice_str("MemTotal:       1000 kB\nMemFree:         300 kB\n"
			       "MemAvailable:    800 kB\nBuffers:          50 kB\n"
			       "Cached:          200 kB\nSReclaimable:     25 kB\n"),
		     store, NOW);
	assert_int_equal(VALUE(SYSTEM_MEMORY, "used"), 425 * 1024);
	assert_int_equal(VALUE(SYSTEM_MEMORY, "free"), 300 * 1024);
	assert_int_equal(VALUE(SYSTEM_MEMORY, "buffers"), 50 * 1024);
	assert_int_equal(VALUE(SYSTEM_MEMORY, "cached"), 225 * 1024);
}

/* Never more in pieces than there is. */
static void test_meminfo_that_does_not_add_up(void **state)
{
	host_meminfo(slice_str("MemTotal: 10 kB\nMemFree: 300 kB\n"), store, NOW);
	assert_int_equal(VALUE(SYSTEM_MEMORY, "used"), 0);
}

static void test_loadavg(void **state)
{
	host_loadavg(slice_str("0.52 10.5 3 2/165 2175\n"), store, NOW);
	assert_int_equal(VALUE(LOAD, "1m"), 520000000);
	assert_int_equal(VALUE(LOAD, "5m"), 10500000000);
	assert_int_equal(VALUE(LOAD, "15m"), 3000000000);
}

static void test_diskstats(void **state)
{
	host_diskstats(
		slice_str("   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
			  " 254       0 vda 808 1 103424 225 7 2 16 9 0 216 225 0 0 0 0 0 0\n"),
		store, NOW);
	assert_int_equal(VALUE(SYSTEM_DISK_IO, "vda", "read"), 103424 * 512);
	assert_int_equal(VALUE(SYSTEM_DISK_IO, "vda", "write"), 16 * 512);
	assert_int_equal(series_count(store, METRIC_SYSTEM_DISK_IO), 2);
}

static void test_netdev(void **state)
{
	host_netdev(slice_str("Inter-|   Receive                   |  Transmit\n"
			      " face |bytes    packets errs drop ... |bytes    packets errs\n"
			      "    lo: 1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n"
			      "eth0.5:7 1 3 5 0 0 0 0 9 1 4 6 0 0 0 0\n"),
		    store, NOW);
	assert_int_equal(VALUE(SYSTEM_NETWORK_IO, "lo", "receive"), 1000);
	assert_int_equal(VALUE(SYSTEM_NETWORK_IO, "lo", "transmit"), 2000);
	assert_int_equal(VALUE(SYSTEM_NETWORK_IO, "eth0.5", "receive"), 7);
	assert_int_equal(VALUE(SYSTEM_NETWORK_ERRORS, "eth0.5", "receive"), 3);
	assert_int_equal(VALUE(SYSTEM_NETWORK_ERRORS, "eth0.5", "transmit"), 4);
	assert_int_equal(VALUE(SYSTEM_NETWORK_DROPPED, "eth0.5", "receive"), 5);
	assert_int_equal(VALUE(SYSTEM_NETWORK_DROPPED, "eth0.5", "transmit"), 6);
	assert_int_equal(series_count(store, METRIC_SYSTEM_NETWORK_IO), 4);
}

static void test_pressure(void **state)
{
	struct stalls s = { 0 };

	stalls_parse(slice_str("some avg10=97.47 avg60=97.70 avg300=94.55 total=5675346924\n"
			       "full avg10=0.00 avg60=0.00 avg300=0.00 total=12\n"),
		     0, &s);
	stalls_publish(&s, NULL, store, NOW);
	assert_int_equal(VALUE(PRESSURE, "cpu", "some", "host"), 5675346924000);
	assert_int_equal(VALUE(PRESSURE, "cpu", "full", "host"), 12000);
	assert_int_equal(series_count(store, METRIC_PRESSURE), 2);
}

static void test_words(void **state)
{
	struct slice line = slice_str("  a\tbb   c");

	assert_true(slice_eq(text_word(&line), SLICE("a")));
	assert_true(slice_eq(text_word(&line), SLICE("bb")));
	text_skip(&line, 1);
	assert_int_equal(text_word(&line).n, 0);
	assert_int_equal(text_u64(SLICE("18446744073709551615")), UINT64_MAX);
	assert_int_equal(text_u64(SLICE("99999999999999999999999")), UINT64_MAX);
	assert_int_equal(text_u64(SLICE("12kB")), 12);
	assert_int_equal(text_u64(SLICE("kB")), 0);
	assert_int_equal(text_nano(SLICE("1.5")), 1500000000);
	assert_int_equal(text_nano(SLICE("0.1234567899")), 123456789);
	assert_int_equal(text_nano(SLICE("7")), 7000000000);
	assert_int_equal(text_nano(SLICE("1.2.3")), 1200000000);
	assert_int_equal(text_nano(SLICE("")), 0);
}

/* Every file cut at every byte, at the edge of readable memory. */
static void test_cut_anywhere(void **state)
{
	static const char *const texts[] = {
		"cpu  1 2 3 4 5 6 7 8 9 10\n",
		"MemTotal: 10 kB\nMemFree: 3 kB\n",
		"0.1 0.2 0.3 1/2 3\n",
		"8 0 sda 1 2 3 4 5 6 7 8 9\n",
		"a\nb\n lo: 1 2 3 4 5 6 7 8 9 10 11 12\n",
		"some avg10=1.0 total=12\n",
	};

	struct guard g = guard_new(256);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t n = 0; n <= strlen(texts[i]); n++) {
			const struct slice cut = { (const uint8_t *)texts[i], n };
			struct slice s = guard_put(&g, cut);

			host_stat(s, 100, store, NOW);
			host_meminfo(s, store, NOW);
			host_loadavg(s, store, NOW);
			host_diskstats(s, store, NOW);
			host_netdev(s, store, NOW);
			stalls_parse(s, 2, &(struct stalls){ 0 });
		}
	}
	guard_free(&g);
}

/* --- files of a /proc of our own --- */

static FILE *own_file(const char *proc, const char *folder, const char *name, const char *mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", proc, folder);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", proc, folder, name);
	return fopen(path, mode);
}

static void own_remove(const char *proc, const char *folder, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s/%s", proc, folder, name);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s", proc, folder);
	rmdir(path);
}

/* What does not fit is left out, and with it the line that would be told by the half. */
static void test_more_than_is_read(void **state)
{
	enum { ROOM = 256 * 1024, LINE = 56 };
	struct series_store *own = series_store_new(20000), *was = store;
	char proc[] = "/tmp/sonde-host-XXXXXX";
	FILE *f;

	assert_non_null(mkdtemp(proc));
	f = own_file(proc, "1", "", "r"); /* for its folder */
	fclose(f);
	f = own_file(proc, "1/net", "dev", "w");
	assert_non_null(f);
	for (int i = 0; i < ROOM / LINE + 10; i++)
		assert_int_equal(
			fprintf(f, "e%05d: 123456789 0 0 0 0 0 0 0 123456789 0 0 0 0 0 0 0\n", i),
			LINE);
	fclose(f);
	store = own;
	host_publish(proc, store, NOW);
	assert_int_equal(series_count(store, METRIC_SYSTEM_NETWORK_IO), 2 * (ROOM / LINE));
	for (struct series *s = series_after(store, METRIC_SYSTEM_NETWORK_IO, 0); s;
	     s = series_after(store, METRIC_SYSTEM_NETWORK_IO, s->serial))
		assert_int_equal(s->value, 123456789);
	store = was;
	series_store_free(own);
	own_remove(proc, "1/net", "dev");
	own_remove(proc, "1", "");
	rmdir(proc);
}

/* A file system that a process answers for is not asked: it may never say a word. */
static void test_file_systems_of_processes(void **state)
{
	char proc[] = "/tmp/sonde-host-XXXXXX";
	FILE *f;

	assert_non_null(mkdtemp(proc));
	f = own_file(proc, "self", "mounts", "w");
	assert_non_null(f);
	fprintf(f, "/dev/a / ext4 rw 0 0\n/dev/b / fuse rw 0 0\n/dev/c / fuse.sshfs rw 0 0\n"
		   "/dev/d / fuseblk ro 0 0\n");
	fclose(f);
	host_publish(proc, store, NOW);
	for (const char *const *device = (const char *const[]){ "/dev/a", "/dev/d", NULL }; *device;
	     device++) {
		bool is_found = false;

		for (struct series *s = series_after(store, METRIC_SYSTEM_FILESYSTEM, 0); s;
		     s = series_after(store, METRIC_SYSTEM_FILESYSTEM, s->serial))
			is_found |= slice_eq(series_label(s, 0), slice_str(*device));
		assert_true(is_found);
	}
	assert_int_equal(series_count(store, METRIC_SYSTEM_FILESYSTEM), 2 * 3);
	own_remove(proc, "self", "mounts");
	rmdir(proc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_meminfo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_meminfo_that_does_not_add_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loadavg, setup, teardown),
		cmocka_unit_test_setup_teardown(test_diskstats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_netdev, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pressure, setup, teardown),
		cmocka_unit_test(test_words),
		cmocka_unit_test_setup_teardown(test_cut_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_systems_of_processes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
