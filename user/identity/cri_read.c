/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the container runtime interface as objects of the Kubernetes API. */
#include "identity/cri.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "util/clock.h"
#include "util/protobuf.h"
#include "util/utf8.h"

enum { TEXT_MAX = 512, SUFFIX = 5 /* characters that Kubernetes makes names unique with */ };

/* PodSandbox, Container, and what is in them */
enum { ITEMS = 1 };
enum { POD_ID = 1, POD_META = 2, POD_CREATED = 4, POD_LABELS = 5, POD_ANNOTATIONS = 6 };
enum { META_NAME = 1, META_UID = 2, META_NAMESPACE = 3, META_ATTEMPT = 2 };
enum { BOX_ID = 1, BOX_POD = 2, BOX_META = 3, BOX_IMAGE = 4 };
enum { IMAGE_NAME = 1, IMAGE_ASKED = 18 };

static json_t *string(struct slice s)
{
	char text[TEXT_MAX];

	utf8_clean(text, sizeof(text), s);
	return json_string(text);
}

static const char *text(json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

/* One entry of a map<string, string>. */
static bool read_pair(struct slice message, json_t *into)
{
	struct slice key = SLICE(""), value = SLICE("");
	struct protobuf_field f;
	char name[TEXT_MAX];
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		if (f.number == 1)
			key = f.bytes;
		else if (f.number == 2)
			value = f.bytes;
	}
	utf8_clean(name, sizeof(name), key);
	json_object_set_new(into, name, string(value));
	return rc == 0;
}

static bool read_names(struct slice message, json_t *meta)
{
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		if (f.number == META_NAME)
			json_object_set_new(meta, "name", string(f.bytes));
		else if (f.number == META_UID)
			json_object_set_new(meta, "uid", string(f.bytes));
		else if (f.number == META_NAMESPACE)
			json_object_set_new(meta, "namespace", string(f.bytes));
	}
	return rc == 0;
}

static void set_owner(json_t *meta, const char *kind, const char *name, size_t n)
{
	json_object_set_new(
		meta, "ownerReferences",
		json_pack("[{s:s, s:s%, s:b}]", "kind", kind, "name", name, n, "controller", 1));
}

/* Runtimes are not told of owners, but of the labels that these put on their pods. */
static void find_owner(json_t *meta)
{
	json_t *labels = json_object_get(meta, "labels");
	const char *name = text(meta, "name"), *hash = text(labels, "pod-template-hash");
	const char *job = text(labels, "batch.kubernetes.io/job-name");
	size_t n = strlen(name), m = strlen(hash);

	if (!*job)
		job = text(labels, "job-name");
	if (m && n > m + SUFFIX + 2 && name[n - SUFFIX - 1] == '-' &&
	    memcmp(name + n - SUFFIX - 1 - m, hash, m) == 0)
		set_owner(meta, "ReplicaSet", name, n - SUFFIX - 1);
	else if (*job)
		set_owner(meta, "Job", job, strlen(job));
	else if (*name && strcmp(text(labels, "statefulset.kubernetes.io/pod-name"), name) == 0 &&
		 strrchr(name, '-'))
		set_owner(meta, "StatefulSet", name, (size_t)(strrchr(name, '-') - name));
	else if (*text(labels, "controller-revision-hash") &&
		 *text(labels, "pod-template-generation") && n > SUFFIX + 1 &&
		 name[n - SUFFIX - 1] == '-')
		set_owner(meta, "DaemonSet", name, n - SUFFIX - 1);
}

static void set_created(json_t *meta, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / NS_PER_S);
	char when[32];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) && strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm))
		json_object_set_new(meta, "creationTimestamp", json_string(when));
}

static bool read_pod(struct slice message, json_t *pods)
{
	json_t *meta = json_object(), *labels = json_object(), *annotations = json_object();
	char id[TEXT_MAX] = "";
	struct protobuf_field f;
	bool is_good = true;
	int rc;

	while (is_good && (rc = protobuf_next(&message, &f)) != 0) {
		is_good = rc > 0;
		if (is_good && f.number == POD_ID)
			utf8_clean(id, sizeof(id), f.bytes);
		else if (is_good && f.number == POD_META)
			is_good = read_names(f.bytes, meta);
		else if (is_good && f.number == POD_CREATED)
			set_created(meta, f.value);
		else if (is_good && f.number == POD_LABELS)
			is_good = read_pair(f.bytes, labels);
		else if (is_good && f.number == POD_ANNOTATIONS)
			is_good = read_pair(f.bytes, annotations);
	}
	json_object_set_new(meta, "labels", labels);
	json_object_set_new(meta, "annotations", annotations);
	find_owner(meta);
	json_object_set_new(
		pods, id,
		json_pack("{s:o, s:{s:[]}}", "metadata", meta, "status", "containerStatuses"));
	return is_good;
}

json_t *cri_read_pods(struct slice message)
{
	json_t *pods = json_object();
	struct protobuf_field f;
	bool is_good = pods;
	int rc;

	while (is_good && (rc = protobuf_next(&message, &f)) != 0)
		is_good = rc > 0 && (f.number != ITEMS || read_pod(f.bytes, pods));
	if (is_good)
		return pods;
	json_decref(pods);
	return NULL;
}

static bool read_image(struct slice message, json_t *status)
{
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0)
		if (f.number == IMAGE_NAME || f.number == IMAGE_ASKED) /* the later is the better */
			json_object_set_new(status, "image", string(f.bytes));
	return rc == 0;
}

static bool read_name(struct slice message, json_t *status)
{
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&message, &f)) > 0) {
		if (f.number == META_NAME)
			json_object_set_new(status, "name", string(f.bytes));
		else if (f.number == META_ATTEMPT)
			json_object_set_new(status, "restartCount",
					    json_integer((json_int_t)f.value));
	}
	return rc == 0;
}

static bool read_container(struct slice message, const char *runtime, json_t *pods)
{
	char id[TEXT_MAX], pod[TEXT_MAX] = "";
	size_t scheme = (size_t)snprintf(id, 32, "%.16s://", runtime);
	json_t *status = json_object();
	struct protobuf_field f;
	bool is_good = true;
	int rc;

	while (is_good && (rc = protobuf_next(&message, &f)) != 0) {
		is_good = rc > 0;
		if (is_good && f.number == BOX_ID)
			utf8_clean(id + scheme, sizeof(id) - scheme, f.bytes);
		else if (is_good && f.number == BOX_POD)
			utf8_clean(pod, sizeof(pod), f.bytes);
		else if (is_good && f.number == BOX_META)
			is_good = read_name(f.bytes, status);
		else if (is_good && f.number == BOX_IMAGE)
			is_good = read_image(f.bytes, status);
	}
	json_object_set_new(status, "containerID", json_string(id));
	/* of a pod that is gone by now nothing is told */
	json_array_append_new(json_object_get(json_object_get(json_object_get(pods, pod), "status"),
					      "containerStatuses"),
			      status);
	return is_good;
}

bool cri_read_containers(struct slice message, const char *runtime, json_t *pods)
{
	struct protobuf_field f;
	bool is_good = true;
	int rc;

	while (is_good && (rc = protobuf_next(&message, &f)) != 0)
		is_good = rc > 0 && (f.number != ITEMS || read_container(f.bytes, runtime, pods));
	return is_good;
}
