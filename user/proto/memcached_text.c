// SPDX-License-Identifier: Apache-2.0
/* Requests of the text protocol, classic and meta commands: which they are, what follows their line
 * and what answers them. */
#include <string.h>

#include "proto/memcached_parts.h"

enum form {
	FORM_PLAIN,  /* a line, answered */
	FORM_STORE,  /* key flags exptime bytes [noreply]: bytes follow */
	FORM_CAS,    /* the same with the unique value before noreply */
	FORM_GET,    /* key* */
	FORM_GAT,    /* exptime key* */
	FORM_MUTE,   /* may say noreply */
	FORM_META,   /* key flags* */
	FORM_META_S, /* key bytes flags*: bytes follow */
	FORM_QUIT,   /* nothing answers it */
	FORM_WATCH,  /* answered without end */
};

struct command {
	const char *name;
	enum form form;
	uint8_t kind;
	uint8_t least, most; /* arguments */
};

static const struct command commands[] = {
	{ "get", FORM_GET, MC_GET, 1, UINT8_MAX },
	{ "gets", FORM_GET, MC_GET, 1, UINT8_MAX },
	{ "gat", FORM_GAT, MC_GET, 2, UINT8_MAX },
	{ "gats", FORM_GAT, MC_GET, 2, UINT8_MAX },
	{ "set", FORM_STORE, MC_OTHER, 4, 5 },
	{ "add", FORM_STORE, MC_OTHER, 4, 5 },
	{ "replace", FORM_STORE, MC_OTHER, 4, 5 },
	{ "append", FORM_STORE, MC_OTHER, 4, 5 },
	{ "prepend", FORM_STORE, MC_OTHER, 4, 5 },
	{ "cas", FORM_CAS, MC_OTHER, 5, 6 },
	{ "delete", FORM_MUTE, MC_OTHER, 1, 3 },
	{ "incr", FORM_MUTE, MC_OTHER, 2, 3 },
	{ "decr", FORM_MUTE, MC_OTHER, 2, 3 },
	{ "touch", FORM_MUTE, MC_OTHER, 2, 3 },
	{ "flush_all", FORM_MUTE, MC_OTHER, 0, 2 },
	{ "verbosity", FORM_MUTE, MC_OTHER, 0, 2 },
	{ "cache_memlimit", FORM_MUTE, MC_OTHER, 1, 2 },
	{ "version", FORM_PLAIN, MC_OTHER, 0, 0 },
	{ "stats", FORM_PLAIN, MC_OTHER, 0, UINT8_MAX },
	{ "slabs", FORM_PLAIN, MC_OTHER, 1, UINT8_MAX },
	{ "lru", FORM_PLAIN, MC_OTHER, 1, UINT8_MAX },
	{ "lru_crawler", FORM_PLAIN, MC_OTHER, 1, UINT8_MAX },
	{ "extstore", FORM_PLAIN, MC_OTHER, 1, UINT8_MAX },
	{ "refresh_certs", FORM_PLAIN, MC_OTHER, 0, 0 },
	{ "shutdown", FORM_PLAIN, MC_OTHER, 0, 1 },
	{ "quit", FORM_QUIT, MC_OTHER, 0, 0 },
	{ "watch", FORM_WATCH, MC_WATCH, 0, UINT8_MAX },
	{ "mg", FORM_META, MC_MG, 1, UINT8_MAX },
	{ "ms", FORM_META_S, MC_MS, 2, UINT8_MAX },
	{ "md", FORM_META, MC_MD, 1, UINT8_MAX },
	{ "ma", FORM_META, MC_MA, 1, UINT8_MAX },
	{ "me", FORM_PLAIN, MC_ME, 1, UINT8_MAX },
	{ "mn", FORM_PLAIN, MC_MN, 0, UINT8_MAX },
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

size_t mc_line(struct slice in, uint32_t *scanned, struct slice *line)
{
	const uint8_t *end = NULL;

	if (in.n > *scanned)
		end = memchr(in.p + *scanned, '\n', in.n - *scanned);
	if (!end) {
		*scanned = (uint32_t)in.n;
		return 0;
	}
	*line = (struct slice){ in.p, (size_t)(end - in.p) };
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return (size_t)(end - in.p) + 1;
}

struct slice mc_token(struct slice *line)
{
	struct slice token;
	size_t n = 0;

	while (line->n && line->p[0] == ' ') {
		line->p++;
		line->n--;
	}
	while (n < line->n && line->p[n] != ' ')
		n++;
	token = (struct slice){ line->p, n };
	line->p += n;
	line->n -= n;
	return token;
}

bool mc_number(struct slice s, uint64_t *n)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 19)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*n = v;
	return true;
}

