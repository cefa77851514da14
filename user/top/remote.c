/* SPDX-License-Identifier: Apache-2.0 */
#include "top/remote.h"

#if __has_include(<curl/curl.h>)

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/figures_json.h"
#include "export/requests_json.h"
#include "export/sums_json.h"
#include "top/service_usage.h"
#include "util/clock.h"
#include "util/hash.h"

enum { ANSWER_MAX = 64 << 20, WAIT_MS = 3000 };

struct remote {
	CURL *curl;
	char url[1024]; /* without a slash at its end */
	char *body;	/* owned */
	size_t n;
	struct service_usage usage;
	int64_t status_ns; /* when it was taken */
	double events, cpu_seconds;
};

bool remote_is_built(void)
{
	return true;
}

struct remote *remote_open(const char *url)
{
	struct remote *r = calloc(1, sizeof(*r));
	size_t n;

	if (!r)
		return NULL;
	r->curl = curl_easy_init();
	if (!r->curl) {
		free(r);
		return NULL;
	}
	snprintf(r->url, sizeof(r->url), "%s", url);
	for (n = strlen(r->url); n && r->url[n - 1] == '/'; n--)
		r->url[n - 1] = '\0';
	return r;
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	curl_easy_cleanup(r->curl);
	service_usage_free(&r->usage);
	free(r->body);
	free(r);
}

static size_t on_body(char *part, size_t size, size_t n, void *ctx)
{
	struct remote *r = ctx;
	char *body = r->n + n < ANSWER_MAX ? realloc(r->body, r->n + n + 1) : NULL;

	if (!body)
		return 0;
	memcpy(body + r->n, part, n);
	r->body = body;
	r->n += n;
	body[r->n] = '\0';
	return n;
}

/* NULL, with the reason in f->error. */
static json_t *get(struct remote *r, const char *path, struct top_frame *f)
{
	char url[4096], why[CURL_ERROR_SIZE] = "";
	json_t *o = NULL;
	long status = 0;
	CURLcode res;

	r->n = 0;
	snprintf(url, sizeof(url), "%s%s", r->url, path);
	curl_easy_setopt(r->curl, CURLOPT_URL, url);
	curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, (long)WAIT_MS);
	curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, why);
	/* as the program curl does: authorities of one's own */
	if (getenv("CURL_CA_BUNDLE"))
		curl_easy_setopt(r->curl, CURLOPT_CAINFO, getenv("CURL_CA_BUNDLE"));
	res = curl_easy_perform(r->curl);
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (res != CURLE_OK)
		snprintf(f->error, sizeof(f->error), "%.120s",
			 *why ? why : curl_easy_strerror(res));
	else if (status != 200)
		snprintf(f->error, sizeof(f->error), "%ld: %.*s", status,
			 (int)strcspn(r->body && r->n ? r->body : "", "\n"),
			 r->body && r->n ? r->body : "");
	else
		o = r->n ? json_loadb(r->body, r->n, 0, NULL) : NULL;
	if (res == CURLE_OK && status == 200 && !o)
		snprintf(f->error, sizeof(f->error), "the answer is no JSON: is that a sonde?");
	return o;
}

/* --- rows --- */

static void copy(char *out, size_t size, const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	snprintf(out, size, "%s", s ? s : "");
}

static void parse_health(const json_t *o, struct top_row *row)
{
	const char *name = json_string_value(json_object_get(o, "health"));

	for (int i = 0; name && i < HEALTH_MAX; i++) {
		if (strcmp(health_name(i), name) != 0)
			continue;
		row->is_judged = true;
		row->health = i;
	}
	copy(row->reason, sizeof(row->reason), o, "reason");
}

static void parse_row(const json_t *o, enum recent_group group, struct top_row *row)
{
	struct recent_row *out = &row->r;
	const char *role = json_string_value(json_object_get(o, "role"));

	out->group = group;
	copy(out->name, sizeof(out->name), o, "name");
	copy(out->service, sizeof(out->service), o, "service");
	copy(out->name_space, sizeof(out->name_space), o, "namespace");
	copy(out->protocol, sizeof(out->protocol), o, "protocol");
	out->role = role && strcmp(role, "server") == 0 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	out->key = hash_slice(hash_slice(hash_mix(group, out->role), slice_str(out->name)),
			      slice_str(out->service));
	out->encrypted = (uint32_t)json_integer_value(json_object_get(o, "encrypted_connections"));
	figures_parse(o, out);
	parse_health(o, row);
}

/* What services use: a row for each role says the same but for its connections. */
static int take_usage(struct remote *r, const json_t *list, struct top_frame *f, int64_t now_ns)
{
	struct service_sums *sums = calloc(f->n_rows + 1, sizeof(*sums));
	size_t n = 0, at;
	int err;

	if (!sums)
		return -ENOMEM;
	for (size_t i = 0; i < f->n_rows; i++) {
		const struct recent_row *row = &f->rows[i].r;

		for (at = 0; at < n && strcmp(sums[at].service, row->service) != 0; at++)
			;
		if (at == n)
			snprintf(sums[n++].service, sizeof(sums[0].service), "%s", row->service);
		sums_parse(json_array_get(list, i), row->role, &sums[at]);
	}
	err = service_usage_take(&r->usage, sums, n, (uint64_t)now_ns);
	free(sums);
	return err;
}

static int parse_rows(struct remote *r, const json_t *o, const struct top_ask *ask,
		      enum recent_group group, struct top_frame *f)
{
	const json_t *list = json_object_get(o, "rows");
	int64_t now_ns = json_integer_value(json_object_get(o, "time_unix_nano"));
	size_t n = json_array_size(list);
	int err = 0;

