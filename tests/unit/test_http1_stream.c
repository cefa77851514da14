/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 through real streams: what the parser's flags must lead to. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "sim.h"

#define OK	"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define REFUSED "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"

/* The transactions of one connection must be those named in `want`, in order, and none lost. */
static void check(const char *request, const char *response, const char *const want[])
{
	struct sim_play p = { 0 };
	struct sim s;
	const char *at;
	size_t n = 0;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	sim_request(&s, 1, request);
	sim_response(&s, 1, response);
	sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
	sim_play_init(&p);
	sim_play(&p, &s, 0, s.n);
	for (at = p.out; want[n]; n++) {
		at = at ? strstr(at, want[n]) : NULL;
		assert_non_null(at);
	}
	assert_int_equal(p.n_txns, n);
	for (int i = 0; i < LOSS_MAX; i++)
		assert_int_equal(conns_stats(p.conns)->losses.n[i], 0);
	sim_play_free(&p);
	sim_free(&s);
}

static void refused_framing_is_a_transaction(void **state)
{
	static const char lengths[] = "Content-Length: 3\r\nContent-Length: 4\r\n\r\n";
	char text[256];

	snprintf(text, sizeof(text), "POST /p HTTP/1.1\r\n%s", lengths);
	check(text, REFUSED, (const char *const[]){ "POST /p 400", NULL });
	snprintf(text, sizeof(text), "POST /p HTTP/1.1\r\n%sGET /q HTTP/1.1\r\n\r\n", lengths);
	check(text, REFUSED OK, (const char *const[]){ "POST /p 400", "GET /q 200", NULL });
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%sabc", lengths);
	check("GET /p HTTP/1.1\r\n\r\n", text, (const char *const[]){ "GET /p 200", NULL });
}

static void an_upgrade_ends_http(void **state)
{
	check("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x82",
	      "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01x",
	      (const char *const[]){ "GET /ws 101", NULL });
	check("CONNECT a:1 HTTP/1.1\r\n\r\n\x16\x03\x01", "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03",
	      (const char *const[]){ "CONNECT a:1 200", NULL });
	check("CONNECT a:1 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", REFUSED OK,
	      (const char *const[]){ "CONNECT a:1 400", "GET / 200", NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_framing_is_a_transaction),
		cmocka_unit_test(an_upgrade_ends_http),
	};

	return cmocka_run_group_tests_name("http1 stream", tests, NULL, NULL);
}
