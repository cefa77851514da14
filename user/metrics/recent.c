/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/recent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/service.h"
#include "metrics/recent_impl.h"
#include "metrics/red.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/utf8.h"

#define SERVICE_GONE_NS (300 * NS_PER_S)
/* a minute and a slot: nobody asks for what is older */
#define LEAF_GONE_NS (RECENT_WINDOW_NS + 2 * RECENT_SLOT_NS)

struct recent *recent_new(const struct recent_opts *opts)
{
	struct recent *r = calloc(1, sizeof(*r));

	if (r)
		*r = (struct recent){ .opts = *opts, .seed = hash_seed() };
	return r;
}

static void slot_free(struct recent_slot *slot)
{
	if (slot)
		hist_free(&slot->durations);
	free(slot);
}

static void sums_free(struct recent_sums *s)
{
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		slot_free(s->slots[i]);
}

static void leaf_free(struct recent_leaf *leaf)
{
	sums_free(&leaf->sums);
	free(leaf);
}

static void service_free(struct recent_service *s)
{
	sums_free(&s->sums[0]);
	sums_free(&s->sums[1]);
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		free(s->slow[i]);
	free(s);
}

void recent_free(struct recent *r)
{
	uint64_t key;
	void *value;

	if (!r)
		return;
	for (size_t i = 0; map_next(&r->leaves, &i, &key, &value);)
		leaf_free(value);
	for (size_t i = 0; map_next(&r->endpoints, &i, &key, &value);)
		free(value);
	for (size_t i = 0; map_next(&r->services, &i, &key, &value);)
		service_free(value);
	map_free(&r->leaves);
	map_free(&r->endpoints);
	map_free(&r->services);
	free(r);
}

/* --- what a transaction is counted under --- */

/* What tells the requests of a service apart, and few enough of them: two parts of a name. */
struct parts {
	struct slice verb, noun;
};

static struct parts endpoint_parts(const struct txn *t)
{
	const struct proto *proto = proto_get(t->proto);

	if (!proto)
		return (struct parts){ slice_str(t->operation), SLICE("") };
	switch (proto->kind) {
	case KIND_WEB: return (struct parts){ slice_str(t->method), slice_str(t->route) };
	case KIND_DATABASE:
		return (struct parts){ slice_str(t->summary[0] ? t->summary : t->operation),
				       SLICE("") };
	case KIND_NAMES: return (struct parts){ slice_str(t->method), slice_str(t->target) };
	case KIND_RPC: return (struct parts){ red_rpc_method(t), SLICE("") };
	}
	return (struct parts){ SLICE(""), SLICE("") };
}

static uint64_t endpoint_hash(const struct recent *r, const struct txn *t, const struct parts *name)
{
	uint64_t h = hash_mix(r->seed ^ t->service->id, (uint64_t)t->proto << 2 | t->role);

	return hash_slice(hash_slice(h, name->verb), name->noun);
}

/* The other end by what is certain of it; the port of a client says nothing. */
static uint64_t peer_hash(uint64_t h, const struct txn *t)
{
	bool is_client = t->role == SONDE_ROLE_CLIENT;

	if (t->other)
		return hash_mix(h, (uint64_t)1 << 32 | t->other->id);
	if (t->family == SONDE_FAMILY_UNIX)
		return is_client ? hash_slice(h, (struct slice){ (const uint8_t *)t->unix_path,
								 t->unix_path_len })
				 : hash_mix(h, 2);
	if (is_client && t->host[0])
		return hash_mix(hash_slice(h, slice_str(t->host)),
				t->host_port ? t->host_port : t->peer.port);
	h = hash_slice(h, (struct slice){ t->peer.ip, sizeof(t->peer.ip) });
	return is_client ? hash_mix(h, t->peer.port) : h;
}

static void peer_name(const struct txn *t, char *out, size_t size)
{
	struct slice address, port;
	struct red_text text;
	char name[300];

	if (t->other) {
		snprintf(name, sizeof(name), "%s", t->other->name);
	} else if (t->role == SONDE_ROLE_SERVER) {
		if (t->family == SONDE_FAMILY_UNIX ||
		    !inet_ntop(t->family == SONDE_FAMILY_IPV4 ? AF_INET : AF_INET6, t->peer.ip,
			       name, sizeof(name)))
			snprintf(name, sizeof(name), "unix:");
	} else {
		red_server(t, &text, &address, &port);
		snprintf(name, sizeof(name), "%.*s%s%.*s", (int)address.n, (const char *)address.p,
			 port.n ? ":" : "", (int)port.n, (const char *)port.p);
	}
	utf8_clean(out, size, slice_str(name));
}

