/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 through real streams: joined in the middle, holes, resets, bounds. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "h2wire.h"
#include "proto/http2_parts.h"
#include "sim.h"
#include "stream/match.h"

enum { TEN = 10, BULK_KEEP = 16 };

#define ASK(method) "|:method " method "|:scheme http|:path "
#define GET	    ASK("GET")

static struct sim sim;
static struct sim_play play;
static struct h2wire wires[2]; /* by enum proto_dir */
static uint64_t stream_end_ns; /* of the last stream of events; 0: none has ended */

static void on_stream(void *ctx, struct txn_stream *s)
{
	stream_end_ns = s->end_ns;
}

static int setup(void **state)
{
	sim_init(&sim);
	play = (struct sim_play){ .opts.on_stream = on_stream };
	stream_end_ns = 0;
	sim_play_init(&play);
	for (int d = 0; d < 2; d++)
		h2wire_init(&wires[d]);
	return 0;
}

static int teardown(void **state)
{
	sim_play_free(&play);
	sim_free(&sim);
	for (int d = 0; d < 2; d++)
		h2wire_free(&wires[d]);
	return 0;
}

/* One operation with what the script says. */
static void op(enum proto_dir d, const char *script)
{
	size_t from = wires[d].n;
	bool is_server = sim.conns[0].role == SONDE_ROLE_SERVER;

	h2wire_write(&wires[d], script);
	sim_op(&sim, 1, is_server == (d == PROTO_REQUEST) ? SONDE_RX : SONDE_TX,
	       h2wire_since(&wires[d], from));
}

static void request(const char *script)
{
	op(PROTO_REQUEST, script);
}

static void response(const char *script)
{
	op(PROTO_RESPONSE, script);
}

static void play_all(void)
{
	sim_play(&play, &sim, 0, sim.n);
}

static uint64_t loss(enum loss l)
{
	return conns_stats(play.conns)->losses.n[l];
}

static uint64_t losses(void)
{
	uint64_t n = 0;

	for (int l = 0; l < LOSS_MAX; l++)
		n += loss(l);
	return n;
}

/* The lines of the transactions begin so, in this order, and there are no others. */
static void assert_lines(const char *const want[])
{
	const char *at = play.out ? play.out : "";
	size_t n = 0;

	for (; want[n]; n++) {
		if (strncmp(at, want[n], strlen(want[n])) != 0)
			fail_msg("want %s, found %s", want[n], at);
		at = strchr(at, '\n') + 1;
	}
	assert_int_equal(play.n_txns, n);
}

#define LINES(...) assert_lines((const char *const[]){ __VA_ARGS__, NULL })

static void a_connection_joined_in_the_middle(void **state)
{
	size_t before;

	sim_open_at(&sim, 1, SONDE_ROLE_SERVER, SONDE_FAMILY_IPV4, 0, 1000, 5000);
	/* what fills the tables is not seen */
	h2wire_write(&wires[0], "preface;settings;headers 1 end" ASK("OLD") "/a");
	h2wire_write(&wires[1], "settings;headers 1 end|:status 503");
	before = sim.n;
	request("headers 3 end" GET "/a");
	response("headers 3 end|:status 503");
	request("headers 5 end" ASK("NEW") "/b");
	response("headers 5|:status 200;data 5 end 4");
	request("headers 7 end" ASK("NEW") "/b"); /* by reference to the one before */
	response("headers 7 end|:status 404");
	request("headers 9 end" ASK("OLD") "/a");
	response("headers 9 end|:status 503");
	sim_play(&play, &sim, 0, before);
	sim_play(&play, &sim, before, sim.n);
	LINES("1 server 2 GET /a 0 ", "1 server 2 NEW /b 200 ", "1 server 2 NEW /b 404 ",
	      "1 server 2  /a 0 ");
	assert_int_equal(losses(), 0);
}

