// SPDX-License-Identifier: Apache-2.0
/* The table of connections: records in, least recently used out. */
#include <stdlib.h>
#include <string.h>

#include "stream/conn_impl.h"
#include "util/hash.h"

struct conns *conns_new(const struct conns_opts *opts)
{
	struct conns *cs = calloc(1, sizeof(*cs));

	if (!cs)
		return NULL;
	cs->opts = *opts;
	cs->stats.keep = SONDE_KEEP_ALL;
	cs->seed = hash_seed();
	if (!cs->opts.max)
		cs->opts.max = CONN_MAX;
	if (!cs->opts.max_buffer)
		cs->opts.max_buffer = CONN_BUFFER_MAX;
	datagrams_init(&cs->datagrams);
	return cs;
}

/* --- the list by activity, newest first --- */

static void unlink_conn(struct conns *cs, struct conn *c)
{
	*(c->newer ? &c->newer->older : &cs->newest) = c->older;
	*(c->older ? &c->older->newer : &cs->oldest) = c->newer;
	c->newer = c->older = NULL;
}

static void link_newest(struct conns *cs, struct conn *c)
{
	c->older = cs->newest;
	*(cs->newest ? &cs->newest->newer : &cs->oldest) = c;
	cs->newest = c;
}

static void touch(struct conns *cs, struct conn *c, uint64_t ts_ns)
{
	c->last_ns = ts_ns;
	if (cs->newest == c)
		return;
	unlink_conn(cs, c);
	link_newest(cs, c);
}

/* --- the list of those that a tick may move on --- */

void conn_wait(struct conns *cs, struct conn *c)
{
	if (c->is_waiting)
		return;
	c->is_waiting = true;
	c->wait_prev = NULL;
	c->wait_next = cs->waiting;
	if (cs->waiting)
		cs->waiting->wait_prev = c;
	cs->waiting = c;
}

static void unwait(struct conns *cs, struct conn *c)
{
	if (!c->is_waiting)
		return;
	c->is_waiting = false;
	*(c->wait_prev ? &c->wait_prev->wait_next : &cs->waiting) = c->wait_next;
	if (c->wait_next)
		c->wait_next->wait_prev = c->wait_prev;
}

/* --- states --- */

static uint32_t *state_count(struct conns *cs, enum conn_state state)
{
	switch (state) {
	case CONN_PARSED: return &cs->stats.parsed;
	case CONN_UNKNOWN: return &cs->stats.unknown;
	case CONN_ENCRYPTED: return &cs->stats.encrypted;
	default: return &cs->stats.undecided;
	}
}

/* Bytes seen before the protocol was known count where they belong, so that no counter falls. */
static void count_undecided(struct conns *cs, struct conn *c, enum proto_id id)
{
	cs->stats.bytes_observed[id] += c->undecided_bytes;
	c->undecided_bytes = 0;
}

/* Requests may come in that nobody understands. */
static void tell_opaque(struct conns *cs, const struct conn *c)
{
	bool is_opaque = c->state == CONN_UNKNOWN || c->state == CONN_ENCRYPTED || c->is_raw;

	if (is_opaque && c->role == SONDE_ROLE_SERVER && cs->opts.on_opaque)
		cs->opts.on_opaque(cs->opts.ctx, c->tgid);
}

void conn_set_state(struct conns *cs, struct conn *c, enum conn_state state)
{
	--*state_count(cs, c->state);
	++*state_count(cs, state);
	c->state = state;
	tell_opaque(cs, c);
	count_undecided(cs, c, state == CONN_PARSED ? c->proto->id : PROTO_UNKNOWN);
}

void conn_free_state(struct conn *c)
{
	if (c->proto_state && c->proto->close)
		c->proto->close(c->proto_state);
	free(c->proto_state);
	c->proto_state = NULL;
}

void conn_give_up(struct conns *cs, struct conn *c, enum conn_state state, enum loss why)
{
	match_drop(cs, c, why);
	c->is_raw = true;
	conn_set_state(cs, c, state);
	conn_free_state(c);
}

/* --- life --- */

/* Encrypted, and its beginning at least was not read: by a library that is watched, but was not yet
 * when it began. */
static void count_late(struct conns *cs, const struct conn *c)
{
	if (c->fresh_ns && cs->opts.tls_since &&
	    cs->opts.tls_since(cs->opts.ctx, c->tgid) > c->fresh_ns)
		conn_loss(cs, LOSS_TLS_LATE, 1);
}

static void conn_free(struct conns *cs, struct conn *c)
{
	if (c->state == CONN_ENCRYPTED)
		count_late(cs, c);
	map_del(&cs->by_cookie, c->cookie);
	unlink_conn(cs, c);
	unwait(cs, c);
	match_drop(cs, c, LOSS_MAX);
	if (cs->opts.on_gone)
		cs->opts.on_gone(cs->opts.ctx, c->cookie);
	count_undecided(cs, c, PROTO_UNKNOWN);
	--*state_count(cs, c->state);
	cs->stats.open--;
	stream_free(&c->s[SONDE_TX]);
	stream_free(&c->s[SONDE_RX]);
	conn_free_state(c);
	free(c->unix_path);
	handshake_drop(c);
	free(c->leaving);
	free(c);
}

