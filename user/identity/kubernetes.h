/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods of this node, as the Kubernetes API tells of them.
 */
#ifndef KUBERNETES_H
#define KUBERNETES_H

#include "identity/apilist.h"
#include "identity/containers.h"
#include "identity/pod.h"

struct kubernetes_opts {
	struct fetcher *fetcher;       /* borrowed */
	struct containers *containers; /* borrowed */
	const char *url;	       /* of the API server, without a path; copied */
	const char *node;	       /* copied */
	const char *account;	       /* folder with `token` and `ca.crt`; copied */
	struct pod_opts pod;	       /* its strings are borrowed */
};

struct kubernetes;

struct kubernetes *kubernetes_new(const struct kubernetes_opts *opts); /* NULL: out of memory */
void kubernetes_free(struct kubernetes *k); /* before the fetcher; NULL accepted */
/* Asks, if it is time to. */
void kubernetes_turn(struct kubernetes *k, uint64_t now_ns);
const struct asked *kubernetes_asked(const struct kubernetes *k);

#endif
