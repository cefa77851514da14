/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "identity/image.h"
#include "identity/pod.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);

	if (!root)
		fail_msg("%s: %s", error.text, text);
	return root;
}

static json_t *pod_of(const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "{\"metadata\":{\"name\":\"web-x\",\"namespace\":\"shop\",\"uid\":\"u\","
		 "\"creationTimestamp\":\"2026-11-21T06:00:00Z\"%s}}",
		 more);
	return parse(text);
}

#define OWNER(kind, name)                                                             \
	",\"ownerReferences\":[{\"kind\":\"Other\",\"name\":\"o\"},{\"kind\":\"" kind \
	"\",\"name\":\"" name "\",\"controller\":true}]"
#define HASH ",\"labels\":{\"pod-template-hash\":\"7d4b9c6f5\"}"

/* 2026-11-21T06:00 is minute 29920680 */
static const struct {
	const char *more, *kind, *name, *replicaset, *job;
} owners[] = {
	{ "", "Pod", "web-x", NULL, NULL },
	{ OWNER("Node", "node-a"), "Pod", "web-x", NULL, NULL },
	{ OWNER("ReplicaSet", "web-7d4b9c6f5") HASH, "Deployment", "web", "web-7d4b9c6f5", NULL },
	{ OWNER("ReplicaSet", "web-7d4b9c6f5"), "ReplicaSet", "web-7d4b9c6f5", "web-7d4b9c6f5",
	  NULL },
	{ OWNER("ReplicaSet", "web-other") HASH, "ReplicaSet", "web-other", "web-other", NULL },
	{ OWNER("ReplicaSet", "-7d4b9c6f5") HASH, "ReplicaSet", "-7d4b9c6f5", "-7d4b9c6f5", NULL },
	{ OWNER("StatefulSet", "db"), "StatefulSet", "db", NULL, NULL },
	{ OWNER("DaemonSet", "log"), "DaemonSet", "log", NULL, NULL },
	{ OWNER("Workflow", "w"), "Workflow", "w", NULL, NULL },
	{ OWNER("Job", "backup-29920680"), "CronJob", "backup", NULL, "backup-29920680" },
	{ OWNER("Job", "backup-29920000"), "CronJob", "backup", NULL, "backup-29920000" },
	/* a date, a minute to come, and no number are no schedule's */
	{ OWNER("Job", "backup-20261121"), "Job", "backup-20261121", NULL, "backup-20261121" },
	{ OWNER("Job", "backup-29990680"), "Job", "backup-29990680", NULL, "backup-29990680" },
	{ OWNER("Job", "backup-x"), "Job", "backup-x", NULL, "backup-x" },
	{ OWNER("Job", "backup"), "Job", "backup", NULL, "backup" },
};

static void expect_text(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void test_owners(void **state)
{
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		json_t *pod = pod_of(owners[i].more);
		struct pod_owner o;

		pod_owner(pod, &o);
		assert_string_equal(o.kind, owners[i].kind);
		assert_string_equal(o.name, owners[i].name);
		expect_text(o.replicaset, owners[i].replicaset);
		expect_text(o.job, owners[i].job);
		json_decref(pod);
	}
}

/* The last container that was told of, copied; and how many were. */
struct told {
	int n;
	char id[80], name[128], name_space[128], instance[512], group[64];
	struct facts *facts;
};

static void on_container(void *ctx, const struct container *c)
{
	struct told *t = ctx;

	t->n++;
	snprintf(t->id, sizeof(t->id), "%s", c->id);
	snprintf(t->name, sizeof(t->name), "%s", c->name);
	snprintf(t->name_space, sizeof(t->name_space), "%s", c->name_space);
	snprintf(t->instance, sizeof(t->instance), "%s", c->instance);
	snprintf(t->group, sizeof(t->group), "%s", c->group);
	facts_release(t->facts);
	t->facts = facts_hold(c->facts);
}

static struct told tell(const char *text, bool uses_labels)
{
	const struct pod_opts opts = { .cluster = "blue", .uses_labels = uses_labels };
	json_t *pod = parse(text);
	struct told t = { .n = 0 };

	pod_each_container(pod, &opts, on_container, &t);
	json_decref(pod);
	return t;
}

static void expect(const struct told *t, enum fact_id id, const char *want)
{
	struct slice v = fact(t->facts, id);

	assert_int_equal(v.n, strlen(want));
	assert_memory_equal(v.p, want, v.n);
}

#define META(more) \
	"\"metadata\":{\"name\":\"web-x\",\"namespace\":\"shop\",\"uid\":\"u-1\"" more "}"
#define SPEC                                                                   \
	"\"spec\":{\"nodeName\":\"node-a\",\"containers\":[{\"name\":\"app\"," \
	"\"image\":\"r:5000/shop/web:1.2\"}]}"
#define STATUS                                                                         \
	"\"status\":{\"podIP\":\"10.1.2.3\",\"startTime\":\"2026-11-21T06:00:01Z\","   \
	"\"containerStatuses\":[{\"name\":\"app\",\"containerID\":\"cri-o://" ID "\"," \
	"\"image\":\"sha256:aa\",\"restartCount\":3}]}"

