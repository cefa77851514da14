// SPDX-License-Identifier: Apache-2.0
/*
 * The sockets. What one speaks is told by the first datagram that leaves no doubt, and sticks; one
 * that has had enough of others is ignored, in the kernel, for good. Ports decide nothing but how
 * many are enough: nobody must make a name server dark by sending it rubbish.
 */
#include "stream/datagram.h"

#include <errno.h>
#include <stdlib.h>

#include "stream/conn_impl.h"

enum {
	TRIES_MAX = 4,
	TRIES_NAMES_MAX = 64,
	PORT_NAMES = 53,
	/* They speak DNS's format, but not its exchange of a question with an answer: NetBIOS names
	 * (RFC 1002, 4.2), multicast DNS (RFC 6762, 6), LLMNR (RFC 4795, 2). */
	PORT_NETBIOS = 137,
	PORT_MDNS = 5353,
	PORT_LLMNR = 5355,
};

void datagrams_init(struct datagrams *ds)
{
	list_init(&ds->used);
	list_init(&ds->asked);
	list_init(&ds->early);
}

static void dsock_free(struct conns *cs, struct dsock *s)
{
	map_del(&cs->datagrams.by_cookie, s->cookie);
	list_del(&s->used);
	while (!list_empty(&s->asked)) /* they are waited for all the same */
		list_del(s->asked.next);
	cs->stats.bytes_observed[PROTO_UNKNOWN] += s->undecided_bytes;
	cs->datagrams.n--;
	free(s->state);
	free(s);
}

void datagrams_free(struct conns *cs)
{
	struct datagrams *ds = &cs->datagrams;

	questions_free(cs);
	while (!list_empty(&ds->used))
		dsock_free(cs, LIST_ENTRY(ds->used.next, struct dsock, used));
	map_free(&ds->by_cookie);
}

static struct dsock *dsock_new(struct conns *cs, uint64_t cookie)
{
	struct datagrams *ds = &cs->datagrams;
	struct dsock *s;

	if (ds->n >= cs->opts.max) {
		dsock_free(cs, LIST_ENTRY(ds->used.next, struct dsock, used));
		cs->stats.evicted++;
	}
	s = calloc(1, sizeof(*s));
	if (!s || map_put(&ds->by_cookie, cookie, s) < 0) {
		free(s);
		conn_loss(cs, LOSS_NO_STORAGE, 1);
		return NULL;
	}
	s->cookie = cookie;
	list_init(&s->asked);
	list_push(&ds->used, &s->used);
	ds->n++;
	return s;
}

bool datagram_gone(struct conns *cs, uint64_t cookie)
{
	struct dsock *s = map_get(&cs->datagrams.by_cookie, cookie);

	if (s)
		dsock_free(cs, s);
	return s;
}

size_t datagram_cookies(const struct conns *cs, uint64_t *out, size_t max)
{
	const struct datagrams *ds = &cs->datagrams;
	size_t n = 0;

	for (const struct list *l = ds->used.next; l != &ds->used && n < max; l = l->next)
		out[n++] = LIST_ENTRY(l, struct dsock, used)->cookie;
	return n;
}

/* --- what it is --- */

static bool has_port(const struct sonde_ev_datagram *ev, uint16_t port)
{
	return ev->local.port == port || ev->peer.port == port;
}

/* To all who listen: no single answer is asked for. */
static bool is_for_many(const struct sonde_ev_datagram *ev)
{
	/* captures show the one who hears */
	const uint8_t *ip = ev->dir == SONDE_TX ? ev->peer.ip : ev->local.ip;

	if (has_port(ev, PORT_NETBIOS) || has_port(ev, PORT_MDNS) || has_port(ev, PORT_LLMNR))
		return true;
	if (ev->family == SONDE_FAMILY_IPV6)
		return ip[0] == 0xff;
	return (ip[0] & 0xf0) == 0xe0 || (ip[0] & ip[1] & ip[2] & ip[3]) == 0xff;
}

static void ignore(struct conns *cs, struct dsock *s)
{
	struct sonde_verdict v = { .cookie = s->cookie, .until = { SONDE_SHED, SONDE_SHED } };

	if (!s->is_ignored)
		cs->stats.bytes_observed[PROTO_UNKNOWN] += s->undecided_bytes;
	s->undecided_bytes = 0;
	s->is_ignored = true;
	if (cs->opts.on_verdict) /* again: another socket may share its slot */
		cs->opts.on_verdict(cs->opts.ctx, s->slot, &v);
}

static void doubt(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev)
{
	int max = has_port(ev, PORT_NAMES) ? TRIES_NAMES_MAX : TRIES_MAX;

	if (++s->tries >= max)
		ignore(cs, s);
}

/* Which way does it go in the protocol's eyes? 0, with *msg filled, or -EBADMSG. */
static int read_as(const struct proto *proto, void *state, const struct sonde_ev_datagram *ev,
		   enum proto_dir *dir, struct msg *msg)
{
	struct slice in = { ev->bytes, ev->copied };

	for (int d = PROTO_REQUEST; d <= PROTO_RESPONSE; d++) {
		*dir = d;
		if (proto->datagram(state, d, in, ev->len, msg) >= 0)
			return 0;
	}
	return -EBADMSG;
}

static bool decide(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev,
		   enum proto_dir *dir, struct msg *msg)
{
	for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++) {
		const struct proto *proto = proto_get(id);
		void *state;

		if (!proto->datagram || !detect_wants(cs, id))
			continue;
		state = calloc(1, proto->state_size ? proto->state_size : 1);
		if (state && read_as(proto, state, ev, dir, msg) == 0) {
			s->proto = proto;
			s->state = state;
			cs->stats.bytes_observed[id] += s->undecided_bytes;
			s->undecided_bytes = 0;
			return true;
		}
		free(state);
	}
	return false;
}

/* --- records --- */

static void take_message(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev,
			 enum proto_dir dir, const struct msg *msg)
{
	cs->stats.bytes_attributed[s->proto->id] += ev->len;
	if (dir == PROTO_REQUEST)
		question_ask(cs, s, ev, msg);
	else
		question_answer(cs, s, ev, msg);
}

static void take_bytes(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev)
{
	enum proto_dir dir;
	struct msg msg;

	if (!s->proto) {
		s->undecided_bytes += ev->len;
		if (!is_for_many(ev) && decide(cs, s, ev, &dir, &msg))
			take_message(cs, s, ev, dir, &msg);
		else
			doubt(cs, s, ev);
		return;
	}
	cs->stats.bytes_observed[s->proto->id] += ev->len;
	if (read_as(s->proto, s->state, ev, &dir, &msg) == 0)
		take_message(cs, s, ev, dir, &msg);
	else if (ev->h.flags & SONDE_F_FAULT)
		conn_loss(cs, LOSS_FAULT, 1);
	else if (ev->h.flags & SONDE_F_NO_BYTES)
		conn_loss(cs, LOSS_UNKNOWN_CALL, 1);
	else
		conn_loss(cs, LOSS_PARSE_ERROR, 1);
}

void datagram_take(struct conns *cs, const struct sonde_ev_datagram *ev)
{
	struct datagrams *ds = &cs->datagrams;
	struct dsock *s = map_get(&ds->by_cookie, ev->cookie);

	if (!s) {
		s = dsock_new(cs, ev->cookie);
		if (!s)
			return;
	}
	list_del(&s->used);
	list_push(&ds->used, &s->used);
	s->slot = ev->slot;
	if (s->is_ignored)
		ignore(cs, s);
	else if (ev->error)
		questions_refuse(cs, s, ev);
	else
		take_bytes(cs, s, ev);
}
