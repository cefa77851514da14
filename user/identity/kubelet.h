/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods of this node, as its kubelet tells of them: a list, asked for as Docker's is, since a
 * kubelet has no watch. https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
 */
#ifndef KUBELET_H
#define KUBELET_H

#include "identity/asked.h"
#include "identity/containers.h"
#include "identity/pod.h"

struct kubelet_opts {
	struct fetcher *fetcher;       /* borrowed */
	struct containers *containers; /* borrowed; told as by Kubernetes */
	const char *url;	       /* without a path; copied */
	const char *account;	       /* folder with `token` and `ca.crt`; copied */
	struct pod_opts pod;	       /* its strings are borrowed */
};

struct kubelet;

struct kubelet *kubelet_new(const struct kubelet_opts *opts); /* NULL: out of memory */
void kubelet_free(struct kubelet *k); /* before the fetcher; NULL accepted */
/* Asks, if it is time to. */
void kubelet_turn(struct kubelet *k, uint64_t now_ns);
const struct asked *kubelet_asked(const struct kubelet *k);

#endif
