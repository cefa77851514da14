/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/naming.h"

#include <stdlib.h>
#include <string.h>
#include "identity/resolved.h"

struct naming {
	const struct addresses *now_known;
	struct addresses *on_record;	 /* owned */
	struct resolved_names *resolved; /* owned */
};

_Static_assert(sizeof(((struct txn *)0)->server_space) == ADDRESS_NAME_LEN &&
		       sizeof(((struct sonde_ev_address *)0)->name) == ADDRESS_NAME_LEN &&
		       sizeof(((struct txn *)0)->server_name) > RESOLVED_NAME_MAX &&
		       sizeof(((struct sonde_ev_resolved *)0)->name) > RESOLVED_NAME_MAX,
	       "a name is as long everywhere");

struct naming *naming_new(const struct addresses *now_known)
{
	struct naming *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->now_known = now_known;
	n->on_record = addresses_new(0);
	n->resolved = resolved_new(0);
	if (n->on_record && n->resolved)
		return n;
	naming_free(n);
	return NULL;
}

void naming_free(struct naming *n)
{
	if (!n)
		return;
	addresses_free(n->on_record);
	resolved_free(n->resolved);
	free(n);
}

static struct address address_of(enum sonde_family family, const uint8_t ip[16])
{
	struct address a = { .family = family };

	memcpy(a.ip, ip, sizeof(a.ip));
	return a;
}

static struct sonde_ev_address record_of(const struct address *a, const struct address_name *name)
{
	struct sonde_ev_address ev = {
		.h = { .kind = SONDE_EV_ADDRESS, .size = sizeof(ev) },
		.family = (uint8_t)a->family,
	};

	memcpy(ev.ip, a->ip, sizeof(ev.ip));
	if (name) {
		memcpy(ev.name, name->name, sizeof(ev.name));
		memcpy(ev.name_space, name->name_space, sizeof(ev.name_space));
	}
	return ev;
}

bool naming_news(const struct naming *n, enum sonde_family family, const struct sonde_addr *peer,
		 struct sonde_ev_address *out)
{
	struct address a = address_of(family, peer->ip);
	const struct address_name *now, *was;

	if (!n->now_known)
		return false;
	now = addresses_find(n->now_known, &a);
	was = addresses_find(n->on_record, &a);
	if (now ? was && address_name_equal(now, was) : !was)
		return false;
	*out = record_of(&a, now);
	return true;
}

void naming_take(struct naming *n, const struct sonde_ev_address *ev)
{
	struct address a = address_of(ev->family, ev->ip);
	struct address_name name;

	memcpy(name.name, ev->name, sizeof(name.name));
	memcpy(name.name_space, ev->name_space, sizeof(name.name_space));
	addresses_put(n->on_record, "", &a, &name);
}

struct each {
	void (*fn)(void *ctx, const struct sonde_ev_address *ev);
	void *ctx;
};

static void on_address(void *ctx, const struct address *a, const struct address_name *name)
{
	const struct each *e = ctx;
	struct sonde_ev_address ev = record_of(a, name);

	e->fn(e->ctx, &ev);
}

void naming_each(const struct naming *n, void (*fn)(void *ctx, const struct sonde_ev_address *ev),
		 void *ctx)
{
	addresses_each(n->on_record, on_address, &(struct each){ fn, ctx });
}

void naming_resolved(struct naming *n, enum sonde_family family, const uint8_t ip[16],
		     struct slice name, uint64_t now_ns, uint64_t until_ns)
{
	struct address a = address_of(family, ip);

	resolved_put(n->resolved, &a, name, now_ns, until_ns);
}

uint64_t naming_forgotten(const struct naming *n)
{
	return resolved_forgotten(n->resolved);
}

struct each_resolved {
	void (*fn)(void *ctx, const struct sonde_ev_resolved *ev);
	void *ctx;
};

static void on_resolved(void *ctx, const struct address *a, const char *name, uint64_t until_ns)
{
	const struct each_resolved *e = ctx;
	struct sonde_ev_resolved ev = {
		.h = { .kind = SONDE_EV_RESOLVED, .size = sizeof(ev) },
		.until_ns = until_ns,
		.family = (uint8_t)a->family,
	};

	memcpy(ev.ip, a->ip, sizeof(ev.ip));
	slice_copy(ev.name, sizeof(ev.name), slice_str(name));
	e->fn(e->ctx, &ev);
}

void naming_each_resolved(const struct naming *n,
			  void (*fn)(void *ctx, const struct sonde_ev_resolved *ev), void *ctx)
{
	resolved_each(n->resolved, on_resolved, &(struct each_resolved){ fn, ctx });
}

const char *naming_find(const struct naming *n, enum sonde_family family, const uint8_t ip[16])
{
	struct address a = address_of(family, ip);
	const struct address_name *asked = addresses_find(n->on_record, &a);

	return asked ? asked->name : resolved_find(n->resolved, &a);
}

/* It asked for that very address, as curl http://10.96.0.1/ does: that is no name. */
static bool is_address_of(const char *host, enum sonde_family family, const struct sonde_addr *peer)
{
	struct address asked, a = address_of(family, peer->ip);
	size_t n = strlen(host);
	char text[64];

	if (host[0] == '[' && n < sizeof(text) && host[n - 1] == ']') { /* RFC 3986, 3.2.2 */
		memcpy(text, host + 1, n - 2);
		text[n - 2] = '\0';
		host = text;
	}
	return address_parse(host, &asked) && address_equal(&asked, &a);
}

void naming_txn(const struct naming *n, struct txn *t)
{
	const struct address_name *asked;
	struct address a;
	const char *name;

	if (t->role != SONDE_ROLE_CLIENT ||
	    (t->host[0] && !is_address_of(t->host, t->family, &t->peer)))
		return;
	a = address_of(t->family, t->peer.ip);
	asked = addresses_find(n->on_record, &a);
	name = asked ? asked->name : resolved_find(n->resolved, &a);
	if (!name)
		return;
	slice_copy(t->server_name, sizeof(t->server_name), slice_str(name));
	if (asked)
		memcpy(t->server_space, asked->name_space, sizeof(t->server_space));
}
