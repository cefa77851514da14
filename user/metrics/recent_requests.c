/* SPDX-License-Identifier: Apache-2.0 */
/* The single requests of recent.h: the latest and the slowest of each service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "metrics/recent_impl.h"
#include "util/slice.h"
#include "util/utf8.h"

static void kept_fill(struct recent_kept *k, const struct recent_leaf *leaf, const struct txn *t)
{
	/* a query says more than the words it is counted under; both are longer than its room */
	const char *what = t->query[0] ? t->query : t->target[0] ? t->target : t->operation;
	size_t n = what == t->operation ? sizeof(t->operation) : sizeof(k->what);

	k->start_ns = t->start_ns;
	k->end_ns = t->end_ns;
	k->request_bytes = t->request_bytes;
	k->response_bytes = t->response_bytes;
	k->waits = t->waits;
	k->leaf = leaf;
	memcpy(k->trace_id, t->trace.trace_id, sizeof(k->trace_id));
	memcpy(k->span_id, t->trace.span_id, sizeof(k->span_id));
	k->tgid = t->tgid;
	k->tid = t->tid;
	k->status = t->status;
	k->is_tls = t->is_tls;
	memcpy(k->method, t->method, sizeof(k->method));
	memcpy(k->what, what, n);
	k->what[sizeof(k->what) - 1] = '\0';
	memcpy(k->status_text, t->status_text, sizeof(k->status_text));
	memcpy(k->error_type, t->error_type, sizeof(k->error_type));
}

static uint64_t kept_ns(const struct recent_kept *k)
{
	return k->end_ns > k->start_ns ? k->end_ns - k->start_ns : 0;
}

static void find_fastest(struct recent_slow *slow)
{
	slow->fastest = 0;
	for (uint32_t i = 1; i < slow->n; i++)
		if (kept_ns(&slow->kept[i]) < kept_ns(&slow->kept[slow->fastest]))
			slow->fastest = i;
}

static void keep_slow(struct recent_service *s, const struct recent_leaf *leaf, const struct txn *t)
{
	uint64_t epoch = t->end_ns / RECENT_SLOT_NS;
	struct recent_slow **at = &s->slow[epoch % RECENT_SLOTS], *slow = *at;
	uint32_t place;

	if (!slow && !(slow = *at = calloc(1, sizeof(*slow))))
		return;
	if (epoch < slow->epoch)
		return;
	if (epoch > slow->epoch) {
		slow->epoch = epoch;
		slow->n = 0;
	}
	place = slow->n < RECENT_SLOW ? slow->n : slow->fastest;
	if (slow->n == RECENT_SLOW && txn_duration_ns(t) <= kept_ns(&slow->kept[place]))
		return;
	kept_fill(&slow->kept[place], leaf, t);
	slow->n += slow->n < RECENT_SLOW;
	if (slow->n == RECENT_SLOW)
		find_fastest(slow);
}

void recent_keep(struct recent_leaf *leaf, const struct txn *t)
{
	struct recent_service *s = leaf->endpoint->service;

	s->last_ns = t->end_ns > s->last_ns ? t->end_ns : s->last_ns;
	kept_fill(&s->latest[s->n_kept++ % RECENT_REQUESTS], leaf, t);
	keep_slow(s, leaf, t);
}

void recent_unkeep(struct recent_service *s, const struct recent_leaf *leaf)
{
	for (size_t i = 0; i < RECENT_REQUESTS; i++)
		if (s->latest[i].leaf == leaf)
			s->latest[i].leaf = NULL;
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		for (uint32_t j = 0; s->slow[i] && j < s->slow[i]->n; j++)
			if (s->slow[i]->kept[j].leaf == leaf)
				s->slow[i]->kept[j].leaf = NULL;
}

/* --- reading --- */

struct found {
	const struct recent_kept **list;
	size_t n, room;
};

static bool is_wanted(const struct recent_kept *k, const struct recent_query *q)
{
	uint64_t window_ns =
		q->window_ns && q->window_ns < RECENT_WINDOW_NS ? q->window_ns : RECENT_WINDOW_NS;
	const struct recent_leaf *leaf = k->leaf;

	if (!leaf || k->end_ns + window_ns < q->now_ns)
		return false;
	return (!q->role || leaf->endpoint->role == q->role) &&
	       (!q->endpoint || strcmp(leaf->endpoint->name, q->endpoint) == 0) &&
	       (!q->peer || strcmp(leaf->peer, q->peer) == 0) &&
	       (!q->errors_only || k->error_type[0]);
}

static void find(struct found *f, const struct recent_kept *k, const struct recent_query *q)
{
	if (f->n < f->room && is_wanted(k, q))
		f->list[f->n++] = k;
}

