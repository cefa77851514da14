// SPDX-License-Identifier: Apache-2.0
#include "pressure/tcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "metrics/delays.h"
#include "metrics/red.h"
#include "util/clock.h"
#include "util/map.h"

/* A sum that nothing came to goes after as long; where processes come and go by the thousand, the
 * kernel's table of 16,384 has to have room for the next ones before that. */
#define TCP_IDLE_NS	    (60 * NS_PER_S)
#define TCP_IDLE_CROWDED_NS (4 * NS_PER_S)
enum { TCP_CROWD = 4096, TCP_CROWD_OVER = TCP_CROWD / 8 };

/* Of one key, as taken last. */
struct tally {
	struct sonde_tcp_key key;
	struct sonde_tcp last;
	uint64_t grown_ns;
	uint64_t oldest_ns; /* of those open at the last walk that ended */
	uint32_t active;
};

struct listener {
	uint64_t inode;
	uint32_t tgid; /* of the first that holds it */
	uint32_t walk; /* that met it last */
	uint32_t waiting, drops;
	uint64_t let_go; /* not published yet */
};

struct tcp {
	struct tcp_opts opts;
	struct map tallies;   /* by hash of the key: owned struct tally */
	struct map listeners; /* by the socket's address: owned struct listener */
	uint64_t now_ns;
	uint64_t left_out;
	uint32_t walk;
	bool is_walking;
	bool is_crowded;
};

struct tcp *tcp_new(const struct tcp_opts *opts)
{
	struct tcp *t = calloc(1, sizeof(*t));

	if (t)
		t->opts = *opts;
	return t;
}

static void free_all(struct map *m)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(m, &i, &key, &value);)
		free(value);
	map_free(m);
}

void tcp_free(struct tcp *t)
{
	if (!t)
		return;
	free_all(&t->tallies);
	free_all(&t->listeners);
	free(t);
}

/* --- listening sockets --- */

void tcp_walk_begin(struct tcp *t, uint32_t walk)
{
	t->walk = walk;
	t->is_walking = true;
}

static struct listener *listener_new(struct tcp *t, const struct sonde_listener *l)
{
	struct listener *s = map_get(&t->listeners, l->socket);

	if (!s) {
		s = t->listeners.n < TCP_LISTENERS_MAX ? malloc(sizeof(*s)) : NULL;
		if (!s || map_put(&t->listeners, l->socket, s) < 0) {
			free(s);
			t->left_out++;
			return NULL;
		}
	}
	/* what it let go before the first walk nobody asks for; later ones begin with it */
	*s = (struct listener){ .inode = l->inode, .drops = t->walk > 1 ? 0 : l->drops };
	return s;
}

void tcp_listener(struct tcp *t, const struct sonde_listener *l)
{
	struct listener *s = map_get(&t->listeners, l->socket);

	if (s && s->inode == l->inode && s->walk == t->walk)
		return; /* several processes hold it: the first one's */
	if (!s || s->inode != l->inode)
		s = listener_new(t, l);
	if (!s)
		return;
	s->let_go += l->drops - s->drops;
	s->drops = l->drops;
	s->waiting = l->waiting;
	s->tgid = l->tgid;
	s->walk = t->walk;
}

void tcp_walk_end(struct tcp *t)
{
	uint64_t *gone = calloc(t->listeners.n + 1, sizeof(*gone)), key;
	size_t n = 0;
	void *value;

	t->is_walking = false;
	/* collected first: a map is not to change while it is walked */
	for (size_t i = 0; gone && map_next(&t->listeners, &i, &key, &value);)
		if (((struct listener *)value)->walk != t->walk)
			gone[n++] = key;
	while (n > 0)
		free(map_del(&t->listeners, gone[--n]));
	free(gone); /* out of memory: they go with the next walk */
}

uint64_t tcp_left_out(const struct tcp *t)
{
	return t->left_out;
}

/* --- connections --- */

