// SPDX-License-Identifier: Apache-2.0
/* Several messages open in one direction: the one that bytes belong to is taken in hand by its id. */
#include "stream/conn_impl.h"

static struct request *find_open(const struct match *m, uint64_t id)
{
	for (struct response *resp = match_next_open(m, NULL); resp;
	     resp = match_next_open(m, resp))
		if (resp->req && resp->req->id == id)
			return resp->req;
	for (struct request *r = m->head; r; r = r->next)
		if (r->id == id)
			return r;
	return NULL;
}

static void select_request(struct match *m, uint64_t id)
{
	if (m->req_open && m->req_open->id == id)
		return;
	m->req_open = find_open(m, id);
	if (m->req_open && m->req_open->is_complete)
		m->req_open = NULL;
}

static void select_response(struct match *m, uint64_t id)
{
	struct response **at = &m->others, *resp;

	if (m->resp_open && m->resp_open->id == id)
		return;
	while ((resp = *at) && resp->id != id)
		at = &resp->next;
	if (resp)
		*at = resp->next;
	if (m->resp_open) {
		m->resp_open->next = m->others;
		m->others = m->resp_open;
	}
	if (resp)
		resp->next = NULL;
	m->resp_open = resp;
}

void match_select(struct conn *c, enum proto_dir d, uint64_t id)
{
	if (d == PROTO_REQUEST)
		select_request(&c->match, id);
	else
		select_response(&c->match, id);
}

void match_rename(struct conn *c, const struct msg *as)
{
	struct match *m = &c->match;
	struct request *r = m->head;

	if (!r)
		return;
	m->first_id = r->id = as->id;
	r->proto = (uint8_t)as->proto;
	slice_copy(r->version, sizeof(r->version), as->version);
}

struct response *match_next_open(const struct match *m, const struct response *r)
{
	if (!r)
		return m->resp_open ? m->resp_open : m->others;
	return r == m->resp_open ? m->others : r->next;
}
