/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of RESP2 and RESP3, framed by counting: values of any size and nesting are passed over. */
#include <errno.h>
#include <string.h>

#include "proto/redis_parts.h"

enum { ERROR_WORD_MAX = 31 };

/* What a reply's first bytes tell before any of it is consumed. */
enum first { FIRST_MORE, FIRST_ANSWER, FIRST_PUSH, FIRST_ACK };

static bool is_any(struct slice s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(s, slice_str(words[i])))
			return true;
	return false;
}

/* Of an array or a push: is its first element one of the words that publish and subscribe use? */
static enum first first_word(struct slice in, bool is_push)
{
	static const char *const messages[] = { "message", "pmessage", "smessage" };
	static const char *const acks[] = { "subscribe",   "psubscribe",   "ssubscribe",
					    "unsubscribe", "punsubscribe", "sunsubscribe" };
	enum first other = is_push ? FIRST_PUSH : FIRST_ANSWER;
	struct slice line, word;
	ssize_t head = redis_line(in, &line), n;
	int64_t len;

	if (head <= 0)
		return head ? other : FIRST_MORE;
	in = (struct slice){ in.p + head, in.n - (size_t)head };
	if (line.n == 2 && line.p[1] == '0')
		return other;
	if (in.n && in.p[0] != '$')
		return other;
	n = redis_line(in, &word);
	if (n <= 0)
		return n || in.n > 16 ? other : FIRST_MORE;
	word.p++;
	word.n--;
	if (!redis_number(word, &len) || len < 0 || len > 16)
		return other;
	if (in.n < (size_t)n + (size_t)len)
		return FIRST_MORE;
	word = (struct slice){ in.p + n, (size_t)len };
	if (is_any(word, messages, 3))
		return FIRST_PUSH;
	return is_any(word, acks, 6) ? FIRST_ACK : other;
}

static enum first first_of(const struct redis *r, struct slice in)
{
	if (in.p[0] == '>')
		return first_word(in, true);
	if (in.p[0] == '*' && r->is_pubsub && !r->is_resp3)
		return first_word(in, false);
	return FIRST_ANSWER;
}

/* The mark of the command that the next answer belongs to. */
static struct redis_mark *mark_due(struct redis *r)
{
	return r->n_marks && r->marks[0].index == r->responses ? &r->marks[0] : NULL;
}

static void mark_done(struct redis *r)
{
	r->n_marks--;
	memmove(r->marks, r->marks + 1, r->n_marks * sizeof(r->marks[0]));
}

/* Does this acknowledgement answer a command, or is it one of several of a command answered? */
static bool ack_answers(struct redis *r)
{
	struct redis_mark *m = mark_due(r);

	if (r->more_acks) {
		r->more_acks--;
		return false;
	}
	if (!m || m->kind != REDIS_SUBSCRIBE)
		return false;
	r->more_acks = m->acks ? m->acks - 1 : 0;
	return true;
}

/* Is all of this string there, or will its length not do anyway? */
static bool is_whole_string(struct slice in, size_t head, struct slice line)
{
	int64_t len;

	line.p++;
	line.n--;
	return !redis_number(line, &len) || len < 0 || in.n >= head + (size_t)len;
}

static void take_error(struct slice line, struct msg *out)
{
	size_t n = 0;

	while (n < line.n && n < ERROR_WORD_MAX && line.p[n] != ' ' && line.p[n] != '\r' &&
	       line.p[n] > 0x20 && line.p[n] < 0x7f)
		n++;
	out->flags |= MSG_ERROR;
	out->status_text = n ? (struct slice){ line.p, n } : SLICE("ERR");
}

/* The answer to a marked command changes what the connection is about. */
static void settle_mark(struct redis *r, struct slice in, struct msg *out)
{
	struct redis_mark *m = mark_due(r);

	if (!m)
		return;
	if (m->kind == REDIS_SELECT && in.p[0] == '-')
		r->db_plus_1 = m->db;
	if (m->kind == REDIS_ENDS && in.p[0] != '-')
		out->flags |= MSG_UPGRADE;
	mark_done(r);
}

