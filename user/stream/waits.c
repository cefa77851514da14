// SPDX-License-Identifier: Apache-2.0
#include "stream/waits.h"

#include <stdlib.h>

struct waits_unit {
	struct waits_unit *next; /* of the spare ones */
	uint64_t key;
	struct waits_mark last;
	struct waits_sum sum;
	uint32_t n_servers, n_clients; /* open */
	/* how often one began while another was open */
	uint64_t server_crowd, client_crowd;
};

/* --- the table --- */

static uint64_t key_of(const struct waits_mark *m)
{
	/* Addresses of two programs' goroutines may be the same. Both numbers are told apart whole:
	 * a g lies at a multiple of 8, in the first 32 TiB, and a process's number has 22 bits. */
	return m->goroutine ? m->goroutine >> 3 ^ (uint64_t)m->tgid << 42 : m->tid;
}

static struct waits_unit *unit_get(struct waits *ws, const struct waits_mark *m)
{
	struct waits_unit *u = map_get(&ws->units, key_of(m));

	if (u)
		return u;
	u = ws->spare;
	if (u)
		ws->spare = u->next;
	else
		u = malloc(sizeof(*u));
	if (!u)
		return NULL;
	*u = (struct waits_unit){ .key = key_of(m), .last = *m };
	if (map_put(&ws->units, u->key, u) == 0)
		return u;
	u->next = ws->spare;
	ws->spare = u;
	return NULL;
}

static void unit_put(struct waits *ws, struct waits_unit *u)
{
	if (u->n_servers || u->n_clients)
		return;
	map_del(&ws->units, u->key);
	u->next = ws->spare;
	ws->spare = u;
}

void waits_free(struct waits *ws)
{
	struct waits_unit *u;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&ws->units, &i, &key, &value);)
		free(value);
	map_free(&ws->units);
	while ((u = ws->spare)) {
		ws->spare = u->next;
		free(u);
	}
}

/* --- a unit's time --- */

/* Do the accounts of both speak of one thread? It had them from the first on, and they only grow. */
static bool have_accounts(const struct waits_mark *a, const struct waits_mark *b)
{
	if (a->tid != b->tid || !a->sched.on_ns || !b->sched.on_ns)
		return false;
	for (int i = 0; i < SONDE_WAIT_MAX; i++)
		if (b->sched.wait_ns[i] < a->sched.wait_ns[i])
			return false;
	return true;
}

static uint64_t take(uint64_t *room, uint64_t ns)
{
	uint64_t n = ns < *room ? ns : *room;

	*room -= n;
	return n;
}

/* A piece whose time the thread's accounts tell apart. A thread that lost its CPU between the last
 * byte and the operation's end has waited a little longer than the piece: that much is left out. */
static void add_accounts(struct waits_unit *u, const struct waits_mark *to, uint64_t piece)
{
	struct waits_sum *s = &u->sum;

	for (int i = 0; i < SONDE_WAIT_MAX; i++) {
		uint64_t n = take(&piece, to->sched.wait_ns[i] - u->last.sched.wait_ns[i]);

		s->wait_ns[i] += n;
		if (u->n_clients && i >= SONDE_WAIT_DISK)
			s->down_ns[i] += n;
	}
	s->cpu_ns += piece;
	s->known++;
}

/* The unit's time until `to`. Of records that come out of order the later one has told all. */
static void advance(struct waits_unit *u, const struct waits_mark *to)
{
	uint64_t piece = to->ns - u->last.ns;
	bool is_away = u->n_clients && u->last.goroutine;

	if (to->ns < u->last.ns)
		return;
	if (!is_away && have_accounts(&u->last, to))
		add_accounts(u, to, piece);
	else if (u->n_clients)
		u->sum.away_ns += piece;
	else
		u->sum.unknown_ns += piece;
	u->last = *to;
}

/* --- requests --- */

struct waits_mark waits_mark(const struct op *op)
{
	if (!op)
		return (struct waits_mark){ 0 };
	return (struct waits_mark){
		.ns = op->end_ns,
		.goroutine = op->goroutine,
		.tgid = op->tgid,
		.tid = op->tid,
		.sched = op->sched,
	};
}

/* The accounts are those of an operation's end. Of a send that began when the thread was already on
 * the CPU it ended on they are those of its beginning too. */
static struct waits_mark begin_mark(enum sonde_role role, const struct op *op)
{
	struct waits_mark m = waits_mark(op);

	if (role == SONDE_ROLE_CLIENT && op->is_begin_known && m.sched.on_ns <= op->begin_ns)
		m.ns = op->begin_ns;
	else
		m.ns = op->ts_ns;
	return m;
}

void waits_enter(struct waits *ws, struct waits_open *o, enum sonde_role role,
		 const struct op *begin, const struct op *end)
{
	bool is_one = begin->tid == end->tid && begin->goroutine == end->goroutine;
	struct waits_mark m = begin_mark(role, is_one ? begin : end);
	struct waits_unit *u;

	*o = (struct waits_open){ .is_server = role == SONDE_ROLE_SERVER };
	if (!m.tid) /* a capture of packets does not know */
		return;
	u = unit_get(ws, &m);
	if (!u)
		return;
	if (u->n_servers || u->n_clients) /* else it begins here */
		advance(u, &m);
	o->unit = u;
	o->before = u->sum;
	if (o->is_server) {
		u->server_crowd += u->n_servers++ > 0;
		/* it was crowded all along by those that were there */
		o->crowd = u->server_crowd - (u->n_servers > 1);
	} else {
		u->client_crowd += u->n_clients++ > 0;
		o->crowd = u->client_crowd - (u->n_clients > 1);
	}
}

