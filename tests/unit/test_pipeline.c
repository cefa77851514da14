// SPDX-License-Identifier: Apache-2.0
/* From records to exporters, and that a recording replays to the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/recording.h"
#include "export/json.h"
#include "parts.h"
#include "pipeline.h"
#include "sim.h"

#define GET "GET /users/42 HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* --- a source that plays a sim, and an exporter that keeps the JSON --- */

struct played {
	struct source source;
	const struct sim *sim;
	size_t at;
	size_t verdicts;
};

static int played_read(struct source *s, source_fn fn, void *ctx, int budget)
{
	struct played *p = (struct played *)s;
	int n = 0;

	for (; n < budget && p->at < p->sim->n; n++) {
		const struct sonde_ev_hdr *h = p->sim->recs[p->at++];

		fn(ctx, h, h->size);
	}
	return n ? n : -ENODATA;
}

static void played_verdict(struct source *s, uint32_t slot, const struct sonde_verdict *v)
{
	((struct played *)s)->verdicts++;
}

static const struct source_ops played_ops = {
	.name = "played",
	.read = played_read,
	.verdict = played_verdict,
};

struct kept {
	char *text;
	size_t n, lines, ticks, closed;
};

static void kept_txn(void *self, const struct txn *t)
{
	struct kept *k = self;

	assert_true(parts_add_up(t));
	k->text = realloc(k->text, k->n + TXN_JSON_MAX + 2);
	k->n += txn_json(t, 0, k->text + k->n, TXN_JSON_MAX);
	k->text[k->n++] = '\n';
	k->text[k->n] = '\0';
	k->lines++;
}

static void kept_tick(void *self, uint64_t now_ns)
{
	((struct kept *)self)->ticks++;
}

static void kept_close(void *self)
{
	((struct kept *)self)->closed++;
}

static struct exporter exporter(struct kept *k)
{
	return (struct exporter){ .name = "kept",
				  .self = k,
				  .on_txn = kept_txn,
				  .tick = kept_tick,
				  .close = kept_close };
}

static char dir[64], path[80];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/sonde-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/rec", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

/* A process that is gone from /proc, but was seen to start. */
static void begin(struct sim *s)
{
	struct sonde_ev_exec ev = {
		.h = { SONDE_EV_EXEC, 0, sizeof(ev), 500 },
		.tgid = 4194303,
		.ppid = 1,
		.comm = "shop",
		.filename = "/usr/bin/shop",
		.args = "shop",
		.args_len = 5,
	};

	sim_init(s);
	s->tgid = ev.tgid;
	s->recs = malloc(64 * sizeof(*s->recs));
	s->recs[0] = malloc(sizeof(ev));
	memcpy(s->recs[0], &ev, sizeof(ev));
	s->n = 1;
	s->cap = 64;
}

static void exchanges(struct sim *s)
{
	for (uint64_t c = 1; c <= 6; c++)
		sim_open(s, c, c % 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT);
	for (int i = 0; i < 20; i++) {
		sim_request(s, 1 + i % 6, GET);
		if (i % 5 == 4)
			sim_swap(s, s->n - 2);
		sim_response(s, 1 + i % 6, OK);
		if (i == 10)
			sim_remove(s, s->n - 1);
	}
	sim_request(s, 3, GET);
	sim_close(s, 3, SONDE_CLOSE_RESET, ECONNRESET);
}

/* Runs a source to its end, with a tick now and then as a loop would make them. */
static void run(struct source *src, struct recorder *rec, bool is_live, struct kept *k)
{
	struct pipeline p;
	uint64_t now_ns = 0;
	int rc;

	assert_int_equal(pipeline_init(&p,
				       &(struct pipeline_opts){
					       .source = src,
					       .recorder = rec,
					       .is_live = is_live,
					       .routes = true,
				       }),
			 0);
	pipeline_add(&p, &(struct exporter){ 0 }); /* interested in nothing */
	pipeline_add(&p, &(struct exporter[]){ exporter(k) }[0]);
	while ((rc = pipeline_read(&p, 7)) > 0) {
		now_ns = p.now_ns + 25000000;
		if (is_live)
			pipeline_tick(&p, now_ns);
	}
	assert_int_equal(rc, -ENODATA);
	if (is_live) {
		pipeline_sweep(&p, 1, now_ns + 1);
		pipeline_tick(&p, now_ns + 20000000000ULL);
	}
	assert_int_equal(p.bad_records, 0);
	pipeline_free(&p);
	assert_int_equal(k->closed, 1);
}

