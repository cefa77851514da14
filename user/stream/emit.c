// SPDX-License-Identifier: Apache-2.0
/* A finished exchange into struct txn. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stream/conn_impl.h"

static void fill_context(struct txn_trace *trace, const struct context *c)
{
	if (!c->is_known) {
		trace->state[0] = '\0'; /* of no use without, W3C Trace Context 3.5 */
		return;
	}
	memcpy(trace->trace_id, c->trace_id, sizeof(trace->trace_id));
	memcpy(trace->parent_span_id, c->span_id, sizeof(trace->parent_span_id));
	trace->parent = TXN_PARENT_HEADER;
	trace->is_sampled = c->is_sampled;
	trace->is_deferred = c->is_deferred;
}

static void fill_request(struct txn *t, const struct request *req)
{
	t->start_ns = req->start_ns;
	t->is_start_known = req->is_start_known;
	t->goroutine = req->goroutine;
	t->tgid = req->tgid;
	t->tid = req->tid;
	t->is_tls = req->is_tls;
	t->request_seq = (uint32_t)req->begin_pos;
	memcpy(t->version, req->version, sizeof(t->version));
	memcpy(t->method, req->method, sizeof(t->method));
	request_texts(req, t);
	t->host_port = req->host_port;
	t->unit = req->unit;
	fill_context(&t->trace, &req->context);
	t->request_messages = req->messages;
}

/* A request that is answered before it was whole (413): what had been moved of it when its answer
 * ended, as far as either stream tells. */
static void fill_request_sizes(struct txn *t, const struct conn *c, const struct request *req,
			       const struct response *resp)
{
	const struct stream *s = &c->s[conn_dir(c, PROTO_REQUEST)];
	uint64_t end = s->next - stream_held(s), missing;

	t->request_bytes = req->bytes;
	t->request_body_bytes = req->body_bytes;
	if (req->is_complete || conn_is_multiplexed(c))
		return;
	if (resp && resp->other_pos > end)
		end = resp->other_pos;
	if (end > req->due_pos)
		end = req->due_pos;
	missing = req->due_pos == UINT64_MAX ? 0 : req->due_pos - end;
	t->request_bytes = end > req->begin_pos ? end - req->begin_pos : 0;
	t->request_body_bytes -= missing < req->body_bytes ? missing : req->body_bytes;
}

static void fill_response(struct txn *t, const struct response *resp)
{
	t->status = resp->status;
	t->first_response_ns = resp->first_ns;
	t->response_seq = (uint32_t)resp->begin_pos;
	t->response_bytes = resp->end_pos - resp->begin_pos;
	t->response_messages = resp->messages;
	t->response_body_bytes = resp->body_bytes;
	t->rows = resp->rows;
	t->is_rows_known = resp->is_rows_known;
	memcpy(t->status_text, resp->status_text, sizeof(t->status_text));
	t->is_upgrade = resp->flags & MSG_UPGRADE;
	t->is_stream = resp->flags & (MSG_UPGRADE | MSG_STREAM);
	/* A server answers HTTP/1.0 with the highest version it knows (RFC 9110, 2.5): what both
	 * ends speak is the lower of the two. */
	if (resp->version[0] && (!t->version[0] || strcmp(resp->version, t->version) < 0))
		memcpy(t->version, resp->version, sizeof(t->version));
	if (!t->request_id[0])
		memcpy(t->request_id, resp->request_id, sizeof(t->request_id));
}

static void fill_conn(struct txn *t, const struct conn *c)
{
	t->cookie = c->cookie;
	t->proto = c->proto->id;
	t->role = c->role;
	t->family = c->family;
	t->local = c->local;
	t->peer = c->peer;
	if (c->unix_path)
		memcpy(t->unix_path, c->unix_path, c->unix_path_len);
	t->unix_path_len = c->unix_path_len;
}

/* Semantic conventions for HTTP: 4xx is the client's own fault, so an error on its side only. For
 * everything else the protocol has said, and the status is the type. */