	f->rows = calloc(n + 1, sizeof(*f->rows));
	if (!f->rows)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		parse_row(json_array_get(list, i), group, &f->rows[i]);
	f->n_rows = n;
	if (group == RECENT_BY_SERVICE && !ask->errors_only)
		err = take_usage(r, list, f, now_ns);
	service_usage_fill(&r->usage, f->rows, n);
	return err;
}

/* --- requests --- */

static int parse_requests(const json_t *o, struct top_frame *f)
{
	static const char *const kinds[] = { "in_flight", "recent", "slowest" };
	uint64_t now_ns = (uint64_t)json_integer_value(json_object_get(o, "time_unix_nano"));
	size_t room = 0, first = 0;

	for (size_t k = 0; k < 3; k++)
		room += json_array_size(json_object_get(o, kinds[k]));
	f->requests = calloc(room + 1, sizeof(*f->requests));
	if (!f->requests)
		return -ENOMEM;
	for (size_t k = 0; k < 3; k++) {
		const json_t *list = json_object_get(o, kinds[k]);

		first = f->n_requests;
		for (size_t i = 0; i < json_array_size(list); i++) {
			struct recent_request *t = &f->requests[f->n_requests++];

			request_parse(json_array_get(list, i), t, 0);
			t->is_in_flight = k == 0;
			t->age_ns = now_ns > t->end_ns ? now_ns - t->end_ns : 0;
		}
	}
	f->n_requests = frame_without_twins(f->requests, f->n_requests, first);
	return 0;
}

/* --- the observer --- */

static double number_at(const json_t *o, const char *outer, const char *inner)
{
	return json_number_value(json_object_get(json_object_get(o, outer), inner));
}

static void parse_status(struct remote *r, const json_t *o, int64_t now_ns, struct top_self *s)
{
	double passed_s = r->status_ns ? (double)(now_ns - r->status_ns) / NS_PER_S : 0;
	double events = 0, cpu = number_at(o, "cost", "cpu_seconds");
	const char *kind;
	json_t *n;

	json_object_foreach(json_object_get(o, "events"), kind, n) events +=
		strcmp(kind, "skipped") == 0 ? 0 : json_number_value(n);
	if (passed_s > 0) {
		s->events_rate = (events - r->events) / passed_s;
		s->cpu_cores = (cpu - r->cpu_seconds) / passed_s;
	}
	r->events = events;
	r->cpu_seconds = cpu;
	r->status_ns = now_ns;
	s->lost = (uint64_t)number_at(o, "lost", "total");
	s->unknown = (uint32_t)number_at(o, "connections", "unknown");
	s->encrypted = (uint32_t)number_at(o, "connections", "encrypted");
	s->parsed = (uint32_t)number_at(o, "connections", "parsed");
	s->undecided = (uint32_t)number_at(o, "connections", "undecided");
	s->memory_bytes = (uint64_t)number_at(o, "cost", "anonymous_memory_bytes");
	s->pressure[0] = -1;
	copy(s->tier, sizeof(s->tier), o, "tier");
}

/* --- what is asked --- */

static size_t put_text(struct remote *r, char *out, size_t size, size_t n, const char *name,
		       const char *value)
{
	char *safe = *value ? curl_easy_escape(r->curl, value, 0) : NULL;

	if (safe && n < size)
		n += (size_t)snprintf(out + n, size - n, "&%s=%s", name, safe);
	curl_free(safe);
	return n;
}

static void path_of(struct remote *r, const struct top_ask *ask, enum recent_group group, char *out,
		    size_t size)
{
	static const char *const groups[] = { "service", "endpoint", "peer", "protocol" };
	size_t n;

	if (ask->level == TOP_REQUESTS)
		n = (size_t)snprintf(out, size, "/api/v1/requests?limit=1000");
	else
		n = (size_t)snprintf(out, size, "/api/v1/services?group=%s", groups[group]);
	n = put_text(r, out, size, n, "service", ask->service);
	n = put_text(r, out, size, n, "endpoint", ask->endpoint);
	n = put_text(r, out, size, n, "peer", ask->peer);
	if (ask->role)
		n = put_text(r, out, size, n, "role",
			     ask->role == SONDE_ROLE_SERVER ? "server" : "client");
	if (ask->errors_only)
		put_text(r, out, size, n, "errors", "true");
}

int remote_read(struct remote *r, const struct top_ask *ask, struct top_frame *f)
{
	struct top_frame fresh = { .self = f->self };
	enum recent_group group = top_query(ask, 0).group;
	json_t *rows, *status;
	char path[2048];
	int err = -EIO;

	path_of(r, ask, group, path, sizeof(path));
	rows = get(r, path, &fresh);
	status = rows ? get(r, "/api/v1/status", &fresh) : NULL;
	if (status) {
		err = ask->level == TOP_REQUESTS ? parse_requests(rows, &fresh)
						 : parse_rows(r, rows, ask, group, &fresh);
		fresh.unix_ns = json_integer_value(json_object_get(rows, "time_unix_nano"));
		fresh.now_ns = (uint64_t)fresh.unix_ns;
		parse_status(r, status, fresh.unix_ns, &fresh.self);
	}
	/* credentials that the URL holds are no words for a screen */
	snprintf(fresh.self.where, sizeof(fresh.self.where), "%.120s",
		 strchr(r->url, '@') ? strchr(r->url, '@') + 1 : r->url);
	json_decref(rows);
	json_decref(status);
	frame_free(f);
	*f = fresh;
	return err;
}

#else

#include <errno.h>
#include <stddef.h>

bool remote_is_built(void)
{
	return false;
}

struct remote *remote_open(const char *url)
{
	return NULL;
}

void remote_close(struct remote *r)
{
}

int remote_read(struct remote *r, const struct top_ask *ask, struct top_frame *f)
{
	return -ENOSYS;
}

#endif
