// SPDX-License-Identifier: Apache-2.0
/*
 * The two ends of a datagram on one host. It has no numbers that TCP chose at random; that two
 * sockets tell of the same one follows from all it has: the network namespace, both ports and
 * addresses, its id and its text. Where any other was alike, asked again perhaps, nobody knows
 * which was answered.
 */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_impl.h"

enum {
	ASKED_MAX = 16384,
	ALIKE_MAX = 64,	  /* of one id and text, from anywhere; further ones are not paired */
	WAITING_MAX = 256 /* answered, while whoever asked has not been told of */
};

/* A send is told of when it is over, by then it may have arrived, been read and been answered. */
#define EARLY_NS (20 * 1000 * 1000ULL)

/* Questions alike but for who asked, of both ends; counted there. */
struct asked {
	struct list units;
	uint64_t key;
	int n;
};

static bool is_same_ip(const struct sonde_addr *a, const struct sonde_addr *b)
{
	static const uint8_t any[16];

	return memcmp(a->ip, b->ip, 16) == 0 || memcmp(a->ip, any, 16) == 0 ||
	       memcmp(b->ip, any, 16) == 0;
}

static bool is_in_time(const struct unit *client, const struct unit *server)
{
	return server->start_ns + EARLY_NS >= client->start_ns;
}

static bool are_ends(const struct unit *client, const struct unit *server)
{
	const struct datagram_ends *c = &client->ends, *s = &server->ends;

	return c->local.port == s->peer.port && is_same_ip(&c->local, &s->peer) &&
	       is_same_ip(&c->peer, &s->local) && is_in_time(client, server);
}

void asked_leave(struct trace *tr, struct unit *u)
{
	struct asked *a = u->asked;

	if (!a)
		return;
	if (u->is_answered && u->role == SONDE_ROLE_SERVER)
		tr->asked_waiting--;
	u->asked = NULL;
	list_del(&u->on_end);
	list_del(&u->open);
	if (--a->n == 0) {
		map_del(&tr->asked, a->key);
		free(a);
	}
	unit_put(tr, u);
}

/* What has arrived had been sent: the client began no later. Told of before the answer is, and only
 * where there is one of each. */
static void note_arrival(const struct asked *a)
{
	struct unit *one = LIST_ENTRY(a->units.next, struct unit, on_end);
	struct unit *other = LIST_ENTRY(a->units.prev, struct unit, on_end);
	struct unit *client = one->role == SONDE_ROLE_CLIENT ? one : other;
	struct unit *server = client == one ? other : one;

	if (a->n == 2 && one->role != other->role && is_in_time(client, server) &&
	    server->start_ns < client->start_ns)
		client->arrived_ns = server->start_ns;
}

/* The client's of the same datagram as the server's; NULL: none, or it is not certain. */
static struct unit *client_of(const struct unit *server)
{
	struct unit *found = NULL;

	for (struct list *l = server->asked->units.next; l != &server->asked->units; l = l->next) {
		struct unit *o = LIST_ENTRY(l, struct unit, on_end);

		if (o == server)
			continue;
		if (o->role == SONDE_ROLE_SERVER && o->ends.peer.port == server->ends.peer.port)
			return NULL;
		if (o->role == SONDE_ROLE_SERVER || o->ends.local.port != server->ends.peer.port)
			continue;
		if (found || o->is_again || o->is_answered || !are_ends(o, server))
			return NULL;
		found = o;
	}
	return found;
}

/* The same end asks the same again: of neither is it known which the answer is to. */
static void mark_again(struct unit *u)
{
	for (struct list *l = u->asked->units.next; l != &u->asked->units; l = l->next) {
		struct unit *o = LIST_ENTRY(l, struct unit, on_end);

		if (o != u && o->role == u->role && o->ends.local.port == u->ends.local.port)
			o->is_again = u->is_again = true;
	}
}

static struct unit *waiting_for(const struct unit *client)
{
	for (struct list *l = client->asked->units.next; l != &client->asked->units; l = l->next) {
		struct unit *o = LIST_ENTRY(l, struct unit, on_end);

		if (o->role == SONDE_ROLE_SERVER && o->is_answered && client_of(o) == client)
			return o;
	}
	return NULL;
}

static struct asked *asked_get(struct trace *tr, uint64_t key)
{
	struct asked *a = map_get(&tr->asked, key);

	if (a && a->n >= ALIKE_MAX) {
		tr->stats.full.n[FULL_TRACE_QUESTIONS_ALIKE]++;
		return NULL;
	}
	if (a)
		return a;
	if (tr->asked.n >= ASKED_MAX || !(a = malloc(sizeof(*a)))) {
		tr->stats.full.n[FULL_TRACE_QUESTIONS]++;
		return NULL;
	}
	*a = (struct asked){ .key = key };
	list_init(&a->units);
	if (map_put(&tr->asked, key, a) == 0)
		return a;
	free(a);
	return NULL;
}

bool asked_begin(struct trace *tr, struct unit *u, const struct conn_request *r)
{
	uint16_t port = r->role == SONDE_ROLE_SERVER ? r->local->port : r->peer->port;
	struct asked *a = r->question ? asked_get(tr, r->question ^ (uint64_t)port << 48) : NULL;

	if (!a)
		return false;
	u->asked = a;
	u->ends = (struct datagram_ends){ *r->local, *r->peer };
	a->n++;
	list_push(&a->units, &unit_get(u)->on_end);
	if (u->role == SONDE_ROLE_CLIENT)
		mark_again(u);
	note_arrival(a);
	return true;
}

struct unit *asked_server(struct unit *client)
{
	return client->asked ? waiting_for(client) : NULL;
}

struct unit *asked_client(struct trace *tr, struct unit *u, const struct txn *t)
{
	struct unit *client;

	u->ends = (struct datagram_ends){ t->local, t->peer };
	client = client_of(u);
	if (client || u->ends.peer.port == 0 || !pair_is_here(tr, t->family, &t->local, &t->peer))
		return client;
	if (tr->asked_waiting >= WAITING_MAX) {
		tr->stats.full.n[FULL_TRACE_QUESTIONS_WAITING]++;
		return NULL;
	}
	u->is_answered = true;
	tr->asked_waiting++;
	return NULL;
}

void asked_gone(struct trace *tr, struct unit *u)
{
	if (!u->asked || u->role != SONDE_ROLE_CLIENT)
		return;
	u->deadline_ns = tr->now_ns + TRACE_GRACE_NS;
	list_push(&tr->asked_gone, &u->open);
}

void asked_expire(struct trace *tr, uint64_t now_ns)
{
	while (!list_empty(&tr->asked_gone)) {
		struct unit *u = LIST_ENTRY(tr->asked_gone.next, struct unit, open);

		if (u->deadline_ns > now_ns)
			break;
		asked_leave(tr, u);
	}
}

void asked_free(struct trace *tr)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&tr->asked, &i, &key, &value);) {
		struct asked *a = value;

		while (!list_empty(&a->units)) {
			struct unit *u = LIST_ENTRY(a->units.next, struct unit, on_end);

			u->asked = NULL;
			list_del(&u->on_end);
			list_del(&u->open);
			unit_put(tr, u);
		}
		free(a);
	}
	map_free(&tr->asked);
}
