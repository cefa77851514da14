/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Kubernetes pod says of its containers: names, owner, labels and annotations, in the order
 * of OpenTelemetry's conventions (semantic-conventions, docs/non-normative/k8s-attributes.md). Pure.
 */
#ifndef POD_H
#define POD_H

#include <jansson.h>
#include <stdbool.h>
#include "identity/containers.h"

enum { POD_NAME_LEN = 254 };

/* Who made a pod, followed up as far as names tell. */
struct pod_owner {
	const char *kind; /* "Deployment", "CronJob", ..., "Pod": it is its own; borrowed */
	char name[POD_NAME_LEN];
	const char *replicaset, *job; /* in between; borrowed; NULL: none */
};

struct pod_opts {
	const char *cluster; /* NULL: not known */
	bool uses_labels;    /* app.kubernetes.io/instance and /name are names of services */
};

void pod_owner(json_t *pod, struct pod_owner *out);

/* Calls fn for each of its containers that has been started, init and ephemeral ones included.
 * What is passed lives for the call. */
void pod_each_container(json_t *pod, const struct pod_opts *opts,
			void (*fn)(void *ctx, const struct container *c), void *ctx);

/* "" where there is none. Borrowed. */
const char *pod_uid(json_t *pod);
const char *pod_name(json_t *pod);
const char *pod_namespace(json_t *pod);

#endif
