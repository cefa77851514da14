// SPDX-License-Identifier: Apache-2.0
/* Verdicts: what of a connection is still wanted. */
#include <string.h>

#include "stream/conn_impl.h"

enum {
	SKIP_WORTH = 4096,    /* a shorter rest of a body costs less than the verdict */
	COPY_LEAST = 2048,    /* of a response: a 304 has a short head, the 200 after it has not */
	RAW_AHEAD = 16 << 20, /* of connections that nothing is wanted of but their size */
	SKIP_AHEAD = 1 << 30, /* farther, sequence numbers would be ambiguous */
};

/* Where a direction's next wanted byte is; 0: here. What is in force stays in force while it lies
 * ahead, so that a body is one verdict and not one for each record of it. */
static uint64_t want_until(const struct conn *c, const struct stream *s)
{
	uint64_t ahead = s->skip < SKIP_AHEAD ? s->skip : SKIP_AHEAD;
	bool in_force = s->until > s->next;

	if (!s->is_known || s->is_ended || s->is_asking || c->hello)
		return 0;
	if (c->is_raw)
		return in_force ? s->until : s->next + RAW_AHEAD;
	/* no record tells the end of a unix socket: its bytes alone tell how many there were */
	if (s->skip == UINT64_MAX && c->family == SONDE_FAMILY_UNIX)
		return 0;
	if (in_force && s->until - s->next <= s->skip)
		return s->until;
	return ahead > SKIP_WORTH ? s->next + ahead : 0;
}

/* Many messages in an operation: whoever pipelines puts them there, and what was cut off once shows
 * that framing lay in it. */
static bool wants_whole(const struct conn *c, enum proto_dir pd)
{
	return c->match.is_pipelined || c->was_truncated[pd];
}

/* How much of an operation that carries responses is worth copying: heads as long as twice the
 * longest seen. Where requests are pipelined, many responses may come in one operation: a
 * database's client may begin to at any time, and its answers are sent before the kernel is told. 0
 * leaves it to the kernel, which copies less of what goes one way for long; all is all. */
static uint32_t want_copy(const struct conn *c)
{
	uint32_t n = COPY_LEAST;

	if (conn_is_multiplexed(c)) /* heads of messages and of frames are everywhere */
		return SONDE_COPY_WHOLE;
	if (c->proto->kind == KIND_DATABASE && wants_whole(c, PROTO_RESPONSE))
		return SONDE_COPY_WHOLE;
	if (c->proto->kind != KIND_WEB || !c->head_max || c->wants_all || c->match.is_pipelined)
		return 0;
	while (n < 2 * c->head_max && n < SONDE_COPY_MAX)
		n *= 2;
	return n < SONDE_COPY_MAX ? n : 0;
}

void steer(struct conns *cs, struct conn *c)
{
	struct sonde_verdict v = {
		.cookie = c->is_tls ? c->cookie | SONDE_VERDICT_TLS : c->cookie,
	};

	for (int d = SONDE_TX; d <= SONDE_RX && !c->is_shed; d++) {
		struct stream *s = &c->s[d];

		s->until = want_until(c, s);
		if (s->until)
			v.until[d] = SONDE_UNTIL | (uint32_t)s->until;
	}
	if (c->is_shed)
		v.until[0] = SONDE_SHED;
	if (c->state == CONN_PARSED && !c->is_raw) {
		v.copy[conn_dir(c, PROTO_RESPONSE)] = want_copy(c);
		/* bulk loads are small messages in large sends */
		if (conn_is_multiplexed(c))
			v.copy[conn_dir(c, PROTO_REQUEST)] = SONDE_COPY_WHOLE;
		else if (c->proto->kind != KIND_WEB)
			v.copy[conn_dir(c, PROTO_REQUEST)] =
				wants_whole(c, PROTO_REQUEST) ? SONDE_COPY_WHOLE : SONDE_COPY_MAX;
	}
	if (memcmp(&v, &c->told, sizeof(v)) == 0)
		return;
	c->told = v;
	if (cs->opts.on_verdict)
		cs->opts.on_verdict(cs->opts.ctx, c->slot, &v);
}
