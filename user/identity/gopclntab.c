// SPDX-License-Identifier: Apache-2.0
#include "identity/gopclntab.h"

#include <errno.h>

/* The runtime's pcHeader: 8 bytes, then words of 8. */
enum {
	HEAD = 8,
	WORD = 8,
	MAGIC_BEFORE_1_16 = 0xfb,
	FUNCTIONS_MAX = 1 << 22, /* kubectl has 80,000 */
};

/* debug/gosym and runtime/symtab.go of each release */
static const struct layout {
	uint32_t magic;
	uint8_t text, names, functions; /* which word of the header; text 0: there is none */
	uint8_t field;			/* bytes of an entry, and of a _func's */
} layouts[] = {
	{ 0xfffffffa, 0, 2, 6, 8 }, /* 1.16: entries are addresses */
	{ 0xfffffff0, 2, 3, 7, 4 }, /* 1.18: they count from the beginning of the code */
	{ 0xfffffff1, 2, 3, 7, 4 }, /* 1.20 */
};

struct reader {
	const struct layout *layout;
	struct slice table, names, functions;
	uint64_t n, text;
};

static uint64_t number(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static struct slice part(struct slice s, uint64_t from)
{
	return from < s.n ? (struct slice){ s.p + from, s.n - from } : (struct slice){ s.p, 0 };
}

static uint64_t word(struct slice table, size_t i)
{
	return number(table.p + HEAD + i * WORD, WORD);
}

static int open_table(struct reader *r, struct slice table, uint64_t text)
{
	uint32_t magic;

	if (table.n < HEAD + 8 * WORD || table.p[4] || table.p[5] || table.p[7] != WORD)
		return -ENOEXEC;
	magic = (uint32_t)number(table.p, 4);
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]) && !r->layout; i++)
		if (layouts[i].magic == magic)
			r->layout = &layouts[i];
	if (!r->layout)
		return magic == (0xffffff00 | MAGIC_BEFORE_1_16) ? -ENOTSUP : -ENOEXEC;
	r->table = table;
	r->n = word(table, 0);
	r->names = part(table, word(table, r->layout->names));
	r->functions = part(table, word(table, r->layout->functions));
	if (r->layout->text)
		r->text = word(table, r->layout->text) ?: text;
	/* each function has two fields, and the last is followed by its end */
	if (r->n > FUNCTIONS_MAX || r->n > r->functions.n / (2U * r->layout->field))
		return -ENOEXEC;
	if (r->functions.n - r->n * 2 * r->layout->field < r->layout->field)
		return -ENOEXEC;
	return 0;
}

static uint64_t entry(const struct reader *r, uint64_t i)
{
	return r->text + number(r->functions.p + i * 2 * r->layout->field, r->layout->field);
}

/* What is left of the names from this function's on; empty: it has none. */
static struct slice name_of(const struct reader *r, uint64_t i)
{
	size_t field = r->layout->field;
	uint64_t at = number(r->functions.p + (i * 2 + 1) * field, field);
	struct slice func = part(r->functions, at);

	if (func.n < field + 4)
		return (struct slice){ NULL, 0 };
	return part(r->names, number(func.p + field, 4));
}

int gopclntab_find(struct slice table, uint64_t text, struct gopclntab_function *wanted, size_t n)
{
	struct reader r = { .layout = NULL };
	int err = open_table(&r, table, text);
	int found = 0;

	for (size_t k = 0; k < n; k++)
		wanted[k].start = wanted[k].end = 0;
	if (err)
		return err;
	for (uint64_t i = 0; i < r.n && found < (int)n; i++) {
		struct slice name = name_of(&r, i);

		for (size_t k = 0; k < n; k++) {
			size_t length = strlen(wanted[k].name) + 1;

			if (wanted[k].start || name.n < length ||
			    memcmp(name.p, wanted[k].name, length) != 0)
				continue;
			if (entry(&r, i + 1) <= entry(&r, i))
				continue;
			wanted[k].start = entry(&r, i);
			wanted[k].end = entry(&r, i + 1);
			found++;
		}
	}
	return found;
}

bool gopclntab_search(struct slice bytes, size_t *at)
{
	struct reader r;

	for (size_t i = *at; i < bytes.n; i += GOPCLNTAB_ALIGN) {
		r = (struct reader){ .layout = NULL };
		if (open_table(&r, part(bytes, i), 0) == 0 && r.n) {
			*at = i;
			return true;
		}
	}
	return false;
}
