/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/process.h"

#include <stdlib.h>
#include "identity/process_table.h"
#include "identity/resolve.h"
#include "util/clock.h"

enum {
	PROCESSES_MAX = 65536,
	PROCESSES_MIN = 16,
	PROCESS_KEPT_S = 300,
	GONE_MAX = 8192, /* what starts and ends a thousand times a second is kept for 8 s */
};

struct processes *processes_new(const struct processes_opts *opts)
{
	struct processes *ps = calloc(1, sizeof(*ps));
	char host_id[64] = "";

	if (!ps)
		return NULL;
	ps->opts = *opts;
	if (!ps->opts.max)
		ps->opts.max = PROCESSES_MAX;
	if (ps->opts.max < PROCESSES_MIN)
		ps->opts.max = PROCESSES_MIN;
	if (!ps->opts.proc_root)
		ps->opts.proc_root = "/proc";
	if (opts->host_id)
		slice_copy(host_id, sizeof(host_id), slice_str(opts->host_id));
	else if (opts->is_live)
		procfs_host_id(ps->opts.proc_root, host_id, sizeof(host_id));
	ps->opts.host_id = NULL;
	list_init(&ps->living);
	list_init(&ps->gone);
	list_init(&ps->fresh);
	list_init(&ps->checked);
	ps->services = services_new(host_id, 0);
	if (!ps->services) {
		free(ps);
		return NULL;
	}
	ps->nobody.p.service = service_intern(ps->services, SERVICE_UNKNOWN, "", "", 0);
	return ps;
}

void process_unbind(struct process_entry *e)
{
	if (e->p.service) {
		if (!e->p.gone_ns)
			service_died(e->p.service);
		service_release(e->p.service);
	}
	e->p.service = NULL;
	e->is_resolved = e->is_announced = false;
}

void process_bind(struct process_entry *e, struct service *s)
{
	process_unbind(e);
	service_hold(s);
	if (!e->p.gone_ns)
		service_born(s);
	e->p.service = s;
	e->is_resolved = true;
}

static void entry_free(struct process_entry *e)
{
	process_unbind(e);
	process_cgroup_let_go(e);
	list_del(&e->used);
	list_del(&e->check);
	free(e->program);
	free(e);
}

static void process_drop(struct processes *ps, struct process_entry *e)
{
	map_del(&ps->by_tgid, e->p.tgid);
	ps->n_gone -= e->p.gone_ns != 0;
	entry_free(e);
}

void processes_free(struct processes *ps)
{
	uint64_t tgid;
	void *e;

	if (!ps)
		return;
	for (size_t i = 0; map_next(&ps->by_tgid, &i, &tgid, &e);)
		entry_free(e);
	map_free(&ps->by_tgid);
	process_forget_cgroups(ps);
	golang_free(&ps->golang);
	services_free(ps->services);
	free(ps);
}

struct process_entry *process_entry(struct processes *ps, uint32_t tgid)
{
	struct process_entry *e = map_get(&ps->by_tgid, tgid);

	if (e)
		return e;
	if (ps->by_tgid.n >= ps->opts.max) {
		struct list *from = list_empty(&ps->gone) ? &ps->living : &ps->gone;

		process_drop(ps, LIST_ENTRY(from->next, struct process_entry, used));
		ps->dropped++;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	if (map_put(&ps->by_tgid, tgid, e) < 0) {
		free(e);
		return NULL;
	}
	e->p.tgid = tgid;
	list_push(&ps->living, &e->used);
	list_push(&ps->fresh, &e->check);
	return e;
}

void process_gone(struct processes *ps, struct process_entry *e, uint64_t ts_ns)
{
	if (e->p.gone_ns)
		return;
	if (e->p.service)
		service_died(e->p.service);
	e->p.gone_ns = ts_ns ? ts_ns : 1;
	list_del(&e->check);
	list_del(&e->used);
	list_push(&ps->gone, &e->used);
	if (++ps->n_gone > GONE_MAX) {
		process_drop(ps, LIST_ENTRY(ps->gone.next, struct process_entry, used));
		ps->dropped_gone++;
	}
}

/* Another process has the pid now: nothing of the old one holds any more. */
static struct process_entry *process_anew(struct processes *ps, uint32_t tgid)
{
	struct process_entry *old = map_get(&ps->by_tgid, tgid);

