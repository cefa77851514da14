// SPDX-License-Identifier: Apache-2.0
/*
 * memcached: text, meta and binary. Requests are answered in order, except that some are answered
 * only when there is something to say. Whoever sends those asks something else behind them that is
 * always answered; so all requests outstanding are remembered, and a reply says how many of the
 * oldest were passed over in silence. Where that is not certain, framing is given up.
 */
#include <errno.h>

#include "proto/memcached_parts.h"

static int fail(struct mc_side *s, int err)
{
	*s = (struct mc_side){ .phase = MC_FAILED };
	return err;
}

static int remember(struct mc *st, struct mc_tag tag)
{
	if (st->requests - st->responses >= MC_OUTSTANDING)
		return -EOVERFLOW;
	st->tags[st->requests++ % MC_OUTSTANDING] = tag;
	return 0;
}

static const struct mc_tag *outstanding(const struct mc *st, uint32_t i)
{
	return &st->tags[(st->responses + i) % MC_OUTSTANDING];
}

static bool may_answer(const struct mc_reply *r, const struct mc_tag *t)
{
	return (r->kinds >> t->kind & 1) && (!r->is_hash_known || t->hash == r->hash);
}

/* Which of the requests outstanding a reply answers. The first that is not quiet is answered, so
 * what is quiet behind it is not meant yet. Two of a kind that both may be meant are alike. */
static int find_asked(const struct mc *st, const struct mc_reply *r)
{
	uint32_t n = st->requests - st->responses;
	int found = -1;

	for (uint32_t i = 0; i < n; i++) {
		const struct mc_tag *t = outstanding(st, i);

		if (t->is_quiet) {
			if (!may_answer(r, t))
				continue;
			if (found >= 0 && outstanding(st, (uint32_t)found)->kind != t->kind)
				return -EBADMSG;
			if (found < 0)
				found = (int)i;
			continue;
		}
		if (found < 0)
			return t->kind == MC_BINARY && !may_answer(r, t) ? -EBADMSG : (int)i;
		/* what may be meant by both is not to be told; mn is answered by nothing but MN */
		return (r->is_error && t->kind != MC_MN) || may_answer(r, t) ? -EBADMSG : found;
	}
	return found >= 0 ? found : -EBADMSG;
}

/* A reply begins: binds it. 0 or -EBADMSG. */
static int answer(struct mc *st, const struct mc_reply *r, struct msg *out)
{
	struct mc_side *s = &st->side[PROTO_RESPONSE];
	int i;

	*s = (struct mc_side){ .phase = MC_HEAD, .is_open = true };
	st->is_missed = false;
	out->flags |= MSG_BEGIN;
	if (st->requests == st->responses) {
		s->kind = MC_UNKNOWN;
		return 0;
	}
	i = find_asked(st, r);
	if (i < 0)
		return i;
	s->kind = outstanding(st, (uint32_t)i)->kind;
	st->responses += (uint32_t)i + 1;
	out->silent = (uint32_t)i;
	return 0;
}

/* A whole line or header of a request, `used` bytes of it, was read. */
static ssize_t found_request(struct mc *st, const struct mc_request *r, size_t used, uint64_t body,
			     struct msg *out)
{
	struct mc_side *s = &st->side[PROTO_REQUEST];

	if (!r->is_no_reply && remember(st, r->tag) < 0)
		return fail(s, -EOVERFLOW);
	*s = (struct mc_side){ .phase = MC_HEAD };
	out->flags = MSG_BEGIN | MSG_END;
	if (r->is_no_reply)
		out->flags |= MSG_NO_REPLY;
	else if (r->tag.is_quiet)
		out->flags |= MSG_QUIET;
	if (r->is_last)
		out->flags |= MSG_LAST;
	out->system = SLICE("memcached");
	out->operation = out->summary = r->operation;
	out->query = r->query;
	out->status_text = r->silence;
	out->skip = r->data;
	out->body_bytes = body;
	return (ssize_t)used;
}

/* What no server would take for a line: framing is lost, or what is sent is none of ours. */
static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static ssize_t text_request(struct mc *st, struct slice in, struct msg *out)
{
	struct mc_side *s = &st->side[PROTO_REQUEST];
	struct mc_request r;
	struct slice line;
	size_t n = mc_line(in, &s->scanned, &line);

	if (!n)
		return in.n >= MC_LINE_MAX ? fail(s, -EMSGSIZE) : 0;
	mc_text_request(line, &r, out->room);
	if (!r.is_known && (!is_printable(line) || line.n > 2048))
		return fail(s, -EBADMSG);
	st->is_text = true;
	return found_request(st, &r, n, r.data ? r.data - 2 : 0, out);
}

static ssize_t binary_request(struct mc *st, struct slice in, struct msg *out)
{
	struct mc_request r = { 0 };
	int rc = mc_binary_request(in, &r);

	if (rc < 0)
		return fail(&st->side[PROTO_REQUEST], rc);
	if (rc == 0)
		return 0;
	st->is_binary = true;
	return found_request(st, &r, MC_HEADER, r.data, out);
}

