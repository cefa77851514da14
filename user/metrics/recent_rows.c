/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of recent.h: leaves merged by what is asked for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/service.h"
#include "metrics/recent_impl.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/utf8.h"

enum { RATE_NOW_S = 5 };

/* A row being made. */
struct making {
	struct recent_row row;
	struct hist durations;
	uint64_t last_ns;
	bool is_mixed; /* of several protocols */
	bool is_named; /* of one service */
};

struct maker {
	const struct recent *r;
	const struct recent_query *q;
	uint64_t first, last; /* slots */
	uint64_t since_ns;    /* of the oldest slot that any window has: leaves silent since have
				 nothing */
	uint64_t covered_ns;
	struct map by_key;   /* place in rows, plus one */
	struct making *rows; /* owned */
	size_t n, room;
	bool is_out_of_memory;
};

static uint64_t service_key(const struct recent_service *s, enum sonde_role role)
{
	uint64_t h = hash_mix(RECENT_BY_SERVICE, role);

	return hash_slice(hash_slice(h, slice_str(s->name)), slice_str(s->name_space));
}

static uint64_t key_of(const struct maker *m, const struct recent_leaf *leaf)
{
	const struct recent_endpoint *e = leaf->endpoint;
	const struct recent_service *s = e->service;
	uint64_t h = hash_mix(m->q->group, e->role);

	switch (m->q->group) {
	case RECENT_BY_SERVICE: return service_key(s, e->role);
	case RECENT_BY_ENDPOINT:
		h = hash_slice(hash_mix(h, e->proto), slice_str(s->name));
		return hash_slice(h, slice_str(e->name));
	case RECENT_BY_PEER:
		return hash_slice(hash_slice(h, slice_str(s->name)), slice_str(leaf->peer));
	case RECENT_BY_PROTOCOL: return hash_mix(h, e->proto);
	}
	return h;
}

static const char *proto_name(enum proto_id id)
{
	const struct proto *proto = proto_get(id);

	return proto ? proto->name : "tcp";
}

static void name_row(struct recent_row *row, const struct recent_leaf *leaf)
{
	const struct recent_endpoint *e = leaf->endpoint;
	const char *name = e->service->name;

	switch (row->group) {
	case RECENT_BY_SERVICE: break;
	case RECENT_BY_ENDPOINT: name = e->name; break;
	case RECENT_BY_PEER: name = leaf->peer; break;
	case RECENT_BY_PROTOCOL: name = proto_name(e->proto); break;
	}
	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->protocol, sizeof(row->protocol), "%s", proto_name(e->proto));
	if (row->group == RECENT_BY_PROTOCOL)
		return;
	snprintf(row->service, sizeof(row->service), "%s", e->service->name);
	snprintf(row->name_space, sizeof(row->name_space), "%s", e->service->name_space);
}

/* A new one of that key; NULL: out of memory. */
static struct making *making_add(struct maker *m, uint64_t key, enum sonde_role role)
{
	size_t room = m->room ? m->room * 2 : 64;
	struct making *rows;

	if (m->n == m->room) {
		rows = realloc(m->rows, room * sizeof(*rows));
		if (!rows)
			return NULL;
		m->rows = rows;
		m->room = room;
	}
	if (map_put(&m->by_key, key, (void *)(uintptr_t)(m->n + 1)) < 0)
		return NULL;
	m->rows[m->n] = (struct making){
		.row = { .group = m->q->group, .role = role, .key = key },
	};
	return &m->rows[m->n++];
}

static struct making *making_get(struct maker *m, const struct recent_leaf *leaf)
{
	uint64_t key = key_of(m, leaf);
	uintptr_t at = (uintptr_t)map_get(&m->by_key, key);
	struct making *k;

	if (at) {
		k = &m->rows[at - 1];
		if (strcmp(k->row.protocol, proto_name(leaf->endpoint->proto)) != 0)
			k->is_mixed = true;
		return k;
	}
	k = making_add(m, key, leaf->endpoint->role);
	if (k)
		name_row(&k->row, leaf);
	else
		m->is_out_of_memory = true;
	return k;
}

static void add_slots(struct maker *m, struct making *k, const struct recent_sums *s)
{
	struct recent_figures *f = &k->row.f;

	for (size_t i = 0; i < RECENT_SLOTS; i++) {
		const struct recent_slot *slot = s->slots[i];

		if (!slot || slot->epoch < m->first || slot->epoch > m->last)
			continue;
		if (hist_merge(&k->durations, &slot->durations) < 0)
			m->is_out_of_memory = true;
		f->errors += slot->errors;
		f->request_bytes += slot->request_bytes;
		f->response_bytes += slot->response_bytes;
		for (int w = 0; w < WAIT_MAX; w++)
			f->waits[w] += slot->waits[w];
	}
}

