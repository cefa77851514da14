/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis, RESP2 and RESP3. A command is a request and the reply to it its response, one for one and
 * in order, but for what publish and subscribe push, for commands whose replies were switched off,
 * and for what ends the exchange of commands (MONITOR, replication).
 */
#include <errno.h>
#include <string.h>

#include "proto/redis_parts.h"

enum { DETECT_MAX = 64, RESYNC_LINE_MAX = 160, RESYNC_KEEP = 192 };

static void mark(struct redis *r, enum redis_special kind, uint32_t acks)
{
	if (r->n_marks == REDIS_SPECIALS) /* the oldest one's effect is no longer told */
		memmove(r->marks, r->marks + 1, --r->n_marks * sizeof(r->marks[0]));
	r->marks[r->n_marks++] = (struct redis_mark){
		.index = r->requests,
		.kind = kind,
		.acks = acks,
		.db = r->db_plus_1,
	};
}

static bool is_one_of(struct slice name, const char *a, const char *b, const char *c)
{
	return slice_ieq(name, slice_str(a)) || slice_ieq(name, slice_str(b)) ||
	       slice_ieq(name, slice_str(c));
}

/* CLIENT REPLY. True: it is never answered; what is no mode is, with an error, if anything is. */
static bool take_reply_mode(struct redis *r, struct slice mode, bool *is_skipped)
{
	if (slice_ieq(mode, SLICE("on")))
		r->is_muted = *is_skipped = false;
	else if (slice_ieq(mode, SLICE("off")))
		r->is_muted = true;
	else if (slice_ieq(mode, SLICE("skip")))
		r->is_skip_next = !r->is_muted;
	return r->is_muted || r->is_skip_next;
}

/* What a command does to those that follow it. True: it is not answered. */
static bool take_effect(struct redis *r, const struct redis_command *c)
{
	struct slice name = c->args[0];
	bool is_skipped = r->is_skip_next;
	int64_t db;

	r->is_skip_next = false;
	if (slice_ieq(name, SLICE("reset"))) /* ends every mode, and says so */
		r->is_muted = is_skipped = false;
	if (c->n_args == 3 && c->args_seen == 3 && slice_ieq(name, SLICE("client")) &&
	    slice_ieq(c->args[1], SLICE("reply")) && take_reply_mode(r, c->args[2], &is_skipped))
		return true;
	if (r->is_muted || is_skipped)
		return true;
	if (is_one_of(name, "subscribe", "psubscribe", "ssubscribe")) {
		r->is_pubsub = true;
		mark(r, REDIS_SUBSCRIBE, c->n_args - 1);
	} else if (is_one_of(name, "unsubscribe", "punsubscribe", "sunsubscribe")) {
		mark(r, REDIS_SUBSCRIBE, c->n_args - 1);
	} else if (slice_ieq(name, SLICE("select")) && c->args_seen == 2) {
		mark(r, REDIS_SELECT, 0);
		r->db_plus_1 = redis_number(c->args[1], &db) && db >= 0 ? (int32_t)db + 1 : 0;
	} else if (is_one_of(name, "monitor", "psync", "sync")) {
		mark(r, REDIS_ENDS, 0);
	} else if (slice_ieq(name, SLICE("hello"))) { /* what is pushed next tells which one */
		r->is_resp3 = false;
	} else if (slice_ieq(name, SLICE("reset"))) {
		r->is_pubsub = r->is_resp3 = false;
		r->db_plus_1 = 1;
	}
	r->is_pipelined |= r->requests != r->responses || (r->is_in_reply && !r->is_adrift);
	r->requests++;
	return false;
}

static void put_name_space(const struct redis *r, struct msg *out)
{
	char *end = out->room + sizeof(out->room), *p = end;

	if (!r->db_plus_1)
		return;
	for (int32_t v = r->db_plus_1 - 1; p == end || v; v /= 10)
		*--p = (char)('0' + v % 10);
	out->name_space = (struct slice){ (const uint8_t *)p, (size_t)(end - p) };
}

