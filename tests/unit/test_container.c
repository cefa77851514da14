/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "identity/container.h"

/* 64 digits each */
#define A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define B "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
/* a pod, as cgroupfs and as systemd writes it */
#define UID  "5a6f1c3e-9d2b-4c7f-8e01-23456789abcd"
#define UID_ "5a6f1c3e_9d2b_4c7f_8e01_23456789abcd"
#define MD5  "0123456789abcdef0123456789abcdef"
#define TASK "f1e2d3c4b5a6978812345678deadbeef"

static const struct {
	const char *path, *id, *pod, *runtime;
} vectors[] = {
	/* Docker: cgroupfs, systemd, a parent of its own, within another, systemd within */
	{ "/docker/" A, A, "", "docker" },
	{ "/system.slice/docker-" A ".scope", A, "", "docker" },
	{ "/shop.slice/docker-" A ".scope", A, "", "docker" },
	{ "/mine/" A, A, "", NULL },
	{ "/docker/" A "/docker/" B, B, "", "docker" },
	{ "/docker/" A "/init.scope", A, "", "docker" },
	{ "/docker/" A "/system.slice/nginx.service", A, "", "docker" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A ".scope", A, "",
	  "docker" },
	/* as a container sees it that has a cgroup namespace of its own */
	{ "/../docker-" A ".scope", A, "", "docker" },
	{ "/../../" A, A, "", NULL },
	/* Kubernetes: both drivers, each class of pods, each runtime */
	{ "/kubepods/burstable/pod" UID "/" A, A, UID, NULL },
	{ "/kubepods/besteffort/pod" UID "/" A, A, UID, NULL },
	{ "/kubepods/pod" UID "/" A, A, UID, NULL },
	{ "/kubepods/burstable/pod" MD5 "/" A, A, MD5, NULL },
	{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
	  ".slice/cri-containerd-" A ".scope",
	  A, UID, "containerd" },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" A ".scope", A, UID, "cri-o" },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" A, A, UID, "cri-o" },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
	  ".slice/docker-" A ".scope",
	  A, UID, "docker" },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" MD5
	  ".slice/cri-containerd-" A ".scope",
	  A, MD5, "containerd" },
	/* containerd told of a slice, but not to ask systemd */
	{ "/system.slice/containerd.service/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" A,
	  A, UID, "containerd" },
	{ "/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" A, A, UID, "containerd" },
	/* kind: a cluster within Docker */
	{ "/docker/" B "/kubelet/kubepods/besteffort/pod" UID "/" A, A, UID, NULL },
	{ "/system.slice/docker-" B
	  ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
	  "kubelet-kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" A ".scope",
	  A, UID, "containerd" },
	/* a pod's own group, without a container */
	{ "/kubepods/burstable/pod" UID, "", UID, NULL },
	/* containerd and nerdctl without Kubernetes */
	{ "/default/" A, A, "", NULL },
	{ "/system.slice/nerdctl-" A ".scope", A, "", "containerd" },
	/* Podman: root's, a user's, its inner group, in a unit, cgroupfs, in a pod of its own */
	{ "/machine.slice/libpod-" A ".scope", A, "", "podman" },
	{ "/machine.slice/libpod-" A ".scope/container", A, "", "podman" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A ".scope/container",
	  A, "", "podman" },
	{ "/system.slice/web.service/libpod-payload-" A, A, "", "podman" },
	{ "/libpod_parent/libpod-" A, A, "", "podman" },
	{ "/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope", A, "", "podman" },
	/* ECS on a host, and Fargate */
	{ "/ecs/5a6f1c3e-9d2b-4c7f-8e01-23456789abcd/" A, A, "", NULL },
	{ "/ecs/cluster/" TASK "/" A, A, "", NULL },
	{ "/ecs/" TASK "/" TASK "-1234567890", TASK "-1234567890", "", NULL },
	/* actions, and what else names a folder of its own */
	{ "/actions_job/" A, A, "", NULL },
	/* who watches over a container is not in it */
	{ "/machine.slice/libpod-conmon-" A ".scope", "", "", NULL },
	{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" A ".scope", "", UID, NULL },
	/* and nothing of these is one */
	{ "/", "", "", NULL },
	{ "", "", "", NULL },
	{ "/system.slice/nginx.service", "", "", NULL },
	{ "/system.slice/docker.service", "", "", NULL },
	{ "/user.slice/user-1000.slice/session-2.scope", "", "", NULL },
	{ "/docker/buildkit/6xxmxrt0xe5njk0fbrypl2cvy", "", "", NULL },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope", "", "", NULL },
	{ "/podman.slice", "", "", NULL },
	{ "/pod" MD5 "x", "", "", NULL },
	{ "/kubepods-pod5a6f1c3e.slice", "", "", NULL },
	{ "/docker/0123456789abcdef", "", "", NULL },
	{ "/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", "", "",
	  NULL },
	{ "/docker/" A "0", "", "", NULL },
};

