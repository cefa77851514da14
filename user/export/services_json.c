/* SPDX-License-Identifier: Apache-2.0 */
#include "export/services_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "export/figures_json.h"
#include "util/clock.h"

static const char *role_name(enum sonde_role role)
{
	return role == SONDE_ROLE_SERVER ? "server" : "client";
}

static void put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
}

/* --- a service --- */

static void health_json(json_t *o, const struct health *h)
{
	json_t *reasons = json_array();

	for (size_t i = 0; i < h->n; i++)
		json_array_append_new(reasons, json_string(h->reasons[i]));
	put(o, "health", json_string(health_name(h->status)));
	put(o, "reasons", reasons);
}

static json_t *overview_json(const struct overview_service *s)
{
	const struct recent_row *row = overview_row(s);
	json_t *o = json_object(), *calls;

	put(o, "name", json_string(s->name));
	if (s->name_space[0])
		put(o, "namespace", json_string(s->name_space));
	health_json(o, &s->health);
	put(o, "role",
	    json_string(role_name(row == &s->client ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER)));
	put(o, "protocol", row->protocol[0] ? json_string(row->protocol) : json_null());
	put(o, "encrypted_connections",
	    json_integer((json_int_t)s->server.encrypted + s->client.encrypted));
	figures_json(o, row);
	if (s->calls && row != &s->client) {
		calls = json_object();
		put(calls, "protocol",
		    s->client.protocol[0] ? json_string(s->client.protocol) : json_null());
		figures_json(calls, &s->client);
		put(o, "calls", calls);
	}
	return o;
}

static void when_json(json_t *o, const struct services_source *from)
{
	put(o, "time_unix_nano",
	    json_integer((json_int_t)from->now_ns + (json_int_t)from->realtime_offset_ns));
	put(o, "window_seconds", json_integer((json_int_t)(RECENT_WINDOW_NS / NS_PER_S)));
}

static char *print(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));

	json_decref(o);
	return text;
}

char *services_json(const struct services_source *from)
{
	const struct recent_stats *stats = recent_stats(from->recent);
	json_t *o, *services;
	struct overview all;

	if (overview_read(&all, from->recent, from->health_rules, from->n_health_rules,
			  from->now_ns))
		return NULL;
	o = json_object();
	services = json_array();
	when_json(o, from);
	for (size_t i = 0; i < all.n; i++)
		json_array_append_new(services, overview_json(&all.services[i]));
	put(o, "services", services);
	put(o, "folded", json_integer((json_int_t)stats->folded));
	put(o, "left_out", json_integer((json_int_t)stats->left_out));
	overview_free(&all);
	return print(o);
}

/* --- one in detail --- */

struct detail {
	const struct services_source *from;
	const struct overview *all;
	const char *service;
	json_t *o;
};

static json_t *endpoint_json(const struct detail *d, const struct recent_row *row)
{
	json_t *o = json_object();

	put(o, "name", json_string(row->name));
	put(o, "role", json_string(role_name(row->role)));
	put(o, "protocol", row->protocol[0] ? json_string(row->protocol) : json_null());
	figures_json(o, row);
	return o;
}

static json_t *peer_json(const struct detail *d, const struct recent_row *row)
{
	json_t *o = endpoint_json(d, row);

	put(o, "kind", json_string(row->is_service ? "service" : "address"));
	if (row->role == SONDE_ROLE_CLIENT)
		put(o, "health", json_string(health_name(overview_dependency(d->all, row))));
	return o;
}

/* 0, or -1: out of memory. */
static int put_rows(struct detail *d, const char *name, enum recent_group group,
		    enum sonde_role role,
		    json_t *(*one)(const struct detail *d, const struct recent_row *row))
{
	const struct recent_query q = {
		.now_ns = d->from->now_ns, .group = group, .service = d->service, .role = role
	};
	struct recent_row *rows;
	ssize_t n = recent_rows(d->from->recent, &q, &rows);
	json_t *list = json_array();

	if (n < 0)
		return -1;
	for (ssize_t i = 0; i < n && i < SERVICES_JSON_ROWS; i++)
		json_array_append_new(list, one(d, &rows[i]));
	put(d->o, name, list);
	free(rows);
	return 0;
}

