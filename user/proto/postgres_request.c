// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "proto/postgres_parts.h"

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

bool pg_string(struct slice *s, struct slice *out)
{
	const uint8_t *end = s->n ? memchr(s->p, 0, s->n) : NULL;

	if (!end)
		return false;
	*out = (struct slice){ s->p, (size_t)(end - s->p) };
	s->p = end + 1;
	s->n -= out->n + 1;
	return true;
}

static void take_database(struct postgres *pg, struct slice name)
{
	pg->database_len = (uint8_t)at_most(name.n, PG_DATABASE_MAX);
	memcpy(pg->database, name.p, pg->database_len);
}

/* 53.2.1: the database defaults to the user's name. */
static void startup_parameters(struct postgres *pg, struct slice s)
{
	struct slice key, value, user = { 0 };

	while (pg_string(&s, &key) && key.n && pg_string(&s, &value)) {
		if (slice_eq(key, SLICE("database")) && value.n)
			take_database(pg, value);
		else if (slice_eq(key, SLICE("user")))
			user = value;
	}
	if (!pg->database_len && user.n)
		take_database(pg, user);
}

static struct pg_round *push(struct postgres *pg, enum pg_round_kind kind)
{
	struct pg_round *r;

	pg->n++;
	r = pg_back(pg);
	*r = (struct pg_round){ .kind = kind };
	return r;
}

/* Messages without a type: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest. */
static ssize_t untyped(struct postgres *pg, struct slice in)
{
	uint32_t len, code;

	if (in.n < 8)
		return 0;
	len = pg_u32(in.p);
	code = pg_u32(in.p + 4);
	if (len < 8 || len > PG_STARTUP_MAX)
		return -EBADMSG;
	if (in.n < len)
		return 0;
	if (code == PG_SSL || code == PG_GSSENC) {
		if (len != 8)
			return -EBADMSG;
		pg->n_negotiating++;
	} else if (code >> 16 == 3) {
		startup_parameters(pg, (struct slice){ in.p + 8, len - 8 });
		push(pg, PG_ROUND_START);
	} else if (code != PG_CANCEL) {
		return -EBADMSG;
	}
	return len;
}

/* The round that the next extended query belongs to: the one whose Sync is still to come. */
static struct pg_round *open_round(struct postgres *pg)
{
	struct pg_round *r = pg_back(pg);

	return r && r->kind == PG_ROUND_SYNC && !r->is_closed ? r : push(pg, PG_ROUND_SYNC);
}

static void tell(struct postgres *pg, const struct sql *sql, struct msg *out)
{
	out->system = SLICE("postgresql");
	out->name_space = (struct slice){ (uint8_t *)pg->database, pg->database_len };
	out->query = sql->text;
	out->summary = sql->summary;
	out->operation = sql->operation;
	out->context = sql->context;
}

static void read_sql(const struct postgres *pg, struct slice text, bool is_cut, struct msg *out,
		     struct sql *sql)
{
	struct sql_source source = {
		.text = text,
		.dialect = SQL_POSTGRESQL,
		.is_cut = is_cut,
		.is_backslash = pg->is_backslash,
	};

	sql_describe(&source, out->room, sql);
}

/* What was parsed and flushed, and neither executed nor ended by a Sync, is nothing by itself: the
 * ReadyForQuery of what is called next ends both. */
static void call(struct postgres *pg, struct msg *out)
{
	struct pg_round *r = pg_back(pg);
	bool goes_on = pg->is_requesting && r && r->requests == 1 && !r->is_closed;

	if (goes_on)
		r->kind = PG_ROUND_QUERY;
	else
		push(pg, PG_ROUND_QUERY)->requests = 1;
	pg->is_requesting = false;
	out->flags |= (goes_on ? MSG_DESCRIBES : MSG_BEGIN) | MSG_END;
}

/* `body`: as much of it as is looked at. */
static void query(struct postgres *pg, struct slice body, bool is_whole, struct msg *out)
{
	struct sql sql;

	if (is_whole && body.n && body.p[body.n - 1] == '\0')
		body.n--;
	read_sql(pg, body, !is_whole, out, &sql);
	tell(pg, &sql, out);
	call(pg, out);
}

/* 53.2.4: an object of the server is called by its id. */
static void function_call(struct postgres *pg, struct msg *out)
{
	struct sql sql = { .operation = SLICE("FunctionCall"), .summary = SLICE("FunctionCall") };

	tell(pg, &sql, out);
	call(pg, out);
}

static void begin(struct postgres *pg, const struct sql *sql, struct msg *out)
{
	tell(pg, sql, out);
	out->flags |= pg->is_requesting ? MSG_DESCRIBES : MSG_BEGIN;
	if (!pg->is_requesting)
		open_round(pg)->requests++;
	pg->is_requesting = true;
}

