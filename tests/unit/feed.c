/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include <assert.h>
#include <stdio.h>

static bool is_multiplexed(const struct feed *f)
{
	return f->proto->match == MATCH_MULTIPLEXED;
}

static void close_state(struct feed *f)
{
	if (f->proto->close)
		f->proto->close(f->state);
}

struct feed *feed_new(const struct proto *proto)
{
	struct feed *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->proto = proto;
	f->state = calloc(1, proto->state_size);
	f->guard = guard_new(FEED_BYTES_MAX);
	for (int d = 0; d < 2; d++) {
		f->side[d].bytes = malloc(FEED_BYTES_MAX);
		f->side[d].log = calloc(1, FEED_LOG_MAX);
		if (is_multiplexed(f))
			f->side[d].others = calloc(FEED_OTHERS, sizeof(*f->side[d].others));
	}
	return f;
}

static void clear(struct feed_message *m)
{
	m->id = m->wire = m->body = m->messages = 0;
	m->is_open = m->is_error = false;
	m->head[0] = m->status[0] = m->rows[0] = '\0';
}

/* Takes the message of an id in hand. */
static void choose(struct feed_side *s, uint64_t id)
{
	if (s->m.is_open && s->m.id == id)
		return;
	for (int i = 0; i < FEED_OTHERS && s->m.is_open; i++) {
		if (s->others[i].is_open)
			continue;
		s->others[i] = s->m;
		break;
	}
	clear(&s->m);
	for (int i = 0; i < FEED_OTHERS; i++) {
		if (!s->others[i].is_open || s->others[i].id != id)
			continue;
		s->m = s->others[i];
		s->others[i].is_open = false;
		return;
	}
	s->m.id = id;
}

void feed_reset(struct feed *f)
{
	close_state(f);
	memset(f->state, 0, f->proto->state_size);
	f->errors = f->calls = 0;
	f->is_upgraded = false;
	for (int d = 0; d < 2; d++) {
		struct feed_side *s = &f->side[d];

		s->n = s->log_n = 0;
		s->skip = 0;
		s->is_lost = s->is_over = false;
		clear(&s->m);
		for (int i = 0; s->others && i < FEED_OTHERS; i++)
			s->others[i].is_open = false;
		s->log[0] = '\0';
	}
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (int d = 0; d < 2; d++) {
		free(f->side[d].bytes);
		free(f->side[d].log);
		free(f->side[d].others);
	}
	close_state(f);
	guard_free(&f->guard);
	free(f->state);
	free(f);
}

static void close_message(struct feed_side *s, const char *how)
{
	char messages[16] = "";

	if (s->m.messages)
		snprintf(messages, sizeof(messages), " m%u", s->m.messages);
	if (s->log_n < FEED_LOG_MAX - 4400)
		s->log_n += (size_t)snprintf(s->log + s->log_n, FEED_LOG_MAX - s->log_n,
					     "%s%s%s%s%s w%llu b%llu%s%s", s->log_n ? "|" : "",
					     s->m.head, s->m.is_error ? " error" : "", s->m.status,
					     s->m.rows, (unsigned long long)s->m.wire,
					     (unsigned long long)s->m.body, messages, how);
	clear(&s->m);
}

static void check_slice(struct slice in, struct slice s)
{
	if (s.n)
		assert(s.p >= in.p && s.p + s.n <= in.p + in.n);
}

static size_t put(char *out, size_t size, size_t at, const char *label, struct slice s)
{
	if (s.n && at < size - 1)
		at += (size_t)snprintf(out + at, size - at, "%s%.*s", label, (int)s.n,
				       (const char *)s.p);
	return at < size ? at : size - 1;
}

static size_t put_database(char *out, size_t size, size_t at, const struct msg *m)
{
	at = put(out, size, at, " sys=", m->system);
	at = put(out, size, at, " op=", m->operation);
	at = put(out, size, at, " coll=", m->collection);
	at = put(out, size, at, " ns=", m->name_space);
	at = put(out, size, at, " q=", m->query);
	at = put(out, size, at, " sum=", m->summary);
	return at;
}

/* What parts say of the whole: shown when it ends, the last word of each. */
static void describe_message(struct feed_side *s, const struct msg *m)
{
	size_t at = strlen(s->m.head);

	if (m->flags & MSG_DESCRIBES)
		put_database(s->m.head, sizeof(s->m.head), at, m);
	if ((m->flags & MSG_ERROR) && !(m->flags & MSG_BEGIN))
		s->m.is_error = true;
	if (m->flags & MSG_ROWS)
		snprintf(s->m.rows, sizeof(s->m.rows), " rows=%llu", (unsigned long long)m->rows);
	if (m->status_text.n)
		snprintf(s->m.status, sizeof(s->m.status), " st=%.*s", (int)m->status_text.n,
			 (const char *)m->status_text.p);
}

