/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/live.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "util/clock.h"

struct live {
	struct source source;
	struct probe *probe; /* borrowed */
	struct ring_buffer *ring;
	source_fn fn;
	void *ctx;
	int budget, taken;
	int stop;
};

static int on_record(void *ctx, void *rec, size_t size)
{
	struct live *l = ctx;

	if (((const struct sonde_ev_hdr *)rec)->kind == SONDE_EV_OPEN)
		probe_needs_of(l->probe, rec);
	l->taken++;
	l->stop = l->fn(l->ctx, rec, size);
	/* stops ring_buffer__consume() with this record consumed */
	return l->stop || l->taken >= l->budget ? -EAGAIN : 0;
}

static int live_fd(struct source *s)
{
	return ring_buffer__epoll_fd(((struct live *)s)->ring);
}

static int live_read(struct source *s, source_fn fn, void *ctx, int budget)
{
	struct live *l = (struct live *)s;
	int rc;

	l->fn = fn;
	l->ctx = ctx;
	l->budget = budget;
	l->taken = l->stop = 0;
	rc = ring_buffer__consume(l->ring);
	return rc < 0 && rc != -EAGAIN ? rc : l->taken;
}

static void live_verdict(struct source *s, uint32_t slot, const struct sonde_verdict *v)
{
	probe_verdict(((struct live *)s)->probe, slot, v);
}

static void live_close(struct source *s)
{
	struct live *l = (struct live *)s;

	if (!l)
		return;
	ring_buffer__free(l->ring);
	free(l);
}

static const struct source_ops live_ops = {
	.name = "live",
	.fd = live_fd,
	.read = live_read,
	.verdict = live_verdict,
	.close = live_close,
};

struct source *live_open(struct probe *p)
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->source.ops = &live_ops;
	l->source.realtime_offset_ns = clock_realtime_offset_ns();
	l->probe = p;
	l->ring = ring_buffer__new(probe_ring_fd(p), on_record, l, NULL);
	if (!l->ring) {
		int saved = errno;

		free(l);
		errno = saved;
		return NULL;
	}
	return &l->source;
}
