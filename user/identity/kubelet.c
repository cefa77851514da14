/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/kubelet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/account.h"
#include "util/clock.h"

enum { LIST_BYTES = 32 << 20 };

#define LIST_TIMEOUT_NS (10 * NS_PER_S)
#define LIST_EVERY_NS	(10 * NS_PER_S) /* labels change, and nobody tells */

struct kubelet {
	struct kubelet_opts opts;
	struct asked asked;
	struct fetch *fetch; /* under way, or NULL */
	struct answer_text text;
	char account[256];
};

struct kubelet *kubelet_new(const struct kubelet_opts *opts)
{
	struct kubelet *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->opts = *opts;
	k->text.max = LIST_BYTES;
	asked_init(&k->asked, "kubelet", opts->url);
	snprintf(k->account, sizeof(k->account), "%s", opts->account);
	k->opts.url = k->asked.where;
	return k;
}

void kubelet_free(struct kubelet *k)
{
	if (!k)
		return;
	fetch_cancel(k->fetch);
	answer_text_free(&k->text);
	free(k);
}

const struct asked *kubelet_asked(const struct kubelet *k)
{
	return &k->asked;
}

static void on_container(void *ctx, const struct container *c)
{
	struct kubelet *k = ctx;

	containers_put(k->opts.containers, CONTAINERS_KUBERNETES, c);
}

static bool take_list(struct kubelet *k)
{
	json_t *root = json_loadb(k->text.p ? k->text.p : "", k->text.n, 0, NULL), *pod;
	json_t *items = json_object_get(root, "items");
	/* without any pod a kubelet says null */
	bool is_good = json_is_object(root) && (json_is_array(items) || json_is_null(items));
	size_t i;

	if (is_good) {
		containers_begin(k->opts.containers, CONTAINERS_KUBERNETES);
		json_array_foreach(items, i, pod)
			pod_each_container(pod, &k->opts.pod, on_container, k);
		containers_end(k->opts.containers, CONTAINERS_KUBERNETES);
	}
	json_decref(root);
	return is_good;
}

static bool on_piece(void *ctx, int status, struct slice piece)
{
	return answer_text_add(&((struct kubelet *)ctx)->text, piece);
}

static void on_end(void *ctx, const struct fetch_end *end)
{
	struct kubelet *k = ctx;
	struct slice body = { (uint8_t *)k->text.p, k->text.n };
	uint64_t now_ns = clock_mono_ns();

	k->fetch = NULL;
	if (end->is_enough) {
		asked_failed(&k->asked, now_ns, "a list of over %d MiB", LIST_BYTES >> 20);
	} else if (end->status != 200 || !end->is_whole) {
		asked_refused(&k->asked, now_ns, end, body);
	} else if (!take_list(k)) {
		asked_failed(&k->asked, now_ns, "its list of pods is not understood");
	} else {
		asked_answered(&k->asked);
		k->asked.due_ns = now_ns + LIST_EVERY_NS;
	}
	answer_text_free(&k->text);
}

void kubelet_turn(struct kubelet *k, uint64_t now_ns)
{
	char url[ASKED_WHERE_MAX + 8], header[ACCOUNT_HEADER_MAX], authorities[300];

	if (k->fetch || !asked_is_time(&k->asked, now_ns, containers_misses(k->opts.containers),
				       containers_changes(k->opts.containers)))
		return;
	if (!account_header(k->account, &k->asked, now_ns, header))
		return;
	snprintf(url, sizeof(url), "%s/pods", k->opts.url);
	snprintf(authorities, sizeof(authorities), "%s/ca.crt", k->account);
	k->fetch = fetch_start(k->opts.fetcher,
			       &(struct fetch_request){
				       .url = url,
				       .headers = (const char *const[]){ header, NULL },
				       .takes_gzip = true,
				       .authorities = authorities,
				       .timeout_ns = LIST_TIMEOUT_NS,
				       .on_piece = on_piece,
				       .on_end = on_end,
				       .ctx = k,
			       });
	if (!k->fetch)
		asked_failed(&k->asked, now_ns, "out of memory");
}
