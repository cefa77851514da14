/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/mman.h>
#include "fake_elf.h"
#include "fake_proc.h"
#include "identity/containers.h"
#include "identity/golang.h"
#include "identity/procfs.h"
#include "identity/process.h"
#include "util/clock.h"

#define TICK_NS (NS_PER_S / 100)

struct world {
	struct fake_proc proc;
	struct processes *ps;
	struct process announced; /* the last one */
	int announcements, gos;
	uint32_t last_go;
	struct containers *containers;
	uint32_t pids[32]; /* to be removed */
	size_t n_pids;
};

static void on_identity(void *ctx, const struct process *p)
{
	struct world *w = ctx;

	w->announced = *p;
	w->announcements++;
}

static void on_go(void *ctx, uint32_t tgid)
{
	struct world *w = ctx;

	w->last_go = tgid;
	w->gos++;
}

static void start(struct world *w, bool is_live, size_t max)
{
	struct processes_opts opts = {
		.is_live = is_live,
		.max = max,
		.proc_root = w->proc.root,
		.host_id = "host",
		.containers = w->containers,
		.on_identity = on_identity,
		.on_go = on_go,
		.ctx = w,
	};

	processes_free(w->ps);
	w->ps = processes_new(&opts);
	assert_non_null(w->ps);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fake_proc_make(&w->proc);
	start(w, true, 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	processes_free(w->ps);
	for (size_t i = 0; i < w->n_pids; i++)
		fake_proc_remove(&w->proc, w->pids[i]);
	assert_int_equal(rmdir(w->proc.root), 0);
	free(w);
	return 0;
}

static void add(struct world *w, struct fake_process p)
{
	fake_proc_add(&w->proc, &p);
	w->pids[w->n_pids++ % 32] = p.tgid;
}

static void record_exec(struct world *w, uint64_t ts, uint32_t tgid, uint64_t start_ns,
			const char *filename, const char *args)
{
	struct sonde_ev_exec ev = { .h.ts_ns = ts, .start_ns = start_ns, .tgid = tgid, .ppid = 1 };

	snprintf(ev.filename, sizeof(ev.filename), "%s", filename);
	snprintf(ev.comm, sizeof(ev.comm), "%s", strrchr(filename, '/') + 1);
	ev.args_len = (uint32_t)strlen(args);
	for (size_t i = 0; i < ev.args_len; i++)
		ev.args[i] = args[i] == '|' ? '\0' : args[i];
	process_exec(w->ps, &ev);
}

static void record_fork(struct world *w, uint64_t ts, uint32_t tgid, uint32_t ppid)
{
	struct sonde_ev_fork ev = {
		.h.ts_ns = ts, .start_ns = ts, .tgid = tgid, .ppid = ppid, .comm = "forked"
	};

	process_fork(w->ps, &ev);
}

static void record_exit(struct world *w, uint64_t ts, uint32_t tgid)
{
	struct sonde_ev_exit ev = { .h.ts_ns = ts, .tgid = tgid, .comm = "exited" };

	process_exit(w->ps, &ev);
}

static void expect_name(struct world *w, uint32_t tgid, uint64_t now, const char *name)
{
	assert_string_equal(process_get(w->ps, tgid, now)->service->name, name);
}

static void test_older_than_the_observer(void **state)
{
	struct world *w = *state;
	struct process *p;

	add(w, (struct fake_process){ .tgid = 7,
				      .ppid = 1,
				      .start_ticks = 500,
				      .comm = "we (ird) )",
				      .exe = "/usr/bin/python3.11",
				      .args = "python3|server.py|",
				      .cwd = "/srv/shop" });
	p = process_get(w->ps, 7, 10);
	assert_string_equal(p->service->name, "shop");
	assert_string_equal(p->comm, "we (ird) )");
	assert_int_equal(p->ppid, 1);
	assert_int_equal(p->start_ns, 500 * TICK_NS);
	assert_int_equal(w->announcements, 1);
	assert_string_equal(w->announced.service->name, "shop");
	assert_ptr_equal(process_get(w->ps, 7, 20), p);
	assert_int_equal(w->announcements, 1); /* once */
	assert_int_equal(p->service->last_seen_ns, 20);
}

/* What the process says, then its unit, then its program. */
static void test_order_of_names(void **state)
{
	struct world *w = *state;
	struct fake_process p = { .tgid = 7, .comm = "c", .exe = "/usr/bin/prog", .args = "prog|" };

	add(w, p);
	expect_name(w, 7, 1, "prog");
	p.tgid = 8;
	p.cgroup = "0::/system.slice/unit.service\n";
	add(w, p);
	expect_name(w, 8, 1, "unit");
	p.tgid = 9;
	p.environ = "A=b|OTEL_RESOURCE_ATTRIBUTES=service.namespace=ns,service.name=said|";
	add(w, p);
	expect_name(w, 9, 1, "said");
	assert_string_equal(process_get(w->ps, 9, 1)->service->name_space, "ns");
	p.tgid = 10; /* a kernel thread has no executable */
	p.exe = p.args = p.environ = p.cgroup = NULL;
	add(w, p);
	expect_name(w, 10, 1, "c");
	p.tgid = 11; /* a zombie has nothing but its name */
	p.state = 'Z';
	add(w, p);
	expect_name(w, 11, 1, SERVICE_UNKNOWN);
	expect_name(w, 12, 1, SERVICE_UNKNOWN);
	assert_ptr_equal(process_get(w->ps, 11, 1)->service, process_get(w->ps, 12, 1)->service);
}

/* It lived 5 ms: nothing in /proc, only what its records said. */
static void test_gone_before_looked_at(void **state)
{
	struct world *w = *state;

	record_exec(w, 100, 20, 90, "/usr/bin/curl", "curl|http://x/|");
	record_exit(w, 200, 20);
	expect_name(w, 20, 300, "curl");
	assert_string_equal(process_get(w->ps, 20, 300)->comm, "curl");
	record_exec(w, 100, 21, 90, "/usr/bin/python3", "python3|-m|http.server|");
	record_exit(w, 200, 21);
	expect_name(w, 21, 300, "http.server");
	/* only its exit was seen */
	record_exit(w, 200, 22);
	expect_name(w, 22, 300, "exited");
}

static void test_workers_are_one_service(void **state)
{
	struct world *w = *state;

	record_exec(w, 100, 20, 90, "/usr/bin/python3", "python3|/srv/shop/server.py|");
	record_fork(w, 110, 21, 20);
	record_fork(w, 120, 22, 21);
	expect_name(w, 22, 130, "shop");
	assert_ptr_equal(process_get(w->ps, 20, 130)->service,
			 process_get(w->ps, 22, 130)->service);
	assert_string_equal(process_get(w->ps, 22, 130)->comm, "forked");
	/* the parent is another program by now: the child is not */
	record_fork(w, 140, 23, 20);
	record_exec(w, 150, 20, 90, "/usr/bin/sort", "sort|");
	expect_name(w, 20, 160, "sort");
	expect_name(w, 23, 160, "forked");
	/* a child that became something of its own */
	record_fork(w, 170, 24, 22);
	expect_name(w, 24, 171, "shop");
	record_exec(w, 180, 24, 170, "/bin/cat", "cat|");
	expect_name(w, 24, 190, "cat");
}

/* The parent is older than the observer and has never been asked for. */
static void test_parent_from_proc(void **state)
{
	struct world *w = *state;

	add(w, (struct fake_process){
		       .tgid = 30, .ppid = 1, .exe = "/usr/sbin/shopd", .args = "shopd|" });
	record_fork(w, 100, 31, 30);
	record_exit(w, 110, 31);
	expect_name(w, 31, 120, "shopd");
	/* Python's spawned workers are started anew, and are their parent */
	record_exec(
		w, 100, 32, 90, "/usr/bin/python3",
		"python3|-c|from multiprocessing.spawn import spawn_main|--multiprocessing-fork");
	expect_name(w, 32, 120, "python"); /* of process 1, whom we cannot see */
	add(w, (struct fake_process){ .tgid = 33,
				      .ppid = 30,
				      .exe = "/usr/bin/python3.11",
				      .args = "python3|-c|from multiprocessing.spawn import x|" });
	expect_name(w, 33, 120, "shopd");
}

/* A title has overwritten the arguments, the record still has them. */
static void test_title(void **state)
{
	struct world *w = *state;
	struct fake_process p = { .tgid = 40,
				  .start_ticks = 9,
				  .comm = "shop: master",
				  .exe = "/usr/bin/python3.11",
				  .args = "shop: master [x]||||" };

	add(w, p);
	expect_name(w, 40, 100, "python");
	p.tgid = 41;
	add(w, p);
	record_exec(w, 100, 41, 9 * TICK_NS + 123, "/usr/bin/gunicorn",
		    "/usr/bin/python3|/usr/bin/gunicorn|shop:app|");
	expect_name(w, 41, 110, "shop");
}

static void test_pid_reused(void **state)
{
	struct world *w = *state;
	uint64_t s = NS_PER_S;

	/* by a fork that was seen */
	record_exec(w, 100, 50, 90, "/bin/a", "a|");
	record_exit(w, 200, 50);
	expect_name(w, 50, 210, "a");
	record_fork(w, 300, 50, 51);
	expect_name(w, 50, 310, "forked");
	/* by an exec whose fork was lost, and whose predecessor's exit was lost too */
	record_exec(w, 400, 50, 7 * s, "/bin/b", "b|");
	expect_name(w, 50, 410, "b");
	/* both records lost: a second after the exit /proc is asked */
	record_exit(w, 1 * s, 50);
	add(w,
	    (struct fake_process){ .tgid = 50, .start_ticks = 900, .exe = "/bin/c", .args = "c|" });
	expect_name(w, 50, s + s / 2, "b"); /* its last sockets are being closed */
	expect_name(w, 50, 2 * s, "c");
	assert_int_equal(process_get(w->ps, 50, 2 * s)->gone_ns, 0);
	/* the exit was lost: /proc speaks of another, found by the tick */
	add(w,
	    (struct fake_process){ .tgid = 50, .start_ticks = 999, .exe = "/bin/d", .args = "d|" });
	expect_name(w, 50, 3 * s, "c");
	processes_tick(w->ps, 4 * s);
	expect_name(w, 50, 5 * s, "d");
	/* what /proc says of a successor is not said of the process of the record */
	record_exec(w, 6 * s, 50, 6 * s, "/bin/e", "e|");
	expect_name(w, 50, 6 * s, "e");
}

static void test_kept_five_minutes(void **state)
{
	struct world *w = *state;
	uint64_t s = NS_PER_S;

	record_exec(w, 1 * s, 60, 90, "/bin/a", "a|");
	record_exit(w, 2 * s, 60);
	processes_tick(w->ps, 301 * s);
	expect_name(w, 60, 301 * s, "a");
	processes_tick(w->ps, 302 * s);
	assert_int_equal(processes_count(w->ps), 0);
	expect_name(w, 60, 303 * s, SERVICE_UNKNOWN);
}

/* A thousand short lives a second for minutes: the last of them keep their names. */
static void test_gone_are_bounded(void **state)
{
	struct world *w = *state;
	uint64_t ms = NS_PER_S / 1000;

	for (uint32_t i = 1; i <= 20000; i++) {
		record_exec(w, i * ms, 1000 + i, i, "/bin/a", "a|");
		record_exit(w, i * ms + 1, 1000 + i);
	}
	assert_int_equal(processes_count(w->ps), 8192);
	expect_name(w, 1000 + 20000 - 8191, 20001 * ms, "a");
	expect_name(w, 1000 + 20000 - 8192, 20001 * ms, SERVICE_UNKNOWN);
	record_exec(w, 20002 * ms, 40000, 1, "/bin/b", "b|"); /* the living are not among them */
	record_exit(w, 20003 * ms, 20000);
	assert_int_equal(processes_count(w->ps), 8192 + 2);
}

/* At the cap: gone ones first, then who was not used for longest. */
static void test_bounded(void **state)
{
	struct world *w = *state;
	struct fulls full = { 0 };

	start(w, true, 16);
	for (uint32_t i = 0; i < 16; i++)
		record_exec(w, 10 + i, 100 + i, 5, "/bin/a", "a|");
	expect_name(w, 100, 50, "a"); /* used */
	record_exit(w, 60, 110);
	record_exec(w, 70, 200, 5, "/bin/a", "a|");
	assert_int_equal(processes_count(w->ps), 16);
	expect_name(w, 100, 80, "a");
	record_exec(w, 90, 201, 5, "/bin/b", "b|"); /* 101 goes */
	assert_int_equal(processes_count(w->ps), 16);
	expect_name(w, 201, 91, "b");
	expect_name(w, 100, 91, "a");
	expect_name(w, 101, 91, SERVICE_UNKNOWN);
	processes_full(w->ps, &full);
	assert_int_equal(full.n[FULL_PROCESSES], 3); /* 110, 101, and one for 101 again */
	for (uint32_t i = 0; i < 5000; i++) {
		record_fork(w, 100 + i, 1000 + i, 999 + i);
		process_get(w->ps, 1000 + i, 100 + i);
		assert_true(processes_count(w->ps) <= 16);
	}
}

/* The cgroup of a process too fast for /proc is that of another with the same id. */
static void test_cgroup_by_id(void **state)
{
	struct world *w = *state;
	struct sonde_ev_exec ev = { .h.ts_ns = 10,
				    .start_ns = 70 * TICK_NS,
				    .cgroup_id = 77,
				    .tgid = 70,
				    .comm = "sh",
				    .filename = "/bin/sh" };

	add(w, (struct fake_process){ .tgid = 70,
				      .start_ticks = 70,
				      .exe = "/bin/sh",
				      .args = "sh|",
				      .cgroup = "0::/system.slice/shop.service\n" });
	process_exec(w->ps, &ev);
	ev.tgid = 71;
	process_exec(w->ps, &ev);
	record_exit(w, 20, 71);
	expect_name(w, 71, 30, "shop");
	assert_ptr_equal(process_get(w->ps, 70, 30)->service, process_get(w->ps, 71, 30)->service);
}

static void record_child(struct world *w, uint32_t tgid, uint32_t ppid, uint64_t cgroup_id)
{
	struct sonde_ev_exec ev = { .h.ts_ns = 100,
				    .start_ns = 90 * TICK_NS,
				    .cgroup_id = cgroup_id,
				    .tgid = tgid,
				    .ppid = ppid,
				    .comm = "curl",
				    .filename = "/usr/bin/curl" };

	process_exec(w->ps, &ev);
}

static struct service *service_at(struct world *w, uint32_t tgid)
{
	return process_get(w->ps, tgid, 300)->service;
}

/* Where the id says nothing, it is its parent's: older than the observer, gone too, or forked. */
static void test_cgroup_of_the_parent(void **state)
{
	struct world *w = *state;
	const char *old = "1:name=systemd:/shop\n0::/\n", *root = "1:name=systemd:/\n0::/\n";
	struct fake_process p = { .start_ticks = 50, .exe = "/bin/sh", .args = "sh|" };
	struct service *slow;

	p.cgroup = old;
	p.tgid = 80;
	add(w, p);
	p.tgid = 81;
	p.start_ticks = 90;
	p.exe = "/usr/bin/curl";
	p.args = "curl|";
	add(w, p);
	record_child(w, 81, 80, 1);
	slow = service_at(w, 81);
	/* gone before its exec is read, before it is asked for, and a grandchild of both */
	record_child(w, 82, 80, 1);
	record_exit(w, 110, 82);
	assert_ptr_equal(service_at(w, 82), slow);
	record_fork(w, 100, 83, 80);
	record_fork(w, 101, 84, 83);
	record_exit(w, 102, 83);
	record_child(w, 84, 83, 1);
	record_exit(w, 110, 84);
	assert_ptr_equal(service_at(w, 84), slow);
	/* a process on its way out is shown in the root */
	p.tgid = 85;
	p.cgroup = root;
	p.state = 'Z';
	add(w, p);
	record_child(w, 85, 80, 1);
	assert_ptr_equal(service_at(w, 85), slow);
	/* moved before it was started: not where its parent is */
	record_child(w, 86, 81, 7);
	record_exit(w, 110, 86);
	assert_string_equal(service_at(w, 86)->name, slow->name);
	assert_ptr_not_equal(service_at(w, 86), slow);
}

static void count_curls(void *ctx, struct service *s)
{
	*(int *)ctx += strcmp(s->name, "curl") == 0;
}

/* Whichever of them are gone before they are looked at. */
static void test_short_processes_are_one_instance(void **state)
{
	static const char *const roots[] = { "0::/\n", "2:cpu:/\n1:name=systemd:/\n0::/\n" };
	struct world *w = *state;

	for (int hierarchy = 0; hierarchy < 2; hierarchy++) {
		struct fake_process p = { .tgid = 90,
					  .ppid = 1,
					  .start_ticks = 90,
					  .exe = "/usr/bin/curl",
					  .args = "curl|",
					  .cgroup = roots[hierarchy] };
		int n = 0;

		start(w, true, 0);
		if (hierarchy == 0)
			add(w, p);
		else
			fake_proc_add(&w->proc, &p);
		for (uint32_t i = 0; i < 1000; i++) {
			p.tgid = 1000 + i;
			p.ppid = 90;
			if (i % 10 == 3) /* removed below: teardown knows 32 */
				fake_proc_add(&w->proc, &p);
			if (i < 500)
				record_fork(w, 80, 1000 + i, 90);
			record_child(w, 1000 + i, 90, 1);
			if (i % 10 != 3)
				record_exit(w, 110, 1000 + i);
			service_at(w, 1000 + i);
			if (i % 10 == 3)
				fake_proc_remove(&w->proc, 1000 + i);
		}
		processes_each_service(w->ps, count_curls, &n);
		assert_int_equal(n, 1);
	}
}

/* `n` bytes of a program with that section, as an executable of the fake /proc. */
static void write_program(struct world *w, const char *section, size_t n, char path[128])
{
	struct fake_elf elf = fake_elf(section);
	FILE *f;

	snprintf(path, 128, "%s/program-%zu", w->proc.root, n);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(&elf, 1, n, f), n);
	fclose(f);
}

