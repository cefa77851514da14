/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/red_pipeline.h"

#include "version.h"

static void each_inflight(void *ctx, void (*fn)(void *arg, const struct conn_inflight *r),
			  void *arg)
{
	struct pipeline *p = ctx;

	conns_each_inflight(p->conns, fn, arg);
}

static void each_service(void *ctx, void (*fn)(void *arg, struct service *s), void *arg)
{
	struct pipeline *p = ctx;

	processes_each_service(p->procs, fn, arg);
}

static const struct service *service_of(void *ctx, uint32_t tgid)
{
	struct pipeline *p = ctx;

	return process_get(p->procs, tgid, p->now_ns)->service;
}

struct red *red_of_pipeline(struct pipeline *p, const struct config *c, const char *host_name,
			    uint64_t now_ns)
{
	struct red_opts opts = {
		.max_series = c->max_series,
		.sizes = c->sizes,
		.server_address = c->server_address,
		.host_name = host_name,
		.version = SONDE_VERSION,
		.now_ns = now_ns,
		.each_inflight = each_inflight,
		.each_service = each_service,
		.service_of = service_of,
		.ctx = p,
	};
	struct red *r = red_new(&opts);
	struct exporter e;

	if (!r)
		return NULL;
	red_exporter(r, &e);
	pipeline_add(p, &e);
	return r;
}
