// SPDX-License-Identifier: Apache-2.0
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "parts.h"

#define SIM_STEP_NS 100000ULL /* between operations */

void sim_init(struct sim *s)
{
	*s = (struct sim){ .now_ns = 1000000000, .tgid = 100 };
}

void sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->recs[i]);
	free(s->recs);
	*s = (struct sim){ 0 };
}

static void insert(struct sim *s, size_t at, const void *rec, size_t size)
{
	struct sonde_ev_hdr *copy = malloc(size);

	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->recs = realloc(s->recs, s->cap * sizeof(*s->recs));
	}
	if (!copy || !s->recs)
		abort();
	memcpy(copy, rec, size);
	memmove(s->recs + at + 1, s->recs + at, (s->n - at) * sizeof(*s->recs));
	s->recs[at] = copy;
	s->n++;
}

void sim_append(struct sim *s, const void *rec, size_t size)
{
	insert(s, s->n, rec, size);
}

struct sim sim_copy(const struct sim *s)
{
	struct sim t = *s;

	t.recs = NULL;
	t.n = t.cap = 0;
	for (size_t i = 0; i < s->n; i++)
		sim_append(&t, s->recs[i], s->recs[i]->size);
	return t;
}

static struct sim_conn *find(struct sim *s, uint64_t cookie)
{
	for (size_t i = 0; i < s->n_conns; i++)
		if (s->conns[i].cookie == cookie)
			return &s->conns[i];
	abort();
}

void sim_open_at(struct sim *s, uint64_t cookie, enum sonde_role role, enum sonde_family family,
		 uint16_t flags, uint32_t tx_seq, uint32_t rx_seq)
{
	struct sonde_ev_open ev = {
		.h = { SONDE_EV_OPEN, flags, sizeof(ev), s->now_ns += SIM_STEP_NS },
		.cookie = cookie,
		.slot = (uint32_t)(cookie % SIM_CONNS),
		.tx_seq = tx_seq,
		.rx_seq = rx_seq,
		.tgid = s->tgid,
		.tid = 101,
		.family = family,
		.role = role,
	};

	s->conns[s->n_conns++ % SIM_CONNS] = (struct sim_conn){
		.cookie = cookie,
		.seq = { tx_seq, rx_seq },
		.role = role,
		.family = family,
	};
	sim_append(s, &ev, sizeof(ev));
}

void sim_open(struct sim *s, uint64_t cookie, enum sonde_role role)
{
	sim_open_at(s, cookie, role, SONDE_FAMILY_IPV4, SONDE_F_FRESH, 1000, 5000);
}

static struct sonde_ev_data *data_new(const struct sonde_ev_data *like, struct slice bytes,
				      uint32_t copy_max)
{
	size_t copied = bytes.n, tail = 0;
	struct sonde_ev_data *ev;

	if (like->h.flags & SONDE_F_NO_BYTES) {
		copied = 0;
	} else if (copied > copy_max) {
		copied = copy_max;
		tail = bytes.n - copied < SONDE_TAIL_MAX ? bytes.n - copied : SONDE_TAIL_MAX;
	}
	ev = malloc(sizeof(*ev) + copied + tail);
	if (!ev)
		abort();
	*ev = *like;
	ev->len = (uint32_t)bytes.n;
	ev->copied = (uint32_t)copied;
	ev->tail = (uint8_t)tail;
	if (copied)
		memcpy(ev->bytes, bytes.p, copied);
	if (tail)
		memcpy(ev->bytes + copied, bytes.p + bytes.n - tail, tail);
	ev->h.size = (uint32_t)(sizeof(*ev) + copied + tail);
	return ev;
}

void sim_op(struct sim *s, uint64_t cookie, enum sonde_dir dir, struct slice bytes)
{
	struct sim_conn *c = find(s, cookie);
	struct sonde_ev_data like = { .h = { .kind = SONDE_EV_DATA, .flags = s->flags } }, *ev;

	s->now_ns += SIM_STEP_NS;
	like.h.ts_ns = s->now_ns;
	like.cookie = cookie;
	like.slot = (uint32_t)(cookie % SIM_CONNS);
	like.start_ns = dir == SONDE_TX ? s->now_ns - 900 : 0;
	like.sent_ns = dir == SONDE_TX ? s->now_ns - 100 : 0;
	like.arrival_ns = dir == SONDE_RX ? s->now_ns - 700 : 0;
	like.seq = c->seq[dir];
	like.other_seq = c->seq[!dir];
	like.tgid = s->tgid;
	like.tid = 101;
	like.dir = dir;
	ev = data_new(&like, bytes, s->copy_max ? s->copy_max : SONDE_COPY_MAX);
	sim_append(s, ev, ev->h.size);
	free(ev);
	c->seq[dir] += (uint32_t)bytes.n;
}