static void test_go(void **state)
{
	static const char *const sections[] = { ".go.buildinfo", ".text" };
	struct world *w = *state;
	char path[128];

	for (uint32_t i = 0; i < 2; i++) {
		write_program(w, sections[i], sizeof(struct fake_elf) - i, path);
		add(w, (struct fake_process){ .tgid = 80 + i, .exe = path, .args = "x|" });
		process_get(w->ps, 80 + i, 10);
		assert_int_equal(w->announced.is_go, i == 0); /* known from the first */
	}
	add(w, (struct fake_process){ .tgid = 82, .exe = "/dev/null", .args = "x|" });
	process_get(w->ps, 82, 10);
	processes_tick(w->ps, 20);
	assert_int_equal(w->gos, 1);
	assert_int_equal(w->last_go, 80);
	assert_true(process_get(w->ps, 80, 30)->is_go);
	assert_false(process_get(w->ps, 81, 30)->is_go);
	assert_int_equal(w->announcements, 3);
	processes_tick(w->ps, 40);
	assert_int_equal(w->gos, 1);
	/* a child is what its parent is */
	record_fork(w, 50, 83, 80);
	assert_int_equal(w->last_go, 83);
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/program-%zu", w->proc.root,
			 sizeof(struct fake_elf) - i);
		unlink(path);
	}
}