static struct tally *tally_of(struct tcp *t, const struct sonde_tcp_key *key, uint64_t *hash)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)];
	struct tally *of;

	memcpy(words, key, sizeof(*key));
	*hash = words[0] * 0x9e3779b97f4a7c15;
	*hash = ((*hash ^ *hash >> 29) + words[1]) * 0xbf58476d1ce4e5b9;
	*hash = ((*hash ^ *hash >> 31) + words[2]) * 0x94d049bb133111eb;
	while ((of = map_get(&t->tallies, *hash)) && memcmp(&of->key, key, sizeof(*key)) != 0)
		++*hash;
	return of;
}

static struct tally *tally_new(struct tcp *t, const struct sonde_tcp_key *key, uint64_t hash)
{
	struct tally *of = calloc(1, sizeof(*of));

	if (!of || map_put(&t->tallies, hash, of) < 0) {
		free(of);
		return NULL;
	}
	of->key = *key;
	of->grown_ns = t->now_ns;
	return of;
}

struct taking {
	struct tcp *t;
	const struct service *service;
	struct slice peer[2]; /* address, port */
};

static void add(const struct taking *k, enum metric_id id, const struct slice *labels, uint64_t n)
{
	struct series *s =
		n ? series_get(k->t->opts.store, id, k->service, labels, k->t->now_ns) : NULL;

	if (s)
		s->value += n;
}

static void add_direction(const struct taking *k, enum metric_id id, const __u64 last[2],
			  const __u64 now[2])
{
	const struct slice names[2] = {
		[SONDE_TX] = SLICE("transmit"), [SONDE_RX] = SLICE("receive")
	};

	for (int d = SONDE_TX; d <= SONDE_RX; d++)
		add(k, id, &names[d], now[d] - last[d]);
}

static void add_durations(const struct taking *k, enum metric_id id, const __u64 *last,
			  const __u64 *now, uint64_t sum_ns)
{
	struct series *s;

	if (!delays_grown(last, now))
		return;
	s = series_get(k->t->opts.store, id, k->service, k->peer, k->t->now_ns);
	if (s)
		delays_add(&s->hist, last, now, sum_ns);
}

static void add_growth(const struct taking *k, const struct sonde_tcp *last,
		       const struct sonde_tcp *now)
{
	const struct slice ok[] = { SLICE("ok"), k->peer[0], k->peer[1] };

	add(k, METRIC_TCP_CONNECTS, ok, delays_grown(last->connect_delays, now->connect_delays));
	add_durations(k, METRIC_TCP_CONNECT, last->connect_delays, now->connect_delays,
		      now->connect_ns - last->connect_ns);
	add_durations(k, METRIC_TCP_RTT, last->rtt_delays, now->rtt_delays,
		      now->rtt_ns - last->rtt_ns);
	add_direction(k, METRIC_TCP_BYTES, last->bytes, now->bytes);
	add_direction(k, METRIC_TCP_RESETS, last->resets, now->resets);
	add_direction(k, METRIC_TCP_ZERO_WINDOWS, last->zero_windows, now->zero_windows);
	add(k, METRIC_TCP_RETRANSMITS, &SLICE("transmit"), now->retransmits - last->retransmits);
}

static void tell_bytes(const struct tcp *t, uint32_t tgid, const __u64 last[2], const __u64 now[2])
{
	if (t->opts.on_bytes && memcmp(last, now, 2 * sizeof(now[0])) != 0)
		t->opts.on_bytes(t->opts.ctx, tgid, now[SONDE_TX] - last[SONDE_TX],
				 now[SONDE_RX] - last[SONDE_RX]);
}

static struct series *gauge(const struct taking *k, enum metric_id id, uint32_t role)
{
	const struct slice name = role == SONDE_ROLE_SERVER ? SLICE("server") : SLICE("client");

	return series_get(k->t->opts.store, id, k->service, &name, k->t->now_ns);
}