/* Its type stands in a table that was not seen: the messages themselves tell. */
static void a_call_joined_in_the_middle(void **state)
{
	static const char call[] = "|:method POST|:path /s/m|content-type application/grpc";
	char script[128];

	sim_open_at(&sim, 1, SONDE_ROLE_SERVER, SONDE_FAMILY_IPV4, 0, 1000, 5000);
	snprintf(script, sizeof(script), "headers 1 end%s", call);
	h2wire_write(&wires[0], script);
	h2wire_write(&wires[1],
		     "headers 1 end|:status 200|content-type application/grpc|grpc-status 0");
	snprintf(script, sizeof(script), "headers 3%s;messages 3 end 700", call);
	request(script);
	response("headers 3|:status 200|content-type application/grpc;messages 3 9;"
		 "headers 3 end|grpc-status 0");
	snprintf(script, sizeof(script), "headers 5%s;data 5 end 700", call);
	request(script); /* no message: of this nobody can tell */
	response("headers 5|:status 200|content-type application/grpc;data 5 9;"
		 "headers 5 end|grpc-status 0");
	play_all();
	assert_int_equal(conns_stats(play.conns)->transactions[PROTO_GRPC][SONDE_ROLE_SERVER - 1],
			 1);
	assert_int_equal(conns_stats(play.conns)->transactions[PROTO_HTTP1][SONDE_ROLE_SERVER - 1],
			 1);
	LINES("1 server 2 POST /s/m 200 ", "1 server 2 POST /s/m 200 ");
}

static void responses_to_what_was_asked_before(void **state)
{
	sim_open_at(&sim, 1, SONDE_ROLE_CLIENT, SONDE_FAMILY_IPV4, 0, 1000, 5000);
	h2wire_write(&wires[0], "preface;headers 1 end" GET "/1;headers 3 end" GET "/3");
	request("headers 5 end" GET "/5");
	response("headers 1|:status 200;headers 3|:status 200;data 1 end 1;data 3 end 1");
	response("headers 5 end|:status 204");
	sim_wait(&sim, 2 * MATCH_FINISHED_NS);
	play_all();
	LINES("1 client 2 GET /5 204 ");
	assert_int_equal(loss(LOSS_JOINED_MIDDLE), 2);
	assert_int_equal(losses(), 2);
}

/* The head's front is there, the rest of the operation was not copied. */
static void a_hole_in_a_block(void **state)
{
	char script[1200];

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface;settings");
	request("headers 1 end" ASK("OLD") "/known");
	sim.copy_max = 80;
	snprintf(script, sizeof(script), "headers 3 end" GET "/front|cookie %0800d", 7);
	request(script);
	sim.copy_max = 0;
	request("headers 5 end" ASK("OLD") "/known"); /* a reference that means nothing any more */
	request("headers 7 end" ASK("NEW") "/later");
	request("headers 9 end" ASK("NEW") "/later");
	response("headers 1 end|:status 200;headers 3 end|:status 200;headers 5 end|:status 200;"
		 "headers 7 end|:status 200;headers 9 end|:status 200");
	play_all();
	LINES("1 server 2 OLD /known 200 ", "1 server 2 GET /front 200 ", "1 server 2  /known 200 ",
	      "1 server 2 NEW /later 200 ", "1 server 2 NEW /later 200 ");
	assert_int_equal(losses(), 0);
}

/* start and duration: what tells a transaction from all others */
static bool is_among(const char *line, const char *all)
{
	char when[64];
	const char *plus = strchr(line, '+'), *from = plus, *to = plus;

	while (from[-1] != ' ')
		from--;
	while (*to != ' ')
		to++;
	snprintf(when, sizeof(when), " %.*s ", (int)(to - from), from);
	return strstr(all, when) != NULL;
}

