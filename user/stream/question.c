// SPDX-License-Identifier: Apache-2.0
/*
 * Questions with answers. An answer is for the question of the same socket, way, id, peer and text;
 * of several, for the oldest. Who asks the same again has given up waiting: the first time is over,
 * without an answer. A server has every question to answer, also the same from the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream/conn_impl.h"

static uint64_t hash(uint64_t h, const void *bytes, size_t n)
{
	for (const uint8_t *p = bytes; n--; p++)
		h = (h ^ *p) * 0x100000001b3ULL; /* FNV-1a */
	return h;
}

static uint64_t hash_text(const struct msg *msg)
{
	uint64_t h = hash(0xcbf29ce484222325ULL, msg->method.p, msg->method.n);

	return msg->target.n ? hash(h, msg->target.p, msg->target.n) | 1 : 0;
}

static uint64_t hash_key(uint64_t cookie, uint8_t role, uint64_t id)
{
	uint64_t h = hash(0xcbf29ce484222325ULL, &cookie, sizeof(cookie));

	return hash(hash(h, &id, sizeof(id)), &role, sizeof(role));
}

/* What both ends know of it, but for the addresses. */
static uint64_t hash_question(const struct question *q)
{
	uint64_t h = hash(q->text, &q->netns, sizeof(q->netns));

	return q->text ? hash(h, &q->req->id, sizeof(q->req->id)) | 1 : 0;
}

static uint64_t id_of(const struct question *q)
{
	return q->req ? q->req->id : q->resp->id;
}

/* --- the table --- */

static int table_add(struct datagrams *ds, struct question *q)
{
	q->alike = map_get(&ds->by_key, q->key);
	if (map_put(&ds->by_key, q->key, q) < 0)
		return -ENOMEM;
	list_push(q->req ? &ds->asked : &ds->early, &q->age);
	ds->n_asked++;
	return 0;
}

static void table_remove(struct datagrams *ds, struct question *q)
{
	struct question *first = map_get(&ds->by_key, q->key), **at = &first;

	while (*at != q)
		at = &(*at)->alike;
	*at = q->alike;
	if (!first)
		map_del(&ds->by_key, q->key);
	else
		map_put(&ds->by_key, q->key, first); /* the key is there: cannot fail */
	list_del(&q->age);
	list_del(&q->of_socket);
	ds->n_asked--;
}

static void question_free(struct conns *cs, struct question *q)
{
	if (q->req)
		waits_leave(&cs->waits, &q->req->waits);
	if (q->req && q->req->unit)
		cs->opts.on_request_gone(cs->opts.ctx, q->req->unit);
	request_free(&cs->pools, q->req);
	response_free(&cs->pools, q->resp);
	free(q);
}

static void forget(struct conns *cs, struct question *q)
{
	table_remove(&cs->datagrams, q);
	question_free(cs, q);
}

static struct question *oldest(struct list *l)
{
	return LIST_ENTRY(l->next, struct question, age);
}

void questions_free(struct conns *cs)
{
	struct datagrams *ds = &cs->datagrams;

	while (!list_empty(&ds->asked))
		forget(cs, oldest(&ds->asked));
	while (!list_empty(&ds->early))
		forget(cs, oldest(&ds->early));
	map_free(&ds->by_key);
}

static uint8_t role_of(const struct sonde_ev_datagram *ev, bool is_question)
{
	return (ev->dir == SONDE_TX) == is_question ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER;
}

static struct question *question_new(const struct dsock *s, const struct sonde_ev_datagram *ev,
				     const struct msg *msg, bool is_question)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	list_init(&q->age);
	list_init(&q->of_socket);
	q->proto = s->proto;
	q->role = role_of(ev, is_question);
	q->key = hash_key(s->cookie, q->role, msg->id);
	q->text = hash_text(msg);
	q->cookie = s->cookie;
	q->netns = ev->netns;
	q->seen_ns = ev->h.ts_ns;
	q->local = ev->local;
	q->peer = ev->peer;
	q->tid = ev->tid;
	q->family = ev->family;
	return q;
}

/* --- who belongs to whom --- */

