// SPDX-License-Identifier: Apache-2.0
#include "proto/statements.h"

/* FNV-1a; names are chosen by clients, who would only deceive themselves. */
uint64_t statements_key(struct slice name)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ name.p[i]) * 0x100000001b3ULL;
	return h;
}

static size_t size_of(const struct statement *e)
{
	return (size_t)e->text_len + e->summary_len;
}

static struct statement *find(struct statements *s, uint64_t key)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->each[i].key == key)
			return &s->each[i];
	return NULL;
}

/* Closes the gap in the list and in the room. */
static void drop(struct statements *s, struct statement *e)
{
	size_t n = size_of(e), behind = e->at + n;
	struct statement *last = &s->each[s->n - 1];

	memmove(s->room + e->at, s->room + behind, s->filled - behind);
	s->filled -= n;
	for (; e < last; e++) {
		e[0] = e[1];
		e->at -= n;
	}
	s->n--;
}

static struct statement *oldest(struct statements *s)
{
	struct statement *found = &s->each[0];

	for (unsigned i = 1; i < s->n; i++)
		if (s->clock - s->each[i].used > s->clock - found->used)
			found = &s->each[i];
	return found;
}

void statements_put(struct statements *s, uint64_t key, const struct sql *sql)
{
	size_t need = sql->text.n + sql->summary.n;
	struct statement *e;

	statements_remove(s, key);
	if (need > STATEMENTS_ROOM)
		return;
	while (s->n == STATEMENTS_MAX || s->filled + need > STATEMENTS_ROOM)
		drop(s, oldest(s));
	e = &s->each[s->n++];
	*e = (struct statement){
		.key = key,
		.used = ++s->clock,
		.at = s->filled,
		.text_len = (uint16_t)sql->text.n,
		.summary_len = (uint8_t)sql->summary.n,
		.operation_len = (uint8_t)sql->operation.n,
	};
	if (sql->text.n)
		memcpy(s->room + s->filled, sql->text.p, sql->text.n);
	if (sql->summary.n)
		memcpy(s->room + s->filled + sql->text.n, sql->summary.p, sql->summary.n);
	s->filled += (uint16_t)need;
}

void statements_remove(struct statements *s, uint64_t key)
{
	struct statement *e = find(s, key);

	if (e)
		drop(s, e);
}

bool statements_get(struct statements *s, uint64_t key, struct sql *out)
{
	struct statement *e = find(s, key);
	const uint8_t *text;

	if (!e)
		return false;
	e->used = ++s->clock;
	text = (const uint8_t *)s->room + e->at;
	out->text = (struct slice){ text, e->text_len };
	out->summary = (struct slice){ text + e->text_len, e->summary_len };
	out->operation = (struct slice){ text + e->text_len, e->operation_len };
	return true;
}
