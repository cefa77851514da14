/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP per service and, of clients, per peer. The kernel adds up by process (bpf/tcp.bpf.h); this
 * makes what the sums grew by the growth of the services' series, and what the last walk over open
 * sockets found their gauges. Live only: a recording has requests.
 */
#ifndef TCP_H
#define TCP_H

#include <stdbool.h>
#include <stdint.h>
#include "metrics/series.h"
#include "sonde_abi.h"

enum { TCP_LISTENERS_MAX = 16384 };

struct tcp;

struct tcp_opts {
	struct series_store *store; /* borrowed */
	/* Whose a process is; NULL: nobody's. */
	const struct service *(*service_of)(void *ctx, uint32_t tgid);
	/* What a server's address is called, NULL: nobody knows. NULL: nobody is asked. */
	const char *(*name_of)(void *ctx, enum sonde_family family, const uint8_t ip[16]);
	/* Told of each process so many bytes more; NULL: nobody asks. */
	void (*on_bytes)(void *ctx, uint32_t tgid, uint64_t sent, uint64_t received);
	void *ctx;
};

struct tcp *tcp_new(const struct tcp_opts *opts); /* NULL: out of memory */
void tcp_free(struct tcp *t);

/* A walk: its number, from 1, then each listening socket it finds, each time it does. It may take
 * a while: what is open is known when it ends. */
void tcp_walk_begin(struct tcp *t, uint32_t walk);
void tcp_listener(struct tcp *t, const struct sonde_listener *l);
void tcp_walk_end(struct tcp *t);

/* The sums as they are now, all of them: begin, take each, publish. False: nothing came to these
 * for a minute and nothing is open, or for a few seconds where thousands are kept; they are
 * forgotten, and to be begun anew in the kernel. What comes to them until then is told last. */
void tcp_begin(struct tcp *t, uint64_t now_ns);
bool tcp_take(struct tcp *t, const struct sonde_tcp_key *key, const struct sonde_tcp *now);
void tcp_take_last(struct tcp *t, const struct sonde_tcp_key *key, const struct sonde_tcp *taken,
		   const struct sonde_tcp *now);
void tcp_publish(struct tcp *t);

uint64_t tcp_left_out(const struct tcp *t); /* listening sockets there was no room for, so often */

#endif