static void add_seconds(const struct maker *m, struct making *k, const struct recent_sums *s)
{
	uint64_t now = m->q->now_ns / NS_PER_S;
	uint64_t second = now > RECENT_SPARK ? now - RECENT_SPARK : 0;
	uint64_t end = s->second < now ? s->second + 1 : now;

	if (second + RECENT_SECONDS <= s->second)
		second = s->second - RECENT_SECONDS + 1;
	for (; second < end; second++)
		k->row.f.spark[second + RECENT_SPARK - now] += s->seconds[second % RECENT_SECONDS];
}

static void add_sums(struct maker *m, struct making *k, const struct recent_sums *s)
{
	add_slots(m, k, s);
	add_seconds(m, k, s);
}

static bool is_wanted(const struct recent_leaf *leaf, const struct recent_query *q)
{
	const struct recent_endpoint *e = leaf->endpoint;

	return (!q->role || leaf->role == q->role) &&
	       (!q->service || strcmp(e->service->name, q->service) == 0) &&
	       (!q->endpoint || strcmp(e->name, q->endpoint) == 0) &&
	       (!q->peer || strcmp(leaf->peer, q->peer) == 0);
}

/* Whole services: their own sums say it. */
static bool is_of_services(const struct recent_query *q)
{
	return q->group == RECENT_BY_SERVICE && !q->endpoint && !q->peer;
}

static void add_leaves(struct maker *m)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&m->r->leaves, &i, &key, &value);) {
		const struct recent_leaf *leaf = value;
		struct making *k;

		if (!is_wanted(leaf, m->q) || !(k = making_get(m, leaf)))
			continue;
		k->row.is_service |= leaf->is_service;
		k->row.is_tls |= leaf->is_tls;
		k->last_ns = leaf->last_ns > k->last_ns ? leaf->last_ns : k->last_ns;
		if (!is_of_services(m->q) && leaf->last_ns >= m->since_ns)
			add_sums(m, k, &leaf->sums);
	}
}

/* What a service has leaves of has a row by now. */
static void add_services(struct maker *m)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&m->r->services, &i, &key, &value);) {
		const struct recent_service *s = value;

		for (int role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
			uintptr_t at = (uintptr_t)map_get(&m->by_key, service_key(s, role));

			if (at)
				add_sums(m, &m->rows[at - 1], &s->sums[role - 1]);
		}
	}
}

/* --- what is counted at the moment of asking: of services alone --- */

static struct making *making_of(struct maker *m, uint32_t tgid, enum sonde_role role)
{
	const struct service *s = m->r->opts.service_of(m->r->opts.ctx, tgid);
	uint64_t h = hash_mix(RECENT_BY_SERVICE, role);
	struct making *k;
	uintptr_t at;

	if (!s || (m->q->service && strcmp(s->name, m->q->service) != 0) ||
	    (m->q->role && m->q->role != role))
		return NULL;
	h = hash_slice(hash_slice(h, slice_str(s->name)), slice_str(s->name_space));
	at = (uintptr_t)map_get(&m->by_key, h);
	if (at)
		return &m->rows[at - 1];
	k = making_add(m, h, role);
	if (!k)
		return NULL;
	utf8_clean(k->row.name, sizeof(k->row.name), slice_str(s->name));
	utf8_clean(k->row.service, sizeof(k->row.service), slice_str(s->name));
	utf8_clean(k->row.name_space, sizeof(k->row.name_space), slice_str(s->name_space));
	return k;
}

static void add_inflight(void *arg, const struct conn_inflight *q)
{
	struct maker *m = arg;
	uint64_t age_ns = m->q->now_ns > q->start_ns ? m->q->now_ns - q->start_ns : 0;
	struct making *k = making_of(m, q->tgid, q->role);

	if (!k)
		return;
	if (!k->row.protocol[0])
		snprintf(k->row.protocol, sizeof(k->row.protocol), "%s", proto_name(q->proto));
	k->row.f.in_flight++;
	k->row.f.oldest_ns = age_ns > k->row.f.oldest_ns ? age_ns : k->row.f.oldest_ns;
}