static void fill_error(struct txn *t, const struct response *resp, const char *error_type)
{
	int least = t->role == SONDE_ROLE_SERVER ? 500 : 400;

	t->is_status_error = t->status >= least || (resp && (resp->flags & MSG_ERROR));
	if (error_type[0])
		snprintf(t->error_type, sizeof(t->error_type), "%s", error_type);
	else if (t->is_status_error && proto_get(t->proto)->kind == KIND_NAMES &&
		 strcmp(t->status_text, "NXDOMAIN") == 0)
		strcpy(t->error_type, "host_not_found"); /* as getaddrinfo() says, and semconv */
	else if (t->is_status_error && t->status_text[0])
		memcpy(t->error_type, t->status_text, sizeof(t->error_type));
	else if (t->is_status_error)
		snprintf(t->error_type, sizeof(t->error_type), "%d", t->status);
}

struct waits_mark emit_mark(const struct conns *cs, uint64_t end_ns)
{
	return waits_mark(cs->in_hand && cs->in_hand->end_ns == end_ns ? cs->in_hand : NULL);
}

/* Of other upgrades (tunnels, container consoles) nobody asks how long they live. */
static void stream_opened(struct conn *c, const struct request *req, uint32_t flags)
{
	if (flags & MSG_STREAM)
		c->stream_kind = TXN_STREAM_SSE;
	else if (flags & MSG_WEBSOCKET)
		c->stream_kind = TXN_STREAM_WEBSOCKET;
	c->stream_start_ns = req->start_ns;
	c->stream_tgid = req->tgid;
}

void emit_exchange(struct conns *cs, struct conn *c, const struct request *req,
		   const struct response *resp, const char *error_type, uint64_t end_ns)
{
	struct waits_mark mark;
	struct txn t;

	txn_clear(&t);
	fill_conn(&t, c);
	fill_request(&t, req);
	fill_request_sizes(&t, c, req, resp);
	t.end_ns = end_ns;
	if (resp && resp->proto)
		t.proto = resp->proto;
	else if (req->proto)
		t.proto = req->proto;
	if (!detect_wants(cs, t.proto))
		return;
	if (proto_get(t.proto)->kind == KIND_RPC)
		strcpy(t.system, proto_get(t.proto)->name);
	if (resp) {
		fill_response(&t, resp);
		if (conn_is_multiplexed(c))
			t.response_bytes = resp->bytes;
		if (t.is_stream)
			t.end_ns = t.first_response_ns;
	}
	fill_error(&t, resp, error_type);
	mark = resp && resp->mark.ns ? resp->mark : emit_mark(cs, end_ns);
	waits_tell(&req->waits, &mark, req->read_ns, &t);
	cs->stats.transactions[t.proto][t.role - 1]++;
	cs->opts.on_txn(cs->opts.ctx, &t);
	if (conn_is_multiplexed(c))
		return;
	if (t.is_stream)
		stream_opened(c, req, resp->flags);
	if (t.is_stream && resp->is_complete && !t.is_upgrade)
		emit_stream(cs, c, end_ns); /* it had ended before its request was seen */
}

void emit_stream_of(struct conns *cs, const struct conn *c, const struct response *resp,
		    uint64_t end_ns)
{
	struct txn_stream s = {
		.kind = resp->flags & MSG_WEBSOCKET ? TXN_STREAM_WEBSOCKET : TXN_STREAM_SSE,
		.role = c->role,
		.tgid = resp->req->tgid,
		.start_ns = resp->req->start_ns,
		.end_ns = end_ns,
	};

	if (cs->opts.on_stream)
		cs->opts.on_stream(cs->opts.ctx, &s);
}