/* What presses on a service, of the series it has: sums over its instances and further labels. */
static const struct {
	const char *name;
	enum metric_id id;
	int label;	  /* that names the parts of an object; -1: one sum */
	const char *kind; /* which alone count, by the label behind; NULL: all */
} pressures[] = {
	{ "cpu_seconds", METRIC_SERVICE_CPU, -1, NULL },
	{ "memory_bytes", METRIC_SERVICE_MEMORY, -1, NULL },
	{ "disk_io_bytes", METRIC_SERVICE_DISK_IO, 0, NULL },
	{ "cpu_throttled_seconds", METRIC_THROTTLED, -1, NULL },
	{ "offcpu_seconds", METRIC_OFFCPU, 0, NULL },
	{ "stalled_seconds", METRIC_PRESSURE, 0, "some" },
	{ "restarts", METRIC_SERVICE_RESTARTS, -1, NULL },
	{ "exits", METRIC_PROCESS_EXITS, 0, NULL },
	{ "oom_kills", METRIC_OOM_KILLS, -1, NULL },
};

static json_t *value_json(enum metric_id id, uint64_t value)
{
	return metric_is_nano(metric_get(id)) ? json_real((double)value * 1e-9)
					      : json_integer((json_int_t)value);
}

static void add_part(json_t *parts, const char *name, json_t *value)
{
	double sum = json_number_value(json_object_get(parts, name)) + json_number_value(value);

	put(parts, name, json_is_integer(value) ? json_integer((json_int_t)sum) : json_real(sum));
	json_decref(value);
}

static bool is_of_kind(const struct series *s, const char *kind)
{
	return !kind || (!s->is_overflow && slice_eq(series_label(s, 1), slice_str(kind)));
}

/* Counters since sonde looks; absent where nothing was measured. */
static json_t *pressure_json(const struct series_store *st, const char *service)
{
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(pressures) / sizeof(pressures[0]); i++) {
		enum metric_id id = pressures[i].id;
		json_t *into = o;
		const struct series *s;
		char part[64];

		for (uint64_t at = 0; (s = series_after(st, id, at)); at = s->serial) {
			if (!s->service || strcmp(s->service->name, service) != 0 ||
			    !is_of_kind(s, pressures[i].kind))
				continue;
			if (pressures[i].label < 0) {
				add_part(o, pressures[i].name, value_json(id, s->value));
				continue;
			}
			if (into == o) {
				into = json_object();
				put(o, pressures[i].name, into);
			}
			slice_copy(part, sizeof(part),
				   s->is_overflow ? SLICE("other")
						  : series_label(s, (size_t)pressures[i].label));
			add_part(into, part, value_json(id, s->value));
		}
	}
	return o;
}

char *service_json(const struct services_source *from, const char *name)
{
	struct detail d = { .from = from, .service = name };
	const struct overview_service *s;
	struct overview all;
	char *text = NULL;

	if (overview_read(&all, from->recent, from->health_rules, from->n_health_rules,
			  from->now_ns))
		return NULL;
	d.all = &all;
	s = overview_find(&all, name);
	if (!s)
		goto out;
	d.o = overview_json(s);
	when_json(d.o, from);
	put(d.o, "pressure", pressure_json(from->store, name));
	if (put_rows(&d, "endpoints", RECENT_BY_ENDPOINT, SONDE_ROLE_UNKNOWN, endpoint_json) ||
	    put_rows(&d, "dependencies", RECENT_BY_PEER, SONDE_ROLE_CLIENT, peer_json) ||
	    put_rows(&d, "callers", RECENT_BY_PEER, SONDE_ROLE_SERVER, peer_json))
		json_decref(d.o);
	else
		text = print(d.o);
out:
	overview_free(&all);
	return text;
}
