/* SPDX-License-Identifier: Apache-2.0 */
#include "export/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/answer_query.h"
#include "export/gzip.h"
#include "export/negotiate.h"
#include "export/prometheus.h"
#include "export/web_config.h"
#include "util/clock.h"

enum { SCRAPE_BLOCK = 64 * 1024 };

/* Those that every answer has. */
static void add_headers(const struct answer_request *r, struct MHD_Response *response)
{
	const char *name, *value;

	for (size_t i = 0; r->web && (name = web_config_header(r->web, i, &value)); i++)
		MHD_add_response_header(response, name, value);
	if (!MHD_get_response_header(response, "X-Content-Type-Options"))
		MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
}

static enum MHD_Result queue(const struct answer_request *r, unsigned int code, const char *type,
			     struct MHD_Response *response)
{
	enum MHD_Result res;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	add_headers(r, response);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	res = MHD_queue_response(r->connection, code, response);
	MHD_destroy_response(response);
	return res;
}

static enum MHD_Result answer_text(const struct answer_request *r, unsigned int code,
				   const char *text)
{
	return queue(
		r, code, "text/plain; charset=utf-8",
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result answer_alive(const struct answer_request *r)
{
	return answer_text(r, MHD_HTTP_OK, "ok\n");
}

static enum MHD_Result answer_ready(const struct answer_request *r)
{
	if (r->source->is_ready(r->source->ctx))
		return answer_text(r, MHD_HTTP_OK, "observing\n");
	return answer_text(r, MHD_HTTP_SERVICE_UNAVAILABLE, "not observing\n");
}

static enum MHD_Result answer_json(const struct answer_request *r, char *json)
{
	return queue(r, MHD_HTTP_OK, "application/json",
		     MHD_create_response_from_buffer(strlen(json), json, MHD_RESPMEM_MUST_FREE));
}

/* json: taken over; NULL: out of memory. */
static enum MHD_Result answer_json_of(const struct answer_request *r, char *json)
{
	if (!json)
		return answer_text(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	return answer_json(r, json);
}

static enum MHD_Result answer_services(const struct answer_request *r)
{
	struct server_query q;
	const char *wrong = answer_query(r, &q);
	char *json = NULL;

	if (!wrong && !q.is_grouped &&
	    (q.service || q.endpoint || q.peer || q.role != SONDE_ROLE_UNKNOWN || q.errors_only))
		wrong = "service, endpoint, peer, role and errors choose among rows: with group\n";
	if (!wrong)
		json = r->source->services(r->source->ctx, &q);
	answer_query_free(&q);
	return wrong ? answer_text(r, MHD_HTTP_BAD_REQUEST, wrong) : answer_json_of(r, json);
}

/* Text as it came becomes what was meant: "%20" a space. NULL: out of memory; free() it. */
static char *unescaped(const char *s)
{
	char *copy = strdup(s);

	if (copy)
		MHD_http_unescape(copy);
	return copy;
}

static enum MHD_Result answer_service(const struct answer_request *r)
{
	char *name = unescaped(r->path + sizeof("/api/v1/services/") - 1);
	char *json = name && *name ? r->source->service(r->source->ctx, name) : NULL;

	free(name);
	if (!json)
		return answer_text(r, MHD_HTTP_NOT_FOUND,
				   "no service of this name was seen in the last minute; "
				   "/api/v1/services lists them\n");
	return answer_json(r, json);
}

static enum MHD_Result answer_requests(const struct answer_request *r)
{
	struct server_query q;
	const char *wrong = answer_query(r, &q);
	char *json = wrong ? NULL : r->source->requests(r->source->ctx, &q);

	answer_query_free(&q);
	return wrong ? answer_text(r, MHD_HTTP_BAD_REQUEST, wrong) : answer_json_of(r, json);
}

static enum MHD_Result answer_status(const struct answer_request *r)
{
	return answer_json_of(r, r->source->status(r->source->ctx));
}

static enum MHD_Result answer_map(const struct answer_request *r)
{
	return answer_json_of(r, r->source->map(r->source->ctx));
}

static enum MHD_Result answer_trace(const struct answer_request *r)
{
	const char *id = r->path + sizeof("/api/v1/traces/") - 1;
	char *json = NULL;

	if (strlen(id) != 32 || strspn(id, "0123456789abcdefABCDEF") != 32)
		return answer_text(r, MHD_HTTP_BAD_REQUEST,
				   "a trace id is 32 hexadecimal digits\n");
	if (r->source->trace)
		json = r->source->trace(r->source->ctx, id);
	if (!json)
		return answer_text(r, MHD_HTTP_NOT_FOUND, "no span of this trace is held\n");
	return answer_json(r, json);
}

/* An exposition on its way out. */
struct scrape {
	struct prom *prom;
	struct gzip *gzip; /* NULL: as it is */
};

static void scrape_close(void *cls)
{
	struct scrape *s = cls;

	if (!s)
		return;
	gzip_close(s->gzip);
	prom_close(s->prom);
	free(s);
}

static ssize_t scrape_plain(void *ctx, char *out, size_t size)
{
	return prom_read(ctx, out, size);
}

static ssize_t scrape_read(void *cls, uint64_t pos, char *out, size_t size)
{
	struct scrape *s = cls;
	ssize_t n = s->gzip ? gzip_read(s->gzip, out, size) : prom_read(s->prom, out, size);

	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct scrape *scrape_open(const struct series_store *st, struct negotiated kind,
				  bool is_gzip)
{
	struct scrape *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->prom = prom_open(st, kind.format,
			    kind.is_fallback
				    ? "nothing this server has is in the Accept header: this "
				      "is text/plain; version=0.0.4"
				    : NULL);
	if (s->prom && is_gzip)
		s->gzip = gzip_open(scrape_plain, s->prom);
	if (s->prom && (!is_gzip || s->gzip))
		return s;
	scrape_close(s);
	return NULL;
}

static const char *header(const struct answer_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result answer_metrics(const struct answer_request *r)
{
	struct negotiated kind = negotiate_accept(header(r, MHD_HTTP_HEADER_ACCEPT));
	bool is_gzip = negotiate_gzip(header(r, MHD_HTTP_HEADER_ACCEPT_ENCODING));
	struct series_store *st = r->source->metrics(r->source->ctx);
	struct scrape *s = st ? scrape_open(st, kind, is_gzip) : NULL;
	struct MHD_Response *response;

	if (!s)
		return answer_text(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SCRAPE_BLOCK, scrape_read, s,
						     scrape_close);
	if (!response) {
		scrape_close(s);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
	if (is_gzip)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	/* of unknown length it would be chunked, and libmicrohttpd up to 0.9.75 ends the chunks
	 * that a HEAD never has */
	if (r->is_head)
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	return queue(r, MHD_HTTP_OK, negotiate_content_type(kind), response);
}

/* The client has shown a certificate that lets it in, or needs none. */
static bool is_admitted(const struct answer_request *r)
{
	const struct web_tls *tls = r->web ? web_config_tls(r->web) : NULL;
	const union MHD_ConnectionInfo *info;

	if (!tls || !tls->client_auth)
		return true;
	info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	return web_tls_admits(tls, info ? info->tls_session : NULL);
}

/* Who asks is known by a password, or need not be. Else it has been answered, by *res. */
static bool is_let_in(const struct answer_request *r, enum MHD_Result *res)
{
	struct MHD_Response *response;
	enum web_answer answer;
	char *password = NULL, *name;

	if (!is_admitted(r)) {
		*res = answer_text(
			r, MHD_HTTP_FORBIDDEN,
			"a client's certificate that client_ca_file verifies is needed\n");
		return false;
	}
	if (!r->web || !web_config_asks(r->web))
		return true;
	name = MHD_basic_auth_get_username_password(r->connection, &password);
	answer = web_config_check(r->web, name, password, clock_mono_ns());
	MHD_free(name);
	MHD_free(password);
	if (answer == WEB_YES)
		return true;
	if (answer == WEB_LATER) {
		*res = answer_text(r, MHD_HTTP_TOO_MANY_REQUESTS,
				   "one password at a time: try again in a second\n");
		return false;
	}
	response = MHD_create_response_from_buffer(13, (void *)(uintptr_t) "Unauthorized\n",
						   MHD_RESPMEM_PERSISTENT);
	if (response)
		add_headers(r, response);
	*res = response ? MHD_queue_basic_auth_fail_response(r->connection, "sonde", response)
			: MHD_NO;
	if (response)
		MHD_destroy_response(response);
	return false;
}

/* One that ends with a slash: and what follows. arguments: of the API, all that it takes; elsewhere
 * any, for scrapers and probes put there what they like. */
static const struct {
	const char *path;
	bool is_api;
	const char *arguments;
	enum MHD_Result (*answer)(const struct answer_request *r);
} paths[] = {
	{ "/metrics", false, NULL, answer_metrics },
	{ "/healthz", false, NULL, answer_alive },
	{ "/livez", false, NULL, answer_alive },
	{ "/readyz", false, NULL, answer_ready },
	{ "/api/v1/status", true, "", answer_status },
	{ "/api/v1/map", true, "", answer_map },
	{ "/api/v1/services", true, "group service endpoint peer role errors", answer_services },
	{ "/api/v1/services/", true, "", answer_service },
	{ "/api/v1/requests", true, "limit service endpoint peer role errors", answer_requests },
	{ "/api/v1/traces/", true, "", answer_trace },
};

enum { N_PATHS = sizeof(paths) / sizeof(*paths) };

static enum MHD_Result answer_not_found(const struct answer_request *r)
{
	char text[512];
	size_t n = (size_t)snprintf(text, sizeof(text), "nothing here; there is");

	for (size_t i = 0; i < N_PATHS && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", paths[i].path);
	if (n < sizeof(text))
		snprintf(text + n, sizeof(text) - n, "\n");
	return answer_text(r, MHD_HTTP_NOT_FOUND, text);
}

enum MHD_Result answer_too_large(const struct answer_request *r)
{
	return answer_text(r, MHD_HTTP_CONTENT_TOO_LARGE, "requests here have no body\n");
}

enum MHD_Result answer_head_too_large(const struct answer_request *r)
{
	return answer_text(r, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
			   "the request's head is too long\n");
}

enum MHD_Result answer_of_two_lengths(const struct answer_request *r)
{
	return answer_text(r, MHD_HTTP_BAD_REQUEST, "Content-Length is given twice\n");
}

static enum MHD_Result answer_unknown_argument(const struct answer_request *r, const char *known)
{
	char text[128];

	snprintf(text, sizeof(text), "%s%s\n",
		 *known ? "the arguments here are " : "there are no arguments here", known);
	return answer_text(r, MHD_HTTP_BAD_REQUEST, text);
}

static bool is_meant(const char *asked, const char *path)
{
	size_t n = strlen(path);

	return path[n - 1] == '/' ? strncmp(asked, path, n) == 0 : strcmp(asked, path) == 0;
}

/* Probes have neither certificate nor password, and learn nothing but that it runs. */
static bool is_open_to_all(const char *path)
{
	return strcmp(path, "/healthz") == 0 || strcmp(path, "/livez") == 0 ||
	       strcmp(path, "/readyz") == 0;
}

enum MHD_Result answer(const struct answer_request *r)
{
	enum MHD_Result res = MHD_NO;

	for (size_t i = 0; i < N_PATHS; i++) {
		if (!is_meant(r->path, paths[i].path))
			continue;
		if (!r->is_read)
			return answer_text(r, MHD_HTTP_METHOD_NOT_ALLOWED,
					   "only GET and HEAD; nothing can be changed here\n");
		if (!is_open_to_all(paths[i].path) && !is_let_in(r, &res))
			return res;
		if (paths[i].is_api && !r->is_api_open)
			return answer_text(
				r, MHD_HTTP_FORBIDDEN,
				"the API answers on a loopback address only, unless TLS and "
				"authentication are configured with --web-config\n");
		if (paths[i].arguments && !answer_query_takes(r, paths[i].arguments))
			return answer_unknown_argument(r, paths[i].arguments);
		return paths[i].answer(r);
	}
	return answer_not_found(r);
}
