// SPDX-License-Identifier: Apache-2.0
/* TLS handshakes of connections that are known from their first byte. */
#include <stdlib.h>
#include <string.h>

#include "stream/conn_impl.h"
#include "stream/hello.h"

static uint64_t begin_of(const struct sonde_ev_data *ev)
{
	uint64_t ns = ev->dir == SONDE_TX ? ev->start_ns : ev->arrival_ns;

	return ns ? ns : ev->h.ts_ns;
}

static void emit(struct conns *cs, const struct conn *c, const struct sonde_ev_data *ev)
{
	struct txn_handshake t = {
		.role = (enum sonde_role)c->role,
		.family = (enum sonde_family)c->family,
		.tgid = ev->tgid,
		.start_ns = c->hello->start_ns,
		.end_ns = ev->dir == SONDE_TX && ev->sent_ns ? ev->sent_ns : ev->h.ts_ns,
		.local = c->local,
		.peer = c->peer,
	};
	struct hello_words words;

	hello_read(c->hello, &words);
	memcpy(t.server_name, words.server_name, sizeof(t.server_name));
	memcpy(t.next_protocol, words.next_protocol, sizeof(t.next_protocol));
	if (cs->opts.on_handshake && t.role != SONDE_ROLE_UNKNOWN)
		cs->opts.on_handshake(cs->opts.ctx, &t);
}

void handshake_drop(struct conn *c)
{
	free(c->hello);
	c->hello = NULL;
}

void handshake_take(struct conns *cs, struct conn *c, const struct sonde_ev_data *ev)
{
	struct slice in = { ev->bytes, ev->copied };
	int rc;

	if (!c->hello) {
		if (!c->is_fresh || c->state != CONN_UNDECIDED || c->undecided_bytes ||
		    !hello_begins(in))
			return;
		c->hello = calloc(1, sizeof(*c->hello));
		if (!c->hello)
			return;
		c->hello->start_ns = begin_of(ev);
	}
	rc = hello_take(c->hello, ev->dir, ev->seq, ev->len, in);
	if (rc > 0)
		emit(cs, c, ev);
	if (rc)
		handshake_drop(c);
}
