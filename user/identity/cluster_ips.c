/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/cluster_ips.h"

#include <stdlib.h>
#include <string.h>

struct cluster_ips {
	struct addresses *addresses;
	struct apilist *services;
	char group[ADDRESS_GROUP_LEN]; /* of the Service in hand: its uid */
};

static bool copy_text(char *out, size_t size, json_t *meta, const char *key)
{
	const char *text = json_string_value(json_object_get(meta, key));
	size_t n = text ? strlen(text) : 0;

	if (!n || n >= size)
		return false;
	memcpy(out, text, n + 1);
	return true;
}

/* https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/: "None" is
 * headless, a Service of two families has clusterIPs beside its first. */
void cluster_ips_each(json_t *service,
		      void (*fn)(void *ctx, const struct address *a,
				 const struct address_name *name),
		      void *ctx)
{
	json_t *meta = json_object_get(service, "metadata");
	json_t *spec = json_object_get(service, "spec"), *ip;
	json_t *ips = json_object_get(spec, "clusterIPs");
	struct address_name name;
	struct address a;
	size_t i;

	if (!copy_text(name.name, sizeof(name.name), meta, "name") ||
	    !copy_text(name.name_space, sizeof(name.name_space), meta, "namespace"))
		return;
	json_array_foreach(ips, i,
			   ip) if (json_is_string(ip) && address_parse(json_string_value(ip), &a))
		fn(ctx, &a, &name);
	ip = json_object_get(spec, "clusterIP");
	if (!json_array_size(ips) && json_is_string(ip) && address_parse(json_string_value(ip), &a))
		fn(ctx, &a, &name);
}

static void on_address(void *ctx, const struct address *a, const struct address_name *name)
{
	struct cluster_ips *c = ctx;

	addresses_put(c->addresses, c->group, a, name);
}

static void begin(void *ctx)
{
	addresses_begin(((struct cluster_ips *)ctx)->addresses, NULL);
}

static bool take_group(struct cluster_ips *c, json_t *service)
{
	return copy_text(c->group, sizeof(c->group), json_object_get(service, "metadata"), "uid");
}

static void listed(void *ctx, json_t *service)
{
	struct cluster_ips *c = ctx;

	if (take_group(c, service))
		cluster_ips_each(service, on_address, c);
}

static void end(void *ctx)
{
	addresses_end(((struct cluster_ips *)ctx)->addresses);
}

/* Addresses it has no more have no name. */
static void changed(void *ctx, json_t *service, bool is_deleted)
{
	struct cluster_ips *c = ctx;

	if (!take_group(c, service))
		return;
	addresses_begin(c->addresses, c->group);
	if (!is_deleted)
		cluster_ips_each(service, on_address, c);
	addresses_end(c->addresses);
}

struct cluster_ips *cluster_ips_new(const struct cluster_ips_opts *opts)
{
	struct cluster_ips *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->addresses = opts->addresses;
	c->services = apilist_new(&(struct apilist_opts){
		.fetcher = opts->fetcher,
		.name = "kubernetes services",
		.about = "Services' addresses",
		.where = opts->url,
		.url = opts->url,
		.account = opts->account,
		.plural = "services",
		.page = 250,
		.begin = begin,
		.listed = listed,
		.end = end,
		.changed = changed,
		.ctx = c,
	});
	if (!c->services) {
		free(c);
		return NULL;
	}
	return c;
}

void cluster_ips_free(struct cluster_ips *c)
{
	if (!c)
		return;
	apilist_free(c->services);
	free(c);
}

void cluster_ips_turn(struct cluster_ips *c, uint64_t now_ns)
{
	apilist_turn(c->services, now_ns);
}

const struct asked *cluster_ips_asked(const struct cluster_ips *c)
{
	return apilist_asked(c->services);
}
