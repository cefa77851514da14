/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests to others, through libcurl: over TCP or a unix socket, with TLS or without, answers
 * that end and answers that go on. Never blocks; its descriptors are nested in one epoll descriptor
 * of the caller's loop. Built without libcurl it opens nothing.
 */
#ifndef FETCH_H
#define FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/slice.h"

struct fetcher;
struct fetch; /* a request under way */

struct fetch_end {
	int status;		 /* HTTP; 0: no answer came */
	bool is_whole;		 /* the answer came to its end */
	bool is_enough;		 /* on_piece refused the rest */
	uint64_t retry_after_ns; /* as the answer asks; 0: not said */
	const char *error;	 /* what failed, for people; empty when is_whole */
};

/* All strings are copied but the body. NULL: not given. */
struct fetch_request {
	const char *url; /* http:// or https:// */
	const char *unix_path;
	const char *const *headers; /* "Name: value", ended by NULL */
	struct slice body;	    /* borrowed to the end; p is NULL: a GET, else a POST */
	bool is_http2;		    /* from the first byte, or by ALPN; else HTTP/1.1 */
	bool takes_gzip;	    /* undone before on_piece */
	const char *authorities, *certificate, *key; /* files: who is trusted; who we are */
	uint64_t timeout_ns;			     /* of the whole; 0: none */
	uint64_t connect_ns;			     /* to be connected; 0: that of the whole */
	/* A run of the answer's body, of any status. False: enough, the rest is refused. */
	bool (*on_piece)(void *ctx, int status, struct slice piece);
	void (*on_header)(void *ctx, struct slice line); /* and trailers; NULL: not interested */
	/* Once, from fetcher_run(), unless cancelled; the request is gone when it returns. It may
	 * start another. */
	void (*on_end)(void *ctx, const struct fetch_end *end);
	void *ctx;
};

/* user_agent: borrowed. NULL: errno, ENOSYS when built without libcurl. */
struct fetcher *fetcher_open(const char *user_agent);
void fetcher_close(struct fetcher *f); /* cancels what is under way; NULL accepted */

/* NULL: out of memory. Callbacks come from fetcher_run() only. */
struct fetch *fetch_start(struct fetcher *f, const struct fetch_request *r);
/* Nothing more is heard of it. Not from its own callbacks. NULL accepted. */
void fetch_cancel(struct fetch *t);

int fetcher_fd(const struct fetcher *f);	  /* readable: call fetcher_run() */
uint64_t fetcher_due_ns(const struct fetcher *f); /* and at that time, monotonic; 0: no need */
void fetcher_run(struct fetcher *f);

/* "7.88.1", or NULL: built without it. */
const char *fetch_library(void);

#endif
