/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_proto CAPTURE...: what each parser takes for a message, request or response, over sessions
 * of real programs; a file is named after its protocol. A line for each protocol: its name, how
 * many messages its sessions have, and ns for each message, one value a round.
 */
#include <err.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include "capture/pcapfile.h"
#include "proto/proto.h"
#include "util/clock.h"

enum { ROUNDS = 9, ROUND_NS = 30000000, OPS_MAX = 256, BYTES_MAX = 65536 };

/* One end of a connection: what it sent and received, operation by operation. */
struct session {
	const struct proto *proto;
	uint64_t cookie;
	size_t n_ops;
	struct {
		enum proto_dir dir;
		size_t end; /* of bytes[dir] */
	} ops[OPS_MAX];
	size_t n[2];
	uint8_t bytes[2][BYTES_MAX];
};

static int on_record(void *ctx, const void *rec, size_t size)
{
	struct session *s = ctx;
	const struct sonde_ev_open *open = rec;
	const struct sonde_ev_data *ev = rec;
	enum proto_dir d;

	if (open->h.kind == SONDE_EV_OPEN && open->role == SONDE_ROLE_CLIENT && !s->cookie)
		s->cookie = open->cookie;
	if (ev->h.kind != SONDE_EV_DATA || ev->cookie != s->cookie || !ev->len)
		return 0;
	d = ev->dir == SONDE_TX ? PROTO_REQUEST : PROTO_RESPONSE;
	if (s->n_ops == OPS_MAX || s->n[d] + ev->copied > BYTES_MAX)
		errx(1, "a session is too long");
	memcpy(s->bytes[d] + s->n[d], ev->bytes, ev->copied);
	s->n[d] += ev->copied;
	s->ops[s->n_ops].dir = d;
	s->ops[s->n_ops++].end = s->n[d];
	return 0;
}

static struct session *session_read(const char *path)
{
	struct session *s = calloc(1, sizeof(*s));
	char err[256], copy[512], *name;
	struct source *src = pcapfile_open(path, err, sizeof(err));

	if (!s || !src)
		errx(1, "%s", s ? err : "no memory");
	snprintf(copy, sizeof(copy), "%s", path);
	name = basename(copy);
	s->proto = proto_by_name((struct slice){ (uint8_t *)name, strcspn(name, ".") });
	if (!s->proto)
		errx(1, "%s: no such protocol", name);
	while (src->ops->read(src, on_record, s, 4096) >= 0)
		;
	src->ops->close(src);
	return s;
}

/* All that can be parsed of a direction; how many messages began. */
static unsigned parse_some(const struct session *s, void *state, enum proto_dir d, size_t *at,
			   size_t end)
{
	unsigned messages = 0;
	struct msg m;

	while (*at < end) {
		ssize_t n;

		msg_clear(&m);
		n = s->proto->parse(state, d, (struct slice){ s->bytes[d] + *at, end - *at }, &m);
		if (n <= 0)
			break;
		messages += (m.flags & (MSG_BEGIN | MSG_INTERIM)) == MSG_BEGIN;
		*at += m.skip > s->n[d] ? s->n[d] : (size_t)n + m.skip;
	}
	return messages;
}

static unsigned session_parse(const struct session *s, void *state)
{
	size_t at[2] = { 0 }, end[2] = { 0 };
	unsigned messages = 0;

	memset(state, 0, s->proto->state_size);
	for (size_t i = 0; i < s->n_ops; i++) {
		enum proto_dir d = s->ops[i].dir;

		end[d] = s->ops[i].end;
		messages += parse_some(s, state, d, &at[d], end[d]);
		messages += parse_some(s, state, !d, &at[!d], end[!d]);
	}
	return messages;
}

static double round_ns(struct session *const *all, size_t n, void *state)
{
	uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), took_ns, messages = 0;

	do {
		for (size_t i = 0; i < n; i++)
			messages += session_parse(all[i], state);
		took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns;
	} while (took_ns < ROUND_NS);
	return (double)took_ns / (double)messages;
}

static void bench(struct session *const *all, size_t n)
{
	const struct proto *proto = all[0]->proto;
	void *state = calloc(1, proto->state_size);
	unsigned messages = 0;

	for (size_t i = 0; i < n; i++)
		messages += session_parse(all[i], state);
	if (!messages)
		errx(1, "%s: no messages", proto->name);
	printf("%s %u", proto->name, messages);
	for (int r = 0; r < ROUNDS; r++)
		printf(" %.1f", round_ns(all, n, state));
	printf("\n");
	free(state);
}

int main(int argc, char **argv)
{
	struct session *all[64];
	size_t n = 0, from = 0;

	if (argc < 2 || argc > 64)
		errx(2, "bench_proto CAPTURE...");
	for (int i = 1; i < argc; i++)
		all[n++] = session_read(argv[i]);
	for (size_t i = 1; i <= n; i++) {
		if (i < n && all[i]->proto == all[from]->proto)
			continue;
		bench(all + from, i - from);
		from = i;
	}
	for (size_t i = 0; i < n; i++)
		free(all[i]);
	return 0;
}
