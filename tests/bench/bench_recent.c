/* SPDX-License-Identifier: Apache-2.0 */
/* What the last minute costs: ns to count a transaction among few endpoints and among 10,000, and
 * ms to read them all as rows, which `top` does once a second. */
#include <stdio.h>
#include <stdlib.h>
#include "identity/service.h"
#include "median.h"
#include "metrics/recent.h"
#include "top/frame.h"
#include "util/clock.h"

enum { TXNS = 50000, MANY = 10000, FEW = 8 };

static const struct service services[] = { { .id = 1, .name = "shop" },
					   { .id = 2, .name = "cart" } };
static struct txn txns[MANY];

static void prepare(void)
{
	for (int i = 0; i < MANY; i++) {
		struct txn *t = &txns[i];

		*t = (struct txn){
			.status = 200,
			.proto = PROTO_HTTP1,
			.role = SONDE_ROLE_SERVER,
			.family = SONDE_FAMILY_IPV4,
			.service = &services[i & 1],
			.method = "GET",
			.target = "/shop/items/42?page=2",
			.peer = { .ip = { 10, 0, 0, 9 }, .port = 51234 },
		};
		snprintf(t->route, sizeof(t->route), "/shop/items/%d/{id}", i);
	}
}

static void print_ms(const char *name, double *rounds)
{
	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	printf("%-28s %7.2f ms  (%.2f to %.2f)\n", name, rounds[ROUNDS / 2], rounds[0],
	       rounds[ROUNDS - 1]);
}

/* ms of CPU. */
static double read_frame(const struct recent *r, enum recent_group group, uint64_t now_ns)
{
	const struct top_ask ask = { .group = group };
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct top_frame f = { 0 };

	if (frame_read(&f, r, &ask, NULL, 0, now_ns))
		abort();
	frame_free(&f);
	return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / 1e6;
}

static void bench(const char *name, int endpoints)
{
	struct recent *r = recent_new(&(struct recent_opts){ .now_ns = NS_PER_S });
	double rounds[ROUNDS], by_service[ROUNDS], by_endpoint[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), now_ns;

		for (int i = 0; i < TXNS; i++) {
			struct txn *t = &txns[i % endpoints];

			/* 50,000 a second, of durations that differ */
			t->end_ns = (uint64_t)(round + 100) * 3 * NS_PER_S +
				    (uint64_t)i * (NS_PER_S / TXNS);
			t->start_ns = t->end_ns - 100000 - (uint64_t)(i * 7919 % 400000);
			recent_txn(r, t);
		}
		rounds[round] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / TXNS;
		now_ns = (uint64_t)(round + 100) * 3 * NS_PER_S + NS_PER_S;
		by_service[round] = read_frame(r, RECENT_BY_SERVICE, now_ns);
		by_endpoint[round] = read_frame(r, RECENT_BY_ENDPOINT, now_ns);
	}
	print_median(name, rounds);
	print_ms("  a frame of services", by_service);
	print_ms("  a frame of endpoints", by_endpoint);
	recent_free(r);
}

int main(void)
{
	prepare();
	bench("transaction, 8 endpoints", FEW);
	bench("transaction, 10,000", MANY);
	return 0;
}
