/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the DNS parser share.
 *   dns.c           framing over TCP, datagrams, detection
 *   dns_message.c   header and question, RFC 1035 4.1
 *   dns_addresses.c what a name resolved to
 */
#ifndef DNS_PARTS_H
#define DNS_PARTS_H

#include "proto/proto.h"

enum {
	DNS_HEADER = 12,
	DNS_NAME_MAX = 255,				  /* on the wire, RFC 1035 3.1 */
	DNS_QUESTION_MAX = DNS_HEADER + DNS_NAME_MAX + 4, /* where the first question ends */
	DNS_WHOLE_MAX = 4096, /* longer ones are not searched for an extended code */
};

enum { DNS_NOERROR = 0, DNS_NXDOMAIN = 3 };

struct dns_message {
	uint16_t id, rcode, type, class,
		counts[4]; /* questions, answers, authorities, additionals */
	uint8_t opcode;
	bool is_response, is_truncated, is_recursive, is_reserved_set, has_question;
	size_t question_end;
	struct slice name; /* in the room that was given: lower case, unprintables as \DDD */
};

/*
 * Reads the front of a message of `len` bytes; `in` has that many, or those that came so far. 1:
 * read; 0: more bytes are needed; -EBADMSG: a header that no message has. A question that cannot be
 * read is said to be none. `room` holds MSG_ROOM bytes.
 */
int dns_read(struct slice in, size_t len, struct dns_message *m, char *room);

/* Past a name that may be compressed: RFC 1035 4.1.4. A pointer ends it, and is not followed. */
bool dns_skip_name(struct slice in, size_t *at);

/* Does the whole message that `in` holds end where the last of its records does? */
bool dns_is_whole(struct slice in, const struct dns_message *m);

/* Constants, or written to `room`, which holds 16 bytes. */
struct slice dns_type_name(uint16_t type, char *room);
struct slice dns_rcode_name(uint16_t rcode, char *room);

#endif