/* Whichever record is lost: what is found was there, each once, and what is missing is counted. */
static void nothing_is_made_up_behind_a_hole(void **state)
{
	char script[256], *all;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface;settings");
	response("settings;ack");
	for (int i = 0; i < TEN; i++) {
		int id = 2 * i + 1;

		snprintf(script, sizeof(script), "headers %d" GET "/%d;data %d end 40", id, i, id);
		request(script);
		snprintf(script, sizeof(script), "headers %d|:status 200|x-n %d;data %d 30", id, i,
			 id);
		response(script);
		if (i) /* the one before ends within this one */
			snprintf(script, sizeof(script), "data %d 50;data %d end 20", id, id - 2);
		else
			snprintf(script, sizeof(script), "data %d 50", id);
		response(script);
	}
	response("data 19 end 9");
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	all = sim_run(&sim);
	for (size_t i = 1; i + 1 < sim.n; i++) {
		struct sim cut = sim_copy(&sim);
		struct sim_play p = { 0 };
		uint64_t lost = 0;

		sim_lose(&cut, i);
		sim_play_init(&p);
		sim_play(&p, &cut, 0, cut.n);
		for (int l = 0; l < LOSS_MAX; l++)
			lost += conns_stats(p.conns)->losses.n[l];
		for (char *line = p.out; line && *line; line = strchr(line, '\n') + 1)
			if (!is_among(line, all))
				fail_msg("without %zu: %s", i, line);
		assert_true(p.n_txns <= TEN);
		/* the kernel counts a lost request by itself */
		if (p.n_txns + lost + 1 < TEN)
			fail_msg("without %zu: %zu, and %llu lost", i, p.n_txns,
				 (unsigned long long)lost);
		sim_play_free(&p);
		sim_free(&cut);
	}
	free(all);
}

/* The operations, each of `each` bytes, of a frame; as the kernel tells them where it follows
 * frames: of large DATA the head and a few bytes, the rest by its length. */
struct bulk {
	size_t each;
	bool is_followed;
};

static void bulk(const struct bulk *b, enum proto_dir d, const char *script)
{
	bool is_server = sim.conns[0].role == SONDE_ROLE_SERVER;
	enum sonde_dir dir = is_server == (d == PROTO_REQUEST) ? SONDE_RX : SONDE_TX;
	size_t at = wires[d].n;

	h2wire_write(&wires[d], script);
	while (at < wires[d].n) {
		struct slice in = h2wire_since(&wires[d], at);
		size_t head = HTTP2_FRAME_HEAD + BULK_KEEP, n;
		struct http2_frame f;

		http2_frame_read(in.p, &f);
		in.n = HTTP2_FRAME_HEAD + f.len;
		at += in.n;
		if (!b->is_followed || f.type != NGHTTP2_DATA || f.len < HTTP2_BULK)
			head = in.n;
		for (; in.n; in.n -= n, in.p += n) {
			n = in.n < b->each ? in.n : b->each;
			sim_op_front(&sim, 1, dir, (struct slice){ in.p, n }, head < n ? head : n);
			head -= head < n ? head : n;
		}
	}
}

static void bulk_both_ways(const struct bulk *b)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface");
	bulk(b, PROTO_REQUEST, "settings;headers 1|:method POST|:scheme http|:path /up");
	bulk(b, PROTO_REQUEST, "data 1 16384;data 1 5000;data 1 4095;data 1 end 9000");
	bulk(b, PROTO_REQUEST, "headers 3 end" GET "/3;headers 5 end" GET "/5");
	bulk(b, PROTO_RESPONSE, "settings;headers 1|:status 201;data 1 end 3");
	bulk(b, PROTO_RESPONSE, "headers 3|:status 200;data 3 16384;headers 5|:status 200");
	bulk(b, PROTO_RESPONSE, "data 5 16000;data 3 8000;data 5 end 4096;data 3 7000");
	bulk(b, PROTO_RESPONSE, "headers 3 end|sum 1");
	play_all();
	assert_int_equal(play.n_txns, 3);
	assert_int_equal(losses(), 0);
}

/* The same is told of bytes that are not there as of those that are, wherever operations end. */
static void large_data_in_holes(void **state)
{
	static const size_t each[] = { SIZE_MAX, 10000, 4096, 24, 9, 1 };

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		char *want;

		bulk_both_ways(&(struct bulk){ .each = each[i] });
		want = strdup(play.out);
		teardown(state);
		setup(state);
		bulk_both_ways(&(struct bulk){ .each = each[i], .is_followed = true });
		assert_string_equal(play.out, want);
		free(want);
		teardown(state);
		setup(state);
	}
}

