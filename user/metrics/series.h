/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The series: one label set of one metric and what was counted for it. Bounded: past the cap of a
 * metric, further label sets of a service fold into one series of that service that carries
 * otel_metric_overflow="true", and the fold is counted. Series of a service that is gone are
 * dropped after SERIES_GONE_NS.
 */
#ifndef SERIES_H
#define SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "identity/service.h"
#include "metrics/catalogue.h"
#include "util/slice.h"

#define SERIES_GONE_NS (300ULL * 1000000000ULL)

enum {
	SERIES_DEFAULT_MAX = 2000,
	SERIES_VALUE_MAX = 255,	    /* bytes of a label value; longer ones are cut */
	SERIES_OVERFLOWS_MAX = 256, /* services with an overflow series of their own, per metric */
};

/* A service as series remember it, whatever becomes of its processes. Valid UTF-8. */
struct series_service {
	char name[SERVICE_NAME_LEN];
	char name_space[SERVICE_NAMESPACE_LEN];
	char instance_id[SERVICE_INSTANCE_LEN];
	struct facts *facts; /* labels of each of its series; a reference of its own */
	uint64_t seen_ns;    /* last measurement or living process */
	uint64_t hash;	     /* of its words */
	size_t n_series;
};

/* A measurement whose trace can be looked at: the last one of each bucket. */
struct exemplar {
	uint8_t trace_id[16], span_id[8];
	uint64_t value;	  /* in the recorded unit */
	uint64_t unix_ns; /* when; 0: there is none */
};

struct series {
	uint64_t serial; /* ascends in the order of creation */
	uint64_t hash;
	uint64_t created_ns; /* when it was first asked for */
	uint64_t updated_ns;
	struct series_service *service; /* NULL: none; owned by the store */
	enum metric_id metric;
	bool is_overflow; /* no labels but the service's and otel_metric_overflow */
	union {
		uint64_t value; /* counter, gauge, info; nanoseconds when the unit is "s" */
		struct hist hist;
	};
	struct exemplar *exemplars; /* owned, one for each explicit bucket; NULL: none yet */
	uint16_t begins[METRIC_LABELS_MAX + 1]; /* of each label's value in text[]; last: its end */
	char text[];
};

struct series_store;

/* max: per metric; 0: SERIES_DEFAULT_MAX. NULL: out of memory. */
struct series_store *series_store_new(size_t max);
void series_store_free(struct series_store *st);

/*
 * The series of these label values, made when there is none. `values` are as many as the metric
 * has labels, in the catalogue's order; an empty one means the label is absent. Bytes that are no
 * UTF-8 become U+FFFD. service: NULL for metrics about sonde itself. Valid until the next
 * series_expire(). NULL: out of memory, which is counted as overflow.
 */
struct series *series_get(struct series_store *st, enum metric_id id, const struct service *service,
			  const struct slice *values, uint64_t now_ns);

/* The same for a service the store knows already; does not keep it from expiring. */
struct series *series_get_known(struct series_store *st, enum metric_id id,
				struct series_service *service, const struct slice *values,
				uint64_t now_ns);

/* Of one that was found before: what series_get() with its labels would do. */
static inline void series_touch(struct series *s, uint64_t now_ns)
{
	s->updated_ns = now_ns;
	if (s->service && now_ns > s->service->seen_ns)
		s->service->seen_ns = now_ns;
}

/* Another one once series_expire() or series_make_room() has dropped any: what was found before may
 * be gone. What series_drop_older() drops is not told: it is of metrics that nobody holds. */
uint64_t series_generation(const struct series_store *st);

/* Remembers it with the bucket of its value. Out of memory: not. */
void series_exemplar(struct series *s, const struct exemplar *e);

/* Value of label i of the catalogue's list; empty: absent. Borrowed. */
struct slice series_label(const struct series *s, size_t i);

/* Walks a metric in the order of creation: the first series whose serial is greater than `serial`
 * (0: from the start), NULL at the end. Safe against changes between two calls. */
struct series *series_after(const struct series_store *st, enum metric_id id, uint64_t serial);

/* The same for who walks on: *at is where the walk was, 0 at its start. */
struct series *series_next(const struct series_store *st, enum metric_id id, uint64_t serial,
			   size_t *at);

size_t series_count(const struct series_store *st, enum metric_id id);
uint64_t series_overflows(const struct series_store *st,
			  enum metric_id id); /* measurements folded */

/* A service has a living process: keeps its series, and brings what is known of it up to date. */
void series_service_seen(struct series_store *st, const struct service *service, uint64_t now_ns);
/* Drops what of a metric was not written at now_ns. */
void series_drop_older(struct series_store *st, enum metric_id id, uint64_t now_ns);
/* The same, of a metric that others may hold, and only when it is at its cap. */
void series_make_room(struct series_store *st, enum metric_id id, uint64_t before_ns);
void series_expire(struct series_store *st, uint64_t now_ns);

/* Calls fn for each service that has series, in the order they were first seen. fn may make series
 * with series_get_known(). */
void series_each_service(struct series_store *st, void (*fn)(void *ctx, struct series_service *s),
			 void *ctx);

/* Sets every value of a gauge to 0, before it is counted afresh. */
void series_zero(struct series_store *st, enum metric_id id);

#endif