/* Executables are anybody's bytes: cut anywhere, any byte of the headers wrong. */
static void test_hostile_elf(void **state)
{
	struct world *w = *state;
	struct golang g = { 0 };
	char path[128];
	bool is_slow;

	for (size_t n = 0; n < sizeof(struct fake_elf); n++) {
		int fd;

		write_program(w, ".go.buildinfo", n, path);
		fd = open(path, O_RDONLY);
		assert_in_range(golang_check(&g, fd, &is_slow), 0, 1);
		assert_true(is_slow);
		assert_in_range(golang_check(&g, fd, &is_slow), 0, 1);
		assert_false(is_slow); /* remembered */
		close(fd);
		unlink(path);
		golang_free(&g);
	}
	for (size_t at = 0; at < offsetof(struct fake_elf, names); at++) {
		struct fake_elf elf = fake_elf(".go.buildinfo");
		int fd = memfd_create("elf", MFD_CLOEXEC);

		((uint8_t *)&elf)[at] ^= 0xff;
		assert_int_equal(write(fd, &elf, sizeof(elf)), sizeof(elf));
		assert_in_range(golang_check(&g, fd, &is_slow), 0, 1);
		close(fd);
		golang_free(&g);
	}
}

static void test_replay(void **state)
{
	struct world *w = *state;
	struct sonde_ev_process ev = { .h.ts_ns = 10,
				       .tgid = 90,
				       .is_go = 1,
				       .comm = "c",
				       .service = "shop",
				       .service_namespace = "ns",
				       .instance_id = "id" };
	struct process *p;

	add(w, (struct fake_process){ .tgid = 91, .exe = "/bin/never", .args = "x|" });
	start(w, false, 0);
	process_recorded(w->ps, &ev);
	p = process_get(w->ps, 90, 20);
	assert_string_equal(p->service->name, "shop");
	assert_string_equal(p->service->name_space, "ns");
	assert_string_equal(p->service->instance_id, "id");
	assert_string_equal(p->comm, "c");
	assert_true(p->is_go);
	assert_int_equal(w->announcements, 0);
	expect_name(w, 91, 20, SERVICE_UNKNOWN); /* this host's /proc is not the recording's */
	record_fork(w, 30, 92, 90);
	expect_name(w, 92, 40, "shop");
	/* told again, of a pid that had been let go */
	record_exit(w, 50, 90);
	strcpy(ev.service, "pay");
	process_recorded(w->ps, &ev);
	expect_name(w, 90, 60, "pay");
	processes_tick(w->ps, 1000 * NS_PER_S);
	expect_name(w, 90, 1000 * NS_PER_S, "pay");
}

