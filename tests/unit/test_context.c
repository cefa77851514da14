// SPDX-License-Identifier: Apache-2.0
/* Trace context on the wire: what is one, and what is ignored. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/context.h"
#include "trace/ids.h"
#include "trace/sampler.h"

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ID	 "00f067aa0ba902b7"

static void check(const struct context *c, bool is_sampled)
{
	char hex[33];

	assert_true(c->is_known);
	context_hex(c->trace_id, 16, hex);
	assert_string_equal(hex, TRACE_ID);
	context_hex(c->span_id, 8, hex);
	assert_string_equal(hex, SPAN_ID);
	assert_int_equal(c->is_sampled, is_sampled);
}

static void traceparent_is_read(void **state)
{
	static const struct {
		const char *text;
		bool is_sampled;
	} good[] = {
		{ "00-" TRACE_ID "-" SPAN_ID "-01", true },
		{ "00-" TRACE_ID "-" SPAN_ID "-00", false },
		{ "00-" TRACE_ID "-" SPAN_ID "-ff", true },
		{ "cc-" TRACE_ID "-" SPAN_ID "-01", true },
		{ "cc-" TRACE_ID "-" SPAN_ID "-01-what-comes-later", true },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct context c = { 0 };

		assert_true(context_traceparent(slice_str(good[i].text), &c));
		check(&c, good[i].is_sampled);
	}
}

static void malformed_traceparent_is_ignored(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"ff-" TRACE_ID "-" SPAN_ID "-01",
		"00-" TRACE_ID "-" SPAN_ID "-01-",
		"00-" TRACE_ID "-" SPAN_ID "-01-more",
		"cc-" TRACE_ID "-" SPAN_ID "-01.more",
		"00-00000000000000000000000000000000-" SPAN_ID "-01",
		"00-" TRACE_ID "-0000000000000000-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN_ID "-01",
		"00-" TRACE_ID "-" SPAN_ID "-0",
		"00-" TRACE_ID "-" SPAN_ID "-0g",
		"00_" TRACE_ID "-" SPAN_ID "-01",
		"0g-" TRACE_ID "-" SPAN_ID "-01",
	};
	struct context c = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(context_traceparent(slice_str(bad[i]), &c));
	assert_false(c.is_known);
}

static void b3_in_one_header(void **state)
{
	struct context c;
	struct context_b3 b3 = { .single = SLICE(TRACE_ID "-" SPAN_ID "-1-05e3ac9a4f6e3b90") };

	assert_true(context_b3(&b3, &c));
	check(&c, true);
	b3.single = SLICE(TRACE_ID "-" SPAN_ID "-d");
	assert_true(context_b3(&b3, &c));
	check(&c, true);
	b3.single = SLICE(TRACE_ID "-" SPAN_ID "-0");
	assert_true(context_b3(&b3, &c));
	check(&c, false);
	b3.single = SLICE(TRACE_ID "-" SPAN_ID);
	assert_true(context_b3(&b3, &c));
	assert_true(c.is_deferred);
	b3.single = SLICE("a3ce929d0e0e4736-" SPAN_ID "-1");
	assert_true(context_b3(&b3, &c));
	assert_int_equal(c.trace_id[0], 0);
	assert_int_equal(c.trace_id[8], 0xa3);
	b3.single = SLICE("0"); /* a decision without a trace */
	assert_false(context_b3(&b3, &c));
	b3.single = SLICE(TRACE_ID "-" SPAN_ID "-x");
	assert_false(context_b3(&b3, &c));
}

static void b3_in_several_headers(void **state)
{
	struct context c;
	struct context_b3 b3 = { .trace_id = SLICE(TRACE_ID), .span_id = SLICE(SPAN_ID) };

	assert_true(context_b3(&b3, &c));
	assert_true(c.is_deferred);
	b3.sampled = SLICE("0");
	assert_true(context_b3(&b3, &c));
	check(&c, false);
	b3.flags = SLICE("1");
	assert_true(context_b3(&b3, &c));
	check(&c, true);
	b3.single = SLICE("nonsense");
	assert_true(context_b3(&b3, &c));
	b3.span_id = SLICE("00f067aa0ba902");
	assert_false(context_b3(&b3, &c));
}

