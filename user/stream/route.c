/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/route.h"

#include <stdlib.h>
#include "stream/route_segment.h"
#include "util/hash.h"
#include "util/utf8.h"

enum {
	NODES_DEFAULT = 20000,
	FANOUT_DEFAULT = 100,
	DEPTH_MAX = 16,
	SHARE = 32,   /* of a segment's traffic keeps a name beside {id} */
	HITS_MIN = 8, /* and so often it must have been seen */
	NONE = 0,     /* no node; nodes are numbered from 1 */
};

#define PLACEHOLDER SLICE("{id}")

/* One segment below another, or the root of a service. */
struct node {
	uint64_t hash;
	uint64_t last_use; /* root: number of the call */
	uint32_t parent;   /* root: NONE */
	uint32_t root;
	uint32_t next;	   /* of the bucket, or of the free ones */
	uint32_t hits;	   /* saturates */
	uint32_t children; /* names; {id} is not counted */
	uint32_t size;	   /* root: nodes of the service, itself included */
	uint32_t service_id;
	bool is_used, is_folded;
	uint8_t len;
	char name[ROUTE_NAME_MAX];
};

struct routes {
	struct node *nodes;
	uint32_t *buckets; /* power of two */
	uint32_t n_nodes, n_buckets, max_fanout, max_service;
	uint32_t fresh; /* first node never used: the memory behind it is untouched */
	uint32_t free;	/* chain of nodes to be used again */
	uint64_t calls;
	uint64_t seed; /* of hashes: paths come from the wire; nothing that is told depends on it */
};

static uint32_t *bucket(struct routes *r, uint32_t parent, uint64_t hash)
{
	return &r->buckets[hash_mix(hash, parent) & (r->n_buckets - 1)];
}

struct routes *routes_new(const struct routes_opts *opts)
{
	struct routes *r = calloc(1, sizeof(*r));
	size_t max = opts->max_nodes ? opts->max_nodes : NODES_DEFAULT;

	if (!r)
		return NULL;
	r->n_nodes = (uint32_t)(max < 64 ? 64 : max > 1 << 24 ? 1 << 24 : max) + 1;
	r->max_fanout = (uint32_t)(opts->max_fanout ? opts->max_fanout : FANOUT_DEFAULT);
	r->max_service = r->n_nodes / 8;
	for (r->n_buckets = 64; r->n_buckets < r->n_nodes; r->n_buckets *= 2)
		;
	r->nodes = calloc(r->n_nodes, sizeof(*r->nodes));
	r->buckets = calloc(r->n_buckets, sizeof(*r->buckets));
	if (!r->nodes || !r->buckets) {
		routes_free(r);
		return NULL;
	}
	r->fresh = NONE + 1;
	r->seed = hash_seed();
	return r;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	free(r->nodes);
	free(r->buckets);
	free(r);
}

static void link_node(struct routes *r, uint32_t i)
{
	uint32_t *head = bucket(r, r->nodes[i].parent, r->nodes[i].hash);

	r->nodes[i].next = *head;
	*head = i;
}

/* Frees what hangs below nodes that were marked unused, and makes the chains anew. */
static void drop_unused(struct routes *r)
{
	bool is_changed = true;

	while (is_changed) {
		is_changed = false;
		for (uint32_t i = 1; i < r->fresh; i++) {
			struct node *n = &r->nodes[i];

			if (n->is_used && n->parent != NONE && !r->nodes[n->parent].is_used) {
				n->is_used = false;
				is_changed = true;
			}
		}
	}
	memset(r->buckets, 0, r->n_buckets * sizeof(*r->buckets));
	r->free = NONE;
	for (uint32_t i = 1; i < r->fresh; i++)
		r->nodes[i].size = 0;
	for (uint32_t i = r->fresh - 1; i > 0; i--) {
		if (r->nodes[i].is_used) {
			r->nodes[r->nodes[i].root].size++;
			link_node(r, i);
		} else {
			r->nodes[i].next = r->free;
			r->free = i;
		}
	}
}

static bool is_root(const struct routes *r, uint32_t i)
{
	return r->nodes[i].is_used && r->nodes[i].parent == NONE;
}

/* Forgets the services not heard of since the middle between the oldest one's last call and now.
 * False when there is no other than `keep`. */
static bool forget_services(struct routes *r, uint32_t keep)
{
	uint64_t oldest = UINT64_MAX, limit;

	for (uint32_t i = 1; i < r->fresh; i++)
		if (is_root(r, i) && i != keep && r->nodes[i].last_use < oldest)
			oldest = r->nodes[i].last_use;
	if (oldest == UINT64_MAX)
		return false;
	limit = oldest + (r->calls - oldest) / 2;
	for (uint32_t i = 1; i < r->fresh; i++)
		if (is_root(r, i) && i != keep && r->nodes[i].last_use <= limit)
			r->nodes[i].is_used = false;
	drop_unused(r);
	return true;
}

static uint32_t take_node(struct routes *r, uint32_t root)
{
	uint32_t i;

	if (!r->free && r->fresh == r->n_nodes && !forget_services(r, root))
		return NONE;
	if (r->free) {
		i = r->free;
		r->free = r->nodes[i].next;
	} else {
		i = r->fresh++;
	}
	return i;
}

static uint32_t find(struct routes *r, uint32_t parent, uint64_t hash, struct slice name)
{
	uint32_t i = *bucket(r, parent, hash);

	for (; i; i = r->nodes[i].next) {
		const struct node *n = &r->nodes[i];

		if (n->hash == hash && n->parent == parent && n->len == name.n &&
		    memcmp(n->name, name.p, name.n) == 0)
			return i;
	}
	return NONE;
}

