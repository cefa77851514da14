/* SPDX-License-Identifier: Apache-2.0 */
/* IP packets of captures, and the TCP segments and UDP datagrams in them. Pure: believes nothing
 * about the bytes. */
#ifndef PCAP_IP_H
#define PCAP_IP_H

#include <stdint.h>
#include "sonde_abi.h"
#include "util/slice.h"

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

struct pcap_segment {
	uint64_t ts_ns; /* of the packet; the caller fills it in */
	struct sonde_addr from, to;
	struct slice payload; /* what was captured of it: at most `len`; borrowed */
	uint32_t len;	      /* of the payload on the wire */
	uint32_t seq, ack;
	uint8_t family;
	uint8_t flags; /* TCP_* */
};

enum pcap_found {
	PCAP_FOUND_TCP,
	PCAP_FOUND_UDP, /* seq, ack and flags mean nothing */
	PCAP_FOUND_OTHER,
	PCAP_FOUND_FRAGMENT, /* part of a packet; they are not put together */
	PCAP_FOUND_CUT,	     /* the capture ends before the headers do */
	PCAP_FOUND_BAD,
	PCAP_FOUND_MAX
};

/* `wire`: how long the packet was before it was cut to the snapshot length. Checksums are not
 * looked at: a packet captured where it was sent has none yet when the card computes it. *out is
 * written for TCP and UDP only. */
enum pcap_found pcap_ip_decode(struct slice packet, size_t wire, struct pcap_segment *out);

#endif
