// SPDX-License-Identifier: Apache-2.0
/*
 * The two ends of a connection on one host. Both count the same bytes by the same numbers, so where
 * a request begins and where its answer will, 64 bits that their TCPs chose at random, tell that
 * two sockets are each other's: through address translation and in other network namespaces too.
 */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_impl.h"

static uint64_t key_of(const struct conn_request *r)
{
	return (uint64_t)r->request_seq << 32 | r->after_seq;
}

/* Others than TCP count from 0: not by their numbers. */
static bool is_numbered(const struct conn_request *r)
{
	return r->is_tcp;
}

/* --- addresses --- */

static bool is_loopback(enum sonde_family family, const uint8_t *ip)
{
	static const uint8_t v6[16] = { [15] = 1 }, mapped[13] = { [10] = 0xff, 0xff, 127 };

	if (family == SONDE_FAMILY_IPV4)
		return ip[0] == 127;
	return memcmp(ip, v6, 16) == 0 || memcmp(ip, mapped, 13) == 0;
}

/* Two addresses of one hash: something is waited for in vain. */
static uint64_t address_hash(enum sonde_family family, const uint8_t *ip)
{
	uint64_t a, b;

	memcpy(&a, ip, 8);
	memcpy(&b, ip + 8, 8);
	if (family == SONDE_FAMILY_IPV4)
		return a & 0xffffffff;
	return (a * 0x9e3779b97f4a7c15ULL) ^ b;
}

static void learn_local(struct trace *tr, const struct conn_request *r)
{
	uint64_t hash;

	if (!is_numbered(r) || is_loopback(r->family, r->local->ip))
		return;
	hash = address_hash(r->family, r->local->ip);
	if (map_get(&tr->local, hash))
		return;
	if (tr->local.n >= TRACE_LOCAL_MAX)
		tr->stats.full.n[FULL_TRACE_ADDRESSES]++;
	else
		map_put(&tr->local, hash, tr);
}

bool pair_is_here(const struct trace *tr, enum sonde_family family, const struct sonde_addr *local,
		  const struct sonde_addr *peer)
{
	return is_loopback(family, peer->ip) || memcmp(local->ip, peer->ip, 16) == 0 ||
	       map_get(&tr->local, address_hash(family, peer->ip));
}

/* --- ends --- */

static void stop_waiting(struct trace *tr, struct end *e)
{
	struct map *m = &tr->apart[e->role - 1];

	if (e->is_waiting && map_get(m, e->key) == e)
		map_del(m, e->key);
	e->is_waiting = false;
}

static void end_free(struct trace *tr, struct end *e)
{
	stop_waiting(tr, e);
	if (e->peer)
		e->peer->peer = NULL;
	unit_put(tr, e->handed);
	free(e);
}

static struct end *end_get(struct trace *tr, uint64_t cookie, enum sonde_role role)
{
	struct end *e = map_get(&tr->ends, cookie);

	if (e)
		return e;
	if (tr->ends.n >= TRACE_ENDS_MAX || !(e = calloc(1, sizeof(*e)))) {
		tr->stats.full.n[FULL_TRACE_CONNECTIONS]++;
		return NULL;
	}
	e->cookie = cookie;
	e->role = role;
	list_init(&e->units);
	if (map_put(&tr->ends, cookie, e) == 0)
		return e;
	free(e);
	return NULL;
}

struct end *pair_end(struct trace *tr, const struct conn_request *r)
{
	learn_local(tr, r);
	return end_get(tr, r->cookie, r->role);
}

struct end *pair_client(struct trace *tr, uint64_t cookie)
{
	return end_get(tr, cookie, SONDE_ROLE_CLIENT);
}

void pair_leave(struct trace *tr, struct unit *u)
{
	struct end *e = u->end;

	if (!e)
		return;
	u->end = NULL;
	list_del(&u->on_end);
	e->n--;
	if (e->is_gone && !e->n)
		end_free(tr, e);
	unit_put(tr, u);
}

/* Of requests sent ahead of answers the first is what both ends have alike: by the others a server
 * may have begun to answer. */
static void meet(struct trace *tr, struct end *e, const struct conn_request *r)
{
	struct end *other;

	if (e->peer || e->is_gone || (e->is_waiting && (uint32_t)e->key == r->after_seq))
		return;
	stop_waiting(tr, e);
	e->key = key_of(r);
	other = map_get(&tr->apart[r->role == SONDE_ROLE_CLIENT], e->key);
	if (other) {
		stop_waiting(tr, other);
		e->peer = other;
		other->peer = e;
		return;
	}
	e->is_waiting = map_put(&tr->apart[e->role - 1], e->key, e) == 0;
}

struct unit *pair_find(struct trace *tr, struct end *e, const struct conn_request *r)
{
	struct list *l;

	if (!e || !is_numbered(r))
		return NULL;
	meet(tr, e, r);
	if (!e->peer)
		return NULL;
	for (l = e->peer->units.prev; l != &e->peer->units; l = l->prev) {
		struct unit *other = LIST_ENTRY(l, struct unit, on_end);

		if (other->request_seq == r->request_seq)
			return other;
	}
	return NULL;
}

/* Of a connection that is used by turns only the last request can still be looked for. */
static void forget_ended(struct trace *tr, struct end *e)
{
	for (struct list *l = e->units.next, *next; l != &e->units; l = next) {
		struct unit *u = LIST_ENTRY(l, struct unit, on_end);

		next = l->next;
		if (u->is_gone && !u->is_pending)
			pair_leave(tr, u);
	}
}

void pair_stay(struct trace *tr, struct unit *u, struct end *e)
{
	forget_ended(tr, e);
	u->end = e;
	e->n++;
	list_push(&e->units, &unit_get(u)->on_end);
}

bool pair_is_local(const struct trace *tr, const struct end *e, const struct conn_request *r)
{
	return !is_numbered(r) || (e && e->peer) || pair_is_here(tr, r->family, r->local, r->peer);
}

void pair_gone(struct trace *tr, struct end *e)
{
	map_del(&tr->ends, e->cookie);
	e->is_gone = true;
	for (struct list *l = e->units.next, *next; l != &e->units; l = next) {
		struct unit *u = LIST_ENTRY(l, struct unit, on_end);
		bool is_last = e->n == 1;

		next = l->next;
		if (u->is_pending)
			continue;
		pair_leave(tr, u);
		if (is_last)
			return;
	}
	if (!e->n)
		end_free(tr, e);
}

void pair_free(struct trace *tr)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&tr->ends, &i, &key, &value);) {
		struct end *e = value;

		while (!list_empty(&e->units))
			pair_leave(tr, LIST_ENTRY(e->units.next, struct unit, on_end));
		unit_put(tr, e->handed);
		free(e);
	}
	map_free(&tr->ends);
	map_free(&tr->apart[0]);
	map_free(&tr->apart[1]);
	map_free(&tr->local);
}
