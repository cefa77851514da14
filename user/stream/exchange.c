// SPDX-License-Identifier: Apache-2.0
#include "stream/exchange.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "stream/mask.h"

/* "example.com:8080", "[::1]:80": the port out, the brackets away. */
static struct slice split_port(struct slice host, uint16_t *port)
{
	size_t end = host.n;
	unsigned n = 0;

	*port = 0;
	while (end > 0 && host.p[end - 1] >= '0' && host.p[end - 1] <= '9')
		end--;
	if (end > 0 && end < host.n && host.n - end <= 5 && host.p[end - 1] == ':') {
		for (size_t i = end; i < host.n; i++)
			n = n * 10 + (host.p[i] - '0');
		/* a bare IPv6 address has further colons and is no host with a port */
		if (n <= UINT16_MAX && !memchr(host.p, ':', end - 1)) {
			*port = (uint16_t)n;
			host.n = end - 1;
		} else if (n <= UINT16_MAX && end >= 2 && host.p[end - 2] == ']') {
			*port = (uint16_t)n;
			host.n = end - 1;
		}
	}
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = (struct slice){ host.p + 1, host.n - 2 };
	return host;
}

/* What a host's name or address can be made of, RFC 3986 3.2.2. */
static bool is_host(struct slice host)
{
	static const bool is_fit[256] = {
		['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['-'] = true,
		['.'] = true,	      ['_'] = true,	    ['~'] = true,	  ['%'] = true,
		['!'] = true,	      ['$'] = true,	    ['&'] = true,	  ['\''] = true,
		['('] = true,	      [')'] = true,	    ['*'] = true,	  ['+'] = true,
		[','] = true,	      [';'] = true,	    ['='] = true,	  [':'] = true,
	};

	for (size_t i = 0; i < host.n; i++)
		if (!is_fit[host.p[i]])
			return false;
	return true;
}

/* Where a text stands in a message and in a transaction, and how much of it the latter takes. */
struct text_place {
	size_t msg, txn, size;
};

#define TEXT(member)                                                        \
	{                                                                   \
		offsetof(struct msg, member), offsetof(struct txn, member), \
			sizeof(((struct txn *)0)->member)                   \
	}

static const struct text_place places[REQUEST_TEXTS] = {
	[REQUEST_TARGET] = TEXT(target),
	[REQUEST_HOST] = TEXT(host),
	[REQUEST_ID] = TEXT(request_id),
	[REQUEST_TRACE_STATE] = { offsetof(struct msg, tracestate),
				  offsetof(struct txn, trace.state), TXN_TRACE_STATE_LEN },
	[REQUEST_SYSTEM] = TEXT(system),
	[REQUEST_OPERATION] = TEXT(operation),
	[REQUEST_COLLECTION] = TEXT(collection),
	[REQUEST_NAME_SPACE] = TEXT(name_space),
	[REQUEST_QUERY] = TEXT(query),
	[REQUEST_SUMMARY] = TEXT(summary),
};

enum { TEXTS_MAX = sizeof(struct txn) }; /* all of them together are less */

static struct slice text_of(const struct msg *msg, enum request_text which)
{
	struct slice s = *(const struct slice *)((const char *)msg + places[which].msg);

	if (s.n > places[which].size - 1)
		s.n = places[which].size - 1;
	return s;
}

/* None of the texts may stand in r's own room. */
static int store_texts(struct request *r, const struct slice texts[REQUEST_TEXTS])
{
	char *text = r->room, *at;
	size_t n = 0;

	for (int i = 0; i < REQUEST_TEXTS; i++)
		n += texts[i].n;
	if (n > sizeof(r->room))
		text = malloc(n);
	if (!text)
		return -ENOMEM;
	at = text;
	r->n_texts = 0;
	for (int i = 0; i < REQUEST_TEXTS; i++) {
		r->text_len[i] = (uint16_t)texts[i].n;
		if (!texts[i].n)
			continue;
		at = mempcpy(at, texts[i].p, texts[i].n);
		r->n_texts = (uint8_t)(i + 1);
	}
	if (r->text != r->room)
		free(r->text);
	r->text = text;
	return 0;
}

static void read_context(struct request *r, const struct msg *msg)
{
	if (msg->context.is_known)
		r->context = msg->context;
	else
		context_traceparent(msg->traceparent, &r->context);
}

struct request *request_new(struct pools *p, const struct msg *msg)
{
	char target[TXN_TARGET_LEN];
	struct slice texts[REQUEST_TEXTS];
	struct request *r = p->requests;

	if (r)
		p->requests = r->next;
	else
		r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	memset(r, 0, offsetof(struct request, version));
	r->text = r->room;
	for (int i = 0; i < REQUEST_TEXTS; i++)
		texts[i] = text_of(msg, i);
	texts[REQUEST_TARGET].n = mask_target(target, sizeof(target), msg->target);
	texts[REQUEST_TARGET].p = (const uint8_t *)target;
	texts[REQUEST_HOST] = split_port(msg->host, &r->host_port);
	if (!is_host(texts[REQUEST_HOST])) { /* then nobody knows the name */
		texts[REQUEST_HOST].n = 0;
		r->host_port = 0;
	}
	if (texts[REQUEST_HOST].n > TXN_HOST_LEN - 1)
		texts[REQUEST_HOST].n = TXN_HOST_LEN - 1;
	texts[REQUEST_TRACE_STATE] = context_tracestate(msg->tracestate);
	if (store_texts(r, texts) < 0) {
		request_free(p, r);
		return NULL;
	}
	read_context(r, msg);
	slice_copy(r->version, sizeof(r->version), msg->version);
	slice_copy(r->method, sizeof(r->method), msg->method);
	slice_copy(r->silence, sizeof(r->silence), msg->status_text);
	r->id = msg->id;
	r->proto = (uint8_t)msg->proto;
	r->timeout_ns = msg->timeout_ns;
	r->is_quiet = msg->flags & MSG_QUIET;
	r->is_no_reply = msg->flags & MSG_NO_REPLY;
	return r;
}

int request_describe(struct request *r, const struct msg *msg)
{
	char old[TEXTS_MAX], *at = old;
	struct slice texts[REQUEST_TEXTS];

	read_context(r, msg);
	for (int i = 0; i < REQUEST_TEXTS; i++) {
		struct slice s = request_text(r, i);

		texts[i] = i < REQUEST_SYSTEM ? (struct slice){ 0 } : text_of(msg, i);
		if (texts[i].n)
			continue;
		texts[i] = (struct slice){ (uint8_t *)at, s.n };
		at = mempcpy(at, s.p, s.n);
	}
	return store_texts(r, texts);
}

struct slice request_text(const struct request *r, enum request_text which)
{
	const char *at = r->text;

	for (int i = 0; i < (int)which; i++)
		at += r->text_len[i];
	return (struct slice){ (const uint8_t *)at, r->text_len[which] };
}

void request_texts(const struct request *r, struct txn *t)
{
	const char *at = r->text;

	for (int i = 0; i < r->n_texts; i++) {
		char *to = (char *)t + places[i].txn;

		memcpy(to, at, r->text_len[i]);
		to[r->text_len[i]] = '\0';
		at += r->text_len[i];
	}
}

struct response *response_new(struct pools *p, const struct msg *msg)
{
	struct response *r = p->responses;

	if (r)
		p->responses = r->next;
	else
		r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	memset(r, 0, offsetof(struct response, version));
	r->id = msg->id;
	r->flags = msg->flags;
	slice_copy(r->version, sizeof(r->version), msg->version);
	slice_copy(r->request_id, sizeof(r->request_id), msg->request_id);
	r->status_text[0] = '\0';
	response_describe(r, msg);
	return r;
}

void response_describe(struct response *r, const struct msg *msg)
{
	r->flags |= msg->flags & (MSG_ERROR | MSG_VOID);
	if (msg->status)
		r->status = msg->status;
	if (msg->proto)
		r->proto = (uint8_t)msg->proto;
	if (msg->flags & MSG_ROWS) {
		r->rows = msg->rows;
		r->is_rows_known = true;
	}
	if (msg->status_text.n)
		slice_copy(r->status_text, sizeof(r->status_text), msg->status_text);
}

void request_free(struct pools *p, struct request *r)
{
	if (!r)
		return;
	if (r->text != r->room)
		free(r->text);
	r->next = p->requests;
	p->requests = r;
}

void response_free(struct pools *p, struct response *r)
{
	if (!r)
		return;
	r->next = p->responses;
	p->responses = r;
}

void pools_free(struct pools *p)
{
	struct request *req;
	struct response *resp;

	while ((req = p->requests)) {
		p->requests = req->next;
		free(req);
	}
	while ((resp = p->responses)) {
		p->responses = resp->next;
		free(resp);
	}
}
