/* SPDX-License-Identifier: Apache-2.0 */
/*
 *    LIST --page--> LIST --last page--> WATCH --its time is over--> WATCH (from where it was)
 *      ^                                  |
 *      '---- 410 Gone, or it failed ------'
 */
#include "identity/kubernetes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/account.h"
#include "util/clock.h"

enum {
	PAGE_PODS = 50,	       /* parsed in one go: some 5 ms */
	PAGE_BYTES = 32 << 20, /* of those who know no pages */
	LINE_BYTES = 4 << 20,  /* one pod: etcd holds 1.5 MiB */
	WATCH_S = 270,	       /* asked of the server */
	VERSION_MAX = 64,
	CONTINUE_MAX = 4096,
	URL_MAX = CONTINUE_MAX * 3 + 1024,
	HTTP_GONE = 410,
};

#define LIST_TIMEOUT_NS	   (30 * NS_PER_S)
#define CONNECT_TIMEOUT_NS (10 * NS_PER_S)
#define WATCH_TIMEOUT_NS   ((WATCH_S + 30) * NS_PER_S)
#define WATCH_SHORTEST_NS  NS_PER_S /* one that ends sooner is no watch */

enum state { LISTING, WATCHING };

struct kubernetes {
	struct kubernetes_opts opts;
	struct asked asked;
	enum state state;
	struct fetch *fetch; /* under way, or NULL */
	struct answer_text text;
	char version[VERSION_MAX]; /* of what was told last */
	char next[CONTINUE_MAX];   /* page; empty: the first */
	uint64_t began_ns;	   /* the request under way */
	bool is_gone;		   /* what was before `version` is forgotten over there */
	bool is_broken;		   /* the watch told what is not understood */
	char url[256], node[256], account[256];
};

struct kubernetes *kubernetes_new(const struct kubernetes_opts *opts)
{
	struct kubernetes *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->opts = *opts;
	snprintf(k->url, sizeof(k->url), "%s", opts->url);
	snprintf(k->node, sizeof(k->node), "%s", opts->node);
	snprintf(k->account, sizeof(k->account), "%s", opts->account);
	k->asked = (struct asked){ .name = "kubernetes", .due_ns = 1, .seed = clock_mono_ns() };
	snprintf(k->asked.where, sizeof(k->asked.where), "%s, node %s", k->url, k->node);
	return k;
}

void kubernetes_free(struct kubernetes *k)
{
	if (!k)
		return;
	fetch_cancel(k->fetch);
	answer_text_free(&k->text);
	free(k);
}

const struct asked *kubernetes_asked(const struct kubernetes *k)
{
	return &k->asked;
}

static void on_container(void *ctx, const struct container *c)
{
	struct kubernetes *k = ctx;

	containers_put(k->opts.containers, CONTAINERS_KUBERNETES, c);
}

static void take_version(struct kubernetes *k, json_t *object)
{
	json_t *meta = json_object_get(object, "metadata");
	const char *version = json_string_value(json_object_get(meta, "resourceVersion"));

	if (version && strlen(version) < sizeof(k->version))
		strcpy(k->version, version);
}

/* A pod changed: containers it has no more are gone. */
static void take_pod(struct kubernetes *k, json_t *pod, bool is_deleted)
{
	containers_begin_group(k->opts.containers, CONTAINERS_KUBERNETES, pod_uid(pod));
	if (!is_deleted)
		pod_each_container(pod, &k->opts.pod, on_container, k);
	containers_end_group(k->opts.containers, CONTAINERS_KUBERNETES);
}

/* One line of a watch. */
static void take_event(struct kubernetes *k, const char *line, size_t n)
{
	json_t *root = json_loadb(line, n, 0, NULL), *object = json_object_get(root, "object");
	const char *type = json_string_value(json_object_get(root, "type"));

	if (!type || !object) {
		k->is_broken = true;
	} else if (strcmp(type, "ERROR") == 0) {
		k->is_gone |= json_integer_value(json_object_get(object, "code")) == HTTP_GONE;
		k->is_broken |= !k->is_gone;
	} else {
		if (strcmp(type, "BOOKMARK") != 0)
			take_pod(k, object, strcmp(type, "DELETED") == 0);
		take_version(k, object);
	}
	json_decref(root);
}

static void take_lines(struct kubernetes *k)
{
	struct answer_text *t = &k->text;
	char *line = t->p, *end;

	while (!k->is_broken && !k->is_gone &&
	       (end = memchr(line, '\n', (size_t)(t->p + t->n - line)))) {
		if (end > line)
			take_event(k, line, (size_t)(end - line));
		line = end + 1;
	}
	t->n = (size_t)(t->p + t->n - line);
	memmove(t->p, line, t->n);
}

static bool on_piece(void *ctx, int status, struct slice piece)
{
	struct kubernetes *k = ctx;

	k->text.max = k->state == WATCHING ? LINE_BYTES : PAGE_BYTES;
	if (!answer_text_add(&k->text, piece))
		return false;
	if (k->state == WATCHING && status == 200) {
		if (!k->asked.has_answered || k->asked.reason[0])
			asked_answered(&k->asked);
		take_lines(k);
	}
	return !k->is_broken && !k->is_gone;
}

static void list_again(struct kubernetes *k)
{
	k->state = LISTING;
	k->next[0] = k->version[0] = '\0';
}