void sim_op_front(struct sim *s, uint64_t cookie, enum sonde_dir dir, struct slice bytes, size_t n)
{
	struct sonde_ev_data *ev;

	sim_op(s, cookie, dir, bytes);
	ev = (struct sonde_ev_data *)s->recs[s->n - 1];
	ev->copied = (uint32_t)n;
	ev->tail = 0;
	ev->h.size = (uint32_t)(sizeof(*ev) + n);
}

void sim_tx(struct sim *s, uint64_t cookie, const char *text)
{
	sim_op(s, cookie, SONDE_TX, slice_str(text));
}

void sim_rx(struct sim *s, uint64_t cookie, const char *text)
{
	sim_op(s, cookie, SONDE_RX, slice_str(text));
}

void sim_request(struct sim *s, uint64_t cookie, const char *text)
{
	bool is_server = find(s, cookie)->role == SONDE_ROLE_SERVER;

	sim_op(s, cookie, is_server ? SONDE_RX : SONDE_TX, slice_str(text));
}

void sim_response(struct sim *s, uint64_t cookie, const char *text)
{
	bool is_server = find(s, cookie)->role == SONDE_ROLE_SERVER;

	sim_op(s, cookie, is_server ? SONDE_TX : SONDE_RX, slice_str(text));
}

void sim_repeat(struct sim *s, uint64_t cookie, enum sonde_dir dir, char c, size_t n, size_t each)
{
	uint8_t *bytes = malloc(each);

	if (!bytes)
		abort();
	memset(bytes, c, each);
	for (size_t done = 0; done < n; done += each)
		sim_op(s, cookie, dir, (struct slice){ bytes, n - done < each ? n - done : each });
	free(bytes);
}

void sim_eof(struct sim *s, uint64_t cookie)
{
	uint16_t flags = s->flags;

	s->flags |= SONDE_F_EOF | SONDE_F_NO_BYTES;
	sim_op(s, cookie, SONDE_RX, (struct slice){ 0 });
	s->flags = flags;
}

void sim_close(struct sim *s, uint64_t cookie, enum sonde_close_how how, uint32_t error)
{
	struct sim_conn *c = find(s, cookie);
	struct sonde_ev_close ev = {
		.h = { SONDE_EV_CLOSE, s->close_flags, sizeof(ev), s->now_ns += SIM_STEP_NS },
		.cookie = cookie,
		.slot = (uint32_t)(cookie % SIM_CONNS),
		.tx_seq = c->seq[SONDE_TX],
		.rx_seq = c->seq[SONDE_RX],
		.error = error,
		.tgid = s->tgid,
		.how = how,
	};

	sim_append(s, &ev, sizeof(ev));
}

void sim_sweep(struct sim *s, uint64_t cookie)
{
	struct sonde_ev_sweep ev = {
		.h = { SONDE_EV_SWEEP, 0, sizeof(ev), s->now_ns += SIM_STEP_NS },
		.cookie = cookie,
	};

	sim_append(s, &ev, sizeof(ev));
}

void sim_shed(struct sim *s, uint32_t keep)
{
	struct sonde_ev_shed ev = {
		.h = { SONDE_EV_SHED, 0, sizeof(ev), s->now_ns += SIM_STEP_NS },
		.keep = keep,
	};

	sim_append(s, &ev, sizeof(ev));
}

void sim_wait(struct sim *s, uint64_t ns)
{
	struct sonde_ev_tick ev = {
		.h = { SONDE_EV_TICK, 0, sizeof(ev), s->now_ns += ns },
	};

	sim_append(s, &ev, sizeof(ev));
}

