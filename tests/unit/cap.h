/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures to test against: packets of one TCP connection are written into a capture in memory,
 * which is then read as a file. What comes out are records, played by sim.
 */
#ifndef CAP_H
#define CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/pcap_ip.h"
#include "capture/source.h"
#include "sim.h"

enum { CAP_CLIENT = 0, CAP_SERVER = 1 };

struct cap {
	uint8_t *bytes; /* the file; owned */
	size_t n, size;
	int dlt;
	uint32_t snaplen;   /* 0: packets are whole */
	uint64_t now_ns;    /* of the next packet */
	uint64_t step_ns;   /* between packets */
	uint32_t seq[2];    /* next byte of each end */
	uint16_t port;	    /* of the client */
	uint16_t vlan_tags; /* before the EtherType, 0 to 2 */
	bool is_ng;	    /* pcapng */
	bool is_ipv6;	    /* with extension headers */
	bool is_fragment;   /* packets say that they are the first of several */
	bool is_offloaded;  /* IP does not say how long it is */
	uint32_t pad;	    /* zeroes behind each packet */
};

/* An Ethernet capture of a connection from 10.0.0.1:port to 10.0.0.2:80. */
void cap_init(struct cap *c);
void cap_header(struct cap *c); /* written by cap_init, for Ethernet pcap; again after changes */
void cap_free(struct cap *c);

/* One segment as it is said to be; nothing is kept. */
void cap_raw(struct cap *c, int from, uint8_t flags, uint32_t seq, uint32_t ack, const void *bytes,
	     size_t n);
/* The next segment of an end, with what the other one has sent acknowledged. */
void cap_send(struct cap *c, int from, const char *text);
void cap_syn(struct cap *c); /* three packets */
void cap_fin(struct cap *c); /* client, server, and the last acknowledgement */

/* Segments that carry nothing but an acknowledgement; a request and its response. */
void cap_ack(struct cap *c, int from);
void cap_exchange(struct cap *c);

extern const char cap_get[29]; /* GET /a, 28 bytes */
extern const char cap_ok[41];  /* 200, 40 bytes, 2 of them body */

/* Reads the capture. Its records go into *s (sim_init it first); what read() ended with is
 * returned. *flaws: as pcapfile_flaws, or empty. */
int cap_read(const struct cap *c, struct sim *s, char *flaws, size_t size);
/* The same, played: a line for each transaction; free it. Aborts if the capture is refused. */
char *cap_run(const struct cap *c);

size_t cap_count(const char *text, const char *what);
/* Both ends have seen n exchanges of cap_get and nothing else; sizes: "request/body response/body".
 * A test fails where it is not so. */
void cap_expect(const struct cap *c, size_t n, const char *sizes);
/* Requests and responses that are said to be lost, at both ends together. */
uint64_t cap_lost(const struct cap *c);
void cap_expect_flaws(const struct cap *c, const char *flaws);

#endif