/* NONE when the service has its share, or when there is no room for it. */
static uint32_t add(struct routes *r, uint32_t parent, uint64_t hash, struct slice name)
{
	uint32_t root = r->nodes[parent].root, i;

	if (parent != NONE && r->nodes[root].size >= r->max_service)
		return NONE;
	i = take_node(r, root);
	if (i == NONE)
		return NONE;
	r->nodes[i] = (struct node){
		.hash = hash,
		.parent = parent,
		.root = parent == NONE ? i : root,
		.is_used = true,
		.len = (uint8_t)name.n,
	};
	memcpy(r->nodes[i].name, name.p, name.n);
	r->nodes[r->nodes[i].root].size++;
	link_node(r, i);
	return i;
}

/* A segment turns out to have very many names: it keeps the few that matter. */
static void fold(struct routes *r, uint32_t at)
{
	uint64_t total = 0;

	for (uint32_t i = 1; i < r->fresh; i++)
		if (r->nodes[i].is_used && r->nodes[i].parent == at)
			total += r->nodes[i].hits;
	for (uint32_t i = 1; i < r->fresh; i++) {
		struct node *n = &r->nodes[i];

		if (n->is_used && n->parent == at && n->hits && /* {id} has none */
		    (n->hits < HITS_MIN || (uint64_t)n->hits * SHARE < total))
			n->is_used = false;
	}
	r->nodes[at].is_folded = true;
	drop_unused(r);
}

/* Goes from node `at` to the one below it that `seg` leads to; *is_id: it is a placeholder there. */
static uint32_t step(struct routes *r, uint32_t at, const struct route_segment *seg, bool *is_id)
{
	uint64_t hash;
	uint32_t i;

	*is_id = false;
	if (!seg->is_id && at != NONE) {
		hash = hash_slice(r->seed, seg->text);
		i = find(r, at, hash, seg->text);
		if (!i && !r->nodes[at].is_folded) {
			if (r->nodes[at].children >= r->max_fanout)
				fold(r, at);
			else if ((i = add(r, at, hash, seg->text)))
				r->nodes[at].children++;
		}
		if (i) {
			r->nodes[i].hits += r->nodes[i].hits < UINT32_MAX;
			return i;
		}
	}
	*is_id = true;
	if (at == NONE)
		return NONE;
	hash = ~r->seed; /* a path that says so itself has another */
	i = find(r, at, hash, PLACEHOLDER);
	return i ? i : add(r, at, hash, PLACEHOLDER);
}

static uint32_t service_root(struct routes *r, uint32_t service_id)
{
	struct slice name = { (const uint8_t *)&service_id, sizeof(service_id) };
	uint64_t hash = hash_slice(r->seed, name);
	uint32_t i = find(r, NONE, hash, name);

	if (!i)
		i = add(r, NONE, hash, name);
	if (i)
		r->nodes[i].last_use = ++r->calls;
	return i;
}

size_t routes_longest(const struct routes *r)
{
	size_t longest = 0;

	for (uint32_t b = 0; b < r->n_buckets; b++) {
		size_t n = 0;

		for (uint32_t i = r->buckets[b]; i; i = r->nodes[i].next)
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* From the first slash of the path on; empty when the target has none. */
static struct slice target_path(struct slice target)
{
	const uint8_t *p;
	size_t n;

	for (n = 0; n < target.n && target.p[n] != '?' && target.p[n] != '#'; n++)
		;
	target.n = n;
	if (n == 0 || target.p[0] == '/')
		return target;
	p = memmem(target.p, n, "://", 3);
	if (!p)
		return (struct slice){ 0 };
	n -= (size_t)(p + 3 - target.p);
	p = memchr(p + 3, '/', n);
	return p ? (struct slice){ p, target.n - (size_t)(p - target.p) } : SLICE("/");
}

/* Appends "/" and a segment. False when they do not fit whole. */
static bool append(char *out, size_t size, size_t *len, const struct route_segment *seg, bool is_id)
{
	char clean[ROUTE_NAME_MAX * UTF8_REPLACEMENT_LEN + 1];
	struct slice s = is_id ? PLACEHOLDER : seg->text;

	if (!is_id && !seg->is_plain) {
		s = (struct slice){ (uint8_t *)clean, utf8_clean(clean, sizeof(clean), s) };
		for (size_t i = 0; i < s.n; i++)
			if ((uint8_t)clean[i] < ' ' || clean[i] == 0x7f)
				clean[i] = '?';
	}
	if (*len + 1 + s.n >= size)
		return false;
	out[(*len)++] = '/';
	memcpy(out + *len, s.p, s.n);
	*len += s.n;
	return true;
}

size_t route_template(struct routes *r, uint32_t service_id, struct slice target, char *out,
		      size_t size)
{
	struct slice path = target_path(target);
	uint32_t at;
	size_t len = 0;
	int depth = 0;

	if (path.n == 0)
		return slice_copy(out, size, slice_eq(target, SLICE("*")) ? target : SLICE(""));
	at = service_root(r, service_id);
	for (;;) {
		struct route_segment seg;
		bool is_id;

		while (path.n && path.p[0] == '/') {
			path.p++;
			path.n--;
		}
		if (path.n == 0)
			break;
		seg = route_segment_take(&path);
		if (seg.text.n == 0)
			continue;
		if (depth++ == DEPTH_MAX)
			goto out;
		at = step(r, at, &seg, &is_id);
		if (!append(out, size, &len, &seg, is_id))
			goto out;
	}
	if (len == 0 || (path.p[-1] == '/' && len < size - 1))
		out[len++] = '/';
out:
	out[len] = '\0';
	return len;
}
