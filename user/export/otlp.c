/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/otlp_lane.h"
#include "export/otlp_metrics.h"
#include "export/otlp_post.h"
#include "export/otlp_spans.h"
#include "identity/service.h"
#include "loop.h"
#include "util/clock.h"

enum {
	QUEUE_BYTES = 8 << 20,
	BATCH_BYTES = 1 << 20, /* before compression; collectors take 4 MiB over gRPC by default */
	POLL_MS = 100,
};

struct otlp {
	struct otlp_opts opts;
	struct otlp_origin origin;
	struct otlp_post *post;
	struct otlp_spans *spans;     /* NULL: traces are not exported */
	struct otlp_metrics *metrics; /* NULL: metrics are not */
	struct otlp_lane lanes[OTLP_SIGNALS];
	int timer;		 /* 0: not in a loop yet */
	uint64_t spans_since_ns; /* the oldest span waits since then; 0: there is none */
	uint64_t metrics_due_ns;
	bool is_exporting; /* metrics: requests of this interval are still to be made */
	bool is_ending;	   /* whatever there is goes now */
	bool is_kicked;	   /* the timer is set for at once */
	char user_agent[64];
	char instance_id[SERVICE_INSTANCE_LEN];
};

bool otlp_is_wanted(const struct otlp_config *c)
{
	return c->of[OTLP_TRACES].is_on || c->of[OTLP_METRICS].is_on;
}

static int open_spans(struct otlp *x)
{
	const struct otlp_config *c = x->opts.config;
	const struct otlp_spans_opts opts = {
		.form = lane_form(&c->of[OTLP_TRACES]),
		.max_bytes = QUEUE_BYTES,
		.max_spans = c->queue_spans,
		.realtime_offset_ns = x->opts.realtime_offset_ns,
		.origin = &x->origin,
	};

	if (!c->of[OTLP_TRACES].is_on)
		return 0;
	x->spans = otlp_spans_new(&opts);
	return x->spans ? 0 : -ENOMEM;
}

static int open_metrics(struct otlp *x)
{
	const struct otlp_config *c = x->opts.config;
	const struct otlp_metrics_opts opts = {
		.form = lane_form(&c->of[OTLP_METRICS]),
		.temporality = c->temporality,
		.is_exponential = c->is_exponential,
		.realtime_offset_ns = x->opts.realtime_offset_ns,
		.began_ns = x->opts.now_ns,
		.origin = &x->origin,
		.own = { .name = c->own_name, .name_space = "", .instance_id = x->instance_id },
	};

	if (!c->of[OTLP_METRICS].is_on)
		return 0;
	x->metrics = otlp_metrics_new(&opts);
	x->metrics_due_ns = x->opts.now_ns + c->metrics_every_ns;
	return x->metrics ? 0 : -ENOMEM;
}

struct otlp *otlp_open(const struct otlp_opts *opts)
{
	struct otlp *x = calloc(1, sizeof(*x));
	char who[384];
	int n, err;

	if (!x)
		return NULL;
	x->opts = *opts;
	x->origin = (struct otlp_origin){ .host_name = opts->host_name,
					  .version = opts->version,
					  .pairs = &opts->config->resource };
	n = snprintf(who, sizeof(who), "%s|sonde", opts->host_name ? opts->host_name : "");
	service_instance_id(who, (size_t)n < sizeof(who) ? (size_t)n : sizeof(who) - 1,
			    x->instance_id);
	snprintf(x->user_agent, sizeof(x->user_agent), "OTel-OTLP-Exporter-sonde/%s",
		 opts->version);
	for (int s = 0; s < OTLP_SIGNALS; s++)
		lane_init(&x->lanes[s], (enum otlp_signal)s, &opts->config->of[s]);
	x->post = otlp_post_open(x->user_agent);
	err = x->post ? open_spans(x) : -errno;
	if (!err)
		err = open_metrics(x);
	if (!err)
		return x;
	otlp_close(x);
	errno = -err;
	return NULL;
}

void otlp_close(struct otlp *x)
{
	if (!x)
		return;
	otlp_post_close(x->post);
	otlp_spans_free(x->spans);
	otlp_metrics_free(x->metrics);
	for (int s = 0; s < OTLP_SIGNALS; s++)
		lane_free(&x->lanes[s]);
	free(x);
}

