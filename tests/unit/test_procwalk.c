/* SPDX-License-Identifier: Apache-2.0 */
/* What processes used, as it comes to their services: walked, ended, waited for. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fake_proc.h"
#include "pressure/procwalk.h"
#include "pressure/reclaim.h"
#include "util/clock.h"

#define MS	1000000ULL
#define WALK_NS (6 * NS_PER_S)

static struct fake_proc proc;
static struct processes *procs;
static struct series_store *st;
static struct procwalk *w;

static int setup(void **state)
{
	fake_proc_make(&proc);
	procs = processes_new(
		&(struct processes_opts){ .proc_root = proc.root, .host_id = "host" });
	st = series_store_new(0);
	w = procwalk_new(&(struct procwalk_opts){
		.proc = proc.root, .cgroups = proc.root, .procs = procs, .store = st, .max = 10 });
	return 0;
}

static int teardown(void **state)
{
	procwalk_free(w);
	series_store_free(st);
	processes_free(procs);
	assert_int_equal(rmdir(proc.root), 0);
	return 0;
}

/* Of process 1 unless it was forked. */
static void begin(uint32_t tgid, const char *program)
{
	struct sonde_ev_exec ev = { .h.ts_ns = tgid, .start_ns = tgid, .tgid = tgid, .ppid = 1 };

	snprintf(ev.filename, sizeof(ev.filename), "/usr/bin/%s", program);
	snprintf(ev.comm, sizeof(ev.comm), "%s", program);
	process_exec(procs, &ev);
}

static void fork_from(uint32_t ppid, uint32_t tgid)
{
	process_fork(procs, &(struct sonde_ev_fork){
				    .h = { .size = sizeof(struct sonde_ev_fork), .ts_ns = tgid },
				    .start_ns = tgid,
				    .tgid = tgid,
				    .ppid = ppid,
				    .comm = "forked" });
}

static void end(uint32_t tgid, uint64_t run_ns, uint64_t written, uint32_t heir, uint32_t reaper)
{
	struct sonde_ev_exit ev = {
		.h = { .kind = SONDE_EV_EXIT, .size = sizeof(ev), .ts_ns = 1000 },
		.tgid = tgid,
		.comm = "x",
		.run_ns = run_ns,
		.user_ns = run_ns,
		.written_bytes = written,
		.start_ns = tgid,
		.heir = heir,
		.reaper = reaper,
	};

	process_exit(procs, &ev);
	procwalk_exit(w, &ev);
}

static void rest(uint32_t tgid, uint64_t start_ns, uint64_t run_ns, uint64_t written)
{
	procwalk_rest(w, &(struct sonde_ev_rest){ .h.ts_ns = 2000,
						  .start_ns = start_ns,
						  .run_ns = run_ns,
						  .user_ns = run_ns,
						  .written_bytes = written,
						  .tgid = tgid });
}

/* The sum of the series of a service with this value among its labels; "": any. */
static uint64_t sum(enum metric_id id, const char *service, size_t label, const char *value)
{
	uint64_t n = 0;

	procwalk_publish(w, 5000);
	for (struct series *s = NULL; (s = series_after(st, id, s ? s->serial : 0));)
		if (strcmp(s->service->name, service) == 0 &&
		    (!*value || slice_eq(series_label(s, label), slice_str(value))))
			n += s->value;
	return n;
}

#define CPU(service)	 sum(METRIC_SERVICE_CPU, service, 0, "")
#define WRITTEN(service) sum(METRIC_SERVICE_DISK_IO, service, 0, "write")

static void walk(uint64_t n)
{
	for (int i = 0; i < 10; i++)
		procwalk_turn(w, n * WALK_NS, NS_PER_S);
}

/* What the end itself took comes once, and to nobody else of that number. */
static void test_rest(void **state)
{
	begin(20, "burner");
	end(20, 10 * MS, 0, 1, 1);
	assert_int_equal(CPU("burner"), 10 * MS);
	rest(20, 21, 50 * MS, 0);
	rest(22, 22, 50 * MS, 0);
	assert_int_equal(CPU("burner"), 10 * MS);
	rest(20, 20, 12 * MS, 4096);
	assert_int_equal(CPU("burner"), 12 * MS);
	assert_int_equal(WRITTEN("burner"), 4096);
	rest(20, 20, 90 * MS, 8192);
	assert_int_equal(CPU("burner"), 12 * MS);
	assert_int_equal(sum(METRIC_PROCESS_EXITS, "burner", 0, "exit"), 1);
}

/* The kernel adds what children wrote to the figures of whoever waits for them. */
static void test_waited_for(void **state)
{
	begin(5, "parent");
	fork_from(5, 6);
	end(6, 0, 4096, 5, 1);
	end(5, 0, 4096 + 100, 1, 1);
	assert_int_equal(WRITTEN("parent"), 4196);
}

/* 6 is the parent of 7, and 5 who waits in its place. */
static void test_orphan(void **state)
{
	begin(5, "reaper");
	fork_from(5, 6);
	fork_from(6, 7);
	end(6, 0, 0, 5, 5);
	end(7, 0, 4096, 5, 5);
	end(5, 0, 4096 + 100, 1, 1);
	assert_int_equal(WRITTEN("reaper"), 4196);
}

