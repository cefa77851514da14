/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue is a ring of bytes: a head for each span, then the span as it goes over the wire. What
 * does not fit before the ring's end goes to its beginning, and the rest is left empty.
 *
 *   |  span | span |        empty        | span | span | span | left |
 *           tail -^                      ^- head
 */
#include "export/otlp_spans.h"

#include <stdlib.h>
#include <string.h>
#include "export/otlp_owner.h"
#include "export/otlp_span.h"
#include "util/map.h"

struct group {
	struct otlp_owner owner;
	size_t n;	    /* spans in the queue */
	struct group *next; /* in the request that is being written */
	struct item *first, *last;
};

/* Stands before each span in the ring. */
struct item {
	struct group *group; /* NULL: what is left of the ring is empty */
	struct item *next;   /* of its group in the request */
	uint32_t n;	     /* bytes of the span */
	uint32_t size;	     /* of all, the next one is that far */
};

struct otlp_spans {
	struct otlp_spans_opts opts;
	uint8_t *ring; /* owned */
	size_t head, tail, n_spans, bytes;
	struct map groups; /* service id -> struct group, owned */
	struct otlp_out span;
};

struct otlp_spans *otlp_spans_new(const struct otlp_spans_opts *opts)
{
	struct otlp_spans *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->opts = *opts;
	q->opts.max_bytes -= q->opts.max_bytes % sizeof(struct item);
	q->ring = malloc(q->opts.max_bytes);
	if (!q->ring) {
		free(q);
		return NULL;
	}
	otlp_out_init(&q->span, opts->form, 0);
	return q;
}

static void group_free(struct group *g)
{
	otlp_owner_free(&g->owner);
	free(g);
}

void otlp_spans_free(struct otlp_spans *q)
{
	uint64_t id;
	void *group;

	if (!q)
		return;
	for (size_t i = 0; map_next(&q->groups, &i, &id, &group);)
		group_free(group);
	map_free(&q->groups);
	otlp_out_free(&q->span);
	free(q->ring);
	free(q);
}

size_t otlp_spans_count(const struct otlp_spans *q)
{
	return q->n_spans;
}

size_t otlp_spans_bytes(const struct otlp_spans *q)
{
	return q->bytes;
}

static struct group *group_get(struct otlp_spans *q, const struct service *s)
{
	struct group *g = map_get(&q->groups, s->id);

	if (g) {
		otlp_owner_learn(&g->owner, s);
		return g;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	otlp_owner_init(&g->owner, s);
	if (map_put(&q->groups, s->id, g) < 0) {
		group_free(g);
		return NULL;
	}
	return g;
}

static void group_release(struct otlp_spans *q, struct group *g)
{
	if (g->n)
		return;
	map_del(&q->groups, g->owner.id);
	group_free(g);
}

/* NULL: the queue is empty. */
static struct item *oldest(struct otlp_spans *q)
{
	struct item *i;

	if (q->n_spans == 0)
		return NULL;
	i = (struct item *)(q->ring + q->head);
	if (i->group)
		return i;
	q->head = 0;
	return (struct item *)q->ring;
}

/* The oldest leaves the queue. Its bytes stay where they are until something is added. */
static void leave(struct otlp_spans *q, struct item *i)
{
	q->head += i->size;
	if (q->head == q->opts.max_bytes)
		q->head = 0;
	q->n_spans--;
	q->bytes -= i->n;
	i->group->n--;
	if (q->n_spans == 0)
		q->head = q->tail = 0;
}

static void drop_oldest(struct otlp_spans *q)
{
	struct item *i = oldest(q);
	struct group *g = i->group;

	leave(q, i);
	group_release(q, g);
}

/* A place for `size` bytes in one run, or NULL. */
static struct item *place(struct otlp_spans *q, size_t size)
{
	bool is_wrapped = q->n_spans && q->tail <= q->head;
	size_t room = (is_wrapped ? q->head : q->opts.max_bytes) - q->tail;

	if (room >= size)
		return (struct item *)(q->ring + q->tail);
	if (is_wrapped || q->head < size)
		return NULL;
	if (room) /* a whole item always fits: sizes are multiples of it */
		((struct item *)(q->ring + q->tail))->group = NULL;
	q->tail = 0;
	return (struct item *)q->ring;
}

size_t otlp_spans_add(struct otlp_spans *q, const struct txn *t)
{
	size_t dropped = 0, size;
	struct group *g;
	struct item *i;

	if (!otlp_span_wanted(t) || !t->service)
		return 0;
	otlp_out_clear(&q->span);
	otlp_span(&q->span, t, q->opts.realtime_offset_ns);
	size = sizeof(*i) + (q->span.n + sizeof(*i) - 1) / sizeof(*i) * sizeof(*i);
	if (q->span.is_failed || size > q->opts.max_bytes)
		return 1;
	while ((q->opts.max_spans && q->n_spans >= q->opts.max_spans) || !(i = place(q, size))) {
		drop_oldest(q);
		dropped++;
	}
	g = group_get(q, t->service);
	if (!g)
		return dropped + 1;
	*i = (struct item){ .group = g, .n = (uint32_t)q->span.n, .size = (uint32_t)size };
	memcpy(i + 1, q->span.p, q->span.n);
	q->tail += size;
	if (q->tail == q->opts.max_bytes)
		q->tail = 0;
	q->n_spans++;
	q->bytes += q->span.n;
	g->n++;
	return dropped;
}

static void write_group(const struct otlp_spans *q, struct otlp_out *o, const struct group *g)
{
	struct otlp_frame frame = otlp_owner_begin(&g->owner, o, q->opts.origin);

	for (const struct item *i = g->first; i; i = i->next)
		otlp_owner_span(o, (struct slice){ (const uint8_t *)(i + 1), i->n });
	otlp_owner_end(o, frame);
}

/* The services whose spans are taken, in the order in which they come up, each with its spans. */
static struct group *gather(struct otlp_spans *q, size_t max_bytes, size_t max_spans, size_t *n)
{
	struct group *groups = NULL, **end = &groups;
	size_t head = q->head, bytes = 0;

	for (*n = 0; *n < q->n_spans && (!max_spans || *n < max_spans); (*n)++) {
		struct item *i = (struct item *)(q->ring + head);

		if (!i->group)
			i = (struct item *)q->ring;
		if (*n && bytes + i->n > max_bytes)
			break;
		bytes += i->n;
		head = (size_t)((uint8_t *)i - q->ring) + i->size;
		head = head == q->opts.max_bytes ? 0 : head;
		i->next = NULL;
		if (!i->group->first) {
			i->group->first = i;
			*end = i->group;
			end = &i->group->next;
		} else {
			i->group->last->next = i;
		}
		i->group->last = i;
	}
	*end = NULL;
	return groups;
}

size_t otlp_spans_take(struct otlp_spans *q, struct otlp_out *out, size_t max_bytes,
		       size_t max_spans)
{
	size_t n;
	struct group *groups = gather(q, max_bytes, max_spans, &n), *next;

	if (n == 0)
		return 0;
	otlp_owners_begin(out);
	for (struct group *g = groups; g; g = g->next)
		write_group(q, out, g);
	otlp_owners_end(out);
	for (size_t i = 0; i < n && !out->is_failed; i++)
		leave(q, oldest(q));
	for (struct group *g = groups; g; g = next) {
		next = g->next;
		g->first = g->last = NULL;
		group_release(q, g);
	}
	return out->is_failed ? 0 : n;
}
