/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to collectors, through libcurl: HTTP/1.1 and gRPC, with TLS or without. Never blocks;
 * its descriptors are nested in one epoll descriptor of the caller's loop. Built without libcurl it
 * opens nothing.
 */
#ifndef OTLP_POST_H
#define OTLP_POST_H

#include "export/otlp_answer.h"
#include "export/otlp_config.h"

struct otlp_post;

enum { OTLP_GRPC_HEAD = 5 }; /* bytes that stand before a message: otlp_grpc_head() */

/* user_agent: borrowed. NULL: errno, ENOSYS when built without libcurl. */
struct otlp_post *otlp_post_open(const char *user_agent);
void otlp_post_close(struct otlp_post *p); /* gives up what is under way; NULL accepted */

/* Sends `body`, which is borrowed until on_reply, to where the endpoint says. At most one for each
 * signal at a time. on_reply is called from otlp_post_run(), its reply lives for the call. 0, or
 * -errno. */
int otlp_post_send(struct otlp_post *p, enum otlp_signal s, const struct otlp_endpoint *e,
		   struct slice body,
		   void (*on_reply)(void *ctx, enum otlp_signal s, const struct otlp_reply *r),
		   void *ctx);

int otlp_post_fd(const struct otlp_post *p);	      /* readable: call otlp_post_run() */
uint64_t otlp_post_due_ns(const struct otlp_post *p); /* and at that time, monotonic; 0: no need */
void otlp_post_run(struct otlp_post *p);

/* A gRPC message's length and whether it is compressed, into the bytes kept before it. */
void otlp_grpc_head(uint8_t out[OTLP_GRPC_HEAD], size_t n, bool is_gzip);

/* "libcurl 7.88.1", or NULL: built without it. */
const char *otlp_post_library(void);

#endif
