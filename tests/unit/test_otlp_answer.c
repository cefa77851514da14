/* SPDX-License-Identifier: Apache-2.0 */
/* What answers mean, and what a lane does about them. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <zlib.h>
#include "export/otlp_in.h"
#include "export/otlp_lane.h"
#include "export/otlp_post.h"
#include "util/clock.h"
#include "util/log.h"

static struct otlp_verdict judge(struct otlp_reply r)
{
	struct otlp_verdict v;

	otlp_judge(&r, &v);
	return v;
}

static struct otlp_verdict http(int status, const char *body, size_t n, bool is_json)
{
	return judge((struct otlp_reply){ .status = status,
					  .is_json = is_json,
					  .grpc_status = GRPC_NO_STATUS,
					  .body = { (const uint8_t *)body, n } });
}

#define HTTP(status, body) http(status, body, sizeof(body) - 1, false)
#define JSON(status, body) http(status, body, sizeof(body) - 1, true)

static void test_http_statuses(void **state)
{
	static const int later[] = { 429, 502, 503, 504 };
	static const int never[] = { 201, 204, 301, 400, 401, 404, 413, 500, 501 };
	struct otlp_verdict v;

	assert_int_equal(HTTP(200, "").fate, OTLP_TAKEN);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(HTTP(later[i], "").fate, OTLP_LATER);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(HTTP(never[i], "").fate, OTLP_REFUSED);
	v = judge((struct otlp_reply){ .message = "no route\x1b[0m to host" });
	assert_int_equal(v.fate, OTLP_LATER);
	assert_string_equal(v.why, "no route?[0m to host");
	v = judge((struct otlp_reply){ .status = 503, .retry_after_ns = 7 * NS_PER_S });
	assert_int_equal(v.wait_ns, 7 * NS_PER_S);
}

static void test_partial_success(void **state)
{
	struct otlp_verdict v = HTTP(200, "\x0a\x08\x08\x03\x12\x04late");

	assert_int_equal(v.fate, OTLP_TAKEN);
	assert_int_equal(v.rejected, 3);
	assert_string_equal(v.why, "late");
	/* full success, as a real collector says it */
	v = HTTP(200, "\x0a\x00");
	assert_int_equal(v.rejected, 0);
	assert_string_equal(v.why, "");
	v = JSON(200, "{\"partialSuccess\":{\"rejectedSpans\":\"5\",\"errorMessage\":\"x\"}}");
	assert_int_equal(v.rejected, 5);
	assert_string_equal(v.why, "x");
	v = JSON(200, "{\"partialSuccess\":{\"rejectedDataPoints\":2}}");
	assert_int_equal(v.rejected, 2);
	v = JSON(200, "{\"partialSuccess\":{\"rejectedSpans\":\"-5\"}}");
	assert_int_equal(v.rejected, 0);
}

