/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which service a process is of. Its name: what it says itself (otel_env.h) comes first, then its
 * pod or container, as those who run it call it, then the systemd service it runs in, then the
 * program.
 */
#include "identity/containers.h"
#include "identity/process_table.h"
#include "identity/resolve.h"

static const char *name_of(const struct process_entry *e, const struct resolved *r,
			   const struct container *c)
{
	if (r->env.name[0])
		return r->env.name;
	if (c && c->name[0])
		return c->name;
	if (r->unit[0])
		return r->unit;
	/* a title set later hides the script; the arguments at exec still had it */
	if (r->is != PROGRAM_NAMED && e->program && e->program_is == PROGRAM_NAMED)
		return e->program;
	if (r->program[0])
		return r->program;
	if (e->program && e->program[0])
		return e->program;
	return e->p.comm[0] ? e->p.comm : SERVICE_UNKNOWN;
}

/* before: what was known, of a process that could not be read */
static struct facts *facts_of(const struct resolved *r, const struct container *c,
			      const struct facts *before)
{
	struct facts_draft d = { .n = 0 };

	facts_set_str(&d, FACT_SERVICE_VERSION, r->env.version);
	facts_set_str(&d, FACT_ENVIRONMENT, r->env.environment);
	facts_set_str(&d, FACT_CONTAINER_ID, r->container.id);
	facts_merge(&d, c ? c->facts : NULL);
	if (!d.len[FACT_CONTAINER_RUNTIME])
		facts_set_str(&d, FACT_CONTAINER_RUNTIME, r->container.runtime);
	if (!d.len[FACT_K8S_POD_UID])
		facts_set_str(&d, FACT_K8S_POD_UID, r->container.pod_uid);
	facts_merge(&d, before);
	return facts_make(&d);
}

struct service *process_service(struct processes *ps, struct process_entry *e,
				const struct resolved *r, uint64_t now_ns)
{
	const struct container *c =
		containers_find(ps->opts.containers, r->container.id, &e->container_version);
	const char *space = r->env.name_space[0] ? r->env.name_space : c ? c->name_space : "";
	const char *instance = r->env.instance[0] ? r->env.instance : c ? c->instance : "";
	const char *name = name_of(e, r, c);
	bool is_read = r->stat.start_ns != 0;
	struct facts *facts;
	struct service *s;

	e->container_key = container_key(r->container.id);
	if (instance[0] && strcmp(name, SERVICE_UNKNOWN) != 0)
		s = service_intern_as(ps->services, name, space, instance, now_ns);
	else
		s = service_intern(ps->services, name, space, r->cgroup, now_ns);
	facts = facts_of(r, c, is_read ? NULL : s->facts);
	service_describe(s, facts);
	facts_release(facts);
	return s;
}

void process_check_containers(struct processes *ps)
{
	uint64_t tgid, version;
	void *value;

	if (!ps->opts.containers || ps->containers_seen == containers_changes(ps->opts.containers))
		return;
	ps->containers_seen = containers_changes(ps->opts.containers);
	for (size_t i = 0; map_next(&ps->by_tgid, &i, &tgid, &value);) {
		struct process_entry *e = value;

		if (!e->container_key || e->p.gone_ns)
			continue;
		version = containers_version(ps->opts.containers, e->container_key);
		/* of one that nobody knows any more what was known is still true */
		if (version && version != e->container_version)
			process_unbind(e);
	}
}