/* Behind a record that is lost, what follows is found again though its DATA is in holes: a request
 * made meanwhile is answered. */
static void a_loss_within_large_data(void **state)
{
	const struct bulk b = { .each = SIZE_MAX, .is_followed = true };
	size_t lost;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface;settings;headers 1 end" GET "/1");
	bulk(&b, PROTO_RESPONSE, "settings;headers 1|:status 200;data 1 16384");
	lost = sim.n;
	bulk(&b, PROTO_RESPONSE, "data 1 16384;data 1 16384");
	request("headers 3 end" GET "/3");
	bulk(&b, PROTO_RESPONSE, "data 1 16384;headers 3|:status 404;data 1 16384;data 3 end 9000");
	bulk(&b, PROTO_RESPONSE, "data 1 end 16384");
	sim_lose(&sim, lost);
	play_all();
	assert_non_null(strstr(play.out, "GET /3 404 "));
	assert_null(strstr(play.out, "GET /1 "));
	assert_int_equal(losses(), 1);
}

static void a_response_before_its_request(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	request("preface;settings");
	request("headers 1 end" GET "/1");
	response("headers 1|:status 200;data 1 end 3");
	request("headers 3 end" GET "/3");
	response("reset 3 7");
	sim_swap(&sim, 2);
	sim_swap(&sim, 4);
	play_all();
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "GET /1 200 "));
	assert_non_null(strstr(play.out, "error=refused_stream"));
	assert_int_equal(losses(), 0);
}

static void who_breaks_off(enum sonde_role role, const char *gave_up)
{
	sim_open(&sim, 1, role);
	request("preface;headers 1 end" GET "/1;headers 3 end" GET "/3;headers 5 end" GET "/5");
	response("headers 1|:status 200;data 1 9");
	request("reset 1 8");
	response("reset 3 7;headers 5|:status 200");
	request("reset 5 1");
	response("data 1 end 3"); /* on its way when it was given up */
	play_all();
	assert_int_equal(play.n_txns, 3);
	assert_true((strstr(play.out, "error=client_closed") != NULL) == (gave_up[0] != '\0'));
	assert_non_null(strstr(play.out, "error=refused_stream"));
	assert_non_null(strstr(play.out, "error=protocol_error"));
	assert_int_equal(losses(), 0);
}

static void a_stream_is_reset_server(void **state)
{
	who_breaks_off(SONDE_ROLE_SERVER, "client_closed");
}

static void a_stream_is_reset_client(void **state)
{
	who_breaks_off(SONDE_ROLE_CLIENT, "");
}

/* When the transaction that began so ended, and how. */
static uint64_t end_of(const char *what, const char *error)
{
	const char *line = strstr(play.out, what), *from, *plus;
	char found[64] = "";

	if (!line)
		fail_msg("no %s in %s", what, play.out);
	from = plus = strchr(line, '+');
	while (from[-1] != ' ')
		from--;
	sscanf(plus, "%*s first %*s error=%63s", found);
	if (strcmp(found, error) != 0)
		fail_msg("%s: %s, not %s, in %s", what, found, error, play.out);
	return strtoull(from, NULL, 10) + strtoull(plus + 1, NULL, 10);
}

/* A shutdown in good order: what was on its way above the last stream is refused there and then,
 * and what it left goes on. */
