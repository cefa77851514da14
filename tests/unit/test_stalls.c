/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure of control groups, from trees of files as the kernel lays them out. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fake_proc.h"
#include "pressure/stalls.h"

enum { CPU, MEMORY, IO };
enum { SOME, FULL };

struct tree {
	struct fake_proc proc;
	char groups[64];
};

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A group with so many microseconds of memory stalls. */
static void add_group(const struct tree *t, const char *path, int stalled_us)
{
	char folder[256], text[256];

	snprintf(folder, sizeof(folder), "%s%s", t->groups, path);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(text, sizeof(text),
		 "some avg10=1.00 avg60=2.00 avg300=3.00 total=%d\n"
		 "full avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n",
		 stalled_us, stalled_us / 2);
	write_file(folder, "memory.pressure", text);
}

static void add_process(const struct tree *t, uint32_t tgid, const char *cgroup)
{
	fake_proc_add(&t->proc, &(struct fake_process){ .tgid = tgid, .cgroup = cgroup });
}

static int setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	fake_proc_make(&t->proc);
	strcpy(t->groups, "/tmp/sonde-groups-XXXXXX");
	assert_non_null(mkdtemp(t->groups));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;
	char command[256];

	snprintf(command, sizeof(command), "rm -r %s %s", t->proc.root, t->groups);
	assert_int_equal(system(command), 0);
	free(t);
	return 0;
}

/* `own`: the group where our own view begins; NULL: it is not known. */
static struct stalls_source *open_tree(const struct tree *t, const char *own)
{
	char view[256];
	struct stalls_source *src;

	snprintf(view, sizeof(view), "%s%s", t->groups, own ? own : "/none");
	src = stalls_open(
		&(struct stalls_opts){ .proc = t->proc.root, .root = t->groups, .view = view });
	assert_non_null(src);
	return src;
}

/* What is told of the process' memory stalls, in microseconds; -1: nothing is known. */
static long stalled(const struct stalls_source *src, uint32_t tgid)
{
	struct stalls s;

	if (!stalls_read(src, tgid, &s))
		return -1;
	assert_true(s.is_known[MEMORY][SOME] && s.is_known[MEMORY][FULL]);
	assert_false(s.is_known[CPU][SOME] || s.is_known[IO][FULL]); /* there are no such files */
	assert_int_equal(s.ns[MEMORY][FULL], s.ns[MEMORY][SOME] / 2);
	return (long)(s.ns[MEMORY][SOME] / 1000);
}

static void test_of_a_group(void **state)
{
	struct tree *t = *state;
	struct stalls_source *src;

	write_file(t->groups, "memory.pressure", "some avg10=0.00 total=7\n");
	add_group(t, "/a", 100);
	add_group(t, "/a/b", 200);
	add_process(t, 1, "0::/init.scope\n");
	add_process(t, 10, "0::/a\n");
	add_process(t, 11, "4:memory:/elsewhere\n1:name=systemd:/a\n0::/a/b\n"); /* hybrid */
	add_process(t, 12, "0::/\n");
	add_process(t, 13, "4:memory:/a\n1:name=systemd:/a\n"); /* version 1 alone */
	add_process(t, 14, "0::/a/gone (deleted)\n");
	add_process(t, 15, "0::/../a\n"); /* above the root there is nothing */
	src = open_tree(t, NULL);
	assert_int_equal(stalled(src, 10), 100);
	assert_int_equal(stalled(src, 11), 200);
	assert_int_equal(stalled(src, 12), -1); /* the host */
	assert_int_equal(stalled(src, 13), -1);
	assert_int_equal(stalled(src, 14), -1);
	assert_int_equal(stalled(src, 15), -1);
	assert_int_equal(stalled(src, 99), -1);
	stalls_close(src);
	stalls_close(NULL);
}

/* Paths as they are seen from within a pod: which group is its own follows from its number. */
static void test_from_a_namespace(void **state)
{
	struct tree *t = *state;
	struct stalls_source *src;

	add_group(t, "/system", 1);
	add_group(t, "/system/a", 300);
	add_group(t, "/pods", 2);
	add_group(t, "/pods/class", 3);
	add_group(t, "/pods/class/sonde", 4);
	add_group(t, "/pods/class/sonde/below", 500);
	add_group(t, "/pods/class/a", 600);
	add_group(t, "/pods/a", 700);
	add_process(t, 1, "0::/../../../init.scope\n");
	add_process(t, 10, "0::/../../../system/a\n");
	add_process(t, 11, "0::/../a\n");
	add_process(t, 12, "0::/../../a\n");
	add_process(t, 13, "0::/below\n");
	add_process(t, 14, "0::/\n");
	add_process(t, 15, "0::/../../..\n");
	add_process(t, 16, "0::/../../../../system/a\n");
	src = open_tree(t, "/pods/class/sonde");
	assert_int_equal(stalled(src, 10), 300);
	assert_int_equal(stalled(src, 11), 600);
	assert_int_equal(stalled(src, 12), 700);
	assert_int_equal(stalled(src, 13), 500);
	assert_int_equal(stalled(src, 14), 4);
	assert_int_equal(stalled(src, 15), -1); /* the host */
	assert_int_equal(stalled(src, 16), -1);
	stalls_close(src);
	/* not found: what is below the root is known all the same, and nothing is made up */
	src = open_tree(t, NULL);
	assert_int_equal(stalled(src, 10), 300);
	for (uint32_t tgid = 11; tgid <= 16; tgid++)
		assert_int_equal(stalled(src, tgid), -1);
	stalls_close(src);
}

static void test_published(void **state)
{
	const struct service shop = { .id = 1, .name = "shop", .instance_id = "i" };
	const struct slice of_group[] = { SLICE("memory"), SLICE("full"), SLICE("cgroup") };
	const struct slice of_host[] = { SLICE("memory"), SLICE("full"), SLICE("host") };
	struct series_store *st = series_store_new(0);
	struct stalls s = { 0 };

	stalls_parse(slice_str("some total=10\nfull avg10=1 total=4\nhalf total=3\nfull\n"), MEMORY,
		     &s);
	stalls_publish(&s, &shop, st, 1);
	assert_int_equal(series_count(st, METRIC_PRESSURE), 2);
	assert_int_equal(series_get(st, METRIC_PRESSURE, &shop, of_group, 1)->value, 4000);
	stalls_publish(&s, NULL, st, 1);
	assert_int_equal(series_count(st, METRIC_PRESSURE), 4);
	assert_int_equal(series_get(st, METRIC_PRESSURE, NULL, of_host, 1)->value, 4000);
	series_store_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_of_a_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_from_a_namespace, setup, teardown),
		cmocka_unit_test(test_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
