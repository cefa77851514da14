// SPDX-License-Identifier: Apache-2.0
/*
 * The confusion matrix. Sessions of real programs (tests/replay/sessions, see record.py there; a
 * file is named after the protocol it holds) and every other capture of the tree, each end of each
 * connection by itself: whole, in pieces, joined in the middle, without its first bytes, and with
 * any one record lost. Nothing may be taken for what it is not, and no transaction may come out
 * that the whole session has not, answered by another response, or at all. What is not recognised
 * is listed. Ports tell nothing: all servers in the sessions are at the same one.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capture/pcapfile.h"
#include "parts.h"
#include "proto/proto.h"
#include "sim.h"

#define SESSIONS "tests/replay/sessions"
#define CAPTURES "tests/replay/captures"

enum { NAME_MAX_LEN = 64, FOUND_MAX = 512, MIDDLE_MAX = 60, CUT_MAX = 40 };

/* A transaction, by what pairs it with its messages. */
struct found {
	enum proto_id proto;
	uint32_t request_seq, response_seq;
	uint64_t request_bytes;
	int status;
	char what[64]; /* method or operation; empty: not known */
	char status_text[32];
};

struct all_found {
	size_t n;
	struct found v[FOUND_MAX];
};

/* One end of the connections of a session. */
struct end {
	char name[NAME_MAX_LEN];
	enum proto_id truth; /* PROTO_UNKNOWN: none that is known */
	struct sim sim;
	struct all_found whole;
};

/* How an end may be seen. */
enum how { WHOLE, PIECES, MIDDLE, CUT, LOST, HOW_MAX };

static const char *const how_names[] = { "whole", "in pieces", "joined", "cut", "with a loss" };

struct matrix {
	unsigned long seen[PROTO_MAX][PROTO_MAX]; /* truth, verdict */
	unsigned long wrong, invented;
	char *unknown; /* a line for each end that was not recognised in some way */
	size_t unknown_size;
	FILE *list;
};

static struct matrix matrix;

static void on_txn(void *ctx, struct txn *t)
{
	struct all_found *all = ctx;
	struct found *f = &all->v[all->n++];

	assert_true(all->n <= FOUND_MAX && parts_add_up(t));
	*f = (struct found){
		t->proto, t->request_seq, t->response_seq, t->request_bytes, t->status, "", ""
	};
	snprintf(f->what, sizeof(f->what), "%.63s", t->method[0] ? t->method : t->operation);
	snprintf(f->status_text, sizeof(f->status_text), "%.31s", t->status_text);
}

/* What an end's records are taken for: a protocol, PROTO_UNKNOWN, or PROTO_MAX for several. */
static enum proto_id play(const struct sim *s, size_t from, struct all_found *all)
{
	struct sim_play p = { 0 };
	const struct conns_stats *stats;
	enum proto_id verdict = PROTO_UNKNOWN;

	all->n = 0;
	sim_play_init(&p);
	conns_free(p.conns);
	p.opts = (struct conns_opts){ .on_txn = on_txn, .ctx = all };
	p.conns = conns_new(&p.opts);
	assert_non_null(p.conns);
	sim_play(&p, s, from, s->n);
	conns_tick(p.conns, s->recs[s->n - 1]->ts_ns + 10 * 1000000000ULL);
	stats = conns_stats(p.conns);
	for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++)
		if (stats->bytes_observed[id])
			verdict = verdict == PROTO_UNKNOWN ? (enum proto_id)id : PROTO_MAX;
	sim_play_free(&p);
	return verdict;
}

/* The same exchange: its request may have begun in what was not seen, and of a statement that was
 * not seen nothing is known. */
static bool is_same(const struct found *whole, const struct found *f)
{
	return f->proto == whole->proto && f->response_seq == whole->response_seq &&
	       f->request_seq - whole->request_seq <= whole->request_bytes &&
	       f->status == whole->status && strcmp(f->status_text, whole->status_text) == 0 &&
	       (!f->what[0] || strcmp(f->what, whole->what) == 0);
}

