/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a configuration file; behind the byte 0x1e arguments, a line each; behind another one
 * environment variables. What is refused is so in one line, and an accepted --filter means the
 * same twice.
 */
#include <stdint.h>
#include "cmd/filter.h"
#include "config.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 32 };

/* The front of *s up to `end`, as a string in *at, which moves behind it. */
static char *word(struct slice *s, uint8_t end, char **at)
{
	const uint8_t *found = memchr(s->p, end, s->n);
	size_t n = found ? (size_t)(found - s->p) : s->n;
	char *out = *at;

	memcpy(out, s->p, n);
	out[n] = '\0';
	*at += n + 1;
	s->p += n + (found != NULL);
	s->n -= n + (found != NULL);
	return out;
}

static size_t words(struct slice part, char **out, size_t n, char **at)
{
	while (part.n && n < WORDS_MAX)
		out[n++] = word(&part, '\n', at);
	out[n] = NULL;
	return n;
}

static struct slice part_of(struct slice *s)
{
	const uint8_t *found = memchr(s->p, 0x1e, s->n);
	struct slice part = { s->p, found ? (size_t)(found - s->p) : s->n };

	s->p += part.n + (found != NULL);
	s->n -= part.n + (found != NULL);
	return part;
}

static void try_filter(const char *expr)
{
	static const struct txn none;
	char err[512] = "";
	struct filter *f = filter_new(expr, err, sizeof(err));

	must(f || (err[0] && !strchr(err, '\n')));
	if (f)
		must(filter_match(f, &none) == filter_match(f, &none));
	filter_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { data, size }, file = part_of(&in), args = part_of(&in);
	char *argv[WORDS_MAX + 1] = { "sonde", "run", "--config" }, *env[WORDS_MAX + 1];
	char *buffer = malloc(size + 2 * WORDS_MAX + 2), *at = buffer, err[1024] = "";
	struct config c;
	size_t argc;

	argv[3] = (char *)fuzz_file(file.p, file.n, NULL, 0);
	argc = words(args, argv, 4, &at);
	words(in, env, 0, &at);
	if (config_parse(&c, (int)argc, argv, env, err, sizeof(err)) == 0) {
		if (c.filter_expr)
			try_filter(c.filter_expr);
		config_free(&c);
	} else {
		must(err[0] && !strchr(err, '\n'));
	}
	free(buffer);
	return 0;
}