/* All that it was has been told or counted. */
static void conn_end(struct conns *cs, struct conn *c)
{
	cs->ended[cs->n_ended++ % CONN_ENDED] = c->cookie;
	conn_free(cs, c);
}

static bool has_ended(const struct conns *cs, uint64_t cookie)
{
	for (int i = 0; i < CONN_ENDED; i++)
		if (cs->ended[i] == cookie)
			return true;
	return false;
}

static struct conn *conn_new(struct conns *cs, uint64_t cookie)
{
	struct conn *c;

	if (cs->stats.open >= cs->opts.max) {
		match_drop(cs, cs->oldest, LOSS_CONNECTIONS_FULL);
		conn_free(cs, cs->oldest);
		cs->stats.evicted++;
	}
	c = calloc(1, sizeof(*c));
	if (!c || map_put(&cs->by_cookie, cookie, c) < 0) {
		free(c);
		conn_loss(cs, LOSS_NO_STORAGE, 1);
		return NULL;
	}
	c->cookie = cookie;
	c->told.cookie = cookie;
	cs->stats.open++;
	cs->stats.undecided++;
	link_newest(cs, c);
	return c;
}

void conns_free(struct conns *cs)
{
	if (!cs)
		return;
	while (cs->oldest)
		conn_free(cs, cs->oldest);
	datagrams_free(cs);
	pools_free(&cs->pools);
	waits_free(&cs->waits);
	map_free(&cs->by_cookie);
	free(cs);
}

/* --- records --- */

static void set_unix_path(struct conn *c, const struct sonde_ev_open *ev)
{
	free(c->unix_path);
	c->unix_path = NULL;
	c->unix_path_len = 0;
	if (!ev->unix_path_len || !(c->unix_path = malloc(ev->unix_path_len)))
		return;
	memcpy(c->unix_path, ev->unix_path, ev->unix_path_len);
	c->unix_path_len = ev->unix_path_len;
}

void conns_open(struct conns *cs, const struct sonde_ev_open *ev)
{
	struct conn *c = map_get(&cs->by_cookie, ev->cookie);

	cs->now_ns = ev->h.ts_ns;
	if (!c) {
		c = conn_new(cs, ev->cookie);
		if (!c)
			return;
		c->is_fresh = ev->h.flags & SONDE_F_FRESH;
		c->fresh_ns = c->is_fresh ? ev->h.ts_ns : 0;
	}
	touch(cs, c, ev->h.ts_ns);
	c->slot = ev->slot;
	c->tgid = ev->tgid;
	c->family = ev->family;
	c->local = ev->local;
	c->peer = ev->peer;
	if (c->state == CONN_UNDECIDED)
		c->role = ev->role;
	set_unix_path(c, ev);
	if (!c->is_tls) { /* it speaks of what is on the wire */
		stream_begin(&c->s[SONDE_TX], ev->tx_seq);
		stream_begin(&c->s[SONDE_RX], ev->rx_seq);
	}
	shed_decide(cs, c);
}

/* As the kernel counts them: a replay cannot ask it, and a capture never had one. */
static void count_lost(struct conns *cs, const struct conn *c, enum sonde_dir d, uint32_t n)
{
	if (d == (c->role == SONDE_ROLE_CLIENT ? SONDE_TX : SONDE_RX))
		cs->stats.lost_requests += n;
}

/* From now on the streams are of the plaintext: what its ciphertext was taken for is forgotten. */
static void see_plaintext(struct conns *cs, struct conn *c, const struct sonde_ev_data *ev)
{
	match_drop(cs, c, LOSS_MAX);
	c->match = (struct match){ 0 };
	conn_set_state(cs, c, CONN_UNDECIDED);
	conn_free_state(c);
	c->proto = NULL;
	for (int d = SONDE_TX; d <= SONDE_RX; d++) {
		stream_free(&c->s[d]);
		c->s[d] = (struct stream){ 0 };
	}
	handshake_drop(c);
	c->is_tls = true;
	c->is_raw = c->wants_all = false;
	c->is_fresh = ev->h.flags & SONDE_F_TLS_FRESH;
	if (!c->is_fresh)
		count_late(cs, c);
	c->tries = 0;
	c->head_max = 0;
	c->hold_since_ns = 0;
	c->told = (struct sonde_verdict){ .cookie = c->cookie | SONDE_VERDICT_TLS };
	if (c->is_shed) { /* and stays so */
		conn_give_up(cs, c, CONN_UNKNOWN, LOSS_MAX);
		return;
	}
	if (!c->is_fresh)
		return;
	stream_begin(&c->s[SONDE_TX], 0);
	stream_begin(&c->s[SONDE_RX], 0);
}

