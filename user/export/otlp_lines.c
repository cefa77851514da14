/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spans of each service are written one behind the other, and are not touched again: what
 * stands around them is written when the line is.
 */
#include "export/otlp_lines.h"

#include <errno.h>
#include <stdlib.h>
#include "export/otlp_owner.h"
#include "export/otlp_span.h"

enum {
	AROUND_BYTES =
		1 << 20, /* more than any resource takes: a line that is begun can be ended */
	SPARE_BYTES = 16 << 20, /* kept for the next line */
};

struct group {
	struct otlp_owner owner;
	struct otlp_out spans; /* its memory stays */
};

struct otlp_lines {
	const struct otlp_origin *origin;
	int64_t realtime_offset_ns;
	struct otlp_out around;
	size_t n_spans, n_groups;
	struct group groups[OTLP_LINE_SPANS]; /* in the order in which they came up */
};

struct otlp_lines *otlp_lines_new(const struct otlp_origin *origin, int64_t realtime_offset_ns)
{
	struct otlp_lines *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->origin = origin;
	l->realtime_offset_ns = realtime_offset_ns;
	otlp_out_init(&l->around, OTLP_JSON, 0);
	for (size_t i = 0; i < OTLP_LINE_SPANS; i++)
		otlp_out_init(&l->groups[i].spans, OTLP_JSON, 0);
	if (otlp_reserve(&l->around, AROUND_BYTES))
		return l;
	otlp_lines_free(l);
	return NULL;
}

/* Nothing is in the line any more. */
static void clear(struct otlp_lines *l)
{
	for (size_t i = 0; i < l->n_groups; i++)
		otlp_owner_free(&l->groups[i].owner);
	l->n_groups = l->n_spans = 0;
}

static void free_spans(struct otlp_lines *l)
{
	for (size_t i = 0; i < OTLP_LINE_SPANS; i++)
		otlp_out_free(&l->groups[i].spans);
}

static void trim(struct otlp_lines *l)
{
	size_t spare = 0;

	for (size_t i = 0; i < OTLP_LINE_SPANS; i++)
		spare += l->groups[i].spans.cap;
	if (spare > SPARE_BYTES)
		free_spans(l);
}

void otlp_lines_free(struct otlp_lines *l)
{
	if (!l)
		return;
	clear(l);
	free_spans(l);
	otlp_out_free(&l->around);
	free(l);
}

/* A line has few services, and most spans are of the same as one of the last. */
static struct group *group_of(struct otlp_lines *l, const struct service *s)
{
	struct group *g = l->groups, *end = g + l->n_groups;

	while (g < end && g->owner.id != s->id)
		g++;
	if (g < end) {
		otlp_owner_learn(&g->owner, s);
		return g;
	}
	otlp_owner_init(&g->owner, s);
	otlp_out_clear(&g->spans);
	l->n_groups++;
	return g;
}

int otlp_lines_add(struct otlp_lines *l, const struct txn *t)
{
	struct group *g;
	size_t before;

	if (!otlp_span_wanted(t) || !t->service)
		return 0;
	g = group_of(l, t->service);
	before = g->spans.n;
	otlp_span(&g->spans, t, l->realtime_offset_ns);
	l->n_spans++; /* has had its place among the groups */
	if (!g->spans.is_failed)
		return 0;
	g->spans.n = before;
	g->spans.is_failed = false;
	return -ENOMEM;
}

bool otlp_lines_is_full(const struct otlp_lines *l)
{
	return l->n_spans == OTLP_LINE_SPANS;
}

static void put_out(const struct otlp_out *o, void (*put)(void *ctx, const char *bytes, size_t n),
		    void *ctx)
{
	put(ctx, (const char *)o->p, o->n);
}

void otlp_lines_write(struct otlp_lines *l, void (*put)(void *ctx, const char *bytes, size_t n),
		      void *ctx)
{
	struct otlp_out *o = &l->around;

	if (!l->n_spans)
		return;
	otlp_out_clear(o);
	otlp_owners_begin(o);
	for (size_t i = 0; i < l->n_groups; i++) {
		const struct group *g = &l->groups[i];
		struct otlp_frame frame = otlp_owner_begin(&g->owner, o, l->origin);

		put_out(o, put, ctx);
		put_out(&g->spans, put, ctx);
		otlp_out_clear(o);
		otlp_owner_end(o, frame);
	}
	otlp_owners_end(o);
	put_out(o, put, ctx);
	put(ctx, "\n", 1);
	clear(l);
	trim(l);
}
