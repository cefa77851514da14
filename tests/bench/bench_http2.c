/* SPDX-License-Identifier: Apache-2.0 */
/* What parsing HTTP/2 costs, alone: a whole exchange, its fields in the table or not. */
#include <stdlib.h>
#include <string.h>
#include "h2wire.h"
#include "median.h"
#include "proto/proto.h"
#include "util/clock.h"

enum { TIMES = 20000 };

#define ASK                                                                               \
	"|:method GET|:scheme http|:path /shop/items/42|:authority shop.example"          \
	"|user-agent Mozilla/5.0 (X11, Linux x86_64, rv:128.0) Gecko/20100101|accept */*" \
	"|x-request-id 7b2c9a"
#define ANSWER                                                                \
	"|:status 200|server nginx/1.22.1|date Sat, 21 Nov 2026 06:15:11 GMT" \
	"|content-type text/plain|content-length 12"

/* All frames of the exchange are of one stream: its number, written anew for each. */
static void renumber(struct slice in, uint32_t id)
{
	uint8_t *p = (uint8_t *)in.p, *end = p + in.n;

	while (p < end) {
		size_t len = (size_t)(p[0] << 16 | p[1] << 8 | p[2]);

		p[5] = (uint8_t)(id >> 24);
		p[6] = (uint8_t)(id >> 16);
		p[7] = (uint8_t)(id >> 8);
		p[8] = (uint8_t)id;
		p += 9 + len;
	}
}

static void parse(void *state, enum proto_dir dir, struct slice in)
{
	const struct proto *p = proto_get(PROTO_HTTP2);
	struct msg m;

	while (in.n) {
		ssize_t n;

		msg_clear(&m);
		n = p->parse(state, dir, in, &m);
		if (n <= 0)
			abort();
		n += (ssize_t)m.skip;
		in.p += n;
		in.n -= (size_t)n;
	}
}

static void bench(const char *name, const char *request, const char *response)
{
	void *state = calloc(1, proto_get(PROTO_HTTP2)->state_size);
	struct slice in[2];
	struct h2wire w[2];
	double rounds[ROUNDS];
	uint32_t id = 1;

	for (int d = 0; d < 2; d++) { /* the first fills the tables, the second is measured */
		size_t from;

		h2wire_init(&w[d]);
		h2wire_write(&w[d], d ? response : request);
		parse(state, d, h2wire_since(&w[d], 0));
		from = w[d].n;
		h2wire_write(&w[d], d ? response : request);
		in[d] = h2wire_since(&w[d], from);
	}
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		for (int i = 0; i < TIMES; i++) {
			id += 2;
			for (int d = 0; d < 2; d++) {
				renumber(in[d], id);
				parse(state, d, in[d]);
			}
		}
		rounds[r] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / TIMES;
	}
	print_median(name, rounds);
	proto_get(PROTO_HTTP2)->close(state);
	free(state);
	for (int d = 0; d < 2; d++)
		h2wire_free(&w[d]);
}

int main(void)
{
	bench("http/2 exchange", "headers 1 end" ASK, "headers 1" ANSWER ";data 1 end 12");
	bench("grpc unary call",
	      "headers 1|:method POST|:path /shop.Cart/Get|content-type application/grpc"
	      "|te trailers;messages 1 end 40",
	      "headers 1|:status 200|content-type application/grpc;messages 1 40;"
	      "headers 1 end|grpc-status 0");
	return 0;
}
