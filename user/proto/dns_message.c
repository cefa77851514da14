// SPDX-License-Identifier: Apache-2.0
/* A DNS message: RFC 1035 4.1, its extended codes RFC 6891 6.1.3. */
#include <errno.h>
#include <stdio.h>

#include "proto/dns_parts.h"

enum { TYPE_OPT = 41, RECORDS_MAX = 64 };

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static size_t put_char(char *out, size_t at, uint8_t c)
{
	if (c > ' ' && c < 0x7f && c != '.' && c != '\\') {
		out[at] = (char)slice_lower(c); /* RFC 4343: case says nothing */
		return at + 1;
	}
	/* RFC 4343, 2.1; `out` holds four times the longest name, so that this is never cut */
	return at + (size_t)sprintf(out + at, "\\%03u", c);
}

/*
 * The name at *at as text. 1: read, *at is behind it; 0: it goes on behind `in`; -1: no name, or
 * one that points elsewhere, which the first of a message never does.
 */
static int read_name(struct slice in, size_t *at, char *room, struct slice *name)
{
	size_t pos = *at, n = 0;

	for (;;) {
		uint8_t len;

		if (pos >= in.n)
			return 0;
		len = in.p[pos++];
		if (len == 0)
			break;
		if (len > 63 || pos + len - *at >= DNS_NAME_MAX)
			return -1;
		if (pos + len > in.n)
			return 0;
		if (n)
			room[n++] = '.';
		for (uint8_t i = 0; i < len; i++)
			n = put_char(room, n, in.p[pos + i]);
		pos += len;
	}
	if (n == 0)
		room[n++] = '.';
	*name = (struct slice){ (uint8_t *)room, n };
	*at = pos;
	return 1;
}

bool dns_skip_name(struct slice in, size_t *at)
{
	while (*at < in.n) {
		uint8_t len = in.p[(*at)++];

		if (len == 0)
			return true;
		if ((len & 0xc0) == 0xc0) {
			++*at;
			return *at <= in.n;
		}
		if (len > 63)
			return false;
		*at += len;
	}
	return false;
}

/* The upper eight bits of the code stand in the OPT record, where there is one. */
static uint16_t extended_rcode(struct slice in, const struct dns_message *m)
{
	unsigned n = m->counts[1] + m->counts[2] + m->counts[3];
	size_t at = m->question_end;

	for (unsigned i = 0; i < n && i < RECORDS_MAX; i++) {
		if (!dns_skip_name(in, &at) || at + 10 > in.n)
			break;
		if (be16(in.p + at) == TYPE_OPT)
			return (uint16_t)(in.p[at + 4] << 4);
		at += 10 + be16(in.p + at + 8);
	}
	return 0;
}

bool dns_is_whole(struct slice in, const struct dns_message *m)
{
	unsigned n = m->counts[1] + m->counts[2] + m->counts[3];
	size_t at = m->question_end;

	for (unsigned i = 0; i < n; i++) {
		if (!dns_skip_name(in, &at) || at + 10 > in.n)
			return false;
		at += 10 + be16(in.p + at + 8);
	}
	return at == in.n;
}

static void read_header(const uint8_t *p, struct dns_message *m)
{
	*m = (struct dns_message){
		.id = be16(p),
		.is_response = p[2] & 0x80,
		.opcode = p[2] >> 3 & 15,
		.is_truncated = p[2] & 2,
		.is_recursive = p[3] & 0x80,
		.is_reserved_set = p[3] & 0x40,
		.rcode = p[3] & 15,
		.question_end = DNS_HEADER,
	};
	for (int i = 0; i < 4; i++)
		m->counts[i] = be16(p + 4 + 2 * i);
}

