/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: /metrics, the health paths and the API, read only. It has no thread of its own:
 * its epoll descriptor is nested in the caller's loop. It knows nothing of what it serves.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metrics/recent.h"
#include "metrics/series.h"

enum {
	SERVER_CONNECTIONS_MAX = 64,
	SERVER_TIMEOUT_S = 8,		       /* without a byte moving */
	SERVER_BODY_MAX = 4096,		       /* of a request, which is thrown away: 413 beyond */
	SERVER_HEAD_MAX = 32 * 1024,	       /* of a request: 431 beyond */
	SERVER_CONNECTION_MEMORY = 128 * 1024, /* that, or an answer's piece */
};

/* What is asked for; texts NULL: of any. Owned by who reads the request. */
struct server_query {
	char *service, *endpoint, *peer;
	enum sonde_role role; /* SONDE_ROLE_UNKNOWN: both */
	bool is_grouped;      /* services: by group, as rows */
	enum recent_group group;
	bool errors_only;
	size_t max; /* requests of each kind */
};

/* Where answers come from. All are called from server_run(). */
struct status_source {
	void *ctx;
	bool (*is_ready)(void *ctx); /* observing, and not about to end */
	/* The series, gauges brought up to date. NULL: out of memory. */
	struct series_store *(*metrics)(void *ctx);
	/* Of /api/v1/services; of one of them, NULL also where there is none of that name; of
	 * /api/v1/requests. As status. */
	char *(*services)(void *ctx, const struct server_query *q);
	char *(*service)(void *ctx, const char *name);
	char *(*requests)(void *ctx, const struct server_query *q);
	/* Of /api/v1/map, and of /api/v1/traces/{id}: as status, NULL also where there is none. */
	char *(*map)(void *ctx);
	char *(*trace)(void *ctx, const char *trace_id);
	char *(*status)(void *ctx); /* JSON, malloc'd, the server's to free; NULL: out of memory */
};

struct server;
struct web_config;

/* addr: a numeric address or a name of this host; port 0: any free one. The source is copied, its
 * ctx borrowed, web too (NULL: neither TLS nor authentication). 0, or -errno with one line in err
 * that says what to do. *out is set on success only. */
int server_open(struct server **out, const char *addr, uint16_t port,
		const struct status_source *source, struct web_config *web, char *err, size_t size);
/* The same socket with another certificate, other users: for connections from now on, with the users
 * for all. web: borrowed as above. -errno with one line in err: it goes on with what it had. */
int server_renew(struct server *s, struct web_config *web, char *err, size_t size);
void server_close(struct server *s); /* drops connections; NULL accepted */

/* Serves a connection that somebody else accepted: a stream socket, non-blocking, from now on the
 * server's. 0, or -errno (and the socket stays the caller's). */
int server_adopt(struct server *s, int fd);

uint16_t server_port(const struct server *s);
int server_epoll_fd(const struct server *s);   /* readable: call server_run() */
int server_timeout_ms(const struct server *s); /* call server_run() after that long; -1: no need */
void server_run(struct server *s);	       /* never blocks, bounded work */

#endif