/* Arguments whose words do not matter: headers are consumed, strings passed over. */
static ssize_t rest_of_command(struct redis *r, struct slice in, size_t used, struct msg *out)
{
	while (r->args_left) {
		struct slice rest = { in.p + used, in.n - used }, line;
		ssize_t n = rest.n ? redis_line(rest, &line) : 0;
		int64_t len;

		bool is_bad = n < 0 || (rest.n && rest.p[0] != '$') || (!n && rest.n >= 16);

		if (n > 0 && !is_bad) {
			line.p++;
			line.n--;
			is_bad = !redis_number(line, &len) || len < 0;
		}
		if (is_bad) /* what is consumed so far stands; the error will be met again */
			return used ? (ssize_t)used : -EBADMSG;
		if (n == 0)
			return (ssize_t)used;
		used += (size_t)n;
		r->args_left--;
		len += 2;
		if ((size_t)len > in.n - used) {
			out->skip = (uint64_t)len - (in.n - used);
			used = in.n;
			break;
		}
		used += (size_t)len;
	}
	if (!r->args_left)
		out->flags |= MSG_END;
	return (ssize_t)used;
}

static ssize_t request(struct redis *r, struct slice in, struct msg *out)
{
	struct redis_command c;
	int rc;

	if (r->args_left)
		return rest_of_command(r, in, 0, out);
	rc = redis_command(in, &c);
	if (rc <= 0)
		return rc;
	if (!c.n_args) /* an empty line: no command, no answer */
		return (ssize_t)c.used;
	if (!r->is_told) {
		r->is_told = true;
		r->db_plus_1 = 1;
	}
	out->flags |= MSG_BEGIN;
	redis_describe(&c, out);
	put_name_space(r, out);
	if (take_effect(r, &c))
		out->flags |= MSG_NO_REPLY;
	r->args_left = c.n_args - c.args_seen;
	return rest_of_command(r, in, c.used, out);
}

/* Behind the hole in a reply: all is of it until the next command. */
static bool is_rest(struct redis *r)
{
	if (r->is_adrift && r->requests == r->responses)
		return true;
	if (r->is_adrift)
		r->is_adrift = r->is_in_reply = r->is_ack = false;
	return false;
}

static ssize_t redis_parse(void *state, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct redis *r = state;
	bool is_inside;
	ssize_t n;

	if (dir == PROTO_RESPONSE && is_rest(r)) {
		out->flags |= MSG_CUT;
		return (ssize_t)in.n;
	}
	is_inside = dir == PROTO_REQUEST ? r->args_left : r->is_in_reply;
	n = dir == PROTO_REQUEST ? request(r, in, out) : redis_reply(r, in, out);
	/* what is no next part of a message may still begin one */
	r->has_failed[dir] = n < 0 && !is_inside;
	return n;
}

static bool is_reply_type(uint8_t c)
{
	return c && strchr("+-:$*>%_#,(!=~|", c);
}

/*
 * Arrays of bulk strings, one of them with the name of a command and as many words as it has: a
 * list that is a reply looks like a command otherwise, and what is not known is waited behind.
 */
static int redis_detect(struct slice first, enum proto_dir dir)
{
	struct redis_command c;
	size_t n;
	int rc;

	if (!first.n)
		return 0;
	if (dir == PROTO_RESPONSE) /* replies alone tell too little: wait for a command */
		return is_reply_type(first.p[0]) ? 0 : -1;
	for (; first.n; first = (struct slice){ first.p + n, first.n - n }) {
		if (first.p[0] != '*' || (first.n > 1 && (first.p[1] < '1' || first.p[1] > '9')))
			return -1;
		rc = redis_command(first, &c);
		if (rc < 0 || (rc == 0 && !c.args_seen))
			return rc < 0 || first.n >= DETECT_MAX ? -1 : 0;
		if (redis_is_known(c.args[0], c.n_args))
			return 1;
		n = redis_command_end(first, &c);
		if (n == SIZE_MAX)
			return 0;
		if (n == 0)
			return -1;
	}
	return 0;
}