static void begin(struct redis *r, struct slice in, enum first first, struct msg *out)
{
	bool answers = first == FIRST_ANSWER || (first == FIRST_ACK && ack_answers(r));

	out->flags |= MSG_BEGIN;
	r->is_resp3 |= in.p[0] == '>';
	r->is_in_reply = true;
	r->depth = 0;
	r->left[0] = 1;
	r->is_reply_interim = !answers;
	r->is_ack = first == FIRST_ACK;
	if (!answers || r->is_missed) {
		out->flags |= answers ? 0 : MSG_INTERIM;
		r->is_missed = false;
		return;
	}
	settle_mark(r, in, out);
	if (r->responses != r->requests)
		r->responses++;
}

/* One header line of a value. Consumed bytes, *skip of its string; 0 more; -EBADMSG. */
static ssize_t value(struct redis *r, struct slice in, uint64_t *skip)
{
	struct slice line;
	ssize_t n = redis_line(in, &line);
	bool is_attribute = in.p[0] == '|';
	int64_t count;

	*skip = 0;
	if (n <= 0)
		return n;
	if (!is_attribute)
		r->left[r->depth]--;
	switch (in.p[0]) {
	case '+':
	case '-':
	case ':':
	case '_':
	case '#':
	case ',':
	case '(': return n;
	case '$':
	case '!':
	case '=':
	case '*':
	case '~':
	case '>':
	case '%':
	case '|': break;
	default: return -EBADMSG;
	}
	line.p++;
	line.n--;
	if (!redis_number(line, &count) || count < -1)
		return -EBADMSG;
	if (in.p[0] == '$' || in.p[0] == '!' || in.p[0] == '=') {
		*skip = count < 0 ? 0 : (uint64_t)count + 2;
		return n;
	}
	if (count <= 0)
		return n;
	if (r->depth == REDIS_DEPTH_MAX)
		return -EBADMSG;
	r->left[++r->depth] =
		in.p[0] == '%' || is_attribute ? (uint32_t)count * 2 : (uint32_t)count;
	return n;
}

static bool is_whole(struct redis *r)
{
	while (r->depth && !r->left[r->depth])
		r->depth--;
	return !r->depth && !r->left[0];
}

ssize_t redis_reply(struct redis *r, struct slice in, struct msg *out)
{
	size_t used = 0;
	bool was_begun = r->is_in_reply;
	enum first first;

	if (!in.n)
		return 0;
	if (!was_begun) {
		struct slice line;
		ssize_t n = redis_line(in, &line);

		if (n <= 0)
			return n;
		first = first_of(r, in);
		if (first == FIRST_MORE || (in.p[0] == '!' && in.n < (size_t)n + ERROR_WORD_MAX &&
					    !is_whole_string(in, (size_t)n, line)))
			return 0;
		begin(r, in, first, out);
		if (in.p[0] == '-')
			take_error((struct slice){ line.p + 1, line.n - 1 }, out);
	}
	do {
		struct slice rest = { in.p + used, in.n - used };
		uint64_t skip;
		ssize_t n = rest.n ? value(r, rest, &skip) : 0;

		if (n <= 0) /* what is consumed so far stands; an error will be met again */
			return used ? (ssize_t)used : n;
		used += (size_t)n;
		if (rest.p[0] == '!' && used == (size_t)n && !was_begun && skip >= 2)
			take_error((struct slice){ rest.p + n, skip - 2 < rest.n - (size_t)n
								       ? (size_t)skip - 2
								       : rest.n - (size_t)n },
				   out);
		if (skip <= in.n - used) {
			used += skip;
		} else {
			out->skip = skip - (in.n - used);
			used = in.n;
			break;
		}
	} while (!is_whole(r));
	if (is_whole(r)) {
		out->flags |= MSG_END;
		r->is_in_reply = false;
		/* "*3 unsubscribe, channel, :0": nothing is subscribed to any more */
		if (r->is_ack && used >= 4 && memcmp(in.p + used - 4, ":0\r\n", 4) == 0)
			r->is_pubsub = false;
		r->is_ack = false;
	}
	if (r->is_reply_interim)
		out->flags |= MSG_INTERIM;
	return (ssize_t)used;
}
