/* SPDX-License-Identifier: Apache-2.0 */
#include "export/rows_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "export/figures_json.h"
#include "export/sums_json.h"

static void put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
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

struct rows {
	struct overview all;
	struct service_sums *sums; /* owned */
	size_t n_sums;
};

static json_t *row_json(const struct rows *rows, const struct recent_row *r)
{
	const struct service_sums *sums = NULL;
	json_t *o = json_object();

	put(o, "name", json_string(r->name));
	put(o, "service", json_string(r->service));
	if (r->name_space[0])
		put(o, "namespace", json_string(r->name_space));
	put(o, "role", json_string(r->role == SONDE_ROLE_SERVER ? "server" : "client"));
	put(o, "protocol", r->protocol[0] ? json_string(r->protocol) : json_null());
	put_health(o, &rows->all, r);
	figures_json(o, r);
	if (r->group == RECENT_BY_SERVICE) {
		put(o, "encrypted_connections", json_integer(r->encrypted));
		sums = service_sums_find(rows->sums, rows->n_sums, r->name);
	}
	if (sums)
		sums_json(o, sums, r->role);
	return o;
}

/* 0, -ENOMEM. */
static int gather(struct rows *rows, const struct services_source *from, uint64_t now_ns)
{
	ssize_t n = service_sums_read(from->store, &rows->sums);

	if (n < 0)
		return -ENOMEM;
	rows->n_sums = (size_t)n;
	if (overview_read(&rows->all, from->recent, from->health_rules, from->n_health_rules,
			  now_ns) == 0)
		return 0;
	free(rows->sums);
	return -ENOMEM;
}

char *rows_json(const struct services_source *from, const struct recent_query *q)
{
	json_t *o, *list;
	struct recent_row *found;
	struct rows rows = { 0 };
	ssize_t n = recent_rows(from->recent, q, &found);
	char *text;

	if (n < 0)
		return NULL;
	if (gather(&rows, from, q->now_ns)) {
		free(found);
		return NULL;
	}
	o = json_object();
	list = json_array();
	put(o, "time_unix_nano",
	    json_integer((json_int_t)q->now_ns + (json_int_t)from->realtime_offset_ns));
	for (ssize_t i = 0; i < n && i < SERVICES_JSON_ROWS; i++)
		json_array_append_new(list, row_json(&rows, &found[i]));
	put(o, "rows", list);
	put(o, "rows_left_out",
	    json_integer(n > SERVICES_JSON_ROWS ? (json_int_t)n - SERVICES_JSON_ROWS : 0));
	overview_free(&rows.all);
	free(rows.sums);
	free(found);
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(o);
	return text;
}
