/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_post.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "net/fetch.h"

enum {
	POST_BODY_MAX = 64 * 1024, /* of an answer that is kept: partial success is short */
	POST_HEADER_MAX = 2 * OTLP_PAIR_MAX + 4,
	POST_HEADERS_MAX = OTLP_PAIRS_MAX + 4,
};

/* What is under way for a signal. */
struct transfer {
	struct fetch *fetch; /* NULL: nothing is */
	enum otlp_signal signal;
	void (*on_reply)(void *ctx, enum otlp_signal s, const struct otlp_reply *r);
	void *ctx;
	struct otlp_reply reply;
	size_t n;
	uint8_t body[POST_BODY_MAX];
};

struct otlp_post {
	struct fetcher *fetcher;
	struct transfer of[OTLP_SIGNALS];
};

void otlp_grpc_head(uint8_t out[OTLP_GRPC_HEAD], size_t n, bool is_gzip)
{
	out[0] = is_gzip;
	for (int i = 4; i; i--, n >>= 8)
		out[i] = (uint8_t)n;
}

const char *otlp_post_library(void)
{
	return fetch_library();
}

struct otlp_post *otlp_post_open(const char *user_agent)
{
	struct otlp_post *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->fetcher = fetcher_open(user_agent);
	if (p->fetcher)
		return p;
	free(p);
	return NULL;
}

void otlp_post_close(struct otlp_post *p)
{
	if (!p)
		return;
	fetcher_close(p->fetcher);
	free(p);
}

/* Of a body that never ends the beginning is enough: giving up does not take away the status. */
static bool on_piece(void *ctx, int status, struct slice piece)
{
	struct transfer *t = ctx;

	if (piece.n > POST_BODY_MAX - t->n)
		return false;
	memcpy(t->body + t->n, piece.p, piece.n);
	t->n += piece.n;
	return true;
}

/* The value of a header line, blanks around it left out, if that is its name. */
static bool header_is(struct slice s, const char *name, char *out, size_t size)
{
	const char *line = (const char *)s.p;
	size_t len = strlen(name), n = s.n;

	if (n <= len || strncasecmp(line, name, len) != 0 || line[len] != ':')
		return false;
	line += len + 1;
	n -= len + 1;
	while (n && (*line == ' ' || *line == '\t'))
		line++, n--;
	while (n && strchr(" \t\r\n", line[n - 1]))
		n--;
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), line);
	return true;
}

/* Trailers come this way, too. */
static void on_header(void *ctx, struct slice line)
{
	struct transfer *t = ctx;
	char status[8];

	if (!t->reply.is_grpc)
		return;
	if (header_is(line, "grpc-status", status, sizeof(status)))
		t->reply.grpc_status = (int)strtol(status, NULL, 10);
	if (!header_is(line, "grpc-message", t->reply.message, sizeof(t->reply.message)))
		header_is(line, "grpc-status-details-bin", t->reply.details,
			  sizeof(t->reply.details));
}

static void on_end(void *ctx, const struct fetch_end *end)
{
	struct transfer *t = ctx;
	struct otlp_reply *r = &t->reply;

	t->fetch = NULL;
	/* an answer that broke off, or was too long, is one by its status; an interim one is none */
	if (end->status >= 200 && (end->is_whole || end->is_enough || end->status != 200))
		r->status = end->status;
	if (r->status == 0)
		snprintf(r->message, sizeof(r->message), "%s", end->error);
	r->retry_after_ns = end->retry_after_ns;
	r->body = (struct slice){ t->body, t->n };
	t->on_reply(t->ctx, t->signal, r);
}

struct headers {
	const char *list[POST_HEADERS_MAX + 1];
	char own[OTLP_PAIRS_MAX][POST_HEADER_MAX];
};

static void set_headers(struct headers *h, const struct otlp_endpoint *e)
{
	static const char *const types[] = {
		[OTLP_HTTP_PROTOBUF] = "Content-Type: application/x-protobuf",
		[OTLP_HTTP_JSON] = "Content-Type: application/json",
		[OTLP_GRPC] = "Content-Type: application/grpc",
	};
	size_t n = 0;

	h->list[n++] = types[e->protocol];
	if (e->protocol == OTLP_GRPC)
		h->list[n++] = "TE: trailers";
	if (e->is_gzip)
		h->list[n++] =
			e->protocol == OTLP_GRPC ? "grpc-encoding: gzip" : "Content-Encoding: gzip";
	for (size_t i = 0; i < e->headers.n; i++) {
		snprintf(h->own[i], sizeof(h->own[i]), "%s: %s", e->headers.v[i].key,
			 e->headers.v[i].value);
		h->list[n++] = h->own[i];
	}
	h->list[n] = NULL;
}

static const char *given(const char *file)
{
	return *file ? file : NULL;
}

int otlp_post_send(struct otlp_post *p, enum otlp_signal s, const struct otlp_endpoint *e,
		   struct slice body,
		   void (*on_reply)(void *ctx, enum otlp_signal s, const struct otlp_reply *r),
		   void *ctx)
{
	bool is_grpc = e->protocol == OTLP_GRPC;
	struct transfer *t = &p->of[s];
	struct headers headers;

	t->signal = s;
	t->on_reply = on_reply;
	t->ctx = ctx;
	t->n = 0;
	t->reply = (struct otlp_reply){ .is_grpc = is_grpc,
					.is_json = e->protocol == OTLP_HTTP_JSON,
					.grpc_status = GRPC_NO_STATUS };
	set_headers(&headers, e);
	t->fetch = fetch_start(p->fetcher, &(struct fetch_request){
						   .url = e->url,
						   .headers = headers.list,
						   .body = body,
						   .is_http2 = is_grpc,
						   .takes_gzip = !is_grpc,
						   .authorities = given(e->certificate),
						   .certificate = given(e->client_certificate),
						   .key = given(e->client_key),
						   .timeout_ns = e->timeout_ns,
						   .on_piece = on_piece,
						   .on_header = on_header,
						   .on_end = on_end,
						   .ctx = t,
					   });
	return t->fetch ? 0 : -ENOMEM;
}

int otlp_post_fd(const struct otlp_post *p)
{
	return fetcher_fd(p->fetcher);
}

uint64_t otlp_post_due_ns(const struct otlp_post *p)
{
	return fetcher_due_ns(p->fetcher);
}

void otlp_post_run(struct otlp_post *p)
{
	fetcher_run(p->fetcher);
}
