/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate, errors, duration: transactions become series. The keeper of the series store and of the
 * gauges that are counted at the moment of asking.
 */
#ifndef RED_H
#define RED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "export/export.h"
#include "metrics/series.h"
#include "stream/conn.h"

struct red_opts {
	size_t max_series;	    /* per metric, 0: SERIES_DEFAULT_MAX */
	bool sizes;		    /* body size histograms */
	bool server_address;	    /* server_address and server_port on server metrics too */
	int64_t realtime_offset_ns; /* of the source */
	const char *host_name;	    /* of the observed host; NULL: not known, as in a replay */
	const char *version;	    /* of sonde */
	uint64_t now_ns;
	/* Requests in flight, services and whose a process is: of the pipeline. Each may be NULL:
	 * what depends on it is then absent. */
	void (*each_inflight)(void *ctx, void (*fn)(void *arg, const struct conn_inflight *r),
			      void *arg);
	void (*each_service)(void *ctx, void (*fn)(void *arg, struct service *s), void *arg);
	const struct service *(*service_of)(void *ctx, uint32_t tgid);
	/* connections that are encrypted and not read; library: NULL, not known */
	void (*each_dark)(void *ctx, void (*fn)(void *arg, uint32_t tgid, const char *library),
			  void *arg);
	void *ctx;
};

struct red;

struct red *red_new(const struct red_opts *opts); /* strings borrowed; NULL: out of memory */
void red_free(struct red *r);

/* What to give to pipeline_add(). Its close() does nothing: r stays the caller's, to be read after
 * the end of a replay. Its tick() drops the series of services that are gone. */
void red_exporter(struct red *r, struct exporter *out);

/* Who calls whom. */
struct graph *red_graph(struct red *r);

/* From now on the spans that are sampled are exported: durations point there. */
void red_exemplars(struct red *r);

/* The store, for exposition. */
struct series_store *red_store(struct red *r);

/* Brings the gauges up to date: requests in flight, oldest request, target_info, the store's own
 * numbers. Call before each exposition. */
void red_collect(struct red *r, uint64_t now_ns);

/* Room for what is a label value but no string in a transaction. */
struct red_text {
	char status[12];
	char address[SONDE_UNIX_PATH_LEN + 1]; /* longer than any IP address */
	char port[8];
};

/* "/package.Service/Method" without its first slash, as the convention has it. */
struct slice red_rpc_method(const struct txn *t);

/* An IP address; one of IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2) as IPv4. Points into text. */
struct slice red_ip(enum sonde_family family, const uint8_t ip[16], struct red_text *text);

/* Name or address, and port, of a transaction's server end: the name asked for, else what its IP
 * address is called, else that, or the path of the socket. They point into t or text; empty: not
 * known. */
void red_server(const struct txn *t, struct red_text *text, struct slice *address,
		struct slice *port);
struct slice red_server_address(const struct txn *t, struct red_text *text);
uint16_t red_server_port(const struct txn *t); /* 0: not known */

#endif
