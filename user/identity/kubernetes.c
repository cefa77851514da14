/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/kubernetes.h"

#include <stdio.h>
#include <stdlib.h>

struct kubernetes {
	struct containers *containers;
	struct pod_opts pod;
	struct apilist *pods;
};

static void on_container(void *ctx, const struct container *c)
{
	struct kubernetes *k = ctx;

	containers_put(k->containers, CONTAINERS_KUBERNETES, c);
}

static void begin(void *ctx)
{
	containers_begin(((struct kubernetes *)ctx)->containers, CONTAINERS_KUBERNETES);
}

static void listed(void *ctx, json_t *pod)
{
	struct kubernetes *k = ctx;

	pod_each_container(pod, &k->pod, on_container, k);
}

static void end(void *ctx)
{
	containers_end(((struct kubernetes *)ctx)->containers, CONTAINERS_KUBERNETES);
}

/* Containers it has no more are gone. */
static void changed(void *ctx, json_t *pod, bool is_deleted)
{
	struct kubernetes *k = ctx;

	containers_begin_group(k->containers, CONTAINERS_KUBERNETES, pod_uid(pod));
	if (!is_deleted)
		pod_each_container(pod, &k->pod, on_container, k);
	containers_end_group(k->containers, CONTAINERS_KUBERNETES);
}

struct kubernetes *kubernetes_new(const struct kubernetes_opts *opts)
{
	struct kubernetes *k = calloc(1, sizeof(*k));
	char where[ASKED_WHERE_MAX];

	if (!k)
		return NULL;
	k->containers = opts->containers;
	k->pod = opts->pod;
	snprintf(where, sizeof(where), "%.256s, node %.256s", opts->url, opts->node);
	k->pods = apilist_new(&(struct apilist_opts){
		.fetcher = opts->fetcher,
		.name = "kubernetes",
		.where = where,
		.url = opts->url,
		.account = opts->account,
		.plural = "pods",
		.field = "spec.nodeName",
		.value = opts->node,
		.page = 50,
		.begin = begin,
		.listed = listed,
		.end = end,
		.changed = changed,
		.ctx = k,
	});
	if (!k->pods) {
		free(k);
		return NULL;
	}
	return k;
}

void kubernetes_free(struct kubernetes *k)
{
	if (!k)
		return;
	apilist_free(k->pods);
	free(k);
}

void kubernetes_turn(struct kubernetes *k, uint64_t now_ns)
{
	apilist_turn(k->pods, now_ns);
}

const struct asked *kubernetes_asked(const struct kubernetes *k)
{
	return apilist_asked(k->pods);
}
