/* SPDX-License-Identifier: Apache-2.0 */
/* What parsing costs, alone: median of rounds, ns for each message or route. */
#include <stdio.h>
#include <stdlib.h>
#include "median.h"
#include "proto/proto.h"
#include "stream/route.h"
#include "util/clock.h"

enum { TIMES = 50000 };

static const char browser[] =
	"GET /shop/items/42?page=2 HTTP/1.1\r\nHost: shop.example\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\n"
	"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
	"Cookie: session=0123456789abcdef\r\nX-Request-ID: 7b2c9a\r\n\r\n";
static const char small[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: wrk\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n"
			     "Date: Sat, 21 Nov 2026 06:15:11 GMT\r\nContent-Type: text/plain\r\n"
			     "Content-Length: 12\r\nConnection: keep-alive\r\n\r\n";
static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			      "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";

static void bench_parse(const char *name, enum proto_dir dir, const char *text)
{
	const struct proto *p = proto_get(PROTO_HTTP1);
	void *state = calloc(1, p->state_size);
	double rounds[ROUNDS];
	struct msg m;

	for (int r = 0; r < ROUNDS; r++) {
		uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		for (int i = 0; i < TIMES; i++) {
			struct slice in = slice_str(text);

			while (in.n) {
				ssize_t n;

				msg_clear(&m);
				n = p->parse(state, dir, in, &m);
				if (n <= 0)
					abort();
				in.p += n;
				in.n -= (size_t)n;
			}
			p->drop_requests(state, 1);
		}
		rounds[r] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / TIMES;
	}
	print_median(name, rounds);
	free(state);
}

static void bench_route(const char *name, const char *target)
{
	struct routes *routes = routes_new(&(struct routes_opts){ 0 });
	double rounds[ROUNDS];
	char out[256];

	for (int r = 0; r < ROUNDS; r++) {
		uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		for (int i = 0; i < TIMES; i++)
			route_template(routes, 1, slice_str(target), out, sizeof(out));
		rounds[r] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns) / TIMES;
	}
	print_median(name, rounds);
	routes_free(routes);
}

int main(void)
{
	bench_parse("request, 300 bytes", PROTO_REQUEST, browser);
	bench_parse("request, 50 bytes", PROTO_REQUEST, small);
	bench_parse("response, 150 bytes", PROTO_RESPONSE, answer);
	bench_parse("response, two chunks", PROTO_RESPONSE, chunked);
	bench_route("route, three segments", "/shop/items/42?page=2");
	bench_route("route, a UUID", "/api/v1/users/8f14e45f-ceea-467f-a0e6-1b5b1a0b4d3c/orders");
	return 0;
}
