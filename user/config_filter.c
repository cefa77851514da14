/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of the configuration as the kernel programs take them. */
#include "config_option.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/proto.h"

static uint32_t set_globs(struct sonde_glob *out, const struct config_list *l)
{
	assert(l->n <= SONDE_GLOBS); /* by max_items of the option */
	for (size_t i = 0; i < l->n; i++)
		snprintf(out[i].text, sizeof(out[i].text), "%s", l->v[i]);
	return (uint32_t)l->n;
}

static void set_numbers(struct config *c)
{
	struct sonde_filter *f = &c->filter;

	assert(c->pids.n <= SONDE_PIDS && c->ports.n <= SONDE_PORTS);
	for (size_t i = 0; i < c->pids.n; i++)
		f->pids[i] = (uint32_t)strtoul(c->pids.v[i], NULL, 10);
	for (size_t i = 0; i < c->ports.n; i++)
		f->ports[i] = (uint16_t)strtoul(c->ports.v[i], NULL, 10);
	f->n_pids = (uint32_t)c->pids.n;
	f->n_ports = (uint32_t)c->ports.n;
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

void config_filter(struct config *c)
{
	struct sonde_filter *f = &c->filter;

	set_numbers(c);
	f->n_comms = set_globs(f->comms, &c->comms);
	f->n_exes = set_globs(f->exes, &c->exes);
	f->n_cgroups = set_globs(f->cgroups, &c->cgroups);
	f->n_not_comms = set_globs(f->not_comms, &c->not_comms);
	f->asks_where = c->namespaces.n > 0;
	set_protocols(c);
}
