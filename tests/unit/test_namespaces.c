/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fake_proc.h"
#include "identity/namespaces.h"

/* 64 digits, of which the first tells them apart */
#define ID(digit)  digit "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD(digit) "/kubepods/burstable/pod5a6f1c3e-9d2b-4c7f-8e01-23456789abcd/" ID(digit)

enum { NOT_SAID = -1, OUTSIDE, INSIDE, PIDS = 16 };

struct world {
	struct fake_proc proc;
	struct containers *containers;
	struct namespaces *n;
	int said[PIDS + 1];
};

static void on_known(void *ctx, uint32_t tgid, bool is_inside)
{
	struct world *w = ctx;

	assert_in_range(tgid, 1, PIDS);
	w->said[tgid] = is_inside;
}

static void silence(struct world *w)
{
	for (int i = 0; i <= PIDS; i++)
		w->said[i] = NOT_SAID;
}

static int setup(void **state)
{
	static char *const names[] = { "shop", "pay" };
	struct world *w = calloc(1, sizeof(*w));

	fake_proc_make(&w->proc);
	w->containers = containers_new(0);
	w->n = namespaces_new(&(struct namespaces_opts){
		.names = names,
		.n_names = 2,
		.containers = w->containers,
		.proc_root = w->proc.root,
		.on_known = on_known,
		.ctx = w,
	});
	silence(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	namespaces_free(w->n);
	containers_free(w->containers);
	for (uint32_t tgid = 1; tgid <= PIDS; tgid++)
		fake_proc_remove(&w->proc, tgid);
	assert_int_equal(rmdir(w->proc.root), 0);
	free(w);
	return 0;
}

static void add(struct world *w, uint32_t tgid, const char *cgroup)
{
	char line[256];

	snprintf(line, sizeof(line), "0::%s\n", cgroup);
	fake_proc_add(&w->proc,
		      &(struct fake_process){ .tgid = tgid, .comm = "p", .cgroup = line });
}

/* `space`: NULL, it is not said. */
static void tell(struct world *w, enum containers_source by, const char *id, const char *space)
{
	struct facts_draft d = { .n = 0 };
	struct container c = {
		.id = id, .name = "web", .name_space = "", .instance = "", .group = ""
	};

	facts_set_str(&d, FACT_CONTAINER_ID, id);
	facts_set_str(&d, FACT_K8S_NAMESPACE, space);
	c.facts = facts_make(&d);
	containers_put(w->containers, by, &c);
	facts_release(c.facts);
}

static void known_from_the_start(void **state)
{
	struct world *w = *state;

	add(w, 1, "/init.scope");
	add(w, 2, POD("a"));
	add(w, 3, POD("b"));
	add(w, 4, "/docker/" ID("c"));
	add(w, 5, POD("d"));
	tell(w, CONTAINERS_KUBERNETES, ID("a"), "shop");
	tell(w, CONTAINERS_KUBERNETES, ID("b"), "shopping"); /* no prefix, no glob */
	tell(w, CONTAINERS_DOCKER, ID("c"), NULL);
	tell(w, CONTAINERS_KUBERNETES, ID("d"), "pay");
	namespaces_walk(w->n);
	assert_int_equal(w->said[1], OUTSIDE);
	assert_int_equal(w->said[2], INSIDE);
	assert_int_equal(w->said[3], OUTSIDE);
	assert_int_equal(w->said[4], OUTSIDE);
	assert_int_equal(w->said[5], INSIDE);
	assert_int_equal(namespaces_waiting(w->n), 0);
}

/* Nothing is said of a container that nobody knows, until somebody does. */
static void known_late(void **state)
{
	struct world *w = *state;

	add(w, 2, POD("a"));
	add(w, 3, POD("b"));
	namespaces_met(w->n, 2);
	namespaces_met(w->n, 3);
	namespaces_tick(w->n);
	assert_int_equal(w->said[2], NOT_SAID);
	assert_int_equal(namespaces_waiting(w->n), 2);
	tell(w, CONTAINERS_KUBERNETES, ID("b"), "other");
	namespaces_tick(w->n);
	assert_int_equal(w->said[2], NOT_SAID);
	assert_int_equal(w->said[3], OUTSIDE);
	/* who runs it knows it before the API server does, but not of which namespace it is */
	tell(w, CONTAINERS_CRI, ID("a"), NULL);
	namespaces_tick(w->n);
	assert_int_equal(w->said[2], NOT_SAID);
	tell(w, CONTAINERS_KUBERNETES, ID("a"), "shop");
	namespaces_tick(w->n);
	assert_int_equal(w->said[2], INSIDE);
	assert_int_equal(namespaces_waiting(w->n), 0);
	/* it is said once */
	silence(w);
	tell(w, CONTAINERS_KUBERNETES, ID("e"), "shop");
	namespaces_tick(w->n);
	assert_int_equal(w->said[2], NOT_SAID);
}

static void gone_is_forgotten(void **state)
{
	struct world *w = *state;

	add(w, 2, POD("a"));
	add(w, 3, POD("b"));
	namespaces_walk(w->n);
	assert_int_equal(namespaces_waiting(w->n), 2);
	fake_proc_remove(&w->proc, 2);
	namespaces_tick(w->n);
	assert_int_equal(namespaces_waiting(w->n), 1);
	tell(w, CONTAINERS_KUBERNETES, ID("a"), "shop");
	namespaces_tick(w->n);
	namespaces_met(w->n, 2);
	assert_int_equal(w->said[2], NOT_SAID);
}

/* Put elsewhere, by who starts containers: the kernel meets it again. */
static void moved_is_said_anew(void **state)
{
	struct world *w = *state;

	tell(w, CONTAINERS_KUBERNETES, ID("a"), "shop");
	add(w, 2, "/system.slice/containerd.service");
	namespaces_met(w->n, 2);
	assert_int_equal(w->said[2], OUTSIDE);
	add(w, 2, POD("a"));
	namespaces_met(w->n, 2);
	assert_int_equal(w->said[2], INSIDE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(known_from_the_start, setup, teardown),
		cmocka_unit_test_setup_teardown(known_late, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(moved_is_said_anew, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
