/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "identity/cri.h"

/* A message in the making; lengths under 128 and under 16384. */
struct message {
	size_t n;
	uint8_t bytes[4096];
};

static void put_bytes(struct message *m, int number, const void *p, size_t n)
{
	m->bytes[m->n++] = (uint8_t)(number << 3 | 2);
	m->bytes[m->n++] = (uint8_t)(n & 0x7f) | 0x80;
	m->bytes[m->n++] = (uint8_t)(n >> 7);
	memcpy(m->bytes + m->n, p, n);
	m->n += n;
}

static void put(struct message *m, int number, const char *s)
{
	put_bytes(m, number, s, strlen(s));
}

static void put_message(struct message *m, int number, const struct message *inner)
{
	put_bytes(m, number, inner->bytes, inner->n);
}

static void put_pair(struct message *m, int number, const char *key, const char *value)
{
	struct message pair = { .n = 0 };

	put(&pair, 1, key);
	put(&pair, 2, value);
	put_message(m, number, &pair);
}

static struct message sandbox(const char *id, const char *name, const char *label,
			      const char *value)
{
	struct message all = { .n = 0 }, pod = { .n = 0 }, meta = { .n = 0 };

	put(&meta, 1, name);
	put(&meta, 2, "uid");
	put(&meta, 3, "shop");
	put(&pod, 1, id);
	put_message(&pod, 2, &meta);
	put_pair(&pod, 5, label, value);
	put_pair(&pod, 5, "pod-template-generation", "1");
	put_pair(&pod, 6, "a", "b");
	put_message(&all, 1, &pod);
	return all;
}

static struct message box(const char *pod)
{
	struct message all = { .n = 0 }, c = { .n = 0 }, meta = { .n = 0 }, image = { .n = 0 };

	put(&meta, 1, "app");
	put(&image, 1, "sha256:aa");
	put(&c, 1, "c-1");
	put(&c, 2, pod);
	put_message(&c, 3, &meta);
	put_message(&c, 4, &image);
	put_message(&all, 1, &c);
	return all;
}

static struct slice slice_of(const struct message *m)
{
	return (struct slice){ m->bytes, m->n };
}

/* Owners by the labels they put on their pods, and only where the pod's name fits. */
static void test_owners(void **state)
{
	static const struct {
		const char *name, *label, *value, *kind, *owner;
	} pods[] = {
		{ "web-7d4b-x2x8z", "pod-template-hash", "7d4b", "Deployment", "web" },
		{ "web-aaaa-x2x8z", "pod-template-hash", "7d4b", "Pod", "web-aaaa-x2x8z" },
		{ "x-7d4b", "pod-template-hash", "7d4b", "Pod", "x-7d4b" },
		{ "db-12", "statefulset.kubernetes.io/pod-name", "db-12", "StatefulSet", "db" },
		{ "db-12", "statefulset.kubernetes.io/pod-name", "db-1", "Pod", "db-12" },
		{ "log-x2x8z", "controller-revision-hash", "5d", "DaemonSet", "log" },
		{ "j-x2x8z", "batch.kubernetes.io/job-name", "j", "Job", "j" },
		{ "j-x2x8z", "job-name", "j", "Job", "j" },
		{ "bare", "other", "x", "Pod", "bare" },
		{ "", "pod-template-hash", "", "Pod", "" },
	};

	for (size_t i = 0; i < sizeof(pods) / sizeof(pods[0]); i++) {
		struct message m = sandbox("s", pods[i].name, pods[i].label, pods[i].value);
		json_t *all = cri_read_pods(slice_of(&m));
		struct pod_owner o;

		pod_owner(json_object_get(all, "s"), &o);
		assert_string_equal(o.kind, pods[i].kind);
		assert_string_equal(o.name, pods[i].owner);
		json_decref(all);
	}
}

static void on_container(void *ctx, const struct container *c)
{
	int *n = ctx;

	++*n;
	assert_string_equal(c->id, "c-1");
	assert_string_equal(c->instance, "shop.web-7d4b-x2x8z.app");
	assert_string_equal(c->name, "web");
	assert_true(slice_eq(fact(c->facts, FACT_CONTAINER_RUNTIME), SLICE("cri-o")));
}

static void test_containers(void **state)
{
	struct message m = sandbox("s", "web-7d4b-x2x8z", "pod-template-hash", "7d4b"),
		       c = box("s"), gone = box("gone");
	const struct pod_opts opts = { .uses_labels = false };
	json_t *all = cri_read_pods(slice_of(&m));
	int n = 0;

	assert_true(cri_read_containers(slice_of(&c), "cri-o", all));
	assert_true(cri_read_containers(slice_of(&gone), "cri-o", all));
	pod_each_container(json_object_get(all, "s"), &opts, on_container, &n);
	assert_int_equal(n, 1);
	json_decref(all);
}

/* Cut anywhere, any byte another: a list or none, and nothing behind it is read. */
static void test_hostile(void **state)
{
	struct message m = sandbox("s", "web-7d4b-x2x8z", "pod-template-hash", "7d4b"),
		       c = box("s");

	for (size_t cut = 0; cut < m.n; cut++) {
		uint8_t *exact = malloc(cut + 1);

		memcpy(exact, m.bytes, cut);
		json_decref(cri_read_pods((struct slice){ exact, cut }));
		free(exact);
	}
	for (size_t at = 0; at < m.n; at++) {
		struct message bad = m;

		bad.bytes[at] ^= 0xff;
		json_decref(cri_read_pods(slice_of(&bad)));
	}
	for (size_t at = 0; at < c.n; at++) {
		json_t *all = cri_read_pods(slice_of(&m));
		struct message bad = c;

		bad.bytes[at] ^= 0xff;
		cri_read_containers(slice_of(&bad), "cri-o", all);
		cri_read_containers((struct slice){ c.bytes, at }, "cri-o", all);
		json_decref(all);
	}
	assert_null(cri_read_pods(SLICE("\x0a\x05z")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("cri", tests, NULL, NULL);
}