/* Who asks the unspecified address is answered by another (RFC 1122, 3.2.1.3). */
static bool is_any(const struct sonde_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

static bool may_be_same_peer(const struct sonde_addr *a, const struct sonde_addr *b)
{
	if (a->port == 0 || b->port == 0)
		return true;
	return a->port == b->port &&
	       (memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 || is_any(a) || is_any(b));
}

static bool are_about_the_same(const struct question *a, const struct question *b)
{
	return a->cookie == b->cookie && a->role == b->role && id_of(a) == id_of(b) &&
	       (a->text == b->text || !a->text || !b->text) && may_be_same_peer(&a->peer, &b->peer);
}

/* The oldest question, or answer, that is about the same; NULL: none. *n: how many share its key. */
static struct question *find(const struct datagrams *ds, const struct question *q, bool is_question,
			     unsigned *n)
{
	struct question *found = NULL;

	*n = 0;
	for (struct question *o = map_get(&ds->by_key, q->key); o; o = o->alike, ++*n)
		if ((o->req != NULL) == is_question && are_about_the_same(o, q))
			found = o;
	return found;
}

/* Were others asked the same, and nobody knows whose answer this is? */
static bool is_ambiguous(const struct datagrams *ds, const struct question *a)
{
	const struct question *first = NULL;

	if (a->role != SONDE_ROLE_CLIENT || a->peer.port)
		return false;
	for (struct question *o = map_get(&ds->by_key, a->key); o; o = o->alike) {
		if (!o->req || !are_about_the_same(o, a))
			continue;
		if (first && !may_be_same_peer(&first->peer, &o->peer))
			return true;
		first = o;
	}
	return false;
}

/* An answer read by another thread, just before the send of the question was over. */
static struct question *find_early(const struct datagrams *ds, const struct question *q)
{
	unsigned n;
	struct question *a = q->role == SONDE_ROLE_CLIENT ? find(ds, q, false, &n) : NULL;

	return a && a->tid != q->tid && a->seen_ns + ANSWER_EARLY_NS >= q->seen_ns ? a : NULL;
}

/* --- what becomes of them --- */

/* Where records were lost the answer may have been in one: then nobody knows. */
static void expire(struct conns *cs, struct question *q)
{
	if (cs->datagrams.lost_ns >= q->seen_ns)
		conn_loss(cs, LOSS_RESPONSE_MISSING, 1);
	else
		emit_question(cs, q, NULL, "timeout", q->req->start_ns + QUESTION_WAIT_NS);
	forget(cs, q);
}

static struct op op_of(const struct sonde_ev_datagram *ev)
{
	return (struct op){
		.begin_ns = ev->arrival_ns ? ev->arrival_ns : ev->h.ts_ns,
		.end_ns = ev->h.ts_ns,
		.ts_ns = ev->h.ts_ns,
		.goroutine = ev->goroutine,
		.tgid = ev->tgid,
		.tid = ev->tid,
		.is_begin_known = ev->arrival_ns != 0,
		.sched = ev->sched,
	};
}

static void fill_request(struct request *r, const struct sonde_ev_datagram *ev)
{
	struct op op = op_of(ev);

	r->begin_pos = r->id; /* which both ends know */
	r->bytes = r->body_bytes = ev->len;
	r->is_complete = true;
	r->start_ns = op.begin_ns;
	r->is_start_known = op.is_begin_known;
	r->read_ns = op.ts_ns;
	r->goroutine = op.goroutine;
	r->tgid = op.tgid;
	r->tid = op.tid;
}

static void fill_response(struct response *r, const struct sonde_ev_datagram *ev)
{
	struct op op = op_of(ev);

	r->mark = waits_mark(&op);
	r->begin_pos = 0;
	r->end_pos = r->body_bytes = ev->len;
	r->first_ns = r->end_ns = ev->h.ts_ns;
	r->is_complete = true;
}

static void make_room(struct conns *cs)
{
	struct datagrams *ds = &cs->datagrams;

	if (ds->n_asked < QUESTIONS_MAX)
		return;
	if (!list_empty(&ds->early)) {
		forget(cs, oldest(&ds->early));
		return;
	}
	conn_loss(cs, LOSS_PENDING_FULL, 1);
	forget(cs, oldest(&ds->asked));
}

static void answered(struct conns *cs, struct question *q, const struct response *resp,
		     const struct sonde_addr *peer)
{
	if (!q->peer.port) /* of whom it was, one learns from where the answer goes */
		q->peer = *peer;
	emit_question(cs, q, resp, "", resp->end_ns);
}

/* Who works on it, or for whom it is asked, is known now, and not when it is answered. */
static void tell(struct conns *cs, struct question *q)
{
	struct request *r = q->req;
	struct conn_request told = {
		.cookie = q->cookie,
		.goroutine = r->goroutine,
		.start_ns = r->start_ns,
		.request_seq = (uint32_t)r->begin_pos,
		.tgid = r->tgid,
		.tid = r->tid,
		.role = q->role,
		.family = q->family,
		.question = hash_question(q),
		.is_datagram = true,
		.is_by_id = true,
		.context = &r->context,
		.local = &q->local,
		.peer = &q->peer,
	};

	if (cs->opts.on_request)
		r->unit = cs->opts.on_request(cs->opts.ctx, &told);
}

void question_ask(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev,
		  const struct msg *msg)
{
	struct question *q = question_new(s, ev, msg, true), *a;
	unsigned n_alike;
	struct op op;

	if (q)
		q->req = request_new(&cs->pools, msg);
	if (!q || !q->req)
		goto fail;
	s->has_asked[q->role - 1] = true;
	fill_request(q->req, ev);
	a = find_early(&cs->datagrams, q);
	if (a) {
		tell(cs, q);
		answered(cs, q, a->resp, &a->peer);
		forget(cs, a);
		question_free(cs, q);
		return;
	}
	a = find(&cs->datagrams, q, true, &n_alike);
	if (a && q->role == SONDE_ROLE_CLIENT) {
		emit_question(cs, a, NULL, "timeout", ev->h.ts_ns);
		forget(cs, a);
	} else if (n_alike >= QUESTIONS_ALIKE_MAX) {
		conn_loss(cs, LOSS_PENDING_FULL, 1);
		question_free(cs, q);
		return;
	}
	make_room(cs);
	if (table_add(&cs->datagrams, q) < 0)
		goto fail;
	list_push(&s->asked, &q->of_socket);
	tell(cs, q);
	op = op_of(ev);
	waits_enter(&cs->waits, &q->req->waits, q->role, &op, &op);
	return;
fail:
	conn_loss(cs, LOSS_NO_STORAGE, 1);
	if (q)
		question_free(cs, q);
}

/* Of a question that was asked before we looked; any other was answered, or given up, before. */
static void orphan(struct conns *cs, struct dsock *s, uint8_t role)
{
	if (s->has_asked[role - 1])
		return;
	conn_loss(cs, LOSS_JOINED_MIDDLE, 1);
	s->has_asked[role - 1] = true;
}

void question_answer(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev,
		     const struct msg *msg)
{
	struct question *a = question_new(s, ev, msg, false), *q;
	unsigned n_alike;

	if (a)
		a->resp = response_new(&cs->pools, msg);
	if (!a || !a->resp) {
		conn_loss(cs, LOSS_NO_STORAGE, 1);
		goto out;
	}
	fill_response(a->resp, ev);
	q = find(&cs->datagrams, a, true, &n_alike);
	if (q) {
		if (is_ambiguous(&cs->datagrams, a))
			q->peer.port = 0;
		/* before the transaction: its peer may be what has the name */
		if (a->role == SONDE_ROLE_CLIENT && cs->opts.on_answer)
			cs->opts.on_answer(cs->opts.ctx, s->proto->id,
					   (struct slice){ ev->bytes, ev->copied }, ev->len,
					   ev->h.ts_ns);
		answered(cs, q, a->resp, &a->peer);
		forget(cs, q);
		goto out;
	}
	if (a->role == SONDE_ROLE_CLIENT && n_alike < QUESTIONS_ALIKE_MAX) {
		make_room(cs);
		if (table_add(&cs->datagrams, a) == 0)
			return;
	}
	orphan(cs, s, a->role);
out:
	if (a)
		question_free(cs, a);
}

void questions_refuse(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev)
{
	bool is_refused = ev->error == ECONNREFUSED;
	struct list *l, *next;

	/* an error of a send is its own, but for this */
	if (!is_refused &&
	    (ev->dir == SONDE_TX || (ev->error != EHOSTUNREACH && ev->error != ENETUNREACH)))
		return;
	for (l = s->asked.next; l != &s->asked; l = next) {
		struct question *q = LIST_ENTRY(l, struct question, of_socket);

		next = l->next;
		if (q->role != SONDE_ROLE_CLIENT || !may_be_same_peer(&q->peer, &ev->peer))
			continue;
		emit_question(cs, q, NULL, is_refused ? "refused" : "unreachable", ev->h.ts_ns);
		forget(cs, q);
	}
}

void questions_tick(struct conns *cs, uint64_t now_ns)
{
	struct datagrams *ds = &cs->datagrams;

	while (!list_empty(&ds->early) && oldest(&ds->early)->seen_ns + ANSWER_EARLY_NS <= now_ns) {
		struct question *a = oldest(&ds->early);
		struct dsock *s = map_get(&ds->by_cookie, a->cookie);

		if (s)
			orphan(cs, s, a->role);
		forget(cs, a);
	}
	while (!list_empty(&ds->asked) && oldest(&ds->asked)->seen_ns + QUESTION_WAIT_NS <= now_ns)
		expire(cs, oldest(&ds->asked));
}
