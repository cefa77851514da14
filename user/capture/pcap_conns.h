/* SPDX-License-Identifier: Apache-2.0 */
/* The TCP connections of a capture: segments in, records of both ends out. Bounded: beyond the cap
 * the connection that was silent longest is given up, and counted. */
#ifndef PCAP_CONNS_H
#define PCAP_CONNS_H

#include <stdint.h>
#include "capture/pcap_ip.h"
#include "capture/pcap_records.h"

enum { PCAP_CONNS_MAX = 32768 }; /* each is two for the pipeline */

struct pcap_conns_stats {
	uint64_t connections;
	uint64_t evicted;
	uint64_t holes; /* stretches the capture lacks */
	uint64_t hole_bytes;
	uint64_t cut_segments; /* by the snapshot length */
	uint64_t cut_bytes;
	uint64_t strays; /* segments that belong to no window */
};

struct pcap_conns;

struct pcap_conns *pcap_conns_new(size_t max); /* 0: PCAP_CONNS_MAX; NULL: out of memory */
void pcap_conns_free(struct pcap_conns *cs);   /* NULL accepted */

/* 0 or -ENOMEM: the segment is lost. */
int pcap_conns_segment(struct pcap_conns *cs, struct pcap_records *r,
		       const struct pcap_segment *seg);
const struct pcap_conns_stats *pcap_conns_stats(const struct pcap_conns *cs);

#endif