/* Where a list ends nobody can tell without having seen all of it. But whoever sends one request at
 * a time has read all of an answer before the next one is sent, which is where it ends then. */
static int redis_gap(void *state, enum proto_dir dir, uint64_t len)
{
	struct redis *r = state;

	if (dir == PROTO_REQUEST || !r->is_in_reply || r->is_reply_interim || r->is_pipelined ||
	    r->requests != r->responses)
		return -EBADMSG;
	r->is_adrift = true;
	return 0;
}

/* A whole header line that a value can have. */
static bool begins_reply(struct slice in)
{
	struct slice line;
	int64_t n;

	if (!is_reply_type(in.p[0]) || redis_line(in, &line) <= 0 || line.n >= RESYNC_LINE_MAX)
		return false;
	line.p++;
	line.n--;
	return strchr("+-:_#,(", in.p[0]) || (redis_number(line, &n) && n >= -1);
}

/* A value may look like a command, but hardly like one that the next command follows. */
static bool is_followed(struct slice in, const struct redis_command *c)
{
	size_t at = redis_command_end(in, c);

	return at == SIZE_MAX || at == in.n || (at && in.p[at] == '*');
}

static bool begins_command(struct slice in)
{
	struct redis_command c;

	return in.p[0] == '*' && redis_command(in, &c) > 0 && c.n_args && is_followed(in, &c);
}

/* Messages begin where framing was lost, or behind a line. */
static size_t redis_resync(void *state, enum proto_dir dir, struct slice in)
{
	struct redis *r = state;
	bool was_adrift = r->is_adrift;
	size_t i = r->has_failed[dir] || r->is_amid[dir]; /* never the place that failed */

	if (dir == PROTO_RESPONSE && was_adrift)
		return is_rest(r) ? in.n : 0;
	for (; i < in.n; i++) {
		struct slice at = { in.p + i, in.n - i };

		if (i && in.p[i - 1] != '\n')
			continue;
		if (dir == PROTO_REQUEST ? !begins_command(at) : !begins_reply(at))
			continue;
		r->has_failed[dir] = r->is_amid[dir] = false;
		if (dir == PROTO_REQUEST)
			r->args_left = 0;
		else
			r->is_in_reply = false;
		return i;
	}
	if (in.n > RESYNC_KEEP) { /* the next call's bytes begin amid these */
		r->has_failed[dir] = false;
		r->is_amid[dir] = in.p[in.n - RESYNC_KEEP - 1] != '\n';
	}
	return in.n;
}

/* Nothing ends by the connection's end. */
static bool redis_end(void *state, enum proto_dir dir)
{
	return false;
}

static bool redis_awaits_request(const void *state)
{
	const struct redis *r = state;

	return r->requests == r->responses && !r->is_pubsub && !r->is_in_reply;
}

static void redis_joined(void *state)
{
	struct redis *r = state;

	r->is_told = true;
}

static void redis_drop_requests(void *state, uint32_t n)
{
	struct redis *r = state;

	r->responses += n;
	while (r->n_marks && (int32_t)(r->marks[0].index - r->responses) < 0)
		memmove(r->marks, r->marks + 1, --r->n_marks * sizeof(r->marks[0]));
	r->db_plus_1 = 0; /* one of them may have been a SELECT that failed */
}

static void redis_miss_request(void *state)
{
	struct redis *r = state;

	r->is_missed = true;
}

extern const struct proto proto_redis;
const struct proto proto_redis = {
	.name = "redis",
	.id = PROTO_REDIS,
	.kind = KIND_DATABASE,
	.match = MATCH_FIFO,
	.state_size = sizeof(struct redis),
	.detect = redis_detect,
	.parse = redis_parse,
	.gap = redis_gap,
	.resync = redis_resync,
	.resync_keep = RESYNC_KEEP,
	.end = redis_end,
	.awaits_request = redis_awaits_request,
	.joined = redis_joined,
	.drop_requests = redis_drop_requests,
	.miss_request = redis_miss_request,
};
