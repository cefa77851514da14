/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "cmd/filter.h"
#include "identity/process.h"

static const struct service shop = { .id = 1, .name = "shop" };

static struct txn sample(void)
{
	return (struct txn){
		.start_ns = 1000000000,
		.end_ns = 1300000000, /* 300 ms */
		.request_bytes = 80,
		.response_bytes = 4096,
		.tgid = 42,
		.tid = 43,
		.status = 503,
		.proto = PROTO_HTTP1,
		.role = SONDE_ROLE_SERVER,
		.family = SONDE_FAMILY_IPV4,
		.service = &shop,
		.comm = "nginx",
		.version = "1.1",
		.method = "GET",
		.route = "/a/{id}",
		.target = "/a/7?q=(x y)",
		.error_type = "503",
		.local = { .ip = { 127, 0, 0, 1 }, .port = 80 },
		.peer = { .ip = { 10, 0, 0, 9 }, .port = 5123 },
		.trace = { .trace_id = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7, [15] = 1 },
			   .parent = TXN_PARENT_THREAD },
	};
}

static bool matches(const char *expr, const struct txn *t)
{
	char err[256] = "";
	struct filter *f = filter_new(expr, err, sizeof(err));
	bool is_match;

	if (!f)
		fail_msg("'%s': %s", expr, err);
	is_match = filter_match(f, t);
	filter_free(f);
	return is_match;
}

static void fields_are_compared(void **state)
{
	static const char *const yes[] = {
		"status=503",
		"status>=500",
		"status<=503",
		"status>502",
		"status<504",
		"status!=200",
		"service=shop",
		"service!=nginx",
		"service~sh*",
		"role=server",
		"protocol=http",
		"method=GET",
		"route=/a/{id}",
		"route='/a/{id}'",
		"target='/a/7?q=(x y)'",
		"target~'*q=*'",
		"comm~ngin?",
		"pid=42",
		"tid=43",
		"version=1.1",
		"trace_id=00f067aa0ba902b70000000000000001",
		"trace_id~00f0*",
		"parent=thread",
		"parent!=unknown",
		"tls=false",
		"local=127.0.0.1:80",
		"peer~10.*",
		"error_type=503",
		"request_bytes=80",
		"response_bytes>1",
		"duration=300ms",
		"duration>=300ms",
		"duration<1s",
		"duration_ns=300000000",
		"duration>0",
		" status = 503 ",
	};
	static const char *const no[] = {
		"status=200",	 "status>503",	 "status<503",	 "service=Shop",
		"service~SH*",	 "role=client",	 "tls=true",	 "duration>300ms",
		"peer=10.0.0.9", "request_id=x", "request_id~*", "operation=x",
		"question~*",	 "type=GET",	 "rcode~*",	 "parent=unknown",
	};
	struct txn t = sample();

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!matches(yes[i], &t))
			fail_msg("'%s' is false", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (matches(no[i], &t))
			fail_msg("'%s' is true", no[i]);
}

/* A lookup's words are its own, and hold for nothing else. */
static void lookups_have_words_of_their_own(void **state)
{
	struct txn t = sample();

	t.proto = PROTO_DNS;
	strcpy(t.target, "example.org");
	strcpy(t.method, "AAAA");
	strcpy(t.status_text, "NXDOMAIN");
	memset(t.trace.trace_id, 0, sizeof(t.trace.trace_id));
	assert_true(matches("question=example.org and type=AAAA and rcode=NXDOMAIN", &t));
	assert_false(matches("rcode=NOERROR", &t));
	assert_false(matches("trace_id~*", &t)); /* none is no id of zeros */
	t.status_text[0] = '\0';
	assert_false(matches("rcode~*", &t));
}

static void and_binds_closer_than_or(void **state)
{
	struct txn t = sample();

	assert_true(matches("status=503 or status=1 and status=2", &t));
	assert_false(matches("(status=503 or status=1) and status=2", &t));
	assert_true(matches("not status=1 and not (role=client or tls=true)", &t));
	assert_false(matches("not not status=1", &t));
	assert_true(matches("status=1 Or status=503", &t));
	assert_true(matches("status=1 OR NOT status=2 AND pid=42", &t));
}

/* What is not known is unequal to everything, and neither less nor greater. */
static void unknown_compares_to_nothing(void **state)
{
	struct txn t = sample();

	t.status = 0;
	t.service = NULL;
	assert_true(matches("status!=200", &t));
	assert_false(matches("status=200", &t));
	assert_false(matches("status<200", &t));
	assert_false(matches("status>=0", &t));
	assert_false(matches("service=shop", &t));
	assert_true(matches("service!=shop", &t));
}

static void no_filter_passes_all(void **state)
{
	struct txn t = sample();

	assert_true(filter_match(NULL, &t));
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *expr, *part;
	} cases[] = {
		{ "", "condition is expected" },
		{ "status>>5", "'>5' is not valid: expected a whole number" },
		{ "stats=5", "stats: no such field; did you mean status?" },
		{ "status", "expected =, !=, ~" },
		{ "status=", "a value is missing" },
		{ "status~5", "status is a number" },
		{ "service>shop", "service is a text" },
		{ "duration>5", "a duration such as 300ms" },
		{ "role=sever", "did you mean server?" },
		{ "status=1 status=2", "at 'status=2': expected and, or" },
		{ "(status=1", "closing parenthesis is missing" },
		{ "status=1)", "expected and, or, or the end" },
		{ "service='x", "closing ' is missing" },
		{ "status=1 and", "condition is expected" },
		{ "!status=1", "expected a condition" },
		{ "((((((((((((((((((status=1))))))))))))))))))", "nested deeper" },
	};
	char err[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err[0] = '\0';
		assert_null(filter_new(cases[i].expr, err, sizeof(err)));
		if (!strstr(err, cases[i].part))
			fail_msg("'%s': '%s' lacks '%s'", cases[i].expr, err, cases[i].part);
	}
}

static void long_conditions_are_bounded(void **state)
{
	char expr[4096] = "pid=1", err[256];
	size_t n = 5;

	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(expr + n, sizeof(expr) - n, " or pid=1");
	assert_null(filter_new(expr, err, sizeof(err)));
	assert_non_null(strstr(err, "more than"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_compared),
		cmocka_unit_test(lookups_have_words_of_their_own),
		cmocka_unit_test(and_binds_closer_than_or),
		cmocka_unit_test(unknown_compares_to_nothing),
		cmocka_unit_test(no_filter_passes_all),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(long_conditions_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