/* 1, 0 as dns_read() */
static int read_question(struct slice in, size_t len, struct dns_message *m, char *room)
{
	size_t at = DNS_HEADER;
	int rc = read_name(in, &at, room, &m->name);

	if (rc > 0 && at + 4 > in.n)
		rc = 0;
	if (rc == 0 && in.n < len)
		return 0;
	if (rc <= 0) {
		m->name.n = 0;
		return 1;
	}
	m->type = be16(in.p + at);
	m->class = be16(in.p + at + 2);
	m->question_end = at + 4;
	m->has_question = true;
	return 1;
}

int dns_read(struct slice in, size_t len, struct dns_message *m, char *room)
{
	if (len < DNS_HEADER)
		return -EBADMSG;
	if (in.n > len)
		in.n = len;
	if (in.n < DNS_HEADER)
		return 0;
	read_header(in.p, m);
	if (m->counts[0] && read_question(in, len, m, room) == 0)
		return 0;
	/* an extended code is that of an answer without answers */
	if (!m->is_response || m->counts[1] || !m->counts[3] || len > DNS_WHOLE_MAX)
		return 1;
	if (m->counts[0] && !m->has_question)
		return 1;
	if (in.n < len)
		return 0;
	m->rcode |= extended_rcode(in, m);
	return 1;
}

struct code {
	uint16_t code;
	const char *name;
};

static const struct code types[] = {
	{ 1, "A" },	 { 2, "NS" },	    { 5, "CNAME" },	  { 6, "SOA" },	   { 12, "PTR" },
	{ 13, "HINFO" }, { 15, "MX" },	    { 16, "TXT" },	  { 17, "RP" },	   { 18, "AFSDB" },
	{ 24, "SIG" },	 { 25, "KEY" },	    { 28, "AAAA" },	  { 29, "LOC" },   { 33, "SRV" },
	{ 35, "NAPTR" }, { 36, "KX" },	    { 37, "CERT" },	  { 39, "DNAME" }, { 41, "OPT" },
	{ 43, "DS" },	 { 44, "SSHFP" },   { 46, "RRSIG" },	  { 47, "NSEC" },  { 48, "DNSKEY" },
	{ 49, "DHCID" }, { 50, "NSEC3" },   { 51, "NSEC3PARAM" }, { 52, "TLSA" },  { 53, "SMIMEA" },
	{ 59, "CDS" },	 { 60, "CDNSKEY" }, { 61, "OPENPGPKEY" }, { 62, "CSYNC" }, { 63, "ZONEMD" },
	{ 64, "SVCB" },	 { 65, "HTTPS" },   { 99, "SPF" },	  { 249, "TKEY" }, { 250, "TSIG" },
	{ 251, "IXFR" }, { 252, "AXFR" },   { 255, "ANY" },	  { 256, "URI" },  { 257, "CAA" },
};

static const struct code rcodes[] = {
	{ 0, "NOERROR" },  { 1, "FORMERR" },	{ 2, "SERVFAIL" }, { 3, "NXDOMAIN" },
	{ 4, "NOTIMP" },   { 5, "REFUSED" },	{ 6, "YXDOMAIN" }, { 7, "YXRRSET" },
	{ 8, "NXRRSET" },  { 9, "NOTAUTH" },	{ 10, "NOTZONE" }, { 11, "DSOTYPENI" },
	{ 16, "BADVERS" }, { 23, "BADCOOKIE" },
};

static struct slice name_of(const struct code *codes, size_t n, uint16_t code, const char *other,
			    char *room)
{
	for (size_t i = 0; i < n; i++)
		if (codes[i].code == code)
			return slice_str(codes[i].name);
	return (struct slice){ (uint8_t *)room, (size_t)snprintf(room, 16, "%s%u", other, code) };
}

struct slice dns_type_name(uint16_t type, char *room)
{
	return name_of(types, sizeof(types) / sizeof(types[0]), type, "TYPE", room); /* RFC 3597 */
}

struct slice dns_rcode_name(uint16_t rcode, char *room)
{
	return name_of(rcodes, sizeof(rcodes) / sizeof(rcodes[0]), rcode, "RCODE", room);
}