static void endpoint_name(struct recent_endpoint *e, const struct parts *name)
{
	char text[600];

	snprintf(text, sizeof(text), "%.*s%s%.*s", (int)name->verb.n, (const char *)name->verb.p,
		 name->verb.n && name->noun.n ? " " : "", (int)name->noun.n,
		 (const char *)name->noun.p);
	utf8_clean(e->name, sizeof(e->name), slice_str(*text ? text : "(unknown)"));
}

static void service_name(struct recent_service *s, const struct service *of)
{
	s->id = of->id;
	utf8_clean(s->name, sizeof(s->name), slice_str(of->name));
	utf8_clean(s->name_space, sizeof(s->name_space), slice_str(of->name_space));
}

void recent_name(struct recent_leaf *leaf, const struct txn *t)
{
	const struct parts name = endpoint_parts(t);

	service_name(leaf->endpoint->service, t->service);
	endpoint_name(leaf->endpoint, &name);
	peer_name(t, leaf->peer, sizeof(leaf->peer));
}

/* --- the tables --- */

static struct recent_service *service_get(struct recent *r, const struct service *of)
{
	struct recent_service *s = map_get(&r->services, of->id);

	if (s || r->services.n == RECENT_SERVICES_MAX || !(s = calloc(1, sizeof(*s))))
		return s;
	service_name(s, of);
	if (map_put(&r->services, of->id, s) == 0)
		return s;
	free(s);
	return NULL;
}

static struct recent_endpoint *endpoint_get(struct recent *r, uint64_t hash, const struct txn *t,
					    const struct parts *name)
{
	struct recent_endpoint *e = map_get(&r->endpoints, hash);

	if (e || !(e = calloc(1, sizeof(*e))))
		return e;
	*e = (struct recent_endpoint){ .hash = hash, .role = t->role, .proto = t->proto };
	e->service = service_get(r, t->service);
	endpoint_name(e, name);
	if (!e->service || map_put(&r->endpoints, hash, e) < 0) {
		free(e);
		return NULL;
	}
	e->service->n_endpoints++;
	return e;
}

static struct recent_leaf *leaf_new(struct recent *r, uint64_t hash, struct recent_endpoint *e)
{
	struct recent_leaf *leaf = calloc(1, sizeof(*leaf));

	if (!leaf || map_put(&r->leaves, hash, leaf) < 0) {
		free(leaf);
		return NULL;
	}
	leaf->hash = hash;
	leaf->endpoint = e;
	leaf->role = e->role;
	e->n_leaves++;
	return leaf;
}

/* Where there is no room for another leaf: one for all such of an endpoint, or of a service. */
static struct recent_leaf *leaf_of_others(struct recent *r, struct recent_endpoint *e,
					  const struct txn *t)
{
	static const struct parts other = {
		{ (const uint8_t *)RECENT_OTHER, sizeof(RECENT_OTHER) - 1 }, { NULL, 0 }
	};
	uint64_t hash = e ? e->hash : endpoint_hash(r, t, &other);
	struct recent_leaf *leaf = map_get(&r->leaves, hash);

	r->stats.folded++;
	if (leaf)
		return leaf;
	if (!e)
		e = endpoint_get(r, hash, t, &other);
	leaf = e ? leaf_new(r, hash, e) : NULL;
	if (leaf)
		snprintf(leaf->peer, sizeof(leaf->peer), "%s", RECENT_OTHER);
	return leaf;
}

static struct recent_leaf *leaf_get(struct recent *r, const struct txn *t)
{
	struct parts name = endpoint_parts(t);
	uint64_t endpoint = endpoint_hash(r, t, &name), hash = peer_hash(endpoint, t);
	struct recent_leaf *leaf = map_get(&r->leaves, hash);
	struct recent_endpoint *e;

	if (leaf)
		return leaf;
	e = map_get(&r->endpoints, endpoint);
	if (r->leaves.n >= RECENT_LEAVES_MAX || (e && e->n_leaves >= RECENT_PEERS_MAX))
		return leaf_of_others(r, e, t);
	e = endpoint_get(r, endpoint, t, &name);
	leaf = e ? leaf_new(r, hash, e) : NULL;
	if (!leaf)
		return NULL;
	leaf->is_service = t->other != NULL;
	peer_name(t, leaf->peer, sizeof(leaf->peer));
	return leaf;
}

/* --- counting --- */

