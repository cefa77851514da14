/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include "cases.h"
#include "proto/http1.h"
#include "proto/http_field.h"

static const struct proto_case http1_cases[] = {
#include "http1_cases.def"
};

static int setup(void **state)
{
	static struct cases cs = { .v = http1_cases,
				   .n = sizeof(http1_cases) / sizeof(http1_cases[0]) };

	cs.proto = proto_get(PROTO_HTTP1);
	*state = &cs;
	return 0;
}

static void tells_http_from_others(void **state)
{
	static const struct {
		const char *first;
		int request, response;
	} t[] = {
		{ "", 0, 0 },
		{ "G", 0, -1 },
		{ "GET ", 0, -1 },
		{ "GET / HTTP/1.", 0, -1 },
		{ "GET / HTTP/1.1\r\n", 1, -1 },
		{ "GET / HTTP/1.0\n", 1, -1 },
		{ "\r", 0, -1 },
		{ "\r\nGET / HTTP/1.1\r\n", 1, -1 },
		{ "BREW /pot HTTP/1.1\r\n", 1, -1 },
		{ "BREW /pot", 0, -1 },
		{ "OPTIONS * HTTP/1.1\r\n", 1, -1 },
		{ "CONNECT a:443 HTTP/1.1\r\n", 1, -1 },
		{ "GET http://a/ HTTP/1.1\r\n", 1, -1 },
		{ "H", 0, 0 },
		{ "HTTP/1.", -1, 0 },
		{ "HTTP/1.1 200 OK\r\n", -1, 1 },
		{ "HTTP/2 200\r\n", -1, -1 },
		{ "GET key\r\n", -1, -1 },
		{ "SET key value\r\n", -1, -1 },
		{ "PING\r\n", -1, -1 },
		{ "*1\r\n$4\r\nPING\r\n", -1, -1 },
		{ "get a\r\n", -1, -1 },
		{ "EHLO example.org\r\n", -1, -1 },
		{ "220 mail ESMTP\r\n", -1, -1 },
		{ "SSH-2.0-OpenSSH_9.2\r\n", -1, -1 },
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -1, -1 },
		{ "PRI * HT", 0, -1 },
		{ "\x16\x03\x01\x02", -1, -1 },
		{ "AMQP\x01", -1, -1 },
		{ "GET \x01\x02", -1, -1 },
		{ " GET / HTTP/1.1\r\n", -1, -1 },
		{ "GET  HTTP/1.1\r\n", -1, -1 },
	};
	struct guard g = guard_new(8192);
	const struct proto *p = proto_get(PROTO_HTTP1);
	char big[8192];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct slice s = guard_put(&g, slice_str(t[i].first));

		if (p->detect(s, PROTO_REQUEST) != t[i].request ||
		    p->detect(s, PROTO_RESPONSE) != t[i].response)
			fail_msg("%s", t[i].first);
	}
	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	assert_int_equal(p->detect(guard_put(&g, (struct slice){ (void *)big, 8192 }), 0), 1);
	assert_int_equal(p->detect(guard_put(&g, (struct slice){ (void *)big, 200 }), 0), 0);
	memcpy(big, "GET a", 5);
	assert_int_equal(p->detect(guard_put(&g, (struct slice){ (void *)big, 8192 }), 0), -1);
	guard_free(&g);
}

