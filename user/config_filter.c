/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of the configuration as the kernel programs take them. */
#include "config_option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/proto.h"

static int too_many(const char *name, size_t max, char *err, size_t size)
{
	snprintf(err, size, "--%s: at most %zu of them", name, max);
	return -EINVAL;
}

static int set_globs(struct sonde_glob *out, uint32_t *n, const struct config_list *l,
		     const char *name, char *err, size_t size)
{
	if (l->n > SONDE_GLOBS)
		return too_many(name, SONDE_GLOBS, err, size);
	for (size_t i = 0; i < l->n; i++)
		snprintf(out[i].text, sizeof(out[i].text), "%s", l->v[i]);
	*n = (uint32_t)l->n;
	return 0;
}

static int set_numbers(struct config *c, char *err, size_t size)
{
	struct sonde_filter *f = &c->filter;

	if (c->pids.n > SONDE_PIDS)
		return too_many("pid", SONDE_PIDS, err, size);
	if (c->ports.n > SONDE_PORTS)
		return too_many("port", SONDE_PORTS, err, size);
	for (size_t i = 0; i < c->pids.n; i++)
		f->pids[i] = (uint32_t)strtoul(c->pids.v[i], NULL, 10);
	for (size_t i = 0; i < c->ports.n; i++)
		f->ports[i] = (uint16_t)strtoul(c->ports.v[i], NULL, 10);
	f->n_pids = (uint32_t)c->pids.n;
	f->n_ports = (uint32_t)c->ports.n;
	return 0;
}

static void set_protocols(struct config *c)
{
	for (size_t i = 0; i < c->protocols.n; i++) {
		const struct proto *p = proto_by_name(slice_str(c->protocols.v[i]));

		if (!p) { /* "all", the only word that is no protocol's */
			c->protocol_mask = 0;
			return;
		}
		c->protocol_mask |= 1U << p->id;
	}
}

int config_filter(struct config *c, char *err, size_t size)
{
	struct sonde_filter *f = &c->filter;
	int res;

	res = set_numbers(c, err, size);
	if (!res)
		res = set_globs(f->comms, &f->n_comms, &c->comms, "comm", err, size);
	if (!res)
		res = set_globs(f->exes, &f->n_exes, &c->exes, "exe", err, size);
	if (!res)
		res = set_globs(f->cgroups, &f->n_cgroups, &c->cgroups, "cgroup", err, size);
	if (!res)
		res = set_globs(f->not_comms, &f->n_not_comms, &c->not_comms, "exclude-comm", err,
				size);
	f->asks_where = c->namespaces.n > 0;
	set_protocols(c);
	return res;
}
