/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the series are: services as they were when their first one was made, and forgetting them
 * and all that is theirs. */
#include "metrics/series_impl.h"

#include <stdlib.h>
#include <string.h>
#include "identity/process.h"
#include "util/hash.h"
#include "util/utf8.h"

/* Its words, as series carry them. */
static void series_service_words(const struct series_store *st, const struct service *service,
				 struct series_service *words)
{
	*words = (struct series_service){ 0 };
	utf8_clean(words->name, sizeof(words->name), slice_str(service->name));
	utf8_clean(words->name_space, sizeof(words->name_space), slice_str(service->name_space));
	utf8_clean(words->instance_id, sizeof(words->instance_id), slice_str(service->instance_id));
	words->hash = hash_slice(st->seed, slice_str(words->name));
	words->hash = hash_slice(words->hash, slice_str(words->name_space));
	words->hash = hash_slice(words->hash, slice_str(words->instance_id));
}

static bool series_service_is(const struct series_service *s, const struct series_service *words)
{
	return strcmp(s->name, words->name) == 0 && strcmp(s->name_space, words->name_space) == 0 &&
	       strcmp(s->instance_id, words->instance_id) == 0;
}

static struct series_service *series_service_of(const struct series_store *st,
						const struct series_service *words)
{
	struct series_service *s = map_get(&st->by_words, words->hash);

	return s && series_service_is(s, words) ? s : NULL;
}

static struct series_service *series_service_add(struct series_store *st,
						 const struct series_service *words)
{
	struct series_service **v = series_reserve(st->services, st->n_services, &st->services_cap);
	struct series_service *mine;

	if (!v)
		return NULL;
	st->services = v;
	mine = malloc(sizeof(*mine));
	if (!mine || map_put(&st->by_words, words->hash, mine) < 0) {
		free(mine);
		return NULL;
	}
	*mine = *words;
	st->services[st->n_services++] = mine;
	return mine;
}

struct series_service *series_service_find(struct series_store *st, const struct service *service)
{
	struct series_service *mine = map_get(&st->by_id, service->id), words;

	if (mine)
		return mine;
	series_service_words(st, service, &words);
	mine = series_service_of(st, &words);
	if (mine)
		map_put(&st->by_id, service->id, mine); /* no room: found by its words again */
	return mine;
}

struct series_service *series_service_get(struct series_store *st, const struct service *service)
{
	struct series_service *mine = series_service_find(st, service), words;

	if (mine)
		return mine;
	series_service_words(st, service, &words);
	mine = series_service_add(st, &words);
	if (!mine)
		return NULL;
	facts_hold(mine->facts = service->facts);
	map_put(&st->by_id, service->id, mine); /* as above */
	return mine;
}

void series_service_seen(struct series_store *st, const struct service *service, uint64_t now_ns)
{
	struct series_service *mine = map_get(&st->by_id, service->id);

	if (!mine)
		return;
	if (now_ns > mine->seen_ns)
		mine->seen_ns = now_ns;
	if (service->facts && mine->facts != service->facts) {
		facts_release(mine->facts);
		mine->facts = facts_hold(service->facts);
	}
}

static bool series_is_gone(const struct series_service *s, uint64_t now_ns)
{
	return now_ns > s->seen_ns && now_ns - s->seen_ns >= SERIES_GONE_NS;
}

/* Forgets all those that are gone, under all their ids. They have no series any more. */
static void series_services_drop(struct series_store *st, uint64_t now_ns)
{
	struct map kept = { 0 };
	size_t n = 0;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&st->by_id, &i, &key, &value);)
		if (!series_is_gone(value, now_ns))
			map_put(&kept, key, value); /* no room: found by its words again */
	map_free(&st->by_id);
	st->by_id = kept;
	for (size_t i = 0; i < st->n_services; i++) {
		struct series_service *s = st->services[i];

		if (!series_is_gone(s, now_ns)) {
			st->services[n++] = s;
			continue;
		}
		if (map_get(&st->by_words, s->hash) == s)
			map_del(&st->by_words, s->hash);
		facts_release(s->facts);
		free(s);
	}
	st->n_services = n;
}

void series_expire(struct series_store *st, uint64_t now_ns)
{
	bool any = false;

	for (size_t i = 0; i < st->n_services; i++)
		any |= series_is_gone(st->services[i], now_ns);
	if (!any)
		return;
	for (size_t id = 0; id < METRIC_MAX; id++) {
		struct series_list *list = &st->lists[id];
		size_t n = 0;

		for (size_t i = 0; i < list->n; i++) {
			struct series *s = list->v[i];

			if (!s->service || !series_is_gone(s->service, now_ns)) {
				list->v[n++] = s;
				continue;
			}
			list->n_overflow -= s->is_overflow;
			series_free(s);
		}
		list->n = n;
	}
	st->generation++;
	series_table_fill(st);
	series_services_drop(st, now_ns);
}

void series_each_service(struct series_store *st, void (*fn)(void *ctx, struct series_service *s),
			 void *ctx)
{
	for (size_t i = 0; i < st->n_services; i++)
		fn(ctx, st->services[i]);
}
