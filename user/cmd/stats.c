/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/stats.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "capture/filter.h"
#include "capture/go_files.h"
#include "capture/tls.h"
#include "cmd/inquiry.h"
#include "identity/addresses.h"
#include "identity/containers.h"
#include "identity/namespaces.h"
#include "identity/naming.h"
#include "metrics/graph.h"
#include "metrics/overview.h"
#include "pressure/host.h"
#include "pressure/oom.h"
#include "util/clock.h"
#include "util/log.h"
#include "version.h"

#define WALK_BUDGET_NS (5 * NS_PER_MS) /* of /proc, and of sockets, in one turn */

static void each_inflight(void *ctx, void (*fn)(void *arg, const struct conn_inflight *r),
			  void *arg)
{
	struct stats *s = ctx;

	conns_each_inflight(s->pipeline->conns, fn, arg);
}

static void each_service(void *ctx, void (*fn)(void *arg, struct service *s), void *arg)
{
	struct stats *s = ctx;

	processes_each_service(s->pipeline->procs, fn, arg);
}

static void each_oldest(void *ctx, uint64_t now_ns, void (*fn)(void *arg, const struct txn *t),
			void *arg)
{
	struct stats *s = ctx;

	pipeline_each_oldest(s->pipeline, CONNS_OLDEST_MAX, now_ns, fn, arg);
}

struct dark {
	const struct pipeline *pipeline;
	void (*fn)(void *arg, uint32_t tgid, const char *library);
	void *arg;
};

static void on_conn(void *ctx, const struct conn_view *v)
{
	const struct dark *d = ctx;
	const struct pipeline_opts *o = &d->pipeline->opts;

	if (v->is_encrypted)
		d->fn(d->arg, v->tgid, o->library_of ? o->library_of(o->ctx, v->tgid) : NULL);
}

static void each_dark(void *ctx, void (*fn)(void *arg, uint32_t tgid, const char *library),
		      void *arg)
{
	struct stats *s = ctx;

	conns_each(s->pipeline->conns, on_conn, &(struct dark){ s->pipeline, fn, arg });
}

static const struct service *service_of(void *ctx, uint32_t tgid)
{
	struct stats *s = ctx;

	return process_get(s->pipeline->procs, tgid, s->pipeline->now_ns)->service;
}

static void on_offcpu(void *ctx, uint32_t tgid, const struct sonde_offcpu *figures)
{
	struct stats *s = ctx;
	struct process *proc = process_get(s->pipeline->procs, tgid, s->pipeline->now_ns);

	offcpu_take(&s->offcpu, red_store(s->red), proc->service, tgid, figures, s->now_ns);
	if (!proc->gone_ns)
		return;
	probe_forget_offcpu(s->probe, tgid);
	offcpu_forget(&s->offcpu, tgid);
}

static void on_reclaim(void *ctx, uint32_t tgid, uint64_t ns)
{
	struct stats *s = ctx;
	struct process *proc = process_get(s->pipeline->procs, tgid, s->pipeline->now_ns);

	reclaims_take(&s->reclaims, red_store(s->red), proc->service, tgid, ns, s->now_ns);
	if (!proc->gone_ns)
		return;
	probe_forget_reclaim(s->probe, tgid);
	reclaims_forget(&s->reclaims, tgid);
}

/* Often enough that who a process was is still known when it is gone. */
static void on_tick(void *ctx, uint64_t now_ns)
{
	struct stats *s = ctx;

	s->now_ns = now_ns;
	recent_tick(s->recent, now_ns);
	if (s->probe) {
		probe_each_offcpu(s->probe, on_offcpu, s);
		probe_each_reclaim(s->probe, on_reclaim, s);
	}
	if (s->procwalk)
		procwalk_turn(s->procwalk, now_ns, WALK_BUDGET_NS);
	if (s->tallies)
		tallies_turn(s->tallies, now_ns, WALK_BUDGET_NS);
}

static void on_txn(void *ctx, const struct txn *t)
{
	struct stats *s = ctx;

	recent_txn(s->recent, t);
}

static void on_exit(void *ctx, const struct sonde_ev_exit *ev)
{
	struct stats *s = ctx;

	if (s->procwalk)
		procwalk_exit(s->procwalk, ev);
}

