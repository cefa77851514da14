/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/held.h"

#include <stdlib.h>
#include <string.h>
#include "identity/service.h"
#include "util/hash.h"
#include "util/map.h"

/* A key is this, the texts of the kind of protocol with the NUL of each, and NULs to a whole
 * word. */
struct head {
	uint32_t service, other; /* ids, which are never 0; 0: none */
	int32_t status;
	uint16_t host_port, port;
	uint8_t proto, role, family, flags;
	uint8_t ip[16];
};

enum {
	FLAG_TLS = 1,
	FLAG_STREAM = 2,
	FLAG_PARENT_UNKNOWN = 4,
	FLAG_REQUEST_MESSAGES = 8,
	FLAG_RESPONSE_MESSAGES = 16,
	FLAG_NAMED = 32, /* a unix socket with a path */
};

struct entry {
	struct held held;
	size_t n;
	uint64_t words[];
};

struct held_table {
	uint64_t seed;	     /* of hashes */
	uint64_t generation; /* of the store */
	struct map by_hash;  /* owned */
};

struct held_table *held_table_new(void)
{
	struct held_table *h = calloc(1, sizeof(*h));

	if (h)
		h->seed = hash_seed();
	return h;
}

static void forget(struct held_table *h)
{
	uint64_t hash;
	void *entry;

	for (size_t i = 0; map_next(&h->by_hash, &i, &hash, &entry);)
		free(entry);
	map_free(&h->by_hash);
}

void held_table_free(struct held_table *h)
{
	if (!h)
		return;
	forget(h);
	free(h);
}

static uint8_t flags_of(const struct txn *t)
{
	return (uint8_t)((t->is_tls ? FLAG_TLS : 0) | (t->is_stream ? FLAG_STREAM : 0) |
			 (t->trace.parent == TXN_PARENT_UNKNOWN ? FLAG_PARENT_UNKNOWN : 0) |
			 (t->request_messages ? FLAG_REQUEST_MESSAGES : 0) |
			 (t->response_messages ? FLAG_RESPONSE_MESSAGES : 0));
}

static void fill_address(struct head *head, const struct txn *t)
{
	const struct sonde_addr *end = t->role == SONDE_ROLE_CLIENT ? &t->peer : &t->local;

	head->family = (uint8_t)t->family;
	head->flags |= t->unix_path_len ? FLAG_NAMED : 0;
	head->host_port = t->host_port;
	head->port = end->port;
	if (!t->host[0])
		memcpy(head->ip, end->ip, sizeof(head->ip));
}

/* NULL: no room, also where there was none before. */
static char *put(char *at, const char *end, const char *text)
{
	size_t n = strlen(text) + 1;

	return at && n <= (size_t)(end - at) ? mempcpy(at, text, n) : NULL;
}

static char *put_texts(char *at, const char *end, const struct txn *t)
{
	const struct proto *proto = proto_get(t->proto);

	if (!proto)
		return at;
	switch (proto->kind) {
	case KIND_WEB:
		at = put(at, end, t->method);
		at = put(at, end, t->route);
		return put(at, end, t->version);
	case KIND_DATABASE:
		at = put(at, end, t->system);
		at = put(at, end, t->summary);
		at = put(at, end, t->operation);
		at = put(at, end, t->collection);
		at = put(at, end, t->name_space);
		return put(at, end, t->status_text);
	case KIND_NAMES:
		at = put(at, end, t->target);
		at = put(at, end, t->method);
		return put(at, end, t->status_text);
	case KIND_RPC:
		at = put(at, end, t->system);
		at = put(at, end, t->target);
		return put(at, end, t->status_text);
	}
	return NULL;
}

static char *put_address(char *at, const char *end, const struct txn *t)
{
	at = put(at, end, t->host);
	at = put(at, end, t->server_name);
	at = put(at, end, t->server_space);
	if (t->family != SONDE_FAMILY_UNIX || t->host[0])
		return at;
	/* an abstract name begins with NUL */
	return at && (size_t)(end - at) >= sizeof(t->unix_path)
		       ? mempcpy(at, t->unix_path, sizeof(t->unix_path))
		       : NULL;
}

void held_key(const struct held_table *h, const struct txn *t, bool has_address,
	      struct held_key *key)
{
	char *begin = (char *)key->words, *end = begin + sizeof(key->words), *at;
	struct head head = {
		.service = t->service ? t->service->id : 0,
		.other = t->other ? t->other->id : 0,
		.status = t->status,
		.proto = (uint8_t)t->proto,
		.role = (uint8_t)t->role,
		.flags = flags_of(t),
	};

	has_address |= t->role == SONDE_ROLE_CLIENT;
	if (has_address)
		fill_address(&head, t);
	at = mempcpy(begin, &head, sizeof(head));
	at = put(at, end, t->error_type);
	at = put_texts(at, end, t);
	if (has_address)
		at = put_address(at, end, t);
	key->n = 0;
	if (!at)
		return;
	while ((at - begin) % sizeof(uint64_t))
		*at++ = '\0';
	key->n = (size_t)(at - begin) / sizeof(uint64_t);
	key->hash = h->seed;
	for (size_t i = 0; i < key->n; i++)
		key->hash = hash_mix(key->hash, key->words[i]);
}

struct held *held_get(struct held_table *h, const struct series_store *st,
		      const struct held_key *key)
{
	struct entry *e;

	if (h->generation != series_generation(st)) {
		h->generation = series_generation(st);
		forget(h);
	}
	e = key->n ? map_get(&h->by_hash, key->hash) : NULL;
	if (!e || e->n != key->n || memcmp(e->words, key->words, key->n * sizeof(*key->words)))
		return NULL;
	return &e->held;
}

void held_keep(struct held_table *h, const struct held_key *key, const struct held *what)
{
	size_t size = key->n * sizeof(*key->words);
	struct entry *e;

	if (!key->n || map_get(&h->by_hash, key->hash))
		return; /* of two keys with one hash the first is kept */
	if (h->by_hash.n == HELD_MAX)
		forget(h);
	e = malloc(sizeof(*e) + size);
	if (!e)
		return;
	e->held = *what;
	e->n = key->n;
	memcpy(e->words, key->words, size);
	if (map_put(&h->by_hash, key->hash, e) < 0)
		free(e);
}
