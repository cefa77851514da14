/* SPDX-License-Identifier: Apache-2.0 */
/* The commands there are. */
#include <stdlib.h>

#include "proto/redis_parts.h"

struct name {
	const char *text;
	int words;
};

static const struct name names[] = {
#define NAME(text, words) { text, words },
#include "proto/redis_names.def"
#undef NAME
};

/* Of modules that are known, whatever comes behind the dot. */
static const char *const modules[] = { "bf.",	"cf.",	 "cms.",     "ft.",
				       "json.", "topk.", "tdigest.", "ts." };

static int compare(const void *key, const void *element)
{
	const struct slice *s = key;
	const struct name *name = element;
	size_t i = 0;

	for (; i < s->n && name->text[i]; i++)
		if (slice_lower(s->p[i]) != (uint8_t)name->text[i])
			return slice_lower(s->p[i]) - (uint8_t)name->text[i];
	return i < s->n ? 1 : name->text[i] ? -1 : 0;
}

bool redis_is_known(struct slice word, uint32_t n_args)
{
	const struct name *found =
		bsearch(&word, names, sizeof(names) / sizeof(names[0]), sizeof(names[0]), compare);

	if (found)
		return found->words > 0 ? n_args == (uint32_t)found->words
					: n_args >= (uint32_t)-found->words;
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		struct slice m = slice_str(modules[i]);

		if (word.n > m.n && slice_ieq((struct slice){ word.p, m.n }, m))
			return true;
	}
	return false;
}