static void end_reply(struct mc_side *s, const struct mc_reply *r, struct slice status,
		      struct msg *out)
{
	out->flags |= MSG_END;
	out->status_text = status;
	if (r->is_error)
		out->flags |= MSG_ERROR;
	if (s->kind == MC_GET && !r->is_error) {
		out->flags |= MSG_ROWS;
		out->rows = s->values;
	}
	if (s->kind == MC_WATCH && slice_eq(status, SLICE("OK")))
		out->flags |= MSG_UPGRADE; /* from here on the server tells its log */
	*s = (struct mc_side){ .phase = MC_HEAD };
}

static ssize_t text_reply(struct mc *st, struct slice in, struct msg *out)
{
	struct mc_side *s = &st->side[PROTO_RESPONSE];
	struct mc_reply r;
	struct slice line;
	size_t n = mc_line(in, &s->scanned, &line);

	if (!n)
		return in.n > MC_LINE_MAX ? fail(s, -EMSGSIZE) : 0;
	s->scanned = 0;
	if (mc_text_reply(line, &r) < 0 || (!s->is_open && answer(st, &r, out) < 0))
		return fail(s, -EBADMSG);
	st->is_text = true;
	s->values += r.is_value;
	s->is_list |= r.is_of_list;
	out->skip = r.data;
	out->body_bytes = r.data ? r.data - 2 : 0;
	if (r.is_end)
		end_reply(s, &r, mc_text_status(s, &r), out);
	return (ssize_t)n;
}

static ssize_t binary_reply(struct mc *st, struct slice in, struct msg *out)
{
	struct mc_side *s = &st->side[PROTO_RESPONSE];
	struct mc_reply r;
	uint8_t opcode;
	int rc = mc_binary_reply(in, &r, &opcode);

	if (rc == 0)
		return 0;
	if (rc < 0 || (!s->is_open && answer(st, &r, out) < 0))
		return fail(s, -EBADMSG);
	st->is_binary = true;
	out->skip = out->body_bytes = r.data;
	if (!r.is_end)
		return MC_HEADER;
	if (mc_binary_is_get(opcode) && !r.is_error) {
		out->flags |= MSG_ROWS;
		out->rows = slice_eq(r.word, SLICE("HIT"));
	}
	end_reply(s, &r, r.word, out);
	return MC_HEADER;
}

static ssize_t memcached_parse(void *state, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct mc *st = state;
	bool is_binary;

	msg_clear(out);
	if (in.n == 0)
		return 0;
	if (st->side[dir].phase != MC_HEAD)
		return -EBADMSG;
	is_binary = st->is_binary || (!st->is_text && (in.p[0] & 0x80));
	if (dir == PROTO_REQUEST)
		return is_binary ? binary_request(st, in, out) : text_request(st, in, out);
	return is_binary ? binary_reply(st, in, out) : text_reply(st, in, out);
}

/* Values are skipped: what is missing elsewhere may be any number of messages. */
static int memcached_gap(void *state, enum proto_dir dir, uint64_t len)
{
	((struct mc *)state)->side[dir] = (struct mc_side){ .phase = MC_LOST };
	return -EBADMSG;
}

static size_t memcached_resync(void *state, enum proto_dir dir, struct slice in)
{
	struct mc *st = state;
	struct mc_side *s = &st->side[dir];
	size_t at = mc_find_start(st, dir, in, s->phase == MC_FAILED);

	if (at < in.n)
		*s = (struct mc_side){ .phase = MC_HEAD };
	if (at < in.n && dir == PROTO_RESPONSE && st->is_missed) {
		st->is_missed = false;
		st->responses++;
	}
	return at;
}

static bool memcached_end(void *state, enum proto_dir dir)
{
	return false;
}

static bool memcached_awaits_request(const void *state)
{
	const struct mc *st = state;

	return st->requests == st->responses;
}

static void memcached_drop_requests(void *state, uint32_t n)
{
	struct mc *st = state;
	uint32_t most = st->requests - st->responses;

	st->responses += n < most ? n : most;
}

static void memcached_miss_request(void *state)
{
	struct mc *st = state;

	if (st->is_missed || st->requests - st->responses >= MC_OUTSTANDING)
		return;
	st->is_missed = true;
	st->responses--;
	st->tags[st->responses % MC_OUTSTANDING] = (struct mc_tag){ .kind = MC_UNKNOWN };
}

const struct proto proto_memcached = {
	.name = "memcached",
	.id = PROTO_MEMCACHED,
	.kind = KIND_DATABASE,
	.match = MATCH_FIFO,
	.state_size = sizeof(struct mc),
	.detect = mc_detect,
	.parse = memcached_parse,
	.gap = memcached_gap,
	.resync = memcached_resync,
	.resync_keep = 2048,
	.end = memcached_end,
	.awaits_request = memcached_awaits_request,
	.drop_requests = memcached_drop_requests,
	.miss_request = memcached_miss_request,
};
