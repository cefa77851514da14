/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers of a Kubernetes node as its runtime knows them (containerd, CRI-O), over gRPC:
 * pods first, then the containers in them. Asked when Docker would be.
 * https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
 */
#ifndef CRI_H
#define CRI_H

#include "identity/asked.h"
#include "identity/containers.h"
#include "identity/pod.h"

struct cri_opts {
	struct fetcher *fetcher;       /* borrowed */
	struct containers *containers; /* borrowed */
	const char *path;	       /* of its socket; copied */
	struct pod_opts pod;	       /* its strings are borrowed */
};

struct cri;

struct cri *cri_new(const struct cri_opts *opts); /* NULL: out of memory */
void cri_free(struct cri *c);			  /* before the fetcher; NULL accepted */
/* Asks, if it is time to. */
void cri_turn(struct cri *c, uint64_t now_ns);
const struct asked *cri_asked(const struct cri *c);

/* ListPodSandboxResponse as an object: id -> a pod as the API would give it, as far as is known. A
 * new reference; NULL: it is no such message. Pure. */
json_t *cri_read_pods(struct slice message);
/* ListContainersResponse: puts each container into its pod's status, as one of that runtime's.
 * False: no such message. */
bool cri_read_containers(struct slice message, const char *runtime, json_t *pods);

#endif