static void on_reply(void *ctx, enum otlp_signal s, const struct otlp_reply *r)
{
	struct otlp *x = ctx;

	lane_reply(&x->lanes[s], r, clock_mono_ns());
}

static void start(struct otlp *x, struct otlp_lane *l)
{
	if (otlp_post_send(x->post, l->signal, l->endpoint, lane_bytes(l), on_reply, x))
		lane_drop(l, OTLP_LOSS_NO_MEMORY);
	else
		l->state = LANE_SENDING;
}

static bool has_batch(const struct otlp *x)
{
	size_t batch = x->opts.config->batch_spans;

	return otlp_spans_bytes(x->spans) >= BATCH_BYTES ||
	       (batch && otlp_spans_count(x->spans) >= batch);
}

/* When spans are to go though they are no full batch; 0: there are none. */
static uint64_t spans_due_ns(const struct otlp *x)
{
	return x->spans_since_ns ? x->spans_since_ns + x->opts.config->traces_every_ns : 0;
}

static void feed_spans(struct otlp *x, uint64_t now_ns)
{
	struct otlp_lane *l = &x->lanes[OTLP_TRACES];
	size_t n;

	if (!x->spans || l->state != LANE_IDLE || otlp_spans_count(x->spans) == 0)
		return;
	if (!x->is_ending && !has_batch(x) && now_ns < spans_due_ns(x))
		return;
	n = otlp_spans_take(x->spans, &l->out, BATCH_BYTES, x->opts.config->batch_spans);
	if (n == 0) {
		otlp_out_clear(&l->out);
		return;
	}
	x->spans_since_ns = otlp_spans_count(x->spans) ? now_ns : 0;
	if (lane_load(l, n, now_ns) == 0)
		start(x, l);
}

static void begin_metrics(struct otlp *x, uint64_t now_ns)
{
	struct series_store *st = x->opts.collect(x->opts.ctx);

	x->metrics_due_ns += x->opts.config->metrics_every_ns;
	if (x->metrics_due_ns <= now_ns) /* the last one took longer than that */
		x->metrics_due_ns = now_ns + x->opts.config->metrics_every_ns;
	x->is_exporting = st && otlp_metrics_begin(x->metrics, st) == 0;
}

static void feed_metrics(struct otlp *x, uint64_t now_ns)
{
	struct otlp_lane *l = &x->lanes[OTLP_METRICS];
	size_t n;

	if (!x->metrics || l->state != LANE_IDLE)
		return;
	if (!x->is_exporting && now_ns >= x->metrics_due_ns)
		begin_metrics(x, now_ns);
	if (!x->is_exporting)
		return;
	n = otlp_metrics_next(x->metrics, &l->out, BATCH_BYTES, now_ns);
	if (n == 0) {
		x->is_exporting = false;
		otlp_out_clear(&l->out);
		return;
	}
	if (lane_load(l, n, now_ns) == 0)
		start(x, l);
}

