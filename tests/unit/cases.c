/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include "cases.h"

static void check(struct feed *feed, const struct proto_case *c)
{
	feed_end(feed, PROTO_REQUEST);
	feed_end(feed, PROTO_RESPONSE);
	for (int d = 0; d < 2; d++) {
		if (strcmp(feed_log(feed, d), c->log[d]) != 0)
			print_message("in: %s\n", c->name);
		assert_string_equal(feed_log(feed, d), c->log[d]);
	}
}

static struct slice part(struct slice s, size_t from, size_t to)
{
	return (struct slice){ s.p + from, to - from };
}

void cases_find_every_message(void **state)
{
	const struct cases *cs = *state;
	struct feed *feed = feed_new(cs->proto);

	for (size_t i = 0; i < cs->n; i++) {
		feed_reset(feed);
		for (int d = 0; d < 2; d++)
			feed_bytes(feed, d, cs->v[i].bytes[d]);
		check(feed, &cs->v[i]);
		if (feed->errors != cs->v[i].errors)
			print_message("in: %s\n", cs->v[i].name);
		assert_int_equal(feed->errors, cs->v[i].errors);
	}
	feed_free(feed);
}

static void cut_one(struct feed *feed, const struct proto_case *c, int d)
{
	struct slice s = c->bytes[d];

	for (size_t cut = 0; cut <= s.n; cut++) {
		feed_reset(feed);
		if (d == PROTO_RESPONSE)
			feed_bytes(feed, !d, c->bytes[!d]);
		feed_bytes(feed, d, part(s, 0, cut));
		feed_bytes(feed, d, part(s, cut, s.n));
		if (d == PROTO_REQUEST)
			feed_bytes(feed, !d, c->bytes[!d]);
		check(feed, c);
	}
}

void cases_same_at_every_cut(void **state)
{
	const struct cases *cs = *state;
	struct feed *feed = feed_new(cs->proto);

	for (size_t i = 0; i < cs->n; i++)
		for (int d = 0; d < 2; d++)
			cut_one(feed, &cs->v[i], d);
	feed_free(feed);
}

void cases_same_byte_by_byte(void **state)
{
	const struct cases *cs = *state;
	struct feed *feed = feed_new(cs->proto);

	for (size_t i = 0; i < cs->n; i++) {
		feed_reset(feed);
		for (int d = 0; d < 2; d++)
			for (size_t k = 0; k < cs->v[i].bytes[d].n; k++)
				feed_bytes(feed, d, part(cs->v[i].bytes[d], k, k + 1));
		check(feed, &cs->v[i]);
	}
	feed_free(feed);
}

void cases_prefix_gives_the_first(void **state)
{
	const struct cases *cs = *state;
	struct feed *feed = feed_new(cs->proto);

	for (size_t i = 0; i < cs->n; i++) {
		for (int d = 0; d < 2; d++) {
			const struct proto_case *c = &cs->v[i];

			for (size_t n = 0; n < c->bytes[d].n; n++) {
				feed_reset(feed);
				if (d == PROTO_RESPONSE)
					feed_bytes(feed, !d, c->bytes[!d]);
				feed_bytes(feed, d, part(c->bytes[d], 0, n));
				assert_memory_equal(feed->side[d].log, c->log[d],
						    feed->side[d].log_n);
			}
		}
	}
	feed_free(feed);
}

static void corrupt_one(struct feed *feed, const struct proto_case *c, int d, uint8_t *bytes)
{
	struct slice s = c->bytes[d];

	memcpy(bytes, s.p, s.n);
	for (size_t k = 0; k < s.n; k++) {
		for (int v = 0; v < 256; v++) {
			bytes[k] = (uint8_t)v;
			feed_reset(feed);
			if (d == PROTO_RESPONSE)
				feed_bytes(feed, !d, c->bytes[!d]);
			feed_bytes(feed, d, (struct slice){ bytes, s.n });
			assert_true(feed->calls <= 4 + 2 * (s.n + c->bytes[!d].n));
		}
		bytes[k] = s.p[k];
	}
}

/* What comes out is anything; the guard pages and the asserts of feed.c are the test. */
void cases_one_wrong_byte_does_no_harm(void **state)
{
	const struct cases *cs = *state;
	struct feed *feed = feed_new(cs->proto);

	for (size_t i = 0; i < cs->n; i++) {
		for (int d = 0; d < 2; d++) {
			uint8_t *bytes = malloc(cs->v[i].bytes[d].n + 1);

			assert_non_null(bytes);
			corrupt_one(feed, &cs->v[i], d, bytes);
			free(bytes);
		}
	}
	feed_free(feed);
}

void cases_detect(const struct proto *proto, const struct first_bytes *t, size_t n)
{
	struct guard g = guard_new(8192);

	for (size_t i = 0; i < n; i++) {
		for (int d = 0; d < 2; d++) {
			int want = d == PROTO_REQUEST ? t[i].request : t[i].response;
			int said = proto->detect(guard_put(&g, t[i].bytes), d);

			if (said != want)
				fail_msg("%.*s: %d, not %d, as %s", (int)t[i].bytes.n,
					 (const char *)t[i].bytes.p, said, want,
					 d ? "a response" : "a request");
		}
	}
	guard_free(&g);
}