static void open_message(struct feed *f, enum proto_dir dir, struct slice in, const struct msg *m)
{
	struct feed_side *s = &f->side[dir];
	size_t at = 0, size = sizeof(s->m.head);
	const struct slice all[] = { m->version,    m->method,	    m->target,	  m->host,
				     m->request_id, m->traceparent, m->tracestate };

	for (size_t i = 0;
	     f->proto->kind == KIND_WEB && !is_multiplexed(f) && i < sizeof(all) / sizeof(all[0]);
	     i++)
		check_slice(in, all[i]);
	if (s->m.is_open)
		close_message(s, " ended-in-hole");
	s->m.is_open = true;
	s->m.is_error = false;
	s->m.head[0] = s->m.status[0] = s->m.rows[0] = '\0';
	if (dir == PROTO_RESPONSE)
		at += (size_t)snprintf(s->m.head, size, "%d", m->status);
	at = put(s->m.head, size, at, "", m->method);
	at = put(s->m.head, size, at, " ", m->target);
	at = put(s->m.head, size, at, " ", m->version);
	at = put(s->m.head, size, at, " host=", m->host);
	at = put(s->m.head, size, at, " id=", m->request_id);
	at = put(s->m.head, size, at, " tp=", m->traceparent);
	at = put(s->m.head, size, at, " ts=", m->tracestate);
	at = put_database(s->m.head, size, at, m);
	if (f->proto->match != MATCH_FIFO)
		at += (size_t)snprintf(s->m.head + at, size - at, " #%llu",
				       (unsigned long long)m->id);
	if (m->silent)
		at += (size_t)snprintf(s->m.head + at, size - at, " silent=%u", m->silent);
	snprintf(s->m.head + at, size - at, "%s%s%s%s%s%s%s%s",
		 m->flags & MSG_INTERIM ? " interim" : "", m->flags & MSG_UPGRADE ? " upgrade" : "",
		 m->flags & MSG_STREAM ? " stream" : "", m->flags & MSG_ERROR ? " error" : "",
		 m->flags & MSG_LAST ? " last" : "", m->flags & MSG_CUT ? " cut" : "",
		 m->flags & MSG_NO_REPLY ? " noreply" : "", m->flags & MSG_QUIET ? " quiet" : "");
}

static void drop(struct feed_side *s, size_t n)
{
	s->n -= n;
	memmove(s->bytes, s->bytes + n, s->n);
}

static const char *hides(uint32_t flags)
{
	return flags & MSG_TLS ? "tls" : flags & MSG_ENCRYPTED ? "encrypted" : "compressed";
}

static void take_message(struct feed *f, enum proto_dir dir, struct slice in, size_t used,
			 const struct msg *m)
{
	struct feed_side *s = &f->side[dir];

	if (is_multiplexed(f) && m->id)
		choose(s, m->id);
	if (m->flags & MSG_BEGIN)
		open_message(f, dir, in, m);
	if (m->flags & MSG_RESET && !s->m.is_open)
		snprintf(s->m.head, sizeof(s->m.head), "#%llu", (unsigned long long)m->id);
	if ((s->m.is_open && (m->id || !is_multiplexed(f))) || m->flags & MSG_RESET) {
		describe_message(s, m);
		s->m.wire += used + (m->skip == UINT64_MAX ? 0 : m->skip);
		s->m.body += m->body_bytes;
		s->m.messages += m->messages;
	}
	drop(s, used);
	s->skip = m->skip;
	if (m->flags & MSG_UPGRADE)
		f->is_upgraded = true;
	if (m->flags & (MSG_END | MSG_CUT))
		close_message(s, m->flags & MSG_VOID ? " void" : "");
	if (m->flags & MSG_RESET)
		close_message(s, " reset");
	if (m->withdrawn && s->log_n < FEED_LOG_MAX - 64)
		s->log_n += (size_t)snprintf(s->log + s->log_n, 64, "%s-%u", s->log_n ? "|" : "",
					     m->withdrawn);
	if (m->refused_from && s->log_n < FEED_LOG_MAX - 64)
		s->log_n +=
			(size_t)snprintf(s->log + s->log_n, 64, "%srefused %llu",
					 s->log_n ? "|" : "", (unsigned long long)m->refused_from);
	if (m->flags & MSG_CUT)
		s->is_lost = true;
	if (m->flags & MSG_HIDES) {
		f->is_upgraded = true;
		if (s->log_n < FEED_LOG_MAX - 64)
			s->log_n += (size_t)snprintf(s->log + s->log_n, 64, "%s%s",
						     s->log_n ? "|" : "", hides(m->flags));
	}
}