static void expect(const struct container_ref *c, size_t i)
{
	assert_string_equal(c->id, vectors[i].id);
	assert_string_equal(c->pod_uid, vectors[i].pod);
	assert_ptr_equal(!c->runtime, !vectors[i].runtime);
	if (c->runtime)
		assert_string_equal(c->runtime, vectors[i].runtime);
}

static void test_paths(void **state)
{
	struct container_ref c;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		bool is_found = container_of_path(slice_str(vectors[i].path), &c);

		assert_int_equal(is_found, vectors[i].id[0] || vectors[i].pod[0]);
		expect(&c, i);
	}
}

/* Cut anywhere, any byte another: never more than there is, never an id that is none. */
static void test_hostile(void **state)
{
	struct container_ref c;
	char path[512];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i].path);

		for (size_t cut = 0; cut <= n; cut++) {
			/* its end is the end of what may be read */
			char *exact = strndup(vectors[i].path, cut);

			container_of_path((struct slice){ (uint8_t *)exact, cut }, &c);
			assert_true(strlen(c.id) < sizeof(c.id));
			free(exact);
		}
		for (size_t at = 0; at < n; at++) {
			strcpy(path, vectors[i].path);
			path[at] ^= 0x55;
			container_of_path(slice_str(path), &c);
			assert_true(strlen(c.id) == 0 || strlen(c.id) >= 34);
		}
	}
}

static void test_files(void **state)
{
	static const struct {
		const char *text, *id, *path;
	} files[] = {
		{ "0::/system.slice/docker-" A ".scope\n", A, "/system.slice/docker-" A ".scope" },
		/* version 1 */
		{ "12:pids:/docker/" A "\n11:cpu,cpuacct:/docker/" A "\n1:name=systemd:/docker/" A
		  "\n",
		  A, "/docker/" A },
		/* hybrid: the unified one says nothing of it */
		{ "5:memory:/docker/" A "\n1:name=systemd:/docker/" A
		  "\n0::/system.slice/containerd.service\n",
		  A, "/docker/" A },
		{ "0::/\n3:memory:/docker/" A "\n", A, "/docker/" A },
		/* and where both do it is believed */
		{ "5:memory:/docker/" A "\n0::/docker/" B "\n", B, "/docker/" B },
		{ "0::/docker/" B "\n5:memory:/docker/" A "\n", B, "/docker/" B },
		{ "0::/docker/" A " (deleted)\n", A, "/docker/" A },
		{ "0::/docker/" A, A, "/docker/" A }, /* no newline */
		{ "1:name=systemd:/user.slice\n0::/init.scope\n", "", "" },
		{ "", "", "" },
	};
	struct container_ref c;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct slice path = SLICE("");
		bool is_found = container_of_file(slice_str(files[i].text), &c, &path);

		assert_int_equal(is_found, files[i].id[0] != '\0');
		assert_string_equal(c.id, files[i].id);
		assert_true(slice_eq(path, slice_str(files[i].path)));
	}
}

static void test_keys(void **state)
{
	assert_int_equal(container_key(""), 0);
	assert_int_not_equal(container_key(A), container_key(B));
	assert_int_equal(container_key(A), container_key(A));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
