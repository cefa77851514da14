/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fetch.h"

#include <errno.h>

#if __has_include(<curl/curl.h>)

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/list.h"

enum {
	FETCH_EVENTS = 16,
	FETCH_IDLE_CONNECTIONS = 8,
	/* before, the second request on a plaintext HTTP/2 connection fails */
	CURL_H2C_REUSE = 0x080000,
};

struct fetch {
	struct list all;
	struct fetcher *of;
	CURL *easy; /* owned */
	struct curl_slist *headers;
	struct fetch_request r; /* its strings are libcurl's by now */
	char error[CURL_ERROR_SIZE];
};

struct fetcher {
	CURLM *multi;
	int epoll;
	uint64_t due_ns;
	const char *user_agent;
	struct list all;
};

const char *fetch_library(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	struct fetcher *f = ctx;
	struct epoll_event ev = { .data.fd = fd };

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(f->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	ev.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(f->epoll, EPOLL_CTL_MOD, fd, &ev) < 0 && errno == ENOENT &&
	    epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -1;
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	struct fetcher *f = ctx;

	f->due_ns = ms < 0 ? 0 : clock_mono_ns() + (uint64_t)ms * NS_PER_MS;
	return 0;
}

struct fetcher *fetcher_open(const char *user_agent)
{
	struct fetcher *f;

	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		errno = ENOMEM;
		return NULL;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	list_init(&f->all);
	f->user_agent = user_agent;
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	f->multi = f->epoll < 0 ? NULL : curl_multi_init();
	if (!f->multi) {
		fetcher_close(f);
		errno = ENOMEM;
		return NULL;
	}
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)FETCH_IDLE_CONNECTIONS);
	return f;
}

void fetcher_close(struct fetcher *f)
{
	if (!f)
		return;
	while (!list_empty(&f->all))
		fetch_cancel(LIST_ENTRY(f->all.next, struct fetch, all));
	if (f->multi)
		curl_multi_cleanup(f->multi);
	if (f->epoll >= 0)
		close(f->epoll);
	free(f);
	curl_global_cleanup();
}

void fetch_cancel(struct fetch *t)
{
	if (!t)
		return;
	list_del(&t->all);
	if (t->easy) {
		curl_multi_remove_handle(t->of->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->headers);
	free(t);
}

static int status_of(CURL *easy)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct fetch *t = ctx;

	if (!t->r.on_piece)
		return n;
	return t->r.on_piece(t->r.ctx, status_of(t->easy), (struct slice){ (uint8_t *)bytes, n })
		       ? n
		       : 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	struct fetch *t = ctx;

	if (t->r.on_header)
		t->r.on_header(t->r.ctx, (struct slice){ (uint8_t *)line, n });
	return n;
}

static int add_header(struct fetch *t, const char *line)
{
	struct curl_slist *l = curl_slist_append(t->headers, line);

	if (!l)
		return -ENOMEM;
	t->headers = l;
	return 0;
}

static void set_tls(CURL *easy, const struct fetch_request *r)
{
	if (r->authorities)
		curl_easy_setopt(easy, CURLOPT_CAINFO, r->authorities);
	if (r->certificate)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, r->certificate);
	if (r->key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, r->key);
}

static void set_version(CURL *easy, const struct fetch_request *r)
{
	bool is_tls = strncasecmp(r->url, "https:", 6) == 0;
	long version = CURL_HTTP_VERSION_1_1;

	if (r->is_http2)
		version = is_tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
	if (r->is_http2 && curl_version_info(CURLVERSION_NOW)->version_num < CURL_H2C_REUSE) {
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
}

static void set_target(CURL *easy, const struct fetch_request *r)
{
	uint64_t connect_ns = r->connect_ns ? r->connect_ns : r->timeout_ns;

	curl_easy_setopt(easy, CURLOPT_URL, r->url);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	if (r->unix_path) {
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, r->unix_path);
		curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	}
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(r->timeout_ns / NS_PER_MS));
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ns / NS_PER_MS));
}

static void set_request(struct fetch *t)
{
	const struct fetch_request *r = &t->r;
	CURL *easy = t->easy;

	set_target(easy, r);
	set_version(easy, r);
	set_tls(easy, r);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, t->of->user_agent);
	if (r->body.p) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.p);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	/* some compress though nobody asked: libcurl undoes what it was told of */
	if (r->takes_gzip)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
}

struct fetch *fetch_start(struct fetcher *f, const struct fetch_request *r)
{
	struct fetch *t = calloc(1, sizeof(*t));
	int err = 0;

	if (!t)
		return NULL;
	t->of = f;
	t->r = *r;
	list_push(&f->all, &t->all);
	t->easy = curl_easy_init();
	for (size_t i = 0; r->headers && r->headers[i] && !err; i++)
		err = add_header(t, r->headers[i]);
	if (!err && r->body.p)
		err = add_header(t, "Expect:"); /* none: libcurl waits for an answer to it */
	if (!t->easy || err)
		goto fail;
	set_request(t);
	if (curl_multi_add_handle(f->multi, t->easy))
		goto fail;
	return t;
fail:
	fetch_cancel(t);
	return NULL;
}

/* Of a socket in the file system libcurl only says that it could not connect to some port. */
static const char *error_of(const struct fetch *t, CURLcode code)
{
	long err = 0;

	if (t->r.unix_path && code == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &err);
	if (err)
		return strerror((int)err);
	return *t->error ? t->error : curl_easy_strerror(code);
}

static void finish(struct fetch *t, CURLcode code)
{
	struct fetch_end end = {
		.status = status_of(t->easy),
		.is_whole = code == CURLE_OK,
		.is_enough = code == CURLE_WRITE_ERROR,
		.error = code == CURLE_OK ? "" : error_of(t, code),
	};
	curl_off_t after_s = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after_s);
	end.retry_after_ns = after_s > 0 ? (uint64_t)after_s * NS_PER_S : 0;
	t->r.on_end(t->r.ctx, &end);
	fetch_cancel(t);
}

int fetcher_fd(const struct fetcher *f)
{
	return f->epoll;
}

uint64_t fetcher_due_ns(const struct fetcher *f)
{
	return f->due_ns;
}

static int bits(uint32_t events)
{
	return (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
	       (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
	       (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
}

void fetcher_run(struct fetcher *f)
{
	struct epoll_event events[FETCH_EVENTS];
	int running, left, n = epoll_wait(f->epoll, events, FETCH_EVENTS, 0);
	struct fetch *t;
	CURLMsg *m;

	for (int i = 0; i < n; i++)
		curl_multi_socket_action(f->multi, events[i].data.fd, bits(events[i].events),
					 &running);
	if (f->due_ns && f->due_ns <= clock_mono_ns()) {
		f->due_ns = 0;
		curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	while ((m = curl_multi_info_read(f->multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finish(t, m->data.result);
	}
}

#else

struct fetcher *fetcher_open(const char *user_agent)
{
	errno = ENOSYS;
	return NULL;
}

void fetcher_close(struct fetcher *f)
{
}

struct fetch *fetch_start(struct fetcher *f, const struct fetch_request *r)
{
	return NULL;
}

void fetch_cancel(struct fetch *t)
{
}

int fetcher_fd(const struct fetcher *f)
{
	return -1;
}

uint64_t fetcher_due_ns(const struct fetcher *f)
{
	return 0;
}

void fetcher_run(struct fetcher *f)
{
}

const char *fetch_library(void)
{
	return NULL;
}

#endif
