/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/facts.h"

#include <stdlib.h>
#include "util/utf8.h"

struct facts {
	unsigned int refs;
	uint16_t begins[FACT_MAX + 1]; /* of each value in text[]; last: the end */
	char text[];
};

#define WHERE_LABEL true
#define WHERE_INFO  false

static const struct fact_name names[FACT_MAX] = {
#define FACT(ID, label_, attribute_, WHERE) [FACT_##ID] = { label_, attribute_, WHERE_##WHERE },
#include "identity/facts.def"
};

const struct fact_name *fact_name(enum fact_id id)
{
	return &names[id];
}

enum fact_id fact_by_attribute(struct slice attribute)
{
	int id = 0;

	while (id < FACT_MAX && !slice_eq(attribute, slice_str(names[id].attribute)))
		id++;
	return (enum fact_id)id;
}

void facts_set(struct facts_draft *d, enum fact_id id, struct slice value)
{
	size_t room = sizeof(d->text) - d->n;

	if (value.n == 0 || room <= 1)
		return;
	if (room > FACT_VALUE_MAX + 1)
		room = FACT_VALUE_MAX + 1;
	d->at[id] = (uint16_t)d->n;
	d->len[id] = (uint16_t)utf8_clean(d->text + d->n, room, value);
	d->n += d->len[id];
}

void facts_set_str(struct facts_draft *d, enum fact_id id, const char *value)
{
	if (value)
		facts_set(d, id, slice_str(value));
}

void facts_merge(struct facts_draft *d, const struct facts *f)
{
	for (int id = 0; id < FACT_MAX; id++)
		if (!d->len[id])
			facts_set(d, (enum fact_id)id, fact(f, (enum fact_id)id));
}

struct facts *facts_make(const struct facts_draft *d)
{
	size_t n = 0;
	struct facts *f;

	for (int id = 0; id < FACT_MAX; id++)
		n += d->len[id];
	f = n ? malloc(sizeof(*f) + n) : NULL;
	if (!f)
		return NULL;
	f->refs = 1;
	n = 0;
	for (int id = 0; id < FACT_MAX; id++) {
		f->begins[id] = (uint16_t)n;
		memcpy(f->text + n, d->text + d->at[id], d->len[id]);
		n += d->len[id];
	}
	f->begins[FACT_MAX] = (uint16_t)n;
	return f;
}

struct facts *facts_hold(struct facts *f)
{
	if (f)
		f->refs++;
	return f;
}

void facts_release(struct facts *f)
{
	if (f && --f->refs == 0)
		free(f);
}

struct slice fact(const struct facts *f, enum fact_id id)
{
	if (!f)
		return SLICE("");
	return (struct slice){ (const uint8_t *)f->text + f->begins[id],
			       (size_t)(f->begins[id + 1] - f->begins[id]) };
}

bool facts_equal(const struct facts *a, const struct facts *b)
{
	if (a == b)
		return true;
	for (int id = 0; id < FACT_MAX; id++)
		if (!slice_eq(fact(a, (enum fact_id)id), fact(b, (enum fact_id)id)))
			return false;
	return true;
}

size_t facts_write(const struct facts *f, char *out, size_t size)
{
	size_t n = 0;

	for (int id = 0; id < FACT_MAX; id++) {
		struct slice key = slice_str(names[id].attribute), v = fact(f, (enum fact_id)id);

		if (v.n == 0 || size - n < key.n + v.n + 2)
			continue;
		memcpy(out + n, key.p, key.n);
		n += key.n;
		out[n++] = '=';
		memcpy(out + n, v.p, v.n);
		n += v.n;
		out[n++] = '\0';
	}
	return n;
}

/* The next pair; false at the end. */
static bool next_pair(struct slice *text, struct slice *key, struct slice *value)
{
	while (text->n) {
		const uint8_t *end = memchr(text->p, '\0', text->n);
		struct slice pair = { text->p, end ? (size_t)(end - text->p) : text->n };
		const uint8_t *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;

		text->p += pair.n + (end != NULL);
		text->n -= pair.n + (end != NULL);
		if (!equals)
			continue;
		*key = (struct slice){ pair.p, (size_t)(equals - pair.p) };
		*value = (struct slice){ equals + 1, pair.n - key->n - 1 };
		return true;
	}
	return false;
}

void facts_read(struct facts_draft *d, struct slice text)
{
	struct slice key, value;

	while (next_pair(&text, &key, &value)) {
		enum fact_id id = fact_by_attribute(key);

		if (id < FACT_MAX)
			facts_set(d, id, value);
	}
}

struct slice facts_find(struct slice text, struct slice attribute)
{
	struct slice key, value;

	while (next_pair(&text, &key, &value))
		if (slice_eq(key, attribute))
			return value;
	return SLICE("");
}
