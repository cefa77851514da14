// SPDX-License-Identifier: Apache-2.0
/* Replies of the text protocol, line by line. */
#include <errno.h>

#include "proto/memcached_parts.h"

enum shape {
	SHAPE_WORD,   /* the word is all there is */
	SHAPE_MORE,   /* text may follow it */
	SHAPE_VALUE,  /* VALUE key flags bytes [cas] */
	SHAPE_END,    /* of values or of a list */
	SHAPE_LIST,   /* one line of a list */
	SHAPE_META,   /* flags follow */
	SHAPE_META_V, /* bytes and flags follow */
};

#define BIT(kind) (1 << (kind))

/*
 * What may answer a quiet request: doc/protocol.txt, "Quiet mode semantics". A quiet mg is not
 * answered by EN, ms, md and ma not by HD or VA; md and ma not by NF either since servers newer
 * than those of Debian 12.
 */
static const struct word {
	const char *name;
	enum shape shape;
	uint16_t kinds;
	bool is_error;
} words[] = {
	{ "VALUE", SHAPE_VALUE, 0, false },
	{ "END", SHAPE_END, 0, false },
	{ "STAT", SHAPE_LIST, 0, false },
	{ "ITEM", SHAPE_LIST, 0, false },
	{ "PREFIX", SHAPE_LIST, 0, false },
	{ "mg", SHAPE_LIST, 0, false },
	{ "STORED", SHAPE_WORD, 0, false },
	{ "NOT_STORED", SHAPE_WORD, 0, false },
	{ "EXISTS", SHAPE_WORD, 0, false },
	{ "NOT_FOUND", SHAPE_WORD, 0, false },
	{ "DELETED", SHAPE_WORD, 0, false },
	{ "TOUCHED", SHAPE_WORD, 0, false },
	{ "OK", SHAPE_MORE, 0, false },
	{ "RESET", SHAPE_WORD, 0, false },
	{ "VERSION", SHAPE_MORE, 0, false },
	{ "BUSY", SHAPE_MORE, 0, false },
	{ "BADCLASS", SHAPE_MORE, 0, false },
	{ "NOSPARE", SHAPE_MORE, 0, false },
	{ "NOTFULL", SHAPE_MORE, 0, false },
	{ "UNSAFE", SHAPE_MORE, 0, false },
	{ "SAME", SHAPE_MORE, 0, false },
	{ "ERROR", SHAPE_MORE, 0, true },
	{ "ERROR:", SHAPE_MORE, 0, true }, /* shutdown not enabled */
	{ "CLIENT_ERROR", SHAPE_MORE, BIT(MC_MG) | BIT(MC_MS) | BIT(MC_MD) | BIT(MC_MA), true },
	{ "SERVER_ERROR", SHAPE_MORE, BIT(MC_MG) | BIT(MC_MS) | BIT(MC_MD) | BIT(MC_MA), true },
	{ "VA", SHAPE_META_V, BIT(MC_MG), false },
	{ "HD", SHAPE_META, BIT(MC_MG), false },
	{ "EN", SHAPE_META, 0, false },
	{ "NF", SHAPE_META, BIT(MC_MS) | BIT(MC_MD) | BIT(MC_MA), false },
	{ "NS", SHAPE_META, BIT(MC_MS) | BIT(MC_MA), false },
	{ "EX", SHAPE_META, BIT(MC_MS) | BIT(MC_MD) | BIT(MC_MA), false },
	{ "MN", SHAPE_META, 0, false },
	{ "ME", SHAPE_MORE, 0, false },
};

enum { N_WORDS = sizeof(words) / sizeof(words[0]) };

static const struct word *find(struct slice name)
{
	for (int i = 0; i < N_WORDS; i++)
		if (slice_eq(name, slice_str(words[i].name)))
			return &words[i];
	return NULL;
}

