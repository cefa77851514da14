/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/graph.h"
#include "metrics/red.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "identity/process.h"
#include "metrics/request_time.h"
#include "proto/http1.h"

/* The order of HTTP_SERVER_LABELS in catalogue.def, checked by a test. */
enum {
	HTTP_METHOD,
	HTTP_ROUTE,
	HTTP_STATUS,
	HTTP_SCHEME,
	HTTP_VERSION,
	HTTP_ERROR_TYPE,
	HTTP_ADDRESS,
	HTTP_PORT,
	HTTP_LABELS,
};

/* The order of DB_LABELS. */
enum {
	DB_SYSTEM,
	DB_SUMMARY,
	DB_OPERATION,
	DB_COLLECTION,
	DB_NAMESPACE,
	DB_STATUS,
	DB_ERROR_TYPE,
	DB_ADDRESS,
	DB_PORT,
	DB_LABELS,
};

/* The order of RPC_LABELS. */
enum {
	RPC_SYSTEM,
	RPC_METHOD,
	RPC_STATUS,
	RPC_ERROR_TYPE,
	RPC_ADDRESS,
	RPC_PORT,
	RPC_LABELS,
};

struct red {
	struct red_opts opts;
	struct series_store *store;
	struct graph *graph;
	bool has_exemplars;
	uint64_t now_ns; /* of red_collect(), for its callbacks */
};

struct red *red_new(const struct red_opts *opts)
{
	struct red *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->opts = *opts;
	r->store = series_store_new(opts->max_series);
	r->graph = graph_new(opts->now_ns);
	if (!r->store || !r->graph) {
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

static struct slice red_number(char *text, size_t size, unsigned int n)
{
	size_t at = size;

	do
		text[--at] = (char)('0' + n % 10);
	while (n /= 10);
	return (struct slice){ (const uint8_t *)text + at, size - at };
}

static struct slice red_scheme(bool is_tls)
{
	return is_tls ? SLICE("https") : SLICE("http");
}

static struct slice red_method(const char *method)
{
	struct slice s = slice_str(method);

	return http_method_known(s) ? s : SLICE("_OTHER");
}

struct slice red_ip(enum sonde_family family, const uint8_t ip[16], struct red_text *text)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool is_mapped = family == SONDE_FAMILY_IPV6 && memcmp(ip, mapped, sizeof(mapped)) == 0;

	if (family == SONDE_FAMILY_IPV4 || is_mapped)
		inet_ntop(AF_INET, is_mapped ? ip + sizeof(mapped) : ip, text->address,
			  sizeof(text->address));
	else
		inet_ntop(AF_INET6, ip, text->address, sizeof(text->address));
	return slice_str(text->address);
}

void red_server(const struct txn *t, struct red_text *text, struct slice *address,
		struct slice *port)
{
	const struct sonde_addr *end = t->role == SONDE_ROLE_CLIENT ? &t->peer : &t->local;
	uint16_t number = t->host_port ? t->host_port : end->port;

