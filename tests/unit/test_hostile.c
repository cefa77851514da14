// SPDX-License-Identifier: Apache-2.0
/* Records that no kernel would send, of bytes that no peer should: nothing breaks, nothing grows
 * without bound, and no number contradicts another. Run under sanitizers by `make check`. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

enum { ROUNDS = 300, RECORDS = 400, COOKIES = 12 };

static uint32_t rnd(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static const char *const texts[] = {
	"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
	"POST /p HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
	"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 101 Switching\r\n\r\n",
	"HTTP/1.0 200 OK\r\n\r\nuntil the end",
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
	"CONNECT h:1 HTTP/1.1\r\n\r\n",
	"HEAD / HTTP/1.1\r\n\r\n",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	"GET / HTT",
	"\r\n\r\n",
	"0\r\n\r\n",
	"\x00\xff\x00",
	"",
};

static void some_text(uint8_t *out, size_t *n, uint32_t *seed)
{
	*n = 0;
	for (uint32_t k = 1 + rnd(seed) % 3; k > 0; k--) {
		const char *t = texts[rnd(seed) % (sizeof(texts) / sizeof(*texts))];
		size_t len = strlen(t);

		memcpy(out + *n, t, len);
		*n += len;
	}
	if (*n && rnd(seed) % 4 == 0)
		out[rnd(seed) % *n] = (uint8_t)rnd(seed);
	if (*n && rnd(seed) % 4 == 0)
		*n = rnd(seed) % *n;
}

/* Around what was sent before, mostly. */
static uint32_t some_seq(uint32_t at, uint32_t *seed)
{
	switch (rnd(seed) % 12) {
	case 0: return rnd(seed);
	case 1: return at + rnd(seed) % 100;
	case 2: return at - rnd(seed) % 100;
	case 3: return at + 0x7fffffff;
	default: return at;
	}
}

/* A line of ours within a send, as decoding lets it pass; any other record has none. */
static void some_injected(struct sonde_ev_data *ev, uint32_t *seed)
{
	size_t n = ev->copied + ev->tail;
	struct sonde_injected is = { .at = rnd(seed) % (ev->len + 1) };

	if (ev->dir != SONDE_TX || ev->len + SONDE_INJECTED_LEN > INT32_MAX) {
		ev->h.flags &= (uint16_t)~SONDE_F_INJECTED;
		return;
	}
	memset(is.line, 'i', sizeof(is.line));
	memcpy(ev->bytes + n, &is, sizeof(is));
	ev->h.size += sizeof(is);
	ev->len += SONDE_INJECTED_LEN;
}

static void some_data(struct sim_play *p, uint32_t seqs[COOKIES][2], uint64_t now, uint32_t *seed)
{
	uint64_t buffer[(sizeof(struct sonde_ev_data) + 1024 + sizeof(struct sonde_injected)) / 8 +
			1];
	struct sonde_ev_data *ev = (void *)buffer;
	size_t n;

	memset(ev, 0, sizeof(*ev));
	some_text(ev->bytes, &n, seed);
	ev->h = (struct sonde_ev_hdr){ SONDE_EV_DATA, 0, (uint32_t)(sizeof(*ev) + n), now };
	ev->cookie = rnd(seed) % COOKIES;
	ev->slot = (uint32_t)ev->cookie;
	ev->dir = rnd(seed) % 2;
	ev->tail = n > 16 && rnd(seed) % 4 == 0 ? rnd(seed) % 17 : 0;
	ev->copied = (uint32_t)n - ev->tail;
	ev->len = (uint32_t)n + (rnd(seed) % 3 == 0 ? rnd(seed) % 100000 : 0);
	if (rnd(seed) % 50 == 0)
		ev->len = INT32_MAX;
	ev->seq = some_seq(seqs[ev->cookie][ev->dir], seed);
	ev->other_seq = some_seq(seqs[ev->cookie][!ev->dir], seed);
	ev->lost = rnd(seed) % 10 == 0;
	ev->h.flags = rnd(seed) % 3 == 0 ? (uint16_t)rnd(seed) : 0;
	if (ev->h.flags & SONDE_F_INJECTED)
		some_injected(ev, seed);
	ev->start_ns = rnd(seed) % 2 ? now - 10 : rnd(seed);
	ev->arrival_ns = rnd(seed) % 2 ? now + 10 : 0;
	seqs[ev->cookie][ev->dir] = ev->seq + ev->len;
	conns_data(p->conns, ev);
}