static void test_garbage(void **state)
{
	static const char *const texts[] = {
		"<html>", "\xff\xff\xff\xff", "\x0a\x7f\x08", "\x0a\x02\x08\xff", "{", "[1",
		"null",	  "\x08\xff"
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (int is_json = 0; is_json < 2; is_json++) {
			struct otlp_verdict v = http(200, texts[i], strlen(texts[i]), is_json);

			assert_int_equal(v.fate, OTLP_TAKEN);
			assert_int_equal(v.rejected, 0);
		}
}

static struct otlp_verdict grpc(int status, const char *details)
{
	struct otlp_reply r = { .is_grpc = true, .status = 200, .grpc_status = status };

	strcpy(r.details, details);
	return judge(r);
}

static void test_grpc_statuses(void **state)
{
	static const int later[] = { 1, 4, 10, 11, 14, 15 };
	struct otlp_verdict v;
	int n = 0;

	assert_int_equal(grpc(0, "").fate, OTLP_TAKEN);
	for (int status = 1; status < 18; status++) {
		bool is_later = n < 6 && later[n] == status;

		n += is_later;
		assert_int_equal(grpc(status, "").fate, is_later ? OTLP_LATER : OTLP_REFUSED);
	}
	/* Status{8, "", [Any{RetryInfo, Duration{2 s, 5e8 ns}}]} */
	v = grpc(8,
		 "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIAhCAyrXuAQ");
	assert_int_equal(v.fate, OTLP_LATER);
	assert_int_equal(v.wait_ns, 5 * NS_PER_S / 2);
	assert_int_equal(grpc(8, "CAga").fate, OTLP_REFUSED);
	/* no gRPC server at all */
	assert_int_equal(grpc(GRPC_NO_STATUS, "").fate, OTLP_REFUSED);
	v = judge((struct otlp_reply){
		.is_grpc = true, .status = 503, .grpc_status = GRPC_NO_STATUS });
	assert_int_equal(v.fate, OTLP_LATER);
	v = judge((struct otlp_reply){ .is_grpc = true,
				       .status = 200,
				       .body = SLICE("\0\0\0\0\x0a\x0a\x08\x08\x03\x12\x04late") });
	assert_int_equal(v.rejected, 3);
}

static void test_base64(void **state)
{
	uint8_t out[16];

	assert_true(slice_eq(otlp_in_base64("Zm9vYmE=", out), SLICE("fooba")));
	assert_true(slice_eq(otlp_in_base64("Zm9vYg", out), SLICE("foob")));
	assert_true(slice_eq(otlp_in_base64("", out), SLICE("")));
	assert_true(slice_eq(otlp_in_base64("*", out), SLICE("")));
}

static struct otlp_endpoint endpoint = { .is_on = true, .url = "http://collector.example/" };
static struct otlp_lane lane;

static void load(size_t items, uint64_t now_ns)
{
	memcpy(otlp_reserve(&lane.out, 100), "some spans", 10);
	lane.out.n = 10;
	assert_int_equal(lane_load(&lane, items, now_ns), 0);
	lane.state = LANE_SENDING;
}

static void reply(int status, uint64_t after_ns, uint64_t now_ns)
{
	const struct otlp_reply r = { .status = status, .retry_after_ns = after_ns };

	lane_reply(&lane, &r, now_ns);
}

static void test_lane_backs_off_and_gives_up(void **state)
{
	uint64_t now = NS_PER_S, least = NS_PER_S / 2, most = NS_PER_S;
	int tries = 0;

	lane_init(&lane, OTLP_TRACES, &endpoint);
	load(4, now);
	for (; lane.items; tries++) {
		reply(0, 0, now);
		if (!lane.items)
			break;
		assert_int_equal(lane.state, LANE_WAITING);
		assert_in_range(lane.due_ns - now, least, most);
		assert_true(slice_eq(lane_bytes(&lane), SLICE("some spans")));
		now = lane.due_ns;
		most = most * 2 < 30 * NS_PER_S ? most * 2 : 30 * NS_PER_S;
		least = most / 2;
	}
	assert_in_range(tries, 14, 25);
	assert_int_equal(lane.lost[OTLP_LOSS_UNREACHABLE], 4);
	assert_int_equal(lane.sent, 0);
	assert_int_equal(lane.state, LANE_IDLE);
	/* and is as good as new */
	load(3, now);
	reply(200, 0, now);
	assert_int_equal(lane.sent, 3);
	lane_free(&lane);
}

static void test_lane_waits_as_it_is_told(void **state)
{
	lane_init(&lane, OTLP_TRACES, &endpoint);
	load(4, 0);
	reply(429, 20 * NS_PER_S, NS_PER_S);
	assert_int_equal(lane.state, LANE_WAITING);
	assert_in_range(lane.due_ns, 21 * NS_PER_S, 22 * NS_PER_S);
	/* a hostile one that would have us keep them for ever */
	reply(503, 100000 * NS_PER_S, 22 * NS_PER_S);
	assert_int_equal(lane.lost[OTLP_LOSS_UNREACHABLE], 4);
	load(2, 0);
	reply(400, 0, 0);
	assert_int_equal(lane.lost[OTLP_LOSS_REFUSED], 2);
	lane_free(&lane);
}

static void test_lane_counts_no_more_than_it_sent(void **state)
{
	const struct otlp_reply r = { .status = 200,
				      .body = SLICE("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff"
						    "\xff\x00") };
	const struct otlp_reply many = { .status = 200, .body = SLICE("\x0a\x03\x08\xff\x7f") };

	lane_init(&lane, OTLP_TRACES, &endpoint);
	load(4, 0);
	lane_reply(&lane, &many, 0);
	assert_int_equal(lane.lost[OTLP_LOSS_PARTIAL], 4);
	assert_int_equal(lane.sent, 0);
	load(4, 0);
	lane_reply(&lane, &r, 0);
	assert_int_equal(lane.sent + lane.lost[OTLP_LOSS_PARTIAL], 8);
	lane_free(&lane);
}

static void test_lane_frames_and_compresses(void **state)
{
	uint8_t plain[64];
	z_stream z = { 0 };
	struct slice s;

	endpoint.protocol = OTLP_GRPC;
	lane_init(&lane, OTLP_TRACES, &endpoint);
	load(1, 0);
	assert_true(slice_eq(lane_bytes(&lane), SLICE("\0\0\0\0\x0asome spans")));
	lane_free(&lane);
	endpoint.is_gzip = true;
	lane_init(&lane, OTLP_TRACES, &endpoint);
	load(1, 0);
	s = lane_bytes(&lane);
	assert_int_equal(s.p[0], 1);
	assert_int_equal(s.p[4], s.n - OTLP_GRPC_HEAD);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (Bytef *)s.p + OTLP_GRPC_HEAD;
	z.avail_in = (uInt)s.n - OTLP_GRPC_HEAD;
	z.next_out = plain;
	z.avail_out = sizeof(plain);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_memory_equal(plain, "some spans", 10);
	inflateEnd(&z);
	lane_free(&lane);
	endpoint.protocol = OTLP_HTTP_PROTOBUF;
	lane_init(&lane, OTLP_TRACES, &endpoint);
	load(1, 0);
	s = lane_bytes(&lane);
	assert_true(s.n > 2 && s.p[0] == 0x1f && s.p[1] == 0x8b);
	lane_free(&lane);
	endpoint.is_gzip = false;
}

static int quiet(void **state)
{
	log_init(LOG_ERROR, false);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_statuses),
		cmocka_unit_test(test_partial_success),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_grpc_statuses),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_lane_backs_off_and_gives_up),
		cmocka_unit_test(test_lane_waits_as_it_is_told),
		cmocka_unit_test(test_lane_counts_no_more_than_it_sent),
		cmocka_unit_test(test_lane_frames_and_compresses),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
