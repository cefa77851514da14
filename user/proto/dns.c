// SPDX-License-Identifier: Apache-2.0
/*
 * DNS. Over TCP each message has its length before it (RFC 1035 4.2.2), and answers may come in any
 * order (RFC 7766 7). A transfer of a zone is many messages that answer one: it is timed to the
 * first.
 */
#include <errno.h>

#include "proto/dns_parts.h"

enum { PREFIX = 2, WORD_ROOM = 16, ASKED_MAX = 4096, CHAINED_MAX = 4096 };

enum { CLASS_IN = 1, CLASS_CHAOS = 3, CLASS_HESIOD = 4, CLASS_NONE = 254, CLASS_ANY = 255 };

enum opcode { QUERY = 0, STATUS = 2, NOTIFY = 4, UPDATE = 5, DSO = 6 };

/* Of one direction. */
struct dns_side {
	bool is_lost, is_failed;
};

struct dns {
	struct dns_side side[2];
	bool is_datagrams; /* one came that was DNS beyond doubt */
};

static void describe_question(const struct dns_message *m, struct msg *out)
{
	out->target = m->name;
	if (m->has_question) /* behind the name, which takes four bytes for one at most */
		out->method = dns_type_name(m->type, out->room + MSG_ROOM - 2 * WORD_ROOM);
}

static void describe(const struct dns_message *m, struct msg *out)
{
	out->flags = MSG_BEGIN | MSG_END;
	out->id = m->id;
	if (!m->is_response) {
		describe_question(m, out);
		return;
	}
	out->status_text = dns_rcode_name(m->rcode, out->room + MSG_ROOM - WORD_ROOM);
	if (m->rcode != DNS_NOERROR)
		out->flags |= MSG_ERROR;
}

static bool is_opcode(unsigned n)
{
	return n <= DSO && n != 1 && n != 3; /* IQUERY is obsolete, 3 was never given */
}

/* What a message may be, whichever way it goes. */
static bool is_sane(const struct dns_message *m, enum proto_dir dir)
{
	return m->is_response == (dir == PROTO_RESPONSE) && !m->is_reserved_set &&
	       is_opcode(m->opcode);
}

static ssize_t dns_parse(void *state, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct dns_side *s = &((struct dns *)state)->side[dir];
	struct dns_message m;
	size_t len, used;
	int rc;

	msg_clear(out);
	if (s->is_lost)
		return -EBADMSG;
	if (in.n < PREFIX + DNS_HEADER)
		return 0;
	len = (size_t)in.p[0] << 8 | in.p[1];
	rc = dns_read((struct slice){ in.p + PREFIX, in.n - PREFIX }, len, &m, out->room);
	if (rc == 0)
		return 0;
	if (rc < 0 || !is_sane(&m, dir)) {
		*s = (struct dns_side){ .is_lost = true, .is_failed = true };
		return -EBADMSG;
	}
	describe(&m, out);
	used = in.n < PREFIX + len ? in.n : PREFIX + len;
	out->skip = PREFIX + len - used;
	out->body_bytes = len;
	return (ssize_t)used;
}

/* A question has no answers, no code, and says nothing about recursion being available. */
static bool asks_like_one(const struct dns_message *m)
{
	if (m->rcode != 0)
		return false;
	return m->opcode == UPDATE || (!m->is_truncated && !m->is_recursive && m->counts[1] <= 1 &&
				       m->counts[2] <= 1 && m->counts[3] <= 4);
}

/* A message whose every part says so: 1 yes, 0 more bytes are needed, -1 no. */
static int is_message(struct slice in, enum proto_dir dir)
{
	char room[MSG_ROOM];
	struct dns_message m;
	size_t len;
	int rc;

	if (in.n && dir == PROTO_REQUEST && in.p[0] > ASKED_MAX >> 8)
		return -1;
	if (in.n < PREFIX)
		return 0;
	len = (size_t)in.p[0] << 8 | in.p[1];
	if (len < DNS_HEADER + 5)
		return -1;
	if (in.n < PREFIX + DNS_HEADER) {
		if (in.n > PREFIX + 2 && ((bool)(in.p[4] & 0x80) != (dir == PROTO_RESPONSE) ||
					  !is_opcode(in.p[4] >> 3 & 15)))
			return -1;
		/* one question is all that anybody asks */
		if ((in.n > PREFIX + 4 && in.p[6]) || (in.n > PREFIX + 5 && in.p[7] != 1))
			return -1;
		return 0;
	}
	rc = dns_read((struct slice){ in.p + PREFIX, in.n - PREFIX }, len, &m, room);
	if (rc < 0 || in.p[6] || in.p[7] != 1 || !is_sane(&m, dir))
		return -1;
	if (rc == 0) /* of the question, or of a record behind it */
		return in.n < PREFIX + DNS_QUESTION_MAX || dir == PROTO_RESPONSE ? 0 : -1;
	if (!m.has_question || m.type == 0)
		return -1;
	return dir == PROTO_RESPONSE || asks_like_one(&m) ? 1 : -1;
}

