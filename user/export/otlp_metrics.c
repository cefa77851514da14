/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An export is a list of keys, sorted by service, then metric: series may come and go between two
 * requests, so each is looked up again when its turn comes.
 */
#include "export/otlp_metrics.h"

#include <stdlib.h>
#include "export/otlp_point.h"
#include "util/map.h"

/* opentelemetry/proto/collector/metrics/v1/metrics_service.proto, metrics/v1/metrics.proto */
static const struct otlp_field f_resource_metrics = OTLP_FIELD(1, "resourceMetrics");
static const struct otlp_field f_scope_metrics = OTLP_FIELD(2, "scopeMetrics");
static const struct otlp_field f_metrics = OTLP_FIELD(2, "metrics");

struct key {
	uint64_t serial;
	uint32_t service; /* 0: sonde itself, others in the order in which they were first seen */
	enum metric_id metric;
};

/* What was told last of a series, where only the difference is told. */
struct past {
	uint64_t at_ns, value;
	uint32_t export;
	struct hist hist; /* histograms */
};

struct otlp_metrics {
	struct otlp_metrics_opts opts;
	struct series_store *store; /* borrowed */
	struct key *keys;	    /* owned */
	size_t n, cap, at;
	uint32_t export;  /* number of the one under way */
	struct map pasts; /* serial -> struct past, owned */
};

/* A request that is being written. */
struct request {
	struct otlp_metrics *m;
	struct otlp_out *o;
	uint64_t now_ns;
	size_t points;
	bool is_open, is_metric_open;
	uint32_t service;
	enum metric_id id;
	size_t resource, scope;
	struct otlp_metric metric;
};

struct otlp_metrics *otlp_metrics_new(const struct otlp_metrics_opts *opts)
{
	struct otlp_metrics *m = calloc(1, sizeof(*m));

	if (m)
		m->opts = *opts;
	return m;
}

static void past_free(struct past *p)
{
	hist_free(&p->hist);
	free(p);
}

void otlp_metrics_free(struct otlp_metrics *m)
{
	uint64_t serial;
	void *past;

	if (!m)
		return;
	for (size_t i = 0; map_next(&m->pasts, &i, &serial, &past);)
		past_free(past);
	map_free(&m->pasts);
	free(m->keys);
	free(m);
}

struct numbering {
	struct map order; /* struct series_service * -> its number */
	uintptr_t n;
	bool is_failed;
};

static void number_service(void *ctx, struct series_service *s)
{
	struct numbering *n = ctx;

	if (map_put(&n->order, (uintptr_t)s, (void *)++n->n) < 0)
		n->is_failed = true;
}

