/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check_report.h"

#include <errno.h>
#include <jansson.h>
#include "cmd/observe.h"
#include "util/utf8.h"

static json_t *text(const char *s)
{
	char clean[1024];

	if (!*s)
		return json_null();
	utf8_clean(clean, sizeof(clean), slice_str(s));
	return json_string(clean);
}

static json_t *programs_json(const struct check_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_programs; i++) {
		const struct probe_program *p = &r->programs[i];

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:I, s:I}", "program", p->name,
				  "hook", p->hook, "gives", p->gives, "required", p->is_required,
				  "attached", p->is_attached, "reason", text(p->reason), "runs",
				  (json_int_t)p->run_count, "run_ns", (json_int_t)p->run_ns));
	}
	return list;
}

static json_t *missing_json(const struct check_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_missing; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "right", r->missing[i].name,
						      "costs", r->missing[i].costs));
	return list;
}

static json_t *watched_json(const struct watched *p)
{
	char why[128] = "";

	if (check_is_dark(p))
		watch_why(p, why, sizeof(why));
	return json_pack("{s:i, s:o, s:o, s:I, s:I, s:{s:i, s:i, s:i, s:i}, s:o}", "pid",
			 (int)p->tgid, "comm", text(p->comm), "service", text(p->service), "bytes",
			 (json_int_t)p->bytes, "transactions", (json_int_t)p->transactions,
			 "connections", "parsed", (int)p->parsed, "undecided", (int)p->undecided,
			 "unknown", (int)p->unknown, "encrypted", (int)p->encrypted, "why",
			 text(why));
}

static json_t *dark_json(const struct check_report *r)
{
	json_t *list = json_array();
	const struct watched *p;
	size_t n = 0;

	if (!r->watch)
		return list;
	p = watch_processes(r->watch, &n);
	for (size_t i = 0; i < n && json_array_size(list) < CHECK_SHOWN; i++)
		if (check_is_dark(&p[i]))
			json_array_append_new(list, watched_json(&p[i]));
	return list;
}

static json_t *process_json(const struct check_report *r)
{
	const struct check_process *c = &r->process;
	json_t *o = json_pack("{s:i, s:b}", "pid", (int)c->pid, "found", c->is_found);
	const struct watched *p;
	size_t n = 0;

	if (!o || !c->is_found)
		return o;
	json_object_set_new(o, "comm", text(c->comm));
	json_object_set_new(o, "executable", text(c->exe));
	json_object_set_new(o, "service", text(c->service));
	json_object_set_new(o, "go", json_boolean(c->is_go));
	json_object_set_new(o, "tls", text(c->tls_name ? c->tls_name : ""));
	json_object_set_new(o, "tls_library", text(c->tls_library));
	json_object_set_new(o, "tls_read", json_boolean(c->is_tls_read));
	json_object_set_new(o, "tls_why", text(c->tls_why));
	p = r->watch ? watch_processes(r->watch, &n) : NULL;
	for (size_t i = 0; i < n; i++)
		if (p[i].tgid == c->pid)
			json_object_set_new(o, "traffic", watched_json(&p[i]));
	return o;
}

static json_t *asked_json(const struct check_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_asked; i++) {
		const struct asked *a = r->asked[i];

		json_array_append_new(list, json_pack("{s:s, s:o, s:b, s:o}", "who", a->name,
						      "where", text(a->where), "answered",
						      a->has_answered, "reason", text(a->reason)));
	}
	return list;
}

static json_t *propagation_json(const struct check_report *r)
{
	const char *requests = r->can_propagate_briefly ? "first" : "all";
	const char *reason = r->can_propagate_briefly ? PROPAGATE_BRIEFLY : "";

	if (!r->can_propagate) {
		requests = "none";
		reason = r->propagate_off;
	}
	return json_pack("{s:s, s:o}", "requests", requests, "reason", text(reason));
}

int check_json(const struct check_report *r, FILE *out)
{
	json_t *root = json_pack(
		"{s:b, s:o, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o}", "can_run", !r->error,
		"reason", text(r->reason), "kernel", r->kernel.release, "machine",
		r->kernel.machine, "tier", r->error ? json_null() : json_string(tier_name(r->tier)),
		"ring_bytes", (json_int_t)r->ring_size, "bpf_memory_bytes",
		(json_int_t)r->bpf_memory, "programs", programs_json(r), "missing_rights",
		missing_json(r), "processes_without_data", dark_json(r));

	if (!root)
		return -ENOMEM;
	if (r->watch)
		json_object_set_new(root, "watched_ns", json_integer((json_int_t)r->watched_ns));
	if (r->process.pid)
		json_object_set_new(root, "process", process_json(r));
	json_object_set_new(root, "asked", asked_json(r));
	json_object_set_new(root, "cgroup_pressure",
			    json_pack("{s:b, s:o}", "known", r->has_stalls,
				      r->has_stalls ? "where" : "reason", text(r->stalls)));
	if (!r->error)
		json_object_set_new(root, "propagation", propagation_json(r));
	json_dumpf(root, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(root);
	return 0;
}
