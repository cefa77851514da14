/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 and gRPC, a script for each direction: what is found, however the bytes are cut. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include "cases.h"
#include "h2wire.h"

static const struct {
	const char *name, *script[2], *log[2];
} scripts[] = {
#define H2(name, request, response, requests, responses) \
	{ name, { request, response }, { requests, responses } },
#include "http2_cases.def"
#undef H2
};

enum { N_CASES = sizeof(scripts) / sizeof(scripts[0]) };

static struct proto_case cases[N_CASES];
static struct h2wire wires[N_CASES][2];

static int setup(void **state)
{
	static struct cases cs = { .v = cases, .n = N_CASES };

	for (int i = 0; i < N_CASES; i++) {
		cases[i].name = scripts[i].name;
		for (int d = 0; d < 2; d++) {
			h2wire_init(&wires[i][d]);
			h2wire_write(&wires[i][d], scripts[i].script[d]);
			cases[i].bytes[d] = h2wire_since(&wires[i][d], 0);
			cases[i].log[d] = scripts[i].log[d];
		}
	}
	cs.proto = proto_get(PROTO_HTTP2);
	*state = &cs;
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < N_CASES; i++)
		for (int d = 0; d < 2; d++)
			h2wire_free(&wires[i][d]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { CASES_TESTS };

	return cmocka_run_group_tests_name("http2", tests, setup, teardown);
}