static void no_transaction_is_invented(const struct end *e, enum how how, size_t n,
				       const struct all_found *all)
{
	for (size_t i = 0; i < all->n; i++) {
		bool is_there = false;

		for (size_t k = 0; k < e->whole.n && !is_there; k++)
			is_there = is_same(&e->whole.v[k], &all->v[i]);
		if (is_there)
			continue;
		matrix.invented++;
		print_message("%s, %s, %zu: %s %d%s at %u answered at %u was never\n", e->name,
			      how_names[how], n, all->v[i].what, all->v[i].status,
			      all->v[i].status_text, all->v[i].request_seq, all->v[i].response_seq);
	}
}

/* Returns whether it was recognised. */
static bool see(const struct end *e, const struct sim *s, size_t from, enum how how, size_t n)
{
	static struct all_found all;
	enum proto_id verdict = play(s, from, &all);

	if (verdict != PROTO_UNKNOWN && verdict != e->truth) {
		matrix.wrong++;
		print_message("%s, %s, %zu: taken for %s\n", e->name, how_names[how], n,
			      verdict == PROTO_MAX ? "several" : proto_get(verdict)->name);
	}
	matrix.seen[e->truth][verdict % PROTO_MAX]++;
	no_transaction_is_invented(e, how, n, &all);
	return verdict == e->truth;
}

static struct sonde_ev_data *data_at(const struct sim *s, size_t i)
{
	struct sonde_ev_data *ev = (void *)s->recs[i];

	return ev->h.kind == SONDE_EV_DATA && ev->len && ev->copied == ev->len ? ev : NULL;
}

/* Places in the records where data is, `max` at most. */
static size_t data_places(const struct sim *s, size_t *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n && n < max; i++)
		if (data_at(s, i))
			out[n++] = i;
	return n;
}

static unsigned see_cut(const struct end *e, size_t first, unsigned *tries)
{
	uint32_t most = data_at(&e->sim, first)->len - 1;
	unsigned known = 0;

	for (uint32_t n = 1; n <= most && n <= CUT_MAX; n++, ++*tries) {
		struct sim t = sim_copy(&e->sim);
		struct sonde_ev_data *ev = data_at(&t, first);

		memmove(ev->bytes, ev->bytes + n, ev->copied - n);
		ev->seq += n;
		ev->len -= n;
		ev->copied -= n;
		ev->h.size -= n;
		known += see(e, &t, first, CUT, n);
		sim_free(&t);
	}
	return known;
}

static void see_end(struct end *e)
{
	size_t at[MIDDLE_MAX], n = data_places(&e->sim, at, MIDDLE_MAX);
	unsigned known[HOW_MAX] = { 0 }, tries[HOW_MAX] = { 1, 3 };
	bool is_listed = false;

	play(&e->sim, 0, &e->whole);
	assert_true(n > 0);
	assert_true(e->truth || !e->whole.n);
	known[WHOLE] = see(e, &e->sim, 0, WHOLE, 0);
	for (size_t piece = 1; piece <= 9; piece += 4) {
		struct sim t = sim_recut(&e->sim, piece);

		known[PIECES] += see(e, &t, 0, PIECES, piece);
		sim_free(&t);
	}
	for (size_t i = 0; i < n; i++) {
		struct sim t = sim_copy(&e->sim);

		if (i) {
			known[MIDDLE] += see(e, &e->sim, at[i], MIDDLE, i);
			tries[MIDDLE]++;
		}
		sim_lose(&t, at[i]);
		known[LOST] += see(e, &t, 0, LOST, i);
		tries[LOST]++;
		sim_free(&t);
	}
	known[CUT] = see_cut(e, at[0], &tries[CUT]);
	for (int how = 0; e->truth && how < HOW_MAX; how++) {
		if (known[how] == tries[how])
			continue;
		fprintf(matrix.list, "%s%s %s %u of %u", is_listed ? "," : "    ",
			is_listed ? "" : e->name, how_names[how], tries[how] - known[how],
			tries[how]);
		is_listed = true;
	}
	if (is_listed)
		fputc('\n', matrix.list);
}

