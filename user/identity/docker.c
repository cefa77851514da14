/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/docker.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/image.h"
#include "util/clock.h"

enum { LIST_BYTES = 32 << 20 };

#define LIST_TIMEOUT_NS (10 * NS_PER_S)
#define LIST_EVERY_NS	(30 * NS_PER_S) /* names change, and nobody tells */

struct docker {
	struct docker_opts opts;
	struct asked asked;
	struct fetch *fetch; /* under way, or NULL */
	struct answer_text text;
};

struct docker *docker_new(const struct docker_opts *opts)
{
	struct docker *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->opts = *opts;
	d->text.max = LIST_BYTES;
	asked_init(&d->asked, opts->name, opts->path);
	d->opts.path = d->asked.where;
	return d;
}

void docker_free(struct docker *d)
{
	if (!d)
		return;
	fetch_cancel(d->fetch);
	answer_text_free(&d->text);
	free(d);
}

const struct asked *docker_asked(const struct docker *d)
{
	return &d->asked;
}

/* "/web"; where containers are linked, "/other/web" is the name another one has for it. */
static const char *name_of(json_t *container)
{
	json_t *names = json_object_get(container, "Names"), *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char *s = json_string_value(name);

		if (s && s[0] == '/' && !strchr(s + 1, '/'))
			return s + 1;
		if (s && s[0] && !strchr(s, '/')) /* Podman */
			return s;
	}
	return "";
}

static const char *label(json_t *container, const char *key)
{
	const char *s =
		json_string_value(json_object_get(json_object_get(container, "Labels"), key));

	return s ? s : "";
}

/* Of a service with several containers each has a name of its own, made up by who runs them. */
static const char *service_of(json_t *container, const char *name)
{
	static const char *const keys[] = {
		"com.docker.swarm.service.name",
		"com.docker.compose.service",
		"io.podman.compose.service",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (*label(container, keys[i]))
			return label(container, keys[i]);
	return name;
}

static void tell(struct docker *d, json_t *container)
{
	const char *id = json_string_value(json_object_get(container, "Id"));
	const char *name = name_of(container);
	struct facts_draft draft = { .n = 0 };
	struct container c = {
		.id = id ? id : "",
		.name = service_of(container, name),
		.name_space = "",
		.instance = "",
		.group = "",
	};

	facts_set_str(&draft, FACT_CONTAINER_NAME, name);
	facts_set_str(&draft, FACT_CONTAINER_ID, c.id);
	/* a kubelet's, through dockershim or its heir */
	facts_set_str(&draft, FACT_K8S_POD, label(container, "io.kubernetes.pod.name"));
	facts_set_str(&draft, FACT_K8S_NAMESPACE, label(container, "io.kubernetes.pod.namespace"));
	facts_set_str(&draft, FACT_K8S_POD_UID, label(container, "io.kubernetes.pod.uid"));
	facts_set_str(&draft, FACT_K8S_CONTAINER, label(container, "io.kubernetes.container.name"));
	image_facts(&draft, json_string_value(json_object_get(container, "Image")), false);
	c.facts = facts_make(&draft);
	containers_put(d->opts.containers, d->opts.by, &c);
	facts_release(c.facts);
}

static bool take_list(struct docker *d)
{
	json_t *root = json_loadb(d->text.p ? d->text.p : "", d->text.n, 0, NULL), *container;
	bool is_good = json_is_array(root);
	size_t i;

	if (is_good) {
		containers_begin(d->opts.containers, d->opts.by);
		json_array_foreach(root, i, container) tell(d, container);
		containers_end(d->opts.containers, d->opts.by);
	}
	json_decref(root);
	return is_good;
}

static bool on_piece(void *ctx, int status, struct slice piece)
{
	struct docker *d = ctx;

	return answer_text_add(&d->text, piece);
}

static void on_end(void *ctx, const struct fetch_end *end)
{
	struct docker *d = ctx;
	uint64_t now_ns = clock_mono_ns();

	d->fetch = NULL;
	if (end->is_enough) {
		asked_failed(&d->asked, now_ns, "a list of over %d MiB", LIST_BYTES >> 20);
	} else if (end->status != 200 || !end->is_whole) {
		asked_refused(&d->asked, now_ns, end,
			      (struct slice){ (uint8_t *)d->text.p, d->text.n });
	} else if (!take_list(d)) {
		asked_failed(&d->asked, now_ns, "its list of containers is not understood");
	} else {
		asked_answered(&d->asked);
		d->asked.due_ns = now_ns + LIST_EVERY_NS;
	}
	answer_text_free(&d->text);
}

void docker_turn(struct docker *d, uint64_t now_ns)
{
	if (d->fetch || !asked_is_time(&d->asked, now_ns, containers_misses(d->opts.containers),
				       containers_changes(d->opts.containers)))
		return;
	d->fetch = fetch_start(d->opts.fetcher, &(struct fetch_request){
							.url = "http://docker/containers/json",
							.unix_path = d->opts.path,
							.timeout_ns = LIST_TIMEOUT_NS,
							.on_piece = on_piece,
							.on_end = on_end,
							.ctx = d,
						});
	if (!d->fetch)
		asked_failed(&d->asked, now_ns, "out of memory");
}