/* As before, but 7 has ended first, and 6 has not waited for it. */
static void test_orphan_that_ended_first(void **state)
{
	begin(5, "reaper");
	fork_from(5, 6);
	fork_from(6, 7);
	end(7, 0, 4096, 6, 5);
	end(6, 0, 10, 5, 5);
	end(5, 0, 4096 + 10 + 100, 1, 1);
	assert_int_equal(WRITTEN("reaper"), 4206);
}

/* Both at once, and the parent's end was told first. */
static void test_orphan_of_one_that_ends(void **state)
{
	begin(5, "reaper");
	fork_from(5, 6);
	fork_from(6, 7);
	end(6, 0, 0, 5, 5);
	end(7, 0, 4096, 6, 5);
	end(5, 0, 4096 + 100, 1, 1);
	assert_int_equal(WRITTEN("reaper"), 4196);
}

/* A process that has ended stays in /proc until somebody has waited for it: it is not another one. */
static void test_not_waited_for(void **state)
{
	struct fake_process p = { .tgid = 30, .ppid = 1, .comm = "worker", .state = 'Z' };

	walk(1);
	begin(30, "worker");
	end(30, 10 * MS, 0, 1, 1);
	fake_proc_add(&proc, &p);
	walk(2);
	walk(3);
	assert_int_equal(sum(METRIC_SERVICE_RESTARTS, "worker", 0, ""), 0);
	assert_int_equal(sum(METRIC_PROCESS_THREADS, "worker", 0, ""), 0);
	assert_int_equal(CPU("worker"), 10 * MS);
	fake_proc_remove(&proc, 30);
}

/* Bytes come before a walk has met the process, and as its connections end, after it. */
static void test_network(void **state)
{
	struct fake_process p = { .tgid = 30, .ppid = 1, .comm = "pump" };

	begin(30, "pump");
	fake_proc_add(&proc, &p);
	procwalk_network(w, 30, 10, 1);
	assert_int_equal(sum(METRIC_PROCESS_NETWORK_IO, "pump", 2, ""), 0);
	walk(1);
	assert_int_equal(sum(METRIC_PROCESS_NETWORK_IO, "pump", 2, "transmit"), 10);
	end(30, 0, 0, 1, 1);
	fake_proc_remove(&proc, 30);
	procwalk_network(w, 30, 5, 2);
	walk(2);
	walk(3);
	walk(4);
	assert_int_equal(sum(METRIC_PROCESS_NETWORK_IO, "pump", 2, "transmit"), 15);
	assert_int_equal(sum(METRIC_PROCESS_NETWORK_IO, "pump", 2, "receive"), 3);
}

/* A group is a service's while no other has processes there. Folders of /proc stand for groups. */
static void test_group(void **state)
{
	struct fake_process pump = { .tgid = 30, .comm = "pump", .cgroup = "0::/30\n" };
	struct fake_process tap = { .tgid = 31, .comm = "tap", .cgroup = "0::/31\n" };
	const struct service *of;
	struct stat st_pump;
	char path[256];

	begin(30, "pump");
	begin(31, "tap");
	fake_proc_add(&proc, &pump);
	fake_proc_add(&proc, &tap);
	fake_proc_path(&proc, 30, "", path);
	assert_int_equal(stat(path, &st_pump), 0);
	assert_null(procwalk_service_of_group(w, st_pump.st_ino));
	walk(1);
	of = procwalk_service_of_group(w, st_pump.st_ino);
	assert_non_null(of);
	assert_string_equal(of->name, "pump");
	assert_null(procwalk_service_of_group(w, st_pump.st_ino + 1000000));
	tap.cgroup = pump.cgroup;
	fake_proc_write(&proc, 31, "cgroup", tap.cgroup);
	walk(2);
	assert_null(procwalk_service_of_group(w, st_pump.st_ino));
	fake_proc_remove(&proc, 30);
	fake_proc_remove(&proc, 31);
}

/* Sums only grow: a lower one is another process's. */
static void test_reclaim(void **state)
{
	static struct service shop = { .id = 9, .name = "shop", .instance_id = "i" };
	struct reclaims r = { 0 };

	reclaims_take(&r, st, &shop, 5, 100, 1);
	reclaims_take(&r, st, &shop, 5, 130, 2);
	reclaims_take(&r, st, &shop, 6, 1000, 2);
	reclaims_take(&r, st, &shop, 5, 7, 3);
	assert_int_equal(sum(METRIC_MEMORY_RECLAIM, "shop", 0, ""), 1137);
	reclaims_forget(&r, 6);
	reclaims_take(&r, st, &shop, 6, 1000, 4);
	assert_int_equal(sum(METRIC_MEMORY_RECLAIM, "shop", 0, ""), 2137);
	reclaims_free(&r);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rest),
		TEST(test_waited_for),
		TEST(test_orphan),
		TEST(test_orphan_that_ended_first),
		TEST(test_orphan_of_one_that_ends),
		TEST(test_not_waited_for),
		TEST(test_network),
		TEST(test_group),
		TEST(test_reclaim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
