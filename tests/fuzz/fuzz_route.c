/* SPDX-License-Identifier: Apache-2.0 */
/* Input: targets, one a line, for two services in turn. */
#include <stdlib.h>
#include <string.h>
#include "stream/route.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check(const char *route, size_t n, size_t size)
{
	struct slice s = { (const uint8_t *)route, n };
	int depth = 0;

	must(n < size && route[n] == '\0' && strlen(route) == n);
	must(n == 0 || route[0] == '/' || strcmp(route, "*") == 0);
	must(!strchr(route, '?') || !strstr(route, "//"));
	while (s.n) {
		size_t used = utf8_next(s);

		must(used > 0 && s.p[0] >= ' ' && s.p[0] != 0x7f);
		depth += s.p[0] == '/' && s.n > 1;
		s.p += used;
		s.n -= used;
	}
	must(depth <= 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct routes_opts opts = { .max_nodes = 200, .max_fanout = 4 };
	struct routes *r = routes_new(&opts), *again = routes_new(&opts);
	struct slice in = { data, size };
	char out[256], same[256];

	for (uint32_t i = 0; in.n; i++) {
		const uint8_t *lf = memchr(in.p, '\n', in.n);
		struct slice target = { in.p, lf ? (size_t)(lf - in.p) : in.n };
		size_t room = 2 + (target.n * 7) % 250, n;

		n = route_template(r, i % 2, target, out, room);
		check(out, n, room);
		must(route_template(again, i % 2, target, same, room) == n &&
		     memcmp(out, same, n) == 0);
		in.n -= target.n + (lf != NULL);
		in.p += target.n + (lf != NULL);
	}
	routes_free(r);
	routes_free(again);
	return 0;
}