static void on_rest(void *ctx, const struct sonde_ev_rest *ev)
{
	struct stats *s = ctx;

	if (s->procwalk)
		procwalk_rest(s->procwalk, ev);
}

static void on_oom(void *ctx, const struct sonde_ev_oom *ev)
{
	struct stats *s = ctx;
	struct processes *procs = s->pipeline->procs;
	char line[OOM_LINE_LEN];
	struct process victim;

	if (!s->probe)
		return;
	victim = *process_get(procs, ev->tgid, s->pipeline->now_ns);
	oom_line(ev, victim.comm, process_get(procs, ev->asker_tgid, s->pipeline->now_ns)->comm,
		 line);
	log_warn("%s", line);
}

static bool is_asked_for(void *ctx, uint32_t tgid)
{
	const struct stats *s = ctx;

	return filter_asks(s->filter, tgid) && probe_is_inside(s->probe, tgid);
}

static int open_procwalk(struct stats *s, const struct config *c)
{
	s->filter = &c->filter;
	s->procwalk = procwalk_new(&(struct procwalk_opts){
		.procs = s->pipeline->procs,
		.store = red_store(s->red),
		.self_tgid = (uint32_t)getpid(),
		.max = c->max_processes,
		.asks = is_asked_for,
		.ctx = s,
	});
	return s->procwalk ? 0 : -ENOMEM;
}

static void on_bytes(void *ctx, uint32_t tgid, uint64_t sent, uint64_t received)
{
	const struct stats *s = ctx;

	procwalk_network(s->procwalk, tgid, sent, received);
}

/* Connections of which there was no record yet have no name on record either. */
static const char *name_of(void *ctx, enum sonde_family family, const uint8_t ip[16])
{
	const struct stats *s = ctx;
	const struct addresses *asked = s->pipeline->opts.addresses;
	struct address a = { .family = family };
	const struct address_name *name;

	memcpy(a.ip, ip, sizeof(a.ip));
	name = asked ? addresses_find(asked, &a) : NULL;
	return name ? name->name : naming_find(s->pipeline->naming, family, ip);
}

static const struct service *service_of_group(void *ctx, uint64_t group)
{
	const struct stats *s = ctx;

	return s->procwalk ? procwalk_service_of_group(s->procwalk, group) : NULL;
}

static int open_tallies(struct stats *s)
{
	s->tallies = tallies_new(s->probe, &(struct tallies_opts){
						   .tcp = { .store = red_store(s->red),
							    .service_of = service_of,
							    .name_of = name_of,
							    .on_bytes = on_bytes,
							    .ctx = s },
						   .service_of_group = service_of_group,
					   });
	return s->tallies ? 0 : -ENOMEM;
}

int stats_open(struct stats *s, struct pipeline *p, struct probe *probe, const struct config *c,
	       uint64_t now_ns)
{
	struct red_opts opts = {
		.max_series = c->max_series,
		.sizes = c->sizes,
		.server_address = c->server_address,
		.realtime_offset_ns = p->opts.source->realtime_offset_ns,
		.version = SONDE_VERSION,
		.now_ns = now_ns,
		.each_inflight = each_inflight,
		.each_service = each_service,
		.service_of = service_of,
		.each_dark = each_dark,
		.ctx = s,
	};
	struct exporter e;

	*s = (struct stats){ .pipeline = p, .config = c, .probe = probe, .began_ns = now_ns };
	/* the name of this host says nothing of one that was recorded */
	if (probe && gethostname(s->host, sizeof(s->host) - 1) == 0)
		opts.host_name = s->host;
	s->red = red_new(&opts);
	s->recent = recent_new(&(struct recent_opts){
		.now_ns = now_ns,
		.each_inflight = each_inflight,
		.each_dark = each_dark,
		.each_oldest = each_oldest,
		.service_of = service_of,
		.ctx = s,
	});
	if (!s->red || !s->recent || (probe && (open_procwalk(s, c) || open_tallies(s)))) {
		log_error("out of memory");
		return -ENOMEM;
	}
	red_exporter(s->red, &e);
	pipeline_add(p, &e);
	pipeline_add(p, &(struct exporter){ .name = "stats",
					    .self = s,
					    .on_txn = on_txn,
					    .tick = on_tick,
					    .on_exit = on_exit,
					    .on_rest = on_rest,
					    .on_oom = on_oom });
	return 0;
}