static void count_second(struct recent_sums *s, uint64_t end_ns)
{
	uint64_t second = end_ns / NS_PER_S;

	if (second + RECENT_SECONDS <= s->second)
		return;
	if (second >= s->second + RECENT_SECONDS) {
		memset(s->seconds, 0, sizeof(s->seconds));
		s->second = second;
	}
	while (s->second < second)
		s->seconds[++s->second % RECENT_SECONDS] = 0;
	s->seconds[second % RECENT_SECONDS]++;
}

/* NULL: over a minute late, or no memory. */
static struct recent_slot *slot_get(struct recent_sums *s, uint64_t end_ns)
{
	uint64_t epoch = end_ns / RECENT_SLOT_NS;
	struct recent_slot **at = &s->slots[epoch % RECENT_SLOTS], *slot = *at;
	struct hist durations;

	if (!slot) {
		slot = *at = calloc(1, sizeof(*slot));
		if (slot)
			slot->epoch = epoch;
		return slot;
	}
	if (epoch < slot->epoch)
		return NULL;
	if (epoch > slot->epoch) {
		hist_clear(&slot->durations);
		durations = slot->durations;
		*slot = (struct recent_slot){ .epoch = epoch, .durations = durations };
	}
	return slot;
}

/* False: slot_get() has none. */
static bool sums_add(struct recent_sums *s, const struct txn *t)
{
	struct recent_slot *slot = slot_get(s, t->end_ns);

	if (!slot)
		return false;
	hist_record(&slot->durations, txn_duration_ns(t));
	slot->errors += t->error_type[0] != '\0';
	slot->request_bytes += t->request_bytes;
	slot->response_bytes += t->response_bytes;
	for (int i = 0; i < WAIT_MAX; i++)
		slot->waits[i] += txn_waits_known(&t->waits, i);
	count_second(s, t->end_ns);
	return true;
}

void recent_txn(struct recent *r, const struct txn *t)
{
	struct recent_leaf *leaf = t->service ? leaf_get(r, t) : NULL;

	if (!r->opts.now_ns)
		r->opts.now_ns = t->start_ns;
	/* the service first: what is late for a leaf is late for its service, too */
	if (!leaf || !sums_add(&leaf->endpoint->service->sums[t->role - 1], t) ||
	    !sums_add(&leaf->sums, t)) {
		r->stats.left_out++;
		return;
	}
	leaf->last_ns = t->end_ns > leaf->last_ns ? t->end_ns : leaf->last_ns;
	leaf->is_tls |= t->is_tls;
	recent_keep(leaf, t);
}

/* --- forgetting --- */

static void leaf_forget(struct recent *r, struct recent_leaf *leaf)
{
	struct recent_endpoint *e = leaf->endpoint;

	recent_unkeep(e->service, leaf);
	map_del(&r->leaves, leaf->hash);
	leaf_free(leaf);
	if (--e->n_leaves)
		return;
	map_del(&r->endpoints, e->hash);
	e->service->n_endpoints--;
	free(e);
}

/* Collected first: a map is not to change while it is walked. */
static void sweep_leaves(struct recent *r, uint64_t now_ns)
{
	struct recent_leaf **gone = calloc(r->leaves.n + 1, sizeof(struct recent_leaf *));
	size_t n = 0;
	uint64_t key;
	void *value;

	for (size_t i = 0; gone && map_next(&r->leaves, &i, &key, &value);) {
		struct recent_leaf *leaf = value;

		if (now_ns - leaf->last_ns > LEAF_GONE_NS && leaf->last_ns < now_ns)
			gone[n++] = leaf;
	}
	for (size_t i = 0; i < n; i++)
		leaf_forget(r, gone[i]);
	free(gone);
}

static void sweep_services(struct recent *r, uint64_t now_ns)
{
	struct recent_service *gone[RECENT_SERVICES_MAX];
	size_t n = 0;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&r->services, &i, &key, &value);) {
		struct recent_service *s = value;

		if (!s->n_endpoints && s->last_ns + SERVICE_GONE_NS < now_ns)
			gone[n++] = s;
	}
	for (size_t i = 0; i < n; i++) {
		map_del(&r->services, gone[i]->id);
		service_free(gone[i]);
	}
}

void recent_tick(struct recent *r, uint64_t now_ns)
{
	if (now_ns < r->swept_ns + RECENT_SLOT_NS)
		return;
	r->swept_ns = now_ns;
	sweep_leaves(r, now_ns);
	sweep_services(r, now_ns);
}

const struct recent_stats *recent_stats(const struct recent *r)
{
	struct recent_stats *s = (struct recent_stats *)&r->stats;

	s->services = r->services.n;
	s->leaves = r->leaves.n;
	return s;
}