/* [from, to) of an operation that was copied whole, as an operation of its own. */
static void append_piece(struct sim *s, const struct sonde_ev_data *ev, size_t from, size_t to)
{
	struct sonde_ev_data like = *ev, *piece;

	like.seq += (uint32_t)from;
	piece = data_new(&like, (struct slice){ ev->bytes + from, to - from }, SONDE_COPY_MAX);
	sim_append(s, piece, piece->h.size);
	free(piece);
}

static const struct sonde_ev_data *as_data(const struct sonde_ev_hdr *h)
{
	return h->kind == SONDE_EV_DATA ? (const void *)h : NULL;
}

struct sim sim_recut(const struct sim *s, size_t n)
{
	struct sim t = *s;

	t.recs = NULL;
	t.n = t.cap = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct sonde_ev_data *ev = as_data(s->recs[i]);

		if (!ev || ev->len != ev->copied || !ev->len) {
			sim_append(&t, s->recs[i], s->recs[i]->size);
			continue;
		}
		for (size_t at = 0; at < ev->len; at += n)
			append_piece(&t, ev, at, at + n < ev->len ? at + n : ev->len);
	}
	return t;
}

struct sim sim_cut_at(const struct sim *s, uint64_t cookie, enum sonde_dir dir, uint32_t seq)
{
	struct sim t = *s;

	t.recs = NULL;
	t.n = t.cap = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct sonde_ev_data *ev = as_data(s->recs[i]);
		uint32_t at = ev ? seq - ev->seq : 0;

		if (!ev || ev->cookie != cookie || ev->dir != dir || ev->copied != ev->len ||
		    at == 0 || at >= ev->len) {
			sim_append(&t, s->recs[i], s->recs[i]->size);
			continue;
		}
		append_piece(&t, ev, 0, at);
		append_piece(&t, ev, at, ev->len);
	}
	return t;
}

void sim_swap(struct sim *s, size_t i)
{
	struct sonde_ev_hdr *h = s->recs[i];

	s->recs[i] = s->recs[i + 1];
	s->recs[i + 1] = h;
}

void sim_duplicate(struct sim *s, size_t i)
{
	insert(s, i + 1, s->recs[i], s->recs[i]->size);
}

void sim_remove(struct sim *s, size_t i)
{
	free(s->recs[i]);
	memmove(s->recs + i, s->recs + i + 1, (--s->n - i) * sizeof(*s->recs));
}

/* As the kernel's: told by the next record of the direction that finds room, or the close. */
void sim_lose(struct sim *s, size_t i)
{
	const struct sonde_ev_data *ev = as_data(s->recs[i]);
	uint64_t cookie = ev->cookie;
	uint32_t lost = ev->lost + 1;
	uint8_t dir = ev->dir;

	sim_remove(s, i);
	for (; i < s->n; i++) {
		struct sonde_ev_data *next = (void *)s->recs[i];
		struct sonde_ev_close *end = (void *)s->recs[i];

		if (next->h.kind == SONDE_EV_DATA && next->cookie == cookie && next->dir == dir) {
			next->lost += lost;
			return;
		}
		if (end->h.kind == SONDE_EV_CLOSE && end->cookie == cookie) {
			*(dir == SONDE_TX ? &end->lost_tx : &end->lost_rx) += lost;
			/* a close that tells of it comes before one that does not know */
			return;
		}
	}
}

static void on_txn(void *ctx, struct txn *t)
{
	struct sim_play *p = ctx;
	char line[2048];
	int n;

	if (!parts_add_up(t))
		abort();
	n = snprintf(
		line, sizeof(line),
		"%llu %s %s %s %s%s%s %d %llu/%llu %llu/%llu %llu+%llu first %llu%s%s%s%s%s\n",
		(unsigned long long)t->cookie, t->role == SONDE_ROLE_SERVER ? "server" : "client",
		t->version, t->method[0] ? t->method : t->operation, t->target,
		t->request_id[0] ? " id=" : "", t->request_id, t->status,
		(unsigned long long)t->request_bytes, (unsigned long long)t->request_body_bytes,
		(unsigned long long)t->response_bytes, (unsigned long long)t->response_body_bytes,
		(unsigned long long)t->start_ns, (unsigned long long)txn_duration_ns(t),
		(unsigned long long)t->first_response_ns, t->is_start_known ? "" : " late",
		t->is_upgrade ? " upgrade" : "", t->is_stream ? " stream" : "",
		t->error_type[0] ? " error=" : "", t->error_type);
	p->out = realloc(p->out, p->n_out + (size_t)n + 1);
	if (!p->out)
		abort();
	memcpy(p->out + p->n_out, line, (size_t)n + 1);
	p->n_out += (size_t)n;
	p->n_txns++;
}