void stats_close(struct stats *s)
{
	red_free(s->red);
	s->red = NULL;
	recent_free(s->recent);
	s->recent = NULL;
	procwalk_free(s->procwalk);
	s->procwalk = NULL;
	tallies_free(s->tallies);
	s->tallies = NULL;
	offcpu_free(&s->offcpu);
	reclaims_free(&s->reclaims);
}

static void count_full(const struct stats *s, struct fulls *full)
{
	const struct pipeline *p = s->pipeline;

	*full = trace_stats(p->trace)->full;
	processes_full(p->procs, full);
	full->n[FULL_RECENT_SERVICES] = recent_stats(s->recent)->left_out;
	full->n[FULL_GRAPH] = graph_left_out(red_graph(s->red));
	if (p->opts.containers)
		full->n[FULL_CONTAINERS] = containers_left_out(p->opts.containers);
	if (p->opts.addresses)
		full->n[FULL_ADDRESSES] = addresses_left_out(p->opts.addresses);
	if (s->procwalk)
		procwalk_full(s->procwalk, full);
	full->n[FULL_RESOLVED] = naming_forgotten(p->naming);
	if (s->namespaces)
		full->n[FULL_NAMESPACES] = namespaces_left_out(s->namespaces);
	if (s->tls)
		full->n[FULL_TLS_FILES] = tls_stats(s->tls)->left_out;
	if (s->go_files)
		full->n[FULL_GO_FILES] = go_files_stats(s->go_files)->left_out;
}

const struct self *stats_self(struct stats *s, uint64_t now_ns)
{
	const struct asked *asked[INQUIRY_MAX];
	struct fulls full;
	struct self_source from = {
		.asked = asked,
		.probe = s->probe,
		.conns = s->pipeline->conns,
		.by_kind = s->pipeline->by_kind,
		.bad_records = s->pipeline->bad_records,
		.parents = trace_stats(s->pipeline->trace)->parents,
		.hurried = trace_stats(s->pipeline->trace)->hurried,
		.full = &full,
		.untallied = tallies_left_out(s->tallies),
		.propagate = s->propagate,
		.propagate_off = s->propagate_off,
		.began_ns = s->began_ns,
		.now_ns = now_ns,
	};

	count_full(s, &full);
	if (s->inquiry)
		from.n_asked = inquiry_asked(s->inquiry, asked);
	self_gather(&s->self, &from);
	return &s->self;
}

struct publishing {
	const struct overview *all;
	struct series_store *store;
	uint64_t now_ns;
};

static void publish_health(void *arg, struct service *service)
{
	const struct publishing *p = arg;
	const struct overview_service *s = overview_find(p->all, service->name);

	for (int i = 0; s && i < HEALTH_MAX; i++) {
		struct slice status = slice_str(health_name(i));
		struct series *series =
			series_get(p->store, METRIC_SERVICE_HEALTH, service, &status, p->now_ns);

		if (series)
			series->value = s->health.status == (enum health_status)i ? METRIC_ONE : 0;
	}
}

/* Of each instance what its service is; none of what nothing was seen of in the last minute. */
static void health_publish(struct stats *s, struct series_store *store, uint64_t now_ns)
{
	struct publishing p = { .store = store, .now_ns = now_ns };
	struct overview all;

	if (overview_read(&all, s->recent, s->config->health.v, s->config->health.n, now_ns))
		return;
	p.all = &all;
	processes_each_service(s->pipeline->procs, publish_health, &p);
	series_drop_older(store, METRIC_SERVICE_HEALTH, now_ns);
	overview_free(&all);
}

struct series_store *stats_collect(struct stats *s, uint64_t now_ns)
{
	struct series_store *store = red_store(s->red);

	self_publish(stats_self(s, now_ns), store, SONDE_VERSION, SONDE_COMMIT, now_ns);
	on_tick(s, now_ns);
	red_collect(s->red, now_ns);
	health_publish(s, store, now_ns);
	if (s->publish)
		s->publish(s->publish_ctx, store, now_ns);
	if (s->tallies)
		tallies_publish(s->tallies, now_ns);
	if (s->procwalk)
		procwalk_publish(s->procwalk, now_ns);
	if (s->probe)
		host_publish("/proc", store, now_ns);
	return store;
}
