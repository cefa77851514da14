// SPDX-License-Identifier: Apache-2.0
/* https://www.tcpdump.org/linktypes.html */
#include "capture/pcap_link.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <stdint.h>

#include "capture/pcap_bytes.h"

enum {
	ETHERTYPE_OF_IPV4 = 0x0800,
	ETHERTYPE_OF_IPV6 = 0x86dd,
	VLAN_TAGS_MAX = 4,
};

static void take(struct slice *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

static bool is_vlan(uint16_t ethertype)
{
	/* IEEE 802.1Q, 802.1ad, and what was used before 802.1ad had a number */
	return ethertype == 0x8100 || ethertype == 0x88a8 || ethertype == 0x9100;
}

/* What follows an EtherType: tags, each with the next EtherType behind it, then the packet. */
static int strip_ethertype(uint16_t ethertype, struct slice *frame)
{
	for (int i = 0; i < VLAN_TAGS_MAX && is_vlan(ethertype); i++) {
		if (frame->n < 4)
			return -EBADMSG;
		ethertype = be16(frame->p + 2);
		take(frame, 4);
	}
	return ethertype == ETHERTYPE_OF_IPV4 || ethertype == ETHERTYPE_OF_IPV6 ? 0 : -ENOTSUP;
}

/* A header of `size` bytes with the EtherType at `at`. */
static int strip_header(struct slice *frame, size_t size, size_t at)
{
	uint16_t ethertype;

	if (frame->n < size)
		return -EBADMSG;
	ethertype = be16(frame->p + at);
	take(frame, size);
	return strip_ethertype(ethertype, frame);
}

/* The address family in the byte order of the host that captured, or in network order (LOOP): so
 * in either, for all of them are small. AF_INET6 has a number of its own on each system. */
static int strip_family(struct slice *frame)
{
	uint32_t family;

	if (frame->n < 4)
		return -EBADMSG;
	family = be32(frame->p);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	take(frame, 4);
	switch (family) {
	case 2:	 /* AF_INET everywhere */
	case 10: /* AF_INET6: Linux, */
	case 24: /* NetBSD and OpenBSD, */
	case 28: /* FreeBSD, */
	case 30: /* macOS */ return 0;
	default: return -ENOTSUP;
	}
}

bool pcap_link_is_known(int dlt)
{
	switch (dlt) {
	case DLT_NULL:
	case DLT_LOOP:
	case DLT_EN10MB:
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
	case DLT_LINUX_SLL:
	case DLT_LINUX_SLL2: return true;
	default: return false;
	}
}

int pcap_link_strip(int dlt, struct slice *frame)
{
	switch (dlt) {
	case DLT_NULL:
	case DLT_LOOP: return strip_family(frame);
	case DLT_EN10MB: return strip_header(frame, 14, 12);
	case DLT_LINUX_SLL: return strip_header(frame, 16, 14);
	case DLT_LINUX_SLL2: return strip_header(frame, 20, 0);
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6: return 0;
	default: return -ENOTSUP;
	}
}
