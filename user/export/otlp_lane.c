/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "export/gzip.h"
#include "export/otlp_post.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define BACKOFF_FIRST_NS NS_PER_S
#define BACKOFF_MAX_NS	 (30 * NS_PER_S)
#define GIVE_UP_NS	 (300 * NS_PER_S) /* after the first attempt */

enum { WIRE_PIECE = 64 * 1024 };

const char *otlp_loss_name(enum otlp_loss l)
{
	static const char *const names[] = {
		[OTLP_LOSS_QUEUE_FULL] = "queue_full", [OTLP_LOSS_REFUSED] = "refused",
		[OTLP_LOSS_PARTIAL] = "partial",       [OTLP_LOSS_UNREACHABLE] = "unreachable",
		[OTLP_LOSS_SHUTDOWN] = "shutdown",     [OTLP_LOSS_NO_MEMORY] = "no_memory",
	};

	return names[l];
}

enum otlp_form lane_form(const struct otlp_endpoint *e)
{
	return e->protocol == OTLP_HTTP_JSON ? OTLP_JSON : OTLP_PROTOBUF;
}

void lane_init(struct otlp_lane *l, enum otlp_signal s, const struct otlp_endpoint *e)
{
	*l = (struct otlp_lane){ .signal = s, .endpoint = e };
	otlp_out_init(&l->out, lane_form(e), 0);
	otlp_out_init(&l->wire, lane_form(e), 0);
	l->random = hash_seed(); /* only for jitter: any seed does */
}

void lane_free(struct otlp_lane *l)
{
	otlp_out_free(&l->out);
	otlp_out_free(&l->wire);
}

static ssize_t read_out(void *ctx, char *to, size_t size)
{
	struct slice *left = ctx;
	size_t n = left->n < size ? left->n : size;

	memcpy(to, left->p, n);
	left->p += n;
	left->n -= n;
	return (ssize_t)n;
}

static int compress_out(struct otlp_lane *l)
{
	struct slice left = { l->out.p, l->out.n };
	struct gzip *g = gzip_open(read_out, &left);
	ssize_t n = -ENOMEM;
	uint8_t *to;

	while (g && (to = otlp_reserve(&l->wire, WIRE_PIECE))) {
		n = gzip_read(g, (char *)to, WIRE_PIECE);
		if (n <= 0)
			break;
		l->wire.n += (size_t)n;
		n = -ENOMEM;
	}
	gzip_close(g);
	return n < 0 ? -ENOMEM : 0;
}

int lane_load(struct otlp_lane *l, size_t items, uint64_t now_ns)
{
	bool is_grpc = l->endpoint->protocol == OTLP_GRPC;
	size_t head = is_grpc ? OTLP_GRPC_HEAD : 0;
	uint8_t *to;
	int err = 0;

	otlp_out_clear(&l->wire);
	l->items = items;
	l->begun_ns = now_ns;
	l->backoff_ns = BACKOFF_FIRST_NS;
	if (!is_grpc && !l->endpoint->is_gzip)
		return 0; /* sent as it stands in `out` */
	if (head && !otlp_reserve(&l->wire, head))
		err = -ENOMEM;
	l->wire.n = head;
	if (!err && l->endpoint->is_gzip) {
		err = compress_out(l);
	} else if (!err) {
		to = otlp_reserve(&l->wire, l->out.n);
		if (to) {
			memcpy(to, l->out.p, l->out.n);
			l->wire.n += l->out.n;
		}
		err = to ? 0 : -ENOMEM;
	}
	if (err)
		lane_drop(l, OTLP_LOSS_NO_MEMORY);
	else if (is_grpc)
		otlp_grpc_head(l->wire.p, l->wire.n - head, l->endpoint->is_gzip);
	return err;
}

struct slice lane_bytes(const struct otlp_lane *l)
{
	const struct otlp_out *o = l->wire.n ? &l->wire : &l->out;

	return (struct slice){ o->p, o->n };
}

static void lane_empty(struct otlp_lane *l)
{
	l->state = LANE_IDLE;
	l->items = 0;
	otlp_out_clear(&l->out);
	otlp_out_clear(&l->wire);
}

void lane_drop(struct otlp_lane *l, enum otlp_loss why)
{
	l->lost[why] += l->items;
	lane_empty(l);
}

/* Half of it to all of it, at random: many that were refused together do not come back together. */
static uint64_t jitter(struct otlp_lane *l, uint64_t ns)
{
	l->random = l->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return ns / 2 + (uint64_t)(((__uint128_t)l->random * (ns / 2)) >> 64);
}

/* Told once, until it works again. */
static void tell(struct otlp_lane *l, const char *what, const char *why)
{
	if (!l->is_troubled)
		log_warn("%s are not delivered to %s: %s%s", otlp_signal_name(l->signal),
			 l->endpoint->url, why, what);
	l->is_troubled = true;
}

static void taken(struct otlp_lane *l, const struct otlp_verdict *v)
{
	uint64_t rejected = v->rejected < l->items ? v->rejected : l->items;

	l->sent += l->items - rejected;
	l->lost[OTLP_LOSS_PARTIAL] += rejected;
	if (rejected || *v->why) {
		tell(l, "", *v->why ? v->why : "it took a part only");
	} else if (l->is_troubled) {
		l->is_troubled = false;
		log_info("%s are delivered to %s again", otlp_signal_name(l->signal),
			 l->endpoint->url);
	}
	lane_empty(l);
}

static void later(struct otlp_lane *l, const struct otlp_verdict *v, uint64_t now_ns)
{
	uint64_t wait_ns = jitter(l, l->backoff_ns);

	/* asked to wait, nobody comes sooner, and not all at that moment */
	if (v->wait_ns)
		wait_ns = v->wait_ns + wait_ns / 8;
	if (v->wait_ns > GIVE_UP_NS || now_ns + wait_ns > l->begun_ns + GIVE_UP_NS) {
		tell(l, "", v->why);
		lane_drop(l, OTLP_LOSS_UNREACHABLE);
		return;
	}
	tell(l, "; trying again", v->why);
	l->state = LANE_WAITING;
	l->due_ns = now_ns + wait_ns;
	l->backoff_ns = l->backoff_ns * 2 < BACKOFF_MAX_NS ? l->backoff_ns * 2 : BACKOFF_MAX_NS;
}

void lane_reply(struct otlp_lane *l, const struct otlp_reply *r, uint64_t now_ns)
{
	struct otlp_verdict v;

	otlp_judge(r, &v);
	switch (v.fate) {
	case OTLP_TAKEN: taken(l, &v); break;
	case OTLP_LATER: later(l, &v, now_ns); break;
	case OTLP_REFUSED:
		tell(l, "", v.why);
		lane_drop(l, OTLP_LOSS_REFUSED);
		break;
	}
}