/* Returns false when it is no page. */
static bool take_page(struct kubernetes *k)
{
	json_t *root = json_loadb(k->text.p ? k->text.p : "", k->text.n, 0, NULL), *pod;
	json_t *items = json_object_get(root, "items");
	const char *next =
		json_string_value(json_object_get(json_object_get(root, "metadata"), "continue"));
	bool is_good = json_is_array(items) && (!next || strlen(next) < sizeof(k->next));
	size_t i;

	if (is_good && !k->next[0])
		containers_begin(k->opts.containers, CONTAINERS_KUBERNETES);
	if (is_good)
		json_array_foreach(items, i, pod)
			pod_each_container(pod, &k->opts.pod, on_container, k);
	if (is_good) {
		take_version(k, root);
		snprintf(k->next, sizeof(k->next), "%s", next ? next : "");
	}
	json_decref(root);
	return is_good;
}

static void end_list(struct kubernetes *k, const struct fetch_end *end, uint64_t now_ns)
{
	struct slice body = { (uint8_t *)k->text.p, k->text.n };

	if (end->status == HTTP_GONE && k->next[0]) { /* the list took too long: from its start */
		list_again(k);
		k->asked.due_ns = now_ns + NS_PER_S;
	} else if (end->is_enough) {
		asked_failed(&k->asked, now_ns, "a list of over %d MiB", PAGE_BYTES >> 20);
	} else if (end->status != 200 || !end->is_whole) {
		list_again(k);
		asked_refused(&k->asked, now_ns, end, body);
	} else if (!take_page(k)) {
		list_again(k);
		asked_failed(&k->asked, now_ns, "its list of pods is not understood");
	} else {
		if (!k->next[0]) {
			containers_end(k->opts.containers, CONTAINERS_KUBERNETES);
			asked_answered(&k->asked);
			k->state = WATCHING;
		}
		k->asked.due_ns = now_ns;
	}
}

static void end_watch(struct kubernetes *k, const struct fetch_end *end, uint64_t now_ns)
{
	struct slice body = { (uint8_t *)k->text.p, k->text.n };

	if (k->is_gone || end->status == HTTP_GONE) {
		list_again(k);
		k->asked.due_ns = now_ns + NS_PER_S / 4;
	} else if (k->is_broken || end->is_enough) {
		list_again(k);
		asked_failed(&k->asked, now_ns, "its watch of pods is not understood");
	} else if (end->status != 200) {
		list_again(k);
		asked_refused(&k->asked, now_ns, end, body);
	} else if (now_ns - k->began_ns < WATCH_SHORTEST_NS) {
		asked_failed(&k->asked, now_ns, "its watch of pods ended at once%s%s",
			     *end->error ? ": " : "", end->error);
	} else {
		k->asked.due_ns =
			now_ns; /* its time was over, or it began anew: go on from there */
	}
}

static void on_end(void *ctx, const struct fetch_end *end)
{
	struct kubernetes *k = ctx;
	uint64_t now_ns = clock_mono_ns();

	k->fetch = NULL;
	if (k->state == WATCHING)
		end_watch(k, end, now_ns);
	else
		end_list(k, end, now_ns);
	answer_text_free(&k->text);
}

static size_t escape(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 4 < size; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			out[n++] = *text;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", (unsigned char)*text);
	}
	out[n] = '\0';
	return n;
}

static void make_url(const struct kubernetes *k, char url[URL_MAX])
{
	char node[3 * sizeof(k->node)];
	size_t n;

	escape(node, sizeof(node), k->node);
	n = (size_t)snprintf(url, URL_MAX, "%s/api/v1/pods?fieldSelector=spec.nodeName%%3D%s",
			     k->url, node);
	if (k->state == WATCHING) {
		n += (size_t)snprintf(url + n, URL_MAX - n,
				      "&watch=true&allowWatchBookmarks=true&timeoutSeconds=%d"
				      "&resourceVersion=",
				      WATCH_S);
		escape(url + n, URL_MAX - n, k->version);
		return;
	}
	n += (size_t)snprintf(url + n, URL_MAX - n, "&limit=%d%s", PAGE_PODS,
			      k->next[0] ? "&continue=" : "");
	escape(url + n, URL_MAX - n, k->next);
}

void kubernetes_turn(struct kubernetes *k, uint64_t now_ns)
{
	char url[URL_MAX], bearer[ACCOUNT_HEADER_MAX], authorities[300];
	bool is_watch = k->state == WATCHING;

	if (k->fetch || !k->asked.due_ns || now_ns < k->asked.due_ns)
		return;
	if (!account_header(k->account, &k->asked, now_ns, bearer))
		return;
	make_url(k, url);
	snprintf(authorities, sizeof(authorities), "%s/ca.crt", k->account);
	k->is_gone = k->is_broken = false;
	k->began_ns = now_ns;
	k->fetch = fetch_start(k->opts.fetcher,
			       &(struct fetch_request){
				       .url = url,
				       .headers = (const char *const[]){ bearer, NULL },
				       .takes_gzip = !is_watch,
				       .authorities = authorities,
				       .timeout_ns = is_watch ? WATCH_TIMEOUT_NS : LIST_TIMEOUT_NS,
				       .connect_ns = CONNECT_TIMEOUT_NS,
				       .on_piece = on_piece,
				       .on_end = on_end,
				       .ctx = k,
			       });
	if (!k->fetch)
		asked_failed(&k->asked, now_ns, "out of memory");
}
