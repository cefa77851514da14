/* SPDX-License-Identifier: Apache-2.0 */
#include "export/status.h"

#include <jansson.h>
#include "identity/asked.h"

static const double seconds = 1e-9; /* of a nanosecond */

/* Takes the value over in every case; a NULL, from being out of memory, leaves the field out. */
static void put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static void put_count(json_t *object, const char *key, uint64_t n)
{
	put(object, key, json_integer((json_int_t)n));
}

static const char *tier_name(enum probe_tier t)
{
	switch (t) {
	case PROBE_TIER_SOCKET: return "socket";
	case PROBE_TIER_SYSCALL: return "syscall";
	case PROBE_TIER_AUTO: break;
	}
	return "auto";
}

static json_t *status_hooks(const struct self *s)
{
	json_t *hooks = json_array();

	for (size_t i = 0; i < s->n_programs; i++) {
		const struct probe_program *p = &s->programs[i];
		json_t *hook = json_object();

		put(hook, "program", json_string(p->name));
		put(hook, "hook", json_string(p->hook));
		put(hook, "gives", json_string(p->gives));
		put(hook, "required", json_boolean(p->is_required));
		put(hook, "attached", json_boolean(p->is_attached));
		if (!p->is_attached)
			put(hook, "reason", json_string(p->reason));
		put_count(hook, "runs", p->run_count);
		put(hook, "seconds", json_real((double)p->run_ns * seconds));
		put_count(hook, "recursion_misses", p->recursion_misses);
		json_array_append_new(hooks, hook);
	}
	return hooks;
}

static json_t *status_events(const struct self *s)
{
	json_t *events = json_object();

	for (int kind = SONDE_EV_OPEN; kind < SONDE_EV_KERNEL_MAX; kind++)
		put_count(events, self_event_kind(kind), s->events[kind]);
	put_count(events, "skipped", s->counters[SONDE_CNT_SKIPPED]);
	return events;
}

static json_t *status_lost(const struct self *s)
{
	json_t *lost = json_object(), *reasons = json_object();

	for (int i = 0; i < LOSS_MAX; i++)
		put_count(reasons, loss_reason(i), s->losses.n[i]);
	put_count(lost, "total", self_losses(s));
	put(lost, "by_reason", reasons);
	return lost;
}

static json_t *status_full(const struct self *s)
{
	json_t *tables = json_object();

	for (int i = 0; i < FULL_MAX; i++)
		put_count(tables, full_table(i), s->full.n[i]);
	return tables;
}

static json_t *status_coverage(const struct conns_stats *c)
{
	json_t *coverage = json_object(), *protocols = json_object();
	uint64_t observed = 0, attributed = 0;

	for (int id = PROTO_UNKNOWN; id < PROTO_MAX; id++) {
		json_t *one = json_object();

		put_count(one, "bytes_observed", c->bytes_observed[id]);
		put_count(one, "bytes_attributed", c->bytes_attributed[id]);
		put_count(one, "server_transactions", c->transactions[id][SONDE_ROLE_SERVER - 1]);
		put_count(one, "client_transactions", c->transactions[id][SONDE_ROLE_CLIENT - 1]);
		put(protocols, self_protocol(id), one);
		observed += c->bytes_observed[id];
		attributed += c->bytes_attributed[id];
	}
	put_count(coverage, "bytes_observed", observed);
	put_count(coverage, "bytes_attributed", attributed);
	put(coverage, "protocols", protocols);
	return coverage;
}

static json_t *status_connections(const struct conns_stats *c)
{
	json_t *connections = json_object();

	put_count(connections, "open", c->open);
	put_count(connections, "parsed", c->parsed);
	put_count(connections, "undecided", c->undecided);
	put_count(connections, "unknown", c->unknown);
	put_count(connections, "encrypted", c->encrypted);
	put_count(connections, "evicted", c->evicted);
	put_count(connections, "shed", c->shed);
	put_count(connections, "connects_failed", c->connects_failed);
	return connections;
}

static json_t *status_cost(const struct self *s)
{
	json_t *cost = json_object();

	put(cost, "cpu_seconds", json_real((double)s->cpu_ns * seconds));
	put_count(cost, "anonymous_memory_bytes", s->anonymous_memory);
	put_count(cost, "bpf_memory_bytes", s->bpf_memory);
	put_count(cost, "ring_bytes", s->ring_size);
	return cost;
}

static json_t *status_asked(const struct self *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->n_asked; i++) {
		const struct asked *a = s->asked[i];
		json_t *one = json_object();

		put(one, "who", json_string(a->name));
		put(one, "where", json_string(a->where));
		put(one, "answered", json_boolean(a->has_answered));
		if (a->reason[0])
			put(one, "reason", json_string(a->reason));
		put_count(one, "failures", a->failures);
		json_array_append_new(all, one);
	}
	return all;
}

/* null: it was not asked for */
static json_t *status_propagation(const struct self *s)
{
	json_t *one, *passed;

	if (!s->is_propagating && !s->propagate_off)
		return json_null();
	one = json_object();
	put(one, "requests",
	    json_string(!s->is_propagating	    ? "none"
			: s->is_propagating_briefly ? "first"
						    : "all"));
	if (!s->is_propagating) {
		put(one, "reason", json_string(s->propagate_off));
		return one;
	}
	if (s->is_propagating_briefly)
		put(one, "reason", json_string(PROPAGATE_BRIEFLY));
	passed = json_object();
	put_count(one, "given", s->passed[SONDE_PASSED_NOT]);
	for (int i = SONDE_PASSED_NOT + 1; i < SONDE_PASSED_MAX; i++)
		put_count(passed, propagate_reason(i), s->passed[i]);
	put(one, "passed_over", passed);
	return one;
}

static json_t *status_series(const struct series_store *st)
{
	json_t *all = json_object();

	for (int id = 0; id < METRIC_MAX; id++) {
		json_t *one;

		if (!metric_get(id)->is_of_service || !series_count(st, id))
			continue;
		one = json_object();
		put_count(one, "series", series_count(st, id));
		put_count(one, "overflow", series_overflows(st, id));
		put(all, metric_get(id)->name, one);
	}
	return all;
}

char *status_json(const struct self *s, const struct series_store *st, bool is_ready,
		  const char *version, const char *commit)
{
	json_t *root = json_object();
	char *text;

	put(root, "version", json_string(version));
	put(root, "commit", json_string(commit));
	put(root, "ready", json_boolean(is_ready));
	put(root, "uptime_seconds", json_real((double)s->uptime_ns * seconds));
	put(root, "tier", json_string(tier_name(s->tier)));
	put(root, "hooks", status_hooks(s));
	put(root, "events", status_events(s));
	put(root, "lost", status_lost(s));
	put(root, "tables_full", status_full(s));
	put(root, "coverage", status_coverage(&s->conns));
	put(root, "connections", status_connections(&s->conns));
	put(root, "cost", status_cost(s));
	put(root, "asked", status_asked(s));
	put(root, "propagation", status_propagation(s));
	put(root, "series", status_series(st));
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	return text;
}
