/* SPDX-License-Identifier: Apache-2.0 */
#include "export/rows_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "export/figures_json.h"

static void put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
}

/* Of all instances of a service, and all labels beside. */
static uint64_t sum_of(const struct series_store *st, enum metric_id id, const char *service)
{
	const struct series *s;
	uint64_t sum = 0;

	for (uint64_t at = 0; (s = series_after(st, id, at)); at = s->serial)
		if (s->service && strcmp(s->service->name, service) == 0)
			sum += s->value;
	return sum;
}

static void put_health(json_t *o, const struct overview *all, const struct recent_row *r)
{
	const struct overview_service *s;

	if (r->group == RECENT_BY_PEER && r->role == SONDE_ROLE_CLIENT)
		put(o, "health", json_string(health_name(overview_dependency(all, r))));
	s = r->group == RECENT_BY_SERVICE ? overview_find(all, r->name) : NULL;
	if (!s || (s->serves && s->calls && overview_row(s)->role != r->role))
		return;
	put(o, "health", json_string(health_name(s->health.status)));
	if (s->health.n)
		put(o, "reason", json_string(s->health.reasons[0]));
}

static json_t *row_json(const struct services_source *from, const struct overview *all,
			const struct recent_row *r)
{
	json_t *o = json_object();
	uint64_t memory = 0;

	put(o, "name", json_string(r->name));
	put(o, "service", json_string(r->service));
	if (r->name_space[0])
		put(o, "namespace", json_string(r->name_space));
	put(o, "role", json_string(r->role == SONDE_ROLE_SERVER ? "server" : "client"));
	put(o, "protocol", r->protocol[0] ? json_string(r->protocol) : json_null());
	put_health(o, all, r);
	figures_json(o, r);
	if (r->group == RECENT_BY_SERVICE)
		memory = sum_of(from->store, METRIC_SERVICE_MEMORY, r->name);
	if (!memory)
		return o;
	put(o, "memory_bytes", json_integer((json_int_t)memory));
	put(o, "cpu_seconds",
	    json_real((double)sum_of(from->store, METRIC_SERVICE_CPU, r->name) * 1e-9));
	return o;
}

char *rows_json(const struct services_source *from, const struct recent_query *q)
{
	json_t *o, *list;
	struct recent_row *rows;
	struct overview all;
	ssize_t n = recent_rows(from->recent, q, &rows);
	char *text;

	if (n < 0)
		return NULL;
	if (overview_read(&all, from->recent, from->health_rules, from->n_health_rules,
			  q->now_ns)) {
		free(rows);
		return NULL;
	}
	o = json_object();
	list = json_array();
	put(o, "time_unix_nano",
	    json_integer((json_int_t)q->now_ns + (json_int_t)from->realtime_offset_ns));
	for (ssize_t i = 0; i < n && i < SERVICES_JSON_ROWS; i++)
		json_array_append_new(list, row_json(from, &all, &rows[i]));
	put(o, "rows", list);
	put(o, "rows_left_out",
	    json_integer(n > SERVICES_JSON_ROWS ? (json_int_t)n - SERVICES_JSON_ROWS : 0));
	overview_free(&all);
	free(rows);
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(o);
	return text;
}