/* What comes of it is told by what follows: an Execute, or a Sync, behind which it was nothing. */
static int parse_statement(struct postgres *pg, struct slice body, bool is_whole, struct msg *out)
{
	struct slice name, text = body;
	struct sql sql;

	if (!pg_string(&text, &name))
		return -EBADMSG;
	body = text;
	if (!pg_string(&text, &body)) {
		if (is_whole)
			return -EBADMSG;
		read_sql(pg, body, true, out, &sql);
	} else {
		read_sql(pg, body, false, out, &sql);
	}
	statements_put(&pg->statements, statements_key(name), &sql);
	begin(pg, &sql, out);
	return 0;
}

static int bind(struct postgres *pg, struct slice body, struct msg *out)
{
	struct slice portal, statement;
	struct sql sql = { 0 };

	if (!pg_string(&body, &portal) || !pg_string(&body, &statement))
		return -EBADMSG;
	pg->portal = statements_key(portal);
	pg->statement = statements_key(statement);
	pg->is_bound = true;
	statements_get(&pg->statements, pg->statement, &sql);
	begin(pg, &sql, out);
	return 0;
}

static int execute(struct postgres *pg, struct slice body, struct msg *out)
{
	struct slice portal;
	struct sql sql = { 0 };

	if (!pg_string(&body, &portal))
		return -EBADMSG;
	if (!pg->is_requesting) { /* more of a portal that was suspended */
		if (pg->is_bound && statements_key(portal) == pg->portal)
			statements_get(&pg->statements, pg->statement, &sql);
		begin(pg, &sql, out);
	}
	pg->is_requesting = false;
	out->flags |= MSG_END;
	return 0;
}

static int close_object(struct postgres *pg, struct slice body)
{
	struct slice name;

	if (body.n < 2)
		return -EBADMSG;
	body.p++;
	body.n--;
	if (!pg_string(&body, &name))
		return -EBADMSG;
	if (body.p[-(ptrdiff_t)name.n - 2] == 'S')
		statements_remove(&pg->statements, statements_key(name));
	open_round(pg);
	return 0;
}

static void sync(struct postgres *pg, struct msg *out)
{
	open_round(pg)->is_closed = true;
	if (pg->is_requesting) /* never executed: ReadyForQuery will say that it was nothing */
		out->flags |= MSG_END;
	pg->is_requesting = false;
}

/* CopyDone, CopyFail */
static void copied(struct postgres *pg)
{
	struct pg_round *r = pg_back(pg);

	if (r)
		r->is_copied = true;
}

/* How much of a message's body is looked at. */
static size_t wanted(uint8_t type)
{
	switch (type) {
	case 'Q':
	case 'P': return SQL_SCAN_MAX + PG_NAMES;
	case 'B':
	case 'E':
	case 'C': return PG_NAMES;
	default: return 0;
	}
}

static int typed(struct postgres *pg, uint8_t type, struct slice body, bool is_whole,
		 struct msg *out)
{
	switch (type) {
	case 'Q': query(pg, body, is_whole, out); return 0;
	case 'F': function_call(pg, out); return 0;
	case 'P': return parse_statement(pg, body, is_whole, out);
	case 'B': return bind(pg, body, out);
	case 'E': return execute(pg, body, out);
	case 'C': return close_object(pg, body);
	case 'D':
	case 'H': open_round(pg); return 0;
	case 'S': sync(pg, out); return 0;
	case 'c':
	case 'f': copied(pg); return 0;
	default: return 0; /* copied data, passwords, Terminate: not looked at */
	}
}

ssize_t pg_request(struct postgres *pg, struct slice in, struct msg *out)
{
	size_t len, want, whole;
	int err;

	if (pg->n_negotiating) /* the answer says what follows */
		return 0;
	if (pg->is_deaf)
		return (ssize_t)in.n;
	if (in.p[0] == 0)
		return untyped(pg, in);
	if (!pg_is_type(PROTO_REQUEST, in.p[0]))
		return -EBADMSG;
	if (in.n < PG_HEADER)
		return 0;
	len = pg_u32(in.p + 1);
	if (len < 4 || len > INT32_MAX)
		return -EBADMSG;
	whole = 1 + len;
	want = at_most(whole, PG_HEADER + wanted(in.p[0]));
	if (in.n < want || pg->n >= PG_ROUNDS - 1)
		return 0;
	err = typed(pg, in.p[0], (struct slice){ in.p + PG_HEADER, want - PG_HEADER },
		    want == whole, out);
	if (err < 0)
		return err;
	out->skip = whole - want;
	return (ssize_t)want;
}
