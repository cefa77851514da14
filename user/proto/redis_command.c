/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: arrays of bulk strings, or words on a line. Only the words that name a command are ever
 * looked at; keys, values and passwords stay where they are. */
#include <errno.h>
#include <string.h>

#include "proto/redis_parts.h"

enum { MAX_ARGS = 1 << 20, QUERY_MARKS = 8 };

ssize_t redis_line(struct slice in, struct slice *line)
{
	size_t max = in.n < REDIS_LINE_MAX ? in.n : REDIS_LINE_MAX;
	const uint8_t *end = max ? memchr(in.p, '\n', max) : NULL;

	if (!end)
		return in.n >= REDIS_LINE_MAX ? -EBADMSG : 0;
	if (end == in.p || end[-1] != '\r')
		return -EBADMSG;
	*line = (struct slice){ in.p, (size_t)(end - in.p) - 1 };
	return end - in.p + 1;
}

bool redis_number(struct slice s, int64_t *out)
{
	bool is_negative = s.n && s.p[0] == '-';
	size_t i = is_negative;
	int64_t v = 0;

	if (s.n == i || s.n - i > 10)
		return false;
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	if (v > INT32_MAX)
		return false;
	*out = is_negative ? -v : v;
	return true;
}

static bool is_word(struct slice s)
{
	if (!s.n || s.n > REDIS_WORD_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = slice_lower(s.p[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

bool redis_is_container(struct slice name)
{
	static const char *const containers[] = {
		"acl",	    "client",  "cluster", "command", "config", "debug",
		"function", "latency", "memory",  "module",  "object", "pubsub",
		"script",   "slowlog", "xgroup",  "xinfo",
	};

	for (size_t i = 0; i < sizeof(containers) / sizeof(containers[0]); i++)
		if (slice_ieq(name, slice_str(containers[i])))
			return true;
	return false;
}

/* "$<len>\r\n" at the front: its length, *len that of the string. 0 more, -EBADMSG. */
static ssize_t bulk_head(struct slice in, int64_t *len)
{
	struct slice line;
	ssize_t n;

	if (in.n && in.p[0] != '$')
		return -EBADMSG;
	n = redis_line(in, &line);
	if (n <= 0)
		return n < 0 || in.n < 16 ? n : -EBADMSG;
	line.p++;
	line.n--;
	if (!redis_number(line, len) || *len < 0)
		return -EBADMSG;
	return n;
}

/* How many words of a command have to be seen before it can be described. */
static uint32_t words_needed(const struct redis_command *c)
{
	struct slice name = c->args[0];

	if (slice_ieq(name, SLICE("client")) && c->n_args >= 2)
		return c->args_seen >= 2 && slice_ieq(c->args[1], SLICE("reply")) ? 3 : 2;
	if (slice_ieq(name, SLICE("select")) || redis_is_container(name))
		return 2;
	return 1;
}

static int array_command(struct slice in, struct redis_command *out)
{
	struct slice line;
	ssize_t n = redis_line(in, &line);
	int64_t v;

	if (n <= 0)
		return n < 0 || in.n < 16 ? (int)n : -EBADMSG;
	line.p++;
	line.n--;
	if (!redis_number(line, &v) || v < 0 || v > MAX_ARGS)
		return -EBADMSG;
	out->used = (size_t)n;
	out->n_args = (uint32_t)v;
	while (out->args_seen < out->n_args && out->args_seen < 3 &&
	       (!out->args_seen || out->args_seen < words_needed(out))) {
		struct slice rest = { in.p + out->used, in.n - out->used };

		n = bulk_head(rest, &v);
		if (n <= 0)
			return (int)n;
		/* what is too long to be a word is no word: no need to see it */
		if (v > REDIS_WORD_MAX)
			return out->args_seen ? 1 : -EBADMSG;
		if (rest.n < (size_t)n + (size_t)v + 2)
			return 0;
		if (rest.p[n + v] != '\r' || rest.p[n + v + 1] != '\n')
			return -EBADMSG;
		out->args[out->args_seen++] = (struct slice){ rest.p + n, (size_t)v };
		out->used += (size_t)(n + v + 2);
	}
	return out->n_args == 0 || is_word(out->args[0]) ? 1 : -EBADMSG;
}

static struct slice next_word(struct slice *line)
{
	struct slice word;

	while (line->n && (line->p[0] == ' ' || line->p[0] == '\t')) {
		line->p++;
		line->n--;
	}
	word = (struct slice){ line->p, 0 };
	while (line->n && line->p[0] != ' ' && line->p[0] != '\t') {
		word.n++;
		line->p++;
		line->n--;
	}
	return word;
}

/* As typed into a terminal. Quoting matters to values only, of which just the number is told. */
static int inline_command(struct slice in, struct redis_command *out)
{
	size_t max = in.n < REDIS_LINE_MAX ? in.n : REDIS_LINE_MAX;
	const uint8_t *end = memchr(in.p, '\n', max);
	struct slice line, word;

	if (!end)
		return in.n >= REDIS_LINE_MAX ? -EBADMSG : 0;
	line = (struct slice){ in.p, (size_t)(end - in.p) };
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	out->used = (size_t)(end - in.p) + 1;
	while ((word = next_word(&line)).n) {
		if (out->n_args < 3)
			out->args[out->n_args] = word;
		out->n_args++;
	}
	out->args_seen = out->n_args;
	return out->n_args == 0 || is_word(out->args[0]) ? 1 : -EBADMSG;
}

int redis_command(struct slice in, struct redis_command *out)
{
	*out = (struct redis_command){ 0 };
	if (!in.n)
		return 0;
	return in.p[0] == '*' ? array_command(in, out) : inline_command(in, out);
}

size_t redis_command_end(struct slice in, const struct redis_command *c)
{
	size_t at = c->used;

	for (uint32_t left = c->n_args - c->args_seen; left; left--) {
		struct slice rest = { in.p + at, in.n - at };
		int64_t len;
		ssize_t n = bulk_head(rest, &len);

		if (n <= 0)
			return n < 0 ? 0 : SIZE_MAX;
		if ((uint64_t)len + 2 > rest.n - (size_t)n)
			return SIZE_MAX;
		at += (size_t)n + (size_t)len + 2;
	}
	return at;
}

static size_t put_upper(char *out, struct slice word)
{
	for (size_t i = 0; i < word.n; i++)
		out[i] = word.p[i] >= 'a' && word.p[i] <= 'z' ? (char)(word.p[i] - 32)
							      : (char)word.p[i];
	return word.n;
}

void redis_describe(const struct redis_command *c, struct msg *out)
{
	uint32_t named = 1;
	size_t n;

	out->system = SLICE("redis");
	n = put_upper(out->room, c->args[0]);
	if (redis_is_container(c->args[0]) && c->args_seen >= 2 && is_word(c->args[1])) {
		out->room[n++] = ' ';
		n += put_upper(out->room + n, c->args[1]);
		named = 2;
	}
	out->operation = (struct slice){ (const uint8_t *)out->room, n };
	for (uint32_t i = named; i < c->n_args && i < named + QUERY_MARKS; i++) {
		out->room[n++] = ' ';
		out->room[n++] = '?';
	}
	if (c->n_args > named + QUERY_MARKS) {
		memcpy(out->room + n, " ...", 4);
		n += 4;
	}
	out->query = (struct slice){ (const uint8_t *)out->room, n };
}
