/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions into series: which ones is found once for all that have the same labels. */
#include <string.h>
#include "metrics/red_impl.h"
#include "metrics/request_time.h"

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

/* A transaction whose series are being found. */
struct search {
	struct red *r;
	const struct txn *t;
	bool is_whole; /* no series is one that others fold into too: each such is told */
};

static struct series *find(struct search *f, enum metric_id id, const struct slice *values)
{
	struct series *s = series_get(f->r->store, id, f->t->service, values, f->t->end_ns);

	f->is_whole &= s && !s->is_overflow;
	return s;
}

static void find_http(struct search *f, struct held *h)
{
	const struct txn *t = f->t;
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
	if (!is_server || f->r->opts.server_address)
		red_server(t, &text, &v[HTTP_ADDRESS], &v[HTTP_PORT]);
	h->duration =
		find(f, is_server ? METRIC_HTTP_SERVER_DURATION : METRIC_HTTP_CLIENT_DURATION, v);
	if (!f->r->opts.sizes)
		return;
	h->request_body = find(
		f, is_server ? METRIC_HTTP_SERVER_REQUEST_BODY : METRIC_HTTP_CLIENT_REQUEST_BODY,
		v);
	/* of an endless response there is no size, and of none none */
	if (!t->is_stream && t->status > 0)
		h->response_body = find(f,
					is_server ? METRIC_HTTP_SERVER_RESPONSE_BODY
						  : METRIC_HTTP_CLIENT_RESPONSE_BODY,
					v);
}

static void find_database(struct search *f, struct held *h)
{
	const struct txn *t = f->t;
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

	if (!is_server || f->r->opts.server_address)
		red_server(t, &text, &v[DB_ADDRESS], &v[DB_PORT]);
	h->duration = find(f, is_server ? METRIC_DB_SERVER_DURATION : METRIC_DB_CLIENT_DURATION, v);
}

/* A name server's own answers are no lookups. */
static void find_names(struct search *f, struct held *h)
{
	const struct txn *t = f->t;
	struct slice v[] = { slice_str(t->target), slice_str(t->method), slice_str(t->status_text),
			     slice_str(t->error_type) };

	if (t->role == SONDE_ROLE_CLIENT)
		h->duration = find(f, METRIC_DNS_LOOKUP_DURATION, v);
}

static struct series *find_messages(struct search *f, struct slice method, bool is_sent)
{
	struct slice v[] = { method, is_sent ? SLICE("sent") : SLICE("received") };

	return find(f, METRIC_RPC_MESSAGES, v);
}

/* No HTTP series for the same exchange: to whoever observes it, it is one operation. */
static void find_rpc(struct search *f, struct held *h)
{
	const struct txn *t = f->t;
	bool is_server = t->role == SONDE_ROLE_SERVER;
	struct slice method = red_rpc_method(t);
	struct slice v[RPC_LABELS] = {
		[RPC_SYSTEM] = slice_str(t->system),
		[RPC_METHOD] = method,
		[RPC_STATUS] = slice_str(t->status_text),
		[RPC_ERROR_TYPE] = slice_str(t->error_type),
	};
	struct red_text text;

	if (!is_server || f->r->opts.server_address)
		red_server(t, &text, &v[RPC_ADDRESS], &v[RPC_PORT]);
	h->duration =
		find(f, is_server ? METRIC_RPC_SERVER_DURATION : METRIC_RPC_CLIENT_DURATION, v);
	if (t->request_messages)
		h->request_messages = find_messages(f, method, !is_server);
	if (t->response_messages)
		h->response_messages = find_messages(f, method, is_server);
}

static void find_connect(struct search *f, struct held *h)
{
	struct red_text text;
	struct slice v[] = { slice_str(f->t->error_type), { 0 }, { 0 } };

	red_server(f->t, &text, &v[1], &v[2]);
	h->connects = find(f, METRIC_TCP_CONNECTS, v);
}

/* True: what was found is good for the next one too. */
static bool find_all(struct red *r, const struct txn *t, struct held *h)
{
	struct search f = { .r = r, .t = t, .is_whole = true };
	const struct proto *proto = proto_get(t->proto);

	*h = (struct held){ 0 };
	if (!proto) {
		find_connect(&f, h);
		return f.is_whole;
	}
	switch (proto->kind) {
	case KIND_WEB: find_http(&f, h); break;
	case KIND_DATABASE: find_database(&f, h); break;
	case KIND_NAMES: find_names(&f, h); break;
	case KIND_RPC: find_rpc(&f, h); break;
	}
	return f.is_whole;
}

/* Of what is sampled, and only where what is sampled is exported. */
static void exemplar(const struct red *r, struct series *s, const struct txn *t, uint64_t value)
{
	struct exemplar e = {
		.value = value,
		.unix_ns = t->end_ns + (uint64_t)r->opts.realtime_offset_ns,
	};

	memcpy(e.trace_id, t->trace.trace_id, sizeof(e.trace_id));
	memcpy(e.span_id, t->trace.span_id, sizeof(e.span_id));
	series_exemplar(s, &e);
}

static void measure(const struct red *r, struct series *s, const struct txn *t, uint64_t value)
{
	if (!s)
		return;
	series_touch(s, t->end_ns);
	hist_record(&s->hist, value);
	if (r->has_exemplars && t->trace.is_sampled)
		exemplar(r, s, t, value);
}

static void count(struct series *s, const struct txn *t, uint64_t n)
{
	if (!s)
		return;
	series_touch(s, t->end_ns);
	s->value += n;
}

void red_on_txn(void *self, const struct txn *t)
{
	struct red *r = self;
	struct held found, *h;
	struct held_key key;
	bool is_whole = false;

	held_key(r->held, t, r->opts.server_address, &key);
	h = held_get(r->held, r->store, &key);
	if (!h) {
		h = &found;
		is_whole = find_all(r, t, h);
	}
	measure(r, h->duration, t, txn_duration_ns(t));
	measure(r, h->request_body, t, t->request_body_bytes);
	measure(r, h->response_body, t, t->response_body_bytes);
	count(h->request_messages, t, t->request_messages);
	count(h->response_messages, t, t->response_messages);
	count(h->connects, t, 1);
	request_time_add(r->store, t, h->waits);
	graph_txn(r->graph, r->store, t, &h->graph);
	if (is_whole)
		held_keep(r->held, &key, h);
}