void emit_stream(struct conns *cs, struct conn *c, uint64_t end_ns)
{
	struct txn_stream s = {
		.kind = c->stream_kind,
		.role = c->role,
		.tgid = c->stream_tgid,
		.start_ns = c->stream_start_ns,
		.end_ns = end_ns,
	};

	c->stream_kind = TXN_STREAM_NONE;
	if (s.kind != TXN_STREAM_NONE && cs->opts.on_stream)
		cs->opts.on_stream(cs->opts.ctx, &s);
}

void emit_silence(struct conns *cs, struct conn *c, const struct request *req, uint64_t end_ns)
{
	struct response none = { .first_ns = end_ns };

	memcpy(none.status_text, req->silence, sizeof(req->silence));
	emit_exchange(cs, c, req, &none, "", end_ns);
}

static void fill_question(struct txn *t, const struct question *q)
{
	t->cookie = q->cookie;
	t->proto = q->proto->id;
	t->role = q->role;
	t->family = q->family;
	t->local = q->local;
	t->peer = q->peer;
	fill_request(t, q->req);
	t->request_bytes = q->req->bytes;
	t->request_body_bytes = q->req->body_bytes;
}

void emit_question(struct conns *cs, const struct question *q, const struct response *resp,
		   const char *error_type, uint64_t end_ns)
{
	const struct waits_mark none = { 0 };
	struct txn t;

	txn_clear(&t);
	fill_question(&t, q);
	t.end_ns = end_ns;
	if (resp)
		fill_response(&t, resp);
	fill_error(&t, resp, error_type);
	waits_tell(&q->req->waits, resp ? &resp->mark : &none, q->req->read_ns, &t);
	cs->stats.transactions[t.proto][t.role - 1]++;
	cs->opts.on_txn(cs->opts.ctx, &t);
}

/* No operation has ended it: how long it waited to be read is known, of the rest nothing. */
static void fill_waits_so_far(struct txn *t, const struct request *req)
{
	const struct waits_open none = { 0 };

	waits_tell(&none, &(struct waits_mark){ 0 }, req->read_ns, t);
	t->unit = NULL; /* goes on without us */
}

void emit_exchange_so_far(const struct conn *c, const struct request *req,
			  const struct response *resp, struct txn *t)
{
	fill_conn(t, c);
	fill_request(t, req);
	fill_request_sizes(t, c, req, NULL);
	if (req->proto)
		t->proto = req->proto;
	if (proto_get(t->proto)->kind == KIND_RPC)
		strcpy(t->system, proto_get(t->proto)->name);
	if (resp) {
		t->status = resp->status;
		t->first_response_ns = resp->first_ns;
	}
	fill_waits_so_far(t, req);
}

void emit_question_so_far(const struct question *q, struct txn *t)
{
	fill_question(t, q);
	fill_waits_so_far(t, q->req);
}

static const char *connect_error(uint32_t error)
{
	switch (error) {
	case ECONNREFUSED: return "refused";
	case ETIMEDOUT: return "timeout";
	case ECONNRESET:
	case EPIPE: return "reset";
	default: return "unreachable";
	}
}

void emit_connect(struct conns *cs, const struct sonde_ev_connect *ev)
{
	struct txn t;

	txn_clear(&t);
	t.proto = PROTO_UNKNOWN;
	t.role = SONDE_ROLE_CLIENT;
	t.family = ev->family;
	t.cookie = ev->cookie;
	t.tgid = ev->tgid;
	t.tid = ev->tid;
	t.local = ev->local;
	t.peer = ev->peer;
	t.start_ns = ev->connect_ns ? ev->connect_ns : ev->h.ts_ns;
	t.end_ns = ev->h.ts_ns;
	t.is_start_known = ev->connect_ns != 0;
	strcpy(t.operation, "connect");
	strcpy(t.error_type, connect_error(ev->error));
	waits_tell(&(struct waits_open){ 0 }, &(struct waits_mark){ 0 }, 0, &t);
	cs->stats.connects_failed++;
	cs->stats.transactions[PROTO_UNKNOWN][SONDE_ROLE_CLIENT - 1]++;
	cs->opts.on_txn(cs->opts.ctx, &t);
}
