/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer of DNS says besides what a transaction holds: the addresses of a name. */
#ifndef DNS_H
#define DNS_H

#include "proto/proto.h"
#include "sonde_abi.h"

enum { DNS_ADDRESSES_MAX = 16 };

struct dns_addresses {
	struct slice name; /* that was asked for; in the room that was given */
	size_t n;
	struct dns_address {
		enum sonde_family family;
		uint8_t ip[16];
		uint32_t ttl_s;	 /* holds for so long: RFC 1035, 3.2.1 */
	} at[DNS_ADDRESSES_MAX]; /* more are left out */
};

/*
 * Of a message of `len` bytes, `in` being those that were copied. False: it is no answer, or none
 * with addresses. `room` holds MSG_ROOM bytes. Pure.
 */
bool dns_read_addresses(struct slice in, size_t len, char *room, struct dns_addresses *out);

#endif