void waits_leave(struct waits *ws, struct waits_open *o)
{
	struct waits_unit *u = o->unit;

	if (!u)
		return;
	if (o->is_server)
		u->n_servers--;
	else
		u->n_clients--;
	o->unit = NULL;
	unit_put(ws, u);
}

/* Were the thread's accounts not this request's alone? */
static bool is_shared(const struct waits_open *o)
{
	const struct waits_unit *u = o->unit;

	if (o->is_server)
		return u->server_crowd != o->crowd;
	return u->client_crowd != o->crowd || u->n_servers > 1;
}

static uint64_t blocked_on(const struct waits_sum *s, enum sonde_wait on, bool has_downstream)
{
	return s->wait_ns[on] - (has_downstream ? s->down_ns[on] : 0);
}

static struct waits_sum difference(const struct waits_sum *a, const struct waits_sum *b)
{
	struct waits_sum d = {
		.cpu_ns = b->cpu_ns - a->cpu_ns,
		.away_ns = b->away_ns - a->away_ns,
		.unknown_ns = b->unknown_ns - a->unknown_ns,
		.known = b->known - a->known,
	};

	for (int i = 0; i < SONDE_WAIT_MAX; i++) {
		d.wait_ns[i] = b->wait_ns[i] - a->wait_ns[i];
		d.down_ns[i] = b->down_ns[i] - a->down_ns[i];
	}
	return d;
}

/* The parts that the accounts know, each no more than there is `room` for. */
static void tell_accounts(const struct waits_sum *s, bool has_downstream, uint64_t *room,
			  struct txn_waits *w)
{
	uint64_t blocked[SONDE_WAIT_MAX];

	w->runqueue_ns = take(room, s->wait_ns[SONDE_WAIT_RUNQUEUE]);
	w->throttled_ns = take(room, s->wait_ns[SONDE_WAIT_THROTTLED]);
	w->blocked_ns = 0;
	for (int i = SONDE_WAIT_DISK; i < SONDE_WAIT_MAX; i++) {
		blocked[i] = take(room, blocked_on(s, i, has_downstream));
		w->blocked_ns += blocked[i];
	}
	w->cpu_ns = take(room, s->cpu_ns);
	w->blocked_on = (struct txn_blocked_on){
		.is_known = true,
		.disk_ns = blocked[SONDE_WAIT_DISK],
		.lock_ns = blocked[SONDE_WAIT_LOCK],
		.network_ns = blocked[SONDE_WAIT_NETWORK],
		.fault_ns = blocked[SONDE_WAIT_FAULT],
		.retransmit_ns = TXN_WAIT_UNKNOWN,
	};
}

static void tell_unit(const struct waits_open *o, const struct waits_mark *end, uint64_t *room,
		      struct txn_waits *w)
{
	struct waits_unit *u = o->unit;
	struct waits_sum s;
	uint64_t downstream;
	bool has_downstream;

	if (!u || !end->ns || key_of(end) != u->key)
		return;
	advance(u, end);
	s = difference(&o->before, &u->sum);
	w->shared = is_shared(o);
	/* of several requests nobody knows whose a call was; a call's own time is its own */
	has_downstream = o->is_server && !w->shared;
	if (has_downstream) {
		downstream = s.away_ns;
		for (int i = SONDE_WAIT_DISK; i < SONDE_WAIT_MAX; i++)
			downstream += s.down_ns[i];
		w->downstream_ns = take(room, downstream);
	}
	if (!s.known)
		return;
	tell_accounts(&s, has_downstream, room, w);
	if (u->last.goroutine) {
		w->shared = true;
		w->blocked_on.is_known = false;
	}
}

void waits_tell(const struct waits_open *o, const struct waits_mark *end, uint64_t read_ns,
		struct txn *t)
{
	struct txn_waits *w = &t->waits;
	uint64_t room = txn_duration_ns(t);
	struct waits_mark at = *end;

	*w = (struct txn_waits){
		.receive_queue_ns = TXN_WAIT_UNKNOWN,
		.runqueue_ns = TXN_WAIT_UNKNOWN,
		.cpu_ns = TXN_WAIT_UNKNOWN,
		.blocked_ns = TXN_WAIT_UNKNOWN,
		.throttled_ns = TXN_WAIT_UNKNOWN,
		.downstream_ns = TXN_WAIT_UNKNOWN,
	};
	if (t->role == SONDE_ROLE_SERVER && t->is_start_known)
		w->receive_queue_ns =
			take(&room, read_ns > t->start_ns ? read_ns - t->start_ns : 0);
	if (at.ns > t->end_ns) /* a stream's transaction ends with its first byte */
		at.ns = t->end_ns;
	tell_unit(o, &at, &room, w);
	w->unknown_ns = room;
}
