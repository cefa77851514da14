/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams that a capture has twice: who captures on every interface sees one on each it passes,
 * on the loopback interface going and coming. A connection knows by its numbers; a datagram is the
 * same when all of it is, within a time in which nobody would repeat it.
 */
#ifndef PCAP_AGAIN_H
#define PCAP_AGAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/pcap_ip.h"

enum { PCAP_AGAIN_SLOTS = 1024 };

#define PCAP_AGAIN_NS (1000 * 1000ULL)

struct pcap_again {
	struct {
		uint64_t hash, ts_ns;
	} seen[PCAP_AGAIN_SLOTS]; /* one that shares a slot takes it */
};

/* Was it seen just now? Remembers it. */
bool pcap_again(struct pcap_again *a, const struct pcap_segment *seg);

/* Of bytes: FNV-1a, going on from `h`. */
uint64_t pcap_hash(uint64_t h, const void *bytes, size_t n);
uint64_t pcap_hash_addr(uint64_t h, const struct sonde_addr *a);

enum { PCAP_HASH_FIRST = 0x1b873593 };

#endif