static void add_open(const struct taking *k, const struct tally *of)
{
	uint64_t age_ns = k->t->now_ns > of->oldest_ns ? k->t->now_ns - of->oldest_ns : 0;
	struct series *s = gauge(k, METRIC_TCP_ACTIVE, of->key.role);

	if (s)
		s->value += of->active;
	s = gauge(k, METRIC_TCP_OLDEST, of->key.role);
	if (s && s->value < age_ns)
		s->value = age_ns;
}

static void name_peer(const struct tcp *t, const struct sonde_tcp_key *key, struct red_text *text,
		      struct slice peer[2])
{
	const char *name = NULL;

	peer[0] = peer[1] = SLICE("");
	if (!key->family)
		return;
	if (t->opts.name_of)
		name = t->opts.name_of(t->opts.ctx, key->family, key->ip);
	peer[0] = name ? slice_str(name) : red_ip(key->family, key->ip, text);
	snprintf(text->port, sizeof(text->port), "%u", key->port);
	peer[1] = slice_str(text->port);
}

void tcp_begin(struct tcp *t, uint64_t now_ns)
{
	t->now_ns = now_ns;
	/* until most of the crowd is gone: else it would stay at the mark */
	t->is_crowded = t->tallies.n > (t->is_crowded ? TCP_CROWD_OVER : TCP_CROWD);
	series_zero(t->opts.store, METRIC_TCP_ACTIVE);
	series_zero(t->opts.store, METRIC_TCP_OLDEST);
	series_zero(t->opts.store, METRIC_TCP_ACCEPT_QUEUE);
}

bool tcp_take(struct tcp *t, const struct sonde_tcp_key *key, const struct sonde_tcp *now)
{
	struct taking k = { .t = t };
	struct red_text text;
	uint64_t hash;
	struct tally *of = tally_of(t, key, &hash);

	if (!of)
		of = tally_new(t, key, hash);
	if (!of)
		return true; /* the next time */
	if (!t->is_walking) {
		of->active = now->walk == t->walk ? now->active : 0;
		of->oldest_ns = now->oldest_ns;
	}
	if (of->active || memcmp(&of->last, now, sizeof(*now)) != 0)
		of->grown_ns = t->now_ns;
	if (t->now_ns - of->grown_ns >= (t->is_crowded ? TCP_IDLE_CROWDED_NS : TCP_IDLE_NS)) {
		free(map_del(&t->tallies, hash));
		return false;
	}
	tell_bytes(t, key->tgid, of->last.bytes, now->bytes);
	k.service = t->opts.service_of(t->opts.ctx, key->tgid);
	if (k.service) {
		name_peer(t, key, &text, k.peer);
		add_growth(&k, &of->last, now);
		if (of->active)
			add_open(&k, of);
	}
	of->last = *now;
	return true;
}

void tcp_take_last(struct tcp *t, const struct sonde_tcp_key *key, const struct sonde_tcp *taken,
		   const struct sonde_tcp *now)
{
	struct taking k = { .t = t, .service = t->opts.service_of(t->opts.ctx, key->tgid) };
	struct red_text text;

	tell_bytes(t, key->tgid, taken->bytes, now->bytes);
	if (!k.service)
		return;
	name_peer(t, key, &text, k.peer);
	add_growth(&k, taken, now);
}

void tcp_publish(struct tcp *t)
{
	struct taking k = { .t = t };
	struct series *s;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&t->listeners, &i, &key, &value);) {
		struct listener *l = value;

		k.service = t->opts.service_of(t->opts.ctx, l->tgid);
		if (!k.service)
			continue;
		add(&k, METRIC_TCP_ACCEPT_OVERFLOWS, &SLICE(""), l->let_go);
		l->let_go = 0;
		s = gauge(&k, METRIC_TCP_ACCEPT_QUEUE, SONDE_ROLE_SERVER);
		if (s)
			s->value += l->waiting;
	}
}