static void test_container(void **state)
{
	struct told t = tell("{" META("") "," SPEC "," STATUS "}", false);

	assert_int_equal(t.n, 1);
	assert_string_equal(t.id, ID);
	assert_string_equal(t.name, "web-x");
	assert_string_equal(t.name_space, "shop");
	assert_string_equal(t.instance, "shop.web-x.app");
	assert_string_equal(t.group, "u-1");
	expect(&t, FACT_K8S_CLUSTER, "blue");
	expect(&t, FACT_K8S_NAMESPACE, "shop");
	expect(&t, FACT_K8S_NODE, "node-a");
	expect(&t, FACT_K8S_POD, "web-x");
	expect(&t, FACT_K8S_CONTAINER, "app");
	expect(&t, FACT_K8S_OWNER, "web-x");
	expect(&t, FACT_K8S_KIND, "Pod");
	expect(&t, FACT_K8S_RESTARTS, "3");
	expect(&t, FACT_K8S_POD_UID, "u-1");
	expect(&t, FACT_K8S_POD_IP, "10.1.2.3");
	expect(&t, FACT_K8S_POD_START, "2026-11-21T06:00:01Z");
	expect(&t, FACT_CONTAINER_RUNTIME, "cri-o");
	expect(&t, FACT_CONTAINER_IMAGE, "r:5000/shop/web"); /* as it was asked for */
	expect(&t, FACT_CONTAINER_IMAGE_TAGS, "1.2");
	expect(&t, FACT_SERVICE_VERSION, "1.2");
	facts_release(t.facts);
}

/* Annotations, labels where they count, the owner, the pod. */
static void test_order_of_names(void **state)
{
#define R "resource.opentelemetry.io/"
#define LABELS                                                                                     \
	",\"labels\":{\"app.kubernetes.io/name\":\"by-name\",\"app.kubernetes.io/instance\":\"by-" \
	"instance\",\"app.kubernetes.io/version\":\"7\",\"pod-template-hash\":\"7d4b9c6f5\"}"
#define SAID                                                                                      \
	",\"annotations\":{\"" R "service.name\":\"said\",\"" R "service.namespace\":\"ns\",\"" R \
	"service.version\":\"8\",\"" R "service.instance.id\":\"one\",\"" R                       \
	"deployment.environment.name\":\"test\",\"" R "k8s.cluster.name\":\"green\",\"" R         \
	"no.such\":\"x\"}"
	struct told t;

	t = tell("{" META(OWNER("ReplicaSet", "web-7d4b9c6f5") LABELS) "," STATUS "}", false);
	assert_string_equal(t.name, "web");
	expect(&t, FACT_SERVICE_VERSION, "7");
	expect(&t, FACT_K8S_DEPLOYMENT, "web");
	expect(&t, FACT_K8S_REPLICASET, "web-7d4b9c6f5");
	facts_release(t.facts);
	t = tell("{" META(OWNER("ReplicaSet", "web-7d4b9c6f5") LABELS) "," STATUS "}", true);
	assert_string_equal(t.name, "by-instance");
	facts_release(t.facts);
	t = tell("{" META(OWNER("Workflow", "w")) "," STATUS "}", true);
	assert_string_equal(t.name, "web-x"); /* of a kind the order does not know */
	expect(&t, FACT_K8S_OWNER, "w");
	expect(&t, FACT_SERVICE_VERSION, "sha256:aa");
	facts_release(t.facts);
	t = tell("{" META(OWNER("DaemonSet", "d") LABELS SAID) "," STATUS "}", true);
	assert_string_equal(t.name, "said");
	assert_string_equal(t.name_space, "ns");
	assert_string_equal(t.instance, "one");
	expect(&t, FACT_SERVICE_VERSION, "8");
	expect(&t, FACT_ENVIRONMENT, "test");
	expect(&t, FACT_K8S_NAMESPACE, "shop");
	expect(&t, FACT_K8S_DAEMONSET, "d");
	facts_release(t.facts);
}

/* Started or not, of each kind; and whatever an API may say. */
static void test_forms(void **state)
{
	static const char *const odd[] = {
		"{}",
		"[]",
		"{\"metadata\":7,\"status\":[],\"spec\":\"x\"}",
		"{\"status\":{\"containerStatuses\":[7,{},{\"containerID\":\"\"},"
		"{\"containerID\":\"no\"},{\"containerID\":\"a-name-that-is-too-long://x\"},"
		"{\"containerID\":\"docker://\"}]}}",
		"{\"metadata\":{\"ownerReferences\":[7,{\"controller\":true}],\"annotations\":[]}}",
	};
	struct told t =
		tell("{\"status\":{\"containerStatuses\":[{\"name\":\"waits\"}],"
		     "\"initContainerStatuses\":[{\"name\":\"i\",\"containerID\":\"docker://a\"}],"
		     "\"ephemeralContainerStatuses\":[{\"name\":\"e\",\"containerID\":"
		     "\"docker://b\"}]}}",
		     false);

	assert_int_equal(t.n, 2);
	assert_string_equal(t.instance, "..e");
	facts_release(t.facts);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		t = tell(odd[i], true);
		assert_int_equal(t.n, 0);
	}
}

static void test_images(void **state)
{
	static const struct {
		const char *reference, *name, *tag, *digest;
	} images[] = {
		{ "nginx", "nginx", "", "" },
		{ "nginx:1.2", "nginx", "1.2", "" },
		{ "r:5000/a/b", "r:5000/a/b", "", "" },
		{ "r:5000/a/b:t@sha256:d", "r:5000/a/b", "t", "sha256:d" },
		{ "a@sha256:d", "a", "", "sha256:d" },
		{ "sha256:d", "", "", "sha256:d" },
		{ "", "", "", "" },
		{ ":", "", "", "" },
	};

	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		struct image got = image_parse(slice_str(images[i].reference));

		assert_true(slice_eq(got.name, slice_str(images[i].name)));
		assert_true(slice_eq(got.tag, slice_str(images[i].tag)));
		assert_true(slice_eq(got.digest, slice_str(images[i].digest)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),	       cmocka_unit_test(test_container),
		cmocka_unit_test(test_order_of_names), cmocka_unit_test(test_forms),
		cmocka_unit_test(test_images),
	};

	return cmocka_run_group_tests_name("pod", tests, NULL, NULL);
}
