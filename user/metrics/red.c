/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/red.h"

#include <stdlib.h>
#include <string.h>
#include "identity/process.h"
#include "metrics/red_impl.h"

struct red *red_new(const struct red_opts *opts)
{
	struct red *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->opts = *opts;
	r->store = series_store_new(opts->max_series);
	r->graph = graph_new(opts->now_ns);
	r->held = held_table_new();
	if (!r->store || !r->graph || !r->held) {
		red_free(r);
		return NULL;
	}
	return r;
}

void red_free(struct red *r)
{
	if (!r)
		return;
	series_store_free(r->store);
	graph_free(r->graph);
	held_table_free(r->held);
	free(r);
}

struct graph *red_graph(struct red *r)
{
	return r->graph;
}

void red_exemplars(struct red *r)
{
	r->has_exemplars = true;
}

struct series_store *red_store(struct red *r)
{
	return r->store;
}

static void red_on_stream(void *self, const struct txn_stream *t)
{
	struct red *r = self;
	struct slice kind = t->kind == TXN_STREAM_SSE ? SLICE("sse") : SLICE("websocket");
	struct series *s =
		series_get(r->store, METRIC_STREAM_DURATION, t->service, &kind, t->end_ns);

	if (s)
		hist_record(&s->hist, t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 0);
}

static void red_on_handshake(void *self, const struct txn_handshake *h)
{
	bool is_client = h->role == SONDE_ROLE_CLIENT;
	struct red *r = self;
	struct red_text text;
	struct slice v[] = {
		slice_str(h->next_protocol),
		slice_str(h->library ? h->library : "unknown"),
		{ 0 },
		{ 0 },
	};
	struct series *s;

	if (is_client || r->opts.server_address) {
		const struct sonde_addr *end = is_client ? &h->peer : &h->local;

		v[2] = slice_str(h->server_name);
		if (!v[2].n)
			v[2] = red_ip(h->family, end->ip, &text);
		v[3] = red_number(text.port, sizeof(text.port), end->port);
	}
	s = series_get(r->store, METRIC_TLS_HANDSHAKE, h->service, v, h->end_ns);
	if (s)
		hist_record(&s->hist, h->end_ns > h->start_ns ? h->end_ns - h->start_ns : 0);
}

static void red_seen(void *arg, struct service *s)
{
	struct red *r = arg;

	series_service_seen(r->store, s, s->last_seen_ns);
}

static void red_tick(void *self, uint64_t now_ns)
{
	struct red *r = self;

	if (r->opts.each_service)
		r->opts.each_service(r->opts.ctx, red_seen, r);
	series_expire(r->store, now_ns);
	graph_tick(r->store, now_ns);
}

void red_exporter(struct red *r, struct exporter *out)
{
	*out = (struct exporter){ .name = "metrics",
				  .self = r,
				  .on_txn = red_on_txn,
				  .on_stream = red_on_stream,
				  .on_handshake = red_on_handshake,
				  .tick = red_tick };
}

static void red_add_active(struct red *r, enum metric_id id, const struct service *service,
			   const struct slice *values)
{
	struct series *s = series_get(r->store, id, service, values, r->now_ns);

	if (s)
		s->value++;
}

static void red_inflight(void *arg, const struct conn_inflight *q)
{
	struct red *r = arg;
	const struct service *service = r->opts.service_of(r->opts.ctx, q->tgid);
	const struct proto *proto = proto_get(q->proto);
	struct slice active[] = { red_method(q->method), red_scheme(q->is_tls) };
	struct slice system = slice_str(q->system);
	struct slice protocol = slice_str(proto->name);
	uint64_t age_ns = r->now_ns > q->start_ns ? r->now_ns - q->start_ns : 0;
	bool is_server = q->role == SONDE_ROLE_SERVER;
	struct series *s;

	if (!service)
		return;
	if (proto->kind == KIND_WEB && is_server)
		red_add_active(r, METRIC_HTTP_SERVER_ACTIVE, service, active);
	if (proto->kind == KIND_DATABASE && !is_server)
		red_add_active(r, METRIC_DB_CLIENT_ACTIVE, service, &system);
	if (!is_server)
		return;
	if (proto->kind == KIND_RPC)
		red_add_active(r, METRIC_RPC_SERVER_ACTIVE, service, &system);
	s = series_get(r->store, METRIC_OLDEST_ACTIVE, service, &protocol, r->now_ns);
	if (s && age_ns > s->value)
		s->value = age_ns;
}

static void red_dark(void *arg, uint32_t tgid, const char *library)
{
	struct red *r = arg;
	const struct service *service = r->opts.service_of(r->opts.ctx, tgid);
	struct slice name = slice_str(library ? library : "unknown");

	if (service)
		red_add_active(r, METRIC_DARK, service, &name);
}

static void red_target(void *arg, struct series_service *service)
{
	struct red *r = arg;
	struct slice v[] = { slice_str(r->opts.host_name ? r->opts.host_name : ""), SLICE("linux"),
			     SLICE("sonde"), SLICE("c"),
			     slice_str(r->opts.version ? r->opts.version : "") };
	struct series *s = series_get_known(r->store, METRIC_TARGET, service, v, r->now_ns);

	if (s)
		s->value = 1;
}

static void red_store_facts(struct red *r)
{
	for (int id = 0; id < METRIC_MAX; id++) {
		const struct metric *m = metric_get(id);
		struct slice name = slice_str(m->name);
		struct series *s;

		if (!m->is_of_service)
			continue;
		s = series_get(r->store, METRIC_SERIES, NULL, &name, r->now_ns);
		if (s)
			s->value = series_count(r->store, id);
		s = series_get(r->store, METRIC_SERIES_OVERFLOW, NULL, &name, r->now_ns);
		if (s)
			s->value = series_overflows(r->store, id);
	}
}

void red_collect(struct red *r, uint64_t now_ns)
{
	r->now_ns = now_ns;
	series_zero(r->store, METRIC_HTTP_SERVER_ACTIVE);
	series_zero(r->store, METRIC_DB_CLIENT_ACTIVE);
	series_zero(r->store, METRIC_RPC_SERVER_ACTIVE);
	series_zero(r->store, METRIC_OLDEST_ACTIVE);
	series_zero(r->store, METRIC_DARK);
	if (r->opts.each_inflight && r->opts.service_of)
		r->opts.each_inflight(r->opts.ctx, red_inflight, r);
	if (r->opts.each_dark && r->opts.service_of)
		r->opts.each_dark(r->opts.ctx, red_dark, r);
	series_each_service(r->store, red_target, r);
	red_store_facts(r);
}