static int add_key(struct otlp_metrics *m, const struct series *s, uint32_t service)
{
	size_t cap = m->cap ? 2 * m->cap : 256;
	struct key *wider;

	if (m->n == m->cap) {
		wider = realloc(m->keys, cap * sizeof(*wider));
		if (!wider)
			return -1;
		m->keys = wider;
		m->cap = cap;
	}
	m->keys[m->n++] = (struct key){ s->serial, service, s->metric };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

int otlp_metrics_begin(struct otlp_metrics *m, struct series_store *st)
{
	struct numbering numbering = { .n = 0 };
	int err = 0;

	m->store = st;
	m->n = m->at = 0;
	m->export ++;
	series_each_service(st, number_service, &numbering);
	for (int id = 0; id < METRIC_MAX && !err; id++) {
		const struct series *s = NULL;

		if (id == METRIC_TARGET) /* that is the resource */
			continue;
		while (!err && (s = series_after(st, (enum metric_id)id, s ? s->serial : 0)))
			err = add_key(m, s,
				      s->service ? (uint32_t)(uintptr_t)map_get(
							   &numbering.order, (uintptr_t)s->service)
						 : 0);
	}
	map_free(&numbering.order);
	if (err || numbering.is_failed) {
		m->n = 0;
		return -1;
	}
	qsort(m->keys, m->n, sizeof(*m->keys), compare);
	return 0;
}

static void close_metric(struct request *r)
{
	if (r->is_metric_open)
		otlp_metric_end(&r->metric);
	r->is_metric_open = false;
}

static void close_resource(struct request *r)
{
	close_metric(r);
	if (!r->is_open)
		return;
	otlp_list_end(r->o);
	otlp_schema(r->o);
	otlp_end(r->o, r->scope);
	otlp_list_end(r->o);
	otlp_schema(r->o);
	otlp_end(r->o, r->resource);
	r->is_open = false;
}

static void open_resource(struct request *r, const struct key *k, const struct series *s)
{
	struct otlp_who who = r->m->opts.own;

	if (r->is_open && r->service == k->service)
		return;
	close_resource(r);
	if (s->service)
		who = (struct otlp_who){ s->service->name, s->service->name_space,
					 s->service->instance_id, s->service->facts };
	r->resource = otlp_element(r->o, f_resource_metrics);
	otlp_resource(r->o, r->m->opts.origin, &who);
	otlp_list(r->o, f_scope_metrics);
	r->scope = otlp_element(r->o, f_scope_metrics);
	otlp_scope(r->o, r->m->opts.origin);
	otlp_list(r->o, f_metrics);
	r->is_open = true;
	r->service = k->service;
}

static bool is_delta(const struct otlp_metrics *m, const struct metric *metric)
{
	if (metric->kind != METRIC_COUNTER && metric->kind != METRIC_HISTOGRAM)
		return false;
	/* what is about sonde itself is read when it is asked for */
	return m->opts.temporality == OTLP_DELTA ||
	       (m->opts.temporality == OTLP_LOWMEMORY && metric->is_of_service);
}

static void open_metric(struct request *r, const struct key *k)
{
	const struct metric *metric = metric_get(k->metric);

	if (r->is_metric_open && r->id == k->metric)
		return;
	close_metric(r);
	r->metric = otlp_metric_begin(r->o, metric, otlp_shape(metric, r->m->opts.is_exponential),
				      is_delta(r->m, metric));
	r->is_metric_open = true;
	r->id = k->metric;
}

static struct past *past_of(struct otlp_metrics *m, const struct series *s, uint64_t start_ns)
{
	const struct metric *metric = metric_get(s->metric);
	struct past *p = map_get(&m->pasts, s->serial);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->at_ns = start_ns;
	if ((metric->kind == METRIC_HISTOGRAM && hist_init(&p->hist, metric->bounds) < 0) ||
	    map_put(&m->pasts, s->serial, p) < 0) {
		past_free(p);
		return NULL;
	}
	return p;
}

/* Makes a point what happened since it was last told. False: nothing did, or no memory. */
static bool since(struct otlp_metrics *m, struct otlp_point *point, struct hist *room,
		  uint64_t start_ns, uint64_t now_ns)
{
	const struct series *s = point->series;
	struct past *p = past_of(m, s, start_ns);

	if (!p)
		return false;
	p->export = m->export;
	if (point->hist) {
		if (s->hist.count == p->hist.count || hist_since(room, &s->hist, &p->hist) < 0)
			return false;
		hist_clear(&p->hist);
		hist_merge(&p->hist, &s->hist);
		point->hist = room;
		point->has_extremes = false;
	} else {
		if (s->value == p->value)
			return false;
		point->value = s->value - p->value;
		p->value = s->value;
	}
	point->start_unix_ns = p->at_ns + (uint64_t)m->opts.realtime_offset_ns;
	p->at_ns = now_ns;
	return true;
}

static void write_point(struct request *r, const struct key *k, const struct series *s)
{
	const struct metric *metric = metric_get(k->metric);
	uint64_t offset = (uint64_t)r->m->opts.realtime_offset_ns;
	uint64_t start_ns = metric->is_of_service ? s->created_ns : r->m->opts.began_ns;
	struct otlp_point p = {
		.series = s,
		.start_unix_ns = start_ns + offset,
		.unix_ns = r->now_ns + offset,
		.has_extremes = true,
	};
	struct hist room = { 0 };

	if (metric->kind == METRIC_HISTOGRAM)
		p.hist = &s->hist;
	else
		p.value = s->value;
	if (is_delta(r->m, metric)) {
		if (p.hist && hist_init(&room, metric->bounds) < 0)
			return;
		if (!since(r->m, &p, &room, start_ns, r->now_ns))
			goto out;
	}
	open_resource(r, k, s);
	open_metric(r, k);
	otlp_metric_point(&r->metric, &p);
	r->points++;
out:
	hist_free(&room);
}

/* Series that are gone have no past. */
static void forget(struct otlp_metrics *m)
{
	uint64_t serial, gone[64];
	size_t n;
	void *v;

	do {
		n = 0;
		for (size_t i = 0; n < 64 && map_next(&m->pasts, &i, &serial, &v);)
			if (((struct past *)v)->export != m->export)
				gone[n++] = serial;
		for (size_t i = 0; i < n; i++)
			past_free(map_del(&m->pasts, gone[i]));
	} while (n == 64);
}

size_t otlp_metrics_next(struct otlp_metrics *m, struct otlp_out *out, size_t max_bytes,
			 uint64_t now_ns)
{
	struct request r = { .m = m, .o = out, .now_ns = now_ns };

	otlp_root(out);
	otlp_list(out, f_resource_metrics);
	while (m->at < m->n && out->n < max_bytes) {
		const struct key *k = &m->keys[m->at++];
		const struct series *s = series_after(m->store, k->metric, k->serial - 1);

		if (s && s->serial == k->serial)
			write_point(&r, k, s);
	}
	close_resource(&r);
	otlp_list_end(out);
	otlp_root_end(out);
	if (m->at == m->n)
		forget(m);
	return out->is_failed ? 0 : r.points;
}