/* A container is what those who run it say, from when they say it; a process that is gone is what
 * the others in its cgroup are. */
static void test_containers(void **state)
{
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	struct world *w = *state;
	struct containers *cs = containers_new(0);
	struct facts_draft d = { .n = 0 };
	struct container c = { .id = ID, .name = "", .name_space = "", .instance = "", .group = "" };
	struct fake_process p = { .tgid = 7,
				  .exe = "/usr/bin/prog",
				  .args = "prog|",
				  .environ = "OTEL_RESOURCE_ATTRIBUTES=service.version=7|",
				  .cgroup = "0::/system.slice/docker-" ID ".scope\n" };
	const struct service *s;

	w->containers = cs;
	start(w, true, 0);
	add(w, p);
	s = process_get(w->ps, 7, 1)->service;
	assert_string_equal(s->name, "prog");
	assert_true(slice_eq(fact(s->facts, FACT_CONTAINER_ID), SLICE(ID)));
	assert_true(slice_eq(fact(s->facts, FACT_CONTAINER_RUNTIME), SLICE("docker")));
	assert_true(slice_eq(fact(s->facts, FACT_SERVICE_VERSION), SLICE("7")));
	assert_int_equal(containers_misses(cs), 1);
	p.tgid = 8;
	add(w, p);
	record_fork(w, 5, 8, 7);
	expect_name(w, 8, 6, "prog");
	facts_set_str(&d, FACT_CONTAINER_NAME, "web-1");
	c.name = "web";
	c.name_space = "shop";
	c.instance = "shop.web-1.app";
	c.facts = facts_make(&d);
	containers_put(cs, CONTAINERS_DOCKER, &c);
	processes_tick(w->ps, 10);
	s = process_get(w->ps, 7, 11)->service;
	assert_ptr_equal(process_get(w->ps, 8, 11)->service, s);
	assert_string_equal(s->name, "web");
	assert_string_equal(s->name_space, "shop");
	assert_string_equal(s->instance_id, "shop.web-1.app");
	assert_true(slice_eq(fact(s->facts, FACT_CONTAINER_NAME), SLICE("web-1")));
	assert_true(slice_eq(fact(s->facts, FACT_CONTAINER_ID), SLICE(ID)));
	/* told again to who keeps a recording, and nothing else once it has changed no more */
	assert_int_equal(w->announcements, 4);
	containers_put(cs, CONTAINERS_DOCKER, &c);
	processes_tick(w->ps, 20);
	process_get(w->ps, 7, 21);
	assert_int_equal(w->announcements, 4);
	/* what the process says itself comes first */
	p.tgid = 9;
	p.environ = "OTEL_SERVICE_NAME=said|";
	add(w, p);
	expect_name(w, 9, 22, "said");
	assert_string_equal(process_get(w->ps, 9, 22)->service->instance_id, "shop.web-1.app");
	processes_free(w->ps);
	w->ps = NULL;
	facts_release(c.facts);
	containers_free(cs);
	w->containers = NULL;
}

