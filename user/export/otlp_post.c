/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_post.h"

#include <errno.h>

void otlp_grpc_head(uint8_t out[OTLP_GRPC_HEAD], size_t n, bool is_gzip)
{
	out[0] = is_gzip;
	for (int i = 4; i; i--, n >>= 8)
		out[i] = (uint8_t)n;
}

#if __has_include(<curl/curl.h>)

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/log.h"

enum {
	POST_BODY_MAX = 64 * 1024, /* of an answer that is kept: partial success is short */
	POST_EVENTS = 16,
	POST_HEADER_MAX = 2 * OTLP_PAIR_MAX + 4,
	/* before, the second request on a plaintext HTTP/2 connection fails */
	CURL_H2C_REUSE = 0x080000,
};

/* What is under way for a signal. */
struct transfer {
	CURL *easy; /* owned; NULL: nothing was sent yet */
	struct curl_slist *headers;
	enum otlp_signal signal;
	bool is_busy;
	void (*on_reply)(void *ctx, enum otlp_signal s, const struct otlp_reply *r);
	void *ctx;
	struct otlp_reply reply;
	char error[CURL_ERROR_SIZE];
	size_t n;
	uint8_t body[POST_BODY_MAX];
};

struct otlp_post {
	CURLM *multi;
	int epoll;
	uint64_t due_ns;
	const char *user_agent;
	struct transfer of[OTLP_SIGNALS];
};

const char *otlp_post_library(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	struct otlp_post *p = ctx;
	struct epoll_event ev = { .data.fd = fd };

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	ev.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &ev) < 0 && errno == ENOENT &&
	    epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -1;
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	struct otlp_post *p = ctx;

	p->due_ns = ms < 0 ? 0 : clock_mono_ns() + (uint64_t)ms * NS_PER_MS;
	return 0;
}

struct otlp_post *otlp_post_open(const char *user_agent)
{
	struct otlp_post *p;

	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		errno = ENOMEM;
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->user_agent = user_agent;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->multi = p->epoll < 0 ? NULL : curl_multi_init();
	if (!p->multi) {
		otlp_post_close(p);
		errno = ENOMEM;
		return NULL;
	}
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
	curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)OTLP_SIGNALS);
	return p;
}

void otlp_post_close(struct otlp_post *p)
{
	if (!p)
		return;
	for (int s = 0; s < OTLP_SIGNALS; s++) {
		struct transfer *t = &p->of[s];

		if (t->is_busy)
			curl_multi_remove_handle(p->multi, t->easy);
		curl_easy_cleanup(t->easy);
		curl_slist_free_all(t->headers);
	}
	if (p->multi)
		curl_multi_cleanup(p->multi);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p);
	curl_global_cleanup();
}

/* Of a body that never ends the beginning is enough: giving up does not take away the status. */
static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	if (n > POST_BODY_MAX - t->n)
		return 0;
	memcpy(t->body + t->n, bytes, n);
	t->n += n;
	return n;
}

/* The value of a header line, blanks around it left out, if that is its name. */
static bool header_is(const char *line, size_t n, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);

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
static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	char status[8];

	if (!t->reply.is_grpc)
		return n;
	if (header_is(line, n, "grpc-status", status, sizeof(status)))
		t->reply.grpc_status = (int)strtol(status, NULL, 10);
	if (!header_is(line, n, "grpc-message", t->reply.message, sizeof(t->reply.message)))
		header_is(line, n, "grpc-status-details-bin", t->reply.details,
			  sizeof(t->reply.details));
	return n;
}

static int add_header(struct transfer *t, const char *line)
{
	struct curl_slist *l = curl_slist_append(t->headers, line);

	if (!l)
		return -ENOMEM;
	t->headers = l;
	return 0;
}

static int add_headers(struct transfer *t, const struct otlp_endpoint *e)
{
	static const char *const types[] = {
		[OTLP_HTTP_PROTOBUF] = "Content-Type: application/x-protobuf",
		[OTLP_HTTP_JSON] = "Content-Type: application/json",
		[OTLP_GRPC] = "Content-Type: application/grpc",
	};
	char line[POST_HEADER_MAX];
	int err = add_header(t, types[e->protocol]);

	if (!err)
		err = add_header(t, "Expect:"); /* none: libcurl waits for an answer to it */
	if (!err && e->protocol == OTLP_GRPC)
		err = add_header(t, "TE: trailers");
	if (!err && e->is_gzip)
		err = add_header(t, e->protocol == OTLP_GRPC ? "grpc-encoding: gzip"
							     : "Content-Encoding: gzip");
	for (size_t i = 0; i < e->headers.n && !err; i++) {
		snprintf(line, sizeof(line), "%s: %s", e->headers.v[i].key, e->headers.v[i].value);
		err = add_header(t, line);
	}
	return err;
}

