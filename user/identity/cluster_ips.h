/* SPDX-License-Identifier: Apache-2.0 */
/* What the ClusterIPs of Kubernetes Services are called, as its API tells: those of all namespaces.
 */
#ifndef CLUSTER_IPS_H
#define CLUSTER_IPS_H

#include "identity/addresses.h"
#include "identity/apilist.h"

struct cluster_ips_opts {
	struct fetcher *fetcher;     /* borrowed */
	struct addresses *addresses; /* borrowed */
	const char *url;	     /* of the API server, without a path; copied */
	const char *account;	     /* folder with `token` and `ca.crt`; copied */
};

struct cluster_ips;

struct cluster_ips *cluster_ips_new(const struct cluster_ips_opts *opts); /* NULL: out of memory */
void cluster_ips_free(struct cluster_ips *c); /* before the fetcher; NULL accepted */
/* Asks, if it is time to. */
void cluster_ips_turn(struct cluster_ips *c, uint64_t now_ns);
const struct asked *cluster_ips_asked(const struct cluster_ips *c);

/* Calls fn for each of a Service's. Pure. A headless one has none. Addresses that several may
 * share, those of load balancers, of nodes and of outside, are no names of one. */
void cluster_ips_each(json_t *service,
		      void (*fn)(void *ctx, const struct address *a,
				 const struct address_name *name),
		      void *ctx);

#endif
