/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a capture shows of a TCP connection, or of a datagram, as the records the kernel would have
 * made of its two ends, had both been on the observed host. Each piece of payload is a send at one
 * end, at the time of its packet, and a receive at the other end, as soon as nothing before it is
 * missing.
 *
 * A capture knows addresses and no processes: tgid and tid are 0.
 */
#ifndef PCAP_RECORDS_H
#define PCAP_RECORDS_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/pcap_half.h"
#include "capture/pcap_ip.h"
#include "capture/source.h"
#include "util/list.h"

enum { PCAP_NO_END = 2 };

/* Ends are 0 and 1: half[0] is what end 0 sends. */
struct pcap_conn {
	struct list used;	 /* by last packet */
	struct pcap_conn *alike; /* with the same hash */
	uint64_t hash;
	uint64_t cookie[2];
	uint64_t syn_ns; /* the first SYN of the client; 0: not seen */
	struct sonde_addr addr[2];
	struct pcap_half half[2];
	uint8_t family;
	uint8_t client; /* the end that connected; PCAP_NO_END: not known */
	bool is_fresh;	/* its handshake was seen */
	bool is_open;	/* handed out */
	bool is_closed; /* and its end, or it never opened and will not */
};

struct pcap_records {
	source_fn fn;
	void *ctx;
	uint64_t now_ns; /* of the packet in hand */
	int n;		 /* handed out */
	bool is_stopped; /* fn wants no more */
	uint64_t buffer[(sizeof(struct sonde_ev_data) + SONDE_COPY_MAX) / sizeof(uint64_t)];
};

/* Each says the same to both ends. `from` is the end that sends. */
void pcap_records_open(struct pcap_records *r, const struct pcap_conn *c);
void pcap_records_data(struct pcap_records *r, const struct pcap_conn *c, int from,
		       const struct pcap_piece *p);
/* Bytes up to `end` were received and are not in the capture. */
void pcap_records_hole(struct pcap_records *r, const struct pcap_conn *c, int from, uint32_t end);
void pcap_records_fin(struct pcap_records *r, const struct pcap_conn *c, int from);
void pcap_records_reset(struct pcap_records *r, const struct pcap_conn *c, int from);
void pcap_records_done(struct pcap_records *r, const struct pcap_conn *c);
void pcap_records_gone(struct pcap_records *r, const struct pcap_conn *c); /* no goodbye seen */
void pcap_records_refused(struct pcap_records *r, const struct pcap_conn *c);
/* A datagram: a socket at each end, known by its address alone. */
void pcap_records_datagram(struct pcap_records *r, const struct pcap_segment *seg);
void pcap_records_tick(struct pcap_records *r, uint64_t now_ns);

#endif
