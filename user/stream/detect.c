// SPDX-License-Identifier: Apache-2.0
/* Which protocol a connection speaks, and where that is not known, which end it is. */
#include <stdlib.h>
#include <string.h>

#include "stream/conn_impl.h"

/* RFC 8446, 5.1: type, legacy version 3.x, length up to 2^14 + 256. */
static bool is_tls_record(struct slice in)
{
	return in.n >= 5 && in.p[0] >= 0x14 && in.p[0] <= 0x17 && in.p[1] == 3 && in.p[2] <= 4 &&
	       (in.p[3] << 8 | in.p[4]) <= (1 << 14) + 256 && (in.p[3] | in.p[4]);
}

static bool may_be_tls_record(struct slice in)
{
	return in.n < 5 && in.p[0] >= 0x14 && in.p[0] <= 0x17 && (in.n < 2 || in.p[1] == 3);
}

/* PostgreSQL asks for TLS in its own words first. */
static bool is_tls_asked_for(struct slice in)
{
	return in.n > 8 && memcmp(in.p, "\0\0\0\x08\x04\xd2\x16\x2f", 8) == 0 &&
	       is_tls_record((struct slice){ in.p + 8, in.n - 8 });
}

bool detect_wants(const struct conns *cs, enum proto_id id)
{
	return cs->opts.protocols == 0 || (cs->opts.protocols & (1u << id));
}

/* HTTP/2 carries what is asked for by other names. */
static bool is_enabled(const struct conns *cs, enum proto_id id)
{
	if (id == PROTO_HTTP2)
		return detect_wants(cs, PROTO_HTTP1) || detect_wants(cs, PROTO_GRPC);
	return detect_wants(cs, id);
}

static void decide(struct conns *cs, struct conn *c, const struct proto *proto, enum sonde_dir d,
		   enum proto_dir pd)
{
	struct stream *other = &c->s[!d];

	c->proto_state = calloc(1, proto->state_size ? proto->state_size : 1);
	if (!c->proto_state) {
		conn_give_up(cs, c, CONN_UNKNOWN, LOSS_MAX);
		return;
	}
	c->proto = proto;
	if (!c->is_fresh && proto->joined)
		proto->joined(c->proto_state);
	if (c->role == SONDE_ROLE_UNKNOWN)
		c->role = (d == SONDE_RX) == (pd == PROTO_REQUEST) ? SONDE_ROLE_SERVER
								   : SONDE_ROLE_CLIENT;
	/* this direction begins with a message; the other one may be in the middle of one */
	other->is_resync = !c->is_fresh;
	conn_set_state(cs, c, CONN_PARSED);
}

void detect_switch(struct conns *cs, struct conn *c, enum proto_id id)
{
	const struct proto *proto = proto_get(id);
	struct msg as;
	void *state = is_enabled(cs, id) ? calloc(1, proto->state_size) : NULL;

	if (!state) {
		conn_give_up(cs, c, CONN_PARSED, LOSS_MAX);
		return;
	}
	conn_free_state(c);
	c->proto = proto;
	c->proto_state = state;
	msg_clear(&as);
	proto->upgraded(state, &as);
	if (match_rename(cs, c, &as) < 0)
		conn_give_up(cs, c, CONN_UNKNOWN, LOSS_STREAM_GAP);
}

void detect_hidden(struct conns *cs, struct conn *c, uint32_t flags)
{
	if (flags & MSG_TLS) { /* its handshake is in the clear, and decides as on any other port */
		match_drop(cs, c, LOSS_MAX);
		conn_free_state(c);
		c->proto = NULL;
		c->is_fresh = true;
		c->tries = 0;
		conn_set_state(cs, c, CONN_UNDECIDED);
	} else {
		conn_give_up(cs, c, flags & MSG_ENCRYPTED ? CONN_ENCRYPTED : CONN_UNKNOWN,
			     LOSS_MAX);
	}
}

/* 1: decided; 0: more bytes may tell; -1: nothing we know. */
static int ask_all(struct conns *cs, struct conn *c, enum sonde_dir d, struct slice in)
{
	int answer = -1;

	for (int pd = PROTO_REQUEST; pd <= PROTO_RESPONSE; pd++) {
		if (c->role != SONDE_ROLE_UNKNOWN && conn_proto_dir(c, d) != (enum proto_dir)pd)
			continue;
		for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++) {
			const struct proto *proto = proto_get(id);
			int rc = is_enabled(cs, id) ? proto->detect(in, pd) : -1;

			if (rc > 0) {
				decide(cs, c, proto, d, pd);
				return 1;
			}
			if (rc == 0)
				answer = 0;
		}
	}
	return answer;
}

int detect_run(struct conns *cs, struct conn *c, enum sonde_dir d, struct slice in, size_t *at)
{
	struct slice newest = { in.p + *at, in.n - *at };
	int rc;

	if (is_tls_record(in) || is_tls_asked_for(in)) {
		conn_give_up(cs, c, CONN_ENCRYPTED, LOSS_MAX);
		if (cs->opts.on_encrypted)
			cs->opts.on_encrypted(cs->opts.ctx, c->tgid);
		return -1;
	}
	/* in the middle of something, whoever begins a message begins it with an operation */
	if (*at && !c->is_fresh && ask_all(cs, c, d, newest) > 0)
		return 1;
	*at = 0;
	rc = ask_all(cs, c, d, in);
	if (rc < 0 && may_be_tls_record(in))
		rc = 0;
	if (rc < 0 && (c->is_fresh || ++c->tries >= CONN_DETECT_TRIES))
		conn_give_up(cs, c, CONN_UNKNOWN, LOSS_MAX);
	return rc;
}
