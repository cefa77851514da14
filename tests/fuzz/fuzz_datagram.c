/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: datagrams, each behind a byte that says which way it goes, of which socket and peer, and
 * one that says how long it is; an empty one is time that passes, or an error. Whatever they are,
 * no more is answered or given up than was asked, and all ends.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "parts.h"
#include "proto/dns.h"
#include "stream/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	unsigned txns;
	uint64_t now_ns;
};

static void on_txn(void *ctx, struct txn *t)
{
	struct seen *s = ctx;

	assert(t->proto == PROTO_DNS && t->role != SONDE_ROLE_UNKNOWN);
	assert(memchr(t->target, 0, sizeof(t->target)) && memchr(t->method, 0, sizeof(t->method)));
	assert((t->error_type[0] || t->status_text[0]) && parts_add_up(t));
	s->txns++;
}

static void on_answer(void *ctx, enum proto_id proto, struct slice bytes, size_t len,
		      uint64_t ts_ns)
{
	struct dns_addresses found;
	char room[MSG_ROOM];

	assert(proto == PROTO_DNS && bytes.n <= len);
	if (dns_read_addresses(bytes, len, room, &found))
		assert(found.n > 0 && found.n <= DNS_ADDRESSES_MAX && found.name.n > 0);
}

static void put(struct conns *cs, const struct seen *s, uint8_t way, const uint8_t *bytes, size_t n)
{
	/* exactly as long as it says: what is read behind it is found */
	struct sonde_ev_datagram *ev = calloc(1, sizeof(*ev) + n);

	assert(ev);
	ev->h = (struct sonde_ev_hdr){ SONDE_EV_DATAGRAM, 0, (uint32_t)(sizeof(*ev) + n),
				       s->now_ns };
	ev->dir = way & 1;
	ev->cookie = 1 + (way >> 1 & 3);
	ev->family = way & 8 ? SONDE_FAMILY_IPV6 : SONDE_FAMILY_IPV4;
	ev->peer.port = way & 16 ? 53 : 0;
	ev->tid = 1 + (way >> 5 & 1);
	ev->error = n ? 0 : ECONNREFUSED;
	ev->len = (uint32_t)n + (way & 64 ? 100 : 0);
	ev->copied = (uint32_t)n;
	if (n)
		memcpy(ev->bytes, bytes, n);
	conns_datagram(cs, ev);
	free(ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = { .now_ns = 1000000000 };
	struct conns *cs = conns_new(
		&(struct conns_opts){ .on_txn = on_txn, .on_answer = on_answer, .ctx = &s });
	unsigned n_put = 0;

	assert(cs);
	while (size >= 2) {
		uint8_t way = data[0];
		size_t n = data[1];

		data += 2;
		size -= 2;
		n = n < size ? n : size;
		if (!n && way & 128) {
			s.now_ns += (uint64_t)(way & 127) * 1000000000;
			conns_tick(cs, s.now_ns);
		} else {
			put(cs, &s, way, data, n);
			n_put += n > 0;
		}
		data += n;
		size -= n;
	}
	conns_tick(cs, s.now_ns + 60000000000);
	assert(s.txns <= n_put);
	conns_free(cs);
	return 0;
}
