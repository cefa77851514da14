/* SPDX-License-Identifier: Apache-2.0 */
/* What a span costs, from the finished transaction to the bytes of a request; the median of rounds,
 * ns for each span. Sending is the kernel's and the collector's. */
#include <stdio.h>
#include <stdlib.h>
#include "export/otlp_lane.h"
#include "export/otlp_spans.h"
#include "identity/service.h"
#include "util/clock.h"

enum { ROUNDS = 21, SPANS = 20000, BATCH_BYTES = 1 << 20, QUEUE_BYTES = 8 << 20 };

static const struct service services[] = { { .id = 1, .name = "shop" },
					   { .id = 2, .name = "cart" } };
static const struct otlp_origin origin = { .host_name = "host", .version = "1" };

static struct txn a_request(void)
{
	return (struct txn){
		.start_ns = 5000000000,
		.end_ns = 5001234567,
		.tid = 4243,
		.status = 200,
		.proto = PROTO_HTTP1,
		.role = SONDE_ROLE_SERVER,
		.family = SONDE_FAMILY_IPV4,
		.trace = { .trace_id = { 1 }, .span_id = { 2 }, .is_sampled = true },
		.service = &services[0],
		.version = "1.1",
		.method = "GET",
		.route = "/shop/items/{id}",
		.target = "/shop/items/42?page=2",
		.host = "shop.example",
		.local = { .ip = { 127, 0, 0, 1 }, .port = 80 },
		.peer = { .ip = { 10, 0, 0, 9 }, .port = 51234 },
	};
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t round_trip(struct otlp_spans *q, struct otlp_lane *l, struct txn *t)
{
	size_t bytes = 0, n;

	for (int i = 0; i < SPANS; i++) {
		t->service = &services[i & 1];
		t->trace.span_id[1] = (uint8_t)i;
		if (otlp_spans_add(q, t))
			abort();
		if (otlp_spans_bytes(q) < BATCH_BYTES && i < SPANS - 1)
			continue;
		while ((n = otlp_spans_take(q, &l->out, BATCH_BYTES, 0))) {
			if (lane_load(l, n, 0))
				abort();
			bytes += lane_bytes(l).n;
			lane_drop(l, OTLP_LOSS_SHUTDOWN);
		}
	}
	return bytes;
}

static void bench(const char *name, enum otlp_protocol protocol, bool is_gzip)
{
	struct otlp_endpoint e = { .protocol = protocol, .is_gzip = is_gzip };
	const struct otlp_spans_opts opts = { .form = lane_form(&e),
					      .max_bytes = QUEUE_BYTES,
					      .origin = &origin };
	struct otlp_spans *q = otlp_spans_new(&opts);
	struct txn t = a_request();
	double rounds[ROUNDS];
	struct otlp_lane l;
	size_t bytes = 0;

	lane_init(&l, OTLP_TRACES, &e);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		bytes = round_trip(q, &l, &t);
		rounds[r] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / SPANS;
	}
	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	printf("%-28s %7.1f ns  (%.1f to %.1f)  %.0f bytes\n", name, rounds[ROUNDS / 2], rounds[0],
	       rounds[ROUNDS - 1], (double)bytes / SPANS);
	lane_free(&l);
	otlp_spans_free(q);
}

int main(void)
{
	bench("span, protobuf", OTLP_HTTP_PROTOBUF, false);
	bench("span, protobuf and gzip", OTLP_HTTP_PROTOBUF, true);
	bench("span, gRPC", OTLP_GRPC, false);
	bench("span, JSON", OTLP_HTTP_JSON, false);
	return 0;
}
