/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/series_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "identity/process.h"
#include "metrics/labels.h"
#include "util/hash.h"

struct series_store *series_store_new(size_t max)
{
	struct series_store *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->max = max ? max : SERIES_DEFAULT_MAX;
	st->cap = 1024;
	st->table = calloc(st->cap, sizeof(*st->table));
	if (!st->table) {
		free(st);
		return NULL;
	}
	st->seed = hash_seed();
	return st;
}

void series_free(struct series *s)
{
	if (metric_get(s->metric)->kind == METRIC_HISTOGRAM)
		hist_free(&s->hist);
	free(s->exemplars);
	free(s);
}

void series_exemplar(struct series *s, const struct exemplar *e)
{
	const struct hist_bounds *bounds = s->hist.bounds;

	if (!s->exemplars)
		s->exemplars = calloc(bounds->n + 1, sizeof(*s->exemplars));
	if (s->exemplars)
		s->exemplars[hist_bound(bounds, e->value)] = *e;
}

void series_store_free(struct series_store *st)
{
	if (!st)
		return;
	for (size_t id = 0; id < METRIC_MAX; id++) {
		for (size_t i = 0; i < st->lists[id].n; i++)
			series_free(st->lists[id].v[i]);
		free(st->lists[id].v);
	}
	for (size_t i = 0; i < st->n_services; i++) {
		facts_release(st->services[i]->facts);
		free(st->services[i]);
	}
	free(st->services);
	map_free(&st->by_id);
	map_free(&st->by_words);
	free(st->table);
	free(st);
}

void *series_reserve(void *v, size_t n, size_t *cap)
{
	size_t wider = *cap ? *cap * 2 : 16;

	if (n < *cap)
		return v;
	v = realloc(v, wider * sizeof(void *));
	if (v)
		*cap = wider;
	return v;
}

static int series_table_grow(struct series_store *st)
{
	size_t cap = st->cap * 2;
	struct series_entry *table;

	if ((st->n + 1) * 4 <= st->cap * 3)
		return 0;
	table = calloc(cap, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < st->cap; i++) {
		size_t at = st->table[i].hash & (cap - 1);

		if (!st->table[i].series)
			continue;
		while (table[at].series)
			at = (at + 1) & (cap - 1);
		table[at] = st->table[i];
	}
	free(st->table);
	st->table = table;
	st->cap = cap;
	return 0;
}

struct series_key {
	enum metric_id metric;
	bool is_overflow;
	struct series_service *service;
	const struct slice *values;
	size_t n;
	uint64_t hash;
};

static bool series_is(const struct series *s, const struct series_key *key)
{
	if (s->metric != key->metric || s->service != key->service ||
	    s->is_overflow != key->is_overflow)
		return false;
	for (size_t i = 0; i < key->n; i++)
		if (!slice_eq(series_label(s, i), key->values[i]))
			return false;
	return true;
}

/* The key's series, or NULL with *at where it belongs. */
static struct series *series_find(const struct series_store *st, const struct series_key *key,
				  size_t *at)
{
	size_t i = key->hash & (st->cap - 1);

	for (; st->table[i].series; i = (i + 1) & (st->cap - 1))
		if (st->table[i].hash == key->hash && series_is(st->table[i].series, key))
			return st->table[i].series;
	*at = i;
	return NULL;
}

static void series_key_hash(const struct series_store *st, struct series_key *key)
{
	uint64_t h = hash_mix(st->seed ^ (uintptr_t)key->service,
			      (uint64_t)key->metric << 1 | key->is_overflow);

	for (size_t i = 0; i < key->n; i++)
		h = hash_slice(h, key->values[i]);
	key->hash = h;
}

static struct series *series_make(const struct series_key *key)
{
	const struct metric *m = metric_get(key->metric);
	size_t size = 0, at = 0;
	struct series *s;