static void pump(struct otlp *x, uint64_t now_ns)
{
	otlp_post_run(x->post);
	for (int s = 0; s < OTLP_SIGNALS; s++)
		if (x->lanes[s].state == LANE_WAITING && x->lanes[s].due_ns <= now_ns)
			start(x, &x->lanes[s]);
	feed_spans(x, now_ns);
	feed_metrics(x, now_ns);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* When there is something to do without a socket's asking; 0: never. */
static uint64_t due_ns(const struct otlp *x)
{
	uint64_t due = otlp_post_due_ns(x->post);

	for (int s = 0; s < OTLP_SIGNALS; s++)
		if (x->lanes[s].state == LANE_WAITING)
			due = sooner(due, x->lanes[s].due_ns);
	if (x->spans && x->lanes[OTLP_TRACES].state == LANE_IDLE)
		due = sooner(due, spans_due_ns(x));
	if (x->metrics && x->lanes[OTLP_METRICS].state == LANE_IDLE)
		due = sooner(due, x->is_exporting ? 1 : x->metrics_due_ns);
	return due;
}

static void rearm(struct otlp *x)
{
	uint64_t due = due_ns(x), now = clock_mono_ns();

	x->is_kicked = false;
	if (x->timer > 0)
		loop_timer_set(x->timer, !due ? 0 : due > now ? due - now : 1);
}

static void on_wake(void *ctx)
{
	struct otlp *x = ctx;

	pump(x, clock_mono_ns());
	rearm(x);
}

/* Nothing is sent from here: a transaction is not to wait for a batch to be made. */
static void on_txn(void *self, const struct txn *t)
{
	struct otlp *x = self;

	x->lanes[OTLP_TRACES].lost[OTLP_LOSS_QUEUE_FULL] += otlp_spans_add(x->spans, t);
	if (otlp_spans_count(x->spans) == 0)
		return;
	if (!x->spans_since_ns) {
		x->spans_since_ns = clock_mono_ns();
		rearm(x);
	}
	if (!x->is_kicked && x->lanes[OTLP_TRACES].state == LANE_IDLE && has_batch(x)) {
		x->is_kicked = true;
		if (x->timer > 0)
			loop_timer_set(x->timer, 1);
	}
}

void otlp_exporter(struct otlp *x, struct exporter *out)
{
	*out = (struct exporter){ .name = "otlp", .self = x };
	if (x->spans)
		out->on_txn = out->on_kept = on_txn;
}

int otlp_join(struct otlp *x, struct loop *l)
{
	x->timer = loop_timer(l, NS_PER_S, on_wake, x);
	if (x->timer < 0)
		return x->timer;
	rearm(x);
	return loop_watch(l, otlp_post_fd(x->post), on_wake, x);
}

static bool is_done(const struct otlp *x)
{
	return x->lanes[OTLP_TRACES].state == LANE_IDLE &&
	       x->lanes[OTLP_METRICS].state == LANE_IDLE && !x->is_exporting &&
	       (!x->spans || otlp_spans_count(x->spans) == 0);
}

static void drop_rest(struct otlp *x)
{
	for (int s = 0; s < OTLP_SIGNALS; s++)
		lane_drop(&x->lanes[s], OTLP_LOSS_SHUTDOWN);
	if (x->spans)
		x->lanes[OTLP_TRACES].lost[OTLP_LOSS_SHUTDOWN] += otlp_spans_count(x->spans);
}

void otlp_flush(struct otlp *x, uint64_t for_ns)
{
	uint64_t now = clock_mono_ns(), end = now + for_ns, due;
	struct pollfd p = { .fd = otlp_post_fd(x->post), .events = POLLIN };
	int wait_ms;

	x->is_ending = true;
	x->metrics_due_ns = now; /* the last values are the ones that stay */
	for (; now < end; now = clock_mono_ns()) {
		pump(x, now);
		if (is_done(x))
			break;
		due = otlp_post_due_ns(x->post);
		wait_ms = due && due <= now ? 0 : POLL_MS;
		if (due > now && due < now + POLL_MS * NS_PER_MS)
			wait_ms = (int)((due - now) / NS_PER_MS) + 1;
		/* a collector that asks to wait is not waited for */
		if (x->lanes[OTLP_TRACES].state != LANE_SENDING &&
		    x->lanes[OTLP_METRICS].state != LANE_SENDING)
			break;
		poll(&p, 1, wait_ms);
	}
	drop_rest(x);
}

void otlp_publish(const struct otlp *x, struct series_store *st, uint64_t now_ns)
{
	for (int i = 0; i < OTLP_SIGNALS; i++) {
		const struct otlp_lane *l = &x->lanes[i];
		struct slice v[] = { slice_str(otlp_signal_name(l->signal)), SLICE("") };
		struct series *s;

		if (!l->endpoint->is_on)
			continue;
		s = series_get(st, METRIC_OTLP_SENT, NULL, v, now_ns);
		if (s)
			s->value = l->sent;
		for (int k = 0; k < OTLP_LOSSES; k++) {
			v[1] = slice_str(otlp_loss_name((enum otlp_loss)k));
			s = series_get(st, METRIC_OTLP_DROPPED, NULL, v, now_ns);
			if (s)
				s->value = l->lost[k];
		}
		s = series_get(st, METRIC_OTLP_QUEUE, NULL, v, now_ns);
		if (s)
			s->value = l->items + (i == OTLP_TRACES ? otlp_spans_count(x->spans) : 0);
	}
}
