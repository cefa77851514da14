/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include "holes.h"

enum { WORDS_MAX = 64, WORD_MAX = 512 };

struct words {
	size_t n;
	char v[WORDS_MAX][WORD_MAX];
};

static struct slice part(struct slice s, size_t from, size_t to)
{
	return (struct slice){ s.p + from, to - from };
}

/* A message is known by what it is, not by its length, rows, database and whether it is answered: a
 * hole may have had a part of that. Prints it without them; false: it is none ("?" is open, "-1"
 * withdraws, "interim" answers nothing, and what was open when framing was lost is lost). */
static bool put_word(char *out, const char *word, size_t n)
{
	static const char *const parts[] = { " w", " rows=", " ns=", " noreply", " quiet" };

	if (!n || word[0] == '?' || word[0] == '-' || memmem(word, n, " interim", 8) ||
	    memmem(word, n, " ended-in-hole", 14))
		return false;
	snprintf(out, WORD_MAX, "%.*s", (int)n, word);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char *at = strstr(out, parts[i]), *end;

		if (!at || (i == 0 && !isdigit((unsigned char)at[2])))
			continue;
		end = i == 0 ? at + strlen(at) : at + 1 + strcspn(at + 1, " ");
		memmove(at, end, strlen(end) + 1);
	}
	return true;
}

static void split(const char *log, struct words *out)
{
	out->n = 0;
	while (*log) {
		size_t n = strcspn(log, "|");

		assert_true(out->n < WORDS_MAX);
		out->n += put_word(out->v[out->n], log, n);
		log += n + (log[n] == '|');
	}
}

/* A request whose statement was in the hole has no operation; an answer may have lost its error. */
static bool is_less(const char *word)
{
	return !strstr(word, "op=") && !strstr(word, "error");
}

static bool is_one_of(const struct words *all, const char *word)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i], word) == 0)
			return true;
	return false;
}

/* The messages that come out are the case's, and no more. */
static void check(const struct proto_case *c, int d, const char *log, size_t at, size_t len)
{
	static struct words whole, found;

	split(c->log[d], &whole);
	split(log, &found);
	for (size_t i = 0; i < found.n; i++)
		if (!is_less(found.v[i]) && !is_one_of(&whole, found.v[i]))
			fail_msg("%s: a hole of %zu at %zu: <%s> is not in %s", c->name, len, at,
				 found.v[i], c->log[d]);
	if (found.n > whole.n)
		fail_msg("%s: a hole of %zu at %zu: %s for %s", c->name, len, at, log, c->log[d]);
}

static void invent_nothing(const struct cases *cs, int d)
{
	struct feed *f = feed_new(cs->proto);

	for (size_t i = 0; i < cs->n; i++) {
		const struct proto_case *c = &cs->v[i];
		struct slice s = c->bytes[d];

		for (size_t at = 0; at < s.n; at++) {
			for (size_t len = 1; at + len <= s.n; len += len < 32 ? 1 : 13) {
				feed_reset(f);
				if (d == PROTO_RESPONSE)
					feed_bytes(f, !d, c->bytes[!d]);
				feed_bytes(f, d, part(s, 0, at));
				feed_hole(f, d, len);
				feed_bytes(f, d, part(s, at + len, s.n));
				check(c, d, f->side[d].log, at, len);
			}
		}
	}
	feed_free(f);
}

void holes_invent_no_request(void **state)
{
	invent_nothing(*state, PROTO_REQUEST);
}

void holes_invent_no_response(void **state)
{
	invent_nothing(*state, PROTO_RESPONSE);
}

static void feed_around(struct feed *f, const struct holes *h, size_t from, size_t to)
{
	struct slice all = { h->bytes, h->end[HOLES_MESSAGES - 1] };

	feed_reset(f);
	feed_bytes(f, PROTO_REQUEST, part(all, 0, from));
	feed_hole(f, PROTO_REQUEST, to - from);
	for (int i = 0; h->is_by_message && i < HOLES_MESSAGES; i++) {
		if (h->end[i] <= to)
			continue;
		feed_bytes(f, PROTO_REQUEST, part(all, to, h->end[i]));
		to = h->end[i];
	}
	feed_bytes(f, PROTO_REQUEST, part(all, to, all.n));
}

void holes_cost_only_what_they_touch(const struct holes *h)
{
	struct feed *f = feed_new(h->proto);
	size_t n = h->end[HOLES_MESSAGES - 1];

	for (size_t from = 0; from < n; from++) {
		for (size_t to = from + 1; to <= n; to++) {
			const char *log = f->side[PROTO_REQUEST].log, *at;
			size_t found = 0, whole = 0;

			feed_around(f, h, from, to);
			for (int i = 0; i < HOLES_MESSAGES; i++) {
				bool is_whole = h->end[i] <= from || (i ? h->end[i - 1] : 0) >= to;

				at = strstr(log, h->want[i]);
				if (is_whole && !at)
					fail_msg("%zu-%zu: %s: %s", from, to, h->want[i], log);
				assert_null(at ? strstr(at + 1, h->want[i]) : NULL);
				whole += is_whole;
			}
			for (at = log; (at = strstr(at, h->mark)); at++)
				found++;
			if (found < whole || found > whole + h->more)
				fail_msg("%zu-%zu: %zu, not %zu: %s", from, to, found, whole, log);
		}
	}
	feed_free(f);
}
