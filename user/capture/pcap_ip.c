// SPDX-License-Identifier: Apache-2.0
#include "capture/pcap_ip.h"

#include <netinet/in.h>
#include <string.h>

#include "capture/pcap_bytes.h"

enum {
	IPV6_HEADER = 40,
	IPV6_EXTENSIONS_MAX = 16,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
};

/* What IP carries: captured bytes, and how many there were on the wire. */
struct payload {
	struct slice bytes;
	size_t wire;
	uint8_t protocol;
};

static void payload_skip(struct payload *l, size_t n)
{
	size_t captured = n < l->bytes.n ? n : l->bytes.n;

	l->bytes.p += captured;
	l->bytes.n -= captured;
	l->wire -= n;
}

/* RFC 791, 3.1. A length of 0 is that of a packet the card will segment, longer than the field can
 * say; a length beyond the frame's is believed: the capture has cut it. */
static enum pcap_found ipv4_decode(struct slice in, size_t wire, struct pcap_segment *out,
				   struct payload *l)
{
	size_t header, total;

	if (in.n < 20)
		return PCAP_FOUND_CUT;
	header = (size_t)(in.p[0] & 15) * 4;
	total = be16(in.p + 2);
	if (total == 0)
		total = wire;
	if (header < 20 || total < header)
		return PCAP_FOUND_BAD;
	if (be16(in.p + 6) & 0x3fff) /* more fragments, or an offset */
		return PCAP_FOUND_FRAGMENT;
	if (in.n > total) /* Ethernet pads short frames */
		in.n = total;
	out->family = SONDE_FAMILY_IPV4;
	memcpy(out->from.ip, in.p + 12, 4);
	memcpy(out->to.ip, in.p + 16, 4);
	*l = (struct payload){ in, total, in.p[9] };
	payload_skip(l, header);
	return PCAP_FOUND_TCP;
}

/* RFC 8200, 4: takes one extension header off the front. TCP: it is gone; OTHER: none is there. */
static enum pcap_found ipv6_extension(struct payload *l)
{
	size_t size;

	switch (l->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case 135: /* mobility */ break;
	default: return PCAP_FOUND_OTHER;
	}
	if (l->bytes.n < 8)
		return PCAP_FOUND_CUT;
	/* an atomic fragment (RFC 6946) is a whole packet */
	if (l->protocol == IPPROTO_FRAGMENT && (be16(l->bytes.p + 2) & 0xfff9))
		return PCAP_FOUND_FRAGMENT;
	if (l->protocol == IPPROTO_FRAGMENT)
		size = 8;
	else if (l->protocol == IPPROTO_AH)
		size = ((size_t)l->bytes.p[1] + 2) * 4;
	else
		size = ((size_t)l->bytes.p[1] + 1) * 8;
	if (size > l->wire)
		return PCAP_FOUND_BAD;
	l->protocol = l->bytes.p[0];
	payload_skip(l, size);
	return PCAP_FOUND_TCP;
}

static enum pcap_found ipv6_decode(struct slice in, size_t wire, struct pcap_segment *out,
				   struct payload *l)
{
	enum pcap_found found;
	size_t total;

	if (in.n < IPV6_HEADER)
		return PCAP_FOUND_CUT;
	/* 0: a jumbogram (RFC 2675), as what the card will segment is sent */
	total = be16(in.p + 4) ? (size_t)be16(in.p + 4) + IPV6_HEADER : wire;
	if (total < IPV6_HEADER)
		return PCAP_FOUND_BAD;
	if (in.n > total)
		in.n = total;
	out->family = SONDE_FAMILY_IPV6;
	memcpy(out->from.ip, in.p + 8, 16);
	memcpy(out->to.ip, in.p + 24, 16);
	*l = (struct payload){ in, total, in.p[6] };
	payload_skip(l, IPV6_HEADER);
	for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		found = ipv6_extension(l);
		if (found == PCAP_FOUND_OTHER)
			return PCAP_FOUND_TCP;
		if (found != PCAP_FOUND_TCP)
			return found;
	}
	return PCAP_FOUND_BAD;
}

/* RFC 9293, 3.1 */
static enum pcap_found tcp_decode(struct payload *l, struct pcap_segment *out)
{
	const uint8_t *p = l->bytes.p;
	size_t header;

	if (l->wire < TCP_HEADER)
		return PCAP_FOUND_BAD;
	if (l->bytes.n < TCP_HEADER)
		return PCAP_FOUND_CUT;
	header = (size_t)(p[12] >> 4) * 4;
	if (header < TCP_HEADER || header > l->wire || l->wire - header > INT32_MAX)
		return PCAP_FOUND_BAD;
	out->from.port = be16(p);
	out->to.port = be16(p + 2);
	out->seq = be32(p + 4);
	out->ack = be32(p + 8);
	out->flags = p[13];
	payload_skip(l, header);
	out->len = (uint32_t)l->wire;
	out->payload = l->bytes;
	return PCAP_FOUND_TCP;
}

/* RFC 768. A length of 0 is that of what the card will segment. */
static enum pcap_found udp_decode(struct payload *l, struct pcap_segment *out)
{
	const uint8_t *p = l->bytes.p;
	size_t len;

	if (l->wire < UDP_HEADER)
		return PCAP_FOUND_BAD;
	if (l->bytes.n < UDP_HEADER)
		return PCAP_FOUND_CUT;
	len = be16(p + 4) ? be16(p + 4) : l->wire;
	if (len < UDP_HEADER || len > l->wire || len > INT32_MAX)
		return PCAP_FOUND_BAD;
	out->from.port = be16(p);
	out->to.port = be16(p + 2);
	payload_skip(l, UDP_HEADER);
	out->len = (uint32_t)(len - UDP_HEADER);
	out->payload = l->bytes;
	if (out->payload.n > out->len)
		out->payload.n = out->len;
	return PCAP_FOUND_UDP;
}

enum pcap_found pcap_ip_decode(struct slice packet, size_t wire, struct pcap_segment *out)
{
	struct pcap_segment seg = { 0 };
	struct payload l;
	enum pcap_found found;

	if (packet.n < 1)
		return PCAP_FOUND_CUT;
	if (packet.p[0] >> 4 == 4)
		found = ipv4_decode(packet, wire, &seg, &l);
	else if (packet.p[0] >> 4 == 6)
		found = ipv6_decode(packet, wire, &seg, &l);
	else
		return PCAP_FOUND_BAD;
	if (found != PCAP_FOUND_TCP)
		return found;
	if (l.protocol == IPPROTO_UDP)
		found = udp_decode(&l, &seg);
	else if (l.protocol == IPPROTO_TCP)
		found = tcp_decode(&l, &seg);
	else
		return PCAP_FOUND_OTHER;
	if (found == PCAP_FOUND_TCP || found == PCAP_FOUND_UDP)
		*out = seg;
	return found;
}