static void some_record(struct sim_play *p, uint32_t seqs[COOKIES][2], uint64_t now, uint32_t *seed)
{
	uint64_t cookie = rnd(seed) % COOKIES;
	struct sonde_ev_open open = {
		.h = { SONDE_EV_OPEN, rnd(seed) % 2, sizeof(open), now },
		.cookie = cookie,
		.slot = (uint32_t)cookie,
		.tx_seq = seqs[cookie][0],
		.rx_seq = seqs[cookie][1],
		.role = rnd(seed) % 3,
		.family = rnd(seed) % 2 ? SONDE_FAMILY_UNIX : SONDE_FAMILY_IPV4,
		.unix_path_len = rnd(seed) % (SONDE_UNIX_PATH_LEN + 1),
	};
	struct sonde_ev_close end = {
		.h = { SONDE_EV_CLOSE, 0, sizeof(end), now },
		.cookie = cookie,
		.tx_seq = some_seq(seqs[cookie][0], seed),
		.rx_seq = some_seq(seqs[cookie][1], seed),
		.lost_tx = rnd(seed) % 2,
		.lost_rx = rnd(seed) % 2,
		.last_tx_ns = rnd(seed),
		.error = rnd(seed) % 3 ? 0 : rnd(seed) % 120,
		.how = 1 + rnd(seed) % 4,
	};
	struct sonde_ev_sweep sweep = { .h = { SONDE_EV_SWEEP, 0, sizeof(sweep), now },
					.cookie = cookie };

	switch (rnd(seed) % 40) {
	case 0: conns_open(p->conns, &open); break;
	case 1: conns_close(p->conns, &end); break;
	case 2: conns_sweep(p->conns, &sweep); break;
	case 3: conns_tick(p->conns, now + rnd(seed)); break;
	default: some_data(p, seqs, now, seed); break;
	}
}

static void on_inflight(void *ctx, const struct conn_inflight *r)
{
	++*(size_t *)ctx;
	assert_in_range(r->role, SONDE_ROLE_CLIENT, SONDE_ROLE_SERVER);
}

static void assert_sound(const struct sim_play *p)
{
	const struct conns_stats *s = conns_stats(p->conns);
	uint64_t cookies[COOKIES];
	size_t inflight = 0;

	assert_int_equal(s->open, s->parsed + s->undecided + s->unknown + s->encrypted);
	assert_int_equal(conns_cookies(p->conns, cookies, COOKIES), s->open);
	assert_true(s->bytes_attributed[PROTO_HTTP1] <= s->bytes_observed[PROTO_HTTP1]);
	assert_int_equal(s->bytes_attributed[PROTO_UNKNOWN], 0);
	assert_int_equal(s->transactions[PROTO_HTTP1][0] + s->transactions[PROTO_HTTP1][1],
			 p->n_txns);
	conns_each_inflight(p->conns, on_inflight, &inflight);
}

static void test_hostile(void **state)
{
	uint32_t seed = 1;
	size_t txns = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct sim_play p = { .opts = { .max = round % 2 ? 5 : 0, .max_buffer = 2000 } };
		uint32_t seqs[COOKIES][2] = { 0 };
		uint64_t now = 1000000000;

		sim_play_init(&p);
		for (int i = 0; i < RECORDS; i++) {
			some_record(&p, seqs, now += 1 + rnd(&seed) % 1000000, &seed);
			if (i % 20 == 0)
				assert_sound(&p);
		}
		txns += p.n_txns;
		sim_play_free(&p);
	}
	assert_true(txns > ROUNDS); /* else nothing was tested */
}

/* Each connection may hold so much and no more, whatever it is sent. */
static void test_bounded(void **state)
{
	static const char *const heads[] = { "GET /",
					     "POST / HTTP/1.1\r\nX: ", "GET / HTTP/1.1\r\n\r\n" };
	struct sim_play p = { 0 };
	struct mallinfo2 before, after;
	struct sim s;

	for (size_t k = 0; k < sizeof(heads) / sizeof(*heads); k++) {
		sim_init(&s);
		sim_open(&s, 1, SONDE_ROLE_SERVER);
		sim_request(&s, 1, heads[k]);
		for (int i = 0; i < 20000; i++)
			sim_request(&s, 1, k == 2 ? heads[k] : "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		sim_play_init(&p);
		before = mallinfo2();
		sim_play(&p, &s, 0, s.n);
		after = mallinfo2();
		assert_true(after.uordblks + after.hblkhd <
			    before.uordblks + before.hblkhd + 2 * 1024 * 1024);
		sim_play_free(&p);
		sim_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
