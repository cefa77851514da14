/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/sweep.h"

#include <stdbool.h>
#include <stdlib.h>
#include "util/map.h"

enum { COOKIES_MAX = 65536 };

struct sweeper {
	struct probe *probe;
	struct pipeline *pipeline;
	struct map missed; /* cookies that were missing the last time */
	struct map alive;
};

struct sweeper *sweeper_new(struct probe *probe, struct pipeline *p)
{
	struct sweeper *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->probe = probe;
	s->pipeline = p;
	return s;
}

void sweeper_free(struct sweeper *s)
{
	if (!s)
		return;
	map_free(&s->missed);
	map_free(&s->alive);
	free(s);
}

static void on_alive(void *ctx, uint64_t cookie)
{
	struct sweeper *s = ctx;

	map_put(&s->alive, cookie, s); /* any value: it is a set */
}

/* The cookies were taken before the kernel was asked, so a connection made meanwhile is in the
 * kernel's list alone and safe. */
static void compare(struct sweeper *s, const uint64_t *cookies, size_t n, uint64_t now_ns)
{
	struct map missing = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (map_get(&s->alive, cookies[i]))
			continue;
		if (map_get(&s->missed, cookies[i]))
			pipeline_sweep(s->pipeline, cookies[i], now_ns);
		else
			map_put(&missing, cookies[i], s);
	}
	map_free(&s->missed);
	s->missed = missing;
}

void sweeper_turn(struct sweeper *s, uint64_t now_ns)
{
	uint64_t *cookies = calloc(COOKIES_MAX, sizeof(*cookies));
	size_t n;

	if (!cookies)
		return;
	n = conns_cookies(s->pipeline->conns, cookies, COOKIES_MAX);
	/* also where we hold none, for the kernel's own state by address is cleared on the way;
	 * asked in vain, nobody is gone: the next sweep asks again */
	if (probe_each_cookie(s->probe, on_alive, s) == 0)
		compare(s, cookies, n, now_ns);
	map_free(&s->alive);
	free(cookies);
}