static void find_of_service(struct found *f, const struct recent_service *s,
			    const struct recent_query *q, enum recent_kind kind)
{
	if (q->service && strcmp(s->name, q->service) != 0)
		return;
	if (kind == RECENT_LATEST)
		for (size_t i = 0; i < RECENT_REQUESTS; i++)
			find(f, &s->latest[i], q);
	else
		for (size_t i = 0; i < RECENT_SLOTS; i++)
			for (uint32_t j = 0; s->slow[i] && j < s->slow[i]->n; j++)
				find(f, &s->slow[i]->kept[j], q);
}

static int newest_first(const void *a, const void *b)
{
	const struct recent_kept *x = *(const struct recent_kept *const *)a;
	const struct recent_kept *y = *(const struct recent_kept *const *)b;

	if (x->end_ns != y->end_ns)
		return x->end_ns < y->end_ns ? 1 : -1;
	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static int slowest_first(const void *a, const void *b)
{
	const struct recent_kept *x = *(const struct recent_kept *const *)a;
	const struct recent_kept *y = *(const struct recent_kept *const *)b;

	if (kept_ns(x) != kept_ns(y))
		return kept_ns(x) < kept_ns(y) ? 1 : -1;
	return newest_first(a, b);
}

static void tell(const struct recent_kept *k, struct recent_request *out)
{
	const struct recent_endpoint *e = k->leaf->endpoint;
	char what[TXN_METHOD_LEN + RECENT_WHAT_LEN + 2];

	*out = (struct recent_request){
		.start_ns = k->start_ns,
		.end_ns = k->end_ns,
		.request_bytes = k->request_bytes,
		.response_bytes = k->response_bytes,
		.waits = k->waits,
		.tgid = k->tgid,
		.tid = k->tid,
		.status = k->status,
		.proto = e->proto,
		.role = e->role,
		.is_tls = k->is_tls,
	};
	memcpy(out->trace_id, k->trace_id, sizeof(out->trace_id));
	memcpy(out->span_id, k->span_id, sizeof(out->span_id));
	memcpy(out->service, e->service->name, sizeof(out->service));
	memcpy(out->endpoint, e->name, sizeof(out->endpoint));
	memcpy(out->peer, k->leaf->peer, sizeof(out->peer));
	snprintf(what, sizeof(what), "%s%s%s", k->method, k->method[0] && k->what[0] ? " " : "",
		 k->what);
	utf8_clean(out->what, sizeof(out->what), slice_str(what));
	utf8_clean(out->status_text, sizeof(out->status_text), slice_str(k->status_text));
	utf8_clean(out->error_type, sizeof(out->error_type), slice_str(k->error_type));
}

size_t recent_requests(const struct recent *r, const struct recent_query *q, enum recent_kind kind,
		       struct recent_request *out, size_t max)
{
	struct found f = { .room = r->services.n * RECENT_SLOTS * RECENT_SLOW };
	uint64_t key;
	void *value;

	f.list = calloc(f.room + 1, sizeof(const struct recent_kept *));
	if (!f.list)
		return 0;
	for (size_t i = 0; map_next(&r->services, &i, &key, &value);)
		find_of_service(&f, value, q, kind);
	qsort(f.list, f.n, sizeof(*f.list), kind == RECENT_LATEST ? newest_first : slowest_first);
	f.n = f.n < max ? f.n : max;
	for (size_t i = 0; i < f.n; i++) {
		tell(f.list[i], &out[i]);
		out[i].age_ns = q->now_ns > out[i].end_ns ? q->now_ns - out[i].end_ns : 0;
	}
	free(f.list);
	return f.n;
}

/* --- in flight --- */

struct in_flight {
	const struct recent_query *q;
	struct recent_request *out;
	size_t n, max;
};

static void add_in_flight(void *arg, const struct txn *t)
{
	struct in_flight *f = arg;
	struct recent_endpoint e = { .role = t->role, .proto = t->proto };
	struct recent_service s = { 0 };
	struct recent_leaf leaf = { .endpoint = &e };
	struct recent_kept kept = { 0 };

	if (f->n == f->max || !t->service)
		return;
	e.service = &s;
	recent_name(&leaf, t);
	kept_fill(&kept, &leaf, t);
	if ((f->q->service && strcmp(s.name, f->q->service) != 0) || !is_wanted(&kept, f->q))
		return;
	tell(&kept, &f->out[f->n]);
	f->out[f->n++].is_in_flight = true;
}

size_t recent_in_flight(const struct recent *r, const struct recent_query *q,
			struct recent_request *out, size_t max)
{
	struct in_flight f = { .q = q, .out = out, .max = max };

	if (r->opts.each_oldest)
		r->opts.each_oldest(r->opts.ctx, q->now_ns, add_in_flight, &f);
	return f.n;
}