static void set_tls(CURL *easy, const struct otlp_endpoint *e)
{
	if (*e->certificate)
		curl_easy_setopt(easy, CURLOPT_CAINFO, e->certificate);
	if (*e->client_certificate)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, e->client_certificate);
	if (*e->client_key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, e->client_key);
}

static void set_version(CURL *easy, const struct otlp_endpoint *e)
{
	bool is_tls = strncasecmp(e->url, "https:", 6) == 0;
	long version = CURL_HTTP_VERSION_1_1;

	if (e->protocol == OTLP_GRPC)
		version = is_tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
	if (e->protocol == OTLP_GRPC &&
	    curl_version_info(CURLVERSION_NOW)->version_num < CURL_H2C_REUSE) {
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
}

static void set_request(struct otlp_post *p, struct transfer *t, const struct otlp_endpoint *e,
			struct slice body)
{
	CURL *easy = t->easy;
	long timeout_ms = (long)(e->timeout_ns / NS_PER_MS);

	curl_easy_setopt(easy, CURLOPT_URL, e->url);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, p->user_agent);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.p);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	/* some compress though nobody asked: libcurl undoes what it was told of */
	if (e->protocol != OTLP_GRPC)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	set_version(easy, e);
	set_tls(easy, e);
}

int otlp_post_send(struct otlp_post *p, enum otlp_signal s, const struct otlp_endpoint *e,
		   struct slice body,
		   void (*on_reply)(void *ctx, enum otlp_signal s, const struct otlp_reply *r),
		   void *ctx)
{
	struct transfer *t = &p->of[s];
	int err;

	if (t->easy)
		curl_easy_reset(t->easy);
	else
		t->easy = curl_easy_init();
	if (!t->easy)
		return -ENOMEM;
	curl_slist_free_all(t->headers);
	t->headers = NULL;
	t->signal = s;
	t->on_reply = on_reply;
	t->ctx = ctx;
	t->n = 0;
	t->error[0] = '\0';
	t->reply = (struct otlp_reply){ .is_grpc = e->protocol == OTLP_GRPC,
					.is_json = e->protocol == OTLP_HTTP_JSON,
					.grpc_status = GRPC_NO_STATUS };
	err = add_headers(t, e);
	if (err)
		return err;
	set_request(p, t, e, body);
	if (curl_multi_add_handle(p->multi, t->easy))
		return -ENOMEM;
	t->is_busy = true;
	return 0;
}

static void finish(struct otlp_post *p, struct transfer *t, CURLcode code)
{
	struct otlp_reply *r = &t->reply;
	curl_off_t after_s = 0;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after_s);
	curl_multi_remove_handle(p->multi, t->easy);
	t->is_busy = false;
	/* an answer that broke off, or was too long, is one by its status; an interim one is none */
	if (status >= 200 && (code == CURLE_OK || code == CURLE_WRITE_ERROR || status != 200))
		r->status = (int)status;
	if (r->status == 0)
		snprintf(r->message, sizeof(r->message), "%s",
			 *t->error ? t->error : curl_easy_strerror(code));
	r->retry_after_ns = after_s > 0 ? (uint64_t)after_s * NS_PER_S : 0;
	r->body = (struct slice){ t->body, t->n };
	t->on_reply(t->ctx, t->signal, r);
}

int otlp_post_fd(const struct otlp_post *p)
{
	return p->epoll;
}

uint64_t otlp_post_due_ns(const struct otlp_post *p)
{
	return p->due_ns;
}

static int bits(uint32_t events)
{
	return (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
	       (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
	       (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
}

void otlp_post_run(struct otlp_post *p)
{
	struct epoll_event events[POST_EVENTS];
	int running, left, n = epoll_wait(p->epoll, events, POST_EVENTS, 0);
	struct transfer *t;
	CURLMsg *m;

	for (int i = 0; i < n; i++)
		curl_multi_socket_action(p->multi, events[i].data.fd, bits(events[i].events),
					 &running);
	if (p->due_ns && p->due_ns <= clock_mono_ns()) {
		p->due_ns = 0;
		curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	while ((m = curl_multi_info_read(p->multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finish(p, t, m->data.result);
	}
}

#else

struct otlp_post *otlp_post_open(const char *user_agent)
{
	errno = ENOSYS;
	return NULL;
}

void otlp_post_close(struct otlp_post *p)
{
}

int otlp_post_send(struct otlp_post *p, enum otlp_signal s, const struct otlp_endpoint *e,
		   struct slice body,
		   void (*on_reply)(void *ctx, enum otlp_signal s, const struct otlp_reply *r),
		   void *ctx)
{
	return -ENOSYS;
}

int otlp_post_fd(const struct otlp_post *p)
{
	return -1;
}

uint64_t otlp_post_due_ns(const struct otlp_post *p)
{
	return 0;
}

void otlp_post_run(struct otlp_post *p)
{
}

const char *otlp_post_library(void)
{
	return NULL;
}

#endif