static void goaway(enum sonde_role role)
{
	static const char *const refused[] = { "GET /5 0 ", "POST /7 200 ", "GET /11 0 ",
					       "GET /13 200 " };
	uint64_t at_ns;
	size_t from;

	sim_open(&sim, 1, role);
	request("preface;headers 1 end" GET "/1;headers 3" ASK("POST") "/3;headers 5 end" GET "/5");
	request("headers 7" ASK("POST") "/7;data 7 9;headers 9" ASK(
		"POST") "/9"
			"|content-type application/grpc");
	response("goaway 2147483647;headers 1|:status 200;headers 7|:status 200;data 7 5");
	request("headers 11 end" GET "/11;goaway 0"); /* of what the server pushes */
	request("headers 13 end" GET "/13;headers 15 end" GET "/15");
	response("headers 15|:status 200|content-type text/event-stream;data 15 9");
	response("data 1 end 3;headers 13|:status 200;goaway 3;data 7 5;goaway 9");
	play_all();
	assert_int_equal(play.n_txns, 7);
	at_ns = end_of("GET /1 200 ", "");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(end_of(refused[i], "refused_stream"), at_ns);
	assert_int_equal(end_of("POST /9 0 ", "UNAVAILABLE"), at_ns);
	assert_int_equal(stream_end_ns, at_ns);
	/* what still comes of them is nothing */
	from = sim.n;
	request("data 7 end 9;reset 11 8;data 3 end 4");
	response("headers 5 end|:status 200;reset 11 7;data 7 end 1;headers 3 end|:status 404");
	sim_eof(&sim, 1);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	sim_play(&play, &sim, from, sim.n);
	assert_int_equal(play.n_txns, 8);
	assert_int_equal(stream_end_ns, at_ns);
	assert_true(end_of("POST /3 404 ", role == SONDE_ROLE_SERVER ? "" : "404") > at_ns);
	assert_int_equal(losses(), 0);
}

static void a_server_goes_away_server(void **state)
{
	goaway(SONDE_ROLE_SERVER);
}

static void a_server_goes_away_client(void **state)
{
	goaway(SONDE_ROLE_CLIENT);
}

/* A request that comes behind, or whose record does, is refused when it was made. */
static void a_request_behind_goaway(void **state)
{
	uint64_t at_ns;

	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	request("preface;headers 1 end" GET "/1");
	request("headers 3 end" GET "/3");
	response("headers 1|:status 200;data 1 3;goaway 1");
	request("headers 5" ASK("POST") "/5;data 5 9");
	request("headers 7 end" ASK("POST") "/7|content-type application/grpc");
	request("data 5 end 9");
	response("data 1 end 4");
	sim_swap(&sim, 2);
	play_all();
	assert_int_equal(play.n_txns, 4);
	at_ns = end_of("GET /3 0 ", "refused_stream");
	assert_true(end_of("POST /5 0 ", "refused_stream") > at_ns);
	end_of("POST /7 0 ", "UNAVAILABLE");
	assert_true(end_of("GET /1 200 ", "") > end_of("POST /5 0 ", "refused_stream"));
	assert_non_null(strstr(strstr(play.out, "POST /5 "), "+0 first "));
	assert_int_equal(losses(), 0);
}

/* One after another, of an id less each. */
static void goaways(unsigned n)
{
	char script[64];

	for (unsigned i = 0; i < n; i++) {
		snprintf(script, sizeof(script), "goaway %u", 2147483647 - i);
		response(script);
	}
}

static void a_server_that_goes_away_for_ever(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface;headers 1 end" GET "/1;headers 3 end" GET "/3");
	goaways(HTTP2_REFUSALS_MAX);
	response("goaway 0;headers 1 end|:status 200;headers 3 end|:status 200");
	play_all();
	LINES("1 server 2 GET /1 200 ", "1 server 2 GET /3 200 ");
	assert_int_equal(losses(), 0);
}

/* What is on its way is as much as ever; the ids that it might have had are not gone through. */
static void all_is_refused(void **state)
{
	enum { MORE = 100 };
	char script[64];

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface");
	for (int i = 0; i < MATCH_PENDING_MAX + MORE; i++) {
		snprintf(script, sizeof(script), "headers %d end" GET "/%d", 2 * i + 1, i);
		request(script);
	}
	goaways(HTTP2_REFUSALS_MAX - 1);
	response("goaway 0");
	play_all();
	assert_int_equal(play.n_txns, MATCH_PENDING_MAX);
	assert_int_equal(loss(LOSS_PENDING_FULL), MORE);
	request("headers 2147483647 end" GET "/last");
	sim_play(&play, &sim, sim.n - 1, sim.n);
	end_of("GET /last 0 ", "refused_stream");
}