/* Of a service nobody reads it is not known who asks whom: it is told as a server. */
static void add_dark(void *arg, uint32_t tgid, const char *library)
{
	struct making *k = making_of(arg, tgid, SONDE_ROLE_SERVER);

	if (k)
		k->row.encrypted++;
}

static void add_present(struct maker *m)
{
	const struct recent_opts *o = &m->r->opts;

	if (!is_of_services(m->q) || !o->service_of)
		return;
	if (o->each_inflight)
		o->each_inflight(o->ctx, add_inflight, m);
	if (o->each_dark)
		o->each_dark(o->ctx, add_dark, m);
}

/* --- the sums --- */

static uint64_t quantile(const struct hist *h, double q)
{
	return h->count ? (uint64_t)hist_quantile(h, q) : 0;
}

static void finish(const struct maker *m, struct making *k, uint64_t window_ns)
{
	struct recent_figures *f = &k->row.f;
	uint64_t now_ns = m->q->now_ns, began_ns = m->r->opts.now_ns, known_s;

	f->count = k->durations.count;
	f->duration_ns = k->durations.sum;
	f->rate = (double)f->count * (double)NS_PER_S / (double)m->covered_ns;
	f->error_ratio = f->count ? (double)f->errors / (double)f->count : 0;
	f->p50_ns = quantile(&k->durations, 0.5);
	f->p95_ns = quantile(&k->durations, 0.95);
	f->p99_ns = quantile(&k->durations, 0.99);
	f->max_ns = k->durations.max;
	f->idle_ns = k->last_ns < now_ns ? now_ns - k->last_ns : 0;
	f->idle_ns = f->idle_ns < window_ns ? f->idle_ns : window_ns;
	known_s = (now_ns - began_ns) / NS_PER_S;
	known_s = known_s < 1 ? 1 : known_s < RATE_NOW_S ? known_s : RATE_NOW_S;
	for (int i = 0; i < RATE_NOW_S; i++)
		f->rate_now += f->spark[RECENT_SPARK - 1 - i];
	f->rate_now /= (double)known_s;
	if (k->is_mixed)
		k->row.protocol[0] = '\0';
	hist_free(&k->durations);
}

static int busiest_first(const void *a, const void *b)
{
	const struct making *x = a, *y = b;
	int order;

	if (x->row.f.count != y->row.f.count)
		return x->row.f.count < y->row.f.count ? 1 : -1;
	order = strcmp(x->row.name, y->row.name);
	if (!order)
		order = (int)x->row.role - (int)y->row.role;
	return order ? order : x->row.key < y->row.key ? -1 : x->row.key > y->row.key;
}

static ssize_t hand_out(struct maker *m, uint64_t window_ns, struct recent_row **out)
{
	struct recent_row *rows;
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		finish(m, &m->rows[i], window_ns);
	if (m->n)
		qsort(m->rows, m->n, sizeof(*m->rows), busiest_first);
	rows = m->is_out_of_memory ? NULL : calloc(m->n + 1, sizeof(*rows));
	for (size_t i = 0; rows && i < m->n; i++)
		if (!m->q->errors_only || m->rows[i].row.f.errors)
			rows[n++] = m->rows[i].row;
	map_free(&m->by_key);
	free(m->rows);
	*out = rows;
	return rows ? (ssize_t)n : -ENOMEM;
}

ssize_t recent_rows(const struct recent *r, const struct recent_query *q, struct recent_row **out)
{
	struct maker m = { .r = r, .q = q, .last = q->now_ns / RECENT_SLOT_NS };
	uint64_t window_ns =
		q->window_ns && q->window_ns < RECENT_WINDOW_NS ? q->window_ns : RECENT_WINDOW_NS;
	uint64_t began_ns = r->opts.now_ns;

	if (q->now_ns > RECENT_WINDOW_NS)
		m.since_ns = (q->now_ns - RECENT_WINDOW_NS) / RECENT_SLOT_NS * RECENT_SLOT_NS;
	m.first = q->now_ns > window_ns ? (q->now_ns - window_ns) / RECENT_SLOT_NS : 0;
	if (m.first * RECENT_SLOT_NS > began_ns)
		began_ns = m.first * RECENT_SLOT_NS;
	m.covered_ns = q->now_ns > began_ns ? q->now_ns - began_ns : 1;
	add_leaves(&m);
	if (is_of_services(q))
		add_services(&m);
	add_present(&m);
	return hand_out(&m, window_ns, out);
}