	for (size_t i = 0; i < key->n; i++)
		size += key->values[i].n;
	s = calloc(1, sizeof(*s) + size + 1);
	if (!s)
		return NULL;
	s->metric = key->metric;
	s->hash = key->hash;
	s->service = key->service;
	s->is_overflow = key->is_overflow;
	for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
		s->begins[i] = (uint16_t)at;
		if (i < key->n && key->values[i].n) {
			memcpy(s->text + at, key->values[i].p, key->values[i].n);
			at += key->values[i].n;
		}
	}
	s->begins[METRIC_LABELS_MAX] = (uint16_t)at;
	if (m->kind == METRIC_HISTOGRAM && hist_init(&s->hist, m->bounds) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static struct series *series_add(struct series_store *st, const struct series_key *key)
{
	struct series_list *list = &st->lists[key->metric];
	struct series **v = series_reserve(list->v, list->n, &list->cap);
	struct series *s;
	size_t at;

	if (!v)
		return NULL;
	list->v = v;
	if (series_table_grow(st) < 0)
		return NULL;
	s = series_make(key);
	if (!s)
		return NULL;
	series_find(st, key, &at); /* the table may have moved */
	st->table[at] = (struct series_entry){ key->hash, s };
	st->n++;
	s->serial = ++st->last_serial;
	list->v[list->n++] = s;
	list->n_overflow += key->is_overflow;
	if (s->service)
		s->service->n_series++;
	return s;
}

/* The series that a service's label sets fold into; one without a service when there are too many
 * even of these. */
static struct series *series_fold(struct series_store *st, enum metric_id id,
				  struct series_service *service)
{
	struct series_list *list = &st->lists[id];
	struct series_key key = { .metric = id, .is_overflow = true, .service = service };
	struct series *s;
	size_t at;

	list->overflows++;
	series_key_hash(st, &key);
	s = series_find(st, &key, &at);
	if (s)
		return s;
	if (list->n_overflow >= SERIES_OVERFLOWS_MAX && service) {
		key.service = NULL;
		series_key_hash(st, &key);
		s = series_find(st, &key, &at);
	}
	return s ? s : series_add(st, &key);
}

/* The first of its values, or of values that had to be cleaned. */
static struct series *series_get_new(struct series_store *st, struct series_key *key)
{
	struct series_list *list = &st->lists[key->metric];
	const struct slice *values = key->values;
	struct labels clean;
	struct series *s;
	size_t at;

	key->values = labels_clean(&clean, values, key->n);
	if (key->values != values) {
		series_key_hash(st, key);
		s = series_find(st, key, &at);
		if (s)
			return s;
	}
	if (list->n - list->n_overflow >= st->max)
		return series_fold(st, key->metric, key->service);
	s = series_add(st, key);
	if (!s)
		list->overflows++; /* out of memory: nowhere to fold to either */
	return s;
}

static struct series *series_stamp(struct series *s, uint64_t now_ns)
{
	if (s && !s->created_ns)
		s->created_ns = now_ns;
	if (s)
		s->updated_ns = now_ns;
	return s;
}

struct series *series_get_known(struct series_store *st, enum metric_id id,
				struct series_service *service, const struct slice *values,
				uint64_t now_ns)
{
	struct series_key key = {
		.metric = id,
		.service = service,
		.values = values,
		.n = metric_n_labels(id),
	};
	struct series *s;
	size_t at;

	series_key_hash(st, &key);
	/* what a series holds is clean: values that are equal to it are */
	s = series_find(st, &key, &at);
	if (!s)
		s = series_get_new(st, &key);
	return series_stamp(s, now_ns);
}

/* Would a service that has no series of this metric get one, be it the one it folds into? */
static bool series_is_open(const struct series_store *st, enum metric_id id)
{
	const struct series_list *list = &st->lists[id];

	return list->n - list->n_overflow < st->max || list->n_overflow < SERIES_OVERFLOWS_MAX;
}

struct series *series_get(struct series_store *st, enum metric_id id, const struct service *service,
			  const struct slice *values, uint64_t now_ns)
{
	struct series_service *mine;

	if (!service)
		return series_get_known(st, id, NULL, values, now_ns);
	mine = series_service_find(st, service);
	if (!mine && !series_is_open(st, id)) /* what gets nothing need not be remembered */
		return series_stamp(series_fold(st, id, NULL), now_ns);
	if (!mine)
		mine = series_service_get(st, service);
	if (!mine) {
		st->lists[id].overflows++;
		return NULL;
	}
	mine->seen_ns = now_ns > mine->seen_ns ? now_ns : mine->seen_ns;
	return series_get_known(st, id, mine, values, now_ns);
}

struct slice series_label(const struct series *s, size_t i)
{
	return (struct slice){ (const uint8_t *)s->text + s->begins[i],
			       (size_t)(s->begins[i + 1] - s->begins[i]) };
}

/* Of the first series whose serial is greater. */
static size_t series_place(const struct series_list *list, uint64_t serial)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (list->v[mid]->serial > serial)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct series *series_after(const struct series_store *st, enum metric_id id, uint64_t serial)
{
	const struct series_list *list = &st->lists[id];
	size_t at = series_place(list, serial);

	return at < list->n ? list->v[at] : NULL;
}

struct series *series_next(const struct series_store *st, enum metric_id id, uint64_t serial,
			   size_t *at)
{
	const struct series_list *list = &st->lists[id];
	size_t before = *at;

	(*at)++;
	if (before && before < list->n && list->v[before - 1]->serial == serial)
		return list->v[before];
	*at = series_place(list, serial) + 1;
	return *at <= list->n ? list->v[*at - 1] : NULL;
}

uint64_t series_generation(const struct series_store *st)
{
	return st->generation;
}

size_t series_count(const struct series_store *st, enum metric_id id)
{
	return st->lists[id].n;
}

uint64_t series_overflows(const struct series_store *st, enum metric_id id)
{
	return st->lists[id].overflows;
}

void series_table_fill(struct series_store *st)
{
	memset(st->table, 0, st->cap * sizeof(*st->table));
	st->n = 0;
	for (size_t id = 0; id < METRIC_MAX; id++) {
		for (size_t i = 0; i < st->lists[id].n; i++) {
			struct series *s = st->lists[id].v[i];
			size_t at = s->hash & (st->cap - 1);

			while (st->table[at].series)
				at = (at + 1) & (st->cap - 1);
			st->table[at] = (struct series_entry){ s->hash, s };
			st->n++;
		}
	}
}

void series_drop_older(struct series_store *st, enum metric_id id, uint64_t now_ns)
{
	struct series_list *list = &st->lists[id];
	size_t n = 0, had = list->n;

	for (size_t i = 0; i < had; i++) {
		struct series *s = list->v[i];

		if (s->is_overflow || s->updated_ns >= now_ns) {
			list->v[n++] = s;
			continue;
		}
		if (s->service)
			s->service->n_series--;
		series_free(s);
	}
	list->n = n;
	if (n < had)
		series_table_fill(st);
}

void series_make_room(struct series_store *st, enum metric_id id, uint64_t before_ns)
{
	const struct series_list *list = &st->lists[id];
	size_t had = list->n;

	if (had - list->n_overflow < st->max)
		return;
	series_drop_older(st, id, before_ns);
	st->generation += list->n < had;
}

void series_zero(struct series_store *st, enum metric_id id)
{
	for (size_t i = 0; i < st->lists[id].n; i++)
		st->lists[id].v[i]->value = 0;
}