/* What is recorded of a service is all that a replay knows of it. */
static void test_replay_of_facts(void **state)
{
	static const char facts[] =
		"service.instance.id=shop.a-pod-with-a-name-of-some-length.app\0"
		"k8s.pod.name=web\0of.a.later.version=x\0";
	struct world *w = *state;
	union {
		struct sonde_ev_process ev;
		char bytes[sizeof(struct sonde_ev_process) + sizeof(facts)];
	} rec = { .ev = { .h.size = sizeof(rec.ev) + sizeof(facts) - 1,
			  .tgid = 90,
			  .service = "web",
			  .facts_len = sizeof(facts) - 1,
			  .instance_id = "cut" } };
	const struct service *s;

	memcpy(rec.ev.facts, facts, sizeof(facts));
	start(w, false, 0);
	process_recorded(w->ps, &rec.ev);
	s = process_get(w->ps, 90, 20)->service;
	assert_string_equal(s->instance_id, "shop.a-pod-with-a-name-of-some-length.app");
	assert_true(slice_eq(fact(s->facts, FACT_K8S_POD), SLICE("web")));
	/* of the older form, without */
	rec.ev.h.size = offsetof(struct sonde_ev_process, facts_len);
	process_recorded(w->ps, &rec.ev);
	assert_string_equal(process_get(w->ps, 90, 30)->service->instance_id, "cut");
}