static void the_end_of_a_connection_ends_all(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	request("preface;headers 1 end" GET "/1;headers 3 end" GET "/3;headers 5 end" GET "/5");
	response("headers 1|:status 200;data 1 9;headers 3|:status 200;data 3 9");
	sim_eof(&sim, 1);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	play_all();
	assert_int_equal(play.n_txns, 3);
	for (int i = 1; i <= 5; i += 2) {
		char want[16];

		snprintf(want, sizeof(want), "GET /%d ", i);
		assert_non_null(strstr(play.out, want));
	}
	assert_int_equal(losses(), 0);
}

static void streams_are_bounded(void **state)
{
	enum { MORE = 100 };
	char script[64];

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface");
	for (int i = 0; i < MATCH_PENDING_MAX + MORE; i++) {
		snprintf(script, sizeof(script), "headers %d end" GET "/", 2 * i + 1);
		request(script);
	}
	response("headers 1 end|:status 200");
	play_all();
	LINES("1 server 2 GET / 200 ");
	assert_int_equal(loss(LOSS_PENDING_FULL), MORE);
}

/* The begin of one message is not the end of another whose DATA came before. */
static void messages_that_begin_between_parts(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface;headers 1" ASK("PUT") "/1;data 1 10");
	request("headers 3" ASK("PUT") "/3;data 3 20;data 1 end 1;data 3 end 2");
	response("headers 1|:status 200;data 1 100");
	response("headers 3|:status 200;data 3 200;data 1 end 1000;data 3 end 2000");
	play_all();
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "PUT /1 200 "));
	assert_non_null(strstr(play.out, "/11 "));
	assert_non_null(strstr(play.out, "/1100 "));
	assert_non_null(strstr(play.out, "/22 "));
	assert_non_null(strstr(play.out, "/2200 "));
	assert_int_equal(losses(), 0);
}

/* Every part of a message finds it, however many are open and in whichever order they go on. */
static void many_streams_at_once(void **state)
{
	enum { MANY = 500, STEP = 211, LONG = 64 }; /* no common factor: each is met once a round */
	char script[64], want[64];

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface");
	for (int i = 0; i < MANY; i++) {
		snprintf(script, sizeof(script), "headers %d" ASK("PUT") "/%d", 2 * i + 1, i);
		request(script);
	}
	for (int i = 0, k = 0; i < MANY; i++, k = (k + STEP) % MANY) {
		snprintf(script, sizeof(script), "data %d %d", 2 * k + 1, k % LONG);
		request(script);
		snprintf(script, sizeof(script), "headers %d|:status 200", 2 * k + 1);
		response(script);
	}
	for (int i = 0, k = 7; i < MANY; i++, k = (k + STEP) % MANY) {
		snprintf(script, sizeof(script), "data %d %d", 2 * k + 1, k % LONG + 1);
		response(script);
		snprintf(script, sizeof(script), "data %d end 3", 2 * k + 1);
		request(script);
	}
	for (int i = MANY - 1; i >= 0; i--) {
		snprintf(script, sizeof(script), "data %d end 5", 2 * i + 1);
		response(script);
	}
	play_all();
	assert_int_equal(play.n_txns, MANY);
	for (int i = 0; i < MANY; i++) {
		size_t n;
		const char *at;

		n = (size_t)snprintf(want, sizeof(want), " PUT /%d 200 ", i);
		at = strstr(play.out, want);
		assert_non_null(at);
		at = strchr(at + n, '/') + 1;
		assert_int_equal(atoi(at), i % LONG + 3);
		assert_int_equal(atoi(strchr(at, '/') + 1), i % LONG + 6);
	}
	assert_int_equal(losses(), 0);
}