static void test_replay_is_the_same(void **state)
{
	struct played live = { .source = { .ops = &played_ops } };
	struct kept a = { 0 }, b = { 0 };
	struct recorder *rec;
	struct source *src;
	struct sim s;
	char err[256];

	begin(&s);
	exchanges(&s);
	live.sim = &s;
	rec = recorder_open(path, 0, err, sizeof(err));
	assert_non_null(rec);
	run(&live.source, rec, true, &a);
	assert_int_equal(recorder_close(rec, NULL), 0);
	src = recording_open(path, err, sizeof(err));
	assert_non_null(src);
	run(src, NULL, false, &b);
	src->ops->close(src);
	assert_true(a.lines >= 18);
	assert_string_equal(a.text, b.text);
	assert_int_equal(a.ticks, b.ticks);
	assert_non_null(strstr(a.text, "\"service\":\"shop\""));
	assert_non_null(strstr(a.text, "\"comm\":\"shop\""));
	assert_non_null(strstr(a.text, "\"route\":\"/users/{id}\""));
	assert_non_null(strstr(a.text, "\"error_type\":\"connection_reset\""));
	assert_true(live.verdicts > 0);
	free(a.text);
	free(b.text);
	sim_free(&s);
}

/* Of a recording that ends early, at any record. */
static void test_prefix(void **state)
{
	struct played live = { .source = { .ops = &played_ops } };
	struct kept whole = { 0 };
	struct sim s;

	begin(&s);
	exchanges(&s);
	live.sim = &s;
	run(&live.source, NULL, false, &whole);
	for (size_t n = 1; n < s.n; n++) {
		struct sim part = s;
		struct kept k = { 0 };

		part.n = n;
		live.sim = &part;
		live.at = 0;
		run(&live.source, NULL, false, &k);
		if (k.n)
			assert_memory_equal(k.text, whole.text, k.n);
		free(k.text);
	}
	free(whole.text);
	sim_free(&s);
}

static void test_bad_records(void **state)
{
	struct played live = { .source = { .ops = &played_ops } };
	struct kept k = { 0 };
	struct pipeline p;
	struct sim s;

	begin(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	sim_request(&s, 1, GET);
	sim_duplicate(&s, s.n - 1);
	((struct sonde_ev_data *)s.recs[s.n - 1])->copied = 1000000;
	sim_duplicate(&s, s.n - 2);
	s.recs[s.n - 2]->kind = 999;
	sim_response(&s, 1, OK);
	live.sim = &s;
	assert_int_equal(pipeline_init(&p, &(struct pipeline_opts){ .source = &live.source }), 0);
	pipeline_add(&p, &(struct exporter[]){ exporter(&k) }[0]);
	while (pipeline_read(&p, 100) > 0)
		;
	pipeline_end(&p);
	assert_int_equal(p.records, s.n + 1);
	assert_int_equal(p.bad_records, 2);
	assert_int_equal(k.lines, 1);
	assert_non_null(strstr(k.text, "\"status\":200"));
	pipeline_free(&p);
	free(k.text);
	sim_free(&s);
}

static int on_last(void *ctx, const void *rec, size_t size)
{
	*(struct sonde_ev_hdr *)ctx = *(const struct sonde_ev_hdr *)rec;
	return 0;
}

/* A recording that began and ends while observing goes on. */
static void test_recording_of_a_while(void **state)
{
	struct played live = { .source = { .ops = &played_ops } };
	struct sonde_ev_hdr last = { 0 };
	struct pipeline p;
	struct recorder *rec;
	struct source *src;
	struct sim s;
	char err[256];

	begin(&s);
	exchanges(&s);
	live.sim = &s;
	assert_int_equal(pipeline_init(&p, &(struct pipeline_opts){ .source = &live.source }), 0);
	assert_true(pipeline_read(&p, 5) > 0);
	rec = recorder_open(path, 0, err, sizeof(err));
	assert_non_null(rec);
	pipeline_record_to(&p, rec);
	assert_true(pipeline_read(&p, 5) > 0);
	pipeline_record_to(&p, NULL);
	assert_int_equal(recorder_close(rec, NULL), 0);
	assert_true(pipeline_read(&p, 5) > 0); /* of which nothing is written */
	src = recording_open(path, err, sizeof(err));
	assert_non_null(src);
	while (src->ops->read(src, on_last, &last, 100) > 0)
		;
	assert_int_equal(last.kind, SONDE_EV_END);
	assert_int_equal(last.ts_ns, s.recs[9]->ts_ns);
	src->ops->close(src);
	pipeline_free(&p);
	sim_free(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_replay_is_the_same),
		TEST(test_prefix),
		TEST(test_bad_records),
		TEST(test_recording_of_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