static void on_verdict(void *ctx, uint32_t slot, const struct sonde_verdict *v)
{
	((struct sim_play *)ctx)->verdicts[slot] = *v;
}

void sim_play_init(struct sim_play *p)
{
	struct sim_play fresh = { .opts = p->opts, .obeys = p->obeys };

	*p = fresh;
	p->opts.on_txn = on_txn;
	p->opts.on_verdict = on_verdict;
	p->opts.ctx = p;
	p->conns = conns_new(&p->opts);
	p->out = calloc(1, 1);
	if (!p->conns || !p->out)
		abort();
}

/* As the kernel does: nothing before the verdict, then bytes from it on only. */
static void play_data(struct sim_play *p, const struct sonde_ev_data *ev)
{
	const struct sonde_verdict *v = &p->verdicts[ev->slot];
	uint64_t meant = ev->cookie | (ev->h.flags & SONDE_F_TLS ? SONDE_VERDICT_TLS : 0);
	uint64_t until = v->cookie == meant ? v->until[ev->dir] : 0;
	uint64_t *skipped_ns = &p->skipped_ns[ev->slot][ev->dir];
	int32_t ahead = until & SONDE_UNTIL && ev->len ? (int32_t)((uint32_t)until - ev->seq) : 0;
	struct sonde_ev_data like = *ev, *cut;
	struct slice bytes = { ev->bytes, ev->copied };

	if (!p->obeys) {
		conns_data(p->conns, ev);
		return;
	}
	if (ahead > (int32_t)ev->len) {
		*skipped_ns = ev->dir == SONDE_TX ? ev->sent_ns : ev->h.ts_ns;
		p->left_out++;
		return;
	}
	like.skipped_ns = *skipped_ns;
	*skipped_ns = 0;
	if (like.skipped_ns)
		like.h.flags |= SONDE_F_SKIPPED;
	if (ahead <= 0) {
		ahead = 0;
	} else if (ahead < (int32_t)ev->copied) {
		like.seq += (uint32_t)ahead;
		bytes = (struct slice){ bytes.p + ahead, bytes.n - (size_t)ahead };
	} else {
		bytes.n = 0;
	}
	cut = data_new(&like, bytes, SONDE_COPY_MAX);
	if (!bytes.n || ev->copied < ev->len)
		cut->len = ev->len;
	conns_data(p->conns, cut);
	free(cut);
}

static void play_close(struct sim_play *p, const struct sonde_ev_close *ev)
{
	struct sonde_ev_close end = *ev;

	end.last_tx_ns = p->skipped_ns[ev->slot][SONDE_TX];
	end.last_rx_ns = p->skipped_ns[ev->slot][SONDE_RX];
	conns_close(p->conns, &end);
}

void sim_play(struct sim_play *p, const struct sim *s, size_t from, size_t to)
{
	for (size_t i = from; i < to && i < s->n; i++) {
		union decoded d;

		if (decode(s->recs[i], s->recs[i]->size, &d) < 0)
			abort();
		switch (d.h->kind) {
		case SONDE_EV_OPEN: conns_open(p->conns, d.open); break;
		case SONDE_EV_DATA: play_data(p, d.data); break;
		case SONDE_EV_CLOSE: play_close(p, d.close); break;
		case SONDE_EV_CONNECT: conns_connect(p->conns, d.connect); break;
		case SONDE_EV_SWEEP: conns_sweep(p->conns, d.sweep); break;
		case SONDE_EV_SHED: conns_shed(p->conns, d.shed); break;
		case SONDE_EV_TICK: conns_tick(p->conns, d.h->ts_ns); break;
		default: abort();
		}
	}
}

void sim_play_free(struct sim_play *p)
{
	conns_free(p->conns);
	free(p->out);
}

char *sim_run(const struct sim *s)
{
	struct sim_play p = { 0 };
	char *out;

	sim_play_init(&p);
	sim_play(&p, s, 0, s->n);
	out = p.out;
	p.out = NULL;
	sim_play_free(&p);
	return out;
}