/* Answers that begin and never end: the one that was not heard of for longest is lost. */
static void open_answers_are_bounded(void **state)
{
	enum { MORE = 100 };
	char script[64];

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface");
	for (int i = 0; i < MATCH_OPEN_MAX + MORE; i++) {
		snprintf(script, sizeof(script), "headers %d end" GET "/%d", 2 * i + 1, i);
		request(script);
		snprintf(script, sizeof(script), "headers %d|:status 200", 2 * i + 1);
		response(script);
		if (i == MATCH_OPEN_MAX / 2)
			response("data 1 1");
	}
	play_all();
	assert_int_equal(play.n_txns, 0);
	assert_int_equal(loss(LOSS_PENDING_FULL), MORE);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 104);
	sim_play(&play, &sim, sim.n - 1, sim.n);
	assert_int_equal(play.n_txns, MATCH_OPEN_MAX);
	assert_non_null(strstr(play.out, " GET /0 200 ")); /* it was heard of since */
	assert_null(strstr(play.out, " GET /1 200 "));
	assert_null(strstr(play.out, " GET /100 200 "));
	assert_non_null(strstr(play.out, " GET /101 200 "));
	assert_int_equal(losses(), MORE);
}

/* Fields without end, a frame at a time: given up at a bound, and found again behind. */
static void a_flood_of_continuations(void **state)
{
	struct h2wire *w = &wires[PROTO_REQUEST];
	uint8_t garbage[1000] = { 0 };
	size_t from;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface");
	for (int i = 0; i < 100; i++) {
		from = w->n;
		h2wire_frame(w, i ? NGHTTP2_CONTINUATION : NGHTTP2_HEADERS, 0, 1,
			     (struct slice){ garbage, sizeof(garbage) });
		sim_op(&sim, 1, SONDE_RX, h2wire_since(w, from));
	}
	request("headers 3 end" GET "/;ping;ping");
	response("settings;headers 3 end|:status 200");
	play_all();
	assert_int_equal(play.n_txns, 1);
	assert_true(loss(LOSS_PARSE_ERROR) >= 1);
}

/* What cannot be decompressed costs its own fields, and those that refer to it. */
static void a_block_that_is_wrong(void **state)
{
	static const uint8_t wrong[] = { 0x82, 0xff, 0xff, 0xff, 0x7f };
	struct h2wire *w = &wires[PROTO_REQUEST];
	size_t from;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	request("preface;headers 1 end" GET "/1");
	from = w->n;
	h2wire_frame(w, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3,
		     (struct slice){ wrong, sizeof(wrong) });
	sim_op(&sim, 1, SONDE_RX, h2wire_since(w, from));
	request("headers 5 end" GET "/5");
	response("headers 1 end|:status 200;headers 3 end|:status 400;headers 5 end|:status 200");
	play_all();
	LINES("1 server 2 GET /1 200 ", "1 server 2 GET  400 ", "1 server 2 GET /5 200 ");
	assert_int_equal(losses(), 0);
}

static void an_upgraded_connection(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1,
		    "GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
		    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
	sim_response(
		&sim, 1,
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
	response("settings;headers 1|:status 200");
	request("preface;settings;headers 3 end" GET "/3");
	response("data 1 end 5;headers 3 end|:status 404");
	play_all();
	LINES("1 server 2 GET /up 200 ", "1 server 2 GET /3 404 ");
	assert_int_equal(losses(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(a_connection_joined_in_the_middle),
		TEST(a_call_joined_in_the_middle),
		TEST(responses_to_what_was_asked_before),
		TEST(a_hole_in_a_block),
		TEST(nothing_is_made_up_behind_a_hole),
		TEST(large_data_in_holes),
		TEST(a_loss_within_large_data),
		TEST(a_response_before_its_request),
		TEST(a_stream_is_reset_server),
		TEST(a_stream_is_reset_client),
		TEST(a_server_goes_away_server),
		TEST(a_server_goes_away_client),
		TEST(a_request_behind_goaway),
		TEST(a_server_that_goes_away_for_ever),
		TEST(all_is_refused),
		TEST(the_end_of_a_connection_ends_all),
		TEST(streams_are_bounded),
		TEST(messages_that_begin_between_parts),
		TEST(many_streams_at_once),
		TEST(open_answers_are_bounded),
		TEST(a_flood_of_continuations),
		TEST(a_block_that_is_wrong),
		TEST(an_upgraded_connection),
	};

	return cmocka_run_group_tests_name("http2 stream", tests, NULL, NULL);
}