static bool is_class(uint16_t n)
{
	return n == CLASS_IN || n == CLASS_CHAOS || n == CLASS_HESIOD || n == CLASS_NONE ||
	       n == CLASS_ANY;
}

/* A datagram that nothing else would be: it ends where it says. */
static bool is_beyond_doubt(const struct dns_message *m, struct slice in, size_t len)
{
	if (m->counts[0] != 1 || !m->has_question || m->type == 0 || !is_class(m->class))
		return false;
	if (!m->is_response && !asks_like_one(m))
		return false;
	return in.n < len || dns_is_whole(in, m);
}

static ssize_t dns_datagram(void *state, enum proto_dir dir, struct slice in, size_t len,
			    struct msg *out)
{
	struct dns *d = state;
	struct dns_message m;
	int rc;

	msg_clear(out);
	rc = dns_read(in, len, &m, out->room);
	if (rc == 0) /* only part of it was copied */
		rc = in.n < len ? dns_read(in, in.n, &m, out->room) : -EBADMSG;
	if (rc <= 0 || !is_sane(&m, dir))
		return -EBADMSG;
	if (!d->is_datagrams && !is_beyond_doubt(&m, in, len))
		return -EBADMSG;
	d->is_datagrams = true;
	describe(&m, out);
	describe_question(&m, out); /* answers of datagrams are known by it too */
	out->body_bytes = len;
	out->skip = len - in.n;
	return (ssize_t)in.n;
}

static int dns_detect(struct slice first, enum proto_dir dir)
{
	return is_message(first, dir);
}

static int dns_gap(void *state, enum proto_dir dir, uint64_t len)
{
	((struct dns *)state)->side[dir] = (struct dns_side){ .is_lost = true };
	return -EBADMSG;
}

/* A message, and nothing but messages behind it as far as the bytes go. *left: how many may still
 * be looked at. */
static bool is_chain(struct slice in, enum proto_dir dir, unsigned *left)
{
	bool is_first = true;

	while (in.n) {
		int rc = is_message(in, dir);
		size_t n;

		if (rc < 0 || (rc == 0 && is_first))
			return false;
		if (rc == 0)
			return true;
		if (--*left == 0)
			return false;
		n = PREFIX + ((size_t)in.p[0] << 8 | in.p[1]);
		if (n >= in.n)
			return true;
		in.p += n;
		in.n -= n;
		is_first = false;
	}
	return true;
}

static size_t dns_resync(void *state, enum proto_dir dir, struct slice in)
{
	struct dns_side *s = &((struct dns *)state)->side[dir];
	unsigned left = CHAINED_MAX; /* chains that break at their ends would cost their square */

	for (size_t at = s->is_failed; at < in.n && left; at++) {
		if (!is_chain((struct slice){ in.p + at, in.n - at }, dir, &left))
			continue;
		*s = (struct dns_side){ 0 };
		return at;
	}
	return in.n;
}

static bool dns_end(void *state, enum proto_dir dir)
{
	return false;
}

const struct proto proto_dns = {
	.name = "dns",
	.id = PROTO_DNS,
	.kind = KIND_NAMES,
	.match = MATCH_BY_ID,
	.state_size = sizeof(struct dns),
	.detect = dns_detect,
	.parse = dns_parse,
	.datagram = dns_datagram,
	.gap = dns_gap,
	.resync = dns_resync,
	.resync_keep = PREFIX + DNS_QUESTION_MAX,
	.end = dns_end,
};