static void count(void *ctx, struct service *s)
{
	++*(int *)ctx;
}

/* A service is seen while one of its processes lives. */
static void test_service_seen(void **state)
{
	struct world *w = *state;
	struct service *s;
	int n = 0;

	start(w, false, 0);
	record_exec(w, 100, 20, 90, "/bin/shopd", "shopd|");
	record_fork(w, 110, 21, 20);
	s = process_get(w->ps, 20, 120)->service;
	process_get(w->ps, 21, 120);
	record_exit(w, 130, 20);
	processes_tick(w->ps, 140);
	assert_int_equal(s->last_seen_ns, 140);
	record_exit(w, 150, 21);
	processes_tick(w->ps, 160);
	assert_int_equal(s->last_seen_ns, 140);
	processes_each_service(w->ps, count, &n);
	assert_int_equal(n, 1);
}

/* Against the true /proc: ourselves. */
static void test_ourselves(void **state)
{
	struct processes_opts opts = { .is_live = true };
	struct processes *ps = processes_new(&opts);
	struct process *p = process_get(ps, (uint32_t)getpid(), 1);
	char host[64] = "";

	assert_string_equal(p->service->name, "test_process");
	assert_int_equal(p->ppid, getppid());
	assert_true(p->start_ns > 0);
	assert_int_equal(strlen(p->service->instance_id), 36);
	procfs_host_id("/proc", host, sizeof(host));
	assert_true(strlen(host) > 0);
	processes_tick(ps, 2);
	assert_int_equal(process_get(ps, (uint32_t)getpid(), 3)->gone_ns, 0);
	processes_free(ps);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_older_than_the_observer),
		TEST(test_order_of_names),
		TEST(test_gone_before_looked_at),
		TEST(test_workers_are_one_service),
		TEST(test_parent_from_proc),
		TEST(test_title),
		TEST(test_pid_reused),
		TEST(test_kept_five_minutes),
		TEST(test_gone_are_bounded),
		TEST(test_bounded),
		TEST(test_cgroup_by_id),
		TEST(test_cgroup_of_the_parent),
		TEST(test_short_processes_are_one_instance),
		TEST(test_go),
		TEST(test_hostile_elf),
		TEST(test_replay),
		TEST(test_containers),
		TEST(test_replay_of_facts),
		TEST(test_service_seen),
		TEST(test_ourselves),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