/* What a reply repeats of its request: the opaque rather than the key. */
static void read_flags(struct slice line, struct mc_reply *r)
{
	struct slice t, key = { 0 }, opaque = { 0 };

	while ((t = mc_token(&line)).n) {
		if (t.p[0] == 'O')
			opaque = t;
		else if (t.p[0] == 'k')
			key = t;
	}
	r->is_hash_known = true;
	if (opaque.n)
		r->hash = mc_hash('O', (struct slice){ opaque.p + 1, opaque.n - 1 });
	else if (key.n)
		r->hash = mc_hash('k', (struct slice){ key.p + 1, key.n - 1 });
}

static bool read_value(struct slice line, struct mc_reply *r)
{
	struct slice flags;
	uint64_t n;

	mc_token(&line);
	flags = mc_token(&line);
	if (!mc_number(flags, &n) || !mc_number(mc_token(&line), &r->data))
		return false;
	r->is_value = true;
	r->data += 2;
	return r->data <= INT32_MAX;
}

/* incr and decr are answered by a number; lru_crawler metadump by lines that begin with "key=". */
static int read_wordless(struct slice name, struct mc_reply *r)
{
	uint64_t n;

	if (mc_number(name, &n) || (name.n == 20 && name.p[0] == '1'))
		r->is_end = r->is_number = true;
	else if (slice_starts(name, SLICE("key=")))
		r->is_of_list = true;
	else
		return -EBADMSG;
	return 0;
}

int mc_text_reply(struct slice line, struct mc_reply *r)
{
	struct slice name = mc_token(&line);
	const struct word *w = find(name);

	*r = (struct mc_reply){ .word = name };
	if (!w)
		return read_wordless(name, r);
	r->kinds = w->kinds;
	r->is_error = w->is_error;
	r->is_end = true;
	switch (w->shape) {
	case SHAPE_WORD: return line.n ? -EBADMSG : 0;
	case SHAPE_END: return line.n ? -EBADMSG : 0;
	case SHAPE_MORE: break;
	case SHAPE_LIST:
		r->is_end = false;
		r->is_of_list = true;
		break;
	case SHAPE_VALUE: r->is_end = false; return read_value(line, r) ? 0 : -EBADMSG;
	case SHAPE_META: read_flags(line, r); break;
	case SHAPE_META_V:
		if (!mc_number(mc_token(&line), &r->data) || r->data > INT32_MAX - 2)
			return -EBADMSG;
		r->data += 2;
		read_flags(line, r);
		break;
	}
	return 0;
}

/* The two letters of meta commands in the words of the classic ones. */
static struct slice meta_status(uint8_t kind, struct slice word)
{
	if (slice_eq(word, SLICE("EN")))
		return kind == MC_MG || kind == MC_ME ? SLICE("MISS") : SLICE("END");
	if (slice_eq(word, SLICE("NF")))
		return SLICE("NOT_FOUND");
	if (slice_eq(word, SLICE("NS")))
		return SLICE("NOT_STORED");
	if (slice_eq(word, SLICE("EX")))
		return SLICE("EXISTS");
	if (slice_eq(word, SLICE("MN")))
		return SLICE("OK");
	switch ((enum mc_kind)kind) {
	case MC_MG:
	case MC_ME: return SLICE("HIT");
	case MC_MS: return SLICE("STORED");
	case MC_MD: return SLICE("DELETED");
	case MC_MA: return SLICE("OK");
	default: return word; /* what it answers is not known */
	}
}

struct slice mc_text_status(const struct mc_side *s, const struct mc_reply *r)
{
	if (r->is_error)
		return slice_eq(r->word, SLICE("ERROR:")) ? SLICE("ERROR") : r->word;
	if (r->is_number || s->is_list || slice_eq(r->word, SLICE("VERSION")))
		return SLICE("OK");
	if (slice_eq(r->word, SLICE("END"))) {
		if (s->values)
			return SLICE("HIT");
		return s->kind == MC_GET       ? SLICE("MISS")
		       : s->kind == MC_UNKNOWN ? r->word
					       : SLICE("OK");
	}
	return r->word.n == 2 && !slice_eq(r->word, SLICE("OK")) ? meta_status(s->kind, r->word)
								 : r->word;
}
