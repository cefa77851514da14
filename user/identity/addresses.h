/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What addresses are called: of Kubernetes Services, whose ClusterIPs are theirs alone. Filled by
 * what asks for them, read when a connection is made. Bounded: past the cap further ones are not
 * kept, and counted.
 */
#ifndef ADDRESSES_H
#define ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sonde_abi.h"

enum {
	ADDRESSES_MAX = 20000,
	ADDRESS_NAME_LEN = 64, /* a DNS label is at most 63 bytes: RFC 1035, 2.3.4 */
	ADDRESS_GROUP_LEN = 40,
};

struct address_name {
	char name[ADDRESS_NAME_LEN];
	char name_space[ADDRESS_NAME_LEN]; /* empty: none */
};

struct address {
	enum sonde_family family; /* SONDE_FAMILY_IPV4: the first four bytes of ip */
	uint8_t ip[16];
};

struct addresses;

struct addresses *addresses_new(size_t max); /* 0: ADDRESSES_MAX. NULL: out of memory */
void addresses_free(struct addresses *as);

/* `group`: whose it is, as a Service's uid. An empty name takes the address away. */
void addresses_put(struct addresses *as, const char *group, const struct address *a,
		   const struct address_name *name);
/* Those of a group that were not put since addresses_begin() are gone. NULL: of all. */
void addresses_begin(struct addresses *as, const char *group);
void addresses_end(struct addresses *as);

/* NULL: it has no name. Valid until the next change. IPv4 in IPv6 is IPv4. */
const struct address_name *addresses_find(const struct addresses *as, const struct address *a);
void addresses_each(const struct addresses *as,
		    void (*fn)(void *ctx, const struct address *a, const struct address_name *name),
		    void *ctx);

size_t addresses_count(const struct addresses *as);
uint64_t addresses_left_out(const struct addresses *as); /* for want of room, so far */

/* "10.96.0.1", "fd00::1". False: it is none. */
bool address_parse(const char *text, struct address *out);
/* One form for each: IPv4, also where it is mapped into IPv6 (RFC 4291, 2.5.5.2), has zeroes behind
 * its four bytes. False: it is neither. */
bool address_canonical(const struct address *a, struct address *out);
uint64_t address_hash(const struct address *canonical);
bool address_equal(const struct address *a, const struct address *b);
bool address_name_equal(const struct address_name *a, const struct address_name *b);

#endif
