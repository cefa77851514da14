/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/pod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "identity/image.h"
#include "identity/service.h"

#define ANNOTATION "resource.opentelemetry.io/"

/* A string at the end of a path of keys, NULL: there is none. */
static const char *text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *text_in(json_t *object, const char *outer, const char *key)
{
	return text(json_object_get(object, outer), key);
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static json_t *meta(json_t *pod)
{
	return json_object_get(pod, "metadata");
}

const char *pod_uid(json_t *pod)
{
	return or_empty(text(meta(pod), "uid"));
}

const char *pod_name(json_t *pod)
{
	return or_empty(text(meta(pod), "name"));
}

const char *pod_namespace(json_t *pod)
{
	return or_empty(text(meta(pod), "namespace"));
}

static json_t *controller(json_t *pod)
{
	json_t *refs = json_object_get(meta(pod), "ownerReferences"), *ref;
	size_t i;

	json_array_foreach(refs, i, ref)
	{
		if (json_is_true(json_object_get(ref, "controller")))
			return ref;
	}
	return NULL;
}

/* Cuts "-" and the suffix off a name. */
static bool cut_suffix(const char *name, const char *suffix, char out[POD_NAME_LEN])
{
	size_t n = strlen(name), m = strlen(suffix);

	if (m == 0 || n <= m + 1 || n - m - 1 >= POD_NAME_LEN || name[n - m - 1] != '-' ||
	    strcmp(name + n - m, suffix) != 0)
		return false;
	memcpy(out, name, n - m - 1);
	out[n - m - 1] = '\0';
	return true;
}

/* A CronJob names its jobs by the minute they were due at, which is when the pod was made, or not
 * long before (kubernetes, pkg/controller/cronjob/utils.go, getJobName). */
static bool cron_job(const char *job, const char *created, char out[POD_NAME_LEN])
{
	static const long early_minutes = 2, late_minutes = 7 * 24 * 60;
	const char *dash = strrchr(job, '-');
	struct tm tm = { 0 };
	long due, made;
	char *end;

	if (!dash || !created || !strptime(created, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return false;
	due = strtol(dash + 1, &end, 10);
	if (*end || strlen(dash + 1) != 8)
		return false;
	made = (long)(timegm(&tm) / 60);
	return due <= made + early_minutes && due + late_minutes >= made &&
	       cut_suffix(job, dash + 1, out);
}

void pod_owner(json_t *pod, struct pod_owner *out)
{
	json_t *ref = controller(pod);
	const char *kind = text(ref, "kind"), *name = text(ref, "name");
	const char *hash = text_in(meta(pod), "labels", "pod-template-hash");

	*out = (struct pod_owner){ .kind = "Pod" };
	/* a static pod's is the node it is on, which runs it but did not make it what it is */
	if (!kind || !name || strcmp(kind, "Node") == 0) {
		snprintf(out->name, sizeof(out->name), "%s", pod_name(pod));
		return;
	}
	out->kind = kind;
	snprintf(out->name, sizeof(out->name), "%s", name);
	if (strcmp(kind, "ReplicaSet") == 0) {
		out->replicaset = name;
		/* who else makes ReplicaSets does not set this label */
		if (hash && cut_suffix(name, hash, out->name))
			out->kind = "Deployment";
	} else if (strcmp(kind, "Job") == 0) {
		out->job = name;
		if (cron_job(name, text(meta(pod), "creationTimestamp"), out->name))
			out->kind = "CronJob";
	}
}

struct pod {
	json_t *json;
	const struct pod_opts *opts;
	void (*fn)(void *ctx, const struct container *c);
	void *ctx;
	struct pod_owner owner;
	const char *name_space, *name;
	json_t *labels, *annotations;
};

static const char *annotation(const struct pod *p, const char *attribute)
{
	char key[128];

	snprintf(key, sizeof(key), ANNOTATION "%s", attribute);
	return or_empty(text(p->annotations, key));
}

static const char *service_name(const struct pod *p)
{
	static const char *const labels[] = { "app.kubernetes.io/instance",
					      "app.kubernetes.io/name" };
	const char *said = annotation(p, "service.name");

	for (size_t i = 0; p->opts->uses_labels && !*said && i < 2; i++)
		said = or_empty(text(p->labels, labels[i]));
	/* an owner of a kind the order does not know is not followed */
	if (!*said &&
	    (strcmp(p->owner.kind, "Deployment") == 0 || strcmp(p->owner.kind, "ReplicaSet") == 0 ||
	     strcmp(p->owner.kind, "StatefulSet") == 0 || strcmp(p->owner.kind, "DaemonSet") == 0 ||
	     strcmp(p->owner.kind, "CronJob") == 0 || strcmp(p->owner.kind, "Job") == 0))
		said = p->owner.name;
	return *said ? said : p->name;
}

static void owner_facts(struct facts_draft *d, const struct pod_owner *o)
{
	static const struct {
		const char *kind;
		enum fact_id id;
	} kinds[] = {
		{ "Deployment", FACT_K8S_DEPLOYMENT },
		{ "StatefulSet", FACT_K8S_STATEFULSET },
		{ "DaemonSet", FACT_K8S_DAEMONSET },
		{ "CronJob", FACT_K8S_CRONJOB },
	};

	facts_set_str(d, FACT_K8S_OWNER, o->name);
	facts_set_str(d, FACT_K8S_KIND, o->kind);
	facts_set_str(d, FACT_K8S_REPLICASET, o->replicaset);
	facts_set_str(d, FACT_K8S_JOB, o->job);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, o->kind) == 0)
			facts_set_str(d, kinds[i].id, o->name);
}

/* What the annotations say in so many words comes before what follows from elsewhere. */
static void annotation_facts(struct facts_draft *d, const struct pod *p)
{
	static const size_t n = sizeof(ANNOTATION) - 1;
	const char *key;
	json_t *value;

	json_object_foreach(p->annotations, key, value)
	{
		enum fact_id id;

		if (strncmp(key, ANNOTATION, n) != 0)
			continue;
		id = fact_by_attribute(slice_str(key + n));
		if (id < FACT_MAX)
			facts_set_str(d, id, json_string_value(value));
	}
	if (!d->len[FACT_SERVICE_VERSION])
		facts_set_str(d, FACT_SERVICE_VERSION,
			      text(p->labels, "app.kubernetes.io/version"));
}

static void pod_facts(struct facts_draft *d, const struct pod *p)
{
	annotation_facts(d, p);
	facts_set_str(d, FACT_K8S_CLUSTER, p->opts->cluster);
	facts_set_str(d, FACT_K8S_NAMESPACE, p->name_space);
	facts_set_str(d, FACT_K8S_POD, p->name);
	facts_set_str(d, FACT_K8S_POD_UID, pod_uid(p->json));
	facts_set_str(d, FACT_K8S_NODE, text_in(p->json, "spec", "nodeName"));
	facts_set_str(d, FACT_K8S_POD_IP, text_in(p->json, "status", "podIP"));
	facts_set_str(d, FACT_K8S_POD_START, text_in(p->json, "status", "startTime"));
	owner_facts(d, &p->owner);
}

/* "containerd://ID". The runtime's name goes into *runtime. */
static const char *container_id(const char *said, char runtime[16])
{
	const char *at = said ? strstr(said, "://") : NULL;

	if (!at || (size_t)(at - said) >= 16)
		return "";
	snprintf(runtime, 16, "%.*s", (int)(at - said), said);
	return at + 3;
}

/* The image as the pod asks for it: the status may name it by its digest alone. */
static const char *image_of(json_t *pod, const char *list, const char *name, json_t *status)
{
	json_t *all = json_object_get(json_object_get(pod, "spec"), list), *c;
	size_t i;

	json_array_foreach(all, i, c)
	{
		if (strcmp(or_empty(text(c, "name")), name) == 0 && text(c, "image"))
			return text(c, "image");
	}
	return text(status, "image");
}

static void tell(const struct pod *p, json_t *status, const char *spec)
{
	const char *name = or_empty(text(status, "name")), *said;
	char instance[SERVICE_INSTANCE_LEN + 256], restarts[24], runtime[16] = "";
	struct facts_draft d = { .n = 0 };
	struct container c = {
		.id = container_id(text(status, "containerID"), runtime),
		.name = service_name(p),
		.group = pod_uid(p->json),
		.instance = instance,
	};

	if (!*c.id)
		return;
	said = annotation(p, "service.namespace");
	c.name_space = *said ? said : p->name_space;
	said = annotation(p, "service.instance.id");
	if (*said)
		snprintf(instance, sizeof(instance), "%s", said);
	else
		snprintf(instance, sizeof(instance), "%s.%s.%s", p->name_space, p->name, name);
	snprintf(restarts, sizeof(restarts), "%lld",
		 (long long)json_integer_value(json_object_get(status, "restartCount")));
	pod_facts(&d, p);
	facts_set_str(&d, FACT_K8S_CONTAINER, name);
	facts_set_str(&d, FACT_K8S_RESTARTS, restarts);
	facts_set_str(&d, FACT_CONTAINER_ID, c.id);
	facts_set_str(&d, FACT_CONTAINER_RUNTIME, runtime);
	image_facts(&d, image_of(p->json, spec, name, status), true);
	c.facts = facts_make(&d);
	p->fn(p->ctx, &c);
	facts_release(c.facts);
}

void pod_each_container(json_t *pod, const struct pod_opts *opts,
			void (*fn)(void *ctx, const struct container *c), void *ctx)
{
	static const char *const lists[][2] = {
		{ "containerStatuses", "containers" },
		{ "initContainerStatuses", "initContainers" },
		{ "ephemeralContainerStatuses", "ephemeralContainers" },
	};
	struct pod p = {
		.json = pod,
		.opts = opts,
		.fn = fn,
		.ctx = ctx,
		.name_space = pod_namespace(pod),
		.name = pod_name(pod),
		.labels = json_object_get(meta(pod), "labels"),
		.annotations = json_object_get(meta(pod), "annotations"),
	};

	pod_owner(pod, &p.owner);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		json_t *all = json_object_get(json_object_get(pod, "status"), lists[i][0]), *status;
		size_t at;

		json_array_foreach(all, at, status) tell(&p, status, lists[i][1]);
	}
}