	*address = slice_str(t->host);
	if (address->n == 0 && t->family == SONDE_FAMILY_UNIX) {
		memcpy(text->address, t->unix_path, sizeof(text->address));
		if (t->unix_path_len && text->address[0] == '\0')
			text->address[0] = '@'; /* an abstract name, as everybody writes it */
		*address = slice_str(text->address);
	} else if (address->n == 0 && t->family != SONDE_FAMILY_NONE) {
		*address = red_ip(t->family, end->ip, text);
	}
	if (number == 0 && t->host[0])
		number = t->is_tls ? 443 : 80;
	*port = number ? red_number(text->port, sizeof(text->port), number) : SLICE("");
}

/* Of what is sampled, and only where what is sampled is exported. */
static void red_exemplar(const struct red *r, struct series *s, const struct txn *t, uint64_t value)
{
	struct exemplar e = {
		.value = value,
		.unix_ns = t->end_ns + (uint64_t)r->opts.realtime_offset_ns,
	};

	if (!r->has_exemplars || !t->trace.is_sampled)
		return;
	memcpy(e.trace_id, t->trace.trace_id, sizeof(e.trace_id));
	memcpy(e.span_id, t->trace.span_id, sizeof(e.span_id));
	series_exemplar(s, &e);
}

static void red_measure(struct red *r, enum metric_id id, const struct txn *t,
			const struct slice *values, uint64_t value)
{
	struct series *s = series_get(r->store, id, t->service, values, t->end_ns);

	if (!s)
		return;
	hist_record(&s->hist, value);
	red_exemplar(r, s, t, value);
}

static void red_http(struct red *r, const struct txn *t)
{
	bool is_server = t->role == SONDE_ROLE_SERVER;
	struct slice v[HTTP_LABELS] = {
		[HTTP_METHOD] = red_method(t->method),
		[HTTP_ROUTE] = slice_str(t->route),
		[HTTP_SCHEME] = red_scheme(t->is_tls),
		[HTTP_VERSION] = slice_str(t->version),
		[HTTP_ERROR_TYPE] = slice_str(t->error_type),
	};
	struct red_text text;

	if (t->status > 0)
		v[HTTP_STATUS] =
			red_number(text.status, sizeof(text.status), (unsigned int)t->status);
	if (!is_server || r->opts.server_address)
		red_server(t, &text, &v[HTTP_ADDRESS], &v[HTTP_PORT]);
	red_measure(r, is_server ? METRIC_HTTP_SERVER_DURATION : METRIC_HTTP_CLIENT_DURATION, t, v,
		    txn_duration_ns(t));
	if (!r->opts.sizes)
		return;
	red_measure(r,
		    is_server ? METRIC_HTTP_SERVER_REQUEST_BODY : METRIC_HTTP_CLIENT_REQUEST_BODY,
		    t, v, t->request_body_bytes);
	/* of an endless response there is no size, and of none none */
	if (!t->is_stream && t->status > 0)
		red_measure(r,
			    is_server ? METRIC_HTTP_SERVER_RESPONSE_BODY
				      : METRIC_HTTP_CLIENT_RESPONSE_BODY,
			    t, v, t->response_body_bytes);
}

static void red_database(struct red *r, const struct txn *t)
{
	bool is_server = t->role == SONDE_ROLE_SERVER;
	struct slice v[DB_LABELS] = {
		[DB_SYSTEM] = slice_str(t->system),
		[DB_SUMMARY] = slice_str(t->summary),
		[DB_OPERATION] = slice_str(t->operation),
		[DB_COLLECTION] = slice_str(t->collection),
		[DB_NAMESPACE] = slice_str(t->name_space),
		[DB_STATUS] = slice_str(t->status_text),
		[DB_ERROR_TYPE] = slice_str(t->error_type),
	};
	struct red_text text;

	if (!is_server || r->opts.server_address)
		red_server(t, &text, &v[DB_ADDRESS], &v[DB_PORT]);
	red_measure(r, is_server ? METRIC_DB_SERVER_DURATION : METRIC_DB_CLIENT_DURATION, t, v,
		    txn_duration_ns(t));
}

/* A name server's own answers are no lookups. */
static void red_names(struct red *r, const struct txn *t)
{
	struct slice v[] = { slice_str(t->target), slice_str(t->method), slice_str(t->status_text),
			     slice_str(t->error_type) };

	if (t->role == SONDE_ROLE_CLIENT)
		red_measure(r, METRIC_DNS_LOOKUP_DURATION, t, v, txn_duration_ns(t));
}

struct slice red_rpc_method(const struct txn *t)
{
	return slice_str(t->target[0] == '/' ? t->target + 1 : t->target);
}

static void red_messages(struct red *r, const struct txn *t, struct slice method,
			 struct slice direction, uint32_t n)
{
	struct slice v[] = { method, direction };
	struct series *s =
		n ? series_get(r->store, METRIC_RPC_MESSAGES, t->service, v, t->end_ns) : NULL;

	if (s)
		s->value += n;
}

/* No HTTP series for the same exchange: to whoever observes it, it is one operation. */
static void red_rpc(struct red *r, const struct txn *t)
{
	bool is_server = t->role == SONDE_ROLE_SERVER;
	struct slice method = red_rpc_method(t);
	struct slice v[RPC_LABELS] = {
		[RPC_SYSTEM] = slice_str(t->system),
		[RPC_METHOD] = method,
		[RPC_STATUS] = slice_str(t->status_text),
		[RPC_ERROR_TYPE] = slice_str(t->error_type),
	};
	struct red_text text;

	if (!is_server || r->opts.server_address)
		red_server(t, &text, &v[RPC_ADDRESS], &v[RPC_PORT]);
	red_measure(r, is_server ? METRIC_RPC_SERVER_DURATION : METRIC_RPC_CLIENT_DURATION, t, v,
		    txn_duration_ns(t));
	red_messages(r, t, method, is_server ? SLICE("received") : SLICE("sent"),
		     t->request_messages);
	red_messages(r, t, method, is_server ? SLICE("sent") : SLICE("received"),
		     t->response_messages);
}

static void red_connect(struct red *r, const struct txn *t)
{
	struct red_text text;
	struct slice v[] = { slice_str(t->error_type), { 0 }, { 0 } };
	struct series *s;

	red_server(t, &text, &v[1], &v[2]);
	s = series_get(r->store, METRIC_TCP_CONNECTS, t->service, v, t->end_ns);
	if (s)
		s->value++;
}

static void red_on_txn(void *self, const struct txn *t)
{
	const struct proto *proto = proto_get(t->proto);
	struct red *r = self;

	if (proto) {
		switch (proto->kind) {
		case KIND_WEB: red_http(r, t); break;
		case KIND_DATABASE: red_database(r, t); break;
		case KIND_NAMES: red_names(r, t); break;
		case KIND_RPC: red_rpc(r, t); break;
		}
	} else {
		red_connect(r, t);
	}
	request_time_add(r->store, t);
	graph_txn(r->graph, r->store, t);
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
