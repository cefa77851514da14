// SPDX-License-Identifier: Apache-2.0
/* A and AAAA records of an answer: RFC 1035 3.4.1, RFC 3596 2.2. Those behind an alias (CNAME) bear
 * its name; what was asked for is what the client will call them. */
#include <string.h>

#include "proto/dns.h"
#include "proto/dns_parts.h"

enum { TYPE_A = 1, TYPE_AAAA = 28, CLASS_IN = 1, RECORD_HEAD = 10 };

static uint32_t be(const uint8_t *p, size_t n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static void take(struct slice in, size_t at, struct dns_addresses *out)
{
	uint32_t type = be(in.p + at, 2), ttl_s = be(in.p + at + 4, 4), n = be(in.p + at + 8, 2);
	struct dns_address *a = &out->at[out->n];

	if (be(in.p + at + 2, 2) != CLASS_IN ||
	    !((type == TYPE_A && n == 4) || (type == TYPE_AAAA && n == 16)))
		return;
	*a = (struct dns_address){
		.family = type == TYPE_A ? SONDE_FAMILY_IPV4 : SONDE_FAMILY_IPV6,
		.ttl_s = ttl_s >> 31 ? 0 : ttl_s, /* RFC 2181, 8 */
	};
	memcpy(a->ip, in.p + at + RECORD_HEAD, n);
	out->n++;
}

bool dns_read_addresses(struct slice in, size_t len, char *room, struct dns_addresses *out)
{
	struct dns_message m;
	size_t at;

	*out = (struct dns_addresses){ 0 };
	if (dns_read(in, len, &m, room) <= 0 || !m.is_response || !m.has_question ||
	    m.rcode != DNS_NOERROR || m.class != CLASS_IN ||
	    (m.type != TYPE_A && m.type != TYPE_AAAA))
		return false;
	if (in.n > len)
		in.n = len;
	out->name = m.name;
	at = m.question_end;
	for (unsigned i = 0; i < m.counts[1] && out->n < DNS_ADDRESSES_MAX; i++) {
		size_t n;

		if (!dns_skip_name(in, &at) || at + RECORD_HEAD > in.n)
			break;
		n = be(in.p + at + 8, 2);
		if (at + RECORD_HEAD + n > in.n)
			break;
		take(in, at, out);
		at += RECORD_HEAD + n;
	}
	return out->n > 0;
}
