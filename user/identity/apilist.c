/* SPDX-License-Identifier: Apache-2.0 */
/*
 *    LIST --page--> LIST --last page--> WATCH --its time is over--> WATCH (from where it was)
 *      ^                                  |
 *      '---- 410 Gone, or it failed ------'
 */
#include "identity/apilist.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/account.h"
#include "util/clock.h"

enum {
	PAGE_BYTES = 32 << 20, /* of those who know no pages */
	LINE_BYTES = 4 << 20,  /* one object: etcd holds 1.5 MiB */
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

struct apilist {
	struct apilist_opts opts;
	struct asked asked;
	enum state state;
	struct fetch *fetch; /* under way, or NULL */
	struct answer_text text;
	char version[VERSION_MAX]; /* of what was told last */
	char next[CONTINUE_MAX];   /* page; empty: the first */
	uint64_t began_ns;	   /* the request under way */
	bool is_gone;		   /* what was before `version` is forgotten over there */
	bool is_broken;		   /* the watch told what is not understood */
	char url[256], value[256], account[256];
};

struct apilist *apilist_new(const struct apilist_opts *opts)
{
	struct apilist *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->opts = *opts;
	snprintf(k->url, sizeof(k->url), "%s", opts->url);
	snprintf(k->value, sizeof(k->value), "%s", opts->value ? opts->value : "");
	snprintf(k->account, sizeof(k->account), "%s", opts->account);
	asked_init(&k->asked, opts->name, opts->where);
	k->asked.about = opts->about;
	return k;
}

void apilist_free(struct apilist *k)
{
	if (!k)
		return;
	fetch_cancel(k->fetch);
	answer_text_free(&k->text);
	free(k);
}

const struct asked *apilist_asked(const struct apilist *k)
{
	return &k->asked;
}

static void take_version(struct apilist *k, json_t *object)
{
	json_t *meta = json_object_get(object, "metadata");
	const char *version = json_string_value(json_object_get(meta, "resourceVersion"));

	if (version && strlen(version) < sizeof(k->version))
		strcpy(k->version, version);
}

/* One line of a watch. */
static void take_event(struct apilist *k, const char *line, size_t n)
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
			k->opts.changed(k->opts.ctx, object, strcmp(type, "DELETED") == 0);
		take_version(k, object);
	}
	json_decref(root);
}

static void take_lines(struct apilist *k)
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
	struct apilist *k = ctx;

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

static void list_again(struct apilist *k)
{
	k->state = LISTING;
	k->next[0] = k->version[0] = '\0';
}

/* Returns false when it is no page. */
static bool take_page(struct apilist *k)
{
	json_t *root = json_loadb(k->text.p ? k->text.p : "", k->text.n, 0, NULL), *object;
	json_t *items = json_object_get(root, "items");
	const char *next =
		json_string_value(json_object_get(json_object_get(root, "metadata"), "continue"));
	bool is_good = json_is_array(items) && (!next || strlen(next) < sizeof(k->next));
	size_t i;

	if (is_good && !k->next[0])
		k->opts.begin(k->opts.ctx);
	if (is_good)
		json_array_foreach(items, i, object) k->opts.listed(k->opts.ctx, object);
	if (is_good) {
		take_version(k, root);
		snprintf(k->next, sizeof(k->next), "%s", next ? next : "");
	}
	json_decref(root);
	return is_good;
}

static void end_list(struct apilist *k, const struct fetch_end *end, uint64_t now_ns)
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
		asked_failed(&k->asked, now_ns, "its list of %s is not understood", k->opts.plural);
	} else {
		if (!k->next[0]) {
			k->opts.end(k->opts.ctx);
			asked_answered(&k->asked);
			k->state = WATCHING;
		}
		k->asked.due_ns = now_ns;
	}
}

static void end_watch(struct apilist *k, const struct fetch_end *end, uint64_t now_ns)
{
	struct slice body = { (uint8_t *)k->text.p, k->text.n };

	if (k->is_gone || end->status == HTTP_GONE) {
		list_again(k);
		k->asked.due_ns = now_ns + NS_PER_S / 4;
	} else if (k->is_broken || end->is_enough) {
		list_again(k);
		asked_failed(&k->asked, now_ns, "its watch of %s is not understood",
			     k->opts.plural);
	} else if (end->status != 200) {
		list_again(k);
		asked_refused(&k->asked, now_ns, end, body);
	} else if (now_ns - k->began_ns < WATCH_SHORTEST_NS) {
		asked_failed(&k->asked, now_ns, "its watch of %s ended at once%s%s", k->opts.plural,
			     *end->error ? ": " : "", end->error);
	} else {
		k->asked.due_ns =
			now_ns; /* its time was over, or it began anew: go on from there */
	}
}

static void on_end(void *ctx, const struct fetch_end *end)
{
	struct apilist *k = ctx;
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

static void make_url(const struct apilist *k, char url[URL_MAX])
{
	size_t n = (size_t)snprintf(url, URL_MAX, "%s/api/v1/%s?", k->url, k->opts.plural);

	if (k->opts.field) {
		n += (size_t)snprintf(url + n, URL_MAX - n, "fieldSelector=%s%%3D", k->opts.field);
		n += escape(url + n, 3 * sizeof(k->value), k->value);
		url[n++] = '&';
	}
	if (k->state == WATCHING) {
		n += (size_t)snprintf(url + n, URL_MAX - n,
				      "watch=true&allowWatchBookmarks=true&timeoutSeconds=%d"
				      "&resourceVersion=",
				      WATCH_S);
		escape(url + n, URL_MAX - n, k->version);
		return;
	}
	n += (size_t)snprintf(url + n, URL_MAX - n, "limit=%d%s", k->opts.page,
			      k->next[0] ? "&continue=" : "");
	escape(url + n, URL_MAX - n, k->next);
}

void apilist_turn(struct apilist *k, uint64_t now_ns)
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