static void knows_the_methods(void **state)
{
	static const char *const known[] = { "GET",	"HEAD",	   "POST",  "PUT",   "DELETE",
					     "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_true(http_method_known(slice_str(known[i])));
	assert_false(http_method_known(SLICE("get")));
	assert_false(http_method_known(SLICE("GETS")));
	assert_false(http_method_known(SLICE("PROPFIND")));
	assert_false(http_method_known(SLICE("")));
}

static ssize_t parse(void *state, enum proto_dir dir, const char *text, struct msg *m)
{
	msg_clear(m);
	return proto_get(PROTO_HTTP1)->parse(state, dir, slice_str(text), m);
}

static void outstanding_requests_are_bounded(void **state)
{
	const struct proto *p = proto_get(PROTO_HTTP1);
	void *st = calloc(1, p->state_size);
	struct msg m;

	assert_true(p->state_size <= 256);
	assert_true(p->awaits_request(st));
	for (int i = 0; i < 1024; i++)
		assert_true(parse(st, 0,
				  i % 3 ? "GET / HTTP/1.1\r\n\r\n" : "HEAD / HTTP/1.1\r\n\r\n",
				  &m) > 0);
	assert_true(parse(st, 0, "GET / HTTP/1.1\r\n\r\n", &m) < 0);
	for (int i = 0; i < 1024; i++) {
		assert_false(p->awaits_request(st));
		assert_true(parse(st, 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &m) > 0);
		assert_int_equal(m.skip, i % 3 ? 9 : 0);
	}
	assert_true(p->awaits_request(st));
	free(st);
}

static void is_told_of_lost_requests(void **state)
{
	const struct proto *p = proto_get(PROTO_HTTP1);
	void *st = calloc(1, p->state_size);
	struct msg m;

	parse(st, 0, "GET / HTTP/1.1\r\n\r\n", &m);
	parse(st, 0, "GET / HTTP/1.1\r\n\r\n", &m);
	parse(st, 0, "HEAD / HTTP/1.1\r\n\r\n", &m);
	p->drop_requests(st, 2);
	p->miss_request(st);
	parse(st, 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &m);
	assert_int_equal(m.skip, 9); /* the missed one's */
	parse(st, 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &m);
	assert_int_equal(m.skip, 0); /* HEAD's */
	assert_true(p->awaits_request(st));
	p->drop_requests(st, 5);
	parse(st, 0, "HEAD / HTTP/1.1\r\n\r\n", &m);
	assert_false(p->awaits_request(st));
	parse(st, 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &m);
	p->miss_request(st); /* in the place of the HEAD */
	parse(st, 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &m);
	assert_int_equal(m.skip, 9);
	free(st);
}

/* 120 KB of head that come a byte at a time: looked at once each, not once for each call, else this
 * test would not end in its time. */
static void a_dribbled_head_is_taken_whole(void **state)
{
	const struct proto *p = proto_get(PROTO_HTTP1);
	size_t n = 120 * 1024, at = 0;
	uint8_t *head = malloc(n);
	void *st = calloc(1, p->state_size);
	struct msg m;

	msg_clear(&m);
	at += (size_t)sprintf((char *)head, "GET /%0*d HTTP/1.1\r\n", 20000, 0);
	while (at + 32 < n)
		at += (size_t)sprintf((char *)head + at, "Cookie: abcdefghijklmn\r\n");
	memcpy(head + at, "\r\n", 2);
	at += 2;
	for (size_t i = 1; i < at; i++)
		assert_int_equal(p->parse(st, PROTO_REQUEST, (struct slice){ head, i }, &m), 0);
	assert_int_equal(p->parse(st, PROTO_REQUEST, (struct slice){ head, at }, &m), at);
	assert_true(m.flags == (MSG_BEGIN | MSG_END));
	free(head);
	free(st);
}

static void an_endless_head_is_given_up(void **state)
{
	const struct proto *p = proto_get(PROTO_HTTP1);
	size_t n = 128 * 1024 + 64;
	uint8_t *head = malloc(n);
	void *st = calloc(1, p->state_size);
	struct msg m;

	msg_clear(&m);
	memset(head, 'x', n);
	memcpy(head, "GET / HTTP/1.1\r\n", 16);
	assert_int_equal(p->parse(st, PROTO_REQUEST, (struct slice){ head, 128 * 1024 }, &m), 0);
	assert_true(p->parse(st, PROTO_REQUEST, (struct slice){ head, n }, &m) < 0);
	assert_int_equal(p->resync(st, PROTO_REQUEST, (struct slice){ head, n }), n);
	free(head);
	free(st);
}

/* Fields that are looked at are passed over by their first letter if that is not among these. */
static void first_letters_are_those_of_the_names(void **state)
{
	bool begins[256] = { false };
	const char *name;
	size_t n = 0;

	for (; (name = http_field_name(n)); n++)
		begins[(uint8_t)name[0]] = true;
	assert_in_range(n, HTTP_FIELD_GRPC_TIMEOUT, 1000); /* each field has a name at least */
	for (int c = 0; c < 256; c++)
		if (c == ':' || (c >= 'a' && c <= 'z'))
			assert_int_equal(http_field_may_begin((uint8_t)c), begins[c]);
		else
			assert_false(begins[c]);
	for (int c = 'A'; c <= 'Z'; c++)
		assert_int_equal(http_field_may_begin((uint8_t)c), begins[c | 0x20]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(tells_http_from_others),
		cmocka_unit_test(first_letters_are_those_of_the_names),
		cmocka_unit_test(knows_the_methods),
		cmocka_unit_test(outstanding_requests_are_bounded),
		cmocka_unit_test(is_told_of_lost_requests),
		cmocka_unit_test(a_dribbled_head_is_taken_whole),
		cmocka_unit_test(an_endless_head_is_given_up),
	};

	return cmocka_run_group_tests_name("http1", tests, setup, NULL);
}
