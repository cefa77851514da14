/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/overview.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct recent_row *overview_row(const struct overview_service *s)
{
	bool has_served = s->serves && (s->server.f.count || s->server.f.in_flight);

	return has_served || !s->calls ? &s->server : &s->client;
}

const struct overview_service *overview_find(const struct overview *o, const char *name)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->services[i].name, name) == 0)
			return &o->services[i];
	return NULL;
}

static struct overview_service *service_of(struct overview *o, const struct recent_row *row)
{
	struct overview_service *s;

	for (size_t i = 0; i < o->n; i++) {
		s = &o->services[i];
		if (strcmp(s->name, row->service) == 0 &&
		    strcmp(s->name_space, row->name_space) == 0)
			return s;
	}
	s = &o->services[o->n++];
	*s = (struct overview_service){ 0 };
	snprintf(s->name, sizeof(s->name), "%s", row->service);
	snprintf(s->name_space, sizeof(s->name_space), "%s", row->name_space);
	return s;
}

static void put_row(struct overview *o, const struct recent_row *row)
{
	struct overview_service *s = service_of(o, row);

	if (row->role == SONDE_ROLE_SERVER) {
		s->serves = true;
		s->server = *row;
	} else {
		s->calls = true;
		s->client = *row;
	}
}

enum health_status overview_dependency(const struct overview *o, const struct recent_row *call)
{
	const struct overview_service *s = call->is_service ? overview_find(o, call->name) : NULL;
	struct health_limits l = health_limits(o->rules, o->n_rules, call->service);
	struct health h;

	health_judge(&h, &call->f, 0, &l);
	return s && s->health.status > h.status ? s->health.status : h.status;
}

/* Unhealthy is by one's own traffic alone, so one pass over the calls is enough. */
static void judge(struct overview *o)
{
	for (size_t i = 0; i < o->n; i++) {
		struct overview_service *s = &o->services[i];
		struct health_limits l = health_limits(o->rules, o->n_rules, s->name);

		health_judge(&s->health, &overview_row(s)->f,
			     s->server.encrypted + s->client.encrypted, &l);
	}
	for (size_t i = 0; i < o->n_calls; i++) {
		const struct recent_row *call = &o->calls[i];
		struct overview_service *s =
			(struct overview_service *)overview_find(o, call->service);
		const struct overview_service *to =
			call->is_service ? overview_find(o, call->name) : NULL;
		struct health_limits l = health_limits(o->rules, o->n_rules, call->service);

		/* names that are not there are asked for in the course of things */
		if (s && strcmp(call->protocol, proto_get(PROTO_DNS)->name) != 0)
			health_judge_dependency(&s->health, call->name, &call->f,
						to ? &to->health : NULL, &l);
	}
}

int overview_of(struct overview *o, const struct recent *r, char *const *rules, size_t n_rules,
		uint64_t now_ns, const struct recent_row *rows, size_t n)
{
	const struct recent_query q = { .now_ns = now_ns,
					.group = RECENT_BY_PEER,
					.role = SONDE_ROLE_CLIENT };
	ssize_t n_calls;

	*o = (struct overview){ .rules = rules, .n_rules = n_rules };
	n_calls = recent_rows(r, &q, &o->calls);
	o->n_calls = n_calls > 0 ? (size_t)n_calls : 0;
	if (n_calls >= 0)
		o->services = calloc(n + 1, sizeof(*o->services));
	for (size_t i = 0; o->services && i < n; i++)
		put_row(o, &rows[i]);
	if (!o->services) {
		overview_free(o);
		return -ENOMEM;
	}
	judge(o);
	return 0;
}

int overview_read(struct overview *o, const struct recent *r, char *const *rules, size_t n_rules,
		  uint64_t now_ns)
{
	const struct recent_query q = { .now_ns = now_ns, .group = RECENT_BY_SERVICE };
	struct recent_row *rows;
	ssize_t n = recent_rows(r, &q, &rows);
	int err;

	*o = (struct overview){ 0 };
	if (n < 0)
		return -ENOMEM;
	err = overview_of(o, r, rules, n_rules, now_ns, rows, (size_t)n);
	free(rows);
	return err;
}

void overview_free(struct overview *o)
{
	free(o->services);
	free(o->calls);
	*o = (struct overview){ 0 };
}
