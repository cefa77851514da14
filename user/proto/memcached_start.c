// SPDX-License-Identifier: Apache-2.0
/* Where a memcached message begins: at the start of a connection, and again after bytes were lost. */
#include <errno.h>

#include "proto/memcached_parts.h"

/* Does the line end as an HTTP request's does? Its method may be any word. */
static bool is_http(struct slice line)
{
	const uint8_t *p = line.n >= 9 ? line.p + line.n - 9 : NULL;

	return p && memcmp(p, " HTTP/", 6) == 0;
}

static bool is_word(struct slice line, const char *const *words, bool is_prefix_enough)
{
	struct slice rest = line, word = mc_token(&rest);
	bool is_whole = word.n < line.n;

	for (; *words; words++) {
		struct slice w = slice_str(*words);

		if (is_whole || !is_prefix_enough ? slice_eq(word, w) : slice_starts(w, word))
			return true;
	}
	return false;
}

static const char *const commands[] = {
	"get",	   "gets",   "gat",	  "gats",    "set",	  "add",
	"replace", "append", "prepend",	  "cas",     "delete",	  "incr",
	"decr",	   "touch",  "flush_all", "version", "verbosity", "cache_memlimit",
	"stats",   "quit",   "mg",	  "ms",	     "md",	  "ma",
	"me",	   "mn",     NULL,
};

/* Also said by other protocols (inline commands of Redis, beanstalkd), and by people: the answer
 * tells. Nobody but a client asks for so many keys that they do not fit in a few lines. */
static const char *const shared[] = { "get",  "gets", "touch", "delete", "stats",
				      "quit", "incr", "decr",  NULL };

static bool is_shared(struct slice line)
{
	return line.n < 512 && is_word(line, shared, false);
}

static int detect_text_request(struct slice first)
{
	char room[MSG_ROOM];
	struct mc_request r;
	struct slice line;
	uint32_t scanned = 0;

	if (!mc_line(first, &scanned, &line))
		return first.n < MC_LINE_MAX && is_word(first, commands, true) ? 0 : -1;
	if (!is_word(line, commands, false) || is_http(line))
		return -1;
	mc_text_request(line, &r, room);
	if (!r.is_known)
		return -1;
	return is_shared(line) ? 0 : 1;
}

static const char *const sure[] = {
	"VALUE",   "END",  "STORED",	   "NOT_STORED",   "EXISTS", "DELETED", "TOUCHED",
	"VERSION", "STAT", "CLIENT_ERROR", "SERVER_ERROR", "VA",     "HD",	"EN",
	"NF",	   "NS",   "EX",	   "MN",	   "ME",     NULL,
};
static const char *const unsure[] = { "OK", "ERROR", "NOT_FOUND", "RESET", NULL };

static int detect_text_reply(struct slice first)
{
	struct mc_reply r;
	struct slice line;
	uint32_t scanned = 0;

	if (!mc_line(first, &scanned, &line))
		return first.n < 512 && (is_word(first, sure, true) || is_word(first, unsure, true))
			       ? 0
			       : -1;
	if (mc_text_reply(line, &r) < 0)
		return -1;
	/* NOT_FOUND and the like are said elsewhere too, but not with CR LF and nothing else */
	if (is_word(line, sure, false))
		return 1;
	return is_word(line, unsure, false) ? 0 : -1;
}

static int detect_binary(struct slice first, enum proto_dir dir)
{
	struct mc_request request = { 0 };
	struct mc_reply reply = { 0 };
	uint8_t opcode;
	int rc = dir == PROTO_REQUEST ? mc_binary_request(first, &request)
				      : mc_binary_reply(first, &reply, &opcode);

	if (rc <= 0)
		return rc < 0 ? -1 : 0;
	/* the virtual bucket of a request is nobody's but couchbase's */
	if (dir == PROTO_REQUEST)
		return request.is_known && first.p[6] == 0 && first.p[7] == 0 ? 1 : -1;
	return 1;
}

int mc_detect(struct slice first, enum proto_dir dir)
{
	if (first.n == 0)
		return 0;
	if (first.p[0] & 0x80)
		return detect_binary(first, dir);
	return dir == PROTO_REQUEST ? detect_text_request(first) : detect_text_reply(first);
}

/* How far the message at the front goes; 0: it is none that can be believed; SIZE_MAX: its line or
 * header is not whole, but may be one. */
static size_t step(enum proto_dir dir, bool is_binary, struct slice in)
{
	char room[MSG_ROOM];
	struct mc_request q = { 0 };
	struct mc_reply a = { 0 };
	struct slice line;
	uint32_t scanned = 0;
	uint8_t opcode;
	size_t n;
	int rc;

	if (is_binary) {
		rc = dir == PROTO_REQUEST ? mc_binary_request(in, &q)
					  : mc_binary_reply(in, &a, &opcode);
		if (rc <= 0)
			return rc < 0 ? 0 : SIZE_MAX;
		if (dir == PROTO_REQUEST && (!q.is_known || in.p[6] || in.p[7]))
			return 0;
		return MC_HEADER + q.data + a.data;
	}
	n = mc_line(in, &scanned, &line);
	if (!n)
		return in.n >= MC_LINE_MAX ? 0 : SIZE_MAX;
	if (dir == PROTO_RESPONSE)
		return mc_text_reply(line, &a) == 0 ? n + a.data : 0;
	mc_text_request(line, &q, room);
	return q.is_known ? n + q.data : 0;
}

/* A message, and nothing but messages behind it, as far as the bytes go: what looks like one in a
 * value is followed by the rest of the value. */
static bool is_chain(enum proto_dir dir, bool is_binary, struct slice in)
{
	bool is_first = true;

	while (in.n) {
		size_t n = step(dir, is_binary, in);

		if (n == 0 || (n == SIZE_MAX && is_first))
			return false;
		if (n >= in.n)
			return true;
		if (!is_binary && in.p[n - 1] != '\n')
			return false;
		in.p += n;
		in.n -= n;
		is_first = false;
	}
	return true;
}

static bool may_begin(const struct mc *st, enum proto_dir dir, struct slice in, size_t at)
{
	if (in.p[at] == (dir == PROTO_REQUEST ? 0x80 : 0x81) && !st->is_text)
		return true;
	return !st->is_binary && (at == 0 || in.p[at - 1] == '\n');
}

size_t mc_find_start(const struct mc *st, enum proto_dir dir, struct slice in, size_t least)
{
	unsigned tries = 64; /* else many lines that nearly fit would cost their square */

	for (size_t at = least; at < in.n && tries; at++) {
		struct slice rest = { in.p + at, in.n - at };

		if (!may_begin(st, dir, in, at))
			continue;
		if (is_chain(dir, in.p[at] & 0x80, rest))
			return at;
		tries -= rest.n >= MC_HEADER;
	}
	return in.n;
}