static void state(const char *in, const char *out)
{
	struct slice s = context_tracestate(slice_str(in));

	assert_int_equal(s.n, strlen(out));
	assert_memory_equal(s.p, out, s.n);
}

static void tracestate_is_whole_members(void **state_)
{
	char many[1024] = "", one[1024];

	state("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
	state(" a=1 , b=2 ,", "a=1 , b=2");
	state("tenant@system=1", "tenant@system=1");
	state("a", "");
	state("A=1", "");
	state("a=1,b", "");
	state("a=1=2", "");
	for (int i = 0; i < 33; i++)
		strcat(many, i ? ",a=1" : "a=1");
	state(many, "");
	memset(one, 0, sizeof(one));
	strcpy(one, "a=");
	memset(one + 2, 'x', 250);
	strcat(one, ",b=");
	memset(one + strlen(one), 'y', 250);
	strcpy(many, one);
	strcat(one, ",c=does-not-fit-any-more");
	state(one, many);
}

static void comment(const char *in, const char *out)
{
	struct slice s = context_sql_comment(slice_str(in));

	assert_int_equal(s.n, strlen(out));
	assert_memory_equal(s.p, out, s.n);
}

static void sql_comments(void **state_)
{
	comment("action='%2Fa',traceparent='00-x-01',tracestate='c'", "00-x-01");
	comment(" traceparent='00-x-01' ", "00-x-01");
	comment("traceparent='00-x-0", ""); /* cut */
	comment("nottraceparent='00-x-01'", "");
	comment("nottraceparent='1',traceparent='2'", "2");
	comment("", "");
}

static void samplers(void **state_)
{
	static const uint8_t low[16] = { [15] = 1 }, high[16] = { [9] = 0xff };
	struct sampler s = sampler_make(NULL, NULL);

	assert_true(sampler_root(&s, high));
	assert_false(sampler_child(&s, high, false));
	s = sampler_make("always_on", NULL);
	assert_true(sampler_child(&s, high, false));
	s = sampler_make("always_off", NULL);
	assert_false(sampler_child(&s, low, true));
	s = sampler_make("parentbased_always_off", NULL);
	assert_false(sampler_root(&s, low));
	assert_true(sampler_child(&s, low, true));
	s = sampler_make("parentbased_TraceIdRatio", "0.5");
	assert_true(sampler_root(&s, low));
	assert_false(sampler_root(&s, high));
	assert_true(sampler_child(&s, high, true));
	s = sampler_make("traceidratio", "0");
	assert_false(sampler_root(&s, low));
	s = sampler_make("traceidratio", "1");
	assert_true(sampler_root(&s, high));
	s = sampler_make("traceidratio", "lots");
	assert_true(sampler_root(&s, high));
	s = sampler_make("sometimes", NULL);
	assert_true(sampler_root(&s, high));
	assert_false(sampler_child(&s, high, false));
}

static void ids_differ_and_repeat(void **state_)
{
	struct ids_seed seed = { .salt = 7, .cookie = 1, .start_ns = 2, .request_seq = 3 };
	struct ids a, b;

	ids_make(&seed, &a);
	ids_make(&seed, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	seed.request_seq++;
	ids_make(&seed, &b);
	assert_memory_not_equal(a.trace_id, b.trace_id, 16);
	assert_memory_not_equal(a.span_id, b.span_id, 8);
	seed.request_seq--;
	seed.role = 1;
	ids_make(&seed, &b);
	assert_memory_not_equal(a.span_id, b.span_id, 8);
	assert_memory_not_equal(a.trace_id, a.trace_id + 8, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traceparent_is_read),
		cmocka_unit_test(malformed_traceparent_is_ignored),
		cmocka_unit_test(b3_in_one_header),
		cmocka_unit_test(b3_in_several_headers),
		cmocka_unit_test(tracestate_is_whole_members),
		cmocka_unit_test(sql_comments),
		cmocka_unit_test(samplers),
		cmocka_unit_test(ids_differ_and_repeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
