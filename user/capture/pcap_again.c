// SPDX-License-Identifier: Apache-2.0
#include "capture/pcap_again.h"

uint64_t pcap_hash(uint64_t h, const void *bytes, size_t n)
{
	for (const uint8_t *p = bytes; n--; p++)
		h = (h ^ *p) * 0x100000001b3ULL;
	return h;
}

uint64_t pcap_hash_addr(uint64_t h, const struct sonde_addr *a)
{
	return pcap_hash(pcap_hash(h, a->ip, sizeof(a->ip)), &a->port, sizeof(a->port));
}

bool pcap_again(struct pcap_again *a, const struct pcap_segment *seg)
{
	uint64_t h = pcap_hash_addr(pcap_hash_addr(PCAP_HASH_FIRST, &seg->from), &seg->to), ago;
	bool is_again;
	size_t at;

	h = pcap_hash(h, seg->payload.p, seg->payload.n);
	at = h % PCAP_AGAIN_SLOTS;
	ago = seg->ts_ns - a->seen[at].ts_ns;
	is_again = a->seen[at].hash == h && ago < PCAP_AGAIN_NS;
	if (is_again) /* the third time, it is the first that it was seen after */
		return true;
	a->seen[at].hash = h;
	a->seen[at].ts_ns = seg->ts_ns;
	return false;
}
