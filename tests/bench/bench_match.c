/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to find the messages that a frame belongs to, beside few and beside many others. */
#include <stdio.h>
#include <stdlib.h>
#include "median.h"
#include "stream/match_impl.h"
#include "util/clock.h"

enum { TIMES = 200000, STEP = 997 };

static void no_txn(void *ctx, struct txn *t)
{
}

static void bench(uint32_t n)
{
	struct conns *cs = conns_new(&(struct conns_opts){ .on_txn = no_txn });
	struct conn c = { .proto = proto_get(PROTO_HTTP2), .role = SONDE_ROLE_SERVER };
	const struct op op = { 0 };
	double rounds[ROUNDS];
	char name[64];
	uint64_t k = 0;

	if (!cs)
		abort();
	for (uint32_t i = 0; i < 2 * n; i++) { /* one half is answered, the other one waits */
		const struct msg msg = { .id = 2 * i + 1 };

		if (match_request(cs, &c, &msg, 0, &op, &op) < 0 ||
		    (i < n && match_response(cs, &c, &msg, 0, &op) < 0))
			abort();
	}
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		for (int i = 0; i < TIMES; i++) {
			k = (k + STEP) % n;
			match_select(&c, PROTO_RESPONSE, 2 * k + 1);
			match_select(&c, PROTO_REQUEST, 2 * (n + k) + 1);
			if (!c.match.resp_open || !c.match.req_open)
				abort();
		}
		rounds[r] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / TIMES;
	}
	snprintf(name, sizeof(name), "one of %u of either kind", n);
	print_median(name, rounds);
	match_drop(cs, &c, LOSS_MAX);
	conns_free(cs);
}

int main(void)
{
	bench(4);
	bench(64);
	bench(1024);
	return 0;
}
