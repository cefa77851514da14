/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of series.h; nobody else includes it.
 *   series.c  label sets and their values     series_service.c  whose they are, and until when
 */
#ifndef SERIES_IMPL_H
#define SERIES_IMPL_H

#include "metrics/series.h"
#include "util/map.h"

struct series_entry {
	uint64_t hash;
	struct series *series; /* NULL: empty */
};

struct series_list {
	struct series **v; /* in the order of creation; owned */
	size_t n, cap;
	size_t n_overflow;
	uint64_t overflows;
};

struct series_store {
	size_t max;
	uint64_t seed; /* of hashes */
	uint64_t last_serial;
	uint64_t generation;
	struct series_list lists[METRIC_MAX];
	struct series_entry *table; /* open addressing over all metrics; owned */
	size_t n, cap;
	struct series_service **services; /* owned */
	size_t n_services, services_cap;
	struct map by_id;    /* service id -> struct series_service */
	struct map by_words; /* hash of its words -> the same; of one hash the later one stays */
};

/* series.c */
/* The array with room for one more pointer, or NULL and the array as it was. */
void *series_reserve(void *v, size_t n, size_t *cap);
void series_free(struct series *s); /* in no list any more */
/* Makes the table anew of what the lists hold. */
void series_table_fill(struct series_store *st);

/* series_service.c */
/* The store's own memory of a service, or NULL: there is none. Two of the same words are one: their
 * series would be. */
struct series_service *series_service_find(struct series_store *st, const struct service *service);
/* The same, made where there is none. NULL: out of memory. */
struct series_service *series_service_get(struct series_store *st, const struct service *service);

#endif