/* Is the record one of the connection's streams as they are now? */
static bool is_of_streams(struct conns *cs, struct conn *c, const struct sonde_ev_data *ev)
{
	if (ev->h.flags & SONDE_F_TLS) {
		if (!c->is_tls)
			see_plaintext(cs, c, ev);
		return true;
	}
	if (!c->is_tls) {
		handshake_take(cs, c, ev);
		return true;
	}
	/* ciphertext that was still under way; its end is that of the plaintext too */
	if (ev->h.flags & SONDE_F_EOF)
		settle_eof(cs, c, ev->dir, ev->h.ts_ns);
	return false;
}

void conns_data(struct conns *cs, const struct sonde_ev_data *ev)
{
	struct conn *c = map_get(&cs->by_cookie, ev->cookie);

	cs->now_ns = ev->h.ts_ns;
	if (!c) {
		/* its opening was lost; or it has closed, and this was read after that */
		c = ev->len && !has_ended(cs, ev->cookie) ? conn_new(cs, ev->cookie) : NULL;
		if (!c)
			return;
	}
	touch(cs, c, ev->h.ts_ns);
	c->slot = ev->slot;
	count_lost(cs, c, ev->dir, ev->lost);
	if (!is_of_streams(cs, c, ev))
		return;
	record_take(cs, c, ev);
	if (settle_again(cs, c, 0))
		conn_end(cs, c);
	else
		steer(cs, c);
}

void conns_close(struct conns *cs, const struct sonde_ev_close *ev)
{
	struct conn *c = map_get(&cs->by_cookie, ev->cookie);

	cs->now_ns = ev->h.ts_ns;
	if (!c)
		return;
	touch(cs, c, ev->h.ts_ns);
	count_lost(cs, c, SONDE_TX, ev->lost_tx);
	count_lost(cs, c, SONDE_RX, ev->lost_rx);
	if (settle_close(cs, c, ev))
		conn_end(cs, c);
}

void conns_connect(struct conns *cs, const struct sonde_ev_connect *ev)
{
	cs->now_ns = ev->h.ts_ns;
	emit_connect(cs, ev);
}

void conns_sweep(struct conns *cs, const struct sonde_ev_sweep *ev)
{
	struct conn *c = map_get(&cs->by_cookie, ev->cookie);

	cs->now_ns = ev->h.ts_ns;
	if (datagram_gone(cs, ev->cookie) || !c)
		return;
	settle_gone(cs, c);
	conn_free(cs, c);
}

void conns_datagram(struct conns *cs, const struct sonde_ev_datagram *ev)
{
	cs->now_ns = ev->h.ts_ns;
	datagram_take(cs, ev);
}

void conns_lost(struct conns *cs, const struct sonde_ev_lost *ev)
{
	cs->now_ns = cs->datagrams.lost_ns = ev->h.ts_ns;
	cs->stats.lost_datagrams += ev->n;
}

static void tick_conn(struct conns *cs, struct conn *c, uint64_t now_ns)
{
	record_expire(cs, c, now_ns);
	if (c->hold_since_ns && c->hold_since_ns + CONN_HOLD_NS <= now_ns)
		flow_hurry(cs, c, conn_dir(c, PROTO_RESPONSE));
	match_tick(cs, c, now_ns);
	if (settle_again(cs, c, now_ns)) {
		conn_end(cs, c);
		return;
	}
	if (!c->s[SONDE_TX].parked && !c->s[SONDE_RX].parked && !c->hold_since_ns &&
	    !c->match.finished && !c->leaving)
		unwait(cs, c);
	steer(cs, c);
}

static void tick_waiting(struct conns *cs, uint64_t now_ns)
{
	struct conn *c, *next;

	for (c = cs->waiting; c; c = next) {
		next = c->wait_next;
		tick_conn(cs, c, now_ns);
	}
}

void conns_tick(struct conns *cs, uint64_t now_ns)
{
	cs->now_ns = now_ns;
	tick_waiting(cs, now_ns);
	questions_tick(cs, now_ns);
}

void conns_finish(struct conns *cs)
{
	tick_waiting(cs, UINT64_MAX);
}

/* --- looking in --- */

const struct conns_stats *conns_stats(const struct conns *cs)
{
	return &cs->stats;
}

size_t conns_cookies(const struct conns *cs, uint64_t *out, size_t max)
{
	size_t n = 0;

	for (const struct conn *c = cs->oldest; c && n < max; c = c->newer)
		out[n++] = c->cookie;
	return n + datagram_cookies(cs, out + n, max - n);
}

void conns_each(const struct conns *cs, void (*fn)(void *ctx, const struct conn_view *v), void *ctx)
{
	for (const struct conn *c = cs->oldest; c; c = c->newer) {
		struct conn_view v = {
			.cookie = c->cookie,
			.tgid = c->tgid,
			.role = (enum sonde_role)c->role,
			.is_parsed = c->state == CONN_PARSED,
			.is_unknown = c->state == CONN_UNKNOWN,
			.is_encrypted = c->state == CONN_ENCRYPTED,
		};

		fn(ctx, &v);
	}
}