/* FNV-1a, folded to what a tag has room for. */
uint16_t mc_hash(uint8_t what, struct slice s)
{
	uint32_t h = (2166136261u ^ what) * 16777619u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 16777619u;
	return (h ^ h >> 11 ^ h >> 22) & 0x7ff;
}

static const struct command *find(struct slice name)
{
	for (int i = 0; i < N_COMMANDS; i++)
		if (slice_eq(name, slice_str(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* Behind the key a meta command's arguments are flags, a letter each and perhaps a value. */
static size_t put_argument(char *out, size_t at, const struct command *c, unsigned i,
			   struct slice token)
{
	bool is_flag = (c->form == FORM_META && i > 0) || (c->form == FORM_META_S && i > 1);

	out[at++] = ' ';
	if (slice_eq(token, SLICE("noreply")))
		return (size_t)((char *)mempcpy(out + at, token.p, token.n) - out);
	if (is_flag)
		out[at++] = token.p[0] > ' ' && token.p[0] < 0x7f ? (char)token.p[0] : '?';
	if (!is_flag || token.n > 1)
		out[at++] = '?';
	return at;
}

/* The command with its arguments left out; returns how many there are. */
static unsigned describe(struct slice line, const struct command *c, struct mc_request *r,
			 char *room, struct slice token[MC_TOKENS])
{
	size_t at = slice_copy(room, MSG_ROOM, r->operation);
	struct slice t;
	unsigned n = 0;

	for (; (t = mc_token(&line)).n; n++) {
		if (n < MC_TOKENS)
			token[n] = t;
		if (at < 1000)
			at = put_argument(room, at, c, n, t);
	}
	r->query = (struct slice){ (uint8_t *)room, at };
	return n;
}

/* "q": answers only when there is something to say. "O", "k": what the answer repeats. */
static void read_flags(struct slice line, const struct command *c, struct mc_request *r)
{
	struct slice key, t, opaque = { 0 };
	bool has_key = false;

	mc_token(&line);
	key = mc_token(&line);
	if (c->form == FORM_META_S)
		mc_token(&line);
	while ((t = mc_token(&line)).n) {
		if (t.p[0] == 'q')
			r->tag.is_quiet = true;
		else if (t.p[0] == 'O')
			opaque = t;
		else if (t.p[0] == 'k')
			has_key = true;
	}
	if (opaque.n)
		r->tag.hash = mc_hash('O', (struct slice){ opaque.p + 1, opaque.n - 1 });
	else if (has_key)
		r->tag.hash = mc_hash('k', key);
	if (!r->tag.is_quiet)
		return;
	if (c->kind == MC_MG)
		r->silence = SLICE("MISS");
	else if (c->kind == MC_MS)
		r->silence = SLICE("STORED");
	/* else: newer servers do not say of md and ma that nothing was found */
}

/* The value that follows: no more than a server reads. A line it cannot read has none. */
static bool read_data(struct slice bytes, struct mc_request *r)
{
	uint64_t n;

	if (!mc_number(bytes, &n) || n > INT32_MAX - 2)
		return false;
	r->data = n + 2;
	return true;
}

static bool read_form(struct slice line, const struct command *c, struct mc_request *r, unsigned n,
		      const struct slice token[MC_TOKENS])
{
	bool is_mute = n && n <= MC_TOKENS && slice_eq(token[n - 1], SLICE("noreply"));

	switch (c->form) {
	case FORM_STORE:
	case FORM_CAS:
		r->is_no_reply = is_mute;
		return token[0].n <= MC_KEY_MAX && read_data(token[3], r);
	case FORM_META_S:
		read_flags(line, c, r);
		return token[0].n <= MC_KEY_MAX * 4 / 3 + 4 && read_data(token[1], r);
	case FORM_META: read_flags(line, c, r); break;
	case FORM_MUTE: r->is_no_reply = is_mute; break;
	case FORM_QUIT: r->is_no_reply = r->is_last = true; break;
	case FORM_PLAIN:
	case FORM_GET:
	case FORM_GAT:
	case FORM_WATCH: break;
	}
	return true;
}

void mc_text_request(struct slice line, struct mc_request *r, char *room)
{
	struct slice rest = line, name = mc_token(&rest), token[MC_TOKENS] = { 0 };
	const struct command *c = find(name);
	unsigned n;

	*r = (struct mc_request){ .tag.kind = MC_OTHER, .operation = SLICE("_OTHER") };
	if (!c) /* what it says may be anything, a value too */
		return;
	r->operation = slice_str(c->name);
	n = describe(rest, c, r, room, token);
	r->tag.kind = c->kind & 15;
	if (n < c->least || (c->most != UINT8_MAX && n > c->most))
		return;
	r->is_known = read_form(line, c, r, n, token);
}