struct reading {
	struct end ends[2]; /* by role - 1 */
	uint64_t cookie[2];
};

/* Of each end the first connection. */
static int on_record(void *ctx, const void *rec, size_t size)
{
	struct reading *r = ctx;
	const struct sonde_ev_open *open = rec;
	const struct sonde_ev_data *ev = rec;

	if (open->h.kind == SONDE_EV_OPEN && !r->cookie[open->role == SONDE_ROLE_SERVER])
		r->cookie[open->role == SONDE_ROLE_SERVER] = open->cookie;
	for (int i = 0; i < 2; i++)
		if ((open->h.kind == SONDE_EV_OPEN || ev->h.kind == SONDE_EV_DATA ||
		     ev->h.kind == SONDE_EV_CLOSE) &&
		    ev->cookie == r->cookie[i])
			sim_append(&r->ends[i].sim, rec, size);
	return 0;
}

static enum proto_id truth_of(const char *name)
{
	size_t n = strcspn(name, ".");
	struct slice word = { (const uint8_t *)name, n };
	const struct proto *proto = proto_by_name(word);

	if (!proto && !slice_eq(word, SLICE("unknown")))
		fail_msg("%s begins with no protocol's name", name);
	return proto ? proto->id : PROTO_UNKNOWN;
}

static void see_file(const char *folder, const char *name, enum proto_id truth)
{
	char path[512], err[256];
	struct reading r = { 0 };
	struct source *src;
	int n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	src = pcapfile_open(path, err, sizeof(err));
	if (!src)
		fail_msg("%s", err);
	do
		n = src->ops->read(src, on_record, &r, 4096);
	while (n >= 0);
	src->ops->close(src);
	for (int i = 0; i < 2; i++) {
		struct end *e = &r.ends[i];

		if (!e->sim.n) /* a capture need not tell which end is which */
			continue;
		snprintf(e->name, sizeof(e->name), "%s, %s", name, i ? "server" : "client");
		e->truth = truth;
		see_end(e);
		sim_free(&e->sim);
	}
}

static void see_folder(const char *folder, bool is_named)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort), files = 0;

	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (strstr(name, ".pcap")) {
			see_file(folder, name, is_named ? truth_of(name) : PROTO_HTTP1);
			files++;
		}
		free(names[i]);
	}
	free(names);
	assert_true(files > 0);
}

static void print_matrix(void)
{
	printf("\n%12s", "");
	for (int v = 1; v <= PROTO_MAX; v++)
		printf(" %10s", v < PROTO_MAX ? proto_get(v)->name : "unknown");
	for (int t = 1; t <= PROTO_MAX; t++) {
		unsigned long *row = matrix.seen[t % PROTO_MAX], sum = 0;

		for (int v = 0; v < PROTO_MAX; v++)
			sum += row[v];
		if (!sum)
			continue;
		printf("\n%-12s", t < PROTO_MAX ? proto_get(t)->name : "unknown");
		for (int v = 1; v <= PROTO_MAX; v++)
			printf(" %10lu", row[v % PROTO_MAX]);
	}
	printf("\n%lu wrong, %lu transactions invented; not recognised:\n%s\n", matrix.wrong,
	       matrix.invented, matrix.unknown);
}

static void nothing_is_taken_for_another(void **state)
{
	matrix.list = open_memstream(&matrix.unknown, &matrix.unknown_size);
	assert_non_null(matrix.list);
	see_folder(SESSIONS, true);
	see_folder(CAPTURES, false);
	fclose(matrix.list);
	print_matrix();
	free(matrix.unknown);
	assert_int_equal(matrix.wrong, 0);
	assert_int_equal(matrix.invented, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_taken_for_another) };

	return cmocka_run_group_tests_name("confusion", tests, NULL, NULL);
}