static void skip(struct feed_side *s)
{
	size_t n = s->skip < s->n ? (size_t)s->skip : s->n;

	if (s->skip == UINT64_MAX && s->m.is_open) {
		s->m.wire += n;
		s->m.body += n;
	}
	if (s->skip != UINT64_MAX)
		s->skip -= n;
	drop(s, n);
}

static bool step(struct feed *f, enum proto_dir dir)
{
	struct feed_side *s = &f->side[dir];
	struct slice in;
	struct msg m;
	ssize_t r;

	if (s->skip)
		skip(s);
	if (s->n == 0 || f->is_upgraded)
		return false;
	in = guard_put(&f->guard, (struct slice){ s->bytes, s->n });
	if (s->is_lost) {
		size_t at = f->proto->resync(f->state, dir, in);

		assert(at <= in.n);
		if (at == in.n) {
			if (s->n > f->proto->resync_keep)
				drop(s, s->n - f->proto->resync_keep);
			return false;
		}
		s->is_lost = false;
		drop(s, at);
		return true;
	}
	f->calls++;
	msg_clear(&m);
	r = f->proto->parse(f->state, dir, in, &m);
	assert(r <= (ssize_t)in.n);
	if (r < 0) {
		f->errors++;
		s->is_lost = true;
		return true;
	}
	if (r > 0)
		take_message(f, dir, in, (size_t)r, &m);
	return r > 0;
}

/* Requests first: a response is framed by what its request was. */
static void run(struct feed *f)
{
	while (step(f, PROTO_REQUEST) || step(f, PROTO_RESPONSE))
		;
}

void feed_bytes(struct feed *f, enum proto_dir dir, struct slice in)
{
	struct feed_side *s = &f->side[dir];

	assert(s->n + in.n <= FEED_BYTES_MAX);
	if (in.n)
		memcpy(s->bytes + s->n, in.p, in.n);
	s->n += in.n;
	run(f);
}

void feed_hole(struct feed *f, enum proto_dir dir, uint64_t len)
{
	struct feed_side *s = &f->side[dir];
	uint64_t covered = s->skip < len ? s->skip : len;
	struct slice in;
	struct msg m;
	ssize_t used;
	int r;

	if (s->skip != UINT64_MAX)
		s->skip -= covered;
	if (covered == len)
		return;
	r = s->is_lost ? -1 : f->proto->gap(f->state, dir, len - covered);
	if (r == 1) {
		in = guard_put(&f->guard, (struct slice){ s->bytes, s->n });
		msg_clear(&m);
		used = f->proto->parse(f->state, dir, in, &m);
		assert(used < 0 || ((size_t)used == in.n &&
				    (is_multiplexed(f) || (m.flags & (MSG_CUT | MSG_UPGRADE)))));
		if (used > 0)
			take_message(f, dir, in, (size_t)used, &m);
		if (is_multiplexed(f) && s->skip) { /* of the rest the length is known */
			len -= covered;
			covered = s->skip < len ? s->skip : len;
			s->skip -= covered;
			r = covered == len ? 0 : -1;
		}
	}
	s->n = 0;
	s->is_lost = r != 0;
	run(f);
}

void feed_end(struct feed *f, enum proto_dir dir)
{
	struct feed_side *s = &f->side[dir];

	if (f->proto->end(f->state, dir) && s->m.is_open)
		close_message(s, "");
}

static void show_open(struct feed_side *s, const struct feed_message *m, size_t *at)
{
	if (m->is_open)
		*at += (size_t)snprintf(s->log + *at, FEED_LOG_MAX - *at, "%s?%s", *at ? "|" : "",
					m->head);
}

const char *feed_log(struct feed *f, enum proto_dir dir)
{
	struct feed_side *s = &f->side[dir];
	size_t at = s->log_n;

	s->log[at] = '\0';
	if (at > FEED_LOG_MAX - 4400)
		return s->log;
	show_open(s, &s->m, &at);
	for (int i = 0; s->others && i < FEED_OTHERS && at < FEED_LOG_MAX - 4400; i++)
		show_open(s, &s->others[i], &at);
	return s->log;
}