	if (old)
		process_drop(ps, old);
	return process_entry(ps, tgid);
}

/* After its exit a process is still asked for, by the closing of its sockets; but a second later it
 * may be a successor whose beginning was lost. */
static bool has_successor(struct processes *ps, struct process_entry *e, uint64_t now_ns)
{
	uint64_t since_ns = e->recheck_ns ? e->recheck_ns : e->p.gone_ns;
	struct procfs_stat st;

	if (!e->p.gone_ns || !ps->opts.is_live || now_ns < since_ns + NS_PER_S)
		return false;
	e->recheck_ns = now_ns;
	if (procfs_stat(ps->opts.proc_root, e->p.tgid, &st) < 0 || st.is_exiting)
		return false;
	return !e->p.start_ns || !procfs_same_start(e->p.start_ns, st.start_ns);
}

struct process *process_get(struct processes *ps, uint32_t tgid, uint64_t now_ns)
{
	struct process_entry *e = process_entry(ps, tgid);

	if (e && has_successor(ps, e, now_ns))
		e = process_anew(ps, tgid);
	if (!e) {
		ps->nobody.p.tgid = tgid;
		return &ps->nobody.p;
	}
	if (!e->p.gone_ns) {
		list_del(&e->used);
		list_push(&ps->living, &e->used);
	}
	if (!e->is_resolved)
		process_identify(ps, e, now_ns);
	/* at once: whose call a call is depends on it */
	if (ps->opts.is_live && !e->is_go_known && !e->p.gone_ns)
		process_check_go(ps, e);
	if (!e->is_announced) {
		e->is_announced = true;
		if (ps->opts.on_identity)
			ps->opts.on_identity(ps->opts.ctx, &e->p);
	}
	if (e->p.service->last_seen_ns < now_ns)
		e->p.service->last_seen_ns = now_ns;
	return &e->p;
}

static void set_comm(struct process_entry *e, const char comm[SONDE_COMM_LEN])
{
	slice_copy(e->p.comm, sizeof(e->p.comm),
		   (struct slice){ (const uint8_t *)comm, strnlen(comm, SONDE_COMM_LEN) });
}

/* The name by the record alone: the process may be gone before anybody can look. */
static void set_program(struct process_entry *e, const struct sonde_ev_exec *ev)
{
	size_t n = ev->args_len < sizeof(ev->args) ? ev->args_len : sizeof(ev->args);
	struct program program = {
		.exe = { (const uint8_t *)ev->filename,
			 strnlen(ev->filename, sizeof(ev->filename)) },
		.args = { (const uint8_t *)ev->args, n },
	};
	char name[SERVICE_NAME_LEN];

	free(e->program);
	e->program_is = program_name(&program, name, sizeof(name));
	e->program = strdup(name); /* out of memory: named by comm */
}

void process_exec(struct processes *ps, const struct sonde_ev_exec *ev)
{
	struct process_entry *e = process_entry(ps, ev->tgid);

	if (e && (e->p.gone_ns || (e->p.start_ns && ev->start_ns &&
				   !procfs_same_start(e->p.start_ns, ev->start_ns))))
		e = process_anew(ps, ev->tgid);
	if (!e)
		return;
	process_unbind(e);
	set_comm(e, ev->comm);
	set_program(e, ev);
	e->p.ppid = ev->ppid;
	e->p.start_ns = ev->start_ns;
	e->p.is_go = e->is_go_known = false;
	e->exec_ns = ev->h.ts_ns;
	list_del(&e->check);
	list_push(&ps->fresh, &e->check);
	process_cgroup_exec(ps, e, ev->cgroup_id);
}

void process_fork(struct processes *ps, const struct sonde_ev_fork *ev)
{
	struct process_entry *e = process_anew(ps, ev->tgid), *parent;

	if (!e)
		return;
	set_comm(e, ev->comm);
	e->p.ppid = ev->ppid;
	e->p.start_ns = ev->start_ns;
	e->fork_ns = ev->h.ts_ns;
	parent = map_get(&ps->by_tgid, ev->ppid);
	if (!parent)
		return;
	process_cgroup_fork(ps, e, parent);
	e->p.is_go = parent->p.is_go;
	e->is_go_known = parent->is_go_known;
	if (e->p.is_go && ps->opts.on_go)
		ps->opts.on_go(ps->opts.ctx, e->p.tgid);
}

void process_exit(struct processes *ps, const struct sonde_ev_exit *ev)
{
	struct process_entry *e = process_entry(ps, ev->tgid);

	if (!e)
		return;
	if (!e->p.comm[0])
		set_comm(e, ev->comm);
	process_gone(ps, e, ev->h.ts_ns);
}

static struct service *recorded_service(struct processes *ps, const struct sonde_ev_process *ev)
{
	bool has_facts = ev->h.size >= sizeof(*ev); /* they were appended */
	struct slice text = { has_facts ? (const uint8_t *)ev->facts : NULL,
			      has_facts ? ev->facts_len : 0 };
	struct slice longer = facts_find(text, SLICE("service.instance.id"));
	char instance[SERVICE_INSTANCE_LEN];
	struct facts_draft d = { .n = 0 };
	struct facts *facts;
	struct service *s;

