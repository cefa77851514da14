// SPDX-License-Identifier: Apache-2.0
#include "stream/exchange.h"

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

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

static struct request *request_alloc(struct pools *p, size_t text)
{
	struct request *r = p->requests;
	bool is_pooled = text <= REQUEST_TEXT;

	if (is_pooled && r)
		p->requests = r->next;
	else
		r = malloc(sizeof(*r) + (is_pooled ? (size_t)REQUEST_TEXT : text));
	if (!r)
		return NULL;
	memset(r, 0, offsetof(struct request, text));
	r->is_pooled = is_pooled;
	return r;
}

struct request *request_new(struct pools *p, const struct msg *msg)
{
	char target[TXN_TARGET_LEN];
	size_t n_target = mask_target(target, sizeof(target), msg->target);
	uint16_t port;
	struct slice host = split_port(msg->host, &port);
	size_t n_host = at_most(host.n, TXN_HOST_LEN - 1);
	size_t n_id = at_most(msg->request_id.n, TXN_ID_LEN - 1);
	struct request *r = request_alloc(p, n_target + n_host + n_id);

	if (!r)
		return NULL;
	r->body_bytes = 0;
	r->host_port = port;
	r->target_len = (uint16_t)n_target;
	r->host_len = (uint16_t)n_host;
	r->id_len = (uint16_t)n_id;
	memcpy(r->text, target, n_target);
	if (n_host)
		memcpy(r->text + n_target, host.p, n_host);
	if (n_id)
		memcpy(r->text + n_target + n_host, msg->request_id.p, n_id);
	slice_copy(r->version, sizeof(r->version), msg->version);
	slice_copy(r->method, sizeof(r->method), msg->method);
	return r;
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
	r->status = msg->status;
	r->flags = msg->flags;
	slice_copy(r->version, sizeof(r->version), msg->version);
	slice_copy(r->request_id, sizeof(r->request_id), msg->request_id);
	return r;
}

void request_free(struct pools *p, struct request *r)
{
	if (!r)
		return;
	if (!r->is_pooled) {
		free(r);
		return;
	}
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