	slice_copy(instance, sizeof(instance), longer.n ? longer : slice_str(ev->instance_id));
	s = service_intern_as(ps->services, ev->service, ev->service_namespace, instance,
			      ev->h.ts_ns);
	facts_read(&d, text);
	facts = facts_make(&d);
	service_describe(s, facts);
	facts_release(facts);
	return s;
}

void process_recorded(struct processes *ps, const struct sonde_ev_process *ev)
{
	struct process_entry *e = process_entry(ps, ev->tgid);

	if (e && e->p.gone_ns) /* the live run may have met a successor here */
		e = process_anew(ps, ev->tgid);
	if (!e)
		return;
	process_bind(e, recorded_service(ps, ev));
	e->is_announced = true;
	set_comm(e, ev->comm);
	e->p.is_go = ev->is_go;
}

void processes_tick(struct processes *ps, uint64_t now_ns)
{
	while (!list_empty(&ps->gone)) {
		struct process_entry *e = LIST_ENTRY(ps->gone.next, struct process_entry, used);

		if (e->p.gone_ns + PROCESS_KEPT_S * NS_PER_S > now_ns)
			break;
		process_drop(ps, e);
	}
	if (ps->opts.is_live)
		process_check_some(ps, now_ns);
	process_check_containers(ps);
	services_tick(ps->services, now_ns);
}

void processes_each(struct processes *ps, void (*fn)(void *ctx, const struct process *p), void *ctx)
{
	uint64_t tgid;
	void *entry;

	for (size_t i = 0; map_next(&ps->by_tgid, &i, &tgid, &entry);)
		if (((struct process_entry *)entry)->is_resolved)
			fn(ctx, entry);
}

void processes_full(const struct processes *ps, struct fulls *full)
{
	full->n[FULL_PROCESSES] += ps->dropped;
	full->n[FULL_PROCESSES_GONE] += ps->dropped_gone;
	full->n[FULL_SERVICES] += services_left_out(ps->services);
}

size_t processes_count(const struct processes *ps)
{
	return ps->by_tgid.n;
}

void processes_each_service(struct processes *ps, void (*fn)(void *ctx, struct service *s),
			    void *ctx)
{
	services_each(ps->services, fn, ctx);
}
